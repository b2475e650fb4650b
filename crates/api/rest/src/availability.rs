//! `/events/{eventId}/availability`: how much is left, at one moment and as it changes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use application::access::Agent;
use application::booking::{Frame, Watcher};
use application::catalog::{EventRef, SeenEvent, SeenSale};
use application::error::AppError;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures::stream::{self, Stream};
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{EventPath, Visitor};
use crate::openapi::{EventName, IfNoneMatchHeader};
use crate::problem::Problem;
use crate::rendered;
use crate::state::AppState;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

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
    let status = seen.sale.event.status_at(state.catalog().now());
    let body = || AvailabilityBody::of(&seen, inside);
    Ok(if inside {
        rendered::answer_privately(&request, &seen, status, body)
    } else {
        state.availability_pages().answer(&request, &seen, status, body)
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
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that the caller got."),
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
    let insider = hidden.then(|| Insider::new(state.clone(), visitor, event.0));
    let known = request.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let mut response = Response::new(Body::from_stream(frames(watcher, known, insider)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers before they pass them on leave this one alone.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The beginning of every stream: it makes proxies and browsers see that the line stands.
const HELLO: Bytes = Bytes::from_static(b"retry: 3000\n\n");
const HEARTBEAT: Bytes = Bytes::from_static(b": still here\n\n");

/// What one watcher keeps: his subscription and the version that he knows.
struct Watching {
    watcher: Watcher,
    insider: Option<Insider>,
    known: Option<u64>,
    greeted: bool,
}

/// Somebody who watches what not everybody may see: he sees it for as long as he may.
struct Insider {
    state: AppState,
    visitor: Visitor,
    event: EventRef,
    look_again: Interval,
}

/// How often it is asked whether he still may.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Insider {
    fn new(state: AppState, visitor: Visitor, event: EventRef) -> Self {
        let mut look_again = tokio::time::interval(LOOK_AGAIN);
        look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, visitor, event, look_again }
    }

    /// Whether his credentials still hold and still open the event. What cannot be asked at the moment is asked again.
    async fn may(&self) -> bool {
        let holds = self.visitor.still_holds(&self.state).await;
        let seen = self.state.catalog().event(&self.visitor.agent, &self.event).await;
        holds && !matches!(seen, Err(AppError::NotFound(_) | AppError::Forbidden | AppError::Unauthenticated))
    }
}

fn frames(
    watcher: Watcher,
    known: Option<u64>,
    insider: Option<Insider>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let watching = Watching { watcher, insider, known, greeted: false };
    stream::unfold(watching, |mut watching| async move {
        let bytes = watching.next().await?;
        Some((Ok(bytes), watching))
    })
}

impl Watching {
    /// The next bytes; none when the instance stops, or he may not see them any more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(HELLO);
        }
        if let Some(frame) = self.news() {
            return Some(frame);
        }
        loop {
            let Some(insider) = &mut self.insider else {
                self.watcher.signals.changed().await.ok()?;
                break;
            };
            tokio::select! {
                changed = self.watcher.signals.changed() => {
                    changed.ok()?;
                    break;
                }
                _ = insider.look_again.tick() => if !insider.may().await {
                    return None;
                },
            }
        }
        Some(self.news().unwrap_or(HEARTBEAT))
    }

    /// The newest frame, if he does not know it.
    fn news(&mut self) -> Option<Bytes> {
        let frame = Arc::clone(&self.watcher.signals.borrow_and_update().frame);
        let version = frame.seen.version;
        if self.known == Some(version) {
            return None;
        }
        self.known = Some(version);
        Some(encoded(&frame))
    }
}

/// The bytes of a frame, made by the first who needs them.
fn encoded(frame: &Frame) -> Bytes {
    let bytes = frame.encoded.get_or_init(|| encode(&frame.seen).into());
    Bytes::from_owner(Arc::clone(bytes))
}

fn encode(seen: &SeenSale) -> Vec<u8> {
    let data = rendered::write(&AvailabilityBody::of(seen, false));
    let mut text = String::with_capacity(data.len() + 64);
    // Writing to a string cannot fail; the JSON has no line breaks, so that one `data` holds it.
    let _ = write!(text, "id: {}\nevent: availability\ndata: ", seen.version);
    let mut frame = text.into_bytes();
    frame.extend_from_slice(&data);
    frame.extend_from_slice(b"\n\n");
    frame
}
