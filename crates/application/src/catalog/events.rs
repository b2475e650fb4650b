//! Use cases: events are read, changed and deleted.

use std::sync::Arc;

use domain::booking::{Sale, SaleChange};
use domain::catalog::{EventStatus, Slug};
use domain::{EventId, Limit, PoolId, TicketTypeId};

use crate::access::{Agent, Operation, Subject, Verdict, decide};
use crate::booking::{Command, Outcome};
use crate::catalog::service::Catalog;
use crate::catalog::{EventCursor, EventFilter, Inside, SeenSale};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::{Factor, Origin};
use crate::page::{Page, probe};

/// How an event is named in an address.
#[derive(Clone, Debug)]
pub enum EventRef {
    /// By its id.
    Id(EventId),
    /// By its slug.
    Slug(Slug),
}

/// An event as somebody may see it.
#[derive(Clone, Debug)]
pub struct SeenEvent {
    /// The sale.
    pub seen: Arc<SeenSale>,
    /// Whether he is a member of its organizer, and sees hidden ticket types.
    pub inside: bool,
}

impl Catalog {
    /// An event, stale by a second at the most.
    ///
    /// # Errors
    /// [`AppError::NotFound`] where there is none that the viewer may know of: drafts and archived events are for their
    /// organizer; [`AppError::Forbidden`] for a key of it without the scope.
    pub async fn event(&self, agent: &Agent, event: &EventRef) -> Result<SeenEvent, AppError> {
        let seen = self.seen(event).await?;
        let Sale { event, ticket_types, .. } = &seen.sale;
        let public = event.status_at(self.now()).is_public();
        let has_secrets = !public || ticket_types.iter().any(|known| known.hidden);
        // What has no secrets need not ask: the public reads it most.
        let verdict = match has_secrets {
            true => self.access.verdict(agent, Operation::SeeUnpublished, &Subject::event(event)).await?,
            false => Verdict::Hidden,
        };
        let inside = verdict == Verdict::Allowed;
        if !public {
            verdict.into_result("event")?;
        }
        Ok(SeenEvent { seen, inside })
    }

    /// A ticket type with its event, stale by a second at the most.
    ///
    /// # Errors
    /// Like [`event`](Self::event); [`AppError::NotFound`] also for a hidden type, for who is not inside.
    pub async fn ticket_type(&self, agent: &Agent, event: EventId, id: TicketTypeId) -> Result<SeenEvent, AppError> {
        let found = self.event(agent, &EventRef::Id(event)).await?;
        let known = found.seen.sale.ticket_type(id).filter(|known| found.inside || !known.hidden);
        if known.is_some() { Ok(found) } else { Err(AppError::NotFound("ticket type")) }
    }

    /// An event with a shared pool of this id, for who sees it from inside, stale by a second at the most.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for everybody else, and where there is no such pool; [`AppError::Forbidden`] for a key
    /// without the scope.
    pub async fn pool(&self, agent: &Agent, event: EventId, id: PoolId) -> Result<Arc<SeenSale>, AppError> {
        self.require(agent, Operation::SeeUnpublished, event).await?;
        let seen = self.seen(&EventRef::Id(event)).await?;
        let is_there = seen.sale.pool(id).is_some_and(|pool| pool.shared);
        if is_there { Ok(seen) } else { Err(AppError::NotFound("pool")) }
    }

    /// A page of events, soonest first. The public sees what is published and has not ended, unless the filter asks for
    /// a time; stored statuses other than that are for members of organizers, who then see only their own.
    ///
    /// # Errors
    /// For another status, [`AppError::Unauthenticated`] without a sign-in and [`AppError::Forbidden`] for a key without
    /// the scope.
    pub async fn events(
        &self,
        agent: &Agent,
        mut filter: EventFilter,
        after: Option<EventCursor>,
        limit: Limit,
    ) -> Result<Page<SeenEvent>, AppError> {
        let secret = |status: &EventStatus| !status.is_to_come();
        let inside = filter.statuses.iter().any(secret);
        if inside {
            filter.inside = self.inside(agent)?;
        } else if filter.from.is_none() && filter.to.is_none() {
            filter.from = Some(self.now());
        }
        let rows = self.ports.reads.events(&filter, after, probe(limit)).await?;
        Ok(Page::of(rows, limit).map(|seen| SeenEvent { seen: Arc::new(seen), inside }))
    }

