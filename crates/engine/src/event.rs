//! What the engine says. Every command gives at least one event; a refused one gives exactly one, `Rejected`.
//!
//! Every event about an order is a complete [`ExecutionReport`], so that a reader needs no memory to understand it.
//! A trade is two reports with one `trade_id`: first the taker's, then the maker's.

use crate::reject::RejectReason;
use crate::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, CancelReason, ClientOrderId, ExecType, GroupId, InstrumentId,
    Liquidity, Lots, OrderId, OrderStatus, OrderType, PriceTicks, SelfTradePrevention, Side, Symbol, TimeInForce,
    TradeId, TradingStatus,
};

/// One output of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)] // Reports are nearly all there is; boxing them would cost the hot path.
pub enum Event {
    /// Something happened to an order (FIX 8).
    Execution(ExecutionReport),
    /// A command was refused and changed nothing (FIX 8 with ExecType 8, 9 or j).
    Rejected(Rejected),
    /// A mass cancel is done (FIX r); the reports of the orders come before it.
    MassCanceled(MassCanceled),
    /// Money came in, or went out when the amount is negative.
    Posted(Posted),
    /// An asset is known.
    AssetAdded(AssetAdded),
    /// An instrument is tradable.
    InstrumentListed(InstrumentListed),
    /// An account is open.
    AccountOpened(AccountOpened),
    /// An account has another group.
    AccountGroupSet(AccountGroupSet),
    /// Fees were set.
    FeesSet(FeesSet),
    /// An instrument has another status.
    TradingStatusSet(TradingStatusSet),
}

/// FIX 8, ExecutionReport: the whole order after what happened, and what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecutionReport {
    /// The venue's id of the order.
    pub order_id: OrderId,
    /// The client's id of the order; may be empty.
    pub client_order_id: ClientOrderId,
    /// Whose order.
    pub account_id: AccountId,
    /// On what.
    pub instrument_id: InstrumentId,
    /// What happened.
    pub exec_type: ExecType,
    /// The state after it.
    pub status: OrderStatus,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// GTC, IOC or FOK.
    pub time_in_force: TimeInForce,
    /// Whether it refuses to take.
    pub post_only: bool,
    /// Its self-trade prevention mode.
    pub self_trade_prevention: SelfTradePrevention,
    /// Why it was canceled, or `None`. On `Restated`: `SelfTrade`.
    pub cancel_reason: CancelReason,
    /// Its limit; 0 for a market order.
    pub price: PriceTicks,
    /// Its total quantity. A decrement makes it smaller. 0 for an order given by `quote_quantity`.
    pub quantity: Lots,
    /// Its quote quantity, or 0.
    pub quote_quantity: Amount,
    /// What has traded of it, this report included.
    pub filled_quantity: Lots,
    /// What may still trade of it; 0 when it has ended, and for an order given by `quote_quantity`.
    pub leaves_quantity: Lots,
    /// The money held for it after this report, in quote for a buy and in base for a sell. Orders that cannot rest
    /// (IOC, FOK, market) hold nothing: they are checked and settled within their command.
    pub hold: Amount,
    /// `Trade`: the trade's id; else `NONE`.
    pub trade_id: TradeId,
    /// `Trade`: the maker's price; else 0.
    pub last_price: PriceTicks,
    /// `Trade`: how much; else 0.
    pub last_quantity: Lots,
    /// `Trade`: price × quantity in the quote asset's smallest unit; else 0.
    pub last_notional: Amount,
    /// `Trade`: what this side pays in the quote asset's smallest unit, negative for a rebate; else 0.
    pub fee: Amount,
    /// `Trade`: maker or taker; else `None`.
    pub liquidity: Liquidity,
    /// `Trade`: the other order; else `NONE`.
    pub counter_order_id: OrderId,
}

/// A refusal. Said once, with the ids the client gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Why.
    pub reason: RejectReason,
    /// The account the command named.
    pub account_id: AccountId,
    /// The instrument the command named, or `NONE`.
    pub instrument_id: InstrumentId,
    /// The order the command named, or `NONE`.
    pub order_id: OrderId,
    /// The client's id in the command (of the new order, or of the cancel's or replace's target); may be empty.
    pub client_order_id: ClientOrderId,
}

/// The end of a mass cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassCanceled {
    /// As asked.
    pub account_id: AccountId,
    /// As asked.
    pub instrument_id: InstrumentId,
    /// As asked.
    pub side: Option<Side>,
    /// How many orders were canceled.
    pub count: u32,
}

/// A deposit (positive) or a withdrawal (negative).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posted {
    /// Whose money.
    pub account_id: AccountId,
    /// What money.
    pub asset_id: AssetId,
    /// By how much the balance changed.
    pub amount: Amount,
    /// The balance's total after it.
    pub total: Amount,
    /// The balance's held part after it.
    pub held: Amount,
}

/// See [`crate::command::AddAsset`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AssetAdded {
    /// The id it got.
    pub asset_id: AssetId,
    /// Its code.
    pub code: AssetCode,
    /// Its decimals.
    pub scale: u8,
}

/// See [`crate::command::ListInstrument`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstrumentListed {
    /// The id it got.
    pub instrument_id: InstrumentId,
    /// Its symbol.
    pub symbol: Symbol,
}

/// See [`crate::command::OpenAccount`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountOpened {
    /// The id it got.
    pub account_id: AccountId,
    /// Its code.
    pub code: AccountCode,
    /// Its group.
    pub group_id: GroupId,
}

/// See [`crate::command::SetAccountGroup`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountGroupSet {
    /// Which account.
    pub account_id: AccountId,
    /// Its group now.
    pub group_id: GroupId,
}

/// See [`crate::command::SetFees`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeesSet {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// For which group.
    pub group_id: GroupId,
    /// What a maker pays.
    pub maker_ppm: i32,
    /// What a taker pays.
    pub taker_ppm: i32,
}

/// See [`crate::command::SetTradingStatus`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradingStatusSet {
    /// Which instrument.
    pub instrument_id: InstrumentId,
    /// Its status now.
    pub status: TradingStatus,
}

/// Where events go. `Vec<Event>` is one.
pub trait EventSink {
    /// Takes one event.
    fn emit(&mut self, event: Event);
}

impl EventSink for Vec<Event> {
    #[inline(always)] // Events are large: made in place, they are written once.
    fn emit(&mut self, event: Event) {
        self.reserve(1);
        self.spare_capacity_mut()[0].write(event);
        // SAFETY: the element behind the last one has just been written.
        unsafe { self.set_len(self.len() + 1) };
    }
}

/// Drops every event.
impl EventSink for () {
    #[inline]
    fn emit(&mut self, _event: Event) {}
}
