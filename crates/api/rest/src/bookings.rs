//! `/bookings` and `/events/{eventId}/bookings`: holding, confirming, renewing, cancelling.

use application::booking::{BookingFilter, HoldTickets};
use application::clock::{written, written_optional};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::booking::{
    Attendee, AttendeeRequest, Booking, BookingItem, BookingStatus, Buyer, Channel, Reference, Units, UnitsRequest,
};
use domain::{BookingId, EmailAddress, EventId, Problems, TicketTypeId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, Admitted, EventPath, Ids, Keyed, OptionalJson, Params};
use crate::openapi::{EventName, IdempotencyKeyHeader, IfNoneMatchHeader};
use crate::page::{self, Cursor, List, Page};
use crate::prices::{PricePartBody, price_parts};
use crate::problem::Problem;
use crate::reads;
use crate::rendered;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(hold_tickets, list_event_bookings))
        .routes(routes!(list_my_bookings))
        .routes(routes!(get_booking))
        .routes(routes!(confirm_booking))
        .routes(routes!(cancel_booking))
        .routes(routes!(renew_booking))
}

/// A booking.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Booking)]
pub(crate) struct BookingBody {
    /// Its id.
    id: Uuid,
    /// Its name for people.
    #[schema(example = "K3V9W7QH")]
    reference: String,
    /// Its event.
    event_id: Uuid,
    /// Where it stands.
    status: BookingStatusBody,
    /// What is booked.
    items: Vec<BookingItemBody>,
    /// Who will come, as far as the buyer said.
    attendees: Vec<AttendeeBody>,
    /// What it costs, in the minor unit of the currency: the prices at the hold.
    #[schema(minimum = 0, example = 5000)]
    total: i64,
    /// What the total is made of, as it was at the hold; left out where there were neither taxes, fees nor
    /// discounts: the items are all of it then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    price_parts: Vec<PricePartBody>,
    /// The promo code that made it cheaper; left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "EARLY-10")]
    promo_code: Option<String>,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// Until when it holds its tickets; null where it does not hold any for a time.
    #[schema(required)]
    #[serde(serialize_with = "written_optional")]
    expires_at: Option<DateTime<Utc>>,
    /// Where it was sold.
    channel: ChannelBody,
    /// Whose it is.
    buyer: BuyerBody,
    /// When it was made.
    #[serde(serialize_with = "written")]
    created_at: DateTime<Utc>,
    /// When its status or its hold changed last.
    #[serde(serialize_with = "written")]
    updated_at: DateTime<Utc>,
}

/// Where a booking stands.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BookingStatus)]
pub(crate) enum BookingStatusBody {
    /// Holds its tickets until `expiresAt`.
    Pending,
    /// Paid, free, or confirmed by the organizer.
    Confirmed,
    /// Given back.
    Cancelled,
    /// Lapsed before it was confirmed.
    Expired,
}

/// Where a booking was sold.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Channel)]
pub(crate) enum ChannelBody {
    /// The web pages.
    Web,
    /// The programming interfaces.
    Api,
    /// The organizer's own desk.
    BoxOffice,
    /// Offered to who waited.
    WaitingList,
}

/// Whose a booking is: an account, or a guest who is known by his address alone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Buyer)]
pub(crate) struct BuyerBody {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_id: Option<Uuid>,
    /// The address of the guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "guest@example.com", nullable = false, format = Email)]
    email: Option<String>,
}

/// Units of one ticket type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BookingItem)]
pub(crate) struct BookingItemBody {
    /// Which.
    ticket_type_id: Uuid,
    /// Its name at the hold.
    #[schema(example = "Standing")]
    name: String,
    /// How many were booked.
    #[schema(minimum = 1, example = 2)]
    quantity: u32,
    /// How many of them were cancelled one by one, while the booking stands.
    #[schema(minimum = 0, example = 0)]
    cancelled: u32,
    /// The price of one at the hold, in minor units.
    #[schema(minimum = 0, example = 2500)]
    unit_price: i64,
}

/// Who will come with one unit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attendee)]
pub(crate) struct AttendeeBody {
    /// A unit of which ticket type.
    ticket_type_id: Uuid,
    /// His name.
    #[schema(required, example = "Ana Kowalska")]
    name: Option<String>,
    /// His address.
    #[schema(required, format = Email, example = "ana@example.com")]
    email: Option<String>,
}

impl From<BookingStatus> for BookingStatusBody {
    fn from(status: BookingStatus) -> Self {
        match status {
            BookingStatus::Pending => Self::Pending,
            BookingStatus::Confirmed => Self::Confirmed,
            BookingStatus::Cancelled => Self::Cancelled,
            BookingStatus::Expired => Self::Expired,
        }
    }
}

