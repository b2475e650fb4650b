//! Tickets: read with their codes, issued anew, passed on; and the door that they open.
//!
//! Tickets come and go with their booking, in the commit of the desk that confirms or cancels it, and what else becomes of
//! one is a command of the desk too. A code is derived when it is read: it is kept nowhere, and bears a signature by a key
//! of the event.

mod door;
mod door_log;
mod journal;
mod keys;
mod lists;
mod live;
mod mailed;
mod offline;
mod passes;
mod ports;
mod printing;
mod snapshot;
mod tickets;

pub use door::{Presented, Shown};
pub use door_log::{DoorCursor, DoorNews, EntryNews, LastEntry, LetsIn, TicketNews};
pub(crate) use journal::{of_check_in, of_check_in_list};
pub use keys::{KEY_PURPOSE, StoredTicketKey};
pub use live::{DoorCounters, DoorCounts, GateCount, ListCount};
pub use offline::{DoorBundle, NEWS_MAX, SCANS_MAX, SyncReport, ToldScan};
pub use passes::{
    AppleIssuerRequest, GoogleIssuerRequest, IssuerAccount, PASS_KEY_PURPOSE, Pass, PassIssuer, PassIssuerReads,
    PassIssuerRepository, PassMaker, PassPorts, Passes, ReadIssuer, Wallet,
};
pub use ports::{AdmissionStore, TicketKeyRepository};
pub use printing::{Paper, PrintError, TicketPrinter, TicketSheet};
pub(crate) use snapshot::{read_scan, read_scans, scan, scans};
pub use tickets::{IssuedTicket, TicketPorts, Tickets, no_code};
