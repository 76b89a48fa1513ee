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
        Command::MassCancel(MassCancel {
            account_id: AccountId::NONE,
            instrument_id: ONE,
            side: Some(Side::Sell),
            reason: MassCancelReason::Requested,
        }),
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
        Command::MassCancel(MassCancel {
            account_id: CAT,
            instrument_id: ONE,
            side: None,
            reason: MassCancelReason::Requested,
        }),
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
    venue.gives(auction_market(BOB, Side::Buy, 7), &["new #2 buy 7@0 hold 770", "terms #2"]);
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
    venue.gives(auction_market(ANN, Side::Buy, 2), &["new #1 buy 2@0 hold 220", "terms #1"]);
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

/// A list of ANN's orders.
fn list(contingency: Contingency, orders: impl IntoIterator<Item = Order>) -> Command {
    let orders = orders.into_iter().map(Order::build).collect();
    Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
}

#[test]
fn an_uncrossing_fills_orders_of_lists_and_what_waits_for_them_is_released_when_it_is_open() {
    let mut venue = Venue::new();
    let stop = |side, price| market(ANN, side, 2).of(OrderType::Stop).trigger(price);
    venue.apply(list(Contingency::Oco, [limit(ANN, Side::Sell, 2, 110), stop(Side::Sell, 80)]));
    let orders = [limit(ANN, Side::Buy, 3, 90), limit(ANN, Side::Sell, 3, 95), stop(Side::Sell, 70)];
    venue.apply(list(Contingency::Otoco, orders));
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    venue.gives(limit(BOB, Side::Buy, 1, 110), &["new #6 buy 1@110 hold 110", "indication 1 110x1 -1"]);
    venue.gives(limit(CAT, Side::Sell, 4, 90), &["new #7 sell 4@90 hold 4", "indication 1 90x4 +0"]);
    venue.status(
        TradingStatus::Open,
        &[
            "trade #6 buy 1@110 hold 0 leaves 0: 1@90 fee 0 auction with #7 (1)",
            "trade #7 sell 4@90 hold 3 leaves 3: 1@90 fee 0 auction with #6 (1)",
            "trade #3 buy 3@90 hold 0 leaves 0: 3@90 fee 0 auction with #7 (2)",
            "trade #7 sell 4@90 hold 0 leaves 0: 3@90 fee 0 auction with #3 (2)",
            "ended 1 90x4",
            "status 1 open requested",
            "restated #4 sell 3@95 hold 3",
            "terms #4",
            "restated #5 sell 2@0 hold 2",
            "terms #5 waits",
        ],
    );
    // What both lists hold is the larger of two, twice.
    assert_eq!(venue.engine.balance(ANN, BTC).expect("there").held, 5);
    // A part of an OCO order trades in an uncrossing: its report, its counterpart's, then the end of the other one.
    venue.status(TradingStatus::PreOpen, &["status 1 pre_open requested"]);
    venue.book(&[(BOB, Side::Buy, 4, 110)]);
    venue.status(
        TradingStatus::PostOnly,
        &[
            "trade #8 buy 4@110 hold 110 leaves 1: 3@110 fee 0 auction with #4 (3)",
            "trade #4 sell 3@95 hold 0 leaves 0: 3@110 fee 0 auction with #8 (3)",
            "canceled #5 order_list of 2",
            "list 2 all_done",
            "trade #8 buy 4@110 hold 0 leaves 0: 1@110 fee 0 auction with #1 (4)",
            "trade #1 sell 2@110 hold 1 leaves 1: 1@110 fee 0 auction with #8 (4)",
            "canceled #2 order_list of 2",
            "ended 1 110x4",
            "status 1 post_only requested",
        ],
    );
    assert_eq!(venue.engine.balance(ANN, BTC).expect("there").held, 1);
    venue.apply(cancel(ANN, 1));
    venue.done();
}

#[test]
fn what_is_released_where_a_new_order_would_be_refused_is_canceled() {
    let mut venue = Venue::new();
    let lists = [
        // An IOC order holds nothing, before its release or after it.
        [limit(ANN, Side::Buy, 1, 90), limit(ANN, Side::Sell, 1, 95).lives(TimeInForce::Ioc)],
        [limit(ANN, Side::Buy, 1, 90), limit(ANN, Side::Sell, 1, 95).post_only()],
    ];
    for orders in lists {
        venue.apply(list(Contingency::Oto, orders));
    }
    venue.apply(set_status(ONE, TradingStatus::Auction, 0));
    venue.book(&[(BOB, Side::Sell, 2, 90)]);
    venue.status(
        TradingStatus::PostOnly,
        &[
            "trade #1 buy 1@90 hold 0 leaves 0: 1@90 fee 0 auction with #5 (1)",
            "trade #5 sell 2@90 hold 1 leaves 1: 1@90 fee 0 auction with #1 (1)",
            "trade #3 buy 1@90 hold 0 leaves 0: 1@90 fee 0 auction with #5 (2)",
            "trade #5 sell 2@90 hold 0 leaves 0: 1@90 fee 0 auction with #3 (2)",
            "ended 1 90x2",
            "status 1 post_only requested",
            "restated #2 sell 1@95 hold 0",
            "terms #2",
            "canceled #2 refused of 1",
            "list 1 all_done",
            "restated #4 sell 1@95 hold 1",
            "terms #4",
        ],
    );
    venue.apply(cancel(ANN, 4));
    assert_eq!(venue.engine.balance(ANN, BTC).expect("there").held, 0);
    venue.done();
}

