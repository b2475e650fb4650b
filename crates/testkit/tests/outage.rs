//! The database goes away and comes back, is slow, or is lost in the middle of a commit: over REST, with a real PostgreSQL
//! behind a proxy that misbehaves on purpose.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use adapter_sql::DatabaseSettings;
use application::verify::Verifier;
use axum::http::Method;
use futures::StreamExt;
use futures::future::join_all;
use goticket_testkit::app::{Caller, Reply, Settings, TestApp};
use goticket_testkit::databases::{Engine, TestDatabase, postgres_address};
use goticket_testkit::proxy::{LostCommit, Proxy, Weather};
use goticket_testkit::world::{World, gala, world_of};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// No request takes longer than this, whatever happens.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// What a busy machine may need beyond that.
const SLACK: Duration = Duration::from_secs(8);
/// Within this time everything works again.
const RECOVERY: Duration = Duration::from_secs(30);

/// Few connections, and patience of a second, so that the tests are short.
fn database_settings() -> DatabaseSettings {
    DatabaseSettings {
        connections_max: 4,
        lane_connections_max: 3,
        connect_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_millis(500),
        ..DatabaseSettings::new("")
    }
}

async fn world_behind(proxy: &Proxy, database: DatabaseSettings, time_limit: Duration) -> World {
    let database = TestDatabase::create(Engine::Postgres).await.behind(proxy, &database).await;
    let mut settings = Settings::default();
    settings.rest.time_limit = time_limit;
    settings.desk.patience = Duration::from_secs(2);
    world_of(TestApp::start_in(database, settings).await).await
}

async fn proxy() -> Proxy {
    Proxy::before(postgres_address()).await
}

/// Every kind of work that needs the database.
async fn all_kinds(world: &World, event: &str, booking: &str) -> Vec<(&'static str, Reply)> {
    let login = json!({ "email": "buyer@example.com", "password": goticket_testkit::app::PASSWORD });
    let path = format!("/api/v1/events/{event}");
    let gala = gala(100, 5);
    let (anybody, bookings) = (world.app.anybody(), format!("{path}/bookings"));
    let (own, cancel) = (format!("/api/v1/bookings/{booking}"), format!("/api/v1/bookings/{booking}/renew"));
    let nobody = json!({});
    let (hold, read, mine, theirs, list, make, renew, sign_in) = tokio::join!(
        world.buyer.post(&bookings, &nobody),
        world.buyer.get(&own),
        world.buyer.get("/api/v1/bookings"),
        world.organizer.get(&bookings),
        anybody.get("/api/v1/events"),
        world.organizer.post("/api/v1/events", &gala),
        world.buyer.act(&cancel),
        anybody.post("/api/v1/auth/login", &login),
    );
    vec![
        ("hold", hold),
        ("read", read),
        ("mine", mine),
        ("theirs", theirs),
        ("list", list),
        ("make", make),
        ("renew", renew),
        ("sign in", sign_in),
    ]
}

async fn verify(world: &World) {
    let report = world.app.database.open().await.verify().await.unwrap();
    assert_eq!(report.differences, []);
}

