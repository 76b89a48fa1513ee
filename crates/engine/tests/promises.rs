//! What the rulebook promises of any orders, held against reports and the book over random commands, with no model of the
//! engine: an auction gives the best volume there is, nothing trades outside the bands, what is displayed trades before
//! what is hidden, of an OCO pair one order trades, and no more is held than the worst case costs.

mod common;

use std::collections::BTreeMap;

use beurs_engine::command::InstrumentScope;
use beurs_engine::command::{
    CancelOrder, Command, NewOrder, NewOrderList, ReplaceOrder, SetFees, SetPriceBands, SetTradingStatus,
};
use beurs_engine::event::Event;
use beurs_engine::types::{
    AccountId, BandAction, ClientOrderId, Contingency, ExecType, GroupId, InstrumentId, Liquidity, Lots, OrderId,
    OrderType, PriceTicks, Side, StatusReason, TimeInForce, TradingStatus,
};
use beurs_engine::{Engine, OpenOrder};
use common::{conditional, limit, market, with, Venue};

const ONE: InstrumentId = InstrumentId(1);
const ACCOUNTS: std::ops::RangeInclusive<u32> = 2..=5;

/// Numbers from a seed: xorshift64* (S. Vigna, 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end as u64) as i64
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as i64) as usize]
    }

    fn price(&mut self) -> i64 {
        90 + self.below(21)
    }

    fn order(&mut self) -> NewOrder {
        let (account, side) = (2 + self.below(4) as u32, self.of(Side::ALL));
        let quantity = 1 + self.below(12);
        let mut order = limit(account, side, self.price(), quantity);
        match self.below(12) {
            0..=2 => order = with(order, |terms| terms.hidden = true),
            3 => order = with(order, |terms| terms.display_quantity = Lots(1 + quantity / 3)),
            4 => order = market(account, side, quantity),
            5 => order.time_in_force = TimeInForce::Ioc,
            6 => order = conditional(OrderType::StopLimit, account, side, self.price(), self.price(), quantity),
            _ => {}
        }
        order
    }

    /// A pair whose orders both could trade: one rests, the other waits for a price.
    fn list(&mut self) -> Command {
        let (account, side) = (2 + self.below(4) as u32, self.of(Side::ALL));
        let quantity = 1 + self.below(12);
        let pair = [
            limit(account, side, self.price(), quantity),
            conditional(OrderType::StopLimit, account, side, self.price(), self.price(), quantity),
        ];
        let contingency = self.of(&[Contingency::Oco, Contingency::Oco, Contingency::Otoco]);
        let mut orders = pair.to_vec();
        if contingency == Contingency::Otoco {
            orders.insert(0, limit(account, side.opposite(), self.price(), quantity));
        }
        Command::NewOrderList(Box::new(NewOrderList { contingency, orders }))
    }

    fn bps(&mut self) -> u32 {
        self.of(&[0, 0, 300, 600, 1_000])
    }

    fn command(&mut self, engine: &Engine) -> Command {
        let account_id = AccountId(2 + self.below(4) as u32);
        let open: Vec<OrderId> = engine.open_orders(account_id).map(|order| order.order_id).collect();
        let order_id = if open.is_empty() { OrderId(1) } else { self.of(&open) };
        match self.below(100) {
            0..=64 => Command::NewOrder(self.order()),
            65..=74 => self.list(),
            75..=79 => {
                Command::CancelOrder(CancelOrder { account_id, order_id, client_order_id: ClientOrderId::EMPTY })
            }
            80..=85 => Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id,
                original_client_order_id: ClientOrderId::EMPTY,
                client_order_id: ClientOrderId::EMPTY,
                price: PriceTicks(self.price()),
                quantity: Lots(self.below(20)),
                trigger_price: PriceTicks(0),
                display_quantity: Lots::ZERO,
            }),
            86..=95 => Command::SetTradingStatus(SetTradingStatus {
                scope: InstrumentScope::Instrument(ONE),
                status: self.of(&[TradingStatus::Open, TradingStatus::Open, TradingStatus::Auction]),
                reason: StatusReason::Requested,
                end_time_ns: 0,
            }),
            96..=97 => Command::SetPriceBands(SetPriceBands {
                instrument_id: ONE,
                reference: PriceTicks(self.of(&[0, 95, 100, 105])),
                static_up_bps: self.bps(),
                static_down_bps: self.bps(),
                dynamic_bps: self.bps(),
                collar_bps: 0,
                action: self.of(BandAction::ALL),
                auction_ns: 1_000_000,
                auction_random_ns: 0,
                limit_state_ns: 0,
            }),
            98 => Command::SetFees(SetFees {
                instrument_id: ONE,
                group_id: GroupId(0),
                maker_ppm: self.below(40_000) as i32 - 20_000,
                taker_ppm: 20_000 + self.below(20_000) as i32,
            }),
            _ => Command::AdvanceTime,
        }
    }
}

