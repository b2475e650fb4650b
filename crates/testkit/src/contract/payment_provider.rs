//! What every payment provider promises, [`PaymentProvider`], and what the sandbox promises besides. Real HTTP both ways.

use std::collections::BTreeSet;
use std::time::Duration;

use adapter_payment::{Behaviour, Sandbox, SandboxProvider, Settlement};
use application::clock::Clock;
use application::payment::{
    Charge, ChargeStatus, PaymentProvider, Period, ProviderError, ProviderObject, RefundOrder, RefundState,
    WebhookError,
};
use chrono::TimeDelta;
use domain::{Money, PaymentId, RefundId, Timestamp};
use uuid::Uuid;

use crate::clock::TestClock;
use crate::sandbox;
use crate::webhooks::{Webhook, WebhookInbox};

/// Longer than a connection takes to end.
const WITHIN: Duration = Duration::from_secs(20);

struct Stage {
    clock: TestClock,
    inbox: WebhookInbox,
    sandbox: Sandbox,
    provider: SandboxProvider,
}

impl Stage {
    async fn set(refuse: u32) -> Self {
        let clock = TestClock::default();
        let inbox = WebhookInbox::open(refuse).await;
        let sandbox = sandbox::start(&clock, inbox.url(), None).await;
        let provider = sandbox::provider(&clock, &sandbox.url());
        Self { clock, inbox, sandbox, provider }
    }

    fn read(&self, webhook: &Webhook) -> (String, ProviderObject) {
        let checked = self.provider.check_webhook(webhook.signature.as_deref(), &webhook.body, self.clock.now());
        checked.expect("a message that is signed");
        let event = self.provider.read_webhook(&webhook.body).expect("a message that can be read");
        (event.id, event.of)
    }
}

fn payment(id: u128) -> PaymentId {
    PaymentId::new(Uuid::from_u128(id))
}

fn pln(minor: i64) -> Money {
    Money { minor, currency: "PLN".parse().expect("a currency") }
}

fn charge(id: u128, method: &str) -> Charge {
    Charge {
        payment: payment(id),
        amount: pln(2_500),
        method: method.to_owned(),
        description: "ABC-123".to_owned(),
        asked_at: Timestamp::UNIX_EPOCH,
        reference: None,
    }
}

fn refund(id: u128, of: u128, minor: i64) -> RefundOrder {
    let refund = RefundId::new(Uuid::from_u128(id));
    RefundOrder { refund, payment: payment(of), amount: pln(minor), charge_reference: None }
}

/// Money is taken once however often it is asked for, and it is told of by a signed message.
pub async fn money_is_taken_once() {
    let stage = Stage::set(0).await;
    let first = stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    assert_eq!(first.status, ChargeStatus::Succeeded(pln(2_500)));
    assert_eq!(stage.provider.charge(&charge(1, "card_ok")).await.unwrap(), first);
    assert_eq!(stage.provider.charged(&charge(1, "card_ok")).await.unwrap().unwrap(), first);
    let other = Charge { amount: pln(1), ..charge(1, "card_ok") };
    assert_eq!(stage.provider.charge(&other).await, Err(ProviderError::Refused("id_in_use".to_owned())));
    let came = stage.inbox.wait_for(1).await;
    assert_eq!(stage.read(&came[0]).1, ProviderObject::Payment(payment(1), first));
    // Nothing else was told: the next message is that of the next charge.
    let declined = stage.provider.charge(&charge(2, "card_declined")).await.unwrap();
    assert_eq!(declined.status, ChargeStatus::Failed("card_declined".to_owned()));
    let came = stage.inbox.wait_for(2).await;
    assert_eq!(stage.read(&came[1]).1, ProviderObject::Payment(payment(2), declined));
}

