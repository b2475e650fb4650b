//! Tickets: read with their codes, issued anew, passed on.
//!
//! Tickets come and go with their booking, in the commit of the desk that confirms or cancels it, and what else becomes of
//! one is a command of the desk too. A code is derived when it is read: it is kept nowhere, and bears a signature by a key
//! of the event.

mod keys;
mod ports;
mod tickets;

pub use keys::{KEY_PURPOSE, StoredTicketKey};
pub use ports::AdmissionStore;
pub use tickets::{IssuedTicket, TicketPorts, Tickets};
