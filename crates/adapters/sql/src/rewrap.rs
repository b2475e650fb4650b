//! Sealed values of any table, by the names of the registry.

use application::identity::{RowKey, SealedColumn, SealedValue, SealedValues};
use application::store::StoreError;
use async_trait::async_trait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, Value};
use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;

use crate::connect::Database;
use crate::error::orm;

#[async_trait]
impl SealedValues for Database {
    async fn sealed_values(
        &self,
        column: &SealedColumn,
        after: Option<RowKey>,
        rows: u64,
    ) -> Result<Vec<(RowKey, SealedValue)>, StoreError> {
        let key = Alias::new(column.key);
        let mut select = Query::select();
        select.column(key.clone()).column(Alias::new(column.column)).from(Alias::new(column.table));
        if let Some(kind) = column.jobs_of {
            select.and_where(Expr::col(Alias::new("kind")).eq(kind));
        }
        if let Some(after) = after {
            select.and_where(Expr::col(key.clone()).gt(bound(after)));
        }
        select.order_by(key, Order::Asc).limit(rows);
        let found =
            self.reads().query_all_raw(self.reads().get_database_backend().build(&select)).await.map_err(orm)?;
        found.iter().map(|row| value(row, column)).collect()
    }

    async fn replace_sealed(
        &self,
        column: &SealedColumn,
        row: RowKey,
        old: &SealedValue,
        new: &SealedValue,
    ) -> Result<bool, StoreError> {
        let mut update = Query::update();
        update
            .table(Alias::new(column.table))
            .value(Alias::new(column.column), Expr::val(stored(new)))
            .and_where(Expr::col(Alias::new(column.key)).eq(bound(row)))
            .and_where(Expr::col(Alias::new(column.column)).eq(stored(old)));
        let transaction = self.begin_unit().await?;
        let statement = transaction.get_database_backend().build(&update);
        let changed = transaction.execute_raw(statement).await.map_err(orm)?.rows_affected();
        transaction.commit().await?;
        Ok(changed == 1)
    }
}

fn value(row: &QueryResult, column: &SealedColumn) -> Result<(RowKey, SealedValue), StoreError> {
    let key = match row.try_get::<Uuid>("", column.key) {
        Ok(id) => RowKey::Id(id),
        Err(_) => RowKey::Number(row.try_get("", column.key).map_err(orm)?),
    };
    let value = if column.jobs_of.is_some() {
        SealedValue::Text(row.try_get("", column.column).map_err(orm)?)
    } else {
        SealedValue::Bytes(row.try_get("", column.column).map_err(orm)?)
    };
    Ok((key, value))
}

fn bound(key: RowKey) -> Value {
    match key {
        RowKey::Id(id) => id.into(),
        RowKey::Number(number) => number.into(),
    }
}

fn stored(value: &SealedValue) -> Value {
    match value {
        SealedValue::Bytes(bytes) => bytes.clone().into(),
        SealedValue::Text(text) => text.clone().into(),
    }
}
