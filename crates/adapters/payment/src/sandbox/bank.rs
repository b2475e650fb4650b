//! The books of the sandbox, and the rules by which they change. It knows no network and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Bound;

use chrono::TimeDelta;
use domain::Timestamp;
use uuid::Uuid;

use super::journal::{Journal, Line};
use super::wire::{
    ChargeBody, ChargeRequest, ChargeWord, DisputeWord, EventBody, ListBody, ListRequest, RefundBody, RefundRequest,
    RefundWord, Settlement,
};

/// What it takes money by.
pub const METHODS: [&str; 6] = [CARD_OK, CARD_DECLINED, CARD_SLOW, CARD_TIMEOUT, CARD_REFUND_FAILS, CHECKOUT];

/// Succeeds at once.
pub(super) const CARD_OK: &str = "card_ok";
/// Fails at once with `card_declined`.
pub(super) const CARD_DECLINED: &str = "card_declined";
/// Succeeds a while later.
pub(super) const CARD_SLOW: &str = "card_slow";
/// Succeeds a while later, and its request is never answered.
pub(super) const CARD_TIMEOUT: &str = "card_timeout";
/// Succeeds at once; its refunds fail with `card_closed`.
const CARD_REFUND_FAILS: &str = "card_refund_fails";
/// The buyer decides on a page.
const CHECKOUT: &str = "checkout";

/// Why it refuses; the word is the one that programs go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("not_found")]
    NotFound,
    #[error("invalid_amount")]
    InvalidAmount,
    #[error("invalid_request")]
    InvalidRequest,
    #[error("unknown_method")]
    UnknownMethod,
    /// The same id with another request.
    #[error("id_in_use")]
    IdInUse,
    /// It was called off before it came.
    #[error("cancelled")]
    Cancelled,
    /// It stands where this cannot be.
    #[error("invalid_state")]
    InvalidState,
    /// More than was taken and is still there.
    #[error("amount_too_large")]
    AmountTooLarge,
    /// The books cannot be written.
    #[error("unavailable")]
    Unavailable,
}

/// The books.
pub(super) struct Bank {
    charges: HashMap<Uuid, ChargeBody>,
    by_reference: HashMap<String, Uuid>,
    refunds: HashMap<Uuid, RefundBody>,
    /// By when they were made.
    charges_made: BTreeSet<(i64, Uuid)>,
    refunds_made: BTreeSet<(i64, Uuid)>,
    /// Called off before they came.
    called_off: HashSet<Uuid>,
    /// Those that succeed by themselves, by when.
    due: BTreeSet<(Timestamp, Uuid)>,
    /// Not yet delivered, by number.
    undelivered: BTreeMap<u64, EventBody>,
    next_event: u64,
    journal: Journal,
}

/// What the bank takes from outside for one change.
pub(super) struct Turn<'a> {
    pub(super) now: Timestamp,
    /// For how long what is slow takes.
    pub(super) slow: TimeDelta,
    /// Ids of charges and messages.
    pub(super) name: &'a dyn Fn() -> String,
    /// Where its pages are.
    pub(super) pages: &'a str,
}

impl Bank {
    /// The books as the journal has them. Its pages may have been elsewhere before.
    pub(super) fn open(journal: Journal, lines: Vec<Line>, pages: &str) -> Self {
        let mut bank = Self {
            charges: HashMap::new(),
            by_reference: HashMap::new(),
            refunds: HashMap::new(),
            charges_made: BTreeSet::new(),
            refunds_made: BTreeSet::new(),
            called_off: HashSet::new(),
            due: BTreeSet::new(),
            undelivered: BTreeMap::new(),
            next_event: 1,
            journal,
        };
        lines.into_iter().for_each(|line| bank.enter(line));
        for charge in bank.charges.values_mut().filter(|charge| charge.checkout_url.is_some()) {
            charge.checkout_url = Some(page_of(pages, &charge.reference));
        }
        bank
    }

