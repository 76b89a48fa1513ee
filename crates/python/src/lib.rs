//! The compiled module `beurs._core`: Python's view of the node and the engine.
//!
//! Invariants: no logic, only translation; the interpreter is let go in everything that can wait or take long; every
//! error becomes an exception in [`error`]. `python/beurs/_core.pyi` describes all of it, and a test compares the two.

mod convert;
mod decode;
mod encode;
mod error;
mod gateway;
mod handle;
mod node;
mod reads;
mod records;
mod tools;

#[pyo3::pymodule(name = "_core", gil_used = true)]
mod core_module {
    use beurs_engine::reject::RejectReason;
    use beurs_engine::types::{
        AccountMode, BandAction, CancelReason, CancelReplaceMode, Contingency, ExecType, Liquidity, ListStatus,
        MassCancelReason, MatchingAlgorithm, OrderStatus, OrderType, Peg, SelfTradePrevention, Setting, Side,
        StatusReason, Step, TimeInForce, TradingStatus, TriggerBy,
    };
    use beurs_node::{decimal, wire};
    use pyo3::prelude::*;
    use pyo3::types::PyDict;

    use crate::convert::Int;
    use crate::error::Error;

    #[pymodule_export]
    use crate::convert::Event;
    #[pymodule_export]
    use crate::decode::decode_setting;
    #[pymodule_export]
    use crate::encode::{
        add_asset, adjust_trade, administer, advance_time, bust_trade, cancel_all_after, cancel_order, cancel_replace,
        deposit, kill_switch, list_instrument, mass_cancel, new_order, new_order_list, open_account, replace_order,
        set_account_group, set_account_mode, set_features, set_fee_cap, set_fee_promotion, set_fee_tier, set_fees,
        set_instrument_group, set_lead_market_maker, set_mark_price, set_matching, set_price_bands, set_random_seed,
        set_risk_limits, set_schedule, set_trade_group, set_trading_status, withdraw,
    };
    #[pymodule_export]
    use crate::gateway::Gateway;
    #[pymodule_export]
    use crate::node::Node;
    #[pymodule_export]
    use crate::tools::{balances_at, replay_lobster, replay_stream, verify};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("COMMAND_SIZE", wire::COMMAND_SIZE)?;
        module.add("COMMAND_FIELDS", wire::COMMAND_FIELDS.to_vec())?;
        module.add("EVENT_SIZE", wire::EVENT_SIZE)?;
        module.add("EVENT_FIELDS", wire::EVENT_FIELDS.to_vec())?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }

    /// The numbers and words of every enum.
    #[pyfunction]
    fn enums(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let enums = PyDict::new(py);
        macro_rules! add {
            ($($name:ident),+) => {
                $(
                    let members: Vec<(u8, &str)> = $name::ALL.iter().map(|value| (*value as u8, value.as_str())).collect();
                    enums.set_item(stringify!($name), members)?;
                )+
            };
        }
        add!(
            Side,
            OrderType,
            TimeInForce,
            SelfTradePrevention,
            TradingStatus,
            OrderStatus,
            ExecType,
            Liquidity,
            CancelReason,
            MassCancelReason,
            TriggerBy,
            Peg,
            Contingency,
            ListStatus,
            CancelReplaceMode,
            StatusReason,
            BandAction,
            MatchingAlgorithm,
            AccountMode,
            Setting
        );
        Ok(enums)
    }

    /// Number, code and rule of every reason to refuse a command, in precedence.
    #[pyfunction]
    fn reject_reasons() -> Vec<(u16, &'static str, &'static str)> {
        RejectReason::ALL.iter().map(|reason| (*reason as u16, reason.as_str(), reason.rule())).collect()
    }

    /// How many steps of `mantissa / 10**scale` a decimal text is.
    #[pyfunction]
    #[pyo3(signature = (text, mantissa, scale))]
    fn parse_decimal(text: &str, mantissa: u64, scale: u8) -> Result<i64, Error> {
        Ok(decimal::parse_decimal(text, Step { mantissa, scale })?)
    }

    /// The decimal text of a count of steps.
    #[pyfunction]
    #[pyo3(signature = (count, mantissa, scale))]
    fn format_decimal(count: Int, mantissa: u64, scale: u8) -> Result<String, Error> {
        Ok(decimal::format_decimal(count.0, Step { mantissa, scale })?)
    }

    /// How many units of `10**-scale` a decimal text is.
    #[pyfunction]
    #[pyo3(signature = (text, scale))]
    fn parse_amount(text: &str, scale: u8) -> Result<Int, Error> {
        Ok(Int(decimal::parse_amount(text, scale)?))
    }

    /// The decimal text of a count of units.
    #[pyfunction]
    #[pyo3(signature = (units, scale))]
    fn format_amount(units: Int, scale: u8) -> Result<String, Error> {
        Ok(decimal::format_amount(units.0, scale)?)
    }

    /// The events of EVENT records.
    #[pyfunction]
    #[pyo3(signature = (events))]
    fn decode_events(events: &[u8]) -> Result<Vec<Event>, Error> {
        wire::event_records(events)?.iter().map(Event::of).collect::<Result<_, _>>()
    }
}
