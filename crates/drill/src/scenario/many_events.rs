//! Many events at once: the hot one must not starve the others.

use std::rc::Rc;

use anyhow::Result;

use super::booker::Sale;
use super::hot_event::{HotEvent, sell, summarise};
use crate::load::{Timing, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Stage};

/// Measures one event, then many, and compares.
///
/// # Errors
/// If the events cannot be made or a server cannot be reached.
pub(super) async fn play(bench: &Bench, stage: &Stage, options: &HotEvent, section: &mut Section) -> Result<()> {
    section.setting("events", options.events);
    section.setting("demand", if options.zipf { "Zipf" } else { "even" });
    bench.progress.step(&format!("  publishing {} events", options.events));
    let (mut api, organizer) = (stage.api(), Rc::clone(&stage.people.organizer));
    let mut events = Vec::new();
    for number in 0..options.events {
        events.push(Event::publish(&mut api, &organizer, &Plan::plenty(&format!("Event {number}"))).await?);
    }
    let single = sell(bench, stage, options, &events[0], "one event").await?;
    let mut load = options.extent.load("all events", stage);
    load.groups = events.len();
    let requests = events.iter().map(|event| event.booking(options.quantity)).collect();
    let sale = Sale::new(&stage.people, requests).zipf(options.zipf);
    let (phase, _) = drive(&load, &bench.progress, sale.bookers(bench, options.extent.connections)).await?;
    summarise(&phase, section);
    section.figure("share", "share of the figure of one event", 100.0 * phase.rate() / single.rate().max(1.0), "%");
    // one cold event alone has too few bookings for a 99th of 100: the coldest tenth is taken together
    let tenth = (events.len() / 10).max(1);
    let hottest = phase.groups[0].quantile_ms(0.99);
    let coldest = together(&phase.groups[phase.groups.len() - tenth..]);
    section.figure("p99_hottest", "99 of 100 of the hottest event within", hottest, "ms");
    section.figure("p99_coldest", &format!("99 of 100 of the {tenth} coldest within"), coldest.quantile_ms(0.99), "ms");
    section.figure("cold_to_hot", "coldest to hottest", coldest.quantile_ms(0.99) / hottest.max(0.001), "×");
    section.note(format!(
        "the {tenth} coldest events had {} bookings, the hottest {}",
        coldest.count(),
        phase.groups[0].count()
    ));
    section.phase(single, false);
    section.phase(phase, false);
    Ok(())
}

fn together(groups: &[Timing]) -> Timing {
    let mut all = Timing::new(2);
    for group in groups {
        all.merge(group);
    }
    all
}
