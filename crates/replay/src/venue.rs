//! The narrow door between a replay and the engine: enter, reduce, cancel, and three questions about the book.
//!
//! Invariants: order ids come from the venue, are dense and start at 1; what the venue answers is what the engine
//! said; the makers' account and the takers' account have more money than any day can use, and nobody pays fees.

use crate::book_file::Level;
use crate::error::ReplayError;
use beurs_engine::command::{
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, NewOrder, OpenAccount, ReplaceOrder,
};
use beurs_engine::event::{Event, EventSink};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountCode, AccountId, Amount, AssetCode, AssetId, ClientOrderId, ExecType, GroupId, InstrumentId, KeyId,
    Liquidity, Lots, OrderId, OrderType, PriceTicks, SelfTradePrevention, Side, Step, Symbol, TimeInForce,
    MAX_TICKS_OR_LOTS,
};
use beurs_engine::{Engine, EngineConfig};
use std::time::{Duration, Instant};

/// How an order is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// GTC limit: what does not trade rests.
    Limit,
    /// GTC limit that is refused rather than trade.
    PostOnly,
    /// IOC limit: what does not trade is canceled.
    Ioc,
}

/// One match of the order just entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fill {
    pub(crate) maker: u64,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
}

/// The order that would trade next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Front {
    pub(crate) order_id: u64,
    pub(crate) price: i64,
    pub(crate) leaves: i64,
}

/// A venue with one instrument.
pub(crate) trait Venue {
    /// The time of the commands to come, never going backwards.
    fn set_time(&mut self, time_ns: i64);
    /// Enters an order and appends its matches; its id, or `None` if it was refused.
    fn enter(&mut self, side: Side, price: i64, quantity: i64, entry: Entry, fills: &mut Vec<Fill>) -> Option<u64>;
    /// Reduces an order in place to `quantity` in total, what is filled included; false if refused.
    fn reduce(&mut self, order_id: u64, quantity: i64) -> bool;
    /// Cancels an order; false if refused.
    fn cancel(&mut self, order_id: u64) -> bool;
    /// The order of this side with the highest priority.
    fn front(&self, side: Side) -> Option<Front>;
    /// The `count` best levels of a side, in place of what `out` held.
    fn depth(&self, side: Side, count: usize, out: &mut Vec<Level>);
    /// Commands so far, how many of them were refused and why the first one was, and the time spent in them.
    fn work(&self) -> Work;
}

/// What a venue has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Work {
    pub(crate) commands: u64,
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<RejectReason>,
    pub(crate) time: Duration,
}

const SHARES: AssetId = AssetId(1);
const DOLLARS: AssetId = AssetId(2);
const INSTRUMENT: InstrumentId = InstrumentId(1);
/// The venue itself is account 1.
const MAKERS: AccountId = AccountId(2);
const TAKERS: AccountId = AccountId(3);
/// What each account has of each asset: more than 10^18 orders of 10^15 shares at 10 dollars can hold.
const FUNDS: Amount = Amount(10_i128.pow(35));

/// The whole engine: two assets, one instrument with a tick of 1/10,000 and a lot of one, two funded accounts.
pub(crate) struct EngineVenue {
    engine: Engine,
    sequence: u64,
    time_ns: i64,
    work: Work,
}

impl EngineVenue {
    pub(crate) fn open() -> Result<Self, ReplayError> {
        let engine = Engine::new(EngineConfig::default());
        let sequence = engine.sequence();
        let mut venue = Self { engine, sequence, time_ns: 0, work: Work::default() };
        let asset =
            |code: &[u8], scale| Command::AddAsset(AddAsset { code: AssetCode::new(code).unwrap_or_default(), scale });
        let account = |code: &[u8]| {
            let code = AccountCode::new(code).unwrap_or_default();
            Command::OpenAccount(OpenAccount { code, group_id: GroupId(0) })
        };
        let deposit = |account_id, asset_id| Command::Deposit(Deposit { account_id, asset_id, amount: FUNDS });
        let list = ListInstrument {
            symbol: Symbol::new(b"REPLAY-USD").unwrap_or_default(),
            base: SHARES,
            quote: DOLLARS,
            tick_size: Step { mantissa: 1, scale: 4 },
            lot_size: Step { mantissa: 1, scale: 0 },
            min_quantity: Lots(1),
            max_quantity: Lots(MAX_TICKS_OR_LOTS),
            min_notional: Amount::ZERO,
        };
        let opening = [
            asset(b"SHARES", 0),
            asset(b"USD", 4),
            Command::ListInstrument(list),
            account(b"makers"),
            account(b"takers"),
            deposit(MAKERS, SHARES),
            deposit(MAKERS, DOLLARS),
            deposit(TAKERS, SHARES),
            deposit(TAKERS, DOLLARS),
        ];
        for command in opening {
            if !venue.apply(&command, &mut Vec::new()).0 {
                return Err(ReplayError::Refused(venue.work.first_refusal.unwrap_or(RejectReason::UnknownAccount)));
            }
        }
        venue.work = Work::default();
        Ok(venue)
    }

