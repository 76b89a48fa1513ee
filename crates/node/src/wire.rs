//! The records that cross every boundary: flat COMMAND and EVENT records, and the compact encoding of commands.
//!
//! * A COMMAND record is fixed-size and holds the frequent commands (kinds 1 to 6); it is what the batch door takes.
//! * An EVENT record is fixed-size and holds every event; it is what every reader gets.
//! * The encoding of a command is short, self-delimiting and holds every command; the journal's payload is one.
//!
//! Invariants: everything is little-endian; a record is naturally aligned and has no padding that is not a field;
//! a field that a kind does not use is 0, and a reader refuses it otherwise; decoding what was encoded gives the same
//! value; decoding anything else gives a [`WireError`], never a panic.

use std::fmt;
use std::mem::{offset_of, size_of};

use beurs_engine::command::{
    CancelOrder, Command, Deposit, KillScope, MassCancel, NewOrder, Note, ReplaceOrder, Terms, Withdraw,
};
use beurs_engine::event::{
    AccountGroupSet, AccountOpened, Administered, AssetAdded, AuctionEnded, AuctionIndication, CancelAllAfterSet,
    Event, EventSink, ExecutionReport, FeesSet, InstrumentListed, KillSwitchSet, LimitStateSet, MarkPriceSet,
    MassCanceled, OrderListStatus, OrderTerms, Posted, Rejected, SettingChanged, TimeAdvanced, TradeCorrected,
    TradingStatusSet,
};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, CancelReason, Contingency, ExecType, GroupId, InstrumentId, KeyId, Liquidity, ListId,
    ListStatus, Lots, MassCancelReason, OrderId, OrderStatus, OrderType, Peg, PriceTicks, SelfTradePrevention, Setting,
    ShortText, Side, StatusReason, TimeInForce, TradeId, TradingStatus, TriggerBy,
};

mod encoding;

pub use encoding::{
    check_all_encodable, check_encodable, decode_command, decode_commands, decode_one_command, encode_command,
    encode_command_into, MAX_ENCODED_COMMAND, MAX_LIST_ORDERS,
};

#[cfg(target_endian = "big")]
compile_error!("records are written as they stand in memory: little-endian machines only");

/// Bytes that are not a record or an encoded command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireError {
    /// Which command of the input, from 0.
    pub index: usize,
    /// Which field is wrong.
    pub field: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl WireError {
    const fn new(field: &'static str, rule: &'static str) -> Self {
        Self { index: 0, field, rule }
    }

    const fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {}: {}: {}", self.index, self.field, self.rule)
    }
}

impl std::error::Error for WireError {}

/// A type that a record's field may have.
trait Field {
    /// NumPy's name of it.
    const NUMPY: &'static str;
}

