//! Signed messages: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hexadecimal digits>`, the form that Stripe made
//! usual. While a secret is replaced a message bears a signature by each, and one that holds is enough.

use application::payment::WebhookError;
use aws_lc_rs::hmac;
use chrono::TimeDelta;
use domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// A message that was signed longer ago, or later, is not believed: somebody may send it again.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// More than any message bears.
const SIGNATURES_MAX: usize = 8;

/// What signs, and checks what is signed.
pub(crate) struct Signing {
    key: hmac::Key,
}

impl Signing {
    pub(crate) fn new(secret: &SecretString) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()) }
    }

    /// The header for this body, signed at `now`.
    pub(crate) fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let seconds = now.timestamp();
        let tag = hmac::sign(&self.key, &signed(seconds, body));
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }

    /// Checks a header against a body.
    ///
    /// # Errors
    /// [`WebhookError::BadSignature`] before [`WebhookError::TooOld`]: only who knows the secret learns what our clock says.
    pub(crate) fn check(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), WebhookError> {
        let parts = header.ok_or(WebhookError::BadSignature)?.split(',').map(str::trim);
        let (mut seconds, mut tags) = (None, Vec::new());
        for part in parts.take(SIGNATURES_MAX) {
            match part.split_once('=') {
                Some(("t", text)) => seconds = text.parse::<i64>().ok(),
                Some(("v1", text)) => tags.extend(from_hex(text)),
                _ => {}
            }
        }
        let seconds = seconds.ok_or(WebhookError::BadSignature)?;
        let message = signed(seconds, body);
        // Compared in constant time.
        if !tags.iter().any(|tag| hmac::verify(&self.key, &message, tag).is_ok()) {
            return Err(WebhookError::BadSignature);
        }
        if (now.timestamp() - seconds).abs() > TOLERANCE.num_seconds() {
            return Err(WebhookError::TooOld);
        }
        Ok(())
    }
}

fn signed(seconds: i64, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{seconds}.").into_bytes();
    message.extend_from_slice(body);
    message
}

/// The 32 bytes of 64 hexadecimal digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(secret: &str) -> Signing {
        Signing::new(&SecretString::from(secret))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    /// Computed by `printf '1700000000.{"id":1}' | openssl dgst -sha256 -hmac whsec`.
    const BY_OPENSSL: &str = "e79220cb981f992adbc8b93ac6d46028b0217ea19327d27dc9d18bf334403bde";

    #[test]
    fn the_form_is_the_usual_one() {
        let header = signing("whsec").sign(br#"{"id":1}"#, at(1_700_000_000));
        assert_eq!(header, format!("t=1700000000,v1={BY_OPENSSL}"));
    }

    #[test]
    fn what_was_signed_holds_for_five_minutes_in_both_directions() {
        let (signing, now) = (signing("s"), at(1_700_000_000));
        let header = signing.sign(b"x", now);
        for seconds in [-300, 0, 300] {
            assert_eq!(signing.check(Some(&header), b"x", now + TimeDelta::seconds(seconds)), Ok(()));
        }
        for seconds in [-301, 301] {
            let checked = signing.check(Some(&header), b"x", now + TimeDelta::seconds(seconds));
            assert_eq!(checked, Err(WebhookError::TooOld));
        }
    }

    #[test]
    fn one_signature_that_holds_is_enough() {
        let now = at(1_700_000_000);
        let (old, new) = (signing("old").sign(b"x", now), signing("new").sign(b"x", now));
        let both = format!("{old},{}", new.split_once(',').unwrap().1);
        assert_eq!(signing("new").check(Some(&both), b"x", now), Ok(()));
        assert_eq!(signing("old").check(Some(&both), b"x", now), Ok(()));
        assert_eq!(signing("other").check(Some(&both), b"x", now), Err(WebhookError::BadSignature));
    }

    #[test]
    fn what_was_changed_is_not_believed() {
        let (signing, now) = (signing("s"), at(1_700_000_000));
        let header = signing.sign(b"{\"amount\":100}", now);
        assert_eq!(signing.check(Some(&header), b"{\"amount\":900}", now), Err(WebhookError::BadSignature));
        // A later time is signed as well.
        let later = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(signing.check(Some(&later), b"{\"amount\":100}", now), Err(WebhookError::BadSignature));
        let (_, tag) = header.split_once(',').unwrap();
        for broken in [
            "",
            "t=",
            "t=1700000000",
            "v1=00",
            tag,
            "t=x,v1=00",
            "t=1700000000,v1=",
            "t=1700000000,v0=00",
            "é=1,v1=é",
            &format!("t=1700000000,{}", &tag[..tag.len() - 1]),
            &format!("t=1700000000,{tag}0"),
            &format!("{}t=1700000000,{tag}", "v1=00,".repeat(SIGNATURES_MAX)),
        ] {
            assert_eq!(
                signing.check(Some(broken), b"{\"amount\":100}", now),
                Err(WebhookError::BadSignature),
                "{broken}"
            );
        }
        assert_eq!(signing.check(None, b"{\"amount\":100}", now), Err(WebhookError::BadSignature));
    }
}
