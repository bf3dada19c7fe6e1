//! Removing rows for good: children before their parents, as the schema has no cascade in places, and one that MLflow's own
//! deletion does not follow in others.

use super::Kind;
use crate::db::{Tx, Value};
use crate::error::Result;
use std::collections::BTreeSet;

/// Removes a part of the longest histories of these objects, so that the transaction that removes the rest is a short one.
/// Answers whether there may be more.
///
/// # Errors
/// Of the database.
pub async fn history(tx: &mut Tx<'_>, kind: Kind, ids: &[String]) -> Result<bool> {
    let (table, condition) = match kind {
        Kind::Run => ("metrics", DELETED_RUNS_METRICS),
        Kind::LoggedModel => ("logged_model_metrics", DELETED_MODELS_METRICS),
        Kind::Trace | Kind::Experiment => return Ok(false),
    };
    let dialect = tx.dialect();
    let found = dialect.in_texts(condition, 1, ")");
    let sql = dialect.delete_at_most(table, &found, HISTORY);
    Ok(tx.exec(&sql, &[Value::Texts(ids.to_vec())]).await? == HISTORY)
}

/// How many rows a statement of [`history`] removes at the most.
const HISTORY: u64 = 20_000;
// A run that was restored meanwhile keeps what it still has.
const DELETED_RUNS_METRICS: &str = "
    run_uuid IN (SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted' AND run_uuid";
const DELETED_MODELS_METRICS: &str = "
    model_id IN (SELECT model_id FROM logged_models WHERE lifecycle_stage = 'deleted' AND model_id";

/// Removes all rows of objects of one kind, and answers the ids of those that it removed: what was restored meanwhile stays,
/// and an experiment that is not empty.
///
/// # Errors
/// Of the database.
pub async fn remove(tx: &mut Tx<'_>, kind: Kind, ids: &[String]) -> Result<Vec<String>> {
    match kind {
        Kind::Run => runs(tx, ids).await,
        Kind::LoggedModel => models(tx, ids).await,
        Kind::Trace => traces(tx, ids).await,
        Kind::Experiment => experiments(tx, ids).await,
    }
}

/// Runs statements that end in "is one of", all with the same ids.
async fn of_all(tx: &mut Tx<'_>, statements: &[&'static str], ids: &[String]) -> Result<()> {
    for statement in statements {
        let sql = tx.dialect().in_texts(statement, 1, "");
        tx.exec(&sql, &[Value::Texts(ids.to_vec())]).await?;
    }
    Ok(())
}

/// Locks rows that are to go by changing nothing in them; who restores them waits, and then finds nothing.
async fn lock(
    tx: &mut Tx<'_>,
    statement: &'static str,
    id: &'static str,
    ids: &[String],
) -> Result<Vec<String>> {
    let sql = tx.dialect().in_texts(statement, 1, id);
    tx.all(&sql, &[Value::Texts(ids.to_vec())], |row| row.text(0)).await
}

const LOCK_RUNS: &str = "
    UPDATE runs SET lifecycle_stage = 'deleted' WHERE lifecycle_stage = 'deleted' AND run_uuid";
const DATASETS_OF_RUNS: &str = "
    SELECT input_uuid, source_id FROM inputs
    WHERE source_type = 'DATASET' AND destination_type = 'RUN' AND destination_id";
const MODELS_OF_RUNS: &str = "
    SELECT input_uuid, source_id FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id";
/// Others may log a data set at the very moment when the last run with it goes; then theirs has an input without one.
const UNUSED_DATASETS: &str = "
    DELETE FROM datasets
    WHERE NOT EXISTS (SELECT 1 FROM inputs i WHERE i.source_type = 'DATASET' AND i.source_id = dataset_uuid)
      AND dataset_uuid";
const RUN_ROWS: [&str; 8] = [
    "DELETE FROM logged_model_metrics WHERE run_id",
    "DELETE FROM latest_metrics WHERE run_uuid",
    "DELETE FROM metrics WHERE run_uuid",
    "DELETE FROM params WHERE run_uuid",
    "DELETE FROM tags WHERE run_uuid",
    "DELETE FROM entity_associations WHERE source_type = 'run' AND source_id",
    "DELETE FROM entity_associations WHERE destination_type = 'run' AND destination_id",
    "DELETE FROM runs WHERE run_uuid",
];

async fn runs(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>> {
    let ids = lock(tx, LOCK_RUNS, "RETURNING run_uuid", ids).await?;
    let datasets = inputs(tx, DATASETS_OF_RUNS, &ids).await?;
    inputs(tx, MODELS_OF_RUNS, &ids).await?;
    of_all(tx, &[UNUSED_DATASETS], &datasets).await?;
    of_all(tx, &RUN_ROWS, &ids).await?;
    Ok(ids)
}

const INPUT_ROWS: [&str; 2] =
    ["DELETE FROM input_tags WHERE input_uuid", "DELETE FROM inputs WHERE input_uuid"];

/// Removes inputs with their tags, and answers what they were inputs of, or from.
async fn inputs(tx: &mut Tx<'_>, query: &'static str, ids: &[String]) -> Result<Vec<String>> {
    let sql = tx.dialect().in_texts(query, 1, "");
    let rows = tx.all(&sql, &[Value::Texts(ids.to_vec())], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let (inputs, sources): (Vec<_>, BTreeSet<_>) = rows.into_iter().unzip();
    of_all(tx, &INPUT_ROWS, &inputs).await?;
    Ok(sources.into_iter().collect())
}

const LOCK_MODELS: &str = "
    UPDATE logged_models SET status = status
    WHERE (lifecycle_stage = 'deleted'
           OR experiment_id IN (SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'deleted'))
      AND model_id";
const RUNS_OF_MODELS: &str = "
    SELECT input_uuid, source_id FROM inputs
    WHERE destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT') AND destination_id";
const MODEL_ROWS: [&str; 6] = [
    "DELETE FROM logged_model_metrics WHERE model_id",
    "DELETE FROM logged_model_params WHERE model_id",
    "DELETE FROM logged_model_tags WHERE model_id",
    "DELETE FROM entity_associations WHERE source_type = 'model' AND source_id",
    "DELETE FROM entity_associations WHERE destination_type = 'model' AND destination_id",
    "DELETE FROM logged_models WHERE model_id",
];

async fn models(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>> {
    let ids = lock(tx, LOCK_MODELS, "RETURNING model_id", ids).await?;
    inputs(tx, RUNS_OF_MODELS, &ids).await?;
    of_all(tx, &MODEL_ROWS, &ids).await?;
    Ok(ids)
}

const LOCK_TRACES: &str = "
    UPDATE trace_info SET status = status
    WHERE experiment_id IN (SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'deleted')
      AND request_id";
const TRACE_ROWS: [&str; 7] = [
    "DELETE FROM assessments WHERE trace_id",
    "DELETE FROM spans WHERE trace_id",
    "DELETE FROM trace_request_metadata WHERE request_id",
    "DELETE FROM trace_tags WHERE request_id",
    "DELETE FROM entity_associations WHERE source_type = 'trace' AND source_id",
    "DELETE FROM entity_associations WHERE destination_type = 'trace' AND destination_id",
    "DELETE FROM trace_info WHERE request_id",
];

async fn traces(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>> {
    let ids = lock(tx, LOCK_TRACES, "RETURNING request_id", ids).await?;
    of_all(tx, &TRACE_ROWS, &ids).await?;
    Ok(ids)
}

const LOCK_EXPERIMENT: &str = "
    UPDATE experiments SET lifecycle_stage = 'deleted'
    WHERE experiment_id = $1 AND lifecycle_stage = 'deleted'
      AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment_id = $1)
      AND NOT EXISTS (SELECT 1 FROM logged_models m WHERE m.experiment_id = $1)
      AND NOT EXISTS (SELECT 1 FROM trace_info t WHERE t.experiment_id = $1)";
const EXPERIMENT_ROWS: [&str; 5] = [
    "DELETE FROM scorer_versions WHERE scorer_id IN (SELECT scorer_id FROM scorers WHERE experiment_id = $1)",
    "DELETE FROM scorers WHERE experiment_id = $1",
    "DELETE FROM datasets WHERE experiment_id = $1",
    "DELETE FROM experiment_tags WHERE experiment_id = $1",
    "DELETE FROM experiments WHERE experiment_id = $1",
];
const EXPERIMENT_LINKS: [&str; 2] = [
    "DELETE FROM entity_associations WHERE source_type = 'experiment' AND source_id",
    "DELETE FROM entity_associations WHERE destination_type = 'experiment' AND destination_id",
];

async fn experiments(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for id in ids {
        let Ok(number) = id.parse::<i64>() else { continue };
        if tx.exec(LOCK_EXPERIMENT, &[number.into()]).await? == 0 {
            continue;
        }
        for statement in EXPERIMENT_ROWS {
            tx.exec(statement, &[number.into()]).await?;
        }
        removed.push(id.clone());
    }
    of_all(tx, &EXPERIMENT_LINKS, &removed).await?;
    Ok(removed)
}
