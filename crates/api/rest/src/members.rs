//! `/organizers/{organizerId}/members`: those who act for an organizer.

use application::catalog::{MemberCursor, SeenMember};
use application::origin::Actor;
use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::catalog::{MemberEdit, MemberRole, Reach};
use domain::{EventId, OrganizerId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{Acting, Ids, Json, Params};
use crate::page::{self, Cursor, List, Page};
use crate::patch;
use crate::problem::Problem;
use crate::reads;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(list_members))
        .routes(routes!(get_member, change_member, remove_member))
        .routes(routes!(hand_over))
}

/// Somebody who acts for an organizer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Member)]
pub(crate) struct MemberBody {
    /// His account.
    user_id: Uuid,
    /// His address.
    #[schema(format = Email, example = "ana@example.com")]
    email: String,
    /// His name, if he has told one.
    #[schema(required, example = "Ana Kowalska")]
    name: Option<String>,
    /// What he may do there.
    role: MemberRoleBody,
    /// The events that he is restricted to; null means all, those to come included.
    #[schema(required)]
    events: Option<Vec<Uuid>>,
    /// Since when he is a member.
    since: DateTime<Utc>,
}

/// What somebody may do inside an organizer.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MemberRole)]
pub(crate) enum MemberRoleBody {
    /// Everything, members included.
    Owner,
    /// Events and bookings.
    Manager,
    /// The door.
    Scanner,
}

impl From<MemberRole> for MemberRoleBody {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Owner => Self::Owner,
            MemberRole::Manager => Self::Manager,
            MemberRole::Scanner => Self::Scanner,
        }
    }
}

impl From<MemberRoleBody> for MemberRole {
    fn from(role: MemberRoleBody) -> Self {
        match role {
            MemberRoleBody::Owner => Self::Owner,
            MemberRoleBody::Manager => Self::Manager,
            MemberRoleBody::Scanner => Self::Scanner,
        }
    }
}

/// The events of a reach; none means all.
pub(crate) fn events_of(reach: &Reach) -> Option<Vec<Uuid>> {
    match reach {
        Reach::All => None,
        Reach::Only(events) => Some(events.iter().map(|event| event.uuid()).collect()),
    }
}

impl From<SeenMember> for MemberBody {
    fn from(SeenMember { member, user }: SeenMember) -> Self {
        Self {
            user_id: member.user.uuid(),
            email: user.email.as_str().to_owned(),
            name: user.name.map(|name| name.as_str().to_owned()),
            role: member.role.into(),
            events: events_of(&member.reach),
            since: member.since,
        }
    }
}

/// Which page of the members.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MembersQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the members of an organizer
///
/// Oldest first. For its owners and managers, and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/members", operation_id = "listMembers", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer."), MembersQuery),
    responses((status = 200, description = "One page of members.", body = Page<MemberBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_members(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<MembersQuery>,
) -> Result<Answer<Page<MemberBody>>, Problem> {
    let Ids([organizer]) = ids;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::Members, &cursor)).transpose()?;
    let after = after.map(member_cursor).transpose()?;
    let of = OrganizerId::new(organizer);
    let found = state.catalog().members(&acting.agent, of, after, limit).await?;
    reads::note(&state, &acting.origin, Some(of), ("members.listed", "organizer", organizer));
    let cursor = |last: &SeenMember| Cursor {
        list: List::Members,
        micros: last.member.since.timestamp_micros(),
        id: last.member.user.uuid(),
    };
    Ok(Answer(Page::of(found, cursor, MemberBody::from)))
}

fn member_cursor(cursor: Cursor) -> Result<MemberCursor, Problem> {
    let since = DateTime::from_timestamp_micros(cursor.micros);
    let since = since.ok_or_else(|| Problem::malformed("the cursor is none of this list"))?;
    Ok(MemberCursor { since, user: UserId::new(cursor.id) })
}

/// Shows a member
///
/// For owners, managers and admins; every member sees himself.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/members/{userId}", operation_id = "getMember", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("userId" = Uuid, Path, description = "The account of the member."),
    ),
    responses((status = 200, description = "The member.", body = MemberBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_member(State(state): State<AppState>, acting: Acting, ids: Ids<2>) -> Result<Answer<MemberBody>, Problem> {
    let Ids([organizer, user]) = ids;
    let (of, member) = (OrganizerId::new(organizer), UserId::new(user));
    let seen = state.catalog().member(&acting.agent, of, member).await?;
    if acting.agent.actor() != Actor::User(member) {
        reads::note(&state, &acting.origin, Some(of), ("member.read", "user", user));
    }
    Ok(Answer(seen.into()))
}

/// A change of a member: what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeMember)]
pub(crate) struct ChangeMemberBody {
    /// What he may do there. An owner acts for all events.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    role: Option<MemberRoleBody>,
    /// The events that he is restricted to; null means all. Not for owners.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 200)]
    events: Option<Option<Vec<Uuid>>>,
}

impl From<ChangeMemberBody> for MemberEdit {
    fn from(body: ChangeMemberBody) -> Self {
        let ids = |events: Vec<Uuid>| events.into_iter().map(EventId::new).collect();
        Self { role: body.role.map(Into::into), events: body.events.map(|events| events.map(ids)) }
    }
}

/// Changes what a member may do
///
/// For owners and admins. It counts at once, in other instances within a second. The last owner stays one. The same
/// again changes nothing.
#[utoipa::path(
    patch, path = "/organizers/{organizerId}/members/{userId}", operation_id = "changeMember", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("userId" = Uuid, Path, description = "The account of the member."),
    ),
    request_body = ChangeMemberBody,
    responses((status = 200, description = "The member as he is now.", body = MemberBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn change_member(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    Json(wish): Json<ChangeMemberBody>,
) -> Result<Answer<MemberBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer, user])) = (acting, ids);
    let (organizer, user) = (OrganizerId::new(organizer), UserId::new(user));
    let changed = state.catalog().change_member(&agent, organizer, user, wish.into(), &origin).await?;
    Ok(Answer(changed.into()))
}

/// Removes a member
///
/// For owners and admins; every member may remove himself, which is leaving. The last owner stays.
#[utoipa::path(
    delete, path = "/organizers/{organizerId}/members/{userId}", operation_id = "removeMember", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("userId" = Uuid, Path, description = "The account of the member."),
    ),
    responses((status = 204, description = "He acts for the organizer no more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn remove_member(State(state): State<AppState>, acting: Acting, ids: Ids<2>) -> Result<StatusCode, Problem> {
    let (Acting { agent, origin }, Ids([organizer, user])) = (acting, ids);
    state.catalog().remove_member(&agent, OrganizerId::new(organizer), UserId::new(user), &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// To whom.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = HandOver)]
pub(crate) struct HandOverBody {
    /// A member, who becomes an owner.
    user_id: Uuid,
}

/// Hands an organizer over
///
/// By an owner: the member becomes an owner, and he himself a manager, both at once.
#[utoipa::path(
    post, path = "/organizers/{organizerId}/hand-over", operation_id = "handOver", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = HandOverBody,
    responses((status = 200, description = "The new owner.", body = MemberBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn hand_over(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(wish): Json<HandOverBody>,
) -> Result<Answer<MemberBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let to = UserId::new(wish.user_id);
    Ok(Answer(state.catalog().hand_over(&agent, OrganizerId::new(organizer), to, &origin).await?.into()))
}
