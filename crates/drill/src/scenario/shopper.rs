//! Buyers who hold one ticket, pay it by card and have it: whole purchases.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::booker::{Keys, classify};
use super::ledger::{Attempt, Ledger, Promise, State};
use crate::load::{Class, Script, Verdict};
use crate::stage::people::People;
use crate::stage::{Counter, take};
use crate::wire::{Reply, Template};

/// The requests of a purchase are timed apart: the hold, the payment, the look at what became of it.
pub(crate) const GROUPS: usize = 3;
/// A buyer who was told `processing` looks again after this time,
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// and for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all shoppers of a load share.
#[derive(Debug)]
pub(crate) struct Till {
    pub(crate) people: People,
    pub(crate) next: Counter,
    /// How many purchases are begun.
    pub(crate) most: usize,
    /// Holds one ticket.
    pub(crate) hold: Template,
    pub(crate) keys: Option<Keys>,
    /// Refusals that are no surprise here.
    pub(crate) expected: &'static [u16],
}

/// What a shopper does next, or waits to hear about.
#[derive(Debug)]
enum Step {
    Hold,
    Holding(Attempt),
    Pay(usize),
    Paying(usize),
    Look(usize),
    Looking(usize),
}

/// One purchase that came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bought {
    /// When its buyer knew.
    pub(crate) at: Instant,
    /// From the first request on.
    pub(crate) took: Duration,
}

/// One connection of a sale by card.
#[derive(Debug)]
pub(crate) struct Shopper {
    till: Rc<Till>,
    step: Step,
    begun: Instant,
    pub(crate) ledger: Ledger,
    pub(crate) bought: Vec<Bought>,
    /// Payments that were answered `processing`.
    pub(crate) waited: u64,
}

#[derive(Default, Deserialize)]
struct Standing<'a> {
    #[serde(borrow, default)]
    status: &'a str,
}

impl Shopper {
    /// So many shoppers at one till.
    pub(crate) fn crowd(till: &Rc<Till>, count: u32) -> Vec<Self> {
        (0..count).map(|_| Self::new(Rc::clone(till))).collect()
    }

    fn new(till: Rc<Till>) -> Self {
        Self { till, step: Step::Hold, begun: Instant::now(), ledger: Ledger::default(), bought: Vec::new(), waited: 0 }
    }

    /// Begins a purchase; `false` where all were.
    fn hold(&mut self, request: &mut Vec<u8>) -> bool {
        self.begun = Instant::now();
        let (buyer, mut key) = (take(&self.till.next), Vec::new());
        if buyer >= self.till.most {
            return false;
        }
        if let Some(keys) = &self.till.keys {
            keys.write(&mut key);
        }
        self.till.hold.write_with(&self.till.people.buyer(buyer).authorization, &key, request);
        self.step = Step::Holding(Attempt { buyer, request: 0, key });
        true
    }

    /// Asks something about a booking as its buyer.
    fn ask(&self, promise: usize, method: &str, rest: &str, body: &str, request: &mut Vec<u8>) {
        let booking = &self.ledger.promises[promise];
        Template::new(method, &format!("/api/v1/bookings/{}{rest}", booking.id), body)
            .write(&self.till.people.buyer(booking.buyer).authorization, request);
    }

    fn held(&mut self, attempt: Attempt, reply: &Reply<'_>) -> Class {
        match reply.status {
            201 => {
                self.step = Step::Pay(self.ledger.promises.len());
                let id = reply.brief().id.to_owned();
                let promise = Promise { id, buyer: attempt.buyer, units: 1, state: State::Pending, maybe: None };
                self.ledger.promises.push(promise);
            }
            503 => self.ledger.attempts.push(attempt),
            _ => {}
        }
        classify(reply.status, self.till.expected)
    }

    fn paid(&mut self, promise: usize, reply: &Reply<'_>) -> Class {
        match (reply.status, standing(reply)) {
            (201, "succeeded") => self.has(promise),
            (201, "processing") => {
                self.waited += 1;
                self.ledger.promises[promise].maybe = Some(State::Confirmed);
                self.step = Step::Look(promise);
            }
            // `card_ok` does not fail
            (201, _) => return Class::Unexpected,
            (503, _) => self.ledger.promises[promise].maybe = Some(State::Confirmed),
            _ => {}
        }
        classify(reply.status, self.till.expected)
    }

    fn looked(&mut self, promise: usize, reply: &Reply<'_>) -> Class {
        match (reply.status, standing(reply)) {
            (200, "confirmed") => self.has(promise),
            (200, "pending") | (503, _) if self.begun.elapsed() < PATIENCE => self.step = Step::Look(promise),
            _ => return Class::Unexpected,
        }
        if reply.status == 200 { Class::Accepted } else { classify(reply.status, self.till.expected) }
    }

    fn has(&mut self, promise: usize) {
        let promise = &mut self.ledger.promises[promise];
        (promise.state, promise.maybe) = (State::Confirmed, None);
        let at = Instant::now();
        self.bought.push(Bought { at, took: at.saturating_duration_since(self.begun) });
    }
}

