//! The pair of tokens that a sign-in and a refresh answer with.

use domain::identity::{Role, Session};
use domain::{SessionId, Timestamp};
use secrecy::SecretString;

use crate::error::AppError;
use crate::identity::AccessClaims;
use crate::identity::service::Identity;
use crate::origin::{Factor, Principal};
use crate::store::UnitOfWork;

/// What a client gets. Neither token prints.
#[derive(Debug)]
pub struct TokenPair {
    /// The access token, a JWT.
    pub access_token: SecretString,
    /// The refresh token, opaque, to be used once.
    pub refresh_token: SecretString,
    /// For how many seconds the access token holds.
    pub expires_in_secs: u64,
    /// The session that both are of.
    pub session: SessionId,
    /// For how many seconds the session lives, unless it is used before.
    pub session_expires_in_secs: u64,
}

impl Identity {
    /// Issues a refresh token of the present generation of the session, and an access token that does not outlive it.
    pub(super) async fn issue_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        session: &Session,
        role: Role,
        now: Timestamp,
    ) -> Result<TokenPair, AppError> {
        let refresh_token = self.new_refresh_token(session)?;
        uow.insert_refresh_token(&session.token(refresh_token.hash, now)).await?;
        let ttl = self.settings.access_ttl.min(session.expires_at - now);
        let confirmed = uow.second_factor(session.user).await?.and_then(|factor| factor.confirmed_at);
        let factor = if confirmed.is_some() { Factor::Present } else { Factor::Missing };
        let principal = Principal { user: session.user, session: session.id, role, factor };
        let claims = AccessClaims::new(&self.settings, &principal, self.ports.ids.uuid(), now, ttl);
        Ok(TokenPair {
            access_token: self.key_ring.sign(&self.ports, &claims)?.into(),
            refresh_token: refresh_token.text,
            expires_in_secs: u64::try_from(ttl.num_seconds()).unwrap_or_default(),
            session: session.id,
            session_expires_in_secs: u64::try_from((session.expires_at - now).num_seconds()).unwrap_or_default(),
        })
    }
}
