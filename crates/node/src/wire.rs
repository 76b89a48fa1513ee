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
    AddAsset, CancelOrder, Command, Deposit, ListInstrument, MassCancel, NewOrder, OpenAccount, ReplaceOrder,
    SetAccountGroup, SetFees, SetTradingStatus, Withdraw,
};
use beurs_engine::event::{
    AccountGroupSet, AccountOpened, AssetAdded, Event, EventSink, ExecutionReport, FeesSet, InstrumentListed,
    MassCanceled, Posted, Rejected, TradingStatusSet,
};
use beurs_engine::reject::RejectReason;
use beurs_engine::types::{
    AccountId, Amount, AssetId, CancelReason, ExecType, GroupId, InstrumentId, Liquidity, Lots, OrderId, OrderStatus,
    OrderType, PriceTicks, SelfTradePrevention, ShortText, Side, Step, TimeInForce, TradeId, TradingStatus,
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
    /// One frequent command, flat. Fields that the kind does not use are 0.
    CommandRecord, COMMAND_SIZE, COMMAND_FIELDS, COMMAND_DOCS {
        /// 1 NewOrder, 2 CancelOrder, 3 ReplaceOrder, 4 MassCancel, 5 Deposit, 6 Withdraw
        kind: u8,
        /// 1 buy, 2 sell; a mass cancel of both sides 0
        side: u8,
        /// 1 limit, 2 market
        order_type: u8,
        /// 1 gtc, 2 ioc, 3 fok
        time_in_force: u8,
        /// 0 or 1
        post_only: u8,
        /// 0 none, 1 expire_taker, 2 expire_maker, 3 expire_both, 4 decrement
        self_trade_prevention: u8,
        /// 0
        reserved: u16,
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
        /// 0
        reserved_2: u32,
    }
);

