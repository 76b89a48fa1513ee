//! The state of the venue and the one way to change it: [`Engine::apply`].
//!
//! A command is checked first, in the fixed order of [`RejectReason`]'s numbers; past the line that says so it cannot fail
//! any more. Checks return values and change nothing; reports are emitted where things happen.

use crate::book::{Arena, Book};
use crate::command::{
    feature, AddAsset, Command, Deposit, InstrumentScope, KillScope, ListInstrument, OpenAccount, RiskScope,
    SetAccountGroup, SetFeatures, SetFees, SetLeadMarketMaker, SetMarkPrice, SetMatching, SetPriceBands, SetSchedule,
    SetTradeGroup, Withdraw,
};
use crate::event::{
    AccountGroupSet, AccountOpened, AssetAdded, Event, EventSink, FeesSet, InstrumentListed, MarkPriceSet, OrderTerms,
    Posted, Rejected, SettingChanged,
};
use crate::fees::{worst_cost, FeeRules, FeeSchedule, FeeTable};
use crate::ledger::{Account, Ledger};
use crate::levels::PagedLevels;
use crate::limits::Limits;
use crate::lists::Lists;
use crate::orders::{check_price, rejected_cancel, rejected_new_order};
use crate::pool::Identity;
use crate::positions::Position;
use crate::pro_rata::ProRata;
use crate::reject::RejectReason;
use crate::remembered::Remembered;
use crate::risk::Risk;
use crate::status::Session;
use crate::terms::Pegs;
use crate::timers::Timers;
use crate::triggers::Triggers;
use crate::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, Contingency, GroupId, InstrumentGroupId,
    InstrumentId, KeyId, ListId, Lots, MatchingAlgorithm, OrderId, OrderType, PriceTicks, SelfTradePrevention, Setting,
    Side, StatusReason, Step, Symbol, TimeInForce, TradingStatus, MAX_ISSUED, MAX_NOTIONAL, MAX_TICKS_OR_LOTS,
};
use std::collections::{BTreeSet, HashMap};

pub use crate::ledger::Balance;

pub(crate) type LiveBook = Book<PagedLevels>;

/// The account that takes the fees. It is there from the start.
pub const VENUE_ACCOUNT: AccountId = AccountId(1);
/// How many closed orders' client_order_ids are remembered for each account.
pub const REMEMBERED_CLIENT_ORDER_IDS: usize = 10_000;

/// Bounds of one engine. They must be the same wherever the same commands are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Open orders at the venue; the next one is rejected.
    pub max_open_orders: u32,
    /// Open orders of one account; the next one is rejected.
    pub max_open_orders_per_account: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_open_orders: 100_000_000, max_open_orders_per_account: 10_000_000 }
    }
}

/// How many conditional orders may trigger in one command, unless set otherwise.
const DEFAULT_MAX_TRIGGERS: u32 = 1_000;
/// The most that can be set.
const MAX_TRIGGERS: u32 = 100_000;
/// The greatest share of a lead market maker.
pub(crate) const MAX_LEAD_SHARE: u16 = 10_000;
/// The most assets, instruments and accounts that a venue can have.
const MAX_ASSETS: usize = 1 << 16;
const MAX_INSTRUMENTS: usize = 1 << 20;
const MAX_ACCOUNTS: usize = 1 << 28;

/// One price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceLevel {
    /// The price.
    pub price: PriceTicks,
    /// The sum of what its orders show, in lots.
    pub quantity: i128,
    /// How many orders it shows.
    pub orders: u32,
}

/// An open order as seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOrder {
    /// The venue's id.
    pub order_id: OrderId,
    /// The client's id; may be empty.
    pub client_order_id: ClientOrderId,
    /// Whose order.
    pub account_id: AccountId,
    /// On what.
    pub instrument_id: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// What it was entered as.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Whether it refuses to take.
    pub post_only: bool,
    /// Its self-trade prevention mode.
    pub self_trade_prevention: SelfTradePrevention,
    /// The key that it was sent with, or none.
    pub key_id: KeyId,
    /// Its limit, of a pegged order its present price; 0 for an order without one.
    pub price: PriceTicks,
    /// Its quote quantity, or 0.
    pub quote_quantity: Amount,
    /// What has traded of it.
    pub filled_quantity: Lots,
    /// What may still trade of it; 0 for an order given by `quote_quantity`.
    pub leaves_quantity: Lots,
    /// What of it the book shows.
    pub displayed_quantity: Lots,
    /// What it pays as a maker.
    pub maker_ppm: i32,
    /// What it pays as a taker.
    pub taker_ppm: i32,
    /// What it has paid too much in fees, in millionths of the quote asset's smallest unit.
    pub fee_carry: u32,
    /// What is held for it by itself, in quote for a buy and in base for a sell; the two orders of an OCO pair hold the larger
    /// of the two together.
    pub hold: Amount,
    /// The terms as they were told last; `None` for a plain order.
    pub terms: Option<OrderTerms>,
}

