//! What the catalog needs of a store.

use async_trait::async_trait;
use domain::booking::Sale;
use domain::catalog::{EventStatus, Member, Organizer, Slug, Team};
use domain::identity::User;
use domain::{EventId, OrganizerId, Timestamp, UserId};

use crate::catalog::InvitationReads;
use crate::store::StoreError;

/// The catalog within a unit of work. What exists already is changed by commands on its lane and not here.
#[async_trait]
pub trait CatalogRepository {
    /// Inserts an organizer with its first member, the owner. `false` if the slug is taken; then nothing was inserted
    /// and the transaction can go on.
    async fn insert_organizer(&mut self, organizer: &Organizer, owner: &Member) -> Result<bool, StoreError>;

    /// What the account is in the organizers that it is a member of, oldest organizer first: [`Member::ORGANIZERS_MAX`] at
    /// most.
    async fn memberships(&mut self, user: UserId) -> Result<Vec<Member>, StoreError>;

    /// What the account is in the organizer.
    async fn membership(&mut self, organizer: OrganizerId, user: UserId) -> Result<Option<Member>, StoreError>;

    /// The team of an organizer, as it is once every other transaction that has changed it is over; nobody else changes
    /// it until this transaction is (PostgreSQL: `FOR NO KEY UPDATE` of the organizer). Locks of accounts are taken before.
    async fn lock_team(&mut self, organizer: OrganizerId) -> Result<Option<Team>, StoreError>;

    /// Saves `version` of a team that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such organizer.
    async fn save_team(&mut self, team: &Team) -> Result<(), StoreError>;

    /// Inserts a member of a team that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where he is one already.
    async fn insert_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// Saves the role and the reach of a member of a team that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such member.
    async fn save_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// Deletes a member of a team that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such member.
    async fn delete_member(&mut self, organizer: OrganizerId, user: UserId) -> Result<(), StoreError>;

    /// Those of the events that are the organizer's, in ascending order.
    async fn events_among(&mut self, organizer: OrganizerId, events: &[EventId]) -> Result<Vec<EventId>, StoreError>;

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
    /// Only what somebody is inside of; none means all.
    pub inside: Option<Inside>,
}

/// What somebody is inside of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inside {
    /// The organizers that the account is a member of; of their events those within its reach.
    Member(UserId),
    /// This organizer.
    Organizer(OrganizerId),
}

/// A member with his account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenMember {
    /// What he is there.
    pub member: Member,
    /// Who he is.
    pub user: User,
}

/// Where the next page of members begins: behind this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberCursor {
    /// Since when he is one; pages are oldest first.
    pub since: Timestamp,
    /// His account, which orders members of the same time.
    pub user: UserId,
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
pub trait CatalogReads: InvitationReads + Send + Sync {
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

    /// What the account is in the organizer.
    async fn membership_of(&self, organizer: OrganizerId, user: UserId) -> Result<Option<Member>, StoreError>;

    /// A page of organizers by id: those that somebody is inside of, or all.
    async fn organizers(
        &self,
        inside: Option<Inside>,
        after: Option<OrganizerId>,
        rows: u64,
    ) -> Result<Vec<Organizer>, StoreError>;

    /// A page of the members of an organizer, oldest first.
    async fn members(
        &self,
        organizer: OrganizerId,
        after: Option<MemberCursor>,
        rows: u64,
    ) -> Result<Vec<SeenMember>, StoreError>;

    /// One member.
    async fn member(&self, organizer: OrganizerId, user: UserId) -> Result<Option<SeenMember>, StoreError>;
}
