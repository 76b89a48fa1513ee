//! From a price to its level, and from a price to the next one that has orders.
//!
//! [`PagedLevels`] is what the engine uses: pages of 64 ticks, each with one word of bits, under a window of page numbers
//! with two more levels of bits, so that the next price is at most four words away; pages outside the window are in an
//! ordered map. The others are there to be measured against it and to check it (`cargo bench -p beurs-engine`).

use crate::pool::NIL;
use std::collections::BTreeMap;

/// A map from price to level number that knows its order.
pub trait PriceIndex: Default {
    /// The level at a price, or 0.
    fn get(&self, price: i64) -> u32;
    /// Sets the level, which is not 0, of a price that has none.
    fn insert(&mut self, price: i64, level: u32);
    /// Forgets a price that has a level.
    fn remove(&mut self, price: i64);
    /// The nearest price above, with its level.
    fn above(&self, price: i64) -> Option<(i64, u32)>;
    /// The nearest price below, with its level.
    fn below(&self, price: i64) -> Option<(i64, u32)>;
    /// Says where the best price is, for an index that is fastest around some place.
    #[inline]
    fn follow(&mut self, _price: i64) {}
    /// Bytes of heap memory in use.
    fn memory_bytes(&self) -> usize;
}

const PAGE_BITS: u32 = 6;
const PAGE_TICKS: usize = 1 << PAGE_BITS;
const SMALLEST_WINDOW: usize = 64;
const LARGEST_WINDOW: usize = 4096;

/// 64 neighbouring prices.
#[derive(Clone, Debug)]
struct Page {
    /// Which of them have a level.
    bits: u64,
    levels: [u32; PAGE_TICKS],
}

impl Page {
    const EMPTY: Self = Self { bits: 0, levels: [NIL; PAGE_TICKS] };
}

/// See the module. A window starts with 64 pages and grows to 4,096 (262,144 ticks) when prices fall outside it; it
/// moves when the best price leaves it.
#[derive(Clone, Debug)]
pub struct PagedLevels {
    pages: Vec<Page>,
    free: Vec<u32>,
    /// The page number of `window[0]`.
    base: i64,
    /// From page number to page, or NIL.
    window: Vec<u32>,
    /// Which of the window's pages have levels: one bit a page, and one bit a word of those.
    words: Vec<u64>,
    summary: u64,
    /// Pages outside the window.
    far: BTreeMap<i64, u32>,
}

impl Default for PagedLevels {
    fn default() -> Self {
        Self {
            // Page 0 is the one that is not there: it is empty and stays so.
            pages: vec![Page::EMPTY],
            free: Vec::new(),
            base: 0,
            window: Vec::new(),
            words: Vec::new(),
            summary: 0,
            far: BTreeMap::new(),
        }
    }
}

#[inline]
const fn split(price: i64) -> (i64, usize) {
    (price >> PAGE_BITS, (price & (PAGE_TICKS as i64 - 1)) as usize)
}

/// The bits above bit `at`, exclusive.
#[inline]
const fn bits_above(at: usize) -> u64 {
    // Two shifts, because shifting 64 places at once is not defined.
    (!0_u64 << at) << 1
}

/// The bits below bit `at`, exclusive.
#[inline]
const fn bits_below(at: usize) -> u64 {
    !(!0_u64 << at)
}

impl PagedLevels {
    #[inline]
    fn in_window(&self, number: i64) -> Option<usize> {
        let at = number.wrapping_sub(self.base) as u64 as usize;
        (at < self.window.len()).then_some(at)
    }

    #[inline]
    fn page(&self, number: i64) -> u32 {
        match self.in_window(number) {
            Some(at) => self.window[at],
            None => self.far_page(number),
        }
    }

    #[cold]
    fn far_page(&self, number: i64) -> u32 {
        self.far.get(&number).copied().unwrap_or(NIL)
    }

    #[inline]
    fn mark(&mut self, at: usize) {
        self.words[at >> 6] |= 1 << (at & 63);
        self.summary |= 1 << (at >> 6);
    }

    #[inline]
    fn unmark(&mut self, at: usize) {
        let word = &mut self.words[at >> 6];
        *word &= !(1 << (at & 63));
        if *word == 0 {
            self.summary &= !(1 << (at >> 6));
        }
    }

