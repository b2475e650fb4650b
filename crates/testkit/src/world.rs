//! The people and things that most tests of a protocol begin with.

use domain::identity::Role;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp};
use crate::databases::Engine;

/// An application with an organizer, a buyer, a stranger and an admin.
pub struct World {
    /// The application.
    pub app: TestApp,
    /// Makes events.
    pub organizer: Caller,
    /// Buys.
    pub buyer: Caller,
    /// An organizer of other events.
    pub stranger: Caller,
    /// May do everything.
    pub admin: Caller,
}

/// A new one.
pub async fn world(engine: Engine) -> World {
    world_of(TestApp::start(engine).await).await
}

/// One around this application.
pub async fn world_of(app: TestApp) -> World {
    let organizer = app.account("organizer", Role::Organizer).await;
    let buyer = app.account("buyer", Role::User).await;
    let stranger = app.account("stranger", Role::Organizer).await;
    let admin = app.account("admin", Role::Admin).await;
    World { app, organizer, buyer, stranger, admin }
}

/// The body of an event with one ticket type.
pub fn gala(price: i64, capacity: i64) -> Value {
    json!({
        "name": "Gala", "startAt": "2030-02-01T18:00:00Z", "endAt": "2030-02-01T22:00:00Z",
        "price": price, "capacity": capacity,
    })
}

impl World {
    /// A draft.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn draft(&self, price: i64, capacity: i64) -> Value {
        self.organizer.post("/api/v1/events", &gala(price, capacity)).await.expect(201)
    }

    /// An event that is on sale; its id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn on_sale(&self, price: i64, capacity: i64) -> String {
        let id = self.draft(price, capacity).await["id"].as_str().expect("an id").to_owned();
        self.organizer.act(&format!("/api/v1/events/{id}/publish")).await.expect(200);
        id
    }

    /// A booking of the buyer.
    pub async fn book(&self, event: &str, quantity: u32) -> Value {
        let body = json!({ "quantity": quantity });
        self.buyer.post(&format!("/api/v1/events/{event}/bookings"), &body).await.expect(201)
    }
}
