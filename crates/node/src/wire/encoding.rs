//! The compact encoding of commands: what the journal's payloads and the single-call doors are made of.
//!
//! The frequent commands are written by hand, without a check per field; the others by one list of fields each, from
//! which both directions are made. A command within a command stands there as it would alone.
//!
//! Invariants: an encoding is canonical (what is decoded encodes to the same bytes) and at most [`MAX_ENCODED_COMMAND`]
//! long; a plain order is decoded without allocating.

use beurs_engine::command::{
    AddAsset, AdjustTrade, Administer, BustTrade, CancelAllAfter, CancelOrder, CancelReplace, Command, CommandFailed,
    Deposit, InstrumentScope, KillScope, KillSwitch, ListInstrument, MassCancel, NewOrder, NewOrderList, Note,
    OpenAccount, ReplaceOrder, RiskLimits, RiskScope, SetAccountGroup, SetAccountMode, SetFeatures, SetFeeCap,
    SetFeePromotion, SetFeeTier, SetFees, SetInstrumentGroup, SetLeadMarketMaker, SetMarkPrice, SetMatching,
    SetPriceBands, SetRandomSeed, SetRiskLimits, SetSchedule, SetTradeGroup, SetTradingStatus, Terms, Withdraw,
};
use beurs_engine::types::{
    AccountId, AccountMode, Amount, AssetId, BandAction, CancelReplaceMode, Contingency, GroupId, InstrumentGroupId,
    InstrumentId, KeyId, Lots, MassCancelReason, MatchingAlgorithm, OrderId, OrderType, Peg, PriceTicks,
    SelfTradePrevention, ShortText, Side, StatusReason, Step, TimeInForce, TradeId, TradingStatus, TriggerBy,
};

use super::{command_kind, flag, must_be_zero, optional_side, value, WireError, NOT_A_VALUE};

/// No encoded command is longer. The longest is an order list of three orders with all their terms, by the venue's staff,
/// that has failed.
pub const MAX_ENCODED_COMMAND: usize = 512;
/// The most orders that an encoded list has.
pub const MAX_LIST_ORDERS: usize = 3;

/// The flags of an order: what stands behind its fixed part, in this order.
const HAS_QUOTE_QUANTITY: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_TERMS: u8 = 4;

/// The flags of a replace: what stands before its texts, in this order.
const HAS_TRIGGER_PRICE: u8 = 1;
const HAS_DISPLAY_QUANTITY: u8 = 2;

/// The mask of an order's terms: which of them are not the default, and in this order behind it. Those that are yes or
/// no are said by their bit alone.
mod term {
    pub const TRIGGER_PRICE: u16 = 1;
    pub const TRIGGER_BY: u16 = 2;
    pub const TRAIL_BPS: u16 = 4;
    pub const DISPLAY_QUANTITY: u16 = 8;
    pub const HIDDEN: u16 = 16;
    pub const MIN_QUANTITY: u16 = 32;
    pub const EXPIRE_TIME_NS: u16 = 64;
    pub const AUCTION_ONLY: u16 = 128;
    pub const SLIDE: u16 = 256;
    pub const PEG: u16 = 512;
    pub const PEG_OFFSET: u16 = 1024;
    pub const ALL: u16 = 2047;
}

/// Whether a command may come from outside and can be encoded: a list has at most [`MAX_LIST_ORDERS`] orders, staff give a
/// command that is not itself one of theirs, and only the node says that one has failed.
///
/// # Errors
/// The rule that it breaks.
#[inline]
pub fn check_encodable(command: &Command) -> Result<(), WireError> {
    match command {
        Command::NewOrderList(list) if list.orders.len() > MAX_LIST_ORDERS => {
            Err(WireError::new("orders", TOO_MANY_ORDERS))
        }
        Command::Administer(administer) => match &administer.command {
            Command::Administer(_) => Err(WireError::new("command", NESTED)),
            command => check_encodable(command),
        },
        Command::CommandFailed(_) => Err(WireError::new("kind", ONLY_THE_NODE)),
        _ => Ok(()),
    }
}

