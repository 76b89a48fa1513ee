//! A second implementation of `docs/concepts/engine.md` and `docs/concepts/rulebook.md`, written from the documents
//! alone: sorted vectors, linear searches, 128-bit integers, no index and no running total. It is slow and meant to be read.
//!
//! It shares with the engine the commands, the events, the reject reasons and the field types, and nothing else. What
//! the engine keeps as a sum (held money, open orders of an account) is counted here each time; what the engine finds
//! by walking the book and then does by matching is planned here on a copy of it and then carried out.
//!
//! This file has the state, the commands that plain orders need, and what everything else shares. Each section of the
//! rulebook that adds to it has a file of its own.
//!
//! Invariants, checked by [`Naive::check_invariants`]: each half of a book is in priority, best price first, displayed
//! before hidden, and then oldest; while there is continuous trading the two halves do not cross and no waiting order's
//! condition is met; an order is in the book or waits, never both; every open order has leaves; an iceberg shows no
//! more than its display quantity; of an OCO pair at most one order has traded; per asset the balances sum to what was
//! issued; no balance holds more than it has, and none is negative.

mod auction;
mod bands;
mod conditional;
mod corrections;
mod fees;
mod lists;
mod matching;
mod pegs;
mod positions;
mod risk;
mod schedule;
mod settings;
mod snapshot;
mod status;
mod terms;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use beurs_engine::command::{
    feature, AddAsset, CancelOrder, Command, Deposit, ListInstrument, MassCancel, NewOrder, OpenAccount, ReplaceOrder,
    SetAccountGroup, SetFees, Terms, Withdraw,
};
use beurs_engine::event::{
    AccountGroupSet, AccountOpened, AssetAdded, Event, ExecutionReport, FeesSet, InstrumentListed, MassCanceled,
    Posted, Rejected,
};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, AccountMode, Amount, AssetId, CancelReason, ClientOrderId, ExecType, InstrumentId, KeyId, Liquidity,
    Lots, MassCancelReason, OrderId, OrderStatus, OrderType, PriceTicks, SelfTradePrevention, Side, StatusReason, Step,
    TimeInForce, TradeId, TradingStatus,
};

use conditional::Waits;
use lists::OrderList;
use matching::Matching;

const MAX_TICKS_OR_LOTS: i128 = 9_007_199_254_740_991; // 2^53 - 1
const MAX_NOTIONAL: i128 = 1_000_000_000_000_000_000_000_000_000_000; // 10^30
const MAX_ISSUED: i128 = 1_000_000 * MAX_NOTIONAL; // 10^36
const MILLION: i128 = 1_000_000;
/// How many client_order_ids of closed orders an account remembers.
pub const REMEMBERED_IDS: usize = 10_000;
const VENUE: u32 = 1;
/// How many conditional orders may trigger in one command, unless it is set.
const MAX_TRIGGERS: u32 = 1_000;
const DAY_NS: i128 = 86_400_000_000_000;

/// A mistake the model can be told to make, so that a test can show that the comparison would notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// The newest order of a price level goes first.
    NewestFirst,
    /// Fees round in favour of the payer.
    FeesRoundDown,
    /// A replace that only reduces the quantity loses its place.
    ReduceLosesPriority,
    /// Hidden orders trade before the displayed ones of their price.
    HiddenFirst,
    /// An order of an OCO pair lives on when the other one trades or triggers.
    PairSurvives,
    /// An auction is a tick below its price, where that gives the same volume.
    AuctionOneTickOff,
    /// A price that is exactly the trigger price triggers nothing.
    TriggersBeyond,
}

/// The state of the venue.
#[derive(Clone, Debug)]
pub struct Naive {
    max_open_orders: usize,
    max_open_orders_per_account: usize,
    sequence: u64,
    event_time_ns: i64,
    last_order_id: u64,
    last_trade_id: u64,
    last_list_id: u64,
    assets: Vec<Asset>,
    pub(crate) instruments: Vec<Instrument>,
    accounts: Vec<Account>,
    /// Open orders that are in no book: they wait for a price, or for another order of their list. In the order in
    /// which they began to.
    waiting: Vec<Order>,
    /// Lists that have open orders.
    lists: Vec<OrderList>,
    /// Account to when its orders are canceled.
    deadlines: BTreeMap<u32, i64>,
    pub(crate) risk: risk::Risk,
    pub(crate) corrections: corrections::Corrections,
    generator: schedule::Generator,
    defect: Option<Defect>,

    // Only while a command is applied:
    /// Lists whose first order was filled in this execution.
    released: Vec<u64>,
    /// The first and the last price that this execution has traded at.
    traded: Option<(i128, i128)>,
    /// An order would have traded beyond a band, for which there is an auction yet to begin.
    band_reached: bool,
}

#[derive(Clone, Debug)]
struct Asset {
    code: String,
    scale: u8,
    issued: i128,
}

#[derive(Clone, Debug)]
pub(crate) struct Instrument {
    pub(crate) symbol: String,
    pub(crate) group: u16,
    pub(crate) base: u32,
    pub(crate) quote: u32,
    pub(crate) tick_size: Step,
    pub(crate) lot_size: Step,
    pub(crate) min_quantity: i128,
    pub(crate) max_quantity: i128,
    pub(crate) min_notional: i128,
    pub(crate) status: TradingStatus,
    pub(crate) status_reason: StatusReason,
    /// 0 before the first trade.
    pub(crate) last_price: i128,
    /// 0 before it is set.
    pub(crate) mark_price: i128,
    pub(crate) features: u32,
    pub(crate) max_triggers: u32,
    pub(crate) matching: Matching,
    /// By side, the order that made the last new best price; 0 for none.
    pub(crate) tops: [u64; 2],
    /// Account to its weight.
    pub(crate) lead_market_makers: BTreeMap<u32, i128>,
    /// Group to (maker_ppm, taker_ppm).
    pub(crate) fees: BTreeMap<u16, (i128, i128)>,
    pub(crate) lot_units: i128,
    pub(crate) tick_lot_units: i128,
    /// In priority.
    pub(crate) bids: Vec<Order>,
    /// In priority.
    pub(crate) asks: Vec<Order>,
    pub(crate) session: status::Session,
    pub(crate) bands: bands::Bands,
    pub(crate) schedule: schedule::Schedule,
    pub(crate) fee_rules: fees::FeeRules,
}