/// An order list with open orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenList {
    /// The venue's id.
    pub list_id: ListId,
    /// Whose list.
    pub account_id: AccountId,
    /// How its orders depend on each other.
    pub contingency: Contingency,
    /// The orders by their place in the list, `NONE` for one that has ended or that there is not.
    pub orders: [OrderId; 3],
}

/// A position as seen from outside, valued at a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionView {
    /// In which instrument.
    pub instrument_id: InstrumentId,
    /// Lots and tick-lots; [`Position::average_price`] is in ticks. Fees are not in its profit.
    pub position: Position,
    /// What it is valued at: the mark price, else the last price; 0 without either.
    pub mark: PriceTicks,
    /// What the open lots cost, in the quote asset's smallest unit.
    pub cost: Amount,
    /// What was earned by what was opened and closed, before fees, in the quote asset's smallest unit.
    pub realised: Amount,
    /// What closing at `mark` would add to it.
    pub unrealised: Amount,
}

/// What staff has set for an instrument, and what belongs to its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstrumentSettings {
    /// The group with which it changes its status.
    pub instrument_group_id: InstrumentGroupId,
    /// The static reference price; 0 before there is one.
    pub reference: PriceTicks,
    /// The mark price; 0 before the first.
    pub mark_price: PriceTicks,
    /// When the auction that it is in ends; 0 for never.
    pub end_time_ns: i64,
    /// The sum of [`feature`] bits.
    pub features: u32,
    /// How many conditional orders may trigger in one command.
    pub max_triggers: u32,
    /// The command that would set its price bands as they are; `None` if none were ever set.
    pub bands: Option<SetPriceBands>,
    /// The command that would set how its orders share; `None` if they trade by price and time.
    pub matching: Option<SetMatching>,
    /// The shares of the lead market makers, by account.
    pub lead_market_makers: Vec<(AccountId, u16)>,
    /// By slot, the commands that would set the entries, and when each is due next; `i64::MAX` for never.
    pub schedule: Vec<(SetSchedule, i64)>,
}

/// A listed instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    /// Its id.
    pub instrument_id: InstrumentId,
    /// Its symbol.
    pub symbol: Symbol,
    /// What is traded.
    pub base: AssetId,
    /// What pays.
    pub quote: AssetId,
    /// The price step.
    pub tick_size: Step,
    /// The quantity step.
    pub lot_size: Step,
    /// The smallest order quantity.
    pub min_quantity: Lots,
    /// The largest order quantity.
    pub max_quantity: Lots,
    /// The smallest order notional.
    pub min_notional: Amount,
    /// What it accepts.
    pub status: TradingStatus,
    /// Why it accepts that.
    pub status_reason: StatusReason,
    /// The price of the last trade; 0 before the first.
    pub last_price: PriceTicks,
    /// The base asset's smallest units in one lot.
    pub lot_units: i64,
    /// The quote asset's smallest units in one tick times one lot.
    pub tick_lot_units: i64,
}

impl Instrument {
    /// price × quantity in the quote asset's smallest unit; `None` above [`MAX_NOTIONAL`].
    #[inline]
    pub fn notional(&self, price: PriceTicks, quantity: Lots) -> Option<i128> {
        match self.small_notional(price.0, quantity.0) {
            Some(small) => Some(i128::from(small)),
            None => self.large_notional(price, quantity),
        }
    }

    #[cold]
    #[inline(never)] // So that the small way has the registers.
    fn large_notional(&self, price: PriceTicks, quantity: Lots) -> Option<i128> {
        // Both are below 2^53, so the first product cannot overflow.
        let notional = (i128::from(price.0) * i128::from(quantity.0)).checked_mul(i128::from(self.tick_lot_units))?;
        (notional <= MAX_NOTIONAL).then_some(notional)
    }

    /// Nearly every notional fits 64 bits, where multiplying is much cheaper.
    #[inline]
    fn small_notional(&self, price: i64, quantity: i64) -> Option<i64> {
        price.checked_mul(quantity)?.checked_mul(self.tick_lot_units)
    }

    /// The same for an order that has been accepted, so that it is known to fit.
    #[inline]
    pub(crate) fn known_notional(&self, price: i64, quantity: i64) -> i128 {
        match self.small_notional(price, quantity) {
            Some(small) => i128::from(small),
            None => self.large_known_notional(price, quantity),
        }
    }

    #[cold]
    #[inline(never)] // So that the small way has the registers.
    fn large_known_notional(&self, price: i64, quantity: i64) -> i128 {
        i128::from(price) * i128::from(quantity) * i128::from(self.tick_lot_units)
    }

