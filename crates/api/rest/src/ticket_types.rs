//! `/events/{eventId}/ticket-types`: what exactly is sold.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::booking::{Sale, SaleChange};
use domain::catalog::{
    NewOpenPrice, NewPriceTier, NewTicketType, PriceTier, TicketType, TicketTypeEdit, TicketTypeStatus,
};
use domain::pricing::Rate;
use domain::{EventId, PoolId, TicketTypeId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use application::catalog::SeenEvent;
use application::error::AppError;

use crate::created::Created;
use crate::events;
use crate::extract::{Acting, Ids, IfMatch, Json, Keyed, Visitor};
use crate::openapi::{IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader};
use crate::problem::Problem;
use crate::rendered::Moment;
use crate::state::AppState;
use crate::{patch, rendered, time};

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(add_ticket_type)).routes(routes!(get_ticket_type, edit_ticket_type))
}

/// A ticket type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketType)]
pub(crate) struct TicketTypeBody {
    /// Its id.
    id: Uuid,
    /// As buyers read it.
    #[schema(example = "Standing")]
    name: String,
    /// Price of one in the minor unit of the event's currency: the regular one, or the suggested one where buyers name it.
    #[schema(minimum = 0, example = 2500)]
    price: i64,
    /// What one more costs at this moment, by its tiers.
    #[schema(minimum = 0, example = 2000)]
    current_price: i64,
    /// Prices that hold before the regular one; the first that still does is asked for.
    price_tiers: Vec<PriceTierBody>,
    /// Between what buyers name the price themselves (`unitPrice`); null where they do not.
    #[schema(required)]
    open_price: Option<OpenPriceBody>,
    /// The tax on it in millionths; null: that of the event (`pricing.taxRate`).
    #[schema(required, minimum = 0, maximum = 1_000_000, example = 80_000)]
    tax_rate: Option<u32>,
    /// How many there are; null is unlimited.
    #[schema(required, minimum = 0, example = 400)]
    capacity: Option<u32>,
    /// How many can be booked now; null is unlimited.
    #[schema(required, minimum = 0, example = 123)]
    available: Option<u32>,
    /// The fewest of one booking.
    #[schema(example = 1, minimum = 1)]
    min_per_booking: u32,
    /// The most of one booking.
    #[schema(minimum = 1, example = 10)]
    max_per_booking: u32,
    /// The most of one buyer over all his bookings; null is no limit.
    #[schema(example = 8, required, minimum = 1)]
    max_per_buyer: Option<u32>,
    /// Sales begin; null: with the publication.
    #[schema(required)]
    sales_start_at: Option<DateTime<Utc>>,
    /// Sales end; null: with the event.
    #[schema(required)]
    sales_end_at: Option<DateTime<Utc>>,
    /// Whether it is sold at all.
    status: TicketTypeStatusBody,
    /// Not listed for the public; sold to who knows its id.
    hidden: bool,
    /// Sold with a promo code that opens it and not otherwise.
    code_required: bool,
    /// The shared pools that a unit needs room in as well.
    pool_ids: Vec<Uuid>,
}

/// A price that holds before the regular one does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceTier)]
pub(crate) struct PriceTierBody {
    /// As buyers read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Early bird")]
    name: Option<String>,
    /// Of one, in minor units.
    #[schema(minimum = 0, example = 2000)]
    price: i64,
    /// It holds no more from then on; null: it ends by units alone.
    #[schema(required)]
    until: Option<DateTime<Utc>>,
    /// It holds until so many of the type are held or sold; null: it ends by time alone.
    #[schema(required, minimum = 1, example = 100)]
    until_sold: Option<u32>,
}

impl From<&PriceTier> for PriceTierBody {
    fn from(tier: &PriceTier) -> Self {
        let name = tier.name.as_ref().map(|name| name.as_str().to_owned());
        Self { name, price: tier.price, until: tier.until, until_sold: tier.until_sold }
    }
}

/// Between what buyers name the price of one, in minor units.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenPrice)]
pub(crate) struct OpenPriceBody {
    /// The least.
    #[schema(minimum = 0, example = 500)]
    minimum: i64,
    /// The most: what is above is a slip of the hand.
    #[schema(minimum = 0, example = 1_000_000)]
    maximum: i64,
}

/// A price that shall hold before the regular one does: until a time, until so many are taken, or until the first of both.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewPriceTier, example = json!({ "name": "Early bird", "price": 2_000, "untilSold": 100 }))]
pub(crate) struct NewPriceTierBody {
    /// As buyers read it.
    #[schema(min_length = 1, max_length = 100, example = "Early bird")]
    name: Option<String>,
    /// Of one, in minor units.
    #[schema(minimum = 0, maximum = 100_000_000_000_i64, example = 2000)]
    price: i64,
    /// It holds no more from then on.
    #[serde(default, deserialize_with = "time::optional")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2030-10-01T08:00:00Z")]
    until: Option<DateTime<Utc>>,
    /// It holds until so many of the type are held or sold, those that are asked for included.
    #[schema(minimum = 1, maximum = 100_000_000, example = 100)]
    until_sold: Option<i64>,
}

