//! `/bookings/{bookingId}/payments`, `/bookings/{bookingId}/refund`, `/organizers/{organizerId}/payment-cases` and
//! `/webhooks/{provider}`: money in, money back, what people should look at, and what providers tell.

use application::payment::{CaseKind, PaidBooking, PaymentCase, Started};
use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::payment::{Payment, PaymentStatus, Refund, RefundReason, RefundRequest, RefundStatus};
use domain::{BookingId, OrganizerId, PaymentId, Problems, TicketId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::context::Context;
use crate::created::Created;
use crate::extract::path::Name;
use crate::extract::{Acting, Ids, Keyed, Params, RawJson};
use crate::openapi::IdempotencyKeyHeader;
use crate::page::{self, Cursor, List, Page};
use crate::patch;
use crate::problem::Problem;
use crate::state::AppState;

/// More tickets than a booking has, as a rule.
const REFUNDED_TICKETS_MAX: usize = 1_000;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(routes!(start_payment, list_payments))
        .routes(routes!(refund_booking))
        .routes(routes!(list_payment_cases))
        .routes(routes!(receive_webhook))
}

/// One attempt to have a booking paid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub(crate) struct PaymentBody {
    /// Its id.
    id: Uuid,
    /// For which booking.
    booking_id: Uuid,
    /// Who moves the money; `manual` where the organizer has taken it himself.
    #[schema(example = "sandbox")]
    provider: String,
    /// How.
    #[schema(example = "card_ok")]
    method: String,
    /// Where it stands.
    status: PaymentStatusBody,
    /// How much was asked, in the minor unit of the currency.
    #[schema(minimum = 1, example = 5000)]
    amount: i64,
    /// How much came in.
    #[schema(minimum = 0, example = 5000)]
    captured: i64,
    /// How much of it has gone back, or is to.
    #[schema(minimum = 0, example = 0)]
    refunded: i64,
    /// How much of it neither pays the booking nor goes back.
    #[schema(minimum = 0, example = 0)]
    unsettled: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// Why it failed, in a word of the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "card_declined")]
    failure_code: Option<String>,
    /// Where the buyer goes on, where the provider wants to see him; told once, by the answer that starts the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://pay.example.com/checkout/1")]
    checkout_url: Option<String>,
    /// What goes back of it, oldest first.
    refunds: Vec<RefundBody>,
    /// When it was started.
    created_at: DateTime<Utc>,
    /// When it changed last.
    updated_at: DateTime<Utc>,
}

/// Where a payment stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentStatus)]
pub(crate) enum PaymentStatusBody {
    /// Not decided.
    Processing,
    /// Money came in.
    Succeeded,
    /// None did; the booking may be paid again while it is held.
    Failed,
    /// None did, nor will it.
    Cancelled,
    /// It came in, and the buyer's bank asks it back.
    Disputed,
    /// It came in, and the buyer's bank has taken it back.
    ChargedBack,
}

/// Money that goes back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refund)]
pub(crate) struct RefundBody {
    /// Its id.
    id: Uuid,
    /// Of which payment.
    payment_id: Uuid,
    /// How much, in the minor unit of the currency.
    #[schema(minimum = 1, example = 5000)]
    amount: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: String,
    /// Why.
    reason: RefundReasonBody,
    /// Whether the organizer has given it back himself.
    by_hand: bool,
    /// Where it stands.
    status: RefundStatusBody,
    /// Why it failed, in a word of the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "account_closed")]
    failure_code: Option<String>,
    /// When it was requested.
    created_at: DateTime<Utc>,
    /// When it changed last.
    updated_at: DateTime<Utc>,
}

/// Where a refund stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RefundStatus)]
pub(crate) enum RefundStatusBody {
    /// To be sent.
    Requested,
    /// Sent.
    InTransit,
    /// The buyer has it.
    Done,
    /// The money stayed where it was; it can be refunded anew.
    Failed,
}

/// Why money goes back.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RefundReason)]
pub(crate) enum RefundReasonBody {
    /// The organizer wants it.
    Requested,
    /// It came when the hold had run out, and the tickets were gone.
    Late,
    /// The event was cancelled, or the money came after the booking was.
    Cancelled,
    /// It was more than was owed.
    Surplus,
}

