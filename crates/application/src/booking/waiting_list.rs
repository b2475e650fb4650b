//! Use cases: somebody waits for what is sold out, and waits no longer; and the job that goes on with offers where nobody
//! else comes by.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::booking::{Buyer, JoinRequest, WaitingListEntry};
use domain::{EventId, Limit, TicketTypeId, WaitingListEntryId};

use super::bookings::Bookings;
use crate::access::{Agent, Operation, PlatformOperation, Subject, require_on_platform};
use crate::booking::{BookingParties, Command, Desk, LaneKey, Outcome, SeenEntry, WaitingListReads};
use crate::catalog::EventRef;
use crate::clock::Clock;
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::origin::Origin;
use crate::page::{Page, probe};

/// What somebody wants to wait for.
#[derive(Clone, Copy, Debug)]
pub struct JoinWaitingList {
    /// Of which type; the event's only one, where none is named.
    pub ticket_type: Option<TicketTypeId>,
    /// How many units.
    pub quantity: u32,
}

impl Bookings {
    /// Lets the caller wait for tickets that are sold out at this moment. With a key, the first success is answered again.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an event that the caller may not know of; the refusals of
    /// [`domain::booking::join_waiting_list`]; [`AppError::AlreadyExists`] where he waits for that type already, or has an
    /// offer of it.
    pub async fn join_waiting_list(
        &self,
        agent: &Agent,
        event: &EventRef,
        request: JoinWaitingList,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<SeenEntry>, AppError> {
        let principal = require_on_platform(agent, PlatformOperation::Buy, false)?;
        let event = self.ports.catalog.resolve(event).await?;
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let JoinWaitingList { ticket_type, quantity } = request;
        let id = WaitingListEntryId::new(self.ports.ids.uuid());
        let join = JoinRequest { id, buyer: principal.user, ticket_type, quantity };
        match self.ports.desk.submit(event, Command::JoinWaitingList(Box::new(join)), origin, key).await {
            Err(error @ AppError::Refused(_)) => {
                // A draft has no buyers, and who may not see it hears that there is none.
                self.ports.catalog.event(agent, &EventRef::Id(event)).await?;
                Err(error)
            }
            answer => {
                let Answer { value, replayed } = answer?;
                Ok(Answer { value: SeenEntry::without_offer(entry_of(value)?), replayed })
            }
        }
    }

    /// The caller waits no longer, or gives an offer back; its organizer may do so too. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for strangers; [`domain::booking::Refusal::InvalidState`] where the offer was taken or the entry is closed, and
    /// [`domain::booking::Refusal::BookingExpired`] where the offer has lapsed.
    pub async fn withdraw_from_waiting_list(
        &self,
        agent: &Agent,
        id: WaitingListEntryId,
        origin: Origin,
    ) -> Result<SeenEntry, AppError> {
        let seen = self.permitted_entry(agent, Operation::CancelBooking, id).await?;
        let command = Command::WithdrawFromWaitingList(id);
        let answer = self.ports.desk.submit(seen.entry.event, command, origin, None).await?;
        entry_of(answer.value)?;
        self.read_entry(id).await
    }

    /// One entry: the caller's, or one of his organizer.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub async fn waiting_list_entry(&self, agent: &Agent, id: WaitingListEntryId) -> Result<SeenEntry, AppError> {
        self.permitted_entry(agent, Operation::SeeBooking, id).await
    }

    /// A page of the caller's entries, newest first, behind `before`.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn my_waiting_list(
        &self,
        agent: &Agent,
        before: Option<WaitingListEntryId>,
        limit: Limit,
    ) -> Result<Page<SeenEntry>, AppError> {
        let principal = require_on_platform(agent, PlatformOperation::Buy, false)?;
        let rows = self.ports.waiting_lists.waiting_list_of(principal.user, before, probe(limit)).await?;
        Ok(Page::of(rows, limit))
    }

    /// A page of the entries of an event in the order in which people came, behind the number `after`; for who manages it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others.
    pub async fn event_waiting_list(
        &self,
        agent: &Agent,
        event: EventId,
        after: Option<u64>,
        limit: Limit,
    ) -> Result<Page<SeenEntry>, AppError> {
        self.ports.catalog.require(agent, Operation::ListBookings, event).await?;
        Ok(Page::of(self.ports.waiting_lists.waiting_list_in(event, after, probe(limit)).await?, limit))
    }

    async fn permitted_entry(
        &self,
        agent: &Agent,
        operation: Operation,
        id: WaitingListEntryId,
    ) -> Result<SeenEntry, AppError> {
        let seen = self.read_entry(id).await?;
        let WaitingListEntry { event, organizer, buyer, .. } = seen.entry;
        let parties = BookingParties { event, organizer, buyer: Buyer::Account(buyer) };
        self.ports.catalog.access().require(agent, operation, &Subject::booking(&parties), WHAT).await?;
        Ok(seen)
    }

    async fn read_entry(&self, id: WaitingListEntryId) -> Result<SeenEntry, AppError> {
        self.ports.waiting_lists.waiting_list_entry(id).await?.ok_or(AppError::NotFound(WHAT))
    }
}

const WHAT: &str = "waiting-list entry";

fn entry_of(outcome: Outcome) -> Result<WaitingListEntry, AppError> {
    match outcome {
        Outcome::WaitingListEntry(entry) => Ok(*entry),
        _ => Err(AppError::Internal),
    }
}

/// How many lanes one round looks at.
const LANES_MAX: u32 = 200;
/// Between two rounds.
const PAUSE: TimeDelta = TimeDelta::seconds(5);

/// Job `waiting_list.serve`: offers what is free to who waits for it, and closes what nobody can be offered any more, where
/// no command comes by: after a crash between two commits, or by the clock alone, when sales begin or end.
///
/// It only puts commands on lanes, where all is decided anew under the lock: stopped at any point, or run twice, it does no
/// harm.
pub struct ServeWaiting {
    /// The lanes.
    pub desk: Desk,
    /// Where those are found in which somebody could be served.
    pub reads: Arc<dyn WaitingListReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for ServeWaiting {
    fn kind(&self) -> &'static str {
        "waiting_list.serve"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        // Behind the last one of the round before: where somebody waits for more than there is, a lane is found every time.
        let after = serde_json::from_str::<Option<uuid::Uuid>>(&job.payload).unwrap_or_default().map(LaneKey::new);
        let lanes = self.reads.lanes_to_serve(self.clock.now(), after, LANES_MAX).await?;
        let next = lanes.last().copied().filter(|_| lanes.len() == LANES_MAX as usize);
        for lane in lanes {
            let origin = Origin::system("waiting_list.serve");
            // What is wrong with one event delays no other.
            if let Err(error) = self.desk.submit(lane, Command::MakeOffers, origin, None).await {
                tracing::warn!(event.id = %lane, %error, "Who waits is served later");
            }
        }
        let payload = serde_json::to_string(&next.map(LaneKey::uuid)).unwrap_or_default();
        let pause = if next.is_some() { TimeDelta::zero() } else { PAUSE };
        Ok(JobOutcome::Again { run_at: self.clock.now() + pause, payload })
    }
}
