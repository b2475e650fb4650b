//! Taxes and fees of events, the parts of prices, and `/events/{eventId}/quote`.

use application::booking::HoldTickets;
use axum::Json as Answer;
use axum::extract::State;
use domain::booking::Quote;
use domain::pricing::{
    Charge, Fee, NewFee, NewPricing, Of, Payer, Per, PricePart, Pricing, Rate, Rounding, TaxGroup, tax_groups,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::bookings::{BookingItemBody, HoldBody};
use crate::context::Context;
use crate::extract::{EventPath, Json, Visitor};
use crate::openapi::EventName;
use crate::problem::Problem;
use crate::state::AppState;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(quote))
}

/// Taxes and fees of an event. Rates are in millionths: 230000 is 23 %.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pricing)]
pub(crate) struct PricingBody {
    /// The tax on tickets, and on fees that say nothing else; null where no tax is shown.
    #[schema(required, minimum = 0, maximum = 1_000_000, example = 230_000)]
    tax_rate: Option<u32>,
    /// Whether prices and fees contain their tax; otherwise it comes on top.
    tax_included: bool,
    /// Where taxes are rounded to whole minor units.
    rounding: RoundingBody,
    /// What is asked for besides the tickets. What the organizer bears, only members of his see.
    fees: Vec<FeeBody>,
}

/// Where taxes are rounded to whole minor units.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Rounding)]
pub(crate) enum RoundingBody {
    /// On each line by itself.
    #[default]
    Line,
    /// On the sum of all lines with the same rate; the largest lines are then made to fit.
    TaxGroup,
}

/// What is asked for besides the tickets: an amount, or a share of what they cost. Never on tickets that cost nothing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Fee)]
pub(crate) struct FeeBody {
    /// As buyers read it.
    #[schema(example = "Service")]
    name: String,
    /// In minor units of the event's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, example = 200)]
    amount: Option<i64>,
    /// With an amount: what it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    per: Option<FeePerBody>,
    /// Instead of an amount: the share of what the tickets cost, discounts taken off; in millionths.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000, example = 50_000)]
    rate: Option<u32>,
    /// Its tax, where that is not the one of the tickets; in millionths.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 230_000, nullable = false, minimum = 0, maximum = 1_000_000)]
    tax_rate: Option<u32>,
    /// Who bears it.
    paid_by: PayerBody,
}

/// What a fixed fee is asked for.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FeePer)]
pub(crate) enum FeePerBody {
    /// Each ticket that costs something.
    Unit,
    /// The booking as a whole.
    Booking,
}

/// Who bears a fee.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Payer)]
pub(crate) enum PayerBody {
    /// It is part of the total.
    #[default]
    Buyer,
    /// It is kept with the booking, for the organizer's books, and is no part of the total.
    Organizer,
}

impl PricingBody {
    /// As those see it who see everything (`inside`), or as the public does.
    pub(crate) fn of(pricing: &Pricing, inside: bool) -> Self {
        let shown = pricing.fees.iter().filter(|fee| inside || fee.paid_by == Payer::Buyer);
        Self {
            tax_rate: pricing.tax_rate.map(Rate::millionths),
            tax_included: pricing.tax_included,
            rounding: match pricing.rounding {
                Rounding::Line => RoundingBody::Line,
                Rounding::TaxGroup => RoundingBody::TaxGroup,
            },
            fees: shown.map(FeeBody::from).collect(),
        }
    }
}

impl From<&Fee> for FeeBody {
    fn from(fee: &Fee) -> Self {
        let (amount, per, rate) = match fee.charge {
            Charge::Fixed(amount, Per::Unit) => (Some(amount), Some(FeePerBody::Unit), None),
            Charge::Fixed(amount, Per::Booking) => (Some(amount), Some(FeePerBody::Booking), None),
            Charge::Share(rate) => (None, None, Some(rate.millionths())),
        };
        let (name, tax_rate) = (fee.name.as_str().to_owned(), fee.tax_rate.map(Rate::millionths));
        Self { name, amount, per, rate, tax_rate, paid_by: fee.paid_by.into() }
    }
}

impl From<Payer> for PayerBody {
    fn from(payer: Payer) -> Self {
        match payer {
            Payer::Buyer => Self::Buyer,
            Payer::Organizer => Self::Organizer,
        }
    }
}