impl From<BookingStatusBody> for BookingStatus {
    fn from(status: BookingStatusBody) -> Self {
        match status {
            BookingStatusBody::Pending => Self::Pending,
            BookingStatusBody::Confirmed => Self::Confirmed,
            BookingStatusBody::Cancelled => Self::Cancelled,
            BookingStatusBody::Expired => Self::Expired,
        }
    }
}

impl From<Buyer> for BuyerBody {
    fn from(buyer: Buyer) -> Self {
        match buyer {
            Buyer::Account(user) => Self { user_id: Some(user.uuid()), email: None },
            Buyer::Guest(email) => Self { user_id: None, email: Some(email.as_str().to_owned()) },
        }
    }
}

impl From<BookingItem> for BookingItemBody {
    fn from(item: BookingItem) -> Self {
        Self {
            ticket_type_id: item.ticket_type.uuid(),
            name: item.name.as_str().to_owned(),
            quantity: item.quantity,
            cancelled: item.cancelled,
            unit_price: item.unit_price,
        }
    }
}

impl From<Attendee> for AttendeeBody {
    fn from(attendee: Attendee) -> Self {
        Self {
            ticket_type_id: attendee.ticket_type.uuid(),
            name: attendee.name.map(|name| name.as_str().to_owned()),
            email: attendee.email.map(|email| email.as_str().to_owned()),
        }
    }
}

impl From<Booking> for BookingBody {
    /// As its buyer sees it.
    fn from(booking: Booking) -> Self {
        Self::of(booking, false)
    }
}

impl BookingBody {
    /// As its buyer sees it, or, `inside`, with what the organizer bears.
    fn of(booking: Booking, inside: bool) -> Self {
        let holds = matches!(booking.status, BookingStatus::Pending | BookingStatus::Expired);
        Self {
            id: booking.id.uuid(),
            reference: booking.reference.as_str().to_owned(),
            event_id: booking.event.uuid(),
            status: booking.status.into(),
            items: booking.items.into_iter().map(Into::into).collect(),
            attendees: booking.attendees.into_iter().map(Into::into).collect(),
            total: booking.total.minor,
            price_parts: price_parts(&booking.price_parts, inside),
            promo_code: booking.promo.map(|used| used.code.as_str().to_owned()),
            currency: booking.total.currency.code().to_owned(),
            expires_at: booking.hold.filter(|_| holds).map(|hold| hold.expires_at),
            channel: match booking.channel {
                Channel::Web => ChannelBody::Web,
                Channel::Api => ChannelBody::Api,
                Channel::BoxOffice => ChannelBody::BoxOffice,
                Channel::WaitingList => ChannelBody::WaitingList,
            },
            buyer: booking.buyer.into(),
            created_at: booking.created_at,
            updated_at: booking.updated_at,
        }
    }
}

/// What to book: `items`; or, where the event has one ticket type, `quantity`, or nothing at all for one ticket.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = HoldTickets)]
pub(crate) struct HoldBody {
    /// Of which ticket types how many: all of them or nothing.
    #[schema(min_items = 1, max_items = 50)]
    items: Option<Vec<HoldItemBody>>,
    /// How many of the event's only ticket type, instead of `items`.
    #[schema(minimum = 1, maximum = 4_294_967_295_i64, example = 2)]
    quantity: Option<i64>,
    /// Who will come, at most one a unit.
    attendees: Option<Vec<AttendeeRequestBody>>,
    /// The total that the buyer has seen, in minor units; another one is refused with `price_changed`.
    #[schema(example = 5000)]
    expected_total: Option<i64>,
    /// What makes it cheaper, in upper or lower case.
    #[schema(max_length = 80, example = "EARLY-10")]
    promo_code: Option<String>,
}

/// So many of one ticket type.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = HoldItem)]
pub(crate) struct HoldItemBody {
    /// Which.
    ticket_type_id: Uuid,
    /// How many.
    #[schema(minimum = 1, maximum = 4_294_967_295_i64, example = 2)]
    quantity: i64,
    /// What the buyer wants to pay for one, in minor units, where the ticket type has an `openPrice`; its `price` is meant if
    /// it is left out.
    #[schema(example = 2500, minimum = 0, maximum = 100_000_000_000_i64)]
    unit_price: Option<i64>,
}

/// Who will come with one unit.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewAttendee)]
pub(crate) struct AttendeeRequestBody {
    /// A unit of which ticket type; may be left out where only one is booked.
    ticket_type_id: Option<Uuid>,
    /// His name.
    #[schema(min_length = 1, max_length = 200, example = "Ana Kowalska")]
    name: Option<String>,
    /// His address.
    #[schema(format = Email, max_length = 254, example = "ana@example.com")]
    email: Option<String>,
}

impl TryFrom<HoldBody> for HoldTickets {
    type Error = Problems;

