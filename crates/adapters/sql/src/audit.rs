//! How lines of the audit log wait, are sealed, and are read as evidence.
//!
//! Ids, digests and commitments of the lines of a block lie behind each other in three columns: a block is one row, and
//! costs little more than what it says.

use std::collections::HashMap;

use application::audit::{
    Anchor, AuditLine, AuditSeals, AuditTrail, AuditTrails, Block, Chain, ChainId, Checkpoint, Commitment, Entry,
    Erased, Head, SALT_BYTES, Sealed, StoredAuditKey, Unsealed,
};
use application::journal::AuditRow;
use application::origin::Actor;
use application::store::StoreError;
use async_trait::async_trait;
use domain::{ApiKeyId, OrganizerId, SigningKeyId, Timestamp, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{audit, audit_block, audit_chain, audit_checkpoint, audit_key, audit_unsealed};
use crate::error::{bad_row, orm};
use crate::lane::among;
use crate::mapping::{instant, micros};
use crate::transaction::SqlTransaction;
use crate::unit_of_work::CHUNK;

const ID: usize = 16;
pub(crate) const DIGEST: usize = 32;
pub(crate) const COMMITMENT: usize = DIGEST + SALT_BYTES;
const HEAD: usize = ID + 8 + DIGEST;
/// Blocks of one statement: each may have some ten thousand bytes.
const BLOCKS: usize = 50;

/// What says that these lines wait, and what of them enters the chain: one row a tenant.
pub(crate) fn unsealed(lines: &[AuditRow]) -> Vec<audit_unsealed::Model> {
    let mut batches: Vec<(Option<OrganizerId>, Vec<Entry>)> = Vec::new();
    let mut of: HashMap<Option<OrganizerId>, usize> = HashMap::new();
    for line in lines {
        let at = *of.entry(line.organizer).or_insert_with(|| {
            batches.push((line.organizer, Vec::new()));
            batches.len() - 1
        });
        batches[at].1.push(line.entry());
    }
    let row = |(organizer, entries): (Option<OrganizerId>, Vec<Entry>)| {
        let Packed { lines, digests, commitments } = Packed::of(&entries);
        let organizer_id = organizer.map(OrganizerId::uuid);
        audit_unsealed::Model { id: entries[0].line, organizer_id, lines, digests: Some(digests), commitments }
    };
    batches.into_iter().map(row).collect()
}

/// Entries as they are stored, behind each other: 16 bytes of id, 32 of digest, and, if one of them has a commitment, 48
/// of commitment with its salt. All zeros, which no digest is, say that there is no commitment; and where the salt is,
/// that it was erased.
struct Packed {
    lines: Vec<u8>,
    digests: Vec<u8>,
    commitments: Option<Vec<u8>>,
}

impl Packed {
    fn of(entries: &[Entry]) -> Self {
        let commitment = |entry: &Entry| {
            let mut bytes = [0; COMMITMENT];
            if let Some(commitment) = entry.commitment {
                bytes[..DIGEST].copy_from_slice(&commitment.digest);
                bytes[DIGEST..].copy_from_slice(&commitment.salt.unwrap_or_default());
            }
            bytes
        };
        let has_commitments = entries.iter().any(|entry| entry.commitment.is_some());
        Self {
            lines: entries.iter().flat_map(|entry| entry.line.into_bytes()).collect(),
            digests: entries.iter().flat_map(|entry| entry.digest).collect(),
            commitments: has_commitments.then(|| entries.iter().flat_map(commitment).collect()),
        }
    }

    fn entries(lines: &[u8], digests: Option<&[u8]>, commitments: Option<&[u8]>) -> Result<Vec<Entry>, StoreError> {
        let digests: &[[u8; DIGEST]] = digests.unwrap_or_default().as_chunks().0;
        let commitments: &[[u8; COMMITMENT]] = commitments.unwrap_or_default().as_chunks().0;
        let commitment = |at: usize| {
            let (digest, salt) = commitments.get(at)?.split_first_chunk::<DIGEST>()?;
            let salt: [u8; SALT_BYTES] = salt.try_into().ok()?;
            (*digest != [0; DIGEST])
                .then_some(Commitment { digest: *digest, salt: (salt != [0; SALT_BYTES]).then_some(salt) })
        };
        let entry = |(at, line)| Entry {
            line,
            digest: digests.get(at).copied().unwrap_or_default(),
            commitment: commitment(at),
        };
        Ok(ids(lines)?.into_iter().enumerate().map(entry).collect())
    }
}

#[async_trait]
impl AuditSeals for Database {
    async fn unsealed(&self, batches: u32) -> Result<Vec<Unsealed>, StoreError> {
        let rows = audit_unsealed::Entity::find().order_by_asc(audit_unsealed::Column::Id).limit(u64::from(batches));
        rows.all(self.reads()).await.map_err(orm)?.into_iter().map(batch).collect()
    }

    async fn audit_lines(&self, ids: &[Uuid]) -> Result<Vec<AuditLine>, StoreError> {
        lines(self.reads(), ids).await
    }

    async fn heads(&self, chains: &[ChainId]) -> Result<Vec<Head>, StoreError> {
        let ids: Vec<Uuid> = chains.iter().map(|chain| chain.uuid()).collect();
        let mut heads = Vec::with_capacity(ids.len());
        for some in ids.chunks(CHUNK) {
            let rows = audit_chain::Entity::find().filter(among(self.reads(), audit_chain::Column::Chain, some));
            for row in rows.all(self.reads()).await.map_err(orm)? {
                heads.push(chain(row)?.head);
            }
        }
        Ok(heads)
    }

    async fn seal(&self, sealed: &Sealed) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        for of_chain in sealed.blocks.chunk_by(|one, other| one.chain == other.chain) {
            if !advance(&transaction, of_chain).await? {
                return Ok(false);
            }
        }
        for some in sealed.blocks.chunks(BLOCKS) {
            let rows = some.iter().map(|block| block_row(block).into_active_model());
            audit_block::Entity::insert_many(rows).exec_without_returning(&transaction).await.map_err(orm)?;
        }
        let delete = audit_unsealed::Entity::delete_many();
        let delete = delete.filter(among(&transaction, audit_unsealed::Column::Id, &sealed.batches));
        let deleted = delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        if deleted != sealed.batches.len() as u64 {
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let last = audit_checkpoint::Entity::find().order_by_desc(audit_checkpoint::Column::Number);
        last.one(self.reads()).await.map_err(orm)?.map(checkpoint).transpose()
    }

    async fn unchecked_heads(&self, limit: u32) -> Result<Vec<Head>, StoreError> {
        let grown = Expr::col(audit_chain::Column::Number).gt(Expr::col(audit_chain::Column::CheckedNumber));
        let rows = audit_chain::Entity::find().filter(grown).order_by_asc(audit_chain::Column::Chain);
        let rows = rows.limit(u64::from(limit)).all(self.reads()).await.map_err(orm)?;
        rows.into_iter().map(|row| chain(row).map(|chain| chain.head)).collect()
    }

    async fn insert_checkpoint(&self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        let row = audit_checkpoint::Model {
            number: big(checkpoint.number),
            previous: checkpoint.previous.to_vec(),
            at: micros(checkpoint.at),
            heads: checkpoint.heads.iter().flat_map(head_bytes).collect(),
            key_id: checkpoint.key.uuid(),
            signature: checkpoint.signature.clone(),
        };
        let there = OnConflict::column(audit_checkpoint::Column::Number).do_nothing().to_owned();
        let insert = audit_checkpoint::Entity::insert(row.into_active_model()).on_conflict(there);
        if insert.exec_without_returning(&transaction).await.map_err(orm)? == 0 {
            return Ok(false);
        }
        for head in &checkpoint.heads {
            let row = audit_chain::ActiveModel { checked_number: Set(big(head.number)), ..Default::default() };
            let update = audit_chain::Entity::update_many().set(row);
            let update = update.filter(audit_chain::Column::Chain.eq(head.chain.uuid()));
            update.exec(&transaction).await.map_err(orm)?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn audit_keys(&self) -> Result<Vec<StoredAuditKey>, StoreError> {
        keys(self.reads()).await
    }

    async fn insert_audit_key(&self, key: &StoredAuditKey) -> Result<(), StoreError> {
        let row = audit_key::Model {
            id: key.id.uuid(),
            public_key: key.public_key.to_vec(),
            sealed_private_key: key.sealed_private_key.clone(),
            created_at: micros(key.created_at),
        };
        let transaction = self.begin_unit().await?;
        let insert = audit_key::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&transaction).await.map_err(orm)?;
        transaction.commit().await
    }

    async fn oldest_blocks(&self, before: Timestamp, blocks: u32) -> Result<Vec<Block>, StoreError> {
        let old = audit_block::Column::SealedAt.lt(micros(before));
        let found = audit_block::Entity::find().filter(old).order_by_asc(audit_block::Column::SealedAt);
        let Some(found) = found.one(self.reads()).await.map_err(orm)? else { return Ok(Vec::new()) };
        let rows = audit_block::Entity::find()
            .filter(audit_block::Column::Chain.eq(found.chain))
            .filter(audit_block::Column::Number.lte(found.number))
            .order_by_asc(audit_block::Column::Number)
            .limit(u64::from(blocks));
        rows.all(self.reads()).await.map_err(orm)?.into_iter().map(block).collect()
    }

    async fn erase_personal(
        &self,
        of: &Erased,
        after: Option<(ChainId, u64)>,
        blocks: u32,
    ) -> Result<Option<(ChainId, u64)>, StoreError> {
        crate::audit_erase::erase(self, of, after, blocks).await
    }

    async fn youngest(&self, lines: &[Uuid]) -> Result<Option<Timestamp>, StoreError> {
        let mut youngest = None;
        for some in lines.chunks(CHUNK) {
            let row = audit::Entity::find()
                .select_only()
                .column_as(audit::Column::OccurredAt.max(), "youngest")
                .filter(among(self.reads(), audit::Column::Id, some));
            let at = row.into_tuple::<Option<i64>>().one(self.reads()).await.map_err(orm)?.flatten();
            youngest = Ord::max(youngest, at);
        }
        crate::mapping::instant_if(youngest)
    }

    async fn prune(&self, blocks: &[Block], anchor: &Anchor) -> Result<u64, StoreError> {
        let transaction = self.begin_unit().await?;
        let chain = anchor.head.chain.uuid();
        let numbers = blocks.iter().map(|block| big(block.number));
        let delete = audit_block::Entity::delete_many()
            .filter(audit_block::Column::Chain.eq(chain))
            .filter(audit_block::Column::Number.is_in(numbers));
        if delete.exec(&transaction).await.map_err(orm)?.rows_affected != blocks.len() as u64 {
            return Ok(0);
        }
        let row = audit_chain::ActiveModel {
            pruned_number: Set(Some(big(anchor.head.number))),
            pruned_digest: Set(Some(anchor.head.digest.to_vec())),
            pruned_before: Set(Some(micros(anchor.pruned_before))),
            pruned_key: Set(Some(anchor.key.uuid())),
            pruned_signature: Set(Some(anchor.signature.clone())),
            ..Default::default()
        };
        let update = audit_chain::Entity::update_many().set(row).filter(audit_chain::Column::Chain.eq(chain));
        update.exec(&transaction).await.map_err(orm)?;
        let lines: Vec<Uuid> = blocks.iter().flat_map(|block| block.entries.iter().map(|entry| entry.line)).collect();
        let mut deleted = 0;
        for some in lines.chunks(CHUNK) {
            let delete = audit::Entity::delete_many().filter(among(&transaction, audit::Column::Id, some));
            deleted += delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        }
        transaction.commit().await?;
        Ok(deleted)
    }
}

/// Moves the end of a chain behind these blocks; `false` where it is not where they begin.
async fn advance(transaction: &impl ConnectionTrait, blocks: &[Block]) -> Result<bool, StoreError> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(true) };
    let (number, digest) = (Set(big(last.number)), Set(last.digest.to_vec()));
    if first.number == 1 {
        let row = audit_chain::ActiveModel { chain: Set(first.chain.uuid()), number, digest, ..Default::default() };
        let there = OnConflict::column(audit_chain::Column::Chain).do_nothing().to_owned();
        let insert = audit_chain::Entity::insert(row).on_conflict(there);
        return Ok(insert.exec_without_returning(transaction).await.map_err(orm)? == 1);
    }
    let update = audit_chain::Entity::update_many()
        .set(audit_chain::ActiveModel { number, digest, ..Default::default() })
        .filter(audit_chain::Column::Chain.eq(first.chain.uuid()))
        .filter(audit_chain::Column::Number.eq(big(first.number - 1)))
        .filter(audit_chain::Column::Digest.eq(first.previous.to_vec()));
    Ok(update.exec(transaction).await.map_err(orm)?.rows_affected == 1)
}

