//! The engine and the naive model side by side: after every command the answer, the whole event list, the snapshot and
//! the digest must be the same, and a snapshot must restore to the same state.
//!
//! Invariants: a run is a function of its seed; a failure carries the commands that lead to it, reduced to those that
//! are needed.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use beurs_engine::command::{CancelOrder, Command, KillScope, ReplaceOrder};
use beurs_engine::event::{Event, ExecutionReport, OrderTerms};
use beurs_engine::types::{CancelReason, ExecType, Liquidity, OrderId, SelfTradePrevention, Side};
use beurs_engine::{Engine, EngineConfig};
use sha2::{Digest, Sha256};

use crate::naive::{Defect, Naive};
use crate::workload::{Areas, Workload, MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT};

/// After how many commands the engine is thrown away and restored from its snapshot.
const RESTORE_EVERY: u64 = 1_000;
/// How many runs the reduction of a failure may take.
const SHRINK_RUNS: u32 = 3_000;

/// One input: its time and the command.
pub type Input = (i64, Command);

/// Where the engine and the model differ, in words.
#[derive(Clone, Debug)]
pub struct Mismatch(pub String);

/// A run that found a difference.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the stream.
    pub seed: u64,
    /// Which command of the stream, from 0.
    pub index: usize,
    /// What differed.
    pub mismatch: Mismatch,
    /// Commands that end in a difference, as few as were found.
    pub inputs: Vec<Input>,
    /// What differs at their end.
    pub reduced_mismatch: Mismatch,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, command {}: {}", self.seed, self.index, self.mismatch.0)?;
        writeln!(f, "reduced to {} commands:", self.inputs.len())?;
        for (time, command) in &self.inputs {
            writeln!(f, "  {time} {command:?}")?;
        }
        write!(f, "which end in: {}", self.reduced_mismatch.0)
    }
}

/// How often each rule was reached: (what, which) to a count.
#[derive(Clone, Default, Debug)]
pub struct Coverage {
    /// The counts.
    pub seen: BTreeMap<(&'static str, &'static str), u64>,
    /// Commands applied.
    pub commands: u64,
}

impl Coverage {
    fn saw(&mut self, what: &'static str, which: &'static str) {
        *self.seen.entry((what, which)).or_insert(0) += 1;
    }

    /// How often this was seen.
    pub fn count(&self, what: &'static str, which: &'static str) -> u64 {
        self.seen.get(&(what, which)).copied().unwrap_or(0)
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        for (key, count) in &other.seen {
            *self.seen.entry(*key).or_insert(0) += count;
        }
    }

