//! The naive model on its own, on sections 1 to 9 of the rulebook: a worked case for each rule, orders in and the whole
//! event list out, and the published cases of stops, icebergs and sharing in proportion as small tables.
//!
//! Fees are 0 and every step is 1, so that a notional is price × quantity. After every command the model checks its
//! invariants.

use beurs_engine::command::{
    AddAsset, CancelAllAfter, CancelOrder, CancelReplace, Command, Deposit, InstrumentScope, ListInstrument,
    MassCancel, NewOrder, NewOrderList, OpenAccount, ReplaceOrder, SetFeatures, SetFees, SetLeadMarketMaker,
    SetMarkPrice, SetMatching, SetTradeGroup, SetTradingStatus, Terms,
};
use beurs_engine::event::Event;
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, CancelReplaceMode, ClientOrderId, Contingency, ExecType, GroupId, InstrumentId, KeyId,
    Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderType, Peg, PriceTicks, SelfTradePrevention, ShortText,
    Side, StatusReason, Step, TimeInForce, TradingStatus, TriggerBy,
};
use beurs_sim::naive::Naive;

const BASE: AssetId = AssetId(1);
const QUOTE: AssetId = AssetId(2);
const INSTRUMENT: InstrumentId = InstrumentId(1);
/// Accounts with plenty of both assets.
const ALICE: AccountId = AccountId(2);
const BOB: AccountId = AccountId(3);
const CAROL: AccountId = AccountId(4);
/// An account without anything.
const POOR: AccountId = AccountId(5);
const SECOND: i64 = 1_000_000_000;

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("short printable ASCII")
}

struct Venue {
    naive: Naive,
    sequence: u64,
    now: i64,
}

impl Venue {
    fn new() -> Self {
        let mut venue = Self { naive: Naive::new(1_000, 1_000), sequence: 0, now: SECOND };
        for code in ["BASE", "QUOTE"] {
            venue.raw(Command::AddAsset(AddAsset { code: text(code), scale: 0 }));
        }
        for code in ["alice", "bob", "carol", "poor"] {
            venue.raw(Command::OpenAccount(OpenAccount { code: text(code), group_id: GroupId(0) }));
        }
        for account_id in [ALICE, BOB, CAROL] {
            for asset_id in [BASE, QUOTE] {
                let amount = Amount(1_000_000_000_000);
                venue.raw(Command::Deposit(Deposit { account_id, asset_id, amount }));
            }
        }
        let one = Step { mantissa: 1, scale: 0 };
        venue.raw(Command::ListInstrument(ListInstrument {
            symbol: text("BASE-QUOTE"),
            base: BASE,
            quote: QUOTE,
            tick_size: one,
            lot_size: one,
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000),
            min_notional: Amount(0),
        }));
        venue
    }

    fn raw(&mut self, command: Command) -> Vec<Event> {
        self.sequence += 1;
        let mut events = Vec::new();
        let accepted = self.naive.apply(self.sequence, self.now, &command, &mut events);
        assert!(!events.is_empty(), "every command gives an event");
        if !accepted {
            assert!(matches!(events[..], [Event::Rejected(_)]), "a refusal is one event: {events:?}");
        }
        self.naive.check_invariants();
        events
    }

    /// The events of a command, a line each.
    fn run(&mut self, command: impl IntoCommand) -> Vec<String> {
        self.raw(command.command()).iter().map(line).collect()
    }

    /// A command and its whole event list.
    #[track_caller]
    fn case(&mut self, command: impl IntoCommand, expected: &[&str]) {
        let lines = self.run(command);
        assert_eq!(lines, expected);
    }

    #[track_caller]
    fn refused(&mut self, command: impl IntoCommand, reason: RejectReason) {
        let lines = self.run(command);
        assert_eq!(lines, [format!("rejected {}", reason.as_str())]);
    }

    /// The trades of a command, as (maker, quantity, price).
    fn trades(&mut self, command: impl IntoCommand) -> Vec<(u64, i64, i64)> {
        let mut trades = Vec::new();
        for event in self.raw(command.command()) {
            if let Event::Execution(report) = event {
                if report.liquidity == beurs_engine::types::Liquidity::Maker {
                    trades.push((report.order_id.0, report.last_quantity.0, report.last_price.0));
                }
            }
        }
        trades
    }

    /// Makes `price` the last price, with two orders of one lot that leave nothing behind.
    fn last(&mut self, price: i64) -> Vec<String> {
        self.run(limit(CAROL, Side::Sell, 1, price));
        self.run(limit(CAROL, Side::Buy, 1, price))
    }

    fn held(&self, account_id: AccountId, asset_id: AssetId) -> i128 {
        self.naive.balance(account_id, asset_id).expect("both exist").1
    }

    fn advance(&mut self, to: i64, expected: &[&str]) {
        self.now = to;
        self.case(Command::AdvanceTime, expected);
    }
}

/// One event as a line of what the rules here are about.
fn line(event: &Event) -> String {
    match event {
        Event::Execution(r) => {
            let id = r.order_id;
            let what = match r.exec_type {
                ExecType::Trade => {
                    let liquidity = r.liquidity.as_str();
                    let (quantity, price, other) = (r.last_quantity.0, r.last_price.0, r.counter_order_id);
                    format!("{liquidity} {quantity}@{price} with #{other}, leaves {}", r.leaves_quantity.0)
                }
                ExecType::Canceled | ExecType::Expired => {
                    return format!("#{id} {} {}", r.exec_type.as_str(), r.cancel_reason.as_str())
                }
                other => format!("{} {}@{}", other.as_str(), r.leaves_quantity.0, r.price.0),
            };
            format!("#{id} {what} shows {} holds {}", r.displayed_quantity.0, r.hold.0)
        }
        Event::Terms(t) => {
            let waits = if t.waits { " waits" } else { "" };
            format!("#{} terms trigger {} limit {}{waits}", t.order_id, t.terms.trigger_price.0, t.limit_price.0)
        }
        Event::Rejected(rejected) => format!("rejected {}", rejected.reason.as_str()),
        Event::OrderListStatus(list) => format!("list {} {}", list.list_id, list.status.as_str()),
        Event::MassCanceled(done) => format!("mass canceled {}", done.count),
        Event::AuctionEnded(ended) => format!("auction {}@{}", ended.volume, ended.price.0),
        Event::TradingStatusSet(set) => format!("status {} {}", set.status.as_str(), set.reason.as_str()),
        Event::CancelAllAfterSet(set) => format!("cancel all after {}", set.deadline_ns),
        Event::TimeAdvanced(done) => format!("time advanced {}", done.count),
        Event::MarkPriceSet(set) => format!("mark {}", set.price.0),
        Event::SettingChanged(changed) => format!("set {}", changed.setting.as_str()),
        other => format!("{other:?}"),
    }
}

