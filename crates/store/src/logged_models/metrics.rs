//! Metrics of logged models: the points logged to a run that name a model. Mirrors `_log_model_metrics`.

use crate::db::{Bulk, Column, Tx, Value};
use crate::error::Result;
use crate::runs::ActiveRun;
use api::error::not_found;
use api::validate::python_repr;
use api::{Error, ErrorCode, Metric};
use std::collections::{BTreeMap, BTreeSet};

/// What tells points of one run apart. The value is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    model_id: String,
    name: String,
    timestamp: i64,
    step: i64,
}

/// What a point says.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    value: f64,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

const INSERT: Bulk = Bulk {
    insert: "
    INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, run_id, experiment_id,
                                      metric_value, dataset_name, dataset_digest)",
    then: "ON CONFLICT DO NOTHING",
};

/// Inserts the points that name a model; the same point again is fine, another value for it is refused.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for a model; `BAD_REQUEST` when a point has another value already.
pub(crate) async fn insert(tx: &mut Tx<'_>, run: &ActiveRun, metrics: &[Metric]) -> Result<()> {
    let points = points(metrics)?;
    if points.is_empty() {
        return Ok(());
    }
    let model_ids: BTreeSet<String> = points.keys().map(|k| k.model_id.clone()).collect();
    check_models(tx, &model_ids).await?;
    if tx.insert_many(&INSERT, &columns(run, &points)).await? == points.len() as u64 {
        return Ok(());
    }
    let present = present(tx, run, &model_ids).await?;
    match points.iter().find(|(key, point)| present.get(key) != Some(point)) {
        None => Ok(()),
        Some((key, _)) => Err(clash(key).into()),
    }
}

/// The points by their keys, which also is the order of the inserts, so that two batches lock rows in one order.
fn points(metrics: &[Metric]) -> api::Result<BTreeMap<Key, Point>> {
    let mut points = BTreeMap::new();
    for m in metrics {
        let Some(model_id) = &m.model_id else { continue };
        let key =
            Key { model_id: model_id.clone(), name: m.key.clone(), timestamp: m.timestamp, step: m.step };
        // The table has no flag for NaN, so MLflow keeps it as 0 (`sanitize_metric_value`).
        let value = if m.value.is_nan() { 0.0 } else { m.value.clamp(f64::MIN, f64::MAX) };
        let point =
            Point { value, dataset_name: m.dataset_name.clone(), dataset_digest: m.dataset_digest.clone() };
        match points.get(&key) {
            Some(present) if *present != point => return Err(clash(&key)),
            _ => points.insert(key, point),
        };
    }
    Ok(points)
}

fn clash(key: &Key) -> Error {
    Error::new(
        ErrorCode::BadRequest,
        format!(
            "Metric {} of logged model {} already has another value or data set at timestamp {}, step {} in this run. \
             Log it with another step or timestamp.",
            python_repr(&key.name),
            python_repr(&key.model_id),
            key.timestamp,
            key.step
        ),
    )
}

const MODELS: &str = "SELECT model_id FROM logged_models WHERE model_id";

async fn check_models(tx: &mut Tx<'_>, model_ids: &BTreeSet<String>) -> Result<()> {
    let sql = tx.dialect().in_texts(MODELS, 1, "");
    let args = [Value::Texts(model_ids.iter().cloned().collect())];
    let present: BTreeSet<String> = tx.all(&sql, &args, |row| row.text(0)).await?.into_iter().collect();
    match model_ids.difference(&present).next() {
        None => Ok(()),
        Some(id) => Err(not_found(format!("Logged model with ID '{id}' not found.")).into()),
    }
}

const PRESENT: &str = "
    SELECT model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, dataset_name, dataset_digest
    FROM logged_model_metrics WHERE run_id = $1 AND model_id";

async fn present(
    tx: &mut Tx<'_>,
    run: &ActiveRun,
    model_ids: &BTreeSet<String>,
) -> Result<BTreeMap<Key, Point>> {
    let sql = tx.dialect().in_texts(PRESENT, 2, "");
    let args = [run.run_id.as_str().into(), Value::Texts(model_ids.iter().cloned().collect())];
    let rows = tx
        .all(&sql, &args, |row| {
            let key =
                Key { model_id: row.text(0)?, name: row.text(1)?, timestamp: row.int(2)?, step: row.int(3)? };
            let point = Point {
                value: row.float(4)?,
                dataset_name: row.opt_text(5)?,
                dataset_digest: row.opt_text(6)?,
            };
            Ok((key, point))
        })
        .await?;
    Ok(rows.into_iter().collect())
}

fn columns(run: &ActiveRun, points: &BTreeMap<Key, Point>) -> [Column; 9] {
    let n = points.len();
    [
        Column::Texts(points.keys().map(|k| k.model_id.clone()).collect()),
        Column::Texts(points.keys().map(|k| k.name.clone()).collect()),
        Column::Ints(points.keys().map(|k| k.timestamp).collect()),
        Column::Ints(points.keys().map(|k| k.step).collect()),
        Column::Texts(vec![run.run_id.clone(); n]),
        Column::Ints(vec![run.experiment_id; n]),
        Column::Floats(points.values().map(|p| p.value).collect()),
        Column::OptTexts(points.values().map(|p| p.dataset_name.clone()).collect()),
        Column::OptTexts(points.values().map(|p| p.dataset_digest.clone()).collect()),
    ]
}
