//! Purchases of mixed fate at a sandbox that is slow, repeats itself and loses messages, while it, the server and the
//! database are killed: in the end each amount that was taken pays a booking, went back or is an open case.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use rand::RngExt;
use tokio::time::sleep;

use super::checkout::PRICE;
use super::crash::bounce_database;
use super::ledger::{Ledger, Promise, State};
use super::money::{self, Sums};
use super::shopper::standing;
use crate::load::{Class, Load, Script, Verdict, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::people::People;
use crate::stage::{Bench, Counter, Engine, Ground, Setup, Stage, take};
use crate::wire::{Reply, Template};

/// Purchases of mixed fate: declined, slow, never answered, cancelled meanwhile, refunded twice at once
#[derive(Clone, Debug, Args)]
pub(crate) struct Fates {
    /// How many purchases are begun
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) purchases: u32,
    /// By how many connections
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// How often the server, the sandbox and PostgreSQL are killed (SIGKILL) meanwhile, in turn
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) kills: u32,
}

/// Of three messages one comes twice and of ten one never; they pass each other; a slow card takes longer than the hold.
const BEHAVIOUR: &str =
    r#"{"slowMillis":4000,"delayMillis":50,"disorderMillis":1500,"duplicatePercent":30,"losePercent":10}"#;
const HOLD_SECS: u64 = 3;
/// How long each of the things may take that purchases and refunds wait for in the end.
const AT_REST_WITHIN: Duration = Duration::from_secs(300);
const HANDS: usize = 64;
/// Who is sent away comes again after this time.
const SHED_PAUSE: Duration = Duration::from_millis(200);

/// What a buyer does after he holds his ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Pay(&'static str),
    Cancel,
}

/// What becomes of a purchase.
#[derive(Debug)]
struct Fate {
    name: &'static str,
    /// Of a hundred purchases.
    share: usize,
    deeds: &'static [Deed],
    /// Whether its organizer refunds it afterwards, twice at once.
    refunded: bool,
}

const FATES: [Fate; 9] = [
    Fate { name: "paid", share: 34, deeds: &[Deed::Pay("card_ok")], refunded: false },
    Fate {
        name: "declined, then paid",
        share: 10,
        deeds: &[Deed::Pay("card_declined"), Deed::Pay("card_ok")],
        refunded: false,
    },
    Fate { name: "declined", share: 8, deeds: &[Deed::Pay("card_declined")], refunded: false },
    Fate { name: "slow", share: 12, deeds: &[Deed::Pay("card_slow")], refunded: false },
    Fate { name: "never answered", share: 2, deeds: &[Deed::Pay("card_timeout")], refunded: false },
    Fate { name: "never paid", share: 6, deeds: &[], refunded: false },
    Fate { name: "cancelled while paying", share: 12, deeds: &[Deed::Pay("card_slow"), Deed::Cancel], refunded: false },
    Fate { name: "refunded twice at once", share: 12, deeds: &[Deed::Pay("card_ok")], refunded: true },
    Fate { name: "refunded in vain", share: 4, deeds: &[Deed::Pay("card_refund_fails")], refunded: true },
];

/// That of the purchase with this number: each hundred has all of them, one after the other in an order without runs.
fn fate_of(number: usize) -> usize {
    // 37 has no divisor in common with 100
    let mut place = number * 37 % 100;
    FATES.iter().position(|fate| place.checked_sub(fate.share).map(|rest| place = rest).is_none()).unwrap_or(0)
}

