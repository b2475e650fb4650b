//! SQLite: one writer, and the batch as rows of values.
//!
//! Rows of values were measured to be faster than `json_each`. A statement holds 64 rows, or a smaller power of two at the
//! end, so that there are few texts to prepare.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use application::booking::{BookingChange, LaneChanges, LockedLane, PoolChange, ProviderEventRow};
use application::idempotency::{IdempotencyKey, KEPT_FOR, KeptAnswer};
use application::journal::{AuditRow, OutboxRow};
use application::store::StoreError;
use domain::admission::{CheckIn, Ticket};
use domain::booking::{Booking, BookingItem, Buyer};
use domain::payment::{LedgerEntry, Payment, Refund};
use sqlx::error::BoxDynError;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};
use uuid::Uuid;

use super::{
    AnswerRow, HoldRow, LaneRow, Opened, PartRow, check_changed, decided_at, ended, locked_lane, price_parts,
    promo_uses, rate_of, renewed, revoked, skew, standing, type_of,
};
use crate::audit::unsealed;
use crate::entity::audit_unsealed;
use crate::error::raw;
use crate::mapping::{
    account_code, channel_code, dispute_status_code, flag_code, integer, micros, payer_code, payment_status_code,
    refund_reason_code, refund_status_code, status_code, ticket_status_code,
};
use crate::sqlite::{SqliteSlot, SqliteWriter};
use crate::transaction::SqlTransaction;
use crate::{invoices, notices};

/// Begins a transaction by this word. It holds the only writer's lock, and so every lane's, by `BEGIN IMMEDIATE` alone.
pub(super) async fn begin(writer: &SqliteWriter, begin: &'static str, keys: &[Uuid]) -> Result<Opened, StoreError> {
    let mut slot = writer.turn().await.map_err(raw)?;
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let mut locked: Vec<LockedLane> = Vec::with_capacity(keys.len());
    for (some, begin) in keys.chunks(ROWS_MAX).zip(std::iter::once(begin).chain(std::iter::repeat(""))) {
        let marks = vec!["?"; some.len()].join(",");
        let lanes = format!("SELECT event_id, version, decided_at FROM lanes WHERE event_id IN ({marks}) ORDER BY 1");
        let query = sqlx::query(AssertSqlSafe(format!("{begin}; {lanes}")));
        let rows: Vec<LaneRow> = slot.fetch(some.iter().fold(query, Query::bind)).await.map_err(raw)?;
        locked.append(&mut rows.into_iter().map(locked_lane).collect::<Result<_, _>>()?);
    }
    Ok((SqlTransaction::Sqlite(slot.into()), locked, Vec::new()))
}

