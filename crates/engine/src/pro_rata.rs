//! How an incoming quantity is shared among the orders of one price level, where time alone does not decide: the steps
//! of the CME Globex matching algorithms, of which a [`ProRata`] rule is one choice.
//!
//! ```text
//! TOP → LMM → FIFO percent → pro rata → leveling → FIFO        each shares what the steps before it left
//! ```
//!
//! Invariants: what is allocated in all is the incoming quantity, or the whole level if that is less; no order is
//! allocated more than its leaves; every allocation is at least one lot; who takes the whole level takes it in time
//! order, in one allocation an order.

/// How the orders of a price level share what comes in.
///
/// `K`, the configurable algorithm of CME Globex, can have all the steps. The others leave some out: 0 leaves out a
/// step that has a maximum or a percentage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProRata {
    /// TOP: the order that set a new best price is filled first, up to this many lots; 0 = no such step.
    pub top_max: i64,
    /// LMM: the percentage (0 to 100) of what TOP left that goes to lead market makers, by their shares.
    pub lead_percent: u8,
    /// Split: the percentage (0 to 100) of what LMM left that goes by time, before pro rata.
    pub fifo_percent: u8,
    /// The least that an order may get by pro rata, in lots, at least 1: what would be less is nothing. CME: 2.
    pub minimum: i64,
    /// Leveling: one lot to each order that got nothing by pro rata, in time order, while there is some.
    pub leveling: bool,
}

impl ProRata {
    /// Whether there is such a rule.
    pub(crate) fn is_valid(&self) -> bool {
        self.top_max >= 0 && self.lead_percent <= 100 && self.fifo_percent <= 100 && self.minimum >= 1
    }
}

/// An order of the level, as far as sharing is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    pub leaves: i64,
    /// This order set the best price. If several say so, the first of them is the one.
    pub top: bool,
    /// Its account's share among the lead market makers; 0 if it is none.
    pub lead_share: u16,
}

/// Shares `incoming` lots among `resting`, which is in time order, and leaves the allocations in `out`, in the order in
/// which they trade: the place of the order in `resting`, and the quantity. An order has at most one of each step.
///
/// Percentages and shares are rounded down; what rounding leaves goes to the later steps, in the end by time.
pub(crate) fn allocate(incoming: i64, resting: &[Resting], rule: &ProRata, out: &mut Vec<(u32, i64)>) {
    debug_assert!(rule.top_max >= 0 && rule.lead_percent <= 100 && rule.fifo_percent <= 100 && rule.minimum >= 1);
    debug_assert!(incoming >= 0 && resting.iter().all(|order| order.leaves >= 0));
    out.clear();
    let whole_level: i128 = resting.iter().map(|order| i128::from(order.leaves)).sum();
    if whole_level <= i128::from(incoming) {
        let with_leaves = (0..).zip(resting).filter(|(_, order)| order.leaves > 0);
        out.extend(with_leaves.map(|(at, order)| (at, order.leaves)));
        return;
    }
    // From here on the orders always have more leaves than there is to share.
    let mut level = Level::new(incoming, resting, out);
    level.top(resting, rule.top_max);
    level.lead(resting, rule.lead_percent);
    level.by_time(part(level.unshared, rule.fifo_percent.into(), 100));
    level.pro_rata(rule.minimum);
    if rule.leveling {
        level.leveling();
    }
    level.by_time(level.unshared);
    level.finish();
}

/// `floor(quantity × share / whole)`, which is at most `quantity`, as `share` is at most `whole`.
fn part(quantity: i64, share: i128, whole: i128) -> i64 {
    // Below 2^63 × 2^63.
    (i128::from(quantity) * share / whole) as i64
}

/// A level while it is shared out.
struct Level<'a> {
    unshared: i64,
    orders: u32,
    /// First an entry for each order: whether (1) or not (0) pro rata gave it something, and its leaves. After these,
    /// the allocations. In one vector, because the caller keeps it: sharing then needs no memory of its own.
    entries: &'a mut Vec<(u32, i64)>,
}

