//! What the decisions about money promise: case by case, and against random orders of all that can happen.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::admission::{Ticket, TicketStatus, issue, revoke};
use crate::booking::{
    BookingItem, BookingStatus, Buyer, Canceller, Channel, FactKind, HoldTerms, Reference, Refusal, SaleChange,
    StockMove, Verdict, cancel, change_sale, expire,
};
use crate::catalog::StatusChange;
use crate::fixture::{self, at};
use crate::pricing::{Of, Payer, PricePart};
use crate::{BookingId, Currency, Money, PaymentId, Text, TicketId, UserId};

/// Each booking is three tickets of 40, and 20 are taken off: no ticket has a whole share of it.
const PRICE: i64 = 100;
const UNITS: u32 = 3;
const UNIT_PRICE: i64 = 40;

/// On sale, with one type, of which so many bookings fit.
fn on_sale(unit_price: i64, capacity: Option<i64>) -> Sale {
    fixture::on_sale(&[fixture::ticket_type(unit_price, capacity.map(|bookings| bookings * i64::from(UNITS)))])
}

/// Holds three units, and takes the stock; none, where there is none.
fn held(sale: &mut Sale, number: u128, now: Timestamp) -> Option<Booking> {
    let sold = &sale.ticket_types[0];
    let (ticket_type, name, unit_price) = (sold.id, sold.name.clone(), sold.price);
    let total = unit_price * i64::from(UNITS) / 6 * 5;
    let part = PricePart {
        of: Of::Tickets(ticket_type),
        name: name.clone(),
        quantity: UNITS,
        unit_price,
        discount: unit_price * i64::from(UNITS) - total,
        net: total,
        tax: 0,
        gross: total,
        tax_rate: None,
        rounding: 0,
        paid_by: Payer::Buyer,
    };
    let item =
        BookingItem { ticket_type, name, quantity: UNITS, cancelled: 0, unit_price, pools: sold.pools().collect() };
    let stock = StockMove::between(std::slice::from_ref(&item), None, BookingStatus::Pending);
    if !sale.has_room(&stock) {
        return None;
    }
    sale.apply(&stock).unwrap();
    let end = now + sale.event.terms.hold;
    Some(Booking {
        id: BookingId::new(Uuid::from_u128(number)),
        reference: Reference::of(7, 0),
        event: sale.event.id,
        organizer: sale.event.organizer,
        buyer: Buyer::Account(UserId::new(Uuid::from_u128(number))),
        channel: Channel::Api,
        items: vec![item],
        attendees: vec![],
        total: Money { minor: total, currency: sale.event.currency },
        price_parts: vec![part],
        promo: None,
        status: BookingStatus::Pending,
        hold: Some(HoldTerms { expires_at: end, release_at: end, ends_at: now + TimeDelta::hours(2) }),
        sequence: 1,
        created_at: now,
        updated_at: now,
    })
}

#[derive(Default)]
struct Count(u128);

impl Count {
    fn next(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(1_000_000 + self.0)
    }
}

impl FreshIds for Count {
    fn refund(&mut self) -> RefundId {
        RefundId::new(self.next())
    }

    fn transaction(&mut self) -> LedgerTransactionId {
        LedgerTransactionId::new(self.next())
    }
}

/// A booking with its money.
struct Bought {
    booking: Booking,
    tickets: Vec<Ticket>,
    payments: Vec<Payment>,
    refunds: Vec<Refund>,
    /// Whether nothing of its money is to be kept.
    gone: bool,
}

/// One hall, and all that was ever booked and paid there.
struct Shop {
    sale: Sale,
    bought: Vec<Bought>,
    ledger: Vec<LedgerEntry>,
    fresh: Count,
    now: i64,
}

impl Shop {
    fn new(capacity: i64) -> Self {
        let sale = on_sale(UNIT_PRICE, Some(capacity));
        Self { sale, bought: vec![], ledger: vec![], fresh: Count::default(), now: 0 }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    fn hold(&mut self) -> Option<usize> {
        let number = 10 + self.bought.len() as u128;
        let now = self.now();
        let booking = held(&mut self.sale, number, now)?;
        self.bought.push(Bought { booking, tickets: vec![], payments: vec![], refunds: vec![], gone: false });
        Some(self.bought.len() - 1)
    }

    fn books(&self, n: usize) -> Books<'_> {
        let Bought { booking, payments, .. } = &self.bought[n];
        Books { sale: &self.sale, booking, payments, promo_has_room: true, now: self.now() }
    }

    fn take_step(&mut self, n: usize, step: &Decided) {
        self.sale.apply(&step.stock).unwrap();
        assert_eq!(step.booking.sequence, self.bought[n].booking.sequence + 1, "each step is told once");
        let Self { bought, fresh, .. } = self;
        let Bought { booking, tickets, .. } = &mut bought[n];
        *booking = step.booking.clone();
        if booking.status == BookingStatus::Confirmed && step.before != Some(BookingStatus::Confirmed) {
            *tickets = issue(booking, || TicketId::new(fresh.next()));
        }
        let is_gone = |ticket: &Ticket| revoke(step) || step.fact.kind == FactKind::TicketCancelled(ticket.id);
        for ticket in tickets.iter_mut().filter(|ticket| is_gone(ticket)) {
            ticket.status = TicketStatus::Revoked;
        }
    }

    fn take(&mut self, n: usize, settled: Settlement) {
        settled.steps.iter().for_each(|step| self.take_step(n, step));
        self.ledger.extend(settled.entries);
        let bought = &mut self.bought[n];
        for payment in settled.payments {
            match bought.payments.iter_mut().find(|known| known.id == payment.id) {
                Some(known) => {
                    assert_eq!(payment.version, known.version + 1, "each change of a payment counts");
                    *known = payment;
                }
                None => bought.payments.push(payment),
            }
        }
        for refund in settled.refunds {
            match bought.refunds.iter_mut().find(|known| known.id == refund.id) {
                Some(known) => *known = refund,
                None => bought.refunds.push(refund),
            }
        }
    }

