//! The faces of the application that the sequences are played through, and what is seen of a sale afterwards.

use application::booking::{BookingFilter, BookingReads, Command as DeskCommand, Outcome, WaitingListReads};
use application::catalog::CatalogReads;
use application::clock::Clock;
use application::error::AppError;
use application::origin::Origin;
use chrono::TimeDelta;
use domain::booking::{
    Booking, BookingStatus, Buyer, Canceller, Channel, HoldRequest, JoinRequest, Reference, SaleChange, Units,
    UnitsRequest,
};
use domain::catalog::{StatusChange, TicketTypeEdit};
use domain::identity::Role;
use domain::{BookingId, EventId, PoolId, TicketTypeId, Timestamp, UserId, WaitingListEntryId};
use goticket_testkit::app::{Caller, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world_of};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Through;
use crate::commands::{BUYERS, By, Command, TYPES};
use crate::rules::{
    CAPACITIES, HALL, HOLD, Known, Model, OFFER, PER_BOOKING, PER_BUYER, PRICES, Seen, SeenEntry, Status,
};

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    /// Done; with the booking that it made, if it made one.
    Done(Option<Uuid>),
    /// Refused with this code.
    Refused(String),
}

/// An application with its people.
pub(crate) struct Stage {
    pub(crate) world: World,
    buyers: Vec<Caller>,
}

impl Stage {
    pub(crate) async fn set(engine: Engine) -> Self {
        let mut settings = Settings::default();
        // The sequences make days pass; nobody shall have to sign in again.
        settings.identity.access_ttl = TimeDelta::days(3_000);
        let world = world_of(TestApp::start_with(engine, settings).await).await;
        // What is confirmed is invoiced, so that the documents are compared with the bookings in the end.
        let organizer = world.draft(1, 1).await["organizerId"].as_str().unwrap().to_owned();
        let seller = json!({ "name": "Club", "addressLines": ["1 Main Street"], "country": "PL", "series": "FV" });
        world.organizer.put(&format!("/api/v1/organizers/{organizer}/invoicing"), &seller).await.expect(200);
        let mut buyers = vec![world.buyer.clone()];
        while buyers.len() < BUYERS {
            buyers.push(world.app.account(&format!("buyer-{}", buyers.len()), Role::User).await);
        }
        Self { world, buyers }
    }
}

/// One event, played through the desk or over HTTP.
pub(crate) struct Face<'a> {
    stage: &'a Stage,
    through: Through,
    event: Uuid,
    types: Vec<Uuid>,
    hall: Uuid,
}

fn id(body: &Value) -> Uuid {
    body["id"].as_str().unwrap().parse().unwrap()
}

impl<'a> Face<'a> {
    /// A new event, on sale.
    pub(crate) async fn open(stage: &'a Stage, through: Through) -> Self {
        let organizer = &stage.world.organizer;
        let body = json!({
            "name": "Model", "startAt": "2040-01-01T00:00:00Z", "endAt": "2040-01-02T00:00:00Z",
            "holdSeconds": HOLD.num_seconds(), "waitingList": true, "offerSeconds": OFFER.num_seconds(),
        });
        let event = id(&organizer.post("/api/v1/events", &body).await.expect(201));
        let path = format!("/api/v1/events/{event}");
        let hall = json!({ "name": "Hall", "capacity": HALL });
        let hall = id(&organizer.post(&format!("{path}/pools"), &hall).await.expect(201));
        let mut types = vec![];
        for n in 0..TYPES {
            let mut body =
                json!({ "name": format!("T{n}"), "price": PRICES[n], "capacity": CAPACITIES[n], "poolIds": [hall] });
            if n == 0 {
                (body["maxPerBooking"], body["maxPerBuyer"]) = (json!(PER_BOOKING), json!(PER_BUYER));
            }
            types.push(id(&organizer.post(&format!("{path}/ticket-types"), &body).await.expect(201)));
        }
        organizer.act(&format!("{path}/publish")).await.expect(200);
        Self { stage, through, event, types, hall }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.stage.world.app.clock.now()
    }

