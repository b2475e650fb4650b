//! Who holds units, and how many he may hold of what there is.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use domain::{EventId, UserId};

use crate::guard::{Guards, LimitClass, LimitKey, Rate, TooMany};

/// An account, or a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    class: LimitClass,
    key: LimitKey,
}

/// Of a small hall one may hold half, up to so many units.
const SMALL: u32 = 10;

impl Holder {
    /// An account, and the network that it is used from.
    pub(crate) fn both(user: UserId, address: Option<IpAddr>) -> [Self; 2] {
        [
            Self { class: LimitClass::BuyerUnits, key: LimitKey::account(user) },
            Self { class: LimitClass::NetworkUnits, key: LimitKey::network(address) },
        ]
    }

    /// Under what it is remembered what he holds of the event.
    pub(crate) fn at(&self, event: EventId) -> (LimitClass, LimitKey) {
        (self.class, LimitKey::at_event(event, self.key))
    }

    /// That he holds his share already; `wait` until the first of his holds ends.
    pub(crate) fn holds_too_much(&self, share: u32, hold: TimeDelta, wait: Duration) -> TooMany {
        let count = NonZeroU32::new(share).unwrap_or(NonZeroU32::MIN);
        let per = hold.to_std().unwrap_or_default();
        TooMany { class: self.class, rate: Rate { count, per }, retry_after: wait }
    }
}

impl Guards {
    /// How many units of a pool of this capacity one may hold at a time; none where nobody counts, or he may hold all.
    pub(crate) fn share_of(&self, capacity: u32) -> Option<u32> {
        (self.are_on() && self.pool_share < 100).then(|| share(capacity, self.pool_share))
    }

    /// How many units of an event he can hold at a time for all that the rates let through, where a hold lasts so long at the
    /// most, and the largest booking has so many units.
    pub(crate) fn holds_max(&self, holder: &Holder, hold: TimeDelta, largest: u32) -> u32 {
        self.rate(holder.class).map_or(u32::MAX, |rate| holds_max(rate, hold, largest))
    }
}

/// So many hundredths of it, of a small one half, and never nothing.
fn share(capacity: u32, hundredths: u8) -> u32 {
    let share = u64::from(capacity) * u64::from(hundredths) / 100;
    u32::try_from(share).unwrap_or(capacity).max((capacity / 2).min(SMALL)).max(1)
}

/// All that he holds was counted within the time of a hold, since what is renewed is counted again. A booking of more than a
/// rate lets through at once counts as that many ([`Ask::units`](crate::guard::Ask::units)).
fn holds_max(Rate { count, per }: Rate, hold: TimeDelta, largest: u32) -> u32 {
    let times = hold.to_std().unwrap_or_default().as_nanos().div_ceil(per.as_nanos().max(1));
    let times = u32::try_from(times).unwrap_or(u32::MAX).saturating_add(1);
    count.get().max(largest).saturating_mul(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_leaves_something_to_others() {
        for (capacity, of_it) in [(0, 1), (1, 1), (2, 1), (8, 4), (20, 10), (40, 10), (44, 11), (1_000, 250)] {
            assert_eq!(share(capacity, 25), of_it, "{capacity}");
        }
        assert_eq!(share(u32::MAX, 25), u32::MAX / 4);
        assert_eq!(share(100, 100), 100);
    }

    #[test]
    fn long_holds_let_one_hold_more() {
        let rate = Rate::new(200, 900);
        for (hold, most) in [(1, 400), (900, 400), (901, 600), (86_400, 200 * 97)] {
            assert_eq!(holds_max(rate, TimeDelta::seconds(hold), 10), most, "{hold}");
        }
        assert_eq!(holds_max(rate, TimeDelta::seconds(900), 1_000), 2_000, "a thousand count as two hundred");
    }
}