#[test]
fn when_the_order_that_waits_ends_the_other_of_its_pair_leaves_the_book() {
    let mut venue = Venue::new();
    let pair = || [limit(ANN, Side::Sell, 2, 110), market(ANN, Side::Sell, 2).of(OrderType::Stop).trigger(80)];
    venue.apply(list(Contingency::Oco, pair()));
    venue.gives(cancel(ANN, 2), &["canceled #2 requested of 2", "canceled #1 order_list of 2", "list 1 all_done"]);
    venue.apply(list(Contingency::Oco, pair()));
    venue.book(&[(BOB, Side::Buy, 1, 80)]);
    venue.gives(
        limit(CAT, Side::Sell, 1, 80),
        &[
            "new #6 sell 1@80 hold 1",
            "trade #6 sell 1@80 hold 0 leaves 0: 1@80 fee 0 taker with #5 (1)",
            "trade #5 buy 1@80 hold 0 leaves 0: 1@80 fee 0 maker with #6 (1)",
            "triggered #4 sell 2@0 hold 2",
            "terms #4",
            "canceled #3 order_list of 2",
            "canceled #4 no_liquidity of 2",
            "list 2 all_done",
        ],
    );
    assert_eq!(venue.engine.best_price(ONE, Side::Sell), None);
    venue.done();
}

// --- 12 price bands and circuit breakers ----------------------------------------------------------------------------

#[test]
fn a_limit_outside_the_static_band_is_refused_where_it_would_be_canceled() {
    let mut venue = Venue::new();
    // From 67.5 to 82.5, inwards: 68 to 82.
    let bands = SetPriceBands { reference: PriceTicks(75), ..STATIC };
    venue.bands(SetPriceBands { reference: PriceTicks(0), ..STATIC });
    venue.gives(limit(ANN, Side::Buy, 1, 1_000), &["new #1 buy 1@1000 hold 1000"]);
    venue.apply(cancel(ANN, 1));
    venue.bands(bands);
    let refused: &[&str] = &["rejected price_outside_bands"];
    for price in [1, 67, 83, MAX_TICKS_OR_LOTS] {
        venue.gives(limit(ANN, Side::Buy, 1, price), refused);
        venue.gives(limit(ANN, Side::Sell, 1, price).lives(TimeInForce::Ioc), refused);
        venue.gives(limit(ANN, Side::Sell, 1, price).of(OrderType::StopLimit).trigger(5), refused);
    }
    venue.gives(limit(ANN, Side::Buy, 1, 68), &["new #2 buy 1@68 hold 68"]);
    venue.gives(limit(ANN, Side::Sell, 1, 82), &["new #3 sell 1@82 hold 1"]);
    venue.gives(replace(ANN, 3, 0, 83), refused);
    venue.bands(SetPriceBands { reference: PriceTicks(90), ..bands });
    venue.gives(replace(ANN, 2, 2, 0), refused);
    venue.bands(SetPriceBands { action: BandAction::Auction, ..bands });
    venue.gives(replace(ANN, 3, 0, 83), &["replaced #3 sell 1@83 hold 1"]);
    venue.done();
}

#[test]
fn what_would_trade_beyond_a_band_is_canceled() {
    let mut venue = Venue::new();
    venue.book(&[(BOB, Side::Sell, 1, 100)]);
    venue.apply(limit(ANN, Side::Buy, 1, 100).into());
    venue.bands(SetPriceBands { dynamic_bps: 500, ..BANDS });
    venue.book(&[(BOB, Side::Sell, 2, 104), (BOB, Side::Sell, 2, 105), (BOB, Side::Sell, 2, 106)]);
    // 105 is the last one within the band as it stood when the execution began.
    venue.gives(
        limit(ANN, Side::Buy, 9, 120),
        &[
            "new #6 buy 9@120 hold 1080",
            "trade #6 buy 9@120 hold 840 leaves 7: 2@104 fee 0 taker with #3 (2)",
            "trade #3 sell 2@104 hold 0 leaves 0: 2@104 fee 0 maker with #6 (2)",
            "trade #6 buy 9@120 hold 600 leaves 5: 2@105 fee 0 taker with #4 (3)",
            "trade #4 sell 2@105 hold 0 leaves 0: 2@105 fee 0 maker with #6 (3)",
            "canceled #6 price_band of 9",
        ],
    );
    // FOK and what a market buy costs are found within the band: up to 110 now.
    venue.book(&[(BOB, Side::Sell, 2, 111)]);
    venue.gives(
        limit(ANN, Side::Buy, 3, 120).lives(TimeInForce::Fok),
        &["new #8 buy 3@120 hold 0", "canceled #8 fill_or_kill of 3"],
    );
    venue.gives(
        market(ANN, Side::Buy, 3).lives(TimeInForce::Fok),
        &["new #9 buy 3@0 hold 0", "canceled #9 fill_or_kill of 3"],
    );
    venue.gives(
        market(ANN, Side::Buy, 3),
        &[
            "new #10 buy 3@0 hold 0",
            "trade #10 buy 3@0 hold 0 leaves 1: 2@106 fee 0 taker with #5 (4)",
            "trade #5 sell 2@106 hold 0 leaves 0: 2@106 fee 0 maker with #10 (4)",
            "canceled #10 price_band of 3",
        ],
    );
    // An order whose own limit stops it rests as ever.
    venue.gives(limit(ANN, Side::Buy, 1, 110), &["new #11 buy 1@110 hold 110"]);
    venue.done();
}

