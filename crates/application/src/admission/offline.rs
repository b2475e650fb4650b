//! Use cases: what a device needs to let in without a network, and what it tells when it has one again.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::admission::{CheckIn, CheckInList, CheckInRequest, OfflineScan, SKEW_WARNED, ScanResult, Validity};
use domain::booking::Sale;
use domain::{CheckInId, CheckInListId, EventId, Problems, Timestamp};
use futures::future::join_all;

use super::door_log::{DoorCursor, DoorNews};
use super::tickets::Tickets;
use crate::access::{Agent, Operation};
use crate::booking::{Command, Outcome};
use crate::error::AppError;
use crate::origin::Origin;

/// The most tickets, and the most entries, that one answer tells of.
pub const NEWS_MAX: u64 = 50_000;
/// The most scans of one request.
pub const SCANS_MAX: usize = 500;
/// After so many signatures others get their turn.
const VERIFIED_AT_ONCE: usize = 64;

/// What a device needs to let in without a network. No secret is in it.
#[derive(Clone, Debug)]
pub struct DoorBundle {
    /// The event with its types.
    pub sale: Sale,
    /// When its tickets let in.
    pub validity: Validity,
    /// The public keys of its codes, by their numbers.
    pub keys: Vec<(u16, [u8; 32])>,
    /// The lists by which one enters, those that are put away left out.
    pub lists: Vec<Arc<CheckInList>>,
    /// What became of tickets and entries: all of it, or what is new.
    pub news: DoorNews,
}

/// A scan that a device tells of.
#[derive(Clone, Debug)]
pub struct ToldScan {
    /// Its id, which the device has made.
    pub id: CheckInId,
    /// What it had read.
    pub code: String,
    /// By which list it let in; none means the one that every event has.
    pub list: Option<CheckInListId>,
    /// Where it stood.
    pub gate: Option<String>,
    /// When, by its clock.
    pub at: Timestamp,
}

/// What became of the scans of a device.
#[derive(Clone, Debug)]
pub struct SyncReport {
    /// How far the clock of the device is behind ours.
    pub skew: TimeDelta,
    /// Whether somebody should set that clock.
    pub clock_is_wrong: bool,
    /// Each scan in the order in which they were told: its entry, or why there is none.
    pub scans: Vec<(CheckInId, Result<CheckIn, ScanResult>)>,
}

/// A scan whose code was looked at.
enum Looked {
    Taken(Box<OfflineScan>),
    Refused(CheckInId, ScanResult),
}

impl Tickets {
    /// What a device needs to let in without a network: all of it, or what is new behind the cursor of an earlier bundle.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door.
    pub async fn door_bundle(
        &self,
        agent: &Agent,
        event: EventId,
        since: Option<DoorCursor>,
    ) -> Result<DoorBundle, AppError> {
        self.ports.catalog.require(agent, Operation::ReadDoorBundle, event).await?;
        let seen = self.ports.events.sale(event).await?.ok_or(AppError::NotFound("event"))?;
        let keys = self.keys(event).await?.public().to_vec();
        let lists = self.lists(event).await?.iter().filter(|list| !list.archived).cloned().collect();
        let news = self.ports.store.door_news(event, since.unwrap_or_default(), NEWS_MAX).await?;
        Ok(DoorBundle { validity: Validity::of(&seen.sale.event.terms), sale: seen.sale, keys, lists, news })
    }

    /// Takes over the scans that let in without a network. `sent_at` is the time of the device as it sends them. Told
    /// twice, by the ids of the scans, they are taken over once.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door; [`AppError::RateLimited`] for
    /// who has told too many codes that are none. A scan that cannot be taken over keeps no other from it.
    pub async fn sync_check_ins(
        &self,
        agent: &Agent,
        event: EventId,
        sent_at: Timestamp,
        told: Vec<ToldScan>,
        origin: &Origin,
    ) -> Result<SyncReport, AppError> {
        self.ports.catalog.require(agent, Operation::CheckIn, event).await?;
        if told.len() > SCANS_MAX {
            return Err(Problems::one("scans", "too_many", format!("at most {SCANS_MAX} at a time")).into());
        }
        self.ports.catalog.guards().has_guessed_tickets(agent).await?;
        let skew = self.ports.clock.now() - sent_at;
        let mut looked = Vec::with_capacity(told.len());
        for (count, scan) in told.into_iter().enumerate() {
            if count > 0 && count.is_multiple_of(VERIFIED_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            looked.push(self.looked_at(agent, event, scan, skew).await?);
        }
        let scans = join_all(looked.into_iter().map(|scan| self.synced(event, scan, origin))).await;
        let scans = scans.into_iter().collect::<Result<_, AppError>>()?;
        Ok(SyncReport { skew, clock_is_wrong: skew.abs() > SKEW_WARNED, scans })
    }

    async fn looked_at(
        &self,
        agent: &Agent,
        event: EventId,
        scan: ToldScan,
        skew: TimeDelta,
    ) -> Result<Looked, AppError> {
        let ToldScan { id, code, list, gate, at } = scan;
        // Nothing is decided by a gate: one that is none must not keep those who are inside from being told.
        let gate = CheckInRequest::gate(gate.as_deref()).unwrap_or_default();
        let Some(claims) = self.verified(&code).await? else {
            let guards = self.ports.catalog.guards();
            guards.guessed_ticket(agent).await;
            guards.has_guessed_tickets(agent).await?;
            return Ok(Looked::Refused(id, ScanResult::Invalid));
        };
        if claims.event != event {
            return Ok(Looked::Refused(id, ScanResult::WrongEvent));
        }
        // Also by a list that was put away meanwhile: whoever was let in is inside.
        let wanted = list.unwrap_or(CheckInListId::default_of(event));
        let Some(list) = self.list_of(event, wanted).await? else {
            return Ok(Looked::Refused(id, ScanResult::NotOnList));
        };
        let (ticket, issue) = (claims.ticket, claims.issue);
        Ok(Looked::Taken(Box::new(OfflineScan { id, ticket, issue, list, gate, device_at: at, skew })))
    }

    async fn synced(
        &self,
        event: EventId,
        scan: Looked,
        origin: &Origin,
    ) -> Result<(CheckInId, Result<CheckIn, ScanResult>), AppError> {
        let scan = match scan {
            Looked::Taken(scan) => scan,
            Looked::Refused(id, result) => return Ok((id, Err(result))),
        };
        let id = scan.id;
        match self.ports.desk.submit(event, Command::SyncCheckIn(scan), origin.clone(), None).await?.value {
            Outcome::Synced(synced) => Ok((id, synced.map(|entry| *entry))),
            _ => Err(AppError::Internal),
        }
    }
}