fn limit(account_id: AccountId, side: Side, quantity: i64, price: i64) -> NewOrder {
    NewOrder {
        account_id,
        instrument_id: INSTRUMENT,
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

fn market(account_id: AccountId, side: Side, quantity: i64) -> NewOrder {
    let time_in_force = TimeInForce::Ioc;
    NewOrder { order_type: OrderType::Market, time_in_force, ..limit(account_id, side, quantity, 0) }
}

fn terms(order: NewOrder, terms: Terms) -> NewOrder {
    NewOrder { terms: Some(Box::new(terms)), ..order }
}

fn trigger(price: i64) -> Terms {
    Terms { trigger_price: PriceTicks(price), ..Terms::NONE }
}

fn stop(account_id: AccountId, side: Side, quantity: i64, trigger_price: i64) -> NewOrder {
    terms(NewOrder { order_type: OrderType::Stop, ..market(account_id, side, quantity) }, trigger(trigger_price))
}

fn stop_limit(account_id: AccountId, side: Side, quantity: i64, price: i64, trigger_price: i64) -> NewOrder {
    let order = NewOrder { order_type: OrderType::StopLimit, ..limit(account_id, side, quantity, price) };
    terms(order, trigger(trigger_price))
}

fn take_profit(account_id: AccountId, side: Side, quantity: i64, trigger_price: i64) -> NewOrder {
    NewOrder { order_type: OrderType::TakeProfit, ..stop(account_id, side, quantity, trigger_price) }
}

fn iceberg(account_id: AccountId, side: Side, quantity: i64, price: i64, peak: i64) -> NewOrder {
    terms(limit(account_id, side, quantity, price), Terms { display_quantity: Lots(peak), ..Terms::NONE })
}

fn hidden(account_id: AccountId, side: Side, quantity: i64, price: i64) -> NewOrder {
    terms(limit(account_id, side, quantity, price), Terms { hidden: true, ..Terms::NONE })
}

fn minimum(order: NewOrder, least: i64) -> NewOrder {
    terms(order, Terms { min_quantity: Lots(least), ..Terms::NONE })
}

fn pegged(account_id: AccountId, side: Side, quantity: i64, worst: i64, peg: Peg, offset: i64) -> NewOrder {
    terms(limit(account_id, side, quantity, worst), Terms { peg, peg_offset: offset, ..Terms::NONE })
}

fn sliding(account_id: AccountId, side: Side, quantity: i64, price: i64) -> NewOrder {
    let order = NewOrder { post_only: true, ..limit(account_id, side, quantity, price) };
    terms(order, Terms { slide: true, ..Terms::NONE })
}

fn market_to_limit(account_id: AccountId, side: Side, quantity: i64) -> NewOrder {
    NewOrder { order_type: OrderType::MarketToLimit, ..limit(account_id, side, quantity, 0) }
}

fn list(contingency: Contingency, orders: Vec<NewOrder>) -> Command {
    Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
}

fn cancel(account_id: AccountId, order_id: u64) -> CancelOrder {
    CancelOrder { account_id, order_id: OrderId(order_id), client_order_id: ClientOrderId::EMPTY }
}

fn replace(account_id: AccountId, order_id: u64, price: i64, quantity: i64) -> ReplaceOrder {
    ReplaceOrder {
        account_id,
        order_id: OrderId(order_id),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        trigger_price: PriceTicks(0),
        display_quantity: Lots(0),
    }
}

fn status(status: TradingStatus) -> Command {
    let (scope, reason) = (InstrumentScope::Instrument(INSTRUMENT), StatusReason::Requested);
    Command::SetTradingStatus(SetTradingStatus { scope, status, reason, end_time_ns: 0 })
}

fn mark(price: i64) -> Command {
    Command::SetMarkPrice(SetMarkPrice { instrument_id: INSTRUMENT, price: PriceTicks(price) })
}

fn features(features: u32, max_triggers: u32) -> Command {
    Command::SetFeatures(SetFeatures { instrument_id: INSTRUMENT, features, max_triggers })
}

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

trait IntoCommand {
    fn command(self) -> Command;
}

impl IntoCommand for NewOrder {
    fn command(self) -> Command {
        Command::NewOrder(self)
    }
}

impl IntoCommand for Command {
    fn command(self) -> Command {
        self
    }
}

impl IntoCommand for CancelOrder {
    fn command(self) -> Command {
        Command::CancelOrder(self)
    }
}

impl IntoCommand for ReplaceOrder {
    fn command(self) -> Command {
        Command::ReplaceOrder(self)
    }
}

// 1: kinds of orders

#[test]
fn every_wrong_term_has_its_reason() {
    use RejectReason as R;
    let plain = || limit(ALICE, BUY, 10, 100);
    let with = |terms_: Terms| terms(plain(), terms_);
    let none = Terms::NONE;
    let day = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Day, ..order };
    let ioc = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Ioc, ..order };
    let fok = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Fok, ..order };
    let gtd = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Gtd, ..order };
    let post = |order: NewOrder| NewOrder { post_only: true, ..order };
    let quote = |order: NewOrder| NewOrder { quantity: Lots(0), quote_quantity: Amount(50), ..order };
    let mtl = || market_to_limit(ALICE, BUY, 10);
    let cases = [
        ("market gtc", NewOrder { time_in_force: TimeInForce::Gtc, ..market(ALICE, BUY, 1) }, R::InvalidTimeInForce),
        ("stop day", day(stop(ALICE, BUY, 1, 5)), R::InvalidTimeInForce),
        ("stop by quote fok", fok(quote(stop(ALICE, BUY, 1, 5))), R::InvalidTimeInForce),
        ("market_to_limit fok", fok(mtl()), R::InvalidTimeInForce),
        ("post-only ioc", post(ioc(plain())), R::InvalidPostOnly),
        ("post-only market_to_limit", post(mtl()), R::InvalidPostOnly),
        ("market_to_limit with a price", NewOrder { price: PriceTicks(1), ..mtl() }, R::PriceNotAllowed),
        ("stop_limit without a price", stop_limit(ALICE, BUY, 1, 0, 5), R::InvalidPrice),
        ("limit by quote", quote(plain()), R::QuoteQuantityNotAllowed),
        ("market_to_limit by quote", quote(mtl()), R::QuoteQuantityNotAllowed),
        ("stop without trigger", stop(ALICE, BUY, 1, 0), R::InvalidTriggerPrice),
        ("stop with a negative trigger", stop(ALICE, BUY, 1, -1), R::InvalidTriggerPrice),
        ("limit with a trigger", with(trigger(5)), R::InvalidTriggerPrice),
        ("limit by mark", with(Terms { trigger_by: TriggerBy::Mark, ..none }), R::InvalidTriggerPrice),
        ("limit that trails", with(Terms { trail_bps: 1, ..none }), R::InvalidTrail),
        ("trails too far", terms(stop(ALICE, BUY, 1, 5), Terms { trail_bps: 10_000, ..none }), R::InvalidTrail),
        ("peak above quantity", iceberg(ALICE, BUY, 10, 100, 11), R::InvalidDisplayQuantity),
        ("negative peak", iceberg(ALICE, BUY, 10, 100, -1), R::InvalidDisplayQuantity),
        ("ioc iceberg", ioc(iceberg(ALICE, BUY, 10, 100, 1)), R::InvalidDisplayQuantity),
        ("hidden iceberg", with(Terms { display_quantity: Lots(1), hidden: true, ..none }), R::InvalidDisplayQuantity),
        ("hidden post-only", post(hidden(ALICE, BUY, 10, 100)), R::InvalidHidden),
        ("hidden ioc", ioc(hidden(ALICE, BUY, 10, 100)), R::InvalidHidden),
        ("minimum above quantity", minimum(plain(), 11), R::InvalidMinimumQuantity),
        ("minimum of a market order", minimum(market(ALICE, BUY, 10), 1), R::InvalidMinimumQuantity),
        ("minimum fok", minimum(fok(plain()), 1), R::InvalidMinimumQuantity),
        ("minimum post-only", minimum(post(plain()), 1), R::InvalidMinimumQuantity),
        ("gtd without time", gtd(plain()), R::InvalidExpireTime),
        ("gtd now", gtd(with(Terms { expire_time_ns: SECOND, ..none })), R::InvalidExpireTime),
        ("gtc with a time", with(Terms { expire_time_ns: 2 * SECOND, ..none }), R::InvalidExpireTime),
        ("slide without post-only", with(Terms { slide: true, ..none }), R::InvalidSlide),
        ("market peg without offset", pegged(ALICE, BUY, 1, 9, Peg::Market, 0), R::InvalidPeg),
        ("negative offset", pegged(ALICE, BUY, 1, 9, Peg::Primary, -1), R::InvalidPeg),
        ("offset too large", pegged(ALICE, BUY, 1, 9, Peg::Primary, 1_000_001), R::InvalidPeg),
        ("offset without peg", with(Terms { peg_offset: 1, ..none }), R::InvalidPeg),
        ("pegged ioc", ioc(pegged(ALICE, BUY, 1, 9, Peg::Primary, 0)), R::InvalidPeg),
        ("pegged post-only", post(pegged(ALICE, BUY, 1, 9, Peg::Primary, 0)), R::InvalidPeg),
        ("key", NewOrder { key_id: KeyId(4_096), ..plain() }, R::InvalidKey),
        ("two wrong, the lower number", with(Terms { slide: true, trail_bps: 1, ..none }), R::InvalidTrail),
        ("market_to_limit into nothing", mtl(), R::NoReferencePrice),
        ("peg into nothing", pegged(ALICE, BUY, 1, 9, Peg::Primary, 0), R::NoReferencePrice),
        ("stop_limit of the poor", stop_limit(POOR, BUY, 1, 5, 5), R::InsufficientFunds),
        ("stop sell of the poor", stop(POOR, SELL, 1, 5), R::InsufficientFunds),
    ];
    for (name, command, reason) in cases {
        let mut venue = Venue::new();
        assert_eq!(venue.run(command), [format!("rejected {}", reason.as_str())], "{name}");
    }
}

#[test]
fn auction_only_orders_say_nothing_else() {
    let only = |order: NewOrder| terms(order, Terms { auction_only: true, ..Terms::NONE });
    let gtc = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Gtc, ..order };
    let gtd = NewOrder { time_in_force: TimeInForce::Gtd, ..limit(ALICE, BUY, 2, 10) };
    let with_peak = Terms { auction_only: true, display_quantity: Lots(1), ..Terms::NONE };
    let mut venue = Venue::new();
    venue.refused(only(limit(ALICE, BUY, 2, 10)), RejectReason::AuctionOnlyNotAllowed);
    venue.run(status(TradingStatus::Auction));
    venue.refused(
        terms(gtd, Terms { auction_only: true, expire_time_ns: 2 * SECOND, ..Terms::NONE }),
        RejectReason::InvalidAuctionOnly,
    );
    venue.refused(terms(limit(ALICE, BUY, 2, 10), with_peak), RejectReason::InvalidAuctionOnly);
    venue.refused(only(gtc(stop(ALICE, SELL, 2, 10))), RejectReason::InvalidTimeInForce);
    venue.refused(
        NewOrder { quantity: Lots(0), quote_quantity: Amount(5), ..only(gtc(market(ALICE, SELL, 0))) },
        RejectReason::NotInAuction,
    );
    venue.case(only(limit(ALICE, SELL, 2, 10)), &["#1 new 2@10 shows 0 holds 2", "#1 terms trigger 0 limit 0"]);
    // A market order stands before all others.
    venue.case(only(gtc(market(ALICE, SELL, 2))), &["#2 new 2@0 shows 0 holds 2", "#2 terms trigger 0 limit 0"]);
    let prices: Vec<i64> = venue.naive.depth(INSTRUMENT, SELL).iter().map(|level| level.0 .0).collect();
    assert_eq!(prices, [10], "market data has no price for it");
}

