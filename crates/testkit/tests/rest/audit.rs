//! The audit log over HTTP: whom it is shown, how it is filtered and exported, and what is noted besides changes.

use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::app::{Caller, PASSWORD};
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::organizer;

/// A world whose organizer has an event on sale that was booked thrice, where its audit log is, and the event.
async fn sold(engine: Engine) -> (World, String, String) {
    let world = world(engine).await;
    let event = world.on_sale(0, 100).await;
    let path = format!("{}/audit", organizer(&world).await);
    for _ in 0..3 {
        world.book(&event, 1).await;
    }
    (world, path, event)
}

async fn page(caller: &Caller, path: &str) -> (Vec<Value>, Option<String>) {
    let page = caller.get(path).await.expect(200);
    let next = page["nextCursor"].as_str().map(str::to_owned);
    (page["items"].as_array().unwrap().clone(), next)
}

fn words<'a>(lines: &'a [Value], field: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line[field].as_str().unwrap()).collect()
}

async fn lines_are_shown_newest_first_sealed_or_not(engine: Engine) {
    let (world, path, event) = sold(engine).await;
    let owner = &world.organizer;
    let (waiting, next) = page(owner, &path).await;
    assert_eq!(next, None);
    let bookings = ["booking.confirmed"; 3];
    let all = [&bookings[..], &["event.published", "event.created", "organizer.created"]].concat();
    assert_eq!(words(&waiting, "action"), all);
    assert!(waiting.iter().all(|line| line["sealed"] == false && line["block"].is_null()), "{waiting:?}");
    assert_eq!(waiting[0]["actorKind"], "user");
    assert_eq!(waiting[0]["actorId"], json!(world.buyer.user()));
    world.app.seal_audit().await;
    world.book(&event, 1).await;
    let (lines, _) = page(owner, &format!("{path}?limit=3")).await;
    assert_eq!(words(&lines, "action"), ["booking.confirmed", "audit.read", "booking.confirmed"]);
    assert_eq!(lines[1]["after"], json!({ "times": 1 }));
    let sealed: Vec<bool> = lines.iter().map(|line| line["sealed"].as_bool().unwrap()).collect();
    assert_eq!(sealed, [false, true, true]);

    // Whichever pages one takes, all of it comes once, in one order.
    let (whole, _) = page(owner, &format!("{path}?limit=100")).await;
    assert_eq!(whole.len(), 8);
    for limit in [1, 2, 3, 7, 8] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (some, next) = page(owner, &format!("{path}?limit={limit}{cursor}")).await;
            seen.extend(some);
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(words(&seen, "id"), words(&whole, "id"), "{limit}");
    }
}

async fn lines_are_filtered(engine: Engine) {
    let (world, path, event) = sold(engine).await;
    world.app.seal_audit().await;
    let owner = &world.organizer;
    let count = async |query: &str| page(owner, &format!("{path}?{query}")).await.0.len();
    assert_eq!(count("action=booking.confirmed").await, 3);
    assert_eq!(count("action=booking.").await, 3);
    assert_eq!(count("action=booking").await, 0);
    assert_eq!(count(&format!("object={event}")).await, 2);
    assert_eq!(count(&format!("actor={}", world.buyer.user())).await, 3);
    assert_eq!(count(&format!("actor={}", world.stranger.user())).await, 0);
    assert_eq!(count("from=2020-01-01T00:00:00Z&to=2040-01-01T00:00:00Z&action=event.").await, 2);
    assert_eq!(count("from=2040-01-01T00:00:00Z").await, 0);
    assert_eq!(count("to=2020-01-01T00:00:00Z").await, 0);
    for bad in ["limit=0", "limit=101", "action=Booking", "action=", "format=csv&limit=5001"] {
        owner.get(&format!("{path}?{bad}")).await.problem(422, "validation_failed");
    }
    for bad in ["cursor=x", "actor=x", "format=xml", "from=yesterday", "actors=x"] {
        owner.get(&format!("{path}?{bad}")).await.problem(400, "malformed_request");
    }
}

async fn lines_are_exported(engine: Engine) {
    let (world, path, _) = sold(engine).await;
    world.app.seal_audit().await;
    let owner = &world.organizer;
    let csv = owner.send(Method::GET, &path, &[("accept", "text/csv")], None).await;
    assert_eq!((csv.status.as_u16(), csv.header("content-type")), (200, Some("text/csv")));
    assert_eq!(csv.header("cache-control"), Some("no-store"));
    assert_eq!(csv.text.lines().count(), 7, "{}", csv.text);
    assert!(csv.text.starts_with("id,at,actorKind,"), "{}", csv.text);
    let mut at = format!("{path}?format=jsonl&limit=4&action=booking.");
    let mut seen = 0;
    loop {
        let part = owner.get(&at).await;
        assert_eq!((part.status.as_u16(), part.header("content-type")), (200, Some("application/jsonl")));
        for line in part.text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["action"], "booking.confirmed");
            seen += 1;
        }
        let Some(link) = part.header("link") else { break };
        at = link.trim_start_matches('<').split_once('>').unwrap().0.to_owned();
    }
    assert_eq!(seen, 3);
    world.app.seal_audit().await;
    let (noted, _) = page(owner, &format!("{path}?action=audit.")).await;
    assert_eq!(words(&noted, "action"), ["audit.exported"]);
    assert_eq!(noted[0]["actorId"], json!(owner.user()));
}

