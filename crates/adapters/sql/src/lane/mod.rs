//! The store of the booking desk: one transaction for a whole batch.
//!
//! Raw statements are the rule here, since here each microsecond counts (ADR 0005 names the others): `postgres` and `sqlite`
//! lock lanes and write batches, each in the way that its engine does fastest. What a batch must load (rarely, for the desk
//! remembers the sale of a lane by its version) is ordinary SeaORM, in `load`; what a batch seldom writes is so too, in
//! `rare`. Both run on the very connection of the transaction, by [`SqlTransaction`].
//!
//! Whoever is done without anything to write commits all the same: it costs one round trip and no write, and the lanes
//! are free when it returns. Dropping a transaction rolls it back in the background.

mod load;
mod postgres;
mod promo;
mod rare;
mod sqlite;
mod waiting_list;

pub(crate) use load::{among, check_in_lists, check_ins, payments, refunds, sales, whole_bookings};
pub(crate) use postgres::PostgresLanes;
pub(crate) use promo::codes as promo_codes;
pub(crate) use rare::insert_types;

use std::collections::HashMap;

use application::booking::{
    BookingChange, CommitError, Holding, LaneChanges, LaneKey, LaneStore, LaneTransaction, LaneWait, LockedLane,
    LockedLanes, WhoWaits, WhoWaitsFor,
};
use application::idempotency::{CallerId, IdempotencyKey, KeptAnswer};
use application::origin::Actor;
use application::payment::ProviderEventKey;
use application::store::StoreError;
use async_trait::async_trait;
use domain::admission::{CheckIn, CheckInList, Ticket};
use domain::booking::{Booking, BookingStatus, Buyer, PromoCode, PromoUse, PromoWord, Sale, WaitingListEntry};
use domain::payment::{Payment, Refund};
use domain::pricing::{Of, PricePart, Rate};
use domain::{
    BookingId, CheckInId, OutboxId, PromoCodeId, TicketId, TicketTypeId, Timestamp, UserId, WaitingListEntryId,
};
use uuid::Uuid;

use crate::connect::{Database, Engine};
use crate::error::bad_row;
#[cfg(feature = "negative-control")]
use crate::error::orm;
use crate::mapping::{instant, integer, micros};
use crate::transaction::SqlTransaction;

#[async_trait]
impl LaneStore for Database {
    async fn begin_lanes(&self, lanes: &[LaneKey], wait: LaneWait) -> Result<LockedLanes, StoreError> {
        let (transaction, locked, busy) = self.open_lanes(lanes, wait).await?;
        let open = OpenLanes {
            transaction,
            #[cfg(feature = "negative-control")]
            locks_to_write: self.locks_lanes_to_write(),
        };
        Ok(LockedLanes { transaction: Box::new(open), locked, busy })
    }

    async fn was_committed(&self, lane: LaneKey, proof: OutboxId) -> Result<bool, StoreError> {
        let (connection, _, _) = self.open_lanes(&[lane], LaneWait::Queue).await?;
        // It sees what was committed while it waited: on PostgreSQL each statement takes a new snapshot, and on SQLite
        // the transaction began when the writer was free.
        let found = load::outbox_has(&connection, proof.uuid()).await?;
        connection.commit().await?;
        Ok(found)
    }
}

impl Database {
    async fn open_lanes(&self, lanes: &[LaneKey], wait: LaneWait) -> Result<Opened, StoreError> {
        let keys: Vec<Uuid> = lanes.iter().map(|lane| lane.uuid()).collect();
        match self.engine() {
            Engine::Postgres { lanes, .. } => lanes.begin(&keys, wait).await,
            #[cfg(feature = "negative-control")]
            Engine::Sqlite { writer, .. } if self.locks_lanes_to_write() => sqlite::begin(writer, "BEGIN", &keys).await,
            Engine::Sqlite { writer, .. } => sqlite::begin(writer, "BEGIN IMMEDIATE", &keys).await,
        }
    }
}

/// A transaction with the lanes that it has locked, and those that others hold.
type Opened = (SqlTransaction, Vec<LockedLane>, Vec<LaneKey>);

/// A lane as it was read and locked.
type LaneRow = (Uuid, i64, i64);

fn locked_lane((key, version, decided_at): LaneRow) -> Result<LockedLane, StoreError> {
    let version = u64::try_from(version).map_err(|_| bad_row("version of a lane", version))?;
    Ok(LockedLane { key: LaneKey::new(key), version, decided_at: instant(decided_at)? })
}

/// A row of a kept answer: caller, word, fingerprint, snapshot, time.
type AnswerRow = (Uuid, String, Vec<u8>, String, i64);

fn kept_answer((caller, word, fingerprint, snapshot, kept_at): AnswerRow) -> Result<KeptAnswer, StoreError> {
    let fingerprint = fingerprint.as_slice().try_into().map_err(|_| bad_row("fingerprint", fingerprint.len()))?;
    let key = IdempotencyKey { caller: CallerId::new(caller), key: word.into(), fingerprint };
    Ok(KeptAnswer { key, snapshot, at: instant(kept_at)? })
}

