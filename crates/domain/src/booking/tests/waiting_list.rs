//! Who may wait, and what is offered to him.

use proptest::prelude::*;

use super::*;
use crate::booking::{
    BookingStatus, Canceller, CloseReason, EntryState, EntryStatus, JoinRequest, Prospect, Verdict, WaitingListEntry,
    cancel, change_sale, confirm, expire, join_waiting_list, offer, renew,
};
use crate::booking::{SaleChange, StockMove};
use crate::catalog::{EventEdit, TicketTypeEdit};
use crate::{PoolId, WaitingListEntryId};

fn waited_for(sale: Sale) -> Sale {
    let open = EventEdit { waiting_list: Some(true), offer_seconds: Some(3_600), ..EventEdit::default() };
    change_sale(&sale, &SaleChange::EditEvent(open), None, at(0)).unwrap()
}

fn wants(buyer: u128, n: u128, quantity: u32) -> JoinRequest {
    let (id, buyer) = (WaitingListEntryId::new(Uuid::from_u128(buyer)), UserId::new(Uuid::from_u128(buyer)));
    JoinRequest { id, buyer, ticket_type: Some(type_id(n)), quantity }
}

fn join(sale: &Sale, request: &JoinRequest) -> Result<WaitingListEntry, Refusal> {
    join_waiting_list(sale, &Holdings::new(), request, 1, at(0))
}

/// Three at 100 in a hall, all held, and somebody who waits for two.
fn scene() -> (Sale, Booking, WaitingListEntry) {
    let mut sale = waited_for(on_sale(&[ticket_type(100, Some(3))]));
    let booking = held(&mut sale, &request(1, &[(1, 3)]), at(0)).unwrap();
    let entry = join(&sale, &wants(7, 1, 2)).unwrap();
    sale.count_waiting(type_id(1));
    (sale, booking, entry)
}

fn named(n: u128) -> (BookingId, Reference) {
    (BookingId::new(Uuid::from_u128(n)), Reference::of(3, 0))
}

fn made(sale: &Sale, entry: &WaitingListEntry, seconds: i64) -> Result<Option<Booking>, CloseReason> {
    let made = offer(sale, &Holdings::new(), entry, named(50), at(seconds));
    made.map(|made| made.map(|made| made.decided.booking))
}

fn gives_back(sale: &mut Sale, booking: &Booking) {
    let Verdict::Done(decided) = cancel(sale, booking, Canceller::Buyer, at(1)).unwrap() else { panic!("done now") };
    sale.apply(&decided.stock).unwrap();
}

#[test]
fn who_waits_is_offered_what_comes_back_for_as_long_as_the_event_says() {
    let (mut sale, booking, entry) = scene();
    assert_eq!(made(&sale, &entry, 1), Ok(None), "nothing is left");
    gives_back(&mut sale, &booking);
    let offered = offer(&sale, &Holdings::new(), &entry, named(50), at(1)).unwrap().unwrap();
    let made = &offered.decided.booking;
    assert_eq!(
        (made.status, made.channel, made.units(), made.total.minor),
        (BookingStatus::Pending, Channel::WaitingList, 2, 200)
    );
    let hold = made.hold.unwrap();
    assert_eq!((hold.expires_at, hold.release_at, hold.ends_at), (at(3_601), at(3_601), at(3_601)));
    assert_eq!((offered.entry.state, offered.entry.version), (EntryState::Offered(made.id), 2));
    assert_eq!(made.buyer, Buyer::Account(entry.buyer));
    sale.apply(&offered.decided.stock).unwrap();
    assert!(matches!(renew(&sale, made, at(2)), Ok(Verdict::Already(_))), "it cannot be made longer");
    assert!(expire(made, at(3_600)).is_none() && expire(made, at(3_601)).is_some());
    assert!(matches!(confirm(&sale, made, at(3_600)), Ok(Verdict::Done(_))));
}

