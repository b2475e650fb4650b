//! The sandbox as a payment provider.

use application::breaker::Breaker;
use application::payment::{
    Charge, ChargeName, ChargeStatus, Charged, Disputed, Listed, ListedCharge, ListedRefund, PaymentProvider, Period,
    ProviderError, ProviderEvent, ProviderObject, RefundOrder, RefundState, WebhookError,
};
use domain::payment::DisputeStatus;
use domain::{Money, PaymentId, RefundId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::calls::{CallSettings, Called, Calls, SetupError};
use crate::sandbox::METHODS;
use crate::sandbox::wire::{
    ChargeBody, ChargeRequest, ChargeWord, DisputeWord, ErrorBody, EventBody, ListBody, RefundBody, RefundRequest,
    RefundWord,
};
use crate::signature::Signing;

/// Speaks to a [`Sandbox`](crate::Sandbox).
pub struct SandboxProvider {
    calls: Calls,
    signing: Signing,
}

impl SandboxProvider {
    /// With these settings; while it does not answer it is left alone as `breaker` says.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn try_new(settings: CallSettings, breaker: Breaker) -> Result<Self, SetupError> {
        let signing = Signing::new(&settings.secret);
        Ok(Self { calls: Calls::try_new(settings, breaker)?, signing })
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        period: Period,
        after: Option<&str>,
    ) -> Result<ListBody<T>, ProviderError> {
        let (from, until) = (period.from.timestamp_micros(), period.until.timestamp_micros());
        let behind = after.and_then(|after| after.split_once('-')).map(|(at, id)| format!("&after={at}&id={id}"));
        let path = format!("{path}?from={from}&until={until}{}", behind.unwrap_or_default());
        done(&self.calls.page(&path).await?)?.ok_or_else(|| refused("not_found"))
    }
}

impl PaymentProvider for SandboxProvider {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn takes(&self, method: &str) -> bool {
        METHODS.contains(&method)
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Charged, ProviderError>> {
        async move {
            let request = ChargeRequest {
                id: charge.payment.uuid(),
                amount: charge.amount.minor,
                currency: charge.amount.currency.code().to_owned(),
                method: charge.method.clone(),
                description: charge.description.clone(),
            };
            let called = self.calls.post("/v1/charges", &request).await?;
            charged(&done::<ChargeBody>(&called)?.ok_or_else(|| refused("not_found"))?)
        }
        .boxed()
    }

