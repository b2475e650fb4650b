//! The table, asked with what the store knows.

use std::sync::Arc;
use std::time::Duration;

use domain::booking::Buyer;
use domain::catalog::{Event, Member};
use domain::{EventId, OrganizerId, UserId};
use moka::future::Cache;

use crate::access::policy::{Operation, Standing, Verdict, decide};
use crate::access::{Agent, PlatformOperation, decide_platform};
use crate::booking::BookingParties;
use crate::catalog::CatalogReads;
use crate::error::AppError;
use crate::origin::Principal;
use crate::store::StoreError;

/// How long a membership is remembered: with it a change counts everywhere within a second. This process forgets what it
/// changes at once.
const REMEMBERED: Duration = Duration::from_millis(800);
/// How many memberships are remembered.
const REMEMBERED_MAX: u64 = 50_000;

/// The thing that somebody wants to do something to.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    organizer: OrganizerId,
    event: Option<EventId>,
    buyer: Option<&'a Buyer>,
}

impl<'a> Subject<'a> {
    /// The organizer as a whole.
    #[must_use]
    pub const fn organizer(organizer: OrganizerId) -> Self {
        Self { organizer, event: None, buyer: None }
    }

    /// An event.
    #[must_use]
    pub const fn event(event: &Event) -> Self {
        Self { organizer: event.organizer, event: Some(event.id), buyer: None }
    }

    /// A booking.
    #[must_use]
    pub const fn booking(booking: &'a BookingParties) -> Self {
        Self { organizer: booking.organizer, event: Some(booking.event), buyer: Some(&booking.buyer) }
    }

    /// What somebody is to it, who is this member (or none) of its organizer.
    #[must_use]
    pub fn standing<'b>(&self, agent: &'b Agent, member: Option<&'b Member>) -> Standing<'b> {
        let is_buyer = match (agent, self.buyer) {
            (Agent::Account(principal), Some(buyer)) => *buyer == Buyer::Account(principal.user),
            _ => false,
        };
        Standing { agent, organizer: self.organizer, member, event: self.event, is_buyer }
    }
}

type Memberships = Cache<(OrganizerId, UserId), Option<Arc<Member>>>;

/// The policy over the tenants; cheap to clone.
#[derive(Clone)]
pub struct Access {
    reads: Arc<dyn CatalogReads>,
    memberships: Memberships,
}

impl Access {
    /// Over the memberships of this store.
    #[must_use]
    pub fn new(reads: Arc<dyn CatalogReads>) -> Self {
        Self { reads, memberships: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build() }
    }

    /// What the table says.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn verdict(
        &self,
        agent: &Agent,
        operation: Operation,
        subject: &Subject<'_>,
    ) -> Result<Verdict, AppError> {
        let without = decide(&subject.standing(agent, None), operation);
        let Agent::Account(principal) = agent else { return Ok(without) };
        // An admin or the buyer may without being a member.
        if without == Verdict::Allowed {
            return Ok(without);
        }
        let member = self.membership(subject.organizer, principal.user).await?;
        Ok(decide(&subject.standing(agent, member.as_deref()), operation))
    }

    /// Whether he may.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn may(&self, agent: &Agent, operation: Operation, subject: &Subject<'_>) -> Result<bool, AppError> {
        Ok(self.verdict(agent, operation, subject).await? == Verdict::Allowed)
    }

    /// Lets through who may; `what` names the thing that he asked for.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] where he may know of it, [`AppError::NotFound`] where not.
    pub async fn require(
        &self,
        agent: &Agent,
        operation: Operation,
        subject: &Subject<'_>,
        what: &'static str,
    ) -> Result<(), AppError> {
        self.verdict(agent, operation, subject).await?.into_result(what)
    }

    /// Forgets what is remembered of a membership that has changed.
    pub async fn forget(&self, organizer: OrganizerId, user: UserId) {
        self.memberships.invalidate(&(organizer, user)).await;
    }

    async fn membership(&self, organizer: OrganizerId, user: UserId) -> Result<Option<Arc<Member>>, AppError> {
        let read = async { Ok(self.reads.membership_of(organizer, user).await?.map(Arc::new)) };
        let found = self.memberships.try_get_with((organizer, user), read).await;
        found.map_err(|error: Arc<StoreError>| AppError::shared(&error))
    }
}

impl Verdict {
    /// As a use case answers it; `what` names the thing that was asked for.
    ///
    /// # Errors
    /// [`AppError::Forbidden`], [`AppError::SecondFactorOwed`], [`AppError::NotFound`].
    pub const fn into_result(self, what: &'static str) -> Result<(), AppError> {
        match self {
            Self::Allowed => Ok(()),
            Self::Forbidden => Err(AppError::Forbidden),
            Self::FactorOwed => Err(AppError::SecondFactorOwed),
            Self::Hidden => Err(AppError::NotFound(what)),
        }
    }
}

/// Lets through an account that may do this on the platform.
///
/// # Errors
/// [`AppError::Unauthenticated`] where nobody has signed in; [`AppError::Forbidden`].
pub(crate) fn require_on_platform(
    agent: &Agent,
    operation: PlatformOperation,
    self_service: bool,
) -> Result<&Principal, AppError> {
    let principal = agent.account()?;
    if decide_platform(principal.role, operation, self_service) { Ok(principal) } else { Err(AppError::Forbidden) }
}
