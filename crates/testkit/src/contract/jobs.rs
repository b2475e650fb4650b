//! [`JobStore`]: leases and their fences.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapter_system::SystemIds;
use application::booking::LaneChanges;
use application::clock::Clock;
use application::error::AppError;
use application::jobs::{JobCounts, JobHandler, JobOutcome, JobStore, LeasedJob, NewJob, Worker};
use application::store::Store;
use async_trait::async_trait;
use domain::{JobId, UserId};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use super::fixture::{answer, at, id, mark, stored_concert, write};
use crate::clock::TestClock;
use crate::databases::TestDatabase;

fn job(kind: &'static str, subject: &str, run_at: i64) -> NewJob {
    NewJob { id: JobId::new(id()), kind, subject: subject.into(), payload: "{}".into(), run_at: at(run_at) }
}

/// There is one unfinished job of a kind and subject; a parked one makes room.
pub async fn a_job_is_put_in_once(db: TestDatabase) {
    let store = &db.database;
    assert!(store.enqueue(&job("sweep", "", 0)).await.unwrap());
    assert!(!store.enqueue(&job("sweep", "", 9)).await.unwrap());
    assert!(store.enqueue(&job("sweep", "other", 0)).await.unwrap());
    assert!(store.enqueue(&job("mail", "", 0)).await.unwrap());
    let leased = store.lease(&["mail"], at(0), at(30)).await.unwrap().unwrap();
    let parked = JobOutcome::Parked { error: "no such address".into() };
    assert!(store.finish(leased.id, leased.fence, &parked).await.unwrap());
    assert!(store.enqueue(&job("mail", "", 0)).await.unwrap());
    assert_eq!(store.counts(at(0)).await.unwrap(), JobCounts { waiting: 3, parked: 1, ..JobCounts::default() });
}

