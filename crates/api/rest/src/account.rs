//! `/auth` and `/users/me`: what the owner of an account does with it, by the password or by the token of a mail.

use application::identity::EmailAgreement;
use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::SessionId;
use domain::identity::Session;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::context::Context;
use crate::extract::{Caller, Ids, Json, SessionOwner};
use crate::page::Page;
use crate::problem::Problem;
use crate::state::AppState;
use crate::users::UserBody;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(verify_email))
        .routes(routes!(ask_for_verification))
        .routes(routes!(forgot_password))
        .routes(routes!(reset_password))
        .routes(routes!(change_password))
        .routes(routes!(change_email))
        .routes(routes!(agree_to_email_change))
        .routes(routes!(list_sessions, end_other_sessions))
        .routes(routes!(end_session))
        .routes(routes!(delete_account))
}

/// The token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailedToken)]
pub(crate) struct MailedTokenBody {
    /// What stands behind `#token=` in the link of the mail.
    #[schema(value_type = String, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE")]
    token: SecretString,
}

/// Shows that the address of an account is its owner's
///
/// The token was mailed to the address as the account was made, or as another one was asked for. It works once, for three
/// days, while the account has the address.
#[utoipa::path(
    post, path = "/auth/email/verify", operation_id = "verifyEmail", tag = "Identity",
    request_body = MailedTokenBody,
    responses((status = 200, description = "The account, verified.", body = UserBody)),
    security(()),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn verify_email(
    State(state): State<AppState>,
    context: Context,
    Json(wish): Json<MailedTokenBody>,
) -> Result<Answer<UserBody>, Problem> {
    let user = state.identity().verify_email(wish.token.expose_secret(), &context.origin()).await?;
    Ok(Answer(user.into()))
}

/// Asks for another mail to verify the address
///
/// At most one a minute is sent, and none where the address is verified.
#[utoipa::path(
    post, path = "/auth/email/verification", operation_id = "askForVerification", tag = "Identity",
    responses((status = 202, description = "It is sent, if there is need.")),
    security(("bearer" = [])),
)]
async fn ask_for_verification(State(state): State<AppState>, caller: SessionOwner) -> Result<StatusCode, Problem> {
    state.identity().ask_for_verification(&caller.principal, &caller.origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForgotPassword)]
pub(crate) struct ForgotPasswordBody {
    /// The address of the account.
    #[schema(format = Email, max_length = 254, example = "ana@example.com")]
    email: String,
}

/// Asks for a mail by which one chooses another password
///
/// It answers alike, and as fast, whether or not the address has an account. At most one mail a minute is sent.
#[utoipa::path(
    post, path = "/auth/password/forgot", operation_id = "forgotPassword", tag = "Identity",
    request_body = ForgotPasswordBody,
    responses((status = 202, description = "A mail is sent, if the address has an account.")),
    security(()),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn forgot_password(
    State(state): State<AppState>,
    context: Context,
    Json(wish): Json<ForgotPasswordBody>,
) -> Result<StatusCode, Problem> {
    state.identity().forgot_password(&wish.email, &context.origin()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Another password, by the token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetPassword)]
pub(crate) struct ResetPasswordBody {
    /// What stands behind `#token=` in the link of the mail.
    #[schema(value_type = String, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE")]
    token: SecretString,
    /// The new password: 8 to 72 bytes of UTF-8, none of those that are tried first.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 72)]
    #[schema(example = "correct horse battery")]
    password: SecretString,
}

/// Chooses another password by the token of a mail
///
/// Every session of the account ends. The token works once, for an hour.
#[utoipa::path(
    post, path = "/auth/password/reset", operation_id = "resetPassword", tag = "Identity",
    request_body = ResetPasswordBody,
    responses((status = 204, description = "The account has the new password.")),
    security(()),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn reset_password(
    State(state): State<AppState>,
    context: Context,
    Json(wish): Json<ResetPasswordBody>,
) -> Result<StatusCode, Problem> {
    let (token, password) = (wish.token.expose_secret(), wish.password.expose_secret());
    state.identity().reset_password(token, password, &context.origin()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another password, by the present one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ChangePassword)]
pub(crate) struct ChangePasswordBody {
    /// The present password.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    current_password: SecretString,
    /// The new one: 8 to 72 bytes of UTF-8, none of those that are tried first.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 72)]
    #[schema(example = "incorrect horse battery")]
    password: SecretString,
}

/// Changes the password
///
/// All sessions but this one end, and the owner is told by mail.
#[utoipa::path(
    post, path = "/auth/password/change", operation_id = "changePassword", tag = "Identity",
    request_body = ChangePasswordBody,
    responses((status = 204, description = "The account has the new password.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["validation_failed"]))),
)]
async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<ChangePasswordBody>,
) -> Result<StatusCode, Problem> {
    let (current, password) = (wish.current_password.expose_secret(), wish.password.expose_secret());
    state.identity().change_password(&caller.principal, current, password, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeEmail)]
pub(crate) struct ChangeEmailBody {
    /// The address that the account is to get.
    #[schema(format = Email, max_length = 254, example = "ana.kowalska@example.com")]
    email: String,
    /// The password of the account.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: SecretString,
}

