//! From options to a running server, with a few lines that say what runs, or one that says why nothing does.

use crate::config::server::ServerOptions;
use api::validate::Limits;
use artifacts::Store;
use server::{App, Clock, Security, Settings};
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use store::db::Db;
use store::schema::{self, Prepared};
use store::uri::DatabaseUri;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Level;

const DEFAULT_BACKEND: &str = "sqlite:///mlflow.db";

/// Why the server did not start.
pub enum Failure {
    /// The options are wrong: exit code 2.
    Usage(String),
    /// The surroundings are: exit code 1.
    Start(String),
}

impl Failure {
    /// The process' exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Start(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Start(text)) = self;
        f.write_str(text)
    }
}

/// Sends the log to standard error, at the level that `FERROFLOW_LOG` names (error, warn, info, debug, trace).
fn log_to_stderr(options: &ServerOptions) {
    let usual = if options.dev { Level::DEBUG } else { Level::INFO };
    let level = std::env::var("FERROFLOW_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`Failure`], one sentence.
pub fn server(options: ServerOptions) -> Result<(), Failure> {
    check(&options)?;
    log_to_stderr(&options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Failure::Start(format!("no threads: {e}")))?.block_on(run(options))
}

fn check(options: &ServerOptions) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    if options.app_name.is_some() {
        return usage(
            "--app-name comes with a later version: users and permissions are not there yet. Leave it out.",
        );
    }
    if options.expose_prometheus.is_some() {
        return usage(
            "--expose-prometheus comes with a later version: there are no metrics yet. Leave it out.",
        );
    }
    let backend = options.backend_store_uri.as_deref().unwrap_or(DEFAULT_BACKEND);
    if options.registry_store_uri.as_deref().is_some_and(|registry| registry != backend) {
        return usage("--registry-store-uri must be the same as --backend-store-uri, or left out.");
    }
    let servers = [&options.gunicorn_opts, &options.waitress_opts, &options.uvicorn_opts];
    if servers.iter().filter(|given| given.is_some()).count() > 1 {
        return usage(
            "Cannot specify multiple server options. Choose one of: '--gunicorn-opts', '--waitress-opts', or \
             '--uvicorn-opts'.",
        );
    }
    if options.dev && options.gunicorn_opts.is_some() {
        return usage("'--dev' and '--gunicorn-opts' cannot be specified together.");
    }
    if options.dev && options.uvicorn_opts.is_some() {
        return usage("'--dev' and '--uvicorn-opts' cannot be specified together.");
    }
    if options.artifacts_only && backend != DEFAULT_BACKEND {
        return usage(
            "--artifacts-only keeps no runs, so it cannot have a --backend-store-uri. Leave one of them out.",
        );
    }
    if options.artifacts_only && options.no_serve_artifacts() {
        return usage(
            "--artifacts-only and --no-serve-artifacts together leave nothing to serve. Leave one out.",
        );
    }
    for (name, given) in [
        ("--workers", &options.workers),
        ("--gunicorn-opts", &options.gunicorn_opts),
        ("--waitress-opts", &options.waitress_opts),
        ("--uvicorn-opts", &options.uvicorn_opts),
    ] {
        if given.is_some() {
            eprintln!("Note: {name} means nothing here: one process serves all.");
        }
    }
    Ok(())
}

async fn run(options: ServerOptions) -> Result<(), Failure> {
    let started = Instant::now();
    let uri = options.backend_store_uri.as_deref().unwrap_or(DEFAULT_BACKEND);
    let uri = DatabaseUri::parse(uri).map_err(|e| Failure::Usage(format!("--backend-store-uri: {e}.")))?;
    let settings = settings(&options)?;
    let db = Db::open(&uri).await.map_err(|e| {
        Failure::Start(format!("cannot open {}: {e}. Check --backend-store-uri.", uri.display()))
    })?;
    let clock = Clock::default();
    let prepared = schema::prepare(&db, settings.artifact_root.clone(), (clock.0)())
        .await
        .map_err(|e| Failure::Start(format!("cannot serve {}: {e}.", uri.display())))?;
    if let Some(Store::Local(store)) = &settings.destination {
        store.check_writable().map_err(|e| {
            let folder = store.root().display();
            Failure::Start(format!("cannot write to {folder}: {e}. Choose another --artifacts-destination."))
        })?;
    }
    let host = options.host.trim_matches(['[', ']']);
    let unbound = |e| {
        let address = url_host(host);
        let port = options.port;
        Failure::Start(format!("cannot listen on {address}:{port}: {e}. Choose another --port or --host."))
    };
    let listener = TcpListener::bind((host, options.port)).await.map_err(unbound)?;
    let port = listener.local_addr().map_err(unbound)?.port();
    // Before the banner: who reads it may send a signal at once.
    let signals = Signals::new().map_err(|e| Failure::Start(format!("cannot listen for signals: {e}.")))?;
    banner(&Facts { options: &options, settings: &settings, uri: &uri, prepared, port }, started);
    let router = server::router(App::new(db, settings, clock));
    server::listen::serve(listener, router, told_to_stop(signals)).await;
    Ok(())
}

fn settings(options: &ServerOptions) -> Result<Settings, Failure> {
    let working_dir = std::env::current_dir().map_err(|e| {
        Failure::Start(format!("cannot tell the working directory: {e}. Start from another one."))
    })?;
    let destination = match options.no_serve_artifacts() {
        true => None,
        false => Some(
            Store::open(&options.artifacts_destination, &working_dir)
                .map_err(|e| Failure::Usage(format!("--artifacts-destination: {e}")))?,
        ),
    };
    let default_root = if destination.is_some() { "mlflow-artifacts:/" } else { "./mlruns" };
    let artifact_root = options.default_artifact_root.as_deref().unwrap_or(default_root);
    let artifact_root = api::uri::resolve_uri_if_local(artifact_root, &working_dir)
        .map_err(|e| Failure::Usage(format!("--default-artifact-root: {e}")))?;
    Ok(Settings {
        static_prefix: options.static_prefix.clone().unwrap_or_default(),
        artifact_root,
        destination,
        working_dir,
        ui: options.ui_dir.as_deref().map(ui).transpose()?,
        security: security(options)?,
        artifacts_only: options.artifacts_only,
        limits: Limits {
            truncate_long_values: options.truncate_long_values,
            artifact_location_max_length: options.artifact_location_max_length,
        },
    })
}

fn ui(folder: &Path) -> Result<Store, Failure> {
    if folder.join("index.html").is_file() {
        return Ok(Store::local(folder.to_owned()));
    }
    let text =
        format!("--ui-dir: there is no index.html in {}. Name the folder of a build.", folder.display());
    Err(Failure::Usage(text))
}

fn security(options: &ServerOptions) -> Result<Option<Security>, Failure> {
    if options.disable_security_middleware {
        tracing::warn!("the checks of Host and Origin are off: web pages of others can reach this server");
        return Ok(None);
    }
    let (hosts, origins) = (options.allowed_hosts.as_deref(), options.cors_allowed_origins.as_deref());
    if hosts == Some("*") {
        tracing::warn!("--allowed-hosts '*' serves every host: DNS rebinding can reach this server");
    }
    if origins == Some("*") {
        tracing::warn!("--cors-allowed-origins '*' lets every web page read and change what is here");
    }
    let security = Security::new(hosts, origins, &options.x_frame_options);
    security.map(Some).map_err(Failure::Usage)
}

/// What a start prints.
struct Facts<'a> {
    options: &'a ServerOptions,
    settings: &'a Settings,
    uri: &'a DatabaseUri,
    prepared: Prepared,
    port: u16,
}

