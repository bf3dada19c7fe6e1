//! Reads the command line, and says in one sentence what is wrong with it, without the passwords in it.

use crate::{Cli, called, doctor};
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The options, or the exit code when there is nothing more to do.
pub fn parse() -> Result<Cli, ExitCode> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let name = called::name(&given);
    let command = doctor::without_variables(Cli::command(), &given);
    let command = called::under(name, without_empty_variables(command));
    let variables = values_of_variables(&command);
    let asked = name_of_asked(&command, &given);
    let parsed = command.try_get_matches_from(&given).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        // Whoever closed the pipe has read enough.
        ErrorKind::DisplayVersion => {
            drop(writeln!(std::io::stdout(), "{}", called::version(name)));
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelp => {
            drop(error.print());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            drop(error.print());
            ExitCode::from(2)
        }
        _ => {
            let given = given.iter().map(|text| text.to_string_lossy().into_owned());
            let text = sentence(&error.render().to_string(), &asked);
            fail(2, &without_addresses(&text, given.chain(variables)))
        }
    })
}

/// Prints `Error: ...` on standard error.
pub fn fail(code: u8, text: &str) -> ExitCode {
    let text = text.trim_end().trim_end_matches('.');
    drop(writeln!(std::io::stderr(), "Error: {text}."));
    ExitCode::from(code)
}

/// A variable that is set to nothing counts as not set, as in MLflow: compose files do that. And no value of one is ever
/// part of the help.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        let arg = arg.hide_env_values(true);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    });
    command.mut_subcommands(without_empty_variables)
}

fn values_of_variables(command: &clap::Command) -> Vec<String> {
    let of_this = command.get_arguments().filter_map(|arg| std::env::var(arg.get_env()?).ok());
    of_this.chain(command.get_subcommands().flat_map(values_of_variables)).collect()
}

/// The command that the arguments name, with those that it is a part of.
fn name_of_asked(command: &clap::Command, given: &[OsString]) -> String {
    let (mut command, mut name) = (command, command.get_name().to_owned());
    for argument in given.iter().skip(1) {
        if let Some(found) = command.find_subcommand(argument) {
            command = found;
            name = format!("{name} {}", found.get_name());
        }
    }
    name
}

/// clap's message without its layout, usage and colours.
fn sentence(text: &str, asked: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    let said: Vec<_> = paragraphs
        .take_while(|paragraph| !paragraph.starts_with("Usage:"))
        .filter(|paragraph| !paragraph.is_empty() && !paragraph.starts_with("For more information"))
        .collect();
    let said = said.join("; ");
    format!("{}; see {asked} --help", said.strip_prefix("error: ").unwrap_or(&said))
}

/// Hides everything after the scheme of the addresses among the given texts: they may hold passwords.
fn without_addresses(text: &str, given: impl Iterator<Item = String>) -> String {
    let mut addresses: Vec<String> = given
        .flat_map(|given| match given.split_once('=') {
            Some((_, value)) if given.starts_with('-') => vec![value.to_owned(), given],
            _ => vec![given],
        })
        .filter(|given| given.contains("://"))
        .collect();
    // The longest first, as one may be a part of another.
    addresses.sort_by_key(|address| std::cmp::Reverse(address.len()));
    addresses.iter().fold(text.to_owned(), |text, address| {
        let scheme = address.split("://").next().unwrap_or_default();
        text.replace(address.as_str(), &format!("{scheme}://..."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claps_messages_become_one_sentence() {
        let error =
            Cli::command().try_get_matches_from(["ferroflow", "server", "--port", "abc"]).unwrap_err();
        let text = sentence(&error.to_string(), "ferroflow server");
        assert_eq!(
            text,
            "invalid value 'abc' for '--port <PORT>': invalid digit found in string; see ferroflow server --help"
        );
        let error = Cli::command().try_get_matches_from(["ferroflow", "server", "--prot", "1"]).unwrap_err();
        let text = sentence(&error.to_string(), "ferroflow server");
        assert_eq!(text, "unexpected argument '--prot' found; see ferroflow server --help");
    }

    #[test]
    fn the_help_that_is_named_is_that_of_the_command() {
        for (given, expected) in [
            ("ferroflow nonsense", "ferroflow"),
            ("ferroflow ui --port x", "ferroflow ui"),
            ("ferroflow ui install --port x", "ferroflow ui install"),
            ("ferroflow db", "ferroflow db"),
            ("ferroflow db nonsense", "ferroflow db"),
            ("ferroflow db wait --timeout x", "ferroflow db wait"),
        ] {
            let given: Vec<_> = given.split(' ').map(OsString::from).collect();
            assert_eq!(name_of_asked(&Cli::command(), &given), expected);
        }
    }

    #[test]
    fn passwords_are_not_repeated() {
        let uri = "postgresql://user:ge heim'@h/d".to_owned();
        for (said, given) in [
            (format!("unexpected argument '{uri}' found"), uri.clone()),
            (format!("unexpected argument '--url={uri}' found"), format!("--url={uri}")),
            (format!("unexpected value '{uri}' for '--dev'"), format!("--dev={uri}")),
        ] {
            let text = without_addresses(&said, [given].into_iter());
            assert!(!text.contains("heim") && text.contains("postgresql://..."), "{text}");
        }
        assert_eq!(without_addresses("no --x", ["--x".to_owned()].into_iter()), "no --x");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
