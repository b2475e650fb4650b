//! What the journals say of bookings and sales: the one place where private facts become public messages.
//!
//! Messages hold ids and facts and no personal data; a field is added freely, and changed or taken away only with a new
//! version of the type.

use domain::Timestamp;
use domain::booking::{
    Booking, BookingStatus, Buyer, CloseReason, Decided, Discount, EntryState, FactKind, PromoCode, Sale,
    WaitingListEntry,
};
use domain::catalog::{Event, EventStatus};
use domain::pricing::Rate;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::{Ids, rfc3339};
use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};
use crate::origin::{Actor, Origin};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingData<'a> {
    booking_id: Uuid,
    reference: &'a str,
    event_id: Uuid,
    organizer_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_id: Option<Uuid>,
    channel: &'static str,
    status: &'static str,
    items: Vec<ItemData>,
    total: i64,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemData {
    ticket_type_id: Uuid,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<u32>,
    unit_price: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData {
    event_id: Uuid,
    organizer_id: Uuid,
    status: &'static str,
    version: u64,
}

/// The status of a booking as the audit log shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingState {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
}

/// The message and the audit line of what happened to a booking; `note` is what the organizer wrote to it.
pub(super) fn of_booking(
    decided: &Decided,
    note: Option<&str>,
    origin: &Origin,
    ids: &dyn Ids,
) -> (OutboxRow, AuditRow) {
    let Decided { booking, before, fact, .. } = decided;
    let scribe = Scribe { ids, origin, at: fact.at };
    let id = booking.id.uuid();
    let outbox = scribe.message(id, fact.sequence, booking_type(fact.kind), json(&booking_data(decided)));
    // What GoTicket does by itself in the course of somebody's request is not that person's doing.
    let actor = if fact.kind == FactKind::Expired { Actor::System } else { origin.actor };
    let state = |status: BookingStatus, whole: bool| BookingState {
        status: status.as_str(),
        units: whole.then(|| booking.kept_units()),
        total: whole.then_some(booking.total.minor),
        expires_at: whole.then(|| expires_at(booking)).flatten(),
        ticket_id: fact.kind.ticket().filter(|_| whole).map(domain::TicketId::uuid),
        payment_id: fact.kind.payment().filter(|_| whole).map(domain::PaymentId::uuid),
        refund_id: fact.kind.refund().filter(|_| whole).map(domain::RefundId::uuid),
        amount: fact.kind.amount().filter(|_| whole).map(|amount| amount.minor),
    };
    let deed = Deed {
        organizer: Some(booking.organizer),
        action: booking_action(fact.kind),
        object_kind: "booking",
        object: id,
    };
    let before = before.map(|status| json(&state(status, false)));
    let line = scribe.line(deed, before, Some(json(&state(booking.status, true))));
    // What GoTicket does by itself bears nobody's address either.
    let personal = if actor == origin.actor { scribe.personal(note) } else { None };
    let audit = AuditRow { actor, personal, ..line };
    (outbox, audit)
}

/// Until when a booking holds its units.
fn expires_at(booking: &Booking) -> Option<String> {
    let hold = booking.hold.filter(|_| booking.status == BookingStatus::Pending)?;
    Some(rfc3339(hold.expires_at))
}

fn booking_data(decided: &Decided) -> BookingData<'_> {
    let Decided { booking, fact, .. } = decided;
    let item = |item: &domain::booking::BookingItem| ItemData {
        ticket_type_id: item.ticket_type.uuid(),
        quantity: item.quantity,
        cancelled: Some(item.cancelled).filter(|units| *units > 0),
        unit_price: item.unit_price,
    };
    BookingData {
        booking_id: booking.id.uuid(),
        reference: booking.reference.as_str(),
        event_id: booking.event.uuid(),
        organizer_id: booking.organizer.uuid(),
        buyer_id: match &booking.buyer {
            Buyer::Account(user) => Some(user.uuid()),
            Buyer::Guest(_) => None,
        },
        channel: booking.channel.as_str(),
        status: booking.status.as_str(),
        items: booking.items.iter().map(item).collect(),
        total: booking.total.minor,
        currency: booking.total.currency.code(),
        expires_at: expires_at(booking),
        ticket_id: fact.kind.ticket().map(domain::TicketId::uuid),
        payment_id: fact.kind.payment().map(domain::PaymentId::uuid),
        refund_id: fact.kind.refund().map(domain::RefundId::uuid),
        amount: fact.kind.amount().map(|amount| amount.minor),
    }
}

