//! Job `audit.erase`: the personal fields of the lines that a deleted account has caused, and of those about its bookings
//! or about those of a guest who was erased, go with their salts. The chain verifies as before.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{EmailAddress, JobId, OrganizerId, Timestamp, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::{AuditSeals, ChainId};
use crate::clock::Clock;
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob, NewJob};
use crate::privacy::pseudonym;

const KIND: &str = "audit.erase";
/// By then all that was written in the name of the account is sealed; the fields are erased where they are sealed.
const AFTER: TimeDelta = TimeDelta::minutes(2);
/// Blocks of one step.
const BLOCKS: u32 = 20;
/// Steps of one run of the job; it goes on where it stopped.
const STEPS_MAX: usize = 100;

/// Whose lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Erased {
    /// Those that this account has caused, and those about its bookings, of whatever organizer.
    Account(UserId),
    /// Those about bookings of this organizer that bear the pseudonym of a guest.
    Guest(OrganizerId, EmailAddress),
}

/// The job for an account.
pub(crate) fn erasure(id: JobId, user: UserId, now: Timestamp) -> NewJob {
    NewJob { id, kind: KIND, subject: user.to_string(), payload: "{}".into(), run_at: now + AFTER }
}

/// The job for a guest, by the erasure that his pseudonym is named after.
pub(crate) fn guest_erasure(id: JobId, organizer: OrganizerId, erasure: Uuid, now: Timestamp) -> NewJob {
    NewJob { id, kind: KIND, subject: format!("{organizer}/{erasure}"), payload: "{}".into(), run_at: now + AFTER }
}

/// Job `audit.erase`.
pub struct EraseAudit {
    /// Where the lines are.
    pub seals: Arc<dyn AuditSeals>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for EraseAudit {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recurs(&self) -> bool {
        false
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let Some(of) = whose(&job.subject) else {
            return Ok(JobOutcome::Parked { error: "it names neither an account nor a guest".to_owned() });
        };
        let mut place = place(&job.payload);
        for _ in 0..STEPS_MAX {
            place = self.seals.erase_personal(&of, place, BLOCKS).await?;
            if place.is_none() {
                return Ok(JobOutcome::Done);
            }
        }
        let payload = place.map(|(chain, number)| json!({ "chain": chain.uuid(), "block": number }).to_string());
        Ok(JobOutcome::Again { run_at: self.clock.now(), payload: payload.unwrap_or_default() })
    }
}

fn whose(subject: &str) -> Option<Erased> {
    match subject.split_once('/') {
        None => Some(Erased::Account(UserId::new(Uuid::try_parse(subject).ok()?))),
        Some((organizer, erasure)) => {
            let organizer = OrganizerId::new(Uuid::try_parse(organizer).ok()?);
            Some(Erased::Guest(organizer, pseudonym(Uuid::try_parse(erasure).ok()?)))
        }
    }
}

fn place(payload: &str) -> Option<(ChainId, u64)> {
    let kept: Value = serde_json::from_str(payload).ok()?;
    Some((ChainId::new(Uuid::try_parse(kept["chain"].as_str()?).ok()?), kept["block"].as_u64()?))
}
