//! Where the money of a sale is: by what buyers are told, and by the books of the sandbox.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::time::sleep;

use super::ledger::{Ledger, Promise, State};
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Stage, take};
use crate::wire::{Reply, Template};

const CLERKS: usize = 64;
const SHOWN_MAX: usize = 5;

/// Sums of payments, in the minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Came in.
    pub(crate) captured: u64,
    /// Went back, or is to.
    pub(crate) refunded: u64,
    /// Belongs nowhere yet.
    pub(crate) unsettled: u64,
}

/// A payment as its buyer sees it.
#[derive(Debug, Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    status: &'a str,
    captured: u64,
    refunded: u64,
    unsettled: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.captured += other.captured;
        self.refunded += other.refunded;
        self.unsettled += other.unsettled;
    }

    /// What pays bookings.
    fn booked(self) -> Option<u64> {
        self.captured.checked_sub(self.refunded + self.unsettled)
    }
}

/// The sums of one booking, and whether a payment of it is under way.
fn read(body: &[u8]) -> Option<(Sums, bool)> {
    let payments: Vec<Payment<'_>> = serde_json::from_slice(body).ok()?;
    let (mut sums, mut open) = (Sums::default(), false);
    for Payment { status, captured, refunded, unsettled } in payments {
        sums.add(Sums { captured, refunded, unsettled });
        open |= status == "processing";
    }
    Some((sums, open))
}

/// Waits until no payment is under way of those bookings, from number `from` on, of which nobody knows whether they are
/// paid; answers how long that took.
///
/// # Errors
/// If there still is one after `limit`, or the server cannot be reached.
pub(crate) async fn settled(stage: &Stage, ledger: &Ledger, from: usize, limit: Duration) -> Result<Duration> {
    let (started, mut api) = (Instant::now(), stage.api());
    for promise in ledger.promises[from..].iter().filter(|promise| promise.maybe.is_some()) {
        let authorization = &stage.people.buyer(promise.buyer).authorization;
        loop {
            let (status, text) = api.call("GET", &payments_of(promise), authorization, "").await?;
            ensure!(status == 200 || status == 503, "the payments of {} are answered {status} {text}", promise.id);
            if status == 200 && read(text.as_bytes()).is_some_and(|(_, open)| !open) {
                break;
            }
            ensure!(started.elapsed() < limit, "after {limit:?} a payment of {} is still open: {text}", promise.id);
            sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(started.elapsed())
}

/// Asks for the payments of every booking: what came in pays a confirmed booking exactly, or went back, or is an open
/// case; nothing is under way. Answers the sums.
///
/// # Errors
/// If the server cannot be reached.
pub(crate) async fn count(
    bench: &Bench,
    stage: &Stage,
    ledger: &Ledger,
    price: u64,
    section: &mut Section,
) -> Result<Sums> {
    let list: Rc<[Promise]> = ledger.promises.as_slice().into();
    let next = Counter::default();
    let clerks = (0..CLERKS)
        .map(|_| Clerk {
            people: stage.people.clone(),
            list: Rc::clone(&list),
            next: next.clone(),
            current: 0,
            price,
            asked: 0,
            sums: Sums::default(),
            wrong: Vec::new(),
        })
        .collect();
    let load = Load::closed("counting the money", &stage.targets, Duration::from_secs(600));
    let (phase, clerks) = drive(&load, &bench.progress, clerks).await?;
    phase.failures(false).into_iter().for_each(|failure| section.fail(failure));
    let (mut sums, mut asked) = (Sums::default(), 0);
    for clerk in &clerks {
        sums.add(clerk.sums);
        asked += clerk.asked;
    }
    section.expect_equal("bookings whose payments were looked at", asked, list.len() as u64);
    let wrong: Vec<&String> = clerks.iter().flat_map(|clerk| &clerk.wrong).collect();
    if !wrong.is_empty() {
        section.fail(format!("the money of {} bookings is not where it belongs", wrong.len()));
        wrong.iter().take(SHOWN_MAX).for_each(|text| section.fail(text.as_str()));
    }
    let sold = ledger.units(State::Confirmed);
    section.expect_equal("captured, less refunds and open cases (cents)", sums.booked().unwrap_or(0), sold * price);
    Ok(sums)
}

/// Waits until the sandbox has sent back what buyers were told of, where it belongs to a server that we started; answers how
/// long that took.
///
/// # Errors
/// If it has not after `limit`, or its books cannot be read.
pub(crate) async fn sent_back(stage: &Stage, told: Sums, limit: Duration) -> Result<Duration> {
    let started = Instant::now();
    let Some(journal) = stage.sandbox_journal() else { return Ok(Duration::ZERO) };
    while Books::read(&journal)?.refunded != told.refunded {
        ensure!(started.elapsed() < limit, "after {limit:?} not all refunds are sent");
        sleep(Duration::from_millis(250)).await;
    }
    Ok(started.elapsed())
}

/// Compares what buyers were told with what the sandbox has in its books, both ways, where it belongs to a server that we started.
pub(crate) fn compare(stage: &Stage, told: Sums, section: &mut Section) {
    let Some(journal) = stage.sandbox_journal() else { return };
    match Books::read(&journal) {
        Ok(books) => {
            section.expect_equal("taken by the books of the sandbox (cents)", books.captured, told.captured);
            section.expect_equal("sent back by the books of the sandbox (cents)", books.refunded, told.refunded);
        }
        Err(error) => section.fail(format!("{error:#}")),
    }
}

/// What the sandbox has taken for a payment and sent back of it by its books; none where it does not know it.
///
/// # Errors
/// If they cannot be read.
pub(crate) fn charged(stage: &Stage, payment: &str) -> Result<Option<(u64, u64)>> {
    let journal = stage.sandbox_journal().context("the sandbox is not ours")?;
    Ok(Books::charges(&text_of(&journal)?)?.get(payment).map(|books| (books.captured, books.refunded)))
}

fn text_of(journal: &Path) -> Result<String> {
    match std::fs::read_to_string(journal) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("reading {}", journal.display())),
    }
}

