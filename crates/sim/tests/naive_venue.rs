//! The naive model alone on the rules of the venue (rulebook, sections 10 to 14): published examples as tables, and a
//! worked case for each rule, commands in and the whole event list out.
//!
//! Events are compared as short texts made by [`tell`].

use beurs_engine::command::{
    AddAsset, AdjustTrade, Administer, BustTrade, CancelOrder, Command, Deposit, InstrumentScope, KillScope,
    KillSwitch, ListInstrument, NewOrder, Note, OpenAccount, ReplaceOrder, RiskLimits, RiskScope, SetAccountMode,
    SetFeeCap, SetFeePromotion, SetFeeTier, SetFees, SetInstrumentGroup, SetMarkPrice, SetPriceBands, SetRandomSeed,
    SetRiskLimits, SetSchedule, SetTradingStatus, Terms,
};
use beurs_engine::event::Event;
use beurs_engine::types::{
    AccountId, AccountMode, Amount, AssetId, BandAction, CancelReason, ClientOrderId, ExecType, GroupId,
    InstrumentGroupId, InstrumentId, KeyId, Lots, OrderId, OrderType, PriceTicks, SelfTradePrevention, ShortText, Side,
    StatusReason, Step, TimeInForce, TradeId, TradingStatus,
};
use beurs_sim::naive::Naive;

const VENUE: AccountId = AccountId(1);
const ALICE: AccountId = AccountId(2);
const BOB: AccountId = AccountId(3);
const CAROL: AccountId = AccountId(4);
const ONE: InstrumentId = InstrumentId(1);
const BASE: AssetId = AssetId(1);
const QUOTE: AssetId = AssetId(2);
const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("short printable ASCII")
}

/// An event in a few words. Zeros are left out where they say nothing.
fn tell(event: &Event) -> String {
    match event {
        Event::Execution(r) => {
            let mut out = format!("{} #{}", r.exec_type.as_str(), r.order_id);
            if r.exec_type == ExecType::Trade {
                let (quantity, price) = (r.last_quantity.0, r.last_price.0);
                out += &format!(" {quantity}@{price} with #{} {}", r.counter_order_id, r.liquidity.as_str());
                if r.fee.0 != 0 {
                    out += &format!(" fee {}", r.fee.0);
                }
            }
            if r.cancel_reason != CancelReason::None {
                out += &format!(" {}", r.cancel_reason.as_str());
            }
            if r.leaves_quantity.0 != 0 {
                out += &format!(" leaves {} shown {}", r.leaves_quantity.0, r.displayed_quantity.0);
            }
            if r.hold.0 != 0 {
                out += &format!(" hold {}", r.hold.0);
            }
            out
        }
        Event::Rejected(r) => format!("rejected {}", r.reason.as_str()),
        Event::Posted(p) => format!("posted {} {} {:+} = {}", p.account_id, p.asset_id, p.amount.0, p.total.0),
        Event::TradingStatusSet(s) => {
            let end = if s.end_time_ns == 0 { String::new() } else { format!(" until {}", s.end_time_ns) };
            format!("status {} {} {}{end}", s.instrument_id, s.status.as_str(), s.reason.as_str())
        }
        Event::Terms(t) => format!("terms #{}", t.order_id),
        Event::AuctionIndication(i) => format!("indication {}@{} {:+}", i.volume, i.price.0, i.imbalance),
        Event::AuctionEnded(e) => format!("auction {}@{}", e.volume, e.price.0),
        Event::LimitStateSet(l) => format!("limit state {}", l.side.map_or("none", Side::as_str)),
        Event::TimeAdvanced(t) => format!("advanced {}", t.count),
        Event::MarkPriceSet(m) => format!("mark {}", m.price.0),
        Event::KillSwitchSet(k) => format!("kill switch {} {}", k.engaged, k.count),
        Event::SettingChanged(s) => format!("setting {}", s.setting.as_str()),
        Event::TradeCorrected(t) => {
            format!("corrected {} {}@{} to {}", t.trade_id, t.quantity.0, t.price.0, t.new_price.0)
        }
        Event::Administered(a) => format!("administered {} {}", a.actor, a.reason.as_str()),
        other => format!("{other:?}"),
    }
}

/// A venue with one instrument of whole prices and quantities, whose accounts have money.
struct Venue {
    naive: Naive,
    sequence: u64,
    now: i64,
}

impl Venue {
    fn new() -> Self {
        Self::with_money(1_000_000_000, 1_000_000_000)
    }

    fn with_money(base: i128, quote: i128) -> Self {
        let mut venue = Self { naive: Naive::new(1_000, 1_000), sequence: 0, now: 0 };
        for code in ["BASE", "QUOTE"] {
            venue.run(Command::AddAsset(AddAsset { code: text(code), scale: 0 }));
        }
        for (code, group) in [("alice", 0), ("bob", 1), ("carol", 1)] {
            venue.run(Command::OpenAccount(OpenAccount { code: text(code), group_id: GroupId(group) }));
        }
        for account_id in [ALICE, BOB, CAROL] {
            for (asset_id, amount) in [(BASE, base), (QUOTE, quote)] {
                if amount > 0 {
                    venue.run(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(amount) }));
                }
            }
        }
        venue.list("BASE-QUOTE");
        venue
    }

    fn list(&mut self, symbol: &str) {
        self.run(Command::ListInstrument(ListInstrument {
            symbol: text(symbol),
            base: BASE,
            quote: QUOTE,
            tick_size: Step { mantissa: 1, scale: 0 },
            lot_size: Step { mantissa: 1, scale: 0 },
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000),
            min_notional: Amount(0),
        }));
    }

    fn run(&mut self, command: Command) -> Vec<String> {
        self.sequence += 1;
        let mut events = Vec::new();
        let accepted = self.naive.apply(self.sequence, self.now, &command, &mut events);
        self.naive.check_invariants();
        assert!(accepted || events.len() == 1, "a refused command gives one event");
        events.iter().map(tell).collect()
    }

    /// Runs the command and compares what it says.
    #[track_caller]
    fn says(&mut self, command: Command, expected: &[&str]) {
        assert_eq!(self.run(command.clone()), expected, "of {command:?}");
    }

    fn advance(&mut self, to: i64) -> Vec<String> {
        self.now = to;
        self.run(Command::AdvanceTime)
    }

    fn available(&self, account: AccountId, asset: AssetId) -> i128 {
        self.naive.balance(account, asset).map_or(0, |(total, held)| total - held)
    }
}

fn order(account_id: AccountId, side: Side, price: i64, quantity: i64) -> NewOrder {
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
    }
}

fn buy(account: AccountId, price: i64, quantity: i64) -> Command {
    Command::NewOrder(order(account, Side::Buy, price, quantity))
}

fn sell(account: AccountId, price: i64, quantity: i64) -> Command {
    Command::NewOrder(order(account, Side::Sell, price, quantity))
}

fn market(account: AccountId, side: Side, quantity: i64) -> Command {
    let plain = order(account, side, 0, quantity);
    Command::NewOrder(NewOrder { order_type: OrderType::Market, time_in_force: TimeInForce::Ioc, ..plain })
}

fn auction_only(plain: NewOrder) -> NewOrder {
    NewOrder { terms: Some(Box::new(Terms { auction_only: true, ..Terms::NONE })), ..plain }
}

fn auction_market(account: AccountId, side: Side, quantity: i64) -> Command {
    Command::NewOrder(auction_only(NewOrder { order_type: OrderType::Market, ..order(account, side, 0, quantity) }))
}

