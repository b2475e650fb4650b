//! A capacity pool: the most units that may be held and sold at a time.

use crate::booking::Refusal;
use crate::{EventId, PoolId, Problems, Text};

/// A pool with what occupies it. `capacity ≥ held + sold` holds at every commit; a constraint of the database says so
/// too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its event.
    pub event: EventId,
    /// Its name; a type's own pool bears the name of the type.
    pub name: Text,
    /// The most units; none is unlimited.
    pub capacity: Option<u32>,
    /// Units of pending bookings.
    pub held: u32,
    /// Units of confirmed bookings.
    pub sold: u32,
    /// Whether the organizer made it for several types, or it belongs to one.
    pub shared: bool,
}

impl Pool {
    /// The largest capacity; beyond any place on earth, and far within the counters.
    pub const CAPACITY_MAX: i64 = 100_000_000;
    /// The most shared pools of an event.
    pub const PER_EVENT_MAX: usize = 50;

    /// How many more units fit; as good as endless where there is no capacity.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.capacity.map_or(u32::MAX, |capacity| capacity.saturating_sub(self.occupied()))
    }

    /// Held and sold.
    #[must_use]
    pub const fn occupied(&self) -> u32 {
        self.held + self.sold
    }

    /// The pool with another capacity.
    ///
    /// # Errors
    /// [`Refusal::CapacityInUse`] below what is held and sold.
    pub fn resized(&self, capacity: Option<u32>) -> Result<Self, Refusal> {
        if capacity.is_some_and(|capacity| capacity < self.occupied()) {
            return Err(Refusal::CapacityInUse { held: self.held, sold: self.sold });
        }
        Ok(Self { capacity, ..self.clone() })
    }
}

/// Parses a capacity: none, or 0 up to [`Pool::CAPACITY_MAX`].
///
/// # Errors
/// `out_of_range` for the field.
pub fn parse_capacity(field: &str, capacity: Option<i64>) -> Result<Option<u32>, Problems> {
    let parse = |capacity: i64| {
        u32::try_from(capacity).ok().filter(|_| capacity <= Pool::CAPACITY_MAX).ok_or_else(|| {
            Problems::one(field, "out_of_range", format!("must be between 0 and {}, or null", Pool::CAPACITY_MAX))
        })
    };
    capacity.map(parse).transpose()
}