#[async_trait]
impl AuditTrails for Database {
    async fn trail(&self) -> Result<Box<dyn AuditTrail>, StoreError> {
        Ok(Box::new(SqlTrail(self.begin_snapshot().await?.unbounded().await?)))
    }
}

/// Ends when it is dropped.
struct SqlTrail(SqlTransaction);

#[async_trait]
impl AuditTrail for SqlTrail {
    async fn chains(&mut self, after: Option<ChainId>, rows: u64) -> Result<Vec<Chain>, StoreError> {
        let after = after.map(ChainId::uuid);
        let mut told = audit_chain::Entity::find().order_by_asc(audit_chain::Column::Chain).limit(rows);
        let mut with_blocks = audit_block::Entity::find()
            .select_only()
            .column(audit_block::Column::Chain)
            .distinct()
            .order_by_asc(audit_block::Column::Chain)
            .limit(rows);
        if let Some(after) = after {
            told = told.filter(audit_chain::Column::Chain.gt(after));
            with_blocks = with_blocks.filter(audit_block::Column::Chain.gt(after));
        }
        let told = told.all(&self.0).await.map_err(orm)?;
        let mut chains = told.into_iter().map(chain).collect::<Result<Vec<_>, _>>()?;
        for id in with_blocks.into_tuple::<Uuid>().all(&self.0).await.map_err(orm)? {
            let id = ChainId::new(id);
            // Somebody has deleted what tells of it; a page that is full tells of the rest later.
            let is_told = chains.iter().any(|chain| chain.head.chain == id);
            if !is_told {
                chains.push(Chain { head: Head::empty(id), anchor: None });
            }
        }
        chains.sort_unstable_by_key(|chain| chain.head.chain);
        chains.truncate(usize::try_from(rows).unwrap_or(usize::MAX));
        Ok(chains)
    }

