//! The sum of a request, with its parts.

use std::collections::BTreeMap;

use crate::pricing::{Charge, Payer, Per, Pricing, Rate, Rounding};
use crate::{MoneyError, Text, TicketTypeId};

/// Units of one ticket type at one price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Which type.
    pub ticket_type: TicketTypeId,
    /// Its name.
    pub name: Text,
    /// How many.
    pub quantity: u32,
    /// Price of one in minor units, never below 0.
    pub unit_price: i64,
    /// What is taken off the line as a whole: at least 0 and at most its price.
    pub discount: i64,
    /// The tax on it; none: the one on tickets ([`Pricing::tax_rate`]).
    pub tax_rate: Option<Rate>,
}

/// One part of a sum: a line of tickets, or a fee. All amounts are in minor units.
/// `net + tax = gross`, always.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PricePart {
    /// What it is for.
    pub of: Of,
    /// As buyers read it.
    pub name: Text,
    /// How many.
    pub quantity: u32,
    /// Price of one, before discounts; with its tax where prices contain it.
    pub unit_price: i64,
    /// What is taken off all of them together.
    pub discount: i64,
    /// Without tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
    /// The rate of the tax; none where none is reckoned.
    pub tax_rate: Option<Rate>,
    /// By how much the tax differs from what the part by itself would have, so that its group is right.
    pub rounding: i64,
    /// Who bears it.
    pub paid_by: Payer,
}

/// What a part is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Of {
    /// Tickets of a type.
    Tickets(TicketTypeId),
    /// A fee.
    Fee,
}

/// What a request costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sum {
    /// Lines first, then fees, in their order.
    pub parts: Vec<PricePart>,
    /// The gross of all parts that the buyer pays.
    pub total: i64,
}

/// All that the buyer pays with tax of one rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaxGroup {
    /// The rate.
    pub rate: Rate,
    /// Without tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// A sum that cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SumError {
    /// An amount does not fit 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// A price below 0, or a discount below 0 or above its price.
    #[error("the discount does not fit the price")]
    Discount,
}

impl From<MoneyError> for SumError {
    fn from(_: MoneyError) -> Self {
        Self::Overflow
    }
}

/// Adds up lines, fees and taxes.
///
/// # Errors
/// [`SumError`].
pub fn sum(pricing: &Pricing, lines: &[Line]) -> Result<Sum, SumError> {
    let mut parts = Vec::with_capacity(lines.len() + pricing.fees.len());
    let (mut tickets, mut units) = (0_i64, 0_u32);
    for line in lines {
        let part = Asked {
            of: Of::Tickets(line.ticket_type),
            name: &line.name,
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_rate: line.tax_rate.or(pricing.tax_rate),
            paid_by: Payer::Buyer,
        }
        .part(pricing.tax_included)?;
        let price = part.price();
        tickets = tickets.checked_add(price).ok_or(SumError::Overflow)?;
        if price > 0 {
            units = units.checked_add(line.quantity).ok_or(SumError::Overflow)?;
        }
        parts.push(part);
    }
    for fee in pricing.fees.iter().filter(|_| tickets > 0) {
        let (quantity, unit_price) = match fee.charge {
            Charge::Fixed(amount, Per::Unit) => (units, amount),
            Charge::Fixed(amount, Per::Booking) => (1, amount),
            Charge::Share(rate) => (1, rate.of(tickets)?),
        };
        if unit_price == 0 {
            continue;
        }
        let tax_rate = fee.tax_rate.or(pricing.tax_rate);
        let asked =
            Asked { of: Of::Fee, name: &fee.name, quantity, unit_price, discount: 0, tax_rate, paid_by: fee.paid_by };
        parts.push(asked.part(pricing.tax_included)?);
    }
    if pricing.rounding == Rounding::TaxGroup {
        round_groups(&mut parts, pricing.tax_included)?;
    }
    let total = total(&parts)?;
    Ok(Sum { parts, total })
}

/// What the buyer pays.
fn total(parts: &[PricePart]) -> Result<i64, SumError> {
    let theirs = parts.iter().filter(|part| part.paid_by == Payer::Buyer);
    theirs.into_iter().try_fold(0_i64, |sum, part| sum.checked_add(part.gross).ok_or(SumError::Overflow))
}