    #[inline]
    fn add_page(&mut self, number: i64) -> u32 {
        let page = match self.free.pop() {
            Some(page) => page,
            None => {
                self.pages.push(Page::EMPTY);
                (self.pages.len() - 1) as u32
            }
        };
        match self.in_window(number) {
            Some(at) => self.window[at] = page,
            None => self.add_far_page(number, page),
        }
        page
    }

    #[cold]
    fn add_far_page(&mut self, number: i64, page: u32) {
        self.far.insert(number, page);
        if self.window.is_empty() {
            self.place_window(number - SMALLEST_WINDOW as i64 / 2, SMALLEST_WINDOW);
        } else if self.window.len() < LARGEST_WINDOW {
            // The window is still small: make it larger around where it is, which may take in this page.
            let length = self.window.len() * 8;
            let middle = self.base + self.window.len() as i64 / 2;
            self.place_window(middle - length as i64 / 2, length);
        }
    }

    #[cold]
    fn move_window(&mut self, number: i64) {
        let length = self.window.len().max(SMALLEST_WINDOW);
        self.place_window(number - length as i64 / 2, length);
    }

    fn place_window(&mut self, base: i64, length: usize) {
        let old_base = self.base;
        let old = std::mem::take(&mut self.window);
        for (at, page) in old.into_iter().enumerate().filter(|&(_, page)| page != NIL) {
            if self.pages[page as usize].bits == 0 {
                self.free.push(page);
            } else {
                self.far.insert(old_base + at as i64, page);
            }
        }
        self.base = base;
        self.window = vec![NIL; length];
        self.words = vec![0; length / 64];
        self.summary = 0;
        let mut inside = self.far.split_off(&base);
        let mut beyond = inside.split_off(&(base + length as i64));
        self.far.append(&mut beyond);
        for (number, page) in inside {
            let at = (number - base) as usize;
            self.window[at] = page;
            self.mark(at);
        }
    }

    #[inline]
    fn page_above(&self, number: i64) -> Option<(i64, u32)> {
        // `at` is where in the window the search starts, exclusive; -1 for "before the window".
        let at = number.wrapping_sub(self.base);
        if at < self.window.len() as i64 {
            if at < -1 && !self.far.is_empty() {
                if let Some((&far, &page)) = self.far.range(number + 1..).next() {
                    if far < self.base {
                        return Some((far, page));
                    }
                }
            }
            if let Some(at) = self.window_above(at.max(-1)) {
                return Some((self.base + at as i64, self.window[at]));
            }
        }
        if self.far.is_empty() {
            return None;
        }
        let from = number.max(self.base + self.window.len() as i64 - 1);
        self.far.range(from + 1..).next().map(|(&far, &page)| (far, page))
    }

    #[inline]
    fn page_below(&self, number: i64) -> Option<(i64, u32)> {
        let at = number.wrapping_sub(self.base);
        let length = self.window.len() as i64;
        if at > 0 && length > 0 {
            if at > length && !self.far.is_empty() {
                if let Some((&far, &page)) = self.far.range(..number).next_back() {
                    if far >= self.base + length {
                        return Some((far, page));
                    }
                }
            }
            if let Some(at) = self.window_below(at.min(length)) {
                return Some((self.base + at as i64, self.window[at]));
            }
        }
        if self.far.is_empty() {
            return None;
        }
        self.far.range(..number.min(self.base)).next_back().map(|(&far, &page)| (far, page))
    }

    /// The first page of the window after place `at`, which may be -1.
    #[inline]
    fn window_above(&self, at: i64) -> Option<usize> {
        let from = (at + 1) as usize;
        let word = from >> 6;
        if word >= self.words.len() {
            return None;
        }
        let here = self.words[word] & (!0_u64 << (from & 63));
        if here != 0 {
            return Some(word << 6 | here.trailing_zeros() as usize);
        }
        let later = self.summary & bits_above(word);
        if later == 0 {
            return None;
        }
        let word = later.trailing_zeros() as usize;
        Some(word << 6 | self.words[word].trailing_zeros() as usize)
    }

