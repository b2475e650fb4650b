//! Sends the messages of the sandbox, and lets slow charges succeed when their time has come.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::wire::EventBody;

/// How long one delivery may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// How many are under way at a time.
const UNDER_WAY_MAX: usize = 64;
/// After so many tries a message is given up: whoever has not heard asks.
const TRIES_MAX: u32 = 20;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often the clock is looked at while something is due by it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Courier {
    shared: Arc<Shared>,
    client: Client,
    url: Arc<str>,
    /// Deliveries that may be under way.
    room: Arc<Semaphore>,
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>, client: Client, url: String) -> Self {
        Self { shared, client, url: url.into(), room: Arc::new(Semaphore::new(UNDER_WAY_MAX)) }
    }

    pub(super) async fn run(self, tasks: TaskTracker) {
        let courier = Arc::new(self);
        let shared = &courier.shared;
        let mut next = 0;
        loop {
            let due = shared.read(|bank| bank.next_due());
            if due.is_some_and(|due| due <= shared.clock.now())
                && let Err(error) = shared.change(|bank, turn| bank.settle_due(turn))
            {
                tracing::error!("Slow charges of the sandbox cannot be settled: {error}");
            }
            let new: Vec<(u64, EventBody)> = shared
                .read(|bank| bank.undelivered_from(next).map(|(number, event)| (number, event.clone())).collect());
            for (number, event) in new {
                next = number + 1;
                tasks.spawn(Arc::clone(&courier).deliver(number, event));
            }
            tokio::select! {
                () = shared.end.cancelled() => return,
                () = shared.changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY), if due.is_some() => {}
            }
        }
    }

    async fn deliver(self: Arc<Self>, number: u64, event: EventBody) {
        let shared = &self.shared;
        let behaviour = shared.behaviour();
        if shared.chance(100) >= u64::from(behaviour.lose_percent) {
            let copies = if shared.chance(100) < u64::from(behaviour.duplicate_percent) { 2 } else { 1 };
            for _ in 0..copies {
                let more = shared.chance(u64::from(behaviour.disorder_millis) + 1);
                let late = Duration::from_millis(u64::from(behaviour.delay_millis) + more);
                if !shared.pause(late).await || !self.send_until_heard(&event).await {
                    return;
                }
            }
        }
        if let Err(error) = shared.change(|bank, _| bank.delivered(number)) {
            tracing::error!("A message of the sandbox is sent again after its next start: {error}");
        }
    }

    /// Whether nothing is left to do; otherwise the sandbox ends.
    async fn send_until_heard(&self, event: &EventBody) -> bool {
        let mut pause = PAUSE_MIN;
        for _ in 0..TRIES_MAX {
            if self.send(event).await {
                return true;
            }
            if !self.shared.pause(pause).await {
                return false;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        tracing::warn!("A message of the sandbox ({}) was given up: nobody takes it", event.kind);
        true
    }

    async fn send(&self, event: &EventBody) -> bool {
        let Ok(body) = serde_json::to_vec(event) else { return false };
        let Ok(_room) = self.room.acquire().await else { return false };
        let signature = self.shared.signing.sign(&body, self.shared.clock.now());
        let message = self.client.post(&*self.url).header(CONTENT_TYPE, "application/json");
        let message = message.header("GoTicket-Signature", signature).body(body);
        tokio::select! {
            () = self.shared.end.cancelled() => false,
            sent = message.send() => sent.is_ok_and(|answer| answer.status().is_success()),
        }
    }
}
