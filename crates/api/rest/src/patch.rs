//! Fields of a change: left out, they leave the value as it is; null empties what may be empty.

use serde::{Deserialize, Deserializer};

/// A field that null empties. With `#[serde(default)]`, so that one left out is `None`.
pub(crate) fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A field that cannot be emptied: null is refused instead of being taken for «leave it».
pub(crate) fn settable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    struct Change {
        #[serde(default, deserialize_with = "clearable")]
        venue: Option<Option<String>>,
        #[serde(default, deserialize_with = "settable")]
        name: Option<String>,
    }

    fn read(json: &str) -> Option<(Option<Option<String>>, Option<String>)> {
        serde_json::from_str::<Change>(json).ok().map(|change| (change.venue, change.name))
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        assert_eq!(read("{}"), Some((None, None)));
        assert_eq!(read(r#"{"venue": null}"#), Some((Some(None), None)));
        assert_eq!(
            read(r#"{"venue": "Hall", "name": "Gala"}"#),
            Some((Some(Some("Hall".into())), Some("Gala".into())))
        );
        assert_eq!(read(r#"{"name": null}"#), None);
    }
}
