//! Invoices and credit notes, and who writes them.

use application::invoicing::{InvoiceFilter, WrittenInvoice};
use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::invoicing::{
    Invoice, InvoiceKind, InvoiceLine, InvoiceNumber, InvoiceTaxes, NewSeller, Recipient, Seller, SellerTerms, Sums,
    taxes,
};
use domain::pricing::Rate;
use domain::{BookingId, InvoiceId, OrganizerId, Problems};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::document::{File, NOT_KEPT};
use crate::extract::client::Client;
use crate::extract::{Acting, Ids, Json, Params};
use crate::page::{self, Cursor, List, Page};
use crate::problem::Problem;
use crate::reads;
use crate::state::AppState;
use crate::time;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(get_invoicing, set_invoicing))
        .routes(routes!(list_invoices))
        .routes(routes!(list_invoices_of_booking))
        .routes(routes!(get_invoice))
        .routes(routes!(print_invoice))
}

const PAPER: File = File { media_type: "application/pdf", disposition: "inline; filename=\"invoice.pdf\"" };

/// Who sells, in the eyes of the law, and how his documents are called.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invoicing)]
pub(crate) struct InvoicingBody {
    #[serde(flatten)]
    seller: SellerBody,
    /// What the numbers of invoices begin with.
    #[schema(pattern = "^[A-Z0-9]+(-[A-Z0-9]+)*$", max_length = 20, example = "FV")]
    series: String,
    /// What those of credit notes begin with.
    #[schema(pattern = "^[A-Z0-9]+(-[A-Z0-9]+)*$", example = "FV-CN")]
    credit_note_series: String,
    /// By whose clocks a document is of a day, and of a year.
    #[schema(example = "Europe/Warsaw")]
    timezone: String,
    /// Counts the changes from 1. Documents keep the particulars that held when they were written.
    #[schema(minimum = 1, example = 1)]
    version: u32,
    /// Since when these particulars hold.
    since: DateTime<Utc>,
}

/// Who sells, as it stands on documents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Seller)]
pub(crate) struct SellerBody {
    /// The name by law.
    #[schema(example = "Klub Stodoła sp. z o.o.")]
    name: String,
    /// Where he is, line by line.
    #[schema(example = json!(["ul. Batorego 10", "02-670 Warszawa"]))]
    address_lines: Vec<String>,
    /// ISO 3166-1, two letters.
    #[schema(pattern = "^[A-Z]{2}$", example = "PL")]
    country: String,
    /// By what the tax office knows him; null where he has not said.
    #[schema(required, example = "PL5212345678")]
    tax_id: Option<String>,
}

impl From<&SellerTerms> for SellerBody {
    fn from(terms: &SellerTerms) -> Self {
        Self {
            name: terms.name.as_str().to_owned(),
            address_lines: terms.address.as_str().lines().map(str::to_owned).collect(),
            country: terms.country.as_str().to_owned(),
            tax_id: terms.tax_id.as_ref().map(|id| id.as_str().to_owned()),
        }
    }
}

impl From<Seller> for InvoicingBody {
    fn from(seller: Seller) -> Self {
        let terms = &seller.terms;
        Self {
            seller: terms.into(),
            series: terms.series.to_string(),
            credit_note_series: terms.credit_series.to_string(),
            timezone: terms.timezone.name().to_owned(),
            version: seller.version,
            since: seller.created_at,
        }
    }
}

/// Who sells, in the eyes of the law, and how his documents are to be called.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SetInvoicing)]
pub(crate) struct SetInvoicingBody {
    /// The name by law.
    #[schema(min_length = 1, max_length = 200, example = "Klub Stodoła sp. z o.o.")]
    name: String,
    /// Where he is, line by line: at most six, of a hundred characters each.
    #[schema(min_items = 1, max_items = 6, example = json!(["ul. Batorego 10", "02-670 Warszawa"]))]
    address_lines: Vec<String>,
    /// ISO 3166-1, two letters.
    #[schema(pattern = "^[A-Za-z]{2}$", example = "PL")]
    country: String,
    /// By what the tax office knows him.
    #[schema(max_length = 40, example = "PL5212345678")]
    tax_id: Option<String>,
    /// What the numbers of invoices begin with: letters, digits, and hyphens between them.
    #[schema(min_length = 1, max_length = 20, example = "FV")]
    series: String,
    /// What those of credit notes begin with; `series` with `-CN` behind it, where it is left out.
    #[schema(max_length = 23, example = "FV-CN")]
    credit_note_series: Option<String>,
    /// By whose clocks a document is of a day, and of a year; UTC where it is left out.
    #[schema(example = "Europe/Warsaw")]
    timezone: Option<String>,
}

