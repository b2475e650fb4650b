//! The promo codes that the commands of a batch name, and how often they are used as the batch is decided.

use std::collections::{BTreeSet, HashMap};

use domain::booking::{Booking, Buyer, Decided, HoldRequest, PromoCode, PromoFound, PromoUse, PromoWord};
use domain::{EventId, PromoCodeId};

use crate::booking::{LaneChanges, PromoCount};

/// Codes of a lane within a transaction; empty, where no command is about any.
#[derive(Default)]
pub(super) struct PromoCodes {
    /// In their newest state.
    codes: HashMap<PromoCodeId, PromoCode>,
    /// As the transaction found them: used how often, with how much taken off.
    found: HashMap<PromoCodeId, (u32, i64)>,
    /// How often buyers use codes that limit that.
    of_buyers: HashMap<(PromoCodeId, Buyer), u32>,
    new: BTreeSet<PromoCodeId>,
    changed: BTreeSet<PromoCodeId>,
    /// How many the event has.
    pub(super) count: u64,
}

impl PromoCodes {
    /// Takes note of a code that the transaction has loaded.
    pub(super) fn remember(&mut self, code: PromoCode) {
        self.found.insert(code.id, (code.used, code.spent));
        self.codes.insert(code.id, code);
    }

    /// Takes note of how often a buyer uses a code.
    pub(super) fn remember_buyer(&mut self, code: PromoCodeId, buyer: Buyer, uses: u32) {
        self.of_buyers.insert((code, buyer), uses);
    }

    pub(super) fn get(&self, id: PromoCodeId) -> Option<&PromoCode> {
        self.codes.get(&id)
    }

    pub(super) fn named(&self, word: &PromoWord) -> Option<&PromoCode> {
        self.codes.values().find(|known| known.code == *word)
    }

    /// The code that a hold names.
    pub(super) fn found(&self, request: &HoldRequest) -> Option<PromoFound<'_>> {
        let code = self.named(request.promo_code.as_ref()?)?;
        let of_buyer = match code.terms.max_per_buyer {
            Some(_) => self.of_buyers.get(&(code.id, request.buyer.clone())).copied().unwrap_or_default(),
            None => 0,
        };
        Some(PromoFound { code, of_buyer })
    }

    /// Whether the code of the booking, if it has one, may be used by it once more.
    pub(super) fn has_room(&self, booking: &Booking) -> bool {
        let Some(used) = &booking.promo else { return true };
        self.codes.get(&used.id).is_some_and(|code| code.has_room(used))
    }

    /// Counts a booking that has begun to use its code, or does so no more.
    pub(super) fn count(&mut self, event: EventId, decided: &Decided) {
        let Some(used) = &decided.booking.promo else { return };
        let (before, now) = (decided.before.is_some_and(PromoUse::counts), PromoUse::counts(decided.booking.status));
        if before == now {
            return;
        }
        let Some(code) = self.codes.get_mut(&used.id) else {
            tracing::error!(event.id = %event, "A booking has a promo code that was not loaded");
            return;
        };
        *code = code.counting(used, now);
        let of_buyer = self.of_buyers.entry((used.id, decided.booking.buyer.clone())).or_default();
        *of_buyer = if now { of_buyer.saturating_add(1) } else { of_buyer.saturating_sub(1) };
    }

    /// Takes over a new code.
    pub(super) fn add(&mut self, code: PromoCode) {
        self.count += 1;
        self.new.insert(code.id);
        self.remember(code);
    }

    /// Takes over other terms of a code.
    pub(super) fn change(&mut self, code: PromoCode) {
        if !self.new.contains(&code.id) {
            self.changed.insert(code.id);
        }
        self.codes.insert(code.id, code);
    }

    /// Adds the rows to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        if self.codes.is_empty() {
            return;
        }
        for (id, (used, spent)) in std::mem::take(&mut self.found) {
            let Some(code) = self.codes.get(&id) else { continue };
            let (used, spent) = (i64::from(code.used) - i64::from(used), code.spent - spent);
            if used != 0 || spent != 0 {
                changes.promo_counts.push(PromoCount { id, used, spent });
            }
        }
        let codes = |ids: &mut BTreeSet<PromoCodeId>| {
            std::mem::take(ids).into_iter().filter_map(|id| self.codes.get(&id).cloned()).collect::<Vec<_>>()
        };
        changes.new_promo_codes.append(&mut codes(&mut self.new));
        changes.promo_codes.append(&mut codes(&mut self.changed));
    }
}
