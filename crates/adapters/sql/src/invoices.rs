//! Invoices and credit notes, and what waits to become some: 17 bytes a booking.

use std::collections::HashMap;

use application::booking::{InvoiceDue, LaneChanges};
use application::invoicing::{BookingToInvoice, DueBatch, InvoiceFilter, InvoiceReads, InvoiceRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::booking::{Booking, Buyer};
use domain::invoicing::{BilledEvent, Invoice, Recipient, Seller, Series};
use domain::payment::Payment;
use domain::{BookingId, EmailAddress, EventId, InvoiceId, OrganizerId, SellerId, Text};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{booking, event, invoice, invoice_due, invoice_line, invoice_series, organizer, seller, user};
use crate::error::{bad_row, orm};
use crate::lane::{among, payments, whole_bookings};
use crate::mapping::{self, instant, micros};
use crate::unit_of_work::{CHANGES_ROW, CHUNK, SqlUnit};

/// Bytes of one booking that waits.
const WIDTH: usize = 17;

/// The rows of a commit: one an organizer, named by the first message about its first booking.
pub(crate) fn due_rows(changes: &LaneChanges) -> Vec<(Uuid, Uuid, Vec<u8>)> {
    let mut rows: Vec<(Uuid, Uuid, Vec<u8>)> = Vec::new();
    for due in &changes.invoices_due {
        let InvoiceDue { booking, organizer, was_confirmed } = due;
        let at = rows.iter().position(|(_, known, _)| *known == organizer.uuid()).or_else(|| {
            let message = changes.outbox.iter().find(|message| message.aggregate == booking.uuid())?;
            rows.push((message.id.uuid(), organizer.uuid(), Vec::with_capacity(WIDTH)));
            Some(rows.len() - 1)
        });
        if let Some((_, _, packed)) = at.and_then(|at| rows.get_mut(at)) {
            packed.push(u8::from(*was_confirmed));
            packed.extend(booking.uuid().into_bytes());
        }
    }
    rows
}

/// The bookings of a row, each with whether it was confirmed.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<(BookingId, bool)>, StoreError> {
    let (bookings, rest) = packed.as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return Err(bad_row("bookings to invoice", packed.len()));
    }
    let read = |[was_confirmed, id @ ..]: &[u8; WIDTH]| match was_confirmed {
        0 | 1 => Ok((BookingId::new(Uuid::from_bytes(*id)), *was_confirmed == 1)),
        other => Err(bad_row("booking to invoice", other)),
    };
    bookings.iter().map(read).collect()
}

#[async_trait]
impl InvoiceReads for Database {
    async fn invoices_due(&self, except: &[OrganizerId], batches: u64) -> Result<Vec<DueBatch>, StoreError> {
        let others = invoice_due::Column::OrganizerId.is_not_in(except.iter().map(|organizer| organizer.uuid()));
        let rows = invoice_due::Entity::find().filter(others).order_by_asc(invoice_due::Column::Id).limit(batches);
        let batch = |row: invoice_due::Model| {
            let organizer = OrganizerId::new(row.organizer_id);
            Ok(DueBatch { id: row.id, organizer, bookings: unpack(&row.bookings)? })
        };
        rows.all(self.reads()).await.map_err(orm)?.into_iter().map(batch).collect()
    }

    async fn seller_of(&self, organizer: OrganizerId) -> Result<Option<Seller>, StoreError> {
        Ok(sellers(self.reads(), &[organizer.uuid()]).await?.pop())
    }

    async fn seller(&self, id: SellerId) -> Result<Option<Seller>, StoreError> {
        let row = seller::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(mapping::seller).transpose()
    }

    async fn invoice(&self, id: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        let row = invoice::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        Ok(with_lines(self.reads(), row.into_iter().collect()).await?.pop())
    }

    async fn invoices_of(&self, booking: BookingId) -> Result<Vec<Invoice>, StoreError> {
        documents_of(self.reads(), &[booking.uuid()]).await
    }

    async fn invoices_in(
        &self,
        organizer: OrganizerId,
        filter: &InvoiceFilter,
        before: Option<InvoiceId>,
        rows: u64,
    ) -> Result<Vec<Invoice>, StoreError> {
        use invoice::Column;
        let mut wanted = Condition::all()
            .add(Column::OrganizerId.eq(organizer.uuid()))
            .add_option(before.map(|before| Column::Id.lt(before.uuid())))
            .add_option(filter.from.map(|from| Column::IssuedAt.gte(micros(from))))
            .add_option(filter.until.map(|until| Column::IssuedAt.lt(micros(until))));
        if let Some(number) = &filter.number {
            // A number or a year that no row can have is one of no document.
            let (Ok(year), Ok(count)) = (i16::try_from(number.year), i64::try_from(number.number)) else {
                return Ok(Vec::new());
            };
            wanted = wanted.add(Column::Series.eq(number.series.as_str()));
            wanted = wanted.add(Column::Year.eq(year)).add(Column::Number.eq(count));
        }
        let page = invoice::Entity::find().filter(wanted).order_by_desc(Column::Id).limit(rows);
        let rows = page.all(self.reads()).await.map_err(orm)?;
        with_lines(self.reads(), rows).await
    }
}