    /// The last page of the window before place `at`, which may be the window's length.
    #[inline]
    fn window_below(&self, at: i64) -> Option<usize> {
        let last = (at - 1) as usize;
        let word = last >> 6;
        let here = self.words[word] & (bits_below(last & 63) | 1 << (last & 63));
        if here != 0 {
            return Some(word << 6 | here.ilog2() as usize);
        }
        let earlier = self.summary & bits_below(word);
        if earlier == 0 {
            return None;
        }
        let word = earlier.ilog2() as usize;
        Some(word << 6 | self.words[word].ilog2() as usize)
    }
}

impl PriceIndex for PagedLevels {
    #[inline]
    fn get(&self, price: i64) -> u32 {
        let (number, at) = split(price);
        self.pages[self.page(number) as usize].levels[at]
    }

    #[inline]
    fn insert(&mut self, price: i64, level: u32) {
        let (number, at) = split(price);
        let mut page = self.page(number);
        if page == NIL {
            page = self.add_page(number);
        }
        if self.pages[page as usize].bits == 0 {
            if let Some(at) = self.in_window(number) {
                self.mark(at);
            }
        }
        let page = &mut self.pages[page as usize];
        debug_assert_eq!(page.levels[at], NIL, "a price has one level");
        page.bits |= 1 << at;
        page.levels[at] = level;
    }

    #[inline]
    fn remove(&mut self, price: i64) {
        let (number, at) = split(price);
        let slot = self.page(number);
        let page = &mut self.pages[slot as usize];
        debug_assert_ne!(page.levels[at], NIL, "only a price with a level is removed");
        page.bits &= !(1 << at);
        page.levels[at] = NIL;
        if page.bits == 0 {
            // An empty page stays where it is while its place is in the window: prices come back.
            match self.in_window(number) {
                Some(at) => self.unmark(at),
                None => {
                    self.far.remove(&number);
                    self.free.push(slot);
                }
            }
        }
    }

    #[inline]
    fn above(&self, price: i64) -> Option<(i64, u32)> {
        let (number, at) = split(price);
        let page = &self.pages[self.page(number) as usize];
        let bits = page.bits & bits_above(at);
        if bits != 0 {
            let at = bits.trailing_zeros() as usize;
            return Some((number << PAGE_BITS | at as i64, page.levels[at]));
        }
        let (number, page) = self.page_above(number)?;
        let page = &self.pages[page as usize];
        let at = page.bits.trailing_zeros() as usize;
        Some((number << PAGE_BITS | at as i64, page.levels[at]))
    }

    #[inline]
    fn below(&self, price: i64) -> Option<(i64, u32)> {
        let (number, at) = split(price);
        let page = &self.pages[self.page(number) as usize];
        let bits = page.bits & bits_below(at);
        if bits != 0 {
            let at = bits.ilog2() as usize;
            return Some((number << PAGE_BITS | at as i64, page.levels[at]));
        }
        let (number, page) = self.page_below(number)?;
        let page = &self.pages[page as usize];
        let at = page.bits.ilog2() as usize;
        Some((number << PAGE_BITS | at as i64, page.levels[at]))
    }

    /// Moves the window so that this price is in its middle, if it is outside.
    #[inline]
    fn follow(&mut self, price: i64) {
        let (number, _) = split(price);
        if self.in_window(number).is_none() {
            self.move_window(number);
        }
    }

    fn memory_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Page>()
            + self.free.capacity() * 4
            + self.window.capacity() * 4
            + self.words.capacity() * 8
            // A B-tree of 12-byte entries is on average two thirds full.
            + self.far.len() * 18
    }
}

/// The naive twin: an ordered map.
#[derive(Clone, Debug, Default)]
pub struct TreeLevels(BTreeMap<i64, u32>);

impl PriceIndex for TreeLevels {
    fn get(&self, price: i64) -> u32 {
        self.0.get(&price).copied().unwrap_or(NIL)
    }
    fn insert(&mut self, price: i64, level: u32) {
        self.0.insert(price, level);
    }
    fn remove(&mut self, price: i64) {
        self.0.remove(&price);
    }
    fn above(&self, price: i64) -> Option<(i64, u32)> {
        self.0.range(price + 1..).next().map(|(&price, &level)| (price, level))
    }
    fn below(&self, price: i64) -> Option<(i64, u32)> {
        self.0.range(..price).next_back().map(|(&price, &level)| (price, level))
    }
    fn memory_bytes(&self) -> usize {
        self.0.len() * 18
    }
}

