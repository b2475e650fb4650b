//! Promo codes: what makes tickets of one event cheaper, or opens hidden ones, for who knows the code.

use std::fmt;

use crate::booking::{BookingItem, BookingStatus, Buyer, Reference, Sale};
use crate::catalog::TicketType;
use crate::pricing::Rate;
use crate::{EventId, Problems, PromoCodeId, TicketTypeId, Timestamp};

/// A code as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PromoCode {
    /// Its id.
    pub id: PromoCodeId,
    /// The event that it belongs to.
    pub event: EventId,
    /// What buyers type; unique in the event.
    pub code: PromoWord,
    /// What it does.
    pub terms: PromoTerms,
    /// Whether it is put away: known, and of no use.
    pub archived: bool,
    /// How many bookings hold it or are confirmed with it.
    pub used: u32,
    /// What it takes off all of them.
    pub spent: i64,
    /// Counts its changes from 1; uses do not count.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its terms changed last.
    pub updated_at: Timestamp,
}

/// What a code does, and for whom and how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PromoTerms {
    /// How much cheaper each ticket is; none where it opens ticket types and does no more.
    pub discount: Option<Discount>,
    /// Of which types; an empty list means any.
    pub ticket_types: Vec<TicketTypeId>,
    /// Which hidden types it opens: they are sold with such a code and not otherwise.
    pub opens: Vec<TicketTypeId>,
    /// The most bookings with it.
    pub max_uses: Option<u32>,
    /// The most bookings of one buyer with it.
    pub max_per_buyer: Option<u32>,
    /// The most that it takes off in all, in minor units.
    pub budget: Option<i64>,
    /// It is of use from then on.
    pub starts_at: Option<Timestamp>,
    /// It is of no use from then on; what is held by then keeps it.
    pub ends_at: Option<Timestamp>,
}

/// How much cheaper a ticket is; never cheaper than nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Discount {
    /// By this share of its price, rounded once for each ticket.
    Share(Rate),
    /// By so many minor units.
    Amount(i64),
}

/// The text of a code: 4 to 40 of `A` to `Z`, `0` to `9` and the hyphen. It is compared without regard to case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PromoWord(String);

/// That a booking was made with a code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PromoUse {
    /// Which.
    pub id: PromoCodeId,
    /// Its text.
    pub code: PromoWord,
    /// What it took off.
    pub discount: i64,
}

/// A code as a hold finds it.
#[derive(Clone, Copy, Debug)]
pub struct PromoFound<'a> {
    /// The code.
    pub code: &'a PromoCode,
    /// How many bookings of this buyer hold it or are confirmed with it.
    pub of_buyer: u32,
}

/// A new code as it was asked for; a change likewise, where `None` leaves a field as it is and `Some(None)` empties it.
#[derive(Clone, Default, Debug)]
pub struct PromoEdit {
    /// Millionths.
    pub rate: Option<Option<i64>>,
    /// Minor units.
    pub amount: Option<Option<i64>>,
    /// Types.
    pub ticket_types: Option<Vec<TicketTypeId>>,
    /// Hidden types.
    pub opens: Option<Vec<TicketTypeId>>,
    /// Bookings.
    pub max_uses: Option<Option<i64>>,
    /// Bookings of one buyer.
    pub max_per_buyer: Option<Option<i64>>,
    /// Minor units.
    pub budget: Option<Option<i64>>,
    /// From then on.
    pub starts_at: Option<Option<Timestamp>>,
    /// Until then.
    pub ends_at: Option<Option<Timestamp>>,
    /// Whether it is put away.
    pub archived: Option<bool>,
}

/// The most that any amount of a code may be.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

impl Discount {
    /// The share, where it is one.
    #[must_use]
    pub const fn rate(self) -> Option<Rate> {
        match self {
            Self::Share(rate) => Some(rate),
            Self::Amount(_) => None,
        }
    }

    /// The minor units, where it is so many.
    #[must_use]
    pub const fn amount(self) -> Option<i64> {
        match self {
            Self::Share(_) => None,
            Self::Amount(amount) => Some(amount),
        }
    }
}

impl PromoWord {
    const CHARS: std::ops::RangeInclusive<usize> = 4..=40;

    /// Parses what an organizer gives a code as its text.
    ///
    /// # Errors
    /// `invalid_code`.
    pub fn parse(field: &str, typed: &str) -> Result<Self, Problems> {
        Self::read(typed).ok_or_else(|| {
            Problems::one(field, "invalid_code", "must have 4 to 40 letters from A to Z, digits and hyphens")
        })
    }

