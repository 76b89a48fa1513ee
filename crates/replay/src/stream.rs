//! A prepared stream: plain orders, the maker that each execution must hit, and the rows at which the book is compared.
//!
//! A line is `op,id,side,price,quantity,tag,time`:
//!
//! | op | is |
//! |---|---|
//! | `A` | enter a limit order of `side` (1 buy, -1 sell) that rests |
//! | `X` | cancel it |
//! | `R` | reduce it by `quantity`, in place |
//! | `E` | enter an IOC order of `side`; it must fill with the maker `id` alone, whole, at `price` |
//! | `C` | compare the book with row `id` of the order book file |
//!
//! Grouped, what was one incoming order becomes one again: consecutive `E` of one time and side with prices that get
//! worse, and the `A` right after them if it is of that time and side, tagged `msg` and priced at their last price or
//! beyond, the rest that was posted. Any other line but `C` ends a group. Rows inside a group cannot be compared.
//!
//! Invariants: the engine knows nothing of the file and is never corrected; every fill is either one that the stream
//! asks for or counted as unexpected.

use crate::book_file::{BookFile, Difference, Levels};
use crate::error::ReplayError;
use crate::input::{quoted, Line, Lines};
use crate::venue::{EngineVenue, Entry, Fill, Venue};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{PriceTicks, Side, MAX_TICKS_OR_LOTS};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// How often progress is told, in operations.
const PROGRESS_INTERVAL: usize = 4_096;
/// The most operations of a stream.
const MAX_OPERATIONS: usize = u32::MAX as usize;

/// What a replay of a prepared stream found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreamReport {
    /// Whether executions were grouped to incoming orders.
    pub grouped: bool,
    /// Levels on each side of the order book file.
    pub levels: u64,
    /// Rows compared.
    pub rows: u64,
    /// Rows not compared, because they show the book in the middle of a grouped order.
    pub rows_inside_groups: u64,
    /// Rows of the order book file after the last one that the stream compares.
    pub rows_left: u64,
    /// Compared rows that differ.
    pub different_rows: u64,
    /// The first of them.
    pub first_difference: Option<Difference>,
    /// Orders added; the rests of grouped orders are not among them.
    pub adds: u64,
    /// Orders cancelled.
    pub cancels: u64,
    /// Orders reduced.
    pub reduces: u64,
    /// Executions asked for.
    pub executions: u64,
    /// Incoming orders entered for them.
    pub incoming_orders: u64,
    /// Incoming orders made of several executions.
    pub several_fills: u64,
    /// Incoming orders that trade at several prices.
    pub several_prices: u64,
    /// Incoming orders that post a rest.
    pub posting_a_rest: u64,
    /// Fills that were asked for and did not come.
    pub missed_makers: u64,
    /// Fills that were not asked for.
    pub unexpected_fills: u64,
    /// Cancels and reduces of an order that is not open.
    pub not_open: u64,
    /// Ids entered a second time while open; the first order is taken out.
    pub repeated_ids: u64,
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

