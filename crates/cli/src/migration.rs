//! A migration as its operator sees it: a line or a counter for each step, and one line at the end.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;
use store::schema::{self, Auth, Chain, Progress, SchemaError, Upgraded};
use store::uri::DatabaseUri;

/// Where steps are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// In the log only.
    Log,
    /// On one line that changes, if somebody watches.
    Terminal,
}

/// What a start did to the schema.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made: the database was empty.
    Created,
    /// It came from an older revision.
    Migrated,
    /// Nothing.
    Unchanged,
}

/// Brings the database to our revisions.
///
/// # Errors
/// [`SchemaError`], which says what to do.
pub async fn run(uri: &DatabaseUri, auth: Auth, show: Show) -> Result<(), SchemaError> {
    let began = Instant::now();
    let counts = show == Show::Terminal && io::stderr().is_terminal();
    let done = schema::upgrade(uri, auth, move |progress| report(progress, counts)).await;
    if counts {
        clear_line();
    }
    for Upgraded { chain, from, steps } in done? {
        let (to, took) = (chain.head(), began.elapsed().as_secs_f64());
        let Some(from) = from else {
            tracing::info!(
                "database migration of an empty database to {to}: its schema was made in {took:.3} s"
            );
            continue;
        };
        match (chain, steps) {
            (Chain::Tracking, 0) => {
                tracing::info!("the database is at schema revision {to} already; there is nothing to do");
            }
            (Chain::Auth, 0) => {
                tracing::info!("users and permissions are at revision {to} already; there is nothing to do");
            }
            (Chain::Tracking, _) => {
                tracing::info!("database migration from {from} to {to}: {steps} steps in {took:.3} s");
            }
            (Chain::Auth, _) => tracing::info!(
                "database migration of users and permissions from {from} to {to}: {steps} steps in {took:.3} s"
            ),
        }
    }
    Ok(())
}

/// Says that a start had nothing to migrate: whoever looks for the migration in a server's log finds what became of it.
pub fn say_none(outcome: Outcome) {
    let to = schema::HEAD;
    match outcome {
        Outcome::Created => {
            tracing::info!(
                "database migration: none, the database was empty and got the schema of revision {to}"
            );
        }
        Outcome::Unchanged => {
            tracing::info!("database migration: none, the schema is at revision {to} already");
        }
        // It has said so itself.
        Outcome::Migrated => {}
    }
}

fn report(progress: Progress, counts: bool) {
    match progress {
        Progress::Waiting => {
            tracing::info!("another process migrates this database; waiting until it is done");
        }
        Progress::Step { number, of, step } if counts => {
            clear_line();
            drop(write!(io::stderr(), "{number}/{of} {} {}", step.revision, step.title));
        }
        Progress::Step { number, of, step } => {
            tracing::info!("migrating, step {number} of {of}: {}, {}", step.revision, step.title);
        }
    }
}

fn clear_line() {
    drop(write!(io::stderr(), "\r\x1b[K"));
}