    fn start(&mut self, n: usize) -> Result<PaymentId, Refusal> {
        let id = PaymentId::new(self.fresh.next());
        let word = |word: &str| Text::trusted(word.to_owned());
        let start = StartPayment { id, provider: word("sandbox"), method: word("card_ok") };
        let (_, settled) = start_payment(&self.books(n), &start)?;
        self.take(n, settled);
        Ok(id)
    }

    fn report(&mut self, n: usize, payment: PaymentId, outcome: ChargeOutcome) -> Result<bool, Refusal> {
        let report = ChargeReport { reference: None, outcome };
        let mut fresh = std::mem::take(&mut self.fresh);
        let settled = apply_report(&self.books(n), payment, &report, &mut fresh);
        self.fresh = fresh;
        Ok(settled?.map(|settled| self.take(n, settled)).is_some())
    }

    fn paid(&self, minor: i64) -> ChargeOutcome {
        ChargeOutcome::Succeeded(Money { minor, currency: self.sale.event.currency })
    }

    fn succeed(&mut self, n: usize, payment: PaymentId, minor: i64) -> bool {
        self.report(n, payment, self.paid(minor)).unwrap()
    }

    fn expire(&mut self) {
        let now = self.now();
        for n in 0..self.bought.len() {
            // As the store gives them: nobody is paying for them.
            let is_paying = self.bought[n].payments.iter().any(Payment::is_open);
            if let Some(step) = expire(&self.bought[n].booking, now).filter(|_| !is_paying) {
                self.take_step(n, &step);
            }
        }
    }

    fn cancel(&mut self, n: usize) {
        if let Ok(Verdict::Done(step)) = cancel(&self.sale, &self.bought[n].booking, Canceller::Buyer, self.now()) {
            self.take_step(n, &step);
        }
    }

    fn confirm(&mut self, n: usize) {
        let id = PaymentId::new(self.fresh.next());
        let mut fresh = std::mem::take(&mut self.fresh);
        let settled = confirm_paid(&self.books(n), id, &mut fresh);
        self.fresh = fresh;
        if let Ok(Some(settled)) = settled {
            self.take(n, settled);
        }
    }

    fn refund(&mut self, n: usize, amount: Option<i64>, cancel_tickets: bool) -> Result<(), Refusal> {
        self.refund_by(n, amount, cancel_tickets, false)
    }

    fn refund_by(&mut self, n: usize, amount: Option<i64>, cancel_tickets: bool, by_hand: bool) -> Result<(), Refusal> {
        let mut fresh = std::mem::take(&mut self.fresh);
        let request = RefundRequest { amount, tickets: Vec::new(), cancel_tickets, by_hand };
        let settled = request_refund(&self.books(n), &request, &[], &mut fresh);
        self.fresh = fresh;
        self.take(n, settled?);
        Ok(())
    }

    /// Of these tickets of the booking, by their places.
    fn refund_tickets(&mut self, n: usize, at: &[usize], amount: Option<i64>, cancel: bool) -> Result<(), Refusal> {
        let known = &self.bought[n].tickets;
        let tickets: Vec<TicketId> = at.iter().filter_map(|at| known.get(*at)).map(|ticket| ticket.id).collect();
        let request = RefundRequest { amount, tickets, cancel_tickets: cancel, by_hand: false };
        let mut fresh = std::mem::take(&mut self.fresh);
        let settled = request_refund(&self.books(n), &request, known, &mut fresh);
        self.fresh = fresh;
        self.take(n, settled?);
        Ok(())
    }

    fn cancel_event(&mut self) {
        if let Ok(cancelled) = change_sale(&self.sale, &SaleChange::Step(StatusChange::Cancel), None, self.now()) {
            self.sale = cancelled;
        }
    }

    fn cancel_with_event(&mut self, n: usize) -> Result<bool, Refusal> {
        let mut fresh = std::mem::take(&mut self.fresh);
        let settled = cancel_with_event(&self.books(n), &mut fresh);
        self.fresh = fresh;
        let changed = settled?.map(|settled| self.take(n, settled)).is_some();
        self.bought[n].gone |= changed;
        Ok(changed)
    }

    fn refund_report(&mut self, n: usize, at: usize, outcome: &RefundOutcome) -> Result<bool, Refusal> {
        let refund = self.bought[n].refunds[at].id;
        let mut fresh = std::mem::take(&mut self.fresh);
        let settled = apply_refund_report(&self.books(n), &self.bought[n].refunds, refund, outcome, &mut fresh);
        self.fresh = fresh;
        Ok(settled?.map(|settled| self.take(n, settled)).is_some())
    }

    fn dispute(&mut self, n: usize, at: usize, name: u8, status: DisputeStatus, minor: i64) -> Result<bool, Refusal> {
        let payment = self.bought[n].payments[at].id;
        let reference = Text::trusted(format!("dp_{name}"));
        let amount = Money { minor, currency: self.sale.event.currency };
        let mut fresh = std::mem::take(&mut self.fresh);
        let report = DisputeReport { reference, status, amount };
        let settled = apply_dispute(&self.books(n), payment, &report, &mut fresh);
        self.fresh = fresh;
        Ok(settled?.map(|settled| self.take(n, settled)).is_some())
    }

    fn sum(&self, accounts: &[Account], payment: PaymentId) -> i64 {
        let of = |entry: &&LedgerEntry| entry.payment == payment && accounts.contains(&entry.account);
        self.ledger.iter().filter(of).map(|entry| entry.amount.minor).sum()
    }

