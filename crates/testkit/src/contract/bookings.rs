//! [`BookingReads`]: lists.

use application::booking::{BookingFilter, BookingParties, BookingReads, LaneChanges, LaneStore, LaneWait, PromoCount};
use application::store::Store;
use application::verify::Verifier;
use domain::booking::{Booking, BookingStatus, Buyer, PromoCode, PromoEdit, PromoTerms, PromoUse, PromoWord};
use domain::catalog::EventStatus;
use domain::identity::Role;
use domain::pricing::{Line, NewFee, NewPricing, Payer, Per, Pricing, Rounding, Sum, sum};
use domain::{BookingId, EmailAddress, Money, PromoCodeId, UserId};

use super::fixture::{account, assert_sound, at, booking, buyer, holds, id, mark, moved, now, stored_concert, write};
use crate::databases::TestDatabase;

fn ids(bookings: &[Booking]) -> Vec<BookingId> {
    bookings.iter().map(|booking| booking.id).collect()
}

/// Pages are newest first, and one goes on behind another.
pub async fn pages_are_newest_first(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (me, any) = (UserId::new(id()), BookingFilter::default());
    let mine: Vec<Booking> = (0..5).map(|_| booking(&sale, Buyer::Account(me), 1, Some(at(900)))).collect();
    let others = booking(&sale, buyer(), 1, None);
    write(&db.database, &holds(&sale, &[&mine[..], std::slice::from_ref(&others)].concat())).await.unwrap();
    let newest: Vec<BookingId> = mine.iter().rev().map(|booking| booking.id).collect();
    let first = db.database.bookings_of(me, &any, None, 3).await.unwrap();
    assert_eq!(ids(&first), newest[..3]);
    assert_eq!(first[0], mine[4], "whole bookings");
    let second = db.database.bookings_of(me, &any, Some(newest[2]), 3).await.unwrap();
    assert_eq!(ids(&second), newest[3..]);
    let all = db.database.bookings_in(sale.event.id, &any, None, 101).await.unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all[0].id, others.id);
    assert!(db.database.bookings_of(UserId::new(id()), &any, None, 3).await.unwrap().is_empty());
    assert!(db.database.booking(BookingId::new(id())).await.unwrap().is_none());
}