/// What was kept under these keys.
pub(super) async fn kept_answers(slot: &mut SqliteSlot, keys: &[IdempotencyKey]) -> Result<Vec<AnswerRow>, StoreError> {
    let mut found = Vec::new();
    for some in halves(keys) {
        let sql = format!(
            "WITH asked (caller, word) AS (VALUES {}) SELECT k.caller, k.word, k.fingerprint, k.snapshot, k.kept_at
             FROM asked CROSS JOIN idempotency_keys AS k ON k.caller = asked.caller AND k.word = asked.word",
            marks(some.len(), 2)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for key in some {
            query = query.bind(key.caller.uuid()).bind(&*key.key);
        }
        found.append(&mut slot.fetch(query).await.map_err(raw)?);
    }
    Ok(found)
}

/// Writes the batch, and refuses it if not exactly the rows changed that should.
pub(super) async fn write(slot: &mut SqliteSlot, changes: &LaneChanges) -> Result<(), StoreError> {
    let items: Vec<(&Booking, i16, &BookingItem)> = changes
        .new_bookings
        .iter()
        .flat_map(|booking| booking.items.iter().zip(0_i16..).map(move |(item, at)| (booking, at, item)))
        .collect();
    let mut script = Script::default();
    script.add(&LANES, &changes.lanes, |values, lane| values.bind(lane.key.uuid()).bind(micros(lane.decided_at)));
    script.add(&POOLS, &changes.pools, bind_pool);
    script.add(&BOOKINGS, &changes.new_bookings, bind_booking);
    script.add(&ITEMS, &items, bind_item);
    script.add(&OUTBOX, &changes.outbox, bind_message);
    script.add(&AUDIT, &changes.audit, bind_line);
    script.add(&UNSEALED, &unsealed(&changes.audit), bind_unsealed);
    script.add(&NOTICES, notices::rows(changes).as_slice(), |values, (id, notices)| {
        values.bind(*id).bind(notices.clone())
    });
    script.add(&INVOICES_DUE, &invoices::due_rows(changes), |values, (id, organizer, bookings)| {
        values.bind(*id).bind(*organizer).bind(bookings.clone())
    });
    script.add(&ANSWERS, &changes.answers, bind_answer);
    script.add(&CHANGED, &changes.bookings, bind_changed);
    script.add(&ENDED, &ended(&changes.bookings), bind_hold);
    script.add(&HOLDS, &standing(&changes.new_bookings), bind_hold);
    script.add(&HOLDS, &renewed(&changes.bookings), bind_hold);
    script.add(&TICKETS, &changes.new_tickets, bind_ticket);
    script.add(&PRICE_PARTS, &price_parts(&changes.new_bookings), bind_price_part);
    script.add(&PAYMENTS_CHANGED, &changes.payments, bind_paid);
    script.add(&PAYMENTS, &changes.new_payments, bind_payment);
    script.add(&REFUNDS_CHANGED, &changes.refunds, bind_refunded);
    script.add(&REFUNDS, &changes.new_refunds, bind_refund);
    script.add(&LEDGER, &changes.ledger, bind_entry);
    script.add(&PROVIDER_EVENTS, &changes.provider_events, bind_event);
    script.add(&PROMO_USES, &promo_uses(&changes.new_bookings), |values, (booking, used)| {
        values.bind(booking.id.uuid()).bind(used.id.uuid()).bind(used.discount)
    });
    script.add(&PROMO_COUNTS, &changes.promo_counts, |values, count| {
        values.bind(count.id.uuid()).bind(count.used).bind(count.spent)
    });
    script.run(slot).await?;
    // These find tickets that the same batch has made.
    let mut script = Script::default();
    script.add(&REISSUED, &changes.tickets, |values, ticket| {
        bind_reissued(values, ticket).bind(decided_at(changes, ticket.booking))
    });
    script.add(&CHECK_INS_CHANGED, &changes.check_ins, bind_check_in_change);
    script.run(slot).await?;
    // Behind what changes: of one ticket, list and turn one entry counts.
    let mut script = Script::default();
    script.add(&CHECK_INS, &changes.new_check_ins, bind_check_in);
    script.run(slot).await?;
    let mut script = Script::default();
    script.add(&REVOKED, &revoked(changes), |values, row| values.bind(row.0).bind(row.1));
    script.run_for_any(slot).await.map(drop)
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

const PRICE_PARTS: Rows = Rows {
    before:
        "INSERT INTO booking_price_parts (booking_id, ticket_type_id, unit_price, discount, net, tax, gross, rounding,
        tax_rate, quantity, position, paid_by, name) VALUES ",
    width: 13,
    behind: "",
};

const PROMO_USES: Rows =
    Rows { before: "INSERT INTO promo_uses (booking_id, promo_code_id, discount) VALUES ", width: 3, behind: "" };

const PROMO_COUNTS: Rows = Rows {
    before: "WITH d (id, used, spent) AS (VALUES ",
    width: 3,
    behind: ") UPDATE promo_codes SET used = promo_codes.used + d.used, spent = promo_codes.spent + d.spent
        FROM d WHERE promo_codes.id = d.id",
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

const NOTICES: Rows = Rows { before: "INSERT INTO booking_notices (id, notices) VALUES ", width: 2, behind: "" };

const INVOICES_DUE: Rows =
    Rows { before: "INSERT INTO invoices_due (id, organizer_id, bookings) VALUES ", width: 3, behind: "" };

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

const PAYMENTS: Rows = Rows {
    before:
        "INSERT INTO payments (id, booking_id, event_id, organizer_id, amount, captured, booked, refunded, created_at,
        updated_at, version, status, currency, provider, method, failure, reference) VALUES ",
    width: 17,
    behind: "",
};

const PAYMENTS_CHANGED: Rows = Rows {
    before: "WITH d (id, captured, booked, refunded, updated_at, version, status, failure, reference, charged_back,
        dispute, dispute_reference, disputed, amount, currency) AS (VALUES ",
    width: 15,
    behind: ") UPDATE payments SET captured = d.captured, booked = d.booked, refunded = d.refunded,
        updated_at = d.updated_at, version = d.version, status = d.status, failure = d.failure, reference = d.reference,
        charged_back = d.charged_back, dispute = d.dispute, dispute_reference = d.dispute_reference,
        disputed = d.disputed, amount = d.amount, currency = d.currency
        FROM d WHERE payments.id = d.id AND payments.version < d.version",
};

const REFUNDS: Rows = Rows {
    before: "INSERT INTO refunds (id, payment_id, booking_id, event_id, organizer_id, amount, created_at, updated_at,
        version, status, reason, currency, failure, by_hand) VALUES ",
    width: 14,
    behind: "",
};

