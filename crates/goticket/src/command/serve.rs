//! `goticket serve`: start, serve, stop softly.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use application::jobs::JobStore;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::demo;
use crate::cashier::Cashier;
use crate::cli::Serve;
use crate::compose::{Application, Ground};
use crate::config::{Ops, Settings};
use crate::lifecycle::{Signals, supervise};
use crate::server::{self, Tls, listen};
use crate::telemetry::{self, LogWriter, Metrics};

/// How long the desk and the background tasks may take to end, once no request runs any more.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// How often slow gauges are read.
const GAUGES_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(mut settings: Settings, arguments: &Serve) -> anyhow::Result<ExitCode> {
    check_roles(&arguments.roles)?;
    settings.demo.enabled |= arguments.demo;
    let log = telemetry::log_as_server(&settings.telemetry)?;
    // Before anything counts: what was registered earlier would count nowhere.
    let metrics = Metrics::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("goticket").build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let served = runtime.block_on(Box::pin(serve(&settings, arguments.demo, metrics, &log)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map(|()| ExitCode::SUCCESS)
}

fn check_roles(roles: &[String]) -> anyhow::Result<()> {
    if roles == ["all"] {
        return Ok(());
    }
    bail!(
        "--roles {}: the split into services is not built yet; leave `--roles` out to run all in one",
        roles.join(",")
    )
}

async fn serve(settings: &Settings, seed: bool, metrics: Metrics, log: &LogWriter) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut signals = Signals::take().context("the signals of the system cannot be taken")?;
    raise_open_files(settings);
    let running = tokio::select! {
        running = start(settings, metrics) => running?,
        name = signals.next() => {
            tracing::info!("Got {name} before the start was done");
            return Ok(());
        }
    };
    greet(settings, &running, started.elapsed());
    if seed {
        let sign_in = demo::seed(&running.application).await?;
        tracing::info!("The demo's organizer signs in as {}; docs/operations.md tells the password", sign_in.email);
    }
    let name = signals.next().await;
    tracing::info!("Got {name}: finishing what has begun; another signal ends it at once");
    tokio::select! {
        () = running.stop(settings) => {}
        name = signals.next() => {
            tracing::warn!("Got {name} again: ending at once");
            log.handle().flush_within(Duration::from_secs(1));
            #[expect(clippy::disallowed_methods, reason = "somebody who asks twice does not want to wait for anything")]
            std::process::exit(1);
        }
    }
    Ok(())
}

async fn start(settings: &Settings, metrics: Metrics) -> anyhow::Result<Running> {
    // Before the database, so that somebody who is there already is told at once.
    let public = bind(settings.http.address, "http.address").await?;
    let ops = bind(settings.ops.address, "ops.address").await?;
    let ground = Ground::open(settings, true).await?;
    ground.migrate(settings).await?;
    let cashier = Cashier::start(settings, public.local_addr()?, &ground.clock, &ground.ids).await?;
    let application = Application::start(ground, settings, cashier.providers.clone()).await?;
    let tls = match settings.http.tls_files() {
        Some(files) => Some(Arc::new(Tls::load(files).await.context("TLS (`http.tls`)")?)),
        None => None,
    };
    Ok(Running::start(application, cashier, settings, (public, tls), ops, metrics)?)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    listen(address).await.with_context(|| match key {
        _ if address.port() == 0 => format!("cannot listen on {address} (`{key}`)"),
        _ => format!("cannot listen on {address} (`{key}`): does another server run there?"),
    })
}

/// Lets this process have as many connections as its settings say, if the system does.
fn raise_open_files(settings: &Settings) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it cannot be raised, it stays as it is.
    let _ = setrlimit(Resource::Nofile, limit);
    let wanted = u64::from(settings.http.connections_max) + u64::from(Ops::CONNECTIONS_MAX) + 100;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < wanted) {
        tracing::warn!(
            "The system lets this process open {allowed} files (`ulimit -n`); `http.connections_max` wants {wanted}"
        );
    }
}

fn greet(settings: &Settings, running: &Running, took: Duration) {
    let (http, ops) = (running.http, running.ops);
    let url = settings.database.url(&settings.data_dir);
    tracing::info!("GoTicket {} is ready after {} ms", env!("CARGO_PKG_VERSION"), took.as_millis());
    let scheme = settings.http.scheme();
    tracing::info!("Listening on {scheme}://{http}: the API is described at {scheme}://{http}/docs");
    tracing::info!("Metrics and probes are on http://{ops}");
    tracing::info!("Data: {url}; master key: {}", master_key(settings));
    match &settings.smtp.url {
        Some(url) => tracing::info!("Mails go to {url}"),
        None => tracing::warn!(
            "No SMTP server is set (`smtp.url`): mails are not sent, but written to {}",
            settings.mails_dir().display()
        ),
    }
    if let Some(url) = running.cashier.sandbox_url() {
        tracing::warn!("Payments are make believe (`payments.provider`): the sandbox is on {url}");
    }
    tracing::info!("To make an admin: goticket user create --email you@example.com --role admin --password-stdin");
    if settings.demo.enabled {
        tracing::warn!("This instance is marked as a demo: whoever has its command line can make tokens for anybody");
    }
}

