//! Signing in by somebody else: against a certified provider of OpenID Connect over real HTTP, with its cookies and login
//! form; against one that misbehaves; and against the shape of GitHub's API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adapter_oauth::{GithubProvider, GithubSettings, HttpSettings, OidcProvider, OidcSettings, OutsideCalls};
use adapter_system::{SystemClock, SystemIds};
use application::breaker::{Breaker, BreakerSettings};
use application::guard::{LimitClass, LimitRates, Rate};
use application::identity::{IdentitySettings, SignInProvider};
use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::app::{Caller, PASSWORD, Reply, Settings, TestApp};
use goticket_testkit::clock::TestClock;
use goticket_testkit::databases::Engine;
use goticket_testkit::phone::Phone;
use goticket_testkit::providers::{Behaviour, TestProvider};
use rstest::rstest;
use serde_json::{Value, json};
use url::Url;

use crate::accounts::makes_no_other_way_in;

const HOME: &str = "https://tickets.example.com";
const PAGE: &str = "https://tickets.example.com/account/sign-in";
const COOKIE: &str = "__Host-goticket-oauth";

fn calls() -> OutsideCalls {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let settings = HttpSettings { timeout: Duration::from_secs(3), tries: 2 };
    OutsideCalls::try_new(settings, Arc::new(SystemIds::default())).unwrap()
}

fn oidc(issuer: &str, client_id: &str, secret: &str) -> Arc<dyn SignInProvider> {
    oidc_by(calls(), issuer, client_id, secret)
}

fn oidc_by(calls: OutsideCalls, issuer: &str, client_id: &str, secret: &str) -> Arc<dyn SignInProvider> {
    let settings = OidcSettings {
        name: "club".into(),
        title: "Our club".into(),
        issuer: issuer.into(),
        client_id: client_id.into(),
        client_secret: Some(secret.into()),
        scopes: vec!["email".into(), "profile".into()],
    };
    Arc::new(OidcProvider::try_new(settings, calls, Arc::new(SystemClock)).unwrap())
}

fn github(url: &str) -> Arc<dyn SignInProvider> {
    let settings = GithubSettings {
        name: "github".into(),
        title: "GitHub".into(),
        client_id: "client".into(),
        client_secret: "secret".into(),
        web_url: url.into(),
        api_url: url.into(),
    };
    Arc::new(GithubProvider::new(settings, calls()))
}

async fn app(engine: Engine, providers: Vec<Arc<dyn SignInProvider>>) -> TestApp {
    let pages = vec![PAGE.to_owned(), "app.example:/signed-in?x=1".to_owned()];
    let identity = IdentitySettings {
        public_url: HOME.into(),
        sign_in_pages: pages,
        self_service_organizers: true,
        ..IdentitySettings::default()
    };
    TestApp::start_with(engine, Settings { identity, providers, ..Settings::default() }).await
}

/// An application with one provider that misbehaves as it is told.
async fn with_provider(engine: Engine) -> (TestApp, TestProvider) {
    let provider = TestProvider::start().await;
    let app = app(engine, vec![oidc(&provider.url(), "client", "secret")]).await;
    provider.speaks_of("7", Some(("ana@example.com", true)));
    (app, provider)
}

