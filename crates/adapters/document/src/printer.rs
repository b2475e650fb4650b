//! Makes documents on threads for blocking work, a few at a time and behind a line that ends: who prints must not take the
//! processor from who buys.

use std::sync::Arc;

use application::admission::{PrintError, TicketPrinter, TicketSheet};
use application::invoicing::{InvoicePrinter, InvoiceSheet};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::font::Typeface;
use crate::invoice;
use crate::sheet::{self, SheetError};

/// How many documents are made at a time, and how many more wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrinterLimits {
    /// At a time; at least 1.
    pub running: usize,
    /// Besides those.
    pub waiting: usize,
}

impl Default for PrinterLimits {
    /// Half of the cores, at least one, and about a second of work for each.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let running = (cores / 2).max(1);
        Self { running, waiting: running * 128 }
    }
}

/// The font cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the font of documents cannot be read")]
pub struct SetupError;

/// Prints tickets and invoices as PDF.
pub struct PdfPrinter {
    typeface: Arc<Typeface>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl PdfPrinter {
    /// With these limits.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn try_new(limits: PrinterLimits) -> Result<Self, SetupError> {
        let running = limits.running.max(1);
        Ok(Self {
            typeface: Arc::new(Typeface::load().ok_or(SetupError)?),
            turns: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(running + limits.waiting)),
        })
    }
}

#[async_trait]
impl TicketPrinter for PdfPrinter {
    async fn print(&self, sheets: Vec<TicketSheet>) -> Result<Vec<u8>, PrintError> {
        self.in_turn(move |typeface| sheet::print(&sheets, typeface)).await
    }
}

#[async_trait]
impl InvoicePrinter for PdfPrinter {
    async fn print_invoice(&self, sheet: InvoiceSheet) -> Result<Vec<u8>, PrintError> {
        self.in_turn(move |typeface| invoice::print(&sheet, typeface)).await
    }
}

impl PdfPrinter {
    /// Makes a document when its turn has come.
    async fn in_turn(
        &self,
        make: impl FnOnce(&Typeface) -> Result<Vec<u8>, SheetError> + Send + 'static,
    ) -> Result<Vec<u8>, PrintError> {
        let failed = |error| PrintError::Failed(Box::new(error));
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PrintError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| PrintError::Failed(error.into()))?;
        let typeface = Arc::clone(&self.typeface);
        // It keeps turn and place until it is done, even if nobody waits for it any more.
        let task = tokio::task::spawn_blocking(move || {
            let document = make(&typeface);
            drop((turn, place));
            document
        });
        task.await.map_err(|error| PrintError::Failed(error.into()))?.map_err(failed)
    }
}
