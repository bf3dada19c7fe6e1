//! `ferroflow`: MLflow's tracking server as one binary.

mod banner;
mod called;
mod config;
mod db;
mod doctor;
mod gc;
mod indexes;
mod log;
mod migration;
mod opening;
mod retry;
mod start;
mod ui;
mod usage;
mod values;
mod wait;

use clap::{Parser, Subcommand};
use config::ServerOptions;
use std::process::ExitCode;

/// musl's own makes threads take turns: with it, reads are answered at a third to a fifth of the speed.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  ferroflow server           SQLite in ./mlflow.db, artifacts in ./mlartifacts, on port 5000
  ferroflow server --help    every option, with its environment variable
  ferroflow ui install       MLflow's own web UI, which the server then serves
  ferroflow db --help        migrations of databases that an older MLflow made
  ferroflow doctor --help    looking for what is wrong, from within or by an address, or in manifests
  ferroflow gc --help        deleting for good what is marked deleted
  ferroflow values --help    moving over from another Helm chart";

/// MLflow's tracking server as one small binary.
#[derive(Parser)]
#[command(name = "ferroflow", version, arg_required_else_help = true, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    /// Not here: a shell can load the file.
    #[arg(long, value_name = "FILE", hide = true, global = true)]
    env_file: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look at a database's schema revision, or bring it to this version's.
    Db(Box<db::DbOptions>),
    /// Look for what is wrong: with the server's options, at an address, or in Kubernetes manifests.
    Doctor(Box<doctor::DoctorOptions>),
    /// Delete for good what is marked deleted, with its artifacts.
    Gc(Box<gc::GcOptions>),
    /// Run the tracking server.
    Server(Box<ServerOptions>),
    /// Install the web UI; without a command, run the tracking server, as `mlflow ui` does.
    Ui(Box<ui::UiOptions>),
    /// Turn the values of another MLflow chart into values of Ferroflow's.
    Values(values::ValuesOptions),
}

fn main() -> ExitCode {
    let Cli { env_file, command } = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if env_file.is_some() {
        return usage::fail(2, "--env-file is not here; load the file in the shell: set -a; . FILE; set +a");
    }
    let done = match command {
        Command::Db(options) => db::run(&options),
        Command::Doctor(options) => match doctor::run(&options) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Gc(options) => gc::run(&options),
        Command::Server(options) => start::server(*options),
        Command::Ui(options) => ui::run(*options),
        Command::Values(options) => values::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(start::Failure::Usage(text)) => usage::fail(2, &text),
        Err(start::Failure::Start(text)) => usage::fail(1, &text),
    }
}