    #[inline]
    pub(crate) fn base_index(&self) -> usize {
        self.base.0 as usize - 1
    }

    #[inline]
    pub(crate) fn quote_index(&self) -> usize {
        self.quote.0 as usize - 1
    }

    /// The asset of which an order of this side holds money.
    #[inline]
    pub(crate) fn hold_index(&self, side: Side) -> usize {
        [self.quote_index(), self.base_index()][side.index()]
    }

    /// What a resting order holds.
    #[inline(always)] // A part of the way of nearly every command.
    pub(crate) fn hold(&self, side: Side, price: i64, leaves: i64, fees: FeeSchedule, carry: u32) -> i128 {
        // Both are computed, because which one it will be cannot be predicted.
        let cost = worst_cost(self.known_notional(price, leaves), fees, carry);
        let units = i128::from(leaves) * i128::from(self.lot_units);
        [cost, units][side.index()]
    }
}

/// An asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asset {
    /// Its id.
    pub asset_id: AssetId,
    /// Its code.
    pub code: AssetCode,
    /// How many decimals its smallest unit has.
    pub scale: u8,
    /// How much of it is at the venue: deposits less withdrawals.
    pub issued: i128,
}

/// An account's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountInfo {
    /// Its id.
    pub account_id: AccountId,
    /// Its code.
    pub code: AccountCode,
    /// Its fee group.
    pub group_id: GroupId,
}

/// A listing with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub instrument: Instrument,
    /// Bits of [`active`]; 0 for an instrument that is plain today.
    pub active: u8,
    /// By group: what was set for it, as numbers of the fee table.
    pub fees: Vec<(u16, u16)>,
    /// What changes them: tiers, promotions and caps; `None` without any.
    pub fee_rules: Option<Box<FeeRules>>,
    /// Bits of [`crate::command::feature`].
    pub features: u32,
    /// How many conditional orders may trigger in one command.
    pub max_triggers: u32,
    /// 0 before the first.
    pub mark_price: i64,
    /// The conditional orders that wait for a price.
    pub triggers: Triggers,
    /// The pegged orders.
    pub pegs: Pegs,
    /// The first price traded at since prices were observed last; 0 for none.
    pub first_price: i64,
    /// What belongs to its status.
    pub session: Box<Session>,
}

/// What an instrument needs beyond matching after an order's execution. One look at all bits spares plain instruments.
pub(crate) mod active {
    /// Conditional orders wait.
    pub const TRIGGERS: u8 = 1;
    /// It has price bands or a collar.
    pub const BANDS: u8 = 2;
    /// Pegged orders are open.
    pub const PEGS: u8 = 4;
    /// It is in an auction, whose indication may change.
    pub const AUCTION: u8 = 8;
    /// Orders of a list wait for others.
    pub const LISTS: u8 = 32;
}

impl Listing {
    /// The number of the fee schedule of a group.
    #[inline]
    pub(crate) fn fees_of(&self, group: u16) -> u16 {
        match self.fees.as_slice() {
            [] => 0,
            [(0, fees)] => *fees,
            _ => self.search_fees(group),
        }
    }

    fn search_fees(&self, group: u16) -> u16 {
        let own = self.fees.binary_search_by_key(&group, |&(group, _)| group);
        match (own, self.fees.first()) {
            (Ok(at), _) => self.fees[at].1,
            (Err(_), Some(&(0, fees))) => fees,
            (Err(_), _) => 0,
        }
    }
}

/// The state of the venue.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) sequence: u64,
    pub(crate) event_time_ns: i64,
    pub(crate) last_order_id: u64,
    pub(crate) last_trade_id: u64,
    pub(crate) assets: Vec<Asset>,
    pub(crate) listings: Vec<Listing>,
    pub(crate) books: Vec<LiveBook>,
    pub(crate) arena: Arena,
    pub(crate) ledger: Ledger,
    pub(crate) fees: FeeTable,
    /// The client_order_ids that accounts have used on orders now closed.
    pub(crate) remembered: Remembered,
    pub(crate) asset_codes: HashMap<AssetCode, u32, Identity>,
    pub(crate) symbols: HashMap<Symbol, u32, Identity>,
    pub(crate) account_codes: HashMap<AccountCode, u32, Identity>,
    pub(crate) lists: Lists,
    pub(crate) timers: Timers,
    /// The state of the generator of random delays.
    pub(crate) random: u64,
    /// Instruments to be looked at when the command is done. Empty between commands.
    pub(crate) touched: Vec<u32>,
    pub(crate) risk: Risk,
    pub(crate) limits: Limits,
    /// The trades that were busted.
    pub(crate) busted: BTreeSet<u64>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(EngineConfig::default())
    }
}

impl Engine {
    /// A venue with nothing but its own account.
    pub fn new(config: EngineConfig) -> Self {
        let mut engine = Self::empty(config);
        let code = AccountCode::new(b"venue").unwrap_or_default();
        engine.add_account(code, 0);
        engine
    }

