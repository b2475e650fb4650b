//! Messages in the shapes of Stripe's documentation, each signed here; and calls to a small server that remembers, as
//! Stripe does and `stripe-mock` does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use application::breaker::BreakerSettings;
use application::clock::Clock;
use application::payment::{ChargeName, ChargeStatus, Disputed, ProviderObject};
use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::Money;
use domain::payment::DisputeStatus;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;

const SECRET: &str = "whsec_of_tests";

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        now()
    }
}

fn now() -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000, 0).unwrap()
}

fn provider(url: &str) -> StripeProvider {
    let settings = StripeSettings {
        base_url: url.to_owned(),
        secret_key: "sk_test_0123456789".into(),
        webhook_secret: SECRET.into(),
        return_url: "https://tickets.example.com".to_owned(),
        timeout: Duration::from_secs(5),
    };
    StripeProvider::try_new(settings, Breaker::new("stripe", BreakerSettings::default(), Arc::new(Standing))).unwrap()
}

fn payment() -> PaymentId {
    PaymentId::new("01900000-0000-7000-8000-000000000001".parse().unwrap())
}

fn refund() -> RefundId {
    RefundId::new("01900000-0000-7000-8000-000000000002".parse().unwrap())
}

fn money(minor: i64, code: &str) -> Money {
    Money { minor, currency: code.parse().unwrap() }
}

fn read(body: &[u8]) -> Result<ProviderEvent, WebhookError> {
    let signature = Signing::new(&SECRET.into()).sign(body, now());
    let provider = provider("http://127.0.0.1:1");
    provider.check_webhook(Some(&signature), body, now())?;
    provider.read_webhook(body)
}

macro_rules! fixture {
    ($kind:literal) => {
        include_str!(concat!("../../fixtures/stripe/", $kind, ".json"))
    };
}

fn of(message: &str) -> ProviderObject {
    read(message.as_bytes()).unwrap().of
}

fn told(reference: &str, status: ChargeStatus) -> ProviderObject {
    let reference = reference.to_owned();
    ProviderObject::Payment(payment(), Charged { reference, status, checkout_url: None })
}

const SESSION: &str = "cs_test_a1GoTicketFixture";
const PI: &str = "pi_3GoTicketFixture0001";

#[test]
fn messages_mean_what_the_documentation_says() {
    let paid = || ChargeStatus::Succeeded(money(2_500, "PLN"));
    assert_eq!(of(fixture!("checkout.session.completed")), told(SESSION, paid()));
    assert_eq!(of(fixture!("checkout.session.async_payment_succeeded")), told(SESSION, paid()));
    let failed = ChargeStatus::Failed("async_payment_failed".to_owned());
    assert_eq!(of(fixture!("checkout.session.async_payment_failed")), told(SESSION, failed));
    assert_eq!(of(fixture!("checkout.session.expired")), told(SESSION, ChargeStatus::Cancelled));
    assert_eq!(of(fixture!("payment_intent.succeeded")), told(PI, paid()));
    assert_eq!(of(fixture!("refund.updated")), ProviderObject::Refund(refund(), RefundState::Done));
    let failed = RefundState::Failed("expired_or_canceled_card".to_owned());
    assert_eq!(of(fixture!("refund.failed")), ProviderObject::Refund(refund(), failed));
    let disputed = |status| {
        let reference = "du_1GoTicketFixture0001".to_owned();
        let dispute = Disputed { reference, status, amount: money(2_500, "PLN") };
        ProviderObject::Dispute(ChargeName::Theirs(PI.to_owned()), dispute)
    };
    assert_eq!(of(fixture!("charge.dispute.created")), disputed(DisputeStatus::Opened));
    assert_eq!(of(fixture!("charge.dispute.closed")), disputed(DisputeStatus::Lost));
    let won = fixture!("charge.dispute.closed").replace("\"lost\"", "\"won\"");
    assert_eq!(of(&won), disputed(DisputeStatus::Won));
    assert_eq!(of(fixture!("charge.dispute.funds_withdrawn")), disputed(DisputeStatus::Opened));
    assert_eq!(of(fixture!("charge.dispute.funds_reinstated")), disputed(DisputeStatus::Won));
    assert_eq!(of(fixture!("charge.dispute.updated")), disputed(DisputeStatus::Opened));
    let reviewed = fixture!("charge.dispute.updated").replace("needs_response", "under_review");
    assert_eq!(of(&reviewed), disputed(DisputeStatus::Opened), "a question has become a chargeback");
    // Prevented: with or without the money.
    let prevented = |message: &str, status: &str| message.replace(&format!("\"{status}\""), "\"prevented\"");
    for kept in [fixture!("charge.dispute.created"), fixture!("charge.dispute.updated")] {
        assert_eq!(of(&prevented(kept, "needs_response")), disputed(DisputeStatus::Won));
    }
    let back = prevented(fixture!("charge.dispute.funds_reinstated"), "won");
    assert_eq!(of(&back), disputed(DisputeStatus::Won));
    let gone = prevented(fixture!("charge.dispute.funds_withdrawn"), "needs_response");
    assert_eq!(of(&gone), disputed(DisputeStatus::Lost));
    assert_eq!(read(fixture!("refund.updated").as_bytes()).unwrap().id, "evt_1GoTicketFixture0007");
}

