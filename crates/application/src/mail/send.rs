//! Job `mail.send`: one mail goes out.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::identity::Sealer;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::mail::mails::{Unreadable, open};
use crate::mail::{DeliveryError, Enclosure, Enclosures, Mail, Mailer};

/// The kind of its jobs: mails that somebody waits for.
pub(super) const KIND: &str = "mail.send";
/// The kind of jobs that are mails to the buyers of bookings. There may be very many of them at once, and they can wait.
pub const BOOKING_MAIL: &str = "mail.booking";
/// Every kind of jobs that are mails.
pub const KINDS: [&str; 2] = [KIND, BOOKING_MAIL];

/// The bound of the first pause, which doubles with each failure. With full jitter the usual 12 tries last about two
/// hours: a mail survives a server that is away for a while, and greylisting.
const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// The longest pause between two tries.
const PAUSE_MAX: TimeDelta = TimeDelta::hours(1);

/// How many mails a process hands over at a time.
const AT_ONCE: usize = 4;

/// Sends mails.
pub struct SendMail {
    /// The way out.
    pub mailer: Arc<dyn Mailer>,
    /// Makes what goes with them.
    pub enclosures: Arc<dyn Enclosures>,
    /// Opens what waits.
    pub sealer: Arc<dyn Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub ids: Arc<dyn Ids>,
    /// How often a mail is tried before it is given up.
    pub tries_max: u32,
}

#[async_trait]
impl JobHandler for SendMail {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recurs(&self) -> bool {
        false
    }

    fn tries_max(&self) -> Option<u32> {
        Some(self.tries_max)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mail = match open(self.sealer.as_ref(), job.id, &job.payload) {
            Ok(mail) => mail,
            Err(error @ Unreadable::OtherVersion) => {
                let run_at = self.clock.now() + self.pause(job.attempts);
                return Ok(JobOutcome::Retry { run_at, error: error.to_string() });
            }
            Err(error) => return Ok(JobOutcome::Parked { error: error.to_string() }),
        };
        if self.clock.now() >= mail.not_after {
            tracing::warn!(mail.id = %mail.id, mail.name = mail.content.name(), "A mail came too late to be sent");
            count(&mail, "lapsed");
            return Ok(JobOutcome::Done);
        }
        let Some(enclosures) = self.enclosures(&mail).await? else {
            tracing::info!(mail.id = %mail.id, mail.name = mail.content.name(), "What a mail encloses is worth nothing now");
            count(&mail, "lapsed");
            return Ok(JobOutcome::Done);
        };
        Ok(match self.mailer.deliver(&mail, enclosures).await {
            Ok(()) => {
                tracing::info!(mail.id = %mail.id, mail.name = mail.content.name(), "Sent mail `{}`", mail.id);
                count(&mail, "sent");
                JobOutcome::Done
            }
            Err(DeliveryError::Refused(error)) => {
                tracing::warn!(mail.id = %mail.id, mail.name = mail.content.name(), error, "A mail was refused");
                count(&mail, "refused");
                JobOutcome::Parked { error }
            }
            Err(DeliveryError::Temporary(error)) => {
                tracing::warn!(mail.id = %mail.id, job.attempts, error, "A mail could not be handed over");
                count(&mail, "failed");
                JobOutcome::Retry { run_at: self.clock.now() + self.pause(job.attempts), error }
            }
        })
    }
}

impl SendMail {
    async fn enclosures(&self, mail: &Mail) -> Result<Option<Vec<Enclosure>>, AppError> {
        match mail.encloses {
            Some(enclosed) => self.enclosures.enclosures(enclosed, mail.language).await,
            None => Ok(Some(Vec::new())),
        }
    }

    /// Full jitter: mails that failed together do not come back together.
    fn pause(&self, attempts: u32) -> TimeDelta {
        let bound = TimeDelta::seconds(PAUSE.num_seconds() << attempts.min(10)).min(PAUSE_MAX);
        let millis = u64::try_from(bound.num_milliseconds()).unwrap_or(1).max(1);
        TimeDelta::milliseconds(i64::try_from(self.ids.random() % millis).unwrap_or(0))
    }
}

fn count(mail: &Mail, outcome: &'static str) {
    metrics::counter!("goticket_mails_total", "name" => mail.content.name(), "outcome" => outcome).increment(1);
}
