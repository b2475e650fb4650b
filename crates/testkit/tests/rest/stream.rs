//! A stream of server-sent events, as who watches reads it.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use futures::StreamExt;

/// A stream of server-sent events.
pub(crate) struct Stream(BodyDataStream);

impl Stream {
    /// That of an answer.
    pub(crate) fn of(response: Response<Body>) -> Self {
        Self(response.into_body().into_data_stream())
    }

    /// The next frame; none at the end.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("in time");
        next.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }
}
