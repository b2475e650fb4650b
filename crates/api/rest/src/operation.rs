//! What operators and their machines ask: does it live, is it ready, how is each part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use application::error::AppError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Json as Answer, Router, routing};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::state::AppState;

/// The routes at the root.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(liveness)).routes(routes!(readiness)).routes(routes!(health))
}

/// `GET /metrics`, of which only the operations address has one.
pub(crate) fn metrics_route(render: MetricsText) -> Router<AppState> {
    let text = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()) };
    Router::new().route("/metrics", routing::get(text))
}

/// Renders all metrics as Prometheus reads them.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How a component is asked whether it works; a second of silence counts as no.
pub type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), AppError>> + Send + Sync>;

/// A part that can fail: the database, a broker.
pub struct Component {
    /// Its name in reports.
    pub name: &'static str,
    /// Whether the instance is not ready without it.
    pub needed: bool,
    /// Asks it.
    pub check: Check,
}

/// Counts something; a second of silence counts as not known.
pub type Count = Box<dyn Fn() -> BoxFuture<'static, Result<u64, AppError>> + Send + Sync>;

/// A number that operators should see, and that says nothing about whether the instance works.
pub struct Figure {
    /// Its name in reports.
    pub name: &'static str,
    /// It is not counted more often than that.
    pub every: Duration,
    /// Counts.
    pub count: Count,
    /// The last count, and when that was.
    last: Mutex<Option<(Instant, Option<u64>)>>,
}

impl Figure {
    /// Of this name, counted when somebody asks, however many do, and not more often than `every`.
    #[must_use]
    pub fn new(name: &'static str, every: Duration, count: Count) -> Self {
        Self { name, every, count, last: Mutex::new(None) }
    }

    async fn body(&self) -> FigureBody {
        let mut last = self.last.lock().await;
        let known = last.filter(|(at, _)| at.elapsed() < self.every);
        let count = match known {
            Some((_, count)) => count,
            None => tokio::time::timeout(SILENCE_MAX, (self.count)()).await.ok().and_then(Result::ok),
        };
        if known.is_none() {
            *last = Some((Instant::now(), count));
        }
        FigureBody { name: self.name, count }
    }
}

/// What readiness and health look at. However many ask at once, each component is asked once, and not more often than
/// twice a second: the routes are open to everybody.
pub struct Health {
    components: Vec<Component>,
    figures: Vec<Figure>,
    draining: AtomicBool,
    last: Mutex<Option<(Instant, Vec<Finding>)>>,
}

/// How one component was found.
#[derive(Clone, Copy)]
struct Finding {
    works: bool,
    latency: Duration,
}

const SILENCE_MAX: Duration = Duration::from_secs(1);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Health {
    /// Of these components.
    #[must_use]
    pub fn new(components: Vec<Component>) -> Self {
        Self { components, figures: Vec::new(), draining: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// It shows these besides.
    #[must_use]
    pub fn counting(self, figures: Vec<Figure>) -> Self {
        Self { figures, ..self }
    }

    /// From now on the instance is not ready: it finishes what it has begun, and stops.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`drain`](Self::drain) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// With its figures, which nobody but people needs.
    async fn whole_report(&self) -> HealthBody {
        let report = self.report().await;
        let figures = join_all(self.figures.iter().map(Figure::body)).await;
        HealthBody { figures, ..report }
    }

    async fn report(&self) -> HealthBody {
        let findings = self.findings().await;
        let rows = self.components.iter().zip(findings);
        let components: Vec<_> = rows.map(|(component, finding)| ComponentBody::new(component, finding)).collect();
        let is_down = self.is_draining() || components.iter().any(|it| it.needed && it.status == StatusWord::Down);
        let is_degraded = components.iter().any(|it| it.status == StatusWord::Down);
        let status = match (is_down, is_degraded) {
            (true, _) => StatusWord::Down,
            (false, true) => StatusWord::Degraded,
            (false, false) => StatusWord::Up,
        };
        HealthBody { status, draining: self.is_draining(), components, figures: Vec::new() }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut last = self.last.lock().await;
        if let Some((at, findings)) = &*last
            && at.elapsed() < ASK_AGAIN_AFTER
        {
            return findings.clone();
        }
        let findings = join_all(self.components.iter().map(ask)).await;
        *last = Some((Instant::now(), findings.clone()));
        findings
    }
}

async fn ask(component: &Component) -> Finding {
    let asked = Instant::now();
    let works = matches!(tokio::time::timeout(SILENCE_MAX, (component.check)()).await, Ok(Ok(())));
    Finding { works, latency: asked.elapsed() }
}

/// How the instance is, one row a component.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `down` where a needed component does not answer, or while the instance stops; `degraded` where another one
    /// does not.
    status: StatusWord,
    /// Whether the instance finishes what it has begun, and stops.
    draining: bool,
    /// The components.
    components: Vec<ComponentBody>,
    /// What somebody should know of; none of it makes the instance less healthy.
    figures: Vec<FigureBody>,
}

/// A number that operators should see.
#[derive(Serialize, ToSchema)]
#[schema(as = Figure)]
pub(crate) struct FigureBody {
    /// Its name. `payment_cases`: open cases of payments, of all organizers.
    #[schema(example = "payment_cases")]
    name: &'static str,
    /// How many, as of some seconds ago at the most; null where it could not be counted.
    #[schema(required, example = 3)]
    count: Option<u64>,
}

/// How a component is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Component)]
pub(crate) struct ComponentBody {
    /// Its name.
    #[schema(example = "database")]
    name: &'static str,
    /// `up` or `down`.
    status: StatusWord,
    /// Whether the instance is not ready without it.
    needed: bool,
    /// How long it took to answer.
    #[schema(minimum = 0, example = 0.4)]
    latency_ms: f64,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ComponentStatus)]
