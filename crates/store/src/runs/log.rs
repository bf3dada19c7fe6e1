//! What clients log to a run: metrics, params, tags, one by one or as a batch.

use super::{ActiveRun, RUN_NAME_TAG, RunUpdate, active, update};
use crate::db::{Bulk, Column, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::logged_models;
use api::error::{invalid, not_found};
use api::validate::{self, Limits, python_repr};
use api::{Metric, Tag};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        Some(clash) => Err(changed_param(run_id, &clash.key, &clash.old, &clash.new)),
    }
}

pub(super) fn changed_param(run_id: &str, key: &str, old: &str, new: &str) -> Error {
    invalid(format!(
        "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run \
         ID='{run_id}'. Attempted logging new value '{new}'."
    ))
    .into()
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
#[derive(Clone)]
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
pub(super) struct Point<'a> {
    run_id: &'a str,
    key: &'a str,
    value: f64,
    timestamp: i64,
    step: i64,
    is_nan: bool,
}

impl<'a> Point<'a> {
    pub(super) fn new(run_id: &'a str, metric: &'a Metric) -> Self {
        let is_nan = metric.value.is_nan();
        let value = if is_nan { 0.0 } else { metric.value.clamp(f64::MIN, f64::MAX) };
        Self { run_id, key: &metric.key, value, timestamp: metric.timestamp, step: metric.step, is_nan }
    }

    /// MLflow's order of recency: step, then timestamp, then value.
    fn is_newer_than(&self, other: &Self) -> bool {
        (self.step, self.timestamp, self.value) > (other.step, other.timestamp, other.value)
    }

    /// The order of the primary key.
    fn by_key(&self, other: &Self) -> Ordering {
        let place = |p: &Self| (p.key, p.timestamp, p.step, p.run_id, p.is_nan);
        place(self).cmp(&place(other)).then(self.value.total_cmp(&other.value))
    }
}

async fn insert_metrics(tx: &mut Tx<'_>, run: &ActiveRun, metrics: &[Metric]) -> Result<()> {
    // The one part that may refuse a point comes first: what is logged by `Db::append` has changed nothing then.
    logged_models::metrics::insert(tx, run, metrics).await?;
    insert_points(tx, metrics.iter().map(|metric| Point::new(&run.run_id, metric)).collect()).await
}

/// Inserts points and brings the latest values up to date. Every transaction does so in one order, in which none waits for
/// another that waits for it.
pub(super) async fn insert_points(tx: &mut Tx<'_>, mut points: Vec<Point<'_>>) -> Result<()> {
    points.sort_by(Point::by_key);
    tx.insert_many(&INSERT_METRICS, &columns(&points.iter().collect::<Vec<_>>())).await?;
    let mut latest: BTreeMap<(&str, &str), &Point> = BTreeMap::new();
    for point in &points {
        latest
            .entry((point.key, point.run_id))
            .and_modify(|newest| {
                if point.is_newer_than(newest) {
                    *newest = point;
                }
            })
            .or_insert(point);
    }
    tx.insert_many(&UPSERT_LATEST, &columns(&latest.into_values().collect::<Vec<_>>())).await?;
    Ok(())
}

fn columns(points: &[&Point]) -> [Column; 6] {
    [
        Column::Texts(points.iter().map(|p| p.run_id.to_owned()).collect()),
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
const PRESENT_PARAMS: &str = "SELECT key, run_uuid, value FROM params WHERE run_uuid";

/// The rows of a table of params or tags, value by key and run, in the order in which every transaction writes them.
pub(super) type Pairs<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

/// Inserts new params, and answers those that clash with what is there.
async fn insert_params(tx: &mut Tx<'_>, run: &ActiveRun, params: Vec<Tag>) -> Result<Vec<Clash>> {
    let run_id = run.run_id.as_str();
    let pairs = params.iter().map(|p| ((p.key.as_str(), run_id), p.value.as_str())).collect();
    let present = insert_pairs(tx, &pairs).await?;
    let clash = |((key, _), old): ((String, String), String)| {
        let new = *pairs.get(&(key.as_str(), run_id)).filter(|new| **new != old)?;
        Some((key.clone(), Clash { new: new.to_owned(), key, old }))
    };
    let mut clashes: HashMap<String, Clash> = present.into_iter().filter_map(clash).collect();
    Ok(params.iter().filter_map(|param| clashes.remove(&param.key)).collect())
}

/// Inserts new params, and answers what those have that were not all new.
pub(super) async fn insert_pairs(
    tx: &mut Tx<'_>,
    pairs: &Pairs<'_>,
) -> Result<HashMap<(String, String), String>> {
    if tx.insert_many(&INSERT_PARAMS, &pair_columns(pairs)).await? == pairs.len() as u64 {
        return Ok(HashMap::new());
    }
    let dialect = tx.dialect();
    let sql = dialect.in_texts(PRESENT_PARAMS, 1, "") + &dialect.in_texts("AND key", 2, "");
    let run_ids: BTreeSet<&str> = pairs.keys().map(|(_, run_id)| *run_id).collect();
    let keys: BTreeSet<&str> = pairs.keys().map(|(key, _)| *key).collect();
    let texts = |set: BTreeSet<&str>| Value::Texts(set.into_iter().map(str::to_owned).collect());
    let row = |row: &Row| Ok(((row.text(0)?, row.text(1)?), row.text(2)?));
    Ok(tx.all(&sql, &[texts(run_ids), texts(keys)], row).await?.into_iter().collect())
}

fn pair_columns(pairs: &Pairs) -> [Column; 3] {
    [
        Column::Texts(pairs.keys().map(|(_, run_id)| (*run_id).to_owned()).collect()),
        Column::Texts(pairs.keys().map(|(key, _)| (*key).to_owned()).collect()),
        Column::Texts(pairs.values().map(|value| (*value).to_owned()).collect()),
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

/// Sets tags, the last of equal keys. Does not look at `mlflow.runName`.
pub(super) async fn upsert_tags(tx: &mut Tx<'_>, run: &ActiveRun, tags: Vec<Tag>) -> Result<()> {
    let pairs = tags.iter().map(|t| ((t.key.as_str(), run.run_id.as_str()), t.value.as_str())).collect();
    upsert_pairs(tx, &pairs).await
}

pub(super) async fn upsert_pairs(tx: &mut Tx<'_>, pairs: &Pairs<'_>) -> Result<()> {
    tx.insert_many(&UPSERT_TAGS, &pair_columns(pairs)).await?;
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
