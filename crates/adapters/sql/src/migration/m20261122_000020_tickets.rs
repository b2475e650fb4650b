//! Tickets: one for each unit of a confirmed booking (ADR 0024), and the keys of their codes.
//!
//! `tickets` is hot: the commit that confirms a booking writes it, so that it has no foreign keys and no index but what
//! the reads need. Bookings that were confirmed before get theirs here, with random ids (version 4) by the database. No
//! version was released before it, so that nothing that knows no tickets confirms bookings beside it.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&[
        // Status: 0 valid, 1 revoked. `attendee` is a position in `booking_attendees`.
        "CREATE TABLE tickets (
            id {uuid} PRIMARY KEY NOT NULL,
            booking_id {uuid} NOT NULL,
            event_id {uuid} NOT NULL,
            ticket_type_id {uuid} NOT NULL,
            unit integer NOT NULL CONSTRAINT tickets_unit CHECK (unit > 0),
            issue integer NOT NULL CONSTRAINT tickets_issue CHECK (issue > 0),
            attendee integer CONSTRAINT tickets_attendee CHECK (attendee BETWEEN 0 AND 65535),
            status smallint NOT NULL CONSTRAINT tickets_status CHECK (status BETWEEN 0 AND 1)
        )",
        "CREATE UNIQUE INDEX tickets_booking_key ON tickets (booking_id, unit)",
        "CREATE TABLE ticket_keys (
            id {uuid} PRIMARY KEY NOT NULL,
            event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
            number integer NOT NULL CONSTRAINT ticket_keys_number CHECK (number BETWEEN 1 AND 65535),
            public_key {bytes} NOT NULL CONSTRAINT ticket_keys_public_key CHECK (length(public_key) = 32),
            sealed_private_key {bytes} NOT NULL
                CONSTRAINT ticket_keys_sealed CHECK (length(sealed_private_key) BETWEEN 1 AND 1024),
            created_at bigint NOT NULL,
            CONSTRAINT ticket_keys_event_key UNIQUE (event_id, number)
        )",
    ]),
    Step::Postgres(&["WITH RECURSIVE n (n) AS (
            SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < (SELECT max(quantity) FROM booking_items)
        ), named AS (
            SELECT booking_id, ticket_type_id, position,
                row_number() OVER (PARTITION BY booking_id, ticket_type_id ORDER BY position) AS n
            FROM booking_attendees
        )
        INSERT INTO tickets (id, booking_id, event_id, ticket_type_id, unit, issue, attendee, status)
        SELECT gen_random_uuid(), b.id, b.event_id, i.ticket_type_id,
            row_number() OVER (PARTITION BY b.id ORDER BY i.position, n.n), 1, a.position, 0
        FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id JOIN n ON n.n <= i.quantity
        LEFT JOIN named AS a ON a.booking_id = b.id AND a.ticket_type_id = i.ticket_type_id AND a.n = n.n
        WHERE b.status = 1"]),
    Step::Sqlite(&["WITH RECURSIVE n (n) AS (
            SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < (SELECT max(quantity) FROM booking_items)
        ), named AS (
            SELECT booking_id, ticket_type_id, position,
                row_number() OVER (PARTITION BY booking_id, ticket_type_id ORDER BY position) AS n
            FROM booking_attendees
        ), made AS (
            SELECT hex(randomblob(16)) AS hex, b.id AS booking_id, b.event_id, i.ticket_type_id,
                row_number() OVER (PARTITION BY b.id ORDER BY i.position, n.n) AS unit, a.position AS attendee
            FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id JOIN n ON n.n <= i.quantity
            LEFT JOIN named AS a ON a.booking_id = b.id AND a.ticket_type_id = i.ticket_type_id AND a.n = n.n
            WHERE b.status = 1
        )
        INSERT INTO tickets (id, booking_id, event_id, ticket_type_id, unit, issue, attendee, status)
        SELECT unhex(substr(hex, 1, 12) || '4' || substr(hex, 14, 3) || '8' || substr(hex, 18)), booking_id, event_id,
            ticket_type_id, unit, 1, attendee, 0
        FROM made"]),
];
