//! Random orders of every kind, valid and not, from printed seeds: invariants hold after every command, a restored engine
//! does what the one does whose snapshot it has, and FOK and minimum quantity foresee what is traded.

mod common;

use beurs_engine::command::{
    CancelAllAfter, CancelOrder, Command, MassCancel, NewOrder, NewOrderList, ReplaceOrder, SetFees,
    SetLeadMarketMaker, SetMarkPrice, SetMatching, SetTradeGroup, Terms,
};
use beurs_engine::event::Event;
use beurs_engine::types::{
    AccountId, Amount, CancelReason, ClientOrderId, Contingency, ExecType, GroupId, InstrumentId, KeyId, Liquidity,
    Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderType, Peg, PriceTicks, SelfTradePrevention, Side,
    TimeInForce, TriggerBy,
};
use beurs_engine::{Engine, EngineConfig};
use common::Venue;

struct Random(u64);

impl Random {
    /// SplitMix64 (S. Vigna, public domain reference).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn terms(&mut self, now_ns: i64, order: &mut NewOrder) {
        let mut terms = Terms::NONE;
        let conditional = !matches!(order.order_type, OrderType::Limit | OrderType::Market | OrderType::MarketToLimit);
        if conditional && !self.one_in(20) {
            terms.trigger_price = PriceTicks(95 + self.below(11) as i64);
            terms.trigger_by = self.of(TriggerBy::ALL);
            if self.one_in(3) {
                terms.trail_bps = 1 + self.below(500) as u16;
                terms.trigger_price.0 *= self.below(2) as i64;
            }
        }
        if order.time_in_force == TimeInForce::Gtd {
            terms.expire_time_ns = now_ns + 1 + self.below(100) as i64;
        }
        match self.below(9) {
            0 | 1 => terms.display_quantity = Lots(1 + self.below(6) as i64),
            2 | 3 => terms.hidden = true,
            4 => terms.min_quantity = Lots(1 + self.below(12) as i64),
            5 => {
                terms.slide = true;
                order.post_only = true;
            }
            6 | 7 => {
                terms.peg = self.of(Peg::ALL);
                terms.peg_offset = self.below(4) as i64;
            }
            _ => {}
        }
        order.terms = Some(Box::new(terms));
    }

    fn order(&mut self, now_ns: i64) -> NewOrder {
        let common = !self.one_in(3);
        let order_type = if common { OrderType::Limit } else { self.of(OrderType::ALL) };
        let without = matches!(order_type, OrderType::Market | OrderType::Stop | OrderType::TakeProfit);
        let by_quote = without && self.one_in(3);
        let price = if without || order_type == OrderType::MarketToLimit { 0 } else { 95 + self.below(11) as i64 };
        let extreme = self.one_in(60);
        let most = if self.one_in(5) { 60 } else { 12 };
        let mut order = NewOrder {
            account_id: AccountId(2 + self.below(4) as u32),
            instrument_id: InstrumentId(1),
            side: self.of(Side::ALL),
            order_type,
            time_in_force: if without { TimeInForce::Ioc } else { TimeInForce::Gtc },
            post_only: self.one_in(12),
            self_trade_prevention: self.of(SelfTradePrevention::ALL),
            key_id: KeyId(self.below(3) as u16),
            price: PriceTicks(if extreme && price != 0 { self.of(&[1, 2, (1 << 53) - 1]) } else { price }),
            quantity: Lots(if by_quote { 0 } else { 1 + self.below(most) as i64 }),
            quote_quantity: Amount(if by_quote { 1 + i128::from(self.below(3_000)) } else { 0 }),
            client_order_id: ClientOrderId::EMPTY,
            terms: None,
        };
        if self.one_in(4) {
            order.time_in_force = self.of(TimeInForce::ALL);
        }
        let plain = matches!(order_type, OrderType::Limit | OrderType::Market);
        if !plain || self.one_in(2) || order.time_in_force == TimeInForce::Gtd {
            self.terms(now_ns, &mut order);
        }
        order
    }

    fn list(&mut self, now_ns: i64) -> NewOrderList {
        let contingency = self.of(Contingency::ALL);
        let mut orders: Vec<NewOrder> = (0..3).map(|_| self.order(now_ns)).collect();
        orders.truncate(if contingency == Contingency::Otoco { 3 } else { 2 });
        let first = orders[0].clone();
        for (place, order) in orders.iter_mut().enumerate() {
            order.account_id = first.account_id;
            let leads = place == 0 && contingency != Contingency::Oco;
            let stops = place > 0 && place + 1 == 2 + usize::from(contingency == Contingency::Otoco);
            if leads || !stops {
                order.order_type = OrderType::Limit;
                order.time_in_force = TimeInForce::Gtc;
                order.price = PriceTicks(95 + self.below(11) as i64);
                order.terms = self.one_in(3).then(|| {
                    let display_quantity = Lots(1);
                    Box::new(Terms { display_quantity, ..Terms::NONE })
                });
            } else {
                let limited = self.one_in(2);
                order.order_type = if limited { OrderType::StopLimit } else { OrderType::Stop };
                order.time_in_force = if limited { TimeInForce::Gtc } else { TimeInForce::Ioc };
                order.price = PriceTicks(if limited { 95 + self.below(11) as i64 } else { 0 });
                let trigger_price = PriceTicks(95 + self.below(11) as i64);
                order.terms = Some(Box::new(Terms { trigger_price, ..Terms::NONE }));
            }
            if place > 0 {
                order.side = if leads { order.side } else { orders_side(contingency, place, first.side) };
            }
            order.quantity = Lots(1 + self.below(12) as i64);
            order.quote_quantity = Amount(0);
            order.post_only = false;
        }
        NewOrderList { contingency, orders }
    }

    fn command(&mut self, engine: &Engine, now_ns: i64) -> Command {
        let mut account_id = AccountId(2 + self.below(4) as u32);
        let open: Vec<OrderId> = engine.open_orders(account_id).map(|order| order.order_id).collect();
        let order_id = if open.is_empty() { OrderId(1 + self.below(50)) } else { self.of(&open) };
        if self.one_in(20) {
            account_id = AccountId(2 + self.below(4) as u32);
        }
        match self.below(100) {
            0..=64 => Command::NewOrder(self.order(now_ns)),
            65..=70 => Command::CancelOrder(CancelOrder {
                account_id: if self.one_in(2) { AccountId::NONE } else { account_id },
                order_id,
                client_order_id: ClientOrderId::EMPTY,
            }),
            71..=86 => Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id,
                original_client_order_id: ClientOrderId::EMPTY,
                client_order_id: ClientOrderId::EMPTY,
                price: PriceTicks(if self.one_in(2) { 0 } else { 95 + self.below(11) as i64 }),
                quantity: Lots(if self.one_in(2) { 0 } else { 1 + self.below(20) as i64 }),
                trigger_price: PriceTicks(if self.one_in(4) { 95 + self.below(11) as i64 } else { 0 }),
                display_quantity: Lots(if self.one_in(4) { 1 + self.below(6) as i64 } else { 0 }),
            }),
            87..=92 => Command::NewOrderList(Box::new(self.list(now_ns))),
            93 => Command::SetMarkPrice(SetMarkPrice {
                instrument_id: InstrumentId(1),
                price: PriceTicks(95 + self.below(11) as i64),
            }),
            94 => Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id: self.below(3) as u32 }),
            95 => Command::CancelAllAfter(CancelAllAfter {
                account_id,
                timeout_ns: if self.one_in(2) { 0 } else { 1_000_000 },
            }),
            96 => Command::MassCancel(MassCancel {
                account_id,
                instrument_id: InstrumentId::NONE,
                side: if self.one_in(2) { None } else { Some(self.of(Side::ALL)) },
                reason: self.of(MassCancelReason::ALL),
            }),
            97 => Command::SetFees(SetFees {
                instrument_id: InstrumentId(1),
                group_id: GroupId(0),
                maker_ppm: self.below(2_000) as i32 - 1_000,
                taker_ppm: 1_000 + self.below(1_000) as i32,
            }),
            _ => Command::AdvanceTime,
        }
    }
}

