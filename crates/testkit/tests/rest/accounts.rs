//! What somebody does with his account over HTTP, with every mail really sent and read.

use application::identity::IdentitySettings;
use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::Role;
use goticket_testkit::app::{Caller, PASSWORD, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::world;
use serde_json::{Value, json};

const OTHER: &str = "incorrect horse battery";

/// Each scenario on each engine.
macro_rules! on_every_engine {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Engine::Postgres).await;
            })+
        }
    };
}

on_every_engine! {
    a_new_account_verifies_its_address_by_a_mail_in_its_language,
    a_token_works_once_also_when_two_come_at_once,
    a_forgotten_password_is_replaced_and_every_session_ends,
    a_token_is_bound_to_purpose_address_and_time,
    mails_come_at_most_once_a_minute,
    a_password_is_changed_by_who_knows_it_and_other_sessions_end,
    an_address_changes_once_both_have_agreed,
    an_address_that_is_taken_is_not_told_of,
    sessions_are_listed_and_ended,
    a_deleted_account_leaves_its_bookings_and_nothing_of_itself,
    who_must_stay_is_not_deleted,
    common_passwords_are_refused_where_one_chooses,
    who_has_not_verified_his_address_makes_no_other_way_in,
}

async fn post(caller: &Caller, path: &str, body: Value) -> Reply {
    caller.post(&format!("/api/v1{path}"), &body).await
}

async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    post(&app.anybody(), "/auth/login", json!({ "email": email, "password": password })).await
}

/// Somebody who signs in once more.
async fn again(app: &TestApp, email: &str, password: &str) -> Caller {
    let tokens = login(app, email, password).await.expect(200);
    app.bearer(tokens["accessToken"].as_str().unwrap())
}

async fn is_signed_in(caller: &Caller) -> bool {
    caller.get("/api/v1/auth/me").await.status == 200
}

/// The code of the only problem with a field.
#[track_caller]
fn field(reply: &Reply, field: &str, code: &str) {
    let problem = reply.problem(422, "validation_failed");
    assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!(field), &json!(code)));
}

async fn a_new_account_verifies_its_address_by_a_mail_in_its_language(engine: Engine) {
    let app = TestApp::start(engine).await;
    let new = json!({ "email": "Ana@example.com", "password": PASSWORD, "name": "<b>Ana</b>" }).to_string();
    let headers = [("accept-language", "pl-PL,en;q=0.5")];
    let made = app.anybody().send(Method::POST, "/api/v1/auth/register", &headers, Some(new)).await.expect(201);
    assert_eq!(made["emailVerified"], false);
    let mails = app.mails_to("ana@example.com").await;
    assert_eq!((mails.len(), mails[0].subject.as_str()), (1, "Potwierdzenie adresu e-mail"));
    assert!(mails[0].text.contains("https://tickets.example.com/account/verify-email#token="));
    let token = mails[0].token.clone().unwrap();
    assert_eq!(token.len(), 43, "256 bits");
    let user = post(&app.anybody(), "/auth/email/verify", json!({ "token": token })).await.expect(200);
    assert_eq!((&user["id"], &user["emailVerified"]), (&made["id"], &json!(true)));
    let ana = again(&app, "ana@example.com", PASSWORD).await;
    assert_eq!(ana.get("/api/v1/auth/me").await.expect(200)["emailVerified"], true);
    ana.act("/api/v1/auth/email/verification").await.expect(202);
    assert_eq!(app.mails_to("ana@example.com").await.len(), 1, "there is nothing left to verify");
    app.stop().await;
}

#[tokio::test]
async fn links_lead_to_pages_that_run_nothing_foreign() {
    let app = TestApp::start(Engine::Sqlite).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    post(&app.anybody(), "/auth/register", register).await.expect(201);
    post(&app.anybody(), "/auth/password/forgot", json!({ "email": "ana@example.com" })).await.expect(202);
    let mut pages = vec!["/account/confirm-email".to_owned(), "/account/invitation".to_owned()];
    for mail in app.mails_to("ana@example.com").await {
        let link = mail.text.split_whitespace().find(|word| word.contains("#token=")).unwrap().to_owned();
        pages.push(link.strip_prefix("https://tickets.example.com").unwrap().split('#').next().unwrap().to_owned());
    }
    assert_eq!(pages.len(), 4);
    for page in pages {
        let reply = app.anybody().get(&page).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        for part in reply.text.split('"').filter(|part| part.starts_with("/account/")) {
            assert_eq!(app.anybody().get(part).await.status, 200, "{part}");
        }
    }
    app.stop().await;
}

