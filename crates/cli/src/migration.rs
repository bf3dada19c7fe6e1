//! A migration as its operator sees it: a line or a counter for each step, and one line at the end.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;
use store::schema::{self, HEAD, Progress, SchemaError};
use store::uri::DatabaseUri;

/// Where steps are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// In the log only.
    Log,
    /// On one line that changes, if somebody watches.
    Terminal,
}

/// Brings the database to our revision.
///
/// # Errors
/// [`SchemaError`], which says what to do.
pub async fn run(uri: &DatabaseUri, show: Show) -> Result<(), SchemaError> {
    let began = Instant::now();
    let counts = show == Show::Terminal && io::stderr().is_terminal();
    let done = schema::upgrade(uri, move |progress| report(progress, counts)).await;
    if counts {
        clear_line();
    }
    let done = done?;
    if done.steps == 0 {
        tracing::info!("the database is at schema revision {HEAD} already; there is nothing to do");
    } else {
        let (from, steps, took) = (done.from, done.steps, began.elapsed().as_secs_f64());
        tracing::info!("database migration from {from} to {HEAD}: {steps} steps in {took:.3} s");
    }
    Ok(())
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
