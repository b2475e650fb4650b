//! Use case: a browser comes back from a provider.

use domain::identity::{
    Account, EXTERNAL_IDENTITIES_MAX, EndReason, ExternalIdentity, ExternalProfile, ExternalRefusal, ExternalSignIn,
    Role, SignInCode, User, decide_external_sign_in,
};
use domain::{ExternalIdentityId, Language, SessionId, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::attempt::{Attempt, Opened};
use super::provider::{AuthorizationAnswer, ProviderError};
use super::start::SignInStep;
use crate::error::AppError;
use crate::identity::mailed::told;
use crate::identity::service::Identity;
use crate::identity::{EndedSession, UserInsert};
use crate::journal::Scribe;
use crate::mail::MailContent;
use crate::origin::Origin;
use crate::store::UnitOfWork;

/// What a browser bears when it comes back, unchecked.
#[derive(Clone, Copy, Default)]
pub struct ProviderReply<'a> {
    /// The code of the provider.
    pub code: Option<&'a str>,
    /// The state that it was sent with.
    pub state: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
    /// `iss` (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// Why somebody did not get in; the page learns the word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignInFailure {
    /// This browser did not begin it, has ended it before, or it began another one since.
    UnknownAttempt,
    /// It took longer than ten minutes.
    Expired,
    /// The person said no.
    Denied,
    /// The provider does not take the code: it was used before, or has expired.
    CodeRefused,
    /// The provider does not answer, or says that it cannot.
    ProviderUnavailable,
    /// The answer is of another issuer.
    WrongIssuer,
    /// The answer belongs to another sign-in.
    WrongNonce,
    /// The answer does not hold.
    InvalidAnswer,
    /// The provider has not verified an address.
    EmailNotVerified,
    /// The account has its fill of identities.
    TooManyIdentities,
    /// The identity is another account's.
    LinkedElsewhere,
    /// Who began to link an identity is signed out by now.
    SignedOut,
}

impl SignInFailure {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::UnknownAttempt,
        Self::Expired,
        Self::Denied,
        Self::CodeRefused,
        Self::ProviderUnavailable,
        Self::WrongIssuer,
        Self::WrongNonce,
        Self::InvalidAnswer,
        Self::EmailNotVerified,
        Self::TooManyIdentities,
        Self::LinkedElsewhere,
        Self::SignedOut,
    ];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAttempt => "unknown_attempt",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::CodeRefused => "code_refused",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongNonce => "wrong_nonce",
            Self::InvalidAnswer => "invalid_answer",
            Self::EmailNotVerified => "email_not_verified",
            Self::TooManyIdentities => "too_many_identities",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::SignedOut => "signed_out",
        }
    }

    /// Of what a provider did; the log learns more than the page.
    pub(super) fn of_provider(provider: &str, error: &ProviderError) -> Self {
        tracing::warn!(provider, %error, "The provider `{provider}` did not tell who has signed in");
        match error {
            ProviderError::Unavailable(_) => Self::ProviderUnavailable,
            ProviderError::CodeRefused(_) => Self::CodeRefused,
            ProviderError::WrongIssuer => Self::WrongIssuer,
            ProviderError::WrongNonce => Self::WrongNonce,
            ProviderError::InvalidAnswer(_) => Self::InvalidAnswer,
        }
    }

    /// Of `error` in the answer (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6).
    fn of_word(word: &str) -> Self {
        match word {
            "access_denied" | "login_required" | "consent_required" | "interaction_required" => Self::Denied,
            "server_error" | "temporarily_unavailable" => Self::ProviderUnavailable,
            _ => Self::InvalidAnswer,
        }
    }
}

impl From<ExternalRefusal> for SignInFailure {
    fn from(refusal: ExternalRefusal) -> Self {
        match refusal {
            ExternalRefusal::EmailNotVerified => Self::EmailNotVerified,
            ExternalRefusal::TooMany => Self::TooManyIdentities,
        }
    }
}

/// The page, told why. The browser forgets the attempt.
pub(super) fn failure_at(page: &str, failure: SignInFailure) -> SignInStep {
    metrics::counter!("goticket_external_logins_total", "outcome" => failure.as_str()).increment(1);
    SignInStep { location: with(page, "error", failure.as_str()), cookie: None }
}

/// Values of ours need no escaping.
fn with(page: &str, name: &str, value: &str) -> String {
    let joint = if page.contains('?') { '&' } else { '?' };
    format!("{page}{joint}{name}={value}")
}

type Decided<T> = Result<Result<T, SignInFailure>, AppError>;

