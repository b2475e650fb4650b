//! Job `event.tell_moved`: who has tickets of an event whose time or place was changed hears of it, and gets them once more:
//! what stands on them, and when their codes let in, is as it is now.
//!
//! There is one such job of an event. Each part of it, the mails of a hundred bookings, is put in by the transaction that notes
//! how far it has come, so that nobody is told twice. Where the event is moved meanwhile, it begins anew; and it stays for an hour
//! after it, so that nobody hears of one event more often than that.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::admission::TicketStatus;
use domain::booking::BookingStatus;
use domain::catalog::EventTerms;
use domain::{BookingId, EventId, JobId, Timestamp};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::notices::{AT_ONCE, FEW, MANY, PAUSE, TellBuyers, Wish, attendee, rests, unless_away, venue, when};
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob, NewJob};
use crate::mail::{Enclosed, MailContent};

const KIND: &str = "event.tell_moved";
/// For so long people are not told: what an organizer mends at once, they hear once.
const DELAY: TimeDelta = TimeDelta::minutes(1);
/// For so long after they were told, they are not told again.
const REST: TimeDelta = TimeDelta::hours(1);

/// The job that tells all who have tickets of this event where and when it is.
///
/// # Errors
/// None that is not a defect.
pub(super) fn job(id: JobId, event: EventId, now: Timestamp) -> Result<NewJob, AppError> {
    let payload = Telling { event: event.uuid(), at: None, after: None, is_told: false }.payload()?;
    Ok(NewJob { id, kind: KIND, subject: event.to_string(), payload, run_at: now + DELAY })
}

/// What is told, and how far that has come.
#[derive(Serialize, Deserialize)]
struct Telling {
    event: Uuid,
    /// What people are told, or were told last.
    at: Option<Place>,
    /// The last booking whose people were told.
    after: Option<Uuid>,
    /// Whether all of them were.
    is_told: bool,
}

impl Telling {
    fn payload(&self) -> Result<String, AppError> {
        serde_json::to_string(self).map_err(|_| AppError::Internal)
    }

    /// From the beginning, where the event is elsewhere than what is told.
    fn of(mut self, terms: &EventTerms) -> Self {
        let now = Place::of(terms);
        if self.at.as_ref() != Some(&now) {
            self = Self { at: Some(now), after: None, is_told: false, ..self };
        }
        self
    }
}

/// When and where an event is, as far as who has a ticket must know: what stands on his ticket, and when its code lets in.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    start: i64,
    end: i64,
    timezone: String,
    venue: Option<String>,
}

impl Place {
    pub(super) fn of(terms: &EventTerms) -> Self {
        Self {
            start: terms.start_at.timestamp_micros(),
            end: terms.end_at.timestamp_micros(),
            timezone: terms.timezone.name().to_owned(),
            venue: terms.venue.as_ref().map(|venue| venue.as_str().to_owned()),
        }
    }
}

/// Job `event.tell_moved`.
pub struct TellMoved {
    /// Who tells buyers.
    pub tell: Arc<TellBuyers>,
}

#[async_trait]
impl JobHandler for TellMoved {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recurs(&self) -> bool {
        false
    }

    fn rests(&self) -> bool {
        rests(&self.tell.desk)
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let Ok(telling) = serde_json::from_str::<Telling>(&job.payload) else {
            return Ok(JobOutcome::Parked { error: "it does not say what is to be told".to_owned() });
        };
        let Some(seen) = self.tell.events.sale(EventId::new(telling.event)).await? else { return Ok(JobOutcome::Done) };
        let (event, now) = (seen.sale.event, self.tell.clock.now());
        let mut telling = telling.of(&event.terms);
        if !event.status_at(now).is_to_come() || telling.is_told {
            return Ok(JobOutcome::Done);
        }
        let (rows, pause) = match self.tell.desk.rush() {
            None => (MANY, TimeDelta::zero()),
            Some(_) => (FEW, PAUSE),
        };
        let after = telling.after.map(BookingId::new);
        let part = self.tell.bookings.open_bookings(event.id, after, rows as u64).await?;
        let Some(last) = part.last() else {
            let payload = Telling { after: None, is_told: true, ..telling }.payload()?;
            return Ok(JobOutcome::Again { run_at: now + REST, payload });
        };
        telling.after = Some(last.uuid());
        let payload = telling.payload()?;
        let wishes: Vec<Vec<Wish>> = futures::stream::iter(part)
            .map(async |booking| unless_away(self.wishes(booking, &event.terms).await, booking))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut uow = self.tell.store.begin().await?;
        if uow.advance_job(job, &payload).await? {
            for wish in wishes.into_iter().flatten() {
                self.tell.mail_in_op(uow.as_mut(), wish).await?;
            }
            uow.commit().await?;
        }
        Ok(JobOutcome::Again { run_at: now + pause, payload })
    }
}

impl TellMoved {
    /// The mails of a booking: to its buyer with all that is his, and to each whom a ticket was passed on to.
    async fn wishes(&self, id: BookingId, terms: &EventTerms) -> Result<Vec<Wish>, AppError> {
        let booking = self.tell.bookings.booking(id).await?;
        let Some(booking) = booking.filter(|booking| booking.status == BookingStatus::Confirmed) else {
            return Ok(Vec::new());
        };
        let buyer = self.tell.buyer(&booking).await?;
        let language = buyer.as_ref().map(|(_, language)| *language).unwrap_or_default();
        let mut people = Vec::new();
        for ticket in self.tell.tickets.tickets_of(booking.id).await? {
            let is_his = ticket.passed_on && ticket.status != TicketStatus::Revoked;
            let holder = ticket.attendee.filter(|_| is_his).and_then(|place| attendee(&booking, place));
            let ticket = Enclosed::Ticket(ticket.id.uuid(), ticket.issue);
            people.extend(holder.map(|to| (to, language, String::new(), ticket)));
        }
        let all = Enclosed::Tickets(booking.id.uuid());
        people.extend(buyer.map(|(to, language)| (to, language, booking.reference.to_string(), all)));
        let wish = |(to, language, reference, encloses)| Wish {
            to,
            language,
            content: moved(terms, reference),
            encloses: Some(encloses),
            not_after: terms.end_at,
        };
        Ok(people.into_iter().map(wish).collect())
    }
}

fn moved(terms: &EventTerms, reference: String) -> MailContent {
    MailContent::EventMoved { event: terms.name.as_str().to_owned(), when: when(terms), venue: venue(terms), reference }
}
