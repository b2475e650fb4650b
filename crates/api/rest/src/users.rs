//! `/users`: accounts and their roles.

use axum::Json as Answer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::UserId;
use domain::identity::{Role, User};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{Caller, Ids, Json, Params};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::reads;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(list_users)).routes(routes!(change_role))
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserBody {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its e-mail address, in lower case.
    #[schema(format = Email, example = "ana@example.com")]
    pub(crate) email: String,
    /// Its name, if it has told one.
    #[schema(required, example = "Ana Kowalska")]
    pub(crate) name: Option<String>,
    /// What the platform lets it do.
    pub(crate) role: RoleBody,
    /// Whether somebody has proved to read the mails of the address.
    pub(crate) email_verified: bool,
    /// When it was made.
    pub(crate) created_at: DateTime<Utc>,
}

/// What the platform lets an account do. Inside an organizer its members act by membership, whatever their role.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(crate) enum RoleBody {
    /// Buys tickets.
    User,
    /// May also make organizers and events.
    Organizer,
    /// May see and change everything.
    Admin,
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Organizer => Self::Organizer,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<RoleBody> for Role {
    fn from(role: RoleBody) -> Self {
        match role {
            RoleBody::User => Self::User,
            RoleBody::Organizer => Self::Organizer,
            RoleBody::Admin => Self::Admin,
        }
    }
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.uuid(),
            email: user.email.as_str().to_owned(),
            name: user.name.map(|name| name.as_str().to_owned()),
            role: user.role.into(),
            email_verified: user.email_verified,
            created_at: user.created_at,
        }
    }
}

/// Which page of the accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists accounts
///
/// In the order in which they were made. For admins.
#[utoipa::path(
    get, path = "/users", operation_id = "listUsers", tag = "Identity",
    params(UsersQuery),
    responses((status = 200, description = "One page of accounts.", body = Page<UserBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "validation_failed"]))),
)]
async fn list_users(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<UsersQuery>,
) -> Result<Answer<Page<UserBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::Users, &cursor)).transpose()?;
    let after = after.map(|cursor| UserId::new(cursor.id));
    let found = state.identity().list_users(&caller.principal, after, limit).await?;
    reads::note(&state, &caller.origin, None, ("users.listed", "user", Uuid::nil()));
    Ok(Answer(Page {
        items: found.items.into_iter().map(UserBody::from).collect(),
        next_cursor: found.next.map(|id| Cursor::behind(List::Users, id.uuid()).encode()),
    }))
}

/// Another role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeRole)]
pub(crate) struct ChangeRoleBody {
    /// The role that the account gets.
    role: RoleBody,
}

/// Changes the role of an account
///
/// For admins. It counts within a second for those who are signed in. The same role again changes nothing.
#[utoipa::path(
    patch, path = "/users/{userId}", operation_id = "changeRole", tag = "Identity",
    params(("userId" = Uuid, Path, description = "The account.")),
    request_body = ChangeRoleBody,
    responses((status = 200, description = "The account as it is now.", body = UserBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn change_role(
    State(state): State<AppState>,
    caller: Caller,
    ids: Ids<1>,
    Json(wish): Json<ChangeRoleBody>,
) -> Result<Answer<UserBody>, Problem> {
    let (Caller { principal, origin }, Ids([user])) = (caller, ids);
    let user = state.identity().change_role(&principal, UserId::new(user), wish.role.into(), &origin).await?;
    Ok(Answer(user.into()))
}
