//! `201 Created`.

use axum::Json;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::extract::idempotency::IDEMPOTENCY_REPLAYED;

/// Something new, where it is from now on, and whether it was new to an earlier request with the same key.
pub(crate) struct Created<T> {
    location: String,
    etag: Option<HeaderValue>,
    body: T,
    replayed: bool,
}

impl<T> Created<T> {
    pub(crate) const fn at(location: String, body: T, replayed: bool) -> Self {
        Self { location, etag: None, body, replayed }
    }

    pub(crate) fn with_etag(mut self, etag: HeaderValue) -> Self {
        self.etag = Some(etag);
        self
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        let headers = response.headers_mut();
        // Addresses of ours are made of ids, which always fit.
        if let Ok(location) = HeaderValue::try_from(self.location) {
            headers.insert(LOCATION, location);
        }
        if let Some(etag) = self.etag {
            headers.insert(ETAG, etag);
        }
        if self.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
