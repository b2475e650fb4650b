//! The way out, and what goes with a mail.

use async_trait::async_trait;
use domain::Language;

use crate::error::AppError;
use crate::mail::{Enclosed, Mail};

/// Puts mails into words and hands them over: to an SMTP server, or to whatever stands in its place.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over with its enclosures, within a bounded time. A second time sends it a second time, under the
    /// same `Message-ID`.
    ///
    /// # Errors
    /// [`DeliveryError`]; it is not known whether the mail was sent if the connection broke.
    async fn deliver(&self, mail: &Mail, enclosures: Vec<Enclosure>) -> Result<(), DeliveryError>;
}

/// A file that goes with a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Enclosure {
    /// Its name, of ASCII letters, digits, `.` and `-`.
    pub name: String,
    /// Its type (RFC 6838), with its parameters.
    pub media_type: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Makes what goes with mails.
#[async_trait]
pub trait Enclosures: Send + Sync {
    /// What is enclosed, as it is at this moment; none where it is worth nothing any more, and the mail with it.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] where it can be made later.
    async fn enclosures(&self, of: Enclosed, language: Language) -> Result<Option<Vec<Enclosure>>, AppError>;
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
