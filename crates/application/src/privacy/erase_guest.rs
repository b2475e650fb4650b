//! Use case: an organizer erases what it keeps of somebody who has no account.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{EmailAddress, JobId, OrganizerId};
use serde_json::json;

use crate::access::{Agent, Operation, Subject};
use crate::audit::guest_erasure;
use crate::catalog::Catalog;
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::journal::{Deed, Scribe};
use crate::origin::Origin;
use crate::privacy::{ErasedGuest, pseudonym};
use crate::store::Store;

/// Bookings of one address that are looked at at a time.
const BOOKINGS_MAX: u64 = 10_000;

/// What erasing needs from outside.
pub struct ErasePorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// Who may.
    pub catalog: Arc<Catalog>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Erases guests and attendees.
pub struct GuestErasures {
    ports: ErasePorts,
}

impl GuestErasures {
    /// Over these ports.
    #[must_use]
    pub const fn new(ports: ErasePorts) -> Self {
        Self { ports }
    }

    /// Erases what the organizer keeps of a guest or an attendee: a pseudonym comes into the place of the address of
    /// bookings that he has made without an account, and name and address of him as an attendee go, whoever has booked.
    /// Money and stock stay as they were. A job takes the personal fields from the audit log's lines about his bookings.
    /// Done twice, it finds nothing the second time; of more than 10,000 bookings the next call erases the rest. What an account has booked goes with the account.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Forbidden`], [`AppError::Validation`]; [`AppError::InvalidState`] while he is
    /// expected at an event that is not over: the organizer needs to know who comes.
    pub async fn erase_guest(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        email: &str,
        origin: &Origin,
    ) -> Result<ErasedGuest, AppError> {
        let (access, subject) = (self.ports.catalog.access(), Subject::organizer(organizer));
        access.require(agent, Operation::ErasePeople, &subject, "organizer").await?;
        let email = EmailAddress::parse("email", email)?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.organizer(organizer).await?.ok_or(AppError::NotFound("organizer"))?;
        let found = uow.bookings_of_guest(organizer, &email, BOOKINGS_MAX).await?;
        let coming: BTreeSet<_> = found.iter().filter(|one| one.is_expected(now)).map(|one| one.event).collect();
        if !coming.is_empty() {
            let why = format!(
                "somebody of this address is expected at {} event(s) to come: cancel those bookings first, or wait",
                coming.len()
            );
            return Err(AppError::InvalidState(why));
        }
        let id = self.ports.ids.uuid();
        let bookings: Vec<_> = found.iter().map(|one| one.id).collect();
        let erased = uow.erase_guest(&bookings, &email, &pseudonym(id)).await?;
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        // Neither journal bears the address; by the id the bookings are found that the pseudonym stands in.
        let data = json!({ "organizerId": organizer.uuid(), "erasureId": id });
        let message = scribe.message(id, 1, "goticket.guest.erased.v1", data.to_string());
        let deed = Deed { organizer: Some(organizer), action: "guest.erased", object_kind: "erasure", object: id };
        let after = json!({ "bookings": erased.bookings, "attendees": erased.attendees });
        let line = scribe.line(deed, None, Some(after.to_string()));
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
        if erased.bookings > 0 {
            // What the audit log has of him is erased once it is sealed.
            let job = guest_erasure(JobId::new(self.ports.ids.uuid()), organizer, id, now);
            uow.enqueue_job(&job).await?;
        }
        uow.commit().await?;
        Ok(erased)
    }
}
