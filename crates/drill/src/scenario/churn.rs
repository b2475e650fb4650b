//! Nine of ten holds lapse and are sold again; at the end not a unit is missing.

use std::time::Duration;

use anyhow::Result;

use super::booker::{Sale, classify};
use super::hot_event::{HotEvent, sell, summarise};
use crate::load::{Class, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Stage, take};
use crate::wire::{Reply, Template};

const HOLD_SECS: u64 = 2;

/// Measures the plain figure, then the churn, and compares; then sells the rest out.
///
/// # Errors
/// If a server cannot be reached or the stock does not come back.
pub(super) async fn play(bench: &Bench, stage: &Stage, options: &HotEvent, section: &mut Section) -> Result<()> {
    let (mut api, organizer) = (stage.api(), &stage.people.organizer);
    let plain = Event::publish(&mut api, organizer, &Plan::plenty("Plain sale")).await?;
    let hot = sell(bench, stage, options, &plain, "without churn").await?;
    let capacity = enough_for_churn(hot.rate(), options);
    section.setting("hold time", "2 s");
    section.setting("capacity", capacity);
    let plan = Plan { name: "Churn".to_owned(), price: 2500, capacity, hold_secs: Some(HOLD_SECS) };
    let event = Event::publish(&mut api, organizer, &plan).await?;
    let next = Counter::default();
    let visitors = (0..options.extent.connections)
        .map(|_| Visitor {
            people: stage.people.clone(),
            next: next.clone(),
            booking: event.booking(1),
            bookings: 0,
            to_confirm: None,
            confirming: false,
            confirmed: 0,
        })
        .collect();
    let mut load = options.extent.load("churn", stage);
    load.groups = 1;
    let (phase, visitors) = drive(&load, &bench.progress, visitors).await?;
    let bookings = phase.groups[0].count() as f64 / phase.seconds.max(0.001);
    summarise(&phase, section);
    section.figure("churn_rate", "bookings without the confirmations", bookings, "/s");
    section.figure("share", "share of the figure without churn", 100.0 * bookings / hot.rate().max(1.0), "%");
    section.phase(hot, false);
    section.phase(phase, false);

    let confirmed = visitors.iter().map(|visitor| visitor.confirmed).sum::<u64>();
    let lapsed =
        event.until(&mut api, Duration::from_secs(HOLD_SECS + 30), "free of holds", |stock| stock.held == 0).await?;
    section.figure("lapsed_in", "all holds were free after", lapsed.as_secs_f64(), "s");
    section.expect_equal("sold after the churn", event.stock(&mut api).await?.sold, confirmed);
    event.patch(&mut api, organizer, &serde_json::json!({"holdSeconds": 900})).await?;
    sell_out(bench, stage, &event, capacity - confirmed, section).await
}

/// Room for what is confirmed and for the holds of two and a half times the hold
/// time: far less than all bookings, so that units are sold again and again.
fn enough_for_churn(rate: f64, options: &HotEvent) -> u64 {
    let seconds = f64::from(options.extent.seconds + options.extent.warmup);
    (rate * (HOLD_SECS as f64 * 2.5 + 0.1 * seconds)) as u64 + 1000
}

/// Buys everything that is left: it has to be exactly this much.
async fn sell_out(bench: &Bench, stage: &Stage, event: &Event, left: u64, section: &mut Section) -> Result<()> {
    let load = crate::load::Load::closed("the rest", &stage.targets, Duration::from_secs(300));
    let attempts = usize::try_from(left)? + 2000;
    let sale = Sale::new(&stage.people, vec![event.booking(1)]).limit(attempts).expecting(&[409]);
    let (phase, _) = drive(&load, &bench.progress, sale.bookers(bench, 64)).await?;
    section.expect_equal("sold of the rest, to the last unit", phase.statuses.get(&201).copied().unwrap_or(0), left);
    section.phase(phase, false);
    Ok(())
}

/// Books; of every tenth booking the organizer takes the money.
struct Visitor {
    people: People,
    next: Counter,
    booking: Template,
    bookings: u64,
    to_confirm: Option<String>,
    confirming: bool,
    confirmed: u64,
}

impl Script for Visitor {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.confirming = false;
        if let Some(id) = self.to_confirm.take() {
            self.confirming = true;
            Template::new("POST", &format!("/api/v1/bookings/{id}/confirm"), "{}")
                .write(&self.people.organizer.authorization, request);
        } else {
            let buyer = self.people.buyer(take(&self.next));
            self.booking.write(&buyer.authorization, request);
        }
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        if self.confirming {
            let done = (200..300).contains(&reply.status);
            self.confirmed += u64::from(done);
            return (if done { Class::Accepted } else { Class::Unexpected }).into();
        }
        let class = classify(reply.status, &[409]);
        if class == Class::Accepted {
            self.bookings += 1;
            if self.bookings.is_multiple_of(10) {
                self.to_confirm = Some(reply.brief().id.to_owned());
            }
        }
        Verdict { class, group: (class == Class::Accepted).then_some(0) }
    }
}