/// A host as it stands in front of a port.
fn url_host(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn banner(facts: &Facts, started: Instant) {
    let Facts { options, settings, uri, prepared, port } = facts;
    let (bold, plain) = if std::io::stderr().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let host = options.host.trim_matches(['[', ']']);
    let everywhere = matches!(host, "0.0.0.0" | "::");
    let host = if everywhere { "127.0.0.1".to_owned() } else { url_host(host) };
    let address = format!("http://{host}:{port}{}", settings.static_prefix);
    let reach = if everywhere { ", on every network interface" } else { "" };
    let made = match prepared {
        Prepared::Created => "created",
        Prepared::Present => "found",
    };
    let artifacts = match &settings.destination {
        Some(store) => format!("{store}, served by this server"),
        None => format!("{}, not served by this server", settings.artifact_root),
    };
    let ui = match &options.ui_dir {
        Some(folder) => folder.display().to_string(),
        None => "a page of facts; --ui-dir serves MLflow's UI".to_owned(),
    };
    let version = env!("CARGO_PKG_VERSION");
    let ready = started.elapsed().as_millis();
    eprintln!("{bold}Ferroflow {version}{plain}, with the API of MLflow 3.7.0, ready after {ready} ms");
    eprintln!("  address    {bold}{address}{plain}{reach}");
    eprintln!("  database   {}, {made}, schema revision {}", uri.display(), schema::HEAD);
    eprintln!("  artifacts  {artifacts}");
    eprintln!("  web UI     {ui}");
    if everywhere && options.allowed_hosts.is_none() && !options.disable_security_middleware {
        eprintln!(
            "  hosts      this machine and private addresses; to be called NAME add --allowed-hosts localhost,NAME"
        );
    }
}

/// The signals that stop a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ready at the first SIGTERM or SIGINT; a second one ends the process at once.
async fn told_to_stop(mut signals: Signals) {
    signals.next().await;
    tracing::info!("stopping: finishing the requests in flight; a second signal ends them");
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("stopped at once, with requests in flight");
        std::process::exit(1);
    });
}
