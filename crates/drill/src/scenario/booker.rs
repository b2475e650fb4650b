//! Buyers who book and do nothing else: the lean script of the big figures.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use rand::rngs::SmallRng;

use super::zipf::Zipf;
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Stage, take};
use crate::wire::{Reply, Template};

/// A fresh idempotency key for each request, none used twice in any run.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: u64,
    next: Counter,
}

impl Keys {
    /// Keys of this run.
    pub(crate) fn new(mut random: SmallRng) -> Self {
        Self { prefix: random.random(), next: Rc::new(Cell::new(0)) }
    }

    /// Writes the next key as a header line.
    pub(crate) fn write(&self, line: &mut Vec<u8>) {
        line.clear();
        let number = take(&self.next);
        write!(line, "Idempotency-Key: drill-{:016x}-{number}\r\n", self.prefix).expect("memory takes every write");
    }
}

/// What all bookers of a load share.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    people: People,
    /// The number of the next request: it says who buys.
    next: Counter,
    /// How many bookings were made.
    accepted: Counter,
    /// After so many requests the sale is over.
    limit: usize,
    requests: Rc<[Template]>,
    demand: Rc<Zipf>,
    keys: Option<Keys>,
    /// Refusals that are no surprise here.
    expected: &'static [u16],
}

impl Sale {
    /// A sale of what these requests book.
    pub(crate) fn new(people: &People, requests: Vec<Template>) -> Self {
        let demand = Rc::new(Zipf::new(requests.len(), false));
        Self {
            people: people.clone(),
            next: Counter::default(),
            accepted: Counter::default(),
            limit: usize::MAX,
            requests: requests.into(),
            demand,
            keys: None,
            expected: &[],
        }
    }

    /// Over after so many requests.
    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// With a fresh idempotency key for each request.
    pub(crate) fn keys(mut self, keys: Option<Keys>) -> Self {
        self.keys = keys;
        self
    }

    /// With more demand for the first than for the last.
    pub(crate) fn zipf(mut self, shaped: bool) -> Self {
        self.demand = Rc::new(Zipf::new(self.requests.len(), shaped));
        self
    }

    /// With these refusals expected.
    pub(crate) fn expecting(mut self, statuses: &'static [u16]) -> Self {
        self.expected = statuses;
        self
    }

    /// How many bookings were made so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.get()
    }

    /// So many bookers.
    pub(crate) fn bookers(&self, bench: &Bench, count: u32) -> Vec<Booker> {
        (0..count).map(|_| Booker { sale: self.clone(), random: bench.random(), event: 0, key: Vec::new() }).collect()
    }
}

/// One connection of a sale.
#[derive(Debug)]
pub(crate) struct Booker {
    sale: Sale,
    random: SmallRng,
    event: usize,
    key: Vec<u8>,
}

impl Script for Booker {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let number = take(&self.sale.next);
        if number >= self.sale.limit {
            return false;
        }
        if self.sale.requests.len() > 1 {
            self.event = self.sale.demand.draw(&mut self.random);
        }
        if let Some(keys) = &self.sale.keys {
            keys.write(&mut self.key);
        }
        let buyer = self.sale.people.buyer(number);
        self.sale.requests[self.event].write_with(&buyer.authorization, &self.key, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let class = classify(reply.status, self.sale.expected);
        if class == Class::Accepted {
            take(&self.sale.accepted);
        }
        Verdict { class, group: Some(self.event) }
    }
}

/// The class of a status where 201 is what was asked for.
pub(crate) fn classify(status: u16, expected: &[u16]) -> Class {
    match status {
        201 => Class::Accepted,
        503 if expected.contains(&503) => Class::Shed,
        status if expected.contains(&status) => Class::Refused,
        _ => Class::Unexpected,
    }
}

/// Makes so many bookings as fast as it goes, before the clock starts.
///
/// # Errors
/// If they cannot be made.
pub(crate) async fn preload(
    bench: &Bench,
    stage: &Stage,
    request: Template,
    count: usize,
    section: &mut Section,
) -> Result<()> {
    bench.progress.step(&format!("  making {count} bookings first"));
    let load = Load::closed("preload", &stage.targets, Duration::from_secs(1800));
    let sale = Sale::new(&stage.people, vec![request]).limit(count);
    let (phase, _) = drive(&load, &bench.progress, sale.bookers(bench, 256)).await?;
    let made = phase.statuses.get(&201).copied().unwrap_or(0);
    section.phase(phase, false);
    section.expect_equal("bookings made first", made, count as u64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn only_what_is_expected_is_no_surprise() {
        assert_eq!(classify(201, &[]), Class::Accepted);
        assert_eq!(classify(409, &[409]), Class::Refused);
        assert_eq!(classify(503, &[409, 503]), Class::Shed);
        assert_eq!(classify(503, &[409]), Class::Unexpected);
        assert_eq!(classify(500, &[409, 503]), Class::Unexpected);
    }

    #[test]
    fn keys_never_repeat() {
        let keys = Keys::new(SmallRng::seed_from_u64(1));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        keys.write(&mut first);
        keys.clone().write(&mut second);
        assert_ne!(first, second);
        assert!(first.starts_with(b"Idempotency-Key: ") && first.ends_with(b"-0\r\n"));
    }
}