    /// Counts what one command reached.
    pub fn note(&mut self, command: &Command, events: &[Event]) {
        self.commands += 1;
        let reports = || events.iter().filter_map(|event| if let Event::Execution(r) = event { Some(r) } else { None });
        let mut taker: Option<&ExecutionReport> = reports().next();
        for event in events {
            match event {
                Event::Execution(report) => {
                    if report.liquidity == Liquidity::Taker {
                        taker = Some(report); // The maker's report follows.
                    }
                    self.note_report(report, taker);
                }
                Event::Rejected(rejected) => self.saw("reject", rejected.reason.as_str()),
                Event::TradingStatusSet(set) => {
                    self.saw("trading_status", set.status.as_str());
                    self.saw("status_reason", set.reason.as_str());
                }
                Event::MassCanceled(done) => self.saw("mass_cancel", if done.count == 0 { "none" } else { "some" }),
                Event::Posted(_) => self.saw("event", "posted"),
                Event::AssetAdded(_) => self.saw("event", "asset_added"),
                Event::InstrumentListed(_) => self.saw("event", "instrument_listed"),
                Event::AccountOpened(_) => self.saw("event", "account_opened"),
                Event::AccountGroupSet(_) => self.saw("event", "account_group_set"),
                Event::FeesSet(_) => self.saw("event", "fees_set"),
                Event::Terms(told) => self.note_terms(told),
                Event::OrderListStatus(list) => {
                    self.saw("order_list", list.status.as_str());
                    self.saw("contingency", list.contingency.as_str());
                }
                Event::AuctionIndication(indication) => {
                    self.saw("auction_indication", if indication.price.0 == 0 { "none" } else { "some" });
                }
                Event::AuctionEnded(ended) => {
                    self.saw("auction_ended", if ended.price.0 == 0 { "none" } else { "some" });
                }
                Event::LimitStateSet(limit) => self.saw("limit_state", limit.side.map_or("none", Side::as_str)),
                Event::CancelAllAfterSet(_) => self.saw("event", "cancel_all_after_set"),
                Event::TimeAdvanced(done) => self.saw("time_advanced", if done.count == 0 { "none" } else { "some" }),
                Event::MarkPriceSet(_) => self.saw("event", "mark_price_set"),
                Event::KillSwitchSet(set) => {
                    self.saw("kill_switch", if set.engaged { "engaged" } else { "released" });
                    let scope = match set.scope {
                        KillScope::All => "all",
                        KillScope::Instrument(_) => "instrument",
                        KillScope::Group(_) => "group",
                        KillScope::Account(_) => "account",
                        KillScope::Key(..) => "key",
                    };
                    self.saw("kill_scope", scope);
                    self.saw("kill_count", if set.count == 0 { "none" } else { "some" });
                }
                Event::SettingChanged(changed) => self.saw("setting", changed.setting.as_str()),
                Event::TradeCorrected(corrected) => {
                    self.saw("trade_corrected", if corrected.new_price.0 == 0 { "busted" } else { "adjusted" });
                }
                Event::Administered(_) => self.saw("event", "administered"),
            }
        }
        if let Command::CancelReplace(_) = command {
            let canceled = reports().any(|report| report.cancel_reason == CancelReason::Requested);
            let entered = reports().any(|report| report.exec_type == ExecType::New);
            let outcome = match (canceled, entered) {
                (true, true) => "both",
                (true, false) => "cancel",
                (false, true) => "new_order",
                (false, false) => "none",
            };
            self.saw("cancel_replace", outcome);
        }
        if let Some(taker) = reports().next() {
            let traded = reports().any(|report| report.exec_type == ExecType::Trade);
            match (command, traded) {
                (Command::ReplaceOrder(_), true) => self.saw("replace", "trades"),
                (Command::ReplaceOrder(_), false) => self.saw("replace", "does_not_trade"),
                (Command::NewOrder(_), _) if taker.quote_quantity.0 != 0 => self.saw("new_order", "quote_quantity"),
                (Command::NewOrder(_), _) if taker.post_only => self.saw("new_order", "post_only"),
                (Command::NewOrder(order), _) => self.saw(order.order_type.as_str(), order.time_in_force.as_str()),
                _ => {}
            }
        }
    }

    fn note_terms(&mut self, told: &OrderTerms) {
        let terms = &told.terms;
        for (has, which) in [
            (told.waits, "waits"),
            (told.list_id.0 != 0, "list"),
            (terms.trail_bps != 0 && terms.trigger_price.0 != 0, "trail_from_a_price"),
            (terms.trail_bps != 0, "trail"),
            (terms.display_quantity.0 != 0, "iceberg"),
            (terms.hidden, "hidden"),
            (terms.min_quantity.0 != 0, "min_quantity"),
            (terms.slide, "slide"),
            (terms.auction_only, "auction_only"),
        ] {
            if has {
                self.saw("terms", which);
            }
        }
        self.saw("trigger_by", terms.trigger_by.as_str());
        self.saw("peg", terms.peg.as_str());
    }

