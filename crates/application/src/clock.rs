//! Time and ids are ports: tests move the one and count the other.

use chrono::SecondsFormat;
use domain::Timestamp;
use serde::Serializer;
use uuid::Uuid;

/// The only source of «now».
pub trait Clock: Send + Sync {
    /// The present instant in UTC, cut to whole microseconds. It may step in both directions, as clocks do; whoever
    /// needs order asks for `max(now, what he saw last)`.
    fn now(&self) -> Timestamp;
}

/// The source of ids and of randomness that is no secret.
pub trait Ids: Send + Sync {
    /// A new UUID of version 7 (RFC 9562): unique, and later ones sort behind earlier ones.
    fn uuid(&self) -> Uuid;

    /// 64 random bits of a cryptographic generator, for names like a booking reference. Secrets come from
    /// [`SecretRandom`](crate::identity::SecretRandom).
    fn random(&self) -> u64;

    /// 128 such bits, for salts: nobody can tell one from all the others.
    fn salt(&self) -> [u8; 16] {
        Uuid::from_u64_pair(self.random(), self.random()).into_bytes()
    }
}

/// An instant as RFC 3339 has it, in UTC, with as many digits of the second as it needs. It is what chrono gives to serde,
/// which takes several times as long for it, since it goes letter by letter through what escapes strings.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// For `serialize_with`, where instants are written for every booking; elsewhere chrono does it.
///
/// # Errors
/// Those of the serializer.
pub fn written<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// As [`written`], where there may be none.
///
/// # Errors
/// Those of the serializer.
pub fn written_optional<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => written(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_chrono_writes_them() {
        #[derive(serde::Serialize)]
        struct Ours(#[serde(serialize_with = "written_optional")] Option<Timestamp>);
        assert_eq!(serde_json::to_string(&Ours(None)).unwrap(), "null");
        for micros in [0, 1, 999, 1_000, 123_000, 999_999, 1_764_000_000_000_000, 253_402_300_800_000_000, -1] {
            let at = Timestamp::from_timestamp_micros(micros).unwrap();
            assert_eq!(serde_json::to_string(&Ours(Some(at))).unwrap(), serde_json::to_string(&at).unwrap());
        }
    }
}
