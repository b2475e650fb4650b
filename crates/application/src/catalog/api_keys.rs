//! Use cases: the API keys of an organizer are made, shown and revoked.

use domain::identity::{ApiKey, NewApiKey};
use domain::{ApiKeyId, Limit, OrganizerId, Problems, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::access::{Agent, Operation, Subject};
use crate::catalog::service::Catalog;
use crate::error::AppError;
use crate::identity::RevokedKey;
use crate::journal::{Deed, Scribe};
use crate::origin::Origin;
use crate::page::{Page, probe};
use crate::store::UnitOfWork;

/// The most keys of an organizer that open something.
const KEYS_MAX: u64 = 50;

/// A new key with its text, which nobody can show again.
#[derive(Debug)]
pub struct IssuedApiKey {
    /// The key.
    pub key: ApiKey,
    /// Its text; it does not print.
    pub secret: SecretString,
}

impl Catalog {
    /// Makes a key.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`]; [`AppError::InvalidState`] where the
    /// organizer has its fill of keys, or the caller has not verified his address.
    pub async fn create_api_key(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        new: &NewApiKey,
        origin: &Origin,
    ) -> Result<IssuedApiKey, AppError> {
        let (secret, hint) = self.ports.identity.new_key_secret()?;
        let mut uow = self.ports.store.begin().await?;
        // The lock of the team makes the count right.
        self.team_in_op(uow.as_mut(), agent, Operation::ManageKeys, organizer).await?;
        self.verified_in_op(uow.as_mut(), agent).await?;
        let by = agent.account()?.user;
        let now = self.now();
        if uow.count_api_keys(organizer, now).await? >= KEYS_MAX {
            return Err(AppError::InvalidState(format!("an organizer has at most {KEYS_MAX} keys: revoke one first")));
        }
        if let Some(event) = new.event
            && uow.events_among(organizer, &[event]).await?.is_empty()
        {
            return Err(Problems::one("eventId", "unknown", "must name an event of the organizer").into());
        }
        let id = ApiKeyId::new(self.ports.ids.uuid());
        let key = ApiKey::try_new(id, organizer, new, (secret.hash, hint), by, now)?;
        uow.insert_api_key(&key).await?;
        self.tell_of_key_in_op(uow.as_mut(), None, &key, now, origin).await?;
        uow.commit().await?;
        Ok(IssuedApiKey { key, secret: secret.text })
    }

    /// A page of the keys of an organizer, revoked and expired ones included, oldest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn api_keys(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        after: Option<ApiKeyId>,
        limit: Limit,
    ) -> Result<Page<ApiKey>, AppError> {
        self.access.require(agent, Operation::ManageKeys, &Subject::organizer(organizer), "organizer").await?;
        Ok(Page::of(self.ports.identity.reads().api_keys(organizer, after, probe(limit)).await?, limit))
    }

    /// One key.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn api_key(&self, agent: &Agent, organizer: OrganizerId, key: ApiKeyId) -> Result<ApiKey, AppError> {
        self.access.require(agent, Operation::ManageKeys, &Subject::organizer(organizer), "organizer").await?;
        self.ports.identity.reads().api_key(organizer, key).await?.ok_or(AppError::NotFound("key"))
    }

    /// Revokes a key: it opens nothing any more, here at once and on every other replica within a second. Done twice, it
    /// is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn revoke_api_key(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        key: ApiKeyId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        self.team_in_op(uow.as_mut(), agent, Operation::ManageKeys, organizer).await?;
        let before = uow.lock_api_key(organizer, key).await?.ok_or(AppError::NotFound("key"))?;
        let now = self.now();
        let Some(after) = before.revoke(now) else { return Ok(()) };
        uow.save_api_key(&after).await?;
        self.tell_of_key_in_op(uow.as_mut(), Some(&before), &after, now, origin).await?;
        uow.commit().await?;
        self.ports.identity.key_revoked(RevokedKey { key, at: now });
        Ok(())
    }

    /// Appends to both journals that a key was made (none before) or revoked.
    async fn tell_of_key_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: Option<&ApiKey>,
        after: &ApiKey,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let (kind, action) = match before {
            None => ("goticket.api_key.created.v1", "api_key.created"),
            Some(_) => ("goticket.api_key.revoked.v1", "api_key.revoked"),
        };
        let data = json!({ "organizerId": after.organizer.uuid(), "apiKeyId": after.id.uuid() });
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let sequence = if before.is_none() { 1 } else { 2 };
        let message = scribe.message(after.id.uuid(), sequence, kind, data.to_string());
        let deed = Deed { organizer: Some(after.organizer), action, object_kind: "api_key", object: after.id.uuid() };
        let line = scribe.line(deed, before.map(|key| state(key).to_string()), Some(state(after).to_string()));
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
        Ok(())
    }
}

fn state(key: &ApiKey) -> Value {
    json!({
        "name": key.name.as_str(),
        "hint": key.hint,
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "eventId": key.event.map(|event| event.uuid()),
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
    })
}
