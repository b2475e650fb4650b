//! Accounts, sessions and keys.

use application::identity::StoredSigningKey;
use application::store::StoreError;
use domain::identity::{
    Account, ApiKey, Device, EmailChange, EndReason, ExternalIdentity, ExternalSubject, MailedToken, RefreshToken,
    Scope, Scopes, SecondFactor, Session, SessionEnd, SignInChallenge, SignInCode, TokenHash, User, UserName,
};
use domain::{ApiKeyId, EmailAddress, EventId, ExternalIdentityId, OrganizerId, SessionId, SigningKeyId, Text, UserId};

use super::{count, instant, instant_if, integer, micros};
use crate::entity::{
    api_key, email_change, external_identity, mailed_token, refresh_token, second_factor, session, sign_in_challenge,
    sign_in_code, signing_key, user,
};
use crate::error::bad_row;

/// An account of its row.
pub(crate) fn user(row: user::Model) -> Result<User, StoreError> {
    Ok(User {
        id: UserId::new(row.id),
        email: EmailAddress::trusted(row.email),
        name: row.name.map(UserName::trusted),
        role: row.role.parse().map_err(|_| bad_row("role", &row.role))?,
        role_changed_at: instant_if(row.role_changed_at)?,
        email_verified: row.email_verified,
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        language: row.language.parse().map_err(|_| bad_row("language", &row.language))?,
        deleted_at: instant_if(row.deleted_at)?,
    })
}

/// The row of an account.
pub(crate) fn account_row(account: &Account) -> user::Model {
    let user = &account.user;
    user::Model {
        id: user.id.uuid(),
        email: user.email.as_str().to_owned(),
        name: user.name.as_ref().map(|name| name.as_str().to_owned()),
        role: user.role.as_str().to_owned(),
        role_changed_at: user.role_changed_at.map(micros),
        email_verified: user.email_verified,
        version: integer(user.version),
        password_hash: account.password.as_ref().map(|hash| hash.expose().to_owned()),
        created_at: micros(user.created_at),
        language: user.language.as_str().to_owned(),
        deleted_at: user.deleted_at.map(micros),
    }
}

/// A session of its row.
pub(crate) fn session(row: &session::Model) -> Result<Session, StoreError> {
    let ended = match (row.ended_at, row.end_cause.as_deref().or(row.end_reason.as_deref())) {
        (Some(at), Some(word)) => {
            let reason: EndReason = word.parse().map_err(|_| bad_row("end of a session", word))?;
            Some(SessionEnd { at: instant(at)?, reason })
        }
        _ => None,
    };
    Ok(Session {
        id: SessionId::new(row.id),
        user: UserId::new(row.user_id),
        started_at: instant(row.started_at)?,
        last_used_at: instant(row.last_used_at)?,
        expires_at: instant(row.expires_at)?,
        generation: count(row.generation)?,
        reissues: count(row.reissues)?,
        ended,
        device: Device {
            user_agent: row.user_agent.clone(),
            address: row.address.as_deref().map(str::parse).transpose().map_err(|_| bad_row("address", row.id))?,
        },
    })
}

/// The row of a session.
pub(crate) fn session_row(session: &Session) -> session::Model {
    session::Model {
        id: session.id.uuid(),
        user_id: session.user.uuid(),
        started_at: micros(session.started_at),
        last_used_at: micros(session.last_used_at),
        expires_at: micros(session.expires_at),
        generation: integer(session.generation),
        reissues: integer(session.reissues),
        ended_at: session.ended.map(|end| micros(end.at)),
        end_reason: session.ended.map(|end| known_before(end.reason).as_str().to_owned()),
        end_cause: session.ended.map(|end| end.reason.as_str().to_owned()),
        user_agent: session.device.user_agent.clone(),
        address: session.device.address.map(|address| address.to_string()),
    }
}

/// The reason in the words of the first release, whose replicas may still read it.
const fn known_before(reason: EndReason) -> EndReason {
    match reason {
        EndReason::TokenReuse => EndReason::TokenReuse,
        EndReason::Logout
        | EndReason::EndedByOwner
        | EndReason::PasswordChanged
        | EndReason::AccountDeleted
        | EndReason::Claimed
        | EndReason::SecondFactorReset => EndReason::Logout,
    }
}