/// What a booking costs, and by which code, is read as it was written, outside of the lane and on it, and what does not fit
/// is found.
pub async fn parts_of_prices_are_kept(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let fee = |name: &str| NewFee { name: name.into(), ..NewFee::default() };
    let terms = Pricing::parse(&NewPricing {
        tax_rate: Some(81_000),
        rounding: Rounding::TaxGroup,
        fees: vec![
            NewFee { rate: Some(33_333), tax_rate: Some(0), ..fee("Obsługa 🎟") },
            NewFee { amount: Some(77), per: Some(Per::Unit), paid_by: Payer::Organizer, ..fee("Card") },
        ],
        ..NewPricing::default()
    });
    let word = PromoWord::parse("code", "One-Less").unwrap();
    let (amount, max_uses) = (Some(Some(1)), Some(Some(2)));
    let one_less = PromoEdit { amount, max_uses, ..PromoEdit::default() };
    let code = PromoCode::try_new(PromoCodeId::new(id()), &sale, word, &one_less, now()).unwrap();
    let priced = |quantity| {
        let booking = booking(&sale, buyer(), quantity, Some(at(900)));
        let item = &booking.items[0];
        let (ticket_type, name, unit_price) = (item.ticket_type, item.name.clone(), item.unit_price);
        let line = Line { ticket_type, name, quantity, unit_price, discount: 1, tax_rate: None };
        let Sum { parts, total } = sum(terms.as_ref().unwrap(), &[line]).unwrap();
        let promo = Some(PromoUse { id: code.id, code: code.code.clone(), discount: 1 });
        Booking { price_parts: parts, promo, total: Money { minor: total, ..booking.total }, ..booking }
    };
    let bookings = [priced(1), priced(3), booking(&sale, buyer(), 2, Some(at(900)))];
    let promo_counts = vec![PromoCount { id: code.id, used: 2, spent: 2 }];
    // One that opens ticket types and takes nothing off, and one that does both.
    let opening = |text: &str, discount| PromoCode {
        id: PromoCodeId::new(id()),
        code: PromoWord::parse("code", text).unwrap(),
        terms: PromoTerms { discount, opens: vec![sale.ticket_types[0].id], ..code.terms.clone() },
        ..code.clone()
    };
    let opens = [opening("Opens", None), opening("Opens-For-Less", code.terms.discount)];
    let new_promo_codes = [&[code.clone()][..], &opens].concat();
    let changes = LaneChanges { new_promo_codes, promo_counts, ..holds(&sale, &bookings) };
    write(&db.database, &changes).await.unwrap();
    let kept = db.database.promo_code(sale.event.id, code.id).await.unwrap();
    assert_eq!(kept, Some(PromoCode { used: 2, spent: 2, ..code.clone() }));
    for code in opens {
        assert_eq!(db.database.promo_code(sale.event.id, code.id).await.unwrap(), Some(code));
    }
    for booking in &bookings {
        assert_eq!(db.database.booking(booking.id).await.unwrap().as_ref(), Some(booking));
    }
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let parts = open.transaction.price_parts(&ids(&bookings)).await.unwrap();
    let uses = open.transaction.promo_uses(&ids(&bookings)).await.unwrap();
    open.transaction.commit().await.unwrap();
    assert_eq!(uses.get(&bookings[0].id), bookings[0].promo.as_ref());
    assert_eq!(uses.len(), 2);
    let third = vec![PromoCount { id: code.id, used: 1, spent: 0 }];
    let over = LaneChanges { lanes: vec![mark(&sale)], promo_counts: third, ..LaneChanges::default() };
    assert!(write(&db.database, &over).await.is_err(), "the constraint has the last word");
    let expected = bookings[..2].iter().map(|booking| (booking.id, booking.price_parts.clone())).collect();
    assert_eq!(parts, expected);
    assert_sound(&db).await;
    // What stands on one side too much stands on the other too little: every sum is right.
    let shifted = |by: &str| {
        format!("UPDATE booking_price_parts SET net = net {by} 1, tax = tax - (0 {by} 1) WHERE position = 0")
    };
    for (wrong, right) in [(shifted("+"), shifted("-")), (shifted("-"), shifted("+"))] {
        db.tamper(&wrong).await;
        let found = db.database.verify().await.unwrap().differences;
        assert!(found.len() >= 2, "{wrong}: {found:?}");
        assert!(found.iter().all(|difference| difference.invariant == "price_parts"), "{wrong}: {found:?}");
        db.tamper(&right).await;
        assert_sound(&db).await;
    }
    for (wrong, invariant) in [
        ("UPDATE booking_price_parts SET discount = discount - 1 WHERE position = 0", "price_parts"),
        ("UPDATE booking_price_parts SET gross = gross + 1, net = net + 1 WHERE position = 0", "booking_total"),
        ("UPDATE booking_price_parts SET quantity = quantity + 1 WHERE position = 0", "price_parts"),
        ("UPDATE booking_price_parts SET position = 7 WHERE position = 0", "price_parts"),
    ] {
        db.tamper(wrong).await;
        let found = db.database.verify().await.unwrap().differences;
        assert!(found.iter().any(|difference| difference.invariant == invariant), "{wrong}: {found:?}");
    }
}

/// Whom a booking concerns is read without the booking.
pub async fn parties_are_those_of_the_booking(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let guest = Buyer::Guest(EmailAddress::parse("email", "guest@example.com").unwrap());
    let bookings = [booking(&sale, buyer(), 1, Some(at(900))), booking(&sale, guest, 1, None)];
    write(&db.database, &holds(&sale, &bookings)).await.unwrap();
    for booking in bookings {
        let parties = db.database.parties(booking.id).await.unwrap().unwrap();
        let Booking { event, organizer, buyer, .. } = booking;
        assert_eq!(parties, BookingParties { event, organizer, buyer });
    }
    assert!(db.database.parties(BookingId::new(id())).await.unwrap().is_none());
}

/// Which of many bookings hold their units: not those that are sold, given back or lapsed, nor those that there are not.
pub async fn what_is_still_held_is_told(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (long, short) = (booking(&sale, buyer(), 1, Some(at(900))), booking(&sale, buyer(), 1, Some(at(60))));
    // What is over keeps the terms of its hold.
    let over = |status| Booking { status, ..booking(&sale, buyer(), 1, Some(at(900))) };
    let (sold, given_back) = (over(BookingStatus::Confirmed), over(BookingStatus::Cancelled));
    let all = [long, short, sold, given_back];
    write(&db.database, &holds(&sale, &all)).await.unwrap();
    let [long, short, ..] = &all;
    let mut asked: Vec<BookingId> = all.iter().map(|booking| booking.id).collect();
    asked.extend((0..2_000).map(|_| BookingId::new(id())));
    let held = async |now| {
        let mut held = db.database.still_held(&asked, now).await.unwrap();
        held.sort_unstable();
        held
    };
    let mut both = vec![(long.id, at(900)), (short.id, at(60))];
    both.sort_unstable();
    assert_eq!(held(at(59)).await, both);
    assert_eq!(held(at(60)).await, [(long.id, at(900))]);
    assert_eq!(held(at(900)).await, []);
    assert_eq!(db.database.still_held(&[], at(0)).await.unwrap(), []);
}

