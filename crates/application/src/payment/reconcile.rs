//! Use case: what a provider has taken and sent back over a period is compared with what we know of it (ADR 0039). It reads
//! alone, a page at a time, and tells of differences as it finds them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use domain::{Money, PaymentId, RefundId, Timestamp};

use crate::error::AppError;
use crate::payment::{
    Charge, ChargeStatus, ListedCharge, ListedRefund, PaymentProvider, PaymentStore, Period, ProviderError,
    RefundOrder, RefundState,
};

/// A provider makes a charge by its own clock, and when the buyer pays: later than we have asked for it.
const EARLIER: TimeDelta = TimeDelta::minutes(5);
const LATER: TimeDelta = TimeDelta::hours(3);
/// How many of our rows are read at a time.
const ROWS: u64 = 2_000;
/// For so many differences both sides are asked once more: what was being paid meanwhile is none.
const ASKED_AGAIN_MAX: u64 = 1_000;

/// Compares the books of a provider with ours.
pub struct Reconcile {
    /// Ours.
    pub store: Arc<dyn PaymentStore>,
    /// Theirs.
    pub provider: Arc<dyn PaymentProvider>,
}

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reconciled {
    /// Charges of the provider that bear an id of ours.
    pub charges: u64,
    /// Refunds of the provider that bear an id of ours, or are of a charge of ours.
    pub refunds: u64,
    /// What else is in its books: somebody else uses the same account.
    pub others: u64,
    /// Payments of ours in the period by which money came in, as far as we know.
    pub payments: u64,
    /// Refunds of ours in the period that were sent, as far as we know.
    pub sent: u64,
    /// Differences that were told of.
    pub differences: u64,
}

/// What two books tell differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// In what.
    pub kind: DifferenceKind,
    /// Our id of the payment, where it is known.
    pub payment: Option<PaymentId>,
    /// Our id of the refund, where it is one and is known.
    pub refund: Option<RefundId>,
    /// The provider's id, where it is known.
    pub reference: Option<String>,
    /// What we have; none where we have nothing of it.
    pub ours: Option<Side>,
    /// What the provider has; none where it has nothing of it.
    pub theirs: Option<Side>,
}

/// One side of a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// Where it stands there.
    pub status: &'static str,
    /// How much; none where no money moved.
    pub amount: Option<Money>,
}

/// In what two books differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DifferenceKind {
    /// The provider has a charge with an id of ours, and there is no such payment.
    UnknownCharge,
    /// Money came in by a payment, we say, and the provider has no such charge.
    MissingCharge,
    /// Only one of both says that money came in.
    ChargeStatus,
    /// Different amounts came in.
    ChargeAmount,
    /// The money is of different currencies.
    ChargeCurrency,
    /// The provider has a refund of a charge of ours that we have not sent.
    UnknownRefund,
    /// A refund was sent, we say, and the provider has no such refund.
    MissingRefund,
    /// Both do not say the same of whether it failed, or has arrived.
    RefundStatus,
    /// Different amounts go back.
    RefundAmount,
    /// The money is of different currencies.
    RefundCurrency,
}

impl DifferenceKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCharge => "unknown_charge",
            Self::MissingCharge => "missing_charge",
            Self::ChargeStatus => "charge_status",
            Self::ChargeAmount => "charge_amount",
            Self::ChargeCurrency => "charge_currency",
            Self::UnknownRefund => "unknown_refund",
            Self::MissingRefund => "missing_refund",
            Self::RefundStatus => "refund_status",
            Self::RefundAmount => "refund_amount",
            Self::RefundCurrency => "refund_currency",
        }
    }
}

/// Why two books could not be compared to the end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The provider.
    #[error("the books of the payment provider cannot be read")]
    Provider(#[from] ProviderError),
    /// Ours.
    #[error("our own books cannot be read")]
    Store(#[from] crate::store::StoreError),
}

impl From<ReconcileError> for AppError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Provider(_) => Self::busy(),
            ReconcileError::Store(error) => error.into(),
        }
    }
}

/// Where differences go.
pub type Tell<'a> = &'a mut (dyn FnMut(&Difference) + Send);

/// One run.
struct Run<'a> {
    books: &'a Reconcile,
    period: Period,
    tell: Tell<'a>,
    done: Reconciled,
    asked_again: u64,
    /// Ids that the provider has: 16 bytes each.
    seen: Vec<u128>,
}

