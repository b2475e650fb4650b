//! The life of an event.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use crate::catalog::CatalogRefusal;

/// Where an event stands. That it has *ended* is no stored state: the clock says so, see [`EventStatus::at`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventStatus {
    /// Only its organizer sees it.
    Draft,
    /// For sale, within the sales periods of its ticket types.
    Published,
    /// Seen, but not sold at the moment.
    Paused,
    /// Will not take place; final but for archiving.
    Cancelled,
    /// Published, and its end is past.
    Ended,
    /// Put away; final.
    Archived,
}

/// A step that an organizer takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusChange {
    /// Draft → published.
    Publish,
    /// Published → paused.
    Pause,
    /// Paused → published.
    Resume,
    /// Published or paused → cancelled.
    Cancel,
    /// Any → archived.
    Archive,
}

impl EventStatus {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
            Self::Archived => "archived",
        }
    }

    /// The status as the clock shows it: what was published or paused has ended once its end is past.
    #[must_use]
    pub fn at(self, end_at: Timestamp, now: Timestamp) -> Self {
        if self.is_to_come() && end_at <= now { Self::Ended } else { self }
    }

    /// Whether it is published, sold at the moment or not, and neither called off nor over.
    #[must_use]
    pub const fn is_to_come(self) -> bool {
        matches!(self, Self::Published | Self::Paused)
    }

    /// Whether anybody may see the event.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Published | Self::Paused | Self::Ended | Self::Cancelled)
    }

    /// The status after the step, or `None` if it stood there before (the step was taken already).
    ///
    /// # Errors
    /// [`CatalogRefusal::InvalidState`] for every step that the life of an event does not have.
    pub fn step(self, change: StatusChange) -> Result<Option<Self>, CatalogRefusal> {
        use StatusChange::{Archive, Cancel, Pause, Publish, Resume};
        match (self, change) {
            (Self::Draft, Publish) | (Self::Paused, Resume) => Ok(Some(Self::Published)),
            (Self::Published, Pause) => Ok(Some(Self::Paused)),
            (Self::Published | Self::Paused, Cancel) => Ok(Some(Self::Cancelled)),
            (Self::Draft | Self::Published | Self::Paused | Self::Cancelled | Self::Ended, Archive) => {
                Ok(Some(Self::Archived))
            }
            (Self::Published, Publish | Resume)
            | (Self::Paused, Pause)
            | (Self::Cancelled, Cancel)
            | (Self::Archived, Archive) => Ok(None),
            (Self::Draft, Pause | Resume | Cancel)
            | (Self::Paused, Publish)
            | (Self::Cancelled | Self::Ended | Self::Archived, Publish | Pause | Resume)
            | (Self::Ended | Self::Archived, Cancel) => {
                Err(CatalogRefusal::state(format!("the event is {self}: it cannot be {}", change.past_participle())))
            }
        }
    }
}

impl StatusChange {
    const fn past_participle(self) -> &'static str {
        match self {
            Self::Publish => "published",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Archive => "archived",
        }
    }
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be draft, published, paused, cancelled, ended or archived")]
pub struct UnknownStatus;

impl FromStr for EventStatus {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        [Self::Draft, Self::Published, Self::Paused, Self::Cancelled, Self::Ended, Self::Archived]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventStatus::{Archived, Cancelled, Draft, Ended, Paused, Published};

    #[test]
    fn only_the_listed_steps_are_taken() {
        let all = [Draft, Published, Paused, Cancelled, Ended, Archived];
        let reachable = |change| all.map(|from: EventStatus| from.step(change).ok().flatten());
        assert_eq!(reachable(StatusChange::Publish), [Some(Published), None, None, None, None, None]);
        assert_eq!(reachable(StatusChange::Pause), [None, Some(Paused), None, None, None, None]);
        assert_eq!(reachable(StatusChange::Resume), [None, None, Some(Published), None, None, None]);
        assert_eq!(reachable(StatusChange::Cancel), [None, Some(Cancelled), Some(Cancelled), None, None, None]);
        let archived = Some(Archived);
        assert_eq!(reachable(StatusChange::Archive), [archived, archived, archived, archived, archived, None]);
    }

    #[test]
    fn a_step_taken_twice_is_no_error() {
        assert_eq!(Published.step(StatusChange::Publish), Ok(None));
        assert_eq!(Cancelled.step(StatusChange::Cancel), Ok(None));
        assert!(Cancelled.step(StatusChange::Publish).is_err(), "a cancelled event is never published again");
    }

    #[test]
    fn the_clock_ends_what_was_on_sale() {
        let end = Timestamp::from_timestamp(1_000, 0).unwrap();
        let before = end - chrono::TimeDelta::microseconds(1);
        assert_eq!(Published.at(end, before), Published);
        assert_eq!(Published.at(end, end), Ended);
        assert_eq!(Paused.at(end, end), Ended);
        assert_eq!(Draft.at(end, end), Draft);
        assert_eq!(Cancelled.at(end, end), Cancelled);
    }
}
