//! The audit log as people read it: along the blocks of a tenant, so that the log itself needs no index by tenant.

use std::collections::HashMap;

use application::audit::{AuditFilter, AuditPage, AuditPlace, AuditReads, ChainId, Entry, SeenLine};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::audit::{block, ids, line};
use crate::audit_erase::caused_or_booked;
use crate::connect::Database;
use crate::entity::{audit, audit_block, audit_unsealed};
use crate::error::orm;
use crate::lane::among;
use crate::mapping::micros;

/// Blocks of one read.
const BLOCKS: u64 = 4;
/// The most lines that a page looks at.
const LOOKED_AT_MAX: usize = 20_000;
/// The most commits of a tenant whose waiting lines are looked at. More wait only while sealing is behind.
const WAITING_MAX: u64 = 1_000;

#[async_trait]
impl AuditReads for Database {
    async fn audit_page(
        &self,
        chain: ChainId,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        rows: usize,
    ) -> Result<AuditPage, StoreError> {
        let snapshot = self.begin_snapshot().await?;
        let mut page = Reading { chain, filter, rows, looked_at: 0, page: AuditPage::default() };
        let is_waiting = after.is_none_or(|place| place.block.is_none());
        if is_waiting && page.waiting(&snapshot, after.map(|place| place.line)).await? {
            return Ok(page.page);
        }
        page.sealed(&snapshot, after.filter(|place| place.block.is_some())).await?;
        Ok(page.page)
    }

    async fn lines_of(
        &self,
        account: UserId,
        since: Timestamp,
        after: Option<(ChainId, u64)>,
        blocks: u32,
    ) -> Result<(Vec<SeenLine>, Option<(ChainId, u64)>), StoreError> {
        let rows = blocks_behind(after)
            .filter(audit_block::Column::SealedAt.gte(micros(since)))
            .limit(u64::from(blocks))
            .all(self.reads());
        let (mut lines, mut place) = (Vec::new(), None);
        for row in rows.await.map_err(orm)? {
            let number = u64::try_from(row.number).unwrap_or_default();
            place = Some((ChainId::new(row.chain), number));
            let entries = block(row)?.entries;
            let ids: Vec<Uuid> = entries.iter().map(|entry| entry.line).collect();
            let told = caused_or_booked(account).add(audit::Column::Object.eq(account.uuid()));
            let found = audit::Entity::find().filter(among(self.reads(), audit::Column::Id, &ids)).filter(told);
            let found = found.order_by_asc(audit::Column::Id).all(self.reads()).await.map_err(orm)?;
            for row in found {
                let entry = entries.iter().find(|entry| entry.line == row.id);
                let commitment = entry.and_then(|entry| entry.commitment.as_ref());
                let is_erased = commitment.is_some_and(|commitment| commitment.salt.is_none());
                lines.push(SeenLine { line: line(row)?, block: Some(number), is_erased });
            }
        }
        Ok((lines, place))
    }
}

/// Blocks of all chains in the order of their key, behind this one.
pub(crate) fn blocks_behind(after: Option<(ChainId, u64)>) -> Select<audit_block::Entity> {
    use audit_block::Column;
    let behind = after.map(|(chain, number)| {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let later = Condition::all().add(Column::Chain.eq(chain.uuid())).add(Column::Number.gt(number));
        Condition::any().add(Column::Chain.gt(chain.uuid())).add(later)
    });
    audit_block::Entity::find()
        .filter(Condition::all().add_option(behind))
        .order_by_asc(Column::Chain)
        .order_by_asc(Column::Number)
}

struct Reading<'f> {
    chain: ChainId,
    filter: &'f AuditFilter,
    rows: usize,
    looked_at: usize,
    page: AuditPage,
}

