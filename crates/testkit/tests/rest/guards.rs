//! Limits over REST: who asks too often is refused, and nobody else is.

use std::time::Duration;

use application::guard::{LimitClass, LimitRates, Rate};
use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::Role;
use goticket_testkit::app::{Caller, PASSWORD, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world_of};
use serde_json::{Value, json};

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.1";

async fn start(rates: LimitRates) -> TestApp {
    TestApp::start_with(Engine::Sqlite, Settings { limits: Some(rates), ..Settings::default() }).await
}

/// The people of a world with these limits, and all of them have signed in long ago.
async fn guarded(rates: LimitRates) -> World {
    let world = world_of(start(rates).await).await;
    world.app.clock.step(TimeDelta::hours(1));
    let World { app, .. } = world;
    let [organizer, buyer, stranger, admin] = [
        app.sign_in("organizer").await,
        app.sign_in("buyer").await,
        app.sign_in("stranger").await,
        app.sign_in("admin").await,
    ];
    World { app, organizer, buyer, stranger, admin }
}

async fn login(from: &Caller, name: &str, password: &str) -> Reply {
    let body = json!({ "email": format!("{name}@example.com"), "password": password });
    from.post("/api/v1/auth/login", &body).await
}

async fn guess(from: &Caller, name: &str) -> Reply {
    login(from, name, "not the password").await
}

fn limited(reply: &Reply, limit: &str) {
    reply.problem(429, "rate_limited");
    let secs: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(secs > 0);
    assert!(reply.header("ratelimit-policy").unwrap().starts_with(&format!("\"{limit}\";q=")), "{reply:?}");
    assert_eq!(reply.header("ratelimit").unwrap(), format!("\"{limit}\";r=0;t={secs}"));
}

