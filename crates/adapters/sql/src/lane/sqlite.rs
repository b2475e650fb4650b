//! SQLite: one writer, and the batch as rows of values.
//!
//! Rows of values were measured to be faster than `json_each`. A statement holds 64 rows, or a smaller power of two at the
//! end, so that each table needs seven prepared statements and no more.

use application::booking::{BookingChange, CommitError, LaneChanges, LockedLane};
use application::idempotency::{IdempotencyKey, KEPT_FOR, KeptAnswer};
use application::journal::{AuditRow, OutboxRow};
use application::store::StoreError;
use domain::admission::Ticket;
use domain::booking::{Booking, BookingItem, Buyer};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool};
use sqlx::{AssertSqlSafe, Transaction};
use uuid::Uuid;

use super::connection::LaneConnection;
use super::{AnswerRow, HoldRow, LaneRow, Opened, check_changed, ended, locked_lane, standing};
use crate::audit::unsealed;
use crate::entity::audit_unsealed;
use crate::error::{self, raw};
use crate::mapping::{channel_code, integer, micros, status_code, ticket_status_code};

/// Begins a transaction, which holds the only writer's lock and so every lane's.
pub(super) async fn begin(writer: &SqlitePool, keys: &[Uuid]) -> Result<Opened, StoreError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(raw)?;
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let mut locked: Vec<LockedLane> = Vec::with_capacity(keys.len());
    for some in keys.chunks(ROWS_MAX) {
        let marks = vec!["?"; some.len()].join(",");
        let sql = format!("SELECT event_id, version, decided_at FROM lanes WHERE event_id IN ({marks}) ORDER BY 1");
        let mut query = sqlx::query_as::<_, LaneRow>(AssertSqlSafe(sql));
        for key in some {
            query = query.bind(key);
        }
        for row in query.fetch_all(&mut *transaction).await.map_err(raw)? {
            locked.push(locked_lane(row)?);
        }
    }
    Ok((LaneConnection::Sqlite(tokio::sync::Mutex::new(transaction)), locked, Vec::new()))
}

/// Commits. SQLite answers for itself: it is durable, or it was not done.
pub(super) async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<(), CommitError> {
    transaction.commit().await.map_err(error::commit)
}

/// What was kept under these keys.
pub(super) async fn kept_answers(
    transaction: &mut Transaction<'static, Sqlite>,
    keys: &[IdempotencyKey],
) -> Result<Vec<AnswerRow>, StoreError> {
    let mut found = Vec::new();
    for some in halves(keys) {
        let sql = format!(
            "WITH asked (caller, word) AS (VALUES {}) SELECT k.caller, k.word, k.fingerprint, k.snapshot, k.kept_at
             FROM asked CROSS JOIN idempotency_keys AS k ON k.caller = asked.caller AND k.word = asked.word",
            marks(some.len(), 2)
        );
        let mut query = sqlx::query_as::<_, AnswerRow>(AssertSqlSafe(sql));
        for key in some {
            query = query.bind(key.caller.uuid()).bind(&*key.key);
        }
        found.append(&mut query.fetch_all(&mut **transaction).await.map_err(raw)?);
    }
    Ok(found)
}

