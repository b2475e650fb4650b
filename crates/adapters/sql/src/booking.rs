//! Lists of bookings, outside of transactions.

use application::booking::{BookingFilter, BookingReads, LaneKey};
use application::store::StoreError;
use async_trait::async_trait;
use domain::booking::Booking;
use domain::catalog::EventStatus;
use domain::{BookingId, EmailAddress, EventId, Timestamp, UserId};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{booking, event, pool, user};
use crate::error::orm;
use crate::lane::bookings_with_parts;
use crate::mapping::{micros, status_code};

#[async_trait]
impl BookingReads for Database {
    async fn booking(&self, id: BookingId) -> Result<Option<Booking>, StoreError> {
        let row = booking::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        let mut found = bookings_with_parts(self.reads(), row.into_iter().collect()).await?;
        Ok(found.pop())
    }

    async fn bookings_of(
        &self,
        buyer: UserId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let theirs = Condition::all().add(booking::Column::BuyerUserId.eq(buyer.uuid()));
        self.page(theirs, filter, before, rows).await
    }

    async fn bookings_in(
        &self,
        event: EventId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let here = Condition::all().add(booking::Column::EventId.eq(event.uuid()));
        self.page(here, filter, before, rows).await
    }

    /// From event to event along the index of pending bookings, one probe for each that has any: to read all pending
    /// bookings would cost more the better an event sells.
    async fn lanes_with_lapsed(&self, now: Timestamp, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
        let values = [micros(now).into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(self.reads().get_database_backend(), LANES_WITH_LAPSED, values);
        let rows = self.reads().query_all_raw(statement).await.map_err(orm)?;
        rows.iter().map(|row| row.try_get::<Uuid>("", "event_id").map(LaneKey::new).map_err(orm)).collect()
    }

    async fn cancelled_lanes_with_stock(&self, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
        let occupied = Query::select()
            .column(pool::Column::EventId)
            .from(pool::Entity)
            .cond_where(Condition::any().add(pool::Column::Held.gt(0)).add(pool::Column::Sold.gt(0)))
            .to_owned();
        let events = event::Entity::find()
            .select_only()
            .column(event::Column::Id)
            .filter(event::Column::Status.eq(EventStatus::Cancelled.as_str()))
            .filter(event::Column::Id.in_subquery(occupied))
            .order_by_asc(event::Column::Id)
            .limit(u64::from(limit))
            .into_tuple::<Uuid>();
        Ok(events.all(self.reads()).await.map_err(orm)?.into_iter().map(LaneKey::new).collect())
    }
}

const LANES_WITH_LAPSED: &str = "
WITH RECURSIVE busy (event_id) AS (
    SELECT * FROM (SELECT event_id FROM bookings WHERE status = 0 ORDER BY event_id LIMIT 1) AS first
    UNION ALL
    SELECT (SELECT b.event_id FROM bookings AS b WHERE b.status = 0 AND b.event_id > busy.event_id
            ORDER BY b.event_id LIMIT 1)
    FROM busy WHERE busy.event_id IS NOT NULL
), oldest AS (
    SELECT event_id, (SELECT b.release_at FROM bookings AS b WHERE b.status = 0 AND b.event_id = busy.event_id
                      ORDER BY b.release_at LIMIT 1) AS release_at
    FROM busy WHERE event_id IS NOT NULL
)
SELECT event_id FROM oldest WHERE release_at <= $1 ORDER BY release_at LIMIT $2";

impl Database {
    async fn page(
        &self,
        whose: Condition,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let statuses: Vec<i16> = filter.statuses.iter().map(|status| status_code(*status)).collect();
        let whose = whose
            .add_option((!statuses.is_empty()).then(|| booking::Column::Status.is_in(statuses)))
            .add_option(filter.reference.as_ref().map(|name| booking::Column::Reference.eq(name.as_str())))
            .add_option(self.of_address(filter.email.as_ref()).await?)
            .add_option(before.map(|before| booking::Column::Id.lt(before.uuid())));
        let page = booking::Entity::find().filter(whose).order_by_desc(booking::Column::Id).limit(rows);
        let rows = page.all(self.reads()).await.map_err(orm)?;
        bookings_with_parts(self.reads(), rows).await
    }

    /// Bookings of the account, or of the guest, with this address.
    async fn of_address(&self, email: Option<&EmailAddress>) -> Result<Option<Condition>, StoreError> {
        let Some(email) = email else { return Ok(None) };
        let account = user::Entity::find().select_only().column(user::Column::Id);
        let account = account.filter(user::Column::Email.eq(email.as_str())).into_tuple::<Uuid>();
        let account = account.one(self.reads()).await.map_err(orm)?;
        let guest = booking::Column::BuyerEmail.eq(email.as_str());
        let account = account.map(|id| booking::Column::BuyerUserId.eq(id));
        Ok(Some(Condition::any().add(guest).add_option(account)))
    }
}
