//! What people are to be told of the decisions of a batch.

use domain::admission::Ticket;
use domain::booking::{BookingStatus, Channel, Decided, FactKind};
use domain::catalog::{Event, EventStatus};
use domain::{BookingId, EventId};

use crate::booking::moved::Place;
use crate::booking::{LaneChanges, Notice, NoticeKind};

/// The notices of a transaction, in the order of its decisions.
#[derive(Default)]
pub(super) struct Notices {
    of_bookings: Vec<OfBooking>,
    moved: Option<EventId>,
}

struct OfBooking {
    booking: BookingId,
    kind: NoticeKind,
}

impl Notices {
    /// Notes a fact, in an event that stands so. A cancellation and the refund that goes with it are told together,
    /// whichever comes first.
    pub(super) fn note(&mut self, decided: &Decided, event: EventStatus) {
        let Decided { booking, before, fact, .. } = decided;
        let became = |status| booking.status == status && *before != Some(status);
        let mut mine = self.of_bookings.iter_mut().rev().take_while(|notice| notice.booking == booking.id);
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
        self.of_bookings.push(OfBooking { booking: booking.id, kind });
    }

    /// Notes that a ticket is somebody else's now.
    pub(super) fn pass_on(&mut self, ticket: &Ticket) {
        let kind = NoticeKind::Transferred(ticket.id, ticket.issue);
        self.of_bookings.push(OfBooking { booking: ticket.booking, kind });
    }

    /// Notes that an event has other terms: who has tickets is told where it is at another time or place, and still to be
    /// held.
    pub(super) fn change(&mut self, before: &Event, after: &Event) {
        if after.status.is_to_come() && Place::of(&after.terms) != Place::of(&before.terms) {
            self.moved = Some(after.id);
        }
    }

    /// Adds them to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        let of_bookings = self.of_bookings.drain(..);
        changes.notices.extend(of_bookings.map(|OfBooking { booking, kind }| Notice::Booking(booking, kind)));
        changes.notices.extend(self.moved.take().map(Notice::EventMoved));
    }
}
