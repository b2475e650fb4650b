//! Use cases: a booking is made, confirmed, renewed, cancelled and read.

use std::net::IpAddr;
use std::sync::Arc;

use domain::booking::{
    AttendeeRequest, Booking, BookingStatus, Buyer, Canceller, Channel, HoldRequest, PromoFound, PromoWord, Quote,
    Reference, Refusal, UnitsRequest, quote, unknown_promo_code,
};
use domain::{BookingId, EventId, Limit, Problems, Text, UserId};
use tracing::Instrument;

use crate::access::{Agent, Operation, PlatformOperation, Subject, require_on_platform};
use crate::booking::shares::{Running, Shares, Wish};
use crate::booking::{BookingFilter, BookingParties, BookingReads, Command, Desk, Outcome, Parties, WaitingListReads};
use crate::catalog::{Catalog, EventRef};
use crate::clock::Ids;
use crate::error::AppError;
use crate::guard::Holder;
use crate::idempotency::{Answer, IdempotencyKey, InFlight};
use crate::origin::{Origin, Principal};
use crate::page::{Page, probe};

/// Bookings.
pub struct Bookings {
    pub(super) ports: BookingPorts,
    pub(super) in_flight: InFlight,
    shares: Shares,
}

/// What bookings need from outside.
#[derive(Clone)]
pub struct BookingPorts {
    /// The lanes.
    pub desk: Desk,
    /// Reads.
    pub reads: Arc<dyn BookingReads>,
    /// Whom bookings concern.
    pub parties: Parties,
    /// Reads of waiting lists.
    pub waiting_lists: Arc<dyn WaitingListReads>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// The events, and who manages them.
    pub catalog: Arc<Catalog>,
}

/// A booking as a transport hands it in.
#[derive(Clone, Debug)]
pub struct HoldTickets {
    /// What.
    pub units: UnitsRequest,
    /// Who will come.
    pub attendees: Vec<AttendeeRequest>,
    /// The total that the buyer has seen.
    pub expected_total: Option<i64>,
    /// The promo code, as the buyer typed it.
    pub promo_code: Option<String>,
    /// Where it is sold.
    pub channel: Channel,
}

/// The most characters of the note to a confirmation.
const NOTE_MAX: usize = 1_000;

