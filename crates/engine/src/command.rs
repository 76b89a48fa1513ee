//! What can be asked of the engine. A command is complete: whatever decides its outcome is in it or in the state.

use crate::types::{
    AccountCode, AccountId, AccountMode, Amount, AssetCode, AssetId, BandAction, CancelReplaceMode, ClientOrderId,
    Contingency, GroupId, InstrumentGroupId, InstrumentId, KeyId, Lots, MassCancelReason, MatchingAlgorithm, OrderId,
    OrderType, Peg, PriceTicks, SelfTradePrevention, ShortText, Side, StatusReason, Step, Symbol, TimeInForce, TradeId,
    TradingStatus, TriggerBy,
};

/// One input of the engine. What is frequent is flat; what is rare and large is behind a pointer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)] // Commands live in arrays of one kind of record; boxing would cost the hot path.
pub enum Command {
    /// Enter an order.
    NewOrder(NewOrder),
    /// Cancel one order.
    CancelOrder(CancelOrder),
    /// Change price or quantity of one order.
    ReplaceOrder(ReplaceOrder),
    /// Cancel all orders of an account, an instrument, a side, or any combination.
    MassCancel(MassCancel),
    /// Bring money in.
    Deposit(Deposit),
    /// Take money out.
    Withdraw(Withdraw),
    /// Make an asset known.
    AddAsset(AddAsset),
    /// Make an instrument tradable.
    ListInstrument(ListInstrument),
    /// Open an account.
    OpenAccount(OpenAccount),
    /// Move an account to another group.
    SetAccountGroup(SetAccountGroup),
    /// Set the fees of one account group on one instrument, for orders entered from now on.
    SetFees(SetFees),
    /// Say what instruments accept.
    SetTradingStatus(SetTradingStatus),
    /// Cancel one order and enter another, as one command.
    CancelReplace(Box<CancelReplace>),
    /// Enter orders that depend on each other.
    NewOrderList(Box<NewOrderList>),
    /// Cancel all of an account's orders at a time to come, unless told otherwise before.
    CancelAllAfter(CancelAllAfter),
    /// Do what is due by now: expiries, auction ends, the schedule, cancel-all-after.
    AdvanceTime,
    /// Say what an instrument's mark price is.
    SetMarkPrice(SetMarkPrice),
    /// Move an instrument to another group.
    SetInstrumentGroup(SetInstrumentGroup),
    /// Say how orders at one price share what comes in.
    SetMatching(SetMatching),
    /// Say what share a lead market maker has.
    SetLeadMarketMaker(SetLeadMarketMaker),
    /// Say between which prices an instrument may trade.
    SetPriceBands(SetPriceBands),
    /// Say which kinds of orders an instrument takes.
    SetFeatures(SetFeatures),
    /// Say what an instrument does at a time of day.
    SetSchedule(SetSchedule),
    /// Give the numbers from which random auction ends are drawn.
    SetRandomSeed(SetRandomSeed),
    /// Bound what an account, a group or a key may do.
    SetRiskLimits(Box<SetRiskLimits>),
    /// Say what an account may do at all.
    SetAccountMode(SetAccountMode),
    /// Cancel everything in a scope and refuse new orders there, or allow them again.
    KillSwitch(KillSwitch),
    /// Put an account into a trade group, whose members do not trade with each other.
    SetTradeGroup(SetTradeGroup),
    /// Say what an account group pays from a traded volume on.
    SetFeeTier(SetFeeTier),
    /// Say what an account group pays for some time.
    SetFeePromotion(SetFeePromotion),
    /// Say what one order pays in fees at the most.
    SetFeeCap(SetFeeCap),
    /// Undo a trade's money by compensating entries.
    BustTrade(BustTrade),
    /// Correct a trade's price by compensating entries.
    AdjustTrade(AdjustTrade),
    /// A change by the venue's staff, with who and why.
    Administer(Box<Administer>),
    /// A command whose execution broke an invariant; only the node gives it.
    CommandFailed(Box<CommandFailed>),
}

