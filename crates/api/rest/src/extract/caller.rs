//! Who asks.

use application::access::{Agent, Purpose};
use application::error::AppError;
use application::guard::Use;
use application::origin::{Actor, Origin, Principal};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};

use crate::context::Context;
use crate::extract::cookie::{ACCESS, REFRESH, cookie, is_safe};
use crate::extract::web::of_cookie;
use crate::problem::Problem;
use crate::state::AppState;

/// Somebody with an account who has signed in, for what concerns accounts; 401 for who has not.
pub(crate) struct Caller {
    /// He.
    pub(crate) principal: Principal,
    /// The origin of what he changes.
    pub(crate) origin: Origin,
}

/// Somebody with an account who has signed in, for what concerns his session itself, also where he may do nothing else
/// before he has set a second factor up; 401 for who has not signed in.
pub(crate) struct SessionOwner {
    /// He.
    pub(crate) principal: Principal,
    /// The origin of what he changes.
    pub(crate) origin: Origin,
}

/// Somebody whose credentials hold, whatever they are; 401 for everybody else. What he may, the use case decides.
pub(crate) struct Acting {
    /// He, or it.
    pub(crate) agent: Agent,
    /// The origin of what he changes.
    pub(crate) origin: Origin,
}

/// Anybody. Who sends a token that does not hold is refused all the same, so that he learns of it; a browser sends its
/// cookies unasked, and those of a session that has ended count as none.
pub(crate) struct Visitor {
    /// He.
    pub(crate) agent: Agent,
    /// What he has shown, if anything.
    token: Option<SecretString>,
}

impl Visitor {
    /// Somebody who has shown nothing.
    const ANONYMOUS: Self = Self { agent: Agent::Anonymous, token: None };

    /// Whether he has shown nothing, or nothing that is of any use.
    pub(crate) const fn is_anonymous(&self) -> bool {
        matches!(self.agent, Agent::Anonymous)
    }

    /// Whether what he has shown still holds.
    pub(crate) async fn still_holds(&self, state: &AppState) -> bool {
        let Some(token) = &self.token else { return true };
        let known = state.identity().identify(token.expose_secret()).await;
        !matches!(known, Err(AppError::Unauthenticated | AppError::SecondFactorOwed))
    }
}

impl FromRequestParts<AppState> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        acting(parts, state, Purpose::Anything).await
    }
}

/// Whose credentials these are, which hold for this purpose.
async fn acting(parts: &mut Parts, state: &AppState, purpose: Purpose) -> Result<Acting, Problem> {
    let context = Context::from_request_parts(parts, state).await?;
    let agent = match bearer(&parts.headers)? {
        Some(token) => state.identity().identify_for(token, purpose).await?,
        None => Agent::Account(of_cookie(parts, state, purpose).await?.ok_or(AppError::Unauthenticated)?),
    };
    context.known_as(agent.actor());
    admit(&context, &agent, parts, state).await?;
    Ok(Acting { agent, origin: context.origin() })
}

impl FromRequestParts<AppState> for SessionOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Acting { agent, origin } = acting(parts, state, Purpose::Session).await?;
        Ok(Self { principal: *agent.account()?, origin })
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Acting { agent, origin } = Acting::from_request_parts(parts, state).await?;
        Ok(Self { principal: *agent.account()?, origin })
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if !parts.headers.contains_key(AUTHORIZATION) && cookie(&parts.headers, ACCESS).is_none() {
            return Ok(Self::ANONYMOUS);
        }
        if !parts.headers.contains_key(AUTHORIZATION)
            && remains(of_cookie(parts, state, Purpose::Anything).await)?.is_none()
        {
            return Ok(Self::ANONYMOUS);
        }
        let acting = Acting::from_request_parts(parts, state).await?;
        let token = bearer(&parts.headers)?.or_else(|| cookie(&parts.headers, ACCESS));
        Ok(Self { agent: acting.agent, token: token.map(SecretString::from) })
    }
}

/// Who is left of cookies: nobody, where they are of no use.
fn remains(known: Result<Option<Principal>, AppError>) -> Result<Option<Principal>, AppError> {
    match known {
        Err(AppError::Unauthenticated) => Ok(None),
        known => known,
    }
}

/// Lets in who does not ask too often, and remembers what he has left.
///
/// # Errors
/// [`AppError::RateLimited`].
pub(super) async fn admit(context: &Context, agent: &Agent, parts: &Parts, state: &AppState) -> Result<(), AppError> {
    let to = if is_safe(&parts.method) { Use::Read } else { Use::Write };
    context.has_room(state.identity().guards().admit_agent(agent, to).await?);
    Ok(())
}

/// Whose credentials these are, as far as that can be told without looking anything up.
pub(crate) fn recognised(headers: &HeaderMap, state: &AppState) -> Option<Actor> {
    let token = match bearer(headers) {
        Ok(Some(token)) => token,
        Ok(None) => cookie(headers, ACCESS)?,
        Err(_) => return None,
    };
    state.identity().recognise(token)
}

/// The same of who refreshes with this token, or the one of his cookie: what his session is worth is seen when it is looked up,
/// so that it counts nowhere else.
pub(crate) fn recognised_to_refresh(token: Option<&str>, headers: &HeaderMap, state: &AppState) -> Option<Actor> {
    let token = token.or_else(|| cookie(headers, REFRESH));
    token.and_then(|token| state.identity().recognise_refresh(token)).or_else(|| recognised(headers, state))
}

/// The token of `Authorization: Bearer …` (RFC 6750); none without that header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AppError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.to_str().map_err(|_| AppError::Unauthenticated)?;
    let (scheme, token) = value.split_once(' ').ok_or(AppError::Unauthenticated)?;
    if values.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AppError::Unauthenticated);
    }
    Ok(Some(token.trim()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_bearer_token_is_found() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
            bearer(&headers).map(|token| token.map(str::to_owned)).map_err(|error| error.code())
        };
        assert_eq!(of("Bearer abc"), Ok(Some("abc".to_owned())));
        assert_eq!(of("bearer  abc "), Ok(Some("abc".to_owned())));
        for bad in ["abc", "Basic abc", "Bearer", "", "Bearerabc"] {
            assert_eq!(of(bad), Err("unauthenticated"), "{bad}");
        }
        assert!(bearer(&HeaderMap::new()).unwrap().is_none());
        let mut twice = HeaderMap::new();
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(bearer(&twice).is_err());
    }
}