fn master_key(settings: &Settings) -> String {
    match &settings.secrets.master_key {
        Some(_) => "from the configuration".to_owned(),
        None => settings.data_dir.join(adapter_system::MasterKey::FILE_NAME).display().to_string(),
    }
}

/// A server with all that runs in it.
struct Running {
    application: Application,
    cashier: Cashier,
    http: SocketAddr,
    ops: SocketAddr,
    /// Connections of the public address.
    connections: TaskTracker,
    /// All other tasks.
    background: TaskTracker,
    /// No more connections and requests.
    stop: CancellationToken,
    /// No more streams.
    end_streams: CancellationToken,
    /// No more jobs.
    end_jobs: CancellationToken,
    /// No more of anything.
    end: CancellationToken,
}

impl Running {
    fn start(
        application: Application,
        cashier: Cashier,
        settings: &Settings,
        (public, tls): (TcpListener, Option<Arc<Tls>>),
        ops: TcpListener,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let running = Self {
            http: public.local_addr()?,
            ops: ops.local_addr()?,
            application,
            cashier,
            connections: TaskTracker::new(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
            end_streams: CancellationToken::new(),
            end_jobs: CancellationToken::new(),
            end: CancellationToken::new(),
        };
        running.application.follow(&running.background, &running.end);
        running.application.tell_watchers(&running.background, &running.end_streams);
        running.application.work(&running.background, &running.end_jobs);
        running.measure(metrics.clone());
        let state = running.application.rest(settings);
        let desk = running.application.desk.clone();
        let text = Arc::new(move || {
            desk.measure();
            metrics.render()
        });
        let ops_router = api_rest::ops_router(state.clone(), text);
        running.follow_certificate(tls.as_ref());
        running.listen(public, api_rest::router(state), (settings.http.limits(), tls), "http");
        // Probes and metrics are answered to the end.
        let ops_loop = server::serve(
            ops,
            ops_router,
            (Ops::limits(), None),
            "ops",
            running.end.clone(),
            running.background.clone(),
        );
        running.background.spawn(ops_loop);
        Ok(running)
    }

    /// Reads the certificate again when it changes.
    fn follow_certificate(&self, tls: Option<&Arc<Tls>>) {
        let Some(tls) = tls.cloned() else { return };
        supervise(&self.background, &self.end, "tls", move |cancel| {
            let tls = Arc::clone(&tls);
            async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tls.follow() => {}
                }
            }
        });
    }

    fn listen(
        &self,
        listener: TcpListener,
        router: axum::Router,
        bears: (server::Limits, Option<Arc<Tls>>),
        name: &'static str,
    ) {
        let served = server::serve(listener, router, bears, name, self.stop.clone(), self.connections.clone());
        self.connections.spawn(served);
    }

    /// Keeps the metrics in order, and reads what nobody tells.
    fn measure(&self, metrics: Metrics) {
        supervise(&self.background, &self.end, "metrics", move |cancel| {
            let metrics = metrics.clone();
            async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = metrics.upkeep() => {}
                }
            }
        });
        let application = self.application.clone();
        supervise(&self.background, &self.end, "gauges", move |cancel| {
            let application = application.clone();
            async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = gauges(&application) => {}
                }
            }
        });
    }

    /// Readiness off, no more connections, in-flight requests to their end, the desk flushed, everything stopped.
    async fn stop(self, settings: &Settings) {
        let began = Instant::now();
        self.application.health.drain();
        tokio::time::sleep(settings.http.shutdown_lead.std()).await;
        self.stop.cancel();
        self.end_streams.cancel();
        self.end_jobs.cancel();
        self.connections.close();
        if timeout(settings.http.shutdown_timeout.std(), self.connections.wait()).await.is_err() {
            tracing::warn!("{} connections were not done in time and are cut", self.connections.len());
        }
        if timeout(CLOSE_WITHIN, self.application.desk.close()).await.is_err() {
            tracing::error!("The booking desk was not done in time");
        }
        self.cashier.stop().await;
        self.end.cancel();
        self.background.close();
        if timeout(CLOSE_WITHIN, self.background.wait()).await.is_err() {
            tracing::warn!("{} background tasks were not done in time", self.background.len());
        }
        if timeout(CLOSE_WITHIN, self.application.ground.database.close()).await.is_err() {
            tracing::warn!("The connections to the database were not closed in time");
        }
        tracing::info!("Stopped after {} ms", began.elapsed().as_millis());
    }
}

/// Reads gauges that cost a look at the database, for ever.
async fn gauges(application: &Application) {
    let watchers = metrics::gauge!("availability_watchers");
    let at_doors = metrics::gauge!("door_watchers");
    let jobs = ["waiting", "running", "parked", "undelivered"].map(|state| metrics::gauge!("jobs", "state" => state));
    let cases = metrics::gauge!("payment_cases");
    loop {
        if let Ok(count) = application.payments.count_cases().await {
            cases.set(count as f64);
        }
        at_doors.set(application.door_counters.watchers() as f64);
        watchers.set(application.availability.watchers() as f64);
        if let Ok(counts) = application.ground.database.counts(application.ground.clock.now()).await {
            let counts = [counts.waiting, counts.running, counts.parked, counts.undelivered];
            jobs.iter().zip(counts).for_each(|(gauge, count)| gauge.set(count as f64));
        }
        tokio::time::sleep(GAUGES_EVERY).await;
    }
}