    pub(super) fn charge(&mut self, request: &ChargeRequest, turn: &Turn<'_>) -> Result<ChargeBody, Refused> {
        if let Some(known) = self.charges.get(&request.id) {
            return if known.is_of(request) { Ok(known.clone()) } else { Err(Refused::IdInUse) };
        }
        if self.called_off.contains(&request.id) {
            return Err(Refused::Cancelled);
        }
        if request.amount <= 0 {
            return Err(Refused::InvalidAmount);
        }
        let is_currency = request.currency.len() == 3 && request.currency.bytes().all(|b| b.is_ascii_uppercase());
        if !is_currency || request.description.chars().count() > 200 {
            return Err(Refused::InvalidRequest);
        }
        let mut charge = ChargeBody {
            id: request.id,
            reference: format!("ch_{}", (turn.name)()),
            amount: request.amount,
            currency: request.currency.clone(),
            method: request.method.clone(),
            description: request.description.clone(),
            status: ChargeWord::Processing,
            captured: None,
            refunded: 0,
            failure_code: None,
            checkout_url: None,
            dispute: None,
            created_at: turn.now.timestamp_micros(),
        };
        let mut due = None;
        match request.method.as_str() {
            CARD_OK | CARD_REFUND_FAILS => charge.settle(&Settlement::Captured(None)),
            CARD_DECLINED => charge.settle(&Settlement::Failed("card_declined".to_owned())),
            CARD_SLOW | CARD_TIMEOUT => due = Some(turn.now + turn.slow),
            CHECKOUT => charge.checkout_url = Some(page_of(turn.pages, &charge.reference)),
            _ => return Err(Refused::UnknownMethod),
        }
        let event = (charge.status != ChargeWord::Processing).then(|| Self::event_of(&charge, turn));
        self.write(Line { charge: Some(charge.clone()), due, event, ..Line::default() })?;
        Ok(charge)
    }

    pub(super) fn charge_of(&self, id: Uuid) -> Option<&ChargeBody> {
        self.charges.get(&id)
    }

    pub(super) fn charge_of_reference(&self, reference: &str) -> Option<&ChargeBody> {
        self.charges.get(self.by_reference.get(reference)?)
    }

    /// Takes a request back; `None`: it never came, and will not be taken any more.
    pub(super) fn cancel(&mut self, id: Uuid, turn: &Turn<'_>) -> Result<Option<ChargeBody>, Refused> {
        let Some(charge) = self.charges.get(&id) else {
            if !self.called_off.contains(&id) {
                self.write(Line { called_off: Some(id), ..Line::default() })?;
            }
            return Ok(None);
        };
        if charge.status != ChargeWord::Processing {
            return Ok(Some(charge.clone()));
        }
        let charge = ChargeBody { status: ChargeWord::Cancelled, checkout_url: None, ..charge.clone() };
        let event = Some(Self::event_of(&charge, turn));
        self.write(Line { charge: Some(charge.clone()), event, ..Line::default() })?;
        Ok(Some(charge))
    }

    /// Decides a charge that is processing; again the same way is done already.
    pub(super) fn settle(&mut self, id: Uuid, how: &Settlement, turn: &Turn<'_>) -> Result<ChargeBody, Refused> {
        let before = self.charges.get(&id).ok_or(Refused::NotFound)?;
        if matches!(how, Settlement::Captured(Some(captured)) if *captured <= 0) {
            return Err(Refused::InvalidAmount);
        }
        let mut charge = before.clone();
        charge.settle(how);
        if charge == *before {
            return Ok(charge);
        }
        if before.status != ChargeWord::Processing {
            return Err(Refused::InvalidState);
        }
        let event = Some(Self::event_of(&charge, turn));
        self.write(Line { charge: Some(charge.clone()), event, ..Line::default() })?;
        Ok(charge)
    }

    pub(super) fn dispute(&mut self, id: Uuid, state: DisputeWord, turn: &Turn<'_>) -> Result<ChargeBody, Refused> {
        let before = self.charges.get(&id).ok_or(Refused::NotFound)?;
        if before.dispute == Some(state) {
            return Ok(before.clone());
        }
        let fits = match state {
            DisputeWord::Opened => before.status == ChargeWord::Succeeded && before.dispute.is_none(),
            DisputeWord::Won | DisputeWord::Lost => before.dispute == Some(DisputeWord::Opened),
        };
        if !fits {
            return Err(Refused::InvalidState);
        }
        let charge = ChargeBody { dispute: Some(state), ..before.clone() };
        let word = match state {
            DisputeWord::Opened => "dispute.opened",
            DisputeWord::Won => "dispute.won",
            DisputeWord::Lost => "dispute.lost",
        };
        let event = EventBody { kind: word.to_owned(), ..Self::event_of(&charge, turn) };
        self.write(Line { charge: Some(charge.clone()), event: Some(event), ..Line::default() })?;
        Ok(charge)
    }

