//! Payments, refunds, and the ledger of their money (ADR 0027).
//!
//! All four tables are hot: the desk writes them, set-wise, in the commit of what they are about. They have no foreign keys
//! and no index but what reads need. Bookings that were confirmed before, and cost something, get the payment by hand that
//! they were confirmed for, with a random id (version 4) by the database.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&[
        // Status: 0 created, 1 processing, 2 succeeded, 3 failed, 4 cancelled.
        "CREATE TABLE payments (
            id {uuid} PRIMARY KEY NOT NULL,
            booking_id {uuid} NOT NULL,
            event_id {uuid} NOT NULL,
            organizer_id {uuid} NOT NULL,
            amount bigint NOT NULL CONSTRAINT payments_amount CHECK (amount > 0),
            captured bigint NOT NULL,
            booked bigint NOT NULL CONSTRAINT payments_booked CHECK (booked >= 0),
            refunded bigint NOT NULL CONSTRAINT payments_refunded CHECK (refunded >= 0),
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            version integer NOT NULL,
            status smallint NOT NULL CONSTRAINT payments_status CHECK (status BETWEEN 0 AND 4),
            currency text NOT NULL,
            provider text NOT NULL,
            method text NOT NULL,
            failure text,
            reference text,
            CONSTRAINT payments_ends CHECK (booked + refunded <= captured)
        )",
        "CREATE INDEX payments_booking ON payments (booking_id)",
        // One at a time; few at any moment, whatever was sold.
        "CREATE UNIQUE INDEX payments_open_key ON payments (booking_id) WHERE status IN (0, 1)",
        "CREATE INDEX payments_unsettled ON payments (organizer_id, id) WHERE captured > booked + refunded",
        // Status: 0 requested, 1 in transit, 2 done, 3 failed. Reason: 0 requested, 1 late, 2 cancelled, 3 surplus.
        "CREATE TABLE refunds (
            id {uuid} PRIMARY KEY NOT NULL,
            payment_id {uuid} NOT NULL,
            booking_id {uuid} NOT NULL,
            event_id {uuid} NOT NULL,
            organizer_id {uuid} NOT NULL,
            amount bigint NOT NULL CONSTRAINT refunds_amount CHECK (amount > 0),
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            version integer NOT NULL,
            status smallint NOT NULL CONSTRAINT refunds_status CHECK (status BETWEEN 0 AND 3),
            reason smallint NOT NULL CONSTRAINT refunds_reason CHECK (reason BETWEEN 0 AND 3),
            currency text NOT NULL,
            failure text
        )",
        "CREATE INDEX refunds_booking ON refunds (booking_id)",
        "CREATE INDEX refunds_open ON refunds (id) WHERE status IN (0, 1)",
        // Account: 0 provider cash, 1 manual cash, 2 sales, 3 refunds payable, 4 open cases. Debits are positive.
        "CREATE TABLE ledger_entries (
            transaction_id {uuid} NOT NULL,
            position smallint NOT NULL,
            organizer_id {uuid} NOT NULL,
            booking_id {uuid} NOT NULL,
            payment_id {uuid} NOT NULL,
            account smallint NOT NULL CONSTRAINT ledger_entries_account CHECK (account BETWEEN 0 AND 4),
            amount bigint NOT NULL CONSTRAINT ledger_entries_amount CHECK (amount <> 0),
            currency text NOT NULL,
            booked_at bigint NOT NULL,
            PRIMARY KEY (transaction_id, position)
        ){by_key}",
        "CREATE TABLE provider_events (
            provider text NOT NULL,
            event text NOT NULL,
            seen_at bigint NOT NULL,
            PRIMARY KEY (provider, event)
        ){by_key}",
    ]),
    Step::Postgres(&[
        "INSERT INTO payments (id, booking_id, event_id, organizer_id, amount, captured, booked, refunded,
            created_at, updated_at, version, status, currency, provider, method)
        SELECT gen_random_uuid(), id, event_id, organizer_id, total, total, total, 0, updated_at, updated_at, 1, 2,
            currency, 'manual', 'manual'
        FROM bookings WHERE status = 1 AND total > 0",
    ]),
    Step::Sqlite(&["WITH made AS (
            SELECT hex(randomblob(16)) AS hex, * FROM bookings WHERE status = 1 AND total > 0
        )
        INSERT INTO payments (id, booking_id, event_id, organizer_id, amount, captured, booked, refunded,
            created_at, updated_at, version, status, currency, provider, method)
        SELECT unhex(substr(hex, 1, 12) || '4' || substr(hex, 14, 3) || '8' || substr(hex, 18)), id, event_id,
            organizer_id, total, total, total, 0, updated_at, updated_at, 1, 2, currency, 'manual', 'manual'
        FROM made"]),
    Step::Both(&[
        "INSERT INTO ledger_entries (transaction_id, position, organizer_id, booking_id, payment_id, account,
            amount, currency, booked_at)
        SELECT id, 0, organizer_id, booking_id, id, 1, captured, currency, created_at FROM payments
        UNION ALL
        SELECT id, 1, organizer_id, booking_id, id, 2, -captured, currency, created_at FROM payments",
    ]),
];
