//! Scans that were made without a network: what becomes of them when their device tells of them.
//!
//! Whoever was let in is inside, whatever we know: such a scan is kept, and flagged where it should not have let in. Of two
//! entries that exclude each other the earlier one counts, by the clock of the server.

use std::sync::Arc;

use chrono::TimeDelta;

use super::door::{is_open, last_on};
use crate::admission::{CheckIn, CheckInList, EntryRule, Flag, ScanResult, Synced, Ticket, TicketStatus};
use crate::booking::Sale;
use crate::{CheckInId, Text, TicketId, Timestamp};

/// From this difference on the clock of a device is told to be wrong.
pub const SKEW_WARNED: TimeDelta = TimeDelta::minutes(5);

/// For so long a device keeps the scans that it has not told of.
const KEPT_MAX: TimeDelta = TimeDelta::days(30);

/// A scan that let somebody in without a network. The signature of its code holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfflineScan {
    /// Its id, which its device has made: the id of the entry.
    pub id: CheckInId,
    /// The ticket that its code names.
    pub ticket: TicketId,
    /// The issue that it is of.
    pub issue: u32,
    /// By which list it let in.
    pub list: Arc<CheckInList>,
    /// Where.
    pub gate: Option<Text>,
    /// When, by the clock of the device.
    pub device_at: Timestamp,
    /// How far that clock is behind ours.
    pub skew: TimeDelta,
}

/// What becomes of such a scan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sync {
    /// Its entry.
    pub entry: CheckIn,
    /// Whether the entry is new; else it is as it was kept before.
    pub is_new: bool,
    /// The entry that counted so far, and gives way to this one.
    pub superseded: Option<CheckIn>,
}

impl OfflineScan {
    /// When it was made, by our clock. What lies after `now`, or longer before it than a device keeps scans, is not
    /// believed, and `now` stands for it: so it never goes before an entry that counts.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Timestamp {
        let at = self.device_at.checked_add_signed(self.skew);
        at.filter(|at| (now - KEPT_MAX..=now).contains(at)).unwrap_or(now)
    }
}

/// Takes a scan over. `ticket` is the one that it names, `counting` are the entries that count for it, and `known` is the
/// entry that has its id already. Done twice, it is done once.
///
/// # Errors
/// [`ScanResult::Invalid`] where there is nothing of which it could be an entry.
pub fn sync_check_in(
    sale: &Sale,
    ticket: Option<&Ticket>,
    counting: &[&CheckIn],
    known: Option<&CheckIn>,
    scan: &OfflineScan,
    now: Timestamp,
) -> Result<Sync, ScanResult> {
    let ticket = ticket.filter(|ticket| ticket.event == sale.event.id && scan.issue <= ticket.issue);
    let ticket = ticket.ok_or(ScanResult::Invalid)?;
    if let Some(known) = known {
        // The id is of another entry: whoever has sent it did not make it up himself.
        let same = known.event == sale.event.id && known.ticket == ticket.id;
        let known = Sync { entry: known.clone(), is_new: false, superseded: None };
        return if same { Ok(known) } else { Err(ScanResult::Invalid) };
    }
    let at = scan.at(now);
    let flag = if ticket.status == TicketStatus::Revoked || scan.issue < ticket.issue {
        Some(Flag::Revoked)
    } else if let TicketStatus::Blocked(_) = ticket.status {
        Some(Flag::Blocked)
    } else if scan.list.terms.has(ticket.ticket_type) && is_open(sale, &scan.list, at) {
        None
    } else {
        Some(Flag::NotAllowed)
    };
    let entry = CheckIn {
        id: scan.id,
        event: sale.event.id,
        list: scan.list.id,
        ticket: ticket.id,
        turn: None,
        gate: scan.gate.clone(),
        at,
        device_at: Some(scan.device_at),
        synced: Some(Synced { received_at: now, skew: scan.skew }),
        flag,
        exited_at: None,
        undone_at: None,
        sequence: 1,
        changed_at: now,
    };
    Ok(placed(entry, &scan.list, counting, now))
}

