//! Sealing by the master key: AES-256-GCM-SIV (RFC 8452), which forgives even a nonce that comes twice.
//!
//! What is sealed is: version (1 byte) · fingerprint of the master key (8) · nonce (12) · ciphertext · tag (16). All that
//! stands before the nonce, and the purpose, are authenticated too: nothing sealed for one purpose opens for another.

use application::identity::{CryptoError, SealError, Sealer};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::SecretSlice;

use crate::MasterKey;
use crate::random::NO_RANDOMNESS;

const VERSION: u8 = 1;
const FINGERPRINT_LEN: usize = 8;
const HEAD_LEN: usize = 1 + FINGERPRINT_LEN;

/// Seals by one master key, and opens by that and by one before it.
pub struct AesSealer {
    current: Key,
    previous: Option<Key>,
}

struct Key {
    key: LessSafeKey,
    head: [u8; HEAD_LEN],
}

impl AesSealer {
    /// A sealer with this key.
    ///
    /// # Errors
    /// Never with a key of 32 bytes, which a [`MasterKey`] is; the library cannot know.
    pub fn try_new(master_key: &MasterKey) -> Result<Self, CryptoError> {
        Ok(Self { current: Key::try_new(master_key)?, previous: None })
    }

    /// The same, which also opens what this key has sealed: while one takes the place of the other.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn with_previous(self, master_key: &MasterKey) -> Result<Self, CryptoError> {
        Ok(Self { previous: Some(Key::try_new(master_key)?), ..self })
    }
}

impl Key {
    fn try_new(master_key: &MasterKey) -> Result<Self, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, master_key.expose())
            .map_err(|_| CryptoError("the master key must have 32 bytes"))?;
        let mut head = [VERSION; HEAD_LEN];
        head[1..].copy_from_slice(&master_key.fingerprint());
        Ok(Self { key: LessSafeKey::new(key), head })
    }

    fn aad(&self, purpose: &str) -> Aad<Vec<u8>> {
        Aad::from([&self.head, purpose.as_bytes()].concat())
    }
}

impl Sealer for AesSealer {
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| NO_RANDOMNESS)?;
        let mut body = secret.to_vec();
        let Key { key, head } = &self.current;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.current.aad(purpose), &mut body)
            .map_err(|_| CryptoError("a secret could not be sealed"))?;
        Ok([head.as_slice(), &nonce, &body].concat())
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, SealError> {
        let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>().ok_or(SealError::Tampered)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Tampered)?;
        if head[0] != VERSION {
            return Err(SealError::Tampered);
        }
        let known = std::iter::once(&self.current).chain(&self.previous).find(|key| key.head == *head);
        let known = known.ok_or(SealError::OtherKey)?;
        let mut body = body.to_vec();
        let secret = known
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), known.aad(purpose), &mut body)
            .map_err(|_| SealError::Tampered)?
            .len();
        body.truncate(secret);
        Ok(body.into())
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.current.head)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn sealer(byte: u8) -> AesSealer {
        AesSealer::try_new(&MasterKey::new([byte; 32])).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_looks_different_each_time() {
        let sealer = sealer(1);
        for secret in [b"".as_slice(), b"secret", &[7; 1000]] {
            let (one, other) = (sealer.seal("test", secret).unwrap(), sealer.seal("test", secret).unwrap());
            assert_ne!(one, other);
            assert_eq!(sealer.open("test", &one).unwrap().expose_secret(), secret);
            assert_eq!(sealer.open("test", &other).unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let sealer = sealer(1);
        let sealed = sealer.seal("test", b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open("test", &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_shorter_or_longer_one_is_refused() {
        let sealer = sealer(1);
        let mut sealed = sealer.seal("test", b"secret").unwrap();
        for length in 0..sealed.len() {
            assert_eq!(sealer.open("test", &sealed[..length]).unwrap_err(), SealError::Tampered, "{length} bytes");
        }
        sealed.push(0);
        assert_eq!(sealer.open("test", &sealed).unwrap_err(), SealError::Tampered);
    }

    #[test]
    fn an_older_key_opens_and_the_present_one_seals() {
        let (old, new) = (sealer(1), sealer(2).with_previous(&MasterKey::new([1; 32])).unwrap());
        let sealed = old.seal("test", b"secret").unwrap();
        assert_eq!(new.open("test", &sealed).unwrap().expose_secret(), b"secret");
        assert!(old.is_current(&sealed) && !new.is_current(&sealed));
        let sealed = new.seal("test", b"secret").unwrap();
        assert!(new.is_current(&sealed) && sealer(2).is_current(&sealed));
        assert_eq!(old.open("test", &sealed).unwrap_err(), SealError::OtherKey);
        assert_eq!(sealer(3).open("test", &sealed).unwrap_err(), SealError::OtherKey);
    }

    #[test]
    fn another_key_is_told_from_a_changed_secret_and_another_purpose_does_not_open() {
        let sealed = sealer(1).seal("test", b"secret").unwrap();
        assert_eq!(sealer(2).open("test", &sealed).unwrap_err(), SealError::OtherKey);
        assert_eq!(sealer(1).open("other", &sealed).unwrap_err(), SealError::Tampered);
    }
}
