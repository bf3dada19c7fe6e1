//! Whether this server can do its work: the database answers and has our schema, and artifacts can be stored.
//!
//! Everyone may ask, as often as they like: one look is made at a time, it is kept for a second, and it ends in time.

use artifacts::{CloudStore, LocalStore, Store};
use serde::Serialize;
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::db::Db;
use store::{readiness, schema};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long a look may take: Kubernetes gives a probe one second unless it is told otherwise.
const PATIENCE: Duration = Duration::from_millis(900);

/// What was found: `ok` for each part that is, else what is the matter with it. Everyone can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether requests can be served.
    pub ready: bool,
    /// Whether the database answers.
    pub database: Text,
    /// Whether its schema is ours.
    pub schema: Text,
    /// Whether artifacts can be stored.
    pub artifacts: &'static str,
}

/// What is said of a part.
type Text = Cow<'static, str>;

/// What a look at the database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Whether it answers.
    pub database: Text,
    /// Whether its schema is ours.
    pub schema: Text,
}

/// The last look, and what keeps looks from piling up.
pub struct Readiness {
    last: Mutex<Option<(Instant, Report)>>,
    /// For a look at the artifacts' folder: on a network file system that hangs it would block one thread more each time.
    folder: Arc<Semaphore>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { last: Mutex::default(), folder: Arc::new(Semaphore::new(1)) }
    }
}

const OK: &str = "ok";
const NO_ANSWER: &str = "does not answer";

impl Readiness {
    /// How things are, or were a moment ago. Who looks anew looks by `database`, and at the place of artifacts.
    pub async fn report(
        &self,
        database: impl Future<Output = DatabaseReport>,
        destination: Option<&Store>,
    ) -> Report {
        // Who comes during a look waits for what it finds.
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let folder = async {
            match destination {
                Some(Store::Local(store)) => self.look_at_folder(store.clone()).await,
                Some(Store::Cloud(store)) => look_at_cloud(store).await,
                None => "not served",
            }
        };
        let (DatabaseReport { database, schema }, artifacts) = tokio::join!(database, folder);
        let ready = database == OK && schema == OK && [OK, "not served"].contains(&artifacts);
        let report = Report { ready, database, schema, artifacts };
        if last.as_ref().is_none_or(|(_, before)| *before != report) {
            let Report { ready, database, schema, artifacts } = &report;
            tracing::info!(ready, %database, %schema, artifacts, "readiness has changed");
        }
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn look_at_folder(&self, store: LocalStore) -> &'static str {
        let Ok(permit) = Arc::clone(&self.folder).try_acquire_owned() else { return NO_ANSWER };
        let check = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            store.check_writable()
        });
        match timeout(PATIENCE, check).await {
            Err(_) => NO_ANSWER,
            Ok(Ok(Ok(()))) => OK,
            Ok(_) => "cannot be written to",
        }
    }
}

async fn look_at_cloud(store: &CloudStore) -> &'static str {
    match timeout(PATIENCE, store.check()).await {
        Err(_) => NO_ANSWER,
        Ok(Ok(())) => OK,
        Ok(Err(error)) => error.brief(),
    }
}

/// Asks the databases for their revisions: that of runs and, if there is one, that of registered models. If both are not well, the
/// first one is told of.
pub async fn look_at_databases(db: &Db, registry: Option<&Db>) -> DatabaseReport {
    let Some(registry) = registry else { return look_at_database(db).await };
    let (report, of_registry) = tokio::join!(look_at_database(db), look_at_database(registry));
    match report == said(OK, OK) {
        true => of_registry.of_registry(),
        false => report,
    }
}

async fn look_at_database(db: &Db) -> DatabaseReport {
    let look = db.read(|tx| Box::pin(async { readiness::revision(tx).await }));
    match timeout(PATIENCE, look).await {
        Ok(Ok(Some(revision))) if revision == schema::HEAD => said(OK, OK),
        Ok(Ok(Some(revision))) => said(OK, other_revision(&revision)),
        Ok(Ok(None)) => said(OK, "has no revision"),
        Ok(Err(store::Error::Database(_))) => said(OK, "cannot be read"),
        Ok(Err(_)) | Err(_) => said(NO_ANSWER, "unknown"),
    }
}

fn said(database: impl Into<Text>, schema: impl Into<Text>) -> DatabaseReport {
    DatabaseReport { database: database.into(), schema: schema.into() }
}

fn other_revision(revision: &str) -> String {
    format!("at revision {revision}, where this server needs {}", schema::HEAD)
}

impl DatabaseReport {
    /// The same, of the registry's database.
    pub fn of_registry(self) -> Self {
        let of = |text: Text| if text == OK { text } else { format!("of the registry: {text}").into() };
        said(of(self.database), of(self.schema))
    }

    /// Nothing is known yet.
    pub fn unknown() -> Self {
        said("being opened", "unknown")
    }

    /// There is no connection.
    pub fn no_connection(reason: &str) -> Self {
        said(format!("{NO_ANSWER}: {reason}"), "unknown")
    }

    /// The database answers, and its schema is being made or brought to ours.
    pub fn migrating() -> Self {
        said(OK, "being migrated")
    }

    /// The database answers, and bringing its schema to ours has failed for now.
    pub fn not_migrated(reason: &str) -> Self {
        said(OK, format!("cannot be migrated: {reason}"))
    }

    /// The database answers, at a revision that is not ours.
    pub fn at_revision(revision: &str) -> Self {
        said(OK, other_revision(revision))
    }
}
