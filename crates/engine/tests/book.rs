//! What the book does with orders that are more than plain: iceberg and hidden orders, minimum quantities, market-to-limit,
//! slide, peg, pro rata, trade groups; by whole event lists. The rules are those of `docs/concepts/rulebook.md`, sections 3
//! and 6 to 9.

mod common;

use beurs_engine::command::{
    CancelOrder, Command, ListInstrument, NewOrder, NewOrderList, ReplaceOrder, SetLeadMarketMaker, SetMatching,
    SetTradeGroup, Terms,
};
use beurs_engine::event::Event;
use beurs_engine::types::{
    AccountId, Amount, AssetId, ClientOrderId, Contingency, InstrumentId, KeyId, Lots, MatchingAlgorithm, OrderId,
    OrderType, Peg, PriceTicks, SelfTradePrevention, Setting, Side, Step, Symbol, TimeInForce,
};
use common::{conditional, limit, market, with, Venue};
use Side::{Buy, Sell};

fn order(order: NewOrder) -> Command {
    Command::NewOrder(order)
}

fn iceberg(account: u32, side: Side, price: i64, quantity: i64, display: i64) -> NewOrder {
    with(limit(account, side, price, quantity), |terms| terms.display_quantity = Lots(display))
}

fn hidden(account: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    with(limit(account, side, price, quantity), |terms| terms.hidden = true)
}

fn lasting(order: NewOrder, time_in_force: TimeInForce) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

fn preventing(order: NewOrder, self_trade_prevention: SelfTradePrevention) -> NewOrder {
    NewOrder { self_trade_prevention, ..order }
}

fn cancel(account: u32, order_id: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        account_id: AccountId(account),
        order_id: OrderId(order_id),
        client_order_id: ClientOrderId::EMPTY,
    })
}

fn replace(account: u32, order_id: u64) -> ReplaceOrder {
    ReplaceOrder {
        account_id: AccountId(account),
        order_id: OrderId(order_id),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(0),
        quantity: Lots(0),
        trigger_price: PriceTicks(0),
        display_quantity: Lots(0),
    }
}

/// What the book shows of a side: price, quantity, orders.
fn depth(venue: &Venue, side: Side) -> Vec<(i64, i128, u32)> {
    let levels = venue.engine.depth(InstrumentId(1), side);
    levels.map(|level| (level.price.0, level.quantity, level.orders)).collect()
}

/// The order_ids of a side in priority.
fn queue(venue: &Venue, side: Side) -> Vec<u64> {
    venue.engine.queue(InstrumentId(1), side).map(|order| order.order_id.0).collect()
}

#[test]
fn an_iceberg_shows_its_next_peak_behind_the_others() {
    let mut venue = Venue::new();
    assert_eq!(venue.say(order(iceberg(2, Sell, 100, 25, 10))), ["new 1 25@100", "terms 1 trigger 0"]);
    venue.accept(order(limit(3, Sell, 100, 5))); // 2
    assert_eq!(depth(&venue, Sell), [(100, 15, 2)]);
    assert_eq!(
        venue.say(order(limit(4, Buy, 100, 12))),
        [
            "new 3 12@100",
            "trade 3 taker 10@100",
            "trade 1 maker 10@100 shows 10",
            "trade 3 taker 2@100",
            "trade 2 maker 2@100 shows 3",
        ]
    );
    assert_eq!((queue(&venue, Sell), depth(&venue, Sell)), (vec![2, 1], vec![(100, 13, 2)]));
    assert_eq!(
        venue.say(order(limit(4, Buy, 100, 18))),
        [
            "new 4 18@100",
            "trade 4 taker 3@100",
            "trade 2 maker 3@100",
            "trade 4 taker 10@100",
            "trade 1 maker 10@100 shows 5",
            "trade 4 taker 5@100",
            "trade 1 maker 5@100",
        ]
    );
    assert_eq!(venue.held(2), (0, 0));
    venue.check_snapshot();
}

#[test]
fn an_iceberg_keeps_its_peak_when_it_shrinks_and_gets_a_new_one_when_it_enters_again() {
    let mut venue = Venue::new();
    venue.accept(order(iceberg(2, Buy, 100, 25, 10))); // 1
    venue.accept(order(limit(3, Buy, 100, 5))); // 2
    venue.accept(order(limit(4, Sell, 100, 4))); // 3
    assert_eq!(depth(&venue, Buy), [(100, 11, 2)]);
    let change = |quantity, display| {
        Command::ReplaceOrder(ReplaceOrder {
            quantity: Lots(quantity),
            display_quantity: Lots(display),
            ..replace(2, 1)
        })
    };
    // 4 have traded: 14 in all leave 10, of which 6 are shown still.
    assert_eq!(venue.say(change(14, 0)), ["replaced 1 10@100", "terms 1 trigger 0"]);
    assert_eq!((queue(&venue, Buy), depth(&venue, Buy)), (vec![1, 2], vec![(100, 11, 2)]));
    // 8 in all leave 4: less than the peak, and less than the display quantity.
    venue.accept(change(8, 0));
    assert_eq!((queue(&venue, Buy), depth(&venue, Buy)), (vec![1, 2], vec![(100, 9, 2)]));
    assert_eq!(venue.say(change(0, 9)), ["rejected invalid_display_quantity"]);
    venue.accept(change(0, 3));
    assert_eq!((queue(&venue, Buy), depth(&venue, Buy)), (vec![2, 1], vec![(100, 8, 2)]));
    assert_eq!(
        venue.say(Command::ReplaceOrder(ReplaceOrder { display_quantity: Lots(1), ..replace(3, 2) })),
        ["rejected replace_not_allowed"]
    );
    assert_eq!(venue.say(cancel(2, 1)), ["canceled 1 requested"]);
    assert_eq!((depth(&venue, Buy), venue.held(2)), (vec![(100, 5, 1)], (0, 0)));
    venue.check_snapshot();
}

