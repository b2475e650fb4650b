//! A world in which people pay: the application behind a real port, and a sandbox that sends its messages there.

use std::net::SocketAddr;
use std::sync::Arc;

use adapter_payment::Sandbox;
use application::booking::WindDownCancelled;
use application::jobs::{JobHandler, Worker};
use application::payment::{PaymentProvider, PollPayments, RetryEvents, SendRefunds};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::app::{Reply, Settings, TestApp};
use crate::databases::Engine;
use crate::sandbox;
use crate::world::{World, world_of};

/// The world, and who moves its money.
pub struct Till {
    /// The world.
    pub world: World,
    /// The provider.
    pub sandbox: Sandbox,
    /// What speaks to it.
    pub provider: Arc<dyn PaymentProvider>,
    served: JoinHandle<()>,
    /// Where providers send their messages.
    webhooks: String,
}

/// Opens one.
///
/// # Panics
/// When there is no port.
pub async fn till(engine: Engine) -> Till {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let webhooks = format!("http://{}/api/v1/webhooks/sandbox", listener.local_addr().expect("an address"));
    let settings = Settings::default();
    let sandbox = sandbox::start(&settings.clock, &webhooks, None).await;
    let provider: Arc<dyn PaymentProvider> = Arc::new(sandbox::provider(&settings.clock, &sandbox.url()));
    let settings = Settings { payment_providers: vec![provider.clone()], ..settings };
    let app = TestApp::start_with(engine, settings).await;
    let router = app.router();
    let served = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    Till { world: world_of(app).await, sandbox, provider, served, webhooks }
}

impl Till {
    /// A booking of the buyer in an event of this price, and the event.
    pub async fn held(&self, price: i64, capacity: i64) -> (String, String) {
        let event = self.world.on_sale(price, capacity).await;
        let booking = self.world.book(&event, 1).await;
        (booking["id"].as_str().expect("an id").to_owned(), event)
    }

    /// The buyer pays.
    pub async fn pay(&self, booking: &str, method: &str) -> Reply {
        let path = format!("/api/v1/bookings/{booking}/payments");
        self.world.buyer.post(&path, &json!({ "method": method })).await
    }

    /// The payments of a booking, as its buyer sees them.
    pub async fn payments(&self, booking: &str) -> Vec<Value> {
        let found = self.world.buyer.get(&format!("/api/v1/bookings/{booking}/payments")).await.expect(200);
        found.as_array().expect("payments").clone()
    }

    /// The status of a booking.
    pub async fn status(&self, booking: &str) -> String {
        let found = self.world.buyer.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
        found["status"].as_str().expect("a status").to_owned()
    }

    /// The provider is gone, as one whose program has ended, and has an empty one at another address in its place; says
    /// where it was.
    ///
    /// # Panics
    /// When that does not start.
    pub async fn provider_goes(&mut self) -> SocketAddr {
        let address = self.sandbox.address();
        self.provider_comes_at(([127, 0, 0, 1], 0).into()).await;
        address
    }

    /// A provider that knows of nothing is there, in the place of the one that was.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn provider_comes_at(&mut self, address: SocketAddr) {
        let new = sandbox::start_at(address, &self.world.app.clock, &self.webhooks, None).await;
        std::mem::replace(&mut self.sandbox, new).stop().await;
    }

    /// Does once what the jobs do again and again.
    pub async fn work(&self) {
        let payments = self.world.app.payments.clone();
        let poll = PollPayments { payments: payments.clone() };
        let send = SendRefunds { payments: payments.clone() };
        let app = &self.world.app;
        let reads = Arc::new(app.database.database.clone());
        let wind_down = WindDownCancelled { desk: app.desk.clone(), reads, clock: Arc::new(app.clock.clone()) };
        let handlers: [&dyn JobHandler; 3] = [&wind_down, &poll, &send];
        for handler in handlers {
            crate::contract::audit::run(handler).await;
        }
        let store = Arc::new(app.database.database.clone());
        let retry: Arc<dyn JobHandler> = Arc::new(RetryEvents { payments });
        let worker = Worker::new(store, Arc::new(app.clock.clone()), app.ids.clone(), vec![retry]);
        while worker.work_once().await {}
    }

    /// Ends it, and fails unless every invariant holds.
    pub async fn close(self) {
        crate::contract::fixture::assert_sound(&self.world.app.database).await;
        self.served.abort();
        self.sandbox.stop().await;
        self.world.app.stop().await;
    }
}
