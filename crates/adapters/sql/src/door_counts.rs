//! How many have come to an event, by lists and gates.

use application::admission::GateCount;
use application::store::StoreError;
use domain::{CheckInListId, EventId, Text};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use uuid::Uuid;

use crate::connect::Database;
use crate::error::orm;

/// Of a ticket and list the first entry that counts is the one before which there is none: that of turn 1 for nearly all,
/// so that few look for another.
const ENTRIES: &str = "
SELECT e.list_id, e.gate, count(*) AS entries, sum(CASE WHEN e.exited_at IS NULL THEN 1 ELSE 0 END) AS inside,
    sum(CASE WHEN e.turn = 1 THEN 1 WHEN EXISTS (
        SELECT 1 FROM check_ins AS b
        WHERE b.ticket_id = e.ticket_id AND b.list_id = e.list_id AND b.turn < e.turn AND b.undone_at IS NULL
    ) THEN 0 ELSE 1 END) AS admitted
FROM check_ins AS e WHERE e.event_id = $1 AND e.undone_at IS NULL AND e.turn IS NOT NULL GROUP BY e.list_id, e.gate";

pub(crate) async fn counts(database: &Database, event: EventId) -> Result<Vec<GateCount>, StoreError> {
    let reads = database.reads();
    let statement = Statement::from_sql_and_values(reads.get_database_backend(), ENTRIES, [event.uuid().into()]);
    let rows = reads.query_all_raw(statement).await.map_err(orm)?;
    rows.iter().map(|row| gate(row).map_err(orm)).collect()
}

fn gate(row: &QueryResult) -> Result<GateCount, sea_orm::DbErr> {
    let count = |column: &str| row.try_get::<i64>("", column).map(i64::unsigned_abs);
    Ok(GateCount {
        list: CheckInListId::new(row.try_get::<Uuid>("", "list_id")?),
        gate: row.try_get::<Option<String>>("", "gate")?.map(Text::trusted),
        entries: count("entries")?,
        admitted: count("admitted")?,
        inside: count("inside")?,
    })
}
