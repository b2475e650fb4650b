//! Every sum holds, whatever the prices, the rates, the fees and the digits of the currency.

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::pricing::{Charge, Fee, Line, Of, Payer, Per, Pricing, Rate, Rounding, Sum, sum, tax_groups};
use crate::{Currency, Money, Text, TicketTypeId};

/// With 0, 2, 3 and 4 digits.
const CURRENCIES: [&str; 4] = ["JPY", "EUR", "BHD", "CLF"];

fn rate() -> impl Strategy<Value = Rate> {
    let usual =
        prop::sample::select(vec![0_u32, 50_000, 80_000, 81_000, 190_000, 230_000, 333_333, 500_000, 1_000_000]);
    prop_oneof![usual, 0_u32..=1_000_000].prop_map(|millionths| Rate::of_millionths(millionths).unwrap())
}

/// A price in the minor unit: some odd ones, some round in the currency's digits, some free, some of the highest.
fn price(digits: u32) -> impl Strategy<Value = i64> {
    let unit = 10_i64.pow(digits);
    prop_oneof![
        Just(0),
        1_i64..20,
        1_i64..100_000,
        (1_i64..500).prop_map(move |whole| whole * unit),
        1..=Pricing::FEE_MAX
    ]
}

fn lines(digits: u32) -> impl Strategy<Value = Vec<Line>> {
    let parts = (price(digits), 1_u32..40, 0_i64..=100, prop::option::weighted(0.3, rate()));
    let line = parts.prop_map(|(unit_price, quantity, percent, tax_rate)| Line {
        ticket_type: TicketTypeId::new(Uuid::nil()),
        name: Text::trusted("Standing".into()),
        quantity,
        unit_price,
        discount: if percent > 40 { 0 } else { unit_price * i64::from(quantity) * percent / 40 },
        tax_rate,
    });
    vec(line, 1..12)
}

fn fee(digits: u32) -> impl Strategy<Value = Fee> {
    let per = prop_oneof![Just(Per::Unit), Just(Per::Booking)];
    let fixed = (price(digits).prop_map(|price| price.max(1)), per).prop_map(|(price, per)| Charge::Fixed(price, per));
    let charge = prop_oneof![fixed, rate().prop_map(Charge::Share)];
    let paid_by = prop_oneof![3 => Just(Payer::Buyer), 1 => Just(Payer::Organizer)];
    (charge, prop::option::of(rate()), paid_by).prop_map(|(charge, tax_rate, paid_by)| Fee {
        name: Text::trusted("Service".into()),
        charge,
        tax_rate,
        paid_by,
    })
}

fn terms(digits: u32) -> impl Strategy<Value = Pricing> {
    let rounding = prop_oneof![Just(Rounding::Line), Just(Rounding::TaxGroup)];
    (prop::option::of(rate()), any::<bool>(), rounding, vec(fee(digits), 0..5))
        .prop_map(|(tax_rate, tax_included, rounding, fees)| Pricing { tax_rate, tax_included, rounding, fees })
}

pub(crate) fn request() -> impl Strategy<Value = (Currency, Pricing, Vec<Line>)> {
    prop::sample::select(CURRENCIES.to_vec()).prop_flat_map(|code| {
        let currency: Currency = code.parse().unwrap();
        let digits = u32::from(currency.exponent());
        (Just(currency), terms(digits), lines(digits))
    })
}

/// What the rate says by itself; the sum of many parts may differ by what their rounding comes to.
fn tax_of(pricing: &Pricing, rate: Rate, price: i64) -> i64 {
    if pricing.tax_included { price - rate.taken_out(price).unwrap() } else { rate.of(price).unwrap() }
}

fn as_named(pricing: &Pricing, net: i64, gross: i64) -> i64 {
    if pricing.tax_included { gross } else { net }
}