    /// Every captured amount ends in exactly one of three, and the ledger says the same.
    fn check(&self) {
        let mut transactions = std::collections::HashMap::new();
        for entry in &self.ledger {
            assert_ne!(entry.amount.minor, 0);
            *transactions.entry(entry.transaction).or_insert(0) += entry.amount.minor;
        }
        assert!(transactions.values().all(|sum| *sum == 0), "a transaction adds up to zero");
        let (mut pending, mut confirmed) = (0, 0);
        for Bought { booking, tickets, payments, refunds, gone } in &self.bought {
            let valid = tickets.iter().filter(|ticket| ticket.status == TicketStatus::Valid).count();
            let confirmed_units = if booking.status == BookingStatus::Confirmed { booking.kept_units() } else { 0 };
            assert_eq!(valid, confirmed_units as usize, "a valid ticket for each unit that stands");
            assert!(booking.status != BookingStatus::Confirmed || valid > 0, "the last ticket takes the booking along");
            for payment in payments {
                self.check_payment(booking, payment, refunds);
                assert!(!gone || payment.booked == 0, "nothing is kept of a cancelled event: {payment:?}");
            }
            assert!(payments.iter().filter(|payment| payment.is_open()).count() <= 1);
            assert!(payments.iter().map(|payment| payment.booked).sum::<i64>() <= booking.total.minor);
            if booking.status == BookingStatus::Confirmed {
                assert!(payments.iter().map(|payment| payment.captured).sum::<i64>() >= booking.total.minor);
            }
            pending += if booking.status == BookingStatus::Pending { booking.kept_units() } else { 0 };
            confirmed += confirmed_units;
        }
        let pool = &self.sale.pools[0];
        assert_eq!((pool.held, pool.sold), (pending, confirmed), "money never moves stock that is not there");
        assert!(pool.capacity.is_none_or(|capacity| pool.occupied() <= capacity));
    }

    fn check_payment(&self, booking: &Booking, payment: &Payment, refunds: &[Refund]) {
        let own = || refunds.iter().filter(|refund| refund.payment == payment.id);
        let of = |statuses: &[RefundStatus]| -> i64 {
            own().filter(|refund| statuses.contains(&refund.status)).map(|refund| refund.amount.minor).sum()
        };
        let (due, done) = (of(&[RefundStatus::Requested, RefundStatus::InTransit]), of(&[RefundStatus::Done]));
        assert!(payment.booked >= 0 && payment.refunded >= 0 && payment.unsettled() >= 0, "{payment:?}");
        assert_eq!(payment.captured != 0, payment.status == PaymentStatus::Succeeded);
        assert_eq!(payment.refunded, due + done, "{payment:?}");
        let disputed = |open: bool| payment.dispute.as_ref().filter(|_| open).map_or(0, |dispute| dispute.amount);
        let (at_bank, lost) = (disputed(payment.is_disputed()), disputed(payment.is_charged_back()));
        let cash = payment.captured - done - at_bank - lost;
        assert_eq!(self.sum(&[Account::ProviderCash, Account::ManualCash], payment.id), cash);
        assert!((0..=lost).contains(&payment.charged_back), "{payment:?}");
        assert!(payment.free() <= cash.max(0), "what can go back is there: {payment:?}");
        assert_eq!(self.sum(&[Account::Sales], payment.id), lost - payment.charged_back - payment.booked);
        assert!(
            payment.refundable() <= (payment.captured - payment.refunded).max(0)
                && payment.free() <= payment.unsettled()
        );
        assert_eq!(self.sum(&[Account::RefundsPayable], payment.id), -due);
        assert_eq!(self.sum(&[Account::OpenCases], payment.id), at_bank - payment.unsettled());
        let pays = matches!(booking.status, BookingStatus::Confirmed | BookingStatus::Cancelled);
        assert!(payment.booked == 0 || pays, "money pays what is confirmed, or was kept of what is cancelled");
    }
}

/// A paid booking, and its payment's place.
fn paid(shop: &mut Shop) -> usize {
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    assert!(shop.succeed(n, payment, PRICE));
    n
}

fn told(shop: &Shop, n: usize) -> (bool, bool, i64, i64) {
    let payment = &shop.bought[n].payments[0];
    (payment.is_disputed(), payment.is_charged_back(), payment.charged_back, payment.refundable())
}

#[test]
fn a_dispute_takes_the_money_until_it_is_won() {
    use DisputeStatus::{Lost, Opened, Won};
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    assert_eq!(shop.dispute(n, 0, 1, Opened, PRICE), Ok(true));
    assert_eq!(told(&shop, n), (true, false, 0, 0));
    assert_eq!(status(&shop, n), BookingStatus::Confirmed, "the tickets stay");
    assert!(shop.refund(n, Some(1), false).is_err(), "what is at the bank does not go back");
    shop.check();
    assert_eq!(shop.dispute(n, 0, 1, Opened, PRICE), Ok(false), "twice");
    assert!(shop.dispute(n, 0, 2, Opened, 1).is_err(), "one at a time");
    assert_eq!(shop.dispute(n, 0, 1, Won, PRICE), Ok(true));
    assert_eq!(told(&shop, n), (false, false, 0, PRICE));
    assert_eq!(shop.dispute(n, 0, 1, Won, PRICE), Ok(false));
    assert_eq!(shop.dispute(n, 0, 1, Opened, PRICE), Ok(false), "an old message");
    assert!(shop.dispute(n, 0, 1, Lost, PRICE).is_err(), "decided otherwise before: for people");
    shop.check();
    assert_eq!(shop.dispute(n, 0, 2, Opened, 1), Ok(true), "the bank asks again");
    shop.check();
}

#[test]
fn a_lost_dispute_is_money_that_is_gone_and_tickets_that_stay() {
    use DisputeStatus::{Lost, Opened, Won};
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    assert_eq!(shop.dispute(n, 0, 1, Opened, PRICE), Ok(true));
    assert_eq!(shop.dispute(n, 0, 1, Lost, PRICE), Ok(true));
    assert_eq!(told(&shop, n), (false, true, PRICE, 0));
    assert_eq!((ends(&shop, n), status(&shop, n)), (vec![(0, 0, 0)], BookingStatus::Confirmed));
    shop.check();
    for late in [Opened, Lost] {
        assert_eq!(shop.dispute(n, 0, 1, late, PRICE), Ok(false));
    }
    assert!(shop.dispute(n, 0, 1, Won, PRICE).is_err() && shop.dispute(n, 0, 2, Opened, PRICE).is_err());
    // Nothing is left to go back, and the tickets go all the same.
    shop.refund(n, None, true).unwrap();
    assert_eq!(status(&shop, n), BookingStatus::Cancelled);
    shop.check();
}

#[test]
fn a_dispute_that_is_lost_after_a_refund_is_a_loss() {
    use DisputeStatus::Lost;
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    shop.refund(n, Some(70), false).unwrap();
    assert!(shop.refund_report(n, 0, &RefundOutcome::Done).unwrap());
    // It was never heard that it was opened.
    assert_eq!(shop.dispute(n, 0, 1, Lost, PRICE), Ok(true));
    assert_eq!((told(&shop, n), ends(&shop, n)), ((false, true, 30, 0), vec![(0, 70, 0)]));
    assert_eq!(shop.sum(&[Account::ProviderCash], shop.bought[n].payments[0].id), -70);
    shop.check();
}

