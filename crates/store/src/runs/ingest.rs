//! The small writes of which there are most: one metric, param or tag. On PostgreSQL those that wait become one transaction
//! of few statements (`db/ingest.rs`), each with an answer of its own; SQLite's writer groups commits by itself.

use super::log::{self, Pairs, Point};
use super::{RUN_NAME_TAG, must_be_active, no_run};
use crate::db::{self, Db, Place, Tx, Value};
use crate::error::{Error, Result};
use api::validate::{self, Limits};
use api::{Metric, Tag};
use futures_util::FutureExt;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What is logged to a run.
#[derive(Clone)]
#[expect(missing_docs, reason = "the variants are what they are named")]
pub enum Entry {
    Metric(Metric),
    Param(Tag),
    Tag(Tag),
}

/// The way of single entries into the database.
pub struct Ingest {
    db: Db,
    waiting: db::Ingest<Waiting>,
}

/// An entry and its run.
#[derive(Clone)]
struct Logged {
    run_id: String,
    entry: Entry,
    limits: Limits,
}

struct Waiting {
    logged: Logged,
    answer: oneshot::Sender<Result<()>>,
}

impl Ingest {
    /// The way into this database.
    pub fn new(db: Db) -> Self {
        let runner = db.clone();
        Self { db, waiting: db::Ingest::new(move |group, place| run(runner.clone(), group, place).boxed()) }
    }

    /// Logs one entry; returns after the commit.
    ///
    /// # Errors
    /// Those of [`log::log_metric`], [`log::log_param`] and [`log::set_tag`].
    pub async fn log(&self, run_id: String, entry: Entry, limits: Limits) -> Result<()> {
        if self.db.dialect().groups_commits() || !entry.can_share() {
            return alone(&self.db, Logged { run_id, entry, limits }, None).await;
        }
        let logged = Logged { run_id, entry: entry.checked(limits)?, limits };
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Waiting { logged, answer })?;
        let answered = timeout(self.db.longest_wait(), answered).await;
        let answered =
            answered.map_err(|_| Error::Unavailable("the writes before this one take too long".into()))?;
        answered.map_err(|_| Error::Database("a group of writes panicked".into()))?
    }
}

impl Entry {
    /// Whether it is a row and no more. A name renames the run, too, and a model has metrics of its own.
    fn can_share(&self) -> bool {
        match self {
            Self::Metric(metric) => metric.model_id.is_none(),
            Self::Param(_) => true,
            Self::Tag(tag) => tag.key != RUN_NAME_TAG,
        }
    }

    fn checked(self, limits: Limits) -> Result<Self> {
        Ok(match self {
            Self::Metric(metric) => {
                validate::metric(&metric, "")?;
                Self::Metric(metric)
            }
            Self::Param(param) => Self::Param(validate::param(param, "", limits)?),
            Self::Tag(tag) => Self::Tag(validate::tag(tag, "", limits)?),
        })
    }
}

async fn alone(db: &Db, logged: Logged, place: Option<Arc<Place<Waiting>>>) -> Result<()> {
    let Logged { run_id, entry, limits } = logged;
    db.append(move |tx| {
        Box::pin(async move {
            let done = match entry {
                Entry::Metric(metric) => log::log_metric(tx, &run_id, metric).await,
                Entry::Param(param) => log::log_param(tx, &run_id, param, limits).await,
                Entry::Tag(tag) => log::set_tag(tx, &run_id, tag, limits).await,
            };
            if let Some(place) = place {
                place.statements_done();
            }
            done
        })
    })
    .await
}

