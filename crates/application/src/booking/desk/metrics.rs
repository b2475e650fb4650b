//! What operators see of the desk. Handles are made once: looking a metric up by its labels costs more than counting.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::batch::outcome_word;
use super::command::{Command, Reply};

/// The metrics of a desk: `desk_batch_size`, `desk_commit_seconds`, `desk_queue_depth`, `bookings_total{command,outcome}`.
#[derive(Clone)]
pub struct DeskMetrics(Arc<Handles>);

struct Handles {
    batch_size: Histogram,
    commit_seconds: Histogram,
    queue_depth: Gauge,
    decided: RwLock<HashMap<(&'static str, &'static str), Counter>>,
}

impl Default for DeskMetrics {
    /// Of the recorder that is installed at this moment.
    fn default() -> Self {
        Self(Arc::new(Handles {
            batch_size: histogram!("desk_batch_size"),
            commit_seconds: histogram!("desk_commit_seconds"),
            queue_depth: gauge!("desk_queue_depth"),
            decided: RwLock::default(),
        }))
    }
}

impl DeskMetrics {
    pub(super) fn committed(&self, commands: usize, took: Duration) {
        self.0.batch_size.record(commands as f64);
        self.0.commit_seconds.record(took);
    }

    pub(super) fn waiting(&self, commands: usize) {
        self.0.queue_depth.set(commands as f64);
    }

    pub(super) fn decided(&self, command: &Command, reply: &Reply) {
        let labels = (command_word(command), outcome_word(reply));
        if let Some(counter) = self.0.decided.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            counter.increment(1);
            return;
        }
        let counter = counter!("bookings_total", "command" => labels.0, "outcome" => labels.1);
        counter.increment(1);
        self.0.decided.write().unwrap_or_else(PoisonError::into_inner).insert(labels, counter);
    }
}

const fn command_word(command: &Command) -> &'static str {
    match command {
        Command::Hold(_) => "hold",
        Command::Confirm { .. } => "confirm",
        Command::StartPayment { .. } => "start_payment",
        Command::ApplyReport { .. } => "apply_report",
        Command::ApplyDispute { .. } => "apply_dispute",
        Command::Refund { .. } => "refund",
        Command::ApplyRefundReport { .. } => "apply_refund_report",
        Command::Cancel(..) => "cancel",
        Command::CancelWithEvent(_) => "cancel_with_event",
        Command::Renew(_) => "renew",
        Command::ChangeTicket { .. } => "change_ticket",
        Command::CheckIn(_) => "check_in",
        Command::PayAtDoor(_) => "pay_at_door",
        Command::SyncCheckIn(_) => "sync_check_in",
        Command::UndoCheckIn(_) => "undo_check_in",
        Command::ExitCheckIn { .. } => "exit_check_in",
        Command::AddCheckInList { .. } => "add_check_in_list",
        Command::EditCheckInList { .. } => "edit_check_in_list",
        Command::Expire(_) => "expire",
        Command::Change { .. } => "change",
        Command::Delete { .. } => "delete",
        Command::AddPromoCode { .. } => "add_promo_code",
        Command::EditPromoCode { .. } => "edit_promo_code",
        Command::JoinWaitingList(_) => "join_waiting_list",
        Command::WithdrawFromWaitingList(_) => "withdraw_from_waiting_list",
        Command::LeaveWaitingList(_) => "leave_waiting_list",
        Command::MakeOffers => "make_offers",
    }
}
