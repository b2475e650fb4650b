//! Who acts.

use domain::identity::Scopes;
use domain::{ApiKeyId, EventId, OrganizerId};

use crate::error::AppError;
use crate::idempotency::CallerId;
use crate::origin::{Actor, Principal};

/// Whoever asks for something, as his credentials have shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agent {
    /// Nobody has signed in.
    Anonymous,
    /// An account with its platform role.
    Account(Principal),
    /// A program with a key of an organizer.
    Key(ActingKey),
    /// GoTicket itself: a job, a command line.
    System,
}

/// A key that was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActingKey {
    /// Which.
    pub id: ApiKeyId,
    /// For whom it acts.
    pub organizer: OrganizerId,
    /// What it opens.
    pub scopes: Scopes,
    /// The only event that it opens, and nothing else of the organizer; none for all that its scopes name.
    pub event: Option<EventId>,
}

impl Agent {
    /// As journals name him.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::Anonymous,
            Self::Account(principal) => Actor::User(principal.user),
            Self::Key(key) => Actor::Key(key.id),
            Self::System => Actor::System,
        }
    }

    /// In whose scope idempotency keys are; none for who has no name.
    #[must_use]
    pub fn caller(&self) -> Option<CallerId> {
        match self {
            Self::Anonymous | Self::System => None,
            Self::Account(principal) => Some(principal.user.into()),
            Self::Key(key) => Some(key.id.into()),
        }
    }

    /// The account, for what concerns an account.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] where nobody has signed in, [`AppError::Forbidden`] for keys, which are none.
    pub const fn account(&self) -> Result<&Principal, AppError> {
        match self {
            Self::Account(principal) => Ok(principal),
            Self::Anonymous => Err(AppError::Unauthenticated),
            Self::Key(_) | Self::System => Err(AppError::Forbidden),
        }
    }
}

impl From<Principal> for Agent {
    fn from(principal: Principal) -> Self {
        Self::Account(principal)
    }
}
