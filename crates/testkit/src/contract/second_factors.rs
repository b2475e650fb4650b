//! `SecondFactorRepository` and [`SecondFactorReads`].

use application::identity::{SecondFactorReads, UserInsert};
use application::store::{Store, UnitOfWork};
use chrono::TimeDelta;
use domain::UserId;
use domain::identity::{Role, SecondFactor, SignInChallenge, TokenHash, User};

use super::fixture::{account, now};
use crate::databases::TestDatabase;

async fn begin(db: &TestDatabase) -> Box<dyn UnitOfWork> {
    db.database.begin().await.unwrap()
}

async fn stored(db: &TestDatabase) -> User {
    let account = account(Role::User);
    let mut unit = begin(db).await;
    assert_eq!(unit.insert_user(&account).await.unwrap(), UserInsert::Inserted);
    unit.commit().await.unwrap();
    account.user
}

const fn hash(byte: u8) -> TokenHash {
    TokenHash::new([byte; 32])
}

/// One for each account, whole, and another one in its place.
pub async fn a_second_factor_is_saved_and_replaced(db: TestDatabase) {
    let (ana, bob) = (stored(&db).await, stored(&db).await);
    let first = SecondFactor::new(ana.id, vec![1, 2, 3], now());
    let (last_step, blocked_until) = (Some(u64::from(u32::MAX) + 7), Some(now() + TimeDelta::minutes(15)));
    let sealed_seed = vec![9; 1_024];
    let whole = SecondFactor { sealed_seed, last_step, failures: 5, blocked_until, ..first.confirmed(now()) };
    let mut unit = begin(&db).await;
    assert_eq!(unit.second_factor(ana.id).await.unwrap(), None);
    unit.save_second_factor(&first).await.unwrap();
    assert_eq!(unit.second_factor(ana.id).await.unwrap().as_ref(), Some(&first));
    unit.save_second_factor(&whole).await.unwrap();
    unit.replace_recovery_codes(ana.id, &[hash(1), hash(2)]).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(db.database.second_factor_of(ana.id).await.unwrap(), Some((whole.clone(), 2)));
    assert_eq!(db.database.second_factor_of(bob.id).await.unwrap(), None);
    // Dropping rolls back.
    let mut unit = begin(&db).await;
    unit.save_second_factor(&first).await.unwrap();
    drop(unit);
    assert_eq!(db.database.second_factor_of(ana.id).await.unwrap(), Some((whole, 2)));
}

/// A recovery code is its account's, and of all that come at once one takes it.
pub async fn a_recovery_code_is_taken_once(db: TestDatabase) {
    let (ana, bob) = (stored(&db).await, stored(&db).await);
    let mut unit = begin(&db).await;
    unit.replace_recovery_codes(ana.id, &[hash(1), hash(2), hash(3)]).await.unwrap();
    unit.replace_recovery_codes(bob.id, &[hash(4)]).await.unwrap();
    assert!(!unit.take_recovery_code(ana.id, &hash(4)).await.unwrap(), "it is somebody else's");
    assert!(!unit.take_recovery_code(ana.id, &hash(5)).await.unwrap());
    unit.commit().await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (database, ana) = (db.database.clone(), ana.id);
        tasks.push(tokio::spawn(async move {
            let mut unit = database.begin().await.unwrap();
            let taken = unit.take_recovery_code(ana, &hash(1)).await.unwrap();
            unit.commit().await.unwrap();
            taken
        }));
    }
    let mut taken = 0;
    for task in tasks {
        taken += u32::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    let mut unit = begin(&db).await;
    assert_eq!(unit.count_recovery_codes(ana.id).await.unwrap(), 2);
    unit.replace_recovery_codes(ana.id, &[hash(6)]).await.unwrap();
    assert!(!unit.take_recovery_code(ana.id, &hash(2)).await.unwrap(), "it was replaced");
    assert!(unit.take_recovery_code(ana.id, &hash(6)).await.unwrap());
    assert_eq!(unit.count_recovery_codes(ana.id).await.unwrap(), 0);
    assert_eq!(unit.count_recovery_codes(bob.id).await.unwrap(), 1);
}

/// An account has so many challenges and no more; the ones that expire first give way.
pub async fn challenges_are_bounded(db: TestDatabase) {
    let (ana, bob) = (stored(&db).await, stored(&db).await);
    let mut unit = begin(&db).await;
    unit.insert_sign_in_challenge(&SignInChallenge::new(hash(100), &bob, now()), 3).await.unwrap();
    for byte in 0..5 {
        let challenge = SignInChallenge::new(hash(byte), &ana, now() + TimeDelta::seconds(i64::from(byte)));
        unit.insert_sign_in_challenge(&challenge, 3).await.unwrap();
        assert_eq!(unit.sign_in_challenge(&hash(byte)).await.unwrap(), Some(challenge));
    }
    unit.commit().await.unwrap();
    for (byte, is_there) in [(0, false), (1, false), (2, true), (3, true), (4, true), (100, true)] {
        assert_eq!(db.database.sign_in_challenge(&hash(byte)).await.unwrap().is_some(), is_there, "{byte}");
    }
    let mut unit = begin(&db).await;
    let left = unit.sign_in_challenge(&hash(2)).await.unwrap().unwrap().after_wrong_code().unwrap();
    unit.save_sign_in_challenge(&left).await.unwrap();
    assert_eq!(unit.sign_in_challenge(&hash(2)).await.unwrap(), Some(left));
    unit.delete_sign_in_challenge(&hash(3)).await.unwrap();
    unit.delete_sign_in_challenge(&hash(3)).await.unwrap();
    assert_eq!(unit.sign_in_challenge(&hash(3)).await.unwrap(), None);
    // One that expires now is still there, and worth nothing.
    unit.delete_lapsed_sign_in_challenges(now() + SignInChallenge::LIFETIME + TimeDelta::seconds(4)).await.unwrap();
    assert_eq!(unit.sign_in_challenge(&hash(2)).await.unwrap(), None);
    assert!(unit.sign_in_challenge(&hash(4)).await.unwrap().is_some());
}

/// With the second factor of an account go its codes and challenges, and nobody else's.
pub async fn all_of_it_goes_with_the_factor(db: TestDatabase) {
    let (ana, bob) = (stored(&db).await, stored(&db).await);
    let mut unit = begin(&db).await;
    for (byte, user) in [(1, &ana), (2, &bob)] {
        unit.save_second_factor(&SecondFactor::new(user.id, vec![byte], now())).await.unwrap();
        unit.replace_recovery_codes(user.id, &[hash(byte)]).await.unwrap();
        unit.insert_sign_in_challenge(&SignInChallenge::new(hash(byte), user, now()), 3).await.unwrap();
    }
    unit.delete_second_factor(ana.id).await.unwrap();
    unit.delete_second_factor(ana.id).await.unwrap();
    let mut left = async |user: UserId, byte| {
        let factor = unit.second_factor(user).await.unwrap().is_some();
        let challenge = unit.sign_in_challenge(&hash(byte)).await.unwrap().is_some();
        (factor, unit.count_recovery_codes(user).await.unwrap(), challenge)
    };
    assert_eq!(left(ana.id, 1).await, (false, 0, false));
    assert_eq!(left(bob.id, 2).await, (true, 1, true));
}