#[test]
fn hidden_orders_trade_behind_displayed_ones_and_are_in_no_depth() {
    let mut venue = Venue::new();
    venue.accept(order(hidden(2, Sell, 100, 4))); // 1
    assert_eq!((depth(&venue, Sell), venue.engine.best_price(InstrumentId(1), Sell)), (vec![], None));
    venue.accept(order(hidden(3, Sell, 100, 4))); // 2
    venue.accept(order(limit(4, Sell, 100, 3))); // 3
    venue.accept(order(iceberg(5, Sell, 100, 4, 2))); // 4
    venue.accept(order(hidden(5, Sell, 99, 1))); // 5
    assert_eq!((queue(&venue, Sell), depth(&venue, Sell)), (vec![5, 3, 4, 1, 2], vec![(100, 5, 2)]));
    let post_only = NewOrder { post_only: true, ..limit(6, Buy, 99, 1) };
    assert_eq!(venue.say(order(post_only)), ["rejected post_only_would_match"]);
    assert_eq!(
        venue.say(order(lasting(limit(6, Buy, 100, 17), TimeInForce::Fok))),
        ["new 6 17@100", "canceled 6 fill_or_kill"]
    );
    assert_eq!(
        venue.say(order(lasting(limit(6, Buy, 100, 15), TimeInForce::Fok))),
        [
            "new 7 15@100",
            "trade 7 taker 1@99",
            "trade 5 maker 1@99",
            "trade 7 taker 3@100",
            "trade 3 maker 3@100",
            "trade 7 taker 2@100",
            "trade 4 maker 2@100 shows 2",
            "trade 7 taker 2@100",
            "trade 4 maker 2@100",
            "trade 7 taker 4@100",
            "trade 1 maker 4@100",
            "trade 7 taker 3@100",
            "trade 2 maker 3@100",
        ]
    );
    assert_eq!(venue.say(cancel(3, 2)), ["canceled 2 requested"]);
    venue.check_snapshot();
}

#[test]
fn makers_reports_show_what_the_book_shows() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5)));
    assert_eq!(
        venue.say(order(market(3, Buy, 2))),
        ["new 2 2@0", "trade 2 taker 2@100", "trade 1 maker 2@100 shows 3"]
    );
}

#[test]
fn a_fill_or_kill_order_foresees_an_own_order_behind_peaks() {
    // 2 of the iceberg's 10 lots come before the own order, which ends the taker.
    let mut venue = Venue::new();
    venue.accept(order(iceberg(2, Sell, 100, 10, 2))); // 1
    venue.accept(order(limit(3, Sell, 100, 5))); // 2
    venue.accept(order(hidden(4, Sell, 100, 5))); // 3
    let fill_or_kill = |quantity, mode| preventing(lasting(limit(3, Buy, 100, quantity), TimeInForce::Fok), mode);
    assert_eq!(
        venue.say(order(fill_or_kill(3, SelfTradePrevention::ExpireTaker))),
        ["new 4 3@100", "canceled 4 fill_or_kill"]
    );
    assert_eq!(
        venue.say(order(fill_or_kill(2, SelfTradePrevention::ExpireTaker))),
        ["new 5 2@100", "trade 5 taker 2@100", "trade 1 maker 2@100 shows 2"]
    );
    assert_eq!(
        venue.say(order(fill_or_kill(14, SelfTradePrevention::ExpireMaker))),
        ["new 6 14@100", "canceled 6 fill_or_kill"]
    );
    assert_eq!(
        venue.say(order(fill_or_kill(13, SelfTradePrevention::ExpireMaker))),
        [
            "new 7 13@100",
            "canceled 2 self_trade",
            "trade 7 taker 2@100",
            "trade 1 maker 2@100 shows 2",
            "trade 7 taker 2@100",
            "trade 1 maker 2@100 shows 2",
            "trade 7 taker 2@100",
            "trade 1 maker 2@100 shows 2",
            "trade 7 taker 2@100",
            "trade 1 maker 2@100",
            "trade 7 taker 5@100",
            "trade 3 maker 5@100",
        ]
    );
    assert_eq!(queue(&venue, Sell), []);
    venue.check_snapshot();
}

