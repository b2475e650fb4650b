//! Who may see and change what of an organizer: the one place that decides it, asked by the use cases of the catalog and
//! of bookings. What is not allowed here is not allowed.

use std::sync::Arc;

use domain::OrganizerId;
use domain::catalog::MemberRole;
use domain::identity::Role;

use crate::catalog::CatalogReads;
use crate::error::AppError;
use crate::origin::Principal;

/// The policy over the tenants.
#[derive(Clone)]
pub struct Access {
    reads: Arc<dyn CatalogReads>,
}

impl Access {
    /// Over the memberships of this store.
    #[must_use]
    pub fn new(reads: Arc<dyn CatalogReads>) -> Self {
        Self { reads }
    }

    /// Whether he may see what the public does not: members and admins do.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn sees(&self, principal: &Principal, organizer: OrganizerId) -> Result<bool, AppError> {
        Ok(principal.role == Role::Admin || self.membership(principal, organizer).await?.is_some())
    }

    /// Whether he may change events and bookings: owners, managers and admins do.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn manages(&self, principal: &Principal, organizer: OrganizerId) -> Result<bool, AppError> {
        Ok(principal.role == Role::Admin
            || self.membership(principal, organizer).await?.is_some_and(MemberRole::manages))
    }

    /// Lets through who manages the organizer.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for another member of it, [`AppError::NotFound`] for everybody else: he may not know that
    /// it exists. `what` names the thing that he asked for.
    pub async fn require_manager(
        &self,
        principal: &Principal,
        organizer: OrganizerId,
        what: &'static str,
    ) -> Result<(), AppError> {
        match self.membership(principal, organizer).await? {
            _ if principal.role == Role::Admin => Ok(()),
            Some(role) if role.manages() => Ok(()),
            Some(_) => Err(AppError::Forbidden),
            None => Err(AppError::NotFound(what)),
        }
    }

    async fn membership(&self, principal: &Principal, organizer: OrganizerId) -> Result<Option<MemberRole>, AppError> {
        Ok(self.reads.membership_of(organizer, principal.user).await?)
    }
}
