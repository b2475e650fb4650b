//! One transaction over any number of lanes: lock, load, decide, write, commit, answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use domain::booking::{Booking, Buyer, Holdings, PromoWord, Reference};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Inner;
use super::command::{Command, LaneBatch, Outcome, Reply, Submission};
use super::diff::gives_room;
use super::lane::{LaneWork, Lapsed, Rules, Step};
use crate::booking::{CommitError, LaneChanges, LaneKey, LaneTransaction, LaneWait, LockedLane, LockedLanes};
use crate::catalog::SeenSale;
use crate::error::AppError;
use crate::store::StoreError;

/// How often one commit looks for who waits: far more often than it takes to make as many offers as it may.
const LOOKS_MAX: usize = 500;
/// How often one command is tried when the database refuses it alone.
const TRIES_MAX: usize = 4;

/// Why a transaction is begun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Commands have come. A lane that another process holds is left over; what came while the others were locked comes
    /// along.
    Arrival,
    /// Another process held the lane. It is waited for, and what has come meanwhile comes along.
    Patience,
    /// The database has refused a row. It is looked for among these commands alone: if others came along, a search that
    /// halves what it has would never end while they keep coming.
    Search,
}

impl Occasion {
    const fn wait(self) -> LaneWait {
        match self {
            Self::Arrival => LaneWait::Skip,
            Self::Patience | Self::Search => LaneWait::Queue,
        }
    }
}

/// What a transaction leaves to do.
#[derive(Default)]
pub(super) struct Leftover {
    /// To be decided by the next transaction of their lane.
    pub(super) deferred: Vec<LaneBatch>,
    /// Lanes that another process holds.
    pub(super) busy: Vec<LaneBatch>,
    /// Answers that hold, for those who wait for them.
    pub(super) answers: Answers,
}

/// What commands are answered.
#[derive(Default)]
pub(super) struct Answers(Vec<(Submission, Reply)>);

impl Leftover {
    fn and(mut self, other: Self) -> Self {
        self.deferred.extend(other.deferred);
        self.busy.extend(other.busy);
        self.answers.0.extend(other.answers.0);
        self
    }
}

/// A lane with the commands that were decided on it.
struct Decided {
    work: LaneWork,
    answered: Vec<(Submission, Reply)>,
    deferred: Vec<Submission>,
}

