//! A line as it is read, and what of it enters the chain.
//!
//! Personal fields enter as a salted commitment alone: the digest of salt and fields. Once both are erased, nobody can
//! find the fields by trying, and the chain still holds, since the commitment stays.

use domain::{OrganizerId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::audit::{Commitment, Entry};
use crate::journal::AuditRow;
use crate::origin::Actor;

/// The random bytes of a commitment.
pub const SALT_BYTES: usize = 16;

const LINE: &[u8] = b"goticket audit line v1";
const PERSONAL: &[u8] = b"goticket audit personal v1";

/// One line of the audit log as it was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditLine {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The tenant; none for accounts and the platform.
    pub organizer: Option<OrganizerId>,
    /// What.
    pub action: String,
    /// What kind of object.
    pub object_kind: String,
    /// Which object.
    pub object: Uuid,
    /// The state before, as JSON.
    pub before: Option<String>,
    /// The state after, as JSON.
    pub after: Option<String>,
    /// `X-Correlation-Id` of the request.
    pub correlation_id: String,
    /// The personal fields, as a JSON object; none where there were none, or they were erased.
    pub personal: Option<String>,
}

impl AuditLine {
    /// What of the line enters the chain: all of it, but of its personal fields the commitment.
    #[must_use]
    pub fn digest(&self, commitment: Option<&[u8; 32]>) -> [u8; 32] {
        let hashed = Hashed {
            id: self.id,
            at: self.at,
            actor: self.actor,
            organizer: self.organizer,
            action: &self.action,
            object_kind: &self.object_kind,
            object: self.object,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
            correlation_id: &self.correlation_id,
            commitment,
        };
        hashed.digest()
    }

    /// Binds the line to its personal fields, if it has any.
    #[must_use]
    pub fn commit(&self, salt: [u8; SALT_BYTES]) -> Option<Commitment> {
        let personal = self.personal.as_deref()?;
        Some(Commitment { digest: committed(&salt, personal), salt: Some(salt) })
    }

    /// Whether its personal fields are those that were committed to. Fields that are gone agree with any commitment whose
    /// salt is gone too.
    #[must_use]
    pub fn agrees(&self, commitment: Option<&Commitment>) -> bool {
        match (self.personal.as_deref(), commitment) {
            (None, None) => true,
            (Some(personal), Some(Commitment { digest, salt: Some(salt) })) => committed(salt, personal) == *digest,
            (None, Some(commitment)) => commitment.salt.is_none(),
            (Some(_), _) => false,
        }
    }
}

impl AuditRow {
    /// What of the line enters the chain, made where the line is written: what somebody changes before it is sealed
    /// shows too, and whoever seals need not read it.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let commitment = self.personal.as_ref().map(|personal| Commitment {
            digest: committed(&personal.salt, &personal.fields),
            salt: Some(personal.salt),
        });
        let hashed = Hashed {
            id: self.id,
            at: self.at,
            actor: self.actor,
            organizer: self.organizer,
            action: self.action,
            object_kind: self.object_kind,
            object: self.object,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
            correlation_id: &self.correlation_id,
            commitment: commitment.as_ref().map(|commitment| &commitment.digest),
        };
        Entry { line: self.id, digest: hashed.digest(), commitment }
    }
}

/// A line as it is hashed, whether it is being written or was read.
struct Hashed<'a> {
    id: Uuid,
    at: Timestamp,
    actor: Actor,
    organizer: Option<OrganizerId>,
    action: &'a str,
    object_kind: &'a str,
    object: Uuid,
    before: Option<&'a str>,
    after: Option<&'a str>,
    correlation_id: &'a str,
    commitment: Option<&'a [u8; 32]>,
}

