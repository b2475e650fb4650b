//! What people are to be told, as the rows hold it: 37 bytes each, which are a kind, a booking or an event, an amount or a
//! ticket, and the issue of the ticket or a number of tickets.

use application::booking::{LaneChanges, Notice, NoticeBatch, NoticeKind, NoticeReads, NoticeRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{BookingId, EventId, TicketId};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::notice;
use crate::error::{bad_row, orm};
use crate::unit_of_work::SqlUnit;

/// Bytes of one.
const WIDTH: usize = 37;

/// The rows of a commit, named by its first message: one, and one for offers, which end, and so are not to wait behind others.
pub(crate) fn rows(changes: &LaneChanges) -> Vec<(Uuid, Vec<u8>)> {
    let Some(id) = changes.outbox.first().map(|message| message.id.uuid()) else { return Vec::new() };
    let (offers, others): (Vec<Notice>, Vec<Notice>) =
        changes.notices.iter().partition(|notice| matches!(notice, Notice::Booking(_, NoticeKind::Offered)));
    let rows = [(ahead(id), offers), (id, others)];
    rows.into_iter().filter(|(_, notices)| !notices.is_empty()).map(|(id, notices)| (id, pack(&notices))).collect()
}

/// An id before all others, as of a commit long ago: it is told first, and waits for no rush to end.
fn ahead(id: Uuid) -> Uuid {
    let mut bytes = id.into_bytes();
    bytes[..6].fill(0);
    Uuid::from_bytes(bytes)
}

fn pack(notices: &[Notice]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(notices.len() * WIDTH);
    for notice in notices {
        let amount = |minor: &i64| u128::from(minor.unsigned_abs());
        let (of, (code, about, number)) = match notice {
            Notice::EventMoved(event) => (event.uuid(), (8, 0, 0)),
            Notice::Booking(booking, kind) => (
                booking.uuid(),
                match kind {
                    NoticeKind::Confirmed => (0, 0, 0),
                    NoticeKind::Cancelled(minor) => (1, amount(minor), 0),
                    NoticeKind::EventCancelled(minor) => (2, amount(minor), 0),
                    NoticeKind::PaidBack(minor) => (3, amount(minor), 0),
                    NoticeKind::Transferred(ticket, issue) => (4, ticket.uuid().as_u128(), *issue),
                    NoticeKind::OtherPaidBack => (5, 0, 0),
                    NoticeKind::Offered => (6, 0, 0),
                    NoticeKind::TicketsCancelled(tickets, minor) => (7, amount(minor), *tickets),
                },
            ),
        };
        packed.push(code);
        packed.extend(of.into_bytes());
        packed.extend(about.to_be_bytes());
        packed.extend(number.to_be_bytes());
    }
    packed
}

fn unpack(packed: &[u8]) -> Result<Vec<Notice>, StoreError> {
    let (notices, rest) = packed.as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return Err(bad_row("notices", packed.len()));
    }
    let read = |notice: &[u8; WIDTH]| {
        let [code, ids @ ..] = notice;
        let (of, about) = (Uuid::from_u128(u128_of(&ids[..16])), u128_of(&ids[16..32]));
        let number = u32::try_from(u128_of(&ids[32..])).unwrap_or(u32::MAX);
        let amount = i64::try_from(about);
        let kind = match (code, amount) {
            (0, _) => NoticeKind::Confirmed,
            (1, Ok(amount)) => NoticeKind::Cancelled(amount),
            (2, Ok(amount)) => NoticeKind::EventCancelled(amount),
            (3, Ok(amount)) => NoticeKind::PaidBack(amount),
            (4, _) => NoticeKind::Transferred(TicketId::new(Uuid::from_u128(about)), number),
            (5, _) => NoticeKind::OtherPaidBack,
            (6, _) => NoticeKind::Offered,
            (7, Ok(amount)) => NoticeKind::TicketsCancelled(number, amount),
            (8, _) => return Ok(Notice::EventMoved(EventId::new(of))),
            _ => return Err(bad_row("kind of a notice", code)),
        };
        Ok(Notice::Booking(BookingId::new(of), kind))
    };
    notices.iter().map(read).collect()
}

fn u128_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[async_trait]
impl NoticeReads for Database {
    async fn oldest_notices(&self) -> Result<Option<NoticeBatch>, StoreError> {
        let oldest = notice::Entity::find().order_by_asc(notice::Column::Id);
        let row = oldest.one(self.reads()).await.map_err(orm)?;
        row.map(|row| Ok(NoticeBatch { id: row.id, notices: unpack(&row.notices)? })).transpose()
    }
}

#[async_trait]
impl NoticeRepository for SqlUnit {
    async fn settle_notices(&mut self, batch: &NoticeBatch, told: usize) -> Result<bool, StoreError> {
        use notice::Column;
        let left = batch.notices.get(told..).unwrap_or_default();
        // They only ever get fewer, so that their number tells whether somebody else was here.
        let as_read = Expr::expr(Func::cust("length").arg(Expr::col(Column::Notices)));
        let as_read = as_read.eq(i64::try_from(batch.notices.len() * WIDTH).unwrap_or(i64::MAX));
        let rows = if left.is_empty() {
            let gone = notice::Entity::delete_many().filter(Column::Id.eq(batch.id)).filter(as_read);
            gone.exec(&self.0).await.map_err(orm)?.rows_affected
        } else {
            let fewer = notice::Entity::update_many().col_expr(Column::Notices, Expr::value(pack(left)));
            fewer.filter(Column::Id.eq(batch.id)).filter(as_read).exec(&self.0).await.map_err(orm)?.rows_affected
        };
        Ok(rows == 1)
    }
}

#[cfg(test)]
mod tests {
    use application::journal::OutboxRow;
    use domain::{OutboxId, Timestamp};

    use super::*;

    #[test]
    fn offers_are_told_before_all_else() {
        let at = |seconds| Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
        let noted = |id: Uuid, kinds: &[NoticeKind]| {
            let notice = |kind: &NoticeKind| Notice::Booking(BookingId::new(Uuid::nil()), *kind);
            let id = OutboxId::new(id);
            let (kind, at, aggregate) = ("test", Timestamp::UNIX_EPOCH, Uuid::nil());
            let message = OutboxRow { id, aggregate, sequence: 1, kind, at, data: String::new(), traceparent: None };
            let notices = kinds.iter().map(notice).collect();
            rows(&LaneChanges { outbox: vec![message], notices, ..LaneChanges::default() })
        };
        let early = noted(at(1_800_000_000), &[NoticeKind::Confirmed]);
        let late = noted(at(1_800_000_009), &[NoticeKind::Confirmed, NoticeKind::Offered, NoticeKind::Confirmed]);
        let of = |kind| Notice::Booking(BookingId::new(Uuid::nil()), kind);
        assert_eq!(unpack(&late[0].1).unwrap(), [of(NoticeKind::Offered)]);
        assert_eq!(unpack(&late[1].1).unwrap(), [of(NoticeKind::Confirmed); 2]);
        assert!(late[0].0 < early[0].0 && early[0].0 < late[1].0);
        assert_eq!(noted(at(1), &[]), []);
    }
}