#[test]
fn what_says_nothing_about_money_says_nothing() {
    let other = |message: &str, kind: &str| assert_eq!(of(message), ProviderObject::Other(kind.to_owned()));
    // The page is still open for another card.
    other(fixture!("payment_intent.payment_failed"), "payment_intent.payment_failed");
    other(fixture!("charge.refunded"), "charge.refunded");
    other(&fixture!("charge.refunded").replace("charge.refunded", "customer.created"), "customer.created");
    // A question, and no money has moved.
    let asked = fixture!("charge.dispute.created").replace("needs_response", "warning_needs_response");
    other(&asked, "charge.dispute.created");
    for status in ["warning_needs_response", "warning_under_review", "warning_closed", "something_new"] {
        for message in [fixture!("charge.dispute.updated"), fixture!("charge.dispute.funds_withdrawn")] {
            let kind = serde_json::from_str::<Value>(message).unwrap()["type"].as_str().unwrap().to_owned();
            other(&message.replace("needs_response", status), &kind);
        }
    }
    // Somebody else sells by the same account.
    for (message, ours) in [
        (fixture!("checkout.session.completed"), "01900000-0000-7000-8000-000000000001"),
        (fixture!("payment_intent.succeeded"), "goticket_payment"),
        (fixture!("refund.updated"), "goticket_refund"),
    ] {
        let kind = serde_json::from_str::<Value>(message).unwrap()["type"].as_str().unwrap().to_owned();
        other(&message.replace(ours, "order-7"), &kind);
    }
}

#[test]
fn a_page_that_is_done_and_not_paid_is_not_decided() {
    let unpaid = fixture!("checkout.session.completed").replace("\"paid\"", "\"unpaid\"");
    assert_eq!(of(&unpaid), told(SESSION, ChargeStatus::Processing));
}

#[test]
fn other_currencies_are_read_as_stripe_counts_them() {
    let message = fixture!("checkout.session.completed");
    for (code, amount) in [("isk", money(25, "ISK")), ("jpy", money(2_500, "JPY")), ("eur", money(2_500, "EUR"))] {
        let other = message.replace("\"pln\"", &format!("\"{code}\""));
        assert_eq!(of(&other), told(SESSION, ChargeStatus::Succeeded(amount)), "{code}");
    }
    for unknown in ["\"ugx\"", "\"zzz\"", "\"\"", "null"] {
        let other = message.replace("\"pln\"", unknown);
        assert_eq!(read(other.as_bytes()), Err(WebhookError::Malformed), "{unknown}");
    }
}

