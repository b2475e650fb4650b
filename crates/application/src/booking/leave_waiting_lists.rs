//! Job `waiting_list.leave`: who has deleted his account waits for nothing any more, and what was offered to him goes to
//! who waits next.
//!
//! It only puts commands on lanes, where each is decided anew under the lock: done twice, late, or beside the end of an
//! offer, it does no harm. What an offer gives back is offered to the next one in the same commit.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::booking::EntryStatus;
use domain::{JobId, Timestamp, UserId, WaitingListEntryId};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::booking::{Command, Desk, SeenEntry, WaitingListReads};
use crate::clock::Clock;
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob, NewJob};
use crate::origin::Origin;

const KIND: &str = "waiting_list.leave";
/// By then every process knows that his sessions are ended, and what the desk had let in for him before is decided:
/// nothing is joined in his name behind the job's back.
const AFTER: TimeDelta = TimeDelta::seconds(15);
/// Entries of one page, all of which are on their way to their lanes at a time.
const ENTRIES_AT_ONCE: u64 = 100;
/// Pages of one run of the job; it goes on where it stopped.
const PAGES_MAX: usize = 20;
/// Before it looks again for what could not be ended.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// The job for an account that is deleted by the same transaction. Whether it waits for anything is not asked before: that
/// may yet change.
pub(crate) fn leaving(id: JobId, user: UserId, now: Timestamp) -> NewJob {
    NewJob { id, kind: KIND, subject: user.to_string(), payload: "{}".into(), run_at: now + AFTER }
}

/// Where a run begins.
#[derive(Serialize, Deserialize, Default)]
struct Place {
    /// Behind this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Uuid>,
    /// Whether something in front of it could not be ended.
    #[serde(default)]
    left: bool,
}

/// Job `waiting_list.leave`.
pub struct LeaveWaitingLists {
    /// The lanes.
    pub desk: Desk,
    /// What he waits for.
    pub reads: Arc<dyn WaitingListReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for LeaveWaitingLists {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recurs(&self) -> bool {
        false
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let Ok(user) = Uuid::try_parse(&job.subject) else {
            return Ok(JobOutcome::Parked { error: "it names no account".to_owned() });
        };
        let mut place: Place = serde_json::from_str(&job.payload).unwrap_or_default();
        for _ in 0..PAGES_MAX {
            let before = place.before.map(WaitingListEntryId::new);
            let page = self.reads.waiting_list_of(UserId::new(user), before, ENTRIES_AT_ONCE).await?;
            let Some(last) = page.last() else {
                // What is being paid is over sooner or later, and a desk has room again.
                let again = JobOutcome::Again { run_at: self.clock.now() + PAUSE, payload: "{}".to_owned() };
                return Ok(if place.left { again } else { JobOutcome::Done });
            };
            place.before = Some(last.entry.id.uuid());
            let ended = join_all(page.iter().filter(|seen| is_open(seen)).map(|seen| self.leave(seen))).await;
            place.left |= ended.contains(&false);
        }
        let payload = serde_json::to_string(&place).unwrap_or_else(|_| "{}".to_owned());
        Ok(JobOutcome::Again { run_at: self.clock.now(), payload })
    }
}

/// Whether he waits by it, or has an offer that holds units.
fn is_open(seen: &SeenEntry) -> bool {
    matches!(seen.status, EntryStatus::Waiting | EntryStatus::Offered)
}

impl LeaveWaitingLists {
    /// Ends an entry; says whether it is over. What is wrong with one event delays no other.
    async fn leave(&self, seen: &SeenEntry) -> bool {
        let (lane, command) = (seen.entry.event, Command::LeaveWaitingList(seen.entry.id));
        match self.desk.submit(lane, command, Origin::system(KIND), None).await {
            // The event is gone, and all that belongs to it.
            Ok(_) | Err(AppError::NotFound(_)) => true,
            // It is being paid.
            Err(AppError::Refused(_)) => false,
            Err(error) => {
                tracing::warn!(event.id = %lane, %error, "Who has deleted his account leaves a waiting list later");
                false
            }
        }
    }
}