impl Inner {
    /// Carries out these batches in one transaction, or in several where the database refuses a row. Every command is
    /// answered or left over.
    pub(super) fn carry_out(
        self: Arc<Self>,
        batches: Vec<LaneBatch>,
        occasion: Occasion,
    ) -> BoxFuture<'static, Leftover> {
        async move {
            let mut batches = in_time(batches);
            batches.sort_unstable_by_key(|batch| batch.key);
            if batches.is_empty() {
                return Leftover::default();
            }
            let keys: Vec<LaneKey> = batches.iter().map(|batch| batch.key).collect();
            let begun = self.store.begin_lanes(&keys, occasion.wait()).await;
            let LockedLanes { mut transaction, locked, busy } = match begun {
                Ok(locked) => locked,
                Err(error) => {
                    refuse_all(batches, &error.into());
                    return Leftover::default();
                }
            };
            let (mut ours, mut left) = (Vec::with_capacity(locked.len()), Leftover::default());
            let taken: usize = batches.iter().map(|batch| batch.submissions.len()).sum();
            let mut room = self.settings.batch_max.saturating_sub(taken);
            for mut batch in batches {
                if let Some(lane) = locked.iter().find(|lane| lane.key == batch.key) {
                    if occasion != Occasion::Search {
                        room -= self.queue.take_more(&mut batch, room);
                    }
                    ours.push((*lane, batch));
                } else if busy.contains(&batch.key) {
                    left.busy.push(batch);
                } else {
                    self.sales.invalidate(&batch.key);
                    refuse_all(vec![batch], &AppError::NotFound("event"));
                }
            }
            if ours.is_empty() {
                return left;
            }
            let decided = match self.decide_all(&mut *transaction, ours).await {
                Ok(decided) => decided,
                Err((error, ours)) => {
                    refuse_all(ours, &error.into());
                    return left;
                }
            };
            let written = self.clone().write(transaction, decided).await;
            left.and(written)
        }
        .boxed()
    }

    async fn decide_all(
        &self,
        transaction: &mut dyn LaneTransaction,
        ours: Vec<(LockedLane, LaneBatch)>,
    ) -> Result<Vec<Decided>, (StoreError, Vec<LaneBatch>)> {
        let works = match self.load(transaction, &ours).await {
            Ok(works) => works,
            Err(error) => return Err((error, ours.into_iter().map(|(_, batch)| batch).collect())),
        };
        let mut decided: Vec<Decided> = Vec::with_capacity(ours.len());
        let mut rest = ours.into_iter().map(|(_, batch)| batch);
        for (work, batch) in works.into_iter().zip(rest.by_ref()) {
            let (lane, error) = self.decide_lane(transaction, work, batch).await;
            decided.push(lane);
            if let Some(error) = error {
                return Err((error, decided.into_iter().map(Decided::undo).chain(rest).collect()));
            }
        }
        Ok(decided)
    }

    async fn decide_lane(
        &self,
        transaction: &mut dyn LaneTransaction,
        work: LaneWork,
        batch: LaneBatch,
    ) -> (Decided, Option<StoreError>) {
        let rules = Rules { ids: &*self.ids, hold_end: self.settings.hold_end };
        let wanted = batch.submissions.iter().map(|one| one.command.units_wanted()).fold(0, u32::saturating_add);
        // A lapsed hold has a unit at least, so that as many holds as units are asked for are enough.
        let reclaimable = wanted.clamp(64, self.settings.reclaim_max);
        let mut lane = Decided { work, answered: Vec::with_capacity(batch.submissions.len()), deferred: Vec::new() };
        let mut submissions = batch.submissions.into_iter();
        while let Some(submission) = submissions.next() {
            if lane.work.is_awaited() && submission.command.takes_stock() {
                if let Err(error) = serve_waiting(transaction, &mut lane.work, &rules, self.settings.reclaim_max).await
                {
                    lane.deferred.extend(std::iter::once(submission).chain(submissions));
                    return (lane, Some(error));
                }
                if lane.work.has_more_to_offer() {
                    // Whoever waits comes first, in the next commit too.
                    lane.deferred.push(submission);
                    continue;
                }
            }
            let mut step = lane.work.decide(&submission, &rules);
            if matches!(step, Step::NeedsLapsed) {
                match load_lapsed(transaction, &mut lane.work, reclaimable).await {
                    Ok(bookings) => lane.work.lapsed = Some(Lapsed::new(bookings, reclaimable)),
                    Err(error) => {
                        lane.deferred.extend(std::iter::once(submission).chain(submissions));
                        return (lane, Some(error));
                    }
                }
                step = lane.work.decide(&submission, &rules);
            }
            match step {
                Step::Reply(reply) => lane.answered.push((submission, reply)),
                Step::Defer => lane.deferred.push(submission),
                Step::NeedsLapsed => lane.answered.push((submission, Err(AppError::Internal))),
            }
        }
        if lane.work.is_awaited()
            && let Err(error) = serve_waiting(transaction, &mut lane.work, &rules, self.settings.reclaim_max).await
        {
            return (lane, Some(error));
        }
        (lane, None)
    }

    /// Loads what the commands refer to, set-wise over all lanes, and only what is not known already.
    async fn load(
        &self,
        transaction: &mut dyn LaneTransaction,
        ours: &[(LockedLane, LaneBatch)],
    ) -> Result<Vec<LaneWork>, StoreError> {
        let clock = self.clock.now();
        let sales = self.load_sales(transaction, ours).await?;
        let mut works = Vec::with_capacity(ours.len());
        for (lane, _) in ours {
            let Some(seen) = sales.get(&lane.key) else {
                return Err(StoreError::Defect(format!("the lane {} has no event", lane.key).into()));
            };
            works.push(LaneWork::new(lane.key, clock.max(lane.decided_at), lane.version + 1, Arc::clone(seen)));
        }
        let submissions = || ours.iter().flat_map(|(_, batch)| &batch.submissions);
        load_waiting_list(transaction, ours, &mut works).await?;
        let mut ids: Vec<_> = submissions().filter_map(|submission| submission.command.booking()).collect();
        ids.extend(works.iter().flat_map(LaneWork::offered_bookings));
        if !ids.is_empty() {
            for booking in transaction.bookings(&ids).await? {
                if let Some(work) = works.iter_mut().find(|work| work.key == booking.event) {
                    work.bookings.insert(booking.id, booking);
                }
            }
        }
        load_price_parts(transaction, &mut works).await?;
        self.load_money(transaction, ours, &mut works).await?;
        load_promo_codes(transaction, ours, &mut works).await?;
        let tickets: Vec<_> = submissions().flat_map(|submission| submission.command.tickets()).copied().collect();
        if !tickets.is_empty() {
            for ticket in transaction.tickets(&tickets).await? {
                if let Some(work) = works.iter_mut().find(|work| work.key == ticket.event) {
                    work.tickets.insert(ticket.id, ticket);
                }
            }
        }
        let entries: Vec<_> = submissions().filter_map(|submission| submission.command.check_in()).collect();
        if !tickets.is_empty() || !entries.is_empty() {
            for check_in in transaction.check_ins(&entries, &tickets).await? {
                match works.iter_mut().find(|work| work.key == check_in.event) {
                    Some(work) => work.remember_check_in(check_in),
                    // Of another event: whoever names it here is told that it is none of his.
                    None => works.iter_mut().for_each(|work| work.remember_check_in(check_in.clone())),
                }
            }
        }
        for ((_, batch), work) in ours.iter().zip(&mut works) {
            if batch.submissions.iter().any(|submission| submission.command.asks_for_lists()) {
                work.lists = transaction.check_in_lists(work.key).await?;
            }
        }
        let keys: Vec<_> = submissions().filter_map(|submission| submission.key.clone()).collect();
        if !keys.is_empty() {
            let kept = transaction.kept_answers(&keys).await?;
            works.iter_mut().for_each(|work| work.kept.clone_from(&kept));
        }
        self.load_holdings(transaction, ours, &mut works).await?;
        for ((_, batch), work) in ours.iter().zip(&mut works) {
            if batch.submissions.iter().any(|submission| matches!(submission.command, Command::Delete { .. })) {
                work.is_booked = transaction.is_booked(work.key).await?;
            }
        }
        Ok(works)
    }

    async fn load_sales(
        &self,
        transaction: &mut dyn LaneTransaction,
        ours: &[(LockedLane, LaneBatch)],
    ) -> Result<HashMap<LaneKey, Arc<SeenSale>>, StoreError> {
        let mut sales = HashMap::with_capacity(ours.len());
        let mut unknown = Vec::new();
        for (lane, _) in ours {
            match self.sales.get(&lane.key).filter(|seen| seen.version == lane.version) {
                Some(seen) => {
                    sales.insert(lane.key, seen);
                }
                None => unknown.push(lane.key),
            }
        }
        if !unknown.is_empty() {
            let version = |key| ours.iter().find(|(lane, _)| lane.key == key).map_or(0, |(lane, _)| lane.version);
            for sale in transaction.sales(&unknown).await? {
                let key = sale.event.id;
                sales.insert(key, Arc::new(SeenSale { sale, version: version(key) }));
            }
        }
        Ok(sales)
    }

    /// What is known of the money of bookings that commands about money refer to.
    async fn load_money(
        &self,
        transaction: &mut dyn LaneTransaction,
        ours: &[(LockedLane, LaneBatch)],
        works: &mut [LaneWork],
    ) -> Result<(), StoreError> {
        let commands = || ours.iter().flat_map(|(_, batch)| &batch.submissions).map(|submission| &submission.command);
        let mut paid: Vec<_> = commands().filter_map(Command::paid_booking).collect();
        paid.extend(works.iter().flat_map(LaneWork::offered_bookings));
        if paid.is_empty() {
            return Ok(());
        }
        for payment in transaction.payments(&paid).await? {
            if let Some(work) = works.iter_mut().find(|work| work.key == payment.event) {
                work.remember_payment(payment);
            }
        }
        let refunded: Vec<_> = commands().filter_map(Command::refunded_booking).collect();
        if !refunded.is_empty() {
            for refund in transaction.refunds(&refunded).await? {
                if let Some(work) = works.iter_mut().find(|work| work.key == refund.event) {
                    work.remember_refund(refund);
                }
            }
        }
        let events: Vec<_> = commands().filter_map(Command::provider_event).cloned().collect();
        if !events.is_empty() {
            let known = transaction.provider_events(&events).await?;
            works.iter_mut().for_each(|work| work.remember_events(&known));
        }
        Ok(())
    }

    /// What buyers have already, for sales that limit them.
    async fn load_holdings(
        &self,
        transaction: &mut dyn LaneTransaction,
        ours: &[(LockedLane, LaneBatch)],
        works: &mut [LaneWork],
    ) -> Result<(), StoreError> {
        let mut of: Vec<(LaneKey, Buyer)> = Vec::new();
        for ((_, batch), work) in ours.iter().zip(works.iter_mut()) {
            if !work.limits_buyers() {
                continue;
            }
            for buyer in batch.submissions.iter().filter_map(|submission| submission.command.holder()) {
                if !work.holdings.contains_key(&buyer) {
                    work.holdings.insert(buyer.clone(), HashMap::new());
                    of.push((work.key, buyer));
                }
            }
        }
        if of.is_empty() {
            return Ok(());
        }
        let now = works.iter().map(|work| work.now).max().unwrap_or_default();
        for holding in transaction.holdings(&of, now).await? {
            if let Some(work) = works.iter_mut().find(|work| work.key == holding.lane) {
                work.holdings.entry(holding.buyer).or_default().insert(holding.ticket_type, holding.units);
            }
        }
        Ok(())
    }

    async fn write(self: Arc<Self>, mut transaction: Box<dyn LaneTransaction>, mut decided: Vec<Decided>) -> Leftover {
        let mut changes = LaneChanges::default();
        let mut wrote = Vec::with_capacity(decided.len());
        for lane in &mut decided {
            wrote.push(lane.work.collect(&mut changes));
        }
        let marks = match self.next_releases(&mut *transaction, &decided).await {
            Ok(marks) => marks,
            Err(error) => return refuse_decided(decided, &error.into()),
        };
        if changes.outbox.is_empty() && changes.answers.is_empty() {
            // Everything was refused, and nobody needs to wait for the end of a transaction that wrote nothing. It is
            // ended in order all the same, so that the lane is free when it is given back.
            let mut left = self.settle(decided, &wrote, &marks);
            self.writing.notify_waiters();
            self.tell(std::mem::take(&mut left.answers));
            if let Err(error) = transaction.commit().await {
                tracing::debug!(cause = %crate::error::chain(&error), "A transaction that wrote nothing broke off");
            }
            return left;
        }
        changes.pools.sort_unstable_by_key(|pool| pool.id);
        changes.answers.sort_unstable_by(|a, b| (a.key.caller, &a.key.key).cmp(&(b.key.caller, &b.key.key)));
        let commands: usize = decided.iter().map(|lane| lane.answered.len()).sum();
        let began = Instant::now();
        // Answers wait for this (`Inner::tell_in_turn`).
        let on_its_way = futures::future::lazy(|_| self.writing.notify_waiters());
        let (written, ()) = futures::future::join(transaction.write(&changes), on_its_way).await;
        if let Err(error) = written {
            drop(transaction);
            return self.after_refusal(decided, error).await;
        }
        let proof = changes.outbox.first().map(|row| row.id).zip(decided.first().map(|lane| lane.work.key));
        let committed = match transaction.commit().await {
            Ok(()) => true,
            Err(CommitError::RolledBack(error)) => return self.after_refusal(decided, error).await,
            Err(CommitError::Unknown(error)) => {
                tracing::warn!(cause = %crate::error::chain(&error), "The connection was lost during a commit; asking what became of it");
                match proof {
                    Some((row, lane)) => matches!(self.store.was_committed(lane, row).await, Ok(true)),
                    None => false,
                }
            }
        };
        self.settings.metrics.committed(commands, began.elapsed());
        if committed { self.settle(decided, &wrote, &marks) } else { refuse_decided(decided, &AppError::busy()) }
    }

    /// When the next hold lapses on lanes that ran out, which bounds how long their marks are believed.
    async fn next_releases(
        &self,
        transaction: &mut dyn LaneTransaction,
        decided: &[Decided],
    ) -> Result<HashMap<LaneKey, Option<domain::Timestamp>>, StoreError> {
        let mut marks = HashMap::new();
        for lane in decided.iter().filter(|lane| lane.work.sold_out && !lane.work.deleted) {
            let next = transaction.next_release(lane.work.key, lane.work.now).await?;
            // Holds of this very batch are not written yet.
            marks.insert(lane.work.key, lane.work.next_release.into_iter().chain(next).min());
        }
        Ok(marks)
    }

    /// The transaction is durable: remember the sales, drop or set marks, and keep what everybody is to be told.
    fn settle(
        &self,
        decided: Vec<Decided>,
        wrote: &[bool],
        marks: &HashMap<LaneKey, Option<domain::Timestamp>>,
    ) -> Leftover {
        let mut left = Leftover::default();
        for (Decided { work, answered, mut deferred }, wrote) in decided.into_iter().zip(wrote) {
            self.remember(&work, *wrote);
            if let Some(next_release) = marks.get(&work.key) {
                self.sold_out.mark(work.key, work.left(), work.sale.only_type().map(|known| known.id), *next_release);
            }
            left.answers.0.extend(answered);
            if work.has_more_to_offer() {
                deferred.insert(0, Submission::own(Command::MakeOffers, self.settings.patience));
            }
            if !deferred.is_empty() {
                left.deferred.push(LaneBatch { key: work.key, submissions: deferred });
            }
        }
        left
    }

    /// Tells everybody who waits.
    pub(super) fn tell(&self, answers: Answers) {
        for (submission, reply) in answers.0 {
            self.settings.metrics.decided(&submission.command, &reply);
            // Who has gone away meanwhile finds his booking in his list.
            let _ = submission.reply.send(reply);
        }
    }

    fn remember(&self, work: &LaneWork, wrote: bool) {
        if work.deleted {
            self.sales.invalidate(&work.key);
            self.sold_out.drop_lane(work.key);
        } else if wrote {
            if gives_room(&work.before.sale, &work.sale) {
                self.sold_out.drop_lane(work.key);
            } else if let Some(release) = work.next_release {
                self.sold_out.release_at(work.key, release);
            }
            let seen = SeenSale { sale: work.sale.clone(), version: work.next_version };
            self.sales.insert(work.key, Arc::new(seen));
        } else {
            self.sales.insert(work.key, Arc::clone(&work.before));
        }
    }

    /// The database refused a row, and the transaction is over. One bad command never fails its neighbours: the halves
    /// are tried each for itself, down to the one.
    async fn after_refusal(self: Arc<Self>, decided: Vec<Decided>, error: StoreError) -> Leftover {
        if matches!(error, StoreError::Unavailable(_)) {
            return refuse_decided(decided, &error.into());
        }
        let mut batches: Vec<LaneBatch> = decided.into_iter().map(Decided::undo).collect();
        batches.iter().for_each(|batch| self.sales.invalidate(&batch.key));
        let count: usize = batches.iter().map(|batch| batch.submissions.len()).sum();
        if count <= 1 {
            return self.again_alone(batches, error).await;
        }
        tracing::warn!(commands = count, "The database refused a batch; trying its halves: {error}");
        let second = split(&mut batches, count / 2);
        let mut first = self.clone().carry_out(batches, Occasion::Search).await;
        // What is durable does not wait for what comes of the others.
        self.tell(std::mem::take(&mut first.answers));
        first.and(self.carry_out(second, Occasion::Search).await)
    }

    /// A single command that the database refused: perhaps its reference collided with another, so it gets a new one.
    async fn again_alone(self: Arc<Self>, mut batches: Vec<LaneBatch>, error: StoreError) -> Leftover {
        let alone = batches.first_mut().and_then(|batch| batch.submissions.first_mut());
        let Some(submission) = alone else { return Leftover::default() };
        submission.collisions += 1;
        if submission.collisions >= TRIES_MAX || matches!(error, StoreError::Defect(_)) {
            refuse_all(batches, &error.into());
            return Leftover::default();
        }
        if let Command::Hold(request) = &mut submission.command {
            request.reference = Reference::of(self.ids.random(), submission.collisions);
        }
        self.carry_out(batches, Occasion::Search).await
    }
}

