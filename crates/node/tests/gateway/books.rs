//! Market data: what a client builds from it is what the engine has.

use std::collections::BTreeMap;

use beurs_node::engine::command::{Command, SetMarkPrice, SetTradingStatus};
use beurs_node::engine::types::{InstrumentId, PriceTicks, Side, StatusReason, TradingStatus};
use beurs_node::gateway::{GatewayConfig, Position};
use beurs_node::sbe::*;
use beurs_node::NodeConfig;

use crate::common;
use crate::rig::*;

/// Price → quantity and orders, of both sides.
type Book = [BTreeMap<i64, (i128, u32)>; 2];

fn engine_book(rig: &Rig, depth: usize) -> Book {
    let half = |side| {
        rig.handle
            .with_engine(|engine| {
                let levels = engine.depth(InstrumentId(1), side).take(depth);
                levels.map(|level| (level.price.0, (level.quantity, level.orders))).collect()
            })
            .expect("running")
    };
    [half(Side::Buy), half(Side::Sell)]
}

/// The book that a client has, built as the page says. Checks what it can on the way.
fn build(client: &Client) -> Book {
    let mut book = Book::default();
    let (mut have, mut missing, mut open) = (0, (0, 0), false);
    for (template_id, fields) in &client.got {
        match *template_id {
            BookBegin::TEMPLATE_ID => {
                let BookBegin { sequence, bids, asks, .. } = BookBegin::from_bytes(fields).expect("whole");
                assert!(!open);
                (book, have, missing) = (Book::default(), sequence, (bids, asks));
            }
            BookLevel::TEMPLATE_ID => {
                let BookLevel { sequence, side, price, quantity, orders, .. } =
                    BookLevel::from_bytes(fields).expect("whole");
                assert_eq!(sequence, have);
                let left = if side == 1 { &mut missing.0 } else { &mut missing.1 };
                *left -= 1;
                assert_eq!(book[usize::from(side) - 1].insert(price, (quantity, orders)), None);
            }
            BookEnd::TEMPLATE_ID => assert_eq!(missing, (0, 0)),
            LevelUpdate::TEMPLATE_ID => {
                let LevelUpdate {
                    sequence, previous_sequence, side, price, quantity, orders, update_flags: flags, ..
                } = LevelUpdate::from_bytes(fields).expect("whole");
                assert_eq!(previous_sequence, have, "no update is missing");
                assert!(sequence > have);
                open = flags & update_flags::LAST == 0;
                if !open {
                    have = sequence;
                }
                let half = &mut book[usize::from(side) - 1];
                if quantity == 0 {
                    assert!(half.remove(&price).is_some(), "what goes was there");
                } else {
                    half.insert(price, (quantity, orders));
                }
            }
            _ => {}
        }
    }
    assert!(!open, "the book is whole");
    book
}

fn subscribe(rig: &mut Rig, client: &mut Client, channels: u8, depth: u16) {
    client.request(rig, Subscribe { instrument_id: 1, channels, depth, ..Subscribe::ZERO });
    rig.settle();
    client.read(rig);
}

fn watcher(rig: &mut Rig, key: u8, channels: u8, depth: u16) -> Client {
    let mut client = rig.session_with(key, logon_options::MARKET_DATA, Position::default());
    subscribe(rig, &mut client, channels, depth);
    client
}

/// Lets the books be told: they are at most once in a while.
fn tell(rig: &mut Rig) {
    for _ in 0..3 {
        rig.now_ns += 2_000_000;
        rig.settle();
    }
}

