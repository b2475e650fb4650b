//! Signing in from pages: cookies that no script reads, and requests that other sites make the browser send.

use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::Role;
use goticket_testkit::app::{PASSWORD, Reply, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{gala, world};
use serde_json::{Value, json};

const ACCESS: &str = "__Host-goticket-access";
const REFRESH: &str = "__Host-goticket-refresh";
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// What a browser keeps of an answer.
#[derive(Clone, Debug)]
struct Browser {
    cookies: Vec<(String, String)>,
    csrf: String,
}

impl Browser {
    fn of(reply: Reply) -> Self {
        let lines: Vec<String> =
            reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned()).collect();
        assert_eq!(lines.len(), 2);
        for (line, same_site) in lines.iter().zip(["Lax", "Strict"]) {
            for part in ["; Path=/;", "; Secure", "; HttpOnly", &format!("; SameSite={same_site}")] {
                assert!(line.contains(part), "{line}");
            }
            assert!(!line.contains("Domain"), "{line}");
        }
        let pair = |line: &String| {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        let cookies: Vec<_> = lines.iter().map(pair).collect();
        assert_eq!(cookies.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [ACCESS, REFRESH]);
        let body = reply.expect(200);
        assert!(body.as_object().unwrap().keys().all(|key| ["csrfToken", "expiresIn"].contains(&key.as_str())));
        Self { cookies, csrf: body["csrfToken"].as_str().unwrap().to_owned() }
    }

    async fn sign_in(app: &TestApp, name: &str) -> Self {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD }).to_string();
        Self::of(app.anybody().send(Method::POST, "/api/v1/auth/web/login", &[OWN], Some(body)).await)
    }

    fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn send(&self, app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let line = self.cookie_line();
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([("cookie", line.as_str())]).collect();
        let body = (*body != Value::Null).then(|| body.to_string());
        app.anybody().send(method, &format!("/api/v1{path}"), &headers, body).await
    }

    async fn get(&self, app: &TestApp, path: &str) -> Reply {
        self.send(app, Method::GET, path, &[], &Value::Null).await
    }
}

#[tokio::test]
async fn cookies_count_where_a_bearer_token_does() {
    let world = world(Engine::Sqlite).await;
    let app = &world.app;
    let browser = Browser::sign_in(app, "organizer").await;
    assert_eq!(browser.get(app, "/auth/me").await.expect(200)["email"], "organizer@example.com");
    let csrf = [("x-csrf-token", browser.csrf.as_str())];
    let event = browser.send(app, Method::POST, "/events", &csrf, &gala(100, 5)).await.expect(201);
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    assert_eq!(browser.get(app, &path).await.expect(200)["status"], "draft", "optional logins too");
    app.anybody().get(&format!("/api/v1{path}")).await.problem(404, "not_found");
    let session = browser.get(app, "/auth/web/session").await.expect(200);
    let csrf = [("x-csrf-token", session["csrfToken"].as_str().unwrap())];
    assert!(session["expiresIn"].as_u64().is_some_and(|secs| (890..=900).contains(&secs)));
    let reply = browser.send(app, Method::POST, "/auth/web/logout", &csrf, &Value::Null).await;
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    assert!(reply.headers.get_all("set-cookie").iter().all(|line| line.to_str().unwrap().contains("Max-Age=0")));
    reply.expect(204);
    browser.get(app, "/auth/me").await.problem(401, "unauthenticated");
    world.app.stop().await;
}

