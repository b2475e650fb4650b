//! How many bookings a second the lane store alone takes: batches of new bookings on one lane or several, each with its
//! item, its message and its audit line, durable.
//!
//!     cargo run --release -p goticket-adapter-sql --example lane_bench -- URL [batch] [seconds] [committers] [keys]
//!
//! The database must be empty or a former one of this program. One committer a lane, as the desk has it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use application::booking::{LaneChanges, LaneMark, LaneStore, LaneWait, PoolChange};
use application::catalog::CatalogRepository;
use application::idempotency::{IdempotencyKey, KeptAnswer};
use application::identity::IdentityRepository;
use application::journal::{AuditRow, OutboxRow};
use application::origin::Actor;
use application::store::{Store, StoreError};
use chrono::TimeDelta;
use domain::booking::{Booking, BookingItem, BookingStatus, Buyer, Channel, HoldTerms, Pool, Reference, Sale};
use domain::catalog::{Event, Member, MemberRole, NewEvent, NewTicketType, Organizer, Reach};
use domain::identity::{Account, Role, User};
use domain::{
    BookingId, Currency, EmailAddress, EventId, Money, OrganizerId, OutboxId, PoolId, TicketTypeId, Timestamp, UserId,
};
use goticket_adapter_sql::{Database, DatabaseSettings};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[expect(clippy::disallowed_methods, reason = "a program to measure with, outside of every rule")]
fn now() -> Timestamp {
    let now = chrono::Utc::now();
    Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

#[expect(clippy::disallowed_methods, reason = "a program to measure with, outside of every rule")]
fn id() -> Uuid {
    Uuid::now_v7()
}

#[expect(clippy::print_stdout, reason = "a program that prints")]
#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().cloned().ok_or("give the URL of a database")?;
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (batch, seconds, committers, keys) = (number(1, 100), number(2, 5), number(3, 1), number(4, 0) > 0);
    let database = Database::connect(&DatabaseSettings::new(url)).await?;
    database.migrate().await?;
    let written = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds as u64);
    let mut tasks = Vec::new();
    let started = Instant::now();
    for _ in 0..committers {
        let sale = make_sale(&database).await?;
        let (database, written) = (database.clone(), Arc::clone(&written));
        tasks.push(tokio::spawn(async move { sell(&database, &sale, batch, keys, end, &written).await }));
    }
    let mut batches = Vec::new();
    for task in tasks {
        batches.extend(task.await??);
    }
    batches.sort_unstable();
    let rate = written.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    let median = batches.get(batches.len() / 2).copied().unwrap_or_default();
    let slow = batches.get(batches.len() * 99 / 100).copied().unwrap_or_default();
    println!(
        "{rate:.0} bookings/s, {:.1} us a booking, batches of {batch} x {committers}: median {median:.1?}, p99 {slow:.1?}",
        1e6 / rate
    );
    Ok(())
}

async fn sell(
    database: &Database,
    sale: &Sale,
    batch: usize,
    keys: bool,
    end: Instant,
    written: &AtomicU64,
) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let changes = changes(sale, batch, keys);
        let started = Instant::now();
        let mut open = database.begin_lanes(&[sale.event.id], LaneWait::Queue).await?;
        match open.transaction.write(&changes).await {
            // Two references in some hundred thousand are alike now and then; the desk would make another.
            Err(StoreError::Conflict(_)) => continue,
            written => written?,
        }
        open.transaction.commit().await?;
        times.push(started.elapsed());
        written.fetch_add(batch as u64, Ordering::Relaxed);
    }
    Ok(times)
}

