//! `/events/{eventId}/check-ins/live`: how many have come, as it changes.

use std::sync::Arc;
use std::time::Duration;

use application::admission::{DoorCounts, GateCount, ListCount};
use application::error::AppError;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::EventId;
use futures::FutureExt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{Ids, Visitor};
use crate::live::{self, Pass, Told};
use crate::problem::Problem;
use crate::rendered;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(watch_door))
}

/// How many have come.
#[derive(Serialize, ToSchema)]
#[schema(as = DoorCounts)]
pub(crate) struct DoorCountsBody {
    /// Of the check-in lists that are not put away: first the one that every event has, then oldest first.
    lists: Vec<ListCountBody>,
}

/// How many have come by a check-in list.
#[derive(Serialize, ToSchema)]
#[schema(as = DoorListCount)]
pub(crate) struct ListCountBody {
    /// The list.
    id: Uuid,
    /// What people call it.
    #[schema(example = "Main door")]
    name: String,
    /// Tickets that may enter by it.
    #[schema(example = 1_200)]
    expected: u64,
    /// Tickets that have let in somebody, each once.
    #[schema(example = 640)]
    admitted: u64,
    /// Those of them who have not gone out again.
    #[schema(example = 612)]
    inside: u64,
    /// By their gates: the most used first, at most 100, and then one without a name for all else.
    gates: Vec<GateCountBody>,
}

/// How many have come by a gate.
#[derive(Serialize, ToSchema)]
#[schema(as = DoorGateCount)]
pub(crate) struct GateCountBody {
    /// The gate; null: where nobody said one, and those behind the hundred most used.
    #[schema(required, example = "North")]
    gate: Option<String>,
    /// Tickets that have let in somebody for the first time there.
    #[schema(example = 318)]
    admitted: u64,
    /// Entries, those after an exit included.
    #[schema(example = 331)]
    entries: u64,
}

impl From<&DoorCounts> for DoorCountsBody {
    fn from(counts: &DoorCounts) -> Self {
        Self { lists: counts.lists.iter().map(Into::into).collect() }
    }
}

impl From<&ListCount> for ListCountBody {
    fn from(list: &ListCount) -> Self {
        let ListCount { id, name, expected, admitted, inside, gates } = list;
        Self {
            id: id.uuid(),
            name: name.as_str().to_owned(),
            expected: *expected,
            admitted: *admitted,
            inside: *inside,
            gates: gates.iter().map(Into::into).collect(),
        }
    }
}

impl From<&GateCount> for GateCountBody {
    fn from(gate: &GateCount) -> Self {
        let name = gate.gate.as_ref().map(|gate| gate.as_str().to_owned());
        Self { gate: name, admitted: gate.admitted, entries: gate.entries }
    }
}

/// How often it is asked whether a watcher still may.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

fn write(counts: &Arc<DoorCounts>) -> Bytes {
    rendered::write(&DoorCountsBody::from(&**counts))
}

/// Tells how many have come, whenever it changes
///
/// For whoever may let in there. A stream of server-sent events: `event: door`, the version of the event's stock and door as
/// `id`, and as `data` a `DoorCounts`: for each check-in list how many tickets may enter, have let in, and are inside, and the
/// same by gates. At most one a second, and fewer the longer it takes to count; a comment every 15 seconds says that the line
/// still holds. Who comes back with `Last-Event-ID` hears nothing until there is news.
#[utoipa::path(
    get, path = "/events/{eventId}/check-ins/live", operation_id = "watchDoor", tag = "Tickets",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("Last-Event-ID" = Option<String>, Header, example = "42", description = "The `id` of the last event that the caller got."),
    ),
    responses((
        status = 200, description = "The stream; it ends when the instance stops, and within seconds with the right to let in.",
        body = String, content_type = "text/event-stream",
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn watch_door(
    State(state): State<AppState>,
    visitor: Visitor,
    ids: Ids<1>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Ids([event]) = ids;
    let event = EventId::new(event);
    if visitor.is_anonymous() {
        return Err(AppError::Unauthenticated.into());
    }
    let watcher = state.door_counters().watch(&visitor.agent, event).await?;
    let visitor = Arc::new(visitor);
    let holds = move || {
        let (state, visitor) = (state.clone(), Arc::clone(&visitor));
        async move {
            let may = state.door_counters().require(&visitor.agent, event).await;
            let is_shut = matches!(may, Err(AppError::NotFound(_) | AppError::Forbidden | AppError::Unauthenticated));
            !is_shut && visitor.still_holds(&state).await
        }
        .boxed()
    };
    let told = Told { name: "door", write };
    Ok(live::answer(&request, watcher, told, Some(Pass::new(LOOK_AGAIN, Box::new(holds)))))
}
