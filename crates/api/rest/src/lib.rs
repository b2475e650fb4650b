//! The REST face of GoTicket: it translates between HTTP and the use cases, and decides nothing.
//!
//! One file per resource; a handler reads as extract → call the use case → answer. What all of them share: `extract`
//! reads requests strictly, [`problem`] maps errors to statuses, `middleware` surrounds every request, `openapi` makes
//! the document of the routes themselves.
//!
//! To add an endpoint: a handler with `#[utoipa::path]` in the file of its resource, its codes in `x-problems`, its line
//! in `routes()` there. The tests of `testkit` find it in the document and ask for its cases.

#![expect(unused_qualifications, reason = "the code that utoipa makes for parameters qualifies them")]

mod account;
mod api_keys;
mod audit;
mod auth;
mod availability;
mod bookings;
mod calendar;
mod cancellation;
mod check_in_lists;
mod context;
mod created;
mod document;
mod door;
mod door_live;
mod door_offline;
mod erasures;
mod events;
mod export;
mod extract;
mod forwarded;
mod invitations;
mod invoices;
mod live;
mod members;
mod middleware;
mod oauth;
mod openapi;
mod operation;
mod organizers;
mod page;
mod pages;
mod pass_issuers;
mod patch;
mod payments;
mod pools;
mod prices;
pub mod problem;
mod promo_codes;
mod qr_image;
mod rate_limit;
mod reads;
mod rendered;
mod second_factor;
mod state;
mod ticket_keys;
mod ticket_types;
mod tickets;
mod time;
mod users;
mod waiting_list;
mod web;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing;
use tower::ServiceBuilder;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub use extract::body::BodyLimits;
pub use extract::client::Peer;
pub use forwarded::{Network, NoNetwork};
pub use operation::{Check, Component, Count, Figure, Health, MetricsText};
pub use state::{AppState, RestSettings, Services};

use middleware::{Meters, SecurityHeaders, Settings, Surround};
use problem::Problem;

/// Everything that the public address serves.
pub fn router(state: AppState) -> Router {
    let guarded = Some(state.clone());
    let (routes, document) = documented().split_for_parts();
    let document = openapi::complete(document);
    finish(routes.merge(documentation(&document)).merge(pages::routes()), &document, state, guarded)
}

/// What the operations address serves: `/metrics`, `/liveness`, `/readiness`, `/health`.
pub fn ops_router(state: AppState, metrics: MetricsText) -> Router {
    let (routes, document) = operation::routes().split_for_parts();
    finish(routes.merge(operation::metrics_route(metrics)), &document, state, None)
}

/// The OpenAPI document of the public address.
#[must_use]
pub fn openapi() -> OpenApi {
    openapi::complete(documented().into_openapi())
}

/// All routes that the document names, and no others.
fn documented() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::default()
        .merge(auth::routes())
        .merge(account::routes())
        .merge(web::routes())
        .merge(oauth::routes())
        .merge(second_factor::routes())
        .merge(users::routes())
        .merge(organizers::routes())
        .merge(pass_issuers::routes())
        .merge(members::routes())
        .merge(invitations::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(export::routes())
        .merge(erasures::routes())
        .merge(events::routes())
        .merge(calendar::routes())
        .merge(cancellation::routes())
        .merge(ticket_types::routes())
        .merge(pools::routes())
        .merge(availability::routes())
        .merge(bookings::routes())
        .merge(waiting_list::routes())
        .merge(prices::routes())
        .merge(payments::routes())
        .merge(invoices::routes())
        .merge(promo_codes::routes())
        .merge(tickets::routes())
        .merge(ticket_keys::routes())
        .merge(check_in_lists::routes())
        .merge(door::routes())
        .merge(door_live::routes())
        .merge(door_offline::routes());
    OpenApiRouter::with_openapi(openapi::blank())
        .nest("/api/v1", api)
        .merge(auth::root_routes())
        .merge(operation::routes())
}

/// `/openapi.json` and, to read it, `/docs`, with nothing loaded from elsewhere.
fn documentation(document: &OpenApi) -> Router<AppState> {
    let json = axum::body::Bytes::from(document.to_json().unwrap_or_default());
    let etag = etag_of(&json);
    let serve = move |headers: HeaderMap| async move {
        let caching = [(ETAG, etag.clone()), (CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"))];
        if extract::conditional::is_known(&headers, &etag) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        (caching, [(CONTENT_TYPE, "application/json")], json).into_response()
    };
    let config = Config::from("/openapi.json").validator_url("none").display_operation_id(true);
    let pages: Router<AppState> = SwaggerUi::new("/docs").config(config).into();
    Router::new().route("/openapi.json", routing::get(serve)).merge(pages)
}

fn etag_of(bytes: &[u8]) -> HeaderValue {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("W/\"{short}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

/// Surrounds the routes with what every request meets; with the limits of `guarded`, which operators do not have.
fn finish(routes: Router<AppState>, document: &OpenApi, state: AppState, guarded: Option<AppState>) -> Router {
    let settings = state.settings().clone();
    let others = ["/openapi.json", "/docs", "/docs/", "/docs/{*rest}", "/metrics"];
    let others = others.into_iter().chain(pages::PATHS).chain(openapi::WITH_ENDING.map(|(routed, _)| routed));
    let surround = Surround::new(Settings {
        ids: state.ids(),
        meters: Meters::new(document.paths.paths.keys().cloned().chain(others.map(str::to_owned))),
        headers: SecurityHeaders::new(settings.https_only_for),
        time_limit: settings.time_limit,
        header_bytes_max: settings.header_bytes_max,
        trusted_proxies: settings.trusted_proxies.clone(),
        witness: Some(state.keep_witness()),
        guarded,
    });
    let routes = routes
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() });
    // As one layer, since a router boxes every route for each.
    let around = ServiceBuilder::new().layer(surround).option_layer(cors(&settings.cors_origins)).layer(compression());
    routes.layer(around).with_state(state)
}

/// Only what is large enough to gain, and never a stream of events, which must not wait for a full block.
fn compression() -> CompressionLayer<impl Predicate> {
    let predicate = SizeAbove::new(1_024)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("font/"));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(predicate)
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    use axum::http::HeaderName;
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let sent = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "last-event-id"];
    let own = ["x-correlation-id", "traceparent"];
    let read = [
        "etag",
        "location",
        "retry-after",
        "x-correlation-id",
        "idempotency-replayed",
        "ratelimit",
        "ratelimit-policy",
    ];
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(sent.into_iter().chain(own).map(HeaderName::from_static).collect::<Vec<_>>())
        .expose_headers(read.map(HeaderName::from_static))
        .max_age(std::time::Duration::from_secs(3_600));
    Some(layer)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
