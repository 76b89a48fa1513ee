//! What an order is beyond its record: terms, a list, what it waits for.
//!
//! Invariant: an order has an [`Extra`] exactly while its flags say `special`; an order that is not `Working` is in no
//! level of its book.

use crate::command::{NewOrder, Terms};
use crate::types::{ListId, OrderType, TimeInForce};

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stand {
    /// In the book, or on its way into it.
    Working = 0,
    /// Waits for its trigger price.
    Trigger = 1,
    /// Waits for the price at which it begins to trail.
    Activation = 2,
    /// Trails, and waits for its trigger price.
    Trail = 3,
    /// Waits for another order of its list.
    List = 4,
    /// A market order in an auction.
    AuctionMarket = 5,
}

impl Stand {
    /// The stand with this number, which is the one in the snapshot.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Working,
            1 => Self::Trigger,
            2 => Self::Activation,
            3 => Self::Trail,
            4 => Self::List,
            5 => Self::AuctionMarket,
            _ => return None,
        })
    }

    /// Whether it waits for something before it can trade.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Trigger | Self::Activation | Self::Trail | Self::List)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    pub terms: Terms,
    pub order_type: OrderType,
    pub stand: Stand,
    /// `instrument * 2 + side` while it is in no level.
    pub half: u32,
    /// The limit, in ticks: of one that is in no level; of a pegged order the worst price; of a market order in an auction
    /// the price as at which it holds. 0 for none.
    pub limit: i64,
    pub quote_quantity: i128,
    pub list_id: ListId,
    /// What the book shows of an iceberg order.
    pub peak: i64,
    /// Whether it has been executed once, so that its minimum quantity is done with.
    pub entered: bool,
}

impl NewOrder {
    /// Whether it is more than a plain order.
    #[inline(always)] // A few instructions for nearly every command.
    pub(crate) fn is_special(&self) -> bool {
        self.terms.as_deref().is_some_and(|terms| *terms != Terms::NONE)
            || !matches!(self.order_type, OrderType::Limit | OrderType::Market)
            || self.time_in_force == TimeInForce::Gtd // It needs a time, which is a term.
    }

    /// Its terms.
    pub(crate) fn terms(&self) -> Terms {
        self.terms.as_deref().copied().unwrap_or(Terms::NONE)
    }
}

impl OrderType {
    /// Whether it waits for a trigger price.
    pub const fn is_conditional(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit | Self::TakeProfit | Self::TakeProfitLimit)
    }

    /// Whether its price is given.
    pub const fn has_limit(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit | Self::TakeProfitLimit)
    }
}
