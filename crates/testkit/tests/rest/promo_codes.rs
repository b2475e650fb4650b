//! Promo codes over REST: made, shown, changed, and used.

use application::guard::{LimitClass, LimitRates, Rate};
use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::app::{Caller, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::world::{World, world, world_of};
use serde_json::{Value, json};

on_both_engines!(
    a_code_makes_tickets_cheaper,
    codes_are_kept_and_changed,
    a_code_opens_hidden_types,
    a_code_is_made_once_for_one_key
);

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// An event on sale at this price.
async fn on_sale(world: &World, price: i64) -> String {
    format!("/api/v1/events/{}", world.on_sale(price, 100).await)
}

/// The problem of the only field that is wrong.
async fn wrong_code(caller: &Caller, path: &str, mut wish: Value, code: &str) -> String {
    wish["promoCode"] = json!(code);
    let problem = caller.post(path, &wish).await.problem(422, "validation_failed").clone();
    assert_eq!(problem["errors"][0]["field"], "promoCode");
    text(&problem["errors"][0]["code"])
}

async fn a_code_makes_tickets_cheaper(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 2_505).await;
    let before = world.buyer.post(&format!("{event}/bookings"), &json!({})).await.expect(201);
    let codes = format!("{event}/promo-codes");
    let new = json!({ "code": "early-10", "rate": 100_000, "maxUses": 2, "maxPerBuyer": 1 });
    let made = world.organizer.post(&codes, &new).await;
    let location = made.header("location").unwrap().to_owned();
    let made = made.expect(201);
    assert_eq!((&made["code"], &made["used"], &made["spent"]), (&json!("EARLY-10"), &json!(0), &json!(0)));
    assert_eq!(world.organizer.get(&location).await.expect(200), made);

    let wish = json!({ "quantity": 2, "promoCode": " Early-10 " });
    for caller in [&world.app.anybody(), &world.buyer] {
        let quote = caller.post(&format!("{event}/quote"), &wish).await.expect(200);
        let part = &quote["priceParts"][0];
        assert_eq!((&quote["total"], &part["discount"], &part["gross"]), (&json!(4_508), &json!(502), &json!(4_508)));
        assert_eq!(part["taxRate"], Value::Null);
    }
    assert_eq!(world.organizer.get(&location).await.expect(200)["used"], 0, "a quote uses nothing");

    let mut wish = wish;
    wish["expectedTotal"] = json!(4_508);
    let book = async |caller: &Caller| caller.post(&format!("{event}/bookings"), &wish).await;
    let key = [("idempotency-key", "k")];
    let path = format!("{event}/bookings");
    let booking = world.buyer.send(Method::POST, &path, &key, Some(wish.to_string())).await.expect(201);
    assert_eq!((&booking["total"], &booking["promoCode"]), (&json!(4_508), &json!("EARLY-10")));
    let again = world.buyer.send(Method::POST, &path, &key, Some(wish.to_string())).await.expect(201);
    assert_eq!(again, booking, "again");
    let mine = format!("/api/v1/bookings/{}", text(&booking["id"]));
    assert_eq!(world.buyer.get(&mine).await.expect(200), booking);
    let used = world.organizer.get(&location).await.expect(200);
    assert_eq!((&used["used"], &used["spent"]), (&json!(1), &json!(502)));
    let refused = book(&world.buyer).await.problem(422, "validation_failed").clone();
    assert_eq!(refused["errors"][0]["code"], "limit_exceeded", "one for each buyer");

    let other = book(&world.stranger).await.expect(201);
    let third = book(&world.admin).await.problem(422, "validation_failed").clone();
    assert_eq!(third["errors"][0]["code"], "used_up");
    let other = format!("/api/v1/bookings/{}", text(&other["id"]));
    let cancelled = world.stranger.act(&format!("{other}/cancel")).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["promoCode"]), (&json!("cancelled"), &json!("EARLY-10")));
    assert_eq!(book(&world.admin).await.expect(201)["total"], 4_508, "what was given back is of use again");
    let confirmed = world.organizer.act(&format!("{mine}/confirm")).await.expect(200);
    assert_eq!(confirmed["priceParts"], booking["priceParts"]);
    let plain = format!("/api/v1/bookings/{}", text(&before["id"]));
    assert_eq!(world.buyer.get(&plain).await.expect(200), before, "what was booked before has no parts");
    world.app.stop().await;
}

