//! PostgreSQL: the desk's own connections, the lock on lanes, and the batch as one statement over arrays.

use std::sync::LazyLock;

use application::booking::{BookingChange, LaneChanges, LaneKey, LaneWait, LockedLane, ProviderEventRow};
use application::idempotency::{IdempotencyKey, KEPT_FOR};
use application::store::StoreError;
use domain::admission::{CheckIn, Ticket};
use domain::booking::{Booking, BookingItem, Buyer};
use domain::payment::{LedgerEntry, Payment, Refund};
use domain::{EmailAddress, PoolId};
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::Query;
use sqlx::{FromRow, Postgres};
use uuid::Uuid;

use super::{
    AnswerRow, HoldRow, LaneRow, Opened, PartRow, check_changed, decided_at, ended, locked_lane, price_parts,
    promo_uses, rate_of, renewed, revoked, skew, standing, type_of,
};
use crate::audit::unsealed;
use crate::error::raw;
use crate::mapping::{
    account_code, channel_code, dispute_status_code, flag_code, integer, micros, payer_code, payment_status_code,
    refund_reason_code, refund_status_code, status_code, ticket_status_code,
};
use crate::postgres::{PostgresPool, Slot};
use crate::settings::DatabaseSettings;
use crate::transaction::SqlTransaction;
use crate::{invoices, notices};

/// The desk's own connections.
pub(crate) struct PostgresLanes {
    pool: PostgresPool,
    #[cfg(feature = "negative-control")]
    skip_lane_lock: bool,
}

impl PostgresLanes {
    pub(crate) fn new(options: PgConnectOptions, settings: &DatabaseSettings) -> Self {
        // A batch has always the same shape, whatever its size: planning it anew each time costs more than it finds out.
        // All that the desk looks for it finds by keys. A plan that was made while a table was still empty would read
        // the whole of it for ever after, so that it is told to use its indexes from the start.
        let set_up = format!(
            "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; \
             SET enable_hashjoin = off; SET enable_mergejoin = off; SET statement_timeout = {}; \
             SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; {LOCKS}",
            settings.statement_timeout.as_millis(),
            settings.lock_timeout.as_millis(),
            settings.idle_in_transaction_timeout.as_millis(),
        );
        #[cfg(feature = "negative-control")]
        let set_up = set_up + NO_LOCK;
        Self {
            pool: PostgresPool::new(options, set_up, settings.lane_connections_max, settings),
            #[cfg(feature = "negative-control")]
            skip_lane_lock: settings.negative_control.skip_lane_lock,
        }
    }

    /// Begins a transaction and locks these lanes.
    pub(super) async fn begin(&self, keys: &[Uuid], wait: LaneWait) -> Result<Opened, StoreError> {
        let lock = match wait {
            LaneWait::Skip => "lock_lanes_or_skip",
            LaneWait::Queue => "lock_lanes",
        };
        #[cfg(feature = "negative-control")]
        let lock = if self.skip_lane_lock { "look_at_lanes" } else { lock };
        let ids = keys.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
        // Both at once: a batch of one booking would feel another round trip.
        let begin = format!("BEGIN; EXECUTE {lock}('{{{ids}}}')");
        let (mut slot, rows) = self.pool.begin(&begin).await.map_err(raw)?;
        let rows: Vec<LaneRow> = rows.iter().map(LaneRow::from_row).collect::<Result<_, _>>().map_err(raw)?;
        let busy = if rows.len() == keys.len() { Vec::new() } else { existing_but(&mut slot, keys, &rows).await? };
        let locked: Vec<LockedLane> = rows.into_iter().map(locked_lane).collect::<Result<_, _>>()?;
        Ok((SqlTransaction::Postgres(tokio::sync::Mutex::new(slot)), locked, busy))
    }

