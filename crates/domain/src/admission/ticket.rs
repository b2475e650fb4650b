//! A ticket: the right to enter with one unit of a confirmed booking.

use crate::booking::{Attendee, Booking, BookingStatus, Decided, FactKind, Refusal, Sale};
use crate::catalog::EventStatus;
use crate::{BookingId, EmailAddress, EventId, Problems, Text, TicketId, TicketTypeId, Timestamp};

/// A ticket as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// Its booking.
    pub booking: BookingId,
    /// The event that it opens.
    pub event: EventId,
    /// The type of its unit.
    pub ticket_type: TicketTypeId,
    /// Which unit of the booking, from 1.
    pub unit: u32,
    /// Whether it lets in.
    pub status: TicketStatus,
    /// Counts its issues from 1. The code of the last one is the only one that lets in; an issue never comes back.
    pub issue: u32,
    /// Who comes with it: the place among the attendees of the booking.
    pub attendee: Option<u16>,
    /// Whether it was sent to an address of its own, so that its codes are for who has that, and not for its buyer.
    pub passed_on: bool,
}

/// Whether a ticket lets in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TicketStatus {
    /// The code of its last issue does.
    Valid,
    /// None of its codes does for the time being.
    Blocked(Blocker),
    /// None of its codes does, ever again.
    Revoked,
}

/// Why a ticket does not let in for the time being.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Blocker {
    /// Somebody of the organizer wants it so. Nothing but his like lifts it.
    Staff,
    /// A bank asks back what paid it. If it is not to get it, the ticket lets in again by itself.
    Dispute,
}

impl TicketStatus {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Blocked(_) => "blocked",
            Self::Revoked => "revoked",
        }
    }
}

/// Who shall come with a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Name.
    pub name: Text,
    /// Address.
    pub email: Option<EmailAddress>,
}

impl Holder {
    /// Reads the fields `name` and `email`.
    ///
    /// # Errors
    /// The fields that do not hold.
    pub fn parse(name: &str, email: Option<&str>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take(Text::parse("name", name, 200));
        let email = problems.take(email.map(|email| EmailAddress::parse("email", email)).transpose());
        match (name, email) {
            (Some(name), Some(email)) => Ok(Self { name, email }),
            _ => Err(problems),
        }
    }
}

/// What somebody wants of a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TicketChange {
    /// Another code, for the same person.
    Reissue,
    /// Another code, for another person.
    Transfer(Holder),
    /// It is to let in nobody for the time being.
    Block,
    /// It is to let in again.
    Unblock,
}

/// A ticket that was issued anew, blocked or unblocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issue {
    /// As it is now.
    pub ticket: Ticket,
    /// Its booking, which tells of it.
    pub decided: Decided,
}

/// The tickets of a booking that was confirmed: one for each unit, in the order of its items. Those who will come are
/// given to the units of their type in the order in which the buyer named them.
#[must_use]
pub fn issue(booking: &Booking, mut fresh: impl FnMut() -> TicketId) -> Vec<Ticket> {
    let mut tickets = Vec::with_capacity(booking.units() as usize);
    let mut unit = 0;
    for item in &booking.items {
        let of_type = |(place, attendee): (usize, &Attendee)| {
            u16::try_from(place).ok().filter(|_| attendee.ticket_type == item.ticket_type)
        };
        let mut attendees = booking.attendees.iter().enumerate().filter_map(of_type);
        for _ in 0..item.quantity {
            unit += 1;
            tickets.push(Ticket {
                id: fresh(),
                booking: booking.id,
                event: booking.event,
                ticket_type: item.ticket_type,
                unit,
                status: TicketStatus::Valid,
                issue: 1,
                attendee: attendees.next(),
                passed_on: false,
            });
        }
    }
    tickets
}

/// Whether this decision takes away the tickets of its booking: it was confirmed, and is not any more.
#[must_use]
pub fn revoke(decided: &Decided) -> bool {
    decided.before == Some(BookingStatus::Confirmed) && decided.booking.status != BookingStatus::Confirmed
}