/// Replays a stream, one execution after the other or `grouped`. `progress` is called with the operations done and
/// their number, every few thousand and at the end.
///
/// Both files may be gzip files. Differences are not an error; they are counted in the report.
pub fn replay(
    stream: &Path,
    orderbook: &Path,
    grouped: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<StreamReport, ReplayError> {
    #[allow(clippy::disallowed_methods)] // The clock only measures.
    let started = Instant::now();
    let rows = BookFile::open(orderbook)?;
    let mut lines = Lines::open(stream)?;
    let operations = parse(&mut lines)?;
    let missing = |line: u64, what: String| ReplayError::Malformed { path: stream.to_owned(), line, what };
    let mut report = run(&operations, rows, &mut EngineVenue::open()?, grouped, &missing, progress)?;
    report.total_seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Add,
    Cancel,
    Reduce,
    Execute,
    Compare,
}

/// One line. Operation `i` stands in line `i + 1`.
#[derive(Clone, Copy, Debug)]
struct Operation {
    /// The order, or the row to compare with.
    id: i64,
    price: i64,
    quantity: i64,
    /// `None` before the day begins.
    time_ns: Option<i64>,
    kind: Kind,
    side: Side,
    /// Tagged `msg`: it stands in the recorded messages, and was not made up for orders out of sight.
    recorded: bool,
}

fn parse(lines: &mut Lines) -> Result<Vec<Operation>, ReplayError> {
    let mut operations = Vec::new();
    let mut last_row = -1;
    while let Some(line) = lines.next_line()? {
        if operations.len() >= MAX_OPERATIONS {
            return Err(line.error("too many operations"));
        }
        let operation = parse_operation(&line)?;
        if operation.kind == Kind::Compare {
            if operation.id <= last_row {
                return Err(line.error(format!("row {} is compared after row {last_row}", operation.id)));
            }
            last_row = operation.id;
        }
        operations.push(operation);
    }
    if last_row < 0 {
        return Err(lines.end_error("the stream compares no row"));
    }
    Ok(operations)
}

fn parse_operation(line: &Line<'_>) -> Result<Operation, ReplayError> {
    let [op, id, side, price, quantity, tag, time] = line.exactly("op, id, side, price, quantity, tag, time")?;
    let kind = match op {
        b"A" => Kind::Add,
        b"X" => Kind::Cancel,
        b"R" => Kind::Reduce,
        b"E" => Kind::Execute,
        b"C" => Kind::Compare,
        _ => return Err(line.error(format!("op is none of A, X, R, E, C: {}", quoted(op)))),
    };
    let id = match kind {
        Kind::Compare => line.integer_in(id, "row", 0, MAX_TICKS_OR_LOTS)?,
        _ => line.integer(id, "id")?,
    };
    let positive = |field, name, needed| line.integer_in(field, name, i64::from(needed), MAX_TICKS_OR_LOTS);
    let enters = matches!(kind, Kind::Add | Kind::Execute);
    let price = positive(price, "price", enters)?;
    let quantity = positive(quantity, "quantity", enters || kind == Kind::Reduce)?;
    let side = match line.integer(side, "side")? {
        1 => Side::Buy,
        -1 => Side::Sell,
        0 if !enters => Side::Buy, // Not used.
        other => return Err(line.error(format!("side is neither 1 nor -1: {other}"))),
    };
    let time_ns = if time.is_empty() { None } else { Some(line.time_ns(time)?) };
    Ok(Operation { id, price, quantity, time_ns, kind, side, recorded: tag == b"msg" })
}

/// One incoming order: `operations[start..end]`, of which `rest` is the one that was posted.
struct Incoming {
    end: usize,
    rest: Option<usize>,
}

/// The incoming order whose first execution is at `start`.
fn incoming(operations: &[Operation], start: usize, grouped: bool) -> Incoming {
    let mut incoming = Incoming { end: start + 1, rest: None };
    let mut last = &operations[start];
    if !grouped {
        return incoming;
    }
    loop {
        let next = operations[incoming.end..].iter().position(|operation| operation.kind != Kind::Compare);
        let Some(next) = next.map(|distance| incoming.end + distance) else {
            break;
        };
        let operation = &operations[next];
        let belongs = operation.time_ns == last.time_ns
            && operation.side == last.side
            && last.side.crosses(PriceTicks(operation.price), PriceTicks(last.price));
        match operation.kind {
            Kind::Execute if belongs => {
                incoming.end = next + 1;
                last = operation;
            }
            Kind::Add if belongs && operation.recorded => {
                return Incoming { end: next + 1, rest: Some(next) };
            }
            _ => break,
        }
    }
    incoming
}

/// What is left of an order.
#[derive(Clone, Copy, Debug)]
struct Order {
    id: i64,
    filled: i64,
    leaves: i64,
}

struct Replay<'a, V> {
    venue: &'a mut V,
    /// By the engine's order id less 1.
    orders: Vec<Order>,
    /// The engine's ids of the open orders.
    open: BTreeMap<i64, u64>,
    fills: Vec<Fill>,
    report: StreamReport,
}