#[test]
fn nothing_trades_while_the_best_price_is_beyond_the_other_end_of_a_band() {
    let mut venue = Venue::new();
    venue.book(&[(BOB, Side::Sell, 5, 95)]);
    venue.bands(SetPriceBands { static_down_bps: 200, ..STATIC });
    venue.gives(limit(ANN, Side::Buy, 1, 99), &["new #2 buy 1@99 hold 99", "canceled #2 price_band of 1"]);
    venue.bands(SetPriceBands { static_down_bps: 200, action: BandAction::Auction, ..STATIC });
    venue.gives(
        limit(ANN, Side::Buy, 1, 99),
        &["new #3 buy 1@99 hold 99", "status 1 auction price_band until 60000000000", "indication 1 98x1 -4"],
    );
    venue.done();
}

#[test]
fn an_order_beyond_a_band_begins_a_volatility_auction() {
    let mut venue = Venue::new();
    venue.book(&[
        (BOB, Side::Sell, 2, 105),
        (BOB, Side::Sell, 2, 112),
        (CAT, Side::Buy, 1, 95),
        (CAT, Side::Buy, 1, 85),
    ]);
    venue.bands(SetPriceBands { action: BandAction::Auction, ..STATIC });
    venue.now = 5;
    let end = 5 + 60 * SECOND;
    // What can rest stays, and is in the auction; 112 is beyond the band there too.
    venue.gives(
        limit(ANN, Side::Buy, 5, 115),
        &[
            "new #5 buy 5@115 hold 575",
            "trade #5 buy 5@115 hold 345 leaves 3: 2@105 fee 0 taker with #1 (1)",
            "trade #1 sell 2@105 hold 0 leaves 0: 2@105 fee 0 maker with #5 (1)",
            &format!("status 1 auction price_band until {end}"),
        ],
    );
    venue.gives(limit(BOB, Side::Sell, 1, 109), &["new #6 sell 1@109 hold 1", "indication 1 110x1 +2"]);
    venue.at(
        end,
        &[
            "trade #5 buy 5@115 hold 230 leaves 2: 1@110 fee 0 auction with #6 (2)",
            "trade #6 sell 1@109 hold 0 leaves 0: 1@110 fee 0 auction with #5 (2)",
            "ended 1 110x1",
            "status 1 open auction_end",
            "advanced 1",
        ],
    );
    // Around 110 now: down to 99. What cannot rest is canceled.
    venue.apply(Command::MassCancel(MassCancel {
        account_id: ANN,
        instrument_id: ONE,
        side: None,
        reason: MassCancelReason::Requested,
    }));
    let end = end + 60 * SECOND;
    venue.gives(
        market(ANN, Side::Sell, 3),
        &["new #7 sell 3@0 hold 0", "canceled #7 price_band of 3", &format!("status 1 auction price_band until {end}")],
    );
    venue.done();
}

#[test]
fn the_collar_cancels_and_never_begins_an_auction() {
    let mut venue = Venue::new();
    venue.book(&[
        (BOB, Side::Sell, 1, 100),
        (BOB, Side::Sell, 1, 102),
        (BOB, Side::Sell, 1, 103),
        (BOB, Side::Sell, 1, 120),
    ]);
    venue.bands(SetPriceBands { collar_bps: 250, action: BandAction::Auction, ..STATIC });
    venue.gives(
        market(ANN, Side::Buy, 5),
        &[
            "new #5 buy 5@0 hold 0",
            "trade #5 buy 5@0 hold 0 leaves 4: 1@100 fee 0 taker with #1 (1)",
            "trade #1 sell 1@100 hold 0 leaves 0: 1@100 fee 0 maker with #5 (1)",
            "trade #5 buy 5@0 hold 0 leaves 3: 1@102 fee 0 taker with #2 (2)",
            "trade #2 sell 1@102 hold 0 leaves 0: 1@102 fee 0 maker with #5 (2)",
            "canceled #5 price_band of 5",
        ],
    );
    // By quote: what it cannot afford is no matter of the collar.
    venue.gives(
        market(ANN, Side::Buy, 0).by_quote(104),
        &[
            "new #6 buy 0@0 hold 0",
            "trade #6 buy 0@0 hold 0 leaves 0: 1@103 fee 0 taker with #3 (3)",
            "trade #3 sell 1@103 hold 0 leaves 0: 1@103 fee 0 maker with #6 (3)",
            "canceled #6 no_liquidity of 0",
        ],
    );
    // A limit order has no collar, and 120 is beyond the static band.
    venue.gives(limit(ANN, Side::Buy, 1, 119), &["new #7 buy 1@119 hold 119"]);
    venue.gives(
        limit(ANN, Side::Buy, 1, 120).lives(TimeInForce::Ioc),
        &["new #8 buy 1@120 hold 0", "canceled #8 price_band of 1", "status 1 auction price_band until 60000000000"],
    );
    venue.done();
}

