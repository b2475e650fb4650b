//! Holds that lapse. From `release_at` on the units of a hold count as free, whether or not a sweeper came by: a
//! decision that finds too little stock takes them back itself.

use crate::Timestamp;
use crate::booking::{Booking, BookingStatus, Decided, FactKind, Sale, StockMove};

/// Expires a hold that has lapsed; `None` for everything else, so that a sweeper's late command does nothing.
#[must_use]
pub fn expire(booking: &Booking, now: Timestamp) -> Option<Decided> {
    booking.has_lapsed(now).then(|| booking.moved(BookingStatus::Expired, FactKind::Expired, now))
}

/// Expires a lapsed hold if that helps to make room for `wanted`: it stands in a pool that is short. Whoever asks this
/// of lapsed holds, oldest first, until there is room, takes back no more than he needs.
#[must_use]
pub fn reclaim(sale: &Sale, wanted: &[StockMove], booking: &Booking, now: Timestamp) -> Option<Decided> {
    let decided = expire(booking, now)?;
    let short = |change: &&StockMove| !sale.has_room(std::slice::from_ref(*change));
    let helps = wanted.iter().filter(short).any(|change| decided.stock.iter().any(|freed| freed.pool == change.pool));
    helps.then_some(decided)
}
