//! A LOBSTER day: every message goes through the engine, and every row of the order book file is compared.
//!
//! The file shows N levels, the engine holds a whole book. What was entered before the first row, or beyond the Nth
//! level, is known only by its later messages ("hindsight") or not at all. Two rules follow:
//!
//! * Ids that the message file uses without having entered them are put where and when they must have been entered.
//!   Order ids rise with time over the whole exchange, so an id tells when.
//! * What comes into view from beyond the Nth level is corrected from the row ("window"). **Only** levels that were
//!   outside the previous row's N levels are.
//!
//! Invariants: a row is read after its message has been applied; a row is `identical` only if all N levels are equal
//! with no other correction than that; after a row that is not, the book is set to the row, so that one fault is
//! counted where it is and not in every later row. The replay never looks ahead in the order book file.

use crate::book_file::{BookFile, Difference, Levels};
use crate::error::ReplayError;
use crate::input::{Line, Lines};
use crate::venue::{EngineVenue, Entry, Fill, Venue};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{PriceTicks, Side, MAX_TICKS_OR_LOTS};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::time::Instant;

/// How often progress is told, in messages.
const PROGRESS_INTERVAL: u64 = 4_096;

/// What a replay of a LOBSTER day found. Row 0 seeds the book; everything is counted from message 1 on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LobsterReport {
    /// Levels on each side of the file.
    pub levels: u64,
    /// Rows compared.
    pub rows: u64,
    /// Rows of which all levels are equal.
    pub identical: u64,
    /// The first row that is not.
    pub first_difference: Option<Difference>,
    /// Messages of type 1.
    pub new_orders: u64,
    /// Messages of type 2.
    pub reductions: u64,
    /// Messages of type 3.
    pub deletions: u64,
    /// Messages of type 4.
    pub executions: u64,
    /// Executions for which the engine filled exactly the named order, price and size, and nothing else.
    pub hit: u64,
    /// Executions of an id that is not known, taken from the anonymous lots of its level.
    pub anonymous: u64,
    /// All other executions: another order has priority in the engine. The named order is reduced instead.
    pub disagree: u64,
    /// Messages of type 5, hidden executions: ignored.
    pub hidden: u64,
    /// Messages of type 6, auctions: ignored.
    pub auctions: u64,
    /// Messages of type 7, halts and resumptions: ignored.
    pub halts: u64,
    /// New orders that traded on entry; in a sound day none does.
    pub crossed: u64,
    /// Ids entered a second time while open; the first order is taken out.
    pub repeated_ids: u64,
    /// Reductions, deletions and executions that named neither a known order nor a level with an anonymous lot.
    pub unresolved: u64,
    /// Orders put into the book by hindsight: before row 0, and later.
    pub hindsight_orders: u64,
    /// Rows for which a level just come into view was corrected.
    pub rows_corrected: u64,
    /// Levels corrected in them.
    pub levels_corrected: u64,
    /// Orders dropped by corrections.
    pub orders_dropped: u64,
    /// Anonymous lots added by corrections.
    pub lots_revealed: u64,
    /// Orders cancelled and entered again, so that an older one stands before them.
    pub requeued: u64,
    /// Commands given to the engine.
    pub commands: u64,
    /// Commands it refused.
    pub refused: u64,
    /// Why it refused the first one.
    pub first_refusal: Option<RejectReason>,
    /// Time spent in the engine's commands.
    pub engine_seconds: f64,
    /// Time of it all, reading and comparing included.
    pub total_seconds: f64,
}