async fn codes_are_kept_and_changed(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 1_000).await;
    let (codes, quote) = (format!("{event}/promo-codes"), format!("{event}/quote"));
    let random = world.organizer.post(&codes, &json!({ "amount": 1_500 })).await.expect(201);
    assert_eq!(text(&random["code"]).len(), 12, "{random}");
    let free = json!({ "promoCode": random["code"] });
    assert_eq!(world.buyer.post(&quote, &free).await.expect(200)["total"], 0, "never below nothing");
    let booking = world.buyer.post(&format!("{event}/bookings"), &free).await.expect(201);
    assert_eq!((&booking["status"], &booking["total"]), (&json!("confirmed"), &json!(0)));

    let seated = json!({ "name": "Seated", "price": 4_000 });
    let seated = world.organizer.post(&format!("{event}/ticket-types"), &seated).await.expect(201)["id"].clone();
    let standing = booking["items"][0]["ticketTypeId"].clone();
    let new = json!({ "code": "SEATS", "rate": 500_000, "ticketTypeIds": [seated], "budget": 5_000 });
    let made = world.organizer.post(&codes, &new).await.expect(201);
    world.organizer.post(&codes, &new).await.problem(409, "already_exists");
    let of = |types: &[&Value]| {
        let items: Vec<Value> = types.iter().map(|id| json!({ "ticketTypeId": id, "quantity": 1 })).collect();
        json!({ "items": items, "promoCode": "seats" })
    };
    let both = world.buyer.post(&quote, &of(&[&standing, &seated])).await.expect(200);
    let off = |at: usize| both["priceParts"][at]["discount"].clone();
    assert_eq!((&both["total"], off(0), off(1)), (&json!(3_000), json!(0), json!(2_000)));
    let refused = world.buyer.post(&quote, &of(&[&standing])).await.problem(422, "validation_failed").clone();
    assert_eq!(refused["errors"][0]["code"], "not_applicable");

    let path = format!("{codes}/{}", text(&made["id"]));
    let edit = async |change: Value| world.organizer.patch(&path, &change).await;
    let changed = edit(json!({ "rate": null, "amount": 10, "budget": null, "maxUses": 7 })).await.expect(200);
    assert_eq!((changed.get("rate"), &changed["amount"], &changed["budget"]), (None, &json!(10), &Value::Null));
    assert_eq!((&changed["maxUses"], &changed["ticketTypeIds"]), (&json!(7), &json!([seated])));
    assert_eq!(world.buyer.post(&quote, &of(&[&seated])).await.expect(200)["total"], 3_990);
    let wrong = edit(json!({ "rate": 5, "maxUses": 0, "budget": -1, "ticketTypeIds": [made["id"]] })).await;
    let wrong = wrong.problem(422, "validation_failed").clone();
    let fields: Vec<String> = wrong["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
    assert_eq!(fields, ["amount", "ticketTypeIds", "maxUses", "budget"]);

    let buyer = &world.buyer;
    let (past, later) = ("2020-01-01T00:00:00Z", "2029-01-01T00:00:00Z");
    edit(json!({ "endsAt": past })).await.expect(200);
    assert_eq!(wrong_code(buyer, &quote, of(&[&seated]), "SEATS").await, "expired");
    edit(json!({ "endsAt": null, "startsAt": later })).await.expect(200);
    assert_eq!(
        wrong_code(buyer, &quote, of(&[&seated]), "SEATS").await,
        "unknown",
        "nobody learns of what is not of use yet"
    );
    edit(json!({ "startsAt": null, "archived": true })).await.expect(200);
    for none in ["SEATS", "NONE-SUCH", "x", "ąęć", "'; --"] {
        assert_eq!(wrong_code(buyer, &quote, of(&[&seated]), none).await, "unknown", "{none}");
    }
    let listed = world.organizer.get(&format!("{codes}?limit=1")).await.expect(200);
    assert_eq!((&listed["items"][0]["code"], &listed["items"][0]["used"]), (&random["code"], &json!(1)));
    let next = format!("{codes}?cursor={}", text(&listed["nextCursor"]));
    let rest = world.organizer.get(&next).await.expect(200);
    assert_eq!((&rest["items"][0]["code"], &rest["items"][0]["archived"]), (&json!("SEATS"), &json!(true)));

    // Codes of one event are none of another, nor anybody else's.
    let elsewhere = on_sale(&world, 1_000).await;
    assert_eq!(wrong_code(buyer, &format!("{elsewhere}/quote"), json!({}), &text(&random["code"])).await, "unknown");
    let there = format!("{elsewhere}/promo-codes/{}", text(&made["id"]));
    world.organizer.get(&there).await.problem(404, "not_found");
    world.organizer.patch(&there, &json!({ "archived": false })).await.problem(404, "not_found");
    world.stranger.get(&path).await.problem(404, "not_found");
    world.buyer.get(&codes).await.problem(404, "not_found");
    world.app.stop().await;
}

