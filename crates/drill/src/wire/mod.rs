//! A keep-alive HTTP/1.1 client that costs next to nothing.
//!
//! The load generator shares its cores with the server and the database, so
//! every microsecond it spends is one that they lack. Therefore: requests are
//! bytes put together from prebuilt parts, one read buffer lives as long as its
//! connection, and an answer is a view into that buffer. There is no pipelining,
//! no redirect, no compression, no TLS, and no address but a loopback one.

mod answer;
mod api;
mod connection;
mod request;
mod target;

pub(crate) use answer::Reply;
pub(crate) use api::Api;
pub(crate) use connection::{Connection, WireError};
pub(crate) use request::Template;
pub(crate) use target::Target;
