//! Money goes back.

use std::collections::BTreeMap;

use crate::admission::{Ticket, TicketStatus};
use crate::booking::{Booking, BookingItem, BookingStatus, Decided, FactKind, Refusal};
use crate::catalog::EventStatus;
use crate::payment::ledger::{cash, transaction};
use crate::payment::report::requested;
use crate::payment::{Account, Books, FreshIds, MANUAL, Payment, Refund, RefundReason, RefundStatus, Settlement};
use crate::{Problems, RefundId, Text, TicketId, TicketTypeId, Timestamp};

/// An organizer gives money back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefundRequest {
    /// How much, in minor units of the booking's currency. None means what the tickets have cost, as far as it is left; and
    /// of the booking as a whole all that is left, of other currencies too.
    pub amount: Option<i64>,
    /// For which tickets of the booking; none means the booking as a whole.
    pub tickets: Vec<TicketId>,
    /// Whether these tickets are cancelled with it, or the booking. A refund moves money, cancelling moves stock.
    pub cancel_tickets: bool,
    /// Whether the organizer gives it back himself, in cash or by a transfer, whatever way it came.
    pub by_hand: bool,
}

impl RefundRequest {
    /// All that is left goes back, and the booking is cancelled.
    pub const WHOLE: Self = Self { amount: None, tickets: Vec::new(), cancel_tickets: true, by_hand: false };
}

/// Why money goes back, and by whom.
#[derive(Clone, Copy)]
struct Way {
    reason: RefundReason,
    by_hand: bool,
    /// Whether what pays the booking goes first, and not what belongs nowhere.
    booked_first: bool,
}

impl Way {
    const fn of(request: &RefundRequest) -> Self {
        Self { reason: RefundReason::Requested, by_hand: request.by_hand, booked_first: false }
    }
}

/// What a provider says of a refund.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundOutcome {
    /// On its way.
    InTransit,
    /// The buyer has it.
    Done,
    /// The money stayed; a word for why.
    Failed(Text),
}

/// Money of a booking goes back, and the booking, or the tickets that are named, are cancelled in the same commit where that
/// is wanted; the last ticket is the booking. What the organizer has taken himself he gives back himself, and other money if
/// he says so: its refund is done then, and no provider is asked. What is kept of what is cancelled is its organizer's, but for what a bank has asked back: if the dispute is won,
/// it goes back then.
///
/// `tickets` are those that the request names, as they are.
///
/// # Errors
/// [`Refusal::Invalid`] for an amount below 1 or above what is left, and for a ticket that is named twice;
/// [`Refusal::NotFound`] for a ticket of another booking; [`Refusal::InvalidState`] for one that is revoked, where nothing is
/// left, and where a bank asks back what tickets have cost that are given back without an amount.
pub fn request_refund(
    books: &Books<'_>,
    request: &RefundRequest,
    tickets: &[Ticket],
    fresh: &mut dyn FreshIds,
) -> Result<Settlement, Refusal> {
    if !request.tickets.is_empty() {
        return refund_tickets(books, request, tickets, fresh);
    }
    let Books { booking, payments, .. } = *books;
    let has_other = payments.iter().any(|payment| !books.is_of_booking(payment) && payment.refundable() > 0);
    let with_other = request.amount.is_none() && has_other;
    let cancels = request.cancel_tickets && matches!(booking.status, BookingStatus::Pending | BookingStatus::Confirmed);
    let left = match request.amount {
        None if cancels => return Ok(give_all_back(books, Way::of(request), fresh)),
        None => books.refundable(),
        Some(amount) => asked(books, amount)?,
    };
    if left == 0 && !cancels && !with_other {
        return Err(Refusal::state(NOTHING_LEFT));
    }
    Ok(give_back(books, (left, with_other), cancels, Way::of(request), fresh))
}

const NOTHING_LEFT: &str = "nothing is left to go back";

