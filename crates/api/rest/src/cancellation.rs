//! `/events/{eventId}/cancellation`: what the cancellation of an event costs, and how far it has come.

use application::payment::{Cancellation, CancellationState, RefundFigures};
use axum::Json as Answer;
use axum::extract::State;
use domain::EventId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Acting, Ids};
use crate::payments::RefundStatusBody;
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(get_cancellation))
}

/// What the cancellation of an event is about, and how far it has come. Sums are in the minor unit of the currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cancellation)]
pub(crate) struct CancellationBody {
    /// Where it stands.
    state: CancellationStateBody,
    /// Bookings that are held; they are to be cancelled.
    #[schema(minimum = 0, example = 12)]
    pending_bookings: u64,
    /// Bookings that are confirmed; they are to be cancelled.
    #[schema(minimum = 0, example = 340)]
    confirmed_bookings: u64,
    /// Bookings that were cancelled, for whatever reason.
    #[schema(minimum = 0, example = 3)]
    cancelled_bookings: u64,
    /// Payments that are not decided; what they bring after the cancellation goes back.
    #[schema(minimum = 0, example = 0)]
    open_payments: u64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// What payment providers have to give back of it.
    #[schema(minimum = 0, example = 1700000)]
    to_refund: i64,
    /// What the organizer took himself, and gives back himself.
    #[schema(minimum = 0, example = 5000)]
    to_hand_back: i64,
    /// What banks ask back: decided for the organizer, it goes back to the buyers.
    #[schema(minimum = 0, example = 0)]
    disputed: i64,
    /// What belongs nowhere yet, such as refunds that failed: see `GET /organizers/{organizerId}/payment-cases`.
    #[schema(minimum = 0, example = 0)]
    unsettled: i64,
    /// All refunds of the event, by where they stand; what there is none of is left out.
    refunds: Vec<RefundFiguresBody>,
}

/// Where the cancellation of an event stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CancellationState)]
pub(crate) enum CancellationStateBody {
    /// The event is not cancelled, or was put away since.
    NotCancelled,
    /// Bookings are being cancelled, payments are under way, or refunds are on theirs.
    Running,
    /// Nothing is booked any more, and nothing is on its way; a dispute may yet be decided.
    Done,
}

/// Refunds that stand at the same point.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefundFigures)]
pub(crate) struct RefundFiguresBody {
    /// Where.
    status: RefundStatusBody,
    /// How many.
    #[schema(minimum = 1, example = 340)]
    count: u64,
    /// Their sum.
    #[schema(minimum = 1, example = 1700000)]
    amount: i64,
}

impl From<CancellationState> for CancellationStateBody {
    fn from(state: CancellationState) -> Self {
        match state {
            CancellationState::NotCancelled => Self::NotCancelled,
            CancellationState::Running => Self::Running,
            CancellationState::Done => Self::Done,
        }
    }
}

impl From<&RefundFigures> for RefundFiguresBody {
    fn from(figures: &RefundFigures) -> Self {
        Self { status: figures.status.into(), count: figures.count, amount: figures.amount }
    }
}

impl From<Cancellation> for CancellationBody {
    fn from(Cancellation { state, zero, figures }: Cancellation) -> Self {
        Self {
            state: state.into(),
            pending_bookings: figures.pending,
            confirmed_bookings: figures.confirmed,
            cancelled_bookings: figures.cancelled,
            open_payments: figures.open_payments,
            currency: zero.currency.code().to_owned(),
            to_refund: figures.by_provider,
            to_hand_back: figures.by_hand,
            disputed: figures.disputed,
            unsettled: figures.unsettled,
            refunds: figures.refunds.iter().map(Into::into).collect(),
        }
    }
}

/// Shows what the cancellation of an event is about
///
/// Before `POST /events/{eventId}/cancel`: how many bookings would go, and how much money back. After it: how much of that
/// is left, and where the refunds stand. For its organizer. It adds all bookings up: ask every few seconds, not more often.
#[utoipa::path(
    get, path = "/events/{eventId}/cancellation", operation_id = "getCancellation", tag = "Catalog",
    params(("eventId" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "The figures.", body = CancellationBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_cancellation(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<CancellationBody>, Problem> {
    let Ids([event]) = ids;
    Ok(Answer(state.payments().cancellation(&acting.agent, EventId::new(event)).await?.into()))
}
