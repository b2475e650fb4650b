//! The model: what a sale must do, said as simply as it can be. It knows the list of bookings and counts them anew each
//! time; it has no counters, no batches, no memory of what was sold out.

use chrono::TimeDelta;
use domain::Timestamp;

use crate::commands::{By, Command, TYPES};

/// For how long a booking holds.
pub(crate) const HOLD: TimeDelta = TimeDelta::seconds(60);
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

/// What is seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
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
        Self { now, capacities: CAPACITIES, hall: HALL, is_paused: false, bookings: vec![], ends: vec![] }
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
            Command::Resume if self.is_paused && !self.can_sell() => refused("invalid_state"),
            Command::Sweep(_) | Command::Pause | Command::Resume | Command::Wait(_) => Expected::Done,
        }
    }

    fn expected_hold(&self, buyer: usize, units: [u32; TYPES]) -> Expected {
        let occupied = |of: &dyn Fn(&Known) -> u32| -> u32 {
            self.bookings.iter().filter(|known| known.occupies(self.now)).map(of).sum()
        };
        let fits = |capacity: Option<u32>, taken: u32, wanted: u32| {
            wanted == 0 || capacity.is_none_or(|capacity| taken + wanted <= capacity)
        };
        let has_room = (0..TYPES).all(|n| fits(self.capacities[n], occupied(&|known| known.units[n]), units[n]))
            && fits(self.hall, occupied(&|known| known.units.iter().sum()), units.iter().sum());
        let his = occupied(&|known| if known.buyer == buyer { known.units[0] } else { 0 });
        let mut codes = vec![];
        if self.is_paused {
            codes.push("sales_closed");
        } else if units[0] > PER_BOOKING || (units[0] > 0 && his + units[0] > PER_BUYER) {
            codes.push("limit_exceeded");
        }
        if !has_room {
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
                self.bookings.push(Known { id, buyer: *buyer, units, status, total, expires });
                self.ends.push(now + HOLD_END);
            }
            Command::Confirm(n) => self.becomes(*n, Status::Confirmed),
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
}

fn sum(units: &[(usize, u32)]) -> [u32; TYPES] {
    let of = |n: usize| units.iter().filter(|(ticket_type, _)| *ticket_type == n).map(|(_, units)| units).sum();
    std::array::from_fn(of)
}
