//! The book alone, without accounts: messages per second on five price paths, for each way of finding prices.
//!
//! `cargo bench -p beurs-engine --bench book`. A path is 1,000,000 new orders around a moving middle price, with power-law
//! distances from it; 15 % are IOC orders that cross, 20 % of the others are modified once or more (half of those change
//! price, half only shrink), and 95 % of what rests is canceled in the end. Every acknowledgement, trade and cancel goes
//! through the report callback.

mod common;

use beurs_engine::levels::{FlatLevels, PagedLevels, PriceIndex, TreeLevels};
use beurs_engine::order_book::{OrderBook, Report};
use beurs_engine::types::{Lots, OrderId, PriceTicks, Side, TimeInForce};
use common::{median, time, Random};
use std::hint::black_box;

const ORDERS: u64 = 1_000_000;
const START: f64 = 100_000.0;

#[derive(Clone, Copy)]
enum Message {
    New { order_id: u64, side: Side, price: i64, quantity: i64, ioc: bool },
    Cancel { order_id: u64 },
    Replace { order_id: u64, price: i64, leaves: i64 },
}

/// The middle price after a part of the orders, 0 to 1.
type Path = fn(part: f64, random: &mut Random, last: f64) -> f64;

fn walk(_part: f64, random: &mut Random, last: f64) -> f64 {
    last + (random.unit() - 0.5) * 0.5
}

fn still(_part: f64, _random: &mut Random, _last: f64) -> f64 {
    START
}

fn swing(part: f64, size: f64) -> f64 {
    START * (1.0 + size * (part * std::f64::consts::TAU * 2.0).sin())
}

fn swing_25(part: f64, _random: &mut Random, _last: f64) -> f64 {
    swing(part, 0.25)
}

fn swing_40(part: f64, _random: &mut Random, _last: f64) -> f64 {
    swing(part, 0.40)
}

/// Down by 60 % within a hundredth of the time, and back within a tenth.
fn crash(part: f64, random: &mut Random, last: f64) -> f64 {
    match part {
        _ if part < 0.50 => walk(part, random, last),
        _ if part < 0.51 => START * (1.0 - 0.6 * (part - 0.50) / 0.01),
        _ if part < 0.61 => START * (0.4 + 0.6 * (part - 0.51) / 0.10),
        _ => walk(part, random, last),
    }
}

const PATHS: [(&str, Path); 5] = [
    ("random walk", walk),
    ("no movement", still),
    ("swings of 25 %", swing_25),
    ("swings of 40 %", swing_40),
    ("flash crash", crash),
];

fn messages(path: Path) -> Vec<Message> {
    let mut random = Random(1);
    let mut messages = Vec::with_capacity(ORDERS as usize * 3);
    let mut middle = START;
    // Orders that will be canceled or modified, with side, price and quantity.
    let mut waiting: Vec<(u64, Side, i64, i64)> = Vec::new();
    for order_id in 1..=ORDERS {
        middle = path(order_id as f64 / ORDERS as f64, &mut random, middle);
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let sign = if side == Side::Buy { -1.0 } else { 1.0 };
        // Pareto with exponent 1: half of the orders within some ticks, a long tail over the whole range.
        let distance = (4.0 / (1.0 - random.unit())).min(START * 0.35);
        let quantity = 1 + random.below(100) as i64;
        let ioc = random.below(100) < 15;
        let away = if ioc { -distance.min(20.0) } else { distance };
        let price = (middle + sign * away).max(1.0) as i64;
        messages.push(Message::New { order_id, side, price, quantity, ioc });
        if !ioc && random.below(100) < 95 {
            waiting.push((order_id, side, price, quantity));
        }
        // Most orders live shortly, some long: the book grows to tens of thousands of orders.
        if waiting.len() > 50_000 || random.below(100) < 77 && waiting.len() > 100 {
            let among = if random.below(100) < 95 { 100 } else { waiting.len() as u64 };
            let at = waiting.len() - 1 - random.below(among) as usize;
            if random.below(100) < 25 {
                let (order_id, side, price, quantity) = &mut waiting[at];
                if random.below(2) == 0 {
                    let sign = if *side == Side::Buy { -1 } else { 1 };
                    *price = (middle as i64 + sign * (1 + random.below(50) as i64)).max(1);
                } else {
                    *quantity = (*quantity - random.below(10) as i64).max(1);
                }
                messages.push(Message::Replace { order_id: *order_id, price: *price, leaves: *quantity });
            }
            let (order_id, ..) = waiting.swap_remove(at);
            messages.push(Message::Cancel { order_id });
        }
    }
    messages
}

/// What the reports add up to, so that none can be left out, and so that all indexes are seen to do the same.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    accepted: u64,
    trades: u64,
    canceled: u64,
    replaced: u64,
    rejected: u64,
    traded: i64,
}

fn run<P: PriceIndex>(messages: &[Message]) -> (f64, Tally) {
    let mut book: OrderBook<P> = OrderBook::default();
    let mut tally = Tally::default();
    let mut tell = |report: Report| match black_box(report) {
        Report::New { .. } => tally.accepted += 1,
        Report::Trade { quantity, .. } => {
            tally.trades += 1;
            tally.traded += quantity.0;
        }
        Report::Canceled { .. } => tally.canceled += 1,
        Report::Replaced { .. } => tally.replaced += 1,
        Report::Rejected { .. } => tally.rejected += 1,
    };
    let took = time(|| {
        for message in messages {
            match *message {
                Message::New { order_id, side, price, quantity, ioc } => {
                    let time_in_force = if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
                    let (order_id, price, quantity) = (OrderId(order_id), PriceTicks(price), Lots(quantity));
                    book.new_order(order_id, side, price, quantity, time_in_force, &mut tell);
                }
                Message::Cancel { order_id } => book.cancel(OrderId(order_id), &mut tell),
                Message::Replace { order_id, price, leaves } => {
                    book.replace(OrderId(order_id), PriceTicks(price), Lots(leaves), &mut tell);
                }
            }
        }
    });
    (messages.len() as f64 / took.as_secs_f64() / 1e6, tally)
}

fn main() {
    println!("millions of messages per second, median of 5 runs");
    println!("{:<16} {:>8} {:>8} {:>8}   messages and what came of them", "path", "paged", "flat", "tree");
    for (name, path) in PATHS {
        let messages = messages(path);
        let (_, tally) = run::<PagedLevels>(&messages);
        assert_eq!(tally, run::<FlatLevels>(&messages).1, "the indexes agree");
        assert_eq!(tally, run::<TreeLevels>(&messages).1, "the indexes agree");
        let paged = median(5, || run::<PagedLevels>(&messages).0);
        let flat = median(5, || run::<FlatLevels>(&messages).0);
        let tree = median(5, || run::<TreeLevels>(&messages).0);
        println!("{name:<16} {paged:>8.1} {flat:>8.1} {tree:>8.1}   {} {tally:?}", messages.len());
    }
}
