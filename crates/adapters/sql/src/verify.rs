//! `goticket verify`: the invariants, recomputed from the rows by the database itself, all in one snapshot.
//!
//! Each check is one query, the same text on both engines, that names the rows which are not as they must be: a subject
//! and a sentence. To add one, append it to [`CHECKS`]. They are aggregates over whole tables, so that the time they take
//! grows with the rows and not with their square.

use std::collections::HashSet;

use application::store::StoreError;
use application::verify::{Difference, Report, Verifier};
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QuerySelect, Statement};
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{idempotency_key, invoice_due};
use crate::error::orm;
use crate::invoices;
use crate::transaction::SqlTransaction;

/// The most differences that are told of one invariant.
const TOLD_MAX: usize = 1_000;
/// How many kept answers are in memory at a time.
const READ_AT_ONCE: u64 = 1_000;

#[async_trait]
impl Verifier for Database {
    async fn verify(&self) -> Result<Report, StoreError> {
        // It takes as long as it takes, and sorts some millions of rows.
        let snapshot = self.begin_snapshot().await?.unbounded().await?;
        if snapshot.get_database_backend() == DbBackend::Postgres {
            snapshot.execute_unprepared("SET LOCAL work_mem = '64MB'").await.map_err(orm)?;
        }
        let mut report = Report::default();
        for (table, sql) in COUNTS {
            report.looked_at.push((table, count(&snapshot, sql).await?));
        }
        for check in CHECKS {
            report.differences.extend(check.run(&snapshot).await?);
        }
        report.differences.extend(uninvoiced(&snapshot).await?);
        report.differences.extend(unreadable_answers(&snapshot).await?);
        snapshot.commit().await?;
        Ok(report)
    }
}

struct Check {
    invariant: &'static str,
    /// Selects the columns `subject` and `detail`.
    sql: &'static str,
}

impl Check {
    async fn run(&self, snapshot: &SqlTransaction) -> Result<Vec<Difference>, StoreError> {
        let sql = format!("SELECT subject, detail FROM ({}) AS found LIMIT {TOLD_MAX}", self.sql);
        let rows = snapshot.query_all_raw(Statement::from_string(snapshot.get_database_backend(), sql)).await;
        let difference = |row: &sea_orm::QueryResult| {
            let (subject, detail): (Uuid, String) = (row.try_get("", "subject")?, row.try_get("", "detail")?);
            Ok(Difference { invariant: self.invariant, detail: format!("{subject}: {detail}") })
        };
        rows.map_err(orm)?.iter().map(difference).collect::<Result<_, _>>().map_err(orm)
    }
}

async fn count(snapshot: &SqlTransaction, sql: &str) -> Result<u64, StoreError> {
    let row = snapshot.query_one_raw(Statement::from_string(snapshot.get_database_backend(), sql)).await;
    let rows = row.map_err(orm)?.map(|row| row.try_get::<i64>("", "n")).transpose().map_err(orm)?;
    Ok(rows.unwrap_or_default().unsigned_abs())
}

/// A kept answer that cannot be read could not be replayed either. Only the newest PostgreSQL knows what JSON is in a
/// text, hence this one is checked here.
async fn unreadable_answers(snapshot: &SqlTransaction) -> Result<Vec<Difference>, StoreError> {
    use idempotency_key::Column;
    let mut cursor = idempotency_key::Entity::find().cursor_by((Column::Caller, Column::Word));
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        if let Some(last) = last.take() {
            cursor.after(last);
        }
        let rows = cursor.first(READ_AT_ONCE).all(snapshot).await.map_err(orm)?;
        for row in &rows {
            if serde_json::from_str::<IgnoredAny>(&row.snapshot).is_err() && found.len() < TOLD_MAX {
                let detail = format!("{}: the kept answer of the key {} is no JSON", row.caller, row.word);
                found.push(Difference { invariant: "kept_answers", detail });
            }
        }
        match rows.into_iter().next_back() {
            Some(row) => last = Some((row.caller, row.word)),
            None => return Ok(found),
        }
    }
}

const COUNTS: [(&str, &str); 16] = [
    ("events", "SELECT count(*) AS n FROM events"),
    ("pools", "SELECT count(*) AS n FROM pools"),
    ("bookings", "SELECT count(*) AS n FROM bookings"),
    ("booking items", "SELECT count(*) AS n FROM booking_items"),
    ("price parts", "SELECT count(*) AS n FROM booking_price_parts"),
    ("promo codes", "SELECT count(*) AS n FROM promo_codes"),
    ("waiting-list entries", "SELECT count(*) AS n FROM waiting_list_entries"),
    ("tickets", "SELECT count(*) AS n FROM tickets"),
    ("check-ins", "SELECT count(*) AS n FROM check_ins"),
    ("payments", "SELECT count(*) AS n FROM payments"),
    ("refunds", "SELECT count(*) AS n FROM refunds"),
    ("ledger rows", "SELECT count(*) AS n FROM ledger_entries"),
    ("invoices", "SELECT count(*) AS n FROM invoices"),
    ("outbox rows", "SELECT count(*) AS n FROM outbox"),
    ("audit lines", "SELECT count(*) AS n FROM audit_log"),
    ("kept answers", "SELECT count(*) AS n FROM idempotency_keys"),
];

