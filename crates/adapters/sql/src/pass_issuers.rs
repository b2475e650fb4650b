//! What organizers sign passes for wallets with.

use application::admission::{IssuerAccount, PassIssuer, PassIssuerReads, PassIssuerRepository, Wallet};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{OrganizerId, PassIssuerId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::connect::Database;
use crate::entity::pass_issuer;
use crate::error::{bad_row, orm};
use crate::mapping::{instant, micros};
use crate::unit_of_work::SqlUnit;

#[async_trait]
impl PassIssuerReads for Database {
    async fn pass_issuers(&self, organizer: OrganizerId) -> Result<Vec<PassIssuer>, StoreError> {
        use pass_issuer::Column;
        let all = pass_issuer::Entity::find().filter(Column::OrganizerId.eq(organizer.uuid()));
        let rows = all.order_by_asc(Column::Wallet).all(self.reads()).await.map_err(orm)?;
        rows.into_iter().map(of_row).collect()
    }
}

#[async_trait]
impl PassIssuerRepository for SqlUnit {
    async fn save_pass_issuer(&mut self, issuer: &PassIssuer) -> Result<(), StoreError> {
        use pass_issuer::Column;
        let replaced = [
            Column::Id,
            Column::Name,
            Column::Account,
            Column::Certificate,
            Column::Intermediate,
            Column::ExpiresAt,
            Column::SealedPrivateKey,
            Column::ChangedAt,
        ];
        let older = OnConflict::columns([Column::OrganizerId, Column::Wallet]).update_columns(replaced).to_owned();
        let insert = pass_issuer::Entity::insert(row(issuer).into_active_model()).on_conflict(older);
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_pass_issuer(&mut self, organizer: OrganizerId, wallet: Wallet) -> Result<bool, StoreError> {
        use pass_issuer::Column;
        let delete = pass_issuer::Entity::delete_many().filter(Column::OrganizerId.eq(organizer.uuid()));
        let gone = delete.filter(Column::Wallet.eq(wallet.as_str())).exec(&self.0).await.map_err(orm)?;
        Ok(gone.rows_affected > 0)
    }
}

fn row(issuer: &PassIssuer) -> pass_issuer::Model {
    let (name, account, certificate, intermediate, expires_at) = match issuer.account.clone() {
        IssuerAccount::Apple { pass_type, team, certificate, intermediate, expires_at } => {
            (pass_type, team, Some(certificate), Some(intermediate), Some(micros(expires_at)))
        }
        IssuerAccount::Google { issuer, service_account } => (issuer, service_account, None, None, None),
    };
    pass_issuer::Model {
        id: issuer.id.uuid(),
        organizer_id: issuer.organizer.uuid(),
        wallet: issuer.account.wallet().as_str().to_owned(),
        name,
        account,
        certificate,
        intermediate,
        expires_at,
        sealed_private_key: issuer.sealed_private_key.clone(),
        changed_at: micros(issuer.changed_at),
    }
}

fn of_row(row: pass_issuer::Model) -> Result<PassIssuer, StoreError> {
    let account = match (Wallet::parse(&row.wallet), row.certificate, row.intermediate, row.expires_at) {
        (Some(Wallet::Apple), Some(certificate), Some(intermediate), Some(expires_at)) => IssuerAccount::Apple {
            pass_type: row.name,
            team: row.account,
            certificate,
            intermediate,
            expires_at: instant(expires_at)?,
        },
        (Some(Wallet::Google), ..) => IssuerAccount::Google { issuer: row.name, service_account: row.account },
        _ => return Err(bad_row("wallet", row.wallet)),
    };
    Ok(PassIssuer {
        id: PassIssuerId::new(row.id),
        organizer: OrganizerId::new(row.organizer_id),
        account,
        sealed_private_key: row.sealed_private_key,
        changed_at: instant(row.changed_at)?,
    })
}