    fn note_report(&mut self, report: &ExecutionReport, taker: Option<&ExecutionReport>) {
        self.saw("exec_type", report.exec_type.as_str());
        if report.exec_type == ExecType::New {
            self.saw("order_type", report.order_type.as_str());
            self.saw("lifetime", report.time_in_force.as_str());
            self.saw("key", if report.key_id.0 == 0 { "none" } else { "some" });
        }
        if report.exec_type == ExecType::Trade && report.leaves_quantity > report.displayed_quantity {
            self.saw("maker", if report.displayed_quantity.0 > 0 { "iceberg" } else { "not_shown" });
        }
        self.saw("status", report.status.as_str());
        self.saw("cancel_reason", report.cancel_reason.as_str());
        self.saw("liquidity", report.liquidity.as_str());
        if report.fee.0 < 0 {
            self.saw("fee", "rebate");
        } else if report.fee.0 > 0 {
            self.saw("fee", "paid");
        }
        let Some(taker) = taker.filter(|taker| taker.account_id == report.account_id) else {
            return;
        };
        let own_trade = report.liquidity == Liquidity::Maker;
        if own_trade {
            assert_eq!(taker.self_trade_prevention, SelfTradePrevention::None, "a prevented self-trade happened");
        }
        if own_trade || report.cancel_reason == CancelReason::SelfTrade {
            self.saw("self_trade", taker.self_trade_prevention.as_str());
        }
    }
}

/// The two, and what was seen so far.
pub struct Pair {
    engine: Engine,
    naive: Naive,
    config: EngineConfig,
    sequence: u64,
    coverage: Coverage,
    engine_events: Vec<Event>,
    naive_events: Vec<Event>,
    engine_bytes: Vec<u8>,
}

/// The bounds that the comparison runs with.
pub fn config() -> EngineConfig {
    EngineConfig { max_open_orders: MAX_OPEN_ORDERS, max_open_orders_per_account: MAX_OPEN_ORDERS_PER_ACCOUNT }
}

