//! A second implementation of `docs/concepts/engine.md` and `docs/concepts/rulebook.md`, written from the document alone: sorted vectors, linear
//! searches, 128-bit integers, no index and no running total. It is slow and meant to be read.
//!
//! It shares with the engine the commands, the events, the reject reasons and the field types, and nothing else. What
//! the engine keeps as a sum (held money, open orders of an account) is counted here each time; what the engine finds
//! by walking the book and then does by matching is planned here once ([`meetings`]) and then carried out.
//!
//! Invariants, checked by [`Naive::check_invariants`]: each half of a book is in priority, best price first and then
//! oldest; the two halves do not cross where orders match; every open order has leaves; per asset the balances sum to what was issued; no
//! balance holds more than it has, and none is negative.

mod auction;
mod bands;
mod corrections;
mod fees;
mod positions;
mod risk;
mod schedule;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use beurs_engine::command::{
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, MassCancel, NewOrder, OpenAccount, ReplaceOrder,
    SetAccountGroup, SetFees, Terms, Withdraw,
};
use beurs_engine::event::{
    AccountGroupSet, AccountOpened, AssetAdded, Event, ExecutionReport, FeesSet, InstrumentListed, MassCanceled,
    OrderTerms, Posted, Rejected,
};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, AccountMode, Amount, AssetId, CancelReason, ClientOrderId, ExecType, InstrumentId, KeyId, Liquidity,
    ListId, Lots, OrderId, OrderStatus, OrderType, PriceTicks, SelfTradePrevention, Side, Step, TimeInForce, TradeId,
    TradingStatus,
};
use sha2::{Digest, Sha256};

const MAX_TICKS_OR_LOTS: i128 = 9_007_199_254_740_991; // 2^53 - 1
const MAX_NOTIONAL: i128 = 1_000_000_000_000_000_000_000_000_000_000; // 10^30
const MAX_ISSUED: i128 = 1_000_000 * MAX_NOTIONAL; // 10^36
const MILLION: i128 = 1_000_000;
/// How many client_order_ids of closed orders an account remembers.
pub const REMEMBERED_IDS: usize = 10_000;
const VENUE: u32 = 1;
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
    assets: Vec<Asset>,
    pub(crate) instruments: Vec<Instrument>,
    accounts: Vec<Account>,
    pub(crate) risk: risk::Risk,
    pub(crate) corrections: corrections::Corrections,
    generator: schedule::Generator,
    defect: Option<Defect>,
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
    pub(crate) base: u32,
    pub(crate) quote: u32,
    pub(crate) tick_size: Step,
    pub(crate) lot_size: Step,
    pub(crate) min_quantity: i128,
    pub(crate) max_quantity: i128,
    pub(crate) min_notional: i128,
    pub(crate) status: TradingStatus,
    pub(crate) last_price: i128,
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

impl Account {
    fn new(code: &str, group: u16) -> Self {
        Self {
            code: code.into(),
            group,
            totals: BTreeMap::new(),
            remembered: Vec::new(),
            mode: AccountMode::Normal,
            positions: BTreeMap::new(),
            volumes: BTreeMap::new(),
        }
    }
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
    pub(crate) price: i128,
    pub(crate) quantity: i128,
    pub(crate) quote_quantity: i128,
    pub(crate) quote_left: i128,
    pub(crate) filled: i128,
    pub(crate) leaves: i128,
    pub(crate) maker_ppm: i128,
    pub(crate) taker_ppm: i128,
    pub(crate) carry: i128,
    pub(crate) client_order_id: ClientOrderId,
    pub(crate) key_id: KeyId,
    pub(crate) terms: Terms,
    /// Whether it stands in the book.
    pub(crate) rests: bool,
    /// Of an auction's market buy: the price that it holds its money at.
    pub(crate) auction_bound: i128,
    /// The most that it pays in fees in all; 0 for no such bound.
    pub(crate) fee_cap: i128,
    /// What it has paid in fees, rebates taken off.
    pub(crate) fees_paid: i128,
}

impl Order {
    fn by_quote(&self) -> bool {
        self.quote_quantity != 0
    }

    fn can_rest(&self) -> bool {
        let lasts = matches!(self.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd | TimeInForce::Day);
        (self.order_type == OrderType::Limit || self.auction_market()) && lasts
    }

    /// It has no limit and stands before all others in an auction.
    pub(crate) fn auction_market(&self) -> bool {
        self.order_type == OrderType::Market && self.terms.auction_only
    }

    /// What the book shows of it.
    fn displayed(&self) -> i128 {
        let shown = i128::from(self.terms.display_quantity.0);
        match () {
            () if !self.rests || self.terms.hidden => 0,
            () if shown > 0 => shown.min(self.leaves),
            () => self.leaves,
        }
    }

