//! Tickets on paper: what a sheet says, and the port to who prints it.

use std::error::Error;

use async_trait::async_trait;
use domain::Language;
use domain::admission::CodeText;
use domain::catalog::EventTerms;

use crate::error::AppError;

/// What stands on the sheet of one ticket. The texts are those that people sent: of any script, and not to be believed.
#[derive(Clone, Debug)]
pub struct TicketSheet {
    /// In which language the labels are.
    pub language: Language,
    /// How large it is.
    pub paper: Paper,
    /// The event: its name, its place, and its times, which are told in its zone.
    pub event: EventTerms,
    /// Of which type it is.
    pub ticket_type: String,
    /// Who comes, where the buyer said so.
    pub attendee: Option<String>,
    /// The name of its booking.
    pub reference: String,
    /// Which unit of the booking, from 1.
    pub unit: u32,
    /// Of how many.
    pub units: u32,
    /// What lets in.
    pub code: CodeText,
}

/// How large a sheet is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Paper {
    /// 210 mm by 297 mm (ISO 216), for printers.
    #[default]
    A4,
    /// 90 mm by 160 mm, the shape of a telephone, to be read without zooming.
    Phone,
}

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// Too many wait already.
    #[error("too many documents are being made")]
    Busy,
    /// A defect.
    #[error("a document could not be made")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl From<PrintError> for AppError {
    fn from(error: PrintError) -> Self {
        match error {
            PrintError::Busy => Self::busy(),
            PrintError::Failed(cause) => {
                tracing::error!("A document cannot be printed: {cause}");
                Self::Internal
            }
        }
    }
}

/// Makes documents.
#[async_trait]
pub trait TicketPrinter: Send + Sync {
    /// The sheets, a page each, as a PDF: the same bytes for the same sheets.
    ///
    /// # Errors
    /// [`PrintError`].
    async fn print(&self, sheets: Vec<TicketSheet>) -> Result<Vec<u8>, PrintError>;
}
