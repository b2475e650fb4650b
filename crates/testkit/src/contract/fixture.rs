//! A world to test stores in: ids and instants that a test can foretell, a sale, and the rows that the desk would write
//! for a decision.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use application::booking::{BookingChange, LaneChanges, LaneMark, LaneStore, LaneWait, PoolChange};
use application::idempotency::{IdempotencyKey, KeptAnswer};
use application::journal::{AuditRow, OutboxRow, Personal};
use application::origin::Actor;
use application::store::{Store, StoreError};
use chrono::TimeDelta;
use domain::admission::{Ticket, issue};
use domain::booking::{Booking, BookingItem, BookingStatus, Buyer, Channel, HoldTerms, Reference, Sale, StockMove};
use domain::catalog::{Event, Member, MemberRole, NewEvent, NewTicketType, Organizer, Reach};
use domain::identity::{Account, Role, User};
use domain::payment::{Books, FreshIds, Settlement, confirm_paid};
use domain::{
    BookingId, EmailAddress, EventId, LedgerTransactionId, Money, OrganizerId, OutboxId, PaymentId, PoolId, RefundId,
    TicketId, TicketTypeId, Timestamp, UserId,
};
use uuid::Uuid;

use crate::databases::{TestDatabase, still};

/// An id that is larger than all before it.
#[must_use]
pub fn id() -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    uuid::Builder::from_unix_timestamp_millis(
        1_700_000_000_000 + count,
        &count.to_be_bytes().repeat(2)[6..].try_into().expect("ten bytes"),
    )
    .into_uuid()
}

/// The present of every test, with microseconds.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_timestamp_micros(1_790_000_000_123_456).expect("a time")
}

/// So many seconds after the present.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    now() + TimeDelta::seconds(seconds)
}

/// A new account of the role.
#[must_use]
pub fn account(role: Role) -> Account {
    let user = UserId::new(id());
    let email = EmailAddress::parse("email", &format!("{user}@example.com")).expect("an address");
    Account { user: User::new(user, email, None, role, now()), password: None }
}

/// A new organizer, and its owner.
#[must_use]
pub fn organizer(owner: UserId) -> (Organizer, Member) {
    let fresh = OrganizerId::new(id());
    let organizer = Organizer::try_new(fresh, "Zażółć Gęślą", None, fresh.uuid().as_u64_pair().1, now());
    let organizer = organizer.expect("an organizer");
    let member =
        Member { organizer: organizer.id, user: owner, role: MemberRole::Owner, reach: Reach::All, since: now() };
    (organizer, member)
}

/// A draft of an event that begins in a day, without anything to sell.
#[must_use]
pub fn event(organizer: OrganizerId, name: &str) -> Sale {
    let new = NewEvent {
        name: name.into(),
        description: Some("Line one\nline two".into()),
        venue: Some("Hala Stulecia".into()),
        timezone: "Europe/Warsaw".into(),
        currency: "PLN".into(),
        start_at: at(86_400),
        end_at: at(90_000),
        hold_seconds: 900,
        pricing: None,
        blocks_disputed: None,
        waiting_list: Some(true),
        offer_seconds: None,
    };
    let fresh = EventId::new(id());
    let event = Event::try_new(fresh, organizer, &new, fresh.uuid().as_u64_pair().1, now()).expect("an event");
    Sale { event, ticket_types: Vec::new(), pools: Vec::new(), waiting: BTreeMap::new() }
}

/// What a ticket type is asked for by.
#[must_use]
pub fn ticket_type(name: &str, capacity: Option<i64>, pool_ids: Vec<PoolId>) -> NewTicketType {
    NewTicketType {
        name: name.into(),
        price: 2500,
        capacity,
        pool_ids,
        max_per_buyer: Some(4),
        sales_start_at: Some(at(-60)),
        ..NewTicketType::default()
    }
}

/// The sale with one more type of this capacity, which draws from these shared pools too.
#[must_use]
pub fn with_type(sale: &Sale, name: &str, capacity: Option<i64>, shared: Vec<PoolId>) -> Sale {
    let new = ticket_type(name, capacity, shared);
    sale.with_ticket_type(TicketTypeId::new(id()), PoolId::new(id()), &new, "").expect("a ticket type")
}

/// A hall for `hall` people, standing room for `standing` of them.
#[must_use]
pub fn concert(organizer: OrganizerId, standing: Option<i64>, hall: Option<i64>) -> Sale {
    let pool = PoolId::new(id());
    let sale = event(organizer, "Wielki Koncert").with_pool(pool, "Hall", hall, "").expect("a pool");
    with_type(&sale, "Standing", standing, vec![pool])
}

