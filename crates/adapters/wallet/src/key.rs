//! RSA keys, and signatures by them (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017).

use application::identity::CryptoError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use der::pem::decode_vec;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// Shorter keys sign nothing that a wallet believes.
const MODULUS_BYTES_MIN: usize = 256;

/// The key of a PEM text, PKCS#8 or PKCS#1, in DER; none where it is no RSA key of 2048 bits or more, or needs a password.
pub(crate) fn read(pem: &SecretString) -> Option<SecretSlice<u8>> {
    let (label, der) = decode_vec(pem.expose_secret().trim().as_bytes()).ok()?;
    let der = SecretSlice::from(der);
    let is_key = ["PRIVATE KEY", "RSA PRIVATE KEY"].contains(&label);
    (is_key && open(&der)?.public_modulus_len() >= MODULUS_BYTES_MIN).then_some(der)
}

/// The key of its DER.
pub(crate) fn open(der: &SecretSlice<u8>) -> Option<KeyPair> {
    let der = der.expose_secret();
    KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der)).ok()
}

/// A signature of the message.
pub(crate) fn sign(key: &SecretSlice<u8>, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let pair = open(key).ok_or(CryptoError("a key that signs passes is none"))?;
    let mut signature = vec![0; pair.public_modulus_len()];
    let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
    signed.map_err(|_| CryptoError("a pass could not be signed"))?;
    Ok(signature)
}
