//! Accounts, sessions and keys.

use application::identity::{
    ChangedRole, EndedSession, IdentityReads, IdentityRepository, Revocations, RevokedKey, StoredSigningKey, UserInsert,
};
use application::store::StoreError;
use async_trait::async_trait;
use domain::catalog::MemberRole;
use domain::identity::{
    Account, EmailChange, MailedPurpose, MailedToken, PasswordHash, RefreshToken, Session, TokenHash, User,
};
use domain::{ApiKeyId, EmailAddress, Limit, SessionId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{
    api_key, booking, booking_attendee, email_change, external_identity, idempotency_key, mailed_token, member,
    organizer, refresh_token, seal_check, session, sign_in_code, signing_key, user,
};
use crate::error::{orm, saved};
use crate::lane::among;
use crate::mapping::{
    self, account_row, email_change_row, integer, mailed_token_row, micros, refresh_token_row, session_row,
};
use crate::unit_of_work::{CHANGES_ROW, CHUNK, SqlUnit};

/// The only row of `seal_checks`.
const SEAL_CHECK: i32 = 1;

#[async_trait]
impl IdentityRepository for SqlUnit {
    async fn insert_user(&mut self, account: &Account) -> Result<UserInsert, StoreError> {
        let taken = OnConflict::column(user::Column::Email).do_nothing().to_owned();
        let insert = user::Entity::insert(account_row(account).into_active_model()).on_conflict(taken);
        let rows = insert.exec_without_returning(&self.0).await.map_err(orm)?;
        Ok(if rows == 0 { UserInsert::EmailTaken } else { UserInsert::Inserted })
    }

    async fn insert_users(&mut self, accounts: &[Account]) -> Result<(), StoreError> {
        for chunk in accounts.chunks(CHUNK) {
            let rows = chunk.iter().map(|account| account_row(account).into_active_model());
            user::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }

    async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid()).one(&self.0).await.map_err(orm)?;
        row.map(mapping::user).transpose()
    }

    async fn lock_user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid()).lock(CHANGES_ROW).one(&self.0).await.map_err(orm)?;
        row.map(mapping::user).transpose()
    }

    async fn lock_admins(&mut self) -> Result<Vec<UserId>, StoreError> {
        // In the words of the index.
        let admins = user::Entity::find().filter(Expr::cust("role = 'admin'"));
        let admins = admins.filter(user::Column::DeletedAt.is_null()).order_by_asc(user::Column::Id);
        let rows = admins.lock(CHANGES_ROW).all(&self.0).await.map_err(orm)?;
        Ok(rows.into_iter().map(|row| UserId::new(row.id)).collect())
    }

    async fn save_user(&mut self, user: &User) -> Result<(), StoreError> {
        let row = user::ActiveModel {
            name: ActiveValue::Set(user.name.as_ref().map(|name| name.as_str().to_owned())),
            role: ActiveValue::Set(user.role.as_str().to_owned()),
            role_changed_at: ActiveValue::Set(user.role_changed_at.map(micros)),
            email_verified: ActiveValue::Set(user.email_verified),
            version: ActiveValue::Set(integer(user.version)),
            ..Default::default()
        };
        let update = user::Entity::update_many().set(row).filter(user::Column::Id.eq(user.id.uuid()));
        saved("account", user.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn save_password(&mut self, user: UserId, password: &PasswordHash) -> Result<(), StoreError> {
        let hash = ActiveValue::Set(Some(password.expose().to_owned()));
        let row = user::ActiveModel { password_hash: hash, ..Default::default() };
        let update = user::Entity::update_many().set(row).filter(user::Column::Id.eq(user.uuid()));
        saved("account", user, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn has_password(&mut self, user: UserId) -> Result<bool, StoreError> {
        let row = user::Entity::find_by_id(user.uuid()).one(&self.0).await.map_err(orm)?;
        Ok(row.is_some_and(|row| row.password_hash.is_some()))
    }

    async fn drop_password(&mut self, user: UserId) -> Result<(), StoreError> {
        let row = user::ActiveModel { password_hash: ActiveValue::Set(None), ..Default::default() };
        let update = user::Entity::update_many().set(row).filter(user::Column::Id.eq(user.uuid()));
        saved("account", user, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn save_email(&mut self, user: &User) -> Result<(), StoreError> {
        let row = user::ActiveModel {
            email: ActiveValue::Set(user.email.as_str().to_owned()),
            email_verified: ActiveValue::Set(user.email_verified),
            version: ActiveValue::Set(integer(user.version)),
            ..Default::default()
        };
        let update = user::Entity::update_many().set(row).filter(user::Column::Id.eq(user.id.uuid()));
        saved("account", user.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn erase_user(&mut self, user: &User) -> Result<(), StoreError> {
        let id = user.id.uuid();
        let row = account_row(&Account { user: user.clone(), password: None });
        let row = user::ActiveModel { id: ActiveValue::NotSet, ..row.into_active_model().reset_all() };
        let update = user::Entity::update_many().set(row).filter(user::Column::Id.eq(id));
        saved("account", user.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)?;
        let identities = external_identity::Entity::delete_many().filter(external_identity::Column::UserId.eq(id));
        identities.exec(&self.0).await.map_err(orm)?;
        let codes = sign_in_code::Entity::delete_many().filter(sign_in_code::Column::UserId.eq(id));
        codes.exec(&self.0).await.map_err(orm)?;
        let members = member::Entity::delete_many().filter(member::Column::UserId.eq(id));
        members.exec(&self.0).await.map_err(orm)?;
        let his = Query::select()
            .column(booking::Column::Id)
            .from(booking::Entity)
            .and_where(booking::Column::BuyerUserId.eq(id))
            .take();
        let nobody = booking_attendee::ActiveModel {
            name: ActiveValue::Set(None),
            email: ActiveValue::Set(None),
            ..Default::default()
        };
        let update = booking_attendee::Entity::update_many()
            .set(nobody)
            .filter(booking_attendee::Column::BookingId.in_subquery(his));
        update.exec(&self.0).await.map_err(orm)?;
        let answers = idempotency_key::Entity::delete_many().filter(idempotency_key::Column::Caller.eq(id));
        answers.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn is_only_owner(&mut self, user: UserId) -> Result<bool, StoreError> {
        let his = Query::select()
            .column(member::Column::OrganizerId)
            .from(member::Entity)
            .and_where(member::Column::UserId.eq(user.uuid()))
            .take();
        // Whoever changes a team holds the row of its organizer. Those of which he is no owner are locked as well: he
        // might become one just now.
        let organizers = organizer::Entity::find().filter(organizer::Column::Id.in_subquery(his));
        let organizers = organizers.order_by_asc(organizer::Column::Id).lock(CHANGES_ROW);
        let organizers = organizers.all(&self.0).await.map_err(orm)?;
        let organizers: Vec<Uuid> = organizers.into_iter().map(|row| row.id).collect();
        let owners = member::Entity::find().filter(member::Column::Role.eq(MemberRole::Owner.as_str())).filter(among(
            &self.0,
            member::Column::OrganizerId,
            &organizers,
        ));
        let owners = owners.all(&self.0).await.map_err(orm)?;
        let is_owner = |organizer: &Uuid| {
            owners.iter().any(|owner| owner.organizer_id == *organizer && owner.user_id == user.uuid())
        };
        let organizers: Vec<Uuid> = organizers.into_iter().filter(is_owner).collect();
        let has_another = |organizer: &Uuid| {
            owners.iter().any(|owner| owner.organizer_id == *organizer && owner.user_id != user.uuid())
        };
        Ok(!organizers.iter().all(has_another))
    }

    async fn insert_mailed_token(&mut self, token: &MailedToken) -> Result<(), StoreError> {
        let insert = mailed_token::Entity::insert(mailed_token_row(token).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn mailed_token(&mut self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError> {
        mailed_token_of(&self.0, hash).await
    }

    async fn take_mailed_token(&mut self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError> {
        let Some(token) = mailed_token_of(&self.0, hash).await? else { return Ok(None) };
        let delete = mailed_token::Entity::delete_by_id(hash.as_bytes().to_vec());
        let rows = delete.exec(&self.0).await.map_err(orm)?.rows_affected;
        Ok((rows == 1).then_some(token))
    }

    async fn last_mailed(&mut self, user: UserId, purpose: MailedPurpose) -> Result<Option<Timestamp>, StoreError> {
        let newest = mailed_token::Entity::find()
            .filter(mailed_token::Column::UserId.eq(user.uuid()))
            .filter(mailed_token::Column::Purpose.eq(purpose.as_str()))
            .order_by_desc(mailed_token::Column::IssuedAt);
        let newest = newest.one(&self.0).await.map_err(orm)?;
        mapping::instant_if(newest.map(|row| row.issued_at))
    }

    async fn delete_mailed_tokens(&mut self, user: UserId, purposes: &[MailedPurpose]) -> Result<(), StoreError> {
        let words = purposes.iter().map(|purpose| purpose.as_str());
        let delete = mailed_token::Entity::delete_many()
            .filter(mailed_token::Column::UserId.eq(user.uuid()))
            .filter(mailed_token::Column::Purpose.is_in(words));
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_lapsed_mailed_tokens(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let lapsed = mailed_token::Entity::find()
            .select_only()
            .column(mailed_token::Column::Hash)
            .filter(mailed_token::Column::ExpiresAt.lt(micros(now)))
            .limit(CHUNK as u64);
        let hashes = lapsed.into_tuple::<Vec<u8>>().all(&self.0).await.map_err(orm)?;
        let delete = mailed_token::Entity::delete_many().filter(mailed_token::Column::Hash.is_in(hashes));
        delete.exec(&self.0).await.map_err(orm)?;
        let before = now - MailedPurpose::ConfirmNewEmail.lifetime();
        let lapsed = email_change::Entity::find()
            .select_only()
            .column(email_change::Column::UserId)
            .filter(email_change::Column::AskedAt.lt(micros(before)))
            .limit(CHUNK as u64);
        let users = lapsed.into_tuple::<Uuid>().all(&self.0).await.map_err(orm)?;
        let delete = email_change::Entity::delete_many()
            .filter(among(&self.0, email_change::Column::UserId, &users))
            .filter(email_change::Column::AskedAt.lt(micros(before)));
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn email_change(&mut self, user: UserId) -> Result<Option<EmailChange>, StoreError> {
        let row = email_change::Entity::find_by_id(user.uuid()).one(&self.0).await.map_err(orm)?;
        row.map(mapping::email_change).transpose()
    }

    async fn save_email_change(&mut self, change: &EmailChange) -> Result<(), StoreError> {
        use email_change::Column;
        let replaced = [Column::NewEmail, Column::OldAgreed, Column::NewAgreed, Column::AskedAt];
        let older = OnConflict::column(Column::UserId).update_columns(replaced).to_owned();
        let insert = email_change::Entity::insert(email_change_row(change).into_active_model()).on_conflict(older);
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_email_change(&mut self, user: UserId) -> Result<(), StoreError> {
        let delete = email_change::Entity::delete_by_id(user.uuid());
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn lock_sessions_of(&mut self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let rows = session::Entity::find()
            .filter(session::Column::UserId.eq(user.uuid()))
            .filter(session::Column::EndedAt.is_null())
            .order_by_asc(session::Column::Id)
            .lock(CHANGES_ROW);
        rows.all(&self.0).await.map_err(orm)?.iter().map(mapping::session).collect()
    }

    async fn insert_sessions(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        for chunk in sessions.chunks(CHUNK) {
            let rows = chunk.iter().map(|session| session_row(session).into_active_model());
            session::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }

    async fn lock_session(&mut self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = session::Entity::find_by_id(id.uuid()).lock(CHANGES_ROW).one(&self.0).await.map_err(orm)?;
        row.as_ref().map(mapping::session).transpose()
    }

    async fn save_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let new = session_row(session);
        let row = session::ActiveModel {
            last_used_at: ActiveValue::Set(new.last_used_at),
            expires_at: ActiveValue::Set(new.expires_at),
            generation: ActiveValue::Set(new.generation),
            reissues: ActiveValue::Set(new.reissues),
            ended_at: ActiveValue::Set(new.ended_at),
            end_reason: ActiveValue::Set(new.end_reason),
            end_cause: ActiveValue::Set(new.end_cause),
            ..Default::default()
        };
        let update = session::Entity::update_many().set(row).filter(session::Column::Id.eq(new.id));
        saved("session", new.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn refresh_token(&mut self, hash: &TokenHash) -> Result<Option<RefreshToken>, StoreError> {
        let row = refresh_token::Entity::find_by_id(hash.as_bytes().to_vec()).one(&self.0).await.map_err(orm)?;
        row.as_ref().map(mapping::refresh_token).transpose()
    }

    async fn insert_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreError> {
        let insert = refresh_token::Entity::insert(refresh_token_row(token).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn save_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreError> {
        let row =
            refresh_token::ActiveModel { spent_at: ActiveValue::Set(token.spent_at.map(micros)), ..Default::default() };
        let this = refresh_token::Column::Hash.eq(token.hash.as_bytes().to_vec());
        let done = refresh_token::Entity::update_many().set(row).filter(this).exec(&self.0).await.map_err(orm)?;
        saved("refresh token of the session", token.session, done.rows_affected)
    }

    async fn delete_dead_sessions(&mut self, before: Timestamp, limit: Limit) -> Result<u64, StoreError> {
        let dead = Condition::any()
            .add(session::Column::ExpiresAt.lt(micros(before)))
            .add(session::Column::EndedAt.lt(micros(before)));
        let ids = session::Entity::find().select_only().column(session::Column::Id).filter(dead).limit(limit.rows());
        let ids = ids.into_tuple::<Uuid>().all(&self.0).await.map_err(orm)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let delete = session::Entity::delete_many().filter(among(&self.0, session::Column::Id, &ids));
        Ok(delete.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn lock_signing_keys(&mut self) -> Result<(), StoreError> {
        if self.0.get_database_backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let lock = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE";
        self.0.execute_unprepared(lock).await.map(drop).map_err(orm)
    }

    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        signing_keys(&self.0).await
    }

    async fn insert_signing_key(&mut self, key: &StoredSigningKey) -> Result<(), StoreError> {
        let row = signing_key::Model {
            id: key.id.uuid(),
            public_key: key.public_key.to_vec(),
            sealed_private_key: key.sealed_private_key.clone(),
            created_at: micros(key.created_at),
            retired_at: key.retired_at.map(micros),
        };
        let insert = signing_key::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn retire_signing_keys(&mut self, at: Timestamp) -> Result<(), StoreError> {
        let row = signing_key::ActiveModel { retired_at: ActiveValue::Set(Some(micros(at))), ..Default::default() };
        let update = signing_key::Entity::update_many().set(row).filter(signing_key::Column::RetiredAt.is_null());
        update.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn seal_check(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let row = seal_check::Entity::find_by_id(SEAL_CHECK).one(&self.0).await.map_err(orm)?;
        Ok(row.map(|row| row.sealed))
    }

    async fn insert_seal_check(&mut self, sealed: &[u8]) -> Result<(), StoreError> {
        let row = seal_check::Model { id: SEAL_CHECK, sealed: sealed.to_vec() };
        let insert = seal_check::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }
}

#[async_trait]
impl IdentityReads for Database {
    async fn account_by_email(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        let row = user::Entity::find().filter(user::Column::Email.eq(email.as_str()));
        row.one(self.reads()).await.map_err(orm)?.map(account).transpose()
    }

    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(account).transpose()
    }

    async fn mailed_token(&self, hash: &TokenHash) -> Result<Option<MailedToken>, StoreError> {
        mailed_token_of(self.reads(), hash).await
    }

    async fn sessions_of(&self, user: UserId, now: Timestamp, rows: u64) -> Result<Vec<Session>, StoreError> {
        let live = session::Entity::find()
            .filter(session::Column::UserId.eq(user.uuid()))
            .filter(session::Column::EndedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(micros(now)))
            .order_by_desc(session::Column::LastUsedAt)
            .order_by_desc(session::Column::Id)
            .limit(rows);
        live.all(self.reads()).await.map_err(orm)?.iter().map(mapping::session).collect()
    }

    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(mapping::user).transpose()
    }

    async fn users(&self, after: Option<UserId>, rows: u64) -> Result<Vec<User>, StoreError> {
        let behind = after.map(|after| user::Column::Id.gt(after.uuid()));
        let page = user::Entity::find().filter(Condition::all().add_option(behind));
        let page = page.order_by_asc(user::Column::Id).limit(rows);
        page.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::user).collect()
    }

    async fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        signing_keys(self.reads()).await
    }

    async fn revocations(&self, since: Timestamp) -> Result<Revocations, StoreError> {
        let sessions = session::Entity::find()
            .select_only()
            .columns([session::Column::Id, session::Column::EndedAt])
            .filter(session::Column::EndedAt.gte(micros(since)))
            .into_tuple::<(Uuid, i64)>();
        let sessions = sessions.all(self.reads()).await.map_err(orm)?;
        let ended = |(id, at)| Ok(EndedSession { session: SessionId::new(id), at: mapping::instant(at)? });
        let sessions: Vec<EndedSession> = sessions.into_iter().map(ended).collect::<Result<_, StoreError>>()?;
        let users = user::Entity::find().filter(user::Column::RoleChangedAt.gte(micros(since)));
        let users = users.all(self.reads()).await.map_err(orm)?;
        let users: Vec<User> = users.into_iter().map(mapping::user).collect::<Result<_, _>>()?;
        let changed = |user: User| Some(ChangedRole { user: user.id, role: user.role, at: user.role_changed_at? });
        let keys = api_key::Entity::find()
            .select_only()
            .columns([api_key::Column::Id, api_key::Column::RevokedAt])
            .filter(api_key::Column::RevokedAt.gte(micros(since)))
            .into_tuple::<(Uuid, i64)>();
        let keys = keys.all(self.reads()).await.map_err(orm)?;
        let revoked = |(id, at)| Ok(RevokedKey { key: ApiKeyId::new(id), at: mapping::instant(at)? });
        let keys: Vec<RevokedKey> = keys.into_iter().map(revoked).collect::<Result<_, StoreError>>()?;
        Ok(Revocations { sessions, roles: users.into_iter().filter_map(changed).collect(), keys })
    }
}

fn account(mut row: user::Model) -> Result<Account, StoreError> {
    let password = row.password_hash.take().map(PasswordHash::new);
    Ok(Account { user: mapping::user(row)?, password })
}

async fn mailed_token_of(
    connection: &impl ConnectionTrait,
    hash: &TokenHash,
) -> Result<Option<MailedToken>, StoreError> {
    let row = mailed_token::Entity::find_by_id(hash.as_bytes().to_vec()).one(connection).await.map_err(orm)?;
    row.map(mapping::mailed_token).transpose()
}

async fn signing_keys(connection: &impl ConnectionTrait) -> Result<Vec<StoredSigningKey>, StoreError> {
    let rows =
        signing_key::Entity::find().order_by_asc(signing_key::Column::CreatedAt).order_by_asc(signing_key::Column::Id);
    rows.all(connection).await.map_err(orm)?.into_iter().map(mapping::signing_key).collect()
}