/// A transaction of the desk.
struct OpenLanes {
    transaction: SqlTransaction,
    /// Whether it has only read so far, without the lock of SQLite's only writer.
    #[cfg(feature = "negative-control")]
    locks_to_write: bool,
}

#[async_trait]
impl LaneTransaction for OpenLanes {
    async fn sales(&mut self, lanes: &[LaneKey]) -> Result<Vec<Sale>, StoreError> {
        let keys: Vec<Uuid> = lanes.iter().map(|lane| lane.uuid()).collect();
        sales(&self.transaction, &keys).await
    }

    async fn bookings(&mut self, ids: &[BookingId]) -> Result<Vec<Booking>, StoreError> {
        load::bookings(&self.transaction, ids).await
    }

    async fn price_parts(&mut self, of: &[BookingId]) -> Result<HashMap<BookingId, Vec<PricePart>>, StoreError> {
        load::price_parts(&self.transaction, of).await
    }

    async fn promo_uses(&mut self, of: &[BookingId]) -> Result<HashMap<BookingId, PromoUse>, StoreError> {
        promo::uses(&self.transaction, of).await
    }

    async fn promo_codes(
        &mut self,
        named: &[(LaneKey, PromoWord)],
        ids: &[PromoCodeId],
    ) -> Result<Vec<PromoCode>, StoreError> {
        promo::codes(&self.transaction, named, ids).await
    }

    async fn count_promo_codes(&mut self, lane: LaneKey) -> Result<u64, StoreError> {
        promo::count(&self.transaction, lane).await
    }

    async fn promo_uses_of(
        &mut self,
        of: &[(PromoCodeId, LaneKey, Buyer)],
        now: Timestamp,
    ) -> Result<Vec<(PromoCodeId, Buyer, u32)>, StoreError> {
        promo::of_buyers(&self.transaction, of, now).await
    }

    async fn tickets(&mut self, ids: &[TicketId]) -> Result<Vec<Ticket>, StoreError> {
        load::tickets(&self.transaction, ids).await
    }

    async fn check_ins(&mut self, ids: &[CheckInId], of: &[TicketId]) -> Result<Vec<CheckIn>, StoreError> {
        check_ins(&self.transaction, ids, of).await
    }

    async fn check_in_lists(&mut self, lane: LaneKey) -> Result<Vec<CheckInList>, StoreError> {
        check_in_lists(&self.transaction, lane).await
    }

    async fn payments(&mut self, of: &[BookingId]) -> Result<Vec<Payment>, StoreError> {
        payments(&self.transaction, of).await
    }

    async fn refunds(&mut self, of: &[BookingId]) -> Result<Vec<Refund>, StoreError> {
        refunds(&self.transaction, of).await
    }

    async fn provider_events(&mut self, among: &[ProviderEventKey]) -> Result<Vec<ProviderEventKey>, StoreError> {
        load::provider_events(&self.transaction, among).await
    }

    async fn lapsed(&mut self, lane: LaneKey, now: Timestamp, limit: u32) -> Result<Vec<Booking>, StoreError> {
        load::lapsed(&self.transaction, lane, now, limit).await
    }

    async fn next_release(&mut self, lane: LaneKey, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        load::next_release(&self.transaction, lane, now).await
    }

    async fn holdings(&mut self, of: &[(LaneKey, Buyer)], now: Timestamp) -> Result<Vec<Holding>, StoreError> {
        load::holdings(&self.transaction, of, now).await
    }

    async fn waiting_list_entries(&mut self, ids: &[WaitingListEntryId]) -> Result<Vec<WaitingListEntry>, StoreError> {
        waiting_list::entries(&self.transaction, ids).await
    }

    async fn last_waiting_list_number(&mut self, lane: LaneKey) -> Result<u64, StoreError> {
        waiting_list::last_number(&self.transaction, lane).await
    }

    async fn open_waiting_list_entries(
        &mut self,
        lane: LaneKey,
        buyers: &[UserId],
    ) -> Result<Vec<(UserId, TicketTypeId)>, StoreError> {
        waiting_list::open_entries(&self.transaction, lane, buyers).await
    }

    async fn who_waits(&mut self, _: LaneKey, asked: &[WhoWaitsFor], limit: u32) -> Result<Vec<WhoWaits>, StoreError> {
        waiting_list::who_waits(&self.transaction, asked, limit).await
    }

    async fn is_booked(&mut self, lane: LaneKey) -> Result<bool, StoreError> {
        load::is_booked(&self.transaction, lane).await
    }

