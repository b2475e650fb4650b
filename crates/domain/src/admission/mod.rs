//! Tickets and the door: who may enter, by which code he shows it, and who has entered.
//!
//! A confirmed booking has one ticket for each of its units. What is shown at the door is a code: the ticket with the
//! number of its issue, signed. Decisions here are pure; the signature itself is made and checked behind a port.
//!
//! | question | file |
//! |---|---|
//! | what is a ticket, when is it issued, issued anew, passed on? | `ticket` |
//! | who is let in, and why not? | `door` |
//! | who has not paid, and may he pay at the door? | `unpaid` |
//! | what becomes of scans that were made without a network? | `offline` |
//! | which tickets enter where, when and how often? | `list` |
//! | how does a code look, which texts are none? | `code`, `base45` |

mod base45;
mod code;
mod door;
mod list;
mod offline;
mod ticket;
mod unpaid;

pub use code::{CodeClaims, CodeText, NotACode, SignedCode, Validity};
pub use door::{
    CheckIn, CheckInRequest, Flag, Scan, ScanResult, ScannedTicket, Synced, check_in, exit_check_in, undo_check_in,
};
pub use list::{CheckInList, EntryRule, ListEdit, ListTerms};
pub use offline::{OfflineScan, SKEW_WARNED, Sync, sync_check_in};
pub use ticket::{Blocker, Holder, Issue, Ticket, TicketChange, TicketStatus, change_ticket, disputed, issue, revoke};
pub use unpaid::{DoorPayment, DoorVerdict, UnpaidBooking, pay_at_door};