/// Plays it.
///
/// # Errors
/// If the stage cannot be set, a program does not start again, or money stays under way.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Fates) -> Result<Section> {
    ensure!(matches!(ground, Ground::Start(_)), "this scenario kills servers: use --start");
    let own_cluster = matches!(ground, Ground::Start(Engine::Postgres)) && options.kills > 2;
    let setup = Setup { sandbox: Some(BEHAVIOUR.to_owned()), own_cluster, ..Setup::default() };
    let mut stage = bench.stage(ground, setup).await?;
    let mut section = Section::new("fates", "Purchases of mixed fate");
    section.setting("engine", ground.name());
    section.setting("purchases", options.purchases);
    section.setting("kills", options.kills);
    let plan = Plan { price: PRICE, hold_secs: Some(HOLD_SECS), ..Plan::plenty("Fates") };
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &plan).await?;
    let began = Instant::now();
    let (mut ledger, of_fates) = buy(bench, &mut stage, &event, options, &mut section).await?;
    let bought = began.elapsed();
    refund(bench, &stage, &ledger, &of_fates, &mut section).await?;

    let (sums, sent) = at_rest(bench, &stage, &event, &mut ledger, &mut section).await?;
    let stock = event.stock(&mut stage.api()).await?;
    section.expect_equal("sold, against the bookings that are confirmed", stock.sold, ledger.units(State::Confirmed));

    section.figure("purchases", "bookings promised", ledger.promises.len() as f64, "");
    section.figure("confirmed", "of them confirmed in the end", ledger.units(State::Confirmed) as f64, "");
    section.figure("cancelled", "of them cancelled", ledger.units(State::Cancelled) as f64, "");
    section.figure("expired", "of them expired", ledger.units(State::Expired) as f64, "");
    section.figure("refunded", "sent back", sums.refunded as f64 / 100.0, "EUR");
    section.figure("unsettled", "in open cases", sums.unsettled as f64 / 100.0, "EUR");
    section.figure("seconds", "bought within", bought.as_secs_f64(), "s");
    section.figure("settled", "refunds sent after all else", sent.as_secs_f64(), "s");
    for (number, fate) in FATES.iter().enumerate() {
        let many = of_fates.iter().filter(|of| **of == number).count();
        section.note(format!("{}: {many}", fate.name));
        if many == 0 && options.purchases >= 100 {
            section.fail(format!("no purchase was {}", fate.name));
        }
    }
    stage.close(&mut section).await?;
    Ok(section)
}