impl Bookings {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: BookingPorts) -> Self {
        let shares = Shares::new(Arc::clone(&ports.reads));
        Self { ports, in_flight: InFlight::default(), shares }
    }

    /// Whether a booking of this event would be let in; asked before any costly work, authentication included.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] while too many wait.
    pub fn admit(&self, event: EventId) -> Result<(), AppError> {
        self.ports.desk.admit(event)
    }

    /// Holds tickets for the caller: all units or none. What costs nothing is confirmed at once. With a key, the first
    /// success is answered again.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an event that the caller may not know of, and the refusals of
    /// [`domain::booking::hold`]; [`AppError::RateLimited`] for too many tries, or too many units held.
    pub async fn hold_tickets(
        &self,
        agent: &Agent,
        event: &EventRef,
        request: HoldTickets,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Booking>, AppError> {
        let principal = require_on_platform(agent, PlatformOperation::Buy, false)?;
        let id = self.ports.catalog.resolve(event).await?;
        let (guards, address) = (self.ports.catalog.guards(), origin.address);
        let names_code = request.promo_code.is_some();
        if names_code {
            guards.has_guessed_promo_codes(agent, address).await?;
        }
        let units = guards.book(principal.user, id, &request.units, address).await?;
        let answer = self.hold_in(id, principal, agent, request, key, origin).await;
        if names_code && is_unknown_code(&answer) {
            guards.guessed_promo_code(agent, address).await;
        }
        // Only what is held counts as held: not what was refused, was held before, or is sold at once.
        let holds = |answer: &Answer<Booking>| !answer.replayed && answer.value.status == BookingStatus::Pending;
        match &answer {
            Ok(held) if holds(held) => self.ports.parties.remember(&held.value),
            _ => guards.give_back_units(&units).await,
        }
        answer
    }

    async fn hold_in(
        &self,
        id: EventId,
        principal: &Principal,
        agent: &Agent,
        request: HoldTickets,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Booking>, AppError> {
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let booking = BookingId::new(self.ports.ids.uuid());
        let running = self.enter(id, principal.user, booking, &request, key.as_ref(), origin.address).await?;
        let hold = HoldRequest {
            id: booking,
            reference: Reference::of(self.ports.ids.random(), 0),
            buyer: Buyer::Account(principal.user),
            channel: request.channel,
            units: request.units,
            attendees: request.attendees,
            expected_total: request.expected_total,
            promo_code: request.promo_code.as_deref().map(promo_word).transpose()?,
        };
        let command = Command::Hold(Box::new(hold));
        let answer = match running {
            None => self.ports.desk.submit(id, command, origin, key).await,
            Some(running) => self.submit_to_its_end(id, command, origin, key, running).await,
        };
        match answer {
            Err(error @ AppError::Refused(Refusal::SalesClosed(_) | Refusal::Invalid(_))) => {
                // A draft has no buyers, and who may not see it hears that there is none.
                self.ports.catalog.event(agent, &EventRef::Id(id)).await?;
                Err(error)
            }
            answer => booking_of(answer?),
        }
    }

    /// Lets somebody ask for units, where nobody would hold more than his share by that.
    async fn enter(
        &self,
        event: EventId,
        buyer: UserId,
        booking: BookingId,
        request: &HoldTickets,
        key: Option<&IdempotencyKey>,
        address: Option<IpAddr>,
    ) -> Result<Option<Running>, AppError> {
        let (catalog, units) = (&self.ports.catalog, &request.units);
        if !catalog.guards().are_on() {
            return Ok(None);
        }
        // Whether there is such an event its lane knows.
        let Some(seen) = catalog.sale(event).await? else { return Ok(None) };
        let now = catalog.now();
        // Without its code nothing can be said of what needs one.
        let would_hold = || {
            let quote = quote(&seen.sale, units, None, request.expected_total, now);
            quote.map_or(request.promo_code.is_some(), |quote| !quote.total.is_zero())
        };
        let wish = Wish { sale: &seen.sale, units, booking, would_hold: &would_hold };
        match (self.shares.enter(catalog.guards(), &wish, &Holder::both(buyer, address), now).await, key) {
            (Err(AppError::RateLimited(_)), Some(key)) if catalog.has_answered(key).await? => Ok(None),
            (entered, _) => entered,
        }
    }

    /// Submits, and drops `running` when that is decided, also where nobody waits for it any more.
    async fn submit_to_its_end(
        &self,
        event: EventId,
        command: Command,
        origin: Origin,
        key: Option<IdempotencyKey>,
        running: Running,
    ) -> Result<Answer<Outcome>, AppError> {
        let desk = self.ports.desk.clone();
        let submitted = async move {
            let answer = desk.submit(event, command, origin, key).await;
            drop(running);
            answer
        };
        tokio::spawn(submitted.in_current_span()).await.unwrap_or(Err(AppError::Internal))
    }

    /// What these units would cost at this moment, and why. Nothing is taken, and nothing asked of the database but the
    /// event, where that was not seen within the second, and the promo code, where one is named.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an event that the caller may not know of, and the refusals of
    /// [`domain::booking::quote`].
    pub async fn quote(
        &self,
        agent: &Agent,
        event: &EventRef,
        request: &HoldTickets,
        address: Option<IpAddr>,
    ) -> Result<Quote, AppError> {
        let seen = self.ports.catalog.event(agent, event).await?.seen;
        let (units, expected, now) = (&request.units, request.expected_total, self.ports.catalog.now());
        let Some(typed) = &request.promo_code else { return Ok(quote(&seen.sale, units, None, expected, now)?) };
        let guards = self.ports.catalog.guards();
        guards.has_guessed_promo_codes(agent, address).await?;
        let code = match PromoWord::read(typed) {
            Some(word) => self.ports.reads.promo_code_named(seen.sale.event.id, &word).await?,
            None => None,
        };
        // How often he has used it his booking finds out.
        let found = code.as_ref().map(|code| PromoFound { code, of_buyer: 0 });
        let answer = quote(&seen.sale, units, Some(found), expected, now).map_err(AppError::from);
        if is_unknown_code(&answer) {
            guards.guessed_promo_code(agent, address).await;
        }
        answer
    }

    /// The organizer has the money, by cash or transfer: the hold becomes the contract. What the waiting list has offered for
    /// nothing its buyer takes in the same way. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for the buyer of anything else, [`AppError::NotFound`] for strangers, and the refusals of
    /// [`domain::booking::confirm`].
    pub async fn confirm(
        &self,
        agent: &Agent,
        id: BookingId,
        note: Option<&str>,
        origin: Origin,
    ) -> Result<Booking, AppError> {
        let booking = match self.permitted(agent, Operation::ConfirmBooking, id).await {
            Err(AppError::Forbidden) if self.is_free_offer(id).await? => {
                self.permitted(agent, Operation::TakeFreeOffer, id).await?
            }
            permitted => permitted?,
        };
        let note = note
            .map(|note| Text::parse("note", note, NOTE_MAX))
            .transpose()
            .map_err(|wrong: Problems| AppError::from(wrong))?;
        self.submit(&booking, Command::Confirm { booking: id, note }, origin).await
    }

    /// Gives the units back, by the buyer or by the organizer. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for strangers, and the refusals of [`domain::booking::cancel`].
    pub async fn cancel(&self, agent: &Agent, id: BookingId, origin: Origin) -> Result<Booking, AppError> {
        let booking = self.permitted(agent, Operation::CancelBooking, id).await?;
        // Whoever may also confirm acts for the organizer, whose rules then hold, be he the buyer or not.
        let (access, subject) = (self.ports.catalog.access(), Subject::booking(&booking));
        let acts_for_it = access.may(agent, Operation::ConfirmBooking, &subject).await?;
        let by = if acts_for_it { Canceller::Organizer } else { Canceller::Buyer };
        self.submit(&booking, Command::Cancel(id, by), origin).await
    }

    /// A longer hold, within its absolute end.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for everybody but the buyer, and the refusals of [`domain::booking::renew`];
    /// [`AppError::RateLimited`] for too many units held.
    pub async fn renew(&self, agent: &Agent, id: BookingId, origin: Origin) -> Result<Booking, AppError> {
        let booking = self.permitted_to_read(agent, Operation::RenewBooking, id).await?;
        let guards = self.ports.catalog.guards();
        let held = match &booking.buyer {
            Buyer::Account(user) => Some(guards.hold(*user, booking.event, booking.units(), origin.address).await?),
            Buyer::Guest(_) => None,
        };
        let renewed = self.submit(&BookingParties::of(&booking), Command::Renew(id), origin).await;
        if let (Err(_), Some(held)) = (&renewed, &held) {
            guards.give_back_units(held).await;
        }
        renewed
    }

    /// One booking: the caller's, or one of his organizer.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub async fn booking(&self, agent: &Agent, id: BookingId) -> Result<Booking, AppError> {
        self.permitted_to_read(agent, Operation::SeeBooking, id).await
    }

    /// A page of the caller's bookings, newest first, behind `before`.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn my_bookings(
        &self,
        agent: &Agent,
        filter: &BookingFilter,
        before: Option<BookingId>,
        limit: Limit,
    ) -> Result<Page<Booking>, AppError> {
        let principal = require_on_platform(agent, PlatformOperation::Buy, false)?;
        let rows = self.ports.reads.bookings_of(principal.user, filter, before, probe(limit)).await?;
        Ok(Page::of(rows, limit))
    }

    /// A page of the bookings of an event, newest first, behind `before`; for who manages it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others.
    pub async fn event_bookings(
        &self,
        agent: &Agent,
        event: EventId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        limit: Limit,
    ) -> Result<Page<Booking>, AppError> {
        self.ports.catalog.require(agent, Operation::ListBookings, event).await?;
        Ok(Page::of(self.ports.reads.bookings_in(event, filter, before, probe(limit)).await?, limit))
    }

    /// Whom a booking concerns, for what is noted of a reader who was let in; nobody, if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn parties(&self, id: BookingId) -> Result<Option<BookingParties>, AppError> {
        Ok(self.ports.parties.of(id).await?)
    }

    /// Whether it is an offer of what costs nothing; neither changes in the life of a booking.
    async fn is_free_offer(&self, id: BookingId) -> Result<bool, AppError> {
        Ok(self.ports.reads.booking(id).await?.is_some_and(|booking| booking.is_free_offer()))
    }

    /// Whom the booking concerns, for who may do this to it. The booking itself is read under the lock of its lane.
    async fn permitted(&self, agent: &Agent, operation: Operation, id: BookingId) -> Result<BookingParties, AppError> {
        let parties = self.ports.parties.of(id).await?.ok_or(AppError::NotFound("booking"))?;
        self.require(agent, operation, &parties).await?;
        Ok(parties)
    }

    /// The booking as it is now, for who may do this to it.
    async fn permitted_to_read(&self, agent: &Agent, operation: Operation, id: BookingId) -> Result<Booking, AppError> {
        let booking = self.ports.reads.booking(id).await?.ok_or(AppError::NotFound("booking"))?;
        self.require(agent, operation, &BookingParties::of(&booking)).await?;
        Ok(booking)
    }

    async fn require(&self, agent: &Agent, operation: Operation, parties: &BookingParties) -> Result<(), AppError> {
        self.ports.catalog.access().require(agent, operation, &Subject::booking(parties), "booking").await
    }

    async fn submit(&self, booking: &BookingParties, command: Command, origin: Origin) -> Result<Booking, AppError> {
        let answer = self.ports.desk.submit(booking.event, command, origin, None).await?;
        booking_of(answer).map(|answer| answer.value)
    }
}

