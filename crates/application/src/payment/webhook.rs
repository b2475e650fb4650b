//! Messages of providers: at least once, in any order, perhaps before our own answer.

use domain::booking::Refusal;
use domain::payment::{ChargeOutcome, ChargeReport, DisputeReport, DisputeStatus, RefundOutcome};
use domain::{JobId, Money, PaymentId, Problems, RefundId, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payments::{Payments, refund_outcome, report, word};
use crate::error::AppError;
use crate::jobs::NewJob;
use crate::origin::Origin;
use crate::payment::{
    ChargeName, Disputed, PaymentProvider, ProviderEvent, ProviderEventKey, ProviderMessage, ProviderObject,
};

/// The kind of job that a message waits in whose payment is not known.
pub(super) const EVENT_JOB: &str = "payment.event";
/// The most characters of the id of a message.
const EVENT_ID_MAX: usize = 200;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It had its effect, now or before, or needs none.
    Done,
    /// There is no such payment, or refund.
    Unknown,
}

/// A message that waits, as JSON of ours. It holds no personal data.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parked {
    provider: String,
    event: String,
    of: ParkedObject,
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum ParkedObject {
    Payment { id: Uuid, reference: Option<String>, outcome: ParkedOutcome },
    Refund { id: Uuid, outcome: ParkedRefund },
    Dispute { payment: Uuid, reference: String, state: ParkedDispute, minor: i64, currency: String },
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
enum ParkedOutcome {
    Processing,
    Succeeded { minor: i64, currency: String },
    Failed(String),
    Cancelled,
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
enum ParkedRefund {
    InTransit,
    Done,
    Failed(String),
}

impl Payments {
    /// Takes a message of a provider. It is kept as it came before anything is done with it. Its effect and the note that
    /// it was seen are one commit; sent again, it has none. One of a payment that is not known waits in the job table and is
    /// tried again.
    ///
    /// # Errors
    /// [`AppError::NotFound`] where there is no such provider; [`AppError::Unauthenticated`] for what it has not signed, or
    /// has signed long ago; [`AppError::Validation`] for what cannot be read. Whatever else: send it again.
    pub async fn receive(
        &self,
        provider: &str,
        signature: Option<&str>,
        body: &[u8],
        origin: Origin,
    ) -> Result<(), AppError> {
        let adapter = self.ports.providers.named(provider).ok_or(AppError::NotFound("payment provider"))?;
        let now = self.ports.clock.now();
        if let Err(error) = adapter.check_webhook(signature, body, now) {
            tracing::warn!(provider, %error, "A message of a payment provider is not believed");
            return Err(AppError::Unauthenticated);
        }
        // JSON is UTF-8 (RFC 8259, 8.1).
        let malformed = || AppError::from(Problems::one("body", "malformed", "is no message of this provider"));
        let text = str::from_utf8(body).map_err(|_| malformed())?;
        let message = ProviderMessage { provider: provider.to_owned(), received_at: now, body: text.to_owned() };
        self.inbox.keep(message).await?;
        let event = adapter.read_webhook(body).map_err(|error| {
            tracing::warn!(provider, %error, "A message of a payment provider is signed, and cannot be read");
            malformed()
        })?;
        let event = name_ours(&**adapter, event).await?;
        let Some(parked) = Parked::of(provider, event)? else { return Ok(()) };
        match self.take_event(&parked, origin).await? {
            Taken::Done => Ok(()),
            Taken::Unknown => self.park(&parked).await,
        }
    }

    /// Gives a message its effect.
    pub(super) async fn take_event(&self, event: &Parked, origin: Origin) -> Result<Taken, AppError> {
        let provider = event.provider.as_str();
        let key = Some(ProviderEventKey { provider: provider.to_owned(), event: event.event.clone() });
        match &event.of {
            ParkedObject::Payment { id, reference, outcome } => {
                let Some(payment) = self.known_payment(PaymentId::new(*id), provider).await? else {
                    return Ok(Taken::Unknown);
                };
                let reference = reference.clone().map(Text::trusted);
                let report = ChargeReport { reference, outcome: outcome.read()? };
                self.apply(&payment, report, key, origin).await?;
            }
            ParkedObject::Refund { id, outcome } => {
                let Some(refund) = self.known_refund(RefundId::new(*id), provider).await? else {
                    return Ok(Taken::Unknown);
                };
                self.apply_refund(&refund, outcome.read(), key, origin).await?;
            }
            ParkedObject::Dispute { payment, reference, state, minor, currency } => {
                let Some(payment) = self.known_payment(PaymentId::new(*payment), provider).await? else {
                    return Ok(Taken::Unknown);
                };
                let currency = currency.parse().map_err(|_| AppError::Internal)?;
                let report = DisputeReport {
                    reference: Text::trusted(reference.clone()),
                    status: state.read(),
                    amount: Money { minor: *minor, currency },
                };
                match self.apply_dispute(&payment, report, key, origin).await {
                    // It is not known yet that money came in, or somebody has to look: it waits, and is then seen.
                    Err(AppError::Refused(Refusal::InvalidState(why))) => {
                        tracing::warn!(payment.id = %payment.id, "A dispute cannot be taken note of: {why}");
                        return Ok(Taken::Unknown);
                    }
                    taken => taken?,
                }
            }
        }
        Ok(Taken::Done)
    }

    async fn park(&self, event: &Parked) -> Result<(), AppError> {
        tracing::warn!(
            provider = event.provider,
            event = event.event,
            "A message tells of what is not known; it waits"
        );
        let payload = serde_json::to_string(event).map_err(|_| AppError::Internal)?;
        let job = NewJob {
            id: JobId::new(self.ports.ids.uuid()),
            kind: EVENT_JOB,
            subject: format!("{}:{}", event.provider, event.event),
            payload,
            run_at: self.ports.clock.now(),
        };
        self.ports.jobs.enqueue(&job).await?;
        Ok(())
    }
}

/// The message, with our id of the charge where the provider has named it by its own.
async fn name_ours(adapter: &dyn PaymentProvider, event: ProviderEvent) -> Result<ProviderEvent, AppError> {
    let ProviderObject::Dispute(ChargeName::Theirs(reference), dispute) = &event.of else { return Ok(event) };
    let of = match adapter.payment_of(reference).await {
        Ok(Some(payment)) => ProviderObject::Dispute(ChargeName::Ours(payment), dispute.clone()),
        Ok(None) => ProviderObject::Other("a dispute of a charge that is none of ours".to_owned()),
        Err(error) => {
            tracing::warn!(event = event.id, %error, "Whose payment is disputed stays unknown; the message comes again");
            return Err(AppError::busy());
        }
    };
    Ok(ProviderEvent { of, ..event })
}

impl Parked {
    /// The message in words of ours; `None` for what does not concern us.
    fn of(provider: &str, event: ProviderEvent) -> Result<Option<Self>, AppError> {
        let id = Text::parse("id", &event.id, EVENT_ID_MAX)?;
        let of = match event.of {
            ProviderObject::Payment(payment, charged) => {
                let ChargeReport { reference, outcome } = report(&charged);
                let reference = reference.map(|reference| reference.as_str().to_owned());
                ParkedObject::Payment { id: payment.uuid(), reference, outcome: ParkedOutcome::of(outcome) }
            }
            ProviderObject::Refund(refund, state) => {
                let outcome = match refund_outcome(&state) {
                    RefundOutcome::InTransit => ParkedRefund::InTransit,
                    RefundOutcome::Done => ParkedRefund::Done,
                    RefundOutcome::Failed(why) => ParkedRefund::Failed(why.as_str().to_owned()),
                };
                ParkedObject::Refund { id: refund.uuid(), outcome }
            }
            ProviderObject::Dispute(ChargeName::Ours(payment), Disputed { reference, status, amount }) => {
                let Money { minor, currency } = amount;
                let reference = Text::parse("reference", &reference, EVENT_ID_MAX)?.as_str().to_owned();
                let (state, currency) = (ParkedDispute::of(status), currency.code().to_owned());
                ParkedObject::Dispute { payment: payment.uuid(), reference, state, minor, currency }
            }
            ProviderObject::Dispute(ChargeName::Theirs(_), _) | ProviderObject::Other(_) => return Ok(None),
        };
        Ok(Some(Self { provider: provider.to_owned(), event: id.as_str().to_owned(), of }))
    }
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
enum ParkedDispute {
    Opened,
    Won,
    Lost,
}

impl ParkedDispute {
    const fn of(status: DisputeStatus) -> Self {
        match status {
            DisputeStatus::Opened => Self::Opened,
            DisputeStatus::Won => Self::Won,
            DisputeStatus::Lost => Self::Lost,
        }
    }

    const fn read(self) -> DisputeStatus {
        match self {
            Self::Opened => DisputeStatus::Opened,
            Self::Won => DisputeStatus::Won,
            Self::Lost => DisputeStatus::Lost,
        }
    }
}

impl ParkedOutcome {
    fn of(outcome: ChargeOutcome) -> Self {
        match outcome {
            ChargeOutcome::Processing => Self::Processing,
            ChargeOutcome::Succeeded(Money { minor, currency }) => {
                Self::Succeeded { minor, currency: currency.code().to_owned() }
            }
            ChargeOutcome::Failed(why) => Self::Failed(why.as_str().to_owned()),
            ChargeOutcome::Cancelled => Self::Cancelled,
        }
    }

    fn read(&self) -> Result<ChargeOutcome, AppError> {
        Ok(match self {
            Self::Processing => ChargeOutcome::Processing,
            Self::Succeeded { minor, currency } => {
                let currency = currency.parse().map_err(|_| AppError::Internal)?;
                ChargeOutcome::Succeeded(Money { minor: *minor, currency })
            }
            Self::Failed(why) => ChargeOutcome::Failed(word(why)),
            Self::Cancelled => ChargeOutcome::Cancelled,
        })
    }
}

impl ParkedRefund {
    fn read(&self) -> RefundOutcome {
        match self {
            Self::InTransit => RefundOutcome::InTransit,
            Self::Done => RefundOutcome::Done,
            Self::Failed(why) => RefundOutcome::Failed(word(why)),
        }
    }
}