    pub(crate) fn empty(config: EngineConfig) -> Self {
        Self {
            config,
            sequence: 0,
            event_time_ns: 0,
            last_order_id: 0,
            last_trade_id: 0,
            assets: Vec::new(),
            listings: Vec::new(),
            books: Vec::new(),
            arena: Arena::new(),
            ledger: Ledger { accounts: Vec::new(), now_ns: 0 },
            fees: FeeTable::new(),
            remembered: Remembered::new(),
            asset_codes: HashMap::default(),
            symbols: HashMap::default(),
            account_codes: HashMap::default(),
            lists: Lists::default(),
            timers: Timers::default(),
            random: 0,
            touched: Vec::new(),
            risk: Risk::default(),
            limits: Limits::default(),
            busted: BTreeSet::new(),
        }
    }

    /// Applies one command and emits what follows from it. Returns whether it was accepted.
    ///
    /// # Panics
    /// If `sequence` is not the last one plus 1, if time goes backwards, or if an invariant is broken: what happened then
    /// is not known, and nothing may be built on it.
    pub fn apply<S: EventSink>(
        &mut self,
        sequence: u64,
        event_time_ns: i64,
        command: &Command,
        events: &mut S,
    ) -> bool {
        assert_eq!(sequence, self.sequence + 1, "sequence numbers have no gaps");
        assert!(event_time_ns >= self.event_time_ns, "time does not go backwards");
        self.sequence = sequence;
        self.event_time_ns = event_time_ns;
        self.ledger.now_ns = event_time_ns;
        let result = if self.limits.bounds.is_empty() {
            self.execute_command(command, events)
        } else {
            self.execute_counted(command, events)
        };
        if !self.touched.is_empty() {
            self.end_command(events);
        }
        if let Err(reason) = result {
            events.emit(Event::Rejected(rejected(reason, command)));
        }
        #[cfg(debug_assertions)]
        self.check_after_command();
        result.is_ok()
    }

    /// What a command does, but for what is looked at when it is done.
    #[inline(always)] // Of two callers one is rare.
    pub(crate) fn execute_command<S: EventSink>(
        &mut self,
        command: &Command,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        match command {
            Command::NewOrder(order) => self.new_order(order, events),
            Command::CancelOrder(cancel) => self.cancel_order(cancel, events),
            Command::ReplaceOrder(replace) => self.replace_order(replace, events),
            Command::MassCancel(cancel) => self.mass_cancel(cancel, events),
            Command::Deposit(deposit) => self.deposit(deposit, events),
            Command::Withdraw(withdraw) => self.withdraw(withdraw, events),
            Command::AddAsset(asset) => self.add_asset(asset, events),
            Command::ListInstrument(listing) => self.list_instrument(listing, events),
            Command::OpenAccount(account) => self.open_account(account, events),
            Command::SetAccountGroup(set) => self.set_account_group(set, events),
            Command::SetFees(set) => self.set_fees(set, events),
            Command::SetTradingStatus(set) => self.set_trading_status(set, events),
            Command::CancelReplace(both) => self.cancel_replace(both, events),
            Command::NewOrderList(list) => self.new_order_list(list, events),
            Command::CancelAllAfter(set) => self.cancel_all_after(set, events),
            Command::AdvanceTime => self.advance_time(events),
            Command::SetMarkPrice(set) => self.set_mark_price(set, events),
            Command::SetFeatures(set) => self.set_features(set, events),
            Command::SetInstrumentGroup(set) => self.set_instrument_group(set, events),
            Command::SetPriceBands(set) => self.set_price_bands(set, events),
            Command::SetSchedule(set) => self.set_schedule(set, events),
            Command::SetRandomSeed(set) => self.set_random_seed(set, events),
            Command::SetMatching(set) => self.set_matching(set, events),
            Command::SetLeadMarketMaker(set) => self.set_lead_market_maker(set, events),
            Command::SetTradeGroup(set) => self.set_trade_group(set, events),
            Command::SetFeeTier(set) => self.set_fee_tier(set, events),
            Command::SetFeePromotion(set) => self.set_fee_promotion(set, events),
            Command::SetFeeCap(set) => self.set_fee_cap(set, events),
            Command::SetRiskLimits(set) => self.set_risk_limits(set, events),
            Command::SetAccountMode(set) => self.set_account_mode(set, events),
            Command::KillSwitch(switch) => self.kill_switch(switch, events),
            Command::BustTrade(bust) => self.bust_trade(bust, events),
            Command::AdjustTrade(adjust) => self.adjust_trade(adjust, events),
            Command::Administer(both) => self.administer(both, events),
            Command::CommandFailed(failed) => self.command_failed(failed, events),
        }
    }

