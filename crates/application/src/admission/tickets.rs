//! Use cases: tickets are read with their codes, issued anew, and passed on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::admission::{CheckInList, CodeText, Holder, Ticket, TicketChange, TicketStatus, Validity};
use domain::booking::{Attendee, Booking};
use domain::catalog::EventTerms;
use domain::{BookingId, EventId, Language, OrganizerId, TicketId, Timestamp};
use moka::future::Cache;

use super::keys::EventKeys;
use super::printing::{Paper, TicketPrinter, TicketSheet};
use crate::access::{Agent, Operation, Subject};
use crate::admission::AdmissionStore;
use crate::audit::Signer;
use crate::booking::{BookingParties, BookingReads, Command, Desk, Outcome, Parties};
use crate::catalog::{Catalog, CatalogReads};
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::idempotency::InFlight;
use crate::identity::Sealer;
use crate::origin::Origin;
use crate::store::Store;

/// How long the keys of an event are remembered: within it, every replica signs by a new one.
const KEYS_REMEMBERED: Duration = Duration::from_secs(5);
/// Of how many events the keys are remembered.
const KEYS_MAX: u64 = 1_000;
/// How long the check-in lists of an event are remembered: within it, a change of one is obeyed on every replica.
const LISTS_REMEMBERED: Duration = Duration::from_secs(1);
/// Of how many events the check-in lists are remembered.
const LISTS_MAX: u64 = 1_000;
/// After so many signatures others get their turn.
const SIGNED_AT_ONCE: usize = 64;

/// What tickets need from outside.
#[derive(Clone)]
pub struct TicketPorts {
    /// The lanes.
    pub desk: Desk,
    /// Bookings.
    pub bookings: Arc<dyn BookingReads>,
    /// Whom they concern.
    pub parties: Parties,
    /// Events.
    pub events: Arc<dyn CatalogReads>,
    /// Tickets and keys.
    pub store: Arc<dyn AdmissionStore>,
    /// Transactions.
    pub units: Arc<dyn Store>,
    /// Who may do what.
    pub catalog: Arc<Catalog>,
    /// Signs codes.
    pub signer: Arc<dyn Signer>,
    /// Seals the keys.
    pub sealer: Arc<dyn Sealer>,
    /// Prints.
    pub printer: Arc<dyn TicketPrinter>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// Tickets.
pub struct Tickets {
    pub(super) ports: TicketPorts,
    pub(super) keys: Cache<EventId, Arc<EventKeys>>,
    pub(super) lists: Cache<EventId, Arc<[Arc<CheckInList>]>>,
    pub(super) in_flight: InFlight,
}

/// A ticket as its holder gets it.
#[derive(Clone, Debug)]
pub struct IssuedTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// Who comes with it, where the buyer said so.
    pub attendee: Option<Attendee>,
    /// What lets him in; none where nothing does any more.
    pub code: Option<CodeText>,
    /// When it let in somebody, where that counts.
    pub first_admitted_at: Option<Timestamp>,
}

