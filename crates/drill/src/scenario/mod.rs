//! What the drill plays. One file a scenario; each sets its stage, drives its
//! loads, compares what was promised with what is there, and answers a section.

pub(crate) mod booker;
pub(crate) mod browse;
pub(crate) mod cancel_event;
pub(crate) mod check;
pub(crate) mod checkout;
mod checkout_crash;
pub(crate) mod churn;
pub(crate) mod crash;
pub(crate) mod credential_stuffing;
pub(crate) mod door;
pub(crate) mod fates;
pub(crate) mod hot_event;
pub(crate) mod idle;
pub(crate) mod lapse;
pub(crate) mod ledger;
pub(crate) mod lists;
pub(crate) mod login_storm;
mod logins;
pub(crate) mod many_events;
pub(crate) mod mixed;
mod money;
pub(crate) mod overload;
pub(crate) mod pause;
pub(crate) mod player;
pub(crate) mod print;
pub(crate) mod race;
mod shopper;
pub(crate) mod sold_out;
pub(crate) mod steps;
pub(crate) mod watchers;
pub(crate) mod zipf;

use std::time::Duration;

use clap::Args;

use crate::load::Load;
use crate::stage::Stage;

/// How long and how wide a load is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Extent {
    /// How many connections ask at the same time
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    pub(crate) connections: u32,
    /// How many seconds are measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
    /// How many seconds run before that, not measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub(crate) warmup: u32,
}

impl Extent {
    /// A closed loop of this extent over all servers of the stage.
    pub(crate) fn load(&self, label: &str, stage: &Stage) -> Load {
        let mut load = Load::closed(label, &stage.targets, Duration::from_secs(self.seconds.into()));
        load.warmup = Duration::from_secs(self.warmup.into());
        load
    }
}
