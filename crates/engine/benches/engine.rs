//! The whole engine with risk, ledger, fees and events: commands per second, latency, and memory per resting order.
//!
//! `cargo bench -p beurs-engine --bench engine`. The mix is 50 % limit orders near the touch, 40 % cancels and 10 % IOC
//! orders that trade. Commands are made beforehand by running a copy of the engine, so that they name real orders.
//!
//! `-- rulebook` measures what the rulebook costs: the mix with 10 % icebergs and stop-limit orders near the touch in it, and
//! the plain mix beside 1,000,000 conditional orders that wait, each in turns with the plain mix; and what a trigger costs.

mod common;

use beurs_engine::command::{
    feature, AddAsset, CancelOrder, Command, Deposit, ListInstrument, NewOrder, OpenAccount, SetFeatures, SetFees,
    Terms,
};
use beurs_engine::event::Event;
use beurs_engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, GroupId, InstrumentId, KeyId, Lots, OrderId,
    OrderType, PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce,
};
use beurs_engine::Engine;
use common::{median, now, time, Random};
use std::hint::black_box;

const ACCOUNTS: u64 = 100;
const MIDDLE: i64 = 100_000;
const COMMANDS: usize = 2_000_000;
/// Commands whose events are kept before the buffer is used again, as a journal batch would.
const BATCH: usize = 1024;

struct Load {
    engine: Engine,
    commands: Vec<Command>,
}

fn apply(engine: &mut Engine, command: &Command, events: &mut Vec<Event>) {
    let sequence = engine.sequence() + 1;
    engine.apply(sequence, sequence as i64, command, events);
}

fn venue() -> Engine {
    let mut engine = Engine::default();
    let mut events = Vec::new();
    let code = |text: &str| AssetCode::new(text.as_bytes()).expect("a valid code");
    let mut setup = vec![
        Command::AddAsset(AddAsset { code: code("BTC"), scale: 8 }),
        Command::AddAsset(AddAsset { code: code("USD"), scale: 6 }),
        Command::ListInstrument(ListInstrument {
            symbol: Symbol::new(b"BTC-USD").expect("a valid symbol"),
            base: AssetId(1),
            quote: AssetId(2),
            tick_size: Step { mantissa: 1, scale: 2 },
            lot_size: Step { mantissa: 1, scale: 4 },
            min_quantity: Lots(1),
            max_quantity: Lots(1_000_000_000),
            min_notional: Amount(0),
        }),
        Command::SetFees(SetFees {
            instrument_id: InstrumentId(1),
            group_id: GroupId(0),
            maker_ppm: -50,
            taker_ppm: 450,
        }),
    ];
    for account in 1..=ACCOUNTS {
        let code = AccountCode::new(format!("trader{account}").as_bytes()).expect("a valid code");
        setup.push(Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) }));
        for asset in 1..=2 {
            let account_id = AccountId(account as u32 + 1);
            let amount = Amount(10_i128.pow(20));
            setup.push(Command::Deposit(Deposit { account_id, asset_id: AssetId(asset), amount }));
        }
    }
    for command in &setup {
        apply(&mut engine, command, &mut events);
    }
    assert!(!events.iter().any(|event| matches!(event, Event::Rejected(_))));
    engine
}

fn order(random: &mut Random, side: Side, price: i64, quantity: i64, time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        account_id: AccountId(random.below(ACCOUNTS) as u32 + 2),
        instrument_id: InstrumentId(1),
        side,
        order_type: OrderType::Limit,
        time_in_force,
        post_only: false,
        self_trade_prevention: SelfTradePrevention::None,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        quote_quantity: Amount(0),
        client_order_id: ClientOrderId::EMPTY,
        key_id: KeyId::NONE,
        terms: None,
    }
}

/// Makes a limit order an iceberg, or a stop-limit order that waits on the other side of the touch.
fn make_special(random: &mut Random, order: &mut NewOrder) {
    let mut terms = Terms::NONE;
    if random.below(2) == 0 {
        terms.display_quantity = Lots(1 + order.quantity.0 / 4);
    } else {
        let away = 2 * (order.price.0 - MIDDLE);
        order.order_type = OrderType::StopLimit;
        terms.trigger_price = PriceTicks(MIDDLE - away);
        order.price = PriceTicks(MIDDLE - away - away.signum() * 5);
    }
    order.terms = Some(Box::new(terms));
}

