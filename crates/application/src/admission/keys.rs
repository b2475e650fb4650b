//! The keys that sign the codes of an event: Ed25519, sealed by the master key, numbered within the event.
//!
//! The first is made when a code is read first. The newest signs; all verify, since a code that was printed holds for as
//! long as its ticket. Replicas that make one at the same time find that the number is taken, and use the other's.

use std::sync::Arc;

use domain::admission::{CodeClaims, CodeText, Ticket, Validity};
use domain::{EventId, SigningKeyId, Timestamp};
use secrecy::{ExposeSecret, SecretSlice};

use super::journal::of_key;
use super::tickets::{TicketPorts, Tickets};
use crate::access::{Agent, Operation};
use crate::error::AppError;
use crate::origin::Origin;

/// What a sealed key is for, so that nothing else opens as one.
pub const KEY_PURPOSE: &str = "ticket signing key";

/// The most keys of an event: each is known to every device at its door.
const KEYS_PER_EVENT_MAX: usize = 50;
/// How often a number is tried that somebody else takes at the same time.
const TRIES_MAX: usize = 5;

/// A key as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredTicketKey {
    /// Its id.
    pub id: SigningKeyId,
    /// Whose tickets it signs.
    pub event: EventId,
    /// Its number within the event, from 1: what a code names it by.
    pub number: u16,
    /// The raw Ed25519 public key.
    pub public_key: [u8; 32],
    /// The private key as PKCS#8, sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The keys of an event, ready for use.
pub(super) struct EventKeys {
    number: u16,
    private_key: SecretSlice<u8>,
    public: Vec<(u16, [u8; 32])>,
}

impl EventKeys {
    /// The public keys by their numbers.
    pub(super) fn public(&self) -> &[(u16, [u8; 32])] {
        &self.public
    }

    /// The code of the present issue of a ticket.
    pub(super) fn code(&self, ports: &TicketPorts, ticket: &Ticket, validity: Validity) -> Result<CodeText, AppError> {
        let claims = CodeClaims::of(ticket, self.number, validity);
        let signature = ports.signer.sign(&self.private_key, &claims.bytes())?;
        let signature = signature.as_slice().try_into().map_err(|_| {
            tracing::error!(key = self.number, "An Ed25519 signature has not 64 bytes");
            AppError::Internal
        })?;
        Ok(claims.signed(signature))
    }
}

impl Tickets {
    /// The keys of an event, by their numbers; none before a code was read.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`].
    pub async fn ticket_keys(&self, agent: &Agent, event: EventId) -> Result<Vec<StoredTicketKey>, AppError> {
        self.ports.catalog.require(agent, Operation::ReadDoorBundle, event).await?;
        Ok(self.ports.store.ticket_keys(event).await?)
    }

    /// Makes a new key for an event, by which codes are signed from then on, and by all replicas within seconds. Codes that are
    /// out stay good: only what a code says, and not its key, is judged at the door. Done twice, it makes two keys.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`]; [`AppError::InvalidState`] where the event has its fill of keys.
    pub async fn rotate_ticket_key(
        &self,
        agent: &Agent,
        event: EventId,
        origin: &Origin,
    ) -> Result<StoredTicketKey, AppError> {
        self.ports.catalog.require(agent, Operation::ChangeEvents, event).await?;
        let seen = self.ports.events.sale(event).await?.ok_or(AppError::NotFound("event"))?;
        for _ in 0..TRIES_MAX {
            let known = self.ports.store.ticket_keys(event).await?;
            if known.len() >= KEYS_PER_EVENT_MAX {
                return Err(AppError::InvalidState(format!("an event has at most {KEYS_PER_EVENT_MAX} keys")));
            }
            let key = self.make_key(event, known.last().map_or(1, |last| last.number + 1))?;
            let mut uow = self.ports.units.begin().await?;
            if !uow.add_ticket_key(&key).await? {
                // Somebody else has made the key of this number meanwhile.
                continue;
            }
            let (message, line) = of_key(&seen.sale.event, &key, origin, self.ports.ids.as_ref());
            uow.append_outbox(&[message]).await?;
            uow.append_audit(&[line]).await?;
            uow.commit().await?;
            self.keys.invalidate(&event).await;
            return Ok(key);
        }
        Err(AppError::busy())
    }

    /// The keys of the event, of which there is one at least.
    pub(super) async fn keys(&self, event: EventId) -> Result<Arc<EventKeys>, AppError> {
        let read = async {
            let mut stored = self.ports.store.ticket_keys(event).await?;
            if stored.is_empty() {
                let key = self.make_key(event, 1)?;
                // Whoever was faster has made the one that counts.
                self.ports.store.insert_ticket_key(&key).await?;
                stored = self.ports.store.ticket_keys(event).await?;
            }
            self.open(&stored).map(Arc::new)
        };
        self.keys.try_get_with(event, read).await.map_err(|error: Arc<AppError>| AppError::clone(&error))
    }

    /// The public key of this number, if the event has it. None is made: whoever shows a code need not be right.
    pub(super) async fn public_key(&self, event: EventId, number: u16) -> Result<Option<[u8; 32]>, AppError> {
        let of = |keys: &EventKeys| keys.public.iter().find(|(known, _)| *known == number).map(|(_, key)| *key);
        if let Some(key) = self.keys.get(&event).await.as_deref().and_then(of) {
            return Ok(Some(key));
        }
        // Unknown here, or made a moment ago by another replica.
        let stored = self.ports.store.ticket_keys(event).await?;
        if stored.is_empty() {
            return Ok(None);
        }
        let keys = Arc::new(self.open(&stored)?);
        let found = of(&keys);
        self.keys.insert(event, keys).await;
        Ok(found)
    }

    fn make_key(&self, event: EventId, number: u16) -> Result<StoredTicketKey, AppError> {
        let pair = self.ports.signer.make_keys()?;
        Ok(StoredTicketKey {
            id: SigningKeyId::new(self.ports.ids.uuid()),
            event,
            number,
            public_key: pair.public_key,
            sealed_private_key: self.ports.sealer.seal(KEY_PURPOSE, pair.private_key.expose_secret())?,
            created_at: self.ports.clock.now(),
        })
    }

    fn open(&self, stored: &[StoredTicketKey]) -> Result<EventKeys, AppError> {
        let newest = stored.last().ok_or(AppError::Internal)?;
        let opened = self.ports.sealer.open(KEY_PURPOSE, &newest.sealed_private_key);
        let private_key = opened.map_err(|error| {
            tracing::error!(%error, key = %newest.id, "A key that signs tickets cannot be opened");
            AppError::Internal
        })?;
        let public = stored.iter().map(|key| (key.number, key.public_key)).collect();
        Ok(EventKeys { number: newest.number, private_key, public })
    }
}