#[test]
fn a_triggered_order_meets_the_bands_of_its_time() {
    let mut venue = Venue::new();
    venue.book(&[(BOB, Side::Sell, 1, 100), (BOB, Side::Sell, 1, 108), (BOB, Side::Sell, 5, 112)]);
    venue.apply(limit(ANN, Side::Buy, 1, 130).of(OrderType::StopLimit).trigger(105).into());
    venue.apply(market(ANN, Side::Buy, 9).of(OrderType::Stop).trigger(105).into());
    venue.apply(limit(ANN, Side::Buy, 2, 111).of(OrderType::StopLimit).trigger(105).into());
    venue.bands(SetPriceBands { action: BandAction::Auction, auction_ns: 1_000_000, ..STATIC });
    venue.apply(set_status(ONE, TradingStatus::Open, 0));
    // #4 begins an auction, and rests in it; #5 and #6 have triggered too, and find it.
    venue.gives(
        limit(CAT, Side::Buy, 2, 108),
        &[
            "new #7 buy 2@108 hold 216",
            "trade #7 buy 2@108 hold 108 leaves 1: 1@100 fee 0 taker with #1 (1)",
            "trade #1 sell 1@100 hold 0 leaves 0: 1@100 fee 0 maker with #7 (1)",
            "trade #7 buy 2@108 hold 0 leaves 0: 1@108 fee 0 taker with #2 (2)",
            "trade #2 sell 1@108 hold 0 leaves 0: 1@108 fee 0 maker with #7 (2)",
            "triggered #4 buy 1@130 hold 130",
            "terms #4",
            "status 1 auction price_band until 1000000",
            "triggered #5 buy 9@0 hold 0",
            "terms #5",
            "canceled #5 refused of 9",
            "triggered #6 buy 2@111 hold 222",
            "terms #6",
        ],
    );
    venue.apply(Command::MassCancel(MassCancel {
        account_id: AccountId::NONE,
        instrument_id: ONE,
        side: None,
        reason: MassCancelReason::Requested,
    }));
    venue.at(1_000_000, &["ended 1 0x0", "status 1 open auction_end", "advanced 1"]);
    // With `cancel`, a limit that a new order could not have is canceled when it triggers.
    venue.bands(SetPriceBands { static_up_bps: 0, static_down_bps: 0, ..STATIC });
    venue.apply(limit(ANN, Side::Buy, 1, 130).of(OrderType::StopLimit).trigger(120).into());
    venue.bands(STATIC);
    venue.gives(
        Command::SetMarkPrice(SetMarkPrice { instrument_id: ONE, price: PriceTicks(130) }),
        &["MarkPriceSet(MarkPriceSet { instrument_id: InstrumentId(1), price: PriceTicks(130) })"],
    );
    venue.apply(cancel(ANN, 8));
    venue.bands(SetPriceBands { static_up_bps: 0, static_down_bps: 0, ..STATIC });
    venue.apply(limit(ANN, Side::Buy, 1, 130).of(OrderType::StopLimit).trigger(109).into());
    venue.bands(STATIC);
    venue.book(&[(BOB, Side::Sell, 1, 109)]);
    venue.gives(
        limit(CAT, Side::Buy, 1, 109),
        &[
            "new #11 buy 1@109 hold 109",
            "trade #11 buy 1@109 hold 0 leaves 0: 1@109 fee 0 taker with #10 (3)",
            "trade #10 sell 1@109 hold 0 leaves 0: 1@109 fee 0 maker with #11 (3)",
            "triggered #9 buy 1@130 hold 130",
            "terms #9",
            "canceled #9 price_band of 1",
        ],
    );
    venue.done();
}