/// The side of an order of a list behind the first: a pair has one side, and what an OTO releases may have any.
fn orders_side(contingency: Contingency, place: usize, first: Side) -> Side {
    match (contingency, place) {
        (Contingency::Oco, _) => first,
        _ => first.opposite(),
    }
}

fn restored(engine: &Engine, context: &str) -> Engine {
    let mut bytes = Vec::new();
    engine.snapshot(&mut bytes);
    let restored =
        Engine::restore(EngineConfig::default(), &bytes).unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut again = Vec::new();
    restored.snapshot(&mut again);
    assert!(bytes == again, "{context}: a snapshot restores to the same state");
    restored
}

/// What traded at once, and whether it was canceled for want of enough to trade with.
fn traded(engine: &Engine, command: &Command, now_ns: i64) -> Option<(i64, bool)> {
    let mut engine = engine.clone();
    let mut events = Vec::new();
    let sequence = engine.sequence() + 1;
    if !engine.apply(sequence, now_ns, command, &mut events) {
        return None;
    }
    let mut order_id = OrderId::NONE;
    let (mut quantity, mut short) = (0, false);
    for event in &events {
        let Event::Execution(report) = event else {
            continue;
        };
        match report.exec_type {
            ExecType::New => order_id = report.order_id,
            ExecType::Trade if report.order_id == order_id => quantity += report.last_quantity.0,
            ExecType::Canceled if report.order_id == order_id => {
                short = matches!(report.cancel_reason, CancelReason::FillOrKill | CancelReason::MinimumQuantity);
                break;
            }
            ExecType::Triggered => break, // What follows from it is not the order's own trading.
            _ => {}
        }
    }
    Some((quantity, short))
}

