//! Metric histories: whole, of many runs, and sampled for charts.

mod points;
mod sample;
mod steps;

pub use sample::{Interval, history_bulk_interval};

use crate::db::{Tx, Value};
use crate::error::Result;
use crate::search::KeyKind;
use crate::search::page_token::{self, Start};
use api::{Histories, History, Point};
use points::{Smallest, Way, by_time, point, stored};

/// The points of a metric by timestamp, step, value, and the token of the next page.
///
/// An unknown run or key has no points, as in MLflow. Without a limit everything comes at once: MLflow answers nothing but
/// a token then, but its client always sends a limit.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` for a bad token.
pub async fn history_page(
    tx: &mut Tx<'_>,
    run_id: String,
    key: String,
    limit: Option<i64>,
    token: Option<&str>,
) -> Result<Histories> {
    let limit = limit.filter(|n| *n > 0);
    let fingerprint = page_token::fingerprint([run_id.as_str(), key.as_str()]);
    let start = Start::read_kinds(token.unwrap_or_default(), &PAGE_KEYS, fingerprint)?;
    let fetch = limit.map_or(i64::MAX, |n| n + 1);
    let mut points = page_from(tx, &run_id, &key, start, fetch).await?;
    let mut next_page_token = None;
    if let Some(limit) = limit.filter(|n| points.len() as i64 > *n) {
        points.truncate(limit as usize);
        next_page_token = points.last().map(|p| page_token::encode(fingerprint, &page_keys(p)));
    }
    let metrics = vec![History { key, run_id: None, points }];
    Ok(Histories { metrics, next_page_token, always_list: false })
}

/// The order of a history, which a page token holds: timestamp, step, value, is_nan.
const PAGE_KEYS: [KeyKind; 4] = [KeyKind::Int, KeyKind::Int, KeyKind::Float, KeyKind::Int];

fn page_keys(p: &Point) -> [Value; 4] {
    [p.timestamp.into(), p.step.into(), stored(p).into(), i64::from(p.value.is_nan()).into()]
}

const FROM: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND key = $2
    ORDER BY timestamp, step, value, is_nan LIMIT $3 OFFSET $4";
// Goes on after the last point of the page before, not after a count of points, so that points logged meanwhile neither
// repeat nor hide others.
const AFTER: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND key = $2 AND (timestamp, step, value, is_nan) > ($3, $4, $5, $6)
    ORDER BY timestamp, step, value, is_nan LIMIT $7";
// The same by way of the run's points, see `points::Way`. SQLite would sort them for longer than it takes to read them.
const RUN_FROM: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND NOT key <> $2";
const RUN_AFTER: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND NOT key <> $2 AND (timestamp, step, value, is_nan) > ($3, $4, $5, $6)";

async fn page_from(tx: &mut Tx<'_>, run_id: &str, key: &str, start: Start, limit: i64) -> Result<Vec<Point>> {
    let by_run = points::way(tx, &[run_id.to_owned()], key).await? == Way::Run;
    let mut args = vec![Value::from(run_id), Value::from(key)];
    let offset = match start {
        Start::Beginning => Some(0),
        Start::Offset(offset) => Some(offset.max(0)),
        Start::After(mut keys) => {
            let is_nan = keys.pop() == Some(Value::Int(1));
            args.extend(keys);
            args.push(is_nan.into());
            None
        }
    };
    let skip = offset.unwrap_or_default() as usize;
    let (sql, most, skip) = match (by_run, offset.is_some()) {
        (true, true) => (RUN_FROM, skip.saturating_add(limit as usize), skip),
        (true, false) => (RUN_AFTER, limit as usize, 0),
        (false, first) => {
            args.push(limit.into());
            args.extend(offset.map(Value::from));
            (if first { FROM } else { AFTER }, usize::MAX, 0)
        }
    };
    let mut page = Smallest::new(most, by_time);
    tx.each(sql, &args, |row| {
        page.push(point(row)?);
        Ok(())
    })
    .await?;
    let mut points = page.into_sorted();
    points.drain(..skip.min(points.len()));
    Ok(points)
}

/// The points of a metric of several runs, by run id, timestamp, step, value; at most `limit` in all.
///
/// # Errors
/// Of the database.
pub async fn history_bulk(
    tx: &mut Tx<'_>,
    mut run_ids: Vec<String>,
    key: &str,
    limit: i64,
) -> Result<Histories> {
    run_ids.sort_unstable();
    run_ids.dedup();
    let mut left = limit;
    let mut metrics = Vec::new();
    for run_id in run_ids {
        if left <= 0 {
            break;
        }
        let points = page_from(tx, &run_id, key, Start::Beginning, left).await?;
        left -= points.len() as i64;
        metrics.push(History { key: key.into(), run_id: Some(run_id), points });
    }
    Ok(Histories { metrics, next_page_token: None, always_list: true })
}
