//! Reads of the state, the same for every kind of node.
//!
//! Invariants: a read copies what it needs out of the engine first and makes Python objects afterwards, because making
//! them can run other Python code, which may come back to the same node.

use beurs_engine::types::{AccountId, ClientOrderId, InstrumentId, OrderId, Side};
use beurs_engine::Engine;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{
    account_row, asset_row, instrument_row, kill_switch_row, order_row, position_row, risk_limits_row, settings_row,
    Int,
};
use crate::error::Error;

type Rows<'py> = PyResult<Vec<Bound<'py, PyDict>>>;
/// Price in ticks, the sum of the orders' leaves in lots, the number of orders.
type Level = (i64, Int, u32);

/// Something that has an engine behind it.
pub trait Reads {
    /// Gives the engine between two commands; the result comes when what it saw is durable. The interpreter is let go
    /// meanwhile.
    fn read<R: Send>(&self, py: Python<'_>, view: impl FnOnce(&Engine) -> R + Send) -> Result<R, Error>;
}

pub fn event_time_ns(node: &impl Reads, py: Python<'_>) -> Result<i64, Error> {
    node.read(py, Engine::event_time_ns)
}

pub fn digest(node: &impl Reads, py: Python<'_>) -> Result<String, Error> {
    let digest = node.read(py, Engine::digest)?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub fn snapshot<'py>(node: &impl Reads, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Error> {
    let snapshot = node.read(py, |engine| {
        let mut out = Vec::new();
        engine.snapshot(&mut out);
        out
    })?;
    Ok(PyBytes::new(py, &snapshot))
}

pub fn assets<'py>(node: &impl Reads, py: Python<'py>) -> Rows<'py> {
    let assets = node.read(py, |engine| engine.assets().collect::<Vec<_>>())?;
    assets.iter().map(|asset| asset_row(py, asset)).collect()
}

pub fn instruments<'py>(node: &impl Reads, py: Python<'py>) -> Rows<'py> {
    let instruments = node.read(py, |engine| engine.instruments().cloned().collect::<Vec<_>>())?;
    instruments.iter().map(|instrument| instrument_row(py, instrument)).collect()
}

pub fn accounts<'py>(node: &impl Reads, py: Python<'py>) -> Rows<'py> {
    let accounts = node.read(py, |engine| engine.accounts().collect::<Vec<_>>())?;
    accounts.iter().map(|account| account_row(py, account)).collect()
}

pub fn balances(node: &impl Reads, py: Python<'_>, account_id: u32) -> Result<Vec<(u32, Int, Int)>, Error> {
    node.read(py, |engine| {
        engine
            .balances(AccountId(account_id))
            .map(|(asset_id, balance)| (asset_id.0, Int(balance.total), Int(balance.held)))
            .collect()
    })
}

pub fn positions<'py>(node: &impl Reads, py: Python<'py>, account_id: u32) -> Rows<'py> {
    let positions = node.read(py, |engine| engine.positions(AccountId(account_id)).collect::<Vec<_>>())?;
    positions.iter().map(|position| position_row(py, position)).collect()
}

pub fn settings<'py>(node: &impl Reads, py: Python<'py>, instrument_id: u32) -> PyResult<Option<Bound<'py, PyDict>>> {
    let settings = node.read(py, |engine| engine.settings(InstrumentId(instrument_id)))?;
    settings.map(|settings| settings_row(py, &settings)).transpose()
}

pub fn kill_switches<'py>(node: &impl Reads, py: Python<'py>) -> Rows<'py> {
    let engaged = node.read(py, |engine| engine.kill_switches().collect::<Vec<_>>())?;
    engaged.iter().map(|scope| kill_switch_row(py, scope)).collect()
}

pub fn risk_limits<'py>(node: &impl Reads, py: Python<'py>) -> Rows<'py> {
    let limits = node.read(py, |engine| engine.risk_limits().collect::<Vec<_>>())?;
    limits.iter().map(|set| risk_limits_row(py, set)).collect()
}

pub fn open_orders<'py>(node: &impl Reads, py: Python<'py>, account_id: u32) -> Rows<'py> {
    let orders = node.read(py, |engine| engine.open_orders(AccountId(account_id)).collect::<Vec<_>>())?;
    orders.iter().map(|order| order_row(py, order)).collect()
}

pub fn order<'py>(node: &impl Reads, py: Python<'py>, order_id: u64) -> PyResult<Option<Bound<'py, PyDict>>> {
    let order = node.read(py, |engine| engine.order(OrderId(order_id)))?;
    order.map(|order| order_row(py, &order)).transpose()
}

pub fn order_by_client_id<'py>(
    node: &impl Reads,
    py: Python<'py>,
    account_id: u32,
    client_order_id: ClientOrderId,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let order = node.read(py, |engine| engine.order_by_client_id(AccountId(account_id), &client_order_id))?;
    order.map(|order| order_row(py, &order)).transpose()
}

pub fn book(
    node: &impl Reads,
    py: Python<'_>,
    instrument_id: u32,
    depth: usize,
) -> Result<(u64, Vec<Level>, Vec<Level>), Error> {
    node.read(py, |engine| {
        let levels = |side| {
            engine
                .depth(InstrumentId(instrument_id), side)
                .take(depth)
                .map(|level| (level.price.0, Int(level.quantity), level.orders))
                .collect()
        };
        (engine.sequence(), levels(Side::Buy), levels(Side::Sell))
    })
}
