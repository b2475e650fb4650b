//! Promo codes at the desk over real databases: what is counted is never more than may be, and comes back once.

use application::booking::{BookingReads, Command, Outcome};
use application::error::AppError;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::{Booking, BookingStatus, Canceller, HoldRequest, PromoCode, PromoEdit, PromoWord, Refusal};
use domain::{PromoCodeId, UserId};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, still};
use goticket_testkit::hall::{Hall, hold, ticket_type};
use goticket_testkit::on_both_engines;
use uuid::Uuid;

on_both_engines!(
    a_code_is_used_as_often_as_it_may_be_and_no_more,
    a_budget_is_never_overdrawn,
    what_was_counted_wrong_is_found,
    one_buyer_uses_a_code_within_his_limit,
    what_lapses_or_is_cancelled_gives_its_use_back_once,
    another_limit_holds_from_its_commit_on,
);

fn buyer(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn word() -> PromoWord {
    PromoWord::parse("code", "early-10").unwrap()
}

/// 10 % off.
fn ten_percent() -> PromoEdit {
    PromoEdit { rate: Some(Some(100_000)), ..PromoEdit::default() }
}

/// An event with a type at 1,000 and this code.
async fn hall(engine: Engine, new: PromoEdit) -> (Hall, PromoCode) {
    let hall = Hall::open(engine, &[ticket_type(1_000, None)]).await;
    let id = PromoCodeId::new(hall.ids.uuid());
    let made = hall.submit(Command::AddPromoCode { id, code: word(), new: Box::new(new) }).await.unwrap();
    let Outcome::PromoCode(code) = made else { panic!("{made:?}") };
    (hall, *code)
}

fn with_code(hall: &Hall, n: u128) -> HoldRequest {
    HoldRequest { promo_code: Some(word()), ..hall.request(buyer(n), 1) }
}

/// What the database counts of the code.
async fn counted(hall: &Hall) -> (u32, i64) {
    let code = still(async || hall.test.database.promo_code_named(hall.event, &word()).await).await.unwrap().unwrap();
    (code.used, code.spent)
}

fn refused_with(answer: &Result<Booking, AppError>) -> Option<&'static str> {
    match answer {
        Err(AppError::Refused(Refusal::Invalid(problems))) => Some(problems.as_slice()[0].code),
        Ok(_) => None,
        other => panic!("{other:?}"),
    }
}

/// A thousand buyers ask at once, of two processes where there can be two.
async fn a_thousand(hall: &Hall, engine: Engine) -> Vec<Result<Booking, AppError>> {
    let desks = [hall.desk.clone(), hall.another_desk_if(engine).await];
    let ask = |n: u128| hold(&desks[n as usize % 2], hall.event, with_code(hall, n), None);
    join_all((0..1_000).map(ask)).await
}

async fn a_code_is_used_as_often_as_it_may_be_and_no_more(engine: Engine) {
    let (hall, _) = hall(engine, PromoEdit { max_uses: Some(Some(50)), ..ten_percent() }).await;
    let answers = a_thousand(&hall, engine).await;
    let held: Vec<&Booking> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(held.len(), 50);
    assert!(held.iter().all(|booking| booking.total.minor == 900 && booking.promo.as_ref().unwrap().discount == 100));
    assert_eq!(answers.iter().filter(|answer| refused_with(answer) == Some("used_up")).count(), 950);
    assert_eq!(counted(&hall).await, (50, 5_000));
    hall.verify().await;
}

async fn what_was_counted_wrong_is_found(engine: Engine) {
    for wrong in [
        "UPDATE promo_codes SET used = used - 1",
        "UPDATE promo_codes SET spent = spent + 1",
        "UPDATE promo_uses SET discount = discount + 1",
        "DELETE FROM promo_uses",
    ] {
        let (hall, _) = hall(engine, ten_percent()).await;
        hold(&hall.desk, hall.event, with_code(&hall, 1), None).await.unwrap();
        hall.verify().await;
        hall.test.tamper(wrong).await;
        let found = still(async || hall.test.database.verify().await).await.unwrap().differences;
        assert!(found.iter().any(|difference| difference.invariant == "promo_codes"), "{wrong}: {found:?}");
    }
}