macro_rules! field {
    ($($ty:ty => $numpy:literal),+) => { $(impl Field for $ty { const NUMPY: &'static str = $numpy; })+ };
}
field!(u8 => "u1", u16 => "<u2", u32 => "<u4", u64 => "<u8", i32 => "<i4", i64 => "<i8", [u8; 32] => "S32", [u8; 36] => "S36");

macro_rules! record {
    ($(#[doc = $doc:literal])+ $name:ident, $size:ident, $fields:ident, $docs:ident { $(#[doc = $fdoc:literal] $field:ident: $ty:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(C)]
        pub struct $name {
            $(#[doc = $fdoc] pub $field: $ty,)+
        }

        #[doc = concat!("The size of a [`", stringify!($name), "`] in bytes.")]
        pub const $size: usize = size_of::<$name>();
        #[doc = concat!("The fields of a [`", stringify!($name), "`]: name, NumPy type, offset.")]
        pub const $fields: &[(&str, &str, usize)] =
            &[$((stringify!($field), <$ty as Field>::NUMPY, offset_of!($name, $field)),)+];
        #[doc = concat!("What the fields of a [`", stringify!($name), "`] mean, in the same order.")]
        pub const $docs: &[&str] = &[$($fdoc,)+];

        // No padding: the fields fill the record, so all of its bytes are initialised and can be read as bytes.
        const _: () = assert!($size == 0 $(+ size_of::<$ty>())+ && $size % 8 == 0);

        impl $name {
            /// All fields 0.
            pub const ZERO: Self = {
                // SAFETY: every field is an integer or an array of them, for which all zero bits are a value.
                unsafe { std::mem::zeroed() }
            };

            /// The bytes of the record.
            #[inline]
            pub fn as_bytes(&self) -> &[u8; $size] {
                // SAFETY: the record is repr(C) without padding, asserted above, so every byte is initialised.
                unsafe { &*std::ptr::from_ref(self).cast() }
            }

            /// The record that these bytes are.
            #[inline]
            pub fn from_bytes(bytes: &[u8; $size]) -> Self {
                // SAFETY: every bit pattern is a record; the read does not need alignment.
                unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
            }

            /// The record that these bytes are; panics if they are not of its size.
            #[inline]
            fn from_slice(bytes: &[u8]) -> Self {
                assert_eq!(bytes.len(), $size);
                // SAFETY: the size was just checked; every bit pattern is a record; the read does not need alignment.
                unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
            }

            /// The bytes of many records.
            #[inline]
            pub fn slice_as_bytes(records: &[Self]) -> &[u8] {
                // SAFETY: as in `as_bytes`; an array has no padding between its elements.
                unsafe { std::slice::from_raw_parts(records.as_ptr().cast(), size_of_val(records)) }
            }
        }
    };
}

record!(
    /// One frequent command, flat. Fields that the kind does not use are 0. Orders with terms, and replaces of a trigger
    /// price or a display quantity, do not fit it and go one by one.
    CommandRecord, COMMAND_SIZE, COMMAND_FIELDS, COMMAND_DOCS {
        /// 1 NewOrder, 2 CancelOrder, 3 ReplaceOrder, 4 MassCancel, 5 Deposit, 6 Withdraw
        kind: u8,
        /// 1 buy, 2 sell; a mass cancel of both sides 0
        side: u8,
        /// 1 limit, 2 market, 3 stop, 4 stop_limit, 5 take_profit, 6 take_profit_limit, 7 market_to_limit
        order_type: u8,
        /// 1 gtc, 2 ioc, 3 fok, 4 gtd, 5 day
        time_in_force: u8,
        /// 0 or 1
        post_only: u8,
        /// 0 none, 1 expire_taker, 2 expire_maker, 3 expire_both, 4 decrement
        self_trade_prevention: u8,
        /// NewOrder: the key that it was sent with, or 0
        key_id: u16,
        /// the account, of every kind
        account_id: u32,
        /// NewOrder; MassCancel, where 0 is all
        instrument_id: u32,
        /// Deposit, Withdraw
        asset_id: u32,
        /// the client's id: of the new order, of the order to cancel, or the new one of a replaced order
        client_order_id: [u8; 36],
        /// CancelOrder, ReplaceOrder: the order, or 0
        order_id: u64,
        /// in ticks: NewOrder, ReplaceOrder
        price: i64,
        /// in lots: NewOrder, ReplaceOrder
        quantity: i64,
        /// low half of the amount in the smallest unit: a Deposit's, a Withdraw's, or a NewOrder's quote_quantity
        amount_lo: u64,
        /// high half of it
        amount_hi: i64,
        /// ReplaceOrder: the present client_order_id of the order, or empty
        original_client_order_id: [u8; 36],
        /// MassCancel: 0 requested, 1 disconnected
        mass_cancel_reason: u8,
        /// 0
        reserved_1: u8,
        /// 0
        reserved_2: u16,
    }
);

record!(
    /// One event, flat. Fields that the kind does not use are 0.
    EventRecord, EVENT_SIZE, EVENT_FIELDS, EVENT_DOCS {
        /// of the command that caused it
        sequence: u64,
        /// of the command that caused it: nanoseconds since 1970 UTC
        event_time_ns: i64,
        /// 1 Execution, 2 Rejected, 3 MassCanceled, 4 Posted, 5 AssetAdded, 6 InstrumentListed, 7 AccountOpened, 8 AccountGroupSet, 9 FeesSet, 10 TradingStatusSet, 11 Terms, 12 OrderListStatus, 13 AuctionIndication, 14 AuctionEnded, 15 LimitStateSet, 16 CancelAllAfterSet, 17 TimeAdvanced, 18 MarkPriceSet, 19 KillSwitchSet, 20 SettingChanged, 21 TradeCorrected, 22 Administered
        kind: u8,
        /// Execution: 1 new, 2 trade, 3 canceled, 4 replaced, 5 restated, 6 triggered, 7 expired
        exec_type: u8,
        /// Execution: 1 new, 2 partially_filled, 3 filled, 4 canceled, 5 expired; OrderListStatus: 1 executing, 2 all_done
        status: u8,
        /// Execution, MassCanceled, LimitStateSet: 1 buy, 2 sell
        side: u8,
        /// Execution: 1 limit, 2 market, 3 stop, 4 stop_limit, 5 take_profit, 6 take_profit_limit, 7 market_to_limit
        order_type: u8,
        /// Execution: 1 gtc, 2 ioc, 3 fok, 4 gtd, 5 day
        time_in_force: u8,
        /// Execution: 0 or 1
        post_only: u8,
        /// Execution: 0 none, 1 expire_taker, 2 expire_maker, 3 expire_both, 4 decrement
        self_trade_prevention: u8,
        /// Execution: 0 none, 1 requested, 2 mass_cancel, 3 immediate_or_cancel, 4 fill_or_kill, 5 no_liquidity, 6 self_trade, 7 expired, 8 end_of_day, 9 order_list, 10 minimum_quantity, 11 price_band, 12 auction_ended, 13 insufficient_funds, 14 disconnected, 15 cancel_all_after, 16 kill_switch, 17 refused
        cancel_reason: u8,
        /// Execution: 0 none, 1 maker, 2 taker, 3 auction
        liquidity: u8,
        /// TradingStatusSet: 1 open, 2 post_only, 3 cancel_only, 4 halted, 5 auction, 6 pre_open, 7 closed
        trading_status: u8,
        /// AssetAdded: the asset's decimals
        scale: u8,
        /// Rejected: the number of the reason; TradingStatusSet: 1 requested, 2 schedule, 3 price_band, 4 trigger_cascade, 5 limit_state, 6 auction_end, 7 quarantined
        reason: u16,
        /// AccountOpened, AccountGroupSet, FeesSet, KillSwitchSet, SettingChanged
        group_id: u16,
        /// Execution, Rejected, MassCanceled, Posted, AccountOpened, AccountGroupSet, Terms, OrderListStatus, CancelAllAfterSet, KillSwitchSet, SettingChanged; TradeCorrected: who bought
        account_id: u32,
        /// Execution, Rejected, MassCanceled, InstrumentListed, FeesSet, TradingStatusSet, Terms, OrderListStatus, AuctionIndication, AuctionEnded, LimitStateSet, MarkPriceSet, KillSwitchSet, SettingChanged, TradeCorrected
        instrument_id: u32,
        /// Posted, AssetAdded
        asset_id: u32,
        /// MassCanceled, KillSwitchSet: how many orders; TimeAdvanced: how many timers
        count: u32,
        /// FeesSet
        maker_ppm: i32,
        /// FeesSet
        taker_ppm: i32,
        /// Execution, KillSwitchSet, SettingChanged: the key, or 0
        key_id: u16,
        /// Terms: how far it trails, in basis points
        trail_bps: u16,
        /// Terms: 0 last, 1 best, 2 mark
        trigger_by: u8,
        /// Terms: 0 none, 1 primary, 2 market
        peg: u8,
        /// sum of bits; Terms: 1 hidden, 2 auction_only, 4 slide, 8 waits; KillSwitchSet: 1 engaged
        flags: u8,
        /// OrderListStatus: 1 oco, 2 oto, 3 otoco; KillSwitchSet: 1 all, 2 instrument, 3 group, 4 account, 5 key; SettingChanged: the number of the command
        detail: u8,
        /// Execution, Rejected, Terms
        order_id: u64,
        /// Execution of a trade, TradeCorrected
        trade_id: u64,
        /// Execution of a trade: the other order; Terms, OrderListStatus: the order list; TradeCorrected: the account who sold
        counter_order_id: u64,
        /// in ticks; Execution: the order's limit; Terms: the worst price of a pegged order; AuctionIndication, AuctionEnded, MarkPriceSet: the price; TradeCorrected: the price so far
        price: i64,
        /// in lots; Execution: what of it the book shows; Terms: how much is shown at one time, 0 for all
        displayed_quantity: i64,
        /// nanoseconds since 1970 UTC, or 0; Terms: when the order expires; TradingStatusSet: when the auction ends; CancelAllAfterSet: when it cancels
        time_ns: i64,
        /// in lots; Execution: the order's total; Terms: the minimum quantity; TradeCorrected: the trade's
        quantity: i64,
        /// Execution: in lots
        filled_quantity: i64,
        /// Execution: in lots
        leaves_quantity: i64,
        /// in ticks; Execution of a trade: its price; Terms: the trigger price; TradeCorrected: the price that holds, 0 if busted
        last_price: i64,
        /// Execution of a trade: in lots
        last_quantity: i64,
        /// Execution: low half, in the quote asset's smallest unit
        quote_quantity_lo: u64,
        /// high half of it
        quote_quantity_hi: i64,
        /// Execution: what is held for the order; low half
        hold_lo: u64,
        /// high half of it
        hold_hi: i64,
        /// Execution of a trade: price × quantity in the quote asset's smallest unit; low half
        last_notional_lo: u64,
        /// high half of it
        last_notional_hi: i64,
        /// Execution of a trade: what this side pays in the quote asset's smallest unit; low half
        fee_lo: u64,
        /// high half of it
        fee_hi: i64,
        /// low half; Posted: by how much the balance changed; AuctionIndication, AuctionEnded: the volume in lots; Terms: the peg offset in ticks; Administered: characters 37 to 44 of the reason
        amount_lo: u64,
        /// high half of it; Administered: characters 45 to 52
        amount_hi: i64,
        /// low half; Posted: the balance's total after it; AuctionIndication: the imbalance in lots; Administered: characters 53 to 60 of the reason
        total_lo: u64,
        /// high half of it; Administered: characters 61 to 64
        total_hi: i64,
        /// Posted: the balance's held part after it; low half
        held_lo: u64,
        /// high half of it
        held_hi: i64,
        /// Execution, Rejected; Administered: the first 36 characters of the reason
        client_order_id: [u8; 36],
        /// AssetAdded, AccountOpened: the code; InstrumentListed: the symbol; Administered: the actor
        code: [u8; 32],
        /// the event's place among those of its command, from 0; with the sequence it names the event
        event_index: u32,
    }
);

/// The numbers of commands in records and in the journal.
pub mod command_kind {
    #![allow(missing_docs)] // The names are those of the commands.
    pub const NEW_ORDER: u8 = 1;
    pub const CANCEL_ORDER: u8 = 2;
    pub const REPLACE_ORDER: u8 = 3;
    pub const MASS_CANCEL: u8 = 4;
    pub const DEPOSIT: u8 = 5;
    pub const WITHDRAW: u8 = 6;
    pub const CANCEL_REPLACE: u8 = 7;
    pub const NEW_ORDER_LIST: u8 = 8;
    pub const CANCEL_ALL_AFTER: u8 = 9;
    pub const ADVANCE_TIME: u8 = 10;
    pub const ADD_ASSET: u8 = 16;
    pub const LIST_INSTRUMENT: u8 = 17;
    pub const OPEN_ACCOUNT: u8 = 18;
    pub const SET_ACCOUNT_GROUP: u8 = 19;
    pub const SET_FEES: u8 = 20;
    pub const SET_TRADING_STATUS: u8 = 21;
    pub const SET_MARK_PRICE: u8 = 22;
    pub const SET_INSTRUMENT_GROUP: u8 = 23;
    pub const SET_MATCHING: u8 = 24;
    pub const SET_LEAD_MARKET_MAKER: u8 = 25;
    pub const SET_PRICE_BANDS: u8 = 26;
    pub const SET_FEATURES: u8 = 27;
    pub const SET_SCHEDULE: u8 = 28;
    pub const SET_RANDOM_SEED: u8 = 29;
    pub const SET_RISK_LIMITS: u8 = 30;
    pub const SET_ACCOUNT_MODE: u8 = 31;
    pub const KILL_SWITCH: u8 = 32;
    pub const SET_TRADE_GROUP: u8 = 33;
    pub const SET_FEE_TIER: u8 = 34;
    pub const SET_FEE_PROMOTION: u8 = 35;
    pub const SET_FEE_CAP: u8 = 36;
    pub const BUST_TRADE: u8 = 37;
    pub const ADJUST_TRADE: u8 = 38;
    pub const COMMAND_FAILED: u8 = 62;
    pub const ADMINISTER: u8 = 63;
}

/// The bits of an EVENT record's flags.
const HIDDEN: u8 = 1;
const AUCTION_ONLY: u8 = 2;
const SLIDE: u8 = 4;
const WAITS: u8 = 8;
const ENGAGED: u8 = 1;

/// The numbers of events in records.
pub mod event_kind {
    #![allow(missing_docs)] // The names are those of the events.
    pub const EXECUTION: u8 = 1;
    pub const REJECTED: u8 = 2;
    pub const MASS_CANCELED: u8 = 3;
    pub const POSTED: u8 = 4;
    pub const ASSET_ADDED: u8 = 5;
    pub const INSTRUMENT_LISTED: u8 = 6;
    pub const ACCOUNT_OPENED: u8 = 7;
    pub const ACCOUNT_GROUP_SET: u8 = 8;
    pub const FEES_SET: u8 = 9;
    pub const TRADING_STATUS_SET: u8 = 10;
    pub const TERMS: u8 = 11;
    pub const ORDER_LIST_STATUS: u8 = 12;
    pub const AUCTION_INDICATION: u8 = 13;
    pub const AUCTION_ENDED: u8 = 14;
    pub const LIMIT_STATE_SET: u8 = 15;
    pub const CANCEL_ALL_AFTER_SET: u8 = 16;
    pub const TIME_ADVANCED: u8 = 17;
    pub const MARK_PRICE_SET: u8 = 18;
    pub const KILL_SWITCH_SET: u8 = 19;
    pub const SETTING_CHANGED: u8 = 20;
    pub const TRADE_CORRECTED: u8 = 21;
    pub const ADMINISTERED: u8 = 22;
}

#[inline]
const fn lo(amount: i128) -> u64 {
    amount as u64
}

#[inline]
const fn hi(amount: i128) -> i64 {
    (amount >> 64) as i64
}

/// The amount whose halves these are.
#[inline]
pub const fn amount_from_halves(lo: u64, hi: i64) -> i128 {
    ((hi as i128) << 64) | lo as i128
}

const MUST_BE_ZERO: &str = "must be 0 for this kind of command";
const NOT_A_VALUE: &str = "is not one of the values of this field";
const NOT_WHOLE: &str = "the bytes must be a whole number of COMMAND records";
const NOT_A_TEXT: &str = "must be printable ASCII without spaces, padded with zero bytes";

/// Whether all bytes are 0. Compiled to a few vector instructions, where a comparison would be a call.
#[inline]
fn blank(bytes: &[u8; 36]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

#[inline]
fn must_be_zero(zero: bool, field: &'static str) -> Result<(), WireError> {
    if zero {
        Ok(())
    } else {
        Err(WireError::new(field, MUST_BE_ZERO))
    }
}

#[inline]
fn value<T>(value: Option<T>, field: &'static str) -> Result<T, WireError> {
    value.ok_or(WireError::new(field, NOT_A_VALUE))
}

#[inline]
fn flag(number: u8, field: &'static str) -> Result<bool, WireError> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::new(field, NOT_A_VALUE)),
    }
}

#[inline]
fn optional_side(number: u8) -> Result<Option<Side>, WireError> {
    match number {
        0 => Ok(None),
        number => value(Side::from_u8(number), "side").map(Some),
    }
}

#[inline]
fn text<const N: usize>(bytes: &[u8; N], field: &'static str) -> Result<ShortText<N>, WireError> {
    ShortText::from_padded(bytes).ok_or(WireError::new(field, NOT_A_TEXT))
}

impl CommandRecord {
    /// The record of a command; `None` for kinds that have no record (7 and up), for an order with terms, and for a
    /// replace of a trigger price or a display quantity.
    pub fn from_command(command: &Command) -> Option<Self> {
        let mut record = Self::ZERO;
        match command {
            Command::NewOrder(order) if order.terms.is_none() => {
                record.kind = command_kind::NEW_ORDER;
                record.side = order.side as u8;
                record.order_type = order.order_type as u8;
                record.time_in_force = order.time_in_force as u8;
                record.post_only = u8::from(order.post_only);
                record.self_trade_prevention = order.self_trade_prevention as u8;
                record.account_id = order.account_id.0;
                record.instrument_id = order.instrument_id.0;
                record.key_id = order.key_id.0;
                record.client_order_id = *order.client_order_id.padded();
                record.price = order.price.0;
                record.quantity = order.quantity.0;
                record.set_amount(order.quote_quantity);
            }
            Command::CancelOrder(cancel) => {
                record.kind = command_kind::CANCEL_ORDER;
                record.account_id = cancel.account_id.0;
                record.order_id = cancel.order_id.0;
                record.client_order_id = *cancel.client_order_id.padded();
            }
            Command::ReplaceOrder(replace) if replace.trigger_price.0 == 0 && replace.display_quantity.0 == 0 => {
                record.kind = command_kind::REPLACE_ORDER;
                record.account_id = replace.account_id.0;
                record.order_id = replace.order_id.0;
                record.original_client_order_id = *replace.original_client_order_id.padded();
                record.client_order_id = *replace.client_order_id.padded();
                record.price = replace.price.0;
                record.quantity = replace.quantity.0;
            }
            Command::MassCancel(cancel) => {
                record.kind = command_kind::MASS_CANCEL;
                record.account_id = cancel.account_id.0;
                record.instrument_id = cancel.instrument_id.0;
                record.side = cancel.side.map_or(0, |side| side as u8);
                record.mass_cancel_reason = cancel.reason as u8;
            }
            Command::Deposit(deposit) => {
                record.kind = command_kind::DEPOSIT;
                record.account_id = deposit.account_id.0;
                record.asset_id = deposit.asset_id.0;
                record.set_amount(deposit.amount);
            }
            Command::Withdraw(withdraw) => {
                record.kind = command_kind::WITHDRAW;
                record.account_id = withdraw.account_id.0;
                record.asset_id = withdraw.asset_id.0;
                record.set_amount(withdraw.amount);
            }
            _ => return None,
        }
        Some(record)
    }

    /// The command of the record.
    ///
    /// # Errors
    /// A field that is not a value of its type, or that the kind does not use and is not 0.
    #[inline(always)] // A call would copy the command on its way.
    pub fn to_command(&self) -> Result<Command, WireError> {
        must_be_zero(self.reserved_1 == 0, "reserved_1")?;
        must_be_zero(self.reserved_2 == 0, "reserved_2")?;
        let account_id = AccountId(self.account_id);
        if self.kind == command_kind::NEW_ORDER {
            must_be_zero(self.asset_id == 0, "asset_id")?;
            must_be_zero(self.order_id == 0, "order_id")?;
            must_be_zero(self.mass_cancel_reason == 0, "mass_cancel_reason")?;
            must_be_zero(blank(&self.original_client_order_id), "original_client_order_id")?;
            return Ok(Command::NewOrder(NewOrder {
                account_id,
                instrument_id: InstrumentId(self.instrument_id),
                side: value(Side::from_u8(self.side), "side")?,
                order_type: value(OrderType::from_u8(self.order_type), "order_type")?,
                time_in_force: value(TimeInForce::from_u8(self.time_in_force), "time_in_force")?,
                post_only: flag(self.post_only, "post_only")?,
                self_trade_prevention: value(
                    SelfTradePrevention::from_u8(self.self_trade_prevention),
                    "self_trade_prevention",
                )?,
                price: PriceTicks(self.price),
                quantity: Lots(self.quantity),
                quote_quantity: self.amount(),
                client_order_id: text(&self.client_order_id, "client_order_id")?,
                key_id: KeyId(self.key_id),
                terms: None,
            }));
        }
        let (side, instrument, asset, order, terms, amount, client_id, original) = match self.kind {
            command_kind::CANCEL_ORDER => (false, false, false, true, false, false, true, false),
            command_kind::REPLACE_ORDER => (false, false, false, true, true, false, true, true),
            command_kind::MASS_CANCEL => (true, true, false, false, false, false, false, false),
            command_kind::DEPOSIT | command_kind::WITHDRAW => (false, false, true, false, false, true, false, false),
            _ => return Err(WireError::new("kind", NOT_A_VALUE)),
        };
        let mass_cancel = self.kind == command_kind::MASS_CANCEL;
        must_be_zero(self.key_id == 0, "key_id")?;
        must_be_zero(self.order_type == 0, "order_type")?;
        must_be_zero(self.time_in_force == 0, "time_in_force")?;
        must_be_zero(self.post_only == 0, "post_only")?;
        must_be_zero(self.self_trade_prevention == 0, "self_trade_prevention")?;
        must_be_zero(side || self.side == 0, "side")?;
        must_be_zero(mass_cancel || self.mass_cancel_reason == 0, "mass_cancel_reason")?;
        must_be_zero(instrument || self.instrument_id == 0, "instrument_id")?;
        must_be_zero(asset || self.asset_id == 0, "asset_id")?;
        must_be_zero(order || self.order_id == 0, "order_id")?;
        must_be_zero(terms || self.price == 0, "price")?;
        must_be_zero(terms || self.quantity == 0, "quantity")?;
        must_be_zero(amount || self.amount_lo == 0, "amount_lo")?;
        must_be_zero(amount || self.amount_hi == 0, "amount_hi")?;
        must_be_zero(client_id || blank(&self.client_order_id), "client_order_id")?;
        must_be_zero(original || blank(&self.original_client_order_id), "original_client_order_id")?;
        Ok(match self.kind {
            command_kind::CANCEL_ORDER => Command::CancelOrder(CancelOrder {
                account_id,
                order_id: OrderId(self.order_id),
                client_order_id: text(&self.client_order_id, "client_order_id")?,
            }),
            command_kind::REPLACE_ORDER => Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id: OrderId(self.order_id),
                original_client_order_id: text(&self.original_client_order_id, "original_client_order_id")?,
                client_order_id: text(&self.client_order_id, "client_order_id")?,
                price: PriceTicks(self.price),
                quantity: Lots(self.quantity),
                trigger_price: PriceTicks(0),
                display_quantity: Lots::ZERO,
            }),
            command_kind::MASS_CANCEL => Command::MassCancel(MassCancel {
                account_id,
                instrument_id: InstrumentId(self.instrument_id),
                side: optional_side(self.side)?,
                reason: value(MassCancelReason::from_u8(self.mass_cancel_reason), "mass_cancel_reason")?,
            }),
            command_kind::DEPOSIT => {
                Command::Deposit(Deposit { account_id, asset_id: AssetId(self.asset_id), amount: self.amount() })
            }
            _ => Command::Withdraw(Withdraw { account_id, asset_id: AssetId(self.asset_id), amount: self.amount() }),
        })
    }

    /// Checks an array of COMMAND records.
    ///
    /// # Errors
    /// The first record that is not a command, by its index.
    pub fn check_all(bytes: &[u8]) -> Result<(), WireError> {
        Self::for_each(bytes, drop)
    }

    /// Gives the command of each record, up to the first that is none.
    #[inline]
    pub(crate) fn for_each(bytes: &[u8], mut give: impl FnMut(Command)) -> Result<(), WireError> {
        let count = bytes.len() / COMMAND_SIZE;
        if bytes.len() % COMMAND_SIZE != 0 {
            return Err(WireError::new("record", NOT_WHOLE).at(count));
        }
        if bytes.as_ptr().cast::<Self>().is_aligned() {
            // SAFETY: the pointer is aligned, the length is that of `count` records, every bit pattern is a record.
            let records = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<Self>(), count) };
            for (index, record) in records.iter().enumerate() {
                give(record.to_command().map_err(|error| error.at(index))?);
            }
        } else {
            for (index, record) in bytes.chunks_exact(COMMAND_SIZE).enumerate() {
                give(Self::from_slice(record).to_command().map_err(|error| error.at(index))?);
            }
        }
        Ok(())
    }

    #[inline]
    fn set_amount(&mut self, amount: Amount) {
        self.amount_lo = lo(amount.0);
        self.amount_hi = hi(amount.0);
    }

    #[inline]
    fn amount(&self) -> Amount {
        Amount(amount_from_halves(self.amount_lo, self.amount_hi))
    }
}

/// Appends the commands of an array of COMMAND records to `out`.
///
/// # Errors
/// The first record that is not a command, by its index; `out` is then as before.
pub fn decode_command_records(bytes: &[u8], out: &mut Vec<Command>) -> Result<(), WireError> {
    let before = out.len();
    out.reserve(bytes.len() / COMMAND_SIZE);
    let decoded = CommandRecord::for_each(bytes, |command| out.push(command));
    if decoded.is_err() {
        out.truncate(before);
    }
    decoded
}

// ---------------------------------------------------------------------------------------------------------------------
// Events.

fn padded<const N: usize, const M: usize>(text: &ShortText<N>) -> [u8; M] {
    const { assert!(N <= M) };
    let mut bytes = [0; M];
    bytes[..N].copy_from_slice(text.padded());
    bytes
}

fn unpadded<const N: usize, const M: usize>(bytes: &[u8; M]) -> Option<ShortText<N>> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(M);
    ShortText::new(&bytes[..end])
}

