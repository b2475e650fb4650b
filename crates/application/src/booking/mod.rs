//! Bookings: the desk that all stock moves through, and the use cases around it.

mod ports;

pub use ports::{
    BookingFilter, BookingReads, CommitError, Holding, LaneChanges, LaneKey, LaneMark, LaneStore, LaneTransaction,
    LaneWait, LockedLane, LockedLanes, PoolChange,
};