async fn a_code_opens_hidden_types(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 1_000).await;
    let types = format!("{event}/ticket-types");
    let new = |name: &str| json!({ "name": name, "price": 4_000, "capacity": 5, "hidden": true });
    let friends = world.organizer.post(&types, &new("Friends")).await.expect(201);
    let press = world.organizer.post(&types, &new("Press")).await.expect(201);
    assert_eq!(friends["codeRequired"], false);
    let of = |kind: &Value| json!({ "items": [{ "ticketTypeId": kind["id"], "quantity": 2 }] });
    let (quote, bookings) = (format!("{event}/quote"), format!("{event}/bookings"));
    world.buyer.post(&bookings, &of(&friends)).await.expect(201);

    // The first code that opens a type closes it to everybody else.
    let (codes, opening) = (format!("{event}/promo-codes"), format!("{event}/opened-ticket-types"));
    let version = world.organizer.get(&event).await.expect(200)["version"].as_u64().unwrap();
    let new = json!({ "code": "FRIENDS", "opensTicketTypeIds": [friends["id"]], "maxUses": 2 });
    let made = world.organizer.post(&codes, &new).await.expect(201);
    assert_eq!((made.get("rate"), made.get("amount"), &made["opensTicketTypeIds"][0]), (None, None, &friends["id"]));
    let inside = world.organizer.get(&event).await.expect(200);
    assert_eq!(inside["version"], version + 1);
    let guarded = |event: &Value| -> Vec<bool> {
        event["ticketTypes"].as_array().unwrap().iter().map(|it| it["codeRequired"].as_bool().unwrap()).collect()
    };
    assert_eq!(guarded(&inside), [false, true, false]);
    for path in [&quote, &bookings] {
        let refused = world.buyer.post(path, &of(&friends)).await.problem(422, "validation_failed").clone();
        assert_eq!(
            (&refused["errors"][0]["field"], &refused["errors"][0]["code"]),
            (&json!("promoCode"), &json!("required"))
        );
    }
    assert_eq!(world.buyer.post(&quote, &of(&press)).await.expect(200)["total"], 8_000, "no code guards this one");
    assert_eq!(
        world.buyer.post(&bookings, &json!({})).await.problem(422, "validation_failed")["errors"][0]["field"],
        "items"
    );

    // Who knows the code sees what it opens, and books it; others see nothing of it.
    for caller in [&world.app.anybody(), &world.buyer] {
        let opened = caller.post(&opening, &json!({ "promoCode": "friends" })).await.expect(200);
        assert_eq!((opened["items"].as_array().unwrap().len(), &opened["items"][0]["id"]), (1, &friends["id"]));
        assert_eq!((&opened["items"][0]["available"], &opened["items"][0]["price"]), (&json!(3), &json!(4_000)));
        assert!(!caller.get(&event).await.expect(200).to_string().contains("Friends"));
        let available = caller.get(&format!("{event}/availability")).await.expect(200);
        assert_eq!(available["ticketTypes"].as_array().unwrap().len(), 1);
    }
    assert_eq!(wrong_code(&world.buyer, &opening, json!({}), "NONE-SUCH").await, "unknown");
    let with = |kind: &Value| {
        let mut wish = of(kind);
        wish["promoCode"] = json!("Friends");
        wish
    };
    assert_eq!(world.buyer.post(&quote, &with(&friends)).await.expect(200)["total"], 8_000);
    let booking = world.buyer.post(&bookings, &with(&friends)).await.expect(201);
    assert_eq!((&booking["total"], &booking["promoCode"]), (&json!(8_000), &json!("FRIENDS")));
    let kept = world.buyer.get(&format!("/api/v1/bookings/{}", text(&booking["id"]))).await.expect(200);
    assert_eq!(kept, booking);
    assert_eq!(wrong_code(&world.buyer, &quote, of(&press), "FRIENDS").await, "not_applicable");
    let cheaper = world.organizer.post(&codes, &json!({ "code": "CHEAPER", "rate": 500_000 })).await.expect(201);
    assert_eq!(cheaper["opensTicketTypeIds"], json!([]));
    assert_eq!(wrong_code(&world.buyer, &quote, of(&friends), "CHEAPER").await, "not_applicable");
    let path = format!("{codes}/{}", text(&made["id"]));
    assert_eq!(world.organizer.get(&path).await.expect(200)["used"], 1);

    // That it is put away opens the type to nobody; the organizer may.
    world.organizer.patch(&path, &json!({ "archived": true })).await.expect(200);
    assert_eq!(wrong_code(&world.buyer, &opening, json!({}), "FRIENDS").await, "unknown");
    world.buyer.post(&quote, &of(&friends)).await.problem(422, "validation_failed");
    let kind = format!("{types}/{}", text(&friends["id"]));
    let open = world.organizer.patch(&kind, &json!({ "codeRequired": false })).await.expect(200);
    assert_eq!((&open["codeRequired"], &open["hidden"]), (&json!(false), &json!(true)));
    world.buyer.post(&quote, &of(&friends)).await.expect(200);
    // And no later change of the code takes that back.
    world.organizer.patch(&path, &json!({ "maxUses": 50 })).await.expect(200);
    world.buyer.post(&quote, &of(&friends)).await.expect(200);
    let shown = json!({ "hidden": false, "codeRequired": true });
    let wrong = world.organizer.patch(&kind, &shown).await.problem(422, "validation_failed").clone();
    assert_eq!(
        (&wrong["errors"][0]["field"], &wrong["errors"][0]["code"]),
        (&json!("codeRequired"), &json!("not_hidden"))
    );
    world.app.stop().await;
}

