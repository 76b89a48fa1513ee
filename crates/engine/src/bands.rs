//! The prices between which an instrument may trade.

use crate::engine::{Engine, Listing};
use crate::reject::RejectReason;
use crate::settlement::Taker;
use crate::types::{OrderType, PriceTicks, Side};

impl Engine {
    /// Whether a limit lies within the static band, where that matters on entry.
    pub(crate) fn check_static_band(
        &self,
        _listing: &Listing,
        _side: Side,
        _order_type: OrderType,
        _price: PriceTicks,
    ) -> Result<(), RejectReason> {
        Ok(())
    }

    /// The worst price that an order may trade at now: its limit, within the bands and its collar.
    #[inline]
    pub(crate) fn trading_bound(&self, _at: usize, taker: &Taker) -> PriceTicks {
        taker.bound
    }
}
