//! `CatalogRepository` and [`CatalogReads`].

use std::time::Duration;

use application::catalog::{CatalogReads, EventCursor, EventFilter, Inside, InvitationReads, MemberCursor, SeenMember};
use application::store::{Store, StoreError};
use domain::booking::Sale;
use domain::catalog::{EventStatus, Invitation, Member, MemberRole, NewInvitation, Reach, Team};
use domain::identity::{Role, TokenHash};
use domain::{EventId, InvitationId, Limit, OrganizerId, UserId};

use super::fixture::{account, at, event, id, organizer, store_sale, stored_concert, stored_organizer, with_type};
use crate::databases::{Engine, TestDatabase};

/// A slug that is taken inserts nothing, and the transaction goes on.
pub async fn a_slug_is_taken_once(db: TestDatabase) {
    let sale = stored_concert(&db, Some(5), Some(7)).await;
    let owner = account(Role::User);
    let (first, member) = organizer(owner.user.id);
    let (mut second, second_member) = organizer(owner.user.id);
    second.slug = first.slug.clone();
    let mut unit = db.database.begin().await.unwrap();
    unit.insert_users(std::slice::from_ref(&owner)).await.unwrap();
    assert!(unit.insert_organizer(&first, &member).await.unwrap());
    assert!(!unit.insert_organizer(&second, &second_member).await.unwrap());
    let mut copy = event(first.id, "Copy");
    copy.event.slug = sale.event.slug.clone();
    assert!(!unit.insert_sale(&copy).await.unwrap());
    assert_eq!(unit.organizer(first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(unit.organizer(second.id).await.unwrap(), None);
    assert_eq!(unit.membership(first.id, owner.user.id).await.unwrap().as_ref(), Some(&member));
    assert_eq!(unit.membership(first.id, UserId::new(id())).await.unwrap(), None);
    assert_eq!(unit.memberships(owner.user.id).await.unwrap(), std::slice::from_ref(&member));
    unit.commit().await.unwrap();
    assert_eq!(db.database.event_by_slug(&sale.event.slug).await.unwrap(), Some(sale.event.id));
    assert_eq!(db.database.event_by_slug(&first.slug).await.unwrap(), None);
    assert_eq!(db.database.membership_of(first.id, owner.user.id).await.unwrap().as_ref(), Some(&member));
    let seen = SeenMember { member, user: owner.user };
    assert_eq!(db.database.members(first.id, None, 9).await.unwrap(), [seen]);
}

/// A sale is read as it was inserted, with the version of its lane.
pub async fn a_sale_is_read_as_it_was_inserted(db: TestDatabase) {
    let sale = stored_concert(&db, Some(5), None).await;
    let seen = db.database.sale(sale.event.id).await.unwrap().unwrap();
    assert_eq!((seen.sale, seen.version), (sale.clone(), 0));
    assert!(db.database.sale(EventId::new(id())).await.unwrap().is_none());
    let versions = db.database.lane_versions(&[EventId::new(id()), sale.event.id]).await.unwrap();
    assert_eq!(versions, [(sale.event.id, 0)]);
    assert!(db.database.lane_versions(&[]).await.unwrap().is_empty());
}

/// Organizers come by id, page behind page: a member's, or all.
pub async fn organizers_come_in_pages(db: TestDatabase) {
    let (first, owner) = stored_organizer(&db).await;
    let (second, _) = stored_organizer(&db).await;
    let (third, _) = stored_organizer(&db).await;
    let ids = async |member, after, rows| {
        let page = db.database.organizers(member, after, rows).await.unwrap();
        page.into_iter().map(|organizer| organizer.id).collect::<Vec<OrganizerId>>()
    };
    assert_eq!(ids(None, None, 2).await, [first.id, second.id]);
    assert_eq!(ids(None, Some(second.id), 2).await, [third.id]);
    assert_eq!(ids(Some(Inside::Member(owner.user)), None, 9).await, [first.id]);
    assert_eq!(ids(Some(Inside::Organizer(third.id)), None, 9).await, [third.id]);
}

async fn published(db: &TestDatabase, organizer: OrganizerId, name: &str, day: i64) -> Sale {
    let mut sale = with_type(&event(organizer, name), "Any", Some(5), vec![]);
    sale.event.status = EventStatus::Published;
    sale.event.terms.start_at = at(day * 86_400);
    sale.event.terms.end_at = at(day * 86_400 + 3_600);
    store_sale(db, &sale).await;
    sale
}

/// Events come soonest first; filters and pages cut the same order.
pub async fn events_are_found(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let (theirs, _) = stored_organizer(&db).await;
    let late = published(&db, ours.id, "ŻÓŁTY Jazz 100%", 3).await.event;
    let soon = published(&db, ours.id, "Rock_Night", 1).await.event;
    let same = published(&db, theirs.id, "Rock Night", 1).await.event;
    let draft = event(ours.id, "Draft");
    store_sale(&db, &draft).await;
    let find = async |filter: EventFilter| {
        let found = db.database.events(&filter, None, 9).await.unwrap();
        found.into_iter().map(|seen| seen.sale.event.id).collect::<Vec<_>>()
    };
    let any = EventFilter::default;
    assert_eq!(find(any()).await, [soon.id, same.id, late.id]);
    let words = |text: &str| EventFilter { query: Some(text.into()), ..EventFilter::default() };
    assert_eq!(find(words("jazz żółty")).await, [late.id], "words in any order, Unicode without case");
    assert_eq!(find(words("rock_")).await, [soon.id], "no wildcards");
    assert_eq!(find(words("0%")).await, [late.id]);
    assert_eq!(find(words("0%j")).await, []);
    assert_eq!(find(EventFilter { from: Some(soon.terms.end_at), ..any() }).await, [late.id], "ends after");
    assert_eq!(find(EventFilter { to: Some(late.terms.start_at), ..any() }).await, [soon.id, same.id]);
    assert_eq!(find(EventFilter { organizer: Some(theirs.id), ..any() }).await, [same.id]);
    let drafts = EventFilter { statuses: vec![EventStatus::Draft], inside: Some(Inside::Member(owner.user)), ..any() };
    assert_eq!(find(drafts).await, [draft.event.id]);
    let strangers = EventFilter { inside: Some(Inside::Member(UserId::new(id()))), ..any() };
    assert_eq!(find(strangers).await, []);
    let cursor = EventCursor { start_at: soon.terms.start_at, id: soon.id };
    let rest = db.database.events(&any(), Some(cursor), 1).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].sale.event.id, same.id);
}

