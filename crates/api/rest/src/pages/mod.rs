//! The pages that the links of mails lead to: one document, one script and one style sheet for all of them, that know
//! nothing but the API. They are outside of the OpenAPI document, since they are for people.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::state::AppState;

/// Where they are, for metrics too.
pub(crate) const PATHS: [&str; 8] = [
    "/account/verify-email",
    "/account/reset-password",
    "/account/confirm-email",
    "/account/invitation",
    "/account/offer",
    "/account/sign-in",
    "/account/account.js",
    "/account/account.css",
];

/// Their routes, at the root.
pub(crate) fn routes() -> Router<AppState> {
    PATHS.into_iter().fold(Router::new(), |router, path| router.route(path, get(move || async move { serve(path) })))
}

fn serve(path: &str) -> impl IntoResponse + use<> {
    let (content_type, text) = match path {
        "/account/account.js" => ("text/javascript; charset=utf-8", include_str!("account.js")),
        "/account/account.css" => ("text/css; charset=utf-8", include_str!("account.css")),
        _ => ("text/html; charset=utf-8", include_str!("account.html")),
    };
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=300")], text)
}
