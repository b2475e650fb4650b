//! Use cases: a booking is paid, money goes back, and people see what became of it.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::booking::Booking;
use domain::payment::{
    ChargeOutcome, ChargeReport, DisputeReport, MANUAL, Payment, Refund, RefundOutcome, RefundRequest, StartPayment,
};
use domain::{BookingId, Limit, OrganizerId, PaymentId, Problems, RefundId, Text};

use crate::access::{Agent, Operation, Subject};
use crate::booking::{BookingParties, BookingReads, Command, Desk, Outcome, Parties};
use crate::catalog::Catalog;
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey, InFlight};
use crate::jobs::JobStore;
use crate::origin::Origin;
use crate::page::{Page, probe};
use crate::payment::inbox::Inbox;
use crate::payment::{
    CaseTerms, Charge, ChargeStatus, Charged, MessageLog, PaymentProvider, PaymentStore, ProviderError,
    ProviderEventKey, RefundState,
};
use crate::recent::Recent;

/// After so long something that is not decided is a case for people.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(10);
/// How many decided payments are remembered, at some 400 bytes each.
const DECIDED_MAX: usize = 10_000;
/// The most characters of a method.
const METHOD_MAX: usize = 64;
/// The most characters of a provider's word and of its id for something.
const WORD_MAX: usize = 255;
/// Why a payment failed that nobody was asked for: its provider could not be reached.
const PROVIDER_UNAVAILABLE: &str = "provider_unavailable";

/// Who moves money, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Providers(Arc<[Arc<dyn PaymentProvider>]>);

impl Providers {
    /// These.
    #[must_use]
    pub fn new(providers: Vec<Arc<dyn PaymentProvider>>) -> Self {
        Self(providers.into())
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<dyn PaymentProvider>> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// The words of all of them.
    fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|provider| provider.name()).collect()
    }

    fn taking(&self, method: &str) -> Option<&Arc<dyn PaymentProvider>> {
        self.0.iter().find(|provider| provider.takes(method))
    }
}

/// What payments need from outside.
#[derive(Clone)]
pub struct PaymentPorts {
    /// The lanes.
    pub desk: Desk,
    /// Bookings.
    pub bookings: Arc<dyn BookingReads>,
    /// Whom they concern.
    pub parties: Parties,
    /// Payments and refunds.
    pub store: Arc<dyn PaymentStore>,
    /// Where messages are kept as they came.
    pub messages: Arc<dyn MessageLog>,
    /// Where messages wait whose payment is not known.
    pub jobs: Arc<dyn JobStore>,
    /// Who may do what.
    pub catalog: Arc<Catalog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Who moves money.
    pub providers: Providers,
}

/// Payments.
pub struct Payments {
    pub(super) ports: PaymentPorts,
    in_flight: InFlight,
    pub(super) inbox: Inbox,
    /// Payments that were decided here. A provider tells of each once more by a message, which is no news then; what is
    /// none to an old copy is none at all, so that nothing needs to be read for it.
    decided: Recent<PaymentId, Payment>,
}

/// A payment that was started.
#[derive(Clone, Debug)]
pub struct Started {
    /// As it is now.
    pub payment: Payment,
    /// Where the buyer goes on, if his provider wants to see him.
    pub checkout_url: Option<String>,
}

/// What was paid for a booking, and what goes back.
#[derive(Clone, Debug)]
pub struct PaidBooking {
    /// Oldest first.
    pub payments: Vec<Payment>,
    /// Oldest first.
    pub refunds: Vec<Refund>,
}

/// A payment that somebody should look at.
#[derive(Clone, Debug)]
pub struct PaymentCase {
    /// Which.
    pub payment: Payment,
    /// Why.
    pub kind: CaseKind,
}

/// Why somebody should look at a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaseKind {
    /// Money came in that neither pays a booking nor goes back.
    Unsettled,
    /// It has been open for long.
    PaymentStuck,
    /// One of its refunds has been under way for long.
    RefundStuck,
    /// It, or one of its refunds, is open at a provider that this installation does not use any more.
    ProviderGone,
    /// A bank asks it back.
    Disputed,
    /// A bank has taken it back, and the tickets still stand.
    ChargedBack,
}

