//! What is asked of a lane, and what it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::admission::{
    CheckIn, CheckInList, CheckInRequest, DoorPayment, ListEdit, OfflineScan, Scan, ScanResult, Ticket, TicketChange,
    UnpaidBooking,
};
use domain::booking::{
    Booking, Buyer, Canceller, HoldRequest, JoinRequest, PromoCode, PromoEdit, PromoWord, SaleChange, UnitsRequest,
    WaitingListEntry,
};
use domain::payment::{ChargeReport, DisputeReport, Payment, Refund, RefundOutcome, RefundRequest, StartPayment};
use domain::{
    BookingId, CheckInId, CheckInListId, PaymentId, PromoCodeId, RefundId, Text, TicketId, UserId, WaitingListEntryId,
};
use tokio::sync::oneshot;

use crate::booking::LaneKey;
use crate::catalog::SeenSale;
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;
use crate::payment::ProviderEventKey;

/// One command on a lane. Each is decided for itself: a refused one never fails its neighbours in the batch.
#[derive(Clone, Debug)]
pub enum Command {
    /// Hold units.
    Hold(Box<HoldRequest>),
    /// The organizer has the money.
    Confirm {
        /// Which.
        booking: BookingId,
        /// What he wrote to it; kept in the audit log.
        note: Option<Text>,
    },
    /// The buyer begins to pay.
    StartPayment {
        /// For which booking.
        booking: BookingId,
        /// How.
        start: Box<StartPayment>,
    },
    /// A provider tells of a payment. The lane alone changes payments: an answer, a message and an inquiry that tell of the
    /// same cannot race.
    ApplyReport {
        /// Its booking.
        booking: BookingId,
        /// Which.
        payment: PaymentId,
        /// What it tells.
        report: Box<ChargeReport>,
        /// The message by which it does, which has its effect once.
        event: Option<ProviderEventKey>,
    },
    /// A provider tells of a dispute of a payment.
    ApplyDispute {
        /// Its booking.
        booking: BookingId,
        /// Which.
        payment: PaymentId,
        /// What it tells.
        report: Box<DisputeReport>,
        /// The message by which it does, which has its effect once.
        event: Option<ProviderEventKey>,
    },
    /// Money goes back.
    Refund {
        /// Of which booking.
        booking: BookingId,
        /// How much, for which tickets, and whether they go with it.
        request: Box<RefundRequest>,
    },
    /// A provider tells of a refund.
    ApplyRefundReport {
        /// Its booking.
        booking: BookingId,
        /// Which.
        refund: RefundId,
        /// What it tells.
        outcome: RefundOutcome,
        /// The message by which it does, which has its effect once.
        event: Option<ProviderEventKey>,
    },
    /// Give units back.
    Cancel(BookingId, Canceller),
    /// Its event is cancelled: give its units back, and all that was paid.
    CancelWithEvent(BookingId),
    /// A longer hold.
    Renew(BookingId),
    /// Issue a ticket anew. It moves no stock, and is decided here all the same: who cancels its booking comes before it
    /// or after it, so that no ticket is valid whose booking is not.
    ChangeTicket {
        /// Its booking.
        booking: BookingId,
        /// Which.
        ticket: TicketId,
        /// What is wanted.
        change: TicketChange,
    },
    /// Let in with a ticket. At the door of an event its sale is over or quiet, so that both share a lane, and so does
    /// whatever may take the ticket away meanwhile.
    CheckIn(Box<CheckInRequest>),
    /// The reference of a booking is shown at the door. Where that has taken its money, it is confirmed and lets in with all
    /// of its tickets, in one commit; else it says what is due.
    PayAtDoor(Box<DoorPayment>),
    /// Take over a scan that let in without a network.
    SyncCheckIn(Box<OfflineScan>),
    /// An entry that counts no more.
    UndoCheckIn(CheckInId),
    /// Who had entered goes out again.
    ExitCheckIn {
        /// By which entry.
        id: CheckInId,
        /// Its list.
        list: Arc<CheckInList>,
    },
    /// One more check-in list.
    AddCheckInList {
        /// Its id.
        id: CheckInListId,
        /// What it is to be.
        new: Box<ListEdit>,
    },
    /// Other terms of a check-in list.
    EditCheckInList {
        /// Which.
        id: CheckInListId,
        /// The change.
        edit: Box<ListEdit>,
    },
    /// Expire lapsed holds, oldest first, at most so many.
    Expire(u32),
    /// Another status, text, price, limit or capacity.
    Change {
        /// What.
        change: Box<SaleChange>,
        /// `If-Match`.
        expected_version: Option<u64>,
    },
    /// One more promo code.
    AddPromoCode {
        /// Its id.
        id: PromoCodeId,
        /// Its text.
        code: PromoWord,
        /// What it is to be.
        new: Box<PromoEdit>,
    },
    /// Other terms of a promo code.
    EditPromoCode {
        /// Which.
        id: PromoCodeId,
        /// The change.
        edit: Box<PromoEdit>,
    },
    /// Wait for what is sold out.
    JoinWaitingList(Box<JoinRequest>),
    /// Wait no longer, or give an offer back.
    WithdrawFromWaitingList(WaitingListEntryId),
    /// The account of who waits was deleted: close his entry, or give his offer back, unless he has taken it or is
    /// paying.
    LeaveWaitingList(WaitingListEntryId),
    /// Offer what is free to who waits for it, as every transaction does before and after its commands; this one alone does
    /// nothing else.
    MakeOffers,
    /// Delete an event that nobody has booked.
    Delete {
        /// `If-Match`.
        expected_version: Option<u64>,
    },
}

