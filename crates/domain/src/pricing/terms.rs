//! The taxes and fees of an event.

use crate::pricing::Rate;
use crate::{Problems, Text};

/// What is asked for besides the prices of the tickets, and how taxes are reckoned.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pricing {
    /// The tax on tickets whose type says nothing else, and on such fees; none: no tax is shown.
    pub tax_rate: Option<Rate>,
    /// Whether prices and fees contain their tax; otherwise it comes on top.
    pub tax_included: bool,
    /// What is rounded to whole minor units.
    pub rounding: Rounding,
    /// In the order in which they are shown.
    pub fees: Vec<Fee>,
}

/// Where a tax is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Rounding {
    /// On each line by itself.
    #[default]
    Line,
    /// On the sum of all lines with the same rate; the lines are then made to fit.
    TaxGroup,
}

/// An amount that is asked for besides the tickets. Nothing is asked for on tickets that cost nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fee {
    /// As buyers read it.
    pub name: Text,
    /// How much.
    pub charge: Charge,
    /// Its tax, where that is not the one of the tickets.
    pub tax_rate: Option<Rate>,
    /// Who bears it.
    pub paid_by: Payer,
}

/// How much a fee is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Charge {
    /// So many minor units.
    Fixed(i64, Per),
    /// This share of what the tickets cost, discounts taken off.
    Share(Rate),
}

/// What a fixed fee is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Per {
    /// Each ticket that costs something.
    Unit,
    /// The booking as a whole.
    Booking,
}

/// Who bears a fee.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Payer {
    /// It is part of the total.
    #[default]
    Buyer,
    /// It is kept with the booking and is no part of the total.
    Organizer,
}

/// Taxes and fees as they were asked for.
#[derive(Clone, Default, Debug)]
pub struct NewPricing {
    /// In millionths.
    pub tax_rate: Option<i64>,
    /// Whether prices contain their tax.
    pub tax_included: bool,
    /// Where taxes are rounded.
    pub rounding: Rounding,
    /// The fees.
    pub fees: Vec<NewFee>,
}

/// A fee as it was asked for: an amount and for what it is, or a share.
#[derive(Clone, Default, Debug)]
pub struct NewFee {
    /// Name.
    pub name: String,
    /// In minor units.
    pub amount: Option<i64>,
    /// With an amount.
    pub per: Option<Per>,
    /// In millionths.
    pub rate: Option<i64>,
    /// In millionths.
    pub tax_rate: Option<i64>,
    /// Who bears it.
    pub paid_by: Payer,
}

impl Pricing {
    /// The most fees of an event.
    pub const FEES_MAX: usize = 10;
    /// The highest fixed fee, in minor units; as high as the highest price.
    pub const FEE_MAX: i64 = 100_000_000_000;

    /// Parses what was asked for.
    ///
    /// # Errors
    /// All fields that do not hold, named below `pricing`.
    pub fn parse(new: &NewPricing) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let tax_rate = problems.take(rate("pricing.taxRate", new.tax_rate));
        if new.fees.len() > Self::FEES_MAX {
            let message = format!("must be at most {}", Self::FEES_MAX);
            problems.add("pricing.fees", "too_many", message);
            return Err(problems);
        }
        let parsed = new.fees.iter().enumerate();
        let fees = parsed.filter_map(|(at, fee)| problems.take(Fee::parse(&format!("pricing.fees[{at}]."), fee)));
        let fees = fees.collect();
        let (tax_included, rounding) = (new.tax_included, new.rounding);
        problems.into_result()?;
        let parsed = Self { tax_rate: tax_rate.flatten(), tax_included, rounding, fees };
        if parsed.is_none() && (!tax_included || rounding != Rounding::Line) {
            // Terms without anything that they are about are kept as none, and would be forgotten.
            let message = "say at which rate tickets are taxed whose type has none of its own: 0, where they are not";
            return Err(Problems::one("pricing.taxRate", "required", message));
        }
        Ok(parsed)
    }

    /// Whether tickets cost what their price says, and nothing is to be told besides.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.tax_rate.is_none() && self.fees.is_empty()
    }
}

impl Fee {
    fn parse(prefix: &str, new: &NewFee) -> Result<Self, Problems> {
        let field = |name: &str| format!("{prefix}{name}");
        let mut problems = Problems::default();
        let name = problems.take(Text::parse(&field("name"), &new.name, 100));
        let charge = match (new.amount, new.per, new.rate) {
            (Some(amount), Some(per), None) if (1..=Pricing::FEE_MAX).contains(&amount) => {
                Some(Charge::Fixed(amount, per))
            }
            (Some(_), Some(_), None) => {
                let message = format!("must be between 1 and {}", Pricing::FEE_MAX);
                problems.add(field("amount"), "out_of_range", message);
                None
            }
            (None, None, Some(share)) => problems.take(Rate::parse(&field("rate"), share)).map(Charge::Share),
            (Some(_), None, None) => {
                problems.add(field("per"), "required", "must be given with an amount");
                None
            }
            (None, Some(_), Some(_)) => {
                problems.add(field("per"), "ambiguous", "must not be given with a rate");
                None
            }
            (Some(_), _, Some(_)) => {
                problems.add(field("rate"), "ambiguous", "must not be given with an amount");
                None
            }
            (None, _, None) => {
                problems.add(field("amount"), "required", "a fee has an amount or a rate");
                None
            }
        };
        let tax_rate = problems.take(rate(&field("taxRate"), new.tax_rate));
        let (Some(name), Some(charge), Some(tax_rate)) = (name, charge, tax_rate) else { return Err(problems) };
        Ok(Self { name, charge, tax_rate, paid_by: new.paid_by })
    }
}

