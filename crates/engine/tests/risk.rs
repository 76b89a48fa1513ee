//! Account modes, kill switches, positions, fees, risk limits and corrections, by worked examples.

mod common;

use beurs_engine::command::{
    AdjustTrade, Administer, BustTrade, CancelOrder, Command, KillScope, KillSwitch, MassCancel, Note, ReplaceOrder,
};
use beurs_engine::command::{
    CancelReplace, OpenAccount, RiskLimits, RiskScope, SetAccountGroup, SetAccountMode, SetFeeCap, SetFeePromotion,
    SetFeeTier, SetFees, SetMarkPrice, SetRiskLimits, Withdraw,
};
use beurs_engine::event::Event;
use beurs_engine::types::TradeId;
use beurs_engine::types::{
    AccountCode, AccountId, AccountMode, Amount, AssetId, CancelReplaceMode, ClientOrderId, ExecType, GroupId,
    InstrumentId, KeyId, Lots, MassCancelReason, OrderId, OrderType, PriceTicks, ShortText, Side,
};
use common::{conditional, limit, market, Venue};

const ONE: InstrumentId = InstrumentId(1);

fn cancel(account: u32, order: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        account_id: AccountId(account),
        order_id: OrderId(order),
        client_order_id: ClientOrderId::EMPTY,
    })
}

fn replace(account: u32, order: u64, price: i64, quantity: i64) -> Command {
    Command::ReplaceOrder(ReplaceOrder {
        account_id: AccountId(account),
        order_id: OrderId(order),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        trigger_price: PriceTicks(0),
        display_quantity: Lots(0),
    })
}

fn mass_cancel(account: u32) -> Command {
    Command::MassCancel(MassCancel {
        account_id: AccountId(account),
        instrument_id: InstrumentId::NONE,
        side: None,
        reason: MassCancelReason::Requested,
    })
}

fn mode(account: u32, mode: AccountMode) -> Command {
    Command::SetAccountMode(SetAccountMode { account_id: AccountId(account), mode })
}

fn kill(scope: KillScope, engaged: bool) -> Command {
    Command::KillSwitch(KillSwitch { scope, engaged })
}

fn group(account: u32, group: u16) -> Command {
    Command::SetAccountGroup(SetAccountGroup { account_id: AccountId(account), group_id: GroupId(group) })
}

fn buy(account: u32, price: i64, quantity: i64) -> Command {
    Command::NewOrder(limit(account, Side::Buy, price, quantity))
}

fn sell(account: u32, price: i64, quantity: i64) -> Command {
    Command::NewOrder(limit(account, Side::Sell, price, quantity))
}

fn with_key(command: Command, key: u16) -> Command {
    match command {
        Command::NewOrder(mut order) => {
            order.key_id = KeyId(key);
            Command::NewOrder(order)
        }
        other => other,
    }
}

fn administer(command: Command) -> Command {
    Command::Administer(Box::new(Administer {
        actor: ShortText::new(b"alice").expect("a short text"),
        reason: Note::new(b"by the book").expect("a note"),
        command,
    }))
}

#[test]
fn a_mode_forbids_orders_then_cancels_too() {
    let mut venue = Venue::new();
    venue.accept(buy(2, 10, 5));
    assert_eq!(venue.say(mode(2, AccountMode::CancelOnly)), ["set account_mode"]);
    assert_eq!(venue.say(buy(2, 11, 1)), ["rejected account_cancel_only"]);
    assert_eq!(venue.say(replace(2, 1, 11, 0)), ["rejected account_cancel_only"]);
    venue.check_snapshot();
    venue.accept(mode(2, AccountMode::RejectOnly));
    assert_eq!(venue.say(buy(2, 11, 1)), ["rejected account_reject_only"]);
    assert_eq!(venue.say(cancel(2, 1)), ["rejected account_reject_only"]);
    assert_eq!(venue.say(mass_cancel(2)), ["rejected account_reject_only"]);
    venue.check_snapshot();
    venue.accept(sell(3, 10, 2));
    venue.accept(mode(2, AccountMode::CancelOnly));
    assert_eq!(venue.say(cancel(2, 1)), ["canceled 1 requested"]);
    venue.accept(mode(2, AccountMode::Normal));
    venue.accept(buy(2, 10, 1));
    assert_eq!(venue.say(mode(99, AccountMode::Normal)), ["rejected unknown_account"]);
    venue.check_snapshot();
}

#[test]
fn a_mode_is_looked_at_after_the_account_and_the_status() {
    let mut venue = Venue::new();
    venue.accept(mode(2, AccountMode::RejectOnly));
    let of_unknown = MassCancel {
        account_id: AccountId(2),
        instrument_id: InstrumentId(7),
        side: None,
        reason: MassCancelReason::Requested,
    };
    assert_eq!(venue.say(Command::MassCancel(of_unknown)), ["rejected unknown_instrument"]);
    // The venue itself may always cancel.
    assert_eq!(venue.say(mass_cancel(0)), ["mass canceled 0"]);
}

