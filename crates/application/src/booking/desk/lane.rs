//! Deciding a batch on one lane: command after command in arrival order, each on the state that the ones before it left.
//! What is about money is in `money`, what people are told in `notices`, what is to be invoiced in `invoices`, who waits in
//! `waiting_list`.

mod invoices;
mod money;
mod notices;
mod waiting_list;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::TimeDelta;
use domain::admission::{
    CheckIn, CheckInList, CheckInRequest, DoorPayment, DoorVerdict, Issue, ListEdit, OfflineScan, Scan, ScanResult,
    Ticket, TicketChange, TicketStatus, change_ticket, check_in, exit_check_in, issue, pay_at_door, revoke,
    sync_check_in, undo_check_in,
};
use domain::booking::{
    Attendee, Booking, BookingStatus, Buyer, Decided, FactKind, HoldRequest, Holdings, PromoCode, PromoEdit, PromoWord,
    Refusal, Sale, SaleChange, StockMove, Verdict, cancel, change_sale, expire, hold_with, reclaim, renew,
};
use domain::{BookingId, CheckInId, CheckInListId, PromoCodeId, TicketId, TicketTypeId, Timestamp};

use self::invoices::InvoicesDue;
use self::notices::Notices;
use self::waiting_list::WaitingList;
use super::command::{Command, Outcome, Reply, Submission};
use super::diff;
use super::promo_codes::PromoCodes;
use crate::admission::{self, read_scan, read_scans};
use crate::booking::journal::{self, SaleFact};
use crate::booking::promo_snapshot::{self, read_promo_code};
use crate::booking::waiting_list_snapshot::{self, read_waiting_list_entry};
use crate::booking::{AttendeeChange, BookingChange, DisputedTickets, LaneChanges, LaneKey, LaneMark, snapshot};
use crate::catalog::SeenSale;
use crate::clock::Ids;
use crate::error::AppError;
use crate::idempotency::{Answer, KeptAnswer};
use crate::journal::{AuditRow, OutboxRow};
use crate::origin::Origin;
use crate::payment;

/// The state of a lane within a transaction.
pub(super) struct LaneWork {
    pub(super) key: LaneKey,
    /// `max(clock, last decision)`: the time of a lane never runs backwards.
    pub(super) now: Timestamp,
    /// The version of the lane once this transaction commits.
    pub(super) next_version: u64,
    pub(super) before: Arc<SeenSale>,
    pub(super) sale: Sale,
    /// What was there before: what commands refer to, and what they changed, in its newest state.
    pub(super) bookings: HashMap<BookingId, Booking>,
    /// What commands refer to, in its newest state.
    pub(super) tickets: HashMap<TicketId, Ticket>,
    /// What commands refer to, and what counts for the tickets that they refer to.
    check_ins: HashMap<CheckInId, CheckIn>,
    /// The entries that count, by ticket.
    counting: HashMap<TicketId, Vec<CheckInId>>,
    /// The check-in lists that are kept, where a command is about them.
    pub(super) lists: Vec<CheckInList>,
    pub(super) holdings: HashMap<Buyer, Holdings>,
    /// What buyers have more or less by this transaction, while somebody waits: whose holdings are looked up later are told
    /// without it.
    held_since: HashMap<Buyer, BTreeMap<TicketTypeId, i64>>,
    pub(super) promo_codes: PromoCodes,
    /// Whether anything was booked before; known only where it is asked.
    pub(super) is_booked: bool,
    pub(super) kept: Vec<KeptAnswer>,
    /// Lapsed holds, oldest first, loaded only where stock was short.
    pub(super) lapsed: Option<Lapsed>,
    pub(super) deleted: bool,
    new: Vec<Booking>,
    /// When the first of the new holds lapses.
    pub(super) next_release: Option<Timestamp>,
    /// Those of `bookings` that changed, with the `release_at` that they had as pending ones before.
    changed: BTreeMap<BookingId, Option<Timestamp>>,
    money: money::Money,
    new_tickets: Vec<Ticket>,
    /// Those of `tickets` that were issued anew.
    reissued: BTreeSet<TicketId>,
    attendees: BTreeMap<(BookingId, u16), Attendee>,
    /// Those of `tickets` that were blocked or unblocked one by one.
    blocked: BTreeSet<TicketId>,
    /// Bookings whose money a bank asks back by now, or does not any more.
    disputed: BTreeMap<BookingId, bool>,
    /// Those of `tickets` that were cancelled while their bookings stand.
    cancelled: BTreeSet<TicketId>,
    revoked: Vec<BookingId>,
    new_check_ins: Vec<CheckInId>,
    changed_check_ins: BTreeSet<CheckInId>,
    changed_lists: BTreeSet<CheckInListId>,
    notices: Notices,
    invoices_due: InvoicesDue,
    waiting_list: WaitingList,
    outbox: Vec<OutboxRow>,
    audit: Vec<AuditRow>,
    answers: Vec<KeptAnswer>,
    /// What ran out, for the mark.
    pub(super) sold_out: bool,
}

