//! Secrets that are sent by mail: whoever has one reads the mails of an address.

use std::str::FromStr;

use chrono::TimeDelta;

use crate::identity::TokenHash;
use crate::{EmailAddress, Timestamp, UserId};

/// What a mailed token is good for, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MailedPurpose {
    /// To show that the address of an account is its owner's.
    VerifyEmail,
    /// To choose a password without the old one.
    ResetPassword,
    /// To agree, from the present address, to another one.
    ConfirmOldEmail,
    /// To show that the other address is the owner's.
    ConfirmNewEmail,
}

/// The word is nothing that a token is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be verify_email, reset_password, confirm_old_email or confirm_new_email")]
pub struct UnknownMailedPurpose;

impl MailedPurpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::VerifyEmail, Self::ResetPassword, Self::ConfirmOldEmail, Self::ConfirmNewEmail];

    /// The word for stores and journals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmOldEmail => "confirm_old_email",
            Self::ConfirmNewEmail => "confirm_new_email",
        }
    }

    /// For how long such a token holds: the more it can do, the shorter.
    #[must_use]
    pub const fn lifetime(self) -> TimeDelta {
        match self {
            Self::VerifyEmail => TimeDelta::days(3),
            Self::ResetPassword => TimeDelta::hours(1),
            Self::ConfirmOldEmail | Self::ConfirmNewEmail => TimeDelta::hours(24),
        }
    }
}

impl FromStr for MailedPurpose {
    type Err = UnknownMailedPurpose;

    fn from_str(word: &str) -> Result<Self, UnknownMailedPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word).ok_or(UnknownMailedPurpose)
    }
}

/// A token that was mailed, as it is kept. Using it takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailedToken {
    /// Unique over all tokens.
    pub hash: TokenHash,
    /// For which account.
    pub user: UserId,
    /// What it is good for.
    pub purpose: MailedPurpose,
    /// The address that it was sent to, and that it speaks of.
    pub email: EmailAddress,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

impl MailedToken {
    /// After a token of this purpose the next one comes no sooner: nobody fills somebody's mailbox.
    pub const PAUSE: TimeDelta = TimeDelta::seconds(60);

    /// A new one.
    #[must_use]
    pub fn issue(hash: TokenHash, user: UserId, purpose: MailedPurpose, email: EmailAddress, now: Timestamp) -> Self {
        Self { hash, user, purpose, email, issued_at: now, expires_at: now + purpose.lifetime() }
    }

    /// Whether it is good for this, for this address, now.
    #[must_use]
    pub fn holds(&self, purpose: MailedPurpose, email: &EmailAddress, now: Timestamp) -> bool {
        self.purpose == purpose && self.email == *email && now < self.expires_at
    }

    /// Whether another one may be sent, where the last was made at `last`.
    #[must_use]
    pub fn may_follow(last: Option<Timestamp>, now: Timestamp) -> bool {
        last.is_none_or(|last| now - last >= Self::PAUSE || now < last)
    }
}

/// That an account is to get another address, once both have agreed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmailChange {
    /// Which account.
    pub user: UserId,
    /// The address that it is to get.
    pub new_email: EmailAddress,
    /// Whether the present address has agreed.
    pub old_agreed: bool,
    /// Whether the new address has agreed.
    pub new_agreed: bool,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

impl EmailChange {
    /// A new one, to which nobody has agreed.
    #[must_use]
    pub const fn ask(user: UserId, new_email: EmailAddress, now: Timestamp) -> Self {
        Self { user, new_email, old_agreed: false, new_agreed: false, asked_at: now }
    }

    /// With the agreement that a token of this purpose brings; a second time changes nothing.
    #[must_use]
    pub fn agreed_by(&self, purpose: MailedPurpose) -> Self {
        Self {
            old_agreed: self.old_agreed || purpose == MailedPurpose::ConfirmOldEmail,
            new_agreed: self.new_agreed || purpose == MailedPurpose::ConfirmNewEmail,
            ..self.clone()
        }
    }

    /// Whether both have agreed.
    #[must_use]
    pub const fn is_agreed(&self) -> bool {
        self.old_agreed && self.new_agreed
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn email(raw: &str) -> EmailAddress {
        EmailAddress::parse("email", raw).unwrap()
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for purpose in MailedPurpose::ALL {
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
        assert_eq!("".parse::<MailedPurpose>(), Err(UnknownMailedPurpose));
    }

    #[test]
    fn a_token_holds_for_its_purpose_its_address_and_its_time_alone() {
        let user = UserId::new(Uuid::from_u128(1));
        for purpose in MailedPurpose::ALL {
            let token = MailedToken::issue(TokenHash::new([1; 32]), user, purpose, email("ana@example.com"), now());
            for other in MailedPurpose::ALL {
                assert_eq!(token.holds(other, &email("ana@example.com"), now()), other == purpose);
            }
            assert!(!token.holds(purpose, &email("bob@example.com"), now()));
            let end = now() + purpose.lifetime();
            assert!(token.holds(purpose, &token.email, end - TimeDelta::microseconds(1)));
            assert!(!token.holds(purpose, &token.email, end));
        }
    }

    #[test]
    fn mails_follow_each_other_after_a_pause() {
        assert!(MailedToken::may_follow(None, now()));
        assert!(!MailedToken::may_follow(Some(now()), now() + TimeDelta::seconds(59)));
        assert!(MailedToken::may_follow(Some(now()), now() + TimeDelta::seconds(60)));
        assert!(MailedToken::may_follow(Some(now()), now() - TimeDelta::seconds(1)), "a clock that stepped back");
    }

    #[test]
    fn both_have_to_agree_in_whatever_order_and_how_often() {
        use MailedPurpose::{ConfirmNewEmail, ConfirmOldEmail, ResetPassword, VerifyEmail};
        let asked = EmailChange::ask(UserId::new(Uuid::from_u128(1)), email("new@example.com"), now());
        for (first, second) in [(ConfirmOldEmail, ConfirmNewEmail), (ConfirmNewEmail, ConfirmOldEmail)] {
            let one = asked.agreed_by(first).agreed_by(first).agreed_by(VerifyEmail).agreed_by(ResetPassword);
            assert!(!one.is_agreed());
            assert!(one.agreed_by(second).is_agreed());
        }
    }
}
