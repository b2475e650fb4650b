//! Randomness for secrets.

use application::identity::{CryptoError, SecretRandom};

pub(crate) const NO_RANDOMNESS: CryptoError = CryptoError("the system has no randomness");

/// The random generator of aws-lc, seeded by the operating system.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemRandom;

impl SecretRandom for SystemRandom {
    fn secret(&self) -> Result<[u8; 32], CryptoError> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| NO_RANDOMNESS)?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ() {
        assert_ne!(SystemRandom.secret().unwrap(), SystemRandom.secret().unwrap());
    }
}
