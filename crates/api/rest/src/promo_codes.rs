//! `/events/{eventId}/promo-codes`: what makes tickets cheaper, or opens hidden ones, for who knows it.

use axum::Json as Answer;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::booking::{Discount, PromoCode, PromoEdit};
use domain::pricing::Rate;
use domain::{EventId, PromoCodeId, TicketTypeId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::context::Context;
use crate::created::Created;
use crate::extract::{Acting, EventPath, Ids, Json, Keyed, Params, Visitor};
use crate::openapi::{EventName, IdempotencyKeyHeader};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::state::AppState;
use crate::ticket_types::TicketTypeBody;
use crate::{patch, time};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(create_promo_code, list_promo_codes))
        .routes(routes!(get_promo_code, edit_promo_code))
        .routes(routes!(open_ticket_types))
}

/// A promo code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PromoCode)]
pub(crate) struct PromoCodeBody {
    /// Its id.
    id: Uuid,
    /// What buyers type, in upper or lower case.
    #[schema(example = "EARLY-10")]
    code: String,
    /// How much cheaper each ticket is: this share of its price, in millionths.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000, example = 100_000)]
    rate: Option<u32>,
    /// How much cheaper each ticket is, in minor units; never cheaper than nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 500, nullable = false, minimum = 1)]
    amount: Option<i64>,
    /// Of which ticket types; empty: of all.
    ticket_type_ids: Vec<Uuid>,
    /// Which hidden ticket types it opens: they are sold with such a code and not otherwise.
    opens_ticket_type_ids: Vec<Uuid>,
    /// The most bookings with it; null is no limit.
    #[schema(required, minimum = 1, example = 100)]
    max_uses: Option<u32>,
    /// The most bookings of one buyer with it; null is no limit.
    #[schema(example = 1, required, minimum = 1)]
    max_per_buyer: Option<u32>,
    /// The most that it takes off in all, in minor units; null is no limit.
    #[schema(example = 100_000, required, minimum = 1)]
    budget: Option<i64>,
    /// It is of use from then on; null: at once.
    #[schema(required)]
    starts_at: Option<DateTime<Utc>>,
    /// It is of no use from then on; null: as long as tickets are sold.
    #[schema(required)]
    ends_at: Option<DateTime<Utc>>,
    /// Whether it is put away: kept, and of no use.
    archived: bool,
    /// How many bookings hold it or are confirmed with it.
    #[schema(example = 12)]
    used: u32,
    /// What it takes off all of these, in minor units.
    #[schema(minimum = 0, example = 3_000)]
    spent: i64,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was changed last; uses do not count.
    updated_at: DateTime<Utc>,
}

impl From<PromoCode> for PromoCodeBody {
    fn from(code: PromoCode) -> Self {
        Self {
            id: code.id.uuid(),
            code: code.code.as_str().to_owned(),
            rate: code.terms.discount.and_then(Discount::rate).map(Rate::millionths),
            amount: code.terms.discount.and_then(Discount::amount),
            ticket_type_ids: code.terms.ticket_types.iter().map(|id| id.uuid()).collect(),
            opens_ticket_type_ids: code.terms.opens.iter().map(|id| id.uuid()).collect(),
            max_uses: code.terms.max_uses,
            max_per_buyer: code.terms.max_per_buyer,
            budget: code.terms.budget,
            starts_at: code.terms.starts_at,
            ends_at: code.terms.ends_at,
            archived: code.archived,
            used: code.used,
            spent: code.spent,
            created_at: code.created_at,
            updated_at: code.updated_at,
        }
    }
}

/// A new promo code: a `rate` or an `amount`, or ticket types that it opens, or both.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreatePromoCode, example = json!({ "code": "EARLY-10", "rate": 100_000, "maxUses": 100 }))]
pub(crate) struct CreatePromoCodeBody {
    /// What buyers type: letters from A to Z, digits and hyphens. Left out: twelve characters that nobody guesses.
    #[schema(min_length = 4, max_length = 40, example = "EARLY-10")]
    code: Option<String>,
    /// How much cheaper each ticket is: this share of its price, in millionths.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100_000)]
    rate: Option<i64>,
    /// Instead of a rate: how much cheaper each ticket is, in minor units; never cheaper than nothing.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    amount: Option<i64>,
    /// Of which ticket types; left out or empty: of all.
    #[schema(max_items = 100)]
    ticket_type_ids: Option<Vec<Uuid>>,
    /// Which hidden ticket types it opens: from now on they are sold with such a code and not otherwise.
    #[schema(max_items = 100)]
    opens_ticket_type_ids: Option<Vec<Uuid>>,
    /// The most bookings with it.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 100)]
    max_uses: Option<i64>,
    /// The most bookings of one buyer with it.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    max_per_buyer: Option<i64>,
    /// The most that it takes off in all, in minor units.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    budget: Option<i64>,
    /// It is of use from then on.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-10-01T08:00:00Z")]
    starts_at: Option<DateTime<Utc>>,
    /// It is of no use from then on; what is held by then keeps it.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-01T08:00:00Z")]
    ends_at: Option<DateTime<Utc>>,
}

