//! A ticket type: what exactly is sold, at which price, when, and how many at a time.

use crate::catalog::prices::check_price;
use crate::catalog::{CatalogRefusal, Event, NewOpenPrice, NewPriceTier, OpenPrice, PriceTier, Prices};
use crate::pricing::Rate;
use crate::{EventId, PoolId, Problems, Text, TicketTypeId, Timestamp};

/// A ticket type as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketType {
    /// Its id.
    pub id: TicketTypeId,
    /// Its event.
    pub event: EventId,
    /// As buyers read it, at most 200 characters.
    pub name: Text,
    /// Price of one unit in the minor unit of the event's currency, never negative: the regular one.
    pub price: i64,
    /// What it costs otherwise.
    pub prices: Prices,
    /// The pool that belongs to it alone.
    pub own_pool: PoolId,
    /// The shared pools that its units need room in as well, sorted and without doubles.
    pub shared_pools: Vec<PoolId>,
    /// The fewest units of one booking.
    pub min_per_booking: u32,
    /// The most units of one booking.
    pub max_per_booking: u32,
    /// The most units of one buyer over all his bookings that hold or have stock.
    pub max_per_buyer: Option<u32>,
    /// Sales begin; with the publication if none is given.
    pub sales_start_at: Option<Timestamp>,
    /// Sales end; with the event if none is given.
    pub sales_end_at: Option<Timestamp>,
    /// Not listed for the public (it is sold to who knows its id).
    pub hidden: bool,
    /// Sold with a promo code that opens it and not otherwise; only what is hidden is.
    pub code_required: bool,
    /// Active, or archived.
    pub status: TicketTypeStatus,
    /// Its place in lists.
    pub position: u32,
}

/// Whether a type is sold at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketTypeStatus {
    /// Sold within its period.
    Active,
    /// No longer sold; what was sold stays.
    Archived,
}

impl TicketTypeStatus {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Archived].into_iter().find(|status| status.as_str() == word)
    }
}

/// A new ticket type as it was asked for.
#[derive(Clone, Default, Debug)]
pub struct NewTicketType {
    /// Name.
    pub name: String,
    /// Price in minor units.
    pub price: i64,
    /// What it costs before, in order.
    pub price_tiers: Vec<NewPriceTier>,
    /// Where the buyer names the price.
    pub open_price: Option<NewOpenPrice>,
    /// Its tax in millionths; none: that of the event.
    pub tax_rate: Option<i64>,
    /// Capacity of its own pool; none is unlimited.
    pub capacity: Option<i64>,
    /// Shared pools of the event.
    pub pool_ids: Vec<PoolId>,
    /// Default 1.
    pub min_per_booking: Option<i64>,
    /// Default 10.
    pub max_per_booking: Option<i64>,
    /// Default: no limit.
    pub max_per_buyer: Option<i64>,
    /// Beginning of sales.
    pub sales_start_at: Option<Timestamp>,
    /// End of sales.
    pub sales_end_at: Option<Timestamp>,
    /// Default: shown.
    pub hidden: bool,
    /// Default: sold without.
    pub code_required: bool,
}

/// A change as it was asked for: `None` leaves a field as it is, and `Some(None)` empties it.
#[derive(Clone, Default, Debug)]
pub struct TicketTypeEdit {
    /// Name.
    pub name: Option<String>,
    /// Price in minor units; bookings keep theirs.
    pub price: Option<i64>,
    /// All tiers, in order.
    pub price_tiers: Option<Vec<NewPriceTier>>,
    /// Where the buyer names the price.
    pub open_price: Option<Option<NewOpenPrice>>,
    /// Its tax in millionths; bookings keep theirs.
    pub tax_rate: Option<Option<i64>>,
    /// Capacity of its own pool.
    pub capacity: Option<Option<i64>>,
    /// Shared pools; only while nothing of the type is held or sold.
    pub pool_ids: Option<Vec<PoolId>>,
    /// Fewest units of a booking.
    pub min_per_booking: Option<i64>,
    /// Most units of a booking.
    pub max_per_booking: Option<i64>,
    /// Most units of a buyer.
    pub max_per_buyer: Option<Option<i64>>,
    /// Beginning of sales.
    pub sales_start_at: Option<Option<Timestamp>>,
    /// End of sales.
    pub sales_end_at: Option<Option<Timestamp>>,
    /// Not listed; what is listed needs no code.
    pub hidden: Option<bool>,
    /// Sold with a code alone.
    pub code_required: Option<bool>,
    /// `Some(true)` archives, `Some(false)` takes it back.
    pub archived: Option<bool>,
}

/// The most units that one booking may have.
const UNITS_PER_BOOKING_MAX: i64 = 1_000;
/// The most ticket types of an event, and the most shared pools of a type: everything has a bound.
const SHARED_POOLS_MAX: usize = 10;

impl TicketType {
    /// The most ticket types of an event, archived ones included.
    pub const PER_EVENT_MAX: usize = 100;

