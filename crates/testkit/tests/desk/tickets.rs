//! Tickets at the desk: whatever races with whatever, a valid ticket has a confirmed booking, and a revoked one stays so.

use std::sync::Arc;

use application::admission::AdmissionStore;
use application::booking::{Command, Outcome};
use application::error::AppError;
use application::origin::Origin;
use chrono::TimeDelta;
use domain::admission::{CheckInList, CheckInRequest, Holder, ScanResult, Ticket, TicketChange, TicketStatus};
use domain::booking::{Booking, BookingStatus, Canceller, Refusal};
use domain::{BookingId, CheckInId, TicketId};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, still};
use goticket_testkit::hall::{Hall, ticket_type};
use rstest::rstest;

async fn tickets(hall: &Hall, booking: &Booking) -> Vec<Ticket> {
    still(async || hall.test.database.tickets_of(booking.id).await).await.unwrap()
}

fn change(booking: BookingId, ticket: TicketId, change: TicketChange) -> Command {
    Command::ChangeTicket { booking, ticket, change }
}

fn reissue(booking: BookingId, ticket: TicketId) -> Command {
    change(booking, ticket, TicketChange::Reissue)
}

fn transfer(booking: BookingId, ticket: TicketId, name: &str) -> Command {
    let holder = Holder::parse(name, None).unwrap();
    change(booking, ticket, TicketChange::Transfer(holder))
}

/// The code of that issue at the door.
fn shown(hall: &Hall, ticket: &Ticket, issue: u32) -> Command {
    let id = CheckInId::new(hall.ids.uuid());
    let list = Arc::new(CheckInList::default_of(hall.event));
    Command::CheckIn(Box::new(CheckInRequest { id, ticket: ticket.id, issue, list, gate: None, device_at: None }))
}