    /// Ends the connections that idle, and makes no more.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// Those of the asked lanes that exist and were not had.
async fn existing_but(slot: &mut Slot, keys: &[Uuid], had: &[LaneRow]) -> Result<Vec<LaneKey>, StoreError> {
    let missing: Vec<Uuid> = keys.iter().filter(|key| !had.iter().any(|(had, ..)| had == *key)).copied().collect();
    let rows: Vec<(Uuid,)> = slot.fetch(sqlx::query(EXISTING).bind(&missing)).await.map_err(raw)?;
    Ok(rows.into_iter().map(|(key,)| LaneKey::new(key)).collect())
}

/// Told to each connection, so that they can be called by name together with `BEGIN`.
const LOCKS: &str = "
PREPARE lock_lanes_or_skip (uuid[]) AS
    SELECT event_id, version, decided_at FROM lanes WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE SKIP LOCKED;
PREPARE lock_lanes (uuid[]) AS
    SELECT event_id, version, decided_at FROM lanes WHERE event_id = ANY($1) ORDER BY event_id FOR UPDATE;";
#[cfg(feature = "negative-control")]
const NO_LOCK: &str = "
PREPARE look_at_lanes (uuid[]) AS
    SELECT event_id, version, decided_at FROM lanes WHERE event_id = ANY($1) ORDER BY event_id;";
const EXISTING: &str = "SELECT event_id FROM lanes WHERE event_id = ANY($1)";

const KEPT_ANSWERS: &str = "SELECT k.caller, k.word, k.fingerprint, k.snapshot, k.kept_at
    FROM unnest($1::uuid[], $2::text[]) AS asked (caller, word)
    JOIN idempotency_keys AS k ON k.caller = asked.caller AND k.word = asked.word";

/// What was kept under these keys.
pub(super) async fn kept_answers(slot: &mut Slot, keys: &[IdempotencyKey]) -> Result<Vec<AnswerRow>, StoreError> {
    let callers = column(keys, |key| key.caller.uuid());
    let words = column(keys, |key| &*key.key);
    slot.fetch(sqlx::query(KEPT_ANSWERS).bind(callers).bind(words)).await.map_err(raw)
}

/// The whole of an ordinary batch. The parts see the tables as they were before the statement and each other not at all,
/// which is as it should be: no part needs another.
const WRITE: &str = "
WITH lane AS (
    UPDATE lanes SET version = lanes.version + 1, decided_at = greatest(lanes.decided_at, d.decided_at)
    FROM unnest($1::uuid[], $2::bigint[]) AS d (event_id, decided_at)
    WHERE lanes.event_id = d.event_id RETURNING 1
), pool AS (
    UPDATE pools SET held = pools.held + d.held, sold = pools.sold + d.sold,
        capacity = CASE WHEN d.name IS NULL THEN pools.capacity ELSE d.capacity END,
        name = coalesce(d.name, pools.name)
    FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) AS d (id, held, sold, capacity, name)
    WHERE pools.id = d.id RETURNING 1
), booking AS (
    INSERT INTO bookings (id, event_id, organizer_id, buyer_user_id, total, expires_at, release_at, ends_at, created_at,
        updated_at, sequence, status, channel, currency, reference, buyer_email)
    SELECT * FROM unnest($8::uuid[], $9::uuid[], $10::uuid[], $11::uuid[], $12::bigint[], $13::bigint[], $14::bigint[],
        $15::bigint[], $16::bigint[], $17::bigint[], $18::integer[], $19::smallint[], $20::smallint[], $21::text[],
        $22::text[], $23::text[])
), item AS (
    INSERT INTO booking_items (booking_id, ticket_type_id, unit_price, quantity, position, name)
    SELECT * FROM unnest($24::uuid[], $25::uuid[], $26::bigint[], $27::integer[], $28::smallint[], $29::text[])
), message AS (
    INSERT INTO outbox (id, aggregate, occurred_at, sequence, kind, data, traceparent)
    SELECT * FROM unnest($30::uuid[], $31::uuid[], $32::bigint[], $33::integer[], $34::text[], $35::text[], $36::text[])
), line AS (
    INSERT INTO audit_log (id, object, organizer_id, actor_user_id, occurred_at, actor_kind, action, object_kind,
        before_state, after_state, correlation_id, personal)
    SELECT * FROM unnest($37::uuid[], $38::uuid[], $39::uuid[], $40::uuid[], $41::bigint[], $42::smallint[],
        $43::text[], $44::text[], $45::text[], $46::text[], $47::text[], $48::text[])
), unsealed AS (
    INSERT INTO audit_unsealed (id, organizer_id, lines, digests, commitments)
    SELECT * FROM unnest($49::uuid[], $50::uuid[], $51::bytea[], $52::bytea[], $53::bytea[])
), answer AS (
    INSERT INTO idempotency_keys (caller, kept_at, word, fingerprint, snapshot)
    SELECT * FROM unnest($54::uuid[], $55::bigint[], $56::text[], $57::bytea[], $58::text[])
    ON CONFLICT (caller, word) DO UPDATE
    SET kept_at = excluded.kept_at, fingerprint = excluded.fingerprint, snapshot = excluded.snapshot
    WHERE idempotency_keys.kept_at <= excluded.kept_at - $59 RETURNING 1
), hold AS (
    INSERT INTO holds (event_id, release_at, booking_id) SELECT * FROM unnest($60::uuid[], $61::bigint[], $62::uuid[])
), notice AS (
    INSERT INTO booking_notices (id, notices) SELECT * FROM unnest($63::uuid[], $64::bytea[])
)
SELECT (SELECT count(*) FROM lane), (SELECT count(*) FROM pool), (SELECT count(*) FROM answer)";