    /// Applies commands one after the other, as [`Self::apply`] does, all at the same time. Faster with many orders, because
    /// the memory that later commands will touch is fetched while earlier ones are at work.
    pub fn apply_batch<S: EventSink>(
        &mut self,
        first_sequence: u64,
        event_time_ns: i64,
        commands: &[Command],
        events: &mut S,
    ) {
        for (at, sequence) in (0..commands.len()).zip(first_sequence..) {
            self.prefetch(commands, at);
            self.apply(sequence, event_time_ns, &commands[at], events);
        }
    }

    /// Asks the processor to fetch what the commands after `at` will touch: the index first, then the order it leads to,
    /// then that order's neighbours. Changes nothing.
    #[inline]
    pub fn prefetch(&self, commands: &[Command], at: usize) {
        if self.arena.orders.len() <= 16_384 {
            return; // What fits the processor's cache needs no fetching.
        }
        // No branch depends on what the command is: that cannot be predicted, and fetching for order 0 does no harm.
        let order_id = |ahead: usize| match commands.get(at + ahead) {
            Some(Command::CancelOrder(cancel)) => cancel.order_id.0,
            _ => 0,
        };
        self.arena.orders.prefetch_index(order_id(12));
        self.arena.orders.prefetch_order(order_id(8));
        self.arena.orders.prefetch_neighbours(order_id(4));
    }

    // --- money and administration -----------------------------------------------------------------------------------

