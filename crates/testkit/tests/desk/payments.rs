//! Money at the desk: whatever a provider says, how often and when, whatever else happens meanwhile, each captured amount
//! ends in a paid booking, a refund or an open case. `verify` at the end of each test proves it from the ledger.

use application::admission::AdmissionStore;
use application::booking::{Command, Outcome};
use application::error::AppError;
use application::origin::Origin;
use application::payment::{PaymentStore, ProviderEventKey};
use chrono::TimeDelta;
use domain::booking::{Booking, BookingStatus, Canceller, HoldRequest, PromoEdit, PromoWord, Refusal};
use domain::payment::{
    ChargeOutcome, ChargeReport, Payment, PaymentStatus, RefundOutcome, RefundRequest, RefundStatus, StartPayment,
};
use domain::{BookingId, Money, PaymentId, PromoCodeId, Text};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, still};
use goticket_testkit::hall::{Hall, hold, ticket_type};
use rstest::rstest;

const PRICE: i64 = 2_500;

fn start(hall: &Hall, booking: BookingId) -> Command {
    let word = |word: &str| Text::parse("word", word, 64).unwrap();
    let id = PaymentId::new(hall.ids.uuid());
    Command::StartPayment {
        booking,
        start: Box::new(StartPayment { id, provider: word("sandbox"), method: word("card_ok") }),
    }
}

fn report(payment: &Payment, outcome: ChargeOutcome, event: Option<&str>) -> Command {
    let event = event.map(|event| ProviderEventKey { provider: "sandbox".into(), event: event.into() });
    let report = Box::new(ChargeReport { reference: None, outcome });
    Command::ApplyReport { booking: payment.booking, payment: payment.id, report, event }
}

fn success(payment: &Payment) -> ChargeOutcome {
    ChargeOutcome::Succeeded(payment.amount)
}

fn declined() -> ChargeOutcome {
    ChargeOutcome::Failed(Text::parse("failure", "card_declined", 64).unwrap())
}

async fn started(hall: &Hall, booking: &Booking) -> Payment {
    match hall.submit(start(hall, booking.id)).await.unwrap() {
        Outcome::Payment(payment, _) => *payment,
        other => panic!("{other:?}"),
    }
}

async fn booking(hall: &Hall, id: BookingId) -> Booking {
    use application::booking::BookingReads;
    still(async || hall.test.database.booking(id).await).await.unwrap().unwrap()
}

/// What its payments have come to: paid, going back, belonging nowhere.
async fn ends(hall: &Hall, booking: BookingId) -> (i64, i64, i64) {
    let payments = still(async || hall.test.database.payments_of(booking).await).await.unwrap();
    let sum = |of: fn(&Payment) -> i64| payments.iter().map(of).sum();
    (sum(|it| it.booked), sum(|it| it.refunded), sum(Payment::unsettled))
}

fn is_refused(answer: &Result<Outcome, AppError>) -> bool {
    matches!(answer, Err(AppError::Refused(Refusal::InvalidState(_) | Refusal::BookingExpired | Refusal::Invalid(_))))
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_sixty_four_times_at_once_has_one_effect(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, None)]).await;
    let others = hall.another_desk_if(engine).await;
    let held = hall.hold(2).await.unwrap();
    let payment = started(&hall, &held).await;
    let send = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        desk.submit(hall.event, report(&payment, success(&payment), Some("evt_1")), Origin::system("test"), None)
    };
    for answer in join_all((0..64).map(send)).await {
        let Outcome::Payment(payment, booking) = answer.unwrap().value else { panic!("a payment") };
        assert_eq!((payment.status, booking.status), (PaymentStatus::Succeeded, BookingStatus::Confirmed));
        assert_eq!(booking.sequence, 4, "held, started, succeeded, confirmed");
    }
    assert_eq!(ends(&hall, held.id).await, (2 * PRICE, 0, 0));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_starts_at_once_one_begins(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, None)]).await;
    let others = hall.another_desk_if(engine).await;
    let held = hall.hold(1).await.unwrap();
    let begin = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        let command = start(&hall, held.id);
        async move { desk.submit(hall.event, command, Origin::system("test"), None).await.map(|answer| answer.value) }
    };
    let answers = join_all((0..32).map(begin)).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| answer.is_ok() || is_refused(answer)), "{answers:?}");
    hall.verify().await;
}

