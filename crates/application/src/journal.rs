//! The two journals that every change writes to, in the transaction of the change: the outbox, which tells other
//! programs, and the audit log, which tells people.

use std::net::IpAddr;
use std::sync::Arc;

use domain::{OrganizerId, OutboxId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::audit::SALT_BYTES;
use crate::clock::Ids;
use crate::origin::{Actor, Origin};

/// One message that waits for the relay. It becomes a CloudEvents 1.0 event: `id`, `type`, `subject`, `time` and the
/// JSON `data`, which holds ids and facts and no personal data.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// CloudEvents `id`; consumers are idempotent by it.
    pub id: OutboxId,
    /// The aggregate that it tells of: booking, event, organizer or user.
    pub aggregate: Uuid,
    /// Counts the messages of the aggregate from 1, without gaps.
    pub sequence: u32,
    /// CloudEvents `type`, with its version: `goticket.booking.held.v1`.
    pub kind: &'static str,
    /// When it happened.
    pub at: Timestamp,
    /// CloudEvents `data`.
    pub data: String,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<Arc<str>>,
}

/// One line of the audit log: who did what to which object, and how it looked before and after.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its own id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The tenant whose object it is; none for accounts.
    pub organizer: Option<OrganizerId>,
    /// What, as `context.verb`: `booking.held`.
    pub action: &'static str,
    /// What kind of object: `booking`, `event`, `user`.
    pub object_kind: &'static str,
    /// Which object.
    pub object: Uuid,
    /// The state before as JSON; none where the object is new.
    pub before: Option<String>,
    /// The state after as JSON; none where the object is gone.
    pub after: Option<String>,
    /// `X-Correlation-Id` of the request.
    pub correlation_id: Arc<str>,
    /// What of it is personal, as a JSON object: it is shown to few, and can be erased without breaking the chain that
    /// the log is sealed into.
    pub personal: Option<Personal>,
}

/// Personal fields, and what binds the line to them without telling them (ADR 0020).
#[derive(Clone, Debug)]
pub struct Personal {
    /// A JSON object.
    pub fields: String,
    /// Random, and its own.
    pub salt: [u8; SALT_BYTES],
}

/// What a line of the audit log tells of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    /// The tenant whose object it is; none for accounts.
    pub(crate) organizer: Option<OrganizerId>,
    /// What, as `context.verb`.
    pub(crate) action: &'static str,
    /// What kind of object.
    pub(crate) object_kind: &'static str,
    /// Which object.
    pub(crate) object: Uuid,
}

#[derive(Serialize)]
struct PersonalFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// Writes the rows of one change: what they have in common stands here once.
#[derive(Clone, Copy)]
pub(crate) struct Scribe<'a> {
    pub(crate) ids: &'a dyn Ids,
    pub(crate) origin: &'a Origin,
    pub(crate) at: Timestamp,
}

impl Scribe<'_> {
    /// A message, the `sequence`th of its aggregate.
    pub(crate) fn message(&self, aggregate: Uuid, sequence: u32, kind: &'static str, data: String) -> OutboxRow {
        OutboxRow {
            id: OutboxId::new(self.ids.uuid()),
            aggregate,
            sequence,
            kind,
            at: self.at,
            data,
            traceparent: self.origin.traceparent.clone(),
        }
    }

    /// The personal fields of a line: where the request comes from, and what somebody has written.
    pub(crate) fn personal(&self, note: Option<&str>) -> Option<Personal> {
        if self.origin.address.is_none() && note.is_none() {
            return None;
        }
        // A struct of two texts, whose serialisation cannot fail.
        let fields = serde_json::to_string(&PersonalFields { address: self.origin.address, note }).ok()?;
        Some(Personal { fields, salt: self.ids.salt() })
    }

    /// A line by whoever causes the change.
    pub(crate) fn line(&self, deed: Deed, before: Option<String>, after: Option<String>) -> AuditRow {
        AuditRow {
            id: self.ids.uuid(),
            at: self.at,
            actor: self.origin.actor,
            organizer: deed.organizer,
            action: deed.action,
            object_kind: deed.object_kind,
            object: deed.object,
            before,
            after,
            correlation_id: Arc::clone(&self.origin.correlation_id),
            personal: self.personal(None),
        }
    }
}
