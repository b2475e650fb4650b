//! Each step of a purchase and of a refund, with each process killed while things stand at that very step: whatever was
//! asked, taken, told or sent back by then, in the end the money is where it belongs.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::time::sleep;

use super::checkout::PRICE;
use super::crash::bounce_database;
use super::fates::at_rest;
use super::ledger::{Ledger, Promise, State};
use super::money;
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Engine, Ground, Setup, Stage};

/// A purchase and a refund, killed at each of their steps
#[derive(Clone, Debug, Args)]
pub(crate) struct Steps {
    /// How often all of it is done
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
}

/// A slow card pays after a second; each message comes once, at once and in order, unless somebody is killed.
const BEHAVIOUR: &str =
    r#"{"slowMillis":1000,"delayMillis":0,"disorderMillis":0,"duplicatePercent":0,"losePercent":0}"#;
/// Long enough for what is found out by inquiry alone.
const HOLD_SECS: u64 = 60;
/// How long it may take until a step is reached: a job whose worker was killed begins again after 30 s.
const REACHED_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where things stand when somebody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The payment is written down, and its provider has not read what it is asked.
    Asked,
    /// The provider takes the money, and answers nobody.
    Unanswered,
    /// The provider has taken the money later, and its message is on the way.
    Told,
    /// The buyer has his answer: it is paid.
    Confirmed,
    /// The refund is written down, and its provider has not read what it is asked.
    RefundAsked,
    /// The provider has sent the money back, and perhaps nobody here knows.
    RefundSent,
}

const STEPS: [Step; 6] =
    [Step::Asked, Step::Unanswered, Step::Told, Step::Confirmed, Step::RefundAsked, Step::RefundSent];

impl Step {
    /// How the buyer pays on the way there.
    const fn method(self) -> &'static str {
        match self {
            Self::Unanswered => "card_timeout",
            Self::Told => "card_slow",
            Self::Asked | Self::Confirmed | Self::RefundAsked | Self::RefundSent => "card_ok",
        }
    }

    const fn is_of_refund(self) -> bool {
        matches!(self, Self::RefundAsked | Self::RefundSent)
    }

    /// What is certain of its booking in the end; none where it depends on what the provider still read.
    const fn end(self) -> Option<State> {
        match self {
            Self::Asked => None,
            Self::Unanswered | Self::Told | Self::Confirmed => Some(State::Confirmed),
            Self::RefundAsked | Self::RefundSent => Some(State::Cancelled),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "payment asked for, not read",
            Self::Unanswered => "payment taken, not answered",
            Self::Told => "payment taken, message on its way",
            Self::Confirmed => "payment answered",
            Self::RefundAsked => "refund asked for, not read",
            Self::RefundSent => "refund sent",
        })
    }
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Server,
    Sandbox,
    Database,
}

/// Plays it.
///
/// # Errors
/// If the stage cannot be set, a step is not reached, or money stays under way.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Steps) -> Result<Section> {
    ensure!(matches!(ground, Ground::Start(_)), "this scenario kills servers: use --start");
    let own_cluster = matches!(ground, Ground::Start(Engine::Postgres));
    let setup = Setup { sandbox: Some(BEHAVIOUR.to_owned()), own_cluster, ..Setup::default() };
    let mut stage = bench.stage(ground, setup).await?;
    let mut section = Section::new("steps", "Killed at each step of a purchase and of a refund");
    section.setting("engine", ground.name());
    section.setting("rounds", options.rounds);
    let plan = Plan { price: PRICE, hold_secs: Some(HOLD_SECS), ..Plan::plenty("Steps") };
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    let victims: &[Victim] = if own_cluster {
        &[Victim::Server, Victim::Sandbox, Victim::Database]
    } else {
        &[Victim::Server, Victim::Sandbox]
    };
    let (mut ledger, mut ends) = (Ledger::default(), Vec::new());
    for _ in 0..options.rounds {
        for step in STEPS {
            for victim in victims {
                let promise = hold(&stage, &event, ledger.promises.len()).await?;
                bench.progress.step(&format!("  {step}: {victim:?} killed"));
                kill_at(&mut stage, &promise, step, *victim)
                    .await
                    .with_context(|| format!("{step}, {victim:?} killed"))?;
                ledger.promises.push(promise);
                ends.push((step, *victim));
            }
        }
    }
    let (sums, _) = at_rest(bench, &stage, &event, &mut ledger, &mut section).await?;
    for (promise, (step, victim)) in ledger.promises.iter().zip(&ends) {
        if step.end().is_some_and(|end| end != promise.state) {
            section.fail(format!("{step}, {victim:?} killed: the booking is {:?} in the end", promise.state));
        }
    }
    section.expect_equal("open cases (cents)", sums.unsettled, 0);
    section.figure("kills", "kills", ends.len() as f64, "");
    section.figure("confirmed", "bookings paid in the end", ledger.units(State::Confirmed) as f64, "");
    section.figure("cancelled", "refunded", ledger.units(State::Cancelled) as f64, "");
    section.figure("expired", "never paid", ledger.units(State::Expired) as f64, "");
    stage.close(&mut section).await?;
    Ok(section)
}

