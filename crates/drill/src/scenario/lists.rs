//! A buyer's own list and an organizer's page, with many bookings present.

use anyhow::Result;
use clap::Args;
use serde::Deserialize;

use super::Extent;
use super::booker::preload;
use crate::load::{Class, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Ground, Setup, take};
use crate::wire::{Reply, Template};

/// Lists with many bookings present
#[derive(Clone, Debug, Args)]
pub(crate) struct Lists {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// How many bookings are made first
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) preload: usize,
}

/// An organizer turns so many pages before he starts over.
const PAGES: u32 = 50;

/// Measures both lists.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Lists) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("lists", "Lists with many bookings present");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    section.setting("bookings", options.preload);
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &Plan::plenty("Lists")).await?;
    preload(bench, &stage, event.booking(1), options.preload, &mut section).await?;

    let next = Counter::default();
    let readers = (0..options.extent.connections)
        .map(|_| Mine {
            people: stage.people.clone(),
            next: next.clone(),
            list: Template::new("GET", "/api/v1/bookings", ""),
        })
        .collect();
    let (mine, _) = drive(&options.extent.load("GET /bookings of a buyer", &stage), &bench.progress, readers).await?;
    section.figure("mine_p99", "a buyer's list, 99 of 100 within", mine.of(Class::Accepted).p99_ms, "ms");
    section.phase(mine, false);

    let readers = (0..options.extent.connections)
        .map(|_| Pages { people: stage.people.clone(), path: event.path("/bookings?limit=50"), cursor: None, page: 0 })
        .collect();
    let (pages, _) = drive(&options.extent.load("GET /events/{id}/bookings", &stage), &bench.progress, readers).await?;
    section.figure("organizer_p99", "an organizer's page, 99 of 100 within", pages.of(Class::Accepted).p99_ms, "ms");
    section.phase(pages, false);
    stage.close(&mut section).await?;
    Ok(section)
}

/// Buyers in turn look at their bookings.
struct Mine {
    people: People,
    next: Counter,
    list: Template,
}

impl Script for Mine {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.list.write(&self.people.buyer(take(&self.next)).authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        ok(reply).into()
    }
}

/// The organizer turns page after page.
struct Pages {
    people: People,
    path: String,
    cursor: Option<String>,
    page: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    next_cursor: Option<String>,
}

impl Script for Pages {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let path = match &self.cursor {
            Some(cursor) => format!("{}&cursor={cursor}", self.path),
            None => self.path.clone(),
        };
        Template::new("GET", &path, "").write(&self.people.organizer.authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        self.page = (self.page + 1) % PAGES;
        let next = serde_json::from_slice::<Page>(reply.body).ok().and_then(|page| page.next_cursor);
        self.cursor = next.filter(|_| self.page > 0);
        ok(reply).into()
    }
}

fn ok(reply: &Reply<'_>) -> Class {
    if reply.status == 200 { Class::Accepted } else { Class::Unexpected }
}
