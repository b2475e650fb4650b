//! `/auth/login/second-factor` and `/users/me/second-factor`: codes of an app beside the password.

use application::identity::{Challenge, Enrolment, SecondFactorState};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::TokensBody;
use crate::context::Context;
use crate::extract::client::Client;
use crate::extract::web::OwnPage;
use crate::extract::{Acting, Caller, Ids, Json, SessionOwner};
use crate::problem::Problem;
use crate::state::AppState;
use crate::web::{self, WebSessionBody};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(login_with_code))
        .routes(routes!(web_login_with_code))
        .routes(routes!(get_second_factor, enrol_second_factor))
        .routes(routes!(confirm_second_factor))
        .routes(routes!(renew_recovery_codes))
        .routes(routes!(remove_second_factor))
        .routes(routes!(reset_second_factor))
}

/// That a code is asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SecondFactorChallenge)]
pub(crate) struct ChallengeBody {
    /// To be shown with a code, once. It has five tries, and is worth nothing once something about the account changes.
    #[schema(min_length = 43, max_length = 43, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE")]
    challenge: String,
    /// For how many seconds it holds.
    #[schema(example = 300)]
    expires_in: u64,
}

impl From<Challenge> for ChallengeBody {
    fn from(challenge: Challenge) -> Self {
        Self { challenge: challenge.text.expose_secret().to_owned(), expires_in: challenge.expires_in_secs }
    }
}

impl IntoResponse for ChallengeBody {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Answer(self)).into_response()
    }
}

/// A challenge and a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LoginWithCode)]
pub(crate) struct ChallengeCodeBody {
    /// That of the sign-in.
    #[schema(value_type = String, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE")]
    challenge: SecretString,
    /// The code that the app shows, or a recovery code.
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

/// Signs in with a second factor
///
/// For the `challenge` of a sign-in, which holds for five minutes and works once. A code of the app counts once; a recovery
/// code is used up. After five wrong codes one after another, whoever sends them from wherever, none is taken for a quarter
/// of an hour, then for half an hour, and so on up to four hours: 429.
#[utoipa::path(
    post, path = "/auth/login/second-factor", operation_id = "loginWithCode", tag = "Identity",
    request_body = ChallengeCodeBody,
    responses((status = 200, description = "The tokens of a new session.", body = TokensBody)),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated", "validation_failed"]))),
)]
async fn login_with_code(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    Json(wish): Json<ChallengeCodeBody>,
) -> Result<Answer<TokensBody>, Problem> {
    let (challenge, code) = (wish.challenge.expose_secret(), wish.code.expose_secret());
    let pair = state.identity().login_with_code(challenge, code, client.device, &context.origin()).await?;
    Ok(Answer(pair.into()))
}

/// Signs in with a second factor and cookies
///
/// As `/auth/login/second-factor`, with cookies, as `/auth/web/login` sets them. Taken from pages of this origin alone.
#[utoipa::path(
    post, path = "/auth/web/login/second-factor", operation_id = "webLoginWithCode", tag = "Identity",
    request_body = ChallengeCodeBody,
    responses((
        status = 200, description = "The session has begun.", body = WebSessionBody,
        headers(("Set-Cookie" = String, description = "Both cookies.")),
    )),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated", "forbidden", "validation_failed"]))),
)]
async fn web_login_with_code(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    _page: OwnPage,
    Json(wish): Json<ChallengeCodeBody>,
) -> Result<web::Answered, Problem> {
    let (challenge, code) = (wish.challenge.expose_secret(), wish.code.expose_secret());
    let pair = state.identity().login_with_code(challenge, code, client.device, &context.origin()).await?;
    web::answer(&state, &pair)
}

/// What an app is given.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
pub(crate) struct EnrolmentBody {
    /// The seed, as one types it into an app where there is no camera.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same to be shown as a QR code.
    #[schema(example = "otpauth://totp/GoTicket:ana%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=GoTicket")]
    link: String,
}

impl From<Enrolment> for EnrolmentBody {
    fn from(enrolment: Enrolment) -> Self {
        let text = |secret: &SecretString| secret.expose_secret().to_owned();
        Self { secret: text(&enrolment.secret), link: text(&enrolment.link) }
    }
}

/// Recovery codes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryCodes)]
pub(crate) struct RecoveryCodesBody {
    /// Each signs in once, in the place of a code of the app. They are shown this once.
    #[schema(example = json!(["abcd-efgh-ijkm-npqr-stuv-wxyz"]))]
    recovery_codes: Vec<String>,
}

impl From<Vec<SecretString>> for RecoveryCodesBody {
    fn from(codes: Vec<SecretString>) -> Self {
        Self { recovery_codes: codes.iter().map(|code| code.expose_secret().to_owned()).collect() }
    }
}

/// How an account stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SecondFactorState)]
pub(crate) struct SecondFactorBody {
    /// Whether a code is asked for at every sign-in.
    enabled: bool,
    /// Since when.
    #[schema(required)]
    since: Option<DateTime<Utc>>,
    /// How many recovery codes are left.
    #[schema(example = 8)]
    recovery_codes_left: u64,
    /// Whether my role cannot do without.
    required: bool,
}

