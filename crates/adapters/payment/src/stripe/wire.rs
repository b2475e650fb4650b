//! What Stripe answers and sends, as far as it concerns us. Fields that are not named are let be: it adds some at will.

use std::collections::HashMap;

use domain::{PaymentId, RefundId};
use serde::Deserialize;
use uuid::Uuid;

/// Our id of a payment, among the metadata of what belongs to it there.
const PAYMENT: &str = "goticket_payment";
/// Our id of a refund, in the same way.
const REFUND: &str = "goticket_refund";

type Metadata = HashMap<String, String>;

/// An object, or its id alone where nobody has asked for it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Linked<T> {
    Id(String),
    Whole(Box<T>),
}

/// A page on which a buyer pays once: <https://docs.stripe.com/api/checkout/sessions/object>.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) payment_status: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) url: Option<String>,
    pub(super) payment_intent: Option<Linked<Intent>>,
}

impl Session {
    /// Whose it is; `None`: not of ours.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        self.client_reference_id.as_deref()?.parse::<Uuid>().ok().map(PaymentId::new)
    }
}

/// Money that is asked of a buyer: <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount_received: Option<i64>,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) last_payment_error: Option<ErrorWord>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub(super) created: i64,
}

impl Intent {
    pub(super) fn payment(&self) -> Option<PaymentId> {
        named(&self.metadata, PAYMENT).map(PaymentId::new)
    }
}

/// Money that was taken: <https://docs.stripe.com/api/charges/object>. It bears the metadata of its intent.
#[derive(Debug, Deserialize)]
pub(super) struct ChargeObject {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

impl ChargeObject {
    pub(super) fn payment(&self) -> Option<PaymentId> {
        named(&self.metadata, PAYMENT).map(PaymentId::new)
    }
}

/// Money that goes back: <https://docs.stripe.com/api/refunds/object>.
#[derive(Debug, Deserialize)]
pub(super) struct RefundObject {
    #[serde(default)]
    pub(super) id: String,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub(super) created: i64,
    pub(super) payment_intent: Option<Linked<Intent>>,
    pub(super) status: Option<String>,
    pub(super) failure_reason: Option<String>,
    // Null in some old shapes.
    pub(super) metadata: Option<Metadata>,
}

impl RefundObject {
    pub(super) fn refund(&self) -> Option<RefundId> {
        named(self.metadata.as_ref()?, REFUND).map(RefundId::new)
    }
}

/// A buyer's bank asks money back: <https://docs.stripe.com/api/disputes/object>.
#[derive(Debug, Deserialize)]
pub(super) struct DisputeObject {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) charge: String,
    pub(super) payment_intent: Option<String>,
    /// What the dispute has moved on the account; none, or what was taken, or that and what was given back.
    pub(super) balance_transactions: Option<Vec<BalanceTransaction>>,
}

impl DisputeObject {
    /// What is gone for it, in the currency of the account.
    pub(super) fn withdrawn(&self) -> i64 {
        let moved = self.balance_transactions.iter().flatten();
        moved.fold(0_i64, |sum, moved| sum.saturating_sub(moved.amount))
    }
}

/// Money that moved on the account: <https://docs.stripe.com/api/balance_transactions/object>.
#[derive(Debug, Deserialize)]
pub(super) struct BalanceTransaction {
    /// Negative: it was taken.
    pub(super) amount: i64,
}

/// A page of a list, newest first.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// Every refusal: <https://docs.stripe.com/api/errors>.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorWord,
}

/// Why.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorWord {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
}

impl ErrorWord {
    /// The most exact of its words. The message of it is for people, and may name them.
    pub(super) fn word(&self) -> String {
        let words = [&self.decline_code, &self.code, &self.kind];
        words.into_iter().flatten().next().cloned().unwrap_or_else(|| "failed".to_owned())
    }
}

/// A message: <https://docs.stripe.com/api/events/object>.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: EventData,
}

/// What it tells of, as it stood then.
#[derive(Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) object: serde_json::Value,
}

fn named(metadata: &Metadata, word: &str) -> Option<Uuid> {
    metadata.get(word)?.parse().ok()
}