    pub(super) fn refund(&mut self, request: &RefundRequest, turn: &Turn<'_>) -> Result<RefundBody, Refused> {
        if let Some(known) = self.refunds.get(&request.id) {
            return if known.is_of(request) { Ok(known.clone()) } else { Err(Refused::IdInUse) };
        }
        let charge = self.charges.get(&request.charge).ok_or(Refused::NotFound)?;
        if charge.currency != request.currency || request.amount <= 0 {
            return Err(Refused::InvalidAmount);
        }
        // What a bank has taken back already is not there any more.
        let taken_back = matches!(charge.dispute, Some(DisputeWord::Opened | DisputeWord::Lost));
        let left = charge.captured.filter(|_| !taken_back).unwrap_or(0) - charge.refunded;
        if request.amount > left {
            return Err(Refused::AmountTooLarge);
        }
        let fails = charge.method == CARD_REFUND_FAILS;
        let refund = RefundBody {
            id: request.id,
            charge: request.charge,
            amount: request.amount,
            currency: request.currency.clone(),
            status: if fails { RefundWord::Failed } else { RefundWord::Done },
            failure_code: fails.then(|| "card_closed".to_owned()),
            created_at: turn.now.timestamp_micros(),
        };
        let sent_back = if fails { 0 } else { request.amount };
        let charge = ChargeBody { refunded: charge.refunded + sent_back, ..charge.clone() };
        let event = EventBody {
            id: format!("evt_{}", (turn.name)()),
            kind: if fails { "refund.failed" } else { "refund.done" }.to_owned(),
            charge: None,
            refund: Some(refund.clone()),
        };
        self.write(Line { charge: Some(charge), refund: Some(refund.clone()), event: Some(event), ..Line::default() })?;
        Ok(refund)
    }

    pub(super) fn refund_of(&self, id: Uuid) -> Option<&RefundBody> {
        self.refunds.get(&id)
    }

    pub(super) fn charges(&self, of: &ListRequest) -> ListBody<ChargeBody> {
        page(&self.charges_made, &self.charges, of)
    }

    pub(super) fn refunds(&self, of: &ListRequest) -> ListBody<RefundBody> {
        page(&self.refunds_made, &self.refunds, of)
    }

