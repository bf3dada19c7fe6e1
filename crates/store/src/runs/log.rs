//! What clients log to a run: metrics, params, tags, one by one or as a batch.

use super::{ActiveRun, RUN_NAME_TAG, active};
use crate::db::{Bulk, Column, Dialect, Tx, Value};
use crate::error::{Error, Result};
use crate::logged_models;
use api::error::{invalid, not_found};
use api::validate::{self, Limits, python_repr};
use api::{Metric, Tag};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What one request logs to a run.
#[derive(Clone)]
#[expect(missing_docs, reason = "the variants are what they are named")]
pub enum Entry {
    Metric(Metric),
    Param(Tag),
    Tag(Tag),
    Batch(Batch),
}

/// What `runs/log-batch` carries.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct Batch {
    pub metrics: Vec<Metric>,
    pub params: Vec<Tag>,
    pub tags: Vec<Tag>,
}

/// An entry that has passed all checks that need no database, and its run.
pub(super) struct Logged {
    run_id: String,
    batch: Batch,
    /// Whether a refused param is one of several, for the words of the refusal.
    is_batch: bool,
}

/// As many rows at most go together with those of other requests. Larger batches get more done on connections of their own.
const SMALL: usize = 20;

impl Logged {
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub(super) fn new(run_id: String, entry: Entry, limits: Limits) -> api::Result<Self> {
        let is_batch = matches!(entry, Entry::Batch(_));
        let batch = match entry {
            Entry::Metric(metric) => {
                validate::metric(&metric, "")?;
                Batch { metrics: vec![metric], ..Batch::default() }
            }
            Entry::Param(param) => {
                Batch { params: vec![validate::param(param, "", limits)?], ..Batch::default() }
            }
            Entry::Tag(tag) => Batch { tags: vec![validate::tag(tag, "", limits)?], ..Batch::default() },
            Entry::Batch(batch) => check_batch(&run_id, batch, limits)?,
        };
        Ok(Self { run_id, batch, is_batch })
    }

    /// How many rows it is, about.
    pub(super) fn len(&self) -> usize {
        self.batch.metrics.len() + self.batch.params.len() + self.batch.tags.len()
    }

    /// Whether it is one row.
    fn is_one_row(&self) -> bool {
        !self.is_batch && self.is_rows()
    }

    /// Whether it may be logged together with others.
    pub(super) fn can_share(&self) -> bool {
        self.is_rows() && self.len() <= SMALL
    }

    /// Whether it is rows and no more. A name renames the run, too, and a model has metrics of its own.
    fn is_rows(&self) -> bool {
        !self.has_model() && self.name().is_none()
    }

    fn has_model(&self) -> bool {
        self.batch.metrics.iter().any(|metric| metric.model_id.is_some())
    }

    /// The run's new name, if its tags have one.
    fn name(&self) -> Option<&Tag> {
        self.batch.tags.iter().rfind(|tag| tag.key == RUN_NAME_TAG)
    }
}

/// Whether these entries are one change, all of it or nothing, by one statement. Params may turn out to be there with other
/// values; then the rest of their entries must not stay.
pub(super) fn is_one_statement(dialect: Dialect, entries: &[Arc<Logged>]) -> bool {
    let needs_no_check = |entry: &Arc<Logged>| entry.is_rows() && entry.batch.params.is_empty();
    match entries {
        [entry] if entry.is_one_row() => true,
        _ => dialect.inserts_in_one_statement() && entries.iter().all(needs_no_check),
    }
}

