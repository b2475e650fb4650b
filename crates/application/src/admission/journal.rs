//! What the journals say of the door.

use domain::admission::CheckIn;
use domain::catalog::Event;
use serde::Serialize;
use uuid::Uuid;

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
}

/// The message and the audit line of an entry, or of its undoing: the first and the second of the entry.
pub(crate) fn of_check_in(event: &Event, check_in: &CheckIn, origin: &Origin, ids: &dyn Ids) -> (OutboxRow, AuditRow) {
    let (sequence, kind, action, at) = match check_in.undone_at {
        None => (1, "goticket.ticket.admitted.v1", "ticket.admitted", check_in.at),
        Some(undone_at) => (2, "goticket.ticket.admission_undone.v1", "ticket.admission_undone", undone_at),
    };
    let data = CheckInData {
        check_in_id: check_in.id.uuid(),
        ticket_id: check_in.ticket.uuid(),
        event_id: event.id.uuid(),
        organizer_id: event.organizer.uuid(),
        list_id: check_in.list.uuid(),
        gate: check_in.gate.as_ref().map(domain::Text::as_str),
    };
    // A struct of ids and a text, whose serialisation cannot fail.
    let data = serde_json::to_string(&data).unwrap_or_default();
    let scribe = Scribe { ids, origin, at };
    let id = check_in.id.uuid();
    let deed = Deed { organizer: Some(event.organizer), action, object_kind: "check_in", object: id };
    (scribe.message(id, sequence, kind, data.clone()), scribe.line(deed, None, Some(data)))
}