record!(
    /// One event, flat. Fields that the kind does not use are 0.
    EventRecord, EVENT_SIZE, EVENT_FIELDS, EVENT_DOCS {
        /// of the command that caused it
        sequence: u64,
        /// of the command that caused it: nanoseconds since 1970 UTC
        event_time_ns: i64,
        /// 1 Execution, 2 Rejected, 3 MassCanceled, 4 Posted, 5 AssetAdded, 6 InstrumentListed, 7 AccountOpened, 8 AccountGroupSet, 9 FeesSet, 10 TradingStatusSet
        kind: u8,
        /// Execution: 1 new, 2 trade, 3 canceled, 4 replaced, 5 restated
        exec_type: u8,
        /// Execution: 1 new, 2 partially_filled, 3 filled, 4 canceled
        status: u8,
        /// Execution, MassCanceled: 1 buy, 2 sell
        side: u8,
        /// Execution: 1 limit, 2 market
        order_type: u8,
        /// Execution: 1 gtc, 2 ioc, 3 fok
        time_in_force: u8,
        /// Execution: 0 or 1
        post_only: u8,
        /// Execution: 0 none, 1 expire_taker, 2 expire_maker, 3 expire_both, 4 decrement
        self_trade_prevention: u8,
        /// Execution: 0 none, 1 requested, 2 mass_cancel, 3 immediate_or_cancel, 4 fill_or_kill, 5 no_liquidity, 6 self_trade
        cancel_reason: u8,
        /// Execution: 0 none, 1 maker, 2 taker
        liquidity: u8,
        /// TradingStatusSet: 1 open, 2 post_only, 3 cancel_only, 4 halted
        trading_status: u8,
        /// AssetAdded: the asset's decimals
        scale: u8,
        /// Rejected: the number of the reason
        reason: u16,
        /// AccountOpened, AccountGroupSet, FeesSet
        group_id: u16,
        /// Execution, Rejected, MassCanceled, Posted, AccountOpened, AccountGroupSet
        account_id: u32,
        /// Execution, Rejected, MassCanceled, InstrumentListed, FeesSet, TradingStatusSet
        instrument_id: u32,
        /// Posted, AssetAdded
        asset_id: u32,
        /// MassCanceled: how many orders
        count: u32,
        /// FeesSet
        maker_ppm: i32,
        /// FeesSet
        taker_ppm: i32,
        /// Execution, Rejected
        order_id: u64,
        /// Execution of a trade
        trade_id: u64,
        /// Execution of a trade: the other order
        counter_order_id: u64,
        /// Execution: the order's limit in ticks
        price: i64,
        /// Execution: the order's total, in lots
        quantity: i64,
        /// Execution: in lots
        filled_quantity: i64,
        /// Execution: in lots
        leaves_quantity: i64,
        /// Execution of a trade: in ticks
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
        /// Posted: by how much the balance changed; low half
        amount_lo: u64,
        /// high half of it
        amount_hi: i64,
        /// Posted: the balance's total after it; low half
        total_lo: u64,
        /// high half of it
        total_hi: i64,
        /// Posted: the balance's held part after it; low half
        held_lo: u64,
        /// high half of it
        held_hi: i64,
        /// Execution, Rejected
        client_order_id: [u8; 36],
        /// AssetAdded, AccountOpened: the code; InstrumentListed: the symbol
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
    pub const ADD_ASSET: u8 = 16;
    pub const LIST_INSTRUMENT: u8 = 17;
    pub const OPEN_ACCOUNT: u8 = 18;
    pub const SET_ACCOUNT_GROUP: u8 = 19;
    pub const SET_FEES: u8 = 20;
    pub const SET_TRADING_STATUS: u8 = 21;
}

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
    /// The record of a command; `None` for kinds that have no record (16 and up).
    pub fn from_command(command: &Command) -> Option<Self> {
        let mut record = Self::ZERO;
        match command {
            Command::NewOrder(order) => {
                record.kind = command_kind::NEW_ORDER;
                record.side = order.side as u8;
                record.order_type = order.order_type as u8;
                record.time_in_force = order.time_in_force as u8;
                record.post_only = u8::from(order.post_only);
                record.self_trade_prevention = order.self_trade_prevention as u8;
                record.account_id = order.account_id.0;
                record.instrument_id = order.instrument_id.0;
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
            Command::ReplaceOrder(replace) => {
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
            Command::AddAsset(_)
            | Command::ListInstrument(_)
            | Command::OpenAccount(_)
            | Command::SetAccountGroup(_)
            | Command::SetFees(_)
            | Command::SetTradingStatus(_) => return None,
        }
        Some(record)
    }

    /// The command of the record.
    ///
    /// # Errors
    /// A field that is not a value of its type, or that the kind does not use and is not 0.
    #[inline]
    pub fn to_command(&self) -> Result<Command, WireError> {
        must_be_zero(self.reserved == 0, "reserved")?;
        must_be_zero(self.reserved_2 == 0, "reserved_2")?;
        let account_id = AccountId(self.account_id);
        if self.kind == command_kind::NEW_ORDER {
            must_be_zero(self.asset_id == 0, "asset_id")?;
            must_be_zero(self.order_id == 0, "order_id")?;
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
            }));
        }
        let (side, instrument, asset, order, terms, amount, client_id, original) = match self.kind {
            command_kind::CANCEL_ORDER => (false, false, false, true, false, false, true, false),
            command_kind::REPLACE_ORDER => (false, false, false, true, true, false, true, true),
            command_kind::MASS_CANCEL => (true, true, false, false, false, false, false, false),
            command_kind::DEPOSIT | command_kind::WITHDRAW => (false, false, true, false, false, true, false, false),
            _ => return Err(WireError::new("kind", NOT_A_VALUE)),
        };
        must_be_zero(self.order_type == 0, "order_type")?;
        must_be_zero(self.time_in_force == 0, "time_in_force")?;
        must_be_zero(self.post_only == 0, "post_only")?;
        must_be_zero(self.self_trade_prevention == 0, "self_trade_prevention")?;
        must_be_zero(side || self.side == 0, "side")?;
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
            }),
            command_kind::MASS_CANCEL => Command::MassCancel(MassCancel {
                account_id,
                instrument_id: InstrumentId(self.instrument_id),
                side: optional_side(self.side)?,
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
// The compact encoding of commands.

/// No encoded command is longer.
pub const MAX_ENCODED_COMMAND: usize = 128;

const HAS_QUOTE_QUANTITY: u8 = 1;

/// Writes at the start of a buffer; the buffer's size is fixed, so that the stores need no checks.
struct Writer<'a> {
    buffer: &'a mut [u8; MAX_ENCODED_COMMAND],
    at: usize,
}

impl Writer<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.buffer[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    /// The whole field is stored, and only the text counts; the next field overwrites the rest.
    #[inline]
    fn put_text<const N: usize>(&mut self, text: &ShortText<N>) {
        self.buffer[self.at..self.at + N].copy_from_slice(text.padded());
        self.at += text.len();
    }
}

/// Writes the encoding of a command at the start of `buffer` and returns its length. What is behind it in the buffer is
/// undefined.
#[inline]
pub fn encode_command_into(command: &Command, buffer: &mut [u8; MAX_ENCODED_COMMAND]) -> usize {
    let mut w = Writer { buffer, at: 0 };
    match command {
        Command::NewOrder(order) => {
            let has_quote_quantity = order.quote_quantity.0 != 0;
            w.put([
                command_kind::NEW_ORDER,
                order.side as u8,
                order.order_type as u8,
                order.time_in_force as u8,
                u8::from(order.post_only),
                order.self_trade_prevention as u8,
                order.client_order_id.len() as u8,
                if has_quote_quantity { HAS_QUOTE_QUANTITY } else { 0 },
            ]);
            w.put(order.account_id.0.to_le_bytes());
            w.put(order.instrument_id.0.to_le_bytes());
            w.put(order.price.0.to_le_bytes());
            w.put(order.quantity.0.to_le_bytes());
            if has_quote_quantity {
                w.put(order.quote_quantity.0.to_le_bytes());
            }
            w.put_text(&order.client_order_id);
        }
        Command::CancelOrder(cancel) => {
            w.put([command_kind::CANCEL_ORDER, cancel.client_order_id.len() as u8, 0, 0]);
            w.put(cancel.account_id.0.to_le_bytes());
            w.put(cancel.order_id.0.to_le_bytes());
            w.put_text(&cancel.client_order_id);
        }
        Command::ReplaceOrder(replace) => {
            w.put([
                command_kind::REPLACE_ORDER,
                replace.original_client_order_id.len() as u8,
                replace.client_order_id.len() as u8,
                0,
            ]);
            w.put(replace.account_id.0.to_le_bytes());
            w.put(replace.order_id.0.to_le_bytes());
            w.put(replace.price.0.to_le_bytes());
            w.put(replace.quantity.0.to_le_bytes());
            w.put_text(&replace.original_client_order_id);
            w.put_text(&replace.client_order_id);
        }
        Command::MassCancel(cancel) => {
            w.put([command_kind::MASS_CANCEL, cancel.side.map_or(0, |side| side as u8), 0, 0]);
            w.put(cancel.account_id.0.to_le_bytes());
            w.put(cancel.instrument_id.0.to_le_bytes());
        }
        Command::Deposit(Deposit { account_id, asset_id, amount })
        | Command::Withdraw(Withdraw { account_id, asset_id, amount }) => {
            let deposit = matches!(command, Command::Deposit(_));
            w.put([if deposit { command_kind::DEPOSIT } else { command_kind::WITHDRAW }, 0, 0, 0]);
            w.put(account_id.0.to_le_bytes());
            w.put(asset_id.0.to_le_bytes());
            w.put(amount.0.to_le_bytes());
        }
        Command::AddAsset(asset) => {
            w.put([command_kind::ADD_ASSET, asset.scale, asset.code.len() as u8, 0]);
            w.put_text(&asset.code);
        }
        Command::ListInstrument(instrument) => {
            w.put([
                command_kind::LIST_INSTRUMENT,
                instrument.symbol.len() as u8,
                instrument.tick_size.scale,
                instrument.lot_size.scale,
            ]);
            w.put(instrument.base.0.to_le_bytes());
            w.put(instrument.quote.0.to_le_bytes());
            w.put(instrument.tick_size.mantissa.to_le_bytes());
            w.put(instrument.lot_size.mantissa.to_le_bytes());
            w.put(instrument.min_quantity.0.to_le_bytes());
            w.put(instrument.max_quantity.0.to_le_bytes());
            w.put(instrument.min_notional.0.to_le_bytes());
            w.put_text(&instrument.symbol);
        }
        Command::OpenAccount(account) => {
            w.put([command_kind::OPEN_ACCOUNT, account.code.len() as u8]);
            w.put(account.group_id.0.to_le_bytes());
            w.put_text(&account.code);
        }
        Command::SetAccountGroup(set) => {
            w.put([command_kind::SET_ACCOUNT_GROUP, 0]);
            w.put(set.group_id.0.to_le_bytes());
            w.put(set.account_id.0.to_le_bytes());
        }
        Command::SetFees(set) => {
            w.put([command_kind::SET_FEES, 0]);
            w.put(set.group_id.0.to_le_bytes());
            w.put(set.instrument_id.0.to_le_bytes());
            w.put(set.maker_ppm.to_le_bytes());
            w.put(set.taker_ppm.to_le_bytes());
        }
        Command::SetTradingStatus(set) => {
            w.put([command_kind::SET_TRADING_STATUS, set.status as u8, 0, 0]);
            w.put(set.instrument_id.0.to_le_bytes());
        }
    }
    w.at
}

/// Appends the encoding of a command to `out`.
pub fn encode_command(command: &Command, out: &mut Vec<u8>) {
    let mut buffer = [0; MAX_ENCODED_COMMAND];
    let length = encode_command_into(command, &mut buffer);
    out.extend_from_slice(&buffer[..length]);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        self.at += length;
        taken.ok_or(WireError::new("length", "the bytes end within the command"))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_le_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    fn i128(&mut self) -> Result<i128, WireError> {
        self.array().map(i128::from_le_bytes)
    }

    #[inline]
    fn zeros(&mut self, count: usize) -> Result<(), WireError> {
        must_be_zero(self.take(count)?.iter().all(|&byte| byte == 0), "reserved")
    }

    #[inline]
    fn text<const N: usize>(&mut self, length: u8, field: &'static str) -> Result<ShortText<N>, WireError> {
        ShortText::new(self.take(usize::from(length))?)
            .ok_or(WireError::new(field, "must be printable ASCII without spaces, and not longer than the field"))
    }
}

/// Reads one encoded command at the start of `bytes`; returns it with its length.
///
/// # Errors
/// Bytes that are not what [`encode_command`] writes.
pub fn decode_command(bytes: &[u8]) -> Result<(Command, usize), WireError> {
    let mut r = Reader { bytes, at: 0 };
    let command = match r.u8()? {
        command_kind::NEW_ORDER => {
            let side = value(Side::from_u8(r.u8()?), "side")?;
            let order_type = value(OrderType::from_u8(r.u8()?), "order_type")?;
            let time_in_force = value(TimeInForce::from_u8(r.u8()?), "time_in_force")?;
            let post_only = flag(r.u8()?, "post_only")?;
            let self_trade_prevention = value(SelfTradePrevention::from_u8(r.u8()?), "self_trade_prevention")?;
            let length = r.u8()?;
            let has_quote_quantity = flag(r.u8()?, "flags")?;
            let account_id = AccountId(r.u32()?);
            let instrument_id = InstrumentId(r.u32()?);
            let price = PriceTicks(r.i64()?);
            let quantity = Lots(r.i64()?);
            let quote_quantity = if has_quote_quantity { Amount(r.i128()?) } else { Amount::ZERO };
            if has_quote_quantity && quote_quantity == Amount::ZERO {
                return Err(WireError::new("quote_quantity", "must not be 0 where it is given"));
            }
            Command::NewOrder(NewOrder {
                account_id,
                instrument_id,
                side,
                order_type,
                time_in_force,
                post_only,
                self_trade_prevention,
                price,
                quantity,
                quote_quantity,
                client_order_id: r.text(length, "client_order_id")?,
            })
        }
        command_kind::CANCEL_ORDER => {
            let length = r.u8()?;
            r.zeros(2)?;
            Command::CancelOrder(CancelOrder {
                account_id: AccountId(r.u32()?),
                order_id: OrderId(r.u64()?),
                client_order_id: r.text(length, "client_order_id")?,
            })
        }
        command_kind::REPLACE_ORDER => {
            let original_length = r.u8()?;
            let length = r.u8()?;
            r.zeros(1)?;
            let account_id = AccountId(r.u32()?);
            let order_id = OrderId(r.u64()?);
            let price = PriceTicks(r.i64()?);
            let quantity = Lots(r.i64()?);
            Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id,
                original_client_order_id: r.text(original_length, "original_client_order_id")?,
                client_order_id: r.text(length, "client_order_id")?,
                price,
                quantity,
            })
        }
        command_kind::MASS_CANCEL => {
            let side = optional_side(r.u8()?)?;
            r.zeros(2)?;
            Command::MassCancel(MassCancel {
                account_id: AccountId(r.u32()?),
                instrument_id: InstrumentId(r.u32()?),
                side,
            })
        }
        kind @ (command_kind::DEPOSIT | command_kind::WITHDRAW) => {
            r.zeros(3)?;
            let account_id = AccountId(r.u32()?);
            let asset_id = AssetId(r.u32()?);
            let amount = Amount(r.i128()?);
            if kind == command_kind::DEPOSIT {
                Command::Deposit(Deposit { account_id, asset_id, amount })
            } else {
                Command::Withdraw(Withdraw { account_id, asset_id, amount })
            }
        }
        command_kind::ADD_ASSET => {
            let scale = r.u8()?;
            let length = r.u8()?;
            r.zeros(1)?;
            Command::AddAsset(AddAsset { code: r.text(length, "code")?, scale })
        }
        command_kind::LIST_INSTRUMENT => {
            let length = r.u8()?;
            let tick_scale = r.u8()?;
            let lot_scale = r.u8()?;
            let base = AssetId(r.u32()?);
            let quote = AssetId(r.u32()?);
            let tick_size = Step { mantissa: r.u64()?, scale: tick_scale };
            let lot_size = Step { mantissa: r.u64()?, scale: lot_scale };
            let min_quantity = Lots(r.i64()?);
            let max_quantity = Lots(r.i64()?);
            let min_notional = Amount(r.i128()?);
            Command::ListInstrument(ListInstrument {
                symbol: r.text(length, "symbol")?,
                base,
                quote,
                tick_size,
                lot_size,
                min_quantity,
                max_quantity,
                min_notional,
            })
        }
        command_kind::OPEN_ACCOUNT => {
            let length = r.u8()?;
            let group_id = GroupId(r.u16()?);
            Command::OpenAccount(OpenAccount { code: r.text(length, "code")?, group_id })
        }
        command_kind::SET_ACCOUNT_GROUP => {
            r.zeros(1)?;
            let group_id = GroupId(r.u16()?);
            Command::SetAccountGroup(SetAccountGroup { account_id: AccountId(r.u32()?), group_id })
        }
        command_kind::SET_FEES => {
            r.zeros(1)?;
            let group_id = GroupId(r.u16()?);
            let instrument_id = InstrumentId(r.u32()?);
            Command::SetFees(SetFees { instrument_id, group_id, maker_ppm: r.i32()?, taker_ppm: r.i32()? })
        }
        command_kind::SET_TRADING_STATUS => {
            let status = value(TradingStatus::from_u8(r.u8()?), "status")?;
            r.zeros(2)?;
            Command::SetTradingStatus(SetTradingStatus { instrument_id: InstrumentId(r.u32()?), status })
        }
        _ => return Err(WireError::new("kind", NOT_A_VALUE)),
    };
    Ok((command, r.at))
}

