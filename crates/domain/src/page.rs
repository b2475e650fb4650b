//! How much of a list is asked for.

/// How many rows a page has: 1 to 100, 20 where nobody says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit(u8);

impl Limit {
    /// The most rows a page may have.
    pub const MAX: u32 = 100;

    /// The limit, if it is within bounds.
    #[must_use]
    pub fn parse(rows: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&rows).then(|| u8::try_from(rows).ok().map(Self)).flatten()
    }

    /// As a number of rows.
    #[must_use]
    pub const fn rows(self) -> u64 {
        self.0 as u64
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_on_both_sides() {
        assert_eq!(Limit::parse(0), None);
        assert_eq!(Limit::parse(1).map(Limit::rows), Some(1));
        assert_eq!(Limit::parse(100).map(Limit::rows), Some(100));
        assert_eq!(Limit::parse(101), None);
        assert_eq!(Limit::parse(256), None);
        assert_eq!(Limit::default().rows(), 20);
    }
}