    async fn blocks(&mut self, chain: ChainId, after: u64, rows: u64) -> Result<Vec<Block>, StoreError> {
        let rows = audit_block::Entity::find()
            .filter(audit_block::Column::Chain.eq(chain.uuid()))
            .filter(audit_block::Column::Number.gt(big(after)))
            .order_by_asc(audit_block::Column::Number)
            .limit(rows);
        rows.all(&self.0).await.map_err(orm)?.into_iter().map(block).collect()
    }

    async fn lines(&mut self, ids: &[Uuid]) -> Result<Vec<AuditLine>, StoreError> {
        lines(&self.0, ids).await
    }

    async fn waiting(&mut self, after: Option<Uuid>, rows: u64) -> Result<Vec<Unsealed>, StoreError> {
        let mut found = audit_unsealed::Entity::find().order_by_asc(audit_unsealed::Column::Id).limit(rows);
        if let Some(after) = after {
            found = found.filter(audit_unsealed::Column::Id.gt(after));
        }
        found.all(&self.0).await.map_err(orm)?.into_iter().map(batch).collect()
    }

    async fn checkpoints(&mut self, after: u64, rows: u64) -> Result<Vec<Checkpoint>, StoreError> {
        let rows = audit_checkpoint::Entity::find()
            .filter(audit_checkpoint::Column::Number.gt(big(after)))
            .order_by_asc(audit_checkpoint::Column::Number)
            .limit(rows);
        rows.all(&self.0).await.map_err(orm)?.into_iter().map(checkpoint).collect()
    }

