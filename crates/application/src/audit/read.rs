//! Use cases: an owner reads the audit log of his organizer, an admin that of the platform, and everybody what it tells of
//! himself.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::identity::User;
use domain::{OrganizerId, Problems, Timestamp, UserId};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::access::{Agent, Operation, PlatformOperation, Subject, require_on_platform};
use crate::audit::{AuditLine, ChainId, Note, Witness};
use crate::catalog::Catalog;
use crate::error::AppError;
use crate::identity::Sealer;
use crate::origin::{Actor, Origin};
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

/// A line that tells of an account, as its owner may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnLine {
    /// The line. Where somebody else has caused it, its personal fields are what was noted about the owner, and not where
    /// the other one was.
    pub seen: SeenLine,
    /// Whether the owner has caused it.
    pub is_own: bool,
}

/// Some of the lines that tell of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnLines {
    /// What was found; often nothing, where others have much in the log.
    pub lines: Vec<OwnLine>,
    /// The place to go on behind, sealed: it names a tenant and how much its log holds, which is nobody else's concern. None
    /// at the end.
    pub next: Option<Vec<u8>>,
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

    /// Sealed lines that the account has caused, and those about itself, its memberships and its bookings, of all tenants,
    /// in so many blocks behind a place that were sealed at `since` or later; with the place where that ended.
    async fn lines_of(
        &self,
        account: UserId,
        since: Timestamp,
        after: Option<(ChainId, u64)>,
        blocks: u32,
    ) -> Result<(Vec<SeenLine>, Option<(ChainId, u64)>), StoreError>;
}

/// Blocks of one part of an export. A block has a thousand lines at most.
const EXPORTED_BLOCKS: u32 = 10;
/// How much earlier than the account its first lines may seem to be: clocks differ.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// The audit log for people.
pub struct AuditLog {
    /// Lines.
    pub reads: Arc<dyn AuditReads>,
    /// Who may.
    pub catalog: Arc<Catalog>,
    /// That it was read.
    pub witness: Arc<Witness>,
    /// What seals places.
    pub sealer: Arc<dyn Sealer>,
}

/// What a sealed place is for.
const PLACE: &str = "place in an export";

impl AuditLog {
    /// What the log tells of the caller, in whatever tenant: a part of it, a bounded number of blocks behind `after`. What
    /// was written within the last second is not sealed yet, and not in it.
    ///
    /// # Errors
    /// [`AppError::Validation`] (field `cursor`) for a place that is none of this account; what the store answers.
    pub async fn of_account(&self, account: &User, after: Option<&[u8]>) -> Result<OwnLines, AppError> {
        let since = account.created_at - SKEW;
        let after = after.map(|sealed| self.place(account.id, sealed)).transpose()?;
        let (found, next) = self.reads.lines_of(account.id, since, after, EXPORTED_BLOCKS).await?;
        let seal = |(chain, number): (ChainId, u64)| {
            let place =
                [account.id.uuid().as_bytes(), chain.uuid().as_bytes().as_slice(), &number.to_be_bytes()].concat();
            self.sealer.seal(PLACE, &place)
        };
        let next = next.map(seal).transpose()?;
        let own = |seen: SeenLine| {
            let is_own = seen.line.actor == Actor::User(account.id);
            let personal = if is_own { seen.line.personal } else { seen.line.personal.and_then(|it| note_alone(&it)) };
            OwnLine { seen: SeenLine { line: AuditLine { personal, ..seen.line }, ..seen }, is_own }
        };
        Ok(OwnLines { lines: found.into_iter().map(own).collect(), next })
    }

    fn place(&self, account: UserId, sealed: &[u8]) -> Result<(ChainId, u64), AppError> {
        let opened = self.sealer.open(PLACE, sealed).ok();
        let place = opened.and_then(|bytes| {
            let (of, rest) = bytes.expose_secret().split_first_chunk::<16>()?;
            let (chain, number) = rest.split_first_chunk::<16>()?;
            let number = u64::from_be_bytes(number.try_into().ok()?);
            (Uuid::from_bytes(*of) == account.uuid()).then(|| (ChainId::new(Uuid::from_bytes(*chain)), number))
        });
        place.ok_or_else(|| Problems::one("cursor", "invalid", "is none of this list").into())
    }

    /// A page of the lines of an organizer, or of those that are no organizer's (of the platform). That it was read is
    /// noted in the same log.
    ///
    /// # Errors
    /// Of an organizer: [`AppError::NotFound`] for who is none of its members, [`AppError::Forbidden`] for who does not own
    /// it. Of the platform: [`AppError::Forbidden`] for who is no admin. [`AppError::Validation`].
    pub async fn page(
        &self,
        agent: &Agent,
        of: Option<OrganizerId>,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        (rows, is_export): (usize, bool),
        origin: &Origin,
    ) -> Result<AuditPage, AppError> {
        self.require(agent, of).await?;
        if filter.action.as_deref().is_some_and(|action| !is_action(action)) {
            return Err(Problems::one(
                "action",
                "invalid",
                "must be like booking.confirmed, or booking. for all of them",
            )
            .into());
        }
        let page = self.reads.audit_page(ChainId::of(of), filter, after, rows).await?;
        let action = if is_export { "audit.exported" } else { "audit.read" };
        let (object_kind, object) = of.map_or(("platform", Uuid::nil()), |of| ("organizer", of.uuid()));
        self.witness.note(origin, Note { organizer: of, action, object_kind, object });
        Ok(page)
    }

    async fn require(&self, agent: &Agent, of: Option<OrganizerId>) -> Result<(), AppError> {
        match of {
            Some(organizer) => {
                let subject = Subject::organizer(organizer);
                self.catalog.access().require(agent, Operation::SeeAudit, &subject, "organizer").await
            }
            None => require_on_platform(agent, PlatformOperation::SeePlatformAudit, false).map(drop),
        }
    }
}

/// Of personal fields that somebody else's request has left, what was written about the owner.
fn note_alone(personal: &str) -> Option<String> {
    let fields: serde_json::Value = serde_json::from_str(personal).ok()?;
    fields.get("note").map(|note| serde_json::json!({ "note": note }).to_string())
}

const ACTION_CHARS_MAX: usize = 60;

fn is_action(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b == b'_' || b == b'.';
    (1..=ACTION_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits)
}
