//! `CatalogRepository` and [`CatalogReads`].

use application::catalog::{CatalogReads, EventCursor, EventFilter};
use application::store::Store;
use domain::booking::Sale;
use domain::catalog::{EventStatus, MemberRole};
use domain::identity::Role;
use domain::{EventId, OrganizerId, UserId};

use super::fixture::{account, at, event, id, organizer, store_sale, stored_concert, stored_organizer, with_type};
use crate::databases::TestDatabase;

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
    assert_eq!(unit.membership(first.id, owner.user.id).await.unwrap(), Some(MemberRole::Owner));
    assert_eq!(unit.membership(first.id, UserId::new(id())).await.unwrap(), None);
    assert_eq!(unit.organizers_of(owner.user.id).await.unwrap(), [(first.clone(), MemberRole::Owner)]);
    unit.commit().await.unwrap();
    assert_eq!(db.database.event_by_slug(&sale.event.slug).await.unwrap(), Some(sale.event.id));
    assert_eq!(db.database.event_by_slug(&first.slug).await.unwrap(), None);
    assert_eq!(db.database.membership_of(first.id, owner.user.id).await.unwrap(), Some(MemberRole::Owner));
    assert_eq!(db.database.members(first.id).await.unwrap(), [member]);
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
    assert_eq!(ids(Some(owner.user), None, 9).await, [first.id]);
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
    let drafts = EventFilter { statuses: vec![EventStatus::Draft], member: Some(owner.user), ..any() };
    assert_eq!(find(drafts).await, [draft.event.id]);
    let strangers = EventFilter { member: Some(UserId::new(id())), ..any() };
    assert_eq!(find(strangers).await, []);
    let cursor = EventCursor { start_at: soon.terms.start_at, id: soon.id };
    let rest = db.database.events(&any(), Some(cursor), 1).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].sale.event.id, same.id);
}