#[test]
fn a_decrement_takes_of_all_of_an_iceberg() {
    let mut venue = Venue::new();
    venue.accept(order(iceberg(2, Sell, 100, 10, 4))); // 1
    let taker = preventing(limit(2, Buy, 100, 8), SelfTradePrevention::Decrement);
    assert_eq!(venue.say(order(taker)), ["new 2 8@100", "restated 1 2@100", "canceled 2 self_trade"]);
    assert_eq!(depth(&venue, Sell), [(100, 2, 1)]);
    venue.check_snapshot();
}

#[test]
fn accounts_of_a_trade_group_do_not_trade_with_each_other() {
    let mut venue = Venue::new();
    let group = |account, trade_group_id| {
        Command::SetTradeGroup(SetTradeGroup { account_id: AccountId(account), trade_group_id })
    };
    let events = venue.events(group(2, 7));
    assert!(matches!(events.as_slice(), [Event::SettingChanged(set)] if set.account_id == AccountId(2)), "{events:?}");
    venue.accept(group(3, 7));
    assert_eq!(venue.say(group(10, 7)), ["rejected unknown_account"]);
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    venue.accept(order(limit(4, Sell, 100, 5))); // 2
    let taker = |account, mode| order(preventing(limit(account, Buy, 100, 4), mode));
    assert_eq!(venue.say(taker(3, SelfTradePrevention::ExpireTaker)), ["new 3 4@100", "canceled 3 self_trade"]);
    let killed = preventing(lasting(limit(3, Buy, 100, 1), TimeInForce::Fok), SelfTradePrevention::ExpireTaker);
    assert_eq!(venue.say(order(killed)), ["new 4 1@100", "canceled 4 fill_or_kill"]);
    // Without prevention they trade; so do accounts without a group, although theirs is the same.
    assert_eq!(
        venue.say(taker(3, SelfTradePrevention::None)),
        ["new 5 4@100", "trade 5 taker 4@100", "trade 1 maker 4@100 shows 1"]
    );
    venue.accept(cancel(2, 1));
    assert_eq!(
        venue.say(taker(5, SelfTradePrevention::ExpireTaker)),
        ["new 6 4@100", "trade 6 taker 4@100", "trade 2 maker 4@100 shows 1"]
    );
    venue.accept(group(3, 0));
    venue.accept(order(limit(2, Sell, 99, 1))); // 7
    assert_eq!(
        venue.say(order(preventing(limit(3, Buy, 99, 1), SelfTradePrevention::ExpireTaker))),
        ["new 8 1@99", "trade 8 taker 1@99", "trade 7 maker 1@99"]
    );
    venue.check_snapshot();
}

fn sliding(account: u32, side: Side, price: i64, quantity: i64) -> NewOrder {
    with(NewOrder { post_only: true, ..limit(account, side, price, quantity) }, |terms| terms.slide = true)
}

fn market_to_limit(account: u32, side: Side, quantity: i64) -> NewOrder {
    NewOrder { order_type: OrderType::MarketToLimit, ..limit(account, side, 0, quantity) }
}

#[test]
fn a_post_only_order_slides_one_tick_behind_the_other_side() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    venue.accept(order(limit(2, Buy, 90, 5))); // 2
    assert_eq!(venue.say(order(sliding(3, Buy, 105, 2))), ["new 3 2@99", "terms 3 trigger 0"]);
    assert_eq!(venue.held(3), (0, 198));
    assert_eq!(venue.say(order(sliding(3, Sell, 80, 2))), ["new 4 2@100", "terms 4 trigger 0"]);
    assert_eq!(venue.say(order(sliding(3, Buy, 95, 2))), ["new 5 2@95", "terms 5 trigger 0"]);
    // The same on replace, which makes it enter again.
    let up = ReplaceOrder { price: PriceTicks(101), quantity: Lots(3), ..replace(3, 5) };
    assert_eq!(venue.say(Command::ReplaceOrder(up)), ["replaced 5 3@99", "terms 5 trigger 0"]);
    assert_eq!((queue(&venue, Buy), venue.held(3)), (vec![3, 5, 2], (2, 198 + 297)));
    // Hidden orders count.
    venue.accept(order(hidden(4, Sell, 102, 1))); // 6
    for (account, order_id) in [(2, 1), (3, 4), (3, 3), (3, 5)] {
        venue.accept(cancel(account, order_id));
    }
    assert_eq!(venue.say(order(sliding(3, Buy, 105, 2))), ["new 7 2@101", "terms 7 trigger 0"]);
    venue.check_snapshot();
}

#[test]
fn an_order_that_cannot_slide_is_refused() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 1, 5))); // 1
    assert_eq!(venue.say(order(sliding(3, Buy, 1, 2))), ["rejected post_only_would_match"]);
    venue.accept(cancel(2, 1));
    let top = (1 << 53) - 1;
    venue.deposit(2, 2, 1_i128 << 60);
    venue.accept(order(limit(2, Buy, top, 2))); // 2
    assert_eq!(venue.say(order(sliding(3, Sell, 1, 1))), ["rejected post_only_would_match"]);
    venue.check_snapshot();
}

