//! Commands about money, on the state of their lane.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::admission::{Ticket, disputed};
use domain::booking::{Booking, FactKind};
use domain::payment::{
    Books, ChargeReport, DisputeReport, FreshIds, LedgerEntry, Payment, Refund, RefundOutcome, RefundRequest,
    Settlement, StartPayment, apply_dispute, apply_refund_report, apply_report, cancel_with_event, confirm_paid,
    request_refund, start_payment, takes_again,
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
    payments: Rows<Payment>,
    /// Of a booking whose refunds were not asked for, all that is put is new.
    refunds: Rows<Refund>,
    known_events: HashSet<ProviderEventKey>,
    ledger: Vec<LedgerEntry>,
    events: Vec<ProviderEventRow>,
}

/// A payment or a refund.
trait Row: Clone {
    type Id: Copy + Ord;
    fn id(&self) -> Self::Id;
    fn booking(&self) -> BookingId;
}

impl Row for Payment {
    type Id = PaymentId;

    fn id(&self) -> PaymentId {
        self.id
    }

    fn booking(&self) -> BookingId {
        self.booking
    }
}

impl Row for Refund {
    type Id = RefundId;

    fn id(&self) -> RefundId {
        self.id
    }

    fn booking(&self) -> BookingId {
        self.booking
    }
}

/// Rows of bookings, and which of them have changed.
struct Rows<T: Row> {
    /// Oldest first, in their newest state.
    of: HashMap<BookingId, Vec<T>>,
    /// Of which booking they are, and whether they are new.
    changed: BTreeMap<T::Id, (BookingId, bool)>,
}

impl<T: Row> Default for Rows<T> {
    fn default() -> Self {
        Self { of: HashMap::new(), changed: BTreeMap::new() }
    }
}

impl<T: Row> Rows<T> {
    fn of(&self, booking: BookingId) -> &[T] {
        self.of.get(&booking).map_or(&[], Vec::as_slice)
    }

    fn one(&self, booking: BookingId, id: T::Id) -> Option<&T> {
        self.of(booking).iter().find(|known| known.id() == id)
    }

    /// Takes note of one that the transaction has found.
    fn remember(&mut self, row: T) {
        self.of.entry(row.booking()).or_default().push(row);
    }

    /// Takes over one that was decided.
    fn put(&mut self, row: T) {
        let (id, booking) = (row.id(), row.booking());
        let all = self.of.entry(booking).or_default();
        let known = all.iter_mut().find(|known| known.id() == id);
        self.changed.entry(id).or_insert((booking, known.is_none()));
        match known {
            Some(known) => *known = row,
            None => all.push(row),
        }
    }

    fn collect(&mut self, new: &mut Vec<T>, changed: &mut Vec<T>) {
        for (id, (booking, is_new)) in std::mem::take(&mut self.changed) {
            let rows = if is_new { &mut *new } else { &mut *changed };
            rows.extend(self.one(booking, id).cloned());
        }
    }
}

