//! The limiter.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use application::clock::Clock;
use application::guard::{Ask, LimitClass, LimitKey, LimitRates, Rate, RateLimiter, Room, TooMany};
use async_trait::async_trait;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter as Governor};

use crate::table::{Table, Written};
use crate::time::Time;

type Limit = Governor<u128, Written, Time, StateInformationMiddleware>;

/// Counts in the memory of this process: replicas count each for itself, and a new process begins anew.
pub struct MemoryRateLimiter {
    limits: Vec<Kept>,
    time: Time,
}

/// One limit and its table, which governor decides by.
struct Kept {
    limit: Limit,
    table: Arc<Table>,
    rate: Rate,
}

impl MemoryRateLimiter {
    /// How many keys of a limit are kept where nobody says otherwise, at 16 bytes each.
    pub const KEYS_MAX: usize = 100_000;

    /// With these rates, for at most so many keys of each limit (and 64 at least).
    #[must_use]
    pub fn new(rates: &LimitRates, keys_max: usize, clock: Arc<dyn Clock>) -> Self {
        let time = Time::new(clock);
        let kept = |class| {
            let rate = rates.of(class);
            let table = Arc::new(Table::new(keys_max));
            // An interval of nought is the only one that makes no quota, and there is none.
            let quota = Quota::with_period(rate.interval()).unwrap_or_else(|| Quota::per_second(rate.count));
            let limit = Limit::new(quota.allow_burst(rate.count), Written(Arc::clone(&table)), time.clone());
            Kept { limit, table, rate }
        };
        let limits = LimitClass::ALL.into_iter().map(kept).collect();
        time.start();
        Self { limits, time }
    }

    fn of(&self, class: LimitClass) -> &Kept {
        &self.limits[class as usize]
    }

    fn take_one(&self, ask: Ask) -> Result<Room, TooMany> {
        let Kept { limit, rate, .. } = self.of(ask.class);
        let taken = limit.check_key_n(&ask.key.bits(), units(ask, rate));
        match taken {
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity();
                let whole_after = rate.interval() * rate.count.get().saturating_sub(left);
                Ok(Room { class: ask.class, rate: *rate, left, whole_after })
            }
            Ok(Err(not_until)) => {
                let now = governor::clock::Clock::now(&self.time);
                Err(TooMany { class: ask.class, rate: *rate, retry_after: not_until.wait_time_from(now) })
            }
            // More than there ever is was cut before.
            Err(_) => Err(TooMany { class: ask.class, rate: *rate, retry_after: rate.per }),
        }
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    fn rate(&self, class: LimitClass) -> Rate {
        self.of(class).rate
    }

    async fn take(&self, asks: &[Ask]) -> Result<Option<Room>, TooMany> {
        let mut room = None;
        for ask in asks {
            room = Some(self.take_one(*ask)?);
        }
        Ok(room)
    }

    async fn look(&self, ask: Ask) -> Result<(), TooMany> {
        let Kept { table, rate, .. } = self.of(ask.class);
        let Some(until) = table.get(ask.key.bits()) else { return Ok(()) };
        // As governor has it: so far ahead of now may lie what is used up, that so many more fit.
        let ahead = nanos(rate.interval()).saturating_mul(u64::from(rate.count.get() - units(ask, rate).get()));
        let allowed_at = until.saturating_sub(ahead);
        let now = self.time.nanos();
        if allowed_at <= now {
            return Ok(());
        }
        Err(TooMany { class: ask.class, rate: *rate, retry_after: Duration::from_nanos(allowed_at - now) })
    }

    async fn give_back(&self, ask: Ask) {
        let Kept { table, rate, .. } = self.of(ask.class);
        let by = nanos(rate.interval()).saturating_mul(u64::from(units(ask, rate).get()));
        table.bring_forward(ask.key.bits(), by);
    }

    async fn forget(&self, class: LimitClass, key: LimitKey) {
        self.of(class).table.remove(key.bits());
    }
}

/// At least one, and never more than there ever is.
fn units(ask: Ask, rate: &Rate) -> NonZeroU32 {
    NonZeroU32::new(ask.units).unwrap_or(NonZeroU32::MIN).min(rate.count)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::time::tests::Set;

    fn ask(bits: u128) -> Ask {
        Ask::one(LimitClass::Requests, LimitKey::of_bits(bits))
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_who_has_used_up_little_is_forgotten_first() {
        let clock = Arc::new(Set(AtomicI64::new(0)));
        let rates = LimitRates::default().with(LimitClass::Requests, Rate::new(2, 60));
        let limiter = MemoryRateLimiter::new(&rates, 10_000, clock.clone());
        let kept = || limiter.of(LimitClass::Requests).table.len();
        // So few that no four of them share a place.
        let busy = || (0..20).map(|bits| ask(u128::MAX - bits));
        for one in busy() {
            limiter.take(&[one, one]).await.unwrap();
        }
        for bits in 0..50_000 {
            limiter.take(&[ask(bits)]).await.unwrap();
        }
        for one in busy() {
            assert!(limiter.take(&[one]).await.is_err(), "nobody is forgotten for many who have used up less");
        }
        assert!(kept() <= 10_000, "{}", kept());
        clock.0.store(3_600_000_000, Ordering::Relaxed);
        for bits in 0..5_000 {
            limiter.take(&[ask(1 << 64 | bits)]).await.unwrap();
        }
        assert!(kept() <= 10_000, "{}", kept());
        for one in busy() {
            limiter.take(&[one, one]).await.expect("after an hour all have their units again");
        }
    }
}