/// FIX D, NewOrderSingle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Who pays.
    pub account_id: AccountId,
    /// What is traded.
    pub instrument_id: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// How the price is given, and what it waits for.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Refuse rather than take. Limit orders that can rest only.
    pub post_only: bool,
    /// What to do on meeting an own order.
    pub self_trade_prevention: SelfTradePrevention,
    /// The key that it was sent with, or none.
    pub key_id: KeyId,
    /// The limit; 0 for a market order.
    pub price: PriceTicks,
    /// How much base; 0 for a market order given by `quote_quantity`.
    pub quantity: Lots,
    /// How much quote a market IOC order may trade, before fees, in the quote asset's smallest unit; 0 otherwise.
    pub quote_quantity: Amount,
    /// The client's id; may be empty.
    pub client_order_id: ClientOrderId,
    /// What goes beyond a plain order; `None` for most.
    pub terms: Option<Box<Terms>>,
}

/// What an order says beyond price, quantity and lifetime. The default says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Conditional orders: the price that triggers it (FIX StopPx 99); with `trail_bps` the price at which it begins to
    /// trail, or 0 to begin at once. 0 for other orders.
    pub trigger_price: PriceTicks,
    /// Conditional orders: which price triggers it. `Last` for other orders.
    pub trigger_by: TriggerBy,
    /// Conditional orders: how far it trails the best price seen, in basis points, 1 to 9,999; 0 if it does not.
    pub trail_bps: u16,
    /// How much of it is shown at one time (FIX DisplayQty 1138); 0 for all.
    pub display_quantity: Lots,
    /// Whether nothing of it is shown.
    pub hidden: bool,
    /// How much must trade at once, or it is canceled (FIX MinQty 110); 0 for no such bound.
    pub min_quantity: Lots,
    /// GTD orders: when it expires (FIX ExpireTime 126), in nanoseconds since 1970 UTC; 0 for others.
    pub expire_time_ns: i64,
    /// Whether it lives in auctions only.
    pub auction_only: bool,
    /// Post-only orders: priced one tick from the opposite best price rather than refused.
    pub slide: bool,
    /// What its price follows.
    pub peg: Peg,
    /// How far it stays behind the price it follows, in ticks.
    pub peg_offset: i64,
}

impl Terms {
    /// Nothing beyond a plain order.
    pub const NONE: Self = Self {
        trigger_price: PriceTicks(0),
        trigger_by: TriggerBy::Last,
        trail_bps: 0,
        display_quantity: Lots::ZERO,
        hidden: false,
        min_quantity: Lots::ZERO,
        expire_time_ns: 0,
        auction_only: false,
        slide: false,
        peg: Peg::None,
        peg_offset: 0,
    };
}

impl Default for Terms {
    fn default() -> Self {
        Self::NONE
    }
}

/// FIX F, OrderCancelRequest. Names the order by `order_id`, or if that is 0 by `client_order_id`; if both are given,
/// both must name the same order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelOrder {
    /// The order's account; `NONE` when the venue cancels (`order_id` is then required).
    pub account_id: AccountId,
    /// The venue's id of the order, or 0.
    pub order_id: OrderId,
    /// The client's id of the order, or empty.
    pub client_order_id: ClientOrderId,
}

/// FIX G, OrderCancelReplaceRequest. Names the order as [`CancelOrder`] does. The order keeps its `order_id`.
/// It keeps its place in the queue only when the price stays and the quantity does not grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplaceOrder {
    /// The order's account.
    pub account_id: AccountId,
    /// The venue's id of the order, or 0.
    pub order_id: OrderId,
    /// The client's present id of the order, or empty (FIX OrigClOrdID 41).
    pub original_client_order_id: ClientOrderId,
    /// A new client's id for the order, or empty to keep the present one.
    pub client_order_id: ClientOrderId,
    /// The new limit, or 0 to keep it.
    pub price: PriceTicks,
    /// The new total quantity, what is filled included, or 0 to keep it (FIX OrderQty 38).
    pub quantity: Lots,
    /// The new trigger price of a conditional order that still waits, or 0 to keep it.
    pub trigger_price: PriceTicks,
    /// The new display quantity of an iceberg order, or 0 to keep it.
    pub display_quantity: Lots,
}

/// FIX q, OrderMassCancelRequest. Orders are canceled in ascending `order_id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassCancel {
    /// Whose orders; `NONE` for everybody's, which only the venue may ask.
    pub account_id: AccountId,
    /// On which instrument; `NONE` for all.
    pub instrument_id: InstrumentId,
    /// On which side; `None` for both.
    pub side: Option<Side>,
    /// Why; the reports of the canceled orders say it.
    pub reason: MassCancelReason,
}

/// Money in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// Whose money.
    pub account_id: AccountId,
    /// What money.
    pub asset_id: AssetId,
    /// How much; at least 1.
    pub amount: Amount,
}

