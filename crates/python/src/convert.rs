//! Values between Python and Rust: arguments into commands, events and rows of the engine's state into objects.
//!
//! Invariants: integers stay integers, words are those of the engine's enums; nothing is computed here.

use beurs_engine::command::{Command, KillScope, RiskScope, SetRiskLimits};
use beurs_engine::event::{Event as EngineEvent, OrderTerms};
use beurs_engine::types::ShortText;
use beurs_engine::{AccountInfo, Asset, Instrument, InstrumentSettings, OpenOrder, PositionView};
use beurs_node::wire::{encode_command_into, EventRecord, MAX_ENCODED_COMMAND};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use crate::error::Error;

/// An amount. Nearly all fit 64 bits, for which the way is short; the others take the long one.
#[derive(Clone, Copy, Debug)]
pub struct Int(pub i128);

impl<'py> IntoPyObject<'py> for Int {
    type Target = PyInt;
    type Output = Bound<'py, PyInt>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        match i64::try_from(self.0) {
            Ok(short) => short.into_pyobject(py),
            Err(_) => self.0.into_pyobject(py),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Int {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<i64>() {
            Ok(short) => Ok(Self(i128::from(short))),
            Err(_) => object.extract::<i128>().map(Self),
        }
    }
}

/// A text that a command can hold.
pub fn text<const N: usize>(field: &'static str, text: &Bound<'_, PyString>) -> Result<ShortText<N>, Error> {
    // What is not UTF-8 (a lone surrogate) is not printable ASCII either.
    let bytes = text.to_str().map_or(&[0xff][..], str::as_bytes);
    ShortText::new(bytes).ok_or(Error::Input(
        field,
        match N {
            15 => "must be at most 15 printable ASCII characters without spaces",
            31 => "must be at most 31 printable ASCII characters without spaces",
            _ => "must be at most 36 printable ASCII characters without spaces",
        },
    ))
}

/// The value of an enum that has this number.
pub fn value<T>(field: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::Input(field, "is not one of the numbers of this enum"))
}

/// One encoded command.
pub fn encoded<'py>(py: Python<'py>, command: &Command) -> Bound<'py, PyBytes> {
    let mut buffer = [0; MAX_ENCODED_COMMAND];
    let length = encode_command_into(command, &mut buffer);
    PyBytes::new(py, &buffer[..length])
}

/// One event of the engine, with the sequence and the time of the command that caused it.
#[pyclass(frozen, module = "beurs._core")]
pub struct Event {
    sequence: u64,
    event_time_ns: i64,
    event_index: u32,
    event: EngineEvent,
}

impl Event {
    /// Reads a record.
    pub fn of(record: &EventRecord) -> Result<Self, Error> {
        Ok(Self {
            sequence: record.sequence,
            event_time_ns: record.event_time_ns,
            event_index: record.event_index,
            event: record.to_event()?,
        })
    }
}

/// Writes the getters and `as_dict` of [`Event`]: each field with the kinds that have it. Others give `None`.
macro_rules! event_fields {
    ($($field:ident: $ty:ty { $($kind:ident($event:ident) => $value:expr,)+ })+) => {
        #[pymethods]
        impl Event {
            #[getter]
            fn kind(&self) -> &'static str {
                match self.event {
                    EngineEvent::Execution(_) => "execution",
                    EngineEvent::Rejected(_) => "rejected",
                    EngineEvent::MassCanceled(_) => "mass_canceled",
                    EngineEvent::Posted(_) => "posted",
                    EngineEvent::AssetAdded(_) => "asset_added",
                    EngineEvent::InstrumentListed(_) => "instrument_listed",
                    EngineEvent::AccountOpened(_) => "account_opened",
                    EngineEvent::AccountGroupSet(_) => "account_group_set",
                    EngineEvent::FeesSet(_) => "fees_set",
                    EngineEvent::TradingStatusSet(_) => "trading_status_set",
                    EngineEvent::Terms(_) => "terms",
                    EngineEvent::OrderListStatus(_) => "order_list_status",
                    EngineEvent::AuctionIndication(_) => "auction_indication",
                    EngineEvent::AuctionEnded(_) => "auction_ended",
                    EngineEvent::LimitStateSet(_) => "limit_state_set",
                    EngineEvent::CancelAllAfterSet(_) => "cancel_all_after_set",
                    EngineEvent::TimeAdvanced(_) => "time_advanced",
                    EngineEvent::MarkPriceSet(_) => "mark_price_set",
                    EngineEvent::KillSwitchSet(_) => "kill_switch_set",
                    EngineEvent::SettingChanged(_) => "setting_changed",
                    EngineEvent::TradeCorrected(_) => "trade_corrected",
                    EngineEvent::Administered(_) => "administered",
                }
            }

            #[getter]
            fn sequence(&self) -> u64 {
                self.sequence
            }

            #[getter]
            fn event_time_ns(&self) -> i64 {
                self.event_time_ns
            }

            #[getter]
            fn event_index(&self) -> u32 {
                self.event_index
            }

            $(
                #[getter]
                fn $field(&self) -> Option<$ty> {
                    match &self.event {
                        $(EngineEvent::$kind($event) => Some($value),)+
                        #[allow(unreachable_patterns)] // A field may be of every kind.
                        _ => None,
                    }
                }
            )+

            /// The fields that this kind of event has.
            fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let fields = PyDict::new(py);
                fields.set_item(pyo3::intern!(py, "kind"), self.kind())?;
                fields.set_item(pyo3::intern!(py, "sequence"), self.sequence)?;
                fields.set_item(pyo3::intern!(py, "event_time_ns"), self.event_time_ns)?;
                fields.set_item(pyo3::intern!(py, "event_index"), self.event_index)?;
                $(
                    if let Some(value) = self.$field() {
                        fields.set_item(pyo3::intern!(py, stringify!($field)), value)?;
                    }
                )+
                Ok(fields)
            }

            fn __repr__(&self) -> String {
                format!("Event(sequence={}, {:?})", self.sequence, self.event)
            }
        }
    };
}