/// Issues a ticket anew: what its older codes opened, only the new one opens. Done twice, it is done twice. Or blocks it, so
/// that its codes let in nobody until it is unblocked, and the same codes let in again: done twice, that is done once, and
/// `None` is answered. What a dispute has blocked, staff may keep blocked whatever becomes of the dispute, and unblock.
///
/// # Errors
/// [`Refusal::NotFound`] where the ticket is not of this booking; [`Refusal::InvalidState`] where it is revoked or its
/// booking is not confirmed any more, and where it shall be issued anew while it is blocked, after its event was cancelled or
/// is over, or, to be passed on, after it has let in somebody (`used`).
pub fn change_ticket(
    sale: &Sale,
    booking: &Booking,
    ticket: &Ticket,
    used: bool,
    change: &TicketChange,
    now: Timestamp,
) -> Result<Option<Issue>, Refusal> {
    if ticket.booking != booking.id {
        return Err(Refusal::NotFound("ticket"));
    }
    if booking.status != BookingStatus::Confirmed || ticket.status == TicketStatus::Revoked {
        return Err(Refusal::state("the ticket is revoked"));
    }
    let (status, kind) = match change {
        TicketChange::Block => (TicketStatus::Blocked(Blocker::Staff), FactKind::TicketBlocked(ticket.id)),
        TicketChange::Unblock => (TicketStatus::Valid, FactKind::TicketUnblocked(ticket.id)),
        TicketChange::Reissue | TicketChange::Transfer(_) => {
            return reissued(sale, booking, ticket, used, change, now).map(Some);
        }
    };
    if ticket.status == status {
        return Ok(None);
    }
    Ok(Some(Issue { ticket: Ticket { status, ..ticket.clone() }, decided: booking.told(kind, now) }))
}

fn reissued(
    sale: &Sale,
    booking: &Booking,
    ticket: &Ticket,
    used: bool,
    change: &TicketChange,
    now: Timestamp,
) -> Result<Issue, Refusal> {
    let status = sale.event.status_at(now);
    if matches!(status, EventStatus::Cancelled | EventStatus::Ended | EventStatus::Archived) {
        return Err(Refusal::state(format!("the event is {status}: its tickets stay as they are")));
    }
    if let TicketStatus::Blocked(_) = ticket.status {
        return Err(Refusal::state("the ticket is blocked"));
    }
    if used && matches!(change, TicketChange::Transfer(_)) {
        return Err(Refusal::state("the ticket was used: it cannot be passed on any more"));
    }
    let issue = ticket.issue.checked_add(1).ok_or_else(|| Refusal::state("the ticket was issued too often"))?;
    let ticket = Ticket { issue, ..ticket.clone() };
    let TicketChange::Transfer(holder) = change else {
        let decided = booking.told(FactKind::TicketReissued(ticket.id), now);
        return Ok(Issue { ticket, decided });
    };
    let decided = booking.told(FactKind::TicketTransferred(ticket.id), now);
    let mut next = Issue { ticket, decided };
    next.hand_to(holder)?;
    Ok(next)
}

/// How a ticket stands after a fact of the money that paid its booking, where that changes it: `blocks` says whether disputes
/// block tickets at this event, and `is_disputed` whether a bank asks back, or has taken back, any of that money now.
#[must_use]
pub fn disputed(ticket: &Ticket, blocks: bool, is_disputed: bool) -> Option<TicketStatus> {
    match (ticket.status, is_disputed) {
        (TicketStatus::Valid, true) if blocks => Some(TicketStatus::Blocked(Blocker::Dispute)),
        // Whatever holds at this event by now: what was blocked for its sake is not for ever.
        (TicketStatus::Blocked(Blocker::Dispute), false) => Some(TicketStatus::Valid),
        _ => None,
    }
}

