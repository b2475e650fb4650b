//! Sales as the public reads them, kept for a second.
//!
//! What is shown may be stale by this bound (invariant I15) and never decides anything. Many readers of one event cost
//! one read of the database a second; a change by this process is seen at once.

use std::sync::Arc;
use std::time::Duration;

use domain::EventId;
use domain::catalog::Slug;
use moka::future::Cache;

use crate::catalog::{CatalogReads, SeenSale};
use crate::error::AppError;
use crate::store::StoreError;

/// How stale a shown sale may be.
const STALE_MAX: Duration = Duration::from_secs(1);
/// A slug never names another event; only that it names none may change.
const SLUG_KEPT: Duration = Duration::from_secs(30);
/// How many sales are kept.
const KEPT_MAX: u64 = 10_000;

#[derive(Clone)]
pub(super) struct Pages {
    reads: Arc<dyn CatalogReads>,
    sales: Cache<EventId, Option<Arc<SeenSale>>>,
    slugs: Cache<Slug, EventId>,
}

impl Pages {
    pub(super) fn new(reads: Arc<dyn CatalogReads>) -> Self {
        Self {
            reads,
            sales: Cache::builder().max_capacity(KEPT_MAX).time_to_live(STALE_MAX).build(),
            slugs: Cache::builder().max_capacity(KEPT_MAX).time_to_live(SLUG_KEPT).build(),
        }
    }

    /// The sale of an event; concurrent readers of the same one share one read.
    pub(super) async fn sale(&self, event: EventId) -> Result<Option<Arc<SeenSale>>, AppError> {
        let read = async { Ok(self.reads.sale(event).await?.map(Arc::new)) };
        self.sales.try_get_with(event, read).await.map_err(|error: Arc<StoreError>| AppError::shared(&error))
    }

    pub(super) async fn event_of(&self, slug: &Slug) -> Result<Option<EventId>, AppError> {
        if let Some(event) = self.slugs.get(slug).await {
            return Ok(Some(event));
        }
        let found = self.reads.event_by_slug(slug).await?;
        if let Some(event) = found {
            self.slugs.insert(slug.clone(), event).await;
        }
        Ok(found)
    }

    pub(super) async fn changed(&self, seen: Arc<SeenSale>) {
        self.sales.insert(seen.sale.event.id, Some(seen)).await;
    }

    pub(super) async fn gone(&self, event: EventId) {
        self.sales.invalidate(&event).await;
    }
}
