//! The second factor of an account: codes of an app (TOTP, RFC 6238), and recovery codes for the day it is lost.

use chrono::TimeDelta;

use crate::identity::{TokenHash, User};
use crate::{Timestamp, UserId};

/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;

/// The app of an account. Its seed is sealed; codes are compared elsewhere, and decided about here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecondFactor {
    /// Whose.
    pub user: UserId,
    /// The seed, sealed by the master key.
    pub sealed_seed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Since when it is asked for; none until the owner has shown that his app knows the seed.
    pub confirmed_at: Option<Timestamp>,
    /// The last step of time whose code was taken; its code, and those before, are taken no more.
    pub last_step: Option<u64>,
    /// Wrong codes since the last right one.
    pub failures: u32,
    /// Until then no code is taken, right or wrong.
    pub blocked_until: Option<Timestamp>,
}

/// What a code was worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CodeDecision {
    /// It was right; to be saved.
    Right(SecondFactor),
    /// It was wrong, or used before; to be saved too, since wrong codes are counted.
    Wrong(SecondFactor),
    /// Too many were wrong; nobody has looked at this one.
    Blocked {
        /// Until then.
        until: Timestamp,
    },
}

impl SecondFactor {
    /// So many wrong codes one after another block the second factor of an account. Of six digits, with three steps of
    /// time that count, a guess is right three times in a million.
    pub const FAILURES_MAX: u32 = 5;
    /// For how long it is blocked the first time. Without a right code in between each further time takes twice as long
    /// as the one before.
    pub const BLOCKED_FOR: TimeDelta = TimeDelta::minutes(15);
    /// For how long it is blocked at most: whoever goes on guessing has 30 guesses a day, and an owner at whose account
    /// somebody has guessed waits no longer than this.
    pub const BLOCKED_FOR_MAX: TimeDelta = TimeDelta::hours(4);

    /// A new one, which nobody is asked for yet.
    #[must_use]
    pub const fn new(user: UserId, sealed_seed: Vec<u8>, now: Timestamp) -> Self {
        Self { user, sealed_seed, made_at: now, confirmed_at: None, last_step: None, failures: 0, blocked_until: None }
    }

    /// The same with another seed, which its owner has still to confirm. Wrong codes count on, or whoever guesses would
    /// begin anew.
    #[must_use]
    pub fn with_other_seed(&self, sealed_seed: Vec<u8>, now: Timestamp) -> Self {
        let Self { failures, blocked_until, .. } = *self;
        Self { failures, blocked_until, ..Self::new(self.user, sealed_seed, now) }
    }

    /// Until when no code is looked at; none where codes are.
    #[must_use]
    pub fn blocked(&self, now: Timestamp) -> Option<Timestamp> {
        self.blocked_until.filter(|until| now < *until)
    }

    /// Decides about a code of the app; `step` is the step of time that it belongs to, if it belongs to any that counts.
    #[must_use]
    pub fn try_code(&self, step: Option<u64>, now: Timestamp) -> CodeDecision {
        match (self.blocked(now), step) {
            (Some(until), _) => CodeDecision::Blocked { until },
            (None, Some(step)) if self.last_step.is_none_or(|last| step > last) => {
                CodeDecision::Right(Self { last_step: Some(step), ..self.forgiven() })
            }
            (None, _) => CodeDecision::Wrong(self.failed(now)),
        }
    }

    /// Decides about a recovery code, which is there or not.
    #[must_use]
    pub fn try_recovery(&self, is_there: bool, now: Timestamp) -> CodeDecision {
        match self.blocked(now) {
            Some(until) => CodeDecision::Blocked { until },
            None if is_there => CodeDecision::Right(self.forgiven()),
            None => CodeDecision::Wrong(self.failed(now)),
        }
    }

    /// As it is once its owner has shown a right code; from then on it is asked for.
    #[must_use]
    pub fn confirmed(&self, now: Timestamp) -> Self {
        Self { confirmed_at: Some(now), ..self.clone() }
    }

    fn forgiven(&self) -> Self {
        Self { failures: 0, blocked_until: None, ..self.clone() }
    }

    fn failed(&self, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let blocked_until = failures.is_multiple_of(Self::FAILURES_MAX).then(|| now + Self::blocked_for(failures));
        Self { failures, blocked_until, ..self.clone() }
    }

