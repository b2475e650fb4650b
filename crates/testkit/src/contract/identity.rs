//! `IdentityRepository` and [`IdentityReads`].

use application::identity::{ApiKeyReads, IdentityReads, RevokedKey, StoredSigningKey, UserInsert};
use application::store::{Store, StoreError, UnitOfWork};
use chrono::TimeDelta;
use domain::identity::{
    Account, ApiKey, Device, EmailChange, EndReason, MailedPurpose, MailedToken, NewApiKey, PasswordHash, Role, Scope,
    Session, SessionEnd, SessionLifetimes, TokenHash, User,
};
use domain::{ApiKeyId, EmailAddress, Language, Limit, SessionId, SigningKeyId, UserId};

use super::fixture::{account, answer, at, id, now, stored_concert, stored_organizer};
use crate::databases::{Engine, TestDatabase};

async fn begin(db: &TestDatabase) -> Box<dyn UnitOfWork> {
    db.database.begin().await.unwrap()
}

async fn stored(db: &TestDatabase, role: Role) -> Account {
    let account = account(role);
    let mut unit = begin(db).await;
    assert_eq!(unit.insert_user(&account).await.unwrap(), UserInsert::Inserted);
    unit.commit().await.unwrap();
    account
}

/// An address belongs to one account; a second insert says so, and the transaction goes on.
pub async fn an_address_is_taken_once(db: TestDatabase) {
    let mut first = account(Role::User);
    first.password = Some(PasswordHash::new("$2b$12$abc".into()));
    let mut second = account(Role::User);
    second.user.email = first.user.email.clone();
    let mut unit = begin(&db).await;
    assert_eq!(unit.insert_user(&first).await.unwrap(), UserInsert::Inserted);
    assert_eq!(unit.insert_user(&second).await.unwrap(), UserInsert::EmailTaken);
    assert_eq!(unit.user_by_id(first.user.id).await.unwrap().as_ref(), Some(&first.user));
    assert_eq!(unit.user_by_id(second.user.id).await.unwrap(), None);
    unit.commit().await.unwrap();
    let found = db.database.account_by_email(&first.user.email).await.unwrap().unwrap();
    assert_eq!((found.user, found.password), (first.user.clone(), first.password.clone()));
    let unknown = EmailAddress::parse("email", "nobody@example.com").unwrap();
    assert!(db.database.account_by_email(&unknown).await.unwrap().is_none());
    let mut unit = begin(&db).await;
    let taken = unit.insert_users(&[second]).await.unwrap_err();
    assert!(matches!(&taken, StoreError::Conflict(name) if name.contains("email")), "{taken:?}");
}

