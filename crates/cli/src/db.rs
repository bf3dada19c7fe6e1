//! `ferroflow db`: what revision a database is at, and bringing it to ours.

use crate::config::PlaceOptions;
use crate::indexes::{self, IndexCommand};
use crate::start::Failure;
use crate::{log, migration, wait};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;
use store::checkup::Migration;
use store::db::Dialect;
use store::schema::{self, Auth, Chain, State};
use store::uri::DatabaseUri;

const EXAMPLES: &str = "\
Examples:
  ferroflow db status sqlite:///mlflow.db
      Which revision the database is at, and the steps to this version's

  MLFLOW_BACKEND_STORE_URI=postgresql://mlflow:PASSWORD@db.example/mlflow ferroflow db upgrade
      Take a backup first. A password belongs into the environment: other users of the machine see options

  ferroflow db wait --db-host db.example --db-user mlflow --db-name mlflow --db-password-file /run/secrets/mlflow
      Wait until the database can be used

Exit codes: 0 done, 1 the database does not let it happen, 2 wrong usage";

const UPGRADE: &str = "\
Examples:
  ferroflow db upgrade --plan postgresql://mlflow@db.example/mlflow
      The SQL that an upgrade would run, and nothing else

  MLFLOW_BACKEND_STORE_URI=postgresql://mlflow:PASSWORD@db.example/mlflow ferroflow db upgrade
      Take a backup first

  ferroflow db upgrade sqlite:///basic_auth.db
      A database of users and permissions of MLflow's auth app; --auth makes their tables where there are none

Exit codes: 0 done, 1 the database does not let it happen, 2 wrong usage";

const STATUS: &str = "\
Examples:
  ferroflow db status sqlite:///mlflow.db
  ferroflow db status --db-host db.example --db-user mlflow --db-name mlflow

Exit codes: 0 done, 1 the database does not let it happen, 2 wrong usage";

const CHECK: &str = "\
Examples:
  ferroflow db check sqlite:///mlflow.db && echo ready
  ferroflow db check postgresql://mlflow@db.example/mlflow

Exit codes: 0 this version can serve the database as it is, 1 it cannot, 2 wrong usage";

const WAIT: &str = "\
Examples:
  ferroflow db wait postgresql://mlflow@db.example/mlflow
      Before `ferroflow server`

  ferroflow db wait --migrated --timeout 600
      Before `ferroflow server --no-database-migration`, while another process runs `ferroflow db upgrade`

Exit codes: 0 ready, 1 not in time or nothing that waiting mends, 2 wrong usage";

/// `ferroflow db`.
#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct DbOptions {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Subcommand)]
enum DbCommand {
    /// Bring the database to the schema revision of MLflow 3.7.0; an empty one gets the schema. Running it again does nothing.
    #[command(after_help = UPGRADE)]
    Upgrade {
        #[command(flatten)]
        database: Database,

        /// Print the SQL that would run, and change nothing.
        #[arg(long)]
        plan: bool,

        /// Make the tables of users and permissions if there are none; those that are there are upgraded anyway.
        #[arg(long)]
        auth: bool,
    },
    /// Say which revision the database is at, and which steps are ahead.
    #[command(after_help = STATUS)]
    Status(Database),
    /// Succeed if the database can be served as it is.
    #[command(after_help = CHECK)]
    Check(Database),
    /// Wait until the database can be used: that it answers, its version, the user's rights, the schema.
    #[command(after_help = WAIT)]
    Wait {
        #[command(flatten)]
        database: Database,

        /// How long to wait at the most; 0 looks once.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        timeout: u32,

        /// Wait until no upgrade is due, instead of making sure that this user can do one.
        #[arg(long)]
        migrated: bool,
    },
    /// List, make or drop the indexes that Ferroflow adds to MLflow's schema for fast searches.
    #[command(subcommand)]
    Indexes(IndexCommand),
}

/// Which database.
#[derive(Args)]
pub struct Database {
    /// The database: sqlite:///PATH or postgresql://USER@HOST/DATABASE.
    #[arg(env = "MLFLOW_BACKEND_STORE_URI", value_name = "URI")]
    uri: Option<String>,

    #[command(flatten)]
    place: PlaceOptions,
}

impl Database {
    pub(crate) fn parse(&self) -> Result<DatabaseUri, Failure> {
        let named = self.place.database(self.uri.as_deref(), "URI").map_err(Failure::Usage)?;
        named.ok_or_else(|| {
            Failure::Usage("say which database: a URI, MLFLOW_BACKEND_STORE_URI, or --db-host".into())
        })
    }

