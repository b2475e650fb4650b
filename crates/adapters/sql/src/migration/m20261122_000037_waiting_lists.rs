//! Waiting lists (ADR 0042).
//!
//! How many wait is counted on the ticket type, which the desk remembers: where nobody waits it asks for nothing here.
//!
//! Bookings have one more channel (3: offered to who waited). SQLite drops no constraint, so that the table is made anew
//! there; on PostgreSQL the new constraint is not proved for old rows, which are within it, so that nobody waits for that.

use super::Step::{self, Both, Postgres, Sqlite};

pub(super) const STEPS: &[Step] = &[Both(LISTS), Postgres(CHANNEL_ON_POSTGRES), Sqlite(CHANNEL_ON_SQLITE)];

const CHANNEL_ON_POSTGRES: &[&str] = &["ALTER TABLE bookings DROP CONSTRAINT bookings_channel,
    ADD CONSTRAINT bookings_channel CHECK (channel BETWEEN 0 AND 3) NOT VALID"];

const CHANNEL_ON_SQLITE: &[&str] = &[
    "CREATE TABLE bookings_new (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL,
        organizer_id {uuid} NOT NULL,
        buyer_user_id {uuid},
        total bigint NOT NULL CONSTRAINT bookings_total CHECK (total >= 0),
        expires_at bigint,
        release_at bigint,
        ends_at bigint,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        sequence integer NOT NULL CONSTRAINT bookings_sequence CHECK (sequence > 0),
        status smallint NOT NULL CONSTRAINT bookings_status CHECK (status BETWEEN 0 AND 3),
        channel smallint NOT NULL CONSTRAINT bookings_channel CHECK (channel BETWEEN 0 AND 3),
        currency text NOT NULL,
        reference text NOT NULL,
        buyer_email text,
        CONSTRAINT bookings_buyer CHECK ((buyer_user_id IS NULL) <> (buyer_email IS NULL)),
        CONSTRAINT bookings_hold CHECK ((status <> 0 OR release_at IS NOT NULL)
            AND (expires_at IS NULL) = (release_at IS NULL) AND (ends_at IS NULL) = (release_at IS NULL))
    )",
    "INSERT INTO bookings_new SELECT id, event_id, organizer_id, buyer_user_id, total, expires_at, release_at, ends_at,
        created_at, updated_at, sequence, status, channel, currency, reference, buyer_email FROM bookings",
    "DROP TABLE bookings",
    "ALTER TABLE bookings_new RENAME TO bookings",
    "CREATE INDEX bookings_buyer ON bookings (buyer_user_id, id)",
    "CREATE INDEX bookings_guest ON bookings (event_id, buyer_email) WHERE buyer_email IS NOT NULL",
    "CREATE INDEX bookings_event ON bookings (event_id, id)",
    "CREATE UNIQUE INDEX bookings_reference_key ON bookings (reference, organizer_id)",
];

const LISTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN waiting_list boolean NOT NULL DEFAULT false",
    "ALTER TABLE events ADD COLUMN offer_seconds bigint NOT NULL DEFAULT 86400",
    "ALTER TABLE ticket_types ADD COLUMN waiting integer NOT NULL DEFAULT 0
        CONSTRAINT ticket_types_waiting CHECK (waiting >= 0)",
    "CREATE TABLE waiting_list_entries (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        organizer_id {uuid} NOT NULL,
        ticket_type_id {uuid} NOT NULL,
        buyer_user_id {uuid} NOT NULL,
        number bigint NOT NULL,
        quantity integer NOT NULL CONSTRAINT waiting_list_entries_quantity CHECK (quantity > 0),
        status smallint NOT NULL,
        reason smallint,
        booking_id {uuid},
        version integer NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        CONSTRAINT waiting_list_entries_number UNIQUE (event_id, number),
        CONSTRAINT waiting_list_entries_booking UNIQUE (booking_id),
        CONSTRAINT waiting_list_entries_state
            CHECK ((status = 1) = (booking_id IS NOT NULL) AND (status = 3) = (reason IS NOT NULL))
    )",
    // Who is next, and that nobody waits twice for the same.
    "CREATE INDEX waiting_list_entries_waiting ON waiting_list_entries (ticket_type_id, number) WHERE status = 0",
    "CREATE UNIQUE INDEX waiting_list_entries_once ON waiting_list_entries (buyer_user_id, ticket_type_id)
        WHERE status = 0",
    "CREATE INDEX waiting_list_entries_buyer ON waiting_list_entries (buyer_user_id, id)",
    "CREATE INDEX ticket_types_awaited ON ticket_types (event_id) WHERE waiting > 0",
];
