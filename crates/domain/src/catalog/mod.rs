//! What is for sale, by whom, and from when until when. Prices and limits are here; how much is left is not: stock
//! belongs to `booking`.

mod event;
mod invitation;
mod organizer;
mod prices;
mod slug;
mod status;
mod team;
mod ticket_type;

pub use event::{Event, EventEdit, EventTerms, NewEvent};
pub use invitation::{Invitation, InvitationEnd, InvitationOutcome, InvitationRefusal, NewInvitation};
pub use organizer::Organizer;
pub use prices::{NewOpenPrice, NewPriceTier, OpenPrice, PriceTier, Prices};
pub use slug::Slug;
pub use status::{EventStatus, StatusChange, UnknownStatus};
pub use team::{Member, MemberEdit, MemberRole, Reach, Team, TeamDecision, TeamRefusal};
pub use ticket_type::{NewTicketType, TicketType, TicketTypeEdit, TicketTypeStatus};

use crate::Problems;

/// Why a change of the catalog is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CatalogRefusal {
    /// Values that do not hold.
    #[error("the request has values that are not valid")]
    Invalid(Problems),
    /// The event's state forbids it.
    #[error("{0}")]
    InvalidState(String),
    /// `If-Match` named another version.
    #[error("it was changed meanwhile: the present version is {current}")]
    VersionMismatch {
        /// The version that it has now.
        current: u64,
    },
}

impl From<Problems> for CatalogRefusal {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

impl CatalogRefusal {
    pub(crate) fn state(why: impl Into<String>) -> Self {
        Self::InvalidState(why.into())
    }
}
