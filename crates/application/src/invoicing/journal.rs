//! What the journals say of documents and of who writes them. No names: these stand in the documents alone.

use domain::OrganizerId;
use domain::invoicing::{Invoice, InvoiceKind, Seller};
use serde_json::{Value, json};

use crate::journal::{AuditRow, Deed, OutboxRow, Scribe};

impl Scribe<'_> {
    /// A document was written.
    pub(super) fn invoice(&self, invoice: &Invoice) -> (OutboxRow, AuditRow) {
        let id = invoice.id.uuid();
        let mut state = json!({
            "invoiceId": id,
            "number": invoice.number.to_string(),
            "bookingId": invoice.booking.uuid(),
            "net": invoice.sums.net,
            "tax": invoice.sums.tax,
            "gross": invoice.sums.gross,
            "currency": invoice.currency.code(),
        });
        let (kind, action) = match invoice.kind {
            InvoiceKind::Invoice => ("goticket.invoice.issued.v1", "invoice.issued"),
            InvoiceKind::CreditNote(of) => {
                state["correctsInvoiceId"] = json!(of.uuid());
                ("goticket.credit_note.issued.v1", "credit_note.issued")
            }
        };
        let deed = Deed { organizer: Some(invoice.organizer), action, object_kind: "invoice", object: id };
        let line = self.line(deed, None, Some(state.to_string()));
        state["organizerId"] = json!(invoice.organizer.uuid());
        (self.message(id, 1, kind, state.to_string()), line)
    }

    /// An organizer writes invoices from now on, or with other particulars; `sequence` counts his messages.
    pub(super) fn seller(&self, before: Option<&Seller>, after: &Seller, sequence: u32) -> (OutboxRow, AuditRow) {
        let organizer: OrganizerId = after.organizer;
        let data = json!({ "organizerId": organizer.uuid(), "version": after.version }).to_string();
        let message = self.message(organizer.uuid(), sequence, "goticket.organizer.invoicing_changed.v1", data);
        let deed = Deed {
            organizer: Some(organizer),
            action: "organizer.invoicing_changed",
            object_kind: "organizer",
            object: organizer.uuid(),
        };
        let state = |seller: &Seller| state(seller).to_string();
        (message, self.line(deed, before.map(state), Some(state(after))))
    }
}

fn state(seller: &Seller) -> Value {
    let terms = &seller.terms;
    json!({
        "version": seller.version,
        "name": terms.name.as_str(),
        "address": terms.address.as_str(),
        "country": terms.country.as_str(),
        "taxId": terms.tax_id.as_ref().map(|id| id.as_str()),
        "series": terms.series.as_str(),
        "creditNoteSeries": terms.credit_series.as_str(),
        "timezone": terms.timezone.name(),
    })
}
