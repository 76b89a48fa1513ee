//! The price of a call auction, as a pure function of the price levels of both sides.
//!
//! Write `buy(p)` for the market buy orders and the bids at `p` or higher, `sell(p)` for the market sell orders and the
//! asks at `p` or lower. The candidates are the limit prices of the orders. An order whose limit lies beyond a bound on
//! the side where it trades stands at that bound (which makes the bound a candidate); one beyond the other bound cannot
//! trade and does not count. Among the candidates, each rule choosing from what the rule before it left:
//!
//! 1. the greatest executable volume, `min(buy(p), sell(p))`; no volume, no price;
//! 2. the smallest `|buy(p) - sell(p)|`;
//! 3. market pressure: if `buy > sell` at all of them, the highest; if `buy < sell` at all of them, the lowest;
//! 4. the nearest to the reference price, the higher of two equally near ones; the highest if there is no reference.
//!
//! If only market orders can trade, the price is the reference, moved to the nearer bound if it lies outside; without a
//! reference there is none.
//!
//! # Why a walk over the crossing levels is enough
//!
//! Matching the best buy against the best sell, market orders first, until they do not cross, trades the greatest volume
//! that any price can have. The prices with that volume are those from the last ask to the last bid that were matched (no
//! bound where only market orders were). In that range `buy` falls and `sell` rises, each only by the orders that were not
//! matched, so that the imbalance is smallest where it changes sign: at the ends of the range, or at the first level of
//! either side that was not reached.
//!
//! Cost: the levels that trade, those that stand at a bound because their limit is beyond it, and at most three more on a
//! side; nothing is allocated.

use crate::types::{PriceTicks, Side};
use std::cmp::Ordering;
use std::iter::Peekable;

/// One price with the quantity of limit orders there (hidden and displayed alike), in lots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Curve {
    pub price: i64,
    pub quantity: i128,
}

/// What a call auction arrives at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Uncrossing {
    pub price: i64,
    /// Lots that trade at that price; at least 1.
    pub volume: i128,
    /// Lots that could trade at that price but find no one: a buy surplus is positive, a sell surplus negative.
    pub imbalance: i128,
}

/// The price of the auction by the rules of this module; `None` if nothing trades, or if there is nothing to price it by.
///
/// `bids` come best (highest) first, `asks` best (lowest) first; levels of the same price count as one, and a level
/// without quantity as none. `market_buy` and `market_sell` are the lots of the market orders. The price lies from `low`
/// to `high`, both included. Quantities are sums of 64-bit lots over orders, whose sums in turn fit 128 bits.
pub(crate) fn uncross(
    bids: impl Iterator<Item = Curve>,
    asks: impl Iterator<Item = Curve>,
    market_buy: i128,
    market_sell: i128,
    reference: Option<i64>,
    low: i64,
    high: i64,
) -> Option<Uncrossing> {
    if low > high {
        return None;
    }
    let bids = bids
        .take_while(|level| level.price >= low)
        .map(|level| Curve { price: level.price.min(high), ..level })
        .filter(|level| level.quantity > 0);
    let asks = asks
        .take_while(|level| level.price <= high)
        .map(|level| Curve { price: level.price.max(low), ..level })
        .filter(|level| level.quantity > 0);
    let mut buy = Half::new(Side::Buy, bids, market_buy);
    let mut sell = Half::new(Side::Sell, asks, market_sell);

    let volume = match_all(&mut buy, &mut sell);
    if volume == 0 {
        return None;
    }
    // The volume is tradable from `lowest` to `highest`; no limit, no end (but for the bounds).
    let (lowest, highest) = (sell.limit, buy.limit);
    // The first level of each side that was not reached, if it lies in there.
    let bid = buy.next.filter(|bid| lowest.is_none_or(|lowest| bid.price >= lowest));
    let ask = sell.next.filter(|ask| highest.is_none_or(|highest| ask.price <= highest));
    let at = |price: i64, imbalance: i128| Some(Uncrossing { price, volume, imbalance });
    let only_market_orders = |imbalance: i128| at(reference?.clamp(low, high), imbalance);

    // Buyers are left at the last price matched, and no ask up to there: there is a buy surplus in the whole range. It is
    // smallest at the highest candidate, which pressure chooses also where it is the same at another one.
    if buy.left > 0 {
        debug_assert!(sell.left == 0 && ask.is_none());
        return match (highest, bid, lowest) {
            (Some(highest), _, _) => at(highest, buy.left),
            (None, Some(bid), _) => at(bid.price, buy.left + bid.quantity),
            (None, None, Some(lowest)) => at(lowest, buy.left),
            (None, None, None) => only_market_orders(buy.left),
        };
    }
    if sell.left > 0 {
        debug_assert!(bid.is_none());
        return match (lowest, ask, highest) {
            (Some(lowest), _, _) => at(lowest, -sell.left),
            (None, Some(ask), _) => at(ask.price, -sell.left - ask.quantity),
            (None, None, Some(highest)) => at(highest, -sell.left),
            (None, None, None) => only_market_orders(-sell.left),
        };
    }

    // Both sides are matched to the last lot of a level. An end of the range that no unmatched level of its own side has
    // reached is balanced.
    let balanced = [lowest.filter(|_| bid.is_none()), highest.filter(|_| ask.is_none())];
    if let Some(price) = nearest(balanced, reference) {
        return at(price, 0);
    }
    match (bid, ask) {
        (None, None) => only_market_orders(0),
        (Some(bid), None) => at(bid.price, bid.quantity),
        (None, Some(ask)) => at(ask.price, -ask.quantity),
        (Some(bid), Some(ask)) => match bid.quantity.cmp(&ask.quantity) {
            Ordering::Less => at(bid.price, bid.quantity),
            Ordering::Greater => at(ask.price, -ask.quantity),
            // The same surplus on either side, so that there is no pressure. It reaches to an end of the range if no
            // further level lies between.
            Ordering::Equal => {
                let second_bid = buy.next_level();
                let second_ask = sell.next_level();
                let lowest = lowest.filter(|lowest| second_bid.is_none_or(|second| second.price < *lowest));
                let highest = highest.filter(|highest| second_ask.is_none_or(|second| second.price > *highest));
                let price = nearest([lowest, Some(bid.price), Some(ask.price), highest], reference)?;
                at(price, if price <= bid.price { bid.quantity } else { -ask.quantity })
            }
        },
    }
}

