//! A hundred thousand holds lapse in the same second while the event sells.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::time::{sleep, sleep_until};

use super::booker::Sale;
use super::hot_event::HotEvent;
use crate::load::{Class, Load, Phase, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Stage};

/// From the first hold to the second in which all of them lapse.
const HOLD_SECS: u64 = 40;
/// The sale runs this long before that second, to have something to compare with.
const BEFORE: Duration = Duration::from_secs(6);
/// And this long after it.
const AFTER: Duration = Duration::from_secs(14);
const SLOTS_PER_SECOND: usize = 2;

/// Makes the holds, sells across the second in which they lapse, and compares.
///
/// # Errors
/// If the holds cannot be made in time or a server cannot be reached.
pub(super) async fn play(bench: &Bench, stage: &Stage, options: &HotEvent, section: &mut Section) -> Result<()> {
    section.setting("holds", options.lapse);
    let (mut api, organizer) = (stage.api(), &stage.people.organizer);
    let mut plan = Plan::plenty("Lapse");
    plan.hold_secs = Some(HOLD_SECS);
    let event = Event::publish(&mut api, organizer, &plan).await?;
    let lapse_at = hold_until_one_second(bench, stage, &event, options.lapse, section).await?;
    event.patch(&mut api, organizer, &json!({"holdSeconds": 900})).await?;
    sleep_until((lapse_at - BEFORE).into()).await;

    let started = Instant::now();
    let load = Load::closed("sale across the lapse", &stage.targets, lapse_at + AFTER - started);
    let sale = Sale::new(&stage.people, vec![event.booking(1)]);
    let selling = drive(&load, &bench.progress, sale.bookers(bench, options.extent.connections));
    let (sold, freed) = tokio::join!(selling, watch_freeing(stage, &event, &sale, lapse_at));
    let (phase, _) = sold?;
    let left = sale.accepted() as u64;
    event
        .until(&mut api, Duration::from_secs(10), "holding exactly what the sale holds", |stock| stock.held == left)
        .await?;
    section.figure("p99", "99 of 100 answered within", phase.of(Class::Accepted).p99_ms, "ms");
    let lapse_slot = (lapse_at - started).as_secs() as usize * SLOTS_PER_SECOND;
    // the first second warms up; what the lapse costs is seen in the five seconds after it
    let before = mean(&phase, SLOTS_PER_SECOND..lapse_slot.saturating_sub(SLOTS_PER_SECOND));
    let during = mean(&phase, lapse_slot..lapse_slot + 5 * SLOTS_PER_SECOND);
    section.figure("before", "bookings before the lapse", before, "/s");
    section.figure("during", "bookings in the five seconds after it", during, "/s");
    section.figure("share", "share of the figure before", 100.0 * during / before.max(1.0), "%");
    match freed? {
        Some(freed) => section.figure("freed_in", "all free again after", freed.as_secs_f64(), "s"),
        None => section.fail(format!("the lapsed holds were not free {AFTER:?} later")),
    }
    section.phase(phase, false);
    Ok(())
}

/// Makes the holds. Each second of making them shortens the hold time by a
/// second, so that early and late holds end in the same second.
async fn hold_until_one_second(
    bench: &Bench,
    stage: &Stage,
    event: &Event,
    count: usize,
    section: &mut Section,
) -> Result<Instant> {
    let (mut api, organizer) = (stage.api(), &stage.people.organizer);
    let started = Instant::now();
    let load = Load::closed("making holds", &stage.targets, Duration::from_secs(HOLD_SECS) - BEFORE * 2);
    let sale = Sale::new(&stage.people, vec![event.booking(1)]).limit(count);
    let making = drive(&load, &bench.progress, sale.bookers(bench, 128));
    let shortening = async {
        for second in 1..HOLD_SECS - 1 {
            sleep_until((started + Duration::from_secs(second)).into()).await;
            event.patch(&mut api, organizer, &json!({"holdSeconds": HOLD_SECS - second})).await?;
        }
        anyhow::Ok(())
    };
    let (phase, _) = tokio::select! {
        made = making => made?,
        failed = shortening => { failed?; anyhow::bail!("making {count} holds takes longer than they last") }
    };
    section.expect_equal("holds made", phase.statuses.get(&201).copied().unwrap_or(0), count as u64);
    section.phase(phase, false);
    Ok(started + Duration::from_secs(HOLD_SECS))
}

/// Waits until no more is held than what the sale itself holds.
async fn watch_freeing(stage: &Stage, event: &Event, sale: &Sale, lapse_at: Instant) -> Result<Option<Duration>> {
    let mut api = stage.api();
    sleep_until(lapse_at.into()).await;
    while lapse_at + AFTER > Instant::now() {
        let held = event.stock(&mut api).await?.held;
        // asked after the stock, so that it counts at least as many as the stock does
        if held <= sale.accepted() as u64 {
            return Ok(Some(lapse_at.elapsed()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}

fn mean(phase: &Phase, slots: std::ops::Range<usize>) -> f64 {
    let counts: Vec<f64> = phase
        .slots
        .get(slots)
        .unwrap_or_default()
        .iter()
        .map(|slot| f64::from(slot.counts[Class::Accepted as usize]))
        .collect();
    counts.iter().sum::<f64>() / counts.len().max(1) as f64 / phase.slot_seconds
}
