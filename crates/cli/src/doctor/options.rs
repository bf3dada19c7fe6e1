//! The options of `ferroflow doctor`: its own, and those of `ferroflow server`, which it does not list again.

use crate::config::ServerOptions;
use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ferroflow doctor
      With the options and environment of `ferroflow server`, in its pod or beside it: database, artifacts, hosts, clocks

  ferroflow doctor --url https://mlflow.example.com --user alice --password-file /run/secrets/mlflow
      What clients meet: certificate, login, an upload of 8 MiB, clocks. MLFLOW_TRACKING_USERNAME and _PASSWORD work, too

  helm template mlflow charts/ferroflow -f values.yaml | ferroflow doctor --manifests -
      The traps in what would be installed

Exit codes: 0 nothing is wrong, 1 something does not work, 2 wrong usage, 3 warnings only";

/// `ferroflow doctor`.
#[derive(Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true, args_override_self = true, override_usage = "ferroflow doctor [OPTIONS]")]
pub struct DoctorOptions {
    /// Look at the server at this address, as its clients reach it.
    #[arg(long, value_name = "URL", conflicts_with = "manifests")]
    pub url: Option<String>,

    /// Who to log in as at a proxy before the server [default: MLFLOW_TRACKING_USERNAME].
    #[arg(long, value_name = "USER", requires = "url")]
    pub user: Option<String>,

    /// A file with that user's password [default: MLFLOW_TRACKING_PASSWORD].
    #[arg(long, value_name = "FILE", requires = "url")]
    pub password_file: Option<PathBuf>,

    /// The certificates that the server's must be signed by, a PEM file [default: what the system trusts, or SSL_CERT_FILE].
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca_file: Option<PathBuf>,

    /// How large a file to upload and delete again; 0 uploads nothing [default: 8].
    #[arg(long, value_name = "MIB", requires = "url")]
    upload_mib: Option<u64>,

    /// The port whose answers must lead to https [default: 80, if the URL names no port].
    #[arg(long, value_name = "PORT", requires = "url")]
    pub http_port: Option<u16>,

    /// Make an experiment, too, and delete it; it stays among the deleted ones.
    #[arg(long, requires = "url")]
    pub write: bool,

    /// Look at Kubernetes manifests, as `helm template` prints them; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub manifests: Vec<PathBuf>,

    /// The namespace of manifests that name none.
    #[arg(long, value_name = "NAME", requires = "manifests")]
    pub namespace: Option<String>,

    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,

    // Without --url and --manifests it is these that are looked at.
    #[command(flatten)]
    pub server: AsServer,
}

impl DoctorOptions {
    /// How many bytes to upload.
    pub fn upload_bytes(&self) -> u64 {
        self.upload_mib.unwrap_or(8) << 20
    }
}

/// The server's options, out of sight in the help.
pub struct AsServer(pub ServerOptions);

impl Args for AsServer {
    fn augment_args(command: Command) -> Command {
        let server = ServerOptions::augment_args(Command::new("server"));
        command.args(server.get_arguments().map(|arg| match arg.get_id().as_str() {
            "help" => arg.clone().help_heading(Resettable::Reset),
            // Where Kubernetes has a Service mlflow, MLFLOW_PORT is its address. Nobody listens here.
            "port" => arg.clone().env(Resettable::Reset).hide(true),
            _ => arg.clone().hide(true),
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AsServer {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        ServerOptions::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The command line, without the server's variables where the doctor does not look at a server's options: it is run in pods of
/// others, whose variables are none of its business.
pub fn without_variables(command: Command, given: &[OsString]) -> Command {
    let asked = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        ["--url", "--manifests"].contains(&argument.split('=').next().unwrap_or_default())
    };
    if given.get(1).is_none_or(|name| name != "doctor") || !given.iter().any(asked) {
        return command;
    }
    command.mut_subcommand("doctor", |doctor| doctor.mut_args(|arg| arg.env(Resettable::Reset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn variables(given: &[&str]) -> Vec<String> {
        let given: Vec<_> = given.iter().map(OsString::from).collect();
        let command = without_variables(crate::Cli::command(), &given);
        let doctor = command.find_subcommand("doctor").unwrap();
        doctor.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())).collect()
    }

    #[test]
    fn variables_count_where_options_are_looked_at() {
        let within = variables(&["ferroflow", "doctor", "--json"]);
        assert!(within.iter().any(|name| name == "MLFLOW_BACKEND_STORE_URI"), "{within:?}");
        assert!(!within.iter().any(|name| name == "MLFLOW_PORT"), "{within:?}");
        for other in [["ferroflow", "doctor", "--url=http://x"], ["ferroflow", "doctor", "--manifests"]] {
            assert_eq!(variables(&other), Vec::<String>::new());
        }
    }
}