#[test]
fn a_triggered_order_slides_and_holds_for_the_price_it_got() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    let stop = with(sliding(3, Buy, 110, 2), |terms| terms.trigger_price = PriceTicks(100));
    venue.accept(order(NewOrder { order_type: OrderType::StopLimit, ..stop })); // 2
    assert_eq!(venue.held(3), (0, 220));
    assert_eq!(
        venue.say(order(limit(4, Buy, 100, 1))),
        [
            "new 3 1@100",
            "trade 3 taker 1@100",
            "trade 1 maker 1@100 shows 4",
            "triggered 2 2@99",
            "terms 2 trigger 100",
        ]
    );
    assert_eq!((venue.held(3), depth(&venue, Buy)), ((0, 198), vec![(99, 2, 1)]));
    venue.check_snapshot();
}

#[test]
fn a_triggered_post_only_order_that_would_match_is_refused() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    let stop = conditional(OrderType::StopLimit, 3, Buy, 100, 110, 2);
    venue.accept(order(NewOrder { post_only: true, ..stop })); // 2
    assert_eq!(
        venue.say(order(limit(4, Buy, 100, 1)))[3..],
        ["triggered 2 2@110", "terms 2 trigger 100", "canceled 2 refused"]
    );
    assert_eq!(venue.held(3), (0, 0));
    venue.check_snapshot();
}

#[test]
fn a_market_to_limit_order_has_the_best_price_as_its_limit() {
    let mut venue = Venue::new();
    assert_eq!(venue.say(order(market_to_limit(3, Buy, 8))), ["rejected no_reference_price"]);
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    venue.accept(order(limit(2, Sell, 101, 5))); // 2
    assert_eq!(
        venue.say(order(market_to_limit(3, Buy, 8))),
        ["new 3 8@100", "terms 3 trigger 0", "trade 3 taker 5@100", "trade 1 maker 5@100"]
    );
    assert_eq!((venue.held(3), depth(&venue, Buy)), ((0, 300), vec![(100, 3, 1)]));
    let immediate = lasting(market_to_limit(4, Sell, 4), TimeInForce::Ioc);
    assert_eq!(
        venue.say(order(immediate)),
        [
            "new 4 4@100",
            "terms 4 trigger 0",
            "trade 4 taker 3@100",
            "trade 3 maker 3@100",
            "canceled 4 immediate_or_cancel",
        ]
    );
    let fill_or_kill = lasting(market_to_limit(4, Buy, 4), TimeInForce::Fok);
    assert_eq!(venue.say(order(fill_or_kill)), ["rejected invalid_time_in_force"]);
    venue.check_snapshot();
}

#[test]
fn a_minimum_quantity_trades_at_once_or_the_order_is_canceled() {
    let mut venue = Venue::new();
    let least = |order, least| with(order, |terms| terms.min_quantity = Lots(least));
    venue.accept(order(iceberg(2, Sell, 100, 5, 1))); // 1
    venue.accept(order(hidden(2, Sell, 101, 5))); // 2
    assert_eq!(
        venue.say(order(least(limit(3, Buy, 100, 8), 6))),
        ["new 3 8@100", "terms 3 trigger 0", "canceled 3 minimum_quantity"]
    );
    assert_eq!(venue.held(3), (0, 0));
    let lines = venue.say(order(least(limit(3, Buy, 101, 12), 6)));
    assert_eq!(lines[lines.len() - 2..], ["trade 4 taker 5@101", "trade 2 maker 5@101"]);
    // It has traded enough: what is left is as without it, on a replace too.
    assert_eq!(depth(&venue, Buy), [(101, 2, 1)]);
    let up = ReplaceOrder { price: PriceTicks(102), ..replace(3, 4) };
    assert_eq!(venue.say(Command::ReplaceOrder(up)), ["replaced 4 2@102", "terms 4 trigger 0"]);
    assert_eq!(depth(&venue, Buy), [(102, 2, 1)]);
    venue.check_snapshot();
}

