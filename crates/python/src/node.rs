//! The class `Node`: a running node, with a journal or in memory.
//!
//! The interpreter is let go in everything that waits for the disk or takes long. Only the single-call door of a node in
//! memory holds on to it: there is nothing to wait for, and letting go costs as much as the command.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use beurs_engine::command::{CancelOrder, Command, NewOrder, ReplaceOrder};
use beurs_engine::types::{
    AccountId, Amount, InstrumentId, KeyId, Lots, OrderId, OrderType, PriceTicks, SelfTradePrevention, Side,
    TimeInForce,
};
use beurs_engine::Engine;
use beurs_node::io::{Clock, ManualClock, SystemClock};
use beurs_node::link::{Link, Replica, ReplicaConfig};
use beurs_node::wire::{event_kind, EventRecord};
use beurs_node::{Events, NodeConfig, NodeError, NodeHandle, Retention, StopReason};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyString};

use crate::convert::{encoded, text, value, Int};
use crate::error::Error;
use crate::handle::Handle;
use crate::reads::{self, Reads};
use crate::records::{Input, Records, Spare};

/// A sequencer, a journal or none, and the engine behind them.
#[pyclass(frozen, module = "beurs._core")]
pub struct Node {
    handle: Handle,
    /// The links to other processes; gone when it is closed.
    links: Mutex<Option<Vec<Link>>>,
    in_memory: bool,
    recovery: Recovered,
    spare: Spare,
}

/// What stays of a recovery's report.
#[derive(Default)]
struct Recovered {
    sequence: u64,
    checkpoint_sequence: Option<u64>,
    commands_replayed: u64,
    skipped_checkpoints: usize,
    torn_bytes: u64,
    duration_seconds: f64,
}

impl Node {
    /// The node of this process, if it is that.
    pub(crate) fn own(&self) -> Option<&NodeHandle> {
        match &self.handle {
            Handle::Own(node) => Some(node),
            Handle::Replica(_) => None,
        }
    }

    /// Executes one command for its outcome alone: the order's id, or the reason's number negated.
    #[inline]
    fn outcome(&self, py: Python<'_>, command: Command) -> Result<i64, Error> {
        let events = if self.in_memory {
            self.handle.execute(&[command])?
        } else {
            py.detach(|| self.handle.execute(&[command]))?
        };
        let first = events.slices().first().and_then(|slice| slice.records().first());
        Ok(match first {
            Some(event) if event.kind == event_kind::REJECTED => -i64::from(event.reason),
            Some(event) => event.order_id as i64,
            None => 0,
        })
    }
}

/// Copies events once, into the object that Python gets.
fn bytes<'py>(py: Python<'py>, events: &Events) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, events.byte_len(), |out| {
        events.copy_to(out);
        Ok(())
    })
}

