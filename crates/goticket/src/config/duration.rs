//! Durations as people write them: `"500ms"`, `"2s"`, `"15m"`, `"2h"`, `"30d"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in whole milliseconds, at most ten years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HumanDuration(u64);

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const MILLIS_MAX: u64 = 10 * 366 * 86_400_000;

/// The text is no duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a duration: a whole number with its unit, like \"500ms\", \"2s\", \"15m\", \"2h\" or \"30d\"")]
pub struct NoDuration;

impl HumanDuration {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000)
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn std(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// As chrono has it.
    #[must_use]
    pub fn delta(self) -> TimeDelta {
        // Ten years in milliseconds are far within both types.
        TimeDelta::milliseconds(i64::try_from(self.0).unwrap_or(i64::MAX / 1_000))
    }
}

impl FromStr for HumanDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        let digits = text.find(|it: char| !it.is_ascii_digit()).ok_or(NoDuration)?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NoDuration)?;
        let number: u64 = number.parse().map_err(|_| NoDuration)?;
        number.checked_mul(*millis).filter(|millis| *millis <= MILLIS_MAX).map(Self).ok_or(NoDuration)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, millis): &&(&str, u64)| self.0 >= *millis && self.0.is_multiple_of(*millis);
        let (unit, millis) = UNITS.iter().find(whole).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer).map_err(|_| Error::custom(NoDuration))?;
        text.parse().map_err(|no| Error::custom(format!("{text:?}: {no}")))
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("2s", 2_000), ("90s", 90_000), ("15m", 900_000), ("30d", 2_592_000_000)]
        {
            let read: HumanDuration = text.parse().unwrap();
            assert_eq!(read.std(), Duration::from_millis(millis), "{text}");
            assert_eq!(read.to_string(), text, "{text}");
        }
    }

    #[test]
    fn what_has_several_names_is_written_by_the_largest_unit() {
        assert_eq!("60s".parse::<HumanDuration>().unwrap().to_string(), "1m");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "5", "s", "-1s", "1.5s", "1 s", "1s ", "1S", "1w", "1h30m", "99999999999d", "99999999999999999999s"]
        {
            assert_eq!(text.parse::<HumanDuration>(), Err(NoDuration), "{text}");
        }
    }
}
