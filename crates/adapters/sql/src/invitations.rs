//! Invitations.

use application::catalog::{InvitationReads, InvitationRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::catalog::Invitation;
use domain::identity::TokenHash;
use domain::{EmailAddress, InvitationId, Limit, OrganizerId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{invitation, invitation_event};
use crate::error::{orm, saved};
use crate::lane::among;
use crate::mapping::{self, invitation_event_rows, invitation_row, micros};
use crate::unit_of_work::SqlUnit;

#[async_trait]
impl InvitationRepository for SqlUnit {
    async fn insert_invitation(&mut self, new: &Invitation) -> Result<(), StoreError> {
        let insert = invitation::Entity::insert(invitation_row(new).into_active_model());
        insert.exec_without_returning(&self.0).await.map_err(orm)?;
        let events: Vec<_> = invitation_event_rows(new).into_iter().map(IntoActiveModel::into_active_model).collect();
        if !events.is_empty() {
            invitation_event::Entity::insert_many(events).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }

    async fn invitation(&mut self, organizer: OrganizerId, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        let this = Condition::all()
            .add(invitation::Column::Id.eq(id.uuid()))
            .add(invitation::Column::OrganizerId.eq(organizer.uuid()));
        one(&self.0, this).await
    }

    async fn invitation_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Invitation>, StoreError> {
        one(&self.0, Condition::all().add(invitation::Column::Hash.eq(hash.as_bytes().to_vec()))).await
    }

    async fn invitation_to(
        &mut self,
        organizer: OrganizerId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError> {
        let this = Condition::all()
            .add(invitation::Column::OrganizerId.eq(organizer.uuid()))
            .add(invitation::Column::Email.eq(email.as_str()))
            .add(invitation::Column::EndedAt.is_null());
        one(&self.0, this).await
    }

    async fn count_invitations(&mut self, organizer: OrganizerId, now: Timestamp) -> Result<u64, StoreError> {
        invitation::Entity::find().filter(open(organizer, now)).count(&self.0).await.map_err(orm)
    }

    async fn save_invitation(&mut self, saved_one: &Invitation) -> Result<(), StoreError> {
        let new = invitation_row(saved_one);
        let row =
            invitation::ActiveModel { ended_at: Set(new.ended_at), outcome: Set(new.outcome), ..Default::default() };
        let update = invitation::Entity::update_many().set(row).filter(invitation::Column::Id.eq(new.id));
        saved("invitation", new.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn delete_old_invitations(&mut self, before: Timestamp, limit: Limit) -> Result<u64, StoreError> {
        let old = Condition::any()
            .add(invitation::Column::EndedAt.lt(micros(before)))
            .add(invitation::Column::ExpiresAt.lt(micros(before)));
        let ids = invitation::Entity::find().select_only().column(invitation::Column::Id).filter(old);
        let ids = ids.limit(limit.rows()).into_tuple::<Uuid>().all(&self.0).await.map_err(orm)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let delete = invitation::Entity::delete_many().filter(among(&self.0, invitation::Column::Id, &ids));
        Ok(delete.exec(&self.0).await.map_err(orm)?.rows_affected)
    }
}

#[async_trait]
impl InvitationReads for Database {
    async fn invitations(
        &self,
        organizer: OrganizerId,
        now: Timestamp,
        after: Option<InvitationId>,
        rows: u64,
    ) -> Result<Vec<Invitation>, StoreError> {
        let behind = after.map(|after| invitation::Column::Id.gt(after.uuid()));
        let page = invitation::Entity::find()
            .filter(open(organizer, now).add_option(behind))
            .order_by_asc(invitation::Column::Id)
            .limit(rows);
        with_events(self.reads(), page.all(self.reads()).await.map_err(orm)?).await
    }

    async fn open_invitation(
        &self,
        organizer: OrganizerId,
        id: InvitationId,
        now: Timestamp,
    ) -> Result<Option<Invitation>, StoreError> {
        one(self.reads(), open(organizer, now).add(invitation::Column::Id.eq(id.uuid()))).await
    }

    async fn invitations_to_address(&self, email: &EmailAddress, rows: u64) -> Result<Vec<Invitation>, StoreError> {
        let found = invitation::Entity::find()
            .filter(invitation::Column::Email.eq(email.as_str()))
            .order_by_asc(invitation::Column::Id)
            .limit(rows);
        with_events(self.reads(), found.all(self.reads()).await.map_err(orm)?).await
    }
}

/// Those of the organizer that can be accepted at this time.
fn open(organizer: OrganizerId, now: Timestamp) -> Condition {
    Condition::all()
        .add(invitation::Column::OrganizerId.eq(organizer.uuid()))
        .add(invitation::Column::EndedAt.is_null())
        .add(invitation::Column::ExpiresAt.gt(micros(now)))
}

async fn one(connection: &impl ConnectionTrait, this: Condition) -> Result<Option<Invitation>, StoreError> {
    let row = invitation::Entity::find().filter(this).one(connection).await.map_err(orm)?;
    Ok(with_events(connection, row.into_iter().collect()).await?.pop())
}

async fn with_events(
    connection: &impl ConnectionTrait,
    rows: Vec<invitation::Model>,
) -> Result<Vec<Invitation>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().filter(|row| !row.all_events).map(|row| row.id).collect();
    let events = match ids.is_empty() {
        true => Vec::new(),
        false => {
            let theirs = among(connection, invitation_event::Column::InvitationId, &ids);
            invitation_event::Entity::find().filter(theirs).all(connection).await.map_err(orm)?
        }
    };
    rows.into_iter().map(|row| mapping::invitation(row, &events)).collect()
}
