//! Whether a database can be used, and if not, what is in the way: what somebody asks who is about to start a server, or who
//! looks for what is wrong with one.

use crate::db::{Alter, Dialect, Tx, Value};
use crate::error::{Error, Result};
use crate::schema::{self, Chain, Found, SchemaError, State};
use crate::uri::DatabaseUri;

/// Who brings an older schema to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// Whoever asks, so that the rights must be there.
    Ours,
    /// Somebody else, who can be waited for.
    Others,
}

/// What a look found.
#[derive(Debug)]
pub struct Checkup {
    /// What answers, with its version.
    pub server: String,
    /// What is in the database.
    pub found: Found,
    /// What is in the way; nothing if the database can be used.
    pub problems: Vec<Problem>,
}

/// What is in the way.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The schema needs what the server does not have.
    #[error(
        "PostgreSQL {version} is too old: MLflow's schema has a generated column, which needs PostgreSQL {OLDEST} or newer; \
         upgrade the server"
    )]
    TooOld {
        /// The server's version.
        version: String,
    },
    /// A standby, or told to take no writes.
    #[error("the server takes no writes at present; it is a standby, or default_transaction_read_only is on")]
    ReadOnly,
    /// There is no schema to work in.
    #[error(
        "none of the schemas of search_path is there and open to this user; make one, or GRANT USAGE ON SCHEMA .. TO the user"
    )]
    NoSchema,
    /// Tables must be made, and cannot be.
    #[error("this user may not make tables in the schema {0}; GRANT CREATE ON SCHEMA {0} TO the user")]
    NoCreate(String),
    /// Tables must be changed, and belong to somebody else.
    #[error(
        "an upgrade is due, and only their owner can change the tables {}; run `ferroflow db upgrade` as their owner, or \
         ALTER TABLE .. OWNER TO this user", .0.join(", ")
    )]
    NotOwner(Vec<String>),
    /// Tables or sequences cannot be read and written.
    #[error(
        "this user may not read and write {}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES and USAGE ON ALL SEQUENCES \
         IN SCHEMA .. TO the user", .0.join(", ")
    )]
    NoWrite(Vec<String>),
    /// The schema is not ours, or not yet.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Problem {
    /// Whether it may go away though nobody is told.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::ReadOnly | Self::Schema(SchemaError::Older { .. }))
    }
}

/// The oldest PostgreSQL that has generated columns.
const OLDEST: i64 = 12;

/// Logs in and looks; changes nothing. A SQLite file that is not there yet is made by whoever opens it.
///
/// # Errors
/// What keeps us from logging in, or from looking.
pub async fn check(uri: &DatabaseUri, migration: Migration) -> Result<Checkup> {
    if let DatabaseUri::Sqlite(path) = uri
        && !path.exists()
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder {
            Some(folder) if !folder.is_dir() => {
                Err(Error::Refused(format!("there is no folder {}; make it", folder.display())))
            }
            _ => Ok(checkup(sqlite(), Found { tracking: State::Empty, auth: State::Empty }, migration)),
        };
    }
    Alter::open(uri).await?.step(move |tx| Box::pin(look(tx, migration))).await
}

async fn look(tx: &mut Tx<'_>, migration: Migration) -> Result<Checkup> {
    if tx.dialect() == Dialect::Sqlite {
        // That the file can be written to shows in that the transaction could begin.
        return Ok(checkup(sqlite(), schema::read_all(tx).await?, migration));
    }
    let server = server(tx).await?;
    let found = schema::read_all(tx).await?;
    let mut checkup = checkup(format!("PostgreSQL {}", server.version), found, migration);
    let due = match checkup.found.tracking {
        State::Empty => Due::Making,
        State::At(done) if migration == Migration::Ours && done < Chain::Tracking.steps().len() => {
            Due::Changing
        }
        _ => Due::Nothing,
    };
    let mut problems = rights(tx, server.schema.as_deref(), due).await?;
    if server.number / 10_000 < OLDEST {
        problems.push(Problem::TooOld { version: server.version });
    }
    if server.read_only {
        problems.push(Problem::ReadOnly);
    }
    checkup.problems.extend(problems);
    Ok(checkup)
}

