//! Use case: an operator has new access tokens signed by a new key.

use chrono::TimeDelta;
use domain::SigningKeyId;

use crate::error::AppError;
use crate::identity::key_ring::make_key;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::origin::Origin;

/// For how long replicas may go on signing with the old key: until all of them have read the new one, with room to spare.
const OTHERS_SIGN_ON: TimeDelta = TimeDelta::minutes(2);

impl Identity {
    /// Makes a new signing key, which signs some ten seconds later, when every replica knows it. Those before it verify until
    /// the last token that they have signed has expired.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn rotate_signing_keys(&self, origin: &Origin) -> Result<SigningKeyId, AppError> {
        let now = self.now();
        let key = make_key(&self.ports, now)?;
        let line = Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.keys_rotated(key.id.uuid());
        let mut uow = self.ports.store.begin().await?;
        uow.lock_signing_keys().await?;
        uow.retire_signing_keys(now + self.settings.longest_token() + OTHERS_SIGN_ON).await?;
        uow.insert_signing_key(&key).await?;
        uow.append_audit(&[line]).await?;
        uow.commit().await?;
        self.key_ring.reload(&self.ports).await?;
        Ok(key.id)
    }
}