impl Tickets {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: TicketPorts) -> Self {
        let keys = Cache::builder().max_capacity(KEYS_MAX).time_to_live(KEYS_REMEMBERED).build();
        let lists = Cache::builder().max_capacity(LISTS_MAX).time_to_live(LISTS_REMEMBERED).build();
        Self { ports, keys, lists, in_flight: InFlight::default() }
    }

    /// The tickets of a booking, by their units: none before it is confirmed, revoked ones after it is cancelled.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than its buyer and its organizer.
    pub async fn tickets(&self, agent: &Agent, booking: BookingId) -> Result<Vec<IssuedTicket>, AppError> {
        let booking = self.ports.bookings.booking(booking).await?.ok_or(AppError::NotFound("booking"))?;
        self.require(agent, Operation::SeeTickets, &BookingParties::of(&booking), "booking").await?;
        let tickets = self.ports.store.tickets_of(booking.id).await?;
        self.issued(tickets, &booking).await
    }

    /// One ticket.
    ///
    /// # Errors
    /// As [`tickets`](Self::tickets).
    pub async fn ticket(&self, agent: &Agent, id: TicketId) -> Result<IssuedTicket, AppError> {
        let (ticket, booking) = self.seen(agent, id).await?;
        self.one(ticket, &booking).await
    }

    /// Whom a ticket concerns, for what is noted of a reader who was let in; nobody, if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn parties(&self, id: TicketId) -> Result<Option<BookingParties>, AppError> {
        match self.ports.store.ticket(id).await? {
            Some(ticket) => Ok(self.ports.parties.of(ticket.booking).await?),
            None => Ok(None),
        }
    }

    /// One ticket on paper, as a PDF, which bears its code.
    ///
    /// # Errors
    /// As [`tickets`](Self::tickets); [`AppError::InvalidState`] where it is revoked; and [`AppError::busy`] where too many
    /// are printed at the same time.
    pub async fn printed(
        &self,
        agent: &Agent,
        id: TicketId,
        language: Language,
        paper: Paper,
    ) -> Result<Vec<u8>, AppError> {
        let (sheet, ..) = self.sheet_of(agent, id, (language, paper)).await?;
        self.print(vec![sheet]).await
    }

    /// What stands on the sheet of a ticket that lets in, the ticket, and whose event it opens.
    pub(super) async fn sheet_of(
        &self,
        agent: &Agent,
        id: TicketId,
        form: (Language, Paper),
    ) -> Result<(TicketSheet, Ticket, OrganizerId), AppError> {
        let (ticket, booking) = self.seen(agent, id).await?;
        let issued = self.one(ticket.clone(), &booking).await?;
        let seen = self.ports.events.sale(booking.event).await?.ok_or(AppError::NotFound("event"))?;
        let sheet = sheet(issued, &booking, &seen.sale.event.terms, form);
        let sheet = sheet.ok_or_else(|| no_code(&ticket))?;
        Ok((sheet, ticket, booking.organizer))
    }

    pub(super) async fn print(&self, sheets: Vec<TicketSheet>) -> Result<Vec<u8>, AppError> {
        Ok(self.ports.printer.print(sheets).await?)
    }

    /// Another code for the same person: from this commit on the one before opens nothing.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than its buyer and its organizer, and the refusals of
    /// [`domain::admission::change_ticket`].
    pub async fn reissue(&self, agent: &Agent, id: TicketId, origin: Origin) -> Result<IssuedTicket, AppError> {
        let ticket = self.permitted(agent, Operation::ChangeTickets, id).await?;
        self.change(&ticket, TicketChange::Reissue, origin).await
    }

    /// The ticket is somebody else's, with another code.
    ///
    /// # Errors
    /// As [`reissue`](Self::reissue); and the fields that do not hold.
    pub async fn transfer(
        &self,
        agent: &Agent,
        id: TicketId,
        name: &str,
        email: Option<&str>,
        origin: Origin,
    ) -> Result<IssuedTicket, AppError> {
        // Who may not know of the ticket does not hear what is wrong with his request.
        let ticket = self.permitted(agent, Operation::ChangeTickets, id).await?;
        let holder = Holder::parse(name, email)?;
        if let Some(email) = &holder.email {
            // He gets a mail by it.
            self.ports.catalog.guards().mail(email).await?;
        }
        self.change(&ticket, TicketChange::Transfer(holder), origin).await
    }

    /// Its codes let in nobody from this commit on, until it is unblocked: then the same ones let in again. Done twice, it is
    /// done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than its organizer, and the refusals of
    /// [`domain::admission::change_ticket`].
    pub async fn block(
        &self,
        agent: &Agent,
        id: TicketId,
        blocked: bool,
        origin: Origin,
    ) -> Result<IssuedTicket, AppError> {
        let ticket = self.permitted(agent, Operation::BlockTickets, id).await?;
        let change = if blocked { TicketChange::Block } else { TicketChange::Unblock };
        self.change(&ticket, change, origin).await
    }

    /// The ticket and its booking, for who may see them.
    async fn seen(&self, agent: &Agent, id: TicketId) -> Result<(Ticket, Booking), AppError> {
        let ticket = self.ports.store.ticket(id).await?.ok_or(AppError::NotFound("ticket"))?;
        let booking = self.ports.bookings.booking(ticket.booking).await?.ok_or(AppError::NotFound("ticket"))?;
        self.require(agent, Operation::SeeTickets, &BookingParties::of(&booking), "ticket").await?;
        Ok((ticket, booking))
    }

    async fn change(&self, ticket: &Ticket, change: TicketChange, origin: Origin) -> Result<IssuedTicket, AppError> {
        let Ticket { id, booking, event, .. } = *ticket;
        let command = Command::ChangeTicket { booking, ticket: id, change };
        match self.ports.desk.submit(event, command, origin, None).await?.value {
            Outcome::Ticket(ticket, booking) => self.one(*ticket, &booking).await,
            _ => Err(AppError::Internal),
        }
    }

    /// The ticket, for who may change it. It is read again under the lock of its lane.
    async fn permitted(&self, agent: &Agent, operation: Operation, id: TicketId) -> Result<Ticket, AppError> {
        let ticket = self.ports.store.ticket(id).await?.ok_or(AppError::NotFound("ticket"))?;
        let parties = self.ports.parties.of(ticket.booking).await?.ok_or(AppError::NotFound("ticket"))?;
        self.require(agent, operation, &parties, "ticket").await?;
        Ok(ticket)
    }

    async fn require(
        &self,
        agent: &Agent,
        operation: Operation,
        parties: &BookingParties,
        what: &'static str,
    ) -> Result<(), AppError> {
        self.ports.catalog.access().require(agent, operation, &Subject::booking(parties), what).await
    }

    async fn one(&self, ticket: Ticket, booking: &Booking) -> Result<IssuedTicket, AppError> {
        self.issued(vec![ticket], booking).await?.pop().ok_or(AppError::Internal)
    }

    pub(super) async fn issued(&self, tickets: Vec<Ticket>, booking: &Booking) -> Result<Vec<IssuedTicket>, AppError> {
        let with_code = tickets.iter().any(|ticket| ticket.status == TicketStatus::Valid);
        let signing = if with_code { Some(self.signing(booking.event).await?) } else { None };
        let ids: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
        let entries = self.ports.store.counted_check_ins(&ids).await?;
        let mut first: HashMap<TicketId, Timestamp> = HashMap::new();
        for entry in entries {
            first.entry(entry.ticket).and_modify(|at| *at = entry.at.min(*at)).or_insert(entry.at);
        }
        let mut issued = Vec::with_capacity(tickets.len());
        for (count, ticket) in tickets.into_iter().enumerate() {
            if count > 0 && count.is_multiple_of(SIGNED_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            let attendee = ticket.attendee.and_then(|place| booking.attendees.get(usize::from(place)).cloned());
            let code = match &signing {
                Some((keys, validity)) if ticket.status == TicketStatus::Valid => {
                    Some(keys.code(&self.ports, &ticket, *validity)?)
                }
                _ => None,
            };
            let first_admitted_at = first.get(&ticket.id).copied();
            issued.push(IssuedTicket { ticket, attendee, code, first_admitted_at });
        }
        Ok(issued)
    }

    async fn signing(&self, event: EventId) -> Result<(Arc<EventKeys>, Validity), AppError> {
        let seen = self.ports.events.sale(event).await?.ok_or(AppError::NotFound("event"))?;
        Ok((self.keys(event).await?, Validity::of(&seen.sale.event.terms)))
    }
}

/// Why a ticket has no code.
#[must_use]
pub fn no_code(ticket: &Ticket) -> AppError {
    AppError::InvalidState(format!("the ticket is {}", ticket.status.as_str()))
}

/// What stands on the sheet of a ticket; none where it does not let in.
pub(super) fn sheet(
    issued: IssuedTicket,
    booking: &Booking,
    terms: &EventTerms,
    (language, paper): (Language, Paper),
) -> Option<TicketSheet> {
    let of_type = booking.items.iter().find(|item| item.ticket_type == issued.ticket.ticket_type);
    Some(TicketSheet {
        language,
        paper,
        event: terms.clone(),
        ticket_type: of_type.map(|item| item.name.as_str().to_owned()).unwrap_or_default(),
        attendee: issued.attendee.and_then(|attendee| attendee.name).map(|name| name.as_str().to_owned()),
        reference: booking.reference.to_string(),
        unit: issued.ticket.unit,
        units: booking.units(),
        code: issued.code?,
    })
}
