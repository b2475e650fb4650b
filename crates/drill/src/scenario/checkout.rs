//! Whole purchases: held, paid by card at the sandbox, confirmed with their tickets, told of by webhook.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use tokio::time::sleep;

use super::ledger::{Ledger, State};
use super::shopper::{Bought, GROUPS, Shopper, Till};
use super::{Extent, check, checkout_crash, money};
use crate::load::{Latency, Phase, Timing, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::metrics::answers_by_status;
use crate::stage::{Bench, Counter, Ground, Setup, Stage};

/// Whole purchases: held, paid by card at the sandbox, confirmed with their tickets
#[derive(Clone, Debug, Args)]
pub(crate) struct Checkout {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Instead of measuring: kill the server (SIGKILL) in the middle, again and again, and follow the money
    #[arg(long)]
    pub(crate) crash: bool,
    /// How many times it is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) times: u32,
}

/// Of a ticket, in cents.
pub(super) const PRICE: u64 = 2500;

const WEBHOOKS: &str = "/api/v1/webhooks/{provider}";
/// How long messages of the sandbox may still come after the sale.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(120);
/// How long payments may be under way after the sale.
pub(super) const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Plays it.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Checkout) -> Result<Section> {
    if options.crash {
        return checkout_crash::run(bench, ground, options).await;
    }
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("checkout", "Whole purchases");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    let event = publish(&stage).await?;
    let till = Rc::new(Till {
        people: stage.people.clone(),
        next: Counter::default(),
        most: usize::MAX,
        hold: event.booking(1),
        keys: None,
        expected: &[],
    });
    let mut load = options.extent.load("purchases", &stage);
    load.groups = GROUPS;
    let (phase, shoppers) = drive(&load, &bench.progress, Shopper::crowd(&till, options.extent.connections)).await?;
    let (mut ledger, mut bought, mut waited) = (Ledger::default(), Vec::new(), 0);
    for shopper in shoppers {
        ledger.merge(shopper.ledger);
        bought.extend(shopper.bought);
        waited += shopper.waited;
    }
    summarise(&phase, load.duration, &bought, &mut section);
    section.figure("waited", "payments that were not decided at once", waited as f64, "");
    section.phase(phase, false);

    if let Err(error) = money::settled(&stage, &ledger, 0, SETTLED_WITHIN).await {
        section.fail(format!("{error:#}"));
    }
    check::promises(bench, &stage, &mut ledger, 0, false, &mut section).await?;
    check::stock(&mut stage.api(), &event, &ledger, &mut section).await?;
    let sums = money::count(bench, &stage, &ledger, PRICE, &mut section).await?;
    section.expect_equal("sent back or left open (cents)", sums.refunded + sums.unsettled, 0);
    webhooks(&stage, ledger.units(State::Confirmed), &mut section).await?;
    money::compare(&stage, sums, &mut section);
    stage.close(&mut section).await?;
    Ok(section)
}

/// An event whose holds outlive the drill: nothing lapses before it was counted.
///
/// # Errors
/// If the server refuses.
pub(super) async fn publish(stage: &Stage) -> Result<Event> {
    let plan = Plan { price: PRICE, hold_secs: Some(3600), ..Plan::plenty("Checkout") };
    Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await
}

/// Rate and latency of the purchases that ended within the measured time.
fn summarise(phase: &Phase, measured: Duration, bought: &[Bought], section: &mut Section) {
    let mut timing = Timing::new(3);
    let begin = phase.ended_at.checked_sub(measured);
    let counted = bought.iter().filter(|one| begin.is_none_or(|begin| one.at >= begin) && one.at <= phase.ended_at);
    counted.for_each(|one| timing.record(one.took));
    let whole = Latency::of(&timing, phase.seconds);
    section.figure("rate", "purchases", whole.rate, "/s");
    section.figure("p50", "half of them whole within", whole.p50_ms, "ms");
    section.figure("p99", "99 of 100 whole within", whole.p99_ms, "ms");
    for (group, key, label) in [(0, "hold_p99", "99 of 100 held within"), (1, "pay_p99", "99 of 100 paid within")] {
        section.figure(key, label, phase.groups[group].quantile_ms(0.99), "ms");
    }
    section.figure("generator", "processor time of the generator", phase.generator_us, "µs a request");
}

/// Waits until the server has taken note of as many messages as there were payments, and tells how all were answered.
async fn webhooks(stage: &Stage, payments: u64, section: &mut Section) -> Result<()> {
    let Some(mut ops) = stage.ops() else {
        section.note("webhooks were not counted: the server's operations address is known of servers that we start");
        return Ok(());
    };
    let started = Instant::now();
    let answers = loop {
        let answers = answers_by_status(&mut ops, WEBHOOKS).await?;
        if answers.get("200").copied().unwrap_or(0) >= payments || started.elapsed() > WEBHOOKS_WITHIN {
            break answers;
        }
        sleep(Duration::from_millis(50)).await;
    };
    let done = answers.get("200").copied().unwrap_or(0);
    section.figure("webhooks", "webhooks answered with 200", done as f64, "");
    section.figure("webhooks_after", "all of them, after the books were checked", started.elapsed().as_secs_f64(), "s");
    for (status, count) in answers.iter().filter(|(status, _)| *status != "200") {
        section.note(format!("webhooks answered with {status}: {count}"));
    }
    if done < payments {
        section.fail(format!("{done} webhooks were answered with 200, of {payments} payments"));
    }
    Ok(())
}