impl Decided {
    /// The commands in their order, as if nothing had been decided.
    fn undo(self) -> LaneBatch {
        let answered = self.answered.into_iter().map(|(submission, _)| submission);
        LaneBatch { key: self.work.key, submissions: answered.chain(self.deferred).collect() }
    }
}

/// What the prices of these bookings are made of, for answers; of events that have had taxes or fees alone.
async fn load_price_parts(transaction: &mut dyn LaneTransaction, works: &mut [LaneWork]) -> Result<(), StoreError> {
    let priced = works.iter().filter(|work| work.sale.event.terms.pricing.is_some());
    let ids: Vec<_> = priced.flat_map(|work| work.bookings.keys().copied()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    for (id, parts) in transaction.price_parts(&ids).await? {
        if let Some(booking) = works.iter_mut().find_map(|work| work.bookings.get_mut(&id)) {
            booking.price_parts = parts;
        }
    }
    for (id, used) in transaction.promo_uses(&ids).await? {
        if let Some(booking) = works.iter_mut().find_map(|work| work.bookings.get_mut(&id)) {
            booking.promo = Some(used);
        }
    }
    Ok(())
}

/// The promo codes that commands name, and those of the bookings that they are about.
async fn load_promo_codes(
    transaction: &mut dyn LaneTransaction,
    ours: &[(LockedLane, LaneBatch)],
    works: &mut [LaneWork],
) -> Result<(), StoreError> {
    let submissions = || ours.iter().flat_map(|(_, batch)| batch.submissions.iter().map(|one| (batch.key, one)));
    let named: Vec<(LaneKey, PromoWord)> = submissions()
        .filter_map(|(key, submission)| submission.command.promo_word().map(|word| (key, word.clone())))
        .collect();
    let of_bookings = works.iter().flat_map(|work| work.bookings.values()).filter_map(|booking| booking.promo.as_ref());
    let mut ids: Vec<_> = of_bookings.map(|used| used.id).collect();
    ids.extend(submissions().filter_map(|(_, submission)| submission.command.promo_code()));
    if named.is_empty() && ids.is_empty() {
        return Ok(());
    }
    ids.sort_unstable();
    ids.dedup();
    for code in transaction.promo_codes(&named, &ids).await? {
        if let Some(work) = works.iter_mut().find(|work| work.key == code.event) {
            work.promo_codes.remember(code);
        }
    }
    let mut of_buyers = Vec::new();
    for ((_, batch), work) in ours.iter().zip(works.iter_mut()) {
        let adds = |one: &Submission| matches!(one.command, Command::AddPromoCode { .. });
        if batch.submissions.iter().any(adds) {
            work.promo_codes.count = transaction.count_promo_codes(work.key).await?;
        }
        for submission in &batch.submissions {
            let Command::Hold(request) = &submission.command else { continue };
            let code = request.promo_code.as_ref().and_then(|word| work.promo_codes.named(word));
            if let Some(code) = code.filter(|code| code.terms.max_per_buyer.is_some()) {
                of_buyers.push((code.id, work.key, request.buyer.clone()));
            }
        }
    }
    if of_buyers.is_empty() {
        return Ok(());
    }
    let now = works.iter().map(|work| work.now).max().unwrap_or_default();
    for (code, buyer, uses) in transaction.promo_uses_of(&of_buyers, now).await? {
        if let Some(work) = works.iter_mut().find(|work| work.promo_codes.get(code).is_some()) {
            work.promo_codes.remember_buyer(code, buyer, uses);
        }
    }
    Ok(())
}

/// The entries of the waiting list that commands are about, and what those must know who want to join.
async fn load_waiting_list(
    transaction: &mut dyn LaneTransaction,
    ours: &[(LockedLane, LaneBatch)],
    works: &mut [LaneWork],
) -> Result<(), StoreError> {
    let commands = || ours.iter().flat_map(|(_, batch)| &batch.submissions).map(|submission| &submission.command);
    let ids: Vec<_> = commands().filter_map(Command::waiting_list_entry).collect();
    if !ids.is_empty() {
        for entry in transaction.waiting_list_entries(&ids).await? {
            if let Some(work) = works.iter_mut().find(|work| work.key == entry.event) {
                work.remember_entry(entry);
            }
        }
    }
    for ((_, batch), work) in ours.iter().zip(works) {
        let buyers: Vec<_> = batch.submissions.iter().filter_map(|submission| submission.command.joins()).collect();
        if !buyers.is_empty() {
            let last_number = transaction.last_waiting_list_number(work.key).await?;
            work.remember_list(last_number, transaction.open_waiting_list_entries(work.key, &buyers).await?);
        }
    }
    Ok(())
}

/// Offers what is free to who waits for it, lapsed holds included, as far as one commit goes.
async fn serve_waiting(
    transaction: &mut dyn LaneTransaction,
    work: &mut LaneWork,
    rules: &Rules<'_>,
    reclaim_max: u32,
) -> Result<(), StoreError> {
    if work.has_more_to_offer() {
        return Ok(());
    }
    if work.needs_lapsed() {
        let bookings = load_lapsed(transaction, work, reclaim_max).await?;
        work.lapsed = Some(Lapsed::new(bookings, reclaim_max));
    }
    work.expire_for_waiting(rules);
    for _ in 0..LOOKS_MAX {
        let served = work.serve_waiting(rules);
        let asked = work.looks_for();
        if asked.is_empty() && !served {
            return Ok(());
        }
        if asked.is_empty() {
            continue;
        }
        let limit = work.look_max();
        let found = transaction.who_waits(work.key, &asked, limit).await?;
        work.remember_waiting(&asked, found, limit);
        load_holdings_of_waiting(transaction, work).await?;
    }
    work.put_off_offers();
    Ok(())
}

/// What those who wait have already, where that is limited.
async fn load_holdings_of_waiting(
    transaction: &mut dyn LaneTransaction,
    work: &mut LaneWork,
) -> Result<(), StoreError> {
    let of: Vec<(LaneKey, Buyer)> = work.unknown_holders().into_iter().map(|buyer| (work.key, buyer)).collect();
    if of.is_empty() {
        return Ok(());
    }
    let mut found: HashMap<Buyer, Holdings> = of.iter().map(|(_, buyer)| (buyer.clone(), Holdings::new())).collect();
    for holding in transaction.holdings(&of, work.now).await? {
        found.entry(holding.buyer).or_default().insert(holding.ticket_type, holding.units);
    }
    found.into_iter().for_each(|(buyer, holdings)| work.remember_holdings(buyer, holdings));
    Ok(())
}

/// Lapsed holds of the lane, with the promo codes that come back with them.
async fn load_lapsed(
    transaction: &mut dyn LaneTransaction,
    work: &mut LaneWork,
    limit: u32,
) -> Result<Vec<Booking>, StoreError> {
    let mut lapsed = transaction.lapsed(work.key, work.now, limit).await?;
    if work.sale.event.terms.pricing.is_none() || lapsed.is_empty() {
        return Ok(lapsed);
    }
    let ids: Vec<_> = lapsed.iter().map(|booking| booking.id).collect();
    let mut uses = transaction.promo_uses(&ids).await?;
    let mut unknown: Vec<_> = uses.values().map(|used| used.id).collect();
    unknown.retain(|code| work.promo_codes.get(*code).is_none());
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        for code in transaction.promo_codes(&[], &unknown).await? {
            work.promo_codes.remember(code);
        }
    }
    for booking in &mut lapsed {
        booking.promo = uses.remove(&booking.id);
    }
    Ok(lapsed)
}