impl Pair {
    /// Two empty venues; the model may be told to be wrong.
    pub fn new(defect: Option<Defect>) -> Self {
        let naive = Naive::new(MAX_OPEN_ORDERS, MAX_OPEN_ORDERS_PER_ACCOUNT);
        Self {
            engine: Engine::new(config()),
            naive: match defect {
                Some(defect) => naive.with_defect(defect),
                None => naive,
            },
            config: config(),
            sequence: 0,
            coverage: Coverage::default(),
            engine_events: Vec::new(),
            naive_events: Vec::new(),
            engine_bytes: Vec::new(),
        }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The events of the last command.
    pub fn events(&self) -> &[Event] {
        &self.engine_events
    }

    /// The model, for the workload to look at.
    pub fn naive(&self) -> &Naive {
        &self.naive
    }

    /// The orders that the last command entered.
    fn made(&self) -> Vec<OrderId> {
        let new = |event: &Event| match event {
            Event::Execution(report) if report.exec_type == ExecType::New => Some(report.order_id),
            _ => None,
        };
        self.naive_events.iter().filter_map(new).collect()
    }

    /// What was seen so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Applies one command to both and compares everything.
    pub fn apply(&mut self, input: &Input) -> Result<(), Mismatch> {
        self.apply_without_state(input)?;
        self.compare_state()
    }

    /// Applies one command to both and compares the answers and the events.
    pub fn apply_without_state(&mut self, (time, command): &Input) -> Result<(), Mismatch> {
        self.sequence += 1;
        self.engine_events.clear();
        self.naive_events.clear();
        let (sequence, engine, events) = (self.sequence, &mut self.engine, &mut self.engine_events);
        let accepted = catch_unwind(AssertUnwindSafe(|| engine.apply(sequence, *time, command, events)))
            .map_err(|panic| Mismatch(format!("the engine panicked: {}\non {command:?}", panic_text(&panic))))?;
        let (naive, events) = (&mut self.naive, &mut self.naive_events);
        let expected = catch_unwind(AssertUnwindSafe(|| naive.apply(sequence, *time, command, events)))
            .map_err(|panic| Mismatch(format!("the model panicked: {}\non {command:?}", panic_text(&panic))))?;
        if self.engine_events != self.naive_events {
            return Err(Mismatch(self.different_events(command)));
        }
        if accepted != expected {
            return Err(Mismatch(format!("engine says accepted = {accepted}, the model {expected}, on {command:?}")));
        }
        self.coverage.note(command, &self.engine_events);
        Ok(())
    }

    fn different_events(&self, command: &Command) -> String {
        let (engine, naive) = (&self.engine_events, &self.naive_events);
        let same = engine.iter().zip(naive).take_while(|(a, b)| a == b).count();
        format!(
            "event {same} of {} (engine) and {} (model) differs, on {command:?}\n  engine: {:?}\n  model:  {:?}\n  \
             engine in short: {}\n  model in short:  {}",
            engine.len(),
            naive.len(),
            engine.get(same),
            naive.get(same),
            short(engine),
            short(naive),
        )
    }

    /// Compares snapshots and digests.
    pub fn compare_state(&mut self) -> Result<(), Mismatch> {
        self.engine_bytes.clear();
        self.engine.snapshot(&mut self.engine_bytes);
        let naive_bytes = self.naive.snapshot();
        if self.engine_bytes != naive_bytes {
            return Err(Mismatch(different_snapshots(&self.engine_bytes, &naive_bytes)));
        }
        let digest: [u8; 32] = Sha256::digest(&naive_bytes).into();
        if self.engine.digest() != digest {
            return Err(Mismatch("the engine's digest is not the SHA-256 of its snapshot".into()));
        }
        Ok(())
    }

    /// Lets both check themselves, compares what can be read from outside, and goes on with an engine restored from
    /// the snapshot.
    pub fn restore(&mut self) -> Result<(), Mismatch> {
        self.naive.check_invariants();
        let engine = &self.engine;
        catch_unwind(AssertUnwindSafe(|| engine.check_invariants()))
            .map_err(|panic| Mismatch(format!("the engine's invariants: {}", panic_text(&panic))))?;
        self.compare_reads()?;
        self.engine_bytes.clear();
        self.engine.snapshot(&mut self.engine_bytes);
        self.engine = Engine::restore(self.config.clone(), &self.engine_bytes)
            .map_err(|error| Mismatch(format!("the snapshot is not restored: {error:?}")))?;
        let engine = &self.engine;
        catch_unwind(AssertUnwindSafe(|| engine.check_invariants()))
            .map_err(|panic| Mismatch(format!("the restored engine's invariants: {}", panic_text(&panic))))?;
        self.compare_reads()?;
        self.compare_state()
    }

    /// Balances, depth, queues and open orders as the engine shows them.
    fn compare_reads(&self) -> Result<(), Mismatch> {
        let same = |what: &str, engine: String, naive: String| {
            if engine == naive {
                Ok(())
            } else {
                Err(Mismatch(format!("{what} differs\n  engine: {engine}\n  model:  {naive}")))
            }
        };
        let (engine, naive) = (&self.engine, &self.naive);
        same("the number of open orders", engine.open_order_count().to_string(), naive.open_order_count().to_string())?;
        let (assets, accounts) = naive.counts();
        for account in (1..=accounts).map(beurs_engine::types::AccountId) {
            for asset in (1..=assets).map(beurs_engine::types::AssetId) {
                let balance = engine.balance(account, asset).map(|balance| (balance.total, balance.held));
                same("a balance", format!("{balance:?}"), format!("{:?}", naive.balance(account, asset)))?;
            }
            let open: Vec<u64> = engine.open_orders(account).map(|order| order.order_id.0).collect();
            let mut expected: Vec<u64> =
                naive.open_orders().filter(|order| order.account == account.0).map(|order| order.order_id).collect();
            expected.sort_unstable();
            same("the open orders of an account", format!("{open:?}"), format!("{expected:?}"))?;
        }
        for (index, instrument) in naive.instruments.iter().enumerate() {
            let instrument_id = beurs_engine::types::InstrumentId(index as u32 + 1);
            for side in [beurs_engine::types::Side::Buy, beurs_engine::types::Side::Sell] {
                let depth: Vec<_> = engine
                    .depth(instrument_id, side)
                    .map(|level| (level.price, level.quantity, level.orders))
                    .collect();
                let expected = naive.depth(instrument_id, side);
                same("depth", format!("{depth:?}"), format!("{expected:?}"))?;
                let best = expected.first().map(|level| level.0);
                same("the best price", format!("{:?}", engine.best_price(instrument_id, side)), format!("{best:?}"))?;
                let queue: Vec<_> = engine.queue(instrument_id, side).collect();
                let half: Vec<_> = instrument.half(side).iter().filter(|order| !order.is_auction_market()).collect();
                same("the length of a queue", queue.len().to_string(), half.len().to_string())?;
                for (seen, order) in queue.iter().zip(half) {
                    let seen_fields = (seen.order_id.0, seen.account_id.0, seen.client_order_id, seen.hold.0);
                    let fields = (order.order_id, order.account, order.client_order_id, instrument.hold(order));
                    same("an open order", format!("{seen_fields:?}"), format!("{fields:?}"))?;
                    same(
                        "the order by its id",
                        format!("{:?}", engine.order(seen.order_id)),
                        format!("{:?}", Some(seen)),
                    )?;
                    if !seen.client_order_id.is_empty() {
                        let by_client_id = engine.order_by_client_id(seen.account_id, &seen.client_order_id);
                        same("the order by its client's id", format!("{by_client_id:?}"), format!("{:?}", Some(seen)))?;
                    }
                }
            }
        }
        same("an unknown order", format!("{:?}", engine.order(OrderId(u64::MAX))), "None".into())
    }
}

/// Events by their names and orders only.
fn short(events: &[Event]) -> String {
    let each = |event: &Event| match event {
        Event::Execution(report) if report.last_price.0 != 0 => {
            format!("#{} {}x{}", report.order_id, report.last_quantity.0, report.last_price.0)
        }
        Event::Execution(report) if report.cancel_reason.as_str() == "none" => {
            format!("#{} {}", report.order_id, report.exec_type.as_str())
        }
        Event::Execution(report) => {
            format!("#{} {} {}", report.order_id, report.exec_type.as_str(), report.cancel_reason.as_str())
        }
        Event::TradingStatusSet(set) => format!("{} {}", set.instrument_id, set.status.as_str()),
        Event::Rejected(rejected) => rejected.reason.as_str().to_string(),
        other => format!("{other:?}").split('(').next().unwrap_or_default().to_string(),
    };
    events.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string())).unwrap_or_default()
}

