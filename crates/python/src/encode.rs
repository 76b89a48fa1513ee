//! One function per command: its fields in, its encoding out. Whether the command makes sense, the engine says.

use beurs_engine::command::{
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, MassCancel, NewOrder, OpenAccount, ReplaceOrder,
    SetAccountGroup, SetFees, SetTradingStatus, Withdraw,
};
use beurs_engine::types::{
    AccountId, Amount, AssetId, GroupId, InstrumentId, Lots, OrderId, OrderType, PriceTicks, SelfTradePrevention, Side,
    Step, TimeInForce, TradingStatus,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{encoded, text, value, Int};
use crate::error::Error;

type Encoded<'py> = Result<Bound<'py, PyBytes>, Error>;

/// Encodes a NewOrder.
#[pyfunction]
#[pyo3(signature = (
    account_id, instrument_id, side, order_type, time_in_force, post_only, self_trade_prevention, price, quantity,
    quote_quantity, client_order_id
))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn new_order<'py>(
    py: Python<'py>,
    account_id: u32,
    instrument_id: u32,
    side: u8,
    order_type: u8,
    time_in_force: u8,
    post_only: bool,
    self_trade_prevention: u8,
    price: i64,
    quantity: i64,
    quote_quantity: Int,
    client_order_id: &Bound<'py, PyString>,
) -> Encoded<'py> {
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
        client_order_id: text("client_order_id", client_order_id)?,
    });
    Ok(encoded(py, &command))
}

/// Encodes a CancelOrder.
#[pyfunction]
#[pyo3(signature = (account_id, order_id, client_order_id))]
pub fn cancel_order<'py>(
    py: Python<'py>,
    account_id: u32,
    order_id: u64,
    client_order_id: &Bound<'py, PyString>,
) -> Encoded<'py> {
    let command = Command::CancelOrder(CancelOrder {
        account_id: AccountId(account_id),
        order_id: OrderId(order_id),
        client_order_id: text("client_order_id", client_order_id)?,
    });
    Ok(encoded(py, &command))
}

/// Encodes a ReplaceOrder.
#[pyfunction]
#[pyo3(signature = (account_id, order_id, original_client_order_id, client_order_id, price, quantity))]
pub fn replace_order<'py>(
    py: Python<'py>,
    account_id: u32,
    order_id: u64,
    original_client_order_id: &Bound<'py, PyString>,
    client_order_id: &Bound<'py, PyString>,
    price: i64,
    quantity: i64,
) -> Encoded<'py> {
    let command = Command::ReplaceOrder(ReplaceOrder {
        account_id: AccountId(account_id),
        order_id: OrderId(order_id),
        original_client_order_id: text("original_client_order_id", original_client_order_id)?,
        client_order_id: text("client_order_id", client_order_id)?,
        price: PriceTicks(price),
        quantity: Lots(quantity),
    });
    Ok(encoded(py, &command))
}

/// Encodes a MassCancel. Side 0 is both.
#[pyfunction]
#[pyo3(signature = (account_id, instrument_id, side))]
pub fn mass_cancel(py: Python<'_>, account_id: u32, instrument_id: u32, side: u8) -> Encoded<'_> {
    let command = Command::MassCancel(MassCancel {
        account_id: AccountId(account_id),
        instrument_id: InstrumentId(instrument_id),
        side: match side {
            0 => None,
            side => Some(value("side", Side::from_u8(side))?),
        },
    });
    Ok(encoded(py, &command))
}

/// Encodes a Deposit.
#[pyfunction]
#[pyo3(signature = (account_id, asset_id, amount))]
pub fn deposit(py: Python<'_>, account_id: u32, asset_id: u32, amount: Int) -> Encoded<'_> {
    let command = Command::Deposit(Deposit {
        account_id: AccountId(account_id),
        asset_id: AssetId(asset_id),
        amount: Amount(amount.0),
    });
    Ok(encoded(py, &command))
}

/// Encodes a Withdraw.
#[pyfunction]
#[pyo3(signature = (account_id, asset_id, amount))]
pub fn withdraw(py: Python<'_>, account_id: u32, asset_id: u32, amount: Int) -> Encoded<'_> {
    let command = Command::Withdraw(Withdraw {
        account_id: AccountId(account_id),
        asset_id: AssetId(asset_id),
        amount: Amount(amount.0),
    });
    Ok(encoded(py, &command))
}

/// Encodes an AddAsset.
#[pyfunction]
#[pyo3(signature = (code, scale))]
pub fn add_asset<'py>(py: Python<'py>, code: &Bound<'py, PyString>, scale: u8) -> Encoded<'py> {
    let command = Command::AddAsset(AddAsset { code: text("code", code)?, scale });
    Ok(encoded(py, &command))
}

/// Encodes an OpenAccount.
#[pyfunction]
#[pyo3(signature = (code, group_id))]
pub fn open_account<'py>(py: Python<'py>, code: &Bound<'py, PyString>, group_id: u16) -> Encoded<'py> {
    let command = Command::OpenAccount(OpenAccount { code: text("code", code)?, group_id: GroupId(group_id) });
    Ok(encoded(py, &command))
}

/// Encodes a ListInstrument.
#[pyfunction]
#[pyo3(signature = (
    symbol, base_id, quote_id, tick_mantissa, tick_scale, lot_mantissa, lot_scale, min_quantity, max_quantity,
    min_notional
))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn list_instrument<'py>(
    py: Python<'py>,
    symbol: &Bound<'py, PyString>,
    base_id: u32,
    quote_id: u32,
    tick_mantissa: u64,
    tick_scale: u8,
    lot_mantissa: u64,
    lot_scale: u8,
    min_quantity: i64,
    max_quantity: i64,
    min_notional: Int,
) -> Encoded<'py> {
    let command = Command::ListInstrument(ListInstrument {
        symbol: text("symbol", symbol)?,
        base: AssetId(base_id),
        quote: AssetId(quote_id),
        tick_size: Step { mantissa: tick_mantissa, scale: tick_scale },
        lot_size: Step { mantissa: lot_mantissa, scale: lot_scale },
        min_quantity: Lots(min_quantity),
        max_quantity: Lots(max_quantity),
        min_notional: Amount(min_notional.0),
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetAccountGroup.
#[pyfunction]
#[pyo3(signature = (account_id, group_id))]
pub fn set_account_group(py: Python<'_>, account_id: u32, group_id: u16) -> Encoded<'_> {
    let command =
        Command::SetAccountGroup(SetAccountGroup { account_id: AccountId(account_id), group_id: GroupId(group_id) });
    Ok(encoded(py, &command))
}

/// Encodes a SetFees.
#[pyfunction]
#[pyo3(signature = (instrument_id, group_id, maker_ppm, taker_ppm))]
pub fn set_fees(py: Python<'_>, instrument_id: u32, group_id: u16, maker_ppm: i32, taker_ppm: i32) -> Encoded<'_> {
    let command = Command::SetFees(SetFees {
        instrument_id: InstrumentId(instrument_id),
        group_id: GroupId(group_id),
        maker_ppm,
        taker_ppm,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetTradingStatus.
#[pyfunction]
#[pyo3(signature = (instrument_id, status))]
pub fn set_trading_status(py: Python<'_>, instrument_id: u32, status: u8) -> Encoded<'_> {
    let command = Command::SetTradingStatus(SetTradingStatus {
        instrument_id: InstrumentId(instrument_id),
        status: value("status", TradingStatus::from_u8(status))?,
    });
    Ok(encoded(py, &command))
}
