//! Killing the server, or its database, in the middle of a sale: whatever was
//! promised is there afterwards, and nothing is there twice.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use rand::RngExt;
use tokio::time::sleep;

use super::booker::Keys;
use super::ledger::Ledger;
use super::player::{Allowance, Mix, Play, Player, ledger};
use super::{check, pause};
use crate::load::{Load, Phase, Stop, drive, ms};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::server::is_ready;
use crate::stage::{Bench, Counter, Ground, Setup, Stage};

/// SIGKILL under load, again and again
#[derive(Clone, Debug, Args)]
pub(crate) struct Crash {
    /// How many times
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) times: u32,
    /// What is killed
    #[arg(long, value_enum, default_value_t = Victim::Server)]
    pub(crate) kill: Victim,
    /// Instead of killing: stop one of two servers (SIGSTOP) for some seconds, and let it go on
    #[arg(long)]
    pub(crate) pause: bool,
    /// For how many seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(crate) pause_seconds: u32,
    /// How many connections there are
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) connections: u32,
}

/// What can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Victim {
    Server,
    Postgres,
}

/// How long a killed database stays away.
const AWAY: Duration = Duration::from_secs(1);

/// Crashes it, and checks every promise.
///
/// # Errors
/// If the stage cannot be set or the victim does not start again.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Crash) -> Result<Section> {
    if options.pause {
        return pause::run(bench, ground, options).await;
    }
    let own_cluster = options.kill == Victim::Postgres;
    let mut stage = bench.stage(ground, Setup { own_cluster, ..Setup::default() }).await?;
    let mut section = Section::new("crash", "Killed in the middle of a sale");
    section.setting("engine", ground.name());
    section.setting("killed", format!("{:?}", options.kill));
    section.setting("connections", options.connections);
    let (event, play) = prepare(bench, &stage).await?;
    let mut books = Ledger::default();
    let mut slowest = Duration::ZERO;
    let mut random = bench.random();
    for round in 1..=options.times {
        let before = books.promises.len();
        let after = Duration::from_millis(random.random_range(200..1500));
        let (phase, ready_in, played) = crash(bench, &mut stage, &play, options, after).await?;
        slowest = slowest.max(ready_in);
        books.merge(played);
        check::attempts(stage.targets[0], &play, &mut books, &mut section).await?;
        check::promises(bench, &stage, &mut books, before, false, &mut section).await?;
        check::stock(&mut stage.api(), &event, &books, &mut section).await?;
        bench.progress.step(&format!(
            "  {round} of {}: killed after {:.0} ms, {} bookings promised, ready in {:.0} ms",
            options.times,
            ms(after),
            books.promises.len() - before,
            ms(ready_in)
        ));
        note(phase, round == options.times, &mut section);
        if !section.failures.is_empty() {
            break;
        }
    }
    // what was good after its own crash must still be good after all that followed
    check::promises(bench, &stage, &mut books, 0, false, &mut section).await?;
    section.figure("promised", "bookings promised and found", books.promises.len() as f64, "");
    section.figure("ready_max", "ready again after, at most", ms(slowest), "ms");
    stage.close(&mut section).await?;
    Ok(section)
}

/// An event with holds that outlive the drill, and buyers with keys.
pub(super) async fn prepare(bench: &Bench, stage: &Stage) -> Result<(Event, Rc<Play>)> {
    let mut plan = Plan::plenty("Crash");
    plan.hold_secs = Some(3600);
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    let requests = (1..=3).map(|units| (event.booking(units), units)).collect();
    let play = Play {
        people: stage.people.clone(),
        next: Counter::default(),
        requests,
        keys: Some(Keys::new(bench.random())),
        mix: Mix { confirm: 20, cancel: 10, renew: 5 },
        confirmations: Allowance::new(f64::INFINITY),
        expected: &[503],
    };
    Ok((event, Rc::new(play)))
}

/// One crash: sale, kill, restart. Answers what was promised before and during it.
async fn crash(
    bench: &Bench,
    stage: &mut Stage,
    play: &Rc<Play>,
    options: &Crash,
    after: Duration,
) -> Result<(Phase, Duration, Ledger)> {
    let stop = Stop::default();
    let mut load = Load::closed("sale until the kill", &stage.targets, Duration::from_secs(120));
    load.stop = stop.clone();
    let selling = drive(&load, &bench.progress, Player::cast(bench, play, options.connections));
    let killing = async {
        sleep(after).await;
        let outcome = match options.kill {
            Victim::Server => stage.kill_server().await.map(|()| Duration::ZERO),
            Victim::Postgres => bounce_database(stage).await,
        };
        stop.set();
        outcome
    };
    let (driven, killed) = tokio::join!(selling, killing);
    let (phase, players) = driven?;
    let ready_in = match options.kill {
        Victim::Server => stage.restart_server().await?,
        Victim::Postgres => killed?,
    };
    Ok((phase, ready_in, ledger(players)))
}

/// Kills the database, starts it again, and waits until the server, which goes
/// on running, is ready again; the sale goes on all the time.
pub(super) async fn bounce_database(stage: &mut Stage) -> Result<Duration> {
    let target = stage.targets[0];
    let cluster = stage.cluster()?;
    cluster.kill()?;
    sleep(AWAY).await;
    cluster.restart().await?;
    let started = std::time::Instant::now();
    while !is_ready(target).await {
        anyhow::ensure!(
            started.elapsed() < Duration::from_secs(30),
            "the server is not ready 30 s after its database came back"
        );
        sleep(Duration::from_millis(20)).await;
    }
    let ready_in = started.elapsed();
    sleep(Duration::from_millis(500)).await;
    Ok(ready_in)
}

/// Keeps the failures of every load, and the plot of the last.
fn note(phase: Phase, last: bool, section: &mut Section) {
    if last {
        section.phase(phase, true);
    } else {
        phase.failures(true).into_iter().for_each(|failure| section.fail(failure));
    }
}
