//! The unit of work: all or nothing, its journals and its kept answers.

use application::store::{Store, StoreError};
use domain::UserId;
use domain::identity::Role;

use super::fixture::{account, answer, at, id, message, now};
use crate::databases::TestDatabase;

/// Dropped without a commit, nothing of it stays, and the next one is not held up.
pub async fn dropping_rolls_back(db: TestDatabase) {
    let ana = account(Role::User);
    let mut unit = db.database.begin().await.unwrap();
    let _ = unit.insert_user(&ana).await.unwrap();
    drop(unit);
    let mut unit = db.database.begin().await.unwrap();
    assert_eq!(unit.user_by_id(ana.user.id).await.unwrap(), None);
    db.database.ping().await.unwrap();
}

/// A message has an id of its own; many are appended at once.
pub async fn messages_are_appended(db: TestDatabase) {
    let rows: Vec<_> = (1..=1_500).map(|sequence| message(id(), sequence)).collect();
    let mut unit = db.database.begin().await.unwrap();
    unit.append_outbox(&rows).await.unwrap();
    unit.append_outbox(&[]).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = db.database.begin().await.unwrap();
    assert!(matches!(unit.append_outbox(&rows[..1]).await, Err(StoreError::Conflict(_))));
}

/// An answer is kept once; a lapsed one gives way.
pub async fn answers_are_kept_once(db: TestDatabase) {
    let caller = UserId::new(id());
    let first = answer(caller, "word", now());
    let mut unit = db.database.begin().await.unwrap();
    assert!(unit.kept_answer(&first.key).await.unwrap().is_none());
    unit.keep_answer(&first).await.unwrap();
    let mut other = first.key.clone();
    other.fingerprint = [9; 32];
    let kept = unit.kept_answer(&other).await.unwrap().unwrap();
    assert_eq!((kept.key.fingerprint, kept.at), ([7; 32], now()), "as it was kept, whatever asks");
    unit.commit().await.unwrap();
    let mut unit = db.database.begin().await.unwrap();
    let again = unit.keep_answer(&answer(caller, "word", at(86_399))).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    drop(unit);
    let mut unit = db.database.begin().await.unwrap();
    unit.keep_answer(&answer(caller, "word", at(86_400))).await.unwrap();
    assert_eq!(unit.kept_answer(&first.key).await.unwrap().unwrap().at, at(86_400));
    unit.commit().await.unwrap();
}