#[test]
fn a_kill_switch_cancels_its_scope_and_refuses_orders_until_released() {
    let mut venue = Venue::new();
    venue.accept(group(3, 4));
    venue.accept(buy(2, 10, 5));
    venue.accept(with_key(buy(3, 9, 5), 8));
    venue.accept(Command::NewOrder(conditional(OrderType::StopLimit, 3, Side::Buy, 50, 60, 5)));
    venue.accept(buy(4, 8, 5));

    assert_eq!(venue.say(kill(KillScope::Key(AccountId(3), KeyId(8)), true)), ["canceled 2 kill_switch", "kill on 1"]);
    assert_eq!(venue.say(with_key(buy(3, 9, 5), 8)), ["rejected kill_switch_engaged"]);
    venue.accept(with_key(buy(3, 9, 5), 9));
    venue.check_snapshot();
    let lines = venue.say(kill(KillScope::Group(GroupId(4)), true));
    assert_eq!(lines, ["canceled 3 kill_switch", "canceled 5 kill_switch", "kill on 2"]);
    assert_eq!(venue.say(buy(3, 9, 5)), ["rejected kill_switch_engaged"]);
    venue.check_snapshot();
    assert_eq!(venue.say(kill(KillScope::Account(AccountId(4)), true)), ["canceled 4 kill_switch", "kill on 1"]);
    assert_eq!(venue.say(buy(4, 9, 5)), ["rejected kill_switch_engaged"]);
    venue.accept(buy(5, 9, 5));
    let lines = venue.say(kill(KillScope::Instrument(ONE), true));
    assert_eq!(lines, ["canceled 1 kill_switch", "canceled 6 kill_switch", "kill on 2"]);
    assert_eq!(venue.say(buy(2, 9, 5)), ["rejected kill_switch_engaged"]);
    assert_eq!(venue.say(kill(KillScope::All, true)), ["kill on 0"]);
    venue.check_snapshot();

    let scopes = [
        KillScope::Key(AccountId(3), KeyId(8)),
        KillScope::Group(GroupId(4)),
        KillScope::Account(AccountId(4)),
        KillScope::Instrument(ONE),
        KillScope::All,
    ];
    for scope in scopes {
        assert_eq!(venue.say(buy(2, 9, 5)), ["rejected kill_switch_engaged"]);
        assert_eq!(venue.say(kill(scope, false)), ["kill off 0"]);
    }
    venue.accept(buy(2, 9, 5));
    venue.accept(with_key(buy(3, 9, 5), 8));
    assert_eq!(venue.say(kill(KillScope::Account(AccountId(0)), true)), ["rejected unknown_account"]);
    assert_eq!(venue.say(kill(KillScope::Instrument(InstrumentId(2)), true)), ["rejected unknown_instrument"]);
    assert_eq!(venue.say(kill(KillScope::Key(AccountId(3), KeyId(4_096)), true)), ["rejected invalid_key"]);
    venue.check_snapshot();
}

#[test]
fn orders_without_a_key_are_no_key_s() {
    let mut venue = Venue::new();
    venue.accept(buy(2, 10, 5));
    assert_eq!(venue.say(kill(KillScope::Key(AccountId(2), KeyId(0)), true)), ["kill on 0"]);
    venue.accept(buy(2, 10, 5));
    venue.check_snapshot();
}

#[test]
fn a_mode_comes_before_a_kill_switch() {
    let mut venue = Venue::new();
    venue.accept(kill(KillScope::All, true));
    venue.accept(mode(2, AccountMode::CancelOnly));
    assert_eq!(venue.say(buy(2, 9, 5)), ["rejected account_cancel_only"]);
    assert_eq!(venue.say(buy(3, 9, 5)), ["rejected kill_switch_engaged"]);
}

#[test]
fn what_the_staff_do_is_told_with_who_and_why() {
    let mut venue = Venue::new();
    let lines = venue.say(administer(buy(2, 10, 5)));
    assert_eq!(lines, ["administered by alice for by the book", "new 1 5@10"]);
    let lines = venue.say(administer(kill(KillScope::All, true)));
    assert_eq!(lines, ["administered by alice for by the book", "canceled 1 kill_switch", "kill on 1"]);
    assert_eq!(venue.say(administer(buy(2, 10, 5))), ["rejected kill_switch_engaged"]);
    assert_eq!(venue.say(administer(administer(mass_cancel(0)))), ["rejected nested_administer"]);
    venue.check_snapshot();
}

fn position(venue: &Venue, account: u32) -> (i128, i128, i128, i128, i128) {
    let view = venue.engine.position(AccountId(account), ONE).expect("it has traded");
    (view.position.quantity, view.cost.0, view.realised.0, view.unrealised.0, view.position.fees)
}

fn set_fees(group: u16, maker_ppm: i32, taker_ppm: i32) -> Command {
    Command::SetFees(SetFees { instrument_id: ONE, group_id: GroupId(group), maker_ppm, taker_ppm })
}

