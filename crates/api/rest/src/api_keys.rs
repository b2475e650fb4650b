//! `/organizers/{organizerId}/api-keys`: keys by which programs act for an organizer.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderName, StatusCode};
use chrono::{DateTime, Utc};
use domain::identity::{ApiKey, NewApiKey, Scope};
use domain::{ApiKeyId, EventId, OrganizerId};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{Acting, Ids, Json, Params};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::state::AppState;
use crate::time;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(create_api_key, list_api_keys)).routes(routes!(get_api_key, revoke_api_key))
}

/// What a key opens. Writing does not include reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(as = Scope)]
pub(crate) enum ScopeBody {
    /// Sees drafts, archived events, and hidden ticket types.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Makes and changes events, ticket types and pools.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Sees bookings.
    #[serde(rename = "bookings:read")]
    BookingsRead,
    /// Confirms and cancels bookings, and issues their tickets anew.
    #[serde(rename = "bookings:write")]
    BookingsWrite,
    /// Lets in at the door.
    #[serde(rename = "check-ins:write")]
    CheckInsWrite,
}

impl From<Scope> for ScopeBody {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::EventsRead => Self::EventsRead,
            Scope::EventsWrite => Self::EventsWrite,
            Scope::BookingsRead => Self::BookingsRead,
            Scope::BookingsWrite => Self::BookingsWrite,
            Scope::CheckInsWrite => Self::CheckInsWrite,
        }
    }
}

impl From<ScopeBody> for Scope {
    fn from(scope: ScopeBody) -> Self {
        match scope {
            ScopeBody::EventsRead => Self::EventsRead,
            ScopeBody::EventsWrite => Self::EventsWrite,
            ScopeBody::BookingsRead => Self::BookingsRead,
            ScopeBody::BookingsWrite => Self::BookingsWrite,
            ScopeBody::CheckInsWrite => Self::CheckInsWrite,
        }
    }
}

/// A key, without its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyBody {
    /// Its id, by which the audit log names it.
    id: Uuid,
    /// What people call it.
    #[schema(example = "Ticket machine, hall 2")]
    name: String,
    /// The beginning of its text.
    #[schema(example = "gtk_Zx81Qa")]
    hint: String,
    /// What it opens.
    scopes: Vec<ScopeBody>,
    /// The only event that it opens, and nothing else of the organizer; null where it is bound to none.
    #[schema(required)]
    event_id: Option<Uuid>,
    /// Who made it.
    created_by: Uuid,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// From then on it opens nothing; null means never.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// When it was used last, give or take a minute.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// Since when it opens nothing, if it was revoked.
    #[schema(required)]
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.uuid(),
            name: key.name.as_str().to_owned(),
            hint: key.hint,
            scopes: key.scopes.iter().map(Into::into).collect(),
            event_id: key.event.map(EventId::uuid),
            created_by: key.created_by.uuid(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new key, with its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewApiKey)]
pub(crate) struct IssuedApiKeyBody {
    /// The key.
    #[serde(flatten)]
    key: ApiKeyBody,
    /// Its text, for `Authorization: Bearer`. It is shown this once, and kept nowhere.
    #[schema(pattern = "^gtk_[A-Za-z0-9_-]{43}$", example = "gtk_Zx81Qa0QvWnB4m7YtUe2oPc9LkJhGfDsA3bN5xMiR6E")]
    secret: String,
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateApiKey)]
pub(crate) struct CreateApiKeyBody {
    /// What people shall call it.
    #[schema(min_length = 1, max_length = 100, example = "Ticket machine, hall 2")]
    name: String,
    /// What it shall open.
    #[schema(min_items = 1, max_items = 20)]
    scopes: Vec<ScopeBody>,
    /// The only event that it shall open, as for a device at its door; left out, all that its scopes name.
    event_id: Option<Uuid>,
    /// From when on it shall open nothing; never, if it is null or left out.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-21T18:00:00Z")]
    expires_at: Option<DateTime<Utc>>,
}

/// Makes an API key
///
/// For owners and admins. Its text is shown this once. A key acts for the organizer, and stays when the one who made it
/// goes. There are at most 50 that open something.
#[utoipa::path(
    post, path = "/organizers/{organizerId}/api-keys", operation_id = "createApiKey", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = CreateApiKeyBody,
    responses((
        status = 201, description = "The key, with its text.", body = IssuedApiKeyBody,
        headers(("Cache-Control" = String, description = "`no-store`")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn create_api_key(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(wish): Json<CreateApiKeyBody>,
) -> Result<(StatusCode, [(HeaderName, String); 2], Answer<IssuedApiKeyBody>), Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let new = NewApiKey {
        name: wish.name,
        scopes: wish.scopes.into_iter().map(Into::into).collect(),
        event: wish.event_id.map(EventId::new),
        expires_at: wish.expires_at,
    };
    let issued = state.catalog().create_api_key(&agent, OrganizerId::new(organizer), &new, &origin).await?;
    let location = format!("/api/v1/organizers/{organizer}/api-keys/{}", issued.key.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    let secret = issued.secret.expose_secret().to_owned();
    Ok((StatusCode::CREATED, headers, Answer(IssuedApiKeyBody { key: issued.key.into(), secret })))
}

/// Which page of the keys.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApiKeysQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the API keys of an organizer
///
/// Oldest first, revoked and expired ones included. For owners and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/api-keys", operation_id = "listApiKeys", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer."), ApiKeysQuery),
    responses((status = 200, description = "One page of keys.", body = Page<ApiKeyBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_api_keys(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<ApiKeysQuery>,
) -> Result<Answer<Page<ApiKeyBody>>, Problem> {
    let Ids([organizer]) = ids;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::ApiKeys, &cursor)).transpose()?;
    let after = after.map(|cursor| ApiKeyId::new(cursor.id));
    let found = state.catalog().api_keys(&acting.agent, OrganizerId::new(organizer), after, limit).await?;
    Ok(Answer(Page::of(found, |it| Cursor::behind(List::ApiKeys, it.id.uuid()), ApiKeyBody::from)))
}

/// Shows an API key
///
/// Without its text. For owners and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/api-keys/{apiKeyId}", operation_id = "getApiKey", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("apiKeyId" = Uuid, Path, description = "The key."),
    ),
    responses((status = 200, description = "The key.", body = ApiKeyBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_api_key(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<ApiKeyBody>, Problem> {
    let Ids([organizer, key]) = ids;
    let found = state.catalog().api_key(&acting.agent, OrganizerId::new(organizer), ApiKeyId::new(key)).await?;
    Ok(Answer(found.into()))
}

/// Revokes an API key
///
/// It opens nothing any more, on other instances within a second. For owners and admins. A second time changes nothing.
#[utoipa::path(
    delete, path = "/organizers/{organizerId}/api-keys/{apiKeyId}", operation_id = "revokeApiKey", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("apiKeyId" = Uuid, Path, description = "The key."),
    ),
    responses((status = 204, description = "It is revoked.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn revoke_api_key(State(state): State<AppState>, acting: Acting, ids: Ids<2>) -> Result<StatusCode, Problem> {
    let (Acting { agent, origin }, Ids([organizer, key])) = (acting, ids);
    let (organizer, key) = (OrganizerId::new(organizer), ApiKeyId::new(key));
    state.catalog().revoke_api_key(&agent, organizer, key, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
