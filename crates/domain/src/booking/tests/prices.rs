//! Prices by time, by what is taken, and by what the buyer wants to pay.

use proptest::prelude::*;

use super::*;
use crate::PromoCodeId;
use crate::booking::{
    BookingStatus, Canceller, PromoCode, PromoEdit, PromoFound, PromoWord, SaleChange, Verdict, cancel, change_sale,
    expire, quote,
};
use crate::catalog::{NewOpenPrice, NewPriceTier, TicketTypeEdit};
use crate::pricing::{NewPricing, PricePart, Pricing, Rate};

/// 100 for the first `most`, until second 1,000; then 200 until second 2,000; 300 at last.
fn early_bird(most: i64) -> NewTicketType {
    let first = NewPriceTier { price: 100, until: Some(at(1_000)), until_sold: Some(most), name: None };
    let second = NewPriceTier { price: 200, until: Some(at(2_000)), until_sold: None, name: Some("Presale".into()) };
    NewTicketType { price_tiers: vec![first, second], max_per_booking: Some(20), ..ticket_type(300, None) }
}

#[test]
fn a_line_costs_what_its_last_unit_does_and_the_quote_says_so() {
    let mut sale = on_sale(&[early_bird(5)]);
    let mut buy = |buyer, quantity, now| {
        let request = request(buyer, &[(1, quantity)]);
        let said = quote(&sale, &request.units, None, None, at(now)).unwrap().total.minor;
        let asked = HoldRequest { expected_total: Some(said), ..request };
        let booking = held(&mut sale, &asked, at(now)).unwrap();
        assert_eq!(booking.total.minor, said);
        booking.items[0].unit_price
    };
    assert_eq!(buy(1, 3, 0), 100);
    assert_eq!(buy(2, 3, 0), 200, "it would end beyond the tier");
    assert_eq!(buy(3, 1, 0), 200, "six are taken by now");
    assert_eq!(buy(4, 1, 2_000), 300);
    let mut sale = on_sale(&[early_bird(5)]);
    let seen = HoldRequest { expected_total: Some(100), ..request(1, &[(1, 1)]) };
    let late = held(&mut sale, &seen, at(1_000)).unwrap_err();
    assert_eq!(late, Refusal::PriceChanged { total: 200 }, "its time is over at that instant");
    held(&mut sale, &request(2, &[(1, 5)]), at(0)).unwrap();
    assert_eq!(held(&mut sale, &seen, at(0)).unwrap_err(), Refusal::PriceChanged { total: 200 });
    assert_eq!((sale.ended_tiers(at(999)), sale.ended_tiers(at(1_000)), sale.ended_tiers(at(2_000))), (0, 1, 2));
}

#[test]
fn a_ticket_type_has_a_tax_of_its_own() {
    let taxed = |price, tax_rate| NewTicketType { tax_rate, ..ticket_type(price, None) };
    let rates = |sale: &Sale, types: &[(u128, u32)]| {
        let quoted = quote(sale, &request(1, types).units, None, None, at(0)).unwrap();
        let of = |part: &PricePart| (part.tax_rate.map(Rate::millionths), part.net, part.tax);
        (quoted.total.minor, quoted.price_parts.iter().map(of).collect::<Vec<_>>())
    };
    let mut sale = on_sale(&[taxed(1_080, Some(80_000)), taxed(1_230, None), taxed(500, Some(0))]);
    assert!(sale.event.terms.pricing.is_some(), "whoever loads its bookings looks for their parts");
    assert_eq!(sale.event.pricing(), None, "and nothing is to be told of the event");
    let (reduced, nothing) = ((Some(80_000), 2_000, 160), (Some(0), 500, 0));
    let parts = vec![reduced, (None, 1_230, 0), nothing];
    assert_eq!(rates(&sale, &[(1, 2), (2, 1), (3, 1)]), (3_890, parts), "prices contain it, as by default");
    assert_eq!(rates(&sale, &[(2, 1)]), (1_230, vec![]), "without any tax the items are all of it");

    let pricing = NewPricing { tax_rate: Some(230_000), tax_included: true, ..NewPricing::default() };
    sale.event.terms.pricing = Some(Pricing::parse(&pricing).unwrap().into());
    let parts = vec![reduced, (Some(230_000), 1_000, 230), nothing];
    assert_eq!(rates(&sale, &[(1, 2), (2, 1), (3, 1)]), (3_890, parts), "the others have that of the event");
    let on_top = NewPricing { tax_included: false, ..pricing };
    sale.event.terms.pricing = Some(Pricing::parse(&on_top).unwrap().into());
    assert_eq!(rates(&sale, &[(1, 1)]), (1_166, vec![(Some(80_000), 1_080, 86)]));
}

