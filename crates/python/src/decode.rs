//! The way back from `encode`: an encoded command of the venue's staff as the name of the function that encodes it and
//! that function's arguments, so that `getattr(engine, name)(**arguments)` is the same command again.

use beurs_engine::command::{Command, InstrumentScope, KillScope, RiskScope};
use beurs_node::wire::decode_one_command;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{row, Int};

type Named<'py> = (&'static str, Bound<'py, PyDict>);

/// Name and arguments of an encoded command of staff, of what an Administer holds if it is one; None of another kind.
#[pyfunction]
#[pyo3(signature = (command))]
pub fn decode_setting<'py>(py: Python<'py>, command: &[u8]) -> PyResult<Option<Named<'py>>> {
    let command = decode_one_command(command).map_err(crate::error::Error::from)?;
    named(py, &command)
}

fn named<'py>(py: Python<'py>, command: &Command) -> PyResult<Option<Named<'py>>> {
    let (name, arguments): (_, PyResult<_>) = match command {
        Command::Administer(administer) => return named(py, &administer.command),
        Command::AddAsset(c) => ("add_asset", row!(py, { code: c.code.as_str(), scale: c.scale, })),
        Command::ListInstrument(c) => (
            "list_instrument",
            row!(py, {
                symbol: c.symbol.as_str(),
                base_id: c.base.0,
                quote_id: c.quote.0,
                tick_mantissa: c.tick_size.mantissa,
                tick_scale: c.tick_size.scale,
                lot_mantissa: c.lot_size.mantissa,
                lot_scale: c.lot_size.scale,
                min_quantity: c.min_quantity.0,
                max_quantity: c.max_quantity.0,
                min_notional: Int(c.min_notional.0),
            }),
        ),
        Command::OpenAccount(c) => ("open_account", row!(py, { code: c.code.as_str(), group_id: c.group_id.0, })),
        Command::Deposit(c) => {
            ("deposit", row!(py, { account_id: c.account_id.0, asset_id: c.asset_id.0, amount: Int(c.amount.0), }))
        }
        Command::Withdraw(c) => {
            ("withdraw", row!(py, { account_id: c.account_id.0, asset_id: c.asset_id.0, amount: Int(c.amount.0), }))
        }
        Command::CancelOrder(c) => (
            "cancel_order",
            row!(py, {
                account_id: c.account_id.0,
                order_id: c.order_id.0,
                client_order_id: c.client_order_id.as_str(),
            }),
        ),
        Command::MassCancel(c) => (
            "mass_cancel",
            row!(py, {
                account_id: c.account_id.0,
                instrument_id: c.instrument_id.0,
                side: c.side.map_or(0, |side| side as u8),
                reason: c.reason as u8,
            }),
        ),
        Command::SetAccountGroup(c) => {
            ("set_account_group", row!(py, { account_id: c.account_id.0, group_id: c.group_id.0, }))
        }
        Command::SetFees(c) => (
            "set_fees",
            row!(py, {
                instrument_id: c.instrument_id.0,
                group_id: c.group_id.0,
                maker_ppm: c.maker_ppm,
                taker_ppm: c.taker_ppm,
            }),
        ),
        Command::SetTradingStatus(c) => {
            let (instrument_id, instrument_group_id) = match c.scope {
                InstrumentScope::All => (None, None),
                InstrumentScope::Instrument(id) => (Some(id.0), None),
                InstrumentScope::Group(id) => (None, Some(id.0)),
            };
            (
                "set_trading_status",
                row!(py, {
                    instrument_id: instrument_id,
                    status: c.status as u8,
                    instrument_group_id: instrument_group_id,
                    reason: c.reason as u8,
                    end_time_ns: c.end_time_ns,
                }),
            )
        }
        Command::SetMarkPrice(c) => {
            ("set_mark_price", row!(py, { instrument_id: c.instrument_id.0, price: c.price.0, }))
        }
        Command::SetInstrumentGroup(c) => (
            "set_instrument_group",
            row!(py, { instrument_id: c.instrument_id.0, instrument_group_id: c.instrument_group_id.0, }),
        ),
        Command::SetMatching(c) => (
            "set_matching",
            row!(py, {
                instrument_id: c.instrument_id.0,
                algorithm: c.algorithm as u8,
                top_max: c.top_max.0,
                lead_percent: c.lead_percent,
                fifo_percent: c.fifo_percent,
                min_allocation: c.min_allocation.0,
                leveling: c.leveling,
            }),
        ),
        Command::SetLeadMarketMaker(c) => (
            "set_lead_market_maker",
            row!(py, { instrument_id: c.instrument_id.0, account_id: c.account_id.0, share: c.share, }),
        ),
        Command::SetPriceBands(c) => (
            "set_price_bands",
            row!(py, {
                instrument_id: c.instrument_id.0,
                reference: c.reference.0,
                static_up_bps: c.static_up_bps,
                static_down_bps: c.static_down_bps,
                dynamic_bps: c.dynamic_bps,
                collar_bps: c.collar_bps,
                action: c.action as u8,
                auction_ns: c.auction_ns,
                auction_random_ns: c.auction_random_ns,
                limit_state_ns: c.limit_state_ns,
            }),
        ),
        Command::SetFeatures(c) => (
            "set_features",
            row!(py, { instrument_id: c.instrument_id.0, features: c.features, max_triggers: c.max_triggers, }),
        ),
        Command::SetSchedule(c) => (
            "set_schedule",
            row!(py, {
                instrument_id: c.instrument_id.0,
                slot: c.slot,
                weekdays: c.weekdays,
                time_of_day_ns: c.time_of_day_ns,
                random_ns: c.random_ns,
                status: c.status as u8,
            }),
        ),
        Command::SetRandomSeed(c) => ("set_random_seed", row!(py, { seed: c.seed, })),
        Command::SetRiskLimits(c) => {
            let (account_id, group_id, key_id) = match c.scope {
                RiskScope::Account(account) => (Some(account.0), None, None),
                RiskScope::Group(group) => (None, Some(group.0), None),
                RiskScope::Key(account, key) => (Some(account.0), None, Some(key.0)),
            };
            let limits = &c.limits;
            (
                "set_risk_limits",
                row!(py, {
                    instrument_id: c.instrument_id.0,
                    account_id: account_id,
                    group_id: group_id,
                    key_id: key_id,
                    max_order_quantity: limits.max_order_quantity.0,
                    max_order_notional: Int(limits.max_order_notional.0),
                    max_open_orders: limits.max_open_orders,
                    max_open_conditional_orders: limits.max_open_conditional_orders,
                    max_position: limits.max_position.0,
                    max_exposure: Int(limits.max_exposure.0),
                    max_order_rate: limits.max_order_rate,
                    rate_window_ns: limits.rate_window_ns,
                    fat_finger_bps: limits.fat_finger_bps,
                    duplicate_window_ns: limits.duplicate_window_ns,
                }),
            )
        }
        Command::SetAccountMode(c) => {
            ("set_account_mode", row!(py, { account_id: c.account_id.0, mode: c.mode as u8, }))
        }
        Command::KillSwitch(c) => {
            let (instrument_id, group_id, account_id, key_id) = match c.scope {
                KillScope::All => (None, None, None, None),
                KillScope::Instrument(id) => (Some(id.0), None, None, None),
                KillScope::Group(id) => (None, Some(id.0), None, None),
                KillScope::Account(id) => (None, None, Some(id.0), None),
                KillScope::Key(id, key) => (None, None, Some(id.0), Some(key.0)),
            };
            (
                "kill_switch",
                row!(py, {
                    engaged: c.engaged,
                    instrument_id: instrument_id,
                    group_id: group_id,
                    account_id: account_id,
                    key_id: key_id,
                }),
            )
        }
        Command::SetTradeGroup(c) => {
            ("set_trade_group", row!(py, { account_id: c.account_id.0, trade_group_id: c.trade_group_id, }))
        }
        Command::SetFeeTier(c) => (
            "set_fee_tier",
            row!(py, {
                instrument_id: c.instrument_id.0,
                group_id: c.group_id.0,
                tier: c.tier,
                min_volume: Int(c.min_volume.0),
                maker_ppm: c.maker_ppm,
                taker_ppm: c.taker_ppm,
            }),
        ),
        Command::SetFeePromotion(c) => (
            "set_fee_promotion",
            row!(py, {
                instrument_id: c.instrument_id.0,
                group_id: c.group_id.0,
                from_ns: c.from_ns,
                until_ns: c.until_ns,
                maker_ppm: c.maker_ppm,
                taker_ppm: c.taker_ppm,
            }),
        ),
        Command::SetFeeCap(c) => (
            "set_fee_cap",
            row!(py, { instrument_id: c.instrument_id.0, group_id: c.group_id.0, max_fee: Int(c.max_fee.0), }),
        ),
        Command::BustTrade(c) => (
            "bust_trade",
            row!(py, {
                trade_id: c.trade_id.0,
                instrument_id: c.instrument_id.0,
                buyer: c.buyer.0,
                seller: c.seller.0,
                price: c.price.0,
                quantity: c.quantity.0,
                buyer_fee: Int(c.buyer_fee.0),
                seller_fee: Int(c.seller_fee.0),
            }),
        ),
        Command::AdjustTrade(c) => (
            "adjust_trade",
            row!(py, {
                trade_id: c.trade_id.0,
                instrument_id: c.instrument_id.0,
                buyer: c.buyer.0,
                seller: c.seller.0,
                price: c.price.0,
                quantity: c.quantity.0,
                new_price: c.new_price.0,
            }),
        ),
        Command::NewOrder(_)
        | Command::ReplaceOrder(_)
        | Command::CancelReplace(_)
        | Command::NewOrderList(_)
        | Command::CancelAllAfter(_)
        | Command::AdvanceTime
        | Command::CommandFailed(_) => return Ok(None),
    };
    Ok(Some((name, arguments?)))
}
