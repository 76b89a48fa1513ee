//! Decimal text: the only place in Rust where text becomes a price, a quantity or an amount, and back.
//!
//! The grammar is `(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?`, ASCII only: no sign, no exponent, no leading zero, no bare
//! point, no space. Every conversion is exact or an error; nothing is rounded.

use std::fmt;

use beurs_engine::types::{Step, MAX_TICKS_OR_LOTS};

/// The most digits before the point, and the most after it.
pub const MAX_DIGITS: usize = 18;
/// The longest text of the grammar.
pub const MAX_TEXT: usize = 2 * MAX_DIGITS + 1;

const SCALE_18: u128 = 10_u128.pow(18);

/// Why a text is not the number it should be, or a number has no text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecimalError {
    /// The text does not match the grammar.
    Grammar,
    /// The number is not a whole number of steps, or of the asset's smallest unit.
    NotAMultiple,
    /// The number is too big to be counted.
    TooLarge,
    /// The step has mantissa 0 or a scale above 18.
    InvalidStep,
}

impl DecimalError {
    /// The stable text code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grammar => "invalid_decimal",
            Self::NotAMultiple => "not_a_multiple",
            Self::TooLarge => "too_large",
            Self::InvalidStep => "invalid_step",
        }
    }

    /// The rule that was broken, as what is said of the field.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Grammar => {
                "must be 1 to 18 digits without needless leading zeros, and perhaps a point and 1 to 18 digits"
            }
            Self::NotAMultiple => "must be a whole number of steps",
            Self::TooLarge => "is too large",
            Self::InvalidStep => "must have a mantissa of at least 1 and a scale from 0 to 18",
        }
    }
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl std::error::Error for DecimalError {}

/// Reads a text of the grammar as a count of 10^-18. Below 10^36.
fn parse_units_18(text: &str) -> Result<u128, DecimalError> {
    let bytes = text.as_bytes();
    if bytes.len() > MAX_TEXT {
        return Err(DecimalError::Grammar);
    }
    let point = bytes.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let leading_zero = whole.len() > 1 && whole[0] == b'0';
    if leading_zero {
        return Err(DecimalError::Grammar);
    }
    let mut units = u128::from(parse_digits(whole)?) * SCALE_18;
    if let Some(fraction) = fraction {
        let digits = parse_digits(fraction)?;
        units += u128::from(digits) * 10_u128.pow((MAX_DIGITS - fraction.len()) as u32);
    }
    Ok(units)
}

/// 1 to 18 digits.
fn parse_digits(digits: &[u8]) -> Result<u64, DecimalError> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return Err(DecimalError::Grammar);
    }
    let mut number = 0_u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return Err(DecimalError::Grammar);
        }
        number = number * 10 + u64::from(byte - b'0'); // 18 digits fit 60 bits.
    }
    Ok(number)
}

fn checked_step(step: Step) -> Result<Step, DecimalError> {
    if step.mantissa == 0 || usize::from(step.scale) > MAX_DIGITS {
        return Err(DecimalError::InvalidStep);
    }
    Ok(step)
}

/// Reads a price or a quantity as a count of `step`: `"0.15"` in steps of 0.05 is 3. At most 2^53 - 1.
///
/// # Errors
/// [`DecimalError`]; the grammar is checked first.
pub fn parse_decimal(text: &str, step: Step) -> Result<i64, DecimalError> {
    let units = parse_units_18(text)?;
    let step = checked_step(step)?;
    let step_units = u128::from(step.mantissa) * 10_u128.pow((MAX_DIGITS - usize::from(step.scale)) as u32);
    if units % step_units != 0 {
        return Err(DecimalError::NotAMultiple);
    }
    match i64::try_from(units / step_units) {
        Ok(count) if count <= MAX_TICKS_OR_LOTS => Ok(count),
        _ => Err(DecimalError::TooLarge),
    }
}

/// Writes a count of `step`, without zeros that say nothing: `"0.5"`, `"12"`. A negative count gets a minus sign.
///
/// # Errors
/// [`DecimalError::InvalidStep`], and [`DecimalError::TooLarge`] when count × mantissa is above 128 bits.
pub fn format_decimal(count: i128, step: Step) -> Result<String, DecimalError> {
    let step = checked_step(step)?;
    let digits = count.unsigned_abs().checked_mul(u128::from(step.mantissa)).ok_or(DecimalError::TooLarge)?;
    Ok(format_units(count < 0, digits, step.scale))
}

/// Reads an amount as a count of an asset's smallest unit: `"1.5"` with 2 decimals is 150.
///
/// # Errors
/// [`DecimalError`]; `NotAMultiple` when the text has more decimals (other than zeros) than the asset.
pub fn parse_amount(text: &str, scale: u8) -> Result<i128, DecimalError> {
    let units = parse_units_18(text)?;
    let scale = checked_step(Step { mantissa: 1, scale })?.scale;
    let unit = 10_u128.pow((MAX_DIGITS - usize::from(scale)) as u32);
    if units % unit != 0 {
        return Err(DecimalError::NotAMultiple);
    }
    Ok((units / unit) as i128) // Below 10^36.
}

/// Writes an amount of an asset's smallest unit, without zeros that say nothing. Negative amounts get a minus sign.
///
/// # Errors
/// [`DecimalError::InvalidStep`] when the scale is above 18.
pub fn format_amount(units: i128, scale: u8) -> Result<String, DecimalError> {
    format_decimal(units, Step { mantissa: 1, scale })
}