/// Answer, message, inquiry, cancellation, expiry and the organizer's cash, all at once.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_first_each_amount_has_one_end(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, Some(3))]).await;
    let others = hall.another_desk_if(engine).await;
    for round in 0..12 {
        let Ok(held) = hall.hold(1).await else { break };
        let payment = started(&hall, &held).await;
        if round % 3 == 0 {
            // Beyond its hold and the grace of the payment.
            hall.clock.step(TimeDelta::minutes(4));
        }
        let command = |n: usize| match n {
            3 => Command::Cancel(held.id, Canceller::Buyer),
            5 if round % 2 == 0 => report(&payment, declined(), Some("evt_b")),
            7 => Command::Expire(10),
            9 => Command::Confirm { booking: held.id, note: None },
            11 => Command::Refund { booking: held.id, request: Box::new(RefundRequest::WHOLE) },
            _ if n.is_multiple_of(2) => report(&payment, success(&payment), Some("evt_a")),
            _ => report(&payment, success(&payment), None),
        };
        let submit = |n: usize| {
            let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
            let (command, n) = (command(n), n);
            async move {
                let answer = desk.submit(hall.event, command, Origin::system("test"), None).await;
                (n, answer.map(|answer| answer.value))
            }
        };
        for (n, answer) in join_all((0..16).map(submit)).await {
            let may_be_refused = matches!(n, 3 | 9 | 11);
            assert!(answer.is_ok() || (may_be_refused && is_refused(&answer)), "round {round}, {n}: {answer:?}");
        }
        let now = booking(&hall, held.id).await;
        let (paid, back, open) = ends(&hall, held.id).await;
        assert_eq!(open, 0, "round {round}");
        assert!(back + paid >= PRICE, "round {round}: the card was charged");
        assert_eq!(paid > 0, now.status == BookingStatus::Confirmed, "round {round}: {now:?}");
        hall.verify().await;
        // For the next round.
        let request = RefundRequest::WHOLE;
        let _ = hall.submit(Command::Refund { booking: held.id, request: Box::new(request) }).await;
    }
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_paid_is_not_expired_and_late_money_takes_the_stock_again(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, Some(1))]).await;
    let held = hall.hold(1).await.unwrap();
    let payment = started(&hall, &held).await;
    hall.clock.step(TimeDelta::hours(1));
    assert!(matches!(hall.submit(Command::Expire(10)).await, Ok(Outcome::Expired(0))));
    assert_eq!(hall.hold(1).await.unwrap_err().code(), "sold_out", "nor reclaimed by who wants it");
    hall.submit(report(&payment, ChargeOutcome::Cancelled, None)).await.unwrap();
    assert!(matches!(hall.submit(Command::Expire(10)).await, Ok(Outcome::Expired(1))));
    // The provider had the money after all, and nobody has the ticket yet.
    hall.submit(report(&payment, success(&payment), None)).await.unwrap();
    assert_eq!(booking(&hall, held.id).await.status, BookingStatus::Confirmed);
    assert_eq!(ends(&hall, held.id).await, (PRICE, 0, 0));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_counts_lapsed_holds_as_free_and_goes_back_where_the_tickets_are_gone(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, Some(1))]).await;
    let mut late = Vec::new();
    for _ in 0..2 {
        let held = hall.hold(1).await.unwrap();
        let payment = started(&hall, &held).await;
        hall.submit(report(&payment, declined(), None)).await.unwrap();
        hall.clock.step(TimeDelta::hours(1));
        hall.submit(Command::Expire(10)).await.unwrap();
        late.push(payment);
    }
    // Somebody held it meanwhile, and his hold has lapsed too without anybody having seen to it.
    let idle = hall.hold(1).await.unwrap();
    hall.clock.step(TimeDelta::hours(1));
    let answers = join_all(late.iter().map(|payment| hall.submit(report(payment, success(payment), None)))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(booking(&hall, idle.id).await.status, BookingStatus::Expired);
    let mut found = Vec::new();
    for payment in &late {
        found.push((booking(&hall, payment.booking).await.status, ends(&hall, payment.booking).await));
    }
    found.sort_by_key(|(status, _)| *status == BookingStatus::Expired);
    assert_eq!(found, [(BookingStatus::Confirmed, (PRICE, 0, 0)), (BookingStatus::Expired, (0, PRICE, 0))]);
    hall.verify().await;
}

