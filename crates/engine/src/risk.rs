//! What accounts, groups and keys may do.

use crate::command::NewOrder;
use crate::engine::{Engine, Listing};
use crate::reject::RejectReason;
use crate::types::{AccountId, Amount, KeyId, Lots, OrderType, PriceTicks, Side};

/// What a new order or a replace asks for, as far as risk limits look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub key_id: KeyId,
    pub side: Side,
    pub order_type: OrderType,
    /// The limit; 0 for none.
    pub price: PriceTicks,
    pub quantity: Lots,
    pub quote_quantity: Amount,
    /// A replace: the slot of the order that it changes.
    pub replaces: Option<u32>,
}

impl Asked {
    #[inline]
    pub fn of_new_order(command: &NewOrder) -> Self {
        Self {
            key_id: command.key_id,
            side: command.side,
            order_type: command.order_type,
            price: command.price,
            quantity: command.quantity,
            quote_quantity: command.quote_quantity,
            replaces: None,
        }
    }
}

impl Engine {
    /// Whether the account's mode and the kill switches let it enter orders.
    #[inline]
    pub(crate) fn check_authority(&self, _account: usize, _at: usize, _key_id: KeyId) -> Result<(), RejectReason> {
        Ok(())
    }

    /// Whether the account's mode lets it cancel.
    #[inline]
    pub(crate) fn check_may_cancel(&self, _account_id: AccountId) -> Result<(), RejectReason> {
        Ok(())
    }

    /// Whether the risk limits allow an order.
    #[inline]
    pub(crate) fn check_risk(&self, _account: usize, _at: usize, _asked: &Asked) -> Result<(), RejectReason> {
        Ok(())
    }

    /// Counts an accepted new order.
    #[inline]
    pub(crate) fn note_order(&mut self, _account: usize, _at: usize, _command: &NewOrder) {}

    /// Counts an accepted replace.
    #[inline]
    pub(crate) fn note_replace(&mut self, _account: usize, _at: usize, _key_id: KeyId) {}

    /// The number of the fee schedule that an order entered now is charged by.
    #[inline(always)] // A few instructions.
    pub(crate) fn fees_for(&self, listing: &Listing, account: usize) -> u16 {
        listing.fees_of(self.ledger.accounts[account].group)
    }
}
