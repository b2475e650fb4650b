//! Bookings: the desk that all stock moves through, and the use cases around it.

mod desk;
mod journal;
mod ports;
mod snapshot;

pub use desk::{Command, Desk, DeskMetrics, DeskSettings, Outcome};
pub use ports::{
    BookingFilter, BookingReads, CommitError, Holding, LaneChanges, LaneKey, LaneMark, LaneStore, LaneTransaction,
    LaneWait, LockedLane, LockedLanes, PoolChange,
};

pub(crate) use journal::{SaleFact, of_sale};
pub(crate) use snapshot::{organizer, read_organizer, read_sale, sale};
