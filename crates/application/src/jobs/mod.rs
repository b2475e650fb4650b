//! Background work on one base: a job table with leases and fencing tokens.

mod housekeeping;
mod ports;
mod worker;

pub use housekeeping::{Housekeeping, KeptFor};
pub use ports::{JobCounts, JobOutcome, JobQueue, JobStore, LeasedJob, NewJob};
pub use worker::{JobHandler, Worker};
