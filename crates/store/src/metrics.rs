//! Metric histories: whole, of many runs, and sampled for charts.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::search::KeyKind;
use crate::search::page_token::{self, Start};
use api::error::invalid;
use api::{MAX_RESULTS_GET_METRIC_HISTORY, Metric, MetricWithRunId};
use std::collections::BTreeSet;

const HISTORY: &str = "
    SELECT key, value, timestamp, step, is_nan FROM metrics
    WHERE run_uuid = $1 AND key = $2
    ORDER BY timestamp, step, value, is_nan";
const HISTORY_FROM: &str = "
    SELECT key, value, timestamp, step, is_nan FROM metrics
    WHERE run_uuid = $1 AND key = $2
    ORDER BY timestamp, step, value, is_nan LIMIT $3 OFFSET $4";
// Goes on after the last point of the page before, not after a count of points, so that points logged meanwhile neither
// repeat nor hide others.
const HISTORY_AFTER: &str = "
    SELECT key, value, timestamp, step, is_nan FROM metrics
    WHERE run_uuid = $1 AND key = $2 AND (timestamp, step, value, is_nan) > ($3, $4, $5, $6)
    ORDER BY timestamp, step, value, is_nan LIMIT $7";

/// The points of a metric by timestamp, step, value, and the token of the next page.
///
/// An unknown run or key has no points, as in MLflow. Without a limit everything comes at once: MLflow answers nothing but
/// a token then, but its client always sends a limit.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` for a bad token.
pub async fn history_page(
    tx: &mut Tx<'_>,
    run_id: &str,
    key: &str,
    limit: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<Metric>, Option<String>)> {
    let mut args = vec![Value::from(run_id), Value::from(key)];
    let limit = limit.filter(|n| *n > 0);
    let fetch = limit.map_or(i64::MAX, |n| n + 1);
    let fingerprint = page_token::fingerprint([run_id, key]);
    let start = Start::read_kinds(token.unwrap_or_default(), &PAGE_KEYS, fingerprint)?;
    let sql = match start {
        Start::Beginning if limit.is_none() => HISTORY,
        Start::Beginning => {
            args.extend([fetch.into(), 0.into()]);
            HISTORY_FROM
        }
        Start::Offset(offset) => {
            args.extend([fetch.into(), offset.into()]);
            HISTORY_FROM
        }
        Start::After(mut keys) => {
            let is_nan = keys.pop() == Some(Value::Int(1));
            args.extend(keys);
            args.extend([is_nan.into(), fetch.into()]);
            HISTORY_AFTER
        }
    };
    let mut metrics = tx.all(sql, &args, metric).await?;
    let Some(limit) = limit.filter(|n| metrics.len() as i64 > *n) else { return Ok((metrics, None)) };
    metrics.truncate(limit as usize);
    let next = metrics.last().map(|m| page_token::encode(fingerprint, &page_keys(m)));
    Ok((metrics, next))
}

/// The order of a history, which a page token holds: timestamp, step, value, is_nan.
const PAGE_KEYS: [KeyKind; 4] = [KeyKind::Int, KeyKind::Int, KeyKind::Float, KeyKind::Int];

fn page_keys(m: &Metric) -> [Value; 4] {
    [m.timestamp.into(), m.step.into(), stored(m).into(), i64::from(m.value.is_nan()).into()]
}

/// The value column of a point: NaN is kept as 0 with a flag.
fn stored(m: &Metric) -> f64 {
    if m.value.is_nan() { 0.0 } else { m.value }
}

fn point(key: String, value: f64, timestamp: i64, step: i64) -> Metric {
    let (dataset_name, dataset_digest, model_id, run_id) = (None, None, None, None);
    Metric { key, value, timestamp, step, dataset_name, dataset_digest, model_id, run_id }
}

fn metric(row: &Row) -> Result<Metric> {
    let value = if row.bool(4)? { f64::NAN } else { row.float(1)? };
    Ok(point(row.text(0)?, value, row.int(2)?, row.int(3)?))
}

const BULK: (&str, &str) = (
    "SELECT key, value, timestamp, step, is_nan, run_uuid FROM metrics WHERE key = $1 AND run_uuid",
    "ORDER BY run_uuid, timestamp, step, value, is_nan LIMIT $3",
);

