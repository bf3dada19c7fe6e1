//! `ferroflow`: MLflow's tracking server as one binary.

mod config;
mod parse;
mod start;

use clap::{Parser, Subcommand};
use config::server::ServerOptions;
use parse::parse;
use std::process::ExitCode;

/// MLflow's tracking server as one small binary.
#[derive(Parser)]
#[command(name = "ferroflow", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the tracking server.
    Server(Box<ServerOptions>),
}

const EXAMPLES: &str = "\
Examples:
  ferroflow server                       SQLite in ./mlflow.db, artifacts in ./mlartifacts, http://127.0.0.1:5000
  ferroflow server --help                every option, with its environment variable";

fn main() -> ExitCode {
    let Command::Server(options) = match parse::<Cli>() {
        Ok(cli) => cli.command,
        Err(error) => return error.print(),
    };
    match start::server(*options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("Error: {failure}");
            failure.exit_code()
        }
    }
}