/// Writes the batch, and refuses it if not exactly the rows changed that should.
pub(super) async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    changes: &LaneChanges,
) -> Result<(), StoreError> {
    let mut writer = Writer(transaction);
    let items: Vec<(&Booking, i16, &BookingItem)> = changes
        .new_bookings
        .iter()
        .flat_map(|booking| booking.items.iter().zip(0_i16..).map(move |(item, at)| (booking, at, item)))
        .collect();
    let lanes =
        writer.send(&LANES, &changes.lanes, |query, lane| query.bind(lane.key.uuid()).bind(micros(lane.decided_at)));
    check_changed("lanes", changes.lanes.len(), lanes.await?)?;
    let pools = writer.send(&POOLS, &changes.pools, |query, pool| {
        let settings = pool.settings.as_ref();
        let query = query.bind(pool.id.uuid()).bind(pool.held).bind(pool.sold);
        let capacity = settings.and_then(|(_, capacity)| capacity.map(i64::from));
        query.bind(capacity).bind(settings.map(|(name, _)| name.as_str()))
    });
    check_changed("pools", changes.pools.len(), pools.await?)?;
    writer.send(&BOOKINGS, &changes.new_bookings, bind_booking).await?;
    writer.send(&ITEMS, &items, bind_item).await?;
    writer.send(&OUTBOX, &changes.outbox, bind_message).await?;
    writer.send(&AUDIT, &changes.audit, bind_line).await?;
    writer.send(&UNSEALED, &unsealed(&changes.audit), bind_unsealed).await?;
    let answers = writer.send(&ANSWERS, &changes.answers, bind_answer).await?;
    check_changed("idempotency_keys", changes.answers.len(), answers)?;
    let changed = writer.send(&CHANGED, &changes.bookings, bind_changed).await?;
    check_changed("bookings", changes.bookings.len(), changed)?;
    let ended = ended(&changes.bookings);
    let gone = writer.send(&ENDED, &ended, bind_hold).await?;
    check_changed("holds", ended.len(), gone)?;
    let changed = changes.bookings.iter().map(|change| &change.booking);
    writer.send(&HOLDS, &standing(changes.new_bookings.iter().chain(changed)), bind_hold).await?;
    writer.send(&TICKETS, &changes.new_tickets, bind_ticket).await?;
    let reissued = writer.send(&REISSUED, &changes.tickets, bind_reissued).await?;
    check_changed("tickets", changes.tickets.len(), reissued)?;
    writer.send(&REVOKED, &changes.revoked, |query, booking| query.bind(booking.uuid())).await.map(drop)
}

/// A statement around rows of values: what stands before and behind them, and how many values a row has.
struct Rows {
    before: &'static str,
    width: usize,
    behind: &'static str,
}

const LANES: Rows = Rows {
    before: "WITH d (event_id, decided_at) AS (VALUES ",
    width: 2,
    behind: ") UPDATE lanes SET version = lanes.version + 1, decided_at = max(lanes.decided_at, d.decided_at)
        FROM d WHERE lanes.event_id = d.event_id",
};

const POOLS: Rows = Rows {
    before: "WITH d (id, held, sold, capacity, name) AS (VALUES ",
    width: 5,
    behind: ") UPDATE pools SET held = pools.held + d.held, sold = pools.sold + d.sold,
        capacity = CASE WHEN d.name IS NULL THEN pools.capacity ELSE d.capacity END, name = coalesce(d.name, pools.name)
        FROM d WHERE pools.id = d.id",
};

const BOOKINGS: Rows = Rows {
    before: "INSERT INTO bookings (id, event_id, organizer_id, buyer_user_id, total, expires_at, release_at, ends_at,
        created_at, updated_at, sequence, status, channel, currency, reference, buyer_email) VALUES ",
    width: 16,
    behind: "",
};

const ITEMS: Rows = Rows {
    before: "INSERT INTO booking_items (booking_id, ticket_type_id, unit_price, quantity, position, name) VALUES ",
    width: 6,
    behind: "",
};

const HOLDS: Rows =
    Rows { before: "INSERT INTO holds (event_id, release_at, booking_id) VALUES ", width: 3, behind: "" };

const ENDED: Rows = Rows {
    // Named, since SQLite looks through all holds for a bare list of rows.
    before: "WITH d (event_id, release_at, booking_id) AS (VALUES ",
    width: 3,
    behind: ") DELETE FROM holds WHERE (event_id, release_at, booking_id) IN (SELECT * FROM d)",
};

const OUTBOX: Rows = Rows {
    before: "INSERT INTO outbox (id, aggregate, occurred_at, sequence, kind, data, traceparent) VALUES ",
    width: 7,
    behind: "",
};

