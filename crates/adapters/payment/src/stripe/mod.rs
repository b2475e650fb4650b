//! Stripe, over its plain HTTP API (ADR 0031). The buyer pays on a page of theirs: a Checkout Session.
//!
//! | question | file |
//! |---|---|
//! | what is called, and when? | here |
//! | what do its objects and messages mean? | `event` |
//! | how does it count money? | `amount` |
//! | what does it send? | `wire` |

mod amount;
mod event;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use application::breaker::Breaker;
use application::payment::{
    Charge, Charged, Listed, ListedCharge, ListedRefund, PaymentProvider, Period, ProviderError, ProviderEvent,
    RefundOrder, RefundState, WebhookError,
};
use chrono::TimeDelta;
use domain::{PaymentId, RefundId, Timestamp};
use form_urlencoded::Serializer;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::HeaderName;
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use self::event::{of_intent, of_refund, of_session};
use self::wire::{ChargeObject, ErrorBody, Intent, Linked, List, RefundObject, Session};
use crate::calls::{CallSettings, Called, Calls, SetupError};
use crate::signature::Signing;

/// What is asked, and what is answered, has the form of this version, whatever the account is set to.
const API_VERSION: &str = "2026-08-26.dahlia";
/// What buyers can pay by: kinds that are decided while the buyer is there. One that takes days would keep the tickets
/// for days.
const METHODS: [&str; 6] = ["card", "bancontact", "blik", "eps", "ideal", "p24"];
/// For so long a page takes money after it was asked for. Stripe makes none for less than 30 minutes: so it makes none
/// at all for a request that comes later than half of this.
const OPEN_FOR: TimeDelta = TimeDelta::minutes(60);
const MADE_WITHIN: TimeDelta = TimeDelta::minutes(31);
/// By how much its clock and ours may differ.
const SKEW: TimeDelta = TimeDelta::minutes(2);
/// How many pages of a list are looked through, of 100 each.
const PAGES_MAX: usize = 50;

/// Who we are at Stripe.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// Where it is, without a slash at the end.
    pub base_url: String,
    /// The secret key, or a restricted one.
    pub secret_key: SecretString,
    /// What signs its messages.
    pub webhook_secret: SecretString,
    /// Where buyers come back to.
    pub return_url: String,
    /// How long one call may take.
    pub timeout: Duration,
}

/// Speaks to Stripe.
pub struct StripeProvider {
    calls: Calls,
    signing: Signing,
    return_url: String,
}