const REFUNDS_CHANGED: Rows = Rows {
    before: "WITH d (id, updated_at, version, status, failure) AS (VALUES ",
    width: 5,
    behind:
        ") UPDATE refunds SET updated_at = d.updated_at, version = d.version, status = d.status, failure = d.failure
        FROM d WHERE refunds.id = d.id AND refunds.version < d.version",
};

const LEDGER: Rows = Rows {
    before:
        "INSERT INTO ledger_entries (transaction_id, position, organizer_id, booking_id, payment_id, account, amount,
        currency, booked_at) VALUES ",
    width: 9,
    behind: "",
};

const PROVIDER_EVENTS: Rows =
    Rows { before: "INSERT INTO provider_events (provider, event, seen_at) VALUES ", width: 3, behind: "" };

const REISSUED: Rows = Rows {
    before: "WITH d (id, issue, attendee, passed_on, changed_at) AS (VALUES ",
    width: 5,
    behind:
        ") UPDATE tickets SET issue = d.issue, attendee = d.attendee, passed_on = d.passed_on, changed_at = d.changed_at
        FROM d WHERE tickets.id = d.id AND tickets.issue < d.issue AND tickets.status = 0",
};

const REVOKED: Rows = Rows {
    before: "WITH d (booking_id, changed_at) AS (VALUES ",
    width: 2,
    behind: ") UPDATE tickets SET status = 1, changed_at = d.changed_at
        FROM d WHERE tickets.booking_id = d.booking_id AND tickets.status = 0",
};

const CHECK_INS_CHANGED: Rows = Rows {
    before: "WITH d (id, turn, flag, exited_at, undone_at, sequence, changed_at) AS (VALUES ",
    width: 7,
    behind: ") UPDATE check_ins SET turn = d.turn, flag = d.flag, exited_at = d.exited_at, undone_at = d.undone_at,
        sequence = d.sequence, changed_at = d.changed_at
        FROM d WHERE check_ins.id = d.id AND check_ins.sequence < d.sequence",
};

const CHECK_INS: Rows = Rows {
    before:
        "INSERT INTO check_ins (id, event_id, list_id, ticket_id, turn, checked_in_at, device_at, received_at, skew,
        flag, exited_at, undone_at, sequence, changed_at, gate) VALUES ",
    width: 15,
    behind: "",
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

/// The statements of a batch. Connections of SQLite live on threads of their own, and to be heard there and back takes
/// longer than most statements: so what has the same number of rows goes there together, whatever its table. No
/// statement needs another one, so that their order is free.
#[derive(Default)]
struct Script {
    /// By the rows of each statement; of those with the most there may be several.
    messages: BTreeMap<(Reverse<usize>, usize), Message>,
    rows: usize,
}

/// Statements behind each other, and their values in the same order.
#[derive(Default)]
struct Message {
    sql: String,
    values: Values,
}

impl Script {
    /// Adds rows, each of which must change one row.
    fn add<T>(&mut self, statement: &Rows, rows: &[T], bind: impl Fn(Values, &T) -> Values) {
        self.rows += rows.len();
        for (at, some) in halves(rows).enumerate() {
            let turn = if some.len() == ROWS_MAX { at } else { 0 };
            let message = self.messages.entry((Reverse(some.len()), turn)).or_default();
            let marks = marks(some.len(), statement.width);
            message.sql.extend([statement.before, &marks, statement.behind, ";"]);
            message.values = some.iter().fold(std::mem::take(&mut message.values), &bind);
        }
    }

    /// Refuses the batch if not each row changed one.
    async fn run(self, slot: &mut SqliteSlot) -> Result<(), StoreError> {
        let rows = self.rows;
        let changed = self.run_for_any(slot).await?;
        // None can change more than it should, so that the sum is right only where each is.
        check_changed("batch", rows, changed)
    }

