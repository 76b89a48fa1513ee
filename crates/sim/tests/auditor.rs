//! The auditor's rules about who trades first, each with a report that breaks it: an engine says what is right, and the
//! report is changed.

use beurs_engine::command::{AddAsset, Command, Deposit, ListInstrument, NewOrder, OpenAccount, ReplaceOrder, Terms};
use beurs_engine::event::{Event, ExecutionReport};
use beurs_engine::types::{
    AccountId, Amount, AssetId, ClientOrderId, ExecType, GroupId, InstrumentId, KeyId, Lots, OrderId, OrderType,
    PriceTicks, SelfTradePrevention, ShortText, Side, Step, TimeInForce,
};
use beurs_engine::{Engine, EngineConfig};
use beurs_sim::auditor::{Auditor, Finding, Listing};
use beurs_sim::naive::Naive;

fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).expect("a short text")
}

fn order(account: u32, side: Side, price: i64, quantity: i64) -> Command {
    Command::NewOrder(NewOrder {
        account_id: AccountId(account),
        instrument_id: InstrumentId(1),
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
    })
}

/// Sells at 100, at 100 and at 101, and then a buy of one lot at 101 whose reports are changed.
fn audit(change: impl Fn(&mut ExecutionReport)) -> Result<(), Finding> {
    let mut orders =
        [(2, 100), (3, 100), (4, 101)].map(|(account, price)| order(account, Side::Sell, price, 1)).to_vec();
    orders.push(order(5, Side::Buy, 101, 1));
    audit_of(orders, change)
}

/// The reports of the last of these commands are changed.
fn audit_of(orders: Vec<Command>, change: impl Fn(&mut ExecutionReport)) -> Result<(), Finding> {
    let one = Step { mantissa: 1, scale: 0 };
    let mut commands = vec![
        Command::AddAsset(AddAsset { code: text("UNIT"), scale: 0 }),
        Command::AddAsset(AddAsset { code: text("CENT"), scale: 2 }),
        Command::ListInstrument(ListInstrument {
            symbol: text("UNIT-CENT"),
            base: AssetId(1),
            quote: AssetId(2),
            tick_size: one,
            lot_size: one,
            min_quantity: Lots(1),
            max_quantity: Lots(1000),
            min_notional: Amount(0),
        }),
    ];
    for account in 2..=5 {
        let code = text(&format!("client-{account}"));
        commands.push(Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) }));
        for asset_id in [AssetId(1), AssetId(2)] {
            let account_id = AccountId(account);
            commands.push(Command::Deposit(Deposit { account_id, asset_id, amount: Amount(1_000_000) }));
        }
    }
    commands.extend(orders);
    let last = commands.len() - 1;

    let mut auditor = Auditor::default();
    let listing =
        Listing { base: AssetId(1), quote: AssetId(2), lot_units: 1, tick_lot_units: 100, by_time: true, bands: None };
    auditor.list(InstrumentId(1), listing);
    let mut engine = Engine::new(EngineConfig::default());
    let mut naive = Naive::new(100, 100);
    for (at, command) in commands.iter().enumerate() {
        let mut events = Vec::new();
        let sequence = at as u64 + 1;
        assert!(engine.apply(sequence, 1_000, command, &mut events), "{command:?}: {events:?}");
        let mut expected = Vec::new();
        naive.apply(sequence, 1_000, command, &mut expected);
        assert_eq!(events, expected, "the model agrees");
        for event in &mut events {
            if let (Event::Execution(report), true) = (event, at == last) {
                change(report);
            }
        }
        auditor.handed(sequence, command);
        auditor.completed(sequence, sequence)?;
        auditor.released(sequence, 1_000, events)?;
    }
    Ok(())
}

/// Has another order than the first be the maker of the trade.
fn maker(report: &mut ExecutionReport, order: u64, account: u32, price: i64) {
    if report.exec_type != ExecType::Trade {
        return;
    }
    if report.side == Side::Sell {
        report.order_id = OrderId(order);
        report.account_id = AccountId(account);
        report.price = PriceTicks(price);
    } else {
        report.counter_order_id = OrderId(order);
    }
    report.last_price = PriceTicks(price);
    report.last_notional = Amount(i128::from(price) * 100);
}

#[test]
fn what_the_engine_says_is_right() {
    assert_eq!(audit(|_| {}), Ok(()));
    assert_eq!(audit(|report| maker(report, 1, 2, 100)), Ok(()), "the change changes nothing");
}

#[test]
fn a_later_order_at_the_same_price_does_not_trade_first() {
    assert_eq!(audit(|report| maker(report, 2, 3, 100)).expect_err("it was second").rule, "time priority");
}

#[test]
fn an_order_at_a_worse_price_does_not_trade_first() {
    assert_eq!(audit(|report| maker(report, 3, 4, 101)).expect_err("it was worse").rule, "price priority");
}

/// Found as seed 6817, a false alarm: an order that slides was replaced at another price, slid to where it had been, and
/// was at the back there, which the auditor did not know.
#[test]
fn an_order_that_slides_back_to_its_price_is_behind_the_others_there() {
    let Command::NewOrder(mut slides) = order(2, Side::Sell, 98, 1) else { unreachable!("it is an order") };
    slides.post_only = true;
    slides.terms = Some(Box::new(Terms { slide: true, ..Terms::NONE }));
    let replace = Command::ReplaceOrder(ReplaceOrder {
        account_id: AccountId(2),
        order_id: OrderId(2),
        original_client_order_id: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        price: PriceTicks(97),
        quantity: Lots(0),
        trigger_price: PriceTicks(0),
        display_quantity: Lots(0),
    });
    let orders = vec![
        order(5, Side::Buy, 99, 1),
        Command::NewOrder(slides),
        order(3, Side::Sell, 100, 1),
        replace,
        order(4, Side::Buy, 100, 1),
    ];
    let third_was_first = |report: &mut ExecutionReport| {
        if report.exec_type == ExecType::Trade && report.side == Side::Buy {
            assert_eq!((report.last_price, report.counter_order_id), (PriceTicks(100), OrderId(3)));
        }
    };
    assert_eq!(audit_of(orders, third_was_first), Ok(()));
}

#[test]
fn a_trade_is_at_the_makers_price() {
    let dearer = |report: &mut ExecutionReport| {
        if report.exec_type == ExecType::Trade {
            report.last_price = PriceTicks(101);
            report.last_notional = Amount(10_100);
        }
    };
    assert_eq!(audit(dearer).expect_err("the maker asked for less").rule, "the maker's price");
}

#[test]
fn quantities_and_ids_add_up() {
    let rule = |change: &dyn Fn(&mut ExecutionReport)| audit(change).expect_err("it is wrong").rule;
    assert_eq!(rule(&|report| report.filled_quantity = Lots(0)), "quantities");
    assert_eq!(rule(&|report| report.leaves_quantity = Lots(1)), "quantities");
    assert_eq!(rule(&|report| report.hold = Amount(7)), "holds");
    assert_eq!(rule(&|report| report.order_id = OrderId(report.order_id.0 + 4)), "dense ids");
    assert_eq!(rule(&|report| report.trade_id.0 += u64::from(report.trade_id.0 > 0)), "dense ids");
}
