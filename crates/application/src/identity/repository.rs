//! The storage ports of the context.
//!
//! # Tables
//! - `users`: `id` (primary key), `email` (unique, constraint `users_email_key`; kept in lower case), `name` (null),
//!   `role` (`user`, `organizer`, `admin`; checked), `role_changed_at` (null; partial index where not null),
//!   `email_verified`, `version` (from 1), `password_hash` (null), `created_at`, `language`, `deleted_at` (null). Index on
//!   `role` where it is `admin`.
//! - `mailed_tokens`: `hash` (primary key, 32 bytes), `user_id` (references `users`, indexed), `purpose`, `email`,
//!   `issued_at`, `expires_at` (indexed).
//! - `email_changes`: `user_id` (primary key, references `users`), `new_email`, `old_agreed`, `new_agreed`, `asked_at`.
//! - `sessions`: `id` (primary key), `user_id` (references `users`), `started_at`, `last_used_at`, `expires_at`
//!   (indexed), `generation` (from 1), `reissues`, `ended_at` (null; partial index where not null), `end_reason`
//!   (`logout`, `token_reuse`; null exactly where `ended_at` is), `end_cause` (null; says more than `logout` where there
//!   is more to say: an older version of this program knows only the two reasons), `user_agent` and `address` (null).
//!   Index on `user_id`.
//! - `refresh_tokens`: `hash` (primary key, 32 bytes), `session_id` (references `sessions`, cascades on delete,
//!   indexed), `generation`, `issued_at`, `spent_at` (null).
//! - `signing_keys`: `id` (primary key), `public_key` (32 bytes), `sealed_private_key` (at most 1,024 bytes),
//!   `created_at`, `retired_at` (null).
//! - `seal_checks`: `id` (primary key, always 1, checked), `sealed` (at most 1,024 bytes). One row at most.
//!
//! Every column but those marked null is `NOT NULL`. Times are whole microseconds in UTC.

use async_trait::async_trait;
use domain::identity::{
    Account, EmailChange, MailedPurpose, MailedToken, PasswordHash, RefreshToken, Role, Session, TokenHash, User,
};
use domain::{EmailAddress, Limit, SessionId, SigningKeyId, Timestamp, UserId};

use crate::identity::{ApiKeyReads, ExternalIdentityReads, RevokedKey, SecondFactorReads};
use crate::store::StoreError;

/// What became of a new account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum UserInsert {
    /// It is there now.
    Inserted,
    /// Another account has this address; nothing was written, and the transaction can go on.
    EmailTaken,
}

/// A key that signs access tokens, as it is stored. The newest that is not retired signs; every one verifies until it
/// is retired, which happens no earlier than the last token that it has signed has expired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSigningKey {
    /// The `kid` of its tokens.
    pub id: SigningKeyId,
    /// The raw Ed25519 public key.
    pub public_key: [u8; 32],
    /// The private key, sealed by the master key.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on it neither signs nor verifies.
    pub retired_at: Option<Timestamp>,
}

/// That a session has ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedSession {
    /// Which.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
}

/// That an account has another role than before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangedRole {
    /// Whose.
    pub user: UserId,
    /// The present one.
    pub role: Role,
    /// When it was changed last.
    pub at: Timestamp,
}

/// What access tokens that are still valid by themselves may have outlived.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Revocations {
    /// Sessions that ended; any order.
    pub sessions: Vec<EndedSession>,
    /// Roles that changed; each account at most once; any order.
    pub roles: Vec<ChangedRole>,
    /// API keys that were revoked; any order.
    pub keys: Vec<RevokedKey>,
}

/// Accounts, sessions and keys within a transaction.
///
/// Locks are taken in this order: signing keys → admins → users → sessions. On SQLite the transaction has the writer's
/// lock from its start, and the methods that lock just read.
#[async_trait]
pub trait IdentityRepository {
    /// Inserts an account. Of two transactions with the same address at the same time, the second waits for the first
    /// and then answers [`UserInsert::EmailTaken`] if that one has committed (`ON CONFLICT (email) DO NOTHING`, with
    /// the affected rows checked).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the id is there already.
    async fn insert_user(&mut self, account: &Account) -> Result<UserInsert, StoreError>;

    /// Inserts many accounts, set-wise and in chunks as the database needs. Nothing to insert is no error.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where an id or an address is there already.
    async fn insert_users(&mut self, accounts: &[Account]) -> Result<(), StoreError>;

    /// The account, without a lock.
    async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The account as it is once every other transaction that has changed it is over; nobody else changes it until
    /// this transaction is (PostgreSQL: `FOR NO KEY UPDATE`).
    async fn lock_user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The ids of all admins, in ascending order, each locked against a change of its role. Whoever waited here for a
    /// demotion does not see the demoted one (PostgreSQL: `WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE`).
    async fn lock_admins(&mut self) -> Result<Vec<UserId>, StoreError>;

    /// Saves `name`, `role`, `role_changed_at`, `email_verified` and `version` of an account that this transaction has
    /// locked. `email`, `created_at` and the password stay.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such account.
    async fn save_user(&mut self, user: &User) -> Result<(), StoreError>;

    /// Replaces what is kept of the password.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such account.
    async fn save_password(&mut self, user: UserId, password: &PasswordHash) -> Result<(), StoreError>;

