//! `/auth`: accounts are made, sessions begin and end; and the keys by which anybody verifies access tokens.

use application::identity::{NewUser, PublicKey, SignIn, TokenPair};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::context::Context;
use crate::extract::caller::recognised_to_refresh;
use crate::extract::client::Client;
use crate::extract::{Caller, Json, SessionOwner};
use crate::middleware::let_in;
use crate::problem::Problem;
use crate::second_factor::ChallengeBody;
use crate::state::AppState;
use crate::users::UserBody;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
}

/// The routes at the root.
pub(crate) fn root_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(jwks))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Register)]
pub(crate) struct RegisterBody {
    /// An address that mail can be sent to; kept in lower case.
    #[schema(format = Email, max_length = 254, example = "ana@example.com")]
    email: String,
    /// 8 to 72 bytes of UTF-8; a longer one is refused, never cut, and so is one of those that are tried first.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 72)]
    #[schema(example = "correct horse battery")]
    password: SecretString,
    /// One line.
    #[schema(min_length = 1, max_length = 100, example = "Ana Kowalska")]
    name: Option<String>,
}

/// Makes an account
///
/// Its owner gets a mail, in the language of `Accept-Language`, with a token for `/auth/email/verify`.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = "Identity",
    request_body = RegisterBody,
    responses((
        status = 201, description = "The account; its role is `user`.", body = UserBody,
        headers(("Location" = String, description = "Where the account is, for whoever is signed in to it.")),
    )),
    security(()),
    extensions(("x-problems" = json!(["already_exists", "validation_failed"]))),
)]
async fn register(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    Json(wish): Json<RegisterBody>,
) -> Result<impl IntoResponse, Problem> {
    let new = NewUser { email: &wish.email, password: wish.password.expose_secret(), name: wish.name.as_deref() };
    let user = state.identity().register(new, client.language, &context.origin()).await?;
    Ok((StatusCode::CREATED, [(LOCATION, "/api/v1/auth/me")], Answer(UserBody::from(user))))
}

/// Credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub(crate) struct LoginBody {
    /// The address of the account.
    #[schema(format = Email, example = "ana@example.com")]
    email: String,
    /// Its password.
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: SecretString,
}

impl LoginBody {
    /// The address of the account.
    pub(crate) fn email(&self) -> &str {
        &self.email
    }

    /// Its password.
    pub(crate) fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tokens)]
pub(crate) struct TokensBody {
    /// To be sent as `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJFZERTQSJ9.…")]
    access_token: String,
    /// To be changed for a new pair, once. It is opaque: its length may change.
    #[schema(
        min_length = 43,
        max_length = 300,
        example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE.AaFz0cU2Qm1rWkq7o5xJp3n8tV"
    )]
    refresh_token: String,
    /// Always `Bearer`.
    #[schema(pattern = "^Bearer$", example = "Bearer")]
    token_type: &'static str,
    /// For how many seconds the access token holds.
    #[schema(example = 900)]
    expires_in: u64,
}

impl From<TokenPair> for TokensBody {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token.expose_secret().to_owned(),
            refresh_token: pair.refresh_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: pair.expires_in_secs,
        }
    }
}

/// Signs in
///
/// A wrong password and an unknown address answer alike. An account with a second factor gets 202 with a `challenge` instead
/// of tokens, and tokens for it and a code at `/auth/login/second-factor`.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "Identity",
    request_body = LoginBody,
    responses(
        (status = 200, description = "The tokens of a new session.", body = TokensBody),
        (status = 202, description = "A code is asked for, too.", body = ChallengeBody),
    ),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated"]))),
)]
async fn login(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    Json(wish): Json<LoginBody>,
) -> Result<Response, Problem> {
    let (password, origin) = (wish.password.expose_secret(), context.origin());
    Ok(answer(state.identity().login_on(client.device, &wish.email, password, &origin).await?))
}

/// Tokens, or what is to be shown with a code to get them.
pub(crate) fn answer(step: SignIn) -> Response {
    match step {
        SignIn::Done(pair) => Answer(TokensBody::from(pair)).into_response(),
        SignIn::Challenged(challenge) => ChallengeBody::from(challenge).into_response(),
    }
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Refresh)]
pub(crate) struct RefreshBody {
    /// The newest one of the session.
    #[schema(value_type = String, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE.AaFz0cU2Qm1rWkq7o5xJp3n8tV")]
    refresh_token: SecretString,
}

/// Changes a refresh token for a new pair
///
/// The old one is spent. A spent one ends the session, unless it is at most 10 seconds old and its successor was not
/// used: then the answer was lost on its way.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = "Identity",
    request_body = RefreshBody,
    responses((status = 200, description = "A new pair.", body = TokensBody)),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated"]))),
)]
async fn refresh(
    State(state): State<AppState>,
    context: Context,
    headers: HeaderMap,
    Json(wish): Json<RefreshBody>,
) -> Result<Answer<TokensBody>, Problem> {
    let (identity, token) = (state.identity(), wish.refresh_token.expose_secret());
    let_in(&context, &state, || recognised_to_refresh(Some(token), &headers, &state)).await?;
    let pair = identity.refresh(token, &context.origin()).await?;
    Ok(Answer(pair.into()))
}

/// Signs out
///
/// The session ends: its refresh tokens are worth nothing, and its access tokens are refused within a second.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "Identity",
    responses((status = 204, description = "The session has ended.")),
    security(("bearer" = [])),
)]
async fn logout(State(state): State<AppState>, caller: SessionOwner) -> Result<StatusCode, Problem> {
    state.identity().logout(&caller.principal, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the account that is signed in
#[utoipa::path(
    get, path = "/auth/me", operation_id = "me", tag = "Identity",
    responses((status = 200, description = "The account.", body = UserBody)),
    security(("bearer" = [])),
)]
async fn me(State(state): State<AppState>, caller: Caller) -> Result<Answer<UserBody>, Problem> {
    Ok(Answer(state.identity().me(&caller.principal).await?.into()))
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwks)]
pub(crate) struct JwksBody {
    keys: Vec<JwkBody>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwk)]
pub(crate) struct JwkBody {
    /// Key type.
    #[schema(example = "OKP", pattern = "^OKP$")]
    kty: &'static str,
    /// Curve.
    #[schema(example = "Ed25519", pattern = "^Ed25519$")]
    crv: &'static str,
    /// What it is for: signatures.
    #[schema(example = "sig", pattern = "^sig$")]
    r#use: &'static str,
    /// Algorithm.
    #[schema(example = "EdDSA", pattern = "^EdDSA$")]
    alg: &'static str,
    /// Its id, the `kid` of tokens.
    kid: Uuid,
    /// The key, base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", min_length = 43, max_length = 43)]
    x: String,
}

impl From<PublicKey> for JwkBody {
    fn from(key: PublicKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.bytes);
        Self { kty: "OKP", crv: "Ed25519", r#use: "sig", alg: "EdDSA", kid: key.id.uuid(), x }
    }
}

/// Lists the public keys of access tokens
///
/// Read it again when a token names a key that is not here.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "Identity",
    responses((
        status = 200, description = "Every key that verifies at the moment.", body = JwksBody,
        headers(("Cache-Control" = String, description = "`public, max-age=60`")),
    )),
    security(()),
)]
async fn jwks(State(state): State<AppState>) -> impl IntoResponse {
    let keys = state.identity().public_keys().into_iter().map(JwkBody::from).collect();
    ([(CACHE_CONTROL, "public, max-age=60")], Answer(JwksBody { keys }))
}
