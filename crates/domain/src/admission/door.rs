//! The door: a ticket lets in once on a list, or again after each exit.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::admission::{CheckInList, EntryRule, Ticket, TicketStatus, Validity};
use crate::booking::{Refusal, Sale};
use crate::catalog::EventStatus;
use crate::{CheckInId, CheckInListId, EventId, Problems, Text, TicketId, TicketTypeId, Timestamp};

/// An entry that counts, or counted until it was undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckIn {
    /// Its id.
    pub id: CheckInId,
    /// At which event.
    pub event: EventId,
    /// On which list.
    pub list: CheckInListId,
    /// With which ticket.
    pub ticket: TicketId,
    /// Which entry of its ticket on its list, from 1. None where it does not count, because another one came before it.
    pub turn: Option<u32>,
    /// Where.
    pub gate: Option<Text>,
    /// When, by the clock of the server.
    pub at: Timestamp,
    /// When, as the scanner claims.
    pub device_at: Option<Timestamp>,
    /// How it came to us, where its scanner had no network.
    pub synced: Option<Synced>,
    /// What somebody should know of it.
    pub flag: Option<Flag>,
    /// When who had entered went out again.
    pub exited_at: Option<Timestamp>,
    /// Since when it does not count.
    pub undone_at: Option<Timestamp>,
    /// Counts what became of it, from 1.
    pub sequence: u32,
    /// When something became of it last, by the time of its lane.
    pub changed_at: Timestamp,
}

/// How a scan that was made without a network came to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synced {
    /// When.
    pub received_at: Timestamp,
    /// How far the clock of the scanner was behind ours, in whole microseconds.
    pub skew: TimeDelta,
}

/// What somebody should know of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Flag {
    /// Another scanner had let in with the same ticket before.
    Conflict,
    /// The ticket was revoked already, and its scanner did not know.
    Revoked,
    /// The ticket is blocked, and its scanner did not know.
    Blocked,
    /// The list would not have let in, and its scanner did not know.
    NotAllowed,
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
    /// By which list it was read.
    pub list: Arc<CheckInList>,
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
    /// Its ticket is blocked for the time being.
    Blocked,
    /// Too early, too late, or the event is cancelled.
    NotValidNow,
    /// Its type does not enter by this list.
    NotOnList,
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
            Self::Blocked => "blocked",
            Self::NotValidNow => "not_valid_now",
            Self::NotOnList => "not_on_list",
            Self::WrongEvent => "wrong_event",
            Self::Invalid => "invalid",
        }
    }
}

impl Flag {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Revoked => "revoked",
            Self::Blocked => "blocked",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl CheckIn {
    /// Whether it is one of the entries of its ticket: neither undone nor in conflict with another.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.undone_at.is_none() && self.turn.is_some()
    }