/// Takes `count` commands off the front; what stays behind is the second half.
fn split(batches: &mut Vec<LaneBatch>, count: usize) -> Vec<LaneBatch> {
    let mut second = Vec::new();
    let mut room = count;
    for batch in batches.iter_mut() {
        let stays = batch.submissions.len().min(room);
        room -= stays;
        let rest = batch.submissions.split_off(stays);
        if !rest.is_empty() {
            second.push(LaneBatch { key: batch.key, submissions: rest });
        }
    }
    batches.retain(|batch| !batch.submissions.is_empty());
    second
}

/// Answers those that nobody waits for any more, and keeps the others.
fn in_time(batches: Vec<LaneBatch>) -> Vec<LaneBatch> {
    let now = Instant::now();
    let mut kept = Vec::with_capacity(batches.len());
    for LaneBatch { key, submissions } in batches {
        let (timely, late): (Vec<_>, Vec<_>) = submissions.into_iter().partition(|one| one.deadline > now);
        refuse_all(vec![LaneBatch { key, submissions: late }], &AppError::busy());
        if !timely.is_empty() {
            kept.push(LaneBatch { key, submissions: timely });
        }
    }
    kept
}

fn refuse_all(batches: Vec<LaneBatch>, error: &AppError) {
    for submission in batches.into_iter().flat_map(|batch| batch.submissions) {
        let _ = submission.reply.send(Err(error.clone()));
    }
}

