//! Documents on paper: what a sheet says, and the port to who prints it.

use async_trait::async_trait;
use domain::Language;
use domain::invoicing::{Invoice, InvoiceNumber, SellerTerms};

use crate::admission::PrintError;

/// What stands on the sheet of a document. Names are those that people sent: of any script, and not to be believed.
#[derive(Clone, Debug)]
pub struct InvoiceSheet {
    /// In which language the labels are.
    pub language: Language,
    /// The document.
    pub invoice: Invoice,
    /// Who has written it.
    pub seller: SellerTerms,
    /// Of a credit note, what its invoice is called.
    pub corrects: Option<InvoiceNumber>,
}

/// Makes documents.
#[async_trait]
pub trait InvoicePrinter: Send + Sync {
    /// The sheet as a PDF, of as many pages as it needs: the same bytes for the same sheet.
    ///
    /// # Errors
    /// [`PrintError`].
    async fn print_invoice(&self, sheet: InvoiceSheet) -> Result<Vec<u8>, PrintError>;
}