/// A limit order that needs a least quantity gets it exactly if the same order without that need trades as much.
fn foresees(random: &mut Random, engine: &Engine, now_ns: i64, context: &str) {
    let mut order = random.order(now_ns);
    order.order_type = OrderType::Limit;
    order.price = PriceTicks(95 + random.below(11) as i64);
    order.quantity = Lots(1 + random.below(60) as i64);
    order.quote_quantity = Amount(0);
    order.post_only = false;
    order.terms = None;
    order.time_in_force = TimeInForce::Ioc;
    let Some((quantity, _)) = traded(engine, &Command::NewOrder(order.clone()), now_ns) else {
        return;
    };
    let mut whole = order.clone();
    whole.time_in_force = TimeInForce::Fok;
    if let Some((killed_quantity, killed)) = traded(engine, &Command::NewOrder(whole), now_ns) {
        let enough = quantity == order.quantity.0;
        assert_eq!((killed_quantity, killed), (if enough { quantity } else { 0 }, !enough), "{context}: {order:?}");
    }
    for least in [quantity, quantity + 1] {
        if !(1..=order.quantity.0).contains(&least) {
            continue;
        }
        let mut bounded = order.clone();
        bounded.terms = Some(Box::new(Terms { min_quantity: Lots(least), ..Terms::NONE }));
        if let Some(found) = traded(engine, &Command::NewOrder(bounded), now_ns) {
            let expected = if least == quantity { (quantity, false) } else { (0, true) };
            assert_eq!(found, expected, "{context}: least {least} of {order:?}");
        }
    }
}