/// What was never asked for is not known, and what is called off before it was asked for is never taken.
pub async fn what_is_unknown_is_said_to_be() {
    let stage = Stage::set(0).await;
    assert_eq!(stage.provider.charged(&charge(1, "card_ok")).await, Ok(None));
    assert_eq!(stage.provider.refunded(&refund(1, 1, 1)).await, Ok(None));
    assert_eq!(stage.provider.refund(&refund(1, 1, 1)).await, Err(ProviderError::Refused("not_found".to_owned())));
    assert_eq!(stage.provider.cancel(&charge(1, "card_ok")).await, Ok(None));
    let late = stage.provider.charge(&charge(1, "card_ok")).await;
    assert_eq!(late, Err(ProviderError::Refused("cancelled".to_owned())));
    let unknown = stage.provider.charge(&charge(2, "cowries")).await;
    assert_eq!(unknown, Err(ProviderError::Refused("unknown_method".to_owned())));
    assert!(!stage.provider.takes("cowries") && stage.provider.takes("card_ok"));
}

/// Who calls off what has succeeded hears that it has.
pub async fn a_success_is_not_called_off() {
    let stage = Stage::set(0).await;
    for (id, method) in [(1, "card_slow"), (2, "card_slow")] {
        let charged = stage.provider.charge(&charge(id, method)).await.unwrap();
        assert_eq!((charged.status, charged.checkout_url), (ChargeStatus::Processing, None));
    }
    stage.clock.step(TimeDelta::hours(3));
    stage.inbox.wait_for(2).await;
    let status = stage.provider.cancel(&charge(1, "card_ok")).await.unwrap().unwrap().status;
    assert_eq!(status, ChargeStatus::Succeeded(pln(2_500)));
    stage.provider.charge(&charge(3, "card_slow")).await.unwrap();
    assert_eq!(stage.provider.cancel(&charge(3, "card_ok")).await.unwrap().unwrap().status, ChargeStatus::Cancelled);
    assert!(!stage.sandbox.settle(payment(3), &Settlement::Captured(None)), "it is over");
}

/// Who gets no answer asks: the money may be taken.
pub async fn a_lost_answer_is_asked_for() {
    let stage = Stage::set(0).await;
    assert_eq!(stage.provider.charge(&charge(1, "card_timeout")).await, Err(ProviderError::Unreachable));
    let status = stage.provider.charged(&charge(1, "card_ok")).await.unwrap().unwrap().status;
    assert_eq!(status, ChargeStatus::Processing);
    stage.clock.step(TimeDelta::seconds(3));
    let came = stage.inbox.wait_for(1).await;
    let ProviderObject::Payment(of, charged) = stage.read(&came[0]).1 else { panic!("a charge") };
    assert_eq!((of, charged.status), (payment(1), ChargeStatus::Succeeded(pln(2_500))));
}

/// The buyer decides on a page, once.
pub async fn a_buyer_decides_on_a_page() {
    let stage = Stage::set(0).await;
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = Charge { description: "<b>ABC".to_owned(), ..charge(1, "checkout") };
    let page = stage.provider.charge(&asked).await.unwrap().checkout_url.expect("a page");
    let shown = browser.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("25.00") && shown.contains("PLN") && shown.contains("&lt;b&gt;ABC"), "{shown}");
    for (pay, status) in [("maybe", 422), ("true", 200), ("false", 200)] {
        let request = browser.post(&page).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("pay={pay}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{pay}");
    }
    let status = stage.provider.charged(&charge(1, "card_ok")).await.unwrap().unwrap().status;
    assert_eq!(status, ChargeStatus::Succeeded(pln(2_500)), "the first press counts");
    let unknown = browser.get(format!("{}/checkout/ch_0", stage.sandbox.url())).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    // A page decides what was put before a buyer, and nothing else.
    let slow = stage.provider.charge(&charge(2, "card_slow")).await.unwrap().reference;
    let request = browser.post(format!("{}/checkout/{slow}", stage.sandbox.url()));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body("pay=true");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(stage.provider.charged(&charge(2, "card_ok")).await.unwrap().unwrap().status, ChargeStatus::Processing);
}

