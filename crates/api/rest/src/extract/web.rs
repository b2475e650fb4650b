//! Who asks from a page of this instance.

use application::access::Purpose;
use application::error::AppError;
use application::origin::{Actor, Origin, Principal};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::context::Context;
use crate::extract::caller::admit;
use crate::extract::cookie::{ACCESS, CSRF, REFRESH, Site, cookie, is_safe, site};
use crate::problem::Problem;
use crate::state::AppState;

/// A request that a page of ours has made; 403 for what another site made the browser send, and for what does not tell.
pub(crate) struct OwnPage {
    refresh_token: Option<String>,
}

/// Somebody who has signed in with cookies, for what concerns his session itself, also where he may do nothing else before he
/// has set a second factor up; 401 for everybody else.
pub(crate) struct WebCaller {
    /// He.
    pub(crate) principal: Principal,
    /// The origin of what he changes.
    pub(crate) origin: Origin,
    /// His access token.
    pub(crate) token: String,
}

/// Somebody who signs out with cookies; 401 where there are none.
pub(crate) enum Leaver {
    /// His session is still there.
    SignedIn(WebCaller),
    /// His session has ended: cookies are all that is left of it.
    Gone,
}

impl OwnPage {
    /// The token of the cookie.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] where there is none.
    pub(crate) fn refresh_token(&self) -> Result<&str, AppError> {
        self.refresh_token.as_deref().ok_or(AppError::Unauthenticated)
    }
}

impl FromRequestParts<AppState> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if site(parts, state.settings().public_origin.as_deref()) != Site::Own {
            return Err(AppError::Forbidden.into());
        }
        Ok(Self { refresh_token: cookie(&parts.headers, REFRESH).map(str::to_owned) })
    }
}

impl FromRequestParts<AppState> for WebCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let context = Context::from_request_parts(parts, state).await?;
        let principal = of_cookie(parts, state, Purpose::Session).await?.ok_or(AppError::Unauthenticated)?;
        context.known_as(Actor::User(principal.user));
        admit(&context, &principal.into(), parts, state).await?;
        let token = cookie(&parts.headers, ACCESS).unwrap_or_default().to_owned();
        Ok(Self { principal, origin: context.origin(), token })
    }
}

impl FromRequestParts<AppState> for Leaver {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = cookie(&parts.headers, ACCESS).ok_or(AppError::Unauthenticated)?;
        let is_foreign = site(parts, state.settings().public_origin.as_deref()) == Site::Foreign;
        match state.identity().authenticate_for(token, Purpose::Session).await {
            Err(AppError::Unauthenticated) if !is_foreign => Ok(Self::Gone),
            // A session that is still there ends by a page's own request alone.
            _ => Ok(Self::SignedIn(WebCaller::from_request_parts(parts, state).await?)),
        }
    }
}

/// Who has signed in with cookies; none without them.
///
/// # Errors
/// [`AppError::Unauthenticated`] for a token that does not hold, and for a request that would change something and does
/// not show by its CSRF token that it is a page's own, or was made by a page of somebody else: cookies alone are no
/// credentials then.
pub(crate) async fn of_cookie(
    parts: &Parts,
    state: &AppState,
    purpose: Purpose,
) -> Result<Option<Principal>, AppError> {
    let Some(token) = cookie(&parts.headers, ACCESS) else { return Ok(None) };
    let principal = state.identity().authenticate_for(token, purpose).await?;
    if is_safe(&parts.method) {
        return Ok(Some(principal));
    }
    let csrf = parts.headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_own = site(parts, state.settings().public_origin.as_deref()) != Site::Foreign
        && state.identity().csrf_holds(csrf, principal.session);
    if is_own { Ok(Some(principal)) } else { Err(AppError::Unauthenticated) }
}
