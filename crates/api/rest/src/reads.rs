//! What others than its buyer read of a booking is noted for the audit log: who will come stands in it.

use application::audit::Note;
use application::booking::BookingParties;
use application::error::AppError;
use application::origin::Actor;
use domain::booking::Buyer;
use domain::invoicing::Invoice;
use domain::{BookingId, TicketId};
use uuid::Uuid;

use crate::extract::Acting;
use crate::state::AppState;

/// Notes that a booking was read.
pub(crate) async fn note_booking(state: &AppState, acting: &Acting, id: BookingId) -> Result<(), AppError> {
    let parties = state.bookings().parties(id).await?;
    note(state, acting, parties.as_ref(), ("booking.read", "booking", id.uuid()));
    Ok(())
}

/// Notes that all tickets of a booking were read.
pub(crate) async fn note_tickets(state: &AppState, acting: &Acting, id: BookingId) -> Result<(), AppError> {
    let parties = state.bookings().parties(id).await?;
    note(state, acting, parties.as_ref(), ("tickets.read", "booking", id.uuid()));
    Ok(())
}

/// Notes that the invoices of a booking were read.
pub(crate) async fn note_invoices(state: &AppState, acting: &Acting, id: BookingId) -> Result<(), AppError> {
    let parties = state.bookings().parties(id).await?;
    note(state, acting, parties.as_ref(), ("invoices.read", "booking", id.uuid()));
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

fn note(
    state: &AppState,
    acting: &Acting,
    parties: Option<&BookingParties>,
    (action, object_kind, object): (&'static str, &'static str, Uuid),
) {
    let Some(BookingParties { organizer, buyer, .. }) = parties else { return };
    let is_own = matches!((acting.agent.actor(), buyer), (Actor::User(user), Buyer::Account(of)) if user == *of);
    if !is_own {
        let note = Note { organizer: Some(*organizer), action, object_kind, object };
        state.witness().note(&acting.origin, note);
    }
}