impl Reconcile {
    /// Compares what was made in the period, and tells of each difference.
    ///
    /// # Errors
    /// [`ReconcileError`]; what was told of until then holds.
    pub async fn run(&self, period: Period, tell: Tell<'_>) -> Result<Reconciled, ReconcileError> {
        let (done, seen) = (Reconciled::default(), Vec::new());
        let mut run = Run { books: self, period, tell, done, asked_again: 0, seen };
        run.charges().await?;
        run.payments().await?;
        run.seen.clear();
        run.refunds().await?;
        run.sent().await?;
        Ok(run.done)
    }

    fn is_ours(&self, payment: &Payment) -> bool {
        payment.provider.as_str() == self.provider.name()
    }

    async fn charged(&self, payment: &Payment) -> Result<Option<ChargeStatus>, ProviderError> {
        Ok(self.provider.charged(&Charge::of(payment, "")).await?.map(|charged| charged.status))
    }

    async fn refunded(&self, refund: &Refund, payment: &Payment) -> Result<Option<RefundState>, ProviderError> {
        self.provider.refunded(&RefundOrder::of(refund, payment)).await
    }
}

impl Run<'_> {
    /// What the provider has taken is known to us.
    async fn charges(&mut self) -> Result<(), ReconcileError> {
        let (around, mut after) = (self.around(), None::<String>);
        loop {
            let page = self.books.provider.charges(around, after.as_deref()).await?;
            self.done.others += page.others;
            let ids: Vec<PaymentId> = page.items.iter().map(|charge| charge.payment).collect();
            let known = self.books.store.payments_by_ids(&ids).await?;
            let known: HashMap<_, _> = known.into_iter().map(|payment| (payment.id, payment)).collect();
            for charge in page.items {
                self.charge(&charge, known.get(&charge.payment)).await?;
            }
            after = page.next;
            if after.is_none() {
                self.seen.sort_unstable();
                return Ok(());
            }
        }
    }

    async fn charge(&mut self, charge: &ListedCharge, known: Option<&Payment>) -> Result<(), ReconcileError> {
        self.seen.push(charge.payment.uuid().as_u128());
        let Some(payment) = known.filter(|payment| self.books.is_ours(payment)) else {
            let is_money = matches!(charge.status, ChargeStatus::Succeeded(_) | ChargeStatus::Processing);
            if self.period.has(charge.made_at) {
                self.done.charges += 1;
                if is_money {
                    self.told(DifferenceKind::UnknownCharge, Some(charge), None, None);
                }
            }
            return Ok(());
        };
        if !self.period.has(payment.created_at) {
            return Ok(());
        }
        self.done.charges += 1;
        if compared(payment, &charge.status).is_none() {
            return Ok(());
        }
        let (payment, status) = self.charge_again(payment, &charge.status).await?;
        if let Some(kind) = compared(&payment, &status) {
            self.told(kind, Some(charge), Some(&payment), Some(theirs(&status)));
        }
        Ok(())
    }

    /// What came in, as far as we know, the provider has taken.
    async fn payments(&mut self) -> Result<(), ReconcileError> {
        let mut after = None;
        loop {
            let rows = self.books.store.payments_behind(after, ROWS).await?;
            after = rows.last().map(|last| last.id);
            for payment in &rows {
                let counts = payment.status == PaymentStatus::Succeeded && self.books.is_ours(payment);
                if counts && self.period.has(payment.created_at) {
                    self.payment(payment).await?;
                }
            }
            if !is_full(rows.len()) {
                return Ok(());
            }
        }
    }

    async fn payment(&mut self, payment: &Payment) -> Result<(), ReconcileError> {
        self.done.payments += 1;
        if self.seen.binary_search(&payment.id.uuid().as_u128()).is_ok() {
            return Ok(());
        }
        // Perhaps it is in the books of another day.
        let found = if self.may_ask_again() { self.books.charged(payment).await? } else { None };
        let kind = match &found {
            None => Some(DifferenceKind::MissingCharge),
            Some(status) => compared(payment, status),
        };
        if let Some(kind) = kind {
            self.told(kind, None, Some(payment), found.as_ref().map(theirs));
        }
        Ok(())
    }

    /// What the provider has sent back we have sent.
    async fn refunds(&mut self) -> Result<(), ReconcileError> {
        let (around, mut after) = (self.around(), None::<String>);
        loop {
            let page = self.books.provider.refunds(around, after.as_deref()).await?;
            self.done.others += page.others;
            let ids: Vec<RefundId> = page.items.iter().filter_map(|refund| refund.refund).collect();
            let known = self.books.store.refunds_by_ids(&ids).await?;
            let known: HashMap<_, _> = known.into_iter().map(|refund| (refund.id, refund)).collect();
            for refund in page.items {
                self.refund(&refund, refund.refund.and_then(|id| known.get(&id))).await?;
            }
            after = page.next;
            if after.is_none() {
                self.seen.sort_unstable();
                return Ok(());
            }
        }
    }

    async fn refund(&mut self, listed: &ListedRefund, known: Option<&Refund>) -> Result<(), ReconcileError> {
        self.seen.extend(listed.refund.map(|id| id.uuid().as_u128()));
        let Some(refund) = known else {
            if self.period.has(listed.made_at) {
                self.done.refunds += 1;
                if !matches!(listed.state, RefundState::Failed(_)) {
                    self.told_refund(DifferenceKind::UnknownRefund, Some(listed), None, None);
                }
            }
            return Ok(());
        };
        if !self.period.has(refund.created_at) {
            return Ok(());
        }
        self.done.refunds += 1;
        let found = (Some(listed.amount), &listed.state);
        if compared_refund(refund, found).is_none() {
            return Ok(());
        }
        let (refund, state) = self.refund_again(refund, &listed.state).await?;
        if let Some(kind) = compared_refund(&refund, (Some(listed.amount), &state)) {
            self.told_refund(kind, Some(listed), Some(&refund), Some(&state));
        }
        Ok(())
    }

    /// What was sent back, as far as we know, the provider has sent.
    async fn sent(&mut self) -> Result<(), ReconcileError> {
        let mut after = None;
        loop {
            let rows = self.books.store.refunds_behind(after, ROWS).await?;
            after = rows.last().map(|(last, _)| last.id);
            for (refund, payment) in &rows {
                let is_sent = matches!(refund.status, RefundStatus::InTransit | RefundStatus::Done);
                // What the organizer has given back himself no provider knows of.
                let counts = is_sent && !refund.by_hand;
                if counts && self.books.is_ours(payment) && self.period.has(refund.created_at) {
                    self.sent_one(refund, payment).await?;
                }
            }
            if !is_full(rows.len()) {
                return Ok(());
            }
        }
    }

    async fn sent_one(&mut self, refund: &Refund, payment: &Payment) -> Result<(), ReconcileError> {
        self.done.sent += 1;
        if self.seen.binary_search(&refund.id.uuid().as_u128()).is_ok() {
            return Ok(());
        }
        let found = if self.may_ask_again() { self.books.refunded(refund, payment).await? } else { None };
        let kind = match &found {
            None => Some(DifferenceKind::MissingRefund),
            Some(state) => compared_refund(refund, (None, state)),
        };
        if let Some(kind) = kind {
            self.told_refund(kind, None, Some(refund), found.as_ref());
        }
        Ok(())
    }

    /// Both sides as they are by now.
    async fn charge_again(
        &mut self,
        payment: &Payment,
        status: &ChargeStatus,
    ) -> Result<(Payment, ChargeStatus), ReconcileError> {
        if !self.may_ask_again() {
            return Ok((payment.clone(), status.clone()));
        }
        let found = self.books.charged(payment).await?.unwrap_or_else(|| status.clone());
        let known = self.books.store.payment(payment.id).await?;
        Ok((known.unwrap_or_else(|| payment.clone()), found))
    }

    async fn refund_again(
        &mut self,
        refund: &Refund,
        state: &RefundState,
    ) -> Result<(Refund, RefundState), ReconcileError> {
        let payment = self.books.store.payment(refund.payment).await?;
        let (Some(payment), true) = (payment, self.may_ask_again()) else {
            return Ok((refund.clone(), state.clone()));
        };
        let found = self.books.refunded(refund, &payment).await?.unwrap_or_else(|| state.clone());
        let known = self.books.store.refund(refund.id).await?;
        Ok((known.unwrap_or_else(|| refund.clone()), found))
    }

    const fn may_ask_again(&mut self) -> bool {
        self.asked_again += 1;
        self.asked_again <= ASKED_AGAIN_MAX
    }

    fn around(&self) -> Period {
        Period { from: self.period.from - EARLIER, until: self.period.until + LATER }
    }

    fn told(
        &mut self,
        kind: DifferenceKind,
        listed: Option<&ListedCharge>,
        payment: Option<&Payment>,
        found: Option<Side>,
    ) {
        let reference = payment.and_then(|payment| payment.reference.as_ref()).map(|text| text.as_str().to_owned());
        let ours = payment.map(|payment| Side {
            status: payment.status.as_str(),
            amount: (payment.status == PaymentStatus::Succeeded).then(|| payment.money(payment.captured)),
        });
        self.tell(Difference {
            kind,
            payment: payment.map(|payment| payment.id).or_else(|| listed.map(|charge| charge.payment)),
            refund: None,
            reference: listed.map(|charge| charge.reference.clone()).or(reference),
            ours,
            theirs: found.or_else(|| listed.map(|charge| theirs(&charge.status))),
        });
    }

    fn told_refund(
        &mut self,
        kind: DifferenceKind,
        listed: Option<&ListedRefund>,
        refund: Option<&Refund>,
        found: Option<&RefundState>,
    ) {
        let state = found.or_else(|| listed.map(|listed| &listed.state));
        let amount = listed.map(|listed| listed.amount);
        self.tell(Difference {
            kind,
            payment: refund.map(|refund| refund.payment).or_else(|| listed.and_then(|listed| listed.payment)),
            refund: refund.map(|refund| refund.id).or_else(|| listed.and_then(|listed| listed.refund)),
            reference: listed.map(|listed| listed.reference.clone()),
            ours: refund.map(|refund| Side { status: refund.status.as_str(), amount: Some(refund.amount) }),
            theirs: state.map(|state| Side { status: state_word(state), amount }),
        });
    }

    fn tell(&mut self, difference: Difference) {
        self.done.differences += 1;
        (self.tell)(&difference);
    }
}