impl PaymentStatusBody {
    fn of(payment: &Payment) -> Self {
        match payment.status {
            PaymentStatus::Succeeded if payment.is_disputed() => Self::Disputed,
            PaymentStatus::Succeeded if payment.is_charged_back() => Self::ChargedBack,
            // Whether the provider has heard of it yet is nothing to a buyer.
            PaymentStatus::Created | PaymentStatus::Processing => Self::Processing,
            PaymentStatus::Succeeded => Self::Succeeded,
            PaymentStatus::Failed => Self::Failed,
            PaymentStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<RefundStatus> for RefundStatusBody {
    fn from(status: RefundStatus) -> Self {
        match status {
            RefundStatus::Requested => Self::Requested,
            RefundStatus::InTransit => Self::InTransit,
            RefundStatus::Done => Self::Done,
            RefundStatus::Failed => Self::Failed,
        }
    }
}

impl From<RefundReason> for RefundReasonBody {
    fn from(reason: RefundReason) -> Self {
        match reason {
            RefundReason::Requested => Self::Requested,
            RefundReason::Late => Self::Late,
            RefundReason::Cancelled => Self::Cancelled,
            RefundReason::Surplus => Self::Surplus,
        }
    }
}

impl From<&Refund> for RefundBody {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id.uuid(),
            payment_id: refund.payment.uuid(),
            amount: refund.amount.minor,
            currency: refund.amount.currency.code().to_owned(),
            reason: refund.reason.into(),
            by_hand: refund.by_hand,
            status: refund.status.into(),
            failure_code: refund.failure.as_ref().map(|word| word.as_str().to_owned()),
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        }
    }
}

impl PaymentBody {
    fn of(payment: &Payment, refunds: &[Refund]) -> Self {
        let own = refunds.iter().filter(|refund| refund.payment == payment.id);
        Self {
            id: payment.id.uuid(),
            booking_id: payment.booking.uuid(),
            provider: payment.provider.as_str().to_owned(),
            method: payment.method.as_str().to_owned(),
            status: PaymentStatusBody::of(payment),
            amount: payment.amount.minor,
            captured: payment.captured,
            refunded: payment.refunded,
            unsettled: payment.unsettled(),
            currency: payment.amount.currency.code().to_owned(),
            failure_code: payment.failure.as_ref().map(|word| word.as_str().to_owned()),
            checkout_url: None,
            refunds: own.map(Into::into).collect(),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

impl From<Started> for PaymentBody {
    fn from(Started { payment, checkout_url }: Started) -> Self {
        Self { checkout_url, ..Self::of(&payment, &[]) }
    }
}

/// How to pay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StartPayment)]
pub(crate) struct StartPaymentBody {
    /// The method: one that a payment provider of this server takes.
    #[schema(min_length = 1, max_length = 64, example = "card_ok")]
    method: String,
}

/// Pays a booking
///
/// For its buyer, while it is held. The whole total is asked for; a payment that fails is 201 as well, with its
/// `failureCode`, and the booking may be paid again while it is held. The first payment makes the hold longer once, by two
/// minutes at most. An answer `processing` is settled later: see `GET`. With an `Idempotency-Key`, who asks again gets the
/// same payment, as it is then.
#[utoipa::path(
    post, path = "/bookings/{bookingId}/payments", operation_id = "startPayment", tag = "Payment",
    params(("bookingId" = Uuid, Path, description = "The booking."), IdempotencyKeyHeader),
    request_body = StartPaymentBody,
    responses((status = 201, description = "The payment.", body = PaymentBody)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!([
        "forbidden", "not_found", "booking_expired", "invalid_state", "validation_failed"
    ]))),
)]
async fn start_payment(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    wish: Keyed<StartPaymentBody>,
) -> Result<Created<PaymentBody>, Problem> {
    let (Acting { agent, origin }, Ids([booking])) = (acting, ids);
    let key = wish.key(&agent);
    let started = state.payments().start(&agent, BookingId::new(booking), &wish.value.method, key, origin).await?;
    let location = format!("/api/v1/bookings/{booking}/payments");
    Ok(Created::at(location, started.value.into(), started.replayed))
}

/// Shows the payments of a booking
///
/// All of them with their refunds, oldest first. For its buyer and its organizer.
#[utoipa::path(
    get, path = "/bookings/{bookingId}/payments", operation_id = "listPayments", tag = "Payment",
    params(("bookingId" = Uuid, Path, description = "The booking.")),
    responses((status = 200, description = "The payments.", body = [PaymentBody])),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found"]))),
)]
async fn list_payments(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
) -> Result<Answer<Vec<PaymentBody>>, Problem> {
    let Ids([booking]) = ids;
    let PaidBooking { payments, refunds } = state.payments().of_booking(&acting.agent, BookingId::new(booking)).await?;
    Ok(Answer(payments.iter().map(|payment| PaymentBody::of(payment, &refunds)).collect()))
}

