//! Money: an integer in the minor unit of its currency, never a float.

use std::fmt;
use std::str::FromStr;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Currency(iso_currency::Currency);

/// The code is none of ISO 4217, or names no money that a price can have (`XXX`, precious metals).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a currency of ISO 4217")]
pub struct UnknownCurrency;

impl Currency {
    /// The euro, the default of a new event where the configuration names none.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal digits the minor unit has: 2 for EUR, 0 for JPY, 3 for BHD.
    #[must_use]
    pub fn exponent(self) -> u8 {
        // Every currency that `from_str` lets in has one; ISO gives none only to metals, funds and test codes.
        self.0.exponent().and_then(|digits| u8::try_from(digits).ok()).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let currency = iso_currency::Currency::from_code(code).ok_or(UnknownCurrency)?;
        currency.exponent().map(|_| Self(currency)).ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in the minor unit of its currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    /// Minor units; 2500 with EUR is 25.00 €.
    pub minor: i64,
    /// What the units are of.
    pub currency: Currency,
}

/// A sum that cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoneyError {
    /// The amount does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// Amounts of different currencies are never added.
    #[error("the currencies differ")]
    CurrencyMismatch,
}

impl Money {
    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum of both.
    ///
    /// # Errors
    /// Different currencies, or more than 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// This many times the amount.
    ///
    /// # Errors
    /// More than 64 bits.
    pub fn checked_mul(self, count: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(i64::from(count)).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    /// With the digits of the currency: `25.00 EUR`, `2500 JPY`, `2.500 BHD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let units = self.minor.unsigned_abs();
        if digits == 0 {
            return write!(f, "{sign}{units} {}", self.currency);
        }
        let scale = 10_u64.pow(u32::from(self.currency.exponent()));
        write!(f, "{sign}{}.{:0digits$} {}", units / scale, units % scale, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn shows_as_many_digits_as_the_currency_has() {
        assert_eq!(money(2500, "PLN").to_string(), "25.00 PLN");
        assert_eq!(money(2500, "JPY").to_string(), "2500 JPY");
        assert_eq!(money(2500, "BHD").to_string(), "2.500 BHD");
        assert_eq!(money(25_000, "CLF").to_string(), "2.5000 CLF");
        assert_eq!(money(-5, "EUR").to_string(), "-0.05 EUR");
    }

    #[test]
    fn refuses_what_is_no_currency() {
        for code in ["", "eur", "EURO", "XXX", "XAU", "ZZZ", "€"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn overflow_and_mixed_currencies_are_errors() {
        assert_eq!(money(i64::MAX, "EUR").checked_add(money(1, "EUR")), Err(MoneyError::Overflow));
        assert_eq!(money(i64::MAX, "EUR").checked_mul(2), Err(MoneyError::Overflow));
        assert_eq!(money(1, "EUR").checked_add(money(1, "PLN")), Err(MoneyError::CurrencyMismatch));
        assert_eq!(money(250, "EUR").checked_mul(3), Ok(money(750, "EUR")));
    }
}
