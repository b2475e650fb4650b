//! Jobs: lapsed holds expire in sets, and the bookings of cancelled events are cancelled in sets.
//!
//! Both only put commands on lanes, where each is decided anew under the lock. So it does no harm if two workers run
//! one by mistake, or one stops halfway: the rows themselves say what is left to do.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::booking::{BookingStatus, Canceller};
use futures::StreamExt;

use crate::booking::{BookingFilter, BookingReads, Command, Desk, LaneKey, Outcome};
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
        for lane in self.reads.cancelled_lanes_with_stock(LANES_MAX).await? {
            self.wind_down(lane).await?;
        }
        Ok(JobOutcome::Again { run_at: self.clock.now() + TimeDelta::seconds(2), payload: job.payload.clone() })
    }
}

impl WindDownCancelled {
    async fn wind_down(&self, lane: LaneKey) -> Result<(), AppError> {
        let open = BookingFilter {
            statuses: vec![BookingStatus::Pending, BookingStatus::Confirmed],
            ..BookingFilter::default()
        };
        for _ in 0..COMMANDS_MAX {
            let bookings = self.reads.bookings_in(lane, &open, None, u64::from(EXPIRED_AT_ONCE)).await?;
            if bookings.is_empty() {
                break;
            }
            let cancel = |booking: domain::booking::Booking| {
                let command = Command::Cancel(booking.id, Canceller::Event);
                self.desk.submit(lane, command, Origin::system("event.wind_down"), None)
            };
            for cancelled in futures::future::join_all(bookings.into_iter().map(cancel)).await {
                match cancelled {
                    // It has expired, or was cancelled by its buyer, in the meantime.
                    Ok(_) | Err(AppError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
