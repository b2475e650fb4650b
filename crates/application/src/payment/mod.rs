//! Payments: money that is asked of buyers, and given back (ADR 0027).
//!
//! A payment is a saga over two commits and a call: the desk writes it down (`StartPayment`), its provider is asked outside
//! of any transaction, and the desk takes note of what it says (`ApplyReport`). Whatever is lost on the way, the rows say
//! where it stands, and the jobs go on from there. Only the lane of the event changes payments.
//!
//! | question | file |
//! |---|---|
//! | pay, refund, see what was paid | `payments` |
//! | what does a cancelled event cost, and how far is it? | `cancellation` |
//! | a provider sends a message | `webhook`, and before that `inbox` |
//! | who goes on where something broke off | `jobs` |
//! | do the provider's books tell the same? | `reconcile` |

mod cancellation;
mod inbox;
mod jobs;
mod payments;
mod ports;
mod reconcile;
mod snapshot;
mod store;
mod webhook;

pub use cancellation::{Cancellation, CancellationState, EventFigures, RefundFigures};
pub use inbox::{MessageBatch, MessageLog, ProviderMessage};
pub use jobs::{PollPayments, RetryEvents, SendRefunds};
pub use payments::{CaseKind, PaidBooking, PaymentCase, PaymentPorts, Payments, Providers, Started};
pub use ports::{
    Charge, ChargeName, ChargeStatus, Charged, Disputed, Listed, ListedCharge, ListedRefund, PaymentProvider, Period,
    ProviderError, ProviderEvent, ProviderObject, RefundOrder, RefundState, WebhookError,
};
pub use reconcile::{Difference, DifferenceKind, Reconcile, ReconcileError, Reconciled, Side, Tell};
pub(crate) use snapshot::{read_refunds, read_started, refunds, started};
pub use store::{CaseTerms, PaymentStore, ProviderEventKey};
