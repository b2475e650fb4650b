//! `http_requests_total{method,route,status}` and `http_request_duration_seconds{method,route}`.
//!
//! A handle is looked up by its labels once and kept: the look-up would cost more than the rest of the middleware. The
//! labels are bounded: routes are templates, and what is no route of ours is counted together.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// Every status that we answer with; the last one stands for all others.
const STATUSES: [u16; 25] = [
    200, 201, 202, 204, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 415, 422, 429, 431, 500,
    503, 0,
];

/// The meters of all routes.
pub(crate) struct Meters {
    routes: HashMap<Box<str>, Route>,
    unknown: Route,
}

impl Meters {
    /// For these route templates.
    pub(crate) fn new(routes: impl IntoIterator<Item = String>) -> Self {
        let routes = routes.into_iter().map(|route| (route.clone().into_boxed_str(), Route::new(route))).collect();
        Self { routes, unknown: Route::new("unknown".to_owned()) }
    }

    /// Counts and measures one request.
    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, latency: Duration) {
        let route = self.routes.get(route).unwrap_or(&self.unknown);
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        route.methods[method].get_or_init(|| Meter::new(METHODS[method], &route.template)).record(
            METHODS[method],
            &route.template,
            status,
            latency,
        );
    }
}

struct Route {
    template: String,
    methods: [OnceLock<Meter>; METHODS.len()],
}

impl Route {
    fn new(template: String) -> Self {
        Self { template, methods: std::array::from_fn(|_| OnceLock::new()) }
    }
}

struct Meter {
    latency: Histogram,
    statuses: [OnceLock<Counter>; STATUSES.len()],
}

impl Meter {
    fn new(method: &'static str, route: &str) -> Self {
        let latency = metrics::histogram!(
            "http_request_duration_seconds", "method" => method, "route" => route.to_owned()
        );
        Self { latency, statuses: std::array::from_fn(|_| OnceLock::new()) }
    }

    fn record(&self, method: &'static str, route: &str, status: StatusCode, latency: Duration) {
        let at = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let counter = self.statuses[at].get_or_init(|| {
            let status = if STATUSES[at] == 0 { "other".to_owned() } else { STATUSES[at].to_string() };
            metrics::counter!(
                "http_requests_total", "method" => method, "route" => route.to_owned(), "status" => status
            )
        });
        counter.increment(1);
        self.latency.record(latency);
    }
}