#[test]
fn what_is_broken_is_no_message() {
    let message = fixture!("checkout.session.completed");
    let deep = format!("{{\"id\":\"evt_1\",\"type\":\"x\",\"data\":{{\"object\":{}", "[".repeat(100_000));
    for broken in ["", "{}", "null", "[]", &message[..message.len() / 2], &deep, "\u{0}"] {
        assert_eq!(read(broken.as_bytes()), Err(WebhookError::Malformed));
    }
    assert_eq!(read(b"\xff\xfe"), Err(WebhookError::Malformed));
    assert_eq!(of(&format!("{message}{}", " ".repeat(900_000))), of(message), "what is huge is read all the same");
    // Whose it is says its signature alone.
    let provider = provider("http://127.0.0.1:1");
    let signature = Signing::new(&"whsec_other".into()).sign(message.as_bytes(), now());
    let wrong = provider.check_webhook(Some(&signature), message.as_bytes(), now());
    assert_eq!(wrong, Err(WebhookError::BadSignature));
    let signature = Signing::new(&SECRET.into()).sign(message.as_bytes(), now() - TimeDelta::seconds(301));
    assert_eq!(provider.check_webhook(Some(&signature), message.as_bytes(), now()), Err(WebhookError::TooOld));
}

/// A server that remembers pages, refunds, and by which keys they were made.
#[derive(Clone, Default)]
struct Teller(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    by_key: HashMap<String, (HashMap<String, String>, Value)>,
    sessions: Vec<Value>,
    refunds: Vec<Value>,
    /// Whether answers to what makes something are lost.
    is_mute: bool,
    /// What makes something is answered so.
    refusal: Option<(u16, Value)>,
    posts: usize,
}