    /// Carries out a command; none where it names a booking that was never made.
    pub(crate) async fn act(&self, command: &Command, model: &Model) -> Option<Answered> {
        if let Command::Wait(seconds) = command {
            self.stage.world.app.clock.step(TimeDelta::seconds((*seconds).into()));
            return Some(Answered::Done(None));
        }
        let booking = match command {
            Command::Confirm(n) | Command::Cancel(n, _) | Command::Renew(n) => Some(model.bookings.get(*n)?.clone()),
            _ => None,
        };
        let entry = match command {
            Command::Withdraw(n) => model.entries.get(*n)?.id,
            _ => Uuid::nil(),
        };
        Some(match (self.through, command) {
            // The sweeper has no address of its own.
            (Through::Desk, _) | (Through::Rest, Command::Sweep(_)) => self.submit(command, booking, entry).await,
            (Through::Rest, _) => answered(self.send(command, booking, entry).await),
        })
    }

    async fn submit(&self, command: &Command, booking: Option<Known>, entry: Uuid) -> Answered {
        let app = &self.stage.world.app;
        let command = self.desk_command(command, booking.map(|known| BookingId::new(known.id)), entry);
        match app.desk.submit(EventId::new(self.event), command, Origin::system("test"), None).await {
            Ok(answer) => Answered::Done(match answer.value {
                Outcome::Booking(booking) => Some(booking.id.uuid()),
                Outcome::Ticket(..)
                | Outcome::Scan(_)
                | Outcome::Unpaid(_)
                | Outcome::Scans(_)
                | Outcome::CheckIn(_)
                | Outcome::CheckInList(_)
                | Outcome::Synced(_) => None,
                Outcome::Payment(..) | Outcome::KnownPayment(_) => None,
                Outcome::Refunds(..) | Outcome::KnownRefunds(_) => None,
                Outcome::Expired(_) | Outcome::Sale(_) | Outcome::PromoCode(_) | Outcome::Deleted => None,
                Outcome::WaitingListEntry(entry) => Some(entry.id.uuid()),
                Outcome::OffersMade => None,
            }),
            Err(AppError::Internal) => panic!("a defect"),
            Err(error) => Answered::Refused(error.code().to_owned()),
        }
    }

    fn desk_command(&self, command: &Command, booking: Option<BookingId>, entry: Uuid) -> DeskCommand {
        let change = |change: SaleChange| DeskCommand::Change { change: Box::new(change), expected_version: None };
        let booking = booking.unwrap_or(BookingId::new(Uuid::nil()));
        match command {
            Command::Hold { buyer, units } => DeskCommand::Hold(Box::new(self.hold_request(*buyer, units))),
            Command::Confirm(_) => DeskCommand::Confirm { booking, note: None },
            Command::Cancel(_, By::Buyer) => DeskCommand::Cancel(booking, Canceller::Buyer),
            Command::Cancel(_, By::Organizer) => DeskCommand::Cancel(booking, Canceller::Organizer),
            Command::Renew(_) => DeskCommand::Renew(booking),
            Command::Sweep(most) => DeskCommand::Expire(*most),
            Command::Resize(n, capacity) => {
                let edit = TicketTypeEdit { capacity: Some(capacity.map(i64::from)), ..TicketTypeEdit::default() };
                change(SaleChange::EditTicketType { id: TicketTypeId::new(self.types[*n]), edit })
            }
            Command::ResizeHall(capacity) => {
                let capacity = Some(capacity.map(i64::from));
                change(SaleChange::EditPool { id: PoolId::new(self.hall), name: None, capacity })
            }
            Command::Pause => change(SaleChange::Step(StatusChange::Pause)),
            Command::Resume => change(SaleChange::Step(StatusChange::Resume)),
            Command::Join { buyer, ticket_type, quantity } => {
                let buyer = UserId::new(self.stage.buyers[*buyer].user());
                let (id, ticket_type) = (self.stage.world.app.ids.uuid(), TicketTypeId::new(self.types[*ticket_type]));
                let (id, ticket_type) = (WaitingListEntryId::new(id), Some(ticket_type));
                DeskCommand::JoinWaitingList(Box::new(JoinRequest { id, buyer, ticket_type, quantity: *quantity }))
            }
            Command::Withdraw(_) => DeskCommand::WithdrawFromWaitingList(WaitingListEntryId::new(entry)),
            Command::Wait(_) => unreachable!("time passes without the desk"),
        }
    }

