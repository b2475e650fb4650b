//! An event that has sold is cancelled: everybody gets his money back, also where the server is killed meanwhile.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rand::RngExt;
use serde_json::Value;
use tokio::time::sleep;

use super::checkout::{PRICE, publish};
use super::ledger::{Ledger, State};
use super::shopper::{Shopper, Till};
use super::{check, money};
use crate::load::{Load, drive};
use crate::report::Section;
use crate::stage::event::Event;
use crate::stage::{Bench, Counter, Ground, Setup, Stage};

/// An event that has sold is cancelled: all its bookings, and their refunds at the sandbox
#[derive(Clone, Debug, Args)]
pub(crate) struct CancelEvent {
    /// How many bookings are paid before
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) bookings: u32,
    /// By how many connections they are
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// How often the server is killed (SIGKILL) while it cancels
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) kills: u32,
}

/// How long it may take until the last refund is done.
const DONE_WITHIN: Duration = Duration::from_secs(900);
/// How often it is asked how far it has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Plays it.
///
/// # Errors
/// If the stage cannot be set, the server does not start again, or the cancellation does not end.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &CancelEvent) -> Result<Section> {
    let mut stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("cancel-event", "An event that has sold is cancelled");
    section.setting("engine", ground.name());
    section.setting("bookings", options.bookings);
    section.setting("kills", options.kills);
    let event = publish(&stage).await?;
    let mut ledger = sell(bench, &stage, &event, options).await?;
    let sold = ledger.units(State::Confirmed);
    section.expect_equal("bookings paid", sold, u64::from(options.bookings));

    let organizer = stage.people.organizer.authorization.clone();
    let started = Instant::now();
    stage.api().expect("POST", &event.path("/cancel"), &organizer, "").await?;
    let mut random = bench.random();
    for _ in 0..options.kills {
        sleep(Duration::from_millis(random.random_range(100..1500))).await;
        stage.kill_server().await?;
        stage.restart_server().await?;
    }
    let (cancelled, done) = follow(bench, &stage, &event, started).await?;
    section.figure("cancelled", "all bookings cancelled, their refunds requested, after", cancelled.as_secs_f64(), "s");
    section.figure("done", "all refunds done, after", done.as_secs_f64(), "s");
    section.figure("rate", "bookings cancelled and refunded", sold as f64 / done.as_secs_f64(), "/s");

    for promise in &mut ledger.promises {
        promise.state = State::Cancelled;
    }
    check::promises(bench, &stage, &mut ledger, 0, false, &mut section).await?;
    check::stock(&mut stage.api(), &event, &ledger, &mut section).await?;
    let sums = money::count(bench, &stage, &ledger, PRICE, &mut section).await?;
    section.expect_equal("sent back (cents)", sums.refunded, sold * PRICE);
    section.expect_equal("left open (cents)", sums.unsettled, 0);
    money::compare(&stage, sums, &mut section);
    stage.close(&mut section).await?;
    Ok(section)
}

/// Sells so many tickets by card.
async fn sell(bench: &Bench, stage: &Stage, event: &Event, options: &CancelEvent) -> Result<Ledger> {
    let till = Rc::new(Till {
        people: stage.people.clone(),
        next: Counter::default(),
        most: options.bookings as usize,
        hold: event.booking(1),
        keys: None,
        expected: &[],
    });
    let load = Load::closed("purchases", &stage.targets, Duration::from_secs(3600));
    let crowd = Shopper::crowd(&till, options.connections.min(options.bookings));
    let (phase, shoppers) = drive(&load, &bench.progress, crowd).await?;
    ensure!(phase.failures(false).is_empty(), "the sale did not go well: {:?}", phase.failures(false));
    let mut ledger = Ledger::default();
    shoppers.into_iter().for_each(|shopper| ledger.merge(shopper.ledger));
    Ok(ledger)
}

/// Waits for the end; answers when nothing was booked any more, and when all refunds were done.
async fn follow(bench: &Bench, stage: &Stage, event: &Event, started: Instant) -> Result<(Duration, Duration)> {
    let (mut api, path) = (stage.api(), event.path("/cancellation"));
    let (mut cancelled, mut told) = (None, Instant::now());
    loop {
        let found = api.expect("GET", &path, &stage.people.organizer.authorization, "").await?;
        let open = |key: &str| found[key].as_u64().context("a figure of the cancellation");
        let elapsed = started.elapsed();
        if open("pendingBookings")? + open("confirmedBookings")? == 0 {
            cancelled.get_or_insert(elapsed);
        }
        if let (Some("done"), Some(cancelled)) = (found["state"].as_str(), cancelled) {
            return Ok((cancelled, elapsed));
        }
        ensure!(elapsed < DONE_WITHIN, "after {elapsed:?} it is not done: {found}");
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            bench.progress.step(&progress(&found));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn progress(found: &Value) -> String {
    format!("  booked: {}, refunds: {}", found["confirmedBookings"], found["refunds"])
}
