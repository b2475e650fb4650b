//! The sale of one event: its terms and its stock, all that a decision on its lane may read.

use std::collections::BTreeMap;

use crate::booking::{BookingItem, BookingStatus, Pool, Refusal, UnitsRequest};
use crate::catalog::{Event, TicketType, TicketTypeStatus};
use crate::{PoolId, TicketTypeId, Timestamp};

/// The state of a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sale {
    /// The event.
    pub event: Event,
    /// Its ticket types in the order of their positions.
    pub ticket_types: Vec<TicketType>,
    /// Its pools, sorted by id.
    pub pools: Vec<Pool>,
    /// How many entries of the waiting list wait for each type; those for which none does are not among them.
    pub waiting: BTreeMap<TicketTypeId, u32>,
}

/// Units that enter or leave a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StockMove {
    /// Which pool.
    pub pool: PoolId,
    /// Change of what is held.
    pub held: i64,
    /// Change of what is sold.
    pub sold: i64,
}

/// The counters of a pool do not fit the bookings that move them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the counters of pool {0} do not fit its bookings")]
pub struct StockDefect(pub PoolId);

impl StockMove {
    /// What moves when units go from one status to another; nothing, where both occupy alike.
    pub(crate) fn between(items: &[BookingItem], before: Option<BookingStatus>, after: BookingStatus) -> Vec<Self> {
        let (held_before, sold_before) = before.map_or((0, 0), occupies);
        let (held_after, sold_after) = occupies(after);
        let (held, sold) = (held_after - held_before, sold_after - sold_before);
        let mut moves: Vec<Self> = Vec::with_capacity(items.len());
        if held == 0 && sold == 0 {
            return moves;
        }
        for item in items {
            let units = i64::from(item.kept());
            for &pool in &item.pools {
                match moves.iter_mut().find(|known| known.pool == pool) {
                    Some(known) => {
                        known.held += held * units;
                        known.sold += sold * units;
                    }
                    None => moves.push(Self { pool, held: held * units, sold: sold * units }),
                }
            }
        }
        moves
    }
}

/// Whether a unit of this status counts as held, and whether as sold.
const fn occupies(status: BookingStatus) -> (i64, i64) {
    match status {
        BookingStatus::Pending => (1, 0),
        BookingStatus::Confirmed => (0, 1),
        BookingStatus::Cancelled | BookingStatus::Expired => (0, 0),
    }
}

impl Sale {
    /// The type of this id.
    #[must_use]
    pub fn ticket_type(&self, id: TicketTypeId) -> Option<&TicketType> {
        self.ticket_types.iter().find(|known| known.id == id)
    }

    /// The only type that is not archived, if there is just one; those that need a code do not count beside others.
    #[must_use]
    pub fn only_type(&self) -> Option<&TicketType> {
        let active = || self.ticket_types.iter().filter(|known| known.status == TicketTypeStatus::Active);
        let mut open = active().filter(|known| !known.code_required);
        match (open.next(), open.next()) {
            (Some(only), None) => Some(only),
            (Some(_), Some(_)) => None,
            (None, _) => {
                let mut all = active();
                all.next().filter(|_| all.next().is_none())
            }
        }
    }

