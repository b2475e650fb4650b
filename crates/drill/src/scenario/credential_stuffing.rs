//! Somebody tries passwords that he has found elsewhere, from many addresses, while an event sells.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use super::booker::Sale;
use super::logins::{Guesses, Owner, new_address};
use crate::load::{Class, Load, Pace, Stop, drive};
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::{Bench, Ground, Limits, Setup};

/// How many wrong passwords one address may try at once, and then again within [`WINDOW`] (ADR 0016).
const TRIES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// How many guesses the limit of addresses lets through at most within this time.
fn let_through(addresses: u32, within: Duration) -> u64 {
    let again = f64::from(TRIES) * within.as_secs_f64() / WINDOW.as_secs_f64();
    u64::from(addresses) * (u64::from(TRIES) + again.ceil() as u64)
}

/// Wrong passwords for many accounts from many addresses
#[derive(Clone, Debug, Args)]
pub(crate) struct CredentialStuffing {
    /// How many wrong passwords are sent
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) guesses: u32,
    /// For how many accounts
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) accounts: u32,
    /// From how many addresses
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) addresses: u32,
    /// How many of the accounts have an owner who signs in meanwhile
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) owners: u32,
    /// How many are sent a second, whatever becomes of those before
    #[arg(long, default_value_t = 100.0)]
    pub(crate) rate: f64,
    /// Over how many connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: u32,
    /// How many bookings a second go on meanwhile
    #[arg(long, default_value_t = 500.0)]
    pub(crate) bookings: f64,
    /// After so many seconds it is given up
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=36_000))]
    pub(crate) seconds: u32,
}

/// Guesses, sells, and lets the owners sign in while and after that, from home and from elsewhere.
///
/// # Errors
/// If the stage cannot be set or a server cannot be reached.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &CredentialStuffing) -> Result<Section> {
    let stage = bench.stage(ground, Setup { limits: Limits::OfSignIns, ..Setup::default() }).await?;
    let mut section = Section::new("credential-stuffing", "Wrong passwords from many addresses");
    section.setting("engine", ground.name());
    section.setting("accounts", options.accounts);
    section.setting("addresses", options.addresses);
    let owners = Owner::register(&stage, options.owners as usize).await?;
    let mut api = stage.api();
    for owner in &owners {
        let status = owner.sign_in_from(&mut api, owner.home()).await?;
        section.expect_equal("an owner who signs in before", status.into(), 200);
    }
    let event = Event::publish(&mut api, &stage.people.organizer, &Plan::plenty("Beside guessers")).await?;
    let guesses = options.guesses as usize;
    let guesses = Guesses::new(&owners, options.accounts as usize, options.addresses as usize, guesses);
    let mut load = Load::closed("guessing", &stage.targets, Duration::from_secs(options.seconds.into()));
    load.pace = Pace::Open { rate: options.rate, lateness_max: None };
    let mut sales = load.clone();
    sales.label = "bookings beside".to_owned();
    sales.pace = Pace::Open { rate: options.bookings, lateness_max: None };
    sales.stop = Stop::default();
    let sale = Sale::new(&stage.people, vec![event.booking(1)]);
    let began = Instant::now();
    let guessing = async {
        let driven = drive(&load, &bench.progress, guesses.guessers(bench, options.connections)).await;
        sales.stop.set();
        driven
    };
    let signing_in = async {
        let mut api = stage.api();
        let mut statuses = Vec::new();
        while !sales.stop.is_set() {
            for owner in owners.iter().take(2) {
                statuses.push(owner.sign_in_from(&mut api, owner.home()).await?);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        anyhow::Ok(statuses)
    };
    let selling = drive(&sales, &bench.progress, sale.bookers(bench, 32));
    let (guessed, sold, signed_in) = tokio::join!(guessing, selling, signing_in);
    let ((guessed, _), (sold, _), signed_in) = (guessed?, sold?, signed_in?);
    let took = began.elapsed();
    let refused_meanwhile = signed_in.iter().filter(|status| **status != 200).count();
    section.expect_equal("owners refused at home meanwhile", refused_meanwhile as u64, 0);
    // The first connection has had nothing to say for so long that the server has closed it.
    let mut api = stage.api();
    for (number, owner) in owners.iter().enumerate() {
        let status = owner.sign_in_from(&mut api, owner.home()).await?;
        section.expect_equal("an owner who signs in at home afterwards", status.into(), 200);
        let status = owner.sign_in_from(&mut api, new_address(number).as_bytes()).await?;
        section.expect_equal("an owner who signs in elsewhere afterwards", status.into(), 200);
    }
    let count = |status: u16| guessed.statuses.get(&status).copied().unwrap_or(0);
    let (compared, limited, shed) = (count(401), count(429), count(503));
    let answered = compared + limited + shed;
    section.figure("tried", "guesses compared with a password", compared as f64, "");
    section.figure("limited", "guesses refused with 429", limited as f64, "");
    section.figure("shed", "guesses refused with 503", shed as f64, "");
    section.figure("refused_share", "share refused", 100.0 * (limited + shed) as f64 / answered.max(1) as f64, "%");
    section.figure("bookings", "bookings meanwhile", sold.rate(), "/s");
    section.figure("p99", "99 of 100 bookings within", sold.of(Class::Accepted).p99_ms, "ms");
    section.expect_equal("guesses answered by 401, 429 or 503", answered, options.guesses.into());
    let let_through = let_through(options.addresses, took);
    section.figure("let_through", "guesses that the limits let through at most", let_through as f64, "");
    if compared > let_through {
        section.fail(format!("{compared} guesses were compared, where the limits let {let_through} through"));
    }
    if limited + shed == 0 {
        section.fail("nobody was refused");
    }
    if sold.of(Class::Accepted).count == 0 {
        section.fail("no booking went on");
    }
    section.phase(guessed, false);
    section.phase(sold, false);
    stage.close(&mut section).await?;
    Ok(section)
}
