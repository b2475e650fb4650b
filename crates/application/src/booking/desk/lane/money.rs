//! Commands about money, on the state of their lane.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::booking::{Booking, FactKind};
use domain::payment::{
    Books, ChargeReport, FreshIds, LedgerEntry, Payment, Refund, RefundOutcome, RefundRequest, Settlement,
    StartPayment, apply_refund_report, apply_report, confirm_paid, request_refund, start_payment, takes_again,
};
use domain::{BookingId, LedgerTransactionId, PaymentId, RefundId};

use super::{LaneWork, Room, Rules, Step, release_of};
use crate::booking::{LaneChanges, Outcome, ProviderEventRow};
use crate::clock::Ids;
use crate::error::AppError;
use crate::origin::Origin;
use crate::payment::ProviderEventKey;

/// What the commands of a transaction know of payments, and what they change of them.
#[derive(Default)]
pub(super) struct Money {
    /// By booking, oldest first, in their newest state.
    payments: HashMap<BookingId, Vec<Payment>>,
    /// By booking, in their newest state.
    refunds: HashMap<BookingId, Vec<Refund>>,
    known_events: HashSet<ProviderEventKey>,
    /// Of which booking they are, and whether they are new.
    changed_payments: BTreeMap<PaymentId, (BookingId, bool)>,
    changed_refunds: BTreeMap<RefundId, (BookingId, bool)>,
    ledger: Vec<LedgerEntry>,
    events: Vec<ProviderEventRow>,
}

impl Money {
    fn put_payment(&mut self, payment: Payment) {
        let all = self.payments.entry(payment.booking).or_default();
        let known = all.iter_mut().find(|known| known.id == payment.id);
        self.changed_payments.entry(payment.id).or_insert((payment.booking, known.is_none()));
        match known {
            Some(known) => *known = payment,
            None => all.push(payment),
        }
    }

    fn put_refund(&mut self, refund: Refund) {
        let all = self.refunds.entry(refund.booking).or_default();
        let known = all.iter_mut().find(|known| known.id == refund.id);
        // Of a booking whose refunds were not asked for, all that is put is new.
        self.changed_refunds.entry(refund.id).or_insert((refund.booking, known.is_none()));
        match known {
            Some(known) => *known = refund,
            None => all.push(refund),
        }
    }

    /// Adds the rows to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        for (id, (booking, is_new)) in std::mem::take(&mut self.changed_payments) {
            let found = self.payments.get(&booking).and_then(|all| all.iter().find(|known| known.id == id));
            let rows = if is_new { &mut changes.new_payments } else { &mut changes.payments };
            rows.extend(found.cloned());
        }
        for (id, (booking, is_new)) in std::mem::take(&mut self.changed_refunds) {
            let found = self.refunds.get(&booking).and_then(|all| all.iter().find(|known| known.id == id));
            let rows = if is_new { &mut changes.new_refunds } else { &mut changes.refunds };
            rows.extend(found.cloned());
        }
        changes.ledger.append(&mut self.ledger);
        changes.provider_events.append(&mut self.events);
    }
}

/// New ids by the port.
struct Fresh<'a>(&'a dyn Ids);

impl FreshIds for Fresh<'_> {
    fn refund(&mut self) -> RefundId {
        RefundId::new(self.0.uuid())
    }

    fn transaction(&mut self) -> LedgerTransactionId {
        LedgerTransactionId::new(self.0.uuid())
    }
}

impl LaneWork {
    /// Takes note of a payment that the transaction has found.
    pub(in super::super) fn remember_payment(&mut self, payment: Payment) {
        self.money.payments.entry(payment.booking).or_default().push(payment);
    }

    /// Takes note of a refund that the transaction has found.
    pub(in super::super) fn remember_refund(&mut self, refund: Refund) {
        self.money.refunds.entry(refund.booking).or_default().push(refund);
    }

    /// Takes note of messages that had their effect before.
    pub(in super::super) fn remember_events(&mut self, known: &[ProviderEventKey]) {
        self.money.known_events.extend(known.iter().cloned());
    }

