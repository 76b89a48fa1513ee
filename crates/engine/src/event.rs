//! What the engine says. Every command gives at least one event; a refused one gives exactly one, `Rejected`.
//!
//! Every event about an order is a complete [`ExecutionReport`], so that a reader needs no memory to understand it.
//! A trade is two reports with one `trade_id`: first the taker's, then the maker's.

use crate::command::{KillScope, Note, Terms};
use crate::reject::RejectReason;
use crate::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, CancelReason, ClientOrderId, Contingency, ExecType, GroupId,
    InstrumentId, KeyId, Liquidity, ListId, ListStatus, Lots, OrderId, OrderStatus, OrderType, PriceTicks,
    SelfTradePrevention, Setting, ShortText, Side, StatusReason, Symbol, TimeInForce, TradeId, TradingStatus,
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
    /// What an order says beyond its report; right after the `New`, `Replaced` or `Triggered` report of an order with terms.
    Terms(OrderTerms),
    /// An order list has another state.
    OrderListStatus(OrderListStatus),
    /// What an auction would give if it ended now.
    AuctionIndication(AuctionIndication),
    /// An auction is over; its trades come before it.
    AuctionEnded(AuctionEnded),
    /// The best price of a side has come to stand at a price band, or has left it.
    LimitStateSet(LimitStateSet),
    /// An account's dead-man timer was set.
    CancelAllAfterSet(CancelAllAfterSet),
    /// What was due has been done; its events come before it.
    TimeAdvanced(TimeAdvanced),
    /// An instrument has another mark price.
    MarkPriceSet(MarkPriceSet),
    /// A kill switch is engaged or released; the reports of the orders come before it.
    KillSwitchSet(KillSwitchSet),
    /// A setting without an event of its own has changed.
    SettingChanged(SettingChanged),
    /// A trade's money was moved back, or corrected; the postings come before it.
    TradeCorrected(TradeCorrected),
    /// Who changed something, and why; the change's events come after it.
    Administered(Administered),
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
    /// What it was entered as. A triggered order keeps its type.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Whether it refuses to take.
    pub post_only: bool,
    /// Its self-trade prevention mode.
    pub self_trade_prevention: SelfTradePrevention,
    /// Why it was canceled or has expired, or `None`. On a `Restated` that reduces it: `SelfTrade`.
    pub cancel_reason: CancelReason,
    /// The key that it was sent with, or none.
    pub key_id: KeyId,
    /// Its limit; 0 for an order without one.
    pub price: PriceTicks,
    /// Its total quantity. A decrement makes it smaller. 0 for an order given by `quote_quantity`.
    pub quantity: Lots,
    /// Its quote quantity, or 0.
    pub quote_quantity: Amount,
    /// What has traded of it, this report included.
    pub filled_quantity: Lots,
    /// What may still trade of it; 0 when it has ended, and for an order given by `quote_quantity`.
    pub leaves_quantity: Lots,
    /// What of it the book shows now: 0 before it rests, while it waits, when it has ended, and if it is hidden.
    pub displayed_quantity: Lots,
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
    /// `Trade`: maker, taker or auction; else `None`.
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

/// A deposit (positive), a withdrawal (negative), or a part of a trade's correction.
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
    /// Why.
    pub reason: StatusReason,
    /// `Auction`: when it ends by itself; 0 for never, and for other statuses.
    pub end_time_ns: i64,
}

/// The terms of an order, as they are now: what was entered, with the present trigger price of one that trails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderTerms {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub account_id: AccountId,
    /// On what.
    pub instrument_id: InstrumentId,
    /// Its list, or `NONE`.
    pub list_id: ListId,
    /// Whether it waits: for its trigger, or for another order of its list.
    pub waits: bool,
    /// The worst price of a pegged order; 0 for others.
    pub limit_price: PriceTicks,
    /// The terms.
    pub terms: Terms,
}

/// The state of an order list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderListStatus {
    /// Which list.
    pub list_id: ListId,
    /// Whose.
    pub account_id: AccountId,
    /// On what.
    pub instrument_id: InstrumentId,
    /// How its orders depend on each other.
    pub contingency: Contingency,
    /// Its state.
    pub status: ListStatus,
}

/// What an auction would give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuctionIndication {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// The price; 0 if nothing would trade.
    pub price: PriceTicks,
    /// How much would trade, in lots.
    pub volume: i128,
    /// What would be left at that price: buys less sells, in lots.
    pub imbalance: i128,
}

/// The result of an auction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuctionEnded {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// The price of all its trades; 0 if there were none.
    pub price: PriceTicks,
    /// How much has traded, in lots.
    pub volume: i128,
}

/// Whether a best price stands at a band.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitStateSet {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// The side whose best price stands at a band: a bid at the upper, an ask at the lower; `None` for neither.
    pub side: Option<Side>,
}

/// See [`crate::command::CancelAllAfter`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelAllAfterSet {
    /// Whose timer.
    pub account_id: AccountId,
    /// When it cancels; 0 if it is disarmed.
    pub deadline_ns: i64,
}

/// See [`crate::command::Command::AdvanceTime`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeAdvanced {
    /// How many timers were due.
    pub count: u32,
}

/// See [`crate::command::SetMarkPrice`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkPriceSet {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// The price.
    pub price: PriceTicks,
}

/// See [`crate::command::KillSwitch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KillSwitchSet {
    /// What it stops.
    pub scope: KillScope,
    /// Whether it is engaged now.
    pub engaged: bool,
    /// How many orders it canceled.
    pub count: u32,
}

/// A setting has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettingChanged {
    /// Which setting.
    pub setting: Setting,
    /// On which instrument, or `NONE`.
    pub instrument_id: InstrumentId,
    /// Whose, or `NONE`.
    pub account_id: AccountId,
    /// Of which account group; 0 also for none.
    pub group_id: GroupId,
    /// Of which key, or none.
    pub key_id: KeyId,
}

/// See [`crate::command::BustTrade`] and [`crate::command::AdjustTrade`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradeCorrected {
    /// Which trade.
    pub trade_id: TradeId,
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Who bought.
    pub buyer: AccountId,
    /// Who sold.
    pub seller: AccountId,
    /// The price it was settled at.
    pub price: PriceTicks,
    /// The price that holds; 0 if it was busted.
    pub new_price: PriceTicks,
    /// How much.
    pub quantity: Lots,
}

/// See [`crate::command::Administer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Administered {
    /// Who.
    pub actor: ShortText<31>,
    /// Why.
    pub reason: Note,
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