impl Teller {
    async fn open() -> (Self, StripeProvider) {
        let teller = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/checkout/sessions", post(make_session).get(list_sessions))
            .route("/v1/checkout/sessions/{id}", get(session))
            .route("/v1/checkout/sessions/{id}/expire", post(expire))
            .route("/v1/refunds", post(make_refund).get(list_refunds))
            .route("/v1/payment_intents", get(list_intents))
            .route("/v1/payment_intents/{id}", get(intent))
            .with_state(teller.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (teller, provider(&url))
    }

    fn with<T>(&self, with: impl FnOnce(&mut Books) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }

    fn once(
        &self,
        headers: &HeaderMap,
        form: HashMap<String, String>,
        make: impl FnOnce(&mut Books) -> Value,
    ) -> Response {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        self.with(|books| {
            books.posts += 1;
            if let Some((status, refusal)) = &books.refusal {
                return answer(*status, refusal.clone());
            }
            let made = match books.by_key.get(&key) {
                Some((known, _)) if *known != form => {
                    return answer(400, json!({ "error": { "type": "idempotency_error" } }));
                }
                Some((_, made)) => made.clone(),
                None => make(books),
            };
            books.by_key.insert(key, (form, made.clone()));
            if books.is_mute { answer(500, json!({})) } else { answer(200, made) }
        })
    }
}

fn answer(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

async fn make_session(
    State(teller): State<Teller>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    assert_eq!(headers["stripe-version"], API_VERSION);
    let session = |number: usize| {
        json!({
            "id": format!("cs_{number}"), "status": "open", "payment_status": "unpaid", "url": format!("https://pay.example/{number}"),
            "client_reference_id": form["client_reference_id"], "currency": form["line_items[0][price_data][currency]"],
            "amount_total": form["line_items[0][price_data][unit_amount]"].parse::<i64>().unwrap(), "payment_intent": null,
        })
    };
    teller.once(&headers, form.clone(), |books| {
        let made = session(books.sessions.len());
        books.sessions.push(made.clone());
        made
    })
}

async fn session(State(teller): State<Teller>, Path(id): Path<String>) -> Response {
    teller.with(|books| match books.sessions.iter().find(|known| known["id"] == id.as_str()) {
        Some(found) => answer(200, found.clone()),
        None => answer(404, json!({ "error": { "code": "resource_missing" } })),
    })
}

async fn expire(State(teller): State<Teller>, Path(id): Path<String>) -> Response {
    teller.with(|books| match books.sessions.iter_mut().find(|known| known["id"] == id.as_str()) {
        Some(open) if open["status"] == "open" => {
            open["status"] = json!("expired");
            answer(200, open.clone())
        }
        _ => answer(400, json!({ "error": { "type": "invalid_request_error" } })),
    })
}

/// Two a page, newest first.
async fn list_sessions(State(teller): State<Teller>, Query(asked): Query<HashMap<String, String>>) -> Response {
    assert!(asked.contains_key("created[gte]") && asked.contains_key("created[lte]"));
    teller.with(|books| {
        let all = books.sessions.iter().rev();
        let behind: Vec<Value> = match asked.get("starting_after") {
            Some(last) => all.skip_while(|known| known["id"] != last.as_str()).skip(1).cloned().collect(),
            None => all.cloned().collect(),
        };
        answer(200, json!({ "data": behind.iter().take(2).collect::<Vec<_>>(), "has_more": behind.len() > 2 }))
    })
}

async fn make_refund(
    State(teller): State<Teller>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let id = form["metadata[goticket_refund]"].clone();
    teller.once(&headers, form, |books| {
        let made = json!({ "id": format!("re_{}", books.refunds.len()), "status": "pending", "metadata": { "goticket_refund": id } });
        books.refunds.push(made.clone());
        made
    })
}

/// Two pages of charges: one of ours each, and one of somebody else.
async fn list_intents(Query(asked): Query<HashMap<String, String>>) -> Response {
    assert_eq!((asked["created[gte]"].as_str(), asked["created[lt]"].as_str()), ("1699913600", "1700000000"));
    let intent = |id: &str, status: &str, metadata: Value| json!({ "id": id, "status": status, "amount_received": 2500, "currency": "pln", "created": 1_699_990_000, "metadata": metadata });
    let ours = || json!({ "goticket_payment": payment().uuid() });
    answer(
        200,
        match asked.get("starting_after").map(String::as_str) {
            None => {
                json!({ "data": [intent("pi_2", "succeeded", ours()), intent("pi_1", "succeeded", json!({}))], "has_more": true })
            }
            Some("pi_1") => json!({ "data": [intent("pi_0", "canceled", ours())], "has_more": false }),
            Some(other) => panic!("behind {other}"),
        },
    )
}

/// Of ours, of ours on Stripe's pages, and of somebody else.
fn listed_refunds() -> Value {
    let intent = json!({ "id": "pi_2", "status": "succeeded", "currency": "pln", "metadata": { "goticket_payment": payment().uuid() } });
    let refund = |id: &str, metadata: Value, intent: Value| {
        json!({
            "id": id, "status": "succeeded", "amount": 700, "currency": "pln", "created": 1_699_990_000, "metadata": metadata,
            "payment_intent": intent,
        })
    };
    let of = json!({ "goticket_refund": refund_id() });
    json!([
        refund("re_2", of, intent.clone()),
        refund("re_1", json!({}), intent),
        refund("re_0", json!({}), json!("pi_9"))
    ])
}

fn refund_id() -> Uuid {
    refund().uuid()
}

#[tokio::test]
async fn its_books_are_read_by_pages() {
    let (_, stripe) = Teller::open().await;
    let period = Period { from: now() - TimeDelta::days(1), until: now() };
    let first = stripe.charges(period, None).await.unwrap();
    let made_at = Timestamp::from_timestamp(1_699_990_000, 0).unwrap();
    let charge =
        |reference: &str, status| ListedCharge { payment: payment(), reference: reference.to_owned(), made_at, status };
    assert_eq!(first.items, [charge("pi_2", ChargeStatus::Succeeded(money(2_500, "PLN")))]);
    assert_eq!((first.others, first.next.as_deref()), (1, Some("pi_1")));
    let second = stripe.charges(period, first.next.as_deref()).await.unwrap();
    assert_eq!((second.items, second.next), (vec![charge("pi_0", ChargeStatus::Cancelled)], None));
    let refunds = stripe.refunds(period, None).await.unwrap();
    let listed = |reference: &str, refund| ListedRefund {
        refund,
        payment: Some(payment()),
        reference: reference.to_owned(),
        made_at,
        amount: money(700, "PLN"),
        state: RefundState::Done,
    };
    assert_eq!(refunds.items, [listed("re_2", Some(refund())), listed("re_1", None)]);
    assert_eq!((refunds.others, refunds.next), (1, None));
}

async fn list_refunds(State(teller): State<Teller>, Query(asked): Query<HashMap<String, String>>) -> Response {
    if let Some(expand) = asked.get("expand[0]") {
        assert_eq!(expand, "data.payment_intent");
        return answer(200, json!({ "data": listed_refunds(), "has_more": false }));
    }
    teller.with(|books| answer(200, json!({ "data": books.refunds, "has_more": false })))
}

async fn intent(Path(id): Path<String>) -> Response {
    match id.as_str() {
        "pi_ours" => {
            let metadata = json!({ "goticket_payment": payment().uuid() });
            answer(
                200,
                json!({ "id": id, "status": "succeeded", "amount_received": 2500, "currency": "pln", "metadata": metadata }),
            )
        }
        "pi_other" => answer(200, json!({ "id": id, "status": "succeeded", "currency": "pln" })),
        _ => answer(404, json!({ "error": {} })),
    }
}

fn charge(id: u128) -> Charge {
    Charge {
        payment: PaymentId::new(Uuid::from_u128(id)),
        amount: money(2_500, "PLN"),
        method: "card".to_owned(),
        description: "ABC-123".to_owned(),
        asked_at: now(),
        reference: None,
    }
}

fn order(reference: Option<&str>) -> RefundOrder {
    let charge_reference = reference.map(str::to_owned);
    RefundOrder { refund: refund(), payment: payment(), amount: money(2_000, "PLN"), charge_reference }
}

const UNREACHABLE: ProviderError = ProviderError::Unreachable;

#[tokio::test]
async fn money_is_asked_for_once() {
    let (teller, stripe) = Teller::open().await;
    let first = stripe.charge(&charge(1)).await.unwrap();
    assert_eq!((first.status.clone(), first.checkout_url.is_some()), (ChargeStatus::Processing, true));
    assert_eq!(stripe.charge(&charge(1)).await.unwrap(), first);
    assert_eq!(teller.with(|books| books.sessions.len()), 1);
    // The key is that of another request: nothing is known of this one.
    let other = Charge { amount: money(1, "PLN"), ..charge(1) };
    assert_eq!(stripe.charge(&other).await, Err(UNREACHABLE));
    let odd = Charge { amount: money(5_124, "KWD"), ..charge(2) };
    assert_eq!(stripe.charge(&odd).await, Err(refused("amount_not_supported")));
    teller.with(|books| books.sessions[0]["payment_status"] = json!("paid"));
    let known = Charge { reference: Some(first.reference), ..charge(1) };
    let paid = ChargeStatus::Succeeded(money(2_500, "PLN"));
    assert_eq!(stripe.charged(&known).await.unwrap().unwrap().status, paid);
}

#[tokio::test]
async fn a_page_of_a_lost_answer_is_found_and_closed() {
    let (teller, stripe) = Teller::open().await;
    assert_eq!(stripe.charged(&charge(1)).await, Ok(None));
    teller.with(|books| books.is_mute = true);
    assert_eq!(stripe.charge(&charge(1)).await, Err(UNREACHABLE));
    teller.with(|books| books.is_mute = false);
    for id in 2..7 {
        stripe.charge(&charge(id)).await.unwrap();
    }
    // On the third page of the list.
    let found = stripe.charged(&charge(1)).await.unwrap().unwrap();
    assert_eq!((found.reference.as_str(), found.status), ("cs_0", ChargeStatus::Processing));
    assert_eq!(stripe.cancel(&charge(1)).await.unwrap().unwrap().status, ChargeStatus::Cancelled);
    assert_eq!(teller.with(|books| books.sessions.len()), 6);
}

#[tokio::test]
async fn what_is_called_off_before_it_came_is_never_taken() {
    let (teller, stripe) = Teller::open().await;
    assert_eq!(stripe.cancel(&charge(1)).await.unwrap().unwrap().status, ChargeStatus::Cancelled);
    // The request comes after all, and finds the page that is closed.
    stripe.charge(&charge(1)).await.unwrap();
    assert_eq!(teller.with(|books| (books.sessions.len(), books.sessions[0]["status"].clone())), (1, json!("expired")));
    // After the time in which a page can be made there is none, and there will be none.
    teller.with(|books| books.refusal = Some((400, json!({ "error": { "type": "invalid_request_error" } }))));
    assert_eq!(stripe.cancel(&charge(2)).await, Ok(None));
}

#[tokio::test]
async fn what_was_paid_is_not_called_off() {
    let (teller, stripe) = Teller::open().await;
    let reference = Some(stripe.charge(&charge(1)).await.unwrap().reference);
    teller.with(|books| {
        books.sessions[0]["status"] = json!("complete");
        books.sessions[0]["payment_status"] = json!("paid");
    });
    let known = Charge { reference, ..charge(1) };
    let status = stripe.cancel(&known).await.unwrap().unwrap().status;
    assert_eq!(status, ChargeStatus::Succeeded(money(2_500, "PLN")));
}

#[tokio::test]
async fn money_goes_back_once_even_when_keys_are_forgotten() {
    let (teller, stripe) = Teller::open().await;
    let order = order(Some("pi_ours"));
    assert_eq!(stripe.refunded(&order).await, Ok(None));
    teller.with(|books| books.is_mute = true);
    assert_eq!(stripe.refund(&order).await, Err(UNREACHABLE));
    teller.with(|books| {
        books.is_mute = false;
        books.by_key.clear();
    });
    assert_eq!(stripe.refund(&order).await, Ok(RefundState::InTransit));
    assert_eq!(teller.with(|books| books.refunds.len()), 1);
    teller.with(|books| books.refunds[0]["status"] = json!("succeeded"));
    assert_eq!(stripe.refunded(&order).await, Ok(Some(RefundState::Done)));
    assert_eq!(stripe.refund(&self::order(None)).await, Err(refused("not_found")));
    assert_eq!(stripe.refund(&self::order(Some("../v1/x"))).await, Err(refused("unknown reference")));
}

#[tokio::test]
async fn only_a_refusal_says_that_nothing_is_taken() {
    let (teller, stripe) = Teller::open().await;
    for (status, error, said) in [
        (401, json!({ "error": { "type": "invalid_request_error" } }), UNREACHABLE),
        (403, json!({}), UNREACHABLE),
        (409, json!({ "error": { "code": "lock_timeout" } }), UNREACHABLE),
        (429, json!({}), UNREACHABLE),
        (503, json!({}), UNREACHABLE),
        (400, json!({ "error": { "code": "amount_too_small", "message": "personal" } }), refused("amount_too_small")),
        (402, json!({ "error": { "code": "card_declined", "decline_code": "lost_card" } }), refused("lost_card")),
        (400, json!("what?"), refused("failed")),
    ] {
        teller.with(|books| books.refusal = Some((status, error)));
        assert_eq!(stripe.charge(&charge(1)).await, Err(said), "{status}");
    }
}

#[tokio::test]
async fn a_dispute_finds_its_payment() {
    let (_, stripe) = Teller::open().await;
    assert_eq!(stripe.payment_of("pi_ours").await, Ok(Some(payment())));
    assert_eq!(stripe.payment_of("pi_other").await, Ok(None));
    assert_eq!(stripe.payment_of("pi_unknown").await, Ok(None));
    assert_eq!(stripe.payment_of("pi/../x").await, Err(refused("unknown reference")));
}