/// [`check_encodable`] for many commands.
///
/// # Errors
/// The first one that cannot be encoded, by its index.
pub fn check_all_encodable(commands: &[Command]) -> Result<(), WireError> {
    let check = |(index, command)| check_encodable(command).map_err(|error: WireError| error.at(index));
    commands.iter().enumerate().try_for_each(check)
}

const TOO_MANY_ORDERS: &str = "a list has at most 3 orders";
const NESTED: &str = "a command of the staff holds one of another kind";
const FAILED_TWICE: &str = "a failed command is one of another kind";
const ONLY_THE_NODE: &str = "only the exchange itself says that a command has failed";
const NOT_DEFAULT: &str = "must not be the default where it is given";

/// Writes at the start of a buffer; the buffer's size is fixed, so that the first stores need no checks.
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

    #[inline(always)] // Where it stands first, which is where it is frequent, its stores need no checks.
    fn put_order(&mut self, order: &NewOrder) {
        let mut flags = 0;
        if order.quote_quantity.0 != 0 {
            flags |= HAS_QUOTE_QUANTITY;
        }
        if order.key_id != KeyId::NONE {
            flags |= HAS_KEY;
        }
        if order.terms.is_some() {
            flags |= HAS_TERMS;
        }
        self.put([
            command_kind::NEW_ORDER,
            order.side as u8,
            order.order_type as u8,
            order.time_in_force as u8,
            u8::from(order.post_only),
            order.self_trade_prevention as u8,
            order.client_order_id.len() as u8,
            flags,
        ]);
        self.put(order.account_id.0.to_le_bytes());
        self.put(order.instrument_id.0.to_le_bytes());
        self.put(order.price.0.to_le_bytes());
        self.put(order.quantity.0.to_le_bytes());
        if flags != 0 {
            self.put_extras(order);
        }
        self.put_text(&order.client_order_id);
    }

    /// What a plain order does not have.
    #[inline(never)]
    fn put_extras(&mut self, order: &NewOrder) {
        if order.quote_quantity.0 != 0 {
            self.put(order.quote_quantity.0.to_le_bytes());
        }
        if order.key_id != KeyId::NONE {
            self.put(order.key_id.0.to_le_bytes());
        }
        if let Some(terms) = &order.terms {
            self.put_terms(terms);
        }
    }

    fn put_terms(&mut self, terms: &Terms) {
        let mask_at = self.at;
        self.put([0; 2]);
        let mut mask = 0;
        if terms.trigger_price.0 != 0 {
            mask |= term::TRIGGER_PRICE;
            self.put(terms.trigger_price.0.to_le_bytes());
        }
        if terms.trigger_by != TriggerBy::Last {
            mask |= term::TRIGGER_BY;
            self.put([terms.trigger_by as u8]);
        }
        if terms.trail_bps != 0 {
            mask |= term::TRAIL_BPS;
            self.put(terms.trail_bps.to_le_bytes());
        }
        if terms.display_quantity.0 != 0 {
            mask |= term::DISPLAY_QUANTITY;
            self.put(terms.display_quantity.0.to_le_bytes());
        }
        if terms.hidden {
            mask |= term::HIDDEN;
        }
        if terms.min_quantity.0 != 0 {
            mask |= term::MIN_QUANTITY;
            self.put(terms.min_quantity.0.to_le_bytes());
        }
        if terms.expire_time_ns != 0 {
            mask |= term::EXPIRE_TIME_NS;
            self.put(terms.expire_time_ns.to_le_bytes());
        }
        if terms.auction_only {
            mask |= term::AUCTION_ONLY;
        }
        if terms.slide {
            mask |= term::SLIDE;
        }
        if terms.peg != Peg::None {
            mask |= term::PEG;
            self.put([terms.peg as u8]);
        }
        if terms.peg_offset != 0 {
            mask |= term::PEG_OFFSET;
            self.put(terms.peg_offset.to_le_bytes());
        }
        self.buffer[mask_at..mask_at + 2].copy_from_slice(&mask.to_le_bytes());
    }

    fn put_cancel(&mut self, cancel: &CancelOrder) {
        self.put([command_kind::CANCEL_ORDER, cancel.client_order_id.len() as u8, 0, 0]);
        self.put(cancel.account_id.0.to_le_bytes());
        self.put(cancel.order_id.0.to_le_bytes());
        self.put_text(&cancel.client_order_id);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The commands that are not frequent.

/// A value with an encoding of its own, whatever stands around it.
trait Coded: Sized {
    fn put(&self, w: &mut Writer<'_>);
    fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError>;
}

macro_rules! coded_integers {
    ($($ty:ty),+) => { $(
        impl Coded for $ty {
            fn put(&self, w: &mut Writer<'_>) {
                w.put(self.to_le_bytes());
            }
            fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
                r.array().map(Self::from_le_bytes)
            }
        }
    )+ };
}
coded_integers!(u8, u16, u32, u64, i32, i64, i128);

macro_rules! coded_newtypes {
    ($($ty:ident),+) => { $(
        impl Coded for $ty {
            fn put(&self, w: &mut Writer<'_>) {
                self.0.put(w);
            }
            fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
                Coded::take(r, field).map(Self)
            }
        }
    )+ };
}
coded_newtypes!(AccountId, Amount, GroupId, InstrumentGroupId, InstrumentId, KeyId, Lots, PriceTicks, TradeId);