#[test]
fn books_of_every_depth_and_all_trades_are_what_the_engine_did() {
    let mut rig = Rig::plain();
    let depths = [1, 2, 5, 1_000];
    let all = channels::ALL;
    let mut watchers: Vec<(u16, Client)> =
        depths.iter().map(|&depth| (depth, watcher(&mut rig, 3, all, depth))).collect();
    let mut trades = Vec::new();
    let commands = common::workload(5, 2_000);
    for (at, batch) in commands[common::setup().len()..].chunks(5).enumerate() {
        let events = rig.handle.execute(batch).expect("executed");
        let taken = events.iter().filter(|event| event.trade_id != 0 && event.liquidity == 2);
        trades.extend(taken.map(|event| (event.trade_id, event.last_price, event.last_quantity, event.side)));
        if at % 2 == 0 {
            tell(&mut rig);
            for (depth, client) in &mut watchers {
                client.read(&mut rig);
                assert_eq!(build(client), engine_book(&rig, usize::from(*depth)), "depth {depth} at {at}");
            }
        }
        if at == 100 {
            // Somebody comes late, and somebody subscribes again to another depth.
            watchers.push((5, watcher(&mut rig, 4, channels::BOOK, 5)));
            let (depth, client) = &mut watchers[0];
            *depth = 3;
            subscribe(&mut rig, client, all, 3);
        }
    }
    assert!(trades.len() > 100, "{}", trades.len());
    rig.settle();
    for (_, client) in watchers.iter_mut().take(4) {
        client.read(&mut rig);
        let told: Vec<_> =
            client.all::<Trade>().iter().map(|t| (t.trade_id, t.price, t.quantity, t.aggressor_side)).collect();
        assert_eq!(told, trades);
    }
    // Most changes came as updates, not as snapshots.
    assert_eq!(watchers[3].1.all::<BookBegin>().len(), 1);
    assert!(watchers[3].1.all::<LevelUpdate>().len() > 200);
    assert_eq!(watchers[4].1.all::<Trade>(), [], "it has not asked for them");
}

#[test]
fn who_reads_slowly_gets_what_is_when_it_reads_again_and_its_reports_all_along() {
    let config = GatewayConfig { output_bytes_max: 400_000, ..GatewayConfig::default() };
    let mut rig = Rig::new(&NodeConfig::default(), config);
    rig.heartbeat_interval_ms = 60_000;
    let mut slow = watcher(&mut rig, 1, channels::BOOK | channels::TRADES, 100);
    let mut brisk = watcher(&mut rig, 2, channels::BOOK | channels::TRADES, 100);
    let mut told = 0;
    for (at, batch) in common::workload(6, 4_000)[common::setup().len()..].chunks(5).enumerate() {
        rig.handle.execute(batch).expect("executed");
        tell(&mut rig);
        brisk.read(&mut rig);
        if at == 600 {
            slow.read(&mut rig); // Then it stops reading again.
            told = slow.all::<Trade>().len();
        }
    }
    assert!(rig.hub.output(slow.id).len() < 400_000);
    assert_eq!(rig.hub.stats().slow_consumers, 0);
    slow.read(&mut rig);
    tell(&mut rig);
    slow.read(&mut rig);
    let book = engine_book(&rig, 100);
    assert_eq!(build(&brisk), book);
    assert_eq!(build(&slow), book);
    assert!(slow.all::<BookBegin>().len() > 1, "it was told anew");
    let skipped: u64 = slow.all::<TradesSkipped>().iter().map(|skipped| skipped.count).sum();
    assert!(skipped > 0 && told > 0);
    assert_eq!(slow.all::<Trade>().len() as u64 + skipped, brisk.all::<Trade>().len() as u64);
    // Nothing of its account is missing.
    let mut again = rig.session_with(1, logon_options::RESUME, Position::default());
    rig.settle_for::<ReplayComplete>(&mut again);
    let begun = { slow.only::<LogonAccepted>().sequence };
    let expected: Vec<_> = again.reports().into_iter().filter(|(at, ..)| at.sequence > begun).collect();
    assert_eq!(slow.reports(), expected);
}