impl<'a> Level<'a> {
    fn new(unshared: i64, resting: &[Resting], entries: &'a mut Vec<(u32, i64)>) -> Self {
        entries.extend(resting.iter().map(|order| (0, order.leaves)));
        // Fits: the pool that orders come from counts them in 32 bits.
        Self { unshared, orders: resting.len() as u32, entries }
    }

    /// Takes the orders' entries away, so that only the allocations stay.
    fn finish(self) {
        self.entries.drain(..self.orders as usize);
    }

    fn leaves(&self, at: u32) -> i64 {
        self.entries[at as usize].1
    }

    /// The one place where quantity changes hands: never more than the order or the level has.
    fn give(&mut self, at: u32, quantity: i64) {
        let quantity = quantity.min(self.leaves(at)).min(self.unshared);
        if quantity > 0 {
            self.entries[at as usize].1 -= quantity;
            self.unshared -= quantity;
            self.entries.push((at, quantity));
        }
    }

    fn top(&mut self, resting: &[Resting], top_max: i64) {
        if let Some((at, _)) = (0..).zip(resting).find(|(_, order)| order.top) {
            self.give(at, top_max);
        }
    }

    /// Only the orders that TOP left something share: the part of one that is filled is not kept for it.
    fn lead(&mut self, resting: &[Resting], lead_percent: u8) {
        let quantity = part(self.unshared, lead_percent.into(), 100);
        if quantity == 0 {
            return;
        }
        let share = |level: &Self, at: u32| match level.leaves(at) {
            0 => 0,
            _ => i128::from(resting[at as usize].lead_share),
        };
        let whole: i128 = (0..self.orders).map(|at| share(self, at)).sum();
        if whole == 0 {
            return;
        }
        for at in 0..self.orders {
            self.give(at, part(quantity, share(self, at), whole));
        }
    }

    fn by_time(&mut self, quantity: i64) {
        let keep = self.unshared - quantity;
        for at in 0..self.orders {
            if self.unshared == keep {
                return;
            }
            self.give(at, self.unshared - keep);
        }
    }

    fn pro_rata(&mut self, minimum: i64) {
        let quantity = self.unshared;
        if quantity == 0 {
            return;
        }
        let whole: i128 = (0..self.orders).map(|at| i128::from(self.leaves(at))).sum();
        for at in 0..self.orders {
            let share = part(quantity, self.leaves(at).into(), whole);
            if share >= minimum {
                self.give(at, share);
                self.entries[at as usize].0 = 1;
            }
        }
    }

