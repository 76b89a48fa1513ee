//! Reading JSON and decimals, strictly: what is not as it must be is an error that names it.

use std::cmp::Ordering;

use beurs_engine::types::{ShortText, Step};
use serde_json::{Map, Value};

pub type Object = Map<String, Value>;

/// A decimal as a whole number of `10^-18`: wide enough for every price and amount of the scenarios.
fn decimal(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 18 || !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction:0<18}").parse().ok()?;
    Some(sign * digits)
}

/// A decimal as a count of steps of `mantissa / 10^scale`.
pub fn count(text: &str, step: Step) -> i128 {
    let step_size = i128::from(step.mantissa) * 10_i128.pow(18 - u32::from(step.scale));
    let value = decimal(text).unwrap_or_else(|| panic!("{text} is a decimal"));
    assert_eq!(value % step_size, 0, "{text} is a multiple of the step");
    value / step_size
}

/// A count of steps as a decimal.
pub fn decimal_text(count: i128, step: Step) -> String {
    let digits = count * i128::from(step.mantissa);
    let scale = usize::from(step.scale);
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    let sign = if digits < 0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// Whether a field is as expected: texts that are both decimals are compared as numbers.
pub fn is_as_expected(actual: &Value, expected: &Value) -> bool {
    if let (Some(actual), Some(expected)) = (actual.as_str(), expected.as_str()) {
        if let (Some(actual), Some(expected)) = (decimal(actual), decimal(expected)) {
            return actual.cmp(&expected) == Ordering::Equal;
        }
    }
    actual == expected
}

pub fn step(text: &str) -> Step {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let mantissa = text.replace('.', "").parse().unwrap_or_else(|_| panic!("{text} is a decimal"));
    Step { mantissa, scale: fraction.len() as u8 }
}

pub fn text<const N: usize>(text: &str) -> ShortText<N> {
    ShortText::new(text.as_bytes()).unwrap_or_else(|| panic!("{text} is short printable ASCII"))
}

pub fn string<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("{key} is a text in {object:?}"))
}

pub fn optional<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is a text in {object:?}")))
}

/// A number that must be there.
pub fn number<T: TryFrom<i64>>(object: &Object, key: &str) -> T {
    let number = object.get(key).and_then(Value::as_i64).and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{key} is a number that fits in {object:?}"))
}

/// A number, or 0 if it is not given.
pub fn number_or_0<T: TryFrom<i64> + Default>(object: &Object, key: &str) -> T {
    if object.contains_key(key) {
        number(object, key)
    } else {
        T::default()
    }
}

/// True or false; false if it is not given.
pub fn flag(object: &Object, key: &str) -> bool {
    object.get(key).is_some_and(|flag| flag.as_bool().unwrap_or_else(|| panic!("{key} is true or false")))
}

pub fn list<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object.get(key).map_or(&[], |value| value.as_array().unwrap_or_else(|| panic!("{key} is a list")).as_slice())
}

pub fn object(value: &Value) -> &Object {
    value.as_object().unwrap_or_else(|| panic!("an object instead of {value}"))
}

pub fn known_keys(object: &Object, known: &[&str]) {
    for key in object.keys() {
        assert!(known.contains(&key.as_str()), "{key} is not one of {known:?}");
    }
}

/// The value of an enum by its text.
pub fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> T {
    *all.iter().find(|value| name(**value) == text).unwrap_or_else(|| panic!("{text} is not known"))
}
