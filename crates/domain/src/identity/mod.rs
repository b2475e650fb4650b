//! Who somebody is, and what the platform lets him do.

mod role;

pub use role::Role;
