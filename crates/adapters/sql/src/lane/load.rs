//! What a decision reads: the same queries on both engines, inside the desk's transaction and outside.

use std::collections::{HashMap, HashSet};

use application::booking::{Holding, LaneKey};
use application::payment::ProviderEventKey;
use application::store::StoreError;
use domain::admission::{CheckIn, CheckInList, Ticket};
use domain::booking::{Booking, BookingStatus, Buyer, Sale};
use domain::payment::{Payment, Refund};
use domain::pricing::PricePart;
use domain::{BookingId, CheckInId, PoolId, TicketId, TicketTypeId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::entity::{
    booking, booking_attendee, booking_item, check_in, check_in_list, event, hold, outbox, payment, pool, price_part,
    provider_event, refund, ticket, ticket_type, ticket_type_pool,
};
use crate::error::orm;
use crate::mapping::{self, count, instant, micros, status_code};
use crate::unit_of_work::CHUNK;

/// Whether the column has one of these values. On PostgreSQL they are one bound array, so that a statement has one text
/// and one plan, however many they are.
pub(crate) fn among(connection: &impl ConnectionTrait, column: impl ColumnTrait, ids: &[Uuid]) -> Expr {
    match connection.get_database_backend() {
        DbBackend::Postgres => column.eq_any(ids.iter().copied()),
        _ => column.is_in(ids.iter().copied()),
    }
}

/// The sales of these events, in no order; all parts at one instant only where the connection's transaction says so.
pub(crate) async fn sales(connection: &impl ConnectionTrait, events: &[Uuid]) -> Result<Vec<Sale>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let rows = event::Entity::find().filter(among(connection, event::Column::Id, events));
    let rows = rows.all(connection).await.map_err(orm)?;
    let types = ticket_type::Entity::find().filter(among(connection, ticket_type::Column::EventId, events));
    let types = types.all(connection).await.map_err(orm)?;
    let type_ids: Vec<Uuid> = types.iter().map(|row| row.id).collect();
    let shared = shared_pools(connection, &type_ids).await?;
    let pools = pool::Entity::find().filter(among(connection, pool::Column::EventId, events));
    let pools = pools.all(connection).await.map_err(orm)?;
    mapping::sales(rows, types, shared, pools)
}

async fn shared_pools(
    connection: &impl ConnectionTrait,
    types: &[Uuid],
) -> Result<Vec<ticket_type_pool::Model>, StoreError> {
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let rows =
        ticket_type_pool::Entity::find().filter(among(connection, ticket_type_pool::Column::TicketTypeId, types));
    rows.all(connection).await.map_err(orm)
}

/// These bookings, in no order.
pub(super) async fn bookings(connection: &impl ConnectionTrait, ids: &[BookingId]) -> Result<Vec<Booking>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = booking::Entity::find().filter(among(connection, booking::Column::Id, &ids));
    bookings_with_items(connection, rows.all(connection).await.map_err(orm)?).await
}

/// What these bookings cost is made of, of those that have parts, in their order.
pub(crate) async fn price_parts(
    connection: &impl ConnectionTrait,
    of: &[BookingId],
) -> Result<HashMap<BookingId, Vec<PricePart>>, StoreError> {
    let mut parts: HashMap<BookingId, Vec<PricePart>> = HashMap::new();
    if of.is_empty() {
        return Ok(parts);
    }
    let ids: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let rows = price_part::Entity::find().filter(among(connection, price_part::Column::BookingId, &ids));
    let mut rows = rows.all(connection).await.map_err(orm)?;
    rows.sort_unstable_by_key(|row| (row.booking_id, row.position));
    for row in rows {
        parts.entry(BookingId::new(row.booking_id)).or_default().push(mapping::price_part(row)?);
    }
    Ok(parts)
}

/// The bookings of these rows with all that they have, in their order.
pub(crate) async fn whole_bookings(
    connection: &impl ConnectionTrait,
    rows: Vec<booking::Model>,
) -> Result<Vec<Booking>, StoreError> {
    let mut bookings = bookings_with_items(connection, rows).await?;
    let ids: Vec<BookingId> = bookings.iter().map(|booking| booking.id).collect();
    let mut parts = price_parts(connection, &ids).await?;
    let mut uses = super::promo::uses(connection, &ids).await?;
    for booking in &mut bookings {
        booking.price_parts = parts.remove(&booking.id).unwrap_or_default();
        booking.promo = uses.remove(&booking.id);
    }
    Ok(bookings)
}