    /// Whether something is kept of a password.
    async fn has_password(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// Forgets what is kept of the password: nobody signs in by one.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such account.
    async fn drop_password(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Saves `email`, `email_verified` and `version` of an account that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another account has the address; the transaction is over then.
    async fn save_email(&mut self, user: &User) -> Result<(), StoreError>;

    /// Saves a deleted account that this transaction has locked: all of the account, without a password; its memberships,
    /// its external identities, the names of those it has booked for, and its kept answers go.
    async fn erase_user(&mut self, user: &User) -> Result<(), StoreError>;

    /// Whether there is an organizer that the account alone owns. From here on to the end of this transaction nobody
    /// else changes who owns the organizers that it owns.
    async fn is_only_owner(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// Inserts a mailed token.
    async fn insert_mailed_token(&mut self, token: &MailedToken) -> Result<(), StoreError>;

    /// The mailed token, as the present statement sees it.
    async fn mailed_token(&mut self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError>;

    /// Takes the mailed token away. Of two transactions at once one gets it: the other waits, and gets none if the first
    /// has committed.
    async fn take_mailed_token(&mut self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError>;

    /// When the newest token of this purpose was made for the account.
    async fn last_mailed(&mut self, user: UserId, purpose: MailedPurpose) -> Result<Option<Timestamp>, StoreError>;

    /// Takes all mailed tokens of these purposes away from the account.
    async fn delete_mailed_tokens(&mut self, user: UserId, purposes: &[MailedPurpose]) -> Result<(), StoreError>;

    /// Deletes mailed tokens that expired before `now`, and wishes for another address that have no token any more; a
    /// bounded number of each.
    async fn delete_lapsed_mailed_tokens(&mut self, now: Timestamp) -> Result<(), StoreError>;

    /// The wish of an account for another address. It is locked by the lock of the account.
    async fn email_change(&mut self, user: UserId) -> Result<Option<EmailChange>, StoreError>;

    /// Saves the wish, in the place of an older one.
    async fn save_email_change(&mut self, change: &EmailChange) -> Result<(), StoreError>;

    /// Deletes the wish, if there is one.
    async fn delete_email_change(&mut self, user: UserId) -> Result<(), StoreError>;

    /// All sessions of an account that have not ended, each locked as by [`lock_session`](Self::lock_session), in
    /// ascending order of their ids.
    async fn lock_sessions_of(&mut self, user: UserId) -> Result<Vec<Session>, StoreError>;

    /// Inserts sessions, set-wise and in chunks as the database needs. Nothing to insert is no error.
    async fn insert_sessions(&mut self, sessions: &[Session]) -> Result<(), StoreError>;

    /// The session as it is once every other transaction that has changed it is over; nobody else changes it until
    /// this transaction is (PostgreSQL: `FOR NO KEY UPDATE`).
    async fn lock_session(&mut self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Saves `last_used_at`, `expires_at`, `generation`, `reissues`, `ended_at` and `end_reason` of a session that this
    /// transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such session.
    async fn save_session(&mut self, session: &Session) -> Result<(), StoreError>;

    /// The token, as the present statement sees it. Never joined with the lock of its session: PostgreSQL would then
    /// read the token as it was before the wait.
    async fn refresh_token(&mut self, hash: &TokenHash) -> Result<Option<RefreshToken>, StoreError>;

    /// Inserts a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the hash is there already.
    async fn insert_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreError>;

    /// Saves `spent_at` of a token whose session this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such token.
    async fn save_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreError>;

    /// Deletes at most `limit` sessions that expired or ended before `before`, with all their tokens, and answers how
    /// many.
    async fn delete_dead_sessions(&mut self, before: Timestamp, limit: Limit) -> Result<u64, StoreError>;

    /// From here on to its end this transaction is the only one that reads or writes signing keys and the seal check
    /// under this lock (PostgreSQL: `pg_advisory_xact_lock`, or `LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE`).
    /// Readers without a transaction are not held up.
    async fn lock_signing_keys(&mut self) -> Result<(), StoreError>;

    /// All signing keys, retired ones included, oldest first (`created_at`, then `id`).
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// Inserts a signing key.
    async fn insert_signing_key(&mut self, key: &StoredSigningKey) -> Result<(), StoreError>;

    /// Sets `retired_at` of every key that has none, under the lock of the signing keys.
    async fn retire_signing_keys(&mut self, at: Timestamp) -> Result<(), StoreError>;

    /// The sealed check value by which a wrong master key is recognised; none in a new database.
    async fn seal_check(&mut self) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps the sealed check value.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is one already.
    async fn insert_seal_check(&mut self, sealed: &[u8]) -> Result<(), StoreError>;
}

/// Reads that need no transaction. Each sees what was committed before it began.
#[async_trait]
pub trait IdentityReads: ApiKeyReads + ExternalIdentityReads + SecondFactorReads + Send + Sync {
    /// The account with this address, with what is kept of its password.
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// The account with this id, with what is kept of its password.
    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError>;

    /// The mailed token.
    async fn mailed_token(&self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError>;

    /// The sessions of an account that are live at `now`, the last used first, at most `rows`.
    async fn sessions_of(&self, user: UserId, now: Timestamp, rows: u64) -> Result<Vec<Session>, StoreError>;

    /// The account.
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// Accounts in ascending order of their ids, those behind `after`, at most `rows` (at most 101: a page, and one more
    /// that tells whether there is another page).
    async fn users(&self, after: Option<UserId>, rows: u64) -> Result<Vec<User>, StoreError>;

    /// All signing keys, retired ones included, oldest first (`created_at`, then `id`).
    async fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// The sessions with `ended_at >= since`, the accounts with `role_changed_at >= since` and the API keys with
    /// `revoked_at >= since`. It is asked a few times a second by every replica, almost always with nothing to tell:
    /// three reads of partial indexes.
    async fn revocations(&self, since: Timestamp) -> Result<Revocations, StoreError>;
}