const CHECKS: &[Check] = &[
    Check {
        invariant: "pool_counters",
        sql: "
        WITH of_type AS (
            SELECT id AS type_id, own_pool_id AS pool_id FROM ticket_types
            UNION ALL SELECT ticket_type_id, pool_id FROM ticket_type_pools
        ), units AS (
            SELECT i.ticket_type_id AS type_id, sum(CASE WHEN b.status = 0 THEN i.quantity - i.cancelled ELSE 0 END) AS held,
                sum(CASE WHEN b.status = 1 THEN i.quantity - i.cancelled ELSE 0 END) AS sold
            FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
            WHERE b.status IN (0, 1) GROUP BY i.ticket_type_id
        ), sums AS (
            SELECT of_type.pool_id, sum(units.held) AS held, sum(units.sold) AS sold
            FROM of_type JOIN units ON units.type_id = of_type.type_id GROUP BY of_type.pool_id
        )
        SELECT p.id AS subject, 'the pool counts ' || p.held || ' held and ' || p.sold || ' sold, its bookings are '
            || coalesce(s.held, 0) || ' and ' || coalesce(s.sold, 0) AS detail
        FROM pools AS p LEFT JOIN sums AS s ON s.pool_id = p.id
        WHERE p.held <> coalesce(s.held, 0) OR p.sold <> coalesce(s.sold, 0)",
    },
    Check {
        invariant: "oversold",
        sql: "SELECT id AS subject, 'the pool has room for ' || coalesce(capacity, -1) || ' and has ' || held
            || ' held and ' || sold || ' sold' AS detail
        FROM pools WHERE held < 0 OR sold < 0 OR held + sold > capacity",
    },
    Check {
        invariant: "booking_total",
        sql: "
        WITH of_items AS (
            SELECT booking_id, sum(quantity * unit_price) AS total FROM booking_items GROUP BY booking_id
        ), of_parts AS (
            SELECT booking_id, sum(CASE WHEN paid_by = 0 THEN gross ELSE 0 END) AS total FROM booking_price_parts
            GROUP BY booking_id
        )
        SELECT b.id AS subject, 'the total is ' || b.total || ', ' || CASE WHEN p.total IS NULL
            THEN 'the items make ' || i.total ELSE 'the parts of its price make ' || p.total END AS detail
        FROM bookings AS b JOIN of_items AS i ON i.booking_id = b.id LEFT JOIN of_parts AS p ON p.booking_id = b.id
        WHERE b.total <> coalesce(p.total, i.total)",
    },
    Check {
        invariant: "price_parts",
        sql: "
        SELECT i.booking_id AS subject, 'item ' || i.position || ' is no part of the price' AS detail
        FROM booking_items AS i WHERE EXISTS (SELECT 1 FROM booking_price_parts AS p WHERE p.booking_id = i.booking_id)
            AND NOT EXISTS (SELECT 1 FROM booking_price_parts AS p WHERE p.booking_id = i.booking_id
                AND p.position = i.position AND p.ticket_type_id = i.ticket_type_id AND p.quantity = i.quantity
                AND p.unit_price = i.unit_price)
        UNION ALL
        SELECT p.booking_id, 'part ' || p.position || ' of the price is of no item' FROM booking_price_parts AS p
        LEFT JOIN booking_items AS i ON i.booking_id = p.booking_id AND i.position = p.position
        WHERE p.ticket_type_id IS NOT NULL AND i.booking_id IS NULL
        UNION ALL
        SELECT p.booking_id, 'a part of the price of a booking that does not exist' FROM booking_price_parts AS p
        LEFT JOIN bookings AS b ON b.id = p.booking_id WHERE b.id IS NULL
        UNION ALL
        SELECT booking_id, 'part ' || position || ' of the price is ' || quantity || ' x ' || unit_price || ' less '
            || discount || ', and makes neither ' || net || ' nor ' || gross FROM booking_price_parts
        WHERE ticket_type_id IS NOT NULL AND quantity * unit_price - discount NOT IN (net, gross)
        UNION ALL
        -- The tax is that of the rate, to half a unit, but for the rounding of its group that stands beside it. Prices
        -- contain it, or it is added.
        SELECT booking_id, 'part ' || position || ' of the price has a tax of ' || tax || ' on ' || net
        FROM booking_price_parts WHERE CASE
            WHEN tax_rate IS NULL THEN tax <> 0
            -- Where both are the same sum nobody can tell which of them the price was.
            ELSE (quantity * unit_price - discount <> gross OR abs(tax - rounding
                    - CAST(gross AS double precision) * tax_rate / (1000000.0 + tax_rate)) > 0.5 + 1e-9)
                AND (quantity * unit_price - discount <> net
                    OR abs(tax - rounding - CAST(net AS double precision) * tax_rate / 1000000.0) > 0.5 + 1e-9) END",
    },
    Check {
        invariant: "promo_codes",
        sql: "
        WITH uses AS (
            SELECT u.promo_code_id AS id, count(*) AS used, sum(u.discount) AS spent
            FROM promo_uses AS u JOIN bookings AS b ON b.id = u.booking_id WHERE b.status IN (0, 1)
            GROUP BY u.promo_code_id
        )
        SELECT c.id AS subject, 'the code counts ' || c.used || ' uses that take off ' || c.spent || ', its bookings are '
            || coalesce(u.used, 0) || ' and ' || coalesce(u.spent, 0) AS detail
        FROM promo_codes AS c LEFT JOIN uses AS u ON u.id = c.id
        WHERE c.used <> coalesce(u.used, 0) OR c.spent <> coalesce(u.spent, 0) OR c.used > c.max_uses
            OR c.spent > c.budget
        UNION ALL
        SELECT u.booking_id, 'a promo code of no booking, or of another event' FROM promo_uses AS u
        LEFT JOIN bookings AS b ON b.id = u.booking_id LEFT JOIN promo_codes AS c ON c.id = u.promo_code_id
        WHERE b.id IS NULL OR c.id IS NULL OR c.event_id <> b.event_id
        UNION ALL
        SELECT p.booking_id, 'the parts of the price take off ' || p.discount || ', the promo code '
            || coalesce(u.discount, 0)
        FROM (SELECT booking_id, sum(discount) AS discount FROM booking_price_parts GROUP BY booking_id) AS p
        LEFT JOIN promo_uses AS u ON u.booking_id = p.booking_id WHERE p.discount <> coalesce(u.discount, 0)
        UNION ALL
        SELECT u.booking_id, 'a promo code takes off ' || u.discount || ' of a price without parts'
        FROM promo_uses AS u WHERE NOT EXISTS (SELECT 1 FROM booking_price_parts AS p WHERE p.booking_id = u.booking_id)",
    },
    Check {
        invariant: "waiting_counts",
        sql: "
        SELECT t.id AS subject, t.waiting || ' are said to wait for the type, and ' || coalesce(w.waiting, 0) || ' do'
            AS detail
        FROM ticket_types AS t LEFT JOIN (SELECT ticket_type_id, count(*) AS waiting FROM waiting_list_entries
            WHERE status = 0 GROUP BY ticket_type_id) AS w ON w.ticket_type_id = t.id
        WHERE t.waiting <> coalesce(w.waiting, 0)",
    },
    Check {
        // That no booking is the offer of two, and no number given twice, are unique constraints.
        invariant: "waiting_list",
        sql: "
        SELECT w.id AS subject, 'an entry of no event, of another organizer, or for a type of another event' AS detail
        FROM waiting_list_entries AS w LEFT JOIN events AS e ON e.id = w.event_id
        LEFT JOIN ticket_types AS t ON t.id = w.ticket_type_id
        WHERE e.id IS NULL OR e.organizer_id <> w.organizer_id OR t.id IS NULL OR t.event_id <> w.event_id
        UNION ALL
        SELECT w.id, 'an offer without its booking, or one of another buyer, event, type or number of units'
        FROM waiting_list_entries AS w LEFT JOIN bookings AS b ON b.id = w.booking_id
        WHERE w.status = 1 AND (b.id IS NULL OR b.event_id <> w.event_id OR b.channel <> 3
            OR b.buyer_user_id IS NULL OR b.buyer_user_id <> w.buyer_user_id
            OR NOT EXISTS (SELECT 1 FROM booking_items AS i WHERE i.booking_id = b.id
                AND i.ticket_type_id = w.ticket_type_id AND i.quantity = w.quantity))
        UNION ALL
        SELECT b.id, 'the booking was offered to nobody who waits' FROM bookings AS b
        WHERE b.channel = 3 AND NOT EXISTS (SELECT 1 FROM waiting_list_entries AS w WHERE w.booking_id = b.id)
        UNION ALL
        SELECT w.id, 'the entry is at ' || w.version || ', its last message at ' || coalesce(o.high, 0)
        FROM waiting_list_entries AS w LEFT JOIN (SELECT aggregate, max(sequence) AS high FROM outbox GROUP BY aggregate)
            AS o ON o.aggregate = w.id
        LEFT JOIN outbox_prunings AS p ON p.id = 1
        WHERE CASE WHEN o.high IS NULL THEN w.updated_at >= coalesce(p.before_at, 0) ELSE o.high <> w.version END",
    },
    Check {
        invariant: "empty_bookings",
        sql: "SELECT id AS subject, 'the booking has no items' AS detail FROM bookings AS b
        WHERE NOT EXISTS (SELECT 1 FROM booking_items AS i WHERE i.booking_id = b.id)",
    },
    Check {
        invariant: "holds",
        sql: "SELECT b.id AS subject, 'the booking is pending and no hold will lapse for it' AS detail
        FROM bookings AS b WHERE b.status = 0 AND NOT EXISTS (SELECT 1 FROM holds AS h
            WHERE h.event_id = b.event_id AND h.release_at = b.release_at AND h.booking_id = b.id)
        UNION ALL
        SELECT h.booking_id, 'a hold of what is not pending, or lapses at another time' FROM holds AS h
        WHERE NOT EXISTS (SELECT 1 FROM bookings AS b
            WHERE b.id = h.booking_id AND b.status = 0 AND b.event_id = h.event_id AND b.release_at = h.release_at)",
    },
    Check {
        invariant: "orphan_items",
        sql: "SELECT booking_id AS subject, 'items of a booking that does not exist' AS detail FROM booking_items AS i
        WHERE NOT EXISTS (SELECT 1 FROM bookings AS b WHERE b.id = i.booking_id)",
    },
    Check {
        invariant: "foreign_items",
        sql: "SELECT i.booking_id AS subject, 'an item of a type that is not of the event' AS detail
        FROM booking_items AS i JOIN bookings AS b ON b.id = i.booking_id
        LEFT JOIN ticket_types AS t ON t.id = i.ticket_type_id
        WHERE t.id IS NULL OR t.event_id <> b.event_id",
    },
    Check {
        invariant: "orphan_bookings",
        sql: "SELECT b.id AS subject, 'the booking is of no event, or of one of another organizer' AS detail
        FROM bookings AS b LEFT JOIN events AS e ON e.id = b.event_id
        WHERE e.id IS NULL OR e.organizer_id <> b.organizer_id",
    },
    Check {
        invariant: "foreign_pools",
        sql: "
        SELECT t.id AS subject, 'the own pool is of another event' AS detail
        FROM ticket_types AS t JOIN pools AS p ON p.id = t.own_pool_id WHERE p.event_id <> t.event_id OR p.shared
        UNION ALL
        SELECT t.id AS subject, 'a shared pool is of another event' AS detail
        FROM ticket_types AS t JOIN ticket_type_pools AS s ON s.ticket_type_id = t.id JOIN pools AS p ON p.id = s.pool_id
        WHERE p.event_id <> t.event_id OR NOT p.shared",
    },
    Check {
        invariant: "pending_without_hold",
        sql: "SELECT id AS subject, 'the booking is pending and has no end' AS detail FROM bookings
        WHERE status = 0 AND (release_at IS NULL OR expires_at IS NULL OR ends_at IS NULL)",
    },
    Check {
        invariant: "duplicate_reference",
        sql: "SELECT organizer_id AS subject, count(*) || ' bookings are called ' || reference AS detail
        FROM bookings GROUP BY organizer_id, reference HAVING count(*) > 1",
    },
    Check {
        invariant: "outbox_sequence",
        sql: "SELECT b.id AS subject, 'the booking is at ' || b.sequence || ', its messages are '
            || coalesce(o.messages, 0) || ' from ' || coalesce(o.low, 0) || ' to ' || coalesce(o.high, 0) AS detail
        FROM bookings AS b LEFT JOIN (
            SELECT aggregate, count(*) AS messages, count(DISTINCT sequence) AS different, min(sequence) AS low,
                max(sequence) AS high
            FROM outbox GROUP BY aggregate
        ) AS o ON o.aggregate = b.id
        LEFT JOIN outbox_prunings AS p ON p.id = 1
        -- Of what is older than the beginning of the outbox, the first messages may be gone, or all of them.
        WHERE CASE WHEN o.aggregate IS NULL THEN b.updated_at >= coalesce(p.before_at, 0)
            ELSE o.different <> o.messages OR o.high <> b.sequence OR o.messages <> o.high - o.low + 1
                OR (o.low <> 1 AND b.created_at >= coalesce(p.before_at, 0)) END",
    },
    Check {
        invariant: "audit_trail",
        sql: "SELECT b.id AS subject, 'the booking is at ' || b.sequence || ', the audit log has '
            || coalesce(a.lines, 0) || ' lines of it' AS detail
        FROM bookings AS b LEFT JOIN (
            -- Who has read it is told beside what became of it.
            SELECT object, count(*) AS lines FROM audit_log
            WHERE object_kind = 'booking' AND action NOT IN ('booking.read', 'tickets.read', 'invoices.read')
            GROUP BY object
        ) AS a ON a.object = b.id
        LEFT JOIN audit_chains AS c ON c.chain = b.organizer_id
        -- Lines whose time is over are gone.
        WHERE coalesce(a.lines, 0) <> b.sequence AND (b.created_at >= coalesce(c.pruned_before, 0)
            OR a.lines > b.sequence)",
    },
    Check {
        invariant: "event_version",
        sql: "SELECT e.id AS subject, 'the event is at version ' || e.version || ', its last message at '
            || coalesce(o.high, 0) AS detail
        FROM events AS e LEFT JOIN (SELECT aggregate, max(sequence) AS high FROM outbox GROUP BY aggregate) AS o
            ON o.aggregate = e.id
        LEFT JOIN outbox_prunings AS p ON p.id = 1
        WHERE CASE WHEN o.high IS NULL THEN e.updated_at >= coalesce(p.before_at, 0) ELSE o.high <> e.version END",
    },
    Check {
        invariant: "lane_of_event",
        sql: "SELECT e.id AS subject, 'the event has no lane' AS detail FROM events AS e
        WHERE NOT EXISTS (SELECT 1 FROM lanes AS l WHERE l.event_id = e.id)",
    },
    Check {
        invariant: "attendees",
        sql: "SELECT a.booking_id AS subject, 'more attendees than units of a type: ' || a.people AS detail
        FROM (SELECT booking_id, ticket_type_id, count(*) AS people FROM booking_attendees
            GROUP BY booking_id, ticket_type_id) AS a
        LEFT JOIN booking_items AS i ON i.booking_id = a.booking_id AND i.ticket_type_id = a.ticket_type_id
        WHERE i.booking_id IS NULL OR a.people > i.quantity",
    },
    Check {
        // The number of its units is unique within a booking, and a ticket has one issue.
        invariant: "tickets_of_booking",
        sql: "SELECT b.id AS subject, 'the booking is confirmed with ' || (i.quantity - i.cancelled)
            || ' units of a type and has '
            || coalesce(t.tickets, 0) || ' valid tickets of it' AS detail
        FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
        LEFT JOIN (SELECT booking_id, ticket_type_id, count(*) AS tickets FROM tickets WHERE status = 0
            GROUP BY booking_id, ticket_type_id) AS t
            ON t.booking_id = i.booking_id AND t.ticket_type_id = i.ticket_type_id
        WHERE b.status = 1 AND coalesce(t.tickets, 0) <> i.quantity - i.cancelled",
    },
    Check {
        invariant: "stray_tickets",
        sql: "SELECT t.id AS subject, 'a valid ticket of what is not confirmed, or not of its booking' AS detail
        FROM tickets AS t LEFT JOIN bookings AS b ON b.id = t.booking_id
        LEFT JOIN booking_items AS i ON i.booking_id = t.booking_id AND i.ticket_type_id = t.ticket_type_id
        WHERE t.status = 0 AND (b.id IS NULL OR b.status <> 1 OR b.event_id <> t.event_id OR i.booking_id IS NULL)",
    },
    Check {
        invariant: "blocked_tickets",
        sql: "SELECT t.id AS subject, 'blocked by a dispute of which there is none' AS detail
        FROM tickets AS t WHERE t.blocked = 2 AND t.status = 0 AND NOT EXISTS (SELECT 1 FROM payments AS p
            WHERE p.booking_id = t.booking_id AND p.dispute IN (0, 2))",
    },
    Check {
        // That no two count for one turn is a unique index.
        invariant: "stray_check_ins",
        sql: "SELECT c.id AS subject, 'an entry with no ticket, at another event, on a list of another event, or over before
            it was made' AS detail
        FROM check_ins AS c LEFT JOIN tickets AS t ON t.id = c.ticket_id LEFT JOIN check_in_lists AS l ON l.id = c.list_id
        WHERE t.id IS NULL OR t.event_id <> coalesce(c.event_id, c.list_id)
            OR coalesce(l.event_id, c.list_id) <> t.event_id OR c.sequence < 1
            OR (c.received_at IS NULL AND (c.undone_at < c.checked_in_at OR c.exited_at < c.checked_in_at))",
    },
    Check {
        // At most one entry beyond what was left by exits: nobody is inside twice.
        invariant: "inside_twice",
        sql: "SELECT ticket_id AS subject, 'the ticket is inside ' || count(*) || ' times by one list' AS detail
        FROM check_ins WHERE undone_at IS NULL AND turn IS NOT NULL AND exited_at IS NULL
        GROUP BY ticket_id, list_id HAVING count(*) > 1",
    },
    Check {
        invariant: "ledger_balance",
        sql: "SELECT transaction_id AS subject, 'the rows of the transaction make ' || sum(amount) || ', in '
            || count(DISTINCT currency) || ' currencies of ' || count(DISTINCT organizer_id) || ' organizers' AS detail
        FROM ledger_entries GROUP BY transaction_id
        HAVING sum(amount) <> 0 OR count(DISTINCT currency) > 1 OR count(DISTINCT organizer_id) > 1",
    },
    Check {
        invariant: "ledger_of_organizer",
        sql: "SELECT organizer_id AS subject, 'the ledger in ' || currency || ' makes ' || sum(amount) AS detail
        FROM ledger_entries GROUP BY organizer_id, currency HAVING sum(amount) <> 0",
    },
    Check {
        // Every captured amount ends in a paid booking, in refunds or in an open case, by the ledger as by the payment.
        invariant: "payment_ledger",
        sql: "
        WITH sums AS (
            SELECT payment_id, sum(CASE WHEN account IN (0, 1) THEN amount ELSE 0 END) AS cash,
                -sum(CASE WHEN account = 2 THEN amount ELSE 0 END) AS booked,
                -sum(CASE WHEN account = 3 THEN amount ELSE 0 END) AS payable,
                -sum(CASE WHEN account = 4 THEN amount ELSE 0 END) AS open_case
            FROM ledger_entries GROUP BY payment_id
        ), gone AS (
            SELECT payment_id, sum(CASE WHEN status = 2 THEN amount ELSE 0 END) AS done,
                sum(CASE WHEN status IN (0, 1) THEN amount ELSE 0 END) AS due
            FROM refunds GROUP BY payment_id
        )
        SELECT p.id AS subject, 'of ' || p.captured || ' captured, ' || p.booked || ' pays its booking, ' || p.refunded
            || ' goes back, ' || p.charged_back || ' was charged back and '
            || (p.captured - p.booked - p.refunded - p.charged_back) || ' is an open case; the ledger has '
            || coalesce(s.booked, 0) || ', ' || coalesce(s.payable, 0) || ' and ' || coalesce(s.open_case, 0)
            || ' of ' || coalesce(s.cash, 0) || ', the refunds ' || coalesce(g.due, 0) || ' and ' || coalesce(g.done, 0)
            AS detail
        FROM payments AS p LEFT JOIN sums AS s ON s.payment_id = p.id LEFT JOIN gone AS g ON g.payment_id = p.id
        -- What was refunded before it was lost in a dispute was lost twice: that is a loss, among the sales. What is
        -- disputed is missing from the cash, and from the open cases as long as nothing is decided.
        WHERE p.booked - CASE WHEN p.dispute = 2 THEN p.disputed - p.charged_back ELSE 0 END <> coalesce(s.booked, 0) OR coalesce(g.due, 0) <> coalesce(s.payable, 0)
            OR p.refunded <> coalesce(g.due, 0) + coalesce(g.done, 0)
            OR p.captured - p.booked - p.refunded - p.charged_back
                - CASE WHEN p.dispute = 0 THEN p.disputed ELSE 0 END <> coalesce(s.open_case, 0)
            OR p.captured - coalesce(g.done, 0) - CASE WHEN p.dispute IN (0, 2) THEN p.disputed ELSE 0 END
                <> coalesce(s.cash, 0)
            OR p.captured < p.booked + p.refunded + p.charged_back OR (p.captured <> 0) <> (p.status = 2)
            OR (p.dispute IS NULL) <> (p.dispute_reference IS NULL) OR (p.dispute IS NOT NULL AND p.status <> 2)",
    },
    Check {
        // A dispute that nobody has lost has taken nothing.
        invariant: "disputes",
        sql: "SELECT id AS subject, charged_back || ' was charged back of ' || disputed || ' that was disputed' AS detail
        FROM payments WHERE charged_back < 0 OR disputed < 0 OR charged_back > disputed
            OR (charged_back > 0 AND coalesce(dispute, 0) <> 2)",
    },
    Check {
        // The whole is asked for, less what came in before: where nothing else did, the whole.
        invariant: "payment_amount",
        sql: "SELECT p.id AS subject, 'the payment asks for ' || p.amount || ' of a booking that costs ' || b.total
            AS detail
        FROM payments AS p JOIN bookings AS b ON b.id = p.booking_id AND b.currency = p.currency
        WHERE p.amount < 1 OR p.amount > b.total OR (p.amount <> b.total AND NOT EXISTS (SELECT 1 FROM payments AS o
            WHERE o.booking_id = p.booking_id AND o.id <> p.id AND o.captured > 0))
        UNION ALL
        SELECT id, 'the payment asks for ' || amount || ', and ' || captured || ' of another currency came in'
        FROM payments AS p WHERE p.amount <> p.captured
            AND EXISTS (SELECT 1 FROM bookings AS b WHERE b.id = p.booking_id AND b.currency <> p.currency)",
    },
    Check {
        invariant: "paid_twice",
        sql: "SELECT b.id AS subject, 'the booking costs ' || b.total || ' and is paid with ' || sum(p.booked) AS detail
        FROM payments AS p JOIN bookings AS b ON b.id = p.booking_id GROUP BY b.id, b.total
        HAVING sum(p.booked) > b.total",
    },
    Check {
        // What providers took, and what organizers took themselves, stand in accounts of their own; from the latter also goes
        // what organizers give back of the former by hand.
        invariant: "ledger_cash",
        sql: "
        WITH by_hand AS (
            SELECT payment_id, sum(amount) AS amount FROM refunds WHERE by_hand AND status = 2 GROUP BY payment_id
        ), cash AS (
            SELECT payment_id, sum(CASE WHEN account = 1 THEN amount ELSE 0 END) AS own,
                sum(CASE WHEN account = 0 THEN 1 ELSE 0 END) AS of_provider
            FROM ledger_entries WHERE account IN (0, 1) GROUP BY payment_id
        )
        SELECT p.id AS subject, 'the payment by ' || p.provider || ' has rows of another cash account' AS detail
        FROM payments AS p JOIN cash AS c ON c.payment_id = p.id LEFT JOIN by_hand AS r ON r.payment_id = p.id
        WHERE CASE WHEN p.provider = 'manual' THEN c.of_provider <> 0 ELSE c.own <> -coalesce(r.amount, 0) END",
    },
    Check {
        // Of a cancelled booking something may have been kept.
        invariant: "money_without_booking",
        sql: "SELECT p.id AS subject, 'the payment pays for a booking that is neither confirmed nor cancelled' AS detail
        FROM payments AS p JOIN bookings AS b ON b.id = p.booking_id WHERE p.booked > 0 AND b.status NOT IN (1, 2)",
    },
    Check {
        invariant: "booking_without_money",
        sql: "SELECT b.id AS subject, 'the booking is confirmed and costs ' || b.total || ', its payments brought '
            || coalesce(p.captured, 0) AS detail
        FROM bookings AS b LEFT JOIN (SELECT booking_id, currency, sum(captured) AS captured FROM payments
            GROUP BY booking_id, currency) AS p ON p.booking_id = b.id AND p.currency = b.currency
        WHERE b.status = 1 AND b.total > coalesce(p.captured, 0)",
    },
    Check {
        invariant: "stray_payments",
        sql: "SELECT p.id AS subject, 'a payment of no booking, or of one elsewhere' AS detail
        FROM payments AS p LEFT JOIN bookings AS b ON b.id = p.booking_id
        -- What came in of another currency pays nothing.
        WHERE b.id IS NULL OR b.event_id <> p.event_id OR b.organizer_id <> p.organizer_id
            OR (b.currency <> p.currency AND (p.status <> 2 OR p.booked <> 0))
        UNION ALL
        SELECT r.id, 'a refund of no payment, or of one elsewhere'
        FROM refunds AS r LEFT JOIN payments AS p ON p.id = r.payment_id
        WHERE p.id IS NULL OR p.booking_id <> r.booking_id OR p.event_id <> r.event_id
            OR p.organizer_id <> r.organizer_id OR p.currency <> r.currency
        UNION ALL
        SELECT l.transaction_id, 'a ledger row of no payment, or of one elsewhere'
        FROM ledger_entries AS l LEFT JOIN payments AS p ON p.id = l.payment_id
        WHERE p.id IS NULL OR p.booking_id <> l.booking_id OR p.organizer_id <> l.organizer_id
            OR p.currency <> l.currency",
    },
    Check {
        // Gapless from 1, and as many as were taken; that none is there twice is a unique index.
        invariant: "invoice_numbers",
        sql: "
        SELECT i.organizer_id AS subject, i.series || '-' || i.year || ' has ' || i.documents || ' documents from ' || i.low
            || ' to ' || i.high || ', and counts ' || coalesce(s.last, 0) AS detail
        FROM (SELECT organizer_id, series, year, count(*) AS documents, min(number) AS low, max(number) AS high
            FROM invoices GROUP BY organizer_id, series, year) AS i
        LEFT JOIN invoice_series AS s
            ON s.organizer_id = i.organizer_id AND s.series = i.series AND s.year = i.year
        WHERE i.low <> 1 OR i.high <> i.documents OR i.high <> coalesce(s.last, 0)
        UNION ALL
        SELECT s.organizer_id, s.series || '-' || s.year || ' counts ' || s.last || ' and has no documents'
        FROM invoice_series AS s WHERE NOT EXISTS (SELECT 1 FROM invoices AS i
            WHERE i.organizer_id = s.organizer_id AND i.series = s.series AND i.year = s.year)",
    },
    Check {
        invariant: "invoice_sums",
        sql: "
        SELECT i.id AS subject, 'the document makes ' || i.net || ' and ' || i.tax || ', its lines '
            || coalesce(l.net, 0) || ' and ' || coalesce(l.tax, 0) AS detail
        FROM invoices AS i LEFT JOIN (SELECT invoice_id, sum(net) AS net, sum(tax) AS tax, sum(gross) AS gross
            FROM invoice_lines GROUP BY invoice_id) AS l ON l.invoice_id = i.id
        WHERE i.net <> coalesce(l.net, 0) OR i.tax <> coalesce(l.tax, 0) OR i.gross <> coalesce(l.gross, 0)
        UNION ALL
        SELECT l.invoice_id, 'a line of a document that does not exist' FROM invoice_lines AS l
        WHERE NOT EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = l.invoice_id)
        UNION ALL
        SELECT i.id, 'the document is of no booking, of one elsewhere, or by another seller'
        FROM invoices AS i LEFT JOIN bookings AS b ON b.id = i.booking_id LEFT JOIN sellers AS s ON s.id = i.seller_id
        WHERE b.id IS NULL OR b.organizer_id <> i.organizer_id OR b.event_id <> i.event_id
            OR b.currency <> i.currency OR s.id IS NULL OR s.organizer_id <> i.organizer_id
        UNION ALL
        SELECT i.id, 'the invoice makes ' || i.gross || ', its booking costs ' || b.total
        FROM invoices AS i JOIN bookings AS b ON b.id = i.booking_id WHERE i.corrects_id IS NULL AND i.gross <> b.total
        UNION ALL
        SELECT c.id, 'the credit note corrects no invoice, or one of another booking'
        FROM invoices AS c LEFT JOIN invoices AS i ON i.id = c.corrects_id AND i.corrects_id IS NULL
        WHERE c.corrects_id IS NOT NULL AND (i.id IS NULL OR i.booking_id <> c.booking_id)",
    },
    Check {
        // By rate, since one that gives back too much would hide behind another.
        invariant: "credit_notes",
        sql: "
        WITH back AS (
            SELECT c.corrects_id AS invoice_id, coalesce(l.tax_rate, -1) AS rate, sum(l.net) AS net, sum(l.tax) AS tax
            FROM invoices AS c JOIN invoice_lines AS l ON l.invoice_id = c.id WHERE c.corrects_id IS NOT NULL
            GROUP BY c.corrects_id, coalesce(l.tax_rate, -1)
        ), there AS (
            SELECT invoice_id, coalesce(tax_rate, -1) AS rate, sum(net) AS net, sum(tax) AS tax
            FROM invoice_lines GROUP BY invoice_id, coalesce(tax_rate, -1)
        )
        SELECT b.invoice_id AS subject, 'credit notes take back ' || b.net || ' and ' || b.tax || ' of '
            || coalesce(t.net, 0) || ' and ' || coalesce(t.tax, 0) || ' at the rate ' || b.rate AS detail
        FROM back AS b LEFT JOIN there AS t ON t.invoice_id = b.invoice_id AND t.rate = b.rate
        WHERE b.net > coalesce(t.net, 0) OR b.tax > coalesce(t.tax, 0)",
    },
];