/// What goes back.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RefundBooking)]
pub(crate) struct RefundBookingBody {
    /// How much, in the minor unit of the booking's currency. Where it is left out, what the named tickets have cost, without
    /// fees, as far as it is left; of the booking as a whole all that is left.
    #[schema(minimum = 1, example = 2500)]
    amount: Option<i64>,
    /// For which tickets of the booking; for all of it, where they are left out.
    #[serde(default, deserialize_with = "patch::settable")]
    #[schema(nullable = false, min_items = 1, max_items = 1000)]
    ticket_ids: Option<Vec<Uuid>>,
    /// Whether these tickets, or the booking, are cancelled with it, as they are unless this says no. What is kept then is the
    /// organizer's.
    #[schema(default = true)]
    cancel_tickets: Option<bool>,
    /// Whether you give it back yourself, in cash or by a transfer, so that the provider is not asked: its refund is `done` at
    /// once. So is what you have taken yourself in any case.
    #[schema(default = false)]
    by_hand: Option<bool>,
}

/// Refunds a booking
///
/// For its organizer: money goes back, and in the same step the booking, or the tickets that are named, are cancelled, if they
/// are to be. The last ticket takes the booking with it. A refund for each payment that the money came by, none where nothing
/// is left to go back with what is cancelled; they are sent within seconds. What the organizer has taken himself, he gives back
/// himself: that refund is `done` at once.
#[utoipa::path(
    post, path = "/bookings/{bookingId}/refund", operation_id = "refundBooking", tag = "Payment",
    params(("bookingId" = Uuid, Path, description = "The booking."), IdempotencyKeyHeader),
    request_body = RefundBookingBody,
    responses((status = 201, description = "The refunds.", body = [RefundBody])),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn refund_booking(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    wish: Keyed<RefundBookingBody>,
) -> Result<Created<Vec<RefundBody>>, Problem> {
    let (Acting { agent, origin }, Ids([booking])) = (acting, ids);
    let key = wish.key(&agent);
    let RefundBookingBody { amount, ticket_ids, cancel_tickets, by_hand } = wish.value;
    let tickets = ticket_ids.map(tickets).transpose()?.unwrap_or_default();
    let (cancel_tickets, by_hand) = (cancel_tickets.unwrap_or(true), by_hand.unwrap_or_default());
    let request = RefundRequest { amount, tickets, cancel_tickets, by_hand };
    let refunds = state.payments().refund(&agent, BookingId::new(booking), request, key, origin).await?;
    let location = format!("/api/v1/bookings/{booking}/payments");
    Ok(Created::at(location, refunds.value.iter().map(Into::into).collect(), refunds.replayed))
}

/// None at all would mean the whole booking, which is not what it says.
fn tickets(ids: Vec<Uuid>) -> Result<Vec<TicketId>, Problems> {
    if !(1..=REFUNDED_TICKETS_MAX).contains(&ids.len()) {
        let message = format!("must name between 1 and {REFUNDED_TICKETS_MAX} tickets");
        return Err(Problems::one("ticketIds", "out_of_range", message));
    }
    Ok(ids.into_iter().map(TicketId::new).collect())
}

/// A payment that somebody should look at.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentCase)]
pub(crate) struct PaymentCaseBody {
    /// Why.
    kind: CaseKindBody,
    /// Which.
    payment: PaymentBody,
}

