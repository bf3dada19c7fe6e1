//! Where the server listens.

use super::values::static_prefix;
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkOptions {
    /// The network interface to listen on; 0.0.0.0 is every one.
    #[arg(long, short = 'h', env = "MLFLOW_HOST", default_value = "127.0.0.1")]
    host: String,

    /// The port to listen on; 0 is any free one.
    #[arg(long, short = 'p', env = "MLFLOW_PORT", default_value_t = 5000)]
    pub port: u16,

    /// A path under which everything is served, such as /mlflow.
    #[arg(long, env = "MLFLOW_STATIC_PREFIX", value_name = "PATH", value_parser = static_prefix)]
    static_prefix: Option<String>,

    /// How long requests may still run after SIGTERM or SIGINT, in seconds; a second signal ends them at once.
    #[arg(long, env = "FERROFLOW_SHUTDOWN_GRACE", value_name = "SECONDS", default_value_t = 25)]
    shutdown_grace: u32,
}

impl NetworkOptions {
    /// The host without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// Empty, or a path without a slash at its end.
    pub fn static_prefix(&self) -> &str {
        self.static_prefix.as_deref().unwrap_or_default()
    }

    /// How long the requests in flight may take to finish.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.into())
    }
}
