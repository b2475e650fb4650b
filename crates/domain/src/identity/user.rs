//! An account, and the rule by which its role changes.

use crate::identity::{PasswordHash, Role};
use crate::{EmailAddress, Language, Problems, Text, Timestamp, UserId};

/// How somebody wants to be called: one line of at most 100 characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserName(Text);

impl UserName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 100;

    /// Parses `raw` for the field `field`.
    ///
    /// # Errors
    /// `required` if empty, `too_long`, or `invalid_characters` for control characters, line breaks among them.
    pub fn parse(field: &str, raw: &str) -> Result<Self, Problems> {
        let text = Text::parse(field, raw, Self::MAX_CHARS)?;
        if text.as_str().chars().any(char::is_control) {
            return Err(Problems::one(field, "invalid_characters", "must be a single line"));
        }
        Ok(Self(text))
    }

    /// A value that a store has read: it was parsed when it was written.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(Text::trusted(stored))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// An account, without what proves that somebody owns it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its id; later accounts have larger ones.
    pub id: UserId,
    /// Its address, unique over all accounts.
    pub email: EmailAddress,
    /// Its name, if it has told one.
    pub name: Option<UserName>,
    /// What the platform lets it do.
    pub role: Role,
    /// When the role was changed last; none while it is the first one.
    pub role_changed_at: Option<Timestamp>,
    /// Whether somebody has proved to read the mails of the address.
    pub email_verified: bool,
    /// Counts the changes of the account, its making included: 1 for a new one. It is the sequence of its messages in
    /// the outbox.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// In which language it is written to.
    pub language: Language,
    /// Since when it is deleted: address and name are gone, nobody signs in to it, and its bookings stay.
    pub deleted_at: Option<Timestamp>,
}

/// An account with what is kept of its password.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account.
    pub user: User,
    /// None where it cannot sign in by password.
    pub password: Option<PasswordHash>,
}

/// What becomes of a wish to change a role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleDecision {
    /// To be saved: the account as it is afterwards.
    Changed(User),
    /// It has this role already; nothing is to be written.
    Unchanged,
}

/// Why a role is not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RoleRefusal {
    /// Only an admin changes roles.
    #[error("only an admin may change roles")]
    NotAdmin,
    /// Nobody could make an admin any more, other than by the command line.
    #[error("this is the last admin: make another one first")]
    LastAdmin,
}

/// The address of the account is not verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("verify the e-mail address of the account first")]
pub struct NotVerified;

impl User {
    /// A new account, at its first version.
    #[must_use]
    pub const fn new(id: UserId, email: EmailAddress, name: Option<UserName>, role: Role, now: Timestamp) -> Self {
        Self {
            id,
            email,
            name,
            role,
            role_changed_at: None,
            email_verified: false,
            version: 1,
            created_at: now,
            language: Language::English,
            deleted_at: None,
        }
    }

    /// The same, written to in this language.
    #[must_use]
    pub fn speaking(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// Decides whether it may make a way in for others, or one that outlives a password. Whoever registered the address of
    /// somebody else would keep that way when its owner comes.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub const fn must_be_verified(&self) -> Result<(), NotVerified> {
        if self.email_verified { Ok(()) } else { Err(NotVerified) }
    }

    /// With its address verified; none where it was already.
    #[must_use]
    pub fn verified(&self) -> Option<Self> {
        (!self.email_verified).then(|| Self { email_verified: true, ..self.changed() })
    }

    /// After an external identity was linked to it, or taken away.
    #[must_use]
    pub fn with_other_identities(&self) -> Self {
        self.changed()
    }

    /// After its second factor was set up, changed or taken away.
    #[must_use]
    pub fn with_other_second_factor(&self) -> Self {
        self.changed()
    }

    /// After its password was changed, of which it knows nothing but that it happened.
    #[must_use]
    pub fn with_new_password(&self) -> Self {
        self.changed()
    }

    /// At another address, which has proved to be its owner's.
    #[must_use]
    pub fn with_email(&self, email: EmailAddress) -> Self {
        Self { email, email_verified: true, ..self.changed() }
    }

    /// Deleted: what leads to a person is gone, and the address is free.
    #[must_use]
    pub fn deleted(&self, now: Timestamp) -> Self {
        let pseudonym = EmailAddress::trusted(format!("deleted-{}@deleted.invalid", self.id));
        let email_verified = false;
        Self { email: pseudonym, name: None, email_verified, deleted_at: Some(now), ..self.with_role(Role::User, now) }
    }

    fn changed(&self) -> Self {
        Self { version: self.version.saturating_add(1), ..self.clone() }
    }