#[test]
fn what_waits_survives_a_snapshot_and_is_seen_from_outside() {
    let mut venue = Venue::new();
    let stop = |trigger, change: fn(&mut Terms)| {
        order(with(conditional(OrderType::StopLimit, 3, Buy, trigger, 120, 2), change))
    };
    venue.accept(stop(110, |_| {})); // 1
    venue.accept(stop(0, |terms| terms.trail_bps = 100)); // 2, has seen no price
    venue.accept(stop(111, |terms| terms.trail_bps = 100)); // 3, waits to begin
    venue.accept(order(limit(2, Sell, 105, 5))); // 4
    venue.accept(order(limit(4, Buy, 105, 1))); // 5
    venue.accept(stop(0, |terms| terms.trail_bps = 200)); // 6
    let gtd = with(lasting(iceberg(5, Sell, 106, 9, 4), TimeInForce::Gtd), |terms| terms.expire_time_ns = 5_000);
    venue.accept(order(NewOrder { key_id: KeyId(7), ..gtd })); // 7
    let pair = vec![limit(6, Sell, 108, 3), conditional(OrderType::Stop, 6, Sell, 90, 0, 4)];
    venue.accept(Command::NewOrderList(Box::new(NewOrderList { contingency: Contingency::Oco, orders: pair }))); // 8, 9
    let orders = vec![limit(7, Buy, 80, 3), limit(7, Sell, 90, 3)];
    venue.accept(Command::NewOrderList(Box::new(NewOrderList { contingency: Contingency::Oto, orders }))); // 10, 11
    venue.check_snapshot();
    let waiting: Vec<u64> = venue.engine.waiting_orders(InstrumentId(1)).map(|order| order.order_id.0).collect();
    assert_eq!(waiting, [1, 2, 3, 6, 9, 11]);
    let seen = venue.engine.order(OrderId(6)).expect("it is open");
    assert_eq!((seen.order_type, seen.price, seen.hold), (OrderType::StopLimit, PriceTicks(120), Amount(240)));
    assert!(seen.terms.is_some_and(|terms| terms.waits && terms.terms.trigger_price == PriceTicks(108)), "{seen:?}");
    let seen = venue.engine.order(OrderId(7)).expect("it is open");
    assert_eq!((seen.key_id, seen.leaves_quantity, seen.displayed_quantity), (KeyId(7), Lots(9), Lots(4)));
    let lists: Vec<_> = venue.engine.order_lists().map(|list| list.orders.map(|order_id| order_id.0)).collect();
    assert_eq!(lists, [[8, 9, 0], [10, 11, 0]]);
    venue.now_ns = 5_000;
    assert_eq!(venue.say(Command::AdvanceTime), ["expired 7 expired", "time advanced 1"]);
}

fn pegged(account: u32, side: Side, worst: i64, quantity: i64, peg: Peg, offset: i64) -> NewOrder {
    with(limit(account, side, worst, quantity), |terms| (terms.peg, terms.peg_offset) = (peg, offset))
}

#[test]
fn a_pegged_order_follows_the_best_price_within_its_bounds() {
    let mut venue = Venue::new();
    let primary = pegged(3, Buy, 110, 2, Peg::Primary, 1);
    assert_eq!(venue.say(order(primary.clone())), ["rejected no_reference_price"]);
    venue.accept(order(limit(2, Buy, 100, 5))); // 1
    assert_eq!(venue.say(order(primary)), ["new 2 2@99", "terms 2 trigger 0"]);
    assert_eq!(venue.held(3), (0, 220));
    // A better bid: it follows. It does not follow itself, nor other pegged orders.
    assert_eq!(venue.say(order(limit(4, Buy, 104, 1))), ["new 3 1@104", "restated 2 2@103"]);
    assert_eq!(
        venue.say(order(pegged(4, Buy, 105, 1, Peg::Primary, 0))), // 4
        ["new 4 1@104", "terms 4 trigger 0"]
    );
    // Without its reference order 4 follows what is left, and its worst price bounds it.
    assert_eq!(venue.say(cancel(4, 3)), ["canceled 3 requested", "restated 2 2@99", "restated 4 1@100"]);
    assert_eq!(venue.say(order(limit(2, Buy, 120, 1)))[1..], ["restated 2 2@110", "restated 4 1@105"]);
    assert_eq!(venue.held(3), (0, 220));
    // What it trades at is its present price; what it held for the worst is released.
    assert_eq!(
        venue.say(order(limit(5, Sell, 110, 2))),
        [
            "new 6 2@110",
            "trade 6 taker 1@120",
            "trade 5 maker 1@120",
            "trade 6 taker 1@110",
            "trade 2 maker 1@110 shows 1",
            "restated 2 1@99",
            "restated 4 1@100",
        ]
    );
    assert_eq!((venue.held(3), queue(&venue, Buy)), ((0, 110), vec![1, 4, 2]));
    // When the reference vanishes they stay.
    assert_eq!(venue.say(cancel(2, 1)), ["canceled 1 requested"]);
    assert_eq!(depth(&venue, Buy), [(100, 1, 1), (99, 1, 1)]);
    venue.check_snapshot();
}

#[test]
fn a_peg_to_the_market_never_matches() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    assert_eq!(venue.say(order(pegged(3, Buy, 200, 2, Peg::Market, 3))), ["new 2 2@97", "terms 2 trigger 0"]);
    // Its own side is the reference of this one, but the best opposite price bounds it, pegged or not.
    assert_eq!(venue.say(order(pegged(4, Sell, 50, 2, Peg::Market, 1))), ["rejected no_reference_price"]);
    venue.accept(order(limit(2, Buy, 90, 5))); // 3
    assert_eq!(venue.say(order(pegged(4, Sell, 50, 2, Peg::Market, 1))), ["new 4 2@98", "terms 4 trigger 0"]);
    assert_eq!(
        venue.say(order(limit(2, Sell, 95, 1)))[..3],
        ["new 5 1@95", "trade 5 taker 1@97", "trade 2 maker 1@97 shows 1"]
    );
    assert_eq!(depth(&venue, Sell), [(98, 2, 1), (100, 5, 1)]);
    // It cannot be priced at all if every price would match.
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 1, 5))); // 1
    assert_eq!(venue.say(order(pegged(3, Buy, 200, 2, Peg::Market, 3))), ["rejected no_reference_price"]);
    venue.check_snapshot();
}

