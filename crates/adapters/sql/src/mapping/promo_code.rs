//! Promo codes.

use application::store::StoreError;
use domain::booking::{Discount, PromoCode, PromoTerms, PromoWord};
use domain::pricing::Rate;
use domain::{EventId, PromoCodeId, TicketTypeId};
use uuid::Uuid;

use super::{count, instant, instant_if, integer, micros};
use crate::entity::promo_code;
use crate::error::bad_row;

/// A code of its row.
pub(crate) fn promo_code(row: promo_code::Model) -> Result<PromoCode, StoreError> {
    let rate = |millionths: i32| u32::try_from(millionths).ok().and_then(Rate::of_millionths);
    let discount = match (row.rate, row.amount) {
        (Some(millionths), None) => rate(millionths).map(|rate| Some(Discount::Share(rate))),
        (None, Some(amount)) => Some(Some(Discount::Amount(amount))),
        (None, None) => Some(None),
        (Some(_), Some(_)) => None,
    };
    let terms = PromoTerms {
        discount: discount.ok_or_else(|| bad_row("discount of a promo code", row.id))?,
        ticket_types: ticket_types(&row.ticket_types, row.id)?,
        opens: ticket_types(&row.opens, row.id)?,
        max_uses: row.max_uses.map(count).transpose()?,
        max_per_buyer: row.max_per_buyer.map(count).transpose()?,
        budget: row.budget,
        starts_at: instant_if(row.starts_at)?,
        ends_at: instant_if(row.ends_at)?,
    };
    Ok(PromoCode {
        id: PromoCodeId::new(row.id),
        event: EventId::new(row.event_id),
        code: PromoWord::trusted(row.code),
        terms,
        archived: row.archived,
        used: count(row.used)?,
        spent: row.spent,
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

fn ticket_types(text: &str, code: Uuid) -> Result<Vec<TicketTypeId>, StoreError> {
    let ticket_type = |id: &str| Uuid::parse_str(id).map(TicketTypeId::new);
    let ids = text.split_whitespace().map(ticket_type).collect::<Result<_, _>>();
    ids.map_err(|_| bad_row("ticket types of a promo code", code))
}

/// The row of a code as it is before anybody uses it: uses are counted apart.
pub(crate) fn promo_code_row(code: &PromoCode) -> promo_code::Model {
    let terms = &code.terms;
    let ids = |types: &[TicketTypeId]| {
        types.iter().map(|id| id.uuid().simple().to_string()).collect::<Vec<String>>().join(" ")
    };
    promo_code::Model {
        id: code.id.uuid(),
        event_id: code.event.uuid(),
        code: code.code.as_str().to_owned(),
        rate: terms.discount.and_then(Discount::rate).map(|rate| integer(rate.millionths())),
        amount: terms.discount.and_then(Discount::amount),
        ticket_types: ids(&terms.ticket_types),
        max_uses: terms.max_uses.map(integer),
        max_per_buyer: terms.max_per_buyer.map(integer),
        budget: terms.budget,
        starts_at: terms.starts_at.map(micros),
        ends_at: terms.ends_at.map(micros),
        archived: code.archived,
        used: 0,
        spent: 0,
        version: integer(code.version),
        created_at: micros(code.created_at),
        updated_at: micros(code.updated_at),
        opens: ids(&terms.opens),
    }
}
