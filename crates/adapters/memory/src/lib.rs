//! What one process keeps for itself. [`MemoryRateLimiter`] counts by the crate governor, in tables that are bounded,
//! by a time that is made of the clock's.

mod limiter;
mod table;
mod time;

pub use limiter::MemoryRateLimiter;
