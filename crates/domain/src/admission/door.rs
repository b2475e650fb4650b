//! The door: a ticket lets in once on a list.

use crate::admission::{Ticket, TicketStatus, Validity};
use crate::booking::{Refusal, Sale};
use crate::catalog::EventStatus;
use crate::{CheckInId, CheckInListId, EventId, Problems, Text, TicketId, TicketTypeId, Timestamp};

/// An entry that counts, or counted until it was undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckIn {
    /// Its id.
    pub id: CheckInId,
    /// On which list.
    pub list: CheckInListId,
    /// With which ticket.
    pub ticket: TicketId,
    /// Where.
    pub gate: Option<Text>,
    /// When, by the clock of the server.
    pub at: Timestamp,
    /// When, as the scanner claims.
    pub device_at: Option<Timestamp>,
    /// Since when it does not count.
    pub undone_at: Option<Timestamp>,
}

/// A code was read whose signature holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckInRequest {
    /// Id of the entry to be.
    pub id: CheckInId,
    /// The ticket that it names.
    pub ticket: TicketId,
    /// The issue that it is of.
    pub issue: u32,
    /// Where it was read.
    pub gate: Option<Text>,
    /// When it was read, as the scanner claims.
    pub device_at: Option<Timestamp>,
}

/// What became of a code at the door.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScanResult {
    /// Let in, now.
    Admitted,
    /// Its ticket has let in somebody before.
    AlreadyUsed,
    /// It was replaced by another code, or its ticket was taken back.
    Revoked,
    /// Too early, too late, or the event is cancelled.
    NotValidNow,
    /// It is a ticket of another event.
    WrongEvent,
    /// It is no code of ours.
    Invalid,
}

/// A result, and what the door may know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The word.
    pub result: ScanResult,
    /// The ticket, where it is of this event.
    pub ticket: Option<ScannedTicket>,
    /// The entry that counts: this one, or the one before.
    pub check_in: Option<CheckIn>,
}

/// What the door may know of a ticket: nobody's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScannedTicket {
    /// Which.
    pub id: TicketId,
    /// Of which type.
    pub ticket_type: TicketTypeId,
    /// How its type is called.
    pub type_name: Text,
    /// Which unit of its booking.
    pub unit: u32,
}

impl ScanResult {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::AlreadyUsed => "already_used",
            Self::Revoked => "revoked",
            Self::NotValidNow => "not_valid_now",
            Self::WrongEvent => "wrong_event",
            Self::Invalid => "invalid",
        }
    }
}

impl CheckInListId {
    /// The list that every event has from the start: all of its tickets, each once.
    #[must_use]
    pub const fn default_of(event: EventId) -> Self {
        Self::new(event.uuid())
    }
}

impl Scan {
    /// A code that opens nothing here, and tells nothing.
    #[must_use]
    pub const fn refused(result: ScanResult) -> Self {
        Self { result, ticket: None, check_in: None }
    }
}

impl CheckInRequest {
    /// Reads the field `gate`.
    ///
    /// # Errors
    /// The field, where it does not hold.
    pub fn gate(typed: Option<&str>) -> Result<Option<Text>, Problems> {
        typed.map(|gate| Text::parse("gate", gate, 100)).transpose()
    }
}

/// Decides whether a code lets in. `ticket` is the one that it names, `counted` the entry that counts for it.
#[must_use]
pub fn check_in(
    sale: &Sale,
    ticket: Option<&Ticket>,
    counted: Option<&CheckIn>,
    request: &CheckInRequest,
    now: Timestamp,
) -> Scan {
    let Some(ticket) = ticket.filter(|ticket| ticket.event == sale.event.id && request.issue <= ticket.issue) else {
        // Signed by a key of ours, and of nothing that we have issued: a database was restored behind its tickets.
        return Scan::refused(ScanResult::Invalid);
    };
    let type_name = sale.ticket_type(ticket.ticket_type).map(|known| known.name.clone());
    let shown = type_name.map(|type_name| ScannedTicket {
        id: ticket.id,
        ticket_type: ticket.ticket_type,
        type_name,
        unit: ticket.unit,
    });
    let refused = |result| Scan { ticket: shown.clone(), ..Scan::refused(result) };
    if ticket.status == TicketStatus::Revoked || request.issue < ticket.issue {
        return refused(ScanResult::Revoked);
    }
    if let Some(counted) = counted {
        return Scan { check_in: Some(counted.clone()), ..refused(ScanResult::AlreadyUsed) };
    }
    if sale.event.status == EventStatus::Cancelled || !Validity::of(&sale.event.terms).holds(now) {
        return refused(ScanResult::NotValidNow);
    }
    let check_in = CheckIn {
        id: request.id,
        list: CheckInListId::default_of(sale.event.id),
        ticket: ticket.id,
        gate: request.gate.clone(),
        at: now,
        device_at: request.device_at,
        undone_at: None,
    };
    Scan { result: ScanResult::Admitted, check_in: Some(check_in), ticket: shown }
}

