//! Buyers and an organizer who do everything that moves stock, and keep books.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::booker::{Keys, classify};
use super::ledger::{Attempt, Ledger, Promise, State};
use crate::load::{Script, Verdict};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, take};
use crate::wire::{Reply, Template};

/// A connection remembers so many of its open bookings to act on.
const OPEN_MAX: usize = 16;

/// How often, in a hundred requests, each thing is done; else it is booked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix {
    pub(crate) confirm: u32,
    pub(crate) cancel: u32,
    pub(crate) renew: u32,
}

/// What all players of a load share.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) people: People,
    pub(crate) next: Counter,
    /// The bookings that are asked for, each with its units.
    pub(crate) requests: Vec<(Template, u32)>,
    pub(crate) keys: Option<Keys>,
    pub(crate) mix: Mix,
    /// Confirmed stock never comes back: so many confirmations there are at most.
    pub(crate) confirmations: Allowance,
    /// Refusals that are no surprise here.
    pub(crate) expected: &'static [u16],
}

/// Something that may be done only so often a second.
#[derive(Debug)]
pub(crate) struct Allowance {
    per_second: f64,
    since: Instant,
    used: Counter,
}

impl Allowance {
    /// So often from now on.
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, since: Instant::now(), used: Counter::default() }
    }

    fn take(&self) -> bool {
        let granted = (self.used.get() as f64) < self.per_second * self.since.elapsed().as_secs_f64();
        if granted {
            take(&self.used);
        }
        granted
    }
}

/// What a player waits to hear about.
#[derive(Debug)]
enum Doing {
    Nothing,
    Booking(Attempt),
    Changing { promise: usize, to: State },
    Renewing { promise: usize },
}

/// One connection of a play.
#[derive(Debug)]
pub(crate) struct Player {
    play: Rc<Play>,
    random: SmallRng,
    open: VecDeque<usize>,
    doing: Doing,
    pub(crate) ledger: Ledger,
}

impl Player {
    /// So many players of one play.
    pub(crate) fn cast(bench: &Bench, play: &Rc<Play>, count: u32) -> Vec<Self> {
        (0..count)
            .map(|_| Self {
                play: Rc::clone(play),
                random: bench.random(),
                open: VecDeque::new(),
                doing: Doing::Nothing,
                ledger: Ledger::default(),
            })
            .collect()
    }

    fn book(&mut self, request: &mut Vec<u8>) {
        let number = take(&self.play.next);
        let choice = self.random.random_range(0..self.play.requests.len());
        let mut key = Vec::new();
        if let Some(keys) = &self.play.keys {
            keys.write(&mut key);
        }
        self.play.requests[choice].0.write_with(&self.play.people.buyer(number).authorization, &key, request);
        self.doing = Doing::Booking(Attempt { buyer: number, request: choice, key });
    }

    /// Asks to change the oldest open booking.
    fn change(&mut self, promise: usize, verb: &str, request: &mut Vec<u8>) {
        let booking = &self.ledger.promises[promise];
        let who = match verb {
            "confirm" => &self.play.people.organizer,
            _ => self.play.people.buyer(booking.buyer),
        };
        let body = if verb == "confirm" { "{}" } else { "" };
        Template::new("POST", &format!("/api/v1/bookings/{}/{verb}", booking.id), body)
            .write(&who.authorization, request);
        self.doing = match verb {
            "confirm" => Doing::Changing { promise, to: State::Confirmed },
            "cancel" => Doing::Changing { promise, to: State::Cancelled },
            _ => Doing::Renewing { promise },
        };
    }

    fn promised(&mut self, attempt: &Attempt, reply: &Reply<'_>) {
        let units = self.play.requests[attempt.request].1;
        let id = reply.brief().id.to_owned();
        self.remember(self.ledger.promises.len());
        self.ledger.promises.push(Promise { id, buyer: attempt.buyer, units, state: State::Pending, maybe: None });
    }

    fn remember(&mut self, promise: usize) {
        if self.open.len() == OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back(promise);
    }
}