#[tokio::test]
async fn wrong_passwords_are_bounded_and_nobody_is_locked_out() {
    let app = start(LimitRates::default()).await;
    app.account("ana", Role::User).await;
    let (home, elsewhere) = (app.anybody().from(HERE), app.anybody().from(THERE));
    login(&home, "ana", PASSWORD).await.expect(200);
    for _ in 0..5 {
        guess(&elsewhere, "ana").await.problem(401, "unauthenticated");
    }
    limited(&guess(&elsewhere, "ana").await, "login");
    limited(&login(&elsewhere, "ana", PASSWORD).await, "login");
    // From where she is signed in, Ana has all her tries, though the account has none left for strangers.
    guess(&home, "ana").await.problem(401, "unauthenticated");
    login(&home, "ana", PASSWORD).await.expect(200);
    for _ in 0..4 {
        guess(&home, "ana").await.problem(401, "unauthenticated");
    }
    limited(&guess(&home, "ana").await, "login");
    // Whoever comes from somewhere new has one try: enough for who knows the password.
    let guesser = app.anybody().from("203.0.113.5");
    guess(&guesser, "ana").await.problem(401, "unauthenticated");
    limited(&guess(&guesser, "ana").await, "login_account");
    login(&app.anybody().from("203.0.113.6"), "ana", PASSWORD).await.expect(200);
    app.clock.step(TimeDelta::minutes(3));
    login(&elsewhere, "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_without_an_account_is_limited_alike() {
    let app = start(LimitRates::default()).await;
    for name in ["ana", "nobody"] {
        if name == "ana" {
            app.account(name, Role::User).await;
            app.clock.step(TimeDelta::hours(1));
        }
        for host in 1..=5 {
            guess(&app.anybody().from(&format!("203.0.113.{host}")), name).await.problem(401, "unauthenticated");
        }
        let late = app.anybody().from(&format!("198.51.100.{}", name.len()));
        guess(&late, name).await.problem(401, "unauthenticated");
        limited(&guess(&late, name).await, "login_account");
    }
    // Nor does it tell a stranger who sits behind the address of somebody who signs in meanwhile.
    app.account("eva", Role::User).await;
    for (name, from) in [("eva", "203.0.113.77"), ("noone", "203.0.113.78")] {
        let home = app.anybody().from(from);
        for tried in 0..5 {
            guess(&home, name).await.problem(401, "unauthenticated");
            if name == "eva" && tried == 3 {
                login(&home, name, PASSWORD).await.expect(200);
            }
        }
        limited(&guess(&home, name).await, "login");
    }
}

#[tokio::test]
async fn a_network_lives_on_those_who_sign_in() {
    let app = start(LimitRates::default()).await;
    let office = app.anybody().from(HERE);
    for at in 0..30 {
        let name = format!("colleague-{at}");
        app.account(&name, Role::User).await;
        // Each mistypes his password once; one in so many has forgotten it.
        guess(&office, &name).await.problem(401, "unauthenticated");
        login(&office, &name, PASSWORD).await.expect(200);
    }
    let sprayer = app.anybody().from(THERE);
    for at in 0..10 {
        guess(&sprayer, &format!("colleague-{at}")).await.problem(401, "unauthenticated");
    }
    limited(&guess(&sprayer, "colleague-11").await, "login_network");
    limited(&login(&sprayer, "colleague-12", PASSWORD).await, "login_network");
    login(&office, "colleague-3", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn registrations_are_bounded() {
    let app = start(LimitRates::default()).await;
    let register = async |from: &str, name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        app.anybody().from(from).post("/api/v1/auth/register", &body).await
    };
    register(HERE, "ana").await.expect(201);
    for _ in 0..4 {
        register(HERE, "ana").await.problem(409, "already_exists");
    }
    limited(&register(HERE, "ben").await, "register");
    limited(&register(THERE, "ana").await, "register");
    register(THERE, "ben").await.expect(201);
    app.clock.step(TimeDelta::minutes(3));
    register(HERE, "cleo").await.expect(201);
}

#[tokio::test]
async fn mails_and_tokens_are_bounded() {
    let app = start(LimitRates::default()).await;
    app.account("ana", Role::User).await;
    let forgot = async |from: &str, name: &str| {
        let body = json!({ "email": format!("{name}@example.com") });
        app.anybody().from(from).post("/api/v1/auth/password/forgot", &body).await
    };
    for name in ["ana", "nobody"] {
        for _ in 0..5 {
            forgot(HERE, name).await.expect(202);
        }
        limited(&forgot(HERE, name).await, "mails");
        limited(&forgot(THERE, name).await, "mails");
    }
    // His own address may be somebody else's, for as long as it is not verified.
    let register = json!({ "email": "eva@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    let buyer = app.sign_in("eva").await;
    for _ in 0..5 {
        buyer.act("/api/v1/auth/email/verification").await.expect(202);
    }
    limited(&buyer.act("/api/v1/auth/email/verification").await, "mails");
    let verify = async |from: &str| {
        let body = json!({ "token": "x".repeat(43) });
        app.anybody().from(from).post("/api/v1/auth/email/verify", &body).await
    };
    let third = "203.0.113.7";
    for _ in 0..20 {
        verify(third).await.problem(422, "validation_failed");
    }
    limited(&verify(third).await, "tokens");
    verify(THERE).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn who_passes_a_ticket_on_sends_no_more_mails_than_others() {
    let World { app, organizer, buyer, .. } = guarded(LimitRates::default()).await;
    let event = organizer.post("/api/v1/events", &gala(0, 10)).await.expect(201)["id"].as_str().unwrap().to_owned();
    organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let made = buyer.post(&format!("/api/v1/events/{event}/bookings"), &json!({})).await.expect(201).clone();
    let tickets = format!("/api/v1/bookings/{}/tickets", made["id"].as_str().unwrap());
    let ticket = buyer.get(&tickets).await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    let transfer = async |to: &Value| buyer.post(&format!("/api/v1/tickets/{ticket}/transfer"), to).await;
    let eve = json!({ "name": "Eve", "email": "eve@example.com" });
    for _ in 0..5 {
        transfer(&eve).await.expect(200);
    }
    limited(&transfer(&eve).await, "mails");
    transfer(&json!({ "name": "Eve" })).await.expect(200);
    transfer(&json!({ "name": "Ola", "email": "ola@example.com" })).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn use_is_bounded_by_account_and_told() {
    let rates =
        LimitRates::default().with(LimitClass::Reads, Rate::new(3, 60)).with(LimitClass::Writes, Rate::new(2, 60));
    let World { app, organizer, buyer, .. } = guarded(rates).await;
    let seen = buyer.get("/api/v1/auth/me").await;
    assert_eq!(seen.header("ratelimit-policy"), Some("\"reads\";q=3;w=60"));
    assert_eq!(seen.header("ratelimit"), Some("\"reads\";r=2;t=20"));
    buyer.get("/api/v1/auth/me").await.expect(200);
    buyer.get("/api/v1/auth/me").await.expect(200);
    limited(&buyer.get("/api/v1/auth/me").await, "reads");
    limited(&buyer.get("/api/v1/events").await, "reads");
    organizer.get("/api/v1/auth/me").await.expect(200);
    app.anybody().get("/api/v1/events").await.expect(200);
    let made = buyer.act("/api/v1/auth/email/verification").await;
    assert!(made.status.is_success() || made.status.is_client_error(), "{made:?}");
    let write = async || organizer.post("/api/v1/organizers", &json!({ "name": "Kino" })).await;
    assert_eq!(write().await.header("ratelimit"), Some("\"writes\";r=1;t=30"));
    write().await;
    limited(&write().await, "writes");
    app.clock.step(TimeDelta::seconds(30));
    assert_ne!(write().await.status.as_u16(), 429);
}

#[tokio::test]
async fn bookings_and_what_is_held_are_bounded() {
    let rates = LimitRates::default().with(LimitClass::Bookings, Rate::new(4, 60));
    let world = guarded(rates.clone()).await;
    let event = world.on_sale(2_500, 1_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    for _ in 0..4 {
        world.buyer.post(&path, &json!({})).await.expect(201);
    }
    limited(&world.buyer.post(&path, &json!({})).await, "bookings");
    world.stranger.post(&path, &json!({})).await.expect(201);

    // Who holds twenty units has to wait until some could have lapsed; what was refused does not count.
    let world = guarded(rates.with(LimitClass::Bookings, Rate::new(100, 60))).await;
    let event = world.on_sale(2_500, 1_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    for _ in 0..3 {
        world.buyer.post(&path, &json!({ "quantity": 11 })).await.problem(422, "limit_exceeded");
    }
    world.buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
    world.buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
    limited(&world.buyer.post(&path, &json!({})).await, "buyer_units");
    world.stranger.post(&path, &json!({ "quantity": 10 })).await.expect(201);
    let other = world.on_sale(2_500, 1_000).await;
    world.buyer.post(&format!("/api/v1/events/{other}/bookings"), &json!({})).await.expect(201);
    world.app.clock.step(TimeDelta::minutes(14));
    world.buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
}

/// Without it who renews what he holds whenever he may could hold twenty more each quarter of an hour.
#[tokio::test]
async fn what_is_held_for_longer_counts_again() {
    let world = guarded(LimitRates::default()).await;
    let event = world.on_sale(2_500, 1_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let first = world.buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
    let renew = format!("/api/v1/bookings/{}/renew", first["id"].as_str().unwrap());
    world.stranger.act(&renew).await.problem(404, "not_found");
    world.buyer.act(&renew).await.expect(200);
    limited(&world.buyer.act(&renew).await, "buyer_units");
    limited(&world.buyer.post(&path, &json!({})).await, "buyer_units");
    // What is refused for another reason takes nothing.
    world.app.clock.step(TimeDelta::hours(3));
    let buyer = world.app.sign_in("buyer").await;
    for _ in 0..3 {
        buyer.act(&renew).await.problem(409, "booking_expired");
    }
    buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
    buyer.post(&path, &json!({ "quantity": 10 })).await.expect(201);
}

#[tokio::test]
async fn no_network_empties_a_hall() {
    let rates = LimitRates::default().with(LimitClass::NetworkUnits, Rate::new(25, 900));
    let world = guarded(rates).await;
    let event = world.on_sale(2_500, 1_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let body = json!({ "quantity": 10 });
    world.buyer.from("2001:db8:0:1::1").post(&path, &body).await.expect(201);
    world.stranger.from("2001:db8:0:1::2").post(&path, &body).await.expect(201);
    let one_more = world.admin.from("2001:db8:0:1:ffff::3");
    limited(&one_more.post(&path, &body).await, "network_units");
    one_more.post(&path, &json!({ "quantity": 5 })).await.expect(201);
    world.admin.from("2001:db8:0:2::1").post(&path, &body).await.expect(201);
    // What costs nothing is sold at once, and held by nobody.
    let free = world.on_sale(0, 1_000).await;
    for _ in 0..5 {
        world.buyer.from(HERE).post(&format!("/api/v1/events/{free}/bookings"), &body).await.expect(201);
    }
}

/// Where a hall is so small that the limits of what one may ask for are more than it has.
#[tokio::test]
async fn nobody_holds_more_than_a_share_of_a_small_hall() {
    let world = guarded(LimitRates::default()).await;
    let World { app, buyer, stranger, admin, .. } = &world;
    let event = world.on_sale(2_500, 60).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let (few, many) = (json!({ "quantity": 5 }), json!({ "quantity": 10 }));
    // One booking may be as large as the organizer lets it be, but then it is the only one: of him, and of his network.
    let first = buyer.from(HERE).post(&path, &many).await.expect(201);
    limited(&buyer.from(HERE).post(&path, &many).await, "buyer_units");
    limited(&buyer.from(THERE).post(&path, &many).await, "buyer_units");
    buyer.from(THERE).post(&path, &few).await.expect(201);
    limited(&stranger.from(HERE).post(&path, &many).await, "network_units");
    stranger.from(HERE).post(&path, &few).await.expect(201);
    limited(&admin.from(HERE).post(&path, &json!({})).await, "network_units");
    admin.from("203.0.113.5").post(&path, &many).await.expect(201);
    // What was paid, or given back, is not held.
    let first = first["id"].as_str().unwrap();
    world.organizer.post(&format!("/api/v1/bookings/{first}/confirm"), &json!({})).await.expect(200);
    admin.from(HERE).post(&path, &json!({})).await.expect(201);
    // Nor is what lapsed; what is renewed is.
    let late = stranger.from("203.0.113.6").post(&path, &few).await.expect(201);
    app.clock.step(TimeDelta::minutes(14));
    let renew = format!("/api/v1/bookings/{}/renew", late["id"].as_str().unwrap());
    stranger.from("203.0.113.6").act(&renew).await.expect(200);
    app.clock.step(TimeDelta::minutes(14));
    let stranger = app.sign_in("stranger").await;
    stranger.from(HERE).post(&path, &many).await.expect(201);
    limited(&stranger.from(HERE).post(&path, &few).await, "buyer_units");
}

/// Many at a time gain nothing, nor who hangs up before he is answered; and who asks again with his key hears of what he has.
#[tokio::test]
async fn a_share_is_a_share_for_many_at_a_time() {
    let app = start(LimitRates::default().with(LimitClass::Bookings, Rate::new(1_000, 60))).await;
    let world = world_of(app).await;
    let event = world.on_sale(2_500, 16).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let buyer = world.buyer.from(HERE);
    let keyed = async |key| {
        let body = Some(json!({ "quantity": 7 }).to_string());
        let headers = [("idempotency-key", key), ("content-type", "application/json")];
        buyer.send(Method::POST, &path, &headers, body).await
    };
    let first = keyed("mine").await.expect(201);
    let tries = (0..12).map(|_| async { buyer.post(&path, &json!({})).await.status });
    let made = futures::future::join_all(tries).await.into_iter().filter(|status| *status == 201).count();
    assert_eq!(made, 1, "eight of sixteen are a share");
    assert_eq!(keyed("mine").await.expect(201)["id"], first["id"]);
    limited(&keyed("another").await, "buyer_units");
    // Also when it is sold by now, and somebody else of his network holds the share.
    let id = first["id"].as_str().unwrap();
    world.organizer.post(&format!("/api/v1/bookings/{id}/confirm"), &json!({})).await.expect(200);
    world.stranger.from(HERE).post(&path, &json!({ "quantity": 7 })).await.expect(201);
    assert_eq!(keyed("mine").await.expect(201)["id"], first["id"]);
    limited(&keyed("another").await, "network_units");
}

#[tokio::test]
async fn who_hangs_up_holds_no_more_than_his_share() {
    let app = start(LimitRates::default().with(LimitClass::Bookings, Rate::new(100_000, 60))).await;
    let world = world_of(app).await;
    let buyer = world.buyer.from(HERE);
    for round in 0..20_u64 {
        let event = world.on_sale(2_500, 40).await;
        let path = format!("/api/v1/events/{event}/bookings");
        for at in 0..6 {
            // Somewhere on its way to the commit and back.
            let patience = Duration::from_micros(100 * (round + 1) + 150 * at);
            let _ = tokio::time::timeout(patience, buyer.post(&path, &json!({ "quantity": 5 }))).await;
        }
        // Who asks after them is answered after them.
        world.stranger.from(THERE).post(&path, &json!({ "quantity": 1 })).await.expect(201);
        let all = world.organizer.get(&format!("{path}?status=pending")).await.expect(200);
        let units =
            all["items"].as_array().unwrap().iter().map(|booking| booking["items"][0]["quantity"].as_u64().unwrap());
        let held: u64 = units.sum();
        assert!(held <= 11, "{held} in round {round}");
    }
}

/// What costs nothing is held by nobody, also while it is being decided; and what would be refused hears why.
#[tokio::test]
async fn a_share_is_for_what_is_held() {
    let app = start(LimitRates::default().with(LimitClass::Bookings, Rate::new(1_000, 60))).await;
    let world = world_of(app).await;
    let free = world.on_sale(0, 20).await;
    let path = format!("/api/v1/events/{free}/bookings");
    let buyer = world.buyer.from(HERE);
    let tries = (0..10).map(|_| async { buyer.post(&path, &json!({ "quantity": 2 })).await.status });
    assert!(futures::future::join_all(tries).await.into_iter().all(|status| status == 201));
    // A draft is hidden from who asks for much of it at once.
    let draft = world.draft(2_500, 8).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events/{draft}/bookings");
    let tries = (0..4).map(|_| async { buyer.post(&path, &json!({ "quantity": 4 })).await.status });
    assert!(futures::future::join_all(tries).await.into_iter().all(|status| status == 404));
    let event = world.on_sale(2_500, 8).await;
    let path = format!("/api/v1/events/{event}/bookings");
    buyer.post(&path, &json!({ "quantity": 4 })).await.expect(201);
    buyer.post(&path, &json!({ "quantity": 4, "expectedTotal": 1 })).await.problem(409, "price_changed");
    limited(&buyer.post(&path, &json!({ "quantity": 4 })).await, "buyer_units");
}

/// A share is one of each pool: who holds his of the hall gets no more of it by another type.
#[tokio::test]
async fn a_share_of_a_hall_is_one_for_all_its_types() {
    let app = start(LimitRates::default().with(LimitClass::BuyerUnits, Rate::new(1_000, 900))).await;
    let world = world_of(app).await;
    let event = world.on_sale(2_500, 40).await;
    let (path, types) = (format!("/api/v1/events/{event}"), format!("/api/v1/events/{event}/ticket-types"));
    let pool =
        world.organizer.post(&format!("{path}/pools"), &json!({ "name": "Hall", "capacity": 40 })).await.expect(201);
    let path = format!("{path}/bookings");
    let add = async |name| {
        let body = json!({ "name": name, "price": 2_500, "poolIds": [pool["id"]] });
        world.organizer.post(&types, &body).await.expect(201)["id"].as_str().unwrap().to_owned()
    };
    let types = [add("Seated").await, add("Standing").await];
    let of = |at: usize, quantity: u32| json!({ "items": [{ "ticketTypeId": types[at], "quantity": quantity }] });
    let buyer = world.buyer.from(HERE);
    buyer.post(&path, &of(0, 8)).await.expect(201);
    limited(&buyer.post(&path, &of(1, 8)).await, "buyer_units");
    buyer.post(&path, &of(1, 2)).await.expect(201);
    limited(&world.stranger.from(HERE).post(&path, &of(1, 1)).await, "network_units");
}

#[tokio::test]
async fn scanners_are_refused_before_anything_is_looked_up() {
    let rates = LimitRates::default().with(LimitClass::Misses, Rate::new(10, 600));
    let World { app, organizer, buyer, stranger, .. } = guarded(rates).await;
    let (scanner, bystander) = (app.anybody().from(HERE), buyer.from(HERE));
    for at in 0..4 {
        scanner.get(&format!("/wp-admin/{at}.php")).await.problem(404, "not_found");
    }
    for at in 0..3 {
        scanner.get(&format!("/api/v1/events/0198{at}000-0000-7000-8000-000000000000")).await.problem(404, "not_found");
    }
    scanner.send(Method::DELETE, "/api/v1/events", &[], None).await.problem(405, "method_not_allowed");
    scanner.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    app.bearer("rubbish").from(HERE).get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    for path in ["/", "/wp-admin", "/api/v1/events", "/api/v1/auth/me", "/docs/", "/openapi.json"] {
        limited(&scanner.get(path).await, "misses");
    }
    limited(&app.bearer("rubbish").from(HERE).get("/api/v1/events").await, "misses");
    // Who has signed in is not held responsible for others behind his address, until he knocks at such doors himself.
    bystander.get("/api/v1/auth/me").await.expect(200);
    app.anybody().from(THERE).get("/api/v1/events").await.expect(200);
    // Nor is the device at the door.
    let club = organizer.post("/api/v1/organizers", &json!({ "name": "Club" })).await.expect(201)["id"].clone();
    let club = format!("/api/v1/organizers/{}", club.as_str().unwrap());
    let key = json!({ "name": "Door", "scopes": ["events:read"] });
    let key = organizer.post(&format!("{club}/api-keys"), &key).await.expect(201).clone();
    let device = app.bearer(key["secret"].as_str().unwrap());
    limited(&device.from(HERE).get(&club).await, "misses");
    device.from(THERE).get(&club).await.expect(200);
    device.from(HERE).get(&club).await.expect(200);
    organizer
        .send(Method::DELETE, &format!("{club}/api-keys/{}", key["id"].as_str().unwrap()), &[], None)
        .await
        .expect(204);
    device.from(HERE).get(&club).await.problem(401, "unauthenticated");
    limited(&device.from(HERE).get(&club).await, "misses");
    let insider = organizer.from(HERE);
    for _ in 0..10 {
        insider.get("/api/v1/bookings/01980000-0000-7000-8000-000000000000").await.problem(404, "not_found");
    }
    limited(&insider.get("/api/v1/auth/me").await, "misses");
    // Also where nothing asks who he is.
    let stranger = stranger.from(HERE);
    for at in 0..10 {
        stranger.get(&format!("/wp-admin/{at}.php")).await.problem(404, "not_found");
    }
    limited(&stranger.get("/wp-admin").await, "misses");
    bystander.get("/api/v1/auth/me").await.expect(200);
    for probe in ["/liveness", "/readiness", "/health"] {
        assert_eq!(scanner.get(probe).await.status.as_u16(), 200, "{probe}");
    }
    app.database.database.close().await;
    app.anybody().from(THERE).get("/api/v1/events").await.problem(503, "unavailable");
    limited(&scanner.get("/api/v1/events/01980000-0000-7000-8000-000000000001").await, "misses");
    limited(&login(&scanner, "buyer", PASSWORD).await, "misses");
}

/// Who is signed in refreshes where others have scanned; a token that is not ours, or of somebody who has knocked so himself,
/// is not looked up, and it is worth nothing elsewhere.
#[tokio::test]
async fn sessions_go_on_behind_an_address_that_is_shut() {
    let app = start(LimitRates::default().with(LimitClass::Misses, Rate::new(6, 600))).await;
    app.account("ana", Role::User).await;
    let office = app.anybody().from(HERE);
    let refresh = async |token: &str| office.post("/api/v1/auth/refresh", &json!({ "refreshToken": token })).await;
    let tokens = login(&office, "ana", PASSWORD).await.expect(200);
    let first = tokens["refreshToken"].as_str().unwrap().to_owned();
    for at in 0..6 {
        office.get(&format!("/wp-admin/{at}.php")).await.problem(404, "not_found");
    }
    limited(&office.get("/api/v1/events").await, "misses");
    app.clock.step(TimeDelta::minutes(5));
    for at in 0..3 {
        office.get(&format!("/wp-admin/{at}.php")).await;
    }
    limited(&login(&office, "ana", PASSWORD).await, "misses");
    let tokens = refresh(&first).await.expect(200);
    let newest = tokens["refreshToken"].as_str().unwrap().to_owned();
    assert_ne!(newest, first);
    let cookie = format!("__Host-goticket-refresh={newest}");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let page = office.send(Method::POST, "/api/v1/auth/web/refresh", &headers, None).await;
    page.expect(200);
    limited(&office.send(Method::GET, "/api/v1/events", &headers[..1], None).await, "misses");
    let tokens = refresh(&newest).await.expect(200);
    let newest = tokens["refreshToken"].as_str().unwrap().to_owned();

    let (random, holder) = newest.split_once('.').unwrap();
    let (shorter, other) = (&holder[..holder.len() - 1], holder.replacen(&holder[30..31], "-", 1));
    for forged in [random, &format!("{random}."), &format!("{random}.{shorter}"), &format!("{random}.{other}x")] {
        limited(&refresh(forged).await, "misses");
    }
    // What is ours and of no use is a miss of who it was made for, though nobody is known to have sent it.
    let useless = format!("{}.{holder}", "A".repeat(43));
    for _ in 0..6 {
        refresh(&useless).await.problem(401, "unauthenticated");
    }
    limited(&refresh(&newest).await, "misses");
    // With an access token that holds the refresh token need not say whose it is.
    app.account("ben", Role::User).await;
    let ben = app.sign_in("ben").await.from(HERE);
    ben.post("/api/v1/auth/refresh", &json!({ "refreshToken": random })).await.problem(401, "unauthenticated");
    // After the longest time that its session could have lasted it says nothing any more.
    let old = login(&app.anybody().from(THERE), "ben", PASSWORD).await.expect(200)["refreshToken"].clone();
    app.clock.step(TimeDelta::days(31));
    for at in 0..6 {
        office.get(&format!("/wp-admin/{at}.php")).await;
    }
    limited(&refresh(old.as_str().unwrap()).await, "misses");
    app.database.database.close().await;
    limited(&refresh(&newest).await, "misses");
    app.anybody()
        .from(THERE)
        .post("/api/v1/auth/refresh", &json!({ "refreshToken": newest }))
        .await
        .problem(503, "unavailable");
}

/// Providers send thousands of messages from one address; what nobody has signed, or is for nobody, is knocking at doors.
#[tokio::test]
async fn messages_for_nobody_count_as_misses_and_others_are_not_bounded() {
    let rates = LimitRates::default().with(LimitClass::Misses, Rate::new(3, 600));
    let app = start(rates.with(LimitClass::Requests, Rate::new(1, 600))).await;
    let sender = app.anybody().from(HERE);
    for _ in 0..3 {
        sender.post("/api/v1/webhooks/cowries", &json!({})).await.problem(404, "not_found");
    }
    limited(&sender.post("/api/v1/webhooks/cowries", &json!({})).await, "misses");
    limited(&sender.post("/api/v1/webhooks/sandbox", &json!({})).await, "misses");
    app.anybody().from(THERE).post("/api/v1/webhooks/cowries", &json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_address_is_bounded_in_all() {
    let app = start(LimitRates::default().with(LimitClass::Requests, Rate::new(3, 60))).await;
    for address in [HERE, "::ffff:192.0.2.1", HERE] {
        app.anybody().from(address).get("/api/v1/events").await.expect(200);
    }
    limited(&app.anybody().from("::ffff:192.0.2.1").get("/api/v1/events").await, "requests");
    app.anybody().from(THERE).get("/api/v1/events").await.expect(200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_has_his_own_limits() {
    let mut settings = Settings::default();
    settings.rest.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    settings.limits = Some(LimitRates::default().with(LimitClass::Requests, Rate::new(1, 60)));
    let app = TestApp::start_with(Engine::Sqlite, settings).await;
    let through = async |peer: &str, chain: &str| {
        let headers = [("x-forwarded-for", chain)];
        app.anybody().from(peer).send(Method::GET, "/api/v1/events", &headers, None).await
    };
    through("10.0.0.1", HERE).await.expect(200);
    through("10.0.0.1", THERE).await.expect(200);
    limited(&through("10.0.0.1", &format!("203.0.113.1, {HERE}")).await, "requests");
    through("203.0.113.9", HERE).await.expect(200);
    limited(&through("203.0.113.9", "203.0.113.10").await, "requests");
}
