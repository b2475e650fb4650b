//! Everything at once: holds lapse and are renewed, cancelled and confirmed,
//! two ticket types share a hall, and the organizer moves their capacity.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use serde_json::json;
use tokio::time::sleep;

use super::check;
use super::ledger::State;
use super::player::{Allowance, Mix, Play, Player, ledger};
use super::race::Race;
use crate::load::{Load, Stop, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Counter, Stage};

const HOLD_SECS: u64 = 2;

/// Plays it, waits until all holds have lapsed, and compares the books.
///
/// # Errors
/// If a server cannot be reached.
pub(super) async fn play(bench: &Bench, stage: &Stage, options: &Race, section: &mut Section) -> Result<()> {
    let (mut api, organizer) = (stage.api(), &stage.people.organizer);
    // each type alone could fill two thirds of the hall, so both limits bite
    let each = (options.tickets * 2 / 3).max(2);
    let plan = Plan { name: "Mixed".to_owned(), price: 2500, capacity: each, hold_secs: Some(HOLD_SECS) };
    let event = Event::publish_shared(&mut api, organizer, &plan, &["Seated", "Standing"], options.tickets).await?;
    let requests = event
        .ticket_types
        .iter()
        .flat_map(|kind| (1..=3).map(|units| (event.booking_of(kind, units), units)))
        .collect();
    let play = Rc::new(Play {
        people: stage.people.clone(),
        next: Counter::default(),
        requests,
        keys: None,
        mix: Mix { confirm: 5, cancel: 15, renew: 10 },
        // about two units each: half of the hall is sold in the end, and the other half in motion all the time
        confirmations: Allowance::new(options.tickets as f64 / 4.0 / f64::from(options.seconds)),
        expected: &[409, 422],
    });
    let mut load = Load::closed("everything at once", &stage.targets, Duration::from_secs(options.seconds.into()));
    let over = Stop::default();
    load.stop = Stop::default();
    let playing = async {
        let driven = drive(&load, &bench.progress, Player::cast(bench, &play, options.connections)).await;
        over.set();
        driven
    };
    let (driven, resized) = tokio::join!(playing, resize(bench, stage, &event, each, &over));
    let (phase, players) = driven?;
    let capacity = resized?;
    section.phase(phase, false);

    event.until(&mut api, Duration::from_secs(HOLD_SECS + 30), "free of holds", |stock| stock.held == 0).await?;
    let mut ledger = ledger(players);
    check::promises(bench, stage, &mut ledger, 0, true, section).await?;
    let stock = event.stock(&mut api).await?;
    section.expect_equal("sold, against the confirmations answered", stock.sold, ledger.units(State::Confirmed));
    section.expect_equal("capacity, against the last change answered", stock.capacity, capacity);
    if stock.sold > options.tickets {
        section.fail(format!("the hall has {} places and {} are sold", options.tickets, stock.sold));
    }
    section.note(format!("{} bookings promised, {} units sold in the end", ledger.promises.len(), stock.sold));
    Ok(())
}

/// Raises and lowers the capacity of both types until it is over; answers what
/// they have together in the end, by what was answered.
async fn resize(bench: &Bench, stage: &Stage, event: &Event, each: u64, over: &Stop) -> Result<u64> {
    let (mut api, mut random) = (stage.api(), bench.random());
    let mut capacities = vec![each; event.ticket_types.len()];
    while !over.is_set() {
        let index = random.random_range(0..capacities.len());
        let wanted = random.random_range(each / 2..=each + each / 4);
        let path = event.path(&format!("/ticket-types/{}", event.ticket_types[index]));
        let body = json!({"capacity": wanted}).to_string();
        let (status, text) = api.call("PATCH", &path, &stage.people.organizer.authorization, &body).await?;
        match status {
            200 => capacities[index] = wanted,
            // below what is held and sold
            409 | 422 => {}
            _ => anyhow::bail!("changing the capacity was answered {status}: {text}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(capacities.iter().sum())
}