/// What the buyer pays, by rate, lowest first.
///
/// # Errors
/// [`SumError::Overflow`]; never for the parts of a [`Sum`].
pub fn tax_groups(parts: &[PricePart]) -> Result<Vec<TaxGroup>, SumError> {
    let mut groups: BTreeMap<Rate, TaxGroup> = BTreeMap::new();
    for (part, rate) in parts.iter().filter_map(|part| Some((part, part.tax_rate?))) {
        if part.paid_by != Payer::Buyer {
            continue;
        }
        let group = groups.entry(rate).or_insert(TaxGroup { rate, net: 0, tax: 0, gross: 0 });
        for (sum, amount) in [(&mut group.net, part.net), (&mut group.tax, part.tax), (&mut group.gross, part.gross)] {
            *sum = sum.checked_add(amount).ok_or(SumError::Overflow)?;
        }
    }
    Ok(groups.into_values().collect())
}

/// A part before its tax is known.
struct Asked<'a> {
    of: Of,
    name: &'a Text,
    quantity: u32,
    unit_price: i64,
    discount: i64,
    tax_rate: Option<Rate>,
    paid_by: Payer,
}

impl Asked<'_> {
    fn part(self, tax_included: bool) -> Result<PricePart, SumError> {
        let whole = self.unit_price.checked_mul(i64::from(self.quantity)).ok_or(SumError::Overflow)?;
        if !(0..=whole).contains(&self.discount) {
            return Err(SumError::Discount);
        }
        let price = whole - self.discount;
        let (net, tax) = match (self.tax_rate, tax_included) {
            (None, _) => (price, 0),
            (Some(rate), true) => {
                let net = rate.taken_out(price)?;
                (net, price - net)
            }
            (Some(rate), false) => (price, rate.of(price)?),
        };
        let gross = net.checked_add(tax).ok_or(SumError::Overflow)?;
        let Self { of, quantity, unit_price, discount, tax_rate, paid_by, .. } = self;
        let name = self.name.clone();
        Ok(PricePart { of, name, quantity, unit_price, discount, net, tax, gross, tax_rate, rounding: 0, paid_by })
    }
}

impl PricePart {
    /// What it costs as prices are named, with its tax or without: never changed by rounding.
    fn price(&self) -> i64 {
        // Did not overflow when the part was made.
        self.unit_price.saturating_mul(i64::from(self.quantity)).saturating_sub(self.discount)
    }
}

