//! Job `booking.sweep`: lapsed holds expire in sets.
//!
//! It only puts commands on lanes, where each is decided anew under the lock. So it does no harm if two workers run it by
//! mistake, or one stops halfway: the rows themselves say what is left to do.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::StreamExt;

use crate::booking::{BookingReads, Command, Desk, LaneKey, Outcome};
use crate::clock::Clock;
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::origin::Origin;

/// How many lanes one round looks at.
const LANES_MAX: u32 = 200;
/// How many lanes are swept at a time.
const LANES_AT_ONCE: usize = 16;
/// How many holds one command expires: small enough that buyers on the same lane wait for tens of milliseconds.
const EXPIRED_AT_ONCE: u32 = 500;
/// How many commands one round puts on a lane, so that a round ends well within its lease.
const COMMANDS_MAX: usize = 40;

/// Job `booking.sweep`: expires lapsed holds, every second.
pub struct SweepLapsed {
    /// The lanes.
    pub desk: Desk,
    /// Where lapsed holds are found.
    pub reads: Arc<dyn BookingReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for SweepLapsed {
    fn kind(&self) -> &'static str {
        "booking.sweep"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let lanes = self.reads.lanes_with_lapsed(self.clock.now(), LANES_MAX).await?;
        let busy = lanes.len();
        let swept: Vec<bool> =
            futures::stream::iter(lanes).map(|lane| self.sweep(lane)).buffer_unordered(LANES_AT_ONCE).collect().await;
        let again_at_once = busy == LANES_MAX as usize || swept.contains(&true);
        let pause = if again_at_once { TimeDelta::zero() } else { TimeDelta::seconds(1) };
        Ok(JobOutcome::Again { run_at: self.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl SweepLapsed {
    /// Sweeps a lane; says whether more is left to do there.
    async fn sweep(&self, lane: LaneKey) -> bool {
        for _ in 0..COMMANDS_MAX {
            let origin = Origin::system("booking.sweep");
            match self.desk.submit(lane, Command::Expire(EXPIRED_AT_ONCE), origin, None).await {
                Ok(answer) => match answer.value {
                    Outcome::Expired(count) if count == EXPIRED_AT_ONCE => {}
                    _ => return false,
                },
                // Busy: buyers go first, and the next round is a second away.
                Err(_) => return false,
            }
        }
        true
    }
}