#[test]
fn a_position_is_what_was_traded_at_average_cost() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, -10_000, 20_000));
    assert!(venue.engine.position(AccountId(2), ONE).is_none());
    for (price, quantity) in [(100, 10), (200, 10)] {
        venue.accept(sell(3, price, quantity));
        venue.accept(buy(2, price, quantity));
    }
    // 10 at 100 and 10 at 200, with 2 % of 3,000 in fees; the maker gets 1 %.
    assert_eq!(position(&venue, 2), (20, 3_000, 0, 1_000, 60));
    assert_eq!(position(&venue, 3), (-20, 3_000, 0, -1_000, -30));
    let view = venue.engine.position(AccountId(2), ONE).expect("it has traded");
    assert_eq!(view.position.average_price(), Some((3_000, 20)));
    // Selling 5 at 300 closes them at 150.
    venue.accept(buy(3, 300, 5));
    venue.accept(sell(2, 300, 5));
    assert_eq!(position(&venue, 2), (15, 2_250, 750, 2_250, 90));
    // The mark price values it from now on.
    venue.accept(Command::SetMarkPrice(SetMarkPrice { instrument_id: ONE, price: PriceTicks(100) }));
    assert_eq!(position(&venue, 2), (15, 2_250, 750, -750, 90));
    // Selling more than there is opens the other way.
    venue.accept(buy(3, 100, 25));
    venue.accept(sell(2, 100, 25));
    assert_eq!(position(&venue, 2), (-10, 1_000, 0, 0, 140));
    assert_eq!(venue.engine.positions(AccountId(2)).count(), 1);
    assert_eq!(venue.engine.volume(AccountId(2), AssetId(2)).0, 3_000 + 1_500 + 2_500);
    assert_eq!(venue.engine.volume(AccountId(2), AssetId(1)).0, 0);
    venue.check_snapshot();
    // Thirty midnights later nothing of that counts.
    venue.now_ns = 30 * 86_400_000_000_000;
    venue.accept(mass_cancel(2));
    assert_eq!(venue.engine.volume(AccountId(2), AssetId(2)).0, 0);
    venue.check_snapshot();
}

#[test]
fn an_account_that_trades_with_itself_has_both_sides() {
    let mut venue = Venue::new();
    venue.accept(sell(2, 100, 10));
    venue.accept(buy(2, 100, 10));
    assert_eq!(position(&venue, 2), (0, 0, 0, 0, 0));
    assert_eq!(venue.engine.volume(AccountId(2), AssetId(2)).0, 2_000);
    venue.check_snapshot();
}

fn tier(group: u16, tier: u8, volume: i128, maker_ppm: i32, taker_ppm: i32) -> Command {
    Command::SetFeeTier(SetFeeTier {
        instrument_id: ONE,
        group_id: GroupId(group),
        tier,
        min_volume: Amount(volume),
        maker_ppm,
        taker_ppm,
    })
}

fn promotion(group: u16, from_ns: i64, until_ns: i64, maker_ppm: i32, taker_ppm: i32) -> Command {
    Command::SetFeePromotion(SetFeePromotion {
        instrument_id: ONE,
        group_id: GroupId(group),
        from_ns,
        until_ns,
        maker_ppm,
        taker_ppm,
    })
}

fn cap(group: u16, max_fee: i128) -> Command {
    Command::SetFeeCap(SetFeeCap { instrument_id: ONE, group_id: GroupId(group), max_fee: Amount(max_fee) })
}

/// The fees of the trades that a command makes, in their order.
fn fees_of(venue: &mut Venue, command: Command) -> Vec<i128> {
    let fees = venue.events(command).into_iter().filter_map(|event| match event {
        Event::Execution(report) if report.exec_type == ExecType::Trade => Some(report.fee.0),
        _ => None,
    });
    let fees = fees.collect();
    venue.check_snapshot();
    fees
}

#[test]
fn tiers_and_promotions_decide_what_a_new_order_pays() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, 0, 10_000));
    assert_eq!(venue.say(tier(0, 2, 2_000, 0, 5_000)), ["set fee_tier"]);
    venue.accept(tier(0, 15, 3_000, 0, 2_000));
    venue.accept(sell(3, 100, 1_000));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 19)), [19, 0]); // 1 % of 1,900; its volume was 0.
    assert_eq!(fees_of(&mut venue, buy(2, 100, 1)), [1, 0]); // 1,900 is not 2,000.
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [5, 0]); // 0.5 % of 1,000.
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [2, 0]); // 0.2 % of 1,000 from 3,000 on.
                                                              // A group with tiers of its own does not look at those of group 0; without fees of its own it pays those.
    venue.accept(group(2, 7));
    venue.accept(tier(7, 1, 1_000_000, 0, 1_000));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [10, 0]);
    venue.accept(set_fees(7, 0, 20_000));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [20, 0]);
    // A promotion comes before tiers, while it is on; it is told and kept before it begins.
    assert_eq!(venue.say(promotion(0, 2_000, 3_000, 0, 0)), ["set fee_promotion"]);
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [20, 0]);
    venue.now_ns = 2_000;
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [0, 0]);
    // One of its own that is not on hides the one of group 0.
    venue.accept(promotion(7, 5_000, 6_000, 0, 3_000));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [20, 0]);
    venue.accept(promotion(7, 5_000, 5_000, 0, 3_000));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [0, 0]);
    venue.now_ns = 3_000;
    venue.accept(tier(7, 1, 0, 0, 0));
    // Group 0's tiers hold again.
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [2, 0]);
    // What is not traded by then counts no more.
    venue.now_ns = 40 * 86_400_000_000_000;
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [20, 0]);
}