    async fn keys(&mut self) -> Result<Vec<StoredAuditKey>, StoreError> {
        keys(&self.0).await
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        audit::Entity::find().count(&self.0).await.map_err(orm)
    }

    async fn line_ids(&mut self, after: Option<Uuid>, rows: u64) -> Result<Vec<Uuid>, StoreError> {
        let mut ids = audit::Entity::find().select_only().column(audit::Column::Id);
        ids = ids.order_by_asc(audit::Column::Id).limit(rows);
        if let Some(after) = after {
            ids = ids.filter(audit::Column::Id.gt(after));
        }
        ids.into_tuple::<Uuid>().all(&self.0).await.map_err(orm)
    }
}

async fn lines(connection: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<AuditLine>, StoreError> {
    let mut lines = Vec::with_capacity(ids.len());
    for some in ids.chunks(CHUNK) {
        let rows = audit::Entity::find().filter(among(connection, audit::Column::Id, some));
        for row in rows.all(connection).await.map_err(orm)? {
            lines.push(line(row)?);
        }
    }
    Ok(lines)
}

async fn keys(connection: &impl ConnectionTrait) -> Result<Vec<StoredAuditKey>, StoreError> {
    let rows = audit_key::Entity::find().order_by_asc(audit_key::Column::CreatedAt).order_by_asc(audit_key::Column::Id);
    let key = |row: audit_key::Model| {
        Ok(StoredAuditKey {
            id: SigningKeyId::new(row.id),
            public_key: fixed(&row.public_key)?,
            sealed_private_key: row.sealed_private_key,
            created_at: instant(row.created_at)?,
        })
    };
    rows.all(connection).await.map_err(orm)?.into_iter().map(key).collect()
}

/// A line of its row. What is only odd is for the verification to find: it must not stop at it.
pub(crate) fn line(row: audit::Model) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        id: row.id,
        at: instant(row.occurred_at)?,
        actor: match (row.actor_kind, row.actor_user_id) {
            (0, _) => Actor::System,
            (2, Some(id)) => Actor::User(UserId::new(id)),
            (3, Some(id)) => Actor::Key(ApiKeyId::new(id)),
            _ => Actor::Anonymous,
        },
        organizer: row.organizer_id.map(OrganizerId::new),
        action: row.action,
        object_kind: row.object_kind,
        object: row.object,
        before: row.before_state,
        after: row.after_state,
        correlation_id: row.correlation_id,
        personal: row.personal,
    })
}

