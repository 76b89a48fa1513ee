//! Conditional orders, order lists, cancel-replace and timers, by whole event lists. The rules are those of
//! `docs/concepts/rulebook.md`, sections 2, 4, 5 and 6.

mod common;

use beurs_engine::command::{
    CancelAllAfter, CancelOrder, CancelReplace, Command, NewOrder, NewOrderList, ReplaceOrder, SetFeatures,
    SetMarkPrice,
};
use beurs_engine::types::{
    AccountId, Amount, CancelReplaceMode, ClientOrderId, Contingency, InstrumentId, Lots, OrderId, OrderType,
    PriceTicks, Side, TimeInForce, TriggerBy,
};
use common::{conditional, limit, market, with, Venue};
use Side::{Buy, Sell};

fn order(order: NewOrder) -> Command {
    Command::NewOrder(order)
}

fn cancel(account: u32, order_id: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        account_id: AccountId(account),
        order_id: OrderId(order_id),
        client_order_id: ClientOrderId::EMPTY,
    })
}

fn list(contingency: Contingency, orders: Vec<NewOrder>) -> Command {
    Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
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

/// A trade of one lot at a price, on an empty touch.
fn print(venue: &mut Venue, price: i64) -> Vec<String> {
    venue.accept(order(limit(2, Sell, price, 1)));
    venue.say(order(limit(3, Buy, price, 1)))
}

#[test]
fn a_cascade_triggers_one_order_after_the_other() {
    // The case `cascade-1`: derived from the common rule.
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    for (price, quantity) in [(99, 10), (98, 10), (97, 10), (96, 50)] {
        venue.accept(order(limit(2, Buy, price, quantity))); // 3 to 6
    }
    venue.accept(order(limit(2, Sell, 100, 10))); // 7
    for trigger in [99, 98, 97] {
        let order_id = if trigger == 99 { 8 } else { 107 - trigger };
        assert_eq!(
            venue.say(order(conditional(OrderType::Stop, 3, Sell, trigger, 0, 10))),
            [format!("new {order_id} 10@0"), format!("terms {order_id} trigger {trigger} waits")]
        );
    }
    assert_eq!(
        venue.say(order(limit(4, Sell, 99, 10))),
        [
            "new 11 10@99",
            "trade 11 taker 10@99",
            "trade 3 maker 10@99",
            "triggered 8 10@0",
            "terms 8 trigger 99",
            "trade 8 taker 10@98",
            "trade 4 maker 10@98",
            "triggered 9 10@0",
            "terms 9 trigger 98",
            "trade 9 taker 10@97",
            "trade 5 maker 10@97",
            "triggered 10 10@0",
            "terms 10 trigger 97",
            "trade 10 taker 10@96",
            "trade 6 maker 10@96 shows 40",
        ]
    ); // rustfmt: a trade a line
    assert_eq!(venue.held(3), (0, 0));
}

#[test]
fn a_stop_whose_price_is_reached_triggers_on_entry() {
    let mut venue = Venue::new();
    print(&mut venue, 100);
    venue.accept(order(limit(2, Sell, 101, 5))); // 3
    assert_eq!(
        venue.say(order(conditional(OrderType::StopLimit, 3, Buy, 100, 101, 7))),
        [
            "new 4 7@101",
            "terms 4 trigger 100 waits",
            "triggered 4 7@101",
            "terms 4 trigger 100",
            "trade 4 taker 5@101",
            "trade 3 maker 5@101"
        ]
    );
    assert_eq!(venue.held(3), (0, 2 * 101));
}

#[test]
fn a_waiting_order_holds_and_gives_back_what_it_holds() {
    let mut venue = Venue::new();
    print(&mut venue, 100);
    venue.accept(order(conditional(OrderType::StopLimit, 4, Buy, 110, 111, 7))); // 3
    assert_eq!(venue.held(4), (0, 777));
    venue.accept(order(conditional(OrderType::TakeProfit, 4, Sell, 110, 0, 7))); // 4
    assert_eq!(venue.held(4), (7, 777));
    venue.accept(order(conditional(OrderType::Stop, 4, Buy, 110, 0, 7))); // 5
    assert_eq!(venue.held(4), (7, 777));
    assert_eq!(venue.say(cancel(4, 3)), ["canceled 3 requested"]);
    assert_eq!(venue.say(cancel(4, 4)), ["canceled 4 requested"]);
    assert_eq!(venue.held(4), (0, 0));
    assert_eq!(venue.say(cancel(4, 4)), ["rejected unknown_order"]);
}

#[test]
fn trailing_orders_follow_the_extreme() {
    // binance-trail-A and -B, of binance-spot-api-docs faqs/trailing-stop-faq.md.
    let cases = [
        (Buy, 44_000, 500, 45_000, [40_000, 37_000, 45_000, 46_000, 42_000, 44_100]),
        (Sell, 39_000, 1_000, 38_000, [40_000, 41_500, 39_000, 37_000, 41_000, 36_900]),
    ];
    for (side, stop, trail_bps, price, prices) in cases {
        let mut venue = Venue::new();
        print(&mut venue, prices[0]); // 1, 2
        let trailing = conditional(OrderType::StopLimit, 4, side, stop, price, 1);
        let lines = venue.accept(order(with(trailing, |terms| terms.trail_bps = trail_bps))); // 3
        assert_eq!(lines[1], format!("terms 3 trigger {stop} waits"));
        for price in &prices[1..5] {
            assert_eq!(print(&mut venue, *price).len(), 3, "{price} does not trigger it");
        }
        let last = print(&mut venue, prices[5]);
        assert_eq!(last[3], format!("triggered 3 1@{price}"), "{last:?}");
    }
}

#[test]
fn what_could_not_pay_is_canceled_when_it_triggers() {
    let mut venue = Venue::new();
    print(&mut venue, 100);
    venue.accept(order(limit(2, Sell, 1_000_000, 10_000_000))); // 3
    venue.accept(order(conditional(OrderType::Stop, 4, Buy, 101, 0, 10_000_000))); // 4
    let lines = print(&mut venue, 101); // 5, 6
    assert_eq!(lines[3..], ["triggered 4 10000000@0", "terms 4 trigger 101", "canceled 4 insufficient_funds"]);
}

#[test]
fn mark_and_best_prices_trigger_too() {
    let mut venue = Venue::new();
    let by = |trigger_by| move |terms: &mut beurs_engine::command::Terms| terms.trigger_by = trigger_by;
    venue.accept(order(limit(2, Buy, 50, 10))); // 1
    venue.accept(order(with(conditional(OrderType::StopLimit, 4, Sell, 90, 80, 1), by(TriggerBy::Mark)))); // 2
    let mark = |price| Command::SetMarkPrice(SetMarkPrice { instrument_id: InstrumentId(1), price: PriceTicks(price) });
    assert_eq!(venue.say(mark(91)).len(), 1);
    assert_eq!(venue.say(mark(90))[1..], ["triggered 2 1@80", "terms 2 trigger 90"]);
    venue.accept(order(with(conditional(OrderType::TakeProfitLimit, 4, Sell, 60, 70, 1), by(TriggerBy::Best)))); // 3
    assert_eq!(venue.say(order(limit(2, Buy, 60, 1))), ["new 4 1@60", "triggered 3 1@70", "terms 3 trigger 60"]);
}

#[test]
fn an_oco_pair_holds_the_larger_and_one_cancels_the_other() {
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    let pair =
        |quantity| vec![limit(4, Buy, 90, quantity), conditional(OrderType::StopLimit, 4, Buy, 110, 115, quantity)];
    assert_eq!(
        venue.say(list(Contingency::Oco, pair(10))),
        [
            "list 1 executing",
            "new 3 10@90",
            "terms 3 trigger 0 list 1",
            "new 4 10@115",
            "terms 4 trigger 110 waits list 1"
        ]
    );
    assert_eq!(venue.held(4), (0, 1_150));
    assert_eq!(
        venue.say(order(limit(5, Sell, 90, 4))),
        ["new 5 4@90", "trade 5 taker 4@90", "trade 3 maker 4@90 shows 6", "canceled 4 order_list"]
    );
    assert_eq!(venue.held(4), (0, 540));
    assert_eq!(venue.say(cancel(4, 3)), ["canceled 3 requested", "list 1 all_done"]);
    assert_eq!(venue.held(4), (0, 0));

    venue.accept(list(Contingency::Oco, pair(10))); // 6, 7
    assert_eq!(venue.say(cancel(4, 7)), ["canceled 7 requested", "canceled 6 order_list", "list 2 all_done"]);
    assert_eq!(venue.held(4), (0, 0));

    venue.accept(list(Contingency::Oco, pair(10))); // 8, 9
    venue.accept(order(limit(5, Sell, 112, 3))); // 10
    print(&mut venue, 109); // 11, 12
    let lines = print(&mut venue, 110); // 13, 14
    assert_eq!(
        lines[3..],
        [
            "triggered 9 10@115",
            "terms 9 trigger 110 list 3",
            "canceled 8 order_list",
            "trade 9 taker 3@112",
            "trade 10 maker 3@112"
        ]
    );
    assert_eq!(venue.held(4), (0, 7 * 115));
}

#[test]
fn an_oco_needs_only_the_larger_hold() {
    let mut venue = Venue::new();
    print(&mut venue, 100);
    venue.accept(order(limit(4, Buy, 1, 1_000_000_000_000 - 1_150).with_large()));
    let pair = vec![limit(4, Buy, 90, 10), conditional(OrderType::StopLimit, 4, Buy, 110, 115, 10)];
    venue.accept(list(Contingency::Oco, pair));
    assert_eq!(venue.available(4).1, 0);
}

trait Large {
    fn with_large(self) -> Self;
}

impl Large for NewOrder {
    /// At most 10^9 lots an order: the price takes the rest.
    fn with_large(mut self) -> Self {
        let notional = self.quantity.0;
        self.quantity = Lots(1);
        self.price = PriceTicks(notional);
        self
    }
}

#[test]
fn oto_and_otoco_release_when_the_first_is_filled() {
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    let bracket =
        vec![limit(4, Buy, 95, 10), limit(4, Sell, 120, 10), conditional(OrderType::Stop, 4, Sell, 80, 0, 10)];
    let lines = venue.accept(list(Contingency::Otoco, bracket)); // 3, 4, 5
    assert_eq!(
        lines,
        [
            "list 1 executing",
            "new 3 10@95",
            "terms 3 trigger 0 list 1",
            "new 4 10@120",
            "terms 4 trigger 0 waits list 1",
            "new 5 10@0",
            "terms 5 trigger 80 waits list 1"
        ]
    );
    assert_eq!(venue.held(4), (0, 950));
    venue.accept(order(limit(5, Sell, 95, 4))); // 6
    assert_eq!(venue.held(4), (0, 570));
    assert_eq!(
        venue.say(order(limit(5, Sell, 95, 6))), // 7
        [
            "new 7 6@95",
            "trade 7 taker 6@95",
            "trade 3 maker 6@95",
            "restated 4 10@120",
            "terms 4 trigger 0 list 1",
            "restated 5 10@0",
            "terms 5 trigger 80 waits list 1"
        ]
    );
    assert_eq!(venue.held(4), (10, 0));
    assert_eq!(
        venue.say(order(limit(5, Buy, 120, 10))), // 8
        ["new 8 10@120", "trade 8 taker 10@120", "trade 4 maker 10@120", "canceled 5 order_list", "list 1 all_done"]
    );
    assert_eq!(venue.held(4), (0, 0));
}

#[test]
fn the_others_end_when_the_first_is_canceled() {
    let mut venue = Venue::new();
    print(&mut venue, 100);
    venue.accept(list(Contingency::Oto, vec![limit(4, Buy, 95, 10), limit(4, Sell, 120, 10)])); // 3, 4
    assert_eq!(venue.say(cancel(4, 3)), ["canceled 3 requested", "canceled 4 order_list", "list 1 all_done"]);
    venue.accept(list(Contingency::Oto, vec![limit(4, Buy, 95, 10), limit(4, Sell, 120, 10)])); // 5, 6
    assert_eq!(venue.say(cancel(4, 6)), ["canceled 6 requested"]);
    assert_eq!(venue.say(cancel(4, 5)), ["canceled 5 requested", "list 2 all_done"]);
}

#[test]
fn past_the_bound_a_cascade_ends() {
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    venue.accept(Command::SetFeatures(SetFeatures {
        instrument_id: InstrumentId(1),
        features: beurs_engine::command::feature::ALL,
        max_triggers: 2,
    }));
    for _ in 0..4 {
        venue.accept(order(conditional(OrderType::StopLimit, 4, Buy, 101, 101, 1)));
        // 3 to 6
    }
    let lines = print(&mut venue, 101);
    let triggered: Vec<&String> = lines.iter().filter(|line| line.starts_with("triggered")).collect();
    assert_eq!(triggered, ["triggered 3 1@101", "triggered 4 1@101"]);
}

#[test]
fn a_cancel_replace_is_one_command() {
    let mut venue = Venue::new();
    let both = |order_id, mode, new_order| {
        let Command::CancelOrder(cancel) = cancel(4, order_id) else { unreachable!("it is one") };
        Command::CancelReplace(Box::new(CancelReplace { cancel, mode, new_order }))
    };
    venue.accept(order(limit(4, Buy, 95, 10))); // 1
    let (stop, allow) = (CancelReplaceMode::StopOnFailure, CancelReplaceMode::AllowFailure);
    assert_eq!(venue.say(both(1, stop, limit(4, Buy, 96, 5))), ["canceled 1 requested", "new 2 5@96"]);
    assert_eq!(venue.say(both(1, stop, limit(4, Buy, 96, 5))), ["rejected unknown_order"]);
    assert_eq!(venue.say(both(1, allow, limit(4, Buy, 97, 5))), ["rejected unknown_order", "new 3 5@97"]);
    assert_eq!(venue.say(both(1, allow, limit(4, Buy, 97, 0))), ["rejected invalid_quantity"]);
    assert_eq!(venue.say(both(2, stop, limit(4, Buy, 97, 0))), ["canceled 2 requested", "rejected invalid_quantity"]);
    assert_eq!(venue.say(both(3, stop, limit(5, Buy, 97, 1))), ["rejected unknown_account"]);
}

#[test]
fn gtd_orders_expire_when_time_advances() {
    let mut venue = Venue::new();
    let until = |expire| {
        let gtd = NewOrder { time_in_force: TimeInForce::Gtd, ..limit(4, Buy, 95, 10) };
        order(with(gtd, |terms| terms.expire_time_ns = expire))
    };
    assert_eq!(venue.say(until(1_000)), ["rejected invalid_expire_time"]);
    venue.accept(until(3_000)); // 1
    venue.accept(until(2_000)); // 2
    venue.accept(until(3_000)); // 3
    assert_eq!(venue.engine.next_due_ns(), 2_000);
    venue.accept(cancel(4, 1));
    venue.now_ns = 2_500;
    assert_eq!(venue.say(Command::AdvanceTime), ["expired 2 expired", "time advanced 1"]);
    venue.now_ns = 3_000;
    assert_eq!(venue.say(Command::AdvanceTime), ["expired 3 expired", "time advanced 1"]);
    assert_eq!(venue.held(4), (0, 0));
    assert_eq!(venue.engine.next_due_ns(), i64::MAX);
}

#[test]
fn cancel_all_after_cancels_all() {
    let mut venue = Venue::new();
    let after = |timeout_ns| Command::CancelAllAfter(CancelAllAfter { account_id: AccountId(4), timeout_ns });
    assert_eq!(venue.say(after(999_999)), ["rejected invalid_timeout"]);
    venue.accept(order(limit(4, Buy, 95, 10))); // 1
    venue.accept(order(conditional(OrderType::Stop, 4, Sell, 50, 0, 10))); // 2
    venue.accept(after(1_000_000));
    venue.now_ns += 500_000;
    venue.accept(after(1_000_000));
    venue.now_ns += 999_999;
    assert_eq!(venue.say(Command::AdvanceTime), ["time advanced 0"]);
    venue.now_ns += 1;
    let lines = venue.say(Command::AdvanceTime);
    assert_eq!(lines[..2], ["canceled 1 cancel_all_after", "canceled 2 cancel_all_after"]);
    assert_eq!(lines[3], "time advanced 1");
    assert_eq!(venue.engine.next_due_ns(), i64::MAX);
}

#[test]
fn waiting_orders_are_replaced_where_they_wait() {
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    venue.accept(order(conditional(OrderType::StopLimit, 4, Buy, 110, 115, 10))); // 3
    let change = ReplaceOrder { trigger_price: PriceTicks(120), price: PriceTicks(125), ..replace(4, 3) };
    assert_eq!(venue.say(Command::ReplaceOrder(change)), ["replaced 3 10@125", "terms 3 trigger 120 waits"]);
    assert_eq!(venue.held(4), (0, 1_250));
    assert_eq!(print(&mut venue, 119).len(), 3); // 4, 5
    let change = ReplaceOrder { trigger_price: PriceTicks(119), ..replace(4, 3) };
    assert_eq!(
        venue.say(Command::ReplaceOrder(change)),
        ["replaced 3 10@125", "terms 3 trigger 119 waits", "triggered 3 10@125", "terms 3 trigger 119"]
    );
    let change = ReplaceOrder { trigger_price: PriceTicks(119), ..replace(4, 3) };
    assert_eq!(venue.say(Command::ReplaceOrder(change)), ["rejected replace_not_allowed"]);
    let change = ReplaceOrder { price: PriceTicks(126), ..replace(4, 3) };
    assert_eq!(venue.say(Command::ReplaceOrder(change)), ["replaced 3 10@126", "terms 3 trigger 119"]);
    assert_eq!(venue.held(4), (0, 1_260));
}

#[test]
fn a_quote_quantity_may_wait() {
    let mut venue = Venue::new();
    print(&mut venue, 100); // 1, 2
    let stop = NewOrder { quote_quantity: Amount(1_000), ..conditional(OrderType::Stop, 4, Buy, 101, 0, 0) };
    assert_eq!(venue.say(order(stop)), ["new 3 0@0", "terms 3 trigger 101 waits"]);
    assert_eq!(venue.held(4), (0, 0));
    venue.accept(order(limit(2, Sell, 110, 100))); // 4
    let lines = print(&mut venue, 101); // 5, 6
    assert_eq!(
        lines[3..],
        [
            "triggered 3 0@0",
            "terms 3 trigger 101",
            "trade 3 taker 9@110",
            "trade 4 maker 9@110 shows 91",
            "canceled 3 no_liquidity"
        ]
    );
}

#[test]
fn market_orders_are_unchanged() {
    let mut venue = Venue::new();
    venue.accept(order(limit(2, Sell, 100, 5))); // 1
    assert_eq!(
        venue.say(order(market(3, Buy, 7))),
        ["new 2 7@0", "trade 2 taker 5@100", "trade 1 maker 5@100", "canceled 2 no_liquidity"]
    );
}
