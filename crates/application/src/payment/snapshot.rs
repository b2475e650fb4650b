//! What an idempotency key keeps of a request about money: the names of what it made. Who asks again gets that as it is
//! then, since money moves on behind the answer.

use domain::payment::{Payment, Refund};
use domain::{PaymentId, RefundId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    v: u8,
    ids: Vec<Uuid>,
}

/// The snapshot of a payment that was started.
pub(crate) fn started(payment: &Payment) -> String {
    kept(vec![payment.id.uuid()])
}

/// The snapshot of refunds that were requested.
pub(crate) fn refunds(refunds: &[Refund]) -> String {
    kept(refunds.iter().map(|refund| refund.id.uuid()).collect())
}

/// The payment of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_started(snapshot: &str) -> Result<PaymentId, AppError> {
    read(snapshot)?.first().copied().map(PaymentId::new).ok_or(AppError::Internal)
}

/// The refunds of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(crate) fn read_refunds(snapshot: &str) -> Result<Vec<RefundId>, AppError> {
    Ok(read(snapshot)?.into_iter().map(RefundId::new).collect())
}

fn kept(ids: Vec<Uuid>) -> String {
    // A struct of a number and ids, whose serialisation cannot fail.
    serde_json::to_string(&Kept { v: VERSION, ids }).unwrap_or_default()
}

fn read(snapshot: &str) -> Result<Vec<Uuid>, AppError> {
    match serde_json::from_str::<Kept>(snapshot) {
        Ok(Kept { v: VERSION, ids }) => Ok(ids),
        _ => {
            tracing::error!("A kept answer about money cannot be read");
            Err(AppError::Internal)
        }
    }
}
