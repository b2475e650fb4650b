//! Which error of a driver means what to a caller.

use std::borrow::Cow;
use std::sync::Arc;

use application::booking::CommitError;
use application::store::StoreError;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::error::ErrorKind;

/// What a row of ours cannot be: the database holds something that no version of this program has written.
#[derive(Debug, thiserror::Error)]
#[error("a stored {what} is not valid: {value}")]
pub(crate) struct BadRow {
    what: &'static str,
    value: String,
}

/// A defect: a stored value that does not parse.
pub(crate) fn bad_row(what: &'static str, value: impl ToString) -> StoreError {
    StoreError::Defect(Box::new(BadRow { what, value: value.to_string() }))
}

/// A defect where not one row was changed, of a thing that the caller has read.
pub(crate) fn saved(what: &'static str, id: impl ToString, rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(bad_row(what, id)) }
}

/// The database did not answer in time, as seen from here.
#[derive(Debug, thiserror::Error)]
#[error("no answer within the time that it has")]
pub(crate) struct NoAnswer;

/// The error of a SeaORM call.
pub(crate) fn orm(error: DbErr) -> StoreError {
    match driver_error(&error) {
        Some(driver) => classify(&driver, error),
        None => match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => StoreError::Unavailable(Box::new(error)),
            other => StoreError::Defect(Box::new(other)),
        },
    }
}

/// The error of a raw call.
pub(crate) fn raw(error: sqlx::Error) -> StoreError {
    let shared = Arc::new(error);
    classify(&shared, Shared(Arc::clone(&shared)))
}

/// The error of a COMMIT. Where the database has answered with an error of its own, nothing was committed, but for one
/// that ends the connection: its answer may have overtaken that of the COMMIT.
pub(crate) fn commit(error: sqlx::Error) -> CommitError {
    let ambiguous = match &error {
        sqlx::Error::Database(answer) => {
            answer.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || is_sqlite_io(&code))
        }
        _ => true,
    };
    let error = raw(error);
    if ambiguous { CommitError::Unknown(error) } else { CommitError::RolledBack(error) }
}

/// An error of sqlx that several owners need.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<sqlx::Error>);

fn driver_error(error: &DbErr) -> Option<Arc<sqlx::Error>> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => Some(Arc::clone(driver)),
        _ => None,
    }
}

fn classify(driver: &sqlx::Error, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    let source = Box::new(source);
    match driver {
        sqlx::Error::Database(answer) => match answer.kind() {
            ErrorKind::UniqueViolation
            | ErrorKind::ForeignKeyViolation
            | ErrorKind::CheckViolation
            | ErrorKind::NotNullViolation
            | ErrorKind::ExclusionViolation => StoreError::Conflict(constraint(answer.as_ref())),
            _ if answer.code().is_some_and(|code| is_passing(&code)) => StoreError::Unavailable(source),
            _ => StoreError::Defect(source),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        // A connection that was cut in the middle of a message.
        | sqlx::Error::Protocol(_) => StoreError::Unavailable(source),
        _ => StoreError::Defect(source),
    }
}

/// Whether a database that answers so may answer otherwise a little later.
fn is_passing(code: &str) -> bool {
    match code.len() {
        // SQLSTATE
        5 => {
            matches!(&code[..2], "08" | "53")
                || matches!(
                    code,
                    "40001" | "40P01" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04"
                )
                // The database itself is gone, or a page of it cannot be read.
                || code.starts_with("58")
        }
        _ => is_sqlite_busy(code) || is_sqlite_io(code),
    }
}

/// The low byte of an extended code of SQLite is its primary code.
fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// `SQLITE_BUSY`, `SQLITE_LOCKED`.
fn is_sqlite_busy(code: &str) -> bool {
    matches!(primary(code), Some(5 | 6))
}

/// `SQLITE_NOMEM`, `SQLITE_IOERR`, `SQLITE_FULL`, `SQLITE_CANTOPEN`.
fn is_sqlite_io(code: &str) -> bool {
    code.len() != 5 && matches!(primary(code), Some(7 | 10 | 13 | 14))
}

/// The constraint by its name, which SQLite tells in its message alone: `UNIQUE constraint failed: users.email`.
fn constraint(answer: &dyn sqlx::error::DatabaseError) -> String {
    let named = answer.constraint().map(Cow::from);
    let told = || answer.message().rsplit_once(": ").map(|(_, what)| Cow::from(what));
    named.or_else(told).unwrap_or_else(|| Cow::from(answer.message())).into_owned()
}