/// Asks until the answer has this status; everything else on the way must be 503.
async fn until(status: u16, what: &str, mut ask: impl AsyncFnMut() -> Reply) -> Value {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let reply = ask().await;
        if reply.status.as_u16() == status {
            return reply.body;
        }
        reply.problem(503, "unavailable");
        assert!(Instant::now() < deadline, "{what} does not come back: {}", reply.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

/// How the database goes away; the third never lets go of its connections.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Away {
    Refused,
    Frozen,
    Stranded,
}

#[rstest]
#[case(Away::Refused)]
#[case(Away::Frozen)]
#[case(Away::Stranded)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_away_and_comes_back(#[case] away: Away) {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 1_000).await;
    let booking = id(&world.book(&event, 1).await);
    for (what, reply) in all_kinds(&world, &event, &booking).await {
        assert!(reply.status.is_success(), "{what}: {reply:?}");
    }
    match away {
        Away::Refused => proxy.set(Weather::Refused),
        Away::Frozen => proxy.set(Weather::Frozen),
        Away::Stranded => {
            // What is under way is stranded with its connection, and new ones find nobody at first.
            proxy.strand();
            proxy.set(Weather::Frozen);
        }
    }
    // More at a time than there are connections, again and again: none is ever stuck.
    for _ in 0..2 {
        let rounds = join_all((0..4).map(|_| all_kinds(&world, &event, &booking)));
        let rounds = timeout(TIME_LIMIT + SLACK, rounds).await.expect("nothing hangs");
        for (what, reply) in rounds.into_iter().flatten() {
            assert_eq!(reply.status, 503, "{what}: {reply:?}");
            reply.problem(503, "unavailable");
            assert_eq!(reply.header("retry-after"), Some("1"), "{what}");
        }
    }
    world.app.anybody().get("/readiness").await.problem(503, "unavailable");
    assert_eq!(world.app.anybody().get("/liveness").await.status, 200);

    proxy.set(Weather::Clear);
    let path = format!("/api/v1/events/{event}/bookings");
    until(200, "readiness", async || world.app.anybody().get("/readiness").await).await;
    until(201, "the desk", async || hold(&world, &path).await).await;
    // Each connection that was lost is noticed once at most.
    for _ in 0..4 {
        until(200, "reads", async || world.buyer.get("/api/v1/bookings").await).await;
        until(201, "units of work", async || world.organizer.post("/api/v1/events", &gala(100, 5)).await).await;
    }
    for (what, reply) in join_all((0..4).map(|_| all_kinds(&world, &event, &booking))).await.into_iter().flatten() {
        assert!(reply.status.is_success(), "{what} after it came back: {reply:?}");
    }
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_by_itself_goes_on_after_its_connection_was_stranded() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 1_000).await;
    let stream = format!("/api/v1/events/{event}/availability/stream");
    let mut watched = world.app.anybody().stream(Method::GET, &stream, &[], None).await.into_body().into_data_stream();
    for round in 1..=6 {
        // Slow, so that one of its statements is under way most likely; each time at another moment.
        proxy.set(Weather::Slow(Duration::from_millis(50)));
        tokio::time::sleep(Duration::from_millis(250 + 70 * round)).await;
        proxy.strand();
        proxy.set(Weather::Clear);
        let path = format!("/api/v1/events/{event}/bookings");
        until(201, "the desk", async || hold(&world, &path).await).await;
        let mut heard = Vec::new();
        let told = async {
            loop {
                let frame = watched.next().await.unwrap().unwrap();
                // A booking that was answered 503 may have been made all the same.
                let text = String::from_utf8_lossy(&frame).into_owned();
                heard.push(text.clone());
                let held = text.split("\"held\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
                if held.and_then(|held| held.parse::<u64>().ok()).is_some_and(|held| held >= round) {
                    return;
                }
            }
        };
        if timeout(RECOVERY, told).await.is_err() {
            let now = world.app.anybody().get(&format!("/api/v1/events/{event}/availability")).await;
            panic!("round {round}: watchers hear of what is sold after it, but heard {heard:?}; now {}", now.text);
        }
    }
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_stranded_in_the_middle_of_their_work_are_given_up() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 1_000).await;
    let booking = id(&world.book(&event, 1).await);
    // More of them than there are connections, each at another moment of its work.
    for after in (20..240).step_by(40) {
        proxy.set(Weather::Slow(Duration::from_millis(10)));
        let working = join_all((0..2).map(|_| all_kinds(&world, &event, &booking)));
        let stranding = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            proxy.strand();
            proxy.set(Weather::Clear);
        };
        let (rounds, ()) = timeout(TIME_LIMIT + SLACK, async { tokio::join!(working, stranding) }).await.unwrap();
        for (what, reply) in rounds.into_iter().flatten().filter(|(_, reply)| !reply.status.is_success()) {
            assert_eq!(reply.status, 503, "{what}: {reply:?}");
        }
    }
    let served = async || {
        let mine = world.buyer.get("/api/v1/bookings").await;
        if mine.status == 200 { world.organizer.post("/api/v1/events", &gala(1, 1)).await } else { mine }
    };
    for _ in 0..8 {
        until(201, "a place in the pool", served).await;
    }
    // The database itself ends what was left open there, and then all places are free again.
    let deadline = Instant::now() + RECOVERY;
    loop {
        let rounds = join_all((0..4).map(|_| all_kinds(&world, &event, &booking))).await;
        let refused: Vec<_> = rounds.iter().flatten().filter(|(_, reply)| !reply.status.is_success()).collect();
        if refused.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "afterwards: {refused:?}");
    }
    verify(&world).await;
    world.app.stop().await;
}