impl Identity {
    /// Takes a browser back that a provider has sent, with the cookie that it was sent there with, and sends it to the
    /// page: with a one-time `code`, with `linked` (the name of the provider) where an identity was to be linked, or with
    /// an `error` of [`SignInFailure`]. `language` is that of a new account.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an unknown provider; what the store answers.
    pub async fn finish_sign_in(
        &self,
        provider: &str,
        reply: ProviderReply<'_>,
        cookie: Option<&str>,
        language: Language,
        origin: &Origin,
    ) -> Result<SignInStep, AppError> {
        let name = self.provider(provider)?.name();
        let attempt = match self.open_attempt(cookie) {
            Opened::Expired(attempt) => return Ok(failure_at(&attempt.page, SignInFailure::Expired)),
            Opened::Attempt(attempt) if attempt.provider == name && reply.state == Some(&attempt.state) => attempt,
            Opened::Attempt(_) | Opened::Nothing => {
                return Ok(failure_at(self.allowed_page(None)?, SignInFailure::UnknownAttempt));
            }
        };
        // From here on the provider is called.
        self.ports.guards.sign_in_elsewhere(origin).await?;
        let profile = match self.ask_provider(&attempt, reply).await? {
            Ok(profile) => profile,
            Err(failure) => {
                self.note_failure("login.failed", None, origin);
                return Ok(failure_at(&attempt.page, failure));
            }
        };
        let step = match attempt.linking() {
            Some(whose) => self.link(&attempt, profile, whose, origin).await?,
            None => self.sign_in(&attempt, profile, language, origin).await?,
        };
        Ok(step.unwrap_or_else(|failure| {
            self.note_failure("login.failed", None, origin);
            failure_at(&attempt.page, failure)
        }))
    }

    async fn ask_provider(&self, attempt: &Attempt, reply: ProviderReply<'_>) -> Decided<ExternalProfile> {
        if let Some(word) = reply.error {
            return Ok(Err(SignInFailure::of_word(word)));
        }
        let Some(code) = reply.code else { return Ok(Err(SignInFailure::InvalidAnswer)) };
        let provider = self.provider(&attempt.provider)?;
        let answer = AuthorizationAnswer {
            code,
            issuer: reply.issuer,
            code_verifier: &attempt.verifier,
            nonce: &attempt.nonce,
            redirect_uri: &self.redirect_uri(&attempt.provider),
        };
        let profile = provider.profile(answer).await;
        Ok(profile.map_err(|error| SignInFailure::of_provider(&attempt.provider, &error)))
    }

