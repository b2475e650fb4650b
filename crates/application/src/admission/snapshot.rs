//! An entry as idempotency keys keep it: versioned JSON that no protocol owns. It holds no code.

use domain::admission::{CheckIn, Scan, ScanResult, ScannedTicket};
use domain::{CheckInId, CheckInListId, EventId, Text, TicketId, TicketTypeId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdmittedV1 {
    v: u8,
    id: Uuid,
    list_id: Uuid,
    /// None in what was written while the only list of an event had the id of the event.
    event_id: Option<Uuid>,
    turn: Option<u32>,
    at: Timestamp,
    device_at: Option<Timestamp>,
    gate: Option<String>,
    ticket_id: Uuid,
    ticket_type_id: Uuid,
    type_name: String,
    unit: u32,
}

/// The snapshot of a scan that let somebody in; of any other there is none.
pub(crate) fn scan(scan: &Scan) -> Option<String> {
    serde_json::to_string(&admitted(scan)?).ok()
}

/// The snapshot of all tickets of a booking that was paid at the door.
pub(crate) fn scans(scans: &[Scan]) -> String {
    let admitted: Vec<_> = scans.iter().filter_map(admitted).collect();
    serde_json::to_string(&admitted).unwrap_or_default()
}

fn admitted(scan: &Scan) -> Option<AdmittedV1> {
    let (ScanResult::Admitted, Some(ticket), Some(entry)) = (scan.result, &scan.ticket, &scan.check_in) else {
        return None;
    };
    Some(AdmittedV1 {
        v: VERSION,
        id: entry.id.uuid(),
        list_id: entry.list.uuid(),
        event_id: Some(entry.event.uuid()),
        turn: entry.turn,
        at: entry.at,
        device_at: entry.device_at,
        gate: entry.gate.as_ref().map(|gate| gate.as_str().to_owned()),
        ticket_id: ticket.id.uuid(),
        ticket_type_id: ticket.ticket_type.uuid(),
        type_name: ticket.type_name.as_str().to_owned(),
        unit: ticket.unit,
    })
}

/// The scan of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_scan(snapshot: &str) -> Result<Scan, AppError> {
    serde_json::from_str(snapshot).ok().and_then(read).ok_or_else(unreadable)
}

/// The scans of a snapshot.
///
/// # Errors
/// As [`read_scan`].
pub(crate) fn read_scans(snapshot: &str) -> Result<Vec<Scan>, AppError> {
    let kept: Option<Vec<AdmittedV1>> = serde_json::from_str(snapshot).ok();
    kept.and_then(|kept| kept.into_iter().map(read).collect()).ok_or_else(unreadable)
}

fn unreadable() -> AppError {
    tracing::error!("A kept answer is no entry");
    AppError::Internal
}

fn read(kept: AdmittedV1) -> Option<Scan> {
    if kept.v != VERSION {
        return None;
    }
    let ticket = TicketId::new(kept.ticket_id);
    let check_in = CheckIn {
        id: CheckInId::new(kept.id),
        event: EventId::new(kept.event_id.unwrap_or(kept.list_id)),
        list: CheckInListId::new(kept.list_id),
        ticket,
        turn: kept.turn.or(Some(1)),
        gate: kept.gate.map(Text::trusted),
        at: kept.at,
        device_at: kept.device_at,
        synced: None,
        flag: None,
        exited_at: None,
        undone_at: None,
        sequence: 1,
        changed_at: kept.at,
    };
    let ticket = ScannedTicket {
        id: ticket,
        ticket_type: TicketTypeId::new(kept.ticket_type_id),
        type_name: Text::trusted(kept.type_name),
        unit: kept.unit,
    };
    Some(Scan { result: ScanResult::Admitted, ticket: Some(ticket), check_in: Some(check_in) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was() {
        let at = Timestamp::from_timestamp(1_800_000_000, 123_456_000).unwrap();
        let id = Uuid::from_u128;
        let entry = CheckIn {
            id: CheckInId::new(id(1)),
            event: EventId::new(id(5)),
            list: CheckInListId::new(id(2)),
            ticket: TicketId::new(id(3)),
            turn: Some(2),
            gate: Some(Text::trusted("Brama «Północ»".into())),
            at,
            device_at: Some(at),
            synced: None,
            flag: None,
            exited_at: None,
            undone_at: None,
            sequence: 1,
            changed_at: at,
        };
        let shown = ScannedTicket {
            id: TicketId::new(id(3)),
            ticket_type: TicketTypeId::new(id(4)),
            type_name: Text::trusted("Standing".into()),
            unit: 7,
        };
        let before = Scan { result: ScanResult::Admitted, ticket: Some(shown), check_in: Some(entry) };
        assert_eq!(read_scan(&scan(&before).unwrap()).unwrap(), before);
        let both = [before.clone(), before.clone()];
        assert_eq!(read_scans(&scans(&both)).unwrap(), both);
        assert_eq!(scan(&Scan { result: ScanResult::AlreadyUsed, ..before }), None, "a refusal is decided anew");
        for text in ["", "{}", r#"{"v":2}"#] {
            assert!(matches!(read_scan(text), Err(AppError::Internal)), "{text}");
            assert!(matches!(read_scans(text), Err(AppError::Internal)), "{text}");
        }
    }
}