/// Stores a concert with all that it needs.
pub async fn stored_concert(database: &TestDatabase, standing: Option<i64>, hall: Option<i64>) -> Sale {
    let (organizer, owner) = stored_organizer(database).await;
    let sale = concert(organizer.id, standing, hall);
    store_sale(database, &sale).await;
    let _ = owner;
    sale
}

/// Stores an organizer with its owner.
pub async fn stored_organizer(database: &TestDatabase) -> (Organizer, Member) {
    let owner = account(Role::Organizer);
    let (organizer, member) = organizer(owner.user.id);
    let mut unit = database.database.begin().await.expect("a unit of work");
    unit.insert_users(&[owner]).await.expect("an account");
    assert!(unit.insert_organizer(&organizer, &member).await.expect("an organizer"));
    unit.commit().await.expect("a commit");
    (organizer, member)
}

/// Stores an event as the use case does, with its first message.
pub async fn store_sale(database: &TestDatabase, sale: &Sale) {
    let mut unit = database.database.begin().await.expect("a unit of work");
    assert!(unit.insert_sale(sale).await.expect("an event"));
    unit.append_outbox(&[message(sale.event.id.uuid(), 1)]).await.expect("a message");
    unit.commit().await.expect("a commit");
}

/// The message of that number about something.
#[must_use]
pub fn message(aggregate: Uuid, sequence: u32) -> OutboxRow {
    OutboxRow {
        id: OutboxId::new(id()),
        aggregate,
        sequence,
        kind: "goticket.test.happened.v1",
        at: now(),
        data: r#"{"fact":"zażółć"}"#.into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    }
}

/// Personal fields that tell an address.
#[must_use]
pub fn personal(address: &str) -> Personal {
    Personal { fields: format!(r#"{{"address":"{address}"}}"#), salt: id().into_bytes() }
}

/// The audit line about a booking.
#[must_use]
pub fn line(booking: &Booking) -> AuditRow {
    AuditRow {
        id: id(),
        at: now(),
        actor: Actor::System,
        organizer: Some(booking.organizer),
        action: "booking.changed",
        object_kind: "booking",
        object: booking.id.uuid(),
        before: None,
        after: Some("{}".into()),
        correlation_id: "test".into(),
        personal: None,
    }
}

/// A booking of so many units of the sale's first type: held until `release`, or confirmed where there is none.
#[must_use]
pub fn booking(sale: &Sale, buyer: Buyer, quantity: u32, release: Option<Timestamp>) -> Booking {
    let sold = &sale.ticket_types[0];
    let item = BookingItem {
        ticket_type: sold.id,
        name: sold.name.clone(),
        quantity,
        cancelled: 0,
        unit_price: sold.price,
        pools: sold.pools().collect(),
    };
    let fresh = id();
    let hold = release.map(|end| HoldTerms { expires_at: end, release_at: end, ends_at: end + TimeDelta::hours(2) });
    Booking {
        id: BookingId::new(fresh),
        reference: Reference::of(fresh.as_u64_pair().1.wrapping_mul(0x9E37_79B9_7F4A_7C15), 0),
        event: sale.event.id,
        organizer: sale.event.organizer,
        buyer,
        channel: Channel::Api,
        items: vec![item],
        attendees: Vec::new(),
        total: Money { minor: sold.price * i64::from(quantity), currency: sale.event.currency },
        price_parts: Vec::new(),
        promo: None,
        status: if hold.is_some() { BookingStatus::Pending } else { BookingStatus::Confirmed },
        hold,
        sequence: 1,
        created_at: now(),
        updated_at: now(),
    }
}

/// A buyer with an account.
#[must_use]
pub fn buyer() -> Buyer {
    Buyer::Account(UserId::new(id()))
}

/// What the desk writes for new bookings.
#[must_use]
pub fn holds(sale: &Sale, bookings: &[Booking]) -> LaneChanges {
    let mut changes = LaneChanges { lanes: vec![mark(sale)], ..LaneChanges::default() };
    for booking in bookings {
        let (held, sold) = if booking.status == BookingStatus::Pending { (1, 0) } else { (0, 1) };
        stock(&mut changes, booking, held, sold);
        told(&mut changes, booking);
    }
    changes.new_bookings = bookings.to_vec();
    changes.new_tickets = bookings.iter().flat_map(tickets).collect();
    for booking in bookings {
        pay(sale, &mut changes, booking);
    }
    changes
}

/// What the desk writes when a hold becomes something else.
#[must_use]
pub fn moved(sale: &Sale, booking: &Booking, status: BookingStatus) -> (Booking, LaneChanges) {
    let mut changes = LaneChanges { lanes: vec![mark(sale)], ..LaneChanges::default() };
    let after = Booking { status, sequence: booking.sequence + 1, updated_at: at(1), ..booking.clone() };
    stock(&mut changes, booking, -1, i64::from(status == BookingStatus::Confirmed));
    told(&mut changes, &after);
    let release_before = booking.hold.map(|hold| hold.release_at);
    changes.bookings = vec![BookingChange { booking: after.clone(), release_before }];
    changes.new_tickets = tickets(&after);
    pay(sale, &mut changes, &after);
    (after, changes)
}

/// Ids for decisions about money.
pub struct Fresh;

impl FreshIds for Fresh {
    fn refund(&mut self) -> RefundId {
        RefundId::new(id())
    }

    fn transaction(&mut self) -> LedgerTransactionId {
        LedgerTransactionId::new(id())
    }
}

/// What was paid by hand for a booking that is confirmed and costs something.
fn pay(sale: &Sale, changes: &mut LaneChanges, booking: &Booking) {
    if booking.status != BookingStatus::Confirmed || booking.total.is_zero() {
        return;
    }
    let held = Booking { status: BookingStatus::Pending, hold: None, ..booking.clone() };
    let books = Books { sale, booking: &held, payments: &[], promo_has_room: true, now: now() };
    let settled = confirm_paid(&books, PaymentId::new(id()), &mut Fresh).expect("a hold can be confirmed");
    let Settlement { payments, entries, .. } = settled.expect("a payment");
    changes.new_payments.extend(payments);
    changes.ledger.extend(entries);
}

/// The tickets of a booking that is confirmed.
#[must_use]
pub fn tickets(booking: &Booking) -> Vec<Ticket> {
    if booking.status == BookingStatus::Confirmed { issue(booking, || TicketId::new(id())) } else { Vec::new() }
}

/// The lane, decided on now.
#[must_use]
pub fn mark(sale: &Sale) -> LaneMark {
    LaneMark { key: sale.event.id, decided_at: now() }
}

fn stock(changes: &mut LaneChanges, booking: &Booking, held: i64, sold: i64) {
    for item in &booking.items {
        for pool in &item.pools {
            let units = i64::from(item.quantity);
            let change = StockMove { pool: *pool, held: held * units, sold: sold * units };
            add(&mut changes.pools, change);
        }
    }
    changes.pools.sort_unstable_by_key(|pool| pool.id);
}

fn add(pools: &mut Vec<PoolChange>, change: StockMove) {
    match pools.iter_mut().find(|pool| pool.id == change.pool) {
        Some(pool) => {
            pool.held += change.held;
            pool.sold += change.sold;
        }
        None => pools.push(PoolChange { id: change.pool, held: change.held, sold: change.sold, settings: None }),
    }
}

fn told(changes: &mut LaneChanges, booking: &Booking) {
    changes.outbox.push(message(booking.id.uuid(), booking.sequence));
    changes.audit.push(line(booking));
}

/// An answer that is kept under a word of somebody.
#[must_use]
pub fn answer(caller: UserId, word: &str, at: Timestamp) -> KeptAnswer {
    let key = IdempotencyKey { caller: caller.into(), key: word.into(), fingerprint: [7; 32] };
    KeptAnswer { key, snapshot: r#"{"v":1}"#.into(), at }
}

/// Writes a batch in a transaction of its own.
///
/// # Errors
/// Those of the store.
pub async fn write(store: &impl LaneStore, changes: &LaneChanges) -> Result<(), StoreError> {
    let lanes: Vec<EventId> = changes.lanes.iter().map(|lane| lane.key).collect();
    let mut open = store.begin_lanes(&lanes, LaneWait::Queue).await?;
    open.transaction.write(changes).await?;
    open.transaction.commit().await.map_err(|error| match error {
        application::booking::CommitError::RolledBack(error) | application::booking::CommitError::Unknown(error) => {
            error
        }
    })
}

/// Fails unless every invariant holds.
pub async fn assert_sound(database: &TestDatabase) {
    use application::verify::Verifier;
    let report = still(async || database.database.verify().await).await.expect("a report");
    assert_eq!(report.differences, [], "every invariant holds");
}
