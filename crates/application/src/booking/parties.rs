//! Whom bookings concern: asked for every command that names a booking.

use std::sync::Arc;

use domain::BookingId;
use domain::booking::{Booking, Buyer};

use crate::booking::{BookingParties, BookingReads};
use crate::recent::Recent;
use crate::store::StoreError;

/// How many bookings are remembered, at about 100 bytes each.
const KNOWN_MAX: usize = 50_000;

/// Tells whom a booking concerns, and remembers it: of a booking of an account none of that ever changes. Who holds tickets
/// pays for them, or gives them back, at this process as a rule, and nothing is read for it then. Cheap to clone.
#[derive(Clone)]
pub struct Parties {
    reads: Arc<dyn BookingReads>,
    known: Arc<Recent<BookingId, BookingParties>>,
}

impl Parties {
    /// Read from here.
    #[must_use]
    pub fn new(reads: Arc<dyn BookingReads>) -> Self {
        Self { reads, known: Arc::new(Recent::new(KNOWN_MAX)) }
    }

    /// Whom the booking concerns; nobody, if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(&self, id: BookingId) -> Result<Option<BookingParties>, StoreError> {
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known));
        }
        let found = self.reads.parties(id).await?;
        if let Some(found) = &found {
            self.keep(id, found);
        }
        Ok(found)
    }

    /// Remembers a booking that was made here.
    pub(super) fn remember(&self, booking: &Booking) {
        self.keep(booking.id, &BookingParties::of(booking));
    }

    fn keep(&self, id: BookingId, parties: &BookingParties) {
        // The address of a guest is erased some day, here as well.
        if matches!(parties.buyer, Buyer::Account(_)) {
            self.known.insert(id, parties.clone());
        }
    }
}
