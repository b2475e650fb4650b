//! The model: what a sale must do, said as simply as it can be. It knows the list of bookings and counts them anew each
//! time; it has no counters, no batches, no memory of what was sold out.

use chrono::TimeDelta;
use domain::Timestamp;

use crate::commands::{By, Command, TYPES};

/// For how long a booking holds.
pub(crate) const HOLD: TimeDelta = TimeDelta::seconds(60);
/// For how long an offer to who waits holds.
pub(crate) const OFFER: TimeDelta = TimeDelta::seconds(900);
/// No renewal goes beyond.
pub(crate) const HOLD_END: TimeDelta = TimeDelta::hours(2);
/// What the types cost.
pub(crate) const PRICES: [i64; TYPES] = [100, 0];
/// The most units of the first type for one booking, and for one buyer.
pub(crate) const PER_BOOKING: u32 = 4;
pub(crate) const PER_BUYER: u32 = 6;
/// Capacities in the beginning.
pub(crate) const CAPACITIES: [Option<u32>; TYPES] = [Some(7), Some(6)];
pub(crate) const HALL: Option<u32> = Some(10);

/// What must come of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    Done,
    /// One of these codes.
    Refused(Vec<&'static str>),
}

fn refused(code: &'static str) -> Expected {
    Expected::Refused(vec![code])
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Pending,
    Confirmed,
    Cancelled,
    Expired,
}

/// A booking, as the model knows it and as it is seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) id: uuid::Uuid,
    pub(crate) buyer: usize,
    pub(crate) units: [u32; TYPES],
    pub(crate) status: Status,
    pub(crate) total: i64,
    /// While it is pending.
    pub(crate) expires: Option<Timestamp>,
}

/// An entry of the waiting list, as the model knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) id: uuid::Uuid,
    buyer: usize,
    ticket_type: usize,
    quantity: u32,
    state: Waits,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    Waiting,
    /// By the booking at this place.
    Offered(usize),
    Withdrawn,
    Closed,
}

/// An entry as it is seen from outside: buyer, type, quantity and status.
pub(crate) type SeenEntry = (usize, usize, u32, String);

/// What is seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// By their numbers.
    pub(crate) entries: Vec<SeenEntry>,
    /// Oldest first.
    pub(crate) bookings: Vec<Known>,
    /// Capacity, held and sold of each type's own pool, then of the hall.
    pub(crate) pools: Vec<(Option<u32>, u32, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    now: Timestamp,
    capacities: [Option<u32>; TYPES],
    hall: Option<u32>,
    is_paused: bool,
    pub(crate) bookings: Vec<Known>,
    /// Of each booking, when its hold ends at the latest.
    ends: Vec<Timestamp>,
    /// Of each booking, whether it was ever confirmed.
    bought: Vec<bool>,
    pub(crate) entries: Vec<Entry>,
    /// How many offers were made before the present command.
    offered_before: usize,
}

impl Known {
    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && self.expires.is_some_and(|expires| expires <= now)
    }

    fn occupies(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Pending | Status::Confirmed) && !self.has_lapsed(now)
    }
}

