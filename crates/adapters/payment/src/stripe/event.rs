//! What Stripe's messages mean, and what its objects say.

use application::payment::{
    ChargeName, ChargeStatus, Charged, Disputed, ListedRefund, ProviderError, ProviderEvent, ProviderObject,
    RefundState, WebhookError,
};
use domain::Timestamp;
use domain::payment::DisputeStatus;
use serde::de::DeserializeOwned;

use super::amount::from_stripe;
use super::wire::{DisputeObject, Event, Intent, Linked, RefundObject, Session};

/// Reads a message whose signature holds. Of a kind that says nothing to us, or of what is none of ours, it is
/// [`ProviderObject::Other`].
///
/// `payment_intent.payment_failed` is such a kind: one attempt has failed, and the page is still open for the next.
/// `charge.refunded` too: it does not bear the refunds, of which `refund.*` tells one by one.
pub(super) fn read(body: &[u8]) -> Result<ProviderEvent, WebhookError> {
    let event: Event = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
    let other = || ProviderObject::Other(event.kind.clone());
    let of = match event.kind.as_str() {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired" => {
            let session: Session = object(&event)?;
            match session.payment() {
                Some(payment) => ProviderObject::Payment(payment, told(&event.kind, &session)?),
                None => other(),
            }
        }
        "payment_intent.succeeded" => {
            let intent: Intent = object(&event)?;
            match intent.payment() {
                Some(payment) => ProviderObject::Payment(payment, of_intent(&intent).map_err(unreadable)?),
                None => other(),
            }
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let refund: RefundObject = object(&event)?;
            refund.refund().map_or_else(other, |id| ProviderObject::Refund(id, of_refund(&refund)))
        }
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated"
        | "charge.dispute.closed" => {
            let dispute: DisputeObject = object(&event)?;
            match of_dispute(&dispute) {
                Some(status) => {
                    let amount = from_stripe(dispute.amount, &dispute.currency).ok_or(WebhookError::Malformed)?;
                    let name = ChargeName::Theirs(dispute.payment_intent.unwrap_or(dispute.charge));
                    ProviderObject::Dispute(name, Disputed { reference: dispute.id, status, amount })
                }
                None => other(),
            }
        }
        _ => other(),
    };
    Ok(ProviderEvent { id: event.id, of })
}

fn object<T: DeserializeOwned>(event: &Event) -> Result<T, WebhookError> {
    T::deserialize(&event.data.object).map_err(|_| WebhookError::Malformed)
}

fn unreadable(_: ProviderError) -> WebhookError {
    WebhookError::Malformed
}

fn told(kind: &str, session: &Session) -> Result<Charged, WebhookError> {
    let at = |status| Charged { reference: session.id.clone(), status, checkout_url: None };
    Ok(match kind {
        "checkout.session.async_payment_failed" => at(ChargeStatus::Failed("async_payment_failed".to_owned())),
        "checkout.session.expired" => at(ChargeStatus::Cancelled),
        _ => of_session(session).map_err(unreadable)?,
    })
}

/// Where the money of a page stands.
pub(super) fn of_session(session: &Session) -> Result<Charged, ProviderError> {
    let intent = match &session.payment_intent {
        Some(Linked::Whole(intent)) => Some(&**intent),
        _ => None,
    };
    let status = match (session.status.as_deref(), session.payment_status.as_deref()) {
        (Some("expired"), _) => ChargeStatus::Cancelled,
        (_, Some("paid")) => succeeded(session.amount_total, session.currency.as_deref().unwrap_or_default())?,
        (Some("complete"), _) => match intent.map(|intent| (intent, intent.status.as_str())) {
            // It was decided later, and not for us.
            Some((intent, "requires_payment_method" | "canceled")) => ChargeStatus::Failed(
                intent.last_payment_error.as_ref().map_or_else(|| "failed".to_owned(), super::wire::ErrorWord::word),
            ),
            _ => ChargeStatus::Processing,
        },
        _ => ChargeStatus::Processing,
    };
    let checkout_url = session.url.clone().filter(|_| status == ChargeStatus::Processing);
    Ok(Charged { reference: session.id.clone(), status, checkout_url })
}

/// Where a dispute stands, whichever message tells of it; `None`: no money is asked for, or nobody knows.
fn of_dispute(dispute: &DisputeObject) -> Option<DisputeStatus> {
    match dispute.status.as_str() {
        // Also of what was a question first: money is asked for from now on.
        "needs_response" | "under_review" => Some(DisputeStatus::Opened),
        "won" => Some(DisputeStatus::Won),
        "lost" => Some(DisputeStatus::Lost),
        // It was kept from becoming a chargeback: blocked, and the money stays, or settled, and it went back to the buyer.
        "prevented" if dispute.withdrawn() > 0 => Some(DisputeStatus::Lost),
        "prevented" => Some(DisputeStatus::Won),
        // `warning_*`: a question of the bank before it asks for the money; none has moved.
        _ => None,
    }
}

/// Where money stands that was asked for.
pub(super) fn of_intent(intent: &Intent) -> Result<Charged, ProviderError> {
    let status = match intent.status.as_str() {
        "succeeded" => succeeded(intent.amount_received, &intent.currency)?,
        "canceled" => ChargeStatus::Cancelled,
        _ => ChargeStatus::Processing,
    };
    Ok(Charged { reference: intent.id.clone(), status, checkout_url: None })
}

fn succeeded(number: Option<i64>, currency: &str) -> Result<ChargeStatus, ProviderError> {
    let amount = number.and_then(|number| from_stripe(number, currency));
    amount.map(ChargeStatus::Succeeded).ok_or_else(|| ProviderError::Refused("unknown amount".to_owned()))
}

/// Where a refund stands.
pub(super) fn of_refund(refund: &RefundObject) -> RefundState {
    match refund.status.as_deref() {
        Some("succeeded") => RefundState::Done,
        Some("failed") => RefundState::Failed(refund.failure_reason.clone().unwrap_or_else(|| "failed".to_owned())),
        Some("canceled") => RefundState::Failed("canceled".to_owned()),
        _ => RefundState::InTransit,
    }
}

/// A refund in the books; `None`: it is none of ours, nor of a charge of ours.
pub(super) fn listed_refund(refund: &RefundObject) -> Option<Result<ListedRefund, ProviderError>> {
    let payment = match &refund.payment_intent {
        Some(Linked::Whole(intent)) => intent.payment(),
        _ => None,
    };
    if refund.refund().is_none() && payment.is_none() {
        return None;
    }
    let currency = refund.currency.as_deref().unwrap_or_default();
    let amount = refund.amount.and_then(|number| from_stripe(number, currency));
    let made_at = Timestamp::from_timestamp(refund.created, 0);
    Some(match (amount, made_at) {
        (Some(amount), Some(made_at)) => Ok(ListedRefund {
            refund: refund.refund(),
            payment,
            reference: refund.id.clone(),
            made_at,
            amount,
            state: of_refund(refund),
        }),
        _ => Err(ProviderError::Refused("unknown amount".to_owned())),
    })
}