#[async_trait]
impl InvoiceRepository for SqlUnit {
    async fn lock_sellers(&mut self, organizers: &[OrganizerId]) -> Result<Vec<Seller>, StoreError> {
        let ids: Vec<Uuid> = organizers.iter().map(|organizer| organizer.uuid()).collect();
        let lock = organizer::Entity::find().select_only().column(organizer::Column::Id);
        let lock = lock.filter(among(&self.0, organizer::Column::Id, &ids)).order_by_asc(organizer::Column::Id);
        lock.lock(CHANGES_ROW).into_tuple::<Uuid>().all(&self.0).await.map_err(orm)?;
        sellers(&self.0, &ids).await
    }

    async fn insert_seller(&mut self, new: &Seller) -> Result<(), StoreError> {
        let insert = seller::Entity::insert(mapping::seller_row(new).into_active_model());
        insert.exec_without_returning(&self.0).await.map_err(orm)?;
        Ok(())
    }

    async fn settle_invoices_due(&mut self, batches: &[Uuid]) -> Result<bool, StoreError> {
        let delete = invoice_due::Entity::delete_many().filter(among(&self.0, invoice_due::Column::Id, batches));
        let deleted = delete.exec(&self.0).await.map_err(orm)?.rows_affected;
        Ok(deleted == batches.len() as u64)
    }

    async fn bookings_to_invoice(&mut self, ids: &[BookingId]) -> Result<Vec<BookingToInvoice>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(CHUNK) {
            found.append(&mut to_invoice(&self.0, some).await?);
        }
        Ok(found)
    }

    async fn take_numbers(
        &mut self,
        organizer: OrganizerId,
        series: &Series,
        year: u16,
        count: u64,
    ) -> Result<u64, StoreError> {
        use invoice_series::Column;
        let many = i64::try_from(count).map_err(|_| bad_row("count of documents", count))?;
        let year = i16::try_from(year).map_err(|_| bad_row("year", year))?;
        let series = series.as_str().to_owned();
        let row = invoice_series::Model { organizer_id: organizer.uuid(), series, year, last: many };
        let further = Expr::col((invoice_series::Entity, Column::Last)).add(many);
        let go_on = OnConflict::columns([Column::OrganizerId, Column::Series, Column::Year])
            .value(Column::Last, further)
            .to_owned();
        let insert = invoice_series::Entity::insert(row.into_active_model()).on_conflict(go_on);
        let last = insert.exec_with_returning(&self.0).await.map_err(orm)?.last;
        u64::try_from(last - many + 1).map_err(|_| bad_row("number of a document", last))
    }

    async fn insert_invoices(&mut self, invoices: &[Invoice]) -> Result<(), StoreError> {
        for some in invoices.chunks(CHUNK) {
            let rows: Vec<_> = some.iter().map(mapping::invoice_row).collect::<Result<_, _>>()?;
            let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
            invoice::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        let lines: Vec<_> = invoices.iter().flat_map(mapping::invoice_line_rows).collect();
        for some in lines.chunks(CHUNK) {
            let rows = some.iter().cloned().map(IntoActiveModel::into_active_model);
            invoice_line::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }
}

/// The particulars that hold of these organizers.
async fn sellers(connection: &impl ConnectionTrait, organizers: &[Uuid]) -> Result<Vec<Seller>, StoreError> {
    use seller::Column;
    let rows = seller::Entity::find().filter(among(connection, Column::OrganizerId, organizers));
    let rows = rows.order_by_asc(Column::OrganizerId).order_by_desc(Column::Version);
    let mut rows = rows.all(connection).await.map_err(orm)?;
    // The newest of each comes first. There are few of them: they change when a company moves.
    rows.dedup_by_key(|row| row.organizer_id);
    rows.into_iter().map(mapping::seller).collect()
}

/// The documents of these bookings, oldest first.
async fn documents_of(connection: &impl ConnectionTrait, bookings: &[Uuid]) -> Result<Vec<Invoice>, StoreError> {
    let of = || invoice::Entity::find().filter(among(connection, invoice::Column::BookingId, bookings));
    // In the words of the two indexes, neither of which holds all.
    let mut rows = of().filter(invoice::Column::CorrectsId.is_null()).all(connection).await.map_err(orm)?;
    let corrections = of().filter(invoice::Column::CorrectsId.is_not_null());
    rows.append(&mut corrections.all(connection).await.map_err(orm)?);
    rows.sort_unstable_by_key(|row| row.id);
    with_lines(connection, rows).await
}

async fn with_lines(connection: &impl ConnectionTrait, rows: Vec<invoice::Model>) -> Result<Vec<Invoice>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut lines = Vec::new();
    for some in ids.chunks(CHUNK) {
        let of = invoice_line::Entity::find().filter(among(connection, invoice_line::Column::InvoiceId, some));
        lines.append(&mut of.all(connection).await.map_err(orm)?);
    }
    mapping::invoices(rows, lines)
}