/// The amount, if so much can go back.
fn asked(books: &Books<'_>, amount: i64) -> Result<i64, Refusal> {
    match books.refundable() {
        0 => Err(Refusal::state(NOTHING_LEFT)),
        most if (1..=most).contains(&amount) => Ok(amount),
        most => {
            let message = format!("must be between 1 and {most}, which is what is left to go back");
            Err(Problems::one("amount", "out_of_range", message).into())
        }
    }
}

/// Some tickets of a booking go back. Its fees stay, unless the amount says otherwise; and what belongs nowhere is not theirs.
fn refund_tickets(
    books: &Books<'_>,
    request: &RefundRequest,
    tickets: &[Ticket],
    fresh: &mut dyn FreshIds,
) -> Result<Settlement, Refusal> {
    let Books { booking, payments, now, .. } = *books;
    let tickets = named(booking, &request.tickets, tickets)?;
    let left = match request.amount {
        None => {
            let (price, paying) = (price_of(booking, &tickets), books.paying());
            if price > paying && payments.iter().any(Payment::is_disputed) {
                // Part of it is neither here nor gone: to keep it by mistake would be as wrong as to give it twice.
                let why = "a bank asks back what paid for them: name an amount, give the whole booking back, or wait";
                return Err(Refusal::state(why));
            }
            price.min(paying)
        }
        Some(amount) => asked(books, amount)?,
    };
    if left == 0 && !request.cancel_tickets {
        return Err(Refusal::state(NOTHING_LEFT));
    }
    let way = Way { booked_first: true, ..Way::of(request) };
    let mut settled = give_back(books, (left, false), false, way, fresh);
    if !request.cancel_tickets {
        return Ok(settled);
    }
    for ticket in tickets {
        let step = without(settled.booking(booking), ticket, now)?;
        settled.steps.push(step);
    }
    let after = settled.booking(booking);
    if after.kept_units() == 0 {
        let step = after.moved(BookingStatus::Cancelled, FactKind::Cancelled, now);
        settled.steps.push(step);
    }
    Ok(settled)
}

fn without(booking: &Booking, ticket: &Ticket, now: Timestamp) -> Result<Decided, Refusal> {
    booking.without(ticket.id, ticket.ticket_type, now).ok_or_else(|| Refusal::state(REVOKED))
}

const REVOKED: &str = "the ticket is revoked";

/// The tickets that are named, as they are.
fn named<'t>(booking: &Booking, names: &[TicketId], tickets: &'t [Ticket]) -> Result<Vec<&'t Ticket>, Refusal> {
    let mut named: Vec<&Ticket> = Vec::with_capacity(names.len());
    for (at, id) in names.iter().enumerate() {
        let found = tickets.iter().find(|ticket| ticket.id == *id && ticket.booking == booking.id);
        let found = found.ok_or(Refusal::NotFound("ticket"))?;
        if named.iter().any(|before| before.id == *id) {
            return Err(Problems::one(format!("ticketIds[{at}]"), "duplicate", "is named before").into());
        }
        if booking.status != BookingStatus::Confirmed || found.status == TicketStatus::Revoked {
            return Err(Refusal::state(REVOKED));
        }
        named.push(found);
    }
    Ok(named)
}

/// What these tickets cost, as the next of their items to go.
fn price_of(booking: &Booking, tickets: &[&Ticket]) -> i64 {
    let mut units: BTreeMap<TicketTypeId, u32> = BTreeMap::new();
    for ticket in tickets {
        *units.entry(ticket.ticket_type).or_default() += 1;
    }
    let of = |item: &BookingItem| {
        let more = units.get(&item.ticket_type).copied().unwrap_or_default();
        booking.price_of(item, item.cancelled + more) - booking.price_of(item, item.cancelled)
    };
    booking.items.iter().map(of).sum()
}

