//! Passwords: what may be one, and the type that does not print it.

use std::fmt;

use zeroize::Zeroizing;

use crate::Problems;

/// A password that somebody sent: 8 to 72 bytes of UTF-8, whatever the characters. It is taken as it was typed, neither
/// trimmed nor normalised, never printed, and wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Shorter ones are guessed too soon.
    pub const MIN_BYTES: usize = 8;
    /// bcrypt reads no further: a longer one is refused, since cutting it would accept passwords that were never set.
    pub const MAX_BYTES: usize = 72;

    /// Parses `raw` for the field `field`.
    ///
    /// # Errors
    /// `required` if empty, `too_short`, `too_long`, or `invalid_characters` for NUL, where bcrypt would stop reading.
    pub fn parse(field: &str, raw: &str) -> Result<Self, Problems> {
        let problem = |code, message| Err(Problems::one(field, code, message));
        match raw.len() {
            0 => problem("required", "must not be empty"),
            length if length < Self::MIN_BYTES => problem("too_short", "must have at least 8 bytes"),
            length if length > Self::MAX_BYTES => problem("too_long", "must have at most 72 bytes"),
            _ if raw.contains('\0') => problem("invalid_characters", "must not contain the character NUL"),
            _ => Ok(Self(Zeroizing::new(raw.to_owned()))),
        }
    }

    /// Parses a password that somebody chooses: also none of those that are tried first, whatever their case.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), or `too_common`.
    pub fn parse_new(field: &str, raw: &str) -> Result<Self, Problems> {
        let password = Self::parse(field, raw)?;
        if is_common(raw) {
            return Err(Problems::one(field, "too_common", "is among the passwords that are tried first"));
        }
        Ok(password)
    }

    /// The password itself, for the hasher and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Some eleven thousand passwords of at least 8 bytes that many people have, in lower case and sorted, one a line; where
/// they are from stands in `common_passwords.md`.
const COMMON: &str = include_str!("common_passwords.txt");

/// A look through the list takes some microseconds, and a hash a quarter of a second.
fn is_common(raw: &str) -> bool {
    let folded = raw.to_lowercase();
    COMMON.lines().any(|common| common == folded)
}

/// What is kept of a password: salt, cost and digest in the textual form of the hasher (`$2b$12$…`, 60 characters).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps what the hasher made or a store has read.
    #[must_use]
    pub const fn new(encoded: String) -> Self {
        Self(encoded)
    }

    /// The textual form, for the hasher and for stores.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every string is either taken as it is, or refused for a reason that holds.
        #[test]
        fn a_password_is_taken_unchanged_or_refused_with_reason(raw in ".{0,80}|[\\x00-\\x7f]{6,74}") {
            match Password::parse("password", &raw) {
                Ok(password) => {
                    prop_assert!((8..=72).contains(&raw.len()) && !raw.contains('\0'));
                    prop_assert_eq!(password.expose(), raw);
                }
                Err(problems) => match problems.as_slice()[0].code {
                    "required" => prop_assert!(raw.is_empty()),
                    "too_short" => prop_assert!((1..8).contains(&raw.len())),
                    "too_long" => prop_assert!(raw.len() > 72),
                    "invalid_characters" => prop_assert!(raw.contains('\0')),
                    other => prop_assert!(false, "{}", other),
                },
            }
        }
    }

    fn code(raw: &str) -> Option<&'static str> {
        Password::parse("password", raw).err().map(|problems| problems.as_slice()[0].code)
    }

    #[test]
    fn bounds_count_bytes_and_not_characters() {
        assert_eq!(code(""), Some("required"));
        assert_eq!(code("1234567"), Some("too_short"));
        assert_eq!(code("12345678"), None);
        assert_eq!(code(&"x".repeat(72)), None);
        assert_eq!(code(&"x".repeat(73)), Some("too_long"));
        assert_eq!(code("żółć"), None, "four characters, eight bytes");
        assert_eq!(code(&"ż".repeat(36)), None);
        assert_eq!(code(&"ż".repeat(37)), Some("too_long"));
    }

    #[test]
    fn what_many_people_have_is_refused_where_one_chooses() {
        let code = |raw: &str| Password::parse_new("password", raw).err().map(|problems| problems.as_slice()[0].code);
        for common in ["password", "Password1", "12345678", "QWERTYUIOP", "iloveyou", "TrustNo1"] {
            assert_eq!(code(common), Some("too_common"), "{common}");
            assert!(Password::parse("password", common).is_ok(), "who has it still signs in");
        }
        assert_eq!(code("correct horse battery"), None);
        assert_eq!(code("short"), Some("too_short"));
    }

    #[test]
    fn the_list_is_what_it_says() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 10_000);
        assert!(lines.is_sorted() && lines.iter().all(|line| line.len() >= 8 && line.to_lowercase() == *line));
    }

    #[test]
    fn nul_is_refused_and_spaces_are_kept() {
        assert_eq!(code("secret\0secret"), Some("invalid_characters"));
        assert_eq!(Password::parse("password", "  spaces  ").unwrap().expose(), "  spaces  ");
    }

    #[test]
    fn nothing_prints_itself() {
        let password = Password::parse("password", "correct horse").unwrap();
        assert_eq!(
            format!("{password:?} {:?}", PasswordHash::new("$2b$12$x".to_owned())),
            "Password(…) PasswordHash(…)"
        );
    }
}
