//! `/users/me/export`: all that is kept of an account, for its owner.

use application::access::Agent;
use application::booking::BookingFilter;
use application::error::AppError;
use application::origin::Principal;
use axum::Json as Answer;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use domain::catalog::{Invitation, Member};
use domain::{BookingId, Limit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::account::SessionBody;
use crate::audit::AuditLineBody;
use crate::bookings::BookingBody;
use crate::extract::{Caller, Params};
use crate::members::{MemberRoleBody, events_of};
use crate::oauth::IdentityBody;
use crate::page::{Cursor, List};
use crate::problem::Problem;
use crate::reads;
use crate::second_factor::SecondFactorBody;
use crate::state::AppState;
use crate::users::UserBody;
use crate::waiting_list::WaitingListEntryBody;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(export_account))
}

/// The most bookings of one part.
const BOOKINGS_MAX: usize = 1_000;

/// All that is kept of an account, or a part of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountExport)]
pub(crate) struct AccountExportBody {
    /// The account; it and what is not in pages stands in every part.
    account: UserBody,
    /// The language of its mails.
    #[schema(pattern = "^[a-z]{2}$", example = "en")]
    language: &'static str,
    /// The address that it wishes for and that has not been agreed to yet.
    #[schema(example = "new@example.com", required, format = Email)]
    wished_email: Option<String>,
    /// Where it is signed in; the last used hundred.
    sessions: Vec<SessionBody>,
    /// Who it is at providers.
    identities: Vec<IdentityBody>,
    /// Whether a code is asked for when it signs in; neither the seed nor the recovery codes, which let somebody in.
    second_factor: SecondFactorBody,
    /// The organizers that it acts for.
    memberships: Vec<MembershipBody>,
    /// Invitations to its address, if that is verified.
    invitations: Vec<ReceivedInvitationBody>,
    /// What it has booked, newest first, with whom it has booked for; 1,000 in a part.
    bookings: Vec<BookingBody>,
    /// What it waits for, or has, newest first; the last hundred.
    waiting_list: Vec<WaitingListEntryBody>,
    /// What the audit log tells of it, of whatever organizer, behind all bookings; a bounded number of lines is looked at
    /// for a part. Of lines that somebody else has caused, neither who nor from where is told.
    audit_lines: Vec<AuditLineBody>,
    /// Pass it as `cursor` for the next part; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// An invitation to act for an organizer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReceivedInvitation)]
pub(crate) struct ReceivedInvitationBody {
    /// Its id.
    id: Uuid,
    /// The organizer.
    organizer_id: Uuid,
    /// As what.
    role: MemberRoleBody,
    /// For which events; null means all.
    #[schema(required)]
    events: Option<Vec<Uuid>>,
    /// When it was sent.
    created_at: DateTime<Utc>,
    /// From then on it is worth nothing.
    expires_at: DateTime<Utc>,
    /// When it was accepted, taken back or replaced.
    #[schema(required)]
    ended_at: Option<DateTime<Utc>>,
}

impl From<Invitation> for ReceivedInvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.uuid(),
            organizer_id: invitation.organizer.uuid(),
            role: invitation.role.into(),
            events: events_of(&invitation.reach),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            ended_at: invitation.ended.map(|end| end.at),
        }
    }
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
            events: events_of(&member.reach),
            since: member.since,
        }
    }
}

/// Which part.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
}

/// Where a part begins.
enum Place {
    /// With the bookings behind this one; none means with the first.
    Bookings(Option<BookingId>),
    /// With the lines behind this sealed place.
    Lines(Option<Vec<u8>>),
}

impl Place {
    fn read(cursor: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = cursor else { return Ok(Self::Bookings(None)) };
        if let Ok(cursor) = Cursor::decode(List::ExportedBookings, text) {
            return Ok(Self::Bookings(Some(BookingId::new(cursor.id))));
        }
        let sealed = URL_SAFE_NO_PAD.decode(text);
        Ok(Self::Lines(Some(sealed.map_err(|_| Problem::malformed("the cursor is none of this list"))?)))
    }
}

