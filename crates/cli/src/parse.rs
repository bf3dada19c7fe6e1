//! Reads the command line, and says in two lines at the most what is wrong with it.

use clap::error::ErrorKind;
use clap::{Command, Parser};
use std::process::ExitCode;

/// Help that was asked for, or what is wrong with the command line.
pub struct NotParsed(clap::Error);

/// The process' arguments and environment.
///
/// # Errors
/// [`NotParsed`], also when help is what was asked for.
pub fn parse<T: Parser>() -> Result<T, NotParsed> {
    let matches = ignoring_empty_variables(T::command()).try_get_matches();
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(NotParsed)
}

impl NotParsed {
    /// Prints it where it belongs; answers the exit code.
    pub fn print(&self) -> ExitCode {
        if !self.0.use_stderr() {
            // Whoever closed the pipe has read enough of the help.
            let _ = self.0.print();
            return ExitCode::SUCCESS;
        }
        if self.0.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let _ = self.0.print();
        } else {
            eprintln!("{}", short(&self.0.render().to_string()));
        }
        ExitCode::from(2)
    }
}

/// As MLflow does, takes a variable that is set to nothing for one that is not set: container files do that.
fn ignoring_empty_variables(command: Command) -> Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None) } else { arg })
        .mut_subcommands(ignoring_empty_variables)
}

/// The error and the tip out of a long text, on one line, and where to find help.
fn short(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let told: Vec<_> = told.filter(|line| !line.is_empty()).collect();
    let told = told.join(" ").replacen("error: ", "Error: ", 1).replace(" tip: ", "; tip: ");
    format!("{}.\nTry 'ferroflow server --help'.", without_password(told.trim_end_matches('.')))
}

/// Arguments come back in errors, also addresses that were put in the wrong place.
fn without_password(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(end)) if start < end => format!("{}://...{}", &text[..start], &text[end..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_short_and_without_passwords() {
        let text = "error: unexpected argument 'postgresql://u:geh@im@h/d' found\n\n  tip: a similar one exists: '--x'\n\n\
                    Usage: ferroflow server [OPTIONS]\n\nFor more information, try '--help'.\n";
        assert_eq!(
            short(text),
            "Error: unexpected argument 'postgresql://...@h/d' found; tip: a similar one exists: '--x'.\n\
             Try 'ferroflow server --help'."
        );
    }
}
