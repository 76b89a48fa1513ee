//! The order book file: row k is the book after message k, `(ask price, ask size, bid price, bid size) × N`.
//!
//! Invariants: every row has the same number of levels, found from the first; a place with size 0 is empty (the vendor
//! fills it with price 9999999999 or -9999999999) and is left out of [`Levels`].

use crate::error::ReplayError;
use crate::input::{Line, Lines};
use beurs_engine::types::{Side, MAX_TICKS_OR_LOTS};
use std::fmt;
use std::path::Path;

/// The most levels on a side that a file may have.
pub(crate) const MAX_LEVELS: usize = 1_000;

/// One price level: price in 1/10,000 of a dollar, quantity in shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Level {
    /// The price.
    pub price: i64,
    /// How much rests there.
    pub quantity: i64,
}

/// Both halves of a book, each from its best price on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    /// Buy side.
    pub bids: Vec<Level>,
    /// Sell side.
    pub asks: Vec<Level>,
}

impl Levels {
    pub(crate) fn side(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

/// A row of the file that the engine's book did not equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The row, from 0; it stands in line `row + 1`.
    pub row: u64,
    /// What the file says.
    pub expected: Levels,
    /// What the engine says.
    pub got: Levels,
}

impl fmt::Display for Difference {
    /// The row and its first place that differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.row + 1)?;
        for (name, side) in [("ask", Side::Sell), ("bid", Side::Buy)] {
            let (expected, got) = (self.expected.side(side), self.got.side(side));
            let place = (0..expected.len().max(got.len())).find(|place| expected.get(*place) != got.get(*place));
            if let Some(place) = place {
                let text = |level: Option<&Level>| {
                    level.map_or("nothing".to_owned(), |level| format!("{} at {}", level.quantity, level.price))
                };
                return write!(
                    f,
                    ", {name} level {}: expected {}, got {}",
                    place + 1,
                    text(expected.get(place)),
                    text(got.get(place))
                );
            }
        }
        Ok(())
    }
}

/// The file, read row by row.
pub(crate) struct BookFile {
    lines: Lines,
    levels: usize,
    rows: u64,
}

impl BookFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ReplayError> {
        Ok(Self::new(Lines::open(path)?))
    }

    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, levels: 0, rows: 0 }
    }

    /// Levels on a side; 0 before the first row.
    pub(crate) fn levels(&self) -> usize {
        self.levels
    }

    /// Rows read so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads the next row into `row`; false at the end of the file.
    pub(crate) fn next_row(&mut self, row: &mut Levels) -> Result<bool, ReplayError> {
        let Some(line) = self.lines.next_line()? else {
            return Ok(false);
        };
        if self.levels == 0 {
            let columns = line.fields().count();
            if columns % 4 != 0 || columns / 4 > MAX_LEVELS {
                return Err(line.error(format!(
                    "a multiple of 4 columns wanted (ask price, ask size, bid price, bid size for each of at most \
                     {MAX_LEVELS} levels), {columns} found"
                )));
            }
            self.levels = columns / 4;
        }
        parse_row(&line, self.levels, row)?;
        self.rows += 1;
        Ok(true)
    }
}

fn parse_row(line: &Line<'_>, levels: usize, row: &mut Levels) -> Result<(), ReplayError> {
    row.bids.clear();
    row.asks.clear();
    let mut fields = line.fields();
    for _ in 0..levels {
        for (half, price_name, size_name) in
            [(&mut row.asks, "ask price", "ask size"), (&mut row.bids, "bid price", "bid size")]
        {
            let (Some(price), Some(size)) = (fields.next(), fields.next()) else {
                return Err(column_error(line, levels));
            };
            let price = line.integer(price, price_name)?;
            let quantity = line.integer_in(size, size_name, 0, MAX_TICKS_OR_LOTS)?;
            if quantity > 0 {
                half.push(Level { price, quantity });
            }
        }
    }
    if fields.next().is_some() {
        return Err(column_error(line, levels));
    }
    Ok(())
}

fn column_error(line: &Line<'_>, levels: usize) -> ReplayError {
    line.error(format!("{} columns wanted, as in the first row, {} found", levels * 4, line.fields().count()))
}
