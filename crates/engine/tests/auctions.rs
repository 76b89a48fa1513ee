//! Trading statuses, call auctions, price bands, schedules: orders in, the whole event list out (rulebook 10 to 12).

use beurs_engine::command::*;
use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::*;
use beurs_engine::{Engine, EngineConfig};

const BTC: AssetId = AssetId(1);
const USD: AssetId = AssetId(2);
const ONE: InstrumentId = InstrumentId(1);
const TWO: InstrumentId = InstrumentId(2);
const ANN: AccountId = AccountId(2);
const BOB: AccountId = AccountId(3);
const CAT: AccountId = AccountId(4);
const SECOND: i64 = 1_000_000_000;

/// An engine with two instruments and three rich accounts, driven by a test.
struct Venue {
    engine: Engine,
    now: i64,
}

impl Venue {
    fn new() -> Self {
        let mut venue = Self { engine: Engine::default(), now: 0 };
        for code in ["BTC", "USD"] {
            venue.apply(Command::AddAsset(AddAsset { code: text(code), scale: 0 }));
        }
        let one = Step { mantissa: 1, scale: 0 };
        for symbol in ["ONE", "TWO"] {
            venue.apply(Command::ListInstrument(ListInstrument {
                symbol: text(symbol),
                base: BTC,
                quote: USD,
                tick_size: one,
                lot_size: one,
                min_quantity: Lots(1),
                max_quantity: Lots(MAX_TICKS_OR_LOTS),
                min_notional: Amount(0),
            }));
        }
        for code in ["ann", "bob", "cat"] {
            venue.apply(Command::OpenAccount(OpenAccount { code: text(code), group_id: GroupId(0) }));
        }
        for account_id in [ANN, BOB, CAT] {
            for asset_id in [BTC, USD] {
                venue.apply(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(10_i128.pow(18)) }));
            }
        }
        venue
    }

    fn apply(&mut self, command: Command) -> Vec<Event> {
        let mut events = Vec::new();
        self.engine.apply(self.engine.sequence() + 1, self.now, &command, &mut events);
        assert!(!events.is_empty(), "every command gives an event: {command:?}");
        events
    }

    /// Applies a command and compares what it gives, in short.
    #[track_caller]
    fn gives(&mut self, command: impl Into<Command>, expected: &[&str]) {
        let events = self.apply(command.into());
        let lines: Vec<String> = events.iter().map(line).collect();
        assert_eq!(lines, expected);
    }

    /// Lets time pass to `now`.
    #[track_caller]
    fn at(&mut self, now: i64, expected: &[&str]) {
        self.now = now;
        self.gives(Command::AdvanceTime, expected);
    }

    #[track_caller]
    fn status(&mut self, status: TradingStatus, expected: &[&str]) {
        self.gives(set_status(ONE, status, 0), expected);
    }

    /// Enters plain limit orders that are told of by nothing but themselves.
    fn book(&mut self, orders: &[(AccountId, Side, i64, i64)]) {
        for &(account_id, side, quantity, price) in orders {
            self.apply(limit(account_id, side, quantity, price).into());
        }
    }

    /// The end of a test: what it leaves behind is whole, and survives a snapshot.
    #[track_caller]
    fn done(self) {
        self.engine.check_invariants();
        let mut snapshot = Vec::new();
        self.engine.snapshot(&mut snapshot);
        let restored = Engine::restore(EngineConfig::default(), &snapshot).expect("a snapshot");
        let mut again = Vec::new();
        restored.snapshot(&mut again);
        assert!(snapshot == again, "a restored engine has the same snapshot");
        assert_eq!(restored.next_due_ns(), self.engine.next_due_ns(), "timers are rebuilt");
    }
}

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("short ASCII")
}

/// An order that is put together step by step.
#[derive(Clone)]
struct Order(NewOrder, Terms);