#[test]
fn an_offer_ends_with_the_sale_and_is_not_made_after_it() {
    let (mut sale, booking, entry) = scene();
    gives_back(&mut sale, &booking);
    let edit = TicketTypeEdit { sales_end_at: Some(Some(at(600))), ..TicketTypeEdit::default() };
    let sale = change_sale(&sale, &SaleChange::EditTicketType { id: type_id(1), edit }, None, at(1)).unwrap();
    assert_eq!(made(&sale, &entry, 1).unwrap().unwrap().hold.unwrap().expires_at, at(600));
    assert_eq!(made(&sale, &entry, 600), Err(CloseReason::SalesClosed));
    let archived = TicketTypeEdit { archived: Some(true), ..TicketTypeEdit::default() };
    let change = SaleChange::EditTicketType { id: type_id(1), edit: archived };
    let archived = change_sale(&sale, &change, None, at(1)).unwrap();
    assert_eq!(
        (archived.prospect(type_id(1), at(1)), made(&archived, &entry, 1)),
        (Prospect::Over, Err(CloseReason::SalesClosed))
    );
    let paused = change_sale(&sale, &SaleChange::Step(StatusChange::Pause), None, at(1)).unwrap();
    assert_eq!((paused.prospect(type_id(1), at(1)), made(&paused, &entry, 1)), (Prospect::Later, Ok(None)));
    let cancelled = change_sale(&sale, &SaleChange::Step(StatusChange::Cancel), None, at(1)).unwrap();
    assert_eq!(cancelled.prospect(type_id(1), at(1)), Prospect::Over);
    assert_eq!(sale.prospect(type_id(9), at(1)), Prospect::Over);
}

#[test]
fn limits_hold_for_offers() {
    let limited = NewTicketType { max_per_buyer: Some(2), ..ticket_type(100, Some(3)) };
    let mut sale = waited_for(on_sale(&[limited]));
    let booking = held(&mut sale, &request(1, &[(1, 2)]), at(0)).unwrap();
    let has = |units| Holdings::from([(type_id(1), units)]);
    let asked = |holdings: &Holdings, quantity| join_waiting_list(&sale, holdings, &wants(7, 1, quantity), 1, at(0));
    assert!(matches!(asked(&has(1), 2), Err(Refusal::LimitExceeded { limit: 2, .. })));
    assert!(matches!(asked(&has(0), 11), Err(Refusal::LimitExceeded { limit: 10, .. })));
    let entry = asked(&has(0), 2).unwrap();
    gives_back(&mut sale, &booking);
    let made = |units| offer(&sale, &has(units), &entry, named(50), at(1));
    assert_eq!(made(1), Err(CloseReason::LimitExceeded));
    assert!(made(0).unwrap().is_some());
}