/// A mailed token of its row.
pub(crate) fn mailed_token(row: mailed_token::Model) -> Result<MailedToken, StoreError> {
    let digest = row.hash.as_slice().try_into().map_err(|_| bad_row("digest of a token", row.hash.len()))?;
    Ok(MailedToken {
        hash: TokenHash::new(digest),
        user: UserId::new(row.user_id),
        purpose: row.purpose.parse().map_err(|_| bad_row("purpose of a token", &row.purpose))?,
        email: EmailAddress::trusted(row.email),
        issued_at: instant(row.issued_at)?,
        expires_at: instant(row.expires_at)?,
    })
}

/// The row of a mailed token.
pub(crate) fn mailed_token_row(token: &MailedToken) -> mailed_token::Model {
    mailed_token::Model {
        hash: token.hash.as_bytes().to_vec(),
        user_id: token.user.uuid(),
        purpose: token.purpose.as_str().to_owned(),
        email: token.email.as_str().to_owned(),
        issued_at: micros(token.issued_at),
        expires_at: micros(token.expires_at),
    }
}

/// A wish for another address of its row.
pub(crate) fn email_change(row: email_change::Model) -> Result<EmailChange, StoreError> {
    Ok(EmailChange {
        user: UserId::new(row.user_id),
        new_email: EmailAddress::trusted(row.new_email),
        old_agreed: row.old_agreed,
        new_agreed: row.new_agreed,
        asked_at: instant(row.asked_at)?,
    })
}

/// The row of a wish for another address.
pub(crate) fn email_change_row(change: &EmailChange) -> email_change::Model {
    email_change::Model {
        user_id: change.user.uuid(),
        new_email: change.new_email.as_str().to_owned(),
        old_agreed: change.old_agreed,
        new_agreed: change.new_agreed,
        asked_at: micros(change.asked_at),
    }
}

/// A refresh token of its row.
pub(crate) fn refresh_token(row: &refresh_token::Model) -> Result<RefreshToken, StoreError> {
    let digest = row.hash.as_slice().try_into().map_err(|_| bad_row("digest of a token", row.hash.len()))?;
    Ok(RefreshToken {
        hash: TokenHash::new(digest),
        session: SessionId::new(row.session_id),
        generation: count(row.generation)?,
        issued_at: instant(row.issued_at)?,
        spent_at: instant_if(row.spent_at)?,
    })
}

/// The row of a refresh token.
pub(crate) fn refresh_token_row(token: &RefreshToken) -> refresh_token::Model {
    refresh_token::Model {
        hash: token.hash.as_bytes().to_vec(),
        session_id: token.session.uuid(),
        generation: integer(token.generation),
        issued_at: micros(token.issued_at),
        spent_at: token.spent_at.map(micros),
    }
}

/// A signing key of its row.
pub(crate) fn signing_key(row: signing_key::Model) -> Result<StoredSigningKey, StoreError> {
    let public_key = row.public_key.as_slice().try_into().map_err(|_| bad_row("public key", row.id))?;
    Ok(StoredSigningKey {
        id: SigningKeyId::new(row.id),
        public_key,
        sealed_private_key: row.sealed_private_key,
        created_at: instant(row.created_at)?,
        retired_at: instant_if(row.retired_at)?,
    })
}

/// An API key of its row.
pub(crate) fn api_key(row: api_key::Model) -> Result<ApiKey, StoreError> {
    let scope = |word: &str| Scope::parse(word).ok_or_else(|| bad_row("scope", word));
    Ok(ApiKey {
        id: ApiKeyId::new(row.id),
        organizer: OrganizerId::new(row.organizer_id),
        name: Text::trusted(row.name),
        hash: TokenHash::new(row.hash.as_slice().try_into().map_err(|_| bad_row("hash of a key", row.hash.len()))?),
        hint: row.hint,
        scopes: row.scopes.split(' ').map(scope).collect::<Result<Scopes, _>>()?,
        event: row.event_id.map(EventId::new),
        created_by: UserId::new(row.created_by),
        created_at: instant(row.created_at)?,
        expires_at: instant_if(row.expires_at)?,
        last_used_at: instant_if(row.last_used_at)?,
        revoked_at: instant_if(row.revoked_at)?,
    })
}