const AUDIT: Rows = Rows {
    before: "INSERT INTO audit_log (id, object, organizer_id, actor_user_id, occurred_at, actor_kind, action,
        object_kind, before_state, after_state, correlation_id, personal) VALUES ",
    width: 12,
    behind: "",
};

const UNSEALED: Rows = Rows {
    before: "INSERT INTO audit_unsealed (id, organizer_id, lines, digests, commitments) VALUES ",
    width: 5,
    behind: "",
};

const ANSWERS: Rows = Rows {
    before: "INSERT INTO idempotency_keys (caller, kept_at, word, fingerprint, snapshot) VALUES ",
    width: 5,
    // The bound of `KEPT_FOR`, in microseconds; a test keeps both alike.
    behind: " ON CONFLICT (caller, word) DO UPDATE
        SET kept_at = excluded.kept_at, fingerprint = excluded.fingerprint, snapshot = excluded.snapshot
        WHERE idempotency_keys.kept_at <= excluded.kept_at - 86400000000",
};

const _: () = assert!(KEPT_FOR.num_seconds() == 86_400, "the statement above has the bound in its text");

const CHANGED: Rows = Rows {
    before: "WITH d (id, status, expires_at, release_at, ends_at, sequence, updated_at) AS (VALUES ",
    width: 7,
    behind: ") UPDATE bookings SET status = d.status, expires_at = d.expires_at, release_at = d.release_at,
        ends_at = d.ends_at, sequence = d.sequence, updated_at = d.updated_at
        FROM d WHERE bookings.id = d.id AND bookings.sequence < d.sequence",
};

const TICKETS: Rows = Rows {
    before: "INSERT INTO tickets (id, booking_id, event_id, ticket_type_id, unit, issue, attendee, status) VALUES ",
    width: 8,
    behind: "",
};

const REISSUED: Rows = Rows {
    before: "WITH d (id, issue, attendee) AS (VALUES ",
    width: 3,
    behind: ") UPDATE tickets SET issue = d.issue, attendee = d.attendee
        FROM d WHERE tickets.id = d.id AND tickets.issue < d.issue AND tickets.status = 0",
};

const REVOKED: Rows = Rows {
    before: "WITH d (booking_id) AS (VALUES ",
    width: 1,
    behind: ") UPDATE tickets SET status = 1 FROM d WHERE tickets.booking_id = d.booking_id AND tickets.status = 0",
};

/// The most rows of one statement.
const ROWS_MAX: usize = 64;

/// The rows in pieces of 64, then 32, 16 and so on.
fn halves<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = if rest.len() >= ROWS_MAX { ROWS_MAX } else { 1 << rest.len().checked_ilog2()? };
        let (some, others) = rest.split_at(size);
        rest = others;
        Some(some)
    })
}

/// `(?,?),(?,?)`
fn marks(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(","));
    vec![row; rows].join(",")
}

type WriteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

struct Writer<'t>(&'t mut Transaction<'static, Sqlite>);

impl Writer<'_> {
    /// Sends the rows, and answers how many changed.
    async fn send<'q, T>(
        &mut self,
        statement: &Rows,
        rows: &'q [T],
        bind: impl Fn(WriteQuery<'q>, &'q T) -> WriteQuery<'q>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        for some in halves(rows) {
            let sql = [statement.before, &marks(some.len(), statement.width), statement.behind].concat();
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(sql)), &bind);
            changed += query.execute(&mut **self.0).await.map_err(raw)?.rows_affected();
        }
        Ok(changed)
    }
}

fn bind_booking<'q>(query: WriteQuery<'q>, row: &'q Booking) -> WriteQuery<'q> {
    let (account, guest) = match &row.buyer {
        Buyer::Account(user) => (Some(user.uuid()), None),
        Buyer::Guest(email) => (None, Some(email.as_str())),
    };
    query
        .bind(row.id.uuid())
        .bind(row.event.uuid())
        .bind(row.organizer.uuid())
        .bind(account)
        .bind(row.total.minor)
        .bind(row.hold.map(|hold| micros(hold.expires_at)))
        .bind(row.hold.map(|hold| micros(hold.release_at)))
        .bind(row.hold.map(|hold| micros(hold.ends_at)))
        .bind(micros(row.created_at))
        .bind(micros(row.updated_at))
        .bind(integer(row.sequence))
        .bind(status_code(row.status))
        .bind(channel_code(row.channel))
        .bind(row.total.currency.code())
        .bind(row.reference.as_str())
        .bind(guest)
}