fn limit(account_id: AccountId, side: Side, quantity: i64, price: i64) -> Order {
    Order(
        NewOrder {
            account_id,
            instrument_id: ONE,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            self_trade_prevention: SelfTradePrevention::None,
            key_id: KeyId::NONE,
            price: PriceTicks(price),
            quantity: Lots(quantity),
            quote_quantity: Amount(0),
            client_order_id: ClientOrderId::EMPTY,
            terms: None,
        },
        Terms::NONE,
    )
}

fn market(account_id: AccountId, side: Side, quantity: i64) -> Order {
    limit(account_id, side, quantity, 0).of(OrderType::Market).lives(TimeInForce::Ioc)
}

/// A market order for the auction.
fn auction_market(account_id: AccountId, side: Side, quantity: i64) -> Order {
    market(account_id, side, quantity).lives(TimeInForce::Gtc).with(|terms| terms.auction_only = true)
}

impl Order {
    fn of(mut self, order_type: OrderType) -> Self {
        self.0.order_type = order_type;
        self
    }
    fn lives(mut self, time_in_force: TimeInForce) -> Self {
        self.0.time_in_force = time_in_force;
        self
    }
    fn post_only(mut self) -> Self {
        self.0.post_only = true;
        self
    }
    fn by_quote(mut self, amount: i128) -> Self {
        self.0.quantity = Lots(0);
        self.0.quote_quantity = Amount(amount);
        self
    }
    fn with(mut self, set: impl FnOnce(&mut Terms)) -> Self {
        set(&mut self.1);
        self
    }
    fn auction_only(self) -> Self {
        self.with(|terms| terms.auction_only = true)
    }
    fn trigger(self, price: i64) -> Self {
        self.with(|terms| terms.trigger_price = PriceTicks(price))
    }
    fn build(self) -> NewOrder {
        NewOrder { terms: (self.1 != Terms::NONE).then(|| Box::new(self.1)), ..self.0 }
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        Self::NewOrder(order.build())
    }
}

fn set_status(instrument_id: InstrumentId, status: TradingStatus, end_time_ns: i64) -> Command {
    Command::SetTradingStatus(SetTradingStatus {
        scope: InstrumentScope::Instrument(instrument_id),
        status,
        reason: StatusReason::Requested,
        end_time_ns,
    })
}

fn cancel(account_id: AccountId, order_id: u64) -> Command {
    let client_order_id = ClientOrderId::EMPTY;
    Command::CancelOrder(CancelOrder { account_id, order_id: OrderId(order_id), client_order_id })
}

fn replace(account_id: AccountId, order_id: u64, quantity: i64, price: i64) -> Command {
    Command::ReplaceOrder(ReplaceOrder {
        account_id,
        order_id: OrderId(order_id),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        trigger_price: PriceTicks(0),
        display_quantity: Lots(0),
    })
}

const BANDS: SetPriceBands = SetPriceBands {
    instrument_id: ONE,
    reference: PriceTicks(0),
    static_up_bps: 0,
    static_down_bps: 0,
    dynamic_bps: 0,
    collar_bps: 0,
    action: BandAction::Cancel,
    auction_ns: 60 * SECOND,
    auction_random_ns: 0,
    limit_state_ns: 0,
};

/// A static band of 10 % around 100: from 90 to 110.
const STATIC: SetPriceBands =
    SetPriceBands { reference: PriceTicks(100), static_up_bps: 1_000, static_down_bps: 1_000, ..BANDS };

impl Venue {
    fn bands(&mut self, bands: SetPriceBands) {
        self.gives(Command::SetPriceBands(bands), &["set price_bands"]);
    }
}

