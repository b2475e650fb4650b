//! `/events/{eventId}/check-ins/bundle` and `/sync`: scanners that have no network.

use std::collections::{BTreeMap, HashMap};

use application::admission::{DoorBundle, DoorCursor, EntryNews, LetsIn, SyncReport, ToldScan};
use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::admission::{CheckIn, Flag, ScanResult};
use domain::catalog::EventStatus;
use domain::{CheckInId, CheckInListId, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::check_in_lists::CheckInListBody;
use crate::door::ScanResultBody;
use crate::extract::{Acting, Ids, Json, Params};
use crate::openapi::IfNoneMatchHeader;
use crate::problem::Problem;
use crate::rendered;
use crate::state::AppState;
use crate::time;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(door_bundle)).routes(routes!(sync_check_ins))
}

/// What a device needs to let in without a network: no secrets, and nobody's name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DoorBundle)]
pub(crate) struct DoorBundleBody {
    /// How it is written: 1.
    #[schema(example = 1)]
    format: u8,
    /// The event.
    event_id: Uuid,
    /// Whether the event is cancelled: nobody is let in.
    cancelled: bool,
    /// From when tickets let in, in seconds since 1970.
    #[schema(example = 1790000000)]
    valid_from: u64,
    /// Until when: not from then on.
    #[schema(example = 1790086400)]
    valid_until: u64,
    /// The public keys of the event.
    keys: Vec<DoorKeyBody>,
    /// The ticket types.
    ticket_types: Vec<DoorTypeBody>,
    /// The check-in lists by which one enters.
    lists: Vec<CheckInListBody>,
    /// The tickets of which some codes let in no more: all of them, or those behind the cursor.
    tickets: TicketColumns,
    /// The gates of the entries, which name them by their place, from 1.
    #[schema(example = json!(["North", "South"]))]
    gates: Vec<String>,
    /// How tickets stand on lists: all of them, or those behind the cursor.
    entries: Vec<EntryColumns>,
    /// What to ask for the next time, for what is new by then. Some of what is told now may be told again.
    #[schema(example = "1795161600000000-1795161600000000")]
    cursor: String,
    /// Whether there is more at once: ask again with the cursor.
    more: bool,
}

/// A public key of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = DoorKey)]
pub(crate) struct DoorKeyBody {
    /// Its number, by which codes name it.
    #[schema(example = 1)]
    number: u16,
    /// The 32 bytes of an Ed25519 public key (RFC 8032), in Base64 (RFC 4648, 4).
    #[schema(value_type = String, example = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    key: String,
}

/// A ticket type, as a door shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = DoorTicketType)]
pub(crate) struct DoorTypeBody {
    /// Its id.
    id: Uuid,
    /// How it is called.
    #[schema(example = "Standing")]
    name: String,
}

/// Tickets as columns: the texts are Base64 (RFC 4648, 4) of as many numbers as there are tickets, big-endian.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = DoorTickets)]
pub(crate) struct TicketColumns {
    /// 16 bytes each: the ids.
    #[schema(example = "AZkOTHpQfBGPLisfbD2aEA")]
    ids: String,
    /// 4 bytes each: the only issue that lets in; 0 where none does any more, and 4294967295 where none does for the time
    /// being, because the ticket is blocked.
    #[schema(example = "AAAAAQ")]
    issues: String,
}

/// How tickets stand on a list, as columns: the texts are Base64 (RFC 4648, 4) of as many numbers as there are tickets,
/// big-endian.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DoorEntries)]
pub(crate) struct EntryColumns {
    /// The list.
    list_id: Uuid,
    /// 16 bytes each: the tickets.
    #[schema(example = "AZkOTHpQfBGPLisfbD2aEA")]
    ids: String,
    /// 4 bytes each: when it let in last, in seconds since 1970.
    #[schema(example = "atTt8A")]
    times: String,
    /// 2 bytes each: where; 0 where nobody said so.
    #[schema(example = "AAE")]
    gates: String,
    /// 1 byte each: 0 where no entry counts any more, 1 where it has let in, 2 where who had entered is out again.
    #[schema(example = "AQ")]
    states: String,
}

/// What part of it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BundleQuery {
    /// `cursor` of the bundle before: only what is new since then.
    cursor: Option<String>,
}

