//! Known sold-out: after the last ticket most of the traffic is refusals, and these are answered from memory.
//!
//! A mark says how many units of a type were left when a decision ran out of stock. Any release of the lane by this
//! process drops it; releases by others are seen when it lapses: after 200 ms, or earlier at the next `releaseAt`.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::booking::{Refusal, UnitsRequest};
use domain::{TicketTypeId, Timestamp};

use crate::booking::LaneKey;

/// For how long a mark is believed at the most.
const BELIEVED_FOR: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct SoldOut(RwLock<HashMap<LaneKey, Mark>>);

struct Mark {
    /// By type, what was left.
    left: Vec<(TicketTypeId, u32)>,
    /// The only type of the event, if there is just one: a request need not name it then.
    only: Option<TicketTypeId>,
    made: Instant,
    /// When the next hold lapses.
    next_release: Option<Timestamp>,
}

impl SoldOut {
    /// Marks what a lane ran out of; what was marked before and is still believed is kept for other types.
    pub(super) fn mark(
        &self,
        lane: LaneKey,
        left: Vec<(TicketTypeId, u32)>,
        only: Option<TicketTypeId>,
        next_release: Option<Timestamp>,
    ) {
        let mut marks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|_, mark| mark.made.elapsed() < BELIEVED_FOR);
        marks.insert(lane, Mark { left, only, made: Instant::now(), next_release });
    }

    /// Holds were made since: what they take comes back when they lapse.
    pub(super) fn release_at(&self, lane: LaneKey, release: Timestamp) {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(&lane)
            && let Some(mark) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(&lane)
        {
            mark.next_release = Some(mark.next_release.map_or(release, |next| next.min(release)));
        }
    }

    /// Stock has come back.
    pub(super) fn drop_lane(&self, lane: LaneKey) {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(&lane) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&lane);
        }
    }

    /// The refusal of a request that asks for more than is known to be left.
    pub(super) fn refusal(&self, lane: LaneKey, units: &UnitsRequest, now: Timestamp) -> Option<Refusal> {
        let marks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.get(&lane)?;
        if mark.made.elapsed() >= BELIEVED_FOR || mark.next_release.is_some_and(|release| release <= now) {
            return None;
        }
        let left_of = |id: TicketTypeId| mark.left.iter().find(|(known, _)| *known == id).copied();
        match units {
            UnitsRequest::Only(quantity) => {
                let (id, left) = left_of(mark.only?)?;
                (*quantity > left).then(|| Refusal::SoldOut { left: vec![(id, left)] })
            }
            UnitsRequest::Listed(listed) => {
                let short = listed.iter().any(|asked| {
                    asked.quantity > 0 && left_of(asked.ticket_type).is_some_and(|(_, left)| asked.quantity > left)
                });
                let known: Option<Vec<_>> = listed.iter().map(|asked| left_of(asked.ticket_type)).collect();
                if short { known.map(|left| Refusal::SoldOut { left }) } else { None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::booking::Units;
    use uuid::Uuid;

    fn lane() -> LaneKey {
        LaneKey::new(Uuid::from_u128(1))
    }

    fn id(n: u128) -> TicketTypeId {
        TicketTypeId::new(Uuid::from_u128(n))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn asks(units: &[(u128, u32)]) -> UnitsRequest {
        let units =
            units.iter().map(|(n, quantity)| Units { ticket_type: id(*n), quantity: *quantity, unit_price: None });
        UnitsRequest::Listed(units.collect())
    }

    #[test]
    fn only_what_asks_for_more_than_is_left_is_refused() {
        let marks = SoldOut::default();
        marks.mark(lane(), vec![(id(1), 0), (id(2), 3)], None, None);
        let refused = |units: &[(u128, u32)]| marks.refusal(lane(), &asks(units), at(0)).is_some();
        assert!(refused(&[(1, 1)]) && refused(&[(2, 4)]) && refused(&[(2, 1), (1, 1)]));
        assert!(!refused(&[(2, 3)]), "that much is left, and the lane decides");
        assert!(!refused(&[(9, 1)]), "nothing is known of it");
        assert!(!refused(&[(1, 0)]), "no units are a wrong request, which the lane tells");
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(0)).is_none(), "there are several types");
    }

    #[test]
    fn a_mark_ends_with_the_next_release_or_when_stock_comes_back() {
        let marks = SoldOut::default();
        marks.mark(lane(), vec![(id(1), 0)], Some(id(1)), Some(at(10)));
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(9)).is_some());
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(10)).is_none());
        marks.drop_lane(lane());
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(9)).is_none());
    }

    #[test]
    fn a_mark_ends_with_the_release_of_a_hold_that_was_made_after_it() {
        let marks = SoldOut::default();
        marks.mark(lane(), vec![(id(1), 0)], Some(id(1)), None);
        marks.release_at(lane(), at(20));
        marks.release_at(lane(), at(30));
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(19)).is_some());
        assert!(marks.refusal(lane(), &UnitsRequest::Only(1), at(20)).is_none());
    }
}
