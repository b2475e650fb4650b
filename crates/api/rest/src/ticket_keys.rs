//! `/events/{eventId}/ticket-keys`: what the codes of its tickets are signed by.

use application::admission::StoredTicketKey;
use axum::Json as Answer;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::EventId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::created::Created;
use crate::extract::{Acting, Ids};
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(rotate_ticket_key, list_ticket_keys))
}

/// What codes of tickets are signed by, as anybody may know it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketKey)]
pub(crate) struct TicketKeyBody {
    /// Its number within the event, by which codes name it.
    #[schema(minimum = 1, example = 2)]
    number: u16,
    /// The 32 bytes of an Ed25519 public key (RFC 8032), in Base64 (RFC 4648, 4).
    #[schema(example = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    key: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<StoredTicketKey> for TicketKeyBody {
    fn from(key: StoredTicketKey) -> Self {
        Self { number: key.number, key: STANDARD.encode(key.public_key), created_at: key.created_at }
    }
}

/// Signs the codes of an event by a new key
///
/// From now on, and by all replicas within seconds. Codes that are out stay good until their tickets are issued anew; devices
/// at the door get the new key with their next bundle. An event has at most 50.
#[utoipa::path(
    post, path = "/events/{eventId}/ticket-keys", operation_id = "rotateTicketKey", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event.")),
    responses((status = 201, description = "The key that signs now.", body = TicketKeyBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn rotate_ticket_key(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Created<TicketKeyBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let made = state.tickets().rotate_ticket_key(&agent, EventId::new(event), &origin).await?;
    Ok(Created::at(format!("/api/v1/events/{event}/ticket-keys"), made.into(), false))
}

/// Lists the keys of an event
///
/// By their numbers; the last one signs, and codes by all of them are good. The first is made when a code is read first.
/// For whoever lets in.
#[utoipa::path(
    get, path = "/events/{eventId}/ticket-keys", operation_id = "listTicketKeys", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "All of them.", body = Vec<TicketKeyBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_ticket_keys(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<Vec<TicketKeyBody>>, Problem> {
    let Ids([event]) = ids;
    let keys = state.tickets().ticket_keys(&acting.agent, EventId::new(event)).await?;
    Ok(Answer(keys.into_iter().map(Into::into).collect()))
}
