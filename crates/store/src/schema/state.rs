//! What a database holds: nothing, MLflow's schema at some revision, or something else.

use super::{STEPS, SchemaError};
use crate::db::{Dialect, Tx};
use crate::error::Result;

/// What is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No tables.
    Empty,
    /// MLflow's schema after this many of the [`STEPS`]. None of them: the schema of MLflow 0.9.1.
    At(usize),
    /// MLflow's schema at a revision that is not among the [`STEPS`].
    Unknown(String),
    /// Tables, but no revision.
    OtherTables,
}

impl State {
    /// Where a database of the [`STEPS`] is, for people.
    pub fn revision_after(steps: usize) -> &'static str {
        steps.checked_sub(1).map_or("none (MLflow 0.9.1)", |last| STEPS[last].revision)
    }

    /// Fails unless the database can be served as it is.
    ///
    /// # Errors
    /// [`SchemaError`], which says what to do.
    pub fn refuse_unless_at_head(&self) -> std::result::Result<(), SchemaError> {
        match self.steps_done()? {
            done if done == STEPS.len() => Ok(()),
            done => Err(SchemaError::Older { found: Self::revision_after(done).to_owned() }),
        }
    }

    /// How many of the [`STEPS`] are done.
    ///
    /// # Errors
    /// [`SchemaError`] where the steps do not apply.
    pub fn steps_done(&self) -> std::result::Result<usize, SchemaError> {
        match self {
            Self::At(done) => Ok(*done),
            Self::Empty => Err(SchemaError::Empty),
            Self::Unknown(found) => Err(SchemaError::Unknown { found: found.clone() }),
            Self::OtherTables => Err(SchemaError::NotMlflow),
        }
    }
}

const POSTGRES_TABLES: &str =
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
const SQLITE_TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
const REVISION: &str = "SELECT version_num FROM alembic_version";
/// MLflow 0.9.1's tables, which had no revision. MLflow 3.7.0 makes these first, too, and may have been stopped then.
const FIRST_TABLES: [&str; 5] = ["experiments", "metrics", "params", "runs", "tags"];

/// Looks.
pub(super) async fn read(tx: &mut Tx<'_>) -> Result<State> {
    let tables = match tx.dialect() {
        Dialect::Postgres => POSTGRES_TABLES,
        Dialect::Sqlite => SQLITE_TABLES,
    };
    let tables = tx.all(tables, &[], |row| row.text(0)).await?;
    if tables.iter().any(|name| name == "alembic_version") {
        let Some(revision) = tx.first(REVISION, &[], |row| row.text(0)).await? else {
            return Ok(State::OtherTables);
        };
        let place = STEPS.iter().position(|step| step.revision == revision);
        return Ok(place.map_or(State::Unknown(revision), |place| State::At(place + 1)));
    }
    Ok(match tables.as_slice() {
        [] => State::Empty,
        tables if tables == FIRST_TABLES => State::At(0),
        _ => State::OtherTables,
    })
}
