//! The face of the context to transports: its use cases are methods, in a file each.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{Currency, Timestamp};

use crate::access::Access;
use crate::booking::Desk;
use crate::catalog::CatalogReads;
use crate::catalog::pages::Pages;
use crate::clock::{Clock, Ids};
use crate::guard::Guards;
use crate::idempotency::InFlight;
use crate::identity::Identity;
use crate::store::Store;

/// What the catalog needs from outside.
#[derive(Clone)]
pub struct CatalogPorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// Reads without one.
    pub reads: Arc<dyn CatalogReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Who becomes an organizer.
    pub identity: Arc<Identity>,
    /// The lanes, which every change of an existing event goes through.
    pub desk: Desk,
}

/// What a new event gets where nobody says otherwise.
#[derive(Clone, Debug)]
pub struct CatalogSettings {
    /// `booking.default_currency`.
    pub currency: Currency,
    /// `booking.default_timezone`.
    pub timezone: String,
    /// `booking.hold_ttl`.
    pub hold: TimeDelta,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { currency: Currency::EUR, timezone: "UTC".into(), hold: TimeDelta::minutes(15) }
    }
}

/// Organizers and events.
pub struct Catalog {
    pub(super) ports: CatalogPorts,
    pub(super) settings: CatalogSettings,
    pub(super) access: Access,
    pub(super) pages: Pages,
    pub(super) in_flight: InFlight,
}

impl Catalog {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: CatalogPorts, settings: CatalogSettings) -> Self {
        let access = Access::new(Arc::clone(&ports.reads));
        let pages = Pages::new(Arc::clone(&ports.reads));
        Self { ports, settings, access, pages, in_flight: InFlight::default() }
    }

    /// The policy over its tenants.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn guards(&self) -> &Guards {
        self.ports.identity.guards()
    }

    /// «Now», by which the status of an event is shown.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}
