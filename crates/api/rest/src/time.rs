//! Instants in requests: RFC 3339, cut to the microseconds that stores keep.

use chrono::DateTime;
use domain::Timestamp;
use serde::{Deserialize, Deserializer, de};

/// A field that must be there.
pub(crate) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| de::Error::custom("a time must be RFC 3339, like 2026-11-21T18:00:00Z"))
}

/// A field that may be left out or null.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    struct Time(#[serde(deserialize_with = "required")] Timestamp);
    Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(time)| time))
}

/// A field of a change: left out, it leaves the value; null empties it.
pub(crate) fn clearable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    optional(deserializer).map(Some)
}

/// A field of a change that cannot be emptied.
pub(crate) fn settable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    required(deserializer).map(Some)
}

fn parse(text: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    // By way of the microseconds: a leap second becomes the second after it, which stores can keep.
    DateTime::from_timestamp_micros(time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use application::clock::rfc3339;

    use super::*;

    #[test]
    fn times_are_rfc_3339_and_cut() {
        let of = |text: &str| parse(text).map(rfc3339);
        assert_eq!(of("2026-11-21T18:00:00Z").as_deref(), Some("2026-11-21T18:00:00Z"));
        assert_eq!(of("2026-11-21T18:00:00.1234567891+01:00").as_deref(), Some("2026-11-21T17:00:00.123456Z"));
        assert_eq!(of("2016-12-31T23:59:60Z").as_deref(), Some("2017-01-01T00:00:00Z"));
        for bad in ["", "2026-11-21", "2026-11-21T18:00:00", "2026-13-01T00:00:00Z", "tomorrow", "1764000000"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