const fn booking_type(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Held => "goticket.booking.held.v1",
        FactKind::Confirmed => "goticket.booking.confirmed.v1",
        FactKind::Renewed => "goticket.booking.renewed.v1",
        FactKind::Cancelled => "goticket.booking.cancelled.v1",
        FactKind::Expired => "goticket.booking.expired.v1",
        FactKind::TicketReissued(_) => "goticket.ticket.reissued.v1",
        FactKind::TicketTransferred(_) => "goticket.ticket.transferred.v1",
        FactKind::TicketCancelled(_) => "goticket.ticket.cancelled.v1",
        FactKind::TicketBlocked(_) => "goticket.ticket.blocked.v1",
        FactKind::TicketUnblocked(_) => "goticket.ticket.unblocked.v1",
        FactKind::PaymentStarted(..) => "goticket.payment.started.v1",
        FactKind::PaymentProcessing(_) => "goticket.payment.processing.v1",
        FactKind::PaymentSucceeded(..) => "goticket.payment.succeeded.v1",
        FactKind::PaymentFailed(_) => "goticket.payment.failed.v1",
        FactKind::PaymentCancelled(_) => "goticket.payment.cancelled.v1",
        FactKind::PaymentDisputed(..) => "goticket.payment.disputed.v1",
        FactKind::PaymentDisputeWon(..) => "goticket.payment.dispute_won.v1",
        FactKind::PaymentChargedBack(..) => "goticket.payment.charged_back.v1",
        FactKind::RefundRequested(..) => "goticket.refund.requested.v1",
        FactKind::RefundInTransit(_) => "goticket.refund.in_transit.v1",
        FactKind::RefundDone(..) => "goticket.refund.done.v1",
        FactKind::RefundFailed(..) => "goticket.refund.failed.v1",
    }
}

const fn booking_action(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Held => "booking.held",
        FactKind::Confirmed => "booking.confirmed",
        FactKind::Renewed => "booking.renewed",
        FactKind::Cancelled => "booking.cancelled",
        FactKind::Expired => "booking.expired",
        FactKind::TicketReissued(_) => "ticket.reissued",
        FactKind::TicketTransferred(_) => "ticket.transferred",
        FactKind::TicketCancelled(_) => "ticket.cancelled",
        FactKind::TicketBlocked(_) => "ticket.blocked",
        FactKind::TicketUnblocked(_) => "ticket.unblocked",
        FactKind::PaymentStarted(..) => "payment.started",
        FactKind::PaymentProcessing(_) => "payment.processing",
        FactKind::PaymentSucceeded(..) => "payment.succeeded",
        FactKind::PaymentFailed(_) => "payment.failed",
        FactKind::PaymentCancelled(_) => "payment.cancelled",
        FactKind::PaymentDisputed(..) => "payment.disputed",
        FactKind::PaymentDisputeWon(..) => "payment.dispute_won",
        FactKind::PaymentChargedBack(..) => "payment.charged_back",
        FactKind::RefundRequested(..) => "refund.requested",
        FactKind::RefundInTransit(_) => "refund.in_transit",
        FactKind::RefundDone(..) => "refund.done",
        FactKind::RefundFailed(..) => "refund.failed",
    }
}

/// The terms of a promo code as the audit log shows them. Its text opens something, and is not among them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PromoCodeState<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    ticket_type_ids: Vec<Uuid>,
    opens_ticket_type_ids: Vec<Uuid>,
    max_uses: Option<u32>,
    max_per_buyer: Option<u32>,
    budget: Option<i64>,
    starts_at: Option<&'a Timestamp>,
    ends_at: Option<&'a Timestamp>,
    archived: bool,
}

