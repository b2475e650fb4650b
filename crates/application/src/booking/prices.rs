//! Taxes and fees of events, and parts of prices, as JSON: in snapshots, and in the row of an event.
//!
//! A field that is added gets a default, as everywhere in snapshots.

use domain::catalog::{OpenPrice, PriceTier, Prices};
use domain::pricing::{Charge, Fee, Of, Payer, Per, PricePart, Pricing, Rate, Rounding};
use domain::{Text, TicketTypeId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PricingV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax_rate: Option<u32>,
    tax_included: bool,
    rounding: String,
    fees: Vec<FeeV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeeV1 {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax_rate: Option<u32>,
    paid_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PricePartV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket_type_id: Option<Uuid>,
    name: String,
    quantity: u32,
    unit_price: i64,
    discount: i64,
    net: i64,
    tax: i64,
    gross: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax_rate: Option<u32>,
    rounding: i64,
    paid_by: String,
}

/// Prices of a ticket type besides the regular one.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypePricesV1 {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    price_tiers: Vec<PriceTierV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_price: Option<OpenPriceV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax_rate: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceTierV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    price: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_sold: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenPriceV1 {
    minimum: i64,
    maximum: i64,
}

/// No version of this program has written it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the pricing of an event")]
pub struct UnreadablePricing;

/// Taxes and fees of an event as one text.
#[must_use]
pub fn pricing_text(pricing: &Pricing) -> String {
    // Structs of strings and numbers, whose serialisation cannot fail.
    serde_json::to_string(&PricingV1::from(pricing)).unwrap_or_default()
}

/// Taxes and fees of that text.
///
/// # Errors
/// [`UnreadablePricing`].
pub fn read_pricing(text: &str) -> Result<Pricing, UnreadablePricing> {
    let kept: PricingV1 = serde_json::from_str(text).map_err(|_| UnreadablePricing)?;
    Pricing::try_from(kept)
}

/// Prices of a ticket type as one text; none where every unit costs the regular one.
#[must_use]
pub fn type_prices_text(prices: &Prices) -> Option<String> {
    // Structs of strings and numbers, whose serialisation cannot fail.
    (*prices != Prices::default()).then(|| serde_json::to_string(&TypePricesV1::from(prices)).unwrap_or_default())
}

/// Prices of that text.
///
/// # Errors
/// [`UnreadablePricing`].
pub fn read_type_prices(text: Option<&str>) -> Result<Prices, UnreadablePricing> {
    let Some(text) = text else { return Ok(Prices::default()) };
    let kept: TypePricesV1 = serde_json::from_str(text).map_err(|_| UnreadablePricing)?;
    Prices::try_from(kept)
}

impl From<&Prices> for TypePricesV1 {
    fn from(prices: &Prices) -> Self {
        let tier = |tier: &PriceTier| PriceTierV1 {
            name: tier.name.as_ref().map(|name| name.as_str().to_owned()),
            price: tier.price,
            until: tier.until,
            until_sold: tier.until_sold,
        };
        let open = |open: OpenPrice| OpenPriceV1 { minimum: open.minimum, maximum: open.maximum };
        let tax_rate = prices.tax_rate.map(Rate::millionths);
        Self { price_tiers: prices.tiers.iter().map(tier).collect(), open_price: prices.open.map(open), tax_rate }
    }
}

impl TryFrom<TypePricesV1> for Prices {
    type Error = UnreadablePricing;

    fn try_from(kept: TypePricesV1) -> Result<Self, UnreadablePricing> {
        let tier = |tier: PriceTierV1| PriceTier {
            name: tier.name.map(Text::trusted),
            price: tier.price,
            until: tier.until,
            until_sold: tier.until_sold,
        };
        let open = |open: OpenPriceV1| OpenPrice { minimum: open.minimum, maximum: open.maximum };
        let tiers = kept.price_tiers.into_iter().map(tier).collect();
        Ok(Self { tiers, open: kept.open_price.map(open), tax_rate: rate(kept.tax_rate)? })
    }
}

impl From<&Pricing> for PricingV1 {
    fn from(pricing: &Pricing) -> Self {
        Self {
            tax_rate: pricing.tax_rate.map(Rate::millionths),
            tax_included: pricing.tax_included,
            rounding: pricing.rounding.as_str().to_owned(),
            fees: pricing.fees.iter().map(FeeV1::from).collect(),
        }
    }
}

impl From<&Fee> for FeeV1 {
    fn from(fee: &Fee) -> Self {
        let (amount, per, rate) = match fee.charge {
            Charge::Fixed(amount, per) => (Some(amount), Some(per.as_str().to_owned()), None),
            Charge::Share(rate) => (None, None, Some(rate.millionths())),
        };
        Self {
            name: fee.name.as_str().to_owned(),
            amount,
            per,
            rate,
            tax_rate: fee.tax_rate.map(Rate::millionths),
            paid_by: fee.paid_by.as_str().to_owned(),
        }
    }
}