    fn deposit<S: EventSink>(&mut self, command: &Deposit, events: &mut S) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        let asset = self.asset_index(command.asset_id)?;
        if command.amount.0 < 1 {
            return Err(RejectReason::InvalidAmount);
        }
        if command.amount.0 > MAX_ISSUED - self.assets[asset].issued {
            return Err(RejectReason::AmountOverflow);
        }
        // After this point the deposit must succeed.
        self.post(account, asset, command.amount.0, events);
        Ok(())
    }

    fn withdraw<S: EventSink>(&mut self, command: &Withdraw, events: &mut S) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        let asset = self.asset_index(command.asset_id)?;
        if command.amount.0 < 1 {
            return Err(RejectReason::InvalidAmount);
        }
        if self.ledger.accounts[account].balance(asset).available() < command.amount.0 {
            return Err(RejectReason::InsufficientFunds);
        }
        // After this point the withdrawal must succeed.
        self.post(account, asset, -command.amount.0, events);
        Ok(())
    }

    /// Moves money between an account and the world outside.
    fn post<S: EventSink>(&mut self, account: usize, asset: usize, amount: i128, events: &mut S) {
        self.assets[asset].issued += amount;
        let balance = self.ledger.balance_mut(account, asset);
        balance.total += amount;
        events.emit(Event::Posted(Posted {
            account_id: AccountId(account as u32 + 1),
            asset_id: AssetId(asset as u32 + 1),
            amount: Amount(amount),
            total: Amount(balance.total),
            held: Amount(balance.held),
        }));
    }

    fn add_asset<S: EventSink>(&mut self, command: &AddAsset, events: &mut S) -> Result<(), RejectReason> {
        check_code(command.code.as_bytes(), self.asset_codes.contains_key(&command.code))?;
        if command.scale > 18 {
            return Err(RejectReason::InvalidScale);
        }
        if self.assets.len() >= MAX_ASSETS {
            return Err(RejectReason::TooManyEntries);
        }
        // After this point the asset must be added.
        let asset_id = AssetId(self.assets.len() as u32 + 1);
        self.assets.push(Asset { asset_id, code: command.code, scale: command.scale, issued: 0 });
        self.asset_codes.insert(command.code, asset_id.0);
        events.emit(Event::AssetAdded(AssetAdded { asset_id, code: command.code, scale: command.scale }));
        Ok(())
    }

    fn list_instrument<S: EventSink>(&mut self, command: &ListInstrument, events: &mut S) -> Result<(), RejectReason> {
        let base = self.asset_index(command.base)?;
        let quote = self.asset_index(command.quote)?;
        check_code(command.symbol.as_bytes(), self.symbols.contains_key(&command.symbol))?;
        if base == quote {
            return Err(RejectReason::SameAsset);
        }
        let tick = command.tick_size;
        let lot = command.lot_size;
        if tick.mantissa == 0 || tick.scale > 18 {
            return Err(RejectReason::InvalidTickSize);
        }
        if lot.scale > 18 {
            return Err(RejectReason::InvalidLotSize);
        }
        let lot_units = lot_units(lot, self.assets[base].scale).ok_or(RejectReason::InvalidLotSize)?;
        let tick_lot_units =
            tick_lot_units(tick, lot, self.assets[quote].scale).ok_or(RejectReason::InexactNotional)?;
        let (least, most) = (command.min_quantity.0, command.max_quantity.0);
        if !(1 <= least && least <= most && most <= MAX_TICKS_OR_LOTS) {
            return Err(RejectReason::InvalidQuantityRange);
        }
        if !(0..=MAX_NOTIONAL).contains(&command.min_notional.0) {
            return Err(RejectReason::InvalidMinimumNotional);
        }
        if self.listings.len() >= MAX_INSTRUMENTS {
            return Err(RejectReason::TooManyEntries);
        }
        // After this point the instrument must be listed.
        let instrument_id = InstrumentId(self.listings.len() as u32 + 1);
        self.add_listing(
            Instrument {
                instrument_id,
                symbol: command.symbol,
                base: command.base,
                quote: command.quote,
                tick_size: tick,
                lot_size: lot,
                min_quantity: command.min_quantity,
                max_quantity: command.max_quantity,
                min_notional: command.min_notional,
                status: TradingStatus::Open,
                status_reason: StatusReason::Requested,
                last_price: PriceTicks(0),
                lot_units,
                tick_lot_units,
            },
            Vec::new(),
        );
        events.emit(Event::InstrumentListed(InstrumentListed { instrument_id, symbol: command.symbol }));
        Ok(())
    }

    /// `lot_units` and `tick_lot_units`, if these assets exist and such an instrument may be listed.
    pub(crate) fn units(&self, base: AssetId, quote: AssetId, tick: Step, lot: Step) -> Option<(i64, i64)> {
        let scale = |asset: AssetId| Some(self.assets.get(asset.index()?)?.scale);
        Some((lot_units(lot, scale(base)?)?, tick_lot_units(tick, lot, scale(quote)?)?))
    }

    pub(crate) fn add_listing(&mut self, instrument: Instrument, fees: Vec<(u16, u16)>) {
        self.symbols.insert(instrument.symbol, instrument.instrument_id.0);
        self.books.push(LiveBook::new(self.listings.len() as u32));
        self.listings.push(Listing {
            instrument,
            active: 0,
            fees,
            fee_rules: None,
            features: feature::ALL,
            max_triggers: DEFAULT_MAX_TRIGGERS,
            mark_price: 0,
            triggers: Triggers::default(),
            pegs: Pegs::default(),
            first_price: 0,
            session: Box::default(),
        });
    }

    fn open_account<S: EventSink>(&mut self, command: &OpenAccount, events: &mut S) -> Result<(), RejectReason> {
        check_code(command.code.as_bytes(), self.account_codes.contains_key(&command.code))?;
        if self.ledger.accounts.len() >= MAX_ACCOUNTS {
            return Err(RejectReason::TooManyEntries);
        }
        // After this point the account must be opened.
        let account_id = self.add_account(command.code, command.group_id.0);
        self.track(account_id.0 as usize - 1);
        events.emit(Event::AccountOpened(AccountOpened { account_id, code: command.code, group_id: command.group_id }));
        Ok(())
    }

    pub(crate) fn add_account(&mut self, code: AccountCode, group: u16) -> AccountId {
        self.ledger.accounts.push(Account::new(code, group));
        let account_id = AccountId(self.ledger.accounts.len() as u32);
        self.account_codes.insert(code, account_id.0);
        account_id
    }

    fn set_mark_price<S: EventSink>(&mut self, command: &SetMarkPrice, events: &mut S) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        check_price(command.price)?;
        // After this point the mark price must be set.
        self.listings[at].mark_price = command.price.0;
        events.emit(Event::MarkPriceSet(MarkPriceSet { instrument_id: command.instrument_id, price: command.price }));
        self.after_execution(at, events);
        Ok(())
    }

    fn set_features<S: EventSink>(&mut self, command: &SetFeatures, events: &mut S) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        if command.features & !feature::ALL != 0 || !(1..=MAX_TRIGGERS).contains(&command.max_triggers) {
            return Err(RejectReason::InvalidFeatures);
        }
        // After this point the features must be set.
        self.listings[at].features = command.features;
        self.listings[at].max_triggers = command.max_triggers;
        events.emit(Event::SettingChanged(SettingChanged::of_instrument(Setting::Features, command.instrument_id)));
        Ok(())
    }

    fn set_account_group<S: EventSink>(
        &mut self,
        command: &SetAccountGroup,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        // After this point the group must be set.
        self.untrack(account);
        self.ledger.accounts[account].group = command.group_id.0;
        self.track(account);
        events.emit(Event::AccountGroupSet(AccountGroupSet {
            account_id: command.account_id,
            group_id: command.group_id,
        }));
        Ok(())
    }

    fn set_matching<S: EventSink>(&mut self, command: &SetMatching, events: &mut S) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        let rule = ProRata {
            top_max: command.top_max.0,
            lead_percent: command.lead_percent,
            fifo_percent: command.fifo_percent,
            minimum: command.min_allocation.0,
            leveling: command.leveling,
        };
        if !rule.is_valid() {
            return Err(RejectReason::InvalidMatching);
        }
        if self.arena.orders.slots().any(|slot| self.arena.half_of(slot).0 == at) {
            return Err(RejectReason::BookNotEmpty);
        }
        // After this point the matching algorithm must be set.
        let sharing = self.books[at].sharing.get_or_insert_default();
        sharing.rule = (command.algorithm == MatchingAlgorithm::ProRata).then_some(rule);
        sharing.top = [0; 2];
        events.emit(Event::SettingChanged(SettingChanged::of_instrument(Setting::Matching, command.instrument_id)));
        Ok(())
    }

    fn set_lead_market_maker<S: EventSink>(
        &mut self,
        command: &SetLeadMarketMaker,
        events: &mut S,
    ) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        let at = self.instrument_index(command.instrument_id)?;
        if command.share > MAX_LEAD_SHARE {
            return Err(RejectReason::InvalidMatching);
        }
        // After this point the share must be set.
        let sharing = self.books[at].sharing.get_or_insert_default();
        match command.share {
            0 => sharing.leads.remove(&(account as u32)),
            share => sharing.leads.insert(account as u32, share),
        };
        events.emit(Event::SettingChanged(SettingChanged {
            account_id: command.account_id,
            ..SettingChanged::of_instrument(Setting::LeadMarketMaker, command.instrument_id)
        }));
        Ok(())
    }

    fn set_trade_group<S: EventSink>(&mut self, command: &SetTradeGroup, events: &mut S) -> Result<(), RejectReason> {
        let account = self.account_index(command.account_id)?;
        // After this point the trade group must be set.
        self.ledger.accounts[account].trade_group = command.trade_group_id;
        events.emit(Event::SettingChanged(SettingChanged {
            account_id: command.account_id,
            ..SettingChanged::of_instrument(Setting::TradeGroup, InstrumentId::NONE)
        }));
        Ok(())
    }

    fn set_fees<S: EventSink>(&mut self, command: &SetFees, events: &mut S) -> Result<(), RejectReason> {
        let at = self.instrument_index(command.instrument_id)?;
        let SetFees { instrument_id, group_id, maker_ppm, taker_ppm } = *command;
        let schedule = FeeSchedule::uncapped(maker_ppm, taker_ppm)?;
        if self.listings[at].fee_rules.is_some() {
            let mut base = self.base_fees(at);
            base.insert(group_id.0, schedule);
            let rules = self.fee_rules(at);
            self.change_fees(at, &base, rules)?;
            events.emit(Event::FeesSet(FeesSet { instrument_id, group_id, maker_ppm, taker_ppm }));
            return Ok(());
        }
        let number = match self.fees.intern(schedule) {
            Some(number) => number,
            None => {
                self.drop_unused_fees();
                self.fees.intern(schedule).ok_or(RejectReason::TooManyEntries)?
            }
        };
        // After this point the fees must be set.
        self.listings[at].set_fees(group_id.0, number);
        events.emit(Event::FeesSet(FeesSet { instrument_id, group_id, maker_ppm, taker_ppm }));
        Ok(())
    }

    /// Makes room in a full fee table. What is in use depends on the state alone, so every engine in this state agrees on
    /// whether there is room.
    #[cold]
    pub(crate) fn drop_unused_fees(&mut self) {
        let mut table = self.fees.emptied();
        let mut renumber = |old: u16| {
            // A table that held them all holds those of them that are in use.
            table.intern(self.fees.schedule(old)).unwrap_or(0)
        };
        for listing in &mut self.listings {
            for (_, number) in &mut listing.fees {
                *number = renumber(*number);
            }
            if let Some(rules) = &mut listing.fee_rules {
                rules.renumber(&mut renumber);
            }
        }
        let slots: Vec<u32> = self.arena.orders.slots().collect();
        for slot in slots {
            let order = self.arena.orders.get_mut(slot);
            order.fees = renumber(order.fees);
        }
        self.fees = table;
    }
}

