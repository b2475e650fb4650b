//! Invitations to act for an organizer.

use chrono::TimeDelta;

use crate::catalog::{MemberRole, Reach};
use crate::identity::TokenHash;
use crate::{EmailAddress, EventId, InvitationId, OrganizerId, Problems, Timestamp, UserId};

/// An offer to whoever reads the mails of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// To act for whom.
    pub organizer: OrganizerId,
    /// Whom it was sent to.
    pub email: EmailAddress,
    /// As what.
    pub role: MemberRole,
    /// For which events.
    pub reach: Reach,
    /// SHA-256 of the token in the mail.
    pub hash: TokenHash,
    /// Who has invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// How it ended, if it was before its time.
    pub ended: Option<InvitationEnd>,
}

/// The end of an invitation before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvitationEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: InvitationOutcome,
}

/// What became of an invitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitationOutcome {
    /// Whom it was sent to has accepted it.
    Accepted,
    /// It was taken back, or replaced by a newer one.
    Revoked,
}

impl InvitationOutcome {
    /// Its word, for stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
        }
    }

    /// The outcome of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Accepted, Self::Revoked].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// Who shall be invited, as somebody asks for it.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    /// Field `email`.
    pub email: &'a str,
    /// Field `role`.
    pub role: MemberRole,
    /// Field `events`; none means all.
    pub events: Option<&'a [EventId]>,
}

/// Why an invitation is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvitationRefusal {
    /// It was accepted, taken back, or came too late: told alike.
    #[error("it is worth nothing any more")]
    Over,
    /// It was sent to somebody else.
    #[error("it was sent to another address")]
    OtherAddress,
}

impl Invitation {
    /// How long it can be accepted.
    pub const LASTS: TimeDelta = TimeDelta::days(7);

    /// A new one.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(
        id: InvitationId,
        organizer: OrganizerId,
        new: NewInvitation<'_>,
        hash: TokenHash,
        by: UserId,
        now: Timestamp,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let email = problems.take(EmailAddress::parse("email", new.email));
        let reach = problems.take(Reach::parse(new.role, new.events));
        let (Some(email), Some(reach)) = (email, reach) else { return Err(problems) };
        let (role, expires_at) = (new.role, now + Self::LASTS);
        Ok(Self { id, organizer, email, role, reach, hash, invited_by: by, created_at: now, expires_at, ended: None })
    }

    /// Accepted by an account of this address, who has shown its token. That he has it proves that he reads the mails of
    /// the address; that the account has the same address keeps a mail that was passed on from letting in somebody whom
    /// the organizer does not know.
    ///
    /// # Errors
    /// [`InvitationRefusal`].
    pub fn accept(&self, address: &EmailAddress, now: Timestamp) -> Result<Self, InvitationRefusal> {
        if !self.is_open(now) {
            return Err(InvitationRefusal::Over);
        }
        if *address != self.email {
            return Err(InvitationRefusal::OtherAddress);
        }
        Ok(self.end(InvitationOutcome::Accepted, now))
    }

    /// Taken back; none if it is over.
    #[must_use]
    pub fn revoke(&self, now: Timestamp) -> Option<Self> {
        self.is_open(now).then(|| self.end(InvitationOutcome::Revoked, now))
    }

    /// Replaced by a newer one; also where it has lapsed, which makes room for that.
    #[must_use]
    pub fn replace(&self, now: Timestamp) -> Self {
        self.end(InvitationOutcome::Revoked, now)
    }

    /// Whether it can be accepted.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    fn end(&self, outcome: InvitationOutcome, at: Timestamp) -> Self {
        Self { ended: Some(InvitationEnd { at, outcome }), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse("email", text).unwrap()
    }

    fn invited(role: MemberRole, events: Option<&[EventId]>) -> Result<Invitation, Problems> {
        let id = Uuid::from_u128(1);
        let new = NewInvitation { email: "Ana@example.com", role, events };
        let (invitation, organizer) = (InvitationId::new(id), OrganizerId::new(id));
        Invitation::try_new(invitation, organizer, new, TokenHash::new([7; 32]), UserId::new(id), now())
    }

    #[test]
    fn it_is_accepted_once_by_whom_it_was_sent_to() {
        let open = invited(MemberRole::Scanner, None).unwrap();
        assert_eq!(open.accept(&address("ben@example.com"), now()), Err(InvitationRefusal::OtherAddress));
        let accepted = open.accept(&address("ANA@example.com"), now()).unwrap();
        assert_eq!(accepted.accept(&address("ana@example.com"), now()), Err(InvitationRefusal::Over));
        assert_eq!(accepted.revoke(now()), None);
    }

    #[test]
    fn it_ends_by_itself_and_by_being_taken_back() {
        let open = invited(MemberRole::Manager, None).unwrap();
        let ana = address("ana@example.com");
        assert!(open.accept(&ana, open.expires_at - TimeDelta::microseconds(1)).is_ok());
        assert_eq!(open.accept(&ana, open.expires_at), Err(InvitationRefusal::Over));
        assert_eq!(open.revoke(now()).unwrap().accept(&ana, now()), Err(InvitationRefusal::Over));
    }

    #[test]
    fn an_owner_is_invited_for_all_events() {
        let event = EventId::new(Uuid::from_u128(2));
        assert!(invited(MemberRole::Owner, Some(&[event])).is_err());
        assert!(invited(MemberRole::Owner, None).is_ok());
        assert!(invited(MemberRole::Scanner, Some(&[event])).unwrap().reach.covers(event));
    }
}
