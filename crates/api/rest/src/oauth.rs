//! `/auth/oauth` and `/users/me/identities`: signing in by somebody else who knows one.

use application::identity::{ProviderReply, SignInStep};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::ExternalIdentityId;
use domain::identity::ExternalIdentity;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{self, TokensBody};
use crate::context::Context;
use crate::extract::client::Client;
use crate::extract::cookie::{OAUTH, OauthCookie, kept};
use crate::extract::path::Name;
use crate::extract::web::OwnPage;
use crate::extract::{Caller, Ids, Json, Params};
use crate::page::Page;
use crate::problem::Problem;
use crate::second_factor::ChallengeBody;
use crate::state::AppState;
use crate::web::{self, WebSessionBody};

/// For how long the browser keeps what it was sent to a provider with.
const ATTEMPT_SECS: u64 = 600;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(list_providers))
        .routes(routes!(start_sign_in))
        .routes(routes!(finish_sign_in))
        .routes(routes!(exchange_code))
        .routes(routes!(web_exchange_code))
        .routes(routes!(list_identities, link_identity))
        .routes(routes!(unlink_identity))
}

/// A provider.
#[derive(Serialize, ToSchema)]
#[schema(as = SignInProvider)]
pub(crate) struct ProviderBody {
    /// Its name in paths.
    #[schema(example = "google")]
    name: String,
    /// What people call it.
    #[schema(example = "Google")]
    title: String,
}

/// Lists who else can sign one in
///
/// For the buttons of a page; all on one page.
#[utoipa::path(
    get, path = "/auth/oauth", operation_id = "listProviders", tag = "Identity",
    responses((status = 200, description = "The providers of the configuration.", body = Page<ProviderBody>)),
    security(()),
)]
async fn list_providers(State(state): State<AppState>) -> Answer<Page<ProviderBody>> {
    let providers = state.identity().sign_in_providers().into_iter();
    let items = providers.map(|provider| ProviderBody { name: provider.name, title: provider.title }).collect();
    Answer(Page { items, next_cursor: None })
}

/// How a sign-in ends.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartParams {
    /// The page at which it ends, one of `auth.sign_in_pages`; by default the first of them.
    #[param(nullable = false, max_length = 500, example = "https://tickets.example.com/account/sign-in")]
    redirect_uri: Option<String>,
    /// SHA-256 of a secret of the client, in base64url (as PKCE's `S256`): the code at the end is worth something to who
    /// knows the secret alone. Without it, to this browser alone.
    #[param(
        nullable = false,
        min_length = 43,
        max_length = 43,
        example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )]
    code_challenge: Option<String>,
}

/// Sends the browser to a provider to sign in
///
/// It comes back to `/auth/oauth/{provider}/callback`, within ten minutes. Where the provider is away, it is sent to the
/// page at once, with `error`.
#[utoipa::path(
    get, path = "/auth/oauth/{provider}/start", operation_id = "startSignIn", tag = "Identity",
    params(("provider" = String, Path, description = "Its name.", example = "google"), StartParams),
    responses((
        status = 303, description = "To the provider.",
        headers(
            ("Location" = String, description = "The provider's page."),
            ("Set-Cookie" = String, description = "By which the browser is known when it comes back."),
        ),
    )),
    security(()),
    extensions(("x-problems" = json!(["not_found", "validation_failed"]))),
)]
async fn start_sign_in(
    State(state): State<AppState>,
    context: Context,
    Name(provider): Name,
    Params(wish): Params<StartParams>,
) -> Result<(StatusCode, HeaderMap), Problem> {
    let (page, challenge) = (wish.redirect_uri.as_deref(), wish.code_challenge.as_deref());
    let step = state.identity().start_sign_in(&provider, page, challenge, &context.origin()).await?;
    Ok((StatusCode::SEE_OTHER, headers(&step, true)?))
}

/// What a provider sends the browser back with. It may bear more, which is nothing to us.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackParams {
    /// The code of the provider.
    #[param(nullable = false, max_length = 4096, example = "4/0AVG7fiQ")]
    code: Option<String>,
    /// What the browser was sent there with.
    #[param(nullable = false, max_length = 200, example = "mC3jO1w0")]
    state: Option<String>,
    /// Why there is no code.
    #[param(nullable = false, max_length = 200, example = "access_denied")]
    error: Option<String>,
    /// Who answers (RFC 9207).
    #[param(nullable = false, max_length = 500, example = "https://accounts.example.com")]
    iss: Option<String>,
}

