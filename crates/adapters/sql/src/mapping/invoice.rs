//! Documents, and who writes them.

use std::collections::HashMap;

use application::store::StoreError;
use domain::booking::Reference;
use domain::invoicing::{
    BilledEvent, Invoice, InvoiceKind, InvoiceLine, InvoiceNumber, Recipient, Seller, SellerTerms, Series, Sums,
};
use domain::pricing::Rate;
use domain::{BookingId, EmailAddress, EventId, InvoiceId, OrganizerId, SellerId, Text};
use uuid::Uuid;

use super::{count, instant, integer, micros};
use crate::entity::{invoice as invoices, invoice_line, seller as sellers};
use crate::error::bad_row;

/// Particulars of an organizer.
pub(crate) fn seller(row: sellers::Model) -> Result<Seller, StoreError> {
    let terms = SellerTerms {
        name: Text::trusted(row.name),
        address: Text::trusted(row.address),
        country: Text::trusted(row.country),
        tax_id: row.tax_id.map(Text::trusted),
        series: Series::trusted(row.series),
        credit_series: Series::trusted(row.credit_series),
        timezone: row.timezone.parse().map_err(|_| bad_row("time zone", &row.timezone))?,
    };
    Ok(Seller {
        id: SellerId::new(row.id),
        organizer: OrganizerId::new(row.organizer_id),
        version: count(row.version)?,
        terms,
        created_at: instant(row.created_at)?,
    })
}

/// The row of particulars.
pub(crate) fn seller_row(seller: &Seller) -> sellers::Model {
    let terms = &seller.terms;
    sellers::Model {
        id: seller.id.uuid(),
        organizer_id: seller.organizer.uuid(),
        version: integer(seller.version),
        created_at: micros(seller.created_at),
        name: terms.name.as_str().to_owned(),
        address: terms.address.as_str().to_owned(),
        country: terms.country.as_str().to_owned(),
        tax_id: terms.tax_id.as_ref().map(|id| id.as_str().to_owned()),
        series: terms.series.as_str().to_owned(),
        credit_series: terms.credit_series.as_str().to_owned(),
        timezone: terms.timezone.name().to_owned(),
    }
}

/// Puts documents together with their lines, in the order of `rows`.
pub(crate) fn invoices(
    rows: Vec<invoices::Model>,
    mut lines: Vec<invoice_line::Model>,
) -> Result<Vec<Invoice>, StoreError> {
    lines.sort_unstable_by_key(|line| (line.invoice_id, line.position));
    let mut lines_of: HashMap<Uuid, Vec<InvoiceLine>> = HashMap::with_capacity(rows.len());
    for row in lines {
        lines_of.entry(row.invoice_id).or_default().push(line(row)?);
    }
    rows.into_iter()
        .map(|row| {
            let lines = lines_of.remove(&row.id).unwrap_or_default();
            invoice(row, lines)
        })
        .collect()
}

fn invoice(row: invoices::Model, lines: Vec<InvoiceLine>) -> Result<Invoice, StoreError> {
    let number = InvoiceNumber {
        series: Series::trusted(row.series),
        year: u16::try_from(row.year).map_err(|_| bad_row("year", row.year))?,
        number: u64::try_from(row.number).map_err(|_| bad_row("number of a document", row.number))?,
    };
    let starts_on = row.event_starts_on.parse().map_err(|_| bad_row("day", &row.event_starts_on))?;
    Ok(Invoice {
        id: InvoiceId::new(row.id),
        kind: row.corrects_id.map_or(InvoiceKind::Invoice, |of| InvoiceKind::CreditNote(InvoiceId::new(of))),
        number,
        organizer: OrganizerId::new(row.organizer_id),
        seller: SellerId::new(row.seller_id),
        booking: BookingId::new(row.booking_id),
        event: EventId::new(row.event_id),
        reference: Reference::trusted(row.reference),
        billed: BilledEvent { name: Text::trusted(row.event_name), starts_on },
        recipient: Recipient {
            name: row.buyer_name.map(Text::trusted),
            email: row.buyer_email.map(EmailAddress::trusted),
        },
        currency: row.currency.parse().map_err(|_| bad_row("currency", &row.currency))?,
        lines,
        sums: Sums { net: row.net, tax: row.tax, gross: row.gross },
        issued_at: instant(row.issued_at)?,
    })
}

fn line(row: invoice_line::Model) -> Result<InvoiceLine, StoreError> {
    let rate = |millionths: i32| {
        let rate = u32::try_from(millionths).ok().and_then(Rate::of_millionths);
        rate.ok_or_else(|| bad_row("rate of a tax", millionths))
    };
    Ok(InvoiceLine {
        name: Text::trusted(row.name),
        quantity: count(row.quantity)?,
        unit_price: row.unit_price,
        discount: row.discount,
        tax_rate: row.tax_rate.map(rate).transpose()?,
        sums: Sums { net: row.net, tax: row.tax, gross: row.gross },
    })
}

/// The row of a document.
pub(crate) fn invoice_row(invoice: &Invoice) -> Result<invoices::Model, StoreError> {
    let InvoiceNumber { series, year, number } = &invoice.number;
    Ok(invoices::Model {
        id: invoice.id.uuid(),
        organizer_id: invoice.organizer.uuid(),
        seller_id: invoice.seller.uuid(),
        booking_id: invoice.booking.uuid(),
        event_id: invoice.event.uuid(),
        corrects_id: match invoice.kind {
            InvoiceKind::Invoice => None,
            InvoiceKind::CreditNote(of) => Some(of.uuid()),
        },
        number: i64::try_from(*number).map_err(|_| bad_row("number of a document", number))?,
        issued_at: micros(invoice.issued_at),
        net: invoice.sums.net,
        tax: invoice.sums.tax,
        gross: invoice.sums.gross,
        year: i16::try_from(*year).map_err(|_| bad_row("year", year))?,
        series: series.as_str().to_owned(),
        currency: invoice.currency.code().to_owned(),
        reference: invoice.reference.as_str().to_owned(),
        event_name: invoice.billed.name.as_str().to_owned(),
        event_starts_on: invoice.billed.starts_on.to_string(),
        buyer_name: invoice.recipient.name.as_ref().map(|name| name.as_str().to_owned()),
        buyer_email: invoice.recipient.email.as_ref().map(|email| email.as_str().to_owned()),
    })
}

/// The rows of its lines.
pub(crate) fn invoice_line_rows(invoice: &Invoice) -> impl Iterator<Item = invoice_line::Model> {
    invoice.lines.iter().zip(0_i16..).map(|(line, position)| invoice_line::Model {
        invoice_id: invoice.id.uuid(),
        position,
        unit_price: line.unit_price,
        discount: line.discount,
        net: line.sums.net,
        tax: line.sums.tax,
        gross: line.sums.gross,
        quantity: i64::from(line.quantity),
        tax_rate: line.tax_rate.map(Rate::millionths).map(integer),
        name: line.name.as_str().to_owned(),
    })
}
