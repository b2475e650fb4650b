//! What people are told of their bookings: noted by the commit that brings it about, and made into mails by the job
//! `buyers.tell` (ADR 0040). Where an event is moved, that job makes one that tells all who have its tickets.
//!
//! Mails wait while people buy: in a rush at the desk none is made and none is sent for the first minutes, and few after
//! them. They are jobs of a kind of their own, so that whoever has forgotten his password waits for none of them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::booking::{Booking, BookingStatus, Buyer, HoldTerms};
use domain::catalog::EventTerms;
use domain::{BookingId, EmailAddress, EventId, JobId, Language, Money, TicketId, Timestamp};
use futures::{StreamExt, TryStreamExt};
use uuid::Uuid;

use super::moved;
use crate::admission::AdmissionStore;
use crate::booking::{BookingReads, Desk};
use crate::catalog::CatalogReads;
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::identity::IdentityReads;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob, NewJob};
use crate::mail::{BOOKING_MAIL, Enclosed, MailContent, Mails, SendMail};
use crate::store::{Store, StoreError, UnitOfWork};

/// What somebody is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Something of a booking.
    Booking(BookingId, NoticeKind),
    /// An event is at another time or place: all who have its tickets hear of it, by the job `event.tell_moved`.
    EventMoved(EventId),
}

/// What there is to tell of a booking. Amounts are in minor units of the booking's currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoticeKind {
    /// It is confirmed: here are its tickets.
    Confirmed,
    /// It was confirmed, and is cancelled now; so much goes back.
    Cancelled(i64),
    /// The same, because the event is cancelled.
    EventCancelled(i64),
    /// So many of its tickets are cancelled, and the others stand; so much goes back.
    TicketsCancelled(u32, i64),
    /// So much goes back, and nothing else has changed.
    PaidBack(i64),
    /// Money of another currency than the booking's goes back. Currencies are not added up.
    OtherPaidBack,
    /// It is an offer to who waited.
    Offered,
    /// One of its tickets is somebody else's, who is to get it by this issue of its code.
    Transferred(TicketId, u32),
}

impl NoticeKind {
    /// The same, with so much more that goes back, where it is about that.
    #[must_use]
    pub const fn with_refund(self, amount: i64) -> Self {
        match self {
            Self::Cancelled(before) => Self::Cancelled(before.saturating_add(amount)),
            Self::EventCancelled(before) => Self::EventCancelled(before.saturating_add(amount)),
            Self::TicketsCancelled(tickets, before) => Self::TicketsCancelled(tickets, before.saturating_add(amount)),
            Self::PaidBack(before) => Self::PaidBack(before.saturating_add(amount)),
            Self::Confirmed | Self::OtherPaidBack | Self::Offered | Self::Transferred(..) => self,
        }
    }

    /// The same, with one more ticket that is cancelled while the others stand.
    #[must_use]
    pub const fn with_ticket(self) -> Self {
        match self {
            Self::PaidBack(amount) => Self::TicketsCancelled(1, amount),
            Self::TicketsCancelled(before, amount) => Self::TicketsCancelled(before.saturating_add(1), amount),
            other => other,
        }
    }

    /// How much goes back, where it is about that.
    #[must_use]
    pub const fn refund(self) -> Option<i64> {
        match self {
            Self::Cancelled(amount)
            | Self::EventCancelled(amount)
            | Self::TicketsCancelled(_, amount)
            | Self::PaidBack(amount) => Some(amount),
            Self::Confirmed | Self::OtherPaidBack | Self::Offered | Self::Transferred(..) => None,
        }
    }
}

/// The notices of one commit, as far as they are not told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoticeBatch {
    /// Its id, of version 7: of an older commit it is lower, as far as clocks agree.
    pub id: Uuid,
    /// In the order in which they were decided; at least one.
    pub notices: Vec<Notice>,
}

impl NoticeBatch {
    /// When it was noted, by its id; long ago, where that says nothing.
    fn noted_at(&self) -> Timestamp {
        let since_1970 = self.id.get_timestamp().map(|at| at.to_unix());
        let at = since_1970.and_then(|(seconds, nanos)| Timestamp::from_timestamp(seconds.try_into().ok()?, nanos));
        at.unwrap_or_default()
    }
}

