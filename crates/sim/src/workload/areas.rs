//! Which parts of the rulebook a stream has, so that parts can be compared on their own.

use beurs_engine::command::{Command, NewOrder};
use beurs_engine::types::{OrderType, Peg};

/// Parts of the rulebook, as a set. Plain orders, money and the venue's plain settings are always there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Areas(u8);

impl Areas {
    /// Conditional orders, lifetimes and timers, cancel-replace, order lists, marks and features (sections 2, 4, 5).
    pub const ORDERS: Self = Self(1);
    /// Icebergs, hidden and pegged orders, minimum quantity, market-to-limit, slide, pro rata, trade groups (3, 7, 8, 9).
    pub const BOOK: Self = Self(2);
    /// Statuses, schedules, auctions, price bands (10, 11, 12).
    pub const AUCTIONS: Self = Self(4);
    /// Limits, modes, kill switches, fee rules, what the staff does (13, 14).
    pub const RISK: Self = Self(8);
    /// Trades that are busted and adjusted (14).
    pub const CORRECTIONS: Self = Self(16);
    /// Everything.
    pub const ALL: Self = Self(31);
    /// Plain orders only.
    pub const NONE: Self = Self(0);

    /// The areas of these names, separated by commas.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').filter(|name| !name.is_empty()).try_fold(Self::NONE, |all, name| {
            Some(all.and(match name {
                "orders" => Self::ORDERS,
                "book" => Self::BOOK,
                "auctions" => Self::AUCTIONS,
                "risk" => Self::RISK,
                "corrections" => Self::CORRECTIONS,
                "all" => Self::ALL,
                _ => return None,
            }))
        })
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn of(condition: bool, area: Self) -> Self {
        if condition {
            area
        } else {
            Self::NONE
        }
    }

    fn of_order(order: &NewOrder) -> Self {
        let terms = order.terms.as_deref().copied().unwrap_or_default();
        let lasts_for_a_time = terms.expire_time_ns != 0 || terms.trigger_price.0 != 0 || terms.trail_bps != 0;
        let of_the_book = terms.display_quantity.0 != 0
            || terms.hidden
            || terms.min_quantity.0 != 0
            || terms.slide
            || terms.peg != Peg::None
            || terms.peg_offset != 0
            || order.order_type == OrderType::MarketToLimit;
        Self::of(lasts_for_a_time || order.order_type.is_conditional(), Self::ORDERS)
            .and(Self::of(of_the_book, Self::BOOK))
            .and(Self::of(terms.auction_only, Self::AUCTIONS))
            .and(Self::of(order.key_id.0 != 0, Self::RISK))
    }

    /// What a command belongs to.
    fn of_command(command: &Command) -> Self {
        match command {
            Command::NewOrder(order) => Self::of_order(order),
            Command::CancelReplace(both) => Self::ORDERS.and(Self::of_order(&both.new_order)),
            Command::NewOrderList(list) => {
                list.orders.iter().fold(Self::ORDERS, |all, order| all.and(Self::of_order(order)))
            }
            Command::ReplaceOrder(replace) => Self::of(replace.trigger_price.0 != 0, Self::ORDERS)
                .and(Self::of(replace.display_quantity.0 != 0, Self::BOOK)),
            Command::CancelAllAfter(_) | Command::SetMarkPrice(_) | Command::SetFeatures(_) => Self::ORDERS,
            Command::SetMatching(_) | Command::SetLeadMarketMaker(_) | Command::SetTradeGroup(_) => Self::BOOK,
            Command::SetTradingStatus(_)
            | Command::SetInstrumentGroup(_)
            | Command::SetPriceBands(_)
            | Command::SetSchedule(_)
            | Command::SetRandomSeed(_) => Self::AUCTIONS,
            Command::SetRiskLimits(_)
            | Command::SetAccountMode(_)
            | Command::KillSwitch(_)
            | Command::SetFeeTier(_)
            | Command::SetFeePromotion(_)
            | Command::SetFeeCap(_) => Self::RISK,
            Command::BustTrade(_) | Command::AdjustTrade(_) => Self::CORRECTIONS,
            Command::Administer(administer) => Self::RISK.and(Self::of_command(&administer.command)),
            Command::CommandFailed(failed) => Self::AUCTIONS.and(Self::of_command(&failed.command)),
            _ => Self::NONE,
        }
    }

    /// Whether a command has nothing that these areas leave out.
    pub(super) fn have(self, command: &Command) -> bool {
        Self::of_command(command).0 & !self.0 == 0
    }
}