#[derive(Clone, Debug)]
struct Account {
    code: String,
    group: u16,
    /// 0 for none.
    trade_group: u32,
    /// Asset to total.
    totals: BTreeMap<u32, i128>,
    /// Hashes of the client_order_ids of closed orders, oldest first.
    remembered: Vec<u64>,
    mode: AccountMode,
    /// What it has in each instrument.
    positions: BTreeMap<u32, positions::Position>,
    /// Its notional by asset and UTC day.
    volumes: BTreeMap<(u32, i128), i128>,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) order_id: u64,
    pub(crate) account: u32,
    pub(crate) instrument: u32,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: bool,
    pub(crate) self_trade_prevention: SelfTradePrevention,
    pub(crate) key_id: KeyId,
    /// The limit that was asked for; 0 for none.
    pub(crate) asked_price: i128,
    /// The present limit; 0 for orders without one.
    pub(crate) price: i128,
    /// Pegged orders: the worst price that they may have; 0 for others.
    pub(crate) worst_price: i128,
    /// Market orders that wait for an auction: the price that a buy holds at; 0 for others.
    pub(crate) auction_bound: i128,
    pub(crate) quantity: i128,
    pub(crate) quote_quantity: i128,
    pub(crate) quote_left: i128,
    pub(crate) filled: i128,
    pub(crate) leaves: i128,
    /// What the book shows of it; 0 if it is not there, or hidden.
    pub(crate) displayed: i128,
    pub(crate) maker_ppm: i128,
    pub(crate) taker_ppm: i128,
    pub(crate) carry: i128,
    /// The most that it pays in fees in all; 0 for no such bound.
    pub(crate) fee_cap: i128,
    /// What it has paid in fees, rebates taken off.
    pub(crate) fees_paid: i128,
    pub(crate) client_order_id: ClientOrderId,
    pub(crate) terms: Terms,
    pub(crate) waits: Waits,
    /// Its list; 0 for none.
    pub(crate) list: u64,
    /// It is one of an OCO pair.
    pub(crate) pair: bool,
}

impl Order {
    /// Nothing of it is left to trade.
    fn complete(&self) -> bool {
        if self.by_quote() {
            self.quote_left == 0
        } else {
            self.leaves == 0
        }
    }

    fn status(&self) -> OrderStatus {
        if self.complete() {
            OrderStatus::Filled
        } else if self.filled > 0 {
            OrderStatus::PartiallyFilled
        } else {
            OrderStatus::New
        }
    }

    /// The highest rate it may ever be charged.
    fn worst_ppm(&self) -> i128 {
        self.maker_ppm.max(self.taker_ppm).max(0)
    }
}

fn ceil_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