async fn reads_and_refusals_are_noted(engine: Engine) {
    let (world, path, event) = sold(engine).await;
    let (owner, app) = (&world.organizer, &world.app);
    let bookings = owner.get(&format!("/api/v1/events/{event}/bookings")).await.expect(200);
    let booking = bookings["items"][0]["id"].as_str().unwrap();
    let tickets = format!("/api/v1/bookings/{booking}/tickets");
    let ticket = world.buyer.get(&tickets).await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    for caller in [owner, &world.buyer] {
        caller.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
        caller.get(&tickets).await.expect(200);
        caller.get(&format!("/api/v1/bookings/{booking}/invoices")).await.expect(200);
        caller.send(Method::GET, &format!("/api/v1/tickets/{ticket}/qr.svg"), &[], None).await;
        caller.send(Method::GET, &format!("/api/v1/tickets/{ticket}.pdf"), &[], None).await;
    }
    for _ in 0..2 {
        owner.get(&format!("/api/v1/events/{event}/bookings")).await.expect(200);
    }
    for _ in 0..3 {
        world.stranger.get(&path).await.problem(404, "not_found");
        world.buyer.get("/api/v1/users").await.problem(403, "forbidden");
    }
    let factor = format!("/api/v1/users/{}/second-factor", owner.user());
    world.buyer.send(Method::DELETE, &factor, &[], None).await.problem(403, "forbidden");
    // Asked to do what is done already it answers all the same, and nothing else is noted of that.
    owner.post(&format!("/api/v1/bookings/{booking}/confirm"), &json!({})).await.expect(200);
    let wrong = json!({ "email": "buyer@example.com", "password": "wrong password" });
    for _ in 0..2 {
        app.anybody().post("/api/v1/auth/login", &wrong).await.problem(401, "unauthenticated");
    }
    for nobody in ["nobody@example.com", "no address"] {
        let wrong = json!({ "email": nobody, "password": "wrong password" });
        app.anybody().post("/api/v1/auth/login", &wrong).await.problem(401, "unauthenticated");
    }
    let change = json!({ "currentPassword": "wrong password", "password": "another horse battery" });
    world.buyer.post("/api/v1/auth/password/change", &change).await.problem(422, "validation_failed");
    let delete = json!({ "password": "wrong password" });
    world.buyer.post("/api/v1/users/me/delete", &delete).await.problem(422, "validation_failed");
    world.admin.get("/api/v1/users").await.expect(200);
    app.seal_audit().await;
    let (lines, _) = page(owner, &format!("{path}?action=bookings.listed")).await;
    assert_eq!(lines.len(), 1, "the same of the same is one line");
    assert_eq!((&lines[0]["after"], &lines[0]["objectId"]), (&json!({ "times": 3 }), &json!(event)));
    assert_eq!(lines[0]["actorId"], json!(owner.user()));
    for (action, object, times) in [
        ("booking.read", booking, 2),
        ("tickets.read", booking, 1),
        ("invoices.read", booking, 1),
        ("ticket.read", ticket.as_str(), 2),
    ] {
        let (lines, _) = page(owner, &format!("{path}?action={action}")).await;
        assert_eq!(lines.len(), 1, "{action}: who reads his own is not noted");
        let line = &lines[0];
        let expected = (&json!({ "times": times }), &json!(object), &json!(owner.user()));
        assert_eq!((&line["after"], &line["objectId"], &line["actorId"]), expected);
    }
    let (platform, _) = page(&world.admin, "/api/v1/audit?limit=100").await;
    let noted = |action: &str| platform.iter().filter(|line| line["action"] == action).count();
    let tried = |action: &str| -> Vec<(&Value, &Value)> {
        let lines = platform.iter().filter(|line| line["action"] == action);
        lines.map(|line| (&line["after"], &line["objectId"])).collect()
    };
    let organizer = path.split('/').nth(4).unwrap();
    let (list, one) = ("GET /api/v1/users", "DELETE /api/v1/users/{userId}/second-factor");
    let hidden = "GET /api/v1/organizers/{organizerId}/audit";
    let of = |request: &str, times: u64| json!({ "times": times, "request": request });
    let (nothing, owner_id) = (json!(Uuid::nil()), json!(owner.user()));
    assert_eq!(tried("access.hidden"), [(&of(hidden, 3), &json!(organizer))]);
    let refused = tried("access.refused");
    assert!(refused.contains(&(&of(list, 3), &nothing)) && refused.contains(&(&of(one, 1), &owner_id)), "{refused:?}");
    assert_eq!(refused.len(), 2);
    // Of whom, where it is an account; and alike for all addresses that are none's.
    let times = |action: &str, whose: &Value| -> Vec<u64> {
        let line = |line: &&Value| line["action"] == action && line["objectId"] == *whose;
        platform.iter().filter(line).map(|line| line["after"]["times"].as_u64().unwrap()).collect()
    };
    let (buyer, nobody) = (json!(world.buyer.user()), json!(Uuid::nil()));
    assert_eq!((times("login.failed", &buyer), times("login.failed", &nobody)), (vec![2], vec![2]));
    assert_eq!(times("user.password_failed", &buyer), [2]);
    assert_eq!(noted("users.listed"), 1);
    let text = format!("{platform:?}");
    assert!(!text.contains("wrong password") && !text.contains("buyer@example.com"), "{text}");
    assert_sound(&app.database).await;
}

