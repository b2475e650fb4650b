//! Organizers and events.

use application::catalog::{CatalogReads, CatalogRepository, EventCursor, EventFilter, SeenSale};
use application::store::StoreError;
use async_trait::async_trait;
use domain::booking::Sale;
use domain::catalog::{EventStatus, Member, MemberRole, Organizer, Slug};
use domain::{EventId, OrganizerId, UserId};
use sea_orm::sea_query::{ExprTrait, LikeExpr, OnConflict, Query};
use sea_orm::{
    AccessMode, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    IsolationLevel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use uuid::Uuid;

use crate::connect::{Database, Engine};
use crate::entity::{event, lane, member, organizer, pool};
use crate::error::{bad_row, orm};
use crate::lane::{among, insert_types, sales};
use crate::mapping::{self, event_row, micros, organizer_row, pool_row};
use crate::unit_of_work::SqlUnit;

/// The most rows of a list that has no pages.
const ROWS_MAX: u64 = 100;
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
        let owner = member::Model {
            organizer_id: owner.organizer.uuid(),
            user_id: owner.user.uuid(),
            role: owner.role.as_str().to_owned(),
            since: micros(owner.since),
        };
        let insert = member::Entity::insert(owner.into_active_model());
        insert.exec_without_returning(&self.0).await.map_err(orm)?;
        Ok(true)
    }

    async fn organizers_of(&mut self, user: UserId) -> Result<Vec<(Organizer, MemberRole)>, StoreError> {
        let members = member::Entity::find().filter(member::Column::UserId.eq(user.uuid()));
        let members = members.order_by_asc(member::Column::OrganizerId).limit(ROWS_MAX);
        let members = members.all(&self.0).await.map_err(orm)?;
        let ids: Vec<Uuid> = members.iter().map(|row| row.organizer_id).collect();
        let rows = organizer::Entity::find().filter(among(&self.0, organizer::Column::Id, &ids));
        // Ids of version 7 sort by the time of their making.
        let rows = rows.order_by_asc(organizer::Column::Id).all(&self.0).await.map_err(orm)?;
        let with_role = |row: organizer::Model| {
            let member = members.iter().find(|member| member.organizer_id == row.id);
            let role = member.ok_or_else(|| bad_row("member of the organizer", row.id))?;
            Ok((mapping::organizer(row)?, mapping::member_role(&role.role)?))
        };
        rows.into_iter().map(with_role).collect()
    }

    async fn membership(&mut self, organizer: OrganizerId, user: UserId) -> Result<Option<MemberRole>, StoreError> {
        membership(&self.0, organizer, user).await
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
        snapshot.commit().await.map_err(orm)?;
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
        snapshot.commit().await.map_err(orm)?;
        seen.sort_unstable_by_key(|seen| (seen.sale.event.terms.start_at, seen.sale.event.id));
        Ok(seen)
    }

    async fn lane_versions(&self, events: &[EventId]) -> Result<Vec<(EventId, u64)>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.uuid()).collect();
        versions(self.reads(), &ids).await
    }

    async fn membership_of(&self, organizer: OrganizerId, user: UserId) -> Result<Option<MemberRole>, StoreError> {
        membership(self.reads(), organizer, user).await
    }

    async fn organizers(
        &self,
        member: Option<UserId>,
        after: Option<OrganizerId>,
        rows: u64,
    ) -> Result<Vec<Organizer>, StoreError> {
        let theirs = member.map(|user| organizer::Column::Id.in_subquery(organizers_of(user)));
        let behind = after.map(|after| organizer::Column::Id.gt(after.uuid()));
        let page = organizer::Entity::find()
            .filter(Condition::all().add_option(theirs).add_option(behind))
            .order_by_asc(organizer::Column::Id)
            .limit(rows);
        page.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::organizer).collect()
    }

    async fn members(&self, organizer: OrganizerId) -> Result<Vec<Member>, StoreError> {
        let rows = member::Entity::find()
            .filter(member::Column::OrganizerId.eq(organizer.uuid()))
            .order_by_asc(member::Column::Since)
            .order_by_asc(member::Column::UserId)
            .limit(ROWS_MAX);
        rows.all(self.reads()).await.map_err(orm)?.iter().map(mapping::member).collect()
    }
}

impl Database {
    /// A transaction that reads everything as of one instant and writes nothing.
    pub(crate) async fn begin_snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let begun = match self.engine() {
            Engine::Postgres { .. } => {
                let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
                self.reads().begin_with_config(Some(isolation), Some(access)).await
            }
            Engine::Sqlite { .. } => self.reads().begin().await,
        };
        begun.map_err(orm)
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
) -> Result<Option<MemberRole>, StoreError> {
    let row = member::Entity::find_by_id((organizer.uuid(), user.uuid())).one(connection).await.map_err(orm)?;
    row.map(|row| mapping::member_role(&row.role)).transpose()
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
        .add_option(filter.member.map(|user| event::Column::OrganizerId.in_subquery(organizers_of(user))));
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
