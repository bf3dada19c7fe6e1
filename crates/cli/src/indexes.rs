//! `ferroflow db indexes`: the indexes that Ferroflow adds to MLflow's schema.

use crate::db::{Database, refused, say};
use crate::start::Failure;
use clap::Subcommand;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Instant;
use store::schema::{self, FoundIndex, INDEXES, IndexStep};
use store::uri::DatabaseUri;

const EXAMPLES: &str = "\
Examples:
  ferroflow db indexes list sqlite:///mlflow.db
      Which of them the database has, what they are for, and how large they are

  ferroflow db indexes create postgresql://mlflow@db.example/mlflow
      Make those that are missing. Servers go on meanwhile; on SQLite writers wait, for seconds with a million runs

  ferroflow db indexes create --only ferroflow_latest_metrics_key_value sqlite:///mlflow.db
      Make this one

  ferroflow db indexes drop sqlite:///mlflow.db
      Remove every index ferroflow_*: what is left is MLflow's own schema

Exit codes: 0 done, 1 the database does not let it happen, 2 wrong usage";

/// `ferroflow db indexes`.
#[derive(Subcommand)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub enum IndexCommand {
    /// Show which of the indexes the database has.
    #[command(after_help = EXAMPLES)]
    List(Database),
    /// Make those that are missing. One that was cut off while it was made is made anew.
    #[command(after_help = EXAMPLES)]
    Create {
        #[command(flatten)]
        database: Database,

        /// Make this one only.
        #[arg(long, value_name = "NAME", value_parser = INDEXES.map(|index| index.name))]
        only: Option<String>,
    },
    /// Remove all of them, those of other versions too.
    #[command(after_help = EXAMPLES)]
    Drop(Database),
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub async fn run(command: &IndexCommand) -> Result<(), Failure> {
    match command {
        IndexCommand::List(database) => {
            let uri = database.existing()?;
            say(&table(&uri, &found(&uri).await?));
            Ok(())
        }
        IndexCommand::Create { database, only } => {
            let uri = database.existing()?;
            let wanted = |index: &schema::Index| only.as_ref().is_none_or(|name| name == index.name);
            let began = Instant::now();
            let done = schema::create_indexes(&uri, wanted, |step| report(step, began)).await;
            done.map_err(|e| failed(&uri, &e))
        }
        IndexCommand::Drop(database) => {
            let uri = database.existing()?;
            let began = Instant::now();
            let done = schema::drop_indexes(&uri, |step| report(step, began)).await;
            done.map_err(|e| failed(&uri, &e))
        }
    }
}

/// One line for `db status`: whether indexes are missing.
///
/// # Errors
/// [`Failure`].
pub async fn summary(uri: &DatabaseUri) -> Result<String, Failure> {
    let found = found(uri).await?;
    let there = INDEXES.iter().filter(|index| has(&found, index.name) == Some(true)).count();
    let advice =
        if there < INDEXES.len() { "; `ferroflow db indexes list` says what the others are for" } else { "" };
    Ok(format!("  {there} of {} indexes for fast searches{advice}\n", INDEXES.len()))
}

async fn found(uri: &DatabaseUri) -> Result<Vec<FoundIndex>, Failure> {
    schema::list_indexes(uri).await.map_err(|e| refused(uri, &e))
}

fn failed(uri: &DatabaseUri, error: &schema::SchemaError) -> Failure {
    match refused(uri, error) {
        Failure::Start(text) => {
            Failure::Start(format!("{text}; what was done until then stays, run it again"))
        }
        other => other,
    }
}

/// Whether the index is there and valid; `None` if it is not there.
fn has(found: &[FoundIndex], name: &str) -> Option<bool> {
    found.iter().find(|one| one.name == name).map(|one| one.valid)
}

fn table(uri: &DatabaseUri, found: &[FoundIndex]) -> String {
    let mut text = format!("{}\n", uri.display());
    let others = found.iter().map(|one| (one.name.as_str(), "an index of another version"));
    let others = others.filter(|(name, _)| INDEXES.iter().all(|index| index.name != *name));
    for (name, serves) in INDEXES.iter().map(|index| (index.name, index.serves)).chain(others) {
        let state = match found.iter().find(|one| one.name == name) {
            None => "missing".to_owned(),
            Some(FoundIndex { valid: false, .. }) => "not complete: `create` makes it anew".to_owned(),
            Some(FoundIndex { bytes, .. }) => format!("there, {}", size(*bytes)),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name}\n    {state}; for {serves}");
    }
    text
}

fn report(step: IndexStep<'_>, began: Instant) {
    let after = || format!("{:.1} s", began.elapsed().as_secs_f64());
    let line = match step {
        IndexStep::Making(index) => format!("making {}, for {}", index.name, index.serves),
        IndexStep::Again(index) => format!("making {} anew: it was cut off before", index.name),
        IndexStep::Made(index) => format!("made {}, after {}", index.name, after()),
        IndexStep::Present(index) => format!("{} is there already", index.name),
        IndexStep::Dropped(name) => format!("dropped {name}, after {}", after()),
    };
    // Whoever closed the pipe does not want to know.
    drop(writeln!(io::stdout(), "{line}"));
}

fn size(bytes: i64) -> String {
    match bytes {
        ..0x10_0000 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes >> 20),
    }
}
