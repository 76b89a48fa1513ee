//! Requests of clients as commands of the engine. Whose they are is not in them: the session says it.
//!
//! Looked at here is only what a command cannot hold: numbers that are no value of an enum, bits that a set does not have,
//! texts. What a command may say is the engine's business.

use beurs_engine::command::{self, Command, NewOrder, Terms};
use beurs_engine::types::{
    AccountId, Amount, CancelReplaceMode, ClientOrderId, Contingency, InstrumentId, KeyId, Lots, MassCancelReason,
    OrderId, OrderType, Peg, PriceTicks, SelfTradePrevention, Side, TimeInForce, TriggerBy,
};

use super::{order_flags, Message, RequestReason};

/// Why a request cannot be a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The rule that it breaks.
    pub reason: RequestReason,
    /// The id of the field in the request; 0 for none.
    pub field_id: u16,
}

impl Refused {
    /// A refusal because of a field of a message.
    pub fn field<M: Message>(reason: RequestReason, field: &str) -> Self {
        Self { reason, field_id: M::field_id(field) }
    }
}

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// The account.
    pub account_id: AccountId,
    /// The key.
    pub key_id: KeyId,
}

#[inline]
fn value<M: Message, T>(value: Option<T>, field: &'static str) -> Result<T, Refused> {
    value.ok_or_else(|| Refused::field::<M>(RequestReason::InvalidValue, field))
}

#[inline]
fn text<M: Message>(bytes: [u8; 36], field: &'static str) -> Result<ClientOrderId, Refused> {
    ClientOrderId::from_padded(&bytes).ok_or_else(|| Refused::field::<M>(RequestReason::InvalidText, field))
}

#[inline]
fn boxed(terms: Terms) -> Option<Box<Terms>> {
    (terms != Terms::NONE).then(|| Box::new(terms))
}

/// The order of a message whose fields are named as those of `super::NewOrder`.
macro_rules! order {
    ($message:ident: $type:ty, $sender:expr) => {{
        let flags = value::<$type, _>(($message.flags <= order_flags::ALL).then_some($message.flags), "flags")?;
        NewOrder {
            account_id: $sender.account_id,
            key_id: $sender.key_id,
            instrument_id: InstrumentId($message.instrument_id),
            side: value::<$type, _>(Side::from_u8($message.side), "side")?,
            order_type: value::<$type, _>(OrderType::from_u8($message.order_type), "order_type")?,
            time_in_force: value::<$type, _>(TimeInForce::from_u8($message.time_in_force), "time_in_force")?,
            self_trade_prevention: value::<$type, _>(
                SelfTradePrevention::from_u8($message.self_trade_prevention),
                "self_trade_prevention",
            )?,
            post_only: flags & order_flags::POST_ONLY != 0,
            price: PriceTicks($message.price),
            quantity: Lots($message.quantity),
            quote_quantity: Amount($message.quote_quantity),
            client_order_id: text::<$type>($message.client_order_id, "client_order_id")?,
            terms: boxed(Terms {
                trigger_price: PriceTicks($message.trigger_price),
                trigger_by: value::<$type, _>(TriggerBy::from_u8($message.trigger_by), "trigger_by")?,
                trail_bps: $message.trail_bps,
                display_quantity: Lots($message.display_quantity),
                hidden: flags & order_flags::HIDDEN != 0,
                min_quantity: Lots($message.min_quantity),
                expire_time_ns: $message.expire_time_ns,
                auction_only: flags & order_flags::AUCTION_ONLY != 0,
                slide: flags & order_flags::SLIDE != 0,
                peg: value::<$type, _>(Peg::from_u8($message.peg), "peg")?,
                peg_offset: $message.peg_offset,
            }),
        }
    }};
}

/// One order of a list, as the message has it.
struct ListOrder {
    place: usize,
    side: u8,
    order_type: u8,
    time_in_force: u8,
    self_trade_prevention: u8,
    flags: u8,
    trigger_by: u8,
    trail_bps: u16,
    price: i64,
    quantity: i64,
    trigger_price: i64,
    display_quantity: i64,
    min_quantity: i64,
    expire_time_ns: i64,
    client_order_id: [u8; 36],
}

macro_rules! list_order {
    ($message:ident, $place:literal: $side:ident $type:ident $tif:ident $stp:ident $flags:ident $by:ident $trail:ident
     $price:ident $quantity:ident $trigger:ident $display:ident $min:ident $expire:ident $id:ident) => {
        ListOrder {
            place: $place,
            side: $message.$side,
            order_type: $message.$type,
            time_in_force: $message.$tif,
            self_trade_prevention: $message.$stp,
            flags: $message.$flags,
            trigger_by: $message.$by,
            trail_bps: $message.$trail,
            price: $message.$price,
            quantity: $message.$quantity,
            trigger_price: $message.$trigger,
            display_quantity: $message.$display,
            min_quantity: $message.$min,
            expire_time_ns: $message.$expire,
            client_order_id: $message.$id,
        }
    };
}

impl ListOrder {
    fn refused(&self, reason: RequestReason, field: &str) -> Refused {
        Refused::field::<super::NewOrderList>(reason, &format!("{field}_{}", self.place))
    }

    fn value<T>(&self, value: Option<T>, field: &str) -> Result<T, Refused> {
        value.ok_or_else(|| self.refused(RequestReason::InvalidValue, field))
    }