const CHANGE: &str = "
WITH booking AS (
    UPDATE bookings SET status = d.status, expires_at = d.expires_at, release_at = d.release_at, ends_at = d.ends_at,
        sequence = d.sequence, updated_at = d.updated_at
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[])
        AS d (id, status, expires_at, release_at, ends_at, sequence, updated_at)
    WHERE bookings.id = d.id AND bookings.sequence < d.sequence RETURNING 1
), ended AS (
    DELETE FROM holds USING unnest($8::uuid[], $9::bigint[], $10::uuid[]) AS d (event_id, release_at, booking_id)
    WHERE holds.event_id = d.event_id AND holds.release_at = d.release_at AND holds.booking_id = d.booking_id
    RETURNING 1
), renewed AS (
    INSERT INTO holds (event_id, release_at, booking_id) SELECT * FROM unnest($11::uuid[], $12::bigint[], $13::uuid[])
), due AS (
    INSERT INTO invoices_due (id, organizer_id, bookings) SELECT * FROM unnest($14::uuid[], $15::uuid[], $16::bytea[])
)
SELECT (SELECT count(*) FROM booking), (SELECT count(*) FROM ended)";

const TICKETS: &str = "
INSERT INTO tickets (id, booking_id, event_id, ticket_type_id, unit, issue, attendee, status)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::integer[], $7::integer[],
    $8::smallint[])";

const PRICE_PARTS: &str = "
INSERT INTO booking_price_parts (booking_id, ticket_type_id, unit_price, discount, net, tax, gross, rounding, tax_rate,
    quantity, position, paid_by, name)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::integer[], $10::bigint[], $11::smallint[], $12::smallint[], $13::text[])";

const PROMO_USES: &str = "
INSERT INTO promo_uses (booking_id, promo_code_id, discount)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])";

const PROMO_COUNTS: &str = "
UPDATE promo_codes SET used = (promo_codes.used + d.used)::integer, spent = promo_codes.spent + d.spent
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS d (id, used, spent) WHERE promo_codes.id = d.id";

const REISSUED: &str = "
UPDATE tickets SET issue = d.issue, attendee = d.attendee, passed_on = d.passed_on, changed_at = d.changed_at
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::boolean[], $5::bigint[])
    AS d (id, issue, attendee, passed_on, changed_at)
WHERE tickets.id = d.id AND tickets.issue < d.issue AND tickets.status = 0";

const REVOKED: &str = "
UPDATE tickets SET status = 1, changed_at = d.changed_at
FROM unnest($1::uuid[], $2::bigint[]) AS d (booking_id, changed_at)
WHERE tickets.booking_id = d.booking_id AND tickets.status = 0";

const CHECK_INS_CHANGED: &str = "
UPDATE check_ins SET turn = d.turn, flag = d.flag, exited_at = d.exited_at, undone_at = d.undone_at,
    sequence = d.sequence, changed_at = d.changed_at
FROM unnest($1::uuid[], $2::integer[], $3::smallint[], $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[])
    AS d (id, turn, flag, exited_at, undone_at, sequence, changed_at)
WHERE check_ins.id = d.id AND check_ins.sequence < d.sequence";

const CHECK_INS: &str = "
INSERT INTO check_ins (id, event_id, list_id, ticket_id, turn, checked_in_at, device_at, received_at, skew, flag,
    exited_at, undone_at, sequence, changed_at, gate)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::smallint[], $11::bigint[], $12::bigint[], $13::integer[], $14::bigint[],
    $15::text[])";

const PAYMENTS: &str = "
INSERT INTO payments (id, booking_id, event_id, organizer_id, amount, captured, booked, refunded, created_at, updated_at,
    version, status, currency, provider, method, failure, reference)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::integer[], $12::smallint[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[])";

const PAYMENTS_CHANGED: &str = "
UPDATE payments SET captured = d.captured, booked = d.booked, refunded = d.refunded, updated_at = d.updated_at,
    version = d.version, status = d.status, failure = d.failure, reference = d.reference,
    charged_back = d.charged_back, dispute = d.dispute, dispute_reference = d.dispute_reference, disputed = d.disputed,
    amount = d.amount, currency = d.currency
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::smallint[],
    $8::text[], $9::text[], $10::bigint[], $11::smallint[], $12::text[], $13::bigint[], $14::bigint[], $15::text[])
    AS d (id, captured, booked, refunded, updated_at, version, status, failure, reference, charged_back, dispute,
    dispute_reference, disputed, amount, currency)
WHERE payments.id = d.id AND payments.version < d.version";

const REFUNDS: &str = "
INSERT INTO refunds (id, payment_id, booking_id, event_id, organizer_id, amount, created_at, updated_at, version, status,
    reason, currency, failure, by_hand)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::integer[], $10::smallint[], $11::smallint[], $12::text[], $13::text[], $14::boolean[])";