/// Where notices wait. They are put there by `LaneTransaction::write`.
#[async_trait]
pub trait NoticeReads: Send + Sync {
    /// The oldest batch.
    async fn oldest_notices(&self) -> Result<Option<NoticeBatch>, StoreError>;
}

/// Notices within a transaction.
#[async_trait]
pub trait NoticeRepository {
    /// Takes the first `told` of a batch away; `false`, and nothing is changed, where the batch is not as it was read.
    async fn settle_notices(&mut self, batch: &NoticeBatch, told: usize) -> Result<bool, StoreError>;
}

/// How many notices one round takes, where nobody else has work.
pub(super) const MANY: usize = 100;
/// How many in a rush that lasts.
pub(super) const FEW: usize = 10;
/// For so long a notice waits for the end of a rush.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);
/// How many notices are looked into at a time.
pub(super) const AT_ONCE: usize = 8;
/// Between two looks where nothing waits, and while people buy.
pub(super) const PAUSE: TimeDelta = TimeDelta::seconds(1);
/// For so long it is worth telling that something was cancelled or goes back.
const WORTH: TimeDelta = TimeDelta::days(7);

/// Job `buyers.tell`: makes mails of notices. Mail and notice change in one transaction, so that each is told once.
pub struct TellBuyers {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// What is to be told.
    pub notices: Arc<dyn NoticeReads>,
    /// Of which bookings.
    pub bookings: Arc<dyn BookingReads>,
    /// Of which tickets.
    pub tickets: Arc<dyn AdmissionStore>,
    /// Of which events.
    pub events: Arc<dyn CatalogReads>,
    /// Whom.
    pub accounts: Arc<dyn IdentityReads>,
    /// How.
    pub mails: Arc<Mails>,
    /// Says whether people buy.
    pub desk: Desk,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// A mail to be.
pub(super) struct Wish {
    pub(super) to: EmailAddress,
    pub(super) language: Language,
    pub(super) content: MailContent,
    pub(super) encloses: Option<Enclosed>,
    pub(super) not_after: Timestamp,
}

/// What a notice becomes.
#[derive(Default)]
enum Told {
    #[default]
    Nothing,
    Mail(Wish),
    Job(NewJob),
}

#[async_trait]
impl JobHandler for TellBuyers {
    fn kind(&self) -> &'static str {
        "buyers.tell"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mut told = 0;
        let pause = loop {
            match self.tell(told).await? {
                0 => break PAUSE,
                more => told += more,
            }
            if told >= MANY {
                break TimeDelta::zero();
            }
        };
        Ok(JobOutcome::Again { run_at: self.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl TellBuyers {
    /// Tells what the oldest commit has noted, after so many of this round; says how many it has told.
    async fn tell(&self, before: usize) -> Result<usize, AppError> {
        let Some(batch) = self.notices.oldest_notices().await? else { return Ok(0) };
        let most = at_once(self.desk.rush().is_some(), self.clock.now() - batch.noted_at());
        let told = batch.notices.len().min(most.saturating_sub(before));
        if told == 0 {
            return Ok(0);
        }
        let notices = batch.notices.iter().take(told).copied();
        let all: Vec<Told> = futures::stream::iter(notices)
            .map(async |notice| unless_away(self.told(notice).await, notice))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut uow = self.store.begin().await?;
        if !uow.settle_notices(&batch, told).await? {
            return Ok(0); // somebody else has told them
        }
        for told in all {
            match told {
                Told::Nothing => {}
                Told::Mail(wish) => self.mail_in_op(uow.as_mut(), wish).await?,
                Told::Job(job) => uow.rouse_job(&job).await?,
            }
        }
        uow.commit().await?;
        Ok(told)
    }

    /// A mail goes out once the transaction is committed.
    pub(super) async fn mail_in_op(&self, uow: &mut dyn UnitOfWork, wish: Wish) -> Result<(), AppError> {
        let Wish { to, language, content, encloses, not_after } = wish;
        let within = (self.clock.now(), not_after);
        match content {
            // It ends: it does not wait for better times.
            MailContent::WaitingListOffer { .. } => self.mails.send_in_op(uow, &to, language, content, within).await,
            _ => self.mails.tell_in_op(uow, &to, language, content, encloses, within).await,
        }
    }

    async fn told(&self, notice: Notice) -> Result<Told, AppError> {
        match notice {
            Notice::Booking(booking, kind) => Ok(self.wish(booking, kind).await?.map_or(Told::Nothing, Told::Mail)),
            Notice::EventMoved(event) => {
                moved::job(JobId::new(self.ids.uuid()), event, self.clock.now()).map(Told::Job)
            }
        }
    }

    /// None where there is nobody to tell, or nothing any more.
    async fn wish(&self, of: BookingId, kind: NoticeKind) -> Result<Option<Wish>, AppError> {
        let Some(booking) = self.bookings.booking(of).await? else { return Ok(None) };
        let Some(seen) = self.events.sale(booking.event).await? else { return Ok(None) };
        let terms = &seen.sale.event.terms;
        let buyer = self.buyer(&booking).await?;
        let (event, when) = (terms.name.as_str().to_owned(), when(terms));
        let reference = booking.reference.to_string();
        let money = |minor| Money { minor, currency: booking.total.currency }.to_string();
        let paid_back = |minor| if minor == 0 { String::new() } else { money(minor) };
        let venue = venue(terms);
        let (to, content, encloses) = match kind {
            NoticeKind::Confirmed if booking.status != BookingStatus::Confirmed => return Ok(None),
            NoticeKind::Confirmed => {
                let (units, total) = (booking.kept_units(), paid_back(booking.total.minor));
                let content = MailContent::Tickets { event, when, venue, reference, units, total };
                (buyer, content, Some(Enclosed::Tickets(booking.id.uuid())))
            }
            NoticeKind::Cancelled(amount) => {
                (buyer, MailContent::BookingCancelled { event, when, reference, paid_back: paid_back(amount) }, None)
            }
            NoticeKind::EventCancelled(amount) => {
                (buyer, MailContent::EventCancelled { event, when, reference, paid_back: paid_back(amount) }, None)
            }
            NoticeKind::TicketsCancelled(tickets, amount) => {
                let content =
                    MailContent::TicketsCancelled { event, when, reference, tickets, paid_back: paid_back(amount) };
                (buyer, content, None)
            }
            NoticeKind::PaidBack(amount) => {
                (buyer, MailContent::PaidBack { event, reference, amount: money(amount) }, None)
            }
            NoticeKind::OtherPaidBack => (buyer, MailContent::OtherPaidBack { event, reference }, None),
            NoticeKind::Offered => return Ok(self.offer(&booking, terms, buyer)),
            NoticeKind::Transferred(ticket, issue) => {
                let holder = self.holder(&booking, ticket, issue).await?;
                let holder = holder.map(|to| (to, buyer.map(|(_, language)| language).unwrap_or_default()));
                (
                    holder,
                    MailContent::TicketTransferred { event, when, venue },
                    Some(Enclosed::Ticket(ticket.uuid(), issue)),
                )
            }
        };
        let not_after = if encloses.is_some() { terms.end_at } else { self.clock.now() + WORTH };
        Ok(to.map(|(to, language)| Wish { to, language, content, encloses, not_after }))
    }

    /// What is offered, until when, and where it is taken; none where it is not to be had any more.
    fn offer(&self, booking: &Booking, terms: &EventTerms, buyer: Option<(EmailAddress, Language)>) -> Option<Wish> {
        let holds = |hold: &HoldTerms| booking.status == BookingStatus::Pending && self.clock.now() < hold.release_at;
        let until = booking.hold.filter(holds)?.expires_at;
        let (to, language) = buyer?;
        let item = booking.items.first()?;
        let content = MailContent::WaitingListOffer {
            event: terms.name.as_str().to_owned(),
            when: when(terms),
            tickets: format!("{} × {}", item.quantity, item.name),
            total: if booking.total.is_zero() { String::new() } else { booking.total.to_string() },
            held_until: local(until, terms),
            reference: booking.reference.to_string(),
            // No secret: whoever follows it signs in as the buyer.
            link: self.mails.link("offer", &booking.id.to_string()),
        };
        Some(Wish { to, language, content, encloses: None, not_after: until })
    }

    /// Whom to write to, and in which language; nobody where the account is gone.
    pub(super) async fn buyer(&self, booking: &Booking) -> Result<Option<(EmailAddress, Language)>, AppError> {
        Ok(match &booking.buyer {
            Buyer::Account(user) => {
                let user = self.accounts.user_by_id(*user).await?.filter(|user| user.deleted_at.is_none());
                user.map(|user| (user.email, user.language))
            }
            Buyer::Guest(email) => Some((email.clone(), Language::default())),
        })
    }

    /// The address of who has got the ticket by this issue of its code; nobody where it was passed on since.
    async fn holder(&self, booking: &Booking, ticket: TicketId, issue: u32) -> Result<Option<EmailAddress>, AppError> {
        let ticket = self.tickets.ticket(ticket).await?.filter(|ticket| ticket.issue == issue);
        let place = ticket.and_then(|ticket| ticket.attendee);
        Ok(place.and_then(|place| attendee(booking, place)))
    }
}

/// The address of who comes at this place among the attendees of a booking.
pub(super) fn attendee(booking: &Booking, place: u16) -> Option<EmailAddress> {
    booking.attendees.get(usize::from(place)).and_then(|attendee| attendee.email.clone())
}

/// Whether mails of bookings are better left for now: printing the tickets that are enclosed takes more than selling them
/// did.
pub(super) fn rests(desk: &Desk) -> bool {
    desk.rush().and_then(|lasts| TimeDelta::from_std(lasts).ok()).is_some_and(|lasts| lasts < PATIENCE)
}

/// Jobs [`BOOKING_MAIL`]: mails of bookings go out.
pub struct MailBuyers {
    /// What sends them.
    pub send: Arc<SendMail>,
    /// Says whether people buy.
    pub desk: Desk,
}

#[async_trait]
impl JobHandler for MailBuyers {
    fn kind(&self) -> &'static str {
        BOOKING_MAIL
    }

    fn recurs(&self) -> bool {
        self.send.recurs()
    }

    fn tries_max(&self) -> Option<u32> {
        self.send.tries_max()
    }

    fn at_once(&self) -> usize {
        self.send.at_once()
    }

    fn rests(&self) -> bool {
        rests(&self.desk)
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        self.send.run(job).await
    }
}

/// How many notices are told in one round, in a rush or not, where the oldest is so old.
fn at_once(is_rush: bool, age: TimeDelta) -> usize {
    match (is_rush, age >= PATIENCE) {
        (false, _) => MANY,
        (true, true) => FEW,
        (true, false) => 0,
    }
}

/// What cannot be told for a defect of ours keeps nobody else waiting.
pub(super) fn unless_away<T: Default>(told: Result<T, AppError>, of: impl fmt::Debug) -> Result<T, AppError> {
    match told {
        Err(error) if !matches!(error, AppError::Unavailable { .. }) => {
            tracing::error!(?of, %error, "A buyer cannot be told of his booking");
            Ok(T::default())
        }
        told => told,
    }
}

/// Where it is, or nothing.
pub(super) fn venue(terms: &EventTerms) -> String {
    terms.venue.as_ref().map(|venue| venue.as_str().to_owned()).unwrap_or_default()
}

/// When it begins, on the clocks of the place.
pub(super) fn when(terms: &EventTerms) -> String {
    local(terms.start_at, terms)
}

/// An instant on the clocks of the place.
fn local(at: Timestamp, terms: &EventTerms) -> String {
    format!("{} ({})", at.with_timezone(&terms.timezone).format("%Y-%m-%d %H:%M"), terms.timezone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_wait_while_people_buy_and_not_for_ever() {
        let (young, old) = (TimeDelta::seconds(10), TimeDelta::minutes(6));
        assert_eq!([at_once(false, young), at_once(true, young), at_once(true, old)], [MANY, 0, FEW]);
    }

    #[test]
    fn an_id_tells_when_a_batch_was_noted() {
        let at = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let of = |id| NoticeBatch { id, notices: Vec::new() }.noted_at();
        assert_eq!(of(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_800_000_000, 0))), at);
        assert_eq!(of(Uuid::from_u128(7)), Timestamp::UNIX_EPOCH, "another kind of id keeps nobody waiting");
    }

    #[test]
    fn refunds_add_up_where_there_are_any() {
        assert_eq!(NoticeKind::Cancelled(0).with_refund(5).with_refund(7).refund(), Some(12));
        assert_eq!(NoticeKind::Confirmed.with_refund(5), NoticeKind::Confirmed);
        assert_eq!(NoticeKind::Confirmed.refund(), None);
    }
}