#[test]
fn what_an_instrument_does_not_take_is_refused() {
    use beurs_engine::command::feature as f;
    let orders = [
        (f::CONDITIONAL, stop(ALICE, BUY, 1, 5).command()),
        (f::ICEBERG, iceberg(ALICE, BUY, 2, 5, 1).command()),
        (f::HIDDEN, hidden(ALICE, BUY, 2, 5).command()),
        (f::PEGGED, pegged(ALICE, BUY, 2, 5, Peg::Primary, 0).command()),
        (f::MARKET_TO_LIMIT, market_to_limit(ALICE, BUY, 2).command()),
        (f::SLIDE, sliding(ALICE, BUY, 2, 5).command()),
        (f::MINIMUM_QUANTITY, minimum(limit(ALICE, BUY, 2, 5), 1).command()),
        (f::ORDER_LISTS, list(Contingency::Oto, vec![limit(ALICE, BUY, 2, 5), limit(ALICE, SELL, 2, 5)])),
    ];
    for (bit, command) in orders {
        let mut venue = Venue::new();
        venue.case(features(f::ALL & !bit, 1), &["set features"]);
        venue.refused(command.clone(), RejectReason::OrderTypeNotAllowed);
        venue.case(features(f::ALL, 1), &["set features"]);
        assert!(!venue.run(command).contains(&"rejected order_type_not_allowed".to_string()));
    }
    let mut venue = Venue::new();
    venue.refused(features(256, 1), RejectReason::InvalidFeatures);
    venue.refused(features(0, 0), RejectReason::InvalidFeatures);
    venue.refused(features(0, 100_001), RejectReason::InvalidFeatures);
}

#[test]
fn terms_that_say_nothing_are_no_terms() {
    let mut venue = Venue::new();
    venue.case(terms(limit(ALICE, BUY, 1, 5), Terms::NONE), &["#1 new 1@5 shows 0 holds 5"]);
}

// 2: conditional orders

#[test]
fn stop_waits_for_a_rise_or_a_fall_and_a_take_profit_for_the_other() {
    for (take, side, at, misses, fires) in
        [(false, BUY, 105, 104, 105), (false, SELL, 95, 96, 95), (true, BUY, 95, 96, 95), (true, SELL, 105, 104, 105)]
    {
        let mut venue = Venue::new();
        venue.last(100);
        let order = if take { take_profit(ALICE, side, 1, at) } else { stop(ALICE, side, 1, at) };
        let holds = if side == SELL { 1 } else { 0 };
        venue.case(
            order,
            &[&format!("#3 new 1@0 shows 0 holds {holds}"), &format!("#3 terms trigger {at} limit 0 waits")],
        );
        assert_eq!(venue.last(misses).len(), 3, "{take} {side:?}");
        let lines = venue.last(fires);
        let expected = [
            format!("#3 triggered 1@0 shows 0 holds {holds}"),
            format!("#3 terms trigger {at} limit 0"),
            "#3 canceled no_liquidity".to_string(),
        ];
        assert_eq!(lines[3..], expected, "{take} {side:?}");
    }
}

#[test]
fn condition_that_is_met_on_entry_triggers_at_once() {
    let mut venue = Venue::new();
    venue.last(100);
    venue.run(limit(BOB, SELL, 2, 101));
    venue.case(
        stop_limit(ALICE, BUY, 3, 101, 100),
        &[
            "#4 new 3@101 shows 0 holds 303",
            "#4 terms trigger 100 limit 0 waits",
            "#4 triggered 3@101 shows 0 holds 303",
            "#4 terms trigger 100 limit 0",
            "#4 taker 2@101 with #3, leaves 1 shows 0 holds 101",
            "#3 maker 2@101 with #4, leaves 0 shows 0 holds 0",
        ],
    );
    assert_eq!(venue.naive.depth(INSTRUMENT, BUY), [(PriceTicks(101), 1, 1)]);
}

#[test]
fn nothing_triggers_outside_open_and_what_is_met_does_when_it_opens() {
    let mut venue = Venue::new();
    venue.case(status(TradingStatus::Auction), &["status auction requested"]);
    let order = stop_limit(ALICE, BUY, 1, 50, 40);
    let by_mark = Terms { trigger_by: TriggerBy::Mark, ..trigger(40) };
    venue.case(terms(order, by_mark), &["#1 new 1@50 shows 0 holds 50", "#1 terms trigger 40 limit 0 waits"]);
    venue.case(mark(41), &["mark 41"]);
    venue.case(
        status(TradingStatus::Open),
        &["auction 0@0", "status open requested", "#1 triggered 1@50 shows 0 holds 50", "#1 terms trigger 40 limit 0"],
    );
}

#[test]
fn best_prices_trigger_the_side_that_would_trade_there() {
    let mut venue = Venue::new();
    let by_best = |price| Terms { trigger_by: TriggerBy::Best, ..trigger(price) };
    venue.run(limit(BOB, SELL, 5, 100));
    venue.run(limit(BOB, BUY, 5, 90));
    venue.run(terms(take_profit(ALICE, BUY, 1, 0), by_best(95)));
    venue.run(terms(take_profit(ALICE, SELL, 1, 0), by_best(95)));
    // The ask comes down to 95. Hidden orders count.
    venue.case(
        hidden(BOB, SELL, 5, 95),
        &[
            "#5 new 5@95 shows 0 holds 5",
            "#5 terms trigger 0 limit 0",
            "#3 triggered 1@0 shows 0 holds 0",
            "#3 terms trigger 95 limit 0",
            "#3 taker 1@95 with #5, leaves 0 shows 0 holds 0",
            "#5 maker 1@95 with #3, leaves 4 shows 0 holds 4",
        ],
    );
    venue.run(cancel(BOB, 5));
    assert_eq!(venue.run(limit(BOB, BUY, 1, 95)).len(), 5, "the bid comes up to 95");
}

#[test]
fn funds_are_looked_at_again_on_triggering() {
    let mut venue = Venue::new();
    venue.raw(Command::Deposit(Deposit { account_id: POOR, asset_id: QUOTE, amount: Amount(10) }));
    venue.run(stop(POOR, BUY, 1, 100));
    venue.run(limit(BOB, SELL, 5, 101));
    assert_eq!(
        venue.last(100)[3..],
        ["#1 triggered 1@0 shows 0 holds 0", "#1 terms trigger 100 limit 0", "#1 canceled insufficient_funds"]
    );
}

#[test]
fn post_only_order_that_would_match_when_it_triggers_is_canceled() {
    let mut venue = Venue::new();
    venue.run(limit(BOB, SELL, 1, 101));
    venue.run(NewOrder { post_only: true, ..stop_limit(ALICE, BUY, 1, 101, 100) });
    assert_eq!(
        venue.last(100)[3..],
        ["#2 triggered 1@101 shows 0 holds 101", "#2 terms trigger 100 limit 0", "#2 canceled refused"]
    );
}

/// A published case: prices seen one after the other, and the one that triggers.
struct Trail {
    id: &'static str,
    side: Side,
    activation: i64,
    trail_bps: u16,
    limit: i64,
    prices: [i64; 6],
    triggers_at: i64,
}

#[test]
fn trailing_stops_trigger_where_the_published_cases_say() {
    let cases = [
        Trail {
            id: "binance-trail-A",
            side: BUY,
            activation: 44_000,
            trail_bps: 500,
            limit: 45_000,
            prices: [40_000, 37_000, 45_000, 46_000, 42_000, 44_100],
            triggers_at: 44_100,
        },
        Trail {
            id: "binance-trail-B",
            side: SELL,
            activation: 39_000,
            trail_bps: 1_000,
            limit: 38_000,
            prices: [40_000, 41_500, 39_000, 37_000, 41_000, 36_900],
            triggers_at: 36_900,
        },
    ];
    for case in cases {
        let mut venue = Venue::new();
        let trailing = Terms { trail_bps: case.trail_bps, trigger_by: TriggerBy::Mark, ..trigger(case.activation) };
        let order = stop_limit(ALICE, case.side, 1, case.limit, case.activation);
        venue.run(terms(order, trailing));
        for price in case.prices {
            let lines = venue.run(mark(price));
            assert_eq!(lines.len() > 1, price == case.triggers_at, "{} at {price}: {lines:?}", case.id);
            if lines.len() > 1 {
                assert!(lines[1].starts_with("#1 triggered"), "{}", case.id);
                assert_eq!(lines[2], format!("#1 terms trigger {} limit 0", case.activation), "{}", case.id);
            }
        }
    }
}