impl Listing {
    /// Sets the fee schedule of a group.
    pub(crate) fn set_fees(&mut self, group: u16, number: u16) {
        match self.fees.binary_search_by_key(&group, |&(group, _)| group) {
            Ok(at) => self.fees[at].1 = number,
            Err(at) => self.fees.insert(at, (group, number)),
        }
    }
}

fn check_code(code: &[u8], taken: bool) -> Result<(), RejectReason> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if code.is_empty() || !code.iter().all(allowed) {
        return Err(RejectReason::InvalidCode);
    }
    if taken {
        return Err(RejectReason::DuplicateCode);
    }
    Ok(())
}

/// The base asset's smallest units in one lot.
fn lot_units(lot: Step, base_scale: u8) -> Option<i64> {
    whole_units(u128::from(lot.mantissa), i32::from(base_scale) - i32::from(lot.scale))
}

/// The quote asset's smallest units in one tick times one lot.
fn tick_lot_units(tick: Step, lot: Step, quote_scale: u8) -> Option<i64> {
    let exponent = i32::from(quote_scale) - i32::from(tick.scale) - i32::from(lot.scale);
    whole_units(u128::from(tick.mantissa) * u128::from(lot.mantissa), exponent)
}

/// `mantissa × 10^exponent` if that is a whole number from 1 to 2^63 - 1.
fn whole_units(mantissa: u128, exponent: i32) -> Option<i64> {
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    let units = if exponent >= 0 {
        mantissa.checked_mul(power)?
    } else if mantissa % power == 0 {
        mantissa / power
    } else {
        return None;
    };
    i64::try_from(units).ok().filter(|&units| units >= 1)
}