impl From<NewPriceTierBody> for NewPriceTier {
    fn from(body: NewPriceTierBody) -> Self {
        Self { name: body.name, price: body.price, until: body.until, until_sold: body.until_sold }
    }
}

/// Buyers shall name the price themselves, between these, in minor units.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewOpenPrice, example = json!({ "minimum": 500 }))]
pub(crate) struct NewOpenPriceBody {
    /// The least; 0 lets in for nothing.
    #[schema(minimum = 0, maximum = 100_000_000_000_i64, example = 500)]
    minimum: i64,
    /// The most; a hundred times the price, and at least 1000000, unless it is said.
    #[schema(minimum = 0, maximum = 100_000_000_000_i64)]
    maximum: Option<i64>,
}

impl From<NewOpenPriceBody> for NewOpenPrice {
    fn from(body: NewOpenPriceBody) -> Self {
        Self { minimum: body.minimum, maximum: body.maximum }
    }
}

/// Whether a ticket type is sold at all.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TicketTypeStatus)]
pub(crate) enum TicketTypeStatusBody {
    /// Sold within its period.
    Active,
    /// No longer sold; what was sold stays.
    Archived,
}

impl TicketTypeBody {
    pub(crate) fn of(sale: &Sale, ticket_type: &TicketType, now: Timestamp) -> Self {
        let prices = &ticket_type.prices;
        Self {
            id: ticket_type.id.uuid(),
            name: ticket_type.name.as_str().to_owned(),
            price: ticket_type.price,
            current_price: sale.unit_price(ticket_type, 1, now),
            price_tiers: prices.tiers.iter().map(Into::into).collect(),
            open_price: prices.open.map(|open| OpenPriceBody { minimum: open.minimum, maximum: open.maximum }),
            tax_rate: prices.tax_rate.map(Rate::millionths),
            capacity: sale.pool(ticket_type.own_pool).and_then(|pool| pool.capacity),
            available: sale.available(ticket_type),
            min_per_booking: ticket_type.min_per_booking,
            max_per_booking: ticket_type.max_per_booking,
            max_per_buyer: ticket_type.max_per_buyer,
            sales_start_at: ticket_type.sales_start_at,
            sales_end_at: ticket_type.sales_end_at,
            status: match ticket_type.status {
                TicketTypeStatus::Active => TicketTypeStatusBody::Active,
                TicketTypeStatus::Archived => TicketTypeStatusBody::Archived,
            },
            hidden: ticket_type.hidden,
            code_required: ticket_type.code_required,
            pool_ids: ticket_type.shared_pools.iter().map(|pool| pool.uuid()).collect(),
        }
    }
}

/// A new ticket type.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewTicketType)]
pub(crate) struct NewTicketTypeBody {
    /// As buyers read it.
    #[schema(min_length = 1, max_length = 200, example = "Standing")]
    name: String,
    /// Price of one in the minor unit of the event's currency; the suggested one where buyers name it.
    #[schema(minimum = 0, maximum = 100_000_000_000_i64, example = 2500)]
    price: i64,
    /// Prices that hold before, in order: the first that still does is asked for.
    #[serde(default)]
    #[schema(max_items = 10)]
    price_tiers: Vec<NewPriceTierBody>,
    /// Buyers name the price themselves, between these; not with `priceTiers`.
    open_price: Option<NewOpenPriceBody>,
    /// The tax on it in millionths, where it is another than that of the event (`pricing.taxRate`).
    #[schema(minimum = 0, maximum = 1_000_000, example = 80_000)]
    tax_rate: Option<i64>,
    /// How many there are; null or left out: unlimited.
    #[schema(minimum = 0, maximum = 100_000_000, example = 400)]
    capacity: Option<i64>,
    /// Shared pools of the event that a unit needs room in as well.
    #[serde(default)]
    #[schema(max_items = 10)]
    pool_ids: Vec<Uuid>,
    /// The fewest of one booking; 1 by default.
    #[schema(example = 1, minimum = 1, maximum = 1_000)]
    min_per_booking: Option<i64>,
    /// The most of one booking; 10 by default.
    #[schema(minimum = 1, maximum = 1_000, example = 10)]
    max_per_booking: Option<i64>,
    /// The most of one buyer over all his bookings; no limit by default.
    #[schema(example = 8, minimum = 1, maximum = 1_000)]
    max_per_buyer: Option<i64>,
    /// Sales begin; with the publication by default.
    #[serde(default, deserialize_with = "time::optional")]
    sales_start_at: Option<DateTime<Utc>>,
    /// Sales end; with the event by default.
    #[serde(default, deserialize_with = "time::optional")]
    sales_end_at: Option<DateTime<Utc>>,
    /// Not listed for the public; sold to who knows its id.
    #[serde(default)]
    hidden: bool,
    /// Sold with a promo code that opens it and not otherwise; only hidden ones are. The first such code sets it, too.
    #[serde(default)]
    code_required: bool,
}

