//! What a database holds: nothing, MLflow's schema at some revision, or something else.

use super::{Chain, SchemaError};
use crate::db::{Dialect, Tx};
use crate::error::Result;

/// How far the tables of one [`Chain`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There are none.
    Empty,
    /// They are there after this many of the chain's steps.
    At(usize),
    /// They are at a revision that is not among the chain's steps.
    Unknown(String),
    /// There are tables, but no revision.
    OtherTables,
}

/// What is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What the server serves.
    pub tracking: State,
    /// Users and permissions.
    pub auth: State,
}

/// What to do about the tables of users and permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Leave them as they are.
    Leave,
    /// What is done to the others is done to them, where they are.
    IfThere,
    /// They are made where they are not.
    Make,
}

impl State {
    /// How many of the chain's steps are done.
    ///
    /// # Errors
    /// [`SchemaError`] where the steps do not apply.
    pub fn steps_done(&self, chain: Chain) -> std::result::Result<usize, SchemaError> {
        match self {
            Self::At(done) => Ok(*done),
            Self::Empty => Err(SchemaError::Empty),
            Self::Unknown(found) => Err(SchemaError::Unknown { chain, found: found.clone() }),
            Self::OtherTables => Err(SchemaError::NotMlflow),
        }
    }

    /// Fails unless all of the chain's steps are done.
    ///
    /// # Errors
    /// [`SchemaError`], which says what to do.
    pub fn refuse_unless_at_head(&self, chain: Chain) -> std::result::Result<(), SchemaError> {
        match self.steps_done(chain)? {
            done if done == chain.steps().len() => Ok(()),
            done => Err(SchemaError::Older { chain, found: chain.revision_after(done).to_owned() }),
        }
    }
}

impl Found {
    /// Whether the database has no tables at all.
    pub fn is_empty(&self) -> bool {
        self.tracking == State::Empty && self.auth == State::Empty
    }

    /// The chains of this database, and how many of their steps are done. A database of users and permissions need not hold
    /// anything else.
    ///
    /// # Errors
    /// [`SchemaError`] where the steps do not apply.
    pub fn chains(&self, auth: Auth) -> std::result::Result<Vec<(Chain, usize)>, SchemaError> {
        let auth = match (&self.auth, auth) {
            (_, Auth::Leave) | (State::Empty, Auth::IfThere) => None,
            (State::Empty, Auth::Make) => Some(0),
            (state, _) => Some(state.steps_done(Chain::Auth)?),
        };
        let tracking = match &self.tracking {
            State::Empty | State::OtherTables if auth.is_some() => None,
            state => Some(state.steps_done(Chain::Tracking)?),
        };
        let tracking = tracking.map(|done| (Chain::Tracking, done));
        Ok(tracking.into_iter().chain(auth.map(|done| (Chain::Auth, done))).collect())
    }
}

const POSTGRES_TABLES: &str =
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
const SQLITE_TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
/// MLflow 0.9.1's tables, which had no revision. MLflow 3.7.0 makes these first, too, and may have been stopped then.
const FIRST_TABLES: [&str; 5] = ["experiments", "metrics", "params", "runs", "tags"];
/// The tables of users and permissions before they had a revision, all of which must be there: `users` alone is anybody's.
const FIRST_AUTH_TABLES: [&str; 3] = ["experiment_permissions", "registered_model_permissions", "users"];
const LATER_AUTH_TABLES: [&str; 2] = ["alembic_version_auth", "scorer_permissions"];

/// Looks at everything.
pub(crate) async fn read_all(tx: &mut Tx<'_>) -> Result<Found> {
    Ok(Found { tracking: read(tx, Chain::Tracking).await?, auth: read(tx, Chain::Auth).await? })
}

/// Looks at the tables of one chain.
pub(super) async fn read(tx: &mut Tx<'_>, chain: Chain) -> Result<State> {
    let tables = match tx.dialect() {
        Dialect::Postgres => POSTGRES_TABLES,
        Dialect::Sqlite => SQLITE_TABLES,
    };
    let tables = tx.all(tables, &[], |row| row.text(0)).await?;
    if tables.iter().any(|name| name == chain.version_table()) {
        let Some(revision) = tx.first(chain.revision(), &[], |row| row.text(0)).await? else {
            return Ok(State::OtherTables);
        };
        let place = chain.steps().iter().position(|step| step.revision == revision);
        return Ok(place.map_or(State::Unknown(revision), |place| State::At(place + 1)));
    }
    Ok(without_revision(chain, &tables))
}

fn without_revision(chain: Chain, tables: &[String]) -> State {
    let has_auth = tables.iter().any(|name| name == Chain::Auth.version_table())
        || FIRST_AUTH_TABLES.iter().all(|first| tables.iter().any(|name| name == first));
    let is_auth = |name: &str| FIRST_AUTH_TABLES.contains(&name) || LATER_AUTH_TABLES.contains(&name);
    match chain {
        Chain::Auth if has_auth => State::At(0),
        Chain::Auth => State::Empty,
        Chain::Tracking => {
            let others = tables.iter().map(String::as_str).filter(|name| !(has_auth && is_auth(name)));
            match others.collect::<Vec<_>>().as_slice() {
                [] => State::Empty,
                tables if tables == FIRST_TABLES => State::At(0),
                _ => State::OtherTables,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_without_a_revision_are_told_apart() {
        let state = |chain, tables: &str| {
            without_revision(chain, &tables.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let users = "experiment_permissions registered_model_permissions users";
        for (tables, tracking, auth) in [
            ("", State::Empty, State::Empty),
            ("experiments metrics params runs tags", State::At(0), State::Empty),
            ("users", State::OtherTables, State::Empty),
            (users, State::Empty, State::At(0)),
            ("alembic_version_auth scorer_permissions users", State::Empty, State::At(0)),
        ] {
            assert_eq!(state(Chain::Tracking, tables), tracking, "{tables}");
            assert_eq!(state(Chain::Auth, tables), auth, "{tables}");
        }
    }
}