#[test]
fn statuses_auctions_and_mark_prices_are_told() {
    let mut rig = Rig::plain();
    let mut client = watcher(&mut rig, 1, channels::STATUS, 0);
    let status = |status, end_time_ns| {
        Command::SetTradingStatus(SetTradingStatus {
            scope: beurs_node::engine::command::InstrumentScope::All,
            status,
            reason: StatusReason::Requested,
            end_time_ns,
        })
    };
    let mark = Command::SetMarkPrice(SetMarkPrice { instrument_id: InstrumentId(1), price: PriceTicks(77) });
    let commands = [
        status(TradingStatus::Auction, 0),
        common::order(2, Side::Buy, 1_000, 3, ""),
        common::order(3, Side::Sell, 1_000, 2, ""),
        status(TradingStatus::Open, 0),
        mark,
    ];
    rig.handle.execute(&commands).expect("executed");
    rig.settle();
    client.read(&mut rig);
    let statuses: Vec<u8> = client.all::<InstrumentStatus>().iter().map(|status| status.status).collect();
    assert_eq!(statuses, [TradingStatus::Open as u8, TradingStatus::Auction as u8, TradingStatus::Open as u8]);
    let last = client.last::<AuctionIndicative>().expect("some");
    assert_eq!((last.price, last.volume, last.imbalance), (1_000, 2, 1));
    let result: AuctionResult = client.only();
    assert_eq!((result.price, result.volume), (1_000, 2));
    assert_eq!({ client.only::<MarkPrice>().price }, 77);
    assert_eq!(client.all::<Trade>(), []);
}

#[test]
fn subscriptions_are_checked_bounded_and_can_be_ended() {
    let config = GatewayConfig { subscriptions_max: 1, ..GatewayConfig::default() };
    let mut rig = Rig::new(&NodeConfig::default(), config);
    let mut client = rig.session_with(1, logon_options::MARKET_DATA, Position::default());
    let book = Subscribe { instrument_id: 1, channels: channels::BOOK, depth: 5, ..Subscribe::ZERO };
    let wrong = [
        (Subscribe { channels: 0, ..book }, RequestReason::InvalidValue, "channels"),
        (Subscribe { channels: 8, ..book }, RequestReason::InvalidValue, "channels"),
        (Subscribe { depth: 0, ..book }, RequestReason::InvalidValue, "depth"),
        (Subscribe { depth: 1_001, ..book }, RequestReason::InvalidValue, "depth"),
        (Subscribe { channels: channels::TRADES, ..book }, RequestReason::InvalidValue, "depth"),
        (Subscribe { instrument_id: 2, ..book }, RequestReason::UnknownInstrument, "instrument_id"),
        (Subscribe { instrument_id: 0, ..book }, RequestReason::UnknownInstrument, "instrument_id"),
    ];
    for (request, reason, field) in wrong {
        client.request(&mut rig, request);
        rig.settle();
        client.read(&mut rig);
        let no = client.last::<RequestRejected>().expect("refused");
        assert_eq!((no.reason, no.field_id), (reason as u16, Subscribe::field_id(field)));
    }
    client.request(&mut rig, Unsubscribe { instrument_id: 1, ..Unsubscribe::ZERO });
    client.request(&mut rig, book);
    client.request(&mut rig, book);
    rig.settle();
    tell(&mut rig);
    client.read(&mut rig);
    assert_eq!(client.last::<RequestRejected>().map(|no| no.reason), Some(RequestReason::NotSubscribed as u16));
    assert_eq!((client.all::<Subscribed>().len(), client.all::<BookEnd>().len()), (2, 1));
    client.request(&mut rig, Unsubscribe { instrument_id: 1, ..Unsubscribe::ZERO });
    rig.settle();
    client.got.clear();
    rig.handle.execute(&[common::order(4, Side::Buy, 1_000, 3, "")]).expect("executed");
    tell(&mut rig);
    client.read(&mut rig);
    assert_eq!(client.templates(), [Unsubscribed::TEMPLATE_ID]);

    let mut without = rig.session(1);
    without.request(&mut rig, book);
    rig.settle();
    without.read(&mut rig);
    assert_eq!({ without.only::<RequestRejected>().reason }, RequestReason::MarketDataOff as u16);
}