#[test]
fn a_cascade_that_is_too_long_ends_in_an_auction() {
    let mut venue = Venue::new();
    venue.apply(Command::SetFeatures(SetFeatures { instrument_id: ONE, features: feature::ALL, max_triggers: 1 }));
    venue.book(&[(BOB, Side::Sell, 5, 100)]);
    for _ in 0..2 {
        venue.apply(market(ANN, Side::Buy, 1).of(OrderType::Stop).trigger(100).into());
    }
    venue.gives(
        limit(CAT, Side::Buy, 1, 100),
        &[
            "new #4 buy 1@100 hold 100",
            "trade #4 buy 1@100 hold 0 leaves 0: 1@100 fee 0 taker with #1 (1)",
            "trade #1 sell 5@100 hold 4 leaves 4: 1@100 fee 0 maker with #4 (1)",
            "triggered #2 buy 1@0 hold 0",
            "terms #2",
            "trade #2 buy 1@0 hold 0 leaves 0: 1@100 fee 0 taker with #1 (2)",
            "trade #1 sell 5@100 hold 3 leaves 3: 1@100 fee 0 maker with #2 (2)",
            "status 1 auction trigger_cascade until 300000000000",
        ],
    );
    venue.at(
        300 * SECOND,
        &[
            "ended 1 0x0",
            "status 1 open auction_end",
            "triggered #3 buy 1@0 hold 0",
            "terms #3",
            "trade #3 buy 1@0 hold 0 leaves 0: 1@100 fee 0 taker with #1 (3)",
            "trade #1 sell 5@100 hold 2 leaves 2: 1@100 fee 0 maker with #3 (3)",
            "advanced 1",
        ],
    );
    venue.done();
}

#[test]
fn a_best_price_that_stands_at_a_band_for_too_long_pauses_the_instrument() {
    let mut venue = Venue::new();
    venue.bands(SetPriceBands { limit_state_ns: 10, ..STATIC });
    venue.gives(limit(ANN, Side::Buy, 1, 110), &["new #1 buy 1@110 hold 110", "limit 1 buy"]);
    assert_eq!(venue.engine.next_due_ns(), 10);
    venue.now = 5;
    venue.gives(limit(ANN, Side::Buy, 1, 110), &["new #2 buy 1@110 hold 110"]);
    venue.gives(
        Command::MassCancel(MassCancel {
            account_id: ANN,
            instrument_id: ONE,
            side: None,
            reason: MassCancelReason::Requested,
        }),
        &["canceled #1 mass_cancel of 1", "canceled #2 mass_cancel of 1", "mass canceled 2", "limit 1 none"],
    );
    assert_eq!(venue.engine.next_due_ns(), i64::MAX);
    venue.gives(limit(ANN, Side::Sell, 1, 90), &["new #3 sell 1@90 hold 1", "limit 1 sell"]);
    // Another status ends it, and the timer.
    venue.status(TradingStatus::Halted, &["status 1 halted requested", "limit 1 none"]);
    venue.at(20, &["advanced 0"]);
    venue.status(TradingStatus::Open, &["status 1 open requested", "limit 1 sell"]);
    venue.at(30, &[&format!("status 1 auction limit_state until {}", 30 + 60 * SECOND), "limit 1 none", "advanced 1"]);
    venue.gives(cancel(ANN, 3), &["canceled #3 requested of 1"]);
    venue.at(30 + 60 * SECOND, &["ended 1 0x0", "status 1 open auction_end", "advanced 1"]);
    // A reference that moves the band moves the state; a bound that is off has none.
    venue.gives(limit(ANN, Side::Sell, 1, 91), &["new #4 sell 1@91 hold 1"]);
    venue.gives(
        Command::SetPriceBands(SetPriceBands { reference: PriceTicks(101), limit_state_ns: 10, ..STATIC }),
        &["set price_bands", "limit 1 sell"],
    );
    venue.gives(
        Command::SetPriceBands(SetPriceBands { static_down_bps: 0, limit_state_ns: 10, ..STATIC }),
        &["set price_bands", "limit 1 none"],
    );
    venue.done();
}

#[test]
fn bands_are_refused_that_are_out_of_range() {
    let mut venue = Venue::new();
    let set = Command::SetPriceBands;
    venue.gives(set(SetPriceBands { instrument_id: InstrumentId(9), ..BANDS }), &["rejected unknown_instrument"]);
    for reference in [-1, MAX_TICKS_OR_LOTS + 1, i64::MAX, i64::MIN] {
        venue.gives(set(SetPriceBands { reference: PriceTicks(reference), ..BANDS }), &["rejected invalid_price"]);
    }
    for bands in [
        SetPriceBands { static_up_bps: 1_000_001, ..BANDS },
        SetPriceBands { static_down_bps: 10_000, ..BANDS },
        SetPriceBands { dynamic_bps: 10_000, ..BANDS },
        SetPriceBands { collar_bps: u32::MAX, ..BANDS },
        SetPriceBands { auction_ns: 999_999, ..BANDS },
        SetPriceBands { auction_ns: 86_400 * SECOND + 1, ..BANDS },
        SetPriceBands { auction_random_ns: -1, ..BANDS },
        SetPriceBands { auction_random_ns: 3_600 * SECOND + 1, ..BANDS },
        SetPriceBands { limit_state_ns: -1, ..BANDS },
        SetPriceBands { limit_state_ns: 86_400 * SECOND + 1, ..BANDS },
    ] {
        venue.gives(set(bands), &["rejected invalid_price_bands"]);
    }
    // The widest ones around the highest price, and around the lowest.
    let widest = SetPriceBands { static_up_bps: 1_000_000, static_down_bps: 9_999, dynamic_bps: 9_999, ..BANDS };
    venue.bands(SetPriceBands { reference: PriceTicks(MAX_TICKS_OR_LOTS), ..widest });
    venue.gives(limit(ANN, Side::Buy, 1, MAX_TICKS_OR_LOTS), &["new #1 buy 1@9007199254740991 hold 9007199254740991"]);
    venue.bands(SetPriceBands { reference: PriceTicks(1), ..widest });
    venue.gives(limit(ANN, Side::Buy, 1, 101), &["new #2 buy 1@101 hold 101"]);
    venue.gives(limit(ANN, Side::Buy, 1, 102), &["rejected price_outside_bands"]);
    venue.done();
}

