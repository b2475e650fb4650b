//! Who somebody is elsewhere, and the rule by which that signs him in here.

use chrono::TimeDelta;

use crate::identity::{TokenHash, User, UserName};
use crate::{EmailAddress, ExternalIdentityId, Timestamp, UserId};

/// The most external identities of an account.
pub const EXTERNAL_IDENTITIES_MAX: usize = 10;

/// Whom a provider speaks of. Only the provider knows what a subject means: names and addresses change owners there,
/// and never lead to an account by themselves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExternalSubject {
    /// Who says so: the URL of the issuer.
    pub issuer: String,
    /// Whom it means, in the words of the issuer.
    pub subject: String,
}

impl ExternalSubject {
    /// More than any provider sends; OpenID Connect allows 255 characters of a subject.
    pub const BYTES_MAX: usize = 255;
}

/// What a provider tells of somebody who has just signed in there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalProfile {
    /// Who he is there.
    pub who: ExternalSubject,
    /// An address that the provider says to have verified; none where it says nothing of the kind.
    pub verified_email: Option<EmailAddress>,
    /// What he is called.
    pub name: Option<UserName>,
}

/// That somebody who signs in at a provider is the owner of an account here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalIdentity {
    /// Its id.
    pub id: ExternalIdentityId,
    /// Whose.
    pub user: UserId,
    /// The name of the provider in the configuration as it was linked, to show it.
    pub provider: String,
    /// Who he is there; unique over all accounts.
    pub who: ExternalSubject,
    /// When it was linked.
    pub linked_at: Timestamp,
}

/// What signs in, or not, by an external identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExternalSignIn {
    /// The identity is linked to this account.
    Known(UserId),
    /// It becomes one of this account: both sides have verified the same address.
    Link(UserId),
    /// It becomes the only one of this account, whose address nobody has verified before: whatever the account had
    /// (password, sessions, tokens) may be somebody else's, who waited for the owner of the address to come.
    Claim(UserId),
    /// A new account, with a verified address and without a password.
    Create(EmailAddress),
}

/// Why an external identity signs nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExternalRefusal {
    /// Without a verified address it is neither linked nor made an account of.
    #[error("the provider has not verified an e-mail address")]
    EmailNotVerified,
    /// The account has its fill.
    #[error("an account has at most {EXTERNAL_IDENTITIES_MAX} external identities")]
    TooMany,
}

/// Decides who signs in: the account that the identity is `linked` to, or else the account `of_address` (that of the
/// verified address of the profile), or a new one.
///
/// # Errors
/// [`ExternalRefusal`]; then nothing changes.
pub fn decide_external_sign_in(
    profile: &ExternalProfile,
    linked: Option<UserId>,
    of_address: Option<(&User, usize)>,
) -> Result<ExternalSignIn, ExternalRefusal> {
    if let Some(user) = linked {
        return Ok(ExternalSignIn::Known(user));
    }
    let Some(email) = &profile.verified_email else { return Err(ExternalRefusal::EmailNotVerified) };
    match of_address.filter(|(user, _)| user.email == *email && user.deleted_at.is_none()) {
        None => Ok(ExternalSignIn::Create(email.clone())),
        Some((user, _)) if !user.email_verified => Ok(ExternalSignIn::Claim(user.id)),
        Some((_, identities)) if identities >= EXTERNAL_IDENTITIES_MAX => Err(ExternalRefusal::TooMany),
        Some((user, _)) => Ok(ExternalSignIn::Link(user.id)),
    }
}

/// Whether an account may lose one of its `identities`: a password, or another identity, must be left to sign in by.
#[must_use]
pub const fn may_unlink(has_password: bool, identities: usize) -> bool {
    has_password || identities > 1
}

/// A one-time code: proof for the client that its sign-in at a provider has led to an account. It is worth nothing to
/// who did not begin the sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInCode {
    /// SHA-256 of its text.
    pub hash: TokenHash,
    /// Who has signed in.
    pub user: UserId,
    /// The version that the account had; after any change of it the code is worth nothing.
    pub user_version: u32,
    /// SHA-256 of what the one who began the sign-in alone can show.
    pub binding: TokenHash,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

