//! Which part of an invoice an amount takes back.

use std::collections::BTreeMap;

use crate::Text;
use crate::invoicing::{InvoiceError, InvoiceLine, Sums, taxes};
use crate::pricing::Rate;

/// Lines that take back `amount` (with tax) of an invoice, of which `before` have taken back some: a line for each rate. First
/// goes what `cancelled` tickets have cost and was not taken back yet, by their rates, since the tax of what is given back
/// follows its lines; then each rate gives its share of what is left of it. So no rate ever gives back more than it has, and
/// who takes back what is left takes back exactly the rest.
///
/// # Errors
/// [`InvoiceError::Exceeds`] where less than `amount` is left.
pub fn credited<'a>(
    invoice: &[InvoiceLine],
    before: impl IntoIterator<Item = &'a InvoiceLine>,
    cancelled: &BTreeMap<Option<Rate>, i64>,
    amount: i64,
    name: &Text,
) -> Result<Vec<InvoiceLine>, InvoiceError> {
    let mut left = taxes(invoice)?;
    let taken = taxes(before)?;
    for (rate, taken) in &taken {
        let of_rate = left.get_mut(rate).ok_or(InvoiceError::Exceeds)?;
        *of_rate = of_rate.minus(*taken)?;
    }
    let due = |(rate, left): &(Option<Rate>, Sums)| {
        let taken = taken.get(rate).map_or(0, |taken| taken.gross);
        cancelled.get(rate).map_or(0, |gross| gross.saturating_sub(taken).clamp(0, left.gross))
    };
    let left: Vec<(Option<Rate>, Sums)> = left.into_iter().collect();
    let due: Vec<i64> = left.iter().map(due).collect();
    let of_tickets = amount.min(due.iter().fold(0, |sum, gross| sum.saturating_add(*gross)));
    let first = shared(of_tickets, &due).ok_or(InvoiceError::Exceeds)?;
    let weights: Vec<i64> = left.iter().zip(&first).map(|((_, sums), first)| sums.gross - first).collect();
    let rest = shared(amount - of_tickets, &weights).ok_or(InvoiceError::Exceeds)?;
    let shares: Vec<i64> = first.iter().zip(rest).map(|(first, rest)| first + rest).collect();
    let line = |((tax_rate, left), gross): ((Option<Rate>, Sums), i64)| {
        // As much of it is tax as of what is left of the rate.
        let tax = nearest(gross, left.tax, left.gross);
        let sums = Sums { net: gross - tax, tax, gross };
        InvoiceLine { name: name.clone(), quantity: 1, unit_price: gross, discount: 0, tax_rate, sums }
    };
    Ok(left.into_iter().zip(shares).filter(|(_, gross)| *gross > 0).map(line).collect())
}

/// The amount in parts by largest remainder: each the share of its weight, and none above it. `None` for more than all
/// weights together.
fn shared(amount: i64, weights: &[i64]) -> Option<Vec<i64>> {
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if amount < 0 || i128::from(amount) > whole {
        return None;
    }
    let exact = |weight: &i64| i128::from(amount) * i128::from(*weight);
    // Nothing of nothing is nothing, whatever it is divided by.
    let divisor = whole.max(1);
    let mut shares: Vec<i128> = weights.iter().map(|weight| exact(weight) / divisor).collect();
    let mut rest = i128::from(amount) - shares.iter().sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % divisor));
    for at in by_remainder {
        if rest == 0 {
            break;
        }
        shares[at] += 1;
        rest -= 1;
    }
    shares.into_iter().map(|share| i64::try_from(share).ok()).collect()
}

/// `amount × part / whole` to the nearest unit, half of one upwards. Nothing where the whole is nothing.
fn nearest(amount: i64, part: i64, whole: i64) -> i64 {
    let (product, whole) = (i128::from(amount) * i128::from(part), i128::from(whole.max(1)));
    // At most `part`, since the amount is at most the whole.
    i64::try_from((product + whole / 2) / whole).unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_remainders_get_what_is_left() {
        assert_eq!(shared(1, &[1, 2]), Some(vec![0, 1]));
        assert_eq!(shared(5, &[0, 3, 3, 1]), Some(vec![0, 2, 2, 1]), "2.14, 2.14 and 0.71");
        assert_eq!(shared(5, &[0, 2, 3, 0]), Some(vec![0, 2, 3, 0]), "all of it, and nothing of nothing");
        assert_eq!(shared(0, &[1, 2]), Some(vec![0, 0]));
        assert_eq!(shared(0, &[]), Some(vec![]));
        assert_eq!([shared(4, &[1, 2]), shared(-1, &[1, 2]), shared(1, &[])], [None, None, None]);
        let largest = [i64::MAX, i64::MAX];
        assert_eq!(shared(i64::MAX, &largest), Some(vec![i64::MAX / 2 + 1, i64::MAX / 2]));
    }
}