macro_rules! coded_enums {
    ($($ty:ident),+) => { $(
        impl Coded for $ty {
            fn put(&self, w: &mut Writer<'_>) {
                w.put([*self as u8]);
            }
            fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
                value(Self::from_u8(r.u8()?), field)
            }
        }
    )+ };
}
coded_enums!(AccountMode, BandAction, MatchingAlgorithm, Peg, StatusReason, TradingStatus, TriggerBy);

impl Coded for bool {
    fn put(&self, w: &mut Writer<'_>) {
        w.put([u8::from(*self)]);
    }

    fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        flag(r.u8()?, field)
    }
}

impl Coded for ShortText<31> {
    fn put(&self, w: &mut Writer<'_>) {
        w.put([self.len() as u8]);
        w.put_text(self);
    }

    fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        let length = r.u8()?;
        r.text(length, field)
    }
}

impl Coded for Note {
    fn put(&self, w: &mut Writer<'_>) {
        let text = self.as_str().as_bytes();
        w.put([text.len() as u8]);
        w.buffer[w.at..w.at + text.len()].copy_from_slice(text);
        w.at += text.len();
    }

    fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        let length = r.u8()?;
        Note::new(r.take(usize::from(length))?).ok_or(WireError::new(
            field,
            "must be 1 to 64 printable ASCII characters that neither begin nor end with a space",
        ))
    }
}

/// Implements [`Coded`] for an enum whose variants hold ids: the number of the variant, then the ids.
macro_rules! coded_scope {
    ($name:ident { $($number:literal => $variant:ident $(($($id:ident),+))?,)+ }) => {
        impl Coded for $name {
            fn put(&self, w: &mut Writer<'_>) {
                match self {
                    $(Self::$variant $(($($id),+))? => {
                        w.put([$number]);
                        $($($id.put(w);)+)?
                    })+
                }
            }

            fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
                Ok(match r.u8()? {
                    $($number => Self::$variant $(($({
                        let $id = Coded::take(r, stringify!($id))?;
                        $id
                    }),+))?,)+
                    _ => return Err(WireError::new(field, NOT_A_VALUE)),
                })
            }
        }
    };
}
coded_scope!(InstrumentScope { 1 => Instrument(instrument_id), 2 => Group(instrument_group_id), 3 => All, });
coded_scope!(RiskScope { 1 => Account(account_id), 2 => Group(group_id), 3 => Key(account_id, key_id), });
coded_scope!(KillScope {
    1 => All,
    2 => Instrument(instrument_id),
    3 => Group(group_id),
    4 => Account(account_id),
    5 => Key(account_id, key_id),
});

