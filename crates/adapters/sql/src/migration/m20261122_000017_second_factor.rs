//! Second factors: sealed seeds of apps, the digests of recovery codes, and sign-ins that wait for a code.

use super::Step;

/// All of it.
pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "CREATE TABLE second_factors (
        user_id {uuid} PRIMARY KEY NOT NULL REFERENCES users (id),
        sealed_seed {bytes} NOT NULL CONSTRAINT second_factors_seed CHECK (length(sealed_seed) <= 1024),
        made_at bigint NOT NULL,
        confirmed_at bigint,
        last_step bigint,
        failures integer NOT NULL,
        blocked_until bigint
    )",
    "CREATE TABLE recovery_codes (
        hash {bytes} PRIMARY KEY NOT NULL CONSTRAINT recovery_codes_hash CHECK (length(hash) = 32),
        user_id {uuid} NOT NULL REFERENCES users (id)
    )",
    "CREATE INDEX recovery_codes_user ON recovery_codes (user_id)",
    "CREATE TABLE sign_in_challenges (
        hash {bytes} PRIMARY KEY NOT NULL CONSTRAINT sign_in_challenges_hash CHECK (length(hash) = 32),
        user_id {uuid} NOT NULL REFERENCES users (id),
        user_version integer NOT NULL,
        tries_left integer NOT NULL,
        expires_at bigint NOT NULL
    )",
    "CREATE INDEX sign_in_challenges_user ON sign_in_challenges (user_id)",
    "CREATE INDEX sign_in_challenges_expires_at ON sign_in_challenges (expires_at)",
])];
