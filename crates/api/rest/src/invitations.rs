//! `/organizers/{organizerId}/invitations`: who is asked to act for an organizer; `/invitations/accept`.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::catalog::{Invitation, NewInvitation};
use domain::{EventId, InvitationId, Language, OrganizerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::client::Client;
use crate::extract::{Acting, Ids, Json, Keyed, Params};
use crate::members::{MemberBody, MemberRoleBody, events_of};
use crate::openapi::IdempotencyKeyHeader;
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::reads;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(invite_member, list_invitations))
        .routes(routes!(get_invitation, revoke_invitation))
        .routes(routes!(accept_invitation))
}

/// An invitation that can be accepted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invitation)]
pub(crate) struct InvitationBody {
    /// Its id.
    id: Uuid,
    /// Whom it was sent to.
    #[schema(format = Email, example = "ana@example.com")]
    email: String,
    /// As what.
    role: MemberRoleBody,
    /// For which events; null means all, those to come included.
    #[schema(required)]
    events: Option<Vec<Uuid>>,
    /// Who has invited.
    invited_by: Uuid,
    /// When.
    created_at: DateTime<Utc>,
    /// From then on it is worth nothing.
    expires_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.uuid(),
            email: invitation.email.as_str().to_owned(),
            role: invitation.role.into(),
            events: events_of(&invitation.reach),
            invited_by: invitation.invited_by.uuid(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// Who shall be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InviteMember)]
pub(crate) struct InviteMemberBody {
    /// Where the invitation is sent.
    #[schema(format = Email, max_length = 254, example = "ana@example.com")]
    email: String,
    /// As what.
    role: MemberRoleBody,
    /// For which events; all of them, if it is null or left out. Not for owners.
    #[schema(min_items = 1, max_items = 200)]
    events: Option<Vec<Uuid>>,
    /// In which language the mail is; that of `Accept-Language`, if it is left out.
    language: Option<LanguageBody>,
}

/// A language of mails.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Language)]
pub(crate) enum LanguageBody {
    /// English.
    En,
    /// Polish.
    Pl,
}

impl From<LanguageBody> for Language {
    fn from(language: LanguageBody) -> Self {
        match language {
            LanguageBody::En => Self::English,
            LanguageBody::Pl => Self::Polish,
        }
    }
}

/// Invites somebody to act for an organizer
///
/// By a mail with a link that holds for seven days and works once. For owners and admins. Who was invited before is
/// invited anew, and the older link is worth nothing then.
#[utoipa::path(
    post, path = "/organizers/{organizerId}/invitations", operation_id = "inviteMember", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer."), IdempotencyKeyHeader),
    request_body = InviteMemberBody,
    responses((status = 201, description = "The invitation; the mail is on its way.", body = InvitationBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn invite_member(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    client: Client,
    wish: Keyed<InviteMemberBody>,
) -> Result<Created<InvitationBody>, Problem> {
    let (Acting { agent, origin }, Ids([organizer])) = (acting, ids);
    let key = wish.key(&agent);
    let InviteMemberBody { email, role, events, language } = wish.value;
    let events: Option<Vec<EventId>> = events.map(|events| events.into_iter().map(EventId::new).collect());
    let new = NewInvitation { email: &email, role: role.into(), events: events.as_deref() };
    let language = language.map_or(client.language, Into::into);
    let id = OrganizerId::new(organizer);
    let made = state.catalog().invite_member(&agent, id, (new, language), key.as_ref(), &origin).await?;
    let location = format!("/api/v1/organizers/{organizer}/invitations/{}", made.value.id);
    Ok(Created::at(location, made.value.into(), made.replayed))
}

/// Which page of the invitations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvitationsQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the invitations of an organizer
///
/// Those that can be accepted, oldest first. For owners and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/invitations", operation_id = "listInvitations", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer."), InvitationsQuery),
    responses((status = 200, description = "One page of invitations.", body = Page<InvitationBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_invitations(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<InvitationsQuery>,
) -> Result<Answer<Page<InvitationBody>>, Problem> {
    let Ids([organizer]) = ids;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::Invitations, &cursor)).transpose()?;
    let after = after.map(|cursor| InvitationId::new(cursor.id));
    let of = OrganizerId::new(organizer);
    let found = state.catalog().invitations(&acting.agent, of, after, limit).await?;
    reads::note(&state, &acting.origin, Some(of), ("invitations.listed", "organizer", organizer));
    Ok(Answer(Page::of(found, |it| Cursor::behind(List::Invitations, it.id.uuid()), InvitationBody::from)))
}

/// Shows an invitation
///
/// While it can be accepted. For owners and admins.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/invitations/{invitationId}",
    operation_id = "getInvitation", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("invitationId" = Uuid, Path, description = "The invitation."),
    ),
    responses((status = 200, description = "The invitation.", body = InvitationBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_invitation(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<InvitationBody>, Problem> {
    let Ids([organizer, id]) = ids;
    let (organizer, invitation) = (OrganizerId::new(organizer), InvitationId::new(id));
    let found = state.catalog().invitation(&acting.agent, organizer, invitation).await?;
    reads::note(&state, &acting.origin, Some(organizer), ("invitation.read", "invitation", id));
    Ok(Answer(found.into()))
}

/// Takes an invitation back
///
/// Its link is worth nothing from now on. For owners and admins. One that is over stays as it is.
#[utoipa::path(
    delete, path = "/organizers/{organizerId}/invitations/{invitationId}",
    operation_id = "revokeInvitation", tag = "Catalog",
    params(
        ("organizerId" = Uuid, Path, description = "The organizer."),
        ("invitationId" = Uuid, Path, description = "The invitation."),
    ),
    responses((status = 204, description = "It is taken back.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn revoke_invitation(State(state): State<AppState>, acting: Acting, ids: Ids<2>) -> Result<StatusCode, Problem> {
    let (Acting { agent, origin }, Ids([organizer, id])) = (acting, ids);
    let (organizer, id) = (OrganizerId::new(organizer), InvitationId::new(id));
    state.catalog().revoke_invitation(&agent, organizer, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the mail bears.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AcceptInvitation)]
pub(crate) struct AcceptInvitationBody {
    /// The token behind `#token=` of the link.
    #[schema(max_length = 100, example = "Zx81Qa0QvWnB4m7YtUe2oPc9LkJhGfDsA3bN5xMiR6E")]
    token: String,
}

/// Accepts an invitation
///
/// By the account whose address the mail was sent to: it acts for the organizer at once. A link that was used, taken
/// back or has expired is told like one that never was.
#[utoipa::path(
    post, path = "/invitations/accept", operation_id = "acceptInvitation", tag = "Catalog",
    request_body = AcceptInvitationBody,
    responses((status = 200, description = "What the caller is now.", body = MemberBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "already_exists", "invalid_state", "validation_failed"]))),
)]
async fn accept_invitation(
    State(state): State<AppState>,
    acting: Acting,
    Json(wish): Json<AcceptInvitationBody>,
) -> Result<Answer<MemberBody>, Problem> {
    let Acting { agent, origin } = acting;
    Ok(Answer(state.catalog().accept_invitation(&agent, &wish.token, &origin).await?.into()))
}