    fn hold_request(&self, buyer: usize, units: &[(usize, u32)]) -> HoldRequest {
        let (app, buyer) = (&self.stage.world.app, UserId::new(self.stage.buyers[buyer].user()));
        let units = units.iter().map(|(n, quantity)| Units {
            ticket_type: TicketTypeId::new(self.types[*n]),
            quantity: *quantity,
            unit_price: None,
        });
        HoldRequest {
            id: BookingId::new(app.ids.uuid()),
            reference: Reference::of(app.ids.random(), 0),
            buyer: Buyer::Account(buyer),
            channel: Channel::Api,
            units: UnitsRequest::Listed(units.collect()),
            attendees: vec![],
            expected_total: None,
            promo_code: None,
        }
    }

    async fn send(&self, command: &Command, booking: Option<Known>, entry: Uuid) -> Reply {
        let path = format!("/api/v1/events/{}", self.event);
        let organizer = &self.stage.world.organizer;
        let own = booking.as_ref().map(|known| format!("/api/v1/bookings/{}", known.id)).unwrap_or_default();
        let buyer = booking.as_ref().map_or(organizer, |known| &self.stage.buyers[known.buyer]);
        match command {
            Command::Hold { buyer, units } => {
                let item =
                    |(n, quantity): &(usize, u32)| json!({ "ticketTypeId": self.types[*n], "quantity": quantity });
                let body = json!({ "items": units.iter().map(item).collect::<Vec<_>>() });
                self.stage.buyers[*buyer].post(&format!("{path}/bookings"), &body).await
            }
            Command::Confirm(_) => organizer.act(&format!("{own}/confirm")).await,
            Command::Cancel(_, By::Buyer) => buyer.act(&format!("{own}/cancel")).await,
            Command::Cancel(_, By::Organizer) => organizer.act(&format!("{own}/cancel")).await,
            Command::Renew(_) => buyer.act(&format!("{own}/renew")).await,
            Command::Resize(n, capacity) => {
                let path = format!("{path}/ticket-types/{}", self.types[*n]);
                organizer.patch(&path, &json!({ "capacity": capacity })).await
            }
            Command::ResizeHall(capacity) => {
                organizer.patch(&format!("{path}/pools/{}", self.hall), &json!({ "capacity": capacity })).await
            }
            Command::Join { buyer, ticket_type, quantity } => {
                let body = json!({ "ticketTypeId": self.types[*ticket_type], "quantity": quantity });
                self.stage.buyers[*buyer].post(&format!("{path}/waiting-list"), &body).await
            }
            Command::Withdraw(_) => organizer.act(&format!("/api/v1/waiting-list/{entry}/withdraw")).await,
            Command::Pause => organizer.act(&format!("{path}/pause")).await,
            Command::Resume => organizer.act(&format!("{path}/resume")).await,
            Command::Sweep(_) | Command::Wait(_) => unreachable!("they have no address"),
        }
    }

    /// What is seen of the sale: its bookings as the face tells them, and its pools as the store has them.
    pub(crate) async fn seen(&self) -> Seen {
        let mut bookings = match self.through {
            Through::Desk => self.stored_bookings().await,
            Through::Rest => self.told_bookings().await,
        };
        bookings.reverse();
        let database = &self.stage.world.app.database.database;
        let sale = database.sale(EventId::new(self.event)).await.unwrap().unwrap().sale;
        let own = |n: &Uuid| sale.ticket_type(TicketTypeId::new(*n)).unwrap().own_pool;
        let pools = self.types.iter().map(own).chain([PoolId::new(self.hall)]);
        let stock = |pool: PoolId| sale.pool(pool).map(|pool| (pool.capacity, pool.held, pool.sold)).unwrap();
        let entries = match self.through {
            Through::Desk => self.stored_entries().await,
            Through::Rest => self.told_entries().await,
        };
        Seen { entries, bookings, pools: pools.map(stock).collect() }
    }

    async fn stored_entries(&self) -> Vec<SeenEntry> {
        let database = &self.stage.world.app.database.database;
        let entries = database.waiting_list_in(EventId::new(self.event), None, 1_000).await.unwrap();
        let of = |seen: &application::booking::SeenEntry| {
            let ticket_type = self.ticket_type(seen.entry.ticket_type.uuid());
            (self.buyer(seen.entry.buyer.uuid()), ticket_type, seen.entry.quantity, seen.status.as_str().to_owned())
        };
        entries.iter().map(of).collect()
    }