#[test]
fn only_what_is_sold_out_is_waited_for() {
    let (sale, _, entry) = scene();
    assert_eq!((entry.number, entry.state, entry.version), (1, EntryState::Waiting, 1));
    let field = |refused: Result<WaitingListEntry, Refusal>| match refused {
        Err(Refusal::Invalid(problems)) => problems.as_slice()[0].field.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(field(join(&sale, &wants(8, 1, 4))), "quantity", "more than there are");
    assert_eq!(field(join(&sale, &wants(8, 1, 0))), "quantity");
    assert_eq!(field(join(&sale, &wants(8, 9, 1))), "ticketTypeId");
    let free = waited_for(on_sale(&[ticket_type(100, Some(3)), ticket_type(100, None)]));
    for (n, quantity) in [(1, 3), (2, 10)] {
        let refused = join(&free, &wants(8, n, quantity));
        assert!(matches!(&refused, Err(Refusal::InvalidState(why)) if why.contains("book them")), "{refused:?}");
    }
    assert_eq!(field(join(&free, &JoinRequest { ticket_type: None, ..wants(8, 1, 1) })), "ticketTypeId");
    let closed = on_sale(&[ticket_type(100, Some(0))]);
    assert!(matches!(join(&closed, &wants(8, 1, 1)), Err(Refusal::InvalidState(_))));
    let mut full = sale.clone();
    full.waiting.insert(type_id(1), WaitingListEntry::PER_EVENT_MAX);
    assert!(matches!(join(&full, &wants(8, 1, 1)), Err(Refusal::InvalidState(_))));
}

#[test]
fn what_has_become_of_an_entry_is_told_by_its_booking() {
    let (mut sale, booking, entry) = scene();
    let withdrawn = entry.withdrawn(at(5)).unwrap().unwrap();
    assert_eq!((withdrawn.state, withdrawn.version), (EntryState::Withdrawn, 2));
    assert_eq!(withdrawn.withdrawn(at(6)), Ok(None), "twice is once");
    let closed = entry.closed(CloseReason::AccountDeleted, at(5));
    assert!(matches!(closed.withdrawn(at(6)), Err(Refusal::InvalidState(_))));
    gives_back(&mut sale, &booking);
    let offered = offer(&sale, &Holdings::new(), &entry, named(50), at(1)).unwrap().unwrap().entry;
    assert!(matches!(offered.withdrawn(at(6)), Err(Refusal::InvalidState(_))));
    use BookingStatus::{Cancelled, Confirmed, Expired, Pending};
    for (entry, booking, status) in [
        (&entry, None, EntryStatus::Waiting),
        (&withdrawn, None, EntryStatus::Withdrawn),
        (&closed, None, EntryStatus::Closed),
        (&offered, None, EntryStatus::Offered),
        (&offered, Some((Pending, false)), EntryStatus::Offered),
        (&offered, Some((Confirmed, true)), EntryStatus::Purchased),
        (&offered, Some((Cancelled, true)), EntryStatus::Purchased),
        (&offered, Some((Cancelled, false)), EntryStatus::Withdrawn),
        (&offered, Some((Expired, false)), EntryStatus::Expired),
    ] {
        assert_eq!(entry.status(booking), status);
    }
}

#[test]
fn who_waits_is_counted() {
    let (mut sale, ..) = scene();
    sale.count_waiting(type_id(1));
    assert_eq!(sale.waiting(), 2);
    assert!(sale.uncount_waiting(type_id(1)) && sale.uncount_waiting(type_id(1)));
    assert!(!sale.uncount_waiting(type_id(1)), "there is nobody left");
    assert!(sale.waiting.is_empty(), "where nobody waits, nothing is kept");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whoever wants to wait could have booked if there were room, and nobody else; and an offer fits exactly where there is.
    #[test]
    fn waiting_is_for_what_could_be_booked(
        capacity in 1_i64..6, taken in 0_u32..6, hall in 0_i64..8, quantity in 1_u32..6, has in 0_u32..4,
    ) {
        let in_hall = NewTicketType { pool_ids: vec![pool_id(7)], max_per_buyer: Some(4), ..ticket_type(100, Some(capacity)) };
        let mut sale = waited_for(on_sale_with(draft().with_pool(pool_id(7), "Hall", Some(hall), "").unwrap(), &[in_hall]));
        let _ = held(&mut sale, &request(1, &[(1, taken.max(1))]), at(0));
        let (holdings, asked) = (Holdings::from([(type_id(1), has)]), request(2, &[(1, quantity)]));
        let booked = hold(&sale, &holdings, &asked, HOLD_END, at(0));
        let joined = join_waiting_list(&sale, &holdings, &wants(2, 1, quantity), 1, at(0));
        let there_are = capacity.min(hall) >= i64::from(quantity);
        match &booked {
            Ok(_) => prop_assert!(matches!(joined, Err(Refusal::InvalidState(_)))),
            Err(Refusal::SoldOut { .. }) => prop_assert_eq!(joined.is_ok(), there_are),
            Err(_) => prop_assert!(joined.is_err()),
        }
        if let Ok(entry) = joined {
            let all: Vec<StockMove> = sale.pools.iter().map(|pool| StockMove { pool: pool.id, held: -i64::from(pool.held), sold: 0 }).collect();
            prop_assert_eq!(offer(&sale, &holdings, &entry, named(9), at(0)), Ok(None));
            sale.apply(&all).unwrap();
            let made = offer(&sale, &holdings, &entry, named(9), at(0)).unwrap().unwrap();
            let pools: Vec<PoolId> = made.decided.stock.iter().map(|change| change.pool).collect();
            prop_assert_eq!(pools, vec![pool_id(101), pool_id(7)]);
            prop_assert!(made.decided.stock.iter().all(|change| change.held == i64::from(quantity) && change.sold == 0));
        }
    }
}
