//! `/waiting-list` and `/events/{eventId}/waiting-list`: waiting for what is sold out.

use application::booking::{JoinWaitingList, SeenEntry};
use axum::Json as Answer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::booking::{CloseReason, EntryState, EntryStatus};
use domain::{BookingId, EventId, Problems, TicketTypeId, WaitingListEntryId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, Admitted, EventPath, Ids, Keyed, Params};
use crate::openapi::{EventName, IdempotencyKeyHeader};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::reads;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(join_waiting_list, list_event_waiting_list))
        .routes(routes!(list_my_waiting_list))
        .routes(routes!(get_waiting_list_entry))
        .routes(routes!(withdraw_from_waiting_list))
}

/// Somebody waits for tickets, or has.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WaitingListEntry)]
pub(crate) struct WaitingListEntryBody {
    /// Its id.
    id: Uuid,
    /// Its event.
    event_id: Uuid,
    /// For which ticket type.
    ticket_type_id: Uuid,
    /// For how many tickets.
    #[schema(minimum = 1, example = 2)]
    quantity: u32,
    /// Whose it is.
    user_id: Uuid,
    /// Its place in the order in which people came to the event.
    #[schema(minimum = 1, example = 17)]
    number: u64,
    /// Where it stands.
    status: WaitingListStatusBody,
    /// Why nothing can be offered any more; left out where it is not closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<CloseReasonBody>,
    /// The booking by which tickets were offered; null as long as none were.
    #[schema(required)]
    booking_id: Option<Uuid>,
    /// Until when the offer holds, or held; null as long as there was none.
    #[schema(required)]
    offer_expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Where an entry of a waiting list stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WaitingListStatus)]
pub(crate) enum WaitingListStatusBody {
    /// Nothing has come back yet, or not enough.
    Waiting,
    /// The booking `bookingId` holds the tickets until `offerExpiresAt`.
    Offered,
    /// The offer was taken.
    Purchased,
    /// The offer was not taken in time.
    Expired,
    /// Taken back, or the offer given back.
    Withdrawn,
    /// Nothing can be offered any more; `reason` says why.
    Closed,
}

/// Why nothing can be offered to somebody any more.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WaitingListCloseReason)]
pub(crate) enum CloseReasonBody {
    /// The event or the ticket type is not sold any more, or not without a code.
    SalesClosed,
    /// It would be more than one buyer may have, or another number than can be booked together by now.
    LimitExceeded,
    /// The account is gone.
    AccountDeleted,
}

impl From<EntryStatus> for WaitingListStatusBody {
    fn from(status: EntryStatus) -> Self {
        match status {
            EntryStatus::Waiting => Self::Waiting,
            EntryStatus::Offered => Self::Offered,
            EntryStatus::Purchased => Self::Purchased,
            EntryStatus::Expired => Self::Expired,
            EntryStatus::Withdrawn => Self::Withdrawn,
            EntryStatus::Closed => Self::Closed,
        }
    }
}

impl From<CloseReason> for CloseReasonBody {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::SalesClosed => Self::SalesClosed,
            CloseReason::LimitExceeded => Self::LimitExceeded,
            CloseReason::AccountDeleted => Self::AccountDeleted,
        }
    }
}

impl From<SeenEntry> for WaitingListEntryBody {
    fn from(SeenEntry { entry, status, offer_expires_at }: SeenEntry) -> Self {
        Self {
            id: entry.id.uuid(),
            event_id: entry.event.uuid(),
            ticket_type_id: entry.ticket_type.uuid(),
            quantity: entry.quantity,
            user_id: entry.buyer.uuid(),
            number: entry.number,
            status: status.into(),
            reason: match entry.state {
                EntryState::Closed(reason) => Some(reason.into()),
                EntryState::Waiting | EntryState::Offered(_) | EntryState::Withdrawn => None,
            },
            booking_id: entry.booking().map(BookingId::uuid),
            offer_expires_at,
            created_at: entry.created_at,
        }
    }
}

/// What to wait for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = JoinWaitingList)]
pub(crate) struct JoinWaitingListBody {
    /// Which ticket type; may be left out where the event has one.
    ticket_type_id: Option<Uuid>,
    /// How many tickets, all of them or none; one if it is left out.
    #[schema(minimum = 1, maximum = 4_294_967_295_i64, example = 2)]
    quantity: Option<i64>,
}

impl TryFrom<JoinWaitingListBody> for JoinWaitingList {
    type Error = Problems;

    fn try_from(body: JoinWaitingListBody) -> Result<Self, Problems> {
        let quantity = u32::try_from(body.quantity.unwrap_or(1)).ok().filter(|quantity| *quantity > 0);
        let wrong = || Problems::one("quantity", "out_of_range", format!("must be between 1 and {}", u32::MAX));
        Ok(Self { ticket_type: body.ticket_type_id.map(TicketTypeId::new), quantity: quantity.ok_or_else(wrong)? })
    }
}

