//! `AuditSeals` and `AuditTrail`: what is sealed stays, and whatever somebody does to it is found.

use std::sync::Arc;

use adapter_sql::Database;
use adapter_system::{AesSealer, Ed25519Signer, MasterKey, SystemIds, SystemRandom};
use application::audit::{AuditPorts, AuditReport, EraseAudit, PruneAudit, SealAudit, VerifyAudit};
use application::clock::Clock;
use application::jobs::{JobHandler, LeasedJob};
use application::journal::AuditRow;
use application::origin::Actor;
use application::store::Store;
use chrono::TimeDelta;
use domain::booking::{Buyer, Sale};
use domain::{JobId, UserId};

use super::fixture::{assert_sound, at, booking, buyer, holds, id, line, now, personal, stored_concert, write};
use crate::clock::TestClock;
use crate::databases::{Engine, TestDatabase};

fn ports(database: &Database, clock: &TestClock) -> AuditPorts {
    AuditPorts {
        seals: Arc::new(database.clone()),
        signer: Arc::new(Ed25519Signer),
        sealer: Arc::new(AesSealer::try_new(&MasterKey::new([7; 32])).unwrap()),
        random: Arc::new(SystemRandom),
        clock: Arc::new(clock.clone()),
        ids: Arc::new(SystemIds::default()),
    }
}

/// Runs a recurring job once.
///
/// # Panics
/// When it fails.
pub async fn run(handler: &dyn JobHandler) {
    run_for(handler, "").await;
}

/// The same with a subject.
///
/// # Panics
/// When it fails.
pub async fn run_for(handler: &dyn JobHandler, subject: &str) {
    let job = LeasedJob {
        id: JobId::new(id()),
        kind: handler.kind().into(),
        subject: subject.into(),
        payload: "{}".into(),
        attempts: 0,
        fence: 1,
    };
    handler.run(&job).await.unwrap();
}

pub(super) async fn seal(db: &TestDatabase, clock: &TestClock) {
    run(&SealAudit { ports: ports(&db.database, clock) }).await;
}

pub(super) async fn verify(db: &TestDatabase, kept: Option<(u64, [u8; 32])>) -> AuditReport {
    let verification = VerifyAudit {
        trails: Arc::new(db.database.clone()),
        signer: Arc::new(Ed25519Signer),
        sealer: Arc::new(AesSealer::try_new(&MasterKey::new([7; 32])).unwrap()),
    };
    verification.verify(kept).await.unwrap()
}

fn clock() -> TestClock {
    let clock = TestClock::default();
    clock.step(now() - clock.now());
    clock
}

/// Books so often, one commit each, and tells from where.
async fn book(db: &TestDatabase, sale: &Sale, times: usize) {
    for _ in 0..times {
        let mut changes = holds(sale, &[booking(sale, buyer(), 1, Some(at(900)))]);
        for line in &mut changes.audit {
            line.personal = Some(personal("192.0.2.1"));
        }
        write(&db.database, &changes).await.unwrap();
    }
}

/// A line of the platform, by a unit of work.
async fn note(db: &TestDatabase, sale: &Sale) {
    let of = booking(sale, buyer(), 1, None);
    let user = UserId::new(id());
    let line = AuditRow { organizer: None, actor: Actor::User(user), action: "user.noted", ..line(&of) };
    let mut unit = db.database.begin().await.unwrap();
    unit.append_audit(&[AuditRow { object_kind: "user", object: user.uuid(), ..line }]).await.unwrap();
    unit.commit().await.unwrap();
}