fn replace(account_id: AccountId, order_id: u64, price: i64, quantity: i64) -> Command {
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

fn cancel(account_id: AccountId, order_id: u64) -> Command {
    Command::CancelOrder(CancelOrder { account_id, order_id: OrderId(order_id), client_order_id: ClientOrderId::EMPTY })
}

fn status(status: TradingStatus) -> Command {
    status_of(InstrumentScope::Instrument(ONE), status, 0)
}

fn status_of(scope: InstrumentScope, status: TradingStatus, end_time_ns: i64) -> Command {
    Command::SetTradingStatus(SetTradingStatus { scope, status, reason: StatusReason::Requested, end_time_ns })
}

fn no_bands() -> SetPriceBands {
    SetPriceBands {
        instrument_id: ONE,
        reference: PriceTicks(0),
        static_up_bps: 0,
        static_down_bps: 0,
        dynamic_bps: 0,
        collar_bps: 0,
        action: BandAction::Cancel,
        auction_ns: 10 * SECOND,
        auction_random_ns: 0,
        limit_state_ns: 0,
    }
}

fn bands(reference: i64, down: u32, up: u32, action: BandAction) -> Command {
    Command::SetPriceBands(SetPriceBands {
        reference: PriceTicks(reference),
        static_down_bps: down,
        static_up_bps: up,
        action,
        ..no_bands()
    })
}

fn limits(scope: RiskScope, instrument_id: InstrumentId, limits: RiskLimits) -> Command {
    Command::SetRiskLimits(Box::new(SetRiskLimits { scope, instrument_id, limits }))
}

fn fees(group: u16, maker_ppm: i32, taker_ppm: i32) -> Command {
    Command::SetFees(SetFees { instrument_id: ONE, group_id: GroupId(group), maker_ppm, taker_ppm })
}

// Section 10

#[test]
fn statuses_accept_what_the_table_says() {
    use TradingStatus as S;
    // Status; then what it says of: a new order, a post-only one, a replace, a cancel by the owner.
    let table = [
        (S::Open, ["new #3", "new #3", "replaced #1", "canceled #1"]),
        (S::PreOpen, ["new #3", "rejected not_in_auction", "replaced #1", "canceled #1"]),
        (S::Auction, ["new #3", "rejected not_in_auction", "replaced #1", "canceled #1"]),
        (S::PostOnly, ["rejected instrument_post_only", "new #3", "replaced #1", "canceled #1"]),
        (S::CancelOnly, {
            let no = "rejected instrument_cancel_only";
            [no, no, no, "canceled #1"]
        }),
        (S::Halted, ["rejected instrument_halted"; 4]),
        (S::Closed, {
            let no = "rejected instrument_closed";
            [no, no, no, "canceled #1"]
        }),
    ];
    for (of, expected) in table {
        let commands = [
            buy(ALICE, 90, 1),
            Command::NewOrder(NewOrder { post_only: true, ..order(ALICE, Side::Buy, 90, 1) }),
            replace(ALICE, 1, 89, 0),
            cancel(ALICE, 1),
        ];
        for (command, expected) in commands.into_iter().zip(expected) {
            let mut venue = Venue::new();
            venue.run(buy(ALICE, 90, 10));
            venue.run(sell(BOB, 110, 10));
            venue.run(status(of));
            let said = venue.run(command);
            assert!(said[0].starts_with(expected), "{} on {}: {said:?}", expected, of.as_str());
        }
        let mut venue = Venue::new();
        venue.run(buy(ALICE, 90, 10));
        venue.run(status(of));
        let crossing = venue.run(replace(ALICE, 1, 90, 20));
        assert_eq!(crossing[0].starts_with("replaced"), expected[2].starts_with("replaced"));
        assert!(venue.run(cancel(AccountId::NONE, 1))[0].starts_with("canceled"), "the venue may always cancel");
    }
}

#[test]
fn auctions_refuse_what_trades_at_once() {
    let mut venue = Venue::new();
    let only_in_auctions = Command::NewOrder(auction_only(order(ALICE, Side::Buy, 90, 1)));
    venue.says(only_in_auctions.clone(), &["rejected auction_only_not_allowed"]);
    venue.says(status(TradingStatus::Auction), &["status 1 auction requested"]);
    for time_in_force in [TimeInForce::Ioc, TimeInForce::Fok] {
        let at_once = NewOrder { time_in_force, ..order(ALICE, Side::Buy, 90, 1) };
        venue.says(Command::NewOrder(at_once), &["rejected not_in_auction"]);
    }
    venue.says(market(ALICE, Side::Buy, 1), &["rejected not_in_auction"]);
    venue.says(only_in_auctions, &["new #1 leaves 1 shown 0 hold 90", "terms #1"]);
    let named = Command::NewOrder(NewOrder {
        time_in_force: TimeInForce::Day,
        post_only: true,
        ..auction_only(order(ALICE, Side::Buy, 90, 1))
    });
    venue.says(named, &["rejected not_in_auction"]);
    let fleeting = NewOrder { order_type: OrderType::Market, ..order(ALICE, Side::Buy, 0, 1) };
    venue.says(Command::NewOrder(fleeting), &["rejected invalid_time_in_force"]);
}

#[test]
fn closing_ends_auction_only_and_day_orders() {
    let mut venue = Venue::new();
    let day =
        |price| Command::NewOrder(NewOrder { time_in_force: TimeInForce::Day, ..order(ALICE, Side::Buy, price, 1) });
    venue.run(day(80));
    venue.run(buy(ALICE, 85, 1));
    venue.run(day(90));
    venue.run(status(TradingStatus::PreOpen));
    venue.run(Command::NewOrder(auction_only(order(BOB, Side::Sell, 100, 1))));
    venue.says(
        status(TradingStatus::Closed),
        &["canceled #4 auction_ended", "status 1 closed requested", "expired #1 end_of_day", "expired #3 end_of_day"],
    );
    assert_eq!(venue.naive.open_order_count(), 1);
}

#[test]
fn status_scopes_and_end_times() {
    let mut venue = Venue::new();
    venue.list("SECOND");
    venue.list("THIRD");
    let group = |instrument, group| {
        Command::SetInstrumentGroup(SetInstrumentGroup {
            instrument_id: InstrumentId(instrument),
            instrument_group_id: InstrumentGroupId(group),
        })
    };
    venue.says(group(1, 7), &["setting instrument_group"]);
    venue.says(group(3, 7), &["setting instrument_group"]);
    venue.says(group(4, 7), &["rejected unknown_instrument"]);
    let seven = InstrumentScope::Group(InstrumentGroupId(7));
    venue.says(status_of(seven, TradingStatus::Halted, 0), &["status 1 halted requested", "status 3 halted requested"]);
    venue.says(
        status_of(InstrumentScope::All, TradingStatus::Open, 0),
        &["status 1 open requested", "status 2 open requested", "status 3 open requested"],
    );
    let nobody = InstrumentScope::Group(InstrumentGroupId(8));
    venue.says(status_of(nobody, TradingStatus::Open, 0), &["rejected unknown_instrument"]);
    venue.now = 100;
    venue.says(status_of(InstrumentScope::All, TradingStatus::Open, 101), &["rejected invalid_end_time"]);
    venue.says(status_of(seven, TradingStatus::Auction, 100), &["rejected invalid_end_time"]);
    venue.says(
        status_of(seven, TradingStatus::Auction, 101),
        &["status 1 auction requested until 101", "status 3 auction requested until 101"],
    );
    assert_eq!(venue.advance(100), ["advanced 0"]);
    assert_eq!(
        venue.advance(101),
        ["auction 0@0", "status 1 open auction_end", "auction 0@0", "status 3 open auction_end", "advanced 2"]
    );
}

/// 1970-01-01 was a Thursday.
#[test]
fn schedule_fires_on_its_days() {
    let entry = |slot, weekdays, time_of_day_ns, status| {
        Command::SetSchedule(SetSchedule { instrument_id: ONE, slot, weekdays, time_of_day_ns, random_ns: 0, status })
    };
    let mut venue = Venue::new();
    venue.now = 9 * HOUR;
    let (thursday, monday) = (8, 1);
    venue.says(entry(0, thursday, 9 * HOUR, TradingStatus::PreOpen), &["setting schedule"]);
    venue.says(entry(1, thursday | monday, 10 * HOUR, TradingStatus::Open), &["setting schedule"]);
    venue.says(entry(2, 127, 11 * HOUR, TradingStatus::Closed), &["setting schedule"]);
    venue.says(entry(2, 0, 0, TradingStatus::Closed), &["setting schedule"]);
    venue.says(entry(16, 1, 0, TradingStatus::Open), &["rejected invalid_schedule"]);
    venue.says(entry(1, 1, DAY, TradingStatus::Open), &["rejected invalid_schedule"]);
    venue.says(entry(1, 128, 0, TradingStatus::Open), &["rejected invalid_schedule"]);

    assert_eq!(venue.advance(10 * HOUR - 1), ["advanced 0"]);
    assert_eq!(venue.advance(10 * HOUR), ["status 1 open schedule", "advanced 1"]);
    assert_eq!(venue.advance(4 * DAY + 10 * HOUR - 1), ["advanced 0"]);
    assert_eq!(venue.advance(4 * DAY + 10 * HOUR), ["status 1 open schedule", "advanced 1"]);
    // Weeks later each entry fires once, in the order of what was due first.
    assert_eq!(
        venue.advance(70 * DAY),
        ["status 1 pre_open schedule", "auction 0@0", "status 1 open schedule", "advanced 2"]
    );
}

/// The first number of SplitMix64 from seed 0 is 0xe220a8397b1dcdaf, the second 0x6e789e6aa1b965f4.
#[test]
fn random_delays_are_drawn_from_the_seed() {
    let mut venue = Venue::new();
    venue.says(Command::SetRandomSeed(SetRandomSeed { seed: 0 }), &["setting random_seed"]);
    let random_ns = 999_999_999;
    let entry = |random_ns| SetSchedule {
        instrument_id: ONE,
        slot: 15,
        weekdays: 127,
        time_of_day_ns: HOUR,
        random_ns,
        status: TradingStatus::Halted,
    };
    venue.says(Command::SetSchedule(entry(HOUR + 1)), &["rejected invalid_schedule"]);
    venue.says(Command::SetSchedule(entry(random_ns)), &["setting schedule"]);
    let first = HOUR + (0xe220_a839_7b1d_cdaf_u64 % 1_000_000_000) as i64;
    assert_eq!(venue.advance(first - 1), ["advanced 0"]);
    assert_eq!(venue.advance(first), ["status 1 halted schedule", "advanced 1"]);
    let second = DAY + HOUR + (0x6e78_9e6a_a1b9_65f4_u64 % 1_000_000_000) as i64;
    assert_eq!(venue.advance(second - 1), ["advanced 0"]);
    assert_eq!(venue.advance(second), ["status 1 halted schedule", "advanced 1"]);
}

// Section 11

/// One published example: id, reference (0 for none), buys and sells as (limit or 0 for market, quantity), and the price,
/// volume and imbalance that come of it (an imbalance where it was published).
type AuctionCase = (&'static str, i64, &'static [(i64, i64)], &'static [(i64, i64)], (i64, i64, Option<i64>));

const AUCTIONS: &[AuctionCase] = &[
    ("bnb-1", 0, &[(100, 150), (98, 150)], &[(98, 250), (97, 50)], (98, 300, Some(0))),
    ("bnb-2", 0, &[(100, 150), (99, 50), (97, 300)], &[(97, 200), (96, 100)], (97, 300, Some(200))),
    (
        "bnb-3",
        0,
        &[(102, 300), (100, 100), (99, 200), (98, 300)],
        &[(98, 250), (97, 250), (96, 1000)],
        (96, 900, Some(-100)),
    ),
    ("bnb-4", 0, &[(102, 30), (101, 10), (99, 50), (96, 15)], &[(98, 10), (97, 50), (95, 50)], (97, 90, Some(-10))),
    ("xetra-1", 0, &[(202, 200), (201, 200), (200, 300)], &[(200, 100), (198, 200), (197, 400)], (200, 700, Some(0))),
    ("xetra-2", 0, &[(202, 400), (201, 200)], &[(199, 300), (198, 200)], (201, 500, Some(100))),
    ("xetra-3", 0, &[(202, 300), (201, 200)], &[(199, 400), (198, 200)], (199, 500, Some(-100))),
    ("xetra-4-ref199", 199, &[(0, 100), (199, 100)], &[(0, 100), (202, 100)], (199, 100, None)),
    ("xetra-4-ref200", 200, &[(0, 100), (199, 100)], &[(0, 100), (202, 100)], (199, 100, None)),
    ("xetra-5-ref200", 200, &[(202, 300), (201, 200)], &[(198, 200), (199, 300)], (201, 500, Some(0))),
    ("xetra-5-ref202", 202, &[(202, 300), (201, 200)], &[(198, 200), (199, 300)], (201, 500, Some(0))),
    ("xetra-5-ref198", 198, &[(202, 300), (201, 200)], &[(198, 200), (199, 300)], (199, 500, Some(0))),
    ("xetra-6-ref250", 250, &[(0, 900)], &[(0, 800)], (250, 800, Some(100))),
    ("xetra-6-ref99", 99, &[(0, 900)], &[(0, 800)], (99, 800, Some(100))),
    ("xetra-7", 0, &[(200, 80), (199, 80)], &[(201, 80)], (0, 0, Some(0))),
    ("xetra-time-priority", 0, &[(200, 300), (200, 300)], &[(200, 400)], (200, 400, Some(200))),
    (
        "sgx-1",
        0,
        &[(377, 50), (378, 100), (379, 70), (380, 30), (381, 90)],
        &[(375, 10), (376, 20), (377, 50), (378, 80), (379, 30)],
        (379, 190, Some(0)),
    ),
];

#[test]
fn published_auctions_have_their_prices() {
    for (id, reference, buys, sells, (price, volume, imbalance)) in AUCTIONS {
        let mut venue = Venue::new();
        if *reference != 0 {
            venue.run(bands(*reference, 0, 1_000_000, BandAction::Auction));
        }
        venue.run(status(TradingStatus::Auction));
        let mut last = None;
        for (side, orders) in [(Side::Buy, buys), (Side::Sell, sells)] {
            for (limit, quantity) in *orders {
                let said = match *limit {
                    0 => venue.run(auction_market(ALICE, side, *quantity)),
                    limit => venue.run(Command::NewOrder(order(BOB, side, limit, *quantity))),
                };
                assert!(said[0].starts_with("new"), "{id}: {said:?}");
                last = said.into_iter().rfind(|text| text.starts_with("indication")).or(last);
            }
        }
        let expected = (*price != 0).then(|| format!("indication {volume}@{price} "));
        assert_eq!(last.is_some(), expected.is_some(), "{id}");
        if let (Some(last), Some(expected)) = (last, expected) {
            assert!(last.starts_with(&expected), "{id}: {last}");
            let told: i64 = last[expected.len()..].parse().expect("the imbalance is a number");
            assert!(imbalance.is_none_or(|imbalance| told == imbalance), "{id}: {last}");
        }
        let said = venue.run(status(TradingStatus::Open));
        assert!(said.contains(&format!("auction {volume}@{price}")), "{id}: {said:?}");
        let trades = said.iter().filter(|text| text.starts_with("trade"));
        assert!(trades.clone().all(|text| text.contains(&format!("@{price} ")) && text.contains("auction")), "{id}");
        assert_eq!(venue.naive.last_price(ONE), PriceTicks(*price), "{id}");
    }
}

#[test]
fn auction_is_told_and_trades_by_price_and_time() {
    let mut venue = Venue::new();
    venue.run(fees(0, -10_000, 20_000));
    venue.run(fees(1, 0, 30_000));
    venue.says(status(TradingStatus::Auction), &["status 1 auction requested"]);
    venue.says(buy(ALICE, 200, 300), &["new #1 leaves 300 shown 0 hold 61200"]);
    venue.says(buy(ALICE, 200, 300), &["new #2 leaves 300 shown 0 hold 61200"]);
    // Self-trade prevention does not apply in auctions; the book may be crossed.
    venue.says(
        Command::NewOrder(NewOrder {
            self_trade_prevention: SelfTradePrevention::ExpireBoth,
            ..order(ALICE, Side::Sell, 199, 100)
        }),
        &["new #3 leaves 100 shown 0 hold 100", "indication 100@200 +500"],
    );
    venue.says(sell(BOB, 200, 300), &["new #4 leaves 300 shown 0 hold 300", "indication 400@200 +200"]);
    venue.says(buy(ALICE, 150, 1), &["new #5 leaves 1 shown 0 hold 153"]);
    venue.says(replace(ALICE, 1, 0, 250), &["replaced #1 leaves 250 shown 250 hold 51000", "indication 400@200 +150"]);
    venue.says(
        status(TradingStatus::Open),
        &[
            "trade #1 100@200 with #3 auction fee 400 leaves 150 shown 150 hold 30600",
            "trade #3 100@200 with #1 auction fee 400",
            "trade #1 150@200 with #4 auction fee 600",
            "trade #4 150@200 with #1 auction fee 900 leaves 150 shown 150 hold 150",
            "trade #2 150@200 with #4 auction fee 600 leaves 150 shown 150 hold 30600",
            "trade #4 150@200 with #2 auction fee 900",
            "auction 400@200",
            "status 1 open requested",
        ],
    );
    assert_eq!(venue.available(VENUE, QUOTE), 400 + 400 + 600 + 900 + 600 + 900);
}

#[test]
fn auction_market_orders_hold_at_the_upper_band_and_stand_first() {
    let mut venue = Venue::new();
    venue.run(status(TradingStatus::PreOpen));
    venue.says(auction_market(ALICE, Side::Buy, 10), &["rejected no_reference_price"]);
    venue.run(bands(100, 1_000, 1_000, BandAction::Cancel));
    venue.says(auction_market(ALICE, Side::Buy, 10), &["new #1 leaves 10 shown 0 hold 1100", "terms #1"]);
    venue.says(buy(BOB, 110, 10), &["new #2 leaves 10 shown 0 hold 1100"]);
    venue.says(sell(CAROL, 95, 12), &["new #3 leaves 12 shown 0 hold 12"]);
    venue.says(auction_market(CAROL, Side::Sell, 20), &["new #4 leaves 20 shown 0 hold 20", "terms #4"]);
    venue.says(replace(ALICE, 1, 100, 0), &["rejected replace_not_allowed"]);
    venue.says(replace(ALICE, 1, 0, 9), &["replaced #1 leaves 9 shown 0 hold 990", "terms #1"]);
    // The band moves up: the price is still at most what the market buy holds its money at.
    venue.run(bands(130, 5_000, 1_000, BandAction::Cancel));
    venue.says(buy(BOB, 140, 30), &["new #5 leaves 30 shown 0 hold 4200"]);
    venue.says(status(TradingStatus::Auction), &["status 1 auction requested", "indication 32@110 +17"]);
    venue.says(
        status(TradingStatus::PostOnly),
        &[
            "trade #1 9@110 with #4 auction",
            "trade #4 9@110 with #1 auction leaves 11 shown 0 hold 11",
            "trade #5 11@110 with #4 auction leaves 19 shown 19 hold 2660",
            "trade #4 11@110 with #5 auction",
            "trade #5 12@110 with #3 auction leaves 7 shown 7 hold 980",
            "trade #3 12@110 with #5 auction",
            "auction 32@110",
            "status 1 post_only requested",
        ],
    );
}

#[test]
fn what_lives_in_auctions_only_ends_with_them() {
    let mut venue = Venue::new();
    venue.run(status(TradingStatus::Auction));
    venue.run(auction_market(BOB, Side::Sell, 5));
    venue.run(Command::NewOrder(auction_only(order(ALICE, Side::Buy, 100, 3))));
    venue.run(buy(ALICE, 90, 1));
    // Halting keeps them.
    venue.says(status(TradingStatus::Halted), &["status 1 halted requested"]);
    venue.says(
        status(TradingStatus::Open),
        &[
            "trade #2 3@90 with #1 auction",
            "trade #1 3@90 with #2 auction leaves 2 shown 0 hold 2",
            "trade #3 1@90 with #1 auction",
            "trade #1 1@90 with #3 auction leaves 1 shown 0 hold 1",
            "auction 4@90",
            "canceled #1 auction_ended",
            "status 1 open requested",
        ],
    );
}

// Section 12

/// Reference, basis points down and up, and the band: a limit at its edges is taken, one tick beyond it is not.
#[test]
fn published_bands_have_their_edges() {
    let table = [
        ("luld-bands 5 %", 100, 500, 500, (95, 105)),
        ("luld-bands doubled, 3.01 in cents", 301, 1_000, 1_000, (271, 331)),
        ("binance-price-range, 10.0 in tenths", 100, 5_000, 10_000, (50, 200)),
    ];
    for (id, reference, down, up, (low, high)) in table {
        let mut venue = Venue::new();
        venue.says(bands(reference, down, up, BandAction::Cancel), &["setting price_bands"]);
        for (price, taken) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
            let said = venue.run(buy(ALICE, price, 1));
            assert_eq!(said[0] == "rejected price_outside_bands", !taken, "{id}: {price}, {said:?}");
            venue.run(cancel(ALICE, venue_last_order(&said)));
        }
        venue.run(buy(ALICE, low, 1));
        let known = venue.naive.open_order_count();
        assert_eq!(known, 1);
    }
    // Without a reference, and with multipliers off, nothing is bounded.
    let mut venue = Venue::new();
    venue.run(bands(0, 5_000, 10_000, BandAction::Cancel));
    assert!(venue.run(buy(ALICE, 1, 1))[0].starts_with("new"));
    venue.run(bands(100, 0, 0, BandAction::Cancel));
    assert!(venue.run(buy(ALICE, 1_000, 1))[0].starts_with("new"));
}

fn venue_last_order(said: &[String]) -> u64 {
    let id = said[0].strip_prefix("new #").and_then(|rest| rest.split(' ').next());
    id.map_or(u64::MAX, |id| id.parse().expect("an order_id"))
}

#[test]
fn rest_beyond_the_band_is_canceled() {
    let mut venue = Venue::new();
    venue.run(bands(100, 0, 500, BandAction::Auction));
    for price in [100, 105, 106] {
        venue.run(sell(BOB, price, 1));
    }
    venue.run(bands(0, 0, 500, BandAction::Cancel));
    venue.says(buy(ALICE, 106, 3), &["rejected price_outside_bands"]);
    venue.says(
        market(ALICE, Side::Buy, 3),
        &[
            "new #4 leaves 3 shown 0",
            "trade #4 1@100 with #1 taker leaves 2 shown 0",
            "trade #1 1@100 with #4 maker",
            "trade #4 1@105 with #2 taker leaves 1 shown 0",
            "trade #2 1@105 with #4 maker",
            "canceled #4 price_band",
        ],
    );
}

#[test]
fn rest_beyond_the_band_waits_in_a_volatility_auction() {
    let mut venue = Venue::new();
    venue.run(bands(100, 0, 500, BandAction::Auction));
    for price in [105, 110] {
        venue.run(sell(BOB, price, 1));
    }
    venue.now = 7;
    venue.says(
        buy(ALICE, 110, 3),
        &[
            "new #3 leaves 3 shown 0 hold 330",
            "trade #3 1@105 with #1 taker leaves 2 shown 0 hold 220",
            "trade #1 1@105 with #3 maker",
            "status 1 auction price_band until 10000000007",
        ],
    );
    // Within the static band, which auctions keep, nothing crosses: the ask of 110 is beyond it. A lower ask comes.
    venue.says(sell(BOB, 103, 1), &["new #4 leaves 1 shown 0 hold 1", "indication 1@105 +1"]);
    assert_eq!(
        venue.advance(7 + 10 * SECOND),
        [
            "trade #3 1@105 with #4 auction leaves 1 shown 1 hold 110",
            "trade #4 1@105 with #3 auction",
            "auction 1@105",
            "status 1 open auction_end",
            "advanced 1",
        ]
    );
}

#[test]
fn immediate_orders_end_where_a_volatility_auction_begins() {
    let mut venue = Venue::new();
    venue.run(sell(BOB, 100, 1));
    venue.run(buy(ALICE, 100, 1));
    venue.run(Command::SetPriceBands(SetPriceBands { dynamic_bps: 100, action: BandAction::Auction, ..no_bands() }));
    venue.run(sell(BOB, 102, 1));
    let fok = NewOrder { time_in_force: TimeInForce::Fok, ..order(ALICE, Side::Buy, 102, 1) };
    venue.says(Command::NewOrder(fok), &["new #4 leaves 1 shown 0", "canceled #4 fill_or_kill"]);
    venue.says(
        market(ALICE, Side::Buy, 1),
        &["new #5 leaves 1 shown 0", "canceled #5 price_band", "status 1 auction price_band until 10000000000"],
    );
}

#[test]
fn collar_bounds_market_orders_from_the_best_price() {
    let mut venue = Venue::new();
    venue.run(Command::SetPriceBands(SetPriceBands { collar_bps: 200, action: BandAction::Auction, ..no_bands() }));
    for price in [100, 102, 103] {
        venue.run(sell(BOB, price, 1));
    }
    venue.says(
        market(ALICE, Side::Buy, 3),
        &[
            "new #4 leaves 3 shown 0",
            "trade #4 1@100 with #1 taker leaves 2 shown 0",
            "trade #1 1@100 with #4 maker",
            "trade #4 1@102 with #2 taker leaves 1 shown 0",
            "trade #2 1@102 with #4 maker",
            "canceled #4 price_band",
        ],
    );
    // A limit order has no collar.
    assert_eq!(venue.run(buy(ALICE, 103, 1)).len(), 3);
}

#[test]
fn limit_state_lasts_until_it_pauses_the_instrument() {
    let mut venue = Venue::new();
    venue.run(Command::SetPriceBands(SetPriceBands {
        reference: PriceTicks(100),
        static_up_bps: 500,
        limit_state_ns: SECOND,
        ..no_bands()
    }));
    venue.says(buy(ALICE, 105, 1), &["new #1 leaves 1 shown 0 hold 105", "limit state buy"]);
    venue.now = 5;
    venue.says(cancel(ALICE, 1), &["canceled #1 requested", "limit state none"]);
    venue.says(buy(ALICE, 105, 1), &["new #2 leaves 1 shown 0 hold 105", "limit state buy"]);
    assert_eq!(venue.advance(SECOND + 4), ["advanced 0"]);
    assert_eq!(
        venue.advance(SECOND + 5),
        ["status 1 auction limit_state until 11000000005", "limit state none", "advanced 1"]
    );
}

#[test]
fn bands_are_checked_when_they_are_set() {
    let wrong = [
        SetPriceBands { static_up_bps: 1_000_001, ..no_bands() },
        SetPriceBands { static_down_bps: 10_000, ..no_bands() },
        SetPriceBands { dynamic_bps: 10_000, ..no_bands() },
        SetPriceBands { collar_bps: 10_000, ..no_bands() },
        SetPriceBands { auction_ns: 999_999, ..no_bands() },
        SetPriceBands { auction_ns: DAY + 1, ..no_bands() },
        SetPriceBands { auction_random_ns: -1, ..no_bands() },
        SetPriceBands { auction_random_ns: HOUR + 1, ..no_bands() },
        SetPriceBands { limit_state_ns: DAY + 1, ..no_bands() },
    ];
    let mut venue = Venue::new();
    for set in wrong {
        venue.says(Command::SetPriceBands(set), &["rejected invalid_price_bands"]);
    }
    let far = SetPriceBands { reference: PriceTicks(1 << 53), ..no_bands() };
    venue.says(Command::SetPriceBands(far), &["rejected invalid_price"]);
    let mark = |price| Command::SetMarkPrice(SetMarkPrice { instrument_id: ONE, price: PriceTicks(price) });
    venue.says(mark(0), &["rejected invalid_price"]);
    venue.says(mark(5), &["mark 5"]);
    assert_eq!(venue.naive.mark_price(ONE), PriceTicks(5));
}

// Section 13

#[test]
fn risk_limits_bound_orders() {
    let none = RiskLimits::default();
    // Alice has bought 10 at 100 and has open: buy 5 at 90, sell 3 at 120.
    let table = [
        (RiskLimits { fat_finger_bps: 1_000, ..none }, buy(ALICE, 110, 1), None),
        (RiskLimits { fat_finger_bps: 1_000, ..none }, buy(ALICE, 111, 1), Some("fat_finger")),
        (RiskLimits { fat_finger_bps: 1_000, ..none }, sell(ALICE, 90, 1), None),
        (RiskLimits { fat_finger_bps: 1_000, ..none }, sell(ALICE, 89, 1), Some("fat_finger")),
        (RiskLimits { fat_finger_bps: 1_000, ..none }, sell(ALICE, 500, 1), None),
        (RiskLimits { max_order_quantity: Lots(5), ..none }, buy(ALICE, 90, 5), None),
        (RiskLimits { max_order_quantity: Lots(5), ..none }, replace(ALICE, 2, 0, 6), Some("order_quantity_limit")),
        (RiskLimits { max_order_notional: Amount(450), ..none }, buy(ALICE, 90, 5), None),
        (RiskLimits { max_order_notional: Amount(449), ..none }, buy(ALICE, 90, 5), Some("order_notional_limit")),
        (RiskLimits { max_order_notional: Amount(1), ..none }, market(ALICE, Side::Buy, 5), None),
        (RiskLimits { max_open_orders: 3, ..none }, buy(ALICE, 90, 1), None),
        (RiskLimits { max_open_orders: 2, ..none }, buy(ALICE, 90, 1), Some("open_orders_limit")),
        (RiskLimits { max_open_orders: 1, ..none }, replace(ALICE, 2, 80, 0), None),
        (RiskLimits { max_position: Lots(20), ..none }, buy(ALICE, 80, 5), None),
        (RiskLimits { max_position: Lots(20), ..none }, buy(ALICE, 80, 6), Some("position_limit")),
        (RiskLimits { max_position: Lots(20), ..none }, replace(ALICE, 2, 0, 10), None),
        (RiskLimits { max_position: Lots(20), ..none }, replace(ALICE, 2, 0, 11), Some("position_limit")),
        (RiskLimits { max_position: Lots(5), ..none }, sell(ALICE, 120, 12), None),
        (RiskLimits { max_position: Lots(5), ..none }, sell(ALICE, 120, 13), Some("position_limit")),
        // 5 × 90 + 3 × 120 + 10 × 100 = 1810.
        (RiskLimits { max_exposure: Amount(1_900), ..none }, buy(ALICE, 90, 1), None),
        (RiskLimits { max_exposure: Amount(1_899), ..none }, buy(ALICE, 90, 1), Some("exposure_limit")),
        (RiskLimits { max_exposure: Amount(1_900), ..none }, replace(ALICE, 2, 0, 6), None),
    ];
    for (bound, command, expected) in table {
        for scope in [RiskScope::Account(ALICE), RiskScope::Group(GroupId(0))] {
            let mut venue = Venue::new();
            venue.run(sell(BOB, 100, 10));
            venue.run(buy(ALICE, 100, 10));
            // Order ids 2 and 3 are taken by the trade's taker and what comes next.
            venue.run(cancel(ALICE, 2));
            venue.run(buy(ALICE, 90, 5));
            venue.run(sell(ALICE, 120, 3));
            let renumbered = match command.clone() {
                Command::ReplaceOrder(replaced) => {
                    Command::ReplaceOrder(ReplaceOrder { order_id: OrderId(3), ..replaced })
                }
                other => other,
            };
            venue.says(limits(scope, ONE, bound), &["setting risk_limits"]);
            let said = venue.run(renumbered);
            let reason = said[0].strip_prefix("rejected ");
            assert_eq!(reason, expected, "{bound:?} {command:?}");
        }
    }
}

#[test]
fn equal_orders_and_too_many_orders_are_refused() {
    let mut venue = Venue::new();
    let duplicates = RiskLimits { duplicate_window_ns: 10, ..RiskLimits::default() };
    venue.says(limits(RiskScope::Account(ALICE), ONE, duplicates), &["setting risk_limits"]);
    assert!(venue.run(buy(ALICE, 90, 5))[0].starts_with("new"));
    venue.now = 9;
    venue.says(buy(ALICE, 90, 5), &["rejected duplicate_order"]);
    assert!(venue.run(buy(ALICE, 90, 4))[0].starts_with("new"));
    assert!(venue.run(buy(ALICE, 90, 5))[0].starts_with("new"), "only the last order counts");
    venue.now = 19;
    assert!(venue.run(buy(ALICE, 90, 5))[0].starts_with("new"), "it is not younger than the window");

    let rate = RiskLimits { max_order_rate: 2, rate_window_ns: 1_000_000, ..RiskLimits::default() };
    venue.now = 2_000_000;
    venue.says(limits(RiskScope::Group(GroupId(1)), InstrumentId::NONE, rate), &["setting risk_limits"]);
    assert!(venue.run(buy(BOB, 90, 5))[0].starts_with("new"));
    venue.now = 2_999_999;
    assert!(venue.run(replace(BOB, 5, 89, 0))[0].starts_with("replaced"));
    venue.says(buy(CAROL, 80, 1), &["rejected order_rate_limit"]);
    assert!(venue.run(cancel(BOB, 5))[0].starts_with("canceled"), "cancels are not counted");
    venue.now = 3_000_000;
    assert!(venue.run(buy(CAROL, 80, 1))[0].starts_with("new"), "a window is a multiple of its length");
}

#[test]
fn limits_of_a_key_hold_for_its_orders() {
    let mut venue = Venue::new();
    let with_key = |key| Command::NewOrder(NewOrder { key_id: KeyId(key), ..order(ALICE, Side::Buy, 90, 1) });
    let one = RiskLimits { max_open_orders: 1, ..RiskLimits::default() };
    venue.says(limits(RiskScope::Key(ALICE, KeyId(7)), ONE, one), &["setting risk_limits"]);
    assert!(venue.run(with_key(6))[0].starts_with("new"));
    assert!(venue.run(with_key(7))[0].starts_with("new"));
    venue.says(with_key(7), &["rejected open_orders_limit"]);
    assert!(venue.run(with_key(0))[0].starts_with("new"));
    venue.says(with_key(4_096), &["rejected invalid_key"]);

    let none = RiskLimits::default();
    let key = RiskScope::Key(ALICE, KeyId(7));
    let wrong = [
        (key, ONE, RiskLimits { max_position: Lots(1), ..none }),
        (key, ONE, RiskLimits { max_exposure: Amount(1), ..none }),
        (RiskScope::Account(ALICE), InstrumentId::NONE, RiskLimits { fat_finger_bps: 1, ..none }),
        (RiskScope::Account(ALICE), InstrumentId::NONE, RiskLimits { max_order_quantity: Lots(1), ..none }),
        (RiskScope::Account(ALICE), ONE, RiskLimits { max_position: Lots(-1), ..none }),
        (RiskScope::Account(ALICE), ONE, RiskLimits { max_order_rate: 1, ..none }),
        (RiskScope::Account(ALICE), ONE, RiskLimits { rate_window_ns: SECOND, ..none }),
        (RiskScope::Account(ALICE), ONE, RiskLimits { duplicate_window_ns: HOUR + 1, ..none }),
    ];
    for (scope, instrument, bound) in wrong {
        venue.says(limits(scope, instrument, bound), &["rejected invalid_risk_limits"]);
    }
    venue.says(limits(RiskScope::Account(AccountId(99)), ONE, none), &["rejected unknown_account"]);
}

#[test]
fn account_modes_and_kill_switches() {
    let mut venue = Venue::new();
    let mode = |mode| Command::SetAccountMode(SetAccountMode { account_id: ALICE, mode });
    let kill = |scope, engaged| Command::KillSwitch(KillSwitch { scope, engaged });
    venue.run(buy(ALICE, 90, 1));
    venue.run(buy(BOB, 90, 1));
    venue.run(buy(ALICE, 91, 1));
    venue.run(Command::NewOrder(NewOrder { key_id: KeyId(3), ..order(CAROL, Side::Sell, 100, 1) }));
    venue.says(mode(AccountMode::CancelOnly), &["setting account_mode"]);
    venue.says(buy(ALICE, 90, 1), &["rejected account_cancel_only"]);
    venue.says(replace(ALICE, 1, 89, 0), &["rejected account_cancel_only"]);
    venue.says(cancel(ALICE, 3), &["canceled #3 requested"]);
    venue.says(mode(AccountMode::RejectOnly), &["setting account_mode"]);
    venue.says(cancel(ALICE, 1), &["rejected account_reject_only"]);
    venue.says(mode(AccountMode::Normal), &["setting account_mode"]);

    venue.says(kill(KillScope::Key(CAROL, KeyId(3)), true), &["canceled #4 kill_switch", "kill switch true 1"]);
    assert!(venue.run(sell(CAROL, 100, 1))[0].starts_with("new"), "other keys are not stopped");
    venue.says(
        kill(KillScope::Group(GroupId(1)), true),
        &["canceled #2 kill_switch", "canceled #5 kill_switch", "kill switch true 2"],
    );
    venue.says(buy(BOB, 90, 1), &["rejected kill_switch_engaged"]);
    assert!(venue.run(buy(ALICE, 89, 1))[0].starts_with("new"));
    venue.says(
        kill(KillScope::Instrument(ONE), true),
        &["canceled #1 kill_switch", "canceled #6 kill_switch", "kill switch true 2"],
    );
    venue.says(buy(ALICE, 90, 1), &["rejected kill_switch_engaged"]);
    venue.says(kill(KillScope::Instrument(ONE), false), &["kill switch false 0"]);
    assert!(venue.run(buy(ALICE, 90, 1))[0].starts_with("new"));
    venue.says(kill(KillScope::All, true), &["canceled #7 kill_switch", "kill switch true 1"]);
    venue.says(kill(KillScope::Account(AccountId(99)), true), &["rejected unknown_account"]);
}

// Section 14

/// Alice trades with Bob: her side, price and quantity; then her lots, cost, realised and unrealised profit.
#[test]
fn positions_follow_trades() {
    let table = [
        ((Side::Buy, 100, 3), (3, 300, 0, 0)),
        ((Side::Buy, 101, 4), (7, 704, 0, 3)),
        // The cost of 2 of 7 is 704 × 2 / 7 = 201.1, rounded down.
        ((Side::Sell, 110, 2), (5, 503, 19, 47)),
        ((Side::Sell, 90, 8), (-3, 270, -34, 0)),
        ((Side::Sell, 95, 1), (-4, 365, -34, -15)),
        ((Side::Buy, 80, 3), (-1, 92, -1, 12)),
        ((Side::Buy, 92, 1), (0, 0, -1, 0)),
    ];
    let mut venue = Venue::new();
    for ((side, price, quantity), (lots, cost, realised, unrealised)) in table {
        venue.run(Command::NewOrder(order(BOB, side.opposite(), price, quantity)));
        venue.run(Command::NewOrder(order(ALICE, side, price, quantity)));
        assert_eq!(
            venue.naive.position_of(ALICE, ONE),
            (lots, cost, realised, unrealised, 0),
            "after {side:?} {price}"
        );
        assert_eq!(venue.naive.position_of(BOB, ONE).0, -lots);
    }
}

/// Account group of the taker, then what it is charged by what is set.
#[test]
fn promotions_go_before_tiers_and_tiers_before_schedules() {
    let mut venue = Venue::new();
    venue.run(fees(0, 0, 10_000));
    let tier = |group, tier, min_volume, taker_ppm| {
        Command::SetFeeTier(SetFeeTier {
            instrument_id: ONE,
            group_id: GroupId(group),
            tier,
            min_volume: Amount(min_volume),
            maker_ppm: 0,
            taker_ppm,
        })
    };
    let promotion = |group, from_ns, until_ns| {
        Command::SetFeePromotion(SetFeePromotion {
            instrument_id: ONE,
            group_id: GroupId(group),
            from_ns,
            until_ns,
            maker_ppm: 0,
            taker_ppm: 0,
        })
    };
    let fee_of = |venue: &mut Venue, account| {
        venue.run(sell(CAROL, 100, 10));
        let before = venue.available(VENUE, QUOTE);
        venue.run(buy(account, 100, 10));
        venue.available(VENUE, QUOTE) - before
    };
    venue.says(tier(0, 1, 2_000, 5_000), &["setting fee_tier"]);
    venue.says(tier(0, 2, 3_000, 4_000), &["setting fee_tier"]);
    venue.says(tier(0, 16, 1, 0), &["rejected invalid_fee_tier"]);
    venue.says(tier(0, 1, -1, 0), &["rejected invalid_fee_tier"]);
    venue.says(tier(0, 1, 1, -1), &["rejected invalid_fee"]);
    assert_eq!(fee_of(&mut venue, ALICE), 10);
    assert_eq!(fee_of(&mut venue, ALICE), 10, "its volume was 1,000");
    assert_eq!(fee_of(&mut venue, ALICE), 5, "its volume was 2,000");
    assert_eq!(fee_of(&mut venue, ALICE), 4, "its volume was 3,000");
    venue.now = 29 * DAY;
    assert_eq!(fee_of(&mut venue, ALICE), 4, "30 days, today included");
    venue.now = 30 * DAY;
    assert_eq!(fee_of(&mut venue, ALICE), 10, "only the day before counts now: 1,000");
    // Group 1 gets a tier of its own, and group 0's hold no more.
    venue.says(tier(1, 5, 10_000_000, 1), &["setting fee_tier"]);
    for _ in 0..3 {
        assert_eq!(fee_of(&mut venue, BOB), 10);
    }
    venue.says(tier(1, 5, 0, 1), &["setting fee_tier"]);
    assert_eq!(fee_of(&mut venue, BOB), 4);

    venue.says(promotion(0, 31 * DAY, 32 * DAY), &["setting fee_promotion"]);
    assert_eq!(fee_of(&mut venue, BOB), 4);
    venue.now = 31 * DAY;
    assert_eq!(fee_of(&mut venue, BOB), 0);
    venue.says(promotion(1, 40 * DAY, 41 * DAY), &["setting fee_promotion"]);
    assert_eq!(fee_of(&mut venue, BOB), 4, "its group has one, which is not on");
    venue.says(promotion(1, 0, 0), &["setting fee_promotion"]);
    venue.now = 32 * DAY - 1;
    assert_eq!(fee_of(&mut venue, BOB), 0);
    venue.now = 32 * DAY;
    assert_eq!(fee_of(&mut venue, BOB), 4);
}

#[test]
fn fee_cap_bounds_an_order() {
    let mut venue = Venue::new();
    let cap =
        |max_fee| Command::SetFeeCap(SetFeeCap { instrument_id: ONE, group_id: GroupId(0), max_fee: Amount(max_fee) });
    venue.run(fees(0, 0, 10_000));
    venue.says(cap(-1), &["rejected invalid_fee_cap"]);
    venue.says(cap(25), &["setting fee_cap"]);
    for _ in 0..3 {
        venue.run(sell(BOB, 100, 10));
    }
    venue.says(
        buy(ALICE, 100, 40),
        &[
            "new #4 leaves 40 shown 0 hold 4025",
            "trade #4 10@100 with #1 taker fee 10 leaves 30 shown 0 hold 3015",
            "trade #1 10@100 with #4 maker",
            "trade #4 10@100 with #2 taker fee 10 leaves 20 shown 0 hold 2005",
            "trade #2 10@100 with #4 maker",
            "trade #4 10@100 with #3 taker fee 5 leaves 10 shown 0 hold 1000",
            "trade #3 10@100 with #4 maker",
        ],
    );
}

fn bust(trade_id: u64, price: i64, fees: (i128, i128)) -> BustTrade {
    BustTrade {
        trade_id: TradeId(trade_id),
        instrument_id: ONE,
        buyer: ALICE,
        seller: BOB,
        price: PriceTicks(price),
        quantity: Lots(10),
        buyer_fee: Amount(fees.0),
        seller_fee: Amount(fees.1),
    }
}

#[test]
fn trades_are_busted_once_and_adjusted() {
    let mut venue = Venue::with_money(100, 10_000);
    venue.run(fees(0, -5_000, 10_000));
    venue.run(sell(BOB, 100, 10));
    venue.run(buy(ALICE, 100, 10));
    let adjust = |price, new_price| {
        Command::AdjustTrade(AdjustTrade {
            trade_id: TradeId(1),
            instrument_id: ONE,
            buyer: ALICE,
            seller: BOB,
            price: PriceTicks(price),
            quantity: Lots(10),
            new_price: PriceTicks(new_price),
        })
    };
    venue.says(adjust(100, 98), &["posted 2 2 +20 = 9010", "posted 3 2 -20 = 10985", "corrected 1 10@100 to 98"]);
    assert_eq!(venue.naive.position_of(ALICE, ONE), (10, 980, 0, 20, 10));
    venue.says(adjust(98, 98), &["corrected 1 10@98 to 98"]);
    venue.says(adjust(98, 0), &["rejected invalid_price"]);
    venue.says(adjust(98, 2_000), &["rejected insufficient_funds"]);

    venue.says(Command::BustTrade(bust(2, 98, (10, -5))), &["rejected unknown_trade"]);
    venue.says(Command::BustTrade(bust(0, 98, (10, -5))), &["rejected unknown_trade"]);
    venue.says(
        Command::BustTrade(BustTrade { seller: AccountId(9), ..bust(1, 98, (0, 0)) }),
        &["rejected unknown_account"],
    );
    venue.says(Command::BustTrade(bust(1, 98, (i128::MIN, 0))), &["rejected invalid_amount"]);
    venue.says(Command::BustTrade(bust(1, 98, (11, -5))), &["rejected insufficient_funds"]);
    venue.says(
        Command::BustTrade(bust(1, 98, (10, -5))),
        &[
            "posted 2 1 -10 = 100",
            "posted 2 2 +990 = 10000",
            "posted 3 1 +10 = 100",
            "posted 3 2 -985 = 10000",
            "posted 1 2 -5 = 0",
            "corrected 1 10@98 to 0",
        ],
    );
    venue.says(Command::BustTrade(bust(1, 98, (10, -5))), &["rejected duplicate_trade_correction"]);
    venue.says(adjust(98, 97), &["rejected duplicate_trade_correction"]);
    assert_eq!(venue.naive.position_of(ALICE, ONE), (0, 0, 0, 0, 0));
}

#[test]
fn staff_say_who_and_why() {
    let mut venue = Venue::new();
    let staff = |command| {
        Command::Administer(Box::new(Administer {
            actor: text("olga"),
            reason: Note::new(b"a broken feed").expect("a note"),
            command,
        }))
    };
    venue.says(staff(status(TradingStatus::Halted)), &["administered olga a broken feed", "status 1 halted requested"]);
    venue.says(staff(buy(ALICE, 100, 1)), &["rejected instrument_halted"]);
    venue.says(staff(staff(Command::AdvanceTime)), &["rejected nested_administer"]);
    venue.says(staff(Command::AdvanceTime), &["administered olga a broken feed", "advanced 0"]);
}

/// exchange-core's examples. Its fees are amounts a lot, which parts per million cannot say: they are taken out, what an
/// account would have without them is compared. (case, first order, second order, lots traded, what its accounts end with
/// and how much of that its fees took.)
#[test]
fn exchange_core_examples_settle_alike() {
    const LTC_STEP: i128 = 10_000;
    const XBT_LOT: i128 = 1_000_000;
    type End = ((i128, i128), i128);
    type Entered = (AccountId, Side, i64, i64, TimeInForce);
    let (gtc, ioc) = (TimeInForce::Gtc, TimeInForce::Ioc);
    type Example = (&'static str, [(i128, i128); 2], [Entered; 2], [End; 2]);
    let table: [Example; 3] = [
        (
            "exchange-core-fees-1",
            [(0, 200_000_000_000), (2_000_000_000, 0)],
            [(ALICE, Side::Buy, 11_500, 1_731, gtc), (BOB, Side::Sell, 11_493, 2_000, ioc)],
            [((1_731_000_000, 933_788_300), 1_731 * 700), ((269_000_000, 199_061_711_100), 1_731 * 1_900)],
        ),
        (
            "exchange-core-fees-2",
            [(0, 200_000_000_000), (2_000_000_000, 0)],
            [(ALICE, Side::Buy, 11_500, 1_731, gtc), (BOB, Side::Sell, 11_493, 1_000, ioc)],
            // What is still reserved for its rest at 11,553 is not in the example's balance, nor are the rest's fees.
            [
                ((1_000_000_000, 545_481_100 + 731 * (11_553 * LTC_STEP + 1_900)), 1_000 * 700),
                ((1_000_000_000, 114_998_100_000), 1_000 * 1_900),
            ],
        ),
        (
            "exchange-core-fees-3",
            [(2_000_000_000, 0), (0, 260_000_000_000)],
            [(ALICE, Side::Sell, 11_500, 2_000, gtc), (BOB, Side::Buy, 11_521, 2_197, ioc)],
            [((0, 229_998_600_000), 2_000 * 700), ((2_000_000_000, 29_996_200_000), 2_000 * 1_900)],
        ),
    ];
    for (id, start, orders, ends) in table {
        let mut venue = Venue { naive: Naive::new(10, 10), sequence: 0, now: 0 };
        exchange_core(&mut venue, LTC_STEP as u64, XBT_LOT as u64);
        for (account_id, (base, quote)) in [ALICE, BOB].into_iter().zip(start) {
            for (asset_id, amount) in [(BASE, base), (QUOTE, quote)] {
                if amount > 0 {
                    venue.run(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(amount) }));
                }
            }
        }
        for (account, side, price, quantity, time_in_force) in orders {
            let said =
                venue.run(Command::NewOrder(NewOrder { time_in_force, ..order(account, side, price, quantity) }));
            assert!(said[0].starts_with("new"), "{id}: {said:?}");
        }
        for (account, ((base, quote), fees)) in [ALICE, BOB].into_iter().zip(ends) {
            let total = |asset| venue.naive.balance(account, asset).map(|(total, _)| total);
            assert_eq!((total(BASE), total(QUOTE)), (Some(base), Some(quote + fees)), "{id}, account {account}");
        }
    }
}

