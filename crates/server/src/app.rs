//! What every handler can reach: the database, the settings, the clock.

use crate::graphql::{QueryLimits, Schema};
use crate::readiness::Readiness;
use crate::security::Security;
use crate::sources::SourcePattern;
use crate::transfers::Transfers;
use api::uri::Locations;
use api::validate::Limits;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use store::db::Db;
use store::runs::ingest::Ingest;

/// Shared by all requests; cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    ingest: Ingest,
    readiness: Readiness,
    transfers: Transfers,
    db: Db,
    registry: Option<Db>,
    settings: Settings,
    clock: Clock,
    graphql: Schema,
}

/// What the operator chose at the start, as far as handlers care.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--static-prefix`: empty, or `/` and a path without a slash at its end.
    pub static_prefix: String,
    /// `--default-artifact-root`: where experiments without a location of their own keep their artifacts.
    pub artifact_root: String,
    /// `--artifacts-destination`, opened; `None` under `--no-serve-artifacts`.
    pub destination: Option<artifacts::Store>,
    /// Opens what is not in `destination`: the artifact locations of experiments that have their own.
    pub stores: artifacts::Stores,
    /// What relative artifact locations are relative to: the directory the server was started in.
    pub working_dir: PathBuf,
    /// `--ui-dir`, a build of MLflow's UI; without one there is a page that says what this server is.
    pub ui: Option<artifacts::Store>,
    /// `--artifacts-only`.
    pub artifacts_only: bool,
    /// `--max-transfers`: how many files may be on their way at the same time.
    pub max_transfers: usize,
    /// Where clients may put experiments.
    pub locations: Locations,
    /// What every source of a model version must match; `None` for anything that leads nowhere else.
    pub source_pattern: Option<SourcePattern>,
    /// Limits on names and values.
    pub limits: Limits,
    /// Limits on GraphQL queries.
    pub graphql: QueryLimits,
    /// The checks of Host and Origin; `None` under `--disable-security-middleware`.
    pub security: Option<Security>,
}

/// Tells the time, in epoch milliseconds; tests bring their own.
#[derive(Debug, Clone, Copy)]
pub struct Clock(pub fn() -> i64);

impl Default for Clock {
    fn default() -> Self {
        // A clock before 1970 is a broken machine; time 0 keeps it serving.
        Self(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(db: Db, settings: Settings, clock: Clock) -> Self {
        Self::with_registry(db, None, settings, clock)
    }

    /// The same with registered models in a database of their own.
    pub fn with_registry(db: Db, registry: Option<Db>, settings: Settings, clock: Clock) -> Self {
        let (ingest, readiness) = (Ingest::new(db.clone()), Readiness::default());
        let transfers = Transfers::new(settings.max_transfers);
        Self(Arc::new(Inner {
            ingest,
            readiness,
            transfers,
            db,
            registry,
            settings,
            clock,
            graphql: Schema::default(),
        }))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The database of registered models and their versions: the same, or another one.
    pub fn registry(&self) -> &Db {
        self.own_registry().unwrap_or(self.db())
    }

    /// The database of registered models, if it is another one.
    pub fn own_registry(&self) -> Option<&Db> {
        self.0.registry.as_ref()
    }

    /// The way of single metrics, params and tags into the database.
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
    }

    /// Whether the parts that this server needs are there.
    pub fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// The turns of requests that move files.
    pub fn transfers(&self) -> &Transfers {
        &self.0.transfers
    }

    /// The operator's choices.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What can be asked in GraphQL.
    pub fn graphql(&self) -> &Schema {
        &self.0.graphql
    }

    /// Now, in epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        (self.0.clock.0)()
    }
}
