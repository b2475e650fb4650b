//! Amounts as Stripe counts them: not in each currency as ISO 4217 does.
//!
//! Follows <https://docs.stripe.com/currencies>. What Stripe cannot express is refused, never rounded.

use domain::{Currency, Money};

/// Counted whole.
const WHOLE: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Counted in thousandths, of which the last digit is 0.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// Its pages name it among those that are counted whole, and among those that are sent with two digits all the same.
/// Nobody pays a hundred times too much because we have guessed.
const UNCLEAR: &str = "UGX";

/// The digits behind the point by which Stripe counts; `None`: it does not, or nobody knows how.
fn digits(currency: Currency) -> Option<u8> {
    match currency.code() {
        UNCLEAR => None,
        // Has none by ISO, and is sent in hundredths for old programs' sake.
        "ISK" => Some(2),
        code if WHOLE.contains(&code) => Some(0),
        code if THOUSANDTHS.contains(&code) => Some(3),
        _ => Some(2).filter(|two| currency.exponent() == *two),
    }
}

/// The number that Stripe has for an amount, if it has one.
pub(super) fn to_stripe(amount: Money) -> Option<i64> {
    let (theirs, ours) = (digits(amount.currency)?, amount.currency.exponent());
    let factor = 10_i64.pow(theirs.abs_diff(ours).into());
    let number = if theirs >= ours {
        amount.minor.checked_mul(factor)?
    } else {
        Some(amount.minor / factor).filter(|_| amount.minor % factor == 0)?
    };
    (theirs < 3 || number % 10 == 0).then_some(number)
}

/// The amount that a number of Stripe's means.
pub(super) fn from_stripe(number: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let (theirs, ours) = (digits(currency)?, currency.exponent());
    let factor = 10_i64.pow(theirs.abs_diff(ours).into());
    let minor = if theirs > ours {
        Some(number / factor).filter(|_| number % factor == 0)?
    } else {
        number.checked_mul(factor)?
    };
    Some(Money { minor, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn each_currency_is_counted_as_stripe_counts_it() {
        for (minor, code, number) in [
            (2_500, "PLN", 2_500),
            (500, "JPY", 500),
            (5, "ISK", 500),
            (5_120, "KWD", 5_120),
            (500, "MGA", 5),
            (1_045, "HUF", 1_045),
            (800, "TWD", 800),
        ] {
            assert_eq!(to_stripe(money(minor, code)), Some(number), "{code}");
            assert_eq!(from_stripe(number, &code.to_lowercase()), Some(money(minor, code)), "{code}");
        }
    }

    #[test]
    fn what_it_cannot_express_is_refused_and_not_rounded() {
        for (minor, code) in [
            (5_124, "KWD"),
            (501, "MGA"),
            (500, "UGX"),
            (25_000, "CLF"),
            (1_000, "IQD"),
            (1_000, "LYD"),
            (i64::MAX, "ISK"),
        ] {
            assert_eq!(to_stripe(money(minor, code)), None, "{code}");
        }
        for (number, code) in [(550, "isk"), (500, "ugx"), (500, "zzz"), (i64::MAX, "mga"), (1, "")] {
            assert_eq!(from_stripe(number, code), None, "{code}");
        }
    }
}
