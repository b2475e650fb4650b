//! `/events`: what is for sale.

use std::sync::Arc;

use application::access::Agent;
use application::catalog::{CreateEvent, EventCursor, EventFilter, SeenEvent, SeenSale};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::booking::SaleChange;
use domain::catalog::{EventEdit, EventStatus, StatusChange};
use domain::{EventId, OrganizerId, Problems, Text, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, EventPath, Ids, IfMatch, Json, Keyed, Params, Visitor};
use crate::openapi::{EventName, IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader};
use crate::page::{self, Cursor, List, Page};
use crate::pools::PoolBody;
use crate::prices::{NewPricingBody, PricingBody};
use crate::problem::Problem;
use crate::rendered::Moment;
use crate::state::AppState;
use crate::ticket_types::{NewTicketTypeBody, TicketTypeBody};
use crate::{patch, rendered, time};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(create_event, list_events))
        .routes(routes!(get_event, edit_event, delete_event))
        .routes(routes!(publish_event))
        .routes(routes!(pause_event))
        .routes(routes!(resume_event))
        .routes(routes!(cancel_event))
        .routes(routes!(archive_event))
}

/// An event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub(crate) struct EventBody {
    /// Its id.
    id: Uuid,
    /// Its tenant.
    organizer_id: Uuid,
    /// Its name in addresses; it can stand wherever its id can be read.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "autumn-gala-k3v9w7q")]
    slug: String,
    /// As buyers read it.
    #[schema(example = "Autumn Gala")]
    name: String,
    /// What it is about.
    #[schema(example = "Two sets and an interval.", required)]
    description: Option<String>,
    /// Where it is.
    #[schema(required, example = "Klub Stodoła, Warszawa")]
    venue: Option<String>,
    /// The IANA zone in which its people read its times.
    #[schema(example = "Europe/Warsaw")]
    timezone: String,
    /// The ISO 4217 currency of its prices.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// When it begins.
    start_at: DateTime<Utc>,
    /// When it ends; sales end here at the latest.
    end_at: DateTime<Utc>,
    /// For how many seconds a booking holds its tickets.
    #[schema(minimum = 1, maximum = 86_400, example = 900)]
    hold_seconds: i64,
    /// Taxes and fees; null: tickets cost what their prices say.
    #[schema(required)]
    pricing: Option<PricingBody>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it.
    blocks_disputed: bool,
    /// Whether people may wait for what is sold out.
    waiting_list: bool,
    /// For how many seconds an offer to who waits holds its tickets.
    #[schema(minimum = 900, maximum = 604_800, example = 86_400)]
    offer_seconds: i64,
    /// Where it stands.
    status: EventStatusBody,
    /// Counts the changes of its settings, not sales; for `If-Match`.
    #[schema(example = 3, minimum = 1)]
    version: u64,
    /// What is sold.
    ticket_types: Vec<TicketTypeBody>,
    /// Capacity that several ticket types share.
    pools: Vec<PoolBody>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When its settings changed last.
    updated_at: DateTime<Utc>,
}

/// Where an event stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EventStatus)]
pub(crate) enum EventStatusBody {
    /// Only its organizer sees it.
    Draft,
    /// For sale, within the sales periods of its ticket types.
    Published,
    /// Seen, but not sold at the moment.
    Paused,
    /// Will not take place.
    Cancelled,
    /// Its end is past.
    Ended,
    /// Put away.
    Archived,
}

impl From<EventStatus> for EventStatusBody {
    fn from(status: EventStatus) -> Self {
        match status {
            EventStatus::Draft => Self::Draft,
            EventStatus::Published => Self::Published,
            EventStatus::Paused => Self::Paused,
            EventStatus::Cancelled => Self::Cancelled,
            EventStatus::Ended => Self::Ended,
            EventStatus::Archived => Self::Archived,
        }
    }
}

