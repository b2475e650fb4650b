//! Organizers, events and their stock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use application::booking::{pricing_text, read_pricing, read_type_prices, type_prices_text};
use application::store::StoreError;
use chrono::TimeDelta;
use domain::booking::{Pool, Sale};
use domain::catalog::{
    Event, EventStatus, EventTerms, Invitation, InvitationEnd, InvitationOutcome, Member, MemberRole, Organizer, Reach,
    Slug, TicketType, TicketTypeStatus,
};
use domain::identity::TokenHash;
use domain::{EmailAddress, EventId, InvitationId, OrganizerId, PoolId, Text, TicketTypeId, UserId};
use uuid::Uuid;

use super::{count, instant, instant_if, integer, micros};
use crate::entity::{
    event, invitation, invitation_event, member, member_event, organizer, pool, ticket_type, ticket_type_pool,
};
use crate::error::bad_row;

/// An organizer of its row.
pub(crate) fn organizer(row: organizer::Model) -> Result<Organizer, StoreError> {
    Ok(Organizer {
        id: OrganizerId::new(row.id),
        name: Text::trusted(row.name),
        slug: Slug::trusted(row.slug),
        created_at: instant(row.created_at)?,
    })
}

/// The row of a new organizer: its first message tells that it was made.
pub(crate) fn organizer_row(organizer: &Organizer) -> organizer::Model {
    organizer::Model {
        id: organizer.id.uuid(),
        slug: organizer.slug.as_str().to_owned(),
        name: organizer.name.as_str().to_owned(),
        created_at: micros(organizer.created_at),
        version: 1,
    }
}

/// The role of that word.
fn member_role(word: &str) -> Result<MemberRole, StoreError> {
    MemberRole::parse(word).ok_or_else(|| bad_row("role of a member", word))
}

/// A member of his row and those of the events that he is restricted to.
pub(crate) fn member(row: &member::Model, events: &[member_event::Model]) -> Result<Member, StoreError> {
    let of_him = events.iter().filter(|it| (it.organizer_id, it.user_id) == (row.organizer_id, row.user_id));
    let reach = match row.all_events {
        true => Reach::All,
        false => Reach::Only(of_him.map(|it| EventId::new(it.event_id)).collect()),
    };
    Ok(Member {
        organizer: OrganizerId::new(row.organizer_id),
        user: UserId::new(row.user_id),
        role: member_role(&row.role)?,
        reach,
        since: instant(row.since)?,
    })
}

/// The row of a member.
pub(crate) fn member_row(member: &Member) -> member::Model {
    member::Model {
        organizer_id: member.organizer.uuid(),
        user_id: member.user.uuid(),
        role: member.role.as_str().to_owned(),
        since: micros(member.since),
        all_events: member.reach == Reach::All,
    }
}

/// The rows of the events that a member is restricted to.
pub(crate) fn member_event_rows(member: &Member) -> Vec<member_event::Model> {
    let (organizer_id, user_id) = (member.organizer.uuid(), member.user.uuid());
    match &member.reach {
        Reach::All => Vec::new(),
        Reach::Only(events) => {
            let row = |event: &EventId| member_event::Model { organizer_id, user_id, event_id: event.uuid() };
            events.iter().map(row).collect()
        }
    }
}

/// An invitation of its row and those of the events that it is restricted to.
pub(crate) fn invitation(row: invitation::Model, events: &[invitation_event::Model]) -> Result<Invitation, StoreError> {
    let its = events.iter().filter(|it| it.invitation_id == row.id);
    let reach = match row.all_events {
        true => Reach::All,
        false => Reach::Only(its.map(|it| EventId::new(it.event_id)).collect()),
    };
    let ended = match (instant_if(row.ended_at)?, row.outcome) {
        (Some(at), Some(word)) => {
            let outcome = InvitationOutcome::parse(&word).ok_or_else(|| bad_row("outcome", &word))?;
            Some(InvitationEnd { at, outcome })
        }
        _ => None,
    };
    let hash = row.hash.as_slice().try_into().map_err(|_| bad_row("hash of an invitation", row.hash.len()))?;
    Ok(Invitation {
        id: InvitationId::new(row.id),
        organizer: OrganizerId::new(row.organizer_id),
        email: EmailAddress::trusted(row.email),
        role: member_role(&row.role)?,
        reach,
        hash: TokenHash::new(hash),
        invited_by: UserId::new(row.invited_by),
        created_at: instant(row.created_at)?,
        expires_at: instant(row.expires_at)?,
        ended,
    })
}