/// Filters by status, reference and address, of accounts and guests alike.
pub async fn lists_are_filtered(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let ana = account(Role::User);
    let mut unit = db.database.begin().await.unwrap();
    unit.insert_users(std::slice::from_ref(&ana)).await.unwrap();
    unit.commit().await.unwrap();
    let guest = EmailAddress::parse("email", "guest@example.com").unwrap();
    let bookings = [
        booking(&sale, Buyer::Account(ana.user.id), 1, Some(at(900))),
        booking(&sale, Buyer::Guest(guest.clone()), 1, None),
        booking(&sale, buyer(), 1, None),
    ];
    write(&db.database, &holds(&sale, &bookings)).await.unwrap();
    let find =
        async |filter: BookingFilter| ids(&db.database.bookings_in(sale.event.id, &filter, None, 10).await.unwrap());
    let any = BookingFilter::default;
    let confirmed = BookingFilter { statuses: vec![BookingStatus::Confirmed], ..any() };
    assert_eq!(find(confirmed).await, [bookings[2].id, bookings[1].id]);
    let both = vec![BookingStatus::Pending, BookingStatus::Expired];
    assert_eq!(find(BookingFilter { statuses: both, ..any() }).await, [bookings[0].id]);
    let named = BookingFilter { reference: Some(bookings[1].reference.clone()), ..any() };
    assert_eq!(find(named).await, [bookings[1].id]);
    let of = |email: &EmailAddress| BookingFilter { email: Some(email.clone()), ..BookingFilter::default() };
    assert_eq!(find(of(&ana.user.email)).await, [bookings[0].id]);
    assert_eq!(find(of(&guest)).await, [bookings[1].id]);
    assert_eq!(find(of(&EmailAddress::parse("email", "no@example.com").unwrap())).await, []);
}

/// A cancelled event whose bookings still have stock is found, until they have none.
pub async fn cancelled_events_are_found_while_they_have_stock(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let held = booking(&sale, buyer(), 1, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    assert_eq!(db.database.cancelled_lanes_with_stock(9).await.unwrap(), []);
    let mut event = sale.event.clone();
    event.status = EventStatus::Cancelled;
    let changes = LaneChanges { lanes: vec![mark(&sale)], events: vec![event], ..LaneChanges::default() };
    write(&db.database, &changes).await.unwrap();
    assert_eq!(db.database.cancelled_lanes_with_stock(9).await.unwrap(), [sale.event.id]);
    write(&db.database, &moved(&sale, &held, BookingStatus::Cancelled).1).await.unwrap();
    assert_eq!(db.database.cancelled_lanes_with_stock(9).await.unwrap(), []);
}

/// Bookings that are held or confirmed are found page by page, and no others.
pub async fn open_bookings_are_paged(db: TestDatabase) {
    let (sale, other) = (stored_concert(&db, None, None).await, stored_concert(&db, None, None).await);
    let mut open = Vec::new();
    for confirmed in [false, true, false] {
        let booked = booking(&sale, buyer(), 1, (!confirmed).then(|| at(900)));
        write(&db.database, &holds(&sale, std::slice::from_ref(&booked))).await.unwrap();
        open.push(booked);
    }
    write(&db.database, &holds(&other, &[booking(&other, buyer(), 1, None)])).await.unwrap();
    write(&db.database, &moved(&sale, &open.remove(0), BookingStatus::Cancelled).1).await.unwrap();
    let mut expected: Vec<_> = open.iter().map(|booking| booking.id).collect();
    expected.sort_unstable();
    let page = async |after, rows| db.database.open_bookings(sale.event.id, after, rows).await.unwrap();
    assert_eq!(page(None, 9).await, expected);
    assert_eq!(page(None, 1).await, expected[..1]);
    assert_eq!(page(Some(expected[0]), 9).await, expected[1..]);
    assert_eq!(page(Some(expected[1]), 9).await, []);
}
