//! What is kept of people has an end: some of it when its time is over, some of it when somebody asks for it.
//!
//! Money and stock stay as they were, under a pseudonym. What is kept for how long stands in `docs/privacy.md`. An account
//! deletes itself ([`crate::identity`]); a guest and an attendee have none, and ask the organizer.

mod erase_guest;
mod forget;
mod ports;

pub use erase_guest::{ErasePorts, GuestErasures};
pub use forget::ForgetAttendees;
pub use ports::{ErasedGuest, GuestBooking, GuestRepository, PastEvent, Retained};

use domain::EmailAddress;
use uuid::Uuid;

/// The address that stands for a guest whose own one was erased. No mail ever arrives there, and nobody can ask for it by
/// its name.
pub(crate) fn pseudonym(erasure: Uuid) -> EmailAddress {
    EmailAddress::trusted(format!("erased-{erasure}@erased.invalid"))
}
