//! Who reads what is personal is noted for the audit log. Of a booking, or a wish for one, that is who else than its buyer reads
//! it: who will come stands in it.

use application::audit::Note;
use application::booking::BookingParties;
use application::error::AppError;
use application::origin::{Actor, Origin};
use domain::booking::{Buyer, WaitingListEntry};
use domain::{BookingId, InvoiceId, OrganizerId, TicketId};
use uuid::Uuid;

use crate::extract::Acting;
use crate::state::AppState;

/// What was read: the action, the kind of its object, and its id.
pub(crate) type Read = (&'static str, &'static str, Uuid);

/// Notes for the log of this organizer, or of the platform, that what is personal was read.
pub(crate) fn note(
    state: &AppState,
    origin: &Origin,
    organizer: Option<OrganizerId>,
    (action, object_kind, object): Read,
) {
    state.witness().note(origin, Note { organizer, action, object_kind, object });
}

/// Notes that a booking, or all of something that belongs to it, was read: `action` says what.
pub(crate) async fn note_booking(
    state: &AppState,
    acting: &Acting,
    id: BookingId,
    action: &'static str,
) -> Result<(), AppError> {
    let parties = state.bookings().parties(id).await?;
    note_of_parties(state, acting, parties.as_ref(), (action, "booking", id.uuid()));
    Ok(())
}

/// Notes that an invoice or a credit note was read.
pub(crate) async fn note_invoice(
    state: &AppState,
    acting: &Acting,
    id: InvoiceId,
    of: BookingId,
) -> Result<(), AppError> {
    let parties = state.bookings().parties(of).await?;
    note_of_parties(state, acting, parties.as_ref(), ("invoice.read", "invoice", id.uuid()));
    Ok(())
}

/// Notes that a ticket was read, on paper or for a wallet.
pub(crate) async fn note_ticket(state: &AppState, acting: &Acting, id: TicketId) -> Result<(), AppError> {
    let parties = state.tickets().parties(id).await?;
    note_of_parties(state, acting, parties.as_ref(), ("ticket.read", "ticket", id.uuid()));
    Ok(())
}

/// Notes that an entry of a waiting list was read.
pub(crate) fn note_entry(state: &AppState, acting: &Acting, entry: &WaitingListEntry) {
    let read = ("waiting_list.read", "waiting_list_entry", entry.id.uuid());
    note_of_buyer(state, acting, entry.organizer, &Buyer::Account(entry.buyer), read);
}

fn note_of_parties(state: &AppState, acting: &Acting, parties: Option<&BookingParties>, read: Read) {
    if let Some(BookingParties { organizer, buyer, .. }) = parties {
        note_of_buyer(state, acting, *organizer, buyer, read);
    }
}

/// Notes it where it is not the reader's own.
fn note_of_buyer(state: &AppState, acting: &Acting, organizer: OrganizerId, buyer: &Buyer, read: Read) {
    let is_own = matches!((acting.agent.actor(), buyer), (Actor::User(user), Buyer::Account(of)) if user == *of);
    if !is_own {
        note(state, &acting.origin, Some(organizer), read);
    }
}
