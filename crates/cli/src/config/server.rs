//! The options of `ferroflow server`: those of `mlflow server` 3.7.0, under their own names and environment variables.

use clap::{ArgAction, Args};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ferroflow server --port 8080
      SQLite in ./mlflow.db, artifacts in ./mlartifacts, for this machine only
  ferroflow server --backend-store-uri postgresql://mlflow@db.example/mlflow --host 0.0.0.0 \\
                   --allowed-hosts mlflow.example --artifacts-destination /data/artifacts
      A server for others, on PostgreSQL (the password comes from the address or from ~/.pgpass)
  ferroflow server --ui-dir .venv/lib/python3.11/site-packages/mlflow/server/js/build
      With MLflow's own web UI";

/// Run the tracking server.
#[derive(Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true, args_override_self = true)]
pub struct ServerOptions {
    /// Where runs are kept: sqlite:///PATH or postgresql://USER@HOST/DATABASE.
    #[arg(long, env = "MLFLOW_BACKEND_STORE_URI", hide_env_values = true, value_name = "URI")]
    pub backend_store_uri: Option<String>,

    /// Where registered models are kept; must be the backend store.
    #[arg(long, env = "MLFLOW_REGISTRY_STORE_URI", hide_env_values = true, value_name = "URI")]
    pub registry_store_uri: Option<String>,

    /// Where new experiments keep their artifacts [default: mlflow-artifacts:/ when artifacts are served, else ./mlruns].
    #[arg(long, env = "MLFLOW_DEFAULT_ARTIFACT_ROOT", value_name = "URI")]
    pub default_artifact_root: Option<String>,

    /// Serve artifacts through this server; the default.
    #[arg(long, env = "MLFLOW_SERVE_ARTIFACTS", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = ArgAction::Set, hide_default_value = true)]
    serve_artifacts: bool,

    /// Do not serve artifacts.
    #[arg(long)]
    no_serve_artifacts: bool,

    /// Serve artifacts and nothing else.
    #[arg(long, env = "MLFLOW_ARTIFACTS_ONLY", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set, hide_default_value = true)]
    pub artifacts_only: bool,

    /// Where served artifacts are kept.
    #[arg(long, env = "MLFLOW_ARTIFACTS_DESTINATION", value_name = "URI", default_value = "./mlartifacts")]
    pub artifacts_destination: String,

    /// The network interface to listen on.
    #[arg(long, short = 'h', env = "MLFLOW_HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// The port to listen on.
    #[arg(long, short = 'p', env = "MLFLOW_PORT", default_value_t = 5000)]
    pub port: u16,

    /// Host headers to accept, comma-separated; `*` in a name matches anything [default: this machine and private addresses].
    #[arg(long, env = "MLFLOW_SERVER_ALLOWED_HOSTS", value_name = "HOSTS")]
    pub allowed_hosts: Option<String>,

    /// Origins whose pages may call this server, comma-separated [default: pages of this machine].
    #[arg(long, env = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    pub cors_allowed_origins: Option<String>,

    /// The X-Frame-Options header: SAMEORIGIN, DENY, or NONE for no header.
    #[arg(long, env = "MLFLOW_SERVER_X_FRAME_OPTIONS", value_name = "VALUE", default_value = "SAMEORIGIN")]
    pub x_frame_options: String,

    /// Switch off the checks of Host and Origin. Dangerous.
    #[arg(long, env = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set, hide_default_value = true)]
    pub disable_security_middleware: bool,

    /// A path under which everything is served, such as /mlflow.
    #[arg(long, env = "MLFLOW_STATIC_PREFIX", value_name = "PATH", value_parser = static_prefix)]
    pub static_prefix: Option<String>,

    /// A folder with a build of MLflow's web UI.
    #[arg(long, env = "FERROFLOW_UI_DIR", value_name = "FOLDER")]
    pub ui_dir: Option<PathBuf>,

    /// Log more.
    #[arg(long)]
    pub dev: bool,

    /// Comes with a later version.
    #[arg(long, env = "MLFLOW_EXPOSE_PROMETHEUS", value_name = "FOLDER")]
    pub expose_prometheus: Option<String>,

    /// Comes with a later version.
    #[arg(long, value_name = "NAME")]
    pub app_name: Option<String>,

    /// Accepted and not needed: one process serves all.
    #[arg(long, short = 'w', env = "MLFLOW_WORKERS", value_name = "N")]
    pub workers: Option<String>,

    /// Accepted and not needed: there is no gunicorn.
    #[arg(long, env = "MLFLOW_GUNICORN_OPTS", value_name = "OPTS", allow_hyphen_values = true)]
    pub gunicorn_opts: Option<String>,

    /// Accepted and not needed: there is no waitress.
    #[arg(long, value_name = "OPTS", allow_hyphen_values = true)]
    pub waitress_opts: Option<String>,

    /// Accepted and not needed: there is no uvicorn.
    #[arg(long, env = "MLFLOW_UVICORN_OPTS", value_name = "OPTS", allow_hyphen_values = true)]
    pub uvicorn_opts: Option<String>,

    /// Cut too long params and tags instead of refusing them.
    #[arg(long, env = "MLFLOW_TRUNCATE_LONG_VALUES", value_parser = truth, default_value = "true", action = ArgAction::Set, value_name = "BOOL")]
    pub truncate_long_values: bool,

    /// The longest artifact location of an experiment, in characters.
    #[arg(long, env = "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH", default_value_t = 2048, value_name = "N")]
    pub artifact_location_max_length: usize,

    /// Print help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl ServerOptions {
    /// Whether artifacts are left to others: the option, or `MLFLOW_SERVE_ARTIFACTS=false`.
    pub fn no_serve_artifacts(&self) -> bool {
        self.no_serve_artifacts || !self.serve_artifacts
    }
}

/// MLflow's booleans: `true`, `false`, `1`, `0`, and what click reads besides.
fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "off" | "f" | "n" | "" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

fn static_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("--static-prefix must begin with a '/'.".into());
    }
    if text.ends_with('/') {
        return Err("--static-prefix should not end with a '/'.".into());
    }
    Ok(text.to_owned())
}