    fn charged<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>> {
        async move {
            let called = self.calls.get(&format!("/v1/charges/{}", charge.payment.uuid())).await?;
            done::<ChargeBody>(&called)?.map(|body| charged(&body)).transpose()
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>> {
        async move {
            let called = self.calls.post(&format!("/v1/charges/{}/cancel", charge.payment.uuid()), &()).await?;
            done::<ChargeBody>(&called)?.map(|body| charged(&body)).transpose()
        }
        .boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<RefundState, ProviderError>> {
        async move {
            let request = RefundRequest {
                id: order.refund.uuid(),
                charge: order.payment.uuid(),
                amount: order.amount.minor,
                currency: order.amount.currency.code().to_owned(),
            };
            let called = self.calls.post("/v1/refunds", &request).await?;
            Ok(refunded(&done::<RefundBody>(&called)?.ok_or_else(|| refused("not_found"))?))
        }
        .boxed()
    }

    fn refunded<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<Option<RefundState>, ProviderError>> {
        async move {
            let called = self.calls.get(&format!("/v1/refunds/{}", order.refund.uuid())).await?;
            Ok(done::<RefundBody>(&called)?.map(|body| refunded(&body)))
        }
        .boxed()
    }

    fn charges<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedCharge>, ProviderError>> {
        async move {
            let page: ListBody<ChargeBody> = self.list("/v1/charges", period, after).await?;
            let next = page.items.last().filter(|_| page.has_more).map(|last| cursor(last.created_at, last.id));
            let listed = |body: ChargeBody| {
                let made_at = instant(body.created_at)?;
                let Charged { reference, status, .. } = charged(&body)?;
                Ok(ListedCharge { payment: PaymentId::new(body.id), reference, made_at, status })
            };
            let items = page.items.into_iter().map(listed).collect::<Result<_, ProviderError>>()?;
            Ok(Listed { items, others: 0, next })
        }
        .boxed()
    }

    fn refunds<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedRefund>, ProviderError>> {
        async move {
            let page: ListBody<RefundBody> = self.list("/v1/refunds", period, after).await?;
            let next = page.items.last().filter(|_| page.has_more).map(|last| cursor(last.created_at, last.id));
            let listed = |body: RefundBody| {
                let currency = body.currency.parse().map_err(|_| refused("unknown currency"))?;
                Ok(ListedRefund {
                    refund: Some(RefundId::new(body.id)),
                    payment: Some(PaymentId::new(body.charge)),
                    // It has no ids of its own for refunds.
                    reference: body.id.to_string(),
                    made_at: instant(body.created_at)?,
                    amount: Money { minor: body.amount, currency },
                    state: refunded(&body),
                })
            };
            let items = page.items.into_iter().map(listed).collect::<Result<_, ProviderError>>()?;
            Ok(Listed { items, others: 0, next })
        }
        .boxed()
    }

    fn check_webhook(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), WebhookError> {
        self.signing.check(signature, body, now)
    }

    fn read_webhook(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        let event: EventBody = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        let of = match (event.charge, event.refund) {
            (Some(charge), None) if event.kind.starts_with("charge.") => {
                let charged = charged(&charge).map_err(|_| WebhookError::Malformed)?;
                ProviderObject::Payment(PaymentId::new(charge.id), charged)
            }
            (Some(ChargeBody { id, reference, amount, captured, currency, dispute: Some(state), .. }), None)
                if event.kind.starts_with("dispute.") =>
            {
                let status = match state {
                    DisputeWord::Opened => DisputeStatus::Opened,
                    DisputeWord::Won => DisputeStatus::Won,
                    DisputeWord::Lost => DisputeStatus::Lost,
                };
                let currency = currency.parse().map_err(|_| WebhookError::Malformed)?;
                // One a charge, of all that was taken.
                let amount = Money { minor: captured.unwrap_or(amount), currency };
                let dispute = Disputed { reference: format!("dp_{reference}"), status, amount };
                ProviderObject::Dispute(ChargeName::Ours(PaymentId::new(id)), dispute)
            }
            (None, Some(refund)) => ProviderObject::Refund(RefundId::new(refund.id), refunded(&refund)),
            _ => ProviderObject::Other(event.kind),
        };
        Ok(ProviderEvent { id: event.id, of })
    }
}

/// What was answered; `None`: it knows of no such thing.
fn done<T: DeserializeOwned>(called: &Called) -> Result<Option<T>, ProviderError> {
    if called.status.is_success() {
        // What cannot be read says nothing about what was done.
        return serde_json::from_slice(&called.body).map(Some).map_err(|_| ProviderError::Unreachable);
    }
    if called.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let word = serde_json::from_slice(&called.body).map(|ErrorBody { code }| code);
    Err(ProviderError::Refused(word.unwrap_or_else(|_| format!("status {}", called.status.as_u16()))))
}

fn cursor(at: i64, id: Uuid) -> String {
    format!("{at}-{id}")
}

fn instant(micros: i64) -> Result<Timestamp, ProviderError> {
    Timestamp::from_timestamp_micros(micros).ok_or_else(|| refused("unknown time"))
}

fn refused(word: &str) -> ProviderError {
    ProviderError::Refused(word.to_owned())
}

fn charged(body: &ChargeBody) -> Result<Charged, ProviderError> {
    let status = match body.status {
        ChargeWord::Processing => ChargeStatus::Processing,
        ChargeWord::Succeeded => {
            let currency = body.currency.parse().map_err(|_| refused("unknown currency"))?;
            ChargeStatus::Succeeded(Money { minor: body.captured.unwrap_or(body.amount), currency })
        }
        ChargeWord::Failed => ChargeStatus::Failed(body.failure_code.clone().unwrap_or_else(|| "failed".to_owned())),
        ChargeWord::Cancelled => ChargeStatus::Cancelled,
    };
    Ok(Charged { reference: body.reference.clone(), status, checkout_url: body.checkout_url.clone() })
}

fn refunded(body: &RefundBody) -> RefundState {
    match body.status {
        RefundWord::InTransit => RefundState::InTransit,
        RefundWord::Done => RefundState::Done,
        RefundWord::Failed => RefundState::Failed(body.failure_code.clone().unwrap_or_else(|| "failed".to_owned())),
    }
}