    async fn sign_in(
        &self,
        attempt: &Attempt,
        profile: ExternalProfile,
        language: Language,
        origin: &Origin,
    ) -> Decided<SignInStep> {
        let now = self.now();
        let of_address = match &profile.verified_email {
            Some(email) => self.ports.reads.account_by_email(email).await?.map(|account| account.user.id),
            None => None,
        };
        let mut uow = self.ports.store.begin().await?;
        let linked = uow.external_identity(&profile.who).await?.map(|identity| identity.user);
        // Whoever is locked is decided about as he is now.
        let locked = match linked.or(of_address) {
            Some(user) => uow.lock_user(user).await?.filter(|user| user.deleted_at.is_none()),
            None => None,
        };
        let identities = match &locked {
            Some(user) => uow.external_identities(user.id).await?.len(),
            None => 0,
        };
        let decided = decide_external_sign_in(&profile, linked, locked.as_ref().map(|user| (user, identities)));
        let decided = match decided {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let mut ended = Vec::new();
        let user = match (decided, locked) {
            (ExternalSignIn::Known(_), Some(user)) => user,
            (ExternalSignIn::Link(_), Some(user)) => {
                self.link_in_op(uow.as_mut(), &user, &attempt.provider, profile, origin).await?
            }
            (ExternalSignIn::Claim(_), Some(user)) => {
                let (user, sessions) =
                    self.give_to_in_op(uow.as_mut(), &user, &attempt.provider, profile, origin).await?;
                ended = sessions;
                user
            }
            (ExternalSignIn::Create(email), _) => {
                let id = UserId::new(self.ports.ids.uuid());
                let user = User::new(id, email, profile.name.clone(), Role::User, now).speaking(language);
                let user = User { email_verified: true, ..user };
                self.create_in_op(uow.as_mut(), user, &attempt.provider, profile, origin).await?
            }
            // Who was deleted between the two reads has no identity any more.
            (ExternalSignIn::Known(_) | ExternalSignIn::Link(_) | ExternalSignIn::Claim(_), None) => {
                return Err(AppError::busy());
            }
        };
        let code = self.new_token("")?;
        let kept = SignInCode {
            hash: code.hash,
            user: user.id,
            user_version: user.version,
            binding: attempt.binding(),
            expires_at: now + SignInCode::LIFETIME,
        };
        uow.insert_sign_in_code(&kept).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        metrics::counter!("goticket_external_logins_total", "outcome" => "succeeded").increment(1);
        let cookie = attempt.proof.clone().map(SecretString::from);
        Ok(Ok(SignInStep { location: with(&attempt.page, "code", code.text.expose_secret()), cookie }))
    }

    /// Links the identity to the account of who began to link it.
    async fn link(
        &self,
        attempt: &Attempt,
        profile: ExternalProfile,
        (user, session): (UserId, SessionId),
        origin: &Origin,
    ) -> Decided<SignInStep> {
        let mut uow = self.ports.store.begin().await?;
        let user = uow.lock_user(user).await?.filter(|user| user.deleted_at.is_none() && user.email_verified);
        let is_live = self.is_live_in_op(uow.as_mut(), session).await?;
        let Some(user) = user.filter(|_| is_live) else { return Ok(Err(SignInFailure::SignedOut)) };
        match uow.external_identity(&profile.who).await? {
            Some(identity) if identity.user != user.id => return Ok(Err(SignInFailure::LinkedElsewhere)),
            Some(_) => {}
            None if uow.external_identities(user.id).await?.len() >= EXTERNAL_IDENTITIES_MAX => {
                return Ok(Err(SignInFailure::TooManyIdentities));
            }
            None => {
                self.link_in_op(uow.as_mut(), &user, &attempt.provider, profile, origin).await?;
                uow.commit().await?;
            }
        }
        Ok(Ok(SignInStep { location: with(&attempt.page, "linked", &attempt.provider), cookie: None }))
    }

    async fn link_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: &User,
        provider: &str,
        profile: ExternalProfile,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let after = before.with_other_identities();
        let entry = self.scribe(origin).identity_linked(before, &after, provider);
        uow.save_user(&after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        self.insert_identity_in_op(uow, &after, provider, profile).await?;
        Ok(after)
    }

    /// The account becomes that of who reads the mails of its address; of what it had nothing lets anybody in. A second
    /// factor, keys of an organizer or other members it has none: these are for who has verified his address.
    async fn give_to_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: &User,
        provider: &str,
        profile: ExternalProfile,
        origin: &Origin,
    ) -> Result<(User, Vec<EndedSession>), AppError> {
        let after = before.verified().ok_or(AppError::Internal)?;
        let entry = self.scribe(origin).claimed(before, &after, provider);
        uow.save_user(&after).await?;
        uow.drop_password(after.id).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        let ended = self.shut_out_in_op(uow, after.id, EndReason::Claimed, origin).await?;
        self.insert_identity_in_op(uow, &after, provider, profile).await?;
        Ok((after, ended))
    }

    async fn create_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: User,
        provider: &str,
        profile: ExternalProfile,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let entry = self.scribe(origin).registered(&user);
        match uow.insert_user(&Account { user: user.clone(), password: None }).await? {
            // Somebody was faster: the next try finds his account.
            UserInsert::EmailTaken => return Err(AppError::busy()),
            UserInsert::Inserted => {}
        }
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        self.link_in_op(uow, &user, provider, profile, origin).await
    }

    async fn insert_identity_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        provider: &str,
        profile: ExternalProfile,
    ) -> Result<(), AppError> {
        let now = self.now();
        let identity = ExternalIdentity {
            id: ExternalIdentityId::new(self.ports.ids.uuid()),
            user: user.id,
            provider: provider.to_owned(),
            who: profile.who,
            linked_at: now,
        };
        uow.insert_external_identity(&identity).await?;
        let notice = MailContent::IdentityLinked { provider: self.title_of(provider), when: told(now) };
        self.notify_in_op(uow, (user, &user.email), notice, now).await
    }

    pub(in crate::identity) fn scribe<'a>(&'a self, origin: &'a Origin) -> Scribe<'a> {
        Scribe { ids: self.ports.ids.as_ref(), origin, at: self.now() }
    }

    /// What people call it, or its name where it is not in the configuration any more.
    pub(super) fn title_of(&self, provider: &str) -> String {
        self.provider(provider).map_or(provider, |provider| provider.title()).to_owned()
    }
}