    fn try_from(body: HoldBody) -> Result<Self, Problems> {
        let units = match (body.items, body.quantity) {
            (Some(_), Some(_)) => return Err(Problems::one("quantity", "ambiguous", "must not be given with items")),
            (Some(items), None) => UnitsRequest::Listed(listed(&items)?),
            (None, quantity) => UnitsRequest::Only(count("quantity", quantity.unwrap_or(1))?),
        };
        let attendees = body.attendees.unwrap_or_default().into_iter().map(|attendee| AttendeeRequest {
            ticket_type: attendee.ticket_type_id.map(TicketTypeId::new),
            name: attendee.name,
            email: attendee.email,
        });
        Ok(Self {
            units,
            attendees: attendees.collect(),
            expected_total: body.expected_total,
            promo_code: body.promo_code,
            channel: Channel::Api,
        })
    }
}

fn listed(items: &[HoldItemBody]) -> Result<Vec<Units>, Problems> {
    let mut problems = Problems::default();
    let mut units = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let quantity = problems.take(count(&format!("items[{at}].quantity"), item.quantity));
        let (ticket_type, unit_price) = (TicketTypeId::new(item.ticket_type_id), item.unit_price);
        units.extend(quantity.map(|quantity| Units { ticket_type, quantity, unit_price }));
    }
    problems.into_result()?;
    Ok(units)
}

fn count(field: &str, asked: i64) -> Result<u32, Problems> {
    let message = format!("must be between 1 and {}", u32::MAX);
    u32::try_from(asked).ok().filter(|count| *count > 0).ok_or_else(|| Problems::one(field, "out_of_range", message))
}

/// Books tickets
///
/// They are held until `expiresAt`, all or nothing; what costs nothing is confirmed at once.
#[utoipa::path(
    post, path = "/events/{eventId}/bookings", operation_id = "holdTickets", tag = "Booking",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug."), IdempotencyKeyHeader),
    request_body = HoldBody,
    responses((status = 201, description = "The booking.", body = BookingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "not_found", "sold_out", "price_changed", "sales_closed", "limit_exceeded", "validation_failed"
    ]))),
)]
async fn hold_tickets(
    State(state): State<AppState>,
    _: Admitted,
    acting: Acting,
    event: EventPath,
    wish: Keyed<HoldBody>,
) -> Result<Created<BookingBody>, Problem> {
    let Acting { agent, origin } = acting;
    let key = wish.key(&agent);
    let wish = HoldTickets::try_from(wish.value)?;
    let held = state.bookings().hold_tickets(&agent, &event.0, wish, key, origin).await?;
    let location = format!("/api/v1/bookings/{}", held.value.id);
    Ok(Created::at(location, held.value.into(), held.replayed))
}