    fn blocked_for(failures: u32) -> TimeDelta {
        let doublings = (failures / Self::FAILURES_MAX).saturating_sub(1).min(4);
        (Self::BLOCKED_FOR * (1 << doublings)).min(Self::BLOCKED_FOR_MAX)
    }
}

/// Proof that somebody has shown the first factor of an account and owes the second one. It is worth nothing without a
/// code, and works once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInChallenge {
    /// SHA-256 of its text.
    pub hash: TokenHash,
    /// Who signs in.
    pub user: UserId,
    /// The version that the account had; after any change of it, like that of the password, the challenge is worth nothing.
    pub user_version: u32,
    /// How many codes may still be tried with it.
    pub tries_left: u32,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

impl SignInChallenge {
    /// How long one may look for the app.
    pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);
    /// How many codes may be tried with one.
    pub const TRIES: u32 = 5;

    /// For somebody who has shown the first factor of this account just now.
    #[must_use]
    pub fn new(hash: TokenHash, user: &User, now: Timestamp) -> Self {
        let expires_at = now + Self::LIFETIME;
        Self { hash, user: user.id, user_version: user.version, tries_left: Self::TRIES, expires_at }
    }

    /// Whether a code may be tried for this account, as it is now.
    #[must_use]
    pub fn holds(&self, user: &User, now: Timestamp) -> bool {
        self.user == user.id
            && self.user_version == user.version
            && user.deleted_at.is_none()
            && self.tries_left > 0
            && now < self.expires_at
    }

    /// After a wrong code; none where that was the last try.
    #[must_use]
    pub fn after_wrong_code(&self) -> Option<Self> {
        let tries_left = self.tries_left.saturating_sub(1);
        (tries_left > 0).then(|| Self { tries_left, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::EmailAddress;
    use crate::identity::Role;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn factor() -> SecondFactor {
        SecondFactor::new(UserId::new(Uuid::from_u128(1)), vec![7], now()).confirmed(now())
    }

    fn wrong(decision: CodeDecision) -> SecondFactor {
        match decision {
            CodeDecision::Wrong(after) => after,
            other => panic!("{other:?}"),
        }
    }

    fn right(decision: CodeDecision) -> SecondFactor {
        match decision {
            CodeDecision::Right(after) => after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_step_counts_once_and_none_before_it() {
        let after = right(factor().try_code(Some(100), now()));
        for used in [100, 99, 0] {
            wrong(after.try_code(Some(used), now()));
        }
        right(after.try_code(Some(101), now()));
    }

    #[test]
    fn five_wrong_ones_block_even_the_right_one_for_a_quarter_of_an_hour() {
        let mut factor = factor();
        for _ in 0..SecondFactor::FAILURES_MAX {
            assert_eq!(factor.blocked(now()), None);
            factor = wrong(factor.try_code(None, now()));
        }
        let until = now() + SecondFactor::BLOCKED_FOR;
        assert_eq!(factor.try_code(Some(100), now()), CodeDecision::Blocked { until });
        assert_eq!(factor.try_recovery(true, until - TimeDelta::seconds(1)), CodeDecision::Blocked { until });
        right(factor.try_code(Some(100), until));
    }

    #[test]
    fn a_block_takes_twice_as_long_each_time_and_ends() {
        let (mut factor, mut now) = (factor(), now());
        for minutes in [15, 30, 60, 120, 240, 240, 240] {
            for _ in 0..SecondFactor::FAILURES_MAX {
                factor = wrong(factor.try_code(None, now));
            }
            let until = factor.blocked(now).unwrap();
            assert_eq!(until - now, TimeDelta::minutes(minutes));
            now = until;
        }
        let after = right(factor.try_code(Some(1), now));
        assert_eq!((after.failures, after.blocked_until), (0, None));
    }

    #[test]
    fn a_right_one_forgives_and_wrong_recovery_codes_count_too() {
        let mut factor = factor();
        for _ in 1..SecondFactor::FAILURES_MAX {
            factor = wrong(factor.try_recovery(false, now()));
        }
        factor = right(factor.try_recovery(true, now()));
        assert_eq!((factor.failures, factor.last_step), (0, None));
        for _ in 1..SecondFactor::FAILURES_MAX {
            factor = wrong(factor.try_code(None, now()));
        }
        assert_eq!(factor.blocked(now()), None);
    }

    #[test]
    fn another_seed_forgives_nothing() {
        let mut before = right(factor().try_code(Some(9), now()));
        for _ in 0..SecondFactor::FAILURES_MAX {
            before = wrong(before.try_code(None, now()));
        }
        let after = before.with_other_seed(vec![8], now());
        assert_eq!((after.failures, after.blocked_until), (before.failures, before.blocked_until));
        assert_eq!((after.confirmed_at, after.last_step, after.sealed_seed), (None, None, vec![8]));
    }

    #[derive(Clone, Copy, Debug)]
    enum Try {
        Code(Option<u64>),
        Recovery(bool),
    }

    fn tries() -> impl Strategy<Value = Vec<(Try, i64)>> {
        let step = proptest::option::weighted(0.6, 0..40_u64);
        let one = prop_oneof![step.prop_map(Try::Code), any::<bool>().prop_map(Try::Recovery)];
        proptest::collection::vec((one, 0..600_i64), 1..200)
    }

    proptest! {
        /// Whatever comes in whatever order: no step is taken twice or after a later one, nothing is taken while it is
        /// blocked, a block ends within four hours, and there are never more than five wrong ones between two blocks.
        #[test]
        fn no_code_counts_twice_and_guesses_are_bounded(tries in tries()) {
            let (mut factor, mut now, mut taken, mut wrong) = (factor(), now(), Vec::new(), 0);
            for (what, seconds) in tries {
                now += TimeDelta::seconds(seconds);
                let blocked = factor.blocked(now);
                let decision = match what {
                    Try::Code(step) => factor.try_code(step, now),
                    Try::Recovery(is_there) => factor.try_recovery(is_there, now),
                };
                factor = match decision {
                    CodeDecision::Right(after) => {
                        prop_assert!(blocked.is_none());
                        if let Try::Code(step) = what {
                            prop_assert!(taken.iter().all(|before| *before < step));
                            taken.push(step);
                        }
                        wrong = 0;
                        after
                    }
                    CodeDecision::Wrong(after) => {
                        prop_assert!(blocked.is_none());
                        wrong += 1;
                        prop_assert!(wrong <= SecondFactor::FAILURES_MAX);
                        after
                    }
                    CodeDecision::Blocked { until } => {
                        prop_assert_eq!(Some(until), blocked);
                        prop_assert!(until - now <= SecondFactor::BLOCKED_FOR_MAX);
                        wrong = 0;
                        continue;
                    }
                };
                if factor.blocked(now).is_some() {
                    prop_assert_eq!(wrong, SecondFactor::FAILURES_MAX);
                    wrong = 0;
                }
            }
        }
    }

    fn user() -> User {
        let email = EmailAddress::parse("email", "ana@example.com").unwrap();
        User::new(UserId::new(Uuid::from_u128(1)), email, None, Role::User, now())
    }

    #[test]
    fn a_challenge_is_of_one_account_as_it_was_for_five_minutes() {
        let ana = user();
        let challenge = SignInChallenge::new(TokenHash::new([1; 32]), &ana, now());
        let last = now() + SignInChallenge::LIFETIME - TimeDelta::microseconds(1);
        assert!(challenge.holds(&ana, now()) && challenge.holds(&ana, last));
        assert!(!challenge.holds(&ana, now() + SignInChallenge::LIFETIME));
        assert!(!challenge.holds(&ana.with_new_password(), now()));
        assert!(!challenge.holds(&User { deleted_at: Some(now()), ..ana.clone() }, now()));
        let other = User { id: UserId::new(Uuid::from_u128(2)), ..ana };
        assert!(!challenge.holds(&other, now()));
    }

    #[test]
    fn a_challenge_has_five_tries() {
        let ana = user();
        let mut challenge = Some(SignInChallenge::new(TokenHash::new([1; 32]), &ana, now()));
        for _ in 0..SignInChallenge::TRIES {
            let present = challenge.unwrap();
            assert!(present.holds(&ana, now()));
            challenge = present.after_wrong_code();
        }
        assert_eq!(challenge, None);
    }
}