/// The points of a metric of several runs, by run id, timestamp, step, value; at most `limit` in all.
///
/// # Errors
/// Of the database.
pub async fn history_bulk(
    tx: &mut Tx<'_>,
    run_ids: Vec<String>,
    key: &str,
    limit: i64,
) -> Result<Vec<MetricWithRunId>> {
    let sql = tx.dialect().in_texts(BULK.0, 2, BULK.1);
    tx.all(&sql, &[key.into(), Value::Texts(run_ids), limit.into()], metric_with_run).await
}

fn metric_with_run(row: &Row) -> Result<MetricWithRunId> {
    let m = metric(row)?;
    Ok(MetricWithRunId {
        key: m.key,
        value: m.value,
        timestamp: m.timestamp,
        step: m.step,
        run_id: row.text(5)?,
    })
}

/// What a sampled history covers.
pub struct Interval {
    /// 1 to 100 runs.
    pub run_ids: Vec<String>,
    /// The metric.
    pub key: String,
    /// How many steps to sample.
    pub max_results: i64,
    /// First and last step; everything from step 0 on where absent.
    pub steps: Option<(i64, i64)>,
}

impl Interval {
    /// Reads the two ends of an interval, which come together or not at all.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn steps(start: Option<i64>, end: Option<i64>) -> api::Result<Option<(i64, i64)>> {
        match (start, end) {
            (None, None) => Ok(None),
            (Some(start), Some(end)) if start > end => Err(invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            ))),
            (Some(start), Some(end)) => Ok(Some((start, end))),
            _ => Err(invalid("If either start step or end step are specified, both must be specified.")),
        }
    }
}

// All runs' first and last steps, whether or not they lie in the interval; the newest step of all ends it where the
// request does not say.
const ENDS: &str = "SELECT run_uuid, MIN(step), MAX(step) FROM metrics WHERE key = $1 AND run_uuid";
// Numbers the distinct steps of the interval and keeps every n-th: `FLOOR(i * n / max)` for i below max, and the last.
const SAMPLED: (&str, &str) = (
    "
    WITH steps AS (SELECT DISTINCT step FROM metrics WHERE key = $1 AND step BETWEEN $2 AND $3 AND run_uuid",
    "),
    numbered AS (SELECT step, ROW_NUMBER() OVER (ORDER BY step) - 1 AS i, COUNT(*) OVER () AS n FROM steps)
    SELECT step FROM numbered
    WHERE n <= $5 OR i = n - 1 OR (i * $5 + n - 1) / n <> ((i + 1) * $5 + n - 1) / n
    ORDER BY step",
);
const POINTS: (&str, &str) = (
    "
    SELECT key, value, timestamp, step, is_nan, run_uuid FROM metrics
    WHERE key = $1 AND run_uuid = $2 AND step",
    "ORDER BY step, timestamp, value, is_nan LIMIT $4",
);

/// A history thinned for a chart, as MLflow thins it (`get_metric_history_bulk_interval`): of the distinct steps of all
/// runs in the interval every n-th, always the first and last step of each run, and every point of a step that is kept.
/// The thinning runs in the database.
///
/// # Errors
/// Of the database.
pub async fn history_bulk_interval(tx: &mut Tx<'_>, interval: Interval) -> Result<Vec<MetricWithRunId>> {
    let key = Value::from(interval.key.as_str());
    let runs = Value::Texts(interval.run_ids.clone());
    let sql = tx.dialect().in_texts(ENDS, 2, "GROUP BY run_uuid");
    let ends = tx.all(&sql, &[key.clone(), runs.clone()], |row| Ok((row.int(1)?, row.int(2)?))).await?;
    let last = ends.iter().map(|(_, max)| *max).max().unwrap_or_default();
    let (start, end) = interval.steps.unwrap_or((0, last));
    let sql = tx.dialect().in_texts(SAMPLED.0, 4, SAMPLED.1);
    let args = [key.clone(), start.into(), end.into(), runs, interval.max_results.into()];
    let mut steps: BTreeSet<i64> = tx.all(&sql, &args, |row| row.int(0)).await?.into_iter().collect();
    steps.extend(ends.into_iter().flat_map(|(min, max)| [min, max]).filter(|s| (start..=end).contains(s)));
    let steps = Value::Ints(steps.into_iter().collect());
    let sql = tx.dialect().in_ints(POINTS.0, 3, POINTS.1);
    let mut points = Vec::new();
    for run_id in interval.run_ids {
        let args = [key.clone(), run_id.into(), steps.clone(), MAX_RESULTS_GET_METRIC_HISTORY.into()];
        points.extend(tx.all(&sql, &args, metric_with_run).await?);
    }
    Ok(points)
}
