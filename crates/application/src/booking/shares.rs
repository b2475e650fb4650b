//! What one holds of a pool at a time: nobody, and no network, more than a share of it, so that nobody empties a small hall
//! by holding (docs/adr/0016).
//!
//! Rates cannot say it: what comes back evenly within a quarter of an hour knows neither holds that are longer nor those
//! that were paid. So this process remembers which bookings were asked for by whom, and where they would be too much
//! together, asks the store which of them still are holds. Nothing tells it that a booking was paid, renewed or cancelled,
//! and nothing has to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::booking::{Sale, UnitsRequest};
use domain::payment::PAYING_GRACE;
use domain::{BookingId, PoolId, Timestamp};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::booking::BookingReads;
use crate::error::AppError;
use crate::guard::{Guards, Holder, LimitClass, LimitKey};

/// Who asked for nothing for as long is forgotten. What is renewed over and over ends after 30 days at the latest
/// (`booking.hold_end`).
const REMEMBERED_FOR: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How many of those who hold are remembered, with some 100 bytes for each booking of theirs; who asked longest ago is
/// forgotten first.
const HOLDERS_MAX: u64 = 100_000;
/// When to come again where what is in the way is being decided.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// What everybody holds of small pools.
pub(super) struct Shares {
    reads: Arc<dyn BookingReads>,
    held: Cache<(LimitClass, LimitKey), Arc<Mutex<Held>>>,
}

/// Somebody asks for these units.
pub(super) struct Wish<'a> {
    /// Of what.
    pub(super) sale: &'a Sale,
    /// What.
    pub(super) units: &'a UnitsRequest,
    /// Which booking it is to be.
    pub(super) booking: BookingId,
    /// Whether they would be held, as far as one can tell: what would be refused, or sold at once, hears so from its lane.
    pub(super) would_hold: &'a (dyn Fn() -> bool + Sync),
}

/// That a booking is being decided: to be dropped when it is, and no sooner.
pub(super) type Running = Arc<()>;

impl Shares {
    pub(super) fn new(reads: Arc<dyn BookingReads>) -> Self {
        let held = Cache::builder().eviction_policy(EvictionPolicy::lru());
        Self { reads, held: held.max_capacity(HOLDERS_MAX).time_to_idle(REMEMBERED_FOR).build() }
    }

    /// Lets somebody ask for units, or not, where he or his network would hold more than a share of a pool. Who holds
    /// nothing of it may always try one booking, whatever its size: how large that may be is for the organizer to say.
    /// None where nobody counts.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] until the first of his holds ends; those of the store.
    pub(super) async fn enter(
        &self,
        guards: &Guards,
        wish: &Wish<'_>,
        holders: &[Holder],
        now: Timestamp,
    ) -> Result<Option<Running>, AppError> {
        let mut entered = None;
        for holder in holders {
            let limited = limited(guards, wish, holder);
            if !limited.is_empty() {
                let running = entered.get_or_insert_default();
                self.enter_as(holder, wish, &limited, running, now).await?;
            }
        }
        Ok(entered)
    }

    async fn enter_as(
        &self,
        holder: &Holder,
        wish: &Wish<'_>,
        limited: &[Limited],
        running: &Running,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let held = self.held.get_with(holder.at(wish.sale.event.id), Arc::default);
        let known = {
            let mut held = lock(&held);
            if held.blocking(limited).is_none() {
                held.add(wish, limited, running);
                return Ok(());
            }
            held.decided()
        };
        let still: HashMap<BookingId, Timestamp> = self.reads.still_held(&known, now).await?.into_iter().collect();
        let mut held = lock(&held);
        held.forget(&known, &still);
        if let Some(blocking) = held.blocking(limited).filter(|_| (wish.would_hold)()) {
            let ends = held.ends(blocking.pool, &still);
            let wait = ends.and_then(|end| (end - now).to_std().ok()).unwrap_or_default().max(WAIT_MIN);
            return Err(holder.holds_too_much(blocking.share, wish.sale.event.terms.hold, wait).into());
        }
        held.add(wish, limited, running);
        Ok(())
    }
}

/// A pool of which one may hold so much.
struct Limited {
    pool: PoolId,
    wanted: u32,
    share: u32,
}

/// The pools of which somebody could hold more than his share, for all that the rates say.
fn limited(guards: &Guards, wish: &Wish<'_>, holder: &Holder) -> Vec<Limited> {
    let sale = wish.sale;
    let largest = sale.ticket_types.iter().fold(0, |sum: u32, known| sum.saturating_add(known.max_per_booking));
    let bound = guards.holds_max(holder, sale.event.terms.hold + PAYING_GRACE, largest);
    let limited = sale.pools_of(wish.units).into_iter().filter_map(|(pool, wanted)| {
        let share = guards.share_of(sale.pool(pool)?.capacity?)?;
        (share < bound).then_some(Limited { pool, wanted, share })
    });
    limited.collect()
}

/// What somebody asked for at one event.
#[derive(Default)]
struct Held(Vec<Hold>);

/// A booking that was asked for.
struct Hold {
    booking: BookingId,
    units: Vec<(PoolId, u32)>,
    /// Lives while it is being decided, when no store knows of it.
    running: Weak<()>,
}

impl Held {
    fn add(&mut self, wish: &Wish<'_>, limited: &[Limited], running: &Running) {
        let units = limited.iter().map(|limited| (limited.pool, limited.wanted)).collect();
        self.0.push(Hold { booking: wish.booking, units, running: Arc::downgrade(running) });
    }

    /// The first pool of which it would be too much.
    fn blocking<'a>(&self, limited: &'a [Limited]) -> Option<&'a Limited> {
        limited.iter().find(|Limited { pool, wanted, share }| {
            let of_pool = self.0.iter().flat_map(|hold| &hold.units).filter(|(of, _)| of == pool);
            let held = of_pool.fold(0, |sum: u32, (_, units)| sum.saturating_add(*units));
            held > 0 && held.saturating_add(*wanted) > *share
        })
    }

    /// What a store can know of.
    fn decided(&self) -> Vec<BookingId> {
        self.0.iter().filter(|hold| hold.running.strong_count() == 0).map(|hold| hold.booking).collect()
    }

    /// Forgets of those that were asked for what does not hold. Whoever came since then was not asked for.
    fn forget(&mut self, asked: &[BookingId], still: &HashMap<BookingId, Timestamp>) {
        let asked: HashSet<&BookingId> = asked.iter().collect();
        self.0.retain(|hold| still.contains_key(&hold.booking) || !asked.contains(&hold.booking));
    }

    /// When the first hold of the pool ends; none where one of them is being decided.
    fn ends(&self, pool: PoolId, still: &HashMap<BookingId, Timestamp>) -> Option<Timestamp> {
        let of_pool = self.0.iter().filter(|hold| hold.units.iter().any(|(of, _)| *of == pool));
        let ends: Option<Vec<Timestamp>> = of_pool.map(|hold| still.get(&hold.booking).copied()).collect();
        ends?.into_iter().min()
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