/// Implements [`Coded`] for a struct: its fields, one behind the other.
macro_rules! coded_struct {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl Coded for $name {
            fn put(&self, w: &mut Writer<'_>) {
                $(self.$field.put(w);)+
            }

            fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
                Ok(Self { $($field: Coded::take(r, stringify!($field))?,)+ })
            }
        }
    };
}
coded_struct!(SetTradingStatus { scope, status, reason, end_time_ns });
coded_struct!(CancelAllAfter { account_id, timeout_ns });
coded_struct!(SetMarkPrice { instrument_id, price });
coded_struct!(SetInstrumentGroup { instrument_id, instrument_group_id });
coded_struct!(SetMatching { instrument_id, algorithm, top_max, lead_percent, fifo_percent, min_allocation, leveling });
coded_struct!(SetLeadMarketMaker { instrument_id, account_id, share });
coded_struct!(SetPriceBands {
    instrument_id,
    reference,
    static_up_bps,
    static_down_bps,
    dynamic_bps,
    collar_bps,
    action,
    auction_ns,
    auction_random_ns,
    limit_state_ns,
});
coded_struct!(SetFeatures { instrument_id, features, max_triggers });
coded_struct!(SetSchedule { instrument_id, slot, weekdays, time_of_day_ns, random_ns, status });
coded_struct!(SetRandomSeed { seed });
coded_struct!(RiskLimits {
    max_order_quantity,
    max_order_notional,
    max_open_orders,
    max_open_conditional_orders,
    max_position,
    max_exposure,
    max_order_rate,
    rate_window_ns,
    fat_finger_bps,
    duplicate_window_ns,
});
coded_struct!(SetRiskLimits { scope, instrument_id, limits });
coded_struct!(SetAccountMode { account_id, mode });
coded_struct!(KillSwitch { scope, engaged });
coded_struct!(SetTradeGroup { account_id, trade_group_id });
coded_struct!(SetFeeTier { instrument_id, group_id, tier, min_volume, maker_ppm, taker_ppm });
coded_struct!(SetFeePromotion { instrument_id, group_id, from_ns, until_ns, maker_ppm, taker_ppm });
coded_struct!(SetFeeCap { instrument_id, group_id, max_fee });
coded_struct!(BustTrade { trade_id, instrument_id, buyer, seller, price, quantity, buyer_fee, seller_fee });
coded_struct!(AdjustTrade { trade_id, instrument_id, buyer, seller, price, quantity, new_price });

impl Coded for CancelReplace {
    fn put(&self, w: &mut Writer<'_>) {
        w.put([self.mode as u8]);
        w.put_cancel(&self.cancel);
        w.put_order(&self.new_order);
    }

    fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
        let mode = value(CancelReplaceMode::from_u8(r.u8()?), "mode")?;
        r.kind(command_kind::CANCEL_ORDER)?;
        let cancel = r.cancel()?;
        r.kind(command_kind::NEW_ORDER)?;
        Ok(Self { cancel, mode, new_order: r.inner_order()? })
    }
}

impl Coded for NewOrderList {
    fn put(&self, w: &mut Writer<'_>) {
        assert!(self.orders.len() <= MAX_LIST_ORDERS, "checked at the doors: {TOO_MANY_ORDERS}");
        w.put([self.contingency as u8, self.orders.len() as u8]);
        for order in &self.orders {
            w.put_order(order);
        }
    }

    fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
        let contingency = value(Contingency::from_u8(r.u8()?), "contingency")?;
        let count = usize::from(r.u8()?);
        if count > MAX_LIST_ORDERS {
            return Err(WireError::new("orders", TOO_MANY_ORDERS));
        }
        let mut orders = Vec::with_capacity(count);
        for _ in 0..count {
            r.kind(command_kind::NEW_ORDER)?;
            orders.push(r.inner_order()?);
        }
        Ok(Self { contingency, orders })
    }
}

