//! Accounts and their money.
//!
//! Invariants: 0 ≤ held ≤ total for every balance; the sum of all totals of an asset is what was deposited less what was
//! withdrawn; every movement has two sides.

use crate::pool::NIL;
use crate::positions::Positions;
use crate::remembered::List;
use crate::types::{AccountCode, Side};
use crate::volumes::Volumes;

/// One account's money in one asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    /// All of it.
    pub total: i128,
    /// The part held for open orders.
    pub held: i128,
}

impl Balance {
    /// What can be spent.
    #[inline]
    pub const fn available(self) -> i128 {
        self.total - self.held
    }
}

/// What nearly every command touches comes first, in one cache line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Account {
    /// By asset, up to the highest one ever touched.
    balances: Vec<Balance>,
    /// The oldest and youngest open order.
    pub first_order: u32,
    pub last_order: u32,
    pub open_orders: u32,
    pub group: u16,
    /// By instrument.
    pub positions: Positions,
    /// By quote asset.
    pub volumes: Volumes,
    /// Accounts of one trade group do not trade with each other where self-trade prevention is on; 0 for none.
    pub trade_group: u32,
    /// The client_order_ids of closed orders.
    pub remembered: List,
    /// When all its orders are canceled; 0 for never.
    pub deadline_ns: i64,
    pub code: AccountCode,
}

impl Account {
    pub fn new(code: AccountCode, group: u16) -> Self {
        Self {
            balances: Vec::new(),
            first_order: NIL,
            last_order: NIL,
            open_orders: 0,
            group,
            trade_group: 0,
            remembered: List::EMPTY,
            code,
            deadline_ns: 0,
            positions: Positions::default(),
            volumes: Volumes::default(),
        }
    }

    #[inline]
    pub fn balance(&self, asset: usize) -> Balance {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    #[inline(always)] // As small as a call to it.
    pub fn balance_mut(&mut self, asset: usize) -> &mut Balance {
        if asset >= self.balances.len() {
            return self.grow(asset);
        }
        &mut self.balances[asset]
    }

    #[cold]
    fn grow(&mut self, asset: usize) -> &mut Balance {
        self.balances.resize(asset + 1, Balance::default());
        &mut self.balances[asset]
    }

    /// The balances that are not empty, with their asset's place.
    pub fn balances(&self) -> impl Iterator<Item = (usize, Balance)> + '_ {
        self.balances.iter().copied().enumerate().filter(|(_, balance)| balance.total != 0)
    }
}

/// All accounts.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub accounts: Vec<Account>,
    /// The time of the command at work.
    pub now_ns: i64,
}

/// One side's part of a trade, in smallest units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement {
    pub account: usize,
    pub instrument: u32,
    pub side: Side,
    pub price: i64,
    pub quantity: i64,
    pub base: usize,
    pub quote: usize,
    pub base_amount: i128,
    pub notional: i128,
    /// Negative for a rebate.
    pub fee: i128,
    /// By how much the order's hold shrinks: of quote for a buy, of base for a sell.
    pub release: i128,
}

impl Ledger {
    /// Whether orders of two accounts have the same owner.
    #[inline]
    pub fn same_owner(&self, account: u32, trade_group: u32, other: u32) -> bool {
        account == other || trade_group != 0 && self.accounts[other as usize].trade_group == trade_group
    }

    /// The place of the account that takes the fees.
    pub const VENUE: usize = 0;

    #[inline(always)] // As above.
    pub fn balance_mut(&mut self, account: usize, asset: usize) -> &mut Balance {
        self.accounts[account].balance_mut(asset)
    }

    /// Moves one side's money of a trade, its fee to the venue, and releases what was held for it; books its position and
    /// its volume.
    #[inline(always)] // Of its callers one is rare, and the others have all of its arguments at hand.
    pub fn settle(&mut self, part: Settlement) {
        let account = &mut self.accounts[part.account];
        // Which side it is cannot be predicted, so both are worked out.
        let spent = [part.notional + part.fee, part.base_amount][part.side.index()];
        let gained = [part.base_amount, part.notional - part.fee][part.side.index()];
        let from = [part.quote, part.base][part.side.index()];
        let to = [part.base, part.quote][part.side.index()];
        let balance = account.balance_mut(from);
        balance.total -= spent;
        balance.held -= part.release;
        debug_assert!(0 <= balance.held && balance.held <= balance.total, "an order's hold covers what it costs");
        account.balance_mut(to).total += gained;
        account.positions.apply(part.instrument, part.side, part.price, part.quantity, part.fee);
        account.volumes.add(part.quote as u32, self.now_ns, part.notional);
        if part.fee != 0 {
            self.accounts[Self::VENUE].balance_mut(part.quote).total += part.fee;
        }
    }
}