impl StripeProvider {
    /// With these settings; while it does not answer it is left alone as `breaker` says.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn try_new(settings: StripeSettings, breaker: Breaker) -> Result<Self, SetupError> {
        let StripeSettings { base_url, secret_key, webhook_secret, return_url, timeout } = settings;
        let calls = Calls::try_new(CallSettings { url: base_url, secret: secret_key, timeout }, breaker)?;
        let calls = calls.bearing(HeaderName::from_static("stripe-version"), API_VERSION);
        Ok(Self { calls, signing: Signing::new(&webhook_secret), return_url })
    }

    /// Makes the page, or finds it where it was made before: the same request under the same key has one effect.
    async fn make(&self, charge: &Charge) -> Result<Session, ProviderError> {
        let number = amount::to_stripe(charge.amount).ok_or_else(|| refused("amount_not_supported"))?;
        let payment = charge.payment.uuid().to_string();
        let currency = charge.amount.currency.code().to_ascii_lowercase();
        let until = (charge.asked_at + OPEN_FOR).timestamp().to_string();
        let form = encoded(&[
            ("mode", "payment"),
            ("client_reference_id", &payment),
            ("payment_method_types[0]", &charge.method),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", &currency),
            ("line_items[0][price_data][unit_amount]", &number.to_string()),
            ("line_items[0][price_data][product_data][name]", &charge.description),
            ("metadata[goticket_payment]", &payment),
            ("payment_intent_data[metadata][goticket_payment]", &payment),
            // What comes in is what was asked for, in the currency of the event.
            ("adaptive_pricing[enabled]", "false"),
            ("expires_at", &until),
            ("success_url", &self.return_url),
            ("cancel_url", &self.return_url),
        ]);
        let key = format!("goticket-payment-{payment}");
        let called = self.calls.form("/v1/checkout/sessions", form, Some(&key)).await?;
        done(&called)?.ok_or_else(|| refused("not_found"))
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, ProviderError> {
        let path = format!("/v1/checkout/sessions/{}?expand%5B0%5D=payment_intent", name(id)?);
        done(&self.calls.get(&path).await?)
    }

    async fn intent(&self, id: &str) -> Result<Option<Intent>, ProviderError> {
        done(&self.calls.get(&format!("/v1/payment_intents/{}", name(id)?)).await?)
    }

    /// The page of a payment of which we have no id of theirs, since no answer came: looked for among those that were made
    /// within the time in which it can have been.
    async fn look_for(&self, charge: &Charge) -> Result<Option<Session>, ProviderError> {
        let from = (charge.asked_at - SKEW).timestamp().to_string();
        let until = (charge.asked_at + MADE_WITHIN + SKEW).timestamp().to_string();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("limit", "100"), ("created[gte]", &from), ("created[lte]", &until)];
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let called = self.calls.page(&format!("/v1/checkout/sessions?{}", encoded(&query))).await?;
            let List::<Session> { data, has_more } = done(&called)?.ok_or_else(|| refused("not_found"))?;
            after = data.last().map(|last| last.id.clone());
            if let Some(found) = data.into_iter().find(|session| session.payment() == Some(charge.payment)) {
                return self.session(&found.id).await;
            }
            if !has_more || after.is_none() {
                return Ok(None);
            }
        }
        tracing::warn!("Stripe has too many pages of that time to look for one among them");
        Err(ProviderError::Unreachable)
    }

    /// A page of what was made in a period, newest first.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        period: Period,
        after: Option<&str>,
        expand: Option<&str>,
    ) -> Result<List<T>, ProviderError> {
        let (from, until) = (period.from.timestamp().to_string(), period.until.timestamp().to_string());
        let mut query = vec![("limit", "100"), ("created[gte]", &from), ("created[lt]", &until)];
        query.extend(expand.map(|expand| ("expand[0]", expand)));
        query.extend(after.map(|after| ("starting_after", after)));
        done(&self.calls.page(&format!("{path}?{}", encoded(&query))).await?)?.ok_or_else(|| refused("not_found"))
    }

    async fn find(&self, charge: &Charge) -> Result<Option<Charged>, ProviderError> {
        match charge.reference.as_deref() {
            Some(id) if id.starts_with(INTENT) => self.intent(id).await?.map(|found| of_intent(&found)).transpose(),
            Some(id) => self.session(id).await?.map(|found| of_session(&found)).transpose(),
            None => self.look_for(charge).await?.map(|found| of_session(&found)).transpose(),
        }
    }

    /// Closes a page, unless it was paid meanwhile.
    async fn close(&self, id: &str) -> Result<Option<Charged>, ProviderError> {
        let called =
            self.calls.form(&format!("/v1/checkout/sessions/{}/expire", name(id)?), String::new(), None).await?;
        match done::<Session>(&called) {
            Ok(closed) => closed.map(|closed| of_session(&closed)).transpose(),
            // It is not open any more.
            Err(ProviderError::Refused(_)) => self.session(id).await?.map(|found| of_session(&found)).transpose(),
            Err(error) => Err(error),
        }
    }

    /// What a refund is taken from.
    async fn intent_of(&self, order: &RefundOrder) -> Result<Option<String>, ProviderError> {
        match order.charge_reference.as_deref() {
            None => Ok(None),
            Some(id) if id.starts_with(INTENT) => Ok(Some(id.to_owned())),
            Some(id) => Ok(self.session(id).await?.and_then(|session| session.payment_intent).map(|link| match link {
                Linked::Id(id) => id,
                Linked::Whole(intent) => intent.id,
            })),
        }
    }

    /// A refund among those of its charge. Keys of repeated requests are forgotten after a day, refunds are not.
    async fn refund_of(&self, intent: &str, refund: RefundId) -> Result<Option<RefundState>, ProviderError> {
        let query =
            Serializer::new(String::new()).append_pair("payment_intent", intent).append_pair("limit", "100").finish();
        let called = self.calls.page(&format!("/v1/refunds?{query}")).await?;
        let List::<RefundObject> { data, has_more } = done(&called)?.ok_or_else(|| refused("not_found"))?;
        match data.iter().find(|known| known.refund() == Some(refund)) {
            Some(found) => Ok(Some(of_refund(found))),
            // A booking does not have so many; what we cannot see we do not send again.
            None if has_more => Err(ProviderError::Unreachable),
            None => Ok(None),
        }
    }
}

/// How ids of payment intents begin.
const INTENT: &str = "pi_";

impl PaymentProvider for StripeProvider {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn takes(&self, method: &str) -> bool {
        METHODS.contains(&method)
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Charged, ProviderError>> {
        async move { of_session(&self.make(charge).await?) }.boxed()
    }

    fn charged<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>> {
        Box::pin(self.find(charge))
    }

