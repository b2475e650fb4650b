//! External identities, and the one-time codes at the end of a sign-in by a provider.

use super::Step;

/// All of it.
pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "CREATE TABLE external_identities (
        id {uuid} PRIMARY KEY NOT NULL,
        user_id {uuid} NOT NULL REFERENCES users (id),
        provider text NOT NULL,
        issuer text NOT NULL,
        subject text NOT NULL,
        linked_at bigint NOT NULL,
        CONSTRAINT external_identities_who_key UNIQUE (issuer, subject)
    )",
    "CREATE INDEX external_identities_user ON external_identities (user_id)",
    "CREATE TABLE sign_in_codes (
        hash {bytes} PRIMARY KEY NOT NULL CONSTRAINT sign_in_codes_hash CHECK (length(hash) = 32),
        user_id {uuid} NOT NULL REFERENCES users (id),
        user_version integer NOT NULL,
        binding {bytes} NOT NULL CONSTRAINT sign_in_codes_binding CHECK (length(binding) = 32),
        expires_at bigint NOT NULL
    )",
    "CREATE INDEX sign_in_codes_user ON sign_in_codes (user_id)",
    "CREATE INDEX sign_in_codes_expires_at ON sign_in_codes (expires_at)",
])];
