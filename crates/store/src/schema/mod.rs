//! The schema: MLflow 3.7.0's own, table for table, so that MLflow can take the database over at any time.

use crate::db::{Db, Dialect, Tx, Value};
use crate::error::{Error, Result};

/// The Alembic revision of MLflow 3.7.0's tracking schema.
pub const HEAD: &str = "bf29a5ff90ea";

/// What [`prepare`] found or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// The database was empty; the schema was created.
    Created,
    /// The schema was there, at [`HEAD`].
    Present,
}

/// Why a database cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database's revision is not ours.
    #[error(
        "the database is at MLflow schema revision {found}, and this version of Ferroflow serves {HEAD} (MLflow 3.7.0). \
         Bring it there with MLflow 3.7.0's `mlflow db upgrade`, or use another database"
    )]
    OtherRevision {
        /// What `alembic_version` says.
        found: String,
    },
    /// There are tables, but no revision.
    #[error(
        "the database has tables but no MLflow schema revision; use an empty database or one of MLflow's"
    )]
    NotMlflow,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Creates the schema and the default experiment in an empty database; checks the revision of one that is not empty.
///
/// `artifact_root` is where the default experiment `0` keeps its artifacts; `now_ms` is its creation time.
///
/// # Errors
/// [`SchemaError`], each with a sentence that says what to do.
pub async fn prepare(
    db: &Db,
    artifact_root: String,
    now_ms: i64,
) -> std::result::Result<Prepared, SchemaError> {
    let found = db.write(|tx| Box::pin(async move { create_if_empty(tx).await })).await?;
    let prepared = match found {
        Found::Created => Prepared::Created,
        Found::Revision(revision) if revision == HEAD => Prepared::Present,
        Found::Revision(found) => return Err(SchemaError::OtherRevision { found }),
        Found::OtherTables => return Err(SchemaError::NotMlflow),
    };
    db.write(move |tx| Box::pin(async move { add_default_experiment(tx, &artifact_root, now_ms).await }))
        .await?;
    // On a PostgreSQL database that others use, building an index would keep them from writing meanwhile.
    if prepared == Prepared::Created || db.dialect() == Dialect::Sqlite {
        db.write(|tx| Box::pin(tx.script(INDEXES))).await?;
    }
    Ok(prepared)
}

/// What MLflow's schema lacks: additions that MLflow does not notice, all named `ferroflow_*`. A search's newest runs come
/// straight from this index, however many runs there are.
pub const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS ferroflow_runs_experiment_id_lifecycle_stage_start_time
    ON runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid)";

enum Found {
    Created,
    Revision(String),
    OtherTables,
}

const POSTGRES: &str = include_str!("postgres.sql");
const SQLITE: &str = include_str!("sqlite.sql");

const POSTGRES_TABLES: &str =
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
const REVISION: &str = "SELECT version_num FROM alembic_version";
const SET_REVISION: &str = "INSERT INTO alembic_version (version_num) VALUES ($1)";
// Several servers may start on one empty database at once; one creates the schema, the others wait and find it.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7811887170463919)";

async fn create_if_empty(tx: &mut Tx<'_>) -> Result<Found> {
    let (lock, tables, schema) = match tx.dialect() {
        Dialect::Postgres => (POSTGRES_LOCK, POSTGRES_TABLES, POSTGRES),
        // The writer thread holds the file's write lock already.
        Dialect::Sqlite => ("SELECT 1", SQLITE_TABLES, SQLITE),
    };
    tx.all(lock, &[], |_| Ok(())).await?;
    let tables = tx.all(tables, &[], |row| row.text(0)).await?;
    if tables.iter().any(|name| name == "alembic_version") {
        let revision = tx.first(REVISION, &[], |row| row.text(0)).await?;
        return Ok(revision.map_or(Found::OtherTables, Found::Revision));
    }
    if !tables.is_empty() {
        return Ok(Found::OtherTables);
    }
    tx.script(schema).await?;
    tx.exec(SET_REVISION, &[HEAD.into()]).await?;
    Ok(Found::Created)
}

const DEFAULT_EXPERIMENT: &str = "
    INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
    VALUES (0, 'Default', $1, 'active', $2, $3)
    ON CONFLICT DO NOTHING";

async fn add_default_experiment(tx: &mut Tx<'_>, artifact_root: &str, now_ms: i64) -> Result<()> {
    let location = api::uri::append_to_uri_path(artifact_root, &["0"])?;
    tx.exec(DEFAULT_EXPERIMENT, &[Value::Text(location), now_ms.into(), now_ms.into()]).await?;
    Ok(())
}
