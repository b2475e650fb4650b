//! Job `attendees.forget`: who came is forgotten some time after the event.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{BookingId, EventId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::privacy::Retained;

/// Bookings of one step: few enough that nobody waits for it.
const BOOKINGS: u32 = 1_000;
/// Steps of one run of the job; it goes on where it stopped.
const STEPS_MAX: usize = 100;
/// The pause when no event is old enough.
const PAUSE: TimeDelta = TimeDelta::minutes(10);

/// Job `attendees.forget`.
pub struct ForgetAttendees {
    /// Where they are.
    pub retained: Arc<dyn Retained>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For how long after the end of an event it is kept who came.
    pub kept_for: TimeDelta,
}

#[async_trait]
impl JobHandler for ForgetAttendees {
    fn kind(&self) -> &'static str {
        "attendees.forget"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mut place = place(&job.payload);
        for _ in 0..STEPS_MAX {
            let now = self.clock.now();
            let Some(past) = self.retained.event_to_forget(now - self.kept_for).await? else {
                return Ok(JobOutcome::Again { run_at: now + PAUSE, payload: "{}".to_owned() });
            };
            // Another event may have come first, by a change of its end: that one is then begun at its beginning.
            let after = place.take().filter(|(event, _)| *event == past.event).map(|(_, booking)| booking);
            match self.retained.forget_attendees(past.event, after, BOOKINGS).await? {
                Some(booking) => place = Some((past.event, booking)),
                None => self.retained.attendees_forgotten(past.event, now).await?,
            }
        }
        let told = |(event, booking): (EventId, BookingId)| json!({ "event": event.uuid(), "booking": booking.uuid() });
        let payload = place.map_or_else(|| json!({}), told).to_string();
        Ok(JobOutcome::Again { run_at: self.clock.now(), payload })
    }
}

fn place(payload: &str) -> Option<(EventId, BookingId)> {
    let kept: Value = serde_json::from_str(payload).ok()?;
    let id = |name: &str| Uuid::try_parse(kept[name].as_str()?).ok();
    Some((EventId::new(id("event")?), BookingId::new(id("booking")?)))
}
