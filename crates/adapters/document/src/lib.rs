//! Documents as PDF: `printer` says how many are made at a time, `sheet` what the sheet of a ticket looks like, `invoice`
//! what an invoice or a credit note does, `font` what can be written, `words` and `invoice_words` what is written in which
//! language.
//!
//! A document is tagged for screen readers (headings, paragraphs, a figure with a text in its place), bears its fonts, no
//! script and no link, and has the same bytes each time.

mod font;
mod invoice;
mod invoice_words;
mod printer;
mod sheet;
mod words;

pub use printer::{PdfPrinter, PrinterLimits, SetupError};
