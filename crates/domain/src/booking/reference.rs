//! The booking reference: the name that a buyer reads to somebody on the telephone.

use std::fmt;

/// Eight characters from an alphabet that holds one member of each pair that people confuse. It is a name and not a
/// proof: knowing it opens nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reference(String);

/// Kept: O for 0; I for 1 and L; Z for 2; A for 4; S for 5; G for 6; B for 8.
const ALPHABET: &[u8; 28] = b"ABCDEFGHIJKMNOPQRSTUVWXYZ379";
/// Words that must not stand on anybody's ticket, in the letters that the alphabet keeps.
const PROFANE: [&str; 16] = [
    "FUCK", "CUNT", "SHIT", "DICK", "COCK", "CIPA", "CHUJ", "KURW", "PIZD", "JEBA", "NAZI", "RAPE", "FICK", "PUTA",
    "NIGGER", "HURE",
];

impl Reference {
    /// Its usual length; 28^8 names, of which an organizer uses few.
    pub const LENGTH: usize = 8;

    /// Makes one of random bits. `attempt` counts the collisions so far: each makes it one character longer.
    #[must_use]
    pub fn of(random: u64, attempt: usize) -> Self {
        let mut rest = random;
        loop {
            let mut digits = rest;
            let name: String = (0..Self::LENGTH + attempt.min(4))
                .map(|_| {
                    let letter = ALPHABET[(digits % 28) as usize];
                    digits /= 28;
                    char::from(letter)
                })
                .collect();
            if !PROFANE.iter().any(|word| name.contains(word)) {
                return Self(name);
            }
            rest = rest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
    }

    /// Reads what a person typed: upper-cased, spaces and hyphens dropped, confusable characters mapped to the kept
    /// member. `None` if it cannot be a reference.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let name: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).map(keep).collect();
        let sane = (5..=Self::LENGTH + 4).contains(&name.len()) && name.bytes().all(|b| ALPHABET.contains(&b));
        sane.then_some(Self(name))
    }

    /// A value that a store has read.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The reference.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn keep(c: char) -> char {
    match c.to_ascii_uppercase() {
        '0' => 'O',
        '1' | 'L' => 'I',
        '2' => 'Z',
        '4' => 'A',
        '5' => 'S',
        '6' => 'G',
        '8' => 'B',
        c => c,
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_confuse_is_read_as_the_kept_letter() {
        assert_eq!(Reference::parse("ab0-1l2 56").unwrap().as_str(), "ABOIIZSG");
        assert_eq!(Reference::parse("abc"), None);
        assert_eq!(Reference::parse("ABCDEFG€"), None);
        assert_eq!(Reference::parse(&"A".repeat(100)), None);
    }

    proptest! {
        #[test]
        fn every_reference_is_clean_and_reads_back(random: u64, attempt in 0_usize..6) {
            let reference = Reference::of(random, attempt);
            prop_assert_eq!(reference.as_str().len(), 8 + attempt.min(4));
            prop_assert!(!PROFANE.iter().any(|word| reference.as_str().contains(word)));
            prop_assert_eq!(Reference::parse(&reference.as_str().to_lowercase()), Some(reference));
        }
    }
}