event_fields! {
    reason: u16 { Rejected(e) => e.reason as u16, }
    code: &str { Rejected(e) => e.reason.as_str(), AssetAdded(e) => e.code.as_str(), AccountOpened(e) => e.code.as_str(), }
    order_id: u64 { Execution(e) => e.order_id.0, Rejected(e) => e.order_id.0, Terms(e) => e.order_id.0, }
    client_order_id: &str { Execution(e) => e.client_order_id.as_str(), Rejected(e) => e.client_order_id.as_str(), }
    account_id: u32 {
        Execution(e) => e.account_id.0,
        Rejected(e) => e.account_id.0,
        MassCanceled(e) => e.account_id.0,
        Posted(e) => e.account_id.0,
        AccountOpened(e) => e.account_id.0,
        AccountGroupSet(e) => e.account_id.0,
        Terms(e) => e.account_id.0,
        OrderListStatus(e) => e.account_id.0,
        CancelAllAfterSet(e) => e.account_id.0,
        KillSwitchSet(e) => match e.scope {
            KillScope::Account(id) | KillScope::Key(id, _) => id.0,
            _ => return None,
        },
        SettingChanged(e) => e.account_id.0,
    }
    instrument_id: u32 {
        Execution(e) => e.instrument_id.0,
        Rejected(e) => e.instrument_id.0,
        MassCanceled(e) => e.instrument_id.0,
        InstrumentListed(e) => e.instrument_id.0,
        FeesSet(e) => e.instrument_id.0,
        TradingStatusSet(e) => e.instrument_id.0,
        Terms(e) => e.instrument_id.0,
        OrderListStatus(e) => e.instrument_id.0,
        AuctionIndication(e) => e.instrument_id.0,
        AuctionEnded(e) => e.instrument_id.0,
        LimitStateSet(e) => e.instrument_id.0,
        MarkPriceSet(e) => e.instrument_id.0,
        KillSwitchSet(e) => match e.scope {
            KillScope::Instrument(id) => id.0,
            _ => return None,
        },
        SettingChanged(e) => e.instrument_id.0,
        TradeCorrected(e) => e.instrument_id.0,
    }
    asset_id: u32 { Posted(e) => e.asset_id.0, AssetAdded(e) => e.asset_id.0, }
    key_id: u16 {
        Execution(e) => e.key_id.0,
        KillSwitchSet(e) => match e.scope {
            KillScope::Key(_, id) => id.0,
            _ => return None,
        },
        SettingChanged(e) => e.key_id.0,
    }
    list_id: u64 { Terms(e) => e.list_id.0, OrderListStatus(e) => e.list_id.0, }
    exec_type: &str { Execution(e) => e.exec_type.as_str(), }
    status: &str {
        Execution(e) => e.status.as_str(),
        TradingStatusSet(e) => e.status.as_str(),
        OrderListStatus(e) => e.status.as_str(),
    }
    status_reason: &str { TradingStatusSet(e) => e.reason.as_str(), }
    end_time_ns: i64 { TradingStatusSet(e) => e.end_time_ns, }
    side: &str {
        Execution(e) => e.side.as_str(),
        MassCanceled(e) => e.side?.as_str(),
        LimitStateSet(e) => e.side?.as_str(),
    }
    order_type: &str { Execution(e) => e.order_type.as_str(), }
    time_in_force: &str { Execution(e) => e.time_in_force.as_str(), }
    post_only: bool { Execution(e) => e.post_only, }
    self_trade_prevention: &str { Execution(e) => e.self_trade_prevention.as_str(), }
    cancel_reason: &str { Execution(e) => e.cancel_reason.as_str(), }
    price: i64 {
        Execution(e) => e.price.0,
        AuctionIndication(e) => e.price.0,
        AuctionEnded(e) => e.price.0,
        MarkPriceSet(e) => e.price.0,
        TradeCorrected(e) => e.price.0,
    }
    new_price: i64 { TradeCorrected(e) => e.new_price.0, }
    quantity: i64 { Execution(e) => e.quantity.0, TradeCorrected(e) => e.quantity.0, }
    quote_quantity: Int { Execution(e) => Int(e.quote_quantity.0), }
    filled_quantity: i64 { Execution(e) => e.filled_quantity.0, }
    leaves_quantity: i64 { Execution(e) => e.leaves_quantity.0, }
    displayed_quantity: i64 { Execution(e) => e.displayed_quantity.0, }
    hold: Int { Execution(e) => Int(e.hold.0), }
    trade_id: u64 { Execution(e) => e.trade_id.0, TradeCorrected(e) => e.trade_id.0, }
    last_price: i64 { Execution(e) => e.last_price.0, }
    last_quantity: i64 { Execution(e) => e.last_quantity.0, }
    last_notional: Int { Execution(e) => Int(e.last_notional.0), }
    fee: Int { Execution(e) => Int(e.fee.0), }
    liquidity: &str { Execution(e) => e.liquidity.as_str(), }
    counter_order_id: u64 { Execution(e) => e.counter_order_id.0, }
    waits: bool { Terms(e) => e.waits, }
    limit_price: i64 { Terms(e) => e.limit_price.0, }
    trigger_price: i64 { Terms(e) => e.terms.trigger_price.0, }
    trigger_by: &str { Terms(e) => e.terms.trigger_by.as_str(), }
    trail_bps: u16 { Terms(e) => e.terms.trail_bps, }
    display_quantity: i64 { Terms(e) => e.terms.display_quantity.0, }
    hidden: bool { Terms(e) => e.terms.hidden, }
    min_quantity: i64 { Terms(e) => e.terms.min_quantity.0, }
    expire_time_ns: i64 { Terms(e) => e.terms.expire_time_ns, }
    auction_only: bool { Terms(e) => e.terms.auction_only, }
    slide: bool { Terms(e) => e.terms.slide, }
    peg: &str { Terms(e) => e.terms.peg.as_str(), }
    peg_offset: i64 { Terms(e) => e.terms.peg_offset, }
    contingency: &str { OrderListStatus(e) => e.contingency.as_str(), }
    volume: Int { AuctionIndication(e) => Int(e.volume), AuctionEnded(e) => Int(e.volume), }
    imbalance: Int { AuctionIndication(e) => Int(e.imbalance), }
    deadline_ns: i64 { CancelAllAfterSet(e) => e.deadline_ns, }
    count: u32 { MassCanceled(e) => e.count, TimeAdvanced(e) => e.count, KillSwitchSet(e) => e.count, }
    scope: &str {
        KillSwitchSet(e) => match e.scope {
            KillScope::All => "all",
            KillScope::Instrument(_) => "instrument",
            KillScope::Group(_) => "group",
            KillScope::Account(_) => "account",
            KillScope::Key(..) => "key",
        },
    }
    engaged: bool { KillSwitchSet(e) => e.engaged, }
    setting: &str { SettingChanged(e) => e.setting.as_str(), }
    buyer_id: u32 { TradeCorrected(e) => e.buyer.0, }
    seller_id: u32 { TradeCorrected(e) => e.seller.0, }
    actor: &str { Administered(e) => e.actor.as_str(), }
    note: &str { Administered(e) => e.reason.as_str(), }
    amount: Int { Posted(e) => Int(e.amount.0), }
    total: Int { Posted(e) => Int(e.total.0), }
    held: Int { Posted(e) => Int(e.held.0), }
    scale: u8 { AssetAdded(e) => e.scale, }
    symbol: &str { InstrumentListed(e) => e.symbol.as_str(), }
    group_id: u16 {
        AccountOpened(e) => e.group_id.0,
        AccountGroupSet(e) => e.group_id.0,
        FeesSet(e) => e.group_id.0,
        KillSwitchSet(e) => match e.scope {
            KillScope::Group(id) => id.0,
            _ => return None,
        },
        SettingChanged(e) => e.group_id.0,
    }
    maker_ppm: i32 { FeesSet(e) => e.maker_ppm, }
    taker_ppm: i32 { FeesSet(e) => e.taker_ppm, }
}

