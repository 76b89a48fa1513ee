//! What an account holds of each instrument because of its own trades, what that cost, and what it has earned.
//!
//! The rule is average cost. A trade in the direction of the position adds its notional to the cost. A trade against it
//! closes lots: they take `cost × closed / open` of the cost with them, rounded down, and what rounding leaves behind
//! stays in the cost of the lots still open; closing all of them takes all of it. What a trade has beyond that opens a
//! position the other way, at the trade's price. Deposits, withdrawals and transfers are no trades and change nothing.
//!
//! Invariants of a [`Position`]: `quantity = bought - sold`; the average price of what is open lies between the lowest
//! and the highest price it was opened at, so `cost` is 0 exactly when `quantity` is; and for every mark
//! `realised + unrealised(mark) = notional sold - notional bought + mark × quantity`, exactly: rounding only decides what
//! is earned now and what later. Over all accounts the quantities of an instrument sum to 0, because a trade has two
//! sides.
//!
//! Numbers: lots fit without checks, for 2^64 trades of both sides at 2^53 lots are 2^118. Sums of notionals do not: the
//! largest notional is 10^30, so 1.7 × 10^8 trades of that size, all losses of one account, pass 2^127. These sums, and
//! that of the fees, stop at the end of the range rather than wrap; from then on they say too little, but no trade fails.

use crate::types::{Side, MAX_TICKS_OR_LOTS};

/// An account's position in one instrument. A tick-lot is one lot at a price of one tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Bought less sold, in lots; negative when more was sold.
    pub quantity: i128,
    /// Price × lots of what is open, in tick-lots; never negative.
    pub cost: i128,
    /// Profit less loss on what was closed, in tick-lots, before fees.
    pub realised: i128,
    /// Fees paid less rebates received, in the quote asset's smallest unit.
    pub fees: i128,
    /// Lots bought in all.
    pub bought: i128,
    /// Lots sold in all.
    pub sold: i128,
}

impl Position {
    /// Books one side of a trade; an account that trades with itself books both. Price and quantity are at least 1.
    #[inline]
    pub(crate) fn apply(&mut self, side: Side, price: i64, quantity: i64, fee: i128) {
        debug_assert!(price >= 1 && quantity >= 1, "a trade has a price and a quantity");
        let (price, lots) = (i128::from(price), i128::from(quantity));
        let signed = match side {
            Side::Buy => {
                self.bought += lots;
                lots
            }
            Side::Sell => {
                self.sold += lots;
                -lots
            }
        };
        let open = self.quantity.abs();
        let closed = if self.quantity.signum() == -signed.signum() { lots.min(open) } else { 0 };
        if closed > 0 {
            let part = share(self.cost, closed, open);
            self.cost -= part;
            // Both are at least 0, so that their difference fits.
            let gain = price * closed - part;
            self.realised = self.realised.saturating_add(if side == Side::Sell { gain } else { -gain });
        }
        self.cost = self.cost.saturating_add(price * (lots - closed));
        self.quantity += signed;
        self.fees = self.fees.saturating_add(fee);
    }

    /// The average price of what is open in ticks, as a fraction: cost in tick-lots over lots. `None` if nothing is.
    pub const fn average_price(&self) -> Option<(i128, i128)> {
        match self.quantity {
            0 => None,
            quantity => Some((self.cost, quantity.abs())),
        }
    }

    /// What closing everything at `mark` would add to `realised`, in tick-lots.
    pub const fn unrealised(&self, mark: i64) -> i128 {
        let value = self.quantity.saturating_mul(mark as i128);
        if self.quantity < 0 {
            value.saturating_add(self.cost)
        } else {
            value.saturating_sub(self.cost)
        }
    }

    /// Whether trades can have led here, as far as the numbers show it: for the audit, and for what a snapshot says.
    pub(crate) fn is_sound(&self) -> bool {
        let open = self.quantity.saturating_abs();
        self.bought >= 0
            && self.sold >= 0
            && self.bought - self.sold == self.quantity
            && (open..=open.saturating_mul(i128::from(MAX_TICKS_OR_LOTS))).contains(&self.cost)
    }
}