/// An input, and the orders that it made when it was first applied.
#[derive(Clone)]
struct Recorded {
    input: Input,
    made: Vec<OrderId>,
}

/// Runs one seed. `progress` is told the number of commands done, about every thousand.
pub fn run(
    seed: u64,
    commands: u64,
    areas: Areas,
    defect: Option<Defect>,
    mut progress: impl FnMut(u64),
) -> Result<Coverage, Box<Failure>> {
    let mut pair = Pair::new(defect);
    let mut workload = Workload::with_areas(seed, areas);
    let mut recorded = Vec::with_capacity(commands as usize);
    for index in 0..commands {
        let input = workload.next(pair.naive());
        let mut result = pair.apply(&input);
        recorded.push(Recorded { input, made: pair.made() });
        if result.is_ok() && (index + 1) % RESTORE_EVERY == 0 {
            result = pair.restore();
            progress(index + 1);
        }
        if let Err(mismatch) = result {
            let (inputs, reduced_mismatch) = shrink(recorded, defect, mismatch.clone());
            return Err(Box::new(Failure { seed, index: index as usize, mismatch, inputs, reduced_mismatch }));
        }
    }
    Ok(pair.coverage)
}

/// Applies commands to fresh venues; the first difference, if there is one.
pub fn replay(inputs: &[Input], defect: Option<Defect>) -> Option<Mismatch> {
    let recorded: Vec<_> = inputs.iter().map(|input| Recorded { input: input.clone(), made: Vec::new() }).collect();
    replay_recorded(&recorded, defect).map(|(_, mismatch)| mismatch)
}

