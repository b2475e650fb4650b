//! Invitations over HTTP: a mail with a link that works once, for whom it was sent to.

use axum::http::Method;
use chrono::TimeDelta;
use futures::future::join_all;
use goticket_testkit::app::{Caller, Reply};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};
use uuid::Uuid;

/// A world whose organizer has a draft; the path of the organizer, and the id of the draft.
async fn with_organizer(engine: Engine) -> (World, String, String) {
    let world = world(engine).await;
    let draft = world.draft(1, 1).await;
    let path = format!("/api/v1/organizers/{}", draft["organizerId"].as_str().unwrap());
    let event = draft["id"].as_str().unwrap().to_owned();
    (world, path, event)
}

async fn invite(world: &World, path: &str, body: Value) -> (Value, String) {
    let email = body["email"].as_str().unwrap().to_lowercase();
    let made = world.organizer.post(&format!("{path}/invitations"), &body).await.expect(201);
    (made, world.app.mailed_token(&email).await)
}

async fn accept(caller: &Caller, token: &str) -> Reply {
    caller.post("/api/v1/invitations/accept", &json!({ "token": token })).await
}

fn is_over(reply: &Reply) {
    let problem = reply.problem(422, "validation_failed");
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
        (&json!("token"), &json!("invalid_token"))
    );
}

#[tokio::test]
async fn a_colleague_is_invited_and_acts_at_once() {
    let (world, path, event) = with_organizer(Engine::Sqlite).await;
    let edit =
        async |caller: &Caller| caller.patch(&format!("/api/v1/events/{event}"), &json!({ "venue": "Hall" })).await;
    edit(&world.buyer).await.problem(404, "not_found");
    let wish = json!({ "email": "Buyer@Example.com", "role": "manager", "events": [event], "language": "pl" });
    let (made, token) = invite(&world, &path, wish).await;
    assert_eq!(
        (&made["email"], &made["role"], &made["events"], &made["invitedBy"]),
        (&json!("buyer@example.com"), &json!("manager"), &json!([event]), &json!(world.organizer.user()))
    );
    assert_eq!(made["expiresAt"], "2027-01-22T08:00:00Z");
    assert!(!made.to_string().contains(&token));
    let mail = world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert!(mail.text.contains(&token) && mail.subject.starts_with("Zapro"), "{mail:?}");
    let listed = world.organizer.get(&format!("{path}/invitations")).await.expect(200);
    assert_eq!(listed["items"], json!([made]));

    let member = accept(&world.buyer, &token).await.expect(200);
    assert_eq!((&member["role"], &member["events"]), (&json!("manager"), &json!([event])));
    edit(&world.buyer).await.expect(200);
    is_over(&accept(&world.buyer, &token).await);
    let listed = world.organizer.get(&format!("{path}/invitations")).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let members = world.organizer.get(&format!("{path}/members")).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    world.app.stop().await;
}

#[tokio::test]
async fn a_link_is_for_one_address_and_seven_days() {
    let (world, path, _) = with_organizer(Engine::Sqlite).await;
    let (_, token) = invite(&world, &path, json!({ "email": "buyer@example.com", "role": "scanner" })).await;
    accept(&world.stranger, &token).await.problem(403, "forbidden");
    for bad in ["", "x", &token[1..], &token.to_uppercase(), &"A".repeat(43), &"A".repeat(10_000)] {
        is_over(&accept(&world.buyer, bad).await);
    }
    world
        .app
        .anybody()
        .post("/api/v1/invitations/accept", &json!({ "token": token }))
        .await
        .problem(401, "unauthenticated");
    world.app.clock.step(TimeDelta::days(7));
    let buyer = world.app.sign_in("buyer").await;
    is_over(&accept(&buyer, &token).await);
    let owner = world.app.sign_in("organizer").await;
    assert_eq!(owner.get(&format!("{path}/invitations")).await.expect(200)["items"], json!([]));
    // What has lapsed makes room for a new one.
    owner
        .post(&format!("{path}/invitations"), &json!({ "email": "buyer@example.com", "role": "scanner" }))
        .await
        .expect(201);
    let token = world.app.mailed_token("buyer@example.com").await;
    accept(&buyer, &token).await.expect(200);
    world.app.stop().await;
}

