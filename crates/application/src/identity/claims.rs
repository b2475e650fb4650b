//! What an access token says.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::identity::Role;
use domain::{SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::identity::IdentitySettings;
use crate::origin::{Factor, Principal};

/// The claims of an access token (RFC 7519, 4.1, and `sid` of OpenID Connect). Times are whole seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessClaims {
    /// `iss`: who issued it.
    pub issuer: Arc<str>,
    /// `aud`: whom it is meant for.
    pub audience: Arc<str>,
    /// `sub`: the account.
    pub user: UserId,
    /// `sid`: the sign-in.
    pub session: SessionId,
    /// `jti`: its own id.
    pub id: Uuid,
    /// `role`: the role that the account had when it was issued.
    pub role: Role,
    /// `sf`: whether the account had a second factor when it was issued.
    pub has_second_factor: bool,
    /// `iat`: when it was issued.
    pub issued_at: i64,
    /// `nbf`: from then on it holds.
    pub not_before: i64,
    /// `exp`: from then on it holds no more.
    pub expires_at: i64,
}

/// How long before its issue a token says that it holds, in seconds: replicas whose clocks differ by less accept each
/// other's fresh tokens, although `nbf` is checked to the second.
const CLOCKS_DIFFER_SECS_MAX: i64 = 60;

impl AccessClaims {
    /// Claims for a principal from `now` on; `ttl` is the time until they expire, cut to whole seconds.
    #[must_use]
    pub fn new(settings: &IdentitySettings, principal: &Principal, id: Uuid, now: Timestamp, ttl: TimeDelta) -> Self {
        let issued_at = now.timestamp();
        Self {
            issuer: Arc::clone(&settings.issuer),
            audience: Arc::clone(&settings.audience),
            user: principal.user,
            session: principal.session,
            id,
            role: principal.role,
            has_second_factor: principal.factor == Factor::Present,
            issued_at,
            not_before: issued_at.saturating_sub(CLOCKS_DIFFER_SECS_MAX),
            expires_at: issued_at.saturating_add(ttl.num_seconds()),
        }
    }

    /// Whether they hold here and now: issuer and audience are ours, the time is within `nbf` and `exp` without any
    /// leeway, and they do not live longer than this instance issues them.
    #[must_use]
    pub fn holds(&self, settings: &IdentitySettings, now: Timestamp) -> bool {
        let now = now.timestamp();
        let lives_for = self.expires_at.saturating_sub(self.issued_at);
        self.issuer == settings.issuer
            && self.audience == settings.audience
            && self.not_before <= now
            && now < self.expires_at
            && lives_for <= settings.longest_token().num_seconds()
    }

    /// Whom they speak of. What is asked of him they do not know.
    #[must_use]
    pub const fn principal(&self) -> Principal {
        let factor = if self.has_second_factor { Factor::Present } else { Factor::Missing };
        Principal { user: self.user, session: self.session, role: self.role, factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn issued(settings: &IdentitySettings) -> AccessClaims {
        let id = Uuid::from_u128(1);
        let (user, session) = (UserId::new(id), SessionId::new(id));
        let principal = Principal { user, session, role: Role::User, factor: Factor::Missing };
        AccessClaims::new(settings, &principal, id, at(10_000), settings.access_ttl)
    }

    #[test]
    fn they_hold_from_a_minute_before_their_issue_to_the_second_of_their_end() {
        let settings = IdentitySettings::default();
        let claims = issued(&settings);
        assert!(!claims.holds(&settings, at(10_000 - 61)));
        assert!(claims.holds(&settings, at(10_000 - 60)));
        assert!(claims.holds(&settings, at(10_000 + 899)));
        assert!(!claims.holds(&settings, at(10_000 + 900)));
    }

    #[test]
    fn those_of_another_issuer_or_for_another_audience_do_not_hold() {
        let settings = IdentitySettings::default();
        let other_issuer = IdentitySettings { issuer: "other".into(), ..settings.clone() };
        let other_audience = IdentitySettings { audience: "other".into(), ..settings.clone() };
        assert!(!issued(&other_issuer).holds(&settings, at(10_000)));
        assert!(!issued(&other_audience).holds(&settings, at(10_000)));
    }

    #[test]
    fn only_a_demo_takes_tokens_that_live_long() {
        let settings = IdentitySettings::default();
        let long = AccessClaims { expires_at: 10_000 + 86_400, ..issued(&settings) };
        assert!(!long.holds(&settings, at(10_000)));
        let demo = IdentitySettings { demo_token_ttl: Some(TimeDelta::days(1)), ..settings };
        assert!(long.holds(&demo, at(10_000)));
        let overflowing = AccessClaims { expires_at: i64::MAX, issued_at: i64::MIN, ..long };
        assert!(!overflowing.holds(&demo, at(10_000)));
    }
}
