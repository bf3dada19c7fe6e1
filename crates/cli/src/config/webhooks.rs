//! Where webhooks may lead, and how long is tried.

use clap::Args;
use server::webhooks::{Allowed, WebhookSettings};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use store::webhooks::SecretKey;

/// No option, so that other users of the machine do not see the key.
const KEY: &str = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY";

#[derive(Args)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookOptions {
    /// Where webhooks may lead besides public addresses: networks, addresses and hosts, comma-separated; * is anywhere.
    #[arg(long, env = "FERROFLOW_WEBHOOK_ALLOWED_NETWORKS", value_name = "PLACES", value_parser = Allowed::parse, hide_default_value = true, default_value = "")]
    webhook_allowed_networks: Allowed,

    /// The schemes that webhooks' URLs may have, comma-separated.
    #[arg(long, env = "MLFLOW_WEBHOOK_ALLOWED_SCHEMES", value_name = "SCHEMES", default_value = "https")]
    webhook_allowed_schemes: String,

    /// How long a webhook's receiver may take to answer, in seconds.
    #[arg(long, env = "MLFLOW_WEBHOOK_REQUEST_TIMEOUT", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    webhook_request_timeout: u32,

    /// How often a webhook that cannot be told is tried again, with growing pauses.
    #[arg(long, env = "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES", value_name = "COUNT", default_value_t = 10)]
    webhook_request_max_retries: u32,

    /// How many webhooks are told at the same time.
    #[arg(long, env = "MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS", value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    webhook_delivery_max_workers: u32,

    /// A file with the key that webhooks' secrets are encrypted with, instead of MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY.
    #[arg(long, env = "FERROFLOW_WEBHOOK_SECRET_KEY_FILE", value_name = "FILE")]
    webhook_secret_key_file: Option<PathBuf>,
}

impl WebhookOptions {
    /// The settings.
    ///
    /// # Errors
    /// A sentence that does not repeat a key.
    pub fn settings(&self) -> Result<WebhookSettings, String> {
        self.settings_with(std::env::var(KEY).ok())
    }

    fn settings_with(&self, variable: Option<String>) -> Result<WebhookSettings, String> {
        let schemes =
            self.webhook_allowed_schemes.split(',').map(|scheme| scheme.trim().to_ascii_lowercase());
        let schemes: Vec<_> = schemes.filter(|scheme| !scheme.is_empty()).collect();
        if let Some(scheme) = schemes.iter().find(|scheme| !["http", "https"].contains(&scheme.as_str())) {
            return Err(format!(
                "--webhook-allowed-schemes: '{scheme}' is no scheme of webhooks; write https or http,https"
            ));
        }
        if schemes.is_empty() {
            return Err("--webhook-allowed-schemes: name one; write https or http,https".into());
        }
        Ok(WebhookSettings {
            schemes,
            allowed: self.webhook_allowed_networks.clone(),
            timeout: Duration::from_secs(self.webhook_request_timeout.into()),
            max_retries: self.webhook_request_max_retries,
            max_deliveries: self.webhook_delivery_max_workers as usize,
            key: self.key(variable)?,
        })
    }

    fn key(&self, variable: Option<String>) -> Result<Option<SecretKey>, String> {
        let variable = variable.filter(|text| !text.is_empty());
        let (name, text) = match (&self.webhook_secret_key_file, variable) {
            (Some(_), Some(_)) => {
                return Err(format!("--webhook-secret-key-file and {KEY} are two keys; leave one out"));
            }
            (Some(file), None) => {
                let text = fs::read_to_string(file);
                let cannot = |e| format!("--webhook-secret-key-file: cannot read {}: {e}", file.display());
                ("--webhook-secret-key-file", text.map_err(cannot)?)
            }
            (None, Some(text)) => (KEY, text),
            (None, None) => return Ok(None),
        };
        SecretKey::parse(&text).map(Some).map_err(|e| format!("{name}: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Probe {
        #[command(flatten)]
        options: WebhookOptions,
    }

    const GOOD: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

    fn settings(arguments: &[&str], key: Option<&str>) -> Result<WebhookSettings, String> {
        let arguments = ["ferroflow"].iter().chain(arguments);
        Probe::try_parse_from(arguments)
            .map_err(|e| e.to_string())?
            .options
            .settings_with(key.map(str::to_owned))
    }

    #[test]
    fn the_key_comes_from_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, format!("{GOOD}\n")).unwrap();
        let file = ["--webhook-secret-key-file", path.to_str().unwrap()];
        assert!(settings(&[], None).unwrap().key.is_none());
        assert!(settings(&[], Some("")).unwrap().key.is_none());
        assert!(settings(&[], Some(GOOD)).unwrap().key.is_some());
        assert!(settings(&file, None).unwrap().key.is_some());
        assert!(settings(&file, Some(GOOD)).unwrap_err().contains("leave one out"));
        assert!(settings(&["--webhook-secret-key-file", "/nowhere"], None).unwrap_err().contains("/nowhere"));
        let error = settings(&[], Some("geheim")).unwrap_err();
        assert!(error.contains(KEY) && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn schemes_are_those_of_http() {
        let schemes =
            |text| settings(&["--webhook-allowed-schemes", text], None).map(|settings| settings.schemes);
        assert_eq!(schemes("HTTP, https").unwrap(), ["http", "https"]);
        for bad in ["", ",", "ftp", "http,file"] {
            assert!(schemes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_are_checked() {
        let places =
            |text| settings(&["--webhook-allowed-networks", text], None).map(|settings| settings.allowed);
        assert_eq!(places("").unwrap(), Allowed::default());
        assert!(places("10.0.0.0/8, hooks.example").is_ok());
        assert!(places("https://hooks.example").unwrap_err().contains("is no network, address or host"));
    }
}
