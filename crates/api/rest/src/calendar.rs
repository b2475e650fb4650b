//! `/events/{eventId}/event.ics`: an event for the calendars of those who come.

use application::catalog::{SeenEvent, calendar_file};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{EventPath, Visitor};
use crate::openapi::EventName;
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(get_calendar))
}

/// Shows an event as a calendar file
///
/// iCalendar (RFC 5545), its times in the zone of the event. Who takes in a newer file sees the changes, and that an event
/// was cancelled. For whom the event itself is.
#[utoipa::path(
    get, path = "/events/{eventId}/event.ics", operation_id = "getCalendar", tag = "Catalog",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug.")),
    responses((status = 200, description = "The calendar file.", body = String, content_type = "text/calendar")),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn get_calendar(State(state): State<AppState>, visitor: Visitor, event: EventPath) -> Result<Response, Problem> {
    let SeenEvent { seen, inside } = state.catalog().event(&visitor.agent, &event.0).await?;
    let about = [
        (CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"event.ics\""),
        (CACHE_CONTROL, if inside { "private, no-store" } else { "public, max-age=1" }),
    ];
    Ok((about, calendar_file(&seen.sale.event)).into_response())
}