fn rate(field: &str, millionths: Option<i64>) -> Result<Option<Rate>, Problems> {
    millionths.map(|millionths| Rate::parse(field, millionths)).transpose()
}

/// The words of the contract.
macro_rules! words {
    ($of:ty, $($variant:path => $word:literal),+) => {
        impl $of {
            /// The word of the contract.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($variant => $word),+ }
            }

            /// The one of that word.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some($variant),)+ _ => None }
            }
        }
    };
}

words!(Rounding, Self::Line => "line", Self::TaxGroup => "tax_group");
words!(Per, Self::Unit => "unit", Self::Booking => "booking");
words!(Payer, Self::Buyer => "buyer", Self::Organizer => "organizer");

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(amount: Option<i64>, per: Option<Per>, rate: Option<i64>) -> NewFee {
        NewFee { name: "Service".into(), amount, per, rate, ..NewFee::default() }
    }

    fn wrong(fee: NewFee) -> (String, &'static str) {
        let new = NewPricing { fees: vec![fee], ..NewPricing::default() };
        let problems = Pricing::parse(&new).unwrap_err();
        (problems.as_slice()[0].field.clone(), problems.as_slice()[0].code)
    }

    #[test]
    fn a_fee_is_an_amount_for_something_or_a_share() {
        let new = NewPricing {
            tax_rate: Some(230_000),
            fees: vec![fee(Some(200), Some(Per::Unit), None), fee(None, None, Some(50_000))],
            ..NewPricing::default()
        };
        let pricing = Pricing::parse(&new).unwrap();
        let charges: Vec<_> = pricing.fees.iter().map(|fee| fee.charge).collect();
        assert_eq!(charges, [Charge::Fixed(200, Per::Unit), Charge::Share(Rate::of_millionths(50_000).unwrap())]);
        let field = |name: &str| format!("pricing.fees[0].{name}");
        assert_eq!(wrong(fee(None, None, None)), (field("amount"), "required"));
        assert_eq!(wrong(fee(Some(1), None, None)), (field("per"), "required"));
        assert_eq!(wrong(fee(Some(1), Some(Per::Unit), Some(1))), (field("rate"), "ambiguous"));
        assert_eq!(wrong(fee(None, Some(Per::Booking), Some(1))), (field("per"), "ambiguous"));
        assert_eq!(wrong(fee(None, None, Some(1_000_001))), (field("rate"), "out_of_range"));
        for amount in [0, -1, Pricing::FEE_MAX + 1, i64::MIN, i64::MAX] {
            assert_eq!(wrong(fee(Some(amount), Some(Per::Booking), None)), (field("amount"), "out_of_range"));
        }
    }

    #[test]
    fn terms_that_are_about_nothing_are_not_forgotten() {
        let parse = |tax_rate, tax_included, rounding| {
            let new = NewPricing { tax_rate, tax_included, rounding, fees: vec![] };
            Pricing::parse(&new).map_err(|problems| (problems.as_slice()[0].field.clone(), problems.as_slice()[0].code))
        };
        let required = Err(("pricing.taxRate".to_owned(), "required"));
        assert_eq!(parse(None, false, Rounding::Line), required);
        assert_eq!(parse(None, true, Rounding::TaxGroup), required);
        assert!(parse(None, true, Rounding::Line).unwrap().is_none());
        assert!(!parse(Some(0), false, Rounding::TaxGroup).unwrap().is_none());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let bad = NewFee { name: " ".into(), tax_rate: Some(-1), ..fee(None, None, None) };
        let new = NewPricing { tax_rate: Some(-1), fees: vec![bad], ..NewPricing::default() };
        let problems = Pricing::parse(&new).unwrap_err();
        let fields: Vec<_> = problems.as_slice().iter().map(|problem| problem.field.as_str()).collect();
        let below = ["pricing.fees[0].name", "pricing.fees[0].amount", "pricing.fees[0].taxRate"];
        assert_eq!((fields[0], &fields[1..]), ("pricing.taxRate", &below[..]));
        let many = NewPricing { fees: vec![fee(Some(1), Some(Per::Unit), None); 11], ..NewPricing::default() };
        assert_eq!(Pricing::parse(&many).unwrap_err().as_slice()[0].code, "too_many");
    }
}