    fn accepts(&self, price: i128) -> bool {
        self.order_type == OrderType::Market
            || match self.side {
                Side::Buy => price <= self.price,
                Side::Sell => price >= self.price,
            }
    }

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

/// What happens between a taker and one maker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meeting {
    Trade { maker: u64, price: i128, quantity: i128 },
    CancelMaker { maker: u64 },
    CancelTaker,
    CancelBoth { maker: u64 },
    Decrement { maker: u64, quantity: i128 },
}

/// Whom the taker meets, in order, if it is matched against `makers` (the other half of the book, in priority). A maker
/// is met at most once, as after that it is gone or the taker is. Prices outside `range` are not traded at.
fn meetings(makers: &[Order], taker: &Order, tick_lot_units: i128, range: &bands::Range) -> Vec<Meeting> {
    let mut plan = Vec::new();
    let mut leaves = taker.leaves;
    let mut quote_left = taker.quote_left;
    for maker in makers {
        if !taker.accepts(maker.price) || !range.allows(maker.price) {
            break;
        }
        let wanted = if taker.by_quote() { quote_left / (maker.price * tick_lot_units) } else { leaves };
        let quantity = maker.leaves.min(wanted);
        if quantity == 0 {
            break;
        }
        let (maker_id, own) = (maker.order_id, maker.account == taker.account);
        match taker.self_trade_prevention {
            SelfTradePrevention::ExpireTaker if own => {
                plan.push(Meeting::CancelTaker);
                break;
            }
            SelfTradePrevention::ExpireMaker if own => plan.push(Meeting::CancelMaker { maker: maker_id }),
            SelfTradePrevention::ExpireBoth if own => {
                plan.push(Meeting::CancelBoth { maker: maker_id });
                break;
            }
            SelfTradePrevention::Decrement if own && taker.by_quote() => {
                plan.push(Meeting::CancelTaker);
                break;
            }
            SelfTradePrevention::Decrement if own => {
                plan.push(Meeting::Decrement { maker: maker_id, quantity });
                leaves -= quantity;
            }
            _ => {
                plan.push(Meeting::Trade { maker: maker_id, price: maker.price, quantity });
                leaves -= quantity;
                quote_left -= quantity * maker.price * tick_lot_units;
                if quantity < maker.leaves {
                    break; // It stays, and nobody behind it is reached.
                }
            }
        }
    }
    plan
}

fn traded_lots(plan: &[Meeting]) -> i128 {
    plan.iter().map(|meeting| if let Meeting::Trade { quantity, .. } = meeting { *quantity } else { 0 }).sum()
}

fn ceil_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