impl EventRecord {
    /// The record of an event.
    #[inline]
    pub fn new(sequence: u64, event_time_ns: i64, event_index: u32, event: &Event) -> Self {
        let mut record = Self::ZERO;
        record.set(sequence, event_time_ns, event_index, event);
        record
    }

    /// The record of the most frequent event. Every field is named, so that none is written twice.
    #[inline]
    fn execution(sequence: u64, event_time_ns: i64, event_index: u32, report: &ExecutionReport) -> Self {
        Self {
            sequence,
            event_time_ns,
            kind: event_kind::EXECUTION,
            exec_type: report.exec_type as u8,
            status: report.status as u8,
            side: report.side as u8,
            order_type: report.order_type as u8,
            time_in_force: report.time_in_force as u8,
            post_only: u8::from(report.post_only),
            self_trade_prevention: report.self_trade_prevention as u8,
            cancel_reason: report.cancel_reason as u8,
            liquidity: report.liquidity as u8,
            trading_status: 0,
            scale: 0,
            reason: 0,
            group_id: 0,
            account_id: report.account_id.0,
            instrument_id: report.instrument_id.0,
            asset_id: 0,
            count: 0,
            maker_ppm: 0,
            taker_ppm: 0,
            key_id: report.key_id.0,
            trail_bps: 0,
            trigger_by: 0,
            peg: 0,
            flags: 0,
            detail: 0,
            order_id: report.order_id.0,
            trade_id: report.trade_id.0,
            counter_order_id: report.counter_order_id.0,
            price: report.price.0,
            displayed_quantity: report.displayed_quantity.0,
            time_ns: 0,
            quantity: report.quantity.0,
            filled_quantity: report.filled_quantity.0,
            leaves_quantity: report.leaves_quantity.0,
            last_price: report.last_price.0,
            last_quantity: report.last_quantity.0,
            quote_quantity_lo: lo(report.quote_quantity.0),
            quote_quantity_hi: hi(report.quote_quantity.0),
            hold_lo: lo(report.hold.0),
            hold_hi: hi(report.hold.0),
            last_notional_lo: lo(report.last_notional.0),
            last_notional_hi: hi(report.last_notional.0),
            fee_lo: lo(report.fee.0),
            fee_hi: hi(report.fee.0),
            amount_lo: 0,
            amount_hi: 0,
            total_lo: 0,
            total_hi: 0,
            held_lo: 0,
            held_hi: 0,
            event_index,
            client_order_id: *report.client_order_id.padded(),
            code: [0; 32],
        }
    }

