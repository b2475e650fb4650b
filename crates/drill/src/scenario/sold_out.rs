//! After the sale: most of the traffic is people who come too late.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::Extent;
use super::booker::Sale;
use crate::load::{Class, Load, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Ground, Setup};

/// Refusals of a sold-out event
#[derive(Clone, Debug, Args)]
pub(crate) struct SoldOut {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Over this many server processes on one PostgreSQL
    #[arg(long, default_value_t = 1)]
    pub(crate) replicas: usize,
}

const CAPACITY: usize = 1000;

/// Sells an event out, then measures how fast the next ones are refused.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &SoldOut) -> Result<Section> {
    let stage = bench.stage(ground, Setup { replicas: options.replicas, ..Setup::default() }).await?;
    let mut section = Section::new("sold-out", "Refusals after the last ticket");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    let plan = Plan { name: "Sold out".to_owned(), price: 2500, capacity: CAPACITY as u64, hold_secs: None };
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    let first = Sale::new(&stage.people, vec![event.booking(1)]).limit(CAPACITY);
    let load = Load::closed("selling out", &stage.targets, Duration::from_secs(60));
    let (phase, _) = drive(&load, &bench.progress, first.bookers(bench, 16)).await?;
    section.expect_equal("sold", phase.statuses.get(&201).copied().unwrap_or(0), CAPACITY as u64);

    let late = Sale::new(&stage.people, vec![event.booking(1)]).expecting(&[409]);
    let (phase, _) = drive(
        &options.extent.load("refusals", &stage),
        &bench.progress,
        late.bookers(bench, options.extent.connections),
    )
    .await?;
    section.expect_equal("sold after that", phase.statuses.get(&201).copied().unwrap_or(0), 0);
    section.figure("rate", "refusals", phase.of(Class::Refused).rate, "/s");
    section.figure("p99", "99 of 100 answered within", phase.of(Class::Refused).p99_ms, "ms");
    section.figure("generator", "processor time of the generator", phase.generator_us, "µs a request");
    section.phase(phase, false);
    stage.close(&mut section).await?;
    Ok(section)
}