impl Reads for Node {
    fn read<R: Send>(&self, py: Python<'_>, view: impl FnOnce(&Engine) -> R + Send) -> Result<R, Error> {
        Ok(py.detach(|| self.handle.with_engine(view))?)
    }
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (
        path = None, *, checkpoint_interval = 1_000_000, checkpoints_kept = 3, journal_retention = "keep",
        journal_archive_directory = None, readers = None, segment_bytes = 67_108_864, event_ring_bytes = 67_108_864,
        queue_capacity = 65_536, clock = "system"
    ))]
    #[allow(clippy::too_many_arguments)] // They are the settings.
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        checkpoint_interval: u64,
        checkpoints_kept: usize,
        journal_retention: &str,
        journal_archive_directory: Option<PathBuf>,
        readers: Option<Vec<String>>,
        segment_bytes: u64,
        event_ring_bytes: usize,
        queue_capacity: usize,
        clock: &str,
    ) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = match clock {
            "system" => Arc::new(SystemClock),
            "manual" => Arc::new(ManualClock::default()),
            _ => return Err(Error::Input("clock", "must be system or manual")),
        };
        let in_memory = path.is_none();
        let journal_retention = match (journal_retention, journal_archive_directory) {
            ("keep", _) => Retention::Keep,
            ("drop", _) => Retention::Drop,
            ("archive", Some(directory)) => Retention::Archive(directory),
            ("archive", None) => {
                return Err(Error::Input("journal_archive_directory", "journal_retention archive needs one"));
            }
            _ => return Err(Error::Input("journal_retention", "is keep, archive or drop")),
        };
        let config = NodeConfig {
            path,
            checkpoint_interval,
            checkpoints_kept,
            journal_retention,
            readers: readers.unwrap_or_default(),
            segment_bytes,
            event_ring_bytes,
            queue_capacity,
            clock,
            ..NodeConfig::default()
        };
        let (handle, recovery) = py.detach(|| NodeHandle::open(&config))?;
        let recovery = Recovered {
            sequence: recovery.sequence,
            checkpoint_sequence: recovery.checkpoint_sequence,
            commands_replayed: recovery.commands_replayed,
            skipped_checkpoints: recovery.skipped_checkpoints.len(),
            torn_bytes: recovery.torn_tail.map_or(0, |torn| torn.bytes),
            duration_seconds: recovery.duration.as_secs_f64(),
        };
        let links = Mutex::new(Some(Vec::new()));
        Ok(Self { handle: Handle::Own(handle), links, in_memory, recovery, spare: Spare::default() })
    }

    // Other processes.

    /// The replica that has `descriptor`, which another process's `link` gave. The descriptor is taken over.
    #[staticmethod]
    #[pyo3(signature = (path, descriptor, *, event_ring_bytes = 67_108_864, queue_capacity = 65_536))]
    fn connect(
        py: Python<'_>,
        path: PathBuf,
        descriptor: i32,
        event_ring_bytes: usize,
        queue_capacity: usize,
    ) -> Result<Self, Error> {
        if descriptor < 0 {
            return Err(Error::Input("descriptor", "must be an open descriptor"));
        }
        // SAFETY: the caller gives the descriptor away; should it be no open socket, using it fails and does no harm.
        let link = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let config = ReplicaConfig { path, event_ring_bytes, queue_capacity };
        let replica = py.detach(|| Replica::connect(link, config))?;
        Ok(Self {
            handle: Handle::Replica(replica),
            links: Mutex::new(None),
            in_memory: false,
            recovery: Recovered::default(),
            spare: Spare::default(),
        })
    }

    /// A descriptor for `connect` in a process that is started with it. It is the caller's to close.
    fn link(&self) -> Result<i32, Error> {
        let Handle::Own(node) = &self.handle else {
            return Err(Error::Input("node", "is a replica"));
        };
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(links) = links.as_mut() else {
            return Err(NodeError::Stopped(StopReason::Closed).into());
        };
        links.retain(Link::is_alive);
        let (link, descriptor) = node.link()?;
        links.push(link);
        Ok(descriptor.into_raw_fd())
    }

    /// Whether the engine is in another process.
    #[getter]
    fn is_replica(&self) -> bool {
        matches!(self.handle, Handle::Replica(_))
    }

    /// The last sequence whose events may be seen anywhere; of a replica, once they can be seen here.
    fn latest(&self, py: Python<'_>) -> Result<u64, Error> {
        Ok(py.detach(|| self.handle.latest())?)
    }

    // The single-call door.

    /// Enters an order: its order_id, or the number of the reason negated.
    #[pyo3(signature = (
        account_id, instrument_id, side, price, quantity, client_order_id = None, order_type = 1, time_in_force = 1,
        post_only = false, self_trade_prevention = 0, quote_quantity = Int(0), key_id = 0
    ))]
    #[allow(clippy::too_many_arguments)] // They are the fields of the command.
    fn new_order(
        &self,
        py: Python<'_>,
        account_id: u32,
        instrument_id: u32,
        side: u8,
        price: i64,
        quantity: i64,
        client_order_id: Option<&Bound<'_, PyString>>,
        order_type: u8,
        time_in_force: u8,
        post_only: bool,
        self_trade_prevention: u8,
        quote_quantity: Int,
        key_id: u16,
    ) -> Result<i64, Error> {
        let command = Command::NewOrder(NewOrder {
            account_id: AccountId(account_id),
            instrument_id: InstrumentId(instrument_id),
            side: value("side", Side::from_u8(side))?,
            order_type: value("order_type", OrderType::from_u8(order_type))?,
            time_in_force: value("time_in_force", TimeInForce::from_u8(time_in_force))?,
            post_only,
            self_trade_prevention: value("self_trade_prevention", SelfTradePrevention::from_u8(self_trade_prevention))?,
            price: PriceTicks(price),
            quantity: Lots(quantity),
            quote_quantity: Amount(quote_quantity.0),
            client_order_id: client_order_id.map_or(Ok(Default::default()), |id| text("client_order_id", id))?,
            key_id: KeyId(key_id),
            terms: None,
        });
        self.outcome(py, command)
    }

    /// Cancels an order: its order_id, or the number of the reason negated.
    fn cancel_order(&self, py: Python<'_>, account_id: u32, order_id: u64) -> Result<i64, Error> {
        let command = Command::CancelOrder(CancelOrder {
            account_id: AccountId(account_id),
            order_id: OrderId(order_id),
            client_order_id: Default::default(),
        });
        self.outcome(py, command)
    }

    /// Changes an order, 0 keeps: its order_id, or the number of the reason negated.
    fn replace_order(
        &self,
        py: Python<'_>,
        account_id: u32,
        order_id: u64,
        price: i64,
        quantity: i64,
    ) -> Result<i64, Error> {
        let command = Command::ReplaceOrder(ReplaceOrder {
            account_id: AccountId(account_id),
            order_id: OrderId(order_id),
            original_client_order_id: Default::default(),
            client_order_id: Default::default(),
            price: PriceTicks(price),
            quantity: Lots(quantity),
            trigger_price: PriceTicks(0),
            display_quantity: Lots::ZERO,
        });
        self.outcome(py, command)
    }

    // The doors that wait until it is durable.

    /// Executes encoded commands; gives their EVENT records.
    fn execute<'py>(&self, py: Python<'py>, commands: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let events = py.detach(|| self.handle.execute_encoded(commands)).map_err(Error::from)?;
        bytes(py, &events)
    }

    /// Executes COMMAND records; gives their EVENT records.
    fn execute_records<'py>(&self, py: Python<'py>, commands: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyMemoryView>> {
        let input = Input::of(commands)?;
        let input = input.bytes();
        let records = py.detach(|| Records::execute(&self.handle, input, &self.spare)).map_err(Error::from)?;
        PyMemoryView::from(Bound::new(py, records)?.as_any())
    }

    // The asynchronous door.

    /// Hands one encoded command over and returns at once.
    fn submit(&self, token: u64, command: &[u8]) -> Result<(), Error> {
        Ok(self.handle.submit_encoded(token, command)?)
    }

    /// A descriptor that is readable while there are completions. It belongs to the node.
    fn fileno(&self) -> i32 {
        self.handle.fd()
    }

    /// The token and the EVENT records of every submitted command that has become durable since the last call.
    fn completions<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        let completions = self.handle.completions().map_err(Error::from)?;
        let pairs = completions.iter().map(|one| (one.token, PyBytes::new(py, one.events.as_bytes())));
        Ok(pairs.collect())
    }

    // Events.

    /// EVENT records of the commands after `sequence`, at most `max_bytes` of whole commands, but at least one.
    fn events_since<'py>(&self, py: Python<'py>, sequence: u64, max_bytes: usize) -> PyResult<Bound<'py, PyBytes>> {
        let events = self.handle.events_since(sequence, max_bytes).map_err(Error::from)?;
        bytes(py, &events)
    }

    /// The same from the journal.
    fn replay_events<'py>(&self, py: Python<'py>, sequence: u64, max_bytes: usize) -> PyResult<Bound<'py, PyBytes>> {
        let events = py.detach(|| self.handle.replay_events(sequence, max_bytes)).map_err(Error::from)?;
        Ok(PyBytes::new(py, EventRecord::slice_as_bytes(&events)))
    }

    /// The encoded commands with these sequences, which ascend, from the journal; None for those it does not have.
    fn commands_at<'py>(&self, py: Python<'py>, sequences: Vec<u64>) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let commands = py.detach(|| self.handle.commands_at(&sequences)).map_err(Error::from)?;
        Ok(commands.iter().map(|command| command.as_ref().map(|command| encoded(py, command))).collect())
    }

    /// Says how far a reader of that name is, or, with None, that there is none any more.
    #[pyo3(signature = (name, sequence))]
    fn set_reader(&self, name: &str, sequence: Option<u64>) -> Result<(), Error> {
        Ok(self.handle.set_reader(name, sequence)?)
    }

    // The state.

    /// The last sequence whose events may be seen.
    #[getter]
    fn sequence(&self) -> u64 {
        self.handle.sequence()
    }

    #[getter]
    fn event_time_ns(&self, py: Python<'_>) -> Result<i64, Error> {
        reads::event_time_ns(self, py)
    }

    /// Moves a manual clock and does what is due by then.
    fn set_time(&self, py: Python<'_>, event_time_ns: i64) -> Result<(), Error> {
        Ok(py.detach(|| self.handle.set_time(event_time_ns))?)
    }

    fn digest(&self, py: Python<'_>) -> Result<String, Error> {
        reads::digest(self, py)
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Error> {
        reads::snapshot(self, py)
    }

    fn assets<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::assets(self, py)
    }

    fn instruments<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::instruments(self, py)
    }

    fn accounts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::accounts(self, py)
    }

    fn balances(&self, py: Python<'_>, account_id: u32) -> Result<Vec<(u32, Int, Int)>, Error> {
        reads::balances(self, py, account_id)
    }

    fn positions<'py>(&self, py: Python<'py>, account_id: u32) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::positions(self, py, account_id)
    }

    fn settings<'py>(&self, py: Python<'py>, instrument_id: u32) -> PyResult<Option<Bound<'py, PyDict>>> {
        reads::settings(self, py, instrument_id)
    }

    fn kill_switches<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::kill_switches(self, py)
    }

    fn risk_limits<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::risk_limits(self, py)
    }

    fn open_orders<'py>(&self, py: Python<'py>, account_id: u32) -> PyResult<Vec<Bound<'py, PyDict>>> {
        reads::open_orders(self, py, account_id)
    }

    fn order<'py>(&self, py: Python<'py>, order_id: u64) -> PyResult<Option<Bound<'py, PyDict>>> {
        reads::order(self, py, order_id)
    }

    fn order_by_client_id<'py>(
        &self,
        py: Python<'py>,
        account_id: u32,
        client_order_id: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        reads::order_by_client_id(self, py, account_id, text("client_order_id", client_order_id)?)
    }

    #[allow(clippy::type_complexity)] // The sequence, the bids, the asks.
    fn book(
        &self,
        py: Python<'_>,
        instrument_id: u32,
        depth: usize,
    ) -> Result<(u64, Vec<(i64, Int, u32)>, Vec<(i64, Int, u32)>), Error> {
        reads::book(self, py, instrument_id, depth)
    }

    /// Makes a checkpoint; gives the sequence it stands at.
    fn checkpoint(&self, py: Python<'_>) -> Result<u64, Error> {
        Ok(py.detach(|| self.handle.checkpoint())?)
    }

    /// Ends the node. Twice is once.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(links);
            self.handle.close();
        });
    }

    /// Numbers about the node, by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = py.detach(|| self.handle.stats()).map_err(Error::from)?;
        let stats = PyDict::new(py);
        macro_rules! set {
            ($($name:ident),+ $(,)?) => { $(stats.set_item(stringify!($name), &numbers.$name)?;)+ };
        }
        set!(
            sequence,
            commands,
            commands_failed,
            batches,
            queue_depth,
            under_way,
            completions_waiting,
            ring_bytes,
            ring_oldest_sequence,
            journal_writes,
            journal_commands,
            journal_bytes,
            journal_depth,
            journal_latency_us_log2,
            checkpoints,
            checkpoint_failures,
            last_checkpoint_sequence,
            segments_removed,
            retention_failures,
            disk_full,
            disk_full_refusals,
            commands_failed,
        );
        stats.set_item("recovered_sequence", self.recovery.sequence)?;
        stats.set_item("recovered_checkpoint_sequence", self.recovery.checkpoint_sequence)?;
        stats.set_item("recovered_commands_replayed", self.recovery.commands_replayed)?;
        stats.set_item("recovered_skipped_checkpoints", self.recovery.skipped_checkpoints)?;
        stats.set_item("recovered_torn_bytes", self.recovery.torn_bytes)?;
        stats.set_item("recovery_seconds", self.recovery.duration_seconds)?;
        Ok(stats)
    }
}