impl Payments {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: PaymentPorts) -> Self {
        let inbox = Inbox::new(Arc::clone(&ports.messages), Arc::clone(&ports.ids));
        Self { ports, in_flight: InFlight::default(), inbox, decided: Recent::new(DECIDED_MAX) }
    }

    /// Asks the buyer's money of a provider. The payment is written down first; whatever becomes of the call, it is known,
    /// and goes on by message or inquiry. With a key, who asks again gets the payment of the first time as it is then.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than the buyer, a method that nobody takes, and the
    /// refusals of [`domain::payment::start_payment`].
    pub async fn start(
        &self,
        agent: &Agent,
        booking: BookingId,
        method: &str,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Started>, AppError> {
        let parties = self.permitted(agent, Operation::PayBooking, booking).await?;
        let method = Text::parse("method", method, METHOD_MAX)?;
        let unknown = || Problems::one("method", "unknown_method", "no payment provider takes this method");
        let provider = self.ports.providers.taking(method.as_str()).ok_or_else(unknown)?;
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let id = PaymentId::new(self.ports.ids.uuid());
        let start = StartPayment { id, provider: Text::trusted(provider.name().to_owned()), method };
        let command = Command::StartPayment { booking, start: Box::new(start) };
        let answer = self.ports.desk.submit(parties.event, command, origin.clone(), key).await?;
        let (payment, booking) = match answer.value {
            Outcome::Payment(payment, booking) => (*payment, *booking),
            Outcome::KnownPayment(id) => {
                let payment = self.ports.store.payment(id).await?.ok_or(AppError::Internal)?;
                let booking = self.ports.bookings.booking(payment.booking).await?.ok_or(AppError::Internal)?;
                (payment, booking)
            }
            _ => return Err(AppError::Internal),
        };
        // Of one that is replayed, the first request may have broken off before the call: the same again has one effect.
        let started = if payment.is_open() {
            self.charge(payment, &booking, answer.replayed, origin).await
        } else {
            Started::of(payment)
        };
        Ok(Answer { value: started, replayed: answer.replayed })
    }

    /// Asks the provider, and takes note of what it says. What stays unknown is found out by the jobs; of what nobody has
    /// asked for before (`is_repeated`) and this call could not, it is known that nothing is taken.
    async fn charge(&self, payment: Payment, booking: &Booking, is_repeated: bool, origin: Origin) -> Started {
        let Some(provider) = self.ports.providers.named(payment.provider.as_str()) else {
            return Started::of(payment);
        };
        let charge = asked(&payment, booking);
        let (report, checkout_url) = match provider.charge(&charge).await {
            Ok(charged) => (report(&charged), charged.checkout_url),
            Err(ProviderError::Refused(why)) => (failed(&why), None),
            Err(ProviderError::NotAsked) if !is_repeated => (failed(PROVIDER_UNAVAILABLE), None),
            Err(error @ (ProviderError::Unreachable | ProviderError::NotAsked)) => {
                tracing::warn!(payment.id = %payment.id, %error, "It is asked later what became of a payment");
                return Started::of(payment);
            }
        };
        match self.apply(&payment, report, None, origin).await {
            Ok(payment) => Started { payment, checkout_url },
            Err(error) => {
                tracing::warn!(payment.id = %payment.id, %error, "What a provider answered is asked again later");
                Started::of(payment)
            }
        }
    }

    /// Takes note of what a provider says of a payment, however it came; answers the payment as it is then.
    ///
    /// # Errors
    /// Those of the desk, and the refusals of [`domain::payment::apply_report`].
    pub(super) async fn apply(
        &self,
        payment: &Payment,
        report: ChargeReport,
        event: Option<ProviderEventKey>,
        origin: Origin,
    ) -> Result<Payment, AppError> {
        if !payment.is_news(&report.outcome) {
            return Ok(payment.clone());
        }
        let (booking, report) = (payment.booking, Box::new(report));
        let command = Command::ApplyReport { booking, payment: payment.id, report, event };
        match self.ports.desk.submit(payment.event, command, origin, None).await?.value {
            Outcome::Payment(payment, _) => {
                self.decided.insert(payment.id, Payment::clone(&payment));
                Ok(*payment)
            }
            _ => Err(AppError::Internal),
        }
    }

    /// Takes note of what a provider says of a dispute.
    ///
    /// # Errors
    /// Those of the desk, and the refusals of [`domain::payment::apply_dispute`].
    pub(super) async fn apply_dispute(
        &self,
        payment: &Payment,
        report: DisputeReport,
        event: Option<ProviderEventKey>,
        origin: Origin,
    ) -> Result<(), AppError> {
        let (booking, report) = (payment.booking, Box::new(report));
        let command = Command::ApplyDispute { booking, payment: payment.id, report, event };
        self.ports.desk.submit(payment.event, command, origin, None).await.map(drop)
    }

    /// Takes note of what a provider says of a refund.
    ///
    /// # Errors
    /// Those of the desk, and the refusals of [`domain::payment::apply_refund_report`].
    pub(super) async fn apply_refund(
        &self,
        refund: &Refund,
        outcome: RefundOutcome,
        event: Option<ProviderEventKey>,
        origin: Origin,
    ) -> Result<(), AppError> {
        if !refund.is_news(&outcome) {
            return Ok(());
        }
        let command = Command::ApplyRefundReport { booking: refund.booking, refund: refund.id, outcome, event };
        self.ports.desk.submit(refund.event, command, origin, None).await.map(drop)
    }

    /// Money goes back, and the booking with it where that is wanted. With a key, who asks again gets the refunds of the
    /// first time as they are then.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not act for the organizer, and the refusals of
    /// [`domain::payment::request_refund`].
    pub async fn refund(
        &self,
        agent: &Agent,
        booking: BookingId,
        request: RefundRequest,
        key: Option<IdempotencyKey>,
        origin: Origin,
    ) -> Result<Answer<Vec<Refund>>, AppError> {
        let parties = self.permitted(agent, Operation::RefundBooking, booking).await?;
        let _running = key.as_ref().map(|key| self.in_flight.enter(key)).transpose()?;
        let command = Command::Refund { booking, request: Box::new(request) };
        let answer = self.ports.desk.submit(parties.event, command, origin, key).await?;
        let refunds = match answer.value {
            Outcome::Refunds(refunds, _) => refunds,
            Outcome::KnownRefunds(ids) => {
                let mut all = self.ports.store.refunds_of(booking).await?;
                all.retain(|refund| ids.contains(&refund.id));
                all
            }
            _ => return Err(AppError::Internal),
        };
        Ok(Answer { value: refunds, replayed: answer.replayed })
    }

    /// What was paid for a booking; for its buyer and its organizer.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others.
    pub async fn of_booking(&self, agent: &Agent, booking: BookingId) -> Result<PaidBooking, AppError> {
        self.permitted(agent, Operation::SeeBooking, booking).await?;
        let payments = self.ports.store.payments_of(booking).await?;
        let refunds = self.ports.store.refunds_of(booking).await?;
        Ok(PaidBooking { payments, refunds })
    }

    /// What somebody of the organizer should look at, newest first, behind `before`.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others.
    pub async fn cases(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        before: Option<PaymentId>,
        limit: Limit,
    ) -> Result<Page<PaymentCase>, AppError> {
        let subject = Subject::organizer(organizer);
        self.ports.catalog.access().require(agent, Operation::SeePaymentCases, &subject, "organizer").await?;
        let terms = self.case_terms();
        let found = self.ports.store.payment_cases(organizer, &terms, before, probe(limit)).await?;
        Ok(Page::of(found.into_iter().map(|payment| PaymentCase::of(payment, &terms)).collect(), limit))
    }

    /// How many payments of all organizers somebody should look at: a figure for operators, that names nobody. It costs a
    /// look at all that is open, so that it is to be asked every some seconds and not for each request.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn count_cases(&self) -> Result<u64, AppError> {
        Ok(self.ports.store.count_payment_cases(&self.case_terms()).await?)
    }

    fn case_terms(&self) -> CaseTerms {
        CaseTerms { stuck_since: self.ports.clock.now() - STUCK_AFTER, providers: self.ports.providers.names() }
    }

    async fn permitted(&self, agent: &Agent, operation: Operation, id: BookingId) -> Result<BookingParties, AppError> {
        let parties = self.ports.parties.of(id).await?.ok_or(AppError::NotFound("booking"))?;
        let subject = Subject::booking(&parties);
        self.ports.catalog.access().require(agent, operation, &subject, "booking").await?;
        Ok(parties)
    }

    /// A payment at this provider, perhaps an old copy of it: whatever is decided on it is decided anew in its lane.
    pub(super) async fn known_payment(&self, id: PaymentId, provider: &str) -> Result<Option<Payment>, AppError> {
        let found = match self.decided.get(id) {
            None => self.ports.store.payment(id).await?,
            decided => decided,
        };
        Ok(found.filter(|payment| payment.provider.as_str() == provider))
    }

    pub(super) async fn known_refund(&self, id: RefundId, provider: &str) -> Result<Option<Refund>, AppError> {
        let Some(refund) = self.ports.store.refund(id).await? else { return Ok(None) };
        Ok(self.known_payment(refund.payment, provider).await?.map(|_| refund))
    }
}