/// The same for a part of a run: orders are named by the ids that they have now. Gives the inputs that lead to the
/// difference, so renamed.
fn replay_recorded(recorded: &[Recorded], defect: Option<Defect>) -> Option<(Vec<Input>, Mismatch)> {
    let mut pair = Pair::new(defect);
    let mut order_ids = BTreeMap::new();
    let mut inputs = Vec::with_capacity(recorded.len());
    for Recorded { input, made } in recorded {
        let mut input = input.clone();
        if let Command::CancelOrder(CancelOrder { order_id, .. })
        | Command::ReplaceOrder(ReplaceOrder { order_id, .. }) = &mut input.1
        {
            *order_id = order_ids.get(order_id).copied().unwrap_or(*order_id);
        }
        if let Command::CancelReplace(both) = &mut input.1 {
            let order_id = &mut both.cancel.order_id;
            *order_id = order_ids.get(order_id).copied().unwrap_or(*order_id);
        }
        let result = pair.apply_without_state(&input);
        inputs.push(input);
        if let Err(mismatch) = result {
            return Some((inputs, mismatch));
        }
        order_ids.extend(made.iter().copied().zip(pair.made()));
    }
    let result = pair.compare_state().and_then(|()| pair.restore());
    result.err().map(|mismatch| (inputs, mismatch))
}

/// Leaves out as many commands as possible, in ever smaller pieces, while some difference remains.
fn shrink(mut recorded: Vec<Recorded>, defect: Option<Defect>, mut mismatch: Mismatch) -> (Vec<Input>, Mismatch) {
    let mut inputs: Vec<Input> = recorded.iter().map(|recorded| recorded.input.clone()).collect();
    let mut runs = 0;
    let mut piece = (recorded.len() / 2).max(1);
    loop {
        let mut start = 0;
        let mut removed = false;
        while start < recorded.len() && runs < SHRINK_RUNS {
            runs += 1;
            let end = (start + piece).min(recorded.len());
            let mut without = recorded.clone();
            without.drain(start..end);
            match replay_recorded(&without, defect) {
                Some((renamed, found)) => {
                    without.truncate(renamed.len());
                    recorded = without;
                    inputs = renamed;
                    mismatch = found;
                    removed = true;
                }
                None => start = end,
            }
        }
        if runs >= SHRINK_RUNS || (piece == 1 && !removed) {
            return (inputs, mismatch);
        }
        if !removed || piece > recorded.len() {
            piece = (piece / 2).max(1);
        }
    }
}

/// The first part in which two snapshots differ.
fn different_snapshots(engine: &[u8], naive: &[u8]) -> String {
    let (engine, naive) = (describe(engine), describe(naive));
    for (a, b) in engine.iter().zip(&naive) {
        if a != b {
            return format!("snapshots differ\n  engine: {a}\n  model:  {b}");
        }
    }
    let (engine, naive) = (engine.last(), naive.last());
    format!(
        "snapshots differ\n  engine: {}\n  model:  {}",
        engine.map_or("", String::as_str),
        naive.map_or("", String::as_str)
    )
}

/// A snapshot as lines of text, as far as it can be read.
pub fn describe(snapshot: &[u8]) -> Vec<String> {
    let mut reader = Reader { bytes: snapshot, lines: Vec::new() };
    if reader.read().is_none() {
        reader.lines.push(format!("(unreadable, {} bytes left)", reader.bytes.len()));
    }
    reader.lines
}