#[test]
fn trailing_order_without_activation_begins_with_the_first_price() {
    let mut venue = Venue::new();
    let trailing = Terms { trail_bps: 1_000, trigger_by: TriggerBy::Mark, ..Terms::NONE };
    venue.case(
        terms(stop(ALICE, SELL, 1, 0), trailing),
        &["#1 new 1@0 shows 0 holds 1", "#1 terms trigger 0 limit 0 waits"],
    );
    venue.case(mark(1_005), &["mark 1005"]);
    // 1,005 × 0.9 = 904.5
    venue.case(
        terms(stop(ALICE, SELL, 1, 0), trailing),
        &["#2 new 1@0 shows 0 holds 1", "#2 terms trigger 904 limit 0 waits"],
    );
    venue.case(mark(905), &["mark 905"]);
    assert_eq!(venue.run(mark(904)).len(), 7, "both trigger");
    venue.case(
        terms(stop(ALICE, BUY, 1, 0), trailing),
        &["#3 new 1@0 shows 0 holds 0", "#3 terms trigger 995 limit 0 waits"],
    );
}

#[test]
fn rises_trigger_before_falls_by_trigger_price_and_then_order_id() {
    let mut venue = Venue::new();
    let by_mark = |order: NewOrder, price| terms(order, Terms { trigger_by: TriggerBy::Mark, ..trigger(price) });
    for price in [90, 95, 95] {
        venue.run(by_mark(stop(ALICE, BUY, 1, 0), price));
    }
    for price in [110, 120, 120] {
        venue.run(by_mark(stop(ALICE, SELL, 1, 0), price));
    }
    let lines = venue.run(mark(100));
    let order: Vec<&str> = lines.iter().filter(|line| line.contains("triggered")).map(|line| &line[..2]).collect();
    assert_eq!(order, ["#1", "#2", "#3", "#5", "#6", "#4"]);
}

/// cascade-1: each stop's trade triggers the next one.
fn cascade() -> Venue {
    let mut venue = Venue::new();
    venue.last(100);
    for (price, quantity) in [(99, 10), (98, 10), (97, 10), (96, 50)] {
        venue.run(limit(BOB, BUY, quantity, price));
    }
    venue.run(limit(BOB, SELL, 10, 100));
    for price in [99, 98, 97] {
        venue.run(stop(ALICE, SELL, 10, price));
    }
    venue
}

#[test]
fn triggered_orders_trigger_others() {
    let mut venue = cascade();
    assert_eq!(venue.trades(limit(CAROL, SELL, 10, 99)), [(3, 10, 99), (4, 10, 98), (5, 10, 97), (6, 10, 96)]);
    assert_eq!(venue.naive.last_price(INSTRUMENT), PriceTicks(96));
}

#[test]
fn cascade_that_is_too_long_ends_in_a_volatility_auction() {
    let mut venue = cascade();
    venue.run(features(255, 2));
    venue.case(
        limit(CAROL, SELL, 10, 99),
        &[
            "#11 new 10@99 shows 0 holds 10",
            "#11 taker 10@99 with #3, leaves 0 shows 0 holds 0",
            "#3 maker 10@99 with #11, leaves 0 shows 0 holds 0",
            "#8 triggered 10@0 shows 0 holds 10",
            "#8 terms trigger 99 limit 0",
            "#8 taker 10@98 with #4, leaves 0 shows 0 holds 0",
            "#4 maker 10@98 with #8, leaves 0 shows 0 holds 0",
            "#9 triggered 10@0 shows 0 holds 10",
            "#9 terms trigger 98 limit 0",
            "#9 taker 10@97 with #5, leaves 0 shows 0 holds 0",
            "#5 maker 10@97 with #9, leaves 0 shows 0 holds 0",
            "status auction trigger_cascade",
        ],
    );
    // The third one waits until the instrument opens.
    venue.case(
        status(TradingStatus::Open),
        &[
            "auction 0@0",
            "status open requested",
            "#10 triggered 10@0 shows 0 holds 10",
            "#10 terms trigger 97 limit 0",
            "#10 taker 10@96 with #6, leaves 0 shows 0 holds 0",
            "#6 maker 10@96 with #10, leaves 40 shows 40 holds 3840",
        ],
    );
}

#[test]
fn waiting_orders_are_open_orders() {
    let mut venue = Venue::new();
    venue.run(stop_limit(ALICE, BUY, 2, 50, 60));
    venue.run(stop(ALICE, SELL, 3, 40));
    assert_eq!((venue.held(ALICE, QUOTE), venue.held(ALICE, BASE)), (100, 3));
    venue.case(cancel(ALICE, 2), &["#2 canceled requested"]);
    venue.case(
        Command::MassCancel(MassCancel {
            account_id: ALICE,
            instrument_id: InstrumentId::NONE,
            side: None,
            reason: MassCancelReason::Requested,
        }),
        &["#1 canceled mass_cancel", "mass canceled 1"],
    );
    assert_eq!((venue.held(ALICE, QUOTE), venue.held(ALICE, BASE)), (0, 0));
}

// 3: icebergs, hidden orders, minimum quantity

#[test]
fn cme_slices_resting() {
    let mut venue = Venue::new();
    venue.run(iceberg(ALICE, BUY, 2, 100, 1));
    assert_eq!(venue.trades(limit(BOB, SELL, 1, 100)), [(1, 1, 100)]);
    assert_eq!(venue.trades(limit(BOB, SELL, 1, 100)), [(1, 1, 100)]);
    assert_eq!(venue.naive.open_order_count(), 0);
}

#[test]
fn next_peak_goes_to_the_back_of_the_displayed_orders() {
    let mut venue = Venue::new();
    venue.run(iceberg(ALICE, SELL, 25, 100, 10));
    venue.run(limit(ALICE, SELL, 5, 100));
    venue.run(hidden(ALICE, SELL, 4, 100));
    assert_eq!(venue.naive.depth(INSTRUMENT, SELL), [(PriceTicks(100), 15, 2)]);
    venue.case(
        market(BOB, BUY, 32),
        &[
            "#4 new 32@0 shows 0 holds 0",
            "#4 taker 10@100 with #1, leaves 22 shows 0 holds 0",
            "#1 maker 10@100 with #4, leaves 15 shows 10 holds 15",
            "#4 taker 5@100 with #2, leaves 17 shows 0 holds 0",
            "#2 maker 5@100 with #4, leaves 0 shows 0 holds 0",
            "#4 taker 10@100 with #1, leaves 7 shows 0 holds 0",
            "#1 maker 10@100 with #4, leaves 5 shows 5 holds 5",
            "#4 taker 5@100 with #1, leaves 2 shows 0 holds 0",
            "#1 maker 5@100 with #4, leaves 0 shows 0 holds 0",
            "#4 taker 2@100 with #3, leaves 0 shows 0 holds 0",
            "#3 maker 2@100 with #4, leaves 2 shows 0 holds 2",
        ],
    );
}

#[test]
fn fill_or_kill_and_post_only_count_what_is_not_shown() {
    let mut venue = Venue::new();
    venue.run(iceberg(ALICE, SELL, 20, 100, 1));
    venue.run(hidden(ALICE, SELL, 10, 99));
    venue.refused(NewOrder { post_only: true, ..limit(BOB, BUY, 1, 99) }, RejectReason::PostOnlyWouldMatch);
    let all = NewOrder { time_in_force: TimeInForce::Fok, ..limit(BOB, BUY, 30, 100) };
    assert_eq!(venue.trades(all).iter().map(|(_, quantity, _)| quantity).sum::<i64>(), 30);
}

#[test]
fn reduced_iceberg_shows_less_only_when_less_is_left() {
    // binance-amend-iceberg
    let mut venue = Venue::new();
    venue.run(iceberg(ALICE, BUY, 20, 100, 10));
    venue.case(replace(ALICE, 1, 0, 15), &["#1 replaced 15@100 shows 10 holds 1500", "#1 terms trigger 0 limit 0"]);
    venue.case(replace(ALICE, 1, 0, 7), &["#1 replaced 7@100 shows 7 holds 700", "#1 terms trigger 0 limit 0"]);
    // A new peak enters again, behind the others.
    venue.run(limit(ALICE, BUY, 1, 100));
    let peak = |display: i64| ReplaceOrder { display_quantity: Lots(display), ..replace(ALICE, 1, 0, 0) };
    venue.case(peak(3), &["#1 replaced 7@100 shows 0 holds 700", "#1 terms trigger 0 limit 0"]);
    assert_eq!(venue.trades(market(BOB, SELL, 2)), [(2, 1, 100), (1, 1, 100)]);
    venue.refused(peak(8), RejectReason::InvalidDisplayQuantity);
    let plain = ReplaceOrder { display_quantity: Lots(1), ..replace(ALICE, 3, 0, 0) };
    venue.refused(plain, RejectReason::UnknownOrder);
}