    /// When the next charge succeeds by itself.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Lets those succeed whose time has come.
    pub(super) fn settle_due(&mut self, turn: &Turn<'_>) -> Result<(), Refused> {
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= turn.now) {
            match self.settle(id, &Settlement::Captured(None), turn) {
                // Decided meanwhile.
                Ok(_) | Err(Refused::InvalidState) => self.due.remove(&(at, id)),
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Messages from this number on.
    pub(super) fn undelivered_from(&self, number: u64) -> impl Iterator<Item = (u64, &EventBody)> {
        self.undelivered.range(number..).map(|(number, event)| (*number, event))
    }

    /// A message has arrived, or will not be sent any more.
    pub(super) fn delivered(&mut self, number: u64) -> Result<(), Refused> {
        self.write(Line { delivered: Some(number), ..Line::default() })
    }

    fn event_of(charge: &ChargeBody, turn: &Turn<'_>) -> EventBody {
        let kind = match charge.status {
            ChargeWord::Processing => "charge.processing",
            ChargeWord::Succeeded => "charge.succeeded",
            ChargeWord::Failed => "charge.failed",
            ChargeWord::Cancelled => "charge.cancelled",
        };
        EventBody {
            id: format!("evt_{}", (turn.name)()),
            kind: kind.to_owned(),
            charge: Some(charge.clone()),
            refund: None,
        }
    }

    /// Nothing changes any more.
    pub(super) fn close(&mut self) {
        self.journal.close();
    }

    /// One change is one line: after a crash it is there wholly or not at all.
    fn write(&mut self, line: Line) -> Result<(), Refused> {
        self.journal.append(&line).map_err(|error: io::Error| {
            tracing::error!("The sandbox cannot write its journal: {error}");
            Refused::Unavailable
        })?;
        self.enter(line);
        Ok(())
    }

    fn enter(&mut self, line: Line) {
        if let Some(charge) = line.charge {
            self.by_reference.insert(charge.reference.clone(), charge.id);
            if let Some(at) = line.due {
                self.due.insert((at, charge.id));
            }
            self.charges_made.insert((charge.created_at, charge.id));
            self.charges.insert(charge.id, charge);
        }
        if let Some(refund) = line.refund {
            self.refunds_made.insert((refund.created_at, refund.id));
            self.refunds.insert(refund.id, refund);
        }
        self.called_off.extend(line.called_off);
        if let Some(event) = line.event {
            self.undelivered.insert(self.next_event, event);
            self.next_event += 1;
        }
        if let Some(number) = line.delivered {
            self.undelivered.remove(&number);
        }
    }
}

/// The most of a page.
const PAGE_MAX: usize = 100;

fn page<T: Clone>(made: &BTreeSet<(i64, Uuid)>, all: &HashMap<Uuid, T>, of: &ListRequest) -> ListBody<T> {
    let first = Bound::Included((of.from, Uuid::nil()));
    let behind = of.after.zip(of.id).filter(|(at, _)| *at >= of.from).map(Bound::Excluded);
    let found = made.range((behind.unwrap_or(first), Bound::Unbounded)).take_while(|(at, _)| *at < of.until);
    let mut items: Vec<T> = found.take(PAGE_MAX + 1).filter_map(|(_, id)| all.get(id).cloned()).collect();
    let has_more = items.len() > PAGE_MAX;
    items.truncate(PAGE_MAX);
    ListBody { items, has_more }
}

fn page_of(pages: &str, reference: &str) -> String {
    format!("{pages}/checkout/{reference}")
}

impl ChargeBody {
    fn settle(&mut self, how: &Settlement) {
        match how {
            Settlement::Captured(captured) => {
                self.status = ChargeWord::Succeeded;
                self.captured = Some(captured.unwrap_or(self.amount));
            }
            Settlement::Failed(code) => {
                self.status = ChargeWord::Failed;
                self.failure_code = Some(code.clone());
            }
        }
        self.checkout_url = None;
    }

    fn is_of(&self, request: &ChargeRequest) -> bool {
        (self.amount, &self.currency, &self.method, &self.description)
            == (request.amount, &request.currency, &request.method, &request.description)
    }
}

impl RefundBody {
    fn is_of(&self, request: &RefundRequest) -> bool {
        (self.charge, self.amount, &self.currency) == (request.charge, request.amount, &request.currency)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::*;

    const SLOW: TimeDelta = TimeDelta::seconds(3);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn bank(path: Option<&Path>) -> Bank {
        match path.map(|path| Journal::open(path).unwrap()) {
            Some((journal, lines)) => Bank::open(journal, lines, "http://bank"),
            None => Bank::open(Journal::none(), Vec::new(), "http://bank"),
        }
    }

    fn turn<T>(seconds: i64, with: impl FnOnce(&Turn<'_>) -> T) -> T {
        thread_local!(static NAMES: Cell<u32> = const { Cell::new(0) });
        let name = || NAMES.with(|names| names.replace(names.get() + 1)).to_string();
        with(&Turn { now: at(seconds), slow: SLOW, name: &name, pages: "http://bank" })
    }

    fn request(id: u128, method: &str) -> ChargeRequest {
        ChargeRequest {
            id: Uuid::from_u128(id),
            amount: 2_500,
            currency: "PLN".to_owned(),
            method: method.to_owned(),
            description: "ABC".to_owned(),
        }
    }

    fn refund(id: u128, charge: u128, amount: i64) -> RefundRequest {
        let (id, charge) = (Uuid::from_u128(id), Uuid::from_u128(charge));
        RefundRequest { id, charge, amount, currency: "PLN".to_owned() }
    }

    fn told(bank: &Bank) -> Vec<&str> {
        bank.undelivered_from(0).map(|(_, event)| event.kind.as_str()).collect()
    }

    #[test]
    fn the_same_request_again_has_one_effect() {
        let mut bank = bank(None);
        let first = turn(0, |turn| bank.charge(&request(1, CARD_OK), turn)).unwrap();
        let again = turn(9, |turn| bank.charge(&request(1, CARD_OK), turn)).unwrap();
        assert_eq!(first, again);
        assert_eq!((first.status, first.captured), (ChargeWord::Succeeded, Some(2_500)));
        assert_eq!(told(&bank), ["charge.succeeded"]);
        let other = ChargeRequest { amount: 1, ..request(1, CARD_OK) };
        assert_eq!(turn(9, |turn| bank.charge(&other, turn)), Err(Refused::IdInUse));
    }

    #[test]
    fn what_is_no_charge_is_refused() {
        let mut bank = bank(None);
        for (wrong, refused) in [
            (request(1, "card"), Refused::UnknownMethod),
            (ChargeRequest { amount: 0, ..request(1, CARD_OK) }, Refused::InvalidAmount),
            (ChargeRequest { currency: "zł".to_owned(), ..request(1, CARD_OK) }, Refused::InvalidRequest),
            (ChargeRequest { description: "x".repeat(201), ..request(1, CARD_OK) }, Refused::InvalidRequest),
        ] {
            assert_eq!(turn(0, |turn| bank.charge(&wrong, turn)), Err(refused));
        }
        assert_eq!(bank.charge_of(Uuid::from_u128(1)), None);
    }

    #[test]
    fn what_is_slow_succeeds_when_its_time_has_come_unless_it_was_called_off() {
        let mut bank = bank(None);
        for (id, method) in [(1, CARD_SLOW), (2, CARD_TIMEOUT)] {
            let charge = turn(0, |turn| bank.charge(&request(id, method), turn)).unwrap();
            assert_eq!(charge.status, ChargeWord::Processing);
        }
        turn(1, |turn| bank.cancel(Uuid::from_u128(2), turn)).unwrap();
        assert_eq!(bank.next_due(), Some(at(3)));
        turn(2, |turn| bank.settle_due(turn)).unwrap();
        assert_eq!(bank.charge_of(Uuid::from_u128(1)).unwrap().status, ChargeWord::Processing);
        turn(3, |turn| bank.settle_due(turn)).unwrap();
        assert_eq!(bank.charge_of(Uuid::from_u128(1)).unwrap().status, ChargeWord::Succeeded);
        assert_eq!(bank.charge_of(Uuid::from_u128(2)).unwrap().status, ChargeWord::Cancelled);
        assert_eq!(told(&bank), ["charge.cancelled", "charge.succeeded"]);
        assert_eq!(bank.next_due(), None);
    }

    #[test]
    fn what_was_called_off_before_it_came_is_never_taken() {
        let mut bank = bank(None);
        assert_eq!(turn(0, |turn| bank.cancel(Uuid::from_u128(1), turn)), Ok(None));
        assert_eq!(turn(0, |turn| bank.charge(&request(1, CARD_OK), turn)), Err(Refused::Cancelled));
        assert!(told(&bank).is_empty());
    }

    #[test]
    fn a_buyer_decides_once() {
        let mut bank = bank(None);
        let charge = turn(0, |turn| bank.charge(&request(1, CHECKOUT), turn)).unwrap();
        assert_eq!(charge.checkout_url, Some(format!("http://bank/checkout/{}", charge.reference)));
        assert_eq!(bank.charge_of_reference(&charge.reference), Some(&charge));
        let paid = Settlement::Captured(None);
        for _ in 0..2 {
            let charge = turn(1, |turn| bank.settle(charge.id, &paid, turn)).unwrap();
            assert_eq!((charge.status, charge.checkout_url), (ChargeWord::Succeeded, None));
        }
        let failed = Settlement::Failed("declined_by_buyer".to_owned());
        assert_eq!(turn(1, |turn| bank.settle(charge.id, &failed, turn)), Err(Refused::InvalidState));
        assert_eq!(told(&bank), ["charge.succeeded"]);
    }

    #[test]
    fn never_more_goes_back_than_came() {
        let mut bank = bank(None);
        turn(0, |turn| bank.charge(&request(1, CARD_OK), turn)).unwrap();
        turn(0, |turn| bank.charge(&request(2, CARD_DECLINED), turn)).unwrap();
        for (wrong, refused) in [
            (refund(9, 3, 1), Refused::NotFound),
            (refund(9, 2, 1), Refused::AmountTooLarge),
            (refund(9, 1, 2_501), Refused::AmountTooLarge),
            (refund(9, 1, 0), Refused::InvalidAmount),
            (RefundRequest { currency: "EUR".to_owned(), ..refund(9, 1, 1) }, Refused::InvalidAmount),
        ] {
            assert_eq!(turn(0, |turn| bank.refund(&wrong, turn)), Err(refused));
        }
        for _ in 0..2 {
            let done = turn(0, |turn| bank.refund(&refund(4, 1, 2_000), turn)).unwrap();
            assert_eq!(done.status, RefundWord::Done);
        }
        assert_eq!(turn(0, |turn| bank.refund(&refund(5, 1, 501), turn)), Err(Refused::AmountTooLarge));
        assert!(turn(0, |turn| bank.refund(&refund(5, 1, 500), turn)).is_ok());
        assert_eq!(bank.charge_of(Uuid::from_u128(1)).unwrap().refunded, 2_500);
    }

    #[test]
    fn a_refund_that_fails_leaves_the_money_where_it_is() {
        let mut bank = bank(None);
        turn(0, |turn| bank.charge(&request(1, CARD_REFUND_FAILS), turn)).unwrap();
        let failed = turn(0, |turn| bank.refund(&refund(4, 1, 2_500), turn)).unwrap();
        assert_eq!((failed.status, failed.failure_code.as_deref()), (RefundWord::Failed, Some("card_closed")));
        assert_eq!(bank.charge_of(Uuid::from_u128(1)).unwrap().refunded, 0);
        assert_eq!(told(&bank), ["charge.succeeded", "refund.failed"]);
    }

    #[test]
    fn what_a_bank_took_back_is_not_refunded_as_well() {
        let (mut bank, id) = (bank(None), Uuid::from_u128(1));
        turn(0, |turn| bank.charge(&request(1, CARD_OK), turn)).unwrap();
        assert_eq!(turn(0, |turn| bank.dispute(id, DisputeWord::Won, turn)), Err(Refused::InvalidState));
        turn(0, |turn| bank.dispute(id, DisputeWord::Opened, turn)).unwrap();
        assert_eq!(turn(0, |turn| bank.refund(&refund(4, 1, 1), turn)), Err(Refused::AmountTooLarge));
        turn(0, |turn| bank.dispute(id, DisputeWord::Won, turn)).unwrap();
        assert!(turn(0, |turn| bank.refund(&refund(4, 1, 1), turn)).is_ok());
        assert_eq!(told(&bank), ["charge.succeeded", "dispute.opened", "dispute.won", "refund.done"]);
    }

    #[test]
    fn books_outlive_the_process_and_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("books/sandbox.jsonl");
        let mut before = bank(Some(&path));
        turn(0, |turn| before.charge(&request(1, CARD_OK), turn)).unwrap();
        turn(0, |turn| before.charge(&request(2, CARD_SLOW), turn)).unwrap();
        turn(0, |turn| before.refund(&refund(4, 1, 100), turn)).unwrap();
        turn(0, |turn| before.cancel(Uuid::from_u128(3), turn)).unwrap();
        before.delivered(1).unwrap();
        drop(before);
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn.extend_from_slice(r#"{"called_off":"é"#.as_bytes().split_last().unwrap().1);
        std::fs::write(&path, torn).unwrap();

        let mut after = bank(Some(&path));
        assert!(Journal::open(&path).is_err(), "two processes do not keep the same books");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(after.charge_of(Uuid::from_u128(1)).unwrap().refunded, 100);
        assert_eq!(after.next_due(), Some(at(3)));
        assert_eq!(told(&after), ["refund.done"]);
        assert_eq!(turn(0, |turn| after.charge(&request(3, CARD_OK), turn)), Err(Refused::Cancelled));
        turn(3, |turn| after.settle_due(turn)).unwrap();
        let asked = turn(3, |turn| after.charge(&request(5, CHECKOUT), turn)).unwrap();
        drop(after);
        let (journal, lines) = Journal::open(&path).unwrap();
        let moved = Bank::open(journal, lines, "http://elsewhere");
        let page = moved.charge_of(asked.id).unwrap().checkout_url.clone();
        assert_eq!(page, Some(format!("http://elsewhere/checkout/{}", asked.reference)));
        drop(moved);
        assert_eq!(told(&bank(Some(&path))), ["refund.done", "charge.succeeded"]);
    }

    #[test]
    fn closed_books_change_no_more_and_are_free_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sandbox.jsonl");
        let mut before = bank(Some(&path));
        before.close();
        let refused = turn(0, |turn| before.charge(&request(1, CARD_OK), turn));
        assert_eq!(refused, Err(Refused::Unavailable));
        assert!(Journal::open(&path).is_ok_and(|(_, lines)| lines.is_empty()), "though the old books are still there");
        drop(before);
    }

    #[test]
    fn a_journal_that_is_broken_in_the_middle_is_not_guessed_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sandbox.jsonl");
        std::fs::write(&path, "{\"deliv\n{\"delivered\":1}\n").unwrap();
        assert!(Journal::open(&path).is_err());
    }
}
