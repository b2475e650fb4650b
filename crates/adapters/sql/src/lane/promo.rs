//! Promo codes on the lane: what few batches read, and the rows of codes themselves, which fewer write. How often codes are
//! used is written set-wise, beside the stock.

use std::collections::{HashMap, HashSet};

use application::booking::{LaneChanges, LaneKey};
use application::store::StoreError;
use domain::booking::{Buyer, PromoCode, PromoUse, PromoWord};
use domain::{BookingId, PromoCodeId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};
use uuid::Uuid;

use super::load::occupying_of;
use super::{among, check_changed};
use crate::entity::{promo_code, promo_use};
use crate::error::{bad_row, orm};
use crate::mapping::{self, promo_code_row};
use crate::unit_of_work::CHUNK;

/// The codes of these texts in these events, and those of these ids, in no order; one may come twice.
pub(crate) async fn codes(
    connection: &impl ConnectionTrait,
    named: &[(LaneKey, PromoWord)],
    ids: &[PromoCodeId],
) -> Result<Vec<PromoCode>, StoreError> {
    let mut rows = Vec::new();
    let asked: HashSet<(Uuid, &str)> = named.iter().map(|(lane, word)| (lane.uuid(), word.as_str())).collect();
    let mut events: Vec<Uuid> = asked.iter().map(|(event, _)| *event).collect();
    events.sort_unstable();
    events.dedup();
    let mut words: Vec<&str> = asked.iter().map(|(_, word)| *word).collect();
    words.sort_unstable();
    words.dedup();
    for words in words.chunks(CHUNK) {
        let here = promo_code::Entity::find().filter(among(connection, promo_code::Column::EventId, &events));
        let here = here.filter(promo_code::Column::Code.is_in(words.iter().copied()));
        let found = here.all(connection).await.map_err(orm)?;
        rows.extend(found.into_iter().filter(|row| asked.contains(&(row.event_id, row.code.as_str()))));
    }
    if !ids.is_empty() {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let these = promo_code::Entity::find().filter(among(connection, promo_code::Column::Id, &ids));
        rows.append(&mut these.all(connection).await.map_err(orm)?);
    }
    rows.into_iter().map(mapping::promo_code).collect()
}

/// How many codes an event has.
pub(super) async fn count(connection: &impl ConnectionTrait, lane: LaneKey) -> Result<u64, StoreError> {
    let here = promo_code::Entity::find().filter(promo_code::Column::EventId.eq(lane.uuid()));
    here.count(connection).await.map_err(orm)
}

/// With which codes these bookings were made.
pub(crate) async fn uses(
    connection: &impl ConnectionTrait,
    of: &[BookingId],
) -> Result<HashMap<BookingId, PromoUse>, StoreError> {
    if of.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let rows = promo_use::Entity::find().filter(among(connection, promo_use::Column::BookingId, &ids));
    let rows = rows.all(connection).await.map_err(orm)?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let mut codes: Vec<PromoCodeId> = rows.iter().map(|row| PromoCodeId::new(row.promo_code_id)).collect();
    codes.sort_unstable();
    codes.dedup();
    let codes = self::codes(connection, &[], &codes).await?;
    let of_row = |row: promo_use::Model| {
        let id = PromoCodeId::new(row.promo_code_id);
        let code = codes.iter().find(|known| known.id == id).ok_or_else(|| bad_row("promo code of a booking", id))?;
        let used = PromoUse { id, code: code.code.clone(), discount: row.discount };
        Ok((BookingId::new(row.booking_id), used))
    };
    rows.into_iter().map(of_row).collect()
}

/// How many bookings of these buyers hold these codes (not lapsed at `now`) or are confirmed with them.
pub(super) async fn of_buyers(
    connection: &impl ConnectionTrait,
    of: &[(PromoCodeId, LaneKey, Buyer)],
    now: Timestamp,
) -> Result<Vec<(PromoCodeId, Buyer, u32)>, StoreError> {
    let buyers: Vec<(LaneKey, Buyer)> = of.iter().map(|(_, lane, buyer)| (*lane, buyer.clone())).collect();
    let owners = occupying_of(connection, &buyers, now).await?;
    let ids: Vec<Uuid> = owners.keys().copied().collect();
    let mut sums: HashMap<(PromoCodeId, Buyer), u32> = HashMap::new();
    for ids in ids.chunks(CHUNK) {
        let rows = promo_use::Entity::find().filter(among(connection, promo_use::Column::BookingId, ids));
        for row in rows.all(connection).await.map_err(orm)? {
            if let Some((_, buyer)) = owners.get(&row.booking_id) {
                *sums.entry((PromoCodeId::new(row.promo_code_id), buyer.clone())).or_default() += 1;
            }
        }
    }
    Ok(sums.into_iter().map(|((code, buyer), uses)| (code, buyer, uses)).collect())
}

/// Writes new codes, and other terms of known ones; uses are counted elsewhere.
pub(super) async fn write(connection: &impl ConnectionTrait, changes: &LaneChanges) -> Result<(), StoreError> {
    for chunk in changes.new_promo_codes.chunks(CHUNK) {
        let rows = chunk.iter().map(|code| promo_code_row(code).into_active_model());
        promo_code::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    }
    for code in &changes.promo_codes {
        let mut row = promo_code_row(code).into_active_model().reset_all();
        (row.used, row.spent) = (NotSet, NotSet);
        let update = promo_code::Entity::update_many().set(row).filter(promo_code::Column::Id.eq(code.id.uuid()));
        let done = update.exec(connection).await.map_err(orm)?;
        check_changed("promo codes", 1, done.rows_affected)?;
    }
    Ok(())
}
