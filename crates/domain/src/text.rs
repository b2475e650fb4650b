//! Text that people send: bounded, and free of what breaks stores, terminals and pages.

use std::fmt;

use crate::Problems;

/// A line or a paragraph: trimmed, not empty, at most as many characters as its field allows, without control
/// characters other than line breaks and tabs. NUL in particular is refused, since PostgreSQL cannot keep it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Text(String);

impl Text {
    /// Parses `raw` for the field `field`, at most `max` characters (Unicode scalar values).
    ///
    /// # Errors
    /// `required` if nothing is left after trimming, `too_long`, or `invalid_characters`.
    pub fn parse(field: &str, raw: &str, max: usize) -> Result<Self, Problems> {
        let trimmed = raw.trim();
        if trimmed.is_empty() {
            return Err(Problems::one(field, "required", "must not be empty"));
        }
        // Bytes first: nobody counts the characters of a megabyte.
        if trimmed.len() > max.saturating_mul(4) || trimmed.chars().count() > max {
            return Err(Problems::one(field, "too_long", format!("must have at most {max} characters")));
        }
        if trimmed.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Problems::one(field, "invalid_characters", "must not contain control characters"));
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// A value that a store has read: it was parsed when it was written.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address, in lower case: two spellings of one mailbox must not make two accounts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The longest address that SMTP can carry (RFC 5321, 4.5.3.1.3, less the brackets).
    pub const MAX_BYTES: usize = 254;

    /// Parses an address of the form `local@domain` that mail can really be sent to: a dot in the domain, no spaces,
    /// no control characters, each part within the bounds of RFC 5321.
    ///
    /// # Errors
    /// `required` if empty, else `invalid_email`.
    pub fn parse(field: &str, raw: &str) -> Result<Self, Problems> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Err(Problems::one(field, "required", "must not be empty"));
        }
        let raw = raw.to_lowercase();
        // No mail ever arrives there (RFC 2606, 2), and the pseudonyms of deleted accounts are there.
        if !Self::is_sane(&raw) || raw.ends_with(".invalid") {
            return Err(Problems::one(field, "invalid_email", "must be an e-mail address"));
        }
        Ok(Self(raw))
    }

    /// A value that a store has read.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The address in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_sane(raw: &str) -> bool {
        let Some((local, domain)) = raw.rsplit_once('@') else { return false };
        let local_is_sane = (1..=64).contains(&local.len())
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
        let label_is_sane = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        raw.len() <= Self::MAX_BYTES && local_is_sane && domain.contains('.') && domain.split('.').all(label_is_sane)
    }
}

impl fmt::Debug for EmailAddress {
    /// Shows that there is one, and not which: addresses stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_bounded_in_characters() {
        assert_eq!(Text::parse("name", "  Zażółć  ", 6).unwrap().as_str(), "Zażółć");
        let code = |raw: &str| Text::parse("name", raw, 6).unwrap_err().as_slice()[0].code;
        assert_eq!(code(" \n "), "required");
        assert_eq!(code("Zażółćx"), "too_long");
        assert_eq!(code("a\0b"), "invalid_characters");
        assert_eq!(code("a\u{1b}[2J"), "invalid_characters");
        assert!(Text::parse("name", "a\nb", 6).is_ok());
    }

    #[test]
    fn addresses_are_lower_cased_and_checked() {
        assert_eq!(EmailAddress::parse("email", " Ana@Example.COM ").unwrap().as_str(), "ana@example.com");
        for bad in [
            "a",
            "a@b",
            "@b.c",
            "a@b.c\0",
            "a b@c.de",
            "a@-b.de",
            ".a@b.de",
            "a..b@c.de",
            "a@b..de",
            "a@b.de\r\nBcc: x",
        ] {
            assert!(EmailAddress::parse("email", bad).is_err(), "{bad:?}");
        }
        assert!(EmailAddress::parse("email", &format!("{}@b.de", "a".repeat(65))).is_err());
    }

    #[test]
    fn an_address_does_not_print_itself() {
        let address = EmailAddress::parse("email", "ana@example.com").unwrap();
        assert_eq!(format!("{address:?}"), "EmailAddress(…)");
    }
}
