//! Job `event.wind_down`: the bookings of cancelled events are cancelled in sets, and what was paid for them goes back.
//!
//! It only puts commands on lanes, where each is decided anew under the lock, and whose commit writes cancellation, refund
//! and ledger at once. What is left to do the rows themselves say: stopped at any point, or run twice, it goes on there.
//! The refunds are sent by `refund.send`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::booking::{BookingReads, Command, Desk, LaneKey};
use crate::clock::Clock;
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::origin::Origin;

/// How many lanes one round looks at.
const LANES_MAX: u32 = 200;
/// How many bookings are on their way to a lane at a time.
const BOOKINGS_AT_ONCE: u64 = 500;
/// How often that in one round and lane, so that other cancelled events have their turn.
const PAGES_MAX: usize = 40;

/// Job `event.wind_down`: cancels what is still booked in cancelled events, every few seconds.
pub struct WindDownCancelled {
    /// The lanes.
    pub desk: Desk,
    /// Where open bookings are found.
    pub reads: Arc<dyn BookingReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for WindDownCancelled {
    fn kind(&self) -> &'static str {
        "event.wind_down"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mut more = false;
        for lane in self.reads.cancelled_lanes_with_stock(LANES_MAX).await? {
            // What is wrong with one event delays no other.
            more |= self.wind_down(lane).await.unwrap_or_else(|error| {
                tracing::warn!(event.id = %lane, %error, "A cancelled event is wound down later");
                false
            });
        }
        let pause = if more { TimeDelta::zero() } else { TimeDelta::seconds(2) };
        Ok(JobOutcome::Again { run_at: self.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl WindDownCancelled {
    /// Cancels what is booked; says whether more is left. One that cannot be cancelled keeps no other waiting.
    async fn wind_down(&self, lane: LaneKey) -> Result<bool, AppError> {
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let open = self.reads.open_bookings(lane, after, BOOKINGS_AT_ONCE).await?;
            after = open.last().copied();
            if after.is_none() {
                return Ok(false);
            }
            let cancel = |booking| {
                let command = Command::CancelWithEvent(booking);
                self.desk.submit(lane, command, Origin::system("event.wind_down"), None)
            };
            for cancelled in futures::future::join_all(open.into_iter().map(cancel)).await {
                match cancelled {
                    Ok(_) => {}
                    Err(AppError::Refused(refusal)) => {
                        tracing::warn!(event.id = %lane, %refusal, "A booking of a cancelled event stays as it is");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(true)
    }
}
