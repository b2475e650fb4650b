//! The first schema.
//!
//! The tables that every booking writes to (`bookings`, `booking_items`, `outbox`, `audit_log`, `idempotency_keys`) have
//! no foreign keys and as few indexes as their reads need. A foreign key would cost each booking a look-up and a row
//! lock on its event, which all buyers share, to guard against what cannot happen: the desk writes all these rows in one
//! statement, under the lock of the lane, of the sale that it has loaded; and nothing deletes an event that has
//! bookings. `goticket verify` looks for orphans all the same. Everything colder has its foreign keys.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(IDENTITY), Both(CATALOG), Both(STOCK), Both(BOOKINGS), Both(JOURNALS)];

const IDENTITY: &[&str] = &[
    "CREATE TABLE users (
        id {uuid} PRIMARY KEY NOT NULL,
        email text NOT NULL,
        name text,
        role text NOT NULL CONSTRAINT users_role CHECK (role IN ('user', 'organizer', 'admin')),
        role_changed_at bigint,
        email_verified boolean NOT NULL,
        version integer NOT NULL CONSTRAINT users_version CHECK (version > 0),
        password_hash text,
        created_at bigint NOT NULL,
        CONSTRAINT users_email_key UNIQUE (email)
    )",
    "CREATE INDEX users_role_changed_at ON users (role_changed_at) WHERE role_changed_at IS NOT NULL",
    "CREATE INDEX users_admins ON users (role) WHERE role = 'admin'",
    "CREATE TABLE sessions (
        id {uuid} PRIMARY KEY NOT NULL,
        user_id {uuid} NOT NULL REFERENCES users (id),
        started_at bigint NOT NULL,
        last_used_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        generation integer NOT NULL CONSTRAINT sessions_generation CHECK (generation > 0),
        reissues integer NOT NULL CONSTRAINT sessions_reissues CHECK (reissues >= 0),
        ended_at bigint,
        end_reason text CONSTRAINT sessions_end_reason CHECK (end_reason IN ('logout', 'token_reuse')),
        CONSTRAINT sessions_end CHECK ((ended_at IS NULL) = (end_reason IS NULL))
    )",
    "CREATE INDEX sessions_expires_at ON sessions (expires_at)",
    "CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE TABLE refresh_tokens (
        hash {bytes} PRIMARY KEY NOT NULL CONSTRAINT refresh_tokens_hash CHECK (length(hash) = 32),
        session_id {uuid} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        generation integer NOT NULL CONSTRAINT refresh_tokens_generation CHECK (generation > 0),
        issued_at bigint NOT NULL,
        spent_at bigint
    )",
    "CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id)",
    "CREATE TABLE signing_keys (
        id {uuid} PRIMARY KEY NOT NULL,
        public_key {bytes} NOT NULL CONSTRAINT signing_keys_public_key CHECK (length(public_key) = 32),
        sealed_private_key {bytes} NOT NULL
            CONSTRAINT signing_keys_sealed CHECK (length(sealed_private_key) BETWEEN 1 AND 1024),
        created_at bigint NOT NULL,
        retired_at bigint
    )",
    "CREATE TABLE seal_checks (
        id integer PRIMARY KEY NOT NULL CONSTRAINT seal_checks_one CHECK (id = 1),
        sealed {bytes} NOT NULL CONSTRAINT seal_checks_sealed CHECK (length(sealed) BETWEEN 1 AND 1024)
    )",
];