fn is_full(rows: usize) -> bool {
    u64::try_from(rows).is_ok_and(|rows| rows >= ROWS)
}

/// In what a payment differs from what its provider says of it. Only money counts: what is not decided is found out by the
/// jobs.
fn compared(payment: &Payment, status: &ChargeStatus) -> Option<DifferenceKind> {
    let has_succeeded = payment.status == PaymentStatus::Succeeded;
    match status {
        ChargeStatus::Succeeded(_) if !has_succeeded => Some(DifferenceKind::ChargeStatus),
        ChargeStatus::Succeeded(money) if money.currency != payment.amount.currency => {
            Some(DifferenceKind::ChargeCurrency)
        }
        ChargeStatus::Succeeded(money) if money.minor != payment.captured => Some(DifferenceKind::ChargeAmount),
        ChargeStatus::Succeeded(_) => None,
        _ => has_succeeded.then_some(DifferenceKind::ChargeStatus),
    }
}

/// In what a refund differs from what its provider says of it. What is on its way there may be to be sent here, and what has
/// arrived there on its way.
fn compared_refund(refund: &Refund, (amount, state): (Option<Money>, &RefundState)) -> Option<DifferenceKind> {
    use RefundStatus::{Done, Failed};
    if amount.is_some_and(|amount| amount.currency != refund.amount.currency) {
        return Some(DifferenceKind::RefundCurrency);
    }
    if amount.is_some_and(|amount| amount.minor != refund.amount.minor) {
        return Some(DifferenceKind::RefundAmount);
    }
    let has_failed = matches!(state, RefundState::Failed(_));
    let differs =
        has_failed != (refund.status == Failed) || (*state == RefundState::InTransit && refund.status == Done);
    differs.then_some(DifferenceKind::RefundStatus)
}

const fn theirs(status: &ChargeStatus) -> Side {
    let (status, amount) = match status {
        ChargeStatus::Processing => ("processing", None),
        ChargeStatus::Succeeded(money) => ("succeeded", Some(*money)),
        ChargeStatus::Failed(_) => ("failed", None),
        ChargeStatus::Cancelled => ("cancelled", None),
    };
    Side { status, amount }
}

const fn state_word(state: &RefundState) -> &'static str {
    match state {
        RefundState::InTransit => "in_transit",
        RefundState::Done => "done",
        RefundState::Failed(_) => "failed",
    }
}

impl Period {
    /// Whether it lies in it.
    #[must_use]
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}