/// The bookings of these rows, in their order, without the parts of their prices.
async fn bookings_with_items(
    connection: &impl ConnectionTrait,
    rows: Vec<booking::Model>,
) -> Result<Vec<Booking>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let items = booking_item::Entity::find().filter(among(connection, booking_item::Column::BookingId, &ids));
    let items = items.all(connection).await.map_err(orm)?;
    let attendees = booking_attendee::Entity::find();
    let attendees = attendees.filter(among(connection, booking_attendee::Column::BookingId, &ids));
    let attendees = attendees.all(connection).await.map_err(orm)?;
    let pools = pools_of_types(connection, &mapping::types_of(&items)).await?;
    mapping::bookings_of(rows, items, attendees, &pools)
}

/// The pools that a unit of each type takes room in: its own first, then the shared ones.
async fn pools_of_types(
    connection: &impl ConnectionTrait,
    types: &[Uuid],
) -> Result<HashMap<Uuid, Vec<PoolId>>, StoreError> {
    let own = ticket_type::Entity::find().select_only();
    let own = own.columns([ticket_type::Column::Id, ticket_type::Column::OwnPoolId]);
    let own = own.filter(among(connection, ticket_type::Column::Id, types)).into_tuple::<(Uuid, Uuid)>();
    let own = own.all(connection).await.map_err(orm)?;
    let mut pools: HashMap<Uuid, Vec<PoolId>> =
        own.into_iter().map(|(id, pool)| (id, vec![PoolId::new(pool)])).collect();
    let mut shared = shared_pools(connection, types).await?;
    shared.sort_unstable_by_key(|row| row.pool_id);
    for row in shared {
        pools.entry(row.ticket_type_id).or_default().push(PoolId::new(row.pool_id));
    }
    Ok(pools)
}

/// These tickets, in no order.
pub(super) async fn tickets(connection: &impl ConnectionTrait, ids: &[TicketId]) -> Result<Vec<Ticket>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = ticket::Entity::find().filter(among(connection, ticket::Column::Id, &ids));
    rows.all(connection).await.map_err(orm)?.into_iter().map(mapping::ticket).collect()
}

/// These entries, and those that count for these tickets, in no order; one may come twice.
pub(crate) async fn check_ins(
    connection: &impl ConnectionTrait,
    ids: &[CheckInId],
    of: &[TicketId],
) -> Result<Vec<CheckIn>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let tickets: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let mut rows = Vec::new();
    if !ids.is_empty() {
        let named = check_in::Entity::find().filter(among(connection, check_in::Column::Id, &ids));
        rows.append(&mut named.all(connection).await.map_err(orm)?);
    }
    for tickets in tickets.chunks(CHUNK) {
        let counted = check_in::Entity::find().filter(among(connection, check_in::Column::TicketId, tickets));
        // In the words of the index.
        let counted = counted.filter(check_in::Column::UndoneAt.is_null());
        rows.extend(counted.all(connection).await.map_err(orm)?.into_iter().filter(|row| row.turn.is_some()));
    }
    rows.into_iter().map(mapping::check_in).collect()
}

/// The check-in lists of the event, oldest first.
pub(crate) async fn check_in_lists(
    connection: &impl ConnectionTrait,
    event: LaneKey,
) -> Result<Vec<CheckInList>, StoreError> {
    let rows = check_in_list::Entity::find().filter(check_in_list::Column::EventId.eq(event.uuid()));
    let rows = rows.order_by_asc(check_in_list::Column::Id).all(connection).await.map_err(orm)?;
    rows.into_iter().map(mapping::check_in_list).collect()
}

/// The payments of these bookings, oldest first.
pub(crate) async fn payments(connection: &impl ConnectionTrait, of: &[BookingId]) -> Result<Vec<Payment>, StoreError> {
    let ids: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let rows = payment::Entity::find().filter(among(connection, payment::Column::BookingId, &ids));
    let rows = rows.order_by_asc(payment::Column::Id).all(connection).await.map_err(orm)?;
    rows.into_iter().map(mapping::payment).collect()
}

