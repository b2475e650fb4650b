//! Payments and refunds outside of the desk.

use std::collections::HashMap;

use application::payment::{CaseTerms, EventFigures, PaymentStore};
use application::store::StoreError;
use async_trait::async_trait;
use domain::payment::{MANUAL, Payment, Refund};
use domain::{BookingId, EventId, OrganizerId, PaymentId, RefundId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{payment, refund};
use crate::error::{bad_row, orm};
use crate::lane::{among, payments, refunds};
use crate::mapping::{self, micros};
use crate::unit_of_work::CHUNK;

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
        with_payments(self, refund::Entity::find().filter(Expr::cust(OPEN)), after, rows).await
    }

    async fn payments_by_ids(&self, ids: &[PaymentId]) -> Result<Vec<Payment>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let select = payment::Entity::find().filter(among(self.reads(), payment::Column::Id, chunk));
            let rows = select.all(self.reads()).await.map_err(orm)?;
            for row in rows {
                found.push(mapping::payment(row)?);
            }
        }
        Ok(found)
    }

    async fn refunds_by_ids(&self, ids: &[RefundId]) -> Result<Vec<Refund>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let select = refund::Entity::find().filter(among(self.reads(), refund::Column::Id, chunk));
            let rows = select.all(self.reads()).await.map_err(orm)?;
            for row in rows {
                found.push(mapping::refund(row)?);
            }
        }
        Ok(found)
    }

    async fn payments_behind(&self, after: Option<PaymentId>, rows: u64) -> Result<Vec<Payment>, StoreError> {
        let behind = after.map(|after| payment::Column::Id.gt(after.uuid()));
        let select = payment::Entity::find().filter(Condition::all().add_option(behind));
        let found = select.order_by_asc(payment::Column::Id).limit(rows).all(self.reads()).await.map_err(orm)?;
        found.into_iter().map(mapping::payment).collect()
    }

    async fn refunds_behind(&self, after: Option<RefundId>, rows: u64) -> Result<Vec<(Refund, Payment)>, StoreError> {
        with_payments(self, refund::Entity::find(), after, rows).await
    }

    async fn event_figures(&self, event: EventId) -> Result<EventFigures, StoreError> {
        self.figures_of(event).await
    }

    async fn payment_cases(
        &self,
        organizer: OrganizerId,
        terms: &CaseTerms,
        before: Option<PaymentId>,
        rows: u64,
    ) -> Result<Vec<Payment>, StoreError> {
        let mut found = Vec::new();
        for sort in sorts_of_cases(terms, Some(organizer)) {
            let behind = before.map(|before| payment::Column::Id.lt(before.uuid()));
            let page = sort.filter(Condition::all().add_option(behind));
            let page = page.order_by_desc(payment::Column::Id).limit(rows).all(self.reads()).await;
            found.append(&mut page.map_err(orm)?);
        }
        found.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        found.dedup_by_key(|row| row.id);
        found.truncate(usize::try_from(rows).unwrap_or(usize::MAX));
        found.into_iter().map(mapping::payment).collect()
    }

    async fn count_payment_cases(&self, terms: &CaseTerms) -> Result<u64, StoreError> {
        let ids = |sort: Select<payment::Entity>| sort.select_only().column(payment::Column::Id).into_query();
        let mut sorts = sorts_of_cases(terms, None).into_iter().map(ids);
        let mut cases = sorts.next().unwrap_or_default();
        cases.unions(sorts.map(|sort: SelectStatement| (UnionType::Distinct, sort)));
        let count = Query::select().expr_as(Expr::cust("count(*)"), "cases").from_subquery(cases, "found").to_owned();
        let row = self.reads().query_one(&count).await.map_err(orm)?;
        let count: Option<i64> = row.map(|row| row.try_get("", "cases")).transpose().map_err(orm)?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }
}

/// These refunds in the order of their ids, behind `after`, each with its payment.
async fn with_payments(
    database: &Database,
    refunds: Select<refund::Entity>,
    after: Option<RefundId>,
    rows: u64,
) -> Result<Vec<(Refund, Payment)>, StoreError> {
    let behind = after.map(|after| refund::Column::Id.gt(after.uuid()));
    let refunds = refunds.filter(Condition::all().add_option(behind));
    let rows = refunds.order_by_asc(refund::Column::Id).limit(rows).all(database.reads()).await.map_err(orm)?;
    let mut ids: Vec<PaymentId> = rows.iter().map(|row| PaymentId::new(row.payment_id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let payments = database.payments_by_ids(&ids).await?;
    let payments: HashMap<PaymentId, Payment> = payments.into_iter().map(|payment| (payment.id, payment)).collect();
    let whole = |row: refund::Model| {
        let of = PaymentId::new(row.payment_id);
        let of = payments.get(&of).cloned().ok_or_else(|| bad_row("payment of a refund", row.id))?;
        Ok((mapping::refund(row)?, of))
    };
    rows.into_iter().map(whole).collect()
}

/// The sorts of cases, of which each has an index of its own: they are put together, since one question with `OR` between
/// them would read all payments.
fn sorts_of_cases(terms: &CaseTerms, organizer: Option<OrganizerId>) -> [Select<payment::Entity>; 4] {
    let theirs = organizer.map(|organizer| payment::Column::OrganizerId.eq(organizer.uuid()));
    let theirs = payment::Entity::find().filter(Condition::all().add_option(theirs));
    let served = || terms.providers.iter().copied().chain([MANUAL]);
    let is_gone = payment::Column::Provider.is_not_in(served());
    let since = micros(terms.stuck_since);
    let unsettled = theirs.clone().filter(Expr::cust(UNSETTLED)).filter(Expr::cust(IS_THERE));
    let disputed = theirs.clone().filter(Expr::cust(DISPUTED)).filter(Expr::cust(STANDS));
    let stuck = theirs.clone().filter(Expr::cust(OPEN));
    let stuck = stuck.filter(payment::Column::CreatedAt.lt(since).or(is_gone.clone()));
    let mut waiting = refund::Entity::find().select_only().column(refund::Column::PaymentId).filter(Expr::cust(OPEN));
    if let Some(organizer) = organizer {
        waiting = waiting.filter(refund::Column::OrganizerId.eq(organizer.uuid()));
    }
    let is_old = Query::select()
        .column(refund::Column::PaymentId)
        .from(refund::Entity)
        .and_where(Expr::cust(OPEN))
        .and_where(Expr::col(refund::Column::CreatedAt).lt(since))
        .to_owned();
    let waiting = theirs.filter(payment::Column::Id.in_subquery(waiting.into_query()));
    let waiting = waiting.filter(is_gone.or(payment::Column::Id.in_subquery(is_old)));
    [unsettled, disputed, stuck, waiting]
}
