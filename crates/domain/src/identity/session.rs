//! A sign-in and its chain of refresh tokens.
//!
//! Tokens of a session are counted in generations. Using the token of the last generation makes the next one; using an
//! older one means that two parties hold tokens of this session, one of them a thief, so that the session ends. One case
//! looks the same and is harmless: the answer was lost on its way, or two tabs refreshed at once. Hence a token that was
//! spent at most [`Session::GRACE`] ago, and none of whose successors was used, is answered with another successor of
//! the same generation. Of such siblings the first that is used wins; using the other one is reuse.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

use crate::{SessionId, Timestamp, UserId};

/// How long a session may live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLifetimes {
    /// From the last use: 30 days by default.
    pub idle: TimeDelta,
    /// In all: 90 days by default.
    pub absolute: TimeDelta,
}

impl Default for SessionLifetimes {
    fn default() -> Self {
        Self { idle: TimeDelta::days(30), absolute: TimeDelta::days(90) }
    }
}

/// SHA-256 of a token: what is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Wraps a digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes, for stores.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// One refresh token of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshToken {
    /// Unique over all tokens.
    pub hash: TokenHash,
    /// Whose it is.
    pub session: SessionId,
    /// Counts from 1; several tokens have the same after a lost answer.
    pub generation: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it was used; none while it was not.
    pub spent_at: Option<Timestamp>,
}

/// Why a session ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Its owner has signed out.
    Logout,
    /// A refresh token came a second time.
    TokenReuse,
    /// Its owner has ended it from another session.
    EndedByOwner,
    /// The password of its account was changed.
    PasswordChanged,
    /// Its account was deleted.
    AccountDeleted,
    /// The owner of its address, which nobody had verified before, has come by way of a provider.
    Claimed,
    /// An admin has taken the second factor of its account away.
    SecondFactorReset,
}

impl EndReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Logout,
        Self::TokenReuse,
        Self::EndedByOwner,
        Self::PasswordChanged,
        Self::AccountDeleted,
        Self::Claimed,
        Self::SecondFactorReset,
    ];

    /// The word for stores and journals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::TokenReuse => "token_reuse",
            Self::EndedByOwner => "ended_by_owner",
            Self::PasswordChanged => "password_changed",
            Self::AccountDeleted => "account_deleted",
            Self::Claimed => "claimed",
            Self::SecondFactorReset => "second_factor_reset",
        }
    }
}

/// The word is no reason for which sessions end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a reason for which sessions end")]
pub struct UnknownEndReason;

impl FromStr for EndReason {
    type Err = UnknownEndReason;

    fn from_str(word: &str) -> Result<Self, UnknownEndReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownEndReason)
    }
}

/// Where a sign-in came from, as its owner recognises it: claims of the client, which prove nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// `User-Agent` of the request, cut to [`Device::USER_AGENT_CHARS_MAX`], without control characters.
    pub user_agent: Option<String>,
    /// The address that the request came from.
    pub address: Option<IpAddr>,
}

impl Device {
    /// More than people read.
    pub const USER_AGENT_CHARS_MAX: usize = 200;

    /// A device as a request tells of it.
    #[must_use]
    pub fn new(user_agent: Option<&str>, address: Option<IpAddr>) -> Self {
        let cut = |text: &str| -> String {
            text.trim().chars().filter(|c| !c.is_control()).take(Self::USER_AGENT_CHARS_MAX).collect()
        };
        Self { user_agent: user_agent.map(cut).filter(|text| !text.is_empty()), address }
    }
}

impl fmt::Debug for Device {
    /// Shows that there is one, and not which: addresses stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(…)")
    }
}

/// That a session ended, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionEnd {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// One sign-in of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The claim `sid` of its access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When he signed in.
    pub started_at: Timestamp,
    /// When it was used last to get an access token.
    pub last_used_at: Timestamp,
    /// From then on it is over.
    pub expires_at: Timestamp,
    /// The generation of its newest refresh tokens.
    pub generation: u32,
    /// How many tokens of this generation were issued again after a lost answer.
    pub reissues: u32,
    /// Set once, when it ends before its time.
    pub ended: Option<SessionEnd>,
    /// Where it was started.
    pub device: Device,
}