/// Also what changes nothing yet: whoever asked may not have been the owner, and the owner wants to find that.
#[tokio::test]
async fn mails_that_were_asked_for_and_half_an_agreement_are_lines_of_the_platform() {
    let world = world(Engine::Sqlite).await;
    let app = &world.app;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    app.clock.step(TimeDelta::minutes(2));
    let buyer = app.sign_in("ana").await;
    buyer.act("/api/v1/auth/email/verification").await.expect(202);
    let forgot = json!({ "email": "ana@example.com" });
    app.anybody().post("/api/v1/auth/password/forgot", &forgot).await.expect(202);
    app.mailed_token("ana@example.com").await;
    let change = json!({ "email": "new@example.com", "password": PASSWORD });
    buyer.post("/api/v1/auth/email/change", &change).await.expect(202);
    let token = json!({ "token": app.mailed_token("new@example.com").await });
    assert_eq!(app.anybody().post("/api/v1/auth/email/agree", &token).await.expect(200)["status"], "waiting");
    let (lines, _) = page(&world.admin, "/api/v1/audit?limit=100").await;
    let of = |action: &str| -> Vec<(String, Value)> {
        let lines = lines.iter().filter(|line| line["action"] == action);
        lines
            .map(|line| {
                assert_eq!(line["objectId"], json!(buyer.user()));
                (line["actorKind"].as_str().unwrap().to_owned(), line["after"].clone())
            })
            .collect()
    };
    let asked = |who: &str, purpose: &str| (who.to_owned(), json!({ "purpose": purpose }));
    assert_eq!(of("user.mail_asked"), [asked("system", "reset_password"), asked("user", "verify_email")]);
    assert_eq!(of("user.email_change_asked").len(), 1);
    assert_eq!(of("user.email_change_agreed"), [("user".to_owned(), json!({ "by": "confirm_new_email" }))]);
    world.app.stop().await;
}

async fn the_log_of_the_platform_is_shown_to_admins(engine: Engine) {
    let (world, path, event) = sold(engine).await;
    let (app, admin) = (&world.app, &world.admin);
    for caller in [&world.organizer, &world.buyer] {
        caller.get("/api/v1/audit").await.problem(403, "forbidden");
    }
    app.anybody().get("/api/v1/audit").await.problem(401, "unauthenticated");
    app.seal_audit().await;
    let (lines, _) = page(admin, "/api/v1/audit?limit=100").await;
    assert!(lines.iter().all(|line| line["sealed"] == true), "{lines:?}");
    assert!(lines.iter().any(|line| line["action"] == "user.registered"), "{lines:?}");
    assert!(lines.iter().all(|line| line["objectId"] != json!(event)), "what is an organizer's is in its own log");
    // The same filters and forms as an organizer's, and its cursors.
    let by_buyer = format!("/api/v1/audit?actor={}&action=access.refused", world.buyer.user());
    assert_eq!(page(admin, &by_buyer).await.0.len(), 1);
    let (first, next) = page(admin, "/api/v1/audit?limit=2").await;
    let (second, _) = page(admin, &format!("/api/v1/audit?limit=2&cursor={}", next.unwrap())).await;
    assert_eq!(words(&[first, second].concat(), "id"), words(&lines[..4], "id"));
    let part = admin.get("/api/v1/audit?format=jsonl&limit=3").await;
    assert_eq!((part.status.as_u16(), part.text.lines().count()), (200, 3));
    let link = part.header("link").unwrap();
    assert!(link.starts_with("</api/v1/audit?format=jsonl&limit=3&cursor="), "{link}");
    let csv = admin.send(Method::GET, "/api/v1/audit", &[("accept", "text/csv")], None).await;
    assert_eq!(csv.header("content-type"), Some("text/csv"));
    admin.get("/api/v1/audit?action=Login").await.problem(422, "validation_failed");
    // Reading it is noted in it, and in no organizer's.
    app.seal_audit().await;
    let (noted, _) = page(admin, "/api/v1/audit?action=audit.").await;
    assert_eq!(words(&noted, "action"), ["audit.exported", "audit.read"]);
    assert!(noted.iter().all(|line| line["actorId"] == json!(admin.user()) && line["objectKind"] == "platform"));
    assert_eq!(page(admin, &format!("{path}?action=audit.")).await.0.len(), 0);
}

goticket_testkit::on_both_engines! {
    lines_are_shown_newest_first_sealed_or_not,
    lines_are_filtered,
    lines_are_exported,
    reads_and_refusals_are_noted,
    the_log_of_the_platform_is_shown_to_admins,
}
