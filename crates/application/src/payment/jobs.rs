//! Who goes on where something broke off: payments whose outcome nobody has told, refunds that are to be sent, messages
//! whose payment was not known. Each only asks and puts commands on lanes, so that it does no harm if two run at once.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::booking::BookingStatus;
use domain::payment::{ChargeOutcome, ChargeReport, Payment, PaymentStatus, Refund, RefundOutcome, RefundStatus};
use domain::{PaymentId, RefundId, Timestamp};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payments::{Payments, asked, refund_outcome, report, word};
use super::webhook::{EVENT_JOB, Parked, Taken};
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::origin::Origin;
use crate::payment::{ChargeStatus, ProviderError, RefundOrder};

/// How many rows one round looks at.
const ROWS_MAX: u64 = 500;
/// How many calls run at a time: a provider that takes 300 ms for one, as they do, is asked a hundred times a second.
const AT_ONCE: usize = 32;
/// Between two looks at the same rows.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
/// A payment is left to its own request for so long.
const ASKED_AFTER: TimeDelta = TimeDelta::seconds(5);
/// A payment that its provider has not heard of after so long was never asked for.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::seconds(30);
/// A refund that is on its way is asked for so often.
const REFUND_ASKED_AFTER: TimeDelta = TimeDelta::seconds(10);
/// How often a message is tried before it is left to people.
const EVENT_TRIES_MAX: u32 = 20;

/// Where a round begins: behind the last row of the one before, so that what is stuck keeps nobody waiting.
#[derive(Serialize, Deserialize, Default)]
struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Uuid>,
}

impl Place {
    fn read(job: &LeasedJob) -> Option<Uuid> {
        serde_json::from_str::<Self>(&job.payload).unwrap_or_default().after
    }

    fn again(rows: usize, last: Option<Uuid>, now: Timestamp) -> JobOutcome {
        let is_full = u64::try_from(rows).is_ok_and(|rows| rows >= ROWS_MAX);
        let place = Self { after: last.filter(|_| is_full) };
        let payload = serde_json::to_string(&place).unwrap_or_else(|_| "{}".to_owned());
        JobOutcome::Again { run_at: if is_full { now } else { now + PAUSE }, payload }
    }
}

/// Job `payment.poll`: asks providers what has become of payments that are open, and takes the request back where the
/// booking waits for the money no longer. Only then its hold may lapse.
pub struct PollPayments {
    /// Payments.
    pub payments: Arc<Payments>,
}

#[async_trait]
impl JobHandler for PollPayments {
    fn kind(&self) -> &'static str {
        "payment.poll"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let ports = &self.payments.ports;
        let (now, after) = (ports.clock.now(), Place::read(job).map(PaymentId::new));
        let open = ports.store.open_payments(now - ASKED_AFTER, after, ROWS_MAX).await?;
        let (rows, last) = (open.len(), open.last().map(|payment| payment.id.uuid()));
        futures::stream::iter(open).for_each_concurrent(AT_ONCE, |payment| self.ask(payment, now)).await;
        Ok(Place::again(rows, last, ports.clock.now()))
    }
}

impl PollPayments {
    async fn ask(&self, payment: Payment, now: Timestamp) {
        if let Err(error) = self.find_out(&payment, now).await {
            tracing::warn!(payment.id = %payment.id, %error, "What became of a payment could not be taken note of");
        }
    }