    #[allow(clippy::disallowed_methods)] // The clock only measures; nothing that is decided depends on it.
    fn apply(&mut self, command: &Command, fills: &mut Vec<Fill>) -> (bool, u64) {
        let mut heard = Heard { order_id: 0, refusal: None, fills };
        self.sequence += 1;
        let started = Instant::now();
        let accepted = self.engine.apply(self.sequence, self.time_ns, command, &mut heard);
        self.work.time += started.elapsed();
        self.work.commands += 1;
        if !accepted {
            self.work.refused += 1;
            self.work.first_refusal = self.work.first_refusal.or(heard.refusal);
        }
        (accepted, heard.order_id)
    }
}

/// What a replay wants to hear of the events.
struct Heard<'a> {
    order_id: u64,
    refusal: Option<RejectReason>,
    fills: &'a mut Vec<Fill>,
}

impl EventSink for Heard<'_> {
    #[inline]
    fn emit(&mut self, event: Event) {
        match event {
            Event::Execution(report) if report.exec_type == ExecType::New => self.order_id = report.order_id.0,
            Event::Execution(report) if report.liquidity == Liquidity::Maker => self.fills.push(Fill {
                maker: report.order_id.0,
                price: report.last_price.0,
                quantity: report.last_quantity.0,
            }),
            Event::Rejected(rejected) => self.refusal = Some(rejected.reason),
            _ => {}
        }
    }
}

impl Venue for EngineVenue {
    fn set_time(&mut self, time_ns: i64) {
        self.time_ns = self.time_ns.max(time_ns);
    }

    fn enter(&mut self, side: Side, price: i64, quantity: i64, entry: Entry, fills: &mut Vec<Fill>) -> Option<u64> {
        let command = Command::NewOrder(NewOrder {
            account_id: if entry == Entry::Ioc { TAKERS } else { MAKERS },
            instrument_id: INSTRUMENT,
            side,
            order_type: OrderType::Limit,
            time_in_force: if entry == Entry::Ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
            post_only: entry == Entry::PostOnly,
            self_trade_prevention: SelfTradePrevention::None,
            price: PriceTicks(price),
            quantity: Lots(quantity),
            quote_quantity: Amount::ZERO,
            client_order_id: ClientOrderId::EMPTY,
            key_id: KeyId::NONE,
            terms: None,
        });
        let (accepted, order_id) = self.apply(&command, fills);
        accepted.then_some(order_id)
    }

    fn reduce(&mut self, order_id: u64, quantity: i64) -> bool {
        let command = Command::ReplaceOrder(ReplaceOrder {
            account_id: MAKERS,
            order_id: OrderId(order_id),
            original_client_order_id: ClientOrderId::EMPTY,
            client_order_id: ClientOrderId::EMPTY,
            price: PriceTicks(0),
            quantity: Lots(quantity),
            trigger_price: PriceTicks(0),
            display_quantity: Lots::ZERO,
        });
        self.apply(&command, &mut Vec::new()).0
    }

    fn cancel(&mut self, order_id: u64) -> bool {
        let command = Command::CancelOrder(CancelOrder {
            account_id: MAKERS,
            order_id: OrderId(order_id),
            client_order_id: ClientOrderId::EMPTY,
        });
        self.apply(&command, &mut Vec::new()).0
    }

    fn front(&self, side: Side) -> Option<Front> {
        let order = self.engine.queue(INSTRUMENT, side).next()?;
        Some(Front { order_id: order.order_id.0, price: order.price.0, leaves: order.leaves_quantity.0 })
    }

    fn depth(&self, side: Side, count: usize, out: &mut Vec<Level>) {
        out.clear();
        out.extend(self.engine.depth(INSTRUMENT, side).take(count).map(|level| Level {
            price: level.price.0,
            // A level above 2^63 shares is none that a file can show, whatever it is taken for.
            quantity: i64::try_from(level.quantity).unwrap_or(i64::MAX),
        }));
    }

    fn work(&self) -> Work {
        self.work
    }
}
