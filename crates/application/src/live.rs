//! Who watches something of an event, and is told when it changes, in this process or another.
//!
//! Each lane has a version. One task ([`Watchers::due`] and [`Watchers::tell`]) reads the versions of all watched lanes every
//! so often, in one statement, and what has changed once: however many watch, an event costs one read and one frame. A
//! watcher costs a subscription to a channel that holds only the newest frame, so that a slow one skips what is outdated
//! and never queues up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use domain::EventId;
use tokio::sync::watch;

use crate::error::AppError;

/// How watching works.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// How often the versions are read; no event is told of more often.
    pub every: Duration,
    /// From so many watchers of an event on it is told of once a second.
    pub crowd: usize,
    /// The most watchers of this process.
    pub watchers_max: usize,
    /// How often a watcher hears something, even if nothing happens.
    pub heartbeat: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(250),
            crowd: 1_000,
            watchers_max: 20_000,
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// What is told of an event at a version of its lane.
#[derive(Debug)]
pub struct Frame<T> {
    /// What.
    pub value: T,
    /// The version.
    pub version: u64,
    /// The frame in the bytes of a protocol, made by the first watcher that needs them and shared by all.
    pub encoded: OnceLock<Arc<[u8]>>,
}

impl<T> Frame<T> {
    fn new(version: u64, value: T) -> Arc<Self> {
        Arc::new(Self { value, version, encoded: OnceLock::new() })
    }
}

/// What a watcher is told.
#[derive(Debug)]
pub struct Signal<T> {
    /// The newest frame.
    pub frame: Arc<Frame<T>>,
    /// Counts heartbeats; a signal with the version that is known already is just one.
    pub beat: u64,
}

/// A subscription; dropping it ends it.
pub struct Watcher<T> {
    /// The newest signal, and a way to wait for the next.
    pub signals: watch::Receiver<Signal<T>>,
    _place: Place,
}

/// One of the places for watchers.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The watchers of this process, of one kind.
pub(crate) struct Watchers<T> {
    settings: WatchSettings,
    watched: Mutex<HashMap<EventId, Watched<T>>>,
    places: Arc<AtomicUsize>,
}

struct Watched<T> {
    signals: watch::Sender<Signal<T>>,
    told: Instant,
    /// For so long after that it is left alone.
    rest: Duration,
    beaten: Instant,
}

impl<T> Watchers<T> {
    /// Nobody watches yet.
    pub(crate) fn new(settings: WatchSettings) -> Self {
        Self { settings, watched: Mutex::default(), places: Arc::default() }
    }

    pub(crate) const fn settings(&self) -> &WatchSettings {
        &self.settings
    }

    /// How many watch.
    pub(crate) fn count(&self) -> usize {
        self.places.load(Ordering::Relaxed)
    }

    /// Subscribes to an event that stands so, as far as the caller knows; where somebody watches it already, to what he is
    /// told.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when all places are taken.
    pub(crate) fn watch(&self, event: EventId, version: u64, value: T) -> Result<Watcher<T>, AppError> {
        let place = self.place()?;
        let mut watched = self.lock();
        let now = Instant::now();
        let entry = watched.entry(event).or_insert_with(|| Watched {
            signals: watch::Sender::new(Signal { frame: Frame::new(version, value), beat: 0 }),
            told: now,
            rest: Duration::ZERO,
            beaten: now,
        });
        Ok(Watcher { signals: entry.signals.subscribe(), _place: place })
    }

    /// Joins those who watch the event already, and begins with what they know; none where nobody does.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when all places are taken.
    pub(crate) fn join(&self, event: EventId) -> Result<Option<Watcher<T>>, AppError> {
        let place = self.place()?;
        let signals = self.lock().get(&event).map(|entry| entry.signals.subscribe());
        Ok(signals.map(|signals| Watcher { signals, _place: place }))
    }

    fn place(&self) -> Result<Place, AppError> {
        let place = Place(Arc::clone(&self.places));
        if self.places.fetch_add(1, Ordering::Relaxed) >= self.settings.watchers_max {
            return Err(AppError::Unavailable { retry_after: Duration::from_secs(5) });
        }
        Ok(place)
    }

    /// The watched events that may be told of now, with the versions that their watchers know.
    pub(crate) fn due(&self) -> HashMap<EventId, u64> {
        let mut watched = self.lock();
        watched.retain(|_, entry| entry.signals.receiver_count() > 0);
        let is_due = |entry: &Watched<T>| {
            let crowded = entry.signals.receiver_count() >= self.settings.crowd;
            let rest = if crowded { entry.rest.max(Duration::from_secs(1)) } else { entry.rest };
            entry.told.elapsed() >= rest
        };
        let version = |entry: &Watched<T>| entry.signals.borrow().frame.version;
        watched.iter().filter(|(_, entry)| is_due(entry)).map(|(event, entry)| (*event, version(entry))).collect()
    }

    /// Tells the watchers of an event, which is then left alone for `rest`.
    pub(crate) fn tell(&self, event: EventId, version: u64, value: T, rest: Duration) {
        if let Some(entry) = self.lock().get_mut(&event) {
            entry.told = Instant::now();
            entry.rest = rest;
            entry.beaten = entry.told;
            let frame = Frame::new(version, value);
            entry.signals.send_modify(|signal| signal.frame = frame);
        }
    }

    /// Leaves an event alone for `rest`: it could not be told of.
    pub(crate) fn rest(&self, event: EventId, rest: Duration) {
        if let Some(entry) = self.lock().get_mut(&event) {
            (entry.told, entry.rest) = (Instant::now(), rest);
        }
    }

    /// Lets those hear something who have not heard anything for long.
    pub(crate) fn beat(&self) {
        let mut watched = self.lock();
        for entry in watched.values_mut().filter(|entry| entry.beaten.elapsed() >= self.settings.heartbeat) {
            entry.beaten = Instant::now();
            entry.signals.send_modify(|signal| signal.beat += 1);
        }
    }

    /// Ends every stream, so that a drain need not wait for watchers.
    pub(crate) fn end(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Watched<T>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Whom it is told of is up to `due`: who is not due is not read, and not told of.
    #[test]
    fn a_crowd_is_told_once_a_second_and_few_whenever_there_is_news() {
        let settings = WatchSettings { crowd: 3, ..WatchSettings::default() };
        let usual = WatchSettings::default();
        assert_eq!((usual.every, usual.crowd), (Duration::from_millis(250), 1_000), "at most four times a second");
        let watchers = Watchers::new(settings);
        let event = EventId::new(Uuid::from_u128(1));
        let mut crowd: Vec<Watcher<()>> = (0..2).map(|_| watchers.watch(event, 1, ()).unwrap()).collect();
        watchers.tell(event, 2, (), Duration::ZERO);
        assert_eq!(watchers.due().get(&event), Some(&2), "two are no crowd");

        crowd.push(watchers.watch(event, 2, ()).unwrap());
        let told = Instant::now();
        watchers.tell(event, 3, (), Duration::ZERO);
        while watchers.due().is_empty() {
            assert!(told.elapsed() < Duration::from_secs(10), "a crowd is told, too");
            std::thread::yield_now();
        }
        assert!(told.elapsed() >= Duration::from_secs(1), "after {:?}", told.elapsed());

        crowd.pop();
        watchers.tell(event, 4, (), Duration::ZERO);
        assert_eq!(watchers.due().get(&event), Some(&4), "it is none any more");
        crowd.clear();
        assert!(watchers.due().is_empty(), "nobody is told of what nobody watches");
    }
}
