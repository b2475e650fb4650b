//! Guests and attendees, who have no account of their own.

use std::collections::BTreeSet;

use application::privacy::{ErasedGuest, GuestBooking, GuestRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{BookingId, EmailAddress, EventId, OrganizerId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::entity::{booking, booking_attendee, event};
use crate::error::{bad_row, orm};
use crate::lane::among;
use crate::mapping::{instant, status};
use crate::unit_of_work::{CHUNK, SqlUnit};

#[async_trait]
impl GuestRepository for SqlUnit {
    async fn bookings_of_guest(
        &mut self,
        organizer: OrganizerId,
        email: &EmailAddress,
        rows: u64,
    ) -> Result<Vec<GuestBooking>, StoreError> {
        let told = Query::select()
            .column(booking_attendee::Column::BookingId)
            .from(booking_attendee::Entity)
            .and_where(booking_attendee::Column::Email.eq(email.as_str()))
            .take();
        let coming = Condition::all()
            .add(booking::Column::OrganizerId.eq(organizer.uuid()))
            .add(booking::Column::Id.in_subquery(told));
        // Apart, since each has an index of its own, and both at once would have none.
        let mut found: BTreeSet<Found> = BTreeSet::new();
        for whose in [made_by(organizer, email), coming] {
            found.extend(some(whose, rows).all(&self.0).await.map_err(orm)?);
        }
        let events: Vec<Uuid> = found.iter().map(|(_, event, _)| *event).collect::<BTreeSet<_>>().into_iter().collect();
        let mut ends = std::collections::HashMap::new();
        for some in events.chunks(CHUNK) {
            let rows = event::Entity::find().select_only().columns([event::Column::Id, event::Column::EndAt]);
            let rows = rows.filter(among(&self.0, event::Column::Id, some)).into_tuple::<(Uuid, i64)>();
            ends.extend(rows.all(&self.0).await.map_err(orm)?);
        }
        let limit = usize::try_from(rows).unwrap_or(usize::MAX);
        let whole = |(id, event, code): Found| {
            let end = ends.get(&event).copied().ok_or_else(|| bad_row("event of the booking", id))?;
            Ok(GuestBooking {
                id: BookingId::new(id),
                event: EventId::new(event),
                status: status(code)?,
                event_ends_at: instant(end)?,
            })
        };
        found.into_iter().take(limit).map(whole).collect()
    }

    async fn erase_guest(
        &mut self,
        bookings: &[BookingId],
        email: &EmailAddress,
        pseudonym: &EmailAddress,
    ) -> Result<ErasedGuest, StoreError> {
        let mut erased = ErasedGuest::default();
        let bookings: Vec<Uuid> = bookings.iter().map(|id| id.uuid()).collect();
        for some in bookings.chunks(CHUNK) {
            let nobody = booking_attendee::ActiveModel { name: Set(None), email: Set(None), ..Default::default() };
            let update = booking_attendee::Entity::update_many()
                .set(nobody)
                .filter(booking_attendee::Column::Email.eq(email.as_str()))
                .filter(among(&self.0, booking_attendee::Column::BookingId, some));
            erased.attendees += update.exec(&self.0).await.map_err(orm)?.rows_affected;
            let other = Set(Some(pseudonym.as_str().to_owned()));
            let update = booking::Entity::update_many()
                .set(booking::ActiveModel { buyer_email: other, ..Default::default() })
                .filter(booking::Column::BuyerEmail.eq(email.as_str()))
                .filter(among(&self.0, booking::Column::Id, some));
            erased.bookings += update.exec(&self.0).await.map_err(orm)?.rows_affected;
        }
        Ok(erased)
    }
}

/// Bookings of the organizer that a guest of this address has made. Through its events, which the index begins with.
pub(crate) fn made_by(organizer: OrganizerId, email: &EmailAddress) -> Condition {
    let events = Query::select()
        .column(event::Column::Id)
        .from(event::Entity)
        .and_where(event::Column::OrganizerId.eq(organizer.uuid()))
        .take();
    Condition::all()
        .add(booking::Column::BuyerEmail.eq(email.as_str()))
        .add(booking::Column::EventId.in_subquery(events))
}

/// A booking, its event and its status.
type Found = (Uuid, Uuid, i16);

fn some(whose: Condition, rows: u64) -> sea_orm::Selector<sea_orm::SelectGetableTuple<Found>> {
    let bookings: Select<booking::Entity> = booking::Entity::find().filter(whose);
    bookings
        .select_only()
        .columns([booking::Column::Id, booking::Column::EventId, booking::Column::Status])
        .order_by_asc(booking::Column::Id)
        .limit(rows)
        .into_tuple::<Found>()
}