#[test]
fn a_dispute_waits_until_the_money_is_known() {
    use DisputeStatus::{Opened, Won};
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    assert!(shop.dispute(n, 0, 1, Opened, PRICE).is_err());
    assert!(shop.succeed(n, payment, PRICE));
    let other = Money { minor: PRICE, currency: Currency::EUR };
    let report = DisputeReport { reference: Text::trusted("dp".to_owned()), status: Opened, amount: other };
    let refused = apply_dispute(&shop.books(n), payment, &report, &mut Count::default());
    assert!(matches!(refused, Err(Refusal::InvalidState(_))));
    assert!(shop.dispute(n, 0, 1, Opened, 0).is_err());
    // Decided before it was heard of: what opens it says nothing then.
    assert_eq!(shop.dispute(n, 0, 1, Won, PRICE), Ok(true));
    assert_eq!(shop.dispute(n, 0, 1, Opened, PRICE), Ok(false));
    assert_eq!(told(&shop, n), (false, false, 0, PRICE));
    shop.check();
}

/// What the payment has come to: it pays, it goes back, it is an open case.
fn ends(shop: &Shop, n: usize) -> Vec<(i64, i64, i64)> {
    let ends = |payment: &Payment| (payment.booked, payment.refunded, payment.unsettled());
    shop.bought[n].payments.iter().map(ends).collect()
}

fn declined() -> ChargeOutcome {
    ChargeOutcome::Failed(Text::trusted("card_declined".to_owned()))
}

fn status(shop: &Shop, n: usize) -> BookingStatus {
    shop.bought[n].booking.status
}

#[test]
fn a_success_confirms_and_everything_behind_it_is_silent() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    assert!(shop.report(n, payment, ChargeOutcome::Processing).unwrap());
    assert!(shop.succeed(n, payment, PRICE));
    assert_eq!(status(&shop, n), BookingStatus::Confirmed);
    assert_eq!(ends(&shop, n), [(PRICE, 0, 0)]);
    for late in [shop.paid(PRICE), declined(), ChargeOutcome::Cancelled, ChargeOutcome::Processing] {
        assert!(!shop.report(n, payment, late).unwrap());
    }
    shop.check();
}

#[test]
fn who_was_declined_pays_again_and_starting_moves_the_release_once() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let hold = |shop: &Shop| shop.bought[n].booking.hold.unwrap();
    let before = hold(&shop);
    let first = shop.start(n).unwrap();
    let moved = hold(&shop);
    assert_eq!((moved.expires_at, moved.release_at), (before.expires_at, before.release_at + TimeDelta::minutes(2)));
    assert!(matches!(shop.start(n), Err(Refusal::InvalidState(_))), "one at a time");
    assert!(shop.report(n, first, declined()).unwrap());
    let second = shop.start(n).unwrap();
    assert_eq!(hold(&shop), moved);
    assert!(shop.succeed(n, second, PRICE));
    assert_eq!(ends(&shop, n), [(0, 0, 0), (PRICE, 0, 0)]);
    // The first has succeeded after all: real money, and more than was owed.
    assert!(shop.succeed(n, first, PRICE));
    assert_eq!(ends(&shop, n), [(0, PRICE, 0), (PRICE, 0, 0)]);
    assert_eq!(shop.bought[n].refunds[0].reason, RefundReason::Surplus);
    shop.check();
}

#[test]
fn a_late_success_takes_the_stock_again_or_goes_back() {
    for is_taken in [false, true] {
        let mut shop = Shop::new(1);
        let n = shop.hold().unwrap();
        let payment = shop.start(n).unwrap();
        shop.now += 901;
        shop.expire();
        assert_eq!(status(&shop, n), BookingStatus::Pending, "who pays loses nothing");
        assert!(shop.report(n, payment, declined()).unwrap());
        shop.now += 120;
        shop.expire();
        assert_eq!(status(&shop, n), BookingStatus::Expired);
        assert_eq!(shop.start(n), Err(Refusal::BookingExpired));
        if is_taken {
            shop.hold().unwrap();
        }
        assert!(shop.succeed(n, payment, PRICE));
        let expected = if is_taken { (0, PRICE, 0) } else { (PRICE, 0, 0) };
        assert_eq!(ends(&shop, n), [expected]);
        let after = if is_taken { BookingStatus::Expired } else { BookingStatus::Confirmed };
        assert_eq!(status(&shop, n), after);
        shop.check();
    }
}

#[test]
fn a_success_after_the_release_of_what_is_still_pending_confirms() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    shop.now += 10_000;
    assert!(shop.succeed(n, payment, PRICE));
    assert_eq!(status(&shop, n), BookingStatus::Confirmed);
    shop.check();
}

#[test]
fn a_success_after_the_cancellation_goes_back() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    shop.cancel(n);
    assert!(shop.succeed(n, payment, PRICE));
    assert_eq!(ends(&shop, n), [(0, PRICE, 0)]);
    assert_eq!(shop.bought[n].refunds[0].reason, RefundReason::Cancelled);
    assert_eq!(status(&shop, n), BookingStatus::Cancelled);
    shop.check();
}

#[test]
fn too_little_waits_as_a_case_and_too_much_goes_back() {
    let mut shop = Shop::new(2);
    let n = shop.hold().unwrap();
    let first = shop.start(n).unwrap();
    assert!(shop.succeed(n, first, 30));
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Pending, vec![(0, 0, 30)]));
    let second = shop.start(n).unwrap();
    assert_eq!(shop.bought[n].payments[1].amount.minor, 70, "what is there counts");
    assert!(shop.succeed(n, second, 75));
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Confirmed, vec![(30, 0, 0), (70, 5, 0)]));
    shop.check();
    // What came in by card and what comes in by hand make the whole.
    let n = shop.hold().unwrap();
    let first = shop.start(n).unwrap();
    assert!(shop.succeed(n, first, 30));
    shop.confirm(n);
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Confirmed, vec![(30, 0, 0), (70, 0, 0)]));
    assert_eq!(shop.bought[n].payments[1].provider.as_str(), MANUAL);
    shop.check();
}

