//! Finding what is deleted, whose it is, and what still needs it.

use super::{Kind, Which};
use crate::db::{Row, Tx, Value};
use crate::error::Result;
use std::collections::HashMap;

/// An object that may be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id; an experiment's number as text.
    pub id: String,
    /// Its experiment.
    pub experiment_id: i64,
    /// Where its files are; absent where it has none.
    pub location: Option<String>,
    /// Whether it is in state deleted. A trace has no state.
    pub is_deleted: bool,
    /// Since when, in epoch milliseconds. Absent for what a version of MLflow deleted that kept no time.
    pub since: Option<i64>,
}

fn found(row: &Row) -> Result<Found> {
    Ok(Found {
        id: row.text(0)?,
        experiment_id: row.opt_int(1)?.unwrap_or_default(),
        location: row.opt_text(2)?.filter(|location| !location.is_empty()),
        is_deleted: row.opt_text(3)?.as_deref() == Some("deleted"),
        since: row.opt_int(4)?,
    })
}

const RUNS: &str = "
    SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage, deleted_time FROM runs
    WHERE lifecycle_stage = 'deleted' AND run_uuid > $1 ORDER BY run_uuid LIMIT 100";
const RUNS_OF: &str = "
    SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage, deleted_time FROM runs
    WHERE lifecycle_stage = 'deleted' AND run_uuid > $1 AND experiment_id";
const RUNS_NAMED: &str = "
    SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage, deleted_time FROM runs
    WHERE run_uuid > $1 AND run_uuid";
const ALL_RUNS_OF: &str = "
    SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage, deleted_time FROM runs
    WHERE run_uuid > $1 AND experiment_id = $2 ORDER BY run_uuid LIMIT 100";
const BY_RUN: &str = "ORDER BY run_uuid LIMIT 100";

const MODELS: &str = "
    SELECT model_id, experiment_id, artifact_location, lifecycle_stage, last_updated_timestamp_ms FROM logged_models
    WHERE lifecycle_stage = 'deleted' AND model_id > $1 ORDER BY model_id LIMIT 100";
const MODELS_OF: &str = "
    SELECT model_id, experiment_id, artifact_location, lifecycle_stage, last_updated_timestamp_ms FROM logged_models
    WHERE lifecycle_stage = 'deleted' AND model_id > $1 AND experiment_id";
const MODELS_NAMED: &str = "
    SELECT model_id, experiment_id, artifact_location, lifecycle_stage, last_updated_timestamp_ms FROM logged_models
    WHERE model_id > $1 AND model_id";
const ALL_MODELS_OF: &str = "
    SELECT model_id, experiment_id, artifact_location, lifecycle_stage, last_updated_timestamp_ms FROM logged_models
    WHERE model_id > $1 AND experiment_id = $2 ORDER BY model_id LIMIT 100";
const BY_MODEL: &str = "ORDER BY model_id LIMIT 100";

const ALL_TRACES_OF: &str = "
    SELECT i.request_id, i.experiment_id, t.value, NULL, CAST(NULL AS BIGINT)
    FROM trace_info i LEFT JOIN trace_tags t ON t.request_id = i.request_id AND t.key = 'mlflow.artifactLocation'
    WHERE i.request_id > $1 AND i.experiment_id = $2 ORDER BY i.request_id LIMIT 100";

/// The next page of the objects of a kind, by their ids, after the one with id `after`. Experiments are found by
/// [`deleted_experiments`]; traces have no state of their own, and are found by their experiment alone.
///
/// # Errors
/// Of the database.
pub async fn page(tx: &mut Tx<'_>, kind: Kind, which: &Which, after: &str) -> Result<Vec<Found>> {
    let (all, of, named, all_of, order) = match kind {
        Kind::Run => (RUNS, RUNS_OF, RUNS_NAMED, ALL_RUNS_OF, BY_RUN),
        Kind::LoggedModel => (MODELS, MODELS_OF, MODELS_NAMED, ALL_MODELS_OF, BY_MODEL),
        Kind::Trace => match which {
            Which::AllOf(id) => return tx.all(ALL_TRACES_OF, &[after.into(), (*id).into()], found).await,
            _ => return Ok(Vec::new()),
        },
        Kind::Experiment => return Ok(Vec::new()),
    };
    let dialect = tx.dialect();
    match which {
        Which::Deleted => tx.all(all, &[after.into()], found).await,
        Which::DeletedOf(ids) => {
            let sql = dialect.in_ints(of, 2, order);
            tx.all(&sql, &[after.into(), Value::Ints(ids.clone())], found).await
        }
        Which::Named(ids) => {
            let sql = dialect.in_texts(named, 2, order);
            tx.all(&sql, &[after.into(), Value::Texts(ids.clone())], found).await
        }
        Which::AllOf(id) => tx.all(all_of, &[after.into(), (*id).into()], found).await,
    }
}

const EXPERIMENTS: &str = "
    SELECT CAST(experiment_id AS VARCHAR(20)), experiment_id, artifact_location, lifecycle_stage, last_update_time
    FROM experiments ORDER BY experiments.experiment_id";

