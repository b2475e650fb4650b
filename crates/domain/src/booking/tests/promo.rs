//! Promo codes: what they take off, and when they are of use.

use proptest::prelude::*;

use super::*;
use crate::PromoCodeId;
use crate::booking::{PromoCode, PromoEdit, PromoFound, PromoWord, hold_with, quote};
use crate::pricing::{NewPricing, Pricing};

fn word() -> PromoWord {
    PromoWord::parse("code", "Early-10").unwrap()
}

fn code(sale: &Sale, new: &PromoEdit) -> PromoCode {
    PromoCode::try_new(PromoCodeId::new(Uuid::nil()), sale, word(), new, at(0)).unwrap()
}

fn share(millionths: i64) -> PromoEdit {
    PromoEdit { rate: Some(Some(millionths)), ..PromoEdit::default() }
}

/// Why the code is of no use for one unit of the first type.
fn why(sale: &Sale, code: &PromoCode, of_buyer: u32, now: Timestamp) -> &'static str {
    let request = HoldRequest { promo_code: Some(word()), ..request(1, &[(1, 1)]) };
    let found = Some(PromoFound { code, of_buyer });
    match hold_with(sale, &Holdings::new(), found, &request, HOLD_END, now) {
        Err(Refusal::Invalid(problems)) => problems.as_slice()[0].code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_is_of_use_within_its_bounds_alone() {
    let sale = on_sale(&[ticket_type(1_000, None), ticket_type(1_000, None)]);
    let of = |edit: PromoEdit| code(&sale, &PromoEdit { rate: Some(Some(100_000)), ..edit });
    let any = PromoEdit::default;
    let ended = of(PromoEdit { ends_at: Some(Some(at(10))), ..any() });
    assert_eq!(why(&sale, &ended, 0, at(10)), "expired");
    let future = of(PromoEdit { starts_at: Some(Some(at(10))), ..any() });
    assert_eq!(why(&sale, &future, 0, at(9)), "unknown");
    assert_eq!(why(&sale, &of(PromoEdit { archived: Some(true), ..any() }), 0, at(0)), "unknown");
    let used = PromoCode { used: 3, ..of(PromoEdit { max_uses: Some(Some(3)), ..any() }) };
    assert_eq!(why(&sale, &used, 0, at(0)), "used_up");
    let limited = of(PromoEdit { max_per_buyer: Some(Some(2)), ..any() });
    assert_eq!(why(&sale, &limited, 2, at(0)), "limit_exceeded");
    let spent = PromoCode { spent: 401, ..of(PromoEdit { budget: Some(Some(500)), ..any() }) };
    assert_eq!(why(&sale, &spent, 0, at(0)), "used_up");
    let other = of(PromoEdit { ticket_types: Some(vec![type_id(2)]), ..any() });
    assert_eq!(why(&sale, &other, 0, at(0)), "not_applicable");
    // Named, and not there.
    let named = HoldRequest { promo_code: Some(word()), ..request(1, &[(1, 1)]) };
    assert!(matches!(held(&mut sale.clone(), &named, at(0)), Err(Refusal::Invalid(_))));
    // Just within all of them.
    let all = PromoCode {
        used: 2,
        spent: 400,
        ..of(PromoEdit {
            max_uses: Some(Some(3)),
            max_per_buyer: Some(Some(2)),
            budget: Some(Some(500)),
            ticket_types: Some(vec![type_id(1)]),
            starts_at: Some(Some(at(0))),
            ends_at: Some(Some(at(1))),
            ..any()
        })
    };
    let found = Some(PromoFound { code: &all, of_buyer: 1 });
    let booking = hold_with(&sale, &Holdings::new(), found, &named, HOLD_END, at(0)).unwrap().booking;
    assert_eq!((booking.total.minor, booking.promo.unwrap().discount), (900, 100));
}

/// What becomes of one unit of each of these types with this code, or with none.
fn with(sale: &Sale, code: Option<&PromoCode>, types: &[u128]) -> Result<i64, &'static str> {
    let units: Vec<(u128, u32)> = types.iter().map(|n| (*n, 1)).collect();
    let promo = code.map(|code| Some(PromoFound { code, of_buyer: 0 }));
    match quote(sale, &request(1, &units).units, promo, None, at(0)) {
        Ok(quote) => Ok(quote.total.minor),
        Err(Refusal::Invalid(problems)) => Err(problems.as_slice()[0].code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_opens_hidden_types_and_nobody_else_gets_in() {
    let hidden = |price| NewTicketType { hidden: true, ..ticket_type(price, Some(10)) };
    let sale = on_sale(&[ticket_type(100, None), hidden(200), hidden(400)]);
    assert_eq!(with(&sale, None, &[2]), Ok(200), "no code guards it: who knows its id gets it");
    let opening =
        |types: &[u128]| PromoEdit { opens: Some(types.iter().map(|n| type_id(*n)).collect()), ..PromoEdit::default() };
    let access = code(&sale, &opening(&[2]));
    let guarded = access.guarding(None, &sale, at(5));
    assert_eq!((guarded.event.version, guarded.event.updated_at), (sale.event.version + 1, at(5)));
    assert_eq!(access.guarding(None, &guarded, at(6)), guarded, "once");
    assert_eq!(access.guarding(Some(&access), &sale, at(6)), sale, "what its organizer has opened since stays open");
    let more = code(&sale, &opening(&[2, 3]));
    let types = |sale: &Sale| sale.ticket_types.iter().map(|known| known.code_required).collect::<Vec<_>>();
    assert_eq!(types(&more.guarding(Some(&access), &sale, at(6))), [false, false, true], "what is new is guarded");
    assert_eq!(with(&guarded, None, &[2]), Err("required"));
    assert_eq!(with(&guarded, None, &[3]), Ok(400));
    assert_eq!(with(&guarded, Some(&access), &[2]), Ok(200), "no price effect");
    assert_eq!(with(&guarded, Some(&access), &[1, 2, 3]), Ok(700));
    assert_eq!(with(&guarded, Some(&access), &[1]), Err("not_applicable"), "it is of no use there");
    let cheaper = code(&guarded, &share(500_000));
    assert_eq!(with(&guarded, Some(&cheaper), &[2]), Err("not_applicable"), "it makes cheaper, and opens nothing");
    let both = code(
        &guarded,
        &PromoEdit { ticket_types: Some(vec![type_id(2)]), opens: opening(&[2]).opens, ..share(500_000) },
    );
    assert_eq!(with(&guarded, Some(&both), &[1, 2]), Ok(200));
    let away = PromoCode { archived: true, ..access.clone() };
    assert_eq!(with(&guarded, Some(&away), &[2]), Err("unknown"));
    let used_up = PromoCode { used: 1, ..code(&guarded, &PromoEdit { max_uses: Some(Some(1)), ..opening(&[2]) }) };
    assert_eq!(with(&guarded, Some(&used_up), &[2]), Err("used_up"));
    // Where `{}` means the only type, what needs a code is not in the way.
    let alone = on_sale(&[ticket_type(100, None), NewTicketType { code_required: true, ..hidden(5) }]);
    assert_eq!(alone.only_type().map(|only| only.id), Some(type_id(1)));
    let nothing_else = on_sale(&[NewTicketType { code_required: true, ..hidden(5) }]);
    assert_eq!(nothing_else.only_type().map(|only| only.id), Some(type_id(1)));
}

#[test]
fn a_code_opens_what_is_hidden_and_has_some_effect() {
    let sale = on_sale(&[ticket_type(100, None), NewTicketType { hidden: true, ..ticket_type(200, None) }]);
    let id = PromoCodeId::new(Uuid::nil());
    let why = |new: &PromoEdit| {
        let wrong = PromoCode::try_new(id, &sale, word(), new, at(0)).unwrap_err();
        (wrong.as_slice()[0].field.clone(), wrong.as_slice()[0].code)
    };
    let opens = |n: u128| PromoEdit { opens: Some(vec![type_id(n)]), ..PromoEdit::default() };
    assert_eq!(why(&PromoEdit::default()), ("rate".into(), "required"));
    assert_eq!(why(&opens(1)), ("opensTicketTypeIds".into(), "not_hidden"));
    assert_eq!(why(&opens(9)), ("opensTicketTypeIds".into(), "unknown"));
    let access = code(&sale, &opens(2));
    let nothing_left = PromoEdit { opens: Some(vec![]), ..PromoEdit::default() };
    assert_eq!(access.edited(&sale, &nothing_left, at(1)).unwrap_err().as_slice()[0].code, "required");
    let cheaper = PromoEdit { rate: Some(Some(1_000)), ..nothing_left };
    assert_eq!(access.edited(&sale, &cheaper, at(1)).unwrap().version, 2);
}

#[test]
fn codes_are_read_as_people_type_them() {
    for typed in ["early-10", " EARLY-10 ", "Early-10"] {
        assert_eq!(PromoWord::read(typed), Some(word()));
    }
    for none in ["", "abc", "with space", "ÄÖÜ-10", "a_b_c", &"x".repeat(41), &"x".repeat(10_000)] {
        assert_eq!(PromoWord::read(none), None, "{none}");
    }
    let random = PromoWord::of([7, u64::MAX]);
    assert_eq!((random.as_str().len(), PromoWord::read(random.as_str())), (12, Some(random)));
}

proptest! {
    #[test]
    fn a_discount_is_within_the_price_and_all_of_it_is_in_the_parts(
        prices in [0_i64..3_000, 0..3_000],
        units in [1_u32..11, 1..11],
        amount in 1_i64..4_000,
        millionths in 1_i64..=1_000_000,
        is_share in any::<bool>(),
        tax_rate in 0_i64..=1_000_000,
        tax_included in any::<bool>(),
        taxed in any::<bool>(),
    ) {
        let mut sale = on_sale(&prices.map(|price| ticket_type(price, None)));
        let pricing = NewPricing { tax_rate: Some(tax_rate), tax_included, ..NewPricing::default() };
        sale.event.terms.pricing = taxed.then(|| Pricing::parse(&pricing).unwrap().into());
        let edit = if is_share { share(millionths) } else { PromoEdit { amount: Some(Some(amount)), ..PromoEdit::default() } };
        let code = code(&sale, &edit);
        let request = request(1, &[(1, units[0]), (2, units[1])]);
        let with = quote(&sale, &request.units, Some(Some(PromoFound { code: &code, of_buyer: 0 })), None, at(0)).unwrap();
        let without = quote(&sale, &request.units, None, None, at(0)).unwrap();
        prop_assert!(with.total.minor >= 0 && with.total.minor <= without.total.minor);
        let off: i64 = with.price_parts.iter().map(|part| part.discount).sum();
        prop_assert_eq!(with.promo.unwrap().discount, off);
        for part in &with.price_parts {
            prop_assert!(part.discount <= part.unit_price * i64::from(part.quantity));
            prop_assert_eq!(part.discount % i64::from(part.quantity), 0, "rounded once for each unit");
        }
    }
}