    /// Runs it, however much changes; says how much did.
    async fn run_for_any(self, slot: &mut SqliteSlot) -> Result<u64, StoreError> {
        let mut changed = 0;
        for Message { sql, values } in self.messages.into_values() {
            let values = values.0.map_err(sqlx::Error::Encode).map_err(raw)?;
            let query = sqlx::query_with(AssertSqlSafe(sql), values);
            changed += slot.execute(query).await.map_err(raw)?.rows_affected();
        }
        Ok(changed)
    }
}

/// Values for the marks of statements.
struct Values(Result<SqliteArguments, BoxDynError>);

impl Default for Values {
    fn default() -> Self {
        Self(Ok(SqliteArguments::default()))
    }
}

impl Values {
    fn bind<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(self, value: T) -> Self {
        Self(self.0.and_then(|mut values| values.add(value).map(|()| values)))
    }
}

fn bind_pool(values: Values, pool: &PoolChange) -> Values {
    let settings = pool.settings.as_ref();
    let values = values.bind(pool.id.uuid()).bind(pool.held).bind(pool.sold);
    let capacity = settings.and_then(|(_, capacity)| capacity.map(i64::from));
    values.bind(capacity).bind(settings.map(|(name, _)| name.as_str()))
}

fn bind_booking(values: Values, row: &Booking) -> Values {
    let (account, guest) = match &row.buyer {
        Buyer::Account(user) => (Some(user.uuid()), None),
        Buyer::Guest(email) => (None, Some(email.as_str())),
    };
    values
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

fn bind_item(values: Values, row: &(&Booking, i16, &BookingItem)) -> Values {
    let (booking, position, item) = *row;
    values
        .bind(booking.id.uuid())
        .bind(item.ticket_type.uuid())
        .bind(item.unit_price)
        .bind(integer(item.quantity))
        .bind(position)
        .bind(item.name.as_str())
}

fn bind_price_part(values: Values, row: &PartRow<'_>) -> Values {
    let (booking, position, part) = *row;
    values
        .bind(booking.id.uuid())
        .bind(type_of(part))
        .bind(part.unit_price)
        .bind(part.discount)
        .bind(part.net)
        .bind(part.tax)
        .bind(part.gross)
        .bind(part.rounding)
        .bind(rate_of(part))
        .bind(i64::from(part.quantity))
        .bind(position)
        .bind(payer_code(part.paid_by))
        .bind(part.name.as_str())
}

fn bind_message(values: Values, row: &OutboxRow) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.aggregate)
        .bind(micros(row.at))
        .bind(integer(row.sequence))
        .bind(row.kind)
        .bind(row.data.as_str())
        .bind(row.traceparent.as_deref())
}

fn bind_line(values: Values, row: &AuditRow) -> Values {
    let (kind, account) = super::actor(row.actor);
    values
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

fn bind_unsealed(values: Values, row: &audit_unsealed::Model) -> Values {
    values
        .bind(row.id)
        .bind(row.organizer_id)
        .bind(row.lines.as_slice())
        .bind(row.digests.as_deref())
        .bind(row.commitments.as_deref())
}

fn bind_answer(values: Values, row: &KeptAnswer) -> Values {
    values
        .bind(row.key.caller.uuid())
        .bind(micros(row.at))
        .bind(&*row.key.key)
        .bind(row.key.fingerprint.as_slice())
        .bind(row.snapshot.as_str())
}

fn bind_hold(values: Values, row: &HoldRow) -> Values {
    values.bind(row.0).bind(row.1).bind(row.2)
}

fn bind_ticket(values: Values, row: &Ticket) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.booking.uuid())
        .bind(row.event.uuid())
        .bind(row.ticket_type.uuid())
        .bind(integer(row.unit))
        .bind(integer(row.issue))
        .bind(row.attendee.map(i32::from))
        .bind(ticket_status_code(row.status))
}

fn bind_payment(values: Values, row: &Payment) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.booking.uuid())
        .bind(row.event.uuid())
        .bind(row.organizer.uuid())
        .bind(row.amount.minor)
        .bind(row.captured)
        .bind(row.booked)
        .bind(row.refunded)
        .bind(micros(row.created_at))
        .bind(micros(row.updated_at))
        .bind(integer(row.version))
        .bind(payment_status_code(row.status))
        .bind(row.amount.currency.code())
        .bind(row.provider.as_str())
        .bind(row.method.as_str())
        .bind(row.failure.as_ref().map(domain::Text::as_str))
        .bind(row.reference.as_ref().map(domain::Text::as_str))
}

