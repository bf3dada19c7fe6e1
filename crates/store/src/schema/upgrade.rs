//! Brings a database from an older revision to ours: one transaction a step, each of which sets the revision too, so that
//! whatever ends the process leaves a database at some revision, and the next run goes on from there.

use super::{Auth, Chain, Found, Prepared, SchemaError, State, Step, indexes, state};
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
        /// How many there are in this chain.
        of: usize,
        /// The step.
        step: &'static Step,
    },
}

/// What an upgrade did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// The tables.
    pub chain: Chain,
    /// The revision it started from; none if there were no tables.
    pub from: Option<&'static str>,
    /// How many steps it took; none if the database was there already.
    pub steps: usize,
}

type Outcome<T> = std::result::Result<T, SchemaError>;
type Report = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is in the database, which is not changed.
///
/// # Errors
/// [`SchemaError::Database`].
pub async fn inspect(uri: &DatabaseUri) -> Outcome<Found> {
    let mut alter = Alter::open(uri).await?;
    Ok(alter.step(|tx| Box::pin(state::read_all(tx))).await?)
}

/// Brings the database to the revisions of MLflow 3.7.0; an empty one gets the schema at once, so that a server which may not
/// make tables finds them, unless users and permissions are all that was asked for. Several processes may do so at once: one works, the others wait and
/// find it done. Answers what was done to each chain that the database has.
///
/// # Errors
/// [`SchemaError`]. What was done until then stays, and the next run goes on.
pub async fn upgrade(
    uri: &DatabaseUri,
    auth: Auth,
    report: impl Fn(Progress) + Send + Sync + 'static,
) -> Outcome<Vec<Upgraded>> {
    let report: Report = Arc::new(report);
    let wait = Arc::clone(&report);
    let alter = Alter::open(uri).await?;
    let waits = move || wait(Progress::Waiting);
    alter.alone(waits, move |alter| Box::pin(async move { Ok(run_all(alter, auth, report).await) })).await?
}

async fn run_all(alter: &mut Alter, auth: Auth, report: Report) -> Outcome<Vec<Upgraded>> {
    let found = alter.step(|tx| Box::pin(state::read_all(tx))).await?;
    if found.is_empty() && auth != Auth::Make {
        return Ok(vec![create(alter).await?]);
    }
    let mut all = Vec::new();
    for (chain, first) in found.chains(auth)? {
        all.push(run(alter, chain, first, &report).await?);
    }
    Ok(all)
}

async fn create(alter: &mut Alter) -> Outcome<Upgraded> {
    let (prepared, _) = alter.step(|tx| Box::pin(super::create_alone(tx))).await?;
    if prepared == Prepared::Created {
        alter.step(|tx| Box::pin(indexes::create_fresh(tx))).await?;
    }
    Ok(Upgraded { chain: Chain::Tracking, from: None, steps: Chain::Tracking.steps().len() })
}

async fn run(alter: &mut Alter, chain: Chain, first: usize, report: &Report) -> Outcome<Upgraded> {
    let (mut at, mut steps, all) = (first, 0, chain.steps());
    while let Some(step) = all.get(at) {
        report(Progress::Step { number: at - first + 1, of: all.len() - first, step });
        let taken = alter.step(move |tx| Box::pin(take(tx, chain, at, step))).await;
        steps += usize::from(taken.map_err(|error| SchemaError::Step { step, error })?);
        at = alter.step(move |tx| Box::pin(state::read(tx, chain))).await?.steps_done(chain)?;
    }
    Ok(Upgraded { chain, from: Some(chain.revision_after(first)), steps })
}

/// Takes a step, unless another process has: on SQLite they take turns.
async fn take(tx: &mut Tx<'_>, chain: Chain, at: usize, step: &Step) -> Result<bool> {
    match state::read(tx, chain).await? {
        State::At(now) if now == at => {}
        // Whoever has no users yet has asked for their tables, or would not come here.
        State::Empty if at == 0 => {}
        _ => return Ok(false),
    }
    tx.script(step.sql(tx.dialect())).await?;
    tx.script(&chain.set_revision(step)).await?;
    Ok(true)
}