/// Makes a dictionary of named values.
macro_rules! row {
    ($py:expr, { $($field:ident: $value:expr,)+ }) => {{
        let row = PyDict::new($py);
        $(row.set_item(pyo3::intern!($py, stringify!($field)), $value)?;)+
        Ok(row)
    }};
}
pub(crate) use row;

/// `AssetRow` of `beurs.rows`.
pub fn asset_row<'py>(py: Python<'py>, asset: &Asset) -> PyResult<Bound<'py, PyDict>> {
    row!(py, {
        asset_id: asset.asset_id.0,
        code: asset.code.as_str(),
        scale: asset.scale,
        issued: Int(asset.issued),
    })
}

/// `InstrumentRow` of `beurs.rows`.
pub fn instrument_row<'py>(py: Python<'py>, instrument: &Instrument) -> PyResult<Bound<'py, PyDict>> {
    row!(py, {
        instrument_id: instrument.instrument_id.0,
        symbol: instrument.symbol.as_str(),
        base_id: instrument.base.0,
        quote_id: instrument.quote.0,
        tick_mantissa: instrument.tick_size.mantissa,
        tick_scale: instrument.tick_size.scale,
        lot_mantissa: instrument.lot_size.mantissa,
        lot_scale: instrument.lot_size.scale,
        min_quantity: instrument.min_quantity.0,
        max_quantity: instrument.max_quantity.0,
        min_notional: Int(instrument.min_notional.0),
        status: instrument.status.as_str(),
        last_price: instrument.last_price.0,
        lot_units: instrument.lot_units,
        tick_lot_units: instrument.tick_lot_units,
    })
}

