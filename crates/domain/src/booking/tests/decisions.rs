//! Decision by decision: done, done twice, refused.

use super::*;
use crate::booking::{
    BookingStatus, Canceller, FactKind, SaleChange, Verdict, cancel, change_sale, confirm, expire, reclaim, renew,
};
use crate::catalog::{EventStatus, TicketTypeEdit};

fn left(refusal: Refusal) -> Vec<(TicketTypeId, u32)> {
    match refusal {
        Refusal::SoldOut { left } => left,
        other => panic!("{other:?}"),
    }
}

fn done(verdict: Verdict) -> Decided {
    match verdict {
        Verdict::Done(decided) => *decided,
        Verdict::Already(booking) => panic!("nothing was done to {booking:?}"),
    }
}

fn code(result: Result<impl std::fmt::Debug, Refusal>) -> &'static str {
    match result.unwrap_err() {
        Refusal::Invalid(problems) => problems.as_slice()[0].code,
        Refusal::NotFound(_) => "not_found",
        Refusal::SoldOut { .. } => "sold_out",
        Refusal::SalesClosed(_) => "sales_closed",
        Refusal::LimitExceeded { .. } => "limit_exceeded",
        Refusal::PriceChanged { .. } => "price_changed",
        Refusal::BookingExpired => "booking_expired",
        Refusal::InvalidState(_) | Refusal::CapacityInUse { .. } => "invalid_state",
        Refusal::VersionMismatch { .. } => "precondition_failed",
    }
}

#[test]
fn a_hold_takes_all_units_or_none() {
    let mut sale = on_sale(&[ticket_type(2500, Some(10)), ticket_type(0, Some(1))]);
    let refusal = held(&mut sale, &request(1, &[(1, 2), (2, 2)]), at(0)).unwrap_err();
    assert_eq!(left(refusal), [(type_id(1), 10), (type_id(2), 1)]);
    assert!(sale.pools.iter().all(|pool| pool.occupied() == 0));

    let booking = held(&mut sale, &request(1, &[(1, 2), (2, 1)]), at(0)).unwrap();
    assert_eq!(booking.total.to_string(), "50.00 PLN");
    assert_eq!(booking.status, BookingStatus::Pending);
    assert_eq!(sale.pool(pool_id(101)).unwrap().held, 2);
}

#[test]
fn a_total_of_nothing_is_confirmed_at_once() {
    let mut sale = on_sale(&[ticket_type(0, Some(1))]);
    let booking = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    assert_eq!((booking.status, booking.hold), (BookingStatus::Confirmed, None));
    assert_eq!(sale.pool(pool_id(101)).unwrap().sold, 1);
}

#[test]
fn a_unit_needs_room_in_all_of_its_pools() {
    let hall = draft().with_pool(pool_id(7), "Hall", Some(5), "").unwrap();
    let seated = NewTicketType { pool_ids: vec![pool_id(7)], ..ticket_type(100, Some(3)) };
    let standing = NewTicketType { pool_ids: vec![pool_id(7)], ..ticket_type(100, Some(4)) };
    let mut sale = on_sale_with(hall, &[seated, standing]);
    assert_eq!(code(held(&mut sale, &request(1, &[(1, 4)]), at(0))), "sold_out", "its own pool has 3");
    held(&mut sale, &request(1, &[(1, 3)]), at(0)).unwrap();
    assert_eq!(left(held(&mut sale, &request(2, &[(2, 3)]), at(0)).unwrap_err()), [(type_id(2), 2)], "the hall has 2");
    held(&mut sale, &request(2, &[(2, 2)]), at(0)).unwrap();
    assert_eq!(sale.pool(pool_id(7)).unwrap().room(), 0);
}

#[test]
fn types_of_one_request_are_counted_together_in_a_shared_pool() {
    let hall = draft().with_pool(pool_id(7), "Hall", Some(3), "").unwrap();
    let of_hall = || NewTicketType { pool_ids: vec![pool_id(7)], ..ticket_type(100, Some(2)) };
    let mut sale = on_sale_with(hall, &[of_hall(), of_hall()]);
    assert_eq!(code(held(&mut sale, &request(1, &[(1, 2), (2, 2)]), at(0))), "sold_out");
    assert!(held(&mut sale, &request(1, &[(1, 2), (2, 1)]), at(0)).is_ok());
}