/// An event in short.
fn line(event: &Event) -> String {
    match event {
        Event::Execution(report) => execution(report),
        Event::Terms(terms) => format!("terms #{}{}", terms.order_id, if terms.waits { " waits" } else { "" }),
        Event::Rejected(rejected) => format!("rejected {}", rejected.reason.as_str()),
        Event::TradingStatusSet(set) => {
            let end = if set.end_time_ns == 0 { String::new() } else { format!(" until {}", set.end_time_ns) };
            format!("status {} {} {}{end}", set.instrument_id, set.status.as_str(), set.reason.as_str())
        }
        Event::AuctionIndication(it) => {
            format!("indication {} {}x{} {:+}", it.instrument_id, it.price.0, it.volume, it.imbalance)
        }
        Event::AuctionEnded(it) => format!("ended {} {}x{}", it.instrument_id, it.price.0, it.volume),
        Event::LimitStateSet(it) => format!("limit {} {}", it.instrument_id, it.side.map_or("none", Side::as_str)),
        Event::SettingChanged(it) => format!("set {}", it.setting.as_str()),
        Event::TimeAdvanced(it) => format!("advanced {}", it.count),
        Event::MassCanceled(it) => format!("mass canceled {}", it.count),
        Event::OrderListStatus(it) => format!("list {} {}", it.list_id, it.status.as_str()),
        other => format!("{other:?}"),
    }
}

fn execution(report: &ExecutionReport) -> String {
    let (what, id, side) = (report.exec_type.as_str(), report.order_id, report.side.as_str());
    let order = format!("#{id} {side} {}@{} hold {}", report.quantity.0, report.price.0, report.hold.0);
    match report.exec_type {
        ExecType::Trade => format!(
            "trade {order} leaves {}: {}@{} fee {} {} with #{} ({})",
            report.leaves_quantity.0,
            report.last_quantity.0,
            report.last_price.0,
            report.fee.0,
            report.liquidity.as_str(),
            report.counter_order_id,
            report.trade_id
        ),
        ExecType::Canceled | ExecType::Expired => {
            format!("{what} #{id} {} of {}", report.cancel_reason.as_str(), report.quantity.0)
        }
        _ => format!("{what} {order}"),
    }
}

// --- 10 trading status ----------------------------------------------------------------------------------------------

#[test]
fn each_status_takes_what_it_takes() {
    use TradingStatus::*;
    let plain = || limit(ANN, Side::Buy, 1, 10);
    let resting = || plain().post_only();
    for (status, order, cancels) in [
        (PreOpen, "", ""),
        (Auction, "", ""),
        (Open, "", ""),
        (PostOnly, "instrument_post_only", ""),
        (CancelOnly, "instrument_cancel_only", ""),
        (Halted, "instrument_halted", "instrument_halted"),
        (Closed, "instrument_closed", ""),
    ] {
        let mut venue = Venue::new();
        venue.apply(plain().into());
        venue.apply(set_status(ONE, status, 0));
        let reason = |events: Vec<Event>| match &events[0] {
            Event::Rejected(rejected) => rejected.reason.as_str(),
            _ => "",
        };
        assert_eq!(reason(venue.apply(plain().into())), order, "{status:?}");
        let post_only = match status {
            PreOpen | Auction => "not_in_auction",
            PostOnly => "",
            _ => order,
        };
        assert_eq!(reason(venue.apply(resting().into())), post_only, "{status:?}");
        let replaced = if status == PostOnly { "" } else { order };
        assert_eq!(reason(venue.apply(replace(ANN, 1, 2, 11))), replaced, "{status:?}");
        assert_eq!(reason(venue.apply(cancel(ANN, 1))), cancels, "{status:?}");
        if status == Halted {
            assert_eq!(reason(venue.apply(cancel(AccountId::NONE, 1))), "", "the venue may");
        }
        venue.done();
    }
}