#[test]
fn amounts_that_cannot_be_are_refused() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    let most = 1_000_000_000_000_000;
    for wrong in [shop.paid(0), shop.paid(-5), shop.paid(most + 1), shop.paid(i64::MAX)] {
        assert!(matches!(shop.report(n, payment, wrong), Err(Refusal::InvalidState(_))));
    }
    let nobody = PaymentId::new(Uuid::nil());
    assert_eq!(shop.report(n, nobody, shop.paid(PRICE)), Err(Refusal::NotFound("payment")));
    // The most that there can be is still added up.
    assert!(shop.succeed(n, payment, most));
    assert_eq!(ends(&shop, n), [(PRICE, most - PRICE, 0)]);
}

#[test]
fn money_of_another_currency_pays_nothing_and_goes_back_as_it_came() {
    let yen = |minor| Money { minor, currency: "JPY".parse().unwrap() };
    let mut shop = Shop::new(3);
    let n = shop.hold().unwrap();
    let first = shop.start(n).unwrap();
    assert_eq!(shop.report(n, first, ChargeOutcome::Succeeded(yen(PRICE))), Ok(true));
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Pending, vec![(0, 0, PRICE)]));
    assert_eq!(shop.bought[n].payments[0].amount, yen(PRICE));
    assert_eq!(shop.report(n, first, ChargeOutcome::Succeeded(yen(PRICE))), Ok(false), "told again, it is known");
    // The whole is still asked for; nothing is added to it, nor taken from it.
    let second = shop.start(n).unwrap();
    assert!(shop.succeed(n, second, PRICE));
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Confirmed, vec![(0, 0, PRICE), (PRICE, 0, 0)]));
    assert!(matches!(shop.refund(n, Some(PRICE + 1), false), Err(Refusal::Invalid(_))));
    shop.refund(n, Some(10), false).unwrap();
    assert_eq!(ends(&shop, n), [(0, 0, PRICE), (PRICE - 10, 10, 0)]);
    shop.refund(n, None, false).unwrap();
    assert_eq!(ends(&shop, n), [(0, PRICE, 0), (0, PRICE, 0)]);
    let amounts: Vec<Money> = shop.bought[n].refunds.iter().map(|refund| refund.amount).collect();
    assert!(amounts.contains(&yen(PRICE)), "{amounts:?}");
    assert!(matches!(shop.refund(n, None, false), Err(Refusal::InvalidState(_))), "nothing is left");
    // What comes for what is paid already goes back by itself, and with a booking all of it does.
    let n = shop.hold().unwrap();
    let first = shop.start(n).unwrap();
    assert_eq!(shop.report(n, first, ChargeOutcome::Succeeded(yen(7))), Ok(true));
    shop.refund(n, None, true).unwrap();
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Cancelled, vec![(0, 7, 0)]));
    let n = shop.hold().unwrap();
    let first = shop.start(n).unwrap();
    assert!(shop.report(n, first, declined()).unwrap());
    let second = shop.start(n).unwrap();
    assert!(shop.succeed(n, second, PRICE));
    assert_eq!(shop.report(n, first, ChargeOutcome::Succeeded(yen(9))), Ok(true));
    assert_eq!(ends(&shop, n), [(0, 9, 0), (PRICE, 0, 0)]);
    assert_eq!(shop.bought[n].refunds[0].amount, yen(9));
}

#[test]
fn money_goes_back_once_and_with_it_the_booking() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    let payment = shop.start(n).unwrap();
    assert!(cancel(&shop.sale, &shop.bought[n].booking, Canceller::Organizer, shop.now()).is_ok());
    shop.succeed(n, payment, PRICE);
    assert!(
        cancel(&shop.sale, &shop.bought[n].booking, Canceller::Organizer, shop.now()).is_err(),
        "with its money alone"
    );
    for wrong in [0, -1, PRICE + 1] {
        assert!(matches!(shop.refund(n, Some(wrong), true), Err(Refusal::Invalid(_))), "{wrong}");
    }
    shop.refund(n, Some(40), false).unwrap();
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Confirmed, vec![(60, 40, 0)]));
    shop.refund(n, None, true).unwrap();
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Cancelled, vec![(0, PRICE, 0)]));
    assert!(matches!(shop.refund(n, None, true), Err(Refusal::InvalidState(_))));
    let failed = RefundOutcome::Failed(Text::trusted("account_closed".to_owned()));
    assert!(shop.refund_report(n, 0, &RefundOutcome::InTransit).unwrap());
    assert!(shop.refund_report(n, 0, &RefundOutcome::Done).unwrap());
    assert!(!shop.refund_report(n, 0, &failed).unwrap(), "what is done is done");
    assert!(shop.refund_report(n, 1, &failed).unwrap());
    assert_eq!(ends(&shop, n), [(0, 40, 60)], "what failed is a case");
    shop.check();
    shop.refund(n, None, true).unwrap();
    assert_eq!(ends(&shop, n), [(0, PRICE, 0)]);
    assert!(matches!(shop.refund_report(n, 1, &RefundOutcome::Done), Err(Refusal::InvalidState(_))));
    assert!(shop.refund_report(n, 2, &RefundOutcome::Done).unwrap());
    shop.check();
}

#[test]
fn what_was_taken_by_hand_is_given_back_by_hand() {
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    shop.confirm(n);
    shop.confirm(n);
    assert_eq!(ends(&shop, n), [(PRICE, 0, 0)], "confirmed twice, paid once");
    shop.refund(n, Some(30), true).unwrap();
    assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Cancelled, vec![(70, 30, 0)]));
    assert_eq!(shop.bought[n].refunds[0].status, RefundStatus::Done);
    shop.check();
}