    /// Fills in a record of zeros.
    #[inline]
    fn set(&mut self, sequence: u64, event_time_ns: i64, event_index: u32, event: &Event) {
        let record = self;
        record.sequence = sequence;
        record.event_time_ns = event_time_ns;
        record.event_index = event_index;
        match event {
            Event::Execution(report) => *record = Self::execution(sequence, event_time_ns, event_index, report),
            Event::Rejected(rejected) => {
                record.kind = event_kind::REJECTED;
                record.reason = rejected.reason as u16;
                record.account_id = rejected.account_id.0;
                record.instrument_id = rejected.instrument_id.0;
                record.order_id = rejected.order_id.0;
                record.client_order_id = *rejected.client_order_id.padded();
            }
            Event::MassCanceled(canceled) => {
                record.kind = event_kind::MASS_CANCELED;
                record.account_id = canceled.account_id.0;
                record.instrument_id = canceled.instrument_id.0;
                record.side = canceled.side.map_or(0, |side| side as u8);
                record.count = canceled.count;
            }
            Event::Posted(posted) => {
                record.kind = event_kind::POSTED;
                record.account_id = posted.account_id.0;
                record.asset_id = posted.asset_id.0;
                record.amount_lo = lo(posted.amount.0);
                record.amount_hi = hi(posted.amount.0);
                record.total_lo = lo(posted.total.0);
                record.total_hi = hi(posted.total.0);
                record.held_lo = lo(posted.held.0);
                record.held_hi = hi(posted.held.0);
            }
            Event::AssetAdded(added) => {
                record.kind = event_kind::ASSET_ADDED;
                record.asset_id = added.asset_id.0;
                record.scale = added.scale;
                record.code = padded(&added.code);
            }
            Event::InstrumentListed(listed) => {
                record.kind = event_kind::INSTRUMENT_LISTED;
                record.instrument_id = listed.instrument_id.0;
                record.code = padded(&listed.symbol);
            }
            Event::AccountOpened(opened) => {
                record.kind = event_kind::ACCOUNT_OPENED;
                record.account_id = opened.account_id.0;
                record.group_id = opened.group_id.0;
                record.code = padded(&opened.code);
            }
            Event::AccountGroupSet(set) => {
                record.kind = event_kind::ACCOUNT_GROUP_SET;
                record.account_id = set.account_id.0;
                record.group_id = set.group_id.0;
            }
            Event::FeesSet(set) => {
                record.kind = event_kind::FEES_SET;
                record.instrument_id = set.instrument_id.0;
                record.group_id = set.group_id.0;
                record.maker_ppm = set.maker_ppm;
                record.taker_ppm = set.taker_ppm;
            }
            Event::TradingStatusSet(set) => {
                record.kind = event_kind::TRADING_STATUS_SET;
                record.instrument_id = set.instrument_id.0;
                record.trading_status = set.status as u8;
                record.reason = u16::from(set.reason as u8);
                record.time_ns = set.end_time_ns;
            }
            Event::Terms(order) => record.set_terms(order),
            Event::OrderListStatus(list) => {
                record.kind = event_kind::ORDER_LIST_STATUS;
                record.counter_order_id = list.list_id.0;
                record.account_id = list.account_id.0;
                record.instrument_id = list.instrument_id.0;
                record.detail = list.contingency as u8;
                record.status = list.status as u8;
            }
            Event::AuctionIndication(indication) => {
                record.kind = event_kind::AUCTION_INDICATION;
                record.instrument_id = indication.instrument_id.0;
                record.price = indication.price.0;
                record.amount_lo = lo(indication.volume);
                record.amount_hi = hi(indication.volume);
                record.total_lo = lo(indication.imbalance);
                record.total_hi = hi(indication.imbalance);
            }
            Event::AuctionEnded(ended) => {
                record.kind = event_kind::AUCTION_ENDED;
                record.instrument_id = ended.instrument_id.0;
                record.price = ended.price.0;
                record.amount_lo = lo(ended.volume);
                record.amount_hi = hi(ended.volume);
            }
            Event::LimitStateSet(set) => {
                record.kind = event_kind::LIMIT_STATE_SET;
                record.instrument_id = set.instrument_id.0;
                record.side = set.side.map_or(0, |side| side as u8);
            }
            Event::CancelAllAfterSet(set) => {
                record.kind = event_kind::CANCEL_ALL_AFTER_SET;
                record.account_id = set.account_id.0;
                record.time_ns = set.deadline_ns;
            }
            Event::TimeAdvanced(advanced) => {
                record.kind = event_kind::TIME_ADVANCED;
                record.count = advanced.count;
            }
            Event::MarkPriceSet(set) => {
                record.kind = event_kind::MARK_PRICE_SET;
                record.instrument_id = set.instrument_id.0;
                record.price = set.price.0;
            }
            Event::KillSwitchSet(set) => {
                record.kind = event_kind::KILL_SWITCH_SET;
                record.set_kill_scope(set.scope);
                record.flags = if set.engaged { ENGAGED } else { 0 };
                record.count = set.count;
            }
            Event::SettingChanged(changed) => {
                record.kind = event_kind::SETTING_CHANGED;
                record.detail = changed.setting as u8;
                record.instrument_id = changed.instrument_id.0;
                record.account_id = changed.account_id.0;
                record.group_id = changed.group_id.0;
                record.key_id = changed.key_id.0;
            }
            Event::TradeCorrected(corrected) => {
                record.kind = event_kind::TRADE_CORRECTED;
                record.trade_id = corrected.trade_id.0;
                record.instrument_id = corrected.instrument_id.0;
                record.account_id = corrected.buyer.0;
                record.counter_order_id = u64::from(corrected.seller.0);
                record.price = corrected.price.0;
                record.last_price = corrected.new_price.0;
                record.quantity = corrected.quantity.0;
            }
            Event::Administered(administered) => {
                record.kind = event_kind::ADMINISTERED;
                record.code = padded(&administered.actor);
                record.set_note(&administered.reason);
            }
        }
    }

