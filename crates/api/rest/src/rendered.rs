//! Public reads as bytes: an event that many look at is written as JSON once, and not once a reader.
//!
//! The catalog keeps what it has read for a second and hands out the same `Arc`; as long as it does, and the clock has
//! not moved the event on, the bytes made of it are right.

use std::sync::Arc;
use std::time::Duration;

use application::catalog::SeenSale;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::booking::Sale;
use domain::catalog::EventStatus;
use domain::{EventId, Timestamp};
use moka::sync::Cache;
use serde::Serialize;

use crate::extract::conditional;

/// How long others may keep what everybody may see.
const PUBLIC: &str = "public, max-age=1";
/// How many bytes are kept of each kind of page.
const BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// Somewhat longer than the catalog keeps what they were made of.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// One kind of page of events.
pub(crate) struct Pages(Cache<EventId, Arc<Page>>);

/// What the clock alone changes of what is shown: no version counts it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    status: EventStatus,
    /// Tiers of prices whose time is over.
    ended_tiers: usize,
}

impl Moment {
    pub(crate) fn of(sale: &Sale, now: Timestamp) -> Self {
        Self { status: sale.event.status_at(now), ended_tiers: sale.ended_tiers(now) }
    }

    /// As a part of a tag; nothing, where no time of a price is over.
    fn prices(self) -> String {
        if self.ended_tiers == 0 { String::new() } else { format!("-p{}", self.ended_tiers) }
    }
}

/// A page as bytes, and what it was made of.
struct Page {
    seen: Arc<SeenSale>,
    moment: Moment,
    etag: HeaderValue,
    body: Bytes,
}

impl Default for Pages {
    fn default() -> Self {
        let weight = |_: &EventId, page: &Arc<Page>| u32::try_from(page.body.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weight).max_capacity(BYTES_MAX).time_to_live(KEPT_FOR).build())
    }
}

impl Pages {
    /// Answers what everybody may see of an event at this moment.
    pub(crate) fn answer<T: Serialize>(
        &self,
        request: &HeaderMap,
        seen: &Arc<SeenSale>,
        moment: Moment,
        body: impl FnOnce() -> T,
    ) -> Response {
        let id = seen.sale.event.id;
        let kept = self.0.get(&id).filter(|page| Arc::ptr_eq(&page.seen, seen) && page.moment == moment);
        let page = kept.unwrap_or_else(|| {
            let page =
                Arc::new(Page { seen: Arc::clone(seen), moment, etag: etag(seen, moment), body: write(&body()) });
            self.0.insert(id, Arc::clone(&page));
            page
        });
        answer(request, &page.etag, HeaderValue::from_static(PUBLIC), || page.body.clone())
    }
}

/// Answers a part of what everybody may see of an event, of which nothing is kept.
pub(crate) fn answer_publicly<T: Serialize>(
    request: &HeaderMap,
    seen: &SeenSale,
    moment: Moment,
    body: impl FnOnce() -> T,
) -> Response {
    answer(request, &etag(seen, moment), HeaderValue::from_static(PUBLIC), || write(&body()))
}

/// Answers what only some may see, of which nothing is kept.
pub(crate) fn answer_privately<T: Serialize>(
    request: &HeaderMap,
    seen: &SeenSale,
    moment: Moment,
    body: impl FnOnce() -> T,
) -> Response {
    let (event, lane) = (seen.sale.event.version, seen.version);
    let (status, prices) = (moment.status, moment.prices());
    let etag = tag(format!("W/\"{event}-{lane}-{status}-inside{prices}\""));
    answer(request, &etag, HeaderValue::from_static("private, no-cache"), || write(&body()))
}

/// Answers 200, or 304 to whoever has it already.
pub(crate) fn answer(
    request: &HeaderMap,
    etag: &HeaderValue,
    caching: HeaderValue,
    body: impl FnOnce() -> Bytes,
) -> Response {
    let is_known = conditional::is_known(request, etag);
    let mut response = if is_known { Response::new(Body::empty()) } else { Response::new(Body::from(body())) };
    let headers = response.headers_mut();
    headers.insert(ETAG, etag.clone());
    headers.insert(CACHE_CONTROL, caching);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// The weak tag of an event: its version and that of its lane, which also counts stock. That it has ended, or a price has,
/// no version counts.
pub(crate) fn etag(seen: &SeenSale, moment: Moment) -> HeaderValue {
    let (event, lane, prices) = (seen.sale.event.version, seen.version, moment.prices());
    let ended = if moment.status == EventStatus::Ended { "-ended" } else { "" };
    tag(format!("W/\"{event}-{lane}{ended}{prices}\""))
}

pub(crate) fn tag(tag: String) -> HeaderValue {
    // Digits, letters, hyphens and quotation marks always fit.
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("W/\"-\""))
}

pub(crate) fn write<T: Serialize>(body: &T) -> Bytes {
    // A body of ours always has a JSON form: no map with strange keys, no failing `Serialize`.
    serde_json::to_vec(body).unwrap_or_default().into()
}
