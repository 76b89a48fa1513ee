//! Call auctions: collecting orders, the indication, the uncrossing.

use crate::engine::{Engine, Listing};
use crate::event::EventSink;
use crate::reject::RejectReason;
use crate::settlement::Taker;
use crate::types::{StatusReason, TradingStatus};

impl Listing {
    /// Whether orders are collected rather than matched.
    #[inline]
    pub(crate) fn collects(&self) -> bool {
        matches!(self.instrument.status, TradingStatus::PreOpen | TradingStatus::Auction)
    }
}

impl Listing {
    /// The price as at which a market buy holds that waits for the auction.
    pub(crate) fn auction_limit(&self) -> Result<i64, RejectReason> {
        Err(RejectReason::NoReferencePrice)
    }
}

impl Engine {
    /// Puts an order that works into the book without matching it. One without a limit waits for the auction.
    pub(crate) fn collect<S: EventSink>(&mut self, at: usize, slot: u32, taker: Taker, _events: &mut S) {
        self.rest(at, slot, taker.side, taker.price);
    }

    /// Keeps a market order for the auction.
    pub(crate) fn keep_auction_market(&mut self, _slot: u32) {}

    /// Sends an instrument to an auction that ends by itself.
    pub(crate) fn volatility_auction<S: EventSink>(&mut self, _at: usize, _reason: StatusReason, _events: &mut S) {}

    /// What is looked at when everything else about an instrument is done: the limit state, the indication.
    pub(crate) fn after_command<S: EventSink>(&mut self, _at: usize, _events: &mut S) {}

    /// An auction's end has come.
    pub(crate) fn end_auction<S: EventSink>(&mut self, _at: usize, _events: &mut S) {}

    /// The time of an entry of the schedule has come.
    pub(crate) fn follow_schedule<S: EventSink>(&mut self, _at: usize, _slot: u8, _events: &mut S) {}

    /// An instrument has been in its limit state for too long.
    pub(crate) fn end_limit_state<S: EventSink>(&mut self, _at: usize, _events: &mut S) {}
}
