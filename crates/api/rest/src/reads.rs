//! What others than its buyer read of a booking, or of his wish for one, is noted for the audit log: who will come stands in
//! it.

use application::audit::Note;
use application::booking::BookingParties;
use application::error::AppError;
use application::origin::Actor;
use domain::booking::{Buyer, WaitingListEntry};
use domain::invoicing::Invoice;
use domain::{BookingId, OrganizerId, TicketId};
use uuid::Uuid;

use crate::extract::Acting;
use crate::state::AppState;

/// Notes that a booking, or all of something that belongs to it, was read: `action` says what.
pub(crate) async fn note_booking(
    state: &AppState,
    acting: &Acting,
    id: BookingId,
    action: &'static str,
) -> Result<(), AppError> {
    let parties = state.bookings().parties(id).await?;
    note(state, acting, parties.as_ref(), (action, "booking", id.uuid()));
    Ok(())
}

/// Notes that an invoice or a credit note was read.
pub(crate) async fn note_invoice(state: &AppState, acting: &Acting, invoice: &Invoice) -> Result<(), AppError> {
    let parties = state.bookings().parties(invoice.booking).await?;
    note(state, acting, parties.as_ref(), ("invoice.read", "invoice", invoice.id.uuid()));
    Ok(())
}

/// Notes that a ticket was read, on paper or for a wallet.
pub(crate) async fn note_ticket(state: &AppState, acting: &Acting, id: TicketId) -> Result<(), AppError> {
    let parties = state.tickets().parties(id).await?;
    note(state, acting, parties.as_ref(), ("ticket.read", "ticket", id.uuid()));
    Ok(())
}

/// Notes that an entry of a waiting list was read.
pub(crate) fn note_entry(state: &AppState, acting: &Acting, entry: &WaitingListEntry) {
    let read = ("waiting_list.read", "waiting_list_entry", entry.id.uuid());
    note_others(state, acting, entry.organizer, &Buyer::Account(entry.buyer), read);
}

fn note(state: &AppState, acting: &Acting, parties: Option<&BookingParties>, read: (&'static str, &'static str, Uuid)) {
    if let Some(BookingParties { organizer, buyer, .. }) = parties {
        note_others(state, acting, *organizer, buyer, read);
    }
}

/// Notes it where it is not the reader's own.
fn note_others(
    state: &AppState,
    acting: &Acting,
    organizer: OrganizerId,
    buyer: &Buyer,
    (action, object_kind, object): (&'static str, &'static str, Uuid),
) {
    let is_own = matches!((acting.agent.actor(), buyer), (Actor::User(user), Buyer::Account(of)) if user == *of);
    if !is_own {
        let note = Note { organizer: Some(organizer), action, object_kind, object };
        state.witness().note(&acting.origin, note);
    }
}
