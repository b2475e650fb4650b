//! What payments need from outside.

use domain::payment::{DisputeStatus, Payment, Refund};
use domain::{Money, PaymentId, RefundId, Timestamp};
use futures::future::BoxFuture;

/// Somebody who moves money.
///
/// Every call is bounded in time and in the bytes that are read of an answer, and none is made while a transaction is
/// open. A repeated call with the same id has one effect: the id is the idempotency key at the provider.
pub trait PaymentProvider: Send + Sync {
    /// Its word in rows and in `/webhooks/{provider}`: `sandbox`, `stripe`. Lower case letters, digits and `_`.
    fn name(&self) -> &'static str;

    /// Whether it takes this method (`card_ok`, …).
    fn takes(&self, method: &str) -> bool;

    /// Asks for the money.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`]: the money may be taken all the same, so ask [`Self::charged`].
    /// [`ProviderError::NotAsked`]: this call takes nothing; one before it with the same id may have.
    /// [`ProviderError::Refused`]: nothing is taken, nor will it be.
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Charged, ProviderError>>;

    /// What has become of it; `None`: the provider never heard of it.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn charged<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>>;

    /// Takes the request back. What has succeeded meanwhile is answered as succeeded; `None`: the provider never heard
    /// of it, and takes no request of this id any more.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn cancel<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<Charged>, ProviderError>>;

    /// Sends money back.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`]: it may be under way all the same; the same order again has no second effect.
    /// [`ProviderError::NotAsked`]: this call sends nothing.
    /// [`ProviderError::Refused`]: nothing is sent.
    fn refund<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<RefundState, ProviderError>>;

    /// What has become of it; `None`: the provider never heard of it.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn refunded<'a>(&'a self, order: &'a RefundOrder) -> BoxFuture<'a, Result<Option<RefundState>, ProviderError>>;

    /// A page of the charges that it has made for us in a period, whatever became of them: in an order of its own, behind
    /// the `next` of the page before, each once. It bears at most some hundreds.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn charges<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedCharge>, ProviderError>>;

    /// A page of the refunds that it has made in a period and that bear an id of ours, or are of a charge of ours; else as
    /// [`charges`](Self::charges).
    ///
    /// # Errors
    /// [`ProviderError`].
    fn refunds<'a>(
        &'a self,
        period: Period,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listed<ListedRefund>, ProviderError>>;

    /// Whose payment a charge is, for providers whose messages may name a charge by their own id alone
    /// ([`ChargeName::Theirs`]); `None`: it is none of ours.
    ///
    /// # Errors
    /// [`ProviderError`].
    fn payment_of<'a>(&'a self, _reference: &'a str) -> BoxFuture<'a, Result<Option<PaymentId>, ProviderError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Checks that a message is the provider's: by its signature over the raw body, and its age at `now`.
    ///
    /// # Errors
    /// [`WebhookError::BadSignature`] and [`WebhookError::TooOld`].
    fn check_webhook(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), WebhookError>;

    /// Reads a message that [was checked](Self::check_webhook).
    ///
    /// # Errors
    /// [`WebhookError::Malformed`].
    fn read_webhook(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError>;
}

/// What the buyer owes. Of the booking it has the public name alone: no personal data goes to the provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// The payment; the idempotency key.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// By which method.
    pub method: String,
    /// For the buyer's statement: the reference of the booking.
    pub description: String,
    /// When it was written down. A provider asks no money for a request that comes very much later.
    pub asked_at: Timestamp,
    /// The provider's own id of it, once that is known.
    pub reference: Option<String>,
}

impl Charge {
    /// What was asked for by a payment.
    pub(super) fn of(payment: &Payment, description: &str) -> Self {
        Self {
            payment: payment.id,
            amount: payment.amount,
            method: payment.method.as_str().to_owned(),
            description: description.to_owned(),
            asked_at: payment.created_at,
            reference: payment.reference.as_ref().map(|reference| reference.as_str().to_owned()),
        }
    }
}

