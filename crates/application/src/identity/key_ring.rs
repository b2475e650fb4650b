//! The keys of access tokens.
//!
//! They lie in the database, sealed by the master key, so that every replica accepts the tokens of every other one. The
//! first start makes the first key; of many replicas that start at once, one makes it and the others wait for it and
//! read it. A replica reads them anew every few seconds, and at once, though at most once a second, when it meets a
//! `kid` that it does not know.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::TimeDelta;
use domain::{SigningKeyId, Timestamp};
use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{AppError, chain};
use crate::identity::service::IdentityPorts;
use crate::identity::{AccessClaims, CryptoError, SealError, Sealer, StoredSigningKey};
use crate::store::{StoreError, UnitOfWork};

/// How often the keys are read anew.
pub(super) const RELOAD_EVERY: Duration = Duration::from_secs(5);
/// After so long every replica has read a new key, also where one reading has failed.
const PUBLISHED_FOR: TimeDelta = TimeDelta::seconds(10);
/// An unknown `kid` makes us read no more often than this.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(1);
/// An answer of the database that takes longer counts as none.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const SIGNING_KEY: &str = "access token signing key";
const CHECK: &str = "master key check";
const CHECK_VALUE: &[u8] = b"goticket";

/// Why there are no keys to start with.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The database was made with another master key.
    #[error(
        "the master key does not open the keys in this database: start with the master key that the database was made \
         with (`secrets.master_key`, or else the file `master.key` in `data_dir`); without it, restore it from a backup"
    )]
    OtherMasterKey,
    /// The check value or a key was changed by somebody.
    #[error("the sealed keys in this database are damaged: restore the tables `signing_keys` and `seal_checks`")]
    Damaged,
    /// There is no key that is not retired.
    #[error("the table `signing_keys` has no key that is not retired")]
    NoKey,
    /// The store failed.
    #[error("the signing keys could not be read")]
    Store(#[from] StoreError),
    /// The system failed.
    #[error("a signing key could not be made")]
    Crypto(#[from] CryptoError),
}

impl From<SealError> for KeyRingError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::OtherKey => Self::OtherMasterKey,
            SealError::Tampered => Self::Damaged,
        }
    }
}

/// A key by which access tokens are verified, as the JWKS shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// Its `kid`.
    pub id: SigningKeyId,
    /// The raw Ed25519 public key: `x` of the JWK.
    pub bytes: [u8; 32],
}

struct Keys {
    signing: SigningKeyId,
    private_key: SecretSlice<u8>,
    public: Vec<PublicKey>,
}

/// The keys that this replica knows.
pub(super) struct KeyRing {
    keys: RwLock<Arc<Keys>>,
    read_for_unknown_at: Mutex<Option<Instant>>,
}