    /// Changes an event, one of its ticket types or pools. With a key, the first success is answered again (for what
    /// creates something).
    ///
    /// # Errors
    /// [`AppError::NotFound`] for everybody but members, [`AppError::Forbidden`] for members who may not,
    /// [`AppError::PreconditionFailed`] (as a refusal) for another version than the expected one, and the refusals of
    /// [`domain::booking::change_sale`].
    pub async fn change_event(
        &self,
        agent: &Agent,
        event: EventId,
        change: SaleChange,
        expected_version: Option<u64>,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Arc<SeenSale>>, AppError> {
        self.require(agent, Operation::ChangeEvents, event).await?;
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let command = Command::Change { change: Box::new(change), expected_version };
        let answer = self.ports.desk.submit(event, command, origin, key).await?;
        let Outcome::Sale(seen) = answer.value else { return Err(AppError::Internal) };
        if !answer.replayed {
            self.pages.changed(Arc::clone(&seen)).await;
        }
        Ok(Answer { value: seen, replayed: answer.replayed })
    }

    /// Deletes an event that nobody has ever booked.
    ///
    /// # Errors
    /// Like [`change_event`](Self::change_event); [`AppError::InvalidState`] (as a refusal) once it was booked.
    pub async fn delete_event(
        &self,
        agent: &Agent,
        event: EventId,
        expected_version: Option<u64>,
        origin: Origin,
    ) -> Result<(), AppError> {
        self.require(agent, Operation::ChangeEvents, event).await?;
        self.ports.desk.submit(event, Command::Delete { expected_version }, origin, None).await?;
        self.pages.gone(event).await;
        Ok(())
    }

    /// What is shown of the event is read anew: a command that is none of the catalog's has changed it.
    pub(crate) async fn forget(&self, event: EventId) {
        self.pages.gone(event).await;
    }

    /// The id of an event, without a look at who asks.
    pub(crate) async fn resolve(&self, event: &EventRef) -> Result<EventId, AppError> {
        match event {
            EventRef::Id(id) => Ok(*id),
            EventRef::Slug(slug) => self.pages.event_of(slug).await?.ok_or(AppError::NotFound("event")),
        }
    }

    /// Lets through who may do it to the event.
    pub(crate) async fn require(&self, agent: &Agent, operation: Operation, event: EventId) -> Result<(), AppError> {
        let seen = self.seen(&EventRef::Id(event)).await?;
        self.access.require(agent, operation, &Subject::event(&seen.sale.event), "event").await
    }

    /// What somebody sees the unpublished events of, as the policy has it for each of them; none means all.
    fn inside(&self, agent: &Agent) -> Result<Option<Inside>, AppError> {
        match agent {
            Agent::Anonymous => Err(AppError::Unauthenticated),
            Agent::System => Ok(None),
            Agent::Account(principal) if principal.role == domain::identity::Role::Admin => Ok(None),
            // A list is not asked for each of its members: who would be refused as an owner or manager sees no drafts.
            Agent::Account(principal) if principal.factor == Factor::Owed => Err(AppError::SecondFactorOwed),
            Agent::Account(principal) => Ok(Some(Inside::Member(principal.user))),
            Agent::Key(key) => {
                let subject = Subject::organizer(key.organizer);
                decide(&subject.standing(agent, None), Operation::SeeUnpublished).into_result("event")?;
                Ok(Some(Inside::Organizer(key.organizer)))
            }
        }
    }

    /// The sale of an event, whoever asks, if there is one; stale by a second at the most.
    pub(crate) async fn sale(&self, event: EventId) -> Result<Option<Arc<SeenSale>>, AppError> {
        self.pages.sale(event).await
    }

    async fn seen(&self, event: &EventRef) -> Result<Arc<SeenSale>, AppError> {
        let id = self.resolve(event).await?;
        self.sale(id).await?.ok_or(AppError::NotFound("event"))
    }
}
