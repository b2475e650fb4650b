//! The languages in which GoTicket writes to people.

use std::str::FromStr;

/// A language.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Language {
    /// English, where nobody has said anything else.
    #[default]
    English,
    /// Polish.
    Polish,
}

/// The word is no tag of a language that is spoken here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be en or pl")]
pub struct UnknownLanguage;

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Polish];

    /// Its tag (BCP 47), for stores and wires.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Polish => "pl",
        }
    }

    /// The one that a reader likes best, of a list of tags in the order of his liking (`pl-PL`, `en`); a region counts
    /// as its language.
    #[must_use]
    pub fn best<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let language = |tag: &str| tag.split('-').next().unwrap_or_default().trim().to_ascii_lowercase();
        tags.into_iter().find_map(|tag| language(tag).parse().ok())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.as_str() == tag).ok_or(UnknownLanguage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        for language in Language::ALL {
            assert_eq!(language.as_str().parse(), Ok(language));
        }
        assert_eq!("de".parse::<Language>(), Err(UnknownLanguage));
    }

    #[test]
    fn the_first_that_is_spoken_here_is_the_best() {
        assert_eq!(Language::best(["de-AT", "PL-pl", "en"]), Some(Language::Polish));
        assert_eq!(Language::best(["en-GB", "pl"]), Some(Language::English));
        assert_eq!(Language::best(["de", "", "*"]), None);
    }
}