/// Money for a hold that has ended, whose promo code others have used up meanwhile: the price cannot be had any more, and
/// the money goes back. Where a use has come back, the booking does too.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_goes_back_where_its_promo_code_is_used_up(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, None)]).await;
    let word = PromoWord::parse("code", "ONLY-ONE").unwrap();
    let new = PromoEdit { amount: Some(Some(500)), max_uses: Some(Some(1)), ..PromoEdit::default() };
    let id = PromoCodeId::new(hall.ids.uuid());
    let add = Command::AddPromoCode { id, code: word.clone(), new: Box::new(new) };
    hall.submit(add).await.unwrap();
    let request = || HoldRequest { promo_code: Some(word.clone()), ..hall.request(hall.user, 1) };
    let mut late = Vec::new();
    for _ in 0..2 {
        let held = hold(&hall.desk, hall.event, request(), None).await.unwrap();
        assert_eq!(held.total.minor, PRICE - 500);
        let payment = started(&hall, &held).await;
        hall.submit(report(&payment, declined(), None)).await.unwrap();
        hall.clock.step(TimeDelta::hours(1));
        hall.submit(Command::Expire(10)).await.unwrap();
        late.push(payment);
    }
    let other = hold(&hall.desk, hall.event, request(), None).await.unwrap();
    hall.submit(report(&late[0], success(&late[0]), None)).await.unwrap();
    assert_eq!(booking(&hall, late[0].booking).await.status, BookingStatus::Expired);
    assert_eq!(ends(&hall, late[0].booking).await, (0, PRICE - 500, 0), "all of it goes back");
    hall.submit(Command::Cancel(other.id, Canceller::Buyer)).await.unwrap();
    hall.submit(report(&late[1], success(&late[1]), None)).await.unwrap();
    assert_eq!(booking(&hall, late[1].booking).await.status, BookingStatus::Confirmed);
    assert_eq!(ends(&hall, late[1].booking).await, (PRICE - 500, 0, 0));
    assert!(hold(&hall.desk, hall.event, request(), None).await.is_err(), "that was the only use");
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunded_by_many_at_once_it_goes_back_once(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, None)]).await;
    let others = hall.another_desk_if(engine).await;
    let held = hall.hold(2).await.unwrap();
    let payment = started(&hall, &held).await;
    hall.submit(report(&payment, success(&payment), None)).await.unwrap();
    let refund = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        let amount = n.is_multiple_of(3).then_some(PRICE);
        let request = RefundRequest { amount, cancel_tickets: n.is_multiple_of(5), ..RefundRequest::WHOLE };
        let command = Command::Refund { booking: held.id, request: Box::new(request) };
        async move { desk.submit(hall.event, command, Origin::system("test"), None).await.map(|answer| answer.value) }
    };
    let answers = join_all((0..30).map(refund)).await;
    assert!(answers.iter().all(|answer| answer.is_ok() || is_refused(answer)), "{answers:?}");
    assert_eq!(ends(&hall, held.id).await, (0, 2 * PRICE, 0));
    // And its provider tells of each many times, in any order.
    let refunds = still(async || hall.test.database.refunds_of(held.id).await).await.unwrap();
    assert_eq!(refunds.iter().map(|refund| refund.amount.minor).sum::<i64>(), 2 * PRICE);
    let tell = |n: usize| {
        let refund = &refunds[n % refunds.len()];
        let outcome = if n.is_multiple_of(2) { RefundOutcome::Done } else { RefundOutcome::InTransit };
        let event = ProviderEventKey { provider: "sandbox".into(), event: format!("evt_{}", n % 4) };
        let (booking, refund) = (held.id, refund.id);
        hall.submit(Command::ApplyRefundReport { booking, refund, outcome, event: Some(event) })
    };
    for answer in join_all((0..20).map(tell)).await {
        answer.unwrap();
    }
    for refund in &refunds {
        let done = Command::ApplyRefundReport {
            booking: held.id,
            refund: refund.id,
            outcome: RefundOutcome::Done,
            event: None,
        };
        hall.submit(done).await.unwrap();
    }
    let refunds = still(async || hall.test.database.refunds_of(held.id).await).await.unwrap();
    assert!(refunds.iter().all(|refund| refund.status == RefundStatus::Done), "{refunds:?}");
    hall.verify().await;
}

