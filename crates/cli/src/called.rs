//! The name that this binary is called by. Charts and scripts call the tracking server `mlflow`; a link or a copy of that name
//! takes what MLflow's own command line takes, and its help speaks of itself so.

use clap::Command;
use std::ffi::OsString;
use std::path::Path;

const MLFLOW: &str = "mlflow";
const OURS: &str = "ferroflow";

/// `mlflow` if the first argument says so, else `ferroflow`.
pub fn name(given: &[OsString]) -> &'static str {
    let called = given.first().map(Path::new).and_then(Path::file_name);
    if called.is_some_and(|called| called == MLFLOW) { MLFLOW } else { OURS }
}

/// The command under that name, with a help that says it.
pub fn under(name: &'static str, command: Command) -> Command {
    if name == OURS {
        return command;
    }
    let command = command.name(name).bin_name(name);
    // Only a command that is complete says its usage.
    let mut complete = command.clone();
    complete.build();
    said_by(name, command, &mut complete)
}

/// What `--version` answers: under MLflow's name the line that its command line prints, which charts and scripts take apart.
pub fn version(name: &str) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    match name {
        MLFLOW => format!("mlflow, version {} (Ferroflow {ours})", server::handlers::health::MLFLOW_VERSION),
        _ => format!("{name} {ours}"),
    }
}

fn said_by(name: &'static str, command: Command, complete: &mut Command) -> Command {
    let here = |text: &clap::builder::StyledStr| text.to_string().replace("ferroflow ", &format!("{name} "));
    let after = command.get_after_help().map(here);
    // A usage of its own still names the binary as it is written.
    let usage = complete.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").filter(|usage| usage.starts_with("ferroflow "));
    let usage = usage.map(|usage| usage.replace("ferroflow ", &format!("{name} ")));
    let about = command.get_about().map(here);
    let long_about = command.get_long_about().map(here);
    let command = after.into_iter().fold(command, |command, text| command.after_help(text));
    let command = usage.into_iter().fold(command, |command, text| command.override_usage(text));
    let command = about.into_iter().fold(command, |command, text| command.about(text));
    let command = long_about.into_iter().fold(command, |command, text| command.long_about(text));
    let command = command.mut_args(|arg| match arg.get_help().map(here) {
        Some(help) => arg.help(help),
        None => arg,
    });
    command.mut_subcommands(|command| match complete.find_subcommand_mut(command.get_name()) {
        Some(complete) => said_by(name, command, complete),
        None => command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_first_argument_names_the_binary() {
        for (first, expected) in [
            ("mlflow", MLFLOW),
            ("/usr/local/bin/mlflow", MLFLOW),
            ("./ferroflow", OURS),
            ("/opt/mlflow/ferroflow", OURS),
            ("mlflow-server", OURS),
            ("", OURS),
        ] {
            assert_eq!(name(&[OsString::from(first), OsString::from("mlflow")]), expected, "{first}");
        }
        assert_eq!(name(&[]), OURS);
    }

    #[test]
    fn the_version_names_both() {
        assert!(version(MLFLOW).starts_with("mlflow, version 3.7.0 (Ferroflow "));
        assert!(version(OURS).starts_with("ferroflow "));
    }

    #[test]
    fn every_help_speaks_of_mlflow() {
        fn check(command: &mut Command) {
            let help = command.render_long_help().to_string();
            assert!(!help.contains("ferroflow "), "{help}");
            command.get_subcommands_mut().for_each(check);
        }
        let mut command = under(MLFLOW, Cli::command());
        command.build();
        check(&mut command);
    }
}
