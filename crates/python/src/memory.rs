//! The class `MemoryNode`: an engine without a journal, on the caller's thread.

use std::sync::{Mutex, MutexGuard};

use beurs_engine::command::{CancelOrder, Command, NewOrder, ReplaceOrder};
use beurs_engine::types::{
    AccountId, Amount, InstrumentId, Lots, OrderId, OrderType, PriceTicks, SelfTradePrevention, Side, TimeInForce,
};
use beurs_engine::{Engine, EngineConfig};
use beurs_node::memory::MemoryNode as Inner;
use beurs_node::wire::{decode_commands, event_kind, EventRecord};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::convert::{text, value, Int};
use crate::error::Error;
use crate::reads::{self, Reads};
use crate::records::{Input, Records, Spare};

/// An engine without a journal, on the caller's thread.
#[pyclass(frozen, module = "beurs._core")]
pub struct MemoryNode {
    /// `None` once it is closed.
    inner: Mutex<Option<Inner>>,
    spare: Spare,
}

impl MemoryNode {
    /// Waits for other threads; holds on to the interpreter unless it has to wait.
    #[inline]
    fn lock(&self, py: Python<'_>) -> Result<MutexGuard<'_, Option<Inner>>, Error> {
        self.inner.lock_py_attached(py).map_err(|_| Error::Broken)
    }

    /// Applies one command for its outcome alone: the order's id, or the reason's number negated.
    #[inline]
    fn apply(&self, py: Python<'_>, command: &Command) -> Result<i64, Error> {
        let mut inner = self.lock(py)?;
        let events = inner.as_mut().ok_or(Error::Closed)?.execute(command);
        Ok(match events.first() {
            Some(event) if event.kind == event_kind::REJECTED => -i64::from(event.reason),
            Some(event) => event.order_id as i64,
            None => 0,
        })
    }

    /// Does what may take long without the interpreter.
    fn detached<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Inner) -> Result<R, Error> + Send,
    ) -> Result<R, Error> {
        py.detach(|| {
            let mut inner = self.inner.lock().map_err(|_| Error::Broken)?;
            work(inner.as_mut().ok_or(Error::Closed)?)
        })
    }
}

impl Reads for MemoryNode {
    fn read<R: Send>(&self, py: Python<'_>, view: impl FnOnce(&Engine) -> R + Send) -> Result<R, Error> {
        self.detached(py, |inner| Ok(view(inner.engine())))
    }
}

#[pymethods]
impl MemoryNode {
    #[new]
    #[pyo3(signature = (*, event_ring_bytes = 64 << 20))]
    fn new(event_ring_bytes: usize) -> Self {
        Self {
            inner: Mutex::new(Some(Inner::new(EngineConfig::default(), event_ring_bytes))),
            spare: Spare::default(),
        }
    }

    /// Enters an order: its order_id, or the number of the reason negated.
    #[pyo3(signature = (
        account_id, instrument_id, side, price, quantity, client_order_id = None, order_type = 1, time_in_force = 1,
        post_only = false, self_trade_prevention = 0, quote_quantity = Int(0)
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
    ) -> Result<i64, Error> {
        let command = Command::NewOrder(NewOrder {
            account_id: AccountId(account_id),
            instrument_id: InstrumentId(instrument_id),
            side: value("side", Side::from_u8(side))?,
            order_type: value("order_type", OrderType::from_u8(order_type))?,
            time_in_force: value("time_in_force", TimeInForce::from_u8(time_in_force))?,
            post_only,
            self_trade_prevention: value(
                "self_trade_prevention",
                SelfTradePrevention::from_u8(self_trade_prevention),
            )?,
            price: PriceTicks(price),
            quantity: Lots(quantity),
            quote_quantity: Amount(quote_quantity.0),
            client_order_id: client_order_id.map_or(Ok(Default::default()), |id| text("client_order_id", id))?,
        });
        self.apply(py, &command)
    }

    /// Cancels an order: its order_id, or the number of the reason negated.
    #[pyo3(signature = (account_id, order_id))]
    fn cancel_order(&self, py: Python<'_>, account_id: u32, order_id: u64) -> Result<i64, Error> {
        let command = Command::CancelOrder(CancelOrder {
            account_id: AccountId(account_id),
            order_id: OrderId(order_id),
            client_order_id: Default::default(),
        });
        self.apply(py, &command)
    }

    /// Changes an order, 0 keeps: its order_id, or the number of the reason negated.
    #[pyo3(signature = (account_id, order_id, price, quantity))]
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
        });
        self.apply(py, &command)
    }

    /// The EVENT records of the last command of the three above.
    fn last_events<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Error> {
        let events = self.lock(py)?.as_ref().ok_or(Error::Closed)?.last_events().to_vec();
        Ok(PyBytes::new(py, EventRecord::slice_as_bytes(&events)))
    }

    /// Executes encoded commands; gives their EVENT records.
    fn execute<'py>(&self, py: Python<'py>, commands: &[u8]) -> Result<Bound<'py, PyBytes>, Error> {
        let mut decoded = Vec::new();
        decode_commands(commands, &mut decoded)?;
        let events = self.detached(py, |inner| {
            let mut events = Vec::new();
            for command in &decoded {
                events.extend_from_slice(EventRecord::slice_as_bytes(inner.execute(command)));
            }
            Ok(events)
        })?;
        Ok(PyBytes::new(py, &events))
    }

    /// Executes COMMAND records; gives their EVENT records.
    fn execute_records(&self, py: Python<'_>, commands: &Bound<'_, PyAny>) -> PyResult<Records> {
        let input = Input::of(commands)?;
        let bytes = input.bytes();
        let mut events = Records::take(&self.spare);
        let outcome = self.detached(py, |inner| Ok(inner.execute_records(bytes, &mut events)?));
        let records = Records::new(events, self.spare.clone());
        outcome?;
        Ok(records)
    }

    /// EVENT records of the commands after `sequence`, at most `max_bytes` of whole commands, but at least one.
    fn events_since<'py>(
        &self,
        py: Python<'py>,
        sequence: u64,
        max_bytes: usize,
    ) -> Result<Bound<'py, PyBytes>, Error> {
        let events = self.detached(py, |inner| Ok(inner.events_since(sequence, max_bytes)?))?;
        Ok(PyBytes::new(py, &events))
    }

    #[getter]
    fn sequence(&self, py: Python<'_>) -> Result<u64, Error> {
        reads::sequence(self, py)
    }

    #[getter]
    fn event_time_ns(&self, py: Python<'_>) -> Result<i64, Error> {
        reads::event_time_ns(self, py)
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

    /// Counters by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (sequence, open_orders, memory_bytes) = self.read(py, |engine| {
            (engine.sequence(), engine.open_order_count(), engine.memory_bytes())
        })?;
        let stats = PyDict::new(py);
        stats.set_item("sequence", sequence)?;
        stats.set_item("open_orders", open_orders)?;
        stats.set_item("engine_memory_bytes", memory_bytes)?;
        Ok(stats)
    }

    /// Lets go of everything.
    fn close(&self, py: Python<'_>) {
        // A node that broke an invariant is let go of as well.
        let inner = match self.inner.lock_py_attached(py) {
            Ok(mut inner) => inner.take(),
            Err(broken) => broken.into_inner().take(),
        };
        py.detach(|| drop(inner));
    }
}