/// The refusal of a command, with the ids it gave. A cancel-replace gives those of its cancel, and its new order's instrument;
/// a list its first order's account and instrument; an administer command those of the command it holds.
pub fn rejected(reason: RejectReason, command: &Command) -> Rejected {
    let nobody = Rejected {
        reason,
        account_id: AccountId::NONE,
        instrument_id: InstrumentId::NONE,
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId::EMPTY,
    };
    let of = |account_id, instrument_id| Rejected { account_id, instrument_id, ..nobody };
    let of_account = |account_id| of(account_id, InstrumentId::NONE);
    let of_instrument = |instrument_id| of(AccountId::NONE, instrument_id);
    match command {
        Command::NewOrder(order) => rejected_new_order(reason, order),
        Command::CancelOrder(cancel) => rejected_cancel(reason, cancel),
        Command::ReplaceOrder(replace) => Rejected {
            order_id: replace.order_id,
            client_order_id: replace.original_client_order_id,
            ..of_account(replace.account_id)
        },
        Command::CancelReplace(both) => {
            Rejected { instrument_id: both.new_order.instrument_id, ..rejected_cancel(reason, &both.cancel) }
        }
        Command::NewOrderList(list) => {
            list.orders.first().map_or(nobody, |first| of(first.account_id, first.instrument_id))
        }
        Command::MassCancel(cancel) => of(cancel.account_id, cancel.instrument_id),
        Command::Deposit(deposit) => of_account(deposit.account_id),
        Command::Withdraw(withdraw) => of_account(withdraw.account_id),
        Command::SetAccountGroup(set) => of_account(set.account_id),
        Command::CancelAllAfter(set) => of_account(set.account_id),
        Command::SetAccountMode(set) => of_account(set.account_id),
        Command::SetTradeGroup(set) => of_account(set.account_id),
        Command::SetFees(set) => of_instrument(set.instrument_id),
        Command::SetMarkPrice(set) => of_instrument(set.instrument_id),
        Command::SetInstrumentGroup(set) => of_instrument(set.instrument_id),
        Command::SetMatching(set) => of_instrument(set.instrument_id),
        Command::SetLeadMarketMaker(set) => of(set.account_id, set.instrument_id),
        Command::SetPriceBands(set) => of_instrument(set.instrument_id),
        Command::SetFeatures(set) => of_instrument(set.instrument_id),
        Command::SetSchedule(set) => of_instrument(set.instrument_id),
        Command::SetFeeTier(set) => of_instrument(set.instrument_id),
        Command::SetFeePromotion(set) => of_instrument(set.instrument_id),
        Command::SetFeeCap(set) => of_instrument(set.instrument_id),
        Command::BustTrade(bust) => of_instrument(bust.instrument_id),
        Command::AdjustTrade(adjust) => of_instrument(adjust.instrument_id),
        Command::SetRiskLimits(set) => match set.scope {
            RiskScope::Account(account_id) | RiskScope::Key(account_id, _) => of(account_id, set.instrument_id),
            RiskScope::Group(_) => of_instrument(set.instrument_id),
        },
        Command::KillSwitch(switch) => match switch.scope {
            KillScope::Account(account_id) | KillScope::Key(account_id, _) => of_account(account_id),
            KillScope::Instrument(instrument_id) => of_instrument(instrument_id),
            KillScope::All | KillScope::Group(_) => nobody,
        },
        Command::SetTradingStatus(set) => match set.scope {
            InstrumentScope::Instrument(instrument_id) => of_instrument(instrument_id),
            InstrumentScope::Group(_) | InstrumentScope::All => nobody,
        },
        Command::Administer(administer) => rejected(reason, &administer.command),
        Command::CommandFailed(failed) => rejected(reason, &failed.command),
        Command::AddAsset(_)
        | Command::ListInstrument(_)
        | Command::OpenAccount(_)
        | Command::AdvanceTime
        | Command::SetRandomSeed(_) => nobody,
    }
}