/// Reads bytes that are exactly one encoded command.
///
/// # Errors
/// Bytes that are not what [`encode_command`] writes, or more than that.
pub fn decode_one_command(bytes: &[u8]) -> Result<Command, WireError> {
    match decode_command(bytes)? {
        (command, length) if length == bytes.len() => Ok(command),
        _ => Err(WireError::new("length", "the bytes go on behind the command")),
    }
}

/// Appends the commands of concatenated encodings to `out`.
///
/// # Errors
/// The first one that is not a command, by its index; `out` is then as before.
pub fn decode_commands(bytes: &[u8], out: &mut Vec<Command>) -> Result<(), WireError> {
    let before = out.len();
    let mut at = 0;
    while at < bytes.len() {
        match decode_command(&bytes[at..]) {
            Ok((command, length)) => {
                out.push(command);
                at += length;
            }
            Err(error) => {
                let index = out.len() - before;
                out.truncate(before);
                return Err(error.at(index));
            }
        }
    }
    Ok(())
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
            order_id: report.order_id.0,
            trade_id: report.trade_id.0,
            counter_order_id: report.counter_order_id.0,
            price: report.price.0,
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
            }
        }
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
pub(crate) mod tests {
    use super::*;

    /// A small deterministic generator.
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        pub(crate) fn below(&mut self, n: u64) -> u64 {
            self.next() % n
        }

