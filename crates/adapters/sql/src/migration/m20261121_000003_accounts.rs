//! Accounts: mailed tokens, changes of address, where a session was started, deletion.
//!
//! `sessions.end_reason` keeps its two words, since the release before knows no others and its replicas may still run:
//! what there is more to say stands in `end_cause`.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&[
    "ALTER TABLE users ADD COLUMN language text NOT NULL DEFAULT 'en'",
    "ALTER TABLE users ADD COLUMN deleted_at bigint",
    "ALTER TABLE sessions ADD COLUMN end_cause text",
    "ALTER TABLE sessions ADD COLUMN user_agent text",
    "ALTER TABLE sessions ADD COLUMN address text",
    "CREATE INDEX sessions_user ON sessions (user_id)",
    "CREATE TABLE mailed_tokens (
        hash {bytes} PRIMARY KEY NOT NULL CONSTRAINT mailed_tokens_hash CHECK (length(hash) = 32),
        user_id {uuid} NOT NULL REFERENCES users (id),
        purpose text NOT NULL CONSTRAINT mailed_tokens_purpose
            CHECK (purpose IN ('verify_email', 'reset_password', 'confirm_old_email', 'confirm_new_email')),
        email text NOT NULL,
        issued_at bigint NOT NULL,
        expires_at bigint NOT NULL
    )",
    "CREATE INDEX mailed_tokens_user ON mailed_tokens (user_id)",
    "CREATE INDEX mailed_tokens_expires_at ON mailed_tokens (expires_at)",
    "CREATE TABLE email_changes (
        user_id {uuid} PRIMARY KEY NOT NULL REFERENCES users (id),
        new_email text NOT NULL,
        old_agreed boolean NOT NULL,
        new_agreed boolean NOT NULL,
        asked_at bigint NOT NULL
    )",
    "CREATE INDEX email_changes_asked_at ON email_changes (asked_at)",
])];
