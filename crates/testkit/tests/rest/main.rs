//! Everything over REST: through the real router, with real storage, in one process with the test.
//!
//! One program, because each program of tests that holds the whole server costs 200 MB and a link of its own.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

mod access;
mod access_matrix;
mod accounts;
mod api_keys;
mod audit;
mod contract;
mod cookies;
mod credentials;
mod door;
mod door_live;
mod door_offline;
mod guards;
mod invitations;
mod invoices;
mod members;
mod notices;
mod oauth;
mod passes;
mod payments;
mod prices;
mod privacy;
mod problems;
mod promo_codes;
mod reconcile;
mod sale;
mod second_factor;
mod stream;
mod stripe;
mod ticket_blocks;
mod ticket_refunds;
mod tickets;
mod waiting_list;

use goticket_testkit::world::{World, gala};
use serde_json::{Value, json};

/// The text that a value is.
fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The only organizer of the world's, as a path.
async fn organizer(world: &World) -> String {
    let whose = world.organizer.get("/api/v1/organizers").await.expect(200);
    format!("/api/v1/organizers/{}", text(&whose["items"][0]["id"]))
}

/// An event whose doors are open, with so many tickets: its path, the path of their booking, and the tickets.
async fn doors(world: &World, quantity: u32) -> (String, String, Vec<Value>) {
    let mut soon = gala(0, 1_000);
    soon["startAt"] = json!("2027-01-15T12:00:00Z");
    soon["endAt"] = json!("2027-01-15T22:00:00Z");
    let event = world.organizer.post("/api/v1/events", &soon).await.expect(201);
    let path = format!("/api/v1/events/{}", text(&event["id"]));
    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    let booking = world.buyer.post(&format!("{path}/bookings"), &json!({ "quantity": quantity })).await.expect(201);
    let booking = format!("/api/v1/bookings/{}", text(&booking["id"]));
    let tickets = world.buyer.get(&format!("{booking}/tickets")).await.expect(200);
    (path, booking, tickets.as_array().unwrap().clone())
}