/// Adds orders that rest, or wait for prices, which are far away.
fn add_far(engine: &mut Engine, count: usize, waiting: bool) {
    let mut random = Random(7);
    let mut events = Vec::new();
    for _ in 0..count {
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = 1_000 + random.below(50_000) as i64;
        let trigger = if side == Side::Buy { MIDDLE + away } else { MIDDLE - away };
        let side = if waiting { side } else { side.opposite() };
        let mut order = order(&mut random, side, trigger, 1, TimeInForce::Gtc);
        if waiting {
            order.order_type = OrderType::StopLimit;
            order.terms = Some(Box::new(Terms { trigger_price: PriceTicks(trigger), ..Terms::NONE }));
        }
        events.clear();
        apply(engine, &Command::NewOrder(order), &mut events);
    }
    assert_eq!(engine.open_order_count() as usize, count);
}

/// A venue with `resting` orders near the touch, more that rest or wait far away, and commands that keep it at about that number. `special`: how many in a
/// thousand of the limit orders are more than that.
fn load(resting: usize, client_order_ids: bool, special: u64, far: Option<(usize, bool)>) -> Load {
    let mut random = Random(42);
    let mut engine = venue();
    let (far, waiting) = far.unwrap_or((0, false));
    add_far(&mut engine, far, waiting);
    let resting = resting + far;
    let mut events = Vec::new();
    let mut open: Vec<(AccountId, OrderId)> = Vec::new();
    let mut names = 0_u64;
    // Half the width of the book, in ticks: deep books are wide ones.
    let width = 20.0 + ((resting - far) as f64).sqrt() * 2.0;
    let add = |random: &mut Random, names: &mut u64| {
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = 1 + (random.unit().powi(3) * width) as i64;
        let price = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
        let quantity = 1 + random.below(100) as i64;
        let mut order = order(random, side, price, quantity, TimeInForce::Gtc);
        if client_order_ids {
            *names += 1;
            order.client_order_id = ClientOrderId::new(format!("c{names}").as_bytes()).expect("a valid id");
        }
        if random.below(1_000) < special {
            make_special(random, &mut order);
        }
        order
    };
    let mut run = |engine: &mut Engine, command: &Command, open: &mut Vec<(AccountId, OrderId)>| {
        events.clear();
        apply(engine, command, &mut events);
        if let (Command::NewOrder(order), Some(Event::Execution(report))) = (command, events.first()) {
            if order.time_in_force == TimeInForce::Gtc {
                open.push((order.account_id, report.order_id));
            }
        }
    };
    while (engine.open_order_count() as usize) < resting {
        let command = Command::NewOrder(add(&mut random, &mut names));
        run(&mut engine, &command, &mut open);
    }
    let start = engine.clone();
    let mut commands = Vec::with_capacity(COMMANDS);
    // Ten at a time in a random order, so that the number of resting orders does not drift.
    let mut deck = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2];
    while commands.len() < COMMANDS {
        let place = commands.len() % deck.len();
        let other = place + random.below((deck.len() - place) as u64) as usize;
        deck.swap(place, other);
        // Stop orders take from the book what others put there: what they took is put there again.
        let drained = (engine.open_order_count() as usize) < resting - resting / 10;
        let command = match deck[place] {
            _ if drained => Command::NewOrder(add(&mut random, &mut names)),
            0 => Command::NewOrder(add(&mut random, &mut names)),
            1 => loop {
                // Orders that have traded meanwhile are skipped, so that every cancel finds its order.
                let at = random.below(open.len() as u64) as usize;
                let (account_id, order_id) = open.swap_remove(at);
                if engine.order(order_id).is_some() {
                    let client_order_id = ClientOrderId::EMPTY;
                    break Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id });
                }
            },
            _ => {
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                match engine.best_price(InstrumentId(1), side.opposite()) {
                    Some(best) => {
                        let front = engine.queue(InstrumentId(1), side.opposite()).next();
                        let quantity = front.map_or(1, |it| it.leaves_quantity.0);
                        Command::NewOrder(order(&mut random, side, best.0, quantity, TimeInForce::Ioc))
                    }
                    None => Command::NewOrder(add(&mut random, &mut names)), // Stop orders can empty a side.
                }
            }
        };
        run(&mut engine, &command, &mut open);
        commands.push(command);
    }
    Load { engine: start, commands }
}

fn throughput(load: &Load) -> f64 {
    let mut engine = load.engine.clone();
    let mut events = Vec::with_capacity(BATCH * 4);
    let took = time(|| {
        for batch in load.commands.chunks(BATCH) {
            events.clear();
            let sequence = engine.sequence();
            engine.apply_batch(sequence + 1, sequence as i64, batch, &mut events);
            black_box(&events);
        }
    });
    load.commands.len() as f64 / took.as_secs_f64()
}

fn latency(load: &Load) -> [u128; 4] {
    let mut engine = load.engine.clone();
    let mut events = Vec::with_capacity(64);
    let mut nanoseconds: Vec<u128> = Vec::with_capacity(load.commands.len());
    for command in &load.commands {
        events.clear();
        let sequence = engine.sequence() + 1;
        let start = now();
        engine.apply(sequence, sequence as i64, command, &mut events);
        nanoseconds.push(start.elapsed().as_nanos());
        black_box(&events);
    }
    nanoseconds.sort_unstable();
    [0.5, 0.99, 0.999, 1.0].map(|part| nanoseconds[((nanoseconds.len() - 1) as f64 * part) as usize])
}