/// Matches best against best until they do not cross, and returns the lots that traded. Afterwards at most one half has
/// something left at its last price.
fn match_all(buy: &mut Half<impl Iterator<Item = Curve>>, sell: &mut Half<impl Iterator<Item = Curve>>) -> i128 {
    let mut volume = 0;
    loop {
        let traded = buy.left.min(sell.left);
        volume += traded;
        buy.left -= traded;
        sell.left -= traded;
        let bid = if buy.left > 0 { Some(buy.limit) } else { buy.next.map(|level| Some(level.price)) };
        let ask = if sell.left > 0 { Some(sell.limit) } else { sell.next.map(|level| Some(level.price)) };
        match (bid, ask) {
            // Market orders cross everything.
            (Some(Some(bid)), Some(Some(ask))) if bid < ask => return volume,
            (Some(_), Some(_)) => {}
            _ => return volume,
        }
        if buy.left == 0 {
            buy.advance();
        }
        if sell.left == 0 {
            sell.advance();
        }
    }
}

/// The candidate nearest to the reference, the higher of two equally near; the highest if there is no reference.
fn nearest<const N: usize>(candidates: [Option<i64>; N], reference: Option<i64>) -> Option<i64> {
    candidates.into_iter().flatten().reduce(|a, b| {
        let (lower, higher) = (a.min(b), a.max(b));
        match reference {
            Some(reference) if reference.abs_diff(lower) < reference.abs_diff(higher) => lower,
            _ => higher,
        }
    })
}

/// One side of the auction while it is matched, best first.
struct Half<I: Iterator<Item = Curve>> {
    side: Side,
    levels: Peekable<I>,
    /// The level after the one that is being matched.
    next: Option<Curve>,
    /// The limit of the orders that are being matched; none while these are the market orders.
    limit: Option<i64>,
    /// The lots of these orders that are not matched.
    left: i128,
}

impl<I: Iterator<Item = Curve>> Half<I> {
    fn new(side: Side, levels: I, market: i128) -> Self {
        debug_assert!(market >= 0);
        let mut half = Self { side, levels: levels.peekable(), next: None, limit: None, left: market };
        half.next = half.next_level();
        half
    }

    /// Everything at the next price.
    fn next_level(&mut self) -> Option<Curve> {
        let mut level = self.levels.next()?;
        while let Some(same) = self.levels.next_if(|next| next.price == level.price) {
            level.quantity += same.quantity;
        }
        debug_assert!(
            self.levels
                .peek()
                .is_none_or(|after| self.side.sorts_before(PriceTicks(level.price), PriceTicks(after.price))),
            "levels come best first"
        );
        Some(level)
    }

