//! Every document adds up, and all credit notes of an invoice together are at most the invoice, whatever the prices, the
//! rates, the digits of the currency, and what goes back when.

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{booking, text, written};
use crate::booking::{Booking, BookingStatus};
use crate::fixture::id;
use crate::invoicing::{Draft, Invoice, InvoiceKind, InvoicedBooking, Sums, lacking, sums, taxes};
use crate::pricing::{Payer, request, sum, tax_groups};
use crate::{Currency, InvoiceId, Money};

/// A booking that costs something, in a currency of 0, 2, 3 or 4 digits, with all the parts of its price.
fn sold() -> impl Strategy<Value = Booking> {
    request().prop_filter_map("it cannot be summed, or is free", |(currency, pricing, lines)| {
        let sum = sum(&pricing, &lines).ok().filter(|sum| sum.total > 0)?;
        let total = Money { minor: sum.total, currency };
        Some(Booking { total, price_parts: sum.parts, items: Vec::new(), ..booking() })
    })
}

/// Shares of what is left, in thousandths: nothing, some, all of it.
fn refunds() -> impl Strategy<Value = Vec<i64>> {
    vec(prop_oneof![0_i64..=1_000, Just(1), Just(1_000)], 0..12)
}

fn holds(draft: &Draft) -> Result<(), TestCaseError> {
    prop_assert!(!draft.lines.is_empty());
    for line in &draft.lines {
        let Sums { net, tax, gross } = line.sums;
        prop_assert_eq!(net + tax, gross);
        prop_assert!(net >= 0 && tax >= 0, "{:?}", line);
        prop_assert!(line.tax_rate.is_some() || tax == 0, "no rate, no tax: {:?}", line);
    }
    prop_assert_eq!(sums(&draft.lines), Ok(draft.sums));
    prop_assert_eq!(taxes(&draft.lines).unwrap().values().map(|sums| sums.gross).sum::<i64>(), draft.sums.gross);
    Ok(())
}

/// What went back by rate is at most what was invoiced, in net, tax and gross.
fn within(documents: &[Invoice]) -> Result<(), TestCaseError> {
    let invoiced = taxes(&documents[0].lines).unwrap();
    let back = taxes(documents[1..].iter().flat_map(|document| &document.lines)).unwrap();
    for (rate, back) in back {
        let most = invoiced[&rate];
        prop_assert!(back.net <= most.net && back.tax <= most.tax && back.gross <= most.gross, "{:?}", rate);
    }
    Ok(())
}

proptest! {
    #[test]
    fn an_invoice_says_what_the_booking_says(booking in sold()) {
        let paid = booking.total.minor;
        let of = InvoicedBooking { booking: &booking, was_confirmed: true, paid, is_charged_back: false, documents: &[] };
        let drafts = lacking(&of, InvoiceId::new(id(1)), &text("Gala")).unwrap();
        prop_assert_eq!(drafts.len(), 1);
        holds(&drafts[0])?;
        prop_assert_eq!(drafts[0].sums.gross, booking.total.minor);
        let by_rate = taxes(&drafts[0].lines).unwrap();
        for group in tax_groups(&booking.price_parts).unwrap() {
            let sums = by_rate[&Some(group.rate)];
            prop_assert_eq!((sums.net, sums.tax, sums.gross), (group.net, group.tax, group.gross));
        }
        let theirs = booking.price_parts.iter().filter(|part| part.paid_by == Payer::Buyer).count();
        prop_assert_eq!(drafts[0].lines.len(), theirs);
    }

    #[test]
    fn credit_notes_are_at_most_their_invoice_and_equal_it_when_all_went_back(booking in sold(), refunds in refunds()) {
        let mut documents: Vec<Invoice> = Vec::new();
        let mut paid = booking.total.minor;
        let cancelled = Booking { status: BookingStatus::Cancelled, ..booking.clone() };
        // Looks at the booking as it is, writes what is lacking, and gives something back; at the end all of it.
        for step in 0..=refunds.len() + 1 {
            let is_over = step > refunds.len();
            let seen = if is_over { &cancelled } else { &booking };
            paid = if is_over { 0 } else { paid };
            let before: i64 = documents.iter().skip(1).map(|document| document.sums.gross).sum();
            let of =
                InvoicedBooking { booking: seen, was_confirmed: true, paid, is_charged_back: false, documents: &documents };
            let fresh = InvoiceId::new(id(10 + step as u128));
            let drafts = lacking(&of, fresh, &text("Gala")).unwrap();
            for draft in drafts {
                holds(&draft)?;
                if draft.kind != InvoiceKind::Invoice {
                    prop_assert_eq!(draft.sums.gross, booking.total.minor - paid - before, "what went back since");
                }
                documents.push(written(draft, fresh));
            }
            let back: i64 = documents.iter().skip(1).map(|document| document.sums.gross).sum();
            prop_assert_eq!(back, booking.total.minor - paid);
            within(&documents)?;
            if let Some(share) = refunds.get(step) {
                paid -= i64::try_from(i128::from(paid) * i128::from(*share) / 1_000).unwrap();
            }
        }
        let back = taxes(documents[1..].iter().flat_map(|document| &document.lines)).unwrap();
        let invoiced = taxes(&documents[0].lines).unwrap();
        for (rate, sums) in invoiced {
            prop_assert_eq!(back.get(&rate).copied().unwrap_or_default(), sums, "all of it went back");
        }
    }

    /// As it is printed: as many digits as the currency has, and the same amount when it is read again.
    #[test]
    fn amounts_are_printed_with_the_digits_of_their_currency(
        minor in 1_i64..1_000_000_000_000,
        currency in prop::sample::select(vec![("JPY", 0_u32), ("EUR", 2), ("BHD", 3), ("CLF", 4)]),
    ) {
        let (code, digits) = currency;
        let shown = Money { minor, currency: code.parse::<Currency>().unwrap() }.to_string();
        let amount = shown.strip_suffix(code).unwrap().trim();
        let behind = amount.split_once('.').map_or(0, |(_, behind)| behind.len());
        prop_assert_eq!(behind, digits as usize);
        prop_assert_eq!(amount.replace('.', "").parse::<i64>().unwrap(), minor);
    }
}
