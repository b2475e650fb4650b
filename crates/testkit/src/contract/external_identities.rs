//! `ExternalIdentityRepository` and its reads: who one is elsewhere, and one-time codes.

use application::identity::ExternalIdentityReads;
use application::store::{Store, StoreError, UnitOfWork};
use domain::identity::{ExternalIdentity, ExternalSubject, Role, SignInCode, TokenHash};
use domain::{ExternalIdentityId, Timestamp, UserId};

use super::fixture::{account, at, id, now};
use crate::databases::TestDatabase;

async fn begin(db: &TestDatabase) -> Box<dyn UnitOfWork> {
    db.database.begin().await.unwrap()
}

/// An account that is stored.
async fn stored(db: &TestDatabase) -> UserId {
    let account = account(Role::User);
    let mut unit = begin(db).await;
    unit.insert_users(std::slice::from_ref(&account)).await.unwrap();
    unit.commit().await.unwrap();
    account.user.id
}

fn identity(user: UserId, issuer: &str, subject: &str) -> ExternalIdentity {
    let who = ExternalSubject { issuer: issuer.into(), subject: subject.into() };
    ExternalIdentity { id: ExternalIdentityId::new(id()), user, provider: "club".into(), who, linked_at: now() }
}

fn code(number: u8, user: UserId, expires_at: Timestamp) -> SignInCode {
    let (hash, binding) = (TokenHash::new([number; 32]), TokenHash::new([9; 32]));
    SignInCode { hash, user, user_version: 3, binding, expires_at }
}

/// An identity is read as it was written, by its subject and by its account, and is gone once it is deleted. Subjects of
/// two issuers are two, and so are those that differ in case alone.
pub async fn an_identity_is_kept(db: TestDatabase) {
    let (me, other) = (stored(&db).await, stored(&db).await);
    let mine = [
        identity(me, "https://a.example", "7"),
        identity(me, "https://b.example", "7"),
        identity(me, "https://a.example", "Ab"),
    ];
    let theirs = identity(other, "https://a.example", "ab");
    let mut unit = begin(&db).await;
    for one in mine.iter().chain([&theirs]) {
        unit.insert_external_identity(one).await.unwrap();
    }
    assert_eq!(unit.external_identities(me).await.unwrap(), mine, "in the order of their ids");
    unit.commit().await.unwrap();
    let mut unit = begin(&db).await;
    for one in mine.iter().chain([&theirs]) {
        assert_eq!(unit.external_identity(&one.who).await.unwrap().as_ref(), Some(one));
    }
    let nobody = ExternalSubject { issuer: "https://a.example".into(), subject: "8".into() };
    assert_eq!(unit.external_identity(&nobody).await.unwrap(), None);
    unit.delete_external_identity(mine[0].id).await.unwrap();
    unit.delete_external_identity(mine[0].id).await.unwrap();
    assert_eq!(unit.external_identity(&mine[0].who).await.unwrap(), None);
    unit.commit().await.unwrap();
    assert_eq!(db.database.external_identities(me).await.unwrap(), mine[1..]);
    assert_eq!(db.database.external_identities(other).await.unwrap(), [theirs]);
}

/// A subject belongs to one account, also where two link it at the same time; and to one that is there.
pub async fn a_subject_is_linked_once(db: TestDatabase) {
    let (me, other) = (stored(&db).await, stored(&db).await);
    let mut unit = begin(&db).await;
    unit.insert_external_identity(&identity(me, "https://a.example", "7")).await.unwrap();
    unit.commit().await.unwrap();
    let again = begin(&db).await.insert_external_identity(&identity(other, "https://a.example", "7")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let nobodys =
        begin(&db).await.insert_external_identity(&identity(UserId::new(id()), "https://a.example", "8")).await;
    assert!(matches!(nobodys, Err(StoreError::Conflict(_))), "{nobodys:?}");
    let mut tasks = Vec::new();
    for user in [me, other] {
        let database = db.database.clone();
        tasks.push(tokio::spawn(async move {
            let mut unit = database.begin().await.unwrap();
            unit.insert_external_identity(&identity(user, "https://b.example", "7")).await?;
            unit.commit().await
        }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
}

/// A code is read as it was written, taken by one, also where two come at once, and gone when its time is over.
pub async fn a_code_is_taken_once(db: TestDatabase) {
    let me = stored(&db).await;
    let (first, late, lapsed) = (code(1, me, at(60)), code(2, me, at(60)), code(3, me, at(-1)));
    let mut unit = begin(&db).await;
    for one in [&first, &late, &lapsed] {
        unit.insert_sign_in_code(one).await.unwrap();
    }
    unit.commit().await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (database, hash) = (db.database.clone(), first.hash);
        tasks.push(tokio::spawn(async move {
            let mut unit = database.begin().await.unwrap();
            let taken = unit.take_sign_in_code(&hash).await.unwrap();
            unit.commit().await.unwrap();
            taken
        }));
    }
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap());
    }
    assert_eq!(taken, std::slice::from_ref(&first));
    let mut unit = begin(&db).await;
    assert_eq!(unit.sign_in_code(&first.hash).await.unwrap(), None);
    assert_eq!(unit.sign_in_code(&late.hash).await.unwrap().as_ref(), Some(&late));
    unit.delete_lapsed_sign_in_codes(now()).await.unwrap();
    assert_eq!(unit.sign_in_code(&lapsed.hash).await.unwrap(), None);
    assert!(unit.sign_in_code(&late.hash).await.unwrap().is_some());
    drop(unit);
    assert!(begin(&db).await.sign_in_code(&lapsed.hash).await.unwrap().is_some(), "dropping rolls back");
}