/// Taxes and fees of an event as they shall be. Rates are in millionths: 230000 is 23 %.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewPricing, example = json!({
    "taxRate": 230_000, "fees": [{ "name": "Service", "amount": 200, "per": "unit" }],
}))]
pub(crate) struct NewPricingBody {
    /// The tax on tickets, and on fees that say nothing else; left out or null: no tax is shown.
    #[schema(minimum = 0, maximum = 1_000_000, example = 230_000)]
    tax_rate: Option<i64>,
    /// Whether prices and fees contain their tax, as they do unless it is said otherwise; if not, it comes on top.
    #[schema(default = true)]
    tax_included: Option<bool>,
    /// Where taxes are rounded; on each line unless it is said otherwise.
    rounding: Option<RoundingBody>,
    /// What is asked for besides the tickets.
    #[schema(max_items = 10)]
    fees: Option<Vec<NewFeeBody>>,
}

/// A fee as it shall be: an `amount` and what it is `per`, or a `rate`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewFee)]
pub(crate) struct NewFeeBody {
    /// As buyers read it.
    #[schema(min_length = 1, max_length = 100, example = "Service")]
    name: String,
    /// In minor units of the event's currency.
    #[schema(minimum = 1, maximum = 100_000_000_000_i64, example = 200)]
    amount: Option<i64>,
    /// With an amount: what it is asked for.
    per: Option<FeePerBody>,
    /// Instead of an amount: the share of what the tickets cost, discounts taken off; in millionths.
    #[schema(example = 25_000, minimum = 0, maximum = 1_000_000)]
    rate: Option<i64>,
    /// Its tax, where that is not the one of the tickets; in millionths.
    #[schema(example = 230_000, minimum = 0, maximum = 1_000_000)]
    tax_rate: Option<i64>,
    /// Who bears it; the buyer unless it is said otherwise.
    paid_by: Option<PayerBody>,
}

impl From<NewPricingBody> for NewPricing {
    fn from(body: NewPricingBody) -> Self {
        Self {
            tax_rate: body.tax_rate,
            tax_included: body.tax_included.unwrap_or(true),
            rounding: match body.rounding.unwrap_or_default() {
                RoundingBody::Line => Rounding::Line,
                RoundingBody::TaxGroup => Rounding::TaxGroup,
            },
            fees: body.fees.unwrap_or_default().into_iter().map(Into::into).collect(),
        }
    }
}

impl From<NewFeeBody> for NewFee {
    fn from(body: NewFeeBody) -> Self {
        Self {
            name: body.name,
            amount: body.amount,
            per: body.per.map(|per| match per {
                FeePerBody::Unit => Per::Unit,
                FeePerBody::Booking => Per::Booking,
            }),
            rate: body.rate,
            tax_rate: body.tax_rate,
            paid_by: match body.paid_by.unwrap_or_default() {
                PayerBody::Buyer => Payer::Buyer,
                PayerBody::Organizer => Payer::Organizer,
            },
        }
    }
}

/// One part of a price: a line of tickets, or a fee. Amounts are in minor units; `net + tax = gross`, and the total is
/// the sum of the `gross` of all parts that the buyer pays.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PricePart)]
pub(crate) struct PricePartBody {
    /// What it is for.
    kind: PricePartKindBody,
    /// With `tickets`: of which type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket_type_id: Option<Uuid>,
    /// As buyers read it.
    #[schema(example = "Standing")]
    name: String,
    /// How many.
    #[schema(minimum = 1, example = 2)]
    quantity: u32,
    /// The price of one before discounts; with its tax where prices contain it.
    #[schema(minimum = 0, example = 2_500)]
    unit_price: i64,
    /// What is taken off all of them together.
    #[schema(minimum = 0, example = 0)]
    discount: i64,
    /// Without tax.
    #[schema(minimum = 0, example = 4_065)]
    net: i64,
    /// Tax.
    #[schema(minimum = 0, example = 935)]
    tax: i64,
    /// With tax.
    #[schema(minimum = 0, example = 5_000)]
    gross: i64,
    /// The rate of the tax in millionths; null where none is reckoned.
    #[schema(required, minimum = 0, maximum = 1_000_000, example = 230_000)]
    tax_rate: Option<u32>,
    /// By how much the tax differs from what the part by itself would have, so that the sum of its rate is right.
    #[schema(example = 0)]
    rounding: i64,
    /// Who bears it. What the organizer bears, only he sees.
    paid_by: PayerBody,
}

