//! Promo codes (ADR 0030).
//!
//! `used` and `spent` are counted by the commits that hold, cancel and expire bookings, as differences, so that the
//! constraints have the last word. `promo_uses` has a row for each booking with a code and, like all that bookings write,
//! no foreign keys.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "CREATE TABLE promo_codes (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        code text NOT NULL,
        rate integer CONSTRAINT promo_codes_rate CHECK (rate BETWEEN 1 AND 1000000),
        amount bigint CONSTRAINT promo_codes_amount CHECK (amount > 0),
        ticket_types text NOT NULL,
        max_uses integer,
        max_per_buyer integer,
        budget bigint,
        starts_at bigint,
        ends_at bigint,
        archived boolean NOT NULL,
        used integer NOT NULL,
        spent bigint NOT NULL,
        version integer NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        CONSTRAINT promo_codes_event_key UNIQUE (event_id, code),
        CONSTRAINT promo_codes_discount CHECK ((rate IS NULL) <> (amount IS NULL)),
        CONSTRAINT promo_codes_uses CHECK (used >= 0 AND used <= max_uses),
        CONSTRAINT promo_codes_budget CHECK (spent >= 0 AND spent <= budget)
    )",
    "CREATE TABLE promo_uses (
        booking_id {uuid} PRIMARY KEY NOT NULL,
        promo_code_id {uuid} NOT NULL,
        discount bigint NOT NULL CONSTRAINT promo_uses_discount CHECK (discount >= 0)
    )",
])];