/// The lapsed holds that this transaction may reclaim.
pub(super) struct Lapsed {
    bookings: VecDeque<Booking>,
    /// Whether there may be more of them than were loaded.
    more: bool,
}

impl Lapsed {
    /// What was loaded when at most `limit` were asked for.
    pub(super) fn new(bookings: Vec<Booking>, limit: u32) -> Self {
        let more = bookings.len() >= limit as usize;
        Self { bookings: bookings.into(), more }
    }
}

/// What became of one command.
pub(super) enum Step {
    /// Its answer, once the transaction has committed.
    Reply(Reply),
    /// Lapsed holds must be loaded first; then decide it again.
    NeedsLapsed,
    /// There are more lapsed holds than one commit reclaims: it goes back to the front of the queue.
    Defer,
}

/// What the search for lapsed holds came to.
enum Room {
    /// There is room now.
    Made,
    /// There may be, once the next transaction has seen more lapsed holds.
    NotYet,
    /// There is none.
    None,
}

/// What decisions need besides the lane.
pub(super) struct Rules<'a> {
    pub(super) ids: &'a dyn Ids,
    pub(super) hold_end: TimeDelta,
}

impl LaneWork {
    pub(super) fn new(key: LaneKey, now: Timestamp, next_version: u64, before: Arc<SeenSale>) -> Self {
        let sale = before.sale.clone();
        Self {
            key,
            now,
            next_version,
            before,
            sale,
            bookings: HashMap::new(),
            tickets: HashMap::new(),
            check_ins: HashMap::new(),
            counting: HashMap::new(),
            lists: Vec::new(),
            holdings: HashMap::new(),
            held_since: HashMap::new(),
            promo_codes: PromoCodes::default(),
            is_booked: false,
            kept: Vec::new(),
            lapsed: None,
            deleted: false,
            new: Vec::new(),
            next_release: None,
            changed: BTreeMap::new(),
            money: money::Money::default(),
            new_tickets: Vec::new(),
            reissued: BTreeSet::new(),
            attendees: BTreeMap::new(),
            blocked: BTreeSet::new(),
            disputed: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            revoked: Vec::new(),
            new_check_ins: Vec::new(),
            changed_check_ins: BTreeSet::new(),
            changed_lists: BTreeSet::new(),
            notices: Notices::default(),
            invoices_due: InvoicesDue::default(),
            waiting_list: WaitingList::default(),
            outbox: Vec::new(),
            audit: Vec::new(),
            answers: Vec::new(),
            sold_out: false,
        }
    }

    /// Decides one command.
    pub(super) fn decide(&mut self, submission: &Submission, rules: &Rules<'_>) -> Step {
        if self.deleted {
            return Step::Reply(Err(AppError::NotFound("event")));
        }
        if let Some(replay) = self.replay(submission) {
            return Step::Reply(replay);
        }
        let origin = &submission.origin;
        let outcome = match &submission.command {
            Command::Hold(request) => return self.hold(request, submission, rules),
            Command::Expire(limit) => return self.expire(*limit, origin, rules),
            Command::Confirm { booking, note } => {
                let note = note.as_ref().map(domain::Text::as_str);
                self.confirm(*booking, note, origin, rules)
            }
            Command::StartPayment { booking, start } => self.start_payment(*booking, start, origin, rules),
            Command::ApplyReport { booking, payment, report, event } => {
                match self.apply_report(*booking, *payment, report, event.as_ref(), origin, rules) {
                    Ok(outcome) => outcome,
                    Err(not_yet) => return not_yet,
                }
            }
            Command::ApplyDispute { booking, payment, report, event } => {
                self.apply_dispute(*booking, *payment, report, event.as_ref(), origin, rules)
            }
            Command::Refund { booking, request } => self.refund(*booking, request, origin, rules),
            Command::ApplyRefundReport { booking, refund, outcome, event } => {
                self.apply_refund_report(*booking, *refund, outcome, event.as_ref(), origin, rules)
            }
            Command::Renew(booking) => self.transition(*booking, origin, rules, renew),
            Command::Cancel(booking, by) => {
                self.transition(*booking, origin, rules, |sale, booking, now| cancel(sale, booking, *by, now))
            }
            Command::CancelWithEvent(booking) => self.cancel_with_event(*booking, origin, rules),
            Command::ChangeTicket { booking, ticket, change } => {
                self.change_ticket(*booking, *ticket, change, origin, rules)
            }
            Command::CheckIn(request) => Ok(Outcome::Scan(Box::new(self.check_in(request, origin, rules)))),
            Command::PayAtDoor(payment) => self.pay_at_door(payment, origin, rules),
            Command::SyncCheckIn(scan) => Ok(self.sync_check_in(scan, origin, rules)),
            Command::UndoCheckIn(id) => self.change_check_in(*id, origin, rules, undo_check_in),
            Command::ExitCheckIn { id, list } => {
                self.change_check_in(*id, origin, rules, |sale, entry, now| exit_check_in(sale, list, entry, now))
            }
            Command::AddCheckInList { id, new } => self.add_check_in_list(*id, new, origin, rules),
            Command::EditCheckInList { id, edit } => self.edit_check_in_list(*id, edit, origin, rules),
            Command::Change { change, expected_version } => self.change(change, *expected_version, origin, rules),
            Command::AddPromoCode { id, code, new } => self.add_promo_code(*id, code, new, origin, rules),
            Command::EditPromoCode { id, edit } => self.edit_promo_code(*id, edit, origin, rules),
            Command::JoinWaitingList(request) => match self.join_waiting_list(request, origin, rules) {
                Ok(outcome) => outcome,
                Err(not_yet) => return not_yet,
            },
            Command::WithdrawFromWaitingList(id) => match self.withdraw_from_waiting_list(*id, origin, rules) {
                Ok(outcome) => outcome,
                Err(not_yet) => return not_yet,
            },
            Command::LeaveWaitingList(id) => match self.leave_waiting_list(*id, origin, rules) {
                Ok(outcome) => outcome,
                Err(not_yet) => return not_yet,
            },
            // They are made around every command.
            Command::MakeOffers => Ok(Outcome::OffersMade),
            Command::Delete { expected_version } => self.delete(*expected_version, origin, rules),
        };
        Step::Reply(outcome.map(|outcome| self.keep(submission, outcome)))
    }

