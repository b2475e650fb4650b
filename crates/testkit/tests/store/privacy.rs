//! `docs/privacy.md` knows every column: what of people is kept is not forgotten, because the test is red until somebody
//! has thought of it.

use std::collections::BTreeSet;

use goticket_testkit::databases::{Engine, TestDatabase};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

/// The rows of the table: each `table` with the `columns` in its second cell.
fn inventory() -> BTreeSet<(String, String)> {
    let text = include_str!("../../../../docs/privacy.md");
    let mut known = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').skip(1);
        let table = cells.next().unwrap().trim().trim_matches('`');
        for column in cells.next().unwrap().split(',') {
            let new = known.insert((table.to_owned(), column.trim().trim_matches('`').to_owned()));
            assert!(new, "{table}: {column} stands there twice");
        }
    }
    known
}

#[tokio::test]
async fn the_inventory_knows_every_column() {
    let db = TestDatabase::create(Engine::Sqlite).await;
    let mut connection = SqliteConnection::connect(&db.settings().url).await.unwrap();
    let columns = "SELECT t.name AS t, c.name AS c FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'seaql_migrations'";
    let rows = sqlx::query(columns).fetch_all(&mut connection).await.unwrap();
    let columns: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get("t"), row.get("c"))).collect();
    let known = inventory();
    let missing: Vec<_> = columns.difference(&known).collect();
    assert!(missing.is_empty(), "columns that docs/privacy.md does not know: {missing:?}");
    let gone: Vec<_> = known.difference(&columns).collect();
    assert!(gone.is_empty(), "columns that docs/privacy.md knows and that are not there: {gone:?}");
}
