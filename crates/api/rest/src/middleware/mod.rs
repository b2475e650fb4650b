//! What surrounds every request, in one layer, since each layer costs: the ids of the request, its time limit, panics,
//! problems, security headers, metrics and the summary line.
//!
//! Time limits: a body that comes too slowly is the client's fault, 408 (`extract::body`); everything else that takes
//! too long is ours, 503, and the same request may be sent again.

mod headers;
mod meters;

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use application::audit::{Note, Witness};
use application::clock::Ids;
use application::error::AppError;
use application::origin::Actor;
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tower::{Layer, Service};
use tracing::Level;

pub(crate) use headers::SecurityHeaders;
pub(crate) use meters::Meters;

use crate::Peer;
use crate::context::{CORRELATION_ID, Context};
use crate::extract::caller::{recognised, recognised_to_refresh};
use crate::forwarded::{Network, caller_address};
use crate::problem::Problem;
use crate::rate_limit;
use crate::state::AppState;

/// The layer; cheap to clone.
#[derive(Clone)]
pub(crate) struct Surround(Arc<Settings>);

/// What the layer goes by.
pub(crate) struct Settings {
    /// Makes correlation ids.
    pub(crate) ids: Arc<dyn Ids>,
    /// Counts and measures.
    pub(crate) meters: Meters,
    /// Headers of every answer.
    pub(crate) headers: SecurityHeaders,
    /// After this time a request is given up.
    pub(crate) time_limit: Duration,
    /// The most bytes of address and headers.
    pub(crate) header_bytes_max: usize,
    /// Proxies whose word on where a request comes from is taken.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Notes who was refused.
    pub(crate) witness: Option<Arc<Witness>>,
    /// Whose limits hold; none on the operations address.
    pub(crate) guarded: Option<AppState>,
}

impl Surround {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }
}

impl<S> Layer<S> for Surround {
    type Service = Surrounded<S>;

    fn layer(&self, inner: S) -> Surrounded<S> {
        Surrounded { inner, settings: Arc::clone(&self.0) }
    }
}

/// A route with all that surrounds it.
#[derive(Clone)]
pub(crate) struct Surrounded<S> {
    inner: S,
    settings: Arc<Settings>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request) -> Answering {
        let started = Instant::now();
        let settings = Arc::clone(&self.settings);
        let peer = request.extensions().get::<Peer>();
        let address = peer.map(|Peer(peer)| caller_address(*peer, request.headers(), &settings.trusted_proxies));
        let context = Context::of(request.headers(), address, settings.ids.as_ref());
        let method = request.method().clone();
        let uri = request.uri().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        // What is ready is called; its copy is asked again before it is.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        Box::pin(async move {
            let route = route.as_ref().map_or("", MatchedPath::as_str);
            let bytes = bytes_of(request.uri(), request.headers());
            let admitted = settings.admit(&context, request.headers(), bytes, route).await;
            let mut response = match admitted {
                Ok(()) => {
                    request.extensions_mut().insert(context.clone());
                    serve(inner.call(request), settings.time_limit).await
                }
                Err(problem) => problem.into_response(),
            };
            settings.count_miss(response.status(), &context, route).await;
            settings.dress(&mut response, &context, route);
            settings.note(response.status(), &context, &method, route, uri.path());
            settings.tell(&response, &context, &method, route, started.elapsed());
            Ok(response)
        })
    }
}