    /// The entry after something became of it.
    pub(super) fn changed(&self, now: Timestamp) -> Self {
        Self { sequence: self.sequence + 1, changed_at: now, ..self.clone() }
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

/// Decides whether a code lets in. `ticket` is the one that it names, `counting` are the entries that count for it, on
/// whatever list.
#[must_use]
pub fn check_in(
    sale: &Sale,
    ticket: Option<&Ticket>,
    counting: &[&CheckIn],
    request: &CheckInRequest,
    now: Timestamp,
) -> Scan {
    let Some(ticket) = ticket.filter(|ticket| ticket.event == sale.event.id && request.issue <= ticket.issue) else {
        // Signed by a key of ours, and of nothing that we have issued: a database was restored behind its tickets.
        return Scan::refused(ScanResult::Invalid);
    };
    let shown = shown(sale, ticket);
    let refused = |result| Scan { ticket: shown.clone(), ..Scan::refused(result) };
    if ticket.status == TicketStatus::Revoked || request.issue < ticket.issue {
        return refused(ScanResult::Revoked);
    }
    if let TicketStatus::Blocked(_) = ticket.status {
        return refused(ScanResult::Blocked);
    }
    let terms = &request.list.terms;
    if !terms.has(ticket.ticket_type) {
        return refused(ScanResult::NotOnList);
    }
    let last = last_on(&request.list, counting);
    if let Some(last) = last.filter(|last| terms.entry == EntryRule::Once || last.exited_at.is_none()) {
        return Scan { check_in: Some(last.clone()), ..refused(ScanResult::AlreadyUsed) };
    }
    if !is_open(sale, &request.list, now) {
        return refused(ScanResult::NotValidNow);
    }
    let check_in = CheckIn {
        id: request.id,
        event: sale.event.id,
        list: request.list.id,
        ticket: ticket.id,
        turn: Some(last.and_then(|last| last.turn).unwrap_or(0) + 1),
        gate: request.gate.clone(),
        at: now,
        device_at: request.device_at,
        synced: None,
        flag: None,
        exited_at: None,
        undone_at: None,
        sequence: 1,
        changed_at: now,
    };
    Scan { result: ScanResult::Admitted, check_in: Some(check_in), ticket: shown }
}

/// The last entry on the list of those that count.
pub(super) fn last_on<'c>(list: &CheckInList, counting: &[&'c CheckIn]) -> Option<&'c CheckIn> {
    let here = counting.iter().copied().filter(|entry| entry.list == list.id && entry.counts());
    here.max_by_key(|entry| entry.turn)
}

/// Whether the event and the list let in at all.
pub(super) fn is_open(sale: &Sale, list: &CheckInList, at: Timestamp) -> bool {
    let event = &sale.event;
    event.status != EventStatus::Cancelled && Validity::of(&event.terms).holds(at) && list.terms.holds(at)
}

fn shown(sale: &Sale, ticket: &Ticket) -> Option<ScannedTicket> {
    let type_name = sale.ticket_type(ticket.ticket_type)?.name.clone();
    Some(ScannedTicket { id: ticket.id, ticket_type: ticket.ticket_type, type_name, unit: ticket.unit })
}

/// Whoever had entered is outside again, and may enter again; none where he was before.
///
/// # Errors
/// [`Refusal::NotFound`] where the entry is of another event; [`Refusal::InvalidState`] where its list lets in once, or it
/// does not count.
pub fn exit_check_in(
    sale: &Sale,
    list: &CheckInList,
    check_in: &CheckIn,
    now: Timestamp,
) -> Result<Option<CheckIn>, Refusal> {
    if check_in.event != sale.event.id || check_in.list != list.id {
        return Err(Refusal::NotFound("check-in"));
    }
    if list.terms.entry == EntryRule::Once {
        return Err(Refusal::state("its list lets in once: who goes out does not come in again"));
    }
    if !check_in.counts() {
        return Err(Refusal::state("the entry does not count"));
    }
    Ok(check_in.exited_at.is_none().then(|| CheckIn { exited_at: Some(now), ..check_in.changed(now) }))
}