    async fn find_out(&self, payment: &Payment, now: Timestamp) -> Result<(), AppError> {
        let ports = &self.payments.ports;
        let Some(provider) = ports.providers.named(payment.provider.as_str()) else { return Ok(()) };
        let booking = ports.bookings.booking(payment.booking).await?.ok_or(AppError::NotFound("booking"))?;
        let is_waiting = booking.status == BookingStatus::Pending && !booking.has_lapsed(now);
        let is_forgotten = payment.created_at + FORGOTTEN_AFTER <= now;
        let charge = asked(payment, &booking);
        let found = match provider.charged(&charge).await {
            Ok(Some(charged)) if charged.status == ChargeStatus::Processing && !is_waiting => {
                provider.cancel(&charge).await
            }
            Ok(None) if is_forgotten || !is_waiting => provider.cancel(&charge).await,
            Ok(None) => return Ok(()),
            known => known,
        };
        let report = match found {
            Ok(Some(charged)) => report(&charged),
            Ok(None) => ChargeReport { reference: None, outcome: ChargeOutcome::Cancelled },
            Err(error) => {
                tracing::warn!(payment.id = %payment.id, %error, "It stays unknown what became of a payment");
                return Ok(());
            }
        };
        if report.outcome == ChargeOutcome::Processing && payment.status == PaymentStatus::Processing {
            return Ok(());
        }
        self.payments.apply(payment, report, None, Origin::system("payment.poll")).await.map(drop)
    }
}

/// Job `refund.send`: sends refunds that are requested, and asks after those on their way. A provider that does not answer
/// is asked again; what it refuses is an open case.
pub struct SendRefunds {
    /// Payments.
    pub payments: Arc<Payments>,
}

#[async_trait]
impl JobHandler for SendRefunds {
    fn kind(&self) -> &'static str {
        "refund.send"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let ports = &self.payments.ports;
        let (now, after) = (ports.clock.now(), Place::read(job).map(RefundId::new));
        let open = ports.store.open_refunds(after, ROWS_MAX).await?;
        let (rows, last) = (open.len(), open.last().map(|(refund, _)| refund.id.uuid()));
        let send = |(refund, payment)| self.send(refund, payment, now);
        futures::stream::iter(open).for_each_concurrent(AT_ONCE, send).await;
        Ok(Place::again(rows, last, ports.clock.now()))
    }
}

impl SendRefunds {
    async fn send(&self, refund: Refund, payment: Payment, now: Timestamp) {
        if let Err(error) = self.go_on(&refund, &payment, now).await {
            tracing::warn!(refund.id = %refund.id, %error, "What became of a refund could not be taken note of");
        }
    }

    async fn go_on(&self, refund: &Refund, payment: &Payment, now: Timestamp) -> Result<(), AppError> {
        let ports = &self.payments.ports;
        let Some(provider) = ports.providers.named(payment.provider.as_str()) else { return Ok(()) };
        let order = RefundOrder::of(refund, payment);
        let state = match refund.status {
            RefundStatus::Requested => provider.refund(&order).await.map(Some),
            _ if refund.updated_at + REFUND_ASKED_AFTER > now => return Ok(()),
            _ => provider.refunded(&order).await,
        };
        let outcome = match state {
            Ok(Some(state)) => refund_outcome(&state),
            Ok(None) => return Ok(()),
            Err(ProviderError::Refused(why)) => RefundOutcome::Failed(word(&why)),
            Err(error @ (ProviderError::Unreachable | ProviderError::NotAsked)) => {
                tracing::warn!(refund.id = %refund.id, %error, "A refund is tried again later");
                return Ok(());
            }
        };
        if outcome == RefundOutcome::InTransit && refund.status == RefundStatus::InTransit {
            return Ok(());
        }
        self.payments.apply_refund(refund, outcome, None, Origin::system("refund.send")).await
    }
}

/// Jobs `payment.event`: messages whose payment was not known. What stays unknown is parked, and seen in `/health`.
pub struct RetryEvents {
    /// Payments.
    pub payments: Arc<Payments>,
}

#[async_trait]
impl JobHandler for RetryEvents {
    fn kind(&self) -> &'static str {
        EVENT_JOB
    }

    fn recurs(&self) -> bool {
        false
    }

    fn tries_max(&self) -> Option<u32> {
        Some(EVENT_TRIES_MAX)
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let Ok(event) = serde_json::from_str::<Parked>(&job.payload) else {
            return Ok(JobOutcome::Parked { error: "the message cannot be read".to_owned() });
        };
        match self.payments.take_event(&event, Origin::system(EVENT_JOB)).await? {
            Taken::Done => Ok(JobOutcome::Done),
            Taken::Unknown => Err(AppError::NotFound("payment")),
        }
    }
}