/// A browser: what it keeps, of each server.
struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    fn line(&self, host: &str) -> String {
        let kept = self.cookies.get(host).into_iter().flatten();
        kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep<'a>(&mut self, host: &str, lines: impl Iterator<Item = &'a str>) {
        let kept = self.cookies.entry(host.to_owned()).or_default();
        for line in lines {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || line.contains("Max-Age=0") || line.contains("expires=Thu, 01 Jan 1970") {
                kept.remove(name);
            } else {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Asks the application.
    async fn ours(&mut self, app: &TestApp, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let line = self.line("us");
        let headers = [("cookie", line.as_str()), ("sec-fetch-site", "same-origin")];
        let reply = app.anybody().send(method, path, &headers, body.map(Value::to_string)).await;
        self.keep("us", reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()));
        reply
    }

    /// Asks the provider; the answer's status, `Location` and text.
    async fn theirs(&mut self, url: &str, form: Option<&str>) -> (u16, Option<String>, String) {
        let mut request = match form {
            Some(form) => self.http.post(url).body(form.to_owned()),
            None => self.http.get(url),
        };
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let answer = request.header("cookie", self.line("them")).send().await.unwrap();
        let lines: Vec<String> =
            answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned()).collect();
        self.keep("them", lines.iter().map(String::as_str));
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location, answer.text().await.unwrap())
    }

    /// Where the application sends the browser that wants to sign in.
    async fn start(&mut self, app: &TestApp, query: &str) -> String {
        let reply = self.ours(app, Method::GET, &format!("/api/v1/auth/oauth/club/start{query}"), None).await;
        location(&reply)
    }

    /// Follows the provider's redirects, through its login form as `login`, until it sends the browser back to us.
    async fn sign_in_there(&mut self, at: &str, login: &str) -> String {
        let mut next = at.to_owned();
        let mut form = None;
        for _ in 0..20 {
            if next.starts_with(HOME) {
                return next.strip_prefix(HOME).unwrap().to_owned();
            }
            let (status, location, text) = self.theirs(&next, form.take()).await;
            if let Some(location) = location {
                next = Url::parse(&next).unwrap().join(&location).unwrap().into();
                continue;
            }
            assert_eq!(status, 200, "{text}");
            let action = text.split_once("action=\"").unwrap().1.split('"').next().unwrap().to_owned();
            next = Url::parse(&next).unwrap().join(&action).unwrap().into();
            let is_login = text.contains("value=\"login\"");
            let login = login.replace('@', "%40");
            let filled =
                if is_login { format!("prompt=login&login={login}&password=x") } else { "prompt=consent".into() };
            form = Some(Box::leak(filled.into_boxed_str()) as &str);
        }
        panic!("the provider does not send the browser back: {next}");
    }

    /// From the first click to the page: what stands behind it.
    async fn sign_in(&mut self, app: &TestApp) -> (String, String) {
        let there = self.start(app, "").await;
        let (_, back, _) = self.theirs(&there, None).await;
        self.come_back(app, &back.unwrap()).await
    }

    /// Comes back to the application with this URL: what the page learns.
    async fn come_back(&mut self, app: &TestApp, url: &str) -> (String, String) {
        let path = url.strip_prefix(HOME).unwrap_or(url);
        let reply = self.ours(app, Method::GET, path, None).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let location = Url::parse(&location(&reply)).unwrap();
        let (name, value) = location.query_pairs().last().unwrap();
        (name.into_owned(), value.into_owned())
    }

    async fn exchange(&mut self, app: &TestApp, code: &str) -> Reply {
        self.ours(app, Method::POST, "/api/v1/auth/oauth/exchange", Some(&json!({ "code": code }))).await
    }

    /// Signs in, all the way.
    async fn caller(&mut self, app: &TestApp) -> Caller {
        let (name, code) = self.sign_in(app).await;
        assert_eq!(name, "code", "{code}");
        let tokens = self.exchange(app, &code).await.expect(200);
        app.bearer(tokens["accessToken"].as_str().unwrap())
    }
}

fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.header("location").unwrap().to_owned()
}

fn error(word: &str) -> (String, String) {
    ("error".to_owned(), word.to_owned())
}

