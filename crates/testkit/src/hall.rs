//! One event on sale over a real database, and any number of desks on it, each with connections of its own, as so many
//! processes would have.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_sql::Database;
use adapter_system::SystemIds;
use application::booking::{BookingFilter, BookingReads, Command, Desk, DeskSettings, Outcome};
use application::catalog::{CatalogReads, SeenSale};
use application::clock::{Clock, Ids};
use application::error::AppError;
use application::idempotency::IdempotencyKey;
use application::origin::Origin;
use application::store::Store;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::{Booking, Buyer, Channel, HoldRequest, Reference, Sale, SaleChange, Units, UnitsRequest};
use domain::catalog::{Event, Member, MemberRole, NewEvent, NewTicketType, Organizer, Reach, StatusChange};
use domain::identity::{Account, Role, User};
use domain::{BookingId, EmailAddress, EventId, OrganizerId, PoolId, TicketTypeId, UserId};

use crate::clock::TestClock;
use crate::databases::{Engine, TestDatabase, still};

/// The event, its database and its first desk.
pub struct Hall {
    /// The database; the fixture drops it.
    pub test: TestDatabase,
    /// The clock of every desk.
    pub clock: TestClock,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// The first desk.
    pub desk: Desk,
    /// The event.
    pub event: EventId,
    /// Its types in order.
    pub types: Vec<TicketTypeId>,
    /// Its organizer's account, and the buyer of whom nobody says otherwise.
    pub user: UserId,
}

/// A ticket type of this price and capacity.
#[must_use]
pub fn ticket_type(price: i64, capacity: Option<i64>) -> NewTicketType {
    NewTicketType { name: "Standing".into(), price, capacity, ..NewTicketType::default() }
}

impl Hall {
    /// Puts an event with these types on sale; holds last a minute.
    ///
    /// # Panics
    /// When the database does not do what it should.
    pub async fn open(engine: Engine, types: &[NewTicketType]) -> Self {
        Self::open_in(TestDatabase::create(engine).await, types, None).await
    }

    /// The same in a database that was made before, with a shared pool of this capacity that all types draw from.
    ///
    /// # Panics
    /// When the database does not do what it should.
    pub async fn open_in(test: TestDatabase, types: &[NewTicketType], shared: Option<i64>) -> Self {
        let clock = TestClock::default();
        let ids: Arc<dyn Ids> = Arc::new(SystemIds::default());
        let user = UserId::new(ids.uuid());
        let sale = sale(&*ids, &clock, types, shared);
        let (event, type_ids) = (sale.event.id, sale.ticket_types.iter().map(|known| known.id).collect());
        insert(&test.database, user, &sale, &clock).await;
        let desk = desk(&test.database, &clock, &ids, test.engine);
        let hall = Self { test, clock, ids, desk, event, types: type_ids, user };
        hall.change(SaleChange::Step(StatusChange::Publish)).await.expect("a sound draft can be published");
        hall
    }

    /// One more desk, as in another process.
    pub async fn another_desk(&self) -> Desk {
        desk(&self.test.open().await, &self.clock, &self.ids, self.test.engine)
    }

    /// One more desk where the engine allows several processes; the first one again on SQLite.
    pub async fn another_desk_if(&self, engine: Engine) -> Desk {
        if engine == Engine::Postgres { self.another_desk().await } else { self.desk.clone() }
    }

    /// A request for units of the first type.
    #[must_use]
    pub fn request(&self, buyer: UserId, quantity: u32) -> HoldRequest {
        self.request_of(buyer, &[(0, quantity)])
    }

    /// A request for units of several types, by their place.
    #[must_use]
    pub fn request_of(&self, buyer: UserId, units: &[(usize, u32)]) -> HoldRequest {
        let units = units.iter().map(|(at, quantity)| Units {
            ticket_type: self.types[*at],
            quantity: *quantity,
            unit_price: None,
        });
        hold_request(&*self.ids, buyer, units.collect())
    }

    /// Holds units of the first type for the fixture's buyer.
    ///
    /// # Errors
    /// The desk's.
    pub async fn hold(&self, quantity: u32) -> Result<Booking, AppError> {
        hold(&self.desk, self.event, self.request(self.user, quantity), None).await
    }

    /// Puts a command on the lane by the first desk.
    ///
    /// # Errors
    /// The desk's.
    pub async fn submit(&self, command: Command) -> Result<Outcome, AppError> {
        self.desk.submit(self.event, command, Origin::system("test"), None).await.map(|answer| answer.value)
    }

    /// Changes the terms of the sale.
    ///
    /// # Errors
    /// The desk's.
    pub async fn change(&self, change: SaleChange) -> Result<Outcome, AppError> {
        self.submit(Command::Change { change: Box::new(change), expected_version: None }).await
    }

