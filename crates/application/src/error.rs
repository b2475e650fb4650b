//! What a use case answers when it does not answer with success.

use std::time::Duration;

use domain::booking::Refusal;
use domain::{FieldProblem, Problems};

use crate::guard::TooMany;
use crate::store::StoreError;

/// The closed list of what can go wrong, as every transport maps it in one exhaustive `match`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// Nobody knows who asks.
    Unauthenticated,
    /// He is known, and may not.
    Forbidden,
    /// It does not exist, or the caller may not know that it does.
    NotFound,
    /// The state of things forbids it.
    Conflict,
    /// The caller has seen an older version than the present one.
    PreconditionFailed,
    /// The caller asks too often.
    RateLimited,
    /// Too much at the moment, or a dependency is away; the same request may succeed later.
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// The error of every use case: a [`Kind`] for transports, a stable [`code`](AppError::code) for programs, and a
/// sentence for people ([`Display`](std::fmt::Display)), which never tells anything internal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppError {
    /// Values that do not hold; code `validation_failed`.
    #[error("the request has values that are not valid")]
    Validation(Problems),
    /// No, wrong or ended credentials; code `unauthenticated`.
    #[error("sign in first")]
    Unauthenticated,
    /// E-mail and password do not belong together, or nobody has this address: told alike on purpose.
    #[error("the e-mail address or the password is wrong")]
    BadCredentials,
    /// Known, but not allowed; code `forbidden`.
    #[error("you are not allowed to do this")]
    Forbidden,
    /// Known, and allowed once he has a second factor; code `forbidden`.
    #[error(
        "set up a second factor first (POST /api/v1/users/me/second-factor), then refresh the session or sign in anew"
    )]
    SecondFactorOwed,
    /// Code `not_found`.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Something unique is there already; code `already_exists`.
    #[error("{0}")]
    AlreadyExists(&'static str),
    /// The state of a thing forbids it; code `invalid_state`.
    #[error("{0}")]
    InvalidState(String),
    /// `If-Match` names another version than the present one; code `precondition_failed`.
    #[error("it was changed meanwhile: the present version is {current}")]
    PreconditionFailed {
        /// The version that it has now.
        current: u64,
    },
    /// A decision of the booking context against the request.
    #[error("{0}")]
    Refused(Refusal),
    /// The idempotency key was used with another request; code `idempotency_conflict`.
    #[error("this idempotency key was used for another request")]
    IdempotencyConflict,
    /// The first request with this idempotency key still runs; code `request_in_progress`.
    #[error("the first request with this idempotency key is still running")]
    RequestInProgress,
    /// He asks too often; code `rate_limited`.
    #[error("too many requests, try again later")]
    RateLimited(TooMany),
    /// Too much to do, or a dependency is away; code `unavailable`.
    #[error("too busy at the moment, try again shortly")]
    Unavailable {
        /// After this time it makes sense to try again.
        retry_after: Duration,
    },
    /// A defect; code `internal`. The cause was logged where it was met, under the correlation id.
    #[error("an internal error happened")]
    Internal,
}

impl AppError {
    /// Busy, with the shortest pause that HTTP can name.
    #[must_use]
    pub const fn busy() -> Self {
        Self::Unavailable { retry_after: Duration::from_secs(1) }
    }

    /// The kind, by which a transport picks its status.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Validation(_) | Self::IdempotencyConflict => Kind::Invalid,
            Self::Unauthenticated | Self::BadCredentials => Kind::Unauthenticated,
            Self::Forbidden | Self::SecondFactorOwed => Kind::Forbidden,
            Self::NotFound(_) => Kind::NotFound,
            Self::AlreadyExists(_) | Self::InvalidState(_) | Self::RequestInProgress => Kind::Conflict,
            Self::PreconditionFailed { .. } => Kind::PreconditionFailed,
            Self::RateLimited(_) => Kind::RateLimited,
            Self::Unavailable { .. } => Kind::Unavailable,
            Self::Internal => Kind::Internal,
            Self::Refused(refusal) => match refusal {
                Refusal::Invalid(_) | Refusal::SalesClosed(_) | Refusal::LimitExceeded { .. } => Kind::Invalid,
                Refusal::NotFound(_) => Kind::NotFound,
                Refusal::SoldOut { .. }
                | Refusal::PriceChanged { .. }
                | Refusal::BookingExpired
                | Refusal::InvalidState(_)
                | Refusal::CapacityInUse { .. } => Kind::Conflict,
                Refusal::VersionMismatch { .. } => Kind::PreconditionFailed,
            },
        }
    }

    /// The stable word for programs: part of the contract, it never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "validation_failed",
            Self::Unauthenticated | Self::BadCredentials => "unauthenticated",
            Self::Forbidden | Self::SecondFactorOwed => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::AlreadyExists(_) => "already_exists",
            Self::InvalidState(_) => "invalid_state",
            Self::PreconditionFailed { .. } => "precondition_failed",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::RequestInProgress => "request_in_progress",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal => "internal",
            Self::Refused(refusal) => match refusal {
                Refusal::Invalid(_) => "validation_failed",
                Refusal::SalesClosed(_) => "sales_closed",
                Refusal::LimitExceeded { .. } => "limit_exceeded",
                Refusal::NotFound(_) => "not_found",
                Refusal::SoldOut { .. } => "sold_out",
                Refusal::PriceChanged { .. } => "price_changed",
                Refusal::BookingExpired => "booking_expired",
                Refusal::InvalidState(_) | Refusal::CapacityInUse { .. } => "invalid_state",
                Refusal::VersionMismatch { .. } => "precondition_failed",
            },
        }
    }

    /// The fields that are wrong, where that is what is wrong.
    #[must_use]
    pub fn fields(&self) -> &[FieldProblem] {
        match self {
            Self::Validation(problems) | Self::Refused(Refusal::Invalid(problems)) => problems.as_slice(),
            _ => &[],
        }
    }
}

impl From<TooMany> for AppError {
    fn from(limit: TooMany) -> Self {
        Self::RateLimited(limit)
    }
}

impl From<Problems> for AppError {
    fn from(problems: Problems) -> Self {
        Self::Validation(problems)
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for AppError {
    /// Logs the cause once, here, where it ends: a client never reads it.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause = %chain(&*cause), "The database did not answer");
                Self::busy()
            }
            StoreError::Conflict(constraint) => {
                tracing::warn!(constraint, "A constraint of the database refused a change that no rule had refused");
                Self::busy()
            }
            StoreError::Defect(cause) => {
                tracing::error!(cause = %chain(&*cause), "The database refused what should have been right");
                Self::Internal
            }
        }
    }
}

impl AppError {
    /// The error of a read that several callers have waited for. Logs the cause, as the conversion of one's own does.
    pub(crate) fn shared(error: &StoreError) -> Self {
        tracing::warn!(cause = %chain(error), "A read that several have waited for failed");
        match error {
            StoreError::Unavailable(_) | StoreError::Conflict(_) => Self::busy(),
            StoreError::Defect(_) => Self::Internal,
        }
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}