async fn serve<F, R>(served: F, time_limit: Duration) -> Response
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    match AssertUnwindSafe(tokio::time::timeout(time_limit, served)).catch_unwind().await {
        Ok(Ok(Ok(response))) => response.into_response(),
        Ok(Err(_)) => {
            tracing::warn!("A request took longer than {time_limit:?} and was given up");
            Problem::from(AppError::busy()).into_response()
        }
        Err(panic) => {
            tracing::error!("A request panicked: {}", message(panic.as_ref()));
            Problem::from(AppError::Internal).into_response()
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it did not say why")
}

impl Settings {
    /// Lets a request in whose head is not too large, and whose sender neither asks too often nor has knocked at too many
    /// doors that are not there. Nothing is looked up for it.
    async fn admit(&self, context: &Context, headers: &HeaderMap, bytes: usize, route: &str) -> Result<(), Problem> {
        if bytes > self.header_bytes_max {
            return Err(Problem::headers_too_large(self.header_bytes_max));
        }
        let Some(state) = self.guards_of(route) else { return Ok(()) };
        // Payment providers send thousands of messages from one address; each is signed, and what is not is a miss.
        if !is_webhook(route) {
            state.identity().guards().admit(context.address()).await.map_err(AppError::from)?;
        }
        let admitted = match route {
            // The body says who refreshes: the route asks when it has read that.
            "/api/v1/auth/refresh" => Ok(()),
            "/api/v1/auth/web/refresh" => let_in(context, state, || recognised_to_refresh(None, headers, state)).await,
            _ => let_in(context, state, || recognised(headers, state)).await,
        };
        Ok(admitted?)
    }

    /// Counts what scanners meet; also where the route asks nobody who he is, for who was let in as somebody.
    async fn count_miss(&self, status: StatusCode, context: &Context, route: &str) {
        use StatusCode as S;
        let is_miss = matches!(status, S::UNAUTHORIZED | S::FORBIDDEN | S::NOT_FOUND | S::METHOD_NOT_ALLOWED);
        if let Some(state) = self.guards_of(route).filter(|_| is_miss) {
            let actor = match (context.actor(), context.let_in()) {
                (Actor::Anonymous, Some(known)) => known,
                (actor, _) => actor,
            };
            state.identity().guards().missed(context.address(), actor).await;
        }
    }

    /// Where there are limits. Probes have none: a balancer that is limited would take the instance out.
    fn guards_of(&self, route: &str) -> Option<&AppState> {
        self.guarded.as_ref().filter(|state| state.identity().guards().are_on() && !is_probe(route))
    }

    /// Writes the problem out, if it is one, and sets the headers that every answer has.
    fn dress(&self, response: &mut Response, context: &Context, route: &str) {
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            match response.extensions_mut().remove::<Problem>() {
                Some(problem) => problem.write(response, context.correlation_id()),
                None if is_plain(response) => {
                    Problem::of_status(status).write(response, context.correlation_id());
                }
                None => {}
            }
        }
        if let Ok(id) = HeaderValue::from_str(context.correlation_id()) {
            response.headers_mut().insert(CORRELATION_ID, id);
        }
        if let Some(room) = context.room().filter(|_| status != StatusCode::TOO_MANY_REQUESTS) {
            rate_limit::tell(response.headers_mut(), room);
        }
        self.headers.set(response.headers_mut(), route);
    }

    /// Notes refused access for the audit log. A thing that the caller may not know of is told like one that is not there;
    /// who is signed in and asks for such a thing is noted in either case: with the route, and the first id of its path.
    fn note(&self, status: StatusCode, context: &Context, method: &Method, route: &str, path: &str) {
        let Some(witness) = &self.witness else { return };
        let action = match status {
            StatusCode::FORBIDDEN => "access.refused",
            StatusCode::NOT_FOUND if context.actor() != Actor::Anonymous => "access.hidden",
            _ => return,
        };
        // What is no route has nothing to be told but what somebody made up.
        let object = path.split('/').find_map(|part| part.parse().ok()).filter(|_| !route.is_empty());
        let note = Note { organizer: None, action, object_kind: "request", object: object.unwrap_or_default() };
        witness.note_request(&context.origin(), note, &format!("{method} {route}"));
    }

    /// Counts, measures, and writes the summary line.
    fn tell(&self, response: &Response, context: &Context, method: &Method, route: &str, latency: Duration) {
        let status = response.status();
        self.meters.record(method, route, status, latency);
        let route = if route.is_empty() { "-" } else { route };
        let latency_ms = latency.as_secs_f64() * 1_000.0;
        if is_probe(route) && status != StatusCode::INTERNAL_SERVER_ERROR {
            tracing::debug!(target: "http", %method, route, status = status.as_u16(), latency_ms, "Answered a probe");
        } else if tracing::enabled!(target: "http", Level::INFO) {
            let (user, key) = match context.actor() {
                Actor::User(user) => (Some(user), None),
                Actor::Key(key) => (None, Some(key)),
                Actor::Anonymous | Actor::System => (None, None),
            };
            tracing::info!(
                target: "http",
                %method,
                route,
                status = status.as_u16(),
                latency_ms,
                correlation_id = context.correlation_id(),
                user_id = user.map(tracing::field::display),
                api_key_id = key.map(tracing::field::display),
                "{method} {route} {} in {latency_ms:.1} ms",
                status.as_u16(),
            );
        }
    }
}

/// Probes come every few seconds for ever: nobody wants to read of each.
fn is_probe(route: &str) -> bool {
    matches!(route, "/liveness" | "/readiness" | "/health" | "/metrics")
}

fn is_webhook(route: &str) -> bool {
    route == "/api/v1/webhooks/{provider}"
}

/// Lets in who comes from an address where nobody has knocked at too many doors that are not there, and from another one
/// who is `known` for a token of ours and has not knocked so himself: he is not held responsible for others.
///
/// # Errors
/// [`AppError::RateLimited`].
pub(crate) async fn let_in(
    context: &Context,
    state: &AppState,
    known: impl FnOnce() -> Option<Actor>,
) -> Result<(), AppError> {
    let guards = state.identity().guards();
    let Err(limit) = guards.has_missed(context.address()).await else { return Ok(()) };
    let known = known().ok_or(limit)?;
    guards.actor_has_missed(known).await?;
    context.let_in_as(known);
    Ok(())
}

/// Whether the body says nothing that a program could read.
fn is_plain(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_none_or(|it| it.starts_with(b"text/plain"))
}

fn bytes_of(uri: &Uri, headers: &HeaderMap) -> usize {
    let address = uri.path().len() + uri.query().map_or(0, str::len);
    headers.iter().fold(address, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

#[cfg(test)]
mod tests;