/// Tickets of one booking, each by many, some with an amount, one of them with all else at once: each goes once, with a unit
/// of the stock, and no more goes back than came in.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_that_many_give_back_at_once_go_once(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, Some(6))]).await;
    let others = hall.another_desk_if(engine).await;
    for whole in [false, true] {
        let held = hall.hold(6).await.unwrap();
        let payment = started(&hall, &held).await;
        hall.submit(report(&payment, success(&payment), None)).await.unwrap();
        let tickets = still(async || hall.test.database.tickets_of(held.id).await).await.unwrap();
        let refund = |n: usize| {
            let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
            let amount = n.is_multiple_of(3).then_some(PRICE / 2);
            let tickets = vec![tickets[n % 5].id];
            let request = if whole && n == 17 {
                RefundRequest::WHOLE
            } else {
                RefundRequest { amount, tickets, ..RefundRequest::WHOLE }
            };
            let command = Command::Refund { booking: held.id, request: Box::new(request) };
            async move { desk.submit(hall.event, command, Origin::system("test"), None).await.map(|answer| answer.value) }
        };
        let answers = join_all((0..40).map(refund)).await;
        assert!(answers.iter().all(|answer| answer.is_ok() || is_refused(answer)), "{answers:?}");
        let now = booking(&hall, held.id).await;
        let cancelled = answers.iter().filter(|answer| answer.is_ok()).count();
        let (paid, back, open) = ends(&hall, held.id).await;
        assert_eq!((paid + back, open), (6 * PRICE, 0));
        if whole {
            assert_eq!((now.status, paid), (BookingStatus::Cancelled, 0));
            assert!(cancelled <= 6, "{cancelled}");
        } else {
            assert_eq!((now.status, now.kept_units(), cancelled), (BookingStatus::Confirmed, 1, 5));
        }
        hall.verify().await;
        let _ = hall.submit(Command::Refund { booking: held.id, request: Box::new(RefundRequest::WHOLE) }).await;
        hall.verify().await;
    }
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_batch_of_payments_is_one_commit_and_a_bad_one_harms_nobody(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(PRICE, None)]).await;
    let held: Vec<Booking> = join_all((0..150).map(|_| hall.hold(1))).await.into_iter().map(Result::unwrap).collect();
    let payments = join_all(held.iter().map(|held| started(&hall, held))).await;
    let said = |(n, payment): (usize, &Payment)| {
        let currency = payment.amount.currency;
        let outcome = match n % 5 {
            0 => declined(),
            1 => ChargeOutcome::Succeeded(Money { minor: PRICE + 1, currency }),
            2 => ChargeOutcome::Succeeded(Money { minor: 1, currency }),
            3 => ChargeOutcome::Succeeded(Money { minor: -1, currency }),
            _ => success(payment),
        };
        hall.submit(report(payment, outcome, Some(&format!("evt_{n}"))))
    };
    let answers = join_all(payments.iter().enumerate().map(said)).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), n % 5 != 3, "{n}: {answer:?}");
    }
    for (n, payment) in payments.iter().enumerate() {
        let expected = match n % 5 {
            0 | 3 => (0, 0, 0),
            1 => (PRICE, 1, 0),
            2 => (0, 0, 1),
            _ => (PRICE, 0, 0),
        };
        assert_eq!(ends(&hall, payment.booking).await, expected, "{n}");
    }
    hall.verify().await;
}