/// What a part of a price is for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PricePartKind)]
pub(crate) enum PricePartKindBody {
    /// Tickets of a type.
    Tickets,
    /// A fee.
    Fee,
}

impl From<&PricePart> for PricePartBody {
    fn from(part: &PricePart) -> Self {
        let (kind, ticket_type_id) = match part.of {
            Of::Tickets(ticket_type) => (PricePartKindBody::Tickets, Some(ticket_type.uuid())),
            Of::Fee => (PricePartKindBody::Fee, None),
        };
        Self {
            kind,
            ticket_type_id,
            name: part.name.as_str().to_owned(),
            quantity: part.quantity,
            unit_price: part.unit_price,
            discount: part.discount,
            net: part.net,
            tax: part.tax,
            gross: part.gross,
            tax_rate: part.tax_rate.map(Rate::millionths),
            rounding: part.rounding,
            paid_by: part.paid_by.into(),
        }
    }
}

/// The parts as the buyer sees them, or, `inside`, with what the organizer bears.
pub(crate) fn price_parts(parts: &[PricePart], inside: bool) -> Vec<PricePartBody> {
    parts.iter().filter(|part| inside || part.paid_by == Payer::Buyer).map(Into::into).collect()
}

/// What tickets would cost, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Quote)]
pub(crate) struct QuoteBody {
    /// What was asked for.
    items: Vec<BookingItemBody>,
    /// What the total is made of; left out where there are neither taxes, fees nor discounts: the items are all of it
    /// then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    price_parts: Vec<PricePartBody>,
    /// The taxes of the total, by rate; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    taxes: Vec<TaxBody>,
    /// What it costs, in the minor unit of the currency; a booking may name it as `expectedTotal`.
    #[schema(minimum = 0, example = 5_000)]
    total: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "PLN")]
    currency: &'static str,
}

/// All that is taxed with one rate.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tax)]
pub(crate) struct TaxBody {
    /// In millionths.
    #[schema(minimum = 0, maximum = 1_000_000, example = 230_000)]
    tax_rate: u32,
    /// Without tax.
    #[schema(minimum = 0, example = 4_065)]
    net: i64,
    /// Tax.
    #[schema(minimum = 0, example = 935)]
    tax: i64,
    /// With tax.
    #[schema(minimum = 0, example = 5_000)]
    gross: i64,
}

impl From<TaxGroup> for TaxBody {
    fn from(group: TaxGroup) -> Self {
        Self { tax_rate: group.rate.millionths(), net: group.net, tax: group.tax, gross: group.gross }
    }
}

impl From<Quote> for QuoteBody {
    fn from(quote: Quote) -> Self {
        // The parts make a total, so that their groups can be summed as well.
        let taxes = tax_groups(&quote.price_parts).unwrap_or_default();
        Self {
            price_parts: price_parts(&quote.price_parts, false),
            taxes: taxes.into_iter().map(Into::into).collect(),
            total: quote.total.minor,
            currency: quote.total.currency.code(),
            items: quote.items.into_iter().map(Into::into).collect(),
        }
    }
}

/// Says what tickets would cost
///
/// The body is that of a booking. Nothing is taken, and whether there are tickets left is not asked; stale by a second at
/// the most. For everybody who sees the event.
#[utoipa::path(
    post, path = "/events/{eventId}/quote", operation_id = "quote", tag = "Booking",
    params(("eventId" = EventName, Path, description = "The id of the event, or its slug.")),
    request_body = HoldBody,
    responses((status = 200, description = "The whole sum with its parts.", body = QuoteBody)),
    security((), ("bearer" = [])),
    extensions(("x-problems" = json!([
        "not_found", "price_changed", "sales_closed", "limit_exceeded", "validation_failed"
    ]))),
)]
async fn quote(
    State(state): State<AppState>,
    context: Context,
    visitor: Visitor,
    event: EventPath,
    Json(wish): Json<HoldBody>,
) -> Result<Answer<QuoteBody>, Problem> {
    let wish = HoldTickets::try_from(wish)?;
    let quote = state.bookings().quote(&visitor.agent, &event.0, &wish, context.origin().address).await?;
    Ok(Answer(quote.into()))
}