/// Why somebody should look at a payment.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentCaseKind)]
pub(crate) enum CaseKindBody {
    /// Money came in that neither pays a booking nor goes back: too little was paid, or a refund failed.
    Unsettled,
    /// It has been processing for ten minutes.
    PaymentStuck,
    /// One of its refunds has been under way for ten minutes.
    RefundStuck,
    /// It, or one of its refunds, is open at a provider that is not set up any more: nobody asks it.
    ProviderGone,
    /// The buyer's bank asks the money back, and nothing is decided.
    Disputed,
    /// The buyer's bank has taken the money back, and the tickets still stand.
    ChargedBack,
}

impl From<PaymentCase> for PaymentCaseBody {
    fn from(case: PaymentCase) -> Self {
        let kind = match case.kind {
            CaseKind::Unsettled => CaseKindBody::Unsettled,
            CaseKind::PaymentStuck => CaseKindBody::PaymentStuck,
            CaseKind::RefundStuck => CaseKindBody::RefundStuck,
            CaseKind::ProviderGone => CaseKindBody::ProviderGone,
            CaseKind::Disputed => CaseKindBody::Disputed,
            CaseKind::ChargedBack => CaseKindBody::ChargedBack,
        };
        Self { kind, payment: PaymentBody::of(&case.payment, &[]) }
    }
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CasesQuery {
    /// The most rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists open payment cases
///
/// Money that belongs nowhere yet, what has been stuck for ten minutes or is open at a provider that is not set up any
/// more, and what banks ask back; newest first. For its members. `/health` tells how many all organizers have.
#[utoipa::path(
    get, path = "/organizers/{organizerId}/payment-cases", operation_id = "listPaymentCases", tag = "Payment",
    params(("organizerId" = Uuid, Path, description = "The organizer."), CasesQuery),
    responses((status = 200, description = "One page of cases.", body = Page<PaymentCaseBody>)),
    security(("bearer" = [])),
    extensions(("x-problems" = json!(["forbidden", "not_found", "validation_failed"]))),
)]
async fn list_payment_cases(
    State(state): State<AppState>,
    acting: Acting,
    ids: Ids<1>,
    Params(query): Params<CasesQuery>,
) -> Result<Answer<Page<PaymentCaseBody>>, Problem> {
    let Ids([organizer]) = ids;
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(|text| Cursor::decode(List::PaymentCases, text)).transpose()?;
    let before = cursor.map(|cursor| PaymentId::new(cursor.id));
    let found = state.payments().cases(&acting.agent, OrganizerId::new(organizer), before, limit).await?;
    let behind = |last: &PaymentCase| Cursor::behind(List::PaymentCases, last.payment.id.uuid());
    Ok(Answer(Page::of(found, behind, PaymentCaseBody::from)))
}

/// Takes a message of a payment provider
///
/// For providers, who sign it in `GoTicket-Signature` (Stripe: `Stripe-Signature`) over the very bytes of the body. 200 once
/// its effect is durable; sent again, or in disorder, it does no harm. One of a payment that is not known is kept and tried
/// again. Anything else but 200: send it again later. There are no limits here.
#[utoipa::path(
    post, path = "/webhooks/{provider}", operation_id = "receiveWebhook", tag = "Payment",
    params(("provider" = String, Path, description = "The provider.", example = "sandbox")),
    request_body(content = Object, description = "In the form of the provider."),
    responses((status = 200, description = "It is taken note of.")),
    security(()),
    extensions(("x-problems" = json!(["unauthenticated", "not_found", "invalid_state", "validation_failed"]))),
)]
async fn receive_webhook(
    State(state): State<AppState>,
    context: Context,
    provider: Name,
    headers: HeaderMap,
    RawJson(body): RawJson,
) -> Result<StatusCode, Problem> {
    let header = if provider.0 == "stripe" { "stripe-signature" } else { "goticket-signature" };
    let signature = headers.get(header).and_then(|value| value.to_str().ok());
    state.payments().receive(&provider.0, signature, &body, context.origin()).await?;
    Ok(StatusCode::OK)
}
