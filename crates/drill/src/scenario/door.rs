//! The door: tickets are shown at it, each is let in once, and once more it is not.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::Extent;
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Ground, Setup, Stage, take};
use crate::wire::{Reply, Template};

/// Tickets at the door: each lets in once, however fast they are shown
#[derive(Clone, Debug, Args)]
pub(crate) struct Door {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// How many tickets the event has sold before; the scans end with them
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(10..=5_000_000))]
    pub(crate) tickets: u32,
}

/// Tickets of a booking: the most that an event allows by itself.
const A_BOOKING: u32 = 10;
/// So many of those that were let in are shown once more.
const AGAIN_MAX: usize = 10_000;
/// How long the sale before may take.
const SOLD_WITHIN: Duration = Duration::from_secs(3600);
/// By how many connections the tickets are sold and read.
const SELLERS: u32 = 128;

/// Plays it.
///
/// # Errors
/// If the stage cannot be set, or the tickets cannot be sold or read.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Door) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("door", "Tickets at the door");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    section.setting("tickets", options.tickets);
    let plan = Plan { price: 0, ..Plan::plenty("Door") };
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    // Its doors are open: it has begun, and does not end before the drill does.
    let begun = json!({"startAt": "2026-01-01T00:00:00Z"});
    event.patch(&mut stage.api(), &stage.people.organizer, &begun).await?;
    let tickets = sell(bench, &stage, &event, options.tickets).await?;
    let codes: Rc<[String]> = tickets.into_iter().map(|ticket| ticket.code).collect();
    section.figure("codes", "codes of valid tickets", codes.len() as f64, "");

    let desk = Rc::new(Desk::new(&stage, &event, &codes, codes.len(), "admitted"));
    let scanners = (0..options.extent.connections).map(|_| Scanner(Rc::clone(&desk))).collect();
    let (phase, _) = drive(&options.extent.load("scans", &stage), &bench.progress, scanners).await?;
    let accepted = phase.of(Class::Accepted);
    section.figure("rate", "let in", phase.rate(), "/s");
    section.figure("p50", "half of them within", accepted.p50_ms, "ms");
    section.figure("p99", "99 of 100 within", accepted.p99_ms, "ms");
    section.figure("generator", "processor time of the generator", phase.generator_us, "µs a request");
    let shown = desk.next.get().min(codes.len());
    if shown == codes.len() {
        section.note("all tickets were shown before the time was over: the rate is too low, give more --tickets");
    }
    section.phase(phase, false);

    // Whatever was let in is not let in again.
    let again = Rc::new(Desk::new(&stage, &event, &codes, shown.min(AGAIN_MAX), "already_used"));
    let scanners = (0..options.extent.connections).map(|_| Scanner(Rc::clone(&again))).collect();
    let (phase, _) = drive(&Load::closed("once more", &stage.targets, SOLD_WITHIN), &bench.progress, scanners).await?;
    section.phase(phase, false);
    stage.close(&mut section).await?;
    Ok(section)
}

/// Sells so many free tickets, rounded up to tens, and reads them.
///
/// # Errors
/// If they cannot be sold or read.
pub(super) async fn sell(bench: &Bench, stage: &Stage, event: &Event, tickets: u32) -> Result<Vec<Sold>> {
    let sale = Rc::new(Sale {
        people: stage.people.clone(),
        request: event.booking(A_BOOKING),
        next: Counter::default(),
        most: tickets.div_ceil(A_BOOKING) as usize,
        bookings: RefCell::default(),
        tickets: RefCell::default(),
    });
    let sellers = (0..SELLERS).map(|_| Seller(Rc::clone(&sale))).collect();
    let (phase, _) =
        drive(&Load::closed("tickets sold", &stage.targets, SOLD_WITHIN), &bench.progress, sellers).await?;
    ensure!(phase.failures(false).is_empty(), "the sale did not go well: {:?}", phase.failures(false));
    sale.next.set(0);
    let readers = (0..SELLERS).map(|_| CodeReader(Rc::clone(&sale))).collect();
    let (phase, _) = drive(&Load::closed("codes read", &stage.targets, SOLD_WITHIN), &bench.progress, readers).await?;
    ensure!(phase.failures(false).is_empty(), "not all codes could be read: {:?}", phase.failures(false));
    let tickets = sale.tickets.take();
    ensure!(tickets.len() == sale.most * A_BOOKING as usize, "{} codes of {} bookings", tickets.len(), sale.most);
    Ok(tickets)
}

