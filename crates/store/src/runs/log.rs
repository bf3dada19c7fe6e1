//! What clients log to a run: metrics, params, tags, one by one or as a batch.

use super::{ActiveRun, RUN_NAME_TAG, RunUpdate, active, update};
use crate::db::{Bulk, Column, Tx, Value};
use crate::error::Result;
use crate::logged_models;
use api::error::{invalid, not_found};
use api::validate::{self, Limits, python_repr};
use api::{Metric, Tag};
use std::collections::{BTreeMap, HashMap};

/// Logs one point.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn log_metric(tx: &mut Tx<'_>, run_id: &str, metric: Metric) -> Result<()> {
    validate::metric(&metric, "")?;
    let run = active(tx, run_id).await?;
    insert_metrics(tx, &run, &[metric]).await
}

/// Logs one param; the same value again is fine, another one is refused.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn log_param(tx: &mut Tx<'_>, run_id: &str, param: Tag, limits: Limits) -> Result<()> {
    let param = validate::param(param, "", limits)?;
    let run = active(tx, run_id).await?;
    match insert_params(tx, &run, vec![param]).await?.pop() {
        None => Ok(()),
        Some(clash) => Err(invalid(format!(
            "Changing param values is not allowed. Param with key='{}' was already logged with value='{}' for run \
             ID='{run_id}'. Attempted logging new value '{}'.",
            clash.key, clash.old, clash.new
        ))
        .into()),
    }
}

/// Sets one tag; `mlflow.runName` renames the run, too.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn set_tag(tx: &mut Tx<'_>, run_id: &str, tag: Tag, limits: Limits) -> Result<()> {
    let tag = validate::tag(tag, "", limits)?;
    let run = active(tx, run_id).await?;
    set_tags(tx, &run, vec![tag]).await
}

/// What `runs/log-batch` carries.
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Batch {
    pub metrics: Vec<Metric>,
    pub params: Vec<Tag>,
    pub tags: Vec<Tag>,
}