    fn books(&self, booking: BookingId) -> Result<Books<'_>, AppError> {
        let found = self.bookings.get(&booking).ok_or(AppError::NotFound("booking"))?;
        let payments = self.money.payments.get(&booking).map_or(&[][..], Vec::as_slice);
        let promo_has_room = self.promo_codes.has_room(found);
        Ok(Books { sale: &self.sale, booking: found, payments, promo_has_room, now: self.now })
    }

    pub(super) fn confirm(
        &mut self,
        id: BookingId,
        note: Option<&str>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let payment = PaymentId::new(rules.ids.uuid());
        let books = self.books(id)?;
        let booking = match confirm_paid(&books, payment, &mut Fresh(rules.ids))? {
            Some(settled) => self.settle(id, settled, note, origin, rules)?,
            None => books.booking.clone(),
        };
        Ok(Outcome::Booking(Box::new(booking)))
    }

    pub(super) fn start_payment(
        &mut self,
        id: BookingId,
        start: &StartPayment,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let (payment, settled) = start_payment(&self.books(id)?, start)?;
        let booking = self.settle(id, settled, None, origin, rules)?;
        Ok(Outcome::Payment(Box::new(payment), Box::new(booking)))
    }

    /// Decides a report; `Err` is a step that comes before.
    pub(super) fn apply_report(
        &mut self,
        id: BookingId,
        payment: PaymentId,
        report: &ChargeReport,
        event: Option<&ProviderEventKey>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Result<Outcome, AppError>, Step> {
        let wanted = self.books(id).ok().and_then(|books| takes_again(&books, payment, report));
        if let Some(wanted) = wanted.filter(|wanted| !self.sale.has_room(wanted)) {
            if self.lapsed.is_none() {
                return Err(Step::NeedsLapsed);
            }
            match self.make_room(&wanted, origin, rules) {
                Ok(Room::Made | Room::None) => {}
                Ok(Room::NotYet) => return Err(Step::Defer),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(self.take_report(id, payment, report, event, origin, rules))
    }

    fn take_report(
        &mut self,
        id: BookingId,
        payment: PaymentId,
        report: &ChargeReport,
        event: Option<&ProviderEventKey>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let books = self.books(id)?;
        let settled =
            if self.is_known(event) { None } else { apply_report(&books, payment, report, &mut Fresh(rules.ids))? };
        let booking = match settled {
            Some(settled) => {
                let booking = self.settle(id, settled, None, origin, rules)?;
                self.note_event(event);
                booking
            }
            None => books.booking.clone(),
        };
        let now = self.books(id)?.payments.iter().find(|known| known.id == payment).cloned();
        Ok(Outcome::Payment(Box::new(now.ok_or(AppError::NotFound("payment"))?), Box::new(booking)))
    }

    pub(super) fn refund(
        &mut self,
        id: BookingId,
        request: RefundRequest,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let settled = request_refund(&self.books(id)?, request, &mut Fresh(rules.ids))?;
        let refunds = settled.refunds.clone();
        let booking = self.settle(id, settled, None, origin, rules)?;
        Ok(Outcome::Refunds(refunds, Box::new(booking)))
    }

    pub(super) fn apply_refund_report(
        &mut self,
        id: BookingId,
        refund: RefundId,
        outcome: &RefundOutcome,
        event: Option<&ProviderEventKey>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let books = self.books(id)?;
        let refunds = self.money.refunds.get(&id).map_or(&[][..], Vec::as_slice);
        let settled = if self.is_known(event) {
            None
        } else {
            apply_refund_report(&books, refunds, refund, outcome, &mut Fresh(rules.ids))?
        };
        let booking = match settled {
            Some(settled) => {
                let booking = self.settle(id, settled, None, origin, rules)?;
                self.note_event(event);
                booking
            }
            None => books.booking.clone(),
        };
        let now = self.money.refunds.get(&id).and_then(|all| all.iter().find(|known| known.id == refund)).cloned();
        Ok(Outcome::Refunds(now.into_iter().collect(), Box::new(booking)))
    }

    /// Takes over what was decided; answers the booking as it is now.
    fn settle(
        &mut self,
        id: BookingId,
        settled: Settlement,
        note: Option<&str>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Booking, AppError> {
        let before = self.bookings.get(&id).ok_or(AppError::NotFound("booking"))?;
        let release_before = release_of(before);
        let booking = settled.steps.last().map_or_else(|| before.clone(), |step| step.booking.clone());
        // Stock first: one step at most moves any, and where that does not fit nothing was told yet.
        for step in &settled.steps {
            self.apply(&step.stock)?;
        }
        for step in &settled.steps {
            let note = note.filter(|_| step.fact.kind == FactKind::Confirmed);
            self.tell(step, note, origin, rules);
        }
        self.change_booking(booking.clone(), release_before);
        settled.payments.into_iter().for_each(|payment| self.money.put_payment(payment));
        settled.refunds.into_iter().for_each(|refund| self.money.put_refund(refund));
        self.money.ledger.extend(settled.entries);
        Ok(booking)
    }

    fn is_known(&self, event: Option<&ProviderEventKey>) -> bool {
        event.is_some_and(|event| self.money.known_events.contains(event))
    }

    /// A message that has an effect has it once. One without need not be remembered: it has none again.
    fn note_event(&mut self, event: Option<&ProviderEventKey>) {
        if let Some(event) = event {
            self.money.known_events.insert(event.clone());
            self.money.events.push(ProviderEventRow { key: event.clone(), at: self.now });
        }
    }
}
