//! Holds that lapse. From `release_at` on the units of a hold count as free, whether or not a sweeper came by: a
//! decision that finds too little stock takes them back itself.

use crate::Timestamp;
use crate::booking::{Booking, BookingStatus, Decided, FactKind, Sale, StockMove};

/// Expires a hold that has lapsed; `None` for everything else, so that a sweeper's late command does nothing.
#[must_use]
pub fn expire(booking: &Booking, now: Timestamp) -> Option<Decided> {
    booking.has_lapsed(now).then(|| booking.moved(BookingStatus::Expired, FactKind::Expired, now))
}

/// Picks, oldest first, as few lapsed holds as make room for `wanted`, and only such as stand in a pool that is short.
/// What it picks may not be enough; then it was all that there is in `lapsed`.
#[must_use]
pub fn reclaim<'a>(
    sale: &Sale,
    wanted: &[StockMove],
    lapsed: impl IntoIterator<Item = &'a Booking>,
    now: Timestamp,
) -> Vec<Decided> {
    let mut after = sale.clone();
    let mut reclaimed = Vec::new();
    for booking in lapsed {
        if after.has_room(wanted) {
            break;
        }
        let Some(decided) = expire(booking, now) else { continue };
        if decided.stock.iter().any(|freed| is_short(&after, wanted, *freed)) {
            after.apply(&decided.stock);
            reclaimed.push(decided);
        }
    }
    reclaimed
}

fn is_short(sale: &Sale, wanted: &[StockMove], freed: StockMove) -> bool {
    wanted.iter().any(|change| change.pool == freed.pool && !sale.has_room(std::slice::from_ref(change)))
}
