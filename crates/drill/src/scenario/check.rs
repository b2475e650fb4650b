//! Comparing the drill's books with what the server says afterwards.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::ledger::{Attempt, Ledger, Promise, State};
use super::player::Play;
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::Event;
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Stage, take};
use crate::wire::{Api, Connection, Reply, Target, Template};

const CHECKERS: usize = 64;
const SHOWN_MAX: usize = 5;

/// Asks for every booking that was promised from number `from` on, as its buyer,
/// and enters in the ledger what became of those in doubt.
///
/// # Errors
/// If the server cannot be reached.
pub(crate) async fn promises(
    bench: &Bench,
    stage: &Stage,
    ledger: &mut Ledger,
    from: usize,
    lapsed: bool,
    section: &mut Section,
) -> Result<()> {
    let list: Rc<[Promise]> = ledger.promises[from..].into();
    let next = Counter::default();
    let checkers = (0..CHECKERS)
        .map(|_| Checker {
            people: stage.people.clone(),
            list: Rc::clone(&list),
            next: next.clone(),
            lapsed,
            current: 0,
            seen: Vec::new(),
            broken: Vec::new(),
        })
        .collect();
    let load = Load::closed("asking for every booking", &stage.targets, Duration::from_secs(600));
    let (phase, checkers) = drive(&load, &bench.progress, checkers).await?;
    for failure in phase.failures(false) {
        section.fail(failure);
    }
    let checked: usize = checkers.iter().map(|checker| checker.seen.len() + checker.broken.len()).sum();
    if checked < list.len() {
        section.fail(format!("only {checked} of {} promised bookings could be asked for", list.len()));
    }
    let broken: Vec<&String> = checkers.iter().flat_map(|checker| &checker.broken).collect();
    if !broken.is_empty() {
        section.fail(format!("{} of {} promised bookings are not as promised", broken.len(), list.len()));
        broken.iter().take(SHOWN_MAX).for_each(|text| section.fail(text.as_str()));
    }
    for (index, state) in checkers.into_iter().flat_map(|checker| checker.seen) {
        let promise = &mut ledger.promises[from + index];
        (promise.state, promise.maybe) = (state, None);
    }
    Ok(())
}

/// Sends every unanswered booking again with its key, twice: it has to be made
/// now or to have been made then, and not once more.
///
/// # Errors
/// If the server cannot be reached.
pub(crate) async fn attempts(
    target: Target,
    play: &Rc<Play>,
    ledger: &mut Ledger,
    section: &mut Section,
) -> Result<()> {
    let list: Rc<[Attempt]> = std::mem::take(&mut ledger.attempts).into();
    let next = Counter::default();
    let askers: Vec<_> = (0..CHECKERS.min(list.len()))
        .map(|_| spawn_local(ask_again(target, Rc::clone(play), Rc::clone(&list), next.clone())))
        .collect();
    for asker in askers {
        for asked in asker.await.context("asking again broke off")?? {
            let Again { attempt, first, second, replayed } = asked;
            if first != second || !replayed {
                section.fail(format!("the same key made booking {first} and then {second} (replayed: {replayed})"));
            }
            let Attempt { buyer, request, .. } = list[attempt];
            let units = play.requests[request].1;
            ledger.promises.push(Promise { id: first, buyer, units, state: State::Pending, maybe: None });
        }
    }
    Ok(())
}

/// What an unanswered booking came to, when it was asked for again.
struct Again {
    attempt: usize,
    first: String,
    second: String,
    replayed: bool,
}

/// Asks for one attempt after the other, until all are taken.
async fn ask_again(target: Target, play: Rc<Play>, list: Rc<[Attempt]>, next: Counter) -> Result<Vec<Again>> {
    let (mut link, mut asked) = (Connection::new(target), Vec::new());
    loop {
        let at = take(&next);
        let Some(attempt) = list.get(at) else { return Ok(asked) };
        let mut request = Vec::new();
        let authorization = &play.people.buyer(attempt.buyer).authorization;
        play.requests[attempt.request].0.write_with(authorization, &attempt.key, &mut request);
        let (first, _) = again(&mut link, &request).await?;
        let (second, replayed) = again(&mut link, &request).await?;
        asked.push(Again { attempt: at, first, second, replayed });
    }
}

/// Checks that the stock is exactly what the ledger says, and nothing twice.
///
/// # Errors
/// If the server cannot be reached.
pub(crate) async fn stock(api: &mut Api, event: &Event, ledger: &Ledger, section: &mut Section) -> Result<()> {
    let (held, sold) = (ledger.units(State::Pending), ledger.units(State::Confirmed));
    let wished = format!("held {held} and sold {sold}");
    let settled =
        event.until(api, Duration::from_secs(10), &wished, |stock| (stock.held, stock.sold) == (held, sold)).await;
    if let Err(error) = settled {
        section.fail(format!("the stock is not what was promised: {error}"));
    }
    if ledger.doubles() > 0 {
        section.fail(format!("{} bookings were promised twice", ledger.doubles()));
    }
    Ok(())
}

/// One request until it is answered with 201, bounded; the booking's id and
/// whether it is the kept answer.
async fn again(link: &mut Connection, request: &[u8]) -> Result<(String, bool)> {
    for _ in 0..100 {
        let reply = tokio::time::timeout(Duration::from_secs(30), link.exchange(request))
            .await
            .context("no answer in time")??;
        match reply.status {
            201 => return Ok((reply.brief().id.to_owned(), reply.replayed)),
            // the first may still run, or the database be just back
            409 | 503 if reply.brief().code != "sold_out" => {}
            status => bail!("a retry with its key was answered {status}: {}", reply.excerpt()),
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("a retry with its key is not answered with 201 for ten seconds")
}

/// Asks for one promised booking after the other.
struct Checker {
    people: People,
    list: Rc<[Promise]>,
    next: Counter,
    lapsed: bool,
    current: usize,
    seen: Vec<(usize, State)>,
    broken: Vec<String>,
}

#[derive(Deserialize)]
struct Booking<'a> {
    #[serde(borrow)]
    status: &'a str,
}

impl Script for Checker {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.current = take(&self.next);
        let Some(promise) = self.list.get(self.current) else { return false };
        let path = format!("/api/v1/bookings/{}", promise.id);
        Template::new("GET", &path, "").write(&self.people.buyer(promise.buyer).authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        let promise = &self.list[self.current];
        let state =
            serde_json::from_slice::<Booking<'_>>(reply.body).ok().and_then(|booking| State::parse(booking.status));
        match state.filter(|_| reply.status == 200) {
            Some(state) if promise.allows(state, self.lapsed) => self.seen.push((self.current, state)),
            _ => self.broken.push(format!(
                "booking {} was promised as {:?} and is answered {} {}",
                promise.id,
                promise.state,
                reply.status,
                reply.excerpt()
            )),
        }
        Class::Accepted.into()
    }
}
