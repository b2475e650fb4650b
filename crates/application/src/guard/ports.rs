//! The port that counts.

use std::time::Duration;

use async_trait::async_trait;

use crate::guard::{LimitClass, LimitKey, Rate};

/// So many units of a limit for somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Which limit.
    pub class: LimitClass,
    /// For whom.
    pub key: LimitKey,
    /// How many. More than the limit ever lets through at once count as that many.
    pub units: u32,
}

impl Ask {
    /// One unit.
    #[must_use]
    pub const fn one(class: LimitClass, key: LimitKey) -> Self {
        Self { class, key, units: 1 }
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Which limit.
    pub class: LimitClass,
    /// How much it lets through at once, and in which time.
    pub rate: Rate,
    /// How many more it lets through now.
    pub left: u32,
    /// After this time it lets through all again.
    pub whole_after: Duration,
}

/// A limit is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// Which limit.
    pub class: LimitClass,
    /// How much it lets through at once, and in which time.
    pub rate: Rate,
    /// After this time it lets through what was asked for.
    pub retry_after: Duration,
}

/// Counts by the generic cell rate algorithm (GCRA): each key of each limit has as many units as the rate says, and gets
/// them back evenly. It never fails: what cannot count any more lets through.
///
/// What it keeps is bounded. Where it has to forget somebody, that is one who is nearer to having all his units again than
/// others; who is forgotten has all his units again.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// The rate of a limit.
    fn rate(&self, class: LimitClass) -> Rate;

    /// Takes what is asked for, in this order, up to the first that is refused, which takes nothing; what was taken
    /// before that stays taken. Of two who ask for the last unit at the same time one gets it. Tells what is left of the
    /// last limit that was asked; with nothing asked there is nothing to tell.
    ///
    /// # Errors
    /// [`TooMany`] of the first limit that is used up.
    async fn take(&self, asks: &[Ask]) -> Result<Option<Room>, TooMany>;

    /// Whether [`take`](Self::take) would refuse this now; it takes nothing.
    ///
    /// # Errors
    /// [`TooMany`] as `take` would.
    async fn look(&self, ask: Ask) -> Result<(), TooMany>;

    /// Gives units back, at most those that were taken and have not come back by themselves.
    async fn give_back(&self, ask: Ask);

    /// Gives all units back.
    async fn forget(&self, class: LimitClass, key: LimitKey);
}
