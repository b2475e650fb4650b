//! Ed25519 signatures (RFC 8032) of what the audit log is sealed by.

use application::audit::Signer;
use application::identity::{CryptoError, KeyPair};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretSlice};

/// Signs and verifies.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ed25519Signer;

impl Signer for Ed25519Signer {
    fn make_keys(&self) -> Result<KeyPair, CryptoError> {
        let refused = |_| CryptoError("no Ed25519 key could be made");
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        let private_key = pair.to_pkcs8().map_err(refused)?.as_ref().to_vec();
        Ok(KeyPair { public_key: public(&pair)?, private_key: private_key.into() })
    }

    fn sign(&self, private_key: &SecretSlice<u8>, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(open(private_key)?.sign(message).as_ref().to_vec())
    }

    fn public_key(&self, private_key: &SecretSlice<u8>) -> Result<[u8; 32], CryptoError> {
        public(&open(private_key)?)
    }

    fn verify(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
    }
}

fn open(private_key: &SecretSlice<u8>) -> Result<Ed25519KeyPair, CryptoError> {
    Ed25519KeyPair::from_pkcs8(private_key.expose_secret()).map_err(|_| CryptoError("a private key is none"))
}

fn public(pair: &Ed25519KeyPair) -> Result<[u8; 32], CryptoError> {
    let bytes = pair.public_key().as_ref().try_into();
    bytes.map_err(|_| CryptoError("an Ed25519 public key must have 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_alone() {
        let (one, other) = (Ed25519Signer.make_keys().unwrap(), Ed25519Signer.make_keys().unwrap());
        let signature = Ed25519Signer.sign(&one.private_key, b"message").unwrap();
        assert_eq!(Ed25519Signer.public_key(&one.private_key).unwrap(), one.public_key);
        assert!(Ed25519Signer.verify(&one.public_key, b"message", &signature));
        assert!(!Ed25519Signer.verify(&one.public_key, b"massage", &signature));
        assert!(!Ed25519Signer.verify(&other.public_key, b"message", &signature));
        assert!(!Ed25519Signer.verify(&one.public_key, b"message", &signature[1..]));
        assert!(Ed25519Signer.sign(&vec![1, 2, 3].into(), b"message").is_err());
    }
}