#[test]
fn a_tax_of_a_type_is_changed_for_what_is_booked_from_then_on() {
    let sale = on_sale(&[ticket_type(1_230, None)]);
    assert_eq!(sale.event.terms.pricing, None);
    let edit = |tax_rate| SaleChange::EditTicketType {
        id: type_id(1),
        edit: TicketTypeEdit { tax_rate: Some(tax_rate), ..TicketTypeEdit::default() },
    };
    let taxed = change_sale(&sale, &edit(Some(230_000)), None, at(0)).unwrap();
    assert!(taxed.event.terms.pricing.is_some());
    let quoted = |sale: &Sale| quote(sale, &request(1, &[(1, 1)]).units, None, None, at(0)).unwrap();
    assert_eq!((quoted(&taxed).total.minor, quoted(&taxed).price_parts[0].tax), (1_230, 230));
    let plain = change_sale(&taxed, &edit(None), None, at(0)).unwrap();
    assert!(plain.event.terms.pricing.is_some(), "what was booked meanwhile has parts");
    assert_eq!(quoted(&plain).price_parts, []);
    for wrong in [-1, 1_000_001, i64::MAX] {
        let Err(Refusal::Invalid(problems)) = change_sale(&sale, &edit(Some(wrong)), None, at(0)) else { panic!() };
        assert_eq!((problems.as_slice()[0].field.as_str(), problems.as_slice()[0].code), ("taxRate", "out_of_range"));
    }
}

#[test]
fn a_buyer_names_his_price_within_its_bounds() {
    let open = NewOpenPrice { minimum: 500, maximum: Some(9_000) };
    let free = NewOpenPrice { minimum: 0, maximum: None };
    let of = |price, open| NewTicketType { open_price: Some(open), ..ticket_type(price, None) };
    let sale = on_sale(&[of(1_000, open), of(0, free), ticket_type(700, None)]);
    let buy = |units: &[(u128, u32, Option<i64>)], promo: Option<&PromoCode>| {
        let of = |(n, quantity, unit_price): &(u128, u32, Option<i64>)| Units {
            unit_price: *unit_price,
            ..unit(*n, *quantity)
        };
        let units = UnitsRequest::Listed(units.iter().map(of).collect());
        let found = promo.map(|code| Some(PromoFound { code, of_buyer: 0 }));
        let said = quote(&sale, &units, found, None, at(0)).map(|quote| quote.total.minor);
        if promo.is_none() {
            let asked = HoldRequest { units, ..request(1, &[]) };
            let held = hold(&sale, &Holdings::new(), &asked, HOLD_END, at(0)).map(|decided| decided.booking);
            assert_eq!(held.as_ref().map(|booking| booking.total.minor).map_err(Clone::clone), said);
            if let Ok(booking) = held {
                let free = booking.total.is_zero();
                assert_eq!(booking.status == BookingStatus::Confirmed, free, "what costs nothing is confirmed at once");
            }
        }
        said.map_err(|refusal| match refusal {
            Refusal::Invalid(wrong) => (wrong.as_slice()[0].field.clone(), wrong.as_slice()[0].code),
            other => panic!("{other:?}"),
        })
    };
    let named = |code| Err(("items[0].unitPrice".to_owned(), code));
    assert_eq!(buy(&[(1, 2, Some(500))], None), Ok(1_000));
    assert_eq!(buy(&[(1, 2, Some(9_000))], None), Ok(18_000));
    assert_eq!(buy(&[(1, 2, None)], None), Ok(2_000), "what is suggested");
    assert_eq!(buy(&[(1, 1, Some(499))], None), named("out_of_range"));
    assert_eq!(buy(&[(1, 1, Some(9_001))], None), named("out_of_range"));
    assert_eq!(buy(&[(2, 3, Some(0))], None), Ok(0));
    assert_eq!(buy(&[(2, 1, Some(i64::MIN))], None), named("out_of_range"));
    assert_eq!(buy(&[(3, 1, Some(700))], None), named("not_applicable"), "it is not his to name");
    assert_eq!(buy(&[(1, 1, Some(600)), (1, 2, Some(600))], None), Ok(1_800), "one line");
    let twice = buy(&[(1, 1, Some(600)), (1, 1, Some(700))], None);
    assert_eq!(twice, Err(("items[1].unitPrice".to_owned(), "ambiguous")));
    // A code takes its share off what is named; the bounds are those of what is named.
    let half = PromoEdit { rate: Some(Some(500_000)), ..PromoEdit::default() };
    let word = PromoWord::parse("code", "HALF").unwrap();
    let half = PromoCode::try_new(PromoCodeId::new(Uuid::nil()), &sale, word, &half, at(0)).unwrap();
    assert_eq!(buy(&[(1, 1, Some(600)), (2, 1, Some(50))], Some(&half)), Ok(325));
    assert_eq!(buy(&[(1, 1, Some(400))], Some(&half)), named("out_of_range"));
}