proptest! {
    #[test]
    fn the_total_is_the_sum_of_what_the_buyer_pays((currency, pricing, lines) in request()) {
        let Sum { parts, total } = sum(&pricing, &lines).unwrap();
        let theirs = parts.iter().filter(|part| part.paid_by == Payer::Buyer);
        let added = theirs.fold(Money::zero(currency), |sum, part| {
            sum.checked_add(Money { minor: part.gross, currency }).unwrap()
        });
        prop_assert_eq!(added.minor, total);
        prop_assert!(total >= 0);
        prop_assert_eq!(parts.iter().filter(|part| part.of != Of::Fee).count(), lines.len());
    }

    #[test]
    fn net_and_tax_are_gross_on_each_part_and_each_group((_, pricing, lines) in request()) {
        let Sum { parts, total } = sum(&pricing, &lines).unwrap();
        for part in &parts {
            prop_assert_eq!(part.net + part.tax, part.gross);
            prop_assert!(part.net >= 0 && part.tax >= 0 && part.gross >= 0, "{:?}", part);
            let price = part.unit_price * i64::from(part.quantity) - part.discount;
            prop_assert_eq!(as_named(&pricing, part.net, part.gross), price, "what was named is what is asked for");
            match part.tax_rate {
                Some(rate) => prop_assert_eq!(part.tax - part.rounding, tax_of(&pricing, rate, price)),
                None => prop_assert_eq!((part.tax, part.rounding), (0, 0)),
            }
        }
        let groups = tax_groups(&parts).unwrap();
        for group in &groups {
            prop_assert_eq!(group.net + group.tax, group.gross);
            if pricing.rounding == Rounding::TaxGroup {
                let price = as_named(&pricing, group.net, group.gross);
                prop_assert_eq!(group.tax, tax_of(&pricing, group.rate, price), "the group is rounded once");
            }
        }
        let untaxed: i64 = parts.iter().filter(|part| part.tax_rate.is_none() && part.paid_by == Payer::Buyer)
            .map(|part| part.gross).sum();
        prop_assert_eq!(groups.iter().map(|group| group.gross).sum::<i64>() + untaxed, total);
    }

    #[test]
    fn roundings_are_of_one_unit_and_only_by_group((_, pricing, lines) in request()) {
        let Sum { parts, .. } = sum(&pricing, &lines).unwrap();
        for part in &parts {
            let most = i64::from(pricing.rounding == Rounding::TaxGroup && part.paid_by == Payer::Buyer);
            // A part that could give nothing (it had no tax) leaves its unit to a larger one: never more than two.
            prop_assert!(part.rounding.abs() <= 2 * most, "{:?}", part);
        }
    }

    #[test]
    fn discounts_stay_within_prices_and_free_tickets_bear_no_fees((_, pricing, lines) in request()) {
        let Sum { parts, total } = sum(&pricing, &lines).unwrap();
        for (part, line) in parts.iter().zip(&lines) {
            prop_assert_eq!(part.discount, line.discount);
            prop_assert!(part.discount <= line.unit_price * i64::from(line.quantity));
        }
        let free: Vec<Line> = lines.iter().map(|line| {
            Line { discount: line.unit_price * i64::from(line.quantity), ..line.clone() }
        }).collect();
        prop_assert_eq!(sum(&pricing, &free).unwrap().total, 0);
        let without: Vec<Line> = lines.iter().map(|line| Line { discount: 0, ..line.clone() }).collect();
        prop_assert!(sum(&pricing, &without).unwrap().total >= total, "a discount makes nothing dearer");
    }

    #[test]
    fn no_amount_however_large_is_wrong_in_silence(unit_price in any::<i64>(), quantity in any::<u32>(), discount in any::<i64>(), (_, pricing, lines) in request()) {
        let huge = Line { unit_price, quantity, discount, ..lines[0].clone() };
        if let Ok(Sum { parts, total }) = sum(&pricing, &[huge.clone(), huge]) {
            let exact: i128 = parts.iter().filter(|part| part.paid_by == Payer::Buyer)
                .map(|part| i128::from(part.net) + i128::from(part.tax)).sum();
            prop_assert_eq!(exact, i128::from(total));
            prop_assert!(discount >= 0 && i128::from(discount) <= i128::from(unit_price) * i128::from(quantity));
        }
    }
}