// --- schedules and random ends --------------------------------------------------------------------------------------

const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn entry(slot: u8, weekdays: u8, time_of_day_ns: i64, status: TradingStatus) -> SetSchedule {
    SetSchedule { instrument_id: ONE, slot, weekdays, time_of_day_ns, random_ns: 0, status }
}

#[test]
fn a_schedule_sets_the_status_at_its_times() {
    let mut venue = Venue::new();
    let set = Command::SetSchedule;
    venue.now = 9 * HOUR;
    // Time began on a Thursday.
    let (thursday, friday) = (1 << 3, 1 << 4);
    venue.gives(set(entry(0, thursday | friday, 9 * HOUR, TradingStatus::Open)), &["set schedule"]);
    venue.gives(set(entry(15, thursday, 17 * HOUR, TradingStatus::Closed)), &["set schedule"]);
    venue.gives(set(entry(3, thursday, 17 * HOUR, TradingStatus::Halted)), &["set schedule"]);
    assert_eq!(venue.engine.next_due_ns(), 17 * HOUR);
    // One after the other, by slot.
    venue.at(17 * HOUR, &["status 1 halted schedule", "status 1 closed schedule", "advanced 2"]);
    venue.gives(set(entry(3, 0, 0, TradingStatus::Halted)), &["set schedule"]);
    venue.at(DAY + 9 * HOUR, &["status 1 open schedule", "advanced 1"]);
    // What was missed is done once, then the next time is looked for from now on.
    venue.at(22 * DAY, &["status 1 open schedule", "status 1 closed schedule", "advanced 2"]);
    assert_eq!(venue.engine.next_due_ns(), 22 * DAY + 9 * HOUR);
    venue.done();
}

#[test]
fn the_schedule_ends_with_time() {
    let mut venue = Venue::new();
    venue.now = i64::MAX - 1;
    venue.gives(
        Command::SetSchedule(SetSchedule { random_ns: HOUR, ..entry(0, 127, 0, TradingStatus::Auction) }),
        &["set schedule"],
    );
    assert_eq!(venue.engine.next_due_ns(), i64::MAX);
    venue.at(i64::MAX, &["advanced 0"]);
    venue.done();
}

#[test]
fn a_schedule_is_refused_that_is_out_of_range() {
    let mut venue = Venue::new();
    let fine = entry(0, 127, 0, TradingStatus::Open);
    for bad in [
        SetSchedule { slot: 16, ..fine },
        SetSchedule { weekdays: 128, ..fine },
        SetSchedule { time_of_day_ns: DAY, ..fine },
        SetSchedule { time_of_day_ns: -1, ..fine },
        SetSchedule { random_ns: -1, ..fine },
        SetSchedule { random_ns: HOUR + 1, ..fine },
    ] {
        venue.gives(Command::SetSchedule(bad), &["rejected invalid_schedule"]);
    }
    venue.gives(
        Command::SetSchedule(SetSchedule { instrument_id: InstrumentId(0), ..fine }),
        &["rejected unknown_instrument"],
    );
    venue.done();
}

#[test]
fn random_delays_are_drawn_from_the_seed_and_are_part_of_the_state() {
    let mut venue = Venue::new();
    venue.gives(Command::SetRandomSeed(SetRandomSeed { seed: 1_234_567 }), &["set random_seed"]);
    let set = SetSchedule { random_ns: 999, ..entry(0, 127, HOUR, TradingStatus::Auction) };
    venue.gives(Command::SetSchedule(set), &["set schedule"]);
    // SplitMix64 of that seed begins with 6457827717110365317 and 3203168211198807973.
    assert_eq!(venue.engine.next_due_ns(), HOUR + 317);
    venue.at(HOUR + 316, &["advanced 0"]);
    venue.at(HOUR + 317, &["status 1 auction schedule", "advanced 1"]);
    assert_eq!(venue.engine.next_due_ns(), DAY + HOUR + 973);
    // So are those of volatility auctions. The third number is 9817491932198370423.
    venue.status(TradingStatus::Open, &["ended 1 0x0", "status 1 open requested"]);
    venue.bands(SetPriceBands { action: BandAction::Auction, auction_random_ns: 9, ..STATIC });
    venue.book(&[(BOB, Side::Sell, 1, 120)]);
    let end = venue.now + 60 * SECOND + 3;
    venue.gives(
        market(ANN, Side::Buy, 1),
        &["new #2 buy 1@0 hold 0", "canceled #2 price_band of 1", &format!("status 1 auction price_band until {end}")],
    );
    venue.done();
}