fn bind_item<'q>(query: WriteQuery<'q>, row: &'q (&Booking, i16, &BookingItem)) -> WriteQuery<'q> {
    let (booking, position, item) = *row;
    query
        .bind(booking.id.uuid())
        .bind(item.ticket_type.uuid())
        .bind(item.unit_price)
        .bind(integer(item.quantity))
        .bind(position)
        .bind(item.name.as_str().to_owned())
}

fn bind_message<'q>(query: WriteQuery<'q>, row: &'q OutboxRow) -> WriteQuery<'q> {
    query
        .bind(row.id.uuid())
        .bind(row.aggregate)
        .bind(micros(row.at))
        .bind(integer(row.sequence))
        .bind(row.kind)
        .bind(row.data.as_str())
        .bind(row.traceparent.as_deref())
}

fn bind_line<'q>(query: WriteQuery<'q>, row: &'q AuditRow) -> WriteQuery<'q> {
    let (kind, account) = super::actor(row.actor);
    query
        .bind(row.id)
        .bind(row.object)
        .bind(row.organizer.map(domain::OrganizerId::uuid))
        .bind(account)
        .bind(micros(row.at))
        .bind(kind)
        .bind(row.action)
        .bind(row.object_kind)
        .bind(row.before.as_deref())
        .bind(row.after.as_deref())
        .bind(&*row.correlation_id)
        .bind(row.personal.as_ref().map(|personal| personal.fields.as_str()))
}

fn bind_unsealed<'q>(query: WriteQuery<'q>, row: &'q audit_unsealed::Model) -> WriteQuery<'q> {
    query
        .bind(row.id)
        .bind(row.organizer_id)
        .bind(row.lines.as_slice())
        .bind(row.digests.as_deref())
        .bind(row.commitments.as_deref())
}

fn bind_answer<'q>(query: WriteQuery<'q>, row: &'q KeptAnswer) -> WriteQuery<'q> {
    query
        .bind(row.key.caller.uuid())
        .bind(micros(row.at))
        .bind(&*row.key.key)
        .bind(row.key.fingerprint.as_slice())
        .bind(row.snapshot.as_str())
}

fn bind_hold<'q>(query: WriteQuery<'q>, row: &'q HoldRow) -> WriteQuery<'q> {
    query.bind(row.0).bind(row.1).bind(row.2)
}

fn bind_ticket<'q>(query: WriteQuery<'q>, row: &'q Ticket) -> WriteQuery<'q> {
    query
        .bind(row.id.uuid())
        .bind(row.booking.uuid())
        .bind(row.event.uuid())
        .bind(row.ticket_type.uuid())
        .bind(integer(row.unit))
        .bind(integer(row.issue))
        .bind(row.attendee.map(i32::from))
        .bind(ticket_status_code(row.status))
}

fn bind_reissued<'q>(query: WriteQuery<'q>, row: &'q Ticket) -> WriteQuery<'q> {
    query.bind(row.id.uuid()).bind(integer(row.issue)).bind(row.attendee.map(i32::from))
}

fn bind_changed<'q>(query: WriteQuery<'q>, change: &'q BookingChange) -> WriteQuery<'q> {
    let row = &change.booking;
    query
        .bind(row.id.uuid())
        .bind(status_code(row.status))
        .bind(row.hold.map(|hold| micros(hold.expires_at)))
        .bind(row.hold.map(|hold| micros(hold.release_at)))
        .bind(row.hold.map(|hold| micros(hold.ends_at)))
        .bind(integer(row.sequence))
        .bind(micros(row.updated_at))
}