#[test]
fn fee_rules_are_refused_for_one_reason() {
    let mut venue = Venue::new();
    assert_eq!(venue.say(tier(0, 1, 1, 0, 1_000_001)), ["rejected invalid_fee"]);
    assert_eq!(venue.say(tier(0, 0, 1, 0, 0)), ["rejected invalid_fee_tier"]);
    assert_eq!(venue.say(tier(0, 16, 1, 0, 0)), ["rejected invalid_fee_tier"]);
    assert_eq!(venue.say(tier(0, 1, -1, 0, 0)), ["rejected invalid_fee_tier"]);
    assert_eq!(venue.say(promotion(0, 1, 2, -2, 1)), ["rejected invalid_fee"]);
    assert_eq!(venue.say(cap(0, -1)), ["rejected invalid_fee_cap"]);
    assert_eq!(venue.say(cap(0, 10_i128.pow(30) + 1)), ["rejected invalid_fee_cap"]);
    venue.accept(promotion(0, i64::MIN, i64::MAX, 0, 0));
    venue.accept(tier(0, 15, i128::MAX, 0, 0));
    venue.accept(cap(0, 10_i128.pow(30)));
    venue.check_snapshot();
    venue.accept(promotion(0, 0, 0, 0, 0));
    venue.accept(tier(0, 15, 0, 0, 0));
    venue.accept(cap(0, 0));
    let other = SetFeeCap { instrument_id: InstrumentId(2), group_id: GroupId(0), max_fee: Amount(1) };
    assert_eq!(venue.say(Command::SetFeeCap(other)), ["rejected unknown_instrument"]);
    venue.check_snapshot();
}

#[test]
fn a_cap_bounds_what_one_order_pays_and_holds() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, 5_000, 10_000));
    assert_eq!(venue.say(cap(0, 15)), ["set fee_cap"]);
    venue.accept(sell(3, 100, 10));
    // 1 % of 1,000 is 10; what rests holds 2,000 and the 5 that are left of the cap.
    assert_eq!(fees_of(&mut venue, buy(2, 100, 30)), [10, 5]);
    assert_eq!(venue.held(2), (0, 2_005));
    // 0.5 % of 1,000 is 5, then there is nothing more to pay.
    assert_eq!(fees_of(&mut venue, sell(4, 100, 10)), [10, 5]);
    assert_eq!(venue.held(2), (0, 1_000));
    assert_eq!(fees_of(&mut venue, sell(4, 100, 10)), [10, 0]);
    assert_eq!(venue.held(2), (0, 0));
    // An order keeps its cap; another one has none.
    venue.accept(buy(2, 100, 30));
    assert_eq!(venue.held(2), (0, 3_015));
    venue.accept(cap(0, 0));
    assert_eq!(fees_of(&mut venue, sell(4, 100, 30)), [30, 15]);
    // A market buy needs what it will pay, and not a unit more.
    venue.accept(cap(0, 15));
    venue.accept(sell(3, 100, 100));
    let (_, quote) = venue.available(5);
    venue.deposit(5, 2, 10_015 - quote + 1_000_000_000_000); // A deposit is at least 1.
    let away = Withdraw { account_id: AccountId(5), asset_id: AssetId(2), amount: Amount(1_000_000_000_000) };
    venue.accept(Command::Withdraw(away));
    assert_eq!(venue.available(5).1, 10_015);
    assert_eq!(fees_of(&mut venue, Command::NewOrder(market(5, Side::Buy, 100))), [15, 15]);
    assert_eq!(venue.available(5).1, 0);
}

#[test]
fn a_rebate_makes_room_below_a_cap() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, -10_000, 10_000));
    venue.accept(cap(0, 4));
    venue.accept(sell(3, 100, 10));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 30)), [4, -4]); // The venue has no more to pay rebates of.
    assert_eq!(venue.held(2), (0, 2_000));
    assert_eq!(fees_of(&mut venue, sell(4, 100, 10)), [4, -4]);
    // It has paid 0 by now, so that it could pay 4 again.
    assert_eq!(venue.held(2), (0, 1_004));
}

fn withdraw_all(venue: &mut Venue, account: u32) {
    let away =
        Withdraw { account_id: AccountId(account), asset_id: AssetId(2), amount: Amount(venue.available(account).1) };
    venue.accept(Command::Withdraw(away));
}