impl From<SetInvoicingBody> for NewSeller {
    fn from(body: SetInvoicingBody) -> Self {
        let SetInvoicingBody { name, address_lines, country, tax_id, series, credit_note_series, timezone } = body;
        Self { name, address_lines, country, tax_id, series, credit_series: credit_note_series, timezone }
    }
}

/// Shows by which particulars an organizer writes invoices
///
/// For its members who see its books. 404 where it writes none.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/invoicing", operation_id = "getInvoicing", tag = "Invoices",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    responses((status = 200, description = "The particulars that hold.", body = InvoicingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_invoicing(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<InvoicingBody>, Problem> {
    let Ids([organizer]) = ids;
    Ok(Answer(state.invoicing().seller(&acting.agent, OrganizerId::new(organizer)).await?.into()))
}

/// Lets an organizer write invoices
///
/// For its owners. Bookings that are confirmed from then on, and cost something, get an invoice within seconds, and a credit
/// note when they cost less in the end. Other particulars hold for documents from then on; what was written keeps its own. The
/// same again changes nothing. There is no way back.
#[utoipa::path(
    put, path = "/organizers/{organizerId}/invoicing", operation_id = "setInvoicing", tag = "Invoices",
    params(("organizerId" = Uuid, Path, description = "The organizer.")),
    request_body = SetInvoicingBody,
    responses((status = 200, description = "The particulars that hold now.", body = InvoicingBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn set_invoicing(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(body): Json<SetInvoicingBody>,
) -> Result<Answer<InvoicingBody>, Problem> {
    let Ids([organizer]) = ids;
    let Acting { agent, origin } = acting;
    let set = state.invoicing().set_seller(&agent, OrganizerId::new(organizer), &body.into(), &origin).await?;
    Ok(Answer(set.into()))
}

/// An invoice or a credit note. Written once, it never changes. All amounts are in the minor unit of the currency, and those
/// of a credit note are what goes back, above 0 like any.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invoice)]
pub(crate) struct InvoiceBody {
    /// Its id.
    id: Uuid,
    /// Which of both.
    kind: InvoiceKindBody,
    /// What it is called: without gaps for each series and year.
    #[schema(example = "FV-2030-17")]
    number: String,
    /// Of a credit note, the invoice of which it takes back; of an invoice, not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    corrects_invoice_id: Option<Uuid>,
    /// Its booking.
    booking_id: Uuid,
    /// The name of the booking.
    #[schema(example = "K7P3X9")]
    reference: String,
    /// Its event.
    event_id: Uuid,
    /// The name of the event when the document was written.
    #[schema(example = "Gala")]
    event_name: String,
    /// To whom, as far as he was known.
    recipient: RecipientBody,
    /// Who has written it; in lists it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    seller: Option<SellerBody>,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// Line by line.
    lines: Vec<InvoiceLineBody>,
    /// The sums of the lines, by rates.
    taxes: Vec<InvoiceTaxBody>,
    /// Without tax.
    #[schema(example = 4065)]
    net: i64,
    /// Tax.
    #[schema(example = 935)]
    tax: i64,
    /// With tax.
    #[schema(example = 5000)]
    gross: i64,
    /// When it was written.
    issued_at: DateTime<Utc>,
    /// Where it is as a PDF.
    #[schema(example = "/api/v1/invoices/0198c0de-0000-7000-8000-000000000001/invoice.pdf")]
    pdf: String,
}

/// Which document it is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = InvoiceKind)]
pub(crate) enum InvoiceKindBody {
    /// What a booking costs.
    Invoice,
    /// What of that is owed no more.
    CreditNote,
}

/// To whom a document is written.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceRecipient)]
pub(crate) struct RecipientBody {
    /// His name.
    #[schema(required, example = "Ana Kowalska")]
    name: Option<String>,
    /// His address.
    #[schema(required, format = Email, example = "ana@example.com")]
    email: Option<String>,
}

/// A line of a document: `net + tax = gross`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvoiceLine)]
pub(crate) struct InvoiceLineBody {
    /// What for.
    #[schema(example = "Standing")]
    name: String,
    /// How many.
    #[schema(minimum = 1, example = 2)]
    quantity: u32,
    /// Price of one, before discounts; with its tax where prices contain it.
    #[schema(minimum = 0, example = 2500)]
    unit_price: i64,
    /// What is taken off all of them together.
    #[schema(minimum = 0, example = 0)]
    discount: i64,
    /// Its tax in millionths: 230000 is 23 %; null where none is reckoned.
    #[schema(required, minimum = 0, maximum = 1000000, example = 230000)]
    tax_rate: Option<u32>,
    /// Without tax.
    #[schema(minimum = 0, example = 4065)]
    net: i64,
    /// Tax.
    #[schema(minimum = 0, example = 935)]
    tax: i64,
    /// With tax.
    #[schema(minimum = 0, example = 5000)]
    gross: i64,
}

/// What the lines of one rate make.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvoiceTax)]
pub(crate) struct InvoiceTaxBody {
    /// In millionths; null where none is reckoned.
    #[schema(required, minimum = 0, maximum = 1000000, example = 230000)]
    tax_rate: Option<u32>,
    /// Without tax.
    #[schema(example = 4065)]
    net: i64,
    /// Tax.
    #[schema(example = 935)]
    tax: i64,
    /// With tax.
    #[schema(example = 5000)]
    gross: i64,
}

impl From<InvoiceLine> for InvoiceLineBody {
    fn from(line: InvoiceLine) -> Self {
        let Sums { net, tax, gross } = line.sums;
        Self {
            name: line.name.as_str().to_owned(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax_rate: line.tax_rate.map(Rate::millionths),
            net,
            tax,
            gross,
        }
    }
}

fn tax_bodies(taxes: InvoiceTaxes) -> Vec<InvoiceTaxBody> {
    let body = |(rate, Sums { net, tax, gross }): (Option<Rate>, Sums)| {
        let tax_rate = rate.map(Rate::millionths);
        InvoiceTaxBody { tax_rate, net, tax, gross }
    };
    taxes.into_iter().map(body).collect()
}

impl From<Recipient> for RecipientBody {
    fn from(recipient: Recipient) -> Self {
        Self {
            name: recipient.name.map(|name| name.as_str().to_owned()),
            email: recipient.email.map(|email| email.as_str().to_owned()),
        }
    }
}

impl From<Invoice> for InvoiceBody {
    fn from(invoice: Invoice) -> Self {
        let id = invoice.id.uuid();
        let Sums { net, tax, gross } = invoice.sums;
        let (kind, corrects_invoice_id) = match invoice.kind {
            InvoiceKind::Invoice => (InvoiceKindBody::Invoice, None),
            InvoiceKind::CreditNote(of) => (InvoiceKindBody::CreditNote, Some(of.uuid())),
        };
        Self {
            id,
            kind,
            number: invoice.number.to_string(),
            corrects_invoice_id,
            booking_id: invoice.booking.uuid(),
            reference: invoice.reference.to_string(),
            event_id: invoice.event.uuid(),
            event_name: invoice.billed.name.as_str().to_owned(),
            recipient: invoice.recipient.into(),
            seller: None,
            currency: invoice.currency.code().to_owned(),
            // The whole fits, and so do its parts.
            taxes: tax_bodies(taxes(&invoice.lines).unwrap_or_default()),
            lines: invoice.lines.into_iter().map(Into::into).collect(),
            net,
            tax,
            gross,
            issued_at: invoice.issued_at,
            pdf: format!("/api/v1/invoices/{id}/invoice.pdf"),
        }
    }
}

impl From<WrittenInvoice> for InvoiceBody {
    fn from(written: WrittenInvoice) -> Self {
        Self { seller: Some((&written.seller).into()), ..written.invoice.into() }
    }
}

/// Which page of which documents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvoicesQuery {
    /// The one that is called so.
    #[param(example = "FV-2030-17")]
    number: Option<String>,
    /// Written at this time or later.
    #[serde(default, deserialize_with = "time::optional")]
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<DateTime<Utc>>,
    /// Written before this time.
    #[serde(default, deserialize_with = "time::optional")]
    #[param(value_type = Option<DateTime<Utc>>)]
    to: Option<DateTime<Utc>>,
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the invoices and credit notes of an organizer
///
/// Newest first. For its members who see its books.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/invoices", operation_id = "listInvoices", tag = "Invoices",
    params(("organizerId" = Uuid, Path, description = "The organizer."), InvoicesQuery),
    responses((status = 200, description = "One page of documents.", body = Page<InvoiceBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_invoices(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<InvoicesQuery>,
) -> Result<Response, Problem> {
    let Ids([organizer]) = ids;
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(|text| Cursor::decode(List::Invoices, text)).transpose()?;
    let before = cursor.map(|cursor| InvoiceId::new(cursor.id));
    let number = query.number.as_deref().map(number).transpose()?;
    let filter = InvoiceFilter { number, from: query.from, until: query.to };
    let id = OrganizerId::new(organizer);
    let found = state.invoicing().list(&acting.agent, id, &filter, before, limit).await?;
    if !found.items.is_empty() {
        reads::note(&state, &acting.origin, Some(id), ("invoices.listed", "organizer", organizer));
    }
    let behind = |last: &Invoice| Cursor::behind(List::Invoices, last.id.uuid());
    Ok((NOT_KEPT, Answer(Page::of(found, behind, InvoiceBody::from))).into_response())
}

fn number(text: &str) -> Result<InvoiceNumber, Problems> {
    text.parse().map_err(|error| Problems::one("number", "invalid", format!("{error}")))
}

/// Shows the invoice and the credit notes of a booking
///
/// Oldest first; none before it is confirmed, where it costs nothing, and where its organizer writes none. For its buyer and
/// its organizer.
#[utoipa::path(
    get, path = "/bookings/{bookingId}/invoices", operation_id = "listInvoicesOfBooking", tag = "Invoices",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    responses((status = 200, description = "The documents.", body = [InvoiceBody])),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_invoices_of_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Response, Problem> {
    let Ids([booking]) = ids;
    let booking = BookingId::new(booking);
    let found = state.invoicing().of_booking(&acting.agent, booking).await?;
    reads::note_booking(&state, &acting, booking, "invoices.read").await?;
    let found: Vec<InvoiceBody> = found.into_iter().map(Into::into).collect();
    Ok((NOT_KEPT, Answer(found)).into_response())
}

/// Shows an invoice or a credit note
///
/// For its buyer and its organizer.
#[utoipa::path(
    get, path = "/invoices/{invoiceId}", operation_id = "getInvoice", tag = "Invoices",
    params(("invoiceId" = Uuid, Path, description = "The document.")),
    responses((status = 200, description = "The document.", body = InvoiceBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn get_invoice(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    let Ids([invoice]) = ids;
    let found = state.invoicing().invoice(&acting.agent, InvoiceId::new(invoice)).await?;
    reads::note_invoice(&state, &acting, found.invoice.id, found.invoice.booking).await?;
    Ok((NOT_KEPT, Answer(InvoiceBody::from(found))).into_response())
}

/// Prints an invoice or a credit note
///
/// As a PDF in English or Polish, as `Accept-Language` wishes; the same document has the same bytes each time. For its buyer
/// and its organizer.
#[utoipa::path(
    get, path = "/invoices/{invoiceId}/invoice.pdf", operation_id = "printInvoice", tag = "Invoices",
    params(("invoiceId" = Uuid, Path, description = "The document.")),
    responses((status = 200, description = "It on paper.", body = Vec<u8>, content_type = "application/pdf")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn print_invoice(
    State(state): State<AppState>,
    acting: Acting,
    client: Client,
    ids: Ids<1>,
) -> Result<Response, Problem> {
    let Ids([invoice]) = ids;
    let id = InvoiceId::new(invoice);
    let (of, printed) = state.invoicing().printed(&acting.agent, id, client.language).await?;
    reads::note_invoice(&state, &acting, id, of).await?;
    Ok(PAPER.answer(printed))
}
