//! What is logged, on its way into the database. On PostgreSQL small writes that wait become one transaction
//! (`db/ingest.rs`), each with an answer of its own; SQLite's writer groups commits by itself.

use super::log::{Entry, Logged, is_one_statement, log_all};
use crate::db::{self, Db};
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
        Self { db, waiting: db::Ingest::new(move |group| run(runner.clone(), group).boxed()) }
    }

    /// Logs one request's entry; returns after the commit.
    ///
    /// # Errors
    /// `RESOURCE_DOES_NOT_EXIST` for the run or a model; `INVALID_PARAMETER_VALUE`. Nothing is logged then.
    pub async fn log(&self, run_id: String, entry: Entry, limits: Limits) -> Result<()> {
        let logged = Arc::new(Logged::new(run_id, entry, limits)?);
        if self.db.dialect().groups_commits() || !logged.can_share() {
            return log_together(&self.db, Arc::new([logged])).await;
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.push(logged.len(), Waiting { logged, answer })?;
        let answered = timeout(self.db.longest_wait(), answered).await;
        let answered =
            answered.map_err(|_| Error::Unavailable("the writes before this one take too long".into()))?;
        answered.map_err(|_| Error::Database("a group of writes panicked".into()))?
    }
}

/// All of it, or nothing.
async fn log_together(db: &Db, entries: Arc<[Arc<Logged>]>) -> Result<()> {
    if is_one_statement(db.dialect(), &entries) {
        db.append(move |tx| Box::pin(async move { log_all(tx, &entries).await })).await
    } else {
        db.write(move |tx| Box::pin(async move { log_all(tx, &entries).await })).await
    }
}

async fn run(db: Db, group: Vec<Waiting>) {
    // Who has been told to come back, or has gone away, will log it again.
    let group: Vec<_> = group.into_iter().filter(|waiting| !waiting.answer.is_closed()).collect();
    let entries: Arc<[Arc<Logged>]> = group.iter().map(|waiting| Arc::clone(&waiting.logged)).collect();
    let done = match entries.len() {
        0 | 1 => Err(Apart::Refused),
        _ => group_together(&db, entries).await,
    };
    match done {
        Ok(()) => group.into_iter().for_each(|waiting| waiting.answer(Ok(()))),
        // Alone they would fare no better, and what may be committed must not be done again after other writes.
        Err(Apart::No(reason)) => {
            group.into_iter().for_each(|waiting| waiting.answer(Err(Error::Unavailable(reason.clone()))));
        }
        Err(Apart::Refused) => {
            for waiting in group {
                log_alone(&db, waiting).await;
            }
        }
        Err(Apart::HeldUp) => {
            join_all(group.into_iter().map(|waiting| log_alone(&db, waiting))).await;
        }
    }
}

impl Waiting {
    fn answer(self, done: Result<()>) {
        // Whoever does not wait for the answer any more has gone away; what is committed stays.
        let _ = self.answer.send(done);
    }
}

/// Logs one of a group by itself, until nobody waits for the answer any more: then what it waits for is cancelled.
async fn log_alone(db: &Db, mut waiting: Waiting) {
    let done = tokio::select! {
        done = log_together(db, Arc::new([Arc::clone(&waiting.logged)])) => done,
        () = waiting.answer.closed() => return,
    };
    waiting.answer(done);
}

/// Why a group that was not logged together is to be logged one by one, or not.
enum Apart {
    /// One of them spoils it for all: each gets the answer that it gets alone.
    Refused,
    /// A row is held by another session: only those wait that have to.
    HeldUp,
    /// There is no database.
    No(String),
}

/// How long a group's statements may take. Whoever needs longer waits for a row that another session holds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Logs a group. Where the outcome is not known, all of it may be done again, unless [`Apart::No`] says otherwise.
async fn group_together(db: &Db, entries: Arc<[Arc<Logged>]>) -> std::result::Result<(), Apart> {
    // Dropping it cancels what it waits for.
    let done = timeout(PATIENCE, log_together(db, entries)).await.map_err(|_| Apart::HeldUp)?;
    done.map_err(|error| match error {
        Error::Unavailable(reason) | Error::Refused(reason) | Error::Disconnected(reason) => {
            Apart::No(reason)
        }
        _ => Apart::Refused,
    })
}