impl EventBody {
    /// As those see it who see everything (`inside`), or as the public does.
    fn of(seen: &SeenSale, inside: bool, now: Timestamp) -> Self {
        let sale = &seen.sale;
        let event = &sale.event;
        let terms = &event.terms;
        let shown = sale.ticket_types.iter().filter(|ticket_type| inside || !ticket_type.hidden);
        Self {
            id: event.id.uuid(),
            organizer_id: event.organizer.uuid(),
            slug: event.slug.as_str().to_owned(),
            name: terms.name.as_str().to_owned(),
            description: terms.description.as_ref().map(|text| text.as_str().to_owned()),
            venue: terms.venue.as_ref().map(|text| text.as_str().to_owned()),
            timezone: terms.timezone.name().to_owned(),
            currency: event.currency.code().to_owned(),
            start_at: terms.start_at,
            end_at: terms.end_at,
            hold_seconds: terms.hold.num_seconds(),
            pricing: event.pricing().map(|pricing| PricingBody::of(pricing, inside)),
            blocks_disputed: terms.blocks_disputed,
            waiting_list: terms.waiting_list,
            offer_seconds: terms.offer.num_seconds(),
            status: event.status_at(now).into(),
            version: event.version,
            ticket_types: shown.map(|ticket_type| TicketTypeBody::of(sale, ticket_type, now)).collect(),
            pools: sale.pools.iter().filter(|pool| pool.shared).map(PoolBody::from).collect(),
            created_at: event.created_at,
            updated_at: event.updated_at,
        }
    }
}

/// Answers a change with what it has made.
pub(crate) fn changed<T: Serialize>(request: &HeaderMap, seen: &SeenSale, now: Timestamp, body: &T) -> Response {
    let etag = rendered::etag(seen, Moment::of(&seen.sale, now));
    rendered::answer(request, &etag, HeaderValue::from_static("no-store"), || rendered::write(body))
}

/// A new event.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateEvent)]
pub(crate) struct CreateEventBody {
    /// As buyers read it.
    #[schema(min_length = 1, max_length = 200, example = "Autumn Gala")]
    name: String,
    /// What it is about.
    #[schema(example = "Two sets and an interval.", min_length = 1, max_length = 10_000)]
    description: Option<String>,
    /// Where it is.
    #[schema(min_length = 1, max_length = 200, example = "Klub Stodoła, Warszawa")]
    venue: Option<String>,
    /// A name of the IANA time zone database.
    #[schema(example = "Europe/Warsaw")]
    timezone: Option<String>,
    /// An ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: Option<String>,
    /// When it begins.
    #[serde(deserialize_with = "time::required")]
    #[schema(example = "2030-11-21T18:00:00Z")]
    start_at: DateTime<Utc>,
    /// When it ends.
    #[serde(deserialize_with = "time::required")]
    #[schema(example = "2030-11-21T22:00:00Z")]
    end_at: DateTime<Utc>,
    /// For how many seconds a booking holds its tickets.
    #[schema(minimum = 1, maximum = 86_400, example = 900)]
    hold_seconds: Option<i64>,
    /// Taxes and fees.
    pricing: Option<NewPricingBody>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it; if it is left out, the
    /// ticket lets in all the same.
    blocks_disputed: Option<bool>,
    /// Whether people may wait for what is sold out; if it is left out, they may not.
    waiting_list: Option<bool>,
    /// For how many seconds an offer to who waits holds its tickets, never beyond the end of sales.
    #[schema(minimum = 900, maximum = 604_800, default = 86_400, example = 86_400)]
    offer_seconds: Option<i64>,
    /// Whose event it is; the caller's only organizer if it is left out, and a new one if he has none.
    organizer_id: Option<Uuid>,
    /// What is sold.
    #[schema(max_items = 100)]
    ticket_types: Option<Vec<NewTicketTypeBody>>,
    /// In short, instead of `ticketTypes`: the price of the one type «General admission».
    #[schema(minimum = 0, maximum = 100_000_000_000_i64, example = 2500)]
    price: Option<i64>,
    /// In short, with `price`: how many there are; null or left out: unlimited.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100_000_000, example = 650)]
    capacity: Option<Option<i64>>,
}

impl TryFrom<CreateEventBody> for CreateEvent {
    type Error = Problems;

