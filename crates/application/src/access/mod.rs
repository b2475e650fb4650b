//! Who may do what.
//!
//! `policy` is one table that a reader takes in at a glance: a row is something that can be done, a column is
//! what somebody is to the thing that it is done to. It is pure, and what is not in it is not allowed. [`Access`] asks
//! the store for what the table needs to know and the table for its verdict. Use cases ask it; transports only say who
//! is there, as an [`Agent`].

mod agent;
mod asked;
mod policy;

pub use agent::{ActingKey, Agent};
pub(crate) use asked::require_on_platform;
pub use asked::{Access, Subject};
pub use policy::{Operation, PlatformOperation, Purpose, Standing, Verdict, decide, decide_platform, decide_session};
pub(crate) use policy::{cannot_do_without, factor_of};
