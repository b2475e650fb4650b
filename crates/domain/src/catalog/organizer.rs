//! The tenant: all data belongs to exactly one organizer.

use crate::catalog::Slug;
use crate::{OrganizerId, Problems, Text, Timestamp};

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
