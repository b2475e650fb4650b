//! The header fields that tell of limits, as draft-ietf-httpapi-ratelimit-headers-10 has them: `RateLimit-Policy` with
//! the quota (`q`) and its window in seconds (`w`), `RateLimit` with what is left (`r`) and after how many seconds there
//! is more (`t`: all of it where something is left, and enough for the same request where nothing is).

use std::fmt;
use std::io::Write;
use std::time::Duration;

use application::guard::{LimitClass, Rate, Room, TooMany};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// What is left.
pub(crate) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What there is.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells what is left.
pub(crate) fn tell(headers: &mut HeaderMap, room: &Room) {
    set(headers, (room.class, &room.rate), room.left, room.whole_after);
}

/// Tells that nothing is left.
pub(crate) fn refuse(headers: &mut HeaderMap, limit: &TooMany) {
    set(headers, (limit.class, &limit.rate), 0, limit.retry_after);
}

fn set(headers: &mut HeaderMap, (class, rate): (LimitClass, &Rate), left: u32, after: Duration) {
    let name = class.name();
    let policy = value(format_args!("\"{name}\";q={};w={}", rate.count, secs(rate.per)));
    let limit = value(format_args!("\"{name}\";r={left};t={}", secs(after)));
    for (field, value) in [(POLICY, policy), (LIMIT, limit)] {
        if let Some(value) = value {
            headers.insert(field, value);
        }
    }
}

/// Every answer has two of them, so that they are written where nothing is allocated.
fn value(text: fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut buffer = [0; 128];
    let mut left = buffer.as_mut_slice();
    left.write_fmt(text).ok()?;
    let unused = left.len();
    HeaderValue::from_bytes(&buffer[..buffer.len() - unused]).ok()
}

/// Rounded up: whoever comes a moment too early has come in vain.
fn secs(time: Duration) -> u128 {
    time.as_millis().div_ceil(1_000)
}