/// Every line is sealed into the chain of its tenant, whoever has written it; nothing is sealed twice.
pub async fn lines_are_sealed_and_verify(db: TestDatabase) {
    let clock = clock();
    let (one, other) = (stored_concert(&db, None, None).await, stored_concert(&db, None, None).await);
    book(&db, &one, 3).await;
    note(&db, &one).await;
    let waiting = verify(&db, None).await;
    assert_eq!((waiting.lines, waiting.unsealed, waiting.blocks), (4, 4, 0), "{waiting:?}");
    assert_eq!(waiting.findings, []);
    seal(&db, &clock).await;
    book(&db, &one, 1).await;
    book(&db, &other, 2).await;
    seal(&db, &clock).await;
    seal(&db, &clock).await;
    let report = verify(&db, None).await;
    assert_eq!(report.findings, []);
    let seen = (report.lines, report.unsealed, report.chains, report.blocks, report.checkpoints);
    assert_eq!(seen, (7, 0, 3, 4, 1), "{report:?}");
    clock.step(TimeDelta::minutes(2));
    seal(&db, &clock).await;
    let report = verify(&db, None).await;
    assert_eq!((report.checkpoints, &report.findings), (2, &Vec::new()), "the ends that had moved are signed");
    assert_sound(&db).await;
    let many: Vec<_> = (0..2_500).map(|_| booking(&one, buyer(), 1, Some(at(900)))).collect();
    write(&db.database, &holds(&one, &many)).await.unwrap();
    seal(&db, &clock).await;
    let report = verify(&db, None).await;
    assert_eq!((report.lines, report.unsealed, report.blocks), (2_507, 0, 7), "blocks have a bound");
    assert_eq!(report.findings, []);
}

/// What somebody may do behind the back of the program, in SQL of both engines, and what is found.
const TAMPERED: &[(&str, &str)] = &[
    ("UPDATE audit_log SET after_state = '{\"status\":\"confirmed\"}' WHERE id = {first}", "changed"),
    ("UPDATE audit_log SET action = 'booking.renewed' WHERE id = {first}", "changed"),
    ("UPDATE audit_log SET personal = '{\"address\":\"192.0.2.2\"}' WHERE id = {first}", "changed"),
    ("UPDATE audit_log SET personal = NULL WHERE id = {first}", "changed"),
    ("UPDATE audit_log SET organizer_id = NULL WHERE id = {first}", "changed"),
    ("UPDATE audit_log SET occurred_at = occurred_at + 1 WHERE id = {first}", "changed"),
    ("DELETE FROM audit_log WHERE id = {first}", "removed"),
    ("DELETE FROM audit_log", "removed"),
    // Two lines change places.
    (
        "UPDATE audit_log SET id = {new} WHERE id = {first}; UPDATE audit_log SET id = {first} WHERE id = {second};
         UPDATE audit_log SET id = {second} WHERE id = {new}",
        "changed",
    ),
    (
        "INSERT INTO audit_log (id, object, organizer_id, actor_user_id, occurred_at, actor_kind, action, object_kind,
            before_state, after_state, correlation_id) SELECT {new}, object, organizer_id, actor_user_id, occurred_at,
            actor_kind, action, object_kind, before_state, after_state, correlation_id FROM audit_log
         WHERE id = {first}",
        "inserted",
    ),
    ("UPDATE audit_blocks SET sealed_at = sealed_at + 1 WHERE number = 1", "block"),
    ("UPDATE audit_blocks SET previous = digest WHERE number = 2", "block"),
    ("DELETE FROM audit_blocks WHERE number = 2", "gap"),
    ("UPDATE audit_blocks SET number = 9 WHERE number = 2", "gap"),
    ("DELETE FROM audit_blocks WHERE number = 3", "truncated"),
    // The end is cut off with all that tells of it but the checkpoint.
    (
        "DELETE FROM audit_log WHERE id = {last}; DELETE FROM audit_blocks WHERE number = 3;
         UPDATE audit_chains SET number = 2, digest = (SELECT digest FROM audit_blocks WHERE number = 2)",
        "truncated",
    ),
    ("DELETE FROM audit_log; DELETE FROM audit_blocks; DELETE FROM audit_chains", "truncated"),
    ("UPDATE audit_checkpoints SET at = at + 1 WHERE number = 1", "checkpoint"),
    ("UPDATE audit_checkpoints SET signature = heads WHERE number = 1", "checkpoint"),
    ("DELETE FROM audit_checkpoints WHERE number = 1", "checkpoint"),
    ("UPDATE audit_keys SET public_key = (SELECT digest FROM audit_blocks WHERE number = 1)", "key"),
];