#[test]
fn a_replace_of_a_pegged_order_changes_its_worst_price() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Buy, 100, 5))); // 1
    venue.accept(order(pegged(3, Buy, 110, 2, Peg::Primary, 0))); // 2
    let change = |price, quantity| {
        let change = ReplaceOrder { price: PriceTicks(price), quantity: Lots(quantity), ..replace(3, 2) };
        Command::ReplaceOrder(change)
    };
    let events = venue.events(change(98, 3));
    let [Event::Execution(report), Event::Terms(terms)] = events.as_slice() else {
        panic!("two events: {events:?}");
    };
    assert_eq!((report.price, report.hold, report.displayed_quantity), (PriceTicks(98), Amount(294), Lots(0)));
    assert_eq!(terms.limit_price, PriceTicks(98));
    assert_eq!((venue.held(3), depth(&venue, Buy)), ((0, 294), vec![(100, 5, 1), (98, 3, 1)]));
    assert_eq!(venue.say(change(105, 0)), ["replaced 2 3@100", "terms 2 trigger 0"]);
    // It keeps its place with less.
    venue.accept(order(limit(4, Buy, 100, 1))); // 3
    assert_eq!(venue.say(change(0, 1)), ["replaced 2 1@100", "terms 2 trigger 0"]);
    assert_eq!((queue(&venue, Buy), venue.held(3)), (vec![1, 2, 3], (0, 105)));
    // Without a reference it goes by where it was.
    venue.accept(cancel(2, 1));
    venue.accept(cancel(4, 3));
    assert_eq!(venue.say(change(107, 0)), ["replaced 2 1@100", "terms 2 trigger 0"]);
    assert_eq!(venue.say(cancel(3, 2)), ["canceled 2 requested"]);
    assert_eq!(venue.held(3), (0, 0));
    venue.check_snapshot();
}

#[test]
fn an_instrument_has_at_most_a_thousand_pegged_orders() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Buy, 100, 5)));
    for _ in 0..1_000 {
        venue.accept(order(pegged(3, Buy, 110, 1, Peg::Primary, 0)));
    }
    let one_more = order(pegged(3, Buy, 110, 1, Peg::Primary, 0));
    assert_eq!(venue.say(one_more.clone()), ["rejected too_many_open_orders"]);
    venue.accept(cancel(3, 2));
    venue.accept(one_more);
    assert_eq!(venue.say(order(limit(2, Buy, 101, 1))).len(), 1_001);
    venue.check_snapshot();
}

/// Pro rata: the order that made the best price gets up to `top_max` lots first.
fn pro_rata(top_max: i64, lead_percent: u8, fifo_percent: u8, leveling: bool) -> SetMatching {
    SetMatching {
        instrument_id: InstrumentId(1),
        algorithm: MatchingAlgorithm::ProRata,
        top_max: Lots(top_max),
        lead_percent,
        fifo_percent,
        min_allocation: Lots(2),
        leveling,
    }
}

fn lead(account: u32, share: u16) -> Command {
    let account_id = AccountId(account);
    Command::SetLeadMarketMaker(SetLeadMarketMaker { instrument_id: InstrumentId(1), account_id, share })
}

fn sharing(rule: SetMatching) -> Venue {
    let mut venue = Venue::new();
    let events = venue.events(Command::SetMatching(rule));
    assert!(
        matches!(events.as_slice(), [Event::SettingChanged(set)] if set.setting == Setting::Matching),
        "{events:?}"
    );
    venue
}

#[test]
fn pro_rata_shares_a_level_in_proportion() {
    let mut venue = sharing(pro_rata(10, 0, 0, false));
    venue.accept(order(limit(2, Sell, 100, 30))); // 1 makes the best price
    venue.accept(order(limit(3, Sell, 100, 60))); // 2
    venue.accept(order(limit(4, Sell, 100, 2))); // 3
                                                 // 10 for the first; of the 20 left 20×20/82 = 4 and 20×60/82 = 14, the third's 0 is nothing; 2 by time.
    assert_eq!(
        venue.say(order(limit(5, Buy, 100, 30))),
        [
            "new 4 30@100",
            "trade 4 taker 10@100",
            "trade 1 maker 10@100 shows 20",
            "trade 4 taker 4@100",
            "trade 1 maker 4@100 shows 16",
            "trade 4 taker 14@100",
            "trade 2 maker 14@100 shows 46",
            "trade 4 taker 2@100",
            "trade 1 maker 2@100 shows 14",
        ]
    );
    // It is the first still, as long as it stays and none is better.
    let lines = venue.say(order(limit(5, Buy, 100, 5)));
    assert_eq!(lines[1..], ["trade 5 taker 5@100", "trade 1 maker 5@100 shows 9"]);
    venue.check_snapshot();
    // It leaves its place with 10 lots: 5×46/58 = 3 for the second, 2 by time.
    venue.accept(Command::ReplaceOrder(ReplaceOrder { quantity: Lots(31), ..replace(2, 1) }));
    let lines = venue.say(order(limit(5, Buy, 100, 5)));
    assert_eq!(
        lines[1..],
        ["trade 6 taker 3@100", "trade 2 maker 3@100 shows 43", "trade 6 taker 2@100", "trade 2 maker 2@100 shows 41"]
    );
    venue.check_snapshot();
}

