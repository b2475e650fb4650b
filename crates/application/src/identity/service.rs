//! The face of the context to transports and to the other contexts.

use std::sync::Arc;
use std::time::Duration;

use domain::{Timestamp, UserId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::{Note, Witness};
use crate::clock::{Clock, Ids};
use crate::guard::Guards;
use crate::identity::key_ring::{KeyRing, KeyRingError, PublicKey, RELOAD_EVERY};
use crate::identity::revoked::{POLL_EVERY, Reader, Revoked};
use crate::identity::verified::VerifiedTokens;
use crate::identity::verified_keys::VerifiedKeys;
use crate::identity::{
    ChangedRole, IdentityReads, IdentitySettings, OneTimeCodes, PasswordHasher, Sealer, SecretRandom, SignInProvider,
    TokenFormat,
};
use crate::mail::Mails;
use crate::origin::Origin;
use crate::store::Store;

/// What the context needs from outside.
#[derive(Clone)]
pub struct IdentityPorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// Reads without one.
    pub reads: Arc<dyn IdentityReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Password hashes.
    pub hasher: Arc<dyn PasswordHasher>,
    /// The form of access tokens.
    pub tokens: Arc<dyn TokenFormat>,
    /// The master key.
    pub sealer: Arc<dyn Sealer>,
    /// Codes of second factors.
    pub codes: Arc<dyn OneTimeCodes>,
    /// Randomness for refresh tokens.
    pub random: Arc<dyn SecretRandom>,
    /// Mails.
    pub mails: Arc<Mails>,
    /// Limits.
    pub guards: Guards,
    /// Keeps what was tried in vain for the audit log.
    pub witness: Arc<Witness>,
    /// Who else knows who people are; each with a name of its own.
    pub providers: Vec<Arc<dyn SignInProvider>>,
}

/// How often it is written down which API keys were used.
const USES_EVERY: Duration = Duration::from_secs(1);

/// Accounts, sign-ins and access tokens: every use case of the context is a method, in a file of its own.
pub struct Identity {
    pub(super) ports: IdentityPorts,
    pub(super) settings: IdentitySettings,
    pub(super) key_ring: KeyRing,
    pub(super) revoked: Revoked,
    pub(super) verified: VerifiedTokens,
    pub(super) verified_keys: VerifiedKeys,
}

impl Identity {
    /// Checks the master key, reads the signing keys (makes the first one in a new database), and reads which sessions
    /// have ended, so that not even the first request is let in by mistake.
    ///
    /// # Errors
    /// [`KeyRingError`], whose text says what to do.
    pub async fn start(ports: IdentityPorts, settings: IdentitySettings) -> Result<Self, KeyRingError> {
        let key_ring = KeyRing::open(&ports).await?;
        let revoked = Revoked::default();
        Reader::new(&settings).read(&revoked, ports.reads.as_ref(), ports.clock.now()).await?;
        Ok(Self {
            ports,
            settings,
            key_ring,
            revoked,
            verified: VerifiedTokens::default(),
            verified_keys: VerifiedKeys::default(),
        })
    }

    /// Follows what other replicas do, until it is cancelled: sessions that end, roles that change and API keys that are
    /// revoked about twice a second, signing keys every five seconds; and writes down every second which API keys were
    /// used. It survives a database that goes away. One task of it runs in every
    /// process that calls [`authenticate`](Self::authenticate).
    pub async fn follow(&self, cancel: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.follow_revocations() => {}
            () = self.follow_keys() => {}
            () = self.keep_key_uses() => {}
        }
    }

    /// The keys by which anybody verifies our access tokens, for the JWKS.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.key_ring.public_keys()
    }

    /// Heeds a new role in this process at once, once the transaction that changed it is committed; other processes
    /// learn of it within a second.
    pub fn role_changed(&self, changed: ChangedRole) {
        self.revoked.role_changed(changed);
    }

    /// Notes that somebody tried in vain to act for an account, or for an address without one.
    pub(super) fn note_failure(&self, action: &'static str, account: Option<UserId>, origin: &Origin) {
        let object = account.map_or(Uuid::nil(), |account| account.uuid());
        self.ports.witness.note(origin, Note { organizer: None, action, object_kind: "user", object });
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    async fn follow_revocations(&self) {
        let mut reader = Reader::new(&self.settings);
        loop {
            tokio::time::sleep(POLL_EVERY).await;
            reader.read_and_tell(&self.revoked, self.ports.reads.as_ref(), self.now()).await;
        }
    }

    /// The limits of this instance.
    #[must_use]
    pub const fn guards(&self) -> &Guards {
        &self.ports.guards
    }

    /// How people are written to.
    pub(crate) fn mails(&self) -> &Mails {
        &self.ports.mails
    }

    /// How things read outside of transactions, for the contexts that show API keys.
    pub(crate) fn reads(&self) -> &dyn IdentityReads {
        self.ports.reads.as_ref()
    }

    /// The error was logged where it was met; the uses wait for the next time.
    async fn keep_key_uses(&self) {
        loop {
            tokio::time::sleep(USES_EVERY).await;
            let _ = self.write_key_uses().await;
        }
    }

    async fn follow_keys(&self) {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            self.key_ring.reload_and_tell(&self.ports).await;
        }
    }
}
