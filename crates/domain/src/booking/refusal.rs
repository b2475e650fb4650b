//! Why a decision went against the request.

use crate::catalog::CatalogRefusal;
use crate::{Problems, TicketTypeId};

/// One refusal; each buyer of a batch gets his own.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Values that do not hold.
    #[error("the request has values that are not valid")]
    Invalid(Problems),
    /// Nothing of this name here.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Not enough is left, even when every lapsed hold is counted as free.
    #[error("sold out")]
    SoldOut {
        /// What is left of each type that was asked for.
        left: Vec<(TicketTypeId, u32)>,
    },
    /// Not for sale at this moment.
    #[error("{0}")]
    SalesClosed(String),
    /// More (or fewer) units than the organizer allows for one booking or one buyer.
    #[error("{message}")]
    LimitExceeded {
        /// The type whose limit it is.
        ticket_type: TicketTypeId,
        /// The limit.
        limit: u32,
        /// A sentence for the buyer.
        message: String,
    },
    /// The buyer expected another total.
    #[error("the price has changed: the total is {total} now")]
    PriceChanged {
        /// The present total in minor units.
        total: i64,
    },
    /// The hold has lapsed: its units count as free from then on.
    #[error("the booking has expired")]
    BookingExpired,
    /// The state of the booking or the event forbids it.
    #[error("{0}")]
    InvalidState(String),
    /// A capacity below what is held and sold.
    #[error("{held} are held and {sold} sold: the capacity cannot be lower than their sum")]
    CapacityInUse {
        /// Units of pending bookings.
        held: u32,
        /// Units of confirmed bookings.
        sold: u32,
    },
    /// `If-Match` named another version of the event.
    #[error("it was changed meanwhile: the present version is {current}")]
    VersionMismatch {
        /// The version that it has now.
        current: u64,
    },
}

impl Refusal {
    pub(crate) fn state(why: impl Into<String>) -> Self {
        Self::InvalidState(why.into())
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

impl From<CatalogRefusal> for Refusal {
    fn from(refusal: CatalogRefusal) -> Self {
        match refusal {
            CatalogRefusal::Invalid(problems) => Self::Invalid(problems),
            CatalogRefusal::InvalidState(why) => Self::InvalidState(why),
            CatalogRefusal::VersionMismatch { current } => Self::VersionMismatch { current },
        }
    }
}
