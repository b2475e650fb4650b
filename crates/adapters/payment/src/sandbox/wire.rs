//! What goes over the wire between the sandbox and who calls it, and into its journal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `POST /v1/charges`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChargeRequest {
    /// The caller's own; a repeated request has one effect.
    pub(crate) id: Uuid,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) method: String,
    pub(crate) description: String,
}

/// A charge as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChargeBody {
    /// The caller's id of it.
    pub(crate) id: Uuid,
    /// The sandbox's own.
    pub(crate) reference: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) method: String,
    pub(crate) description: String,
    pub(crate) status: ChargeWord,
    /// Minor units that were taken, once it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) captured: Option<i64>,
    /// Minor units that were sent back.
    #[serde(default)]
    pub(crate) refunded: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure_code: Option<String>,
    /// Where the buyer decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkout_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dispute: Option<DisputeWord>,
    /// When it was made, in microseconds since 1970; 0 in books of long ago.
    #[serde(default)]
    pub(crate) created_at: i64,
}

/// `GET /v1/charges` and `GET /v1/refunds`: which of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRequest {
    /// Not before then, in microseconds since 1970.
    pub(crate) from: i64,
    /// Before then.
    pub(crate) until: i64,
    /// Behind what was made then ...
    pub(crate) after: Option<i64>,
    /// ... with this id.
    pub(crate) id: Option<Uuid>,
}

/// A page of a list, in the order in which they were made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListBody<T> {
    pub(crate) items: Vec<T>,
    /// Whether there are others behind the last one.
    pub(crate) has_more: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChargeWord {
    Processing,
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeWord {
    Opened,
    Won,
    Lost,
}

/// `POST /v1/refunds`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundRequest {
    /// The caller's own; a repeated request has one effect.
    pub(crate) id: Uuid,
    /// The caller's id of the charge.
    pub(crate) charge: Uuid,
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// A refund as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundBody {
    pub(crate) id: Uuid,
    pub(crate) charge: Uuid,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: RefundWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure_code: Option<String>,
    /// When it was made, in microseconds since 1970; 0 in books of long ago.
    #[serde(default)]
    pub(crate) created_at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundWord {
    InTransit,
    Done,
    Failed,
}

/// A message: one of its objects as it stood when the message was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct EventBody {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) charge: Option<ChargeBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refund: Option<RefundBody>,
}

/// Every refusal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// A word that programs go by.
    pub(crate) code: String,
}

/// `POST /v1/charges/{id}/settle`: what becomes of a charge that is processing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Settlement {
    /// So many minor units are taken; as many as were asked for where none is named.
    Captured(Option<i64>),
    /// Nothing is, for this reason.
    Failed(String),
}

/// `POST /v1/charges/{id}/dispute`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputeRequest {
    pub(crate) state: DisputeWord,
}