    /// Goes on to the next level, if there is one.
    fn advance(&mut self) {
        debug_assert_eq!(self.left, 0);
        if let Some(level) = self.next {
            self.limit = Some(level.price);
            self.left = level.quantity;
            self.next = self.next_level();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const ANY_LOW: i64 = i64::MIN;
    const ANY_HIGH: i64 = i64::MAX;

    fn curve(levels: &[(i64, i128)]) -> Vec<Curve> {
        levels.iter().map(|&(price, quantity)| Curve { price, quantity }).collect()
    }

    /// An auction as a test writes it down.
    #[derive(Clone, Debug)]
    struct Auction {
        bids: Vec<Curve>,
        asks: Vec<Curve>,
        market_buy: i128,
        market_sell: i128,
        reference: Option<i64>,
        low: i64,
        high: i64,
    }

    /// What decided in the naive twin.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    enum DecidedBy {
        Volume,
        Imbalance,
        BuyPressure,
        SellPressure,
        NearestReference,
        NoReference,
        OnlyMarketOrders,
        Nothing,
    }

    impl Auction {
        fn new(bids: &[(i64, i128)], asks: &[(i64, i128)]) -> Self {
            Self {
                bids: curve(bids),
                asks: curve(asks),
                market_buy: 0,
                market_sell: 0,
                reference: None,
                low: ANY_LOW,
                high: ANY_HIGH,
            }
        }

        fn market(self, market_buy: i128, market_sell: i128) -> Self {
            Self { market_buy, market_sell, ..self }
        }

        fn reference(self, reference: i64) -> Self {
            Self { reference: Some(reference), ..self }
        }

        fn within(self, low: i64, high: i64) -> Self {
            Self { low, high, ..self }
        }

        fn uncross(&self) -> Option<Uncrossing> {
            uncross(
                self.bids.iter().copied(),
                self.asks.iter().copied(),
                self.market_buy,
                self.market_sell,
                self.reference,
                self.low,
                self.high,
            )
        }

        /// Price, volume, imbalance.
        fn result(&self) -> Option<(i64, i128, i128)> {
            self.uncross().map(|Uncrossing { price, volume, imbalance }| (price, volume, imbalance))
        }

        /// `buy(p)` and `sell(p)` of a price within the bounds. Limits beyond a bound need no care here.
        fn curves_at(&self, price: i64) -> (i128, i128) {
            let bids = self.bids.iter().filter(|bid| bid.price >= price).map(|bid| bid.quantity);
            let asks = self.asks.iter().filter(|ask| ask.price <= price).map(|ask| ask.quantity);
            (self.market_buy + bids.sum::<i128>(), self.market_sell + asks.sum::<i128>())
        }

        /// The rules of the module as they are written, over every candidate.
        fn naive(&self) -> (Option<Uncrossing>, DecidedBy) {
            let mut candidates = Vec::new();
            for bid in self.bids.iter().filter(|bid| bid.quantity > 0 && bid.price >= self.low) {
                candidates.push(bid.price.min(self.high));
            }
            for ask in self.asks.iter().filter(|ask| ask.quantity > 0 && ask.price <= self.high) {
                candidates.push(ask.price.max(self.low));
            }
            candidates.sort_unstable();
            candidates.dedup();
            if candidates.is_empty() {
                let volume = self.market_buy.min(self.market_sell);
                let price = self.reference.map(|reference| reference.max(self.low).min(self.high));
                return match price {
                    Some(price) if volume > 0 => {
                        let imbalance = self.market_buy - self.market_sell;
                        (Some(Uncrossing { price, volume, imbalance }), DecidedBy::OnlyMarketOrders)
                    }
                    _ => (None, DecidedBy::Nothing),
                };
            }

            let mut left: Vec<Uncrossing> = candidates
                .iter()
                .map(|&price| {
                    let (buy, sell) = self.curves_at(price);
                    Uncrossing { price, volume: buy.min(sell), imbalance: buy - sell }
                })
                .collect();
            let volume = left.iter().map(|at| at.volume).max().expect("a candidate");
            if volume == 0 {
                return (None, DecidedBy::Nothing);
            }
            left.retain(|at| at.volume == volume);
            if let [only] = left[..] {
                return (Some(only), DecidedBy::Volume);
            }
            let imbalance = left.iter().map(|at| at.imbalance.abs()).min().expect("a candidate");
            left.retain(|at| at.imbalance.abs() == imbalance);
            if let [only] = left[..] {
                return (Some(only), DecidedBy::Imbalance);
            }
            if left.iter().all(|at| at.imbalance > 0) {
                return (left.last().copied(), DecidedBy::BuyPressure);
            }
            if left.iter().all(|at| at.imbalance < 0) {
                return (left.first().copied(), DecidedBy::SellPressure);
            }
            let Some(reference) = self.reference else { return (left.last().copied(), DecidedBy::NoReference) };
            let distance = left.iter().map(|at| at.price.abs_diff(reference)).min().expect("a candidate");
            left.retain(|at| at.price.abs_diff(reference) == distance);
            (left.last().copied(), DecidedBy::NearestReference)
        }
    }

    /// SplitMix64 (S. Vigna, public domain reference).
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn below(&mut self, end: u64) -> u64 {
            self.next() % end
        }

        /// A few levels, sometimes two of the same price or one without quantity; lowest first.
        fn levels(&mut self, quantity_max: u64) -> Vec<Curve> {
            let mut levels: Vec<Curve> = (0..self.below(7))
                .map(|_| Curve { price: 1 + self.below(12) as i64, quantity: self.below(quantity_max + 1).into() })
                .collect();
            levels.sort_by_key(|level| level.price);
            levels
        }

        /// Small prices and quantities, so that ties are frequent.
        fn auction(&mut self) -> Auction {
            let quantity_max = 1 + self.below(5);
            let mut bids = self.levels(quantity_max);
            bids.reverse();
            let asks = self.levels(quantity_max);
            let mut market = || if self.below(2) == 0 { 0 } else { self.below(6).into() };
            let (market_buy, market_sell) = (market(), market());
            let reference = (self.below(3) > 0).then(|| self.below(16) as i64 - 1);
            let (low, high) = match self.below(3) {
                0 => (ANY_LOW, ANY_HIGH),
                1 => (0, 13),
                _ => {
                    let low = 1 + self.below(12) as i64;
                    (low, low + self.below(8) as i64)
                }
            };
            Auction { bids, asks, market_buy, market_sell, reference, low, high }
        }
    }