const REFUNDS_CHANGED: &str = "
UPDATE refunds SET updated_at = d.updated_at, version = d.version, status = d.status, failure = d.failure
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::smallint[], $5::text[])
    AS d (id, updated_at, version, status, failure)
WHERE refunds.id = d.id AND refunds.version < d.version";

const LEDGER: &str = "
INSERT INTO ledger_entries (transaction_id, position, organizer_id, booking_id, payment_id, account, amount, currency,
    booked_at)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::smallint[], $7::bigint[],
    $8::text[], $9::bigint[])";

const PROVIDER_EVENTS: &str = "
INSERT INTO provider_events (provider, event, seen_at) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";

/// [`WRITE`] for a batch with one row at most for each table. To take rows out of arrays is dear where there is but one:
/// it made up half of what such a batch cost the database.
static WRITE_ONE: LazyLock<String> = LazyLock::new(|| {
    let mut parts = WRITE.split("unnest(");
    let mut sql = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((arrays, rest)) = part.split_once(')') else { continue };
        let firsts: Vec<String> = arrays.split(',').map(|array| format!("({})[1]", array.trim())).collect();
        let row = firsts.join(", ");
        match sql.strip_suffix("SELECT * FROM ") {
            Some(before) => sql = format!("{before}SELECT {row} WHERE {} IS NOT NULL", firsts[0]),
            None => sql += &format!("(SELECT {row})"),
        }
        sql += rest;
    }
    sql
});

fn is_one(changes: &LaneChanges) -> bool {
    let items: usize = changes.new_bookings.iter().map(|booking| booking.items.len()).sum();
    let journals = changes.outbox.len().max(changes.audit.len()).max(changes.answers.len());
    changes.lanes.len().max(changes.pools.len()).max(changes.new_bookings.len()).max(items).max(journals) <= 1
}

/// Writes the batch, and refuses it if not exactly the rows changed that should.
pub(super) async fn write(slot: &mut Slot, changes: &LaneChanges) -> Result<(), StoreError> {
    let query = bind_stock(sqlx::query(if is_one(changes) { &WRITE_ONE } else { WRITE }), changes);
    let query = bind_bookings(query, &changes.new_bookings);
    let query = bind_holds(bind_journals(query, changes), &standing(&changes.new_bookings));
    let (id, notices): (Vec<_>, Vec<_>) = notices::rows(changes).into_iter().unzip();
    let counts: Vec<(i64, i64, i64)> = slot.fetch(query.bind(id).bind(notices)).await.map_err(raw)?;
    let (lanes, pools, answers) = counts.first().copied().unwrap_or_default();
    check_changed("lanes", changes.lanes.len(), lanes.unsigned_abs())?;
    check_changed("pools", changes.pools.len(), pools.unsigned_abs())?;
    check_changed("idempotency_keys", changes.answers.len(), answers.unsigned_abs())?;
    if !changes.bookings.is_empty() || !changes.invoices_due.is_empty() {
        write_changed(slot, changes).await?;
    }
    let parts = price_parts(&changes.new_bookings);
    if !parts.is_empty() {
        slot.execute(bind_price_parts(sqlx::query(PRICE_PARTS), &parts)).await.map_err(raw)?;
    }
    write_promo_codes(slot, changes).await?;
    if !changes.new_tickets.is_empty() {
        slot.execute(bind_tickets(sqlx::query(TICKETS), &changes.new_tickets)).await.map_err(raw)?;
    }
    if !changes.tickets.is_empty() {
        let done = slot.execute(bind_reissued(sqlx::query(REISSUED), changes)).await.map_err(raw)?;
        check_changed("tickets", changes.tickets.len(), done.rows_affected())?;
    }
    if !changes.revoked.is_empty() {
        let rows = revoked(changes);
        let query = sqlx::query(REVOKED).bind(column(&rows, |row| row.0)).bind(column(&rows, |row| row.1));
        slot.execute(query).await.map_err(raw)?;
    }
    write_check_ins(slot, changes).await?;
    write_money(slot, changes).await
}

/// What happened to money.
async fn write_money(slot: &mut Slot, changes: &LaneChanges) -> Result<(), StoreError> {
    if !changes.payments.is_empty() {
        let done = slot.execute(bind_paid(sqlx::query(PAYMENTS_CHANGED), &changes.payments)).await.map_err(raw)?;
        check_changed("payments", changes.payments.len(), done.rows_affected())?;
    }
    if !changes.new_payments.is_empty() {
        slot.execute(bind_payments(sqlx::query(PAYMENTS), &changes.new_payments)).await.map_err(raw)?;
    }
    if !changes.refunds.is_empty() {
        let done = slot.execute(bind_refunded(sqlx::query(REFUNDS_CHANGED), &changes.refunds)).await.map_err(raw)?;
        check_changed("refunds", changes.refunds.len(), done.rows_affected())?;
    }
    if !changes.new_refunds.is_empty() {
        slot.execute(bind_refunds(sqlx::query(REFUNDS), &changes.new_refunds)).await.map_err(raw)?;
    }
    if !changes.ledger.is_empty() {
        slot.execute(bind_ledger(sqlx::query(LEDGER), &changes.ledger)).await.map_err(raw)?;
    }
    if !changes.provider_events.is_empty() {
        slot.execute(bind_events(sqlx::query(PROVIDER_EVENTS), &changes.provider_events)).await.map_err(raw)?;
    }
    Ok(())
}