impl TryFrom<PricingV1> for Pricing {
    type Error = UnreadablePricing;

    fn try_from(kept: PricingV1) -> Result<Self, UnreadablePricing> {
        Ok(Self {
            tax_rate: rate(kept.tax_rate)?,
            tax_included: kept.tax_included,
            rounding: Rounding::of_word(&kept.rounding).ok_or(UnreadablePricing)?,
            fees: kept.fees.into_iter().map(fee).collect::<Result<_, _>>()?,
        })
    }
}

fn fee(kept: FeeV1) -> Result<Fee, UnreadablePricing> {
    let charge = match (kept.amount, kept.per, kept.rate) {
        (Some(amount), Some(per), None) => Charge::Fixed(amount, Per::of_word(&per).ok_or(UnreadablePricing)?),
        (None, None, Some(share)) => Charge::Share(Rate::of_millionths(share).ok_or(UnreadablePricing)?),
        _ => return Err(UnreadablePricing),
    };
    let paid_by = Payer::of_word(&kept.paid_by).ok_or(UnreadablePricing)?;
    Ok(Fee { name: Text::trusted(kept.name), charge, tax_rate: rate(kept.tax_rate)?, paid_by })
}

fn rate(millionths: Option<u32>) -> Result<Option<Rate>, UnreadablePricing> {
    millionths.map(|millionths| Rate::of_millionths(millionths).ok_or(UnreadablePricing)).transpose()
}

impl From<&PricePart> for PricePartV1 {
    fn from(part: &PricePart) -> Self {
        Self {
            ticket_type_id: match part.of {
                Of::Tickets(ticket_type) => Some(ticket_type.uuid()),
                Of::Fee => None,
            },
            name: part.name.as_str().to_owned(),
            quantity: part.quantity,
            unit_price: part.unit_price,
            discount: part.discount,
            net: part.net,
            tax: part.tax,
            gross: part.gross,
            tax_rate: part.tax_rate.map(Rate::millionths),
            rounding: part.rounding,
            paid_by: part.paid_by.as_str().to_owned(),
        }
    }
}

impl TryFrom<PricePartV1> for PricePart {
    type Error = UnreadablePricing;

    fn try_from(kept: PricePartV1) -> Result<Self, UnreadablePricing> {
        Ok(Self {
            of: kept.ticket_type_id.map_or(Of::Fee, |id| Of::Tickets(TicketTypeId::new(id))),
            name: Text::trusted(kept.name),
            quantity: kept.quantity,
            unit_price: kept.unit_price,
            discount: kept.discount,
            net: kept.net,
            tax: kept.tax,
            gross: kept.gross,
            tax_rate: rate(kept.tax_rate)?,
            rounding: kept.rounding,
            paid_by: Payer::of_word(&kept.paid_by).ok_or(UnreadablePricing)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::pricing::{NewFee, NewPricing};

    #[test]
    fn pricing_reads_back_as_it_was() {
        let fee = |name: &str| NewFee { name: name.into(), ..NewFee::default() };
        let fees = vec![
            NewFee {
                amount: Some(50), per: Some(Per::Unit), paid_by: Payer::Organizer, ..fee("Zażółć \"gęślą\"")
            },
            NewFee { rate: Some(25_000), tax_rate: Some(0), ..fee("Service") },
        ];
        let new = NewPricing { tax_rate: Some(230_000), tax_included: true, rounding: Rounding::TaxGroup, fees };
        for pricing in [Pricing::parse(&new).unwrap(), Pricing::default()] {
            assert_eq!(read_pricing(&pricing_text(&pricing)), Ok(pricing));
        }
        for text in ["", "{}", "null", r#"{"taxIncluded":true,"rounding":"never","fees":[]}"#] {
            assert_eq!(read_pricing(text), Err(UnreadablePricing), "{text}");
        }
    }

    #[test]
    fn prices_of_a_type_read_back_as_they_were() {
        let tier = |name: Option<&str>, until, until_sold| PriceTier {
            name: name.map(|name| Text::trusted(name.into())),
            price: 100,
            until,
            until_sold,
        };
        let instant = Timestamp::from_timestamp(1_800_000_000, 123_456_000);
        let tiers = vec![tier(Some("Ranny ptaszek \"🐦\""), instant, None), tier(None, None, Some(7))];
        let open = Some(OpenPrice { minimum: 0, maximum: 1_000 });
        let none = Prices::default;
        let tax_rate = Rate::of_millionths(80_000);
        for prices in [none(), Prices { tiers, ..none() }, Prices { open, ..none() }, Prices { tax_rate, ..none() }] {
            assert_eq!(read_type_prices(type_prices_text(&prices).as_deref()), Ok(prices));
        }
        assert_eq!(type_prices_text(&Prices::default()), None);
        for text in ["", "null", r#"{"priceTiers":[{}]}"#, r#"{"taxRate":1000001}"#] {
            assert_eq!(read_type_prices(Some(text)), Err(UnreadablePricing), "{text}");
        }
    }
}
