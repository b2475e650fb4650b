//! Answers that are about a person, or let him in: JSON, pictures and files that no cache keeps.

use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

/// No cache keeps it: not on the way, and not where it is read.
pub(crate) const NOT_KEPT: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "private, no-store")];

/// What a file is, and how it is shown.
#[derive(Clone, Copy)]
pub(crate) struct File {
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Whether it is shown or kept, and under which name (RFC 6266).
    pub(crate) disposition: &'static str,
}

impl File {
    /// Answers these bytes, which were made in the language that was asked for.
    pub(crate) fn answer(self, bytes: Vec<u8>) -> Response {
        let about =
            [(CONTENT_TYPE, self.media_type), (CONTENT_DISPOSITION, self.disposition), (VARY, "accept-language")];
        (NOT_KEPT, about, bytes).into_response()
    }
}
