//! The members of an organizer over HTTP: what they may, how they change, and that somebody always owns it.

use application::store::Store;
use domain::catalog::{Member, MemberRole, Reach};
use domain::identity::Role;
use domain::{EventId, OrganizerId, Timestamp, UserId};
use futures::future::join_all;
use goticket_testkit::app::Caller;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};
use uuid::Uuid;

/// A world whose organizer has a draft, and the ids of both.
async fn with_draft(engine: Engine) -> (World, String, String) {
    let world = world(engine).await;
    let draft = world.draft(100, 10).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (organizer, event) = (text(&draft["organizerId"]), text(&draft["id"]));
    (world, organizer, event)
}

/// A new account that is a member of the organizer.
async fn member(world: &World, organizer: &str, name: &str, role: MemberRole, events: &[&str]) -> Caller {
    let caller = world.app.account(name, Role::User).await;
    let reach = match events {
        [] => Reach::All,
        some => Reach::Only(some.iter().map(|id| EventId::new(id.parse().unwrap())).collect()),
    };
    let organizer = OrganizerId::new(organizer.parse::<Uuid>().unwrap());
    let since = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
    let member = Member { organizer, user: UserId::new(caller.user()), role, reach, since };
    let mut unit = world.app.database.database.begin().await.unwrap();
    unit.insert_member(&member).await.unwrap();
    unit.commit().await.unwrap();
    caller
}

fn path(organizer: &str, member: &Caller) -> String {
    format!("/api/v1/organizers/{organizer}/members/{}", member.user())
}

#[tokio::test]
async fn members_are_listed_and_shown() {
    let (world, organizer, event) = with_draft(Engine::Sqlite).await;
    let manager = member(&world, &organizer, "manager", MemberRole::Manager, &[]).await;
    let scanner = member(&world, &organizer, "scanner", MemberRole::Scanner, &[&event]).await;
    let list = format!("/api/v1/organizers/{organizer}/members");
    let first = manager.get(&format!("{list}?limit=2")).await.expect(200);
    let second = world.organizer.get(&format!("{list}?cursor={}", first["nextCursor"].as_str().unwrap())).await;
    let second = second.expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 1));
    assert_eq!(second["nextCursor"], Value::Null);
    assert_eq!(
        (&first["items"][0]["role"], &first["items"][0]["email"], &first["items"][0]["events"]),
        (&json!("owner"), &json!("organizer@example.com"), &Value::Null)
    );
    scanner.get(&list).await.problem(403, "forbidden");
    scanner.get(&path(&organizer, &manager)).await.problem(403, "forbidden");
    let own = scanner.get(&path(&organizer, &scanner)).await.expect(200);
    assert_eq!((&own["role"], &own["events"], &own["name"]), (&json!("scanner"), &json!([event]), &json!("scanner")));
    manager.get(&path(&organizer, &world.buyer)).await.problem(404, "not_found");
    world.stranger.get(&list).await.problem(404, "not_found");
    world.admin.get(&list).await.expect(200);
    world.admin.get(&format!("/api/v1/organizers/{}/members", Uuid::nil())).await.problem(404, "not_found");
    world.buyer.get(&path(&organizer, &world.buyer)).await.problem(404, "not_found");
    world.app.stop().await;
}