#[test]
fn auctions_refuse_what_trades_at_once() {
    let mut venue = Venue::new();
    let refused: &[&str] = &["rejected not_in_auction"];
    for status in [TradingStatus::PreOpen, TradingStatus::Auction] {
        venue.apply(set_status(ONE, status, 0));
        let order = || limit(ANN, Side::Buy, 1, 10);
        venue.gives(order().lives(TimeInForce::Ioc), refused);
        venue.gives(order().lives(TimeInForce::Fok), refused);
        venue.gives(order().post_only(), refused);
        venue.gives(order().with(|terms| terms.peg = Peg::Primary), refused);
        venue.gives(order().with(|terms| terms.min_quantity = Lots(1)), refused);
        venue.gives(market(ANN, Side::Buy, 1), refused);
        venue.gives(market(ANN, Side::Buy, 1).by_quote(5), refused);
        venue.gives(limit(ANN, Side::Buy, 1, 0).of(OrderType::MarketToLimit), refused);
        // The status is looked at before the form.
        venue.gives(order().post_only().lives(TimeInForce::Ioc), refused);
        venue.gives(market(ANN, Side::Buy, 1).lives(TimeInForce::Gtc), &["rejected invalid_time_in_force"]);
    }
    // Conditional orders wait, whatever their lifetime.
    let stop = market(ANN, Side::Sell, 1).of(OrderType::Stop).trigger(50);
    venue.gives(stop.clone(), &["new #1 sell 1@0 hold 1", "terms #1 waits"]);
    venue.gives(
        limit(ANN, Side::Sell, 1, 40).of(OrderType::StopLimit).lives(TimeInForce::Ioc).trigger(50),
        &["new #2 sell 1@40 hold 1", "terms #2 waits"],
    );
    venue.gives(stop.post_only(), refused);
    for order_id in [1, 2] {
        venue.apply(cancel(ANN, order_id));
    }
    venue.done();
}

#[test]
fn auction_only_orders_are_for_auctions_only() {
    let mut venue = Venue::new();
    let order = || limit(ANN, Side::Buy, 1, 10).auction_only();
    venue.gives(order(), &["rejected auction_only_not_allowed"]);
    venue.gives(auction_market(ANN, Side::Sell, 1), &["rejected auction_only_not_allowed"]);
    venue.apply(set_status(ONE, TradingStatus::PostOnly, 0));
    venue.gives(order(), &["rejected instrument_post_only"]);
    venue.status(TradingStatus::PreOpen, &["status 1 pre_open requested"]);
    venue.gives(order(), &["new #1 buy 1@10 hold 10", "terms #1"]);
    venue.gives(auction_market(ANN, Side::Sell, 1), &["new #2 sell 1@0 hold 1", "terms #2"]);
    venue.gives(order().with(|terms| terms.hidden = true), &["rejected invalid_auction_only"]);
    venue.status(TradingStatus::CancelOnly, &["status 1 cancel_only requested"]);
    // They stay until the instrument opens, or closes. A mass cancel finds them.
    venue.gives(
        Command::MassCancel(MassCancel { account_id: AccountId::NONE, instrument_id: ONE, side: Some(Side::Sell) }),
        &["canceled #2 mass_cancel of 1", "mass canceled 1"],
    );
    venue.status(TradingStatus::Closed, &["canceled #1 auction_ended of 1", "status 1 closed requested"]);
    venue.done();
}

#[test]
fn a_status_is_set_for_one_a_group_or_all() {
    let mut venue = Venue::new();
    let scope = |scope| {
        Command::SetTradingStatus(SetTradingStatus {
            scope,
            status: TradingStatus::Halted,
            reason: StatusReason::Requested,
            end_time_ns: 0,
        })
    };
    let group = InstrumentGroupId(7);
    venue.gives(scope(InstrumentScope::Group(group)), &["rejected unknown_instrument"]);
    let set =
        |instrument_id| Command::SetInstrumentGroup(SetInstrumentGroup { instrument_id, instrument_group_id: group });
    venue.gives(set(TWO), &["set instrument_group"]);
    venue.gives(set(InstrumentId(3)), &["rejected unknown_instrument"]);
    venue.gives(scope(InstrumentScope::Group(group)), &["status 2 halted requested"]);
    venue.gives(scope(InstrumentScope::All), &["status 1 halted requested", "status 2 halted requested"]);
    venue.gives(scope(InstrumentScope::Instrument(InstrumentId(0))), &["rejected unknown_instrument"]);
    venue.done();
}

