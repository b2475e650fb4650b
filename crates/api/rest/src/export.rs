//! `/users/me/export`: all that is kept of an account, for its owner.

use application::access::Agent;
use application::audit::Note;
use application::booking::BookingFilter;
use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use chrono::{DateTime, Utc};
use domain::Limit;
use domain::catalog::{Member, Reach};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::account::SessionBody;
use crate::bookings::BookingBody;
use crate::extract::Caller;
use crate::members::MemberRoleBody;
use crate::problem::Problem;
use crate::state::AppState;
use crate::users::UserBody;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(export_account))
}

/// The most bookings of one answer.
const BOOKINGS_MAX: usize = 5_000;

/// All that is kept of an account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountExport)]
pub(crate) struct AccountExportBody {
    /// The account.
    account: UserBody,
    /// Where it is signed in.
    sessions: Vec<SessionBody>,
    /// The organizers that it acts for.
    memberships: Vec<MembershipBody>,
    /// What it has booked, newest first, with whom it has booked for.
    bookings: Vec<BookingBody>,
    /// Whether all bookings are here; of more than 5,000 the newest are, and `GET /bookings` has the others.
    bookings_complete: bool,
}

/// What the account is in an organizer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Membership)]
pub(crate) struct MembershipBody {
    /// The organizer.
    organizer_id: Uuid,
    /// What he may do there.
    role: MemberRoleBody,
    /// The events that he is restricted to; null means all.
    #[schema(required)]
    events: Option<Vec<Uuid>>,
    /// Since when.
    since: DateTime<Utc>,
}

impl From<Member> for MembershipBody {
    fn from(member: Member) -> Self {
        Self {
            organizer_id: member.organizer.uuid(),
            role: member.role.into(),
            events: match member.reach {
                Reach::All => None,
                Reach::Only(events) => Some(events.iter().map(|event| event.uuid()).collect()),
            },
            since: member.since,
        }
    }
}

/// Exports all that is kept of my account
///
/// In one document, as one may take it elsewhere. That it was done stands in the audit log.
#[utoipa::path(
    get, path = "/users/me/export", operation_id = "exportAccount", tag = "Identity",
    responses((
        status = 200, description = "All of it.", body = AccountExportBody,
        headers(("Cache-Control" = String, description = "`no-store`")),
    )),
    security(("bearer" = [])),
)]
async fn export_account(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<([(HeaderName, &'static str); 2], Answer<AccountExportBody>), Problem> {
    let (principal, agent) = (&caller.principal, Agent::Account(caller.principal));
    let account = state.identity().me(principal).await?;
    let sessions = state.identity().sessions(principal).await?;
    let memberships = state.catalog().memberships(principal).await?;
    let (mut bookings, mut before, mut is_complete) = (Vec::new(), None, false);
    let limit = Limit::parse(Limit::MAX).unwrap_or_default();
    while !is_complete && bookings.len() < BOOKINGS_MAX {
        let page = state.bookings().my_bookings(&agent, &BookingFilter::default(), before, limit).await?;
        before = page.items.last().map(|last| last.id);
        is_complete = !page.more;
        bookings.extend(page.items.into_iter().map(BookingBody::from));
    }
    let note = Note { organizer: None, action: "account.exported", object_kind: "user", object: principal.user.uuid() };
    state.witness().note(&caller.origin, note);
    let headers =
        [(CACHE_CONTROL, "no-store"), (CONTENT_DISPOSITION, "attachment; filename=\"goticket-account.json\"")];
    let body = AccountExportBody {
        account: account.into(),
        sessions: sessions.into_iter().map(|session| SessionBody::of(session, principal.session)).collect(),
        memberships: memberships.into_iter().map(MembershipBody::from).collect(),
        bookings,
        bookings_complete: is_complete,
    };
    Ok((headers, Answer(body)))
}