/// Exports all that is kept of my account
///
/// As one may take it elsewhere: one document, in parts where it is large; `nextCursor` leads to the next part. A part may
/// hold no line of the audit log and go on all the same. That it was done stands in the audit log.
#[utoipa::path(
    get, path = "/users/me/export", operation_id = "exportAccount", tag = "Identity",
    params(ExportQuery),
    responses((
        status = 200, description = "All of it, or a part.", body = AccountExportBody,
        headers(("Cache-Control" = String, description = "`no-store`")),
    )),
    security(("bearer" = [])),
)]
async fn export_account(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<ExportQuery>,
) -> Result<([(HeaderName, &'static str); 2], Answer<AccountExportBody>), Problem> {
    let principal = &caller.principal;
    let place = Place::read(query.cursor.as_deref())?;
    let account = state.identity().me(principal).await?;
    let (bookings, behind) = match &place {
        Place::Bookings(before) => bookings(&state, principal, *before).await?,
        Place::Lines(_) => (Vec::new(), None),
    };
    let (mut lines, mut next_cursor) = (Vec::new(), behind);
    if next_cursor.is_none() {
        let after = if let Place::Lines(after) = place { after } else { None };
        // As every cursor that we have not made, or not for this account.
        let found = state.audit().of_account(&account, after.as_deref()).await.map_err(|error| match error {
            AppError::Validation(_) => Problem::malformed("the cursor is none of this list"),
            error => error.into(),
        })?;
        next_cursor = found.next.map(|place| URL_SAFE_NO_PAD.encode(place));
        lines = found.lines.into_iter().map(AuditLineBody::from).collect();
    }
    let sessions = state.identity().sessions(principal).await?;
    let identities = state.identity().external_identities(principal).await?;
    let second_factor = state.identity().second_factor(principal).await?;
    let memberships = state.catalog().memberships(principal).await?;
    let invitations = state.catalog().invitations_to(&account).await?;
    let limit = Limit::parse(Limit::MAX).unwrap_or_default();
    let waiting_list = state.bookings().my_waiting_list(&Agent::Account(*principal), None, limit).await?;
    let wished = state.identity().wished_email(principal).await?;
    reads::note(&state, &caller.origin, None, ("account.exported", "user", principal.user.uuid()));
    let headers =
        [(CACHE_CONTROL, "no-store"), (CONTENT_DISPOSITION, "attachment; filename=\"goticket-account.json\"")];
    let body = AccountExportBody {
        language: account.language.as_str(),
        account: account.into(),
        wished_email: wished.map(|wish| wish.new_email.as_str().to_owned()),
        sessions: sessions.into_iter().map(|session| SessionBody::of(session, principal.session)).collect(),
        identities: identities.into_iter().map(IdentityBody::from).collect(),
        second_factor: second_factor.into(),
        memberships: memberships.into_iter().map(MembershipBody::from).collect(),
        invitations: invitations.into_iter().map(ReceivedInvitationBody::from).collect(),
        bookings,
        waiting_list: waiting_list.items.into_iter().map(WaitingListEntryBody::from).collect(),
        audit_lines: lines,
        next_cursor,
    };
    Ok((headers, Answer(body)))
}

/// The bookings of a part, and the cursor of the next one, if there are more.
async fn bookings(
    state: &AppState,
    principal: &Principal,
    mut before: Option<BookingId>,
) -> Result<(Vec<BookingBody>, Option<String>), Problem> {
    let (agent, limit) = (Agent::Account(*principal), Limit::parse(Limit::MAX).unwrap_or_default());
    let mut bookings = Vec::new();
    while bookings.len() < BOOKINGS_MAX {
        let page = state.bookings().my_bookings(&agent, &BookingFilter::default(), before, limit).await?;
        before = page.items.last().map(|last| last.id);
        bookings.extend(page.items.into_iter().map(BookingBody::from));
        if !page.more {
            return Ok((bookings, None));
        }
    }
    let next = before.map(|before| Cursor::behind(List::ExportedBookings, before.uuid()).encode());
    Ok((bookings, next))
}
