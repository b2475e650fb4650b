//! `/events/{eventId}/availability`: how much is left, at one moment and as it changes.

use std::sync::Arc;
use std::time::Duration;

use application::access::Agent;
use application::catalog::{EventRef, SeenEvent, SeenSale};
use application::error::AppError;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures::FutureExt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{EventPath, Visitor};
use crate::live::{self, Pass, Told};
use crate::openapi::{EventName, IfNoneMatchHeader};
use crate::problem::Problem;
use crate::rendered;
use crate::rendered::Moment;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(get_availability)).routes(routes!(watch_availability))
}

/// How much is left of an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Availability)]
pub(crate) struct AvailabilityBody {
    /// Of each ticket type that the caller sees.
    ticket_types: Vec<StockBody>,
}

/// How much is left of a ticket type.
#[derive(Serialize, ToSchema)]
#[schema(as = Stock)]
pub(crate) struct StockBody {
    /// Which.
    id: Uuid,
    /// How many there are; null is unlimited.
    #[schema(required, minimum = 0, example = 400)]
    capacity: Option<u32>,
    /// Units of pending bookings.
    #[schema(example = 12)]
    held: u32,
    /// Units of confirmed bookings.
    #[schema(example = 265)]
    sold: u32,
    /// How many can be booked now, shared pools included; null is unlimited.
    #[schema(required, minimum = 0, example = 123)]
    available: Option<u32>,
}

impl AvailabilityBody {
    fn of(seen: &SeenSale, inside: bool) -> Self {
        let sale = &seen.sale;
        let shown = sale.ticket_types.iter().filter(|ticket_type| inside || !ticket_type.hidden);
        let stock = shown.map(|ticket_type| {
            let pool = sale.pool(ticket_type.own_pool);
            StockBody {
                id: ticket_type.id.uuid(),
                capacity: pool.and_then(|pool| pool.capacity),
                held: pool.map_or(0, |pool| pool.held),
                sold: pool.map_or(0, |pool| pool.sold),
                available: sale.available(ticket_type),
            }
        });
        Self { ticket_types: stock.collect() }
    }
}

/// Shows how much is left
///
/// Stale by a second at the most.
#[utoipa::path(
    get, path = "/events/{eventId}/availability", operation_id = "getAvailability", tag = "Booking",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug."), IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "What is left.", body = AvailabilityBody,
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
async fn get_availability(
    State(state): State<AppState>,
    visitor: Visitor,
    event: EventPath,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let SeenEvent { seen, inside } = state.catalog().event(&visitor.agent, &event.0).await?;
    let moment = Moment::of(&seen.sale, state.catalog().now());
    let body = || AvailabilityBody::of(&seen, inside);
    Ok(if inside {
        rendered::answer_privately(&request, &seen, moment, body)
    } else {
        state.availability_pages().answer(&request, &seen, moment, body)
    })
}

/// Tells how much is left, whenever it changes
///
/// A stream of server-sent events as the public sees them: `event: availability`, the version of the stock as `id`, and
/// as `data` what `getAvailability` answers. At most four a second, one above a thousand watchers; a comment every 15
/// seconds says that the line still holds. Who comes back with `Last-Event-ID` hears nothing until there is news.
#[utoipa::path(
    get, path = "/events/{eventId}/availability/stream", operation_id = "watchAvailability", tag = "Booking",
    params(
        ("eventId" = EventName, Path, description = "The id of the event, or its slug."),
        ("Last-Event-ID" = Option<String>, Header, example = "42", description = "The `id` of the last event that the caller got."),
    ),
    responses((
        status = 200, description = "The stream; it ends when the instance stops, and that of a draft with the credentials.",
        body = String, content_type = "text/event-stream",
    )),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn watch_availability(
    State(state): State<AppState>,
    visitor: Visitor,
    event: EventPath,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let SeenEvent { seen, inside } = state.catalog().event(&visitor.agent, &event.0).await?;
    let watcher = state.availability().watch(seen)?;
    let hidden = inside && state.catalog().event(&Agent::Anonymous, &event.0).await.is_err();
    let pass = hidden.then(|| pass(state.clone(), visitor, event.0));
    Ok(live::answer(&request, watcher, Told { name: "availability", write }, pass))
}

/// How often it is asked whether somebody still may who watches what not everybody may see.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// His credentials still hold and still open the event.
fn pass(state: AppState, visitor: Visitor, event: EventRef) -> Pass {
    let visitor = Arc::new(visitor);
    let holds = move || {
        let (state, visitor, event) = (state.clone(), Arc::clone(&visitor), event.clone());
        async move {
            let holds = visitor.still_holds(&state).await;
            let seen = state.catalog().event(&visitor.agent, &event).await;
            holds && !matches!(seen, Err(AppError::NotFound(_) | AppError::Forbidden | AppError::Unauthenticated))
        }
        .boxed()
    };
    Pass::new(LOOK_AGAIN, Box::new(holds))
}

fn write(seen: &Arc<SeenSale>) -> Bytes {
    rendered::write(&AvailabilityBody::of(seen, false))
}
