//! What access tokens do not know of themselves: that their session has ended, or that the role of their account has
//! changed since; and what nobody remembers of API keys: that they were revoked.
//!
//! Every replica keeps both for as long as a token can live, and asks the database about twice a second for what other
//! replicas have added. So a logout is heeded everywhere within a second, and a new role replaces the one in the token
//! without a new sign-in. While the database does not answer, what is known stays known, and nothing new is learnt:
//! a logout cannot be committed then either.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::TimeDelta;
use domain::{ApiKeyId, SessionId, Timestamp, UserId};
use tokio::time::Instant;

use crate::identity::{ChangedRole, EndedSession, IdentityReads, IdentitySettings, Revocations, RevokedKey};
use crate::origin::Principal;
use crate::store::StoreError;

/// How often the database is asked.
pub(super) const POLL_EVERY: Duration = Duration::from_millis(400);
/// An answer that takes longer counts as none.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often the whole window is read, which finds what overlapping reads could miss.
const READ_ALL_EVERY: Duration = Duration::from_secs(60);
/// By how much two reads overlap: rows become visible some time after the time they bear, and clocks differ.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// For how long something is kept beyond the life of the longest token.
const MARGIN: TimeDelta = TimeDelta::minutes(2);

#[derive(Default)]
struct Known {
    sessions: HashMap<SessionId, Timestamp>,
    roles: HashMap<UserId, ChangedRole>,
    keys: HashMap<ApiKeyId, Timestamp>,
}

/// What this replica knows.
#[derive(Default)]
pub(super) struct Revoked(RwLock<Known>);

impl Revoked {
    /// The principal of a valid token as he is now; none if his session has ended.
    pub(super) fn present(&self, principal: Principal) -> Option<Principal> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.sessions.contains_key(&principal.session) {
            return None;
        }
        let role = known.roles.get(&principal.user).map_or(principal.role, |changed| changed.role);
        Some(Principal { role, ..principal })
    }

    /// Whether this key was revoked.
    pub(super) fn is_revoked(&self, key: ApiKeyId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys.contains_key(&key)
    }

    pub(super) fn session_ended(&self, ended: EndedSession) {
        self.learn(&Revocations { sessions: vec![ended], ..Revocations::default() });
    }

    pub(super) fn key_revoked(&self, revoked: RevokedKey) {
        self.learn(&Revocations { keys: vec![revoked], ..Revocations::default() });
    }

    pub(super) fn role_changed(&self, changed: ChangedRole) {
        self.learn(&Revocations { roles: vec![changed], ..Revocations::default() });
    }

    /// Adds to what is known; of two roles of an account the later one counts.
    pub(super) fn learn(&self, news: &Revocations) {
        if *news == Revocations::default() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.sessions.extend(news.sessions.iter().map(|ended| (ended.session, ended.at)));
        known.keys.extend(news.keys.iter().map(|revoked| (revoked.key, revoked.at)));
        for changed in &news.roles {
            let present = known.roles.entry(changed.user).or_insert(*changed);
            if present.at <= changed.at {
                *present = *changed;
            }
        }
    }

    /// Forgets what happened before `oldest`: no token from then lives.
    fn forget(&self, oldest: Timestamp) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.sessions.retain(|_, at| *at >= oldest);
        known.roles.retain(|_, changed| changed.at >= oldest);
        known.keys.retain(|_, at| *at >= oldest);
    }
}

/// Keeps track of what was read when.
pub(super) struct Reader {
    window: TimeDelta,
    last: Option<Timestamp>,
    read_all_at: Instant,
    is_failing: bool,
}

impl Reader {
    pub(super) fn new(settings: &IdentitySettings) -> Self {
        let window = settings.longest_token() + MARGIN;
        Self { window, last: None, read_all_at: Instant::now(), is_failing: false }
    }

    /// Reads the news, and the whole window if it is due.
    ///
    /// # Errors
    /// What the store answers, or that it did not within two seconds. What is known stays known.
    pub(super) async fn read(
        &mut self,
        revoked: &Revoked,
        reads: &dyn IdentityReads,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let reads_all = self.last.is_none() || self.read_all_at.elapsed() >= READ_ALL_EVERY;
        let since = match self.last {
            Some(last) if !reads_all => last.min(now) - OVERLAP,
            _ => now - self.window,
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, reads.revocations(since)).await;
        let news = answer.map_err(|elapsed| StoreError::Unavailable(elapsed.into()))??;
        revoked.learn(&news);
        self.last = Some(now);
        if reads_all {
            self.read_all_at = Instant::now();
            revoked.forget(now - self.window);
        }
        Ok(())
    }

    /// As [`read`](Self::read), and tells the log once that it began to fail and once that it is over.
    pub(super) async fn read_and_tell(&mut self, revoked: &Revoked, reads: &dyn IdentityReads, now: Timestamp) {
        match self.read(revoked, reads, now).await {
            Ok(()) if self.is_failing => tracing::info!("Ended sessions and changed roles are read again"),
            Ok(()) => {}
            Err(error) if !self.is_failing => {
                let cause = crate::error::chain(&error);
                tracing::warn!(cause, "Ended sessions and changed roles cannot be read; trying on");
                self.is_failing = true;
                return;
            }
            Err(_) => return,
        }
        self.is_failing = false;
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::Role;
    use uuid::Uuid;

    use super::*;
    use crate::origin::Factor;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn principal() -> Principal {
        Principal {
            user: UserId::new(Uuid::from_u128(1)),
            session: SessionId::new(Uuid::from_u128(2)),
            role: Role::Admin,
            factor: Factor::Missing,
        }
    }

    fn changed(role: Role, second: i64) -> ChangedRole {
        ChangedRole { user: principal().user, role, at: at(second) }
    }

    #[test]
    fn an_ended_session_is_refused_and_others_are_not() {
        let revoked = Revoked::default();
        assert_eq!(revoked.present(principal()), Some(principal()));
        revoked.session_ended(EndedSession { session: principal().session, at: at(10) });
        assert_eq!(revoked.present(principal()), None);
        let other = Principal { session: SessionId::new(Uuid::from_u128(3)), ..principal() };
        assert_eq!(revoked.present(other), Some(other));
    }

    #[test]
    fn the_latest_role_replaces_that_of_the_token() {
        let revoked = Revoked::default();
        revoked.role_changed(changed(Role::User, 10));
        revoked.role_changed(changed(Role::Organizer, 5));
        assert_eq!(revoked.present(principal()).map(|present| present.role), Some(Role::User));
        revoked.role_changed(changed(Role::Organizer, 11));
        assert_eq!(revoked.present(principal()).map(|present| present.role), Some(Role::Organizer));
    }

    #[test]
    fn a_revoked_key_is_known_until_nobody_remembers_it() {
        let (revoked, key) = (Revoked::default(), ApiKeyId::new(Uuid::from_u128(7)));
        assert!(!revoked.is_revoked(key));
        revoked.key_revoked(RevokedKey { key, at: at(10) });
        revoked.forget(at(10));
        assert!(revoked.is_revoked(key));
        revoked.forget(at(11));
        assert!(!revoked.is_revoked(key));
    }

    #[test]
    fn what_no_token_outlives_is_forgotten() {
        let revoked = Revoked::default();
        revoked.session_ended(EndedSession { session: principal().session, at: at(10) });
        revoked.role_changed(changed(Role::User, 10));
        revoked.forget(at(10));
        assert_eq!(revoked.present(principal()), None);
        revoked.forget(at(11));
        assert_eq!(revoked.present(principal()), Some(principal()));
    }
}
