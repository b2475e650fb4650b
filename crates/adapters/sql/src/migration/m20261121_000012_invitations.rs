//! Invitations to act for an organizer.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&[
    "CREATE TABLE invitations (
        id {uuid} PRIMARY KEY NOT NULL,
        organizer_id {uuid} NOT NULL REFERENCES organizers (id) ON DELETE CASCADE,
        email text NOT NULL,
        role text NOT NULL CONSTRAINT invitations_role CHECK (role IN ('owner', 'manager', 'scanner')),
        all_events boolean NOT NULL,
        hash {bytes} NOT NULL CONSTRAINT invitations_hash CHECK (length(hash) = 32),
        invited_by {uuid} NOT NULL REFERENCES users (id),
        created_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        ended_at bigint,
        outcome text CONSTRAINT invitations_outcome CHECK (outcome IN ('accepted', 'revoked')),
        CONSTRAINT invitations_hash_key UNIQUE (hash),
        CONSTRAINT invitations_end CHECK ((ended_at IS NULL) = (outcome IS NULL)),
        CONSTRAINT invitations_owners_reach_all CHECK (all_events OR role <> 'owner')
    )",
    // At most one to an address that can still be accepted.
    "CREATE UNIQUE INDEX invitations_open_key ON invitations (organizer_id, email) WHERE ended_at IS NULL",
    "CREATE INDEX invitations_organizer ON invitations (organizer_id, id)",
    "CREATE INDEX invitations_expires_at ON invitations (expires_at)",
    "CREATE TABLE invitation_events (
        invitation_id {uuid} NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        PRIMARY KEY (invitation_id, event_id)
    ){by_key}",
    "CREATE INDEX invitation_events_event ON invitation_events (event_id)",
])];
