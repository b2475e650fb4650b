//! Organizers and events.

use std::collections::HashMap;

use application::catalog::{
    CatalogReads, CatalogRepository, EventCursor, EventFilter, Inside, MemberCursor, SeenMember, SeenSale,
};
use application::store::StoreError;
use async_trait::async_trait;
use domain::booking::Sale;
use domain::catalog::{EventStatus, Member, MemberRole, Organizer, Slug, Team};
use domain::identity::User;
use domain::{EventId, OrganizerId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{event, lane, member, member_event, organizer, pool, user};
use crate::error::{bad_row, orm, saved};
use crate::lane::{among, insert_types, sales};
use crate::mapping::{self, count, event_row, integer, member_event_rows, member_row, micros, organizer_row, pool_row};
use crate::unit_of_work::{CHANGES_ROW, SqlUnit};

/// The most words that a search looks for.
const WORDS_MAX: usize = 8;

#[async_trait]
impl CatalogRepository for SqlUnit {
    async fn insert_organizer(&mut self, organizer: &Organizer, owner: &Member) -> Result<bool, StoreError> {
        let taken = OnConflict::column(organizer::Column::Slug).do_nothing().to_owned();
        let insert = organizer::Entity::insert(organizer_row(organizer).into_active_model()).on_conflict(taken);
        if insert.exec_without_returning(&self.0).await.map_err(orm)? == 0 {
            return Ok(false);
        }
        insert_member(&self.0, owner).await?;
        Ok(true)
    }

    async fn memberships(&mut self, user: UserId) -> Result<Vec<Member>, StoreError> {
        // Ids of version 7 sort by the time of their making.
        let rows = member::Entity::find().filter(member::Column::UserId.eq(user.uuid()));
        let rows = rows.order_by_asc(member::Column::OrganizerId).all(&self.0).await.map_err(orm)?;
        with_events(&self.0, rows, member_event::Column::UserId.eq(user.uuid())).await
    }

    async fn membership(&mut self, organizer: OrganizerId, user: UserId) -> Result<Option<Member>, StoreError> {
        membership(&self.0, organizer, user).await
    }

    async fn lock_team(&mut self, organizer: OrganizerId) -> Result<Option<Team>, StoreError> {
        let row = organizer::Entity::find_by_id(organizer.uuid()).lock(CHANGES_ROW).one(&self.0).await.map_err(orm)?;
        let Some(row) = row else { return Ok(None) };
        let members = || member::Entity::find().filter(member::Column::OrganizerId.eq(organizer.uuid()));
        let owners = members().filter(member::Column::Role.eq(MemberRole::Owner.as_str()));
        let owners = owners.all(&self.0).await.map_err(orm)?;
        let size = members().count(&self.0).await.map_err(orm)?;
        Ok(Some(Team {
            organizer,
            version: count(row.version)?,
            owners: owners.into_iter().map(|row| UserId::new(row.user_id)).collect(),
            size: usize::try_from(size).unwrap_or(usize::MAX),
        }))
    }

    async fn save_team(&mut self, team: &Team) -> Result<(), StoreError> {
        let row = organizer::ActiveModel { version: Set(integer(team.version)), ..Default::default() };
        let update = organizer::Entity::update_many().set(row);
        let update = update.filter(organizer::Column::Id.eq(team.organizer.uuid()));
        saved("organizer", team.organizer, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn insert_member(&mut self, member: &Member) -> Result<(), StoreError> {
        insert_member(&self.0, member).await
    }

    async fn save_member(&mut self, member: &Member) -> Result<(), StoreError> {
        let new = member_row(member);
        let row = member::ActiveModel { role: Set(new.role), all_events: Set(new.all_events), ..Default::default() };
        let update = member::Entity::update_many().set(row).filter(this_member(member.organizer, member.user));
        saved("member", member.user, update.exec(&self.0).await.map_err(orm)?.rows_affected)?;
        let stale = Condition::all()
            .add(member_event::Column::OrganizerId.eq(member.organizer.uuid()))
            .add(member_event::Column::UserId.eq(member.user.uuid()));
        member_event::Entity::delete_many().filter(stale).exec(&self.0).await.map_err(orm)?;
        insert_member_events(&self.0, member).await
    }

    async fn delete_member(&mut self, organizer: OrganizerId, user: UserId) -> Result<(), StoreError> {
        let delete = member::Entity::delete_many().filter(this_member(organizer, user));
        saved("member", user, delete.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn events_among(&mut self, organizer: OrganizerId, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.uuid()).collect();
        let found = event::Entity::find()
            .select_only()
            .column(event::Column::Id)
            .filter(event::Column::OrganizerId.eq(organizer.uuid()))
            .filter(among(&self.0, event::Column::Id, &ids))
            .order_by_asc(event::Column::Id)
            .into_tuple::<Uuid>();
        Ok(found.all(&self.0).await.map_err(orm)?.into_iter().map(EventId::new).collect())
    }

    async fn organizer(&mut self, organizer: OrganizerId) -> Result<Option<Organizer>, StoreError> {
        let row = organizer::Entity::find_by_id(organizer.uuid()).one(&self.0).await.map_err(orm)?;
        row.map(mapping::organizer).transpose()
    }

    async fn insert_sale(&mut self, sale: &Sale) -> Result<bool, StoreError> {
        let taken = OnConflict::column(event::Column::Slug).do_nothing().to_owned();
        let insert = event::Entity::insert(event_row(&sale.event).into_active_model()).on_conflict(taken);
        if insert.exec_without_returning(&self.0).await.map_err(orm)? == 0 {
            return Ok(false);
        }
        let event_id = sale.event.id.uuid();
        let lane = lane::Model { event_id, version: 0, decided_at: micros(sale.event.created_at) };
        lane::Entity::insert(lane.into_active_model()).exec_without_returning(&self.0).await.map_err(orm)?;
        if !sale.pools.is_empty() {
            let rows = sale.pools.iter().map(|pool| pool_row(pool).into_active_model());
            pool::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        insert_types(&self.0, &sale.ticket_types).await?;
        Ok(true)
    }
}

#[async_trait]
impl CatalogReads for Database {
    async fn sale(&self, event: EventId) -> Result<Option<SeenSale>, StoreError> {
        let snapshot = self.begin_snapshot().await?;
        let seen = seen(&snapshot, &[event.uuid()]).await?;
        snapshot.commit().await?;
        Ok(seen.into_iter().next())
    }

    async fn event_by_slug(&self, slug: &Slug) -> Result<Option<EventId>, StoreError> {
        let found = event::Entity::find().select_only().column(event::Column::Id);
        let found = found.filter(event::Column::Slug.eq(slug.as_str())).into_tuple::<Uuid>();
        Ok(found.one(self.reads()).await.map_err(orm)?.map(EventId::new))
    }

    async fn events(
        &self,
        filter: &EventFilter,
        after: Option<EventCursor>,
        rows: u64,
    ) -> Result<Vec<SeenSale>, StoreError> {
        let snapshot = self.begin_snapshot().await?;
        let ids = event::Entity::find()
            .select_only()
            .column(event::Column::Id)
            .filter(matching(filter))
            .filter(after.map_or_else(Condition::all, behind))
            .order_by_asc(event::Column::StartAt)
            .order_by_asc(event::Column::Id)
            .limit(rows)
            .into_tuple::<Uuid>();
        let ids = ids.all(&snapshot).await.map_err(orm)?;
        let mut seen = seen(&snapshot, &ids).await?;
        snapshot.commit().await?;
        seen.sort_unstable_by_key(|seen| (seen.sale.event.terms.start_at, seen.sale.event.id));
        Ok(seen)
    }

    async fn lane_versions(&self, events: &[EventId]) -> Result<Vec<(EventId, u64)>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.uuid()).collect();
        versions(self.reads(), &ids).await
    }

    async fn membership_of(&self, organizer: OrganizerId, user: UserId) -> Result<Option<Member>, StoreError> {
        membership(self.reads(), organizer, user).await
    }

    async fn organizers(
        &self,
        inside: Option<Inside>,
        after: Option<OrganizerId>,
        rows: u64,
    ) -> Result<Vec<Organizer>, StoreError> {
        let theirs = inside.map(|inside| match inside {
            Inside::Member(user) => organizer::Column::Id.in_subquery(organizers_of(user)),
            Inside::Organizer(organizer) => organizer::Column::Id.eq(organizer.uuid()),
        });
        let behind = after.map(|after| organizer::Column::Id.gt(after.uuid()));
        let page = organizer::Entity::find()
            .filter(Condition::all().add_option(theirs).add_option(behind))
            .order_by_asc(organizer::Column::Id)
            .limit(rows);
        page.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::organizer).collect()
    }

    async fn members(
        &self,
        organizer: OrganizerId,
        after: Option<MemberCursor>,
        rows: u64,
    ) -> Result<Vec<SeenMember>, StoreError> {
        let rows = member::Entity::find()
            .filter(member::Column::OrganizerId.eq(organizer.uuid()))
            .filter(after.map_or_else(Condition::all, behind_member))
            .order_by_asc(member::Column::Since)
            .order_by_asc(member::Column::UserId)
            .limit(rows);
        self.seen_members(organizer, rows.all(self.reads()).await.map_err(orm)?).await
    }

    async fn member(&self, organizer: OrganizerId, user: UserId) -> Result<Option<SeenMember>, StoreError> {
        let row = member::Entity::find_by_id((organizer.uuid(), user.uuid())).one(self.reads()).await.map_err(orm)?;
        Ok(self.seen_members(organizer, row.into_iter().collect()).await?.pop())
    }
}

impl Database {
    /// These members of an organizer with their accounts, in their order.
    async fn seen_members(
        &self,
        organizer: OrganizerId,
        rows: Vec<member::Model>,
    ) -> Result<Vec<SeenMember>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.user_id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let theirs = member_event::Column::OrganizerId.eq(organizer.uuid());
        let members =
            with_events(self.reads(), rows, theirs.and(among(self.reads(), member_event::Column::UserId, &ids)));
        let members = members.await?;
        let users = user::Entity::find().filter(among(self.reads(), user::Column::Id, &ids));
        let users = users.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::user);
        let users: HashMap<UserId, User> =
            users.map(|user| user.map(|user| (user.id, user))).collect::<Result<_, StoreError>>()?;
        let with_account = |member: Member| {
            let user = users.get(&member.user).cloned().ok_or_else(|| bad_row("account of a member", member.user))?;
            Ok(SeenMember { member, user })
        };
        members.into_iter().map(with_account).collect()
    }
}