impl KeyRing {
    /// Reads the keys, and makes the first one in a new database.
    pub(super) async fn open(ports: &IdentityPorts) -> Result<Self, KeyRingError> {
        let now = ports.clock.now();
        let mut uow = ports.store.begin().await?;
        uow.lock_signing_keys().await?;
        check_master_key_in_op(uow.as_mut(), ports.sealer.as_ref()).await?;
        let mut stored = uow.signing_keys().await?;
        if stored.is_empty() {
            let key = make_key(ports, now)?;
            uow.insert_signing_key(&key).await?;
            stored.push(key);
        }
        uow.commit().await?;
        let keys = Keys::open(&stored, ports.sealer.as_ref(), now)?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), read_for_unknown_at: Mutex::new(None) })
    }

    /// Reads the keys anew.
    pub(super) async fn reload(&self, ports: &IdentityPorts) -> Result<(), KeyRingError> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, ports.reads.signing_keys()).await;
        let stored = answer.map_err(|elapsed| StoreError::Unavailable(elapsed.into()))??;
        let keys = Keys::open(&stored, ports.sealer.as_ref(), ports.clock.now())?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Signs with the newest key.
    pub(super) fn sign(&self, ports: &IdentityPorts, claims: &AccessClaims) -> Result<String, CryptoError> {
        let keys = self.keys();
        ports.tokens.sign(keys.signing, &keys.private_key, claims)
    }

    /// The public key with this id. An unknown one is looked for in the database, by one task at a time and at most once
    /// a second; the others wait for it.
    pub(super) async fn public_key(&self, ports: &IdentityPorts, id: SigningKeyId) -> Option<[u8; 32]> {
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        let mut read_at = self.read_for_unknown_at.lock().await;
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        if read_at.is_some_and(|at| at.elapsed() < UNKNOWN_KEY_EVERY) {
            return None;
        }
        self.reload_and_tell(ports).await;
        // After the answer, however late it came, so that those who wait behind do not ask one by one.
        *read_at = Some(Instant::now());
        self.known(id)
    }

    /// As [`reload`](Self::reload); tells the log when it fails, and keeps the keys that it has.
    pub(super) async fn reload_and_tell(&self, ports: &IdentityPorts) {
        if let Err(error) = self.reload(ports).await {
            tracing::warn!(cause = %chain(&error), "The signing keys cannot be read; going on with those that are known");
        }
    }

    /// All keys that verify.
    pub(super) fn public_keys(&self) -> Vec<PublicKey> {
        self.keys().public.clone()
    }

    /// Whether the key still counts.
    pub(super) fn verifies(&self, id: SigningKeyId) -> bool {
        self.known(id).is_some()
    }

    pub(super) fn known(&self, id: SigningKeyId) -> Option<[u8; 32]> {
        self.keys().public.iter().find(|key| key.id == id).map(|key| key.bytes)
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keys {
    /// All keys that are not yet retired verify. The newest one signs that every replica has read by now, where there is one:
    /// who made up ids could else keep a replica for a second from looking for it.
    fn open(stored: &[StoredSigningKey], sealer: &dyn Sealer, now: Timestamp) -> Result<Self, KeyRingError> {
        let is_valid = |key: &&StoredSigningKey| key.retired_at.is_none_or(|at| now < at);
        let known_to_all = |key: &&StoredSigningKey| is_valid(key) && key.created_at + PUBLISHED_FOR <= now;
        let signing = stored.iter().rfind(known_to_all).or_else(|| stored.iter().find(is_valid));
        let signing = signing.ok_or(KeyRingError::NoKey)?;
        let public = stored.iter().filter(is_valid).map(|key| PublicKey { id: key.id, bytes: key.public_key });
        Ok(Self {
            signing: signing.id,
            private_key: sealer.open(SIGNING_KEY, &signing.sealed_private_key)?,
            public: public.collect(),
        })
    }
}

/// Makes a key, sealed and ready to be stored.
pub(super) fn make_key(ports: &IdentityPorts, now: Timestamp) -> Result<StoredSigningKey, CryptoError> {
    let pair = ports.tokens.make_keys()?;
    Ok(StoredSigningKey {
        id: SigningKeyId::new(ports.ids.uuid()),
        public_key: pair.public_key,
        sealed_private_key: ports.sealer.seal(SIGNING_KEY, pair.private_key.expose_secret())?,
        created_at: now,
        retired_at: None,
    })
}

/// Recognises a wrong master key before anything is sealed by it; a new database learns the present one.
async fn check_master_key_in_op(uow: &mut dyn UnitOfWork, sealer: &dyn Sealer) -> Result<(), KeyRingError> {
    match uow.seal_check().await? {
        Some(sealed) if sealer.open(CHECK, &sealed)?.expose_secret() == CHECK_VALUE => Ok(()),
        Some(_) => Err(KeyRingError::Damaged),
        None => Ok(uow.insert_seal_check(&sealer.seal(CHECK, CHECK_VALUE)?).await?),
    }
}

impl From<KeyRingError> for AppError {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Store(error) => error.into(),
            other => {
                tracing::error!(cause = %chain(&other), "The signing keys cannot be used");
                Self::Internal
            }
        }
    }
}