/// Takes the browser back from a provider
///
/// It is sent to the page of its sign-in, with `code` (for `/auth/oauth/exchange`, once and within a minute), or with
/// `linked` (the provider's name) where an identity was linked, or with `error`: `unknown_attempt` (not this browser, or
/// not its last wish), `expired`, `denied` (the person said no), `code_refused` (used before), `provider_unavailable`,
/// `wrong_issuer`, `wrong_nonce`, `invalid_answer`, `email_not_verified`, `too_many_identities`, `linked_elsewhere`,
/// `signed_out`.
#[utoipa::path(
    get, path = "/auth/oauth/{provider}/callback", operation_id = "finishSignIn", tag = "Identity",
    params(("provider" = String, Path, description = "Its name.", example = "google"), CallbackParams),
    responses((
        status = 303, description = "To the page.",
        headers(
            ("Location" = String, description = "The page, with `code`, `linked` or `error`."),
            ("Set-Cookie" = String, description = "What the browser shows with the code, or nothing."),
        ),
    )),
    security(()),
    extensions(("x-problems" = json!(["malformed_request", "not_found"]))),
)]
async fn finish_sign_in(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    Name(provider): Name,
    OauthCookie(cookie): OauthCookie,
    Params(told): Params<CallbackParams>,
) -> Result<(StatusCode, HeaderMap), Problem> {
    let reply = ProviderReply {
        code: told.code.as_deref(),
        state: told.state.as_deref(),
        error: told.error.as_deref(),
        issuer: told.iss.as_deref(),
    };
    let (cookie, origin) = (cookie.as_deref(), context.origin());
    let step = state.identity().finish_sign_in(&provider, reply, cookie, client.language, &origin).await?;
    Ok((StatusCode::SEE_OTHER, headers(&step, false)?))
}

/// A one-time code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SignInCode)]
pub(crate) struct ExchangeBody {
    /// What the page was given as `code`.
    #[schema(value_type = String, example = "o7mYl3kzYh0a1xYwS3YyqzD2vQ1kqzB8f0sJ9w6m5gE")]
    code: SecretString,
    /// The secret whose SHA-256 was the `codeChallenge`, 43 to 128 characters; left out where there was none.
    #[schema(value_type = Option<String>, nullable = false, example = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")]
    code_verifier: Option<SecretString>,
}

impl ExchangeBody {
    /// The secret of the client, or else what its browser keeps.
    fn proof<'a>(&'a self, cookie: &'a OauthCookie) -> Option<&'a str> {
        self.code_verifier.as_ref().map(ExposeSecret::expose_secret).or(cookie.0.as_deref())
    }
}

/// Changes a one-time code for tokens
///
/// It works once, within a minute, for who began the sign-in: he shows the secret of his `codeChallenge`, or sends the
/// cookie of the browser that it ended in.
#[utoipa::path(
    post, path = "/auth/oauth/exchange", operation_id = "exchangeCode", tag = "Identity",
    request_body = ExchangeBody,
    responses(
        (status = 200, description = "The tokens of a new session.", body = TokensBody),
        (status = 202, description = "A code is asked for, too.", body = ChallengeBody),
    ),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated"]))),
)]
async fn exchange_code(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    cookie: OauthCookie,
    Json(wish): Json<ExchangeBody>,
) -> Result<Response, Problem> {
    let (code, proof) = (wish.code.expose_secret(), wish.proof(&cookie));
    Ok(auth::answer(state.identity().exchange_sign_in_code(code, proof, client.device, &context.origin()).await?))
}

/// Changes a one-time code for a session of cookies
///
/// As `/auth/oauth/exchange`, with cookies, as `/auth/web/login` sets them. Taken from pages of this origin alone.
#[utoipa::path(
    post, path = "/auth/web/oauth/exchange", operation_id = "webExchangeCode", tag = "Identity",
    request_body = ExchangeBody,
    responses(
        (
            status = 200, description = "The session has begun.", body = WebSessionBody,
            headers(("Set-Cookie" = String, description = "Both cookies.")),
        ),
        (status = 202, description = "A code is asked for, too.", body = ChallengeBody),
    ),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated", "forbidden"]))),
)]
async fn web_exchange_code(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    _page: OwnPage,
    cookie: OauthCookie,
    Json(wish): Json<ExchangeBody>,
) -> Result<Response, Problem> {
    let (code, proof) = (wish.code.expose_secret(), wish.proof(&cookie));
    let step = state.identity().exchange_sign_in_code(code, proof, client.device, &context.origin()).await?;
    web::answer_step(&state, step)
}

/// Who an account is at a provider.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExternalIdentity)]
pub(crate) struct IdentityBody {
    /// Its id.
    id: Uuid,
    /// The name of the provider.
    #[schema(example = "google")]
    provider: String,
    /// Who says so.
    #[schema(example = "https://accounts.google.com")]
    issuer: String,
    /// Whom it means, in the words of the issuer.
    #[schema(example = "110169484474386276334")]
    subject: String,
    /// When it was linked.
    linked_at: DateTime<Utc>,
}

