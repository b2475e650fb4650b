//! Use case: the organizer sees what the cancellation of an event costs, and how far it has come.

use domain::catalog::EventStatus;
use domain::payment::RefundStatus;
use domain::{EventId, Money};

use super::payments::Payments;
use crate::access::{Agent, Operation, Subject};
use crate::catalog::EventRef;
use crate::error::AppError;

/// What is booked in an event and was paid for it, in minor units of its currency.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventFigures {
    /// Bookings that are held.
    pub pending: u64,
    /// Bookings that are confirmed.
    pub confirmed: u64,
    /// Bookings that were cancelled.
    pub cancelled: u64,
    /// Payments that are not decided: what they bring goes back as well.
    pub open_payments: u64,
    /// What providers took for bookings that are held or confirmed, has not gone back and is not at a bank.
    pub by_provider: i64,
    /// What the organizer took himself for them, and has not given back.
    pub by_hand: i64,
    /// What banks ask back of any booking: it goes back to the buyer if they give it back.
    pub disputed: i64,
    /// What belongs nowhere: open cases.
    pub unsettled: i64,
    /// Refunds, by where they stand.
    pub refunds: Vec<RefundFigures>,
}

/// Refunds that stand at the same point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundFigures {
    /// Where.
    pub status: RefundStatus,
    /// How many.
    pub count: u64,
    /// Their sum, in minor units.
    pub amount: i64,
}

/// How far the cancellation of an event has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cancellation {
    /// Where it stands.
    pub state: CancellationState,
    /// Nothing, in the currency of all sums.
    pub zero: Money,
    /// What is left, and what is done.
    pub figures: EventFigures,
}

/// Where the cancellation of an event stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancellationState {
    /// The event is not cancelled: the figures say what a cancellation would be about.
    NotCancelled,
    /// Bookings are being cancelled, payments are under way, or refunds are on theirs.
    Running,
    /// Nothing is booked any more, and nothing is on its way. What failed is an open case, and so is a dispute.
    Done,
}

impl EventFigures {
    fn state(&self, event: EventStatus) -> CancellationState {
        let on_its_way = |refunds: &RefundFigures| {
            matches!(refunds.status, RefundStatus::Requested | RefundStatus::InTransit) && refunds.count > 0
        };
        match event {
            EventStatus::Cancelled if self.pending + self.confirmed + self.open_payments > 0 => {
                CancellationState::Running
            }
            EventStatus::Cancelled if self.refunds.iter().any(on_its_way) => CancellationState::Running,
            EventStatus::Cancelled => CancellationState::Done,
            _ => CancellationState::NotCancelled,
        }
    }
}

impl Payments {
    /// What the cancellation of an event would be about or, once it is cancelled, how far that has come.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not see the payments of its organizer.
    pub async fn cancellation(&self, agent: &Agent, event: EventId) -> Result<Cancellation, AppError> {
        let catalog = &self.ports.catalog;
        let seen = catalog.event(&Agent::System, &EventRef::Id(event)).await?.seen;
        let subject = Subject::event(&seen.sale.event);
        catalog.access().require(agent, Operation::SeePaymentCases, &subject, "event").await?;
        let figures = self.ports.store.event_figures(event).await?;
        let zero = Money { minor: 0, currency: seen.sale.event.currency };
        Ok(Cancellation { state: figures.state(seen.sale.event.status), zero, figures })
    }
}