async fn a_code_is_made_once_for_one_key(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 1_000).await;
    let codes = format!("{event}/promo-codes");
    let make = async |wish: &Value| {
        world.organizer.send(Method::POST, &codes, &[("idempotency-key", "code-1")], Some(wish.to_string())).await
    };
    let wish = json!({ "rate": 100_000, "maxUses": 5, "startsAt": "2020-01-01T00:00:00Z" });
    let first = make(&wish).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let location = first.header("location").unwrap().to_owned();
    let made = first.expect(201);
    world.buyer.post(&format!("{event}/bookings"), &json!({ "promoCode": made["code"] })).await.expect(201);
    let again = make(&wish).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("location"), Some(location.as_str()));
    assert_eq!(again.expect(201), made, "as it was answered first, though it is used by now");
    assert_eq!(world.organizer.get(&location).await.expect(200)["used"], 1);
    let listed = world.organizer.get(&codes).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    make(&json!({ "rate": 100_001 })).await.problem(422, "idempotency_conflict");
    world.app.stop().await;
}

/// Who names too many codes that are none has to wait, and may book without one meanwhile.
#[tokio::test]
async fn guesses_are_limited() {
    let limits = LimitRates::default().with(LimitClass::PromoCodes, Rate::new(3, 60));
    let app = TestApp::start_with(Engine::Sqlite, Settings { limits: Some(limits), ..Settings::default() }).await;
    let world = world_of(app).await;
    let event = on_sale(&world, 1_000).await;
    let code = world.organizer.post(&format!("{event}/promo-codes"), &json!({ "rate": 1_000 })).await.expect(201);
    let (quote, bookings) = (format!("{event}/quote"), format!("{event}/bookings"));
    for path in [&quote, &bookings, &quote] {
        assert_eq!(wrong_code(&world.buyer, path, json!({}), "GUESS").await, "unknown");
    }
    let right = json!({ "promoCode": code["code"] });
    for path in [&quote, &bookings] {
        let refused = world.buyer.post(path, &right).await;
        assert!(refused.header("retry-after").is_some());
        refused.problem(429, "rate_limited");
    }
    world.buyer.post(&quote, &json!({})).await.expect(200);
    world.app.clock.step(TimeDelta::seconds(20));
    assert_eq!(world.buyer.post(&quote, &right).await.expect(200)["total"], 999);
    world.app.stop().await;
}