#[test]
fn limits_prices_and_periods_are_checked_before_stock() {
    let limited = NewTicketType {
        min_per_booking: Some(2),
        max_per_booking: Some(4),
        max_per_buyer: Some(5),
        sales_start_at: Some(at(10)),
        sales_end_at: Some(at(20)),
        ..ticket_type(100, Some(0))
    };
    let sale = on_sale(&[limited]);
    let ask = |units: u32, has: u32, expected: Option<i64>, now: i64| {
        let request = HoldRequest { expected_total: expected, ..request(1, &[(1, units)]) };
        code(hold(&sale, &Holdings::from([(type_id(1), has)]), &request, HOLD_END, at(now)))
    };
    assert_eq!(ask(2, 0, None, 9), "sales_closed");
    assert_eq!(ask(2, 0, None, 20), "sales_closed", "periods are half-open");
    assert_eq!(ask(1, 0, None, 10), "limit_exceeded");
    assert_eq!(ask(5, 0, None, 10), "limit_exceeded");
    assert_eq!(ask(4, 2, None, 10), "limit_exceeded");
    assert_eq!(ask(3, 2, Some(299), 10), "price_changed");
    assert_eq!(ask(3, 2, Some(300), 10), "sold_out");
    assert_eq!(ask(0, 0, None, 10), "out_of_range");
}

#[test]
fn a_request_may_leave_out_the_only_type_and_nothing_else() {
    let only = HoldRequest { units: UnitsRequest::Only(2), ..request(1, &[]) };
    let mut one = on_sale(&[ticket_type(100, None)]);
    assert_eq!(held(&mut one, &only, at(0)).unwrap().units(), 2);
    let mut two = on_sale(&[ticket_type(100, None), ticket_type(100, None)]);
    assert_eq!(code(held(&mut two, &only, at(0))), "required");
    assert_eq!(code(held(&mut two, &request(1, &[]), at(0))), "out_of_range");
    assert_eq!(code(held(&mut two, &request(1, &[(9, 1)]), at(0))), "unknown");
    assert_eq!(held(&mut two, &request(1, &[(1, 1), (1, 2)]), at(0)).unwrap().items[0].quantity, 3);
}

#[test]
fn attendees_belong_to_units() {
    let mut sale = on_sale(&[ticket_type(100, None), ticket_type(100, None)]);
    let ask = |attendees: Vec<AttendeeRequest>| HoldRequest { attendees, ..request(1, &[(1, 1), (2, 1)]) };
    let of = |n: Option<u128>| AttendeeRequest { ticket_type: n.map(type_id), name: Some("Ana".into()), email: None };
    assert_eq!(code(held(&mut sale, &ask(vec![of(None)]), at(0))), "required");
    assert_eq!(code(held(&mut sale, &ask(vec![of(Some(1)), of(Some(1))]), at(0))), "too_many");
    assert_eq!(code(held(&mut sale, &ask(vec![of(Some(3))]), at(0))), "unknown");
    assert_eq!(held(&mut sale, &ask(vec![of(Some(1)), of(Some(2))]), at(0)).unwrap().attendees.len(), 2);
}

#[test]
fn confirming_twice_confirms_once_and_never_frees_the_units() {
    let mut sale = on_sale(&[ticket_type(100, Some(1))]);
    let booking = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    let decided = done(confirm(&sale, &booking, at(899)).unwrap());
    sale.apply(&decided.stock).unwrap();
    let pool = sale.pool(pool_id(101)).unwrap();
    assert_eq!((pool.held, pool.sold), (0, 1));
    assert_eq!((decided.fact.kind, decided.fact.sequence), (FactKind::Confirmed, 2));
    assert!(matches!(confirm(&sale, &decided.booking, at(900)), Ok(Verdict::Already(_))));
}