/// Makes a promo code
///
/// It belongs to the event. A text that the event has already is refused, also where that code is put away. What it opens
/// is sold with a code alone from then on (`codeRequired` of the ticket type).
#[utoipa::path(
    post, path = "/events/{eventId}/promo-codes", operation_id = "createPromoCode", tag = "Booking",
    params(("eventId" = Uuid, Path, description = "The event."), IdempotencyKeyHeader),
    request_body = CreatePromoCodeBody,
    responses((status = 201, description = "The code.", body = PromoCodeBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "already_exists", "invalid_state", "validation_failed"
    ]))),
)]
async fn create_promo_code(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    wish: Keyed<CreatePromoCodeBody>,
) -> Result<Created<PromoCodeBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let (key, wish) = (wish.key(&agent), wish.value);
    let new = PromoEdit {
        rate: Some(wish.rate),
        amount: Some(wish.amount),
        ticket_types: wish.ticket_type_ids.map(ticket_types),
        opens: wish.opens_ticket_type_ids.map(ticket_types),
        max_uses: Some(wish.max_uses),
        max_per_buyer: Some(wish.max_per_buyer),
        budget: Some(wish.budget),
        starts_at: Some(wish.starts_at),
        ends_at: Some(wish.ends_at),
        archived: None,
    };
    let bookings = state.bookings();
    let made = bookings.create_promo_code(&agent, EventId::new(event), wish.code.as_deref(), new, key, origin).await?;
    let location = format!("/api/v1/events/{event}/promo-codes/{}", made.value.id);
    Ok(Created::at(location, made.value.into(), made.replayed))
}

/// What opens hidden ticket types.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OpenTicketTypes)]
pub(crate) struct OpenTicketTypesBody {
    /// The code, in upper or lower case.
    #[schema(max_length = 80, example = "FRIENDS-2030")]
    promo_code: String,
}

/// Hidden ticket types that are open to who knows the code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenedTicketTypes)]
pub(crate) struct OpenedTicketTypesBody {
    /// All of them; none where the code makes tickets cheaper and opens nothing.
    items: Vec<TicketTypeBody>,
}

/// Shows which hidden ticket types a promo code opens
///
/// The code is not used by it. For everybody who sees the event; stale by a second at the most.
#[utoipa::path(
    post, path = "/events/{eventId}/opened-ticket-types", operation_id = "openTicketTypes", tag = "Booking",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug.")),
    request_body = OpenTicketTypesBody,
    responses((status = 200, description = "The ticket types.", body = OpenedTicketTypesBody)),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["not_found", "validation_failed"]))),
)]
async fn open_ticket_types(
    State(state): State<AppState>,
    context: Context,
    visitor: Visitor,
    event: EventPath,
    Json(wish): Json<OpenTicketTypesBody>,
) -> Result<Answer<OpenedTicketTypesBody>, Problem> {
    let (bookings, address) = (state.bookings(), context.origin().address);
    let (seen, opened) = bookings.open_ticket_types(&visitor.agent, &event.0, &wish.promo_code, address).await?;
    let now = state.catalog().now();
    let opened = opened.into_iter().filter_map(|id| seen.sale.ticket_type(id));
    let items = opened.map(|known| TicketTypeBody::of(&seen.sale, known, now)).collect();
    Ok(Answer(OpenedTicketTypesBody { items }))
}

fn ticket_types(ids: Vec<Uuid>) -> Vec<TicketTypeId> {
    ids.into_iter().map(TicketTypeId::new).collect()
}