impl Coded for Administer {
    fn put(&self, w: &mut Writer<'_>) {
        assert!(!matches!(self.command, Command::Administer(_)), "checked at the doors: {NESTED}");
        self.actor.put(w);
        self.reason.put(w);
        put_inner_command(&self.command, w);
    }

    fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
        let actor = Coded::take(r, "actor")?;
        let reason = Coded::take(r, "reason")?;
        let kind = r.u8()?;
        if matches!(kind, command_kind::ADMINISTER | command_kind::COMMAND_FAILED) {
            return Err(WireError::new("command", NESTED));
        }
        Ok(Self { actor, reason, command: take_inner_command(r, kind)? })
    }
}

impl Coded for CommandFailed {
    fn put(&self, w: &mut Writer<'_>) {
        assert!(!matches!(self.command, Command::CommandFailed(_)), "{FAILED_TWICE}");
        put_inner_command(&self.command, w);
    }

    fn take(r: &mut Reader<'_>, _field: &'static str) -> Result<Self, WireError> {
        let kind = r.u8()?;
        if kind == command_kind::COMMAND_FAILED {
            return Err(WireError::new("command", FAILED_TWICE));
        }
        Ok(Self { command: take_inner_command(r, kind)? })
    }
}

impl<T: Coded> Coded for Box<T> {
    fn put(&self, w: &mut Writer<'_>) {
        (**self).put(w);
    }

    fn take(r: &mut Reader<'_>, field: &'static str) -> Result<Self, WireError> {
        T::take(r, field).map(Box::new)
    }
}

/// Both directions of the commands that are encoded as their number and their fields.
macro_rules! listed {
    ($($number:ident => $variant:ident,)+) => {
        #[inline(never)]
        fn put_listed(command: &Command, w: &mut Writer<'_>) {
            match command {
                $(Command::$variant(inner) => {
                    w.put([command_kind::$number]);
                    inner.put(w);
                })+
                Command::AdvanceTime => w.put([command_kind::ADVANCE_TIME]),
                _ => unreachable!("the frequent commands are written by hand"),
            }
        }

        #[inline(never)]
        fn take_listed(r: &mut Reader<'_>, kind: u8) -> Result<Command, WireError> {
            Ok(match kind {
                $(command_kind::$number => Command::$variant(Coded::take(r, "command")?),)+
                command_kind::ADVANCE_TIME => Command::AdvanceTime,
                _ => return Err(WireError::new("kind", NOT_A_VALUE)),
            })
        }
    };
}
listed! {
    CANCEL_REPLACE => CancelReplace,
    NEW_ORDER_LIST => NewOrderList,
    CANCEL_ALL_AFTER => CancelAllAfter,
    SET_TRADING_STATUS => SetTradingStatus,
    SET_MARK_PRICE => SetMarkPrice,
    SET_INSTRUMENT_GROUP => SetInstrumentGroup,
    SET_MATCHING => SetMatching,
    SET_LEAD_MARKET_MAKER => SetLeadMarketMaker,
    SET_PRICE_BANDS => SetPriceBands,
    SET_FEATURES => SetFeatures,
    SET_SCHEDULE => SetSchedule,
    SET_RANDOM_SEED => SetRandomSeed,
    SET_RISK_LIMITS => SetRiskLimits,
    SET_ACCOUNT_MODE => SetAccountMode,
    KILL_SWITCH => KillSwitch,
    SET_TRADE_GROUP => SetTradeGroup,
    SET_FEE_TIER => SetFeeTier,
    SET_FEE_PROMOTION => SetFeePromotion,
    SET_FEE_CAP => SetFeeCap,
    BUST_TRADE => BustTrade,
    ADJUST_TRADE => AdjustTrade,
    COMMAND_FAILED => CommandFailed,
    ADMINISTER => Administer,
}

// ---------------------------------------------------------------------------------------------------------------------
// All commands.

