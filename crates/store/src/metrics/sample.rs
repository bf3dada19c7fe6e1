//! Histories thinned for charts.

use super::points::{self, Smallest};
use super::steps::{Steps, Stretch};
use crate::db::{Tx, Value};
use crate::error::Result;
use api::error::invalid;
use api::{History, MAX_RESULTS_GET_METRIC_HISTORY, Point};

/// What a sampled history covers.
#[derive(Clone)]
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

    fn bounds(&self) -> (i64, i64) {
        self.steps.unwrap_or((0, i64::MAX))
    }
}

/// A history thinned for a chart, as MLflow thins it (`get_metric_history_bulk_interval`): of the distinct steps of all
/// runs in the interval every n-th, always the first and last step of each run, and every point of a step that is kept.
///
/// Which steps are kept is known once all have been seen. So that this takes one look at the points and little memory,
/// few points are kept until then, and of many those of the steps that will be picked if the metric goes on as it began;
/// where it does not, a second look gets the others.
///
/// # Errors
/// Of the database.
pub async fn history_bulk_interval(tx: &mut Tx<'_>, interval: Interval) -> Result<Vec<History>> {
    let mut run_ids = interval.run_ids.clone();
    run_ids.sort_unstable();
    run_ids.dedup();
    let sql = tx.dialect().in_texts(LATEST_STEPS, 2, "");
    let args = [interval.key.as_str().into(), Value::Texts(run_ids.clone())];
    let latest = tx.all(&sql, &args, |row| row.int(0)).await?;

    let mut look = Look::first(&interval, &run_ids, latest);
    points::each_of(tx, &run_ids, &interval.key, |run, point| look.see(run, point)).await?;
    let wanted = look.wanted();
    if !look.has(&wanted) {
        look = Look::again(&interval, &run_ids, wanted.clone());
        points::each_of(tx, &run_ids, &interval.key, |run, point| look.see(run, point)).await?;
    }
    let kept = look.runs.into_iter().map(|run| run.kept);
    let answers: Vec<Vec<Point>> = kept.map(|points| in_order(points, &wanted)).collect();
    let answer = |run_id: &String| {
        let points = run_ids.binary_search(run_id).map(|i| answers[i].clone()).unwrap_or_default();
        History { key: interval.key.clone(), run_id: Some(run_id.clone()), points }
    };
    Ok(interval.run_ids.iter().map(answer).collect())
}

// MLflow keeps the point of the largest step there.
const LATEST_STEPS: &str = "SELECT step FROM latest_metrics WHERE key = $1 AND run_uuid";

/// How many points are kept while it is not known which of them are wanted: 768 KiB.
const AT_HAND: usize = 32 * 1024;

/// One look at all points of some runs.
struct Look {
    bounds: (i64, i64),
    most_steps: i64,
    latest: Vec<i64>,
    keep: Keep,
    runs: Vec<Seen>,
    at_hand: usize,
}

/// What was seen of a run.
struct Seen {
    kept: Smallest,
    steps: Steps,
    /// The smallest and the largest step, in the interval or not.
    ends: Option<(i64, i64)>,
}

/// The points of which steps are kept.
enum Keep {
    All,
    /// Sorted. What the steps would be if all goes on as it began.
    Guessed(Vec<i64>),
    /// Sorted.
    Known(Vec<i64>),
}

impl Look {
    fn first(interval: &Interval, run_ids: &[String], latest: Vec<i64>) -> Self {
        // As long as it is not known which points are wanted, none is too many.
        Self::new(interval, run_ids, latest, Keep::All, usize::MAX)
    }

    fn again(interval: &Interval, run_ids: &[String], steps: Vec<i64>) -> Self {
        let most = MAX_RESULTS_GET_METRIC_HISTORY as usize;
        Self::new(interval, run_ids, Vec::new(), Keep::Known(steps), most)
    }

