//! What bookings cost, and why: taxes and fees of events, quotes, parts of prices.

use application::clock::Clock;
use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};

on_both_engines!(
    a_price_has_its_parts,
    another_total_is_refused_with_the_new_one,
    parts_stay_as_they_were_at_the_hold,
    taxes_on_top_are_rounded_by_group,
    ticket_types_have_taxes_of_their_own,
    early_birds_pay_less,
    who_finds_nothing_left_hears_that_and_no_price,
    a_price_by_time_ends_with_it,
    buyers_name_their_price,
);

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// 23 % in the price, a fee on each ticket, one on each booking with another tax, and what the organizer bears.
fn pricing() -> Value {
    json!({
        "taxRate": 230_000,
        "fees": [
            { "name": "Service", "amount": 150, "per": "unit" },
            { "name": "Handling", "amount": 300, "per": "booking", "taxRate": 80_000 },
            { "name": "Card", "rate": 20_000, "paidBy": "organizer" },
        ],
    })
}

/// An event on sale with this pricing, as the organizer sees it.
async fn on_sale(world: &World, price: i64, pricing: Value) -> (String, Value) {
    let mut new = gala(price, 100);
    new["pricing"] = pricing;
    let made = world.organizer.post("/api/v1/events", &new).await.expect(201);
    let path = format!("/api/v1/events/{}", text(&made["id"]));
    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    (path, made)
}

async fn a_price_has_its_parts(engine: Engine) {
    let world = world(engine).await;
    let (event, made) = on_sale(&world, 2_500, pricing()).await;
    let ticket_type = &made["ticketTypes"][0]["id"];
    assert_eq!(made["pricing"]["fees"].as_array().unwrap().len(), 3);
    let seen = world.app.anybody().get(&event).await.expect(200);
    assert_eq!(
        seen["pricing"],
        json!({
            "taxRate": 230_000, "taxIncluded": true, "rounding": "line", "fees": [
                { "name": "Service", "amount": 150, "per": "unit", "paidBy": "buyer" },
                { "name": "Handling", "amount": 300, "per": "booking", "taxRate": 80_000, "paidBy": "buyer" },
            ],
        }),
        "what the organizer bears concerns nobody else"
    );

    let parts = json!([
        {
            "kind": "tickets", "ticketTypeId": ticket_type, "name": "General admission", "quantity": 2,
            "unitPrice": 2_500, "discount": 0, "net": 4_065, "tax": 935, "gross": 5_000, "taxRate": 230_000,
            "rounding": 0, "paidBy": "buyer",
        },
        {
            "kind": "fee", "name": "Service", "quantity": 2, "unitPrice": 150, "discount": 0, "net": 244, "tax": 56,
            "gross": 300, "taxRate": 230_000, "rounding": 0, "paidBy": "buyer",
        },
        {
            "kind": "fee", "name": "Handling", "quantity": 1, "unitPrice": 300, "discount": 0, "net": 278, "tax": 22,
            "gross": 300, "taxRate": 80_000, "rounding": 0, "paidBy": "buyer",
        },
    ]);
    let wish = json!({ "quantity": 2 });
    for caller in [&world.app.anybody(), &world.buyer, &world.organizer] {
        let quote = caller.post(&format!("{event}/quote"), &wish).await.expect(200);
        let expected = json!({
            "items": [{ "ticketTypeId": ticket_type, "name": "General admission", "quantity": 2, "cancelled": 0, "unitPrice": 2_500 }],
            "priceParts": parts, "total": 5_600, "currency": "EUR",
            "taxes": [
                { "taxRate": 80_000, "net": 278, "tax": 22, "gross": 300 },
                { "taxRate": 230_000, "net": 4_309, "tax": 991, "gross": 5_300 },
            ],
        });
        assert_eq!(quote, expected);
    }
    let left = world.app.anybody().get(&event).await.expect(200)["ticketTypes"][0]["available"].clone();
    assert_eq!(left, 100, "a quote takes nothing");

    let key = [("idempotency-key", "k")];
    let book = async || {
        let path = format!("{event}/bookings");
        world.buyer.send(Method::POST, &path, &key, Some(wish.to_string())).await.expect(201)
    };
    let booking = book().await;
    assert_eq!((&booking["total"], &booking["priceParts"]), (&json!(5_600), &parts));
    assert_eq!(book().await, booking, "again");
    let path = format!("/api/v1/bookings/{}", text(&booking["id"]));
    assert_eq!(world.buyer.get(&path).await.expect(200), booking);
    assert_eq!(world.buyer.get("/api/v1/bookings").await.expect(200)["items"][0], booking);
    let renewed = world.buyer.act(&format!("{path}/renew")).await.expect(200);
    assert_eq!(renewed["priceParts"], parts, "what is read on the lane has its parts as well");
    let confirmed = world.organizer.act(&format!("{path}/confirm")).await.expect(200);
    assert_eq!((&confirmed["total"], &confirmed["priceParts"]), (&json!(5_600), &parts));
    let theirs = world.organizer.get(&format!("{event}/bookings")).await.expect(200);
    let card = &theirs["items"][0]["priceParts"][3];
    assert_eq!(
        (&card["name"], &card["gross"], &card["paidBy"]),
        (&json!("Card"), &json!(100), &json!("organizer")),
        "the organizer sees what he bears"
    );
    world.app.stop().await;
}