pub(crate) enum StatusWord {
    /// It works.
    Up,
    /// Something that is not needed does not work.
    Degraded,
    /// It does not work.
    Down,
}

impl ComponentBody {
    fn new(component: &Component, finding: Finding) -> Self {
        let status = if finding.works { StatusWord::Up } else { StatusWord::Down };
        // Microseconds are precise enough, and look it.
        let latency_ms = (finding.latency.as_secs_f64() * 1e6).round() / 1e3;
        Self { name: component.name, status, needed: component.needed, latency_ms }
    }
}

/// What a probe reads when all is well.
#[derive(Serialize, ToSchema)]
#[schema(as = Probe)]
pub(crate) struct ProbeBody {
    /// `live` or `ready`.
    #[schema(example = "ready", pattern = "^(live|ready)$")]
    status: &'static str,
}

/// Says that the process runs
#[utoipa::path(
    get, path = "/liveness", operation_id = "liveness", tag = "Operation",
    responses((status = 200, description = "It runs.", body = ProbeBody)),
    security(()),
)]
async fn liveness() -> Answer<ProbeBody> {
    Answer(ProbeBody { status: "live" })
}

/// Says whether requests should be sent here
///
/// 503 until every needed component answers, and while the instance stops.
#[utoipa::path(
    get, path = "/readiness", operation_id = "readiness", tag = "Operation",
    responses((status = 200, description = "It is ready.", body = ProbeBody)),
    security(()),
)]
async fn readiness(State(state): State<AppState>) -> Result<Answer<ProbeBody>, Problem> {
    match state.health().report().await.status {
        StatusWord::Up | StatusWord::Degraded => Ok(Answer(ProbeBody { status: "ready" })),
        StatusWord::Down => Err(AppError::busy().into()),
    }
}

/// Shows how each component is
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "Operation",
    responses(
        (status = 200, description = "It works, perhaps without something that is not needed.", body = HealthBody),
        (status = 503, description = "A needed component is down, or the instance stops.", body = HealthBody),
    ),
    security(()),
)]
async fn health(State(state): State<AppState>) -> impl IntoResponse {
    let report = state.health().whole_report().await;
    let status = if report.status == StatusWord::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Answer(report))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn component(name: &'static str, needed: bool, works: bool, asked: &Arc<AtomicU32>) -> Component {
        let asked = Arc::clone(asked);
        let check: Check = Box::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { if works { Ok(()) } else { Err(AppError::busy()) } })
        });
        Component { name, needed, check }
    }

    async fn status(components: [(bool, bool); 2]) -> serde_json::Value {
        let asked = Arc::default();
        let [first, second] = components;
        let health = Health::new(vec![
            component("database", first.0, first.1, &asked),
            component("cache", second.0, second.1, &asked),
        ]);
        serde_json::to_value(health.report().await).unwrap()["status"].clone()
    }

    #[tokio::test]
    async fn what_is_needed_decides() {
        assert_eq!(status([(true, true), (false, true)]).await, "up");
        assert_eq!(status([(true, true), (false, false)]).await, "degraded");
        assert_eq!(status([(true, false), (false, true)]).await, "down");
    }

    #[tokio::test]
    async fn components_are_asked_once_for_many() {
        let asked = Arc::default();
        let health = Health::new(vec![component("database", true, true, &asked)]);
        join_all((0..50).map(|_| health.report())).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        health.drain();
        assert_eq!(serde_json::to_value(health.report().await).unwrap()["status"], "down", "draining counts at once");
    }

    #[tokio::test]
    async fn figures_are_counted_now_and_then_and_make_nothing_unhealthy() {
        let asked: Arc<AtomicU32> = Arc::default();
        let counter = Arc::clone(&asked);
        let count: Count = Box::new(move || {
            let before = counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { if before == 0 { Ok(7) } else { Err(AppError::busy()) } })
        });
        let often: Count = Box::new(|| Box::pin(async { Err(AppError::busy()) }));
        let figures =
            vec![Figure::new("cases", Duration::from_secs(3_600), count), Figure::new("lost", Duration::ZERO, often)];
        let health = Health::new(vec![component("database", true, true, &Arc::default())]).counting(figures);
        join_all((0..50).map(|_| health.whole_report())).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let report = serde_json::to_value(health.whole_report().await).unwrap();
        assert_eq!(report["status"], "up");
        assert_eq!(report["figures"][0], serde_json::json!({ "name": "cases", "count": 7 }));
        assert_eq!(report["figures"][1], serde_json::json!({ "name": "lost", "count": null }));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_no_answer() {
        let check: Check = Box::new(|| Box::pin(std::future::pending()));
        let health = Health::new(vec![Component { name: "database", needed: true, check }]);
        assert_eq!(serde_json::to_value(health.report().await).unwrap()["status"], "down");
    }
}
