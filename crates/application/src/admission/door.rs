//! Use cases: a code is shown at the door, or the reference of a booking that is not paid, and an entry is undone.

use domain::admission::{
    CheckIn, CheckInRequest, CodeClaims, DoorPayment, Scan, ScanResult, SignedCode, UnpaidBooking,
};
use domain::booking::Reference;
use domain::{BookingId, CheckInId, CheckInListId, EventId, Problems, Timestamp};

use super::tickets::Tickets;
use crate::access::{Agent, Operation};
use crate::booking::{BookingFilter, Command, Outcome};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;

/// What a scanner sends.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// What it has read, whatever that is.
    pub code: &'a str,
    /// By which list it lets in; none means the one that every event has.
    pub list: Option<CheckInListId>,
    /// Where it stands.
    pub gate: Option<&'a str>,
    /// When it has read it, as it claims.
    pub at: Option<Timestamp>,
    /// What the door has taken for the booking whose reference was shown, in minor units of the event's currency.
    pub paid: Option<i64>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// A code, which lets in or not.
    Scan(Scan),
    /// The reference of a booking that is not paid.
    Unpaid(UnpaidBooking),
    /// The reference of a booking that was paid at the door: each of its tickets has let in.
    Paid(Vec<Scan>),
}

impl Tickets {
    /// Lets in with a code, once. With a key, the first entry is answered again; what let nobody in is decided anew. Who shows
    /// the reference of a booking hears what is due, as long as it is held; and where that was taken from him, the booking is
    /// confirmed and lets in with all of its tickets, or nothing is changed.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door, and for a list that is none;
    /// [`AppError::Forbidden`] for who takes money and may not confirm bookings; [`AppError::RateLimited`] for who has shown
    /// too many codes that are none; a gate that is none; money for a code; and, where money was taken, the refusals of
    /// [`domain::admission::pay_at_door`] and [`domain::booking::confirm`].
    pub async fn check_in(
        &self,
        agent: &Agent,
        event: EventId,
        presented: Presented<'_>,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Shown>, AppError> {
        self.ports.catalog.require(agent, Operation::CheckIn, event).await?;
        if presented.paid.is_some() {
            self.ports.catalog.require(agent, Operation::ConfirmBooking, event).await?;
        }
        let gate = CheckInRequest::gate(presented.gate)?;
        let list = self.list(event, presented.list).await?;
        let guards = self.ports.catalog.guards();
        guards.has_guessed_tickets(agent).await?;
        let device_at = presented.at;
        let command = match self.verified(presented.code).await? {
            Some(_) if presented.paid.is_some() => {
                return Err(Problems::one(
                    "paid",
                    "not_due",
                    "a ticket is paid: money is for the reference of a booking",
                )
                .into());
            }
            Some(claims) if claims.event != event => {
                return Ok(Answer::fresh(Shown::Scan(Scan::refused(ScanResult::WrongEvent))));
            }
            Some(CodeClaims { ticket, issue, .. }) => {
                let id = CheckInId::new(self.ports.ids.uuid());
                Command::CheckIn(Box::new(CheckInRequest { id, ticket, issue, list, gate, device_at }))
            }
            None => match self.booked(event, presented.code).await? {
                Some(booking) => {
                    let paid = presented.paid;
                    Command::PayAtDoor(Box::new(DoorPayment { booking, paid, list, gate, device_at }))
                }
                None => {
                    guards.guessed_ticket(agent).await;
                    return Ok(Answer::fresh(Shown::Scan(Scan::refused(ScanResult::Invalid))));
                }
            },
        };
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let answer = self.ports.desk.submit(event, command, origin, key).await?;
        let shown = match answer.value {
            Outcome::Scan(scan) => Shown::Scan(*scan),
            Outcome::Unpaid(booking) => Shown::Unpaid(*booking),
            Outcome::Scans(scans) => Shown::Paid(scans),
            _ => return Err(AppError::Internal),
        };
        Ok(Answer { value: shown, replayed: answer.replayed })
    }

    /// The booking of the event that this is the reference of, if it is one.
    async fn booked(&self, event: EventId, shown: &str) -> Result<Option<BookingId>, AppError> {
        let Some(reference) = Reference::parse(shown) else { return Ok(None) };
        let filter = BookingFilter { reference: Some(reference), ..BookingFilter::default() };
        Ok(self.ports.bookings.bookings_in(event, &filter, None, 1).await?.pop().map(|booking| booking.id))
    }

    /// The entry counts no more, and its ticket lets in again. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who may not.
    pub async fn undo_check_in(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInId,
        origin: Origin,
    ) -> Result<CheckIn, AppError> {
        self.ports.catalog.require(agent, Operation::UndoCheckIn, event).await?;
        self.change_check_in(event, Command::UndoCheckIn(id), origin).await
    }

    /// Who had entered is outside again, and may enter again. Done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door, and the refusals of
    /// [`domain::admission::exit_check_in`].
    pub async fn exit_check_in(
        &self,
        agent: &Agent,
        event: EventId,
        id: CheckInId,
        origin: Origin,
    ) -> Result<CheckIn, AppError> {
        self.ports.catalog.require(agent, Operation::CheckIn, event).await?;
        // On which list an entry is never changes, so that it may be read outside of the lane.
        let entry = self.ports.store.check_in(id).await?.filter(|entry| entry.event == event);
        let entry = entry.ok_or(AppError::NotFound("check-in"))?;
        let list = self.list_of(event, entry.list).await?.ok_or(AppError::NotFound("check-in list"))?;
        self.change_check_in(event, Command::ExitCheckIn { id, list }, origin).await
    }

    async fn change_check_in(&self, event: EventId, command: Command, origin: Origin) -> Result<CheckIn, AppError> {
        match self.ports.desk.submit(event, command, origin, None).await?.value {
            Outcome::CheckIn(entry) => Ok(*entry),
            _ => Err(AppError::Internal),
        }
    }

    /// What the code says, if a key of its event has signed it.
    pub(super) async fn verified(&self, code: &str) -> Result<Option<CodeClaims>, AppError> {
        let Ok(code) = SignedCode::parse(code) else { return Ok(None) };
        let (event, number) = code.key();
        let Some(public_key) = self.public_key(event, number).await? else { return Ok(None) };
        let signer = &self.ports.signer;
        Ok(code.verified(|message, signature| signer.verify(&public_key, message, signature)).ok())
    }
}