/// The event will not take place: the booking is cancelled, and all that was paid for it goes back. `None`, where it is
/// not booked any more: what came in then found its way by itself.
///
/// # Errors
/// [`Refusal::InvalidState`] while the event is not cancelled.
pub fn cancel_with_event(books: &Books<'_>, fresh: &mut dyn FreshIds) -> Result<Option<Settlement>, Refusal> {
    if books.sale.event.status != EventStatus::Cancelled {
        return Err(Refusal::state("the event is not cancelled"));
    }
    if !matches!(books.booking.status, BookingStatus::Pending | BookingStatus::Confirmed) {
        return Ok(None);
    }
    let way = Way { reason: RefundReason::Cancelled, by_hand: false, booked_first: false };
    Ok(Some(give_all_back(books, way, fresh)))
}

/// The booking is cancelled, and nothing of what was paid for it is kept. What is at a bank pays nothing any more: it is
/// an open case until the dispute is decided.
fn give_all_back(books: &Books<'_>, way: Way, fresh: &mut dyn FreshIds) -> Settlement {
    let Books { payments, now, .. } = *books;
    let mut settled = give_back(books, (books.refundable(), true), true, way, fresh);
    for payment in payments {
        let changed = settled.payments.iter().position(|changed| changed.id == payment.id);
        let booked = changed.and_then(|place| settled.payments.get(place)).unwrap_or(payment).booked;
        if booked == 0 {
            continue;
        }
        let moves = [(Account::Sales, booked), (Account::OpenCases, -booked)];
        settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
        match changed.and_then(|place| settled.payments.get_mut(place)) {
            Some(changed) => changed.booked = 0,
            None => settled.payments.push(Payment { booked: 0, ..payment.at(payment.status, now) }),
        }
    }
    settled
}

/// So much of what was paid goes back: what belongs nowhere first, or last where what pays the booking goes first; then what
/// was paid last; and all of other currencies where that is wanted.
fn give_back(
    books: &Books<'_>,
    (mut left, with_other): (i64, bool),
    cancels: bool,
    way: Way,
    fresh: &mut dyn FreshIds,
) -> Settlement {
    let Books { booking, payments, now, .. } = *books;
    let mut settled = Settlement::default();
    let mut from: Vec<&Payment> = payments.iter().rev().filter(|payment| payment.refundable() > 0).collect();
    from.sort_by_key(|payment| if way.booked_first { payment.booked == 0 } else { payment.unsettled() == 0 });
    for payment in from {
        let is_other = !books.is_of_booking(payment);
        let most = if is_other && with_other { payment.refundable() } else { left };
        let part = if is_other && !with_other { 0 } else { payment.refundable().min(most) };
        if part > 0 {
            left -= if is_other { 0 } else { part };
            give_back_of(&mut settled, books, payment, part, way, fresh);
        }
    }
    if cancels {
        let step = settled.booking(booking).moved(BookingStatus::Cancelled, FactKind::Cancelled, now);
        settled.steps.push(step);
    }
    settled
}

fn give_back_of(
    settled: &mut Settlement,
    books: &Books<'_>,
    payment: &Payment,
    part: i64,
    way: Way,
    fresh: &mut dyn FreshIds,
) {
    let Books { booking, now, .. } = *books;
    let from_case = if way.booked_first { (part - payment.booked).max(0) } else { part.min(payment.unsettled()) };
    let booked = part - from_case;
    let moves = [(Account::OpenCases, from_case), (Account::Sales, booked), (Account::RefundsPayable, -part)];
    settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
    let mut refund = requested(payment, part, way.reason, fresh, now);
    let step = settled.booking(booking).told(FactKind::RefundRequested(refund.id, refund.amount), now);
    settled.steps.push(step);
    if way.by_hand || payment.provider.as_str() == MANUAL {
        refund = Refund { status: RefundStatus::Done, by_hand: true, ..refund };
        let moves = done_moves(Account::ManualCash, part);
        settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
        let step = settled.booking(booking).told(FactKind::RefundDone(refund.id, refund.amount), now);
        settled.steps.push(step);
    }
    let after = payment.at(payment.status, now);
    settled.payments.push(Payment { refunded: payment.refunded + part, booked: payment.booked - booked, ..after });
    settled.refunds.push(refund);
}