/// The refunds of these bookings, oldest first.
pub(crate) async fn refunds(connection: &impl ConnectionTrait, of: &[BookingId]) -> Result<Vec<Refund>, StoreError> {
    let ids: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let rows = refund::Entity::find().filter(among(connection, refund::Column::BookingId, &ids));
    let rows = rows.order_by_asc(refund::Column::Id).all(connection).await.map_err(orm)?;
    rows.into_iter().map(mapping::refund).collect()
}

/// Those of these messages that are there; also one of another provider with the same name, which harms nobody.
pub(super) async fn provider_events(
    connection: &impl ConnectionTrait,
    keys: &[ProviderEventKey],
) -> Result<Vec<ProviderEventKey>, StoreError> {
    use provider_event::Column;
    let mut found = Vec::new();
    for some in keys.chunks(CHUNK) {
        let words = some.iter().map(|key| key.event.clone());
        let providers: std::collections::BTreeSet<_> = some.iter().map(|key| key.provider.clone()).collect();
        let rows = provider_event::Entity::find().filter(Column::Provider.is_in(providers));
        let rows = match connection.get_database_backend() {
            DbBackend::Postgres => rows.filter(Column::Event.eq_any(words)),
            _ => rows.filter(Column::Event.is_in(words)),
        };
        found.append(&mut rows.all(connection).await.map_err(orm)?);
    }
    let key = |row: provider_event::Model| ProviderEventKey { provider: row.provider, event: row.event };
    Ok(found.into_iter().map(key).collect())
}

/// The oldest lapsed holds of the lane that nobody is paying for.
pub(super) async fn lapsed(
    connection: &impl ConnectionTrait,
    lane: LaneKey,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Booking>, StoreError> {
    let paying = open_payment_of((hold::Entity, hold::Column::BookingId));
    let due = hold::Entity::find()
        .select_only()
        .column(hold::Column::BookingId)
        .filter(hold::Column::EventId.eq(lane.uuid()))
        .filter(hold::Column::ReleaseAt.lte(micros(now)))
        .filter(Expr::exists(paying).not())
        .order_by_asc(hold::Column::ReleaseAt)
        .limit(u64::from(limit))
        .into_tuple::<Uuid>();
    let due: Vec<BookingId> = due.all(connection).await.map_err(orm)?.into_iter().map(BookingId::new).collect();
    let mut lapsed = bookings(connection, &due).await?;
    lapsed.sort_unstable_by_key(|booking| booking.hold.map(|hold| hold.release_at));
    Ok(lapsed)
}

/// The open payments of the booking in this column, by an index that has the open payments alone.
fn open_payment_of(booking: impl IntoColumnRef) -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(payment::Entity)
        .and_where(Expr::col((payment::Entity, payment::Column::BookingId)).equals(booking))
        .and_where(Expr::cust("payments.status IN (0, 1)"))
        .to_owned()
}

/// When something comes back by itself.
pub(super) async fn next_release(
    connection: &impl ConnectionTrait,
    lane: LaneKey,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let next = hold::Entity::find()
        .select_only()
        .column(hold::Column::ReleaseAt)
        .filter(hold::Column::EventId.eq(lane.uuid()))
        .filter(hold::Column::ReleaseAt.gt(micros(now)))
        .order_by_asc(hold::Column::ReleaseAt)
        .limit(1)
        .into_tuple::<i64>();
    next.one(connection).await.map_err(orm)?.map(instant).transpose()
}

/// What these buyers have and hold.
pub(super) async fn holdings(
    connection: &impl ConnectionTrait,
    of: &[(LaneKey, Buyer)],
    now: Timestamp,
) -> Result<Vec<Holding>, StoreError> {
    let owners = occupying_of(connection, of, now).await?;
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = owners.keys().copied().collect();
    let items = booking_item::Entity::find().filter(among(connection, booking_item::Column::BookingId, &ids));
    let items = items.all(connection).await.map_err(orm)?;
    add_up(&owners, items)
}