fn bind_paid(values: Values, row: &Payment) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.captured)
        .bind(row.booked)
        .bind(row.refunded)
        .bind(micros(row.updated_at))
        .bind(integer(row.version))
        .bind(payment_status_code(row.status))
        .bind(row.failure.as_ref().map(domain::Text::as_str))
        .bind(row.reference.as_ref().map(domain::Text::as_str))
        .bind(row.charged_back)
        .bind(row.dispute.as_ref().map(|dispute| dispute_status_code(dispute.status)))
        .bind(row.dispute.as_ref().map(|dispute| dispute.reference.as_str()))
        .bind(row.dispute.as_ref().map_or(0, |dispute| dispute.amount))
        .bind(row.amount.minor)
        .bind(row.amount.currency.code())
}

fn bind_refund(values: Values, row: &Refund) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.payment.uuid())
        .bind(row.booking.uuid())
        .bind(row.event.uuid())
        .bind(row.organizer.uuid())
        .bind(row.amount.minor)
        .bind(micros(row.created_at))
        .bind(micros(row.updated_at))
        .bind(integer(row.version))
        .bind(refund_status_code(row.status))
        .bind(refund_reason_code(row.reason))
        .bind(row.amount.currency.code())
        .bind(row.failure.as_ref().map(domain::Text::as_str))
        .bind(row.by_hand)
}

fn bind_refunded(values: Values, row: &Refund) -> Values {
    values
        .bind(row.id.uuid())
        .bind(micros(row.updated_at))
        .bind(integer(row.version))
        .bind(refund_status_code(row.status))
        .bind(row.failure.as_ref().map(domain::Text::as_str))
}

fn bind_entry(values: Values, row: &LedgerEntry) -> Values {
    values
        .bind(row.transaction.uuid())
        .bind(i16::try_from(row.position).unwrap_or(i16::MAX))
        .bind(row.organizer.uuid())
        .bind(row.booking.uuid())
        .bind(row.payment.uuid())
        .bind(account_code(row.account))
        .bind(row.amount.minor)
        .bind(row.amount.currency.code())
        .bind(micros(row.at))
}

fn bind_event(values: Values, row: &ProviderEventRow) -> Values {
    values.bind(row.key.provider.as_str()).bind(row.key.event.as_str()).bind(micros(row.at))
}

fn bind_check_in(values: Values, row: &CheckIn) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.event.uuid())
        .bind(row.list.uuid())
        .bind(row.ticket.uuid())
        .bind(row.turn.map(integer))
        .bind(micros(row.at))
        .bind(row.device_at.map(micros))
        .bind(row.synced.map(|synced| micros(synced.received_at)))
        .bind(skew(row))
        .bind(row.flag.map(flag_code))
        .bind(row.exited_at.map(micros))
        .bind(row.undone_at.map(micros))
        .bind(integer(row.sequence))
        .bind(micros(row.changed_at))
        .bind(row.gate.as_ref().map(domain::Text::as_str))
}

fn bind_check_in_change(values: Values, row: &CheckIn) -> Values {
    values
        .bind(row.id.uuid())
        .bind(row.turn.map(integer))
        .bind(row.flag.map(flag_code))
        .bind(row.exited_at.map(micros))
        .bind(row.undone_at.map(micros))
        .bind(integer(row.sequence))
        .bind(micros(row.changed_at))
}

fn bind_reissued(values: Values, row: &Ticket) -> Values {
    values.bind(row.id.uuid()).bind(integer(row.issue)).bind(row.attendee.map(i32::from)).bind(row.passed_on)
}

fn bind_changed(values: Values, change: &BookingChange) -> Values {
    let row = &change.booking;
    values
        .bind(row.id.uuid())
        .bind(status_code(row.status))
        .bind(row.hold.map(|hold| micros(hold.expires_at)))
        .bind(row.hold.map(|hold| micros(hold.release_at)))
        .bind(row.hold.map(|hold| micros(hold.ends_at)))
        .bind(integer(row.sequence))
        .bind(micros(row.updated_at))
}