/// The fee of one fill, and the order's carry after it.
fn fee(notional: i128, ppm: i128, carry: i128) -> (i128, i128) {
    let due = ppm * notional - carry;
    let fee = ceil_div(due, MILLION);
    (fee, MILLION * fee - due)
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

fn rejected(command: &Command, reason: RejectReason) -> Event {
    let mut rejected = Rejected {
        reason,
        account_id: AccountId::NONE,
        instrument_id: InstrumentId::NONE,
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId::EMPTY,
    };
    match command {
        Command::NewOrder(c) => {
            rejected.account_id = c.account_id;
            rejected.instrument_id = c.instrument_id;
            rejected.client_order_id = c.client_order_id;
        }
        Command::CancelOrder(c) => {
            rejected.account_id = c.account_id;
            rejected.order_id = c.order_id;
            rejected.client_order_id = c.client_order_id;
        }
        Command::ReplaceOrder(c) => {
            rejected.account_id = c.account_id;
            rejected.order_id = c.order_id;
            rejected.client_order_id = c.original_client_order_id;
        }
        Command::MassCancel(c) => {
            rejected.account_id = c.account_id;
            rejected.instrument_id = c.instrument_id;
        }
        Command::Deposit(c) => rejected.account_id = c.account_id,
        Command::Withdraw(c) => rejected.account_id = c.account_id,
        Command::SetAccountGroup(c) => rejected.account_id = c.account_id,
        Command::SetFees(c) => rejected.instrument_id = c.instrument_id,
        Command::AddAsset(_) | Command::ListInstrument(_) | Command::OpenAccount(_) => {}
        Command::Administer(c) => return self::rejected(&c.command, reason),
        other => status::name_rejected(other, &mut rejected),
    }
    Event::Rejected(rejected)
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
        displayed_quantity: Lots(order.displayed() as i64),
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

/// The terms of an order as they are now.
fn tell_terms(order: &Order, events: &mut Vec<Event>) {
    events.push(Event::Terms(OrderTerms {
        order_id: OrderId(order.order_id),
        account_id: AccountId(order.account),
        instrument_id: InstrumentId(order.instrument),
        list_id: ListId::NONE,
        waits: false,
        limit_price: PriceTicks(0),
        terms: order.terms,
    }));
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

    pub(crate) fn hold(&self, order: &Order) -> i128 {
        if !order.can_rest() {
            return 0;
        }
        match order.side {
            Side::Buy => {
                let price = if order.auction_market() { order.auction_bound } else { order.price };
                let notional = self.notional(price, order.leaves);
                notional + ceil_div(order.worst_ppm() * notional - order.carry, MILLION).max(0)
            }
            Side::Sell => order.leaves * self.lot_units,
        }
    }

    pub(crate) fn hold_asset(&self, side: Side) -> u32 {
        match side {
            Side::Buy => self.quote,
            Side::Sell => self.base,
        }
    }

    fn would_match(&self, side: Side, price: i128) -> bool {
        self.best_price(side.opposite()).is_some_and(|best| match side {
            Side::Buy => best <= price,
            Side::Sell => best >= price,
        })
    }

    /// The best limit of a half. An auction's market orders have none.
    pub(crate) fn best_price(&self, side: Side) -> Option<i128> {
        self.half(side).iter().find(|order| !order.auction_market()).map(|order| order.price)
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
            assets: Vec::new(),
            instruments: Vec::new(),
            accounts: vec![Account::new("venue", 0)],
            risk: risk::Risk::default(),
            corrections: corrections::Corrections::default(),
            generator: schedule::Generator::default(),
            defect: None,
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
        let result = self.execute(command, events);
        match result {
            Ok(()) => self.end_of_command(events),
            Err(reason) => events.push(rejected(command, reason)),
        }
        result.is_ok()
    }

    fn execute(&mut self, command: &Command, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        match command {
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
            Command::AdvanceTime => self.advance_time(events),
            Command::SetMarkPrice(c) => self.set_mark_price(c, events),
            Command::SetInstrumentGroup(c) => self.set_instrument_group(c, events),
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
            Command::Administer(c) => self.administer(c, events),
            // Sections 1 to 9 of the rulebook are not in the model yet.
            Command::CancelReplace(_)
            | Command::NewOrderList(_)
            | Command::CancelAllAfter(_)
            | Command::SetMatching(_)
            | Command::SetLeadMarketMaker(_)
            | Command::SetFeatures(_)
            | Command::SetTradeGroup(_) => Err(RejectReason::OrderTypeNotAllowed),
        }
    }

    // Orders

    fn new_order(&mut self, c: &NewOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let limit = c.order_type == OrderType::Limit;
        let market = c.order_type == OrderType::Market;
        let by_quote = c.quote_quantity.0 != 0;
        let (price, quantity) = (i128::from(c.price.0), i128::from(c.quantity.0));

        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
        let instrument = &self.instruments[c.instrument_id.0 as usize - 1];
        let terms = c.terms.as_deref().copied().unwrap_or_default();
        self.check_status(c, &terms)?;
        refuse(self.client_order_id_used(c.account_id, &c.client_order_id), R::DuplicateClientOrderId)?;
        let at_once = matches!(c.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let allowed = if terms.auction_only { c.time_in_force == TimeInForce::Gtc } else { at_once };
        refuse(market && !allowed, R::InvalidTimeInForce)?;
        refuse(market && by_quote && c.time_in_force != TimeInForce::Ioc, R::InvalidTimeInForce)?;
        refuse(c.post_only && (!limit || at_once), R::InvalidPostOnly)?;
        refuse(market && price != 0, R::PriceNotAllowed)?;
        refuse(limit && !(1..=MAX_TICKS_OR_LOTS).contains(&price), R::InvalidPrice)?;
        refuse(by_quote && (limit || quantity != 0 || terms.auction_only), R::QuoteQuantityNotAllowed)?;
        if by_quote {
            refuse(c.quote_quantity.0 < 1, R::InvalidQuantity)?;
        } else {
            refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&quantity), R::InvalidQuantity)?;
            refuse(quantity < instrument.min_quantity, R::QuantityBelowMinimum)?;
            refuse(quantity > instrument.max_quantity, R::QuantityAboveMaximum)?;
        }
        if limit || by_quote {
            refuse(limit && instrument.notional_overflows(price, quantity), R::NotionalOverflow)?;
            let notional = if by_quote { c.quote_quantity.0 } else { instrument.notional(price, quantity) };
            refuse(notional > MAX_NOTIONAL, R::NotionalOverflow)?;
            refuse(notional < instrument.min_notional, R::NotionalBelowMinimum)?;
        }
        let needs_bound = terms.auction_only && market && c.side == Side::Buy;
        let auction_bound = instrument.upper_static_bound().filter(|_| needs_bound);
        refuse(auction_bound.is_some_and(|bound| instrument.notional_overflows(bound, quantity)), R::NotionalOverflow)?;
        // Of the terms, sections 1 to 9 of the rulebook are not in the model yet.
        refuse(!market && !limit, R::OrderTypeNotAllowed)?;
        refuse(Terms { auction_only: false, ..terms } != Terms::NONE, R::OrderTypeNotAllowed)?;
        refuse(c.time_in_force == TimeInForce::Gtd, R::InvalidExpireTime)?;
        let auction_lifetime = matches!(c.time_in_force, TimeInForce::Gtc | TimeInForce::Day);
        refuse(terms.auction_only && (!auction_lifetime || c.post_only), R::InvalidAuctionOnly)?;
        refuse(c.key_id.0 > KeyId::MAX, R::InvalidKey)?;
        if limit {
            instrument.check_bands(price)?;
        }
        self.check_risk(&risk::Asked {
            account: c.account_id.0,
            key_id: c.key_id,
            instrument: c.instrument_id.0,
            side: c.side,
            order_type: c.order_type,
            price,
            quantity,
            leaves: quantity,
            quote_quantity: c.quote_quantity.0,
            replaced: None,
        })?;
        refuse(needs_bound && auction_bound.is_none(), R::NoReferencePrice)?;

        let charged = self.fees_for(c.account_id.0, instrument);
        let order = Order {
            order_id: self.last_order_id + 1,
            account: c.account_id.0,
            instrument: c.instrument_id.0,
            side: c.side,
            order_type: c.order_type,
            time_in_force: c.time_in_force,
            post_only: c.post_only,
            self_trade_prevention: c.self_trade_prevention,
            price,
            quantity,
            quote_quantity: c.quote_quantity.0,
            quote_left: c.quote_quantity.0,
            filled: 0,
            leaves: quantity,
            maker_ppm: charged.maker_ppm,
            taker_ppm: charged.taker_ppm,
            carry: 0,
            client_order_id: c.client_order_id,
            key_id: c.key_id,
            terms,
            rests: false,
            auction_bound: auction_bound.unwrap_or(0),
            fee_cap: charged.cap,
            fees_paid: 0,
        };
        let matches = instrument.matches();
        let range = instrument.trading_limit(&order);
        let mut plan = Vec::new();
        if matches {
            plan = meetings(instrument.half(c.side.opposite()), &order, instrument.tick_lot_units, &range);
        }
        let killed = c.time_in_force == TimeInForce::Fok && traded_lots(&plan) < quantity;
        if killed {
            plan.clear();
        }

        refuse(order.can_rest() && self.too_many_open_orders(c.account_id), R::TooManyOpenOrders)?;
        refuse(c.post_only && instrument.would_match(c.side, price), R::PostOnlyWouldMatch)?;
        let asset = instrument.hold_asset(c.side);
        let needed =
            if order.auction_market() { instrument.hold(&order) } else { Self::needed_for(instrument, &order, &plan) };
        refuse(needed > self.available(c.account_id.0, asset), R::InsufficientFunds)?;

        self.last_order_id += 1;
        self.after_accept(&order, true);
        events.push(Event::Execution(report(&order, ExecType::New, self.hold(&order))));
        if order.terms != Terms::NONE {
            tell_terms(&order, events);
        }
        if killed {
            self.cancel(&order, CancelReason::FillOrKill, events);
        } else if matches {
            self.carry_out(order, &plan, &range, events);
        } else {
            self.rest(order);
        }
        Ok(())
    }

    fn too_many_open_orders(&self, account_id: AccountId) -> bool {
        let own = self.open_orders().filter(|order| order.account == account_id.0).count();
        self.open_orders().count() >= self.max_open_orders || own >= self.max_open_orders_per_account
    }

    /// What a new order must find available, in the asset that it pays with.
    fn needed_for(instrument: &Instrument, order: &Order, plan: &[Meeting]) -> i128 {
        let worst_fee = |notional: i128| ceil_div(order.worst_ppm() * notional, MILLION);
        match (order.order_type, order.side) {
            (OrderType::Limit, Side::Buy) => {
                let notional = instrument.notional(order.price, order.quantity);
                notional + worst_fee(notional)
            }
            (OrderType::Limit, Side::Sell) => order.quantity * instrument.lot_units,
            (OrderType::Market, Side::Buy) if order.by_quote() => {
                order.quote_quantity + worst_fee(order.quote_quantity)
            }
            (OrderType::Market, Side::Buy) => {
                let mut cost = 0;
                let mut carry = 0;
                let mut paid = 0;
                for meeting in plan {
                    if let Meeting::Trade { price, quantity, .. } = meeting {
                        let notional = instrument.notional(*price, *quantity);
                        let (fee, carry_after) = fee(notional, order.taker_ppm, carry);
                        let fee = fees::capped(fee, order.fee_cap, paid);
                        paid += fee;
                        cost += notional + fee;
                        carry = carry_after;
                    }
                }
                cost
            }
            (OrderType::Market, Side::Sell) if order.by_quote() => traded_lots(plan) * instrument.lot_units,
            (OrderType::Market, Side::Sell) => order.quantity * instrument.lot_units,
            (other, _) => unreachable!("{other:?} orders are refused"),
        }
    }

    /// Does what was planned, and then lets what is left rest or cancels it.
    fn carry_out(&mut self, mut taker: Order, plan: &[Meeting], range: &bands::Range, events: &mut Vec<Event>) {
        let bands = self.instruments[taker.instrument as usize - 1].both_bands();
        for meeting in plan {
            if let Meeting::Trade { price, .. } = meeting {
                assert!(bands.0 <= *price && *price <= bands.1, "{price} is outside the bands {bands:?}: {taker:?}");
            }
            match *meeting {
                Meeting::Trade { maker, quantity, .. } => {
                    let maker = self.take_out(maker);
                    self.trade(&mut taker, maker, quantity, events);
                }
                Meeting::CancelMaker { maker } => {
                    let maker = self.take_out(maker);
                    self.cancel(&maker, CancelReason::SelfTrade, events);
                }
                Meeting::CancelTaker => {
                    self.cancel(&taker, CancelReason::SelfTrade, events);
                    return;
                }
                Meeting::CancelBoth { maker } => {
                    let maker = self.take_out(maker);
                    self.cancel(&maker, CancelReason::SelfTrade, events);
                    self.cancel(&taker, CancelReason::SelfTrade, events);
                    return;
                }
                Meeting::Decrement { maker, quantity } => {
                    let mut maker = self.take_out(maker);
                    self.decrement(&mut maker, quantity, events);
                    if !maker.complete() {
                        self.put_back_first(maker);
                    }
                    self.decrement(&mut taker, quantity, events);
                    if taker.complete() {
                        return;
                    }
                }
            }
        }
        if taker.complete() {
            // Its last trade has said so. It is remembered after the makers.
            self.remember(taker.account, &taker.client_order_id);
        } else if let Some(beyond) = self.stopped_by(&taker, range) {
            self.stop_at_bands(taker, beyond, events);
        } else if taker.can_rest() {
            self.rest(taker);
        } else if taker.order_type == OrderType::Market {
            self.cancel_or_kill(&taker, CancelReason::NoLiquidity, events);
        } else {
            self.cancel_or_kill(&taker, CancelReason::ImmediateOrCancel, events);
        }
    }

    fn cancel_or_kill(&mut self, taker: &Order, reason: CancelReason, events: &mut Vec<Event>) {
        assert_ne!(taker.time_in_force, TimeInForce::Fok, "a FOK order trades whole or not at all");
        self.cancel(taker, reason, events);
    }

    /// One trade at the maker's price. `maker` is out of the book and goes back to its place if it has leaves.
    fn trade(&mut self, taker: &mut Order, mut maker: Order, quantity: i128, events: &mut Vec<Event>) {
        self.last_trade_id += 1;
        let instrument = &mut self.instruments[taker.instrument as usize - 1];
        instrument.last_price = maker.price;
        let notional = instrument.notional(maker.price, quantity);
        let base_units = quantity * instrument.lot_units;
        let quote = instrument.quote;

        // The taker's side first.
        taker.filled += quantity;
        if taker.by_quote() {
            taker.quote_left -= notional;
        } else {
            taker.leaves -= quantity;
        }
        let taker_fee = self.charge(taker, notional, taker.taker_ppm);
        self.exchange(taker, base_units, notional, taker_fee);

        // Then the maker's. Its rebate is paid out of what the venue has available now, with all holds as they are.
        let venue_holds: i128 = [&maker, &*taker]
            .into_iter()
            .filter(|order| order.account == VENUE && order.side == Side::Buy)
            .map(|order| self.hold(order))
            .sum();
        let venue_available = self.available(VENUE, quote) - venue_holds;
        maker.filled += quantity;
        maker.leaves -= quantity;
        let maker_ppm = maker.maker_ppm.max(-taker.taker_ppm);
        let maker_due = self.charge(&mut maker, notional, maker_ppm);
        let maker_fee = maker_due.max(-venue_available);
        maker.fees_paid += maker_fee - maker_due;
        self.exchange(&maker, base_units, notional, maker_fee);

        self.after_trade(&corrections::TradeRecord {
            trade_id: self.last_trade_id,
            instrument: taker.instrument,
            buyer: if taker.side == Side::Buy { taker.account } else { maker.account },
            seller: if taker.side == Side::Buy { maker.account } else { taker.account },
            price: maker.price,
            quantity,
            buyer_fee: if taker.side == Side::Buy { taker_fee } else { maker_fee },
            seller_fee: if taker.side == Side::Buy { maker_fee } else { taker_fee },
        });
        let sides = [(&*taker, &maker, taker_fee, Liquidity::Taker), (&maker, &*taker, maker_fee, Liquidity::Maker)];
        for (order, counter, fee, liquidity) in sides {
            events.push(Event::Execution(ExecutionReport {
                trade_id: TradeId(self.last_trade_id),
                last_price: PriceTicks(maker.price as i64),
                last_quantity: Lots(quantity as i64),
                last_notional: Amount(notional),
                fee: Amount(fee),
                liquidity,
                counter_order_id: OrderId(counter.order_id),
                ..report(order, ExecType::Trade, self.hold(order))
            }));
        }
        if maker.complete() {
            self.remember(maker.account, &maker.client_order_id);
        } else {
            self.put_back_first(maker);
        }
    }

    /// Moves one side's money of a trade, its fee to the venue.
    fn exchange(&mut self, order: &Order, base_units: i128, notional: i128, fee: i128) {
        let instrument = &self.instruments[order.instrument as usize - 1];
        let (base, quote) = (instrument.base, instrument.quote);
        let sign = if order.side == Side::Buy { 1 } else { -1 };
        self.add_to_total(order.account, base, sign * base_units);
        self.add_to_total(order.account, quote, -sign * notional - fee);
        self.add_to_total(VENUE, quote, fee);
        *self.corrections.venue_fees.entry(quote).or_insert(0) += fee;
    }

    fn charge(&self, order: &mut Order, notional: i128, ppm: i128) -> i128 {
        if self.defect == Some(Defect::FeesRoundDown) {
            return (ppm * notional).div_euclid(MILLION);
        }
        let (fee, carry) = fee(notional, ppm, order.carry);
        order.carry = carry;
        let fee = fees::capped(fee, order.fee_cap, order.fees_paid);
        order.fees_paid += fee;
        fee
    }

    /// Self-trade prevention, decrement, of one of the two orders.
    fn decrement(&mut self, order: &mut Order, quantity: i128, events: &mut Vec<Event>) {
        if order.leaves == quantity {
            self.cancel(order, CancelReason::SelfTrade, events);
            order.leaves = 0;
        } else {
            order.leaves -= quantity;
            order.quantity -= quantity;
            events.push(Event::Execution(ExecutionReport {
                cancel_reason: CancelReason::SelfTrade,
                ..report(order, ExecType::Restated, self.hold(order))
            }));
        }
    }

    /// The end of an order that is not in the book any more, or never was.
    fn cancel(&mut self, order: &Order, reason: CancelReason, events: &mut Vec<Event>) {
        events.push(canceled(order, reason));
        self.remember(order.account, &order.client_order_id);
    }

    fn cancel_order(&mut self, c: &CancelOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let by_venue = c.account_id.is_none();
        refuse(!by_venue && !self.has_account(c.account_id), R::UnknownAccount)?;
        let order = self.find(c.account_id, c.order_id, &c.client_order_id)?.clone();
        let status = self.instruments[order.instrument as usize - 1].status;
        refuse(status == TradingStatus::Halted && !by_venue, R::InstrumentHalted)?;
        self.check_cancel_mode(c.account_id)?;

        let order = self.take_out(order.order_id);
        self.cancel(&order, CancelReason::Requested, events);
        Ok(())
    }

    fn replace_order(&mut self, c: &ReplaceOrder, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        refuse(!self.has_account(c.account_id), R::UnknownAccount)?;
        let old = self.find(c.account_id, c.order_id, &c.original_client_order_id)?.clone();
        let price = if c.price.0 == 0 { old.price } else { i128::from(c.price.0) };
        let quantity = if c.quantity.0 == 0 { old.quantity } else { i128::from(c.quantity.0) };
        let instrument = &self.instruments[old.instrument as usize - 1];
        let would_match = instrument.matches() && instrument.would_match(old.side, price);

        self.check_replace_status(&old)?;
        refuse(self.client_order_id_used(c.account_id, &c.client_order_id), R::DuplicateClientOrderId)?;
        let limit = !old.auction_market();
        let price_valid = c.price.0 == 0 || (1..=MAX_TICKS_OR_LOTS).contains(&price);
        refuse(!price_valid, R::InvalidPrice)?;
        refuse(!(1..=MAX_TICKS_OR_LOTS).contains(&quantity), R::InvalidQuantity)?;
        refuse(quantity < instrument.min_quantity, R::QuantityBelowMinimum)?;
        refuse(quantity > instrument.max_quantity, R::QuantityAboveMaximum)?;
        refuse(quantity <= old.filled, R::QuantityNotAboveFilled)?;
        let held_at = if limit { price } else { old.auction_bound };
        refuse(instrument.notional_overflows(held_at, quantity), R::NotionalOverflow)?;
        let notional = instrument.notional(price, quantity);
        refuse(limit && notional < instrument.min_notional, R::NotionalBelowMinimum)?;
        let changes_other_terms = c.trigger_price.0 != 0 || c.display_quantity.0 != 0;
        refuse(changes_other_terms || (!limit && c.price.0 != 0), R::ReplaceNotAllowed)?;
        if limit {
            instrument.check_bands(price)?;
        }
        self.check_risk(&risk::Asked {
            account: old.account,
            key_id: old.key_id,
            instrument: old.instrument,
            side: old.side,
            order_type: old.order_type,
            price,
            quantity,
            leaves: quantity - old.filled,
            quote_quantity: 0,
            replaced: Some(old.order_id),
        })?;
        let post_only = old.post_only || instrument.status == TradingStatus::PostOnly;
        refuse(post_only && would_match, R::PostOnlyWouldMatch)?;

        let mut order = Order { price, quantity, leaves: quantity - old.filled, ..old.clone() };
        if !c.client_order_id.is_empty() {
            order.client_order_id = c.client_order_id;
        }
        let difference = instrument.hold(&order) - instrument.hold(&old);
        let asset = instrument.hold_asset(old.side);
        refuse(difference > self.available(old.account, asset), R::InsufficientFunds)?;

        if !c.client_order_id.is_empty() {
            self.remember(old.account, &old.client_order_id);
        }
        self.after_accept(&order, false);
        let keeps_place = price == old.price && quantity <= old.quantity;
        order.rests = keeps_place;
        events.push(Event::Execution(report(&order, ExecType::Replaced, self.hold(&order))));
        if order.terms != Terms::NONE {
            tell_terms(&order, events);
        }
        if keeps_place && self.defect != Some(Defect::ReduceLosesPriority) {
            let half = self.instruments[old.instrument as usize - 1].half_mut(old.side);
            let place = half.iter().position(|other| other.order_id == old.order_id).expect("it was found above");
            half[place] = order;
        } else {
            self.take_out(old.order_id);
            let instrument = &self.instruments[old.instrument as usize - 1];
            if instrument.matches() {
                let range = instrument.trading_limit(&order);
                let plan = meetings(instrument.half(old.side.opposite()), &order, instrument.tick_lot_units, &range);
                self.carry_out(order, &plan, &range, events);
            } else {
                self.rest(order);
            }
        }
        Ok(())
    }

    fn mass_cancel(&mut self, c: &MassCancel, events: &mut Vec<Event>) -> Result<(), RejectReason> {
        use RejectReason as R;
        let by_venue = c.account_id.is_none();
        refuse(!by_venue && !self.has_account(c.account_id), R::UnknownAccount)?;
        if !c.instrument_id.is_none() {
            refuse(!self.has_instrument(c.instrument_id), R::UnknownInstrument)?;
            let status = self.instruments[c.instrument_id.0 as usize - 1].status;
            refuse(status == TradingStatus::Halted && !by_venue, R::InstrumentHalted)?;
        }
        self.check_cancel_mode(c.account_id)?;

        let named: BTreeSet<u64> = self
            .open_orders()
            .filter(|order| by_venue || order.account == c.account_id.0)
            .filter(|order| c.instrument_id.is_none() || order.instrument == c.instrument_id.0)
            .filter(|order| c.side.is_none_or(|side| order.side == side))
            .filter(|order| by_venue || self.instruments[order.instrument as usize - 1].status != TradingStatus::Halted)
            .map(|order| order.order_id)
            .collect();
        for order_id in &named {
            let order = self.take_out(*order_id);
            self.cancel(&order, CancelReason::MassCancel, events);
        }
        events.push(Event::MassCanceled(MassCanceled {
            account_id: c.account_id,
            instrument_id: c.instrument_id,
            side: c.side,
            count: named.len() as u32,
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
            base: c.base.0,
            quote: c.quote.0,
            tick_size: tick,
            lot_size: lot,
            min_quantity: min,
            max_quantity: max,
            min_notional: c.min_notional.0,
            status: TradingStatus::Open,
            last_price: 0,
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

    // The book

    pub(crate) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.instruments.iter().flat_map(|instrument| instrument.bids.iter().chain(&instrument.asks))
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

    fn take_out(&mut self, order_id: u64) -> Order {
        for instrument in &mut self.instruments {
            for side in [Side::Buy, Side::Sell] {
                let half = instrument.half_mut(side);
                if let Some(place) = half.iter().position(|order| order.order_id == order_id) {
                    return half.remove(place);
                }
            }
        }
        panic!("order {order_id} is not open");
    }

    /// At the back of its price level. An auction's market orders stand before all levels.
    fn rest(&mut self, order: Order) {
        let order = Order { rests: true, ..order };
        let newest_first = self.defect == Some(Defect::NewestFirst);
        let half = self.instruments[order.instrument as usize - 1].half_mut(order.side);
        let stands_before = |other: &Order| match order.side {
            _ if other.auction_market() || order.auction_market() => other.auction_market(),
            Side::Buy => other.price > order.price,
            Side::Sell => other.price < order.price,
        };
        let place = half
            .iter()
            .position(|other| !stands_before(other) && (newest_first || other.price != order.price))
            .unwrap_or(half.len());
        half.insert(place, order);
    }

    /// A maker that was just met and has leaves: it stood first, or behind orders that were met before and are gone.
    fn put_back_first(&mut self, order: Order) {
        self.instruments[order.instrument as usize - 1].half_mut(order.side).insert(0, order);
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

    /// What the open orders hold, by account and asset.
    fn all_held(&self) -> BTreeMap<(u32, u32), i128> {
        let mut held = BTreeMap::new();
        for instrument in &self.instruments {
            for order in instrument.bids.iter().chain(&instrument.asks) {
                *held.entry((order.account, instrument.hold_asset(order.side))).or_insert(0) += instrument.hold(order);
            }
        }
        held
    }

    fn held(&self, account: u32, asset: u32) -> i128 {
        self.all_held().get(&(account, asset)).copied().unwrap_or(0)
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

    /// The price levels of one half of a book, best first, as (price, quantity, orders).
    pub fn depth(&self, instrument_id: InstrumentId, side: Side) -> Vec<(PriceTicks, i128, u32)> {
        let mut levels: Vec<(PriceTicks, i128, u32)> = Vec::new();
        let half = self.instruments[instrument_id.0 as usize - 1].half(side);
        for order in half.iter().filter(|order| !order.auction_market()) {
            let price = PriceTicks(order.price as i64);
            match levels.last_mut() {
                Some(level) if level.0 == price => {
                    level.1 += order.leaves;
                    level.2 += 1;
                }
                _ => levels.push((price, order.leaves, 1)),
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

    /// The canonical encoding of the state.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Encoder(b"BEURSSN1".to_vec());
        out.u64(self.sequence).i64(self.event_time_ns).u64(self.last_order_id).u64(self.last_trade_id);
        out.list(&self.assets, |out, asset| {
            out.text(asset.code.as_bytes()).u8(asset.scale).i128(asset.issued);
        });
        out.list(&self.instruments, |out, instrument| {
            out.text(instrument.symbol.as_bytes()).u32(instrument.base).u32(instrument.quote);
            out.u64(instrument.tick_size.mantissa).u8(instrument.tick_size.scale);
            out.u64(instrument.lot_size.mantissa).u8(instrument.lot_size.scale);
            out.i64(instrument.min_quantity as i64).i64(instrument.max_quantity as i64).i128(instrument.min_notional);
            out.u8(instrument.status as u8).i64(instrument.last_price as i64);
            let fees: Vec<_> = instrument.fees.iter().collect();
            out.list(&fees, |out, (group, (maker, taker))| {
                out.u16(**group).i32(*maker as i32).i32(*taker as i32);
            });
        });
        let held = self.all_held();
        let mut account_id = 0;
        out.list(&self.accounts, |out, account| {
            account_id += 1;
            out.text(account.code.as_bytes()).u16(account.group);
            let balances: Vec<_> = account.totals.iter().filter(|(_, total)| **total != 0).collect();
            out.list(&balances, |out, (asset, total)| {
                out.u32(**asset).i128(**total).i128(held.get(&(account_id, **asset)).copied().unwrap_or(0));
            });
            out.list(&account.remembered, |out, hash| {
                out.u64(*hash);
            });
        });
        for instrument in &self.instruments {
            for half in [&instrument.bids, &instrument.asks] {
                out.list(half, |out, order| {
                    out.u64(order.order_id).u32(order.account).u8(order.time_in_force as u8);
                    out.u8(order.self_trade_prevention as u8).u8(u8::from(order.post_only));
                    out.i64(order.price as i64).i64(order.filled as i64).i64(order.leaves as i64);
                    out.i32(order.maker_ppm as i32).i32(order.taker_ppm as i32).u32(order.carry as u32);
                    out.text(order.client_order_id.as_bytes());
                });
            }
        }
        out.0
    }

    /// SHA-256 of the snapshot.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.snapshot()).into()
    }

    /// Checks every invariant; panics with what is broken.
    pub fn check_invariants(&self) {
        for instrument in &self.instruments {
            for half in [&instrument.bids, &instrument.asks] {
                for order in half {
                    assert!(order.leaves >= 1 && order.filled >= 0, "an open order has leaves: {order:?}");
                    assert_eq!(order.quantity, order.filled + order.leaves, "quantity adds up: {order:?}");
                    assert!(order.can_rest() && order.rests, "it can rest: {order:?}");
                    assert!(order.fee_cap == 0 || order.fees_paid <= order.fee_cap, "the fee cap holds: {order:?}");
                    assert!((0..MILLION).contains(&order.carry), "the carry is a fraction: {order:?}");
                    assert!(
                        instrument.notional(order.price, order.quantity) <= MAX_NOTIONAL,
                        "no order is above the largest notional: {order:?}"
                    );
                }
            }
            let limits = |side| {
                let half: &Vec<Order> = instrument.half(side);
                let first_limit = half.iter().take_while(|order| order.auction_market()).count();
                assert!(half[first_limit..].iter().all(|order| !order.auction_market()), "market orders stand first");
                half[first_limit..].iter().map(|order| order.price).collect::<Vec<_>>()
            };
            assert!(limits(Side::Buy).windows(2).all(|pair| pair[0] >= pair[1]), "best bid first");
            assert!(limits(Side::Sell).windows(2).all(|pair| pair[0] <= pair[1]), "best ask first");
            instrument.check_session();
        }
        let mut named = BTreeSet::new();
        for order in self.open_orders().filter(|order| !order.client_order_id.is_empty()) {
            assert!(named.insert((order.account, order.client_order_id)), "one open order per client_order_id");
        }
        let held = self.all_held();
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
        self.check_positions();
    }

    /// How many assets and accounts there are.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.assets.len() as u32, self.accounts.len() as u32)
    }
}

/// Little-endian bytes.
struct Encoder(Vec<u8>);

impl Encoder {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn i128(&mut self, value: i128) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.u8(text.len() as u8).put(text)
    }

    fn list<T>(&mut self, elements: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.u32(elements.len() as u32);
        for element in elements {
            each(self, element);
        }
    }
}