impl DoorBundleBody {
    fn of(bundle: DoorBundle) -> Self {
        let DoorBundle { sale, validity, keys, lists, news } = bundle;
        let (valid_from, valid_until) = validity.bounds();
        let key = |(number, key): (u16, [u8; 32])| DoorKeyBody { number, key: STANDARD.encode(key) };
        let name = |known: &domain::catalog::TicketType| DoorTypeBody {
            id: known.id.uuid(),
            name: known.name.as_str().to_owned(),
        };
        let (mut ids, mut issues) = (Vec::new(), Vec::new());
        for ticket in &news.tickets {
            ids.extend_from_slice(ticket.id.uuid().as_bytes());
            let issue = match ticket.lets_in {
                LetsIn::Issue(issue) => issue,
                LetsIn::Blocked => u32::MAX,
                LetsIn::Never => 0,
            };
            issues.extend_from_slice(&issue.to_be_bytes());
        }
        let (gates, entries) = columns(news.entries);
        Self {
            format: 1,
            event_id: sale.event.id.uuid(),
            cancelled: sale.event.status == EventStatus::Cancelled,
            valid_from,
            valid_until,
            keys: keys.into_iter().map(key).collect(),
            ticket_types: sale.ticket_types.iter().map(name).collect(),
            lists: lists.iter().map(|list| list.as_ref().clone().into()).collect(),
            tickets: TicketColumns { ids: STANDARD.encode(ids), issues: STANDARD.encode(issues) },
            gates,
            entries,
            cursor: written(news.cursor),
            more: news.more,
        }
    }
}

/// The columns of one list before they are texts.
#[derive(Default)]
struct Columns {
    ids: Vec<u8>,
    times: Vec<u8>,
    gates: Vec<u8>,
    states: Vec<u8>,
}

/// The gates, and the entries by their lists.
fn columns(news: Vec<EntryNews>) -> (Vec<String>, Vec<EntryColumns>) {
    let mut lists: BTreeMap<Uuid, Columns> = BTreeMap::new();
    let (mut gates, mut places) = (Vec::new(), HashMap::<String, u16>::new());
    for EntryNews { list, ticket, last } in news {
        let columns = lists.entry(list.uuid()).or_default();
        columns.ids.extend_from_slice(ticket.uuid().as_bytes());
        let at = last.as_ref().and_then(|last| u32::try_from(last.at.timestamp()).ok()).unwrap_or_default();
        columns.times.extend_from_slice(&at.to_be_bytes());
        columns.states.push(last.as_ref().map_or(0, |last| if last.is_out { 2 } else { 1 }));
        let gate = last.and_then(|last| last.gate).and_then(|gate| {
            if let Some(place) = places.get(gate.as_str()) {
                return Some(*place);
            }
            // A gate too many is not told: nothing hangs on it.
            let place = u16::try_from(gates.len() + 1).ok()?;
            gates.push(gate.as_str().to_owned());
            places.insert(gate.as_str().to_owned(), place);
            Some(place)
        });
        columns.gates.extend_from_slice(&gate.unwrap_or(0).to_be_bytes());
    }
    let entries = lists.into_iter().map(|(list_id, columns)| EntryColumns {
        list_id,
        ids: STANDARD.encode(columns.ids),
        times: STANDARD.encode(columns.times),
        gates: STANDARD.encode(columns.gates),
        states: STANDARD.encode(columns.states),
    });
    (gates, entries.collect())
}

/// A cursor as a text: the microseconds of both times, or 0.
fn written(cursor: DoorCursor) -> String {
    let micros = |at: Option<Timestamp>| at.map_or(0, |at| at.timestamp_micros());
    format!("{}-{}", micros(cursor.tickets), micros(cursor.entries))
}

fn read(text: &str) -> Option<DoorCursor> {
    let time = |digits: &str| {
        let micros: i64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(DateTime::from_timestamp_micros(micros)?).map(|at| (micros > 0).then_some(at))
    };
    let (tickets, entries) = text.split_once('-')?;
    Some(DoorCursor { tickets: time(tickets)?, entries: time(entries)? })
}

/// Gives a device what it needs without a network
///
/// Public keys, rules, which tickets let in no more and which have let in: a device with it answers as `checkIn` would, and
/// tells later by `syncCheckIns`. No secrets and no names. With the cursor of the bundle before, only what is new. For
/// whoever may let in. At most 50,000 tickets and entries at once; `more` says that there are others.
#[utoipa::path(
    get, path = "/events/{eventId}/check-ins/bundle", operation_id = "doorBundle", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event."), BundleQuery, IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "The bundle.", body = DoorBundleBody,
            headers(("ETag" = String, description = "Weak; the same for the same bundle.")),
        ),
        (
            status = 304, description = "It is as the caller knows it.",
            headers(("ETag" = String, description = "Weak; the same for the same bundle.")),
        ),
    ),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn door_bundle(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<BundleQuery>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Ids([event]) = ids;
    let cursor = |text: &str| read(text).ok_or_else(|| Problem::malformed("the cursor is none of a bundle"));
    let since = query.cursor.as_deref().map(cursor).transpose()?;
    let bundle = state.tickets().door_bundle(&acting.agent, EventId::new(event), since).await?;
    let body: Bytes = rendered::write(&DoorBundleBody::of(bundle));
    let digest = Sha256::digest(&body);
    let short: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = rendered::tag(format!("W/\"{short}\""));
    Ok(rendered::answer(&request, &etag, HeaderValue::from_static("private, no-cache"), || body.clone()))
}

