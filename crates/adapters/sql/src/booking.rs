//! Lists of bookings, outside of transactions.

use application::booking::{BookingFilter, BookingParties, BookingReads, LaneKey};
use application::store::StoreError;
use async_trait::async_trait;
use domain::booking::{Booking, BookingStatus, PromoCode, PromoWord};
use domain::catalog::EventStatus;
use domain::{BookingId, EmailAddress, EventId, OrganizerId, PromoCodeId, Timestamp, UserId};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{booking, event, pool, promo_code, user};
use crate::error::{bad_row, orm};
use crate::lane::{promo_codes, whole_bookings};
use crate::mapping::{self, buyer, instant, micros, status_code};
use crate::unit_of_work::CHUNK;

#[async_trait]
impl BookingReads for Database {
    async fn booking(&self, id: BookingId) -> Result<Option<Booking>, StoreError> {
        let row = booking::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        let mut found = whole_bookings(self.reads(), row.into_iter().collect()).await?;
        Ok(found.pop())
    }

    async fn parties(&self, id: BookingId) -> Result<Option<BookingParties>, StoreError> {
        let found = booking::Entity::find_by_id(id.uuid())
            .select_only()
            .columns([booking::Column::EventId, booking::Column::OrganizerId])
            .columns([booking::Column::BuyerUserId, booking::Column::BuyerEmail])
            .into_tuple::<(Uuid, Uuid, Option<Uuid>, Option<String>)>()
            .one(self.reads())
            .await
            .map_err(orm)?;
        let Some((event, organizer, account, guest)) = found else { return Ok(None) };
        let buyer = buyer(account, guest).ok_or_else(|| bad_row("buyer of the booking", id))?;
        Ok(Some(BookingParties { event: EventId::new(event), organizer: OrganizerId::new(organizer), buyer }))
    }

    async fn still_held(&self, among: &[BookingId], now: Timestamp) -> Result<Vec<(BookingId, Timestamp)>, StoreError> {
        let mut held = Vec::new();
        for among in among.chunks(CHUNK) {
            let rows = booking::Entity::find()
                .select_only()
                .columns([booking::Column::Id, booking::Column::ReleaseAt])
                .filter(booking::Column::Id.is_in(among.iter().map(|id| id.uuid())))
                .filter(booking::Column::Status.eq(status_code(BookingStatus::Pending)))
                .filter(booking::Column::ReleaseAt.gt(micros(now)))
                .into_tuple::<(Uuid, i64)>()
                .all(self.reads())
                .await
                .map_err(orm)?;
            for (id, end) in rows {
                held.push((BookingId::new(id), instant(end)?));
            }
        }
        Ok(held)
    }

    async fn bookings_of(
        &self,
        buyer: UserId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let theirs = Condition::all().add(booking::Column::BuyerUserId.eq(buyer.uuid()));
        self.page(theirs, None, filter, before, rows).await
    }

    async fn bookings_in(
        &self,
        event: EventId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let here = Condition::all().add(booking::Column::EventId.eq(event.uuid()));
        self.page(here, Some(event), filter, before, rows).await
    }

