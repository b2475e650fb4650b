//! Twice as many requests as the server can do: it must shed, not sink.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use tokio::time::sleep;

use super::booker::Sale;
use crate::load::{Class, Load, Pace, Stop, drive, ms};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::memory::{MemoryWatch, megabytes, resident};
use crate::stage::{Bench, Ground, Setup, Stage};
use crate::wire::Api;

/// Open loop far over the peak
#[derive(Clone, Debug, Args)]
pub(crate) struct Overload {
    /// How many seconds the overload lasts
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
    /// How many connections there are
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) connections: u32,
    /// How many seconds the peak is looked for
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) peak_seconds: u32,
    /// The rate, in peaks
    #[arg(long, default_value_t = 2.0)]
    pub(crate) times: f64,
}

/// A request that could not be sent this long after it was due is not sent: the
/// generator shares the machine and cannot offer every rate.
const LATENESS_MAX: Duration = Duration::from_millis(5);
/// Normal again is: so many bookings in a row, each within this time.
const NORMAL_RUN: usize = 10;
const NORMAL_MS: f64 = 50.0;

/// One booking of the probe.
#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: Instant,
    took: Duration,
    status: u16,
}

/// Finds the peak, overloads, and watches the recovery.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Overload) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("overload", "Far more requests than the server can do");
    section.setting("engine", ground.name());
    section.setting("connections", options.connections);
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &Plan::plenty("Overload")).await?;
    let sale = Sale::new(&stage.people, vec![event.booking(1)]).expecting(&[503]);

    let mut load = Load::closed("peak", &stage.targets, Duration::from_secs(options.peak_seconds.into()));
    load.warmup = Duration::from_secs(2);
    let (peak, _) = drive(&load, &bench.progress, sale.bookers(bench, 256)).await?;
    let before = stage.pid().and_then(resident);
    let memory = stage.pid().map(MemoryWatch::start);

    load.label = "overload".to_owned();
    load.duration = Duration::from_secs(options.seconds.into());
    load.pace = Pace::Open { rate: peak.rate() * options.times, lateness_max: Some(LATENESS_MAX) };
    let probes = Rc::new(RefCell::new(Vec::new()));
    let over = Stop::default();
    let overloading = async {
        let driven = drive(&load, &bench.progress, sale.bookers(bench, options.connections)).await;
        sleep(Duration::from_secs(6)).await;
        over.set();
        driven
    };
    let (driven, probed) = tokio::join!(overloading, probe(&stage, &event, Rc::clone(&probes), &over));
    let (phase, _) = driven?;
    probed?;

    let accepted = phase.of(Class::Accepted);
    let shed = phase.of(Class::Shed);
    section.figure("peak", "peak", peak.rate(), "/s");
    section.figure("offered", "really offered", phase.offered(), "/s");
    section.figure("offered_times", "offered, in peaks", phase.offered() / peak.rate().max(1.0), "×");
    section.figure("share", "accepted, share of the peak", 100.0 * accepted.rate / peak.rate().max(1.0), "%");
    section.figure("p99", "99 of 100 of the accepted within", accepted.p99_ms, "ms");
    section.figure("shed_share", "refused with 503", 100.0 * shed.rate / phase.offered().max(1.0), "%");
    section.figure("shed_p99", "99 of 100 of the 503 within", shed.p99_ms, "ms");
    match recovery(&probes.borrow(), phase.ended_at) {
        Some(time) => section.figure("recovery", "back to normal after", time.as_secs_f64(), "s"),
        None => section.fail("not back to normal 6 s after the overload"),
    }
    if let (Some(before), Some(memory)) = (before, memory) {
        section.figure("memory_before", "memory of the server before", megabytes(before), "MB");
        section.figure("memory_max", "memory of the server, at most", memory.highest_mb(), "MB");
    }
    section.phase(peak, false);
    section.phase(phase, false);
    stage.close(&mut section).await?;
    Ok(section)
}

/// Books one ticket after the other on a connection of its own, all the time.
async fn probe(stage: &Stage, event: &Event, probes: Rc<RefCell<Vec<Probe>>>, over: &Stop) -> Result<()> {
    let mut api = Api::new(stage.targets[0]);
    let (path, buyer) = (event.path("/bookings"), stage.people.buyer(0));
    while !over.is_set() {
        let sent = Instant::now();
        let status = api.call("POST", &path, &buyer.authorization, "{}").await.map_or(0, |(status, _)| status);
        probes.borrow_mut().push(Probe { sent, took: sent.elapsed(), status });
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// How long after `ended` the first of enough normal answers in a row came.
fn recovery(probes: &[Probe], ended: Instant) -> Option<Duration> {
    let after: Vec<&Probe> = probes.iter().filter(|probe| probe.sent + probe.took >= ended).collect();
    let normal = |probe: &&Probe| probe.status == 201 && ms(probe.took) < NORMAL_MS;
    let first = after.windows(NORMAL_RUN).find(|run| run.iter().all(normal))?.first()?;
    Some((first.sent + first.took).saturating_duration_since(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_is_a_run_of_quick_bookings() {
        let start = Instant::now();
        let probe = |at: u64, took: u64, status| Probe {
            sent: start + Duration::from_millis(at),
            took: Duration::from_millis(took),
            status,
        };
        let mut probes =
            vec![probe(0, 5, 201), probe(100, 400, 201), probe(600, 5, 503), probe(700, 5, 201), probe(800, 90, 201)];
        assert_eq!(recovery(&probes, start), None);
        probes.extend((0..10).map(|step| probe(1000 + step * 20, 5, 201)));
        assert_eq!(recovery(&probes, start), Some(Duration::from_millis(1005)));
    }
}