struct Reader<'a> {
    bytes: &'a [u8],
    lines: Vec<String>,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let (head, tail) = self.bytes.split_at_checked(count)?;
        self.bytes = tail;
        Some(head.to_vec())
    }

    fn int(&mut self, size: usize) -> Option<i128> {
        let bytes = self.take(size)?;
        let mut wide = if bytes.last()? & 0x80 != 0 { [0xff; 16] } else { [0; 16] };
        wide[..size].copy_from_slice(&bytes);
        Some(i128::from_le_bytes(wide))
    }

    fn count(&mut self) -> Option<usize> {
        self.int(4).map(|count| count as usize)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.int(1)? as usize;
        self.take(length).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn fields(&mut self, fields: &[(&str, usize)]) -> Option<String> {
        let mut line = String::new();
        for (name, size) in fields {
            line += &format!(" {name} {}", self.int(*size)?);
        }
        Some(line)
    }

    fn read(&mut self) -> Option<()> {
        self.take(8)?;
        let line = self.fields(&[("sequence", 8), ("event_time_ns", 8), ("last order", 8), ("last trade", 8)])?;
        self.lines.push(format!("head:{line}"));
        for asset in 1..=self.count()? {
            let line = format!("asset {asset} {}:{}", self.text()?, self.fields(&[("scale", 1), ("issued", 16)])?);
            self.lines.push(line);
        }
        let instruments = self.count()?;
        for instrument in 1..=instruments {
            let name = format!("instrument {instrument} {}", self.text()?);
            self.line(&name, &[("base", 4), ("quote", 4), ("tick", 8), ("scale", 1), ("lot", 8), ("scale", 1)])?;
            self.line(&name, &[("min", 8), ("max", 8), ("min notional", 16), ("status", 1), ("last price", 8)])?;
            self.list(&format!("{name} fees"), &[("group", 2), ("maker", 4), ("taker", 4)])?;
            self.line(&name, &[("features", 4), ("max triggers", 4), ("mark price", 8)])?;
            self.session(&name)?;
            if self.flag(&format!("{name} shares"))? {
                let fields = [("top", 8), ("lead", 1), ("by time", 1), ("least", 8), ("leveling", 1)];
                self.line(&format!("{name} matching"), &fields)?;
                self.line(&format!("{name} tops"), &[("bid", 8), ("ask", 8)])?;
            }
            self.list(&format!("{name} lead market makers"), &[("account", 4), ("share", 2)])?;
        }
        for account in 1..=self.count()? {
            let name = format!("account {account} {}", self.text()?);
            self.line(&name, &[("group", 2)])?;
            self.list(&format!("{name} balances"), &[("asset", 4), ("total", 16), ("held", 16)])?;
            self.list(&format!("{name} remembered"), &[("hash", 8)])?;
            self.line(&name, &[("deadline", 8), ("trade group", 4)])?;
        }
        for instrument in 1..=instruments {
            for half in ["bids", "asks", "outside"] {
                for place in 0..self.count()? {
                    let name = format!("instrument {instrument} {half} {place}");
                    if half == "outside" {
                        self.line(&name, &[("side", 1), ("extreme", 8)])?;
                    }
                    self.order(&name)?;
                }
            }
        }
        self.line("lists", &[("last", 8)])?;
        let orders = [("first", 8), ("second", 8), ("third", 8)];
        let of_list = [("id", 8), ("contingency", 1), ("account", 4), orders[0], orders[1], orders[2], ("live", 1)];
        self.list("order lists", &of_list)?;
        self.line("random", &[("state", 8)])?;
        self.list("modes", &[("account", 4), ("mode", 1)])?;
        self.list("kill switches", &[("kind", 1), ("id", 4), ("key", 2)])?;
        let counts = [("bought", 16), ("sold", 16), ("cost", 16), ("realised", 16), ("fees", 16)];
        let mut position = vec![("account", 4), ("instrument", 4)];
        position.extend(counts);
        self.list("positions", &position)?;
        for _ in 0..self.count()? {
            self.line("volume", &[("account", 4), ("asset", 4)])?;
            self.list("volume", &[("day", 8), ("notional", 16)])?;
        }
        for _ in 0..self.count()? {
            self.line("fee rules", &[("instrument", 4)])?;
            let fees = [("maker", 4), ("taker", 4)];
            self.list("fee tiers", &[("group", 2), ("tier", 1), ("volume", 16), fees[0], fees[1]])?;
            self.list("fee promotions", &[("group", 2), ("from", 8), ("until", 8), fees[0], fees[1]])?;
            self.list("fee caps", &[("group", 2), ("cap", 16)])?;
        }
        let mut limits = vec![("kind", 1), ("id", 4), ("key", 2), ("instrument", 4), ("quantity", 8), ("notional", 16)];
        limits.extend([("open", 4), ("conditional", 4), ("position", 8), ("exposure", 16), ("rate", 4), ("window", 8)]);
        limits.extend([("fat finger", 4), ("duplicates", 8), ("used", 4)]);
        self.list("risk limits", &limits)?;
        let mut last = vec![("account", 4), ("instrument", 4), ("side", 1), ("type", 1), ("price", 8)];
        last.extend([("quantity", 8), ("quote quantity", 16), ("time", 8)]);
        self.list("last new orders", &last)?;
        self.list("busted", &[("trade", 8)])?;
        Some(())
    }

    fn line(&mut self, name: &str, fields: &[(&str, usize)]) -> Option<()> {
        let line = self.fields(fields)?;
        self.lines.push(format!("{name}:{line}"));
        Some(())
    }

    fn list(&mut self, name: &str, fields: &[(&str, usize)]) -> Option<()> {
        for _ in 0..self.count()? {
            self.line(name, fields)?;
        }
        Some(())
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = self.int(1)? != 0;
        self.lines.push(format!("{name}: {flag}"));
        Some(flag)
    }

    fn session(&mut self, name: &str) -> Option<()> {
        self.line(name, &[("group", 2), ("reference", 8), ("end", 8)])?;
        if self.flag(&format!("{name} bands"))? {
            let bps = [("up", 4), ("down", 4), ("dynamic", 4), ("collar", 4)];
            self.line(name, &bps)?;
            self.line(name, &[("action", 1), ("auction", 8), ("random", 8), ("limit state", 8)])?;
        }
        if self.flag(&format!("{name} limit state"))? {
            self.line(name, &[("deadline", 8)])?;
        }
        let entry = [("slot", 1), ("weekdays", 1), ("time", 8), ("random", 8), ("status", 1), ("due", 8)];
        self.list(&format!("{name} schedule"), &entry)
    }

    fn order(&mut self, name: &str) -> Option<()> {
        self.line(name, &[("order", 8), ("account", 4), ("time in force", 1), ("self trade", 1), ("post only", 1)])?;
        self.line(name, &[("price", 8), ("filled", 8), ("leaves", 8), ("maker", 4), ("taker", 4), ("carry", 4)])?;
        if self.flag(&format!("{name} capped"))? {
            self.line(name, &[("cap", 16), ("paid", 16)])?;
        }
        let id = self.text()?;
        self.lines.push(format!("{name} client_order_id: {id}"));
        self.line(name, &[("key", 2)])?;
        if self.flag(&format!("{name} special"))? {
            self.line(name, &[("type", 1), ("stand", 1), ("trigger", 8), ("by", 1), ("trail", 2), ("display", 8)])?;
            self.line(name, &[("hidden", 1), ("min quantity", 8), ("expires", 8), ("auction only", 1), ("slide", 1)])?;
            self.line(name, &[("peg", 1), ("offset", 8), ("limit", 8), ("quote", 16), ("list", 8), ("shows", 8)])?;
            self.line(name, &[("entered", 1)])?;
        }
        Some(())
    }
}
