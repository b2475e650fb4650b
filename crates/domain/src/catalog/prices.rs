//! Prices of a ticket type besides its regular one: tiers that hold before it, and a price that the buyer names; and its
//! tax.

use crate::pricing::Rate;
use crate::{Problems, Text, Timestamp};

/// All of them; none, where every unit costs the regular price.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prices {
    /// In order: the first that still holds is the price.
    pub tiers: Vec<PriceTier>,
    /// Where the buyer names the price.
    pub open: Option<OpenPrice>,
    /// The tax on them; none: that of the event.
    pub tax_rate: Option<Rate>,
}

/// A price that holds before the regular one does: until an instant, until so many units are taken, or until the first of
/// both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceTier {
    /// As buyers read it.
    pub name: Option<Text>,
    /// Of one unit, in minor units.
    pub price: i64,
    /// It holds no more from then on.
    pub until: Option<Timestamp>,
    /// It holds as long as no more units of the type than these are held or sold, those that are asked for included.
    pub until_sold: Option<u32>,
}

/// Between what the buyer may name his price; who names none pays the regular one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenPrice {
    /// The least, in minor units; 0 lets in for nothing.
    pub minimum: i64,
    /// The most: what is above is a slip of the hand.
    pub maximum: i64,
}

/// Prices as they were asked for.
#[derive(Clone, Default, Debug)]
pub struct NewPriceTier {
    /// Name.
    pub name: Option<String>,
    /// In minor units.
    pub price: i64,
    /// Until then.
    pub until: Option<Timestamp>,
    /// Until so many are taken.
    pub until_sold: Option<i64>,
}

/// A price that the buyer names, as it was asked for.
#[derive(Clone, Copy, Default, Debug)]
pub struct NewOpenPrice {
    /// In minor units.
    pub minimum: i64,
    /// In minor units; a hundred times the regular price, and at least a million, unless it is said.
    pub maximum: Option<i64>,
}

/// The dearest ticket (a billion of the major unit at two digits): what is above is a slip of the hand. The bound keeps
/// every sum of a booking within 64 bits.
pub(super) const PRICE_MAX: i64 = 100_000_000_000;
/// The most units that are counted for a tier; as many as a pool can have.
const UNITS_MAX: i64 = 100_000_000;

impl Prices {
    /// The most tiers of a type.
    pub const TIERS_MAX: usize = 10;

    /// The tier that holds for a booking of so many units when so many are held or sold already.
    #[must_use]
    pub fn tier(&self, quantity: u32, taken: u32, now: Timestamp) -> Option<&PriceTier> {
        let after = taken.saturating_add(quantity);
        self.tiers
            .iter()
            .find(|tier| tier.until.is_none_or(|until| now < until) && tier.until_sold.is_none_or(|most| after <= most))
    }

    /// What does not hold together.
    pub(super) fn check(&self, prefix: &str, price: i64) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let Some(open) = self.open else { return Ok(()) };
        if !self.tiers.is_empty() {
            problems.add(format!("{prefix}openPrice"), "ambiguous", "must not be given with priceTiers");
        }
        if !(open.minimum..=open.maximum).contains(&price) {
            let message = format!("must be between {} and {}, which buyers may name", open.minimum, open.maximum);
            problems.add(format!("{prefix}price"), "out_of_range", message);
        }
        problems.into_result()
    }
}

impl PriceTier {
    /// Parses the tiers of a type.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub(super) fn parse_all(prefix: &str, new: &[NewPriceTier]) -> Result<Vec<Self>, Problems> {
        if new.len() > Prices::TIERS_MAX {
            let message = format!("must be at most {}", Prices::TIERS_MAX);
            return Err(Problems::one(format!("{prefix}priceTiers"), "too_many", message));
        }
        let mut problems = Problems::default();
        let parse = |(at, new)| problems.take(Self::parse(&format!("{prefix}priceTiers[{at}]."), new));
        let tiers = new.iter().enumerate().filter_map(parse).collect();
        problems.into_result()?;
        Ok(tiers)
    }

    fn parse(prefix: &str, new: &NewPriceTier) -> Result<Self, Problems> {
        let field = |name: &str| format!("{prefix}{name}");
        let mut problems = Problems::default();
        let name = problems.take(new.name.as_deref().map(|name| Text::parse(&field("name"), name, 100)).transpose());
        let price = problems.take(check_price(&field("price"), new.price));
        let sane = |asked: i64| u32::try_from(asked).ok().filter(|_| (1..=UNITS_MAX).contains(&asked));
        let until_sold = match new.until_sold {
            None => None,
            Some(asked) => match sane(asked) {
                Some(units) => Some(units),
                None => {
                    let message = format!("must be between 1 and {UNITS_MAX}");
                    problems.add(field("untilSold"), "out_of_range", message);
                    None
                }
            },
        };
        if new.until.is_none() && new.until_sold.is_none() {
            problems.add(field("until"), "required", "a tier ends: by a time, by units, or by the first of both");
        }
        let (Some(name), Some(price), true) = (name, price, problems.is_empty()) else { return Err(problems) };
        Ok(Self { name, price, until: new.until, until_sold })
    }
}

impl OpenPrice {
    /// The lowest `maximum` unless it is said otherwise.
    const MAXIMUM: i64 = 1_000_000;