    /// One that must be there.
    pub(crate) fn existing(&self) -> Result<DatabaseUri, Failure> {
        let uri = self.parse()?;
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
    let done = runtime.block_on(async {
        match &options.command {
            DbCommand::Upgrade { database, plan: false, auth } => {
                let uri = database.existing()?;
                log::to_stderr(tracing::Level::INFO);
                let done = migration::run(&uri, wanted(*auth), migration::Show::Terminal).await;
                done.map_err(|e| refused(&uri, &e))
            }
            DbCommand::Upgrade { database, plan: true, auth } => {
                let uri = database.existing()?;
                say(&plan(&chains(&uri, wanted(*auth)).await?, Dialect::of(&uri)));
                Ok(())
            }
            DbCommand::Status(database) => {
                let uri = database.existing()?;
                let chains = chains(&uri, Auth::IfThere).await?;
                say(&status(&uri, &chains));
                if chains
                    .iter()
                    .any(|(chain, done)| *chain == Chain::Tracking && *done == chain.steps().len())
                {
                    say(&indexes::summary(&uri).await?);
                }
                Ok(())
            }
            DbCommand::Check(database) => {
                let uri = database.existing()?;
                let chains = chains(&uri, Auth::IfThere).await?;
                let older = chains
                    .into_iter()
                    .find_map(|(chain, done)| State::At(done).refuse_unless_at_head(chain).err());
                older.map_or(Ok(()), |e| Err(refused(&uri, &e)))
            }
            DbCommand::Wait { database, timeout, migrated } => {
                let uri = database.parse()?;
                log::to_stderr(tracing::Level::INFO);
                let migration = if *migrated { Migration::Others } else { Migration::Ours };
                say(&wait::until_usable(&uri, migration, Duration::from_secs((*timeout).into())).await?);
                Ok(())
            }
            DbCommand::Indexes(command) => indexes::run(command).await,
        }
    });
    // A thread that still waits for a file's lock is not waited for.
    runtime.shutdown_background();
    done
}

fn wanted(auth: bool) -> Auth {
    if auth { Auth::Make } else { Auth::IfThere }
}

async fn chains(uri: &DatabaseUri, auth: Auth) -> Result<Vec<(Chain, usize)>, Failure> {
    let found = schema::inspect(uri).await.and_then(|found| found.chains(auth));
    found.map_err(|e| refused(uri, &e))
}

pub(crate) fn refused(uri: &DatabaseUri, error: &schema::SchemaError) -> Failure {
    Failure::Start(format!("{}: {error}", uri.display()))
}

/// Whoever closed the pipe has read enough.
pub(crate) fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}

fn status(uri: &DatabaseUri, chains: &[(Chain, usize)]) -> String {
    let mut text = format!("{}\n", uri.display());
    for (chain, done) in chains {
        let (ahead, head) = (&chain.steps()[*done..], chain.head());
        let name = match chain {
            Chain::Tracking => "",
            Chain::Auth => "users and permissions: ",
        };
        text += &format!("  {name}revision {}\n", chain.revision_after(*done));
        text += &if ahead.is_empty() {
            format!("  up to date: {head} is the revision of MLflow 3.7.0\n")
        } else {
            format!("  {} steps to {head} (MLflow 3.7.0), by `ferroflow db upgrade`:\n", ahead.len())
        };
        for step in ahead {
            text += &format!("    {}  {}\n", step.revision, step.title);
        }
    }
    text
}

fn plan(chains: &[(Chain, usize)], dialect: Dialect) -> String {
    let ahead: Vec<_> = chains
        .iter()
        .flat_map(|(chain, done)| chain.steps()[*done..].iter().map(|step| (*chain, step)))
        .collect();
    if ahead.is_empty() {
        let heads: Vec<_> = chains.iter().map(|(chain, _)| chain.head()).collect();
        return format!("-- Nothing to do: the database is at revision {}.\n", heads.join(" and "));
    }
    let mut text = match dialect {
        Dialect::Postgres => String::new(),
        Dialect::Sqlite => "PRAGMA foreign_keys = OFF;\n\n".to_owned(),
    };
    for (n, (chain, step)) in ahead.iter().enumerate() {
        let (sql, set) = (step.sql(dialect), chain.set_revision(step));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "-- Step {} of {}: {}, {}", n + 1, ahead.len(), step.revision, step.title);
        let _ = writeln!(text, "BEGIN;\n{sql}{set};\nCOMMIT;\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_every_step_that_is_ahead() {
        for (dialect, chain) in [Dialect::Postgres, Dialect::Sqlite]
            .into_iter()
            .flat_map(|d| [(d, Chain::Tracking), (d, Chain::Auth)])
        {
            let all = chain.steps().len();
            for done in 0..all {
                let text = plan(&[(chain, done)], dialect);
                assert_eq!(text.matches("COMMIT;").count(), all - done);
                assert!(text.contains(&format!("'{}'", chain.head())), "{text}");
            }
            assert!(plan(&[(chain, all)], dialect).starts_with("-- Nothing to do"));
        }
    }
}
