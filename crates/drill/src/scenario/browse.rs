//! Reads: the event's page and its availability.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Extent;
use crate::load::{Class, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Ground, Setup};
use crate::wire::{Reply, Template};

/// Reads of an event or of its availability
#[derive(Clone, Debug, Args)]
pub(crate) struct Browse {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// What is read
    #[arg(long, value_enum, default_value_t = Page::Event)]
    pub(crate) what: Page,
}

/// What can be read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Page {
    Event,
    Availability,
}

/// Measures the reads.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Browse) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let (name, rest) = match options.what {
        Page::Event => ("GET of an event", ""),
        Page::Availability => ("GET of its availability", "/availability"),
    };
    let mut section = Section::new("browse", name);
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &Plan::plenty("Browsed")).await?;
    let readers =
        (0..options.extent.connections).map(|_| Reader(Template::new("GET", &event.path(rest), ""))).collect();
    let (phase, _) = drive(&options.extent.load("reads", &stage), &bench.progress, readers).await?;
    section.figure("rate", "answers", phase.rate(), "/s");
    section.figure("p99", "99 of 100 answered within", phase.of(Class::Accepted).p99_ms, "ms");
    section.figure("generator", "processor time of the generator", phase.generator_us, "µs a request");
    section.phase(phase, false);
    stage.close(&mut section).await?;
    Ok(section)
}

struct Reader(Template);

impl Script for Reader {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.0.write(b"", request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let class = if reply.status == 200 { Class::Accepted } else { Class::Unexpected };
        class.into()
    }
}
