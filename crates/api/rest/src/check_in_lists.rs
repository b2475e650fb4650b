//! `/events/{eventId}/check-in-lists`: which tickets may enter, when and how often.

use axum::Json as Answer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::admission::{CheckInList, EntryRule, ListEdit};
use domain::{CheckInListId, EventId, TicketTypeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::created::Created;
use crate::extract::{Acting, Ids, Json};
use crate::problem::Problem;
use crate::state::AppState;
use crate::{patch, time};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(create_check_in_list, list_check_in_lists))
        .routes(routes!(get_check_in_list, edit_check_in_list))
}

/// A check-in list: which tickets may enter, when and how often. Entries of a list are judged together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckInList)]
pub(crate) struct CheckInListBody {
    /// Its id.
    id: Uuid,
    /// What people call it.
    #[schema(example = "Backstage")]
    name: String,
    /// How often a ticket lets in.
    entry: EntryRuleBody,
    /// From then on; null: as soon as tickets are valid, a day before the event.
    #[schema(required)]
    from: Option<DateTime<Utc>>,
    /// Not from then on; null: until the event ends.
    #[schema(required)]
    until: Option<DateTime<Utc>>,
    /// Tickets of these types; empty: of all.
    ticket_type_ids: Vec<Uuid>,
    /// Whether it is put away: nobody enters by it any more.
    archived: bool,
    /// Whether it is the list that every event has: by it those enter whose scan names none. It stays as it is.
    default: bool,
}

/// How often a ticket lets in.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EntryRule)]
pub(crate) enum EntryRuleBody {
    /// Once, whatever happens then.
    Once,
    /// Again after each exit.
    ReEntry,
}

impl From<EntryRule> for EntryRuleBody {
    fn from(rule: EntryRule) -> Self {
        match rule {
            EntryRule::Once => Self::Once,
            EntryRule::ReEntry => Self::ReEntry,
        }
    }
}

impl From<EntryRuleBody> for EntryRule {
    fn from(rule: EntryRuleBody) -> Self {
        match rule {
            EntryRuleBody::Once => Self::Once,
            EntryRuleBody::ReEntry => Self::ReEntry,
        }
    }
}

impl From<CheckInList> for CheckInListBody {
    fn from(list: CheckInList) -> Self {
        Self {
            id: list.id.uuid(),
            name: list.name.as_str().to_owned(),
            entry: list.terms.entry.into(),
            from: list.terms.from,
            until: list.terms.until,
            ticket_type_ids: list.terms.ticket_types.iter().map(|id| id.uuid()).collect(),
            archived: list.archived,
            default: list.is_default(),
        }
    }
}

/// All check-in lists of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckInLists)]
pub(crate) struct CheckInListsBody {
    /// First the one that every event has, then oldest first; at most 50.
    items: Vec<CheckInListBody>,
}

/// A new check-in list.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreateCheckInList, example = json!({ "name": "Main door", "entry": "re_entry" }))]
pub(crate) struct CreateCheckInListBody {
    /// What people shall call it.
    #[schema(min_length = 1, max_length = 100, example = "Main door")]
    name: String,
    /// How often a ticket lets in; left out: `once`.
    entry: Option<EntryRuleBody>,
    /// From then on.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-21T17:00:00Z")]
    from: Option<DateTime<Utc>>,
    /// Not from then on.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-21T23:00:00Z")]
    until: Option<DateTime<Utc>>,
    /// Tickets of these types; left out or empty: of all.
    #[schema(max_items = 100)]
    ticket_type_ids: Option<Vec<Uuid>>,
}

