//! What people are to be told of the decisions of a batch.

use domain::admission::Ticket;
use domain::booking::{BookingStatus, Channel, Decided, FactKind};
use domain::catalog::EventStatus;

use crate::booking::{LaneChanges, Notice, NoticeKind};

/// The notices of a transaction, in the order of its decisions.
#[derive(Default)]
pub(super) struct Notices(Vec<Notice>);

impl Notices {
    /// Notes a fact, in an event that stands so. A cancellation and the refund that goes with it are told together,
    /// whichever comes first.
    pub(super) fn note(&mut self, decided: &Decided, event: EventStatus) {
        let Decided { booking, before, fact, .. } = decided;
        let became = |status| booking.status == status && *before != Some(status);
        let mut mine = self.0.iter_mut().rev().take_while(|notice| notice.booking == booking.id);
        let kind = match fact.kind {
            FactKind::RefundRequested(_, amount) if amount.currency != booking.total.currency => {
                NoticeKind::OtherPaidBack
            }
            FactKind::RefundRequested(_, amount) => match mine.find(|notice| notice.kind.refund().is_some()) {
                Some(notice) => {
                    notice.kind = notice.kind.with_refund(amount.minor);
                    return;
                }
                None => NoticeKind::PaidBack(amount.minor),
            },
            // The first of them takes over what was said of the money that goes with it.
            FactKind::TicketCancelled(_) => match mine.find(|notice| notice.kind.refund().is_some()) {
                Some(notice) => {
                    notice.kind = notice.kind.with_ticket();
                    return;
                }
                None => NoticeKind::TicketsCancelled(1, 0),
            },
            FactKind::Held if booking.channel == Channel::WaitingList => NoticeKind::Offered,
            _ if became(BookingStatus::Confirmed) => NoticeKind::Confirmed,
            _ if became(BookingStatus::Cancelled) && *before == Some(BookingStatus::Confirmed) => {
                let told = mine
                    .find(|notice| matches!(notice.kind, NoticeKind::PaidBack(_) | NoticeKind::TicketsCancelled(..)));
                let refund = told.as_ref().and_then(|notice| notice.kind.refund()).unwrap_or_default();
                let cancelled = match event {
                    EventStatus::Cancelled => NoticeKind::EventCancelled(refund),
                    _ => NoticeKind::Cancelled(refund),
                };
                if let Some(notice) = told {
                    notice.kind = cancelled;
                    return;
                }
                cancelled
            }
            _ => return,
        };
        self.0.push(Notice { booking: booking.id, kind });
    }

    /// Notes that a ticket is somebody else's now.
    pub(super) fn pass_on(&mut self, ticket: &Ticket) {
        self.0.push(Notice { booking: ticket.booking, kind: NoticeKind::Transferred(ticket.id, ticket.issue) });
    }

    /// Adds them to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        changes.notices.append(&mut self.0);
    }
}