        fn text<const N: usize>(&mut self) -> ShortText<N> {
            let length = self.below(N as u64 + 1) as usize;
            let bytes: Vec<u8> = (0..length).map(|_| 0x21 + self.below(0x5e) as u8).collect();
            ShortText::new(&bytes).expect("printable and short enough")
        }

        fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
            values[self.below(values.len() as u64) as usize]
        }

        fn amount(&mut self) -> Amount {
            match self.below(4) {
                0 => Amount(0),
                1 => Amount(-i128::from(self.next())),
                2 => Amount(i128::from(self.next())),
                _ => Amount((i128::from(self.next() as i64) << 64) | i128::from(self.next())),
            }
        }
    }

    /// Any command at all, sensible or not.
    pub(crate) fn random_command(r: &mut Random) -> Command {
        let account_id = AccountId(r.next() as u32);
        let asset_id = AssetId(r.next() as u32);
        let instrument_id = InstrumentId(r.next() as u32);
        match r.below(12) {
            0 => Command::NewOrder(NewOrder {
                account_id,
                instrument_id,
                side: r.one_of(Side::ALL),
                order_type: r.one_of(OrderType::ALL),
                time_in_force: r.one_of(TimeInForce::ALL),
                post_only: r.below(2) == 1,
                self_trade_prevention: r.one_of(SelfTradePrevention::ALL),
                price: PriceTicks(r.next() as i64),
                quantity: Lots(r.next() as i64),
                quote_quantity: r.amount(),
                client_order_id: r.text(),
            }),
            1 => {
                Command::CancelOrder(CancelOrder { account_id, order_id: OrderId(r.next()), client_order_id: r.text() })
            }
            2 => Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id: OrderId(r.next()),
                original_client_order_id: r.text(),
                client_order_id: r.text(),
                price: PriceTicks(r.next() as i64),
                quantity: Lots(r.next() as i64),
            }),
            3 => Command::MassCancel(MassCancel {
                account_id,
                instrument_id,
                side: r.one_of(&[None, Some(Side::Buy), Some(Side::Sell)]),
            }),
            4 => Command::Deposit(Deposit { account_id, asset_id, amount: r.amount() }),
            5 => Command::Withdraw(Withdraw { account_id, asset_id, amount: r.amount() }),
            6 => Command::AddAsset(AddAsset { code: r.text(), scale: r.next() as u8 }),
            7 => Command::ListInstrument(ListInstrument {
                symbol: r.text(),
                base: asset_id,
                quote: AssetId(r.next() as u32),
                tick_size: Step { mantissa: r.next(), scale: r.next() as u8 },
                lot_size: Step { mantissa: r.next(), scale: r.next() as u8 },
                min_quantity: Lots(r.next() as i64),
                max_quantity: Lots(r.next() as i64),
                min_notional: r.amount(),
            }),
            8 => Command::OpenAccount(OpenAccount { code: r.text(), group_id: GroupId(r.next() as u16) }),
            9 => Command::SetAccountGroup(SetAccountGroup { account_id, group_id: GroupId(r.next() as u16) }),
            10 => Command::SetFees(SetFees {
                instrument_id,
                group_id: GroupId(r.next() as u16),
                maker_ppm: r.next() as i32,
                taker_ppm: r.next() as i32,
            }),
            _ => Command::SetTradingStatus(SetTradingStatus { instrument_id, status: r.one_of(TradingStatus::ALL) }),
        }
    }

    fn random_event(r: &mut Random) -> Event {
        let account_id = AccountId(r.next() as u32);
        let asset_id = AssetId(r.next() as u32);
        let instrument_id = InstrumentId(r.next() as u32);
        let group_id = GroupId(r.next() as u16);
        match r.below(10) {
            0 => Event::Execution(ExecutionReport {
                order_id: OrderId(r.next()),
                client_order_id: r.text(),
                account_id,
                instrument_id,
                exec_type: r.one_of(ExecType::ALL),
                status: r.one_of(OrderStatus::ALL),
                side: r.one_of(Side::ALL),
                order_type: r.one_of(OrderType::ALL),
                time_in_force: r.one_of(TimeInForce::ALL),
                post_only: r.below(2) == 1,
                self_trade_prevention: r.one_of(SelfTradePrevention::ALL),
                cancel_reason: r.one_of(CancelReason::ALL),
                price: PriceTicks(r.next() as i64),
                quantity: Lots(r.next() as i64),
                quote_quantity: r.amount(),
                filled_quantity: Lots(r.next() as i64),
                leaves_quantity: Lots(r.next() as i64),
                hold: r.amount(),
                trade_id: TradeId(r.next()),
                last_price: PriceTicks(r.next() as i64),
                last_quantity: Lots(r.next() as i64),
                last_notional: r.amount(),
                fee: r.amount(),
                liquidity: r.one_of(Liquidity::ALL),
                counter_order_id: OrderId(r.next()),
            }),
            1 => Event::Rejected(Rejected {
                reason: r.one_of(RejectReason::ALL),
                account_id,
                instrument_id,
                order_id: OrderId(r.next()),
                client_order_id: r.text(),
            }),
            2 => Event::MassCanceled(MassCanceled {
                account_id,
                instrument_id,
                side: r.one_of(&[None, Some(Side::Buy), Some(Side::Sell)]),
                count: r.next() as u32,
            }),
            3 => {
                Event::Posted(Posted { account_id, asset_id, amount: r.amount(), total: r.amount(), held: r.amount() })
            }
            4 => Event::AssetAdded(AssetAdded { asset_id, code: r.text(), scale: r.next() as u8 }),
            5 => Event::InstrumentListed(InstrumentListed { instrument_id, symbol: r.text() }),
            6 => Event::AccountOpened(AccountOpened { account_id, code: r.text(), group_id }),
            7 => Event::AccountGroupSet(AccountGroupSet { account_id, group_id }),
            8 => Event::FeesSet(FeesSet {
                instrument_id,
                group_id,
                maker_ppm: r.next() as i32,
                taker_ppm: r.next() as i32,
            }),
            _ => Event::TradingStatusSet(TradingStatusSet { instrument_id, status: r.one_of(TradingStatus::ALL) }),
        }
    }

    #[test]
    fn record_sizes_are_what_the_documents_say() {
        assert_eq!((COMMAND_SIZE, EVENT_SIZE), (136, 312));
    }

    #[test]
    fn fields_do_not_overlap_and_fill_the_record() {
        for (fields, size) in [(COMMAND_FIELDS, COMMAND_SIZE), (EVENT_FIELDS, EVENT_SIZE)] {
            let mut end = 0;
            for (name, numpy, offset) in fields {
                let width: usize = numpy.trim_start_matches(['<', 'u', 'i', 'S']).parse().expect("a width");
                assert_eq!(*offset, end, "{name}");
                end += width;
            }
            assert_eq!(end, size);
        }
    }

    #[test]
    fn every_command_survives_its_encoding() {
        let mut r = Random(1);
        let mut longest = 0;
        for _ in 0..200_000 {
            let command = random_command(&mut r);
            let mut bytes = Vec::new();
            encode_command(&command, &mut bytes);
            longest = longest.max(bytes.len());
            assert_eq!(decode_command(&bytes), Ok((command, bytes.len())));
        }
        assert!(longest <= MAX_ENCODED_COMMAND, "{longest}");
    }

    #[test]
    fn every_frequent_command_survives_its_record() {
        let mut r = Random(2);
        let (mut bytes, mut commands) = (Vec::new(), Vec::new());
        for _ in 0..200_000 {
            let command = random_command(&mut r);
            let mut encoded = Vec::new();
            encode_command(&command, &mut encoded);
            let record = CommandRecord::from_command(&command);
            assert_eq!(record.is_some(), encoded[0] < 16);
            if let Some(record) = record {
                assert_eq!(record.to_command(), Ok(command));
                bytes.extend_from_slice(record.as_bytes());
                commands.push(command);
            }
        }
        let mut decoded = Vec::new();
        decode_command_records(&bytes, &mut decoded).expect("what was encoded");
        assert_eq!(decoded, commands);
    }

    #[test]
    fn every_event_survives_its_record() {
        let mut r = Random(3);
        for index in 0..200_000 {
            let event = random_event(&mut r);
            let record = EventRecord::new(7, 8, index, &event);
            let back = EventRecord::from_bytes(record.as_bytes());
            assert_eq!((back.sequence, back.event_time_ns, back.event_index), (7, 8, index));
            assert_eq!(back.to_event(), Ok(event));
        }
    }

    #[test]
    fn a_command_cut_anywhere_is_refused() {
        let mut r = Random(4);
        for _ in 0..2_000 {
            let mut bytes = Vec::new();
            encode_command(&random_command(&mut r), &mut bytes);
            for end in 0..bytes.len() {
                assert!(decode_command(&bytes[..end]).is_err());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic_and_decode_to_what_encodes_to_them() {
        let mut r = Random(5);
        for _ in 0..300_000 {
            let length = r.below(160) as usize;
            let mut bytes: Vec<u8> = (0..length).map(|_| r.next() as u8 & 0x17).collect();
            if let Some(kind) = bytes.first_mut() {
                *kind = r.below(24) as u8;
            }
            if let Ok((command, used)) = decode_command(&bytes) {
                let mut again = Vec::new();
                encode_command(&command, &mut again);
                assert_eq!(again, bytes[..used]);
            }
            bytes.resize(COMMAND_SIZE, 0);
            let record = CommandRecord::from_bytes(bytes.as_slice().try_into().expect("the size"));
            if let Ok(command) = record.to_command() {
                assert_eq!(CommandRecord::from_command(&command), Some(record));
            }
        }
    }

    #[test]
    fn a_padded_text_is_taken_exactly_when_its_bytes_are_a_text() {
        let mut r = Random(6);
        let interesting = [0, 0, 0, 0x1f, 0x20, 0x21, b'a', b'Z', 0x7e, 0x7e, 0x7f, 0x80, 0xff];
        for round in 0..200_000 {
            let mut bytes = [0_u8; 36];
            let length = r.below(37) as usize;
            for byte in &mut bytes[..length] {
                *byte = if round % 2 == 0 { 0x21 + r.below(0x5e) as u8 } else { r.one_of(&interesting) };
            }
            if round % 8 == 0 {
                bytes[r.below(36) as usize] = r.one_of(&interesting);
            }
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(36);
            let expected = ShortText::<36>::new(&bytes[..end]).filter(|_| bytes[end..].iter().all(|&byte| byte == 0));
            assert_eq!(ShortText::from_padded(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn records_that_are_not_aligned_are_read_alike() {
        let mut r = Random(7);
        let records: Vec<CommandRecord> =
            (0..500).filter_map(|_| CommandRecord::from_command(&random_command(&mut r))).collect();
        let mut expected = Vec::new();
        decode_command_records(CommandRecord::slice_as_bytes(&records), &mut expected).expect("good records");
        for shift in 1..8 {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(CommandRecord::slice_as_bytes(&records));
            let mut decoded = Vec::new();
            decode_command_records(&bytes[shift..], &mut decoded).expect("good records");
            assert_eq!(decoded, expected);
        }
    }

    #[test]
    fn an_error_names_the_command_and_the_field() {
        let good =
            CommandRecord { kind: command_kind::CANCEL_ORDER, account_id: 1, order_id: 9, ..CommandRecord::ZERO };
        let bad = CommandRecord { asset_id: 1, ..good };
        let mut bytes = good.as_bytes().to_vec();
        bytes.extend_from_slice(bad.as_bytes());
        let mut out = Vec::new();
        let error = decode_command_records(&bytes, &mut out).expect_err("a field that must be 0");
        assert_eq!((error.index, error.field, out.len()), (1, "asset_id", 0));
        assert_eq!(error.to_string(), "command 1: asset_id: must be 0 for this kind of command");
        let error = decode_command_records(&bytes[1..], &mut out).expect_err("not a whole number of records");
        assert_eq!((error.index, error.field), (1, "record"));

        let mut encoded = Vec::new();
        encode_command(&good.to_command().expect("good"), &mut encoded);
        let first = encoded.len();
        encoded.extend_from_within(..);
        encoded[first] = 99;
        let error = decode_commands(&encoded, &mut out).expect_err("no such kind");
        assert_eq!((error.index, error.field, out.len()), (1, "kind", 0));
    }

    #[test]
    fn a_new_order_without_texts_takes_32_bytes() {
        let order = NewOrder {
            account_id: AccountId(2),
            instrument_id: InstrumentId(1),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            self_trade_prevention: SelfTradePrevention::None,
            price: PriceTicks(100),
            quantity: Lots(5),
            quote_quantity: Amount::ZERO,
            client_order_id: ShortText::EMPTY,
        };
        let mut bytes = Vec::new();
        encode_command(&Command::NewOrder(order), &mut bytes);
        assert_eq!(bytes.len(), 32);
    }
}
