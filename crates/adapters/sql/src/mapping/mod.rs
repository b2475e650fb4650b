//! Rows into the types of `domain`, and back.
//!
//! What was stored had been parsed before, so that texts are trusted; a word or a number that no version of this program
//! can have written is a defect, and is told as one.

mod booking;
mod catalog;
mod identity;
mod invoice;
mod payment;
mod promo_code;
mod ticket;
mod waiting_list;

pub(crate) use booking::{bookings_of, buyer, channel_code, payer_code, price_part, status, status_code, types_of};
pub(crate) use catalog::{
    event_row, invitation, invitation_event_rows, invitation_row, member, member_event_rows, member_row, organizer,
    organizer_row, pool_row, sales, ticket_type_row,
};
pub(crate) use identity::{
    account_row, api_key, api_key_row, email_change, email_change_row, external_identity, external_identity_row,
    mailed_token, mailed_token_row, refresh_token, refresh_token_row, second_factor, second_factor_row, session,
    session_row, sign_in_challenge, sign_in_challenge_row, sign_in_code, sign_in_code_row, signing_key, user,
};
pub(crate) use invoice::{invoice_line_rows, invoice_row, invoices, seller, seller_row};
pub(crate) use payment::{
    account_code, dispute_status_code, payment, payment_status_code, refund, refund_reason_code, refund_status,
    refund_status_code,
};
pub(crate) use promo_code::{promo_code, promo_code_row};
pub(crate) use ticket::{
    blocked_code, check_in, check_in_list, check_in_list_row, flag_code, ticket, ticket_key, ticket_key_row,
    ticket_status, ticket_status_code,
};
pub(crate) use waiting_list::{OFFERED, WAITING, waiting_list_entry, waiting_list_entry_row};

use application::store::StoreError;
use domain::Timestamp;

use crate::error::bad_row;

/// Microseconds since 1970.
pub(crate) const fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// The instant of that many microseconds since 1970.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_timestamp_micros(micros).ok_or_else(|| bad_row("time", micros))
}

/// The instant, if there is one.
pub(crate) fn instant_if(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(instant).transpose()
}

/// A count that was stored in a wider or signed type.
pub(crate) fn count<T: TryInto<u32> + Copy + ToString>(stored: T) -> Result<u32, StoreError> {
    stored.try_into().map_err(|_| bad_row("count", stored))
}

/// A count of ours as the database's `integer`. Every count that is stored so is far below its bound.
pub(crate) fn integer(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