    /// Reads what a buyer typed; none if it can be no code.
    #[must_use]
    pub fn read(typed: &str) -> Option<Self> {
        if typed.len() > 80 {
            return None;
        }
        let word = typed.trim().to_ascii_uppercase();
        let sane = word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        (sane && Self::CHARS.contains(&word.len())).then_some(Self(word))
    }

    /// One that nobody guesses: twelve characters of which none is taken for another, made of random bits.
    #[must_use]
    pub fn of(random: [u64; 2]) -> Self {
        let [first, second] = random.map(|bits| Reference::of(bits, 0));
        Self(format!("{}{}", &first.as_str()[..6], &second.as_str()[..6]))
    }

    /// A text that a store has read.
    #[must_use]
    pub fn trusted(stored: String) -> Self {
        Self(stored)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromoWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PromoCode {
    /// The most codes of an event.
    pub const PER_EVENT_MAX: u64 = 10_000;

    /// Parses a new code.
    ///
    /// # Errors
    /// All fields that do not hold.
    pub fn try_new(
        id: PromoCodeId,
        sale: &Sale,
        code: PromoWord,
        new: &PromoEdit,
        now: Timestamp,
    ) -> Result<Self, Problems> {
        let terms = terms(sale, None, new)?;
        let archived = new.archived.unwrap_or(false);
        let event = sale.event.id;
        Ok(Self { id, event, code, terms, archived, used: 0, spent: 0, version: 1, created_at: now, updated_at: now })
    }

    /// The code after a change; one that changes nothing gives an equal one.
    ///
    /// # Errors
    /// All fields that do not hold; limits below what is used.
    pub fn edited(&self, sale: &Sale, edit: &PromoEdit, now: Timestamp) -> Result<Self, Problems> {
        let terms = terms(sale, Some(&self.terms), edit)?;
        let mut problems = Problems::default();
        if terms.max_uses.is_some_and(|most| most < self.used) {
            problems.add("maxUses", "in_use", format!("{} bookings have it: it cannot be lower", self.used));
        }
        if terms.budget.is_some_and(|most| most < self.spent) {
            problems.add("budget", "in_use", format!("{} is spent of it: it cannot be lower", self.spent));
        }
        problems.into_result()?;
        let archived = edit.archived.unwrap_or(self.archived);
        if terms == self.terms && archived == self.archived {
            return Ok(self.clone());
        }
        Ok(Self { terms, archived, version: self.version + 1, updated_at: now, ..self.clone() })
    }

    /// Whether one more booking of this buyer may use it at this moment, whatever is in it.
    ///
    /// # Errors
    /// What keeps it from being of use. Whoever guesses learns of no code that is not of use yet, or was put away.
    pub fn check_usable(&self, of_buyer: u32, now: Timestamp) -> Result<(), Problems> {
        let refuse = |code, message: &str| Err(Problems::one("promoCode", code, message));
        let terms = &self.terms;
        if self.archived || terms.starts_at.is_some_and(|start| now < start) {
            return Err(unknown_promo_code());
        }
        if terms.ends_at.is_some_and(|end| end <= now) {
            return refuse("expired", "is of no use any more");
        }
        if terms.max_uses.is_some_and(|most| self.used >= most) {
            return refuse("used_up", "has been used as often as it can be");
        }
        if terms.max_per_buyer.is_some_and(|most| of_buyer >= most) {
            return refuse("limit_exceeded", "has been used by you as often as it can be");
        }
        Ok(())
    }

    /// What it takes off each of these items, if it is of use for this buyer at this moment.
    ///
    /// # Errors
    /// Those of [`check_usable`](Self::check_usable), and what keeps it from being of use for these items.
    pub fn discounts(&self, items: &[BookingItem], of_buyer: u32, now: Timestamp) -> Result<Vec<i64>, Problems> {
        self.check_usable(of_buyer, now)?;
        let refuse = |code, message: &str| Err(Problems::one("promoCode", code, message));
        let terms = &self.terms;
        let discounts = items.iter().map(|item| self.discount(item)).collect::<Option<Vec<i64>>>();
        let total = discounts.as_deref().and_then(|of| of.iter().try_fold(0_i64, |sum, one| sum.checked_add(*one)));
        let (Some(discounts), Some(total)) = (discounts, total) else {
            return Err(Problems::one("items", "out_of_range", "the total is too large"));
        };
        if !items.iter().any(|item| self.is_for(item) || self.opens(item.ticket_type)) {
            return refuse("not_applicable", "is of no use for these tickets");
        }
        if terms.budget.is_some_and(|most| total > most.saturating_sub(self.spent)) {
            return refuse("used_up", "cannot take off so much any more");
        }
        Ok(discounts)
    }

    /// Whether it opens this type.
    #[must_use]
    pub fn opens(&self, ticket_type: TicketTypeId) -> bool {
        self.terms.opens.contains(&ticket_type)
    }

    /// The sale once the types that the code opens, and did not open `before`, are sold with a code alone. That a code is put
    /// away, or opens them no more, does not open them to everybody: only a change of the type does, and no later change
    /// of the code takes that back.
    #[must_use]
    pub fn guarding(&self, before: Option<&Self>, sale: &Sale, now: Timestamp) -> Sale {
        let is_new = |id| self.opens(id) && !before.is_some_and(|before| before.opens(id));
        let guards = |known: &TicketType| known.hidden && is_new(known.id);
        if sale.ticket_types.iter().all(|known| known.code_required || !guards(known)) {
            return sale.clone();
        }
        let guarded = |known: &TicketType| {
            let code_required = known.code_required || guards(known);
            TicketType { code_required, ..known.clone() }
        };
        let ticket_types = sale.ticket_types.iter().map(guarded).collect();
        Sale { event: sale.event.clone().touched(now), ticket_types, ..sale.clone() }
    }

    /// Refuses units that are sold with a code alone to who names none that opens them.
    ///
    /// # Errors
    /// `required` without any code, `not_applicable` with one that does not.
    pub(super) fn check_access(code: Option<&Self>, ticket_type: &TicketType) -> Result<(), Problems> {
        let refuse = |code, message: String| Err(Problems::one("promoCode", code, message));
        match code {
            _ if !ticket_type.code_required => Ok(()),
            Some(code) if code.opens(ticket_type.id) => Ok(()),
            Some(_) => refuse("not_applicable", "does not open what is asked for".to_owned()),
            None => refuse("required", "must be given: this is sold with a code alone".to_owned()),
        }
    }

    fn is_for(&self, item: &BookingItem) -> bool {
        let of = &self.terms.ticket_types;
        self.terms.discount.is_some() && (of.is_empty() || of.contains(&item.ticket_type))
    }

    fn discount(&self, item: &BookingItem) -> Option<i64> {
        if !self.is_for(item) {
            return Some(0);
        }
        let of_one = match self.terms.discount? {
            Discount::Share(rate) => rate.of(item.unit_price).ok()?,
            Discount::Amount(amount) => amount.min(item.unit_price),
        };
        of_one.checked_mul(i64::from(item.quantity))
    }

    /// Whether a booking that has given its use back may take it again: its price stays, whatever the code is now.
    #[must_use]
    pub fn has_room(&self, used: &PromoUse) -> bool {
        let terms = &self.terms;
        terms.max_uses.is_none_or(|most| self.used < most)
            && terms.budget.is_none_or(|most| used.discount <= most.saturating_sub(self.spent))
    }

    /// The code with one booking more, or one less.
    #[must_use]
    pub fn counting(&self, used: &PromoUse, more: bool) -> Self {
        let (by, discount) = if more { (1, used.discount) } else { (-1, -used.discount) };
        Self { used: self.used.saturating_add_signed(by), spent: self.spent.saturating_add(discount), ..self.clone() }
    }
}

impl PromoUse {
    /// Whether a booking of this status counts among the uses of its code.
    #[must_use]
    pub const fn counts(status: BookingStatus) -> bool {
        matches!(status, BookingStatus::Pending | BookingStatus::Confirmed)
    }

    /// Who used a code, for its limit per buyer.
    #[must_use]
    pub fn by(&self, buyer: &Buyer) -> (PromoCodeId, Buyer) {
        (self.id, buyer.clone())
    }
}

/// There is no such code, or nobody shall know yet that there is.
#[must_use]
pub fn unknown_promo_code() -> Problems {
    Problems::one("promoCode", "unknown", "is no code of this event")
}

fn terms(sale: &Sale, before: Option<&PromoTerms>, edit: &PromoEdit) -> Result<PromoTerms, Problems> {
    let mut problems = Problems::default();
    let discount = problems.take(discount(before.and_then(|terms| terms.discount), edit));
    let ticket_types = edit.ticket_types.clone().or_else(|| before.map(|terms| terms.ticket_types.clone()));
    let mut ticket_types = ticket_types.unwrap_or_default();
    ticket_types.sort_unstable();
    ticket_types.dedup();
    if ticket_types.iter().any(|id| sale.ticket_type(*id).is_none()) {
        problems.add("ticketTypeIds", "unknown", "must name ticket types of this event");
    }
    let opens = opened(&mut problems, sale, before, edit);
    let has_effect = discount.as_ref().is_none_or(Option::is_some) || !opens.is_empty();
    if !has_effect {
        problems.add("rate", "required", "a code has a rate, an amount, or ticket types that it opens");
    }
    let max_uses = limit(&mut problems, "maxUses", edit.max_uses, before.and_then(|terms| terms.max_uses));
    let of_buyer = before.and_then(|terms| terms.max_per_buyer);
    let max_per_buyer = limit(&mut problems, "maxPerBuyer", edit.max_per_buyer, of_buyer);
    let budget = edit.budget.unwrap_or_else(|| before.and_then(|terms| terms.budget));
    if budget.is_some_and(|most| !(1..=AMOUNT_MAX).contains(&most)) {
        problems.add("budget", "out_of_range", format!("must be between 1 and {AMOUNT_MAX}"));
    }
    let starts_at = edit.starts_at.unwrap_or_else(|| before.and_then(|terms| terms.starts_at));
    let ends_at = edit.ends_at.unwrap_or_else(|| before.and_then(|terms| terms.ends_at));
    if let (Some(start), Some(end)) = (starts_at, ends_at)
        && end <= start
    {
        problems.add("endsAt", "not_after_start", "must lie after startsAt");
    }
    let (Some(discount), true) = (discount, problems.is_empty()) else { return Err(problems) };
    Ok(PromoTerms { discount, ticket_types, opens, max_uses, max_per_buyer, budget, starts_at, ends_at })
}

/// The hidden types that the code opens. One that has been shown since stays named, and is of no effect.
fn opened(problems: &mut Problems, sale: &Sale, before: Option<&PromoTerms>, edit: &PromoEdit) -> Vec<TicketTypeId> {
    let Some(asked) = &edit.opens else { return before.map(|terms| terms.opens.clone()).unwrap_or_default() };
    let mut opens = asked.clone();
    opens.sort_unstable();
    opens.dedup();
    for id in &opens {
        match sale.ticket_type(*id) {
            None => problems.add("opensTicketTypeIds", "unknown", "must name ticket types of this event"),
            Some(known) if !known.hidden => {
                problems.add("opensTicketTypeIds", "not_hidden", format!("{} is not hidden", known.name));
            }
            Some(_) => continue,
        }
        break;
    }
    opens
}

fn discount(before: Option<Discount>, edit: &PromoEdit) -> Result<Option<Discount>, Problems> {
    let known = match before {
        Some(Discount::Share(rate)) => (Some(i64::from(rate.millionths())), None),
        Some(Discount::Amount(amount)) => (None, Some(amount)),
        None => (None, None),
    };
    match (edit.rate.unwrap_or(known.0), edit.amount.unwrap_or(known.1)) {
        (Some(rate), None) if rate > 0 => Ok(Some(Discount::Share(Rate::parse("rate", rate)?))),
        (Some(_), None) => Err(Problems::one("rate", "out_of_range", "must be between 1 and 1000000")),
        (None, Some(amount)) if (1..=AMOUNT_MAX).contains(&amount) => Ok(Some(Discount::Amount(amount))),
        (None, Some(_)) => Err(Problems::one("amount", "out_of_range", format!("must be between 1 and {AMOUNT_MAX}"))),
        (Some(_), Some(_)) => Err(Problems::one("amount", "ambiguous", "must not be given with a rate")),
        (None, None) => Ok(None),
    }
}

fn limit(problems: &mut Problems, field: &str, edit: Option<Option<i64>>, before: Option<u32>) -> Option<u32> {
    const MOST: i64 = 1_000_000_000;
    match edit {
        None => before,
        Some(None) => None,
        Some(Some(asked)) => {
            let sane = u32::try_from(asked).ok().filter(|count| (1..=MOST).contains(&i64::from(*count)));
            if sane.is_none() {
                problems.add(field, "out_of_range", format!("must be between 1 and {MOST}"));
            }
            sane
        }
    }
}