/// The one that has waited longest is leased, of the asked kinds, when it is due.
pub async fn the_longest_waiting_is_leased(db: TestDatabase) {
    let store = &db.database;
    let (late, early) = (job("sweep", "late", 5), job("sweep", "early", 1));
    for job in [&late, &early, &job("mail", "", 0)] {
        store.enqueue(job).await.unwrap();
    }
    assert_eq!(store.lease(&["sweep"], at(0), at(30)).await.unwrap(), None, "not due");
    let first = store.lease(&["sweep", "clean"], at(5), at(30)).await.unwrap().unwrap();
    assert_eq!((first.id, first.fence, first.attempts, &*first.subject), (early.id, 1, 0, "early"));
    let second = store.lease(&["sweep"], at(5), at(30)).await.unwrap().unwrap();
    assert_eq!(second.id, late.id);
    assert_eq!(store.lease(&["sweep"], at(5), at(30)).await.unwrap(), None);
    assert_eq!(store.counts(at(5)).await.unwrap(), JobCounts { waiting: 1, running: 2, ..JobCounts::default() });
    let again = JobOutcome::Again { run_at: at(60), payload: r#"{"n":2}"#.into() };
    assert!(store.finish(first.id, first.fence, &again).await.unwrap());
    assert!(store.finish(second.id, second.fence, &JobOutcome::Done).await.unwrap());
    let next = store.lease(&["sweep"], at(60), at(90)).await.unwrap().unwrap();
    assert_eq!((next.id, &*next.payload, next.fence), (early.id, r#"{"n":2}"#, 2));
    assert_eq!(store.lease(&["sweep"], at(60), at(90)).await.unwrap(), None, "done is gone");
}

/// Whoever lost his lease can neither extend nor finish.
pub async fn an_old_fence_holds_nothing(db: TestDatabase) {
    let store = &db.database;
    store.enqueue(&job("sweep", "", 0)).await.unwrap();
    let slow = store.lease(&["sweep"], at(0), at(30)).await.unwrap().unwrap();
    assert!(store.extend(slow.id, slow.fence, at(40)).await.unwrap());
    assert_eq!(store.lease(&["sweep"], at(39), at(60)).await.unwrap(), None, "the longer lease counts");
    let next = store.lease(&["sweep"], at(40), at(70)).await.unwrap().unwrap();
    assert_eq!((next.id, next.fence), (slow.id, slow.fence + 1));
    assert!(!store.extend(slow.id, slow.fence, at(99)).await.unwrap());
    assert!(!store.finish(slow.id, slow.fence, &JobOutcome::Done).await.unwrap());
    let failed = JobOutcome::Retry { run_at: at(80), error: "busy".into() };
    assert!(store.finish(next.id, next.fence, &failed).await.unwrap());
    let third = store.lease(&["sweep"], at(80), at(99)).await.unwrap().unwrap();
    assert_eq!((third.fence, third.attempts), (next.fence + 1, 1));
    let again = JobOutcome::Again { run_at: at(80), payload: "{}".into() };
    assert!(store.finish(third.id, third.fence, &again).await.unwrap());
    let fourth = store.lease(&["sweep"], at(80), at(99)).await.unwrap().unwrap();
    assert_eq!(fourth.attempts, 0, "success forgets the failures");
}

/// What a part of a job has done and where it goes on are written together, by whoever has the job.
pub async fn a_job_moves_on_with_what_it_has_done(db: TestDatabase) {
    let store = &db.database;
    store.enqueue(&job("tell", "all", 0)).await.unwrap();
    let slow = store.lease(&["tell"], at(0), at(30)).await.unwrap().unwrap();
    let advance = async |leased: &LeasedJob, to: &str, part: &str, commits: bool| {
        let mut uow = store.begin().await.unwrap();
        let has_moved = uow.advance_job(leased, to).await.unwrap();
        uow.enqueue_job(&job("mail", part, 0)).await.unwrap();
        if has_moved && commits {
            uow.commit().await.unwrap();
        }
        has_moved
    };
    assert!(advance(&slow, "1", "first", true).await);
    assert!(advance(&slow, "2", "lost", false).await, "and it crashes");
    // Its lease has run out: another one goes on where it was, and it does nothing any more.
    let next = store.lease(&["tell"], at(30), at(60)).await.unwrap().unwrap();
    assert_eq!((next.id, &*next.payload), (slow.id, "1"));
    assert!(!advance(&slow, "3", "late", true).await);
    assert!(advance(&next, "4", "second", true).await);
    assert!(store.finish(next.id, next.fence, &JobOutcome::Done).await.unwrap());
    assert!(!advance(&next, "5", "over", true).await, "nobody has it");
    let mut parts = Vec::new();
    while let Some(mail) = store.lease(&["mail"], at(60), at(90)).await.unwrap() {
        parts.push(mail.subject);
    }
    parts.sort();
    assert_eq!(parts, ["first", "second"]);
}

/// What happens while a job runs makes it run again, by another worker, from where it was; and not before its time.
pub async fn a_job_that_is_roused_runs_again(db: TestDatabase) {
    let store = &db.database;
    let rouse = async |run_at: i64| {
        let mut uow = store.begin().await.unwrap();
        uow.rouse_job(&job("tell", "gala", run_at)).await.unwrap();
        uow.commit().await.unwrap();
    };
    rouse(10).await;
    assert_eq!(store.lease(&["tell"], at(9), at(30)).await.unwrap(), None);
    let first = store.lease(&["tell"], at(10), at(40)).await.unwrap().unwrap();
    let mut uow = store.begin().await.unwrap();
    assert!(uow.advance_job(&first, "1").await.unwrap());
    uow.commit().await.unwrap();
    rouse(20).await;
    let mut uow = store.begin().await.unwrap();
    assert!(!uow.advance_job(&first, "2").await.unwrap());
    drop(uow);
    assert!(!store.finish(first.id, first.fence, &JobOutcome::Done).await.unwrap(), "it is not done");
    assert_eq!(store.lease(&["tell"], at(19), at(30)).await.unwrap(), None, "not before");
    let second = store.lease(&["tell"], at(20), at(50)).await.unwrap().unwrap();
    assert_eq!((second.id, &*second.payload), (first.id, "1"));
    // One that rests is not woken before its time.
    let rests = JobOutcome::Again { run_at: at(100), payload: "3".into() };
    assert!(store.finish(second.id, second.fence, &rests).await.unwrap());
    rouse(60).await;
    assert_eq!(store.lease(&["tell"], at(99), at(120)).await.unwrap(), None);
    let third = store.lease(&["tell"], at(100), at(120)).await.unwrap().unwrap();
    // A parked one is left to people.
    let parked = JobOutcome::Parked { error: "no".into() };
    assert!(store.finish(third.id, third.fence, &parked).await.unwrap());
    rouse(130).await;
    let new = store.lease(&["tell"], at(130), at(140)).await.unwrap().unwrap();
    assert_ne!(new.id, first.id);
}

/// Many workers, each job once.
pub async fn a_job_has_one_worker(db: TestDatabase) {
    for at in 0..10 {
        db.database.enqueue(&job("sweep", &at.to_string(), 0)).await.unwrap();
    }
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let database = db.database.clone();
        tasks.push(tokio::spawn(async move { database.lease(&["sweep"], at(0), at(30)).await.unwrap() }));
    }
    let mut leased = Vec::new();
    for task in tasks {
        leased.extend(task.await.unwrap().map(|job| job.id));
    }
    let different: HashSet<JobId> = leased.iter().copied().collect();
    assert_eq!(different.len(), leased.len(), "none twice");
    assert!(!leased.is_empty());
}

/// Old keys go, a bounded number at a time.
pub async fn old_answers_are_purged(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let mut changes = LaneChanges { lanes: vec![mark(&sale)], ..LaneChanges::default() };
    let caller = UserId::new(id());
    changes.answers = (0..10).map(|n| answer(caller, &n.to_string(), at(n))).collect();
    write(&db.database, &changes).await.unwrap();
    assert_eq!(db.database.purge_answers(at(0), 9).await.unwrap(), 0);
    assert_eq!(db.database.purge_answers(at(5), 3).await.unwrap(), 3);
    assert_eq!(db.database.purge_answers(at(5), 3).await.unwrap(), 2);
    assert_eq!(db.database.purge_answers(at(5), 3).await.unwrap(), 0);
}

/// Ends its jobs when as many run as there are seats.
struct Meeting {
    kind: &'static str,
    seats: Arc<Barrier>,
    at_once: usize,
}

#[async_trait]
impl JobHandler for Meeting {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn recurs(&self) -> bool {
        false
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn run(&self, _job: &LeasedJob) -> Result<JobOutcome, AppError> {
        self.seats.wait().await;
        Ok(JobOutcome::Done)
    }
}

/// A worker does as many jobs of a kind at once as its handler says, and what hangs in one kind holds up no other.
pub async fn kinds_have_their_places_apart(db: TestDatabase) {
    let store = Arc::new(db.database.clone());
    let mails = Meeting { kind: "mail", seats: Arc::new(Barrier::new(3)), at_once: 3 };
    let never = Meeting { kind: "sweep", seats: Arc::new(Barrier::new(2)), at_once: 1 };
    for subject in ["a", "b"] {
        store.enqueue(&job("sweep", subject, 0)).await.unwrap();
    }
    for subject in ["a", "b", "c", "d", "e", "f"] {
        store.enqueue(&job("mail", subject, 1)).await.unwrap();
    }
    let handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(mails), Arc::new(never)];
    let clock = TestClock::default();
    let now = clock.now();
    let worker = Worker::new(store.clone(), Arc::new(clock), Arc::new(SystemIds::default()), handlers);
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::new(worker).work(stop.clone()));
    let one_of_two_hangs = JobCounts { waiting: 1, running: 1, ..JobCounts::default() };
    let all_mails_done = async {
        while store.counts(now).await.unwrap() != one_of_two_hangs {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_mails_done).await.expect("three mails at a time");
    stop.cancel();
    working.await.unwrap();
}

/// Does its jobs when it is awake.
struct Sleeper(Arc<AtomicBool>);

#[async_trait]
impl JobHandler for Sleeper {
    fn kind(&self) -> &'static str {
        "mail"
    }

    fn recurs(&self) -> bool {
        false
    }

    fn rests(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    async fn run(&self, _job: &LeasedJob) -> Result<JobOutcome, AppError> {
        Ok(JobOutcome::Done)
    }
}

/// Jobs whose handler rests keep their places, and others are done meanwhile.
pub async fn what_rests_keeps_its_place(db: TestDatabase) {
    let store = Arc::new(db.database.clone());
    store.enqueue(&job("mail", "a", 0)).await.unwrap();
    store.enqueue(&job("sweep", "b", 1)).await.unwrap();
    let awake = Arc::new(AtomicBool::new(false));
    let sweep = Meeting { kind: "sweep", seats: Arc::new(Barrier::new(1)), at_once: 1 };
    let handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(Sleeper(awake.clone())), Arc::new(sweep)];
    let clock = Arc::new(TestClock::default());
    let worker = Worker::new(store.clone(), clock.clone(), Arc::new(SystemIds::default()), handlers);
    assert!(worker.work_once().await && !worker.work_once().await);
    assert_eq!(store.counts(clock.now()).await.unwrap().waiting, 1);
    awake.store(true, Ordering::Relaxed);
    assert!(worker.work_once().await && !worker.work_once().await);
    assert_eq!(store.counts(clock.now()).await.unwrap(), JobCounts::default());
}
