//! Payments: money that is asked of buyers, and given back.

mod ports;

pub use ports::{
    Charge, ChargeStatus, Charged, DisputeState, PaymentProvider, ProviderError, ProviderEvent, ProviderObject,
    RefundOrder, RefundState, WebhookError,
};
