//! The sale itself: stock in pools, and bookings that hold and take it.
//!
//! Everything here is a pure decision: `decide(state, command, now) -> Result<what changes, Refusal>`. The desk of the
//! application layer loads the state under the lane's lock, decides a whole batch in arrival order, and writes what
//! changed in one commit.
//!
//! | question | file |
//! |---|---|
//! | what is a booking, what may become of it? | `aggregate` |
//! | is there room, how much is left? | `pool`, `sale` |
//! | may this buyer hold these units, at which price? | `hold` |
//! | what does a promo code take off, and when is it of use? | `promo` |
//! | confirm, cancel, renew | `transitions` |
//! | which lapsed holds go, when stock is short? | `expiry` |
//! | publish, prices, capacities | `terms` |
//! | who waits for what is sold out, and is offered what? | `waiting_list` |

mod aggregate;
mod expiry;
mod hold;
mod pool;
mod promo;
mod reference;
mod refusal;
mod sale;
mod terms;
mod transitions;
mod waiting_list;

#[cfg(test)]
mod tests;

pub use aggregate::{
    Attendee, Booking, BookingFact, BookingItem, BookingStatus, Buyer, Channel, Decided, FactKind, HoldTerms,
    UnknownBookingStatus, Verdict,
};
pub use expiry::{expire, reclaim};
pub use hold::{AttendeeRequest, HoldRequest, Holdings, Quote, Units, UnitsRequest, hold, hold_with, quote};
pub use pool::{Pool, parse_capacity};
pub use promo::{Discount, PromoCode, PromoEdit, PromoFound, PromoTerms, PromoUse, PromoWord, unknown_promo_code};
pub use reference::Reference;
pub use refusal::Refusal;
pub use sale::{Sale, StockDefect, StockMove};
pub use terms::{SaleChange, change_sale};
pub use transitions::{Canceller, cancel, confirm, renew};
pub use waiting_list::{
    CloseReason, EntryState, EntryStatus, JoinRequest, Offer, Prospect, WaitingListEntry, join_waiting_list, offer,
};
