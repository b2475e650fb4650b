//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use application::admission::{DoorCounters, Passes, Tickets};
use application::audit::{AuditLog, Witness};
use application::booking::{Availability, Bookings};
use application::catalog::Catalog;
use application::clock::Ids;
use application::identity::Identity;
use application::invoicing::Invoicing;
use application::payment::Payments;
use application::privacy::GuestErasures;
use axum::extract::FromRef;

use crate::extract::body::BodyLimits;
use crate::forwarded::Network;
use crate::operation::Health;
use crate::rendered::Pages;

/// How the REST face behaves.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// After this time a request is given up with 503. A stream of events is answered at once and lasts as it likes.
    pub time_limit: Duration,
    /// Bounds of bodies.
    pub body: BodyLimits,
    /// The most bytes of address and headers together; more is 431. What the HTTP library itself bounds must be larger.
    pub header_bytes_max: usize,
    /// Origins whose pages may call (CORS), like `https://shop.example.com`; `*` lets all in; none by default.
    pub cors_origins: Vec<String>,
    /// Where people reach it, like `https://tickets.example.com`, if that is not what `Host` says; pages of it are its own.
    pub public_origin: Option<String>,
    /// Tells browsers to use HTTPS alone for that long (`Strict-Transport-Security`); none by default.
    pub https_only_for: Option<Duration>,
    /// Proxies whose word on where a request comes from is taken; none by default.
    pub trusted_proxies: Vec<Network>,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(10),
            body: BodyLimits::default(),
            header_bytes_max: 32 * 1_024,
            cors_origins: Vec::new(),
            public_origin: None,
            https_only_for: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// The use cases that the handlers call.
pub struct Services {
    /// Accounts and sign-ins.
    pub identity: Arc<Identity>,
    /// Organizers and events.
    pub catalog: Arc<Catalog>,
    /// Bookings.
    pub bookings: Arc<Bookings>,
    /// Payments.
    pub payments: Arc<Payments>,
    /// Invoices and credit notes.
    pub invoicing: Arc<Invoicing>,
    /// Tickets.
    pub tickets: Arc<Tickets>,
    /// Tickets in wallets.
    pub passes: Arc<Passes>,
    /// Who watches what is left.
    pub availability: Arc<Availability>,
    /// Who watches how many have come.
    pub door_counters: Arc<DoorCounters>,
    /// The audit log for people.
    pub audit: Arc<AuditLog>,
    /// What is kept of guests ends here.
    pub erasures: Arc<GuestErasures>,
    /// What readiness and health look at.
    pub health: Arc<Health>,
    /// Makes correlation ids.
    pub ids: Arc<dyn Ids>,
}

/// The state of the router; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    services: Services,
    settings: RestSettings,
    event_pages: Pages,
    availability_pages: Pages,
}

impl AppState {
    /// Puts the use cases and the settings together.
    #[must_use]
    pub fn new(services: Services, settings: RestSettings) -> Self {
        let (event_pages, availability_pages) = Default::default();
        Self(Arc::new(Inner { services, settings, event_pages, availability_pages }))
    }

    pub(crate) fn settings(&self) -> &RestSettings {
        &self.0.settings
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.services.identity
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.0.services.catalog
    }

    pub(crate) fn bookings(&self) -> &Bookings {
        &self.0.services.bookings
    }

    pub(crate) fn payments(&self) -> &Payments {
        &self.0.services.payments
    }

    pub(crate) fn invoicing(&self) -> &Invoicing {
        &self.0.services.invoicing
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.services.tickets
    }

    pub(crate) fn passes(&self) -> &Passes {
        &self.0.services.passes
    }

    pub(crate) fn availability(&self) -> &Availability {
        &self.0.services.availability
    }

    pub(crate) fn door_counters(&self) -> &DoorCounters {
        &self.0.services.door_counters
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.0.services.audit
    }

    pub(crate) fn erasures(&self) -> &GuestErasures {
        &self.0.services.erasures
    }

    pub(crate) fn keep_witness(&self) -> Arc<Witness> {
        Arc::clone(&self.0.services.audit.witness)
    }

    /// Notes that personal data were read.
    pub(crate) fn witness(&self) -> &Witness {
        &self.0.services.audit.witness
    }

    pub(crate) fn event_pages(&self) -> &Pages {
        &self.0.event_pages
    }

    pub(crate) fn availability_pages(&self) -> &Pages {
        &self.0.availability_pages
    }

    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.0.services.health
    }

    pub(crate) fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.0.services.ids)
    }
}

impl FromRef<AppState> for BodyLimits {
    fn from_ref(state: &AppState) -> Self {
        state.settings().body
    }
}
