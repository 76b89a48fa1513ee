//! One function per command: its fields in, its encoding out. Whether the command makes sense, the engine says.

use beurs_engine::command::{
    AddAsset, AdjustTrade, Administer, BustTrade, CancelAllAfter, CancelOrder, CancelReplace, Command, Deposit,
    InstrumentScope, KillScope, KillSwitch, ListInstrument, MassCancel, NewOrder, NewOrderList, Note, OpenAccount,
    ReplaceOrder, RiskLimits, RiskScope, SetAccountGroup, SetAccountMode, SetFeatures, SetFeeCap, SetFeePromotion,
    SetFeeTier, SetFees, SetInstrumentGroup, SetLeadMarketMaker, SetMarkPrice, SetMatching, SetPriceBands,
    SetRandomSeed, SetRiskLimits, SetSchedule, SetTradeGroup, SetTradingStatus, Terms, Withdraw,
};
use beurs_engine::types::{
    AccountId, AccountMode, Amount, AssetId, BandAction, CancelReplaceMode, Contingency, GroupId, InstrumentGroupId,
    InstrumentId, KeyId, Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderType, Peg, PriceTicks,
    SelfTradePrevention, Side, StatusReason, Step, TimeInForce, TradeId, TradingStatus, TriggerBy,
};
use beurs_node::wire::{check_encodable, decode_one_command};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{encoded, text, value, Int};
use crate::error::Error;

const ONE_SCOPE: &str = "only one scope can be given; a key goes with its account";

type Encoded<'py> = Result<Bound<'py, PyBytes>, Error>;

/// Encodes a NewOrder.
#[pyfunction]
#[pyo3(signature = (
    account_id, instrument_id, side, order_type, time_in_force, post_only, self_trade_prevention, price, quantity,
    quote_quantity, client_order_id, *, key_id = 0, trigger_price = 0, trigger_by = 0, trail_bps = 0,
    display_quantity = 0, hidden = false, min_quantity = 0, expire_time_ns = 0, auction_only = false, slide = false,
    peg = 0, peg_offset = 0
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
    key_id: u16,
    trigger_price: i64,
    trigger_by: u8,
    trail_bps: u16,
    display_quantity: i64,
    hidden: bool,
    min_quantity: i64,
    expire_time_ns: i64,
    auction_only: bool,
    slide: bool,
    peg: u8,
    peg_offset: i64,
) -> Encoded<'py> {
    let terms = Terms {
        trigger_price: PriceTicks(trigger_price),
        trigger_by: value("trigger_by", TriggerBy::from_u8(trigger_by))?,
        trail_bps,
        display_quantity: Lots(display_quantity),
        hidden,
        min_quantity: Lots(min_quantity),
        expire_time_ns,
        auction_only,
        slide,
        peg: value("peg", Peg::from_u8(peg))?,
        peg_offset,
    };
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
        key_id: KeyId(key_id),
        terms: (terms != Terms::NONE).then(|| Box::new(terms)),
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
#[pyo3(signature = (
    account_id, order_id, original_client_order_id, client_order_id, price, quantity, *, trigger_price = 0,
    display_quantity = 0
))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn replace_order<'py>(
    py: Python<'py>,
    account_id: u32,
    order_id: u64,
    original_client_order_id: &Bound<'py, PyString>,
    client_order_id: &Bound<'py, PyString>,
    price: i64,
    quantity: i64,
    trigger_price: i64,
    display_quantity: i64,
) -> Encoded<'py> {
    let command = Command::ReplaceOrder(ReplaceOrder {
        account_id: AccountId(account_id),
        order_id: OrderId(order_id),
        original_client_order_id: text("original_client_order_id", original_client_order_id)?,
        client_order_id: text("client_order_id", client_order_id)?,
        price: PriceTicks(price),
        quantity: Lots(quantity),
        trigger_price: PriceTicks(trigger_price),
        display_quantity: Lots(display_quantity),
    });
    Ok(encoded(py, &command))
}