    fn set_terms(&mut self, order: &OrderTerms) {
        let terms = &order.terms;
        self.kind = event_kind::TERMS;
        self.order_id = order.order_id.0;
        self.account_id = order.account_id.0;
        self.instrument_id = order.instrument_id.0;
        self.counter_order_id = order.list_id.0;
        self.price = order.limit_price.0;
        self.last_price = terms.trigger_price.0;
        self.trigger_by = terms.trigger_by as u8;
        self.trail_bps = terms.trail_bps;
        self.displayed_quantity = terms.display_quantity.0;
        self.quantity = terms.min_quantity.0;
        self.time_ns = terms.expire_time_ns;
        self.peg = terms.peg as u8;
        self.amount_lo = lo(i128::from(terms.peg_offset));
        self.amount_hi = hi(i128::from(terms.peg_offset));
        let flags =
            [(terms.hidden, HIDDEN), (terms.auction_only, AUCTION_ONLY), (terms.slide, SLIDE), (order.waits, WAITS)];
        self.flags = flags.iter().map(|&(set, bit)| if set { bit } else { 0 }).sum();
    }

    fn to_terms(self) -> Result<OrderTerms, WireError> {
        let flags = value((self.flags < 2 * WAITS).then_some(self.flags), "flags")?;
        let peg_offset = amount_from_halves(self.amount_lo, self.amount_hi);
        Ok(OrderTerms {
            order_id: OrderId(self.order_id),
            account_id: AccountId(self.account_id),
            instrument_id: InstrumentId(self.instrument_id),
            list_id: ListId(self.counter_order_id),
            waits: flags & WAITS != 0,
            limit_price: PriceTicks(self.price),
            terms: Terms {
                trigger_price: PriceTicks(self.last_price),
                trigger_by: value(TriggerBy::from_u8(self.trigger_by), "trigger_by")?,
                trail_bps: self.trail_bps,
                display_quantity: Lots(self.displayed_quantity),
                hidden: flags & HIDDEN != 0,
                min_quantity: Lots(self.quantity),
                expire_time_ns: self.time_ns,
                auction_only: flags & AUCTION_ONLY != 0,
                slide: flags & SLIDE != 0,
                peg: value(Peg::from_u8(self.peg), "peg")?,
                peg_offset: value(i64::try_from(peg_offset).ok(), "amount")?,
            },
        })
    }