    fn cancel<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>> {
        async move {
            let known = match charge.reference.as_deref() {
                Some(id) if id.starts_with(INTENT) => return self.find(charge).await,
                Some(id) => id.to_owned(),
                None => match self.look_for(charge).await? {
                    Some(session) => session.id,
                    // The key is spent on a page that is closed at once: a request that comes later finds that one.
                    None => match self.make(charge).await {
                        Ok(session) => session.id,
                        // Nor does it make one from now on: the time for it is over, or it would refuse it as now.
                        Err(ProviderError::Refused(_)) => return Ok(None),
                        Err(error) => return Err(error),
                    },
                },
            };
            self.close(&known).await
        }
        .boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        async move {
            let number = amount::to_stripe(order.amount).ok_or_else(|| refused("amount_not_supported"))?;
            let intent = self.intent_of(order).await?.ok_or_else(|| refused("not_found"))?;
            if let Some(known) = self.refund_of(&intent, order.refund).await? {
                return Ok(known);
            }
            let refund = order.refund.uuid().to_string();
            let form = encoded(&[
                ("payment_intent", &intent),
                ("amount", &number.to_string()),
                ("metadata[goticket_refund]", &refund),
            ]);
            let called = self.calls.form("/v1/refunds", form, Some(&format!("goticket-refund-{refund}"))).await?;
            Ok(of_refund(&done::<RefundObject>(&called)?.ok_or_else(|| refused("not_found"))?))
        }
        .boxed()
    }

    fn refunded<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<Option<RefundState>, ProviderError>> {
        async move {
            match self.intent_of(order).await? {
                Some(intent) => self.refund_of(&intent, order.refund).await,
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn charges<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedCharge>, ProviderError>> {
        async move {
            let List::<Intent> { data, has_more } = self.list("/v1/payment_intents", period, after, None).await?;
            let next = data.last().filter(|_| has_more).map(|last| last.id.clone());
            let total = data.len();
            let ours = data.iter().filter_map(|intent| Some((intent.payment()?, intent)));
            let listed = |(payment, intent): (PaymentId, &Intent)| {
                let Charged { reference, status, .. } = of_intent(intent)?;
                Ok(ListedCharge { payment, reference, made_at: instant(intent.created)?, status })
            };
            let items = ours.map(listed).collect::<Result<Vec<_>, ProviderError>>()?;
            Ok(Listed { others: (total - items.len()) as u64, items, next })
        }
        .boxed()
    }

    fn refunds<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedRefund>, ProviderError>> {
        async move {
            // Whose they are says the intent, where somebody has sent them on Stripe's pages.
            let expand = Some("data.payment_intent");
            let List::<RefundObject> { data, has_more } = self.list("/v1/refunds", period, after, expand).await?;
            let next = data.last().filter(|_| has_more).map(|last| last.id.clone());
            let total = data.len();
            let items = data.iter().filter_map(event::listed_refund).collect::<Result<Vec<_>, ProviderError>>()?;
            Ok(Listed { others: (total - items.len()) as u64, items, next })
        }
        .boxed()
    }

    fn payment_of<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<PaymentId>, ProviderError>> {
        async move {
            if reference.starts_with(INTENT) {
                return Ok(self.intent(reference).await?.and_then(|intent| intent.payment()));
            }
            let called = self.calls.get(&format!("/v1/charges/{}", name(reference)?)).await?;
            Ok(done::<ChargeObject>(&called)?.and_then(|charge| charge.payment()))
        }
        .boxed()
    }

    fn check_webhook(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), WebhookError> {
        self.signing.check(signature, body, now)
    }

    fn read_webhook(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        event::read(body)
    }
}

/// As forms and queries are written.
fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An id of theirs, as it stands in a path.
fn name(id: &str) -> Result<&str, ProviderError> {
    let is_name = (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { Ok(id) } else { Err(refused("unknown reference")) }
}

/// What was answered; `None`: it knows of no such thing.
fn done<T: DeserializeOwned>(called: &Called) -> Result<Option<T>, ProviderError> {
    if called.status.is_success() {
        // What cannot be read says nothing about what was done.
        return serde_json::from_slice(&called.body).map(Some).map_err(|_| ProviderError::Unreachable);
    }
    let why = serde_json::from_slice::<ErrorBody>(&called.body).map(|body| body.error).unwrap_or_default();
    match called.status {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            tracing::error!(
                status = called.status.as_u16(),
                "Stripe does not let us in: look at `payments.stripe.secret_key`"
            );
            Err(ProviderError::Unreachable)
        }
        // The same request is still running.
        StatusCode::CONFLICT => Err(ProviderError::Unreachable),
        // The key was used for another request: what became of that one is not said here.
        _ if why.kind.as_deref() == Some("idempotency_error") => {
            tracing::error!("Stripe knows another request by the key of this one: were settings changed meanwhile?");
            Err(ProviderError::Unreachable)
        }
        _ => Err(refused(&why.word())),
    }
}

fn instant(seconds: i64) -> Result<Timestamp, ProviderError> {
    Timestamp::from_timestamp(seconds, 0).ok_or_else(|| refused("unknown time"))
}

fn refused(word: &str) -> ProviderError {
    ProviderError::Refused(word.to_owned())
}
