//! Personal fields of the audit log are erased, with the salts that would let somebody try them.

use application::audit::{ChainId, Erased};
use application::store::StoreError;
use domain::UserId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::audit::{COMMITMENT, DIGEST, ids};
use crate::audit_page::blocks_behind;
use crate::connect::Database;
use crate::entity::{audit, audit_block, booking};
use crate::error::orm;
use crate::guests::made_by;
use crate::lane::among;
use crate::unit_of_work::CHANGES_ROW;

/// The numbers of an account, and of nobody in particular, among the kinds of actors.
const ACCOUNT: i16 = 2;
const ANONYMOUS: i16 = 1;

/// Erases in the next blocks behind a place; says where it has got to, and nothing at the end.
pub(crate) async fn erase(
    database: &Database,
    of: &Erased,
    after: Option<(ChainId, u64)>,
    blocks: u32,
) -> Result<Option<(ChainId, u64)>, StoreError> {
    let chain = match of {
        Erased::Account(_) => None,
        Erased::Guest(organizer, _) => Some(audit_block::Column::Chain.eq(organizer.uuid())),
    };
    let found = blocks_behind(after).filter(Condition::all().add_option(chain)).limit(u64::from(blocks));
    let found = found.all(database.reads()).await.map_err(orm)?;
    let last = found.last().map(|row| (ChainId::new(row.chain), u64::try_from(row.number).unwrap_or_default()));
    for row in found.iter().filter(|row| row.commitments.is_some()) {
        let lines = his(database, of, &ids(&row.lines)?).await?;
        if !lines.is_empty() {
            erase_lines(database, (row.chain, row.number), &lines).await?;
        }
    }
    Ok(last)
}

/// Those of the lines that have personal fields and that he has caused, or that are about his bookings.
async fn his(database: &Database, of: &Erased, lines: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let theirs = match of {
        Erased::Account(user) => caused_or_booked(*user),
        Erased::Guest(organizer, pseudonym) => about(made_by(*organizer, pseudonym)),
    };
    let rows = audit::Entity::find()
        .select_only()
        .column(audit::Column::Id)
        .filter(among(database.reads(), audit::Column::Id, lines))
        .filter(audit::Column::Personal.is_not_null())
        .filter(theirs);
    rows.into_tuple::<Uuid>().all(database.reads()).await.map_err(orm)
}

/// Lines that the account has caused, that are about its bookings, or that nobody known has caused about it.
pub(crate) fn caused_or_booked(user: UserId) -> Condition {
    let user = user.uuid();
    let caused = Condition::all().add(audit::Column::ActorKind.eq(ACCOUNT)).add(audit::Column::ActorUserId.eq(user));
    let bought = Condition::all().add(booking::Column::BuyerUserId.eq(user));
    // Who mistypes a code on his way in has no name yet.
    let unnamed = Condition::all()
        .add(audit::Column::ActorKind.eq(ANONYMOUS))
        .add(audit::Column::ObjectKind.eq("user"))
        .add(audit::Column::Object.eq(user));
    Condition::any().add(caused).add(about(bought)).add(unnamed)
}

/// Lines about such bookings.
fn about(bookings: Condition) -> Condition {
    let ids = Query::select().column(booking::Column::Id).from(booking::Entity).cond_where(bookings).take();
    Condition::all().add(audit::Column::ObjectKind.eq("booking")).add(audit::Column::Object.in_subquery(ids))
}

async fn erase_lines(database: &Database, of: (Uuid, i64), lines: &[Uuid]) -> Result<(), StoreError> {
    let transaction = database.begin_unit().await?;
    // Locked and read anew: somebody else may erase others of its lines.
    let row = audit_block::Entity::find_by_id(of).lock(CHANGES_ROW).one(&transaction).await.map_err(orm)?;
    let Some(row) = row else { return Ok(()) };
    let Some(mut commitments) = row.commitments else { return Ok(()) };
    for (at, _) in ids(&row.lines)?.iter().enumerate().filter(|(_, line)| lines.contains(line)) {
        if let Some(commitment) = commitments.get_mut(at * COMMITMENT..(at + 1) * COMMITMENT) {
            commitment[DIGEST..].fill(0);
        }
    }
    let block = audit_block::ActiveModel { commitments: Set(Some(commitments)), ..Default::default() };
    let update = audit_block::Entity::update_many().set(block).filter(audit_block::Column::Chain.eq(of.0));
    update.filter(audit_block::Column::Number.eq(of.1)).exec(&transaction).await.map_err(orm)?;
    let line = audit::ActiveModel { personal: Set(None), ..Default::default() };
    let update = audit::Entity::update_many().set(line).filter(among(&transaction, audit::Column::Id, lines));
    update.exec(&transaction).await.map_err(orm)?;
    transaction.commit().await
}