fn run(seed: u64, commands: u64, prepare: impl Fn(&mut Random, &mut Venue)) {
    let mut random = Random(seed);
    let mut venue = Venue::new();
    prepare(&mut random, &mut venue);
    let (mut engine, mut now_ns) = (venue.engine, venue.now_ns);
    let mut twin = engine.clone();
    let (mut accepted, mut events, mut of_twin) = (0, Vec::new(), Vec::new());
    for step in 0..commands {
        let context = format!("seed {seed}, step {step}");
        now_ns += random.below(20) as i64;
        if random.one_in(200) {
            now_ns += 2_000_000;
        }
        let due = engine.next_due_ns() <= now_ns;
        let command = if due { Command::AdvanceTime } else { random.command(&engine, now_ns) };
        events.clear();
        of_twin.clear();
        let sequence = engine.sequence() + 1;
        accepted += u64::from(engine.apply(sequence, now_ns, &command, &mut events));
        twin.apply(sequence, now_ns, &command, &mut of_twin);
        assert_eq!(events, of_twin, "{context}: a restored engine does the same on {command:?}");
        if random.one_in(8) {
            twin = restored(&engine, &context);
        }
        if random.one_in(4) {
            foresees(&mut random, &engine, now_ns, &context);
        }
    }
    assert!(accepted * 3 > commands, "seed {seed}: {accepted} of {commands} commands were accepted");
}

#[test]
fn random_orders_keep_every_invariant() {
    for seed in 1..=20 {
        run(seed, 2_000, |_, _| {});
    }
}

#[test]
fn random_orders_share_in_proportion_and_keep_every_invariant() {
    for seed in 101..=120 {
        run(seed, 2_000, |random, venue| {
            venue.accept(Command::SetMatching(SetMatching {
                instrument_id: InstrumentId(1),
                algorithm: MatchingAlgorithm::ProRata,
                top_max: Lots(random.below(6) as i64),
                lead_percent: random.below(60) as u8,
                fifo_percent: random.below(60) as u8,
                min_allocation: Lots(1 + random.below(3) as i64),
                leveling: random.one_in(2),
            }));
            for account in 2..=4 {
                venue.accept(Command::SetLeadMarketMaker(SetLeadMarketMaker {
                    instrument_id: InstrumentId(1),
                    account_id: AccountId(account),
                    share: random.below(4) as u16,
                }));
            }
        });
    }
}

/// An order of the naive book.
#[derive(Clone, Debug)]
struct Naive {
    order_id: u64,
    account: u32,
    side: Side,
    price: i64,
    leaves: i64,
    display: i64,
    shows: i64,
    hidden: bool,
}

/// A book as one list of orders in time, searched from the start for everything. A new peak goes to the end of the list.
#[derive(Default)]
struct NaiveBook(Vec<Naive>);

impl NaiveBook {
    /// The maker that a taker of `side` with this limit meets next: best price, displayed before hidden, first in the list.
    fn next_maker(&self, side: Side, limit: i64) -> Option<usize> {
        let better = |price: i64| if side == Side::Buy { price } else { -price };
        (0..self.0.len())
            .filter(|&at| self.0[at].side != side && better(self.0[at].price) <= better(limit))
            .min_by_key(|&at| (better(self.0[at].price), self.0[at].hidden, at))
    }

    /// Maker, quantity and what it shows then, for each trade.
    fn enter(&mut self, mut taker: Naive) -> Vec<(u64, i64, i64)> {
        let mut trades = Vec::new();
        while let Some(at) = self.next_maker(taker.side, taker.price).filter(|_| taker.leaves > 0) {
            let mut maker = self.0[at].clone();
            let visible = if maker.display > 0 { maker.shows } else { maker.leaves };
            let quantity = visible.min(taker.leaves);
            taker.leaves -= quantity;
            maker.leaves -= quantity;
            maker.shows -= if maker.hidden { 0 } else { quantity };
            self.0.remove(at);
            if maker.display > 0 && maker.shows == 0 && maker.leaves > 0 {
                maker.shows = maker.display.min(maker.leaves);
                self.0.push(maker.clone());
            } else if maker.leaves > 0 {
                self.0.insert(at, maker.clone());
            }
            trades.push((maker.order_id, quantity, maker.shows));
        }
        if taker.leaves > 0 {
            taker.shows = match (taker.hidden, taker.display) {
                (true, _) => 0,
                (_, 0) => taker.leaves,
                (_, display) => display.min(taker.leaves),
            };
            self.0.push(taker);
        }
        trades
    }