/// Replays a day. `progress` is called with the messages done and their number, every few thousand and at the end.
///
/// Both files may be gzip files. A day whose rows differ is not an error; see [`LobsterReport::identical`].
pub fn replay(
    messages: &Path,
    orderbook: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LobsterReport, ReplayError> {
    #[allow(clippy::disallowed_methods)] // The clock only measures.
    let started = Instant::now();
    let rows = BookFile::open(orderbook)?;
    let tape = Tape::read(Lines::open(messages)?)?;
    let mut report = run(&tape, rows, &mut EngineVenue::open()?, progress)?;
    report.total_seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    New,
    Reduce,
    Delete,
    Execute,
    Hidden,
    Auction,
    Halt,
}

impl Kind {
    /// Whether the message is about an order that should be in the book already.
    fn uses_an_order(self) -> bool {
        matches!(self, Self::Reduce | Self::Delete | Self::Execute)
    }
}

/// An order of the tape: the place of its id among all ids, so a smaller one is older.
type Known = u32;
/// In place of a [`Known`]: nobody knows which order this is.
const ANONYMOUS: Known = Known::MAX;

#[derive(Clone, Copy, Debug)]
struct Message {
    time_ns: i64,
    id: i64,
    size: i64,
    price: i64,
    known: Known,
    kind: Kind,
    side: Side,
    /// Entered in the opening batch: queued by id, not by time.
    carried_over: bool,
}

/// What the messages to come do to an order.
#[derive(Clone, Copy, Default, Debug)]
struct Future {
    size: i64,
    events: u32,
}

/// An order used without having been entered in sight.
#[derive(Clone, Copy, Debug)]
struct Late {
    known: Known,
    /// The row after which it must have been entered; 0 if before the day began.
    due: u32,
}

/// The message file with what can be told in hindsight.
struct Tape {
    messages: Vec<Message>,
    /// By [`Known`]: the later messages 1.. that use the order.
    future: Vec<Future>,
    /// By [`Known`]: where the order rests, from the first message that names it.
    place: Vec<(Side, i64)>,
    /// In the order of `due`, then of id.
    late: Vec<Late>,
}

impl Tape {
    fn read(mut lines: Lines) -> Result<Self, ReplayError> {
        let mut messages = Vec::new();
        while let Some(line) = lines.next_line()? {
            if messages.len() >= ANONYMOUS as usize {
                return Err(line.error("too many messages"));
            }
            messages.push(parse_message(&line)?);
        }
        if messages.is_empty() {
            return Err(lines.end_error("the file has no messages"));
        }
        Ok(Self::look_back(messages))
    }

    /// Finds the orders that were entered out of sight.
    fn look_back(mut messages: Vec<Message>) -> Self {
        let mut ids: Vec<i64> = messages.iter().filter(|message| message.names_an_order()).map(|m| m.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut place = vec![(Side::Buy, 0); ids.len()];
        let mut named = vec![false; ids.len()];
        let mut late = Vec::new();
        let mut future = vec![Future::default(); ids.len()];
        for (row, message) in messages.iter_mut().enumerate() {
            if !message.names_an_order() {
                continue;
            }
            let Ok(index) = ids.binary_search(&message.id) else {
                continue; // Every id is among them.
            };
            message.known = index as Known; // There are fewer ids than messages, and fewer of those than ANONYMOUS.
            if row > 0 && message.kind.uses_an_order() {
                future[index].size = future[index].size.saturating_add(message.size);
                future[index].events += 1;
            }
            if !named[index] && (row > 0 || message.kind == Kind::New) {
                named[index] = true;
                place[index] = (message.side, message.price);
                if message.kind != Kind::New {
                    late.push(Late { known: message.known, due: 0 });
                }
            }
        }
        mark_carried_over(&mut messages);

        // The ids of the regular new orders rise, so they tell after which row an order of another id was entered.
        let regular: Vec<(Known, u32)> = messages
            .iter()
            .zip(0..)
            .filter(|(message, _)| message.kind == Kind::New && !message.carried_over)
            .map(|(message, row)| (message.known, row))
            .collect();
        for order in &mut late {
            let older = regular.partition_point(|(known, _)| *known < order.known);
            order.due = older.checked_sub(1).map_or(0, |last| regular[last].1);
        }
        late.sort_unstable_by_key(|order| (order.due, order.known));
        Self { messages, future, place, late }
    }
}

/// Marks the new orders of every time stamp in which an id is smaller than one that came before: orders carried over
/// from an auction. Elsewhere ids rise.
fn mark_carried_over(messages: &mut [Message]) {
    let mut highest = None;
    let mut start = 0;
    while start < messages.len() {
        let time_ns = messages[start].time_ns;
        let count = messages[start..].iter().take_while(|message| message.time_ns == time_ns).count();
        let instant = &mut messages[start..start + count];
        let before = highest;
        let mut falls = false;
        for message in instant.iter().filter(|message| message.kind == Kind::New) {
            falls |= highest.is_some_and(|highest| message.known < highest);
            highest = highest.max(Some(message.known));
        }
        if falls {
            instant.iter_mut().filter(|m| m.kind == Kind::New).for_each(|message| message.carried_over = true);
            highest = before;
        }
        start += count;
    }
}

impl Message {
    fn names_an_order(&self) -> bool {
        self.kind == Kind::New || self.kind.uses_an_order()
    }
}

fn parse_message(line: &Line<'_>) -> Result<Message, ReplayError> {
    let [time, kind, id, size, price, direction] = line.exactly("time, type, order id, size, price, direction")?;
    let time_ns = line.time_ns(time)?;
    let kind = match line.integer_in(kind, "type", 1, 7)? {
        1 => Kind::New,
        2 => Kind::Reduce,
        3 => Kind::Delete,
        4 => Kind::Execute,
        5 => Kind::Hidden,
        6 => Kind::Auction,
        _ => Kind::Halt,
    };
    let (id, size) = (line.integer(id, "order id")?, line.integer(size, "size")?);
    let (price, direction) = (line.integer(price, "price")?, line.integer(direction, "direction")?);
    if matches!(kind, Kind::New | Kind::Reduce | Kind::Delete | Kind::Execute) {
        for (value, name, least) in [(id, "order id", 0), (size, "size", 1), (price, "price", 1)] {
            if value < least || value > MAX_TICKS_OR_LOTS {
                return Err(line.error(format!("{name} is not from {least} to {MAX_TICKS_OR_LOTS}: {value}")));
            }
        }
        if direction != 1 && direction != -1 {
            return Err(line.error(format!("direction is neither 1 nor -1: {direction}")));
        }
    }
    let side = if direction == 1 { Side::Buy } else { Side::Sell };
    Ok(Message { time_ns, id, size, price, known: ANONYMOUS, kind, side, carried_over: false })
}

/// An order in the engine's book.
#[derive(Clone, Copy, Debug)]
struct Resting {
    known: Known,
    side: Side,
    price: i64,
    filled: i64,
    leaves: i64,
}

/// The engine's ids of a level's orders, in priority.
type Queue = Vec<u64>;

/// The replay under way. It remembers which order of the tape each order of the engine is; what it compares comes from
/// the engine.
struct Replay<'a, V> {
    venue: &'a mut V,
    tape: &'a Tape,
    future: Vec<Future>,
    /// By the engine's order id less 1.
    orders: Vec<Resting>,
    /// By [`Known`]: the engine's id of the order while it rests, or 0.
    open: Vec<u64>,
    queues: [BTreeMap<i64, Queue>; 2],
    /// Orders that hindsight knows, due but not entered, because their price is in sight.
    waiting: [BTreeMap<i64, Vec<Known>>; 2],
    fills: Vec<Fill>,
    report: LobsterReport,
}

fn run<V: Venue>(
    tape: &Tape,
    mut rows: BookFile,
    venue: &mut V,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LobsterReport, ReplayError> {
    let total = tape.messages.len() as u64;
    let missing = |rows: &BookFile| ReplayError::RowCounts { messages: total, rows: rows.rows() };
    let mut row = Levels::default();
    if !rows.next_row(&mut row)? {
        return Err(missing(&rows));
    }
    let levels = rows.levels();
    let mut replay = Replay::new(venue, tape);
    let mut late = tape.late.iter().copied().peekable();

    replay.venue.set_time(tape.messages[0].time_ns);
    let first = tape.messages[0];
    let entered = (first.kind == Kind::New).then_some((first.known, first.size));
    let before_the_day = std::iter::from_fn(|| late.next_if(|order| order.due == 0)).map(|order| order.known);
    replay.seed(&row, levels, entered, before_the_day);

    let mut previous = row.clone();
    let mut book = Levels::default();
    for (index, message) in tape.messages.iter().enumerate().skip(1) {
        replay.venue.set_time(message.time_ns);
        replay.message(message);
        if !rows.next_row(&mut row)? {
            return Err(missing(&rows));
        }
        replay.compare(index as u64, &row, &previous, levels, &mut book);
        while let Some(order) = late.next_if(|order| order.due as usize <= index) {
            replay.wait(order.known);
        }
        replay.enter_out_of_sight(&row, levels);
        std::mem::swap(&mut row, &mut previous);
        if index as u64 % PROGRESS_INTERVAL == 0 {
            progress(index as u64, total);
        }
    }
    if rows.next_row(&mut row)? {
        return Err(missing(&rows));
    }
    progress(total, total);

    let work = replay.venue.work();
    let mut report = replay.report;
    report.levels = levels as u64;
    report.commands = work.commands;
    report.refused = work.refused;
    report.first_refusal = work.first_refusal;
    report.engine_seconds = work.time.as_secs_f64();
    Ok(report)
}

/// Whether price `a` stands behind price `b` on this half of the book.
fn behind(side: Side, a: i64, b: i64) -> bool {
    side.sorts_before(PriceTicks(b), PriceTicks(a))
}

/// The last price in sight on a side: prices behind it are outside the window. `None` if the side shows fewer than
/// `levels` levels, and so all there is.
fn edge(row: &Levels, side: Side, levels: usize) -> Option<i64> {
    let half = row.side(side);
    half.last().filter(|_| half.len() == levels).map(|level| level.price)
}

impl<'a, V: Venue> Replay<'a, V> {
    fn new(venue: &'a mut V, tape: &'a Tape) -> Self {
        Self {
            venue,
            tape,
            future: tape.future.clone(),
            orders: Vec::new(),
            open: vec![0; tape.place.len()],
            queues: [BTreeMap::new(), BTreeMap::new()],
            waiting: [BTreeMap::new(), BTreeMap::new()],
            fills: Vec::new(),
            report: LobsterReport::default(),
        }
    }

    /// Fills the book from row 0: known orders as far as they fit, by id, and an anonymous lot for what is left.
    /// `entered` is the order of message 0, if it entered one.
    fn seed(
        &mut self,
        row: &Levels,
        levels: usize,
        entered: Option<(Known, i64)>,
        before_the_day: impl Iterator<Item = Known>,
    ) {
        for known in before_the_day {
            self.wait(known);
        }
        for side in [Side::Buy, Side::Sell] {
            for level in row.side(side) {
                let here =
                    |(known, size): &(Known, i64)| self.place(*known) == (side, level.price) && *size <= level.quantity;
                if let Some((known, size)) = entered.filter(here) {
                    self.enter(known, side, level.price, size, Entry::PostOnly);
                }
                self.fill_up(side, level.price, level.quantity);
            }
        }
        self.enter_out_of_sight(row, levels);
        // What the seed needed is not a correction.
        self.report = LobsterReport { hindsight_orders: self.report.hindsight_orders, ..LobsterReport::default() };
    }

    /// Does what the message says.
    fn message(&mut self, message: &Message) {
        let Message { side, price, size, known, .. } = *message;
        if message.kind.uses_an_order() {
            let future = &mut self.future[known as usize];
            future.size = future.size.saturating_sub(size);
            future.events -= 1;
        }
        match message.kind {
            Kind::New => {
                self.report.new_orders += 1;
                self.new_order(message);
            }
            Kind::Reduce => {
                self.report.reductions += 1;
                match self.open[known as usize] {
                    0 => self.reduce_anonymous(side, price, size),
                    order_id => self.reduce(order_id, size),
                }
            }
            Kind::Delete => {
                self.report.deletions += 1;
                match self.open[known as usize] {
                    0 => self.reduce_anonymous(side, price, size),
                    order_id => self.cancel(order_id),
                }
            }
            Kind::Execute => {
                self.report.executions += 1;
                self.execute(message);
            }
            Kind::Hidden => self.report.hidden += 1,
            Kind::Auction => self.report.auctions += 1,
            Kind::Halt => self.report.halts += 1,
        }
    }

    fn new_order(&mut self, message: &Message) {
        let Message { side, price, size, known, .. } = *message;
        if self.open[known as usize] != 0 {
            self.report.repeated_ids += 1;
            self.cancel(self.open[known as usize]);
        }
        if message.carried_over {
            self.enter_by_id(side, price, &[(known, size)]);
        } else {
            self.enter(known, side, price, size, Entry::Limit);
            self.report.crossed += u64::from(!self.fills.is_empty());
        }
    }

    /// An execution is an incoming IOC order of the other side. It is sent if the order that has priority in the engine
    /// is the named one, and counted by what the engine then fills.
    fn execute(&mut self, message: &Message) {
        let Message { side, price, size, known, .. } = *message;
        let named = self.open[known as usize];
        let front = self.venue.front(side).filter(|front| front.price == price && front.leaves >= size);
        let maker = front.map(|front| front.order_id).filter(|&maker| match named {
            0 => self.orders[maker as usize - 1].known == ANONYMOUS,
            named => maker == named,
        });
        if let Some(maker) = maker {
            self.fills.clear();
            let incoming = self.venue.enter(side.opposite(), price, size, Entry::Ioc, &mut self.fills);
            if incoming.is_some() {
                self.forget_incoming();
            }
            let exact = self.fills == [Fill { maker, price, quantity: size }];
            self.settle_fills();
            if exact && named != 0 {
                self.report.hit += 1;
            } else if exact {
                self.report.anonymous += 1;
            } else {
                self.report.disagree += 1;
            }
        } else if named != 0 {
            self.report.disagree += 1;
            self.reduce(named, size);
        } else {
            self.report.anonymous += 1;
            self.reduce_anonymous(side, price, size);
        }
    }

    /// Compares the engine's book with the row; corrects levels that were out of sight; counts.
    fn compare(&mut self, index: u64, row: &Levels, previous: &Levels, levels: usize, book: &mut Levels) {
        self.report.rows += 1;
        if self.equals(row, levels, book) {
            self.report.identical += 1;
            return;
        }
        if self.correct_edges(row, previous, levels) && self.equals(row, levels, book) {
            self.report.identical += 1;
            return;
        }
        if self.report.first_difference.is_none() {
            let difference = Difference { row: index, expected: row.clone(), got: book.clone() };
            self.report.first_difference = Some(difference);
        }
        self.resynchronize(row, levels);
    }

    fn equals(&self, row: &Levels, levels: usize, book: &mut Levels) -> bool {
        self.venue.depth(Side::Sell, levels, &mut book.asks);
        self.venue.depth(Side::Buy, levels, &mut book.bids);
        book.asks == row.asks && book.bids == row.bids
    }

    /// Sets the levels of the row that were outside the previous row's levels; false if there was nothing to set.
    fn correct_edges(&mut self, row: &Levels, previous: &Levels, levels: usize) -> bool {
        let mut corrected = 0;
        for drop in [true, false] {
            for side in [Side::Buy, Side::Sell] {
                // A side that showed fewer than N levels showed all of them: nothing was outside.
                if let Some(edge) = edge(previous, side, levels) {
                    corrected += self.set_levels(side, row, levels, Some(edge), drop);
                }
            }
        }
        self.report.levels_corrected += corrected;
        self.report.rows_corrected += u64::from(corrected > 0);
        corrected > 0
    }

    /// Sets every level in sight to the row, after a row that differed.
    fn resynchronize(&mut self, row: &Levels, levels: usize) {
        let counted = (self.report.orders_dropped, self.report.lots_revealed);
        for drop in [true, false] {
            for side in [Side::Buy, Side::Sell] {
                self.set_levels(side, row, levels, None, drop);
            }
        }
        // Not a correction at the edge.
        (self.report.orders_dropped, self.report.lots_revealed) = counted;
    }

    /// Sets the levels in sight of one side, those behind `edge` only if one is given, to the row: drops what is too
    /// much, or else fills up what is too little. The number of levels changed.
    fn set_levels(&mut self, side: Side, row: &Levels, levels: usize, from: Option<i64>, drop: bool) -> u64 {
        let last = edge(row, side, levels);
        let concerned = |price: i64| {
            from.is_none_or(|from| behind(side, price, from)) && last.is_none_or(|last| !behind(side, price, last))
        };
        let target =
            |price: i64| row.side(side).iter().find(|level| level.price == price).map_or(0, |level| level.quantity);
        let mut changed = 0;
        if drop {
            let (low, high) = match side {
                Side::Buy => {
                    (last.map_or(Bound::Unbounded, Bound::Included), from.map_or(Bound::Unbounded, Bound::Excluded))
                }
                Side::Sell => {
                    (from.map_or(Bound::Unbounded, Bound::Excluded), last.map_or(Bound::Unbounded, Bound::Included))
                }
            };
            if let (Bound::Included(a), Bound::Excluded(b)) | (Bound::Excluded(b), Bound::Included(a)) = (low, high) {
                if !behind(side, a, b) {
                    return 0; // The window has not widened.
                }
            }
            let prices: Vec<i64> = self.queues[side.index()].range((low, high)).map(|(price, _)| *price).collect();
            for price in prices {
                changed += u64::from(self.drop_excess(side, price, target(price)));
            }
        } else {
            for level in row.side(side).iter().filter(|level| concerned(level.price)) {
                changed += u64::from(self.fill_up(side, level.price, level.quantity));
            }
        }
        changed
    }

    /// Takes orders out of a level until it has no more than `target`: those without later messages first.
    fn drop_excess(&mut self, side: Side, price: i64, target: i64) -> bool {
        let mut excess = self.quantity(side, price) - target;
        if excess <= 0 {
            return false;
        }
        let queue = self.queues[side.index()].get(&price).cloned().unwrap_or_default();
        let (gone, needed): (Vec<u64>, Vec<u64>) = queue.iter().partition(|order_id| {
            let known = self.orders[**order_id as usize - 1].known;
            known == ANONYMOUS || self.future[known as usize].events == 0
        });
        for order_id in gone.into_iter().chain(needed.into_iter().rev()) {
            if excess <= 0 {
                break;
            }
            let Resting { known, leaves, .. } = self.orders[order_id as usize - 1];
            excess -= leaves;
            self.cancel(order_id);
            self.report.orders_dropped += 1;
            if known != ANONYMOUS && self.future[known as usize].events > 0 {
                self.wait(known);
            }
        }
        true
    }

    /// Adds to a level what it lacks: orders that hindsight knows, as far as they fit, then an anonymous lot.
    fn fill_up(&mut self, side: Side, price: i64, target: i64) -> bool {
        let mut missing = target - self.quantity(side, price);
        if missing <= 0 {
            return false;
        }
        if let Some(mut waiting) = self.waiting[side.index()].remove(&price) {
            waiting.sort_unstable();
            let mut fitting = Vec::new();
            waiting.retain(|&known| {
                let size = self.future[known as usize].size;
                let fits = size > 0 && size <= missing;
                if fits {
                    missing -= size;
                    fitting.push((known, size));
                }
                !fits && size > 0
            });
            if !waiting.is_empty() {
                self.waiting[side.index()].insert(price, waiting);
            }
            self.report.hindsight_orders += fitting.len() as u64;
            self.enter_by_id(side, price, &fitting);
        }
        if missing > 0 {
            self.enter(ANONYMOUS, side, price, missing, Entry::PostOnly);
            self.report.lots_revealed += 1;
        }
        true
    }

    /// Lets an order that hindsight knows wait until its price is out of sight, or a level there lacks it.
    fn wait(&mut self, known: Known) {
        let (side, price) = self.place(known);
        self.waiting[side.index()].entry(price).or_default().push(known);
    }

    /// Enters the waiting orders whose price is outside the row's levels.
    fn enter_out_of_sight(&mut self, row: &Levels, levels: usize) {
        for side in [Side::Buy, Side::Sell] {
            let Some(edge) = edge(row, side, levels) else {
                continue;
            };
            loop {
                let waiting = &mut self.waiting[side.index()];
                let furthest = match side {
                    Side::Buy => waiting.first_entry(),
                    Side::Sell => waiting.last_entry(),
                };
                let Some(furthest) = furthest.filter(|entry| behind(side, *entry.key(), edge)) else {
                    break;
                };
                let (price, mut orders) = furthest.remove_entry();
                orders.sort_unstable();
                let sizes = orders.into_iter().map(|known| (known, self.future[known as usize].size));
                let orders: Vec<(Known, i64)> = sizes.filter(|(_, size)| *size > 0).collect();
                self.report.hindsight_orders += orders.len() as u64;
                self.enter_by_id(side, price, &orders);
            }
        }
    }

    fn place(&self, known: Known) -> (Side, i64) {
        self.tape.place[known as usize]
    }

    fn quantity(&self, side: Side, price: i64) -> i64 {
        let queue = self.queues[side.index()].get(&price).map_or(&[][..], Vec::as_slice);
        let leaves = queue.iter().map(|order_id| self.orders[*order_id as usize - 1].leaves);
        leaves.fold(0, i64::saturating_add)
    }

    /// Puts orders, sorted by id, into a level behind the older ones. What stands behind those is cancelled and entered
    /// again, by id too, with the anonymous lots at the end: they never trade.
    fn enter_by_id(&mut self, side: Side, price: i64, orders: &[(Known, i64)]) {
        let Some(&(oldest, _)) = orders.first() else {
            return;
        };
        let older = |order_id: &u64| self.orders[*order_id as usize - 1].known < oldest;
        let queue = self.queues[side.index()].get(&price).map_or(&[][..], Vec::as_slice);
        let tail = queue[queue.iter().rposition(older).map_or(0, |last| last + 1)..].to_vec();
        let mut entering = orders.to_vec();
        for order_id in tail {
            let Resting { known, leaves, .. } = self.orders[order_id as usize - 1];
            entering.push((known, leaves));
            self.cancel(order_id);
            self.report.requeued += 1;
        }
        entering.sort_by_key(|(known, _)| *known); // ANONYMOUS is the greatest.
        for (known, size) in entering {
            self.enter(known, side, price, size, Entry::PostOnly);
        }
    }

    /// Enters an order at the back of its level; false if it was refused or has traded whole. `fills` tells what it has
    /// traded.
    fn enter(&mut self, known: Known, side: Side, price: i64, quantity: i64, entry: Entry) -> bool {
        self.fills.clear();
        let Some(order_id) = self.venue.enter(side, price, quantity, entry, &mut self.fills) else {
            return false;
        };
        let filled: i64 = self.fills.iter().map(|fill| fill.quantity).sum();
        let leaves = quantity - filled;
        self.orders.push(Resting { known, side, price, filled, leaves });
        assert_eq!(self.orders.len() as u64, order_id, "the venue's order ids are dense");
        self.settle_fills();
        if leaves == 0 {
            return false;
        }
        self.queues[side.index()].entry(price).or_default().push(order_id);
        if known != ANONYMOUS {
            self.open[known as usize] = order_id;
        }
        true
    }

    /// Keeps `orders` in step with the venue's ids after an IOC order, which nothing will name again.
    fn forget_incoming(&mut self) {
        self.orders.push(Resting { known: ANONYMOUS, side: Side::Buy, price: 0, filled: 0, leaves: 0 });
    }

    /// Takes what the makers in `fills` have traded from their orders.
    fn settle_fills(&mut self) {
        for index in 0..self.fills.len() {
            let Fill { maker, quantity, .. } = self.fills[index];
            let order = &mut self.orders[maker as usize - 1];
            order.filled += quantity;
            order.leaves -= quantity;
            if order.leaves <= 0 {
                self.forget(maker);
            }
        }
    }

    /// Reduces an order in place, or cancels it if nothing would be left.
    fn reduce(&mut self, order_id: u64, size: i64) {
        let order = &mut self.orders[order_id as usize - 1];
        if size >= order.leaves {
            self.cancel(order_id);
        } else {
            order.leaves -= size;
            let quantity = order.filled + order.leaves;
            self.venue.reduce(order_id, quantity);
        }
    }

    /// Takes `size` from the anonymous lots of a level, oldest first.
    fn reduce_anonymous(&mut self, side: Side, price: i64, mut size: i64) {
        let queue = self.queues[side.index()].get(&price).cloned().unwrap_or_default();
        for order_id in queue {
            let Resting { known, leaves, .. } = self.orders[order_id as usize - 1];
            if known == ANONYMOUS && size > 0 {
                self.reduce(order_id, size);
                size -= leaves.min(size);
            }
        }
        self.report.unresolved += u64::from(size > 0);
    }

    fn cancel(&mut self, order_id: u64) {
        self.venue.cancel(order_id);
        self.forget(order_id);
    }

    /// Takes an order that has left the engine's book out of the replay's memory of it.
    fn forget(&mut self, order_id: u64) {
        let Resting { known, side, price, .. } = self.orders[order_id as usize - 1];
        self.orders[order_id as usize - 1].leaves = 0;
        if known != ANONYMOUS && self.open[known as usize] == order_id {
            self.open[known as usize] = 0;
        }
        if let Some(queue) = self.queues[side.index()].get_mut(&price) {
            queue.retain(|other| *other != order_id);
            if queue.is_empty() {
                self.queues[side.index()].remove(&price);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::support::{goog, with_fewer_levels, Day};
    use crate::naive::{Fault, NaiveVenue, Twin};

    fn replay(day: &Day, venue: &mut impl Venue) -> LobsterReport {
        let tape = Tape::read(Lines::of_text("messages", day.messages.as_str())).expect("well-formed messages");
        let rows = BookFile::new(Lines::of_text("orderbook", day.orderbook.as_str()));
        let report = run(&tape, rows, venue, &mut |_, _| {}).expect("well-formed rows");
        LobsterReport { engine_seconds: 0.0, ..report }
    }

    #[test]
    fn the_engine_and_the_naive_book_agree_after_every_command_of_a_day() {
        let Some(day) = goog(10) else { return };
        for day in [with_fewer_levels(&day, 3), day] {
            let report = replay(&day, &mut Twin::open());
            assert_eq!(report, replay(&day, &mut NaiveVenue::new(Fault::None)));
            assert_eq!((report.identical, report.refused), (report.rows, 0));
        }
    }

    #[test]
    fn a_book_that_is_not_first_in_first_out_hits_other_orders() {
        let Some(day) = goog(10) else { return };
        let report = replay(&day, &mut NaiveVenue::new(Fault::LastInFirstOut));
        assert!(report.hit < 7_600, "{} executions hit the named order", report.hit);
        assert!(report.disagree > 160, "{} executions disagree", report.disagree);
    }

    #[test]
    fn orders_carried_over_are_found_wherever_ids_fall() {
        let kind = |time_ns, known| Message {
            time_ns,
            id: 0,
            size: 1,
            price: 1,
            known,
            kind: Kind::New,
            side: Side::Buy,
            carried_over: false,
        };
        let mut messages =
            [(1, 50), (2, 60), (3, 55), (3, 70), (3, 20), (4, 65), (5, 80), (6, 80)].map(|(t, k)| kind(t, k));
        mark_carried_over(&mut messages);
        // The batch does not count for what follows: 65 is larger than 60.
        assert_eq!(messages.map(|message| message.carried_over), [false, false, true, true, true, false, false, false]);
    }
}