fn check_batch(run_id: &str, batch: Batch, limits: Limits) -> api::Result<Batch> {
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

/// Logs entries of one or of several runs: all of them, or nothing. (MLflow commits a batch's params, metrics and tags one after
/// the other.) Only an entry that is alone may rename its run or name models. Of equal keys among tags the last one stays, as
/// if the entries had come one after the other.
///
/// Every transaction writes the tables, and their rows, in one order, in which none waits for another that waits for it.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`: of the first entry that is refused.
pub(super) async fn log_all(tx: &mut Tx<'_>, entries: &[Arc<Logged>]) -> Result<()> {
    if let [entry] = entries
        && entry.has_model()
    {
        let run = active(tx, &entry.run_id).await?;
        logged_models::metrics::insert(tx, &run, &entry.batch.metrics).await?;
    }
    let (mut points, mut params, mut tags) = (Vec::new(), Pairs::new(), Pairs::new());
    for entry in entries {
        let run_id = entry.run_id.as_str();
        points.extend(entry.batch.metrics.iter().map(|metric| Point::new(run_id, metric)));
        for param in &entry.batch.params {
            match params.insert((param.key.as_str(), run_id), param.value.as_str()) {
                Some(old) if old != param.value => {
                    return Err(changed_param(run_id, &param.key, old, &param.value));
                }
                _ => {}
            }
        }
        tags.extend(entry.batch.tags.iter().map(|tag| ((tag.key.as_str(), run_id), tag.value.as_str())));
    }
    // An empty name changes nothing, as in MLflow.
    tags.retain(|(key, _), value| *key != RUN_NAME_TAG || !value.is_empty());
    points.sort_by(Point::by_key);
    let runs: BTreeSet<&str> = entries.iter().map(|entry| entry.run_id.as_str()).collect();
    let (active_runs, run_ids) = active_runs(tx.dialect(), &runs);
    let inserted = tx
        .insert_if(
            &active_runs,
            &[run_ids],
            runs.len(),
            [
                (&INSERT_PARAMS, &pair_columns(&params)),
                (&INSERT_METRICS, &columns(&points.iter().collect::<Vec<_>>())),
                (&UPSERT_LATEST, &columns(&latest(&points))),
                (&UPSERT_TAGS, &pair_columns(&tags)),
            ],
        )
        .await?;
    let Some(inserted) = inserted else { return Err(not_active(tx, entries).await) };
    if inserted[0] < params.len() as u64 {
        refuse_changed_params(tx, entries, &params).await?;
    }
    if let [entry] = entries
        && let Some(name) = entry.name().filter(|name| !name.value.is_empty())
    {
        tx.exec(RENAME, &[name.value.as_str().into(), entry.run_id.as_str().into()]).await?;
    }
    Ok(())
}

const RENAME: &str = "UPDATE runs SET name = $1 WHERE run_uuid = $2";
const ACTIVE_RUN: &str = "SELECT 1 FROM runs WHERE lifecycle_stage = 'active' AND run_uuid = $1";
const ACTIVE_RUNS: &str = "SELECT 1 FROM runs WHERE lifecycle_stage = 'active' AND run_uuid";

fn active_runs(dialect: Dialect, run_ids: &BTreeSet<&str>) -> (String, Value) {
    match run_ids.first() {
        Some(run_id) if run_ids.len() == 1 => (ACTIVE_RUN.into(), (*run_id).into()),
        _ => (dialect.in_texts(ACTIVE_RUNS, 1, ""), texts(run_ids)),
    }
}

fn texts(set: &BTreeSet<&str>) -> Value {
    Value::Texts(set.iter().map(|&text| text.to_owned()).collect())
}

/// Why the first of these entries is refused whose run is not an active one.
async fn not_active(tx: &mut Tx<'_>, entries: &[Arc<Logged>]) -> Error {
    for entry in entries {
        if let Err(error) = active(tx, &entry.run_id).await {
            return error;
        }
    }
    Error::Conflict("a run was restored just now".into())
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
    run_id: &'a str,
    key: &'a str,
    value: f64,
    timestamp: i64,
    step: i64,
    is_nan: bool,
}

impl<'a> Point<'a> {
    fn new(run_id: &'a str, metric: &'a Metric) -> Self {
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

/// The newest of each run's and key's points, in the order of the primary key.
fn latest<'p, 'a>(points: &'p [Point<'a>]) -> Vec<&'p Point<'a>> {
    let mut latest: BTreeMap<(&str, &str), &Point> = BTreeMap::new();
    for point in points {
        latest
            .entry((point.key, point.run_id))
            .and_modify(|newest| {
                if point.is_newer_than(newest) {
                    *newest = point;
                }
            })
            .or_insert(point);
    }
    latest.into_values().collect()
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

/// The rows of a table of params or tags, value by key and run, in the order in which every transaction writes them.
type Pairs<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

fn pair_columns(pairs: &Pairs) -> [Column; 3] {
    [
        Column::Texts(pairs.keys().map(|(_, run_id)| (*run_id).to_owned()).collect()),
        Column::Texts(pairs.keys().map(|(key, _)| (*key).to_owned()).collect()),
        Column::Texts(pairs.values().map(|value| (*value).to_owned()).collect()),
    ]
}

const INSERT_PARAMS: Bulk = Bulk {
    insert: "INSERT INTO params (run_uuid, key, value)",
    then: "ON CONFLICT (key, run_uuid) DO NOTHING",
};
const PRESENT_PARAMS: &str = "SELECT key, run_uuid, value FROM params WHERE run_uuid";

/// Refuses the first entry whose params have other values in the database. These were there before: a param that is there is
/// not inserted.
async fn refuse_changed_params(tx: &mut Tx<'_>, entries: &[Arc<Logged>], params: &Pairs<'_>) -> Result<()> {
    let dialect = tx.dialect();
    let sql = dialect.in_texts(PRESENT_PARAMS, 1, "") + &dialect.in_texts("AND key", 2, "");
    let args = [
        texts(&params.keys().map(|(_, run_id)| *run_id).collect()),
        texts(&params.keys().map(|(key, _)| *key).collect()),
    ];
    let rows = tx.all(&sql, &args, |row| Ok(((row.text(0)?, row.text(1)?), row.text(2)?))).await?;
    let present: HashMap<(String, String), String> = rows.into_iter().collect();
    for Logged { run_id, batch, is_batch } in entries.iter().map(Arc::as_ref) {
        let changed: Vec<(&Tag, &str)> = batch
            .params
            .iter()
            .filter_map(|param| Some((param, present.get(&(param.key.clone(), run_id.clone()))?.as_str())))
            .filter(|(param, old)| param.value != *old)
            .collect();
        match changed.first() {
            None => {}
            Some((param, old)) if !is_batch => {
                return Err(changed_param(run_id, &param.key, old, &param.value));
            }
            Some(_) => return Err(changed_params(run_id, &changed)),
        }
    }
    Ok(())
}

fn changed_param(run_id: &str, key: &str, old: &str, new: &str) -> Error {
    invalid(format!(
        "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run \
         ID='{run_id}'. Attempted logging new value '{new}'."
    ))
    .into()
}

fn changed_params(run_id: &str, changed: &[(&Tag, &str)]) -> Error {
    let as_python = |(param, old): &(&Tag, &str)| {
        format!(
            "{{'key': {}, 'old_value': {}, 'new_value': {}}}",
            python_repr(&param.key),
            python_repr(old),
            python_repr(&param.value)
        )
    };
    invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
        changed.iter().map(as_python).collect::<Vec<_>>().join(", ")
    ))
    .into()
}

const UPSERT_TAGS: Bulk = Bulk {
    insert: "INSERT INTO tags (run_uuid, key, value)",
    then: "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
};

/// Sets a tag, whatever it is.
pub(super) async fn upsert_tag(tx: &mut Tx<'_>, run: &ActiveRun, key: &str, value: &str) -> Result<()> {
    let pairs = Pairs::from([((key, run.run_id.as_str()), value)]);
    tx.insert_many(&UPSERT_TAGS, &pair_columns(&pairs)).await?;
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