#[test]
fn only_an_auction_has_an_end_and_opens_by_itself() {
    let mut venue = Venue::new();
    venue.now = 1_000;
    for (status, end) in [
        (TradingStatus::Open, 2_000),
        (TradingStatus::Auction, 1_000),
        (TradingStatus::Auction, -1),
        (TradingStatus::Auction, i64::MIN),
    ] {
        venue.gives(set_status(ONE, status, end), &["rejected invalid_end_time"]);
    }
    venue.gives(set_status(ONE, TradingStatus::Auction, 2_000), &["status 1 auction requested until 2000"]);
    venue.gives(limit(ANN, Side::Buy, 3, 10), &["new #1 buy 3@10 hold 30"]);
    venue.gives(limit(BOB, Side::Sell, 2, 9), &["new #2 sell 2@9 hold 2", "indication 1 10x2 +1"]);
    assert_eq!(venue.engine.next_due_ns(), 2_000);
    // Another end replaces the first one; the auction goes on.
    venue.gives(set_status(ONE, TradingStatus::Auction, 3_000), &["status 1 auction requested until 3000"]);
    venue.at(2_500, &["advanced 0"]);
    venue.at(
        3_000,
        &[
            "trade #1 buy 3@10 hold 10 leaves 1: 2@10 fee 0 auction with #2 (1)",
            "trade #2 sell 2@9 hold 0 leaves 0: 2@10 fee 0 auction with #1 (1)",
            "ended 1 10x2",
            "status 1 open auction_end",
            "advanced 1",
        ],
    );
    assert_eq!(venue.engine.next_due_ns(), i64::MAX);
    // An end that another status overtakes does not come.
    venue.gives(set_status(ONE, TradingStatus::Auction, 9_000), &["status 1 auction requested until 9000"]);
    venue.status(TradingStatus::Halted, &["status 1 halted requested"]);
    venue.at(10_000, &["advanced 0"]);
    venue.done();
}

#[test]
fn day_orders_expire_when_the_instrument_closes() {
    let mut venue = Venue::new();
    let day = |account, side, price| limit(account, side, 2, price).lives(TimeInForce::Day);
    venue.apply(day(ANN, Side::Sell, 20).into());
    venue.apply(limit(ANN, Side::Buy, 1, 5).into());
    venue.apply(limit(BOB, Side::Sell, 2, 18).of(OrderType::StopLimit).lives(TimeInForce::Day).trigger(8).into());
    venue.apply(day(CAT, Side::Buy, 10).into());
    venue.apply(day(CAT, Side::Buy, 9).with(|terms| terms.hidden = true).into());
    venue.gives(
        limit(BOB, Side::Sell, 1, 10),
        &[
            "new #6 sell 1@10 hold 1",
            "trade #6 sell 1@10 hold 0 leaves 0: 1@10 fee 0 taker with #4 (1)",
            "trade #4 buy 2@10 hold 10 leaves 1: 1@10 fee 0 maker with #6 (1)",
        ],
    );
    venue.status(
        TradingStatus::Closed,
        &[
            "status 1 closed requested",
            "expired #1 end_of_day of 2",
            "expired #3 end_of_day of 2",
            "expired #4 end_of_day of 2",
            "expired #5 end_of_day of 2",
        ],
    );
    assert_eq!(venue.engine.open_order_count(), 1);
    let held = |account| venue.engine.balance(account, USD).expect("there").held;
    assert_eq!((held(ANN), held(BOB), held(CAT)), (5, 0, 0));
    venue.done();
}