/// Which promo codes are used, and how often.
async fn write_promo_codes(slot: &mut Slot, changes: &LaneChanges) -> Result<(), StoreError> {
    let (uses, counts) = (promo_uses(&changes.new_bookings), &changes.promo_counts);
    if !uses.is_empty() {
        let query = sqlx::query(PROMO_USES)
            .bind(column(&uses, |(booking, _)| booking.id.uuid()))
            .bind(column(&uses, |(_, used)| used.id.uuid()))
            .bind(column(&uses, |(_, used)| used.discount));
        slot.execute(query).await.map_err(raw)?;
    }
    if !counts.is_empty() {
        let query = sqlx::query(PROMO_COUNTS)
            .bind(column(counts, |count| count.id.uuid()))
            .bind(column(counts, |count| count.used))
            .bind(column(counts, |count| count.spent));
        let done = slot.execute(query).await.map_err(raw)?;
        check_changed("promo_codes", counts.len(), done.rows_affected())?;
    }
    Ok(())
}

/// What happened at the door.
async fn write_check_ins(slot: &mut Slot, changes: &LaneChanges) -> Result<(), StoreError> {
    let (changed, new) = (&changes.check_ins, &changes.new_check_ins);
    if !changed.is_empty() {
        let query = sqlx::query(CHECK_INS_CHANGED)
            .bind(column(changed, |row| row.id.uuid()))
            .bind(column(changed, |row| row.turn.map(integer)))
            .bind(column(changed, |row| row.flag.map(flag_code)))
            .bind(column(changed, |row| row.exited_at.map(micros)))
            .bind(column(changed, |row| row.undone_at.map(micros)))
            .bind(column(changed, |row| integer(row.sequence)))
            .bind(column(changed, |row| micros(row.changed_at)));
        let done = slot.execute(query).await.map_err(raw)?;
        check_changed("check_ins", changed.len(), done.rows_affected())?;
    }
    // Behind what changes: of one ticket, list and turn one entry counts.
    if !new.is_empty() {
        slot.execute(bind_check_ins(sqlx::query(CHECK_INS), new)).await.map_err(raw)?;
    }
    Ok(())
}

async fn write_changed(slot: &mut Slot, changes: &LaneChanges) -> Result<(), StoreError> {
    let (ended, renewed) = (ended(&changes.bookings), renewed(&changes.bookings));
    let query = bind_changed(sqlx::query(CHANGE), &changes.bookings);
    let query = bind_holds(bind_holds(query, &ended), &renewed);
    let due = invoices::due_rows(changes);
    let query = query.bind(column(&due, |row| row.0)).bind(column(&due, |row| row.1));
    let query = query.bind(column(&due, |row| row.2.as_slice()));
    let counts: Vec<(i64, i64)> = slot.fetch(query).await.map_err(raw)?;
    let (bookings, holds) = counts.first().copied().unwrap_or_default();
    check_changed("bookings", changes.bookings.len(), bookings.unsigned_abs())?;
    check_changed("holds", ended.len(), holds.unsigned_abs())
}

type WriteQuery<'q> = Query<'q, Postgres, PgArguments>;

fn column<'a, T, V>(rows: &'a [T], of: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

fn bind_stock<'q>(query: WriteQuery<'q>, changes: &'q LaneChanges) -> WriteQuery<'q> {
    let pools = &changes.pools;
    query
        .bind(column(&changes.lanes, |lane| lane.key.uuid()))
        .bind(column(&changes.lanes, |lane| micros(lane.decided_at)))
        .bind(column(pools, |pool| PoolId::uuid(pool.id)))
        .bind(column(pools, |pool| pool.held))
        .bind(column(pools, |pool| pool.sold))
        .bind(column(pools, |pool| pool.settings.as_ref().and_then(|(_, capacity)| capacity.map(i64::from))))
        .bind(column(pools, |pool| pool.settings.as_ref().map(|(name, _)| name.as_str())))
}