    #[test]
    fn agrees_with_the_written_rules_and_no_tick_has_more_volume() {
        let mut decided = std::collections::BTreeMap::new();
        for seed in 0..200_000_u64 {
            let auction = Random(seed).auction();
            let (expected, by) = auction.naive();
            *decided.entry(by).or_insert(0_u32) += 1;
            let result = auction.uncross();
            assert_eq!(result, expected, "seed {seed}, decided by {by:?}: {auction:?}");
            // Every limit is from 1 to 12: nothing changes further out.
            for price in auction.low.max(-1)..=auction.high.min(14) {
                let (buy, sell) = auction.curves_at(price);
                let volume = buy.min(sell);
                match result {
                    Some(result) => assert!(volume <= result.volume, "seed {seed}, more at {price}: {auction:?}"),
                    // Market orders that have no limit and no reference to be priced by.
                    None if auction.market_buy > 0 && auction.market_sell > 0 => assert_eq!(auction.reference, None),
                    None => assert_eq!(volume, 0, "seed {seed}, some at {price}: {auction:?}"),
                }
            }
            if let Some(result) = result {
                assert!((auction.low..=auction.high).contains(&result.price), "seed {seed}: {auction:?}");
                let (buy, sell) = auction.curves_at(result.price);
                assert_eq!((result.volume, result.imbalance), (buy.min(sell), buy - sell), "seed {seed}: {auction:?}");
            }
        }
        assert_eq!(decided.len(), 8, "every rule decides: {decided:?}");
        assert!(decided.values().all(|&times| times > 500), "every rule decides often: {decided:?}");
    }

    #[test]
    fn market_orders_look_beyond_the_crossing() {
        let asks = Auction::new(&[], &[(202, 60), (205, 60), (209, 60)]);
        assert_eq!(Auction::new(&[], &[(202, 100)]).market(100, 0).result(), Some((202, 100, 0)));
        assert_eq!(asks.clone().market(100, 0).result(), Some((205, 100, -20)));
        assert_eq!(asks.clone().market(500, 0).result(), Some((209, 180, 320)));
        assert_eq!(asks.market(0, 500).result(), None);
        let bids = Auction::new(&[(202, 60), (199, 60), (195, 60)], &[]);
        assert_eq!(bids.clone().market(0, 100).result(), Some((199, 100, 20)));
        assert_eq!(bids.clone().market(0, 500).result(), Some((195, 180, -320)));
        // The bids add to the surplus of the market orders: least at the highest.
        assert_eq!(bids.market(100, 50).result(), Some((202, 50, 110)));
    }

