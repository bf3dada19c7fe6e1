//! The lines that say what runs.

use crate::config::ServerOptions;
use crate::migration::Outcome;
use server::Settings;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;
use store::schema;
use store::uri::DatabaseUri;

/// What a start found and made.
pub struct Facts<'a> {
    pub options: &'a ServerOptions,
    pub settings: &'a Settings,
    pub database: &'a DatabaseUri,
    /// That of registered models, if it is another one.
    pub registry: Option<&'a DatabaseUri>,
    pub schema: Outcome,
    pub address: SocketAddr,
    pub took: Duration,
}

/// The lines, with colours or without.
pub fn lines(facts: &Facts, colours: bool) -> String {
    let Facts { options, settings, database, registry, schema, address, took } = facts;
    let (bold, dim, plain) = if colours { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let everywhere = address.ip().is_unspecified();
    let mut text = format!(
        "{bold}Ferroflow {}{plain}, with the API of MLflow 3.7.0, ready after {} ms\n",
        env!("CARGO_PKG_VERSION"),
        took.as_millis()
    );
    let mut line = |name: &str, fact: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {dim}{name:<10}{plain} {fact}");
    };
    let url = url(options.network.host(), *address, &settings.static_prefix);
    line(
        "address",
        format!("{bold}{url}{plain}{}", if everywhere { ", and every network interface" } else { "" }),
    );
    let made = if *schema == Outcome::Created { "created" } else { "existing" };
    line("database", format!("{}, {made}, schema revision {}", database.display(), schema::HEAD));
    if let Some(registry) = registry {
        line("registry", registry.display().to_string());
    }
    line(
        "artifacts",
        match &settings.destination {
            Some(store) => format!("{store}, served by this server"),
            None => format!("{}, reached by clients themselves", without_user(&settings.artifact_root)),
        },
    );
    line(
        "web UI",
        match &settings.ui {
            Some(folder) => folder.to_string(),
            None => "none installed: `ferroflow ui install`".to_owned(),
        },
    );
    if everywhere && options.security.is_local() {
        line(
            "hosts",
            "this machine and private addresses; to be called NAME add --allowed-hosts localhost,NAME"
                .to_owned(),
        );
    }
    text
}

/// What somebody at a terminal reads when the server waits for its database.
pub fn not_ready(why: &str, until: &str, address: SocketAddr, colours: bool) -> String {
    let (red, plain) = if colours { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let why = why.trim_end_matches('.');
    format!(
        "\n{red}Not ready: {why}.{plain}\n  Listening on {address}, answering 503, and {until}. Ctrl-C ends it.\n\n"
    )
}

/// An address that a terminal makes clickable and a browser on this machine can open.
fn url(host: &str, address: SocketAddr, prefix: &str) -> String {
    let host = match host {
        _ if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{}{prefix}", address.port())
}

/// A URI without the name and password that may stand before its host.
fn without_user(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_can_be_opened() {
        for (host, address, expected) in [
            ("127.0.0.1", "127.0.0.1:5000", "http://127.0.0.1:5000/ml"),
            ("localhost", "127.0.0.1:5000", "http://localhost:5000/ml"),
            ("0.0.0.0", "0.0.0.0:80", "http://127.0.0.1:80/ml"),
            ("::", "[::]:80", "http://127.0.0.1:80/ml"),
            ("fd00::1", "[fd00::1]:80", "http://[fd00::1]:80/ml"),
        ] {
            assert_eq!(url(host, address.parse().unwrap(), "/ml"), expected);
        }
    }

    #[test]
    fn why_it_is_not_ready_is_plain_to_see() {
        let text =
            |colours| not_ready("cannot open it.", "looking", "127.0.0.1:5000".parse().unwrap(), colours);
        assert!(text(true).starts_with("\n\x1b[1;31mNot ready: cannot open it.\x1b[0m\n"), "{}", text(true));
        assert_eq!(
            text(false),
            "\nNot ready: cannot open it.\n  Listening on 127.0.0.1:5000, answering 503, and looking. Ctrl-C ends it.\n\n"
        );
    }

    #[test]
    fn users_of_artifact_stores_are_not_shown() {
        for (uri, expected) in [
            ("ftp://user:pass@host/path", "ftp://host/path"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("/srv/mlruns", "/srv/mlruns"),
        ] {
            assert_eq!(without_user(uri), expected);
        }
    }
}