/// Makes a check-in list
///
/// It belongs to the event. An event has at most 50.
#[utoipa::path(
    post, path = "/events/{eventId}/check-in-lists", operation_id = "createCheckInList", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event.")),
    request_body = CreateCheckInListBody,
    responses((status = 201, description = "The list.", body = CheckInListBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn create_check_in_list(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(wish): Json<CreateCheckInListBody>,
) -> Result<Created<CheckInListBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let new = ListEdit {
        name: Some(wish.name),
        entry: wish.entry.map(Into::into),
        from: Some(wish.from),
        until: Some(wish.until),
        ticket_types: wish.ticket_type_ids.map(ticket_types),
        archived: None,
    };
    let made = state.tickets().create_check_in_list(&agent, EventId::new(event), new, origin).await?;
    let location = format!("/api/v1/events/{event}/check-in-lists/{}", made.id);
    Ok(Created::at(location, made.into(), false))
}

fn ticket_types(ids: Vec<Uuid>) -> Vec<TicketTypeId> {
    ids.into_iter().map(TicketTypeId::new).collect()
}

/// Lists the check-in lists of an event
///
/// Those that are put away included. For whoever may let in, too.
#[utoipa::path(
    get, path = "/events/{eventId}/check-in-lists", operation_id = "listCheckInLists", tag = "Tickets",
    params(("eventId" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "The lists.", body = CheckInListsBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_check_in_lists(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<CheckInListsBody>, Problem> {
    let Ids([event]) = ids;
    let lists = state.tickets().check_in_lists(&acting.agent, EventId::new(event)).await?;
    Ok(Answer(CheckInListsBody { items: lists.into_iter().map(Into::into).collect() }))
}

/// Shows a check-in list
#[utoipa::path(
    get, path = "/events/{eventId}/check-in-lists/{checkInListId}", operation_id = "getCheckInList", tag = "Tickets",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("checkInListId" = Uuid, Path, description = "The list."),
    ),
    responses((status = 200, description = "The list.", body = CheckInListBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_check_in_list(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<CheckInListBody>, Problem> {
    let Ids([event, id]) = ids;
    let (event, id) = (EventId::new(event), CheckInListId::new(id));
    Ok(Answer(state.tickets().check_in_list(&acting.agent, event, id).await?.into()))
}

/// A change of a check-in list: what is left out stays, null takes a bound away.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EditCheckInList)]
pub(crate) struct EditCheckInListBody {
    /// What people shall call it.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, min_length = 1, max_length = 100, example = "Main door")]
    name: Option<String>,
    /// How often a ticket lets in. Where it lets in once from now on, who has been in does not come in again.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    entry: Option<EntryRuleBody>,
    /// From then on.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-21T17:00:00Z")]
    from: Option<Option<DateTime<Utc>>>,
    /// Not from then on.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-21T23:00:00Z")]
    until: Option<Option<DateTime<Utc>>>,
    /// Tickets of these types; empty: of all.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, max_items = 100)]
    ticket_type_ids: Option<Vec<Uuid>>,
    /// Whether it is put away: nobody enters by it any more.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

/// Changes a check-in list
///
/// Scans obey it within a second. None is deleted: it is put away by `archived`. The list that every event has stays as it
/// is.
#[utoipa::path(
    patch, path = "/events/{eventId}/check-in-lists/{checkInListId}", operation_id = "editCheckInList", tag = "Tickets",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("checkInListId" = Uuid, Path, description = "The list."),
    ),
    request_body = EditCheckInListBody,
    responses((status = 200, description = "The list as it is now.", body = CheckInListBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn edit_check_in_list(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    Json(wish): Json<EditCheckInListBody>,
) -> Result<Answer<CheckInListBody>, Problem> {
    let (Acting { agent, origin }, Ids([event, id])) = (acting, ids);
    let edit = ListEdit {
        name: wish.name,
        entry: wish.entry.map(Into::into),
        from: wish.from,
        until: wish.until,
        ticket_types: wish.ticket_type_ids.map(ticket_types),
        archived: wish.archived,
    };
    let (event, id) = (EventId::new(event), CheckInListId::new(id));
    Ok(Answer(state.tickets().edit_check_in_list(&agent, event, id, edit, origin).await?.into()))
}
