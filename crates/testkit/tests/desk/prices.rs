//! Prices that depend on what is taken, at the desk over real databases: the lane decides them one after another.

use application::booking::Command;
use application::error::AppError;
use chrono::TimeDelta;
use domain::UserId;
use domain::booking::{Booking, Canceller, HoldRequest, Refusal};
use domain::catalog::{NewPriceTier, NewTicketType};
use futures::future::join_all;
use goticket_testkit::databases::Engine;
use goticket_testkit::hall::{Hall, hold, ticket_type};
use goticket_testkit::on_both_engines;
use uuid::Uuid;

on_both_engines!(of_a_thousand_at_once_so_many_are_early_and_no_more, what_lapsed_leaves_its_place_at_the_price);

/// 500 for the first `most`, then 1,000.
fn early_bird(most: i64, capacity: Option<i64>) -> NewTicketType {
    let tier = NewPriceTier { price: 500, until_sold: Some(most), ..NewPriceTier::default() };
    NewTicketType { price_tiers: vec![tier], ..ticket_type(1_000, capacity) }
}

fn buyer(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

async fn of_a_thousand_at_once_so_many_are_early_and_no_more(engine: Engine) {
    let hall = Hall::open(engine, &[early_bird(300, Some(900))]).await;
    let desks = [hall.desk.clone(), hall.another_desk_if(engine).await];
    // Every fourth has seen the early price and wants no other; the rest take what they get.
    let ask = |n: u128| {
        let expected_total = n.is_multiple_of(4).then_some(500);
        let request = HoldRequest { expected_total, ..hall.request(buyer(n), 1) };
        hold(&desks[n as usize % 2], hall.event, request, None)
    };
    let answers: Vec<Result<Booking, AppError>> = join_all((0..1_000).map(ask)).await;
    let of = |price: i64| answers.iter().flatten().filter(|booking| booking.total.minor == price).count();
    let changed = |answer: &&Result<Booking, AppError>| {
        matches!(answer, Err(AppError::Refused(Refusal::PriceChanged { total: 1_000 })))
    };
    let changed = answers.iter().filter(changed).count();
    let sold_out = answers.iter().filter_map(|it| it.as_ref().err()).filter(|it| it.code() == "sold_out").count();
    assert_eq!(of(500), 300, "exactly so many at the early price");
    assert_eq!(of(500) + of(1_000) + changed + sold_out, 1_000, "and no other answer");
    assert!(of(1_000) >= 450, "who took what he got was refused by the end of the stock alone: {}", of(1_000));
    hall.verify().await;
}

async fn what_lapsed_leaves_its_place_at_the_price(engine: Engine) {
    let hall = Hall::open(engine, &[early_bird(2, Some(3))]).await;
    let price = async |n: u128| {
        let booking = hold(&hall.desk, hall.event, hall.request(buyer(n), 1), None).await;
        booking.map(|booking| (booking.id, booking.items[0].unit_price)).map_err(|error| error.code())
    };
    let first = price(1).await.unwrap();
    let (second, third) = (price(2).await.unwrap(), price(3).await.unwrap());
    assert_eq!((first.1, second.1, third.1), (500, 500, 1_000));
    assert_eq!(price(4).await, Err("sold_out"));
    hall.submit(Command::Cancel(first.0, Canceller::Buyer)).await.unwrap();
    assert_eq!(price(5).await.unwrap().1, 1_000, "the place that is left is the third");
    hall.clock.step(TimeDelta::hours(1));
    // All have lapsed, and nobody has come by: what is short is taken back in the decision itself, one by one.
    assert_eq!(price(6).await.unwrap().1, 1_000);
    hall.submit(Command::Expire(10)).await.unwrap();
    assert_eq!(price(7).await.unwrap().1, 500);
    hall.verify().await;
}
