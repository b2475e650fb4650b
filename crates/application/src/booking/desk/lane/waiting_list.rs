//! Whoever waits is served first: what is free is offered to him before anybody else is heard, and in the commit that made
//! it free (ADR 0042).
//!
//! Where nobody waits, all that this costs is to see that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::booking::{
    BookingStatus, Buyer, Canceller, CloseReason, EntryState, Holdings, JoinRequest, Offer, Prospect, Reference,
    Refusal, WaitingListEntry, cancel, join_waiting_list, offer,
};
use domain::{BookingId, TicketTypeId, UserId, WaitingListEntryId};

use super::super::command::OFFERING;
use super::{LaneWork, Rules, Step};
use crate::booking::{LaneChanges, Outcome, WhoWaits, WhoWaitsFor, journal};
use crate::error::AppError;
use crate::origin::Origin;

/// The most offers of one commit, entries that it closes included: each is as much to write as a booking, and buyers of other
/// types wait meanwhile.
const OFFERS_MAX: usize = 200;

/// The most rows of one look at who waits.
pub(in super::super) const LOOK_MAX: u32 = 250;

/// What a transaction knows of the waiting list of its lane, and what it changes of it.
#[derive(Default)]
pub(super) struct WaitingList {
    /// In their newest state.
    entries: HashMap<WaitingListEntryId, WaitingListEntry>,
    /// Those that are known to wait, in their order.
    queue: BTreeMap<u64, WaitingListEntryId>,
    /// Buyers whose accounts are gone.
    gone: HashSet<UserId>,
    /// Up to which quantity all are known who wait for a type.
    known: HashMap<TicketTypeId, u32>,
    /// Of types of which only the first are known who wait for at most so many, the last number among these.
    seen_to: HashMap<TicketTypeId, (u32, u64)>,
    changed: BTreeSet<WaitingListEntryId>,
    /// Who has an open entry for which type, as far as commands ask.
    open: HashSet<(UserId, TicketTypeId)>,
    /// The highest number that was given.
    last_number: u64,
    /// How many entries were served.
    served: usize,
    /// Whether the next commit has to go on.
    more: bool,
    /// Whether a defect was met: then nothing more is offered here.
    stopped: bool,
}

impl WaitingList {
    fn put(&mut self, entry: WaitingListEntry) {
        match entry.state {
            EntryState::Waiting => drop(self.queue.insert(entry.number, entry.id)),
            _ => drop(self.queue.remove(&entry.number)),
        }
        match entry.state {
            // An offer is open still: who has one does not join again behind it.
            EntryState::Waiting | EntryState::Offered(_) => self.open.insert((entry.buyer, entry.ticket_type)),
            EntryState::Withdrawn | EntryState::Closed(_) => self.open.remove(&(entry.buyer, entry.ticket_type)),
        };
        self.changed.insert(entry.id);
        self.entries.insert(entry.id, entry);
    }

    /// Adds the rows to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        for id in std::mem::take(&mut self.changed) {
            changes.waiting_list.extend(self.entries.remove(&id));
        }
    }
}

impl LaneWork {
    /// Takes note of an entry that a command is about.
    pub(in super::super) fn remember_entry(&mut self, entry: WaitingListEntry) {
        self.waiting_list.entries.insert(entry.id, entry);
    }

