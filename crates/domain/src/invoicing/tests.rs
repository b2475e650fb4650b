use std::collections::BTreeMap;

use chrono_tz::Europe::Warsaw;

use crate::booking::{Booking, BookingItem, BookingStatus, Buyer, Channel, Reference};
use crate::fixture::{at, id, type_id};
use crate::invoicing::{
    BilledEvent, Draft, Invoice, InvoiceError, InvoiceKind, InvoiceLine, InvoiceNumber, InvoicedBooking, NewSeller,
    Recipient, SellerTerms, Series, Sums, credited, lacking,
};
use crate::pricing::{PricePart, Rate};
use crate::{BookingId, EventId, InvoiceId, Money, OrganizerId, SellerId, Text, UserId};

pub(super) fn text(text: &str) -> Text {
    Text::trusted(text.to_owned())
}

/// A booking of two tickets at 25.00, confirmed.
pub(super) fn booking() -> Booking {
    let item = BookingItem {
        ticket_type: type_id(1),
        name: text("Standing"),
        quantity: 2,
        cancelled: 0,
        unit_price: 2_500,
        pools: Vec::new(),
    };
    Booking {
        id: BookingId::new(id(7)),
        reference: Reference::trusted("K7P3X9".to_owned()),
        event: EventId::new(id(1)),
        organizer: OrganizerId::new(id(2)),
        buyer: Buyer::Account(UserId::new(id(3))),
        channel: Channel::Api,
        items: vec![item],
        attendees: Vec::new(),
        total: Money { minor: 5_000, currency: "PLN".parse().unwrap() },
        price_parts: Vec::new(),
        promo: None,
        status: BookingStatus::Confirmed,
        hold: None,
        sequence: 2,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// The document of a draft.
pub(super) fn written(draft: Draft, fresh: InvoiceId) -> Invoice {
    let booking = booking();
    Invoice {
        id: fresh,
        kind: draft.kind,
        number: InvoiceNumber { series: Series::trusted("FV".into()), year: 2027, number: 1 },
        organizer: booking.organizer,
        seller: SellerId::new(id(9)),
        booking: booking.id,
        event: booking.event,
        reference: booking.reference,
        billed: BilledEvent { name: text("Gala"), starts_on: at(0).date_naive() },
        recipient: Recipient::default(),
        currency: booking.total.currency,
        lines: draft.lines,
        sums: draft.sums,
        issued_at: at(0),
    }
}

/// Writes what is lacking behind the documents; says which sums.
fn write(documents: &mut Vec<Invoice>, booking: &Booking, paid: i64, is_charged_back: bool) -> Vec<(bool, i64)> {
    let fresh = InvoiceId::new(id(100 + documents.len() as u128));
    let of = InvoicedBooking { booking, was_confirmed: true, paid, is_charged_back, documents };
    let drafts = lacking(&of, fresh, &text("Gala")).unwrap();
    let told = drafts.iter().map(|draft| (draft.kind == InvoiceKind::Invoice, draft.sums.gross)).collect();
    for (at, draft) in (0..).zip(drafts) {
        let id =
            if draft.kind == InvoiceKind::Invoice { fresh } else { InvoiceId::new(id(1_000 + fresh_of(fresh) + at)) };
        documents.push(written(draft, id));
    }
    told
}

fn fresh_of(id: InvoiceId) -> u128 {
    id.uuid().as_u128()
}

fn cancelled() -> Booking {
    Booking { status: BookingStatus::Cancelled, ..booking() }
}

#[test]
fn a_booking_gets_its_invoice_once_and_credit_for_what_goes_back() {
    let mut documents = Vec::new();
    assert_eq!(write(&mut documents, &booking(), 5_000, false), [(true, 5_000)]);
    assert_eq!(write(&mut documents, &booking(), 5_000, false), [], "nothing more the second time");
    assert_eq!(write(&mut documents, &booking(), 4_000, false), [(false, 1_000)]);
    assert_eq!(write(&mut documents, &booking(), 4_000, false), []);
    assert_eq!(write(&mut documents, &cancelled(), 500, false), [(false, 3_500)], "what is kept stays invoiced");
    assert_eq!(write(&mut documents, &cancelled(), 0, false), [(false, 500)], "until it goes back too");
    let InvoiceKind::CreditNote(of) = documents[1].kind else { panic!("a credit note") };
    assert_eq!(of, documents[0].id, "it names its invoice");
}

#[test]
fn what_is_confirmed_and_goes_back_at_once_has_both() {
    let mut documents = Vec::new();
    assert_eq!(write(&mut documents, &cancelled(), 0, false), [(true, 5_000), (false, 5_000)]);
    assert_eq!(documents[1].kind, InvoiceKind::CreditNote(documents[0].id));
}

#[test]
fn what_was_never_invoiced_is_not_taken_back() {
    let old = cancelled();
    let of = InvoicedBooking { booking: &old, was_confirmed: false, paid: 0, is_charged_back: false, documents: &[] };
    assert_eq!(lacking(&of, InvoiceId::new(id(1)), &text("Gala")), Ok(vec![]));
    let free = Booking { total: Money { minor: 0, ..old.total }, ..booking() };
    let of = InvoicedBooking { booking: &free, was_confirmed: true, ..of };
    assert_eq!(lacking(&of, InvoiceId::new(id(1)), &text("Gala")), Ok(vec![]), "nothing is no invoice");
}

#[test]
fn what_a_bank_takes_back_is_no_credit_while_the_tickets_stand() {
    let mut documents = Vec::new();
    write(&mut documents, &booking(), 5_000, false);
    assert_eq!(write(&mut documents, &booking(), 0, true), [], "its price is still owed");
    assert_eq!(write(&mut documents, &cancelled(), 0, true), [(false, 5_000)]);
}

#[test]
fn what_contradicts_itself_is_no_document() {
    let odd = Booking { total: Money { minor: 4_999, ..booking().total }, ..booking() };
    let of = InvoicedBooking { booking: &odd, was_confirmed: true, paid: 0, is_charged_back: false, documents: &[] };
    assert_eq!(lacking(&of, InvoiceId::new(id(1)), &text("Gala")), Err(InvoiceError::Total));
}

fn line(rate: Option<u32>, net: i64, tax: i64) -> InvoiceLine {
    let gross = net + tax;
    InvoiceLine {
        name: text("Line"),
        quantity: 1,
        unit_price: gross,
        discount: 0,
        tax_rate: rate.and_then(Rate::of_millionths),
        sums: Sums { net, tax, gross },
    }
}

#[test]
fn a_part_takes_back_of_each_rate_its_share() {
    // 123 at 23 %, 108 at 8 %, 69 without.
    let invoice = [line(Some(230_000), 100, 23), line(Some(80_000), 100, 8), line(None, 69, 0)];
    let none = BTreeMap::new();
    let back = credited(&invoice, [], &none, 100, &text("Gala")).unwrap();
    let sums: Vec<_> = back.iter().map(|line| (line.sums.net, line.sums.tax, line.sums.gross)).collect();
    // 23 | 36 | 41 of 300: exact, by the largest remainder; without a rate, at 8 %, at 23 %.
    assert_eq!(sums, [(23, 0, 23), (33, 3, 36), (33, 8, 41)]);
    let rest = credited(&invoice, &back, &none, 200, &text("Gala")).unwrap();
    let sums: Vec<_> = rest.iter().map(|line| (line.sums.net, line.sums.tax, line.sums.gross)).collect();
    assert_eq!(sums, [(46, 0, 46), (67, 5, 72), (67, 15, 82)]);
    assert_eq!(credited(&invoice, back.iter().chain(&rest), &none, 1, &text("Gala")), Err(InvoiceError::Exceeds));
    assert_eq!(credited(&invoice, [], &none, 301, &text("Gala")), Err(InvoiceError::Exceeds));
}

#[test]
fn the_tax_of_cancelled_tickets_is_taken_back_at_their_rate() {
    let rate = |millionths| Rate::of_millionths(millionths);
    // Two tickets of 123 at 23 %, a fee of 108 at 8 %.
    let invoice = [line(rate(230_000).map(Rate::millionths), 200, 46), line(Some(80_000), 100, 8)];
    let sums = |lines: &[InvoiceLine]| -> Vec<_> {
        lines.iter().map(|line| (line.tax_rate.map(Rate::millionths), line.sums.tax, line.sums.gross)).collect()
    };
    let cancelled = BTreeMap::from([(rate(230_000), 123)]);
    let back = credited(&invoice, [], &cancelled, 123, &text("Gala")).unwrap();
    assert_eq!(sums(&back), [(Some(230_000), 23, 123)], "the fee stays");
    // What goes back beyond the tickets is shared among what is left: 123 and 108.
    let beyond = credited(&invoice, [], &cancelled, 123 + 77, &text("Gala")).unwrap();
    assert_eq!(sums(&beyond), [(Some(80_000), 3, 36), (Some(230_000), 31, 164)]);
    // Less than the tickets have cost is of them alone, and the rest of it is due at the next time.
    let less = credited(&invoice, [], &cancelled, 100, &text("Gala")).unwrap();
    assert_eq!(sums(&less), [(Some(230_000), 19, 100)]);
    let next = credited(&invoice, &less, &cancelled, 23, &text("Gala")).unwrap();
    assert_eq!(sums(&next), [(Some(230_000), 4, 23)]);
    // What went back at their rate before is not taken back once more.
    let after = credited(&invoice, &beyond, &cancelled, 154, &text("Gala")).unwrap();
    assert_eq!(sums(&after), [(Some(80_000), 5, 72), (Some(230_000), 15, 82)], "the rest, to the last unit");
}

#[test]
fn organizer_fees_are_none_of_the_buyer() {
    use crate::pricing::{Of, Payer};
    let part = |paid_by, gross| PricePart {
        of: Of::Fee,
        name: text("Card"),
        quantity: 1,
        unit_price: gross,
        discount: 0,
        net: gross,
        tax: 0,
        gross,
        tax_rate: None,
        rounding: 0,
        paid_by,
    };
    let with = Booking { price_parts: vec![part(Payer::Buyer, 5_000), part(Payer::Organizer, 300)], ..booking() };
    let of =
        InvoicedBooking { booking: &with, was_confirmed: true, paid: 5_000, is_charged_back: false, documents: &[] };
    let drafts = lacking(&of, InvoiceId::new(id(1)), &text("Gala")).unwrap();
    assert_eq!((drafts.len(), drafts[0].lines.len(), drafts[0].sums.gross), (1, 1, 5_000));
}

fn new_seller() -> NewSeller {
    NewSeller {
        name: "Klub Stodoła sp. z o.o.".into(),
        address_lines: vec!["ul. Batorego 10".into(), "02-670 Warszawa".into()],
        country: "pl".into(),
        tax_id: Some("PL1234567890".into()),
        series: "fv".into(),
        credit_series: None,
        timezone: Some("Europe/Warsaw".into()),
    }
}

#[test]
fn particulars_are_parsed() {
    let terms = SellerTerms::parse(&new_seller()).unwrap();
    assert_eq!(terms.address.as_str(), "ul. Batorego 10\n02-670 Warszawa");
    assert_eq!((terms.country.as_str(), terms.timezone), ("PL", Warsaw));
    assert_eq!((terms.series.as_str(), terms.credit_series.as_str()), ("FV", "FV-CN"));
    let utc = SellerTerms::parse(&NewSeller { timezone: None, tax_id: None, ..new_seller() }).unwrap();
    assert_eq!((utc.timezone, utc.tax_id), (chrono_tz::UTC, None));
}

#[test]
fn particulars_that_do_not_hold_are_all_told() {
    let wrong = NewSeller {
        name: " ".into(),
        address_lines: vec!["a\nb".into(), String::new()],
        country: "Poland".into(),
        tax_id: Some("x".repeat(41)),
        series: "FV/".into(),
        credit_series: Some("-K".into()),
        timezone: Some("Warsaw".into()),
    };
    let problems = SellerTerms::parse(&wrong).unwrap_err();
    let found: Vec<_> = problems.as_slice().iter().map(|it| (it.field.as_str(), it.code)).collect();
    let expected = [
        ("name", "required"),
        ("addressLines[0]", "invalid_characters"),
        ("addressLines[1]", "required"),
        ("country", "invalid"),
        ("taxId", "too_long"),
        ("series", "invalid_characters"),
        ("creditNoteSeries", "invalid_characters"),
        ("timezone", "unknown_timezone"),
    ];
    assert_eq!(found, expected);
    for lines in [vec![], vec!["a".to_owned(); 7]] {
        let wrong = NewSeller { address_lines: lines, ..new_seller() };
        assert_eq!(SellerTerms::parse(&wrong).unwrap_err().as_slice()[0].code, "out_of_range");
    }
    let long = SellerTerms::parse(&NewSeller { series: "A".repeat(21), ..new_seller() }).unwrap_err();
    assert_eq!((&*long.as_slice()[0].field, long.as_slice()[0].code), ("series", "too_long"));
    let longest = SellerTerms::parse(&NewSeller { series: "A".repeat(20), ..new_seller() }).unwrap();
    let number = format!("{}-2026-1", longest.credit_series);
    assert_eq!(number.parse::<InvoiceNumber>().unwrap().to_string(), number, "it can be asked for");
    let same = NewSeller { credit_series: Some("FV".into()), ..new_seller() };
    assert_eq!(SellerTerms::parse(&same).unwrap_err().as_slice()[0].field, "creditNoteSeries");
    for bad in ["", "-A", "A-", "A--B", "Ą", "A B", &"A".repeat(24)] {
        assert!(Series::parse("series", bad).is_err(), "{bad}");
    }
}

#[test]
fn a_number_is_read_as_it_is_written() {
    for text in ["FV-2026-1", "A-B-2026-0007-18446744073709551615", "2026-2026-2026"] {
        assert_eq!(text.parse::<InvoiceNumber>().unwrap().to_string(), text);
    }
    assert_eq!("fv-2026-17".parse::<InvoiceNumber>().unwrap().to_string(), "FV-2026-17");
    for bad in
        ["", "FV", "2026-1", "FV-26-1", "FV-2026-01", "FV-2026-0", "FV-2026-+1", "FV-2026-1x", "-2026-1", "FV-2026-"]
    {
        assert!(bad.parse::<InvoiceNumber>().is_err(), "{bad}");
    }
}