async fn another_total_is_refused_with_the_new_one(engine: Engine) {
    let world = world(engine).await;
    let (event, _) = on_sale(&world, 2_500, pricing()).await;
    for path in [format!("{event}/quote"), format!("{event}/bookings")] {
        let seen = world.buyer.post(&path, &json!({ "quantity": 2, "expectedTotal": 5_000 })).await;
        assert_eq!(seen.problem(409, "price_changed")["total"], 5_600, "{path}");
    }
    // The organizer raises a fee after the buyer has seen the sum.
    let quote = world.buyer.post(&format!("{event}/quote"), &json!({})).await.expect(200);
    let more = json!({ "pricing": { "fees": [{ "name": "Service", "rate": 1_000_000 }] } });
    world.organizer.patch(&event, &more).await.expect(200);
    let wish = json!({ "expectedTotal": quote["total"] });
    let refused = world.buyer.post(&format!("{event}/bookings"), &wish).await;
    assert_eq!(refused.problem(409, "price_changed")["total"], 5_000);
    let wish = json!({ "expectedTotal": 5_000 });
    assert_eq!(world.buyer.post(&format!("{event}/bookings"), &wish).await.expect(201)["total"], 5_000);
    world.app.stop().await;
}

async fn parts_stay_as_they_were_at_the_hold(engine: Engine) {
    let world = world(engine).await;
    let (event, _) = on_sale(&world, 2_500, Value::Null).await;
    assert_eq!(world.app.anybody().get(&event).await.expect(200)["pricing"], Value::Null);
    let book = async || world.buyer.post(&format!("{event}/bookings"), &json!({})).await.expect(201);
    let plain = book().await;
    assert_eq!((&plain["total"], plain.get("priceParts")), (&json!(2_500), None), "its items are all of it");
    world.organizer.patch(&event, &json!({ "pricing": pricing() })).await.expect(200);
    let taxed = book().await;
    assert_eq!((&taxed["total"], taxed["priceParts"].as_array().unwrap().len()), (&json!(2_950), 3));
    let cleared = world.organizer.patch(&event, &json!({ "pricing": null })).await.expect(200);
    assert_eq!(cleared["pricing"], Value::Null);
    assert_eq!(book().await.get("priceParts"), None);
    for before in [plain, taxed] {
        let path = format!("/api/v1/bookings/{}", text(&before["id"]));
        let confirmed = world.organizer.act(&format!("{path}/confirm")).await.expect(200);
        assert_eq!((&confirmed["total"], confirmed.get("priceParts")), (&before["total"], before.get("priceParts")));
        assert_eq!(world.buyer.get(&path).await.expect(200), confirmed);
    }
    world.app.stop().await;
}