    fn try_from(body: CreateEventBody) -> Result<Self, Problems> {
        let ticket_types = match (body.ticket_types, body.price, body.capacity) {
            (None, None, None) => Vec::new(),
            (Some(listed), None, None) => listed.into_iter().map(Into::into).collect(),
            (None, Some(price), capacity) => vec![NewTicketTypeBody::general_admission(price, capacity.flatten())],
            (None, None, Some(_)) => return Err(Problems::one("price", "required", "must be given with capacity")),
            (Some(_), _, _) => {
                return Err(Problems::one("ticketTypes", "ambiguous", "must not be given with price or capacity"));
            }
        };
        Ok(Self {
            name: body.name,
            description: body.description,
            venue: body.venue,
            timezone: body.timezone,
            currency: body.currency,
            start_at: body.start_at,
            end_at: body.end_at,
            hold_seconds: body.hold_seconds,
            pricing: body.pricing.map(Into::into),
            blocks_disputed: body.blocks_disputed,
            waiting_list: body.waiting_list,
            offer_seconds: body.offer_seconds,
            organizer: body.organizer_id.map(OrganizerId::new),
            ticket_types,
        })
    }
}

/// Makes an event
///
/// It is a draft until it is published. In short, `price` and `capacity` make one ticket type «General admission».
#[utoipa::path(
    post, path = "/events", operation_id = "createEvent", tag = "Catalog",
    params(IdempotencyKeyHeader),
    request_body = CreateEventBody,
    responses((status = 201, description = "The event.", body = EventBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "already_exists", "invalid_state", "validation_failed"
    ]))),
)]
async fn create_event(
    State(state): State<AppState>,
    acting: Acting,
    wish: Keyed<CreateEventBody>,
) -> Result<Created<EventBody>, Problem> {
    let Acting { agent, origin } = acting;
    let key = wish.key(&agent);
    let wish = CreateEvent::try_from(wish.value)?;
    let made = state.catalog().create_event(&agent, wish, key.as_ref(), &origin).await?;
    let (seen, now) = (&made.value, state.catalog().now());
    let location = format!("/api/v1/events/{}", seen.sale.event.id);
    let etag = rendered::etag(seen, Moment::of(&seen.sale, now));
    Ok(Created::at(location, EventBody::of(seen, true, now), made.replayed).with_etag(etag))
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Words that the name contains, without regard to case.
    #[param(max_length = 100, example = "gala")]
    q: Option<String>,
    /// Events that end after this instant; now by default.
    #[serde(default, deserialize_with = "time::settable")]
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<DateTime<Utc>>,
    /// Events that begin before this instant.
    #[serde(default, deserialize_with = "time::settable")]
    #[param(value_type = Option<DateTime<Utc>>)]
    to: Option<DateTime<Utc>>,
    /// Events of one organizer.
    organizer_id: Option<Uuid>,
    /// Events in this status. Everybody may ask for `published` and `paused`; the others are for members, who see
    /// those of their organizers.
    #[param(inline)]
    status: Option<StoredStatusBody>,
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A status that one can ask for; that an event has ended, its times say.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoredStatusBody {
    /// Only its organizer sees it.
    Draft,
    /// For sale.
    Published,
    /// Not sold at the moment.
    Paused,
    /// Will not take place.
    Cancelled,
    /// Put away.
    Archived,
}

impl From<StoredStatusBody> for EventStatus {
    fn from(status: StoredStatusBody) -> Self {
        match status {
            StoredStatusBody::Draft => Self::Draft,
            StoredStatusBody::Published => Self::Published,
            StoredStatusBody::Paused => Self::Paused,
            StoredStatusBody::Cancelled => Self::Cancelled,
            StoredStatusBody::Archived => Self::Archived,
        }
    }
}

const QUERY_CHARS_MAX: usize = 100;

/// Lists events
///
/// Published ones that have not ended, soonest first; organizers see their own drafts with `status=draft`.
#[utoipa::path(
    get, path = "/events", operation_id = "listEvents", tag = "Catalog",
    params(EventsQuery),
    responses((
        status = 200, description = "One page of events.", body = Page<EventBody>,
        headers(("Cache-Control" = String, description = "`public, max-age=1` without a login.")),
    )),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn list_events(
    State(state): State<AppState>,
    visitor: Visitor,
    Params(query): Params<EventsQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.as_deref().map(|cursor| Cursor::decode(List::Events, cursor)).transpose()?;
    let after = after.map(event_cursor).transpose()?;
    let words = query.q.as_deref().filter(|words| !words.trim().is_empty());
    let words = words.map(|words| Text::parse("q", words, QUERY_CHARS_MAX)).transpose()?;
    let filter = EventFilter {
        query: words.map(|words| words.as_str().to_owned()),
        from: query.from,
        to: query.to,
        organizer: query.organizer_id.map(OrganizerId::new),
        statuses: query.status.into_iter().map(EventStatus::from).collect(),
        inside: None,
    };
    let now = state.catalog().now();
    let found = state.catalog().events(&visitor.agent, filter, after, limit).await?;
    let cursor = |last: &SeenEvent| {
        let event = &last.seen.sale.event;
        Cursor { list: List::Events, micros: event.terms.start_at.timestamp_micros(), id: event.id.uuid() }
    };
    let page = Page::of(found, cursor, |it| EventBody::of(&it.seen, it.inside, now));
    let caching = if visitor.agent == Agent::Anonymous { "public, max-age=1" } else { "no-store" };
    Ok(([(CACHE_CONTROL, caching)], Answer(page)).into_response())
}

fn event_cursor(cursor: Cursor) -> Result<EventCursor, Problem> {
    let start_at = DateTime::from_timestamp_micros(cursor.micros);
    let start_at = start_at.ok_or_else(|| Problem::malformed("the cursor is none of this list"))?;
    Ok(EventCursor { start_at, id: EventId::new(cursor.id) })
}

/// Shows an event
///
/// Stale by a second at the most. Drafts and archived events are for their organizer.
#[utoipa::path(
    get, path = "/events/{eventId}", operation_id = "getEvent", tag = "Catalog",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug."), IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "The event.", body = EventBody,
            headers(
                ("ETag" = String, description = "Weak; covers settings and stock."),
                ("Cache-Control" = String, description = "`public, max-age=1` for what everybody sees."),
            ),
        ),
        (
            status = 304, description = "It is as the caller knows it.",
            headers(("ETag" = String, description = "Weak; covers settings and stock.")),
        ),
    ),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn get_event(
    State(state): State<AppState>,
    visitor: Visitor,
    event: EventPath,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let SeenEvent { seen, inside } = state.catalog().event(&visitor.agent, &event.0).await?;
    let now = state.catalog().now();
    let moment = Moment::of(&seen.sale, now);
    let body = || EventBody::of(&seen, inside, now);
    Ok(if inside {
        rendered::answer_privately(&request, &seen, moment, body)
    } else {
        state.event_pages().answer(&request, &seen, moment, body)
    })
}