proptest! {
    /// Whatever is bought, given back and lapses: no more units than those of the tier are ever had at its price at the
    /// same time, and while only single units are bought, exactly so many.
    #[test]
    fn no_more_units_than_those_of_the_tier_are_had_at_its_price(
        most in 1_i64..12,
        single in any::<bool>(),
        steps in prop::collection::vec((0_u8..4, 1_u32..5, 0_usize..30, 0_i64..400), 1..60),
    ) {
        let mut sale = on_sale(&[NewTicketType {
            price_tiers: vec![NewPriceTier { price: 100, until_sold: Some(most), ..NewPriceTier::default() }],
            ..ticket_type(300, None)
        }]);
        let (mut bookings, mut now): (Vec<Booking>, i64) = (vec![], 0);
        for (step, quantity, which, wait) in steps {
            let has = |booking: &Booking| matches!(booking.status, BookingStatus::Pending | BookingStatus::Confirmed);
            let taken: u32 = bookings.iter().filter(|known| has(known)).map(Booking::units).sum();
            match step {
                0 | 1 => {
                    let quantity = if single { 1 } else { quantity };
                    let booking = held(&mut sale, &request(bookings.len() as u128, &[(1, quantity)]), at(now)).unwrap();
                    let early = i64::from(taken + quantity) <= most;
                    prop_assert_eq!(booking.items[0].unit_price, if early { 100 } else { 300 });
                    bookings.push(booking);
                }
                2 => {
                    if let Some(booking) = bookings.get_mut(which)
                        && let Ok(Verdict::Done(done)) = cancel(&sale, booking, Canceller::Organizer, at(now))
                    {
                        sale.apply(&done.stock).unwrap();
                        *booking = done.booking;
                    }
                }
                _ => {
                    now += wait;
                    for booking in &mut bookings {
                        if let Some(done) = expire(booking, at(now)) {
                            sale.apply(&done.stock).unwrap();
                            *booking = done.booking;
                        }
                    }
                }
            }
            let early = |booking: &&Booking| has(booking) && booking.items[0].unit_price == 100;
            let early: u32 = bookings.iter().filter(early).map(Booking::units).sum();
            prop_assert!(i64::from(early) <= most, "{} of {}", early, most);
        }
        if single && bookings.iter().all(|booking| booking.status == BookingStatus::Pending) {
            let early = bookings.iter().filter(|booking| booking.items[0].unit_price == 100).count();
            prop_assert_eq!(early as i64, most.min(bookings.len() as i64));
        }
    }
}
