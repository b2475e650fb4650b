//! What the tests of several crates share: a database for each, the whole application over it, and one event on sale
//! with its desks. Tests of behaviour that crosses crates are in `tests/`.

pub mod app;
pub mod clock;
pub mod contract;
pub mod databases;
mod documented;
pub mod hall;
pub mod phone;
pub mod providers;
pub mod proxy;
pub mod sandbox;
pub mod smtp;
pub mod till;
pub mod webhooks;
pub mod world;
