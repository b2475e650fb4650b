//! Tickets: who may enter, and by which code he shows it.
//!
//! A confirmed booking has one ticket for each of its units. What is shown at the door is a code: the ticket with the
//! number of its issue, signed. Decisions here are pure; the signature itself is made and checked behind a port.
//!
//! | question | file |
//! |---|---|
//! | what is a ticket, when is it issued, issued anew, passed on? | `ticket` |
//! | how does a code look, which texts are none? | `code`, `base45` |

mod base45;
mod code;
mod ticket;

pub use code::{CodeClaims, CodeText, NotACode, SignedCode, Validity};
pub use ticket::{Holder, Issue, Ticket, TicketChange, TicketStatus, change_ticket, issue, revoke};