#[tokio::test]
async fn a_change_without_the_right_csrf_token_is_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    app.account("ana", Role::User).await;
    app.account("bob", Role::User).await;
    let (ana, bob) = (Browser::sign_in(&app, "ana").await, Browser::sign_in(&app, "bob").await);
    let other_session = Browser::sign_in(&app, "ana").await;
    let delete = |headers: Vec<(&'static str, String)>| {
        let (app, ana) = (&app, &ana);
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ana.send(app, Method::DELETE, "/users/me/sessions", &headers, &Value::Null).await
        }
    };
    let token = |token: &str| ("x-csrf-token", token.to_owned());
    let mut changed = ana.csrf.clone().into_bytes();
    changed[40] ^= 1;
    for headers in [
        vec![],
        vec![token("")],
        vec![token("x")],
        vec![token(&"A".repeat(71))],
        vec![token(&"A".repeat(5_000))],
        vec![token(&String::from_utf8(changed).unwrap())],
        vec![token(&bob.csrf)],
        vec![token(&other_session.csrf)],
        vec![token(&ana.csrf), ("sec-fetch-site", "cross-site".into())],
        vec![token(&ana.csrf), ("sec-fetch-site", "same-site".into())],
        vec![token(&ana.csrf), ("origin", "https://evil.example".into()), ("host", "tickets.example.com".into())],
    ] {
        delete(headers).await.problem(401, "unauthenticated");
    }
    ana.get(&app, "/auth/me").await.expect(200);
    delete(vec![token(&ana.csrf), ("sec-fetch-site", "same-origin".into())]).await.expect(204);
    other_session.get(&app, "/auth/me").await.problem(401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn other_sites_neither_sign_in_nor_refresh() {
    let app = TestApp::start(Engine::Sqlite).await;
    app.account("ana", Role::User).await;
    let browser = Browser::sign_in(&app, "ana").await;
    let login = json!({ "email": "ana@example.com", "password": PASSWORD });
    for headers in [
        &[] as &[(&str, &str)],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example"), ("host", "tickets.example.com")],
        &[("origin", "null"), ("host", "tickets.example.com")],
    ] {
        let reply = browser.send(&app, Method::POST, "/auth/web/login", headers, &login).await;
        reply.problem(403, "forbidden");
        let reply = browser.send(&app, Method::POST, "/auth/web/refresh", headers, &Value::Null).await;
        reply.problem(403, "forbidden");
    }
    // A form, which may be sent from anywhere, is no JSON.
    let form = [OWN, ("content-type", "text/plain")];
    let reply = browser.send(&app, Method::POST, "/auth/web/login", &form, &login).await;
    reply.problem(415, "unsupported_media_type");
    let nobody = app.anybody().send(Method::POST, "/api/v1/auth/web/refresh", &[OWN], None).await;
    nobody.problem(401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn a_session_of_cookies_goes_on_by_refreshing() {
    let app = TestApp::start(Engine::Sqlite).await;
    app.account("ana", Role::User).await;
    let first = Browser::sign_in(&app, "ana").await;
    app.clock.step(TimeDelta::minutes(16));
    first.get(&app, "/auth/me").await.problem(401, "unauthenticated");
    let own = [("origin", "http://localhost:8080"), ("host", "localhost:8080")];
    let refresh =
        async |browser: &Browser| browser.send(&app, Method::POST, "/auth/web/refresh", &own, &Value::Null).await;
    let second = Browser::of(refresh(&first).await);
    second.get(&app, "/auth/me").await.expect(200);
    // The CSRF token is that of the session, and an older one still holds.
    let csrf = [("x-csrf-token", first.csrf.as_str())];
    second.send(&app, Method::DELETE, "/users/me/sessions", &csrf, &Value::Null).await.expect(204);
    app.clock.step(TimeDelta::minutes(1));
    refresh(&first).await.problem(401, "unauthenticated");
    second.get(&app, "/auth/me").await.problem(401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn cookies_that_are_worth_nothing_are_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    app.account("ana", Role::User).await;
    let browser = Browser::sign_in(&app, "ana").await;
    let access = browser.cookies[0].1.clone();
    let with = async |line: &str, path: &str| app.anybody().send(Method::GET, path, &[("cookie", line)], None).await;
    for line in [format!("{ACCESS}=x"), format!("{ACCESS}="), format!("{ACCESS}={}", browser.cookies[1].1)] {
        for path in ["/api/v1/auth/me", "/api/v1/auth/web/session"] {
            with(&line, path).await.problem(401, "unauthenticated");
        }
        with(&line, "/api/v1/events").await.expect(200);
    }
    for line in [format!("{ACCESS}={access}; {ACCESS}={access}"), format!("goticket-access={access}"), "=".into()] {
        with(&line, "/api/v1/auth/me").await.problem(401, "unauthenticated");
    }
    // The refresh token alone lets nobody in, and a bearer token does not change its worth by a cookie beside it.
    with(&format!("{REFRESH}={}", browser.cookies[1].1), "/api/v1/auth/me").await.problem(401, "unauthenticated");
    let both = [("cookie", format!("{ACCESS}={access}")), ("authorization", "Bearer x".to_owned())];
    let both: Vec<(&str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    app.anybody().send(Method::GET, "/api/v1/auth/me", &both, None).await.problem(401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn what_is_left_of_a_session_that_has_ended_is_forgotten() {
    let world = world(Engine::Sqlite).await;
    let app = &world.app;
    let (browser, other) = (Browser::sign_in(app, "buyer").await, Browser::sign_in(app, "buyer").await);
    let csrf = [("x-csrf-token", other.csrf.as_str())];
    other.send(app, Method::DELETE, "/users/me/sessions", &csrf, &Value::Null).await.expect(204);
    browser.get(app, "/auth/me").await.problem(401, "unauthenticated");
    // The public is not shut out of public pages by cookies that its browser still sends.
    browser.get(app, "/events").await.expect(200);
    let id = world.on_sale(0, 5).await;
    browser.get(app, &format!("/events/{id}")).await.expect(200);
    let draft = world.draft(0, 5).await["id"].as_str().unwrap().to_owned();
    browser.get(app, &format!("/events/{draft}")).await.problem(404, "not_found");
    let forgets = |reply: &Reply| {
        let lines: Vec<_> = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.contains("Max-Age=0")), "{lines:?}");
    };
    let foreign = [("sec-fetch-site", "cross-site")];
    let reply = browser.send(app, Method::POST, "/auth/web/logout", &foreign, &Value::Null).await;
    reply.problem(401, "unauthenticated");
    let reply = browser.send(app, Method::POST, "/auth/web/logout", &[OWN], &Value::Null).await;
    forgets(&reply);
    reply.expect(204);
    let reply = browser.send(app, Method::POST, "/auth/web/refresh", &[OWN], &Value::Null).await;
    reply.problem(401, "unauthenticated");
    forgets(&reply);
    // A session that is still there does not end without its CSRF token.
    other.send(app, Method::POST, "/auth/web/logout", &[OWN], &Value::Null).await.problem(401, "unauthenticated");
    other.get(app, "/auth/me").await.expect(200);
    app.anybody().act("/api/v1/auth/web/logout").await.problem(401, "unauthenticated");
}
