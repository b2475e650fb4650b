//! What organizers sign passes for wallets with (ADR 0043).

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&["CREATE TABLE pass_issuers (
        id {uuid} PRIMARY KEY NOT NULL,
        organizer_id {uuid} NOT NULL REFERENCES organizers (id) ON DELETE CASCADE,
        wallet text NOT NULL CONSTRAINT pass_issuers_wallet CHECK (wallet IN ('apple', 'google')),
        name text NOT NULL,
        account text NOT NULL,
        certificate {bytes},
        intermediate {bytes},
        expires_at bigint,
        sealed_private_key {bytes} NOT NULL,
        changed_at bigint NOT NULL,
        CONSTRAINT pass_issuers_one UNIQUE (organizer_id, wallet),
        CONSTRAINT pass_issuers_certified
            CHECK ((wallet = 'apple') = (certificate IS NOT NULL AND intermediate IS NOT NULL AND expires_at IS NOT NULL))
    )"])];
