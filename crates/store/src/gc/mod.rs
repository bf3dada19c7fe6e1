//! Deleting for good what is marked deleted: finding it, a page at a time, and removing its rows. Mirrors `_hard_delete_run` and its
//! like, and goes on where they leave rows behind.
//!
//! Files are none of this module's business: whoever calls it deletes those of an object first. An object whose rows are there is
//! found again, so whoever is killed in between goes on where he was.

mod find;
mod remove;

pub use find::{
    Found, Version, deleted_experiments, existing, experiments, retentions, runs_left, still_doomed, versions,
};
pub use remove::{history, remove};

/// What can be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Run,
    LoggedModel,
    Trace,
    Experiment,
}

/// Which of the objects of a kind to find.
#[derive(Debug, Clone)]
pub enum Which {
    /// Those in state deleted.
    Deleted,
    /// Those in state deleted that are in one of these experiments.
    DeletedOf(Vec<i64>),
    /// Those with these ids, in whatever state.
    Named(Vec<String>),
    /// All in this experiment, in whatever state.
    AllOf(i64),
}

pub use find::page;

/// How many objects a page has.
pub const PAGE: usize = 100;
