//! Snapshots: how a booking or a sale looked at a moment, as versioned JSON that no protocol owns. Idempotency keys keep
//! them to answer a repeated request as it was answered first, and the audit log shows them as before and after.
//!
//! The version is part of the text. A field that is added gets a default; anything else is a new version, and old ones
//! stay readable for as long as keys are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::booking::{
    Attendee, Booking, BookingItem, Buyer, Channel, HoldTerms, Pool, PromoUse, PromoWord, Reference, Sale,
};
use domain::catalog::{Event, EventTerms, Organizer, Slug, TicketType, TicketTypeStatus};
use domain::pricing::Pricing;
use domain::{
    BookingId, EmailAddress, EventId, Money, OrganizerId, PoolId, PromoCodeId, Text, TicketTypeId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::prices::{PricePartV1, PricingV1, TypePricesV1};
use crate::clock::{written, written_optional};
use crate::error::AppError;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u8,
    #[serde(flatten)]
    value: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookingV1 {
    id: Uuid,
    reference: String,
    event_id: Uuid,
    organizer_id: Uuid,
    buyer_id: Option<Uuid>,
    buyer_email: Option<String>,
    channel: String,
    items: Vec<ItemV1>,
    attendees: Vec<AttendeeV1>,
    total: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    price_parts: Vec<PricePartV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promo: Option<PromoV1>,
    currency: String,
    status: String,
    #[serde(serialize_with = "written_optional")]
    expires_at: Option<Timestamp>,
    #[serde(serialize_with = "written_optional")]
    release_at: Option<Timestamp>,
    #[serde(serialize_with = "written_optional")]
    ends_at: Option<Timestamp>,
    sequence: u32,
    #[serde(serialize_with = "written")]
    created_at: Timestamp,
    #[serde(serialize_with = "written")]
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemV1 {
    ticket_type_id: Uuid,
    name: String,
    quantity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled: Option<u32>,
    unit_price: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromoV1 {
    id: Uuid,
    code: String,
    discount: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttendeeV1 {
    ticket_type_id: Uuid,
    name: Option<String>,
    email: Option<String>,
}

/// The snapshot of a booking.
pub(crate) fn booking(booking: &Booking) -> String {
    let (buyer_id, buyer_email) = match &booking.buyer {
        Buyer::Account(user) => (Some(user.uuid()), None),
        Buyer::Guest(email) => (None, Some(email.as_str().to_owned())),
    };
    let item = |item: &BookingItem| ItemV1 {
        ticket_type_id: item.ticket_type.uuid(),
        name: item.name.as_str().to_owned(),
        quantity: item.quantity,
        cancelled: Some(item.cancelled).filter(|units| *units > 0),
        unit_price: item.unit_price,
    };
    let attendee = |attendee: &Attendee| AttendeeV1 {
        ticket_type_id: attendee.ticket_type.uuid(),
        name: attendee.name.as_ref().map(|name| name.as_str().to_owned()),
        email: attendee.email.as_ref().map(|email| email.as_str().to_owned()),
    };
    let promo =
        |used: &PromoUse| PromoV1 { id: used.id.uuid(), code: used.code.as_str().to_owned(), discount: used.discount };
    write(BookingV1 {
        id: booking.id.uuid(),
        reference: booking.reference.as_str().to_owned(),
        event_id: booking.event.uuid(),
        organizer_id: booking.organizer.uuid(),
        buyer_id,
        buyer_email,
        channel: booking.channel.as_str().to_owned(),
        items: booking.items.iter().map(item).collect(),
        attendees: booking.attendees.iter().map(attendee).collect(),
        total: booking.total.minor,
        price_parts: booking.price_parts.iter().map(Into::into).collect(),
        promo: booking.promo.as_ref().map(promo),
        currency: booking.total.currency.code().to_owned(),
        status: booking.status.as_str().to_owned(),
        expires_at: booking.hold.map(|hold| hold.expires_at),
        release_at: booking.hold.map(|hold| hold.release_at),
        ends_at: booking.hold.map(|hold| hold.ends_at),
        sequence: booking.sequence,
        created_at: booking.created_at,
        updated_at: booking.updated_at,
    })
}

/// The booking of a snapshot. The pools of its items are not kept: nobody moves stock by a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_booking(snapshot: &str) -> Result<Booking, AppError> {
    let kept: BookingV1 = read(snapshot)?;
    let item = |item: ItemV1| BookingItem {
        ticket_type: TicketTypeId::new(item.ticket_type_id),
        name: Text::trusted(item.name),
        quantity: item.quantity,
        cancelled: item.cancelled.unwrap_or_default(),
        unit_price: item.unit_price,
        pools: Vec::new(),
    };
    let attendee = |attendee: AttendeeV1| Attendee {
        ticket_type: TicketTypeId::new(attendee.ticket_type_id),
        name: attendee.name.map(Text::trusted),
        email: attendee.email.map(EmailAddress::trusted),
    };
    let buyer = match (kept.buyer_id, kept.buyer_email) {
        (Some(user), _) => Buyer::Account(UserId::new(user)),
        (None, Some(email)) => Buyer::Guest(EmailAddress::trusted(email)),
        (None, None) => return Err(unreadable("a booking without a buyer")),
    };
    let hold = match (kept.expires_at, kept.release_at, kept.ends_at) {
        (Some(expires_at), Some(release_at), Some(ends_at)) => Some(HoldTerms { expires_at, release_at, ends_at }),
        _ => None,
    };
    let promo = |used: PromoV1| PromoUse {
        id: PromoCodeId::new(used.id),
        code: PromoWord::trusted(used.code),
        discount: used.discount,
    };
    let currency = kept.currency.parse().map_err(|_| unreadable("an unknown currency"))?;
    let price_parts: Result<_, _> = kept.price_parts.into_iter().map(TryInto::try_into).collect();
    Ok(Booking {
        id: BookingId::new(kept.id),
        reference: Reference::trusted(kept.reference),
        event: EventId::new(kept.event_id),
        organizer: OrganizerId::new(kept.organizer_id),
        buyer,
        channel: Channel::parse(&kept.channel).ok_or_else(|| unreadable("an unknown channel"))?,
        items: kept.items.into_iter().map(item).collect(),
        attendees: kept.attendees.into_iter().map(attendee).collect(),
        total: Money { minor: kept.total, currency },
        price_parts: price_parts.map_err(|_| unreadable("an unknown part of a price"))?,
        promo: kept.promo.map(promo),
        status: kept.status.parse().map_err(|_| unreadable("an unknown status"))?,
        hold,
        sequence: kept.sequence,
        created_at: kept.created_at,
        updated_at: kept.updated_at,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaleV1 {
    id: Uuid,
    organizer_id: Uuid,
    slug: String,
    name: String,
    description: Option<String>,
    venue: Option<String>,
    timezone: String,
    currency: String,
    start_at: Timestamp,
    end_at: Timestamp,
    hold_seconds: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pricing: Option<PricingV1>,
    #[serde(default)]
    blocks_disputed: bool,
    #[serde(default)]
    waiting_list: bool,
    #[serde(default = "a_day")]
    offer_seconds: i64,
    status: String,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    ticket_types: Vec<TicketTypeV1>,
    pools: Vec<PoolV1>,
}

/// What an offer holds where nothing was said.
const fn a_day() -> i64 {
    86_400
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketTypeV1 {
    id: Uuid,
    name: String,
    price: i64,
    #[serde(flatten)]
    prices: TypePricesV1,
    own_pool_id: Uuid,
    pool_ids: Vec<Uuid>,
    min_per_booking: u32,
    max_per_booking: u32,
    max_per_buyer: Option<u32>,
    sales_start_at: Option<Timestamp>,
    sales_end_at: Option<Timestamp>,
    hidden: bool,
    #[serde(default)]
    code_required: bool,
    status: String,
    position: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolV1 {
    id: Uuid,
    name: String,
    capacity: Option<u32>,
    held: u32,
    sold: u32,
    shared: bool,
}

/// The snapshot of a sale.
pub(crate) fn sale(sale: &Sale) -> String {
    let Sale { event, ticket_types, pools, .. } = sale;
    let text = |text: &Text| text.as_str().to_owned();
    let ticket_type = |known: &TicketType| TicketTypeV1 {
        id: known.id.uuid(),
        name: text(&known.name),
        price: known.price,
        prices: (&known.prices).into(),
        own_pool_id: known.own_pool.uuid(),
        pool_ids: known.shared_pools.iter().map(|id| id.uuid()).collect(),
        min_per_booking: known.min_per_booking,
        max_per_booking: known.max_per_booking,
        max_per_buyer: known.max_per_buyer,
        sales_start_at: known.sales_start_at,
        sales_end_at: known.sales_end_at,
        hidden: known.hidden,
        code_required: known.code_required,
        status: known.status.as_str().to_owned(),
        position: known.position,
    };
    let pool = |pool: &Pool| PoolV1 {
        id: pool.id.uuid(),
        name: text(&pool.name),
        capacity: pool.capacity,
        held: pool.held,
        sold: pool.sold,
        shared: pool.shared,
    };
    write(SaleV1 {
        id: event.id.uuid(),
        organizer_id: event.organizer.uuid(),
        slug: event.slug.as_str().to_owned(),
        name: text(&event.terms.name),
        description: event.terms.description.as_ref().map(text),
        venue: event.terms.venue.as_ref().map(text),
        timezone: event.terms.timezone.name().to_owned(),
        currency: event.currency.code().to_owned(),
        start_at: event.terms.start_at,
        end_at: event.terms.end_at,
        hold_seconds: event.terms.hold.num_seconds(),
        pricing: event.terms.pricing.as_deref().map(Into::into),
        blocks_disputed: event.terms.blocks_disputed,
        waiting_list: event.terms.waiting_list,
        offer_seconds: event.terms.offer.num_seconds(),
        status: event.status.as_str().to_owned(),
        version: event.version,
        created_at: event.created_at,
        updated_at: event.updated_at,
        ticket_types: ticket_types.iter().map(ticket_type).collect(),
        pools: pools.iter().map(pool).collect(),
    })
}

/// The sale of a snapshot. Who waits is not kept: nobody makes offers by a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_sale(snapshot: &str) -> Result<Sale, AppError> {
    let kept: SaleV1 = read(snapshot)?;
    let event = EventId::new(kept.id);
    let pricing = kept.pricing.map(Pricing::try_from).transpose();
    let terms = EventTerms {
        name: Text::trusted(kept.name),
        description: kept.description.map(Text::trusted),
        venue: kept.venue.map(Text::trusted),
        timezone: kept.timezone.parse().map_err(|_| unreadable("an unknown time zone"))?,
        start_at: kept.start_at,
        end_at: kept.end_at,
        hold: TimeDelta::seconds(kept.hold_seconds),
        pricing: pricing.map_err(|_| unreadable("the pricing of an event"))?.map(Arc::new),
        blocks_disputed: kept.blocks_disputed,
        waiting_list: kept.waiting_list,
        offer: TimeDelta::seconds(kept.offer_seconds),
    };
    let pool = |pool: PoolV1| Pool {
        id: PoolId::new(pool.id),
        event,
        name: Text::trusted(pool.name),
        capacity: pool.capacity,
        held: pool.held,
        sold: pool.sold,
        shared: pool.shared,
    };
    Ok(Sale {
        event: Event {
            id: event,
            organizer: OrganizerId::new(kept.organizer_id),
            slug: Slug::trusted(kept.slug),
            terms,
            currency: kept.currency.parse().map_err(|_| unreadable("an unknown currency"))?,
            status: kept.status.parse().map_err(|_| unreadable("an unknown status"))?,
            version: kept.version,
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        },
        ticket_types: kept.ticket_types.into_iter().map(|kept| read_type(event, kept)).collect::<Result<_, _>>()?,
        pools: kept.pools.into_iter().map(pool).collect(),
        waiting: BTreeMap::new(),
    })
}

fn read_type(event: EventId, kept: TicketTypeV1) -> Result<TicketType, AppError> {
    Ok(TicketType {
        id: TicketTypeId::new(kept.id),
        event,
        name: Text::trusted(kept.name),
        price: kept.price,
        prices: kept.prices.try_into().map_err(|_| unreadable("the prices of a ticket type"))?,
        own_pool: PoolId::new(kept.own_pool_id),
        shared_pools: kept.pool_ids.into_iter().map(PoolId::new).collect(),
        min_per_booking: kept.min_per_booking,
        max_per_booking: kept.max_per_booking,
        max_per_buyer: kept.max_per_buyer,
        sales_start_at: kept.sales_start_at,
        sales_end_at: kept.sales_end_at,
        hidden: kept.hidden,
        code_required: kept.code_required,
        status: TicketTypeStatus::parse(&kept.status).ok_or_else(|| unreadable("an unknown status"))?,
        position: kept.position,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrganizerV1 {
    id: Uuid,
    name: String,
    slug: String,
    created_at: Timestamp,
}

/// The snapshot of an organizer.
pub(crate) fn organizer(organizer: &Organizer) -> String {
    write(OrganizerV1 {
        id: organizer.id.uuid(),
        name: organizer.name.as_str().to_owned(),
        slug: organizer.slug.as_str().to_owned(),
        created_at: organizer.created_at,
    })
}

/// The organizer of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_organizer(snapshot: &str) -> Result<Organizer, AppError> {
    let kept: OrganizerV1 = read(snapshot)?;
    Ok(Organizer {
        id: OrganizerId::new(kept.id),
        name: Text::trusted(kept.name),
        slug: Slug::trusted(kept.slug),
        created_at: kept.created_at,
    })
}

/// Structs of strings and numbers, whose serialisation cannot fail.
fn write(value: impl Serialize) -> String {
    serde_json::to_string(&Versioned { v: VERSION, value }).unwrap_or_default()
}

fn read<T: for<'de> Deserialize<'de>>(snapshot: &str) -> Result<T, AppError> {
    let kept: Versioned<T> = serde_json::from_str(snapshot).map_err(|_| unreadable("unreadable"))?;
    if kept.v == VERSION { Ok(kept.value) } else { Err(unreadable("of an unknown version")) }
}

fn unreadable(why: &str) -> AppError {
    tracing::error!("A kept answer is {why}");
    AppError::Internal
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::booking::{HoldRequest, Holdings, UnitsRequest, hold};
    use domain::catalog::{NewEvent, NewPriceTier, NewTicketType, StatusChange};
    use domain::pricing::{NewFee, NewPricing};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 123_456_000).unwrap()
    }

    fn a_sale() -> Sale {
        let new = NewEvent {
            name: "Zażółć \"gęślą\" 🎸".into(),
            description: Some("Two\nlines".into()),
            venue: None,
            timezone: "Europe/Warsaw".into(),
            currency: "JPY".into(),
            start_at: at(86_400),
            end_at: at(90_000),
            hold_seconds: 900,
            pricing: Some(NewPricing {
                tax_rate: Some(100_000),
                fees: vec![NewFee { name: "Service".into(), rate: Some(50_000), ..NewFee::default() }],
                ..NewPricing::default()
            }),
            blocks_disputed: Some(true),
            waiting_list: Some(true),
            offer_seconds: Some(900),
        };
        let ticket_type = NewTicketType {
            name: "Standing".into(),
            price: 2500,
            price_tiers: vec![NewPriceTier {
                name: Some("Ranny ptaszek 🐦".into()),
                price: 1_000,
                until: Some(at(-1)),
                until_sold: Some(7),
            }],
            capacity: Some(10),
            max_per_buyer: Some(20),
            sales_end_at: Some(at(80_000)),
            hidden: true,
            code_required: true,
            ..NewTicketType::default()
        };
        let nil = Uuid::nil();
        let event = Event::try_new(EventId::new(nil), OrganizerId::new(nil), &new, 1, at(0)).unwrap();
        let sale = Sale { event, ticket_types: vec![], pools: vec![], waiting: BTreeMap::new() };
        let sale = sale.with_pool(PoolId::new(Uuid::from_u128(5)), "Hall", None, "").unwrap();
        let with = NewTicketType { pool_ids: vec![PoolId::new(Uuid::from_u128(5))], ..ticket_type };
        let sale = sale.with_ticket_type(TicketTypeId::new(nil), PoolId::new(Uuid::from_u128(6)), &with, "").unwrap();
        let event = sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap();
        Sale { event, ..sale }
    }

    #[test]
    fn a_sale_reads_back_as_it_was() {
        let before = a_sale();
        assert_eq!(read_sale(&sale(&before)).unwrap(), before);
    }

    #[test]
    fn a_booking_reads_back_as_it_was_but_for_its_pools() {
        let request = HoldRequest {
            id: BookingId::new(Uuid::from_u128(9)),
            reference: Reference::of(3, 0),
            buyer: Buyer::Guest(EmailAddress::parse("email", "ana@example.com").unwrap()),
            channel: Channel::BoxOffice,
            units: UnitsRequest::Only(2),
            attendees: vec![domain::booking::AttendeeRequest {
                ticket_type: None,
                name: Some("Ana".into()),
                email: Some("ana@example.com".into()),
            }],
            expected_total: None,
            promo_code: None,
        };
        let mut sale = a_sale();
        sale.ticket_types[0].code_required = false;
        let mut before = hold(&sale, &Holdings::new(), &request, TimeDelta::hours(2), at(0)).unwrap().booking;
        before.items.iter_mut().for_each(|item| item.pools.clear());
        let code = PromoWord::parse("code", "early-10").unwrap();
        before.promo = Some(PromoUse { id: PromoCodeId::new(Uuid::from_u128(7)), code, discount: 5 });
        assert_eq!((before.price_parts.len(), before.total.minor), (2, 5_775));
        assert_eq!(read_booking(&booking(&before)).unwrap(), before);
    }

    #[test]
    fn what_no_version_of_ours_has_written_is_a_defect_and_no_panic() {
        for text in ["", "{}", "null", r#"{"v":2}"#, r#"{"v":1,"id":"x"}"#] {
            assert!(matches!(read_booking(text), Err(AppError::Internal)), "{text}");
        }
    }
}
