//! From options to a running server, and to its orderly end.

use crate::config::ServerOptions;
use crate::opening::{self, Opening};
use crate::{banner, log, migration};
use artifacts::{ABANDONED_AFTER, Environment, Fault, LocalStore, Store, Stores};
use server::listen::{self, End};
use server::{App, Clock, Gate, Settings, webhooks};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant as Deadline, timeout, timeout_at};

/// How long a start may take before requests are answered that it is not done.
const MOMENT: Duration = Duration::from_secs(1);
/// How long the artifacts' cloud may take to show that it can be used.
const CLOUD_PATIENCE: Duration = Duration::from_secs(15);

/// Why the server did not start, or did not end as it should: one sentence that says what to do.
pub enum Failure {
    /// The options are wrong.
    Usage(String),
    /// The surroundings are.
    Start(String),
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`Failure`].
pub fn server(options: ServerOptions) -> Result<(), Failure> {
    let started = Instant::now();
    let note = options.check().map_err(Failure::Usage)?;
    log::to_stderr(options.log_level());
    if let Some(note) = note {
        tracing::info!("{note}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Start(format!("cannot start threads: {}", reason(&e))))?;
    let end = runtime.block_on(run(&options, started))?;
    // What is still running was cut off on purpose; its blocking calls are not waited for.
    runtime.shutdown_background();
    match end {
        End::Finished => Ok(()),
        End::CutOff => Err(Failure::Start("requests were cut off in order to stop".into())),
    }
}

async fn run(options: &ServerOptions, started: Instant) -> Result<End, Failure> {
    let working_dir = std::env::current_dir().map_err(|e| {
        Failure::Start(format!("the working directory is gone ({}); start from another one", reason(&e)))
    })?;
    let place = &options.database.place;
    let database = options.data.database(place, &working_dir).map_err(Failure::Usage)?;
    let registry = options.data.registry(place, &database).map_err(Failure::Usage)?;
    let settings = settings(options, &working_dir).map_err(Failure::Usage)?;
    let mut signals = Signals::new()?;
    // Before anything is made: a taken port leaves no new database behind.
    let listener = listen(options).await?;
    let address =
        listener.local_addr().map_err(|e| Failure::Start(format!("cannot listen: {}", reason(&e))))?;
    if let Some(store) = &settings.destination {
        check(store).await?;
    }
    if let Some(Store::Local(store)) = &settings.destination {
        tokio::spawn(remove_leftovers(store.clone()));
    }
    let gate = Gate::new(&settings);
    let grace = options.network.grace();
    let (told, stopping) = watch::channel(None);
    let stop = async {
        signals.next().await;
        told.send_replace(Some(Deadline::now() + grace));
        tracing::info!("stopping: finishing the requests in flight, for up to {} s", grace.as_secs());
        signals
    };
    let serving = async {
        // A start that takes but a moment answers nothing until it is ready, probes neither.
        drop(timeout(MOMENT, gate.has_answer()).await);
        listen::serve(listener, gate.clone(), stop, |signals| cut_off(signals, grace)).await
    };
    let opening = async {
        let clock = Clock::default();
        let (artifact_root, now_ms) = (settings.artifact_root.as_str(), (clock.0)());
        let place = |database| Opening { options, database, artifact_root, now_ms, gate: &gate, address };
        let (db, schema) = opening::open(&place(&database)).await?;
        let registry_db = match &registry {
            Some(registry) => Some(opening::open(&place(registry)).await?.0),
            None => None,
        };
        let took = started.elapsed();
        let facts = banner::Facts {
            options,
            settings: &settings,
            database: &database,
            registry: registry.as_ref(),
            schema,
            address,
            took,
        };
        drop(io::stderr().write_all(banner::lines(&facts, log::has_colours()).as_bytes()));
        migration::say_none(schema);
        for warning in options.security.warnings() {
            tracing::warn!("{warning}");
        }
        let app = App::with_registry(db, registry_db, settings, clock);
        gate.open(server::router(app.clone()));
        Ok(deliveries(app, stopping.clone()))
    };
    tokio::pin!(serving);
    let opened = tokio::select! {
        end = &mut serving => Err(end),
        opened = opening => Ok(opened?),
    };
    let end = match opened {
        Ok(delivering) => {
            let end = serving.await;
            if end == End::Finished {
                finish(delivering, &stopping).await;
            }
            end
        }
        Err(end) => end,
    };
    tracing::info!("stopped");
    Ok(end)
}

/// Tells webhooks, until the server is told to stop.
fn deliveries(app: App, mut stopping: watch::Receiver<Option<Deadline>>) -> Option<JoinHandle<()>> {
    if app.settings().artifacts_only {
        return None;
    }
    let stop = async move { drop(stopping.wait_for(Option::is_some).await) };
    Some(tokio::spawn(webhooks::deliver::run(app, stop)))
}

/// Lets what is being sent to webhooks arrive, for as long as requests may still run. What does not is sent again, by another
/// process or the next one.
async fn finish(delivering: Option<JoinHandle<()>>, stopping: &watch::Receiver<Option<Deadline>>) {
    let deadline = *stopping.borrow();
    if let (Some(delivering), Some(deadline)) = (delivering, deadline) {
        drop(timeout_at(deadline, delivering).await);
    }
}

/// What the options say of a server.
///
/// # Errors
/// A sentence about an option that cannot be used.
pub fn settings(options: &ServerOptions, working_dir: &Path) -> Result<Settings, String> {
    let static_prefix = options.network.static_prefix();
    let stores = Stores::new(working_dir.to_owned(), Environment::of_process());
    let artifact_root = options.artifacts.root(working_dir)?;
    Ok(Settings {
        static_prefix: static_prefix.to_owned(),
        locations: options.artifacts.locations().and_below(&artifact_root),
        artifact_root,
        destination: options.artifacts.destination(&stores)?,
        stores,
        working_dir: working_dir.to_owned(),
        ui: options.pages.ui()?,
        artifacts_only: options.artifacts.artifacts_only,
        direct_downloads: options.artifacts.direct_downloads,
        source_pattern: options.artifacts.source_pattern(),
        max_transfers: options.artifacts.max_transfers(),
        webhooks: options.webhooks.settings()?,
        limits: options.limits(),
        graphql: options.graphql.limits(),
        security: options.security.rules()?,
    })
}

/// Whether artifacts can be stored. A cloud that does not answer may well do so later, which `/readyz` tells; what is wrong with
/// it otherwise has to be mended by people.
async fn check(store: &Store) -> Result<(), Failure> {
    match store {
        Store::Local(store) => store.check_writable().map_err(|e| {
            let folder = store.root().display();
            Failure::Start(format!(
                "cannot write to the artifact folder {folder}: {}; let this user write there, or name another \
                 --artifacts-destination",
                reason(&e)
            ))
        }),
        Store::Cloud(cloud) => match timeout(CLOUD_PATIENCE, cloud.check_writable()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if !matches!(error.fault, Fault::Unavailable | Fault::Unreachable) => {
                Err(Failure::Start(format!("cannot use the artifact destination {store}: {error}")))
            }
            Ok(Err(error)) => {
                tracing::warn!("{error}");
                Ok(())
            }
            Err(_) => {
                tracing::warn!("the artifact destination {store} does not answer");
                Ok(())
            }
        },
    }
}

async fn listen(options: &ServerOptions) -> Result<TcpListener, Failure> {
    let (host, port) = (options.network.host(), options.network.port);
    TcpListener::bind((host, port)).await.map_err(|error| {
        let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "stop what listens there, or choose another --port",
            io::ErrorKind::PermissionDenied => "ports below 1024 are root's; choose another --port",
            _ => "choose a --host of this machine",
        };
        Failure::Start(format!("cannot listen on {place}: {}; {advice}", reason(&error)))
    })
}

/// Removes uploads that a crash cut off, once: what a process before this one left behind is old enough by then, and what this
/// one leaves behind is the next one's.
async fn remove_leftovers(store: LocalStore) {
    tokio::time::sleep(ABANDONED_AFTER).await;
    let removed = store.remove_leftovers(ABANDONED_AFTER).await;
    if removed > 0 {
        tracing::info!("removed the remains of {removed} uploads that a crash had cut off");
    }
}

/// The system's words without its number for them.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|e| Failure::Start(format!("cannot wait for signals: {}", reason(&e))))
        };
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ready when the requests in flight have had their time, or at the second signal.
async fn cut_off(mut signals: Signals, grace: Duration) {
    tokio::select! {
        () = signals.next() => {}
        () = tokio::time::sleep(grace) => {}
    }
}