fn run<V: Venue>(
    operations: &[Operation],
    mut rows: BookFile,
    venue: &mut V,
    grouped: bool,
    missing: &dyn Fn(u64, String) -> ReplayError,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<StreamReport, ReplayError> {
    let total = operations.len() as u64;
    let mut replay = Replay {
        venue,
        orders: Vec::new(),
        open: BTreeMap::new(),
        fills: Vec::new(),
        report: StreamReport { grouped, ..StreamReport::default() },
    };
    let (mut row, mut book) = (Levels::default(), Levels::default());
    let (mut index, mut told) = (0, 0);
    while index < operations.len() {
        let operation = &operations[index];
        replay.venue.set_time(operation.time_ns.unwrap_or(0));
        let mut end = index + 1;
        match operation.kind {
            Kind::Add => replay.add(operation),
            Kind::Cancel => replay.cancel(operation.id),
            Kind::Reduce => replay.reduce(operation),
            Kind::Execute => {
                let incoming = incoming(operations, index, grouped);
                end = incoming.end;
                let rest = incoming.rest.map(|rest| &operations[rest]);
                replay.execute(&operations[index..end], rest);
            }
            Kind::Compare => {
                while rows.rows() <= operation.id as u64 {
                    if !rows.next_row(&mut row)? {
                        let what = format!(
                            "row {} is compared, the order book file has only {} rows",
                            operation.id,
                            rows.rows()
                        );
                        return Err(missing(index as u64 + 1, what));
                    }
                }
                replay.compare(operation.id as u64, &row, rows.levels(), &mut book);
            }
        }
        index = end;
        if index - told >= PROGRESS_INTERVAL {
            told = index;
            progress(index as u64, total);
        }
    }
    let compared = rows.rows();
    while rows.next_row(&mut row)? {}
    progress(total, total);

    let work = replay.venue.work();
    let mut report = replay.report;
    report.levels = rows.levels() as u64;
    report.rows_left = rows.rows() - compared;
    report.commands = work.commands;
    report.refused = work.refused;
    report.first_refusal = work.first_refusal;
    report.engine_seconds = work.time.as_secs_f64();
    Ok(report)
}

impl<V: Venue> Replay<'_, V> {
    fn add(&mut self, operation: &Operation) {
        self.report.adds += 1;
        let Operation { id, side, price, quantity, .. } = *operation;
        self.enter(Some(id), side, price, quantity, Entry::Limit);
        self.report.unexpected_fills += self.fills.len() as u64;
    }

    fn cancel(&mut self, id: i64) {
        self.report.cancels += 1;
        match self.open.remove(&id) {
            Some(order_id) => {
                self.venue.cancel(order_id);
            }
            None => self.report.not_open += 1,
        }
    }

    fn reduce(&mut self, operation: &Operation) {
        self.report.reduces += 1;
        let Some(&order_id) = self.open.get(&operation.id) else {
            self.report.not_open += 1;
            return;
        };
        let order = &mut self.orders[order_id as usize - 1];
        if operation.quantity >= order.leaves {
            self.open.remove(&operation.id);
            self.venue.cancel(order_id);
        } else {
            order.leaves -= operation.quantity;
            let quantity = order.filled + order.leaves;
            self.venue.reduce(order_id, quantity);
        }
    }

    /// Enters one incoming order for the executions among `operations`, with the `rest` that it must post, and counts
    /// its fills against them.
    fn execute(&mut self, operations: &[Operation], rest: Option<&Operation>) {
        let executions = || operations.iter().filter(|operation| operation.kind == Kind::Execute);
        let (Some(first), Some(last)) = (executions().next(), executions().next_back()) else {
            return;
        };
        let count = executions().count() as u64;
        let traded = executions().map(|execution| execution.quantity).fold(0, i64::saturating_add);
        self.report.executions += count;
        self.report.incoming_orders += 1;
        self.report.several_fills += u64::from(count > 1);
        self.report.several_prices += u64::from(first.price != last.price);
        self.report.posting_a_rest += u64::from(rest.is_some());
        let compares = operations.iter().filter(|operation| operation.kind == Kind::Compare).count();
        self.report.rows_inside_groups += compares as u64;

        // Two executions of one maker in a row are one fill of one incoming order.
        let mut expected: Vec<Fill> = Vec::with_capacity(operations.len());
        for Operation { id, price, quantity, .. } in executions() {
            let maker = self.open.get(id).copied().unwrap_or(0);
            match expected.last_mut() {
                Some(fill) if maker != 0 && fill.maker == maker && fill.price == *price => {
                    fill.quantity = fill.quantity.saturating_add(*quantity)
                }
                _ => expected.push(Fill { maker, price: *price, quantity: *quantity }),
            }
        }
        match rest {
            Some(rest) => {
                self.enter(Some(rest.id), first.side, rest.price, traded.saturating_add(rest.quantity), Entry::Limit)
            }
            None => self.enter(None, first.side, last.price, traded, Entry::Ioc),
        }
        let (missed, unexpected) = differences(&expected, &self.fills);
        self.report.missed_makers += missed;
        self.report.unexpected_fills += unexpected;
    }

    fn compare(&mut self, index: u64, row: &Levels, levels: usize, book: &mut Levels) {
        self.report.rows += 1;
        self.venue.depth(Side::Sell, levels, &mut book.asks);
        self.venue.depth(Side::Buy, levels, &mut book.bids);
        if book != row {
            self.report.different_rows += 1;
            if self.report.first_difference.is_none() {
                let difference = Difference { row: index, expected: row.clone(), got: book.clone() };
                self.report.first_difference = Some(difference);
            }
        }
    }

    /// Enters an order, under the stream's `id` if it may rest, and keeps in step with its fills.
    fn enter(&mut self, id: Option<i64>, side: Side, price: i64, quantity: i64, entry: Entry) {
        if let Some(earlier) = id.and_then(|id| self.open.remove(&id)) {
            self.report.repeated_ids += 1;
            self.venue.cancel(earlier);
        }
        self.fills.clear();
        let Some(order_id) = self.venue.enter(side, price, quantity, entry, &mut self.fills) else {
            return;
        };
        let filled: i64 = self.fills.iter().map(|fill| fill.quantity).sum();
        self.orders.push(Order { id: id.unwrap_or(0), filled, leaves: quantity - filled });
        assert_eq!(self.orders.len() as u64, order_id, "the venue's order ids are dense");
        if let Some(id) = id.filter(|_| filled < quantity) {
            self.open.insert(id, order_id);
        }
        for fill in &self.fills {
            let maker = &mut self.orders[fill.maker as usize - 1];
            maker.filled += fill.quantity;
            maker.leaves -= fill.quantity;
            if maker.leaves == 0 {
                self.open.remove(&maker.id);
            }
        }
    }
}