#[test]
fn a_better_price_ends_the_privilege_of_the_one_before() {
    let mut venue = sharing(pro_rata(5, 0, 0, false));
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    venue.accept(order(limit(3, Sell, 100, 15))); // 2
    venue.accept(order(limit(4, Sell, 99, 1))); // 3
    let lines = venue.say(order(limit(5, Buy, 99, 1)));
    assert_eq!(lines[1..], ["trade 4 taker 1@99", "trade 3 maker 1@99"]);
    let lines = venue.say(order(limit(5, Buy, 100, 4)));
    assert_eq!(
        lines[1..],
        ["trade 5 taker 3@100", "trade 2 maker 3@100 shows 12", "trade 5 taker 1@100", "trade 1 maker 1@100 shows 4"]
    );
    venue.check_snapshot();
}

#[test]
fn lead_market_makers_share_once_a_level() {
    let mut venue = sharing(pro_rata(0, 40, 0, true));
    assert_eq!(venue.say(lead(10, 1)), ["rejected unknown_account"]);
    assert_eq!(venue.say(lead(3, 10_001)), ["rejected invalid_matching"]);
    venue.accept(lead(3, 3));
    venue.accept(lead(4, 1));
    venue.accept(lead(5, 1));
    venue.accept(lead(5, 0));
    venue.accept(order(limit(2, Sell, 100, 50))); // 1
    venue.accept(order(limit(3, Sell, 100, 50))); // 2
    venue.accept(order(limit(3, Sell, 100, 50))); // 3: its account's share is with order 2
    venue.accept(order(limit(4, Sell, 100, 50))); // 4
                                                  // 8 for the leads: 6 and 2. Of the 12 left 12×50/192 = 3, 12×44/192 = 2, 3, 12×48/192 = 3; 1 by time.
    let lines = venue.say(order(limit(6, Buy, 100, 20)));
    let takes: Vec<&str> = lines.iter().filter(|line| line.contains("maker")).map(String::as_str).collect();
    assert_eq!(
        takes,
        [
            "trade 2 maker 6@100 shows 44",
            "trade 4 maker 2@100 shows 48",
            "trade 1 maker 3@100 shows 47",
            "trade 2 maker 2@100 shows 42",
            "trade 3 maker 3@100 shows 47",
            "trade 4 maker 3@100 shows 45",
            "trade 1 maker 1@100 shows 46",
        ]
    );
    venue.check_snapshot();
}

#[test]
fn peaks_are_shared_round_by_round_and_hidden_orders_follow() {
    let mut venue = sharing(pro_rata(0, 0, 0, false));
    venue.accept(order(iceberg(2, Sell, 100, 12, 6))); // 1
    venue.accept(order(limit(3, Sell, 100, 6))); // 2
    venue.accept(order(hidden(4, Sell, 100, 3))); // 3
    venue.accept(order(hidden(5, Sell, 100, 3))); // 4
    let lines = venue.say(order(limit(6, Buy, 100, 8)));
    assert_eq!(
        lines[1..],
        ["trade 5 taker 4@100", "trade 1 maker 4@100 shows 2", "trade 5 taker 4@100", "trade 2 maker 4@100 shows 2"]
    );
    assert_eq!(
        venue.say(order(limit(6, Buy, 100, 14))),
        [
            "new 6 14@100",
            "trade 6 taker 2@100",
            "trade 1 maker 2@100 shows 6",
            "trade 6 taker 2@100",
            "trade 2 maker 2@100",
            "trade 6 taker 6@100",
            "trade 1 maker 6@100",
            "trade 6 taker 3@100",
            "trade 3 maker 3@100",
            "trade 6 taker 1@100",
            "trade 4 maker 1@100",
        ]
    );
    venue.check_snapshot();
}

#[test]
fn own_orders_are_dealt_with_before_a_level_is_shared() {
    let prepared = || {
        let mut venue = sharing(pro_rata(0, 0, 0, false));
        venue.accept(order(limit(2, Sell, 100, 10))); // 1
        venue.accept(order(limit(3, Sell, 100, 4))); // 2
        venue.accept(order(hidden(3, Sell, 100, 3))); // 3
        venue
    };
    let taker = |mode| order(preventing(limit(3, Buy, 100, 9), mode));
    assert_eq!(prepared().say(taker(SelfTradePrevention::ExpireTaker)), ["new 4 9@100", "canceled 4 self_trade"]);
    assert_eq!(
        prepared().say(taker(SelfTradePrevention::ExpireBoth)),
        ["new 4 9@100", "canceled 2 self_trade", "canceled 4 self_trade"]
    );
    assert_eq!(
        prepared().say(taker(SelfTradePrevention::ExpireMaker)),
        [
            "new 4 9@100",
            "canceled 2 self_trade",
            "canceled 3 self_trade",
            "trade 4 taker 9@100",
            "trade 1 maker 9@100 shows 1",
        ]
    );
    assert_eq!(
        prepared().say(taker(SelfTradePrevention::Decrement)),
        [
            "new 4 9@100",
            "canceled 2 self_trade",
            "restated 4 5@100",
            "canceled 3 self_trade",
            "restated 4 2@100",
            "trade 4 taker 2@100",
            "trade 1 maker 2@100 shows 8",
        ]
    );
}