async fn seen(snapshot: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<SeenSale>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sales = sales(snapshot, ids).await?;
    let versions = versions(snapshot, ids).await?;
    let with_version = |sale: Sale| {
        let version = versions.iter().find(|(event, _)| *event == sale.event.id);
        let version = version.ok_or_else(|| bad_row("lane of the event", sale.event.id))?.1;
        Ok(SeenSale { sale, version })
    };
    sales.into_iter().map(with_version).collect()
}

async fn versions(connection: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<(EventId, u64)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = lane::Entity::find().filter(among(connection, lane::Column::EventId, ids));
    let rows = rows.all(connection).await.map_err(orm)?;
    let version = |row: &lane::Model| u64::try_from(row.version).map_err(|_| bad_row("version of a lane", row.version));
    rows.iter().map(|row| Ok((EventId::new(row.event_id), version(row)?))).collect()
}

async fn membership(
    connection: &impl ConnectionTrait,
    organizer: OrganizerId,
    user: UserId,
) -> Result<Option<Member>, StoreError> {
    let row = member::Entity::find_by_id((organizer.uuid(), user.uuid())).one(connection).await.map_err(orm)?;
    let theirs = member_event::Column::OrganizerId.eq(organizer.uuid());
    let theirs = theirs.and(member_event::Column::UserId.eq(user.uuid()));
    Ok(with_events(connection, row.into_iter().collect(), theirs).await?.pop())
}