/// A change of an event: what is left out stays, null empties.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EditEvent)]
pub(crate) struct EditEventBody {
    /// As buyers read it.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Autumn Gala")]
    name: Option<String>,
    /// What it is about.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(example = "Two sets and an interval.", value_type = Option<String>, min_length = 1, max_length = 10_000)]
    description: Option<Option<String>>,
    /// Where it is.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Klub Stodoła, Warszawa")]
    venue: Option<Option<String>>,
    /// A name of the IANA time zone database.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, example = "Europe/Warsaw")]
    timezone: Option<String>,
    /// When it begins.
    #[serde(default, deserialize_with = "time::settable")]
    #[schema(nullable = false, value_type = Option<DateTime<Utc>>, example = "2030-11-21T18:00:00Z")]
    start_at: Option<DateTime<Utc>>,
    /// When it ends.
    #[serde(default, deserialize_with = "time::settable")]
    #[schema(nullable = false, value_type = Option<DateTime<Utc>>, example = "2030-11-21T22:00:00Z")]
    end_at: Option<DateTime<Utc>>,
    /// For how many seconds a booking holds its tickets; those that are held keep their time.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, minimum = 1, maximum = 86_400, example = 900)]
    hold_seconds: Option<i64>,
    /// Taxes and fees, as a whole; bookings that were made keep theirs.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<NewPricingBody>)]
    pricing: Option<Option<NewPricingBody>>,
    /// Whether a ticket lets in nobody while a bank asks back what paid it, and after it has got it; for disputes from then on.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    blocks_disputed: Option<bool>,
    /// Whether people may wait for what is sold out; who waits already still does.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    waiting_list: Option<bool>,
    /// For how many seconds an offer to who waits holds its tickets; those that are offered keep their time.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, minimum = 900, maximum = 604_800, example = 86_400)]
    offer_seconds: Option<i64>,
}

