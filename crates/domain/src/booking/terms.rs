//! Changes of the terms of a sale: status, texts, ticket types, pools and their capacities. They go through the lane
//! like bookings do, so that each booking is decided by the terms before or after a change and never by a mixture.

use crate::booking::{Pool, Refusal, Sale, parse_capacity};
use crate::catalog::{EventEdit, EventStatus, NewTicketType, StatusChange, TicketType, TicketTypeEdit};
use crate::{PoolId, Problems, Text, TicketTypeId, Timestamp};

/// One change by the organizer.
#[derive(Clone, Debug)]
pub enum SaleChange {
    /// The event's own settings.
    EditEvent(EventEdit),
    /// A step of its life.
    Step(StatusChange),
    /// One more ticket type.
    AddTicketType {
        /// Its id.
        id: TicketTypeId,
        /// The id of its own pool.
        own_pool: PoolId,
        /// What it is to be.
        new: NewTicketType,
    },
    /// Another price, period, limit or capacity of a ticket type.
    EditTicketType {
        /// Which.
        id: TicketTypeId,
        /// The change.
        edit: TicketTypeEdit,
    },
    /// One more shared pool.
    AddPool {
        /// Its id.
        id: PoolId,
        /// Its name.
        name: String,
        /// Its capacity.
        capacity: Option<i64>,
    },
    /// Another name or capacity of a shared pool.
    EditPool {
        /// Which.
        id: PoolId,
        /// Name.
        name: Option<String>,
        /// Capacity.
        capacity: Option<Option<i64>>,
    },
}