/// The members of these rows; the condition finds the events of those who are restricted, if there is one.
async fn with_events(
    connection: &impl ConnectionTrait,
    rows: Vec<member::Model>,
    theirs: Expr,
) -> Result<Vec<Member>, StoreError> {
    let events = match rows.iter().all(|row| row.all_events) {
        true => Vec::new(),
        false => member_event::Entity::find().filter(theirs).all(connection).await.map_err(orm)?,
    };
    rows.iter().map(|row| mapping::member(row, &events)).collect()
}

async fn insert_member(connection: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    let insert = member::Entity::insert(member_row(member).into_active_model());
    insert.exec_without_returning(connection).await.map_err(orm)?;
    insert_member_events(connection, member).await
}

async fn insert_member_events(connection: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    let rows: Vec<_> = member_event_rows(member).into_iter().map(IntoActiveModel::into_active_model).collect();
    if !rows.is_empty() {
        member_event::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    }
    Ok(())
}

fn this_member(organizer: OrganizerId, user: UserId) -> Condition {
    Condition::all().add(member::Column::OrganizerId.eq(organizer.uuid())).add(member::Column::UserId.eq(user.uuid()))
}

fn behind_member(cursor: MemberCursor) -> Condition {
    let since = micros(cursor.since);
    let same = member::Column::Since.eq(since).and(member::Column::UserId.gt(cursor.user.uuid()));
    Condition::any().add(member::Column::Since.gt(since)).add(same)
}

