//! Brings a database from an older revision to ours: one transaction a step, each of which sets the revision too, so that
//! whatever ends the process leaves a database at some revision, and the next run goes on from there.

use super::{STEPS, SchemaError, State, Step, state};
use crate::db::{Alter, Tx};
use crate::error::Result;
use crate::uri::DatabaseUri;
use std::sync::Arc;

/// What an upgrade is about to do.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Another process upgrades this database; this one waits for it.
    Waiting,
    /// The next step.
    Step {
        /// Which one, counted from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// The step.
        step: &'static Step,
    },
}

/// What an upgrade did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// The revision it started from.
    pub from: &'static str,
    /// How many steps it took; none if the database was there already.
    pub steps: usize,
}

type Outcome<T> = std::result::Result<T, SchemaError>;
type Report = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is in the database, which is not changed.
///
/// # Errors
/// [`SchemaError::Database`].
pub async fn inspect(uri: &DatabaseUri) -> Outcome<State> {
    let mut alter = Alter::open(uri).await?;
    Ok(alter.step(|tx| Box::pin(state::read(tx))).await?)
}

/// Brings the database to [`HEAD`](super::HEAD). Several processes may do so at once: one works, the others wait and find it done.
///
/// # Errors
/// [`SchemaError`]. What was done until then stays, and the next run goes on.
pub async fn upgrade(
    uri: &DatabaseUri,
    report: impl Fn(Progress) + Send + Sync + 'static,
) -> Outcome<Upgraded> {
    let report: Report = Arc::new(report);
    let wait = Arc::clone(&report);
    let alter = Alter::open(uri).await?;
    alter
        .alone(move || wait(Progress::Waiting), |alter| Box::pin(async move { Ok(run(alter, report).await) }))
        .await?
}

async fn run(alter: &mut Alter, report: Report) -> Outcome<Upgraded> {
    let first = done(alter).await?;
    let (mut at, mut steps) = (first, 0);
    while let Some(step) = STEPS.get(at) {
        report(Progress::Step { number: at - first + 1, of: STEPS.len() - first, step });
        let taken = alter.step(move |tx| Box::pin(take(tx, at, step))).await;
        steps += usize::from(taken.map_err(|error| SchemaError::Step { step, error })?);
        at = done(alter).await?;
    }
    Ok(Upgraded { from: State::revision_after(first), steps })
}

async fn done(alter: &mut Alter) -> Outcome<usize> {
    alter.step(|tx| Box::pin(state::read(tx))).await?.steps_done()
}

/// Takes a step, unless another process has: on SQLite they take turns.
async fn take(tx: &mut Tx<'_>, at: usize, step: &Step) -> Result<bool> {
    if state::read(tx).await? != State::At(at) {
        return Ok(false);
    }
    tx.script(step.sql(tx.dialect())).await?;
    tx.script(&step.set_revision()).await?;
    Ok(true)
}
