//! How requests are read: strictly, and each thing wrong with its own problem.

pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod client;
pub(crate) mod conditional;
pub(crate) mod cookie;
pub(crate) mod idempotency;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod web;

pub(crate) use body::{Json, OptionalJson, RawJson};
pub(crate) use caller::{Acting, Caller, SessionOwner, Visitor};
pub(crate) use conditional::IfMatch;
pub(crate) use idempotency::Keyed;
pub(crate) use path::{Admitted, EventPath, Ids};
pub(crate) use query::Params;
