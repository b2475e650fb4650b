//! `goticket verify`: every invariant of stock and money, recomputed from the rows.

use async_trait::async_trait;

use crate::store::StoreError;

/// Something that is not as it must be: an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which invariant, as a stable word: `pool_counters`, `oversold`, `orphan_items`.
    pub invariant: &'static str,
    /// What it is about and by how much, for a person.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Rows by what they are, for the reader's trust: pools, bookings, outbox rows.
    pub looked_at: Vec<(&'static str, u64)>,
    /// At most the first 1,000 of each invariant.
    pub differences: Vec<Difference>,
}

/// Reads everything in one snapshot.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// Recomputes every invariant; takes as long as it takes, and locks nobody out.
    async fn verify(&self) -> Result<Report, StoreError>;
}