/// Asks for another address
///
/// Both addresses get a mail and have to agree, within a day. Once a minute at most. It answers alike for every address; one that has an account
/// of its own is told so by mail, and cannot agree.
#[utoipa::path(
    post, path = "/auth/email/change", operation_id = "changeEmail", tag = "Identity",
    request_body = ChangeEmailBody,
    responses((status = 202, description = "Both are asked.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn change_email(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<ChangeEmailBody>,
) -> Result<StatusCode, Problem> {
    let password = wish.password.expose_secret();
    state.identity().ask_for_email_change(&caller.principal, &wish.email, password, &caller.origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What an agreement has led to.
#[derive(Serialize, ToSchema)]
#[schema(as = EmailChange)]
pub(crate) struct EmailChangeBody {
    /// `waiting` for the other address, or `changed`.
    status: EmailChangeStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EmailChangeStatus {
    /// The other address has to agree too.
    Waiting,
    /// The account has the new address.
    Changed,
}

/// Agrees to another address, by the token of a mail
///
/// Once both have agreed, in whatever order, the account has the new address.
#[utoipa::path(
    post, path = "/auth/email/agree", operation_id = "agreeToEmailChange", tag = "Identity",
    request_body = MailedTokenBody,
    responses((status = 200, description = "What it has led to.", body = EmailChangeBody)),
    security(()),
    extensions(("x-problems" = json!(["already_exists", "validation_failed"]))),
)]
async fn agree_to_email_change(
    State(state): State<AppState>,
    context: Context,
    Json(wish): Json<MailedTokenBody>,
) -> Result<Answer<EmailChangeBody>, Problem> {
    let agreement = state.identity().agree_to_email_change(wish.token.expose_secret(), &context.origin()).await?;
    let status = match agreement {
        EmailAgreement::Waiting => EmailChangeStatus::Waiting,
        EmailAgreement::Changed => EmailChangeStatus::Changed,
    };
    Ok(Answer(EmailChangeBody { status }))
}

/// A sign-in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// Its id, the claim `sid` of its access tokens.
    id: Uuid,
    /// Whether it is the one that asks.
    current: bool,
    /// `User-Agent` of the sign-in, cut to 200 characters.
    #[schema(required, example = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")]
    user_agent: Option<String>,
    /// The address that the sign-in came from.
    #[schema(required, example = "192.0.2.1")]
    address: Option<String>,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it got its last access token.
    last_used_at: DateTime<Utc>,
    /// When it ends, unless it is used before.
    expires_at: DateTime<Utc>,
}

impl SessionBody {
    pub(crate) fn of(session: Session, present: SessionId) -> Self {
        Self {
            id: session.id.uuid(),
            current: session.id == present,
            user_agent: session.device.user_agent,
            address: session.device.address.map(|address| address.to_string()),
            created_at: session.started_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}

/// Lists my sessions
///
/// The live ones, the last used first; a hundred at most, on one page.
#[utoipa::path(
    get, path = "/users/me/sessions", operation_id = "listSessions", tag = "Identity",
    responses((status = 200, description = "Where the account is signed in.", body = Page<SessionBody>)),
    security(("bearer" = [])),
)]
async fn list_sessions(State(state): State<AppState>, caller: Caller) -> Result<Answer<Page<SessionBody>>, Problem> {
    let sessions = state.identity().sessions(&caller.principal).await?;
    let items = sessions.into_iter().map(|session| SessionBody::of(session, caller.principal.session)).collect();
    Ok(Answer(Page { items, next_cursor: None }))
}

/// Ends all my sessions but this one
#[utoipa::path(
    delete, path = "/users/me/sessions", operation_id = "endOtherSessions", tag = "Identity",
    responses((status = 204, description = "They have ended; their access tokens are refused within a second.")),
    security(("bearer" = [])),
)]
async fn end_other_sessions(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, Problem> {
    state.identity().end_other_sessions(&caller.principal, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of my sessions
#[utoipa::path(
    delete, path = "/users/me/sessions/{sessionId}", operation_id = "endSession", tag = "Identity",
    params(("sessionId" = Uuid, Path, description = "The session.")),
    responses((status = 204, description = "It has ended; its access tokens are refused within a second.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found"]))),
)]
async fn end_session(State(state): State<AppState>, caller: Caller, ids: Ids<1>) -> Result<StatusCode, Problem> {
    let Ids([session]) = ids;
    state.identity().end_session(&caller.principal, SessionId::new(session), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The password of the account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeleteAccount)]
pub(crate) struct DeleteAccountBody {
    /// It is asked for, since this cannot be undone.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: SecretString,
}

/// Deletes my account
///
/// Address, name and password go for good, and so do the names of those whom I have booked for; bookings stay under the
/// bare id. Every session ends. The last admin, and the only owner of an organizer, are refused.
#[utoipa::path(
    post, path = "/users/me/delete", operation_id = "deleteAccount", tag = "Identity",
    request_body = DeleteAccountBody,
    responses((status = 204, description = "It is gone.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn delete_account(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<DeleteAccountBody>,
) -> Result<StatusCode, Problem> {
    state.identity().delete_account(&caller.principal, wish.password.expose_secret(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