/// The entry counts no more, as if nobody had entered; none where it was undone before.
///
/// # Errors
/// [`Refusal::NotFound`] where it is of another event.
pub fn undo_check_in(sale: &Sale, check_in: &CheckIn, now: Timestamp) -> Result<Option<CheckIn>, Refusal> {
    if check_in.event != sale.event.id {
        return Err(Refusal::NotFound("check-in"));
    }
    Ok(check_in.undone_at.is_none().then(|| CheckIn { undone_at: Some(now), ..check_in.changed(now) }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admission::{Blocker, ListTerms};
    use crate::booking::Sale;
    use crate::catalog::StatusChange;
    use crate::fixture::{at, draft_of, id, ticket_type};
    use crate::{BookingId, PoolId};

    /// It begins in a day and an hour, and ends an hour later.
    pub(in super::super) fn sale() -> Sale {
        let (sale, new_type) = (draft_of(90_000, 93_600), ticket_type(0, None));
        let sale = sale.with_ticket_type(TicketTypeId::new(id(4)), PoolId::new(id(5)), &new_type, "").unwrap();
        Sale { event: sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap(), ..sale }
    }

    pub(in super::super) fn ticket() -> Ticket {
        Ticket {
            id: TicketId::new(id(7)),
            booking: BookingId::new(id(8)),
            event: EventId::new(id(1)),
            ticket_type: TicketTypeId::new(id(4)),
            unit: 2,
            status: TicketStatus::Valid,
            issue: 3,
            attendee: None,
            passed_on: false,
        }
    }

    fn request(issue: u32) -> CheckInRequest {
        let gate = CheckInRequest::gate(Some("North")).unwrap();
        let list = Arc::new(CheckInList::default_of(EventId::new(id(1))));
        let (id, ticket) = (CheckInId::new(id(9)), TicketId::new(id(7)));
        CheckInRequest { id, ticket, issue, list, gate, device_at: Some(at(5)) }
    }

    pub(in super::super) fn on(terms: ListTerms) -> CheckInRequest {
        let list = CheckInList { terms, ..CheckInList::default_of(EventId::new(id(1))) };
        CheckInRequest { list: Arc::new(list), ..request(3) }
    }

    fn word(ticket: Option<&Ticket>, issue: u32, now: Timestamp) -> ScanResult {
        check_in(&sale(), ticket, &[], &request(issue), now).result
    }

    #[test]
    fn a_ticket_lets_in_once_until_that_is_undone() {
        let first = check_in(&sale(), Some(&ticket()), &[], &request(3), at(3_600));
        assert_eq!(first.result, ScanResult::Admitted);
        let entry = first.check_in.unwrap();
        assert_eq!(
            (entry.ticket, entry.at, entry.device_at, entry.undone_at),
            (ticket().id, at(3_600), Some(at(5)), None)
        );
        let shown = first.ticket.unwrap();
        assert_eq!((shown.unit, shown.type_name.as_str()), (2, "Standing"));
        let second = check_in(&sale(), Some(&ticket()), &[&entry], &request(3), at(3_700));
        assert_eq!((second.result, second.check_in.as_ref()), (ScanResult::AlreadyUsed, Some(&entry)));
        let undone = undo_check_in(&sale(), &entry, at(3_800)).unwrap().unwrap();
        let after = CheckIn { sequence: 2, changed_at: at(3_800), ..entry.clone() };
        assert_eq!(undone, CheckIn { undone_at: Some(at(3_800)), ..after });
        assert_eq!(undo_check_in(&sale(), &undone, at(3_900)), Ok(None), "twice is once");
        let elsewhere = CheckIn { event: EventId::new(id(6)), ..entry };
        assert_eq!(undo_check_in(&sale(), &elsewhere, at(3_800)), Err(Refusal::NotFound("check-in")));
    }

    #[test]
    fn each_refusal_has_its_word() {
        let (valid, now) = (ticket(), at(3_600));
        assert_eq!(word(Some(&valid), 2, now), ScanResult::Revoked, "an issue that was replaced");
        let revoked = Ticket { status: TicketStatus::Revoked, ..ticket() };
        assert_eq!(word(Some(&revoked), 3, now), ScanResult::Revoked);
        let blocked = Ticket { status: TicketStatus::Blocked(Blocker::Staff), ..ticket() };
        assert_eq!(word(Some(&blocked), 3, now), ScanResult::Blocked);
        assert_eq!(word(Some(&blocked), 2, now), ScanResult::Revoked, "whatever becomes of the block");
        assert_eq!(word(Some(&valid), 4, now), ScanResult::Invalid, "an issue that never was");
        assert_eq!(word(None, 3, now), ScanResult::Invalid);
        let foreign = Ticket { event: EventId::new(id(6)), ..ticket() };
        assert_eq!(word(Some(&foreign), 3, now), ScanResult::Invalid);
        assert_eq!(word(Some(&valid), 3, at(3_599)), ScanResult::NotValidNow, "a day before and a second");
        assert_eq!(word(Some(&valid), 3, at(93_599)), ScanResult::Admitted);
        assert_eq!(word(Some(&valid), 3, at(93_600)), ScanResult::NotValidNow);
        let mut cancelled = sale();
        cancelled.event = cancelled.event.stepped(StatusChange::Cancel, at(0)).unwrap().unwrap();
        assert_eq!(check_in(&cancelled, Some(&valid), &[], &request(3), now).result, ScanResult::NotValidNow);
    }

    #[test]
    fn a_list_says_who_enters_and_when() {
        let of =
            |ticket_type| ListTerms { ticket_types: vec![TicketTypeId::new(id(ticket_type))], ..ListTerms::default() };
        let word = |terms: ListTerms, now| check_in(&sale(), Some(&ticket()), &[], &on(terms), now).result;
        assert_eq!(word(of(4), at(3_600)), ScanResult::Admitted);
        assert_eq!(word(of(5), at(3_600)), ScanResult::NotOnList);
        let window = ListTerms { from: Some(at(5_000)), until: Some(at(6_000)), ..ListTerms::default() };
        for (now, expected) in [
            (4_999, ScanResult::NotValidNow),
            (5_000, ScanResult::Admitted),
            (5_999, ScanResult::Admitted),
            (6_000, ScanResult::NotValidNow),
        ] {
            assert_eq!(word(window.clone(), at(now)), expected, "{now}");
        }
        let wide = ListTerms { until: Some(at(99_000)), ..ListTerms::default() };
        assert_eq!(word(wide, at(93_600)), ScanResult::NotValidNow, "a list opens no event that is over");
    }

    #[test]
    fn re_entry_is_after_an_exit_and_each_list_for_itself() {
        let again = on(ListTerms { entry: EntryRule::ReEntry, ..ListTerms::default() });
        let scan = |counting: &[&CheckIn], now| check_in(&sale(), Some(&ticket()), counting, &again, at(now));
        let first = scan(&[], 3_600).check_in.unwrap();
        assert_eq!(first.turn, Some(1));
        assert_eq!(scan(&[&first], 3_601).result, ScanResult::AlreadyUsed, "he is inside");
        let out = exit_check_in(&sale(), &again.list, &first, at(3_700)).unwrap().unwrap();
        assert_eq!((out.exited_at, out.sequence, out.changed_at), (Some(at(3_700)), 2, at(3_700)));
        assert_eq!(exit_check_in(&sale(), &again.list, &out, at(3_800)), Ok(None), "out twice is out once");
        let second = scan(&[&out], 3_900).check_in.unwrap();
        assert_eq!(second.turn, Some(2));
        assert_eq!(scan(&[&second, &out], 3_901).check_in, Some(second.clone()), "the last entry is shown");
        // Where it lets in once, an exit opens nothing; nor is there any.
        assert_eq!(check_in(&sale(), Some(&ticket()), &[&out], &request(3), at(3_900)).result, ScanResult::AlreadyUsed);
        let refused = exit_check_in(&sale(), &request(3).list, &first, at(3_700));
        assert!(matches!(refused, Err(Refusal::InvalidState(_))));
        // Another list knows nothing of it.
        let mut other = request(3);
        Arc::make_mut(&mut other.list).id = CheckInListId::new(id(99));
        assert_eq!(check_in(&sale(), Some(&ticket()), &[&first], &other, at(3_700)).result, ScanResult::Admitted);
        let undone = undo_check_in(&sale(), &second, at(4_000)).unwrap().unwrap();
        let refused = exit_check_in(&sale(), &again.list, &undone, at(4_001));
        assert!(matches!(refused, Err(Refusal::InvalidState(_))), "what does not count has no exit");
        assert_eq!(scan(&[&undone, &out], 4_002).check_in.unwrap().turn, Some(2), "its turn is free again");
    }
}
