//! What an instrument accepts, and how that changes.

use crate::command::{InstrumentScope, NewOrder, SetTradingStatus};
use crate::engine::{Engine, Listing};
use crate::event::{Event, EventSink, TradingStatusSet};
use crate::reject::RejectReason;
use crate::types::TradingStatus;

impl Engine {
    /// Whether the instrument takes this order now, and if so, whether it collects orders rather than match them.
    #[inline]
    pub(crate) fn check_status(&self, listing: &Listing, command: &NewOrder) -> Result<bool, RejectReason> {
        match listing.instrument.status {
            TradingStatus::Open => Ok(false),
            TradingStatus::PostOnly if command.post_only => Ok(false),
            TradingStatus::PostOnly => Err(RejectReason::InstrumentPostOnly),
            TradingStatus::CancelOnly => Err(RejectReason::InstrumentCancelOnly),
            TradingStatus::Halted => Err(RejectReason::InstrumentHalted),
            TradingStatus::Closed => Err(RejectReason::InstrumentClosed),
            TradingStatus::PreOpen | TradingStatus::Auction => Ok(true),
        }
    }

    pub(crate) fn set_trading_status<S: EventSink>(
        &mut self,
        command: &SetTradingStatus,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let InstrumentScope::Instrument(instrument_id) = command.scope else {
            return Err(RejectReason::UnknownInstrument);
        };
        let at = self.instrument_index(instrument_id)?;
        // After this point the status must be set.
        self.listings[at].instrument.status = command.status;
        events.emit(Event::TradingStatusSet(TradingStatusSet {
            instrument_id,
            status: command.status,
            reason: command.reason,
            end_time_ns: command.end_time_ns,
        }));
        Ok(())
    }
}