    fn depth(&self, side: Side) -> Vec<(i64, i128, u32)> {
        let mut levels: Vec<(i64, i128, u32)> = Vec::new();
        for order in self.0.iter().filter(|order| order.side == side && !order.hidden) {
            match levels.iter_mut().find(|level| level.0 == order.price) {
                Some(level) => *level = (level.0, level.1 + i128::from(order.shows), level.2 + 1),
                None => levels.push((order.price, i128::from(order.shows), 1)),
            }
        }
        levels.sort_by_key(|level| if side == Side::Buy { -level.0 } else { level.0 });
        levels
    }
}

#[test]
fn the_book_agrees_with_a_naive_one() {
    for seed in 1..=60 {
        let mut random = Random(seed);
        let mut venue = Venue::new();
        let mut naive = NaiveBook::default();
        let mut order_id = 0;
        for step in 0..600 {
            let context = format!("seed {seed}, step {step}");
            let (side, price) = (random.of(Side::ALL), 98 + random.below(5) as i64);
            if !naive.0.is_empty() && random.one_in(4) {
                let at = random.below(naive.0.len() as u64) as usize;
                let order = naive.0[at].clone();
                if random.one_in(2) {
                    naive.0.remove(at);
                    venue.accept(Command::CancelOrder(CancelOrder {
                        account_id: AccountId(order.account),
                        order_id: OrderId(order.order_id),
                        client_order_id: ClientOrderId::EMPTY,
                    }));
                } else if order.leaves > 1 {
                    // Less of it: it keeps its place.
                    let seen = venue.engine.order(OrderId(order.order_id)).expect("it is open");
                    let less = 1 + random.below(order.leaves as u64 - 1) as i64;
                    venue.accept(Command::ReplaceOrder(ReplaceOrder {
                        account_id: AccountId(order.account),
                        order_id: OrderId(order.order_id),
                        original_client_order_id: ClientOrderId::EMPTY,
                        client_order_id: ClientOrderId::EMPTY,
                        price: PriceTicks(0),
                        quantity: Lots(seen.filled_quantity.0 + less),
                        trigger_price: PriceTicks(0),
                        display_quantity: Lots(0),
                    }));
                    naive.0[at].leaves = less;
                    naive.0[at].shows = order.shows.min(less);
                }
            } else {
                order_id += 1;
                let leaves = 1 + random.below(15) as i64;
                let (hidden, iceberg) = (random.one_in(4), random.one_in(3));
                let display = if !hidden && iceberg { 1 + random.below(leaves.min(5) as u64) as i64 } else { 0 };
                let account = 2 + random.below(4) as u32;
                let mut order = common::limit(account, side, price, leaves);
                if hidden || display != 0 {
                    let display_quantity = Lots(display);
                    order.terms = Some(Box::new(Terms { hidden, display_quantity, ..Terms::NONE }));
                }
                let trades: Vec<(u64, i64, i64)> = venue
                    .events(Command::NewOrder(order))
                    .iter()
                    .filter_map(|event| match event {
                        Event::Execution(report) if report.liquidity == Liquidity::Maker => {
                            Some((report.order_id.0, report.last_quantity.0, report.displayed_quantity.0))
                        }
                        _ => None,
                    })
                    .collect();
                let taker = Naive { order_id, account, side, price, leaves, display, shows: 0, hidden };
                assert_eq!(trades, naive.enter(taker), "{context}");
            }
            for &side in Side::ALL {
                let levels = venue.engine.depth(InstrumentId(1), side);
                let depth: Vec<_> = levels.map(|level| (level.price.0, level.quantity, level.orders)).collect();
                assert_eq!(depth, naive.depth(side), "{context}");
            }
        }
    }
}
