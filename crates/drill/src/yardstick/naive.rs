//! What most ticket shops do: a transaction a buyer, all on one row.

use anyhow::{Result, ensure};
use sqlx::{Connection, PgConnection};

use super::Ids;

/// Books one ticket.
pub(super) async fn book(connection: &mut PgConnection, ids: &Ids) -> Result<u64> {
    let (booking, buyer) = (ids.next(), ids.next());
    let mut transaction = connection.begin().await?;
    let taken = sqlx::query("UPDATE pool SET available = available - $1 WHERE id = 1 AND available >= $1")
        .bind(1_i64)
        .execute(&mut *transaction)
        .await?;
    ensure!(taken.rows_affected() == 1, "the yardstick's stock ran out");
    sqlx::query("INSERT INTO booking VALUES ($1, $2, $2, $3, 'pending', 2500, now() + interval '15 minutes', now())")
        .bind(booking)
        .bind(buyer)
        .bind(booking.simple().to_string())
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO outbox VALUES ($1, $2, 1, 'goticket.booking.held.v1', $3, now())")
        .bind(ids.next())
        .bind(booking)
        .bind(format!(r#"{{"bookingId":"{booking}","quantity":1}}"#))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(1)
}