/// `cost × part / whole` rounded down, for 0 < part ≤ whole: the cost of a part of the lots. Closing everything is common
/// and needs no division.
#[inline]
fn share(cost: i128, part: i128, whole: i128) -> i128 {
    if part == whole {
        return cost;
    }
    match cost.checked_mul(part) {
        Some(product) => product / whole,
        None => wide_share(cost, part, whole),
    }
}

/// [`share`] when the product does not fit: one trade of the largest notional is enough for that. The product is built
/// from the binary digits of `part`, the highest first, and divided as it grows.
#[cold]
fn wide_share(cost: i128, part: i128, whole: i128) -> i128 {
    let (each, rest) = (cost / whole, cost % whole);
    let (mut quotient, mut remainder) = (0, 0);
    for bit in (0..i128::BITS - part.leading_zeros()).rev() {
        quotient *= 2;
        remainder *= 2;
        if part >> bit & 1 == 1 {
            remainder += rest;
        }
        // It is below three times the whole, which is a number of lots: it fits, and this ends after two rounds.
        while remainder >= whole {
            remainder -= whole;
            quotient += 1;
        }
    }
    each * part + quotient
}

/// A position as it is kept: in 64 bits, and so in one cache line, while its numbers fit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(align(64))]
struct Entry {
    instrument: u32,
    /// The position if it does not fit; what follows means nothing then.
    large: Option<Box<Position>>,
    /// Bought and sold, by side.
    lots: [i64; 2],
    cost: i64,
    realised: i64,
    fees: i64,
}

impl Entry {
    fn new(instrument: u32, position: Position) -> Self {
        let mut entry = Self { instrument, large: None, lots: [0; 2], cost: 0, realised: 0, fees: 0 };
        entry.set(position);
        entry
    }

    fn position(&self) -> Position {
        if let Some(large) = &self.large {
            return **large;
        }
        let [bought, sold] = self.lots.map(i128::from);
        Position {
            quantity: bought - sold,
            cost: self.cost.into(),
            realised: self.realised.into(),
            fees: self.fees.into(),
            bought,
            sold,
        }
    }

    fn set(&mut self, position: Position) {
        let Position { cost, realised, fees, bought, sold, .. } = position;
        let mut small = [0; 5];
        let mut fits = true;
        for (place, number) in small.iter_mut().zip([bought, sold, cost, realised, fees]) {
            *place = number as i64;
            fits &= i128::from(*place) == number;
        }
        let [bought, sold, cost, realised, fees] = if fits { small } else { [0; 5] };
        let large = if fits { None } else { Some(Box::new(position)) };
        *self = Self { instrument: self.instrument, large, lots: [bought, sold], cost, realised, fees };
    }

    /// As [`Position::apply`].
    #[inline]
    fn apply(&mut self, side: Side, price: i64, quantity: i64, fee: i128) {
        if self.large.is_some() || self.apply_small(side, price, quantity, fee).is_none() {
            self.apply_large(side, price, quantity, fee);
        }
    }

    #[cold]
    #[inline(never)] // So that the small way has the registers.
    fn apply_large(&mut self, side: Side, price: i64, quantity: i64, fee: i128) {
        let mut position = self.position();
        position.apply(side, price, quantity, fee);
        self.set(position);
    }