/// Money out, at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Withdraw {
    /// Whose money.
    pub account_id: AccountId,
    /// What money.
    pub asset_id: AssetId,
    /// How much; at least 1, at most what is available.
    pub amount: Amount,
}

/// Makes an asset known; its id is the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddAsset {
    /// Its unique code.
    pub code: AssetCode,
    /// How many decimals its smallest unit has; at most 18.
    pub scale: u8,
}

/// Makes an instrument tradable; its id is the next one and its status is Open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListInstrument {
    /// Its unique symbol.
    pub symbol: Symbol,
    /// What is traded.
    pub base: AssetId,
    /// What pays.
    pub quote: AssetId,
    /// The price step, in quote per base.
    pub tick_size: Step,
    /// The quantity step, in base.
    pub lot_size: Step,
    /// The smallest order quantity; at least 1 lot.
    pub min_quantity: Lots,
    /// The largest order quantity.
    pub max_quantity: Lots,
    /// The smallest order notional, in the quote asset's smallest unit; 0 for none.
    pub min_notional: Amount,
}

/// Opens an account; its id is the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenAccount {
    /// Its unique code.
    pub code: AccountCode,
    /// Its fee group.
    pub group_id: GroupId,
}

/// Moves an account to another fee group. Orders already in the book keep the fees they were entered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetAccountGroup {
    /// Which account.
    pub account_id: AccountId,
    /// Its new group.
    pub group_id: GroupId,
}

/// Fees in parts per million of the notional, in the quote asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFees {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// For which account group. What is set for group 0 holds for every group that has nothing of its own.
    pub group_id: GroupId,
    /// What a maker pays, -1,000,000 to 1,000,000; negative for a rebate.
    pub maker_ppm: i32,
    /// What a taker pays, 0 to 1,000,000; at least the rebate.
    pub taker_ppm: i32,
}

/// Sets the trading status of instruments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetTradingStatus {
    /// Which instruments.
    pub scope: InstrumentScope,
    /// Their new status.
    pub status: TradingStatus,
    /// Why.
    pub reason: StatusReason,
    /// `Auction`: when it ends by itself, and the instrument opens; 0 for never. 0 for other statuses.
    pub end_time_ns: i64,
}

/// One, some or all instruments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstrumentScope {
    /// This one.
    Instrument(InstrumentId),
    /// Those of a group.
    Group(InstrumentGroupId),
    /// All of them.
    All,
}

/// Cancels an order and enters another one (FIX G as two orders). The account of both is the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CancelReplace {
    /// What to cancel.
    pub cancel: CancelOrder,
    /// What if one of the two is refused.
    pub mode: CancelReplaceMode,
    /// What to enter.
    pub new_order: NewOrder,
}

/// FIX E, NewOrderList: two or three orders of one account on one instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrderList {
    /// How they depend on each other. `Oco`: both work. `Oto`: the first works, the second waits for its complete fill.
    /// `Otoco`: the first works, the second and third are an OCO pair that waits for its complete fill.
    pub contingency: Contingency,
    /// Two, for `Otoco` three.
    pub orders: Vec<NewOrder>,
}

/// Arms, moves or disarms an account's dead-man timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelAllAfter {
    /// Whose orders.
    pub account_id: AccountId,
    /// From now, 1 ms to 24 h; 0 disarms.
    pub timeout_ns: i64,
}

/// Sets an instrument's mark price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetMarkPrice {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// The price.
    pub price: PriceTicks,
}

/// Moves an instrument to another group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetInstrumentGroup {
    /// Which instrument.
    pub instrument_id: InstrumentId,
    /// Its group.
    pub instrument_group_id: InstrumentGroupId,
}

/// Sets the matching algorithm of an instrument, whose book must be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetMatching {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// By time or in proportion.
    pub algorithm: MatchingAlgorithm,
    /// `ProRata`: the order that set the best price gets up to this many lots first; 0 for no such step.
    pub top_max: Lots,
    /// `ProRata`: percent of what is left then that lead market makers get first.
    pub lead_percent: u8,
    /// `ProRata`: percent of what is left then that goes by time.
    pub fifo_percent: u8,
    /// `ProRata`: a proportional share below this is nothing; at least 1 lot.
    pub min_allocation: Lots,
    /// `ProRata`: orders that got nothing in proportion get a lot each, oldest first.
    pub leveling: bool,
}

