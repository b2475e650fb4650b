//! Mails as jobs: written with the change that causes them, sent at least once, given up after a while, and never
//! readable while they wait.

use std::sync::Arc;
use std::time::Duration;

use adapter_mail::{Destination, MailSettings, SmtpSettings, SystemMailer};
use adapter_system::{AesSealer, MasterKey, SystemIds};
use application::clock::Clock;
use application::error::AppError;
use application::identity::Sealer;
use application::jobs::{JobCounts, JobStore, Worker};
use application::mail::{Enclosed, Enclosure, Enclosures, Mails, OrganizerInvitation, SendMail};
use application::store::Store;
use chrono::TimeDelta;
use domain::{EmailAddress, Language};
use goticket_testkit::clock::TestClock;
use goticket_testkit::databases::{Engine, TestDatabase};
use goticket_testkit::smtp::SmtpServer;

const TRIES: u32 = 3;

struct Post {
    database: TestDatabase,
    clock: TestClock,
    server: SmtpServer,
    mails: Mails,
    worker: Worker,
}

/// The mails of these tests are without any.
struct NoEnclosures;

#[async_trait::async_trait]
impl Enclosures for NoEnclosures {
    async fn enclosures(&self, _: Enclosed, _: Language) -> Result<Option<Vec<Enclosure>>, AppError> {
        Ok(None)
    }
}

impl Post {
    async fn open(engine: Engine) -> Self {
        let (clock, server) = (TestClock::default(), SmtpServer::start().await);
        let database = TestDatabase::create(engine).await;
        let sealer: Arc<dyn Sealer> = Arc::new(AesSealer::try_new(&MasterKey::new([7; 32])).unwrap());
        let ids = Arc::new(SystemIds::default());
        let smtp = SmtpSettings::parse(&format!("smtp://{}?tls=none", server.address()), Duration::from_secs(5));
        let settings =
            MailSettings { from: "shop@example.com".to_owned(), destination: Destination::Smtp(smtp.unwrap()) };
        let send = SendMail {
            mailer: Arc::new(SystemMailer::try_new(&settings).unwrap()),
            enclosures: Arc::new(NoEnclosures),
            sealer: sealer.clone(),
            clock: Arc::new(clock.clone()),
            ids: ids.clone(),
            tries_max: TRIES,
        };
        let store = Arc::new(database.database.clone());
        let worker = Worker::new(store, Arc::new(clock.clone()), ids.clone(), vec![Arc::new(send)]);
        Self { database, clock, server, mails: Mails::new(sealer, ids, "https://tickets.example.com/"), worker }
    }

    /// Invites somebody, and commits or not.
    async fn invite(&self, commits: bool) {
        let to = EmailAddress::parse("email", "ana@example.com").unwrap();
        let now = self.clock.now();
        let invitation = OrganizerInvitation {
            to: &to,
            language: Language::Polish,
            organizer: "Kino",
            token: "t0ken",
            expires_at: now + TimeDelta::days(7),
        };
        let mut unit = self.database.database.begin().await.unwrap();
        self.mails.invite_to_organizer_in_op(unit.as_mut(), invitation, now).await.unwrap();
        if commits {
            unit.commit().await.unwrap();
        }
    }

    async fn counts(&self) -> JobCounts {
        self.database.database.counts(self.clock.now()).await.unwrap()
    }
}

macro_rules! on_every_engine {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Post::open(super::Engine::Sqlite).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Post::open(super::Engine::Postgres).await).await;
            })+
        }
    };
}

on_every_engine! {
    a_mail_goes_out_with_its_change_and_not_without,
    what_waits_cannot_be_read,
    a_server_that_is_away_for_a_while_loses_nothing,
    a_mail_is_given_up_after_a_bounded_number_of_tries,
    what_is_refused_is_not_tried_again_and_goes_in_the_end,
    a_mail_that_comes_too_late_is_not_sent,
    a_mail_under_another_master_key_is_seen,
}

async fn a_mail_goes_out_with_its_change_and_not_without(post: Post) {
    post.invite(false).await;
    assert!(!post.worker.work_once().await);
    post.invite(true).await;
    assert!(post.worker.work_once().await);
    assert!(!post.worker.work_once().await, "once");
    let mails = post.server.mails();
    assert_eq!((mails.len(), &*mails[0].to), (1, &["ana@example.com".to_owned()][..]));
    assert_eq!(post.counts().await, JobCounts::default());
}

async fn what_waits_cannot_be_read(post: Post) {
    post.invite(true).await;
    let job = post.database.database.lease(&["mail.send"], post.clock.now(), post.clock.now()).await.unwrap().unwrap();
    for secret in ["t0ken", "ana", "Kino"] {
        assert!(!job.payload.contains(secret) && !job.subject.contains(secret), "{job:?}");
    }
}

async fn a_server_that_is_away_for_a_while_loses_nothing(post: Post) {
    post.invite(true).await;
    for _ in 1..TRIES {
        post.server.answer_next("451 later");
        assert!(post.worker.work_once().await);
        assert_eq!(post.counts().await.waiting, 1);
        post.clock.step(TimeDelta::hours(1));
    }
    assert!(post.worker.work_once().await);
    assert_eq!(post.server.mails().len(), 1);
    assert_eq!(post.counts().await, JobCounts::default());
}

async fn a_mail_is_given_up_after_a_bounded_number_of_tries(post: Post) {
    post.invite(true).await;
    for _ in 0..TRIES {
        post.server.answer_next("451 later");
        assert!(post.worker.work_once().await);
        post.clock.step(TimeDelta::hours(1));
    }
    assert!(!post.worker.work_once().await);
    assert!(post.server.mails().is_empty());
    assert_eq!(post.counts().await, JobCounts { undelivered: 1, ..JobCounts::default() });
}

async fn what_is_refused_is_not_tried_again_and_goes_in_the_end(post: Post) {
    post.invite(true).await;
    post.server.answer_next("550 unknown");
    assert!(post.worker.work_once().await);
    post.clock.step(TimeDelta::hours(1));
    assert!(!post.worker.work_once().await);
    assert_eq!(post.counts().await, JobCounts { undelivered: 1, ..JobCounts::default() });
    let store = &post.database.database;
    assert_eq!(store.purge_parked("mail.send", post.clock.now() - TimeDelta::hours(1), 9).await.unwrap(), 0);
    assert_eq!(store.purge_parked("other", post.clock.now(), 9).await.unwrap(), 0);
    assert_eq!(store.purge_parked("mail.send", post.clock.now(), 9).await.unwrap(), 1);
    assert_eq!(post.counts().await, JobCounts::default());
}

async fn a_mail_that_comes_too_late_is_not_sent(post: Post) {
    post.invite(true).await;
    post.clock.step(TimeDelta::days(7));
    assert!(post.worker.work_once().await);
    assert!(post.server.mails().is_empty());
    assert_eq!(post.counts().await, JobCounts::default());
}

async fn a_mail_under_another_master_key_is_seen(post: Post) {
    let sealer: Arc<dyn Sealer> = Arc::new(AesSealer::try_new(&MasterKey::new([8; 32])).unwrap());
    let other = Post { mails: Mails::new(sealer, Arc::new(SystemIds::default()), "https://h"), ..post };
    other.invite(true).await;
    assert!(other.worker.work_once().await);
    assert_eq!(other.counts().await, JobCounts { undelivered: 1, ..JobCounts::default() });
}