#[test]
fn what_is_told_of_an_auction_is_told_once_when_much_is_due_at_one_time() {
    let mut venue = Venue::new();
    venue.status(TradingStatus::Auction, &["status 1 auction requested"]);
    let dated = |account, side, price| {
        limit(account, side, 1, price).lives(TimeInForce::Gtd).with(|terms| terms.expire_time_ns = 50)
    };
    venue.book(&[(ANN, Side::Buy, 1, 10)]);
    venue.apply(dated(BOB, Side::Sell, 9).into());
    venue.gives(dated(CAT, Side::Buy, 11), &["new #3 buy 1@11 hold 11", "terms #3", "indication 1 11x1 +0"]);
    venue.at(50, &["expired #2 expired of 1", "expired #3 expired of 1", "indication 1 0x0 +0", "advanced 2"]);
    venue.done();
}

// --- anything at all ------------------------------------------------------------------------------------------------

/// Numbers from a seed: xorshift64* (S. Vigna, 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end as u64) as i64
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as i64) as usize]
    }
}

fn any_order(random: &mut Random, special: bool) -> Order {
    let account_id = random.of(&[ANN, BOB, CAT]);
    let price = 80 + random.below(40);
    let mut order = limit(account_id, random.of(Side::ALL), 1 + random.below(20), price);
    order.0.instrument_id = random.of(&[ONE, ONE, TWO]);
    order.0.self_trade_prevention = random.of(SelfTradePrevention::ALL);
    order.0.time_in_force = random.of(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Day, TimeInForce::Ioc]);
    order.0.post_only = random.one_in(10);
    if random.one_in(6) {
        order = order.of(OrderType::Market).lives(random.of(&[TimeInForce::Ioc, TimeInForce::Fok]));
        order.0.price = PriceTicks(0);
        if random.one_in(3) {
            order = order.by_quote(1_000);
        }
    }
    if !special {
        return order;
    }
    match random.below(8) {
        0 | 1 => order = order.auction_only(),
        2 => order = auction_market(account_id, order.0.side, 1 + random.below(20)),
        3 => {
            order = order.of(random.of(OrderType::ALL)).trigger(80 + random.below(40));
            if !matches!(order.0.order_type, OrderType::StopLimit | OrderType::TakeProfitLimit | OrderType::Limit) {
                order = order.lives(TimeInForce::Ioc);
                order.0.price = PriceTicks(0);
            }
        }
        4 => order = order.with(|terms| terms.min_quantity = Lots(3)),
        _ => {}
    }
    order
}

fn any_command(random: &mut Random, now: i64, last_order_id: u64, special: bool) -> Command {
    let account_id = random.of(&[ANN, BOB, CAT]);
    let order_id = last_order_id.saturating_sub(random.below(30) as u64);
    let instrument_id = random.of(&[ONE, ONE, TWO]);
    let bps = |random: &mut Random| random.of(&[0, 0, 200, 500, 1_500]);
    match random.below(64) {
        0..=35 => any_order(random, special).into(),
        36..=40 => cancel(account_id, order_id),
        41..=45 => replace(account_id, order_id, random.below(25), random.of(&[0, 85, 95, 100, 105, 115])),
        46 => Command::MassCancel(MassCancel {
            account_id,
            instrument_id: InstrumentId::NONE,
            side: None,
            reason: MassCancelReason::Requested,
        }),
        47..=53 => Command::SetTradingStatus(SetTradingStatus {
            scope: random.of(&[
                InstrumentScope::Instrument(instrument_id),
                InstrumentScope::All,
                InstrumentScope::Group(InstrumentGroupId(1)),
            ]),
            status: random.of(&[
                TradingStatus::Open,
                TradingStatus::Open,
                TradingStatus::Auction,
                TradingStatus::Auction,
                TradingStatus::PreOpen,
                TradingStatus::PostOnly,
                TradingStatus::CancelOnly,
                TradingStatus::Halted,
                TradingStatus::Closed,
            ]),
            reason: StatusReason::Requested,
            end_time_ns: random.of(&[0, 0, now + 30, now - 1]),
        }),
        54..=56 => Command::SetPriceBands(SetPriceBands {
            instrument_id,
            reference: PriceTicks(random.of(&[0, 0, 95, 100, 110])),
            static_up_bps: bps(random),
            static_down_bps: bps(random),
            dynamic_bps: bps(random),
            collar_bps: bps(random),
            action: random.of(BandAction::ALL),
            auction_ns: 1_000_000,
            auction_random_ns: random.of(&[0, 50]),
            limit_state_ns: random.of(&[0, 40]),
        }),
        57 => Command::SetSchedule(SetSchedule {
            instrument_id,
            slot: random.below(17) as u8,
            weekdays: random.below(129) as u8,
            time_of_day_ns: random.below(24) * HOUR,
            random_ns: random.of(&[0, 1_000]),
            status: random.of(TradingStatus::ALL),
        }),
        58 => Command::SetRandomSeed(SetRandomSeed { seed: random.next() }),
        59 => {
            Command::SetInstrumentGroup(SetInstrumentGroup { instrument_id, instrument_group_id: InstrumentGroupId(1) })
        }
        60 if special => {
            let mut orders: Vec<NewOrder> = (0..2 + random.below(2)).map(|_| any_order(random, true).build()).collect();
            let (side, instrument_id) = (orders[0].side, orders[0].instrument_id);
            for order in &mut orders {
                (order.account_id, order.side, order.instrument_id) = (account_id, side, instrument_id);
                order.terms = None;
            }
            let place = orders.len() - 1;
            orders[place] = market(account_id, side, 3).of(OrderType::Stop).trigger(100).build();
            orders[place].instrument_id = instrument_id;
            Command::NewOrderList(Box::new(NewOrderList { contingency: random.of(Contingency::ALL), orders }))
        }
        _ => Command::AdvanceTime,
    }
}