/// Two accounts; a tick is `tick` of the quote for each lot of `lot` base units.
fn exchange_core(venue: &mut Venue, tick: u64, lot: u64) {
    // Scales of 6 and 6: a price of 1 is 10^-6 × 10^6 units for 10^6 base units.
    for code in ["XBT", "LTC"] {
        venue.run(Command::AddAsset(AddAsset { code: text(code), scale: 0 }));
    }
    for code in ["alice", "bob"] {
        venue.run(Command::OpenAccount(OpenAccount { code: text(code), group_id: GroupId(0) }));
    }
    // tick × lot is the notional of one, so the tick is in parts of the lot.
    let (mut mantissa, mut scale) = (tick, 0);
    let mut of = lot;
    while of > 1 {
        of /= 10;
        scale += 1;
    }
    while mantissa % 10 == 0 && scale > 0 {
        mantissa /= 10;
        scale -= 1;
    }
    let said = venue.run(Command::ListInstrument(ListInstrument {
        symbol: text("XBT-LTC"),
        base: BASE,
        quote: QUOTE,
        tick_size: Step { mantissa, scale },
        lot_size: Step { mantissa: lot, scale: 0 },
        min_quantity: Lots(1),
        max_quantity: Lots(1_000_000),
        min_notional: Amount(0),
    }));
    assert!(said[0].contains("InstrumentListed"), "{said:?}");
}