impl Command {
    /// The booking that it is about, where that exists already.
    pub(super) const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::PayAtDoor(payment) => Some(payment.booking),
            Self::Confirm { booking: id, .. }
            | Self::StartPayment { booking: id, .. }
            | Self::ApplyReport { booking: id, .. }
            | Self::ApplyDispute { booking: id, .. }
            | Self::Refund { booking: id, .. }
            | Self::ApplyRefundReport { booking: id, .. }
            | Self::ChangeTicket { booking: id, .. }
            | Self::Cancel(id, _)
            | Self::CancelWithEvent(id)
            | Self::Renew(id) => Some(*id),
            Self::Hold(_)
            | Self::CheckIn(_)
            | Self::SyncCheckIn(_)
            | Self::UndoCheckIn(_)
            | Self::ExitCheckIn { .. }
            | Self::AddCheckInList { .. }
            | Self::EditCheckInList { .. }
            | Self::Expire(_)
            | Self::Change { .. }
            | Self::AddPromoCode { .. }
            | Self::EditPromoCode { .. }
            | Self::JoinWaitingList(_)
            | Self::WithdrawFromWaitingList(_)
            | Self::LeaveWaitingList(_)
            | Self::MakeOffers
            | Self::Delete { .. } => None,
        }
    }

    /// The booking whose payments it has to know.
    pub(super) const fn paid_booking(&self) -> Option<BookingId> {
        match self {
            Self::PayAtDoor(payment) => Some(payment.booking),
            Self::Confirm { booking, .. }
            | Self::StartPayment { booking, .. }
            | Self::ApplyReport { booking, .. }
            | Self::ApplyDispute { booking, .. }
            | Self::Refund { booking, .. }
            | Self::ApplyRefundReport { booking, .. }
            | Self::CancelWithEvent(booking) => Some(*booking),
            _ => None,
        }
    }

    /// The booking whose refunds it has to know.
    pub(super) const fn refunded_booking(&self) -> Option<BookingId> {
        match self {
            Self::ApplyRefundReport { booking, .. } => Some(*booking),
            _ => None,
        }
    }

    /// The message of a provider that it is about.
    pub(super) const fn provider_event(&self) -> Option<&ProviderEventKey> {
        match self {
            Self::ApplyReport { event, .. }
            | Self::ApplyDispute { event, .. }
            | Self::ApplyRefundReport { event, .. } => event.as_ref(),
            _ => None,
        }
    }

    /// The tickets that it is about.
    pub(super) fn tickets(&self) -> &[TicketId] {
        match self {
            Self::ChangeTicket { ticket, .. } => std::slice::from_ref(ticket),
            Self::CheckIn(request) => std::slice::from_ref(&request.ticket),
            Self::SyncCheckIn(scan) => std::slice::from_ref(&scan.ticket),
            Self::Refund { request, .. } => &request.tickets,
            _ => &[],
        }
    }

    /// The entry that it is about, where that exists already.
    pub(super) const fn check_in(&self) -> Option<CheckInId> {
        match self {
            Self::UndoCheckIn(id) | Self::ExitCheckIn { id, .. } => Some(*id),
            Self::SyncCheckIn(scan) => Some(scan.id),
            _ => None,
        }
    }

    /// Whether it has to know the check-in lists of the event.
    pub(super) const fn asks_for_lists(&self) -> bool {
        matches!(self, Self::AddCheckInList { .. } | Self::EditCheckInList { .. })
    }

    /// The text of the promo code that it is about.
    pub(super) const fn promo_word(&self) -> Option<&PromoWord> {
        match self {
            Self::Hold(request) => request.promo_code.as_ref(),
            Self::AddPromoCode { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The promo code that it is about, where that exists already.
    pub(super) const fn promo_code(&self) -> Option<PromoCodeId> {
        match self {
            Self::EditPromoCode { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The entry of the waiting list that it is about, where that exists already.
    pub(super) const fn waiting_list_entry(&self) -> Option<WaitingListEntryId> {
        match self {
            Self::WithdrawFromWaitingList(id) | Self::LeaveWaitingList(id) => Some(*id),
            _ => None,
        }
    }

    /// Who wants to wait.
    pub(super) fn joins(&self) -> Option<UserId> {
        match self {
            Self::JoinWaitingList(request) => Some(request.buyer),
            _ => None,
        }
    }

    /// Of whom it has to know what he has already, where that is limited.
    pub(super) fn holder(&self) -> Option<Buyer> {
        match self {
            Self::Hold(request) => Some(request.buyer.clone()),
            Self::JoinWaitingList(request) => Some(Buyer::Account(request.buyer)),
            _ => None,
        }
    }

    /// Whether it may take what somebody waits for, or asks whether that is to be had.
    pub(super) const fn takes_stock(&self) -> bool {
        matches!(self, Self::Hold(_) | Self::ApplyReport { .. } | Self::JoinWaitingList(_))
    }

    /// How many units it may have to reclaim for.
    pub(super) fn units_wanted(&self) -> u32 {
        match self {
            Self::Hold(request) => match &request.units {
                UnitsRequest::Only(quantity) => *quantity,
                UnitsRequest::Listed(listed) => listed.iter().map(|units| units.quantity).fold(0, u32::saturating_add),
            },
            Self::JoinWaitingList(request) => request.quantity,
            Self::Expire(limit) => *limit,
            _ => 0,
        }
    }
}

/// What a command led to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The booking as it is now.
    Booking(Box<Booking>),
    /// The ticket as it is now, and its booking.
    Ticket(Box<Ticket>, Box<Booking>),
    /// What became of a code at the door.
    Scan(Box<Scan>),
    /// The booking is not paid.
    Unpaid(Box<UnpaidBooking>),
    /// What became of the tickets of a booking that was paid at the door.
    Scans(Vec<Scan>),
    /// The entry as it is now.
    CheckIn(Box<CheckIn>),
    /// What became of a scan that was made without a network: its entry, or why there is none.
    Synced(Result<Box<CheckIn>, ScanResult>),
    /// The check-in list as it is now.
    CheckInList(Box<CheckInList>),
    /// The payment as it is now, and its booking.
    Payment(Box<Payment>, Box<Booking>),
    /// The payment of an earlier request with this key.
    KnownPayment(PaymentId),
    /// The refunds as they are now, and their booking.
    Refunds(Vec<Refund>, Box<Booking>),
    /// The refunds of an earlier request with this key.
    KnownRefunds(Vec<RefundId>),
    /// So many holds expired; if it is the most that was asked for, more may be due.
    Expired(u32),
    /// The sale as it is now.
    Sale(Arc<SeenSale>),
    /// The promo code as it is now.
    PromoCode(Box<PromoCode>),
    /// The entry as it is now.
    WaitingListEntry(Box<WaitingListEntry>),
    /// What is free was offered to who waits for it.
    OffersMade,
    /// The event is gone.
    Deleted,
}

/// What the lane answers to one command.
pub(super) type Reply = Result<Answer<Outcome>, AppError>;

/// What offers come from: nobody's request.
pub(super) const OFFERING: &str = "waiting_list.offer";

/// A command in the queue of its lane.
pub(super) struct Submission {
    pub(super) command: Command,
    pub(super) origin: Origin,
    pub(super) key: Option<IdempotencyKey>,
    /// After this instant nobody waits any more: it is answered `unavailable` and not carried out.
    pub(super) deadline: Instant,
    /// How often its reference collided with another.
    pub(super) collisions: usize,
    pub(super) reply: oneshot::Sender<Reply>,
}

impl Submission {
    /// A command of ours, whose answer nobody waits for.
    pub(super) fn own(command: Command, patience: Duration) -> Self {
        let (reply, _) = oneshot::channel();
        let deadline = Instant::now() + patience;
        Self { command, origin: Origin::system(OFFERING), key: None, deadline, collisions: 0, reply }
    }
}

/// The commands of one lane that go into one transaction, in arrival order.
pub(super) struct LaneBatch {
    pub(super) key: LaneKey,
    pub(super) submissions: Vec<Submission>,
}