fn batch(row: audit_unsealed::Model) -> Result<Unsealed, StoreError> {
    let entries = Packed::entries(&row.lines, row.digests.as_deref(), row.commitments.as_deref())?;
    Ok(Unsealed { id: row.id, organizer: row.organizer_id.map(OrganizerId::new), entries })
}

fn chain(row: audit_chain::Model) -> Result<Chain, StoreError> {
    let chain = ChainId::new(row.chain);
    let anchor = match (row.pruned_number, row.pruned_digest, row.pruned_before, row.pruned_key, row.pruned_signature) {
        (Some(number), Some(digest), Some(before), Some(key), Some(signature)) => Some(Anchor {
            head: Head { chain, number: small(number), digest: fixed(&digest)? },
            pruned_before: instant(before)?,
            key: SigningKeyId::new(key),
            signature,
        }),
        _ => None,
    };
    Ok(Chain { head: Head { chain, number: small(row.number), digest: fixed(&row.digest)? }, anchor })
}

fn block_row(block: &Block) -> audit_block::Model {
    let Packed { lines, digests, commitments } = Packed::of(&block.entries);
    audit_block::Model {
        chain: block.chain.uuid(),
        number: big(block.number),
        previous: block.previous.to_vec(),
        digest: block.digest.to_vec(),
        sealed_at: micros(block.sealed_at),
        lines,
        digests,
        commitments,
    }
}

pub(crate) fn block(row: audit_block::Model) -> Result<Block, StoreError> {
    Ok(Block {
        chain: ChainId::new(row.chain),
        number: small(row.number),
        previous: fixed(&row.previous)?,
        sealed_at: instant(row.sealed_at)?,
        entries: Packed::entries(&row.lines, Some(&row.digests), row.commitments.as_deref())?,
        digest: fixed(&row.digest)?,
    })
}

fn checkpoint(row: audit_checkpoint::Model) -> Result<Checkpoint, StoreError> {
    let head = |bytes: &[u8; HEAD]| {
        let (chain, rest) = bytes.split_first_chunk::<ID>()?;
        let (number, digest) = rest.split_first_chunk::<8>()?;
        let chain = ChainId::new(Uuid::from_bytes(*chain));
        Some(Head { chain, number: u64::from_be_bytes(*number), digest: digest.try_into().ok()? })
    };
    Ok(Checkpoint {
        number: small(row.number),
        previous: fixed(&row.previous)?,
        at: instant(row.at)?,
        heads: row.heads.as_chunks().0.iter().filter_map(head).collect(),
        key: SigningKeyId::new(row.key_id),
        signature: row.signature,
    })
}

fn head_bytes(head: &Head) -> Vec<u8> {
    [head.chain.uuid().as_bytes().as_slice(), &head.number.to_be_bytes(), &head.digest].concat()
}

pub(crate) fn ids(bytes: &[u8]) -> Result<Vec<Uuid>, StoreError> {
    let (ids, rest) = bytes.as_chunks::<ID>();
    if rest.is_empty() {
        Ok(ids.iter().map(|id| Uuid::from_bytes(*id)).collect())
    } else {
        Err(bad_row("list of ids", bytes.len()))
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| bad_row("digest", bytes.len()))
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn small(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