// --- 11 call auctions -----------------------------------------------------------------------------------------------

#[test]
fn an_auction_tells_what_it_would_give_whenever_that_changes() {
    let mut venue = Venue::new();
    venue.book(&[(ANN, Side::Buy, 5, 100), (BOB, Side::Sell, 5, 101)]);
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.gives(limit(CAT, Side::Buy, 3, 103), &["new #3 buy 3@103 hold 309", "indication 1 101x3 -2"]);
    venue.gives(limit(CAT, Side::Buy, 1, 99), &["new #4 buy 1@99 hold 99"]);
    venue.gives(limit(BOB, Side::Sell, 1, 102), &["new #5 sell 1@102 hold 1"]);
    // A replace never matches.
    venue.gives(replace(CAT, 4, 6, 102), &["replaced #4 buy 6@102 hold 612", "indication 1 102x6 +3"]);
    venue.gives(auction_market(ANN, Side::Sell, 4), &["new #6 sell 4@0 hold 4", "terms #6", "indication 1 101x9 +0"]);
    venue.gives(replace(ANN, 6, 9, 0), &["replaced #6 sell 9@0 hold 9", "terms #6", "indication 1 101x9 -5"]);
    venue.gives(cancel(ANN, 6), &["canceled #6 requested of 9", "indication 1 102x6 +3"]);
    // Not while it is halted; the next auction begins anew.
    venue.status(TradingStatus::Halted, &["status 1 halted requested"]);
    venue.status(TradingStatus::Auction, &["status 1 auction requested", "indication 1 102x6 +3"]);
    venue.gives(
        Command::MassCancel(MassCancel { account_id: CAT, instrument_id: ONE, side: None }),
        &["canceled #3 mass_cancel of 3", "canceled #4 mass_cancel of 6", "mass canceled 2", "indication 1 0x0 +0"],
    );
    venue.status(TradingStatus::Open, &["ended 1 0x0", "status 1 open requested"]);
    venue.done();
}

#[test]
fn an_uncrossing_trades_by_priority_at_one_price_and_both_pay_taker_fees() {
    let mut venue = Venue::new();
    venue.apply(Command::SetFees(SetFees {
        instrument_id: ONE,
        group_id: GroupId(0),
        maker_ppm: -500,
        taker_ppm: 1_000,
    }));
    venue.bands(STATIC);
    venue.status(TradingStatus::PreOpen, &["status 1 pre_open requested"]);
    venue.book(&[
        (ANN, Side::Buy, 4_000, 104),
        (ANN, Side::Buy, 1_000, 106),
        (BOB, Side::Sell, 2_000, 103),
        (BOB, Side::Sell, 3_000, 102),
    ]);
    // The bound is 110: 2,000 * 110 and a thousandth of it.
    venue.gives(auction_market(CAT, Side::Buy, 2_000), &["new #5 buy 2000@0 hold 220220", "terms #5"]);
    venue.gives(auction_market(CAT, Side::Sell, 500), &["new #6 sell 500@0 hold 500", "terms #6"]);
    venue.status(TradingStatus::Auction, &["status 1 auction requested", "indication 1 104x5500 +1500"]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #5 buy 2000@0 hold 165165 leaves 1500: 500@104 fee 52 auction with #6 (1)",
            "trade #6 sell 500@0 hold 0 leaves 0: 500@104 fee 52 auction with #5 (1)",
            "trade #5 buy 2000@0 hold 0 leaves 0: 1500@104 fee 156 auction with #4 (2)",
            "trade #4 sell 3000@102 hold 1500 leaves 1500: 1500@104 fee 156 auction with #5 (2)",
            "trade #2 buy 1000@106 hold 0 leaves 0: 1000@104 fee 104 auction with #4 (3)",
            "trade #4 sell 3000@102 hold 500 leaves 500: 1000@104 fee 104 auction with #2 (3)",
            "trade #1 buy 4000@104 hold 364364 leaves 3500: 500@104 fee 52 auction with #4 (4)",
            "trade #4 sell 3000@102 hold 0 leaves 0: 500@104 fee 52 auction with #1 (4)",
            "trade #1 buy 4000@104 hold 156156 leaves 1500: 2000@104 fee 208 auction with #3 (5)",
            "trade #3 sell 2000@103 hold 0 leaves 0: 2000@104 fee 208 auction with #1 (5)",
            "ended 1 104x5500",
            "status 1 open requested",
        ],
    );
    assert_eq!(venue.engine.instrument(ONE).expect("listed").last_price, PriceTicks(104));
    let balance = |account| venue.engine.balance(account, USD).expect("there");
    assert_eq!(balance(ANN).held, 156_156);
    assert_eq!(balance(CAT).held, 0);
    assert_eq!(balance(AccountId(1)).total, 2 * (52 + 156 + 104 + 52 + 208));
    // The price is the static reference now: 10 % above it is 114.
    venue.gives(limit(ANN, Side::Buy, 1, 115), &["rejected price_outside_bands"]);
    venue.gives(limit(ANN, Side::Buy, 1, 114).post_only(), &["new #7 buy 1@114 hold 115"]);
    venue.done();
}