async fn join(db: &TestDatabase, organizer: OrganizerId, role: MemberRole, reach: Reach, since: i64) -> SeenMember {
    let account = account(Role::User);
    let member = Member { organizer, user: account.user.id, role, reach, since: at(since) };
    let mut unit = db.database.begin().await.unwrap();
    unit.insert_users(std::slice::from_ref(&account)).await.unwrap();
    unit.lock_team(organizer).await.unwrap().unwrap();
    unit.insert_member(&member).await.unwrap();
    unit.commit().await.unwrap();
    SeenMember { member, user: account.user }
}

/// A member is read as he was saved, with the events that he is restricted to; he sees their drafts and no others.
pub async fn a_member_has_a_reach(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let (mine, other) = (event(ours.id, "Mine"), event(ours.id, "Other"));
    for sale in [&mine, &other] {
        store_sale(&db, sale).await;
    }
    let only = Reach::Only([mine.event.id].into());
    let SeenMember { member, user } = join(&db, ours.id, MemberRole::Manager, only, 1).await;
    assert_eq!(db.database.membership_of(ours.id, member.user).await.unwrap().as_ref(), Some(&member));
    let drafts = async |who: UserId| {
        let statuses = vec![EventStatus::Draft];
        let filter = EventFilter { statuses, inside: Some(Inside::Member(who)), ..EventFilter::default() };
        let found = db.database.events(&filter, None, 9).await.unwrap();
        found.into_iter().map(|seen| seen.sale.event.id).collect::<Vec<_>>()
    };
    assert_eq!(drafts(member.user).await, [mine.event.id]);
    assert_eq!(drafts(owner.user).await, [mine.event.id, other.event.id]);

    let mut unit = db.database.begin().await.unwrap();
    let (first, second) = (mine.event.id, other.event.id);
    assert_eq!(unit.events_among(ours.id, &[second, EventId::new(id()), first]).await.unwrap(), [first, second]);
    assert_eq!(unit.events_among(OrganizerId::new(id()), &[first]).await.unwrap(), []);
    let both = Member { reach: Reach::Only([first, second].into()), ..member.clone() };
    unit.save_member(&both).await.unwrap();
    assert_eq!(unit.membership(ours.id, member.user).await.unwrap(), Some(both.clone()));
    assert_eq!(unit.memberships(member.user).await.unwrap(), [both]);
    let free = Member { role: MemberRole::Scanner, reach: Reach::All, ..member.clone() };
    unit.save_member(&free).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(db.database.member(ours.id, member.user).await.unwrap(), Some(SeenMember { member: free, user }));

    let mut unit = db.database.begin().await.unwrap();
    unit.save_member(&member).await.unwrap();
    unit.delete_member(ours.id, member.user).await.unwrap();
    assert!(matches!(unit.delete_member(ours.id, member.user).await, Err(StoreError::Defect(_))));
    unit.commit().await.unwrap();
    assert_eq!(drafts(member.user).await, []);
    assert_eq!(db.database.membership_of(ours.id, member.user).await.unwrap(), None);
}

