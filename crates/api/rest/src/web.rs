//! `/auth/web`: signing in from pages of this instance, whose tokens lie in cookies that no script reads.

use application::error::AppError;
use application::identity::{SignIn, TokenPair};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::LoginBody;
use crate::context::Context;
use crate::extract::Json;
use crate::extract::client::Client;
use crate::extract::cookie::{ACCESS, REFRESH, kept};
use crate::extract::web::{Leaver, OwnPage, WebCaller};
use crate::problem::Problem;
use crate::second_factor::ChallengeBody;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(web_login))
        .routes(routes!(web_refresh))
        .routes(routes!(web_session))
        .routes(routes!(web_logout))
}

/// What a page knows of its session; the tokens themselves lie in cookies.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebSession)]
pub(crate) struct WebSessionBody {
    /// To be sent as `X-CSRF-Token` with every request that changes something.
    #[schema(example = "…")]
    csrf_token: String,
    /// For how many seconds the access token holds, after which `/auth/web/refresh` makes another one.
    #[schema(example = 900)]
    expires_in: u64,
}

pub(crate) type Answered = (StatusCode, HeaderMap, Answer<WebSessionBody>);

/// Signs in with cookies
///
/// For pages of this instance: the tokens lie in the cookies `__Host-goticket-access` and `__Host-goticket-refresh`, which
/// no script reads, and which count wherever a bearer token does. With them, what changes something must bear
/// `X-CSRF-Token`. An account with a second factor gets 202 with a `challenge` for `/auth/web/login/second-factor`, and no
/// cookies. Taken from pages of this origin alone.
#[utoipa::path(
    post, path = "/auth/web/login", operation_id = "webLogin", tag = "Identity",
    request_body = LoginBody,
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
async fn web_login(
    State(state): State<AppState>,
    context: Context,
    client: Client,
    _page: OwnPage,
    Json(wish): Json<LoginBody>,
) -> Result<Response, Problem> {
    let step = state.identity().login_on(client.device, wish.email(), wish.password(), &context.origin()).await?;
    answer_step(&state, step)
}

/// Changes the refresh token of the cookie for a new pair
///
/// As `/auth/refresh`, with cookies, which the browser forgets where they are of no use any more. Taken from pages of this
/// origin alone.
#[utoipa::path(
    post, path = "/auth/web/refresh", operation_id = "webRefresh", tag = "Identity",
    responses((
        status = 200, description = "The session goes on.", body = WebSessionBody,
        headers(("Set-Cookie" = String, description = "Both cookies.")),
    )),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated", "forbidden"]))),
)]
async fn web_refresh(State(state): State<AppState>, context: Context, page: OwnPage) -> Result<Response, Problem> {
    let refreshed = match page.refresh_token() {
        Ok(token) => state.identity().refresh(token, &context.origin()).await,
        Err(missing) => Err(missing),
    };
    match refreshed {
        Ok(pair) => Ok(answer(&state, &pair)?.into_response()),
        // Nothing will come of these cookies any more.
        Err(AppError::Unauthenticated) => Ok((forgotten()?, Problem::from(AppError::Unauthenticated)).into_response()),
        Err(error) => Err(error.into()),
    }
}

/// Tells a page of its session
///
/// A page that was loaded anew gets its CSRF token here.
#[utoipa::path(
    get, path = "/auth/web/session", operation_id = "webSession", tag = "Identity",
    responses((status = 200, description = "The session of the cookies.", body = WebSessionBody)),
    security(("cookie" = [])),
)]
async fn web_session(State(state): State<AppState>, caller: WebCaller) -> Result<Answer<WebSessionBody>, Problem> {
    let csrf_token = state.identity().csrf_token(caller.principal.session)?.expose_secret().to_owned();
    Ok(Answer(WebSessionBody { csrf_token, expires_in: state.identity().expires_in_secs(&caller.token) }))
}

/// Signs out with cookies
///
/// The session ends, and the browser forgets both cookies; also those of a session that has ended already.
#[utoipa::path(
    post, path = "/auth/web/logout", operation_id = "webLogout", tag = "Identity",
    responses((
        status = 204, description = "The session has ended.",
        headers(("Set-Cookie" = String, description = "Both cookies, empty.")),
    )),
    security(("cookie" = [])),
)]
async fn web_logout(State(state): State<AppState>, leaver: Leaver) -> Result<(StatusCode, HeaderMap), Problem> {
    if let Leaver::SignedIn(caller) = leaver {
        state.identity().logout(&caller.principal, &caller.origin).await?;
    }
    Ok((StatusCode::NO_CONTENT, forgotten()?))
}

/// Makes the browser forget both cookies.
fn forgotten() -> Result<HeaderMap, Problem> {
    cookies(("", 0), ("", 0))
}

/// The session of tokens, which go into cookies, or what is to be shown with a code to get one.
pub(crate) fn answer_step(state: &AppState, step: SignIn) -> Result<Response, Problem> {
    match step {
        SignIn::Done(pair) => Ok(answer(state, &pair)?.into_response()),
        SignIn::Challenged(challenge) => Ok(ChallengeBody::from(challenge).into_response()),
    }
}

/// The session of these tokens, which go into cookies.
pub(crate) fn answer(state: &AppState, pair: &TokenPair) -> Result<Answered, Problem> {
    let access = (pair.access_token.expose_secret(), pair.expires_in_secs);
    let headers = cookies(access, (pair.refresh_token.expose_secret(), pair.session_expires_in_secs))?;
    let csrf_token = state.identity().csrf_token(pair.session)?.expose_secret().to_owned();
    Ok((StatusCode::OK, headers, Answer(WebSessionBody { csrf_token, expires_in: pair.expires_in_secs })))
}

/// Links from elsewhere, like those of mails, find one signed in (`Lax`); the refresh token goes out with what our own
/// pages ask for alone (`Strict`).
fn cookies(access: (&str, u64), refresh: (&str, u64)) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for line in [kept(ACCESS, access.0, access.1, "Lax"), kept(REFRESH, refresh.0, refresh.1, "Strict")] {
        let line = HeaderValue::try_from(line).map_err(|_| AppError::Internal)?;
        headers.append(SET_COOKIE, line);
    }
    Ok(headers)
}