/// Writes the encoding of a command at the start of `buffer` and returns its length. What is behind it in the buffer is
/// undefined.
#[inline]
pub fn encode_command_into(command: &Command, buffer: &mut [u8; MAX_ENCODED_COMMAND]) -> usize {
    let mut w = Writer { buffer, at: 0 };
    put_command(command, &mut w);
    w.at
}

fn put_inner_command(command: &Command, w: &mut Writer<'_>) {
    put_command(command, w);
}

#[inline(always)] // As `put_order`.
fn put_command(command: &Command, w: &mut Writer<'_>) {
    match command {
        Command::NewOrder(order) => w.put_order(order),
        Command::CancelOrder(cancel) => w.put_cancel(cancel),
        Command::ReplaceOrder(replace) => {
            let mut flags = 0;
            if replace.trigger_price.0 != 0 {
                flags |= HAS_TRIGGER_PRICE;
            }
            if replace.display_quantity.0 != 0 {
                flags |= HAS_DISPLAY_QUANTITY;
            }
            w.put([
                command_kind::REPLACE_ORDER,
                replace.original_client_order_id.len() as u8,
                replace.client_order_id.len() as u8,
                flags,
            ]);
            w.put(replace.account_id.0.to_le_bytes());
            w.put(replace.order_id.0.to_le_bytes());
            w.put(replace.price.0.to_le_bytes());
            w.put(replace.quantity.0.to_le_bytes());
            if replace.trigger_price.0 != 0 {
                w.put(replace.trigger_price.0.to_le_bytes());
            }
            if replace.display_quantity.0 != 0 {
                w.put(replace.display_quantity.0.to_le_bytes());
            }
            w.put_text(&replace.original_client_order_id);
            w.put_text(&replace.client_order_id);
        }
        Command::MassCancel(cancel) => {
            w.put([command_kind::MASS_CANCEL, cancel.side.map_or(0, |side| side as u8), cancel.reason as u8, 0]);
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
        _ => put_listed(command, w),
    }
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
    fn flags(&mut self, known: u8) -> Result<u8, WireError> {
        let flags = self.u8()?;
        value((flags & !known == 0).then_some(flags), "flags")
    }

    /// A field that is there only if it is not the default.
    #[inline]
    fn given<T: Coded + PartialEq>(&mut self, given: bool, default: T, field: &'static str) -> Result<T, WireError> {
        if !given {
            return Ok(default);
        }
        let value = T::take(self, field)?;
        if value == default {
            return Err(WireError::new(field, NOT_DEFAULT));
        }
        Ok(value)
    }

    /// The number that a command within a command must have.
    fn kind(&mut self, expected: u8) -> Result<(), WireError> {
        if self.u8()? == expected {
            Ok(())
        } else {
            Err(WireError::new("kind", NOT_A_VALUE))
        }
    }

    #[inline(always)] // A call would copy the order on its way.
    fn order(&mut self) -> Result<NewOrder, WireError> {
        let side = value(Side::from_u8(self.u8()?), "side")?;
        let order_type = value(OrderType::from_u8(self.u8()?), "order_type")?;
        let time_in_force = value(TimeInForce::from_u8(self.u8()?), "time_in_force")?;
        let post_only = flag(self.u8()?, "post_only")?;
        let self_trade_prevention = value(SelfTradePrevention::from_u8(self.u8()?), "self_trade_prevention")?;
        let length = self.u8()?;
        let flags = self.flags(HAS_QUOTE_QUANTITY | HAS_KEY | HAS_TERMS)?;
        Ok(NewOrder {
            account_id: AccountId(self.u32()?),
            instrument_id: InstrumentId(self.u32()?),
            side,
            order_type,
            time_in_force,
            post_only,
            self_trade_prevention,
            price: PriceTicks(self.i64()?),
            quantity: Lots(self.i64()?),
            quote_quantity: self.given(flags & HAS_QUOTE_QUANTITY != 0, Amount::ZERO, "quote_quantity")?,
            key_id: self.given(flags & HAS_KEY != 0, KeyId::NONE, "key_id")?,
            terms: if flags & HAS_TERMS != 0 { Some(Box::new(self.terms()?)) } else { None },
            client_order_id: self.text(length, "client_order_id")?,
        })
    }

    /// The order of another command.
    fn inner_order(&mut self) -> Result<NewOrder, WireError> {
        self.order()
    }

    #[inline(never)]
    fn terms(&mut self) -> Result<Terms, WireError> {
        let mask = self.u16()?;
        if mask & !term::ALL != 0 {
            return Err(WireError::new("terms", NOT_A_VALUE));
        }
        let has = |term: u16| mask & term != 0;
        Ok(Terms {
            trigger_price: self.given(has(term::TRIGGER_PRICE), PriceTicks(0), "trigger_price")?,
            trigger_by: self.given(has(term::TRIGGER_BY), TriggerBy::Last, "trigger_by")?,
            trail_bps: self.given(has(term::TRAIL_BPS), 0, "trail_bps")?,
            display_quantity: self.given(has(term::DISPLAY_QUANTITY), Lots::ZERO, "display_quantity")?,
            hidden: has(term::HIDDEN),
            min_quantity: self.given(has(term::MIN_QUANTITY), Lots::ZERO, "min_quantity")?,
            expire_time_ns: self.given(has(term::EXPIRE_TIME_NS), 0, "expire_time_ns")?,
            auction_only: has(term::AUCTION_ONLY),
            slide: has(term::SLIDE),
            peg: self.given(has(term::PEG), Peg::None, "peg")?,
            peg_offset: self.given(has(term::PEG_OFFSET), 0, "peg_offset")?,
        })
    }

    #[inline]
    fn cancel(&mut self) -> Result<CancelOrder, WireError> {
        let length = self.u8()?;
        self.zeros(2)?;
        Ok(CancelOrder {
            account_id: AccountId(self.u32()?),
            order_id: OrderId(self.u64()?),
            client_order_id: self.text(length, "client_order_id")?,
        })
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
    let kind = r.u8()?;
    let command = take_command(&mut r, kind)?;
    Ok((command, r.at))
}

/// The command of another command.
fn take_inner_command(r: &mut Reader<'_>, kind: u8) -> Result<Command, WireError> {
    take_command(r, kind)
}

#[inline(always)] // As `Reader::order`.
fn take_command(r: &mut Reader<'_>, kind: u8) -> Result<Command, WireError> {
    Ok(match kind {
        command_kind::NEW_ORDER => Command::NewOrder(r.order()?),
        command_kind::CANCEL_ORDER => Command::CancelOrder(r.cancel()?),
        command_kind::REPLACE_ORDER => {
            let original_length = r.u8()?;
            let length = r.u8()?;
            let flags = r.flags(HAS_TRIGGER_PRICE | HAS_DISPLAY_QUANTITY)?;
            let account_id = AccountId(r.u32()?);
            let order_id = OrderId(r.u64()?);
            let price = PriceTicks(r.i64()?);
            let quantity = Lots(r.i64()?);
            let trigger_price = PriceTicks(r.given(flags & HAS_TRIGGER_PRICE != 0, 0, "trigger_price")?);
            let display_quantity = Lots(r.given(flags & HAS_DISPLAY_QUANTITY != 0, 0, "display_quantity")?);
            Command::ReplaceOrder(ReplaceOrder {
                account_id,
                order_id,
                original_client_order_id: r.text(original_length, "original_client_order_id")?,
                client_order_id: r.text(length, "client_order_id")?,
                price,
                quantity,
                trigger_price,
                display_quantity,
            })
        }
        command_kind::MASS_CANCEL => {
            let side = optional_side(r.u8()?)?;
            let reason = value(MassCancelReason::from_u8(r.u8()?), "reason")?;
            r.zeros(1)?;
            Command::MassCancel(MassCancel {
                account_id: AccountId(r.u32()?),
                instrument_id: InstrumentId(r.u32()?),
                side,
                reason,
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
        kind => take_listed(r, kind)?,
    })
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