#[tokio::test]
async fn it_is_taken_back_and_replaced() {
    let (world, path, _) = with_organizer(Engine::Sqlite).await;
    let wish = json!({ "email": "buyer@example.com", "role": "scanner" });
    let (first, old) = invite(&world, &path, wish.clone()).await;
    let (second, new) = invite(&world, &path, wish.clone()).await;
    assert_ne!((&first["id"], &old), (&second["id"], &new));
    is_over(&accept(&world.buyer, &old).await);
    let listed = world.organizer.get(&format!("{path}/invitations")).await.expect(200);
    assert_eq!(listed["items"], json!([second]));
    let own = format!("{path}/invitations/{}", second["id"].as_str().unwrap());
    assert_eq!(world.organizer.get(&own).await.expect(200), second);
    world.stranger.delete(&own).await.problem(404, "not_found");
    assert_eq!(world.organizer.delete(&own).await.status, 204);
    assert_eq!(world.organizer.delete(&own).await.status, 204, "done twice, it is done once");
    is_over(&accept(&world.buyer, &new).await);
    world.organizer.get(&own).await.problem(404, "not_found");
    let nobody = format!("{path}/invitations/{}", Uuid::nil());
    world.organizer.delete(&nobody).await.problem(404, "not_found");
    // Under the path of another organizer.
    let theirs = world.stranger.post("/api/v1/organizers", &json!({ "name": "Other" })).await.expect(201);
    let (third, token) = invite(&world, &path, wish).await;
    let crossed =
        format!("/api/v1/organizers/{}/invitations/{}", theirs["id"].as_str().unwrap(), third["id"].as_str().unwrap());
    world.stranger.delete(&crossed).await.problem(404, "not_found");
    accept(&world.buyer, &token).await.expect(200);
    let again = invite(&world, &path, json!({ "email": "buyer@example.com", "role": "owner" })).await.1;
    accept(&world.buyer, &again).await.problem(409, "already_exists");
    world.app.stop().await;
}

#[tokio::test]
async fn wishes_are_checked_and_a_key_sends_one_mail() {
    let (world, path, event) = with_organizer(Engine::Sqlite).await;
    let foreign = world.stranger.post("/api/v1/events", &gala(1, 1)).await.expect(201)["id"].clone();
    let path = format!("{path}/invitations");
    for (body, field) in [
        (json!({ "email": "nobody", "role": "scanner" }), "email"),
        (json!({ "email": "a@example.com", "role": "scanner", "events": [] }), "events"),
        (json!({ "email": "a@example.com", "role": "owner", "events": [event] }), "events"),
        (json!({ "email": "a@example.com", "role": "scanner", "events": [foreign] }), "events"),
        (json!({ "email": "a@example.com", "role": "scanner", "events": [Uuid::nil()] }), "events"),
    ] {
        let reply = world.organizer.post(&path, &body).await;
        assert_eq!(reply.problem(422, "validation_failed")["errors"][0]["field"], field);
    }
    let unknown = json!({ "email": "a@example.com", "role": "king" });
    world.organizer.post(&path, &unknown).await.problem(400, "malformed_request");
    assert!(world.app.mails_to("a@example.com").await.is_empty(), "a refusal sends nothing");

    let body = json!({ "email": "a@example.com", "role": "scanner" }).to_string();
    let send = async || {
        let headers = [("idempotency-key", "once"), ("accept-language", "pl")];
        world.organizer.send(Method::POST, &path, &headers, Some(body.clone())).await
    };
    let first = send().await.expect(201);
    let again = send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    let mails = world.app.mails_to("a@example.com").await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.starts_with("Zapro"), "{mails:?}");
    world.app.stop().await;
}

/// Of many who show the same link at once, and of the owner who takes it back, one wins.
async fn a_link_works_once(engine: Engine) {
    let (world, path, _) = with_organizer(engine).await;
    let (made, token) = invite(&world, &path, json!({ "email": "buyer@example.com", "role": "scanner" })).await;
    let own = format!("{path}/invitations/{}", made["id"].as_str().unwrap());
    let tries = join_all((0..8).map(|_| accept(&world.buyer, &token)));
    let (replies, taken_back) = tokio::join!(tries, world.organizer.delete(&own));
    assert_eq!(taken_back.status, 204);
    let accepted = replies.iter().filter(|reply| reply.status == 200).count();
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        is_over(reply);
    }
    let members = world.organizer.get(&format!("{path}/members")).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 1 + accepted);
    assert!(accepted <= 1, "{accepted} were accepted");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_works_once_on_sqlite() {
    a_link_works_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_works_once_on_postgres() {
    a_link_works_once(Engine::Postgres).await;
}

#[tokio::test]
async fn old_invitations_are_forgotten() {
    let (world, path, _) = with_organizer(Engine::Sqlite).await;
    invite(&world, &path, json!({ "email": "a@example.com", "role": "scanner" })).await;
    let forget = async || world.app.catalog.delete_old_invitations(domain::Limit::default()).await.unwrap();
    world.app.clock.step(TimeDelta::days(37));
    assert_eq!(forget().await, 0);
    world.app.clock.step(TimeDelta::seconds(1));
    assert_eq!(forget().await, 1);
    world.app.stop().await;
}
