//! One hot event: how many bookings a second, and how long each takes.

use anyhow::Result;
use clap::Args;

use super::booker::{Keys, Sale, preload};
use super::watchers::Watchers;
use super::{Extent, churn, lapse, many_events};
use crate::load::{Class, Pace, Phase, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::memory::{MemoryWatch, megabytes, resident};
use crate::stage::{Bench, Engine, Ground, Setup, Stage};
use crate::yardstick;

/// One hot event: throughput and latency
#[derive(Clone, Debug, Args)]
pub(crate) struct HotEvent {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Open loop: this many requests a second, latency from the time each was due
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// A fresh Idempotency-Key with each request
    #[arg(long)]
    pub(crate) idempotency: bool,
    /// The event is free: bookings are confirmed at once
    #[arg(long)]
    pub(crate) confirm_free: bool,
    /// Tickets a booking
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) quantity: u32,
    /// Make this many bookings first, and compare with the empty figure
    #[arg(long, default_value_t = 0)]
    pub(crate) preload: usize,
    /// Watch the event by SSE this many times, and compare with none
    #[arg(long, default_value_t = 0)]
    pub(crate) watchers: usize,
    /// Sell this many events at once, and compare with one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) events: u32,
    /// The first of them is wanted most, the k-th a k-th as much
    #[arg(long)]
    pub(crate) zipf: bool,
    /// Hold time 2 s, and nine of ten holds lapse and are sold again
    #[arg(long)]
    pub(crate) churn: bool,
    /// This many holds lapse in the same second while the event sells
    #[arg(long, default_value_t = 0)]
    pub(crate) lapse: usize,
    /// Over this many server processes on one PostgreSQL
    #[arg(long, default_value_t = 1)]
    pub(crate) replicas: usize,
    /// On PostgreSQL: measure what the database alone does, in the same run
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) yardstick: bool,
}

/// Plays it.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &HotEvent) -> Result<Section> {
    let stage = bench.stage(ground, Setup { replicas: options.replicas, ..Setup::default() }).await?;
    let mut section = Section::new("hot-event", "One hot event");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    if options.churn {
        churn::play(bench, &stage, options, &mut section).await?;
    } else if options.lapse > 0 {
        lapse::play(bench, &stage, options, &mut section).await?;
    } else if options.events > 1 {
        many_events::play(bench, &stage, options, &mut section).await?;
    } else {
        play(bench, &stage, options, &mut section).await?;
        if options.yardstick && matches!(ground, Ground::Start(Engine::Postgres)) {
            yardstick::compare(bench, options.extent.connections, &mut section).await?;
        }
    }
    stage.close(&mut section).await?;
    Ok(section)
}

async fn play(bench: &Bench, stage: &Stage, options: &HotEvent, section: &mut Section) -> Result<()> {
    let mut plan = Plan::plenty("Hot event");
    if options.confirm_free {
        plan.price = 0;
    }
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    section.setting("tickets a booking", options.quantity);
    section.setting("idempotency keys", if options.idempotency { "yes" } else { "no" });
    if let Some(rate) = options.rate {
        section.setting("open loop at", rate);
    }
    let mut empty = None;
    if options.preload > 0 || options.watchers > 0 {
        let phase = sell(bench, stage, options, &event, "before").await?;
        empty = Some(phase.rate());
        section.phase(phase, false);
    }
    if options.preload > 0 {
        preload(bench, stage, event.booking(options.quantity), options.preload, section).await?;
    }
    let watchers = match options.watchers {
        0 => None,
        count => Some(watch(bench, stage, &event, count, section).await?),
    };
    let memory = stage.pid().map(MemoryWatch::start);
    let phase = sell(bench, stage, options, &event, "sale").await?;
    summarise(&phase, section);
    if let Some(empty) = empty.filter(|rate| *rate > 0.0) {
        section.figure("share", "share of the figure before", 100.0 * phase.rate() / empty, "%");
    }
    if let Some(memory) = memory {
        section.figure("memory_max", "memory of the server, at most", memory.highest_mb(), "MB");
    }
    if let Some(watchers) = watchers {
        watchers.finish(section);
    }
    section.phase(phase, false);
    Ok(())
}

/// One measured load on one event.
pub(super) async fn sell(
    bench: &Bench,
    stage: &Stage,
    options: &HotEvent,
    event: &Event,
    label: &str,
) -> Result<Phase> {
    let mut load = options.extent.load(label, stage);
    let mut expected: &[u16] = &[];
    if let Some(rate) = options.rate {
        load.pace = Pace::Open { rate, lateness_max: None };
        // whoever asks for more than the server can do wants to see it shed
        expected = &[503];
    }
    let sale = Sale::new(&stage.people, vec![event.booking(options.quantity)])
        .keys(options.idempotency.then(|| Keys::new(bench.random())))
        .expecting(expected);
    let (phase, _) = drive(&load, &bench.progress, sale.bookers(bench, options.extent.connections)).await?;
    Ok(phase)
}

/// The figures that the bars ask for.
pub(super) fn summarise(phase: &Phase, section: &mut Section) {
    let accepted = phase.of(Class::Accepted);
    section.figure("rate", "bookings", accepted.rate, "/s");
    section.figure("p99", "99 of 100 answered within", accepted.p99_ms, "ms");
    section.figure("generator", "processor time of the generator", phase.generator_us, "µs a request");
}

async fn watch(bench: &Bench, stage: &Stage, event: &Event, count: usize, section: &mut Section) -> Result<Watchers> {
    bench.progress.step(&format!("  connecting {count} watchers"));
    let before = stage.pid().and_then(resident);
    let watchers = Watchers::connect(&stage.targets, event, count).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    if let (Some(before), Some(after)) = (before, stage.pid().and_then(resident)) {
        let grown = after.saturating_sub(before);
        section.figure("watcher_kb", "memory of the server a watcher", grown as f64 / 1000.0 / count as f64, "kB");
        section.note(format!(
            "{count} watchers: memory of the server went from {:.0} to {:.0} MB",
            megabytes(before),
            megabytes(after)
        ));
    }
    Ok(watchers)
}