impl Started {
    const fn of(payment: Payment) -> Self {
        Self { payment, checkout_url: None }
    }
}

impl PaymentCase {
    fn of(payment: Payment, terms: &CaseTerms) -> Self {
        let provider = payment.provider.as_str();
        let is_served = provider == MANUAL || terms.providers.contains(&provider);
        let kind = match &payment {
            it if it.is_disputed() => CaseKind::Disputed,
            it if it.unsettled() > 0 => CaseKind::Unsettled,
            it if it.is_open() && is_served => CaseKind::PaymentStuck,
            it if it.is_charged_back() => CaseKind::ChargedBack,
            _ if is_served => CaseKind::RefundStuck,
            _ => CaseKind::ProviderGone,
        };
        Self { payment, kind }
    }
}

/// What was asked of a provider.
pub(super) fn asked(payment: &Payment, booking: &Booking) -> Charge {
    Charge::of(payment, booking.reference.as_str())
}

/// What a provider says, in the words of the domain.
pub(super) fn report(charged: &Charged) -> ChargeReport {
    let outcome = match &charged.status {
        ChargeStatus::Processing => ChargeOutcome::Processing,
        ChargeStatus::Succeeded(captured) => ChargeOutcome::Succeeded(*captured),
        ChargeStatus::Failed(why) => ChargeOutcome::Failed(word(why)),
        ChargeStatus::Cancelled => ChargeOutcome::Cancelled,
    };
    ChargeReport { reference: Text::parse("reference", &charged.reference, WORD_MAX).ok(), outcome }
}

/// Nothing is taken, and why.
fn failed(why: &str) -> ChargeReport {
    ChargeReport { reference: None, outcome: ChargeOutcome::Failed(word(why)) }
}

/// What a provider says of a refund, in the words of the domain.
pub(super) fn refund_outcome(state: &RefundState) -> RefundOutcome {
    match state {
        RefundState::InTransit => RefundOutcome::InTransit,
        RefundState::Done => RefundOutcome::Done,
        RefundState::Failed(why) => RefundOutcome::Failed(word(why)),
    }
}

/// A provider's word for why, bounded.
pub(super) fn word(of_provider: &str) -> Text {
    Text::parse("failure", of_provider, WORD_MAX).unwrap_or_else(|_| Text::trusted("unknown".to_owned()))
}
