//! The tables as SeaORM sees them: one module a table, columns in the types of the database. `mapping` makes the types
//! of `domain` of them.

mod bookings;
mod catalog;
mod identity;
mod invoices;
mod journal;
mod payments;
mod promo_codes;
mod sealing;
mod tickets;
mod waiting_list;

pub(crate) use bookings::{booking, booking_attendee, booking_item, hold, price_part};
pub(crate) use catalog::{
    event, invitation, invitation_event, lane, member, member_event, organizer, pool, ticket_type, ticket_type_pool,
};
pub(crate) use identity::{
    api_key, email_change, external_identity, mailed_token, recovery_code, refresh_token, seal_check, second_factor,
    session, sign_in_challenge, sign_in_code, signing_key, user,
};
pub(crate) use invoices::{invoice, invoice_due, invoice_line, invoice_series, seller};
pub(crate) use journal::{audit, idempotency_key, job, notice, outbox, outbox_pruning};
pub(crate) use payments::{payment, provider_event, provider_message, refund};
pub(crate) use promo_codes::{promo_code, promo_use};
pub(crate) use sealing::{audit_block, audit_chain, audit_checkpoint, audit_key, audit_unsealed};
pub(crate) use tickets::{check_in, check_in_list, pass_issuer, ticket, ticket_key};
pub(crate) use waiting_list::waiting_list_entry;
