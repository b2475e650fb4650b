//! Metrics, as Prometheus reads them.

use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// From what a cache answers in to what a client gives up on.
const SECONDS: [f64; 15] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const COMMANDS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 700.0, 1_000.0];
/// What was observed is gathered this often, whether anybody asks or not: else it would pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of this process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs it; before that, nothing may count.
    ///
    /// # Errors
    /// If there is one already.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full("desk_batch_size".to_owned()), &COMMANDS)?
            .install_recorder()
            .context("the metrics cannot be started")?;
        describe();
        Ok(Self(handle))
    }

    /// All metrics as text.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps the recorder in order, for as long as it is polled.
    pub(crate) async fn upkeep(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("http_requests_total", "Requests that were answered.");
    describe_histogram!("http_request_duration_seconds", "From the head of a request to the head of its answer.");
    describe_gauge!("http_connections", "Connections that are open.");
    describe_counter!("http_connections_refused_total", "Connections that were one too many.");
    describe_counter!("bookings_total", "Commands at the booking desk, by how they ended.");
    describe_histogram!("desk_batch_size", "Commands in one transaction of the booking desk.");
    describe_histogram!("desk_commit_seconds", "From the begin of a transaction of the booking desk to its end.");
    describe_gauge!("desk_queue_depth", "Commands that wait at the booking desk.");
    describe_gauge!("availability_watchers", "Streams of live availability that are open.");
    describe_gauge!("door_watchers", "Streams of live counters of doors that are open.");
    describe_gauge!("payment_cases", "Payments that somebody should look at, of all organizers.");
    describe_gauge!("jobs", "Jobs of the job table, by their state.");
}