async fn a_token_works_once_also_when_two_come_at_once(engine: Engine) {
    let app = TestApp::start(engine).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    post(&app.anybody(), "/auth/register", register).await.expect(201);
    let token = app.mailed_token("ana@example.com").await;
    let anybody = app.anybody();
    let verify = || post(&anybody, "/auth/email/verify", json!({ "token": token }));
    let replies = futures::future::join_all((0..8).map(|_| verify())).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        field(reply, "token", "invalid_token");
    }
    app.account("bob", Role::User).await;
    post(&app.anybody(), "/auth/password/forgot", json!({ "email": "bob@example.com" })).await.expect(202);
    let token = app.mailed_token("bob@example.com").await;
    let reset = |n: usize| {
        let password = format!("{OTHER} {n}");
        post(&anybody, "/auth/password/reset", json!({ "token": token, "password": password }))
    };
    let replies = futures::future::join_all((0..8).map(reset)).await;
    let winners: Vec<usize> = (0..8).filter(|n| replies[*n].status == 204).collect();
    assert_eq!(winners.len(), 1);
    login(&app, "bob@example.com", &format!("{OTHER} {}", winners[0])).await.expect(200);
    app.stop().await;
}

async fn a_forgotten_password_is_replaced_and_every_session_ends(engine: Engine) {
    let app = TestApp::start(engine).await;
    let ana = app.account("ana", Role::User).await;
    let other = again(&app, "ana@example.com", PASSWORD).await;
    for email in ["ana@example.com", "nobody@example.com", "ANA@example.com"] {
        let reply = post(&app.anybody(), "/auth/password/forgot", json!({ "email": email })).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (202, ""), "{email}");
    }
    assert!(app.mails_to("nobody@example.com").await.is_empty());
    let mails = app.mails_to("ana@example.com").await;
    assert_eq!(mails.len(), 1);
    let token = mails[0].token.clone().unwrap();
    let reset = async |password: &str| post_reset(&app, &token, password).await;
    field(&reset("short").await, "password", "too_short");
    reset(OTHER).await.expect(204);
    assert!(!is_signed_in(&ana).await && !is_signed_in(&other).await);
    login(&app, "ana@example.com", PASSWORD).await.problem(401, "unauthenticated");
    let ana = again(&app, "ana@example.com", OTHER).await;
    assert_eq!(ana.get("/api/v1/auth/me").await.expect(200)["emailVerified"], true, "the mail was read");
    field(&reset(PASSWORD).await, "token", "invalid_token");
    let told = app.mails_to("ana@example.com").await.pop().unwrap();
    assert_eq!((told.subject.as_str(), told.token), ("Your password was changed", None));
    app.stop().await;
}

async fn post_reset(app: &TestApp, token: &str, password: &str) -> Reply {
    post(&app.anybody(), "/auth/password/reset", json!({ "token": token, "password": password })).await
}

async fn a_token_is_bound_to_purpose_address_and_time(engine: Engine) {
    let app = TestApp::start(engine).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    post(&app.anybody(), "/auth/register", register).await.expect(201);
    let verification = app.mailed_token("ana@example.com").await;
    field(&post_reset(&app, &verification, OTHER).await, "token", "invalid_token");
    let agreed = post(&app.anybody(), "/auth/email/agree", json!({ "token": verification })).await;
    field(&agreed, "token", "invalid_token");
    post(&app.anybody(), "/auth/password/forgot", json!({ "email": "ana@example.com" })).await.expect(202);
    let reset = app.mailed_token("ana@example.com").await;
    let verified = post(&app.anybody(), "/auth/email/verify", json!({ "token": reset })).await;
    field(&verified, "token", "invalid_token");
    app.clock.step(TimeDelta::hours(1));
    field(&post_reset(&app, &reset, OTHER).await, "token", "invalid_token");
    // What was shown in the wrong place was not used up there, and holds for three days.
    app.clock.step(TimeDelta::hours(70));
    post(&app.anybody(), "/auth/email/verify", json!({ "token": verification })).await.expect(200);
    for rubbish in ["", "x", &"A".repeat(43), &"A".repeat(10_000)] {
        let reply = post(&app.anybody(), "/auth/email/verify", json!({ "token": rubbish })).await;
        field(&reply, "token", "invalid_token");
    }
    app.stop().await;
}

