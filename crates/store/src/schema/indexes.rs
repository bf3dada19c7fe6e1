//! Indexes that MLflow's schema lacks: additions that MLflow does not notice, all named `ferroflow_*`.

use super::{Chain, SchemaError};
use crate::db::{Alter, Dialect, Tx};
use crate::error::Result;
use crate::uri::DatabaseUri;

/// An index of our own.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its table and columns, as `CREATE INDEX .. ON` has them.
    pub on: &'static str,
    /// What it is for, in a few words.
    pub serves: &'static str,
    /// Whether a fresh database gets it.
    pub fresh: bool,
}

const METRIC_VALUES: &str = "ferroflow_latest_metrics_key_value";

/// All of them.
pub const INDEXES: [Index; 3] = [
    Index {
        name: "ferroflow_runs_experiment_id_lifecycle_stage_start_time",
        on: "runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid)",
        serves: "the newest runs of an experiment",
        fresh: true,
    },
    Index {
        name: METRIC_VALUES,
        on: "latest_metrics (key, value)",
        serves: "runs by the value of a metric",
        fresh: false,
    },
    // MLflow's key begins with the tag's name, so that a version's tags, and a prompt's text is one, are found by reading all.
    Index {
        name: "ferroflow_model_version_tags_name_version",
        on: "model_version_tags (name, version)",
        serves: "the tags of a model version, and the text of a prompt",
        fresh: true,
    },
];

/// An index `ferroflow_*` in a database, one of [`INDEXES`] or one that another version made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundIndex {
    /// Its name.
    pub name: String,
    /// Whether it is complete. On PostgreSQL one whose making was cut off stays, is kept up to date, and helps nobody.
    pub valid: bool,
    /// Its size.
    pub bytes: i64,
}

/// What [`create_indexes`] and [`drop_indexes`] are at.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub enum IndexStep<'a> {
    Making(&'static Index),
    /// It was there, but not valid.
    Again(&'static Index),
    Made(&'static Index),
    Present(&'static Index),
    Dropped(&'a str),
}

type Outcome<T> = std::result::Result<T, SchemaError>;

/// Makes those that a fresh database gets.
pub(super) async fn create_fresh(tx: &mut Tx<'_>) -> Result<()> {
    for index in INDEXES.iter().filter(|index| index.fresh) {
        tx.script(&format!("CREATE INDEX IF NOT EXISTS {} ON {}", index.name, index.on)).await?;
    }
    Ok(())
}

/// The indexes that a database has of us.
///
/// # Errors
/// [`SchemaError`], also for a database that is not at our revision.
pub async fn list_indexes(uri: &DatabaseUri) -> Outcome<Vec<FoundIndex>> {
    Ok(look(&mut open(uri).await?).await?)
}

/// Makes the wanted ones of [`INDEXES`] where they are missing. On PostgreSQL others go on writing meanwhile; on SQLite they
/// wait.
///
/// # Errors
/// [`SchemaError`]. Those that are made by then stay.
pub async fn create_indexes(
    uri: &DatabaseUri,
    wanted: impl Fn(&Index) -> bool,
    report: impl Fn(IndexStep<'_>),
) -> Outcome<()> {
    let mut alter = open(uri).await?;
    for index in INDEXES.iter().filter(|index| wanted(index)) {
        let found = look(&mut alter).await?.into_iter().find(|found| found.name == index.name);
        match found {
            Some(found) if found.valid => {
                report(IndexStep::Present(index));
                continue;
            }
            Some(_) => {
                if alter.apart(|tx| Box::pin(is_being_made(tx, index.name))).await? {
                    return Err(SchemaError::IndexInTheMaking(index.name));
                }
                report(IndexStep::Again(index));
                remove(&mut alter, index.name.to_owned()).await?;
            }
            None => report(IndexStep::Making(index)),
        }
        alter.apart(|tx| Box::pin(make(tx, index))).await?;
        report(IndexStep::Made(index));
    }
    Ok(())
}

/// Drops every index `ferroflow_*`.
///
/// # Errors
/// [`SchemaError`]. Those that are dropped by then are gone.
pub async fn drop_indexes(uri: &DatabaseUri, report: impl Fn(IndexStep<'_>)) -> Outcome<()> {
    let mut alter = open(uri).await?;
    for found in look(&mut alter).await? {
        remove(&mut alter, found.name.clone()).await?;
        report(IndexStep::Dropped(&found.name));
    }
    Ok(())
}

async fn open(uri: &DatabaseUri) -> Outcome<Alter> {
    let mut alter = Alter::open(uri).await?;
    let state = alter.step(|tx| Box::pin(super::state::read(tx, Chain::Tracking))).await?;
    state.refuse_unless_at_head(Chain::Tracking)?;
    Ok(alter)
}

const POSTGRES_FOUND: &str = r"
    SELECT c.relname::text, i.indisvalid, pg_relation_size(c.oid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'ferroflow\_%' ORDER BY 1";
const SQLITE_FOUND: &str = r"
    SELECT name, TRUE, (SELECT SUM(pgsize) FROM dbstat d WHERE d.name = m.name)
    FROM sqlite_master m WHERE type = 'index' AND name LIKE 'ferroflow\_%' ESCAPE '\' ORDER BY 1";

const SQLITE_HAS: &str = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = $1";

/// Whether an SQLite database has the index of metrics by their values. PostgreSQL's planner needs no telling.
///
/// # Errors
/// Of the database.
pub async fn sqlite_has_metric_values(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(tx.first(SQLITE_HAS, &[METRIC_VALUES.into()], |_| Ok(())).await?.is_some())
}

async fn look(alter: &mut Alter) -> Result<Vec<FoundIndex>> {
    alter
        .apart(|tx| {
            Box::pin(async move {
                let sql = match tx.dialect() {
                    Dialect::Postgres => POSTGRES_FOUND,
                    Dialect::Sqlite => SQLITE_FOUND,
                };
                let found = |row: &crate::db::Row| {
                    Ok(FoundIndex { name: row.text(0)?, valid: row.bool(1)?, bytes: row.int(2)? })
                };
                tx.all(sql, &[], found).await
            })
        })
        .await
}

// Only PostgreSQL has indexes that are not valid.
const IS_BEING_MADE: &str = "
    SELECT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.index_relid
                   WHERE p.datname = current_database() AND c.relnamespace = current_schema()::regnamespace
                     AND c.relname = $1::text)";

async fn is_being_made(tx: &mut Tx<'_>, name: &str) -> Result<bool> {
    Ok(tx.first(IS_BEING_MADE, &[name.into()], |row| row.bool(0)).await? == Some(true))
}

async fn make(tx: &mut Tx<'_>, index: &Index) -> Result<()> {
    let beside_writers = if tx.dialect() == Dialect::Postgres { "CONCURRENTLY " } else { "" };
    tx.script(&format!("CREATE INDEX {beside_writers}{} ON {}", index.name, index.on)).await
}

async fn remove(alter: &mut Alter, name: String) -> Result<()> {
    alter
        .apart(|tx| {
            Box::pin(async move {
                let beside_readers = if tx.dialect() == Dialect::Postgres { "CONCURRENTLY " } else { "" };
                tx.script(&format!("DROP INDEX {beside_readers}IF EXISTS \"{}\"", name.replace('"', "\"\"")))
                    .await
            })
        })
        .await
}