impl Money {
    /// Adds the rows to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        self.payments.collect(&mut changes.new_payments, &mut changes.payments);
        self.refunds.collect(&mut changes.new_refunds, &mut changes.refunds);
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
        self.money.payments.remember(payment);
    }

    /// Takes note of a refund that the transaction has found.
    pub(in super::super) fn remember_refund(&mut self, refund: Refund) {
        self.money.refunds.remember(refund);
    }

    /// Takes note of messages that had their effect before.
    pub(in super::super) fn remember_events(&mut self, known: &[ProviderEventKey]) {
        self.money.known_events.extend(known.iter().cloned());
    }

    /// Whether a payment of the booking is under way, as far as its payments were asked for.
    pub(super) fn is_being_paid(&self, booking: BookingId) -> bool {
        self.money.payments.of(booking).iter().any(Payment::is_open)
    }

    pub(super) fn books(&self, booking: BookingId) -> Result<Books<'_>, AppError> {
        let found = self.bookings.get(&booking).ok_or(AppError::NotFound("booking"))?;
        let payments = self.money.payments.of(booking);
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
        let booking = self.reported(id, settled, event, origin, rules)?;
        let now = self.money.payments.one(id, payment).cloned();
        Ok(Outcome::Payment(Box::new(now.ok_or(AppError::NotFound("payment"))?), Box::new(booking)))
    }

    pub(super) fn apply_dispute(
        &mut self,
        id: BookingId,
        payment: PaymentId,
        report: &DisputeReport,
        event: Option<&ProviderEventKey>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let books = self.books(id)?;
        let settled =
            if self.is_known(event) { None } else { apply_dispute(&books, payment, report, &mut Fresh(rules.ids))? };
        let before = self.money.payments.one(id, payment).cloned();
        let booking = self.reported(id, settled, event, origin, rules)?;
        let now = self.money.payments.one(id, payment).cloned();
        if let (Some(before), Some(now)) = (before, &now) {
            self.follow_dispute(&before, now);
        }
        Ok(Outcome::Payment(Box::new(now.ok_or(AppError::NotFound("payment"))?), Box::new(booking)))
    }

    /// The tickets of a booking follow a bank that begins to ask back what pays for them, or does not get it. How it stands
    /// otherwise is no news: staff may have had its say since.
    fn follow_dispute(&mut self, before: &Payment, now: &Payment) {
        let gone = |payment: &Payment| payment.is_disputed() || payment.is_charged_back();
        let (id, blocks) = (now.booking, self.sale.event.terms.blocks_disputed);
        let is_disputed = match (gone(before), gone(now)) {
            (false, true) if blocks && before.booked > 0 => true,
            (true, false) if !self.money.payments.of(id).iter().any(gone) => false,
            _ => return,
        };
        self.disputed.insert(id, is_disputed);
        // What is shown at the door in the same batch meets them as they are now.
        for ticket in self.tickets.values_mut().filter(|ticket| ticket.booking == id) {
            ticket.status = disputed(ticket, blocks, is_disputed).unwrap_or(ticket.status);
        }
    }

    pub(super) fn refund(
        &mut self,
        id: BookingId,
        request: &RefundRequest,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let tickets: Vec<Ticket> = request.tickets.iter().filter_map(|id| self.tickets.get(id)).cloned().collect();
        let settled = request_refund(&self.books(id)?, request, &tickets, &mut Fresh(rules.ids))?;
        let refunds = settled.refunds.clone();
        let booking = self.settle(id, settled, None, origin, rules)?;
        Ok(Outcome::Refunds(refunds, Box::new(booking)))
    }

    pub(super) fn cancel_with_event(
        &mut self,
        id: BookingId,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let books = self.books(id)?;
        let booking = match cancel_with_event(&books, &mut Fresh(rules.ids))? {
            Some(settled) => self.settle(id, settled, None, origin, rules)?,
            None => books.booking.clone(),
        };
        Ok(Outcome::Booking(Box::new(booking)))
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
        let refunds = self.money.refunds.of(id);
        let settled = if self.is_known(event) {
            None
        } else {
            apply_refund_report(&books, refunds, refund, outcome, &mut Fresh(rules.ids))?
        };
        let booking = self.reported(id, settled, event, origin, rules)?;
        let now = self.money.refunds.one(id, refund).cloned();
        Ok(Outcome::Refunds(now.into_iter().collect(), Box::new(booking)))
    }

    /// Takes over what was decided of a provider's word, if anything, and remembers the message that brought it; answers
    /// the booking as it is now.
    fn reported(
        &mut self,
        id: BookingId,
        settled: Option<Settlement>,
        event: Option<&ProviderEventKey>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Booking, AppError> {
        let Some(settled) = settled else { return Ok(self.books(id)?.booking.clone()) };
        let booking = self.settle(id, settled, None, origin, rules)?;
        self.note_event(event);
        Ok(booking)
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
        // Stock first: one step at most takes any, and where that does not fit nothing was told yet.
        for step in &settled.steps {
            self.apply(&step.stock)?;
        }
        for step in &settled.steps {
            let note = note.filter(|_| step.fact.kind == FactKind::Confirmed);
            self.tell(step, note, origin, rules);
        }
        self.change_booking(booking.clone(), release_before);
        settled.payments.into_iter().for_each(|payment| self.money.payments.put(payment));
        settled.refunds.into_iter().for_each(|refund| self.money.refunds.put(refund));
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