    fn replay(&self, submission: &Submission) -> Option<Reply> {
        let key = submission.key.as_ref()?;
        let same = |kept: &&KeptAnswer| kept.key.caller == key.caller && kept.key.key == key.key;
        let kept = self.answers.iter().chain(&self.kept).find(same).filter(|kept| !kept.lapsed(self.now))?;
        Some(
            kept.replay(key)
                .and_then(|snapshot| match &submission.command {
                    Command::StartPayment { .. } => Ok(Outcome::KnownPayment(payment::read_started(snapshot)?)),
                    Command::Refund { .. } => Ok(Outcome::KnownRefunds(payment::read_refunds(snapshot)?)),
                    Command::AddPromoCode { .. } => Ok(Outcome::PromoCode(Box::new(read_promo_code(snapshot)?))),
                    Command::JoinWaitingList(_) => {
                        Ok(Outcome::WaitingListEntry(Box::new(read_waiting_list_entry(snapshot)?)))
                    }
                    Command::CheckIn(_) => Ok(Outcome::Scan(Box::new(read_scan(snapshot)?))),
                    Command::PayAtDoor(_) => Ok(Outcome::Scans(read_scans(snapshot)?)),
                    Command::Change { .. } => {
                        let sale = snapshot::read_sale(snapshot)?;
                        Ok(Outcome::Sale(Arc::new(SeenSale { sale, version: self.before.version })))
                    }
                    _ => Ok(Outcome::Booking(Box::new(snapshot::read_booking(snapshot)?))),
                })
                .map(Answer::replayed),
        )
    }

    fn keep(&mut self, submission: &Submission, outcome: Outcome) -> Answer<Outcome> {
        if let Some(key) = &submission.key {
            let snapshot = match &outcome {
                Outcome::Booking(booking) => snapshot::booking(booking),
                Outcome::Sale(seen) => snapshot::sale(&seen.sale),
                Outcome::PromoCode(code) => promo_snapshot::promo_code(code),
                Outcome::WaitingListEntry(entry) => waiting_list_snapshot::waiting_list_entry(entry),
                Outcome::Scan(scan) => match admission::scan(scan) {
                    Some(snapshot) => snapshot,
                    None => return Answer::fresh(outcome),
                },
                Outcome::Scans(scans) => admission::scans(scans),
                Outcome::Payment(started, _) => payment::started(started),
                Outcome::Refunds(refunds, _) => payment::refunds(refunds),
                Outcome::Ticket(..)
                | Outcome::Unpaid(_)
                | Outcome::CheckIn(_)
                | Outcome::CheckInList(_)
                | Outcome::Synced(_)
                | Outcome::KnownPayment(_)
                | Outcome::KnownRefunds(_)
                | Outcome::Expired(_)
                | Outcome::OffersMade
                | Outcome::Deleted => {
                    return Answer::fresh(outcome);
                }
            };
            self.answers.push(KeptAnswer { key: key.clone(), snapshot, at: self.now });
        }
        Answer::fresh(outcome)
    }

    fn hold(&mut self, request: &HoldRequest, submission: &Submission, rules: &Rules<'_>) -> Step {
        let none = Holdings::new();
        let holdings = self.holdings.get(&request.buyer).unwrap_or(&none);
        let promo = self.promo_codes.found(request);
        let decided = match hold_with(&self.sale, holdings, promo, request, rules.hold_end, self.now) {
            Ok(decided) => decided,
            Err(Refusal::SoldOut { .. }) => return self.hold_after_reclaim(request, submission, rules),
            // Another price is no answer to who finds nothing left; and what is sold out is to be known as that.
            Err(Refusal::PriceChanged { .. }) if self.is_short_of(request, rules) => {
                return self.hold_after_reclaim(request, submission, rules);
            }
            Err(refusal) => return Step::Reply(Err(refusal.into())),
        };
        let taken = self.take(&decided, None, &submission.origin, rules);
        Step::Reply(taken.map(|()| {
            self.occupy(decided.booking.clone());
            self.keep(submission, Outcome::Booking(Box::new(decided.booking)))
        }))
    }

