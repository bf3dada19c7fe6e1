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
    /// It is needed, and this user of the database may not make it.
    Forbidden,
}

/// `due_at` is when a delivery may be tried; who takes it for a try sets that to when the try is over at the latest. `claim` is
/// the mark of the one who has it.
const CREATE: &str = "
    CREATE TABLE ferroflow_webhook_deliveries (
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
    CREATE INDEX ferroflow_webhook_deliveries_due ON ferroflow_webhook_deliveries (webhook_id, state, due_at)";

const POSTGRES_EXISTS: &str = "SELECT to_regclass('ferroflow_webhook_deliveries') IS NOT NULL";
const SQLITE_EXISTS: &str = "
    SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'ferroflow_webhook_deliveries')";

/// Whether the table is there.
pub(super) async fn exists(tx: &mut Tx<'_>) -> Result<bool> {
    let sql = match tx.dialect() {
        Dialect::Postgres => POSTGRES_EXISTS,
        Dialect::Sqlite => SQLITE_EXISTS,
    };
    Ok(tx.first(sql, &[], |row| row.bool(0)).await? == Some(true))
}

const MAY_CREATE: &str = "SELECT has_schema_privilege(current_schema(), 'CREATE')";

/// Makes the table if it is not there; answers whether it is there now.
pub(super) async fn ensure(tx: &mut Tx<'_>) -> Result<bool> {
    if exists(tx).await? {
        return Ok(true);
    }
    if tx.dialect() == Dialect::Postgres {
        if tx.first(MAY_CREATE, &[], |row| row.bool(0)).await? != Some(true) {
            return Ok(false);
        }
        // Others may be about to make it, too. Who waited finds it made.
        tx.all(LOCK, &[], |_| Ok(())).await?;
        if exists(tx).await? {
            return Ok(true);
        }
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
        "Webhooks need the table ferroflow_webhook_deliveries, and the server's user of the database may not make it. Let the \
         operator run GRANT CREATE ON SCHEMA .. TO that user, or create the table as docs/webhooks.md has it.",
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
