//! The key that signs checkpoints: of no other use, made when it is needed first, sealed by the master key.

use domain::{SigningKeyId, Timestamp};
use secrecy::{ExposeSecret, SecretSlice};

use crate::audit::AuditPorts;
use crate::error::AppError;

/// What a sealed key is for, so that nothing else opens as one.
pub(super) const PURPOSE: &str = "audit signing key";

/// A key as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAuditKey {
    /// Its id.
    pub id: SigningKeyId,
    /// The raw Ed25519 public key.
    pub public_key: [u8; 32],
    /// The private key as PKCS#8, sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl AuditPorts {
    /// The newest key, opened.
    pub(super) async fn key(&self) -> Result<(SigningKeyId, SecretSlice<u8>), AppError> {
        if let Some(key) = self.seals.audit_keys().await?.pop() {
            let opened = self.sealer.open(PURPOSE, &key.sealed_private_key);
            let private_key = opened.map_err(|error| {
                tracing::error!(%error, key = %key.id, "The key that signs the audit log cannot be opened");
                AppError::Internal
            })?;
            return Ok((key.id, private_key));
        }
        let pair = self.signer.make_keys()?;
        let key = StoredAuditKey {
            id: SigningKeyId::new(self.ids.uuid()),
            public_key: pair.public_key,
            sealed_private_key: self.sealer.seal(PURPOSE, pair.private_key.expose_secret())?,
            created_at: self.clock.now(),
        };
        self.seals.insert_audit_key(&key).await?;
        Ok((key.id, pair.private_key))
    }
}