    /// The sale as the database has it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn sale(&self) -> SeenSale {
        still(async || self.test.database.sale(self.event).await)
            .await
            .expect("the sale can be read")
            .expect("the sale is there")
    }

    /// All bookings of the event.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn bookings(&self) -> Vec<Booking> {
        let all = BookingFilter::default();
        still(async || self.test.database.bookings_in(self.event, &all, None, 100_000).await)
            .await
            .expect("bookings can be read")
    }

    /// Fails the test if any invariant does not hold.
    ///
    /// # Panics
    /// With the differences.
    pub async fn verify(&self) {
        let report = still(async || self.test.database.verify().await).await.expect("the database can be verified");
        assert_eq!(report.differences, [], "every invariant holds");
    }
}

/// What a buyer asks a desk for.
#[must_use]
pub fn hold_request(ids: &dyn Ids, buyer: UserId, units: Vec<Units>) -> HoldRequest {
    HoldRequest {
        id: BookingId::new(ids.uuid()),
        reference: Reference::of(ids.random(), 0),
        buyer: Buyer::Account(buyer),
        channel: Channel::Api,
        units: UnitsRequest::Listed(units),
        attendees: vec![],
        expected_total: None,
        promo_code: None,
    }
}

/// Holds by a desk.
///
/// # Errors
/// The desk's.
///
/// # Panics
/// When the desk answers with something else than a booking.
pub async fn hold(
    desk: &Desk,
    event: EventId,
    request: HoldRequest,
    key: Option<IdempotencyKey>,
) -> Result<Booking, AppError> {
    let answer = desk.submit(event, Command::Hold(Box::new(request)), Origin::system("test"), key).await?;
    match answer.value {
        Outcome::Booking(booking) => Ok(*booking),
        other => panic!("a hold led to {other:?}"),
    }
}

fn desk(database: &Database, clock: &TestClock, ids: &Arc<dyn Ids>, engine: Engine) -> Desk {
    let committers = if engine == Engine::Sqlite { 1 } else { 3 };
    let settings = DeskSettings { committers, ..DeskSettings::default() };
    Desk::open(Arc::new(database.clone()), Arc::new(clock.clone()), Arc::clone(ids), settings)
}

fn sale(ids: &dyn Ids, clock: &TestClock, types: &[NewTicketType], shared: Option<i64>) -> Sale {
    let new = NewEvent {
        name: "Concert".into(),
        description: None,
        venue: None,
        timezone: "Europe/Warsaw".into(),
        currency: "PLN".into(),
        start_at: clock.now() + TimeDelta::days(30),
        end_at: clock.now() + TimeDelta::days(31),
        hold_seconds: 60,
        pricing: None,
        blocks_disputed: None,
        waiting_list: Some(true),
        offer_seconds: None,
    };
    let organizer = OrganizerId::new(ids.uuid());
    let event = Event::try_new(EventId::new(ids.uuid()), organizer, &new, ids.random(), clock.now());
    let mut sale =
        Sale { event: event.expect("a sound event"), ticket_types: vec![], pools: vec![], waiting: BTreeMap::new() };
    let mut pool_ids = vec![];
    if let Some(capacity) = shared {
        pool_ids.push(PoolId::new(ids.uuid()));
        sale = sale.with_pool(pool_ids[0], "Hall", Some(capacity), "").expect("a sound pool");
    }
    for new in types {
        let new = NewTicketType { pool_ids: pool_ids.clone(), ..new.clone() };
        let (id, own) = (TicketTypeId::new(ids.uuid()), PoolId::new(ids.uuid()));
        sale = sale.with_ticket_type(id, own, &new, "").expect("a sound ticket type");
    }
    sale
}

async fn insert(database: &Database, user: UserId, sale: &Sale, clock: &TestClock) {
    let email = EmailAddress::trusted(format!("{user}@example.com"));
    let account = Account { user: User::new(user, email, None, Role::Organizer, clock.now()), password: None };
    let organizer =
        Organizer::try_new(sale.event.organizer, "Promoter", None, user.uuid().as_u64_pair().1, clock.now());
    let organizer = organizer.expect("a sound organizer");
    let (role, reach) = (MemberRole::Owner, Reach::All);
    let owner = Member { organizer: organizer.id, user, role, reach, since: clock.now() };
    let mut uow = database.begin().await.expect("a transaction");
    let inserted = uow.insert_user(&account).await.expect("an account");
    assert_eq!(inserted, application::identity::UserInsert::Inserted);
    assert!(uow.insert_organizer(&organizer, &owner).await.expect("an organizer"));
    assert!(uow.insert_sale(sale).await.expect("an event"));
    // As the use case would: an event's messages count its versions.
    let message = application::journal::OutboxRow {
        id: domain::OutboxId::new(sale.event.id.uuid()),
        aggregate: sale.event.id.uuid(),
        sequence: 1,
        kind: "goticket.event.created.v1",
        at: clock.now(),
        data: "{}".into(),
        traceparent: None,
    };
    uow.append_outbox(&[message]).await.expect("a message");
    uow.commit().await.expect("a commit");
}