fn memory(client_order_ids: bool) -> f64 {
    let mut random = Random(7);
    let mut engine = venue();
    let mut events = Vec::new();
    let empty = engine.memory_bytes();
    for name in 0..1_000_000_u64 {
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = 1 + (random.unit().powi(3) * 50_000.0) as i64;
        let price = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
        let mut order = order(&mut random, side, price, 10, TimeInForce::Gtc);
        if client_order_ids {
            order.client_order_id = ClientOrderId::new(format!("order{name}").as_bytes()).expect("a valid id");
        }
        events.clear();
        apply(&mut engine, &Command::NewOrder(order), &mut events);
    }
    assert_eq!(engine.open_order_count(), 1_000_000);
    (engine.memory_bytes() - empty) as f64 / 1e6
}

/// Nanoseconds for one of `count` orders to wait, trigger and trade, beside as many that go on waiting.
fn trigger_cost(count: usize) -> f64 {
    let mut engine = venue();
    let mut events = Vec::new();
    let mut random = Random(3);
    let features = SetFeatures { instrument_id: InstrumentId(1), features: feature::ALL, max_triggers: 100_000 };
    apply(&mut engine, &Command::SetFeatures(features), &mut events);
    for quantity in [1, 2 * count as i64] {
        let order = order(&mut random, Side::Sell, MIDDLE, quantity, TimeInForce::Gtc);
        apply(&mut engine, &Command::NewOrder(order), &mut events);
    }
    for place in 0..2 * count as i64 {
        let trigger = MIDDLE + if place % 2 == 0 { 0 } else { 1 + place };
        let mut stop = order(&mut random, Side::Buy, trigger, 1, TimeInForce::Gtc);
        stop.order_type = OrderType::StopLimit;
        stop.terms = Some(Box::new(Terms { trigger_price: PriceTicks(trigger), ..Terms::NONE }));
        apply(&mut engine, &Command::NewOrder(stop), &mut events);
    }
    events.clear();
    let print = Command::NewOrder(order(&mut random, Side::Buy, MIDDLE, 1, TimeInForce::Ioc));
    let took = time(|| apply(&mut engine, &print, &mut events));
    // A trade of two reports for each of them; each triggered with two events more.
    assert_eq!(events.len(), 3 + 4 * count);
    took.as_nanos() as f64 / count as f64
}

fn rulebook() {
    let plain = load(1_000, false, 0, None);
    let others = [
        ("10 % icebergs and stops", load(1_000, false, 200, None)),
        ("1,000,000 orders waiting far away", load(1_000, false, 0, Some((1_000_000, true)))),
        ("1,000,000 plain orders resting there instead", load(1_000, false, 0, Some((1_000_000, false)))),
    ];
    for (name, other) in &others {
        let mut rates = Vec::new();
        for _ in 0..5 {
            rates.push((throughput(&plain), throughput(other)));
        }
        rates.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
        let (base, rate) = rates[rates.len() / 2];
        println!(
            "the mix with {name}: {:.2} M commands/s, {:.2} of the plain mix beside it ({:.2} to {:.2})",
            rate / 1e6,
            rate / base,
            rates[0].1 / rates[0].0,
            rates[4].1 / rates[4].0
        );
    }
    for count in [1_000, 10_000, 100_000] {
        println!("{count} orders that trigger in one command: {:.0} ns each", median(5, || trigger_cost(count)));
    }
}

fn main() {
    // `-- 1000` measures only the loads with 1,000 resting orders, `-- 1000 without` only the one without client ids.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.iter().any(|word| word == "rulebook") {
        return rulebook();
    }
    for (resting, client_order_ids) in [(1_000, false), (1_000, true), (100_000, false), (100_000, true)] {
        let names = [resting.to_string(), String::from(if client_order_ids { "with" } else { "without" })];
        if !words.iter().all(|word| names.contains(word)) {
            continue;
        }
        let load = load(resting, client_order_ids, 0, None);
        let rate = median(5, || throughput(&load));
        let [p50, p99, p999, max] = latency(&load);
        println!(
            "whole engine, {:>7} resting, {:>7} client ids: {:>6.2} M commands/s; latency p50 {p50} ns, p99 {p99} ns, \
             p99.9 {p999} ns, max {max} ns (clock included)",
            names[0],
            names[1],
            rate / 1e6
        );
    }
    if !words.is_empty() {
        return;
    }
    rulebook();
    println!("memory per resting order at 1,000,000: {:.1} bytes, {:.1} with client ids", memory(false), memory(true));
}
