//! A place that messages of payment providers come to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nothing takes longer here.
const WITHIN: Duration = Duration::from_secs(20);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The signature.
    pub signature: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Takes messages, and keeps them.
pub struct WebhookInbox {
    url: String,
    came: watch::Receiver<Vec<Webhook>>,
    refuse: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Inbox {
    came: Arc<watch::Sender<Vec<Webhook>>>,
    refuse: Arc<AtomicU32>,
}

impl WebhookInbox {
    /// Opens one that answers the first `refuse` messages with 500.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn open(refuse: u32) -> Self {
        let (sender, came) = watch::channel(Vec::new());
        let refuse = Arc::new(AtomicU32::new(refuse));
        let inbox = Inbox { came: Arc::new(sender), refuse: Arc::clone(&refuse) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/webhooks/sandbox", listener.local_addr().expect("an address"));
        let router = axum::Router::new().route("/webhooks/sandbox", post(take)).with_state(inbox);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, came, refuse, task }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many it will still refuse.
    #[must_use]
    pub fn will_refuse(&self) -> u32 {
        self.refuse.load(Ordering::SeqCst)
    }

    /// Waits until this many have come in all, refused ones included, and gives them in the order in which they came.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn wait_for(&self, count: usize) -> Vec<Webhook> {
        let mut came = self.came.clone();
        let enough = came.wait_for(|came| came.len() >= count);
        tokio::time::timeout(WITHIN, enough).await.expect("as many messages in time").expect("an open inbox").clone()
    }
}

impl Drop for WebhookInbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("GoTicket-Signature").and_then(|value| value.to_str().ok()).map(str::to_owned);
    inbox.came.send_modify(|came| came.push(Webhook { signature, body: body.to_vec() }));
    let refused = inbox.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}