fn format_units(negative: bool, digits: u128, scale: u8) -> String {
    let one = 10_u128.pow(u32::from(scale));
    let (whole, fraction) = (digits / one, digits % one);
    let sign = if negative && digits != 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:0width$}", width = usize::from(scale));
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: Step = Step { mantissa: 1, scale: 2 };
    const NICKEL: Step = Step { mantissa: 5, scale: 2 };
    const UNIT: Step = Step { mantissa: 1, scale: 0 };

    #[test]
    fn exact_texts_become_counts() {
        for (text, step, count) in [
            ("0", CENT, 0),
            ("0.0", CENT, 0),
            ("1", CENT, 100),
            ("0.15", NICKEL, 3),
            ("0.150000000000000000", NICKEL, 3),
            ("12.50", CENT, 1250),
            ("9007199254740991", UNIT, MAX_TICKS_OR_LOTS),
            ("90071992547409.91", CENT, MAX_TICKS_OR_LOTS),
            ("0.000000000000000001", Step { mantissa: 1, scale: 18 }, 1),
            ("25000", Step { mantissa: 25, scale: 0 }, 1000),
        ] {
            assert_eq!(parse_decimal(text, step), Ok(count), "{text}");
        }
    }

    #[test]
    fn texts_outside_the_grammar_are_refused() {
        for text in [
            "",
            " ",
            "1 ",
            " 1",
            "+1",
            "-1",
            "-0",
            "1e5",
            "1E5",
            "1e400",
            "NaN",
            "nan",
            "inf",
            "Infinity",
            ".",
            ".5",
            "5.",
            "1.2.3",
            "00",
            "01",
            "00.5",
            "1_000",
            "1,000",
            "0x10",
            "１２",
            "١",
            "1\0",
            "1\n",
            "--1",
            "1.-5",
            "1000000000000000000",
            "0.0000000000000000001",
            "1.0000000000000000000",
            "१",
            "½",
            "1.5f",
            "½.5",
            "1..5",
            "1234567890123456789012345678901234567890",
        ] {
            assert_eq!(parse_decimal(text, CENT), Err(DecimalError::Grammar), "{text:?}");
            assert_eq!(parse_amount(text, 8), Err(DecimalError::Grammar), "{text:?}");
        }
    }

    #[test]
    fn what_is_between_two_steps_is_refused() {
        assert_eq!(parse_decimal("0.005", CENT), Err(DecimalError::NotAMultiple));
        assert_eq!(parse_decimal("0.12", NICKEL), Err(DecimalError::NotAMultiple));
        assert_eq!(parse_amount("0.001", 2), Err(DecimalError::NotAMultiple));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert_eq!(parse_decimal("9007199254740992", UNIT), Err(DecimalError::TooLarge));
        assert_eq!(parse_decimal("999999999999999999", Step { mantissa: 1, scale: 18 }), Err(DecimalError::TooLarge));
        assert_eq!(format_decimal(i128::MAX, NICKEL), Err(DecimalError::TooLarge));
    }

    #[test]
    fn a_step_that_is_none_is_refused() {
        assert_eq!(parse_decimal("1", Step { mantissa: 0, scale: 0 }), Err(DecimalError::InvalidStep));
        assert_eq!(parse_decimal("1", Step { mantissa: 1, scale: 19 }), Err(DecimalError::InvalidStep));
        assert_eq!(format_amount(1, 19), Err(DecimalError::InvalidStep));
        assert_eq!(parse_amount("1", 255), Err(DecimalError::InvalidStep));
    }

    #[test]
    fn counts_become_their_shortest_text() {
        for (count, step, text) in [
            (0, CENT, "0"),
            (1, CENT, "0.01"),
            (50, CENT, "0.5"),
            (1200, CENT, "12"),
            (3, NICKEL, "0.15"),
            (-3, NICKEL, "-0.15"),
            (1, Step { mantissa: u64::MAX, scale: 18 }, "18.446744073709551615"),
        ] {
            assert_eq!(format_decimal(count, step).as_deref(), Ok(text));
        }
        assert_eq!(format_amount(i128::MAX, 18).as_deref(), Ok("170141183460469231731.687303715884105727"));
        assert_eq!(format_amount(i128::MIN, 0).as_deref(), Ok("-170141183460469231731687303715884105728"));
    }

    #[test]
    fn text_and_count_are_each_others_inverse() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let count = (state >> 11) as i64;
            let step = Step { mantissa: 1 + (state % 999), scale: 5 + (state % 14) as u8 };
            let Ok(text) = format_decimal(i128::from(count), step) else {
                continue;
            };
            match parse_decimal(&text, step) {
                Ok(back) => assert_eq!(back, count, "{text}"),
                Err(DecimalError::Grammar) => assert!(text.split('.').next().is_some_and(|whole| whole.len() > 18)),
                Err(error) => panic!("{text}: {error}"),
            }
            let amount = i128::from(state) * 1_000;
            let text = format_amount(amount, step.scale).expect("the scale is at most 18");
            if text.split('.').next().is_some_and(|whole| whole.len() <= 18) {
                assert_eq!(parse_amount(&text, step.scale), Ok(amount), "{text}");
            }
        }
    }
}