#[test]
fn order_that_trades_less_than_its_minimum_is_canceled() {
    let mut venue = Venue::new();
    venue.run(limit(ALICE, SELL, 4, 100));
    venue.case(
        minimum(limit(BOB, BUY, 10, 100), 5),
        &["#2 new 10@100 shows 0 holds 1000", "#2 terms trigger 0 limit 0", "#2 canceled minimum_quantity"],
    );
    venue.case(
        minimum(limit(BOB, BUY, 10, 100), 4),
        &[
            "#3 new 10@100 shows 0 holds 1000",
            "#3 terms trigger 0 limit 0",
            "#3 taker 4@100 with #1, leaves 6 shows 0 holds 600",
            "#1 maker 4@100 with #3, leaves 0 shows 0 holds 0",
        ],
    );
}

// 4: lifetimes and timers

#[test]
fn timers_fire_by_due_time_then_kind_then_id() {
    let mut venue = Venue::new();
    let until = |order: NewOrder, time: i64| {
        let expiring = NewOrder { time_in_force: TimeInForce::Gtd, ..order };
        let terms_ = Terms { expire_time_ns: time, ..expiring.terms.as_deref().copied().unwrap_or(Terms::NONE) };
        terms(expiring, terms_)
    };
    venue.run(until(limit(ALICE, BUY, 1, 10), 5 * SECOND));
    venue.run(until(stop_limit(ALICE, BUY, 1, 10, 20), 3 * SECOND));
    venue.run(until(limit(BOB, BUY, 1, 11), 3 * SECOND));
    venue.run(limit(BOB, BUY, 1, 12));
    venue.case(
        Command::CancelAllAfter(CancelAllAfter { account_id: BOB, timeout_ns: 2 * SECOND }),
        &["cancel all after 3000000000"],
    );
    venue.advance(3 * SECOND - 1, &["time advanced 0"]);
    venue.advance(
        6 * SECOND,
        &[
            "#2 expired expired",
            "#3 expired expired",
            "#4 canceled cancel_all_after",
            "cancel all after 0",
            "#1 expired expired",
            "time advanced 4",
        ],
    );
}

#[test]
fn cancel_all_after_is_disarmed_by_zero() {
    let mut venue = Venue::new();
    let after = |timeout_ns| Command::CancelAllAfter(CancelAllAfter { account_id: ALICE, timeout_ns });
    venue.run(limit(ALICE, BUY, 1, 10));
    venue.refused(after(999_999), RejectReason::InvalidTimeout);
    venue.refused(after(86_400_000_000_001), RejectReason::InvalidTimeout);
    venue.refused(after(-1), RejectReason::InvalidTimeout);
    venue.case(after(1_000_000), &["cancel all after 1001000000"]);
    venue.case(after(0), &["cancel all after 0"]);
    venue.advance(2 * SECOND, &["time advanced 0"]);
}

#[test]
fn day_orders_expire_when_their_instrument_closes() {
    let mut venue = Venue::new();
    let day = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Day, ..order };
    venue.run(day(stop_limit(ALICE, BUY, 1, 10, 20)));
    venue.run(limit(ALICE, BUY, 1, 10));
    venue.run(day(limit(ALICE, BUY, 1, 10)));
    venue.case(
        status(TradingStatus::Closed),
        &["status closed requested", "#1 expired end_of_day", "#3 expired end_of_day"],
    );
}

// 5: cancel-replace and order lists

#[test]
fn cancel_replace_by_its_modes() {
    use CancelReplaceMode as Mode;
    let mut venue = Venue::new();
    let both = |order_id, mode, new_order| {
        Command::CancelReplace(Box::new(CancelReplace { cancel: cancel(ALICE, order_id), mode, new_order }))
    };
    let good = || limit(ALICE, BUY, 1, 10);
    let bad = || limit(ALICE, BUY, 0, 10);
    venue.run(good());
    venue.case(both(1, Mode::StopOnFailure, good()), &["#1 canceled requested", "#2 new 1@10 shows 0 holds 10"]);
    venue.refused(both(1, Mode::StopOnFailure, good()), RejectReason::UnknownOrder);
    venue.case(both(1, Mode::AllowFailure, good()), &["rejected unknown_order", "#3 new 1@10 shows 0 holds 10"]);
    venue.refused(both(1, Mode::AllowFailure, bad()), RejectReason::InvalidQuantity);
    venue.case(both(2, Mode::StopOnFailure, bad()), &["#2 canceled requested", "rejected invalid_quantity"]);
    let named = || NewOrder { client_order_id: text("a"), ..good() };
    venue.run(named());
    venue.case(both(4, Mode::AllowFailure, named()), &["#4 canceled requested", "rejected duplicate_client_order_id"]);
}

#[test]
fn oco_pair_holds_once_and_a_trade_of_one_ends_the_other() {
    let mut venue = Venue::new();
    venue.last(100);
    venue.case(
        list(Contingency::Oco, vec![limit(ALICE, SELL, 10, 110), stop_limit(ALICE, SELL, 10, 89, 90)]),
        &[
            "list 1 executing",
            "#3 new 10@110 shows 0 holds 10",
            "#3 terms trigger 0 limit 0",
            "#4 new 10@89 shows 0 holds 10",
            "#4 terms trigger 90 limit 0 waits",
        ],
    );
    assert_eq!(venue.held(ALICE, BASE), 10);
    venue.refused(replace(ALICE, 3, 111, 0), RejectReason::ReplaceNotAllowed);
    venue.case(
        limit(BOB, BUY, 4, 110),
        &[
            "#5 new 4@110 shows 0 holds 440",
            "#5 taker 4@110 with #3, leaves 0 shows 0 holds 0",
            "#3 maker 4@110 with #5, leaves 6 shows 6 holds 6",
            "#4 canceled order_list",
        ],
    );
    venue.case(cancel(ALICE, 3), &["#3 canceled requested", "list 1 all_done"]);
}

#[test]
fn oco_trigger_and_end_of_one_end_the_other() {
    let pair = || list(Contingency::Oco, vec![limit(ALICE, SELL, 1, 110), stop_limit(ALICE, SELL, 1, 89, 90)]);
    let mut venue = Venue::new();
    venue.run(pair());
    venue.case(cancel(ALICE, 2), &["#2 canceled requested", "#1 canceled order_list", "list 1 all_done"]);
    venue.run(pair());
    assert_eq!(
        venue.last(90)[3..],
        ["#4 triggered 1@89 shows 0 holds 1", "#4 terms trigger 90 limit 0", "#3 canceled order_list"]
    );
    // A stop that is met already: the limit order rests first.
    venue.case(
        pair(),
        &[
            "list 3 executing",
            "#7 new 1@110 shows 0 holds 1",
            "#7 terms trigger 0 limit 0",
            "#8 new 1@89 shows 0 holds 1",
            "#8 terms trigger 90 limit 0 waits",
            "#8 triggered 1@89 shows 0 holds 1",
            "#8 terms trigger 90 limit 0",
            "#7 canceled order_list",
        ],
    );
}

#[test]
fn otoco_releases_its_pair_when_the_first_is_filled() {
    let mut venue = Venue::new();
    let orders = vec![limit(ALICE, BUY, 5, 100), limit(ALICE, SELL, 5, 110), stop(ALICE, SELL, 5, 90)];
    venue.case(
        list(Contingency::Otoco, orders),
        &[
            "list 1 executing",
            "#1 new 5@100 shows 0 holds 500",
            "#1 terms trigger 0 limit 0",
            "#2 new 5@110 shows 0 holds 0",
            "#2 terms trigger 0 limit 0 waits",
            "#3 new 5@0 shows 0 holds 0",
            "#3 terms trigger 90 limit 0 waits",
        ],
    );
    assert_eq!(venue.run(limit(BOB, SELL, 2, 100)).len(), 3, "a part releases nothing");
    venue.case(
        limit(BOB, SELL, 3, 100),
        &[
            "#5 new 3@100 shows 0 holds 3",
            "#5 taker 3@100 with #1, leaves 0 shows 0 holds 0",
            "#1 maker 3@100 with #5, leaves 0 shows 0 holds 0",
            "#2 restated 5@110 shows 0 holds 5",
            "#2 terms trigger 0 limit 0",
            "#3 restated 5@0 shows 0 holds 5",
            "#3 terms trigger 90 limit 0 waits",
        ],
    );
    assert_eq!(venue.held(ALICE, BASE), 5);
    venue.case(
        market(BOB, BUY, 5),
        &[
            "#6 new 5@0 shows 0 holds 0",
            "#6 taker 5@110 with #2, leaves 0 shows 0 holds 0",
            "#2 maker 5@110 with #6, leaves 0 shows 0 holds 0",
            "#3 canceled order_list",
            "list 1 all_done",
        ],
    );
}