/// Money goes back once an order, and never more than came.
pub async fn money_goes_back_once() {
    let stage = Stage::set(0).await;
    stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(stage.provider.refund(&refund(1, 1, 2_000)).await, Ok(RefundState::Done));
    }
    assert_eq!(stage.provider.refunded(&refund(1, 1, 0)).await, Ok(Some(RefundState::Done)));
    let more = stage.provider.refund(&refund(2, 1, 501)).await;
    assert_eq!(more, Err(ProviderError::Refused("amount_too_large".to_owned())));
    stage.provider.charge(&charge(2, "card_refund_fails")).await.unwrap();
    let failed = stage.provider.refund(&refund(3, 2, 2_500)).await;
    assert_eq!(failed, Ok(RefundState::Failed("card_closed".to_owned())));
    let came = stage.inbox.wait_for(4).await;
    let told: Vec<ProviderObject> = came.iter().map(|webhook| stage.read(webhook).1).collect();
    assert!(told.contains(&ProviderObject::Refund(refund(1, 1, 0).refund, RefundState::Done)));
}

/// What was made in a period is told a page at a time, each once, and nothing else.
pub async fn its_books_are_read_by_pages() {
    let stage = Stage::set(0).await;
    let began = stage.clock.now();
    stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    stage.clock.step(TimeDelta::hours(1));
    let period = Period { from: stage.clock.now(), until: stage.clock.now() + TimeDelta::hours(1) };
    for id in 2..=230 {
        stage.provider.charge(&charge(id, "card_ok")).await.unwrap();
    }
    for id in 2..=130 {
        assert_eq!(stage.provider.refund(&refund(id, id, 500)).await, Ok(RefundState::Done));
    }
    stage.provider.charge(&charge(231, "card_declined")).await.unwrap();
    stage.clock.step(TimeDelta::hours(1));
    stage.provider.charge(&charge(232, "card_ok")).await.unwrap();
    let (mut charges, mut refunds) = (Vec::new(), Vec::new());
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = stage.provider.charges(period, after.as_deref()).await.unwrap();
        charges.extend(page.items);
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
        assert!(pages < 10, "it goes on");
    }
    loop {
        let page = stage.provider.refunds(period, after.as_deref()).await.unwrap();
        refunds.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids: BTreeSet<PaymentId> = charges.iter().map(|charge| charge.payment).collect();
    assert_eq!((charges.len(), ids), (230, (2..=231).map(payment).collect()));
    assert!(charges.iter().all(|charge| charge.made_at == period.from), "{:?}", charges[0]);
    let declined = charges.iter().find(|charge| charge.payment == payment(231)).unwrap();
    assert_eq!(declined.status, ChargeStatus::Failed("card_declined".to_owned()));
    let ids: BTreeSet<_> = refunds.iter().map(|refund| (refund.refund.unwrap(), refund.payment.unwrap())).collect();
    assert_eq!((refunds.len(), ids.len()), (129, 129));
    assert!(refunds.iter().all(|refund| (refund.amount, &refund.state) == (pln(500), &RefundState::Done)));
    let before = Period { from: began, until: period.from };
    assert_eq!(stage.provider.charges(before, None).await.unwrap().items[0].payment, payment(1));
}

/// A message is sent until it is taken.
pub async fn messages_are_sent_until_they_are_taken() {
    let stage = Stage::set(2).await;
    stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    let came = stage.inbox.wait_for(3).await;
    let ids: BTreeSet<String> = came.iter().map(|webhook| stage.read(webhook).0).collect();
    assert_eq!((ids.len(), stage.inbox.will_refuse()), (1, 0), "one message, three times");
}

