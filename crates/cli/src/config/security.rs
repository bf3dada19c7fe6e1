//! Whom the server answers: the options of MLflow's security middleware.

use super::values::truth;
use clap::{ArgAction, Args};
use server::Security;

#[derive(Args)]
#[command(next_help_heading = "Security")]
pub struct SecurityOptions {
    /// Host headers to accept, comma-separated; * in a name matches anything [default: this machine and private addresses].
    #[arg(long, env = "MLFLOW_SERVER_ALLOWED_HOSTS", value_name = "HOSTS")]
    allowed_hosts: Option<String>,

    /// Origins whose pages may call this server, comma-separated [default: this machine's].
    #[arg(long, env = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    cors_allowed_origins: Option<String>,

    /// The X-Frame-Options header: SAMEORIGIN, DENY, or NONE for no header.
    #[arg(long, env = "MLFLOW_SERVER_X_FRAME_OPTIONS", value_name = "VALUE", default_value = "SAMEORIGIN")]
    x_frame_options: String,

    /// Switch off every check of Host and Origin. Dangerous.
    #[arg(long, env = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = ArgAction::Set, hide_default_value = true, value_name = "BOOL")]
    disable_security_middleware: bool,
}

impl SecurityOptions {
    /// The rules; `None` when they are switched off.
    ///
    /// # Errors
    /// A sentence about the value that cannot be used.
    pub fn rules(&self) -> Result<Option<Security>, String> {
        if self.disable_security_middleware {
            return Ok(None);
        }
        // These would match nothing, ever, and the operator would look for the mistake elsewhere.
        if let Some(host) = entries(&self.allowed_hosts).find(|host| host.contains(['/', '@', ' '])) {
            return Err(format!(
                "--allowed-hosts: '{host}' is not a host; write NAME, NAME:PORT or *.DOMAIN"
            ));
        }
        let is_origin = |origin: &str| {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '@', '*', ' ']))
        };
        if let Some(origin) = entries(&self.cors_allowed_origins).find(|origin| !is_origin(origin)) {
            return Err(format!(
                "--cors-allowed-origins: '{origin}' is not an origin; write https://NAME or http://NAME:PORT, without \
                 a path"
            ));
        }
        let (hosts, origins) = (self.allowed_hosts.as_deref(), self.cors_allowed_origins.as_deref());
        Security::new(hosts, origins, &self.x_frame_options).map(Some)
    }

    /// What an operator should know about these rules.
    pub fn warnings(&self) -> Vec<&'static str> {
        if self.disable_security_middleware {
            return vec![
                "the checks of Host and Origin are off: any web page can use this server through its visitors",
            ];
        }
        let mut warnings = Vec::new();
        if entries(&self.allowed_hosts).any(|host| host == "*") {
            warnings.push(
                "every Host is accepted, so DNS rebinding can reach this server; name the hosts instead of *",
            );
        }
        if entries(&self.cors_allowed_origins).any(|origin| origin == "*") {
            warnings.push("pages of every origin may read and write here; name the origins instead of *");
        }
        warnings
    }

    /// Whether nothing is checked.
    pub fn is_off(&self) -> bool {
        self.disable_security_middleware
    }

    /// The hosts that the operator listed.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        entries(&self.allowed_hosts)
    }

    /// The origins that the operator listed.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        entries(&self.cors_allowed_origins)
    }

    /// Whether only this machine and private addresses are accepted as Host.
    pub fn is_local(&self) -> bool {
        entries(&self.allowed_hosts).next().is_none() && !self.disable_security_middleware
    }
}

fn entries(list: &Option<String>) -> impl Iterator<Item = &str> {
    list.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
