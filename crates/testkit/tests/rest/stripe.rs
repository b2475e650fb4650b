//! Paying by Stripe over HTTP. Its calls go to Stripe's own `stripe-mock` (`scripts/services.sh`), which refuses what has
//! not the shape of its OpenAPI document, and remembers nothing; its messages are the adapter's fixtures, signed here. What
//! needs a provider that remembers is shown in the adapter's own tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adapter_payment::{StripeProvider, StripeSettings};
use application::breaker::{Breaker, BreakerSettings};
use application::clock::Clock;
use application::payment::{
    Charge, ChargeStatus, MessageLog, PaymentProvider, Period, ProviderError, ProviderMessage, RefundOrder,
    RefundState, SendRefunds,
};
use aws_lc_rs::hmac;
use axum::http::Method;
use chrono::TimeDelta;
use domain::{Money, PaymentId, RefundId};
use futures::future::join_all;
use goticket_testkit::app::{Reply, Settings, TestApp};
use goticket_testkit::contract::audit::run;
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world_of};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "whsec_of_tests";
const PATH: &str = "/api/v1/webhooks/stripe";
const COMPLETED: &str = include_str!("../../../adapters/payment/fixtures/stripe/checkout.session.completed.json");
const DISPUTED: &str = include_str!("../../../adapters/payment/fixtures/stripe/charge.dispute.created.json");
const FAILED: &str = include_str!("../../../adapters/payment/fixtures/stripe/payment_intent.payment_failed.json");
/// The payment of the fixtures.
const PAYMENT: &str = "01900000-0000-7000-8000-000000000001";

fn stripe(clock: Arc<dyn Clock>) -> Arc<dyn PaymentProvider> {
    #[expect(clippy::disallowed_methods, reason = "where the services of the tests are is told in the environment")]
    let url = std::env::var("GOTICKET_TEST_STRIPE_URL");
    stripe_at(
        url.expect("GOTICKET_TEST_STRIPE_URL: `make services-up`, then eval \"$(scripts/services.sh env)\""),
        clock,
    )
}

fn stripe_at(base_url: String, clock: Arc<dyn Clock>) -> Arc<dyn PaymentProvider> {
    let settings = StripeSettings {
        base_url,
        secret_key: "sk_test_0123456789".into(),
        webhook_secret: SECRET.into(),
        return_url: "https://tickets.example.com".to_owned(),
        timeout: Duration::from_secs(10),
    };
    let breaker = Breaker::new("stripe", BreakerSettings::default(), clock);
    Arc::new(StripeProvider::try_new(settings, breaker).unwrap())
}

async fn shop(engine: Engine) -> World {
    shop_with(engine, stripe).await
}

async fn shop_with(engine: Engine, stripe: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn PaymentProvider>) -> World {
    let settings = Settings::default();
    let payment_providers = vec![stripe(Arc::new(settings.clock.clone()))];
    world_of(TestApp::start_with(engine, Settings { payment_providers, ..settings }).await).await
}