impl From<SecondFactorState> for SecondFactorBody {
    fn from(state: SecondFactorState) -> Self {
        let SecondFactorState { since, recovery_codes, is_required } = state;
        Self { enabled: since.is_some(), since, recovery_codes_left: recovery_codes, required: is_required }
    }
}

/// Shows whether I have a second factor
#[utoipa::path(
    get, path = "/users/me/second-factor", operation_id = "getSecondFactor", tag = "Identity",
    responses((status = 200, description = "How it stands.", body = SecondFactorBody)),
    security(("bearer" = [])),
)]
async fn get_second_factor(
    State(state): State<AppState>,
    caller: SessionOwner,
) -> Result<Answer<SecondFactorBody>, Problem> {
    Ok(Answer(state.identity().second_factor(&caller.principal).await?.into()))
}

/// The password of the account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EnrolSecondFactor)]
pub(crate) struct PasswordBody {
    /// Left out where the account has none.
    #[schema(value_type = Option<String>, format = Password, nullable = false, example = "correct horse battery")]
    password: Option<SecretString>,
}

/// Sets up a second factor
///
/// It is asked for once `/users/me/second-factor/confirm` has got a code of it. An account whose role cannot do without may
/// do this, confirm it and sign out, and gets 403 `forbidden` for everything else before.
#[utoipa::path(
    post, path = "/users/me/second-factor", operation_id = "enrolSecondFactor", tag = "Identity",
    request_body = PasswordBody,
    responses((status = 200, description = "What the app is given.", body = EnrolmentBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn enrol_second_factor(
    State(state): State<AppState>,
    caller: SessionOwner,
    Json(wish): Json<PasswordBody>,
) -> Result<Answer<EnrolmentBody>, Problem> {
    let password = wish.password.as_ref().map(ExposeSecret::expose_secret);
    Ok(Answer(state.identity().enrol_second_factor(&caller.principal, password, &caller.origin).await?.into()))
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmSecondFactor)]
pub(crate) struct CodeBody {
    /// The code that the app shows.
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

/// Shows that the app works
///
/// From now on a code is asked for at every sign-in. Sessions go on; one of an account that may do nothing without a second
/// factor is whole after `/auth/refresh`.
#[utoipa::path(
    post, path = "/users/me/second-factor/confirm", operation_id = "confirmSecondFactor", tag = "Identity",
    request_body = CodeBody,
    responses((status = 200, description = "The recovery codes, this once.", body = RecoveryCodesBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn confirm_second_factor(
    State(state): State<AppState>,
    caller: SessionOwner,
    Json(wish): Json<CodeBody>,
) -> Result<Answer<RecoveryCodesBody>, Problem> {
    let code = wish.code.expose_secret();
    Ok(Answer(state.identity().confirm_second_factor(&caller.principal, code, &caller.origin).await?.into()))
}

/// The password and a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BothFactors)]
pub(crate) struct BothBody {
    /// Left out where the account has none.
    #[schema(value_type = Option<String>, format = Password, nullable = false, example = "correct horse battery")]
    password: Option<SecretString>,
    /// The code that the app shows, or a recovery code.
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

/// Makes new recovery codes
///
/// The old ones are worth nothing any more.
#[utoipa::path(
    post, path = "/users/me/second-factor/recovery-codes", operation_id = "renewRecoveryCodes", tag = "Identity",
    request_body = BothBody,
    responses((status = 200, description = "The recovery codes, this once.", body = RecoveryCodesBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn renew_recovery_codes(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<BothBody>,
) -> Result<Answer<RecoveryCodesBody>, Problem> {
    let (password, code) = (wish.password.as_ref().map(ExposeSecret::expose_secret), wish.code.expose_secret());
    let codes = state.identity().renew_recovery_codes(&caller.principal, password, code, &caller.origin).await?;
    Ok(Answer(codes.into()))
}

/// Takes my second factor away
///
/// Refused where the role of the account cannot do without.
#[utoipa::path(
    post, path = "/users/me/second-factor/remove", operation_id = "removeSecondFactor", tag = "Identity",
    request_body = BothBody,
    responses((status = 204, description = "No code is asked for any more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["invalid_state", "validation_failed"]))),
)]
async fn remove_second_factor(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<BothBody>,
) -> Result<StatusCode, Problem> {
    let (password, code) = (wish.password.as_ref().map(ExposeSecret::expose_secret), wish.code.expose_secret());
    state.identity().remove_second_factor(&caller.principal, password, code, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody's second factor away
///
/// For who has lost it, by an admin. All sessions of the account end, and it is told by mail.
#[utoipa::path(
    delete, path = "/users/{userId}/second-factor", operation_id = "resetSecondFactor", tag = "Identity",
    params(("userId" = uuid::Uuid, Path, description = "The account.")),
    responses((status = 204, description = "No code is asked for any more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "invalid_state", "not_found"]))),
)]
async fn reset_second_factor(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<StatusCode, Problem> {
    let Ids([user]) = ids;
    state.identity().reset_second_factor(&acting.agent, UserId::new(user), &acting.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
