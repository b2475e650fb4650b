//! One of two servers is frozen in the middle of its commits: the other one
//! goes on selling, and nothing is lost when it thaws.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::check;
use super::crash::{Crash, prepare};
use super::player::{Player, ledger};
use crate::load::{Class, Load, Phase, drive};
use crate::report::Section;
use crate::stage::{Bench, Engine, Ground, Setup};

/// The sale runs this long before the freeze, and this long after the thaw.
const AROUND_SECS: u32 = 5;
/// A frozen server may hold the event's lock: the database has to cut it off.
const GAP_MAX_SECS: f64 = 15.0;

/// Freezes, thaws and checks every promise.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(super) async fn run(bench: &Bench, ground: &Ground, options: &Crash) -> Result<Section> {
    ensure!(matches!(ground, Ground::Start(Engine::Postgres)), "two servers need one PostgreSQL: use --start postgres");
    let stage = bench.stage(ground, Setup { replicas: 2, ..Setup::default() }).await?;
    let mut section = Section::new("pause", "One of two servers frozen in the middle of a sale");
    section.setting("engine", ground.name());
    section.setting("frozen for", format!("{} s", options.pause_seconds));
    let (event, play) = prepare(bench, &stage).await?;
    let seconds = options.pause_seconds + 2 * AROUND_SECS;
    let load = Load::closed("sale over both servers", &stage.targets, Duration::from_secs(seconds.into()));
    let frozen = stage.servers.get(1).context("there is no second server")?;
    let freezing = async {
        sleep(Duration::from_secs(AROUND_SECS.into())).await;
        frozen.pause()?;
        sleep(Duration::from_secs(options.pause_seconds.into())).await;
        frozen.resume()
    };
    let (driven, thawed) =
        tokio::join!(drive(&load, &bench.progress, Player::cast(bench, &play, options.connections)), freezing);
    let (phase, players) = driven?;
    thawed?;
    let gap = phase.longest_gap();
    section.figure("gap", "longest time in which nobody got a booking", gap, "s");
    if gap > GAP_MAX_SECS {
        section.fail(format!("for {gap} s nobody got a booking: a frozen server freezes the event"));
    }
    let (before, during) = rates(&phase, options.pause_seconds);
    section.figure("share", "the other server alone, share of both", 100.0 * during / before.max(1.0), "%");
    section.phase(phase, false);
    let mut books = ledger(players);
    check::attempts(stage.targets[0], &play, &mut books, &mut section).await?;
    check::promises(bench, &stage, &mut books, 0, false, &mut section).await?;
    check::stock(&mut stage.api(), &event, &books, &mut section).await?;
    section.figure("promised", "bookings promised and found", books.promises.len() as f64, "");
    stage.close(&mut section).await?;
    Ok(section)
}

/// Accepted a second before and during the freeze.
fn rates(phase: &Phase, pause_seconds: u32) -> (f64, f64) {
    let slot = |second: u32| (f64::from(second) / phase.slot_seconds) as usize;
    let mean = |from: usize, to: usize| {
        let slots = phase.slots.get(from..to.min(phase.slots.len())).unwrap_or_default();
        slots.iter().map(|slot| f64::from(slot.counts[Class::Accepted as usize])).sum::<f64>()
            / slots.len().max(1) as f64
            / phase.slot_seconds
    };
    (mean(slot(1), slot(AROUND_SECS)), mean(slot(AROUND_SECS), slot(AROUND_SECS + pause_seconds)))
}
