//! Bookings.

use std::collections::HashMap;

use application::store::StoreError;
use domain::booking::{Attendee, Booking, BookingItem, BookingStatus, Buyer, Channel, HoldTerms, Reference};
use domain::pricing::{Of, Payer, PricePart, Rate};
use domain::{BookingId, EmailAddress, EventId, Money, OrganizerId, PoolId, Text, TicketTypeId, UserId};
use uuid::Uuid;

use super::{count, instant, instant_if};
use crate::entity::{booking, booking_attendee, booking_item, price_part};
use crate::error::bad_row;

/// The number of a status in the table.
pub(crate) const fn status_code(status: BookingStatus) -> i16 {
    match status {
        BookingStatus::Pending => 0,
        BookingStatus::Confirmed => 1,
        BookingStatus::Cancelled => 2,
        BookingStatus::Expired => 3,
    }
}

/// The status of a number in the table.
pub(crate) fn status(code: i16) -> Result<BookingStatus, StoreError> {
    match code {
        0 => Ok(BookingStatus::Pending),
        1 => Ok(BookingStatus::Confirmed),
        2 => Ok(BookingStatus::Cancelled),
        3 => Ok(BookingStatus::Expired),
        other => Err(bad_row("status of a booking", other)),
    }
}

/// The number of a channel in the table.
pub(crate) const fn channel_code(channel: Channel) -> i16 {
    match channel {
        Channel::Web => 0,
        Channel::Api => 1,
        Channel::BoxOffice => 2,
        Channel::WaitingList => 3,
    }
}

fn channel(code: i16) -> Result<Channel, StoreError> {
    match code {
        0 => Ok(Channel::Web),
        1 => Ok(Channel::Api),
        2 => Ok(Channel::BoxOffice),
        3 => Ok(Channel::WaitingList),
        other => Err(bad_row("channel", other)),
    }
}

/// The ticket types of these items, each once.
pub(crate) fn types_of(items: &[booking_item::Model]) -> Vec<Uuid> {
    let mut types: Vec<Uuid> = items.iter().map(|item| item.ticket_type_id).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// Puts bookings together with their items and attendees, without the parts of their prices, in the order of `rows`. `pools` are those of each ticket type.
pub(crate) fn bookings_of(
    rows: Vec<booking::Model>,
    items: Vec<booking_item::Model>,
    attendees: Vec<booking_attendee::Model>,
    pools: &HashMap<Uuid, Vec<PoolId>>,
) -> Result<Vec<Booking>, StoreError> {
    let mut items_of: HashMap<Uuid, Vec<booking_item::Model>> = HashMap::with_capacity(rows.len());
    for item in items {
        items_of.entry(item.booking_id).or_default().push(item);
    }
    let mut attendees_of: HashMap<Uuid, Vec<booking_attendee::Model>> = HashMap::new();
    for attendee in attendees {
        attendees_of.entry(attendee.booking_id).or_default().push(attendee);
    }
    rows.into_iter()
        .map(|row| {
            let items = items_of.remove(&row.id).unwrap_or_default();
            let attendees = attendees_of.remove(&row.id).unwrap_or_default();
            booking(row, items, attendees, pools)
        })
        .collect()
}

/// The account or else the guest; none where the row has neither, which the table forbids.
pub(crate) fn buyer(account: Option<Uuid>, guest: Option<String>) -> Option<Buyer> {
    let account = account.map(|user| Buyer::Account(UserId::new(user)));
    account.or_else(|| guest.map(|email| Buyer::Guest(EmailAddress::trusted(email))))
}

/// One booking.
fn booking(
    row: booking::Model,
    mut items: Vec<booking_item::Model>,
    mut attendees: Vec<booking_attendee::Model>,
    pools: &HashMap<Uuid, Vec<PoolId>>,
) -> Result<Booking, StoreError> {
    items.sort_unstable_by_key(|item| item.position);
    attendees.sort_unstable_by_key(|attendee| attendee.position);
    let hold = hold(&row)?;
    let currency = row.currency.parse().map_err(|_| bad_row("currency", &row.currency))?;
    let buyer = buyer(row.buyer_user_id, row.buyer_email).ok_or_else(|| bad_row("buyer of the booking", row.id))?;
    Ok(Booking {
        id: BookingId::new(row.id),
        reference: Reference::trusted(row.reference),
        event: EventId::new(row.event_id),
        organizer: OrganizerId::new(row.organizer_id),
        buyer,
        channel: channel(row.channel)?,
        items: items.into_iter().map(|row| item(row, pools)).collect::<Result<_, _>>()?,
        attendees: attendees.into_iter().map(attendee).collect(),
        total: Money { minor: row.total, currency },
        price_parts: Vec::new(),
        promo: None,
        status: status(row.status)?,
        hold,
        sequence: count(row.sequence)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

fn hold(row: &booking::Model) -> Result<Option<HoldTerms>, StoreError> {
    let instants = (instant_if(row.expires_at)?, instant_if(row.release_at)?, instant_if(row.ends_at)?);
    match instants {
        (Some(expires_at), Some(release_at), Some(ends_at)) => Ok(Some(HoldTerms { expires_at, release_at, ends_at })),
        (None, None, None) => Ok(None),
        _ => Err(bad_row("hold of the booking", row.id)),
    }
}

fn item(row: booking_item::Model, pools: &HashMap<Uuid, Vec<PoolId>>) -> Result<BookingItem, StoreError> {
    let pools = pools.get(&row.ticket_type_id).ok_or_else(|| bad_row("ticket type of an item", row.ticket_type_id))?;
    Ok(BookingItem {
        ticket_type: TicketTypeId::new(row.ticket_type_id),
        name: Text::trusted(row.name),
        quantity: count(row.quantity)?,
        cancelled: count(row.cancelled)?,
        unit_price: row.unit_price,
        pools: pools.clone(),
    })
}

fn attendee(row: booking_attendee::Model) -> Attendee {
    Attendee {
        ticket_type: TicketTypeId::new(row.ticket_type_id),
        name: row.name.map(Text::trusted),
        email: row.email.map(EmailAddress::trusted),
    }
}

/// The number of who bears a part of a price in the table.
pub(crate) const fn payer_code(payer: Payer) -> i16 {
    match payer {
        Payer::Buyer => 0,
        Payer::Organizer => 1,
    }
}

/// A part of what a booking costs.
pub(crate) fn price_part(row: price_part::Model) -> Result<PricePart, StoreError> {
    let rate = |millionths: i32| {
        let rate = u32::try_from(millionths).ok().and_then(Rate::of_millionths);
        rate.ok_or_else(|| bad_row("rate of a tax", millionths))
    };
    Ok(PricePart {
        of: row.ticket_type_id.map_or(Of::Fee, |id| Of::Tickets(TicketTypeId::new(id))),
        name: Text::trusted(row.name),
        quantity: count(row.quantity)?,
        unit_price: row.unit_price,
        discount: row.discount,
        net: row.net,
        tax: row.tax,
        gross: row.gross,
        tax_rate: row.tax_rate.map(rate).transpose()?,
        rounding: row.rounding,
        paid_by: match row.paid_by {
            0 => Payer::Buyer,
            1 => Payer::Organizer,
            other => return Err(bad_row("who bears a part of a price", other)),
        },
    })
}