#[tokio::test]
async fn a_restricted_manager_acts_for_his_event_alone() {
    let (world, organizer, mine) = with_draft(Engine::Sqlite).await;
    let other = world.draft(100, 10).await["id"].as_str().unwrap().to_owned();
    let manager = member(&world, &organizer, "manager", MemberRole::Manager, &[&mine]).await;
    let edit = json!({ "venue": "Hall" });
    manager.patch(&format!("/api/v1/events/{mine}"), &edit).await.expect(200);
    manager.patch(&format!("/api/v1/events/{other}"), &edit).await.problem(404, "not_found");
    manager.get(&format!("/api/v1/events/{other}")).await.problem(404, "not_found");
    manager.get(&format!("/api/v1/events/{mine}/bookings")).await.expect(200);
    manager.get(&format!("/api/v1/events/{other}/bookings")).await.problem(404, "not_found");
    let drafts = manager.get("/api/v1/events?status=draft").await.expect(200);
    assert_eq!(drafts["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&json!(mine)]);
    let mut new = gala(1, 1);
    new["organizerId"] = json!(organizer);
    manager.post("/api/v1/events", &new).await.problem(403, "forbidden");
    manager.get(&format!("/api/v1/organizers/{organizer}/members")).await.problem(403, "forbidden");
    let organizers = manager.get("/api/v1/organizers").await.expect(200);
    assert_eq!(organizers["items"][0]["id"], json!(organizer));
    // The same for bookings of an event that everybody sees.
    world.organizer.act(&format!("/api/v1/events/{other}/publish")).await.expect(200);
    let booking = world.book(&other, 1).await["id"].as_str().unwrap().to_owned();
    manager.get(&format!("/api/v1/events/{other}")).await.expect(200);
    manager.get(&format!("/api/v1/bookings/{booking}")).await.problem(404, "not_found");
    manager.act(&format!("/api/v1/bookings/{booking}/confirm")).await.problem(404, "not_found");
    world.app.stop().await;
}

#[tokio::test]
async fn a_manager_makes_events_whatever_his_platform_role() {
    let (world, organizer, _) = with_draft(Engine::Sqlite).await;
    let manager = member(&world, &organizer, "manager", MemberRole::Manager, &[]).await;
    // His only organizer is meant, and none is made for him.
    let event = manager.post("/api/v1/events", &gala(1, 1)).await.expect(201);
    assert_eq!(event["organizerId"], json!(organizer));
    let organizers = manager.get("/api/v1/organizers").await.expect(200);
    assert_eq!(organizers["items"].as_array().unwrap().len(), 1);
    assert_eq!(manager.get("/api/v1/auth/me").await.expect(200)["role"], "user");
    // Who is inside for other things, or nowhere, makes none.
    let scanner = member(&world, &organizer, "scanner", MemberRole::Scanner, &[]).await;
    scanner.post("/api/v1/events", &gala(1, 1)).await.problem(403, "forbidden");
    world.buyer.post("/api/v1/events", &gala(1, 1)).await.problem(403, "forbidden");
    world.app.stop().await;
}

#[tokio::test]
async fn a_change_counts_at_once() {
    let (world, organizer, event) = with_draft(Engine::Sqlite).await;
    let colleague = member(&world, &organizer, "colleague", MemberRole::Scanner, &[]).await;
    let his = path(&organizer, &colleague);
    let edit = async || colleague.patch(&format!("/api/v1/events/{event}"), &json!({ "venue": "Hall" })).await;
    edit().await.problem(403, "forbidden");
    let manager = world.organizer.patch(&his, &json!({ "role": "manager", "events": [event] })).await.expect(200);
    assert_eq!((&manager["role"], &manager["events"]), (&json!("manager"), &json!([event])));
    edit().await.expect(200);
    assert_eq!(world.organizer.patch(&his, &json!({ "events": null })).await.expect(200)["events"], Value::Null);
    world.organizer.patch(&his, &json!({})).await.expect(200);
    assert_eq!(world.organizer.delete(&his).await.status, 204);
    edit().await.problem(404, "not_found");
    world.organizer.delete(&his).await.problem(404, "not_found");
    world.organizer.patch(&his, &json!({ "role": "owner" })).await.problem(404, "not_found");
    world.app.stop().await;
}

#[tokio::test]
async fn changes_are_checked() {
    let (world, organizer, event) = with_draft(Engine::Sqlite).await;
    let manager = member(&world, &organizer, "manager", MemberRole::Manager, &[]).await;
    let his = path(&organizer, &manager);
    let foreign = world.stranger.post("/api/v1/events", &gala(1, 1)).await.expect(201)["id"].clone();
    let unknown = world.organizer.patch(&his, &json!({ "events": [Uuid::nil()] })).await;
    let strange = world.organizer.patch(&his, &json!({ "events": [foreign] })).await;
    let told = |reply: &goticket_testkit::app::Reply| reply.problem(422, "validation_failed")["errors"].clone();
    assert_eq!(told(&unknown), told(&strange), "what is not his is told like what is nobody's");
    for (body, code) in [
        (json!({ "events": [] }), "out_of_range"),
        (json!({ "role": "owner", "events": [event] }), "not_for_owners"),
        (json!({ "events": vec![event.clone(); 201] }), "out_of_range"),
    ] {
        let reply = world.organizer.patch(&his, &body).await;
        assert_eq!(reply.problem(422, "validation_failed")["errors"][0]["code"], code);
    }
    world.organizer.patch(&his, &json!({ "role": null })).await.problem(400, "malformed_request");
    manager.patch(&his, &json!({ "role": "owner" })).await.problem(403, "forbidden");
    manager.delete(&path(&organizer, &world.organizer)).await.problem(403, "forbidden");
    world.app.stop().await;
}

#[tokio::test]
async fn there_is_always_an_owner() {
    let (world, organizer, _) = with_draft(Engine::Sqlite).await;
    let scanner = member(&world, &organizer, "scanner", MemberRole::Scanner, &[]).await;
    let own = path(&organizer, &world.organizer);
    world.organizer.delete(&own).await.problem(409, "invalid_state");
    world.organizer.patch(&own, &json!({ "role": "manager" })).await.problem(409, "invalid_state");
    world.admin.patch(&own, &json!({ "role": "scanner" })).await.problem(409, "invalid_state");
    world.admin.delete(&own).await.problem(409, "invalid_state");

    let hand_over = format!("/api/v1/organizers/{organizer}/hand-over");
    let to = |caller: &Caller| json!({ "userId": caller.user() });
    world.organizer.post(&hand_over, &to(&world.organizer)).await.problem(409, "invalid_state");
    world.organizer.post(&hand_over, &to(&world.buyer)).await.problem(404, "not_found");
    scanner.post(&hand_over, &to(&scanner)).await.problem(403, "forbidden");
    world.admin.post(&hand_over, &to(&scanner)).await.problem(403, "forbidden");
    let owner = world.organizer.post(&hand_over, &to(&scanner)).await.expect(200);
    assert_eq!((&owner["role"], &owner["userId"]), (&json!("owner"), &json!(scanner.user())));
    assert_eq!(scanner.get(&own).await.expect(200)["role"], "manager");
    world.organizer.patch(&own, &json!({ "role": "owner" })).await.problem(403, "forbidden");
    assert_eq!(world.organizer.delete(&own).await.status, 204, "a manager may leave");
    world.organizer.get(&own).await.problem(404, "not_found");
    scanner.delete(&path(&organizer, &scanner)).await.problem(409, "invalid_state");
    world.app.stop().await;
}

/// Owners who demote each other, leave and hand over at the same time leave one of them.
async fn one_owner_is_left(engine: Engine) {
    let (world, organizer, _) = with_draft(engine).await;
    let mut owners = vec![world.organizer.clone()];
    for number in 0..7 {
        owners.push(member(&world, &organizer, &format!("owner-{number}"), MemberRole::Owner, &[]).await);
    }
    let paths: Vec<String> = owners.iter().map(|owner| path(&organizer, owner)).collect();
    let body = json!({ "role": "manager" });
    let rounds = owners.iter().enumerate().flat_map(|(at, owner)| {
        let next = &paths[(at + 1) % paths.len()];
        let (demotion, leaving) = (owner.patch(next, &body), owner.delete(&paths[at]));
        [futures::future::Either::Left(demotion), futures::future::Either::Right(leaving)]
    });
    for reply in join_all(rounds).await {
        assert!([200, 204, 403, 404, 409].contains(&reply.status.as_u16()), "{reply:?}");
    }
    let members = world.admin.get(&format!("/api/v1/organizers/{organizer}/members")).await.expect(200);
    let left = members["items"].as_array().unwrap().iter().filter(|it| it["role"] == "owner").count();
    assert!(left >= 1, "{members}");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_owner_is_left_on_sqlite() {
    one_owner_is_left(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_owner_is_left_on_postgres() {
    one_owner_is_left(Engine::Postgres).await;
}

#[tokio::test]
async fn organizers_are_told_of_members_whose_account_is_deleted() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (world, organizer, _) = with_draft(engine).await;
        let scanner = member(&world, &organizer, "scanner", MemberRole::Scanner, &[]).await;
        let export = scanner.get("/api/v1/users/me/export").await.expect(200);
        assert_eq!(export["account"]["email"], "scanner@example.com");
        assert_eq!(export["memberships"][0]["organizerId"], json!(organizer));
        assert_eq!(export["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(export["bookings"], json!([]));
        let body = json!({ "password": goticket_testkit::app::PASSWORD });
        scanner.post("/api/v1/users/me/delete", &body).await.expect(204);
        let lines = format!("/api/v1/organizers/{organizer}/audit?action=member.");
        let lines = world.organizer.get(&lines).await.expect(200);
        let line = &lines["items"][0];
        assert_eq!((&line["action"], &line["objectId"]), (&json!("member.left"), &json!(scanner.user())));
        assert_eq!(line["after"], Value::Null);
        world.app.stop().await;
    }
}

/// So that whoever looks at all that an account acts for has an end of it.
#[tokio::test]
async fn an_account_acts_for_a_hundred_organizers_at_most() {
    let world = world(Engine::Sqlite).await;
    for n in 0..Member::ORGANIZERS_MAX {
        world.organizer.post("/api/v1/organizers", &json!({ "name": format!("Club {n}") })).await.expect(201);
    }
    let more = world.organizer.post("/api/v1/organizers", &json!({ "name": "One more" })).await;
    more.problem(409, "invalid_state");
    world.app.stop().await;
}
