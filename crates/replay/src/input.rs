//! Text files of comma-separated integers, read a line at a time.
//!
//! Invariants: plain and gzip files read alike (told apart by their first bytes, not by their name); a line is at most
//! [`MAX_LINE`] bytes; every error names file and line; empty lines are allowed only at the end.

use crate::error::ReplayError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line, in bytes; a longer one is malformed.
const MAX_LINE: usize = 1 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file being read line by line.
pub(crate) struct Lines {
    reader: Box<dyn BufRead>,
    path: PathBuf,
    line: u64,
    text: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, ReplayError> {
        let io_error = |source| ReplayError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io_error)?;
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        file.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head).map_err(io_error)?;
        let whole = io::Cursor::new(head.clone()).chain(file);
        let reader: Box<dyn BufRead> = if head == GZIP_MAGIC {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole))))
        } else {
            Box::new(BufReader::with_capacity(1 << 16, whole))
        };
        Ok(Self { reader, path: path.to_owned(), line: 0, text: Vec::new() })
    }

    #[cfg(test)]
    pub(crate) fn of_text(name: &str, text: impl Into<Vec<u8>>) -> Self {
        let reader = Box::new(io::Cursor::new(text.into()));
        Self { reader, path: PathBuf::from(name), line: 0, text: Vec::new() }
    }

    /// The next line without its end, with its number; `None` at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line<'_>>, ReplayError> {
        if !self.read_one()? {
            return Ok(None);
        }
        if self.text.is_empty() {
            let empty = self.line;
            while self.read_one()? {
                if !self.text.is_empty() {
                    return Err(ReplayError::Malformed {
                        path: self.path.clone(),
                        line: empty,
                        what: "the line is empty".to_owned(),
                    });
                }
            }
            return Ok(None);
        }
        Ok(Some(Line { text: &self.text, number: self.line, path: &self.path }))
    }

    /// An error about the file as a whole, told at the line after the last one read.
    pub(crate) fn end_error(&self, what: impl Into<String>) -> ReplayError {
        ReplayError::Malformed { path: self.path.clone(), line: self.line + 1, what: what.into() }
    }

    /// Reads one line into `text`; false at the end of the file.
    fn read_one(&mut self) -> Result<bool, ReplayError> {
        self.text.clear();
        let read = self.reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut self.text);
        let read = read.map_err(|source| ReplayError::Io { path: self.path.clone(), source })?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if read > MAX_LINE {
            let what = format!("the line is longer than {MAX_LINE} bytes");
            return Err(ReplayError::Malformed { path: self.path.clone(), line: self.line, what });
        }
        while matches!(self.text.last(), Some(b'\n' | b'\r')) {
            self.text.pop();
        }
        Ok(true)
    }
}

/// One line of a file.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) number: u64,
    path: &'a Path,
}

impl<'a> Line<'a> {
    pub(crate) fn error(&self, what: impl Into<String>) -> ReplayError {
        ReplayError::Malformed { path: self.path.to_owned(), line: self.number, what: what.into() }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        self.text.split(|byte| *byte == b',')
    }

    /// Exactly `N` fields, or an error that says what they should be.
    pub(crate) fn exactly<const N: usize>(&self, meaning: &str) -> Result<[&'a [u8]; N], ReplayError> {
        let mut found = [&[] as &[u8]; N];
        let mut count = 0;
        for field in self.fields() {
            if let Some(place) = found.get_mut(count) {
                *place = field;
            }
            count += 1;
        }
        if count != N {
            return Err(self.error(format!("{N} columns wanted ({meaning}), {count} found")));
        }
        Ok(found)
    }

    /// A decimal integer.
    pub(crate) fn integer(&self, field: &[u8], name: &str) -> Result<i64, ReplayError> {
        parse_integer(field).ok_or_else(|| self.error(format!("{name} is not an integer: {}", quoted(field))))
    }

    /// A decimal integer from `least` to `most`.
    pub(crate) fn integer_in(&self, field: &[u8], name: &str, least: i64, most: i64) -> Result<i64, ReplayError> {
        let value = self.integer(field, name)?;
        if value < least || value > most {
            return Err(self.error(format!("{name} is not from {least} to {most}: {value}")));
        }
        Ok(value)
    }

    /// Seconds after midnight with any number of decimals, as whole nanoseconds; further digits are cut off.
    pub(crate) fn time_ns(&self, field: &[u8]) -> Result<i64, ReplayError> {
        parse_time_ns(field).ok_or_else(|| self.error(format!("time is not seconds after midnight: {}", quoted(field))))
    }
}

/// A field as it may stand in an error message.
pub(crate) fn quoted(field: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(SHOWN)]);
    format!("{text:?}{}", if field.len() > SHOWN { " ..." } else { "" })
}

fn parse_integer(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit); // At most 18 digits: below 10^18, so it cannot overflow.
    }
    Some(if negative { -value } else { value })
}

fn parse_time_ns(field: &[u8]) -> Option<i64> {
    let mut parts = field.splitn(2, |byte| *byte == b'.');
    let seconds = parts.next()?;
    if seconds.is_empty() || seconds.len() > 8 || seconds[0] == b'-' {
        return None;
    }
    let mut nanoseconds = parse_integer(seconds)? * 1_000_000_000;
    if let Some(decimals) = parts.next() {
        if decimals.is_empty() || !decimals.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut unit = 100_000_000;
        for &byte in decimals.iter().take(9) {
            nanoseconds += i64::from(byte - b'0') * unit;
            unit /= 10;
        }
    }
    Some(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_decimal_digits_with_an_optional_minus() {
        let good: [(&str, i64); 5] = [
            ("0", 0),
            ("-0", 0),
            ("007", 7),
            ("-9999999999", -9_999_999_999),
            ("999999999999999999", 10_i64.pow(18) - 1),
        ];
        for (text, value) in good {
            assert_eq!(parse_integer(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "-", "+1", "1.0", "1e3", " 1", "1 ", "0x10", "NaN", "１", "1234567890123456789", "--1"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_with_decimals() {
        let good = [
            ("36023", 36_023_000_000_000),
            ("34200.015105074", 34_200_015_105_074),
            ("34200.5", 34_200_500_000_000),
            ("0.1234567899", 123_456_789),
        ];
        for (text, value) in good {
            assert_eq!(parse_time_ns(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", ".", ".5", "1.", "-1.5", "3.4e4", "1.2.3", "nan", "1,5", "123456789"] {
            assert_eq!(parse_time_ns(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn line_ends_may_be_of_either_kind_and_empty_lines_stand_only_at_the_end() {
        let mut lines = Lines::of_text("x", "1,2\r\n3,4\n5,6\n\n\r\n");
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().expect("well-formed") {
            seen.push((line.number, String::from_utf8_lossy(line.text).into_owned()));
        }
        assert_eq!(seen, [(1, "1,2".to_owned()), (2, "3,4".to_owned()), (3, "5,6".to_owned())]);

        let mut lines = Lines::of_text("x", "1,2\n\n3,4\n");
        assert!(lines.next_line().expect("the first is good").is_some());
        let error = lines.next_line().err().expect("the second is empty").to_string();
        assert_eq!(error, "x, line 2: the line is empty");
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let mut lines = Lines::of_text("x", vec![b'1'; 3 << 20]);
        let error = lines.next_line().err().expect("too long").to_string();
        assert_eq!(error, "x, line 1: the line is longer than 1048576 bytes");
    }
}