/// What is changed or removed before it is sealed is found as well: at once, and once it is sealed.
pub async fn tampering_with_lines_that_wait_is_found(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    book(&db, &sale, 3).await;
    let order = "(SELECT id FROM audit_log ORDER BY id LIMIT 1)";
    db.tamper(&format!("UPDATE audit_log SET after_state = '{{}} ' WHERE id = {order}")).await;
    db.tamper("DELETE FROM audit_log WHERE id = (SELECT id FROM audit_log ORDER BY id DESC LIMIT 1)").await;
    for unsealed in [3, 0] {
        let report = verify(&db, None).await;
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.what).collect();
        assert_eq!((report.unsealed, found.as_slice()), (unsealed, &["changed", "removed"][..]), "{report:?}");
        seal(&db, &clock).await;
    }
}

/// Lines of a release that hashed them when it sealed them are sealed too.
pub async fn lines_that_wait_without_digests_are_sealed(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    book(&db, &sale, 2).await;
    db.tamper("UPDATE audit_unsealed SET digests = NULL, commitments = NULL").await;
    book(&db, &sale, 1).await;
    assert_eq!(verify(&db, None).await.findings, []);
    seal(&db, &clock).await;
    let report = verify(&db, None).await;
    assert_eq!((report.lines, report.unsealed, report.findings), (3, 0, Vec::new()));
}

/// All that the trail is made of.
const TABLES: [&str; 5] = ["audit_log", "audit_blocks", "audit_chains", "audit_checkpoints", "audit_keys"];

/// A changed, removed, reordered or inserted line is found, and so is an end that was cut off.
pub async fn tampering_is_found(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut changes = holds(&sale, &[booking(&sale, buyer(), 1, None), booking(&sale, buyer(), 1, None)]);
        changes.audit[0].personal = Some(personal("192.0.2.1"));
        ids.extend(changes.audit.iter().map(|line| line.id));
        write(&db.database, &changes).await.unwrap();
        seal(&db, &clock).await;
        clock.step(TimeDelta::minutes(2));
    }
    let kept = verify(&db, None).await.newest.unwrap();
    let name = |id: uuid::Uuid| match db.engine {
        Engine::Sqlite => format!("x'{}'", id.simple()),
        Engine::Postgres => format!("'{id}'"),
    };
    let names = [("{first}", ids[0]), ("{second}", ids[1]), ("{last}", ids[5]), ("{new}", id())];
    for table in TABLES {
        db.tamper(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
    }
    for (sql, what) in TAMPERED {
        assert_eq!(verify(&db, Some(kept)).await.findings, []);
        let sql = names.iter().fold((*sql).to_owned(), |sql, (word, id)| sql.replace(word, &name(*id)));
        db.tamper(&sql).await;
        let found: Vec<&str> = verify(&db, None).await.findings.iter().map(|finding| finding.what).collect();
        assert!(found.contains(what), "{sql}: {found:?}");
        for table in TABLES {
            db.tamper(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}")).await;
        }
    }
    let others = verify(&db, Some((kept.0, [1; 32]))).await.findings;
    assert_eq!(others[0].what, "checkpoint", "{others:?}");
    for table in &TABLES[..4] {
        db.tamper(&format!("DELETE FROM {table}")).await;
    }
    assert_eq!(verify(&db, None).await.findings, [], "nothing is left that could tell");
    assert_eq!(verify(&db, Some(kept)).await.findings[0].what, "truncated", "but what was kept elsewhere does");
}