#[test]
fn a_rebate_that_the_venue_cannot_pay_leaves_the_hold_covered() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, -5_000, 5_000));
    venue.accept(cap(4, 1));
    venue.accept(group(4, 4));
    venue.accept(buy(2, 1, 420));
    assert_eq!(venue.held(2), (0, 423));
    // The maker is owed 0.6, which is its carry.
    assert_eq!(fees_of(&mut venue, sell(5, 1, 120)), [1, 0]);
    assert_eq!(venue.held(2), (0, 301));
    venue.accept(buy(3, 5, 1));
    assert_eq!(fees_of(&mut venue, sell(4, 5, 1_000)), [1, 0]);
    withdraw_all(&mut venue, 1);
    withdraw_all(&mut venue, 2);
    // The taker has reached its cap, so there is nothing to pay the maker's unit with.
    assert_eq!(fees_of(&mut venue, replace(4, 4, 1, 81)), [0, 0]);
    assert_eq!(venue.held(2), (0, 221));
    assert_eq!(venue.available(2), (1_000_000_000_200, 0));
}

const ACCOUNT_2: RiskScope = RiskScope::Account(AccountId(2));

fn limits(scope: RiskScope, instrument_id: InstrumentId, change: impl FnOnce(&mut RiskLimits)) -> Command {
    let mut limits = RiskLimits::default();
    change(&mut limits);
    Command::SetRiskLimits(Box::new(SetRiskLimits { scope, instrument_id, limits }))
}

/// The reason of a refusal, or nothing.
fn reason(venue: &mut Venue, command: Command) -> String {
    let lines = venue.say(command);
    venue.check_snapshot();
    lines[0].strip_prefix("rejected ").unwrap_or("").to_string()
}

#[test]
fn an_order_is_bounded_in_price_quantity_and_notional() {
    let mut venue = Venue::new();
    let set = limits(ACCOUNT_2, ONE, |limits| {
        limits.fat_finger_bps = 1_000;
        limits.max_order_quantity = Lots(10);
        limits.max_order_notional = Amount(1_000);
    });
    assert_eq!(venue.say(set), ["set risk_limits"]);
    // Without a reference price there is nothing to be far from.
    assert_eq!(reason(&mut venue, buy(2, 300, 1)), "");
    venue.accept(mass_cancel(2));
    venue.accept(sell(3, 101, 1));
    venue.accept(buy(4, 101, 1));
    // 10 % of 101 is 10.1.
    assert_eq!(reason(&mut venue, buy(2, 112, 11)), "fat_finger");
    assert_eq!(reason(&mut venue, buy(2, 111, 11)), "order_quantity_limit");
    assert_eq!(reason(&mut venue, buy(2, 111, 10)), "order_notional_limit");
    assert_eq!(reason(&mut venue, buy(2, 111, 9)), "");
    assert_eq!(reason(&mut venue, sell(2, 90, 11)), "fat_finger");
    assert_eq!(reason(&mut venue, sell(2, 91, 11)), "order_quantity_limit");
    // Others are not bounded, market orders in quantity only.
    assert_eq!(reason(&mut venue, buy(3, 1_000, 1)), "");
    assert_eq!(reason(&mut venue, Command::NewOrder(market(2, Side::Sell, 11))), "order_quantity_limit");
    assert_eq!(reason(&mut venue, Command::NewOrder(market(2, Side::Sell, 10))), "");
    // A replace is checked with its total quantity.
    venue.accept(mass_cancel(0));
    venue.accept(buy(2, 90, 9));
    let id = venue.engine.open_orders(AccountId(2)).next().expect("it is open").order_id.0;
    assert_eq!(reason(&mut venue, replace(2, id, 100_000, 0)), "fat_finger");
    assert_eq!(reason(&mut venue, replace(2, id, 0, 11)), "order_quantity_limit");
    assert_eq!(reason(&mut venue, replace(2, id, 99, 11)), "order_quantity_limit");
    venue.accept(limits(ACCOUNT_2, ONE, |_| {}));
    assert_eq!(reason(&mut venue, buy(2, 900, 1_000)), "");
}

