//! An event: something people attend, with its time, its zone, its currency and the terms of its holds.

use std::sync::Arc;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::catalog::{CatalogRefusal, EventStatus, Slug, StatusChange};
use crate::pricing::{NewPricing, Pricing};
use crate::{Currency, EventId, OrganizerId, Problems, Text, Timestamp};

/// An event as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its tenant.
    pub organizer: OrganizerId,
    /// Its unique name for addresses.
    pub slug: Slug,
    /// What buyers read and what its sale goes by.
    pub terms: EventTerms,
    /// Its currency; fixed, since prices and bookings are in it.
    pub currency: Currency,
    /// The stored status; ask [`Event::status_at`] for the one that the clock shows.
    pub status: EventStatus,
    /// Counts the changes of its settings, those of its ticket types and pools included, from 1; sales do not count.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings changed last.
    pub updated_at: Timestamp,
}

/// The settings of an event that its organizer may change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventTerms {
    /// At most 200 characters.
    pub name: Text,
    /// At most 10,000 characters.
    pub description: Option<Text>,
    /// At most 200 characters.
    pub venue: Option<Text>,
    /// The zone in which its people read its times.
    pub timezone: Tz,
    /// When it begins.
    pub start_at: Timestamp,
    /// When it ends, after its beginning; sales end here at the latest.
    pub end_at: Timestamp,
    /// For how long a booking holds its units.
    pub hold: TimeDelta,
    /// Taxes and fees; none where there have never been any. An event that has had some keeps an empty one: whoever
    /// loads bookings of an event without any need not look for parts of their prices.
    pub pricing: Option<Arc<Pricing>>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it.
    pub blocks_disputed: bool,
    /// Whether people may wait for what is sold out. Where it is closed, those who wait already still do.
    pub waiting_list: bool,
    /// For how long an offer to who waits holds its units.
    pub offer: TimeDelta,
}

/// A new event as it was asked for.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Venue.
    pub venue: Option<String>,
    /// IANA zone name.
    pub timezone: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Beginning.
    pub start_at: Timestamp,
    /// End.
    pub end_at: Timestamp,
    /// Seconds of a hold.
    pub hold_seconds: i64,
    /// Taxes and fees.
    pub pricing: Option<NewPricing>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it; it does where it is left out.
    pub blocks_disputed: Option<bool>,
    /// Whether people may wait for what is sold out; default: they may not.
    pub waiting_list: Option<bool>,
    /// Seconds of an offer; default: a day.
    pub offer_seconds: Option<i64>,
}

/// A change as it was asked for: `None` leaves a field as it is, and `Some(None)` empties it.
#[derive(Clone, Default, Debug)]
pub struct EventEdit {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<Option<String>>,
    /// Venue.
    pub venue: Option<Option<String>>,
    /// IANA zone name.
    pub timezone: Option<String>,
    /// Beginning.
    pub start_at: Option<Timestamp>,
    /// End.
    pub end_at: Option<Timestamp>,
    /// Seconds of a hold; those that run keep theirs.
    pub hold_seconds: Option<i64>,
    /// Taxes and fees; bookings that were made keep theirs.
    pub pricing: Option<Option<NewPricing>>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it; it does where it is left out.
    pub blocks_disputed: Option<bool>,
    /// Whether people may wait for what is sold out.
    pub waiting_list: Option<bool>,
    /// Seconds of an offer; those that run keep theirs.
    pub offer_seconds: Option<i64>,
}

/// The shortest and the longest hold, in seconds. A day is far beyond any payment page.
const HOLD_SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;
/// The shortest and the longest offer, in seconds: a mail must be read and a payment made, and nobody blocks what others
/// want for more than a week.
const OFFER_SECONDS: std::ops::RangeInclusive<i64> = 900..=604_800;
/// How long an offer holds where nobody says otherwise.
const OFFER_SECONDS_DEFAULT: i64 = 86_400;
/// No event lies further away than this many days; keeps absurd years out of calendars and stores.
const DAYS_AHEAD_MAX: i64 = 36_525;