    fn order(&self, instrument_id: InstrumentId, sender: Sender) -> Result<NewOrder, Refused> {
        let flags = self.value((self.flags <= order_flags::ALL).then_some(self.flags), "flags")?;
        let client_order_id = ClientOrderId::from_padded(&self.client_order_id);
        Ok(NewOrder {
            account_id: sender.account_id,
            key_id: sender.key_id,
            instrument_id,
            side: self.value(Side::from_u8(self.side), "side")?,
            order_type: self.value(OrderType::from_u8(self.order_type), "order_type")?,
            time_in_force: self.value(TimeInForce::from_u8(self.time_in_force), "time_in_force")?,
            self_trade_prevention: self
                .value(SelfTradePrevention::from_u8(self.self_trade_prevention), "self_trade_prevention")?,
            post_only: flags & order_flags::POST_ONLY != 0,
            price: PriceTicks(self.price),
            quantity: Lots(self.quantity),
            quote_quantity: Amount::ZERO,
            client_order_id: client_order_id
                .ok_or_else(|| self.refused(RequestReason::InvalidText, "client_order_id"))?,
            terms: boxed(Terms {
                trigger_price: PriceTicks(self.trigger_price),
                trigger_by: self.value(TriggerBy::from_u8(self.trigger_by), "trigger_by")?,
                trail_bps: self.trail_bps,
                display_quantity: Lots(self.display_quantity),
                hidden: flags & order_flags::HIDDEN != 0,
                min_quantity: Lots(self.min_quantity),
                expire_time_ns: self.expire_time_ns,
                auction_only: flags & order_flags::AUCTION_ONLY != 0,
                slide: flags & order_flags::SLIDE != 0,
                ..Terms::NONE
            }),
        })
    }
}

impl super::NewOrder {
    /// The command.
    ///
    /// # Errors
    /// The first field that is no value of its type.
    #[inline]
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        let message = *self;
        Ok(Command::NewOrder(order!(message: super::NewOrder, sender)))
    }
}

impl super::CancelOrder {
    /// The command.
    ///
    /// # Errors
    /// As for [`super::NewOrder`].
    #[inline]
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        Ok(Command::CancelOrder(command::CancelOrder {
            account_id: sender.account_id,
            order_id: OrderId(self.order_id),
            client_order_id: text::<Self>(self.client_order_id, "client_order_id")?,
        }))
    }
}

impl super::ReplaceOrder {
    /// The command.
    ///
    /// # Errors
    /// As for [`super::NewOrder`].
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        Ok(Command::ReplaceOrder(command::ReplaceOrder {
            account_id: sender.account_id,
            order_id: OrderId(self.order_id),
            original_client_order_id: text::<Self>(self.original_client_order_id, "original_client_order_id")?,
            client_order_id: text::<Self>(self.client_order_id, "client_order_id")?,
            price: PriceTicks(self.price),
            quantity: Lots(self.quantity),
            trigger_price: PriceTicks(self.trigger_price),
            display_quantity: Lots(self.display_quantity),
        }))
    }
}

impl super::CancelReplace {
    /// The command.
    ///
    /// # Errors
    /// As for [`super::NewOrder`].
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        let message = *self;
        Ok(Command::CancelReplace(Box::new(command::CancelReplace {
            cancel: command::CancelOrder {
                account_id: sender.account_id,
                order_id: OrderId(message.order_id),
                client_order_id: text::<Self>(message.original_client_order_id, "original_client_order_id")?,
            },
            mode: value::<Self, _>(CancelReplaceMode::from_u8(message.mode), "mode")?,
            new_order: order!(message: super::CancelReplace, sender),
        })))
    }
}

impl super::NewOrderList {
    /// The command.
    ///
    /// # Errors
    /// As for [`super::NewOrder`].
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        let message = *self;
        let contingency = value::<Self, _>(Contingency::from_u8(message.contingency), "contingency")?;
        let orders = [
            list_order!(message, 1: side_1 order_type_1 time_in_force_1 self_trade_prevention_1 flags_1 trigger_by_1
                trail_bps_1 price_1 quantity_1 trigger_price_1 display_quantity_1 min_quantity_1 expire_time_ns_1
                client_order_id_1),
            list_order!(message, 2: side_2 order_type_2 time_in_force_2 self_trade_prevention_2 flags_2 trigger_by_2
                trail_bps_2 price_2 quantity_2 trigger_price_2 display_quantity_2 min_quantity_2 expire_time_ns_2
                client_order_id_2),
            list_order!(message, 3: side_3 order_type_3 time_in_force_3 self_trade_prevention_3 flags_3 trigger_by_3
                trail_bps_3 price_3 quantity_3 trigger_price_3 display_quantity_3 min_quantity_3 expire_time_ns_3
                client_order_id_3),
        ];
        let count = if contingency == Contingency::Otoco { 3 } else { 2 };
        let instrument_id = InstrumentId(message.instrument_id);
        let orders: Result<Vec<_>, _> =
            orders[..count].iter().map(|order| order.order(instrument_id, sender)).collect();
        Ok(Command::NewOrderList(Box::new(command::NewOrderList { contingency, orders: orders? })))
    }
}

impl super::MassCancel {
    /// The command.
    ///
    /// # Errors
    /// As for [`super::NewOrder`].
    pub fn to_command(&self, sender: Sender) -> Result<Command, Refused> {
        let side = match self.side {
            0 => None,
            number => Some(value::<Self, _>(Side::from_u8(number), "side")?),
        };
        Ok(Command::MassCancel(command::MassCancel {
            account_id: sender.account_id,
            instrument_id: InstrumentId(self.instrument_id),
            side,
            reason: MassCancelReason::Requested,
        }))
    }
}

impl super::CancelAllAfter {
    /// The command.
    pub fn to_command(&self, sender: Sender) -> Command {
        let timeout_ns = self.timeout_ns;
        Command::CancelAllAfter(command::CancelAllAfter { account_id: sender.account_id, timeout_ns })
    }
}