    /// The pool of this id.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.iter().find(|known| known.id == id)
    }

    /// From which pools these units would be taken, and how many; what is not of this sale takes nothing.
    #[must_use]
    pub fn pools_of(&self, units: &UnitsRequest) -> Vec<(PoolId, u32)> {
        let mut wanted: Vec<(PoolId, u32)> = Vec::with_capacity(2);
        let mut add = |ticket_type: &TicketType, quantity: u32| {
            for pool in ticket_type.pools() {
                match wanted.iter_mut().find(|(known, _)| *known == pool) {
                    Some((_, units)) => *units = units.saturating_add(quantity),
                    None => wanted.push((pool, quantity)),
                }
            }
        };
        match units {
            UnitsRequest::Only(quantity) => self.only_type().into_iter().for_each(|only| add(only, *quantity)),
            UnitsRequest::Listed(listed) => {
                let known =
                    listed.iter().filter_map(|units| Some((self.ticket_type(units.ticket_type)?, units.quantity)));
                known.for_each(|(ticket_type, quantity)| add(ticket_type, quantity));
            }
        }
        wanted
    }

    /// Whether any unit is held or sold.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.pools.iter().any(|pool| pool.held > 0 || pool.sold > 0)
    }

    /// How many units of this type fit at this moment; `None` where every pool of it is unlimited.
    #[must_use]
    pub fn available(&self, ticket_type: &TicketType) -> Option<u32> {
        let limited = |id| self.pool(id).filter(|pool| pool.capacity.is_some()).map(Pool::room);
        ticket_type.pools().filter_map(limited).min()
    }

    /// What one of so many units costs at this moment, where the buyer names no price. The whole line costs what its last
    /// unit does; units that were given back are sold at the price of their place again.
    #[must_use]
    pub fn unit_price(&self, ticket_type: &TicketType, quantity: u32, now: Timestamp) -> i64 {
        let prices = &ticket_type.prices;
        if prices.tiers.is_empty() {
            return ticket_type.price;
        }
        let taken = self.pool(ticket_type.own_pool).map_or(0, Pool::occupied);
        prices.tier(quantity, taken, now).map_or(ticket_type.price, |tier| tier.price)
    }

    /// How many tiers of prices have ended by their time: whoever remembers prices of this sale need not look again before
    /// it is another number.
    #[must_use]
    pub fn ended_tiers(&self, now: Timestamp) -> usize {
        let tiers = self.ticket_types.iter().flat_map(|known| &known.prices.tiers);
        tiers.filter(|tier| tier.until.is_some_and(|until| until <= now)).count()
    }

    /// Whether all these moves fit, taken together.
    #[must_use]
    pub fn has_room(&self, moves: &[StockMove]) -> bool {
        moves.iter().all(|change| {
            let taken = change.held + change.sold;
            taken <= 0 || self.pool(change.pool).is_some_and(|pool| taken <= i64::from(pool.room()))
        })
    }

    /// Moves the stock: all of it, or none.
    ///
    /// # Errors
    /// [`StockDefect`] when a counter would fall below zero or a pool is not of this sale: stock that was never taken
    /// comes back. It is a defect of ours and must not be hidden by a clamp (invariant I5).
    pub fn apply(&mut self, moves: &[StockMove]) -> Result<(), StockDefect> {
        let after = |pool: &Pool, change: &StockMove| {
            let moved = |count: u32, by: i64| u32::try_from(i64::from(count) + by).map_err(|_| StockDefect(pool.id));
            Ok((moved(pool.held, change.held)?, moved(pool.sold, change.sold)?))
        };
        for change in moves {
            after(self.pool(change.pool).ok_or(StockDefect(change.pool))?, change)?;
        }
        for change in moves {
            if let Some(pool) = self.pools.iter_mut().find(|known| known.id == change.pool) {
                (pool.held, pool.sold) = after(pool, change)?;
            }
        }
        Ok(())
    }

    /// What is left of each type that is asked for, for the answer `sold_out`.
    pub(super) fn left(&self, items: &[BookingItem]) -> Vec<(TicketTypeId, u32)> {
        let left = |item: &BookingItem| {
            let ticket_type = self.ticket_type(item.ticket_type)?;
            Some((item.ticket_type, self.available(ticket_type).unwrap_or(u32::MAX)))
        };
        items.iter().filter_map(left).collect()
    }

    /// The type, if it is sold at this instant.
    pub(super) fn on_sale(&self, ticket_type: TicketTypeId, now: Timestamp) -> Result<&TicketType, Refusal> {
        let found = self.ticket_type(ticket_type).ok_or(Refusal::NotFound("ticket type"))?;
        if found.is_on_sale(&self.event, now) {
            return Ok(found);
        }
        let why = match (self.event.is_on_sale(now), found.sales_start_at) {
            (false, _) => format!("the event is {}: nothing is sold", self.event.status_at(now)),
            (true, Some(start)) if now < start => format!("sales of {} have not begun", found.name),
            (true, _) => format!("sales of {} are closed", found.name),
        };
        Err(Refusal::SalesClosed(why))
    }
}
