//! What became of the tickets and entries of an event, as devices ask for it.

use domain::{CheckInListId, Text, TicketId, Timestamp};

/// Up to where somebody knows what became of tickets and of entries, by the time of the lane. That time never runs
/// backwards, and what is decided at the same instant may come later: what lies at a cursor is told again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DoorCursor {
    /// Tickets; none from the beginning.
    pub tickets: Option<Timestamp>,
    /// Entries; none from the beginning.
    pub entries: Option<Timestamp>,
}

/// What became of tickets and entries behind a cursor.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct DoorNews {
    /// Tickets that are not as they were issued first, in no order.
    pub tickets: Vec<TicketNews>,
    /// How tickets stand on lists, in no order, each pair once.
    pub entries: Vec<EntryNews>,
    /// Where the next question begins.
    pub cursor: DoorCursor,
    /// Whether there is more at once.
    pub more: bool,
}

/// A ticket that is not as it was issued first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketNews {
    /// Which.
    pub id: TicketId,
    /// Which of its codes let in.
    pub lets_in: LetsIn,
}

/// Which codes of a ticket let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetsIn {
    /// That of this issue alone.
    Issue(u32),
    /// None for the time being: it is blocked.
    Blocked,
    /// None ever again: it is revoked.
    Never,
}

/// How a ticket stands on a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryNews {
    /// On which list.
    pub list: CheckInListId,
    /// Which ticket.
    pub ticket: TicketId,
    /// Its last entry that counts; none where there is none any more.
    pub last: Option<LastEntry>,
}

/// The last entry of a ticket on a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastEntry {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub gate: Option<Text>,
    /// Whether who had entered is outside again.
    pub is_out: bool,
}
