//! What one holds of a pool at a time: nobody, and no network, more than a share of it, so that nobody empties a small hall
//! by holding (docs/adr/0016).
//!
//! Rates cannot say it: what comes back evenly within a quarter of an hour knows neither holds that are longer nor those
//! that were paid. So this process remembers which bookings were asked for by whom, and where they would be too much
//! together, asks the store which of them still are holds. Nothing tells it that a booking was paid, renewed or cancelled,
//! and nothing has to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::booking::{Sale, UnitsRequest};
use domain::{BookingId, PoolId, Timestamp};
use moka::sync::Cache;

use crate::booking::BookingReads;
use crate::error::AppError;
use crate::guard::{Guards, Holder, LimitClass, LimitKey};
use crate::idempotency::IdempotencyKey;

/// Who held nothing anew for as long is forgotten: the longest hold (`Event` allows a day), and a day that it was renewed.
const REMEMBERED_FOR: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// When to come again where all that was asked for is being decided.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// How many of those who hold are remembered, with some 200 bytes for each booking of theirs.
const HOLDERS_MAX: u64 = 100_000;

/// What everybody holds of small pools.
pub(super) struct Shares {
    reads: Arc<dyn BookingReads>,
    held: Cache<(LimitClass, LimitKey), Arc<Mutex<Vec<Hold>>>>,
}

/// A booking that was asked for.
struct Hold {
    booking: BookingId,
    key: Option<IdempotencyKey>,
    units: Vec<(PoolId, u32)>,
    /// Lives while it is being decided, when no store knows of it.
    running: Weak<()>,
}

/// Somebody asks for these units.
pub(super) struct Wish<'a> {
    /// Of what.
    pub(super) sale: &'a Sale,
    /// What.
    pub(super) units: &'a UnitsRequest,
    /// Which booking it is to be.
    pub(super) booking: BookingId,
    /// With which key.
    pub(super) key: Option<&'a IdempotencyKey>,
}

/// That a booking is being decided: dropped when it is.
pub(super) type Running = Arc<()>;

impl Shares {
    pub(super) fn new(reads: Arc<dyn BookingReads>) -> Self {
        let held = Cache::builder().max_capacity(HOLDERS_MAX).time_to_idle(REMEMBERED_FOR).build();
        Self { reads, held }
    }

    /// Lets somebody ask for units, or not, where he or his network would hold more than a share of a pool. Who holds
    /// nothing of it may always try one booking, whatever its size: how large that may be is for the organizer to say. Who
    /// asks again, by its key, for a booking that holds is let in to hear of it.
    ///
    /// # Errors
    /// [`AppError::RateLimited`] until the first of his holds ends; those of the store.
    pub(super) async fn enter(
        &self,
        guards: &Guards,
        wish: &Wish<'_>,
        holders: &[Holder],
        now: Timestamp,
    ) -> Result<Running, AppError> {
        let running = Running::default();
        for holder in holders {
            let limited = limited(guards, wish, holder);
            if !limited.is_empty() {
                self.enter_as(holder, wish, &limited, &running, now).await?;
            }
        }
        Ok(running)
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
        let Err(known) = lock(&held).enter(wish, limited, running) else { return Ok(()) };
        let still = self.reads.still_held(&known, now).await?;
        let ids: HashSet<BookingId> = still.iter().map(|(booking, _)| *booking).collect();
        let known: HashSet<BookingId> = known.into_iter().collect();
        let mut held = lock(&held);
        // Whoever came since then was not asked for.
        held.retain(|hold| ids.contains(&hold.booking) || !known.contains(&hold.booking));
        if wish.key.is_some() && held.iter().any(|hold| hold.key.as_ref() == wish.key && ids.contains(&hold.booking)) {
            return Ok(());
        }
        held.enter(wish, limited, running).map_err(|_| {
            let ends = still.iter().map(|(_, end)| *end).min();
            let wait = ends.and_then(|end| (end - now).to_std().ok()).unwrap_or_default().max(WAIT_MIN);
            let share = limited.iter().map(|limited| limited.share).min().unwrap_or_default();
            AppError::from(holder.holds_too_much(share, wish.sale.event.terms.hold, wait))
        })
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
    let bound = guards.holds_max(holder, wish.sale.event.terms.hold);
    let wanted = wish.sale.pools_of(wish.units).into_iter();
    let limited = wanted.filter_map(|(pool, wanted)| {
        let share = guards.share_of(wish.sale.pool(pool)?.capacity?)?;
        (share < bound).then_some(Limited { pool, wanted, share })
    });
    limited.collect()
}

trait Holds {
    /// Adds the booking; or says of which bookings it is to be asked whether they still hold.
    fn enter(&mut self, wish: &Wish<'_>, limited: &[Limited], running: &Running) -> Result<(), Vec<BookingId>>;
}

impl Holds for Vec<Hold> {
    fn enter(&mut self, wish: &Wish<'_>, limited: &[Limited], running: &Running) -> Result<(), Vec<BookingId>> {
        let fits = limited.iter().all(|Limited { pool, wanted, share }| {
            let of_pool = self.iter().flat_map(|hold| &hold.units).filter(|(of, _)| of == pool);
            let held = of_pool.fold(0, |sum: u32, (_, units)| sum.saturating_add(*units));
            held == 0 || held.saturating_add(*wanted) <= *share
        });
        if !fits {
            return Err(self.iter().filter(|hold| hold.running.strong_count() == 0).map(|hold| hold.booking).collect());
        }
        let units = limited.iter().map(|limited| (limited.pool, limited.wanted)).collect();
        let (booking, key) = (wish.booking, wish.key.cloned());
        self.push(Hold { booking, key, units, running: Arc::downgrade(running) });
        Ok(())
    }
}

fn lock(held: &Mutex<Vec<Hold>>) -> MutexGuard<'_, Vec<Hold>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