/// The turn of an entry among those that count, or that it has none.
fn placed(entry: CheckIn, list: &CheckInList, counting: &[&CheckIn], now: Timestamp) -> Sync {
    let counts = |turn, superseded| Sync { entry: CheckIn { turn, ..entry.clone() }, is_new: true, superseded };
    let Some(last) = last_on(list, counting) else { return counts(Some(1), None) };
    let left = last.exited_at.filter(|_| list.terms.entry == EntryRule::ReEntry);
    if left.is_some_and(|left| left <= entry.at) {
        return counts(last.turn.map(|turn| turn + 1), None);
    }
    if left.is_none() && entry.at < last.at && !overlaps_earlier(last, &entry, counting) {
        let beaten = CheckIn { turn: None, flag: Some(Flag::Conflict), ..last.changed(now) };
        return counts(last.turn, Some(beaten));
    }
    let beaten = CheckIn { flag: Some(Flag::Conflict), ..entry.clone() };
    Sync { entry: beaten, is_new: true, superseded: None }
}

/// Whether the entry lies before the exit from a turn before the last one.
fn overlaps_earlier(last: &CheckIn, entry: &CheckIn, counting: &[&CheckIn]) -> bool {
    let earlier = counting.iter().filter(|other| other.list == last.list && other.turn < last.turn);
    earlier.into_iter().any(|other| other.exited_at.is_none_or(|left| entry.at < left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::door::tests::{on, sale, ticket};
    use crate::admission::{Blocker, ListTerms, check_in, exit_check_in};
    use crate::fixture::{at, id};
    use crate::{CheckInListId, EventId};

    fn scan(number: u128, device_at: i64, skew: i64) -> OfflineScan {
        let list = Arc::new(CheckInList::default_of(EventId::new(id(1))));
        let (device_at, skew) = (at(device_at), TimeDelta::seconds(skew));
        OfflineScan { id: CheckInId::new(id(number)), ticket: ticket().id, issue: 3, list, gate: None, device_at, skew }
    }

    fn sync(counting: &[&CheckIn], scan: &OfflineScan) -> Sync {
        sync_check_in(&sale(), Some(&ticket()), counting, None, scan, at(9_000)).unwrap()
    }

    /// `domain.md` 5.18: both scans are kept, the earlier one by the corrected time counts, nobody is unadmitted.
    #[test]
    fn s5_18_of_two_offline_devices_the_earlier_counts_in_whichever_order_they_come() {
        let (early, late) = (scan(21, 4_000, 0), scan(22, 4_100, 0));
        let first = sync(&[], &early).entry;
        assert_eq!((first.turn, first.flag, first.at), (Some(1), None, at(4_000)));
        let second = sync(&[&first], &late);
        assert_eq!((second.entry.turn, second.entry.flag), (None, Some(Flag::Conflict)));
        assert_eq!(second.superseded, None);
        // The other way round.
        let first = sync(&[], &late).entry;
        let Sync { entry, superseded, .. } = sync(&[&first], &early);
        assert_eq!((entry.turn, entry.flag), (Some(1), None));
        let beaten = superseded.unwrap();
        assert_eq!((beaten.id, beaten.turn, beaten.flag, beaten.sequence), (late.id, None, Some(Flag::Conflict), 2));
        assert_eq!((beaten.undone_at, beaten.changed_at), (None, at(9_000)));
        // At the same instant, who came first to us stays.
        let same = sync(&[&entry], &scan(23, 4_000, 0));
        assert_eq!((same.entry.flag, same.superseded), (Some(Flag::Conflict), None));
    }

    /// `domain.md` 5.17: the same scan again is the same result.
    #[test]
    fn s5_17_a_scan_that_comes_again_is_the_same() {
        let scan = scan(21, 4_000, 0);
        let kept = sync(&[], &scan).entry;
        let again = sync_check_in(&sale(), Some(&ticket()), &[&kept], Some(&kept), &scan, at(9_500)).unwrap();
        assert_eq!(again, Sync { entry: kept.clone(), is_new: false, superseded: None });
        let foreign = CheckIn { event: EventId::new(id(66)), ..kept };
        let refused = sync_check_in(&sale(), Some(&ticket()), &[], Some(&foreign), &scan, at(9_500));
        assert_eq!(refused, Err(ScanResult::Invalid));
    }

    /// `domain.md` 5.19: an accepted scan of a ticket that was revoked meanwhile is kept and flagged.
    #[test]
    fn s5_19_a_scan_of_a_revoked_ticket_is_kept_and_flagged() {
        let revoked = Ticket { status: TicketStatus::Revoked, ..ticket() };
        let kept = sync_check_in(&sale(), Some(&revoked), &[], None, &scan(21, 4_000, 0), at(9_000)).unwrap().entry;
        assert_eq!((kept.turn, kept.flag), (Some(1), Some(Flag::Revoked)));
        let blocked = Ticket { status: TicketStatus::Blocked(Blocker::Dispute), ..ticket() };
        let kept = sync_check_in(&sale(), Some(&blocked), &[], None, &scan(21, 4_000, 0), at(9_000)).unwrap().entry;
        assert_eq!((kept.turn, kept.flag), (Some(1), Some(Flag::Blocked)));
        let replaced = OfflineScan { issue: 2, ..scan(21, 4_000, 0) };
        assert_eq!(sync(&[], &replaced).entry.flag, Some(Flag::Revoked));
        let never = OfflineScan { issue: 4, ..scan(21, 4_000, 0) };
        let refused = sync_check_in(&sale(), Some(&ticket()), &[], None, &never, at(9_000));
        assert_eq!(refused, Err(ScanResult::Invalid), "an issue that never was");
        assert_eq!(sync_check_in(&sale(), None, &[], None, &never, at(9_000)), Err(ScanResult::Invalid));
    }

    /// `domain.md` 5.20: the skew of a device is applied, to the order of entries and to what is valid when.
    #[test]
    fn s5_20_the_clock_of_a_device_is_corrected() {
        let fast = scan(21, 5_000, -1_000);
        assert_eq!(sync(&[], &fast).entry.at, at(4_000));
        let slow = scan(22, 3_000, 1_100);
        let first = sync(&[], &slow).entry;
        assert_eq!(sync(&[&first], &fast).superseded.unwrap().id, slow.id, "4000 was before 4100");
        assert_eq!(sync(&[], &scan(23, 3_599, 0)).entry.flag, Some(Flag::NotAllowed), "a second too early");
        assert_eq!(sync(&[], &scan(24, 3_599, 1)).entry.flag, None);
        assert_eq!(sync(&[], &scan(25, 8_000, 5_000)).entry.at, at(9_000), "nothing is scanned in the future");
        let never = OfflineScan { skew: TimeDelta::MAX, ..scan(26, 8_000, 0) };
        assert_eq!(sync(&[], &never).entry.at, at(9_000));
        let lost = scan(27, -1_700_000_000, 0);
        assert_eq!(sync(&[], &lost).entry.at, at(9_000), "a clock that knows nothing");
        let genuine = sync(&[], &scan(28, 4_000, 0)).entry;
        assert_eq!(sync(&[&genuine], &lost).superseded, None);
    }

    #[test]
    fn where_one_may_come_in_again_the_order_of_turns_is_kept() {
        let door = on(ListTerms { entry: EntryRule::ReEntry, ..ListTerms::default() });
        let offline = |number, at| OfflineScan { list: Arc::clone(&door.list), ..scan(number, at, 0) };
        let inside = check_in(&sale(), Some(&ticket()), &[], &door, at(5_000)).check_in.unwrap();
        assert_eq!(sync(&[&inside], &offline(21, 5_500)).entry.flag, Some(Flag::Conflict), "he is inside");
        let before = sync(&[&inside], &offline(22, 4_500));
        assert_eq!((before.entry.turn, before.superseded.map(|beaten| beaten.id)), (Some(1), Some(inside.id)));
        let out = exit_check_in(&sale(), &door.list, &inside, at(6_000)).unwrap().unwrap();
        assert_eq!(sync(&[&out], &offline(23, 6_000)).entry.turn, Some(2));
        assert_eq!(sync(&[&out], &offline(24, 5_999)).entry.flag, Some(Flag::Conflict), "he was still inside");
        let again = sync(&[&out], &offline(25, 7_000)).entry;
        assert_eq!(sync(&[&out, &again], &offline(26, 6_500)).superseded.unwrap().id, again.id);
        assert_eq!(sync(&[&out, &again], &offline(27, 5_500)).entry.flag, Some(Flag::Conflict));
        // Another list has entries of its own.
        let mut other = scan(28, 4_000, 0);
        Arc::make_mut(&mut other.list).id = CheckInListId::new(id(77));
        assert_eq!(sync(&[&inside], &other).entry.turn, Some(1));
    }
}