fn is_revoked(answer: &Result<Outcome, AppError>) -> bool {
    matches!(answer, Err(AppError::Refused(Refusal::InvalidState(_))))
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_many_times_it_has_its_tickets_once(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, None)]).await;
    let others = hall.another_desk_if(engine).await;
    let held = hall.hold(3).await.unwrap();
    let confirm = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        desk.submit(hall.event, Command::Confirm { booking: held.id, note: None }, Origin::system("test"), None)
    };
    let answers = join_all((0..40).map(confirm)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(tickets(&hall, &held).await.len(), 3);
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issues_are_counted_one_by_one(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, None)]).await;
    let others = hall.another_desk_if(engine).await;
    let sold = hall.hold(1).await.unwrap();
    let ticket = tickets(&hall, &sold).await.remove(0);
    let change = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        let command =
            if n.is_multiple_of(3) { transfer(sold.id, ticket.id, "Ben") } else { reissue(sold.id, ticket.id) };
        desk.submit(hall.event, command, Origin::system("test"), None)
    };
    let mut issues = Vec::new();
    for answer in join_all((0..60).map(change)).await {
        let Outcome::Ticket(ticket, booking) = answer.unwrap().value else { panic!("a ticket") };
        assert_eq!(booking.sequence, ticket.issue);
        issues.push(ticket.issue);
    }
    issues.sort_unstable();
    assert_eq!(issues, (2..=61).collect::<Vec<_>>(), "each answer has an issue of its own");
    let found = tickets(&hall, &sold).await;
    assert_eq!((found[0].issue, found[0].attendee), (61, Some(0)));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_meanwhile_never_becomes_valid_again(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, None)]).await;
    let others = hall.another_desk_if(engine).await;
    for round in 0..10 {
        let sold = hall.hold(2).await.unwrap();
        let issued = tickets(&hall, &sold).await;
        let submit = |n: usize| {
            let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
            let command = match n {
                7 => Command::Cancel(sold.id, Canceller::Organizer),
                _ if n.is_multiple_of(3) => transfer(sold.id, issued[n % 2].id, "Ben"),
                _ => reissue(sold.id, issued[n % 2].id),
            };
            async move { desk.submit(hall.event, command, Origin::system("test"), None).await.map(|answer| answer.value) }
        };
        let mut answers = join_all((0..20).map(submit)).await;
        let cancelled = answers.remove(7);
        assert!(
            matches!(&cancelled, Ok(Outcome::Booking(it)) if it.status == BookingStatus::Cancelled),
            "{cancelled:?}"
        );
        assert!(answers.iter().all(|answer| answer.is_ok() || is_revoked(answer)), "round {round}: {answers:?}");
        let after = tickets(&hall, &sold).await;
        assert!(after.iter().all(|ticket| ticket.status == TicketStatus::Revoked), "round {round}: {after:?}");
        assert!(is_revoked(&hall.submit(reissue(sold.id, issued[0].id)).await));
        assert_eq!(tickets(&hall, &sold).await, after);
    }
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_after_the_cancellation_is_not_let_in_by_the_same_batch_either(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, None)]).await;
    let other = hall.hold(1).await.unwrap();
    let others = tickets(&hall, &other).await.remove(0);
    for round in 0..10 {
        let sold = hall.hold(1).await.unwrap();
        let issued = tickets(&hall, &sold).await.remove(0);
        // The first keeps the lane busy, so that the others wait together.
        let commands = [
            reissue(other.id, others.id),
            Command::Cancel(sold.id, Canceller::Organizer),
            shown(&hall, &issued, issued.issue),
            reissue(sold.id, issued.id),
        ];
        let mut answers = join_all(commands.map(|command| hall.submit(command))).await;
        assert!(is_revoked(&answers.pop().unwrap()), "round {round}");
        let scan = answers.pop().unwrap();
        assert!(matches!(&scan, Ok(Outcome::Scan(scan)) if scan.result == ScanResult::Revoked), "{round}: {scan:?}");
        assert!(answers.iter().all(Result::is_ok), "round {round}: {answers:?}");
    }
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_changed_through_its_own_booking(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, None)]).await;
    let (mine, yours) = (hall.hold(1).await.unwrap(), hall.hold(1).await.unwrap());
    let ticket = tickets(&hall, &yours).await.remove(0);
    let answers = [
        hall.submit(reissue(mine.id, ticket.id)).await,
        hall.submit(reissue(yours.id, TicketId::new(mine.id.uuid()))).await,
        hall.submit(reissue(BookingId::new(ticket.id.uuid()), ticket.id)).await,
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().code(), "not_found");
    }
    assert_eq!(tickets(&hall, &yours).await, [ticket]);
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_let_in_once_whatever_happens_meanwhile(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, None)]).await;
    let others = hall.another_desk_if(engine).await;
    hall.clock.step(TimeDelta::hours(30 * 24 - 1));
    for round in 0..10 {
        let sold = hall.hold(1).await.unwrap();
        let ticket = tickets(&hall, &sold).await.remove(0);
        let submit = |n: usize| {
            let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
            let command = match n {
                11 => reissue(sold.id, ticket.id),
                15 => transfer(sold.id, ticket.id, "Ben"),
                7 if round % 3 == 0 => change(sold.id, ticket.id, TicketChange::Block),
                13 if round % 3 == 0 && round > 0 => change(sold.id, ticket.id, TicketChange::Unblock),
                19 if round % 2 == 0 => Command::Cancel(sold.id, Canceller::Organizer),
                _ => shown(&hall, &ticket, 1),
            };
            async move { desk.submit(hall.event, command, Origin::system("test"), None).await.map(|answer| answer.value) }
        };
        let mut words = Vec::new();
        for answer in join_all((0..30).map(submit)).await {
            match answer {
                Ok(Outcome::Scan(scan)) => words.push(scan.result),
                Ok(Outcome::Ticket(..) | Outcome::Booking(_)) => {}
                other => assert!(is_revoked(&other), "{other:?}"),
            }
        }
        let known = [ScanResult::Admitted, ScanResult::AlreadyUsed, ScanResult::Revoked, ScanResult::Blocked];
        assert!(words.iter().all(|word| known.contains(word)), "round {round}: {words:?}");
        let admitted = words.iter().filter(|word| **word == ScanResult::Admitted).count();
        assert!(admitted <= 1, "round {round}: {words:?}");
        let counted = hall.test.database.counted_check_ins(&[ticket.id]).await.unwrap();
        assert_eq!(counted.len(), admitted, "round {round}");
        // What stands now decides, whoever was first.
        let now = tickets(&hall, &sold).await.remove(0);
        let last = hall.submit(shown(&hall, &ticket, now.issue)).await.unwrap();
        let Outcome::Scan(last) = last else { panic!("{last:?}") };
        let expected = match (now.status, admitted) {
            (TicketStatus::Revoked, _) => ScanResult::Revoked,
            (TicketStatus::Blocked(_), _) => ScanResult::Blocked,
            (TicketStatus::Valid, 0) => ScanResult::Admitted,
            (TicketStatus::Valid, _) => ScanResult::AlreadyUsed,
        };
        assert_eq!(last.result, expected, "round {round}");
    }
    hall.verify().await;
}