    /// Takes over a new booking.
    fn occupy(&mut self, booking: Booking) {
        self.count_holdings(&booking, 1);
        let lapses = booking.hold.map(|hold| hold.release_at);
        self.next_release = self.next_release.into_iter().chain(lapses).min();
        self.new.push(booking);
    }

    /// Counts that a buyer has the units of a booking from now on, or has them no more.
    fn count_holdings(&mut self, booking: &Booking, sign: i64) {
        for item in &booking.items {
            let units = sign * i64::from(item.kept());
            if let Some(holdings) = self.holdings.get_mut(&booking.buyer) {
                let has = holdings.entry(item.ticket_type).or_default();
                *has = has.saturating_add_signed(i32::try_from(units).unwrap_or_default());
            }
            if self.is_awaited() {
                let since = self.held_since.entry(booking.buyer.clone()).or_default();
                *since.entry(item.ticket_type).or_default() += units;
            }
        }
    }

    /// Takes note of what a buyer had before this transaction.
    pub(super) fn remember_holdings(&mut self, buyer: Buyer, mut holdings: Holdings) {
        for (ticket_type, units) in self.held_since.get(&buyer).into_iter().flatten() {
            let has = holdings.entry(*ticket_type).or_default();
            *has = has.saturating_add_signed(i32::try_from(*units).unwrap_or_default());
        }
        self.holdings.insert(buyer, holdings);
    }

    /// Whether what a buyer has already matters.
    pub(super) fn limits_buyers(&self) -> bool {
        self.sale.ticket_types.iter().any(|ticket_type| ticket_type.max_per_buyer.is_some())
    }

    /// Stock is short: lapsed holds count as free, and go now, as many as are needed.
    fn hold_after_reclaim(&mut self, request: &HoldRequest, submission: &Submission, rules: &Rules<'_>) -> Step {
        if self.lapsed.is_none() {
            return Step::NeedsLapsed;
        }
        let wanted = match self.wanted(request, rules) {
            Ok(wanted) => wanted,
            Err(refusal) => return Step::Reply(Err(refusal.into())),
        };
        match self.make_room(&wanted, &submission.origin, rules) {
            Ok(Room::Made) => self.hold(request, submission, rules),
            Ok(Room::NotYet) => Step::Defer,
            Ok(Room::None) => {
                self.sold_out = true;
                // Nothing that would help is left to reclaim: the decision stands as it was. What is left it tells with
                // every lapsed hold counted as free, like the decision itself.
                let (sale, promo) = (self.unlapsed(), self.promo_codes.found(request));
                let request = at_any_price(request);
                let refusal = hold_with(&sale, &Holdings::new(), promo, &request, rules.hold_end, self.now).err();
                Step::Reply(Err(refusal.unwrap_or(Refusal::SoldOut { left: Vec::new() }).into()))
            }
            Err(error) => Step::Reply(Err(error)),
        }
    }

