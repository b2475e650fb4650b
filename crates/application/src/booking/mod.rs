//! Bookings: the desk that all stock moves through, and the use cases around it.

mod availability;
mod bookings;
mod desk;
mod journal;
mod leave_waiting_lists;
mod moved;
mod notices;
mod parties;
mod ports;
mod prices;
mod promo_codes;
mod promo_snapshot;
mod shares;
mod snapshot;
mod sweep;
mod waiting_list;
mod waiting_list_snapshot;
mod wind_down;

pub use availability::Availability;
pub(crate) use availability::changed;
pub use bookings::{BookingPorts, Bookings, HoldTickets};
pub use desk::{Command, Desk, DeskMetrics, DeskSettings, Outcome};
pub use leave_waiting_lists::LeaveWaitingLists;
pub(crate) use leave_waiting_lists::leaving;
pub use moved::TellMoved;
pub use notices::{MailBuyers, Notice, NoticeBatch, NoticeKind, NoticeReads, NoticeRepository, TellBuyers};
pub use parties::Parties;
pub use ports::{
    AttendeeChange, BookingChange, BookingFilter, BookingParties, BookingReads, CommitError, DisputedTickets, Holding,
    InvoiceDue, LaneChanges, LaneKey, LaneMark, LaneStore, LaneTransaction, LaneWait, LockedLane, LockedLanes,
    PoolChange, PromoCount, ProviderEventRow, SeenEntry, WaitingCount, WaitingListReads, WhoWaits, WhoWaitsFor,
};
pub use prices::{UnreadablePricing, pricing_text, read_pricing, read_type_prices, type_prices_text};
pub use sweep::SweepLapsed;
pub use waiting_list::{JoinWaitingList, ServeWaiting};
pub use wind_down::WindDownCancelled;

pub(crate) use journal::{SaleFact, of_sale};
pub(crate) use snapshot::{organizer, read_organizer, read_sale, sale};
