//! The lock that keeps a second server off a SQLite file.
//!
//! SQLite itself would let both write in turn. But the desk of each would batch for itself only, and two processes that
//! share a file are nearly always a mistake: a service that was started twice. The operating system drops the lock with
//! the process, however it ends, so that nothing has to be cleaned up after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::ConnectError;

/// The lock; it lives as long as its owner.
#[derive(Debug)]
pub(crate) struct SqliteLock(#[expect(dead_code, reason = "held, not read: closing the file drops the lock")] File);

impl SqliteLock {
    /// Takes the lock that belongs to this database file.
    pub(crate) fn acquire(database: &Path) -> Result<Self, ConnectError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let unusable = |source| ConnectError::LockFile { path: path.to_string_lossy().into_owned(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(ConnectError::InUse(database.display().to_string())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}