/// The sale after the change. One that changes nothing gives an equal sale of the same version.
///
/// # Errors
/// Fields that do not hold, a step that is not allowed, a capacity below what is held and sold, another version than
/// the expected one.
pub fn change_sale(
    sale: &Sale,
    change: &SaleChange,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Sale, Refusal> {
    sale.event.expect_version(expected_version)?;
    match change {
        SaleChange::EditEvent(edit) => Ok(Sale { event: sale.event.edited(edit, now)?, ..sale.clone() }),
        SaleChange::Step(step) => take_step(sale, *step, now),
        SaleChange::AddTicketType { id, own_pool, new } => {
            let prefix = "";
            changeable(sale)?;
            with_ticket_type(sale, *id, *own_pool, new, prefix).map(|next| touched(next, now))
        }
        SaleChange::EditTicketType { id, edit } => {
            changeable(sale)?;
            let next = edit_ticket_type(sale, *id, edit)?;
            Ok(if next == *sale { next } else { touched(next, now) })
        }
        SaleChange::AddPool { id, name, capacity } => {
            changeable(sale)?;
            with_pool(sale, *id, name, *capacity, "").map(|next| touched(next, now))
        }
        SaleChange::EditPool { id, name, capacity } => {
            changeable(sale)?;
            let next = edit_pool(sale, *id, name.as_deref(), *capacity)?;
            Ok(if next == *sale { next } else { touched(next, now) })
        }
    }
}

impl Sale {
    /// The sale with one more ticket type and its own pool; what makes a new event uses it as well.
    ///
    /// # Errors
    /// Fields that do not hold, named with `prefix`, or too many types.
    pub fn with_ticket_type(
        &self,
        id: TicketTypeId,
        own_pool: PoolId,
        new: &NewTicketType,
        prefix: &str,
    ) -> Result<Self, Refusal> {
        with_ticket_type(self, id, own_pool, new, prefix)
    }

    /// The sale with one more shared pool.
    ///
    /// # Errors
    /// Fields that do not hold, named with `prefix`, or too many pools.
    pub fn with_pool(&self, id: PoolId, name: &str, capacity: Option<i64>, prefix: &str) -> Result<Self, Refusal> {
        with_pool(self, id, name, capacity, prefix)
    }

    /// Refuses to delete what somebody has booked, in whatever state that is now: it is archived instead.
    ///
    /// # Errors
    /// [`Refusal::InvalidState`].
    pub fn check_deletable(&self, is_booked: bool) -> Result<(), Refusal> {
        if is_booked {
            return Err(Refusal::state("the event has bookings: archive it instead"));
        }
        Ok(())
    }
}

fn touched(sale: Sale, now: Timestamp) -> Sale {
    Sale { event: sale.event.touched(now), ..sale }
}

fn changeable(sale: &Sale) -> Result<(), Refusal> {
    if matches!(sale.event.status, EventStatus::Cancelled | EventStatus::Archived) {
        return Err(Refusal::state(format!("the event is {}: it cannot be changed", sale.event.status)));
    }
    Ok(())
}

fn take_step(sale: &Sale, step: StatusChange, now: Timestamp) -> Result<Sale, Refusal> {
    let Some(event) = sale.event.stepped(step, now)? else { return Ok(sale.clone()) };
    if matches!(step, StatusChange::Publish | StatusChange::Resume) {
        check_sellable(sale, now)?;
    }
    // Once it is put away nothing tells any more that its bookings are to be cancelled.
    if step == StatusChange::Archive && sale.event.status == EventStatus::Cancelled && sale.is_occupied() {
        return Err(Refusal::state("the bookings of the event are still being cancelled: archive it when they are"));
    }
    Ok(Sale { event, ..sale.clone() })
}

/// Publishing needs an end in the future and a type that can be sold.
fn check_sellable(sale: &Sale, now: Timestamp) -> Result<(), Refusal> {
    if sale.event.terms.end_at <= now {
        return Err(Refusal::state("the event has ended: it cannot be published"));
    }
    let has_stock = |ticket_type: &TicketType| {
        ticket_type.pools().all(|id| sale.pool(id).is_some_and(|pool| pool.capacity != Some(0)))
    };
    let sellable = |known: &TicketType| known.can_ever_be_sold(&sale.event, now) && has_stock(known);
    if sale.ticket_types.iter().any(sellable) {
        return Ok(());
    }
    Err(Refusal::state("the event has no ticket type that can be sold: it cannot be published"))
}

fn with_ticket_type(
    sale: &Sale,
    id: TicketTypeId,
    own_pool: PoolId,
    new: &NewTicketType,
    prefix: &str,
) -> Result<Sale, Refusal> {
    if sale.ticket_types.len() >= TicketType::PER_EVENT_MAX {
        return Err(Refusal::state(format!("an event has at most {} ticket types", TicketType::PER_EVENT_MAX)));
    }
    let position = sale.ticket_types.iter().map(|known| known.position + 1).max().unwrap_or(0);
    let mut problems = Problems::default();
    let parsed = problems.take(TicketType::try_new(id, sale.event.id, own_pool, position, new, prefix));
    let capacity = problems.take(parse_capacity(&format!("{prefix}capacity"), new.capacity));
    if let Some(parsed) = &parsed {
        problems.take(check_pools(sale, parsed, prefix));
    }
    let (Some(parsed), Some(capacity), true) = (parsed, capacity, problems.is_empty()) else {
        return Err(problems.into());
    };
    let mut next = sale.clone();
    let name = parsed.name.clone();
    insert_pool(
        &mut next,
        Pool { id: own_pool, event: sale.event.id, name, capacity, held: 0, sold: 0, shared: false },
    );
    next.ticket_types.push(parsed);
    Ok(with_parts(next))
}

/// Where tickets have a tax of their own, whoever loads bookings of the event looks for what their prices are made of, from
/// then on.
fn with_parts(mut sale: Sale) -> Sale {
    if sale.ticket_types.iter().any(|known| known.prices.tax_rate.is_some()) {
        sale.event.terms.pricing.get_or_insert_default();
    }
    sale
}

fn edit_ticket_type(sale: &Sale, id: TicketTypeId, edit: &TicketTypeEdit) -> Result<Sale, Refusal> {
    let mut next = sale.clone();
    let at = sale.ticket_types.iter().position(|known| known.id == id).ok_or(Refusal::NotFound("ticket type"))?;
    let before = &sale.ticket_types[at];
    let after = before.edited(edit)?;
    check_pools(sale, &after, "")?;
    let own = sale.pool(before.own_pool).ok_or(Refusal::NotFound("pool"))?;
    if after.shared_pools != before.shared_pools && own.occupied() > 0 {
        return Err(Refusal::state("units of the ticket type are held or sold: its pools cannot be changed"));
    }
    let capacity = edit.capacity.map(|capacity| parse_capacity("capacity", capacity)).transpose()?;
    let resized = own.resized(capacity.unwrap_or(own.capacity))?;
    replace_pool(&mut next, Pool { name: after.name.clone(), ..resized });
    next.ticket_types[at] = after;
    Ok(with_parts(next))
}

fn check_pools(sale: &Sale, ticket_type: &TicketType, prefix: &str) -> Result<(), Problems> {
    let known = |id: &PoolId| sale.pool(*id).is_some_and(|pool| pool.shared);
    if ticket_type.shared_pools.iter().all(known) {
        return Ok(());
    }
    Err(Problems::one(format!("{prefix}poolIds"), "unknown", "must name pools of this event"))
}

fn with_pool(sale: &Sale, id: PoolId, name: &str, capacity: Option<i64>, prefix: &str) -> Result<Sale, Refusal> {
    if sale.pools.iter().filter(|pool| pool.shared).count() >= Pool::PER_EVENT_MAX {
        return Err(Refusal::state(format!("an event has at most {} shared pools", Pool::PER_EVENT_MAX)));
    }
    let mut problems = Problems::default();
    let name = problems.take(Text::parse(&format!("{prefix}name"), name, 200));
    let capacity = problems.take(parse_capacity(&format!("{prefix}capacity"), capacity));
    let (Some(name), Some(capacity)) = (name, capacity) else { return Err(problems.into()) };
    let mut next = sale.clone();
    insert_pool(&mut next, Pool { id, event: sale.event.id, name, capacity, held: 0, sold: 0, shared: true });
    Ok(next)
}

fn edit_pool(sale: &Sale, id: PoolId, name: Option<&str>, capacity: Option<Option<i64>>) -> Result<Sale, Refusal> {
    let pool = sale.pool(id).filter(|pool| pool.shared).ok_or(Refusal::NotFound("pool"))?;
    let mut problems = Problems::default();
    let name = problems.take(name.map(|name| Text::parse("name", name, 200)).transpose());
    let capacity = problems.take(capacity.map(|capacity| parse_capacity("capacity", capacity)).transpose());
    let (Some(name), Some(capacity)) = (name, capacity) else { return Err(problems.into()) };
    let resized = pool.resized(capacity.unwrap_or(pool.capacity))?;
    let mut next = sale.clone();
    replace_pool(&mut next, Pool { name: name.unwrap_or_else(|| pool.name.clone()), ..resized });
    Ok(next)
}

fn insert_pool(sale: &mut Sale, pool: Pool) {
    let at = sale.pools.partition_point(|known| known.id < pool.id);
    sale.pools.insert(at, pool);
}

fn replace_pool(sale: &mut Sale, pool: Pool) {
    if let Some(known) = sale.pools.iter_mut().find(|known| known.id == pool.id) {
        *known = pool;
    }
}