async fn taxes_on_top_are_rounded_by_group(engine: Engine) {
    let world = world(engine).await;
    let of = |rounding: &str| json!({ "taxRate": 81_000, "taxIncluded": false, "rounding": rounding });
    let (event, made) = on_sale(&world, 7, of("line")).await;
    let mut types = vec![made["ticketTypes"][0]["id"].clone()];
    for name in ["Seated", "Box"] {
        let new = json!({ "name": name, "price": 7 });
        types.push(world.organizer.post(&format!("{event}/ticket-types"), &new).await.expect(201)["id"].clone());
    }
    let items: Vec<Value> = types.iter().map(|id| json!({ "ticketTypeId": id, "quantity": 1 })).collect();
    let wish = json!({ "items": items });
    let by_line = world.buyer.post(&format!("{event}/quote"), &wish).await.expect(200);
    assert_eq!((&by_line["total"], &by_line["taxes"][0]["tax"]), (&json!(24), &json!(3)), "0.567 is 1, three times");
    world.organizer.patch(&event, &json!({ "pricing": of("tax_group") })).await.expect(200);
    let booking = world.buyer.post(&format!("{event}/bookings"), &wish).await.expect(201);
    assert_eq!(booking["total"], 23, "1.701 is 2");
    let rounded = |booking: &Value| {
        let parts = booking["priceParts"].as_array().unwrap().iter();
        parts.map(|part| (part["tax"].as_i64().unwrap(), part["rounding"].as_i64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(rounded(&booking), [(0, -1), (1, 0), (1, 0)]);
    let path = format!("/api/v1/bookings/{}", text(&booking["id"]));
    assert_eq!(rounded(&world.buyer.get(&path).await.expect(200)), [(0, -1), (1, 0), (1, 0)]);
    world.app.stop().await;
}

/// Who may not see an event may not ask what it costs, and nothing is quoted that could not be booked.
#[tokio::test]
async fn quotes_are_of_what_is_sold() {
    let world = world(Engine::Sqlite).await;
    let draft = format!("/api/v1/events/{}", text(&world.draft(100, 5).await["id"]));
    let quote = format!("{draft}/quote");
    world.app.anybody().post(&quote, &json!({})).await.problem(404, "not_found");
    world.stranger.post(&quote, &json!({})).await.problem(404, "not_found");
    world.organizer.post(&quote, &json!({})).await.problem(422, "sales_closed");
    world.organizer.act(&format!("{draft}/publish")).await.expect(200);
    let free = world.app.anybody().post(&quote, &json!({ "quantity": 5 })).await.expect(200);
    assert_eq!((&free["total"], free.get("priceParts"), free.get("taxes")), (&json!(500), None, None));
    world.app.anybody().post(&quote, &json!({ "quantity": 11 })).await.problem(422, "limit_exceeded");
    world.app.anybody().post(&quote, &json!({ "quantity": 0 })).await.problem(422, "validation_failed");
    world.app.anybody().post(&quote, &json!({ "promo": 1 })).await.problem(400, "malformed_request");
    world.app.stop().await;
}

/// Each field that does not hold is named.
#[tokio::test]
async fn wrong_taxes_and_fees_are_named() {
    let world = world(Engine::Sqlite).await;
    let draft = format!("/api/v1/events/{}", text(&world.draft(100, 5).await["id"]));
    let wrong = json!({ "pricing": {
        "taxRate": 1_000_001,
        "fees": [{ "name": " ", "amount": 0, "per": "unit" }, { "name": "Both", "amount": 1, "rate": 1 }],
    } });
    let mut new = gala(100, 5);
    new["pricing"] = wrong["pricing"].clone();
    for refused in [world.organizer.patch(&draft, &wrong).await, world.organizer.post("/api/v1/events", &new).await] {
        let problem = refused.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap().iter();
        let fields: Vec<_> = errors.map(|error| text(&error["field"])).collect();
        let below = ["taxRate", "fees[0].name", "fees[0].amount", "fees[1].rate"];
        assert_eq!(fields, below.map(|field| format!("pricing.{field}")));
    }
    world.app.stop().await;
}

/// An event on sale with this one ticket type, and the type.
async fn on_sale_with(world: &World, ticket_type: Value) -> (String, Value) {
    let mut new = gala(1, 1);
    for short in ["price", "capacity"] {
        new.as_object_mut().unwrap().remove(short);
    }
    new["ticketTypes"] = json!([ticket_type]);
    let made = world.organizer.post("/api/v1/events", &new).await.expect(201);
    let path = format!("/api/v1/events/{}", text(&made["id"]));
    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    (path, made["ticketTypes"][0].clone())
}

async fn ticket_types_have_taxes_of_their_own(engine: Engine) {
    let world = world(engine).await;
    let reduced = json!({ "name": "Book", "price": 1_080, "capacity": 100, "taxRate": 80_000 });
    let (event, made) = on_sale_with(&world, reduced).await;
    assert_eq!(made["taxRate"], 80_000);
    let seen = world.app.anybody().get(&event).await.expect(200);
    assert_eq!((&seen["pricing"], &seen["ticketTypes"][0]["taxRate"]), (&Value::Null, &json!(80_000)));
    let types = format!("{event}/ticket-types");
    let concert = json!({ "name": "Concert", "price": 1_230, "capacity": 100 });
    let concert = world.organizer.post(&types, &concert).await.expect(201);
    assert_eq!(concert["taxRate"], Value::Null);
    world.organizer.patch(&event, &json!({ "pricing": { "taxRate": 230_000 } })).await.expect(200);

    let item = |of: &Value, quantity: u32| json!({ "ticketTypeId": of["id"], "quantity": quantity });
    let wish = json!({ "items": [item(&made, 2), item(&concert, 1)] });
    let quote = world.app.anybody().post(&format!("{event}/quote"), &wish).await.expect(200);
    let taxes = json!([
        { "taxRate": 80_000, "net": 2_000, "tax": 160, "gross": 2_160 },
        { "taxRate": 230_000, "net": 1_000, "tax": 230, "gross": 1_230 },
    ]);
    assert_eq!((&quote["total"], &quote["taxes"]), (&json!(3_390), &taxes));
    let booking = world.buyer.post(&format!("{event}/bookings"), &wish).await.expect(201);
    assert_eq!(booking["priceParts"], quote["priceParts"]);

    // It changes for who books from then on.
    let path = format!("{types}/{}", text(&made["id"]));
    let changed = world.organizer.patch(&path, &json!({ "taxRate": null })).await.expect(200);
    assert_eq!(changed["taxRate"], Value::Null);
    let quote = world.app.anybody().post(&format!("{event}/quote"), &wish).await.expect(200);
    assert_eq!(quote["taxes"], json!([{ "taxRate": 230_000, "net": 2_756, "tax": 634, "gross": 3_390 }]));
    let path = format!("/api/v1/bookings/{}", text(&booking["id"]));
    let confirmed = world.organizer.act(&format!("{path}/confirm")).await.expect(200);
    assert_eq!(confirmed["priceParts"], booking["priceParts"]);
    let wrong =
        world.organizer.patch(&format!("{types}/{}", text(&made["id"])), &json!({ "taxRate": 1_000_001 })).await;
    assert_eq!(wrong.problem(422, "validation_failed")["errors"][0]["field"], "taxRate");
    world.app.stop().await;
}

async fn who_finds_nothing_left_hears_that_and_no_price(engine: Engine) {
    let world = world(engine).await;
    let early = json!({ "name": "Early bird", "price": 1_000, "untilSold": 2 });
    let new = json!({ "name": "Standing", "price": 2_500, "capacity": 2, "priceTiers": [early] });
    let (event, _) = on_sale_with(&world, new).await;
    let bookings = format!("{event}/bookings");
    let book = async |quantity: u32, total: i64| {
        world.buyer.post(&bookings, &json!({ "quantity": quantity, "expectedTotal": total })).await
    };
    let held = book(2, 2_000).await.expect(201).clone();
    for _ in 0..2 {
        book(1, 1_000).await.problem(409, "sold_out");
    }
    world.buyer.act(&format!("/api/v1/bookings/{}/cancel", text(&held["id"]))).await.expect(200);
    book(1, 1_000).await.expect(201);
    world.app.stop().await;
}

async fn early_birds_pay_less(engine: Engine) {
    let world = world(engine).await;
    let early = json!({ "name": "Early bird", "price": 1_000, "untilSold": 3 });
    let new = json!({ "name": "Standing", "price": 2_500, "capacity": 100, "priceTiers": [early] });
    let (event, made) = on_sale_with(&world, new).await;
    assert_eq!((&made["price"], &made["currentPrice"]), (&json!(2_500), &json!(1_000)));
    let tier = json!({ "name": "Early bird", "price": 1_000, "until": null, "untilSold": 3 });
    assert_eq!(made["priceTiers"], json!([tier]));
    let (quote, bookings) = (format!("{event}/quote"), format!("{event}/bookings"));
    let book = async |quantity: u32, total: i64| {
        world.buyer.post(&bookings, &json!({ "quantity": quantity, "expectedTotal": total })).await
    };
    assert_eq!(world.buyer.post(&quote, &json!({ "quantity": 2 })).await.expect(200)["total"], 2_000);
    let first = book(2, 2_000).await.expect(201);
    assert_eq!(first["items"][0]["unitPrice"], 1_000);
    // One is left at that price: two cost what the second does, and who saw less hears of it.
    assert_eq!(book(2, 2_000).await.problem(409, "price_changed")["total"], 5_000);
    book(1, 1_000).await.expect(201);
    assert_eq!(book(1, 1_000).await.problem(409, "price_changed")["total"], 2_500);
    let kind = format!("{event}/ticket-types/{}", text(&made["id"]));
    // A change is seen at once, and tells what one more costs.
    let renamed = world.organizer.patch(&kind, &json!({ "name": "Floor" })).await.expect(200);
    assert_eq!((&renamed["currentPrice"], &renamed["priceTiers"]), (&json!(2_500), &json!([tier])));
    assert_eq!(world.app.anybody().get(&event).await.expect(200)["ticketTypes"][0]["currentPrice"], 2_500);
    assert_eq!(world.buyer.post(&quote, &json!({})).await.expect(200)["total"], 2_500);

    // What comes back is sold at the price of its place; what was promised stays.
    world.buyer.act(&format!("/api/v1/bookings/{}/cancel", text(&first["id"]))).await.expect(200);
    assert_eq!(book(2, 2_000).await.expect(201)["total"], 2_000);
    let changed = world.organizer.patch(&kind, &json!({ "priceTiers": [] })).await.expect(200);
    assert_eq!((&changed["currentPrice"], &changed["priceTiers"]), (&json!(2_500), &json!([])));
    let endless = json!({ "priceTiers": [{ "price": 1 }] });
    let wrong = world.organizer.patch(&kind, &endless).await.problem(422, "validation_failed").clone();
    assert_eq!(
        (&wrong["errors"][0]["field"], &wrong["errors"][0]["code"]),
        (&json!("priceTiers[0].until"), &json!("required"))
    );
    world.app.stop().await;
}

async fn a_price_by_time_ends_with_it(engine: Engine) {
    let world = world(engine).await;
    let until = world.app.clock.now() + TimeDelta::seconds(60);
    let presale = json!({ "price": 1_500, "until": until.to_rfc3339() });
    let new = json!({ "name": "Standing", "price": 2_500, "capacity": 100, "priceTiers": [presale] });
    let (event, _) = on_sale_with(&world, new).await;
    let seen = world.app.anybody().get(&event).await;
    let tag = seen.header("etag").unwrap().to_owned();
    assert_eq!(seen.expect(200)["ticketTypes"][0]["currentPrice"], 1_500);
    let held = world.buyer.post(&format!("{event}/bookings"), &json!({})).await.expect(201);
    world.app.clock.step(TimeDelta::seconds(60));
    // Nothing has changed but the time, and whoever remembers the page reads another one all the same.
    let known = [("if-none-match", tag.as_str())];
    let later = world.app.anybody().send(Method::GET, &event, &known, None).await.expect(200);
    assert_eq!(later["ticketTypes"][0]["currentPrice"], 2_500);
    assert_eq!(world.buyer.post(&format!("{event}/quote"), &json!({})).await.expect(200)["total"], 2_500);
    let refused = world.buyer.post(&format!("{event}/bookings"), &json!({ "expectedTotal": 1_500 })).await;
    assert_eq!(refused.problem(409, "price_changed")["total"], 2_500);
    let mine = format!("/api/v1/bookings/{}", text(&held["id"]));
    assert_eq!(world.buyer.get(&mine).await.expect(200)["total"], 1_500, "what is held keeps its price");
    world.app.stop().await;
}

async fn buyers_name_their_price(engine: Engine) {
    let world = world(engine).await;
    let new = json!({ "name": "Solidarity", "price": 2_000, "capacity": 50, "openPrice": { "minimum": 500 } });
    let (event, made) = on_sale_with(&world, new).await;
    assert_eq!(made["openPrice"], json!({ "minimum": 500, "maximum": 1_000_000 }));
    let kind = format!("{event}/ticket-types/{}", text(&made["id"]));
    let taxed = json!({ "pricing": { "taxRate": 230_000, "fees": [{ "name": "Service", "rate": 100_000 }] } });
    world.organizer.patch(&event, &taxed).await.expect(200);
    let wish = |price: i64| json!({ "items": [{ "ticketTypeId": made["id"], "quantity": 2, "unitPrice": price }] });
    let (quote, bookings) = (format!("{event}/quote"), format!("{event}/bookings"));
    let said = world.buyer.post(&quote, &wish(1_230)).await.expect(200);
    let (tickets, fee) = (&said["priceParts"][0], &said["priceParts"][1]);
    assert_eq!((&tickets["unitPrice"], &tickets["net"], &tickets["tax"]), (&json!(1_230), &json!(2_000), &json!(460)));
    assert_eq!((&fee["gross"], &said["total"]), (&json!(246), &json!(2_706)), "fees are reckoned on what is named");
    let mut asked = wish(1_230);
    asked["expectedTotal"] = json!(2_706);
    let booking = world.buyer.post(&bookings, &asked).await.expect(201);
    assert_eq!((&booking["items"][0]["unitPrice"], &booking["total"]), (&json!(1_230), &json!(2_706)));
    assert_eq!(
        world.buyer.post(&quote, &json!({ "quantity": 1 })).await.expect(200)["total"],
        2_200,
        "what is suggested"
    );
    for (price, path) in [(499, &quote), (1_000_001, &bookings), (-1, &bookings), (0, &quote)] {
        let wrong = world.buyer.post(path, &wish(price)).await.problem(422, "validation_failed").clone();
        let (field, code) = (&wrong["errors"][0]["field"], &wrong["errors"][0]["code"]);
        assert_eq!((field, code), (&json!("items[0].unitPrice"), &json!("out_of_range")), "{price}");
    }

    // For nothing, where the organizer lets in for nothing: such a booking is confirmed at once, without fees.
    let free = json!({ "openPrice": { "minimum": 0, "maximum": 5_000 } });
    assert_eq!(world.organizer.patch(&kind, &free).await.expect(200)["openPrice"], free["openPrice"]);
    let confirmed = world.buyer.post(&bookings, &wish(0)).await.expect(201);
    assert_eq!((&confirmed["status"], &confirmed["total"]), (&json!("confirmed"), &json!(0)));
    let below = json!({ "price": 5_001 });
    let wrong = world.organizer.patch(&kind, &below).await.problem(422, "validation_failed").clone();
    assert_eq!(wrong["errors"][0]["field"], "price", "what is suggested may be named as well");
    let half = json!({ "code": "HALF", "rate": 500_000 });
    world.organizer.post(&format!("{event}/promo-codes"), &half).await.expect(201);
    let mut cheaper = wish(100);
    cheaper["promoCode"] = json!("half");
    assert_eq!(
        world.buyer.post(&quote, &cheaper).await.expect(200)["total"],
        110,
        "a share of what is named, and the fee"
    );
    world.organizer.patch(&kind, &json!({ "openPrice": null })).await.expect(200);
    let fixed = world.buyer.post(&bookings, &wish(2_000)).await.problem(422, "validation_failed").clone();
    assert_eq!(fixed["errors"][0]["code"], "not_applicable");
    let mine = format!("/api/v1/bookings/{}", text(&booking["id"]));
    assert_eq!(world.buyer.get(&mine).await.expect(200)["total"], 2_706);
    world.app.stop().await;
}
