//! `/bookings/{bookingId}/tickets` and `/tickets`: tickets with their codes, issued anew, passed on.

use application::admission::{IssuedTicket, Paper, Wallet, no_code};
use application::error::AppError;
use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::admission::TicketStatus;
use domain::booking::Attendee;
use domain::{BookingId, TicketId};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::document::{File, NOT_KEPT};
use crate::extract::client::Client;
use crate::extract::path::PdfName;
use crate::extract::{Acting, Ids, Json, Params};
use crate::problem::Problem;
use crate::qr_image;
use crate::reads;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(list_tickets))
        .routes(routes!(show_qr))
        .routes(routes!(show_qr_image))
        .routes(routes!(print_ticket))
        .routes(routes!(apple_pass))
        .routes(routes!(google_pass))
        .routes(routes!(reissue_ticket))
        .routes(routes!(transfer_ticket))
        .routes(routes!(block_ticket))
        .routes(routes!(unblock_ticket))
}

const PAPER: File = File { media_type: "application/pdf", disposition: "inline; filename=\"ticket.pdf\"" };
const APPLE_PASS: File =
    File { media_type: "application/vnd.apple.pkpass", disposition: "attachment; filename=\"ticket.pkpass\"" };

/// The right to enter with one unit of a confirmed booking.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub(crate) struct TicketBody {
    /// Its id.
    id: Uuid,
    /// Its booking.
    booking_id: Uuid,
    /// The event that it opens.
    event_id: Uuid,
    /// The type of its unit.
    ticket_type_id: Uuid,
    /// Which unit of the booking, from 1.
    #[schema(minimum = 1, example = 1)]
    unit: u32,
    /// Whether it lets in.
    status: TicketStatusBody,
    /// Counts its issues from 1; only the code of the last one lets in.
    #[schema(minimum = 1, example = 1)]
    issue: u32,
    /// What lets in whoever shows it: signed by a key of the event, for a QR code; null where the ticket is revoked or blocked.
    #[schema(
        example = "GT1:6BFOXN*TS0BI…",
        required,
        pattern = "^GT1:[0-9A-Z $%*+./:-]{194}$",
        min_length = 198,
        max_length = 198
    )]
    code: Option<String>,
    /// Who comes with it; null where nobody said so.
    #[schema(required)]
    attendee: Option<HolderBody>,
    /// When it has let in somebody; not there where it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    first_admitted_at: Option<DateTime<Utc>>,
    /// Where its QR code is; null where the ticket is revoked or blocked.
    #[schema(required, example = "/api/v1/tickets/0198c0de-0000-7000-8000-000000000001/qr.svg")]
    qr: Option<String>,
    /// Where it is as a PDF; null where the ticket is revoked or blocked.
    #[schema(required, example = "/api/v1/tickets/0198c0de-0000-7000-8000-000000000001.pdf")]
    pdf: Option<String>,
}

/// Whether a ticket lets in.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TicketStatus)]
pub(crate) enum TicketStatusBody {
    /// Its code does.
    Valid,
    /// It does not for the time being.
    Blocked,
    /// It does not, and will not again.
    Revoked,
}

/// Who comes with a ticket.
#[derive(Serialize, ToSchema)]
#[schema(as = Holder)]
pub(crate) struct HolderBody {
    /// His name.
    #[schema(required, example = "Ana Kowalska")]
    name: Option<String>,
    /// His address.
    #[schema(required, format = Email, example = "ana@example.com")]
    email: Option<String>,
}

impl From<TicketStatus> for TicketStatusBody {
    fn from(status: TicketStatus) -> Self {
        match status {
            TicketStatus::Valid => Self::Valid,
            TicketStatus::Blocked(_) => Self::Blocked,
            TicketStatus::Revoked => Self::Revoked,
        }
    }
}

impl From<Attendee> for HolderBody {
    fn from(attendee: Attendee) -> Self {
        Self {
            name: attendee.name.map(|name| name.as_str().to_owned()),
            email: attendee.email.map(|email| email.as_str().to_owned()),
        }
    }
}

impl From<IssuedTicket> for TicketBody {
    fn from(IssuedTicket { ticket, attendee, code, first_admitted_at }: IssuedTicket) -> Self {
        let id = ticket.id.uuid();
        Self {
            id,
            booking_id: ticket.booking.uuid(),
            event_id: ticket.event.uuid(),
            ticket_type_id: ticket.ticket_type.uuid(),
            unit: ticket.unit,
            status: ticket.status.into(),
            issue: ticket.issue,
            first_admitted_at,
            qr: code.is_some().then(|| format!("/api/v1/tickets/{id}/qr.svg")),
            pdf: code.is_some().then(|| format!("/api/v1/tickets/{id}.pdf")),
            code: code.map(|code| code.expose().to_owned()),
            // Whose name was erased is told like who was never named.
            attendee: attendee.map(HolderBody::from).filter(|holder| holder.name.is_some() || holder.email.is_some()),
        }
    }
}