/// What those share who sell tickets and read their codes.
struct Sale {
    people: People,
    request: Template,
    next: Counter,
    most: usize,
    bookings: RefCell<Vec<String>>,
    tickets: RefCell<Vec<Sold>>,
}

struct Seller(Rc<Sale>);

impl Script for Seller {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let number = take(&self.0.next);
        self.0.request.write(&self.0.people.buyer(number).authorization, request);
        number < self.0.most
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        if reply.status != 201 {
            return Class::Unexpected.into();
        }
        self.0.bookings.borrow_mut().push(reply.brief().id.to_owned());
        Class::Accepted.into()
    }
}

struct CodeReader(Rc<Sale>);

/// A ticket as its buyer sees it.
#[derive(Debug, Deserialize)]
pub(super) struct Sold {
    pub(super) id: String,
    pub(super) code: String,
}

impl Script for CodeReader {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let number = take(&self.0.next);
        let bookings = self.0.bookings.borrow();
        let Some(booking) = bookings.get(number) else { return false };
        let read = Template::new("GET", &format!("/api/v1/bookings/{booking}/tickets"), "");
        read.write(&self.0.people.organizer.authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let Ok(tickets) = serde_json::from_slice::<Vec<Sold>>(reply.body) else { return Class::Unexpected.into() };
        self.0.tickets.borrow_mut().extend(tickets);
        Class::Accepted.into()
    }
}

/// What all scanners share.
struct Desk {
    people: People,
    path: String,
    codes: Rc<[String]>,
    most: usize,
    next: Counter,
    /// What they have to hear.
    word: Vec<u8>,
}

impl Desk {
    fn new(stage: &Stage, event: &Event, codes: &Rc<[String]>, most: usize, word: &str) -> Self {
        Self {
            people: stage.people.clone(),
            path: event.path("/check-ins"),
            codes: Rc::clone(codes),
            most,
            next: Counter::default(),
            word: format!("\"result\":\"{word}\"").into_bytes(),
        }
    }

    fn judge(&self, reply: &Reply<'_>) -> Class {
        match reply.status {
            200 if reply.body.windows(self.word.len()).any(|part| part == self.word) => Class::Accepted,
            503 => Class::Shed,
            _ => Class::Unexpected,
        }
    }
}

struct Scanner(Rc<Desk>);

impl Script for Scanner {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let desk = &self.0;
        let number = take(&desk.next);
        if number >= desk.most {
            return false;
        }
        let body = json!({"code": desk.codes[number], "gate": "North"}).to_string();
        Template::new("POST", &desk.path, &body).write(&desk.people.organizer.authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        self.0.judge(reply).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_awaited_word_is_accepted() {
        let lines = "{\"role\":\"user\",\"accessToken\":\"u\"}\n{\"role\":\"organizer\",\"accessToken\":\"o\"}";
        let desk = Desk {
            people: People::read(lines).unwrap(),
            path: "/c".into(),
            codes: vec!["GT1:A".to_owned()].into(),
            most: 1,
            next: Counter::default(),
            word: b"\"result\":\"admitted\"".to_vec(),
        };
        let hear = |status, body: &'static str| {
            desk.judge(&Reply { status, body: body.as_bytes(), retry_after: true, replayed: false })
        };
        assert_eq!(hear(200, r#"{"result":"admitted","gate":"North"}"#), Class::Accepted);
        assert_eq!(hear(200, r#"{"result":"already_used"}"#), Class::Unexpected);
        assert_eq!(hear(503, ""), Class::Shed);
        assert_eq!(hear(404, ""), Class::Unexpected);
        let mut scanner = Scanner(Rc::new(desk));
        let mut request = Vec::new();
        assert!(scanner.next(&mut request) && String::from_utf8_lossy(&request).contains("GT1:A"));
        assert!(!scanner.next(&mut request), "each is shown once");
    }
}
