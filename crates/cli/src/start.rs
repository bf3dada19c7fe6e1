//! From options to a running server, with a few lines that say what runs, or one that says why nothing does.

use crate::config::server::ServerOptions;
use api::validate::Limits;
use artifacts::Store;
use server::{App, Clock, Security, Settings};
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use store::db::Db;
use store::schema::{self, Prepared};
use store::uri::DatabaseUri;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

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

/// Sends the log to standard error, at the level that `FERROFLOW_LOG` names (error, warn, info, debug).
pub fn log_to_stderr() {
    let level = std::env::var("FERROFLOW_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(Level::INFO);
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
    if options.registry_store_uri.is_some() && options.registry_store_uri != options.backend_store_uri {
        return usage("--registry-store-uri must be the same as --backend-store-uri, or left out.");
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
    let uri = options.backend_store_uri.as_deref().unwrap_or("sqlite:///mlflow.db");
    let uri = DatabaseUri::parse(uri).map_err(|e| Failure::Usage(format!("--backend-store-uri: {e}.")))?;
    let settings = settings(&options)?;
    let db = Db::open(&uri).await.map_err(|e| {
        Failure::Start(format!("cannot open {}: {e}. Check --backend-store-uri.", uri.display()))
    })?;
    let clock = Clock::default();
    let prepared = schema::prepare(&db, settings.artifact_root.clone(), (clock.0)())
        .await
        .map_err(|e| Failure::Start(format!("cannot serve {}: {e}.", uri.display())))?;
    let address = format!("{}:{}", options.host.trim_matches(['[', ']']), options.port);
    let listener =
        TcpListener::bind((options.host.trim_matches(['[', ']']), options.port)).await.map_err(|e| {
            Failure::Start(format!("cannot listen on {address}: {e}. Choose another --port or --host."))
        })?;
    banner(&options, &settings, &uri, prepared);
    let router = server::router(App::new(db, settings, clock));
    server::listen::serve(listener, router, told_to_stop()).await;
    Ok(())
}

fn settings(options: &ServerOptions) -> Result<Settings, Failure> {
    let working_dir = std::env::current_dir().map_err(|e| {
        Failure::Start(format!("cannot tell the working directory: {e}. Start from another one."))
    })?;
    let destination = match options.no_serve_artifacts {
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
        artifacts_only: options.artifacts_only,
        security: security(options)?,
        limits: Limits {
            truncate_long_values: options.truncate_long_values,
            artifact_location_max_length: options.artifact_location_max_length,
        },
    })
}

fn security(options: &ServerOptions) -> Result<Option<Security>, Failure> {
    if options.disable_security_middleware {
        return Ok(None);
    }
    let (hosts, origins) = (options.allowed_hosts.as_deref(), options.cors_allowed_origins.as_deref());
    let security = Security::new(hosts, origins, &options.x_frame_options);
    security.map(Some).map_err(|e| Failure::Usage(format!("--x-frame-options: {e}")))
}

fn ui(folder: &Path) -> Result<Store, Failure> {
    if folder.join("index.html").is_file() {
        return Ok(Store::local(folder.to_owned()));
    }
    let text =
        format!("--ui-dir: there is no index.html in {}. Name the folder of a build.", folder.display());
    Err(Failure::Usage(text))
}

fn banner(options: &ServerOptions, settings: &Settings, uri: &DatabaseUri, prepared: Prepared) {
    let made = match prepared {
        Prepared::Created => "created",
        Prepared::Present => "found",
    };
    let artifacts = match &settings.destination {
        Some(store) => format!("{store}, served by this server"),
        None => format!("{}, not served by this server", settings.artifact_root),
    };
    eprintln!("Ferroflow {} (MLflow 3.7.0 API)", env!("CARGO_PKG_VERSION"));
    eprintln!("  address    http://{}:{}{}", options.host, options.port, settings.static_prefix);
    eprintln!("  database   {}, {made}, schema revision {}", uri.display(), schema::HEAD);
    eprintln!("  artifacts  {artifacts}");
}

async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: finishing the requests in flight");
}
