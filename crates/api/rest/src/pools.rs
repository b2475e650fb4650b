//! `/events/{eventId}/pools`: capacity that several ticket types share, like the hall behind «seated» and «standing».

use application::error::AppError;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::booking::{Pool, SaleChange};
use domain::{EventId, PoolId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, Ids, IfMatch, Json, Keyed};
use crate::openapi::{IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader};
use crate::problem::Problem;
use crate::rendered::Moment;
use crate::state::AppState;
use crate::{events, patch, rendered};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(add_pool)).routes(routes!(get_pool, edit_pool))
}

/// A shared pool.
#[derive(Serialize, ToSchema)]
#[schema(as = Pool)]
pub(crate) struct PoolBody {
    /// Its id, for `poolIds` of ticket types.
    id: Uuid,
    /// Its name.
    #[schema(example = "Hall")]
    name: String,
    /// The most units of all its ticket types together; null is unlimited.
    #[schema(required, minimum = 0, example = 500)]
    capacity: Option<u32>,
}

impl From<&Pool> for PoolBody {
    fn from(pool: &Pool) -> Self {
        Self { id: pool.id.uuid(), name: pool.name.as_str().to_owned(), capacity: pool.capacity }
    }
}

/// A new shared pool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPool)]
pub(crate) struct NewPoolBody {
    /// Its name.
    #[schema(min_length = 1, max_length = 200, example = "Hall")]
    name: String,
    /// The most units of all its ticket types together; null or left out: unlimited.
    #[schema(minimum = 0, maximum = 100_000_000, example = 500)]
    capacity: Option<i64>,
}

/// Adds a shared pool to an event
#[utoipa::path(
    post, path = "/events/{eventId}/pools", operation_id = "addPool", tag = "Catalog",
    params(("eventId" = Uuid, Path, description = "The event."), IdempotencyKeyHeader, IfMatchHeader),
    request_body = NewPoolBody,
    responses((status = 201, description = "The pool.", body = PoolBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "invalid_state", "precondition_failed", "validation_failed"
    ]))),
)]
async fn add_pool(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    IfMatch(version): IfMatch,
    wish: Keyed<NewPoolBody>,
) -> Result<Created<PoolBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let key = wish.key(&agent);
    let (id, event) = (PoolId::new(state.ids().uuid()), EventId::new(event));
    let NewPoolBody { name, capacity } = wish.value;
    let change = SaleChange::AddPool { id, name, capacity };
    let changed = state.catalog().change_event(&agent, event, change, version, key, origin).await?;
    let sale = &changed.value.sale;
    // What was kept under the key bears the id that it got then: the newest of that time.
    let newest = || sale.pools.iter().filter(|pool| pool.shared).max_by_key(|pool| pool.id);
    let added = sale.pool(id).or_else(newest).ok_or(AppError::Internal)?;
    let location = format!("/api/v1/events/{event}/pools/{}", added.id);
    let etag = rendered::etag(&changed.value, Moment::of(sale, state.catalog().now()));
    Ok(Created::at(location, added.into(), changed.replayed).with_etag(etag))
}

/// Shows a shared pool
///
/// Stale by a second at the most. For members of its organizer and admins.
#[utoipa::path(
    get, path = "/events/{eventId}/pools/{poolId}", operation_id = "getPool", tag = "Catalog",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("poolId" = Uuid, Path, description = "The pool."),
        IfNoneMatchHeader,
    ),
    responses(
        (
            status = 200, description = "The pool.", body = PoolBody,
            headers(("ETag" = String, description = "Weak; covers the whole event and its stock.")),
        ),
        (
            status = 304, description = "It is as the caller knows it.",
            headers(("ETag" = String, description = "Weak; covers the whole event and its stock.")),
        ),
    ),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_pool(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Ids([event, id]) = ids;
    let (event, id) = (EventId::new(event), PoolId::new(id));
    let seen = state.catalog().pool(&acting.agent, event, id).await?;
    let found = seen.sale.pool(id).ok_or(AppError::Internal)?;
    let moment = Moment::of(&seen.sale, state.catalog().now());
    Ok(rendered::answer_privately(&request, &seen, moment, || PoolBody::from(found)))
}

/// A change of a shared pool: what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditPool)]
pub(crate) struct EditPoolBody {
    /// Its name.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Hall")]
    name: Option<String>,
    /// The most units of all its ticket types together, not below what is held and sold; null is unlimited.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100_000_000, example = 600)]
    capacity: Option<Option<i64>>,
}

/// Changes a shared pool
///
/// Capacity can be raised at any time, and lowered to what is held and sold at the least.
#[utoipa::path(
    patch, path = "/events/{eventId}/pools/{poolId}", operation_id = "editPool", tag = "Catalog",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("poolId" = Uuid, Path, description = "The pool."),
        IfMatchHeader,
    ),
    request_body = EditPoolBody,
    responses((
        status = 200, description = "The pool as it is now.", body = PoolBody,
        headers(("ETag" = String, description = "Covers the whole event and its stock.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "invalid_state", "precondition_failed", "validation_failed"
    ]))),
)]
async fn edit_pool(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    IfMatch(version): IfMatch,
    Json(wish): Json<EditPoolBody>,
) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([event, id])) = (acting, ids);
    let id = PoolId::new(id);
    let change = SaleChange::EditPool { id, name: wish.name, capacity: wish.capacity };
    let changed = state.catalog().change_event(&agent, EventId::new(event), change, version, None, origin).await?.value;
    let edited = changed.sale.pool(id).ok_or(AppError::Internal)?;
    Ok(events::changed(&HeaderMap::new(), &changed, state.catalog().now(), &PoolBody::from(edited)))
}
