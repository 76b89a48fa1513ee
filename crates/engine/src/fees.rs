//! Fees: rates, rounding, and the table of the schedules that orders refer to.
//!
//! Invariant: what an order has paid in all is its cumulative fee rounded up, however its fills were split.

use crate::types::PPM;

/// What makers and takers pay, in parts per million of the notional.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FeeSchedule {
    pub maker_ppm: i32,
    pub taker_ppm: i32,
}

impl FeeSchedule {
    /// The rate that covers whatever role the order comes to play.
    #[inline]
    pub fn worst_ppm(self) -> i32 {
        self.maker_ppm.max(self.taker_ppm).max(0)
    }
}

/// `ceil(millionths / 10^6)`.
#[inline(always)] // A few instructions, several times in every command.
pub(crate) fn ceil_millionths(millionths: i128) -> i128 {
    // Nearly every fee fits 64 bits, where dividing by a constant is a multiplication.
    match i64::try_from(millionths) {
        Ok(small) if small <= i64::MAX - PPM as i64 => {
            let whole = small / PPM as i64;
            i128::from(whole + i64::from((whole * PPM as i64) < small))
        }
        _ => millionths.div_euclid(PPM) + i128::from(millionths.rem_euclid(PPM) != 0),
    }
}

/// The fee of a fill, and the order's carry after it. `carry` is what it had paid too much before, in millionths.
#[inline]
pub(crate) fn fill_fee(notional: i128, rate_ppm: i32, carry: u32) -> (i128, u32) {
    let due = notional * i128::from(rate_ppm) - i128::from(carry);
    let fee = ceil_millionths(due);
    (fee, (fee * PPM - due) as u32)
}

/// What a buy order of this notional may cost at most, fees included.
#[inline]
pub(crate) fn worst_cost(notional: i128, worst_ppm: i32, carry: u32) -> i128 {
    notional + ceil_millionths(notional * i128::from(worst_ppm) - i128::from(carry))
}

/// The schedules in use, each once, so that an order can name its own in 16 bits.
#[derive(Clone, Debug)]
pub(crate) struct FeeTable {
    schedules: Vec<FeeSchedule>,
}

impl FeeTable {
    /// How many different schedules may be in use at one time.
    pub const MAX: usize = 1 << 16;

    /// The table with the schedule that charges nothing, as number 0.
    pub fn new() -> Self {
        Self { schedules: vec![FeeSchedule::default()] }
    }

    #[inline]
    pub fn get(&self, number: u16) -> FeeSchedule {
        self.schedules[usize::from(number)]
    }

    /// The number of a schedule; `None` if it is new and the table is full.
    pub fn intern(&mut self, schedule: FeeSchedule) -> Option<u16> {
        let at = match self.schedules.iter().position(|&known| known == schedule) {
            Some(at) => at,
            None if self.schedules.len() == Self::MAX => return None,
            None => {
                self.schedules.push(schedule);
                self.schedules.len() - 1
            }
        };
        u16::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_round_up_against_the_payer() {
        assert_eq!(fill_fee(1, 1, 0), (1, 999_999));
        assert_eq!(fill_fee(1_000_000, 1, 0), (1, 0));
        assert_eq!(fill_fee(1_000_001, 1, 0), (2, 999_999));
        assert_eq!(fill_fee(0, 1, 0), (0, 0));
    }

    #[test]
    fn both_ways_of_dividing_agree() {
        for part in [-2_000_001_i128, -1_000_000, -999_999, -1, 0, 1, 999_999, 1_000_000, 1_000_001] {
            // A multiple of 10^6 that does not fit 64 bits changes the way and shifts the result.
            let far = 10_i128.pow(30);
            assert_eq!(ceil_millionths(part) + far / PPM, ceil_millionths(part + far));
            assert_eq!(ceil_millionths(part) - far / PPM, ceil_millionths(part - far));
        }
    }

    #[test]
    fn rebates_round_down() {
        assert_eq!(fill_fee(1, -1, 0), (0, 1));
        assert_eq!(fill_fee(999_999, -1, 0), (0, 999_999));
        assert_eq!(fill_fee(1, -1, 999_999), (-1, 0));
        assert_eq!(fill_fee(2_500_000, -1, 0), (-2, 500_000));
    }

    #[test]
    fn splitting_fills_changes_nothing() {
        for rate in [-777, -1, 0, 1, 3, 250, 333_333, 1_000_000] {
            for total in [1_i128, 7, 1_000, 999_999, 123_456_789, 10_i128.pow(30)] {
                for parts in [1, 2, 3, 7] {
                    let mut carry = 0;
                    let mut paid = 0;
                    for part in 0..parts {
                        let notional = total * (part + 1) / parts - total * part / parts;
                        let (fee, after) = fill_fee(notional, rate, carry);
                        assert!(after < 1_000_000);
                        paid += fee;
                        carry = after;
                    }
                    assert_eq!(paid, fill_fee(total, rate, 0).0, "{total} at {rate} in {parts}");
                }
            }
        }
    }
}
