//! What the catalog needs of a store.

use async_trait::async_trait;
use domain::booking::Sale;
use domain::catalog::{EventStatus, Member, MemberRole, Organizer, Slug};
use domain::{EventId, OrganizerId, Timestamp, UserId};

use crate::store::StoreError;

/// The catalog within a unit of work. What exists already is changed by commands on its lane and not here.
#[async_trait]
pub trait CatalogRepository {
    /// Inserts an organizer with its first member, the owner. `false` if the slug is taken; then nothing was inserted
    /// and the transaction can go on.
    async fn insert_organizer(&mut self, organizer: &Organizer, owner: &Member) -> Result<bool, StoreError>;

    /// The organizers that the account is a member of, oldest first, at most 100.
    async fn organizers_of(&mut self, user: UserId) -> Result<Vec<(Organizer, MemberRole)>, StoreError>;

    /// What the account may do inside the organizer.
    async fn membership(&mut self, organizer: OrganizerId, user: UserId) -> Result<Option<MemberRole>, StoreError>;

    /// Whether there is such an organizer.
    async fn organizer(&mut self, organizer: OrganizerId) -> Result<Option<Organizer>, StoreError>;

    /// Inserts a new event with its ticket types, its pools and its lane (version 0). `false` if its slug is taken;
    /// then nothing was inserted and the transaction can go on.
    async fn insert_sale(&mut self, sale: &Sale) -> Result<bool, StoreError>;
}

/// A sale as it was read outside of its lane: right at the moment of `version`, and stale from then on.
#[derive(Clone, Debug)]
pub struct SeenSale {
    /// The sale.
    pub sale: Sale,
    /// The version of its lane: it counts every commit that changed anything of the sale.
    pub version: u64,
}

/// Which events a list shall have.
#[derive(Clone, Default, Debug)]
pub struct EventFilter {
    /// Words that the name contains, without regard to case.
    pub query: Option<String>,
    /// Events that end after this instant.
    pub from: Option<Timestamp>,
    /// Events that begin before this instant.
    pub to: Option<Timestamp>,
    /// Of one organizer.
    pub organizer: Option<OrganizerId>,
    /// Stored statuses; an empty list means those that the public sees: published and paused.
    pub statuses: Vec<EventStatus>,
    /// Only of organizers that this account is a member of.
    pub member: Option<UserId>,
}

/// Where the next page of events begins: behind this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCursor {
    /// Its beginning; pages are soonest first.
    pub start_at: Timestamp,
    /// Its id, which orders events of the same beginning.
    pub id: EventId,
}

/// The catalog outside of transactions.
#[async_trait]
pub trait CatalogReads: Send + Sync {
    /// The sale of an event, in whatever status, all parts as of one instant.
    async fn sale(&self, event: EventId) -> Result<Option<SeenSale>, StoreError>;

    /// The event of a slug.
    async fn event_by_slug(&self, slug: &Slug) -> Result<Option<EventId>, StoreError>;

    /// A page of events, soonest first, then by id.
    async fn events(
        &self,
        filter: &EventFilter,
        after: Option<EventCursor>,
        rows: u64,
    ) -> Result<Vec<SeenSale>, StoreError>;

    /// The versions of these lanes; those that do not exist are left out.
    async fn lane_versions(&self, events: &[EventId]) -> Result<Vec<(EventId, u64)>, StoreError>;

    /// What the account may do inside the organizer.
    async fn membership_of(&self, organizer: OrganizerId, user: UserId) -> Result<Option<MemberRole>, StoreError>;

    /// A page of organizers by id: those of the member, or all where none is named.
    async fn organizers(
        &self,
        member: Option<UserId>,
        after: Option<OrganizerId>,
        rows: u64,
    ) -> Result<Vec<Organizer>, StoreError>;

    /// The members of an organizer, oldest first, at most 100.
    async fn members(&self, organizer: OrganizerId) -> Result<Vec<Member>, StoreError>;
}
