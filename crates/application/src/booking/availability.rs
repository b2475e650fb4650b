//! Live availability: who watches an event is told when its stock moves, in this process or another.
//!
//! Each lane has a version. One task reads the versions of all watched lanes a few times a second, in one statement, and
//! what has changed once: however many watch, an event costs one read and one frame. A watcher costs a subscription to
//! a channel that holds only the newest frame, so that a slow one skips what is outdated and never queues up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use domain::EventId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::{CatalogReads, SeenSale};
use crate::error::AppError;

/// How watching works.
#[derive(Clone, Debug)]
pub struct AvailabilitySettings {
    /// How often the versions are read; no event is told of more often.
    pub every: Duration,
    /// From so many watchers of an event on it is told of once a second.
    pub crowd: usize,
    /// The most watchers of this process.
    pub watchers_max: usize,
    /// How often a watcher hears something, even if nothing happens.
    pub heartbeat: Duration,
}

impl Default for AvailabilitySettings {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(250),
            crowd: 1_000,
            watchers_max: 20_000,
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// The stock of an event at a version of its lane.
#[derive(Debug)]
pub struct Frame {
    /// The sale.
    pub seen: Arc<SeenSale>,
    /// The frame in the bytes of a protocol, made by the first watcher that needs them and shared by all.
    pub encoded: OnceLock<Arc<[u8]>>,
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub struct Signal {
    /// The newest frame.
    pub frame: Arc<Frame>,
    /// Counts heartbeats; a signal with the version that is known already is just one.
    pub beat: u64,
}

/// A subscription; dropping it ends it.
pub struct Watcher {
    /// The newest signal, and a way to wait for the next.
    pub signals: watch::Receiver<Signal>,
    _place: Place,
}

/// One of the places for watchers.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The watchers of this process.
pub struct Availability {
    reads: Arc<dyn CatalogReads>,
    settings: AvailabilitySettings,
    watched: Mutex<HashMap<EventId, Watched>>,
    watchers: Arc<AtomicUsize>,
}

struct Watched {
    signals: watch::Sender<Signal>,
    told: Instant,
    beaten: Instant,
}

impl Availability {
    /// Nobody watches yet; [`Availability::follow`] must run for those that will.
    #[must_use]
    pub fn new(reads: Arc<dyn CatalogReads>, settings: AvailabilitySettings) -> Self {
        Self { reads, settings, watched: Mutex::default(), watchers: Arc::default() }
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Subscribes to an event that the caller was allowed to see as `seen`.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when all places are taken.
    pub fn watch(&self, seen: Arc<SeenSale>) -> Result<Watcher, AppError> {
        let place = Place(Arc::clone(&self.watchers));
        if self.watchers.fetch_add(1, Ordering::Relaxed) >= self.settings.watchers_max {
            return Err(AppError::Unavailable { retry_after: Duration::from_secs(5) });
        }
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = watched.entry(seen.sale.event.id).or_insert_with(|| Watched {
            signals: watch::Sender::new(Signal { frame: Arc::new(Frame { seen, encoded: OnceLock::new() }), beat: 0 }),
            told: now,
            beaten: now,
        });
        Ok(Watcher { signals: entry.signals.subscribe(), _place: place })
    }

    /// Follows the watched lanes until it is cancelled. It survives a database that goes away.
    pub async fn follow(&self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(self.settings.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = ticks.tick() => {}
            }
            for event in self.changed().await {
                if let Ok(Some(seen)) = self.reads.sale(event).await {
                    self.tell(event, seen);
                }
            }
            self.beat();
        }
        // Ends every stream, so that a drain need not wait for watchers.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The watched events that are due and whose lane has another version than their watchers know.
    async fn changed(&self) -> Vec<EventId> {
        let due = self.due();
        let events: Vec<EventId> = due.keys().copied().collect();
        if events.is_empty() {
            return events;
        }
        let versions = self.reads.lane_versions(&events).await.unwrap_or_default();
        let is_new = |(event, version): &(EventId, u64)| due.get(event).is_some_and(|known| known != version);
        versions.into_iter().filter(is_new).map(|(event, _)| event).collect()
    }

    fn due(&self) -> HashMap<EventId, u64> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, entry| entry.signals.receiver_count() > 0);
        let is_due = |entry: &Watched| {
            let crowded = entry.signals.receiver_count() >= self.settings.crowd;
            !crowded || entry.told.elapsed() >= Duration::from_secs(1)
        };
        let version = |entry: &Watched| entry.signals.borrow().frame.seen.version;
        watched.iter().filter(|(_, entry)| is_due(entry)).map(|(event, entry)| (*event, version(entry))).collect()
    }

    fn tell(&self, event: EventId, seen: SeenSale) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = watched.get_mut(&event) {
            entry.told = Instant::now();
            entry.beaten = entry.told;
            let frame = Arc::new(Frame { seen: Arc::new(seen), encoded: OnceLock::new() });
            entry.signals.send_modify(|signal| signal.frame = frame);
        }
    }

    fn beat(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in watched.values_mut().filter(|entry| entry.beaten.elapsed() >= self.settings.heartbeat) {
            entry.beaten = Instant::now();
            entry.signals.send_modify(|signal| signal.beat += 1);
        }
    }
}
