//! `ferroflow values`: values of other MLflow charts as values of ours. Every value of the file is accounted for: carried over, so
//! anyway, not needed, or left with a reason.

mod bitnami;
mod chart;
mod community;
mod node;
mod official;
mod path;
mod report;
mod rules;
mod shared;
mod yaml;

use crate::start::{Failure, reason};
use chart::Chart;
use clap::{Args, Subcommand};
use node::Node;
use rules::Fate;
use std::io::{self, Read as _, Write as _};

const EXAMPLES: &str = "\
Examples:
  ferroflow values convert old-values.yaml > values.yaml
      What could not be carried over is on standard error, and at the top of values.yaml

  helm get values mlflow -n mlflow -o yaml | ferroflow values convert - --from community
      The values of a release that runs

  ferroflow values convert --strict old-values.yaml > values.yaml && helm template charts/ferroflow -f values.yaml
      Stop where something is left to do

Exit codes: 0 converted, 1 the file cannot be read, or, with --strict, something was left, 2 wrong usage";

/// `ferroflow values`.
#[derive(Args)]
#[command(arg_required_else_help = true)]
pub struct ValuesOptions {
    #[command(subcommand)]
    command: ValuesCommand,
}

#[derive(Subcommand)]
enum ValuesCommand {
    /// Print values for charts/ferroflow, made out of another chart's.
    #[command(after_help = EXAMPLES)]
    Convert(ConvertOptions),
}

/// `ferroflow values convert`.
#[derive(Args)]
struct ConvertOptions {
    /// The values file, or - for standard input.
    #[arg(value_name = "FILE")]
    file: String,

    /// The chart that they are for.
    #[arg(long, value_name = "CHART", default_value = "auto")]
    from: Origin,

    /// Fail where something could not be carried over.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Origin {
    /// Whichever the keys are of.
    Auto,
    /// community-charts/mlflow.
    Community,
    /// The one of the MLflow project.
    Official,
    /// bitnami/mlflow.
    Bitnami,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &ValuesOptions) -> Result<(), Failure> {
    let ValuesCommand::Convert(options) = &options.command;
    let text = read(&options.file)?;
    let file = parse(&text).map_err(|e| Failure::Start(format!("{}: {e}", options.file)))?;
    let chart = match options.from {
        Origin::Auto => {
            chart::recognise(&file).map_err(|e| Failure::Start(format!("{}: {e}", options.file)))?
        }
        Origin::Community => Chart::Community,
        Origin::Official => Chart::Official,
        Origin::Bitnami => Chart::Bitnami,
    };
    let conversion = rules::convert(&file, chart.tables(), chart.added(&file));
    let advice = chart.advice(&file);
    let written = io::stdout().write_all(report::file(chart, &conversion, &advice).as_bytes());
    // Whoever closed the pipe has read enough.
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(Failure::Start(format!("cannot write the values: {}", reason(&error))));
    }
    drop(io::stderr().write_all(report::summary(chart, &conversion, &advice).as_bytes()));
    let left = conversion.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Left(_))).count();
    match left {
        1.. if options.strict => {
            Err(Failure::Start(format!("{left} values were left, see above; do what is said there")))
        }
        _ => Ok(()),
    }
}

fn read(file: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file {
        "-" => io::stdin().read_to_string(&mut text).map(drop),
        file => std::fs::read_to_string(file).map(|read| text = read),
    };
    match read {
        Ok(()) => Ok(text),
        Err(error) => Err(Failure::Start(format!("cannot read {file}: {}", reason(&error)))),
    }
}

/// A values file is a map; an empty one says nothing.
fn parse(text: &str) -> Result<Node, String> {
    match Node::read(text)? {
        Node::Null => Ok(Node::Map(Vec::new())),
        Node::Map(map) => Ok(Node::Map(map)),
        _ => Err("this is no values file: there are no keys at its top".into()),
    }
}

#[cfg(test)]
mod tests;
