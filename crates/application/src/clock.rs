//! Time and ids are ports: tests move the one and count the other.

use domain::Timestamp;
use uuid::Uuid;

/// The only source of «now».
pub trait Clock: Send + Sync {
    /// The present instant in UTC, cut to whole microseconds. It may step in both directions, as clocks do; whoever
    /// needs order asks for `max(now, what he saw last)`.
    fn now(&self) -> Timestamp;
}

/// The source of ids and of randomness that is no secret.
pub trait Ids: Send + Sync {
    /// A new UUID of version 7 (RFC 9562): unique, and later ones sort behind earlier ones.
    fn uuid(&self) -> Uuid;

    /// 64 random bits, for names like a booking reference. Not for secrets.
    fn random(&self) -> u64;
}