impl Event {
    /// Parses a new event, a draft.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(
        id: EventId,
        organizer: OrganizerId,
        new: &NewEvent,
        salt: u64,
        now: Timestamp,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", &new.name, 200));
        let description = problems.take(optional("description", new.description.as_deref(), 10_000));
        let venue = problems.take(optional("venue", new.venue.as_deref(), 200));
        let timezone = problems.take(parse_timezone(&new.timezone));
        let currency = problems.take(
            new.currency
                .parse::<Currency>()
                .map_err(|_| Problems::one("currency", "unknown_currency", "must be a code of ISO 4217, like EUR")),
        );
        let hold = problems.take(parse_hold(new.hold_seconds));
        let pricing = problems.take(new.pricing.as_ref().map(Pricing::parse).transpose());
        let offer = problems.take(parse_offer(new.offer_seconds.unwrap_or(OFFER_SECONDS_DEFAULT)));
        problems.take(check_period(new.start_at, new.end_at, now));
        let (Some(name), Some(description), Some(venue), Some(timezone), Some(currency), Some(hold), Some(offer), true) =
            (name, description, venue, timezone, currency, hold, offer, problems.is_empty())
        else {
            return Err(problems);
        };
        let pricing = pricing.flatten().filter(|pricing| !pricing.is_none()).map(Arc::new);
        let (start_at, end_at) = (new.start_at, new.end_at);
        let slug = Slug::of(name.as_str(), salt);
        let waiting_list = new.waiting_list.unwrap_or_default();
        let terms = EventTerms {
            name,
            description,
            venue,
            timezone,
            start_at,
            end_at,
            hold,
            pricing,
            blocks_disputed: new.blocks_disputed.unwrap_or_default(),
            waiting_list,
            offer,
        };
        let status = EventStatus::Draft;
        Ok(Self { id, organizer, slug, terms, currency, status, version: 1, created_at: now, updated_at: now })
    }

    /// The status that the clock shows.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> EventStatus {
        self.status.at(self.terms.end_at, now)
    }

    /// Whether bookings may be made, as far as the event itself is concerned.
    #[must_use]
    pub fn is_on_sale(&self, now: Timestamp) -> bool {
        self.status_at(now) == EventStatus::Published
    }

    /// Taxes and fees, where there are any.
    #[must_use]
    pub fn pricing(&self) -> Option<&Pricing> {
        self.terms.pricing.as_deref().filter(|pricing| !pricing.is_none())
    }

    /// Refuses a change by somebody who has seen another version.
    ///
    /// # Errors
    /// [`CatalogRefusal::VersionMismatch`].
    pub fn expect_version(&self, expected: Option<u64>) -> Result<(), CatalogRefusal> {
        match expected {
            Some(version) if version != self.version => Err(CatalogRefusal::VersionMismatch { current: self.version }),
            _ => Ok(()),
        }
    }

    /// The event after a change of its settings. A change that changes nothing gives the same version.
    ///
    /// # Errors
    /// Fields that do not hold, or an event that is over for good.
    pub fn edited(&self, edit: &EventEdit, now: Timestamp) -> Result<Self, CatalogRefusal> {
        if matches!(self.status, EventStatus::Cancelled | EventStatus::Archived) {
            return Err(CatalogRefusal::state(format!("the event is {}: it cannot be changed", self.status)));
        }
        let mut problems = Problems::default();
        let mut terms = self.terms.clone();
        if let Some(name) = &edit.name {
            problems.set(&mut terms.name, Text::parse("name", name, 200));
        }
        if let Some(description) = &edit.description {
            problems.set(&mut terms.description, optional("description", description.as_deref(), 10_000));
        }
        if let Some(venue) = &edit.venue {
            problems.set(&mut terms.venue, optional("venue", venue.as_deref(), 200));
        }
        if let Some(timezone) = &edit.timezone {
            problems.set(&mut terms.timezone, parse_timezone(timezone));
        }
        if let Some(seconds) = edit.hold_seconds {
            problems.set(&mut terms.hold, parse_hold(seconds));
        }
        if let Some(pricing) = &edit.pricing {
            problems.set(&mut terms.pricing, repriced(self.terms.pricing.as_ref(), pricing.as_ref()));
        }
        if let Some(seconds) = edit.offer_seconds {
            problems.set(&mut terms.offer, parse_offer(seconds));
        }
        terms.blocks_disputed = edit.blocks_disputed.unwrap_or(terms.blocks_disputed);
        terms.waiting_list = edit.waiting_list.unwrap_or(terms.waiting_list);
        terms.start_at = edit.start_at.unwrap_or(terms.start_at);
        terms.end_at = edit.end_at.unwrap_or(terms.end_at);
        if edit.start_at.is_some() || edit.end_at.is_some() {
            problems.take(check_period(terms.start_at, terms.end_at, now));
        }
        problems.into_result()?;
        if terms == self.terms {
            return Ok(self.clone());
        }
        Ok(Self { terms, ..self.clone() }.touched(now))
    }

    /// The event after a step of its life, or `None` if the step was taken already.
    ///
    /// # Errors
    /// [`CatalogRefusal::InvalidState`] for a step that is not allowed from here.
    pub fn stepped(&self, change: StatusChange, now: Timestamp) -> Result<Option<Self>, CatalogRefusal> {
        let next = self.status_at(now).step(change)?;
        Ok(next.map(|status| Self { status, ..self.clone() }.touched(now)))
    }

    /// The next version: a setting of the event, of one of its ticket types or pools has changed.
    #[must_use]
    pub fn touched(mut self, now: Timestamp) -> Self {
        self.version += 1;
        self.updated_at = now;
        self
    }
}

