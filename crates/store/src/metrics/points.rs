//! The points of one metric of one run: which way to them, and in which order.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use api::Point;
use std::cmp::Ordering;

/// Calls `look` with every point of a metric of some runs and with the run's position in `run_ids`, which are sorted. The
/// points come in no order.
///
/// # Errors
/// Of the database.
pub(super) async fn each_of(
    tx: &mut Tx<'_>,
    run_ids: &[String],
    key: &str,
    mut look: impl FnMut(usize, Point),
) -> Result<()> {
    if run_ids.len() > 1 && way(tx, run_ids, key).await? == Way::Key {
        let sql = tx.dialect().in_texts(OF_RUNS, 2, "");
        let args = [key.into(), Value::Texts(run_ids.to_vec())];
        return tx
            .each(&sql, &args, |row| {
                if let Ok(run) = run_ids.binary_search(&row.text(3)?) {
                    look(run, point(row)?);
                }
                Ok(())
            })
            .await;
    }
    for (run, run_id) in run_ids.iter().enumerate() {
        let sql = match way(tx, std::slice::from_ref(run_id), key).await? {
            Way::Run => AMONG_THE_RUNS,
            Way::Key | Way::Planned => OF_RUN,
        };
        tx.each(sql, &[run_id.as_str().into(), key.into()], |row| {
            look(run, point(row)?);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

const OF_RUN: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND key = $2";
// `NOT key <> $2` is `key = $2`, but SQLite does not look for an index on it.
const AMONG_THE_RUNS: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step FROM metrics
    WHERE run_uuid = $1 AND NOT key <> $2";
const OF_RUNS: &str = "
    SELECT CASE WHEN is_nan THEN NULL ELSE value END, timestamp, step, run_uuid FROM metrics
    WHERE key = $1 AND run_uuid";

/// One point of a statement that selects value (NULL for NaN: one column less of each row), timestamp, step.
pub(super) fn point(row: &Row) -> Result<Point> {
    let value = row.opt_float(0)?.unwrap_or(f64::NAN);
    Ok(Point { timestamp: row.int(1)?, step: row.int(2)?, value })
}

/// The index by which points are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The index on the run: passes over its other metrics.
    Run,
    /// The primary key: passes over the metric's other runs.
    Key,
    /// The planner's choice.
    Planned,
}

/// Which way passes over less: a planner with statistics knows; without, SQLite's reads the metric of all runs, however many
/// there are. So the run's metrics are counted, and the metric's runs.
pub(super) async fn way(tx: &mut Tx<'_>, run_ids: &[String], key: &str) -> Result<Way> {
    if tx.dialect().keeps_statistics() {
        return Ok(Way::Planned);
    }
    let mut keys = 0;
    for run_id in run_ids {
        keys += tx.first(KEYS_OF_RUN, &[run_id.as_str().into()], |row| row.int(0)).await?.unwrap_or_default();
    }
    let enough = [Value::from(key), (keys + 1).into()];
    let runs = tx.first(RUNS_OF_KEY, &enough, |row| row.int(0)).await?.unwrap_or_default();
    // In doubt by the key: that index also has the order, so that a page can stop early.
    Ok(if runs <= keys { Way::Key } else { Way::Run })
}

const KEYS_OF_RUN: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM latest_metrics WHERE run_uuid = $1 LIMIT 1000) AS some_keys";
const RUNS_OF_KEY: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM latest_metrics WHERE key = $1 LIMIT $2) AS some_runs";

/// The order of a history: timestamp, step, value, is_nan.
pub(super) fn by_time(a: &Point, b: &Point) -> Ordering {
    (a.timestamp, a.step).cmp(&(b.timestamp, b.step)).then_with(|| by_value(a, b))
}

/// The order of a chart: step, timestamp, value, is_nan.
pub(super) fn by_step(a: &Point, b: &Point) -> Ordering {
    (a.step, a.timestamp).cmp(&(b.step, b.timestamp)).then_with(|| by_value(a, b))
}

fn by_value(a: &Point, b: &Point) -> Ordering {
    stored(a).total_cmp(&stored(b)).then(a.value.is_nan().cmp(&b.value.is_nan()))
}

/// The value column of a point: NaN is kept as 0 with a flag.
pub(super) fn stored(point: &Point) -> f64 {
    if point.value.is_nan() { 0.0 } else { point.value }
}

/// The first points in an order, found without keeping all of them.
pub(super) struct Smallest {
    most: usize,
    order: fn(&Point, &Point) -> Ordering,
    points: Vec<Point>,
    /// The last of `most` points that were once seen: what comes after it cannot be among the first.
    bound: Option<Point>,
}

impl Smallest {
    /// Will keep at most so many.
    pub fn new(most: usize, order: fn(&Point, &Point) -> Ordering) -> Self {
        Self { most, order, points: Vec::new(), bound: None }
    }

    /// Adds a point, unless it is too large.
    pub fn push(&mut self, point: Point) {
        if self.bound.is_some_and(|bound| (self.order)(&bound, &point).is_le()) {
            return;
        }
        self.points.push(point);
        if self.points.len() >= self.most.saturating_mul(2).max(1024) {
            self.cut();
        }
    }

    /// How many are kept at the moment.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Drops points.
    pub fn retain(&mut self, keep: impl Fn(&Point) -> bool) {
        self.points.retain(keep);
    }

    /// The smallest points in order.
    pub fn into_sorted(mut self) -> Vec<Point> {
        self.cut();
        self.points
    }

    fn cut(&mut self) {
        // Points mostly come in order already, which a stable sort notices.
        self.points.sort_by(self.order);
        self.points.truncate(self.most);
        if self.points.len() == self.most {
            self.bound = self.points.last().copied();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: i64, value: f64) -> Point {
        Point { timestamp, step: 0, value }
    }

    #[test]
    fn the_smallest_are_the_first_of_all() {
        let all: Vec<_> = (0..10_000).map(|i| point(i * 7919 % 10_007, 0.0)).collect();
        for most in [0, 1, 500, 600, 9_999, 10_000, 20_000, usize::MAX] {
            let mut smallest = Smallest::new(most, by_time);
            all.iter().for_each(|p| smallest.push(*p));
            let mut expected = all.clone();
            expected.sort_by(by_time);
            expected.truncate(most);
            assert_eq!(smallest.into_sorted(), expected, "{most}");
        }
    }

    #[test]
    fn nan_is_ordered_as_the_0_it_is_stored_as() {
        let sorted = [-1.0, 0.0, f64::NAN, 1.0];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(by_time(&point(1, *a), &point(1, *b)), i.cmp(&j), "{a} {b}");
            }
        }
    }
}