/// The bookings that these buyers have and hold in these events, each with whose it is.
pub(super) async fn occupying_of(
    connection: &impl ConnectionTrait,
    of: &[(LaneKey, Buyer)],
    now: Timestamp,
) -> Result<HashMap<Uuid, (LaneKey, Buyer)>, StoreError> {
    let mut accounts = Vec::with_capacity(of.len());
    let mut guests = Condition::any();
    for (lane, buyer) in of {
        match buyer {
            Buyer::Account(user) => accounts.push(user.uuid()),
            Buyer::Guest(email) => {
                let here = booking::Column::EventId.eq(lane.uuid());
                guests = guests.add(here.and(booking::Column::BuyerEmail.eq(email.as_str())));
            }
        }
    }
    let mut rows = Vec::new();
    if !accounts.is_empty() {
        // Bookings in other events are read too and dropped below. To name the event here would lead SQLite, which knows
        // no numbers of rows, through all the bookings of the event instead.
        let theirs = Condition::all().add(among(connection, booking::Column::BuyerUserId, &accounts));
        rows.append(&mut occupying(connection, theirs, now).await?);
    }
    if !guests.is_empty() {
        rows.append(&mut occupying(connection, guests, now).await?);
    }
    let asked: HashSet<&(LaneKey, Buyer)> = of.iter().collect();
    let mut owners = HashMap::with_capacity(rows.len());
    for (id, event, account, guest) in rows {
        let owner = mapping::buyer(account, guest)
            .map(|buyer| (LaneKey::new(event), buyer))
            .filter(|owner| asked.contains(owner));
        owners.extend(owner.map(|owner| (id, owner)));
    }
    Ok(owners)
}

/// A booking, its event, and its buyer as an account or a guest.
type Owned = (Uuid, Uuid, Option<Uuid>, Option<String>);

async fn occupying(
    connection: &impl ConnectionTrait,
    whose: Condition,
    now: Timestamp,
) -> Result<Vec<Owned>, StoreError> {
    let has = |status| booking::Column::Status.eq(status_code(status));
    // One that is being paid does not lapse (`lapsed`), and counts until that is decided.
    let holds = booking::Column::ReleaseAt
        .gt(micros(now))
        .or(Expr::exists(open_payment_of((booking::Entity, booking::Column::Id))));
    let occupies = Condition::any().add(has(BookingStatus::Confirmed)).add(has(BookingStatus::Pending).and(holds));
    let rows = booking::Entity::find()
        .select_only()
        .columns([booking::Column::Id, booking::Column::EventId, booking::Column::BuyerUserId])
        .column(booking::Column::BuyerEmail)
        .filter(whose)
        .filter(occupies)
        .into_tuple::<Owned>();
    rows.all(connection).await.map_err(orm)
}

/// Sums by event, buyer and type.
fn add_up(
    owners: &HashMap<Uuid, (LaneKey, Buyer)>,
    items: Vec<booking_item::Model>,
) -> Result<Vec<Holding>, StoreError> {
    let mut sums: HashMap<(LaneKey, Buyer, TicketTypeId), u32> = HashMap::new();
    for item in items {
        if let Some((lane, buyer)) = owners.get(&item.booking_id) {
            let units = sums.entry((*lane, buyer.clone(), TicketTypeId::new(item.ticket_type_id))).or_default();
            *units = units.saturating_add(count(item.quantity - item.cancelled)?);
        }
    }
    let holding = |((lane, buyer, ticket_type), units)| Holding { lane, buyer, ticket_type, units };
    Ok(sums.into_iter().map(holding).collect())
}

/// Whether the event has any booking.
pub(super) async fn is_booked(connection: &impl ConnectionTrait, lane: LaneKey) -> Result<bool, StoreError> {
    let here = booking::Entity::find().filter(booking::Column::EventId.eq(lane.uuid()));
    let found = here.select_only().column(booking::Column::Id).limit(1).into_tuple::<Uuid>();
    Ok(found.one(connection).await.map_err(orm)?.is_some())
}

/// Whether the outbox has this row.
pub(super) async fn outbox_has(connection: &impl ConnectionTrait, id: Uuid) -> Result<bool, StoreError> {
    let found = outbox::Entity::find_by_id(id).select_only().column(outbox::Column::Id).into_tuple::<Uuid>();
    Ok(found.one(connection).await.map_err(orm)?.is_some())
}
