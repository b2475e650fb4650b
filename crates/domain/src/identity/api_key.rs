//! Keys by which programs act for an organizer.

use std::collections::BTreeSet;

use crate::identity::TokenHash;
use crate::{ApiKeyId, EventId, OrganizerId, Problems, Text, Timestamp, UserId};

/// What a key opens. Writing does not include reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Sees events that the public does not see, and what is hidden of those that it does.
    EventsRead,
    /// Makes and changes events, ticket types and pools.
    EventsWrite,
    /// Sees bookings.
    BookingsRead,
    /// Confirms and cancels bookings, and issues their tickets anew.
    BookingsWrite,
    /// Lets in at the door.
    CheckInsWrite,
}

impl Scope {
    /// All that there are.
    pub const ALL: [Self; 5] =
        [Self::EventsRead, Self::EventsWrite, Self::BookingsRead, Self::BookingsWrite, Self::CheckInsWrite];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::EventsWrite => "events:write",
            Self::BookingsRead => "bookings:read",
            Self::BookingsWrite => "bookings:write",
            Self::CheckInsWrite => "check-ins:write",
        }
    }

    /// The scope of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether the scope is in it.
    #[must_use]
    pub const fn contain(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One by one, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contain(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// A key, without its secret: of that, only the digest is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its id, by which journals name it.
    pub id: ApiKeyId,
    /// For whom it acts; it stays when the one who made it goes.
    pub organizer: OrganizerId,
    /// What people call it.
    pub name: Text,
    /// SHA-256 of its text.
    pub hash: TokenHash,
    /// The beginning of its text, by which its owner recognises it.
    pub hint: String,
    /// What it opens.
    pub scopes: Scopes,
    /// The only event that it opens, and nothing else of the organizer; none for all that its scopes name.
    pub event: Option<EventId>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on it opens nothing; none lives until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, give or take a minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing, because somebody has revoked it.
    pub revoked_at: Option<Timestamp>,
}

/// A key to be, as somebody asks for it.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Field `name`.
    pub name: String,
    /// Field `scopes`.
    pub scopes: BTreeSet<Scope>,
    /// Field `eventId`.
    pub event: Option<EventId>,
    /// Field `expiresAt`.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// The most characters of a name.
    pub const NAME_MAX: usize = 100;

    /// A new key of this secret.
    ///
    /// # Errors
    /// All fields that do not hold: a name that is none, no scope, an expiry that is past.
    pub fn try_new(
        id: ApiKeyId,
        organizer: OrganizerId,
        new: &NewApiKey,
        secret: (TokenHash, String),
        by: UserId,
        now: Timestamp,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", &new.name, Self::NAME_MAX));
        let scopes: Scopes = new.scopes.iter().copied().collect();
        if scopes.is_empty() {
            problems.add("scopes", "required", "must name at least one scope");
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            problems.add("expiresAt", "out_of_range", "must be in the future");
        }
        match name {
            Some(name) if problems.is_empty() => Ok(Self {
                id,
                organizer,
                name,
                hash: secret.0,
                hint: secret.1,
                scopes,
                event: new.event,
                created_by: by,
                created_at: now,
                expires_at: new.expires_at,
                last_used_at: None,
                revoked_at: None,
            }),
            _ => Err(problems),
        }
    }

    /// The key as it is once it is revoked; none if it was before.
    #[must_use]
    pub fn revoke(&self, now: Timestamp) -> Option<Self> {
        self.revoked_at.is_none().then(|| Self { revoked_at: Some(now), ..self.clone() })
    }

    /// Whether it opens anything at this time.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(1)
    }

    fn wish() -> NewApiKey {
        NewApiKey { name: " Till ".into(), scopes: [Scope::BookingsRead].into(), event: None, expires_at: None }
    }

    fn key(wish: &NewApiKey) -> Result<ApiKey, Problems> {
        let id = Uuid::from_u128(1);
        let secret = (TokenHash::new([7; 32]), "gtk_abcd".to_owned());
        ApiKey::try_new(ApiKeyId::new(id), OrganizerId::new(id), wish, secret, UserId::new(id), now())
    }

    #[test]
    fn a_key_has_a_name_and_a_scope() {
        let made = key(&wish()).unwrap();
        assert_eq!((made.name.as_str(), made.scopes.iter().collect::<Vec<_>>()), ("Till", vec![Scope::BookingsRead]));
        let bad = NewApiKey { name: " ".into(), scopes: BTreeSet::new(), event: None, expires_at: Some(now()) };
        let problems = key(&bad).unwrap_err();
        let fields: Vec<_> = problems.as_slice().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["name", "scopes", "expiresAt"]);
    }

    #[test]
    fn it_holds_until_it_expires_or_is_revoked() {
        let end = now() + TimeDelta::hours(1);
        let made = key(&NewApiKey { expires_at: Some(end), ..wish() }).unwrap();
        assert!(made.holds(now()) && !made.holds(end));
        let revoked = made.revoke(now()).unwrap();
        assert!(!revoked.holds(now()));
        assert_eq!(revoked.revoke(now()), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let scopes: Scopes = [Scope::EventsRead, Scope::BookingsWrite].into_iter().collect();
        for scope in Scope::ALL {
            assert_eq!(scopes.contain(scope), matches!(scope, Scope::EventsRead | Scope::BookingsWrite));
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert!(Scopes::default().is_empty() && Scope::parse("events").is_none());
    }
}