fn promo_code_state(code: &PromoCode) -> PromoCodeState<'_> {
    let terms = &code.terms;
    PromoCodeState {
        rate: terms.discount.and_then(Discount::rate).map(Rate::millionths),
        amount: terms.discount.and_then(Discount::amount),
        ticket_type_ids: terms.ticket_types.iter().map(|id| id.uuid()).collect(),
        opens_ticket_type_ids: terms.opens.iter().map(|id| id.uuid()).collect(),
        max_uses: terms.max_uses,
        max_per_buyer: terms.max_per_buyer,
        budget: terms.budget,
        starts_at: terms.starts_at.as_ref(),
        ends_at: terms.ends_at.as_ref(),
        archived: code.archived,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PromoCodeData {
    promo_code_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
}

/// The message and the audit line of a promo code that was made (none before) or changed.
pub(super) fn of_promo_code(
    event: &Event,
    before: Option<&PromoCode>,
    after: &PromoCode,
    origin: &Origin,
    ids: &dyn Ids,
) -> (OutboxRow, AuditRow) {
    let (kind, action) = match before {
        None => ("goticket.promo_code.created.v1", "promo_code.created"),
        Some(_) => ("goticket.promo_code.updated.v1", "promo_code.updated"),
    };
    let scribe = Scribe { ids, origin, at: after.updated_at };
    let (id, organizer) = (after.id.uuid(), event.organizer);
    let data = PromoCodeData { promo_code_id: id, event_id: event.id.uuid(), organizer_id: organizer.uuid() };
    let message = scribe.message(id, after.version, kind, json(&data));
    let deed = Deed { organizer: Some(organizer), action, object_kind: "promo_code", object: id };
    let before = before.map(|code| json(&promo_code_state(code)));
    (message, scribe.line(deed, before, Some(json(&promo_code_state(after)))))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingListData {
    waiting_list_entry_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    buyer_id: Uuid,
    ticket_type_id: Uuid,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// An entry of a waiting list as the audit log shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingListState {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_type_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The message and the audit line of an entry of a waiting list that is new (none before) or was changed; its sequence is
/// its version.
pub(super) fn of_waiting_list(
    before: Option<&WaitingListEntry>,
    after: &WaitingListEntry,
    origin: &Origin,
    ids: &dyn Ids,
) -> (OutboxRow, AuditRow) {
    let (kind, action) = match after.state {
        EntryState::Waiting => ("goticket.waiting_list.joined.v1", "waiting_list.joined"),
        EntryState::Offered(_) => ("goticket.waiting_list.offered.v1", "waiting_list.offered"),
        EntryState::Withdrawn => ("goticket.waiting_list.withdrawn.v1", "waiting_list.withdrawn"),
        EntryState::Closed(_) => ("goticket.waiting_list.closed.v1", "waiting_list.closed"),
    };
    let booking_id = after.booking().map(domain::BookingId::uuid);
    let reason = match after.state {
        EntryState::Closed(reason) => Some(CloseReason::as_str(reason)),
        EntryState::Waiting | EntryState::Offered(_) | EntryState::Withdrawn => None,
    };
    let (id, ticket_type_id) = (after.id.uuid(), after.ticket_type.uuid());
    let data = WaitingListData {
        waiting_list_entry_id: id,
        event_id: after.event.uuid(),
        organizer_id: after.organizer.uuid(),
        buyer_id: after.buyer.uuid(),
        ticket_type_id,
        quantity: after.quantity,
        booking_id,
        reason,
    };
    let state = WaitingListState {
        status: after.status(None).as_str(),
        ticket_type_id: Some(ticket_type_id),
        quantity: Some(after.quantity),
        booking_id,
        reason,
    };
    let was = |entry: &WaitingListEntry| WaitingListState {
        status: entry.status(None).as_str(),
        ticket_type_id: None,
        quantity: None,
        booking_id: None,
        reason: None,
    };
    let scribe = Scribe { ids, origin, at: after.updated_at };
    let deed = Deed { organizer: Some(after.organizer), action, object_kind: "waiting_list_entry", object: id };
    let before = before.map(|entry| json(&was(entry)));
    (scribe.message(id, after.version, kind, json(&data)), scribe.line(deed, before, Some(json(&state))))
}

/// What happened to a sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SaleFact {
    /// A new draft.
    Created,
    /// Another setting of the event, of a ticket type or a pool.
    Updated,
    /// A step of its life.
    Stepped(EventStatus),
    /// It is gone.
    Deleted,
}

/// The message and the audit line of what happened to a sale; the sequence of its messages is its version.
pub(crate) fn of_sale(
    before: Option<&Sale>,
    after: &Sale,
    fact: SaleFact,
    at: Timestamp,
    origin: &Origin,
    ids: &dyn Ids,
) -> (OutboxRow, AuditRow) {
    let (kind, action) = sale_words(fact);
    let event = &after.event;
    let scribe = Scribe { ids, origin, at };
    let sequence = u32::try_from(event.version).unwrap_or(u32::MAX);
    let outbox = scribe.message(event.id.uuid(), sequence, kind, json(&event_data(event)));
    let deed = Deed { organizer: Some(event.organizer), action, object_kind: "event", object: event.id.uuid() };
    let before = before.map(super::snapshot::sale);
    let after = (fact != SaleFact::Deleted).then(|| super::snapshot::sale(after));
    (outbox, scribe.line(deed, before, after))
}

const fn sale_words(fact: SaleFact) -> (&'static str, &'static str) {
    match fact {
        SaleFact::Created => ("goticket.event.created.v1", "event.created"),
        SaleFact::Updated => ("goticket.event.updated.v1", "event.updated"),
        SaleFact::Deleted => ("goticket.event.deleted.v1", "event.deleted"),
        SaleFact::Stepped(EventStatus::Published) => ("goticket.event.published.v1", "event.published"),
        SaleFact::Stepped(EventStatus::Paused) => ("goticket.event.paused.v1", "event.paused"),
        SaleFact::Stepped(EventStatus::Cancelled) => ("goticket.event.cancelled.v1", "event.cancelled"),
        SaleFact::Stepped(EventStatus::Archived) => ("goticket.event.archived.v1", "event.archived"),
        SaleFact::Stepped(EventStatus::Draft | EventStatus::Ended) => ("goticket.event.updated.v1", "event.updated"),
    }
}

fn event_data(event: &Event) -> EventData {
    EventData {
        event_id: event.id.uuid(),
        organizer_id: event.organizer.uuid(),
        status: event.status.as_str(),
        version: event.version,
    }
}

/// Structs of strings and numbers, whose serialisation cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