/// These bookings with all that documents are made of.
async fn to_invoice(connection: &impl ConnectionTrait, ids: &[BookingId]) -> Result<Vec<BookingToInvoice>, StoreError> {
    let keys: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = booking::Entity::find().filter(among(connection, booking::Column::Id, &keys));
    let bookings = whole_bookings(connection, rows.all(connection).await.map_err(orm)?).await?;
    let events = events(connection, &bookings).await?;
    let accounts = accounts(connection, &bookings).await?;
    let mut documents: HashMap<BookingId, Vec<Invoice>> = HashMap::new();
    for document in documents_of(connection, &keys).await? {
        documents.entry(document.booking).or_default().push(document);
    }
    // Behind the bookings: what has gone back since they were read is noted by a commit that this set does not know.
    let mut paid: HashMap<BookingId, (i64, bool)> = HashMap::new();
    for payment in payments(connection, ids).await? {
        let (sum, is_charged_back) = paid.entry(payment.booking).or_default();
        *sum = sum.saturating_add(payment.booked);
        *is_charged_back |= Payment::is_charged_back(&payment);
    }
    let whole = |booking: Booking| {
        let event = events.get(&booking.event).cloned().ok_or_else(|| bad_row("event of a booking", booking.id))?;
        let (paid, is_charged_back) = paid.get(&booking.id).copied().unwrap_or_default();
        let recipient = match &booking.buyer {
            Buyer::Account(user) => accounts.get(&user.uuid()).cloned().unwrap_or_default(),
            Buyer::Guest(email) => Recipient { name: None, email: reachable(email.as_str()) },
        };
        let documents = documents.remove(&booking.id).unwrap_or_default();
        Ok(BookingToInvoice { booking, event, recipient, paid, is_charged_back, documents })
    };
    bookings.into_iter().map(whole).collect()
}

async fn events(
    connection: &impl ConnectionTrait,
    of: &[Booking],
) -> Result<HashMap<EventId, BilledEvent>, StoreError> {
    use event::Column;
    let mut ids: Vec<Uuid> = of.iter().map(|booking| booking.event.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = event::Entity::find().select_only();
    let rows = rows.columns([Column::Id, Column::Name, Column::StartAt, Column::Timezone]);
    let rows = rows.filter(among(connection, Column::Id, &ids)).into_tuple::<(Uuid, String, i64, String)>();
    let billed = |(id, name, start_at, zone): (Uuid, String, i64, String)| {
        let zone = zone.parse().map_err(|_| bad_row("time zone", &zone))?;
        Ok((EventId::new(id), BilledEvent::starting(Text::trusted(name), instant(start_at)?, zone)))
    };
    rows.all(connection).await.map_err(orm)?.into_iter().map(billed).collect()
}

async fn accounts(connection: &impl ConnectionTrait, of: &[Booking]) -> Result<HashMap<Uuid, Recipient>, StoreError> {
    use user::Column;
    let buyer = |booking: &Booking| match booking.buyer {
        Buyer::Account(user) => Some(user.uuid()),
        Buyer::Guest(_) => None,
    };
    let ids: Vec<Uuid> = of.iter().filter_map(buyer).collect();
    let rows = user::Entity::find().select_only().columns([Column::Id, Column::Name, Column::Email]);
    let rows = rows.filter(among(connection, Column::Id, &ids)).into_tuple::<(Uuid, Option<String>, String)>();
    let rows = rows.all(connection).await.map_err(orm)?.into_iter();
    let known = |(id, name, email): (Uuid, Option<String>, String)| {
        (id, Recipient { name: name.map(Text::trusted), email: reachable(&email) })
    };
    Ok(rows.map(known).collect())
}

/// The pseudonym of who was erased is no address.
fn reachable(email: &str) -> Option<EmailAddress> {
    (!email.ends_with(".invalid")).then(|| EmailAddress::trusted(email.to_owned()))
}
