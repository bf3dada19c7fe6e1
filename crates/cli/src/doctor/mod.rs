//! `ferroflow doctor`: looks at a tracker from within, by its address, or at the manifests that would make one, and says what is
//! wrong, why, and what to do.

mod artifacts;
mod clock;
mod database;
mod hosts;
mod manifests;
mod options;
mod report;
mod url;

pub use options::{DoctorOptions, without_variables};

use crate::db::say;
use crate::start::{self, Failure};
use report::{Finding, Report};
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
/// [`Failure`], where there is nothing to look at.
pub fn run(options: &DoctorOptions) -> Result<ExitCode, Failure> {
    let report = match (&options.url, options.manifests.as_slice()) {
        (Some(url), _) => block_on(url::look(url, options))?,
        (None, []) => block_on(within(options))?,
        (None, files) => manifests::look(files, options.namespace.as_deref())?,
    };
    say(&if options.json { report.json() } else { report.text(has_colours()) });
    Ok(ExitCode::from(report.exit_code()))
}

/// What the server would find with the same options.
async fn within(options: &DoctorOptions) -> Result<Report, Failure> {
    let server = &options.server.0;
    server.check().map_err(Failure::Usage)?;
    let working_dir = std::env::current_dir().map_err(|e| {
        let reason = start::reason(&e);
        Failure::Start(format!("the working directory is gone ({reason}); start from another one"))
    })?;
    let place = &server.database.place;
    let uri = server.data.database(place, &working_dir).map_err(Failure::Usage)?;
    let registry = server.data.registry(place, &uri).map_err(Failure::Usage)?;
    let settings = start::settings(server, &working_dir).map_err(Failure::Usage)?;
    let mut checks = Vec::new();
    if !settings.artifacts_only {
        checks.extend(database::look(&uri, server, &database::TRACKING).await);
    }
    if let Some(registry) = &registry {
        checks.extend(database::look(registry, server, &database::REGISTRY).await);
    }
    checks.extend(artifacts::look(settings.destination.as_ref()).await);
    checks.extend(hosts::look(server));
    Ok(Report::new("This server's options and environment", checks))
}

fn block_on<T>(looking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Start(format!("cannot start: {}", start::reason(&e))))?;
    let done = runtime.block_on(looking);
    // A thread that still waits for a file system is not waited for.
    runtime.shutdown_background();
    done
}

fn has_colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a host is one that only a cluster, a private network or this machine knows: nobody from outside reaches it by that name.
fn is_internal(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return match address {
            std::net::IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            std::net::IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
    }
    let inner = [".svc", ".cluster.local", ".localhost", ".local", ".internal"];
    !host.contains('.') || host.ends_with(".svc") || inner.iter().any(|end| host.ends_with(end))
}

/// A check that cannot be made, since what it needs is not there.
fn not_looked_at(check: &'static str, why: &str) -> Finding {
    Finding::notice(check, format!("not looked at: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_cluster_are_internal() {
        for host in [
            "mlflow",
            "mlflow.ml.svc",
            "mlflow.ml.svc.cluster.local",
            "127.0.0.1",
            "10.1.2.3",
            "[::1]",
            "localhost",
        ] {
            assert!(is_internal(host), "{host}");
        }
        for host in ["mlflow.example.com", "svc.example", "8.8.8.8", "[2001:db8::1]"] {
            assert!(!is_internal(host), "{host}");
        }
    }
}