/// All experiments, with when they were last changed: a deleted one was deleted then.
///
/// # Errors
/// Of the database.
pub async fn experiments(tx: &mut Tx<'_>) -> Result<Vec<Found>> {
    tx.all(EXPERIMENTS, &[], found).await
}

/// The experiments in state deleted.
///
/// # Errors
/// Of the database.
pub async fn deleted_experiments(tx: &mut Tx<'_>) -> Result<Vec<Found>> {
    let all = experiments(tx).await?;
    Ok(all.into_iter().filter(|experiment| experiment.is_deleted).collect())
}

const RETENTIONS: &str = "
    SELECT experiment_id, value FROM experiment_tags WHERE key = $1 AND value IS NOT NULL AND value <> ''";

/// What experiments say in the tag `key`.
///
/// # Errors
/// Of the database.
pub async fn retentions(tx: &mut Tx<'_>, key: &str) -> Result<HashMap<i64, String>> {
    let rows = tx.all(RETENTIONS, &[key.into()], |row| Ok((row.int(0)?, row.text(1)?))).await?;
    Ok(rows.into_iter().collect())
}

/// A version of a registered model, and what it says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct Version {
    pub name: String,
    pub version: i64,
    pub run_id: Option<String>,
    pub source: Option<String>,
    pub storage_location: Option<String>,
}

/// MLflow keeps a deleted version's row, in a stage of its own.
const VERSIONS: &str = "
    SELECT name, version, run_id, source, storage_location FROM model_versions
    WHERE current_stage IS NULL OR current_stage <> 'Deleted_Internal'";

/// All versions of registered models.
///
/// # Errors
/// Of the database.
pub async fn versions(tx: &mut Tx<'_>) -> Result<Vec<Version>> {
    tx.all(VERSIONS, &[], |row| {
        Ok(Version {
            name: row.text(0)?,
            version: row.int(1)?,
            run_id: row.opt_text(2)?,
            source: row.opt_text(3)?,
            storage_location: row.opt_text(4)?,
        })
    })
    .await
}

const RUN_IDS: &str = "SELECT run_uuid FROM runs WHERE run_uuid";
const MODEL_IDS: &str = "SELECT model_id FROM logged_models WHERE model_id";
const TRACE_IDS: &str = "SELECT request_id FROM trace_info WHERE request_id";

/// Those of the ids of runs, models or traces that there are, in whatever state.
///
/// # Errors
/// Of the database.
pub async fn existing(tx: &mut Tx<'_>, kind: Kind, ids: &[String]) -> Result<Vec<String>> {
    let sql = match kind {
        Kind::Run => RUN_IDS,
        Kind::LoggedModel => MODEL_IDS,
        Kind::Trace => TRACE_IDS,
        Kind::Experiment => return Ok(Vec::new()),
    };
    let sql = tx.dialect().in_texts(sql, 1, "");
    tx.all(&sql, &[Value::Texts(ids.to_vec())], |row| row.text(0)).await
}

const DOOMED_RUN: &str = "SELECT 1 FROM runs WHERE run_uuid = $1 AND lifecycle_stage = 'deleted'";
const DOOMED_MODEL: &str = "
    SELECT 1 FROM logged_models m JOIN experiments e ON e.experiment_id = m.experiment_id
    WHERE m.model_id = $1 AND (m.lifecycle_stage = 'deleted' OR e.lifecycle_stage = 'deleted')";
const DOOMED_TRACE: &str = "
    SELECT 1 FROM trace_info t JOIN experiments e ON e.experiment_id = t.experiment_id
    WHERE t.request_id = $1 AND e.lifecycle_stage = 'deleted'";
const DOOMED_EXPERIMENT: &str =
    "SELECT 1 FROM experiments WHERE experiment_id = $1 AND lifecycle_stage = 'deleted'";

/// Whether nobody has restored the object meanwhile, or its experiment if that is why it goes.
///
/// # Errors
/// Of the database.
pub async fn still_doomed(tx: &mut Tx<'_>, kind: Kind, id: &str) -> Result<bool> {
    let sql = match kind {
        Kind::Run => DOOMED_RUN,
        Kind::LoggedModel => DOOMED_MODEL,
        Kind::Trace => DOOMED_TRACE,
        Kind::Experiment => DOOMED_EXPERIMENT,
    };
    let id = match kind {
        Kind::Experiment => id.parse::<i64>().unwrap_or(-1).into(),
        _ => id.into(),
    };
    Ok(tx.first(sql, &[id], |_| Ok(())).await?.is_some())
}

const RUNS_LEFT: &str = "SELECT COUNT(*) FROM runs WHERE experiment_id = $1";

/// How many runs an experiment has, in whatever state.
///
/// # Errors
/// Of the database.
pub async fn runs_left(tx: &mut Tx<'_>, experiment_id: i64) -> Result<i64> {
    Ok(tx.first(RUNS_LEFT, &[experiment_id.into()], |row| row.int(0)).await?.unwrap_or_default())
}