#[test]
fn oto_waits_for_the_whole_fill_and_ends_with_the_first() {
    let mut venue = Venue::new();
    let oto = || list(Contingency::Oto, vec![limit(ALICE, BUY, 1, 100), limit(ALICE, SELL, 1, 90)]);
    venue.run(oto());
    venue.case(cancel(ALICE, 1), &["#1 canceled requested", "#2 canceled order_list", "list 1 all_done"]);
    // The second alone: the first goes on.
    venue.run(oto());
    venue.case(cancel(ALICE, 4), &["#4 canceled requested"]);
    venue.case(cancel(ALICE, 3), &["#3 canceled requested", "list 2 all_done"]);
    // A first that is filled on entry.
    venue.run(limit(BOB, SELL, 1, 99));
    venue.run(limit(BOB, BUY, 1, 95));
    venue.case(
        oto(),
        &[
            "list 3 executing",
            "#7 new 1@100 shows 0 holds 100",
            "#7 terms trigger 0 limit 0",
            "#8 new 1@90 shows 0 holds 0",
            "#8 terms trigger 0 limit 0 waits",
            "#7 taker 1@99 with #5, leaves 0 shows 0 holds 0",
            "#5 maker 1@99 with #7, leaves 0 shows 0 holds 0",
            "#8 restated 1@90 shows 0 holds 1",
            "#8 terms trigger 0 limit 0",
            "#8 taker 1@95 with #6, leaves 0 shows 0 holds 0",
            "#6 maker 1@95 with #8, leaves 0 shows 0 holds 0",
            "list 3 all_done",
        ],
    );
}

#[test]
fn released_order_without_funds_is_canceled() {
    let mut venue = Venue::new();
    venue.raw(Command::Deposit(Deposit { account_id: POOR, asset_id: QUOTE, amount: Amount(100) }));
    venue.run(list(Contingency::Oto, vec![limit(POOR, BUY, 1, 100), limit(POOR, SELL, 2, 110)]));
    let lines = venue.run(limit(BOB, SELL, 1, 100));
    assert_eq!(lines[3..], ["#2 canceled insufficient_funds", "list 1 all_done"]);
}

#[test]
fn order_of_a_pair_that_is_reduced_ends_the_other() {
    let mut venue = Venue::new();
    venue.run(list(Contingency::Oco, vec![limit(ALICE, SELL, 5, 110), stop(ALICE, SELL, 5, 90)]));
    let own = NewOrder { self_trade_prevention: SelfTradePrevention::Decrement, ..limit(ALICE, BUY, 2, 110) };
    venue.case(
        own,
        &[
            "#3 new 2@110 shows 0 holds 220",
            "#1 restated 3@110 shows 3 holds 3",
            "#2 canceled order_list",
            "#3 canceled self_trade",
        ],
    );
}

#[test]
fn lists_of_the_wrong_shape_are_refused() {
    use Contingency as C;
    let buy = || limit(ALICE, BUY, 1, 10);
    let sell = || limit(ALICE, SELL, 1, 20);
    let cases = [
        (C::Oco, vec![]),
        (C::Oco, vec![buy()]),
        (C::Oco, vec![buy(), buy()]),
        (C::Oco, vec![stop(ALICE, BUY, 1, 30), buy()]),
        (C::Oco, vec![buy(), stop(ALICE, SELL, 1, 5)]),
        (C::Oco, vec![buy(), stop(BOB, BUY, 1, 30)]),
        (C::Oco, vec![NewOrder { time_in_force: TimeInForce::Ioc, ..buy() }, stop(ALICE, BUY, 1, 30)]),
        (C::Oto, vec![stop(ALICE, BUY, 1, 30), sell()]),
        (C::Oto, vec![buy(), market_to_limit(ALICE, SELL, 1)]),
        (C::Oto, vec![buy(), sell(), sell()]),
        (C::Otoco, vec![buy(), sell()]),
        (C::Otoco, vec![buy(), sell(), sell()]),
    ];
    for (contingency, orders) in cases {
        Venue::new().refused(list(contingency, orders), RejectReason::InvalidOrderList);
    }
    let mut venue = Venue::new();
    let named = |order| NewOrder { client_order_id: text("same"), ..order };
    venue.refused(list(C::Oto, vec![named(buy()), named(sell())]), RejectReason::DuplicateClientOrderId);
    let pair = vec![limit(POOR, SELL, 1, 20), stop(POOR, SELL, 1, 5)];
    venue.refused(list(C::Oco, pair), RejectReason::InsufficientFunds);
    venue.run(status(TradingStatus::Auction));
    venue.refused(list(C::Oto, vec![buy(), sell()]), RejectReason::NotInAuction);
}

// 6: replace

#[test]
fn waiting_order_is_replaced_and_goes_on_waiting() {
    let mut venue = Venue::new();
    venue.last(100);
    venue.run(stop_limit(ALICE, BUY, 1, 120, 110));
    venue.case(
        replace(ALICE, 3, 121, 2),
        &["#3 replaced 2@121 shows 0 holds 242", "#3 terms trigger 110 limit 0 waits"],
    );
    let trigger_at = |price: i64| ReplaceOrder { trigger_price: PriceTicks(price), ..replace(ALICE, 3, 0, 0) };
    venue.case(trigger_at(101), &["#3 replaced 2@121 shows 0 holds 242", "#3 terms trigger 101 limit 0 waits"]);
    venue.refused(trigger_at(-1), RejectReason::InvalidTriggerPrice);
    // Met by the last price: it triggers at once.
    venue.case(
        trigger_at(100),
        &[
            "#3 replaced 2@121 shows 0 holds 242",
            "#3 terms trigger 100 limit 0 waits",
            "#3 triggered 2@121 shows 0 holds 242",
            "#3 terms trigger 100 limit 0",
        ],
    );
    venue.refused(trigger_at(100), RejectReason::ReplaceNotAllowed);
    venue.refused(
        ReplaceOrder { display_quantity: Lots(1), ..replace(ALICE, 3, 0, 0) },
        RejectReason::ReplaceNotAllowed,
    );
    venue.run(stop(ALICE, SELL, 1, 50));
    venue.refused(replace(ALICE, 4, 60, 0), RejectReason::ReplaceNotAllowed);
}

// 7: market-to-limit, slide, peg

#[test]
fn market_to_limit_takes_the_best_price_and_rests_there() {
    let mut venue = Venue::new();
    venue.run(limit(BOB, SELL, 2, 100));
    venue.run(limit(BOB, SELL, 2, 101));
    venue.case(
        market_to_limit(ALICE, BUY, 3),
        &[
            "#3 new 3@100 shows 0 holds 300",
            "#3 terms trigger 0 limit 0",
            "#3 taker 2@100 with #1, leaves 1 shows 0 holds 100",
            "#1 maker 2@100 with #3, leaves 0 shows 0 holds 0",
        ],
    );
    assert_eq!(venue.naive.depth(INSTRUMENT, BUY), [(PriceTicks(100), 1, 1)]);
}

#[test]
fn sliding_order_stands_a_tick_behind() {
    let mut venue = Venue::new();
    venue.run(limit(BOB, SELL, 2, 100));
    venue.case(sliding(ALICE, BUY, 1, 105), &["#2 new 1@99 shows 0 holds 99", "#2 terms trigger 0 limit 0"]);
    venue.case(replace(ALICE, 2, 200, 2), &["#2 replaced 2@99 shows 0 holds 198", "#2 terms trigger 0 limit 0"]);
    venue.run(limit(BOB, SELL, 1, 1));
    let mut venue = Venue::new();
    venue.run(limit(BOB, SELL, 1, 1));
    venue.refused(sliding(ALICE, BUY, 1, 5), RejectReason::PostOnlyWouldMatch);
}

#[test]
fn sliding_order_that_triggers_gets_its_price_then() {
    let mut venue = Venue::new();
    let sliding_stop = Terms { slide: true, ..trigger(100) };
    let order = NewOrder { post_only: true, ..stop_limit(ALICE, BUY, 1, 105, 100) };
    venue.run(terms(order, sliding_stop));
    venue.run(limit(BOB, SELL, 1, 103));
    assert_eq!(venue.last(100)[3..], ["#1 triggered 1@102 shows 0 holds 102", "#1 terms trigger 100 limit 0"]);
}

#[test]
fn pegged_orders_follow_and_keep_to_their_worst_price() {
    let mut venue = Venue::new();
    venue.run(limit(BOB, BUY, 1, 100));
    venue.case(
        pegged(ALICE, BUY, 1, 103, Peg::Primary, 1),
        &["#2 new 1@99 shows 0 holds 103", "#2 terms trigger 0 limit 103"],
    );
    venue.case(limit(BOB, BUY, 1, 102), &["#3 new 1@102 shows 0 holds 102", "#2 restated 1@101 shows 1 holds 103"]);
    venue.case(limit(BOB, BUY, 1, 110), &["#4 new 1@110 shows 0 holds 110", "#2 restated 1@103 shows 1 holds 103"]);
    // Without anything to follow it stays.
    venue.run(cancel(BOB, 4));
    venue.run(cancel(BOB, 1));
    venue.case(cancel(BOB, 3), &["#3 canceled requested"]);
    assert_eq!(venue.naive.depth(INSTRUMENT, BUY), [(PriceTicks(101), 1, 1)]);
    // It does not match with another pegged order.
    venue.run(limit(BOB, SELL, 1, 104));
    venue.case(
        pegged(ALICE, BUY, 1, 200, Peg::Market, 1),
        &["#6 new 1@103 shows 0 holds 200", "#6 terms trigger 0 limit 200"],
    );
    venue.case(pegged(CAROL, SELL, 1, 1, Peg::Market, 1), &["rejected no_reference_price"]);
    venue.case(limit(BOB, BUY, 1, 50), &["#7 new 1@50 shows 0 holds 50", "#2 restated 1@49 shows 1 holds 103"]);
    venue.case(
        pegged(CAROL, SELL, 1, 1, Peg::Market, 1),
        &["#8 new 1@104 shows 0 holds 1", "#8 terms trigger 0 limit 1"],
    );
}