#[test]
fn open_orders_are_counted_by_account_group_and_key() {
    let mut venue = Venue::new();
    venue.accept(buy(2, 10, 1));
    venue.accept(limits(ACCOUNT_2, InstrumentId::NONE, |limits| limits.max_open_orders = 2));
    venue.accept(limits(RiskScope::Group(GroupId(5)), ONE, |limits| limits.max_open_orders = 3));
    venue.accept(limits(RiskScope::Key(AccountId(3), KeyId(1)), ONE, |limits| limits.max_open_orders = 1));
    venue.accept(limits(ACCOUNT_2, ONE, |limits| limits.max_open_conditional_orders = 1));
    let stop = || Command::NewOrder(conditional(OrderType::StopLimit, 2, Side::Buy, 50, 60, 5));
    assert_eq!(reason(&mut venue, stop()), "");
    assert_eq!(reason(&mut venue, stop()), "open_orders_limit");
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "open_orders_limit");
    assert_eq!(reason(&mut venue, replace(2, 1, 11, 2)), "");
    // The cancel of a cancel-replace makes room for its new order.
    let Command::CancelOrder(first) = cancel(2, 1) else { unreachable!() };
    let both =
        CancelReplace { cancel: first, mode: CancelReplaceMode::StopOnFailure, new_order: limit(2, Side::Buy, 12, 1) };
    assert_eq!(reason(&mut venue, Command::CancelReplace(Box::new(both))), "");
    venue.accept(cancel(2, 3));
    assert_eq!(reason(&mut venue, stop()), "open_conditional_orders_limit");
    // Triggered, it is no conditional order any more.
    venue.accept(sell(4, 50, 1));
    venue.accept(buy(4, 50, 1));
    assert_eq!(reason(&mut venue, stop()), "");
    venue.accept(mass_cancel(0));

    assert_eq!(reason(&mut venue, with_key(buy(3, 10, 1), 1)), "");
    assert_eq!(reason(&mut venue, with_key(buy(3, 10, 1), 1)), "open_orders_limit");
    assert_eq!(reason(&mut venue, with_key(buy(3, 10, 1), 2)), "");
    // A group has the orders of its accounts, from when they join until they leave.
    venue.accept(group(3, 5));
    venue.accept(group(4, 5));
    assert_eq!(reason(&mut venue, buy(4, 10, 1)), "");
    assert_eq!(reason(&mut venue, buy(4, 10, 1)), "open_orders_limit");
    venue.accept(group(3, 0));
    assert_eq!(reason(&mut venue, buy(4, 10, 1)), "");
    let code = AccountCode::new(b"late").expect("a code");
    venue.accept(Command::OpenAccount(OpenAccount { code, group_id: GroupId(5) }));
    venue.deposit(10, 2, 1_000);
    assert_eq!(reason(&mut venue, buy(10, 10, 1)), "");
    assert_eq!(reason(&mut venue, buy(10, 10, 1)), "open_orders_limit");
}

#[test]
fn a_position_is_bounded_with_what_is_open() {
    let mut venue = Venue::new();
    venue.accept(limits(ACCOUNT_2, ONE, |limits| limits.max_position = Lots(10)));
    venue.accept(limits(RiskScope::Group(GroupId(0)), ONE, |limits| limits.max_position = Lots(15)));
    venue.accept(sell(3, 10, 10));
    assert_eq!(reason(&mut venue, buy(2, 10, 11)), "position_limit");
    venue.accept(buy(2, 10, 4));
    // 4 are bought, 5 are open.
    venue.accept(buy(2, 9, 5));
    assert_eq!(reason(&mut venue, buy(2, 9, 2)), "position_limit");
    assert_eq!(reason(&mut venue, replace(2, 3, 9, 7)), "position_limit");
    assert_eq!(reason(&mut venue, replace(2, 3, 9, 6)), "");
    assert_eq!(reason(&mut venue, buy(2, 9, 1)), "position_limit");
    // It is bounded on the short side too, and selling what one has does not count.
    assert_eq!(reason(&mut venue, sell(2, 20, 15)), "position_limit"); // 11 short.
    assert_eq!(reason(&mut venue, sell(2, 20, 14)), "position_limit"); // The group has 6 + 14 to sell.
    assert_eq!(reason(&mut venue, sell(2, 20, 9)), "");
    // The accounts of a group offset each other.
    let view = venue.engine.position(AccountId(3), ONE).expect("it has traded");
    assert_eq!(view.position.quantity, -4);
    venue.accept(mass_cancel(0));
    assert_eq!(reason(&mut venue, sell(3, 20, 16)), "position_limit");
    assert_eq!(reason(&mut venue, sell(3, 20, 15)), "");
    venue.accept(mass_cancel(0));
    venue.accept(group(2, 1));
    assert_eq!(reason(&mut venue, sell(3, 20, 12)), "position_limit");
    assert_eq!(reason(&mut venue, sell(3, 20, 11)), "");
}

#[test]
fn an_exposure_is_open_orders_and_the_position_at_the_last_price() {
    let mut venue = Venue::new();
    venue.accept(limits(ACCOUNT_2, ONE, |limits| limits.max_exposure = Amount(1_000)));
    venue.accept(sell(3, 100, 4));
    venue.accept(buy(2, 100, 4)); // 400
    venue.accept(sell(2, 150, 2)); // 300
    assert_eq!(reason(&mut venue, buy(2, 50, 7)), "exposure_limit");
    assert_eq!(reason(&mut venue, buy(2, 50, 6)), "");
    assert_eq!(reason(&mut venue, replace(2, 4, 51, 6)), "exposure_limit");
    assert_eq!(reason(&mut venue, replace(2, 4, 49, 6)), "");
    venue.accept(cancel(2, 3));
    // At another last price the position is worth something else.
    venue.accept(sell(3, 200, 1));
    venue.accept(buy(4, 200, 1));
    assert_eq!(reason(&mut venue, buy(2, 1, 1)), "exposure_limit"); // 4 at 200 and 294.
}

