//! `/organizers/{organizerId}/audit` and `/audit`: who did what, for the owners of an organizer and for admins.

use application::audit::{AuditFilter, AuditPlace, OwnLine, SeenLine};
use application::error::AppError;
use application::origin::Actor;
use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{OrganizerId, Problems};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::{Acting, Ids, Params};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::state::AppState;
use crate::time;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(list_audit)).routes(routes!(list_platform_audit))
}

/// The most lines of an export in one answer.
const EXPORT_MAX: u32 = 5_000;

/// Who did something.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditActorKind)]
pub(crate) enum ActorKindBody {
    /// An account.
    User,
    /// An API key.
    ApiKey,
    /// Nobody was signed in.
    Anonymous,
    /// GoTicket itself.
    System,
}

impl ActorKindBody {
    const fn of(actor: Actor) -> (Self, Option<Uuid>) {
        match actor {
            Actor::User(user) => (Self::User, Some(user.uuid())),
            Actor::Key(key) => (Self::ApiKey, Some(key.uuid())),
            Actor::Anonymous => (Self::Anonymous, None),
            Actor::System => (Self::System, None),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Anonymous => "anonymous",
            Self::System => "system",
        }
    }
}

/// One line of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditLine)]
pub(crate) struct AuditLineBody {
    /// Its id.
    id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who: what kind of actor.
    actor_kind: ActorKindBody,
    /// Who: the account or the key; null for others.
    #[schema(required)]
    actor_id: Option<Uuid>,
    /// What.
    #[schema(example = "booking.confirmed")]
    action: String,
    /// What kind of object.
    #[schema(example = "booking")]
    object_kind: String,
    /// Which object.
    object_id: Uuid,
    /// Its state before; null where it is new, or did not change.
    #[schema(example = json!({"status": "pending"}), required, value_type = Option<Object>)]
    before: Option<Value>,
    /// Its state after; null where it is gone, or did not change.
    #[schema(example = json!({"status": "confirmed"}), required, value_type = Option<Object>)]
    after: Option<Value>,
    /// What of the line is personal, like the `address` of the request; null where there is nothing, or it was erased.
    #[schema(example = json!({"address": "203.0.113.7"}), required, value_type = Option<Object>)]
    personal: Option<Value>,
    /// Whether something personal was erased.
    personal_erased: bool,
    /// `X-Correlation-Id` of the request.
    #[schema(example = "01990e4c-7a50-7c11-8f2e-2b1f6c3d9a10")]
    correlation_id: String,
    /// Whether the line is sealed into the hash chain, which takes a second at most.
    sealed: bool,
    /// The block of the chain that it is sealed in.
    #[schema(example = 1207, required)]
    block: Option<u64>,
}

impl From<SeenLine> for AuditLineBody {
    fn from(seen: SeenLine) -> Self {
        let SeenLine { line, block, is_erased } = seen;
        let (actor_kind, actor_id) = ActorKindBody::of(line.actor);
        // What is no JSON was tampered with; the verification tells it.
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id: line.id,
            at: line.at,
            actor_kind,
            actor_id,
            action: line.action,
            object_kind: line.object_kind,
            object_id: line.object,
            before: json(line.before),
            after: json(line.after),
            personal: json(line.personal),
            personal_erased: is_erased,
            correlation_id: line.correlation_id,
            sealed: block.is_some(),
            block,
        }
    }
}

impl From<OwnLine> for AuditLineBody {
    /// Who else has done something is not told.
    fn from(line: OwnLine) -> Self {
        let body = Self::from(line.seen);
        Self { actor_id: body.actor_id.filter(|_| line.is_own), ..body }
    }
}