    fn new(interval: &Interval, run_ids: &[String], latest: Vec<i64>, keep: Keep, most: usize) -> Self {
        let seen =
            |_| Seen { kept: Smallest::new(most, points::by_step), steps: Steps::default(), ends: None };
        let (bounds, most_steps) = (interval.bounds(), interval.max_results);
        Self { bounds, most_steps, latest, keep, runs: run_ids.iter().map(seen).collect(), at_hand: 0 }
    }

    fn see(&mut self, run: usize, point: Point) {
        let seen = &mut self.runs[run];
        let step = point.step;
        let (min, max) = seen.ends.get_or_insert((step, step));
        (*min, *max) = (step.min(*min), step.max(*max));
        if !is_in(self.bounds, step) {
            return;
        }
        let is_kept = match &self.keep {
            Keep::All => true,
            Keep::Guessed(steps) | Keep::Known(steps) => steps.binary_search(&step).is_ok(),
        };
        if is_kept {
            seen.kept.push(point);
            self.at_hand += 1;
        }
        if !matches!(self.keep, Keep::Known(_)) {
            seen.steps.push(step);
            if self.at_hand > AT_HAND {
                self.keep_less(run);
            }
        }
    }

    /// Drops what will hardly be wanted; everything where that cannot be said.
    fn keep_less(&mut self, run: usize) {
        let guess = match (&self.keep, self.runs[run].steps.regular()) {
            (Keep::All, Some(begun)) => self.guess(begun),
            _ => Vec::new(),
        };
        for seen in &mut self.runs {
            seen.kept.retain(|point| guess.binary_search(&point.step).is_ok());
        }
        self.at_hand = self.runs.iter().map(|seen| seen.kept.len()).sum();
        self.keep = Keep::Guessed(guess);
    }

    /// The steps that are picked if every run is logged as this one has begun.
    fn guess(&self, begun: Stretch) -> Vec<i64> {
        let last = self.latest.iter().copied().max().unwrap_or_default().min(self.bounds.1);
        let count = (last.saturating_sub(begun.first) / begun.stride).saturating_add(1);
        let mut guess =
            Steps::from(Stretch { count: count.max(begun.count), ..begun }).sampled(self.most_steps);
        guess.extend(&self.latest);
        guess.extend(self.ends());
        sorted(guess)
    }

    /// The steps to answer, once all have been seen.
    fn wanted(&mut self) -> Vec<i64> {
        let steps = self.runs.iter_mut().map(|seen| std::mem::take(&mut seen.steps)).collect();
        let mut wanted = Steps::union(steps).sampled(self.most_steps);
        wanted.extend(self.ends());
        sorted(wanted)
    }

    /// The first and last steps of the runs, where they lie in the interval.
    fn ends(&self) -> impl Iterator<Item = i64> {
        let ends = self.runs.iter().filter_map(|seen| seen.ends).flat_map(|(min, max)| [min, max]);
        ends.filter(|step| is_in(self.bounds, *step))
    }

    /// Whether the points of these steps were kept from the start to the end.
    fn has(&self, wanted: &[i64]) -> bool {
        match &self.keep {
            Keep::All => true,
            Keep::Guessed(kept) | Keep::Known(kept) => {
                wanted.iter().all(|step| kept.binary_search(step).is_ok())
            }
        }
    }
}

fn is_in((start, end): (i64, i64), step: i64) -> bool {
    (start..=end).contains(&step)
}

fn sorted(mut steps: Vec<i64>) -> Vec<i64> {
    steps.sort_unstable();
    steps.dedup();
    steps
}

