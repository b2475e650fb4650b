//! Invoices and credit notes: documents of what buyers owe and get back, numbered without gaps, and never changed.
//!
//! A document is derived from what stands (a booking, and what pays it) and not from what happened: whoever looks at a
//! booking twice finds nothing more to write the second time.
//!
//! | question | file |
//! |---|---|
//! | who sells, in the eyes of the law? | `seller` |
//! | what is a document, and what is it called? | `document` |
//! | which documents does a booking lack? | `lacking` |
//! | which part of an invoice does an amount take back? | `credit` |

mod credit;
mod document;
mod lacking;
mod seller;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use credit::credited;
pub use document::{
    BilledEvent, Invoice, InvoiceError, InvoiceKind, InvoiceLine, InvoiceNumber, InvoiceTaxes, NotANumber, Recipient,
    Sums, sums, taxes,
};
pub use lacking::{Draft, InvoicedBooking, lacking};
pub use seller::{NewSeller, Seller, SellerTerms, Series};