/// Members come oldest first, page behind page, each organizer's for itself.
pub async fn members_come_in_pages(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let (theirs, stranger) = stored_organizer(&db).await;
    let late = join(&db, ours.id, MemberRole::Scanner, Reach::All, 9).await;
    let soon = join(&db, ours.id, MemberRole::Scanner, Reach::All, 5).await;
    let same = join(&db, ours.id, MemberRole::Scanner, Reach::All, 5).await;
    let page = async |after: Option<&Member>, rows| {
        let after = after.map(|last| MemberCursor { since: last.since, user: last.user });
        let found = db.database.members(ours.id, after, rows).await.unwrap();
        found.into_iter().map(|seen| seen.member.user).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, [owner.user, soon.member.user]);
    assert_eq!(page(Some(&soon.member), 9).await, [same.member.user, late.member.user]);
    assert_eq!(db.database.member(ours.id, stranger.user).await.unwrap(), None);
    assert_eq!(db.database.member(theirs.id, stranger.user).await.unwrap().unwrap().member, stranger);
}

/// Whoever waited for the lock of a team sees what the first has made of it.
pub async fn a_team_is_changed_by_one(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let second = join(&db, ours.id, MemberRole::Owner, Reach::All, 1).await.member;
    let mut unit = db.database.begin().await.unwrap();
    let team = unit.lock_team(ours.id).await.unwrap().unwrap();
    let owners = [owner.user, second.user].into();
    assert_eq!(team, Team { organizer: ours.id, version: 1, owners, size: 2 });
    let database = db.database.clone();
    let waiting = tokio::spawn(async move { database.begin().await.unwrap().lock_team(ours.id).await.unwrap() });
    unit.save_member(&Member { role: MemberRole::Manager, ..owner.clone() }).await.unwrap();
    unit.save_team(&Team { version: 2, ..team }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    unit.commit().await.unwrap();
    let seen = waiting.await.unwrap().unwrap();
    assert_eq!((seen.version, seen.owners, seen.size), (2, [second.user].into(), 2));
    let mut unit = db.database.begin().await.unwrap();
    assert_eq!(unit.lock_team(OrganizerId::new(id())).await.unwrap(), None);
    let owner_of_some = Member { reach: Reach::Only([EventId::new(id())].into()), ..second };
    assert!(matches!(unit.save_member(&owner_of_some).await, Err(StoreError::Conflict(_))), "the constraint says no");
}

/// Whoever deletes an account waits for changes of the teams that it is in, of those too that it does not own: it might
/// become their only owner just now.
pub async fn a_new_owner_is_seen_by_his_deletion(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let taker = join(&db, ours.id, MemberRole::Manager, Reach::All, 1).await.member;
    let mut unit = db.database.begin().await.unwrap();
    unit.lock_team(ours.id).await.unwrap().unwrap();
    let (database, user) = (db.database.clone(), taker.user);
    let mut deleting = tokio::spawn(async move {
        let mut unit = database.begin().await.unwrap();
        unit.lock_user(user).await.unwrap().unwrap();
        unit.is_only_owner(user).await.unwrap()
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut deleting).await.is_err(), "it waits");
    unit.save_member(&Member { role: MemberRole::Manager, ..owner }).await.unwrap();
    unit.save_member(&Member { role: MemberRole::Owner, ..taker }).await.unwrap();
    unit.commit().await.unwrap();
    assert!(deleting.await.unwrap());
}

/// What only names an account does not wait for a change of it: else two of an owner's requests wait for each other.
pub async fn a_locked_account_may_be_referred_to(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    if db.engine == Engine::Sqlite {
        return; // There is one writer.
    }
    let mut changing = db.database.begin().await.unwrap();
    changing.lock_user(owner.user).await.unwrap().unwrap();
    let mut inviting = db.database.begin().await.unwrap();
    inviting.lock_team(ours.id).await.unwrap().unwrap();
    let new = NewInvitation { email: "a@example.com", role: MemberRole::Scanner, events: None };
    let (id, hash) = (InvitationId::new(id()), TokenHash::new([1; 32]));
    let invitation = Invitation::try_new(id, ours.id, new, hash, owner.user, at(0)).unwrap();
    let inserted = tokio::time::timeout(Duration::from_secs(5), inviting.insert_invitation(&invitation)).await;
    inserted.expect("it does not wait").unwrap();
    inviting.commit().await.unwrap();
    changing.commit().await.unwrap();
}

/// An invitation is read as it was written, found by its digest; one to an address is open at a time, and old ones go.
pub async fn invitations_are_kept(db: TestDatabase) {
    let (ours, owner) = stored_organizer(&db).await;
    let (theirs, _) = stored_organizer(&db).await;
    let sale = event(ours.id, "Gala");
    store_sale(&db, &sale).await;
    let make = |number: u8, email: &str, events: Option<&[EventId]>| {
        let new = NewInvitation { email, role: MemberRole::Scanner, events };
        let (id, hash) = (InvitationId::new(id()), TokenHash::new([number; 32]));
        Invitation::try_new(id, ours.id, new, hash, owner.user, at(0)).unwrap()
    };
    let (first, second) = (make(1, "a@example.com", Some(&[sale.event.id])), make(2, "b@example.com", None));
    let mut unit = db.database.begin().await.unwrap();
    for invitation in [&first, &second] {
        unit.insert_invitation(invitation).await.unwrap();
    }
    assert_eq!(unit.invitation(ours.id, first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(unit.invitation(theirs.id, first.id).await.unwrap(), None);
    assert_eq!(unit.invitation_by_hash(&second.hash).await.unwrap().as_ref(), Some(&second));
    assert_eq!(unit.invitation_by_hash(&TokenHash::new([9; 32])).await.unwrap(), None);
    assert_eq!(unit.invitation_to(ours.id, &first.email).await.unwrap().as_ref(), Some(&first));
    assert_eq!(unit.invitation_to(theirs.id, &first.email).await.unwrap(), None);
    assert_eq!(unit.count_invitations(ours.id, at(0)).await.unwrap(), 2);
    assert_eq!(unit.count_invitations(ours.id, first.expires_at).await.unwrap(), 0);
    unit.commit().await.unwrap();
    let mut unit = db.database.begin().await.unwrap();
    let doubled = make(3, "a@example.com", None);
    assert!(matches!(unit.insert_invitation(&doubled).await, Err(StoreError::Conflict(_))));
    drop(unit);

    let page = async |after, rows| db.database.invitations(ours.id, at(0), after, rows).await.unwrap();
    assert_eq!(page(None, 1).await, std::slice::from_ref(&first));
    assert_eq!(page(Some(first.id), 9).await, std::slice::from_ref(&second));
    let open = async |of, id, now| db.database.open_invitation(of, id, now).await.unwrap();
    assert_eq!(open(ours.id, first.id, at(0)).await.as_ref(), Some(&first));
    assert_eq!(open(theirs.id, first.id, at(0)).await, None);
    assert_eq!(open(ours.id, first.id, first.expires_at).await, None);
    let mut unit = db.database.begin().await.unwrap();
    let ended = first.revoke(at(5)).unwrap();
    unit.save_invitation(&ended).await.unwrap();
    assert_eq!(unit.invitation(ours.id, first.id).await.unwrap(), Some(ended));
    assert_eq!(unit.invitation_to(ours.id, &first.email).await.unwrap(), None);
    unit.insert_invitation(&doubled).await.unwrap();
    assert_eq!(unit.delete_old_invitations(at(5), Limit::default()).await.unwrap(), 0);
    assert_eq!(unit.delete_old_invitations(at(6), Limit::default()).await.unwrap(), 1);
    unit.commit().await.unwrap();
    assert_eq!(page(None, 9).await, [second, doubled]);
}
