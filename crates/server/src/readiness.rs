//! Whether this server can do its work: the database answers and has our schema, and artifacts can be stored.
//!
//! Everyone may ask, as often as they like: one look is made at a time, it is kept for a second, and it ends in time.

use crate::app::App;
use artifacts::LocalStore;
use serde::Serialize;
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
    pub database: &'static str,
    /// Whether its schema is ours.
    pub schema: String,
    /// Whether artifacts can be stored.
    pub artifacts: &'static str,
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
    /// How things are, or were a moment ago.
    pub async fn report(&self, app: &App) -> Report {
        // Who comes during a look waits for what it finds.
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let report = self.look(app).await;
        if last.as_ref().is_none_or(|(_, before)| *before != report) {
            let Report { ready, database, schema, artifacts } = &report;
            tracing::info!(ready, database, schema, artifacts, "readiness has changed");
        }
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn look(&self, app: &App) -> Report {
        let folder = async {
            match &app.settings().destination {
                Some(artifacts::Store::Local(store)) => self.look_at_folder(store.clone()).await,
                None => "not served",
            }
        };
        let ((database, schema), artifacts) = tokio::join!(look_at_database(app.db()), folder);
        let ready = database == OK && schema == OK && [OK, "not served"].contains(&artifacts);
        Report { ready, database, schema, artifacts }
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

async fn look_at_database(db: &Db) -> (&'static str, String) {
    let look = db.read(|tx| Box::pin(async { readiness::revision(tx).await }));
    match timeout(PATIENCE, look).await {
        Ok(Ok(Some(revision))) if revision == schema::HEAD => (OK, OK.into()),
        Ok(Ok(Some(revision))) => {
            (OK, format!("at revision {revision}, where this server needs {}", schema::HEAD))
        }
        Ok(Ok(None)) => (OK, "has no revision".into()),
        Ok(Err(store::Error::Database(_))) => (OK, "cannot be read".into()),
        Ok(Err(_)) | Err(_) => (NO_ANSWER, "unknown".into()),
    }
}