async fn mails_come_at_most_once_a_minute(engine: Engine) {
    let app = TestApp::start(engine).await;
    app.account("ana", Role::User).await;
    let forgot = async || {
        post(&app.anybody(), "/auth/password/forgot", json!({ "email": "ana@example.com" })).await.expect(202);
        app.mails_to("ana@example.com").await
    };
    let first = forgot().await[0].token.clone().unwrap();
    assert_eq!(forgot().await.len(), 1);
    app.clock.step(TimeDelta::seconds(60));
    let mails = forgot().await;
    assert_eq!(mails.len(), 2);
    field(&post_reset(&app, &first, OTHER).await, "token", "invalid_token");
    post_reset(&app, mails[1].token.as_ref().unwrap(), OTHER).await.expect(204);
    app.stop().await;
}

async fn a_password_is_changed_by_who_knows_it_and_other_sessions_end(engine: Engine) {
    let app = TestApp::start(engine).await;
    let ana = app.account("ana", Role::User).await;
    let bob = app.account("bob", Role::User).await;
    let other = again(&app, "ana@example.com", PASSWORD).await;
    post(&app.anybody(), "/auth/password/forgot", json!({ "email": "ana@example.com" })).await.expect(202);
    let stale = app.mailed_token("ana@example.com").await;
    let change = async |current: &str, password: &str| {
        post(&ana, "/auth/password/change", json!({ "currentPassword": current, "password": password })).await
    };
    field(&change("wrong password", OTHER).await, "currentPassword", "wrong_password");
    field(&change("short", OTHER).await, "currentPassword", "wrong_password");
    field(&change(PASSWORD, "password").await, "password", "too_common");
    assert!(is_signed_in(&other).await);
    change(PASSWORD, OTHER).await.expect(204);
    assert!(is_signed_in(&ana).await && !is_signed_in(&other).await && is_signed_in(&bob).await);
    login(&app, "ana@example.com", PASSWORD).await.problem(401, "unauthenticated");
    login(&app, "ana@example.com", OTHER).await.expect(200);
    field(&post_reset(&app, &stale, PASSWORD).await, "token", "invalid_token");
    assert_eq!(app.mails_to("ana@example.com").await.pop().unwrap().subject, "Your password was changed");
    app.stop().await;
}

async fn an_address_changes_once_both_have_agreed(engine: Engine) {
    for old_first in [true, false] {
        let app = TestApp::start(engine).await;
        let ana = app.account("ana", Role::User).await;
        let ask = async |email: &str, password: &str| {
            post(&ana, "/auth/email/change", json!({ "email": email, "password": password })).await
        };
        field(&ask("new@example.com", "wrong password").await, "password", "wrong_password");
        field(&ask("ana@example.com", PASSWORD).await, "email", "unchanged");
        field(&ask("nobody", PASSWORD).await, "email", "invalid_email");
        ask("new@example.com", PASSWORD).await.expect(202);
        ask("other@example.com", PASSWORD).await.problem(409, "invalid_state");
        let (old, new) = (app.mailed_token("ana@example.com").await, app.mailed_token("new@example.com").await);
        let agree = async |token: &str| post(&app.anybody(), "/auth/email/agree", json!({ "token": token })).await;
        let (first, second) = if old_first { (&old, &new) } else { (&new, &old) };
        assert_eq!(agree(first).await.expect(200)["status"], "waiting");
        field(&agree(first).await, "token", "invalid_token");
        ask("other@example.com", PASSWORD).await.problem(409, "invalid_state");
        assert_eq!(ana.get("/api/v1/auth/me").await.expect(200)["email"], "ana@example.com");
        assert_eq!(agree(second).await.expect(200)["status"], "changed");
        let me = ana.get("/api/v1/auth/me").await.expect(200);
        assert_eq!((&me["email"], &me["emailVerified"]), (&json!("new@example.com"), &json!(true)));
        login(&app, "ana@example.com", PASSWORD).await.problem(401, "unauthenticated");
        login(&app, "new@example.com", PASSWORD).await.expect(200);
        let told = app.mails_to("ana@example.com").await.pop().unwrap();
        assert_eq!(told.subject, "Your account has another address now");
        app.stop().await;
    }
}