    fn leveling(&mut self) {
        for at in 0..self.orders {
            if self.unshared == 0 {
                return;
            }
            if self.entries[at as usize].0 == 0 {
                self.give(at, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MAX_TICKS_OR_LOTS;

    const PLAIN: ProRata = ProRata { top_max: 0, lead_percent: 0, fifo_percent: 0, minimum: 1, leveling: false };
    /// Algorithm A of CME Globex: TOP without a maximum, pro rata from 2 lots, FIFO.
    const ALLOCATION: ProRata = ProRata { top_max: i64::MAX, minimum: 2, ..PLAIN };

    fn order(leaves: i64) -> Resting {
        Resting { leaves, top: false, lead_share: 0 }
    }

    fn top(leaves: i64) -> Resting {
        Resting { top: true, ..order(leaves) }
    }

    fn lead(leaves: i64, lead_share: u16) -> Resting {
        Resting { lead_share, ..order(leaves) }
    }

    fn orders(leaves: &[i64]) -> Vec<Resting> {
        leaves.iter().copied().map(order).collect()
    }

    fn shared(incoming: i64, resting: &[Resting], rule: &ProRata) -> Vec<(u32, i64)> {
        // What is in the vector before must not matter.
        let mut out = vec![(7, 7); 3];
        allocate(incoming, resting, rule, &mut out);
        out
    }

    /// The same rule from its text, the steps apart from each other: each is given the leaves of all orders and says
    /// what each gets. No quantity is divided; a share is found by comparing products.
    mod naive {
        use super::{ProRata, Resting};

        /// The largest number of lots that is at most `quantity × share / whole`.
        fn floor(quantity: i128, share: i128, whole: i128) -> i128 {
            let (mut fits, mut too_many) = (0, quantity + 1);
            while too_many - fits > 1 {
                let lots = fits + (too_many - fits) / 2;
                if lots * whole <= quantity * share {
                    fits = lots;
                } else {
                    too_many = lots;
                }
            }
            fits
        }

        /// An order gets of `quantity` what the orders before it leave.
        fn by_time(quantity: i128, leaves: &[i128]) -> Vec<i128> {
            (0..leaves.len()).map(|at| (quantity - leaves[..at].iter().sum::<i128>()).max(0).min(leaves[at])).collect()
        }

        fn top(quantity: i128, leaves: &[i128], resting: &[Resting], rule: &ProRata) -> Vec<i128> {
            let first = resting.iter().position(|order| order.top);
            let most = quantity.min(rule.top_max.into());
            (0..leaves.len()).map(|at| if first == Some(at) { most.min(leaves[at]) } else { 0 }).collect()
        }

        fn lead(quantity: i128, leaves: &[i128], resting: &[Resting], rule: &ProRata) -> Vec<i128> {
            let theirs = floor(quantity, rule.lead_percent.into(), 100);
            let share = |at: usize| if leaves[at] > 0 { i128::from(resting[at].lead_share) } else { 0 };
            let whole: i128 = (0..leaves.len()).map(share).sum();
            let get = |at| if whole == 0 { 0 } else { floor(theirs, share(at), whole).min(leaves[at]) };
            (0..leaves.len()).map(get).collect()
        }

        fn pro_rata(quantity: i128, leaves: &[i128], minimum: i64) -> Vec<i128> {
            let whole = leaves.iter().sum();
            let share = |&leaves: &i128| floor(quantity, leaves, whole);
            leaves.iter().map(share).map(|lots| if lots < minimum.into() { 0 } else { lots }).collect()
        }

        fn leveling(quantity: i128, leaves: &[i128], by_pro_rata: &[i128]) -> Vec<i128> {
            let without = (0..leaves.len()).filter(|&at| by_pro_rata[at] == 0 && leaves[at] > 0);
            let chosen: Vec<usize> = without.take(usize::try_from(quantity).unwrap_or(usize::MAX)).collect();
            (0..leaves.len()).map(|at| chosen.contains(&at).into()).collect()
        }

        /// The allocations, and how many of them each of the six steps made.
        pub fn allocate(incoming: i64, resting: &[Resting], rule: &ProRata) -> (Vec<(u32, i64)>, [usize; 6]) {
            let mut quantity = i128::from(incoming);
            let mut leaves: Vec<i128> = resting.iter().map(|order| order.leaves.into()).collect();
            let mut out = Vec::new();
            let mut made = [0; 6];
            let everything = leaves.iter().sum::<i128>() <= quantity;
            let mut by_pro_rata = Vec::new();
            for step in if everything { 5..6 } else { 0..6 } {
                let gets = match step {
                    0 => top(quantity, &leaves, resting, rule),
                    1 => lead(quantity, &leaves, resting, rule),
                    2 => by_time(floor(quantity, rule.fifo_percent.into(), 100), &leaves),
                    3 => {
                        by_pro_rata = pro_rata(quantity, &leaves, rule.minimum);
                        by_pro_rata.clone()
                    }
                    4 if rule.leveling => leveling(quantity, &leaves, &by_pro_rata),
                    4 => continue,
                    _ => by_time(quantity, &leaves),
                };
                for (at, &lots) in gets.iter().enumerate().filter(|(_, &lots)| lots > 0) {
                    out.push((at as u32, i64::try_from(lots).expect("at most the leaves of an order")));
                    leaves[at] -= lots;
                    quantity -= lots;
                    made[step] += 1;
                }
            }
            (out, made)
        }
    }

    /// What must hold of any sharing. Returns the allocations.
    fn sound(incoming: i64, resting: &[Resting], rule: &ProRata) -> Vec<(u32, i64)> {
        let out = shared(incoming, resting, rule);
        let case = || format!("{incoming} among {resting:?} by {rule:?}: {out:?}");
        assert_eq!(out, shared(incoming, resting, rule), "twice the same: {}", case());

        let whole_level: i128 = resting.iter().map(|order| i128::from(order.leaves)).sum();
        let allocated: i128 = out.iter().map(|&(_, quantity)| i128::from(quantity)).sum();
        assert_eq!(allocated, whole_level.min(incoming.into()), "{}", case());
        let mut leaves: Vec<i64> = resting.iter().map(|order| order.leaves).collect();
        for &(at, quantity) in &out {
            assert!(quantity > 0 && quantity <= leaves[at as usize], "{}", case());
            leaves[at as usize] -= quantity;
        }
        if whole_level <= incoming.into() {
            assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0), "by time, each once: {}", case());
        }
        out
    }

    /// The same, and what the naive twin says. Returns how many allocations each of the six steps made.
    fn check(incoming: i64, resting: &[Resting], rule: &ProRata) -> [usize; 6] {
        let out = sound(incoming, resting, rule);
        let (expected, made) = naive::allocate(incoming, resting, rule);
        assert_eq!(out, expected, "{incoming} among {resting:?} by {rule:?}");
        made
    }

    #[test]
    fn published_examples() {
        let cme_2005 = [top(10), order(5), order(20), order(50), order(75)];
        let wiki_403 = orders(&[5, 9, 57, 4, 28, 300]);
        type Case<'a> = (&'a str, i64, Vec<Resting>, ProRata, &'a [(u32, i64)]);
        let cases: [Case; 5] = [
            // CME notice 020705-1 (2005): the second order would get 1.67, so 1, which is below 2; the 3 lots that are
            // left go to it by time.
            ("cme-2005", 60, cme_2005.to_vec(), ALLOCATION, &[(0, 10), (2, 6), (3, 16), (4, 25), (1, 3)]),
            // The textbook one.
            ("simple", 100, orders(&[100, 200, 700]), PLAIN, &[(0, 10), (1, 20), (2, 70)]),
            // CME client systems wiki, Complex Match Example.
            ("cme-alloc-1", 50, vec![top(2), order(56), order(42)], ALLOCATION, &[(0, 2), (1, 27), (2, 20), (1, 1)]),
            // The same, a second aggressor takes everything.
            ("cme-alloc-2", 50, orders(&[28, 22]), ALLOCATION, &[(0, 28), (1, 22)]),
            // CME client systems wiki, Matching Algorithm Steps, Pro Rata Example: 7, 3 and 37 by pro rata. That the 3
            // lots which are left go to the first order is the FIFO step, which the example does not show.
            ("cme-pro-rata", 50, wiki_403, ProRata { minimum: 2, ..PLAIN }, &[(2, 7), (4, 3), (5, 37), (0, 3)]),
        ];
        for (id, incoming, resting, rule, expected) in cases {
            assert_eq!(shared(incoming, &resting, &rule), expected, "{id}");
            check(incoming, &resting, &rule);
        }
    }

    #[test]
    fn every_step_in_its_turn() {
        // 100 come in. TOP: 10, so 90 are left. LMM: floor(90 × 25 %) = 22, of it two thirds and one third: 14 and 7, so
        // 69 are left. FIFO: floor(69 × 40 %) = 27, the 10 of the first order and 17 of the second, so 42 are left. Pro
        // rata over 19 + 86 + 100 + 1 + 1 = 207: 3.85, 17.4, 20.3, 0.2, 0.2. Leveling takes the 2 that this leaves.
        let resting = [top(20), lead(50, 20), lead(93, 10), order(100), order(1), order(1)];
        let rule = ProRata { top_max: 10, lead_percent: 25, fifo_percent: 40, minimum: 2, leveling: true };
        let steps: [&[(u32, i64)]; 6] =
            [&[(0, 10)], &[(1, 14), (2, 7)], &[(0, 10), (1, 17)], &[(1, 3), (2, 17), (3, 20)], &[(4, 1), (5, 1)], &[]];
        assert_eq!(shared(100, &resting, &rule), steps.concat());
        assert_eq!(check(100, &resting, &rule), steps.map(<[_]>::len));
    }

    #[test]
    fn top_order_beyond_its_maximum_shares_with_the_rest() {
        let rule = ProRata { top_max: 4, ..PLAIN };
        assert_eq!(shared(12, &[order(8), top(12)], &rule), [(1, 4), (0, 4), (1, 4)]);
        assert_eq!(shared(3, &[order(8), top(12)], &rule), [(1, 3)]);
        // No such order, or no such step.
        assert_eq!(shared(4, &orders(&[8, 8]), &rule), [(0, 2), (1, 2)]);
        assert_eq!(shared(4, &[order(8), top(8)], &PLAIN), [(0, 2), (1, 2)]);
        // The first that says so is the one.
        assert_eq!(shared(4, &[order(8), top(8), top(8)], &rule), [(1, 4)]);
    }

    #[test]
    fn lead_market_makers_get_at_most_their_leaves() {
        let rule = ProRata { lead_percent: 50, ..PLAIN };
        // 50 for the two: 25 each, of which the first has room for 5; the 20 are shared with everybody else's.
        assert_eq!(
            shared(100, &[lead(5, 1), lead(100, 1), order(145)], &rule),
            [(0, 5), (1, 25), (1, 23), (2, 46), (1, 1)]
        );
        // Without lead market makers the step is none.
        assert_eq!(shared(100, &orders(&[100, 100]), &rule), [(0, 50), (1, 50)]);
        // One that TOP has filled does not keep its share from the other.
        let rule = ProRata { top_max: 5, lead_percent: 100, ..PLAIN };
        let resting = [Resting { top: true, ..lead(5, 9) }, lead(20, 1), order(80)];
        assert_eq!(shared(15, &resting, &rule), [(0, 5), (1, 10)]);
    }

    #[test]
    fn leveling_goes_to_the_oldest_that_got_nothing() {
        // 9 over 2 + 2 + 2 + 90: only the last gets some, 8; one lot is left for the three.
        let resting = orders(&[2, 2, 2, 90]);
        assert_eq!(shared(9, &resting, &ProRata { leveling: true, ..PLAIN }), [(3, 8), (0, 1)]);
        // 11: 10 and 1. With a minimum of 11 each gets one first, and time has the rest.
        assert_eq!(
            shared(11, &resting, &ProRata { minimum: 11, leveling: true, ..PLAIN }),
            [(0, 1), (1, 1), (2, 1), (3, 1), (0, 1), (1, 1), (2, 1), (3, 4)]
        );
        // Filled by time before pro rata: it has no leaves for another lot.
        let rule = ProRata { fifo_percent: 20, leveling: true, ..PLAIN };
        assert_eq!(shared(10, &resting, &rule), [(0, 2), (3, 7), (1, 1)]);
    }

    #[test]
    fn whoever_takes_everything_takes_it_by_time() {
        let rule = ProRata { top_max: 9, lead_percent: 50, fifo_percent: 50, minimum: 2, leveling: true };
        let resting = [order(3), lead(4, 5), top(5)];
        assert_eq!(shared(12, &resting, &rule), [(0, 3), (1, 4), (2, 5)]);
        assert_eq!(shared(i64::MAX, &resting, &rule), [(0, 3), (1, 4), (2, 5)]);
        // One lot less, and the steps decide.
        assert_eq!(shared(11, &resting, &rule)[0], (2, 5));
    }

    #[test]
    fn nothing_comes_in_or_nothing_rests() {
        let rule = ProRata { top_max: 9, lead_percent: 50, fifo_percent: 50, minimum: 2, leveling: true };
        for incoming in [0, 1, i64::MAX] {
            assert_eq!(shared(incoming, &[], &rule), []);
            assert_eq!(shared(incoming, &orders(&[0, 0]), &rule), []);
        }
        assert_eq!(shared(0, &[top(5), lead(5, 1), order(5)], &rule), []);
        assert_eq!(shared(3, &orders(&[0, 3, 0]), &rule), [(1, 3)]);
        assert_eq!(shared(2, &orders(&[0, 3, 0]), &rule), [(1, 1), (1, 1)]);
    }

    #[test]
    fn a_rule_that_comes_to_time_alone() {
        let resting = orders(&[5, 1, 7, 400]);
        for rule in [
            ProRata { fifo_percent: 100, leveling: true, ..PLAIN },
            ProRata { minimum: i64::MAX, ..PLAIN },
            ProRata { lead_percent: 100, fifo_percent: 100, minimum: i64::MAX, ..PLAIN },
        ] {
            assert_eq!(shared(10, &resting, &rule), [(0, 5), (1, 1), (2, 4)], "{rule:?}");
        }
    }

    #[test]
    fn the_largest_orders_there_are() {
        for (lead_share, percent) in [(0, 0), (u16::MAX, 33), (u16::MAX, 100)] {
            for (minimum, leveling) in [(1, false), (2, true), (i64::MAX, true)] {
                for incoming in [1, 999, 1_001, MAX_TICKS_OR_LOTS, MAX_TICKS_OR_LOTS * 999, i64::MAX] {
                    let (lead_percent, fifo_percent) = (percent, percent);
                    let rule = ProRata { top_max: incoming / 3, lead_percent, fifo_percent, minimum, leveling };
                    let mut resting = vec![Resting { lead_share, ..order(MAX_TICKS_OR_LOTS) }; 1_000];
                    resting[500].top = true;
                    check(incoming, &resting, &rule);
                    // Beyond what an order may be, and what the twin can count.
                    for order in &mut resting {
                        order.leaves = i64::MAX;
                    }
                    sound(incoming, &resting, &rule);
                }
            }
        }
        // Equal orders get equal parts, to the lot.
        let out = shared(MAX_TICKS_OR_LOTS, &orders(&[MAX_TICKS_OR_LOTS; 1_000]), &PLAIN);
        assert_eq!(MAX_TICKS_OR_LOTS, 9_007_199_254_740_991);
        assert!(out[..1_000].iter().all(|&(_, quantity)| quantity == 9_007_199_254_740));
        assert_eq!(out[1_000..], [(0, 991)]);
    }

    /// A small deterministic generator.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % n
        }

        fn percent(&mut self) -> u8 {
            [0, 100, 1 + self.below(99) as u8][self.below(3) as usize]
        }

        /// Up to `largest`, mostly far below it.
        fn lots(&mut self, largest: i64) -> i64 {
            let digits = self.below(64);
            self.below((largest as u64 >> digits) + 1) as i64
        }
    }