/// What a device tells when it has a network again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SyncCheckIns)]
pub(crate) struct SyncBody {
    /// The time of the device as it sends this, by its own clock: from it the server reckons how wrong that is.
    #[serde(deserialize_with = "time::required")]
    #[schema(value_type = DateTime<Utc>, example = "2030-11-21T19:31:00Z")]
    sent_at: DateTime<Utc>,
    /// The scans that let somebody in.
    #[schema(max_items = 500)]
    scans: Vec<ToldScanBody>,
}

/// A scan that let somebody in without a network.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineScan)]
pub(crate) struct ToldScanBody {
    /// Its id, which the device has made: random, or of UUID version 7.
    id: Uuid,
    /// What it had read.
    #[schema(example = "GT1:…")]
    code: String,
    /// By which check-in list it let in; left out, by the one that every event has.
    list_id: Option<Uuid>,
    /// Where the device stood.
    #[schema(min_length = 1, max_length = 100, example = "North")]
    gate: Option<String>,
    /// When, by the clock of the device.
    #[serde(deserialize_with = "time::required")]
    #[schema(value_type = DateTime<Utc>, example = "2030-11-21T19:02:11Z")]
    at: DateTime<Utc>,
}

impl From<ToldScanBody> for ToldScan {
    fn from(scan: ToldScanBody) -> Self {
        Self {
            id: CheckInId::new(scan.id),
            code: scan.code,
            list: scan.list_id.map(CheckInListId::new),
            gate: scan.gate,
            at: scan.at,
        }
    }
}

/// What became of the scans of a device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncReport)]
pub(crate) struct SyncReportBody {
    /// How far the clock of the device is behind that of the server, in milliseconds.
    #[schema(example = -1200)]
    clock_skew_ms: i64,
    /// Whether that is more than five minutes: somebody should set the clock.
    clock_warning: bool,
    /// Each scan, in the order in which they were told.
    scans: Vec<SyncedScanBody>,
}

/// What became of a scan.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncedScan)]
pub(crate) struct SyncedScanBody {
    /// Its id.
    id: Uuid,
    /// `admitted` where it is kept; `invalid`, `wrong_event` or `not_on_list` where there is nothing that it could be an
    /// entry of.
    result: ScanResultBody,
    /// What somebody should know of it; not there where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    flag: Option<FlagBody>,
    /// When it was, by the clock of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    at: Option<DateTime<Utc>>,
}

/// What somebody should know of an entry.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CheckInFlag)]
pub(crate) enum FlagBody {
    /// The ticket had let in before, elsewhere: this entry is kept and does not count.
    Conflict,
    /// The ticket was revoked, and the device did not know.
    Revoked,
    /// The ticket is blocked, and the device did not know.
    Blocked,
    /// Its list would not have let in, and the device did not know.
    NotAllowed,
}

impl From<Flag> for FlagBody {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::Conflict => Self::Conflict,
            Flag::Revoked => Self::Revoked,
            Flag::Blocked => Self::Blocked,
            Flag::NotAllowed => Self::NotAllowed,
        }
    }
}

impl SyncedScanBody {
    fn of((id, synced): (CheckInId, Result<CheckIn, ScanResult>)) -> Self {
        let id = id.uuid();
        match synced {
            Ok(entry) => {
                Self { id, result: ScanResultBody::Admitted, flag: entry.flag.map(Into::into), at: Some(entry.at) }
            }
            Err(result) => Self { id, result: result.into(), flag: None, at: None },
        }
    }
}

impl From<SyncReport> for SyncReportBody {
    fn from(report: SyncReport) -> Self {
        Self {
            clock_skew_ms: report.skew.num_milliseconds(),
            clock_warning: report.clock_is_wrong,
            scans: report.scans.into_iter().map(SyncedScanBody::of).collect(),
        }
    }
}

/// Takes over the scans of a device that had no network
///
/// Those that let somebody in, at most 500 at a time, with ids that the device has made: sent again, they are taken over
/// once. Whoever was let in is inside, so that each is kept; of two that exclude each other the earlier one counts, by the
/// time of the device as corrected by `sentAt`, and the later is flagged. For whoever may let in.
#[utoipa::path(
    post, path = "/events/{eventId}/check-ins/sync", operation_id = "syncCheckIns", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event.")),
    request_body = SyncBody,
    responses((status = 200, description = "What became of them.", body = SyncReportBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn sync_check_ins(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(told): Json<SyncBody>,
) -> Result<Answer<SyncReportBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let scans = told.scans.into_iter().map(Into::into).collect();
    let report = state.tickets().sync_check_ins(&agent, EventId::new(event), told.sent_at, scans, &origin).await?;
    Ok(Answer(report.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_none() {
        let at = DateTime::from_timestamp_micros(1_795_161_600_000_001);
        for (tickets, entries) in [(None, None), (at, None), (None, at), (at, at)] {
            let cursor = DoorCursor { tickets, entries };
            assert_eq!(read(&written(cursor)), Some(cursor));
        }
        for none in
            ["", "-", "1", "1-", "-1-1", "a-b", "+1-1", "1-1-1", "99999999999999999999-1", "9223372036854775807-1"]
        {
            assert!(read(none).is_none(), "{none}");
        }
    }
}