#[test]
fn from_release_at_on_a_hold_is_free() {
    let mut sale = on_sale(&[ticket_type(100, Some(1))]);
    let booking = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    assert_eq!(expire(&booking, at(899)), None);
    assert_eq!(code(confirm(&sale, &booking, at(900))), "booking_expired");
    assert_eq!(code(renew(&sale, &booking, at(900))), "booking_expired");
    let expired = expire(&booking, at(900)).unwrap();
    sale.apply(&expired.stock).unwrap();
    assert_eq!(sale.pool(pool_id(101)).unwrap().occupied(), 0);
    assert_eq!(expire(&expired.booking, at(901)), None, "what has expired does not expire again");
    assert_eq!(code(confirm(&sale, &expired.booking, at(901))), "booking_expired");
    assert_eq!(code(cancel(&sale, &expired.booking, Canceller::Buyer, at(901))), "booking_expired");
}

#[test]
fn renewing_never_goes_beyond_the_absolute_end() {
    let mut sale = on_sale(&[ticket_type(100, Some(1))]);
    let mut booking = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    assert!(matches!(renew(&sale, &booking, at(0)), Ok(Verdict::Already(_))), "at once it gains nothing");
    for now in (800..7_200).step_by(800) {
        booking = done(renew(&sale, &booking, at(now)).unwrap()).booking;
    }
    let hold = booking.hold.unwrap();
    assert_eq!((hold.expires_at, hold.release_at), (at(0) + HOLD_END, at(0) + HOLD_END));
    assert!(matches!(renew(&sale, &booking, at(7_199)), Ok(Verdict::Already(_))), "it gains nothing, and is no error");
}

#[test]
fn what_cost_money_cannot_be_cancelled_before_refunds_exist() {
    let mut sale = on_sale(&[ticket_type(100, Some(9)), ticket_type(0, Some(9))]);
    let paid = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    let paid = done(confirm(&sale, &paid, at(1)).unwrap()).booking;
    assert_eq!(code(cancel(&sale, &paid, Canceller::Organizer, at(2))), "invalid_state");
    let free = held(&mut sale, &request(2, &[(2, 1)]), at(0)).unwrap();
    let cancelled = done(cancel(&sale, &free, Canceller::Buyer, at(2)).unwrap());
    assert_eq!(cancelled.stock[0].sold, -1);
    assert!(matches!(cancel(&sale, &cancelled.booking, Canceller::Buyer, at(3)), Ok(Verdict::Already(_))));
    assert_eq!(code(cancel(&sale, &free, Canceller::Buyer, at(86_400))), "invalid_state", "the event has begun");
    assert!(cancel(&sale, &free, Canceller::Organizer, at(86_400)).is_ok());
}

#[test]
fn only_lapsed_holds_in_short_pools_are_reclaimed() {
    let mut sale = on_sale(&[ticket_type(100, Some(1)), ticket_type(100, Some(1))]);
    let first = held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    let other = held(&mut sale, &request(2, &[(2, 1)]), at(0)).unwrap();
    let wanted = first.items.clone();
    let wanted = super::super::StockMove::between(&wanted, None, BookingStatus::Pending);
    assert_eq!(reclaim(&sale, &wanted, &first, at(899)), None, "it has not lapsed");
    assert_eq!(reclaim(&sale, &wanted, &other, at(900)), None, "it stands in another pool");
    assert!(reclaim(&sale, &wanted, &first, at(900)).is_some());
}

#[test]
fn stock_that_was_never_taken_cannot_come_back() {
    let mut sale = on_sale(&[ticket_type(100, Some(1))]);
    let booking = held(&mut sale.clone(), &request(1, &[(1, 1)]), at(0)).unwrap();
    let before = sale.clone();
    assert!(sale.apply(&expire(&booking, at(900)).unwrap().stock).is_err());
    assert_eq!(sale, before, "a defect changes nothing");
}

fn change(sale: &Sale, change: &SaleChange) -> Result<Sale, Refusal> {
    change_sale(sale, change, None, at(5))
}

