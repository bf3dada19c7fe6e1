//! What is logged, on its way into the database. On PostgreSQL small writes that wait become one transaction
//! (`db/ingest.rs`), each with an answer of its own; SQLite's writer groups commits by itself.

use super::log::{Entry, Logged, log_all};
use crate::db::{self, Db, Place, Tx};
use crate::error::{Error, Result};
use api::validate::Limits;
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The way of what is logged into the database.
pub struct Ingest {
    db: Db,
    waiting: db::Ingest<Waiting>,
}

struct Waiting {
    logged: Arc<Logged>,
    answer: oneshot::Sender<Result<()>>,
}

impl Ingest {
    /// The way into this database.
    pub fn new(db: Db) -> Self {
        let runner = db.clone();
        Self { db, waiting: db::Ingest::new(move |group, place| run(runner.clone(), group, place).boxed()) }
    }

    /// Logs one request's entry; returns after the commit.
    ///
    /// # Errors
    /// `RESOURCE_DOES_NOT_EXIST` for the run or a model; `INVALID_PARAMETER_VALUE`. Nothing is logged then.
    pub async fn log(&self, run_id: String, entry: Entry, limits: Limits) -> Result<()> {
        let logged = Arc::new(Logged::new(run_id, entry, limits)?);
        if self.db.dialect().groups_commits() || !logged.can_share() {
            return alone(&self.db, logged, None).await;
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(logged.len(), Waiting { logged, answer })?;
        let answered = timeout(self.db.longest_wait(), answered).await;
        let answered =
            answered.map_err(|_| Error::Unavailable("the writes before this one take too long".into()))?;
        answered.map_err(|_| Error::Database("a group of writes panicked".into()))?
    }
}

async fn alone(db: &Db, logged: Arc<Logged>, place: Option<Arc<Place<Waiting>>>) -> Result<()> {
    if logged.is_one_row() {
        db.append(move |tx| Box::pin(async move { all(tx, &[logged], place).await })).await
    } else {
        db.write(move |tx| Box::pin(async move { all(tx, &[logged], place).await })).await
    }
}

async fn all(tx: &mut Tx<'_>, entries: &[Arc<Logged>], place: Option<Arc<Place<Waiting>>>) -> Result<()> {
    let done = log_all(tx, entries).await;
    if let Some(place) = place {
        place.statements_done();
    }
    done
}

async fn run(db: Db, group: Vec<Waiting>, place: Arc<Place<Waiting>>) {
    // Who has been told to come back, or has gone away, will log it again.
    let group = group.into_iter().filter(|waiting| !waiting.answer.is_closed());
    let (entries, answers): (Vec<_>, Vec<_>) = group.map(|w| (w.logged, w.answer)).unzip();
    let entries: Arc<[Arc<Logged>]> = entries.into();
    let done = match entries.len() {
        0 | 1 => None,
        _ => match together(&db, &entries, &place).await {
            None => return apart(&db, &entries, answers).await,
            done => done,
        },
    };
    // Whoever does not wait for the answer any more has gone away; what is committed stays.
    for (answer, entry) in answers.into_iter().zip(entries.iter()) {
        let _ = answer.send(match &done {
            Some(Ok(())) => Ok(()),
            // Alone they would fare no better, and what may be committed must not be done again after other writes.
            Some(Err(Error::Unavailable(reason) | Error::Refused(reason) | Error::Disconnected(reason))) => {
                Err(Error::Unavailable(reason.clone()))
            }
            // One of them spoils it for all: each gets the answer that it gets alone.
            Some(Err(_)) | None => alone(&db, Arc::clone(entry), Some(Arc::clone(&place))).await,
        });
    }
}

/// How long a group's statements may take. Whoever needs longer waits for a row that another session holds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Logs a group in one transaction; `None` when it was held up, and has changed nothing.
async fn together(db: &Db, entries: &Arc<[Arc<Logged>]>, place: &Arc<Place<Waiting>>) -> Option<Result<()>> {
    let (entries, shared) = (Arc::clone(entries), Arc::clone(place));
    let work = db.write(move |tx| Box::pin(async move { all(tx, &entries, Some(shared)).await }));
    tokio::pin!(work);
    match timeout(PATIENCE, &mut work).await {
        Ok(done) => Some(done),
        Err(_) if place.is_committing() => Some(work.await),
        // Dropping it cancels what it waits for.
        Err(_) => None,
    }
}

/// Logs a group that was held up, each by itself at the same time, so that only those wait that have to.
async fn apart(db: &Db, entries: &[Arc<Logged>], answers: Vec<oneshot::Sender<Result<()>>>) {
    let each = entries.iter().zip(answers);
    join_all(each.map(async |(entry, answer)| drop(answer.send(alone(db, Arc::clone(entry), None).await))))
        .await;
}
