//! What an instrument accepts, and how that changes.
//!
//! Invariant: an auction with an end has a timer, nothing else has an end.

use crate::auction::{Indication, Waiting};
use crate::bands::{Bands, Limit};
use crate::command::{Command, CommandFailed, InstrumentScope, NewOrder, SetInstrumentGroup, SetTradingStatus};
use crate::engine::{active, rejected, Engine, Listing};
use crate::event::{Event, EventSink, SettingChanged, TradingStatusSet};
use crate::reject::RejectReason;
use crate::schedule::Entry;
use crate::timers::Due;
use crate::types::{InstrumentId, OrderType, Peg, Setting, StatusReason, TimeInForce, TradingStatus};

/// What belongs to an instrument's status: its auction, its bands, its schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// The group with which it changes its status.
    pub group: u16,
    /// The static reference price; 0 before there is one.
    pub reference: i64,
    /// When the auction that it is in ends; 0 for never.
    pub end_time_ns: i64,
    pub waiting: Waiting,
    /// What was told of the present auction last.
    pub indication: Indication,
    pub bands: Option<Bands>,
    /// An order would have traded beyond a band, for which there is an auction yet to begin. False between commands.
    pub band_reached: bool,
    pub limit: Option<Limit>,
    /// By ascending slot.
    pub schedule: Vec<Entry>,
}

/// Whether an order is one of those that auctions have no use for.
fn not_in_auction(command: &NewOrder) -> bool {
    let terms = command.terms();
    let at_once = matches!(command.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) || command.quote_quantity.0 != 0;
    at_once && !command.order_type.is_conditional()
        || command.post_only
        || command.order_type == OrderType::MarketToLimit
        || terms.peg != Peg::None
        || terms.min_quantity.0 != 0
}

impl Engine {
    /// Whether the instrument takes this order now, and if so, whether it collects orders rather than match them.
    #[inline]
    pub(crate) fn check_status(&self, listing: &Listing, command: &NewOrder) -> Result<bool, RejectReason> {
        let collects = match listing.instrument.status {
            TradingStatus::Open => false,
            TradingStatus::PostOnly if command.post_only => false,
            TradingStatus::PostOnly => return Err(RejectReason::InstrumentPostOnly),
            TradingStatus::CancelOnly => return Err(RejectReason::InstrumentCancelOnly),
            TradingStatus::Halted => return Err(RejectReason::InstrumentHalted),
            TradingStatus::Closed => return Err(RejectReason::InstrumentClosed),
            TradingStatus::PreOpen | TradingStatus::Auction => true,
        };
        if collects {
            return if not_in_auction(command) { Err(RejectReason::NotInAuction) } else { Ok(true) };
        }
        if command.terms.as_deref().is_some_and(|terms| terms.auction_only) {
            return Err(RejectReason::AuctionOnlyNotAllowed);
        }
        Ok(false)
    }

    pub(crate) fn set_trading_status<S: EventSink>(
        &mut self,
        command: &SetTradingStatus,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let places: Vec<usize> = match command.scope {
            InstrumentScope::Instrument(instrument_id) => vec![self.instrument_index(instrument_id)?],
            InstrumentScope::Group(group) => {
                let listings = self.listings.iter().enumerate();
                listings.filter(|(_, listing)| listing.session.group == group.0).map(|(at, _)| at).collect()
            }
            InstrumentScope::All => (0..self.listings.len()).collect(),
        };
        if places.is_empty() {
            return Err(RejectReason::UnknownInstrument);
        }
        let end_time_ns = command.end_time_ns;
        if end_time_ns != 0 && (command.status != TradingStatus::Auction || end_time_ns <= self.event_time_ns) {
            return Err(RejectReason::InvalidEndTime);
        }
        // After this point the status must be set.
        for at in places {
            self.set_status(at, command.status, command.reason, end_time_ns, events);
        }
        Ok(())
    }

    pub(crate) fn set_instrument_group<S: EventSink>(
        &mut self,
        command: &SetInstrumentGroup,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        // After this point the group must be set.
        self.listings[at].session.group = command.instrument_group_id.0;
        let changed = SettingChanged::of_instrument(Setting::InstrumentGroup, command.instrument_id);
        events.emit(Event::SettingChanged(changed));
        Ok(())
    }

    /// Gives an instrument another status, with all that follows.
    pub(crate) fn set_status<S: EventSink>(
        &mut self,
        at: usize,
        status: TradingStatus,
        reason: StatusReason,
        end_time_ns: i64,
        events: &mut S,
    ) {
        self.change_status(at, status, reason, end_time_ns, events);
        self.after_execution(at, events);
    }