/// The row of an API key.
pub(crate) fn api_key_row(key: &ApiKey) -> api_key::Model {
    api_key::Model {
        id: key.id.uuid(),
        organizer_id: key.organizer.uuid(),
        name: key.name.as_str().to_owned(),
        hash: key.hash.as_bytes().to_vec(),
        hint: key.hint.clone(),
        scopes: key.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "),
        event_id: key.event.map(EventId::uuid),
        created_by: key.created_by.uuid(),
        created_at: micros(key.created_at),
        expires_at: key.expires_at.map(micros),
        last_used_at: key.last_used_at.map(micros),
        revoked_at: key.revoked_at.map(micros),
    }
}

/// An external identity of its row.
pub(crate) fn external_identity(row: external_identity::Model) -> Result<ExternalIdentity, StoreError> {
    Ok(ExternalIdentity {
        id: ExternalIdentityId::new(row.id),
        user: UserId::new(row.user_id),
        provider: row.provider,
        who: ExternalSubject { issuer: row.issuer, subject: row.subject },
        linked_at: instant(row.linked_at)?,
    })
}

/// The row of an external identity.
pub(crate) fn external_identity_row(identity: &ExternalIdentity) -> external_identity::Model {
    external_identity::Model {
        id: identity.id.uuid(),
        user_id: identity.user.uuid(),
        provider: identity.provider.clone(),
        issuer: identity.who.issuer.clone(),
        subject: identity.who.subject.clone(),
        linked_at: micros(identity.linked_at),
    }
}

/// A digest of its column.
fn token_digest(bytes: &[u8]) -> Result<TokenHash, StoreError> {
    Ok(TokenHash::new(bytes.try_into().map_err(|_| bad_row("digest of a code", bytes.len()))?))
}

/// A one-time code of its row.
pub(crate) fn sign_in_code(row: &sign_in_code::Model) -> Result<SignInCode, StoreError> {
    Ok(SignInCode {
        hash: token_digest(&row.hash)?,
        user: UserId::new(row.user_id),
        user_version: count(row.user_version)?,
        binding: token_digest(&row.binding)?,
        expires_at: instant(row.expires_at)?,
    })
}

/// The row of a one-time code.
pub(crate) fn sign_in_code_row(code: &SignInCode) -> sign_in_code::Model {
    sign_in_code::Model {
        hash: code.hash.as_bytes().to_vec(),
        user_id: code.user.uuid(),
        user_version: integer(code.user_version),
        binding: code.binding.as_bytes().to_vec(),
        expires_at: micros(code.expires_at),
    }
}

/// A second factor of its row.
pub(crate) fn second_factor(row: second_factor::Model) -> Result<SecondFactor, StoreError> {
    let step = |step: i64| u64::try_from(step).map_err(|_| bad_row("step of a second factor", step));
    Ok(SecondFactor {
        user: UserId::new(row.user_id),
        sealed_seed: row.sealed_seed,
        made_at: instant(row.made_at)?,
        confirmed_at: instant_if(row.confirmed_at)?,
        last_step: row.last_step.map(step).transpose()?,
        failures: count(row.failures)?,
        blocked_until: instant_if(row.blocked_until)?,
    })
}

/// The row of a second factor.
pub(crate) fn second_factor_row(factor: &SecondFactor) -> second_factor::Model {
    second_factor::Model {
        user_id: factor.user.uuid(),
        sealed_seed: factor.sealed_seed.clone(),
        made_at: micros(factor.made_at),
        confirmed_at: factor.confirmed_at.map(micros),
        last_step: factor.last_step.map(|step| i64::try_from(step).unwrap_or(i64::MAX)),
        failures: integer(factor.failures),
        blocked_until: factor.blocked_until.map(micros),
    }
}

/// A challenge of its row.
pub(crate) fn sign_in_challenge(row: &sign_in_challenge::Model) -> Result<SignInChallenge, StoreError> {
    Ok(SignInChallenge {
        hash: token_digest(&row.hash)?,
        user: UserId::new(row.user_id),
        user_version: count(row.user_version)?,
        tries_left: count(row.tries_left)?,
        expires_at: instant(row.expires_at)?,
    })
}

/// The row of a challenge.
pub(crate) fn sign_in_challenge_row(challenge: &SignInChallenge) -> sign_in_challenge::Model {
    sign_in_challenge::Model {
        hash: challenge.hash.as_bytes().to_vec(),
        user_id: challenge.user.uuid(),
        user_version: integer(challenge.user_version),
        tries_left: integer(challenge.tries_left),
        expires_at: micros(challenge.expires_at),
    }
}