impl Script for Player {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let Mix { confirm, cancel, renew } = self.play.mix;
        let roll = self.random.random_range(0..100);
        let verb = match roll {
            roll if roll < confirm && !self.open.is_empty() && self.play.confirmations.take() => "confirm",
            roll if roll < confirm => "",
            roll if roll < confirm + cancel => "cancel",
            roll if roll < confirm + cancel + renew => "renew",
            _ => "",
        };
        match if verb.is_empty() { None } else { self.open.pop_front() } {
            Some(promise) => self.change(promise, verb, request),
            None => self.book(request),
        }
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let done = (200..300).contains(&reply.status);
        let class = classify(if done { 201 } else { reply.status }, self.play.expected);
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Booking(attempt) if reply.status == 201 => self.promised(&attempt, reply),
            // whether the commit came through is not known then: the key will tell
            Doing::Booking(attempt) if reply.status == 503 => self.ledger.attempts.push(attempt),
            Doing::Changing { promise, to } if done => self.ledger.promises[promise].state = to,
            Doing::Changing { promise, to } if reply.status == 503 => self.ledger.promises[promise].maybe = Some(to),
            Doing::Renewing { promise } if done => self.remember(promise),
            _ => {}
        }
        class.into()
    }

    fn lost(&mut self) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Booking(attempt) => self.ledger.attempts.push(attempt),
            Doing::Changing { promise, to } => self.ledger.promises[promise].maybe = Some(to),
            Doing::Renewing { .. } | Doing::Nothing => {}
        }
    }
}

/// The books of all players together.
pub(crate) fn ledger(players: Vec<Player>) -> Ledger {
    let mut all = Ledger::default();
    for player in players {
        all.merge(player.ledger);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Class;
    use rand::SeedableRng;

    fn player(mix: Mix) -> Player {
        let lines = "{\"role\":\"user\",\"accessToken\":\"u\"}\n{\"role\":\"organizer\",\"accessToken\":\"o\"}";
        let play = Play {
            people: People::read(lines).unwrap(),
            next: Counter::default(),
            requests: vec![(Template::new("POST", "/b", "{}"), 2)],
            keys: Some(Keys::new(SmallRng::seed_from_u64(1))),
            mix,
            confirmations: Allowance::new(f64::INFINITY),
            expected: &[409, 503],
        };
        Player {
            play: Rc::new(play),
            random: SmallRng::seed_from_u64(2),
            open: VecDeque::new(),
            doing: Doing::Nothing,
            ledger: Ledger::default(),
        }
    }

    fn hear(player: &mut Player, status: u16, body: &'static str) -> Class {
        let mut request = Vec::new();
        assert!(player.next(&mut request));
        player.answered(&Reply { status, body: body.as_bytes(), retry_after: true, replayed: false }).class
    }

    #[test]
    fn a_booking_that_is_confirmed_is_entered_as_sold() {
        let mut player = player(Mix { confirm: 100, ..Mix::default() });
        // nothing is open yet: the first request books although the mix only confirms
        assert_eq!(hear(&mut player, 201, r#"{"id":"b1"}"#), Class::Accepted);
        assert_eq!(player.ledger.units(State::Pending), 2);
        assert_eq!(hear(&mut player, 200, "{}"), Class::Accepted);
        assert_eq!(player.ledger.units(State::Confirmed), 2);
    }

    #[test]
    fn requests_without_an_answer_stay_in_doubt() {
        let mut player = player(Mix { cancel: 100, ..Mix::default() });
        assert_eq!(hear(&mut player, 503, ""), Class::Shed);
        assert_eq!(player.ledger.attempts.len(), 1);
        hear(&mut player, 201, r#"{"id":"b1"}"#);
        player.next(&mut Vec::new());
        player.lost();
        assert_eq!(player.ledger.promises[0].maybe, Some(State::Cancelled));
        assert_eq!(player.ledger.promises[0].state, State::Pending);
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut player = player(Mix { confirm: 100, ..Mix::default() });
        hear(&mut player, 201, r#"{"id":"b1"}"#);
        assert_eq!(hear(&mut player, 409, r#"{"code":"booking_expired"}"#), Class::Refused);
        assert_eq!((player.ledger.promises[0].state, player.ledger.promises[0].maybe), (State::Pending, None));
        assert_eq!(hear(&mut player, 500, ""), Class::Unexpected);
    }
}
