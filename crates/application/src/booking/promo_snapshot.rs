//! A promo code as JSON: what was answered to who made it, for when he asks again.
//!
//! A field that is added gets a default, as everywhere in snapshots.

use domain::booking::{Discount, PromoCode, PromoTerms, PromoWord};
use domain::pricing::Rate;
use domain::{EventId, PromoCodeId, TicketTypeId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromoCodeV1 {
    v: u32,
    id: Uuid,
    event_id: Uuid,
    code: String,
    rate: Option<u32>,
    amount: Option<i64>,
    ticket_type_ids: Vec<Uuid>,
    opens: Vec<Uuid>,
    max_uses: Option<u32>,
    max_per_buyer: Option<u32>,
    budget: Option<i64>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    archived: bool,
    used: u32,
    spent: i64,
    version: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The snapshot of a code.
pub(super) fn promo_code(code: &PromoCode) -> String {
    let terms = &code.terms;
    let ids = |types: &[TicketTypeId]| types.iter().map(|id| id.uuid()).collect();
    let kept = PromoCodeV1 {
        v: 1,
        id: code.id.uuid(),
        event_id: code.event.uuid(),
        code: code.code.as_str().to_owned(),
        rate: terms.discount.and_then(Discount::rate).map(Rate::millionths),
        amount: terms.discount.and_then(Discount::amount),
        ticket_type_ids: ids(&terms.ticket_types),
        opens: ids(&terms.opens),
        max_uses: terms.max_uses,
        max_per_buyer: terms.max_per_buyer,
        budget: terms.budget,
        starts_at: terms.starts_at,
        ends_at: terms.ends_at,
        archived: code.archived,
        used: code.used,
        spent: code.spent,
        version: code.version,
        created_at: code.created_at,
        updated_at: code.updated_at,
    };
    // A struct of strings and numbers, whose serialisation cannot fail.
    serde_json::to_string(&kept).unwrap_or_default()
}

/// The code of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(super) fn read_promo_code(snapshot: &str) -> Result<PromoCode, AppError> {
    let unreadable = || {
        tracing::error!("A kept answer is no promo code");
        AppError::Internal
    };
    let kept: PromoCodeV1 = serde_json::from_str(snapshot).map_err(|_| unreadable())?;
    let rate = kept.rate.map(|millionths| Rate::of_millionths(millionths).ok_or_else(unreadable)).transpose()?;
    let types = |ids: Vec<Uuid>| ids.into_iter().map(TicketTypeId::new).collect();
    let terms = PromoTerms {
        discount: rate.map(Discount::Share).or(kept.amount.map(Discount::Amount)),
        ticket_types: types(kept.ticket_type_ids),
        opens: types(kept.opens),
        max_uses: kept.max_uses,
        max_per_buyer: kept.max_per_buyer,
        budget: kept.budget,
        starts_at: kept.starts_at,
        ends_at: kept.ends_at,
    };
    Ok(PromoCode {
        id: PromoCodeId::new(kept.id),
        event: EventId::new(kept.event_id),
        code: PromoWord::trusted(kept.code),
        terms,
        archived: kept.archived,
        used: kept.used,
        spent: kept.spent,
        version: kept.version,
        created_at: kept.created_at,
        updated_at: kept.updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_as_it_was() {
        let at = |seconds: i64| Timestamp::from_timestamp(1_800_000_000 + seconds, 123_456_000).unwrap();
        let types = vec![TicketTypeId::new(Uuid::from_u128(1)), TicketTypeId::new(Uuid::from_u128(2))];
        for discount in [None, Some(Discount::Amount(7)), Rate::of_millionths(5).map(Discount::Share)] {
            let terms = PromoTerms {
                discount,
                ticket_types: types.clone(),
                opens: types[1..].to_vec(),
                max_uses: Some(3),
                max_per_buyer: None,
                budget: Some(1_000),
                starts_at: Some(at(1)),
                ends_at: None,
            };
            let before = PromoCode {
                id: PromoCodeId::new(Uuid::from_u128(3)),
                event: EventId::new(Uuid::from_u128(4)),
                code: PromoWord::trusted("EARLY-10".into()),
                terms,
                archived: false,
                used: 1,
                spent: 2,
                version: 3,
                created_at: at(0),
                updated_at: at(5),
            };
            assert_eq!(read_promo_code(&promo_code(&before)).unwrap(), before);
        }
        assert!(read_promo_code("{}").is_err());
    }
}