#[test]
fn a_rate_counts_orders_and_replaces_in_a_window() {
    let mut venue = Venue::new();
    venue.now_ns = 10_000_000;
    venue.accept(limits(ACCOUNT_2, InstrumentId::NONE, |limits| {
        limits.max_order_rate = 3;
        limits.rate_window_ns = 1_000_000;
    }));
    venue.accept(buy(2, 10, 1));
    venue.accept(replace(2, 1, 11, 1));
    assert_eq!(reason(&mut venue, buy(2, 10, i64::MAX)), "invalid_quantity"); // Refused, so not counted.
    venue.accept(buy(2, 10, 1));
    venue.now_ns = 10_999_999;
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "order_rate_limit");
    assert_eq!(reason(&mut venue, replace(2, 1, 12, 1)), "order_rate_limit");
    venue.now_ns = 11_000_000;
    assert_eq!(reason(&mut venue, replace(2, 1, 12, 1)), "");
}

#[test]
fn an_order_like_the_last_one_is_a_duplicate_for_a_while() {
    let mut venue = Venue::new();
    venue.accept(limits(ACCOUNT_2, ONE, |limits| limits.duplicate_window_ns = 1_000));
    venue.accept(buy(2, 10, 1));
    venue.now_ns += 999;
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "duplicate_order");
    assert_eq!(reason(&mut venue, buy(3, 10, 1)), "");
    assert_eq!(reason(&mut venue, replace(2, 1, 10, 1)), "");
    venue.now_ns += 1;
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "");
    assert_eq!(reason(&mut venue, buy(2, 10, 2)), "");
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "");
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "duplicate_order");
}

#[test]
fn limits_are_refused_for_one_reason() {
    let mut venue = Venue::new();
    let group = RiskScope::Group(GroupId(1));
    let key = |key| RiskScope::Key(AccountId(2), KeyId(key));
    let refused: [(&str, Command); 14] = [
        ("unknown_account", limits(RiskScope::Account(AccountId(0)), ONE, |_| {})),
        ("unknown_account", limits(RiskScope::Key(AccountId(99), KeyId(9_999)), ONE, |_| {})),
        ("unknown_instrument", limits(key(9_999), InstrumentId(2), |_| {})),
        ("invalid_key", limits(key(4_096), ONE, |limits| limits.max_position = Lots(-1))),
        ("invalid_risk_limits", limits(key(1), ONE, |limits| limits.max_position = Lots(1))),
        ("invalid_risk_limits", limits(key(1), ONE, |limits| limits.max_exposure = Amount(1))),
        ("invalid_risk_limits", limits(group, ONE, |limits| limits.max_exposure = Amount(-1))),
        ("invalid_risk_limits", limits(group, ONE, |limits| limits.max_order_rate = 1)),
        ("invalid_risk_limits", limits(group, ONE, |limits| limits.rate_window_ns = 1_000_000)),
        ("invalid_risk_limits", limits(group, ONE, |limits| limits.duplicate_window_ns = 3_600_000_000_001)),
        ("invalid_risk_limits", limits(group, InstrumentId::NONE, |limits| limits.duplicate_window_ns = 1)),
        ("invalid_risk_limits", limits(group, InstrumentId::NONE, |limits| limits.fat_finger_bps = 1)),
        ("invalid_risk_limits", limits(group, InstrumentId::NONE, |limits| limits.max_order_quantity = Lots(1))),
        ("invalid_risk_limits", limits(group, InstrumentId::NONE, |limits| limits.max_position = Lots(1))),
    ];
    for (expected, command) in refused {
        assert_eq!(reason(&mut venue, command), expected);
    }
    let most = limits(group, ONE, |limits| {
        limits.max_exposure = Amount(i128::MAX);
        limits.max_order_notional = Amount(i128::MAX);
        limits.max_position = Lots(i64::MAX);
        limits.max_order_quantity = Lots(i64::MAX);
        limits.fat_finger_bps = u32::MAX;
    });
    venue.accept(most);
    venue.accept(self::group(2, 1));
    assert_eq!(reason(&mut venue, buy(2, 10, 1)), "");
    assert_eq!(reason(&mut venue, sell(2, 1, 1)), "");
}

fn bust(buyer_fee: i128, seller_fee: i128) -> BustTrade {
    BustTrade {
        trade_id: TradeId(1),
        instrument_id: ONE,
        buyer: AccountId(2),
        seller: AccountId(3),
        price: PriceTicks(100),
        quantity: Lots(10),
        buyer_fee: Amount(buyer_fee),
        seller_fee: Amount(seller_fee),
    }
}

fn adjust(price: i64, new_price: i64) -> AdjustTrade {
    AdjustTrade {
        trade_id: TradeId(1),
        instrument_id: ONE,
        buyer: AccountId(2),
        seller: AccountId(3),
        price: PriceTicks(price),
        quantity: Lots(10),
        new_price: PriceTicks(new_price),
    }
}