fn sqlite() -> String {
    format!("SQLite {}", rusqlite::version())
}

/// What the schema alone shows.
fn checkup(server: String, found: Found, migration: Migration) -> Checkup {
    let schema = match &found.tracking {
        State::Empty => Ok(()),
        State::At(_) if migration == Migration::Ours => Ok(()),
        state => state.refuse_unless_at_head(Chain::Tracking),
    };
    Checkup { server, found, problems: schema.err().map(Problem::Schema).into_iter().collect() }
}

struct Server {
    version: String,
    number: i64,
    read_only: bool,
    schema: Option<String>,
}

const SERVER: &str = "
    SELECT current_setting('server_version'), current_setting('server_version_num')::int8,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, current_schema()::text";

async fn server(tx: &mut Tx<'_>) -> Result<Server> {
    let found = tx.first(SERVER, &[], |row| {
        Ok(Server {
            version: row.text(0)?,
            number: row.int(1)?,
            read_only: row.bool(2)?,
            schema: row.opt_text(3)?,
        })
    });
    found.await?.ok_or_else(|| Error::Database("no version".into()))
}

/// What must be done to the schema before it can be served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Making,
    Changing,
}

const MAY_CREATE: &str = "SELECT has_schema_privilege($1::text, 'CREATE')";
/// Of our tables: whether this user may work with them, and whether it may change them. The revision is only read.
const TABLES: &str = "
    SELECT c.relname::text,
           has_table_privilege(c.oid, 'SELECT')
               AND (c.relname = 'alembic_version' OR has_table_privilege(c.oid, 'INSERT')
                    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')),
           pg_has_role(c.relowner, 'USAGE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname::text = $1 AND c.relkind IN ('r', 'p') AND c.relname::text = ANY($2::text[])
    ORDER BY 1";
/// The sequences that number the rows of our tables and that this user may not draw from. Without `CASE` PostgreSQL may ask
/// for the right before it knows that it is a sequence.
const SEQUENCES: &str = "
    SELECT s.relname::text
    FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'a' JOIN pg_class c ON c.oid = d.refobjid
         JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname::text = $1 AND c.relname::text = ANY($2::text[])
          AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') ELSE false END
    ORDER BY 1";

async fn rights(tx: &mut Tx<'_>, schema: Option<&str>, due: Due) -> Result<Vec<Problem>> {
    // PostgreSQL leaves schemas out of the path that a user may not use.
    let Some(schema) = schema else { return Ok(vec![Problem::NoSchema]) };
    let mut problems = Vec::new();
    if due != Due::Nothing && tx.first(MAY_CREATE, &[schema.into()], |row| row.bool(0)).await? != Some(true) {
        problems.push(Problem::NoCreate(schema.to_owned()));
    }
    let ours = [Value::from(schema), Value::Texts(schema::tables().map(str::to_owned).collect())];
    let tables = tx.all(TABLES, &ours, |row| Ok((row.text(0)?, row.bool(1)?, row.bool(2)?))).await?;
    let names = |bad: fn(&(String, bool, bool)) -> bool| {
        tables.iter().filter(|table| bad(table)).map(|(name, ..)| name.clone()).collect::<Vec<_>>()
    };
    let foreign = names(|(_, _, is_owner)| !is_owner);
    if due == Due::Changing && !foreign.is_empty() {
        problems.push(Problem::NotOwner(foreign));
    }
    let mut closed = names(|(_, may_write, _)| !may_write);
    closed.extend(tx.all(SEQUENCES, &ours, |row| row.text(0)).await?);
    if !closed.is_empty() {
        problems.push(Problem::NoWrite(closed));
    }
    Ok(problems)
}