const fn done_moves(from: Account, minor: i64) -> [(Account, i64); 2] {
    [(Account::RefundsPayable, minor), (from, -minor)]
}

impl Refund {
    /// Whether the outcome tells something new. What is none now is none later, so that a copy that is not the newest may
    /// be asked.
    #[must_use]
    pub const fn is_news(&self, outcome: &RefundOutcome) -> bool {
        use RefundStatus::{Done, Failed, InTransit, Requested};
        match (self.status, outcome) {
            (Done, _) | (InTransit | Failed, RefundOutcome::InTransit) | (Failed, RefundOutcome::Failed(_)) => false,
            (Requested, _) | (InTransit, RefundOutcome::Done | RefundOutcome::Failed(_)) => true,
            (Failed, RefundOutcome::Done) => true,
        }
    }
}

/// Takes note of what a provider says of a refund. `None`, where that is known.
///
/// What failed is an open case: the money is there and belongs nowhere. A provider that has sent it after all has the last
/// word.
///
/// # Errors
/// [`Refusal::NotFound`] where there is no such refund; [`Refusal::InvalidState`] where one that had failed is done after
/// all, and its money was refunded anew meanwhile.
pub fn apply_refund_report(
    books: &Books<'_>,
    refunds: &[Refund],
    refund: RefundId,
    outcome: &RefundOutcome,
    fresh: &mut dyn FreshIds,
) -> Result<Option<Settlement>, Refusal> {
    let missing = Refusal::NotFound("refund");
    let found = refunds.iter().find(|known| known.id == refund).ok_or(missing.clone())?;
    if !found.is_news(outcome) {
        return Ok(None);
    }
    let payment = books.payments.iter().find(|known| known.id == found.payment).ok_or(missing)?;
    let (now, minor) = (books.now, found.amount.minor);
    let mut settled = Settlement::default();
    let had_failed = found.status == RefundStatus::Failed;
    let (changed, fact) = match outcome {
        RefundOutcome::InTransit => (found.at(RefundStatus::InTransit, now), FactKind::RefundInTransit(refund)),
        RefundOutcome::Failed(word) => {
            // What stayed is there only as far as no bank has taken it: the loss of a dispute that was lost meanwhile is
            // made good by it first.
            let gone = minor.min(payment.lost_beyond());
            let moves = [(Account::RefundsPayable, minor), (Account::OpenCases, gone - minor), (Account::Sales, -gone)];
            settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
            let after = payment.at(payment.status, now);
            let (refunded, charged_back) = (payment.refunded - minor, payment.charged_back + gone);
            settled.payments.push(Payment { refunded, charged_back, ..after });
            let failed = Refund { failure: Some(word.clone()), ..found.at(RefundStatus::Failed, now) };
            (failed, FactKind::RefundFailed(refund, found.amount))
        }
        RefundOutcome::Done if had_failed && payment.unsettled() < minor => {
            return Err(Refusal::state("the refund had failed, and its money was refunded anew"));
        }
        RefundOutcome::Done if had_failed => {
            let moves = [(Account::OpenCases, minor), (cash(payment), -minor)];
            settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
            let after = payment.at(payment.status, now);
            settled.payments.push(Payment { refunded: payment.refunded + minor, ..after });
            let done = Refund { failure: None, ..found.at(RefundStatus::Done, now) };
            (done, FactKind::RefundDone(refund, found.amount))
        }
        RefundOutcome::Done => {
            settled.entries.extend(transaction(fresh.transaction(), payment, &done_moves(cash(payment), minor), now));
            (found.at(RefundStatus::Done, now), FactKind::RefundDone(refund, found.amount))
        }
    };
    settled.steps.push(books.booking.told(fact, now));
    settled.refunds.push(changed);
    Ok(Some(settled))
}
