//! What is booked in an event, and what was paid for it, in sums over all its bookings.

use application::payment::{EventFigures, RefundFigures};
use application::store::StoreError;
use domain::EventId;
use domain::booking::BookingStatus;
use domain::payment::MANUAL;
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use crate::connect::Database;
use crate::error::orm;
use crate::mapping::{refund_status, status};

const BOOKINGS: &str = "SELECT status, count(*) AS count FROM bookings WHERE event_id = $1 GROUP BY status";

/// A sum of `bigint` is a `numeric` for PostgreSQL. Money that came in of another currency is an open case, and not in it.
const PAYMENTS: &str = "
SELECT b.status, p.provider, sum(CASE WHEN p.status IN (0, 1) THEN 1 ELSE 0 END) AS open,
    CAST(sum(p.at_bank) AS bigint) AS disputed, CAST(sum(p.kept) AS bigint) AS kept,
    CAST(sum(CASE WHEN p.unsettled > p.at_bank THEN p.unsettled - p.at_bank ELSE 0 END) AS bigint) AS unsettled
FROM bookings AS b JOIN (
    SELECT booking_id, provider, currency, status, captured - refunded - charged_back AS kept,
        captured - refunded - charged_back - booked AS unsettled,
        CASE WHEN dispute = 0 THEN disputed ELSE 0 END AS at_bank
    FROM payments
) AS p ON p.booking_id = b.id AND p.currency = b.currency
WHERE b.event_id = $1 GROUP BY b.status, p.provider";

const REFUNDS: &str = "
SELECT r.status, count(*) AS count,
    CAST(sum(CASE WHEN r.currency = b.currency THEN r.amount ELSE 0 END) AS bigint) AS amount
FROM bookings AS b JOIN refunds AS r ON r.booking_id = b.id
WHERE b.event_id = $1 GROUP BY r.status ORDER BY r.status";

impl Database {
    pub(crate) async fn figures_of(&self, event: EventId) -> Result<EventFigures, StoreError> {
        let mut figures = EventFigures::default();
        for row in self.sums(BOOKINGS, event).await? {
            let count = value::<i64>(&row, "count")?.unsigned_abs();
            match status(value(&row, "status")?)? {
                BookingStatus::Pending => figures.pending = count,
                BookingStatus::Confirmed => figures.confirmed = count,
                BookingStatus::Cancelled => figures.cancelled = count,
                BookingStatus::Expired => {}
            }
        }
        for row in self.sums(PAYMENTS, event).await? {
            let disputed: i64 = value(&row, "disputed")?;
            figures.open_payments += value::<i64>(&row, "open")?.unsigned_abs();
            figures.disputed += disputed;
            figures.unsettled += value::<i64>(&row, "unsettled")?;
            let kept = value::<i64>(&row, "kept")? - disputed;
            match (status(value(&row, "status")?)?, value::<String>(&row, "provider")?.as_str()) {
                (BookingStatus::Expired | BookingStatus::Cancelled, _) => {}
                (_, MANUAL) => figures.by_hand += kept,
                _ => figures.by_provider += kept,
            }
        }
        for row in self.sums(REFUNDS, event).await? {
            let count = value::<i64>(&row, "count")?.unsigned_abs();
            let stands = refund_status(value(&row, "status")?)?;
            figures.refunds.push(RefundFigures { status: stands, count, amount: value(&row, "amount")? });
        }
        Ok(figures)
    }

    async fn sums(&self, sql: &str, event: EventId) -> Result<Vec<QueryResult>, StoreError> {
        let reads = self.reads();
        let statement = Statement::from_sql_and_values(reads.get_database_backend(), sql, [event.uuid().into()]);
        reads.query_all_raw(statement).await.map_err(orm)
    }
}

fn value<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(orm)
}