/// What was not delivered before the end is delivered after it.
pub async fn messages_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Some(folder.path().join("sandbox.jsonl"));
    let (clock, nowhere) = (TestClock::default(), WebhookInbox::open(u32::MAX).await);
    let before = sandbox::start(&clock, nowhere.url(), journal.clone()).await;
    sandbox::provider(&clock, &before.url()).charge(&charge(1, "card_ok")).await.unwrap();
    nowhere.wait_for(1).await;
    before.stop().await;
    let inbox = WebhookInbox::open(0).await;
    let after = sandbox::start(&clock, inbox.url(), journal).await;
    let provider = sandbox::provider(&clock, &after.url());
    let came = inbox.wait_for(1).await;
    provider.check_webhook(came[0].signature.as_deref(), &came[0].body, clock.now()).unwrap();
    let read = provider.read_webhook(&came[0].body).unwrap();
    assert!(matches!(read.of, ProviderObject::Payment(of, _) if of == payment(1)));
    let status = provider.charged(&charge(1, "card_ok")).await.unwrap().unwrap().status;
    assert_eq!(status, ChargeStatus::Succeeded(pln(2_500)));
}

/// It duplicates and loses as it is told to.
pub async fn messages_are_lost_and_doubled_on_purpose() {
    let stage = Stage::set(0).await;
    stage.sandbox.behave(Behaviour { lose_percent: 100, ..Behaviour::default() });
    stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    // Whoever does not hear asks.
    assert!(stage.provider.charged(&charge(1, "card_ok")).await.unwrap().is_some());
    stage.sandbox.behave(Behaviour { duplicate_percent: 100, disorder_millis: 20, ..Behaviour::default() });
    stage.provider.charge(&charge(2, "card_ok")).await.unwrap();
    let came = stage.inbox.wait_for(2).await;
    let (first, second) = (stage.read(&came[0]), stage.read(&came[1]));
    assert_eq!(first, second);
    assert!(matches!(first.1, ProviderObject::Payment(of, _) if of == payment(2)), "that of the first one was lost");
}

/// Nobody else is believed, and nobody else is served.
pub async fn only_who_knows_the_secret_is_believed() {
    let stage = Stage::set(0).await;
    stage.provider.charge(&charge(1, "card_ok")).await.unwrap();
    let Webhook { signature, body } = stage.inbox.wait_for(1).await.remove(0);
    let read = |signature: Option<&str>, body: &[u8], later| {
        stage.provider.check_webhook(signature, body, stage.clock.now() + TimeDelta::minutes(later))
    };
    let signature = signature.as_deref();
    assert_eq!(read(signature, &body, 0), Ok(()));
    assert_eq!(read(signature, &body, 6), Err(WebhookError::TooOld));
    assert_eq!(read(None, &body, 0), Err(WebhookError::BadSignature));
    let forged = String::from_utf8(body).unwrap().replace("2500", "9900");
    assert_eq!(read(signature, forged.as_bytes(), 0), Err(WebhookError::BadSignature));
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    for secret in ["", "sandbox secret of test", "sandbox secret of tests2"] {
        let request = stranger.get(format!("{}/v1/charges/{}", stage.sandbox.url(), payment(1).uuid()));
        assert_eq!(request.bearer_auth(secret).send().await.unwrap().status(), 401);
    }
}

/// Where nobody answers nothing is said about the money.
pub async fn silence_says_nothing() {
    let Stage { clock, sandbox, inbox, provider } = Stage::set(0).await;
    provider.charge(&charge(1, "card_ok")).await.unwrap();
    inbox.wait_for(1).await;
    sandbox.stop().await;
    // Until the connections that were there are known to be gone, they may be asked, and answer nothing.
    let hung_up = async {
        loop {
            match provider.charged(&charge(1, "card_ok")).await {
                Err(ProviderError::NotAsked) => break,
                said => assert_eq!(said, Err(ProviderError::Unreachable)),
            }
        }
    };
    tokio::time::timeout(WITHIN, hung_up).await.expect("connections that end");
    assert_eq!(provider.charge(&charge(2, "card_ok")).await, Err(ProviderError::NotAsked));
    assert_eq!(provider.refund(&refund(1, 1, 1)).await, Err(ProviderError::NotAsked));
    assert_eq!(provider.cancel(&charge(1, "card_ok")).await, Err(ProviderError::NotAsked));
    drop(clock);
}
