//! Use case: an owner reads the audit log of his organizer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{OrganizerId, Problems, Timestamp};
use uuid::Uuid;

use crate::access::{Agent, Operation, Subject};
use crate::audit::{AuditLine, ChainId, Note, Witness};
use crate::catalog::Catalog;
use crate::error::AppError;
use crate::origin::Origin;
use crate::store::StoreError;

/// Which lines; all of them by default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// By this account or key.
    pub actor: Option<Uuid>,
    /// Of this action, like `booking.held`; one that ends in a dot means all that begin so.
    pub action: Option<String>,
    /// About this object.
    pub object: Option<Uuid>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// Where a page begins: behind a line, which is sealed in the block of this number or was not sealed when it was shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditPlace {
    /// The block; none for a line that waited.
    pub block: Option<u64>,
    /// The line.
    pub line: Uuid,
}

/// A line as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenLine {
    /// The line.
    pub line: AuditLine,
    /// The block that it is sealed in; none while it waits.
    pub block: Option<u64>,
    /// Whether it had personal fields that were erased.
    pub is_erased: bool,
}

/// A page, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditPage {
    /// What was found. A filter that finds little gives short or empty pages.
    pub lines: Vec<SeenLine>,
    /// Where to go on; none at the end.
    pub next: Option<AuditPlace>,
}

/// Reads lines for people.
#[async_trait]
pub trait AuditReads: Send + Sync {
    /// Lines of a chain behind `after`, at most `rows`: first those that wait, newest first, then those of its blocks, the
    /// last one first. A page looks at a bounded number of lines, and says where to go on. A line that is sealed while
    /// somebody pages may be shown twice; none is left out.
    async fn audit_page(
        &self,
        chain: ChainId,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        rows: usize,
    ) -> Result<AuditPage, StoreError>;
}

/// The audit log for people.
pub struct AuditLog {
    /// Lines.
    pub reads: Arc<dyn AuditReads>,
    /// Who may.
    pub catalog: Arc<Catalog>,
    /// That it was read.
    pub witness: Arc<Witness>,
}

impl AuditLog {
    /// A page of the lines of an organizer.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for who is none of its members, [`AppError::Forbidden`] for who does not own it;
    /// [`AppError::Validation`].
    pub async fn page(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        (rows, is_export): (usize, bool),
        origin: &Origin,
    ) -> Result<AuditPage, AppError> {
        let subject = Subject::organizer(organizer);
        self.catalog.access().require(agent, Operation::SeeAudit, &subject, "organizer").await?;
        if filter.action.as_deref().is_some_and(|action| !is_action(action)) {
            return Err(Problems::one(
                "action",
                "invalid",
                "must be like booking.confirmed, or booking. for all of them",
            )
            .into());
        }
        let page = self.reads.audit_page(ChainId::of(Some(organizer)), filter, after, rows).await?;
        let action = if is_export { "audit.exported" } else { "audit.read" };
        let object = organizer.uuid();
        self.witness.note(origin, Note { organizer: Some(organizer), action, object_kind: "organizer", object });
        Ok(page)
    }
}

const ACTION_CHARS_MAX: usize = 60;

fn is_action(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b == b'_' || b == b'.';
    (1..=ACTION_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits)
}