    fn set_kill_scope(&mut self, scope: KillScope) {
        match scope {
            KillScope::All => self.detail = 1,
            KillScope::Instrument(instrument_id) => {
                self.detail = 2;
                self.instrument_id = instrument_id.0;
            }
            KillScope::Group(group_id) => {
                self.detail = 3;
                self.group_id = group_id.0;
            }
            KillScope::Account(account_id) => {
                self.detail = 4;
                self.account_id = account_id.0;
            }
            KillScope::Key(account_id, key_id) => {
                self.detail = 5;
                self.account_id = account_id.0;
                self.key_id = key_id.0;
            }
        }
    }

    fn kill_scope(&self) -> Result<KillScope, WireError> {
        let account_id = AccountId(self.account_id);
        Ok(match self.detail {
            1 => KillScope::All,
            2 => KillScope::Instrument(InstrumentId(self.instrument_id)),
            3 => KillScope::Group(GroupId(self.group_id)),
            4 => KillScope::Account(account_id),
            5 => KillScope::Key(account_id, KeyId(self.key_id)),
            _ => return Err(WireError::new("detail", NOT_A_VALUE)),
        })
    }

    /// A note is longer than any text of a record: its end stands in the fields of amounts, as they lie in memory.
    fn set_note(&mut self, note: &Note) {
        let mut bytes = [0; 68];
        bytes[..note.as_str().len()].copy_from_slice(note.as_str().as_bytes());
        let word = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        self.client_order_id = std::array::from_fn(|i| bytes[i]);
        self.amount_lo = u64::from_le_bytes(word(36));
        self.amount_hi = i64::from_le_bytes(word(44));
        self.total_lo = u64::from_le_bytes(word(52));
        self.total_hi = i64::from_le_bytes(word(60));
    }

