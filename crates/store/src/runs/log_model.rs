//! `runs/log-model`: the tag in which runs list their models.

use super::{active, log};
use crate::db::{Tx, Value};
use crate::error::Result;
use api::Tag;
use api::log_model::{HistoryEntry, LOGGED_MODELS_TAG};
use api::validate::{Limits, tag as check};

// Changes nothing, but makes a second writer of the same run wait, so that neither loses the other's entry.
const LOCK: &str = "UPDATE runs SET status = status WHERE run_uuid = $1";
const HISTORY: &str = "SELECT value FROM tags WHERE run_uuid = $1 AND key = $2";

/// Adds a model to the history of an active run.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` when the run is deleted or its history is none.
pub async fn record(tx: &mut Tx<'_>, run_id: &str, entry: HistoryEntry, limits: Limits) -> Result<()> {
    let run = active(tx, run_id).await?;
    tx.exec(LOCK, &[run_id.into()]).await?;
    let history =
        tx.first(HISTORY, &[Value::from(run_id), LOGGED_MODELS_TAG.into()], |row| row.text(0)).await?;
    let value = entry.append_to(history.as_deref())?;
    let tag = Tag { key: LOGGED_MODELS_TAG.into(), value };
    if !limits.truncate_long_values {
        // Where values may be cut, this one is kept whole all the same: half a JSON text would be lost to every reader.
        check(tag.clone(), "", limits)?;
    }
    log::upsert_tag(tx, &run, &tag.key, &tag.value).await
}
