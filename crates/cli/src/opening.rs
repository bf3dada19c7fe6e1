//! The way from an address to a database that can be served, however long that takes. What may mend itself is waited for, by a
//! server that listens and is not ready; what does not is one sentence and the end.

use crate::config::ServerOptions;
use crate::migration::Outcome;
use crate::retry::{Retry, TRY, with_jitter};
use crate::start::Failure;
use crate::{banner, log, migration};
use server::Gate;
use server::readiness::DatabaseReport;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;
use store::db::Db;
use store::schema::{self, Auth, Prepared, SchemaError};
use store::uri::DatabaseUri;
use tokio::time::{sleep, timeout};

/// How often to look whether somebody has put the schema right, at the least.
const LOOK: Duration = Duration::from_secs(5);

/// What opening needs to know.
pub struct Opening<'a> {
    pub options: &'a ServerOptions,
    pub database: &'a DatabaseUri,
    pub artifact_root: &'a str,
    pub now_ms: i64,
    pub gate: &'a Gate,
    pub address: SocketAddr,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// A database that answers.
    Database,
    /// Somebody who brings the schema to our revision.
    Schema,
}

/// Opens the database, and makes or migrates its schema. Waits for what may mend itself.
///
/// # Errors
/// [`Failure`], where waiting would not help.
pub async fn open(opening: &Opening<'_>) -> Result<(Db, Outcome), Failure> {
    let mut opened = None;
    let mut waiting: Option<(For, Retry)> = None;
    loop {
        let error = match attempt(opening, &mut opened, waiting.as_ref().map(|(_, retry)| retry)).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let text = sentence(opening.database, opened.is_some(), &error);
        let Some(cause) = may_pass(&error) else { return Err(Failure::Start(text)) };
        opening.gate.explain(report(&error));
        match &mut waiting {
            Some((before, retry)) if *before == cause => {
                if retry.has_news() {
                    tracing::warn!("not ready for {} s: {text}", retry.elapsed().as_secs());
                }
            }
            _ => {
                say(cause, &text, opening.address);
                waiting = Some((cause, Retry::new()));
                opening.gate.answer();
            }
        }
        if let Some((_, retry)) = &mut waiting {
            sleep(if cause == For::Schema { with_jitter(LOOK) } else { retry.next_pause() }).await;
        }
    }
}

async fn attempt(
    opening: &Opening<'_>,
    opened: &mut Option<Db>,
    waited: Option<&Retry>,
) -> Result<(Db, Outcome), SchemaError> {
    let Opening { options, database, gate, .. } = opening;
    let db = match opened {
        Some(db) => db,
        None => {
            let pool = options.database.pool();
            let connecting = timeout(TRY, Db::open_with(database, &pool));
            let late = |_| store::Error::Unavailable(format!("no answer within {} s", TRY.as_secs()));
            let db = connecting.await.map_err(late)??;
            if let Some(retry) = waited {
                let seconds = retry.elapsed().as_secs_f64();
                tracing::info!("connected to {} after {seconds:.1} s", database.display());
            }
            opened.insert(db)
        }
    };
    let prepare = || schema::prepare(db, opening.artifact_root.to_owned(), opening.now_ms);
    let outcome = match prepare().await {
        Err(SchemaError::Older { .. }) if !options.data.no_database_migration => {
            gate.explain(DatabaseReport::migrating());
            migration::run(database, Auth::Leave, migration::Show::Log).await?;
            prepare().await?;
            Outcome::Migrated
        }
        prepared => match prepared? {
            Prepared::Created => Outcome::Created,
            Prepared::Present => Outcome::Unchanged,
        },
    };
    Ok((db.clone(), outcome))
}

fn sentence(database: &DatabaseUri, is_open: bool, error: &SchemaError) -> String {
    let verb = if is_open { "serve" } else { "open" };
    format!("cannot {verb} {}: {error}", database.display())
}

fn may_pass(error: &SchemaError) -> Option<For> {
    match error {
        SchemaError::Database(error) | SchemaError::Step { error, .. } => {
            error.may_pass().then_some(For::Database)
        }
        SchemaError::Older { .. } | SchemaError::Unknown { .. } => Some(For::Schema),
        SchemaError::Empty | SchemaError::NotMlflow | SchemaError::IndexInTheMaking(_) => None,
    }
}

/// The same for those who ask `/readyz`.
fn report(error: &SchemaError) -> DatabaseReport {
    use store::Error as E;
    match error {
        SchemaError::Older { found, .. } | SchemaError::Unknown { found, .. } => {
            DatabaseReport::at_revision(found)
        }
        SchemaError::Step { error, .. } => DatabaseReport::not_migrated(&error.to_string()),
        SchemaError::Database(E::Unavailable(reason) | E::Disconnected(reason) | E::Conflict(reason)) => {
            DatabaseReport::no_connection(reason)
        }
        other => DatabaseReport::no_connection(&other.to_string()),
    }
}

/// Says that waiting begins: as a line of the log, or plain to see for somebody at a terminal.
fn say(cause: For, text: &str, address: SocketAddr) {
    let until = match cause {
        For::Database => "trying again until it answers",
        For::Schema => "looking every few seconds whether somebody has put that right",
    };
    if io::stderr().is_terminal() {
        let text = banner::not_ready(text, until, address, log::has_colours());
        drop(io::stderr().write_all(text.as_bytes()));
    } else {
        let text = text.trim_end_matches('.');
        tracing::warn!("{text}. Listening on {address}, not ready, and {until}");
    }
}
