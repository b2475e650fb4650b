//! The way out.

use async_trait::async_trait;

use crate::mail::Mail;

/// Puts mails into words and hands them over: to an SMTP server, or to whatever stands in its place.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over, within a bounded time. A second time sends it a second time, under the same `Message-ID`.
    ///
    /// # Errors
    /// [`DeliveryError`]; it is not known whether the mail was sent if the connection broke.
    async fn deliver(&self, mail: &Mail) -> Result<(), DeliveryError>;
}

/// Why a mail was not handed over. The texts bear neither addresses nor anything that the mail says: they are logged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It may succeed later: the server is away, busy, or set up wrongly.
    #[error("{0}")]
    Temporary(String),
    /// The server will not take this mail, now or later.
    #[error("{0}")]
    Refused(String),
}