/// All purchases, with the kills; the fate of each promise beside it.
async fn buy(
    bench: &Bench,
    stage: &mut Stage,
    event: &Event,
    options: &Fates,
    section: &mut Section,
) -> Result<(Ledger, Vec<usize>)> {
    let hall = Rc::new(Hall {
        people: stage.people.clone(),
        next: Counter::default(),
        most: options.purchases as usize,
        hold: event.booking(1),
    });
    let load = Load::closed("purchases of mixed fate", &stage.targets, Duration::from_secs(1800));
    let buyers = (0..options.connections).map(|_| Buyer::new(Rc::clone(&hall))).collect();
    let buying = drive(&load, &bench.progress, buyers);
    let (mut random, has_cluster) = (bench.random(), stage.cluster().is_ok());
    let killing = async {
        for kill in 0..options.kills {
            sleep(Duration::from_millis(random.random_range(500..2_500))).await;
            match kill % 3 {
                0 => {
                    stage.kill_server().await?;
                    stage.restart_server().await?;
                }
                1 => stage.crash_sandbox().await?,
                _ if has_cluster => drop(bounce_database(stage).await?),
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    let (driven, killed) = tokio::join!(buying, killing);
    killed?;
    let (phase, buyers) = driven?;
    phase.failures(options.kills > 0).into_iter().for_each(|failure| section.fail(failure));
    section.phase(phase, options.kills > 0);
    let (mut ledger, mut fates) = (Ledger::default(), Vec::new());
    for buyer in buyers {
        ledger.promises.extend(buyer.promises);
        fates.extend(buyer.fates);
    }
    Ok((ledger, fates))
}

/// The organizer refunds what is to be, each by two connections at the same time.
async fn refund(bench: &Bench, stage: &Stage, ledger: &Ledger, fates: &[usize], section: &mut Section) -> Result<()> {
    let refunded = ledger.promises.iter().zip(fates).filter(|(_, fate)| FATES[**fate].refunded);
    let list: Rc<[Promise]> = refunded.flat_map(|(promise, _)| [promise.clone(), promise.clone()]).collect();
    let next = Counter::default();
    let ask = |promise: &Promise| Template::new("POST", &format!("/api/v1/bookings/{}/refund", promise.id), "{}");
    let clerks = (0..HANDS).map(|_| Asker::new(&stage.people, &list, &next, ask, true)).collect();
    let load = Load::closed("refunds, each twice", &stage.targets, Duration::from_secs(600));
    let (phase, clerks) = drive(&load, &bench.progress, clerks).await?;
    phase.failures(false).into_iter().for_each(|failure| section.fail(failure));
    let done = clerks.iter().flat_map(|clerk| &clerk.heard).filter(|(_, status, _)| *status == 201).count();
    section.figure("refunds", "refunds that were begun, each asked for twice", done as f64, "");
    if done > list.len() / 2 {
        section.fail(format!("{done} refunds of {} bookings", list.len() / 2));
    }
    Ok(())
}

/// Waits until nothing is under way any more, no payment, no hold, no refund, and enters in the ledger how each booking
/// stands then. Answers where the money is, and how long the sandbox took to send back what it still had to.
///
/// # Errors
/// If something stays under way, or the server cannot be reached.
pub(super) async fn at_rest(
    bench: &Bench,
    stage: &Stage,
    event: &Event,
    ledger: &mut Ledger,
    section: &mut Section,
) -> Result<(Sums, Duration)> {
    money::settled(stage, ledger, 0, AT_REST_WITHIN).await?;
    event.until(&mut stage.api(), AT_REST_WITHIN, "free of holds", |stock| stock.held == 0).await?;
    // A hold that ended may have been paid at the last moment.
    money::settled(stage, ledger, 0, AT_REST_WITHIN).await?;
    stand(bench, stage, ledger, section).await?;
    let sums = money::count(bench, stage, ledger, PRICE, section).await?;
    let sent = money::sent_back(stage, sums, AT_REST_WITHIN).await?;
    // What the bank says to the last refunds changes what is open.
    let sums = money::count(bench, stage, ledger, PRICE, section).await?;
    money::compare(stage, sums, section);
    Ok((sums, sent))
}

/// Enters in the ledger how each booking stands.
async fn stand(bench: &Bench, stage: &Stage, ledger: &mut Ledger, section: &mut Section) -> Result<()> {
    let list: Rc<[Promise]> = ledger.promises.as_slice().into();
    let next = Counter::default();
    let ask = |promise: &Promise| Template::new("GET", &format!("/api/v1/bookings/{}", promise.id), "");
    let askers = (0..HANDS).map(|_| Asker::new(&stage.people, &list, &next, ask, false)).collect();
    let load = Load::closed("asking for every booking", &stage.targets, Duration::from_secs(600));
    let (phase, askers) = drive(&load, &bench.progress, askers).await?;
    phase.failures(false).into_iter().for_each(|failure| section.fail(failure));
    for (index, status, state) in askers.into_iter().flat_map(|asker| asker.heard) {
        let promise = &mut ledger.promises[index];
        match state {
            Some(state) if status == 200 && state != State::Pending => (promise.state, promise.maybe) = (state, None),
            _ => section.fail(format!("booking {} is answered {status}, and is {state:?} in the end", promise.id)),
        }
    }
    Ok(())
}

/// What all buyers share.
#[derive(Debug)]
struct Hall {
    people: People,
    next: Counter,
    most: usize,
    hold: Template,
}

/// One connection of buyers, one after the other.
#[derive(Debug)]
struct Buyer {
    hall: Rc<Hall>,
    /// Which purchase it is at.
    number: usize,
    /// Whether he was sent away for the moment, and comes again.
    shed: bool,
    /// What he still does about the last promise; none of it before he holds.
    left: Option<&'static [Deed]>,
    promises: Vec<Promise>,
    fates: Vec<usize>,
}

impl Buyer {
    fn new(hall: Rc<Hall>) -> Self {
        Self { hall, number: 0, shed: false, left: None, promises: Vec::new(), fates: Vec::new() }
    }
}

impl Script for Buyer {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        if let (Some([deed, rest @ ..]), Some(promise)) = (self.left, self.promises.last()) {
            let (path, body) = match deed {
                Deed::Pay(method) => ("payments", format!(r#"{{"method":"{method}"}}"#)),
                Deed::Cancel => ("cancel", String::new()),
            };
            self.left = Some(rest);
            let authorization = &self.hall.people.buyer(promise.buyer).authorization;
            Template::new("POST", &format!("/api/v1/bookings/{}/{path}", promise.id), &body)
                .write(authorization, request);
            return true;
        }
        self.left = None;
        if !std::mem::take(&mut self.shed) {
            self.number = take(&self.hall.next);
        }
        if self.number >= self.hall.most {
            return false;
        }
        self.hall.hold.write(&self.hall.people.buyer(self.number).authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        if self.left.is_none() && reply.status == 201 {
            let fate = fate_of(self.number);
            let id = reply.brief().id.to_owned();
            let maybe = Some(State::Confirmed); // whatever is answered, the money decides
            self.promises.push(Promise { id, buyer: self.number, units: 1, state: State::Pending, maybe });
            self.fates.push(fate);
            self.left = Some(FATES[fate].deeds);
        }
        self.shed = reply.status == 503 && self.left.is_none();
        let class = match reply.status {
            200 | 201 => Class::Accepted,
            409 => Class::Refused,
            503 => Class::Shed,
            _ => Class::Unexpected,
        };
        class.into()
    }

    fn lost(&mut self) {
        // He goes on with what he has; a hold without an answer lapses.
    }

    fn rest(&self) -> Duration {
        if self.shed { SHED_PAUSE } else { Duration::ZERO }
    }
}

/// Asks the same of one booking after the other.
struct Asker<A> {
    people: People,
    list: Rc<[Promise]>,
    next: Counter,
    ask: A,
    as_organizer: bool,
    current: usize,
    /// Which was answered with what, and the status of the booking in it.
    heard: Vec<(usize, u16, Option<State>)>,
}

impl<A: Fn(&Promise) -> Template> Asker<A> {
    fn new(people: &People, list: &Rc<[Promise]>, next: &Counter, ask: A, as_organizer: bool) -> Self {
        let (people, list, next) = (people.clone(), Rc::clone(list), next.clone());
        Self { people, list, next, ask, as_organizer, current: 0, heard: Vec::new() }
    }
}

impl<A: Fn(&Promise) -> Template> Script for Asker<A> {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.current = take(&self.next);
        let Some(promise) = self.list.get(self.current) else { return false };
        let person = if self.as_organizer { &self.people.organizer } else { self.people.buyer(promise.buyer) };
        (self.ask)(promise).write(&person.authorization, request);
        true
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Verdict {
        self.heard.push((self.current, reply.status, State::parse(standing(reply))));
        match reply.status {
            200 | 201 => Class::Accepted.into(),
            // not paid, or refunded by the other one
            409 if self.as_organizer => Class::Refused.into(),
            _ => Class::Unexpected.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hundred_has_every_fate_by_its_share() {
        assert_eq!(FATES.iter().map(|fate| fate.share).sum::<usize>(), 100);
        for hundred in [0, 100, 12_300] {
            for (number, fate) in FATES.iter().enumerate() {
                let many = (hundred..hundred + 100).filter(|purchase| fate_of(*purchase) == number).count();
                assert_eq!(many, fate.share, "{}", fate.name);
            }
        }
    }
}