/// `AccountRow` of `beurs.rows`.
pub fn account_row<'py>(py: Python<'py>, account: &AccountInfo) -> PyResult<Bound<'py, PyDict>> {
    row!(py, {
        account_id: account.account_id.0,
        code: account.code.as_str(),
        group_id: account.group_id.0,
    })
}

/// `PositionRow` of `beurs.rows`.
pub fn position_row<'py>(py: Python<'py>, view: &PositionView) -> PyResult<Bound<'py, PyDict>> {
    row!(py, {
        instrument_id: view.instrument_id.0,
        quantity: Int(view.position.quantity),
        bought: Int(view.position.bought),
        sold: Int(view.position.sold),
        cost_tick_lots: Int(view.position.cost),
        cost: Int(view.cost.0),
        realised: Int(view.realised.0),
        unrealised: Int(view.unrealised.0),
        fees: Int(view.position.fees),
        mark: view.mark.0,
    })
}

/// `SettingsRow` of `beurs.rows`.
pub fn settings_row<'py>(py: Python<'py>, settings: &InstrumentSettings) -> PyResult<Bound<'py, PyDict>> {
    let bands = settings.bands.as_ref().map(|bands| -> PyResult<Bound<'py, PyDict>> {
        row!(py, {
            static_up_bps: bands.static_up_bps,
            static_down_bps: bands.static_down_bps,
            dynamic_bps: bands.dynamic_bps,
            collar_bps: bands.collar_bps,
            action: bands.action.as_str(),
            auction_ns: bands.auction_ns,
            auction_random_ns: bands.auction_random_ns,
            limit_state_ns: bands.limit_state_ns,
        })
    });
    let matching = settings.matching.as_ref().map(|rule| -> PyResult<Bound<'py, PyDict>> {
        row!(py, {
            algorithm: rule.algorithm.as_str(),
            top_max: rule.top_max.0,
            lead_percent: rule.lead_percent,
            fifo_percent: rule.fifo_percent,
            min_allocation: rule.min_allocation.0,
            leveling: rule.leveling,
        })
    });
    let schedule = settings.schedule.iter().map(|(entry, due_ns)| -> PyResult<Bound<'py, PyDict>> {
        row!(py, {
            slot: entry.slot,
            weekdays: entry.weekdays,
            time_of_day_ns: entry.time_of_day_ns,
            random_ns: entry.random_ns,
            status: entry.status.as_str(),
            due_ns: due_ns,
        })
    });
    row!(py, {
        instrument_group_id: settings.instrument_group_id.0,
        reference: settings.reference.0,
        mark_price: settings.mark_price.0,
        end_time_ns: settings.end_time_ns,
        features: settings.features,
        max_triggers: settings.max_triggers,
        bands: bands.transpose()?,
        matching: matching.transpose()?,
        lead_market_makers: settings.lead_market_makers.iter().map(|(id, share)| (id.0, *share)).collect::<Vec<_>>(),
        schedule: schedule.collect::<PyResult<Vec<_>>>()?,
    })
}

