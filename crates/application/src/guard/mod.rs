//! What keeps one from taking what is there for all: rate limits, and the limits of what one may hold.
//!
//! [`Guards`] is the one place that knows which limits a request has to pass; use cases and faces ask it by what
//! somebody is about to do. What counts is behind the port [`RateLimiter`]. To add a limit: a [`LimitClass`] with its
//! rate in [`LimitRates`], its line in the configuration, and a method of [`Guards`] that takes from it. Which limits
//! there are and why: docs/adr/0016.

mod guards;
mod holder;
mod key;
mod limits;
mod login;
mod ports;

pub use guards::{Guards, Use};
pub(crate) use holder::Holder;
pub use key::LimitKey;
pub use limits::{LimitClass, LimitRates, Rate};
pub use login::LoginTry;
pub use ports::{Ask, RateLimiter, Room, TooMany};
