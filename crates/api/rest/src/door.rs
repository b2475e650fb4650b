//! `/events/{eventId}/check-ins`: letting in at the door.

use application::admission::{Presented, Shown};
use application::idempotency::Answer as Kept;
use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use domain::admission::{CheckIn, Scan, ScanResult, ScannedTicket, UnpaidBooking};
use domain::{CheckInId, CheckInListId, EventId, Problems};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::idempotency::IDEMPOTENCY_REPLAYED;
use crate::extract::{Acting, Ids, Keyed};
use crate::openapi::IdempotencyKeyHeader;
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(check_in)).routes(routes!(undo_check_in)).routes(routes!(exit_check_in))
}

/// What a scanner has read.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewCheckIn)]
pub(crate) struct PresentedBody {
    /// The text of the code, whatever it is; or the reference of a booking that is not paid yet.
    #[schema(example = "GT1:…")]
    code: String,
    /// By which check-in list; left out, by the one that every event has.
    list_id: Option<Uuid>,
    /// Where the scanner stands.
    #[schema(min_length = 1, max_length = 100, example = "North")]
    gate: Option<String>,
    /// When it has read the code, as it claims, from 1970 to 9999; the server's clock decides.
    at: Option<DateTime<Utc>>,
    /// What the door has taken for the booking, in minor units of its currency: all that is due, which is nothing where all of
    /// it came otherwise and waits. It is for who may confirm bookings.
    #[schema(minimum = 0, example = 5_000)]
    paid: Option<i64>,
}

/// What became of a code at the door.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Scan)]
pub(crate) struct ScanBody {
    /// The word.
    result: ScanResultBody,
    /// The ticket, where it is of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket: Option<ScannedTicketBody>,
    /// The entry that counts: by it, this one is undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    check_in_id: Option<Uuid>,
    /// When the ticket has let in somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    first_admitted_at: Option<DateTime<Utc>>,
    /// Where that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "North")]
    gate: Option<String>,
    /// The other tickets of a booking that was paid at the door, which have let in with this one; left out where there are
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    others: Vec<AdmittedBody>,
    /// The booking, where it is not paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    booking: Option<UnpaidBookingBody>,
}

/// A ticket that has let in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdmittedTicket)]
pub(crate) struct AdmittedBody {
    /// The ticket.
    ticket: ScannedTicketBody,
    /// Its entry.
    check_in_id: Uuid,
}

/// What the door sees of a booking that is not paid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnpaidBooking)]
pub(crate) struct UnpaidBookingBody {
    /// Its id.
    id: Uuid,
    /// What people call it.
    #[schema(example = "K7QW-2MXY")]
    reference: String,
    /// How many it lets in, once it is paid.
    #[schema(minimum = 1, example = 2)]
    units: u32,
    /// What is to be paid yet, in minor units of the currency.
    #[schema(minimum = 0, example = 5_000)]
    due: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// From then on its tickets are anybody's.
    held_until: DateTime<Utc>,
}

/// What becomes of a code at the door.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScanResult)]
pub(crate) enum ScanResultBody {
    /// Let in, now.
    Admitted,
    /// Its ticket has let in somebody before.
    AlreadyUsed,
    /// It was replaced by another code, or its ticket was taken back.
    Revoked,
    /// Its ticket is blocked for the time being.
    Blocked,
    /// Too early, too late, or the event is cancelled.
    NotValidNow,
    /// Its type does not enter by this list.
    NotOnList,
    /// It is a ticket of another event.
    WrongEvent,
    /// It is the reference of a booking that is held and not paid.
    Unpaid,
    /// It is no code of ours.
    Invalid,
}

/// What the door sees of a ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ScannedTicket)]
pub(crate) struct ScannedTicketBody {
    /// Its id.
    id: Uuid,
    /// Its type.
    ticket_type_id: Uuid,
    /// How the type is called.
    #[schema(example = "Standing")]
    ticket_type_name: String,
    /// Which unit of its booking, from 1.
    #[schema(minimum = 1, example = 1)]
    unit: u32,
}

/// An entry at the door.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckIn)]
pub(crate) struct CheckInBody {
    /// Its id.
    id: Uuid,
    /// With which ticket.
    ticket_id: Uuid,
    /// On which check-in list.
    list_id: Uuid,
    /// Where.
    #[schema(required, example = "North")]
    gate: Option<String>,
    /// When, by the clock of the server.
    at: DateTime<Utc>,
    /// When, as the scanner claimed.
    #[schema(required)]
    device_at: Option<DateTime<Utc>>,
    /// When who had entered went out again.
    #[schema(required)]
    exited_at: Option<DateTime<Utc>>,
    /// Since when it does not count.
    #[schema(required)]
    undone_at: Option<DateTime<Utc>>,
}

impl From<ScanResult> for ScanResultBody {
    fn from(result: ScanResult) -> Self {
        match result {
            ScanResult::Admitted => Self::Admitted,
            ScanResult::AlreadyUsed => Self::AlreadyUsed,
            ScanResult::Revoked => Self::Revoked,
            ScanResult::Blocked => Self::Blocked,
            ScanResult::NotValidNow => Self::NotValidNow,
            ScanResult::NotOnList => Self::NotOnList,
            ScanResult::WrongEvent => Self::WrongEvent,
            ScanResult::Invalid => Self::Invalid,
        }
    }
}

impl From<ScannedTicket> for ScannedTicketBody {
    fn from(ticket: ScannedTicket) -> Self {
        Self {
            id: ticket.id.uuid(),
            ticket_type_id: ticket.ticket_type.uuid(),
            ticket_type_name: ticket.type_name.as_str().to_owned(),
            unit: ticket.unit,
        }
    }
}