    #[test]
    fn equal_surplus_on_either_side_of_a_balanced_gap_is_nearest_to_the_reference() {
        // Without a surplus only between 14 and 16, where no order has its limit.
        let four = Auction::new(&[(20, 100), (14, 50)], &[(10, 100), (16, 50)]);
        for (reference, price, imbalance) in
            [(0, 10, 50), (11, 10, 50), (12, 14, 50), (15, 16, -50), (18, 20, -50), (99, 20, -50)]
        {
            assert_eq!(four.clone().reference(reference).result(), Some((price, 100, imbalance)), "{reference}");
        }
        assert_eq!(four.result(), Some((20, 100, -50)), "without a reference the highest");
        // A second unmatched bid makes the surplus at 10 greater.
        let three = Auction::new(&[(20, 100), (14, 50), (12, 1)], &[(10, 100), (16, 50)]);
        assert_eq!(three.reference(0).result(), Some((14, 100, 50)));
    }

    #[test]
    fn orders_beyond_a_bound_stand_at_it() {
        let auction = Auction::new(&[(130, 10), (120, 10), (100, 5)], &[(80, 5), (90, 20), (125, 50)]);
        assert_eq!(auction.result(), Some((100, 25, 0)));
        // Sell pressure down to the lower bound, buy pressure up to the upper one.
        assert_eq!(auction.clone().within(105, 110).result(), Some((105, 20, -5)));
        assert_eq!(auction.clone().within(126, 200).result(), Some((126, 10, -65)));
        assert_eq!(auction.clone().within(60, 85).result(), Some((85, 5, 20)));
        assert_eq!(auction.clone().within(131, 200).result(), None);
        assert_eq!(auction.clone().within(1, 79).result(), None);
        assert_eq!(auction.within(110, 95).result(), None, "no price lies within");
    }

    #[test]
    fn only_market_orders_trade_at_the_reference_within_the_bounds() {
        let auction = Auction::new(&[], &[]).market(3, 5);
        assert_eq!(auction.result(), None);
        assert_eq!(auction.clone().reference(7).result(), Some((7, 3, -2)));
        assert_eq!(auction.clone().reference(7).within(8, 9).result(), Some((8, 3, -2)));
        assert_eq!(auction.clone().reference(7).within(5, 6).result(), Some((6, 3, -2)));
        assert_eq!(auction.market(3, 0).reference(7).result(), None);
        // Limits that cannot trade within the bounds are no candidates.
        let far = Auction::new(&[(2, 10)], &[(30, 10)]).market(4, 4).within(5, 20);
        assert_eq!(far.result(), None);
        assert_eq!(far.reference(9).result(), Some((9, 4, 0)));
    }

    #[test]
    fn only_the_crossing_levels_are_read() {
        let read = Cell::new(0_u32);
        let deep = |from: i64, step: i64| {
            let read = &read;
            (0..10_000_i64).map(move |level| {
                read.set(read.get() + 1);
                Curve { price: from + step * level, quantity: 10 }
            })
        };
        // Best bid and ask, market orders to buy and to sell, levels that trade on both sides together.
        for (best_bid, best_ask, market_buy, market_sell, traded) in [
            (20_000, 20_001, 0, 0, 0),
            (20_000, 20_000, 0, 0, 2),
            (20_004, 20_000, 0, 0, 6),
            (20_000, 20_001, 100, 0, 10),
            (20_000, 20_001, 0, 95, 10),
            (20_000, 20_001, 100, 100, 0),
        ] {
            read.set(0);
            let (bids, asks) = (deep(best_bid, -1), deep(best_ask, 1));
            let result = uncross(bids, asks, market_buy, market_sell, Some(20_000), ANY_LOW, ANY_HIGH);
            assert_eq!(result.is_some(), best_bid >= best_ask || market_buy + market_sell > 0);
            assert!(read.get() <= traded + 6, "{} levels read of {best_bid}/{best_ask}", read.get());
        }
    }

    /// A published example: id, reference, market buy and sell, bids, asks, then price, volume and imbalance.
    type Example = (
        &'static str,
        Option<i64>,
        [i128; 2],
        &'static [(i64, i128)],
        &'static [(i64, i128)],
        Option<(i64, i128, i128)>,
    );