    /// The bookings of the offers that commands are about.
    pub(in super::super) fn offered_bookings(&self) -> impl Iterator<Item = BookingId> + '_ {
        self.waiting_list.entries.values().filter_map(WaitingListEntry::booking)
    }

    /// Takes note of what those who want to join must know: the last number, and who waits already for what.
    pub(in super::super) fn remember_list(
        &mut self,
        last_number: u64,
        open: impl IntoIterator<Item = (UserId, TicketTypeId)>,
    ) {
        self.waiting_list.last_number = last_number;
        self.waiting_list.open.extend(open);
    }

    /// Whether somebody waits, for whatever type.
    pub(in super::super) fn is_awaited(&self) -> bool {
        !self.sale.waiting.is_empty() && !self.deleted
    }

    /// Whether somebody waits for a type that is on sale, so that lapsed holds matter.
    pub(in super::super) fn needs_lapsed(&self) -> bool {
        let on_sale = |id: &TicketTypeId| matches!(self.sale.prospect(*id, self.now), Prospect::Room(_));
        self.lapsed.is_none() && self.sale.waiting.keys().any(on_sale)
    }

    /// Whether the next commit has to go on with offers, before anybody else is heard.
    pub(in super::super) fn has_more_to_offer(&self) -> bool {
        self.waiting_list.more
    }

    /// Expires every lapsed hold that is known: who waits could have its units.
    pub(in super::super) fn expire_for_waiting(&mut self, rules: &Rules<'_>) {
        let Some(lapsed) = &mut self.lapsed else { return };
        let (due, more) = (std::mem::take(&mut lapsed.bookings), lapsed.more);
        let expired = due.iter().filter_map(|booking| self.expired(booking)).collect();
        let released = self.release(expired, &offering(), rules);
        self.waiting_list.stopped |= released.is_err();
        self.waiting_list.more |= more && !self.waiting_list.stopped;
    }

    /// For whom it has to look, so that all are known who could be served now: by type, up to which quantity. None, once
    /// the next commit has to go on.
    pub(in super::super) fn looks_for(&mut self) -> Vec<WhoWaitsFor> {
        let unknown = if self.waiting_list.stopped { Vec::new() } else { self.unknown() };
        self.waiting_list.more |= self.waiting_list.served >= OFFERS_MAX && !unknown.is_empty();
        if self.waiting_list.more { Vec::new() } else { unknown }
    }

    fn unknown(&self) -> Vec<WhoWaitsFor> {
        let list = &self.waiting_list;
        let wanted = |id: &TicketTypeId| {
            let quantity = match self.sale.prospect(*id, self.now) {
                Prospect::Room(0) | Prospect::Later => return None,
                Prospect::Room(units) => units,
                Prospect::Over => u32::MAX,
            };
            let is_known = list.known.get(id).is_some_and(|known| *known >= quantity);
            (!is_known).then_some(WhoWaitsFor { ticket_type: *id, quantity })
        };
        self.sale.waiting.keys().filter_map(wanted).collect()
    }

    /// How many rows to look for: those that this transaction has served still stand there.
    pub(in super::super) fn look_max(&self) -> u32 {
        LOOK_MAX.saturating_add(u32::try_from(self.waiting_list.changed.len()).unwrap_or(u32::MAX))
    }

    /// Takes note of who waits; `limit` were asked for, of each type.
    pub(in super::super) fn remember_waiting(&mut self, asked: &[WhoWaitsFor], found: Vec<WhoWaits>, limit: u32) {
        let list = &mut self.waiting_list;
        for WhoWaitsFor { ticket_type, quantity } in asked {
            let rows = found.iter().filter(|it| it.entry.ticket_type == *ticket_type);
            let last = rows.clone().map(|it| it.entry.number).max();
            match last.filter(|_| rows.count() >= limit as usize) {
                Some(last) => list.seen_to.insert(*ticket_type, (*quantity, last)).map(drop),
                None => list.known.insert(*ticket_type, *quantity).map(drop),
            };
        }
        for WhoWaits { entry, is_gone } in found {
            if is_gone {
                list.gone.insert(entry.buyer);
            }
            if !list.changed.contains(&entry.id) {
                list.queue.insert(entry.number, entry.id);
                list.entries.insert(entry.id, entry);
            }
        }
    }

    /// The buyers among those who wait, where there are limits for one buyer and what he has is not known.
    pub(in super::super) fn unknown_holders(&self) -> Vec<Buyer> {
        if !self.limits_buyers() {
            return Vec::new();
        }
        let list = &self.waiting_list;
        let waiting = list.queue.values().filter_map(|id| list.entries.get(id));
        let buyers: HashSet<Buyer> = waiting.map(|entry| Buyer::Account(entry.buyer)).collect();
        buyers.into_iter().filter(|buyer| !self.holdings.contains_key(buyer)).collect()
    }

    /// Serves those who are known to wait, in their order: who cannot be served any more is closed, and who wants more than
    /// there is keeps his place. Says whether anybody was served.
    pub(in super::super) fn serve_waiting(&mut self, rules: &Rules<'_>) -> bool {
        let (before, until) = (self.waiting_list.served, self.in_order_until());
        let waiting: Vec<WaitingListEntryId> = self.waiting_list.queue.range(..=until).map(|(_, id)| *id).collect();
        for id in waiting {
            if self.waiting_list.stopped {
                break;
            }
            if self.waiting_list.served >= OFFERS_MAX {
                self.waiting_list.more = true;
                break;
            }
            if let Some(entry) = self.waiting_list.entries.get(&id).cloned() {
                let served = self.serve(&entry, rules);
                // What was met was logged: the lane goes on without offers.
                self.waiting_list.stopped |= served.is_err();
            }
        }
        self.waiting_list.served > before
    }

    /// The last number up to which nobody is missing who could be served.
    fn in_order_until(&self) -> u64 {
        let seen_to = |asked: WhoWaitsFor| match self.waiting_list.seen_to.get(&asked.ticket_type) {
            Some((quantity, last)) if *quantity >= asked.quantity => *last,
            _ => 0,
        };
        self.unknown().into_iter().map(seen_to).min().unwrap_or(u64::MAX)
    }

    /// Leaves the rest to the next commit.
    pub(in super::super) fn put_off_offers(&mut self) {
        self.waiting_list.more = !self.waiting_list.stopped;
    }

    fn serve(&mut self, entry: &WaitingListEntry, rules: &Rules<'_>) -> Result<(), AppError> {
        let (none, buyer) = (Holdings::new(), Buyer::Account(entry.buyer));
        let offered = if self.waiting_list.gone.contains(&entry.buyer) {
            Err(CloseReason::AccountDeleted)
        } else {
            let name = (BookingId::new(rules.ids.uuid()), Reference::of(rules.ids.random(), 0));
            offer(&self.sale, self.holdings.get(&buyer).unwrap_or(&none), entry, name, self.now)
        };
        match offered {
            Ok(None) => return Ok(()),
            Ok(Some(offer)) => self.make_offer(entry, offer, rules)?,
            Err(reason) => self.put_entry(Some(entry), entry.closed(reason, self.now), &offering(), rules)?,
        }
        self.waiting_list.served += 1;
        Ok(())
    }

    fn make_offer(&mut self, before: &WaitingListEntry, offer: Offer, rules: &Rules<'_>) -> Result<(), AppError> {
        let Offer { entry, decided } = offer;
        self.take(&decided, None, &offering(), rules)?;
        self.occupy(decided.booking);
        self.put_entry(Some(before), entry, &offering(), rules)
    }

    fn put_entry(
        &mut self,
        before: Option<&WaitingListEntry>,
        after: WaitingListEntry,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<(), AppError> {
        match before {
            None => self.sale.count_waiting(after.ticket_type),
            Some(_) if self.sale.uncount_waiting(after.ticket_type) => {}
            Some(_) => {
                tracing::error!(event.id = %self.key, "Somebody waits who is not counted");
                return Err(AppError::Internal);
            }
        }
        let (outbox, audit) = journal::of_waiting_list(before, &after, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
        self.waiting_list.put(after);
        Ok(())
    }

    pub(super) fn join_waiting_list(
        &mut self,
        request: &JoinRequest,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Result<Outcome, AppError>, Step> {
        if self.lapsed.is_none() {
            return Err(Step::NeedsLapsed);
        }
        Ok(self.join(request, origin, rules).map(|entry| Outcome::WaitingListEntry(Box::new(entry))))
    }

    fn join(
        &mut self,
        request: &JoinRequest,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<WaitingListEntry, AppError> {
        let none = Holdings::new();
        let holdings = self.holdings.get(&Buyer::Account(request.buyer)).unwrap_or(&none);
        let number = self.waiting_list.last_number + 1;
        let entry = join_waiting_list(&self.unlapsed(), holdings, request, number, self.now)?;
        if self.waiting_list.open.contains(&(entry.buyer, entry.ticket_type)) {
            return Err(AppError::AlreadyExists("you wait for these tickets already, or have an offer of them"));
        }
        self.waiting_list.last_number = number;
        self.put_entry(None, entry.clone(), origin, rules)?;
        Ok(entry)
    }

    pub(super) fn withdraw_from_waiting_list(
        &mut self,
        id: WaitingListEntryId,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Result<Outcome, AppError>, Step> {
        self.decide_entry(id, |work, entry| work.withdraw(entry, origin, rules))
    }

    /// Decides what becomes of an entry whose buyer has no account any more: who waits is closed, and an offer that
    /// holds units gives them back, unless it is being paid. What is over stays as it is.
    pub(super) fn leave_waiting_list(
        &mut self,
        id: WaitingListEntryId,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Result<Outcome, AppError>, Step> {
        self.decide_entry(id, |work, entry| work.leave(entry, origin, rules))
    }

    /// Decides on an entry, once the booking of its offer is known.
    fn decide_entry(
        &mut self,
        id: WaitingListEntryId,
        decide: impl FnOnce(&mut Self, WaitingListEntry) -> Result<WaitingListEntry, AppError>,
    ) -> Result<Result<Outcome, AppError>, Step> {
        let Some(entry) = self.waiting_list.entries.get(&id).cloned() else {
            return Ok(Err(AppError::NotFound("waiting-list entry")));
        };
        // He was made an offer by this very transaction, and the next one finds its booking.
        if entry.booking().is_some_and(|booking| !self.bookings.contains_key(&booking)) {
            return Err(Step::Defer);
        }
        Ok(decide(self, entry).map(|entry| Outcome::WaitingListEntry(Box::new(entry))))
    }

    fn leave(
        &mut self,
        entry: WaitingListEntry,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<WaitingListEntry, AppError> {
        let booking = match entry.state {
            EntryState::Waiting => {
                let closed = entry.closed(CloseReason::AccountDeleted, self.now);
                self.put_entry(Some(&entry), closed.clone(), origin, rules)?;
                return Ok(closed);
            }
            EntryState::Offered(booking) => booking,
            EntryState::Withdrawn | EntryState::Closed(_) => return Ok(entry),
        };
        if self.bookings.get(&booking).is_none_or(|booking| booking.status != BookingStatus::Pending) {
            return Ok(entry);
        }
        // As a hold does not lapse while somebody pays.
        if self.is_being_paid(booking) {
            return Err(Refusal::InvalidState("the offer is being paid".to_owned()).into());
        }
        self.transition(booking, origin, rules, |sale, booking, now| cancel(sale, booking, Canceller::Buyer, now))?;
        Ok(entry)
    }

    fn withdraw(
        &mut self,
        entry: WaitingListEntry,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<WaitingListEntry, AppError> {
        let Some(booking) = entry.booking() else {
            let Some(withdrawn) = entry.withdrawn(self.now)? else { return Ok(entry) };
            self.put_entry(Some(&entry), withdrawn.clone(), origin, rules)?;
            return Ok(withdrawn);
        };
        if self.bookings.get(&booking).is_some_and(|booking| booking.status == BookingStatus::Confirmed) {
            let why = "the offer was taken: what is to be cancelled is its booking";
            return Err(Refusal::InvalidState(why.to_owned()).into());
        }
        self.transition(booking, origin, rules, |sale, booking, now| cancel(sale, booking, Canceller::Buyer, now))?;
        Ok(entry)
    }
}

fn offering() -> Origin {
    Origin::system(OFFERING)
}