async fn an_address_that_is_taken_is_not_told_of(engine: Engine) {
    let app = TestApp::start(engine).await;
    let (ana, _bob) = (app.account("ana", Role::User).await, app.account("bob", Role::User).await);
    let ask =
        async |email: &str| post(&ana, "/auth/email/change", json!({ "email": email, "password": PASSWORD })).await;
    let reply = ask("bob@example.com").await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (202, ""));
    let told = app.mails_to("bob@example.com").await;
    assert_eq!((told.len(), &told[0].token), (1, &None), "he is told, and asked nothing");
    let agree = async |token: String| post(&app.anybody(), "/auth/email/agree", json!({ "token": token })).await;
    assert_eq!(agree(app.mailed_token("ana@example.com").await).await.expect(200)["status"], "waiting");
    // Another wish, and somebody makes an account with that address before both have agreed.
    app.clock.step(TimeDelta::minutes(2));
    ask("new@example.com").await.expect(202);
    let (old, new) = (app.mailed_token("ana@example.com").await, app.mailed_token("new@example.com").await);
    app.account("new", Role::User).await;
    agree(old).await.expect(200);
    agree(new).await.problem(409, "already_exists");
    assert_eq!(ana.get("/api/v1/auth/me").await.expect(200)["email"], "ana@example.com");
    app.stop().await;
}

