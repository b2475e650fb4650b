//! Killing the server, and the sandbox in it, in the middle of purchases: afterwards each amount that was taken pays a
//! booking, goes back or is an open case, and the sandbox has the same in its books.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use tokio::time::sleep;

use super::booker::Keys;
use super::checkout::{Checkout, PRICE, SETTLED_WITHIN, publish};
use super::ledger::{Ledger, State};
use super::player::{Allowance, Mix, Play};
use super::shopper::{Shopper, Till};
use super::{check, money};
use crate::load::{Load, Phase, Stop, drive, ms};
use crate::report::Section;
use crate::stage::event::Event;
use crate::stage::{Bench, Counter, Ground, Setup, Stage};

/// Crashes it again and again, and follows the money each time.
///
/// # Errors
/// If the stage cannot be set, the server does not start again, or a payment stays open.
pub(super) async fn run(bench: &Bench, ground: &Ground, options: &Checkout) -> Result<Section> {
    let mut stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("checkout-crash", "Killed in the middle of purchases");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    let event = publish(&stage).await?;
    let keys = Keys::new(bench.random());
    let play = again(&stage, &event, keys.clone());
    let till = Rc::new(Till {
        people: stage.people.clone(),
        next: Counter::default(),
        most: usize::MAX,
        hold: event.booking(1),
        keys: Some(keys),
        expected: &[503],
    });
    let (mut ledger, mut random) = (Ledger::default(), bench.random());
    let (mut doubtful, mut slowest) = (0, Duration::ZERO);
    for round in 1..=options.times {
        let before = ledger.promises.len();
        let after = Duration::from_millis(random.random_range(200..1500));
        let (phase, bought) = crash(bench, &mut stage, &till, options.extent.connections, after).await?;
        phase.failures(true).into_iter().for_each(|failure| section.fail(failure));
        ledger.merge(bought);
        check::attempts(stage.targets[0], &play, &mut ledger, &mut section).await?;
        let in_doubt = ledger.promises[before..].iter().filter(|promise| promise.maybe.is_some()).count();
        let settled = money::settled(&stage, &ledger, before, SETTLED_WITHIN).await?;
        (doubtful, slowest) = (doubtful + in_doubt, slowest.max(settled));
        check::promises(bench, &stage, &mut ledger, before, false, &mut section).await?;
        check::stock(&mut stage.api(), &event, &ledger, &mut section).await?;
        bench.progress.step(&format!(
            "  {round} of {}: killed after {:.0} ms, {} bookings promised, {in_doubt} payments in doubt, settled in {:.0} ms",
            options.times,
            ms(after),
            ledger.promises.len() - before,
            ms(settled)
        ));
        if !section.failures.is_empty() {
            break;
        }
    }
    // what was good after its own crash must still be good after all that followed
    check::promises(bench, &stage, &mut ledger, 0, false, &mut section).await?;
    let sums = money::count(bench, &stage, &ledger, PRICE, &mut section).await?;
    section.note(format!("refunded: {} cents, open cases: {} cents", sums.refunded, sums.unsettled));
    money::compare(&stage, sums, &mut section);
    section.figure("promised", "bookings promised and found", ledger.promises.len() as f64, "");
    section.figure("bought", "of them paid", ledger.units(State::Confirmed) as f64, "");
    section.figure("doubtful", "payments without an answer", doubtful as f64, "");
    section.figure("settled_max", "all of them settled after, at most", ms(slowest), "ms");
    stage.close(&mut section).await?;
    Ok(section)
}

/// How holds that were not answered are asked for again.
fn again(stage: &Stage, event: &Event, keys: Keys) -> Rc<Play> {
    Rc::new(Play {
        people: stage.people.clone(),
        next: Counter::default(),
        requests: vec![(event.booking(1), 1)],
        keys: Some(keys),
        mix: Mix::default(),
        confirmations: Allowance::new(0.0),
        expected: &[503],
    })
}

/// One crash: purchases, kill, restart. Answers what was promised before and during it.
async fn crash(
    bench: &Bench,
    stage: &mut Stage,
    till: &Rc<Till>,
    connections: u32,
    after: Duration,
) -> Result<(Phase, Ledger)> {
    let stop = Stop::default();
    let mut load = Load::closed("purchases until the kill", &stage.targets, Duration::from_secs(120));
    load.stop = stop.clone();
    let buying = drive(&load, &bench.progress, Shopper::crowd(till, connections));
    let killing = async {
        sleep(after).await;
        let outcome = stage.kill_server().await;
        stop.set();
        outcome
    };
    let (driven, killed) = tokio::join!(buying, killing);
    killed?;
    let (phase, shoppers) = driven?;
    stage.restart_server().await?;
    let mut ledger = Ledger::default();
    shoppers.into_iter().for_each(|shopper| ledger.merge(shopper.ledger));
    Ok((phase, ledger))
}
