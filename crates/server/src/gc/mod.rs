//! Deleting for good: runs, logged models, traces and experiments in state deleted, their files first and their rows after, so that
//! whoever is killed finds on the next time what he had left. Mirrors `mlflow gc`.
//!
//! `ferroflow gc` calls this. Nothing here knows a command line: what happens is told to a `watch`.

mod age;
mod choose;
mod folders;
mod orphans;
mod protection;
mod sweep;

pub use age::{Age, Retention};
pub use folders::Extent;

use artifacts::{Store, Stores};
use store::db::Db;
use store::gc::Kind;

/// Where things are.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The database.
    pub db: &'a Db,
    /// The database of registered models, whose versions protect what they point to; the same, or another one.
    pub registry: &'a Db,
    /// `--artifacts-destination`; without one the files that a server has there cannot be deleted.
    pub destination: Option<&'a Store>,
    /// Opens what is not in `destination`.
    pub stores: &'a Stores,
}

/// What to delete. Where ids of any kind are given, these objects only; else everything in state deleted.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Only what has been deleted for so long.
    pub older_than: Option<Age>,
    /// These runs.
    pub run_ids: Vec<String>,
    /// These experiments, with all that is in them.
    pub experiment_ids: Vec<String>,
    /// These logged models.
    pub logged_model_ids: Vec<String>,
    /// What a registered model version points to, too.
    pub include_registered: bool,
    /// Files whose run, model or trace is gone, too.
    pub orphans: bool,
    /// Only say what would be deleted.
    pub dry_run: bool,
}

/// What is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Thing {
    Run,
    LoggedModel,
    Trace,
    Experiment,
    /// Files whose owner is gone.
    Orphan,
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// An object is gone, for good; in a dry run, it would be.
    Removed {
        /// What it was.
        thing: Thing,
        /// Its id.
        id: &'a str,
        /// Where its files were, if it had any.
        location: Option<&'a str>,
        /// Its files.
        extent: Extent,
    },
    /// An object stays, as it should.
    Kept {
        /// What it is.
        thing: Thing,
        /// Its id.
        id: &'a str,
        /// Why.
        why: &'a str,
    },
    /// An object stays though it should not, or the rest of it does.
    Failed {
        /// What it is.
        thing: Thing,
        /// Its id.
        id: &'a str,
        /// Why, and what to do.
        why: &'a str,
    },
    /// So many files have been looked at, in search of those without an owner.
    Looked(u64),
}

/// How many of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tally {
    pub objects: u64,
    pub extent: Extent,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What was removed, in this order: runs, logged models, traces, experiments, files without an owner.
    pub removed: [Tally; 5],
    /// How many objects were kept that are in state deleted, though they are old enough.
    pub kept: u64,
    /// How many could not be removed.
    pub failed: u64,
}

/// Deletes for good what is wished, and tells `watch` of each object.
///
/// # Errors
/// What `mlflow gc` refuses, before anything is deleted, in its words; and errors of the database. What was deleted until then is
/// gone, and the next call goes on with the rest.
pub async fn collect(
    places: Places<'_>,
    wish: &Wish,
    now_ms: i64,
    watch: &mut (dyn FnMut(Event<'_>) + Send),
) -> store::Result<Summary> {
    let chosen = choose::choose(places, wish, now_ms).await?;
    let mut sweep = sweep::Sweep::new(places, wish.dry_run, chosen, now_ms, watch);
    sweep.runs_and_models().await?;
    sweep.experiments().await?;
    if wish.orphans {
        orphans::reclaim(&mut sweep).await?;
    }
    Ok(sweep.summary)
}

impl From<Kind> for Thing {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Run => Self::Run,
            Kind::LoggedModel => Self::LoggedModel,
            Kind::Trace => Self::Trace,
            Kind::Experiment => Self::Experiment,
        }
    }
}