/// How many of the expected fills did not come, and how many came that were not expected. Fills that came in another
/// order than expected are missed too.
fn differences(expected: &[Fill], got: &[Fill]) -> (u64, u64) {
    if expected == got {
        return (0, 0);
    }
    let unexpected = got.iter().filter(|fill| !expected.contains(fill)).count() as u64;
    let missed = expected.iter().filter(|fill| !got.contains(fill)).count() as u64;
    if missed == 0 && unexpected == 0 {
        let out_of_order = expected.iter().zip(got).filter(|(expected, got)| expected != got).count() as u64;
        return (out_of_order.max(1), 0);
    }
    (missed, unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::support::{goog, goog_stream};
    use crate::naive::{Fault, NaiveVenue, Twin};

    fn replay(grouped: bool, venue: &mut impl Venue) -> Option<StreamReport> {
        let (stream, day) = (goog_stream(10)?, goog(10)?);
        let operations = Lines::open(&stream).and_then(|mut lines| parse(&mut lines)).expect("a well-formed stream");
        let rows = BookFile::new(Lines::of_text("orderbook", day.orderbook));
        let missing = |line, what| ReplayError::Malformed { path: stream.clone(), line, what };
        let report = run(&operations, rows, venue, grouped, &missing, &mut |_, _| {}).expect("a well-formed stream");
        Some(StreamReport { engine_seconds: 0.0, ..report })
    }

    #[test]
    fn the_engine_and_the_naive_book_agree_after_every_command_of_a_stream() {
        for grouped in [false, true] {
            let Some(report) = replay(grouped, &mut Twin::open()) else {
                return;
            };
            assert_eq!((report.different_rows, report.missed_makers, report.unexpected_fills), (0, 0, 0));
            assert_eq!(Some(report), replay(grouped, &mut NaiveVenue::new(Fault::None)));
        }
    }

    #[test]
    fn faults_of_priority_are_seen() {
        for fault in [Fault::LastInFirstOut, Fault::ReduceLosesPlace] {
            for grouped in [false, true] {
                let Some(report) = replay(grouped, &mut NaiveVenue::new(fault)) else {
                    return;
                };
                println!("{fault:?}, grouped {grouped}: {} missed makers", report.missed_makers);
                assert!(report.missed_makers > 0, "{fault:?}, grouped {grouped}");
                assert!(report.unexpected_fills > 0, "{fault:?}, grouped {grouped}");
            }
        }
    }
}