impl SignInCode {
    /// For how long a code holds: a page takes it at once.
    pub const LIFETIME: TimeDelta = TimeDelta::seconds(60);

    /// Whether it signs in `user`, as he is now, for who shows `proof`.
    #[must_use]
    pub fn holds(&self, user: &User, proof: &TokenHash, now: Timestamp) -> bool {
        self.user == user.id
            && self.user_version == user.version
            && user.deleted_at.is_none()
            && self.binding == *proof
            && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::identity::Role;

    fn email(text: &str) -> EmailAddress {
        EmailAddress::parse("email", text).unwrap()
    }

    fn user(is_verified: bool) -> User {
        let id = UserId::new(Uuid::from_u128(1));
        let user = User::new(id, email("ana@example.com"), None, Role::User, Timestamp::UNIX_EPOCH);
        User { email_verified: is_verified, ..user }
    }

    fn profile(verified: Option<&str>) -> ExternalProfile {
        let who = ExternalSubject { issuer: "https://id.example".into(), subject: "7".into() };
        ExternalProfile { who, verified_email: verified.map(email), name: None }
    }

    #[test]
    fn who_is_known_signs_in_whatever_his_address_is_now() {
        let known = UserId::new(Uuid::from_u128(9));
        for told in [None, Some("other@example.com"), Some("ana@example.com")] {
            let decided = decide_external_sign_in(&profile(told), Some(known), Some((&user(true), 0)));
            assert_eq!(decided, Ok(ExternalSignIn::Known(known)));
        }
    }

    #[test]
    fn both_sides_must_have_verified_the_address() {
        let ana = profile(Some("ana@example.com"));
        let decide = |profile: &ExternalProfile, user: &User, identities| {
            decide_external_sign_in(profile, None, Some((user, identities)))
        };
        assert_eq!(decide(&ana, &user(true), 0), Ok(ExternalSignIn::Link(user(true).id)));
        assert_eq!(decide(&ana, &user(false), 0), Ok(ExternalSignIn::Claim(user(true).id)));
        assert_eq!(decide(&profile(None), &user(true), 0), Err(ExternalRefusal::EmailNotVerified));
        assert_eq!(decide(&ana, &user(true), EXTERNAL_IDENTITIES_MAX), Err(ExternalRefusal::TooMany));
        let other = profile(Some("bob@example.com"));
        assert_eq!(decide(&other, &user(true), 0), Ok(ExternalSignIn::Create(email("bob@example.com"))));
    }

    #[test]
    fn nobody_gets_an_account_without_a_verified_address() {
        assert_eq!(decide_external_sign_in(&profile(None), None, None), Err(ExternalRefusal::EmailNotVerified));
        let made = decide_external_sign_in(&profile(Some("ana@example.com")), None, None);
        assert_eq!(made, Ok(ExternalSignIn::Create(email("ana@example.com"))));
    }

    #[test]
    fn nobody_locks_himself_out() {
        assert!(may_unlink(true, 1) && may_unlink(false, 2) && may_unlink(true, 5));
        assert!(!may_unlink(false, 1));
    }

    #[test]
    fn a_code_is_bound_to_who_began_and_to_the_account_as_it_was() {
        let (now, user) = (Timestamp::UNIX_EPOCH, user(true));
        let [hash, binding, other] = [1, 2, 3].map(|byte| TokenHash::new([byte; 32]));
        let expires_at = now + SignInCode::LIFETIME;
        let code = SignInCode { hash, user: user.id, user_version: user.version, binding, expires_at };
        assert!(code.holds(&user, &binding, now));
        assert!(!code.holds(&user, &other, now));
        assert!(!code.holds(&user, &binding, expires_at));
        assert!(!code.holds(&user.with_new_password(), &binding, now));
        assert!(!code.holds(&User { deleted_at: Some(now), ..user.clone() }, &binding, now));
        assert!(!code.holds(&User { id: UserId::new(Uuid::from_u128(2)), ..user }, &binding, now));
    }
}