impl From<EditEventBody> for EventEdit {
    fn from(body: EditEventBody) -> Self {
        Self {
            name: body.name,
            description: body.description,
            venue: body.venue,
            timezone: body.timezone,
            start_at: body.start_at,
            end_at: body.end_at,
            hold_seconds: body.hold_seconds,
            pricing: body.pricing.map(|pricing| pricing.map(Into::into)),
            blocks_disputed: body.blocks_disputed,
            waiting_list: body.waiting_list,
            offer_seconds: body.offer_seconds,
        }
    }
}

/// Changes an event
#[utoipa::path(
    patch, path = "/events/{eventId}", operation_id = "editEvent", tag = "Catalog",
    params(("eventId" = Uuid, Path, description = "The event."), IfMatchHeader),
    request_body = EditEventBody,
    responses((
        status = 200, description = "The event as it is now.", body = EventBody,
        headers(("ETag" = String, description = "Weak; covers settings and stock.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "invalid_state", "precondition_failed", "validation_failed"
    ]))),
)]
async fn edit_event(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    version: IfMatch,
    Json(wish): Json<EditEventBody>,
) -> Result<Response, Problem> {
    change(&state, acting, ids, version, SaleChange::EditEvent(wish.into())).await
}

/// Deletes an event
///
/// Only one that nobody has ever booked; others are archived.
#[utoipa::path(
    delete, path = "/events/{eventId}", operation_id = "deleteEvent", tag = "Catalog",
    params(("eventId" = Uuid, Path, description = "The event."), IfMatchHeader),
    responses((status = 204, description = "It is gone.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "precondition_failed"]))),
)]
async fn delete_event(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    state.catalog().delete_event(&agent, EventId::new(event), version, origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    state: &AppState,
    acting: Acting,
    ids: Ids<1>,
    IfMatch(version): IfMatch,
    change: SaleChange,
) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let changed = state.catalog().change_event(&agent, EventId::new(event), change, version, None, origin).await?;
    let seen: Arc<SeenSale> = changed.value;
    let now = state.catalog().now();
    Ok(self::changed(&HeaderMap::new(), &seen, now, &EventBody::of(&seen, true, now)))
}

/// A step in the life of an event: each has an address of its own.
macro_rules! step {
    ($handler:ident, $path:literal, $id:literal, $change:expr, $summary:literal, $description:literal) => {
        #[doc = $summary]
        #[doc = ""]
        #[doc = $description]
        #[utoipa::path(
            post, path = $path, operation_id = $id, tag = "Catalog",
            params(("eventId" = Uuid, Path, description = "The event."), IfMatchHeader),
            responses((
                status = 200, description = "The event as it is now.", body = EventBody,
                headers(("ETag" = String, description = "Weak; covers settings and stock.")),
            )),
            security(("bearer" = [])),
            extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "precondition_failed"]))),
        )]
        async fn $handler(
            State(state): State<AppState>,
            acting: Acting,
            ids: Ids<1>,
            version: IfMatch,
        ) -> Result<Response, Problem> {
            change(&state, acting, ids, version, SaleChange::Step($change)).await
        }
    };
}

step!(
    publish_event,
    "/events/{eventId}/publish",
    "publishEvent",
    StatusChange::Publish,
    "Publishes a draft",
    "It needs a ticket type that can be sold and an end in the future. A published one stays as it is."
);
step!(
    pause_event,
    "/events/{eventId}/pause",
    "pauseEvent",
    StatusChange::Pause,
    "Stops the sale of an event for a while",
    "It is still seen. A paused one stays as it is."
);
step!(
    resume_event,
    "/events/{eventId}/resume",
    "resumeEvent",
    StatusChange::Resume,
    "Goes on with the sale of a paused event",
    "One that is on sale stays as it is."
);
step!(
    cancel_event,
    "/events/{eventId}/cancel",
    "cancelEvent",
    StatusChange::Cancel,
    "Cancels an event for good",
    "Nothing is sold from then on. In the next seconds and minutes all that is booked is cancelled, and all that was \
     paid goes back: `GET /events/{eventId}/cancellation` tells beforehand what that comes to, and then how far it is. \
     A cancelled one stays as it is."
);
step!(
    archive_event,
    "/events/{eventId}/archive",
    "archiveEvent",
    StatusChange::Archive,
    "Puts an event away for good",
    "Only its organizer sees it from then on. An archived one stays as it is."
);
