//! Names that go into addresses.

use std::fmt;

use crate::Problems;

/// Lower-case letters and digits of ASCII in groups joined by single hyphens, 2 to 80 characters, and no UUID, so that
/// `GET /events/{id or slug}` can tell both apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slug(String);

impl Slug {
    const MAX: usize = 80;
    /// What is left for the words when the salt is appended.
    const WORDS_MAX: usize = 60;

    /// Parses what somebody chose.
    ///
    /// # Errors
    /// `invalid_slug` for the field.
    pub fn parse(field: &str, raw: &str) -> Result<Self, Problems> {
        let sane = (2..=Self::MAX).contains(&raw.len())
            && raw
                .split('-')
                .all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
            && uuid::Uuid::try_parse(raw).is_err();
        if sane {
            return Ok(Self(raw.to_owned()));
        }
        Err(Problems::one(field, "invalid_slug", "must be 2 to 80 lower-case letters, digits and single hyphens"))
    }

    /// Makes one of a name: the letters that ASCII has, and seven characters of `salt`, so that two events of one name
    /// get two addresses.
    #[must_use]
    pub fn of(name: &str, salt: u64) -> Self {
        let mut slug = String::with_capacity(Self::MAX);
        for c in name.chars().flat_map(char::to_lowercase) {
            if slug.len() >= Self::WORDS_MAX {
                break;
            }
            match fold(c) {
                Some(c) => slug.push(c),
                None if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
                None => {}
            }
        }
        let words = slug.trim_end_matches('-').len();
        slug.truncate(words);
        if !slug.is_empty() {
            slug.push('-');
        }
        let mut rest = salt;
        for _ in 0..7 {
            slug.push(char::from(b"23456789abcdefghjkmnpqrstuvwxyz0"[(rest % 32) as usize]));
            rest /= 32;
        }
        Self(slug)
    }

    /// A value that a store has read.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The ASCII letter that readers of the language would type instead.
fn fold(c: char) -> Option<char> {
    match c {
        'a'..='z' | '0'..='9' => Some(c),
        'ą' | 'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => Some('a'),
        'ć' | 'č' | 'ç' => Some('c'),
        'ę' | 'é' | 'è' | 'ê' | 'ë' | 'ě' => Some('e'),
        'í' | 'ì' | 'î' | 'ï' => Some('i'),
        'ł' => Some('l'),
        'ń' | 'ñ' | 'ň' => Some('n'),
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' => Some('o'),
        'ř' => Some('r'),
        'ś' | 'š' | 'ß' => Some('s'),
        'ú' | 'ù' | 'û' | 'ü' | 'ů' => Some('u'),
        'ý' => Some('y'),
        'ź' | 'ż' | 'ž' => Some('z'),
        _ => None,
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_words_apart_by_single_hyphens() {
        for good in ["ab", "summer-2027", "a-b-c"] {
            assert!(Slug::parse("slug", good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-ab", "ab-", "a--b", "Ab", "a b", "ż", "0190b2f0-7c1e-7000-8000-000000000001"] {
            assert!(Slug::parse("slug", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn is_made_of_any_name() {
        assert_eq!(Slug::of("Zażółć gęślą jaźń!", 0).as_str(), "zazolc-gesla-jazn-2222222");
        assert_eq!(Slug::of("音楽", 33).as_str(), "3322222");
        for name in ["", "---", &"x".repeat(500), "a b c d"] {
            let slug = Slug::of(name, u64::MAX);
            assert!(Slug::parse("slug", slug.as_str()).is_ok(), "{slug}");
        }
    }
}