    /// Decides the wish of somebody with the role `actor` to give this account the role `to`. An admin may demote
    /// himself, as long as `other_admins` (admins besides this account) is not 0. The same wish twice is `Unchanged`.
    ///
    /// # Errors
    /// [`RoleRefusal`], with which nothing changes.
    pub fn change_role(
        &self,
        actor: Role,
        to: Role,
        other_admins: usize,
        now: Timestamp,
    ) -> Result<RoleDecision, RoleRefusal> {
        if actor != Role::Admin {
            return Err(RoleRefusal::NotAdmin);
        }
        if self.role == to {
            return Ok(RoleDecision::Unchanged);
        }
        if self.role == Role::Admin && other_admins == 0 {
            return Err(RoleRefusal::LastAdmin);
        }
        Ok(RoleDecision::Changed(self.with_role(to, now)))
    }

    /// Makes a buyer an organizer, as he makes his first organizer where the platform lets everybody do so. Who may do
    /// it already stays what he is.
    #[must_use]
    pub fn become_organizer(&self, now: Timestamp) -> RoleDecision {
        match self.role {
            Role::User => RoleDecision::Changed(self.with_role(Role::Organizer, now)),
            Role::Organizer | Role::Admin => RoleDecision::Unchanged,
        }
    }

    /// The time of a role change never runs backwards, or a replica could take an older role for the present one.
    fn with_role(&self, role: Role, now: Timestamp) -> Self {
        let at = self.role_changed_at.map_or(now, |last| last.max(now));
        Self { role, role_changed_at: Some(at), ..self.changed() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn user(role: Role) -> User {
        let email = EmailAddress::parse("email", "ana@example.com").unwrap();
        User::new(UserId::new(Uuid::from_u128(1)), email, None, role, now())
    }

    fn changed(decision: RoleDecision) -> User {
        match decision {
            RoleDecision::Changed(user) => user,
            RoleDecision::Unchanged => panic!("should have changed"),
        }
    }

    #[test]
    fn only_admins_change_roles() {
        for actor in [Role::User, Role::Organizer] {
            assert_eq!(user(Role::User).change_role(actor, Role::Admin, 1, now()), Err(RoleRefusal::NotAdmin));
        }
        let after = changed(user(Role::User).change_role(Role::Admin, Role::Organizer, 1, now()).unwrap());
        assert_eq!((after.role, after.version, after.role_changed_at), (Role::Organizer, 2, Some(now())));
    }

    #[test]
    fn the_same_wish_twice_changes_nothing() {
        let after = changed(user(Role::User).change_role(Role::Admin, Role::Admin, 1, now()).unwrap());
        assert_eq!(after.change_role(Role::Admin, Role::Admin, 1, now()), Ok(RoleDecision::Unchanged));
    }

    #[test]
    fn the_last_admin_stays() {
        let admin = user(Role::Admin);
        assert_eq!(admin.change_role(Role::Admin, Role::User, 0, now()), Err(RoleRefusal::LastAdmin));
        assert_eq!(admin.change_role(Role::Admin, Role::Admin, 0, now()), Ok(RoleDecision::Unchanged));
        assert_eq!(changed(admin.change_role(Role::Admin, Role::User, 1, now()).unwrap()).role, Role::User);
    }

    #[test]
    fn only_a_buyer_becomes_an_organizer() {
        assert_eq!(changed(user(Role::User).become_organizer(now())).role, Role::Organizer);
        assert_eq!(user(Role::Organizer).become_organizer(now()), RoleDecision::Unchanged);
        assert_eq!(user(Role::Admin).become_organizer(now()), RoleDecision::Unchanged);
    }

    #[test]
    fn a_role_change_never_goes_back_in_time() {
        let first = changed(user(Role::User).change_role(Role::Admin, Role::Organizer, 1, now()).unwrap());
        let second = changed(first.change_role(Role::Admin, Role::User, 1, now() - TimeDelta::hours(1)).unwrap());
        assert_eq!(second.role_changed_at, Some(now()));
    }

    #[test]
    fn every_change_counts() {
        let ana = user(Role::Admin).speaking(Language::Polish);
        let verified = ana.verified().unwrap();
        assert!(verified.email_verified && verified.verified().is_none());
        assert_eq!((verified.must_be_verified(), ana.must_be_verified()), (Ok(()), Err(NotVerified)));
        let moved = ana.with_email(EmailAddress::parse("email", "new@example.com").unwrap());
        assert!(moved.email_verified);
        let changes = [verified, moved, ana.with_new_password(), ana.deleted(now())];
        assert!(changes.iter().all(|after| after.version == 2 && after.language == Language::Polish));
    }

    #[test]
    fn nothing_of_a_deleted_account_leads_to_a_person() {
        let name = UserName::parse("name", "Ana").ok();
        let gone = User { name, ..user(Role::Admin) }.deleted(now());
        assert_eq!(gone.email.as_str(), format!("deleted-{}@deleted.invalid", gone.id));
        assert_eq!((gone.name, gone.role, gone.email_verified), (None, Role::User, false));
        assert_eq!((gone.deleted_at, gone.role_changed_at), (Some(now()), Some(now())));
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(UserName::parse("name", " Ana ").unwrap().as_str(), "Ana");
        assert_eq!(UserName::parse("name", "a\nb").unwrap_err().as_slice()[0].code, "invalid_characters");
        assert!(UserName::parse("name", &"x".repeat(101)).is_err());
    }
}