#[rstest]
#[case(LostCommit::OnTheWay)]
#[case(LostCommit::AnswerOnly)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_at_its_commit_is_told_truly(#[case] lost: LostCommit) {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 1_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    world.book(&event, 1).await;
    let expected = match lost {
        LostCommit::OnTheWay => 503,
        // The look-up under the lane's lock finds that it was committed.
        LostCommit::AnswerOnly => 201,
    };
    for n in 0..5_u64 {
        proxy.lose_next_commit(lost);
        let key = format!("k-{n}");
        let ask = async || {
            world.buyer.send(Method::POST, &path, &[("idempotency-key", key.as_str())], Some("{}".to_owned())).await
        };
        let first = timeout(TIME_LIMIT + SLACK, ask()).await.expect("it does not hang");
        assert_eq!(proxy.commits_lost(), n + 1, "the commit was lost: {first:?}");
        assert_eq!(first.status.as_u16(), expected, "{first:?}");
        let again = ask().await;
        let replayed = again.header("idempotency-replayed").is_some();
        assert_eq!(replayed, expected == 201, "{again:?}");
        let again = again.expect(201);
        if expected == 201 {
            assert_eq!(first.body, again);
        } else {
            first.problem(503, "unavailable");
        }
    }
    assert_eq!(mine(&world.buyer).await.len(), 6, "each is there exactly once");
    verify(&world).await;
    world.app.stop().await;
}

/// One ticket.
async fn hold(world: &World, path: &str) -> Reply {
    world.buyer.post(path, &json!({})).await
}