const CATALOG: &[&str] = &[
    "CREATE TABLE organizers (
        id {uuid} PRIMARY KEY NOT NULL,
        slug text NOT NULL,
        name text NOT NULL,
        created_at bigint NOT NULL,
        CONSTRAINT organizers_slug_key UNIQUE (slug)
    )",
    "CREATE TABLE members (
        organizer_id {uuid} NOT NULL REFERENCES organizers (id) ON DELETE CASCADE,
        user_id {uuid} NOT NULL REFERENCES users (id),
        role text NOT NULL CONSTRAINT members_role CHECK (role IN ('owner', 'manager', 'scanner')),
        since bigint NOT NULL,
        PRIMARY KEY (organizer_id, user_id)
    ){by_key}",
    "CREATE INDEX members_user ON members (user_id)",
    // `name_folded` is the name in lower case as Unicode has it, which neither engine could be relied upon to know.
    "CREATE TABLE events (
        id {uuid} PRIMARY KEY NOT NULL,
        organizer_id {uuid} NOT NULL REFERENCES organizers (id),
        slug text NOT NULL,
        name text NOT NULL,
        name_folded text NOT NULL,
        description text,
        venue text,
        timezone text NOT NULL,
        start_at bigint NOT NULL,
        end_at bigint NOT NULL,
        hold_seconds bigint NOT NULL CONSTRAINT events_hold CHECK (hold_seconds > 0),
        currency text NOT NULL CONSTRAINT events_currency CHECK (length(currency) = 3),
        status text NOT NULL
            CONSTRAINT events_status CHECK (status IN ('draft', 'published', 'paused', 'cancelled', 'archived')),
        version bigint NOT NULL CONSTRAINT events_version CHECK (version > 0),
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        CONSTRAINT events_slug_key UNIQUE (slug),
        CONSTRAINT events_period CHECK (start_at < end_at)
    )",
    "CREATE INDEX events_start ON events (start_at, id)",
    "CREATE INDEX events_organizer ON events (organizer_id, start_at)",
];

const STOCK: &[&str] = &[
    // The row that orders all decisions of an event: whoever decides holds its lock.
    "CREATE TABLE lanes (
        event_id {uuid} PRIMARY KEY NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        version bigint NOT NULL CONSTRAINT lanes_version CHECK (version >= 0),
        decided_at bigint NOT NULL
    ){hot}",
    // The last word on stock.
    "CREATE TABLE pools (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        capacity bigint,
        held bigint NOT NULL,
        sold bigint NOT NULL,
        shared boolean NOT NULL,
        name text NOT NULL,
        CONSTRAINT pools_stock CHECK (held >= 0 AND sold >= 0 AND (capacity IS NULL OR held + sold <= capacity))
    ){hot}",
    "CREATE INDEX pools_event ON pools (event_id)",
    "CREATE TABLE ticket_types (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        own_pool_id {uuid} NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
        price bigint NOT NULL CONSTRAINT ticket_types_price CHECK (price >= 0),
        min_per_booking integer NOT NULL,
        max_per_booking integer NOT NULL,
        max_per_buyer integer,
        sales_start_at bigint,
        sales_end_at bigint,
        hidden boolean NOT NULL,
        status text NOT NULL CONSTRAINT ticket_types_status CHECK (status IN ('active', 'archived')),
        position integer NOT NULL,
        name text NOT NULL,
        CONSTRAINT ticket_types_own_pool_key UNIQUE (own_pool_id),
        CONSTRAINT ticket_types_limits CHECK (min_per_booking > 0 AND min_per_booking <= max_per_booking)
    )",
    "CREATE INDEX ticket_types_event ON ticket_types (event_id)",
    // Shared pools alone; the own one is a column. They do not change while units of the type are held or sold, so that
    // the pools that a booking took from are found here, and need no rows of their own.
    "CREATE TABLE ticket_type_pools (
        ticket_type_id {uuid} NOT NULL REFERENCES ticket_types (id) ON DELETE CASCADE,
        pool_id {uuid} NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
        PRIMARY KEY (ticket_type_id, pool_id)
    ){by_key}",
    "CREATE INDEX ticket_type_pools_pool ON ticket_type_pools (pool_id)",
];

