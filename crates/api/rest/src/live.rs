//! Streams of server-sent events: whoever watches something hears what is new of it, and that the line still holds.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use application::live::{Frame, Watcher};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use tokio::time::{Interval, MissedTickBehavior};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a stream tells of.
pub(crate) struct Told<T> {
    /// The name of its events.
    pub(crate) name: &'static str,
    /// Writes one as JSON.
    pub(crate) write: fn(&T) -> Bytes,
}

/// A watcher who sees what not everybody may see: he sees it for as long as he may.
pub(crate) struct Pass {
    holds: Box<dyn Fn() -> BoxFuture<'static, bool> + Send>,
    look_again: Interval,
}

impl Pass {
    /// He is asked so often whether it `holds`. What cannot be found out at the moment holds.
    pub(crate) fn new(every: Duration, holds: Box<dyn Fn() -> BoxFuture<'static, bool> + Send>) -> Self {
        let mut look_again = tokio::time::interval(every);
        look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { holds, look_again }
    }
}

/// The stream of a watcher. Who comes back with `Last-Event-ID` hears nothing until there is news.
pub(crate) fn answer<T: Send + Sync + 'static>(
    request: &HeaderMap,
    watcher: Watcher<T>,
    told: Told<T>,
    pass: Option<Pass>,
) -> Response {
    let known = request.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let watching = Watching { watcher, told, pass, known, greeted: false };
    let mut response = Response::new(Body::from_stream(frames(watching)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers before they pass them on leave this one alone.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The beginning of every stream: it makes proxies and browsers see that the line stands.
const HELLO: Bytes = Bytes::from_static(b"retry: 3000\n\n");
const HEARTBEAT: Bytes = Bytes::from_static(b": still here\n\n");

/// What one watcher keeps: his subscription and the version that he knows.
struct Watching<T> {
    watcher: Watcher<T>,
    told: Told<T>,
    pass: Option<Pass>,
    known: Option<u64>,
    greeted: bool,
}

fn frames<T: Send + Sync + 'static>(watching: Watching<T>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(watching, |mut watching| async move {
        let bytes = watching.next().await?;
        Some((Ok(bytes), watching))
    })
}

impl<T> Watching<T> {
    /// The next bytes; none when the instance stops, or he may not see them any more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(HELLO);
        }
        if let Some(frame) = self.news() {
            return Some(frame);
        }
        loop {
            let Some(pass) = &mut self.pass else {
                self.watcher.signals.changed().await.ok()?;
                break;
            };
            tokio::select! {
                changed = self.watcher.signals.changed() => {
                    changed.ok()?;
                    break;
                }
                _ = pass.look_again.tick() => if !(pass.holds)().await {
                    return None;
                },
            }
        }
        Some(self.news().unwrap_or(HEARTBEAT))
    }

    /// The newest frame, if he does not know it.
    fn news(&mut self) -> Option<Bytes> {
        let frame = Arc::clone(&self.watcher.signals.borrow_and_update().frame);
        if self.known == Some(frame.version) {
            return None;
        }
        self.known = Some(frame.version);
        Some(self.told.encoded(&frame))
    }
}

impl<T> Told<T> {
    /// The bytes of a frame, made by the first who needs them.
    fn encoded(&self, frame: &Frame<T>) -> Bytes {
        let bytes = frame.encoded.get_or_init(|| self.encode(frame).into());
        Bytes::from_owner(Arc::clone(bytes))
    }

    fn encode(&self, frame: &Frame<T>) -> Vec<u8> {
        let data = (self.write)(&frame.value);
        let mut text = String::with_capacity(data.len() + 64);
        // Writing to a string cannot fail; the JSON has no line breaks, so that one `data` holds it.
        let _ = write!(text, "id: {}\nevent: {}\ndata: ", frame.version, self.name);
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(b"\n\n");
        bytes
    }
}