fn payments_of(promise: &Promise) -> String {
    format!("/api/v1/bookings/{}/payments", promise.id)
}

/// Asks for the payments of one booking after the other.
struct Clerk {
    people: People,
    list: Rc<[Promise]>,
    next: Counter,
    current: usize,
    price: u64,
    asked: u64,
    sums: Sums,
    wrong: Vec<String>,
}

impl Script for Clerk {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.current = take(&self.next);
        let Some(promise) = self.list.get(self.current) else { return false };
        Template::new("GET", &payments_of(promise), "").write(&self.people.buyer(promise.buyer).authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let promise = &self.list[self.current];
        let owed = if promise.state == State::Confirmed { self.price * u64::from(promise.units) } else { 0 };
        self.asked += 1;
        match read(reply.body).filter(|_| reply.status == 200) {
            Some((sums, false)) if sums.booked() == Some(owed) => self.sums.add(sums),
            _ => self.wrong.push(format!(
                "booking {} is {:?}, and its payments are answered {} {}",
                promise.id,
                promise.state,
                reply.status,
                reply.excerpt()
            )),
        }
        Class::Accepted.into()
    }
}

/// The books of the sandbox: one JSON object a line, each row as it is afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    /// What it has taken.
    captured: u64,
    /// What it has sent back.
    refunded: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    charge: Option<Charge<'a>>,
}

#[derive(Deserialize)]
struct Charge<'a> {
    id: &'a str,
    #[serde(default)]
    captured: u64,
    #[serde(default)]
    refunded: u64,
}

impl Books {
    /// Reads the journal.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(path: &Path) -> Result<Self> {
        Self::of(&text_of(path)?)
    }

    fn of(text: &str) -> Result<Self> {
        let charges = Self::charges(text)?;
        let sum = |of: fn(&Self) -> u64| charges.values().map(of).sum();
        Ok(Self { captured: sum(|books| books.captured), refunded: sum(|books| books.refunded) })
    }

    /// Each charge by its payment.
    fn charges(text: &str) -> Result<HashMap<&str, Self>> {
        let mut charges = HashMap::new();
        // what is behind the last line end is still being written
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let line: Line<'_> = serde_json::from_str(line).context("a line of the sandbox's journal")?;
            if let Some(Charge { id, captured, refunded }) = line.charge {
                charges.insert(id, Self { captured, refunded });
            }
        }
        Ok(charges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_a_booking_are_those_of_its_payments() {
        let body = br#"[{"id":"1","status":"failed","captured":0,"refunded":0,"unsettled":0},
            {"id":"2","status":"succeeded","captured":2500,"refunded":400,"unsettled":100}]"#;
        let (sums, open) = read(body).unwrap();
        assert_eq!((sums.booked(), open), (Some(2000), false));
        let open = br#"[{"status":"processing","captured":0,"refunded":0,"unsettled":0}]"#;
        assert!(read(open).unwrap().1);
        assert!(read(b"{}").is_none());
    }

    #[test]
    fn the_last_line_of_a_charge_counts() {
        let text = "{\"charge\":{\"id\":\"a\",\"amount\":5}}\n{\"charge\":{\"id\":\"a\",\"captured\":5},\"event\":{\"id\":\"e\"}}\n\
            {\"charge\":{\"id\":\"b\",\"captured\":7,\"refunded\":2}}\n{\"delivered\":1}\n";
        assert_eq!(Books::of(text).unwrap(), Books { captured: 12, refunded: 2 });
    }
}