/// Every trade of an auction is at its price, and they are its volume.
fn check_auctions(events: &[Event]) {
    let mut traded: Vec<(InstrumentId, i64, i64)> = Vec::new();
    for event in events {
        match event {
            Event::Execution(it) if it.liquidity == Liquidity::Auction && it.side == Side::Buy => {
                assert!(it.price.0 == 0 || it.price >= it.last_price, "{it:?}");
                traded.push((it.instrument_id, it.last_price.0, it.last_quantity.0));
            }
            Event::Execution(it) if it.liquidity == Liquidity::Auction => assert!(it.price <= it.last_price, "{it:?}"),
            Event::AuctionEnded(it) => {
                let all_there = traded.iter().all(|&(id, price, _)| id == it.instrument_id && price == it.price.0);
                let volume: i64 = traded.drain(..).map(|(_, _, quantity)| quantity).sum();
                assert!(all_there && i128::from(volume) == it.volume, "{it:?}");
            }
            _ => {}
        }
    }
    assert!(traded.is_empty(), "an auction ends after its trades");
}

fn run_anything(seed: u64, steps: u32, special: bool) -> [u32; 4] {
    let mut random = Random(seed);
    let mut venue = Venue::new();
    let mut counts = [0; 4];
    let mut last_order_id = 0;
    for step in 0..steps {
        let hours = if random.one_in(200) { 5 } else { 0 };
        venue.now += random.of(&[0, 0, 0, 10, 40, 400_000]) + hours * HOUR;
        while venue.engine.next_due_ns() <= venue.now {
            check_auctions(&venue.apply(Command::AdvanceTime));
        }
        let command = any_command(&mut random, venue.now, last_order_id, special);
        let restored = (step % 16 == 0).then(|| {
            let mut snapshot = Vec::new();
            venue.engine.snapshot(&mut snapshot);
            Engine::restore(EngineConfig::default(), &snapshot).expect("a snapshot")
        });
        let events = venue.apply(command.clone());
        if let Some(mut restored) = restored {
            let mut again = Vec::new();
            restored.apply(venue.engine.sequence(), venue.now, &command, &mut again);
            assert_eq!(again, events, "a restored engine goes on in the same way: seed {seed}, step {step}");
            assert_eq!(restored.digest(), venue.engine.digest(), "seed {seed}, step {step}");
        }
        check_auctions(&events);
        for event in &events {
            match event {
                Event::Execution(it) => {
                    last_order_id = last_order_id.max(it.order_id.0);
                    counts[0] += u32::from(it.liquidity == Liquidity::Auction);
                    counts[1] += u32::from(it.cancel_reason == CancelReason::PriceBand);
                }
                Event::TradingStatusSet(it) => counts[2] += u32::from(it.reason != StatusReason::Requested),
                Event::LimitStateSet(_) => counts[3] += 1,
                _ => {}
            }
        }
    }
    counts
}

#[test]
fn anything_at_all_keeps_the_invariants() {
    let mut all = [0; 4];
    for seed in 1..=40 {
        println!("seed {seed}");
        for (sum, count) in all.iter_mut().zip(run_anything(seed, 1_500, true)) {
            *sum += count;
        }
    }
    println!("auction trades, price_band cancels, statuses by themselves, limit states: {all:?}");
    assert!(all.iter().all(|&count| count > 100), "{all:?}");
}

#[test]
fn a_restored_engine_goes_on_in_the_same_way() {
    let mut all = [0; 4];
    for seed in 101..=120 {
        println!("seed {seed}");
        for (sum, count) in all.iter_mut().zip(run_anything(seed, 1_500, false)) {
            *sum += count;
        }
    }
    assert!(all.iter().all(|&count| count > 50), "{all:?}");
}