    /// The sale as if every lapsed hold that is known here had been taken back.
    fn unlapsed(&self) -> Cow<'_, Sale> {
        let mut sale = Cow::Borrowed(&self.sale);
        for decided in self.lapsed.iter().flat_map(|lapsed| &lapsed.bookings).filter_map(|it| self.expired(it)) {
            if let Err(defect) = sale.to_mut().apply(&decided.stock) {
                tracing::error!(event.id = %self.key, "Stock does not fit its bookings: {defect}");
            }
        }
        sale
    }

    /// What is left of each type, with every lapsed hold counted as free.
    pub(super) fn left(&self) -> Vec<(TicketTypeId, u32)> {
        let sale = self.unlapsed();
        sale.ticket_types.iter().map(|known| (known.id, sale.available(known).unwrap_or(u32::MAX))).collect()
    }

    /// The stock that the request would take if there were room.
    fn wanted(&self, request: &HoldRequest, rules: &Rules<'_>) -> Result<Vec<StockMove>, Refusal> {
        let mut boundless = self.sale.clone();
        for pool in &mut boundless.pools {
            pool.capacity = None;
        }
        let promo = self.promo_codes.found(request);
        let request = at_any_price(request);
        hold_with(&boundless, &Holdings::new(), promo, &request, rules.hold_end, self.now).map(|decided| decided.stock)
    }

    /// Whether there is no room for the request, whatever it would cost.
    fn is_short_of(&self, request: &HoldRequest, rules: &Rules<'_>) -> bool {
        let promo = self.promo_codes.found(request);
        let request = at_any_price(request);
        let decided = hold_with(&self.sale, &Holdings::new(), promo, &request, rules.hold_end, self.now);
        matches!(decided, Err(Refusal::SoldOut { .. }))
    }

    fn make_room(&mut self, wanted: &[StockMove], origin: &Origin, rules: &Rules<'_>) -> Result<Room, AppError> {
        let mut passed_over = Vec::new();
        while !self.sale.has_room(wanted) {
            let Some(lapsed) = self.lapsed.as_mut().and_then(|lapsed| lapsed.bookings.pop_front()) else { break };
            let newest = self.bookings.get(&lapsed.id).unwrap_or(&lapsed);
            match reclaim(&self.sale, wanted, newest, self.now) {
                Some(decided) => self.release(vec![decided], origin, rules)?,
                None => passed_over.push(lapsed),
            }
        }
        let has_room = self.sale.has_room(wanted);
        let more = self.lapsed.as_ref().is_some_and(|lapsed| lapsed.more);
        if !has_room && more {
            // Those that would help lie behind others that have lapsed as well: away with these, so that the next
            // transaction sees further.
            let expired = passed_over.iter().filter_map(|booking| self.expired(booking)).collect();
            self.release(expired, origin, rules)?;
            return Ok(Room::NotYet);
        }
        if let Some(lapsed) = &mut self.lapsed {
            for booking in passed_over.into_iter().rev() {
                lapsed.bookings.push_front(booking);
            }
        }
        Ok(if has_room { Room::Made } else { Room::None })
    }

    fn expire(&mut self, limit: u32, origin: &Origin, rules: &Rules<'_>) -> Step {
        let Some(lapsed) = &mut self.lapsed else { return Step::NeedsLapsed };
        let count = lapsed.bookings.len().min(limit as usize);
        let due: Vec<Booking> = lapsed.bookings.drain(..count).collect();
        let expired: Vec<Decided> = due.iter().filter_map(|booking| self.expired(booking)).collect();
        let count = u32::try_from(expired.len()).unwrap_or(u32::MAX);
        Step::Reply(self.release(expired, origin, rules).map(|()| Answer::fresh(Outcome::Expired(count))))
    }

    /// Expires a hold, unless this very transaction has renewed or ended it meanwhile.
    fn expired(&self, booking: &Booking) -> Option<Decided> {
        expire(self.bookings.get(&booking.id).unwrap_or(booking), self.now)
    }

    fn release(&mut self, expired: Vec<Decided>, origin: &Origin, rules: &Rules<'_>) -> Result<(), AppError> {
        for decided in expired {
            self.take(&decided, None, origin, rules)?;
            // The end of a hold leaves its terms as they were.
            let release_before = decided.booking.hold.map(|hold| hold.release_at);
            self.change_booking(decided.booking, release_before);
        }
        Ok(())
    }

    fn transition(
        &mut self,
        id: BookingId,
        origin: &Origin,
        rules: &Rules<'_>,
        decide: impl FnOnce(&Sale, &Booking, Timestamp) -> Result<Verdict, Refusal>,
    ) -> Result<Outcome, AppError> {
        let booking = self.bookings.get(&id).ok_or(AppError::NotFound("booking"))?;
        let release_before = release_of(booking);
        let decided = match decide(&self.sale, booking, self.now)? {
            Verdict::Already(booking) => return Ok(Outcome::Booking(booking)),
            Verdict::Done(decided) => decided,
        };
        self.take(&decided, None, origin, rules)?;
        self.change_booking(decided.booking.clone(), release_before);
        Ok(Outcome::Booking(Box::new(decided.booking)))
    }

    fn change_ticket(
        &mut self,
        booking: BookingId,
        ticket: TicketId,
        change: &TicketChange,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let (Some(booking), Some(ticket)) = (self.bookings.get(&booking), self.tickets.get(&ticket)) else {
            return Err(AppError::NotFound("ticket"));
        };
        let used = !self.counting(ticket.id).is_empty();
        let Some(changed) = change_ticket(&self.sale, booking, ticket, used, change, self.now)? else {
            return Ok(Outcome::Ticket(Box::new(ticket.clone()), Box::new(booking.clone())));
        };
        let Issue { ticket, decided } = changed;
        self.take(&decided, None, origin, rules)?;
        let booking = decided.booking;
        if let TicketChange::Transfer(_) = change {
            self.notices.pass_on(&ticket);
        }
        if let (TicketChange::Transfer(_), Some(place)) = (change, ticket.attendee) {
            let attendee = booking.attendees.get(usize::from(place)).cloned();
            self.attendees.extend(attendee.map(|attendee| ((booking.id, place), attendee)));
        }
        let changed = match change {
            TicketChange::Reissue | TicketChange::Transfer(_) => &mut self.reissued,
            TicketChange::Block | TicketChange::Unblock => &mut self.blocked,
        };
        changed.insert(ticket.id);
        self.tickets.insert(ticket.id, ticket.clone());
        self.change_booking(booking.clone(), None);
        Ok(Outcome::Ticket(Box::new(ticket), Box::new(booking)))
    }

    /// Takes note of an entry that the transaction has found.
    pub(super) fn remember_check_in(&mut self, entry: CheckIn) {
        let counting = self.counting.entry(entry.ticket).or_default();
        if !counting.contains(&entry.id) {
            counting.push(entry.id);
        }
        self.check_ins.insert(entry.id, entry);
    }

    /// The entries that count for a ticket, on whatever list.
    fn counting(&self, ticket: TicketId) -> Vec<&CheckIn> {
        let known = self.counting.get(&ticket).into_iter().flatten().filter_map(|id| self.check_ins.get(id));
        known.filter(|entry| entry.counts()).collect()
    }

    fn check_in(&mut self, request: &CheckInRequest, origin: &Origin, rules: &Rules<'_>) -> Scan {
        let ticket = self.tickets.get(&request.ticket);
        let scan = check_in(&self.sale, ticket, &self.counting(request.ticket), request, self.now);
        if let (ScanResult::Admitted, Some(entry)) = (scan.result, &scan.check_in) {
            self.journal_check_in(entry, origin, rules);
            self.new_check_ins.push(entry.id);
            self.remember_check_in(entry.clone());
        }
        scan
    }

    fn pay_at_door(&mut self, payment: &DoorPayment, origin: &Origin, rules: &Rules<'_>) -> Result<Outcome, AppError> {
        let books = self.books(payment.booking)?;
        match pay_at_door(&self.sale, books.booking, books.due(), payment, self.now)? {
            DoorVerdict::Paid => {}
            DoorVerdict::Unpaid(booking) => return Ok(Outcome::Unpaid(Box::new(booking))),
            DoorVerdict::Refused(result) => return Ok(Outcome::Scan(Box::new(Scan::refused(result)))),
        }
        let at = payment.gate.as_ref().map(|gate| format!(": {}", gate.as_str())).unwrap_or_default();
        let known = self.new_tickets.len();
        self.confirm(payment.booking, Some(&format!("paid at the door{at}")), origin, rules)?;
        let issued = self.new_tickets.get(known..).unwrap_or_default().to_vec();
        let enter = |ticket: Ticket| {
            let request = CheckInRequest {
                id: CheckInId::new(rules.ids.uuid()),
                ticket: ticket.id,
                issue: ticket.issue,
                list: Arc::clone(&payment.list),
                gate: payment.gate.clone(),
                device_at: payment.device_at,
            };
            self.tickets.insert(ticket.id, ticket);
            self.check_in(&request, origin, rules)
        };
        Ok(Outcome::Scans(issued.into_iter().map(enter).collect()))
    }

    fn sync_check_in(&mut self, scan: &OfflineScan, origin: &Origin, rules: &Rules<'_>) -> Outcome {
        let ticket = self.tickets.get(&scan.ticket);
        let known = self.check_ins.get(&scan.id);
        let synced = sync_check_in(&self.sale, ticket, &self.counting(scan.ticket), known, scan, self.now);
        let synced = match synced {
            Ok(synced) => synced,
            Err(result) => return Outcome::Synced(Err(result)),
        };
        if let Some(beaten) = synced.superseded {
            self.journal_check_in(&beaten, origin, rules);
            self.changed_check_ins.insert(beaten.id);
            self.check_ins.insert(beaten.id, beaten);
        }
        if synced.is_new {
            self.journal_check_in(&synced.entry, origin, rules);
            self.new_check_ins.push(synced.entry.id);
            self.remember_check_in(synced.entry.clone());
        }
        Outcome::Synced(Ok(Box::new(synced.entry)))
    }

    fn change_check_in(
        &mut self,
        id: CheckInId,
        origin: &Origin,
        rules: &Rules<'_>,
        decide: impl FnOnce(&Sale, &CheckIn, Timestamp) -> Result<Option<CheckIn>, Refusal>,
    ) -> Result<Outcome, AppError> {
        let entry = self.check_ins.get(&id).ok_or(AppError::NotFound("check-in"))?;
        let Some(after) = decide(&self.sale, entry, self.now)? else {
            return Ok(Outcome::CheckIn(Box::new(entry.clone())));
        };
        self.journal_check_in(&after, origin, rules);
        self.check_ins.insert(id, after.clone());
        self.changed_check_ins.insert(id);
        Ok(Outcome::CheckIn(Box::new(after)))
    }

    fn add_check_in_list(
        &mut self,
        id: CheckInListId,
        new: &ListEdit,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let most = CheckInList::PER_EVENT_MAX;
        // One is there from the start.
        if self.lists.len() + 1 >= most {
            return Err(AppError::InvalidState(format!("an event has at most {most} check-in lists")));
        }
        let list = CheckInList::try_new(id, &self.sale, new, self.now).map_err(Refusal::from)?;
        self.put_check_in_list(None, list, origin, rules)
    }

    fn edit_check_in_list(
        &mut self,
        id: CheckInListId,
        edit: &ListEdit,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let first = CheckInList::default_of(self.key);
        let known = self.lists.iter().chain([&first]).find(|list| list.id == id);
        let before = known.cloned().ok_or(AppError::NotFound("check-in list"))?;
        let after = before.edited(&self.sale, edit, self.now)?;
        if after.version == before.version {
            return Ok(Outcome::CheckInList(Box::new(after)));
        }
        self.put_check_in_list(Some(&before), after, origin, rules)
    }

    fn put_check_in_list(
        &mut self,
        before: Option<&CheckInList>,
        after: CheckInList,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let (outbox, audit) = admission::of_check_in_list(&self.sale.event, before, &after, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
        self.lists.retain(|list| list.id != after.id);
        self.lists.push(after.clone());
        self.changed_lists.insert(after.id);
        Ok(Outcome::CheckInList(Box::new(after)))
    }

    fn journal_check_in(&mut self, entry: &CheckIn, origin: &Origin, rules: &Rules<'_>) {
        let (outbox, audit) = admission::of_check_in(&self.sale.event, entry, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
    }

    fn change_booking(&mut self, booking: Booking, release_before: Option<Timestamp>) {
        let before = self.bookings.remove(&booking.id);
        if let Some(before) = before.filter(|before| before.occupies(self.now)) {
            self.count_holdings(&before, -1);
        }
        if booking.occupies(self.now) {
            self.count_holdings(&booking, 1);
        }
        // What counts is how the transaction found it.
        self.changed.entry(booking.id).or_insert(release_before);
        self.bookings.insert(booking.id, booking);
    }

    /// Takes over what was decided: stock, journals, and the tickets that come or go with the booking.
    fn take(
        &mut self,
        decided: &Decided,
        note: Option<&str>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<(), AppError> {
        self.apply(&decided.stock)?;
        self.tell(decided, note, origin, rules);
        Ok(())
    }

    /// The journals, the promo code, and the tickets that come or go with the booking.
    fn tell(&mut self, decided: &Decided, note: Option<&str>, origin: &Origin, rules: &Rules<'_>) {
        self.promo_codes.count(self.key, decided);
        self.notices.note(decided, self.sale.event.status);
        self.invoices_due.note(decided);
        let (outbox, audit) = journal::of_booking(decided, note, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
        if decided.booking.status == BookingStatus::Confirmed && decided.before != Some(BookingStatus::Confirmed) {
            self.new_tickets.extend(issue(&decided.booking, || TicketId::new(rules.ids.uuid())));
        } else if let FactKind::TicketCancelled(ticket) = decided.fact.kind {
            self.cancelled.insert(ticket);
            if let Some(ticket) = self.tickets.get_mut(&ticket) {
                ticket.status = TicketStatus::Revoked;
            }
        } else if revoke(decided) {
            self.revoked.push(decided.booking.id);
            // What is shown at the door in the same batch meets them as they are now.
            for ticket in self.tickets.values_mut().filter(|ticket| ticket.booking == decided.booking.id) {
                ticket.status = TicketStatus::Revoked;
            }
        }
    }

    fn apply(&mut self, stock: &[StockMove]) -> Result<(), AppError> {
        self.sale.apply(stock).map_err(|defect| {
            tracing::error!(event.id = %self.key, "Stock does not fit its bookings: {defect}");
            AppError::Internal
        })
    }

    fn change(
        &mut self,
        change: &SaleChange,
        expected_version: Option<u64>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let after = change_sale(&self.sale, change, expected_version, self.now)?;
        if after.event.version != self.sale.event.version {
            let fact = if after.event.status == self.sale.event.status {
                SaleFact::Updated
            } else {
                SaleFact::Stepped(after.event.status)
            };
            self.journal_sale(&after, fact, origin, rules);
            self.notices.change(&self.sale.event, &after.event);
            self.sale = after;
        }
        Ok(Outcome::Sale(Arc::new(SeenSale { sale: self.sale.clone(), version: self.next_version })))
    }

    fn delete(
        &mut self,
        expected_version: Option<u64>,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        self.sale.event.expect_version(expected_version).map_err(Refusal::from)?;
        self.sale.check_deletable(self.is_booked || !self.new.is_empty())?;
        let gone = Sale { event: self.sale.event.clone().touched(self.now), ..self.sale.clone() };
        self.journal_sale(&gone, SaleFact::Deleted, origin, rules);
        self.deleted = true;
        Ok(Outcome::Deleted)
    }

    fn add_promo_code(
        &mut self,
        id: PromoCodeId,
        word: &PromoWord,
        new: &PromoEdit,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        if self.promo_codes.named(word).is_some() {
            return Err(AppError::AlreadyExists("the event has a promo code of this text"));
        }
        let most = PromoCode::PER_EVENT_MAX;
        if self.promo_codes.count >= most {
            return Err(AppError::InvalidState(format!("an event has at most {most} promo codes")));
        }
        let code = PromoCode::try_new(id, &self.sale, word.clone(), new, self.now).map_err(Refusal::from)?;
        // From now on whoever loads bookings of the event looks for what their prices are made of.
        self.sale.event.terms.pricing.get_or_insert_default();
        self.journal_promo_code(None, &code, origin, rules);
        self.guard(None, &code, origin, rules);
        self.promo_codes.add(code.clone());
        Ok(Outcome::PromoCode(Box::new(code)))
    }

    fn edit_promo_code(
        &mut self,
        id: PromoCodeId,
        edit: &PromoEdit,
        origin: &Origin,
        rules: &Rules<'_>,
    ) -> Result<Outcome, AppError> {
        let found = self.promo_codes.get(id).filter(|code| code.event == self.key);
        let before = found.cloned().ok_or(AppError::NotFound("promo code"))?;
        let after = before.edited(&self.sale, edit, self.now).map_err(Refusal::from)?;
        if after.version != before.version {
            self.journal_promo_code(Some(&before), &after, origin, rules);
            self.guard(Some(&before), &after, origin, rules);
            self.promo_codes.change(after.clone());
        }
        Ok(Outcome::PromoCode(Box::new(after)))
    }

    /// What the code opens, and has not opened before, is sold with a code alone from now on.
    fn guard(&mut self, before: Option<&PromoCode>, code: &PromoCode, origin: &Origin, rules: &Rules<'_>) {
        let after = code.guarding(before, &self.sale, self.now);
        if after.event.version != self.sale.event.version {
            self.journal_sale(&after, SaleFact::Updated, origin, rules);
            self.sale = after;
        }
    }

    fn journal_promo_code(
        &mut self,
        before: Option<&PromoCode>,
        after: &PromoCode,
        origin: &Origin,
        rules: &Rules<'_>,
    ) {
        let (outbox, audit) = journal::of_promo_code(&self.sale.event, before, after, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
    }

    fn journal_sale(&mut self, after: &Sale, fact: SaleFact, origin: &Origin, rules: &Rules<'_>) {
        let (outbox, audit) = journal::of_sale(Some(&self.sale), after, fact, self.now, origin, rules.ids);
        self.outbox.push(outbox);
        self.audit.push(audit);
    }

    /// Adds the rows of this lane to the commit. Nothing, where everything was refused.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) -> bool {
        if self.outbox.is_empty() && self.answers.is_empty() {
            return false;
        }
        if self.deleted {
            changes.deleted_events.push(self.key);
        } else {
            changes.lanes.push(LaneMark { key: self.key, decided_at: self.now });
            diff::sale_rows(&self.before.sale, &self.sale, changes);
            diff::waiting_counts(&self.before.sale, &self.sale, changes);
            self.waiting_list.collect(changes);
        }
        self.promo_codes.collect(changes);
        changes.new_bookings.append(&mut self.new);
        for (id, release_before) in std::mem::take(&mut self.changed) {
            let booking = self.bookings.remove(&id);
            changes.bookings.extend(booking.map(|booking| BookingChange { booking, release_before }));
        }
        changes.new_tickets.append(&mut self.new_tickets);
        // A ticket may be among both, and among those that are issued anew besides.
        for (ids, to) in
            [(&mut self.cancelled, &mut changes.cancelled_tickets), (&mut self.blocked, &mut changes.blocked_tickets)]
        {
            to.extend(std::mem::take(ids).iter().filter_map(|ticket| self.tickets.get(ticket)).cloned());
        }
        let disputed = std::mem::take(&mut self.disputed).into_iter();
        changes.disputed.extend(disputed.map(|(booking, is_disputed)| DisputedTickets { booking, is_disputed }));
        for ticket in std::mem::take(&mut self.reissued) {
            changes.tickets.extend(self.tickets.remove(&ticket));
        }
        let attendees = std::mem::take(&mut self.attendees).into_iter();
        let change = |((booking, place), attendee)| AttendeeChange { booking, place, attendee };
        changes.attendees.extend(attendees.map(change));
        changes.revoked.append(&mut self.revoked);
        let changed = std::mem::take(&mut self.changed_lists);
        changes.check_in_lists.extend(self.lists.iter().filter(|list| changed.contains(&list.id)).cloned());
        for id in std::mem::take(&mut self.new_check_ins) {
            self.changed_check_ins.remove(&id);
            changes.new_check_ins.extend(self.check_ins.remove(&id));
        }
        for id in std::mem::take(&mut self.changed_check_ins) {
            changes.check_ins.extend(self.check_ins.remove(&id));
        }
        self.money.collect(changes);
        self.notices.collect(changes);
        self.invoices_due.collect(changes);
        changes.outbox.append(&mut self.outbox);
        changes.audit.append(&mut self.audit);
        changes.answers.append(&mut self.answers);
        true
    }
}

/// The request of somebody who does not say what he expects to pay.
fn at_any_price(request: &HoldRequest) -> HoldRequest {
    HoldRequest { expected_total: None, ..request.clone() }
}

/// When its hold lapses, if it is pending.
fn release_of(booking: &Booking) -> Option<Timestamp> {
    booking.hold.filter(|_| booking.status == BookingStatus::Pending).map(|hold| hold.release_at)
}