fn in_order(mut points: Smallest, wanted: &[i64]) -> Vec<Point> {
    points.retain(|point| wanted.binary_search(&point.step).is_ok());
    let mut points = points.into_sorted();
    points.truncate(MAX_RESULTS_GET_METRIC_HISTORY as usize);
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn point(step: i64) -> Point {
        Point { timestamp: 1, step, value: 0.5 }
    }

    fn interval(steps: Option<(i64, i64)>) -> Interval {
        Interval { run_ids: vec!["a".into(), "b".into()], key: "m".into(), max_results: 7, steps }
    }

    /// Looks at the runs once, and answers whether that was enough and the steps that are wanted.
    fn look_once(interval: &Interval, runs: [&[i64]; 2]) -> (bool, Look, Vec<i64>) {
        let latest = runs.iter().filter_map(|steps| steps.iter().copied().max()).collect();
        let mut look = Look::first(interval, &interval.run_ids, latest);
        see(&mut look, runs);
        let wanted = look.wanted();
        (look.has(&wanted), look, wanted)
    }

    fn see(look: &mut Look, runs: [&[i64]; 2]) {
        for (run, steps) in runs.iter().enumerate() {
            steps.iter().for_each(|step| look.see(run, point(*step)));
        }
    }

    fn answer(look: Look, wanted: &[i64]) -> Vec<Vec<i64>> {
        let runs = look.runs.into_iter();
        runs.map(|run| in_order(run.kept, wanted).iter().map(|p| p.step).collect()).collect()
    }

    /// What is wanted, step by step as MLflow says it.
    fn naive(runs: [&[i64]; 2], (start, end): (i64, i64), most: i64) -> Vec<i64> {
        let is_in = |step: &i64| (start..=end).contains(step);
        let all: Vec<i64> = BTreeSet::from_iter(runs.concat()).into_iter().filter(is_in).collect();
        let mut wanted: BTreeSet<i64> = all.iter().copied().collect();
        if all.len() as i64 > most {
            let ranks = (0..most).map(|i| (i as f64 * (all.len() as f64 / most as f64)) as usize);
            wanted = ranks.map(|rank| all[rank]).chain(all.last().copied()).collect();
        }
        let ends = runs.iter().flat_map(|run| [run.iter().min(), run.iter().max()]).flatten();
        wanted.extend(ends.copied().filter(is_in));
        wanted.into_iter().collect()
    }

    #[test]
    fn one_look_is_enough_for_few_points_and_for_regular_ones() {
        let few: Vec<i64> = (0..1_000).map(|i| i * 7919 % 1_009).collect();
        let regular: Vec<i64> = (0..100_000).map(|i| i * 10).collect();
        for runs in [[&few[..], &few[..50]], [&regular[..], &[]], [&regular[..], &regular[..]]] {
            for steps in [None, Some((500, 900))] {
                let (enough, look, wanted) = look_once(&interval(steps), runs);
                assert!(enough, "{} {steps:?}", runs[0].len());
                assert_eq!(wanted, naive(runs, interval(steps).bounds(), 7));
                assert!(look.at_hand <= AT_HAND);
            }
        }
    }

    #[test]
    fn a_second_look_finds_what_the_first_could_not_guess() {
        let regular: Vec<i64> = (0..100_000).collect();
        let slower: Vec<i64> = (0..60_000).chain((60_000..90_000).step_by(100)).collect();
        let shuffled: Vec<i64> = (0..100_000).map(|i| i * 7919 % 100_003).collect();
        let negative: Vec<i64> = (-50_000..50_000).map(|i| i * 3).collect();
        let one_step = vec![0; 100_000];
        for runs in [
            [&slower[..], &[]],
            [&regular[..], &shuffled[..40_000]],
            [&shuffled[..], &regular[..]],
            [&negative[..], &regular[..]],
            [&one_step[..], &[5, 6]],
        ] {
            for steps in [None, Some((-100, 70_000)), Some((99_000, 1 << 62))] {
                let interval = interval(steps);
                let (enough, first, wanted) = look_once(&interval, runs);
                assert_eq!(wanted, naive(runs, interval.bounds(), 7));
                let mut second = Look::again(&interval, &interval.run_ids, wanted.clone());
                see(&mut second, runs);
                let second = answer(second, &wanted);
                if enough {
                    assert_eq!(answer(first, &wanted), second);
                }
                for (points, run) in second.iter().zip(runs) {
                    let mut expected: Vec<i64> = run.iter().copied().filter(|s| wanted.contains(s)).collect();
                    expected.sort_unstable();
                    expected.truncate(25_000);
                    assert_eq!(*points, expected, "{steps:?}");
                }
            }
        }
    }
}