/// Two registrations of one address at the same time: one waits for the other, and one wins.
pub async fn one_of_two_registrations_wins(db: TestDatabase) {
    let email = EmailAddress::parse("email", "twice@example.com").unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (database, email) = (db.database.clone(), email.clone());
        tasks.push(tokio::spawn(async move {
            let user = User::new(UserId::new(id()), email, None, Role::User, now());
            let mut unit = database.begin().await.unwrap();
            let outcome = unit.insert_user(&Account { user, password: None }).await.unwrap();
            unit.commit().await.unwrap();
            outcome == UserInsert::Inserted
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
}

/// What is saved of an account is read again; what does not exist cannot be saved.
pub async fn an_account_is_saved(db: TestDatabase) {
    let ana = stored(&db, Role::User).await.user;
    let mut unit = begin(&db).await;
    let locked = unit.lock_user(ana.id).await.unwrap().unwrap();
    let changed = User { role: Role::Admin, role_changed_at: Some(at(5)), version: 2, email_verified: true, ..locked };
    unit.save_user(&changed).await.unwrap();
    unit.save_password(ana.id, &PasswordHash::new("new".into())).await.unwrap();
    assert_eq!(unit.lock_admins().await.unwrap(), [ana.id]);
    unit.commit().await.unwrap();
    assert_eq!(IdentityReads::user_by_id(&db.database, ana.id).await.unwrap(), Some(changed));
    let revoked = db.database.revocations(at(5)).await.unwrap();
    assert_eq!(revoked.roles.iter().map(|role| (role.user, role.role)).collect::<Vec<_>>(), [(ana.id, Role::Admin)]);
    assert!(db.database.revocations(at(6)).await.unwrap().roles.is_empty());
    let mut unit = begin(&db).await;
    let unknown = account(Role::User).user;
    assert!(matches!(unit.save_user(&unknown).await, Err(StoreError::Defect(_))));
    drop(unit);
    let page = db.database.users(None, 9).await.unwrap();
    assert_eq!(page.len(), 1);
    assert!(db.database.users(Some(ana.id), 9).await.unwrap().is_empty());
}

/// Whoever waits for the admins sees who is one after the wait.
pub async fn demotions_are_seen_after_the_wait(db: TestDatabase) {
    let (first, second) = (stored(&db, Role::Admin).await.user, stored(&db, Role::Admin).await.user);
    let mut unit = begin(&db).await;
    assert_eq!(unit.lock_admins().await.unwrap(), [first.id, second.id]);
    let database = db.database.clone();
    let waiting = tokio::spawn(async move { database.begin().await.unwrap().lock_admins().await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    unit.save_user(&User { role: Role::User, version: 2, ..first }).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), [second.id]);
}

/// A session and its tokens, from sign-in to the broom.
pub async fn sessions_live_and_die(db: TestDatabase) {
    let user = stored(&db, Role::User).await.user.id;
    let session = Session::start(SessionId::new(id()), user, &SessionLifetimes::default(), now());
    let token = session.token(TokenHash::new([1; 32]), now());
    let mut unit = begin(&db).await;
    unit.insert_sessions(std::slice::from_ref(&session)).await.unwrap();
    unit.insert_refresh_token(&token).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = begin(&db).await;
    assert_eq!(unit.lock_session(session.id).await.unwrap().as_ref(), Some(&session));
    assert_eq!(unit.refresh_token(&token.hash).await.unwrap().as_ref(), Some(&token));
    assert_eq!(unit.refresh_token(&TokenHash::new([2; 32])).await.unwrap(), None);
    let mut spent = token.clone();
    spent.spent_at = Some(at(1));
    unit.save_refresh_token(&spent).await.unwrap();
    let ended = Some(SessionEnd { at: at(2), reason: EndReason::Logout });
    let ended = Session { generation: 2, reissues: 1, last_used_at: at(1), ended, ..session.clone() };
    unit.save_session(&ended).await.unwrap();
    assert_eq!(unit.refresh_token(&token.hash).await.unwrap(), Some(spent));
    assert_eq!(unit.lock_session(session.id).await.unwrap(), Some(ended));
    unit.commit().await.unwrap();
    let revoked = db.database.revocations(at(2)).await.unwrap().sessions;
    assert_eq!(revoked.iter().map(|end| (end.session, end.at)).collect::<Vec<_>>(), [(session.id, at(2))]);
    let mut unit = begin(&db).await;
    assert_eq!(unit.delete_dead_sessions(at(2), Limit::default()).await.unwrap(), 0);
    assert_eq!(unit.delete_dead_sessions(at(3), Limit::default()).await.unwrap(), 1);
    assert_eq!(unit.refresh_token(&token.hash).await.unwrap(), None, "tokens go with their session");
    let twice = [session.clone(), session];
    assert!(matches!(unit.insert_sessions(&twice).await, Err(StoreError::Conflict(_))));
}

/// Signing keys are made by one at a time; readers are not held up.
pub async fn signing_keys_are_made_by_one(db: TestDatabase) {
    let key = |at: i64| StoredSigningKey {
        id: SigningKeyId::new(id()),
        public_key: [3; 32],
        sealed_private_key: vec![1, 2, 3],
        created_at: now() + TimeDelta::seconds(at),
        retired_at: None,
    };
    let (newer, older) = (key(9), key(1));
    let mut unit = begin(&db).await;
    unit.lock_signing_keys().await.unwrap();
    assert_eq!(unit.seal_check().await.unwrap(), None);
    unit.insert_seal_check(b"sealed").await.unwrap();
    unit.insert_signing_key(&newer).await.unwrap();
    unit.insert_signing_key(&older).await.unwrap();
    assert!(IdentityReads::signing_keys(&db.database).await.unwrap().is_empty(), "readers see what is committed");
    let database = db.database.clone();
    let second = tokio::spawn(async move {
        let mut unit = database.begin().await.unwrap();
        unit.lock_signing_keys().await.unwrap();
        unit.seal_check().await.unwrap()
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!second.is_finished());
    unit.commit().await.unwrap();
    assert_eq!(second.await.unwrap().as_deref(), Some(&b"sealed"[..]));
    assert_eq!(IdentityReads::signing_keys(&db.database).await.unwrap(), [older.clone(), newer]);
    let mut unit = begin(&db).await;
    unit.retire_signing_keys(at(20)).await.unwrap();
    assert!(unit.signing_keys().await.unwrap().iter().all(|key| key.retired_at == Some(at(20))));
    assert!(matches!(unit.insert_seal_check(b"again").await, Err(StoreError::Conflict(_))));
}

/// A session of nobody is refused by the database.
pub async fn sessions_have_an_owner(db: TestDatabase) {
    let nobody = Session::start(SessionId::new(id()), UserId::new(id()), &SessionLifetimes::default(), now());
    let refused = begin(&db).await.insert_sessions(&[nobody]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{:?} {refused:?}", db.engine == Engine::Sqlite);
}

/// A key is read as it was written, found by its digest alone; its revocation is told, its use written once a minute.
pub async fn api_keys_are_kept(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let (theirs, _) = stored_organizer(&db).await;
    let sale = stored_concert(&db, None, None).await;
    let make = |number: u8, expires_at| {
        let event = Some(sale.event.id).filter(|_| number == 2);
        let scopes = [Scope::EventsRead, Scope::BookingsWrite].into();
        let new = NewApiKey { name: "Zażółć".into(), scopes, event, expires_at };
        let secret = (TokenHash::new([number; 32]), format!("gtk_{number}"));
        ApiKey::try_new(ApiKeyId::new(id()), ours.id, &new, secret, owner.user, now()).unwrap()
    };
    let (first, second) = (make(1, Some(at(60))), make(2, None));
    let mut unit = begin(&db).await;
    for key in [&first, &second] {
        unit.insert_api_key(key).await.unwrap();
    }
    assert_eq!(unit.count_api_keys(ours.id, now()).await.unwrap(), 2);
    assert_eq!(unit.count_api_keys(ours.id, at(60)).await.unwrap(), 1, "one has expired");
    assert_eq!(unit.count_api_keys(theirs.id, now()).await.unwrap(), 0);
    unit.commit().await.unwrap();
    let doubled = ApiKey { id: ApiKeyId::new(id()), ..first.clone() };
    assert!(matches!(begin(&db).await.insert_api_key(&doubled).await, Err(StoreError::Conflict(_))));
    let reads = &db.database;
    assert_eq!(reads.api_key_by_hash(&first.hash).await.unwrap().as_ref(), Some(&first));
    assert_eq!(reads.api_key_by_hash(&TokenHash::new([9; 32])).await.unwrap(), None);
    assert_eq!(reads.api_key(theirs.id, first.id).await.unwrap(), None);
    assert_eq!(reads.api_keys(ours.id, None, 1).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(reads.api_keys(ours.id, Some(first.id), 9).await.unwrap(), std::slice::from_ref(&second));

    let mut unit = begin(&db).await;
    assert_eq!(unit.lock_api_key(theirs.id, first.id).await.unwrap(), None);
    let locked = unit.lock_api_key(ours.id, first.id).await.unwrap().unwrap();
    let revoked = locked.revoke(at(5)).unwrap();
    unit.save_api_key(&revoked).await.unwrap();
    assert_eq!(unit.count_api_keys(ours.id, now()).await.unwrap(), 1);
    unit.save_api_key_uses(&[(second.id, at(10)), (ApiKeyId::new(id()), at(10))]).await.unwrap();
    unit.save_api_key_uses(&[(second.id, at(69))]).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(reads.api_key(ours.id, first.id).await.unwrap(), Some(revoked));
    assert_eq!(reads.api_key(ours.id, second.id).await.unwrap().unwrap().last_used_at, Some(at(10)));
    let mut unit = begin(&db).await;
    unit.save_api_key_uses(&[(second.id, at(70))]).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(reads.api_key(ours.id, second.id).await.unwrap().unwrap().last_used_at, Some(at(70)));
    let told = |since| async move { reads.revocations(since).await.unwrap().keys };
    assert_eq!(told(at(5)).await, [RevokedKey { key: first.id, at: at(5) }]);
    assert_eq!(told(at(6)).await, []);
}

/// A mailed token is taken once, also by two at once.
pub async fn a_mailed_token_is_taken_once(db: TestDatabase) {
    let user = stored(&db, Role::User).await.user;
    let issue = |number: u8, purpose, at| {
        MailedToken::issue(TokenHash::new([number; 32]), user.id, purpose, user.email.clone(), at)
    };
    let token = issue(1, MailedPurpose::ResetPassword, now());
    let other = issue(2, MailedPurpose::VerifyEmail, at(5));
    let mut unit = begin(&db).await;
    unit.insert_mailed_token(&token).await.unwrap();
    unit.insert_mailed_token(&other).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(IdentityReads::mailed_token(&db.database, &token.hash).await.unwrap().as_ref(), Some(&token));
    let mut unit = begin(&db).await;
    assert_eq!(unit.last_mailed(user.id, MailedPurpose::ResetPassword).await.unwrap(), Some(now()));
    assert_eq!(unit.last_mailed(user.id, MailedPurpose::ConfirmOldEmail).await.unwrap(), None);
    assert_eq!(unit.take_mailed_token(&token.hash).await.unwrap(), Some(token.clone()));
    let (database, hash) = (db.database.clone(), token.hash);
    let second = tokio::spawn(async move { database.begin().await.unwrap().take_mailed_token(&hash).await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!second.is_finished(), "it waits for the first");
    unit.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), None);
    let mut unit = begin(&db).await;
    unit.delete_lapsed_mailed_tokens(other.expires_at).await.unwrap();
    assert_eq!(unit.mailed_token(&other.hash).await.unwrap().as_ref(), Some(&other));
    unit.delete_lapsed_mailed_tokens(other.expires_at + TimeDelta::microseconds(1)).await.unwrap();
    assert_eq!(unit.mailed_token(&other.hash).await.unwrap(), None);
    unit.insert_mailed_token(&token).await.unwrap();
    unit.delete_mailed_tokens(user.id, &[MailedPurpose::VerifyEmail]).await.unwrap();
    assert!(unit.mailed_token(&token.hash).await.unwrap().is_some());
    unit.delete_mailed_tokens(user.id, &MailedPurpose::ALL).await.unwrap();
    assert_eq!(unit.mailed_token(&token.hash).await.unwrap(), None);
}

/// A wish for another address takes the place of an older one.
pub async fn a_wish_for_another_address_is_kept(db: TestDatabase) {
    let user = stored(&db, Role::User).await.user;
    let wish = |raw: &str, at| EmailChange::ask(user.id, EmailAddress::parse("email", raw).unwrap(), at);
    let mut unit = begin(&db).await;
    assert_eq!(unit.email_change(user.id).await.unwrap(), None);
    unit.save_email_change(&wish("one@example.com", now()).agreed_by(MailedPurpose::ConfirmOldEmail)).await.unwrap();
    let second = wish("two@example.com", at(1));
    unit.save_email_change(&second).await.unwrap();
    assert_eq!(unit.email_change(user.id).await.unwrap(), Some(second));
    unit.delete_lapsed_mailed_tokens(at(1) + TimeDelta::hours(24)).await.unwrap();
    assert!(unit.email_change(user.id).await.unwrap().is_some());
    unit.delete_lapsed_mailed_tokens(at(2) + TimeDelta::hours(24)).await.unwrap();
    assert_eq!(unit.email_change(user.id).await.unwrap(), None);
    unit.delete_email_change(user.id).await.unwrap();
}

/// An address moves only where nobody has it.
pub async fn an_address_moves_to_where_nobody_is(db: TestDatabase) {
    let (ana, bob) = (stored(&db, Role::User).await.user, stored(&db, Role::User).await.user);
    let mut unit = begin(&db).await;
    let moved = ana.with_email(EmailAddress::parse("email", "moved@example.com").unwrap());
    unit.save_email(&moved).await.unwrap();
    assert_eq!(unit.user_by_id(ana.id).await.unwrap().as_ref(), Some(&moved));
    unit.commit().await.unwrap();
    let mut unit = begin(&db).await;
    assert!(matches!(unit.save_email(&moved.with_email(bob.email)).await, Err(StoreError::Conflict(_))));
}

/// Where and why: what a session remembers, and what its owner sees of it.
pub async fn sessions_of_an_account_are_found(db: TestDatabase) {
    let (ana, bob) = (stored(&db, Role::User).await.user.id, stored(&db, Role::User).await.user.id);
    let start = |user, second| Session::start(SessionId::new(id()), user, &SessionLifetimes::default(), at(second));
    let device = Device::new(Some("Firefox"), Some("2001:db8::1".parse().unwrap()));
    let (older, newer, other) = (start(ana, 1).on(device), start(ana, 2), start(bob, 3));
    let mut unit = begin(&db).await;
    unit.insert_sessions(&[older.clone(), newer.clone(), other]).await.unwrap();
    unit.commit().await.unwrap();
    let found = db.database.sessions_of(ana, at(4), 10).await.unwrap();
    assert_eq!(found, [newer.clone(), older.clone()]);
    assert_eq!(db.database.sessions_of(ana, at(4), 1).await.unwrap(), std::slice::from_ref(&newer));
    assert!(db.database.sessions_of(ana, newer.expires_at, 10).await.unwrap().is_empty());
    let mut unit = begin(&db).await;
    assert_eq!(unit.lock_sessions_of(ana).await.unwrap(), [older.clone(), newer.clone()]);
    for reason in EndReason::ALL {
        let ended = older.end(reason, at(5)).unwrap();
        unit.save_session(&ended).await.unwrap();
        assert_eq!(unit.lock_session(older.id).await.unwrap(), Some(ended));
    }
    assert_eq!(unit.lock_sessions_of(ana).await.unwrap(), [newer]);
    unit.commit().await.unwrap();
    assert_eq!(db.database.sessions_of(ana, at(4), 10).await.unwrap().len(), 1);
}

/// What a deleted account leaves is its id.
pub async fn an_account_is_erased(db: TestDatabase) {
    let owner = stored_organizer(&db).await.1.user;
    let account = stored(&db, Role::Admin).await;
    let ana = account.user.clone().speaking(Language::Polish);
    let kept = answer(ana.id, "key", now());
    let mut unit = begin(&db).await;
    unit.keep_answer(&kept).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = begin(&db).await;
    assert!(!unit.is_only_owner(ana.id).await.unwrap());
    assert!(unit.is_only_owner(owner).await.unwrap());
    let gone = ana.deleted(at(1));
    unit.erase_user(&gone).await.unwrap();
    assert_eq!(unit.user_by_id(ana.id).await.unwrap(), Some(gone.clone()));
    assert!(unit.kept_answer(&kept.key).await.unwrap().is_none());
    unit.commit().await.unwrap();
    let read = db.database.account_by_id(ana.id).await.unwrap().unwrap();
    assert_eq!((read.user, read.password), (gone, None));
}