/// Two workers at once make one chain of each tenant, and seal each line once.
pub async fn two_sealers_make_one_chain(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    let other = db.open().await;
    for _ in 0..10 {
        book(&db, &sale, 4).await;
        let (one, two) = (SealAudit { ports: ports(&db.database, &clock) }, SealAudit { ports: ports(&other, &clock) });
        tokio::join!(run(&one), run(&two));
    }
    seal(&db, &clock).await;
    let report = verify(&db, None).await;
    assert_eq!((report.lines, report.unsealed, report.chains), (40, 0, 1), "{report:?}");
    assert_eq!(report.findings, []);
}

/// Lines whose time is over go with their blocks; what is left verifies, and nobody else can say that theirs was over.
pub async fn the_beginning_goes_and_the_rest_verifies(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    book(&db, &sale, 3).await;
    seal(&db, &clock).await;
    book(&db, &sale, 2).await;
    seal(&db, &clock).await;
    clock.step(TimeDelta::days(300));
    book(&db, &sale, 2).await;
    seal(&db, &clock).await;
    let prune = PruneAudit { ports: ports(&db.database, &clock), kept_for: TimeDelta::days(365) };
    run(&prune).await;
    assert_eq!(verify(&db, None).await.lines, 7, "nothing is old enough");
    clock.step(TimeDelta::days(66));
    run(&prune).await;
    let report = verify(&db, None).await;
    assert_eq!((report.lines, report.blocks), (2, 1), "{report:?}");
    assert_eq!(report.findings, []);
    book(&db, &sale, 1).await;
    seal(&db, &clock).await;
    assert_eq!(verify(&db, None).await.findings, []);
    assert_sound(&db).await;
    db.tamper("UPDATE audit_chains SET pruned_before = pruned_before + 1").await;
    assert_eq!(verify(&db, None).await.findings[0].what, "anchor");
}

/// What an account has caused, and what is about its bookings, loses its personal fields; others keep theirs, and the
/// chain verifies.
pub async fn personal_fields_are_erased_and_the_rest_verifies(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock());
    let (mine, theirs) = (buyer(), buyer());
    let Buyer::Account(me) = mine.clone() else { panic!("an account") };
    for (of, times) in [(&mine, 2), (&theirs, 1), (&mine, 1)] {
        let bookings: Vec<_> = (0..times).map(|_| booking(&sale, of.clone(), 1, None)).collect();
        let mut changes = holds(&sale, &bookings);
        for line in &mut changes.audit {
            line.personal = Some(personal("192.0.2.1"));
        }
        write(&db.database, &changes).await.unwrap();
        seal(&db, &clock).await;
    }
    // About somebody else, and caused by the account.
    let by_me = AuditRow {
        organizer: None,
        actor: Actor::User(me),
        object_kind: "user",
        personal: Some(personal("192.0.2.9")),
        ..line(&booking(&sale, theirs.clone(), 1, None))
    };
    // Somebody who had no name yet, about the account and about another one.
    let unnamed = |object| AuditRow {
        actor: Actor::Anonymous,
        object,
        personal: Some(personal("192.0.2.10")),
        ..AuditRow { id: id(), ..by_me.clone() }
    };
    let about = [unnamed(me.uuid()), unnamed(id())];
    let mut unit = db.database.begin().await.unwrap();
    unit.append_audit(&about).await.unwrap();
    unit.append_audit(&[by_me]).await.unwrap();
    unit.commit().await.unwrap();
    seal(&db, &clock).await;
    let erase = EraseAudit { seals: Arc::new(db.database.clone()), clock: Arc::new(clock.clone()) };
    for _ in 0..2 {
        run_for(&erase, &me.to_string()).await;
        let report = verify(&db, None).await;
        assert_eq!((report.lines, report.erased, report.findings), (7, 5, Vec::new()));
    }
    db.tamper("UPDATE audit_log SET personal = '{\"address\":\"192.0.2.1\"}' WHERE personal IS NULL").await;
    let findings = verify(&db, None).await.findings;
    assert_eq!(findings.len(), 5, "what was erased is not put back: {findings:?}");
}