async fn a_budget_is_never_overdrawn(engine: Engine) {
    let (hall, _) = hall(engine, PromoEdit { budget: Some(Some(2_599)), ..ten_percent() }).await;
    let answers = a_thousand(&hall, engine).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 25);
    assert_eq!(counted(&hall).await, (25, 2_500));
    hall.verify().await;
}

async fn one_buyer_uses_a_code_within_his_limit(engine: Engine) {
    let (hall, _) = hall(engine, PromoEdit { max_per_buyer: Some(Some(3)), ..ten_percent() }).await;
    let answers = join_all((0..100).map(|_| hold(&hall.desk, hall.event, with_code(&hall, 1), None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(answers.iter().filter(|answer| refused_with(answer) == Some("limit_exceeded")).count(), 97);
    assert!(hold(&hall.desk, hall.event, with_code(&hall, 2), None).await.is_ok(), "another buyer has his own limit");
    assert_eq!(counted(&hall).await, (4, 400));
    hall.verify().await;
}

async fn what_lapses_or_is_cancelled_gives_its_use_back_once(engine: Engine) {
    let (hall, _) = hall(engine, PromoEdit { max_uses: Some(Some(4)), ..ten_percent() }).await;
    let ask = async |n: u128| hold(&hall.desk, hall.event, with_code(&hall, n), None).await;
    let mut held = Vec::new();
    for n in 0..4 {
        held.push(ask(n).await.unwrap());
    }
    assert_eq!(refused_with(&ask(9).await), Some("used_up"));
    // Twice at once is once.
    let cancel = || hall.submit(Command::Cancel(held[0].id, Canceller::Buyer));
    for answer in join_all([cancel(), cancel()]).await {
        assert!(matches!(answer, Ok(Outcome::Booking(booking)) if booking.status == BookingStatus::Cancelled));
    }
    assert_eq!(counted(&hall).await, (3, 300));
    let confirmed = hall.submit(Command::Confirm { booking: held[1].id, note: None }).await;
    assert!(matches!(&confirmed, Ok(Outcome::Booking(booking)) if booking.promo == held[1].promo), "{confirmed:?}");
    assert_eq!(counted(&hall).await, (3, 300), "confirmed with it is used");
    hall.clock.step(TimeDelta::seconds(61));
    assert!(matches!(hall.submit(Command::Expire(100)).await, Ok(Outcome::Expired(2))));
    assert_eq!(counted(&hall).await, (1, 100));
    assert!(matches!(hall.submit(Command::Expire(100)).await, Ok(Outcome::Expired(0))));
    for n in 10..13 {
        assert_eq!(ask(n).await.unwrap().total.minor, 900);
    }
    assert_eq!((refused_with(&ask(13).await), counted(&hall).await), (Some("used_up"), (4, 400)));
    hall.verify().await;
}

async fn another_limit_holds_from_its_commit_on(engine: Engine) {
    let (hall, code) = hall(engine, PromoEdit { max_uses: Some(Some(2)), ..ten_percent() }).await;
    let ask = async |n: u128| hold(&hall.desk, hall.event, with_code(&hall, n), None).await;
    assert!(ask(1).await.is_ok() && ask(2).await.is_ok() && ask(3).await.is_err());
    let edit = |edit| hall.submit(Command::EditPromoCode { id: code.id, edit: Box::new(edit) });
    let fewer = edit(PromoEdit { max_uses: Some(Some(1)), ..PromoEdit::default() }).await;
    let in_use =
        matches!(&fewer, Err(AppError::Refused(Refusal::Invalid(wrong))) if wrong.as_slice()[0].code == "in_use");
    assert!(in_use, "{fewer:?}");
    edit(PromoEdit { max_uses: Some(Some(3)), ..PromoEdit::default() }).await.unwrap();
    assert!(ask(3).await.is_ok() && ask(4).await.is_err());
    edit(PromoEdit { archived: Some(true), max_uses: Some(None), ..PromoEdit::default() }).await.unwrap();
    assert_eq!(refused_with(&ask(5).await), Some("unknown"));
    let again =
        Command::AddPromoCode { id: PromoCodeId::new(hall.ids.uuid()), code: word(), new: Box::new(ten_percent()) };
    assert!(matches!(hall.submit(again).await, Err(AppError::AlreadyExists(_))), "also while it is put away");
    hall.verify().await;
}