    async fn promo_codes_of(
        &self,
        event: EventId,
        after: Option<PromoCodeId>,
        rows: u64,
    ) -> Result<Vec<PromoCode>, StoreError> {
        let behind = after.map(|after| promo_code::Column::Id.gt(after.uuid()));
        let page = promo_code::Entity::find()
            .filter(promo_code::Column::EventId.eq(event.uuid()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(promo_code::Column::Id)
            .limit(rows);
        page.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::promo_code).collect()
    }

    async fn promo_code(&self, event: EventId, id: PromoCodeId) -> Result<Option<PromoCode>, StoreError> {
        let row = promo_code::Entity::find_by_id(id.uuid()).filter(promo_code::Column::EventId.eq(event.uuid()));
        row.one(self.reads()).await.map_err(orm)?.map(mapping::promo_code).transpose()
    }

    async fn promo_code_named(&self, event: EventId, word: &PromoWord) -> Result<Option<PromoCode>, StoreError> {
        Ok(promo_codes(self.reads(), &[(event, word.clone())], &[]).await?.pop())
    }

    /// From event to event along the holds, one probe for each that has any: to read all of them
    /// would cost more the better an event sells.
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

    async fn open_bookings(
        &self,
        event: EventId,
        after: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<BookingId>, StoreError> {
        let behind = after.map(|after| booking::Column::Id.gt(after.uuid()));
        let open = [BookingStatus::Pending, BookingStatus::Confirmed].map(status_code);
        let page = booking::Entity::find()
            .select_only()
            .column(booking::Column::Id)
            .filter(booking::Column::EventId.eq(event.uuid()))
            .filter(booking::Column::Status.is_in(open))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(booking::Column::Id)
            .limit(rows)
            .into_tuple::<Uuid>();
        Ok(page.all(self.reads()).await.map_err(orm)?.into_iter().map(BookingId::new).collect())
    }
}

const LANES_WITH_LAPSED: &str = "
WITH RECURSIVE busy (event_id) AS (
    SELECT * FROM (SELECT event_id FROM holds ORDER BY event_id LIMIT 1) AS first
    UNION ALL
    SELECT (SELECT h.event_id FROM holds AS h WHERE h.event_id > busy.event_id ORDER BY h.event_id LIMIT 1)
    FROM busy WHERE busy.event_id IS NOT NULL
), oldest AS (
    SELECT event_id, (SELECT h.release_at FROM holds AS h WHERE h.event_id = busy.event_id
                      ORDER BY h.release_at LIMIT 1) AS release_at
    FROM busy WHERE event_id IS NOT NULL
)
SELECT event_id FROM oldest WHERE release_at <= $1 ORDER BY release_at LIMIT $2";

/// The most bookings of one buyer that a search by address looks through.
const CANDIDATES_MAX: u64 = 1_000;

impl Database {
    async fn page(
        &self,
        whose: Condition,
        event: Option<EventId>,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError> {
        let statuses: Vec<i16> = filter.statuses.iter().map(|status| status_code(*status)).collect();
        let mut whose = whose
            .add_option((!statuses.is_empty()).then(|| booking::Column::Status.is_in(statuses)))
            .add_option(before.map(|before| booking::Column::Id.lt(before.uuid())));
        // What names few bookings is looked up by itself first: within the condition, a planner that does not know how
        // few they are would rather walk through a million of the event, which come in the right order.
        if let Some(name) = &filter.reference {
            let named = Condition::all().add(booking::Column::Reference.eq(name.as_str()));
            whose = whose.add(booking::Column::Id.is_in(self.candidates(named).await?));
        }
        if let Some(email) = &filter.email {
            whose = whose.add(booking::Column::Id.is_in(self.of_address(email, event).await?));
        }
        let page = booking::Entity::find().filter(whose).order_by_desc(booking::Column::Id).limit(rows);
        let rows = page.all(self.reads()).await.map_err(orm)?;
        whole_bookings(self.reads(), rows).await
    }

    async fn candidates(&self, of: Condition) -> Result<Vec<Uuid>, StoreError> {
        let ids = booking::Entity::find().select_only().column(booking::Column::Id).filter(of);
        let ids = ids.order_by_desc(booking::Column::Id).limit(CANDIDATES_MAX).into_tuple::<Uuid>();
        ids.all(self.reads()).await.map_err(orm)
    }

    /// Bookings of the account with this address, and of the guest of the event.
    async fn of_address(&self, email: &EmailAddress, event: Option<EventId>) -> Result<Vec<Uuid>, StoreError> {
        let account = user::Entity::find().select_only().column(user::Column::Id);
        let account = account.filter(user::Column::Email.eq(email.as_str())).into_tuple::<Uuid>();
        let account = account.one(self.reads()).await.map_err(orm)?;
        let mut ids = match account {
            Some(id) => self.candidates(Condition::all().add(booking::Column::BuyerUserId.eq(id))).await?,
            None => Vec::new(),
        };
        if let Some(event) = event {
            let here = Condition::all().add(booking::Column::EventId.eq(event.uuid()));
            ids.append(&mut self.candidates(here.add(booking::Column::BuyerEmail.eq(email.as_str()))).await?);
        }
        Ok(ids)
    }
}
