//! Use case: a refresh token is changed for a new pair.
//!
//! A refresh token is 256 random bits and, behind a dot, whose it is, sealed by the master key. By the latter an instance
//! knows a token of its own before it looks anything up: who sends one refreshes also behind an address that scanners have
//! shut (docs/adr/0016).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::UserId;
use domain::identity::{Refresh, Session, TokenHash};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::error::AppError;
use crate::identity::EndedSession;
use crate::identity::secret_token::{NewToken, digest, token_hash};
use crate::identity::service::Identity;
use crate::identity::tokens::TokenPair;
use crate::journal::Scribe;
use crate::origin::{Actor, Origin};
use crate::store::UnitOfWork;

const PURPOSE: &str = "refresh";
/// Ours have 126.
const CHARS_MAX: usize = 300;

impl Identity {
    /// Spends the token and answers with a new pair. The same token again within ten seconds, while its successor was
    /// not used, counts as a lost answer and gets another pair; any other second use ends the session, for both who
    /// hold its tokens.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for an unknown or a spent token, and for one whose session is over.
    pub async fn refresh(&self, token: &str, origin: &Origin) -> Result<TokenPair, AppError> {
        let hash = refresh_token_hash(token).ok_or(AppError::Unauthenticated)?;
        let mut uow = self.ports.store.begin().await?;
        let found = uow.refresh_token(&hash).await?.ok_or(AppError::Unauthenticated)?;
        let session = uow.lock_session(found.session).await?.ok_or(AppError::Unauthenticated)?;
        // Read again: whoever held the lock may have spent it.
        let token = uow.refresh_token(&hash).await?.ok_or(AppError::Unauthenticated)?;
        match session.refresh(&token, &self.settings.session, self.now()) {
            Refresh::Rotated { session, spent } => {
                uow.save_refresh_token(&spent).await?;
                self.renew(uow, &session).await
            }
            Refresh::Reissued(session) => self.renew(uow, &session).await,
            Refresh::Reused(ended) => self.end_reused(uow, &session, &ended, origin).await,
            Refresh::Over => Err(AppError::Unauthenticated),
        }
    }

    /// Whose a refresh token says it is, if it was made here, and how long its session could have lasted is not over. Nothing
    /// is looked up for it, as in [`recognise`](Self::recognise); it lets nobody in.
    #[must_use]
    pub fn recognise_refresh(&self, token: &str) -> Option<Actor> {
        let (_, holder) = token.split_once('.').filter(|_| token.len() <= CHARS_MAX)?;
        let opened = self.ports.sealer.open(PURPOSE, &URL_SAFE_NO_PAD.decode(holder).ok()?).ok()?;
        let (user, until) = opened.expose_secret().split_first_chunk::<16>()?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (self.now().timestamp() < until).then(|| Actor::User(UserId::new(Uuid::from_bytes(*user))))
    }

    /// Makes a refresh token of the session.
    pub(super) fn new_refresh_token(&self, session: &Session) -> Result<NewToken, AppError> {
        let random = self.new_token("")?.text;
        let holder =
            [session.user.uuid().as_bytes().as_slice(), &session.expires_at.timestamp().to_be_bytes()].concat();
        let holder = URL_SAFE_NO_PAD.encode(self.ports.sealer.seal(PURPOSE, &holder)?);
        let text = SecretString::from(format!("{}.{holder}", random.expose_secret()));
        Ok(NewToken { hash: digest(text.expose_secret()), text })
    }

    async fn renew(&self, mut uow: Box<dyn UnitOfWork>, session: &Session) -> Result<TokenPair, AppError> {
        let user = uow.user_by_id(session.user).await?.ok_or(AppError::Unauthenticated)?;
        uow.save_session(session).await?;
        let pair = self.issue_in_op(uow.as_mut(), session, user.role, session.last_used_at).await?;
        uow.commit().await?;
        Ok(pair)
    }

    async fn end_reused(
        &self,
        uow: Box<dyn UnitOfWork>,
        before: &Session,
        after: &Session,
        origin: &Origin,
    ) -> Result<TokenPair, AppError> {
        tracing::warn!(session.id = %after.id, "A refresh token was used twice: session `{}` ends", after.id);
        metrics::counter!("goticket_refresh_token_reuses_total").increment(1);
        self.save_ended(uow, before, after, origin).await?;
        Err(AppError::Unauthenticated)
    }

    /// Saves a session that ended before its time, and heeds it in this process at once.
    pub(super) async fn save_ended(
        &self,
        mut uow: Box<dyn UnitOfWork>,
        before: &Session,
        after: &Session,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let at = after.ended.map_or_else(|| self.now(), |end| end.at);
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at }.session_ended(before, after);
        uow.save_session(after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        uow.commit().await?;
        self.revoked.session_ended(EndedSession { session: after.id, at });
        Ok(())
    }
}

/// What is kept of a refresh token, with all that is behind its dot; none if it is none by its form. Older ones end
/// where the dot would be.
fn refresh_token_hash(token: &str) -> Option<TokenHash> {
    let random = token.split_once('.').map_or(token, |(random, _)| random);
    token_hash(random).filter(|_| token.len() <= CHARS_MAX).map(|_| digest(token))
}