/// What a provider says of a charge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charged {
    /// Its own id of it.
    pub reference: String,
    /// Where it stands.
    pub status: ChargeStatus,
    /// Where the buyer goes on, while it is processing.
    pub checkout_url: Option<String>,
}

/// Where a charge stands at its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChargeStatus {
    /// Not decided.
    Processing,
    /// This much was captured; it may differ from what was asked.
    Succeeded(Money),
    /// Nothing was captured: `card_declined`, ….
    Failed(String),
    /// Nothing was captured, nor will it be.
    Cancelled,
}

/// Money to send back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefundOrder {
    /// The refund; the idempotency key.
    pub refund: RefundId,
    /// Of which payment.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// The provider's own id of the charge, if it is known.
    pub charge_reference: Option<String>,
}

impl RefundOrder {
    /// What is to be sent back by a refund of this payment.
    pub(super) fn of(refund: &Refund, payment: &Payment) -> Self {
        Self {
            refund: refund.id,
            payment: refund.payment,
            amount: refund.amount,
            charge_reference: payment.reference.as_ref().map(|reference| reference.as_str().to_owned()),
        }
    }
}

/// When: not before `from`, and before `until`, by the clock of whom it is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// The beginning.
    pub from: Timestamp,
    /// The end.
    pub until: Timestamp,
}

/// A page of the books of a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    /// What is ours.
    pub items: Vec<T>,
    /// How many others were among them: somebody else uses the same account.
    pub others: u64,
    /// Where the next page begins; none behind the last.
    pub next: Option<String>,
}

/// A charge in the books of a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedCharge {
    /// Our id.
    pub payment: PaymentId,
    /// Its own.
    pub reference: String,
    /// When it was made there.
    pub made_at: Timestamp,
    /// Where it stands.
    pub status: ChargeStatus,
}

/// A refund in the books of a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRefund {
    /// Our id; none where somebody has sent it on the provider's pages.
    pub refund: Option<RefundId>,
    /// Of which payment of ours, where the provider says so.
    pub payment: Option<PaymentId>,
    /// Its own id.
    pub reference: String,
    /// When it was made there.
    pub made_at: Timestamp,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub state: RefundState,
}

/// Where a refund stands at its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundState {
    /// On its way.
    InTransit,
    /// The buyer has it.
    Done,
    /// The money stayed where it was; a word for why.
    Failed(String),
}

/// One message of a provider; delivered at least once, and in any order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderEvent {
    /// Unique at the provider.
    pub id: String,
    /// What it tells of.
    pub of: ProviderObject,
}

/// What a message of a provider tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProviderObject {
    /// A charge.
    Payment(PaymentId, Charged),
    /// A refund.
    Refund(RefundId, RefundState),
    /// The buyer's bank asks the money back.
    Dispute(ChargeName, Disputed),
    /// Of no kind that concerns us.
    Other(String),
}

/// How a message names a charge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChargeName {
    /// By our id.
    Ours(PaymentId),
    /// By the provider's: [`PaymentProvider::payment_of`] knows ours.
    Theirs(String),
}

/// What a provider says of a dispute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disputed {
    /// Its own id of it.
    pub reference: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// How much the bank asks.
    pub amount: Money,
}

/// Why a provider did not do what was asked. The texts are for logs, and bear neither secrets nor personal data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProviderError {
    /// Nothing is known of the outcome: ask again.
    #[error("the payment provider does not answer")]
    Unreachable,
    /// The request never reached it: no connection came about, or it has not answered for a while and is left alone.
    #[error("the payment provider cannot be asked now")]
    NotAsked,
    /// It will not do this; asking again is of no use. A word for it.
    #[error("the payment provider refuses: {0}")]
    Refused(String),
}

/// Why a message is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not signed, or by somebody else.
    #[error("the signature does not hold")]
    BadSignature,
    /// Signed long ago: perhaps somebody sends it again.
    #[error("the message is too old")]
    TooOld,
    /// Signed, and not to be read.
    #[error("the message cannot be read")]
    Malformed,
}
