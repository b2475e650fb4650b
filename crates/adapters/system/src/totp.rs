//! Codes of apps: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds, which is what every app knows.

use application::identity::{CryptoError, OneTimeCodes};
use domain::Timestamp;
use secrecy::SecretString;
use totp_rs::{Algorithm, Builder, Secret, Totp};

const ISSUER: &str = "GoTicket";

/// Compares codes by `totp-rs`. A code counts in its step, and one step before and after: clocks differ.
pub struct TotpCodes;

impl TotpCodes {
    fn totp(seed: &[u8], account: &str) -> Result<Totp, CryptoError> {
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(seed.to_vec())
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build();
        totp.map_err(|_| CryptoError("the seed of a second factor is none"))
    }
}

impl OneTimeCodes for TotpCodes {
    fn step(&self, seed: &[u8], code: &str, now: Timestamp) -> Result<Option<u64>, CryptoError> {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Ok(Self::totp(seed, "account")?.check(code, seconds))
    }

    fn secret(&self, seed: &[u8]) -> SecretString {
        Secret::from(seed).to_base32().into()
    }

    fn link(&self, seed: &[u8], account: &str) -> Result<SecretString, CryptoError> {
        // What separates the issuer from the account in the link.
        let account = account.replace(':', "_");
        let link = Self::totp(seed, &account)?.to_url();
        link.map(SecretString::from).map_err(|_| CryptoError("no link can be made for an app"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use secrecy::ExposeSecret;

    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn step(code: &str, second: i64) -> Option<u64> {
        TotpCodes.step(SEED, code, Timestamp::UNIX_EPOCH + TimeDelta::seconds(second)).unwrap()
    }

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        for (second, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(step(code, second), Some(u64::try_from(second).unwrap() / 30));
        }
    }

    #[test]
    fn a_code_counts_one_step_before_and_after() {
        let of = 1_111_111_109 / 30;
        for (second, counts) in [(-61, false), (-30, true), (0, true), (30, true), (61, false)] {
            assert_eq!(step("081804", 1_111_111_109 + second), counts.then_some(of), "{second}");
        }
        for bad in ["", "81804", "0081804", "08180x", "081805", "０８１８０４"] {
            assert_eq!(step(bad, 1_111_111_109), None, "{bad}");
        }
    }

    #[test]
    fn a_link_is_what_apps_read() {
        let secret = TotpCodes.secret(SEED);
        assert_eq!(secret.expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let link = TotpCodes.link(SEED, "ana:x@example.com").unwrap();
        let link = link.expose_secret();
        assert!(link.starts_with("otpauth://totp/GoTicket:ana_x%40example.com?"), "{link}");
        assert!(link.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") && link.contains("issuer=GoTicket"), "{link}");
    }
}