/// The organizers whose events are all within the reach of the account.
fn reached_whole(user: UserId) -> sea_orm::sea_query::SelectStatement {
    organizers_of(user).and_where(member::Column::AllEvents.eq(true)).to_owned()
}

/// The events that the account is restricted to.
fn reached_alone(user: UserId) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(member_event::Column::EventId)
        .from(member_event::Entity)
        .and_where(member_event::Column::UserId.eq(user.uuid()))
        .to_owned()
}

fn inside(inside: Inside) -> Condition {
    match inside {
        Inside::Organizer(organizer) => Condition::all().add(event::Column::OrganizerId.eq(organizer.uuid())),
        Inside::Member(user) => Condition::any()
            .add(event::Column::OrganizerId.in_subquery(reached_whole(user)))
            .add(event::Column::Id.in_subquery(reached_alone(user))),
    }
}

fn organizers_of(user: UserId) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(member::Column::OrganizerId)
        .from(member::Entity)
        .and_where(member::Column::UserId.eq(user.uuid()))
        .to_owned()
}

fn behind(cursor: EventCursor) -> Condition {
    let at = micros(cursor.start_at);
    let later = event::Column::StartAt.gt(at);
    let same = event::Column::StartAt.eq(at).and(event::Column::Id.gt(cursor.id.uuid()));
    // The first half alone lets the index find its place.
    Condition::all().add(event::Column::StartAt.gte(at)).add(later.or(same))
}

fn matching(filter: &EventFilter) -> Condition {
    let statuses: Vec<&str> = if filter.statuses.is_empty() {
        vec![EventStatus::Published.as_str(), EventStatus::Paused.as_str()]
    } else {
        filter.statuses.iter().map(|status| status.as_str()).collect()
    };
    let mut condition = Condition::all()
        .add(event::Column::Status.is_in(statuses))
        .add_option(filter.from.map(|from| event::Column::EndAt.gt(micros(from))))
        .add_option(filter.to.map(|to| event::Column::StartAt.lt(micros(to))))
        .add_option(filter.organizer.map(|id| event::Column::OrganizerId.eq(id.uuid())))
        .add_option(filter.inside.map(inside));
    let query = filter.query.as_deref().unwrap_or_default().to_lowercase();
    for word in query.split_whitespace().take(WORDS_MAX) {
        condition = condition.add(event::Column::NameFolded.like(containing(word)));
    }
    condition
}

/// The pattern of texts that contain the word, whatever characters it has.
fn containing(word: &str) -> LikeExpr {
    let literal = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    LikeExpr::new(format!("%{literal}%")).escape('\\')
}
