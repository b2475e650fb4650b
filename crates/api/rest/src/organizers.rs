//! `/organizers`: tenants.

use axum::Json as Answer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::OrganizerId;
use domain::catalog::Organizer;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, Ids, Keyed, Params};
use crate::openapi::IdempotencyKeyHeader;
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(create_organizer, list_organizers)).routes(routes!(get_organizer))
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Organizer)]
pub(crate) struct OrganizerBody {
    /// Its id.
    id: Uuid,
    /// As buyers read it.
    #[schema(example = "Klub Stodoła")]
    name: String,
    /// Its name in addresses.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "klub-stodola")]
    slug: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<Organizer> for OrganizerBody {
    fn from(organizer: Organizer) -> Self {
        Self {
            id: organizer.id.uuid(),
            name: organizer.name.as_str().to_owned(),
            slug: organizer.slug.as_str().to_owned(),
            created_at: organizer.created_at,
        }
    }
}

/// A new organizer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateOrganizer)]
pub(crate) struct CreateOrganizerBody {
    /// As buyers read it.
    #[schema(min_length = 1, max_length = 200, example = "Klub Stodoła")]
    name: String,
    /// Its name in addresses; made of the name if it is left out.
    #[schema(min_length = 2, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "klub-stodola")]
    slug: Option<String>,
}

/// Makes an organizer
///
/// The caller becomes its owner.
#[utoipa::path(
    post, path = "/organizers", operation_id = "createOrganizer", tag = "Catalog",
    params(IdempotencyKeyHeader),
    request_body = CreateOrganizerBody,
    responses((status = 201, description = "The organizer.", body = OrganizerBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "already_exists", "invalid_state", "validation_failed"]))),
)]
async fn create_organizer(
    State(state): State<AppState>,
    acting: Acting,
    wish: Keyed<CreateOrganizerBody>,
) -> Result<Created<OrganizerBody>, Problem> {
    let Acting { agent, origin } = acting;
    let key = wish.key(&agent);
    let CreateOrganizerBody { name, slug } = wish.value;
    let made = state.catalog().create_organizer(&agent, &name, slug.as_deref(), key.as_ref(), &origin).await?;
    let location = format!("/api/v1/organizers/{}", made.value.id);
    Ok(Created::at(location, made.value.into(), made.replayed))
}

/// Shows an organizer
///
/// For its members and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}", operation_id = "getOrganizer", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    responses((status = 200, description = "The organizer.", body = OrganizerBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn get_organizer(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<OrganizerBody>, Problem> {
    let Ids([organizer]) = ids;
    Ok(Answer(state.catalog().organizer(&acting.agent, OrganizerId::new(organizer)).await?.into()))
}

/// Which page of the organizers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrganizersQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the organizers of the caller
///
/// Those that he is a member of; all of them for an admin, its own for an API key.
#[utoipa::path(
    get, path = "/organizers", operation_id = "listOrganizers", tag = "Catalog",
    params(OrganizersQuery),
    responses((status = 200, description = "One page of organizers.", body = Page<OrganizerBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn list_organizers(
    State(state): State<AppState>,
    acting: Acting,
    Params(query): Params<OrganizersQuery>,
) -> Result<Answer<Page<OrganizerBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::Organizers, &cursor)).transpose()?;
    let after = after.map(|cursor| OrganizerId::new(cursor.id));
    let found = state.catalog().organizers(&acting.agent, after, limit).await?;
    Ok(Answer(Page::of(found, |it| Cursor::behind(List::Organizers, it.id.uuid()), OrganizerBody::from)))
}