/// A booking that waits to be paid.
async fn hold(stage: &Stage, event: &Event, buyer: usize) -> Result<Promise> {
    let authorization = &stage.people.buyer(buyer).authorization;
    let held = stage.api().expect("POST", &event.path("/bookings"), authorization, "{}").await?;
    let id = held["id"].as_str().context("a booking without an id")?.to_owned();
    Ok(Promise { id, buyer, units: 1, state: State::Pending, maybe: Some(State::Confirmed) })
}

/// Goes as far as this step, and kills. Everything runs again afterwards.
async fn kill_at(stage: &mut Stage, promise: &Promise, step: Step, victim: Victim) -> Result<()> {
    let path = |rest: &str| format!("/api/v1/bookings/{}{rest}", promise.id);
    let pay = format!(r#"{{"method":"{}"}}"#, step.method());
    let (buyer, organizer) = (stage.people.buyer(promise.buyer).authorization.clone(), stage.people.organizer.clone());
    let (mut api, pays) = (stage.api(), path("/payments"));
    if step == Step::Asked {
        stage.sandbox()?.pause()?;
    }
    if matches!(step, Step::Asked | Step::Unanswered) {
        // Its answer does not come: the buyer waits while somebody is killed.
        let waits = async { api.call("POST", &pays, &buyer, &pay).await.map(drop) };
        let dies = async {
            reached(stage, promise, step, None).await?;
            kill(stage, victim, step).await
        };
        return tokio::join!(waits, dies).1;
    }
    let paid = api.expect("POST", &pays, &buyer, &pay).await?;
    if step == Step::Told && victim == Victim::Server {
        // It takes no message any more, and dies with the one that comes.
        stage.servers.first().context("there is no server")?.pause()?;
    }
    if step == Step::RefundAsked {
        stage.sandbox()?.pause()?;
    }
    if step.is_of_refund() {
        ensure!(paid["status"] == "succeeded", "it is not paid: {paid}");
        api.expect("POST", &path("/refund"), &organizer.authorization, "{}").await?;
    }
    let payment = paid["id"].as_str().map(str::to_owned);
    reached(stage, promise, step, payment).await?;
    kill(stage, victim, step).await
}

/// Waits until things stand there. The payment is looked for where its buyer was not told of it.
async fn reached(stage: &Stage, promise: &Promise, step: Step, mut payment: Option<String>) -> Result<()> {
    let started = Instant::now();
    let mut api = stage.api();
    let authorization = &stage.people.buyer(promise.buyer).authorization;
    let payments = format!("/api/v1/bookings/{}/payments", promise.id);
    loop {
        let is_there = match (step, payment.as_deref()) {
            (Step::Confirmed, _) => true,
            // The server may be frozen: the sandbox's books tell.
            (Step::Told, Some(payment)) => money::charged(stage, payment)?.is_some_and(|(captured, _)| captured > 0),
            (Step::Unanswered, Some(payment)) => money::charged(stage, payment)?.is_some(),
            (Step::RefundSent, Some(payment)) => money::charged(stage, payment)?.is_some_and(|(_, back)| back > 0),
            (Step::Asked, Some(_)) => true,
            // Whatever is to be known of a payment, its id comes first.
            _ => {
                let found = api.expect("GET", &payments, authorization, "").await?;
                payment = found[0]["id"].as_str().map(str::to_owned);
                step == Step::RefundAsked && found[0]["refunds"][0]["status"] == "requested"
            }
        };
        if is_there {
            return Ok(());
        }
        ensure!(started.elapsed() < REACHED_WITHIN, "after {REACHED_WITHIN:?} it is not reached");
        sleep(LOOK_EVERY).await;
    }
}

/// Kills (SIGKILL) and starts again; whoever was frozen goes on, or dies so.
async fn kill(stage: &mut Stage, victim: Victim, step: Step) -> Result<()> {
    let is_frozen = matches!(step, Step::Asked | Step::RefundAsked);
    match victim {
        Victim::Sandbox => stage.crash_sandbox().await,
        Victim::Server => {
            stage.kill_server().await?;
            if is_frozen {
                stage.sandbox()?.resume()?;
            }
            stage.restart_server().await.map(drop)
        }
        Victim::Database => {
            let bounced = bounce_database(stage).await.map(drop);
            if is_frozen {
                stage.sandbox()?.resume()?;
            }
            bounced
        }
    }
}