    /// - `bnb`: four examples of BNB Beacon Chain's match engine (bnb-chain docs, beaconchain, "match examples").
    /// - `xetra`: examples 1 to 7 of the Xetra market model, as figures of tinyEXCH (github.com/ratzlow/tinyEXCH,
    ///   AuctionMatchTest). They give the surplus of each side; it is signed here.
    /// - `sgx`: SGX rulebook, practice note 8.2.1, example 1, prices in cents.
    ///
    /// All of them come out by our rules as published. BNB's rules 3 and 4 are others than ours (a band around the
    /// reference, and the reference itself as a price), but volume or surplus decides these four.
    const EXAMPLES: &[Example] = &[
        ("bnb-1", None, [0, 0], &[(100, 150), (98, 150)], &[(97, 50), (98, 250)], Some((98, 300, 0))),
        ("bnb-2", None, [0, 0], &[(100, 150), (99, 50), (97, 300)], &[(96, 100), (97, 200)], Some((97, 300, 200))),
        (
            "bnb-3",
            None,
            [0, 0],
            &[(102, 300), (100, 100), (99, 200), (98, 300)],
            &[(96, 1000), (97, 250), (98, 250)],
            Some((96, 900, -100)),
        ),
        (
            "bnb-4",
            None,
            [0, 0],
            &[(102, 30), (101, 10), (99, 50), (96, 15)],
            &[(95, 50), (97, 50), (98, 10)],
            Some((97, 90, -10)),
        ),
        // One limit with the highest volume and the lowest surplus.
        (
            "xetra-1",
            None,
            [0, 0],
            &[(202, 200), (201, 200), (200, 300)],
            &[(197, 400), (198, 200), (200, 100)],
            Some((200, 700, 0)),
        ),
        // Several limits with a bid surplus: the highest.
        ("xetra-2", None, [0, 0], &[(202, 400), (201, 200)], &[(198, 200), (199, 300)], Some((201, 500, 100))),
        // Several limits with an ask surplus: the lowest.
        ("xetra-3", None, [0, 0], &[(202, 300), (201, 200)], &[(198, 200), (199, 400)], Some((199, 500, -100))),
        // A surplus on both sides: the limit nearest to the reference. The source gives no surplus; 200 buy at 199
        // meet 100 sell.
        ("xetra-4-ref199", Some(199), [100, 100], &[(199, 100)], &[(202, 100)], Some((199, 100, 100))),
        ("xetra-4-ref200", Some(200), [100, 100], &[(199, 100)], &[(202, 100)], Some((199, 100, 100))),
        // No surplus: the limit nearest to the reference, the higher of two.
        (
            "xetra-5-ref200",
            Some(200),
            [0, 0],
            &[(202, 300), (201, 200)],
            &[(198, 200), (199, 300)],
            Some((201, 500, 0)),
        ),
        (
            "xetra-5-ref202",
            Some(202),
            [0, 0],
            &[(202, 300), (201, 200)],
            &[(198, 200), (199, 300)],
            Some((201, 500, 0)),
        ),
        (
            "xetra-5-ref198",
            Some(198),
            [0, 0],
            &[(202, 300), (201, 200)],
            &[(198, 200), (199, 300)],
            Some((199, 500, 0)),
        ),
        // Only market orders: the reference.
        ("xetra-6-ref250", Some(250), [900, 800], &[], &[], Some((250, 800, 100))),
        ("xetra-6-ref99", Some(99), [900, 800], &[], &[], Some((99, 800, 100))),
        // Nothing crosses.
        ("xetra-7", None, [0, 0], &[(200, 80), (199, 80)], &[(201, 80)], None),
        // Two bids at one price; who of them trades is not decided here.
        ("xetra-time-priority", None, [0, 0], &[(200, 300), (200, 300)], &[(200, 400)], Some((200, 400, 200))),
        // The source has bids of 90 above 3.80 without their prices; they stand at 3.81.
        (
            "sgx-1",
            None,
            [0, 0],
            &[(381, 90), (380, 30), (379, 70), (378, 100), (377, 50)],
            &[(375, 10), (376, 20), (377, 50), (378, 80), (379, 30)],
            Some((379, 190, 0)),
        ),
    ];

    #[test]
    fn published_examples_come_out_as_published() {
        for &(id, reference, [market_buy, market_sell], bids, asks, expected) in EXAMPLES {
            let auction = Auction { reference, ..Auction::new(bids, asks).market(market_buy, market_sell) };
            assert_eq!(auction.result(), expected, "{id}");
            assert_eq!(auction.uncross(), auction.naive().0, "{id}, by the written rules");
        }
    }
}