impl Hashed<'_> {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Fields::begin(LINE);
        hash.bytes(self.id.as_bytes());
        hash.bytes(&self.at.timestamp_micros().to_be_bytes());
        let (kind, actor) = match self.actor {
            Actor::System => (0, None),
            Actor::Anonymous => (1, None),
            Actor::User(user) => (2, Some(user.uuid())),
            Actor::Key(key) => (3, Some(key.uuid())),
        };
        hash.bytes(&[kind]);
        hash.optional(actor.as_ref().map(|id| id.as_bytes().as_slice()));
        hash.optional(self.organizer.map(|id| id.uuid().into_bytes()).as_ref().map(|id| id.as_slice()));
        hash.bytes(self.action.as_bytes());
        hash.bytes(self.object_kind.as_bytes());
        hash.bytes(self.object.as_bytes());
        hash.optional(self.before.map(str::as_bytes));
        hash.optional(self.after.map(str::as_bytes));
        hash.bytes(self.correlation_id.as_bytes());
        hash.optional(self.commitment.map(<[u8; 32]>::as_slice));
        hash.end()
    }
}

fn committed(salt: &[u8; SALT_BYTES], personal: &str) -> [u8; 32] {
    let mut hash = Fields::begin(PERSONAL);
    hash.bytes(salt);
    hash.bytes(personal.as_bytes());
    hash.end()
}

/// A digest over fields, each with its length before it, so that no two lists of fields look alike.
pub(super) struct Fields(Sha256);

impl Fields {
    pub(super) fn begin(label: &[u8]) -> Self {
        let mut fields = Self(Sha256::new());
        fields.bytes(label);
        fields
    }

    pub(super) fn bytes(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    fn optional(&mut self, field: Option<&[u8]>) {
        match field {
            None => self.0.update([0]),
            Some(field) => {
                self.0.update([1]);
                self.bytes(field);
            }
        }
    }

    pub(super) fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use domain::UserId;

    use super::*;

    fn line() -> AuditLine {
        AuditLine {
            id: Uuid::from_u128(1),
            at: Timestamp::from_timestamp_micros(2).unwrap(),
            actor: Actor::System,
            organizer: None,
            action: "booking.held".into(),
            object_kind: "booking".into(),
            object: Uuid::from_u128(3),
            before: None,
            after: Some("{}".into()),
            correlation_id: "c".into(),
            personal: Some(r#"{"address":"192.0.2.1"}"#.into()),
        }
    }

    #[test]
    fn every_field_enters_the_digest() {
        let plain = line();
        let mut changed: Vec<AuditLine> = Vec::new();
        let mut with = |change: fn(&mut AuditLine)| {
            let mut line = line();
            change(&mut line);
            changed.push(line);
        };
        with(|line| line.id = Uuid::from_u128(9));
        with(|line| line.at += chrono::TimeDelta::microseconds(1));
        with(|line| line.actor = Actor::Anonymous);
        with(|line| line.actor = Actor::User(UserId::new(Uuid::from_u128(1))));
        with(|line| line.organizer = Some(OrganizerId::new(Uuid::from_u128(1))));
        with(|line| line.action = "booking.hel".into());
        with(|line| line.object_kind = "dbooking".into());
        with(|line| line.object = Uuid::from_u128(4));
        with(|line| line.before = Some(String::new()));
        with(|line| line.after = None);
        with(|line| (line.before, line.after) = (line.after.clone(), line.before.clone()));
        with(|line| line.correlation_id = "d".into());
        let mut digests: Vec<_> = changed.iter().map(|line| line.digest(None)).collect();
        digests.push(plain.digest(None));
        digests.push(plain.digest(Some(&[0; 32])));
        digests.sort_unstable();
        let all = digests.len();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }

    #[test]
    fn erased_fields_leave_the_digest_as_it_was_and_cannot_be_tried() {
        let mut line = line();
        let mut commitment = line.commit([7; SALT_BYTES]).unwrap();
        let before = line.digest(Some(&commitment.digest));
        assert!(line.agrees(Some(&commitment)));
        let mut lie = line.clone();
        lie.personal = Some(r#"{"address":"192.0.2.2"}"#.into());
        assert!(!lie.agrees(Some(&commitment)));
        assert!(!lie.agrees(None), "fields that nobody committed to");
        line.personal = None;
        assert!(!line.agrees(Some(&commitment)), "the fields are gone, and the salt is still there");
        commitment.salt = None;
        assert!(line.agrees(Some(&commitment)));
        assert!(!lie.agrees(Some(&commitment)));
        assert_eq!(line.digest(Some(&commitment.digest)), before);
    }
}