/// A provider that passes the conformance suite of the OpenID Foundation, started by `scripts/services.sh`.
async fn certified() -> (String, Arc<dyn SignInProvider>) {
    #[expect(clippy::disallowed_methods, reason = "where the services of the tests are is told in the environment")]
    let url = std::env::var("GOTICKET_TEST_OIDC_URL");
    let url = url.expect("GOTICKET_TEST_OIDC_URL: `make services-up`, then eval \"$(scripts/services.sh env)\"");
    let wish = json!({ "redirect_uris": [format!("{HOME}/api/v1/auth/oauth/club/callback")] }).to_string();
    let request = Browser::new().http.post(format!("{url}/reg")).header("content-type", "application/json");
    let text = request.body(wish).send().await.unwrap().text().await.unwrap();
    let client: Value = serde_json::from_str(&text).unwrap();
    let provider = oidc(&url, client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    (url, provider)
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_certified_provider_signs_in_who_fills_in_its_form(#[case] engine: Engine) {
    let (_, provider) = certified().await;
    let app = app(engine, vec![provider]).await;
    assert_eq!(app.anybody().get("/api/v1/auth/oauth").await.expect(200)["items"][0]["title"], "Our club");
    let mut browser = Browser::new();
    let there = browser.start(&app, "").await;
    let back = browser.sign_in_there(&there, "ana@example.com").await;
    assert!(back.contains("iss="), "it says who it is: {back}");
    let (name, code) = browser.come_back(&app, &back).await;
    assert_eq!(name, "code");
    // The same way back a second time is worth nothing: neither to this browser, nor to one that has kept everything.
    let mut copy = Browser::new();
    copy.cookies = browser.cookies.clone();
    assert_eq!(copy.come_back(&app, &back).await, error("unknown_attempt"));
    let tokens = browser.exchange(&app, &code).await.expect(200);
    let me = app.bearer(tokens["accessToken"].as_str().unwrap());
    let shown = me.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(shown["email"], "ana@example.com");
    assert_eq!(
        (&shown["emailVerified"], &shown["name"], &shown["role"]),
        (&json!(true), &json!("Ana Kowalska"), &json!("user"))
    );
    // The second time it knows him, and asks nothing; nobody gets a second account.
    let there = browser.start(&app, "").await;
    let back = browser.sign_in_there(&there, "ana@example.com").await;
    let (_, code) = browser.come_back(&app, &back).await;
    let again = browser.exchange(&app, &code).await.expect(200);
    let again = app.bearer(again["accessToken"].as_str().unwrap());
    assert_eq!(again.get("/api/v1/auth/me").await.expect(200)["id"], shown["id"]);
    // Somebody else, whose address the provider has not verified.
    let mut other = Browser::new();
    let there = other.start(&app, "").await;
    let back = other.sign_in_there(&there, "unverified@example.com").await;
    assert_eq!(other.come_back(&app, &back).await, error("email_not_verified"));
    app.stop().await;
}

#[tokio::test]
async fn a_code_of_the_certified_provider_works_once() {
    let (_, provider) = certified().await;
    let app = app(Engine::Sqlite, vec![provider]).await;
    let mut browser = Browser::new();
    let there = browser.start(&app, "").await;
    let mut copy = Browser::new();
    copy.cookies = browser.cookies.clone();
    let back = browser.sign_in_there(&there, "bob@example.com").await;
    assert_eq!(browser.come_back(&app, &back).await.0, "code");
    // With all that the browser had when it came back.
    assert_eq!(copy.come_back(&app, &back).await, error("code_refused"));
    app.stop().await;
}

#[rstest]
#[case::denied(Behaviour::Denies, "denied")]
#[case::nonce(Behaviour::WrongNonce, "wrong_nonce")]
#[case::issuer(Behaviour::WrongIssuer, "wrong_issuer")]
#[case::answer(Behaviour::WrongAnswerIssuer, "wrong_issuer")]
#[case::audience(Behaviour::WrongAudience, "invalid_answer")]
#[case::expired(Behaviour::Expired, "invalid_answer")]
#[case::signature(Behaviour::BadSignature, "invalid_answer")]
#[case::unsigned(Behaviour::Unsigned, "invalid_answer")]
#[case::fails(Behaviour::Fails, "provider_unavailable")]
#[case::slow(Behaviour::Slow, "provider_unavailable")]
#[case::redirects(Behaviour::Redirects, "invalid_answer")]
#[case::floods(Behaviour::Floods, "provider_unavailable")]
#[tokio::test]
async fn a_provider_that_misbehaves_signs_nobody_in(#[case] behaviour: Behaviour, #[case] word: &str) {
    let (app, provider) = with_provider(Engine::Sqlite).await;
    provider.behave(behaviour);
    assert_eq!(Browser::new().sign_in(&app).await, error(word));
    assert!(provider.token_calls() <= 1, "a code is shown once");
    provider.behave(Behaviour::Honest);
    Browser::new().caller(&app).await.get("/api/v1/auth/me").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_away_is_told() {
    let app = app(Engine::Sqlite, vec![oidc("http://127.0.0.1:1", "client", "secret")]).await;
    let mut browser = Browser::new();
    assert_eq!(browser.start(&app, "").await, format!("{PAGE}?error=provider_unavailable"));
    app.stop().await;
}

/// After some failures in a row the provider is left alone, and whoever comes is told so at once; it is asked again when
/// the time is over.
#[tokio::test]
async fn a_provider_that_fails_is_left_alone_for_a_while() {
    let (provider, clock) = (TestProvider::start().await, TestClock::default());
    let settings = BreakerSettings { failures: 2, open_for: TimeDelta::seconds(30) };
    let guarded = calls().guarded_by(Breaker::new("club", settings, Arc::new(clock.clone())));
    let app = app(Engine::Sqlite, vec![oidc_by(guarded, &provider.url(), "client", "secret")]).await;
    provider.speaks_of("7", Some(("ana@example.com", true)));
    provider.behave(Behaviour::Fails);
    for calls in [1, 2] {
        assert_eq!(Browser::new().sign_in(&app).await, error("provider_unavailable"));
        assert_eq!(provider.token_calls(), calls);
    }
    provider.behave(Behaviour::Honest);
    assert_eq!(Browser::new().sign_in(&app).await, error("provider_unavailable"));
    clock.step(TimeDelta::seconds(29));
    assert_eq!(Browser::new().sign_in(&app).await, error("provider_unavailable"));
    assert_eq!(provider.token_calls(), 2, "it is not asked");
    clock.step(TimeDelta::seconds(1));
    for calls in [3, 4] {
        assert_eq!(Browser::new().sign_in(&app).await.0, "code");
        assert_eq!(provider.token_calls(), calls);
    }
    // What is wrong with an answer is an answer.
    provider.behave(Behaviour::WrongNonce);
    for _ in 0..3 {
        assert_eq!(Browser::new().sign_in(&app).await, error("wrong_nonce"));
    }
    app.stop().await;
}

/// Or anybody could close a provider to everybody.
#[tokio::test]
async fn a_browser_that_hangs_up_says_nothing_about_the_provider() {
    let provider = TestProvider::start().await;
    let settings = BreakerSettings { failures: 1, open_for: TimeDelta::seconds(30) };
    let guarded = calls().guarded_by(Breaker::new("club", settings, Arc::new(TestClock::default())));
    let app = app(Engine::Sqlite, vec![oidc_by(guarded, &provider.url(), "client", "secret")]).await;
    provider.speaks_of("7", Some(("ana@example.com", true)));
    provider.behave(Behaviour::Late);
    for calls in 1..=3 {
        let asked = async {
            while provider.token_calls() < calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let mut browser = Browser::new();
        tokio::select! {
            answer = browser.sign_in(&app) => panic!("{answer:?} before it was asked"),
            () = asked => {}
        }
    }
    provider.behave(Behaviour::Honest);
    assert_eq!(Browser::new().sign_in(&app).await.0, "code");
    app.stop().await;
}

/// Beginning and coming back are bounded by network, before the provider is asked.
#[tokio::test]
async fn sign_ins_elsewhere_are_bounded_by_network() {
    let provider = TestProvider::start().await;
    let identity =
        IdentitySettings { public_url: HOME.into(), sign_in_pages: vec![PAGE.into()], ..IdentitySettings::default() };
    let limits = Some(LimitRates::default().with(LimitClass::SignIns, Rate::new(3, 900)));
    let providers = vec![oidc(&provider.url(), "client", "secret")];
    let settings = Settings { identity, providers, limits, ..Settings::default() };
    let app = TestApp::start_with(Engine::Sqlite, settings).await;
    provider.speaks_of("7", Some(("ana@example.com", true)));
    let mut browser = Browser::new();
    assert_eq!(browser.sign_in(&app).await.0, "code");
    let there = browser.start(&app, "").await;
    let (_, back, _) = browser.theirs(&there, None).await;
    let path = back.unwrap().strip_prefix(HOME).unwrap().to_owned();
    let asked = provider.token_calls();
    let late = browser.ours(&app, Method::GET, &path, None).await;
    assert!(late.problem(429, "rate_limited").is_object() && late.header("retry-after").is_some());
    assert_eq!(provider.token_calls(), asked);
    let start = "/api/v1/auth/oauth/club/start";
    app.anybody().get(start).await.problem(429, "rate_limited");
    assert_eq!(app.anybody().from("192.0.2.9").get(start).await.status, 303, "another network");
    app.clock.step(TimeDelta::minutes(5));
    assert_eq!(browser.ours(&app, Method::GET, &path, None).await.status, 303, "one comes back every five minutes");
    app.stop().await;
}

#[tokio::test]
async fn another_browser_another_state_and_a_late_one_are_refused() {
    let (app, _provider) = with_provider(Engine::Sqlite).await;
    let mut browser = Browser::new();
    let there = browser.start(&app, "").await;
    let (_, back, _) = browser.theirs(&there, None).await;
    let back = back.unwrap();
    // An attacker's answer in the browser of somebody who began nothing, or something else.
    assert_eq!(Browser::new().come_back(&app, &back).await, error("unknown_attempt"));
    let mut victim = Browser::new();
    victim.start(&app, "").await;
    assert_eq!(victim.come_back(&app, &back).await, error("unknown_attempt"));
    for query in ["", "?code=x", "?state=x", "?error=access_denied", "?state=&code="] {
        victim.start(&app, "").await;
        let path = format!("/api/v1/auth/oauth/club/callback{query}");
        assert_eq!(victim.come_back(&app, &path).await, error("unknown_attempt"));
    }
    for cookie in ["", "x", &"A".repeat(200), &"A".repeat(9_000)] {
        let line = format!("{COOKIE}={cookie}");
        let path = back.strip_prefix(HOME).unwrap();
        let reply = app.anybody().send(Method::GET, path, &[("cookie", &line)], None).await;
        assert_eq!(location(&reply), format!("{PAGE}?error=unknown_attempt"));
    }
    app.clock.step(TimeDelta::minutes(10));
    assert_eq!(browser.come_back(&app, &back).await, error("expired"));
    app.stop().await;
}

/// Who comes from a provider has shown one factor, as who has shown a password.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_second_factor_is_asked_for_behind_a_provider_too(#[case] engine: Engine) {
    let (app, _provider) = with_provider(engine).await;
    let mut browser = Browser::new();
    let ana = browser.caller(&app).await;
    // The account has no password to show.
    let mine = "/api/v1/users/me/second-factor";
    let phone = Phone::read(&ana.post(mine, &json!({})).await.expect(200));
    ana.post(&format!("{mine}/confirm"), &json!({ "code": phone.code(&app) })).await.expect(200);
    let (_, code) = browser.sign_in(&app).await;
    let told = browser.exchange(&app, &code).await.expect(202);
    assert!(told.get("accessToken").is_none(), "{told}");
    browser.exchange(&app, &code).await.problem(401, "unauthenticated");
    let answer = json!({ "challenge": told["challenge"], "code": phone.next(&app) });
    let tokens = browser.ours(&app, Method::POST, "/api/v1/auth/login/second-factor", Some(&answer)).await;
    let tokens = tokens.expect(200);
    app.bearer(tokens["accessToken"].as_str().unwrap()).get("/api/v1/auth/me").await.expect(200);
    // With cookies.
    let (_, code) = browser.sign_in(&app).await;
    let exchange = "/api/v1/auth/web/oauth/exchange";
    let reply = browser.ours(&app, Method::POST, exchange, Some(&json!({ "code": code }))).await;
    assert!(reply.header("set-cookie").is_none());
    let answer = json!({ "challenge": reply.expect(202)["challenge"], "code": phone.next(&app) });
    let reply = browser.ours(&app, Method::POST, "/api/v1/auth/web/login/second-factor", Some(&answer)).await;
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    reply.expect(200);
    ana.post(&format!("{mine}/remove"), &json!({ "code": phone.next(&app) })).await.expect(204);
    browser.caller(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn a_one_time_code_is_worth_something_once_soon_and_to_who_began() {
    let (app, _provider) = with_provider(Engine::Sqlite).await;
    let refused = async |browser: &mut Browser, code: &str| {
        browser.exchange(&app, code).await.problem(401, "unauthenticated");
    };
    let mut browser = Browser::new();
    let (_, code) = browser.sign_in(&app).await;
    // Whoever has seen the URL, and nothing else.
    refused(&mut Browser::new(), &code).await;
    refused(&mut browser, &code).await;
    let (_, code) = browser.sign_in(&app).await;
    browser.exchange(&app, &code).await.expect(200);
    refused(&mut browser, &code).await;
    let (_, code) = browser.sign_in(&app).await;
    app.clock.step(TimeDelta::seconds(60));
    refused(&mut browser, &code).await;
    for bad in ["", "x", &"A".repeat(43), &"A".repeat(5_000)] {
        refused(&mut browser, bad).await;
    }
    // Of two at once, one.
    let (_, code) = browser.sign_in(&app).await;
    let line = browser.line("us");
    let body = json!({ "code": code }).to_string();
    let exchange = || {
        let (body, line) = (body.clone(), line.clone());
        let caller = app.anybody();
        async move {
            caller.send(Method::POST, "/api/v1/auth/oauth/exchange", &[("cookie", &line)], Some(body)).await.status
        }
    };
    let (one, other) = tokio::join!(exchange(), exchange());
    assert_eq!([one, other].iter().filter(|status| **status == 200).count(), 1, "{one} {other}");
    app.stop().await;
}

#[tokio::test]
async fn a_program_proves_itself_by_the_secret_of_its_challenge() {
    let (app, _provider) = with_provider(Engine::Sqlite).await;
    // RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    for (sent, status) in [(Some("A".repeat(43)), 401), (None, 401), (Some(verifier.to_owned()), 200)] {
        let mut browser = Browser::new();
        let query = format!("?codeChallenge={challenge}&redirectUri=app.example:/signed-in?x=1");
        let there = browser.start(&app, &query).await;
        let (_, back, _) = browser.theirs(&there, None).await;
        let path = back.unwrap();
        let reply = browser.ours(&app, Method::GET, path.strip_prefix(HOME).unwrap(), None).await;
        let location = location(&reply);
        let code = location.strip_prefix("app.example:/signed-in?x=1&code=").unwrap();
        let mut body = json!({ "code": code });
        if let Some(sent) = sent {
            body["codeVerifier"] = json!(sent);
        }
        // The browser's cookies are not the program's.
        let reply = app.anybody().post("/api/v1/auth/oauth/exchange", &body).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    }
    let start = "/api/v1/auth/oauth/club/start";
    for bad in ["x", &"A".repeat(44), &"+".repeat(43)] {
        let reply = app.anybody().get(&format!("{start}?codeChallenge={bad}")).await;
        reply.problem(422, "validation_failed");
    }
    for bad in ["https://evil.example/", "", &format!("{PAGE}/x"), &format!("{PAGE}.evil.example")] {
        app.anybody().get(&format!("{start}?redirectUri={bad}")).await.problem(422, "validation_failed");
    }
    app.anybody().get("/api/v1/auth/oauth/nobody/start").await.problem(404, "not_found");
    app.anybody().get("/api/v1/auth/oauth/nobody/callback").await.problem(404, "not_found");
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn an_account_that_waited_for_the_owner_of_the_address_loses_all(#[case] engine: Engine) {
    let (app, _provider) = with_provider(engine).await;
    // Somebody registers the address of somebody else, and waits.
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    let token = app.mailed_token("ana@example.com").await;
    let before = app.sign_in("ana").await;
    let refresh = app.anybody().post("/api/v1/auth/login", &register).await.expect(200)["refreshToken"].clone();
    makes_no_other_way_in(&before).await;
    let ana = Browser::new().caller(&app).await;
    let shown = ana.get("/api/v1/auth/me").await.expect(200);
    assert_eq!((&shown["email"], &shown["emailVerified"]), (&json!("ana@example.com"), &json!(true)));
    before.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    let refresh = app.anybody().post("/api/v1/auth/refresh", &json!({ "refreshToken": refresh })).await;
    refresh.problem(401, "unauthenticated");
    app.anybody().post("/api/v1/auth/login", &register).await.problem(401, "unauthenticated");
    let verify = app.anybody().post("/api/v1/auth/email/verify", &json!({ "token": token })).await;
    verify.problem(422, "validation_failed");
    let subject = app.mails_to("ana@example.com").await.pop().unwrap().subject;
    assert_eq!(subject, "Our club signs you in now");
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn both_sides_have_verified_the_address_or_it_is_not_linked(#[case] engine: Engine) {
    let (app, provider) = with_provider(engine).await;
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    let id = app.anybody().post("/api/v1/auth/register", &register).await.expect(201)["id"].clone();
    let token = app.mailed_token("ana@example.com").await;
    app.anybody().post("/api/v1/auth/email/verify", &json!({ "token": token })).await.expect(200);
    let before = app.sign_in("ana").await;
    for email in [None, Some(("ana@example.com", false))] {
        provider.speaks_of("7", email);
        assert_eq!(Browser::new().sign_in(&app).await, error("email_not_verified"));
    }
    provider.speaks_of("7", Some(("ana@example.com", true)));
    let linked = Browser::new().caller(&app).await;
    assert_eq!(linked.get("/api/v1/auth/me").await.expect(200)["id"], id);
    before.get("/api/v1/auth/me").await.expect(200);
    app.sign_in("ana").await;
    // Who is known is known by his subject: another address changes nothing, and his old one leads nobody here.
    provider.speaks_of("7", Some(("elsewhere@example.com", false)));
    let again = Browser::new().caller(&app).await;
    assert_eq!(again.get("/api/v1/auth/me").await.expect(200)["id"], id);
    provider.speaks_of("8", Some(("bob@example.com", true)));
    let other = Browser::new().caller(&app).await;
    assert_ne!(other.get("/api/v1/auth/me").await.expect(200)["id"], id);
    app.stop().await;
}

#[tokio::test]
async fn identities_are_linked_from_a_session_and_unlinking_locks_nobody_out() {
    let (app, provider) = with_provider(Engine::Sqlite).await;
    let identities = "/api/v1/users/me/identities";
    let register = json!({ "email": "ana@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    let token = app.mailed_token("ana@example.com").await;
    let ana = app.sign_in("ana").await;
    let wish = json!({ "provider": "club", "password": PASSWORD });
    ana.post(identities, &wish).await.problem(409, "invalid_state");
    app.anybody().post("/api/v1/auth/email/verify", &json!({ "token": token })).await.expect(200);
    for wrong in [json!({ "provider": "club" }), json!({ "provider": "club", "password": "wrong password" })] {
        ana.post(identities, &wrong).await.problem(422, "validation_failed");
    }
    ana.post(identities, &json!({ "provider": "nobody", "password": PASSWORD })).await.problem(404, "not_found");

    // Whatever the address there is: she has shown both to be hers.
    provider.speaks_of("9", Some(("other@example.com", false)));
    let link = async |browser: &mut Browser, caller: &Caller| {
        let reply = caller.post(identities, &wish).await;
        browser.keep("us", reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()));
        let there = reply.expect(200)["authorizationUrl"].as_str().unwrap().to_owned();
        browser.theirs(&there, None).await.1.unwrap()
    };
    let mut browser = Browser::new();
    let back = link(&mut browser, &ana).await;
    // In the browser of somebody else it links nothing.
    assert_eq!(Browser::new().come_back(&app, &back).await, error("unknown_attempt"));
    assert_eq!(browser.come_back(&app, &back).await, ("linked".to_owned(), "club".to_owned()));
    let listed = ana.get(identities).await.expect(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["subject"]), (1, &json!("9")));
    let signed_in = Browser::new().caller(&app).await;
    assert_eq!(signed_in.get("/api/v1/auth/me").await.expect(200)["email"], "ana@example.com");

    // It is hers now, and nobody else's.
    let register = json!({ "email": "eve@example.com", "password": PASSWORD });
    app.anybody().post("/api/v1/auth/register", &register).await.expect(201);
    let token = app.mailed_token("eve@example.com").await;
    app.anybody().post("/api/v1/auth/email/verify", &json!({ "token": token })).await.expect(200);
    let eve = app.sign_in("eve").await;
    let mut browser = Browser::new();
    let back = link(&mut browser, &eve).await;
    assert_eq!(browser.come_back(&app, &back).await, error("linked_elsewhere"));
    // Signed out meanwhile.
    let back = link(&mut browser, &eve).await;
    eve.act("/api/v1/auth/logout").await.expect(204);
    assert_eq!(browser.come_back(&app, &back).await, error("signed_out"));

    // Others cannot take it away, she can, and the mails tell.
    let one = format!("{identities}/{}", listed["items"][0]["id"].as_str().unwrap());
    app.sign_in("eve").await.delete(&one).await.problem(404, "not_found");
    ana.delete(&one).await.expect(204);
    ana.delete(&one).await.problem(404, "not_found");
    let subjects: Vec<String> = app.mails_to("ana@example.com").await.into_iter().map(|mail| mail.subject).collect();
    let told = subjects.iter().filter(|subject| subject.starts_with("Our club")).count();
    assert_eq!(told, 2, "{subjects:?}");
    assert_eq!(Browser::new().sign_in(&app).await, error("email_not_verified"), "nobody signs in by it any more");

    // Who has nothing else stays.
    provider.speaks_of("10", Some(("carl@example.com", true)));
    let carl = Browser::new().caller(&app).await;
    let listed = carl.get(identities).await.expect(200);
    let one = format!("{identities}/{}", listed["items"][0]["id"].as_str().unwrap());
    carl.delete(&one).await.problem(409, "invalid_state");
    let forgot = json!({ "email": "carl@example.com" });
    app.anybody().post("/api/v1/auth/password/forgot", &forgot).await.expect(202);
    let token = app.mailed_token("carl@example.com").await;
    let reset = json!({ "token": token, "password": PASSWORD });
    app.anybody().post("/api/v1/auth/password/reset", &reset).await.expect(204);
    app.sign_in("carl").await.delete(&one).await.expect(204);
    app.stop().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_deleted_account_leaves_its_identity_free(#[case] engine: Engine) {
    let (app, _provider) = with_provider(engine).await;
    let first = Browser::new().caller(&app).await;
    let id = first.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    app.anybody().post("/api/v1/auth/password/forgot", &json!({ "email": "ana@example.com" })).await.expect(202);
    let token = app.mailed_token("ana@example.com").await;
    let reset = json!({ "token": token, "password": PASSWORD });
    app.anybody().post("/api/v1/auth/password/reset", &reset).await.expect(204);
    let mut browser = Browser::new();
    let (_, code) = browser.sign_in(&app).await;
    let delete = json!({ "password": PASSWORD });
    app.sign_in("ana").await.post("/api/v1/users/me/delete", &delete).await.expect(204);
    browser.exchange(&app, &code).await.problem(401, "unauthenticated");
    let second = Browser::new().caller(&app).await;
    assert_ne!(second.get("/api/v1/auth/me").await.expect(200)["id"], id);
    app.stop().await;
}

#[tokio::test]
async fn github_tells_who_one_is_by_its_own_api() {
    let server = TestProvider::start().await;
    let app = app(Engine::Sqlite, vec![github(&server.url())]).await;
    let sign_in = async |browser: &mut Browser| {
        let reply = browser.ours(&app, Method::GET, "/api/v1/auth/oauth/github/start", None).await;
        let (_, back, _) = browser.theirs(&location(&reply), None).await;
        browser.come_back(&app, &back.unwrap()).await
    };
    let mut browser = Browser::new();
    for email in [None, Some(("ana@example.com", false))] {
        server.speaks_of("4711", email);
        assert_eq!(sign_in(&mut browser).await, error("email_not_verified"), "an old address is not enough");
    }
    server.speaks_of("4711", Some(("ana@example.com", true)));
    let (name, code) = sign_in(&mut browser).await;
    assert_eq!(name, "code");
    let web = browser.ours(&app, Method::POST, "/api/v1/auth/web/oauth/exchange", Some(&json!({ "code": code }))).await;
    assert!(web.expect(200)["csrfToken"].is_string());
    let me = browser.ours(&app, Method::GET, "/api/v1/auth/me", None).await.expect(200);
    assert_eq!((&me["email"], &me["name"]), (&json!("ana@example.com"), &json!("Ana Kowalska")));
    let listed = browser.ours(&app, Method::GET, "/api/v1/users/me/identities", None).await.expect(200);
    assert_eq!((&listed["items"][0]["issuer"], &listed["items"][0]["subject"]), (&json!(server.url()), &json!("4711")));
    server.behave(Behaviour::Denies);
    assert_eq!(sign_in(&mut browser).await, error("denied"));
    server.behave(Behaviour::Fails);
    assert_eq!(sign_in(&mut browser).await, error("provider_unavailable"));
    server.behave(Behaviour::Honest);
    // A code that was used before.
    let reply = browser.ours(&app, Method::GET, "/api/v1/auth/oauth/github/start", None).await;
    let mut copy = Browser::new();
    copy.cookies = browser.cookies.clone();
    let (_, back, _) = browser.theirs(&location(&reply), None).await;
    assert_eq!(browser.come_back(&app, back.as_deref().unwrap()).await.0, "code");
    assert_eq!(copy.come_back(&app, &back.unwrap()).await, error("code_refused"));
    app.stop().await;
}