/// The row of an invitation.
pub(crate) fn invitation_row(invitation: &Invitation) -> invitation::Model {
    invitation::Model {
        id: invitation.id.uuid(),
        organizer_id: invitation.organizer.uuid(),
        email: invitation.email.as_str().to_owned(),
        role: invitation.role.as_str().to_owned(),
        all_events: invitation.reach == Reach::All,
        hash: invitation.hash.as_bytes().to_vec(),
        invited_by: invitation.invited_by.uuid(),
        created_at: micros(invitation.created_at),
        expires_at: micros(invitation.expires_at),
        ended_at: invitation.ended.map(|end| micros(end.at)),
        outcome: invitation.ended.map(|end| end.outcome.as_str().to_owned()),
    }
}

/// The rows of the events that an invitation is restricted to.
pub(crate) fn invitation_event_rows(invitation: &Invitation) -> Vec<invitation_event::Model> {
    let invitation_id = invitation.id.uuid();
    match &invitation.reach {
        Reach::All => Vec::new(),
        Reach::Only(events) => {
            let row = |event: &EventId| invitation_event::Model { invitation_id, event_id: event.uuid() };
            events.iter().map(row).collect()
        }
    }
}

/// An event of its row.
fn event(row: event::Model) -> Result<Event, StoreError> {
    let pricing = row.pricing.as_deref().map(read_pricing).transpose().map_err(|_| bad_row("pricing", row.id))?;
    let terms = EventTerms {
        name: Text::trusted(row.name),
        description: row.description.map(Text::trusted),
        venue: row.venue.map(Text::trusted),
        timezone: row.timezone.parse().map_err(|_| bad_row("time zone", &row.timezone))?,
        start_at: instant(row.start_at)?,
        end_at: instant(row.end_at)?,
        hold: TimeDelta::try_seconds(row.hold_seconds).ok_or_else(|| bad_row("hold", row.hold_seconds))?,
        pricing: pricing.map(Arc::new),
        blocks_disputed: row.blocks_disputed,
        waiting_list: row.waiting_list,
        offer: TimeDelta::try_seconds(row.offer_seconds).ok_or_else(|| bad_row("offer", row.offer_seconds))?,
    };
    Ok(Event {
        id: EventId::new(row.id),
        organizer: OrganizerId::new(row.organizer_id),
        slug: Slug::trusted(row.slug),
        terms,
        currency: row.currency.parse().map_err(|_| bad_row("currency", &row.currency))?,
        status: row.status.parse::<EventStatus>().map_err(|_| bad_row("status of an event", &row.status))?,
        version: u64::try_from(row.version).map_err(|_| bad_row("version of an event", row.version))?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

/// The row of an event.
pub(crate) fn event_row(event: &Event) -> event::Model {
    let terms = &event.terms;
    event::Model {
        id: event.id.uuid(),
        organizer_id: event.organizer.uuid(),
        slug: event.slug.as_str().to_owned(),
        name: terms.name.as_str().to_owned(),
        name_folded: terms.name.as_str().to_lowercase(),
        description: terms.description.as_ref().map(|text| text.as_str().to_owned()),
        venue: terms.venue.as_ref().map(|text| text.as_str().to_owned()),
        timezone: terms.timezone.name().to_owned(),
        start_at: micros(terms.start_at),
        end_at: micros(terms.end_at),
        hold_seconds: terms.hold.num_seconds(),
        currency: event.currency.code().to_owned(),
        pricing: terms.pricing.as_deref().map(pricing_text),
        status: event.status.as_str().to_owned(),
        version: i64::try_from(event.version).unwrap_or(i64::MAX),
        created_at: micros(event.created_at),
        updated_at: micros(event.updated_at),
        blocks_disputed: terms.blocks_disputed,
        waiting_list: terms.waiting_list,
        offer_seconds: terms.offer.num_seconds(),
    }
}

fn pool(row: pool::Model) -> Result<Pool, StoreError> {
    Ok(Pool {
        id: PoolId::new(row.id),
        event: EventId::new(row.event_id),
        name: Text::trusted(row.name),
        capacity: row.capacity.map(count).transpose()?,
        held: count(row.held)?,
        sold: count(row.sold)?,
        shared: row.shared,
    })
}

/// The row of a pool.
pub(crate) fn pool_row(pool: &Pool) -> pool::Model {
    pool::Model {
        id: pool.id.uuid(),
        event_id: pool.event.uuid(),
        capacity: pool.capacity.map(i64::from),
        held: pool.held.into(),
        sold: pool.sold.into(),
        shared: pool.shared,
        name: pool.name.as_str().to_owned(),
    }
}

fn ticket_type(row: ticket_type::Model, mut shared_pools: Vec<PoolId>) -> Result<TicketType, StoreError> {
    shared_pools.sort_unstable();
    Ok(TicketType {
        id: TicketTypeId::new(row.id),
        event: EventId::new(row.event_id),
        name: Text::trusted(row.name),
        price: row.price,
        prices: read_type_prices(row.prices.as_deref()).map_err(|_| bad_row("prices of a type", row.id))?,
        own_pool: PoolId::new(row.own_pool_id),
        shared_pools,
        min_per_booking: count(row.min_per_booking)?,
        max_per_booking: count(row.max_per_booking)?,
        max_per_buyer: row.max_per_buyer.map(count).transpose()?,
        sales_start_at: instant_if(row.sales_start_at)?,
        sales_end_at: instant_if(row.sales_end_at)?,
        hidden: row.hidden,
        code_required: row.code_required,
        status: TicketTypeStatus::parse(&row.status).ok_or_else(|| bad_row("status of a type", &row.status))?,
        position: count(row.position)?,
    })
}

/// The row of a ticket type as it is before anybody waits for it: that is counted apart.
pub(crate) fn ticket_type_row(ticket_type: &TicketType) -> ticket_type::Model {
    ticket_type::Model {
        id: ticket_type.id.uuid(),
        event_id: ticket_type.event.uuid(),
        own_pool_id: ticket_type.own_pool.uuid(),
        price: ticket_type.price,
        min_per_booking: integer(ticket_type.min_per_booking),
        max_per_booking: integer(ticket_type.max_per_booking),
        max_per_buyer: ticket_type.max_per_buyer.map(integer),
        sales_start_at: ticket_type.sales_start_at.map(micros),
        sales_end_at: ticket_type.sales_end_at.map(micros),
        hidden: ticket_type.hidden,
        status: ticket_type.status.as_str().to_owned(),
        position: integer(ticket_type.position),
        name: ticket_type.name.as_str().to_owned(),
        code_required: ticket_type.code_required,
        prices: type_prices_text(&ticket_type.prices),
        waiting: 0,
    }
}

/// Puts sales together of all their rows, in the order of `events`.
pub(crate) fn sales(
    events: Vec<event::Model>,
    types: Vec<ticket_type::Model>,
    shared: Vec<ticket_type_pool::Model>,
    pools: Vec<pool::Model>,
) -> Result<Vec<Sale>, StoreError> {
    let mut shared_of: HashMap<Uuid, Vec<PoolId>> = HashMap::new();
    for row in shared {
        shared_of.entry(row.ticket_type_id).or_default().push(PoolId::new(row.pool_id));
    }
    let mut types_of: HashMap<Uuid, Vec<TicketType>> = HashMap::with_capacity(events.len());
    let mut waiting_of: HashMap<Uuid, BTreeMap<TicketTypeId, u32>> = HashMap::new();
    for row in types {
        if row.waiting != 0 {
            let waiting = waiting_of.entry(row.event_id).or_default();
            waiting.insert(TicketTypeId::new(row.id), count(row.waiting)?);
        }
        let shared_pools = shared_of.remove(&row.id).unwrap_or_default();
        types_of.entry(row.event_id).or_default().push(ticket_type(row, shared_pools)?);
    }
    let mut pools_of: HashMap<Uuid, Vec<Pool>> = HashMap::with_capacity(events.len());
    for row in pools {
        pools_of.entry(row.event_id).or_default().push(pool(row)?);
    }
    let mut sales = Vec::with_capacity(events.len());
    for row in events {
        let mut ticket_types = types_of.remove(&row.id).unwrap_or_default();
        let mut pools = pools_of.remove(&row.id).unwrap_or_default();
        ticket_types.sort_unstable_by_key(|known| known.position);
        pools.sort_unstable_by_key(|known| known.id);
        let waiting = waiting_of.remove(&row.id).unwrap_or_default();
        sales.push(Sale { event: event(row)?, ticket_types, pools, waiting });
    }
    Ok(sales)
}
