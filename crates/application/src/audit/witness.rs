//! What is told of requests that change nothing: failed sign-ins, reads and exports of personal data and of the audit log
//! itself.
//!
//! There is no transaction to write them in, and no request waits for them: they are noted in memory and written every
//! few seconds. The same of the same is one line that counts, and there is a bound, so that a flood fills no disk; what
//! went over it is counted and told as well. What a crash takes with it are the notes of those seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::OrganizerId;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::journal::{AuditRow, Deed, Scribe};
use crate::origin::{Actor, Origin};
use crate::store::Store;

/// How often notes are written.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// The most notes between two writes.
const NOTES_MAX: usize = 1_000;

/// Something that was read or refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Note {
    /// Whose data; none for the platform's.
    pub organizer: Option<OrganizerId>,
    /// What, as `context.verb`.
    pub action: &'static str,
    /// What kind of object.
    pub object_kind: &'static str,
    /// Which object; all zeros where it is none.
    pub object: Uuid,
}

/// Who did it from where, what it was, and by which request, where that is told.
type Noted = (Actor, Option<IpAddr>, Note, Option<Arc<str>>);

/// Keeps notes, and writes them.
pub struct Witness {
    notes: Mutex<Notes>,
    store: Arc<dyn Store>,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Notes {
    noted: HashMap<Noted, (AuditRow, u64)>,
    dropped: u64,
}

impl Witness {
    /// One without notes.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ids: Arc<dyn Ids>, clock: Arc<dyn Clock>) -> Self {
        Self { notes: Mutex::default(), store, ids, clock }
    }

    /// Notes it. Never waits.
    pub fn note(&self, origin: &Origin, note: Note) {
        self.note_by(origin, note, None);
    }

    /// The same with the request that it was, as method and route: one line for each of them.
    pub fn note_request(&self, origin: &Origin, note: Note, request: &str) {
        self.note_by(origin, note, Some(request.into()));
    }

    fn note_by(&self, origin: &Origin, note: Note, request: Option<Arc<str>>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (origin.actor, origin.address, note, request);
        if let Some((_, times)) = notes.noted.get_mut(&key) {
            *times += 1;
            return;
        }
        if notes.noted.len() >= NOTES_MAX {
            notes.dropped += 1;
            return;
        }
        let scribe = Scribe { ids: self.ids.as_ref(), origin, at: self.clock.now() };
        let Note { organizer, action, object_kind, object } = note;
        let line = scribe.line(Deed { organizer, action, object_kind, object }, None, None);
        notes.noted.insert(key, (line, 1));
    }

    /// Writes every few seconds, until it is cancelled, and then once more.
    pub async fn follow(&self, cancel: CancellationToken) {
        loop {
            let is_over = cancel.run_until_cancelled(tokio::time::sleep(WRITE_EVERY)).await.is_none();
            // The error was logged where it was met; the notes wait for the next time.
            let _ = self.write().await;
            if is_over {
                return;
            }
        }
    }

    /// Writes the notes.
    ///
    /// # Errors
    /// What the store answers; the notes are kept then.
    pub async fn write(&self) -> Result<(), AppError> {
        let taken = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines: Vec<AuditRow> = taken
            .noted
            .iter()
            .map(|((.., request), (line, times))| counted(line, *times, request.as_deref()))
            .collect();
        lines.sort_unstable_by_key(|line| line.id);
        if taken.dropped > 0 {
            tracing::warn!(dropped = taken.dropped, "More was to be noted in the audit log than fits");
            metrics::counter!("goticket_audit_notes_dropped_total").increment(taken.dropped);
            let origin = Origin::system("audit");
            let scribe = Scribe { ids: self.ids.as_ref(), origin: &origin, at: self.clock.now() };
            let (organizer, object) = (None, Uuid::nil());
            let deed = Deed { organizer, action: "audit.notes_dropped", object_kind: "audit", object };
            lines.push(counted(&scribe.line(deed, None, None), taken.dropped, None));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let written = self.append(&lines).await;
        if written.is_err() {
            self.put_back(taken);
        }
        written
    }

    async fn append(&self, lines: &[AuditRow]) -> Result<(), AppError> {
        let mut uow = self.store.begin().await?;
        uow.append_audit(lines).await?;
        Ok(uow.commit().await?)
    }

    fn put_back(&self, taken: Notes) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.dropped += taken.dropped;
        for (key, (line, times)) in taken.noted {
            // The write may have been done all the same: another id, so that it is never refused for being there.
            let line = AuditRow { id: self.ids.uuid(), ..line };
            if let Some((_, again)) = notes.noted.get_mut(&key) {
                *again += times;
            } else if notes.noted.len() < NOTES_MAX {
                notes.noted.insert(key, (line, times));
            } else {
                notes.dropped += times;
            }
        }
    }
}

fn counted(line: &AuditRow, times: u64, request: Option<&str>) -> AuditRow {
    let mut after = json!({ "times": times });
    if let Some(request) = request {
        after["request"] = json!(request);
    }
    AuditRow { after: Some(after.to_string()), ..line.clone() }
}