/// What there was before a command.
struct Before {
    bids: Vec<OpenOrder>,
    asks: Vec<OpenOrder>,
    status: TradingStatus,
    bands: Option<SetPriceBands>,
    reference: i64,
    last: i64,
}

impl Before {
    fn of(engine: &Engine) -> Self {
        let (instrument, settings) = (engine.instrument(ONE).expect("listed"), engine.settings(ONE).expect("listed"));
        Self {
            bids: engine.queue(ONE, Side::Buy).collect(),
            asks: engine.queue(ONE, Side::Sell).collect(),
            status: instrument.status,
            bands: settings.bands,
            reference: settings.reference.0,
            last: instrument.last_price.0,
        }
    }

    fn static_band(&self, reference: i64) -> (i64, i64) {
        self.bands.map_or((0, i64::MAX), |bands| around(reference, bands.static_down_bps, bands.static_up_bps))
    }

    fn dynamic_band(&self, last: i64) -> (i64, i64) {
        self.bands.map_or((0, i64::MAX), |bands| around(last, bands.dynamic_bps, bands.dynamic_bps))
    }

    /// How much all there is would trade at a price: the smaller of what both sides have there.
    fn volume_at(&self, price: i64) -> i128 {
        let bids = self.bids.iter().filter(|order| order.price.0 >= price);
        let asks = self.asks.iter().filter(|order| order.price.0 <= price);
        let sum = |leaves: i64, order: &OpenOrder| leaves + order.leaves_quantity.0;
        i128::from(bids.fold(0, sum).min(asks.fold(0, sum)))
    }
}

/// Rulebook 12.1.
fn around(price: i64, down_bps: u32, up_bps: u32) -> (i64, i64) {
    let down = price * (10_000 - i64::from(down_bps));
    let up = price * (10_000 + i64::from(up_bps));
    (
        if down_bps == 0 || price == 0 { 0 } else { (down + 9_999) / 10_000 },
        if up_bps == 0 || price == 0 { i64::MAX } else { up / 10_000 },
    )
}

/// How often each promise was put to the test.
#[derive(Default, Debug)]
struct Counts {
    auctions: u32,
    banded: u32,
    hidden: u32,
    pairs: u32,
    holds: u32,
}

/// The price is in the range in which the book crosses, and no price in the band has more volume.
fn check_auction(before: &Before, events: &[Event], context: &str, counts: &mut Counts) {
    let Some(ended) = events.iter().find_map(|event| match event {
        Event::AuctionEnded(ended) => Some(ended),
        _ => None,
    }) else {
        return;
    };
    let (low, high) = before.static_band(before.reference);
    let best = (1..200).filter(|price| (low..=high).contains(price)).map(|price| before.volume_at(price)).max();
    assert_eq!(ended.volume, best.unwrap_or(0), "{context}: the volume is the most that any price has");
    if ended.volume > 0 {
        let highest_bid = before.bids.iter().map(|order| order.price.0).max().expect("it traded");
        let lowest_ask = before.asks.iter().map(|order| order.price.0).min().expect("it traded");
        let price = ended.price.0;
        assert!((lowest_ask..=highest_bid).contains(&price), "{context}: {price} of {lowest_ask} to {highest_bid}");
        assert_eq!(before.volume_at(price), ended.volume, "{context}: its price has its volume");
        counts.auctions += 1;
    }
}

/// Every trade is within the bands as they were when its taker began.
fn check_bands(before: &Before, events: &[Event], context: &str, counts: &mut Counts) {
    let (mut last, mut reference) = (before.last, before.reference);
    let (mut taker, mut band) = (OrderId(0), (0, i64::MAX));
    for event in events {
        match event {
            Event::Execution(it) if it.exec_type == ExecType::Trade => {
                let of_auction = it.liquidity == Liquidity::Auction;
                let first = it.liquidity == Liquidity::Taker && it.order_id != taker;
                if of_auction || first {
                    let (statics, dynamics) = (before.static_band(reference), before.dynamic_band(last));
                    band = if of_auction { statics } else { (statics.0.max(dynamics.0), statics.1.min(dynamics.1)) };
                    taker = if of_auction { OrderId(0) } else { it.order_id };
                }
                let price = it.last_price.0;
                assert!((band.0..=band.1).contains(&price), "{context}: {price} outside {band:?}: {it:?}");
                counts.banded += u32::from(band != (0, i64::MAX));
                last = if of_auction { last } else { price };
            }
            Event::AuctionEnded(ended) if ended.volume > 0 => (last, reference) = (ended.price.0, ended.price.0),
            _ => {}
        }
    }
}