impl From<ExternalIdentity> for IdentityBody {
    fn from(identity: ExternalIdentity) -> Self {
        Self {
            id: identity.id.uuid(),
            provider: identity.provider,
            issuer: identity.who.issuer,
            subject: identity.who.subject,
            linked_at: identity.linked_at,
        }
    }
}

/// Lists by whom I can sign in
///
/// In the order in which they were linked; at most ten, on one page.
#[utoipa::path(
    get, path = "/users/me/identities", operation_id = "listIdentities", tag = "Identity",
    responses((status = 200, description = "My identities elsewhere.", body = Page<IdentityBody>)),
    security(("bearer" = [])),
)]
async fn list_identities(State(state): State<AppState>, caller: Caller) -> Result<Answer<Page<IdentityBody>>, Problem> {
    let identities = state.identity().external_identities(&caller.principal).await?;
    let items = identities.into_iter().map(IdentityBody::from).collect();
    Ok(Answer(Page { items, next_cursor: None }))
}

/// A wish to link an identity.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LinkIdentity)]
pub(crate) struct LinkBody {
    /// The name of the provider.
    #[schema(example = "google")]
    provider: String,
    /// The password of the account, if it has one.
    #[schema(value_type = Option<String>, format = Password, nullable = false, example = "correct horse battery")]
    password: Option<SecretString>,
    /// The page at which it ends, one of `auth.sign_in_pages`; by default the first of them.
    #[schema(nullable = false, max_length = 500, example = "https://tickets.example.com/account/sign-in")]
    redirect_uri: Option<String>,
}

/// Where the browser goes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LinkIdentityStep)]
pub(crate) struct LinkStepBody {
    /// The page is to go there, in the browser that has got the cookie of this answer.
    #[schema(format = "uri", example = "https://accounts.google.com/o/oauth2/v2/auth?client_id=…")]
    authorization_url: String,
}

/// Begins to link an identity to my account
///
/// A page sends the browser to `authorizationUrl`; it ends at `redirectUri` with `linked` or `error`, as
/// `/auth/oauth/{provider}/callback` says. The address of the account must be verified.
#[utoipa::path(
    post, path = "/users/me/identities", operation_id = "linkIdentity", tag = "Identity",
    request_body = LinkBody,
    responses((
        status = 200, description = "Where to go.", body = LinkStepBody,
        headers(("Set-Cookie" = String, description = "By which the browser is known when it comes back.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found", "invalid_state", "validation_failed"]))),
)]
async fn link_identity(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<LinkBody>,
) -> Result<(HeaderMap, Answer<LinkStepBody>), Problem> {
    let password = wish.password.as_ref().map(ExposeSecret::expose_secret);
    let page = wish.redirect_uri.as_deref();
    let (principal, origin) = (&caller.principal, &caller.origin);
    let step = state.identity().start_linking(principal, &wish.provider, page, password, origin).await?;
    let mut headers = headers(&step, true)?;
    headers.remove(LOCATION);
    Ok((headers, Answer(LinkStepBody { authorization_url: step.location })))
}

/// Takes an identity away from my account
///
/// Refused where neither a password nor another identity would be left to sign in by.
#[utoipa::path(
    delete, path = "/users/me/identities/{identityId}", operation_id = "unlinkIdentity", tag = "Identity",
    params(("identityId" = Uuid, Path, description = "The identity.")),
    responses((status = 204, description = "Nobody signs in by it any more.")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["not_found", "invalid_state"]))),
)]
async fn unlink_identity(State(state): State<AppState>, caller: Caller, ids: Ids<1>) -> Result<StatusCode, Problem> {
    let Ids([identity]) = ids;
    let id = ExternalIdentityId::new(identity);
    state.identity().unlink_identity(&caller.principal, id, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where to go, and what to keep; whatever bears a code is kept by nobody else.
fn headers(step: &SignInStep, is_beginning: bool) -> Result<HeaderMap, Problem> {
    let (value, secs) = match &step.cookie {
        Some(value) if is_beginning => (value.expose_secret(), ATTEMPT_SECS),
        Some(value) => (value.expose_secret(), 60),
        None => ("", 0),
    };
    let line = |text: &str| HeaderValue::try_from(text).map_err(|_| application::error::AppError::Internal);
    let cookie = kept(OAUTH, value, secs, "Lax");
    let pairs = [
        (LOCATION, line(&step.location)?),
        (SET_COOKIE, line(&cookie)?),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok(HeaderMap::from_iter(pairs))
}