/// What a presented refresh token leads to. The states that are to be saved come with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// The token was fresh: save both, and issue a token of the new `session.generation`.
    Rotated {
        /// The session, one generation further.
        session: Session,
        /// The token, now spent.
        spent: RefreshToken,
    },
    /// The last answer was lost: save the session, and issue another token of `session.generation`.
    Reissued(Session),
    /// Two parties hold tokens of this session: save it, ended, and refuse.
    Reused(Session),
    /// The session has ended or expired: refuse; there is nothing to save.
    Over,
}

impl Session {
    /// How long after its use a token may come again, while none of its successors was used.
    pub const GRACE: TimeDelta = TimeDelta::seconds(10);
    /// How often within that time: many tabs that wake up at once are harmless, and more than these are not tabs.
    pub const REISSUES_MAX: u32 = 32;

    /// A sign-in, with the generation of its first refresh token.
    #[must_use]
    pub fn start(id: SessionId, user: UserId, lifetimes: &SessionLifetimes, now: Timestamp) -> Self {
        Self {
            id,
            user,
            started_at: now,
            last_used_at: now,
            expires_at: expiry(now, now, lifetimes),
            generation: 1,
            reissues: 0,
            ended: None,
            device: Device::default(),
        }
    }

    /// The same, started on this device.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// Whether its tokens may be used at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// A token of the present generation.
    #[must_use]
    pub const fn token(&self, hash: TokenHash, now: Timestamp) -> RefreshToken {
        RefreshToken { hash, session: self.id, generation: self.generation, issued_at: now, spent_at: None }
    }

    /// Decides what a presented token leads to. Both were read under the lock of the session, or two uses of one token
    /// at the same time would both be fresh. The time of a session never runs backwards: an earlier `now` counts as the
    /// last use.
    #[must_use]
    pub fn refresh(&self, token: &RefreshToken, lifetimes: &SessionLifetimes, now: Timestamp) -> Refresh {
        let now = now.max(self.last_used_at);
        if !self.is_live(now) || token.session != self.id {
            return Refresh::Over;
        }
        match token.spent_at {
            None if token.generation == self.generation => Refresh::Rotated {
                session: Self {
                    generation: self.generation.saturating_add(1),
                    reissues: 0,
                    ..self.used(lifetimes, now)
                },
                spent: RefreshToken { spent_at: Some(now), ..token.clone() },
            },
            Some(spent_at) if self.may_reissue(token, spent_at, now) => {
                Refresh::Reissued(Self { reissues: self.reissues.saturating_add(1), ..self.used(lifetimes, now) })
            }
            _ => Refresh::Reused(self.ended(EndReason::TokenReuse, now)),
        }
    }

    /// Ends it. `None` if it is over already: a second logout changes nothing.
    #[must_use]
    pub fn end(&self, reason: EndReason, now: Timestamp) -> Option<Self> {
        self.is_live(now).then(|| self.ended(reason, now))
    }

    fn may_reissue(&self, token: &RefreshToken, spent_at: Timestamp, now: Timestamp) -> bool {
        let successor_is_unused = token.generation.saturating_add(1) == self.generation;
        successor_is_unused && now - spent_at <= Self::GRACE && self.reissues < Self::REISSUES_MAX
    }

    fn used(&self, lifetimes: &SessionLifetimes, now: Timestamp) -> Self {
        Self { last_used_at: now, expires_at: expiry(self.started_at, now, lifetimes), ..self.clone() }
    }

    fn ended(&self, reason: EndReason, now: Timestamp) -> Self {
        Self { ended: Some(SessionEnd { at: now.max(self.last_used_at), reason }), ..self.clone() }
    }
}

fn expiry(started_at: Timestamp, last_used_at: Timestamp, lifetimes: &SessionLifetimes) -> Timestamp {
    (last_used_at + lifetimes.idle).min(started_at + lifetimes.absolute)
}

#[cfg(test)]
mod tests;