/// The entry counts no more, as if nobody had entered; none where it was undone before.
///
/// # Errors
/// [`Refusal::NotFound`] where it is on the list of another event.
pub fn undo_check_in(sale: &Sale, check_in: &CheckIn, now: Timestamp) -> Result<Option<CheckIn>, Refusal> {
    if check_in.list != CheckInListId::default_of(sale.event.id) {
        return Err(Refusal::NotFound("check-in"));
    }
    Ok(check_in.undone_at.is_none().then(|| CheckIn { undone_at: Some(now), ..check_in.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::fixture::{at, draft, id};
    use crate::booking::Sale;
    use crate::catalog::{NewTicketType, StatusChange};
    use crate::{BookingId, PoolId};

    /// It begins in a day and an hour, and ends an hour later.
    fn sale() -> Sale {
        let new_type = NewTicketType {
            name: "Standing".into(),
            price: 0,
            capacity: None,
            pool_ids: vec![],
            min_per_booking: None,
            max_per_booking: None,
            max_per_buyer: None,
            sales_start_at: None,
            sales_end_at: None,
            hidden: false,
        };
        let sale = draft(90_000, 93_600);
        let sale = sale.with_ticket_type(TicketTypeId::new(id(4)), PoolId::new(id(5)), &new_type, "").unwrap();
        Sale { event: sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap(), ..sale }
    }

    fn ticket() -> Ticket {
        Ticket {
            id: TicketId::new(id(7)),
            booking: BookingId::new(id(8)),
            event: EventId::new(id(1)),
            ticket_type: TicketTypeId::new(id(4)),
            unit: 2,
            status: TicketStatus::Valid,
            issue: 3,
            attendee: None,
        }
    }

    fn request(issue: u32) -> CheckInRequest {
        let gate = CheckInRequest::gate(Some("North")).unwrap();
        CheckInRequest { id: CheckInId::new(id(9)), ticket: TicketId::new(id(7)), issue, gate, device_at: Some(at(5)) }
    }

    fn word(ticket: Option<&Ticket>, counted: Option<&CheckIn>, issue: u32, now: Timestamp) -> ScanResult {
        check_in(&sale(), ticket, counted, &request(issue), now).result
    }

    #[test]
    fn a_ticket_lets_in_once_until_that_is_undone() {
        let first = check_in(&sale(), Some(&ticket()), None, &request(3), at(3_600));
        assert_eq!(first.result, ScanResult::Admitted);
        let entry = first.check_in.unwrap();
        assert_eq!(
            (entry.ticket, entry.at, entry.device_at, entry.undone_at),
            (ticket().id, at(3_600), Some(at(5)), None)
        );
        let shown = first.ticket.unwrap();
        assert_eq!((shown.unit, shown.type_name.as_str()), (2, "Standing"));
        let second = check_in(&sale(), Some(&ticket()), Some(&entry), &request(3), at(3_700));
        assert_eq!((second.result, second.check_in.as_ref()), (ScanResult::AlreadyUsed, Some(&entry)));
        let undone = undo_check_in(&sale(), &entry, at(3_800)).unwrap().unwrap();
        assert_eq!(undone, CheckIn { undone_at: Some(at(3_800)), ..entry.clone() });
        assert_eq!(undo_check_in(&sale(), &undone, at(3_900)), Ok(None), "twice is once");
        let elsewhere = CheckIn { list: CheckInListId::new(id(6)), ..entry };
        assert_eq!(undo_check_in(&sale(), &elsewhere, at(3_800)), Err(Refusal::NotFound("check-in")));
    }

    #[test]
    fn each_refusal_has_its_word() {
        let (valid, now) = (ticket(), at(3_600));
        assert_eq!(word(Some(&valid), None, 2, now), ScanResult::Revoked, "an issue that was replaced");
        let revoked = Ticket { status: TicketStatus::Revoked, ..ticket() };
        assert_eq!(word(Some(&revoked), None, 3, now), ScanResult::Revoked);
        assert_eq!(word(Some(&valid), None, 4, now), ScanResult::Invalid, "an issue that never was");
        assert_eq!(word(None, None, 3, now), ScanResult::Invalid);
        let foreign = Ticket { event: EventId::new(id(6)), ..ticket() };
        assert_eq!(word(Some(&foreign), None, 3, now), ScanResult::Invalid);
        assert_eq!(word(Some(&valid), None, 3, at(3_599)), ScanResult::NotValidNow, "a day before and a second");
        assert_eq!(word(Some(&valid), None, 3, at(93_599)), ScanResult::Admitted);
        assert_eq!(word(Some(&valid), None, 3, at(93_600)), ScanResult::NotValidNow);
        let mut cancelled = sale();
        cancelled.event = cancelled.event.stepped(StatusChange::Cancel, at(0)).unwrap().unwrap();
        assert_eq!(check_in(&cancelled, Some(&valid), None, &request(3), now).result, ScanResult::NotValidNow);
    }
}
