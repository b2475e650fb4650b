//! Promo codes that open hidden ticket types (ADR 0036): those may take nothing off.
//!
//! SQLite drops no constraint, so that the table is made anew there.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&["ALTER TABLE ticket_types ADD COLUMN code_required boolean NOT NULL DEFAULT false"]),
    Step::Postgres(&[
        "ALTER TABLE promo_codes ADD COLUMN opens text NOT NULL DEFAULT ''",
        "ALTER TABLE promo_codes DROP CONSTRAINT promo_codes_discount",
        "ALTER TABLE promo_codes ADD CONSTRAINT promo_codes_effect
            CHECK ((rate IS NULL OR amount IS NULL) AND (rate IS NOT NULL OR amount IS NOT NULL OR opens <> ''))",
    ]),
    Step::Sqlite(&[
        "CREATE TABLE promo_codes_new (
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
            opens text NOT NULL DEFAULT '',
            CONSTRAINT promo_codes_event_key UNIQUE (event_id, code),
            CONSTRAINT promo_codes_effect
                CHECK ((rate IS NULL OR amount IS NULL) AND (rate IS NOT NULL OR amount IS NOT NULL OR opens <> '')),
            CONSTRAINT promo_codes_uses CHECK (used >= 0 AND used <= max_uses),
            CONSTRAINT promo_codes_budget CHECK (spent >= 0 AND spent <= budget)
        )",
        "INSERT INTO promo_codes_new SELECT id, event_id, code, rate, amount, ticket_types, max_uses, max_per_buyer, budget,
            starts_at, ends_at, archived, used, spent, version, created_at, updated_at, '' FROM promo_codes",
        "DROP TABLE promo_codes",
        "ALTER TABLE promo_codes_new RENAME TO promo_codes",
    ]),
];