    async fn told_entries(&self) -> Vec<SeenEntry> {
        let path = format!("/api/v1/events/{}/waiting-list?limit=100", self.event);
        let page = self.stage.world.organizer.get(&path).await.expect(200);
        let uuid = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let of = |entry: &Value| {
            let quantity = u32::try_from(entry["quantity"].as_u64().unwrap()).unwrap();
            let (buyer, ticket_type) =
                (self.buyer(uuid(&entry["userId"])), self.ticket_type(uuid(&entry["ticketTypeId"])));
            (buyer, ticket_type, quantity, entry["status"].as_str().unwrap().to_owned())
        };
        page["items"].as_array().unwrap().iter().map(of).collect()
    }

    fn ticket_type(&self, id: Uuid) -> usize {
        self.types.iter().position(|known| *known == id).unwrap()
    }

    async fn stored_bookings(&self) -> Vec<Known> {
        let database = &self.stage.world.app.database.database;
        let all = BookingFilter::default();
        let bookings = database.bookings_in(EventId::new(self.event), &all, None, 1_000).await.unwrap();
        bookings.iter().map(|booking| self.known(booking)).collect()
    }

    fn known(&self, booking: &Booking) -> Known {
        let status = match booking.status {
            BookingStatus::Pending => Status::Pending,
            BookingStatus::Confirmed => Status::Confirmed,
            BookingStatus::Cancelled => Status::Cancelled,
            BookingStatus::Expired => Status::Expired,
        };
        let Buyer::Account(user) = &booking.buyer else { panic!("there are no guests here") };
        let of = |n: usize| booking.items.iter().find(|item| item.ticket_type.uuid() == self.types[n]);
        Known {
            id: booking.id.uuid(),
            buyer: self.buyer(user.uuid()),
            units: std::array::from_fn(|n| of(n).map_or(0, |item| item.quantity)),
            status,
            total: booking.total.minor,
            expires: booking.hold.filter(|_| status == Status::Pending).map(|hold| hold.expires_at),
        }
    }

    async fn told_bookings(&self) -> Vec<Known> {
        let path = format!("/api/v1/events/{}/bookings?limit=100", self.event);
        let page = self.stage.world.organizer.get(&path).await.expect(200);
        assert!(page["nextCursor"].is_null(), "all on one page");
        page["items"].as_array().unwrap().iter().map(|booking| self.told(booking)).collect()
    }

    fn told(&self, booking: &Value) -> Known {
        let status = match booking["status"].as_str().unwrap() {
            "pending" => Status::Pending,
            "confirmed" => Status::Confirmed,
            "cancelled" => Status::Cancelled,
            "expired" => Status::Expired,
            other => panic!("{other} is no status"),
        };
        let items = booking["items"].as_array().unwrap();
        let of = |n: usize| items.iter().find(|item| item["ticketTypeId"] == json!(self.types[n]));
        let quantity = |n: usize| of(n).map_or(0, |item| item["quantity"].as_u64().unwrap());
        Known {
            id: id(booking),
            buyer: self.buyer(booking["buyer"]["userId"].as_str().unwrap().parse().unwrap()),
            units: std::array::from_fn(|n| u32::try_from(quantity(n)).unwrap()),
            status,
            total: booking["total"].as_i64().unwrap(),
            expires: booking["expiresAt"].as_str().filter(|_| status == Status::Pending).map(|at| at.parse().unwrap()),
        }
    }

    fn buyer(&self, user: Uuid) -> usize {
        self.stage.buyers.iter().position(|buyer| buyer.user() == user).unwrap()
    }
}

fn answered(reply: Reply) -> Answered {
    if reply.status.is_success() {
        let made = reply.body["id"].as_str().filter(|_| reply.status == 201);
        return Answered::Done(made.map(|id| id.parse().unwrap()));
    }
    let code = reply.body["code"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    reply.problem(reply.status.as_u16(), &code);
    assert!(!reply.status.is_server_error(), "{reply:?}");
    Answered::Refused(code)
}