/// Logs a batch: all of it, or nothing. (MLflow commits params, metrics and tags one after the other.)
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`.
pub async fn log_batch(tx: &mut Tx<'_>, run_id: &str, batch: Batch, limits: Limits) -> Result<()> {
    let batch = check_batch(run_id, batch, limits)?;
    let run = active(tx, run_id).await?;
    let clashes = insert_params(tx, &run, batch.params).await?;
    if !clashes.is_empty() {
        let list: Vec<_> = clashes.iter().map(Clash::as_python).collect();
        return Err(invalid(format!(
            "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
            list.join(", ")
        ))
        .into());
    }
    insert_metrics(tx, &run, &batch.metrics).await?;
    set_tags(tx, &run, batch.tags).await
}

fn check_batch(run_id: &str, batch: Batch, limits: Limits) -> Result<Batch> {
    validate::run_id(run_id)?;
    for (i, metric) in batch.metrics.iter().enumerate() {
        // The path is only for the message; most metrics are fine without it.
        if validate::metric(metric, "").is_err() {
            validate::metric(metric, &format!("metrics[{i}]"))?;
        }
    }
    let numbered = |what: &'static str| move |(i, t): (usize, Tag)| (format!("{what}[{i}]"), t);
    let params = batch.params.into_iter().enumerate().map(numbered("params"));
    let params =
        params.map(|(path, p)| validate::param(p, &path, limits)).collect::<api::Result<Vec<_>>>()?;
    let tags = batch.tags.into_iter().enumerate().map(numbered("tags"));
    let tags = tags.map(|(path, t)| validate::tag(t, &path, limits)).collect::<api::Result<Vec<_>>>()?;
    validate::batch_limits(batch.metrics.len(), params.len(), tags.len())?;
    validate::param_keys_unique(&params)?;
    Ok(Batch { metrics: batch.metrics, params, tags })
}

const INSERT_METRICS: Bulk = Bulk {
    insert: "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan)",
    then: "ON CONFLICT DO NOTHING",
};
const UPSERT_LATEST: Bulk = Bulk {
    insert: "INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan)",
    then: "
    ON CONFLICT (key, run_uuid) DO UPDATE SET
        value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value)
        > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
};

/// A metric as the tables hold it: NaN is 0 with a flag, infinities are the largest doubles (`sanitize_metric_value`).
struct Point<'a> {
    key: &'a str,
    value: f64,
    timestamp: i64,
    step: i64,
    is_nan: bool,
}

impl<'a> Point<'a> {
    fn new(metric: &'a Metric) -> Self {
        let is_nan = metric.value.is_nan();
        let value = if is_nan { 0.0 } else { metric.value.clamp(f64::MIN, f64::MAX) };
        Self { key: &metric.key, value, timestamp: metric.timestamp, step: metric.step, is_nan }
    }

    /// MLflow's order of recency: step, then timestamp, then value.
    fn is_newer_than(&self, other: &Self) -> bool {
        (self.step, self.timestamp, self.value) > (other.step, other.timestamp, other.value)
    }
}

async fn insert_metrics(tx: &mut Tx<'_>, run: &ActiveRun, metrics: &[Metric]) -> Result<()> {
    if metrics.is_empty() {
        return Ok(());
    }
    // The one part that may refuse a point comes first: what is logged by `Db::append` has changed nothing then.
    logged_models::metrics::insert(tx, run, metrics).await?;
    let points: Vec<_> = metrics.iter().map(Point::new).collect();
    tx.insert_many(&INSERT_METRICS, &columns(run, &points.iter().collect::<Vec<_>>())).await?;
    // In the order of the keys, so that two batches for one run lock the rows in one order.
    let mut latest: BTreeMap<&str, &Point> = BTreeMap::new();
    for point in &points {
        latest
            .entry(point.key)
            .and_modify(|newest| {
                if point.is_newer_than(newest) {
                    *newest = point;
                }
            })
            .or_insert(point);
    }
    tx.insert_many(&UPSERT_LATEST, &columns(run, &latest.into_values().collect::<Vec<_>>())).await?;
    Ok(())
}

fn columns(run: &ActiveRun, points: &[&Point]) -> [Column; 6] {
    [
        Column::Texts(vec![run.run_id.clone(); points.len()]),
        Column::Texts(points.iter().map(|p| p.key.to_owned()).collect()),
        Column::Floats(points.iter().map(|p| p.value).collect()),
        Column::Ints(points.iter().map(|p| p.timestamp).collect()),
        Column::Ints(points.iter().map(|p| p.step).collect()),
        Column::Bools(points.iter().map(|p| p.is_nan).collect()),
    ]
}

/// A param that has another value already.
struct Clash {
    key: String,
    old: String,
    new: String,
}

impl Clash {
    fn as_python(&self) -> String {
        format!(
            "{{'key': {}, 'old_value': {}, 'new_value': {}}}",
            python_repr(&self.key),
            python_repr(&self.old),
            python_repr(&self.new)
        )
    }
}

const INSERT_PARAMS: Bulk = Bulk {
    insert: "INSERT INTO params (run_uuid, key, value)",
    then: "ON CONFLICT (key, run_uuid) DO NOTHING",
};
const PARAMS_OF: &str = "SELECT key, value FROM params WHERE run_uuid = $1";

/// Inserts new params, in the order of their keys, and answers those that clash with what is there.
async fn insert_params(tx: &mut Tx<'_>, run: &ActiveRun, params: Vec<Tag>) -> Result<Vec<Clash>> {
    let mut sorted: Vec<&Tag> = params.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let inserted = tx.insert_many(&INSERT_PARAMS, &pair_columns(run, &sorted)).await?;
    if inserted == params.len() as u64 {
        return Ok(Vec::new());
    }
    let rows =
        tx.all(PARAMS_OF, &[run.run_id.as_str().into()], |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let present: HashMap<String, String> = rows.into_iter().collect();
    let clash = |param: Tag| {
        let old = present.get(&param.key).filter(|old| **old != param.value)?.clone();
        Some(Clash { key: param.key, old, new: param.value })
    };
    Ok(params.into_iter().filter_map(clash).collect())
}

fn pair_columns(run: &ActiveRun, pairs: &[&Tag]) -> [Column; 3] {
    [
        Column::Texts(vec![run.run_id.clone(); pairs.len()]),
        Column::Texts(pairs.iter().map(|p| p.key.clone()).collect()),
        Column::Texts(pairs.iter().map(|p| p.value.clone()).collect()),
    ]
}

async fn set_tags(tx: &mut Tx<'_>, run: &ActiveRun, tags: Vec<Tag>) -> Result<()> {
    let (names, others): (Vec<Tag>, Vec<Tag>) = tags.into_iter().partition(|t| t.key == RUN_NAME_TAG);
    upsert_tags(tx, run, others).await?;
    if let Some(name) = names.into_iter().next_back() {
        let change = RunUpdate { run_name: Some(name.value), ..RunUpdate::default() };
        update(tx, &run.run_id, change).await?;
    }
    Ok(())
}

const UPSERT_TAGS: Bulk = Bulk {
    insert: "INSERT INTO tags (run_uuid, key, value)",
    then: "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
};

/// Sets tags, the last of equal keys, in the order of the keys. Does not look at `mlflow.runName`.
pub(super) async fn upsert_tags(tx: &mut Tx<'_>, run: &ActiveRun, tags: Vec<Tag>) -> Result<()> {
    let last: BTreeMap<&str, &Tag> = tags.iter().map(|t| (t.key.as_str(), t)).collect();
    let last: Vec<&Tag> = last.into_values().collect();
    tx.insert_many(&UPSERT_TAGS, &pair_columns(run, &last)).await?;
    Ok(())
}

const DELETE_TAG: &str = "DELETE FROM tags WHERE run_uuid = $1 AND key = $2";

/// Removes a tag of an active run.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the run or the tag; `INVALID_PARAMETER_VALUE` when the run is deleted.
pub async fn delete_tag(tx: &mut Tx<'_>, run_id: &str, key: &str) -> Result<()> {
    active(tx, run_id).await?;
    match tx.exec(DELETE_TAG, &[Value::from(run_id), key.into()]).await? {
        0 => Err(not_found(format!("No tag with name: {key} in run with id {run_id}")).into()),
        _ => Ok(()),
    }
}