const BOOKINGS: &[&str] = &[
    // Status: 0 pending, 1 confirmed, 2 cancelled, 3 expired. Channel: 0 web, 1 api, 2 box office.
    "CREATE TABLE bookings (
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
        channel smallint NOT NULL CONSTRAINT bookings_channel CHECK (channel BETWEEN 0 AND 2),
        currency text NOT NULL,
        reference text NOT NULL,
        buyer_email text,
        CONSTRAINT bookings_buyer CHECK ((buyer_user_id IS NULL) <> (buyer_email IS NULL)),
        CONSTRAINT bookings_hold CHECK ((status <> 0 OR release_at IS NOT NULL)
            AND (expires_at IS NULL) = (release_at IS NULL) AND (ends_at IS NULL) = (release_at IS NULL))
    )",
    "CREATE INDEX bookings_buyer ON bookings (buyer_user_id, id)",
    "CREATE INDEX bookings_guest ON bookings (event_id, buyer_email) WHERE buyer_email IS NOT NULL",
    "CREATE INDEX bookings_event ON bookings (event_id, id)",
    // Unique within the organizer. The reference comes first and is compared byte by byte, since that takes one cheap
    // comparison where the rules of a language take many: this index alone had cost a fifth of a booking.
    "CREATE UNIQUE INDEX bookings_reference_key ON bookings (reference{bytewise}, organizer_id)",
    // What lapses next in a lane.
    "CREATE INDEX bookings_release ON bookings (event_id, release_at) WHERE status = 0",
    "CREATE TABLE booking_items (
        booking_id {uuid} NOT NULL,
        ticket_type_id {uuid} NOT NULL,
        unit_price bigint NOT NULL CONSTRAINT booking_items_price CHECK (unit_price >= 0),
        quantity integer NOT NULL CONSTRAINT booking_items_quantity CHECK (quantity > 0),
        position smallint NOT NULL,
        name text NOT NULL,
        PRIMARY KEY (booking_id, position)
    ){by_key}",
    "CREATE TABLE booking_attendees (
        booking_id {uuid} NOT NULL,
        ticket_type_id {uuid} NOT NULL,
        position smallint NOT NULL,
        name text,
        email text,
        PRIMARY KEY (booking_id, position)
    ){by_key}",
];

const JOURNALS: &[&str] = &[
    "CREATE TABLE outbox (
        id {uuid} PRIMARY KEY NOT NULL,
        aggregate {uuid} NOT NULL,
        occurred_at bigint NOT NULL,
        sequence integer NOT NULL CONSTRAINT outbox_sequence CHECK (sequence > 0),
        kind text NOT NULL,
        data text NOT NULL,
        traceparent text
    )",
    // Actor kind: 0 the system, 1 nobody signed in, 2 an account.
    "CREATE TABLE audit_log (
        id {uuid} PRIMARY KEY NOT NULL,
        object {uuid} NOT NULL,
        organizer_id {uuid},
        actor_user_id {uuid},
        occurred_at bigint NOT NULL,
        actor_kind smallint NOT NULL,
        action text NOT NULL,
        object_kind text NOT NULL,
        before_state text,
        after_state text,
        correlation_id text NOT NULL,
        CONSTRAINT audit_log_actor CHECK ((actor_kind = 2) = (actor_user_id IS NOT NULL))
    )",
    "CREATE TABLE idempotency_keys (
        caller {uuid} NOT NULL,
        kept_at bigint NOT NULL,
        word text NOT NULL,
        fingerprint {bytes} NOT NULL CONSTRAINT idempotency_keys_fingerprint CHECK (length(fingerprint) = 32),
        snapshot text NOT NULL,
        PRIMARY KEY (caller, word)
    ){by_key}",
    "CREATE INDEX idempotency_keys_kept_at ON idempotency_keys (kept_at)",
    "CREATE TABLE jobs (
        id {uuid} PRIMARY KEY NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        payload text NOT NULL,
        run_at bigint NOT NULL,
        lease_until bigint,
        fence bigint NOT NULL,
        attempts integer NOT NULL,
        parked boolean NOT NULL,
        error text
    )",
    "CREATE UNIQUE INDEX jobs_unfinished_key ON jobs (kind, subject) WHERE NOT parked",
    "CREATE INDEX jobs_due ON jobs (run_at) WHERE NOT parked",
];