/// All bookings of a caller.
async fn mine(caller: &Caller) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut path = "/api/v1/bookings?limit=100".to_owned();
    loop {
        let page = caller.get(&path).await.expect(200);
        all.extend(page["items"].as_array().unwrap().iter().map(|booking| (id(booking), booking.clone())));
        let Some(next) = page["nextCursor"].as_str() else { return all };
        path = format!("/api/v1/bookings?limit=100&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_unknown_is_503_and_found_again_by_its_key() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 10).await;
    let path = format!("/api/v1/events/{event}/bookings");
    world.book(&event, 1).await;
    let headers = [("idempotency-key", "k-1")];
    let ask = async || world.buyer.send(Method::POST, &path, &headers, Some("{}".to_owned())).await;
    proxy.lose_next_commit(LostCommit::AnswerOnly);
    let asked = async {
        let lost = async {
            while proxy.commits_lost() == 0 {
                tokio::task::yield_now().await;
            }
            // Nobody can be asked what became of it.
            proxy.set(Weather::Refused);
        };
        tokio::join!(ask(), lost).0
    };
    let first = timeout(TIME_LIMIT + SLACK, asked).await.expect("it does not hang");
    proxy.set(Weather::Clear);
    let again = until(201, "the desk", ask).await;
    until(200, "reads", async || world.buyer.get("/api/v1/bookings").await).await;
    // Whether the look-up came through before the proxy closed is left to chance; what was promised is not.
    if first.status == 201 {
        assert_eq!(first.body, again);
    } else {
        first.problem(503, "unavailable");
    }
    assert_eq!(mine(&world.buyer).await.len(), 2, "it is there once");
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_lost_in_the_middle_of_a_sale_keep_every_promise() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 400).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let mut promised = BTreeSet::new();
    for round in 0..12 {
        let lost = if round % 2 == 0 { LostCommit::OnTheWay } else { LostCommit::AnswerOnly };
        proxy.lose_next_commit(lost);
        for reply in join_all((0..25).map(|_| hold(&world, &path))).await {
            match reply.status.as_u16() {
                201 => assert!(promised.insert(id(&reply.body)), "promised twice"),
                _ => drop(reply.problem(503, "unavailable")),
            }
        }
    }
    assert_eq!(proxy.commits_lost(), 12);
    let there = mine(&world.buyer).await;
    assert!(promised.iter().all(|booking| there.contains_key(booking)), "every promise is kept");
    // Nothing was left unknown here, so that nothing is there but what was promised.
    assert_eq!(there.len(), promised.len());
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_after_any_number_of_bytes_lose_no_promise() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, database_settings(), TIME_LIMIT).await;
    let event = world.on_sale(100, 10_000).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let (mut promised, mut refused) = (BTreeSet::new(), 0);
    for bytes in (0..2_600).step_by(37) {
        proxy.cut_after(bytes);
        for reply in join_all((0..3).map(|_| hold(&world, &path))).await {
            match reply.status.as_u16() {
                201 => assert!(promised.insert(id(&reply.body)), "promised twice"),
                _ => drop(reply.problem(503, "unavailable")),
            }
            refused += usize::from(reply.status != 201);
        }
    }
    proxy.set(Weather::Clear);
    promised.insert(id(&until(201, "the desk", async || hold(&world, &path).await).await));
    let there = mine(&world.buyer).await;
    assert!(promised.iter().all(|booking| there.contains_key(booking)), "every promise is kept");
    // How many are promised in between is a question of how fast the machine is.
    assert!(refused > 0 && promised.len() > 1, "{refused} refused, {} promised", promised.len());
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_is_slow_and_nothing_else() {
    let proxy = proxy().await;
    // With the limits of the defaults: 200 ms a round trip must be within them.
    let database = DatabaseSettings { connections_max: 4, ..DatabaseSettings::new("") };
    let world = world_behind(&proxy, database, Duration::from_secs(10)).await;
    let event = world.on_sale(100, 30).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let booking = id(&world.book(&event, 1).await);
    proxy.set(Weather::Slow(Duration::from_millis(100)));
    let (mut sold, mut refused) = (0, 0);
    let holds = join_all((0..60).map(|_| hold(&world, &path)));
    let others = all_kinds(&world, &event, &booking);
    let (holds, others) = timeout(Duration::from_secs(60), async { tokio::join!(holds, others) }).await.unwrap();
    for reply in &holds {
        match reply.status.as_u16() {
            201 => sold += 1,
            409 => {
                reply.problem(409, "sold_out");
                refused += 1;
            }
            _ => drop(reply.problem(503, "unavailable")),
        }
    }
    for (what, reply) in others {
        // `hold` and `make` may find the hall full and the queue long; nothing is an error of ours.
        assert!(!reply.status.is_server_error() || reply.status == 503, "{what}: {reply:?}");
    }
    proxy.set(Weather::Clear);
    assert!(sold > 0 && sold <= 29, "{sold} sold, {refused} refused");
    let there = mine(&world.buyer).await.len();
    assert!((sold + 1..=30).contains(&there), "{sold} promised, {there} there");
    verify(&world).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_longer_than_the_limit_is_answered_503() {
    let proxy = proxy().await;
    let world = world_behind(&proxy, DatabaseSettings::new(""), Duration::from_secs(2)).await;
    let event = world.on_sale(100, 10).await;
    let booking = id(&world.book(&event, 1).await);
    proxy.set(Weather::Frozen);
    // Every patience of the database is longer than the limit, so that it is the limit that answers.
    let began = Instant::now();
    for (what, reply) in timeout(SLACK, all_kinds(&world, &event, &booking)).await.expect("nothing hangs") {
        let problem = reply.problem(503, "unavailable");
        assert_eq!(reply.header("retry-after"), Some("1"), "{what}");
        let expected = json!({
            "type": "urn:goticket:problem:unavailable",
            "title": "Too busy, or a part is away",
            "status": 503,
            "detail": problem["detail"],
            "code": "unavailable",
            "correlationId": reply.header("x-correlation-id"),
        });
        assert_eq!(problem, &expected, "{what}");
    }
    assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
    proxy.set(Weather::Clear);
    let path = format!("/api/v1/events/{event}/bookings");
    until(201, "the desk", async || hold(&world, &path).await).await;
    verify(&world).await;
    world.app.stop().await;
}