    fn note(&self) -> Option<Note> {
        let mut bytes = [0; 68];
        bytes[..36].copy_from_slice(&self.client_order_id);
        bytes[36..44].copy_from_slice(&self.amount_lo.to_le_bytes());
        bytes[44..52].copy_from_slice(&self.amount_hi.to_le_bytes());
        bytes[52..60].copy_from_slice(&self.total_lo.to_le_bytes());
        bytes[60..].copy_from_slice(&self.total_hi.to_le_bytes());
        let end = bytes.iter().position(|&byte| byte == 0)?;
        Note::new(&bytes[..end]).filter(|_| bytes[end..].iter().all(|&byte| byte == 0))
    }

    /// The event of the record.
    ///
    /// # Errors
    /// A field that is not a value of its type.
    pub fn to_event(&self) -> Result<Event, WireError> {
        let account_id = AccountId(self.account_id);
        let instrument_id = InstrumentId(self.instrument_id);
        let group_id = GroupId(self.group_id);
        let code_error = WireError::new("code", NOT_A_TEXT);
        Ok(match self.kind {
            event_kind::EXECUTION => Event::Execution(ExecutionReport {
                order_id: OrderId(self.order_id),
                client_order_id: text(&self.client_order_id, "client_order_id")?,
                account_id,
                instrument_id,
                exec_type: value(ExecType::from_u8(self.exec_type), "exec_type")?,
                status: value(OrderStatus::from_u8(self.status), "status")?,
                side: value(Side::from_u8(self.side), "side")?,
                order_type: value(OrderType::from_u8(self.order_type), "order_type")?,
                time_in_force: value(TimeInForce::from_u8(self.time_in_force), "time_in_force")?,
                post_only: flag(self.post_only, "post_only")?,
                self_trade_prevention: value(
                    SelfTradePrevention::from_u8(self.self_trade_prevention),
                    "self_trade_prevention",
                )?,
                cancel_reason: value(CancelReason::from_u8(self.cancel_reason), "cancel_reason")?,
                price: PriceTicks(self.price),
                quantity: Lots(self.quantity),
                quote_quantity: Amount(amount_from_halves(self.quote_quantity_lo, self.quote_quantity_hi)),
                filled_quantity: Lots(self.filled_quantity),
                leaves_quantity: Lots(self.leaves_quantity),
                hold: Amount(amount_from_halves(self.hold_lo, self.hold_hi)),
                trade_id: TradeId(self.trade_id),
                last_price: PriceTicks(self.last_price),
                last_quantity: Lots(self.last_quantity),
                last_notional: Amount(amount_from_halves(self.last_notional_lo, self.last_notional_hi)),
                fee: Amount(amount_from_halves(self.fee_lo, self.fee_hi)),
                liquidity: value(Liquidity::from_u8(self.liquidity), "liquidity")?,
                counter_order_id: OrderId(self.counter_order_id),
                key_id: KeyId(self.key_id),
                displayed_quantity: Lots(self.displayed_quantity),
            }),
            event_kind::REJECTED => Event::Rejected(Rejected {
                reason: value(RejectReason::from_u16(self.reason), "reason")?,
                account_id,
                instrument_id,
                order_id: OrderId(self.order_id),
                client_order_id: text(&self.client_order_id, "client_order_id")?,
            }),
            event_kind::MASS_CANCELED => Event::MassCanceled(MassCanceled {
                account_id,
                instrument_id,
                side: optional_side(self.side)?,
                count: self.count,
            }),
            event_kind::POSTED => Event::Posted(Posted {
                account_id,
                asset_id: AssetId(self.asset_id),
                amount: Amount(amount_from_halves(self.amount_lo, self.amount_hi)),
                total: Amount(amount_from_halves(self.total_lo, self.total_hi)),
                held: Amount(amount_from_halves(self.held_lo, self.held_hi)),
            }),
            event_kind::ASSET_ADDED => Event::AssetAdded(AssetAdded {
                asset_id: AssetId(self.asset_id),
                code: unpadded(&self.code).ok_or(code_error)?,
                scale: self.scale,
            }),
            event_kind::INSTRUMENT_LISTED => Event::InstrumentListed(InstrumentListed {
                instrument_id,
                symbol: unpadded(&self.code).ok_or(code_error)?,
            }),
            event_kind::ACCOUNT_OPENED => Event::AccountOpened(AccountOpened {
                account_id,
                code: unpadded(&self.code).ok_or(code_error)?,
                group_id,
            }),
            event_kind::ACCOUNT_GROUP_SET => Event::AccountGroupSet(AccountGroupSet { account_id, group_id }),
            event_kind::FEES_SET => Event::FeesSet(FeesSet {
                instrument_id,
                group_id,
                maker_ppm: self.maker_ppm,
                taker_ppm: self.taker_ppm,
            }),
            event_kind::TRADING_STATUS_SET => Event::TradingStatusSet(TradingStatusSet {
                instrument_id,
                status: value(TradingStatus::from_u8(self.trading_status), "trading_status")?,
                reason: value(u8::try_from(self.reason).ok().and_then(StatusReason::from_u8), "reason")?,
                end_time_ns: self.time_ns,
            }),
            event_kind::TERMS => Event::Terms(self.to_terms()?),
            event_kind::ORDER_LIST_STATUS => Event::OrderListStatus(OrderListStatus {
                list_id: ListId(self.counter_order_id),
                account_id,
                instrument_id,
                contingency: value(Contingency::from_u8(self.detail), "detail")?,
                status: value(ListStatus::from_u8(self.status), "status")?,
            }),
            event_kind::AUCTION_INDICATION => Event::AuctionIndication(AuctionIndication {
                instrument_id,
                price: PriceTicks(self.price),
                volume: amount_from_halves(self.amount_lo, self.amount_hi),
                imbalance: amount_from_halves(self.total_lo, self.total_hi),
            }),
            event_kind::AUCTION_ENDED => Event::AuctionEnded(AuctionEnded {
                instrument_id,
                price: PriceTicks(self.price),
                volume: amount_from_halves(self.amount_lo, self.amount_hi),
            }),
            event_kind::LIMIT_STATE_SET => {
                Event::LimitStateSet(LimitStateSet { instrument_id, side: optional_side(self.side)? })
            }
            event_kind::CANCEL_ALL_AFTER_SET => {
                Event::CancelAllAfterSet(CancelAllAfterSet { account_id, deadline_ns: self.time_ns })
            }
            event_kind::TIME_ADVANCED => Event::TimeAdvanced(TimeAdvanced { count: self.count }),
            event_kind::MARK_PRICE_SET => {
                Event::MarkPriceSet(MarkPriceSet { instrument_id, price: PriceTicks(self.price) })
            }
            event_kind::KILL_SWITCH_SET => Event::KillSwitchSet(KillSwitchSet {
                scope: self.kill_scope()?,
                engaged: flag(self.flags, "flags")?,
                count: self.count,
            }),
            event_kind::SETTING_CHANGED => Event::SettingChanged(SettingChanged {
                setting: value(Setting::from_u8(self.detail), "detail")?,
                instrument_id,
                account_id,
                group_id,
                key_id: KeyId(self.key_id),
            }),
            event_kind::TRADE_CORRECTED => Event::TradeCorrected(TradeCorrected {
                trade_id: TradeId(self.trade_id),
                instrument_id,
                buyer: account_id,
                seller: AccountId(value(u32::try_from(self.counter_order_id).ok(), "counter_order_id")?),
                price: PriceTicks(self.price),
                new_price: PriceTicks(self.last_price),
                quantity: Lots(self.quantity),
            }),
            event_kind::ADMINISTERED => Event::Administered(Administered {
                actor: unpadded(&self.code).ok_or(code_error)?,
                reason: self.note().ok_or(WireError::new("client_order_id", NOT_A_TEXT))?,
            }),
            _ => return Err(WireError::new("kind", "is not the number of an event")),
        })
    }
}