// 8: matching in proportion

fn pro_rata(top_max: i64, lead_percent: u8, fifo_percent: u8, min_allocation: i64, leveling: bool) -> Command {
    Command::SetMatching(SetMatching {
        instrument_id: INSTRUMENT,
        algorithm: MatchingAlgorithm::ProRata,
        top_max: Lots(top_max),
        lead_percent,
        fifo_percent,
        min_allocation: Lots(min_allocation),
        leveling,
    })
}

/// Resting quantities, oldest first, and what each gets of an incoming one.
struct Sharing {
    id: &'static str,
    top_max: i64,
    min_allocation: i64,
    resting: &'static [i64],
    incoming: i64,
    expected: &'static [i64],
}

#[test]
fn published_cases_of_sharing_in_proportion() {
    let cases = [
        Sharing {
            id: "cme-2005",
            top_max: 1_000,
            min_allocation: 2,
            resting: &[10, 5, 20, 50, 75],
            incoming: 60,
            expected: &[10, 3, 6, 16, 25],
        },
        Sharing {
            id: "simple",
            top_max: 0,
            min_allocation: 1,
            resting: &[100, 200, 700],
            incoming: 100,
            expected: &[10, 20, 70],
        },
        Sharing {
            id: "cme-alloc-1",
            top_max: 1_000,
            min_allocation: 2,
            resting: &[2, 56, 42],
            incoming: 50,
            expected: &[2, 28, 20],
        },
        Sharing {
            id: "cme-alloc-2",
            top_max: 1_000,
            min_allocation: 2,
            resting: &[28, 22],
            incoming: 50,
            expected: &[28, 22],
        },
    ];
    for case in cases {
        let mut venue = Venue::new();
        venue.case(pro_rata(case.top_max, 0, 0, case.min_allocation, false), &["set matching"]);
        for quantity in case.resting {
            venue.run(limit(ALICE, SELL, *quantity, 100));
        }
        let mut got = vec![0; case.resting.len()];
        for (maker, quantity, _) in venue.trades(limit(BOB, BUY, case.incoming, 100)) {
            got[maker as usize - 1] += quantity;
        }
        assert_eq!(got, case.expected, "{}", case.id);
    }
}

#[test]
fn top_order_loses_its_place_when_it_leaves_and_no_other_gets_it() {
    let mut venue = Venue::new();
    venue.run(pro_rata(5, 0, 0, 1, false));
    venue.run(limit(ALICE, SELL, 10, 100));
    venue.run(limit(ALICE, SELL, 10, 100));
    venue.run(limit(ALICE, SELL, 20, 101));
    venue.run(limit(ALICE, SELL, 20, 101));
    // 5 for the top one, and of the other 6 in proportion 5 : 10.
    assert_eq!(venue.trades(market(BOB, BUY, 11)), [(1, 5, 100), (1, 2, 100), (2, 4, 100)]);
    venue.run(cancel(ALICE, 1));
    venue.run(cancel(ALICE, 2));
    // 101 was never a new best price.
    assert_eq!(venue.trades(market(BOB, BUY, 10)), [(3, 5, 101), (4, 5, 101)]);
}

#[test]
fn lead_market_makers_then_time_then_proportion_then_a_lot_each() {
    let mut venue = Venue::new();
    venue.run(pro_rata(0, 40, 50, 10, true));
    let lead = |account_id, share| {
        Command::SetLeadMarketMaker(SetLeadMarketMaker { instrument_id: INSTRUMENT, account_id, share })
    };
    venue.case(lead(ALICE, 3), &["set lead_market_maker"]);
    venue.run(lead(BOB, 1));
    venue.run(limit(CAROL, SELL, 100, 100));
    venue.run(limit(ALICE, SELL, 50, 100));
    venue.run(limit(BOB, SELL, 50, 100));
    // 40 for the leads: 30 and 10. 30 by time, to the first. 30 in proportion to 70 : 20 : 40: 16, 4 and 9, of which
    // the last two are too few; a lot for each of those, and 12 more by time.
    assert_eq!(
        venue.trades(market(CAROL, BUY, 100)),
        [(2, 30, 100), (3, 10, 100), (1, 30, 100), (1, 16, 100), (2, 1, 100), (3, 1, 100), (1, 12, 100)]
    );
    venue.refused(pro_rata(0, 0, 0, 1, false), RejectReason::BookNotEmpty);
    venue.refused(pro_rata(0, 101, 0, 1, false), RejectReason::InvalidMatching);
    venue.refused(lead(BOB, 10_001), RejectReason::InvalidMatching);
}

#[test]
fn shared_level_shows_its_peaks_when_all_displayed_has_traded_and_then_what_is_hidden() {
    let mut venue = Venue::new();
    venue.run(pro_rata(0, 0, 0, 1, false));
    venue.run(iceberg(ALICE, SELL, 20, 100, 5));
    venue.run(limit(ALICE, SELL, 5, 100));
    venue.run(hidden(ALICE, SELL, 5, 100));
    assert_eq!(venue.trades(market(BOB, BUY, 12)), [(1, 5, 100), (2, 5, 100), (1, 2, 100)]);
    assert_eq!(venue.trades(market(BOB, BUY, 15)), [(1, 3, 100), (1, 5, 100), (1, 5, 100), (3, 2, 100)]);
}

#[test]
fn own_orders_are_dealt_with_before_a_level_is_shared() {
    use SelfTradePrevention as Stp;
    for (mode, expected) in [
        (Stp::ExpireTaker, vec!["#4 canceled self_trade"]),
        (Stp::ExpireBoth, vec!["#2 canceled self_trade", "#4 canceled self_trade"]),
        (
            Stp::ExpireMaker,
            vec![
                "#2 canceled self_trade",
                "#3 canceled self_trade",
                "#4 taker 8@100 with #1, leaves 0 shows 0 holds 0",
                "#1 maker 8@100 with #4, leaves 2 shows 2 holds 2",
            ],
        ),
        (
            Stp::Decrement,
            vec![
                "#2 canceled self_trade",
                "#4 restated 5@100 shows 0 holds 500",
                "#3 canceled self_trade",
                "#4 restated 2@100 shows 0 holds 200",
                "#4 taker 2@100 with #1, leaves 0 shows 0 holds 0",
                "#1 maker 2@100 with #4, leaves 8 shows 8 holds 8",
            ],
        ),
    ] {
        let mut venue = Venue::new();
        venue.run(pro_rata(0, 0, 0, 1, false));
        venue.run(limit(ALICE, SELL, 10, 100));
        venue.run(limit(BOB, SELL, 3, 100));
        venue.run(limit(BOB, SELL, 3, 100));
        let lines = venue.run(NewOrder { self_trade_prevention: mode, ..limit(BOB, BUY, 8, 100) });
        assert_eq!(lines[1..], expected, "{mode:?}");
    }
}

// 9: trade groups

#[test]
fn accounts_of_one_trade_group_do_not_trade_with_each_other() {
    let mut venue = Venue::new();
    let group = |account_id, trade_group_id| Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id });
    let taker = || NewOrder { self_trade_prevention: SelfTradePrevention::ExpireTaker, ..limit(BOB, BUY, 1, 100) };
    venue.run(limit(ALICE, SELL, 2, 100));
    venue.case(group(ALICE, 7), &["set trade_group"]);
    assert_eq!(venue.trades(taker()).len(), 1, "one of a group and one of none");
    venue.run(group(BOB, 7));
    venue.case(taker(), &["#3 new 1@100 shows 0 holds 100", "#3 canceled self_trade"]);
    venue.run(group(ALICE, 0));
    venue.run(group(BOB, 0));
    assert_eq!(venue.trades(taker()).len(), 1, "0 is no group");
}