async fn run(db: Db, group: Vec<Waiting>, place: Arc<Place<Waiting>>) {
    // Who has been told to come back, or has gone away, will log it again.
    let group = group.into_iter().filter(|waiting| !waiting.answer.is_closed());
    let (group, answers): (Vec<_>, Vec<_>) = group.map(|w| (w.logged, w.answer)).unzip();
    let group: Arc<[Logged]> = group.into();
    // Whoever does not wait for the answer any more has gone away; what is committed stays.
    match joint(&db, &group, &place).await {
        Some(Ok(results)) => {
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        }
        // Alone they would fare no better, and what may be committed must not be done again after other writes.
        Some(Err(Error::Unavailable(reason) | Error::Disconnected(reason))) => {
            for answer in answers {
                let _ = answer.send(Err(Error::Unavailable(reason.clone())));
            }
        }
        // One of them spoils it for all: each gets the answer that it gets alone.
        Some(Err(_)) | None => {
            for (answer, logged) in answers.into_iter().zip(group.iter()) {
                let _ = answer.send(alone(&db, logged.clone(), Some(Arc::clone(&place))).await);
            }
        }
    }
}

/// Runs a group in one transaction; `None` for a group of one, which needs none of this.
async fn joint(
    db: &Db,
    group: &Arc<[Logged]>,
    place: &Arc<Place<Waiting>>,
) -> Option<Result<Vec<Result<()>>>> {
    if group.len() <= 1 {
        return None;
    }
    let (group, place) = (Arc::clone(group), Arc::clone(place));
    let done = db.append(move |tx| {
        Box::pin(async move {
            let results = log_all(tx, &group).await?;
            place.statements_done();
            Ok(results)
        })
    });
    Some(done.await)
}

/// Logs all entries but those that are refused, which change nothing. The tables are written in the order in which
/// [`log::log_batch`] writes them.
async fn log_all(tx: &mut Tx<'_>, group: &[Logged]) -> Result<Vec<Result<()>>> {
    let stages = stages(tx, group).await?;
    let check = |logged: &Logged| match stages.get(&logged.run_id) {
        None => Err(no_run(&logged.run_id)),
        Some(stage) => must_be_active(&logged.run_id, stage),
    };
    let mut results: Vec<_> = group.iter().map(check).collect();
    let (mut params, mut points, mut tags) = (Vec::new(), Vec::new(), Pairs::new());
    for (logged, result) in group.iter().zip(&mut results) {
        let run_id = logged.run_id.as_str();
        match &logged.entry {
            _ if result.is_err() => {}
            Entry::Metric(metric) => points.push(Point::new(run_id, metric)),
            Entry::Param(param) => params.push((run_id, param, result)),
            // The last of equal keys stays, as if they had come one after the other.
            Entry::Tag(tag) => drop(tags.insert((&tag.key, run_id), &tag.value)),
        }
    }
    log_params(tx, params).await?;
    log::insert_points(tx, points).await?;
    log::upsert_pairs(tx, &tags).await?;
    Ok(results)
}

const STAGES: &str = "SELECT run_uuid, lifecycle_stage FROM runs WHERE run_uuid";

async fn stages(tx: &mut Tx<'_>, group: &[Logged]) -> Result<HashMap<String, String>> {
    let run_ids: BTreeSet<&str> = group.iter().map(|logged| logged.run_id.as_str()).collect();
    let run_ids = Value::Texts(run_ids.into_iter().map(str::to_owned).collect());
    let sql = tx.dialect().in_texts(STAGES, 1, "");
    Ok(tx.all(&sql, &[run_ids], |row| Ok((row.text(0)?, row.text(1)?))).await?.into_iter().collect())
}

/// Inserts new params, and refuses those that have another value already, be it from a moment ago: of several values the
/// first one stays.
async fn log_params(tx: &mut Tx<'_>, params: Vec<(&str, &Tag, &mut Result<()>)>) -> Result<()> {
    let mut pairs = Pairs::new();
    for (run_id, param, _) in &params {
        pairs.entry((&param.key, run_id)).or_insert(&param.value);
    }
    let present = log::insert_pairs(tx, &pairs).await?;
    let present: Pairs =
        present.iter().map(|((key, run), value)| ((key.as_str(), run.as_str()), value.as_str())).collect();
    for (run_id, param, result) in params {
        let place = (param.key.as_str(), run_id);
        let old = present.get(&place).or_else(|| pairs.get(&place)).copied().unwrap_or(&param.value);
        if old != param.value {
            *result = Err(log::changed_param(run_id, &param.key, old, &param.value));
        }
    }
    Ok(())
}