/// The EVENT records that these bytes are.
///
/// # Errors
/// A length that is not a whole number of records.
pub fn event_records(bytes: &[u8]) -> Result<Vec<EventRecord>, WireError> {
    if bytes.len() % EVENT_SIZE != 0 {
        let error = WireError::new("record", "the bytes must be a whole number of EVENT records");
        return Err(error.at(bytes.len() / EVENT_SIZE));
    }
    Ok(bytes.chunks_exact(EVENT_SIZE).map(EventRecord::from_slice).collect())
}

/// An [`EventSink`] that appends records to a vector. One sink serves one command.
pub struct RecordSink<'a> {
    out: &'a mut Vec<EventRecord>,
    sequence: u64,
    event_time_ns: i64,
    event_index: u32,
}

/// Makes room for so many records more, in large pages where the system has them: the first touch of small ones would
/// cost as much as a command each time.
pub fn reserve_records(records: &mut Vec<EventRecord>, additional: usize) {
    const LARGE_PAGE: usize = 2 << 20;
    records.reserve(additional);
    let room = records.spare_capacity_mut();
    let (start, bytes) = (room.as_mut_ptr() as usize, std::mem::size_of_val(room));
    let first = start.next_multiple_of(LARGE_PAGE);
    let last = (start + bytes) / LARGE_PAGE * LARGE_PAGE;
    if first < last {
        // SAFETY: advice about pages that lie wholly within the vector's own memory; it changes nothing they hold, and
        // it is no harm if it is refused.
        unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_HUGEPAGE) };
    }
}

impl<'a> RecordSink<'a> {
    /// A sink for the events of one command.
    #[inline]
    pub fn new(out: &'a mut Vec<EventRecord>, sequence: u64, event_time_ns: i64) -> Self {
        Self { out, sequence, event_time_ns, event_index: 0 }
    }
}

impl EventSink for RecordSink<'_> {
    #[inline]
    fn emit(&mut self, event: Event) {
        // In its place at once: to build it elsewhere and to copy it would cost as much again.
        self.out.reserve(1);
        let place = &mut self.out.spare_capacity_mut()[0];
        let (sequence, event_time_ns, event_index) = (self.sequence, self.event_time_ns, self.event_index);
        if let Event::Execution(report) = &event {
            place.write(EventRecord::execution(sequence, event_time_ns, event_index, report));
        } else {
            place.write(EventRecord::ZERO).set(sequence, event_time_ns, event_index, &event);
        }
        // SAFETY: the record behind the last one has just been written.
        unsafe { self.out.set_len(self.out.len() + 1) };
        self.event_index += 1;
    }
}

#[cfg(test)]
pub(crate) mod tests;