    /// The same in 64 bits; `None`, and nothing is changed, if a number does not fit. Which way a trade goes, and how much of
    /// the position it closes, cannot be predicted, so nothing here branches on it.
    #[inline]
    fn apply_small(&mut self, side: Side, price: i64, quantity: i64, fee: i128) -> Option<()> {
        debug_assert!(price >= 1 && quantity >= 1, "a trade has a price and a quantity");
        let (sign, place) = (side.sign(), side.index());
        let fee = i64::try_from(fee).ok()?;
        let open = self.lots[0] - self.lots[1];
        let closed = if (open ^ sign) < 0 { quantity.min(open.abs()) } else { 0 };
        // Closing all of it takes all of the cost, closing nothing takes nothing.
        let part = ((self.cost as u64).checked_mul(closed as u64)? / open.unsigned_abs().max(1)) as i64;
        let notional = price.checked_mul(quantity)?;
        let at_price = price * closed; // At most the notional.
        let cost = (self.cost - part).checked_add(notional - at_price)?;
        let realised = self.realised.checked_sub(sign * (at_price - part))?;
        let fees = self.fees.checked_add(fee)?;
        self.lots[place] = self.lots[place].checked_add(quantity)?;
        self.cost = cost;
        self.realised = realised;
        self.fees = fees;
        Some(())
    }
}

/// One account's positions, in the order of the instruments. Nothing is allocated before the first trade. A position
/// stays after it is closed: what it earned is not forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Positions {
    /// Ascending by instrument index, each once.
    entries: Vec<Entry>,
}

impl Positions {
    /// The position in an instrument; `None` if the account never traded it.
    pub fn get(&self, instrument: u32) -> Option<Position> {
        let at = self.find(instrument).ok()?;
        Some(self.entries[at].position())
    }

    /// Books one side of a trade, as [`Position::apply`], in a position that is made if there is none.
    #[inline]
    pub fn apply(&mut self, instrument: u32, side: Side, price: i64, quantity: i64, fee: i128) {
        let entry = match self.entries.first_mut() {
            Some(first) if first.instrument == instrument => first,
            _ => self.find_or_insert(instrument),
        };
        entry.apply(side, price, quantity, fee);
    }

    #[inline(never)] // Many accounts trade one instrument.
    fn find_or_insert(&mut self, instrument: u32) -> &mut Entry {
        let at = self.find(instrument).unwrap_or_else(|at| {
            self.entries.insert(at, Entry::new(instrument, Position::default()));
            at
        });
        &mut self.entries[at]
    }

