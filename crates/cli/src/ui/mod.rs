//! `ferroflow ui`: MLflow's own web UI, taken out of MLflow's package. Without a command it is `ferroflow server`, as `mlflow ui`
//! is `mlflow server`.

pub mod fetch;
pub mod home;
mod unpack;
mod wheel;

use crate::config::ServerOptions;
use crate::start::{self, Failure, reason};
use clap::{ArgAction, Args, Subcommand};
use reqwest::Url;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// The version whose API this is, and whose UI therefore fits.
const VERSION: &str = "3.7.0";
/// The package that has the UI.
const WHEEL: &str = "mlflow-3.7.0-py3-none-any.whl";
/// Its SHA-256, as <https://pypi.org/simple/mlflow/> and <https://pypi.org/project/mlflow/3.7.0/#files> have it.
const SHA256: &str = "da7dd2744c4b1ae8d7986ef36edc35d5250d742f47cfb2637070366ed9404092";

const INSTALL: &str = "\
Examples:
  ferroflow ui install
      From the Python package index, to where `ferroflow server` finds it

  ferroflow ui install --index https://packages.example/simple
      From a mirror of the index; PIP_INDEX_URL is used, too

  pip download mlflow==3.7.0 --no-deps && ferroflow ui install --wheel mlflow-3.7.0-py3-none-any.whl
      Where there is no network: the first command elsewhere, the second one here

  FERROFLOW_UI_HOME=/opt/ferroflow/ui ferroflow ui install
      For all users of this machine, or in an image; the server needs the same variable

Exit codes: 0 installed, or was there already, 1 it could not be fetched or written, 2 wrong usage";

/// `ferroflow ui`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct UiOptions {
    #[command(subcommand)]
    command: Option<UiCommand>,

    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Subcommand)]
enum UiCommand {
    /// Install the web UI of MLflow 3.7.0, which `ferroflow server` then serves.
    #[command(after_help = INSTALL, override_usage = "ferroflow ui install [OPTIONS]")]
    Install(InstallOptions),
}

/// `ferroflow ui install`.
#[derive(Args)]
struct InstallOptions {
    /// Take it out of this file, the wheel of mlflow 3.7.0, instead of fetching that; no network is needed.
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,

    /// The Python package index to fetch it from.
    #[arg(long, env = "PIP_INDEX_URL", value_name = "URL", default_value = "https://pypi.org/simple", value_parser = fetch::page)]
    index: Url,

    /// Print help.
    #[arg(long, short, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub fn run(options: UiOptions) -> Result<(), Failure> {
    match options.command {
        None => start::server(options.server),
        Some(UiCommand::Install(options)) => install(&options),
    }
}

fn install(options: &InstallOptions) -> Result<(), Failure> {
    let home = home::folder().ok_or_else(|| {
        Failure::Start(
            "there is no home directory to install into; name a folder by FERROFLOW_UI_HOME".into(),
        )
    })?;
    let folder = home.join(VERSION);
    if home::has_build(&folder) {
        say(&format!(
            "MLflow {VERSION}'s UI is in {} already; remove that folder to install it again.",
            folder.display()
        ));
        return Ok(());
    }
    let wheel = match &options.wheel {
        Some(file) => wheel::read(file),
        None => fetch(&options.index),
    };
    let wheel = wheel.map_err(Failure::Start)?;
    wheel::check(&wheel).map_err(|e| Failure::Start(format!("{}: {e}", source(options))))?;
    let files = wheel::build(&wheel).map_err(|e| Failure::Start(format!("{}: {e}", source(options))))?;
    let done = unpack::install(&files, &home, &folder).map_err(|e| {
        Failure::Start(format!(
            "cannot write to {}: {}; name another folder by FERROFLOW_UI_HOME",
            home.display(),
            reason(&e)
        ))
    })?;
    say(&format!(
        "Installed MLflow {VERSION}'s UI in {}: {} files, {:.1} MB, of which browsers load {:.1} MB compressed.",
        folder.display(),
        done.files,
        megabytes(done.bytes),
        megabytes(done.sent),
    ));
    say("`ferroflow server` serves it from its next start on.");
    Ok(())
}

/// What was read, for people. An index may have a password in its address.
fn source(options: &InstallOptions) -> String {
    options.wheel.as_deref().unwrap_or(Path::new(WHEEL)).display().to_string()
}

fn fetch(index: &Url) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start threads: {}", reason(&e)))?;
    let watched = io::stderr().is_terminal();
    let mut told = 0;
    let mut progress = |got: u64, size: Option<u64>| {
        // Often enough to be smooth, seldom enough to be read.
        if !watched || got < told + 100_000 && size != Some(got) {
            return;
        }
        told = got;
        let of = size.map(|size| format!(" of {:.1}", megabytes(size))).unwrap_or_default();
        drop(write!(io::stderr(), "\r\x1b[K{WHEEL}: {:.1}{of} MB", megabytes(got)));
    };
    let wheel = runtime.block_on(fetch::wheel(index, &mut progress));
    if watched {
        drop(write!(io::stderr(), "\r\x1b[K"));
    }
    if let Ok(fetched) = &wheel {
        say(&format!(
            "Fetched {WHEEL} from {}: {:.1} MB.",
            fetched.host,
            megabytes(fetched.bytes.len() as u64)
        ));
    }
    wheel.map(|fetched| fetched.bytes)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Whoever closed the pipe does not want to know.
fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}