    async fn kept_answers(&mut self, keys: &[IdempotencyKey]) -> Result<Vec<KeptAnswer>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match &mut self.transaction {
            SqlTransaction::Postgres(slot) => postgres::kept_answers(slot.get_mut(), keys).await?,
            SqlTransaction::Sqlite(slot) => sqlite::kept_answers(slot.get_mut(), keys).await?,
        };
        rows.into_iter().map(kept_answer).collect()
    }

    async fn write(&mut self, changes: &LaneChanges) -> Result<(), StoreError> {
        #[cfg(feature = "negative-control")]
        if std::mem::take(&mut self.locks_to_write) {
            use sea_orm::ConnectionTrait;
            self.transaction.execute_unprepared("COMMIT; BEGIN IMMEDIATE").await.map_err(orm)?;
        }
        rare::before(&self.transaction, changes).await?;
        match &mut self.transaction {
            SqlTransaction::Postgres(slot) => postgres::write(slot.get_mut(), changes).await?,
            SqlTransaction::Sqlite(slot) => sqlite::write(slot.get_mut(), changes).await?,
        }
        rare::after(&self.transaction, changes).await
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.transaction.commit_or_tell().await
    }
}

/// A part of the price of a booking, with its place.
type PartRow<'b> = (&'b Booking, i16, &'b PricePart);

/// The parts of the prices of new bookings that have any.
fn price_parts(bookings: &[Booking]) -> Vec<PartRow<'_>> {
    let mut parts = Vec::new();
    for booking in bookings.iter().filter(|booking| !booking.price_parts.is_empty()) {
        parts.extend(booking.price_parts.iter().zip(0_i16..).map(|(part, at)| (booking, at, part)));
    }
    parts
}

/// The promo codes of new bookings that have any.
fn promo_uses(bookings: &[Booking]) -> Vec<(&Booking, &PromoUse)> {
    bookings.iter().filter_map(|booking| Some((booking, booking.promo.as_ref()?))).collect()
}

/// The ticket type of a line of tickets; a fee has none.
fn type_of(part: &PricePart) -> Option<Uuid> {
    match part.of {
        Of::Tickets(ticket_type) => Some(ticket_type.uuid()),
        Of::Fee => None,
    }
}

/// Millionths.
fn rate_of(part: &PricePart) -> Option<i32> {
    part.tax_rate.map(Rate::millionths).map(integer)
}

/// How far the clock of the scanner was behind, in microseconds.
fn skew(entry: &CheckIn) -> Option<i64> {
    entry.synced.map(|synced| synced.skew.num_microseconds().unwrap_or_default())
}

/// The bookings whose tickets are revoked, each with the time of its lane.
fn revoked(changes: &LaneChanges) -> Vec<(Uuid, i64)> {
    let moved: HashMap<BookingId, i64> =
        changes.bookings.iter().map(|change| (change.booking.id, micros(change.booking.updated_at))).collect();
    let at = |booking| moved.get(booking).copied().unwrap_or_else(|| decided_at(changes, *booking));
    changes.revoked.iter().map(|booking| (booking.uuid(), at(booking))).collect()
}

/// When it was decided what this commit changes about a booking, by the time of its lane.
fn decided_at(changes: &LaneChanges, booking: BookingId) -> i64 {
    let change = changes.bookings.iter().find(|change| change.booking.id == booking);
    let at = change.map(|change| change.booking.updated_at);
    let at = at.or_else(|| changes.lanes.iter().map(|lane| lane.decided_at).max());
    micros(at.unwrap_or_default())
}

/// A row of `holds`: event, when it lapses, booking.
type HoldRow = (Uuid, i64, Uuid);

/// The rows that stand for those of these bookings that are pending.
fn standing<'b>(bookings: impl IntoIterator<Item = &'b Booking>) -> Vec<HoldRow> {
    let pending = bookings.into_iter().filter(|booking| booking.status == BookingStatus::Pending);
    pending.filter_map(|booking| Some(hold_row(booking, booking.hold?.release_at))).collect()
}

/// The rows that stood for these bookings and go: of those that end, and of those that move to another place.
fn ended(changes: &[BookingChange]) -> Vec<HoldRow> {
    let moving = changes.iter().filter(|change| moves(change));
    moving.filter_map(|change| Some(hold_row(&change.booking, change.release_before?))).collect()
}

/// The rows that stand for these bookings at another place from now on.
fn renewed(changes: &[BookingChange]) -> Vec<HoldRow> {
    standing(changes.iter().filter(|change| moves(change)).map(|change| &change.booking))
}

/// Whether the hold of this booking ends or moves; what is told of a booking leaves its hold where it is.
fn moves(change: &BookingChange) -> bool {
    let BookingChange { booking, release_before } = change;
    booking.status != BookingStatus::Pending || booking.hold.map(|hold| hold.release_at) != *release_before
}

fn hold_row(booking: &Booking, release_at: Timestamp) -> HoldRow {
    (booking.event.uuid(), micros(release_at), booking.id.uuid())
}

/// Says which rows were to change when fewer did.
fn check_changed(what: &str, expected: usize, changed: u64) -> Result<(), StoreError> {
    if u64::try_from(expected).is_ok_and(|expected| expected == changed) {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("{what}: {changed} of {expected} rows changed")))
}

/// The number of an actor's kind in the audit log, and the id of the account or the key.
pub(crate) fn actor(actor: Actor) -> (i16, Option<Uuid>) {
    match actor {
        Actor::System => (0, None),
        Actor::Anonymous => (1, None),
        Actor::User(user) => (2, Some(user.uuid())),
        Actor::Key(key) => (3, Some(key.uuid())),
    }
}
