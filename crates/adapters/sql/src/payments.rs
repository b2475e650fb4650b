//! Payments and refunds outside of the desk.

use std::collections::HashMap;

use application::payment::{EventFigures, PaymentStore};
use application::store::StoreError;
use async_trait::async_trait;
use domain::payment::{Payment, Refund};
use domain::{BookingId, EventId, OrganizerId, PaymentId, RefundId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{payment, refund};
use crate::error::{bad_row, orm};
use crate::lane::{payments, refunds};
use crate::mapping::{self, micros};

/// What the partial index has; a planner knows it by its text.
const OPEN: &str = "status IN (0, 1)";
const UNSETTLED: &str = "captured > booked + refunded";
/// Besides: what a bank has taken back belongs nowhere any more.
const IS_THERE: &str = "captured > booked + refunded + charged_back";
const DISPUTED: &str = "dispute IN (0, 2)";
/// Whoever has lost the money has still to think about the tickets.
const STANDS: &str =
    "(dispute = 0 OR EXISTS (SELECT 1 FROM bookings AS b WHERE b.id = payments.booking_id AND b.status = 1))";

#[async_trait]
impl PaymentStore for Database {
    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        let row = payment::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(mapping::payment).transpose()
    }

    async fn payments_of(&self, booking: BookingId) -> Result<Vec<Payment>, StoreError> {
        payments(self.reads(), &[booking]).await
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, StoreError> {
        let row = refund::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(mapping::refund).transpose()
    }

    async fn refunds_of(&self, booking: BookingId) -> Result<Vec<Refund>, StoreError> {
        refunds(self.reads(), &[booking]).await
    }

    async fn open_payments(
        &self,
        before: Timestamp,
        after: Option<PaymentId>,
        rows: u64,
    ) -> Result<Vec<Payment>, StoreError> {
        let mut open = payment::Entity::find().filter(Expr::cust(OPEN));
        open = open.filter(payment::Column::CreatedAt.lt(micros(before)));
        if let Some(after) = after {
            open = open.filter(payment::Column::Id.gt(after.uuid()));
        }
        let rows = open.order_by_asc(payment::Column::Id).limit(rows).all(self.reads()).await.map_err(orm)?;
        rows.into_iter().map(mapping::payment).collect()
    }

    async fn open_refunds(&self, after: Option<RefundId>, rows: u64) -> Result<Vec<(Refund, Payment)>, StoreError> {
        let mut open = refund::Entity::find().filter(Expr::cust(OPEN));
        if let Some(after) = after {
            open = open.filter(refund::Column::Id.gt(after.uuid()));
        }
        let rows = open.order_by_asc(refund::Column::Id).limit(rows).all(self.reads()).await.map_err(orm)?;
        let ids = rows.iter().map(|row| row.payment_id);
        let payments = payment::Entity::find().filter(payment::Column::Id.is_in(ids)).all(self.reads()).await;
        let payments: HashMap<Uuid, payment::Model> =
            payments.map_err(orm)?.into_iter().map(|row| (row.id, row)).collect();
        let whole = |row: refund::Model| {
            let of = payments.get(&row.payment_id).cloned().ok_or_else(|| bad_row("payment of a refund", row.id))?;
            Ok((mapping::refund(row)?, mapping::payment(of)?))
        };
        rows.into_iter().map(whole).collect()
    }

    async fn event_figures(&self, event: EventId) -> Result<EventFigures, StoreError> {
        self.figures_of(event).await
    }

    /// Four sorts of cases by an index each, put together here.
    async fn payment_cases(
        &self,
        organizer: OrganizerId,
        stuck_since: Timestamp,
        before: Option<PaymentId>,
        rows: u64,
    ) -> Result<Vec<Payment>, StoreError> {
        let mut theirs = payment::Entity::find().filter(payment::Column::OrganizerId.eq(organizer.uuid()));
        if let Some(before) = before {
            theirs = theirs.filter(payment::Column::Id.lt(before.uuid()));
        }
        let theirs = theirs.order_by_desc(payment::Column::Id).limit(rows);
        let unsettled = theirs.clone().filter(Expr::cust(UNSETTLED)).filter(Expr::cust(IS_THERE));
        let unsettled = unsettled.all(self.reads()).await.map_err(orm)?;
        let disputed = theirs.clone().filter(Expr::cust(DISPUTED)).filter(Expr::cust(STANDS));
        let disputed = disputed.all(self.reads()).await.map_err(orm)?;
        let stuck = theirs.clone().filter(Expr::cust(OPEN));
        let stuck = stuck.filter(payment::Column::CreatedAt.lt(micros(stuck_since))).all(self.reads()).await;
        let waiting = refund::Entity::find().select_only().column(refund::Column::PaymentId);
        let waiting = waiting.filter(Expr::cust(OPEN)).filter(refund::Column::OrganizerId.eq(organizer.uuid()));
        let waiting = waiting.filter(refund::Column::CreatedAt.lt(micros(stuck_since)));
        let waiting = theirs.filter(payment::Column::Id.in_subquery(sea_orm::QueryTrait::into_query(waiting)));
        let waiting = waiting.all(self.reads()).await.map_err(orm)?;
        let mut found: Vec<_> =
            unsettled.into_iter().chain(disputed).chain(stuck.map_err(orm)?).chain(waiting).collect();
        found.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        found.dedup_by_key(|row| row.id);
        found.truncate(usize::try_from(rows).unwrap_or(usize::MAX));
        found.into_iter().map(mapping::payment).collect()
    }
}