impl NewTicketTypeBody {
    /// The only ticket type of an event that is made in short.
    pub(crate) fn general_admission(price: i64, capacity: Option<i64>) -> NewTicketType {
        NewTicketType { name: "General admission".to_owned(), price, capacity, ..NewTicketType::default() }
    }
}

impl From<NewTicketTypeBody> for NewTicketType {
    fn from(body: NewTicketTypeBody) -> Self {
        Self {
            name: body.name,
            price: body.price,
            price_tiers: body.price_tiers.into_iter().map(Into::into).collect(),
            open_price: body.open_price.map(Into::into),
            tax_rate: body.tax_rate,
            capacity: body.capacity,
            pool_ids: body.pool_ids.into_iter().map(PoolId::new).collect(),
            min_per_booking: body.min_per_booking,
            max_per_booking: body.max_per_booking,
            max_per_buyer: body.max_per_buyer,
            sales_start_at: body.sales_start_at,
            sales_end_at: body.sales_end_at,
            hidden: body.hidden,
            code_required: body.code_required,
        }
    }
}

/// Adds a ticket type to an event
#[utoipa::path(
    post, path = "/events/{eventId}/ticket-types", operation_id = "addTicketType", tag = "Catalog",
    params(("eventId" = Uuid, Path, description = "The event."), IdempotencyKeyHeader, IfMatchHeader),
    request_body = NewTicketTypeBody,
    responses((status = 201, description = "The ticket type.", body = TicketTypeBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "invalid_state", "precondition_failed", "validation_failed"
    ]))),
)]
async fn add_ticket_type(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    IfMatch(version): IfMatch,
    wish: Keyed<NewTicketTypeBody>,
) -> Result<Created<TicketTypeBody>, Problem> {
    let (Acting { agent, origin }, Ids([event])) = (acting, ids);
    let key = wish.key(&agent);
    let (id, own_pool) = (TicketTypeId::new(state.ids().uuid()), PoolId::new(state.ids().uuid()));
    let change = SaleChange::AddTicketType { id, own_pool, new: wish.value.into() };
    let event = EventId::new(event);
    let changed = state.catalog().change_event(&agent, event, change, version, key, origin).await?;
    let sale = &changed.value.sale;
    // What was kept under the key bears the id that it got then: it was the last one at that time.
    let added = sale.ticket_type(id).or(sale.ticket_types.last()).ok_or(AppError::Internal)?;
    let location = format!("/api/v1/events/{event}/ticket-types/{}", added.id);
    let now = state.catalog().now();
    let etag = rendered::etag(&changed.value, Moment::of(sale, now));
    Ok(Created::at(location, TicketTypeBody::of(sale, added, now), changed.replayed).with_etag(etag))
}

/// Shows a ticket type
///
/// Stale by a second at the most. Hidden ones, and those of drafts and archived events, are for their organizer.
#[utoipa::path(
    get, path = "/events/{eventId}/ticket-types/{ticketTypeId}", operation_id = "getTicketType", tag = "Catalog",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("ticketTypeId" = Uuid, Path, description = "The ticket type."),
        IfNoneMatchHeader,
    ),
    responses(
        (
            status = 200, description = "The ticket type.", body = TicketTypeBody,
            headers(
                ("ETag" = String, description = "Weak; covers the whole event and its stock."),
                ("Cache-Control" = String, description = "`public, max-age=1` for what everybody sees."),
            ),
        ),
        (
            status = 304, description = "It is as the caller knows it.",
            headers(("ETag" = String, description = "Weak; covers the whole event and its stock.")),
        ),
    ),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_ticket_type(
    State(state): State<AppState>,
    visitor: Visitor,
    ids: Ids<2>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let Ids([event, id]) = ids;
    let (event, id) = (EventId::new(event), TicketTypeId::new(id));
    let SeenEvent { seen, inside } = state.catalog().ticket_type(&visitor.agent, event, id).await?;
    let found = seen.sale.ticket_type(id).ok_or(AppError::Internal)?;
    let now = state.catalog().now();
    let moment = Moment::of(&seen.sale, now);
    let body = || TicketTypeBody::of(&seen.sale, found, now);
    Ok(if inside {
        rendered::answer_privately(&request, &seen, moment, body)
    } else {
        rendered::answer_publicly(&request, &seen, moment, body)
    })
}

