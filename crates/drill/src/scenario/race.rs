//! More clients than tickets: exactly the tickets are sold.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::mixed;
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Ground, Setup, take};
use crate::wire::{Reply, Template};

/// N clients for M tickets: exactly M sold
#[derive(Clone, Debug, Args)]
pub(crate) struct Race {
    /// How many clients ask, each once
    #[arg(long, default_value_t = 5000)]
    pub(crate) clients: usize,
    /// How many tickets there are
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) tickets: u64,
    /// Tickets a booking
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) quantity: u32,
    /// How many of the clients ask at the same time
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    pub(crate) connections: u32,
    /// Over this many server processes on one PostgreSQL
    #[arg(long, default_value_t = 1)]
    pub(crate) replicas: usize,
    /// How many races, one after the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) times: u32,
    /// Cancels, confirmations, renewals, lapsing holds, a shared hall and moving capacity at the same time
    #[arg(long)]
    pub(crate) mixed: bool,
    /// How many seconds that goes on
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
}

/// Runs the races.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Race) -> Result<Section> {
    let stage = bench.stage(ground, Setup { replicas: options.replicas, ..Setup::default() }).await?;
    let mut section = Section::new("race", "More clients than tickets");
    section.setting("engine", ground.name());
    section.setting("servers", stage.targets.len());
    section.setting("connections", options.connections);
    for number in 0..options.times {
        if options.mixed {
            mixed::play(bench, &stage, options, &mut section).await?;
            continue;
        }
        let plan = Plan { name: format!("Race {number}"), price: 2500, capacity: options.tickets, hold_secs: None };
        let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
        let next = Counter::default();
        let racers = (0..options.connections.min(u32::try_from(options.clients)?))
            .map(|_| Racer {
                people: stage.people.clone(),
                next: next.clone(),
                clients: options.clients,
                booking: event.booking(options.quantity),
                won: Vec::new(),
            })
            .collect();
        let load = Load::closed("race", &stage.targets, Duration::from_secs(120));
        let (phase, racers) = drive(&load, &bench.progress, racers).await?;
        let refused = phase.statuses.get(&409).copied().unwrap_or(0);
        section.phase(phase, false);
        account(&stage.targets, &event, options, racers, refused, &mut section).await?;
    }
    stage.close(&mut section).await?;
    Ok(section)
}

/// Counts the winners, and compares with the stock that each server tells.
async fn account(
    targets: &[crate::wire::Target],
    event: &Event,
    options: &Race,
    racers: Vec<Racer>,
    refused: u64,
    section: &mut Section,
) -> Result<()> {
    let mut won: Vec<String> = racers.into_iter().flat_map(|racer| racer.won).collect();
    let bookings = (options.tickets / u64::from(options.quantity)).min(options.clients as u64);
    section.expect_equal("bookings made", won.len() as u64, bookings);
    section.expect_equal("clients refused with sold_out", refused, options.clients as u64 - bookings);
    won.sort_unstable();
    won.dedup();
    section.expect_equal("different bookings", won.len() as u64, bookings);
    let units = bookings * u64::from(options.quantity);
    for target in targets {
        let mut api = crate::wire::Api::new(*target);
        let told = event
            .until(&mut api, Duration::from_secs(5), "right", |stock| {
                stock.held == units && stock.available == options.tickets - units
            })
            .await;
        if let Err(error) = told {
            section.fail(format!("stock told by {target}: {error}"));
        }
    }
    Ok(())
}

/// Buyers who ask once each.
struct Racer {
    people: People,
    next: Counter,
    clients: usize,
    booking: Template,
    won: Vec<String>,
}

impl Script for Racer {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let number = take(&self.next);
        if number >= self.clients {
            return false;
        }
        self.booking.write(&self.people.buyer(number).authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let brief = reply.brief();
        let class = match reply.status {
            201 => {
                self.won.push(brief.id.to_owned());
                Class::Accepted
            }
            409 if brief.code == "sold_out" => Class::Refused,
            _ => Class::Unexpected,
        };
        class.into()
    }
}
