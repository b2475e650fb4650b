//! Live availability: who watches an event is told when its stock moves, in this process or another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::EventId;
use tokio_util::sync::CancellationToken;

use crate::catalog::{CatalogReads, SeenSale};
use crate::error::AppError;
use crate::live::{WatchSettings, Watcher, Watchers};

/// The watchers of this process.
pub struct Availability {
    reads: Arc<dyn CatalogReads>,
    watchers: Watchers<Arc<SeenSale>>,
}

impl Availability {
    /// Nobody watches yet; [`Availability::follow`] must run for those that will.
    #[must_use]
    pub fn new(reads: Arc<dyn CatalogReads>, settings: WatchSettings) -> Self {
        Self { reads, watchers: Watchers::new(settings) }
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.count()
    }

    /// Subscribes to an event that the caller was allowed to see as `seen`.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when all places are taken.
    pub fn watch(&self, seen: Arc<SeenSale>) -> Result<Watcher<Arc<SeenSale>>, AppError> {
        self.watchers.watch(seen.sale.event.id, seen.version, seen)
    }

    /// Follows the watched lanes until it is cancelled. It survives a database that goes away.
    pub async fn follow(&self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(self.watchers.settings().every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = ticks.tick() => {}
            }
            for event in changed(&*self.reads, self.watchers.due()).await {
                if let Ok(Some(seen)) = self.reads.sale(event).await {
                    self.watchers.tell(event, seen.version, Arc::new(seen), Duration::ZERO);
                }
            }
            self.watchers.beat();
        }
        self.watchers.end();
    }
}

/// Which of these events have a lane of another version than is known.
pub(crate) async fn changed(reads: &dyn CatalogReads, due: HashMap<EventId, u64>) -> Vec<EventId> {
    let events: Vec<EventId> = due.keys().copied().collect();
    if events.is_empty() {
        return events;
    }
    let versions = reads.lane_versions(&events).await.unwrap_or_default();
    let is_new = |(event, version): &(EventId, u64)| due.get(event).is_some_and(|known| known != version);
    versions.into_iter().filter(is_new).map(|(event, _)| event).collect()
}