/// A change of a ticket type: what is left out stays, null empties.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EditTicketType)]
pub(crate) struct EditTicketTypeBody {
    /// As buyers read it.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Standing")]
    name: Option<String>,
    /// Price of one in minor units; bookings keep theirs.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, minimum = 0, maximum = 100_000_000_000_i64, example = 3000)]
    price: Option<i64>,
    /// All prices that hold before the regular one, in order; bookings keep theirs.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, max_items = 10)]
    price_tiers: Option<Vec<NewPriceTierBody>>,
    /// Buyers name the price themselves, between these; null: it is fixed.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<NewOpenPriceBody>)]
    open_price: Option<Option<NewOpenPriceBody>>,
    /// The tax on it in millionths; null: that of the event. Bookings keep theirs.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000, example = 80_000)]
    tax_rate: Option<Option<i64>>,
    /// How many there are, not below what is held and sold; null is unlimited.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100_000_000, example = 500)]
    capacity: Option<Option<i64>>,
    /// Shared pools; only while nothing of the type is held or sold.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, max_items = 10)]
    pool_ids: Option<Vec<Uuid>>,
    /// The fewest of one booking.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(example = 1, nullable = false, minimum = 1, maximum = 1_000)]
    min_per_booking: Option<i64>,
    /// The most of one booking.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, minimum = 1, maximum = 1_000, example = 10)]
    max_per_booking: Option<i64>,
    /// The most of one buyer over all his bookings; null is no limit.
    #[serde(default, deserialize_with = "patch::clearable")]
    #[schema(example = 8, value_type = Option<i64>, minimum = 1, maximum = 1_000)]
    max_per_buyer: Option<Option<i64>>,
    /// Sales begin; null: with the publication.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sales_start_at: Option<Option<DateTime<Utc>>>,
    /// Sales end; null: with the event.
    #[serde(default, deserialize_with = "time::clearable")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sales_end_at: Option<Option<DateTime<Utc>>>,
    /// Not listed for the public; sold to who knows its id.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    hidden: Option<bool>,
    /// Sold with a promo code that opens it and not otherwise; what is shown again needs none any more.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    code_required: Option<bool>,
    /// `archived` takes it off sale, `active` takes that back.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false)]
    status: Option<TicketTypeStatusBody>,
}

impl From<EditTicketTypeBody> for TicketTypeEdit {
    fn from(body: EditTicketTypeBody) -> Self {
        Self {
            name: body.name,
            price: body.price,
            price_tiers: body.price_tiers.map(|tiers| tiers.into_iter().map(Into::into).collect()),
            open_price: body.open_price.map(|open| open.map(Into::into)),
            tax_rate: body.tax_rate,
            capacity: body.capacity,
            pool_ids: body.pool_ids.map(|pools| pools.into_iter().map(PoolId::new).collect()),
            min_per_booking: body.min_per_booking,
            max_per_booking: body.max_per_booking,
            max_per_buyer: body.max_per_buyer,
            sales_start_at: body.sales_start_at,
            sales_end_at: body.sales_end_at,
            hidden: body.hidden,
            code_required: body.code_required,
            archived: body.status.map(|status| matches!(status, TicketTypeStatusBody::Archived)),
        }
    }
}

/// Changes a ticket type
///
/// Capacity can be raised at any time, and lowered to what is held and sold at the least.
#[utoipa::path(
    patch, path = "/events/{eventId}/ticket-types/{ticketTypeId}", operation_id = "editTicketType", tag = "Catalog",
    params(
        ("eventId" = Uuid, Path, description = "The event."),
        ("ticketTypeId" = Uuid, Path, description = "The ticket type."),
        IfMatchHeader,
    ),
    request_body = EditTicketTypeBody,
    responses((
        status = 200, description = "The ticket type as it is now.", body = TicketTypeBody,
        headers(("ETag" = String, description = "Covers the whole event and its stock.")),
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "invalid_state", "precondition_failed", "validation_failed"
    ]))),
)]
async fn edit_ticket_type(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<2>,
    IfMatch(version): IfMatch,
    Json(wish): Json<EditTicketTypeBody>,
) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([event, id])) = (acting, ids);
    let id = TicketTypeId::new(id);
    let change = SaleChange::EditTicketType { id, edit: wish.into() };
    let changed = state.catalog().change_event(&agent, EventId::new(event), change, version, None, origin).await?.value;
    let edited = changed.sale.ticket_type(id).ok_or(AppError::Internal)?;
    let now = state.catalog().now();
    let body = TicketTypeBody::of(&changed.sale, edited, now);
    Ok(events::changed(&HeaderMap::new(), &changed, now, &body))
}