#[test]
fn one_account_may_trade_with_itself_in_an_auction() {
    let mut venue = Venue::new();
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    let mut order = limit(ANN, Side::Buy, 2, 10);
    order.0.self_trade_prevention = SelfTradePrevention::ExpireBoth;
    venue.apply(order.clone().into());
    order.0.side = Side::Sell;
    venue.gives(order, &["new #2 sell 2@10 hold 2", "indication 1 10x2 +0"]);
    let before = venue.engine.balance(ANN, USD).expect("there").total;
    venue.status(
        TradingStatus::PostOnly,
        &[
            "trade #1 buy 2@10 hold 0 leaves 0: 2@10 fee 0 auction with #2 (1)",
            "trade #2 sell 2@10 hold 0 leaves 0: 2@10 fee 0 auction with #1 (1)",
            "ended 1 10x2",
            "status 1 post_only requested",
        ],
    );
    assert_eq!(venue.engine.balance(ANN, USD).expect("there").total, before);
    venue.done();
}

#[test]
fn a_crossed_book_that_a_halt_has_frozen_is_uncrossed_when_it_opens() {
    let mut venue = Venue::new();
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.book(&[(ANN, Side::Buy, 2, 10), (BOB, Side::Sell, 2, 8)]);
    venue.status(TradingStatus::Halted, &["status 1 halted requested"]);
    venue.status(TradingStatus::CancelOnly, &["status 1 cancel_only requested"]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #1 buy 2@10 hold 0 leaves 0: 2@10 fee 0 auction with #2 (1)",
            "trade #2 sell 2@8 hold 0 leaves 0: 2@10 fee 0 auction with #1 (1)",
            "ended 1 10x2",
            "status 1 open requested",
        ],
    );
    // Nothing to uncross, and no auction before: nothing is told of it.
    venue.status(TradingStatus::Halted, &["status 1 halted requested"]);
    venue.status(TradingStatus::Open, &["status 1 open requested"]);
    venue.done();
}

#[test]
fn auction_only_orders_end_with_the_auction() {
    let mut venue = Venue::new();
    venue.bands(STATIC);
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.gives(limit(ANN, Side::Buy, 5, 99).auction_only(), &["new #1 buy 5@99 hold 495", "terms #1"]);
    venue.gives(auction_market(BOB, Side::Buy, 7), &["new #2 buy 7@0 hold 770", "terms #2", "indication 1 0x0 +7"]);
    venue.gives(limit(CAT, Side::Sell, 8, 98), &["new #3 sell 8@98 hold 8", "indication 1 99x8 +4"]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #2 buy 7@0 hold 0 leaves 0: 7@99 fee 0 auction with #3 (1)",
            "trade #3 sell 8@98 hold 1 leaves 1: 7@99 fee 0 auction with #2 (1)",
            "trade #1 buy 5@99 hold 396 leaves 4: 1@99 fee 0 auction with #3 (2)",
            "trade #3 sell 8@98 hold 0 leaves 0: 1@99 fee 0 auction with #1 (2)",
            "ended 1 99x8",
            "canceled #1 auction_ended of 5",
            "status 1 open requested",
        ],
    );
    venue.done();
}