impl Issue {
    fn hand_to(&mut self, holder: &Holder) -> Result<(), Refusal> {
        let Holder { name, email } = holder.clone();
        self.ticket.passed_on = email.is_some();
        let attendee = Attendee { ticket_type: self.ticket.ticket_type, name: Some(name), email };
        let attendees = &mut self.decided.booking.attendees;
        match self.ticket.attendee.and_then(|place| attendees.get_mut(usize::from(place))) {
            Some(before) => *before = attendee,
            None => {
                let place = u16::try_from(attendees.len());
                self.ticket.attendee = Some(place.map_err(|_| Refusal::state("the booking has too many attendees"))?);
                attendees.push(attendee);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::booking::{BookingItem, Buyer, Channel, Reference};
    use crate::catalog::StatusChange;
    use crate::fixture::{at, draft_of, id};
    use crate::{Currency, Money, OrganizerId, UserId};

    fn sale() -> Sale {
        draft_of(1_000, 2_000)
    }

    fn attendee(of: u128, name: &str) -> Attendee {
        let name = Text::parse("name", name, 200).ok();
        Attendee { ticket_type: TicketTypeId::new(id(of)), name, email: None }
    }

    /// A confirmed booking of so many units of each type.
    pub(in super::super) fn booking(units: &[(u128, u32)], attendees: Vec<Attendee>) -> Booking {
        let item = |(ticket_type, quantity): &(u128, u32)| BookingItem {
            ticket_type: TicketTypeId::new(id(*ticket_type)),
            name: Text::trusted("Standing".into()),
            quantity: *quantity,
            cancelled: 0,
            unit_price: 0,
            pools: vec![],
        };
        Booking {
            id: BookingId::new(id(9)),
            reference: Reference::of(9, 0),
            event: EventId::new(id(1)),
            organizer: OrganizerId::new(id(2)),
            buyer: Buyer::Account(UserId::new(id(3))),
            channel: Channel::Api,
            items: units.iter().map(item).collect(),
            attendees,
            total: Money::zero(Currency::EUR),
            price_parts: Vec::new(),
            promo: None,
            status: BookingStatus::Confirmed,
            hold: None,
            sequence: 2,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn tickets(booking: &Booking) -> Vec<Ticket> {
        let mut count = 100;
        issue(booking, || {
            count += 1;
            TicketId::new(id(count))
        })
    }

    #[test]
    fn attendees_get_the_units_of_their_type_in_their_order() {
        let named = vec![attendee(12, "Ana"), attendee(11, "Ben"), attendee(12, "Cleo")];
        let booking = booking(&[(11, 2), (12, 3)], named);
        let of = |ticket: &Ticket| (ticket.unit, ticket.ticket_type.uuid().as_u128(), ticket.attendee);
        let issued: Vec<_> = tickets(&booking).iter().map(of).collect();
        let expected = [(1, 11, Some(1)), (2, 11, None), (3, 12, Some(0)), (4, 12, Some(2)), (5, 12, None)];
        assert_eq!(issued, expected);
    }

    proptest! {
        #[test]
        fn each_unit_has_one_valid_ticket(quantities in prop::collection::vec(1_u32..20, 1..5)) {
            let units: Vec<_> = (1..).zip(quantities).collect();
            let booking = booking(&units, vec![]);
            let tickets = tickets(&booking);
            prop_assert!(tickets.iter().map(|ticket| ticket.unit).eq(1..=booking.units()));
            for (ticket_type, quantity) in units {
                let of = |ticket: &&Ticket| ticket.ticket_type.uuid().as_u128() == ticket_type;
                prop_assert_eq!(tickets.iter().filter(of).count(), quantity as usize);
            }
            let sound = |ticket: &Ticket| ticket.issue == 1 && ticket.status == TicketStatus::Valid;
            prop_assert!(tickets.iter().all(sound));
        }
    }

    #[test]
    fn another_issue_is_another_code_for_the_same_person() {
        let booking = booking(&[(11, 1)], vec![attendee(11, "Ana")]);
        let ticket = tickets(&booking).remove(0);
        let first = change_ticket(&sale(), &booking, &ticket, false, &TicketChange::Reissue, at(1)).unwrap().unwrap();
        assert_eq!((first.ticket.issue, first.ticket.attendee), (2, Some(0)));
        let Decided { booking: after, before, stock, fact } = first.decided;
        assert_eq!((after.sequence, after.updated_at, before), (3, at(1), Some(BookingStatus::Confirmed)));
        assert_eq!(fact.kind, FactKind::TicketReissued(ticket.id));
        assert_eq!(after.attendees, booking.attendees);
        assert!(stock.is_empty());
        let second =
            change_ticket(&sale(), &after, &first.ticket, false, &TicketChange::Reissue, at(2)).unwrap().unwrap();
        assert_eq!(second.ticket.issue, 3, "twice is twice");
    }

    #[test]
    fn a_ticket_is_handed_to_somebody_else() {
        let booking = booking(&[(11, 2)], vec![attendee(11, "Ana")]);
        let tickets = tickets(&booking);
        let ben = Holder::parse("Ben", Some("ben@example.com")).unwrap();
        let hand = |ticket: &Ticket| {
            let change = TicketChange::Transfer(ben.clone());
            change_ticket(&sale(), &booking, ticket, false, &change, at(1)).unwrap().unwrap()
        };
        let names = |issue: &Issue| -> Vec<String> {
            let name = |attendee: &Attendee| attendee.name.as_ref().map(ToString::to_string).unwrap_or_default();
            issue.decided.booking.attendees.iter().map(name).collect()
        };
        let used = |change| change_ticket(&sale(), &booking, &tickets[0], true, &change, at(1));
        assert!(matches!(used(TicketChange::Transfer(ben.clone())), Err(Refusal::InvalidState(_))));
        assert!(used(TicketChange::Reissue).is_ok(), "who has lost it inside gets another");
        let (named, unnamed) = (hand(&tickets[0]), hand(&tickets[1]));
        assert_eq!((named.ticket.attendee, names(&named)), (Some(0), vec!["Ben".to_owned()]));
        assert_eq!((unnamed.ticket.attendee, names(&unnamed)), (Some(1), vec!["Ana".to_owned(), "Ben".to_owned()]));
        assert_eq!(named.decided.fact.kind, FactKind::TicketTransferred(tickets[0].id));
        assert!(Holder::parse(" ", Some("ben")).is_err());
    }

    #[test]
    fn a_ticket_is_blocked_until_it_is_unblocked() {
        let booking = booking(&[(11, 1)], vec![]);
        let ticket = tickets(&booking).remove(0);
        let change = |ticket: &Ticket, change| change_ticket(&sale(), &booking, ticket, true, &change, at(1));
        let by = |blocker| Ticket { status: TicketStatus::Blocked(blocker), ..ticket.clone() };
        assert_eq!(change(&ticket, TicketChange::Unblock), Ok(None), "it lets in already");
        let blocked = change(&ticket, TicketChange::Block).unwrap().unwrap();
        assert_eq!(blocked.ticket, by(Blocker::Staff), "of the same issue");
        assert_eq!(blocked.decided.fact.kind, FactKind::TicketBlocked(ticket.id));
        assert!(blocked.decided.stock.is_empty());
        assert_eq!(change(&blocked.ticket, TicketChange::Block), Ok(None), "twice is once");
        let ben = Holder::parse("Ben", None).unwrap();
        for reissue in [TicketChange::Reissue, TicketChange::Transfer(ben)] {
            assert!(matches!(change(&blocked.ticket, reissue), Err(Refusal::InvalidState(_))));
        }
        let lifted = change(&blocked.ticket, TicketChange::Unblock).unwrap().unwrap();
        assert_eq!((&lifted.ticket, lifted.decided.fact.kind), (&ticket, FactKind::TicketUnblocked(ticket.id)));
        // Staff keeps blocked what a dispute has blocked, or unblocks it.
        let disputed = by(Blocker::Dispute);
        assert_eq!(change(&disputed, TicketChange::Block).unwrap().unwrap().ticket, by(Blocker::Staff));
        assert_eq!(change(&disputed, TicketChange::Unblock).unwrap().unwrap().ticket, ticket);
    }

    #[test]
    fn a_dispute_blocks_where_it_is_to_and_lifts_what_it_has_blocked() {
        let ticket = tickets(&booking(&[(11, 1)], vec![])).remove(0);
        let of = |status, blocks, is_disputed| disputed(&Ticket { status, ..ticket.clone() }, blocks, is_disputed);
        let (valid, revoked) = (TicketStatus::Valid, TicketStatus::Revoked);
        let [staff, dispute] = [Blocker::Staff, Blocker::Dispute].map(TicketStatus::Blocked);
        assert_eq!([of(valid, true, true), of(valid, false, true)], [Some(dispute), None]);
        assert_eq!([of(dispute, true, false), of(dispute, false, false)], [Some(valid); 2]);
        for blocks in [true, false] {
            assert_eq!([of(valid, blocks, false), of(dispute, blocks, true)], [None; 2]);
            for kept in [staff, revoked] {
                assert_eq!([of(kept, blocks, true), of(kept, blocks, false)], [None; 2]);
            }
        }
    }

    #[test]
    fn what_is_revoked_or_over_stays_as_it_is() {
        let confirmed = booking(&[(11, 1)], vec![]);
        let ticket = tickets(&confirmed).remove(0);
        let state = |sale: &Sale, booking: &Booking, ticket: &Ticket, now| {
            let refused = change_ticket(sale, booking, ticket, false, &TicketChange::Reissue, now);
            assert!(matches!(refused, Err(Refusal::InvalidState(_))), "{refused:?}");
        };
        let cancelled = Booking { status: BookingStatus::Cancelled, ..confirmed.clone() };
        state(&sale(), &cancelled, &ticket, at(1));
        let revoked = Ticket { status: TicketStatus::Revoked, ..ticket.clone() };
        state(&sale(), &confirmed, &revoked, at(1));
        state(&sale(), &confirmed, &Ticket { issue: u32::MAX, ..ticket.clone() }, at(1));
        let mut on_sale = sale();
        on_sale.event = on_sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap();
        let last = at(2_000) - TimeDelta::microseconds(1);
        assert!(change_ticket(&on_sale, &confirmed, &ticket, false, &TicketChange::Reissue, last).is_ok());
        state(&on_sale, &confirmed, &ticket, at(2_000));
        on_sale.event = on_sale.event.stepped(StatusChange::Cancel, at(0)).unwrap().unwrap();
        state(&on_sale, &confirmed, &ticket, at(1));
        let other = Ticket { booking: BookingId::new(id(8)), ..ticket };
        let refused = change_ticket(&sale(), &confirmed, &other, false, &TicketChange::Reissue, at(1));
        assert_eq!(refused, Err(Refusal::NotFound("ticket")));
    }
}