impl Model {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            capacities: CAPACITIES,
            hall: HALL,
            is_paused: false,
            bookings: vec![],
            ends: vec![],
            bought: vec![],
            entries: vec![],
            offered_before: 0,
        }
    }

    pub(crate) fn pass(&mut self, now: Timestamp) {
        self.now = now;
    }

    pub(crate) fn expected(&self, command: &Command) -> Expected {
        let named = |n: &usize| self.bookings.get(*n);
        match command {
            Command::Hold { buyer, units } => self.expected_hold(*buyer, sum(units)),
            Command::Confirm(n) => named(n).map_or(Expected::Done, |known| match known.status {
                Status::Confirmed => Expected::Done,
                Status::Cancelled => refused("invalid_state"),
                Status::Expired => refused("booking_expired"),
                Status::Pending if known.has_lapsed(self.now) => refused("booking_expired"),
                Status::Pending => Expected::Done,
            }),
            Command::Renew(n) => named(n).map_or(Expected::Done, |known| match known.status {
                Status::Confirmed | Status::Cancelled => refused("invalid_state"),
                Status::Expired => refused("booking_expired"),
                Status::Pending if known.has_lapsed(self.now) => refused("booking_expired"),
                Status::Pending => Expected::Done,
            }),
            Command::Cancel(n, _) => named(n).map_or(Expected::Done, |known| match known.status {
                Status::Expired => refused("booking_expired"),
                Status::Confirmed if known.total > 0 => refused("invalid_state"),
                _ => Expected::Done,
            }),
            Command::Resize(ticket_type, capacity) => self.expected_resize(*capacity, |units| units[*ticket_type]),
            Command::ResizeHall(capacity) => self.expected_resize(*capacity, |units| units.iter().sum()),
            Command::Join { buyer, ticket_type, quantity } => self.expected_join(*buyer, *ticket_type, *quantity),
            Command::Withdraw(n) => self.entries.get(*n).map_or(Expected::Done, |entry| match entry.state {
                Waits::Waiting | Waits::Withdrawn => Expected::Done,
                Waits::Closed => refused("invalid_state"),
                Waits::Offered(at) => match self.bookings[at].status {
                    Status::Pending | Status::Cancelled => Expected::Done,
                    Status::Confirmed => refused("invalid_state"),
                    Status::Expired => refused("booking_expired"),
                },
            }),
            Command::Resume if self.is_paused && !self.can_sell() => refused("invalid_state"),
            Command::Sweep(_) | Command::Pause | Command::Resume | Command::Wait(_) => Expected::Done,
        }
    }

    fn expected_join(&self, buyer: usize, ticket_type: usize, quantity: u32) -> Expected {
        let units = only(ticket_type, quantity);
        let there_are = [self.capacities[ticket_type], self.hall].into_iter().flatten().min();
        let is_open = |entry: &Entry| match entry.state {
            Waits::Waiting => true,
            Waits::Offered(at) => self.bookings[at].status == Status::Pending,
            Waits::Withdrawn | Waits::Closed => false,
        };
        let has_one = |entry: &Entry| entry.buyer == buyer && entry.ticket_type == ticket_type && is_open(entry);
        if self.is_paused {
            refused("sales_closed")
        } else if self.is_over_limit(buyer, units) {
            refused("limit_exceeded")
        } else if there_are.is_some_and(|most| quantity > most) {
            refused("validation_failed")
        } else if self.has_room(units) {
            refused("invalid_state")
        } else if self.entries.iter().any(has_one) {
            refused("already_exists")
        } else {
            Expected::Done
        }
    }

    /// Offers what is free to who waits, in their order: nobody waits for what he could have.
    pub(crate) fn serve(&mut self) -> usize {
        let before = self.bookings.len();
        for at in 0..self.entries.len() {
            let Entry { buyer, ticket_type, quantity, state, .. } = self.entries[at];
            let units = only(ticket_type, quantity);
            if state != Waits::Waiting || self.is_paused || !self.has_room(units) {
                continue;
            }
            if self.is_over_limit(buyer, units) {
                self.entries[at].state = Waits::Closed;
                continue;
            }
            let total = PRICES[ticket_type] * i64::from(quantity);
            let (status, end) = (Status::Pending, self.now + OFFER);
            self.entries[at].state = Waits::Offered(self.bookings.len());
            self.bookings.push(Known { id: uuid::Uuid::nil(), buyer, units, status, total, expires: Some(end) });
            self.ends.push(end);
            self.bought.push(false);
        }
        self.bookings.len() - before
    }

    /// What is done before a command that may take stock.
    pub(crate) fn serve_before(&mut self, command: &Command) {
        let takes = matches!(command, Command::Hold { .. } | Command::Join { .. });
        self.offered_before = if takes { self.serve() } else { 0 };
    }

    fn is_over_limit(&self, buyer: usize, units: [u32; TYPES]) -> bool {
        let mine = self.bookings.iter().filter(|known| known.buyer == buyer && known.occupies(self.now));
        let his: u32 = mine.map(|known| known.units[0]).sum();
        units[0] > PER_BOOKING || (units[0] > 0 && his + units[0] > PER_BUYER)
    }

    fn has_room(&self, units: [u32; TYPES]) -> bool {
        let occupied = |of: &dyn Fn(&Known) -> u32| -> u32 {
            self.bookings.iter().filter(|known| known.occupies(self.now)).map(of).sum()
        };
        let fits = |capacity: Option<u32>, taken: u32, wanted: u32| {
            wanted == 0 || capacity.is_none_or(|capacity| taken + wanted <= capacity)
        };
        (0..TYPES).all(|n| fits(self.capacities[n], occupied(&|known| known.units[n]), units[n]))
            && fits(self.hall, occupied(&|known| known.units.iter().sum()), units.iter().sum())
    }

    fn expected_hold(&self, buyer: usize, units: [u32; TYPES]) -> Expected {
        let mut codes = vec![];
        if self.is_paused {
            codes.push("sales_closed");
        } else if self.is_over_limit(buyer, units) {
            codes.push("limit_exceeded");
        }
        if !self.has_room(units) {
            // Known sold out is refused from memory, before anything else is looked at.
            codes.push("sold_out");
        }
        if codes.is_empty() { Expected::Done } else { Expected::Refused(codes) }
    }

    /// What has lapsed and was not taken back yet still counts here.
    fn expected_resize(&self, capacity: Option<u32>, of: impl Fn(&[u32; TYPES]) -> u32) -> Expected {
        let open = |known: &&Known| matches!(known.status, Status::Pending | Status::Confirmed);
        let occupied: u32 = self.bookings.iter().filter(open).map(|known| of(&known.units)).sum();
        if capacity.is_none_or(|capacity| occupied <= capacity) { Expected::Done } else { refused("invalid_state") }
    }

    fn can_sell(&self) -> bool {
        self.hall != Some(0) && self.capacities.iter().any(|capacity| *capacity != Some(0))
    }

    /// What a command does that is done.
    pub(crate) fn done(&mut self, command: &Command, booking: Option<uuid::Uuid>, now: Timestamp) {
        match command {
            Command::Hold { buyer, units } => {
                let units = sum(units);
                let total = PRICES.iter().zip(units).map(|(price, units)| price * i64::from(units)).sum();
                let status = if total == 0 { Status::Confirmed } else { Status::Pending };
                let expires = (status == Status::Pending).then(|| now + HOLD);
                let id = booking.unwrap_or_default();
                // Its id was made before those of the offers that came first.
                let at = self.bookings.len() - self.offered_before;
                self.bookings.insert(at, Known { id, buyer: *buyer, units, status, total, expires });
                self.ends.insert(at, now + HOLD_END);
                self.bought.insert(at, status == Status::Confirmed);
                for entry in &mut self.entries {
                    if let Waits::Offered(place) = &mut entry.state {
                        *place += usize::from(*place >= at);
                    }
                }
            }
            Command::Confirm(n) => {
                self.becomes(*n, Status::Confirmed);
                if let Some(bought) = self.bought.get_mut(*n) {
                    *bought = true;
                }
            }
            Command::Join { buyer, ticket_type, quantity } => self.entries.push(Entry {
                id: booking.unwrap_or_default(),
                buyer: *buyer,
                ticket_type: *ticket_type,
                quantity: *quantity,
                state: Waits::Waiting,
            }),
            Command::Withdraw(n) => match self.entries.get(*n).map(|entry| entry.state) {
                Some(Waits::Waiting) => self.entries[*n].state = Waits::Withdrawn,
                Some(Waits::Offered(at)) => self.becomes(at, Status::Cancelled),
                _ => {}
            },
            Command::Cancel(n, By::Buyer | By::Organizer) => self.becomes(*n, Status::Cancelled),
            Command::Renew(n) => {
                if let (Some(known), Some(end)) = (self.bookings.get_mut(*n), self.ends.get(*n)) {
                    known.expires = known.expires.map(|expires| expires.max((now + HOLD).min(*end)));
                }
            }
            Command::Resize(ticket_type, capacity) => self.capacities[*ticket_type] = *capacity,
            Command::ResizeHall(capacity) => self.hall = *capacity,
            Command::Pause => self.is_paused = true,
            Command::Resume => self.is_paused = false,
            Command::Sweep(_) | Command::Wait(_) => {}
        }
    }

    fn becomes(&mut self, n: usize, status: Status) {
        if let Some(known) = self.bookings.get_mut(n) {
            known.status = status;
            known.expires = None;
        }
    }

    /// Says what is seen otherwise than it must be. What has lapsed may be seen as pending, or as expired.
    pub(crate) fn compare(&self, seen: &Seen) -> Result<(), String> {
        if seen.bookings.len() != self.bookings.len() {
            return Err(format!("{} bookings are seen", seen.bookings.len()));
        }
        for (known, seen) in self.bookings.iter().zip(&seen.bookings) {
            // The id of an offer is not known before it is seen.
            let known = &Known { id: if known.id.is_nil() { seen.id } else { known.id }, ..known.clone() };
            let lapsed = Known { status: Status::Expired, expires: None, ..known.clone() };
            if seen != known && !(known.has_lapsed(self.now) && *seen == lapsed) {
                return Err(format!("{seen:?} is seen"));
            }
        }
        let units = |status: Status, of: &dyn Fn(&Known) -> u32| -> u32 {
            seen.bookings.iter().filter(|known| known.status == status).map(of).sum()
        };
        let pool = |capacity: Option<u32>, of: &dyn Fn(&Known) -> u32| {
            (capacity, units(Status::Pending, of), units(Status::Confirmed, of))
        };
        let mut pools: Vec<_> = (0..TYPES).map(|n| pool(self.capacities[n], &|known| known.units[n])).collect();
        pools.push(pool(self.hall, &|known| known.units.iter().sum()));
        let overfull = |(capacity, held, sold): &&(Option<u32>, u32, u32)| capacity.is_some_and(|it| held + sold > it);
        match (pools == seen.pools, pools.iter().find(overfull)) {
            (true, None) => Ok(()),
            (_, Some(pool)) => Err(format!("oversold: {pool:?}")),
            _ => Err(format!("the pools are {:?} and should be {pools:?}", seen.pools)),
        }
    }

    /// Takes over which lapsed holds were taken back: that is the desk's own affair.
    pub(crate) fn adopt(&mut self, seen: &Seen) {
        self.bookings.clone_from(&seen.bookings);
    }

    /// Says which entries are seen otherwise than they must be, once it is known what has lapsed.
    pub(crate) fn compare_entries(&self, seen: &Seen) -> Result<(), String> {
        let status = |entry: &Entry| match entry.state {
            Waits::Waiting => "waiting",
            Waits::Withdrawn => "withdrawn",
            Waits::Closed => "closed",
            Waits::Offered(at) => match self.bookings[at].status {
                Status::Pending => "offered",
                Status::Confirmed => "purchased",
                Status::Cancelled if self.bought[at] => "purchased",
                Status::Cancelled => "withdrawn",
                Status::Expired => "expired",
            },
        };
        let of = |entry: &Entry| (entry.buyer, entry.ticket_type, entry.quantity, status(entry).to_owned());
        let expected: Vec<SeenEntry> = self.entries.iter().map(of).collect();
        if expected == seen.entries { Ok(()) } else { Err(format!("{:?} wait, and should {expected:?}", seen.entries)) }
    }
}

fn only(ticket_type: usize, quantity: u32) -> [u32; TYPES] {
    std::array::from_fn(|n| if n == ticket_type { quantity } else { 0 })
}

fn sum(units: &[(usize, u32)]) -> [u32; TYPES] {
    let of = |n: usize| units.iter().filter(|(ticket_type, _)| *ticket_type == n).map(|(_, units)| units).sum();
    std::array::from_fn(of)
}
