//! Events of the journal as reports to the account that they are about.

use beurs_engine::types::ExecType;

use super::{
    order_flags, put, BalanceChanged, CancelAllAfterSet, Fill, KillSwitchSet, MassCancelResult, Message, OrderAccepted,
    OrderCanceled, OrderExpired, OrderListStatus, OrderRejected, OrderReplaced, OrderRestated, OrderTerms,
    OrderTriggered, TradeCorrected, HEADER,
};
use crate::wire::{amount_from_halves, event_kind, EventRecord};

/// What a session adds to a report.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// Counts the session's reports.
    pub report_sequence: u64,
    /// The request that caused it, or 0.
    pub request_sequence: u64,
    /// Bits of [`super::report_flags`].
    pub report_flags: u8,
}

/// Where in the bytes of a report's frame its `report_flags` are.
pub const FLAGS_AT: usize = HEADER + 36;

/// Every report begins with these fields.
macro_rules! report {
    ($type:ident, $record:ident, $envelope:ident, { $($rest:tt)* }) => {
        $type {
            report_sequence: $envelope.report_sequence,
            sequence: $record.sequence,
            index: $record.event_index,
            event_time_ns: $record.event_time_ns,
            request_sequence: $envelope.request_sequence,
            report_flags: $envelope.report_flags,
            $($rest)*
        }
    };
}

/// Appends a report of an order.
macro_rules! put_order {
    ($out:ident, $type:ident, $record:ident, $envelope:ident, { $($rest:tt)* }) => {
        put($out, &report!($type, $record, $envelope, {
            order_id: $record.order_id,
            instrument_id: $record.instrument_id,
            key_id: $record.key_id,
            status: $record.status,
            side: $record.side,
            order_type: $record.order_type,
            time_in_force: $record.time_in_force,
            self_trade_prevention: $record.self_trade_prevention,
            cancel_reason: $record.cancel_reason,
            flags: if $record.post_only == 0 { 0 } else { order_flags::POST_ONLY },
            price: $record.price,
            quantity: $record.quantity,
            filled_quantity: $record.filled_quantity,
            leaves_quantity: $record.leaves_quantity,
            displayed_quantity: $record.displayed_quantity,
            quote_quantity: amount_from_halves($record.quote_quantity_lo, $record.quote_quantity_hi),
            hold: amount_from_halves($record.hold_lo, $record.hold_hi),
            client_order_id: $record.client_order_id,
            $($rest)*
        }))
    };
}

/// The accounts that a report of this event goes to; 0 for none. Only a corrected trade has two, which may be the same.
#[inline]
pub fn accounts(record: &EventRecord) -> [u32; 2] {
    match record.kind {
        event_kind::EXECUTION
        | event_kind::REJECTED
        | event_kind::TERMS
        | event_kind::ORDER_LIST_STATUS
        | event_kind::MASS_CANCELED
        | event_kind::POSTED
        | event_kind::CANCEL_ALL_AFTER_SET
        | event_kind::KILL_SWITCH_SET => [record.account_id, 0],
        event_kind::TRADE_CORRECTED => [record.account_id, record.counter_order_id as u32],
        _ => [0, 0],
    }
}

/// Appends the report of an event that concerns `account_id`; the side of a corrected trade is that account's.
#[inline]
pub fn put_report(out: &mut Vec<u8>, record: &EventRecord, account_id: u32, envelope: Envelope) {
    debug_assert!(accounts(record).contains(&account_id));
    match record.kind {
        event_kind::EXECUTION => put_execution(out, record, envelope),
        event_kind::REJECTED => put(
            out,
            &report!(OrderRejected, record, envelope, {
                reason: record.reason,
                instrument_id: record.instrument_id,
                order_id: record.order_id,
                client_order_id: record.client_order_id,
            }),
        ),
        event_kind::TERMS => put(
            out,
            &report!(OrderTerms, record, envelope, {
                order_id: record.order_id,
                list_id: record.counter_order_id,
                instrument_id: record.instrument_id,
                flags: record.flags,
                trigger_by: record.trigger_by,
                peg: record.peg,
                trail_bps: record.trail_bps,
                trigger_price: record.last_price,
                display_quantity: record.displayed_quantity,
                min_quantity: record.quantity,
                expire_time_ns: record.time_ns,
                peg_offset: record.amount_lo as i64,
                limit_price: record.price,
            }),
        ),
        event_kind::ORDER_LIST_STATUS => put(
            out,
            &report!(OrderListStatus, record, envelope, {
                list_id: record.counter_order_id,
                instrument_id: record.instrument_id,
                contingency: record.detail,
                list_status: record.status,
            }),
        ),
        event_kind::MASS_CANCELED => put(
            out,
            &report!(MassCancelResult, record, envelope, {
                instrument_id: record.instrument_id,
                side: record.side,
                count: record.count,
            }),
        ),
        event_kind::POSTED => put(
            out,
            &report!(BalanceChanged, record, envelope, {
                asset_id: record.asset_id,
                amount: amount_from_halves(record.amount_lo, record.amount_hi),
                total: amount_from_halves(record.total_lo, record.total_hi),
                held: amount_from_halves(record.held_lo, record.held_hi),
            }),
        ),
        event_kind::CANCEL_ALL_AFTER_SET => {
            put(out, &report!(CancelAllAfterSet, record, envelope, { deadline_ns: record.time_ns, }));
        }
        event_kind::KILL_SWITCH_SET => put(
            out,
            &report!(KillSwitchSet, record, envelope, {
                key_id: record.key_id,
                engaged: record.flags,
                count: record.count,
            }),
        ),
        event_kind::TRADE_CORRECTED => put(
            out,
            &report!(TradeCorrected, record, envelope, {
                trade_id: record.trade_id,
                instrument_id: record.instrument_id,
                side: if record.account_id == account_id { 1 } else { 2 },
                price: record.price,
                new_price: record.last_price,
                quantity: record.quantity,
            }),
        ),
        _ => {}
    }
}

#[inline]
fn put_execution(out: &mut Vec<u8>, record: &EventRecord, envelope: Envelope) {
    match ExecType::from_u8(record.exec_type) {
        Some(ExecType::New) => put_order!(out, OrderAccepted, record, envelope, {}),
        Some(ExecType::Trade) => put_order!(out, Fill, record, envelope, {
            trade_id: record.trade_id,
            last_price: record.last_price,
            last_quantity: record.last_quantity,
            last_notional: amount_from_halves(record.last_notional_lo, record.last_notional_hi),
            fee: amount_from_halves(record.fee_lo, record.fee_hi),
            liquidity: record.liquidity,
        }),
        Some(ExecType::Canceled) => put_order!(out, OrderCanceled, record, envelope, {}),
        Some(ExecType::Replaced) => put_order!(out, OrderReplaced, record, envelope, {}),
        Some(ExecType::Restated) => put_order!(out, OrderRestated, record, envelope, {}),
        Some(ExecType::Triggered) => put_order!(out, OrderTriggered, record, envelope, {}),
        Some(ExecType::Expired) => put_order!(out, OrderExpired, record, envelope, {}),
        None => debug_assert!(false, "the engine makes no other"),
    }
}

const _: () = assert!(FLAGS_AT < HEADER + OrderListStatus::SIZE);