/// In which form.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditFormat)]
pub(crate) enum FormatBody {
    /// A page like those of other lists.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// A table (RFC 4180).
    Csv,
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// By this account or API key.
    actor: Option<Uuid>,
    /// Of this action, like `booking.confirmed`; one that ends in a dot means all that begin so.
    #[param(example = "booking.confirmed")]
    action: Option<String>,
    /// About this object.
    object: Option<Uuid>,
    /// At this time or later.
    #[serde(default, deserialize_with = "time::optional")]
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<DateTime<Utc>>,
    /// Before this time.
    #[serde(default, deserialize_with = "time::optional")]
    #[param(value_type = Option<DateTime<Utc>>)]
    to: Option<DateTime<Utc>>,
    /// In which form; where it is left out, `Accept` says it.
    #[param(inline)]
    format: Option<FormatBody>,
    /// The most lines: 20 and at most 100 as a page, 5,000 as an export.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<i64>,
    /// `nextCursor` of the page before, or that of `Link`.
    cursor: Option<String>,
}

/// Shows the audit log of an organizer
///
/// Newest first, for owners and admins. As CSV or JSON Lines it is an export of at most 5,000 lines; `Link` with
/// `rel="next"` leads to the rest. Reading it is written into it. A page looks at a bounded number of lines: with a filter
/// that finds little it may be short or empty and go on all the same.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/audit", operation_id = "listAudit", tag = "Catalog",
    params(("organizerId" = Uuid, Path, description = "The organizer."), AuditQuery),
    responses((
        status = 200, description = "Lines.",
        content((Page<AuditLineBody> = "application/json"), (String = "application/jsonl"), (String = "text/csv")),
        headers(("Link" = String, description = "Of an export that is not the last: where it goes on.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_audit(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    headers: HeaderMap,
    Params(query): Params<AuditQuery>,
) -> Result<Response, Problem> {
    let Ids([organizer]) = ids;
    answer(&state, &acting, Some(OrganizerId::new(organizer)), &headers, query).await
}

/// Shows the audit log of the platform
///
/// For admins: what was done to accounts, and failed sign-ins and refused access, which are noted within five seconds; what
/// belongs to an organizer is in that one's log. Filters, forms and the rest are as there, and reading it is written into
/// it too.
#[utoipa::path(
    get, path = "/audit", operation_id = "listPlatformAudit", tag = "Operation",
    params(AuditQuery),
    responses((
        status = 200, description = "Lines.",
        content((Page<AuditLineBody> = "application/json"), (String = "application/jsonl"), (String = "text/csv")),
        headers(("Link" = String, description = "Of an export that is not the last: where it goes on.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "validation_failed"]))),
)]
async fn list_platform_audit(
    State(state): State<AppState>,
    acting: Acting,
    headers: HeaderMap,
    Params(query): Params<AuditQuery>,
) -> Result<Response, Problem> {
    answer(&state, &acting, None, &headers, query).await
}

/// Lines of an organizer or of the platform, in the form that was asked for.
async fn answer(
    state: &AppState,
    acting: &Acting,
    of: Option<OrganizerId>,
    headers: &HeaderMap,
    query: AuditQuery,
) -> Result<Response, Problem> {
    let format = query.format.unwrap_or_else(|| accepted(headers));
    let rows = if format == FormatBody::Json { page::limit(query.limit)?.rows() } else { export_limit(query.limit)? };
    let after = query.cursor.as_deref().map(|cursor| Cursor::decode(List::Audit, cursor)).transpose()?.map(place);
    let filter = AuditFilter {
        actor: query.actor,
        action: query.action.clone(),
        object: query.object,
        from: query.from,
        to: query.to,
    };
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let how = (rows, format != FormatBody::Json);
    let found = state.audit().page(&acting.agent, of, &filter, after, how, &acting.origin).await?;
    let next = found.next.map(|place| cursor(place).encode());
    let lines: Vec<AuditLineBody> = found.lines.into_iter().map(AuditLineBody::from).collect();
    let (body, kind, name) = match format {
        FormatBody::Json => return Ok((no_store(), Json(Page { items: lines, next_cursor: next })).into_response()),
        FormatBody::Jsonl => (jsonl(&lines)?, "application/jsonl", "audit.jsonl"),
        FormatBody::Csv => (csv(&lines), "text/csv", "audit.csv"),
    };
    let mut response = (no_store(), body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let attachment = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.extend(attachment.map(|attachment| (CONTENT_DISPOSITION, attachment)));
    if let Some(next) = next {
        let link = format!("<{}>; rel=\"next\"", query.next(of, format, &next));
        headers.extend(HeaderValue::from_str(&link).map(|link| (LINK, link)));
    }
    Ok(response)
}

impl AuditQuery {
    /// The address of the next part of an export.
    fn next(&self, of: Option<OrganizerId>, format: FormatBody, cursor: &str) -> String {
        let format = if format == FormatBody::Csv { "csv" } else { "jsonl" };
        let place = of.map_or_else(String::new, |organizer| format!("/organizers/{organizer}"));
        let mut address = format!("/api/v1{place}/audit?format={format}");
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let pairs = [
            ("actor", self.actor.map(|actor| actor.to_string())),
            ("action", self.action.clone()),
            ("object", self.object.map(|object| object.to_string())),
            ("from", self.from.map(time)),
            ("to", self.to.map(time)),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", Some(cursor.to_owned())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                // Ids, times and words need no escaping.
                address.push_str(&format!("&{name}={value}"));
            }
        }
        address
    }
}

/// The form that `Accept` names, if it names one of the exports.
fn accepted(headers: &HeaderMap) -> FormatBody {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/csv") {
        FormatBody::Csv
    } else if accept.contains("application/jsonl") || accept.contains("application/x-ndjson") {
        FormatBody::Jsonl
    } else {
        FormatBody::Json
    }
}

fn export_limit(asked: Option<i64>) -> Result<u64, Problem> {
    let asked = asked.unwrap_or(i64::from(EXPORT_MAX));
    let limit = u32::try_from(asked).ok().filter(|limit| (1..=EXPORT_MAX).contains(limit));
    let told = || Problems::one("limit", "out_of_range", "must be between 1 and 5000 for an export");
    Ok(u64::from(limit.ok_or_else(told)?))
}

/// A line that waited has no block, which the cursor says by a number that no block has.
fn cursor(place: AuditPlace) -> Cursor {
    let block = place.block.map_or(i64::MAX, |block| i64::try_from(block).unwrap_or(i64::MAX));
    Cursor { list: List::Audit, micros: block, id: place.line }
}

fn place(cursor: Cursor) -> AuditPlace {
    let block = (cursor.micros != i64::MAX).then(|| u64::try_from(cursor.micros).unwrap_or_default());
    AuditPlace { block, line: cursor.id }
}

const fn no_store() -> [(HeaderName, &'static str); 1] {
    [(CACHE_CONTROL, "no-store")]
}

fn jsonl(lines: &[AuditLineBody]) -> Result<String, Problem> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).map_err(|_| AppError::Internal)?);
        text.push('\n');
    }
    Ok(text)
}

pub(crate) const COLUMNS: &str = "id,at,actorKind,actorId,action,objectKind,objectId,before,after,personal,personalErased,\
correlationId,sealed,block\r\n";

fn csv(lines: &[AuditLineBody]) -> String {
    let mut text = COLUMNS.to_owned();
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    for line in lines {
        let cells = [
            line.id.to_string(),
            line.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            line.actor_kind.word().to_owned(),
            line.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            line.action.clone(),
            line.object_kind.clone(),
            line.object_id.to_string(),
            json(&line.before),
            json(&line.after),
            json(&line.personal),
            line.personal_erased.to_string(),
            line.correlation_id.clone(),
            line.sealed.to_string(),
            line.block.map(|block| block.to_string()).unwrap_or_default(),
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell, in quotes where it must be. What a spreadsheet would take for a formula is told apart by an apostrophe: a
/// correlation id is chosen by whoever sends the request.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !cell.contains([',', '"', '\r', '\n']) {
        return cell.to_owned();
    }
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_no_other_cell() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("-2", "\"'-2\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), written, "{cell:?}");
        }
    }

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        for block in [None, Some(1), Some(77)] {
            let here = AuditPlace { block, line: Uuid::from_u128(5) };
            assert_eq!(place(cursor(here)), here);
        }
    }
}
