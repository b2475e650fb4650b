//! Live counters of the door: who may let in watches how many are expected, have been let in, and are inside.
//!
//! Nothing is counted as somebody is let in: entries are counted in one question when the lane has changed and somebody
//! watches, not more often than every second, and for a twentieth of the time at most (ADR 0038).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::admission::CheckInList;
use domain::booking::Sale;
use domain::{CheckInListId, EventId, Text};
use moka::future::Cache;
use tokio_util::sync::CancellationToken;

use super::tickets::Tickets;
use crate::access::{Agent, Operation};
use crate::booking::changed;
use crate::error::AppError;
use crate::live::{WatchSettings, Watcher, Watchers};

/// After a count an event is left alone for so many times as long as it took.
const REST: u32 = 19;
/// A count that failed is not tried again for so long at least.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long a first count is remembered for others who begin to watch.
const COUNT_REMEMBERED: Duration = Duration::from_secs(1);
/// Of how many events.
const COUNTS_MAX: u64 = 100;
/// The most gates of a list that are told of by name; the least used are told of together.
const GATES_MAX: usize = 100;

/// The entries by one gate of a list that count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateCount {
    /// The list.
    pub list: CheckInListId,
    /// The gate, where the device has said one.
    pub gate: Option<Text>,
    /// Entries.
    pub entries: u64,
    /// Tickets that have let in somebody on this list for the first time.
    pub admitted: u64,
    /// Entries of those who have not gone out again.
    pub inside: u64,
}

/// The figures of a door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorCounts {
    /// Of the lists that are not put away: first the one that every event has, then oldest first.
    pub lists: Vec<ListCount>,
}

/// The figures of a check-in list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListCount {
    /// The list.
    pub id: CheckInListId,
    /// What people call it.
    pub name: Text,
    /// Tickets that may enter by it.
    pub expected: u64,
    /// Tickets that have let in somebody.
    pub admitted: u64,
    /// Those of them who have not gone out again.
    pub inside: u64,
    /// By their gates: the most used first, at most 100, and then one without a name for all else.
    pub gates: Vec<GateCount>,
}

/// A count, and the version of the lane before it.
type Counted = (u64, Arc<DoorCounts>);

/// The watchers of doors in this process.
pub struct DoorCounters {
    tickets: Arc<Tickets>,
    watchers: Watchers<Arc<DoorCounts>>,
    first: Cache<EventId, Counted>,
}

impl DoorCounters {
    /// Nobody watches yet; [`DoorCounters::follow`] must run for those that will.
    #[must_use]
    pub fn new(tickets: Arc<Tickets>, settings: WatchSettings) -> Self {
        let first = Cache::builder().max_capacity(COUNTS_MAX).time_to_live(COUNT_REMEMBERED).build();
        Self { tickets, watchers: Watchers::new(settings), first }
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.count()
    }

    /// Subscribes to the figures of a door.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door; [`AppError::Unavailable`] when all
    /// places are taken.
    pub async fn watch(&self, agent: &Agent, event: EventId) -> Result<Watcher<Arc<DoorCounts>>, AppError> {
        self.require(agent, event).await?;
        if let Some(watcher) = self.watchers.join(event)? {
            return Ok(watcher);
        }
        let first = self.first.try_get_with(event, self.counted(event)).await;
        let (version, counts) = first.map_err(|error: Arc<AppError>| AppError::clone(&error))?;
        self.watchers.watch(event, version, counts)
    }

    /// Whether somebody may watch. One who could once is asked again and again.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not stand at the door.
    pub async fn require(&self, agent: &Agent, event: EventId) -> Result<(), AppError> {
        self.tickets.ports.catalog.require(agent, Operation::SeeDoorCounters, event).await
    }

    /// Follows the watched lanes until it is cancelled. It survives a database that goes away.
    pub async fn follow(&self, cancel: CancellationToken) {
        let every = self.watchers.settings().every;
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = ticks.tick() => {}
            }
            for event in changed(&*self.tickets.ports.events, self.watchers.due()).await {
                let began = Instant::now();
                match self.counted(event).await {
                    Ok((version, counts)) => self.watchers.tell(event, version, counts, began.elapsed() * REST),
                    // Who cannot be counted keeps no other door waiting at every turn.
                    Err(_) => self.watchers.rest(event, (began.elapsed() * REST).max(AFTER_FAILURE)),
                }
            }
            self.watchers.beat();
        }
        self.watchers.end();
    }

    /// The version is read first: what happens meanwhile is counted again.
    async fn counted(&self, event: EventId) -> Result<Counted, AppError> {
        let ports = &self.tickets.ports;
        let seen = ports.events.sale(event).await?.ok_or(AppError::NotFound("event"))?;
        let kept = ports.store.check_in_lists(event).await?;
        let mut by_list: BTreeMap<CheckInListId, Vec<GateCount>> = BTreeMap::new();
        for gate in ports.store.count_entries(event).await? {
            by_list.entry(gate.list).or_default().push(gate);
        }
        let lists = std::iter::once(CheckInList::default_of(event)).chain(kept);
        let count = |list: CheckInList| {
            let gates = by_list.remove(&list.id).unwrap_or_default();
            ListCount::of(expected(&seen.sale, &list), list, gates)
        };
        let lists = lists.filter(|list| !list.archived).map(count).collect();
        Ok((seen.version, Arc::new(DoorCounts { lists })))
    }
}

/// A unit that is sold has one valid ticket, so that nobody need count tickets.
fn expected(sale: &Sale, list: &CheckInList) -> u64 {
    let types = sale.ticket_types.iter().filter(|known| list.terms.has(known.id));
    types.filter_map(|known| sale.pool(known.own_pool)).map(|pool| u64::from(pool.sold)).sum()
}

impl ListCount {
    fn of(expected: u64, list: CheckInList, mut gates: Vec<GateCount>) -> Self {
        let sum = |of: fn(&GateCount) -> u64| gates.iter().map(of).sum();
        let (admitted, inside) = (sum(|gate| gate.admitted), sum(|gate| gate.inside));
        let name = |gate: &GateCount| gate.gate.as_ref().map_or_else(String::new, |gate| gate.as_str().to_owned());
        gates.sort_by(|a, b| b.entries.cmp(&a.entries).then_with(|| name(a).cmp(&name(b))));
        // Anybody at the door names gates as he likes.
        let (named, mut unnamed): (Vec<_>, Vec<_>) = gates.into_iter().partition(|gate| gate.gate.is_some());
        let mut gates = named;
        unnamed.extend(gates.split_off(gates.len().min(GATES_MAX)));
        let rest = unnamed.into_iter().reduce(|all, one| GateCount {
            gate: None,
            entries: all.entries + one.entries,
            admitted: all.admitted + one.admitted,
            inside: all.inside + one.inside,
            ..all
        });
        gates.extend(rest.map(|rest| GateCount { gate: None, ..rest }));
        Self { id: list.id, name: list.name, expected, admitted, inside, gates }
    }
}