fn changes(sale: &Sale, batch: usize, keys: bool) -> LaneChanges {
    let now = now();
    let pool = PoolChange { id: sale.pools[0].id, held: batch as i64, sold: 0, settings: None };
    let mut changes = LaneChanges {
        lanes: vec![LaneMark { key: sale.event.id, decided_at: now }],
        pools: vec![pool],
        ..LaneChanges::default()
    };
    for _ in 0..batch {
        let booking = booking(sale, now);
        let data = format!(
            r#"{{"bookingId":"{}","eventId":"{}","organizerId":"{}","status":"pending","items":[{{"ticketTypeId":"{}","quantity":1,"unitPrice":2500}}],"total":2500,"currency":"EUR"}}"#,
            booking.id, booking.event, booking.organizer, booking.items[0].ticket_type
        );
        changes.outbox.push(OutboxRow {
            id: OutboxId::new(id()),
            aggregate: booking.id.uuid(),
            sequence: 1,
            kind: "goticket.booking.held.v1",
            at: now,
            data,
            traceparent: None,
        });
        let user = UserId::new(id());
        changes.audit.push(AuditRow {
            id: id(),
            at: now,
            actor: Actor::User(user),
            organizer: Some(booking.organizer),
            action: "booking.held",
            object_kind: "booking",
            object: booking.id.uuid(),
            before: None,
            after: Some(r#"{"status":"pending","units":1,"total":2500}"#.to_owned()),
            personal: None,
            correlation_id: "0193a6b2-1111-7abc-8def-0123456789ab".into(),
        });
        if keys {
            let word = id().to_string().into();
            let key = IdempotencyKey { caller: user.into(), key: word, fingerprint: [7; 32] };
            changes.answers.push(KeptAnswer {
                key,
                snapshot: format!("{{\"v\":1,\"id\":\"{}\"}}", booking.id),
                at: now,
            });
        }
        changes.new_bookings.push(booking);
    }
    changes
}

fn booking(sale: &Sale, now: Timestamp) -> Booking {
    let sold = &sale.ticket_types[0];
    let item = BookingItem {
        ticket_type: sold.id,
        name: sold.name.clone(),
        quantity: 1,
        cancelled: 0,
        unit_price: sold.price,
        pools: sold.pools().collect(),
    };
    let until = now + TimeDelta::minutes(15);
    let random = (id().as_u128() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Booking {
        id: BookingId::new(id()),
        reference: Reference::of(random, 0),
        event: sale.event.id,
        organizer: sale.event.organizer,
        // Buyers are older than their bookings: their ids lie anywhere in the index.
        buyer: Buyer::Account(UserId::new(Uuid::from_u128(u128::from(random % 10_000) << 64))),
        channel: Channel::Api,
        items: vec![item],
        attendees: Vec::new(),
        total: Money { minor: sold.price, currency: Currency::EUR },
        price_parts: Vec::new(),
        promo: None,
        status: BookingStatus::Pending,
        hold: Some(HoldTerms { expires_at: until, release_at: until, ends_at: now + TimeDelta::hours(2) }),
        sequence: 1,
        created_at: now,
        updated_at: now,
    }
}

async fn make_sale(database: &Database) -> Outcome<Sale> {
    let now = now();
    let owner = UserId::new(id());
    let email = EmailAddress::trusted(format!("{owner}@example.com"));
    let organizer = Organizer::try_new(OrganizerId::new(id()), "Bench", None, id().as_u128() as u64, now)
        .map_err(|problems| format!("{problems:?}"))?;
    let event = NewEvent {
        name: "Bench".into(),
        description: None,
        venue: None,
        timezone: "UTC".into(),
        currency: "EUR".into(),
        start_at: now + TimeDelta::days(1),
        end_at: now + TimeDelta::days(2),
        hold_seconds: 900,
        blocks_disputed: None,
        waiting_list: None,
        offer_seconds: None,
        pricing: None,
    };
    let event = Event::try_new(EventId::new(id()), organizer.id, &event, id().as_u128() as u64, now)
        .map_err(|problems| format!("{problems:?}"))?;
    let standing =
        NewTicketType { name: "Standing".into(), price: 2500, capacity: Some(100_000_000), ..NewTicketType::default() };
    let sale = Sale { event, ticket_types: Vec::new(), pools: Vec::<Pool>::new(), waiting: Default::default() };
    let sale = sale.with_ticket_type(TicketTypeId::new(id()), PoolId::new(id()), &standing, "")?;
    let account = Account { user: User::new(owner, email, None, Role::Organizer, now), password: None };
    let (role, reach) = (MemberRole::Owner, Reach::All);
    let member = Member { organizer: organizer.id, user: owner, role, reach, since: now };
    let mut unit = database.begin().await?;
    let _ = IdentityRepository::insert_user(&mut *unit, &account).await?;
    CatalogRepository::insert_organizer(&mut *unit, &organizer, &member).await?;
    CatalogRepository::insert_sale(&mut *unit, &sale).await?;
    unit.commit().await?;
    Ok(sale)
}