    #[test]
    fn agrees_with_the_naive_twin() {
        let mut made = [0; 6];
        for seed in 0..20_000 {
            let mut random = Random(seed);
            let largest = [3, 20, 1_000, MAX_TICKS_OR_LOTS][random.below(4) as usize];
            let orders = random.below(13);
            let top_at = random.below(16);
            let leads = random.below(4);
            let resting: Vec<Resting> = (0..orders)
                .map(|at| Resting {
                    leaves: random.lots(largest).max(1),
                    top: at == top_at,
                    lead_share: if random.below(4) < leads { random.below(100) as u16 } else { 0 },
                })
                .collect();
            let rule = ProRata {
                top_max: [0, i64::MAX, random.lots(largest)][random.below(3) as usize],
                lead_percent: random.percent(),
                fifo_percent: random.percent(),
                minimum: [1, 2, 1 + random.lots(largest)][random.below(3) as usize],
                leveling: random.below(2) == 1,
            };
            let whole_level: i64 = resting.iter().map(|order| order.leaves).sum();
            let incoming = match random.below(8) {
                0 => whole_level + random.lots(largest),
                1 => (whole_level - 1).max(0),
                2 => random.lots(largest).min(whole_level),
                _ => random.below(whole_level as u64 + 1) as i64,
            };
            println!("seed {seed}"); // Shown when the test fails.
            for (total, step) in made.iter_mut().zip(check(incoming, &resting, &rule)) {
                *total += step;
            }
        }
        assert!(made.iter().all(|&allocations| allocations > 1_000), "a step is hardly tried: {made:?}");
    }
}