/// What a buyer typed as a promo code. What can be none is none.
fn promo_word(typed: &str) -> Result<PromoWord, AppError> {
    PromoWord::read(typed).ok_or_else(|| Refusal::from(unknown_promo_code()).into())
}

/// Whether a code was named that there is not.
pub(super) fn is_unknown_code<T>(answer: &Result<T, AppError>) -> bool {
    let Err(AppError::Refused(Refusal::Invalid(problems))) = answer else { return false };
    *problems == unknown_promo_code()
}

fn booking_of(answer: Answer<Outcome>) -> Result<Answer<Booking>, AppError> {
    match answer.value {
        Outcome::Booking(booking) => Ok(Answer { value: *booking, replayed: answer.replayed }),
        Outcome::Ticket(..)
        | Outcome::Payment(..)
        | Outcome::KnownPayment(_)
        | Outcome::Refunds(..)
        | Outcome::KnownRefunds(_)
        | Outcome::Scan(_)
        | Outcome::Unpaid(_)
        | Outcome::Scans(_)
        | Outcome::CheckIn(_)
        | Outcome::CheckInList(_)
        | Outcome::Synced(_)
        | Outcome::Expired(_)
        | Outcome::Sale(_)
        | Outcome::PromoCode(_)
        | Outcome::WaitingListEntry(_)
        | Outcome::OffersMade
        | Outcome::Deleted => Err(AppError::Internal),
    }
}