/// When a hidden order has traded, nothing that was displayed at its price is left.
fn check_hidden(before: &Before, after: &Engine, events: &[Event], context: &str, counts: &mut Counts) {
    let is_hidden = |order: &OpenOrder| order.terms.as_ref().is_some_and(|told| told.terms.hidden);
    for side in [&before.bids, &before.asks] {
        for order in side.iter().filter(|order| is_hidden(order)) {
            let traded = events.iter().any(|event| match event {
                Event::Execution(it) => {
                    it.exec_type == ExecType::Trade && it.order_id == order.order_id && it.liquidity != Liquidity::Taker
                }
                _ => false,
            });
            if !traded {
                continue;
            }
            for other in side.iter().filter(|other| other.price == order.price && !is_hidden(other)) {
                let left = after.order(other.order_id);
                assert!(left.is_none(), "{context}: hidden {order:?} has traded before {left:?}");
                counts.hidden += 1;
            }
        }
    }
}

/// The orders of a pair by list, and which of them have traded.
#[derive(Default)]
struct Pairs {
    list_of: BTreeMap<u64, u64>,
    traded: BTreeMap<u64, u64>,
}

impl Pairs {
    fn check(&mut self, engine: &Engine, events: &[Event], context: &str, counts: &mut Counts) {
        for list in engine.order_lists().filter(|list| list.contingency != Contingency::Oto) {
            // The first order of an OTOCO lets the pair begin.
            let first = usize::from(list.contingency == Contingency::Otoco);
            for order_id in &list.orders[first..] {
                if order_id.0 != 0 {
                    self.list_of.insert(order_id.0, list.list_id.0);
                }
            }
        }
        for event in events {
            let Event::Execution(it) = event else {
                continue;
            };
            let Some(&list) = self.list_of.get(&it.order_id.0) else {
                continue;
            };
            if it.exec_type == ExecType::Trade {
                let one = *self.traded.entry(list).or_insert(it.order_id.0);
                assert_eq!(one, it.order_id.0, "{context}: both orders of list {list} have traded");
                counts.pairs += 1;
            }
        }
    }
}

/// No order holds more than it can cost, and no account more than its orders.
fn check_holds(engine: &Engine, context: &str, counts: &mut Counts) {
    for account in ACCOUNTS.map(AccountId) {
        let mut most = [0_i128; 2];
        for order in engine.open_orders(account) {
            let (price, leaves) = (i128::from(order.price.0), i128::from(order.leaves_quantity.0));
            let worst = if order.side == Side::Sell {
                leaves
            } else {
                let ppm = i128::from(order.maker_ppm.max(order.taker_ppm).max(0));
                price * leaves + (price * leaves * ppm + 999_999) / 1_000_000
            };
            assert!((0..=worst).contains(&order.hold.0), "{context}: {order:?} holds more than {worst}");
            most[usize::from(order.side == Side::Buy)] += worst;
            counts.holds += 1;
        }
        for (asset, most) in engine.assets().zip(most) {
            let held = engine.balance(account, asset.asset_id).expect("it is there").held;
            assert!((0..=most).contains(&held), "{context}: account {account} holds {held} of {}", asset.code);
        }
    }
}

fn run(seed: u64, commands: u32, counts: &mut Counts) {
    let mut random = Random(seed);
    let mut venue = Venue::new();
    let mut pairs = Pairs::default();
    for step in 0..commands {
        venue.now_ns += random.below(40_000);
        let context = format!("seed {seed}, step {step}");
        let due = venue.engine.next_due_ns() <= venue.now_ns;
        let command = if due { Command::AdvanceTime } else { random.command(&venue.engine) };
        let context = format!("{context}, {command:?}");
        let before = Before::of(&venue.engine);
        let events = venue.events(command);
        if matches!(before.status, TradingStatus::Auction) {
            check_auction(&before, &events, &context, counts);
        }
        check_bands(&before, &events, &context, counts);
        check_hidden(&before, &venue.engine, &events, &context, counts);
        pairs.check(&venue.engine, &events, &context, counts);
        check_holds(&venue.engine, &context, counts);
    }
}

#[test]
fn random_orders_keep_what_is_promised_of_any() {
    let mut counts = Counts::default();
    for seed in 1..=40 {
        run(seed, 1_000, &mut counts);
    }
    println!("{counts:?}");
    let Counts { auctions, banded, hidden, pairs, holds } = counts;
    assert!(auctions > 300 && banded > 300 && hidden > 300 && pairs > 300 && holds > 10_000, "{counts:?}");
}
