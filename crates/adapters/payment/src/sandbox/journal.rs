//! Where the sandbox keeps its books: a file of JSON lines that only grows. A line is in the hands of the system before
//! anybody is answered, so that it outlives the process, if not the power.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::{ChargeBody, EventBody, RefundBody};

/// One change: the rows as they are afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) charge: Option<ChargeBody>,
    /// When the charge succeeds by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refund: Option<RefundBody>,
    /// A charge that was called off before it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) called_off: Option<Uuid>,
    /// A message that is to be sent. Messages are numbered from 1 in the order of their lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<EventBody>,
    /// The number of a message that is not to be sent any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delivered: Option<u64>,
}

/// Where the lines go.
pub(super) enum Journal {
    /// Nowhere: the books end with the process.
    Nowhere,
    /// To a file that nobody else has.
    File(Written),
    /// Nowhere any more: somebody else may have the file.
    Closed,
}

pub(super) struct Written {
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl Journal {
    /// Books in memory alone.
    pub(super) const fn none() -> Self {
        Self::Nowhere
    }

    /// Opens the file, and makes it where it is not there. What a crash left of its last line is cut off.
    ///
    /// # Errors
    /// If it cannot be read, another process has it, or a line before the last one is none.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Line>)> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        // Held until it is closed, or the process ends, however it ends.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "another process has it"),
            TryLockError::Error(error) => error,
        })?;
        let (mut lines, mut length, mut text) = (Vec::new(), 0, Vec::new());
        let mut reader = BufReader::new(&file);
        while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
            lines.push(serde_json::from_slice(&text)?);
            length += text.len() as u64;
            text.clear();
        }
        file.set_len(length)?;
        Ok((Self::File(Written { file, length }), lines))
    }

    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        let Written { file, length } = match self {
            Self::Nowhere => return Ok(()),
            Self::File(written) => written,
            Self::Closed => return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the sandbox has ended")),
        };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if let Err(error) = file.write_all(&text) {
            // Half a line in the middle would make the rest unreadable.
            file.set_len(*length)?;
            return Err(error);
        }
        *length += text.len() as u64;
        Ok(())
    }

    /// Lets go of the file; from now on nothing can be written.
    pub(super) fn close(&mut self) {
        *self = Self::Closed;
    }
}
