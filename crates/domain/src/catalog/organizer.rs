//! The tenant: all data belongs to exactly one organizer.

use crate::catalog::Slug;
use crate::{OrganizerId, Problems, Text, Timestamp, UserId};

/// A legal seller, and the boundary that nobody else's eyes cross.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organizer {
    /// Its id.
    pub id: OrganizerId,
    /// As buyers read it.
    pub name: Text,
    /// Unique name for addresses.
    pub slug: Slug,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Organizer {
    /// The most characters of a name.
    pub const NAME_MAX: usize = 200;

    /// Parses a new organizer; without a slug, one is made of the name and `salt`.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(
        id: OrganizerId,
        name: &str,
        slug: Option<&str>,
        salt: u64,
        now: Timestamp,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", name, Self::NAME_MAX));
        let slug = match (slug, &name) {
            (Some(slug), _) => problems.take(Slug::parse("slug", slug)),
            (None, Some(name)) => Some(Slug::of(name.as_str(), salt)),
            (None, None) => None,
        };
        match (name, slug) {
            (Some(name), Some(slug)) if problems.is_empty() => Ok(Self { id, name, slug, created_at: now }),
            _ => Err(problems),
        }
    }
}

/// What somebody may do inside an organizer, from the most to the least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberRole {
    /// Everything, members included.
    Owner,
    /// Events and bookings.
    Manager,
    /// The door.
    Scanner,
}

impl MemberRole {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Scanner => "scanner",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Owner, Self::Manager, Self::Scanner].into_iter().find(|role| role.as_str() == word)
    }

    /// Whether he may change events and bookings.
    #[must_use]
    pub const fn manages(self) -> bool {
        matches!(self, Self::Owner | Self::Manager)
    }
}

/// A person of an organizer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Of which.
    pub organizer: OrganizerId,
    /// Who.
    pub user: UserId,
    /// What he may do there.
    pub role: MemberRole,
    /// Since when.
    pub since: Timestamp,
}