impl From<Scan> for ScanBody {
    fn from(Scan { result, ticket, check_in }: Scan) -> Self {
        Self {
            ticket: ticket.map(Into::into),
            check_in_id: check_in.as_ref().map(|entry| entry.id.uuid()),
            first_admitted_at: check_in.as_ref().map(|entry| entry.at),
            gate: check_in.and_then(|entry| entry.gate).map(|gate| gate.as_str().to_owned()),
            ..Self::bare(result.into())
        }
    }
}

impl ScanBody {
    /// The word alone.
    const fn bare(result: ScanResultBody) -> Self {
        Self {
            result,
            ticket: None,
            check_in_id: None,
            first_admitted_at: None,
            gate: None,
            others: Vec::new(),
            booking: None,
        }
    }
}

impl From<UnpaidBooking> for UnpaidBookingBody {
    fn from(booking: UnpaidBooking) -> Self {
        Self {
            id: booking.id.uuid(),
            reference: booking.reference.to_string(),
            units: booking.units,
            due: booking.due.minor,
            currency: booking.due.currency.to_string(),
            held_until: booking.held_until,
        }
    }
}

impl From<Shown> for ScanBody {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Scan(scan) => scan.into(),
            Shown::Unpaid(booking) => Self { booking: Some(booking.into()), ..Self::bare(ScanResultBody::Unpaid) },
            Shown::Paid(scans) => {
                let mut scans = scans.into_iter();
                let first = scans.next().unwrap_or_else(|| Scan::refused(ScanResult::Invalid));
                let other = |scan: Scan| {
                    let (ticket, entry) = scan.ticket.zip(scan.check_in)?;
                    Some(AdmittedBody { ticket: ticket.into(), check_in_id: entry.id.uuid() })
                };
                Self { others: scans.filter_map(other).collect(), ..first.into() }
            }
        }
    }
}

impl From<CheckIn> for CheckInBody {
    fn from(entry: CheckIn) -> Self {
        Self {
            id: entry.id.uuid(),
            ticket_id: entry.ticket.uuid(),
            list_id: entry.list.uuid(),
            gate: entry.gate.map(|gate| gate.as_str().to_owned()),
            at: entry.at,
            device_at: entry.device_at,
            exited_at: entry.exited_at,
            undone_at: entry.undone_at,
        }
    }
}

/// Lets in with a code
///
/// Each ticket once, or again after each exit where its check-in list says so; the result says why not. For members of the
/// organizer, scanners included, and keys that may `check-ins:write`. Who shows the reference of a booking that is held is
/// `unpaid`; where the door has taken what is due (`paid`), the booking is confirmed and all of its tickets let in, or
/// nothing changes. With an `Idempotency-Key` of its own for each reading, a scanner that did not hear the answer asks
/// again and hears the same; what let nobody in is decided anew.
#[utoipa::path(
    post, path = "/events/{eventId}/check-ins", operation_id = "checkIn", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event."), IdempotencyKeyHeader),
    request_body = PresentedBody,
    responses((
        status = 200, description = "What became of the code.", body = ScanBody,
        headers(("Idempotency-Replayed" = String, description = "`true` where this is the answer to an earlier request with this key.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "booking_expired", "forbidden", "invalid_state", "not_found", "price_changed", "validation_failed",
    ]))),
)]
async fn check_in(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    wish: Keyed<PresentedBody>,
) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let key = wish.key(&agent);
    let PresentedBody { code, list_id, gate, at, paid } = &wish.value;
    if at.is_some_and(|at| !(1970..=9999).contains(&at.year())) {
        return Err(Problems::one("at", "out_of_range", "must be in a year from 1970 to 9999").into());
    }
    // As all times of ours, in whole microseconds.
    let at = at.map(|at| at.trunc_subsecs(6));
    let presented = Presented { code, list: list_id.map(CheckInListId::new), gate: gate.as_deref(), at, paid: *paid };
    let Kept { value, replayed } =
        state.tickets().check_in(&agent, EventId::new(event), presented, key, origin).await?;
    let headers = replayed.then_some([(IDEMPOTENCY_REPLAYED, "true")]);
    Ok((headers, Answer(ScanBody::from(value))).into_response())
}

/// Undoes an entry
///
/// As if nobody had entered: the ticket lets in again. For owners and managers. One that was undone before stays as it is.
#[utoipa::path(
    post, path = "/events/{eventId}/check-ins/{checkInId}/undo", operation_id = "undoCheckIn", tag = "Tickets",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("checkInId" = Uuid, Path, description = "The entry: `checkInId` of the answer that let in."),
    ),
    responses((status = 200, description = "The entry as it is now.", body = CheckInBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn undo_check_in(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<CheckInBody>, Problem> {
    let (Acting { agent, origin }, Ids([event, entry])) = (acting, ids);
    let (event, entry) = (EventId::new(event), CheckInId::new(entry));
    Ok(Answer(state.tickets().undo_check_in(&agent, event, entry, origin).await?.into()))
}

/// Records an exit
///
/// Who had entered is outside again, and his ticket lets in once more; where its check-in list lets in once, there is no
/// exit. For whoever may let in. An exit that was recorded before stays as it is.
#[utoipa::path(
    post, path = "/events/{eventId}/check-ins/{checkInId}/exit", operation_id = "exitCheckIn", tag = "Tickets",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("checkInId" = Uuid, Path, description = "The entry: `checkInId` of the answer that let in, or of `already_used`."),
    ),
    responses((status = 200, description = "The entry as it is now.", body = CheckInBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn exit_check_in(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<CheckInBody>, Problem> {
    let (Acting { agent, origin }, Ids([event, entry])) = (acting, ids);
    let (event, entry) = (EventId::new(event), CheckInId::new(entry));
    Ok(Answer(state.tickets().exit_check_in(&agent, event, entry, origin).await?.into()))
}