/// The status in an answer; nothing where there is none.
pub(super) fn standing<'a>(reply: &'a Reply<'_>) -> &'a str {
    serde_json::from_slice::<Standing<'a>>(reply.body).unwrap_or_default().status
}

impl Script for Shopper {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        match self.step {
            Step::Pay(promise) => {
                self.ask(promise, "POST", "/payments", r#"{"method":"card_ok"}"#, request);
                self.step = Step::Paying(promise);
            }
            Step::Look(promise) => {
                self.ask(promise, "GET", "", "", request);
                self.step = Step::Looking(promise);
            }
            _ => return self.hold(request),
        }
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let (class, group) = match std::mem::replace(&mut self.step, Step::Hold) {
            Step::Paying(promise) => (self.paid(promise, reply), 1),
            Step::Looking(promise) => (self.looked(promise, reply), 2),
            Step::Holding(attempt) => (self.held(attempt, reply), 0),
            // nothing was asked
            Step::Hold | Step::Pay(_) | Step::Look(_) => (Class::Unexpected, 0),
        };
        Verdict { class, group: Some(group) }
    }

    fn lost(&mut self) {
        match std::mem::replace(&mut self.step, Step::Hold) {
            Step::Holding(attempt) => self.ledger.attempts.push(attempt),
            Step::Paying(promise) => self.ledger.promises[promise].maybe = Some(State::Confirmed),
            // a payment that is looked at is in doubt already
            _ => {}
        }
    }

    fn rest(&self) -> Duration {
        if matches!(self.step, Step::Look(_)) { LOOK_EVERY } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shopper() -> Shopper {
        let lines = "{\"role\":\"user\",\"accessToken\":\"u\"}\n{\"role\":\"organizer\",\"accessToken\":\"o\"}";
        let till = Till {
            people: People::read(lines).unwrap(),
            next: Counter::default(),
            most: usize::MAX,
            hold: Template::new("POST", "/hold", "{}"),
            keys: None,
            expected: &[503],
        };
        Shopper::new(Rc::new(till))
    }

    fn hear(shopper: &mut Shopper, asked: &str, status: u16, body: &'static str) -> Class {
        let mut request = Vec::new();
        assert!(shopper.next(&mut request));
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with(asked), "{request}");
        shopper.answered(&Reply { status, body: body.as_bytes(), retry_after: true, replayed: false }).class
    }

    #[test]
    fn a_purchase_is_held_paid_and_had() {
        let mut shopper = shopper();
        assert_eq!(hear(&mut shopper, "POST /hold ", 201, r#"{"id":"b1"}"#), Class::Accepted);
        assert_eq!(shopper.ledger.units(State::Pending), 1);
        let paid = r#"{"id":"p1","status":"succeeded"}"#;
        assert_eq!(hear(&mut shopper, "POST /api/v1/bookings/b1/payments ", 201, paid), Class::Accepted);
        assert_eq!((shopper.ledger.units(State::Confirmed), shopper.bought.len()), (1, 1));
        assert_eq!(hear(&mut shopper, "POST /hold ", 409, "{}"), Class::Unexpected);
    }

    #[test]
    fn who_is_not_told_at_once_looks_until_he_has_it() {
        let mut shopper = shopper();
        hear(&mut shopper, "POST /hold ", 201, r#"{"id":"b1"}"#);
        hear(&mut shopper, "POST /api/v1/bookings/b1/payments ", 201, r#"{"status":"processing"}"#);
        assert_eq!((shopper.rest(), shopper.bought.len()), (LOOK_EVERY, 0));
        hear(&mut shopper, "GET /api/v1/bookings/b1 ", 200, r#"{"status":"pending"}"#);
        hear(&mut shopper, "GET /api/v1/bookings/b1 ", 200, r#"{"status":"confirmed"}"#);
        assert_eq!((shopper.rest(), shopper.bought.len(), shopper.waited), (Duration::ZERO, 1, 1));
    }

    #[test]
    fn what_was_not_answered_stays_in_doubt_and_what_fails_is_a_surprise() {
        let mut shopper = shopper();
        hear(&mut shopper, "POST /hold ", 201, r#"{"id":"b1"}"#);
        shopper.next(&mut Vec::new());
        shopper.lost();
        assert_eq!(shopper.ledger.promises[0].maybe, Some(State::Confirmed));
        hear(&mut shopper, "POST /hold ", 201, r#"{"id":"b2"}"#);
        let failed = r#"{"status":"failed"}"#;
        assert_eq!(hear(&mut shopper, "POST /api/v1/bookings/b2/payments ", 201, failed), Class::Unexpected);
        assert_eq!(hear(&mut shopper, "POST /hold ", 503, "{}"), Class::Shed);
        assert_eq!((shopper.ledger.attempts.len(), shopper.bought.len()), (1, 0));
    }
}
