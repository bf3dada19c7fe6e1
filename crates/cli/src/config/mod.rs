//! The options of `ferroflow server`: those of `mlflow server` 3.7.0, under their own names and environment variables.
//! One file a concern; what concerns more than one is checked here.

mod artifacts;
mod data;
mod database;
mod graphql;
mod network;
mod not_here;
mod pages;
mod security;
mod values;
mod webhooks;

pub use data::registry;
pub use database::PlaceOptions;

use api::validate::Limits;
use clap::{ArgAction, Args};

const EXAMPLES: &str = "\
Examples:
  ferroflow server --port 8080
      SQLite in ./mlflow.db, artifacts in ./mlartifacts, for this machine only

  ferroflow server --backend-store-uri postgresql://mlflow@db.example/mlflow \\
                   --artifacts-destination /data/artifacts \\
                   --host 0.0.0.0 --allowed-hosts mlflow.example
      A server for others, on PostgreSQL

  MLFLOW_BACKEND_STORE_URI=postgresql://mlflow:PASSWORD@db.example/mlflow ferroflow server
      A password belongs into the environment: other users of the machine see options

  ferroflow server --db-host db.example --db-user mlflow --db-name mlflow \\
                   --db-password-file /run/secrets/mlflow --db-sslmode verify-full
      Without an address: the password is read again for every new connection

  ferroflow ui install && ferroflow server
      With MLflow's own web UI";

/// All options of `ferroflow server`.
#[derive(Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true, args_override_self = true)]
pub struct ServerOptions {
    #[command(flatten)]
    pub data: data::DataOptions,
    #[command(flatten)]
    pub database: database::DatabaseOptions,
    #[command(flatten)]
    pub artifacts: artifacts::ArtifactOptions,
    #[command(flatten)]
    pub network: network::NetworkOptions,
    #[command(flatten)]
    pub security: security::SecurityOptions,
    #[command(flatten)]
    pub webhooks: webhooks::WebhookOptions,
    #[command(flatten)]
    pub graphql: graphql::GraphqlOptions,
    #[command(flatten)]
    pub pages: pages::PageOptions,
    #[command(flatten)]
    not_here: not_here::OtherOptions,

    /// What to log: error, warn, info or debug [default: info].
    #[arg(long, env = "FERROFLOW_LOG", value_name = "LEVEL", value_parser = values::level, help_heading = "Process")]
    log_level: Option<tracing::Level>,

    /// Log more, as --log-level debug does.
    #[arg(long, help_heading = "Process")]
    dev: bool,

    /// Print help.
    #[arg(long, action = ArgAction::Help, help_heading = "Process")]
    help: Option<bool>,
}

impl ServerOptions {
    /// Checks what one option alone does not show, and answers what to tell the user about options without effect.
    ///
    /// # Errors
    /// A sentence about options that do not go together, or that this version does not have.
    pub fn check(&self) -> Result<Option<String>, String> {
        self.not_here.check(self.dev)?;
        self.artifacts.check(&self.data)?;
        self.database.check()?;
        Ok(self.not_here.without_effect())
    }

    /// The most detailed level that is logged.
    pub fn log_level(&self) -> tracing::Level {
        let usual = if self.dev { tracing::Level::DEBUG } else { tracing::Level::INFO };
        self.log_level.unwrap_or(usual)
    }

    /// The limits on names and values.
    pub fn limits(&self) -> Limits {
        Limits {
            truncate_long_values: self.data.truncate_long_values,
            artifact_location_max_length: self.data.artifact_location_max_length,
        }
    }
}