fn bind_bookings<'q>(query: WriteQuery<'q>, bookings: &'q [Booking]) -> WriteQuery<'q> {
    let items: Vec<(&Booking, i16, &BookingItem)> = bookings
        .iter()
        .flat_map(|booking| booking.items.iter().zip(0_i16..).map(move |(item, at)| (booking, at, item)))
        .collect();
    query
        .bind(column(bookings, |row| row.id.uuid()))
        .bind(column(bookings, |row| row.event.uuid()))
        .bind(column(bookings, |row| row.organizer.uuid()))
        .bind(column(bookings, |row| account(&row.buyer)))
        .bind(column(bookings, |row| row.total.minor))
        .bind(column(bookings, |row| row.hold.map(|hold| micros(hold.expires_at))))
        .bind(column(bookings, |row| row.hold.map(|hold| micros(hold.release_at))))
        .bind(column(bookings, |row| row.hold.map(|hold| micros(hold.ends_at))))
        .bind(column(bookings, |row| micros(row.created_at)))
        .bind(column(bookings, |row| micros(row.updated_at)))
        .bind(column(bookings, |row| integer(row.sequence)))
        .bind(column(bookings, |row| status_code(row.status)))
        .bind(column(bookings, |row| channel_code(row.channel)))
        .bind(column(bookings, |row| row.total.currency.code()))
        .bind(column(bookings, |row| row.reference.as_str()))
        .bind(column(bookings, |row| guest(&row.buyer)))
        .bind(items.iter().map(|(row, ..)| row.id.uuid()).collect::<Vec<_>>())
        .bind(items.iter().map(|(.., item)| item.ticket_type.uuid()).collect::<Vec<_>>())
        .bind(items.iter().map(|(.., item)| item.unit_price).collect::<Vec<_>>())
        .bind(items.iter().map(|(.., item)| integer(item.quantity)).collect::<Vec<_>>())
        .bind(items.iter().map(|(_, at, _)| *at).collect::<Vec<_>>())
        .bind(items.iter().map(|(.., item)| item.name.as_str()).collect::<Vec<_>>())
}

fn bind_journals<'q>(query: WriteQuery<'q>, changes: &'q LaneChanges) -> WriteQuery<'q> {
    let (outbox, audit) = (&changes.outbox, &changes.audit);
    let mut waiting = unsealed(audit);
    // Sorted, as every lock is: two batches with the same keys must not wait for each other.
    let mut answers: Vec<_> = changes.answers.iter().collect();
    answers.sort_unstable_by(|a, b| (a.key.caller, &a.key.key).cmp(&(b.key.caller, &b.key.key)));
    query
        .bind(column(outbox, |row| row.id.uuid()))
        .bind(column(outbox, |row| row.aggregate))
        .bind(column(outbox, |row| micros(row.at)))
        .bind(column(outbox, |row| integer(row.sequence)))
        .bind(column(outbox, |row| row.kind))
        .bind(column(outbox, |row| row.data.as_str()))
        .bind(column(outbox, |row| row.traceparent.as_deref()))
        .bind(column(audit, |row| row.id))
        .bind(column(audit, |row| row.object))
        .bind(column(audit, |row| row.organizer.map(domain::OrganizerId::uuid)))
        .bind(column(audit, |row| super::actor(row.actor).1))
        .bind(column(audit, |row| micros(row.at)))
        .bind(column(audit, |row| super::actor(row.actor).0))
        .bind(column(audit, |row| row.action))
        .bind(column(audit, |row| row.object_kind))
        .bind(column(audit, |row| row.before.as_deref()))
        .bind(column(audit, |row| row.after.as_deref()))
        .bind(column(audit, |row| &*row.correlation_id))
        .bind(column(audit, |row| row.personal.as_ref().map(|personal| personal.fields.as_str())))
        .bind(waiting.iter().map(|batch| batch.id).collect::<Vec<_>>())
        .bind(waiting.iter().map(|batch| batch.organizer_id).collect::<Vec<_>>())
        .bind(waiting.iter_mut().map(|batch| std::mem::take(&mut batch.lines)).collect::<Vec<_>>())
        .bind(waiting.iter_mut().map(|batch| batch.digests.take()).collect::<Vec<_>>())
        .bind(waiting.into_iter().map(|batch| batch.commitments).collect::<Vec<_>>())
        .bind(answers.iter().map(|row| row.key.caller.uuid()).collect::<Vec<_>>())
        .bind(answers.iter().map(|row| micros(row.at)).collect::<Vec<_>>())
        .bind(answers.iter().map(|row| row.key.key.to_string()).collect::<Vec<_>>())
        .bind(answers.iter().map(|row| row.key.fingerprint.to_vec()).collect::<Vec<_>>())
        .bind(answers.iter().map(|row| row.snapshot.clone()).collect::<Vec<_>>())
        .bind(KEPT_FOR.num_microseconds().unwrap_or(i64::MAX))
}