/// `KillSwitchRow` of `beurs.rows`.
pub fn kill_switch_row<'py>(py: Python<'py>, scope: &KillScope) -> PyResult<Bound<'py, PyDict>> {
    let (word, instrument_id, group_id, account_id, key_id) = match *scope {
        KillScope::All => ("all", 0, 0, 0, 0),
        KillScope::Instrument(id) => ("instrument", id.0, 0, 0, 0),
        KillScope::Group(id) => ("group", 0, id.0, 0, 0),
        KillScope::Account(id) => ("account", 0, 0, id.0, 0),
        KillScope::Key(id, key_id) => ("key", 0, 0, id.0, key_id.0),
    };
    row!(py, {
        scope: word,
        instrument_id: instrument_id,
        group_id: group_id,
        account_id: account_id,
        key_id: key_id,
    })
}

/// `RiskLimitsRow` of `beurs.rows`.
pub fn risk_limits_row<'py>(py: Python<'py>, set: &SetRiskLimits) -> PyResult<Bound<'py, PyDict>> {
    let (word, group_id, account_id, key_id) = match set.scope {
        RiskScope::Group(id) => ("group", id.0, 0, 0),
        RiskScope::Account(id) => ("account", 0, id.0, 0),
        RiskScope::Key(id, key_id) => ("key", 0, id.0, key_id.0),
    };
    let limits = &set.limits;
    row!(py, {
        scope: word,
        instrument_id: set.instrument_id.0,
        group_id: group_id,
        account_id: account_id,
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
    })
}

/// `OrderRow` of `beurs.rows`.
pub fn order_row<'py>(py: Python<'py>, order: &OpenOrder) -> PyResult<Bound<'py, PyDict>> {
    row!(py, {
        order_id: order.order_id.0,
        client_order_id: order.client_order_id.as_str(),
        account_id: order.account_id.0,
        instrument_id: order.instrument_id.0,
        side: order.side.as_str(),
        order_type: order.order_type.as_str(),
        time_in_force: order.time_in_force.as_str(),
        post_only: order.post_only,
        self_trade_prevention: order.self_trade_prevention.as_str(),
        price: order.price.0,
        quantity: if order.quote_quantity.0 == 0 { order.filled_quantity.0 + order.leaves_quantity.0 } else { 0 },
        quote_quantity: Int(order.quote_quantity.0),
        filled_quantity: order.filled_quantity.0,
        leaves_quantity: order.leaves_quantity.0,
        displayed_quantity: order.displayed_quantity.0,
        key_id: order.key_id.0,
        maker_ppm: order.maker_ppm,
        taker_ppm: order.taker_ppm,
        fee_carry: order.fee_carry,
        hold: Int(order.hold.0),
        terms: order.terms.as_ref().map(|terms| terms_row(py, terms)).transpose()?,
    })
}

/// `TermsRow` of `beurs.rows`.
fn terms_row<'py>(py: Python<'py>, order: &OrderTerms) -> PyResult<Bound<'py, PyDict>> {
    let terms = &order.terms;
    row!(py, {
        list_id: order.list_id.0,
        waits: order.waits,
        limit_price: order.limit_price.0,
        trigger_price: terms.trigger_price.0,
        trigger_by: terms.trigger_by.as_str(),
        trail_bps: terms.trail_bps,
        display_quantity: terms.display_quantity.0,
        hidden: terms.hidden,
        min_quantity: terms.min_quantity.0,
        expire_time_ns: terms.expire_time_ns,
        auction_only: terms.auction_only,
        slide: terms.slide,
        peg: terms.peg.as_str(),
        peg_offset: terms.peg_offset,
    })
}