fn optional(field: &str, raw: Option<&str>, max: usize) -> Result<Option<Text>, Problems> {
    raw.map(|raw| Text::parse(field, raw, max)).transpose()
}

fn parse_timezone(name: &str) -> Result<Tz, Problems> {
    name.parse().map_err(|_| {
        Problems::one(
            "timezone",
            "unknown_timezone",
            "must be a name of the IANA time zone database, like Europe/Warsaw",
        )
    })
}

/// What there are none of where there never were any stays none.
fn repriced(before: Option<&Arc<Pricing>>, new: Option<&NewPricing>) -> Result<Option<Arc<Pricing>>, Problems> {
    let pricing = new.map(Pricing::parse).transpose()?.filter(|pricing| !pricing.is_none());
    Ok(match (before, pricing) {
        (None, None) => None,
        (Some(before), Some(pricing)) if **before == pricing => Some(Arc::clone(before)),
        (_, pricing) => Some(Arc::new(pricing.unwrap_or_default())),
    })
}

fn parse_hold(seconds: i64) -> Result<TimeDelta, Problems> {
    if HOLD_SECONDS.contains(&seconds) {
        return Ok(TimeDelta::seconds(seconds));
    }
    Err(Problems::one("holdSeconds", "out_of_range", "must be between 1 and 86400"))
}

fn parse_offer(seconds: i64) -> Result<TimeDelta, Problems> {
    if OFFER_SECONDS.contains(&seconds) {
        return Ok(TimeDelta::seconds(seconds));
    }
    Err(Problems::one("offerSeconds", "out_of_range", "must be between 900 and 604800"))
}