/// Shows the tickets of a booking
///
/// All of them, by their units: none before it is confirmed, revoked ones after it is cancelled. For its buyer and its
/// organizer.
#[utoipa::path(
    get, path = "/bookings/{bookingId}/tickets", operation_id = "listTickets", tag = "Tickets",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    responses((status = 200, description = "The tickets.", body = [TicketBody])),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_tickets(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    let Ids([booking]) = ids;
    let booking = BookingId::new(booking);
    let tickets = state.tickets().tickets(&acting.agent, booking).await?;
    reads::note_booking(&state, &acting, booking, "tickets.read").await?;
    let tickets: Vec<TicketBody> = tickets.into_iter().map(Into::into).collect();
    Ok((NOT_KEPT, Answer(tickets)).into_response())
}

/// Shows the QR code of a ticket
///
/// For its buyer and its organizer.
#[utoipa::path(
    get, path = "/tickets/{ticketId}/qr.svg", operation_id = "showQr", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The code as a QR code.", body = String, content_type = "image/svg+xml")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn show_qr(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    let drawn = qr_code(&state, &acting, ids).await?.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok((NOT_KEPT, [(CONTENT_TYPE, "image/svg+xml")], drawn).into_response())
}

/// Shows the QR code of a ticket as pixels
///
/// For programs that draw no SVG. Each module is eight pixels wide. For its buyer and its organizer.
#[utoipa::path(
    get, path = "/tickets/{ticketId}/qr.png", operation_id = "showQrImage", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The code as a QR code.", body = Vec<u8>, content_type = "image/png")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn show_qr_image(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    let drawn = qr_image::png(&qr_code(&state, &acting, ids).await?).map_err(|error| {
        tracing::error!(%error, "A QR code cannot be drawn");
        AppError::Internal
    })?;
    Ok((NOT_KEPT, [(CONTENT_TYPE, "image/png")], drawn).into_response())
}

/// The code in the alphanumeric mode of QR, which its characters fit, so that its squares are as large as can be.
async fn qr_code(state: &AppState, acting: &Acting, Ids([ticket]): Ids<1>) -> Result<QrCode, Problem> {
    let ticket = TicketId::new(ticket);
    let issued = state.tickets().ticket(&acting.agent, ticket).await?;
    reads::note_ticket(state, acting, ticket).await?;
    let Some(code) = issued.code else { return Err(no_code(&issued.ticket).into()) };
    Ok(QrCode::with_error_correction_level(code.expose(), EcLevel::M).map_err(|error| {
        tracing::error!(%error, "A code does not fit a QR code");
        AppError::Internal
    })?)
}

/// How a ticket is printed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PrintQuery {
    /// How large the sheet is.
    #[param(inline)]
    #[serde(default)]
    paper: PaperBody,
}

/// How large a sheet is.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PaperBody {
    /// For printers.
    #[default]
    A4,
    /// For the screen of a telephone.
    Phone,
}

impl From<PaperBody> for Paper {
    fn from(paper: PaperBody) -> Self {
        match paper {
            PaperBody::A4 => Self::A4,
            PaperBody::Phone => Self::Phone,
        }
    }
}

/// Prints a ticket
///
/// As a PDF in English or Polish, as `Accept-Language` wishes; the same ticket has the same bytes each time. For its buyer
/// and its organizer.
#[utoipa::path(
    get, path = "/tickets/{ticketId}", operation_id = "printTicket", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket."), PrintQuery),
    responses((status = 200, description = "The ticket on paper.", body = Vec<u8>, content_type = "application/pdf")),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn print_ticket(
    State(state): State<AppState>,
    name: PdfName,
    acting: Acting,
    client: Client,
    Params(query): Params<PrintQuery>,
) -> Result<Response, Problem> {
    let (ticket, paper) = (TicketId::new(name.id()?), query.paper.into());
    let printed = state.tickets().printed(&acting.agent, ticket, client.language, paper).await?;
    reads::note_ticket(&state, &acting, ticket).await?;
    Ok(PAPER.answer(printed))
}

/// A ticket for Apple Wallet
///
/// As a signed file in English or Polish, as `Accept-Language` wishes, with the code of the present issue: a wallet that has
/// the ticket already takes it in its place. Where the organizer issues such passes; for its buyer and its organizer.
#[utoipa::path(
    get, path = "/tickets/{ticketId}/ticket.pkpass", operation_id = "getApplePass", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((
        status = 200, description = "The pass.", body = Vec<u8>, content_type = "application/vnd.apple.pkpass",
    )),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn apple_pass(
    State(state): State<AppState>,
    acting: Acting,
    client: Client,
    ids: Ids<1>,
) -> Result<Response, Problem> {
    let Ids([ticket]) = ids;
    let ticket = TicketId::new(ticket);
    let pass = state.passes().pass(&acting.agent, ticket, Wallet::Apple, client.language).await?;
    reads::note_ticket(&state, &acting, ticket).await?;
    Ok(APPLE_PASS.answer(pass))
}