/// Which of the caller's bookings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MyBookingsQuery {
    /// Bookings in this status.
    #[param(inline)]
    status: Option<BookingStatusBody>,
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the caller's bookings
///
/// Newest first.
#[utoipa::path(
    get, path = "/bookings", operation_id = "listMyBookings", tag = "Booking",
    params(MyBookingsQuery),
    responses((status = 200, description = "One page of bookings.", body = Page<BookingBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn list_my_bookings(
    State(state): State<AppState>,
    acting: Acting,
    Params(query): Params<MyBookingsQuery>,
) -> Result<Answer<Page<BookingBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = cursor(List::MyBookings, query.cursor.as_deref())?;
    let statuses = query.status.into_iter().map(BookingStatus::from).collect();
    let filter = BookingFilter { statuses, ..BookingFilter::default() };
    let found = state.bookings().my_bookings(&acting.agent, &filter, before, limit).await?;
    Ok(Answer(Page::of(found, |last| Cursor::behind(List::MyBookings, last.id.uuid()), BookingBody::from)))
}

fn cursor(list: List, text: Option<&str>) -> Result<Option<BookingId>, Problem> {
    let cursor = text.map(|text| Cursor::decode(list, text)).transpose()?;
    Ok(cursor.map(|cursor| BookingId::new(cursor.id)))
}

/// Which bookings of an event.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventBookingsQuery {
    /// Bookings in this status.
    #[param(inline)]
    status: Option<BookingStatusBody>,
    /// The booking of this reference, as a person may type it.
    #[param(max_length = 64, example = "BZHP3M9I")]
    reference: Option<String>,
    /// Bookings whose buyer has this address.
    #[param(max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the bookings of an event
///
/// Newest first. For its organizer.
#[utoipa::path(
    get, path = "/events/{eventId}/bookings", operation_id = "listEventBookings", tag = "Booking",
    params(("eventId" = Uuid, Path, description = "The event."), EventBookingsQuery),
    responses((status = 200, description = "One page of bookings.", body = Page<BookingBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_event_bookings(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<EventBookingsQuery>,
) -> Result<Answer<Page<BookingBody>>, Problem> {
    let Ids([event]) = ids;
    let limit = page::limit(query.limit)?;
    let before = cursor(List::EventBookings, query.cursor.as_deref())?;
    let filter = BookingFilter {
        statuses: query.status.into_iter().map(BookingStatus::from).collect(),
        reference: query.reference.as_deref().map(reference).transpose()?,
        email: query.email.as_deref().map(|email| EmailAddress::parse("email", email)).transpose()?,
    };
    let event = EventId::new(event);
    let found = state.bookings().event_bookings(&acting.agent, event, &filter, before, limit).await?;
    if let Some(first) = found.items.first() {
        reads::note(&state, &acting.origin, Some(first.organizer), ("bookings.listed", "event", event.uuid()));
    }
    let body = |booking| BookingBody::of(booking, true);
    Ok(Answer(Page::of(found, |last| Cursor::behind(List::EventBookings, last.id.uuid()), body)))
}

fn reference(typed: &str) -> Result<Reference, Problems> {
    Reference::parse(typed).ok_or_else(|| Problems::one("reference", "invalid_reference", "can be no reference"))
}

/// Shows a booking
///
/// The caller's own, or one of his organizer.
#[utoipa::path(
    get, path = "/bookings/{bookingId}", operation_id = "getBooking", tag = "Booking",
    params(("bookingId" = Uuid, Path, description = "The booking."), IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "The booking.", body = BookingBody,
            headers(("ETag" = String, description = "Changes with every change of the booking.")),
        ),
        (
            status = 304, description = "It is as the caller knows it.",
            headers(("ETag" = String, description = "Changes with every change of the booking.")),
        ),
    ),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn get_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Ids([id]) = ids;
    let booking = state.bookings().booking(&acting.agent, BookingId::new(id)).await?;
    reads::note_booking(&state, &acting, booking.id, "booking.read").await?;
    let etag = rendered::tag(format!("\"{}\"", booking.sequence));
    let caching = HeaderValue::from_static("private, no-cache");
    Ok(rendered::answer(&request, &etag, caching, || rendered::write(&BookingBody::from(booking))))
}

/// What to note at a confirmation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmBooking)]
pub(crate) struct ConfirmBody {
    /// For the organizer's own books.
    #[schema(min_length = 1, max_length = 1_000, example = "cash, receipt 42")]
    note: Option<String>,
}

/// Confirms a booking that was paid outside
///
/// By cash or transfer; for the organizer. What the waiting list has offered for nothing its buyer takes in this way. A
/// confirmed one stays as it is.
#[utoipa::path(
    post, path = "/bookings/{bookingId}/confirm", operation_id = "confirmBooking", tag = "Booking",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    request_body(content = Option<ConfirmBody>, description = "May be left out."),
    responses((status = 200, description = "The booking as it is now.", body = BookingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "booking_expired", "invalid_state", "validation_failed"
    ]))),
)]
async fn confirm_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    OptionalJson(wish): OptionalJson<ConfirmBody>,
) -> Result<Answer<BookingBody>, Problem> {
    let (Ids([id]), origin) = (ids, acting.origin.clone());
    let id = BookingId::new(id);
    let booking = state.bookings().confirm(&acting.agent, id, wish.note.as_deref(), origin).await?;
    reads::note_booking(&state, &acting, id, "booking.read").await?;
    Ok(Answer(booking.into()))
}

/// Gives a booking back
///
/// By its buyer or its organizer. One that does not hold anything any more stays as it is.
#[utoipa::path(
    post, path = "/bookings/{bookingId}/cancel", operation_id = "cancelBooking", tag = "Booking",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    responses((status = 200, description = "The booking as it is now.", body = BookingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found", "booking_expired", "invalid_state"]))),
)]
async fn cancel_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<BookingBody>, Problem> {
    let (Ids([id]), origin) = (ids, acting.origin.clone());
    let id = BookingId::new(id);
    let booking = state.bookings().cancel(&acting.agent, id, origin).await?;
    reads::note_booking(&state, &acting, id, "booking.read").await?;
    Ok(Answer(booking.into()))
}

/// Makes a hold longer
///
/// As long as a new one from now, within its absolute end. For its buyer.
#[utoipa::path(
    post, path = "/bookings/{bookingId}/renew", operation_id = "renewBooking", tag = "Booking",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    responses((status = 200, description = "The booking as it is now.", body = BookingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "booking_expired", "invalid_state"]))),
)]
async fn renew_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<BookingBody>, Problem> {
    let (Acting { agent, origin }, Ids([id])) = (acting, ids);
    Ok(Answer(state.bookings().renew(&agent, BookingId::new(id), origin).await?.into()))
}
