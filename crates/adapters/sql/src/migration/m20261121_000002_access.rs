//! Members with a reach, API keys, and journals that can name a key.
//!
//! The release before goes on working beside it: what it inserts gets the defaults.

use super::Step::{self, Both, Postgres, Sqlite};

pub(super) const STEPS: &[Step] = &[Both(TEAMS_AND_KEYS), Postgres(ACTOR_OF_POSTGRES), Sqlite(ACTOR_OF_SQLITE)];

const TEAMS_AND_KEYS: &[&str] = &[
    // Counts the messages about the organizer, the first of which told that it was made.
    "ALTER TABLE organizers ADD COLUMN version integer NOT NULL DEFAULT 1
        CONSTRAINT organizers_version CHECK (version > 0)",
    "ALTER TABLE members ADD COLUMN all_events boolean NOT NULL DEFAULT true
        CONSTRAINT members_owners_reach_all CHECK (all_events OR role <> 'owner')",
    // Whoever is restricted and has no row here acts for nothing: the events were deleted.
    "CREATE TABLE member_events (
        organizer_id {uuid} NOT NULL,
        user_id {uuid} NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        PRIMARY KEY (organizer_id, user_id, event_id),
        FOREIGN KEY (organizer_id, user_id) REFERENCES members (organizer_id, user_id) ON DELETE CASCADE
    ){by_key}",
    "CREATE INDEX member_events_user ON member_events (user_id)",
    "CREATE INDEX member_events_event ON member_events (event_id)",
    "CREATE INDEX members_since ON members (organizer_id, since, user_id)",
    "CREATE TABLE api_keys (
        id {uuid} PRIMARY KEY NOT NULL,
        organizer_id {uuid} NOT NULL REFERENCES organizers (id) ON DELETE CASCADE,
        name text NOT NULL,
        hash {bytes} NOT NULL CONSTRAINT api_keys_hash CHECK (length(hash) = 32),
        hint text NOT NULL,
        scopes text NOT NULL CONSTRAINT api_keys_scopes CHECK (length(scopes) > 0),
        created_by {uuid} NOT NULL REFERENCES users (id),
        created_at bigint NOT NULL,
        expires_at bigint,
        last_used_at bigint,
        revoked_at bigint,
        CONSTRAINT api_keys_hash_key UNIQUE (hash)
    )",
    "CREATE INDEX api_keys_organizer ON api_keys (organizer_id, id)",
    "CREATE INDEX api_keys_revoked_at ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL",
];

// Actor kind: 0 the system, 1 nobody signed in, 2 an account, 3 an API key; of the last two the id is kept.
const ACTOR_OF_POSTGRES: &[&str] = &[
    "ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor",
    "ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor CHECK ((actor_kind >= 2) = (actor_user_id IS NOT NULL))
        NOT VALID",
    "ALTER TABLE audit_log VALIDATE CONSTRAINT audit_log_actor",
];

/// SQLite changes no constraint of a table that is there: the rows move into a new one.
const ACTOR_OF_SQLITE: &[&str] = &[
    "CREATE TABLE audit_log_new (
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
        CONSTRAINT audit_log_actor CHECK ((actor_kind >= 2) = (actor_user_id IS NOT NULL))
    )",
    "INSERT INTO audit_log_new (id, object, organizer_id, actor_user_id, occurred_at, actor_kind, action, object_kind,
        before_state, after_state, correlation_id)
        SELECT id, object, organizer_id, actor_user_id, occurred_at, actor_kind, action, object_kind, before_state,
            after_state, correlation_id FROM audit_log",
    "DROP TABLE audit_log",
    "ALTER TABLE audit_log_new RENAME TO audit_log",
];