// All of them together

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn price(&mut self) -> i64 {
        90 + self.below(20) as i64
    }

    fn quantity(&mut self) -> i64 {
        1 + self.below(12) as i64
    }

    fn new_order(&mut self, now: i64) -> NewOrder {
        let account_id = self.pick(&[ALICE, ALICE, BOB, BOB, CAROL, POOR]);
        let side = self.pick(Side::ALL);
        let order_type = self.pick(&[
            OrderType::Limit,
            OrderType::Limit,
            OrderType::Limit,
            OrderType::Market,
            OrderType::Stop,
            OrderType::StopLimit,
            OrderType::TakeProfit,
            OrderType::TakeProfitLimit,
            OrderType::MarketToLimit,
        ]);
        let limited = matches!(order_type, OrderType::Limit | OrderType::StopLimit | OrderType::TakeProfitLimit);
        let conditional =
            limited && order_type != OrderType::Limit || matches!(order_type, OrderType::Stop | OrderType::TakeProfit);
        let resting = limited || order_type == OrderType::MarketToLimit;
        let lifetimes: &[TimeInForce] = if resting {
            &[
                TimeInForce::Gtc,
                TimeInForce::Gtc,
                TimeInForce::Gtd,
                TimeInForce::Day,
                TimeInForce::Ioc,
                TimeInForce::Fok,
            ]
        } else {
            &[TimeInForce::Ioc, TimeInForce::Ioc, TimeInForce::Fok]
        };
        let time_in_force = self.pick(lifetimes);
        let price = if limited { self.price() } else { 0 };
        let mut order = NewOrder { order_type, time_in_force, ..limit(account_id, side, self.quantity(), price) };
        order.self_trade_prevention = self.pick(SelfTradePrevention::ALL);
        if !resting && time_in_force == TimeInForce::Ioc && self.one_in(4) {
            order.quantity = Lots(0);
            order.quote_quantity = Amount(1 + i128::from(self.below(1_500)));
        }
        let mut t = Terms::NONE;
        if conditional {
            t.trigger_price = PriceTicks(self.price());
            t.trigger_by = self.pick(TriggerBy::ALL);
            if self.one_in(3) {
                t.trail_bps = 1 + self.below(1_000) as u16;
                t.trigger_price = PriceTicks(if self.one_in(2) { 0 } else { t.trigger_price.0 });
            }
        }
        if time_in_force == TimeInForce::Gtd {
            t.expire_time_ns = now + 1 + self.below(200) as i64;
        }
        match self.below(10) {
            0 | 1 => t.display_quantity = Lots(1 + self.below(order.quantity.0.max(1) as u64) as i64),
            2 => t.hidden = true,
            3 => t.min_quantity = Lots(1 + self.below(order.quantity.0.max(1) as u64) as i64),
            4 | 5 if order_type == OrderType::Limit => {
                t.peg = self.pick(&[Peg::Primary, Peg::Market]);
                t.peg_offset = self.below(4) as i64;
            }
            6 => order.post_only = true,
            7 => (order.post_only, t.slide) = (true, true),
            _ => {}
        }
        terms(order, t)
    }

    fn list(&mut self, now: i64) -> Command {
        let contingency = self.pick(Contingency::ALL);
        let account_id = self.pick(&[ALICE, BOB, CAROL]);
        let mut orders = Vec::new();
        let count = if contingency == Contingency::Otoco { 3 } else { 2 };
        for place in 0..count {
            let mut order = self.new_order(now);
            order.account_id = account_id;
            if place == 0 && contingency != Contingency::Oco {
                let (side, price, quantity) = (self.pick(Side::ALL), self.price(), self.quantity());
                order = limit(account_id, side, quantity, price);
            } else if contingency != Contingency::Oto {
                let side = orders.get(usize::from(count == 3)).map_or(order.side, |first: &NewOrder| first.side);
                let (price, trigger_price, quantity) = (self.price(), self.price(), self.quantity());
                let first = place + 2 == count;
                order = match (first, self.below(3)) {
                    (true, 0) => take_profit(account_id, side, quantity, trigger_price),
                    (true, _) => limit(account_id, side, quantity, price),
                    (false, 0) => stop(account_id, side, quantity, trigger_price),
                    (false, _) => stop_limit(account_id, side, quantity, price, trigger_price),
                };
            }
            order.self_trade_prevention = self.pick(SelfTradePrevention::ALL);
            orders.push(order);
        }
        list(contingency, orders)
    }
}

#[test]
fn invariants_hold_whatever_is_asked() {
    let mut reached = std::collections::BTreeMap::new();
    for seed in 0..60 {
        let mut venue = Venue::new();
        let mut random = Random(seed);
        for asset_id in [BASE, QUOTE] {
            venue.raw(Command::Deposit(Deposit { account_id: POOR, asset_id, amount: Amount(1_000) }));
        }
        venue.raw(Command::SetFees(SetFees {
            instrument_id: INSTRUMENT,
            group_id: GroupId(0),
            maker_ppm: random.pick(&[-50_000, 0, 30_000]),
            taker_ppm: 60_000,
        }));
        venue.raw(features(255, 1 + random.below(5) as u32));
        if random.one_in(2) {
            let (top, lead, fifo) = (random.below(4) as i64, random.below(60) as u8, random.below(60) as u8);
            venue.raw(pro_rata(top, lead, fifo, 1 + random.below(3) as i64, random.one_in(2)));
            let account_id = ALICE;
            venue.raw(Command::SetLeadMarketMaker(SetLeadMarketMaker {
                instrument_id: INSTRUMENT,
                account_id,
                share: 3,
            }));
        }
        for account_id in [ALICE, CAROL] {
            let trade_group_id = random.below(2) as u32;
            venue.raw(Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id }));
        }
        let mut last_order = 0;
        let mut in_auction = false;
        for _ in 0..1_500 {
            venue.now += random.below(4) as i64;
            let account_id = random.pick(&[ALICE, BOB, CAROL, POOR, AccountId::NONE]);
            let order_id = last_order - random.below(last_order.min(30) + 1).min(last_order);
            let events = match random.below(40) {
                0..=17 => venue.raw(random.new_order(venue.now).command()),
                18..=20 => venue.raw(random.list(venue.now)),
                21..=23 => venue.raw(cancel(AccountId::NONE, order_id).command()),
                24..=28 => {
                    let orders = [ALICE, BOB, CAROL, POOR].map(|account_id| {
                        let mut change = replace(account_id, order_id, 0, 0);
                        if random.one_in(2) {
                            change.price = PriceTicks(random.price());
                        }
                        if random.one_in(2) {
                            change.quantity = Lots(random.quantity());
                        }
                        if random.one_in(8) {
                            change.trigger_price = PriceTicks(random.price());
                        }
                        if random.one_in(8) {
                            change.display_quantity = Lots(random.quantity());
                        }
                        change
                    });
                    orders.into_iter().flat_map(|change| venue.raw(change.command())).collect()
                }
                29 => {
                    let mode = random.pick(CancelReplaceMode::ALL);
                    let new_order = random.new_order(venue.now);
                    let cancel = cancel(new_order.account_id, order_id);
                    venue.raw(Command::CancelReplace(Box::new(CancelReplace { cancel, mode, new_order })))
                }
                30..=31 => venue.raw(mark(random.price())),
                32..=33 => venue.raw(Command::AdvanceTime),
                34 if account_id != AccountId::NONE => {
                    let timeout_ns = random.pick(&[0, 1_000_000]);
                    venue.raw(Command::CancelAllAfter(CancelAllAfter { account_id, timeout_ns }))
                }
                35 if random.one_in(10) => {
                    venue.now += 1_000_000;
                    venue.raw(Command::AdvanceTime)
                }
                36 if random.one_in(8) => {
                    let side = random.pick(&[None, Some(BUY), Some(SELL)]);
                    let instrument_id = InstrumentId::NONE;
                    venue.raw(Command::MassCancel(MassCancel {
                        account_id,
                        instrument_id,
                        side,
                        reason: MassCancelReason::Requested,
                    }))
                }
                37 if !in_auction && random.one_in(8) => venue.raw(status(random.pick(&[
                    TradingStatus::PostOnly,
                    TradingStatus::CancelOnly,
                    TradingStatus::Halted,
                    TradingStatus::Closed,
                ]))),
                38..=39 => {
                    let mut events = Vec::new();
                    if in_auction {
                        // Uncrossing is tested elsewhere.
                        let everything = MassCancel {
                            account_id: AccountId::NONE,
                            instrument_id: INSTRUMENT,
                            side: None,
                            reason: MassCancelReason::Requested,
                        };
                        events = venue.raw(Command::MassCancel(everything));
                    }
                    in_auction = false;
                    events.extend(venue.raw(status(TradingStatus::Open)));
                    events
                }
                _ => continue,
            };
            for event in &events {
                let key = match event {
                    Event::Execution(report) => {
                        last_order = last_order.max(report.order_id.0);
                        format!("{} {}", report.exec_type.as_str(), report.cancel_reason.as_str())
                    }
                    Event::TradingStatusSet(set) => {
                        in_auction = set.status == TradingStatus::Auction;
                        format!("{} {}", set.status.as_str(), set.reason.as_str())
                    }
                    Event::OrderListStatus(done) => format!("list {}", done.status.as_str()),
                    Event::Rejected(rejected) => format!("rejected {}", rejected.reason.as_str()),
                    _ => "other".to_string(),
                };
                *reached.entry(key).or_insert(0) += 1;
            }
        }
    }
    for (what, count) in &reached {
        println!("{what:<40} {count}");
    }
    for what in [
        "triggered none",
        "restated none",
        "canceled order_list",
        "canceled minimum_quantity",
        "canceled insufficient_funds",
        "canceled refused",
        "canceled cancel_all_after",
        "expired expired",
        "expired end_of_day",
        "list all_done",
        "auction trigger_cascade",
    ] {
        assert!(reached.contains_key(what), "{what} was not reached: {reached:?}");
    }
}