#[test]
fn a_cancelled_event_gives_all_back_whatever_it_was_paid_by() {
    let mut shop = Shop::new(9);
    let [pending, paying, paid, half, by_hand] = [(); 5].map(|()| shop.hold().unwrap());
    let open = shop.start(paying).unwrap();
    for n in [paid, half] {
        let payment = shop.start(n).unwrap();
        shop.succeed(n, payment, PRICE);
    }
    shop.refund(half, Some(40), false).unwrap();
    shop.confirm(by_hand);
    assert!(matches!(shop.cancel_with_event(paid), Err(Refusal::InvalidState(_))), "it takes place");
    shop.cancel_event();
    for n in [pending, paying, paid, half, by_hand] {
        assert!(shop.cancel_with_event(n).unwrap());
        assert!(!shop.cancel_with_event(n).unwrap(), "twice is once");
        assert_eq!(status(&shop, n), BookingStatus::Cancelled);
    }
    assert_eq!(ends(&shop, paid), [(0, PRICE, 0)]);
    assert_eq!(ends(&shop, half), [(0, PRICE, 0)]);
    assert_eq!(shop.bought[half].refunds[1].amount.minor, PRICE - 40);
    assert_eq!(shop.bought[paid].refunds[0].reason, RefundReason::Cancelled);
    assert_eq!(shop.bought[by_hand].refunds[0].status, RefundStatus::Done);
    shop.succeed(paying, open, PRICE);
    assert_eq!(ends(&shop, paying), [(0, PRICE, 0)], "what comes in later goes back as well");
    shop.check();
}

/// What is at a bank when its booking goes comes back to the buyer if the bank gives it back, and to nobody twice.
#[test]
fn money_at_a_bank_goes_back_when_it_is_won() {
    for by_event in [true, false] {
        let mut shop = Shop::new(9);
        let [won, lost] = [(); 2].map(|()| paid(&mut shop));
        for n in [won, lost] {
            shop.dispute(n, 0, 1, DisputeStatus::Opened, PRICE).unwrap();
        }
        shop.cancel_event();
        for n in [won, lost] {
            if by_event {
                assert!(shop.cancel_with_event(n).unwrap());
            } else {
                shop.refund(n, None, true).unwrap();
            }
            assert_eq!((status(&shop, n), ends(&shop, n)), (BookingStatus::Cancelled, vec![(0, 0, PRICE)]));
            assert!(shop.bought[n].refunds.is_empty(), "nothing is there to go back");
        }
        shop.dispute(won, 0, 1, DisputeStatus::Won, PRICE).unwrap();
        assert_eq!(ends(&shop, won), [(0, PRICE, 0)]);
        assert_eq!(shop.bought[won].refunds[0].reason, RefundReason::Cancelled);
        shop.dispute(lost, 0, 1, DisputeStatus::Lost, PRICE).unwrap();
        assert_eq!((ends(&shop, lost), shop.bought[lost].refunds.len()), (vec![(0, 0, 0)], 0));
        shop.check();
    }
}

/// A refund that fails because the bank has taken the money is no money that could go back again.
#[test]
fn a_refund_that_fails_after_a_lost_dispute_leaves_nothing() {
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    shop.refund(n, Some(60), true).unwrap();
    shop.dispute(n, 0, 1, DisputeStatus::Opened, PRICE).unwrap();
    shop.dispute(n, 0, 1, DisputeStatus::Lost, PRICE).unwrap();
    let failed = RefundOutcome::Failed(Text::trusted("charge_disputed".to_owned()));
    assert!(shop.refund_report(n, 0, &failed).unwrap());
    assert_eq!((ends(&shop, n), shop.bought[n].payments[0].charged_back), (vec![(0, 0, 0)], PRICE));
    shop.check();
}

#[test]
fn what_costs_nothing_has_no_payment() {
    let mut sale = on_sale(0, None);
    let booking = held(&mut sale, 1, at(0)).unwrap();
    let books = Books { sale: &sale, booking: &booking, payments: &[], promo_has_room: true, now: at(0) };
    let settled = confirm_paid(&books, PaymentId::new(Uuid::nil()), &mut Count::default()).unwrap().unwrap();
    assert!(settled.payments.is_empty() && settled.entries.is_empty(), "{settled:?}");
    let word = Text::trusted("card_ok".to_owned());
    let start = StartPayment { id: PaymentId::new(Uuid::nil()), provider: word.clone(), method: word };
    assert!(matches!(start_payment(&books, &start), Err(Refusal::InvalidState(_))));
}

