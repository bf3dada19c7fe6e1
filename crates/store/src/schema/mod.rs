//! The schema: MLflow 3.7.0's own, table for table, so that MLflow can take the database over at any time.

mod chain;
mod indexes;
mod state;
mod steps;
mod upgrade;

pub(crate) use state::read_all;

pub use chain::Chain;
pub(crate) use indexes::sqlite_has_metric_values;
pub use indexes::{FoundIndex, INDEXES, Index, IndexStep, create_indexes, drop_indexes, list_indexes};
pub use state::{Auth, Found, State};
pub use steps::{STEPS, Step};
pub use upgrade::{Progress, Upgraded, inspect, upgrade};

use crate::db::{Db, Dialect, LOCK, Tx, Value};
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
    /// The database is older than the chain's head, and can be upgraded.
    #[error(
        "{} at MLflow schema revision {found}, and this version of Ferroflow serves {} (MLflow 3.7.0). Take a backup, then \
         bring it there with `ferroflow db upgrade`{}", chain.subject(), chain.head(), chain.other_way()
    )]
    Older {
        /// Which tables.
        chain: Chain,
        /// What `alembic_version` says.
        found: String,
    },
    /// The database is at a revision that is not among the chain's steps.
    #[error(
        "{} at MLflow schema revision {found}, which this version of Ferroflow does not know: it serves {} (MLflow 3.7.0), so \
         a newer MLflow or Ferroflow made it. Use a newer Ferroflow, or the backup from before that upgrade, or another \
         database", chain.subject(), chain.head()
    )]
    Unknown {
        /// Which tables.
        chain: Chain,
        /// What `alembic_version` says.
        found: String,
    },
    /// The database has no tables yet.
    #[error(
        "the database is empty; `ferroflow server` makes its schema at the first start, and `ferroflow db upgrade` does"
    )]
    Empty,
    /// A step failed, and was undone.
    #[error(
        "the step to {} ({}) failed and was undone, those before it are done: {error}. Once the cause is gone, run it again: \
         it goes on with this step", step.revision, step.title
    )]
    Step {
        /// The step.
        step: &'static Step,
        /// Why.
        error: Error,
    },
    /// Another process makes this index at the moment.
    #[error(
        "another process is making the index {0}; wait until it is done, `ferroflow db indexes list` shows it"
    )]
    IndexInTheMaking(&'static str),
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
    let mut found = db.write(|tx| Box::pin(state::read(tx, Chain::Tracking))).await?;
    let mut prepared = Prepared::Present;
    if found == State::Empty {
        (prepared, found) = db.write(|tx| Box::pin(create(tx))).await?;
    }
    found.refuse_unless_at_head(Chain::Tracking)?;
    db.write(move |tx| Box::pin(async move { add_default_experiment(tx, &artifact_root, now_ms).await }))
        .await?;
    // On a PostgreSQL database that others use, building an index would keep them from writing meanwhile.
    if prepared == Prepared::Created || db.dialect() == Dialect::Sqlite {
        db.write(|tx| Box::pin(indexes::create_fresh(tx))).await?;
    }
    Ok(prepared)
}

const POSTGRES: &str = include_str!("postgres.sql");
const SQLITE: &str = include_str!("sqlite.sql");

/// The names of the tables.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    POSTGRES.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("))
}

const SET_REVISION: &str = "INSERT INTO alembic_version (version_num) VALUES ($1)";

/// Creates the schema if the database is still empty. Several servers may start on one empty database at once; one creates
/// the schema, the others wait and find it.
async fn create(tx: &mut Tx<'_>) -> Result<(Prepared, State)> {
    // On SQLite the writer thread holds the file's write lock already.
    if tx.dialect() == Dialect::Postgres {
        tx.all(LOCK, &[], |_| Ok(())).await?;
    }
    create_alone(tx).await
}

/// The same for whoever is alone already.
pub(crate) async fn create_alone(tx: &mut Tx<'_>) -> Result<(Prepared, State)> {
    let schema = match tx.dialect() {
        Dialect::Postgres => POSTGRES,
        Dialect::Sqlite => SQLITE,
    };
    let found = state::read(tx, Chain::Tracking).await?;
    if found != State::Empty {
        return Ok((Prepared::Present, found));
    }
    tx.script(schema).await?;
    tx.exec(SET_REVISION, &[HEAD.into()]).await?;
    Ok((Prepared::Created, State::At(STEPS.len())))
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
