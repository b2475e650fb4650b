//! Which documents a booking lacks.

use std::collections::BTreeMap;

use crate::booking::{Booking, BookingItem, BookingStatus};
use crate::invoicing::{Invoice, InvoiceError, InvoiceKind, InvoiceLine, Sums, credited, sums};
use crate::pricing::{Payer, PricePart, Rate};
use crate::{InvoiceId, Text};

/// A booking, what pays it, and what was written of it.
#[derive(Clone, Copy, Debug)]
pub struct InvoicedBooking<'a> {
    /// The booking.
    pub booking: &'a Booking,
    /// Whether it was confirmed since its organizer writes invoices.
    pub was_confirmed: bool,
    /// What of all that came in pays it, in minor units of its currency.
    pub paid: i64,
    /// Whether a bank has taken back some of what came in.
    pub is_charged_back: bool,
    /// Its documents.
    pub documents: &'a [Invoice],
}

/// A document without a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// Which.
    pub kind: InvoiceKind,
    /// At least one.
    pub lines: Vec<InvoiceLine>,
    /// What they make.
    pub sums: Sums,
}

/// The documents that the booking lacks, in their order: its invoice (with the id `fresh`), if it was confirmed and cost
/// something; and a credit note of what of an invoice pays it no more and was not taken back by one before.
///
/// What a bank has taken back is no credit as long as the booking stands, since its price is still owed: nothing is
/// written then. Whoever gives the booking up gives all of it up.
///
/// `event` is what a credit note is about, in a line of its own for each rate.
///
/// # Errors
/// [`InvoiceError`] where rows of the booking contradict each other.
pub fn lacking(of: &InvoicedBooking<'_>, fresh: InvoiceId, event: &Text) -> Result<Vec<Draft>, InvoiceError> {
    let mut drafts = Vec::new();
    let mut invoice = None;
    let mut notes: Vec<&InvoiceLine> = Vec::new();
    for document in of.documents {
        match document.kind {
            InvoiceKind::Invoice => invoice = Some((document.id, document.lines.as_slice())),
            InvoiceKind::CreditNote(_) => notes.extend(&document.lines),
        }
    }
    let lines;
    if invoice.is_none() && of.was_confirmed && !of.booking.total.is_zero() {
        lines = lines_of(of.booking)?;
        drafts.push(draft(InvoiceKind::Invoice, lines.clone())?);
        invoice = Some((fresh, lines.as_slice()));
    }
    if let Some((id, lines)) = invoice {
        let back: i64 = notes.iter().map(|line| line.sums.gross).sum();
        let more = given_up(of, sums(lines)?.gross).saturating_sub(back);
        if more > 0 {
            let lines = credited(lines, notes, &cancelled(of.booking), more, event)?;
            drafts.push(draft(InvoiceKind::CreditNote(id), lines)?);
        }
    }
    Ok(drafts)
}

/// What of the price is owed no more.
fn given_up(of: &InvoicedBooking<'_>, price: i64) -> i64 {
    match of.booking.status {
        BookingStatus::Confirmed if of.is_charged_back => 0,
        BookingStatus::Confirmed | BookingStatus::Cancelled => price.saturating_sub(of.paid),
        BookingStatus::Pending | BookingStatus::Expired => 0,
    }
}

/// What the tickets cost that were given back one by one, by the rate of their tax.
fn cancelled(booking: &Booking) -> BTreeMap<Option<Rate>, i64> {
    let mut by_rate = BTreeMap::new();
    for item in booking.items.iter().filter(|item| item.cancelled > 0) {
        let rate = booking.part_of(item).and_then(|part| part.tax_rate);
        *by_rate.entry(rate).or_default() += booking.price_of(item, item.cancelled);
    }
    by_rate
}

fn draft(kind: InvoiceKind, lines: Vec<InvoiceLine>) -> Result<Draft, InvoiceError> {
    Ok(Draft { kind, sums: sums(&lines)?, lines })
}

/// What the buyer pays, line by line: the parts of the price where there are any, otherwise the items.
fn lines_of(booking: &Booking) -> Result<Vec<InvoiceLine>, InvoiceError> {
    let lines: Vec<InvoiceLine> = if booking.price_parts.is_empty() {
        booking.items.iter().map(of_item).collect::<Result<_, _>>()?
    } else {
        booking.price_parts.iter().filter(|part| part.paid_by == Payer::Buyer).map(of_part).collect()
    };
    if sums(&lines)?.gross == booking.total.minor { Ok(lines) } else { Err(InvoiceError::Total) }
}

fn of_item(item: &BookingItem) -> Result<InvoiceLine, InvoiceError> {
    let BookingItem { name, quantity, unit_price, .. } = item;
    let gross = unit_price.checked_mul(i64::from(*quantity)).ok_or(InvoiceError::Overflow)?;
    Ok(InvoiceLine {
        name: name.clone(),
        quantity: *quantity,
        unit_price: *unit_price,
        discount: 0,
        tax_rate: None,
        sums: Sums { net: gross, tax: 0, gross },
    })
}

fn of_part(part: &PricePart) -> InvoiceLine {
    let PricePart { name, quantity, unit_price, discount, net, tax, gross, tax_rate, .. } = part;
    InvoiceLine {
        name: name.clone(),
        quantity: *quantity,
        unit_price: *unit_price,
        discount: *discount,
        tax_rate: *tax_rate,
        sums: Sums { net: *net, tax: *tax, gross: *gross },
    }
}