fn bind_changed<'q>(query: WriteQuery<'q>, changes: &'q [BookingChange]) -> WriteQuery<'q> {
    query
        .bind(column(changes, |row| row.booking.id.uuid()))
        .bind(column(changes, |row| status_code(row.booking.status)))
        .bind(column(changes, |row| row.booking.hold.map(|hold| micros(hold.expires_at))))
        .bind(column(changes, |row| row.booking.hold.map(|hold| micros(hold.release_at))))
        .bind(column(changes, |row| row.booking.hold.map(|hold| micros(hold.ends_at))))
        .bind(column(changes, |row| integer(row.booking.sequence)))
        .bind(column(changes, |row| micros(row.booking.updated_at)))
}

fn bind_tickets<'q>(query: WriteQuery<'q>, tickets: &'q [Ticket]) -> WriteQuery<'q> {
    query
        .bind(column(tickets, |row| row.id.uuid()))
        .bind(column(tickets, |row| row.booking.uuid()))
        .bind(column(tickets, |row| row.event.uuid()))
        .bind(column(tickets, |row| row.ticket_type.uuid()))
        .bind(column(tickets, |row| integer(row.unit)))
        .bind(column(tickets, |row| integer(row.issue)))
        .bind(column(tickets, |row| row.attendee.map(i32::from)))
        .bind(column(tickets, |row| ticket_status_code(row.status)))
}

fn bind_price_parts<'q>(query: WriteQuery<'q>, rows: &'q [PartRow<'q>]) -> WriteQuery<'q> {
    query
        .bind(column(rows, |(booking, ..)| booking.id.uuid()))
        .bind(column(rows, |(.., part)| type_of(part)))
        .bind(column(rows, |(.., part)| part.unit_price))
        .bind(column(rows, |(.., part)| part.discount))
        .bind(column(rows, |(.., part)| part.net))
        .bind(column(rows, |(.., part)| part.tax))
        .bind(column(rows, |(.., part)| part.gross))
        .bind(column(rows, |(.., part)| part.rounding))
        .bind(column(rows, |(.., part)| rate_of(part)))
        .bind(column(rows, |(.., part)| i64::from(part.quantity)))
        .bind(column(rows, |(_, at, _)| *at))
        .bind(column(rows, |(.., part)| payer_code(part.paid_by)))
        .bind(column(rows, |(.., part)| part.name.as_str()))
}

fn bind_check_ins<'q>(query: WriteQuery<'q>, entries: &'q [CheckIn]) -> WriteQuery<'q> {
    query
        .bind(column(entries, |row| row.id.uuid()))
        .bind(column(entries, |row| row.event.uuid()))
        .bind(column(entries, |row| row.list.uuid()))
        .bind(column(entries, |row| row.ticket.uuid()))
        .bind(column(entries, |row| row.turn.map(integer)))
        .bind(column(entries, |row| micros(row.at)))
        .bind(column(entries, |row| row.device_at.map(micros)))
        .bind(column(entries, |row| row.synced.map(|synced| micros(synced.received_at))))
        .bind(column(entries, skew))
        .bind(column(entries, |row| row.flag.map(flag_code)))
        .bind(column(entries, |row| row.exited_at.map(micros)))
        .bind(column(entries, |row| row.undone_at.map(micros)))
        .bind(column(entries, |row| integer(row.sequence)))
        .bind(column(entries, |row| micros(row.changed_at)))
        .bind(column(entries, |row| row.gate.as_ref().map(domain::Text::as_str)))
}

fn bind_payments<'q>(query: WriteQuery<'q>, payments: &'q [Payment]) -> WriteQuery<'q> {
    query
        .bind(column(payments, |row| row.id.uuid()))
        .bind(column(payments, |row| row.booking.uuid()))
        .bind(column(payments, |row| row.event.uuid()))
        .bind(column(payments, |row| row.organizer.uuid()))
        .bind(column(payments, |row| row.amount.minor))
        .bind(column(payments, |row| row.captured))
        .bind(column(payments, |row| row.booked))
        .bind(column(payments, |row| row.refunded))
        .bind(column(payments, |row| micros(row.created_at)))
        .bind(column(payments, |row| micros(row.updated_at)))
        .bind(column(payments, |row| integer(row.version)))
        .bind(column(payments, |row| payment_status_code(row.status)))
        .bind(column(payments, |row| row.amount.currency.code()))
        .bind(column(payments, |row| row.provider.as_str()))
        .bind(column(payments, |row| row.method.as_str()))
        .bind(column(payments, |row| row.failure.as_ref().map(domain::Text::as_str)))
        .bind(column(payments, |row| row.reference.as_ref().map(domain::Text::as_str)))
}

