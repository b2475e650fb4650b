//! The rows that this context writes to the journals. Messages bear ids and facts; neither addresses nor names.

use domain::identity::{MailedPurpose, Session, User};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};
use crate::origin::Actor;

/// Both rows of one change.
pub(super) struct Entry {
    pub(super) message: OutboxRow,
    pub(super) line: AuditRow,
}

impl Scribe<'_> {
    /// `goticket.user.registered.v1`
    pub(super) fn registered(&self, user: &User) -> Entry {
        let facts = json!({ "userId": user.id.uuid(), "role": user.role.as_str() });
        Entry {
            message: self.message(user.id.uuid(), user.version, "goticket.user.registered.v1", facts.to_string()),
            line: self.noted(
                self.origin.actor,
                "user.registered",
                ("user", user.id.uuid()),
                None,
                Some(user_state(user)),
            ),
        }
    }

    /// `goticket.user.role_changed.v1`
    pub(super) fn role_changed(&self, before: &User, after: &User) -> Entry {
        let id = after.id.uuid();
        let facts = json!({ "userId": id, "from": before.role.as_str(), "to": after.role.as_str() });
        let (from, to) = (user_state(before), user_state(after));
        Entry {
            message: self.message(id, after.version, "goticket.user.role_changed.v1", facts.to_string()),
            line: self.noted(self.origin.actor, "user.role_changed", ("user", id), Some(from), Some(to)),
        }
    }

    /// `goticket.user.email_verified.v1`
    pub(super) fn email_verified(&self, before: &User, after: &User) -> Entry {
        self.by_owner(before, after, "goticket.user.email_verified.v1", "user.email_verified", json!({}))
    }

    /// `goticket.user.password_changed.v1`; `how` is `changed` with the old password or `reset` by mail.
    pub(super) fn password_changed(&self, before: &User, after: &User, how: &str) -> Entry {
        let facts = json!({ "how": how });
        self.by_owner(before, after, "goticket.user.password_changed.v1", "user.password_changed", facts)
    }

    /// `goticket.user.email_changed.v1`
    pub(super) fn email_changed(&self, before: &User, after: &User) -> Entry {
        self.by_owner(before, after, "goticket.user.email_changed.v1", "user.email_changed", json!({}))
    }

    /// `goticket.user.deleted.v1`
    pub(super) fn deleted(&self, before: &User, after: &User) -> Entry {
        self.by_owner(before, after, "goticket.user.deleted.v1", "user.deleted", json!({}))
    }

    /// `goticket.user.identity_linked.v1`
    pub(super) fn identity_linked(&self, before: &User, after: &User, provider: &str) -> Entry {
        let facts = json!({ "provider": provider });
        self.by_owner(before, after, "goticket.user.identity_linked.v1", "user.identity_linked", facts)
    }

    /// `goticket.user.identity_unlinked.v1`
    pub(super) fn identity_unlinked(&self, before: &User, after: &User, provider: &str) -> Entry {
        let facts = json!({ "provider": provider });
        self.by_owner(before, after, "goticket.user.identity_unlinked.v1", "user.identity_unlinked", facts)
    }

    /// `goticket.user.claimed.v1`: who reads the mails of its address, which nobody had verified, has come by way of a
    /// provider; the identity is linked by that too.
    pub(super) fn claimed(&self, before: &User, after: &User, provider: &str) -> Entry {
        let facts = json!({ "provider": provider });
        self.by_owner(before, after, "goticket.user.claimed.v1", "user.claimed", facts)
    }

    /// `goticket.user.second_factor_changed.v1`; `how` is `set_up`, `recovery_codes_renewed` or `removed` by its owner, or
    /// `reset` by an admin.
    pub(super) fn second_factor_changed(&self, before: &User, after: &User, how: &str) -> Entry {
        let (id, kind) = (after.id.uuid(), "goticket.user.second_factor_changed.v1");
        let facts = json!({ "userId": id, "how": how });
        let mut to = user_state(after);
        to["secondFactor"] = json!(how);
        Entry {
            message: self.message(id, after.version, kind, facts.to_string()),
            line: self.noted(
                self.origin.actor,
                "user.second_factor_changed",
                ("user", id),
                Some(user_state(before)),
                Some(to),
            ),
        }
    }

    /// A line of the audit log: a seed is made, and not asked for yet.
    pub(super) fn second_factor_begun(&self, user: &User) -> AuditRow {
        self.noted(self.origin.actor, "user.second_factor_begun", ("user", user.id.uuid()), None, None)
    }

    /// A line of the audit log about a wrong code; `is_blocked` where it was one too many.
    pub(super) fn second_factor_failed(&self, user: &User, is_blocked: bool) -> AuditRow {
        let state = json!({ "blocked": is_blocked });
        self.noted(self.origin.actor, "user.second_factor_failed", ("user", user.id.uuid()), None, Some(state))
    }

    /// A line of the audit log: a recovery code, of which so many are `left`, has stood in for one of the app.
    pub(super) fn recovery_code_used(&self, user: &User, left: u64) -> AuditRow {
        let state = json!({ "left": left });
        self.noted(Actor::User(user.id), "user.recovery_code_used", ("user", user.id.uuid()), None, Some(state))
    }

    /// A line of the audit log: a wish concerns no other program.
    pub(super) fn email_change_asked(&self, user: &User) -> AuditRow {
        self.noted(self.origin.actor, "user.email_change_asked", ("user", user.id.uuid()), None, None)
    }

    /// A line of the audit log: one of both addresses has agreed, and the other is waited for.
    pub(super) fn email_change_agreed(&self, user: &User, by: MailedPurpose) -> AuditRow {
        let state = json!({ "by": by.as_str() });
        let object = ("user", user.id.uuid());
        self.noted(Actor::User(user.id), "user.email_change_agreed", object, None, Some(state))
    }

    /// A line of the audit log: a mail with a token was asked for, of this purpose.
    pub(super) fn mail_asked(&self, user: &User, purpose: MailedPurpose) -> AuditRow {
        let state = json!({ "purpose": purpose.as_str() });
        self.noted(self.origin.actor, "user.mail_asked", ("user", user.id.uuid()), None, Some(state))
    }

    /// A change by the owner of the account, whether he is signed in or shows the token of a mail.
    fn by_owner(&self, before: &User, after: &User, kind: &'static str, action: &'static str, facts: Value) -> Entry {
        let id = after.id.uuid();
        let mut facts = facts;
        facts["userId"] = json!(id);
        let (from, to) = (user_state(before), user_state(after));
        Entry {
            message: self.message(id, after.version, kind, facts.to_string()),
            line: self.noted(Actor::User(after.id), action, ("user", id), Some(from), Some(to)),
        }
    }

    /// `goticket.session.started.v1`, by the one who signs in.
    pub(super) fn session_started(&self, session: &Session) -> Entry {
        let id = session.id.uuid();
        let facts = json!({ "sessionId": id, "userId": session.user.uuid() });
        let actor = Actor::User(session.user);
        Entry {
            message: self.message(id, 1, "goticket.session.started.v1", facts.to_string()),
            line: self.noted(actor, "session.started", ("session", id), None, Some(session_state(session))),
        }
    }

    /// `goticket.session.ended.v1`, written once, as a session ends before its time.
    pub(super) fn session_ended(&self, before: &Session, after: &Session) -> Entry {
        let id = after.id.uuid();
        let reason = after.ended.map(|end| end.reason.as_str());
        let facts = json!({ "sessionId": id, "userId": after.user.uuid(), "reason": reason });
        let (from, to) = (session_state(before), session_state(after));
        Entry {
            message: self.message(id, 2, "goticket.session.ended.v1", facts.to_string()),
            line: self.noted(self.origin.actor, "session.ended", ("session", id), Some(from), Some(to)),
        }
    }

    /// A line of the audit log about signing keys, which concern no other program.
    pub(super) fn keys_rotated(&self, key: Uuid) -> AuditRow {
        self.noted(self.origin.actor, "signing_key.rotated", ("signing_key", key), None, None)
    }

    fn noted(
        &self,
        actor: Actor,
        action: &'static str,
        (object_kind, object): (&'static str, Uuid),
        before: Option<Value>,
        after: Option<Value>,
    ) -> AuditRow {
        let deed = Deed { organizer: None, action, object_kind, object };
        let text = |state: Option<Value>| state.map(|state| state.to_string());
        AuditRow { actor, ..self.line(deed, text(before), text(after)) }
    }
}

fn user_state(user: &User) -> Value {
    json!({ "role": user.role.as_str(), "emailVerified": user.email_verified, "version": user.version })
}

fn session_state(session: &Session) -> Value {
    json!({
        "userId": session.user.uuid(),
        "startedAt": session.started_at,
        "expiresAt": session.expires_at,
        "endedAt": session.ended.map(|end| end.at),
        "reason": session.ended.map(|end| end.reason.as_str()),
    })
}
