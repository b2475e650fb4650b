//! The second factor: set up, asked for at every way in, used up, guessed at, lost and taken away.

use application::clock::Clock;
use application::guard::{LimitClass, LimitRates, Rate};
use application::identity::IdentitySettings;
use application::store::Store;
use axum::http::Method;
use chrono::TimeDelta;
use domain::catalog::{Member, MemberRole, Reach};
use domain::identity::Role;
use domain::{OrganizerId, UserId};
use goticket_testkit::app::{Caller, PASSWORD, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::phone::Phone;
use rstest::rstest;
use serde_json::{Value, json};

/// An id of nothing.
const NOTHING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const MINE: &str = "/api/v1/users/me/second-factor";

async fn login(app: &TestApp, name: &str) -> Reply {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    app.anybody().post("/api/v1/auth/login", &body).await
}

/// What a sign-in is told whose first factor was right.
async fn challenge(app: &TestApp, name: &str) -> String {
    let told = login(app, name).await.expect(202);
    assert!(told.get("accessToken").is_none() && told.get("refreshToken").is_none(), "{told}");
    assert_eq!(told["expiresIn"], 300);
    told["challenge"].as_str().unwrap().to_owned()
}

async fn answer(app: &TestApp, challenge: &str, code: &str) -> Reply {
    app.anybody().post("/api/v1/auth/login/second-factor", &json!({ "challenge": challenge, "code": code })).await
}

async fn sign_in(app: &TestApp, name: &str, code: &str) -> Caller {
    let challenge = challenge(app, name).await;
    let tokens = answer(app, &challenge, code).await.expect(200);
    app.bearer(tokens["accessToken"].as_str().unwrap())
}

/// Sets a second factor up; the app and the recovery codes.
async fn enrolled(app: &TestApp, caller: &Caller) -> (Phone, Vec<String>) {
    let phone = Phone::read(&caller.post(MINE, &json!({ "password": PASSWORD })).await.expect(200));
    let confirmed = caller.post(&format!("{MINE}/confirm"), &json!({ "code": phone.code(app) })).await.expect(200);
    let codes = confirmed["recoveryCodes"].as_array().unwrap();
    (phone, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

fn wrong_code(reply: &Reply) {
    assert_eq!(reply.problem(422, "validation_failed")["errors"][0]["code"], "wrong_code");
}

async fn subjects(app: &TestApp, name: &str) -> Vec<String> {
    app.mails_to(&format!("{name}@example.com")).await.into_iter().map(|mail| mail.subject).collect()
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_code_is_asked_for_once_the_app_has_shown_that_it_works(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let ana = app.account("ana", Role::User).await;
    assert_eq!(ana.get(MINE).await.expect(200)["enabled"], false);
    for wrong in [json!({}), json!({ "password": "wrong password" })] {
        ana.post(MINE, &wrong).await.problem(422, "validation_failed");
    }
    ana.post(&format!("{MINE}/confirm"), &json!({ "code": "123456" })).await.problem(409, "invalid_state");
    // Begun and left: signing in is as before, and another seed takes the place of the first.
    let first = Phone::read(&ana.post(MINE, &json!({ "password": PASSWORD })).await.expect(200));
    login(&app, "ana").await.expect(200);
    let (phone, codes) = enrolled(&app, &ana).await;
    assert_ne!(first.code(&app), phone.code(&app));
    assert_eq!(codes.len(), 10);
    let state = ana.get(MINE).await.expect(200);
    assert_eq!((&state["enabled"], &state["recoveryCodesLeft"]), (&json!(true), &json!(10)));
    ana.post(MINE, &json!({ "password": PASSWORD })).await.problem(409, "invalid_state");

    let challenge = challenge(&app, "ana").await;
    // The code that has confirmed it was used.
    wrong_code(&answer(&app, &challenge, &phone.code(&app)).await);
    let code = phone.next(&app);
    let tokens = answer(&app, &challenge, &code).await.expect(200);
    app.bearer(tokens["accessToken"].as_str().unwrap()).get("/api/v1/auth/me").await.expect(200);
    // The challenge was used, whatever code comes with it.
    for code in [code, phone.next(&app)] {
        answer(&app, &challenge, &code).await.problem(401, "unauthenticated");
    }
    assert!(subjects(&app, "ana").await.contains(&"Signing in asks for a code now".to_owned()));
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_code_counts_once_and_one_step_before_and_after(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let (phone, _) = enrolled(&app, &app.account("ana", Role::User).await).await;
    let early = phone.next(&app);
    app.clock.step(TimeDelta::seconds(30));
    sign_in(&app, "ana", &early).await;
    // Neither again nor, after a later one, an earlier one, though its time counts.
    let replayed = challenge(&app, "ana").await;
    wrong_code(&answer(&app, &replayed, &early).await);
    let earlier = phone.next(&app);
    let later = phone.next(&app);
    sign_in(&app, "ana", &later).await;
    let replayed = challenge(&app, "ana").await;
    wrong_code(&answer(&app, &replayed, &earlier).await);
    let late = phone.next(&app);
    app.clock.step(TimeDelta::seconds(61));
    wrong_code(&answer(&app, &replayed, &late).await);
    app.stop().await;
}

#[tokio::test]
async fn cookies_are_set_after_the_code() {
    let app = TestApp::start(Engine::Sqlite).await;
    let (phone, _) = enrolled(&app, &app.account("ana", Role::User).await).await;
    let own = [("sec-fetch-site", "same-origin")];
    let post = async |path: &str, headers: &[(&str, &str)], body: Value| {
        app.anybody().send(Method::POST, path, headers, Some(body.to_string())).await
    };
    let login = json!({ "email": "ana@example.com", "password": PASSWORD });
    let reply = post("/api/v1/auth/web/login", &own, login).await;
    assert!(reply.header("set-cookie").is_none());
    let told = reply.expect(202);
    assert!(told.get("csrfToken").is_none(), "{told}");
    let answer = json!({ "challenge": told["challenge"], "code": phone.next(&app) });
    let foreign = [("sec-fetch-site", "cross-site")];
    post("/api/v1/auth/web/login/second-factor", &foreign, answer.clone()).await.problem(403, "forbidden");
    let reply = post("/api/v1/auth/web/login/second-factor", &own, answer).await;
    let cookies: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2);
    let cookie = cookies[0].split(';').next().unwrap().to_owned();
    reply.expect(200);
    let headers = [("cookie", cookie.as_str())];
    app.anybody().send(Method::GET, "/api/v1/auth/web/session", &headers, None).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn of_two_at_once_with_one_code_one_gets_in() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = TestApp::start(engine).await;
        let (phone, codes) = enrolled(&app, &app.account("ana", Role::User).await).await;
        for code in [phone.next(&app), codes[0].clone()] {
            // With a challenge each, and with one for both.
            let (one, other) = (challenge(&app, "ana").await, challenge(&app, "ana").await);
            let (first, second) = tokio::join!(answer(&app, &one, &code), answer(&app, &other, &code));
            let mut statuses = [first.status.as_u16(), second.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 422]);
        }
        let (one, code) = (challenge(&app, "ana").await, phone.next(&app));
        let (first, second) = tokio::join!(answer(&app, &one, &code), answer(&app, &one, &codes[1]));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "a challenge works once");
        app.stop().await;
    }
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn guesses_are_counted_by_the_account(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let ana = app.account("ana", Role::User).await;
    let (phone, codes) = enrolled(&app, &ana).await;
    app.clock.step(TimeDelta::minutes(1));
    // Each with a challenge and from an address of its own: the count is neither the challenge's nor the network's.
    for guess in 0..5 {
        let challenge = challenge(&app, "ana").await;
        let body = json!({ "challenge": challenge, "code": phone.wrong(&app) });
        let somebody = app.anybody().from(&format!("192.0.2.{guess}"));
        wrong_code(&somebody.post("/api/v1/auth/login/second-factor", &body).await);
    }
    let now = challenge(&app, "ana").await;
    for code in [phone.code(&app), codes[0].clone()] {
        let reply = answer(&app, &now, &code).await;
        reply.problem(429, "rate_limited");
        assert_eq!(reply.header("retry-after"), Some("900"));
    }
    // What she may otherwise do with a code does not help either, nor is anybody else concerned.
    let remove = json!({ "password": PASSWORD, "code": phone.code(&app) });
    ana.post(&format!("{MINE}/remove"), &remove).await.problem(429, "rate_limited");
    let (other, _) = enrolled(&app, &app.account("bob", Role::User).await).await;
    let code = other.next(&app);
    sign_in(&app, "bob", &code).await;
    assert!(subjects(&app, "ana").await.contains(&"Too many wrong codes".to_owned()));
    app.clock.step(TimeDelta::minutes(15));
    sign_in(&app, "ana", &phone.code(&app)).await;
    sign_in(&app, "ana", &codes[0]).await;
    app.stop().await;
}

#[tokio::test]
async fn a_limit_in_memory_counts_by_the_account_too() {
    let limits = LimitRates::default().with(LimitClass::Codes, Rate::new(2, 900));
    let settings = Settings { limits: Some(limits), ..Settings::default() };
    let app = TestApp::start_with(Engine::Sqlite, settings).await;
    let (phone, _) = enrolled(&app, &app.account("ana", Role::User).await).await;
    let challenge = challenge(&app, "ana").await;
    for guess in 0..2 {
        let body = json!({ "challenge": challenge, "code": phone.wrong(&app) });
        let somebody = app.anybody().from(&format!("192.0.2.{guess}"));
        wrong_code(&somebody.post("/api/v1/auth/login/second-factor", &body).await);
    }
    let reply = answer(&app, &challenge, &phone.next(&app)).await;
    reply.problem(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), Some("420"));
    // It comes back with time, and a right one gives all of it back.
    app.clock.step(TimeDelta::minutes(8));
    for _ in 0..3 {
        sign_in(&app, "ana", &phone.next(&app)).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_challenge_has_five_tries_of_its_own() {
    let app = TestApp::start(Engine::Sqlite).await;
    let (phone, codes) = enrolled(&app, &app.account("ana", Role::User).await).await;
    let tried = challenge(&app, "ana").await;
    for _ in 0..4 {
        wrong_code(&answer(&app, &tried, &phone.wrong(&app)).await);
    }
    // Who signs in beside it gives the account its tries back, and not the challenge.
    sign_in(&app, "ana", &codes[0]).await;
    wrong_code(&answer(&app, &tried, &phone.wrong(&app)).await);
    answer(&app, &tried, &phone.next(&app)).await.problem(401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn recovery_codes_work_once_and_are_made_anew() {
    let app = TestApp::start(Engine::Sqlite).await;
    let ana = app.account("ana", Role::User).await;
    let (phone, codes) = enrolled(&app, &ana).await;
    let ana = sign_in(&app, "ana", &codes[0].to_uppercase().replace('-', " ")).await;
    let again = challenge(&app, "ana").await;
    wrong_code(&answer(&app, &again, &codes[0]).await);
    assert_eq!(ana.get(MINE).await.expect(200)["recoveryCodesLeft"], 9);
    let told = app.mails_to("ana@example.com").await;
    let told = told.iter().find(|mail| mail.subject == "A recovery code was used").unwrap();
    assert!(told.text.split_whitespace().collect::<Vec<_>>().join(" ").contains("9 are left"), "{}", told.text);
    // Somebody else's are worth nothing here.
    let (_, of_bob) = enrolled(&app, &app.account("bob", Role::User).await).await;
    wrong_code(&answer(&app, &again, &of_bob[0]).await);
    let renew = format!("{MINE}/recovery-codes");
    for wrong in [json!({ "code": phone.next(&app) }), json!({ "password": PASSWORD, "code": "000-000" })] {
        ana.post(&renew, &wrong).await.problem(422, "validation_failed");
    }
    let wish = json!({ "password": PASSWORD, "code": phone.next(&app) });
    let renewed = ana.post(&renew, &wish).await.expect(200);
    let again = challenge(&app, "ana").await;
    wrong_code(&answer(&app, &again, &codes[1]).await);
    sign_in(&app, "ana", renewed["recoveryCodes"][3].as_str().unwrap()).await;
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_challenge_is_worth_something_soon_and_while_nothing_has_changed(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let (ana, bob) = (app.account("ana", Role::User).await, app.account("bob", Role::User).await);
    let (phone, _) = enrolled(&app, &ana).await;
    let (of_bob, _) = enrolled(&app, &bob).await;
    let old = challenge(&app, "ana").await;
    for bad in ["", "x", &"A".repeat(43), &"A".repeat(9_000), &"ż".repeat(43), &old[1..]] {
        answer(&app, bad, &phone.next(&app)).await.problem(401, "unauthenticated");
    }
    // Somebody else's code is none, even where he has shown a right password.
    let of_ana = challenge(&app, "ana").await;
    wrong_code(&answer(&app, &of_ana, &of_bob.next(&app)).await);
    app.clock.step(TimeDelta::minutes(5));
    answer(&app, &of_ana, &phone.next(&app)).await.problem(401, "unauthenticated");
    let before = challenge(&app, "ana").await;
    let ana = sign_in(&app, "ana", &phone.next(&app)).await;
    let change = json!({ "currentPassword": PASSWORD, "password": "another long one" });
    ana.post("/api/v1/auth/password/change", &change).await.expect(204);
    answer(&app, &before, &phone.next(&app)).await.problem(401, "unauthenticated");
    // The change of the password has left the second factor.
    let body = json!({ "email": "ana@example.com", "password": "another long one" });
    app.anybody().post("/api/v1/auth/login", &body).await.expect(202);
    // Without the first factor there is no challenge, and nothing tells of the second.
    let (refused, unknown) = (login(&app, "ana").await, login(&app, "nobody").await);
    let told = |reply: &Reply| {
        let mut told = reply.problem(401, "unauthenticated").clone();
        told["correlationId"].take();
        told
    };
    assert_eq!(told(&refused), told(&unknown));
    app.stop().await;
}

#[tokio::test]
async fn challenges_are_few_and_go_by_themselves() {
    let app = TestApp::start(Engine::Sqlite).await;
    let (phone, _) = enrolled(&app, &app.account("ana", Role::User).await).await;
    let first = challenge(&app, "ana").await;
    app.clock.step(TimeDelta::seconds(1));
    let mut last = String::new();
    for _ in 0..5 {
        last = challenge(&app, "ana").await;
    }
    answer(&app, &first, &phone.next(&app)).await.problem(401, "unauthenticated");
    answer(&app, &last, &phone.code(&app)).await.expect(200);
    let count = async || app.database.count("SELECT COUNT(*) FROM sign_in_challenges").await;
    assert_eq!(count().await, 4);
    app.clock.step(TimeDelta::minutes(6));
    app.identity.delete_lapsed_tokens().await.unwrap();
    assert_eq!(count().await, 0);
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn it_is_taken_away_by_its_owner_or_by_an_admin(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    let (ana, admin) = (app.account("ana", Role::User).await, app.account("admin", Role::Admin).await);
    let (phone, _) = enrolled(&app, &ana).await;
    let remove = format!("{MINE}/remove");
    let code = phone.next(&app);
    for wrong in [json!({ "code": code }), json!({ "password": PASSWORD, "code": phone.wrong(&app) })] {
        ana.post(&remove, &wrong).await.problem(422, "validation_failed");
    }
    let begun = challenge(&app, "ana").await;
    ana.post(&remove, &json!({ "password": PASSWORD, "code": code })).await.expect(204);
    answer(&app, &begun, &phone.next(&app)).await.problem(401, "unauthenticated");
    login(&app, "ana").await.expect(200);
    ana.post(&remove, &json!({ "password": PASSWORD, "code": code })).await.problem(409, "invalid_state");

    enrolled(&app, &ana).await;
    let reset = format!("/api/v1/users/{}/second-factor", ana.user());
    ana.delete(&reset).await.problem(403, "forbidden");
    admin.delete(&format!("/api/v1/users/{}/second-factor", uuid::Uuid::nil())).await.problem(404, "not_found");
    // His own an admin takes away as everybody does.
    admin.delete(&format!("/api/v1/users/{}/second-factor", admin.user())).await.problem(409, "invalid_state");
    admin.delete(&reset).await.expect(204);
    admin.delete(&reset).await.expect(204);
    ana.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    login(&app, "ana").await.expect(200);
    let told = subjects(&app, "ana").await;
    assert_eq!(told.iter().filter(|subject| *subject == "Signing in asks for no code any more").count(), 2);
    let noted = "SELECT COUNT(*) FROM audit_log WHERE action = 'user.second_factor_changed'";
    assert_eq!(app.database.count(noted).await, 4, "set up, removed, set up, reset");
    app.stop().await;
}

/// As who reads the mails of this address does.
async fn reset_password(app: &TestApp, email: &str) {
    app.anybody().post("/api/v1/auth/password/forgot", &json!({ "email": email })).await.expect(202);
    let reset = json!({ "token": app.mailed_token(email).await, "password": PASSWORD });
    app.anybody().post("/api/v1/auth/password/reset", &reset).await.expect(204);
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_reset_of_the_password_keeps_it_and_the_account_takes_it_along(#[case] engine: Engine) {
    let app = TestApp::start(engine).await;
    // By the command line, as the first admin is made.
    let ana = app.account("ana", Role::User).await;
    let (phone, _) = enrolled(&app, &ana).await;
    reset_password(&app, "ana@example.com").await;
    let ana = sign_in(&app, "ana", &phone.next(&app)).await;
    let export = ana.get("/api/v1/users/me/export").await;
    assert!(!export.text.contains("secret"), "{}", export.text);
    assert_eq!(export.expect(200)["secondFactor"]["enabled"], true);
    challenge(&app, "ana").await;
    ana.post("/api/v1/users/me/delete", &json!({ "password": PASSWORD })).await.expect(204);
    for table in ["second_factors", "recovery_codes", "sign_in_challenges"] {
        assert_eq!(app.database.count(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    app.stop().await;
}

/// An application where these roles cannot do without.
async fn asking(engine: Engine, roles: &[Role]) -> TestApp {
    let identity = IdentitySettings { second_factor_required_for: roles.to_vec(), ..IdentitySettings::default() };
    TestApp::start_with(engine, Settings { identity, ..Settings::default() }).await
}

fn owes(reply: &Reply) {
    let detail = reply.problem(403, "forbidden")["detail"].as_str().unwrap();
    assert!(detail.starts_with("set up a second factor first"), "{detail}");
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn who_cannot_do_without_sets_one_up_and_is_whole_after_a_refresh(#[case] engine: Engine) {
    let app = asking(engine, &[Role::Admin]).await;
    let ana = app.account("ana", Role::User).await;
    app.account("boss", Role::Admin).await;
    let pair = login(&app, "boss").await.expect(200);
    let boss = app.bearer(pair["accessToken"].as_str().unwrap());
    for path in ["/api/v1/auth/me", "/api/v1/users", "/api/v1/events", "/api/v1/users/me/export"] {
        owes(&boss.get(path).await);
    }
    let state = boss.get(MINE).await.expect(200);
    assert_eq!((&state["required"], &state["enabled"]), (&json!(true), &json!(false)));
    let (phone, _) = enrolled(&app, &boss).await;
    // The token does not know yet; the next one does.
    owes(&boss.get("/api/v1/users").await);
    let refresh = json!({ "refreshToken": pair["refreshToken"] });
    let pair = app.anybody().post("/api/v1/auth/refresh", &refresh).await.expect(200);
    app.bearer(pair["accessToken"].as_str().unwrap()).get("/api/v1/users").await.expect(200);
    let boss = sign_in(&app, "boss", &phone.next(&app)).await;
    boss.get("/api/v1/users").await.expect(200);
    let remove = json!({ "password": PASSWORD, "code": phone.next(&app) });
    boss.post(&format!("{MINE}/remove"), &remove).await.problem(409, "invalid_state");

    // Others are asked for nothing, until they become such a one: at once, and not with their next token.
    ana.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(ana.get(MINE).await.expect(200)["required"], false);
    let path = format!("/api/v1/users/{}", ana.user());
    boss.patch(&path, &json!({ "role": "admin" })).await.expect(200);
    owes(&ana.get("/api/v1/users").await);
    ana.act("/api/v1/auth/logout").await.expect(204);
    app.stop().await;
}

/// Every operation of the document but those few: a new one is refused until somebody has thought of it.
#[tokio::test]
async fn who_owes_one_gets_nothing_else_of_all_there_is() {
    let app = asking(Engine::Sqlite, &[Role::User]).await;
    let ana = app.account("ana", Role::User).await;
    let open = ["askForVerification", "confirmSecondFactor", "enrolSecondFactor", "getSecondFactor", "logout"];
    let document = serde_json::to_value(api_rest::openapi()).unwrap();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let asks = operation["security"].as_array().is_some_and(|ways| ways.contains(&json!({ "bearer": [] })));
            if !asks || open.contains(&id) {
                continue;
            }
            let filled = |part: &str| match part.split_once('}') {
                Some((_, ending)) => format!("{NOTHING}{ending}"),
                None => part.to_owned(),
            };
            let path = path.split('/').map(filled).collect::<Vec<_>>().join("/");
            let body = operation.get("requestBody").map(|_| "{}".to_owned());
            let reply = ana.send(method.to_uppercase().parse().unwrap(), &path, &[], body).await;
            assert_eq!(reply.status, 403, "{id}: {}", reply.text);
            owes(&reply);
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused} were tried");
    ana.act("/api/v1/auth/logout").await.expect(204);
    app.stop().await;
}

/// Who has registered by himself verifies his address first; for that alone a session is enough that owes a factor.
#[tokio::test]
async fn who_owes_one_may_verify_his_address() {
    let app = asking(Engine::Sqlite, &[Role::User]).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    app.clock.step(TimeDelta::minutes(2));
    let ana = app.sign_in("ana").await;
    ana.post(MINE, &json!({ "password": PASSWORD })).await.problem(409, "invalid_state");
    ana.act("/api/v1/auth/email/verification").await.expect(202);
    let token = json!({ "token": app.mailed_token("ana@example.com").await });
    app.anybody().post("/api/v1/auth/email/verify", &token).await.expect(200);
    enrolled(&app, &ana).await;
    app.stop().await;
}

#[tokio::test]
async fn pages_set_one_up_too() {
    let app = asking(Engine::Sqlite, &[Role::Organizer]).await;
    app.account("ana", Role::Organizer).await;
    let login = json!({ "email": "ana@example.com", "password": PASSWORD }).to_string();
    let own = [("sec-fetch-site", "same-origin")];
    let reply = app.anybody().send(Method::POST, "/api/v1/auth/web/login", &own, Some(login)).await;
    let line = reply.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    let cookie = line.split(';').next().unwrap().to_owned();
    let csrf = reply.expect(200)["csrfToken"].as_str().unwrap().to_owned();
    let send = async |method: Method, path: &str, body: Option<Value>| {
        let headers = [("cookie", cookie.as_str()), ("x-csrf-token", &csrf), ("sec-fetch-site", "same-origin")];
        app.anybody().send(method, path, &headers, body.map(|body| body.to_string())).await
    };
    owes(&send(Method::GET, "/api/v1/auth/me", None).await);
    owes(&send(Method::GET, "/api/v1/events", None).await);
    assert!(send(Method::GET, "/api/v1/auth/web/session", None).await.expect(200)["csrfToken"].is_string());
    let made = send(Method::POST, MINE, Some(json!({ "password": PASSWORD }))).await.expect(200);
    let code = Phone::read(&made).code(&app);
    send(Method::POST, &format!("{MINE}/confirm"), Some(json!({ "code": code }))).await.expect(200);
    send(Method::POST, "/api/v1/auth/web/logout", None).await.expect(204);
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn owners_and_managers_act_for_an_organizer_with_one_where_organizers_cannot_do_without(#[case] engine: Engine) {
    let app = asking(engine, &[Role::Organizer]).await;
    let owner = app.account("owner", Role::Organizer).await;
    let (phone, _) = enrolled(&app, &owner).await;
    let owner = sign_in(&app, "owner", &phone.next(&app)).await;
    let organizer = owner.post("/api/v1/organizers", &json!({ "name": "Club" })).await.expect(201)["id"].clone();
    let organizer = organizer.as_str().unwrap();
    let join = async |name: &str, role: MemberRole| {
        let caller = app.account(name, Role::User).await;
        let organizer = OrganizerId::new(organizer.parse().unwrap());
        let since = app.clock.now();
        let member = Member { organizer, user: UserId::new(caller.user()), role, reach: Reach::All, since };
        let mut unit = app.database.database.begin().await.unwrap();
        unit.insert_member(&member).await.unwrap();
        unit.commit().await.unwrap();
        caller
    };
    let (manager, scanner) = (join("manager", MemberRole::Manager).await, join("scanner", MemberRole::Scanner).await);
    let path = format!("/api/v1/organizers/{organizer}");
    let event = json!({
        "name": "Gala", "startAt": "2027-06-01T18:00:00Z", "endAt": "2027-06-01T22:00:00Z",
        "price": 0, "capacity": 5, "organizerId": organizer,
    });
    owes(&manager.get(&path).await);
    owes(&manager.get(&format!("{path}/members")).await);
    owes(&manager.post("/api/v1/events", &event).await);
    owes(&manager.get("/api/v1/events?status=draft").await);
    scanner.get(&path).await.expect(200);
    // As a buyer he is asked for nothing, and a stranger still learns nothing.
    manager.get("/api/v1/bookings").await.expect(200);
    manager.get("/api/v1/events").await.expect(200);
    app.account("other", Role::User).await.get(&path).await.problem(404, "not_found");
    // A key is no account.
    let key = json!({ "name": "Till", "scopes": ["events:read"] });
    let key = owner.post(&format!("{path}/api-keys"), &key).await.expect(201);
    app.bearer(key["secret"].as_str().unwrap()).get(&path).await.expect(200);
    let (phone, _) = enrolled(&app, &manager).await;
    let manager = sign_in(&app, "manager", &phone.next(&app)).await;
    manager.get(&path).await.expect(200);
    manager.post("/api/v1/events", &event).await.expect(201);
    // Nor does he get rid of it while he is a manager; a scanner may do without.
    assert_eq!(manager.get(MINE).await.expect(200)["required"], true);
    assert_eq!(scanner.get(MINE).await.expect(200)["required"], false);
    let remove = json!({ "password": PASSWORD, "code": phone.next(&app) });
    manager.post(&format!("{MINE}/remove"), &remove).await.problem(409, "invalid_state");
    app.stop().await;
}