    /// Gives an instrument another status. Pegs and watched prices are looked at by the caller.
    pub(crate) fn change_status<S: EventSink>(
        &mut self,
        at: usize,
        status: TradingStatus,
        reason: StatusReason,
        end_time_ns: i64,
        events: &mut S,
    ) {
        let before = self.listings[at].instrument.status;
        if matches!(status, TradingStatus::Open | TradingStatus::PostOnly) {
            self.uncross_book(at, events);
        }
        if matches!(status, TradingStatus::Open | TradingStatus::PostOnly | TradingStatus::Closed) {
            self.end_auction_only(at, events);
        }
        let listing = &mut self.listings[at];
        let old_end = std::mem::replace(&mut listing.session.end_time_ns, end_time_ns);
        if old_end != 0 {
            self.timers.clear(old_end, Due::AuctionEnd(at as u32));
        }
        if end_time_ns != 0 {
            self.timers.set(end_time_ns, Due::AuctionEnd(at as u32));
        }
        listing.instrument.status = status;
        listing.instrument.status_reason = reason;
        if status == TradingStatus::Auction && before != TradingStatus::Auction {
            listing.session.indication = (0, 0, 0);
        }
        listing.note_auction();
        if status != TradingStatus::Open {
            self.stop_limit_timer(at);
        }
        let instrument_id = InstrumentId(at as u32 + 1);
        events.emit(Event::TradingStatusSet(TradingStatusSet { instrument_id, status, reason, end_time_ns }));
        if status == TradingStatus::Closed {
            self.end_day(at, events);
        }
        self.touch(at);
    }

    /// Tells the refusal of a command that has failed, and quarantines its instrument: cancels only; nothing but the venue's if it is
    /// quarantined already, or halted. Nothing else follows from that, for what follows may be what is broken.
    #[cold]
    pub(crate) fn command_failed<S: EventSink>(
        &mut self,
        command: &CommandFailed,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        // First, as of every command that is refused. This one, which says so, is not refused itself.
        events.emit(Event::Rejected(rejected(RejectReason::CommandFailed, &command.command)));
        if let Some(at) = self.instrument_of(&command.command) {
            let instrument = &self.listings[at].instrument;
            let again = instrument.status_reason == StatusReason::Quarantined;
            let status = if again || instrument.status == TradingStatus::Halted {
                TradingStatus::Halted
            } else {
                TradingStatus::CancelOnly
            };
            self.change_status(at, status, StatusReason::Quarantined, 0, events);
        }
        Ok(())
    }

    /// The place of the instrument that a command names, or whose order it names.
    fn instrument_of(&self, command: &Command) -> Option<usize> {
        let named = rejected(RejectReason::CommandFailed, command);
        match command {
            Command::Administer(administer) => self.instrument_of(&administer.command),
            Command::CancelOrder(_) | Command::ReplaceOrder(_) => {
                let slot = self.find_order(named.account_id, named.order_id, &named.client_order_id);
                slot.ok().map(|slot| self.arena.half_of(slot).0)
            }
            _ => self.instrument_index(named.instrument_id).ok(),
        }
    }

    /// Notes that an instrument is to be looked at when the command is done.
    pub(crate) fn touch(&mut self, at: usize) {
        self.touched.push(at as u32);
    }

    /// What is looked at when everything else about a command is done: limit states, and the indications of auctions.
    #[cold]
    pub(crate) fn end_command<S: EventSink>(&mut self, events: &mut S) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for at in touched.drain(..) {
            self.watch_limit(at as usize, events);
            self.indicate(at as usize, events);
        }
        self.touched = touched;
    }

    /// An auction's end has come.
    pub(crate) fn end_auction<S: EventSink>(&mut self, at: usize, events: &mut S) {
        self.set_status(at, TradingStatus::Open, StatusReason::AuctionEnd, 0, events);
    }
}

impl Engine {
    /// Sets what follows from a restored instrument's state: its timers, its bits, and what was told of its auction.
    pub(crate) fn resume_session(&mut self, at: usize) {
        let listing = &mut self.listings[at];
        listing.note_auction();
        listing.note_bands();
        let (session, number) = (&listing.session, at as u32);
        if session.end_time_ns != 0 {
            self.timers.set(session.end_time_ns, Due::AuctionEnd(number));
        }
        if let Some(limit) = session.limit {
            self.timers.set(limit.deadline_ns, Due::LimitState(number));
        }
        for entry in session.schedule.clone() {
            self.set_schedule_timer(at, &entry);
        }
        if self.listings[at].instrument.status == TradingStatus::Auction {
            self.listings[at].session.indication = self.indication(at);
        }
    }
}

impl Listing {
    /// Sets the bit that says whether it is in an auction, or has orders that wait for one.
    pub(crate) fn note_auction(&mut self) {
        self.active &= !active::AUCTION;
        if self.collects() || self.session.waiting.has_auction_only() {
            self.active |= active::AUCTION;
        }
    }
}