#[test]
fn a_busted_trade_s_money_moves_back() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, -10_000, 20_000));
    let before = (venue.available(2), venue.available(3));
    venue.accept(sell(3, 100, 10));
    assert_eq!(fees_of(&mut venue, buy(2, 100, 10)), [20, -10]);
    let lines = venue.say(administer(Command::BustTrade(bust(20, -10))));
    assert_eq!(
        lines,
        [
            "administered by alice for by the book",
            "posted 2 1 -10",
            "posted 2 2 1020",
            "posted 3 1 10",
            "posted 3 2 -1010",
            "posted 1 2 -10",
            "corrected 1 to 0",
        ]
    );
    assert_eq!((venue.available(2), venue.available(3)), before);
    assert_eq!(position(&venue, 2), (0, 0, 0, 0, 0));
    assert_eq!(position(&venue, 3), (0, 0, 0, 0, 0));
    assert_eq!(reason(&mut venue, Command::BustTrade(bust(20, -10))), "duplicate_trade_correction");
    assert_eq!(reason(&mut venue, Command::AdjustTrade(adjust(100, 90))), "duplicate_trade_correction");
}

#[test]
fn an_adjusted_trade_moves_the_difference() {
    let mut venue = Venue::new();
    venue.accept(sell(3, 100, 10));
    venue.accept(buy(2, 100, 10));
    let lines = venue.say(Command::AdjustTrade(adjust(100, 90)));
    assert_eq!(lines, ["posted 2 2 100", "posted 3 2 -100", "corrected 1 to 90"]);
    // The mark is 100, and 900 were paid.
    assert_eq!(position(&venue, 2), (10, 900, 0, 100, 0));
    let lines = venue.say(Command::AdjustTrade(adjust(90, 120)));
    assert_eq!(lines, ["posted 2 2 -300", "posted 3 2 300", "corrected 1 to 120"]);
    assert_eq!(venue.say(Command::AdjustTrade(adjust(120, 120))), ["corrected 1 to 120"]);
    withdraw_all(&mut venue, 2);
    assert_eq!(reason(&mut venue, Command::AdjustTrade(adjust(120, 121))), "insufficient_funds");
    assert_eq!(reason(&mut venue, Command::AdjustTrade(adjust(120, 119))), "");
}

#[test]
fn a_correction_is_refused_for_one_reason() {
    let mut venue = Venue::new();
    let mut refused = |bust: BustTrade| reason(&mut venue, Command::BustTrade(bust));
    let most = (1_i64 << 53) - 1;
    assert_eq!(refused(BustTrade { buyer: AccountId(99), price: PriceTicks(0), ..bust(0, 0) }), "unknown_account");
    assert_eq!(refused(BustTrade { seller: AccountId(0), ..bust(0, 0) }), "unknown_account");
    assert_eq!(refused(BustTrade { instrument_id: InstrumentId(9), ..bust(0, 0) }), "unknown_instrument");
    assert_eq!(refused(BustTrade { price: PriceTicks(0), quantity: Lots(0), ..bust(0, 0) }), "invalid_price");
    assert_eq!(refused(BustTrade { quantity: Lots(0), ..bust(0, 0) }), "invalid_quantity");
    let huge = BustTrade { price: PriceTicks(most), quantity: Lots(most), ..bust(0, 0) };
    assert_eq!(refused(huge), "notional_overflow");
    assert_eq!(refused(bust(i128::MIN, 0)), "invalid_amount");
    assert_eq!(refused(bust(0, i128::MAX)), "invalid_amount");
    assert_eq!(refused(bust(0, 0)), "unknown_trade");
    assert_eq!(reason(&mut venue, Command::AdjustTrade(adjust(100, 0))), "invalid_price");
    assert_eq!(reason(&mut venue, Command::AdjustTrade(adjust(100, 90))), "unknown_trade");
    venue.accept(sell(3, 100, 10));
    venue.accept(buy(2, 100, 10));
    // The venue has got no fees to give back.
    assert_eq!(reason(&mut venue, Command::BustTrade(bust(1, 0))), "insufficient_funds");
    // Nobody gives what is held.
    venue.accept(sell(2, 1_000, 1_000_000_000));
    let (base, _) = venue.available(2);
    venue.accept(sell(2, 1_000, 1_000_000_000.min(base as i64)));
    assert_eq!(reason(&mut venue, Command::BustTrade(bust(0, 0))), "");
}

#[test]
fn a_trade_with_oneself_changes_nothing_when_it_is_busted() {
    let mut venue = Venue::new();
    venue.accept(set_fees(0, 10_000, 10_000));
    venue.accept(sell(2, 100, 10));
    venue.accept(buy(2, 100, 10));
    let own = BustTrade { seller: AccountId(2), ..bust(10, 10) };
    let lines = venue.say(Command::BustTrade(own));
    assert_eq!(lines, ["posted 2 2 20", "posted 1 2 -20", "corrected 1 to 0"]);
    assert_eq!(position(&venue, 2), (0, 0, 0, 0, 0));
    venue.check_snapshot();
}