/// Which page of the codes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PromoCodesQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the promo codes of an event
///
/// Oldest first, those that are put away included.
#[utoipa::path(
    get, path = "/events/{eventId}/promo-codes", operation_id = "listPromoCodes", tag = "Booking",
    params(("eventId" = Uuid, Path, description = "The event."), PromoCodesQuery),
    responses((status = 200, description = "One page of codes.", body = Page<PromoCodeBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_promo_codes(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<PromoCodesQuery>,
) -> Result<Answer<Page<PromoCodeBody>>, Problem> {
    let Ids([event]) = ids;
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| Cursor::decode(List::PromoCodes, &cursor)).transpose()?;
    let after = after.map(|cursor| PromoCodeId::new(cursor.id));
    let found = state.bookings().promo_codes(&acting.agent, EventId::new(event), after, limit).await?;
    Ok(Answer(Page::of(found, |it| Cursor::behind(List::PromoCodes, it.id.uuid()), PromoCodeBody::from)))
}

/// Shows a promo code
#[utoipa::path(
    get, path = "/events/{eventId}/promo-codes/{promoCodeId}", operation_id = "getPromoCode", tag = "Booking",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("promoCodeId" = Uuid, Path, description = "The code, by its id."),
    ),
    responses((status = 200, description = "The code.", body = PromoCodeBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_promo_code(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
) -> Result<Answer<PromoCodeBody>, Problem> {
    let Ids([event, id]) = ids;
    let found = state.bookings().promo_code(&acting.agent, EventId::new(event), PromoCodeId::new(id)).await?;
    Ok(Answer(found.into()))
}

/// A change of a promo code: what is left out stays, null takes a limit away.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EditPromoCode)]
pub(crate) struct EditPromoCodeBody {
    /// How much cheaper each ticket is: this share of its price, in millionths; null where it is an amount from now on.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000, example = 100_000)]
    rate: Option<Option<i64>>,
    /// How much cheaper each ticket is, in minor units; null where it is a rate from now on.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(example = 500, value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_i64)]
    amount: Option<Option<i64>>,
    /// Of which ticket types; empty: of all.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, max_items = 100)]
    ticket_type_ids: Option<Vec<Uuid>>,
    /// Which hidden ticket types it opens. What it opens no more needs a code all the same, until the type is changed.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, max_items = 100)]
    opens_ticket_type_ids: Option<Vec<Uuid>>,
    /// The most bookings with it, not below `used`.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000, example = 100)]
    max_uses: Option<Option<i64>>,
    /// The most bookings of one buyer with it.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(example = 1, value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000)]
    max_per_buyer: Option<Option<i64>>,
    /// The most that it takes off in all, in minor units, not below `spent`.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(example = 100_000, value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000_000_i64)]
    budget: Option<Option<i64>>,
    /// It is of use from then on.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-10-01T08:00:00Z")]
    starts_at: Option<Option<DateTime<Utc>>>,
    /// It is of no use from then on; what is held by then keeps it.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-11-01T08:00:00Z")]
    ends_at: Option<Option<DateTime<Utc>>>,
    /// Whether it is put away: kept, and of no use.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

/// Changes a promo code
///
/// Bookings that were made with it keep what it gave them. None is deleted: it is put away by `archived`.
#[utoipa::path(
    patch, path = "/events/{eventId}/promo-codes/{promoCodeId}", operation_id = "editPromoCode", tag = "Booking",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("promoCodeId" = Uuid, Path, description = "The code, by its id."),
    ),
    request_body = EditPromoCodeBody,
    responses((status = 200, description = "The code as it is now.", body = PromoCodeBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn edit_promo_code(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    Json(wish): Json<EditPromoCodeBody>,
) -> Result<Answer<PromoCodeBody>, Problem> {
    let (Acting { agent, origin }, Ids([event, id])) = (acting, ids);
    let edit = PromoEdit {
        rate: wish.rate,
        amount: wish.amount,
        ticket_types: wish.ticket_type_ids.map(ticket_types),
        opens: wish.opens_ticket_type_ids.map(ticket_types),
        max_uses: wish.max_uses,
        max_per_buyer: wish.max_per_buyer,
        budget: wish.budget,
        starts_at: wish.starts_at,
        ends_at: wish.ends_at,
        archived: wish.archived,
    };
    let (event, id) = (EventId::new(event), PromoCodeId::new(id));
    Ok(Answer(state.bookings().edit_promo_code(&agent, event, id, edit, origin).await?.into()))
}