/// Sets a lead market maker's share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetLeadMarketMaker {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Whose.
    pub account_id: AccountId,
    /// Its weight among the lead market makers, up to 10,000; 0 for none.
    pub share: u16,
}

/// Sets the price bands of an instrument. Basis points; 0 turns a bound off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetPriceBands {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// The static reference price; 0 keeps the present one.
    pub reference: PriceTicks,
    /// How far above the static reference it may trade, up to 1,000,000.
    pub static_up_bps: u32,
    /// How far below, up to 9,999.
    pub static_down_bps: u32,
    /// How far from the last price it may trade, up to 9,999.
    pub dynamic_bps: u32,
    /// How far from the best opposite price a market order may trade, up to 9,999.
    pub collar_bps: u32,
    /// What if an order would trade outside.
    pub action: BandAction,
    /// How long a volatility auction lasts, 1 ms to 24 h.
    pub auction_ns: i64,
    /// How much longer it may last at random, 0 to 1 h.
    pub auction_random_ns: i64,
    /// How long a best price may stand at a band before the instrument pauses in an auction, 0 to 24 h; 0 for ever.
    pub limit_state_ns: i64,
}

/// Which kinds of orders an instrument takes, and how many may trigger in one command. All, and 1,000, from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFeatures {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// The sum of [`feature`] bits.
    pub features: u32,
    /// How many conditional orders may trigger in one command, 1 to 100,000.
    pub max_triggers: u32,
}

/// The bits of [`SetFeatures::features`].
pub mod feature {
    /// Stop, take-profit and trailing orders.
    pub const CONDITIONAL: u32 = 1;
    /// Orders with a display quantity.
    pub const ICEBERG: u32 = 2;
    /// Hidden orders.
    pub const HIDDEN: u32 = 4;
    /// Pegged orders.
    pub const PEGGED: u32 = 8;
    /// Market-to-limit orders.
    pub const MARKET_TO_LIMIT: u32 = 16;
    /// Post-only orders that slide.
    pub const SLIDE: u32 = 32;
    /// Orders with a minimum quantity.
    pub const MINIMUM_QUANTITY: u32 = 64;
    /// Order lists.
    pub const ORDER_LISTS: u32 = 128;
    /// All of them.
    pub const ALL: u32 = 255;
}

/// Sets one entry of an instrument's daily schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetSchedule {
    /// Of which instrument.
    pub instrument_id: InstrumentId,
    /// Which entry, 0 to 15.
    pub slot: u8,
    /// On which days of the week (UTC), the sum of 1 for Monday to 64 for Sunday; 0 removes the entry.
    pub weekdays: u8,
    /// When, in nanoseconds since midnight UTC.
    pub time_of_day_ns: i64,
    /// How much later it may happen at random, 0 to 1 h.
    pub random_ns: i64,
    /// What the status then becomes.
    pub status: TradingStatus,
}

/// Sets the state of the generator from which random auction ends are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetRandomSeed {
    /// The state. Who knows it knows the ends: draw it from a secret source.
    pub seed: u64,
}

/// Whom a risk limit or a kill switch is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RiskScope {
    /// One account.
    Account(AccountId),
    /// All accounts of a group together.
    Group(GroupId),
    /// What one key of an account enters.
    Key(AccountId, KeyId),
}

/// Bounds; 0 for no bound. `SetRiskLimits` replaces all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RiskLimits {
    /// The largest order quantity.
    pub max_order_quantity: Lots,
    /// The largest order notional, in the quote asset's smallest unit.
    pub max_order_notional: Amount,
    /// Open orders, conditional ones included.
    pub max_open_orders: u32,
    /// Conditional orders that wait.
    pub max_open_conditional_orders: u32,
    /// The largest position, long or short, in lots.
    pub max_position: Lots,
    /// The largest exposure, in the quote asset's smallest unit.
    pub max_exposure: Amount,
    /// New orders and replaces in `rate_window_ns`.
    pub max_order_rate: u32,
    /// 1 ms to 24 h where `max_order_rate` is given, else 0.
    pub rate_window_ns: i64,
    /// How far from the reference price a limit may be, against its owner, in basis points.
    pub fat_finger_bps: u32,
    /// How long an equal order (side, type, price, quantity) is refused as a duplicate, up to 1 h.
    pub duplicate_window_ns: i64,
}

/// Sets the risk limits of a scope on one instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetRiskLimits {
    /// Whose.
    pub scope: RiskScope,
    /// On which instrument; `NONE` for all together, where only the counts (open orders, order rate) can be bounded.
    pub instrument_id: InstrumentId,
    /// The limits.
    pub limits: RiskLimits,
}