/// Waits for tickets that are sold out
///
/// What comes back is offered to who waits before anybody else can book it, in the order in which they came: by a booking that
/// holds the tickets for `offerSeconds` of the event, and a mail. Where there are tickets, they are to be booked
/// (`invalid_state`), as where the event has no waiting list.
#[utoipa::path(
    post, path = "/events/{eventId}/waiting-list", operation_id = "joinWaitingList", tag = "Booking",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug."), IdempotencyKeyHeader),
    request_body = JoinWaitingListBody,
    responses((status = 201, description = "The entry.", body = WaitingListEntryBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "not_found", "already_exists", "invalid_state", "sales_closed", "limit_exceeded", "validation_failed"
    ]))),
)]
async fn join_waiting_list(
    State(state): State<AppState>,
    _: Admitted,
    acting: Acting,
    event: EventPath,
    wish: Keyed<JoinWaitingListBody>,
) -> Result<Created<WaitingListEntryBody>, Problem> {
    let Acting { agent, origin } = acting;
    let key = wish.key(&agent);
    let wish = JoinWaitingList::try_from(wish.value)?;
    let joined = state.bookings().join_waiting_list(&agent, &event.0, wish, key, origin).await?;
    let location = format!("/api/v1/waiting-list/{}", joined.value.entry.id);
    Ok(Created::at(location, joined.value.into(), joined.replayed))
}

/// Which page of entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitingListQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the waiting list of an event
///
/// In the order in which people came, those who wait no longer included. For its organizer.
#[utoipa::path(
    get, path = "/events/{eventId}/waiting-list", operation_id = "listEventWaitingList", tag = "Booking",
    params(("eventId" = Uuid, Path, description = "The event."), WaitingListQuery),
    responses((status = 200, description = "One page of entries.", body = Page<WaitingListEntryBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_event_waiting_list(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<WaitingListQuery>,
) -> Result<Answer<Page<WaitingListEntryBody>>, Problem> {
    let Ids([event]) = ids;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::WhoWaits, &cursor)).transpose()?;
    // The place in the order stands where other lists have a time.
    let after = after.and_then(|cursor| u64::try_from(cursor.micros).ok());
    let found = state.bookings().event_waiting_list(&acting.agent, EventId::new(event), after, limit).await?;
    if let Some(first) = found.items.first() {
        reads::note(&state, &acting.origin, Some(first.entry.organizer), ("waiting_list.listed", "event", event));
    }
    let cursor = |last: &SeenEntry| Cursor {
        list: List::WhoWaits,
        micros: i64::try_from(last.entry.number).unwrap_or(i64::MAX),
        id: last.entry.id.uuid(),
    };
    Ok(Answer(Page::of(found, cursor, WaitingListEntryBody::from)))
}

/// Lists what the caller waits for
///
/// Newest first, with what has become of it.
#[utoipa::path(
    get, path = "/waiting-list", operation_id = "listMyWaitingList", tag = "Booking",
    params(WaitingListQuery),
    responses((status = 200, description = "One page of entries.", body = Page<WaitingListEntryBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn list_my_waiting_list(
    State(state): State<AppState>,
    acting: Acting,
    Params(query): Params<WaitingListQuery>,
) -> Result<Answer<Page<WaitingListEntryBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before = query.cursor.map(|cursor| Cursor::decode(List::MyWaiting, &cursor)).transpose()?;
    let before = before.map(|cursor| WaitingListEntryId::new(cursor.id));
    let found = state.bookings().my_waiting_list(&acting.agent, before, limit).await?;
    let cursor = |last: &SeenEntry| Cursor::behind(List::MyWaiting, last.entry.id.uuid());
    Ok(Answer(Page::of(found, cursor, WaitingListEntryBody::from)))
}

/// Shows an entry of a waiting list
///
/// The caller's own, or one of his organizer.
#[utoipa::path(
    get, path = "/waiting-list/{entryId}", operation_id = "getWaitingListEntry", tag = "Booking",
    params(("entryId" = Uuid, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = WaitingListEntryBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn get_waiting_list_entry(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<WaitingListEntryBody>, Problem> {
    let Ids([id]) = ids;
    let seen = state.bookings().waiting_list_entry(&acting.agent, WaitingListEntryId::new(id)).await?;
    reads::note_entry(&state, &acting, &seen.entry);
    Ok(Answer(seen.into()))
}

/// Waits no longer
///
/// What was offered is given back by it, and offered to who waits next. By who waits, or by the organizer. One that was
/// withdrawn stays as it is.
#[utoipa::path(
    post, path = "/waiting-list/{entryId}/withdraw", operation_id = "withdrawFromWaitingList", tag = "Booking",
    params(("entryId" = Uuid, Path, description = "The entry.")),
    responses((status = 200, description = "The entry as it is now.", body = WaitingListEntryBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "booking_expired", "invalid_state"]))),
)]
async fn withdraw_from_waiting_list(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<WaitingListEntryBody>, Problem> {
    let (Acting { agent, origin }, Ids([id])) = (acting, ids);
    let id = WaitingListEntryId::new(id);
    Ok(Answer(state.bookings().withdraw_from_waiting_list(&agent, id, origin).await?.into()))
}