/// Where a ticket is put into a wallet.
#[derive(Serialize, ToSchema)]
#[schema(as = WalletLink)]
pub(crate) struct WalletLinkBody {
    /// Whoever opens it can keep the ticket: it bears the code.
    #[schema(example = "https://pay.google.com/gp/v/save/eyJhbGciOiJSUzI1NiIs")]
    url: String,
}

/// A ticket for Google Wallet
///
/// As a link to open, in English or Polish, as `Accept-Language` wishes, with the code of the present issue. Where the
/// organizer issues such passes; for its buyer and its organizer.
#[utoipa::path(
    get, path = "/tickets/{ticketId}/google-pass", operation_id = "getGooglePass", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The link.", body = WalletLinkBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn google_pass(
    State(state): State<AppState>,
    acting: Acting,
    client: Client,
    ids: Ids<1>,
) -> Result<Response, Problem> {
    let Ids([ticket]) = ids;
    let ticket = TicketId::new(ticket);
    let link = state.passes().pass(&acting.agent, ticket, Wallet::Google, client.language).await?;
    reads::note_ticket(&state, &acting, ticket).await?;
    let url = String::from_utf8(link).map_err(|_| AppError::Internal)?;
    Ok((NOT_KEPT, [(VARY, "accept-language")], Answer(WalletLinkBody { url })).into_response())
}

/// Issues a ticket anew
///
/// For the same person, as when a code was lost or seen by others: from now on only the new code lets in. Sent twice it is
/// done twice. For its buyer and its organizer.
#[utoipa::path(
    post, path = "/tickets/{ticketId}/reissue", operation_id = "reissueTicket", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The ticket with its new code.", body = TicketBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn reissue_ticket(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([ticket])) = (acting, ids);
    let issued = state.tickets().reissue(&agent, TicketId::new(ticket), origin).await?;
    Ok((NOT_KEPT, Answer(TicketBody::from(issued))).into_response())
}

/// Blocks a ticket
///
/// From now on it lets in nobody, and has no code to show, until it is unblocked. A device without a network hears of it with
/// its next bundle. Sent twice, it is done once. For its organizer.
#[utoipa::path(
    post, path = "/tickets/{ticketId}/block", operation_id = "blockTicket", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The ticket.", body = TicketBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn block_ticket(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    block(&state, acting, ids, true).await
}

/// Unblocks a ticket
///
/// The same code lets in again, whoever or whatever had blocked it. Sent twice, it is done once. For its organizer.
#[utoipa::path(
    post, path = "/tickets/{ticketId}/unblock", operation_id = "unblockTicket", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The ticket with its code.", body = TicketBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state"]))),
)]
async fn unblock_ticket(State(state): State<AppState>, acting: Acting, ids: Ids<1>) -> Result<Response, Problem> {
    block(&state, acting, ids, false).await
}

async fn block(state: &AppState, acting: Acting, ids: Ids<1>, blocked: bool) -> Result<Response, Problem> {
    let (Ids([ticket]), origin) = (ids, acting.origin.clone());
    let ticket = TicketId::new(ticket);
    let changed = state.tickets().block(&acting.agent, ticket, blocked, origin).await?;
    reads::note_ticket(state, &acting, ticket).await?;
    Ok((NOT_KEPT, Answer(TicketBody::from(changed))).into_response())
}

/// Who shall come with a ticket.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TransferTicket)]
pub(crate) struct TransferBody {
    /// His name.
    #[schema(min_length = 1, max_length = 200, example = "Ben Nowak")]
    name: String,
    /// His address.
    #[schema(format = Email, max_length = 254, example = "ben@example.com")]
    email: Option<String>,
}

/// Passes a ticket on to somebody else
///
/// From now on only the new code lets in. For its buyer and its organizer.
#[utoipa::path(
    post, path = "/tickets/{ticketId}/transfer", operation_id = "transferTicket", tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket.")),
    request_body = TransferBody,
    responses((status = 200, description = "The ticket with its new code.", body = TicketBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn transfer_ticket(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Json(to): Json<TransferBody>,
) -> Result<Response, Problem> {
    let (Acting { agent, origin }, Ids([ticket])) = (acting, ids);
    let (id, email) = (TicketId::new(ticket), to.email.as_deref());
    let issued = state.tickets().transfer(&agent, id, &to.name, email, origin).await?;
    Ok((NOT_KEPT, Answer(TicketBody::from(issued))).into_response())
}
