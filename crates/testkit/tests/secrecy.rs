//! Nobody learns from an answer, nor from its time, whether an address has an account; and who storms the sign-in is
//! turned away, while others are served.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

use std::time::{Duration, Instant};

use adapter_system::BcryptLimits;
use application::identity::NewUser;
use application::origin::Origin;
use chrono::TimeDelta;
use domain::identity::Role;
use goticket_testkit::app::{PASSWORD, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::world_of;
use serde_json::json;

/// Calls of each kind in a round.
const CALLS: usize = 120;
/// A round on a busy machine may mislead; a leak misleads in every one.
const ROUNDS: usize = 4;

/// How long an answer took, which is one of these.
async fn timed(answer: impl Future<Output = Reply>) -> Duration {
    let began = Instant::now();
    let reply = answer.await;
    let took = began.elapsed();
    assert!([202, 401].contains(&reply.status.as_u16()), "{}", reply.text);
    took
}

/// The median time of an answer for known and for unknown addresses, asked in turn.
async fn medians(app: &TestApp, ask: &impl AsyncFn(&TestApp, String) -> Duration) -> (Duration, Duration) {
    let mut times = [Vec::new(), Vec::new()];
    for call in 0..CALLS {
        // Now the one first and now the other: what follows an answer must not always hit the same.
        for kind in [call % 2, 1 - call % 2] {
            let email = format!("{}{call}@example.com", ["known", "unknown"][kind]);
            times[kind].push(ask(app, email).await);
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_unstable();
        times[CALLS / 2]
    });
    (known, unknown)
}

async fn takes_as_long(engine: Engine, ask: impl AsyncFn(&TestApp, String) -> Duration) {
    let app = TestApp::start(engine).await;
    for call in 0..CALLS {
        let (email, origin) = (format!("known{call}@example.com"), Origin::system("test"));
        let new = NewUser { email: &email, password: PASSWORD, name: None };
        app.identity.create_user(new, Role::User, &origin).await.unwrap();
    }
    app.account("asker", Role::User).await;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        // What waits of an earlier round is done: a wish that comes again while the first one waits is quicker.
        app.mails_to("known0@example.com").await;
        let (known, unknown) = medians(&app, &ask).await;
        let (less, more) = (known.min(unknown), known.max(unknown));
        if more <= less.mul_f64(1.25) + Duration::from_micros(100) {
            app.stop().await;
            return;
        }
        seen.push((known, unknown));
    }
    panic!("the time tells who has an account: {seen:?}");
}

#[tokio::test]
async fn a_sign_in_takes_as_long_for_an_unknown_address() {
    let ask = async |app: &TestApp, email: String| {
        let body = json!({ "email": email, "password": "wrong password" });
        timed(app.anybody().post("/api/v1/auth/login", &body)).await
    };
    takes_as_long(Engine::Sqlite, ask).await;
    takes_as_long(Engine::Postgres, ask).await;
}

#[tokio::test]
async fn a_forgotten_password_takes_as_long_for_an_unknown_address() {
    let ask = async |app: &TestApp, email: String| {
        timed(app.anybody().post("/api/v1/auth/password/forgot", &json!({ "email": email }))).await
    };
    takes_as_long(Engine::Sqlite, ask).await;
    takes_as_long(Engine::Postgres, ask).await;
}

#[tokio::test]
async fn a_wish_for_another_address_takes_as_long_for_one_that_is_taken() {
    let ask = async |app: &TestApp, email: String| {
        // One may wish once a minute, and a token ends in a quarter of an hour.
        app.clock.step(TimeDelta::minutes(2));
        let asker = app.sign_in("asker").await;
        let body = json!({ "email": email, "password": PASSWORD });
        timed(asker.post("/api/v1/auth/email/change", &body)).await
    };
    takes_as_long(Engine::Sqlite, ask).await;
    takes_as_long(Engine::Postgres, ask).await;
}

#[tokio::test]
async fn answers_are_the_same_for_known_and_unknown_addresses() {
    let app = TestApp::start(Engine::Sqlite).await;
    app.account("known", Role::User).await;
    for (path, password) in [("/api/v1/auth/login", Some("wrong password")), ("/api/v1/auth/password/forgot", None)] {
        let mut answers = Vec::new();
        for email in ["known@example.com", "unknown@example.com"] {
            let mut body = json!({ "email": email });
            if let Some(password) = password {
                body["password"] = json!(password);
            }
            let mut reply = app.anybody().post(path, &body).await;
            reply.headers.remove("x-correlation-id");
            reply.body.as_object_mut().map(|problem| problem.remove("correlationId"));
            answers.push((reply.status, reply.headers, reply.body));
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn who_storms_the_sign_in_is_turned_away_and_others_are_served() {
    let settings = Settings { hashing: BcryptLimits { running: 1, waiting: 2 }, ..Settings::default() };
    let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
    let event = world.on_sale(100, 50).await;
    let body = json!({ "email": "buyer@example.com", "password": "wrong password" });
    let anybody = world.app.anybody();
    let storm = futures::future::join_all((0..60).map(|_| anybody.post("/api/v1/auth/login", &body)));
    let (replies, booked) = tokio::join!(storm, world.book(&event, 1));
    assert!(booked["id"].is_string());
    let turned_away: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!turned_away.is_empty());
    for reply in &turned_away {
        reply.problem(503, "unavailable");
        assert!(reply.header("retry-after").is_some());
    }
    assert!(replies.iter().all(|reply| [401, 503].contains(&reply.status.as_u16())));
    let right = json!({ "email": "buyer@example.com", "password": PASSWORD });
    anybody.post("/api/v1/auth/login", &right).await.expect(200);
    world.app.stop().await;
}