/// Encodes a MassCancel. Side 0 is both; reason 0 is requested.
#[pyfunction]
#[pyo3(signature = (account_id, instrument_id, side, reason=0))]
pub fn mass_cancel(py: Python<'_>, account_id: u32, instrument_id: u32, side: u8, reason: u8) -> Encoded<'_> {
    let command = Command::MassCancel(MassCancel {
        account_id: AccountId(account_id),
        instrument_id: InstrumentId(instrument_id),
        side: match side {
            0 => None,
            side => Some(value("side", Side::from_u8(side))?),
        },
        reason: value("reason", MassCancelReason::from_u8(reason))?,
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

/// Encodes a SetTradingStatus: of an instrument, of a group, or, without either, of all.
#[pyfunction]
#[pyo3(signature = (instrument_id, status, *, instrument_group_id = None, reason = 1, end_time_ns = 0))]
pub fn set_trading_status(
    py: Python<'_>,
    instrument_id: Option<u32>,
    status: u8,
    instrument_group_id: Option<u16>,
    reason: u8,
    end_time_ns: i64,
) -> Encoded<'_> {
    let command = Command::SetTradingStatus(SetTradingStatus {
        scope: match (instrument_id, instrument_group_id) {
            (Some(id), None) => InstrumentScope::Instrument(InstrumentId(id)),
            (None, Some(id)) => InstrumentScope::Group(InstrumentGroupId(id)),
            (None, None) => InstrumentScope::All,
            (Some(_), Some(_)) => return Err(Error::Input("instrument_id", ONE_SCOPE)),
        },
        status: value("status", TradingStatus::from_u8(status))?,
        reason: value("reason", StatusReason::from_u8(reason))?,
        end_time_ns,
    });
    Ok(encoded(py, &command))
}

/// Encodes a CancelReplace out of an encoded CancelOrder and an encoded NewOrder.
#[pyfunction]
#[pyo3(signature = (mode, cancel, new_order))]
pub fn cancel_replace<'py>(py: Python<'py>, mode: u8, cancel: &[u8], new_order: &[u8]) -> Encoded<'py> {
    let Command::CancelOrder(cancel) = decode_one_command(cancel)? else {
        return Err(Error::Input("cancel", "must be an encoded CancelOrder"));
    };
    let command = Command::CancelReplace(Box::new(CancelReplace {
        cancel,
        mode: value("mode", CancelReplaceMode::from_u8(mode))?,
        new_order: order_of(new_order, "new_order")?,
    }));
    Ok(encoded(py, &command))
}

/// Encodes a NewOrderList out of at most 3 encoded NewOrders.
#[pyfunction]
#[pyo3(signature = (contingency, orders))]
pub fn new_order_list(py: Python<'_>, contingency: u8, orders: Vec<Vec<u8>>) -> Encoded<'_> {
    let orders = orders.iter().map(|order| order_of(order, "orders")).collect::<Result<_, _>>()?;
    let command = Command::NewOrderList(Box::new(NewOrderList {
        contingency: value("contingency", Contingency::from_u8(contingency))?,
        orders,
    }));
    check_encodable(&command)?;
    Ok(encoded(py, &command))
}

fn order_of(encoded: &[u8], field: &'static str) -> Result<NewOrder, Error> {
    match decode_one_command(encoded)? {
        Command::NewOrder(order) => Ok(order),
        _ => Err(Error::Input(field, "must be an encoded NewOrder")),
    }
}

/// Encodes an AdvanceTime.
#[pyfunction]
pub fn advance_time(py: Python<'_>) -> Bound<'_, PyBytes> {
    encoded(py, &Command::AdvanceTime)
}

/// Encodes a CancelAllAfter.
#[pyfunction]
#[pyo3(signature = (account_id, timeout_ns))]
pub fn cancel_all_after(py: Python<'_>, account_id: u32, timeout_ns: i64) -> Encoded<'_> {
    let command = Command::CancelAllAfter(CancelAllAfter { account_id: AccountId(account_id), timeout_ns });
    Ok(encoded(py, &command))
}

/// Encodes a SetMarkPrice.
#[pyfunction]
#[pyo3(signature = (instrument_id, price))]
pub fn set_mark_price(py: Python<'_>, instrument_id: u32, price: i64) -> Encoded<'_> {
    let command =
        Command::SetMarkPrice(SetMarkPrice { instrument_id: InstrumentId(instrument_id), price: PriceTicks(price) });
    Ok(encoded(py, &command))
}

/// Encodes a SetInstrumentGroup.
#[pyfunction]
#[pyo3(signature = (instrument_id, instrument_group_id))]
pub fn set_instrument_group(py: Python<'_>, instrument_id: u32, instrument_group_id: u16) -> Encoded<'_> {
    let command = Command::SetInstrumentGroup(SetInstrumentGroup {
        instrument_id: InstrumentId(instrument_id),
        instrument_group_id: InstrumentGroupId(instrument_group_id),
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetMatching.
#[pyfunction]
#[pyo3(signature = (instrument_id, algorithm, top_max = 0, lead_percent = 0, fifo_percent = 0, min_allocation = 1, leveling = false))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn set_matching(
    py: Python<'_>,
    instrument_id: u32,
    algorithm: u8,
    top_max: i64,
    lead_percent: u8,
    fifo_percent: u8,
    min_allocation: i64,
    leveling: bool,
) -> Encoded<'_> {
    let command = Command::SetMatching(SetMatching {
        instrument_id: InstrumentId(instrument_id),
        algorithm: value("algorithm", MatchingAlgorithm::from_u8(algorithm))?,
        top_max: Lots(top_max),
        lead_percent,
        fifo_percent,
        min_allocation: Lots(min_allocation),
        leveling,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetLeadMarketMaker.
#[pyfunction]
#[pyo3(signature = (instrument_id, account_id, share))]
pub fn set_lead_market_maker(py: Python<'_>, instrument_id: u32, account_id: u32, share: u16) -> Encoded<'_> {
    let command = Command::SetLeadMarketMaker(SetLeadMarketMaker {
        instrument_id: InstrumentId(instrument_id),
        account_id: AccountId(account_id),
        share,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetPriceBands.
#[pyfunction]
#[pyo3(signature = (instrument_id, *, reference = 0, static_up_bps = 0, static_down_bps = 0, dynamic_bps = 0, collar_bps = 0, action = 1, auction_ns = 0, auction_random_ns = 0, limit_state_ns = 0))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn set_price_bands(
    py: Python<'_>,
    instrument_id: u32,
    reference: i64,
    static_up_bps: u32,
    static_down_bps: u32,
    dynamic_bps: u32,
    collar_bps: u32,
    action: u8,
    auction_ns: i64,
    auction_random_ns: i64,
    limit_state_ns: i64,
) -> Encoded<'_> {
    let command = Command::SetPriceBands(SetPriceBands {
        instrument_id: InstrumentId(instrument_id),
        reference: PriceTicks(reference),
        static_up_bps,
        static_down_bps,
        dynamic_bps,
        collar_bps,
        action: value("action", BandAction::from_u8(action))?,
        auction_ns,
        auction_random_ns,
        limit_state_ns,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetFeatures.
#[pyfunction]
#[pyo3(signature = (instrument_id, features, max_triggers = 1_000))]
pub fn set_features(py: Python<'_>, instrument_id: u32, features: u32, max_triggers: u32) -> Encoded<'_> {
    let command =
        Command::SetFeatures(SetFeatures { instrument_id: InstrumentId(instrument_id), features, max_triggers });
    Ok(encoded(py, &command))
}

/// Encodes a SetSchedule.
#[pyfunction]
#[pyo3(signature = (instrument_id, slot, weekdays, time_of_day_ns, random_ns, status))]
pub fn set_schedule(
    py: Python<'_>,
    instrument_id: u32,
    slot: u8,
    weekdays: u8,
    time_of_day_ns: i64,
    random_ns: i64,
    status: u8,
) -> Encoded<'_> {
    let command = Command::SetSchedule(SetSchedule {
        instrument_id: InstrumentId(instrument_id),
        slot,
        weekdays,
        time_of_day_ns,
        random_ns,
        status: value("status", TradingStatus::from_u8(status))?,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetRandomSeed.
#[pyfunction]
#[pyo3(signature = (seed))]
pub fn set_random_seed(py: Python<'_>, seed: u64) -> Encoded<'_> {
    let command = Command::SetRandomSeed(SetRandomSeed { seed });
    Ok(encoded(py, &command))
}

/// Encodes a SetRiskLimits: of an account, of a group, or of a key of an account; instrument 0 is all together.
#[pyfunction]
#[pyo3(signature = (instrument_id, *, account_id = None, group_id = None, key_id = None, max_order_quantity = 0, max_order_notional = Int(0), max_open_orders = 0, max_open_conditional_orders = 0, max_position = 0, max_exposure = Int(0), max_order_rate = 0, rate_window_ns = 0, fat_finger_bps = 0, duplicate_window_ns = 0))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn set_risk_limits(
    py: Python<'_>,
    instrument_id: u32,
    account_id: Option<u32>,
    group_id: Option<u16>,
    key_id: Option<u16>,
    max_order_quantity: i64,
    max_order_notional: Int,
    max_open_orders: u32,
    max_open_conditional_orders: u32,
    max_position: i64,
    max_exposure: Int,
    max_order_rate: u32,
    rate_window_ns: i64,
    fat_finger_bps: u32,
    duplicate_window_ns: i64,
) -> Encoded<'_> {
    let command = Command::SetRiskLimits(Box::new(SetRiskLimits {
        scope: match (account_id, group_id, key_id) {
            (Some(account), None, None) => RiskScope::Account(AccountId(account)),
            (None, Some(group), None) => RiskScope::Group(GroupId(group)),
            (Some(account), None, Some(key)) => RiskScope::Key(AccountId(account), KeyId(key)),
            _ => return Err(Error::Input("account_id", ONE_SCOPE)),
        },
        instrument_id: InstrumentId(instrument_id),
        limits: RiskLimits {
            max_order_quantity: Lots(max_order_quantity),
            max_order_notional: Amount(max_order_notional.0),
            max_open_orders,
            max_open_conditional_orders,
            max_position: Lots(max_position),
            max_exposure: Amount(max_exposure.0),
            max_order_rate,
            rate_window_ns,
            fat_finger_bps,
            duplicate_window_ns,
        },
    }));
    Ok(encoded(py, &command))
}

/// Encodes a SetAccountMode.
#[pyfunction]
#[pyo3(signature = (account_id, mode))]
pub fn set_account_mode(py: Python<'_>, account_id: u32, mode: u8) -> Encoded<'_> {
    let command = Command::SetAccountMode(SetAccountMode {
        account_id: AccountId(account_id),
        mode: value("mode", AccountMode::from_u8(mode))?,
    });
    Ok(encoded(py, &command))
}

/// Encodes a KillSwitch: of an instrument, a group, an account, a key of an account, or, without any, of all.
#[pyfunction]
#[pyo3(signature = (engaged, *, instrument_id = None, group_id = None, account_id = None, key_id = None))]
pub fn kill_switch(
    py: Python<'_>,
    engaged: bool,
    instrument_id: Option<u32>,
    group_id: Option<u16>,
    account_id: Option<u32>,
    key_id: Option<u16>,
) -> Encoded<'_> {
    let command = Command::KillSwitch(KillSwitch {
        scope: match (instrument_id, group_id, account_id, key_id) {
            (None, None, None, None) => KillScope::All,
            (Some(instrument), None, None, None) => KillScope::Instrument(InstrumentId(instrument)),
            (None, Some(group), None, None) => KillScope::Group(GroupId(group)),
            (None, None, Some(account), None) => KillScope::Account(AccountId(account)),
            (None, None, Some(account), Some(key)) => KillScope::Key(AccountId(account), KeyId(key)),
            _ => return Err(Error::Input("account_id", ONE_SCOPE)),
        },
        engaged,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetTradeGroup.
#[pyfunction]
#[pyo3(signature = (account_id, trade_group_id))]
pub fn set_trade_group(py: Python<'_>, account_id: u32, trade_group_id: u32) -> Encoded<'_> {
    let command = Command::SetTradeGroup(SetTradeGroup { account_id: AccountId(account_id), trade_group_id });
    Ok(encoded(py, &command))
}

/// Encodes a SetFeeTier.
#[pyfunction]
#[pyo3(signature = (instrument_id, group_id, tier, min_volume, maker_ppm, taker_ppm))]
pub fn set_fee_tier(
    py: Python<'_>,
    instrument_id: u32,
    group_id: u16,
    tier: u8,
    min_volume: Int,
    maker_ppm: i32,
    taker_ppm: i32,
) -> Encoded<'_> {
    let command = Command::SetFeeTier(SetFeeTier {
        instrument_id: InstrumentId(instrument_id),
        group_id: GroupId(group_id),
        tier,
        min_volume: Amount(min_volume.0),
        maker_ppm,
        taker_ppm,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetFeePromotion.
#[pyfunction]
#[pyo3(signature = (instrument_id, group_id, from_ns, until_ns, maker_ppm, taker_ppm))]
pub fn set_fee_promotion(
    py: Python<'_>,
    instrument_id: u32,
    group_id: u16,
    from_ns: i64,
    until_ns: i64,
    maker_ppm: i32,
    taker_ppm: i32,
) -> Encoded<'_> {
    let command = Command::SetFeePromotion(SetFeePromotion {
        instrument_id: InstrumentId(instrument_id),
        group_id: GroupId(group_id),
        from_ns,
        until_ns,
        maker_ppm,
        taker_ppm,
    });
    Ok(encoded(py, &command))
}

/// Encodes a SetFeeCap.
#[pyfunction]
#[pyo3(signature = (instrument_id, group_id, max_fee))]
pub fn set_fee_cap(py: Python<'_>, instrument_id: u32, group_id: u16, max_fee: Int) -> Encoded<'_> {
    let command = Command::SetFeeCap(SetFeeCap {
        instrument_id: InstrumentId(instrument_id),
        group_id: GroupId(group_id),
        max_fee: Amount(max_fee.0),
    });
    Ok(encoded(py, &command))
}

/// Encodes a BustTrade.
#[pyfunction]
#[pyo3(signature = (trade_id, instrument_id, buyer, seller, price, quantity, buyer_fee, seller_fee))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn bust_trade(
    py: Python<'_>,
    trade_id: u64,
    instrument_id: u32,
    buyer: u32,
    seller: u32,
    price: i64,
    quantity: i64,
    buyer_fee: Int,
    seller_fee: Int,
) -> Encoded<'_> {
    let command = Command::BustTrade(BustTrade {
        trade_id: TradeId(trade_id),
        instrument_id: InstrumentId(instrument_id),
        buyer: AccountId(buyer),
        seller: AccountId(seller),
        price: PriceTicks(price),
        quantity: Lots(quantity),
        buyer_fee: Amount(buyer_fee.0),
        seller_fee: Amount(seller_fee.0),
    });
    Ok(encoded(py, &command))
}

/// Encodes a AdjustTrade.
#[pyfunction]
#[pyo3(signature = (trade_id, instrument_id, buyer, seller, price, quantity, new_price))]
#[allow(clippy::too_many_arguments)] // They are the fields of the command.
pub fn adjust_trade(
    py: Python<'_>,
    trade_id: u64,
    instrument_id: u32,
    buyer: u32,
    seller: u32,
    price: i64,
    quantity: i64,
    new_price: i64,
) -> Encoded<'_> {
    let command = Command::AdjustTrade(AdjustTrade {
        trade_id: TradeId(trade_id),
        instrument_id: InstrumentId(instrument_id),
        buyer: AccountId(buyer),
        seller: AccountId(seller),
        price: PriceTicks(price),
        quantity: Lots(quantity),
        new_price: PriceTicks(new_price),
    });
    Ok(encoded(py, &command))
}

/// Encodes an Administer: who gives an encoded command, and why.
#[pyfunction]
#[pyo3(signature = (actor, reason, command))]
pub fn administer<'py>(
    py: Python<'py>,
    actor: &Bound<'py, PyString>,
    reason: &Bound<'py, PyString>,
    command: &[u8],
) -> Encoded<'py> {
    let command = Command::Administer(Box::new(Administer {
        actor: text("actor", actor)?,
        reason: note("reason", reason)?,
        command: decode_one_command(command)?,
    }));
    check_encodable(&command)?;
    Ok(encoded(py, &command))
}

fn note(field: &'static str, text: &Bound<'_, PyString>) -> Result<Note, Error> {
    let bytes = text.to_str().map_or(&[0xff][..], str::as_bytes);
    const RULE: &str = "must be 1 to 64 printable ASCII characters that neither begin nor end with a space";
    Note::new(bytes).ok_or(Error::Input(field, RULE))
}
