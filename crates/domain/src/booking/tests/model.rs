//! Random sequences of commands against the decider, compared with a model that keeps no counters: it knows only the
//! list of bookings and counts them anew each time.

use proptest::prelude::*;

use super::*;
use crate::booking::{
    BookingStatus, Canceller, SaleChange, StockMove, Verdict, cancel, change_sale, confirm, expire, reclaim, renew,
};
use crate::catalog::TicketTypeEdit;

/// Two types; the second and the first share a hall.
const TYPES: u128 = 2;

#[derive(Clone, Debug)]
enum Action {
    Hold { units: Vec<(u128, u32)> },
    Confirm(usize),
    Cancel(usize),
    Renew(usize),
    Sweep,
    Resize { ticket_type: u128, capacity: Option<i64> },
    ResizeHall(i64),
    Wait(i64),
}

fn action() -> impl Strategy<Value = Action> {
    let any_booking = 0_usize..30;
    prop_oneof![
        6 => prop::collection::vec((1..=TYPES, 1_u32..4), 1..3).prop_map(|units| Action::Hold { units }),
        2 => any_booking.clone().prop_map(Action::Confirm),
        2 => any_booking.clone().prop_map(Action::Cancel),
        2 => any_booking.prop_map(Action::Renew),
        1 => Just(Action::Sweep),
        1 => (1..=TYPES, prop::option::weighted(0.9, 0_i64..12))
            .prop_map(|(ticket_type, capacity)| Action::Resize { ticket_type, capacity }),
        1 => (0_i64..16).prop_map(Action::ResizeHall),
        2 => (0_i64..700).prop_map(Action::Wait),
    ]
}

struct World {
    sale: Sale,
    bookings: Vec<Booking>,
    now: i64,
}

impl World {
    fn new() -> Self {
        let hall = draft().with_pool(pool_id(7), "Hall", Some(9), "").unwrap();
        let in_hall =
            |capacity, price| NewTicketType { pool_ids: vec![pool_id(7)], ..ticket_type(price, Some(capacity)) };
        Self { sale: on_sale_with(hall, &[in_hall(5, 100), in_hall(6, 0)]), bookings: vec![], now: 0 }
    }

    fn take(&mut self, decided: Decided) {
        self.sale.apply(&decided.stock).unwrap();
        match self.bookings.iter_mut().find(|known| known.id == decided.booking.id) {
            Some(known) => *known = decided.booking,
            None => self.bookings.push(decided.booking),
        }
    }

    fn act(&mut self, action: &Action) {
        let now = at(self.now);
        match action {
            Action::Wait(seconds) => self.now += seconds,
            Action::Sweep => {
                let due: Vec<_> = self.bookings.iter().filter_map(|known| expire(known, now)).collect();
                due.into_iter().for_each(|decided| self.take(decided));
            }
            Action::Hold { units } => self.hold(units),
            Action::Confirm(n) => self.transition(*n, |sale, booking| confirm(sale, booking, now)),
            Action::Renew(n) => self.transition(*n, |sale, booking| renew(sale, booking, now)),
            Action::Cancel(n) => {
                self.transition(*n, |sale, booking| cancel(sale, booking, Canceller::Organizer, now));
            }
            Action::Resize { ticket_type, capacity } => {
                let edit = TicketTypeEdit { capacity: Some(*capacity), ..TicketTypeEdit::default() };
                self.resize(
                    SaleChange::EditTicketType { id: type_id(*ticket_type), edit },
                    100 + ticket_type,
                    *capacity,
                );
            }
            Action::ResizeHall(capacity) => {
                let change = SaleChange::EditPool { id: pool_id(7), name: None, capacity: Some(Some(*capacity)) };
                self.resize(change, 7, Some(*capacity));
            }
        }
    }

    fn hold(&mut self, units: &[(u128, u32)]) {
        let now = at(self.now);
        let request = request(1_000 + self.bookings.len() as u128, units);
        let asked = |n: u128| units.iter().filter(|(known, _)| *known == n).map(|(_, units)| units).sum::<u32>();
        // The model: a unit fits if what is confirmed or held and has not lapsed leaves room for it in all its pools.
        let fits = |pool: PoolId, wanted: u32| {
            let taken: u32 =
                self.bookings.iter().filter(|known| known.occupies(now)).map(|known| units_in(known, pool)).sum();
            self.sale.pool(pool).unwrap().capacity.is_none_or(|capacity| taken + wanted <= capacity)
        };
        let expected =
            fits(pool_id(101), asked(1)) && fits(pool_id(102), asked(2)) && fits(pool_id(7), asked(1) + asked(2));

        let wanted: Vec<StockMove> = {
            let mut boundless = self.sale.clone();
            boundless.pools.iter_mut().for_each(|pool| pool.capacity = None);
            hold(&boundless, &Holdings::new(), &request, HOLD_END, now).unwrap().stock
        };
        let mut lapsed: Vec<Booking> = self.bookings.iter().filter(|known| known.has_lapsed(now)).cloned().collect();
        lapsed.sort_by_key(|known| known.hold.unwrap().release_at);
        for booking in lapsed {
            if self.sale.has_room(&wanted) {
                break;
            }
            if let Some(decided) = reclaim(&self.sale, &wanted, &booking, now) {
                self.take(decided);
            }
        }
        let decided = hold(&self.sale, &Holdings::new(), &request, HOLD_END, now);
        assert_eq!(decided.is_ok(), expected, "{decided:?}");
        if let Ok(decided) = decided {
            self.take(decided);
        }
    }

    fn transition(&mut self, n: usize, decide: impl Fn(&Sale, &Booking) -> Result<Verdict, Refusal>) {
        let Some(booking) = self.bookings.get(n).cloned() else { return };
        if let Ok(Verdict::Done(decided)) = decide(&self.sale, &booking) {
            self.take(*decided);
            let again = decide(&self.sale, &self.bookings[n]);
            assert!(matches!(again, Ok(Verdict::Already(_))), "the same command twice is done once: {again:?}");
        }
    }

    fn resize(&mut self, change: SaleChange, pool: u128, capacity: Option<i64>) {
        let occupied = self.sale.pool(pool_id(pool)).unwrap().occupied();
        let changed = change_sale(&self.sale, &change, None, at(self.now));
        let expected = capacity.is_none_or(|capacity| i64::from(occupied) <= capacity);
        assert_eq!(changed.is_ok(), expected, "{changed:?}");
        if let Ok(sale) = changed {
            self.sale = sale;
        }
    }

    /// The counters are the sums of the bookings, and nothing is above its capacity (I1, I5, I6).
    fn check(&self) {
        for pool in &self.sale.pools {
            let sum = |status| -> u32 {
                self.bookings.iter().filter(|known| known.status == status).map(|known| units_in(known, pool.id)).sum()
            };
            assert_eq!((pool.held, pool.sold), (sum(BookingStatus::Pending), sum(BookingStatus::Confirmed)));
            assert!(pool.capacity.is_none_or(|capacity| pool.occupied() <= capacity), "{pool:?}");
        }
        for booking in &self.bookings {
            assert!(booking.hold.is_none_or(|hold| hold.expires_at <= hold.ends_at));
        }
    }
}

fn units_in(booking: &Booking, pool: PoolId) -> u32 {
    booking.items.iter().filter(|item| item.pools.contains(&pool)).map(|item| item.quantity).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_counters_fit_and_nothing_is_oversold(actions in prop::collection::vec(action(), 1..60)) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
            world.check();
        }
    }
}