fn fnv1a(account: u32, text: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in account.to_le_bytes().iter().chain(text) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

fn valid_code(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// `mantissa × 10^exponent` if that is a whole number from 1 to 2^63 - 1.
fn units(mantissa: u128, exponent: i32) -> Option<i128> {
    let ten_to = 10_u128.pow(exponent.unsigned_abs());
    let units = if exponent >= 0 {
        mantissa.checked_mul(ten_to)?
    } else if mantissa % ten_to == 0 {
        mantissa / ten_to
    } else {
        return None;
    };
    (1..1 << 63).contains(&units).then_some(units as i128)
}

fn refuse(when: bool, reason: RejectReason) -> Result<(), RejectReason> {
    if when {
        Err(reason)
    } else {
        Ok(())
    }
}

/// The refusal of a command that names nothing.
fn bare_rejected(reason: RejectReason) -> Rejected {
    Rejected {
        reason,
        account_id: AccountId::NONE,
        instrument_id: InstrumentId::NONE,
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId::EMPTY,
    }
}

fn new_order_rejected(c: &NewOrder, reason: RejectReason) -> Rejected {
    Rejected {
        account_id: c.account_id,
        instrument_id: c.instrument_id,
        client_order_id: c.client_order_id,
        ..bare_rejected(reason)
    }
}

fn cancel_rejected(c: &CancelOrder, reason: RejectReason) -> Rejected {
    Rejected {
        account_id: c.account_id,
        order_id: c.order_id,
        client_order_id: c.client_order_id,
        ..bare_rejected(reason)
    }
}

fn rejected(command: &Command, reason: RejectReason) -> Rejected {
    let mut rejected = bare_rejected(reason);
    match command {
        Command::NewOrder(c) => return new_order_rejected(c, reason),
        Command::CancelOrder(c) => return cancel_rejected(c, reason),
        Command::ReplaceOrder(c) => {
            rejected.account_id = c.account_id;
            rejected.order_id = c.order_id;
            rejected.client_order_id = c.original_client_order_id;
        }
        Command::NewOrderList(c) => {
            if let Some(first) = c.orders.first() {
                rejected.account_id = first.account_id;
                rejected.instrument_id = first.instrument_id;
            }
        }
        Command::MassCancel(c) => {
            rejected.account_id = c.account_id;
            rejected.instrument_id = c.instrument_id;
        }
        Command::Deposit(c) => rejected.account_id = c.account_id,
        Command::Withdraw(c) => rejected.account_id = c.account_id,
        Command::SetAccountGroup(c) => rejected.account_id = c.account_id,
        Command::SetFees(c) => rejected.instrument_id = c.instrument_id,
        Command::CancelReplace(c) => {
            return Rejected { instrument_id: c.new_order.instrument_id, ..cancel_rejected(&c.cancel, reason) };
        }
        Command::Administer(c) => return self::rejected(&c.command, reason),
        Command::CommandFailed(c) => return self::rejected(&c.command, reason),
        other => status::name_rejected(other, &mut rejected),
    }
    rejected
}

/// A report of the order as it stands. The callers change what differs.
fn report(order: &Order, exec_type: ExecType, hold: i128) -> ExecutionReport {
    ExecutionReport {
        order_id: OrderId(order.order_id),
        client_order_id: order.client_order_id,
        account_id: AccountId(order.account),
        instrument_id: InstrumentId(order.instrument),
        exec_type,
        status: order.status(),
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        self_trade_prevention: order.self_trade_prevention,
        cancel_reason: CancelReason::None,
        key_id: order.key_id,
        price: PriceTicks(order.price as i64),
        quantity: Lots(order.quantity as i64),
        quote_quantity: Amount(order.quote_quantity),
        filled_quantity: Lots(order.filled as i64),
        leaves_quantity: Lots(order.leaves as i64),
        displayed_quantity: Lots(order.displayed as i64),
        hold: Amount(hold),
        trade_id: TradeId::NONE,
        last_price: PriceTicks(0),
        last_quantity: Lots(0),
        last_notional: Amount(0),
        fee: Amount(0),
        liquidity: Liquidity::None,
        counter_order_id: OrderId::NONE,
    }
}

fn canceled(order: &Order, reason: CancelReason) -> Event {
    Event::Execution(ExecutionReport {
        status: OrderStatus::Canceled,
        cancel_reason: reason,
        leaves_quantity: Lots(0),
        displayed_quantity: Lots(0),
        ..report(order, ExecType::Canceled, 0)
    })
}

impl Instrument {
    pub(crate) fn half(&self, side: Side) -> &Vec<Order> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn half_mut(&mut self, side: Side) -> &mut Vec<Order> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn notional(&self, price: i128, quantity: i128) -> i128 {
        price * quantity * self.tick_lot_units
    }

    fn notional_overflows(&self, price: i128, quantity: i128) -> bool {
        price * quantity > MAX_NOTIONAL / self.tick_lot_units
    }

    /// What an order holds on its own: if it is open, or is being executed.
    pub(crate) fn hold(&self, order: &Order) -> i128 {
        let amount = self.rested_hold(order);
        match order.waits {
            Waits::List => 0,
            Waits::No if order.can_rest() => amount,
            Waits::No => 0,
            _ if order.by_quote() => 0,
            _ if order.has_price() || order.side == Side::Sell => amount,
            _ => 0,
        }
    }

    pub(crate) fn hold_asset(&self, side: Side) -> u32 {
        match side {
            Side::Buy => self.quote,
            Side::Sell => self.base,
        }
    }
}

impl Naive {
    /// The venue before the first command: nothing but account 1, `venue`.
    pub fn new(max_open_orders: u32, max_open_orders_per_account: u32) -> Self {
        Self {
            max_open_orders: max_open_orders as usize,
            max_open_orders_per_account: max_open_orders_per_account as usize,
            sequence: 0,
            event_time_ns: 0,
            last_order_id: 0,
            last_trade_id: 0,
            last_list_id: 0,
            assets: Vec::new(),
            instruments: Vec::new(),
            accounts: vec![Account::new("venue", 0)],
            waiting: Vec::new(),
            lists: Vec::new(),
            deadlines: BTreeMap::new(),
            risk: risk::Risk::default(),
            corrections: corrections::Corrections::default(),
            generator: schedule::Generator::default(),
            defect: None,
            released: Vec::new(),
            traded: None,
            band_reached: false,
        }
    }

    /// Makes the model wrong in one way, for tests of the comparison itself.
    pub fn with_defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Applies one command, appends its events and tells whether it was accepted.
    pub fn apply(&mut self, sequence: u64, event_time_ns: i64, command: &Command, events: &mut Vec<Event>) -> bool {
        assert_eq!(sequence, self.sequence + 1, "sequence is dense");
        assert!(event_time_ns >= self.event_time_ns, "time never goes backwards");
        self.sequence = sequence;
        self.event_time_ns = event_time_ns;
        let result = self.carry_out_command(command, events);
        assert!(self.released.is_empty() && !self.band_reached, "nothing is left to do");
        self.traded = None;
        match result {
            Ok(()) => {
                self.end_of_command(events);
                true
            }
            Err(refusal) => {
                events.push(Event::Rejected(refusal));
                false
            }
        }
    }

    pub(crate) fn carry_out_command(&mut self, command: &Command, events: &mut Vec<Event>) -> Result<(), Rejected> {
        let result = match command {
            Command::NewOrder(c) => self.new_order(c, events),
            Command::CancelOrder(c) => self.cancel_order(c, events),
            Command::ReplaceOrder(c) => self.replace_order(c, events),
            Command::MassCancel(c) => self.mass_cancel(c, events),
            Command::Deposit(c) => self.deposit(c, events),
            Command::Withdraw(c) => self.withdraw(c, events),
            Command::AddAsset(c) => self.add_asset(c, events),
            Command::ListInstrument(c) => self.list_instrument(c, events),
            Command::OpenAccount(c) => self.open_account(c, events),
            Command::SetAccountGroup(c) => self.set_account_group(c, events),
            Command::SetFees(c) => self.set_fees(c, events),
            Command::SetTradingStatus(c) => self.set_trading_status(c, events),
            Command::CancelReplace(c) => return self.cancel_replace(c, events),
            Command::NewOrderList(c) => self.new_order_list(c, events),
            Command::CancelAllAfter(c) => self.cancel_all_after(c, events),
            Command::AdvanceTime => {
                self.advance_time(events);
                Ok(())
            }
            Command::SetMarkPrice(c) => self.set_mark_price(c, events),
            Command::SetInstrumentGroup(c) => self.set_instrument_group(c, events),
            Command::SetMatching(c) => self.set_matching(c, events),
            Command::SetLeadMarketMaker(c) => self.set_lead_market_maker(c, events),
            Command::SetFeatures(c) => self.set_features(c, events),
            Command::SetTradeGroup(c) => self.set_trade_group(c, events),
            Command::SetPriceBands(c) => self.set_price_bands(c, events),
            Command::SetSchedule(c) => self.set_schedule(c, events),
            Command::SetRandomSeed(c) => self.set_random_seed(c, events),
            Command::SetRiskLimits(c) => self.set_risk_limits(c, events),
            Command::SetAccountMode(c) => self.set_account_mode(c, events),
            Command::KillSwitch(c) => self.kill_switch(c, events),
            Command::SetFeeTier(c) => self.set_fee_tier(c, events),
            Command::SetFeePromotion(c) => self.set_fee_promotion(c, events),
            Command::SetFeeCap(c) => self.set_fee_cap(c, events),
            Command::BustTrade(c) => self.bust_trade(c, events),
            Command::AdjustTrade(c) => self.adjust_trade(c, events),
            Command::Administer(c) => return self.administer(c, events),
            Command::CommandFailed(c) => {
                events.push(Event::Rejected(rejected(&c.command, RejectReason::CommandFailed)));
                self.quarantine(&c.command, events);
                Ok(())
            }
        };
        result.map_err(|reason| rejected(command, reason))
    }

    // Orders

    fn new_order(&mut self, c: &NewOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let order = self.check_new_order(c)?;
        self.accept(order, events);
        Ok(())
    }

    /// All checks of a new order on its own. Gives it as it will enter.
    pub(crate) fn check_new_order(&self, c: &NewOrder) -> Result<Order, RejectReason> {
        let mut order = self.check_fields(c)?;
        self.check_market(&mut order)?;
        Ok(order)
    }

    /// The checks of a new order against its market and its account: reasons from 381 on. One that waits for another is looked at when it is released.
    pub(crate) fn check_market(&self, order: &mut Order) -> Result<(), RejectReason> {
        use RejectReason as R;
        let instrument = self.instrument(order.instrument);
        if order.waits != Waits::List {
            if order.has_limit() {
                instrument.check_bands(order.price)?;
            }
            self.check_risk(order, None)?;
        }
        refuse(order.is_market_to_limit() && order.price == 0, R::NoReferencePrice)?;
        if order.is_pegged() {
            order.price = instrument.peg_price(order).ok_or(R::NoReferencePrice)?;
        }
        if order.is_auction_market() && order.side == Side::Buy {
            order.auction_bound = instrument.upper_static_bound().ok_or(R::NoReferencePrice)?;
        }
        let stays = order.can_rest() || order.waits != Waits::No;
        refuse(stays && self.too_many_open_orders(order.account), R::TooManyOpenOrders)?;
        refuse(order.is_pegged() && instrument.has_all_pegged(), R::TooManyOpenOrders)?;
        if order.waits == Waits::No {
            self.check_post_only(order)?;
        }
        let needed = if order.waits == Waits::No { self.needed_for(order) } else { instrument.hold(order) };
        let asset = instrument.hold_asset(order.side);
        refuse(needed > self.available(order.account, asset), R::InsufficientFunds)
    }

    fn too_many_open_orders(&self, account: u32) -> bool {
        let own = self.open_orders().filter(|order| order.account == account).count();
        self.open_orders().count() >= self.max_open_orders || own >= self.max_open_orders_per_account
    }

    /// Enters an order that has passed its checks.
    pub(crate) fn accept(&mut self, order: Order, events: &mut Vec<Event>) {
        let instrument = order.instrument;
        let order = self.tell_new(order, events);
        if order.waits == Waits::No {
            self.execute(order, true, events);
        } else {
            self.waiting.push(order);
        }
        self.settle(instrument, events);
    }

    /// Gives an order its id and says that it is new.
    pub(crate) fn tell_new(&mut self, mut order: Order, events: &mut Vec<Event>) -> Order {
        self.last_order_id += 1;
        order.order_id = self.last_order_id;
        self.after_accepted(&order, true);
        events.push(Event::Execution(report(&order, ExecType::New, self.hold(&order))));
        order.tell_terms(events);
        order
    }

    /// The end of an order that is not open any more, or never was.
    pub(crate) fn cancel(&mut self, order: &Order, reason: CancelReason, events: &mut Vec<Event>) {
        events.push(canceled(order, reason));
        self.remember(order.account, &order.client_order_id);
        self.list_end(order, events);
    }

    /// Cancels those of these orders that are still open when their turn comes: the end of one may end another one of
    /// its list. Gives how many it canceled and the instruments whose books it changed.
    pub(crate) fn cancel_all(
        &mut self,
        named: &BTreeSet<u64>,
        reason: CancelReason,
        events: &mut Vec<Event>,
    ) -> (u32, BTreeSet<u32>) {
        let mut count = 0;
        let mut touched = BTreeSet::new();
        for order_id in named {
            if self.is_open(*order_id) {
                let order = self.take_out(*order_id);
                touched.insert(order.instrument);
                self.cancel(&order, reason, events);
                count += 1;
            }
        }
        (count, touched)
    }

    /// The order that a cancel names, if it may be canceled.
    pub(crate) fn check_cancel(&self, c: &CancelOrder) -> Result<u64, RejectReason> {
        let by_venue = c.account_id.is_none();
        refuse(!by_venue && !self.has_account(c.account_id), RejectReason::UnknownAccount)?;
        let order = self.find(c.account_id, c.order_id, &c.client_order_id)?;
        self.check_status_of_cancel(c.account_id, Some(order.instrument))?;
        Ok(order.order_id)
    }

    fn cancel_order(&mut self, c: &CancelOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        let order_id = self.check_cancel(c)?;
        let order = self.take_out(order_id);
        self.cancel(&order, CancelReason::Requested, events);
        self.settle(order.instrument, events);
        Ok(())
    }

    fn replace_order(&mut self, c: &ReplaceOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        let old = self.find(c.account_id, c.order_id, &c.original_client_order_id)?.clone();
        let instrument = self.instrument(old.instrument);
        let limit = if old.is_pegged() { old.worst_price } else { old.price };
        let price = if c.price.0 == 0 { limit } else { i128::from(c.price.0) };
        let quantity = if c.quantity.0 == 0 { old.quantity } else { i128::from(c.quantity.0) };
        let trigger_price = i128::from(c.trigger_price.0);
        let display_quantity = i128::from(c.display_quantity.0);

        self.check_status_of_replace(&old)?;
        refuse(self.client_order_id_used(c.account_id, &c.client_order_id), R::DuplicateClientOrderId)?;
        refuse(old.has_price() && !(1..=MAX_TICKS_OR_LOTS).contains(&price), R::InvalidPrice)?;
        if !old.by_quote() {
            instrument.check_quantity(quantity)?;
            refuse(quantity <= old.filled, R::QuantityNotAboveFilled)?;
        }
        if old.has_price() {
            instrument.check_notional(price, quantity)?;
        }
        refuse(instrument.notional_overflows(old.auction_bound, quantity), R::NotionalOverflow)?;
        refuse(trigger_price != 0 && !(1..=MAX_TICKS_OR_LOTS).contains(&trigger_price), R::InvalidTriggerPrice)?;
        refuse(display_quantity != 0 && !(1..=quantity).contains(&display_quantity), R::InvalidDisplayQuantity)?;
        let shown = if display_quantity == 0 { i128::from(old.terms.display_quantity.0) } else { display_quantity };
        refuse(old.is_iceberg() && shown.min(quantity) * 1_000 < quantity, R::InvalidDisplayQuantity)?;
        let waits_for_a_price = matches!(old.waits, Waits::Trigger | Waits::Activation);
        refuse(trigger_price != 0 && !waits_for_a_price, R::ReplaceNotAllowed)?;
        refuse(display_quantity != 0 && !old.is_iceberg(), R::ReplaceNotAllowed)?;
        refuse(c.price.0 != 0 && !old.has_price(), R::ReplaceNotAllowed)?;
        refuse(c.quantity.0 != 0 && old.by_quote(), R::ReplaceNotAllowed)?;
        refuse(old.list != 0, R::ReplaceNotAllowed)?;

        let mut order = Order { price, quantity, leaves: quantity - old.filled, ..old.clone() };
        if !c.client_order_id.is_empty() {
            order.client_order_id = c.client_order_id;
        }
        if trigger_price != 0 {
            order.terms.trigger_price = c.trigger_price;
        }
        if display_quantity != 0 {
            order.terms.display_quantity = c.display_quantity;
        }
        if order.has_price() {
            instrument.check_bands(price)?;
        }
        order.asked_price = if order.has_price() { price } else { 0 };
        self.check_risk(&order, Some(&old))?;
        let status = instrument.status;
        let matches = !matches!(status, TradingStatus::PreOpen | TradingStatus::Auction);
        let same_peak = order.terms.display_quantity == old.terms.display_quantity;
        let keeps_place = price == limit && same_peak && quantity <= old.quantity;
        if order.is_pegged() {
            order.worst_price = price;
            // Without a price to follow it goes by the one that it has; in an auction it stays where it is, as far as its
            // new limit allows.
            let followed = instrument.peg_price(&order).or_else(|| instrument.pegged_to(&order, old.price, 0));
            order.price = followed.filter(|_| matches).unwrap_or(match order.side {
                Side::Buy => old.price.min(price),
                Side::Sell => old.price.max(price),
            });
        } else if order.waits == Waits::No && matches && !keeps_place {
            let asked = order.post_only;
            order.post_only |= status == TradingStatus::PostOnly;
            self.check_post_only(&mut order)?;
            order.post_only = asked;
        }
        let difference = instrument.hold(&order) - instrument.hold(&old);
        let asset = instrument.hold_asset(old.side);
        refuse(difference > self.available(old.account, asset), R::InsufficientFunds)?;

        if !c.client_order_id.is_empty() {
            self.remember(old.account, &old.client_order_id);
        }
        self.after_accepted(&order, false);
        if order.waits == Waits::No && keeps_place {
            order.displayed = if order.is_iceberg() { old.displayed.min(order.leaves) } else { order.peak() };
        } else {
            order.displayed = 0;
        }
        events.push(Event::Execution(report(&order, ExecType::Replaced, self.hold(&order))));
        order.tell_terms(events);
        if order.waits != Waits::No {
            let order_id = order.order_id;
            let place = self.waiting.iter().position(|other| other.order_id == order_id).expect("it waits");
            self.waiting[place] = order;
        } else if keeps_place && self.defect != Some(Defect::ReduceLosesPriority) {
            let half = self.instrument_mut(old.instrument).half_mut(old.side);
            let place = half.iter().position(|other| other.order_id == old.order_id).expect("it was found above");
            half[place] = order;
        } else {
            self.take_out(old.order_id);
            order.displayed = 0;
            self.lose_top(&order);
            self.execute(order, false, events);
        }
        self.settle(old.instrument, events);
        Ok(())
    }

    fn mass_cancel(&mut self, c: &MassCancel, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let by_venue = c.account_id.is_none();
        refuse(!by_venue && !self.has_account(c.account_id), R::UnknownAccount)?;
        refuse(!c.instrument_id.is_none() && !self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        self.check_status_of_cancel(c.account_id, Some(c.instrument_id.0).filter(|id| *id != 0))?;

        let named: BTreeSet<u64> = self
            .open_orders()
            .filter(|order| by_venue || order.account == c.account_id.0)
            .filter(|order| c.instrument_id.is_none() || order.instrument == c.instrument_id.0)
            .filter(|order| c.side.is_none_or(|side| order.side == side))
            .filter(|order| by_venue || self.instrument(order.instrument).status != TradingStatus::Halted)
            .map(|order| order.order_id)
            .collect();
        let reason = match c.reason {
            MassCancelReason::Requested => CancelReason::MassCancel,
            MassCancelReason::Disconnected => CancelReason::Disconnected,
        };
        let (count, touched) = self.cancel_all(&named, reason, events);
        for instrument in touched {
            self.settle(instrument, events);
        }
        events.push(Event::MassCanceled(MassCanceled {
            account_id: c.account_id,
            instrument_id: c.instrument_id,
            side: c.side,
            count,
        }));
        Ok(())
    }

    // Money

    fn deposit(&mut self, c: &Deposit, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        refuse(!self.has_asset(c.asset_id), R::UnknownAsset)?;
        refuse(c.amount.0 < 1, R::InvalidAmount)?;
        let asset = &mut self.assets[c.asset_id.0 as usize - 1];
        refuse(c.amount.0 > MAX_ISSUED - asset.issued, R::AmountOverflow)?;
        asset.issued += c.amount.0;
        self.add_to_total(c.account_id.0, c.asset_id.0, c.amount.0);
        self.posted(c.account_id, c.asset_id, c.amount.0, events);
        Ok(())
    }

    fn withdraw(&mut self, c: &Withdraw, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        refuse(!self.has_asset(c.asset_id), R::UnknownAsset)?;
        refuse(c.amount.0 < 1, R::InvalidAmount)?;
        refuse(c.amount.0 > self.available(c.account_id.0, c.asset_id.0), R::InsufficientFunds)?;
        self.assets[c.asset_id.0 as usize - 1].issued -= c.amount.0;
        self.add_to_total(c.account_id.0, c.asset_id.0, -c.amount.0);
        self.posted(c.account_id, c.asset_id, -c.amount.0, events);
        Ok(())
    }

    fn posted(&self, account_id: AccountId, asset_id: AssetId, amount: i128, events: &mut Vec<Event>) {
        events.push(Event::Posted(Posted {
            account_id,
            asset_id,
            amount: Amount(amount),
            total: Amount(self.total(account_id.0, asset_id.0)),
            held: Amount(self.held(account_id.0, asset_id.0)),
        }));
    }

    // The venue's own affairs

    fn add_asset(&mut self, c: &AddAsset, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let code = c.code.as_str();
        refuse(!valid_code(code), R::InvalidCode)?;
        refuse(self.assets.iter().any(|asset| asset.code == code), R::DuplicateCode)?;
        refuse(c.scale > 18, R::InvalidScale)?;
        self.assets.push(Asset { code: code.into(), scale: c.scale, issued: 0 });
        let asset_id = AssetId(self.assets.len() as u32);
        events.push(Event::AssetAdded(AssetAdded { asset_id, code: c.code, scale: c.scale }));
        Ok(())
    }

    fn list_instrument(&mut self, c: &ListInstrument, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let symbol = c.symbol.as_str();
        refuse(!self.has_asset(c.base) || !self.has_asset(c.quote), R::UnknownAsset)?;
        refuse(!valid_code(symbol), R::InvalidCode)?;
        refuse(self.instruments.iter().any(|instrument| instrument.symbol == symbol), R::DuplicateCode)?;
        refuse(c.base == c.quote, R::SameAsset)?;
        let (tick, lot) = (c.tick_size, c.lot_size);
        refuse(tick.mantissa == 0 || tick.scale > 18, R::InvalidTickSize)?;
        refuse(lot.mantissa == 0 || lot.scale > 18, R::InvalidLotSize)?;
        let base_scale = i32::from(self.assets[c.base.0 as usize - 1].scale);
        let quote_scale = i32::from(self.assets[c.quote.0 as usize - 1].scale);
        let lot_units = units(u128::from(lot.mantissa), base_scale - i32::from(lot.scale)).ok_or(R::InvalidLotSize)?;
        let tick_lot_units = units(
            u128::from(tick.mantissa) * u128::from(lot.mantissa),
            quote_scale - i32::from(tick.scale) - i32::from(lot.scale),
        )
        .ok_or(R::InexactNotional)?;
        let (min, max) = (i128::from(c.min_quantity.0), i128::from(c.max_quantity.0));
        refuse(!(1 <= min && min <= max && max <= MAX_TICKS_OR_LOTS), R::InvalidQuantityRange)?;
        refuse(!(0..=MAX_NOTIONAL).contains(&c.min_notional.0), R::InvalidMinimumNotional)?;

        self.instruments.push(Instrument {
            symbol: symbol.into(),
            group: 0,
            base: c.base.0,
            quote: c.quote.0,
            tick_size: tick,
            lot_size: lot,
            min_quantity: min,
            max_quantity: max,
            min_notional: c.min_notional.0,
            status: TradingStatus::Open,
            status_reason: StatusReason::Requested,
            last_price: 0,
            mark_price: 0,
            features: feature::ALL,
            max_triggers: MAX_TRIGGERS,
            matching: Matching::BY_TIME,
            tops: [0, 0],
            lead_market_makers: BTreeMap::new(),
            fees: BTreeMap::new(),
            lot_units,
            tick_lot_units,
            bids: Vec::new(),
            asks: Vec::new(),
            session: status::Session::default(),
            bands: bands::Bands::default(),
            schedule: schedule::Schedule::default(),
            fee_rules: fees::FeeRules::default(),
        });
        let instrument_id = InstrumentId(self.instruments.len() as u32);
        events.push(Event::InstrumentListed(InstrumentListed { instrument_id, symbol: c.symbol }));
        Ok(())
    }

    fn open_account(&mut self, c: &OpenAccount, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let code = c.code.as_str();
        refuse(!valid_code(code), R::InvalidCode)?;
        refuse(self.accounts.iter().any(|account| account.code == code), R::DuplicateCode)?;
        self.accounts.push(Account::new(code, c.group_id.0));
        let account_id = AccountId(self.accounts.len() as u32);
        events.push(Event::AccountOpened(AccountOpened { account_id, code: c.code, group_id: c.group_id }));
        Ok(())
    }

    fn set_account_group(&mut self, c: &SetAccountGroup, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        refuse(!self.has_account(c.account_id), RejectReason::UnknownAccount)?;
        self.accounts[c.account_id.0 as usize - 1].group = c.group_id.0;
        self.forget_duplicates();
        events.push(Event::AccountGroupSet(AccountGroupSet { account_id: c.account_id, group_id: c.group_id }));
        Ok(())
    }

    fn set_fees(&mut self, c: &SetFees, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let (maker, taker) = (i128::from(c.maker_ppm), i128::from(c.taker_ppm));
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        refuse(!(0..=MILLION).contains(&taker) || !(-taker..=MILLION).contains(&maker), R::InvalidFee)?;
        self.instruments[c.instrument_id.0 as usize - 1].fees.insert(c.group_id.0, (maker, taker));
        events.push(Event::FeesSet(FeesSet {
            instrument_id: c.instrument_id,
            group_id: c.group_id,
            maker_ppm: c.maker_ppm,
            taker_ppm: c.taker_ppm,
        }));
        Ok(())
    }

    // The book, and what waits outside it

    pub(crate) fn instrument(&self, instrument: u32) -> &Instrument {
        &self.instruments[instrument as usize - 1]
    }

    pub(crate) fn instrument_mut(&mut self, instrument: u32) -> &mut Instrument {
        &mut self.instruments[instrument as usize - 1]
    }

    /// Those in the books, and those that wait.
    pub(crate) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        let books = self.instruments.iter().flat_map(|instrument| instrument.bids.iter().chain(&instrument.asks));
        books.chain(&self.waiting)
    }

    pub(crate) fn is_open(&self, order_id: u64) -> bool {
        self.open_orders().any(|order| order.order_id == order_id)
    }

    /// An open order.
    pub(crate) fn order(&self, order_id: u64) -> &Order {
        self.open_orders().find(|order| order.order_id == order_id).expect("the order is open")
    }

    /// The open order that a cancel or a replace names.
    fn find(
        &self,
        account_id: AccountId,
        order_id: OrderId,
        client_order_id: &ClientOrderId,
    ) -> Result<&Order, RejectReason> {
        let by_venue = account_id.is_none();
        let missing = order_id.is_none() && (by_venue || client_order_id.is_empty());
        refuse(missing, RejectReason::OrderReferenceMissing)?;
        self.open_orders()
            .find(|order| {
                (by_venue || order.account == account_id.0)
                    && (order_id.is_none() || order.order_id == order_id.0)
                    && (client_order_id.is_empty() || order.client_order_id == *client_order_id)
            })
            .ok_or(RejectReason::UnknownOrder)
    }

    /// Takes an open order out of its book, or out of those that wait.
    pub(crate) fn take_out(&mut self, order_id: u64) -> Order {
        let halves = self.instruments.iter_mut().flat_map(|instrument| [&mut instrument.bids, &mut instrument.asks]);
        for half in halves.chain([&mut self.waiting]) {
            if let Some(place) = half.iter().position(|order| order.order_id == order_id) {
                return Order { displayed: 0, ..half.remove(place) };
            }
        }
        panic!("order {order_id} is not open");
    }

    fn client_order_id_used(&self, account_id: AccountId, client_order_id: &ClientOrderId) -> bool {
        if client_order_id.is_empty() {
            return false;
        }
        let hash = fnv1a(account_id.0, client_order_id.as_bytes());
        self.accounts[account_id.0 as usize - 1].remembered.contains(&hash)
            || self
                .open_orders()
                .any(|order| order.account == account_id.0 && order.client_order_id == *client_order_id)
    }

    fn remember(&mut self, account: u32, client_order_id: &ClientOrderId) {
        if client_order_id.is_empty() {
            return;
        }
        let remembered = &mut self.accounts[account as usize - 1].remembered;
        remembered.push(fnv1a(account, client_order_id.as_bytes()));
        if remembered.len() > REMEMBERED_IDS {
            remembered.remove(0);
        }
    }

    // Balances

    fn has_account(&self, account_id: AccountId) -> bool {
        (1..=self.accounts.len()).contains(&(account_id.0 as usize))
    }

    fn has_asset(&self, asset_id: AssetId) -> bool {
        (1..=self.assets.len()).contains(&(asset_id.0 as usize))
    }

    fn has_instrument(&self, instrument_id: InstrumentId) -> bool {
        (1..=self.instruments.len()).contains(&(instrument_id.0 as usize))
    }

    fn hold(&self, order: &Order) -> i128 {
        self.instruments[order.instrument as usize - 1].hold(order)
    }

    fn total(&self, account: u32, asset: u32) -> i128 {
        self.accounts[account as usize - 1].totals.get(&asset).copied().unwrap_or(0)
    }

    fn add_to_total(&mut self, account: u32, asset: u32, amount: i128) {
        *self.accounts[account as usize - 1].totals.entry(asset).or_insert(0) += amount;
    }

    /// What the open orders hold, by account and asset, and one that is being executed besides. The two of an OCO pair
    /// hold the larger of what each would hold.
    fn all_held(&self, besides: Option<&Order>) -> BTreeMap<(u32, u32), i128> {
        let mut held = BTreeMap::new();
        let mut pairs: BTreeMap<u64, (u32, u32, i128)> = BTreeMap::new();
        for order in self.open_orders().chain(besides) {
            let (asset, hold) = (self.instrument(order.instrument).hold_asset(order.side), self.hold(order));
            if order.pair {
                let pair = pairs.entry(order.list).or_insert((order.account, asset, 0));
                pair.2 = pair.2.max(hold);
            } else {
                *held.entry((order.account, asset)).or_insert(0) += hold;
            }
        }
        for (account, asset, hold) in pairs.into_values() {
            *held.entry((account, asset)).or_insert(0) += hold;
        }
        held
    }

    pub(crate) fn held_with(&self, account: u32, asset: u32, besides: Option<&Order>) -> i128 {
        self.all_held(besides).get(&(account, asset)).copied().unwrap_or(0)
    }

    fn held(&self, account: u32, asset: u32) -> i128 {
        self.held_with(account, asset, None)
    }

    pub(crate) fn available(&self, account: u32, asset: u32) -> i128 {
        self.total(account, asset) - self.held(account, asset)
    }

    // Seen from outside

    /// One account's money in one asset, as (total, held).
    pub fn balance(&self, account_id: AccountId, asset_id: AssetId) -> Option<(i128, i128)> {
        (self.has_account(account_id) && self.has_asset(asset_id))
            .then(|| (self.total(account_id.0, asset_id.0), self.held(account_id.0, asset_id.0)))
    }

    /// The price levels of one half of a book that market data shows, best first, as (price, quantity, orders).
    pub fn depth(&self, instrument_id: InstrumentId, side: Side) -> Vec<(PriceTicks, i128, u32)> {
        let mut levels: Vec<(PriceTicks, i128, u32)> = Vec::new();
        for order in self
            .instrument(instrument_id.0)
            .half(side)
            .iter()
            .filter(|order| !order.terms.hidden && !order.is_auction_market())
        {
            let price = PriceTicks(order.price as i64);
            match levels.last_mut() {
                Some(level) if level.0 == price => {
                    level.1 += order.displayed;
                    level.2 += 1;
                }
                _ => levels.push((price, order.displayed, 1)),
            }
        }
        levels
    }

    /// The last trade's price; 0 before the first.
    pub fn last_price(&self, instrument_id: InstrumentId) -> PriceTicks {
        PriceTicks(self.instruments[instrument_id.0 as usize - 1].last_price as i64)
    }

    /// How many orders are open.
    pub fn open_order_count(&self) -> usize {
        self.open_orders().count()
    }

    /// Checks every invariant; panics with what is broken.
    pub fn check_invariants(&self) {
        for instrument in &self.instruments {
            instrument.check_book();
            instrument.check_session();
        }
        self.check_waiting();
        self.check_lists();
        self.check_positions();
        let mut ids = BTreeSet::new();
        for order in self.open_orders() {
            assert!(ids.insert(order.order_id), "an order is in one place: {order:?}");
            assert!(order.order_id <= self.last_order_id, "its id was given: {order:?}");
        }
        let mut named = BTreeSet::new();
        for order in self.open_orders().filter(|order| !order.client_order_id.is_empty()) {
            assert!(named.insert((order.account, order.client_order_id)), "one open order per client_order_id");
        }
        let held = self.all_held(None);
        for (index, asset) in self.assets.iter().enumerate() {
            let asset_id = index as u32 + 1;
            let mut sum = 0;
            for account_id in 1..=self.accounts.len() as u32 {
                let total = self.total(account_id, asset_id);
                let held = held.get(&(account_id, asset_id)).copied().unwrap_or(0);
                assert!(0 <= held && held <= total, "account {account_id} has {total} {} and holds {held}", asset.code);
                sum += total;
            }
            assert_eq!(sum, asset.issued, "balances of {} sum to what was issued", asset.code);
        }
    }

    /// How many assets and accounts there are.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.assets.len() as u32, self.accounts.len() as u32)
    }
}

impl Account {
    fn new(code: &str, group: u16) -> Self {
        Self {
            code: code.into(),
            group,
            trade_group: 0,
            totals: BTreeMap::new(),
            remembered: Vec::new(),
            mode: AccountMode::Normal,
            positions: BTreeMap::new(),
            volumes: BTreeMap::new(),
        }
    }
}

impl Instrument {
    fn check_book(&self) {
        for half in [&self.bids, &self.asks] {
            for order in half {
                assert!(order.leaves >= 1 && order.filled >= 0, "an open order has leaves: {order:?}");
                assert_eq!(order.quantity, order.filled + order.leaves, "quantity adds up: {order:?}");
                assert!(order.can_rest(), "only orders that can rest do: {order:?}");
                assert_eq!(order.waits, Waits::No, "no waiting order is in the book: {order:?}");
                assert!(order.fee_cap == 0 || order.fees_paid <= order.fee_cap, "the fee cap holds: {order:?}");
                assert!((0..MILLION).contains(&order.carry), "the carry is a fraction: {order:?}");
                let shown = if order.terms.hidden || order.is_auction_market() {
                    0..=0
                } else if order.is_iceberg() {
                    1..=order.leaves.min(i128::from(order.terms.display_quantity.0))
                } else {
                    order.leaves..=order.leaves
                };
                assert!(shown.contains(&order.displayed), "it shows {shown:?}: {order:?}");
                assert!(
                    self.notional(order.price, order.quantity) <= MAX_NOTIONAL,
                    "no order is above the largest notional: {order:?}"
                );
                if order.is_pegged() {
                    let within = match order.side {
                        Side::Buy => (1..=order.worst_price).contains(&order.price),
                        Side::Sell => order.price >= order.worst_price,
                    };
                    assert!(within, "a peg keeps to its worst price: {order:?}");
                }
            }
            for pair in half.windows(2) {
                let hidden_first = pair[0].price == pair[1].price && pair[0].terms.hidden && !pair[1].terms.hidden;
                assert!(!hidden_first, "hidden orders stand behind displayed ones: {pair:?}");
            }
        }
        let limits = |half: &[Order]| {
            let first_limit = half.iter().take_while(|order| order.is_auction_market()).count();
            assert!(half[first_limit..].iter().all(|order| !order.is_auction_market()), "market orders stand first");
            half[first_limit..].iter().map(|order| order.price).collect::<Vec<_>>()
        };
        assert!(limits(&self.bids).windows(2).all(|pair| pair[0] >= pair[1]), "best bid first");
        assert!(limits(&self.asks).windows(2).all(|pair| pair[0] <= pair[1]), "best ask first");
    }
}

impl Naive {
    fn check_waiting(&self) {
        for order in &self.waiting {
            assert_ne!(order.waits, Waits::No, "what waits, waits for something: {order:?}");
            assert!(order.filled == 0 && order.displayed == 0, "it has not been executed: {order:?}");
            assert!(order.waits == Waits::List || order.is_conditional(), "it can wait: {order:?}");
            assert!(!matches!(order.waits, Waits::Trail(_) | Waits::Activation) || order.terms.trail_bps > 0);
            let instrument = self.instrument(order.instrument);
            if instrument.status == TradingStatus::Open {
                let watched = instrument.watched(order);
                let met = watched.is_some_and(|price| order.triggers_at(price));
                assert!(!met, "its condition is met by {watched:?}: {order:?}");
            }
        }
    }

    fn check_lists(&self) {
        for list in &self.lists {
            assert!(!list.open.is_empty(), "a list without open orders is done: {list:?}");
            for order_id in &list.open {
                assert_eq!(self.order(*order_id).list, list.list_id, "it knows its list");
            }
            let pair = if list.has_first() { &list.orders[1..] } else { &list.orders[..] };
            let is_pair = pair.len() == 2;
            let traded = pair.iter().filter(|order_id| list.traded.contains(order_id)).count();
            assert!(!is_pair || traded <= 1, "one of a pair trades: {list:?}");
            let open = pair.iter().filter(|order_id| list.open.contains(order_id)).count();
            assert!(!is_pair || traded == 0 || open <= 1, "the other one is over: {list:?}");
            if list.has_first() {
                let first_open = list.open.contains(&list.orders[0]);
                let waits = |order_id: &u64| self.order(*order_id).waits == Waits::List;
                let behind = list.open.iter().filter(|order_id| **order_id != list.orders[0]);
                assert!(
                    behind.clone().all(|id| waits(id) == first_open),
                    "they wait while the first is open: {list:?}"
                );
            }
        }
        for order in self.open_orders().filter(|order| order.list != 0) {
            let open = |list: &&OrderList| list.list_id == order.list && list.open.contains(&order.order_id);
            assert!(self.lists.iter().any(|list| open(&list)), "its list knows it: {order:?}");
        }
    }
}
