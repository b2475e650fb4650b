//! The audit log is sealed into a hash chain per tenant (ADR 0020).
//!
//! `audit_log` gets no index: it would cost every booking. Which lines wait to be sealed is told by one row a commit and
//! tenant, and blocks hold the ids of their lines. The tenant of a chain is all zeros for lines of no tenant. What was
//! written before waits to be sealed, line by line.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&[
        // A JSON object of what is personal, apart from the rest, so that it can be erased.
        "ALTER TABLE audit_log ADD COLUMN personal text",
        // `lines` are ids of 16 bytes; the first of them is the id of the row.
        "CREATE TABLE audit_unsealed (
            id {uuid} PRIMARY KEY NOT NULL,
            organizer_id {uuid},
            lines {bytes} NOT NULL CONSTRAINT audit_unsealed_lines CHECK (length(lines) > 0 AND length(lines) % 16 = 0)
        )",
        "CREATE TABLE audit_chains (
            chain {uuid} PRIMARY KEY NOT NULL,
            number bigint NOT NULL CONSTRAINT audit_chains_number CHECK (number > 0),
            digest {bytes} NOT NULL CONSTRAINT audit_chains_digest CHECK (length(digest) = 32),
            checked_number bigint NOT NULL DEFAULT 0,
            pruned_number bigint,
            pruned_digest {bytes},
            pruned_before bigint,
            pruned_key {uuid},
            pruned_signature {bytes}
        )",
        // `lines` as above; `digests` are 32 bytes a line; `commitments` 48 a line, or none where no line has one.
        "CREATE TABLE audit_blocks (
            chain {uuid} NOT NULL,
            number bigint NOT NULL CONSTRAINT audit_blocks_number CHECK (number > 0),
            previous {bytes} NOT NULL CONSTRAINT audit_blocks_previous CHECK (length(previous) = 32),
            digest {bytes} NOT NULL CONSTRAINT audit_blocks_digest CHECK (length(digest) = 32),
            sealed_at bigint NOT NULL,
            lines {bytes} NOT NULL,
            digests {bytes} NOT NULL,
            commitments {bytes},
            PRIMARY KEY (chain, number)
        )",
        "CREATE INDEX audit_blocks_sealed_at ON audit_blocks (sealed_at)",
        // `heads` are 56 bytes each: chain, number, digest.
        "CREATE TABLE audit_checkpoints (
            number bigint PRIMARY KEY NOT NULL CONSTRAINT audit_checkpoints_number CHECK (number > 0),
            previous {bytes} NOT NULL,
            at bigint NOT NULL,
            heads {bytes} NOT NULL,
            key_id {uuid} NOT NULL,
            signature {bytes} NOT NULL
        )",
        "CREATE TABLE audit_keys (
            id {uuid} PRIMARY KEY NOT NULL,
            public_key {bytes} NOT NULL CONSTRAINT audit_keys_public_key CHECK (length(public_key) = 32),
            sealed_private_key {bytes} NOT NULL,
            created_at bigint NOT NULL
        )",
    ]),
    Step::Postgres(&[
        // Ids in a row have nothing to compress; and the table empties itself all the time.
        "ALTER TABLE audit_unsealed ALTER COLUMN lines SET STORAGE EXTERNAL",
        "ALTER TABLE audit_blocks ALTER COLUMN lines SET STORAGE EXTERNAL",
        "ALTER TABLE audit_blocks ALTER COLUMN digests SET STORAGE EXTERNAL",
        "ALTER TABLE audit_blocks ALTER COLUMN commitments SET STORAGE EXTERNAL",
        "INSERT INTO audit_unsealed (id, organizer_id, lines) SELECT id, organizer_id, uuid_send(id) FROM audit_log",
    ]),
    Step::Sqlite(&["INSERT INTO audit_unsealed (id, organizer_id, lines) SELECT id, organizer_id, id FROM audit_log"]),
];
