//! `ferroflow db`: what revision a database is at, and bringing it to ours.

use crate::indexes::{self, IndexCommand};
use crate::start::Failure;
use crate::{log, migration};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use store::db::Dialect;
use store::schema::{self, HEAD, STEPS, State};
use store::uri::DatabaseUri;

const EXAMPLES: &str = "\
Examples:
  ferroflow db status sqlite:///mlflow.db
      Which revision the database is at, and the steps to this version's

  ferroflow db upgrade --plan postgresql://mlflow@db.example/mlflow
      The SQL that an upgrade would run, and nothing else

  MLFLOW_BACKEND_STORE_URI=postgresql://mlflow:PASSWORD@db.example/mlflow ferroflow db upgrade
      Take a backup first. A password belongs into the environment: other users of the machine see options

  ferroflow db check sqlite:///mlflow.db && echo ready
      Exit code 0 if this version can serve the database as it is, 1 if not";

/// `ferroflow db`.
#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct DbOptions {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Subcommand)]
enum DbCommand {
    /// Bring the database to the schema revision of MLflow 3.7.0. Running it again does nothing.
    #[command(after_help = EXAMPLES)]
    Upgrade {
        #[command(flatten)]
        database: Database,

        /// Print the SQL that would run, and change nothing.
        #[arg(long)]
        plan: bool,
    },
    /// Say which revision the database is at, and which steps are ahead.
    #[command(after_help = EXAMPLES)]
    Status(Database),
    /// Succeed if the database can be served as it is.
    #[command(after_help = EXAMPLES)]
    Check(Database),
    /// List, make or drop the indexes that Ferroflow adds to MLflow's schema for fast searches.
    #[command(subcommand)]
    Indexes(IndexCommand),
}

/// Which database.
#[derive(Args)]
pub struct Database {
    /// The database: sqlite:///PATH or postgresql://USER@HOST/DATABASE.
    #[arg(env = "MLFLOW_BACKEND_STORE_URI", value_name = "URI")]
    uri: String,
}

impl Database {
    pub(crate) fn parse(&self) -> Result<DatabaseUri, Failure> {
        let uri = DatabaseUri::parse(&self.uri).map_err(|e| Failure::Usage(format!("the database: {e}")))?;
        match &uri {
            DatabaseUri::Sqlite(path) if !path.exists() => {
                Err(Failure::Start(format!("there is no file {}; check the address", path.display())))
            }
            _ => Ok(uri),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &DbOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Start(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        match &options.command {
            DbCommand::Upgrade { database, plan: false } => {
                let uri = database.parse()?;
                log::to_stderr(tracing::Level::INFO);
                migration::run(&uri, migration::Show::Terminal).await.map_err(|e| refused(&uri, &e))
            }
            DbCommand::Upgrade { database, plan: true } => {
                let uri = database.parse()?;
                say(&plan(steps_done(&uri).await?, Dialect::of(&uri)));
                Ok(())
            }
            DbCommand::Status(database) => {
                let uri = database.parse()?;
                let done = steps_done(&uri).await?;
                say(&status(&uri, done));
                if done == STEPS.len() {
                    say(&indexes::summary(&uri).await?);
                }
                Ok(())
            }
            DbCommand::Check(database) => {
                let uri = database.parse()?;
                let found = schema::inspect(&uri).await.map_err(|e| refused(&uri, &e))?;
                found.refuse_unless_at_head().map_err(|e| refused(&uri, &e))
            }
            DbCommand::Indexes(command) => indexes::run(command).await,
        }
    })
}

async fn steps_done(uri: &DatabaseUri) -> Result<usize, Failure> {
    let found = schema::inspect(uri).await.and_then(|state| state.steps_done());
    found.map_err(|e| refused(uri, &e))
}

pub(crate) fn refused(uri: &DatabaseUri, error: &schema::SchemaError) -> Failure {
    Failure::Start(format!("{}: {error}", uri.display()))
}

/// Whoever closed the pipe has read enough.
pub(crate) fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}

fn status(uri: &DatabaseUri, done: usize) -> String {
    let ahead = &STEPS[done..];
    let mut text = format!("{}\n  revision {}\n", uri.display(), State::revision_after(done));
    let last = if ahead.is_empty() {
        format!("  up to date: {HEAD} is the revision of MLflow 3.7.0\n")
    } else {
        format!("  {} steps to {HEAD} (MLflow 3.7.0), by `ferroflow db upgrade`:\n", ahead.len())
    };
    text += &last;
    for step in ahead {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {}  {}", step.revision, step.title);
    }
    text
}

fn plan(done: usize, dialect: Dialect) -> String {
    let ahead = &STEPS[done..];
    let mut text = match dialect {
        Dialect::Postgres => String::new(),
        Dialect::Sqlite => "PRAGMA foreign_keys = OFF;\n\n".to_owned(),
    };
    for (n, step) in ahead.iter().enumerate() {
        let sql = step.sql(dialect);
        let _ = writeln!(text, "-- Step {} of {}: {}, {}", n + 1, ahead.len(), step.revision, step.title);
        let _ = writeln!(text, "BEGIN;\n{sql}{};\nCOMMIT;\n", step.set_revision());
    }
    if ahead.is_empty() { format!("-- Nothing to do: the database is at revision {HEAD}.\n") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_every_step_that_is_ahead() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            for done in 0..STEPS.len() {
                let text = plan(done, dialect);
                assert_eq!(text.matches("COMMIT;").count(), STEPS.len() - done);
                assert!(text.contains(&format!("'{HEAD}'")), "{text}");
            }
            assert!(plan(STEPS.len(), dialect).starts_with("-- Nothing to do"));
        }
    }
}