async fn sessions_are_listed_and_ended(engine: Engine) {
    let app = TestApp::start(engine).await;
    let ana = app.account("ana", Role::User).await;
    let bob = app.account("bob", Role::User).await;
    let body = json!({ "email": "ana@example.com", "password": PASSWORD }).to_string();
    app.clock.step(TimeDelta::minutes(1));
    let headers = [("user-agent", "Firefox/145")];
    let tokens = app.anybody().send(Method::POST, "/api/v1/auth/login", &headers, Some(body)).await.expect(200);
    let phone = app.bearer(tokens["accessToken"].as_str().unwrap());
    let third = again(&app, "ana@example.com", PASSWORD).await;
    let list = ana.get("/api/v1/users/me/sessions").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &list["nextCursor"]), (3, &Value::Null));
    let current: Vec<_> = items.iter().filter(|it| it["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &items[2]["id"]), "the last used first");
    let of_phone = items.iter().find(|it| it["userAgent"] == "Firefox/145").unwrap();
    assert_eq!(of_phone["createdAt"], of_phone["lastUsedAt"]);
    let path = format!("/api/v1/users/me/sessions/{}", of_phone["id"].as_str().unwrap());
    bob.delete(&path).await.problem(404, "not_found");
    assert!(is_signed_in(&phone).await);
    ana.delete(&path).await.expect(204);
    assert!(!is_signed_in(&phone).await);
    ana.delete(&path).await.problem(404, "not_found");
    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    post(&app.anybody(), "/auth/refresh", refresh).await.problem(401, "unauthenticated");
    ana.delete("/api/v1/users/me/sessions").await.expect(204);
    assert!(is_signed_in(&ana).await && !is_signed_in(&third).await && is_signed_in(&bob).await);
    assert_eq!(ana.get("/api/v1/users/me/sessions").await.expect(200)["items"].as_array().unwrap().len(), 1);
    app.stop().await;
}

async fn a_deleted_account_leaves_its_bookings_and_nothing_of_itself(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let wish = json!({ "quantity": 1, "attendees": [{ "name": "Ola", "email": "ola@example.com" }] });
    let booking = world.buyer.post(&path, &wish).await.expect(201);
    let wrong = post(&world.buyer, "/users/me/delete", json!({ "password": "wrong password" })).await;
    field(&wrong, "password", "wrong_password");
    post(&world.buyer, "/users/me/delete", json!({ "password": PASSWORD })).await.expect(204);
    assert!(!is_signed_in(&world.buyer).await);
    login(&world.app, "buyer@example.com", PASSWORD).await.problem(401, "unauthenticated");
    let told = world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert_eq!(told.subject, "Your account was deleted");
    let kept = world.organizer.get(&format!("/api/v1/bookings/{}", booking["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&kept["status"], &kept["total"]), (&json!("confirmed"), &json!(0)));
    assert!(!kept.to_string().contains("ola@example.com") && !kept.to_string().contains("Ola"), "{kept}");
    let users = world.admin.get("/api/v1/users?limit=100").await.expect(200);
    let id = world.buyer.user().to_string();
    let gone = users["items"].as_array().unwrap().iter().find(|user| user["id"] == id.as_str()).unwrap();
    assert_eq!(gone["email"], format!("deleted-{id}@deleted.invalid"));
    assert_eq!(gone["name"], Value::Null);
    let admin = json!({ "role": "admin" });
    world.admin.patch(&format!("/api/v1/users/{id}"), &admin).await.problem(404, "not_found");
    // Nobody takes the address of a deleted account, or waits with one for a deletion to come.
    let squat = json!({ "email": gone["email"], "password": PASSWORD });
    post(&world.app.anybody(), "/auth/register", squat).await.problem(422, "validation_failed");
    // The address is free again.
    let register = json!({ "email": "buyer@example.com", "password": PASSWORD });
    let made = post(&world.app.anybody(), "/auth/register", register).await.expect(201);
    assert_ne!(made["id"], id.as_str());
    world.app.stop().await;
}

async fn who_must_stay_is_not_deleted(engine: Engine) {
    let world = world(engine).await;
    world.draft(0, 1).await;
    let delete = async |caller: &Caller| post(caller, "/users/me/delete", json!({ "password": PASSWORD })).await;
    delete(&world.organizer).await.problem(409, "invalid_state");
    delete(&world.admin).await.problem(409, "invalid_state");
    assert!(is_signed_in(&world.organizer).await && is_signed_in(&world.admin).await);
    let other = world.app.account("other-admin", Role::Admin).await;
    let (one, two) = tokio::join!(delete(&world.admin), delete(&other));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409], "one admin stays");
    world.app.stop().await;
}

async fn common_passwords_are_refused_where_one_chooses(engine: Engine) {
    let app = TestApp::start(engine).await;
    for common in ["password", "PassWord1", "1234567890"] {
        let register = json!({ "email": "ana@example.com", "password": common });
        field(&post(&app.anybody(), "/auth/register", register).await, "password", "too_common");
    }
    app.stop().await;
}

/// Whoever registered somebody else's address would have left the owner's account with a way in that a new password does
/// not shut: an app that is asked for a code, a key, or somebody else who acts for the organizer.
pub(crate) async fn makes_no_other_way_in(squatter: &Caller) {
    let factor = squatter.post("/api/v1/users/me/second-factor", &json!({ "password": PASSWORD })).await;
    assert!(factor.problem(409, "invalid_state")["detail"].as_str().unwrap().starts_with("verify the e-mail address"));
    let made = squatter.post("/api/v1/organizers", &json!({ "name": "Trap" })).await.expect(201);
    let organizer = format!("/api/v1/organizers/{}", made["id"].as_str().unwrap());
    let key = json!({ "name": "Way in", "scopes": ["events:read"] });
    squatter.post(&format!("{organizer}/api-keys"), &key).await.problem(409, "invalid_state");
    let wish = json!({ "email": "accomplice@example.com", "role": "owner" });
    squatter.post(&format!("{organizer}/invitations"), &wish).await.problem(409, "invalid_state");
}

async fn who_has_not_verified_his_address_makes_no_other_way_in(engine: Engine) {
    let identity = IdentitySettings { self_service_organizers: true, ..IdentitySettings::default() };
    let app = TestApp::start_with(engine, Settings { identity, ..Settings::default() }).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    post(&app.anybody(), "/auth/register", register).await.expect(201);
    let token = app.mailed_token("ana@example.com").await;
    let ana = app.sign_in("ana").await;
    makes_no_other_way_in(&ana).await;
    post(&app.anybody(), "/auth/email/verify", json!({ "token": token })).await.expect(200);
    let organizer = ana.get("/api/v1/organizers").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let key = json!({ "name": "Door", "scopes": ["events:read"] });
    ana.post(&format!("/api/v1/organizers/{organizer}/api-keys"), &key).await.expect(201);
    let wish = json!({ "email": "bob@example.com", "role": "owner" });
    ana.post(&format!("/api/v1/organizers/{organizer}/invitations"), &wish).await.expect(201);
    // To have the token of an invitation is to read the mails of its address, too.
    let token = app.mailed_token("bob@example.com").await;
    post(&app.anybody(), "/auth/register", json!({ "email": "bob@example.com", "password": PASSWORD }))
        .await
        .expect(201);
    let bob = app.sign_in("bob").await;
    assert_eq!(bob.get("/api/v1/auth/me").await.expect(200)["emailVerified"], false);
    post(&bob, "/invitations/accept", json!({ "token": token })).await.expect(200);
    assert_eq!(bob.get("/api/v1/auth/me").await.expect(200)["emailVerified"], true);
    app.stop().await;
}