    /// Parses what was asked for a type of this regular price.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub(super) fn parse(prefix: &str, new: NewOpenPrice, price: i64) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let minimum = problems.take(check_price(&format!("{prefix}openPrice.minimum"), new.minimum));
        let most = price.max(new.minimum).saturating_mul(100).clamp(Self::MAXIMUM, PRICE_MAX);
        let maximum = problems.take(check_price(&format!("{prefix}openPrice.maximum"), new.maximum.unwrap_or(most)));
        let (Some(minimum), Some(maximum)) = (minimum, maximum) else { return Err(problems) };
        if minimum > maximum {
            let field = format!("{prefix}openPrice.minimum");
            return Err(Problems::one(field, "above_maximum", "must not exceed the maximum"));
        }
        Ok(Self { minimum, maximum })
    }

    /// Whether the buyer may name this price.
    ///
    /// # Errors
    /// `out_of_range`, with the bounds.
    pub fn check(&self, field: &str, named: i64) -> Result<(), Problems> {
        if (self.minimum..=self.maximum).contains(&named) {
            return Ok(());
        }
        let message = format!("must be between {} and {}", self.minimum, self.maximum);
        Err(Problems::one(field, "out_of_range", message))
    }
}

pub(super) fn check_price(field: &str, price: i64) -> Result<i64, Problems> {
    if (0..=PRICE_MAX).contains(&price) {
        return Ok(price);
    }
    Err(Problems::one(field, "out_of_range", format!("must be between 0 and {PRICE_MAX}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewTicketType, TicketType, TicketTypeEdit};
    use crate::fixture::{at, id, pool_id, ticket_type, type_id};

    fn tier(price: i64, until: Option<i64>, until_sold: Option<i64>) -> NewPriceTier {
        NewPriceTier { price, until: until.map(at), until_sold, name: None }
    }

    fn parse(new: &NewTicketType) -> Result<TicketType, Problems> {
        TicketType::try_new(type_id(1), crate::EventId::new(id(1)), pool_id(101), 0, new, "")
    }

    fn wrong(new: &NewTicketType) -> (String, &'static str) {
        let problems = parse(new).unwrap_err();
        (problems.as_slice()[0].field.clone(), problems.as_slice()[0].code)
    }

    #[test]
    fn the_first_tier_that_holds_is_the_price() {
        let price_tiers = vec![tier(100, Some(10), Some(3)), tier(200, None, Some(5)), tier(300, Some(20), None)];
        let prices = parse(&NewTicketType { price_tiers, ..ticket_type(400, None) }).unwrap().prices;
        let price = |quantity, taken, now| prices.tier(quantity, taken, at(now)).map(|tier| tier.price);
        assert_eq!(price(3, 0, 0), Some(100), "the third is still of it");
        assert_eq!(price(1, 2, 9), Some(100));
        assert_eq!(price(2, 2, 9), Some(200), "the line is priced by its last unit");
        assert_eq!(price(1, 0, 10), Some(200), "its time is over");
        assert_eq!(price(1, 5, 10), Some(300));
        assert_eq!(price(1, 5, 20), None);
        assert_eq!(price(u32::MAX, u32::MAX, 0), Some(300));
    }

    #[test]
    fn what_is_no_tier_is_refused_with_its_field() {
        let of = |tier: NewPriceTier| NewTicketType { price_tiers: vec![tier], ..ticket_type(400, None) };
        assert_eq!(wrong(&of(tier(1, None, None))), ("priceTiers[0].until".into(), "required"));
        assert_eq!(wrong(&of(tier(-1, Some(1), None))), ("priceTiers[0].price".into(), "out_of_range"));
        assert_eq!(wrong(&of(tier(1, None, Some(0)))), ("priceTiers[0].untilSold".into(), "out_of_range"));
        let nameless = NewPriceTier { name: Some(" ".into()), ..tier(1, Some(1), None) };
        assert_eq!(wrong(&of(nameless)).0, "priceTiers[0].name");
        let many = NewTicketType { price_tiers: vec![tier(1, Some(1), None); 11], ..ticket_type(400, None) };
        assert_eq!(wrong(&many), ("priceTiers".into(), "too_many"));
    }

    #[test]
    fn a_price_that_the_buyer_names_has_bounds() {
        let open = |price, minimum, maximum| {
            let open_price = Some(NewOpenPrice { minimum, maximum });
            NewTicketType { open_price, ..ticket_type(price, None) }
        };
        let parsed = parse(&open(500, 100, None)).unwrap().prices.open.unwrap();
        assert_eq!(parsed, OpenPrice { minimum: 100, maximum: 1_000_000 });
        assert_eq!(parse(&open(50_000, 0, None)).unwrap().prices.open.unwrap().maximum, 5_000_000);
        for (named, fine) in [(99, false), (100, true), (1_000_000, true), (1_000_001, false), (-1, false)] {
            assert_eq!(parsed.check("unitPrice", named).is_ok(), fine, "{named}");
        }
        assert_eq!(wrong(&open(50, 100, None)), ("price".into(), "out_of_range"));
        assert_eq!(wrong(&open(50, -1, None)).0, "openPrice.minimum");
        assert_eq!(wrong(&open(50, 20, Some(10))), ("openPrice.minimum".into(), "above_maximum"));
        let both = NewTicketType { price_tiers: vec![tier(1, Some(1), None)], ..open(50, 0, None) };
        assert_eq!(wrong(&both), ("openPrice".into(), "ambiguous"));
        let fixed = TicketTypeEdit { open_price: Some(None), price: Some(7), ..TicketTypeEdit::default() };
        let fixed = parse(&open(500, 100, None)).unwrap().edited(&fixed).unwrap();
        assert_eq!((fixed.price, fixed.prices), (7, Prices::default()));
    }
}