async fn close(world: World) {
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// A booking that is held, and a payment of it that is under way; with the answer to it.
async fn paying(world: &World) -> (String, Value) {
    let event = world.on_sale(2_500, 5).await;
    let booking = world.book(&event, 1).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/bookings/{booking}/payments");
    let payment = world.buyer.post(&path, &json!({ "method": "card" })).await.expect(201);
    (booking, payment)
}

async fn status(world: &World, booking: &str) -> String {
    let found = world.buyer.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
    found["status"].as_str().unwrap().to_owned()
}

/// Sends a message as Stripe does, signed so long ago.
async fn send(world: &World, message: &str, secret: &str, ago: TimeDelta) -> Reply {
    let seconds = (world.app.clock.now() - ago).timestamp();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{message}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("t={seconds},v1={},v1={tag},v0=x", "0".repeat(64));
    let headers = [("content-type", "application/json"), ("stripe-signature", signature.as_str())];
    world.app.anybody().send(Method::POST, PATH, &headers, Some(message.to_owned())).await
}

async fn told(world: &World, message: &str) -> Reply {
    send(world, message, SECRET, TimeDelta::zero()).await
}

/// What it has told and was kept, in the order in which it came.
async fn kept(world: &World) -> Vec<ProviderMessage> {
    let batches = world.app.database.database.batches_behind(None, 1_000).await.unwrap();
    batches.into_iter().flat_map(|batch| batch.messages).collect()
}

async fn kept_bodies(world: &World) -> Vec<String> {
    kept(world).await.into_iter().map(|message| message.body).collect()
}

/// The message for this payment, in the currency of the event.
fn of(message: &str, payment: &Value) -> String {
    message.replace(PAYMENT, payment["id"].as_str().unwrap()).replace("\"pln\"", "\"eur\"")
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_booking_is_paid_on_a_page_of_stripe_and_refunded(#[case] engine: Engine) {
    let world = shop(engine).await;
    let (booking, payment) = paying(&world).await;
    assert_eq!(payment["status"], "processing");
    assert!(payment["checkoutUrl"].as_str().unwrap().starts_with("https://checkout.stripe.com/"), "{payment}");
    // An attempt that failed leaves the page open.
    assert_eq!(told(&world, &of(FAILED, &payment)).await.status, 200);
    assert_eq!(status(&world, &booking).await, "pending");
    for _ in 0..2 {
        assert_eq!(told(&world, &of(COMPLETED, &payment)).await.status, 200);
        assert_eq!(status(&world, &booking).await, "confirmed");
    }
    let refund = format!("/api/v1/bookings/{booking}/refund");
    world.organizer.post(&refund, &json!({})).await.expect(201);
    run(&SendRefunds { payments: world.app.payments.clone() }).await;
    let paid = world.buyer.get(&format!("/api/v1/bookings/{booking}/payments")).await.expect(200);
    assert_eq!((&paid[0]["captured"], &paid[0]["refunded"]), (&json!(2_500), &json!(2_500)));
    assert_eq!(paid[0]["refunds"][0]["status"], "done", "{paid}");
    close(world).await;
}

/// Somebody has paid in złoty what costs euros: that is money, and people have to see it.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn money_of_another_currency_is_an_open_case_that_goes_back(#[case] engine: Engine) {
    let world = shop(engine).await;
    let (booking, payment) = paying(&world).await;
    let message = of(COMPLETED, &payment).replace("\"eur\"", "\"pln\"");
    for _ in 0..2 {
        assert_eq!(told(&world, &message).await.status, 200);
    }
    assert_eq!(status(&world, &booking).await, "pending");
    let cases = format!("{}/payment-cases", crate::organizer(&world).await);
    let found = world.organizer.get(&cases).await.expect(200).clone();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let case = &found["items"][0];
    assert_eq!((&case["kind"], &case["payment"]["unsettled"]), (&json!("unsettled"), &json!(2_500)));
    assert_eq!(case["payment"]["currency"], "PLN");
    assert_sound(&world.app.database).await;
    world.organizer.post(&format!("/api/v1/bookings/{booking}/refund"), &json!({})).await.expect(201);
    run(&SendRefunds { payments: world.app.payments.clone() }).await;
    let paid = world.buyer.get(&format!("/api/v1/bookings/{booking}/payments")).await.expect(200);
    assert_eq!((&paid[0]["refunded"], &paid[0]["refunds"][0]["currency"]), (&json!(2_500), &json!("PLN")));
    assert_eq!(world.organizer.get(&cases).await.expect(200)["items"], json!([]));
    close(world).await;
}

/// Byte for byte, whatever becomes of it: also what cannot be read, and what concerns nothing here.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn what_stripe_tells_is_kept_as_it_came(#[case] engine: Engine) {
    let world = shop(engine).await;
    let (booking, payment) = paying(&world).await;
    let completed = of(COMPLETED, &payment);
    let odd = completed.replace(": ", ":  ").replacen('{', "{\"odd\": \"\u{1f980} \\u0000\",\r", 1);
    let messages = [
        (of(FAILED, &payment), 200),
        (completed.replace(": 2500", ": \"2500\""), 422),
        (completed, 200),
        (format!(" {odd} \n\t"), 200),
        // One of a payment that nobody knows here: it waits.
        (COMPLETED.replace("evt_", "evt_of_others_"), 200),
    ];
    // What is sent again is there already.
    for (message, status) in messages.iter().chain(&messages) {
        assert_eq!(told(&world, message).await.status, *status, "{message}");
    }
    assert_eq!(status(&world, &booking).await, "confirmed");
    let bodies: Vec<_> = messages.into_iter().map(|(message, _)| message).collect();
    assert_eq!(kept_bodies(&world).await, bodies);
    let first = kept(&world).await.swap_remove(0);
    assert_eq!((first.provider.as_str(), first.received_at), ("stripe", world.app.clock.now()));
    close(world).await;
}

#[tokio::test]
async fn what_cannot_be_done_yet_is_kept_before_that() {
    let nowhere = |clock| stripe_at("http://127.0.0.1:1".to_owned(), clock);
    let world = shop_with(Engine::Sqlite, nowhere).await;
    told(&world, DISPUTED).await.problem(503, "unavailable");
    assert_eq!(kept_bodies(&world).await, [DISPUTED]);
    close(world).await;
}

