//! Long work on files: verifying a journal, replaying a market day. Progress is told to a Python function, which may be
//! interrupted; what it raises ends the work.

use std::path::PathBuf;

use beurs_engine::VENUE_ACCOUNT;
use beurs_node::{follower, Follower};
use beurs_replay::{lobster, stream, Difference};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{asset_row, Int};
use crate::error::Error;

/// The Python function to tell, and what it raised.
struct Teller {
    progress: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

impl Teller {
    /// Whether to go on. Between two calls the interpreter is let go.
    fn tell(&mut self, done: u64, of_all: u64) -> bool {
        if self.raised.is_some() {
            return false;
        }
        let told = Python::attach(|py| {
            py.check_signals()?;
            if let Some(progress) = &self.progress {
                progress.call1(py, (done, of_all))?;
            }
            Ok(())
        });
        self.raised = told.err();
        self.raised.is_none()
    }

    fn result<R>(self, result: Result<R, Error>) -> PyResult<R> {
        match self.raised {
            Some(raised) => Err(raised),
            None => Ok(result?),
        }
    }
}

/// Executes a journal from its start, or from the oldest good checkpoint of a trimmed one, and compares the state with every checkpoint. Changes nothing.
///
/// `progress(done, of_all)` is called now and then; what it raises ends the work.
#[pyfunction]
#[pyo3(signature = (path, progress = None))]
pub fn verify(py: Python<'_>, path: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<Bound<'_, PyDict>> {
    let mut teller = Teller { progress, raised: None };
    let result = py.detach(|| {
        let tell = |progress: follower::Progress| teller.tell(progress.commands, progress.at_least);
        Ok(follower::verify(&path, tell)?)
    });
    let verified = teller.result(result)?;
    let report = PyDict::new(py);
    let Some(verified) = verified else {
        return Ok(report); // Only a raising `progress` ends it early.
    };
    report.set_item("matches", verified.is_good())?;
    report.set_item("from_sequence", verified.from_sequence)?;
    report.set_item("commands", verified.commands)?;
    report.set_item("digest", verified.digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
    report.set_item("running_hash", format!("{:016x}", verified.running_hash))?;
    report.set_item("event_time_ns", verified.event_time_ns)?;
    report.set_item("checkpoints", verified.checkpoints.len())?;
    let bad = verified.bad_checkpoints.iter();
    let bad: Vec<String> = bad.map(|one| format!("{}: {}", one.path.display(), one.why)).collect();
    report.set_item("bad_checkpoints", bad)?;
    report.set_item("torn_bytes", verified.torn_tail.map_or(0, |torn| torn.bytes))?;
    Ok(report)
}

/// The money of every account after the command `sequence`, which must be durable: read from the checkpoints and the
/// journal, on the side. Changes nothing, and a node may have the journal open meanwhile.
#[pyfunction]
#[pyo3(signature = (path, sequence))]
pub fn balances_at(py: Python<'_>, path: PathBuf, sequence: u64) -> PyResult<Bound<'_, PyDict>> {
    let (follower, digest) = py.detach(|| {
        let follower = Follower::open_at(&path, sequence)?;
        let digest = follower.engine().digest();
        Ok::<_, Error>((follower, digest))
    })?;
    let engine = follower.engine();
    let state = PyDict::new(py);
    state.set_item("sequence", engine.sequence())?;
    state.set_item("event_time_ns", engine.event_time_ns())?;
    state.set_item("digest", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
    state.set_item("running_hash", format!("{:016x}", follower.running_hash()))?;
    let assets = engine.assets().map(|asset| asset_row(py, &asset)).collect::<PyResult<Vec<_>>>()?;
    state.set_item("assets", assets)?;
    let mut balances = Vec::new();
    for account in engine.accounts() {
        let venue = account.account_id == VENUE_ACCOUNT;
        for (asset_id, balance) in engine.balances(account.account_id) {
            balances.push((account.code.as_str().to_owned(), venue, asset_id.0, Int(balance.total)));
        }
    }
    state.set_item("balances", balances)?;
    Ok(state)
}

/// Puts the fields of a report into a dictionary, under their names.
macro_rules! set_all {
    ($to:ident, $report:ident: $($field:ident),+ $(,)?) => { $($to.set_item(stringify!($field), &$report.$field)?;)+ };
}

fn first(difference: &Option<Difference>) -> Option<String> {
    difference.as_ref().map(ToString::to_string)
}

/// Replays a LOBSTER day and compares the book with the order book file after every row.
///
/// `progress(done, of_all)` is called now and then; what it raises is raised at the end.
#[pyfunction]
#[pyo3(signature = (messages_path, orderbook_path, progress = None))]
pub fn replay_lobster(
    py: Python<'_>,
    messages_path: PathBuf,
    orderbook_path: PathBuf,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'_, PyDict>> {
    let mut teller = Teller { progress, raised: None };
    let result = py.detach(|| {
        let mut tell = |done, of_all| {
            teller.tell(done, of_all);
        };
        Ok(lobster::replay(&messages_path, &orderbook_path, &mut tell)?)
    });
    let report = teller.result(result)?;
    let fields = PyDict::new(py);
    fields.set_item("matches", report.identical == report.rows)?;
    set_all!(
        fields, report: rows, identical, executions, hit, anonymous, disagree, levels, new_orders, reductions, deletions,
        hidden, auctions, halts, crossed, repeated_ids, unresolved, hindsight_orders, rows_corrected, levels_corrected,
        orders_dropped, lots_revealed, requeued, commands, refused, engine_seconds, total_seconds
    );
    fields.set_item("first_difference", first(&report.first_difference))?;
    fields.set_item("first_refusal", report.first_refusal.map(|reason| reason.as_str()))?;
    Ok(fields)
}

/// Replays a prepared stream of orders and compares the book with the order book file.
///
/// `progress(done, of_all)` is called now and then; what it raises is raised at the end.
#[pyfunction]
#[pyo3(signature = (stream_path, orderbook_path, grouped, progress = None))]
pub fn replay_stream(
    py: Python<'_>,
    stream_path: PathBuf,
    orderbook_path: PathBuf,
    grouped: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'_, PyDict>> {
    let mut teller = Teller { progress, raised: None };
    let result = py.detach(|| {
        let mut tell = |done, of_all| {
            teller.tell(done, of_all);
        };
        Ok(stream::replay(&stream_path, &orderbook_path, grouped, &mut tell)?)
    });
    let report = teller.result(result)?;
    let fields = PyDict::new(py);
    fields.set_item("matches", report.different_rows == 0 && report.missed_makers == 0)?;
    set_all!(
        fields, report: grouped, levels, rows, rows_inside_groups, rows_left, different_rows, missed_makers,
        unexpected_fills, adds, cancels, reduces, executions, incoming_orders, several_fills, several_prices,
        posting_a_rest, not_open, repeated_ids, commands, refused, engine_seconds, total_seconds
    );
    fields.set_item("first_difference", first(&report.first_difference))?;
    fields.set_item("first_refusal", report.first_refusal.map(|reason| reason.as_str()))?;
    Ok(fields)
}