    fn find(&self, instrument: u32) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&instrument, |entry| entry.instrument)
    }

    /// Takes the next position of a snapshot; `false`, and nothing is taken, if it cannot have been saved.
    #[must_use]
    pub fn restore(&mut self, instrument: u32, position: Position) -> bool {
        let possible = position.is_sound() && self.entries.last().is_none_or(|last| last.instrument < instrument);
        if possible {
            self.entries.push(Entry::new(instrument, position));
        }
        possible
    }

    /// The positions with their instruments' indexes, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, Position)> + '_ {
        self.entries.iter().map(|entry| (entry.instrument, entry.position()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn next(seed: &mut u64) -> u64 {
        // SplitMix64 (S. Vigna, public domain reference).
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 1 to `largest`, of every magnitude alike.
    fn some_number(seed: &mut u64, largest: i64) -> i64 {
        let bits = next(seed) % 64;
        1 + ((next(seed) >> bits) % largest as u64) as i64
    }

    fn some_side(seed: &mut u64) -> Side {
        Side::ALL[(next(seed) % 2) as usize]
    }

    /// The product of two numbers below 2^127 in 256 bits, high half first.
    fn product(a: i128, b: i128) -> (u128, u128) {
        const LOW: u128 = u64::MAX as u128;
        let (a, b) = (a as u128, b as u128);
        let (a_high, a_low, b_high, b_low) = (a >> 64, a & LOW, b >> 64, b & LOW);
        let low = a_low * b_low;
        let middle = a_high * b_low + (low >> 64);
        let other = a_low * b_high + (middle & LOW);
        (a_high * b_high + (middle >> 64) + (other >> 64), other << 64 | low & LOW)
    }

    /// What has the rule said in words, case by case, and the money that changed hands.
    #[derive(Default)]
    struct Twin {
        long: (i128, i128),
        short: (i128, i128),
        realised: i128,
        cash: i128,
        opened_at: Option<(i64, i64)>,
    }

    impl Twin {
        fn taken(cost: i128, closed: i128, open: i128) -> i128 {
            // By definition: the largest number whose product with `open` is not above cost × closed.
            let (mut low, mut high) = (0, cost);
            while low < high {
                let middle = low + (high - low + 1) / 2;
                if product(middle, open) <= product(cost, closed) {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            low
        }

        fn apply(&mut self, side: Side, price: i64, quantity: i64) {
            let (ticks, lots) = (i128::from(price), i128::from(quantity));
            self.cash += if side == Side::Sell { ticks * lots } else { -ticks * lots };
            let (with, against) = match side {
                Side::Buy => (&mut self.long, &mut self.short),
                Side::Sell => (&mut self.short, &mut self.long),
            };
            let closed = lots.min(against.0);
            if closed > 0 {
                let taken = Self::taken(against.1, closed, against.0);
                *against = (against.0 - closed, against.1 - taken);
                self.realised += if side == Side::Sell { ticks * closed - taken } else { taken - ticks * closed };
            }
            if against.0 == 0 {
                if closed > 0 {
                    self.opened_at = None;
                }
                *with = (with.0 + lots - closed, with.1 + ticks * (lots - closed));
                if lots > closed {
                    let (low, high) = self.opened_at.unwrap_or((price, price));
                    self.opened_at = Some((low.min(price), high.max(price)));
                }
            }
        }
    }

    fn agrees_with_the_twin(largest_price: i64, largest_quantity: i64, trades: u32) {
        for start in 0..60_u64 {
            let mut seed = start;
            let (mut position, mut twin) = (Position::default(), Twin::default());
            let mut entry = Entry::new(7, position);
            let mut fees = 0;
            for step in 0..trades {
                // Runs in one direction, so that positions grow, and trades that close exactly.
                let side = if next(&mut seed) % 4 == 0 {
                    some_side(&mut seed)
                } else {
                    [Side::Buy, Side::Sell][(step as usize / 16) % 2]
                };
                let price = some_number(&mut seed, largest_price);
                let mut quantity = some_number(&mut seed, largest_quantity);
                if next(&mut seed) % 16 == 0 && position.quantity != 0 {
                    quantity = i64::try_from(position.quantity.abs()).map_or(quantity, |all| all.min(largest_quantity));
                }
                let fee = i128::from(next(&mut seed) as i64);
                fees += fee;
                position.apply(side, price, quantity, fee);
                entry.apply(side, price, quantity, fee);
                assert_eq!(entry, Entry::new(7, position), "seed {start}, step {step}");
                twin.apply(side, price, quantity);

                let at = format!("seed {start}, step {step}");
                assert!(position.is_sound(), "{position:?}, {at}");
                assert_eq!(position.quantity, twin.long.0 - twin.short.0, "{at}");
                assert_eq!(position.cost, twin.long.1 + twin.short.1, "{at}");
                assert_eq!(position.realised, twin.realised, "{at}");
                assert_eq!(position.fees, fees, "{at}");
                assert_eq!(position.cost == 0, position.quantity == 0, "{at}");
                assert_eq!(position.average_price().is_none(), position.quantity == 0, "{at}");
                if let (Some((cost, lots)), Some((low, high))) = (position.average_price(), twin.opened_at) {
                    assert!(i128::from(low) * lots <= cost && cost <= i128::from(high) * lots, "{at}");
                }
                let some_mark = some_number(&mut seed, MAX_TICKS_OR_LOTS);
                for mark in [-MAX_TICKS_OR_LOTS, -1, 0, 1, price, some_mark, MAX_TICKS_OR_LOTS] {
                    let value = twin.cash + i128::from(mark) * position.quantity;
                    assert_eq!(position.realised + position.unrealised(mark), value, "mark {mark}, {at}");
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_twin_in_small_numbers() {
        agrees_with_the_twin(3, 5, 2_000);
        agrees_with_the_twin(100, 1_000, 2_000);
    }

    #[test]
    fn agrees_with_the_twin_in_the_largest_numbers() {
        agrees_with_the_twin(MAX_TICKS_OR_LOTS, MAX_TICKS_OR_LOTS, 1_000);
        agrees_with_the_twin(1, MAX_TICKS_OR_LOTS, 500);
        agrees_with_the_twin(MAX_TICKS_OR_LOTS, 1, 500);
    }

    #[test]
    fn a_share_is_the_quotient_rounded_down() {
        let lots = 1 << 118;
        for start in 0..20_000_u64 {
            let mut seed = start;
            let mut number = |largest: i128| {
                let bits = next(&mut seed) % 128;
                let wide = u128::from(next(&mut seed)) << 64 | u128::from(next(&mut seed));
                1 + ((wide >> bits) % largest as u128) as i128
            };
            let whole = number(lots);
            let (part, cost) = (number(whole), number(i128::MAX - 1));
            let taken = share(cost, part, whole);
            assert!(product(taken, whole) <= product(cost, part), "seed {start}");
            assert!(product(taken + 1, whole) > product(cost, part), "seed {start}");
            assert_eq!(taken, wide_share(cost, part, whole), "seed {start}");
        }
        for cost in [0, 1, lots - 1, lots, i128::MAX] {
            assert_eq!(share(cost, lots, lots), cost);
            assert_eq!(wide_share(cost, lots, lots), cost);
            assert_eq!(wide_share(cost, 1, lots), cost / lots);
        }
    }

    #[test]
    fn what_rounding_loses_stays_in_the_cost() {
        let mut position = Position::default();
        position.apply(Side::Buy, 10, 1, 1);
        position.apply(Side::Buy, 11, 2, 1);
        assert_eq!(position.average_price(), Some((32, 3)));
        position.apply(Side::Sell, 12, 1, -3);
        // 32 × 1 / 3 is 10; the cost keeps 22.
        assert_eq!((position.cost, position.realised, position.fees), (22, 2, -1));
        position.apply(Side::Sell, 12, 2, 0);
        assert_eq!((position.cost, position.realised, position.quantity), (0, 4, 0));
        assert_eq!((position.bought, position.sold, position.average_price()), (3, 3, None));
        assert_eq!(position.unrealised(1_000), 0);
    }

    #[test]
    fn a_trade_beyond_the_position_opens_the_other_way_at_its_price() {
        let mut position = Position::default();
        position.apply(Side::Sell, 100, 5, 0);
        assert_eq!((position.quantity, position.unrealised(90), position.unrealised(110)), (-5, 50, -50));
        position.apply(Side::Buy, 90, 7, 0);
        assert_eq!((position.quantity, position.cost, position.realised), (2, 180, 50));
        position.apply(Side::Sell, 80, 3, 0);
        assert_eq!((position.quantity, position.cost, position.realised), (-1, 80, 30));
    }

    #[test]
    fn a_trade_with_itself_changes_nothing_but_the_totals() {
        for first in [Side::Buy, Side::Sell] {
            let mut position = Position::default();
            position.apply(first, MAX_TICKS_OR_LOTS, MAX_TICKS_OR_LOTS, 3);
            position.apply(first.opposite(), MAX_TICKS_OR_LOTS, MAX_TICKS_OR_LOTS, -1);
            let lots = i128::from(MAX_TICKS_OR_LOTS);
            assert_eq!(position, Position { fees: 2, bought: lots, sold: lots, ..Position::default() });
        }
    }

    #[test]
    fn a_million_of_the_largest_trades_fit() {
        let (largest, trades) = (i128::from(MAX_TICKS_OR_LOTS), 1 << 20);
        let mut position = Position::default();
        for _ in 0..trades {
            position.apply(Side::Sell, MAX_TICKS_OR_LOTS, MAX_TICKS_OR_LOTS, 0);
        }
        assert_eq!((position.quantity, position.cost), (-largest * trades, largest * largest * trades));
        for _ in 0..trades {
            position.apply(Side::Buy, 1, MAX_TICKS_OR_LOTS, 0);
        }
        assert_eq!((position.quantity, position.cost), (0, 0));
        assert_eq!(position.realised, largest * (largest - 1) * trades);
    }

    #[test]
    fn sums_stop_at_the_end_of_the_range() {
        let mut position = Position::default();
        for _ in 0..3 {
            position.apply(Side::Buy, i64::MAX, i64::MAX, i128::MAX);
        }
        assert_eq!((position.cost, position.fees), (i128::MAX, i128::MAX));
        assert_eq!(position.unrealised(i64::MIN), i128::MIN);
        for _ in 0..3 {
            position.apply(Side::Sell, 1, i64::MAX, i128::MIN);
        }
        assert_eq!((position.quantity, position.cost), (0, 0));
        for _ in 0..6 {
            position.apply(Side::Buy, i64::MAX, i64::MAX, 0);
            position.apply(Side::Sell, 1, i64::MAX, 0);
        }
        assert_eq!((position.quantity, position.cost, position.realised), (0, 0, i128::MIN));
    }

    #[test]
    fn an_entry_is_wide_only_while_its_numbers_need_it() {
        assert_eq!(size_of::<Entry>(), 64);
        let largest = i64::MAX.into();
        for beyond in [
            Position { quantity: largest, bought: largest + 1, sold: 1, cost: largest, ..Position::default() },
            Position { realised: i128::from(i64::MIN) - 1, ..Position::default() },
            Position { fees: largest + 1, ..Position::default() },
        ] {
            let entry = Entry::new(0, beyond);
            assert!(entry.large.is_some() && entry.position() == beyond);
        }
        let mut entry = Entry::new(0, Position { fees: largest, ..Position::default() });
        assert!(entry.large.is_none());
        entry.apply(Side::Buy, 1, 1, 1);
        assert!(entry.large.is_some());
        entry.apply(Side::Sell, 1, 1, -1);
        assert!(entry.large.is_none());
        assert_eq!(entry.position(), Position { fees: largest, bought: 1, sold: 1, ..Position::default() });
    }

    #[test]
    fn what_no_trades_lead_to_is_not_sound() {
        let sound = Position { quantity: 2, cost: 7, bought: 5, sold: 3, ..Position::default() };
        assert!(sound.is_sound() && Position::default().is_sound());
        let unsound = [
            Position { quantity: 3, ..sound },
            Position { cost: 1, ..sound },
            Position { cost: 2 * i128::from(MAX_TICKS_OR_LOTS) + 1, ..sound },
            Position { cost: -7, ..sound },
            Position { cost: 1, ..Position::default() },
            Position { bought: -1, sold: -3, ..sound },
            Position { quantity: i128::MIN, cost: i128::MAX, ..sound },
        ];
        assert!(unsound.iter().all(|position| !position.is_sound()));
    }

    #[test]
    fn positions_agree_with_a_map() {
        for start in 0..50_u64 {
            let mut seed = start;
            let (mut positions, mut map) = (Positions::default(), BTreeMap::<u32, Position>::new());
            for _ in 0..500 {
                let instrument = [next(&mut seed) % 8, next(&mut seed) % 1_000, u64::from(u32::MAX)]
                    [(next(&mut seed) % 3) as usize] as u32;
                assert_eq!(positions.get(instrument), map.get(&instrument).copied());
                if next(&mut seed) % 2 == 0 {
                    let (side, price) = (some_side(&mut seed), some_number(&mut seed, 1_000));
                    positions.apply(instrument, side, price, 3, 1);
                    map.entry(instrument).or_default().apply(side, price, 3, 1);
                }
                assert!(positions.iter().eq(map.iter().map(|(&instrument, &position)| (instrument, position))));
            }
            assert_eq!(positions.iter().len(), map.len());
        }
    }

    #[test]
    fn an_account_that_never_traded_holds_no_allocation() {
        let positions = Positions::default();
        assert_eq!(positions.get(0), None);
        assert_eq!(positions.entries.capacity(), 0);
    }
}
