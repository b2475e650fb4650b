//! Many sign in while an event sells: hashing must not take the cores from those who buy.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::Extent;
use super::booker::Sale;
use super::logins::{Owner, Storm};
use crate::load::{Class, Load, Pace, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Counter, Ground, Setup};

/// Sign-ins beside a hot event
#[derive(Clone, Debug, Args)]
pub(crate) struct LoginStorm {
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Sign-ins a second
    #[arg(long, default_value_t = 200.0)]
    pub(crate) logins: f64,
    /// How many accounts sign in
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) owners: u32,
}

/// Connections of those who sign in: enough for those that wait for their hash.
const LOGIN_CONNECTIONS: usize = 100;

/// Sells without sign-ins and with them, and compares.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &LoginStorm) -> Result<Section> {
    let stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("login-storm", "Sign-ins beside a hot event");
    section.setting("engine", ground.name());
    section.setting("connections", options.extent.connections);
    section.setting("sign-ins a second", options.logins);
    bench.progress.step("  registering those who will sign in");
    let owners: Rc<[Owner]> = Owner::register(&stage, options.owners as usize).await?.into();
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &Plan::plenty("Stormed")).await?;
    let sale = Sale::new(&stage.people, vec![event.booking(1)]);
    let bookers = || sale.bookers(bench, options.extent.connections);
    let (alone, _) = drive(&options.extent.load("alone", &stage), &bench.progress, bookers()).await?;

    let sales = options.extent.load("with sign-ins", &stage);
    let length = sales.warmup + sales.duration;
    let mut logins = Load::closed("sign-ins", &stage.targets, length);
    logins.pace = Pace::Open { rate: options.logins, lateness_max: Some(Duration::from_secs(1)) };
    let next = Counter::default();
    let people = (0..LOGIN_CONNECTIONS).map(|_| Storm { owners: Rc::clone(&owners), next: Rc::clone(&next) });
    let (sold, stormed) =
        tokio::join!(drive(&sales, &bench.progress, bookers()), drive(&logins, &bench.progress, people.collect()));
    let ((sold, _), (stormed, _)) = (sold?, stormed?);
    section.figure("alone", "bookings without sign-ins", alone.rate(), "/s");
    section.figure("rate", "bookings with them", sold.rate(), "/s");
    section.figure("share", "share of the figure without", 100.0 * sold.rate() / alone.rate().max(1.0), "%");
    section.figure("p99", "99 of 100 bookings within", sold.of(Class::Accepted).p99_ms, "ms");
    section.figure("offered", "sign-ins asked for", stormed.offered(), "/s");
    section.figure("signed_in", "signed in", stormed.of(Class::Accepted).rate, "/s");
    section.figure("shed", "told to come back (503)", stormed.of(Class::Shed).rate, "/s");
    for phase in [alone, sold, stormed] {
        section.phase(phase, false);
    }
    stage.close(&mut section).await?;
    Ok(section)
}
