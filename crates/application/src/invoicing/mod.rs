//! Invoices and credit notes (ADR 0041).
//!
//! The commit that confirms a booking, or takes back what pays it, notes that there may be something to write; the job
//! `invoices.issue` looks at the booking as it is, and writes what it lacks. Nothing here changes a document.
//!
//! | question | file |
//! |---|---|
//! | who sells, and which documents are there? | `invoices` |
//! | how do they get their numbers? | `issue` |
//! | how do they come on paper? | `printing` |

mod invoices;
mod issue;
mod journal;
mod ports;
mod printing;

pub use invoices::{Invoicing, InvoicingPorts, WrittenInvoice};
pub use issue::IssueInvoices;
pub use ports::{BookingToInvoice, DueBatch, InvoiceFilter, InvoiceReads, InvoiceRepository};
pub use printing::{InvoicePrinter, InvoiceSheet};
