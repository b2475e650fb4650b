//! What the journals say of the door.

use domain::Timestamp;
use domain::admission::{CheckIn, CheckInList, Flag};
use domain::catalog::Event;
use serde::Serialize;
use uuid::Uuid;

use crate::admission::StoredTicketKey;
use crate::clock::Ids;
use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};
use crate::origin::Origin;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckInData<'a> {
    check_in_id: Uuid,
    ticket_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    list_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'static str>,
    /// When it was made, where it was told later.
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned_at: Option<Timestamp>,
}

/// The message and the audit line of an entry, or of what became of it; its sequence counts them.
pub(crate) fn of_check_in(event: &Event, check_in: &CheckIn, origin: &Origin, ids: &dyn Ids) -> (OutboxRow, AuditRow) {
    let (kind, action) = if check_in.undone_at.is_some() {
        ("goticket.ticket.admission_undone.v1", "ticket.admission_undone")
    } else if check_in.exited_at.is_some() {
        ("goticket.ticket.exited.v1", "ticket.exited")
    } else if check_in.flag == Some(Flag::Conflict) {
        ("goticket.ticket.admission_conflict.v1", "ticket.admission_conflict")
    } else {
        ("goticket.ticket.admitted.v1", "ticket.admitted")
    };
    let data = CheckInData {
        check_in_id: check_in.id.uuid(),
        ticket_id: check_in.ticket.uuid(),
        event_id: event.id.uuid(),
        organizer_id: event.organizer.uuid(),
        list_id: check_in.list.uuid(),
        gate: check_in.gate.as_ref().map(domain::Text::as_str),
        flag: check_in.flag.map(Flag::as_str),
        scanned_at: check_in.synced.map(|_| check_in.at),
    };
    // A struct of ids and a text, whose serialisation cannot fail.
    let data = serde_json::to_string(&data).unwrap_or_default();
    let scribe = Scribe { ids, origin, at: check_in.changed_at };
    let id = check_in.id.uuid();
    let deed = Deed { organizer: Some(event.organizer), action, object_kind: "check_in", object: id };
    (scribe.message(id, check_in.sequence, kind, data.clone()), scribe.line(deed, None, Some(data)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListData {
    check_in_list_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
}

/// A check-in list as the audit log shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListState<'a> {
    name: &'a str,
    entry: &'static str,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    ticket_type_ids: Vec<Uuid>,
    archived: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyData {
    ticket_key_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    number: u16,
}

/// The message and the audit line of a new key for the codes of an event.
pub(super) fn of_key(event: &Event, key: &StoredTicketKey, origin: &Origin, ids: &dyn Ids) -> (OutboxRow, AuditRow) {
    let (id, organizer) = (key.id.uuid(), event.organizer);
    let (event_id, organizer_id) = (event.id.uuid(), organizer.uuid());
    // A struct of ids and a number, whose serialisation cannot fail.
    let data = KeyData { ticket_key_id: id, event_id, organizer_id, number: key.number };
    let data = serde_json::to_string(&data).unwrap_or_default();
    let scribe = Scribe { ids, origin, at: key.created_at };
    let action = "ticket_key.rotated";
    let deed = Deed { organizer: Some(organizer), action, object_kind: "ticket_key", object: id };
    (scribe.message(id, 1, "goticket.ticket_key.rotated.v1", data.clone()), scribe.line(deed, None, Some(data)))
}

/// The message and the audit line of a check-in list that is new (none before) or was changed.
pub(crate) fn of_check_in_list(
    event: &Event,
    before: Option<&CheckInList>,
    after: &CheckInList,
    origin: &Origin,
    ids: &dyn Ids,
) -> (OutboxRow, AuditRow) {
    let (kind, action) = match before {
        None => ("goticket.check_in_list.created.v1", "check_in_list.created"),
        Some(_) => ("goticket.check_in_list.updated.v1", "check_in_list.updated"),
    };
    let (id, organizer) = (after.id.uuid(), event.organizer);
    let data = ListData { check_in_list_id: id, event_id: event.id.uuid(), organizer_id: organizer.uuid() };
    // Structs of ids, texts and times, whose serialisation cannot fail.
    let data = serde_json::to_string(&data).unwrap_or_default();
    let state = |list: &CheckInList| {
        let terms = &list.terms;
        let state = ListState {
            name: list.name.as_str(),
            entry: terms.entry.as_str(),
            from: terms.from,
            until: terms.until,
            ticket_type_ids: terms.ticket_types.iter().map(|id| id.uuid()).collect(),
            archived: list.archived,
        };
        serde_json::to_string(&state).unwrap_or_default()
    };
    let scribe = Scribe { ids, origin, at: after.updated_at };
    let deed = Deed { organizer: Some(organizer), action, object_kind: "check_in_list", object: id };
    (scribe.message(id, after.version, kind, data), scribe.line(deed, before.map(state), Some(state(after))))
}