fn refuse_decided(decided: Vec<Decided>, error: &AppError) -> Leftover {
    refuse_all(decided.into_iter().map(Decided::undo).collect(), error);
    Leftover::default()
}

/// How a command ended, as metrics count it.
pub(super) fn outcome_word(reply: &Reply) -> &'static str {
    match reply {
        Ok(answer) if answer.replayed => "replayed",
        Ok(answer) => match &answer.value {
            Outcome::Booking(booking) => booking.status.as_str(),
            Outcome::Ticket(..) => "issued",
            Outcome::Scan(scan) => scan.result.as_str(),
            Outcome::Unpaid(_) => "unpaid",
            Outcome::Scans(_) => "admitted",
            Outcome::CheckIn(entry) if entry.undone_at.is_none() => "exited",
            Outcome::CheckIn(_) => "undone",
            Outcome::CheckInList(_) => "check_in_list",
            Outcome::Synced(Ok(entry)) => entry.flag.map_or("synced", domain::admission::Flag::as_str),
            Outcome::Synced(Err(result)) => result.as_str(),
            Outcome::Payment(payment, _) => payment.status.as_str(),
            Outcome::Refunds(..) => "refunded",
            Outcome::KnownPayment(_) | Outcome::KnownRefunds(_) => "replayed",
            Outcome::Expired(_) => "expired",
            Outcome::Sale(_) => "changed",
            Outcome::PromoCode(_) => "promo_code",
            Outcome::WaitingListEntry(entry) => entry.status(None).as_str(),
            Outcome::OffersMade => "made",
            Outcome::Deleted => "deleted",
        },
        Err(error) => error.code(),
    }
}