fn bind_paid<'q>(query: WriteQuery<'q>, payments: &'q [Payment]) -> WriteQuery<'q> {
    query
        .bind(column(payments, |row| row.id.uuid()))
        .bind(column(payments, |row| row.captured))
        .bind(column(payments, |row| row.booked))
        .bind(column(payments, |row| row.refunded))
        .bind(column(payments, |row| micros(row.updated_at)))
        .bind(column(payments, |row| integer(row.version)))
        .bind(column(payments, |row| payment_status_code(row.status)))
        .bind(column(payments, |row| row.failure.as_ref().map(domain::Text::as_str)))
        .bind(column(payments, |row| row.reference.as_ref().map(domain::Text::as_str)))
        .bind(column(payments, |row| row.charged_back))
        .bind(column(payments, |row| row.dispute.as_ref().map(|dispute| dispute_status_code(dispute.status))))
        .bind(column(payments, |row| row.dispute.as_ref().map(|dispute| dispute.reference.as_str())))
        .bind(column(payments, |row| row.dispute.as_ref().map_or(0, |dispute| dispute.amount)))
        .bind(column(payments, |row| row.amount.minor))
        .bind(column(payments, |row| row.amount.currency.code()))
}

fn bind_refunds<'q>(query: WriteQuery<'q>, refunds: &'q [Refund]) -> WriteQuery<'q> {
    query
        .bind(column(refunds, |row| row.id.uuid()))
        .bind(column(refunds, |row| row.payment.uuid()))
        .bind(column(refunds, |row| row.booking.uuid()))
        .bind(column(refunds, |row| row.event.uuid()))
        .bind(column(refunds, |row| row.organizer.uuid()))
        .bind(column(refunds, |row| row.amount.minor))
        .bind(column(refunds, |row| micros(row.created_at)))
        .bind(column(refunds, |row| micros(row.updated_at)))
        .bind(column(refunds, |row| integer(row.version)))
        .bind(column(refunds, |row| refund_status_code(row.status)))
        .bind(column(refunds, |row| refund_reason_code(row.reason)))
        .bind(column(refunds, |row| row.amount.currency.code()))
        .bind(column(refunds, |row| row.failure.as_ref().map(domain::Text::as_str)))
        .bind(column(refunds, |row| row.by_hand))
}

fn bind_refunded<'q>(query: WriteQuery<'q>, refunds: &'q [Refund]) -> WriteQuery<'q> {
    query
        .bind(column(refunds, |row| row.id.uuid()))
        .bind(column(refunds, |row| micros(row.updated_at)))
        .bind(column(refunds, |row| integer(row.version)))
        .bind(column(refunds, |row| refund_status_code(row.status)))
        .bind(column(refunds, |row| row.failure.as_ref().map(domain::Text::as_str)))
}

fn bind_ledger<'q>(query: WriteQuery<'q>, entries: &'q [LedgerEntry]) -> WriteQuery<'q> {
    query
        .bind(column(entries, |row| row.transaction.uuid()))
        .bind(column(entries, |row| i16::try_from(row.position).unwrap_or(i16::MAX)))
        .bind(column(entries, |row| row.organizer.uuid()))
        .bind(column(entries, |row| row.booking.uuid()))
        .bind(column(entries, |row| row.payment.uuid()))
        .bind(column(entries, |row| account_code(row.account)))
        .bind(column(entries, |row| row.amount.minor))
        .bind(column(entries, |row| row.amount.currency.code()))
        .bind(column(entries, |row| micros(row.at)))
}

fn bind_events<'q>(query: WriteQuery<'q>, events: &'q [ProviderEventRow]) -> WriteQuery<'q> {
    query
        .bind(column(events, |row| row.key.provider.as_str()))
        .bind(column(events, |row| row.key.event.as_str()))
        .bind(column(events, |row| micros(row.at)))
}

fn bind_reissued<'q>(query: WriteQuery<'q>, changes: &'q LaneChanges) -> WriteQuery<'q> {
    let tickets = &changes.tickets;
    query
        .bind(column(tickets, |row| row.id.uuid()))
        .bind(column(tickets, |row| integer(row.issue)))
        .bind(column(tickets, |row| row.attendee.map(i32::from)))
        .bind(column(tickets, |row| row.passed_on))
        .bind(column(tickets, |row| decided_at(changes, row.booking)))
}

fn bind_holds<'q>(query: WriteQuery<'q>, holds: &[HoldRow]) -> WriteQuery<'q> {
    query
        .bind(column(holds, |(event, ..)| *event))
        .bind(column(holds, |(_, release_at, _)| *release_at))
        .bind(column(holds, |(.., booking)| *booking))
}

fn account(buyer: &Buyer) -> Option<Uuid> {
    match buyer {
        Buyer::Account(user) => Some(user.uuid()),
        Buyer::Guest(_) => None,
    }
}

fn guest(buyer: &Buyer) -> Option<&str> {
    match buyer {
        Buyer::Account(_) => None,
        Buyer::Guest(email) => Some(EmailAddress::as_str(email)),
    }
}