/// One flat array over all prices from 0 with one level of bits, for measuring: it grows to the highest price seen, so it
/// is not for prices that a client chooses.
#[derive(Clone, Debug, Default)]
pub struct FlatLevels {
    levels: Vec<u32>,
    bits: Vec<u64>,
}

impl PriceIndex for FlatLevels {
    #[inline]
    fn get(&self, price: i64) -> u32 {
        self.levels.get(price as usize).copied().unwrap_or(NIL)
    }
    #[inline]
    fn insert(&mut self, price: i64, level: u32) {
        let at = price as usize;
        if at >= self.levels.len() {
            let length = (at + 1).next_power_of_two().max(64);
            self.levels.resize(length, NIL);
            self.bits.resize(length / 64, 0);
        }
        self.levels[at] = level;
        self.bits[at >> 6] |= 1 << (at & 63);
    }
    #[inline]
    fn remove(&mut self, price: i64) {
        let at = price as usize;
        self.levels[at] = NIL;
        self.bits[at >> 6] &= !(1 << (at & 63));
    }
    #[inline]
    fn above(&self, price: i64) -> Option<(i64, u32)> {
        let from = (price + 1).max(0) as usize;
        let mut word = from >> 6;
        let mut bits = *self.bits.get(word)? & (!0_u64 << (from & 63));
        while bits == 0 {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        let at = word << 6 | bits.trailing_zeros() as usize;
        Some((at as i64, self.levels[at]))
    }
    #[inline]
    fn below(&self, price: i64) -> Option<(i64, u32)> {
        let end = (price.max(0) as usize).min(self.levels.len());
        if end == 0 {
            return None;
        }
        let mut word = (end - 1) >> 6;
        let mut bits = self.bits[word] & (bits_below((end - 1) & 63) | 1 << ((end - 1) & 63));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.bits[word];
        }
        let at = word << 6 | bits.ilog2() as usize;
        Some((at as i64, self.levels[at]))
    }
    fn memory_bytes(&self) -> usize {
        self.levels.capacity() * 4 + self.bits.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(seed: &mut u64) -> u64 {
        // SplitMix64 (S. Vigna, public domain reference).
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Prices that are near, page-edge, window-edge, far and extreme.
    fn some_price(seed: &mut u64, middle: i64) -> i64 {
        let spread = [3, 64, 70, 4_096, 5_000, 262_144, 300_000, 1 << 40][(next(seed) % 8) as usize];
        let price = middle + (next(seed) % (2 * spread)) as i64 - spread as i64;
        price.clamp(1, (1 << 53) - 1)
    }

    fn agrees_with_the_tree<P: PriceIndex>(largest: i64) {
        for start in 0..20_u64 {
            let mut seed = start;
            let mut fast = P::default();
            let mut tree = TreeLevels::default();
            let mut prices = Vec::new();
            let mut middle = 1 + (next(&mut seed) % largest as u64) as i64;
            for step in 0..4_000_u32 {
                let price = some_price(&mut seed, middle).min(largest);
                if tree.get(price) == NIL && (prices.len() < 300 || next(&mut seed) % 2 == 0) {
                    fast.insert(price, step + 1);
                    tree.insert(price, step + 1);
                    prices.push(price);
                } else if !prices.is_empty() {
                    let price = prices.swap_remove((next(&mut seed) % prices.len() as u64) as usize);
                    fast.remove(price);
                    tree.remove(price);
                }
                if step % 500 == 0 {
                    middle = some_price(&mut seed, middle).min(largest);
                    fast.follow(middle);
                }
                for _ in 0..3 {
                    let price = some_price(&mut seed, middle).min(largest);
                    assert_eq!(fast.get(price), tree.get(price), "get {price}, seed {start}, step {step}");
                    assert_eq!(fast.above(price), tree.above(price), "above {price}, seed {start}, step {step}");
                    assert_eq!(fast.below(price), tree.below(price), "below {price}, seed {start}, step {step}");
                }
                assert_eq!(fast.above(0), tree.above(0), "first, seed {start}, step {step}");
            }
        }
    }

    #[test]
    fn paged_levels_agree_with_the_tree() {
        agrees_with_the_tree::<PagedLevels>((1 << 53) - 1);
    }

    #[test]
    fn flat_levels_agree_with_the_tree() {
        agrees_with_the_tree::<FlatLevels>(1 << 20);
    }
}
