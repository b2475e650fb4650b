//! Tickets are printed: how many PDFs a second the server makes.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::door::{Sold, sell};
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Counter, Ground, Setup, Stage, take};
use crate::wire::{Reply, Template};

/// Tickets are printed: PDFs a second
#[derive(Clone, Debug, Args)]
pub(crate) struct Print {
    /// How many tickets
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) tickets: u32,
    /// By how many connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) connections: u32,
}

/// Plays it.
///
/// # Errors
/// If the stage cannot be set, or the tickets cannot be sold or read.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Print) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("print", "Tickets as PDF");
    section.setting("engine", ground.name());
    section.setting("connections", options.connections);
    section.setting("tickets", options.tickets);
    let plan = Plan { price: 0, ..Plan::plenty("A name of some length, with Łódź in it") };
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    let tickets: Rc<[Sold]> = sell(bench, &stage, &event, options.tickets).await?.into();
    let next = Counter::default();
    let readers = (0..options.connections).map(|_| Reader::new(&stage, &tickets, &next)).collect();
    let load = Load::closed("PDFs", &stage.targets, Duration::from_secs(600));
    let (phase, readers) = drive(&load, &bench.progress, readers).await?;
    let bytes: usize = readers.iter().map(|reader| reader.bytes).sum();
    section.figure("rate", "PDFs", phase.rate(), "/s");
    section.figure("seconds", "all of them within", phase.seconds, "s");
    section.figure("bytes", "bytes of one", bytes as f64 / tickets.len() as f64, "");
    section.expect_equal("tickets printed", phase.of(Class::Accepted).count, tickets.len() as u64);
    section.phase(phase, false);
    stage.close(&mut section).await?;
    Ok(section)
}

/// Reads one after the other.
struct Reader {
    authorization: Vec<u8>,
    tickets: Rc<[Sold]>,
    next: Counter,
    bytes: usize,
}

impl Reader {
    fn new(stage: &Stage, tickets: &Rc<[Sold]>, next: &Counter) -> Self {
        let authorization = stage.people.organizer.authorization.to_vec();
        Self { authorization, tickets: Rc::clone(tickets), next: next.clone(), bytes: 0 }
    }
}

impl Script for Reader {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let Some(ticket) = self.tickets.get(take(&self.next)) else { return false };
        Template::new("GET", &format!("/api/v1/tickets/{}.pdf", ticket.id), "").write(&self.authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        self.bytes += reply.body.len();
        match reply.status == 200 && reply.body.starts_with(b"%PDF-") {
            true => Class::Accepted.into(),
            false => Class::Unexpected.into(),
        }
    }
}