fn check_period(start_at: Timestamp, end_at: Timestamp, now: Timestamp) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if end_at <= start_at {
        problems.add("endAt", "not_after_start", "must lie after startAt");
    }
    let horizon = TimeDelta::days(DAYS_AHEAD_MAX);
    for (field, instant) in [("startAt", start_at), ("endAt", end_at)] {
        if (instant - now).abs() > horizon {
            problems.add(field, "out_of_range", "must lie within a hundred years of today");
        }
    }
    problems.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn now() -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn new() -> NewEvent {
        NewEvent {
            name: "Concert".into(),
            description: None,
            venue: None,
            timezone: "Europe/Warsaw".into(),
            currency: "PLN".into(),
            start_at: now() + TimeDelta::days(30),
            end_at: now() + TimeDelta::days(31),
            hold_seconds: 900,
            pricing: None,
            blocks_disputed: None,
            waiting_list: None,
            offer_seconds: None,
        }
    }

    fn event(new: &NewEvent) -> Result<Event, Problems> {
        Event::try_new(EventId::new(Uuid::nil()), OrganizerId::new(Uuid::nil()), new, 7, now())
    }

    #[test]
    fn a_new_event_is_a_draft_of_version_one() {
        let event = event(&new()).unwrap();
        assert_eq!((event.status, event.version), (EventStatus::Draft, 1));
        assert!(!event.is_on_sale(now()));
    }

    #[test]
    fn all_wrong_fields_are_told_at_once() {
        let bad = NewEvent {
            name: " ".into(),
            timezone: "Mars/Olympus".into(),
            currency: "XXX".into(),
            end_at: new().start_at,
            hold_seconds: 0,
            offer_seconds: Some(899),
            ..new()
        };
        let problems = event(&bad).unwrap_err();
        let fields: Vec<_> = problems.as_slice().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["name", "timezone", "currency", "holdSeconds", "offerSeconds", "endAt"]);
    }

    #[test]
    fn an_edit_counts_only_if_it_changes_something() {
        let event = event(&new()).unwrap();
        let same = EventEdit { name: Some("Concert".into()), ..EventEdit::default() };
        assert_eq!(event.edited(&same, now()).unwrap().version, 1);
        let other = EventEdit { name: Some("Gig".into()), ..EventEdit::default() };
        let edited = event.edited(&other, now()).unwrap();
        assert_eq!((edited.version, edited.terms.name.as_str()), (2, "Gig"));
        assert_eq!(event.expect_version(Some(2)), Err(CatalogRefusal::VersionMismatch { current: 1 }));
    }

    #[test]
    fn an_event_without_taxes_and_fees_is_known_to_have_had_none() {
        let event = event(&new()).unwrap();
        let taxed = NewPricing { tax_rate: Some(230_000), ..NewPricing::default() };
        let edit = |pricing| EventEdit { pricing: Some(pricing), ..EventEdit::default() };
        for nothing in [None, Some(NewPricing { tax_included: true, ..NewPricing::default() })] {
            let same = event.edited(&edit(nothing.clone()), now()).unwrap();
            assert_eq!((same.version, &same.terms.pricing), (1, &None));
            let with = event.edited(&edit(Some(taxed.clone())), now()).unwrap();
            assert_eq!(
                (with.version, with.pricing().and_then(|it| it.tax_rate).map(|it| it.millionths())),
                (2, Some(230_000))
            );
            assert_eq!(with.edited(&edit(Some(taxed.clone())), now()).unwrap().version, 2);
            let without = with.edited(&edit(nothing), now()).unwrap();
            assert_eq!((without.version, without.pricing()), (3, None));
            assert!(without.terms.pricing.is_some(), "bookings of before have parts");
        }
        let wrong = NewPricing { tax_rate: Some(-1), ..NewPricing::default() };
        assert!(event.edited(&edit(Some(wrong)), now()).is_err());
    }

    #[test]
    fn a_published_event_is_on_sale_until_it_ends() {
        let event = event(&new()).unwrap().stepped(StatusChange::Publish, now()).unwrap().unwrap();
        assert!(event.is_on_sale(now()));
        assert!(!event.is_on_sale(event.terms.end_at));
        assert_eq!(event.stepped(StatusChange::Publish, now()), Ok(None));
        assert!(event.stepped(StatusChange::Cancel, event.terms.end_at).is_err(), "what has ended cannot be cancelled");
    }
}
