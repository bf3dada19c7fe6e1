//! The table of deliveries: an addition that MLflow does not notice, made when there is first something to deliver.
//!
//! A database that nobody has webhooks in stays as MLflow made it.

use crate::db::{Db, Dialect, LOCK, Tx};
use crate::error::Result;
use api::error::invalid_state;

/// Whether deliveries can be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The table is there.
    There,
    /// Nobody needed it yet.
    NotNeeded,
    /// It is needed, and this user of the database may not make it, or not use the one that is there.
    Forbidden,
}

/// `due_at` is when a delivery may be tried; who takes it for a try sets that to when the try is over at the latest. `claim` is
/// the mark of the one who has it.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS ferroflow_webhook_deliveries (
        delivery_id VARCHAR(36) NOT NULL PRIMARY KEY,
        webhook_id VARCHAR(256) NOT NULL,
        event VARCHAR(101) NOT NULL,
        body TEXT NOT NULL,
        state VARCHAR(10) NOT NULL,
        created_at BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        tries INTEGER NOT NULL,
        claim VARCHAR(36),
        reason TEXT
    );
    CREATE INDEX IF NOT EXISTS ferroflow_webhook_deliveries_due ON ferroflow_webhook_deliveries (webhook_id, state, due_at)";

const POSTGRES_STATE: &str = "
    SELECT CASE WHEN t IS NULL THEN 'missing'
                WHEN has_table_privilege(t, 'SELECT') AND has_table_privilege(t, 'INSERT')
                     AND has_table_privilege(t, 'UPDATE') AND has_table_privilege(t, 'DELETE') THEN 'there'
                ELSE 'closed' END
    FROM (SELECT to_regclass('ferroflow_webhook_deliveries')) AS named (t)";
const SQLITE_STATE: &str = "
    SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ferroflow_webhook_deliveries')
                THEN 'there' ELSE 'missing' END";

#[derive(PartialEq)]
enum State {
    There,
    Missing,
    /// Somebody else's.
    Closed,
}

async fn state(tx: &mut Tx<'_>) -> Result<State> {
    let sql = match tx.dialect() {
        Dialect::Postgres => POSTGRES_STATE,
        Dialect::Sqlite => SQLITE_STATE,
    };
    let state = tx.first(sql, &[], |row| row.text(0)).await?;
    Ok(match state.as_deref() {
        Some("there") => State::There,
        Some("closed") => State::Closed,
        _ => State::Missing,
    })
}

/// Whether the table is there, and open to this user of the database.
pub(super) async fn exists(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(state(tx).await? == State::There)
}

const MAY_CREATE: &str = "SELECT has_schema_privilege(current_schema(), 'CREATE')";

/// Makes the table if it is not there; answers whether there is one now.
pub(super) async fn ensure(tx: &mut Tx<'_>) -> Result<bool> {
    match state(tx).await? {
        State::There => return Ok(true),
        State::Closed => return Ok(false),
        State::Missing => {}
    }
    if tx.dialect() == Dialect::Postgres {
        if tx.first(MAY_CREATE, &[], |row| row.bool(0)).await? != Some(true) {
            return Ok(false);
        }
        // Others may be about to make it, too. Who waited finds it made, but not by a look as above: a session remembers what it
        // did not find until it locks something.
        tx.all(LOCK, &[], |_| Ok(())).await?;
    }
    tx.script(CREATE).await?;
    Ok(true)
}

/// Makes the table if it is not there.
///
/// # Errors
/// `INVALID_STATE` if this user of the database may not.
pub(super) async fn require(tx: &mut Tx<'_>) -> Result<()> {
    if ensure(tx).await? {
        return Ok(());
    }
    Err(invalid_state(
        "Webhooks need the table ferroflow_webhook_deliveries, and the server's user of the database may not make it, or not \
         write to it. Let the operator run GRANT CREATE ON SCHEMA .. TO that user, or make the table as docs/webhooks.md has it.",
    )
    .into())
}

const ANY_ACTIVE: &str =
    "SELECT EXISTS (SELECT 1 FROM webhooks WHERE status = 'ACTIVE' AND deleted_timestamp IS NULL)";

/// Makes the table if there are webhooks that may have to be told, such as MLflow's own server may have made.
///
/// # Errors
/// Of the database.
pub async fn prepare(db: &Db) -> Result<Table> {
    match db.read(|tx| Box::pin(look(tx))).await? {
        Table::Forbidden => {}
        found => return Ok(found),
    }
    let made = db.write(|tx| Box::pin(ensure(tx))).await?;
    Ok(if made { Table::There } else { Table::Forbidden })
}

/// What there is, without making anything; what is missing counts as forbidden until somebody has tried.
async fn look(tx: &mut Tx<'_>) -> Result<Table> {
    if exists(tx).await? {
        return Ok(Table::There);
    }
    let needed = tx.first(ANY_ACTIVE, &[], |row| row.bool(0)).await? == Some(true);
    Ok(if needed { Table::Forbidden } else { Table::NotNeeded })
}