/// What an organizer's documents say of a booking, against the booking: `subject`, `detail`.
const INVOICED: &str = "
    -- Each booking that costs something, and was confirmed since invoices are written, has one.
    SELECT b.id AS subject, 'the booking costs ' || b.total || ', was confirmed, and has no invoice' AS detail
    FROM sellers AS s JOIN bookings AS b ON b.organizer_id = s.organizer_id
    JOIN outbox AS o ON o.aggregate = b.id AND o.kind = 'goticket.booking.confirmed.v1' AND o.occurred_at > s.created_at
    WHERE s.version = 1 AND b.total > 0
        AND NOT EXISTS (SELECT 1 FROM invoices AS i WHERE i.booking_id = b.id AND i.corrects_id IS NULL)
    UNION ALL
    -- An invoice, less what was taken back of it, is what pays the booking. What a bank has taken of one that stands is
    -- owed all the same.
    SELECT i.booking_id, 'the invoice makes ' || i.gross || ', of which ' || coalesce(c.gross, 0)
        || ' was taken back, and ' || coalesce(p.booked, 0) || ' pays the booking'
    FROM invoices AS i JOIN bookings AS b ON b.id = i.booking_id
    LEFT JOIN (SELECT corrects_id, sum(gross) AS gross FROM invoices WHERE corrects_id IS NOT NULL GROUP BY corrects_id)
        AS c ON c.corrects_id = i.id
    LEFT JOIN (SELECT booking_id, sum(booked) AS booked, max(CASE WHEN dispute = 2 THEN 1 ELSE 0 END) AS lost
        FROM payments GROUP BY booking_id) AS p ON p.booking_id = i.booking_id
    WHERE i.corrects_id IS NULL AND i.gross - coalesce(c.gross, 0) <> coalesce(p.booked, 0)
        AND NOT (b.status = 1 AND coalesce(p.lost, 0) = 1 AND i.gross - coalesce(c.gross, 0) > coalesce(p.booked, 0))";

/// What the documents of a booking lack, unless somebody is about to write it.
async fn uninvoiced(snapshot: &SqlTransaction) -> Result<Vec<Difference>, StoreError> {
    let rows = invoice_due::Entity::find().select_only().column(invoice_due::Column::Bookings);
    let mut due: HashSet<Uuid> = HashSet::new();
    for packed in rows.into_tuple::<Vec<u8>>().all(snapshot).await.map_err(orm)? {
        due.extend(invoices::unpack(&packed)?.into_iter().map(|(booking, _)| booking.uuid()));
    }
    let found = snapshot.query_all_raw(Statement::from_string(snapshot.get_database_backend(), INVOICED)).await;
    let mut differences = Vec::new();
    for row in found.map_err(orm)? {
        let (subject, detail): (Uuid, String) =
            (row.try_get("", "subject").map_err(orm)?, row.try_get("", "detail").map_err(orm)?);
        if !due.contains(&subject) && differences.len() < TOLD_MAX {
            differences.push(Difference { invariant: "invoiced_bookings", detail: format!("{subject}: {detail}") });
        }
    }
    Ok(differences)
}