#[test]
fn a_quote_quantity_is_shared_as_far_as_it_goes() {
    let mut venue = sharing(pro_rata(0, 0, 0, false));
    venue.accept(order(limit(2, Sell, 100, 10))); // 1
    venue.accept(order(limit(3, Sell, 100, 10))); // 2
    let by_quote = NewOrder { quote_quantity: Amount(850), quantity: Lots(0), ..market(4, Buy, 0) };
    assert_eq!(
        venue.say(order(by_quote)),
        [
            "new 3 0@0",
            "trade 3 taker 4@100",
            "trade 1 maker 4@100 shows 6",
            "trade 3 taker 4@100",
            "trade 2 maker 4@100 shows 6",
            "canceled 3 no_liquidity",
        ]
    );
    venue.check_snapshot();
}

#[test]
fn the_matching_algorithm_changes_only_without_open_orders() {
    let mut venue = Venue::new();
    let set = |change: fn(&mut SetMatching)| {
        let mut rule = pro_rata(0, 0, 0, false);
        change(&mut rule);
        Command::SetMatching(rule)
    };
    for broken in [
        set(|rule| rule.lead_percent = 101),
        set(|rule| rule.fifo_percent = 101),
        set(|rule| rule.min_allocation = Lots(0)),
        set(|rule| rule.top_max = Lots(-1)),
    ] {
        assert_eq!(venue.say(broken), ["rejected invalid_matching"]);
    }
    venue.accept(order(conditional(OrderType::Stop, 2, Sell, 90, 0, 1))); // 1 waits
    assert_eq!(venue.say(set(|_| {})), ["rejected book_not_empty"]);
    venue.accept(cancel(2, 1));
    venue.accept(set(|_| {}));
    venue.accept(set(|rule| rule.algorithm = MatchingAlgorithm::PriceTime));
    venue.accept(order(limit(2, Sell, 100, 5))); // 2
    venue.accept(order(limit(3, Sell, 100, 5))); // 3
    assert_eq!(venue.say(order(limit(4, Buy, 100, 4)))[2..], ["trade 2 maker 4@100 shows 1"]);
    venue.check_snapshot();
}

#[test]
fn the_largest_orders_do_not_overflow() {
    // A price of 2^53 - 1 ticks, as many lots, and 2^46 units for a tick and a lot: the product is beyond 128 bits.
    let mut venue = Venue::new();
    let top = (1_i64 << 53) - 1;
    venue.accept(Command::ListInstrument(ListInstrument {
        symbol: Symbol::new(b"LARGE").expect("a valid symbol"),
        base: AssetId(1),
        quote: AssetId(2),
        tick_size: Step { mantissa: 1 << 46, scale: 0 },
        lot_size: Step { mantissa: 1, scale: 0 },
        min_quantity: Lots(1),
        max_quantity: Lots(top),
        min_notional: Amount(0),
    }));
    for account in 2..=5 {
        venue.deposit(account, 1, 1 << 56);
        venue.deposit(account, 2, 1 << 117);
    }
    let large = |order: NewOrder| NewOrder { instrument_id: InstrumentId(2), ..order };
    venue.accept(order(large(limit(2, Sell, top, 1)))); // 1
    assert_eq!(
        venue.say(order(large(pegged(3, Sell, 1, top, Peg::Primary, 1_000_000)))),
        [format!("new 2 {top}@{top}"), "terms 2 trigger 0".into()]
    );
    venue.accept(order(large(iceberg(3, Sell, 1, top, top / 2 + 1)))); // 3
    venue.accept(order(large(hidden(4, Sell, 1, top)))); // 4
    venue.check_snapshot();
    assert_eq!(venue.say(order(large(market_to_limit(2, Buy, 2)))).len(), 4); // 5
    venue.accept(order(large(market(2, Buy, 3)))); // 6
    venue.accept(cancel(3, 3));
    venue.accept(cancel(4, 4));
    // One that slides behind the best bid would be worth more than can be computed with.
    venue.accept(cancel(2, 1));
    venue.accept(cancel(3, 2));
    venue.accept(order(large(limit(2, Buy, top - 1, 1)))); // 7
    assert_eq!(venue.say(order(large(sliding(3, Sell, 1, top)))), ["rejected post_only_would_match"]);
    assert_eq!(venue.say(order(large(sliding(3, Sell, 1, 1)))), [format!("new 8 1@{top}"), "terms 8 trigger 0".into()]);
    venue.accept(order(large(pegged(4, Buy, top, 1, Peg::Market, 1_000_000)))); // 9
    assert_eq!(venue.say(order(large(market_to_limit(3, Sell, top)))), ["rejected notional_overflow"]);
    venue.check_snapshot();
}