    /// Parses a new type of `event`. `prefix` leads the names of fields (`ticketTypes[0].`).
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(
        id: TicketTypeId,
        event: EventId,
        own_pool: PoolId,
        position: u32,
        new: &NewTicketType,
        prefix: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse(&format!("{prefix}name"), &new.name, 200));
        let price = problems.take(check_price(&format!("{prefix}price"), new.price));
        let tiers = problems.take(PriceTier::parse_all(prefix, &new.price_tiers));
        let open = new.open_price.map(|open| OpenPrice::parse(prefix, open, new.price)).transpose();
        let open = problems.take(open);
        let tax_rate = problems.take(rate(prefix, new.tax_rate));
        let min = problems.take(units(prefix, "minPerBooking", new.min_per_booking.unwrap_or(1)));
        // A minimum above the default maximum raises it: nobody should have to repeat himself.
        let default_max = new.min_per_booking.unwrap_or(1).max(10);
        let max = problems.take(units(prefix, "maxPerBooking", new.max_per_booking.unwrap_or(default_max)));
        let max_per_buyer = problems.take(optional_units(prefix, "maxPerBuyer", new.max_per_buyer));
        let (Some(tiers), Some(open), Some(tax_rate)) = (tiers, open, tax_rate) else { return Err(problems) };
        let (Some(name), Some(price), Some(min_per_booking), Some(max_per_booking), Some(max_per_buyer)) =
            (name, price, min, max, max_per_buyer)
        else {
            return Err(problems);
        };
        let parsed = Self {
            id,
            event,
            name,
            price,
            prices: Prices { tiers, open, tax_rate },
            own_pool,
            shared_pools: sorted(&new.pool_ids),
            min_per_booking,
            max_per_booking,
            max_per_buyer,
            sales_start_at: new.sales_start_at,
            sales_end_at: new.sales_end_at,
            hidden: new.hidden,
            code_required: new.code_required,
            status: TicketTypeStatus::Active,
            position,
        };
        parsed.check(prefix)?;
        Ok(parsed)
    }

    /// The type after a change; the capacity and the room in pools are the concern of `booking`.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn edited(&self, edit: &TicketTypeEdit) -> Result<Self, CatalogRefusal> {
        let mut problems = Problems::default();
        let mut next = self.clone();
        if let Some(name) = &edit.name {
            problems.set(&mut next.name, Text::parse("name", name, 200));
        }
        if let Some(price) = edit.price {
            problems.set(&mut next.price, check_price("price", price));
        }
        if let Some(tiers) = &edit.price_tiers {
            problems.set(&mut next.prices.tiers, PriceTier::parse_all("", tiers));
        }
        if let Some(open) = edit.open_price {
            let open = open.map(|open| OpenPrice::parse("", open, next.price)).transpose();
            problems.set(&mut next.prices.open, open);
        }
        if let Some(tax_rate) = edit.tax_rate {
            problems.set(&mut next.prices.tax_rate, rate("", tax_rate));
        }
        if let Some(min) = edit.min_per_booking {
            problems.set(&mut next.min_per_booking, units("", "minPerBooking", min));
        }
        if let Some(max) = edit.max_per_booking {
            problems.set(&mut next.max_per_booking, units("", "maxPerBooking", max));
        }
        if let Some(max) = edit.max_per_buyer {
            problems.set(&mut next.max_per_buyer, optional_units("", "maxPerBuyer", max));
        }
        if let Some(pools) = &edit.pool_ids {
            next.shared_pools = sorted(pools);
        }
        next.sales_start_at = edit.sales_start_at.unwrap_or(next.sales_start_at);
        next.sales_end_at = edit.sales_end_at.unwrap_or(next.sales_end_at);
        next.hidden = edit.hidden.unwrap_or(next.hidden);
        next.code_required = edit.code_required.unwrap_or(next.code_required && next.hidden);
        next.status = match edit.archived {
            Some(true) => TicketTypeStatus::Archived,
            Some(false) => TicketTypeStatus::Active,
            None => next.status,
        };
        problems.take(next.check(""));
        problems.into_result()?;
        Ok(next)
    }

    /// All pools that a unit takes room in: its own first.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> + '_ {
        std::iter::once(self.own_pool).chain(self.shared_pools.iter().copied())
    }

    /// When sales of this type end: its own end, or that of the event, whichever comes first.
    #[must_use]
    pub fn sales_end(&self, event: &Event) -> Timestamp {
        self.sales_end_at.map_or(event.terms.end_at, |end| end.min(event.terms.end_at))
    }

    /// Whether it is sold at this instant, stock aside. Periods are half-open: at their end nothing is sold.
    #[must_use]
    pub fn is_on_sale(&self, event: &Event, now: Timestamp) -> bool {
        self.status == TicketTypeStatus::Active
            && event.is_on_sale(now)
            && self.sales_start_at.is_none_or(|start| start <= now)
            && now < self.sales_end(event)
    }

    /// Whether a unit of it can still be sold at this instant or later, once the event is published.
    #[must_use]
    pub fn can_ever_be_sold(&self, event: &Event, now: Timestamp) -> bool {
        let end = self.sales_end(event);
        self.status == TicketTypeStatus::Active && now < end && self.sales_start_at.is_none_or(|start| start < end)
    }

    fn check(&self, prefix: &str) -> Result<(), Problems> {
        let mut problems = Problems::default();
        problems.take(self.prices.check(prefix, self.price));
        if self.min_per_booking > self.max_per_booking {
            problems.add(format!("{prefix}minPerBooking"), "above_maximum", "must not exceed maxPerBooking");
        }
        if self.max_per_buyer.is_some_and(|max| max < self.min_per_booking) {
            problems.add(format!("{prefix}maxPerBuyer"), "below_minimum", "must not be below minPerBooking");
        }
        if let (Some(start), Some(end)) = (self.sales_start_at, self.sales_end_at)
            && end <= start
        {
            problems.add(format!("{prefix}salesEndAt"), "not_after_start", "must lie after salesStartAt");
        }
        if self.code_required && !self.hidden {
            problems.add(format!("{prefix}codeRequired"), "not_hidden", "only hidden ticket types need a code");
        }
        if self.shared_pools.len() > SHARED_POOLS_MAX {
            problems.add(format!("{prefix}poolIds"), "too_many", format!("must name at most {SHARED_POOLS_MAX} pools"));
        }
        problems.into_result()
    }
}