/// Those who wait write for each other. Whoever gives up meanwhile, as one who waits or as one who writes, keeps nobody else
/// from an answer.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn many_messages_at_a_time_are_kept_though_some_give_up(#[case] engine: Engine) {
    let world = shop(engine).await;
    let (_, payment) = paying(&world).await;
    let message = |n: usize| of(COMPLETED, &payment).replace("evt_", &format!("evt_{n}_"));
    let tell = |n: usize| {
        let (world, message) = (&world, message(n));
        async move {
            let told = told(world, &message);
            // One in three gives up, after a while that is another one for each.
            if n.is_multiple_of(3) {
                let _ = tokio::time::timeout(Duration::from_micros(50 * n as u64), told).await;
                return;
            }
            let reply = told.await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), join_all((0..300).map(tell))).await.expect("nobody waits for ever");
    let kept: BTreeSet<String> = kept_bodies(&world).await.into_iter().collect();
    for n in (0..300).filter(|n: &usize| !n.is_multiple_of(3)) {
        assert!(kept.contains(&message(n)), "{n}");
    }
    close(world).await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_pays_nothing() {
    let world = shop(Engine::Sqlite).await;
    let (booking, payment) = paying(&world).await;
    let message = of(COMPLETED, &payment);
    let wrong = send(&world, &message, "whsec_of_others", TimeDelta::zero()).await;
    wrong.problem(401, "unauthenticated");
    for seconds in [301, -301] {
        send(&world, &message, SECRET, TimeDelta::seconds(seconds)).await.problem(401, "unauthenticated");
    }
    world.app.anybody().post(PATH, &json!({})).await.problem(401, "unauthenticated");
    assert_eq!(kept(&world).await, [], "what is not believed is not kept");
    told(&world, &message[..message.len() / 2]).await.problem(400, "malformed_request");
    let huge = format!("{message}{}", " ".repeat(1_000_001));
    told(&world, &huge).await.problem(413, "payload_too_large");
    for kind in ["customer.created", "charge.refunded", "\u{1f980}"] {
        let unknown = message.replace("checkout.session.completed", kind);
        assert_eq!(told(&world, &unknown).await.status, 200);
    }
    assert_eq!(status(&world, &booking).await, "pending");
    // What is left of the five minutes.
    assert_eq!(send(&world, &message, SECRET, TimeDelta::seconds(299)).await.status, 200);
    assert_eq!(status(&world, &booking).await, "confirmed");
    close(world).await;
}

/// Whatever is asked of Stripe has the shape of its OpenAPI document: `stripe-mock` refuses everything else.
#[tokio::test]
async fn requests_have_the_shape_of_stripes_document() {
    let app = TestApp::start(Engine::Sqlite).await;
    let stripe = stripe(Arc::new(app.clock.clone()));
    let charge = Charge {
        payment: PaymentId::new(Uuid::from_u128(1)),
        amount: Money { minor: 2_500, currency: "PLN".parse().unwrap() },
        method: "card".to_owned(),
        description: "ABC-123 & more [1]".to_owned(),
        asked_at: app.clock.now(),
        reference: None,
    };
    for method in ["card", "bancontact", "blik", "eps", "ideal", "p24"] {
        assert!(stripe.takes(method));
        let asked = Charge { method: method.to_owned(), ..charge.clone() };
        let charged = stripe.charge(&asked).await.unwrap();
        assert_eq!(charged.status, ChargeStatus::Processing, "{method}");
        let known = Charge { reference: Some(charged.reference), ..asked };
        assert!(stripe.charged(&known).await.unwrap().is_some());
        assert!(stripe.cancel(&known).await.unwrap().is_some());
    }
    let odd = Charge { method: "cowries".to_owned(), ..charge.clone() };
    assert!(matches!(stripe.charge(&odd).await, Err(ProviderError::Refused(_))) && !stripe.takes("cowries"));
    // The list of it holds one page of somebody else.
    assert_eq!(stripe.charged(&charge).await, Ok(None));
    assert!(stripe.cancel(&charge).await.unwrap().is_some());
    for reference in ["cs_test_1", "pi_1"] {
        let order = RefundOrder {
            refund: RefundId::new(Uuid::from_u128(2)),
            payment: charge.payment,
            amount: charge.amount,
            charge_reference: Some(reference.to_owned()),
        };
        assert_eq!(stripe.refunded(&order).await, Ok(None));
        assert_eq!(stripe.refund(&order).await, Ok(RefundState::Done));
    }
    for reference in ["pi_1", "ch_1"] {
        assert_eq!(stripe.payment_of(reference).await, Ok(None));
    }
    // Its books: one row of somebody else each.
    let period = Period { from: app.clock.now() - TimeDelta::days(1), until: app.clock.now() };
    for after in [None, Some("re_1")] {
        let charges = stripe.charges(period, after.map(|_| "pi_1")).await.unwrap();
        assert_eq!((charges.items, charges.others), (vec![], 1));
        let refunds = stripe.refunds(period, after).await.unwrap();
        assert_eq!((refunds.items, refunds.others), (vec![], 1));
    }
    app.stop().await;
}