/// exchange-core-risk-1: Alice bids 7 at 30,000, Bob asks 7, each first one unit short of it.
#[test]
fn exchange_core_funds_are_checked_to_the_unit() {
    let mut venue = Venue { naive: Naive::new(10, 10), sequence: 0, now: 0 };
    exchange_core(&mut venue, 10, 100_000);
    let deposit =
        |account_id, asset_id, amount| Command::Deposit(Deposit { account_id, asset_id, amount: Amount(amount) });
    venue.run(deposit(ALICE, QUOTE, 2_000_000));
    venue.says(buy(ALICE, 30_000, 7), &["rejected insufficient_funds"]);
    venue.run(deposit(ALICE, QUOTE, 100_000));
    venue.says(buy(ALICE, 30_000, 7), &["new #1 leaves 7 shown 0 hold 2100000"]);
    assert_eq!(venue.available(ALICE, QUOTE), 0);
    venue.run(deposit(BOB, BASE, 699_999));
    venue.says(sell(BOB, 30_000, 7), &["rejected insufficient_funds"]);
    venue.run(deposit(BOB, BASE, 1));
    venue.says(
        sell(BOB, 30_000, 7),
        &["new #2 leaves 7 shown 0 hold 700000", "trade #2 7@30000 with #1 taker", "trade #1 7@30000 with #2 maker"],
    );
    assert_eq!((venue.available(ALICE, BASE), venue.available(BOB, QUOTE)), (700_000, 2_100_000));
}