#[test]
fn a_market_buy_for_an_auction_needs_a_bound_and_its_money() {
    let mut venue = Venue::new();
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.gives(auction_market(ANN, Side::Buy, 1), &["rejected no_reference_price"]);
    venue.bands(SetPriceBands { static_up_bps: 1_000, ..BANDS });
    venue.gives(auction_market(ANN, Side::Buy, 1), &["rejected no_reference_price"]);
    venue.bands(SetPriceBands { static_up_bps: 0, ..STATIC });
    venue.gives(auction_market(ANN, Side::Buy, 1), &["rejected no_reference_price"]);
    venue.bands(SetPriceBands { static_up_bps: 2_000, ..STATIC });
    venue.gives(auction_market(ANN, Side::Buy, MAX_TICKS_OR_LOTS), &["rejected insufficient_funds"]);
    venue.bands(STATIC);
    venue.gives(auction_market(ANN, Side::Buy, 2), &["new #1 buy 2@0 hold 220", "terms #1", "indication 1 0x0 +2"]);
    // The bound that it was entered with holds for the auction, whatever the bands become.
    venue.bands(SetPriceBands { reference: PriceTicks(200), ..STATIC });
    venue.gives(limit(BOB, Side::Sell, 2, 180), &["new #2 sell 2@180 hold 2"]);
    venue.gives(limit(BOB, Side::Sell, 1, 205), &["new #3 sell 1@205 hold 1"]);
    venue.status(TradingStatus::Open, &["ended 1 0x0", "canceled #1 auction_ended of 2", "status 1 open requested"]);
    venue.done();
}

#[test]
fn only_market_orders_trade_at_the_reference() {
    let mut venue = Venue::new();
    venue.bands(STATIC);
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.apply(auction_market(ANN, Side::Buy, 2).into());
    venue.gives(auction_market(BOB, Side::Sell, 3), &["new #2 sell 3@0 hold 3", "terms #2", "indication 1 100x2 -1"]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #1 buy 2@0 hold 0 leaves 0: 2@100 fee 0 auction with #2 (1)",
            "trade #2 sell 3@0 hold 1 leaves 1: 2@100 fee 0 auction with #1 (1)",
            "ended 1 100x2",
            "canceled #2 auction_ended of 3",
            "status 1 open requested",
        ],
    );
    venue.done();
}

#[test]
fn conditional_orders_trigger_when_the_auction_has_opened() {
    let mut venue = Venue::new();
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.apply(market(CAT, Side::Buy, 1).of(OrderType::Stop).trigger(10).into());
    venue.book(&[(ANN, Side::Buy, 2, 10), (BOB, Side::Sell, 2, 10), (BOB, Side::Sell, 2, 12)]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #2 buy 2@10 hold 0 leaves 0: 2@10 fee 0 auction with #3 (1)",
            "trade #3 sell 2@10 hold 0 leaves 0: 2@10 fee 0 auction with #2 (1)",
            "ended 1 10x2",
            "status 1 open requested",
            "triggered #1 buy 1@0 hold 0",
            "terms #1",
            "trade #1 buy 1@0 hold 0 leaves 0: 1@12 fee 0 taker with #4 (2)",
            "trade #4 sell 2@12 hold 1 leaves 1: 1@12 fee 0 maker with #1 (2)",
        ],
    );
    venue.done();
}
