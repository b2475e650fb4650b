//! The least that a booking costs the database: its rows, many in a statement,
//! with nothing read and nothing locked.

use anyhow::Result;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Ids;

/// How many bookings a transaction writes.
pub(crate) const BATCH: usize = 128;

/// Writes the rows of one batch of bookings.
pub(super) async fn book(connection: &mut PgConnection, ids: &Ids) -> Result<u64> {
    let fresh = || (0..BATCH).map(|_| ids.next()).collect::<Vec<Uuid>>();
    let (bookings, buyers) = (fresh(), fresh());
    let references: Vec<String> = bookings.iter().map(|id| id.simple().to_string()).collect();
    let payloads: Vec<String> = bookings.iter().map(|id| format!(r#"{{"bookingId":"{id}","quantity":1}}"#)).collect();
    let mut transaction = connection.begin().await?;
    sqlx::query(
        "INSERT INTO booking SELECT id, buyer, buyer, reference, 'pending', 2500, now() + interval '15 minutes', now() FROM UNNEST($1::uuid[], $2::uuid[], $3::text[]) AS row(id, buyer, reference)",
    )
    .bind(&bookings)
    .bind(&buyers)
    .bind(&references)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("INSERT INTO line SELECT id, 1, id, 1, 2500 FROM UNNEST($1::uuid[]) AS row(id)")
        .bind(&bookings)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO outbox SELECT id, booking, 1, 'goticket.booking.held.v1', payload, now() FROM UNNEST($1::uuid[], $2::uuid[], $3::text[]) AS row(id, booking, payload)")
        .bind(fresh())
        .bind(&bookings)
        .bind(&payloads)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO audit SELECT id, buyer, 'booking.hold', booking, payload, now() FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) AS row(id, buyer, booking, payload)")
        .bind(fresh())
        .bind(&buyers)
        .bind(&bookings)
        .bind(&payloads)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(BATCH as u64)
}