fn sorted(pools: &[PoolId]) -> Vec<PoolId> {
    let mut pools = pools.to_vec();
    pools.sort_unstable();
    pools.dedup();
    pools
}

fn units(prefix: &str, field: &str, count: i64) -> Result<u32, Problems> {
    u32::try_from(count).ok().filter(|count| (1..=UNITS_PER_BOOKING_MAX).contains(&i64::from(*count))).ok_or_else(
        || {
            let message = format!("must be between 1 and {UNITS_PER_BOOKING_MAX}");
            Problems::one(format!("{prefix}{field}"), "out_of_range", message)
        },
    )
}

fn rate(prefix: &str, millionths: Option<i64>) -> Result<Option<Rate>, Problems> {
    millionths.map(|millionths| Rate::parse(&format!("{prefix}taxRate"), millionths)).transpose()
}

fn optional_units(prefix: &str, field: &str, count: Option<i64>) -> Result<Option<u32>, Problems> {
    count.map(|count| units(prefix, field, count)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn new() -> NewTicketType {
        crate::fixture::ticket_type(2500, Some(100))
    }

    fn parse(new: &NewTicketType) -> Result<TicketType, Problems> {
        let nil = Uuid::nil();
        TicketType::try_new(TicketTypeId::new(nil), EventId::new(nil), PoolId::new(nil), 0, new, "ticketTypes[0].")
    }

    #[test]
    fn defaults_are_one_to_ten_without_a_limit_per_buyer() {
        let parsed = parse(&new()).unwrap();
        assert_eq!((parsed.min_per_booking, parsed.max_per_booking, parsed.max_per_buyer), (1, 10, None));
        let groups = parse(&NewTicketType { min_per_booking: Some(20), ..new() }).unwrap();
        assert_eq!((groups.min_per_booking, groups.max_per_booking), (20, 20));
    }

    #[test]
    fn absurd_numbers_are_refused_with_their_field() {
        let code = |new: NewTicketType| parse(&new).unwrap_err().as_slice()[0].clone();
        assert_eq!(code(NewTicketType { price: -1, ..new() }).field, "ticketTypes[0].price");
        assert_eq!(code(NewTicketType { price: i64::MAX, ..new() }).code, "out_of_range");
        assert_eq!(code(NewTicketType { min_per_booking: Some(0), ..new() }).field, "ticketTypes[0].minPerBooking");
        assert_eq!(code(NewTicketType { max_per_booking: Some(1 << 40), ..new() }).code, "out_of_range");
        let crossed = NewTicketType { min_per_booking: Some(5), max_per_booking: Some(4), ..new() };
        assert_eq!(code(crossed).code, "above_maximum");
        let shown = NewTicketType { code_required: true, ..new() };
        assert_eq!(code(shown).field, "ticketTypes[0].codeRequired");
    }

    #[test]
    fn what_is_shown_again_needs_no_code_any_more() {
        let guarded = parse(&NewTicketType { hidden: true, code_required: true, ..new() }).unwrap();
        let shown = guarded.edited(&TicketTypeEdit { hidden: Some(false), ..TicketTypeEdit::default() }).unwrap();
        assert_eq!((shown.hidden, shown.code_required), (false, false));
        let both = TicketTypeEdit { hidden: Some(false), code_required: Some(true), ..TicketTypeEdit::default() };
        assert!(guarded.edited(&both).is_err());
        let open = guarded.edited(&TicketTypeEdit { code_required: Some(false), ..TicketTypeEdit::default() }).unwrap();
        assert!(open.hidden && !open.code_required);
    }
}
