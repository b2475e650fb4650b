//! Shares of amounts, in millionths: no floating point ever meets money.

use crate::{MoneyError, Problems};

/// A share in millionths: 230,000 is 23 %.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rate(u32);

/// So many millionths are the whole.
const WHOLE: u32 = 1_000_000;

impl Rate {
    /// Parses millionths, from nothing to the whole.
    ///
    /// # Errors
    /// `out_of_range`.
    pub fn parse(field: &str, millionths: i64) -> Result<Self, Problems> {
        u32::try_from(millionths).ok().and_then(Self::of_millionths).ok_or_else(|| {
            Problems::one(field, "out_of_range", "must be between 0 and 1000000: millionths, so that 230000 is 23 %")
        })
    }

    /// The rate of so many millionths, unless that is more than the whole.
    #[must_use]
    pub fn of_millionths(millionths: u32) -> Option<Self> {
        (millionths <= WHOLE).then_some(Self(millionths))
    }

    /// In millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// This share of the amount, to the nearest minor unit, half of one away from zero.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`]; never for rates up to the whole, since no share is more than its amount.
    pub fn of(self, amount: i64) -> Result<i64, MoneyError> {
        divided(i128::from(amount) * i128::from(self.0), i128::from(WHOLE))
    }

    /// What it was before this share of it was added: the net of a gross amount, rounded likewise.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn taken_out(self, amount: i64) -> Result<i64, MoneyError> {
        divided(i128::from(amount) * i128::from(WHOLE), i128::from(WHOLE) + i128::from(self.0))
    }
}

/// To the nearest whole, half of one away from zero.
fn divided(amount: i128, by: i128) -> Result<i64, MoneyError> {
    let nearest = (amount.abs() + by / 2) / by;
    i64::try_from(nearest * amount.signum()).map_err(|_| MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(millionths: u32) -> Rate {
        Rate::of_millionths(millionths).unwrap()
    }

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!(rate(500_000).of(5), Ok(3));
        assert_eq!(rate(500_000).of(-5), Ok(-3));
        assert_eq!(rate(230_000).of(100), Ok(23));
        assert_eq!(rate(0).of(i64::MAX), Ok(0));
        assert_eq!(rate(1_000_000).of(i64::MIN), Ok(i64::MIN));
    }

    #[test]
    fn the_net_of_a_gross_amount() {
        assert_eq!(rate(230_000).taken_out(123), Ok(100));
        assert_eq!(rate(230_000).taken_out(1), Ok(1), "0.81");
        assert_eq!(rate(1_000_000).taken_out(3), Ok(2), "1.5");
        assert_eq!(rate(80_000).taken_out(i64::MAX), Ok(8_540_159_293_384_051_673));
    }

    #[test]
    fn more_than_the_whole_is_no_rate() {
        assert!(Rate::parse("taxRate", 1_000_000).is_ok());
        for wrong in [-1, 1_000_001, i64::MAX, i64::MIN] {
            assert_eq!(Rate::parse("taxRate", wrong).unwrap_err().as_slice()[0].code, "out_of_range");
        }
    }
}