impl Reading<'_> {
    /// Adds lines that wait; says whether the page is full.
    async fn waiting(&mut self, connection: &impl ConnectionTrait, before: Option<Uuid>) -> Result<bool, StoreError> {
        let organizer = Some(self.chain.uuid()).filter(|id| !id.is_nil());
        let of = match organizer {
            Some(organizer) => audit_unsealed::Column::OrganizerId.eq(organizer),
            None => audit_unsealed::Column::OrganizerId.is_null(),
        };
        let batches = audit_unsealed::Entity::find().filter(of);
        let batches = batches.order_by_desc(audit_unsealed::Column::Id).limit(WAITING_MAX);
        let mut waiting: Vec<Uuid> = Vec::new();
        for batch in batches.all(connection).await.map_err(orm)? {
            waiting.extend(ids(&batch.lines)?);
        }
        waiting.retain(|id| before.is_none_or(|before| *id < before));
        waiting.sort_unstable_by(|one, other| other.cmp(one));
        waiting.truncate(LOOKED_AT_MAX);
        self.add(connection, None, waiting.into_iter().map(Entry::unhashed).collect()).await
    }

    /// Adds lines of blocks.
    async fn sealed(&mut self, connection: &impl ConnectionTrait, after: Option<AuditPlace>) -> Result<(), StoreError> {
        let mut below = after.and_then(|place| place.block).map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let mut skip_to = after.map(|place| place.line);
        loop {
            let mut blocks = audit_block::Entity::find().filter(audit_block::Column::Chain.eq(self.chain.uuid()));
            if let Some(below) = below {
                // The block that the last page ended in comes once more.
                let column = audit_block::Column::Number;
                blocks = blocks.filter(if skip_to.is_some() { column.lte(below) } else { column.lt(below) });
            }
            let blocks = blocks.order_by_desc(audit_block::Column::Number).limit(BLOCKS);
            let blocks = blocks.all(connection).await.map_err(orm)?;
            let Some(last) = blocks.last() else { return Ok(()) };
            below = Some(last.number);
            for row in blocks {
                let mut entries = block(row.clone())?.entries;
                entries.reverse();
                let is_same = after.is_some_and(|place| place.block == u64::try_from(row.number).ok());
                if let Some(line) = skip_to.take().filter(|_| is_same) {
                    let at = entries.iter().position(|entry| entry.line == line).map_or(0, |at| at + 1);
                    entries.drain(..at);
                }
                if self.add(connection, u64::try_from(row.number).ok(), entries).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Adds those of these lines that the filter lets through; says whether the page ends with them.
    async fn add(
        &mut self,
        connection: &impl ConnectionTrait,
        block: Option<u64>,
        entries: Vec<Entry>,
    ) -> Result<bool, StoreError> {
        for some in entries.chunks(1_000) {
            let of: Vec<Uuid> = some.iter().map(|entry| entry.line).collect();
            let rows = audit::Entity::find().filter(among(connection, audit::Column::Id, &of));
            let rows = rows.filter(matching(self.filter)).all(connection).await.map_err(orm)?;
            let mut lines = HashMap::with_capacity(rows.len());
            for row in rows {
                lines.insert(row.id, line(row)?);
            }
            for entry in some {
                if let Some(line) = lines.remove(&entry.line) {
                    let is_erased = entry.commitment.is_some_and(|commitment| commitment.salt.is_none());
                    self.page.lines.push(SeenLine { line, block, is_erased });
                }
                if self.page.lines.len() == self.rows {
                    self.page.next = Some(AuditPlace { block, line: entry.line });
                    return Ok(true);
                }
            }
            self.looked_at += some.len();
            if self.looked_at >= LOOKED_AT_MAX {
                self.page.next = some.last().map(|last| AuditPlace { block, line: last.line });
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn matching(filter: &AuditFilter) -> Condition {
    let action = filter.action.as_deref().map(|action| {
        if action.ends_with('.') { audit::Column::Action.starts_with(action) } else { audit::Column::Action.eq(action) }
    });
    Condition::all()
        .add_option(filter.actor.map(|actor| audit::Column::ActorUserId.eq(actor)))
        .add_option(action)
        .add_option(filter.object.map(|object| audit::Column::Object.eq(object)))
        .add_option(filter.from.map(|from| audit::Column::OccurredAt.gte(micros(from))))
        .add_option(filter.to.map(|to| audit::Column::OccurredAt.lt(micros(to))))
}