/// Sets what an account may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetAccountMode {
    /// Which account.
    pub account_id: AccountId,
    /// What it may do.
    pub mode: AccountMode,
}

/// What a kill switch stops.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KillScope {
    /// Everything.
    All,
    /// An instrument.
    Instrument(InstrumentId),
    /// What accounts of a group enter.
    Group(GroupId),
    /// What an account enters.
    Account(AccountId),
    /// What a key enters.
    Key(AccountId, KeyId),
}

/// Engages or releases a kill switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KillSwitch {
    /// What it stops.
    pub scope: KillScope,
    /// Whether it is engaged now.
    pub engaged: bool,
}

/// Puts an account into a trade group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetTradeGroup {
    /// Which account.
    pub account_id: AccountId,
    /// Its trade group; 0 for none.
    pub trade_group_id: u32,
}

/// Sets what an account group pays on an instrument from a 30-day volume on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFeeTier {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Which account group.
    pub group_id: GroupId,
    /// Which tier, 1 to 15; the highest one reached holds.
    pub tier: u8,
    /// The account's volume in the quote asset's smallest unit from which it holds; 0 removes the tier.
    pub min_volume: Amount,
    /// As in [`SetFees`].
    pub maker_ppm: i32,
    /// As in [`SetFees`].
    pub taker_ppm: i32,
}

/// Sets what an account group pays on an instrument for some time, instead of its schedule and tiers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFeePromotion {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Which account group.
    pub group_id: GroupId,
    /// From when on, in nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// Until before when. Not after `from_ns`: removes the promotion.
    pub until_ns: i64,
    /// As in [`SetFees`].
    pub maker_ppm: i32,
    /// As in [`SetFees`].
    pub taker_ppm: i32,
}

/// Sets the most that one order pays in fees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetFeeCap {
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Which account group.
    pub group_id: GroupId,
    /// In the quote asset's smallest unit; 0 for no cap.
    pub max_fee: Amount,
}

/// Undoes the money of a trade: what it moved moves back. The trade and its reports stay as they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BustTrade {
    /// Which trade; each at most once.
    pub trade_id: TradeId,
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Who bought.
    pub buyer: AccountId,
    /// Who sold.
    pub seller: AccountId,
    /// At what price.
    pub price: PriceTicks,
    /// How much.
    pub quantity: Lots,
    /// What the buyer paid in fees, negative for a rebate.
    pub buyer_fee: Amount,
    /// What the seller paid in fees, negative for a rebate.
    pub seller_fee: Amount,
}

/// Corrects the price of a trade: the difference in notional moves between its sides. Fees stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdjustTrade {
    /// Which trade; not one that was busted.
    pub trade_id: TradeId,
    /// On which instrument.
    pub instrument_id: InstrumentId,
    /// Who bought.
    pub buyer: AccountId,
    /// Who sold.
    pub seller: AccountId,
    /// The price it was settled at so far.
    pub price: PriceTicks,
    /// How much.
    pub quantity: Lots,
    /// The price that holds.
    pub new_price: PriceTicks,
}

/// The reason that a member of the staff gives: 1 to 64 printable ASCII characters, spaces included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Note {
    bytes: [u8; 64],
    len: u8,
}

impl Note {
    /// Takes 1 to 64 printable ASCII characters (0x20 to 0x7e) that neither begin nor end with a space.
    pub fn new(text: &[u8]) -> Option<Self> {
        let printable = text.iter().all(|byte| (0x20..=0x7e).contains(byte));
        let trimmed = text.first().is_some_and(|&byte| byte != b' ') && text.last().is_some_and(|&byte| byte != b' ');
        if text.len() > 64 || !printable || !trimmed {
            return None;
        }
        let mut bytes = [0; 64];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self { bytes, len: text.len() as u8 })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only printable ASCII gets in, so this cannot fail.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A command of the venue's staff. It is applied as if it came alone; who and why are told before its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Administer {
    /// Who.
    pub actor: ShortText<31>,
    /// Why.
    pub reason: Note,
    /// What. Not another `Administer`.
    pub command: Command,
}

/// What takes the place of a command whose execution broke an invariant: it is refused as `command_failed` and its
/// instrument is quarantined. The command itself is never executed again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandFailed {
    /// What failed. Not another `CommandFailed`.
    pub command: Command,
}