/// Who asks with an old copy is never told that there is nothing new where there is.
#[test]
fn what_is_no_news_stays_none() {
    use PaymentStatus::{Cancelled, Created, Failed, Processing, Succeeded};
    use RefundStatus::{Done, InTransit, Requested};
    let mut shop = Shop::new(1);
    let n = shop.hold().unwrap();
    shop.start(n).unwrap();
    let outcomes = [ChargeOutcome::Processing, shop.paid(PRICE), declined(), ChargeOutcome::Cancelled];
    let is_news = |status, outcome| Payment { status, ..shop.bought[n].payments[0].clone() }.is_news(outcome);
    let open = [Created, Processing]
        .into_iter()
        .flat_map(|from| [Processing, Succeeded, Failed, Cancelled].map(|to| (from, to)));
    for (from, to) in open.chain([(Failed, Succeeded), (Cancelled, Succeeded)]) {
        for outcome in &outcomes {
            assert!(is_news(from, outcome) || !is_news(to, outcome), "{from:?} to {to:?}: {outcome:?}");
        }
    }
    let payment = shop.bought[n].payments[0].id;
    shop.succeed(n, payment, PRICE);
    shop.refund(n, None, true).unwrap();
    let word = Text::trusted("no".to_owned());
    let outcomes = [RefundOutcome::InTransit, RefundOutcome::Done, RefundOutcome::Failed(word)];
    let is_news = |status, outcome| Refund { status, ..shop.bought[n].refunds[0].clone() }.is_news(outcome);
    let steps = [(Requested, InTransit), (Requested, Done), (InTransit, Done), (RefundStatus::Failed, Done)];
    for (from, to) in steps.into_iter().chain([Requested, InTransit].map(|from| (from, RefundStatus::Failed))) {
        for outcome in &outcomes {
            assert!(is_news(from, outcome) || !is_news(to, outcome), "{from:?} to {to:?}: {outcome:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Hold,
    Start(usize),
    Report(usize, usize, Said),
    Cancel(usize),
    Confirm(usize),
    Expire,
    Wait(i64),
    Refund(usize, Option<i64>, bool, bool),
    RefundTickets(usize, Vec<usize>, Option<i64>, bool),
    CancelEvent,
    CancelWithEvent(usize),
    RefundReport(usize, usize, RefundSaid),
    Dispute(usize, usize, u8, DisputeStatus, i64),
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Processing,
    Paid(i64),
    Declined,
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
enum RefundSaid {
    InTransit,
    Done,
    Failed,
}

fn action() -> impl Strategy<Value = Action> {
    let booking = || 0_usize..5;
    let said = prop_oneof![
        1 => Just(Said::Processing),
        4 => Just(Said::Paid(PRICE)),
        2 => (1_i64..250).prop_map(Said::Paid),
        2 => Just(Said::Declined),
        1 => Just(Said::Cancelled),
    ];
    let refund_said = prop_oneof![Just(RefundSaid::InTransit), Just(RefundSaid::Done), Just(RefundSaid::Failed)];
    let dispute_said =
        prop_oneof![2 => Just(DisputeStatus::Opened), 1 => Just(DisputeStatus::Won), 1 => Just(DisputeStatus::Lost)];
    prop_oneof![
        3 => Just(Action::Hold),
        4 => booking().prop_map(Action::Start),
        12 => (booking(), 0_usize..4, said).prop_map(|(n, at, said)| Action::Report(n, at, said)),
        1 => booking().prop_map(Action::Cancel),
        1 => booking().prop_map(Action::Confirm),
        2 => Just(Action::Expire),
        3 => (0_i64..1_200).prop_map(Action::Wait),
        3 => (booking(), prop::option::of(1_i64..150), any::<bool>(), any::<bool>())
            .prop_map(|(n, amount, cancels, by_hand)| Action::Refund(n, amount, cancels, by_hand)),
        4 => (booking(), prop::collection::vec(0..UNITS as usize, 1..4), prop::option::of(1_i64..60), any::<bool>())
            .prop_map(|(n, at, amount, cancel)| Action::RefundTickets(n, at, amount, cancel)),
        1 => prop::bool::weighted(0.2).prop_map(|really| if really { Action::CancelEvent } else { Action::Expire }),
        1 => booking().prop_map(Action::CancelWithEvent),
        12 => (0_usize..2, 0_usize..2, 0_u8..2, dispute_said, 1_i64..200)
            .prop_map(|(n, at, name, said, minor)| Action::Dispute(n, at, name, said, minor)),
        3 => (booking(), 0_usize..4, refund_said).prop_map(|(n, at, said)| Action::RefundReport(n, at, said)),
    ]
}

impl Shop {
    fn act(&mut self, action: &Action) {
        let known = |n: usize, shop: &Self| n < shop.bought.len();
        match *action {
            Action::Hold => drop(self.hold()),
            Action::Wait(seconds) => self.now += seconds,
            Action::Expire => self.expire(),
            Action::CancelEvent => self.cancel_event(),
            Action::CancelWithEvent(n) if known(n, self) => drop(self.cancel_with_event(n)),
            Action::Start(n) if known(n, self) => drop(self.start(n)),
            Action::Cancel(n) if known(n, self) => self.cancel(n),
            Action::Confirm(n) if known(n, self) => self.confirm(n),
            Action::Refund(n, amount, cancels, by_hand) if known(n, self) => {
                drop(self.refund_by(n, amount, cancels, by_hand));
            }
            Action::RefundTickets(n, ref at, amount, cancel)
                if known(n, self) && !self.bought[n].tickets.is_empty() =>
            {
                let done = self.refund_tickets(n, at, amount, cancel).is_ok();
                if done && cancel {
                    assert!(self.refund_tickets(n, at, amount, cancel).is_err(), "a ticket goes once");
                }
            }
            Action::Report(n, at, said) if known(n, self) => {
                let Some(id) = self.bought[n].payments.get(at).map(|payment| payment.id) else { return };
                let outcome = match said {
                    Said::Processing => ChargeOutcome::Processing,
                    Said::Paid(minor) => self.paid(minor),
                    Said::Declined => declined(),
                    Said::Cancelled => ChargeOutcome::Cancelled,
                };
                let before = self.sale.clone();
                if self.report(n, id, outcome.clone()).unwrap() {
                    assert!(!self.report(n, id, outcome).unwrap(), "twice is once");
                } else {
                    assert_eq!(self.sale, before);
                }
            }
            Action::Dispute(n, at, name, said, minor) if known(n, self) && at < self.bought[n].payments.len() => {
                if let Ok(true) = self.dispute(n, at, name, said, minor) {
                    assert_eq!(self.dispute(n, at, name, said, minor), Ok(false), "twice is once");
                }
            }
            Action::RefundReport(n, at, said) if known(n, self) && at < self.bought[n].refunds.len() => {
                let outcome = match said {
                    RefundSaid::InTransit => RefundOutcome::InTransit,
                    RefundSaid::Done => RefundOutcome::Done,
                    RefundSaid::Failed => RefundOutcome::Failed(Text::trusted("no".to_owned())),
                };
                drop(self.refund_report(n, at, &outcome));
            }
            _ => {}
        }
    }
}

/// `domain.md` 2.3: a refund that was made beside the provider is done as it is noted.
#[test]
fn what_the_organizer_gives_back_himself_closes_a_case() {
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    shop.refund(n, None, true).unwrap();
    let failed = RefundOutcome::Failed(Text::trusted("card_closed".to_owned()));
    assert_eq!(shop.refund_report(n, 0, &failed), Ok(true));
    assert_eq!(ends(&shop, n), [(0, 0, PRICE)], "the card is closed: a case");
    let id = shop.bought[n].payments[0].id;
    let cash = |shop: &Shop, account| shop.sum(&[account], id);
    shop.refund_by(n, Some(60), false, true).unwrap();
    assert_eq!(ends(&shop, n), [(0, 60, 40)]);
    assert_eq!((cash(&shop, Account::ProviderCash), cash(&shop, Account::ManualCash)), (PRICE, -60));
    shop.refund_by(n, None, false, true).unwrap();
    assert_eq!(ends(&shop, n), [(0, PRICE, 0)]);
    let by_hand: Vec<_> = shop.bought[n].refunds.iter().map(|refund| (refund.by_hand, refund.status)).collect();
    let done = (true, RefundStatus::Done);
    assert_eq!(by_hand, [(false, RefundStatus::Failed), done, done]);
    assert_eq!(shop.refund_report(n, 1, &failed), Ok(false), "no provider has a say in it");
    assert!(shop.refund_by(n, None, false, true).is_err(), "nothing is left");
    // Had the provider sent it after all, that would be for people.
    assert!(shop.refund_report(n, 0, &RefundOutcome::Done).is_err());
    shop.check();
}

#[test]
fn tickets_go_back_one_by_one_and_make_the_whole_in_the_end() {
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    let sold = |shop: &Shop| shop.sale.pools[0].sold;
    assert!(shop.sale.ticket_types.iter().all(|known| shop.sale.available(known) == Some(0)));
    shop.refund_tickets(n, &[1], None, true).unwrap();
    assert_eq!((ends(&shop, n), status(&shop, n), sold(&shop)), (vec![(67, 33, 0)], BookingStatus::Confirmed, 2));
    assert_eq!((shop.bought[n].booking.units(), shop.bought[n].booking.kept_units()), (3, 2));
    assert_eq!(shop.bought[n].booking.total.minor, PRICE, "it cost what it cost");
    let facts = shop.bought[n].booking.sequence;
    assert!(matches!(shop.refund_tickets(n, &[1], None, true), Err(Refusal::InvalidState(_))), "it is revoked");
    assert!(matches!(shop.refund_tickets(n, &[0, 0], None, true), Err(Refusal::Invalid(_))), "named twice");
    assert!(matches!(shop.refund_tickets(n, &[0], Some(68), true), Err(Refusal::Invalid(_))), "more than is left");
    assert_eq!(shop.bought[n].booking.sequence, facts, "what is refused changes nothing");
    shop.check();
    // The last two are the booking.
    shop.refund_tickets(n, &[2, 0], None, true).unwrap();
    assert_eq!((ends(&shop, n), status(&shop, n), sold(&shop)), (vec![(0, 100, 0)], BookingStatus::Cancelled, 0));
    assert_eq!((shop.bought[n].booking.kept_units(), shop.bought[n].booking.sequence - facts), (0, 4), "each is told");
    shop.check();
    assert!(matches!(shop.refund_tickets(n, &[0], None, true), Err(Refusal::InvalidState(_))));
}

#[test]
fn what_a_ticket_has_cost_goes_back_as_far_as_it_is_left() {
    let mut shop = Shop::new(2);
    let n = paid(&mut shop);
    // For one of them, and it stays.
    shop.refund_tickets(n, &[0], None, false).unwrap();
    assert_eq!((ends(&shop, n), shop.bought[n].booking.kept_units()), (vec![(67, 33, 0)], 3));
    shop.refund(n, Some(60), false).unwrap();
    shop.refund_tickets(n, &[0], None, true).unwrap();
    assert_eq!((ends(&shop, n), shop.bought[n].booking.kept_units()), (vec![(0, 100, 0)], 2), "7 of 33 are left");
    // Nothing is left, and a ticket goes all the same; without it there is nothing to do.
    assert!(matches!(shop.refund_tickets(n, &[1], None, false), Err(Refusal::InvalidState(_))));
    shop.refund_tickets(n, &[1], None, true).unwrap();
    assert_eq!((ends(&shop, n), shop.bought[n].booking.kept_units()), (vec![(0, 100, 0)], 1));
    // A ticket of another booking is none, whoever paid for it.
    let other = paid(&mut shop);
    let foreign = shop.bought[n].tickets.clone();
    let request = RefundRequest { tickets: vec![foreign[2].id], ..RefundRequest::WHOLE };
    let refused = request_refund(&shop.books(other), &request, &foreign, &mut Count::default());
    assert_eq!(refused, Err(Refusal::NotFound("ticket")));
    // What is kept, one keeps by an amount; and what the bank has goes nowhere.
    shop.refund_tickets(other, &[0, 1], Some(10), true).unwrap();
    assert_eq!((ends(&shop, other), shop.bought[other].booking.kept_units()), (vec![(90, 10, 0)], 1));
    assert_eq!(shop.dispute(other, 0, 1, DisputeStatus::Opened, 90), Ok(true));
    assert!(matches!(shop.refund_tickets(other, &[2], None, true), Err(Refusal::InvalidState(_))));
    // As a whole it goes, and what the bank gives back goes back to the buyer.
    shop.refund(other, None, true).unwrap();
    assert_eq!((ends(&shop, other), status(&shop, other)), (vec![(0, 10, 90)], BookingStatus::Cancelled));
    assert_eq!(shop.dispute(other, 0, 1, DisputeStatus::Won, 90), Ok(true));
    assert_eq!(ends(&shop, other), [(0, 100, 0)]);
    shop.check();
}

#[test]
fn a_ticket_is_paid_back_by_what_pays_for_it_and_not_by_a_case() {
    let mut shop = Shop::new(1);
    let n = paid(&mut shop);
    shop.refund_tickets(n, &[0], None, true).unwrap();
    let failed = RefundOutcome::Failed(Text::trusted("card_closed".to_owned()));
    assert_eq!(shop.refund_report(n, 0, &failed), Ok(true));
    assert_eq!(ends(&shop, n), [(67, 0, 33)], "what could not be sent is a case");
    shop.refund_tickets(n, &[1], None, true).unwrap();
    assert_eq!(ends(&shop, n), [(34, 33, 33)], "and stays one");
    // An amount is of what belongs nowhere, unless tickets are named; then that comes last.
    shop.refund_tickets(n, &[2], Some(60), true).unwrap();
    assert_eq!((ends(&shop, n), status(&shop, n)), (vec![(0, 93, 7)], BookingStatus::Cancelled));
    shop.refund_by(n, None, false, true).unwrap();
    assert_eq!(ends(&shop, n), [(0, 100, 0)]);
    shop.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_whatever_order_each_amount_has_one_end(actions in prop::collection::vec(action(), 1..80)) {
        let mut shop = Shop::new(1);
        for action in &actions {
            shop.act(action);
            shop.check();
        }
    }
}
