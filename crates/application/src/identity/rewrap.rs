//! Use case: an operator has everything that is sealed by an older master key sealed by the present one.
//!
//! It runs beside servers that know both keys. Each value is replaced only as it was read, so that a server that writes it
//! meanwhile wins; and doing it again goes on where it has stopped.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::error::AppError;
use crate::identity::{Sealer, forgot_password, second_factor};
use crate::store::StoreError;

/// A column whose values are sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// Its key: of one column, an id or a number.
    pub key: &'static str,
    /// The column.
    pub column: &'static str,
    /// What its values were sealed for.
    pub purpose: &'static str,
    /// Where the column is the payload of jobs: of this kind alone. Such a value is JSON, a text in base64.
    pub jobs_of: Option<&'static str>,
}

/// Every column that is sealed. Whoever seals another one adds its line, and all else follows.
pub const SEALED: &[SealedColumn] = &[
    bytes("seal_checks", "sealed", "master key check"),
    bytes("signing_keys", "sealed_private_key", "access token signing key"),
    bytes("audit_keys", "sealed_private_key", "audit signing key"),
    bytes("ticket_keys", "sealed_private_key", crate::admission::KEY_PURPOSE),
    bytes("pass_issuers", "sealed_private_key", crate::admission::PASS_KEY_PURPOSE),
    SealedColumn { key: "user_id", ..bytes("second_factors", "sealed_seed", second_factor::SEED) },
    jobs(crate::mail::KINDS[0], "mail"),
    jobs(crate::mail::KINDS[1], "mail"),
    jobs(forgot_password::KIND, "password.forgot"),
];

const fn bytes(table: &'static str, column: &'static str, purpose: &'static str) -> SealedColumn {
    SealedColumn { table, key: "id", column, purpose, jobs_of: None }
}

const fn jobs(kind: &'static str, purpose: &'static str) -> SealedColumn {
    SealedColumn { table: "jobs", key: "id", column: "payload", purpose, jobs_of: Some(kind) }
}

/// The key of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowKey {
    /// Most tables.
    Id(Uuid),
    /// Tables of one row.
    Number(i32),
}

/// A value as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SealedValue {
    /// As bytes.
    Bytes(Vec<u8>),
    /// In a text.
    Text(String),
}

/// Reads and replaces sealed values.
#[async_trait]
pub trait SealedValues: Send + Sync {
    /// Rows behind this one, in the order of their keys.
    async fn sealed_values(
        &self,
        column: &SealedColumn,
        after: Option<RowKey>,
        rows: u64,
    ) -> Result<Vec<(RowKey, SealedValue)>, StoreError>;

    /// Puts another value in the place of this one; `false` where it is not there any more.
    async fn replace_sealed(
        &self,
        column: &SealedColumn,
        row: RowKey,
        old: &SealedValue,
        new: &SealedValue,
    ) -> Result<bool, StoreError>;
}

/// What became of the values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rewrapped {
    /// Sealed by the present key now.
    pub rewrapped: u64,
    /// Sealed by it already.
    pub current: u64,
    /// That none of the known keys opens.
    pub unopened: u64,
}

/// Rows of one read.
const ROWS: u64 = 500;

/// Seals all values of [`SEALED`] by the present key.
pub struct Rewrap {
    /// Where they are.
    pub values: Arc<dyn SealedValues>,
    /// Seals by the present key, and opens by those before too.
    pub sealer: Arc<dyn Sealer>,
}

impl Rewrap {
    /// Does it.
    ///
    /// # Errors
    /// What the store answers; what was done stays done.
    pub async fn run(&self) -> Result<Rewrapped, AppError> {
        let mut done = Rewrapped::default();
        for column in SEALED {
            let mut after = None;
            loop {
                let rows = self.values.sealed_values(column, after, ROWS).await?;
                let Some((last, _)) = rows.last() else { break };
                after = Some(*last);
                for (row, value) in rows {
                    self.rewrap(column, row, &value, &mut done).await?;
                }
            }
        }
        Ok(done)
    }

    async fn rewrap(
        &self,
        column: &SealedColumn,
        row: RowKey,
        old: &SealedValue,
        done: &mut Rewrapped,
    ) -> Result<(), AppError> {
        let Some(sealed) = read(old) else {
            done.unopened += 1;
            return Ok(());
        };
        if self.sealer.is_current(&sealed) {
            done.current += 1;
            return Ok(());
        }
        let Ok(secret) = self.sealer.open(column.purpose, &sealed) else {
            done.unopened += 1;
            return Ok(());
        };
        let new = write(old, self.sealer.seal(column.purpose, secret.expose_secret())?);
        // Where it was not there any more, its writer has sealed it anew, or the job is done.
        self.values.replace_sealed(column, row, old, &new).await?;
        done.rewrapped += 1;
        Ok(())
    }
}

fn read(value: &SealedValue) -> Option<Vec<u8>> {
    match value {
        SealedValue::Bytes(bytes) => Some(bytes.clone()),
        SealedValue::Text(text) => STANDARD.decode(serde_json::from_str::<String>(text).ok()?).ok(),
    }
}

fn write(like: &SealedValue, sealed: Vec<u8>) -> SealedValue {
    match like {
        SealedValue::Bytes(_) => SealedValue::Bytes(sealed),
        SealedValue::Text(_) => SealedValue::Text(serde_json::Value::String(STANDARD.encode(sealed)).to_string()),
    }
}
