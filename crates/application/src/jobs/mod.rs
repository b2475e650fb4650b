//! Background work on one base: a job table with leases and fencing tokens.

mod ports;

pub use ports::{JobCounts, JobOutcome, JobStore, LeasedJob, NewJob};