/// Makes the tax of each group what its sum says. The difference goes onto the largest parts, one minor unit at a time.
fn round_groups(parts: &mut [PricePart], tax_included: bool) -> Result<(), SumError> {
    for TaxGroup { rate, net, tax, gross } in tax_groups(parts)? {
        let right = if tax_included { gross - rate.taken_out(gross)? } else { rate.of(net)? };
        let mut those: Vec<&mut PricePart> =
            parts.iter_mut().filter(|part| part.tax_rate == Some(rate) && part.paid_by == Payer::Buyer).collect();
        those.sort_by_key(|part| std::cmp::Reverse(part.price()));
        let mut left = right - tax;
        let step = left.signum();
        while left != 0 {
            let before = left;
            for part in &mut those {
                // Nothing goes below 0, and what costs nothing has no tax.
                let has_room = if step < 0 { part.tax > 0 } else { part.net > 0 };
                if left == 0 || !has_room {
                    continue;
                }
                part.tax += step;
                part.rounding += step;
                if tax_included {
                    part.net -= step;
                } else {
                    part.gross = part.gross.checked_add(step).ok_or(SumError::Overflow)?;
                }
                left -= step;
            }
            if left == before {
                // No part has room: cannot be, since the parts had more tax than is right, or net left to be taxed.
                return Err(SumError::Overflow);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{NewFee, NewPricing};
    use uuid::Uuid;

    fn line(quantity: u32, unit_price: i64, discount: i64) -> Line {
        let ticket_type = TicketTypeId::new(Uuid::nil());
        let name = Text::trusted("Standing".into());
        Line { ticket_type, name, quantity, unit_price, discount, tax_rate: None }
    }

    fn pricing(tax_rate: i64, tax_included: bool, rounding: Rounding) -> Pricing {
        Pricing::parse(&NewPricing { tax_rate: Some(tax_rate), tax_included, rounding, fees: vec![] }).unwrap()
    }

    fn amounts(sum: &Sum) -> Vec<(i64, i64, i64, i64)> {
        sum.parts.iter().map(|part| (part.net, part.tax, part.gross, part.rounding)).collect()
    }

    #[test]
    fn tax_is_in_the_price_or_comes_on_top() {
        let lines = [line(2, 123, 0)];
        let within = sum(&pricing(230_000, true, Rounding::Line), &lines).unwrap();
        assert_eq!((amounts(&within), within.total), (vec![(200, 46, 246, 0)], 246));
        let on_top = sum(&pricing(230_000, false, Rounding::Line), &lines).unwrap();
        assert_eq!((amounts(&on_top), on_top.total), (vec![(246, 57, 303, 0)], 303), "56.58");
    }

    #[test]
    fn a_group_is_rounded_once_and_its_largest_lines_are_made_to_fit() {
        // 0.5 of tax on each: 1 by line, and 2.5 → 3 together instead of 5.
        let lines = [line(1, 1, 0), line(1, 1, 0), line(1, 1, 0), line(1, 1, 0), line(1, 1, 0)];
        let by_line = sum(&pricing(500_000, false, Rounding::Line), &lines).unwrap();
        assert_eq!(by_line.total, 10);
        let by_group = sum(&pricing(500_000, false, Rounding::TaxGroup), &lines).unwrap();
        assert_eq!(by_group.total, 8);
        assert_eq!(amounts(&by_group)[..2], [(1, 0, 1, -1), (1, 0, 1, -1)]);
        assert_eq!(amounts(&by_group)[2..], [(1, 1, 2, 0), (1, 1, 2, 0), (1, 1, 2, 0)]);
        // Where the price contains the tax, no rounding changes what is paid.
        let lines = [line(1, 9, 0), line(1, 1, 0), line(1, 10, 0)];
        let within = sum(&pricing(230_000, true, Rounding::TaxGroup), &lines).unwrap();
        assert_eq!(within.total, 20);
        assert_eq!(tax_groups(&within.parts).unwrap()[0].net, 16, "16.26");
        assert_eq!(amounts(&within), [(7, 2, 9, 0), (1, 0, 1, 0), (8, 2, 10, 0)]);
    }

    #[test]
    fn fees_are_asked_for_on_what_costs_something() {
        let fee = |name: &str| NewFee { name: name.into(), ..NewFee::default() };
        let fees = vec![
            NewFee { amount: Some(50), per: Some(Per::Unit), ..fee("Ticket") },
            NewFee { amount: Some(300), per: Some(Per::Booking), tax_rate: Some(80_000), ..fee("Booking") },
            NewFee { rate: Some(25_000), ..fee("Service") },
            NewFee { rate: Some(10_000), paid_by: Payer::Organizer, ..fee("Card") },
        ];
        let pricing = Pricing::parse(&NewPricing { tax_included: true, fees, ..NewPricing::default() }).unwrap();
        let charged = sum(&pricing, &[line(2, 1_000, 500), line(3, 0, 0)]).unwrap();
        let of_fees: Vec<_> = charged.parts[2..].iter().map(|part| (part.quantity, part.gross, part.tax)).collect();
        assert_eq!(of_fees, [(2, 100, 0), (1, 300, 22), (1, 38, 0), (1, 15, 0)], "37.5 is 38");
        assert_eq!(charged.total, 1_500 + 100 + 300 + 38, "what the organizer bears is no part of it");
        for free in [line(3, 0, 0), line(2, 1_000, 2_000)] {
            let sum = sum(&pricing, &[free]).unwrap();
            assert_eq!((sum.total, sum.parts.len()), (0, 1));
        }
    }

    #[test]
    fn what_cannot_be_summed_is_an_error() {
        let on_top = pricing(1_000_000, false, Rounding::TaxGroup);
        for (lines, error) in [
            (vec![line(2, i64::MAX, 0)], SumError::Overflow),
            (vec![line(1, i64::MAX, 0)], SumError::Overflow),
            (vec![line(1, i64::MAX / 3, 0), line(1, i64::MAX / 3, 0)], SumError::Overflow),
            (vec![line(u32::MAX, 1, 0), line(u32::MAX, 1, 0)], SumError::Overflow),
            (vec![line(1, 100, 101)], SumError::Discount),
            (vec![line(1, 100, -1)], SumError::Discount),
            (vec![line(1, -1, 0)], SumError::Discount),
        ] {
            assert_eq!(sum(&on_top, &lines), Err(error), "{lines:?}");
        }
        // The price of all lines fits, and what the organizer bears besides is not added to it.
        assert!(sum(&on_top, &[line(1, i64::MAX / 2, 0)]).is_ok());
    }
}