#[test]
fn publishing_needs_something_to_sell_and_a_future() {
    let publish = SaleChange::Step(StatusChange::Publish);
    assert_eq!(code(change(&draft(), &publish)), "invalid_state");
    let nothing = draft().with_ticket_type(type_id(1), pool_id(1), &ticket_type(1, Some(0)), "").unwrap();
    assert_eq!(code(change(&nothing, &publish)), "invalid_state");
    let over = NewTicketType { sales_end_at: Some(at(5)), ..ticket_type(1, Some(1)) };
    let over = draft().with_ticket_type(type_id(1), pool_id(1), &over, "").unwrap();
    assert_eq!(code(change(&over, &publish)), "invalid_state");
    let sound = draft().with_ticket_type(type_id(1), pool_id(1), &ticket_type(1, None), "").unwrap();
    assert_eq!(change(&sound, &publish).unwrap().event.status, EventStatus::Published);
    assert_eq!(code(change_sale(&sound, &publish, None, at(90_000))), "invalid_state", "it has ended");
    assert_eq!(code(change_sale(&sound, &publish, Some(2), at(5))), "precondition_failed");
}

#[test]
fn a_cancelled_event_is_put_away_once_nothing_is_booked_and_a_booked_one_is_not_deleted() {
    let mut sale = on_sale(&[ticket_type(100, Some(1))]);
    let [cancel, archive] = [StatusChange::Cancel, StatusChange::Archive].map(SaleChange::Step);
    held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    let cancelled = change(&sale, &cancel).unwrap();
    assert_eq!(cancelled.event.status, EventStatus::Cancelled);
    assert_eq!(change(&cancelled, &cancel).unwrap(), cancelled, "twice changes nothing");
    assert_eq!(code(change(&cancelled, &archive)), "invalid_state");
    let empty = change(&on_sale(&[ticket_type(100, Some(1))]), &cancel).unwrap();
    assert_eq!(change(&empty, &archive).unwrap().event.status, EventStatus::Archived);
    assert_eq!(change(&sale, &archive).unwrap().event.status, EventStatus::Archived);
    assert!(sale.check_deletable(true).is_err());
    assert!(sale.check_deletable(false).is_ok());
}

#[test]
fn capacity_is_lowered_to_what_is_taken_and_no_further() {
    let mut sale = on_sale(&[ticket_type(100, Some(10))]);
    held(&mut sale, &request(1, &[(1, 3)]), at(0)).unwrap();
    let to = |capacity: Option<i64>| SaleChange::EditTicketType {
        id: type_id(1),
        edit: TicketTypeEdit { capacity: Some(capacity), ..TicketTypeEdit::default() },
    };
    let refused = change(&sale, &to(Some(2))).unwrap_err();
    assert_eq!(refused, Refusal::CapacityInUse { held: 3, sold: 0 });
    let lowered = change(&sale, &to(Some(3))).unwrap();
    assert_eq!((lowered.pool(pool_id(101)).unwrap().room(), lowered.event.version), (0, sale.event.version + 1));
    assert_eq!(change(&sale, &to(None)).unwrap().pool(pool_id(101)).unwrap().capacity, None);
    assert_eq!(change(&sale, &to(Some(10))).unwrap(), sale, "no change, no new version");
    assert_eq!(code(change(&sale, &to(Some(-1)))), "out_of_range");
}

#[test]
fn the_pools_of_a_type_are_fixed_while_it_is_held_or_sold() {
    let mut sale =
        on_sale_with(draft().with_pool(pool_id(7), "Hall", Some(5), "").unwrap(), &[ticket_type(1, Some(2))]);
    let joins = SaleChange::EditTicketType {
        id: type_id(1),
        edit: TicketTypeEdit { pool_ids: Some(vec![pool_id(7)]), ..TicketTypeEdit::default() },
    };
    assert!(change(&sale, &joins).is_ok());
    held(&mut sale, &request(1, &[(1, 1)]), at(0)).unwrap();
    assert_eq!(code(change(&sale, &joins)), "invalid_state");
}
