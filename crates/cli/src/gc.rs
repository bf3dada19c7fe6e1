//! `ferroflow gc`: deleting for good. A line on standard output for each object that is gone, everything else in the log.

use crate::config::{PlaceOptions, registry as registry_of};
use crate::db::refused;
use crate::log;
use crate::start::Failure;
use artifacts::{Environment, Store, Stores};
use clap::Args;
use server::Clock;
use server::gc::{self, Age, Event, Extent, Places, Summary, Tally, Thing, Wish};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use store::db::Db;
use store::schema::{self, Auth};
use store::uri::DatabaseUri;

const EXAMPLES: &str = "\
Examples:
  ferroflow gc --dry-run
      What would be deleted, with counts and bytes: sqlite:///mlflow.db and ./mlartifacts, as `ferroflow server` uses them

  ferroflow gc --older-than 30d --backend-store-uri postgresql://mlflow@db.example/mlflow \\
               --artifacts-destination /data/artifacts >> gc.log
      Everything that was deleted a month ago or longer, with a record of it

  ferroflow gc --run-ids 0123456789abcdef0123456789abcdef
      This run and nothing else

  ferroflow gc --orphans --dry-run
      Which files belong to nobody any more, too

Exit codes: 0 done, 1 something could not be deleted or was refused, 2 wrong usage";

/// `ferroflow gc`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct GcOptions {
    /// Only what has been deleted for so long, in #d#h#m#s, such as 30d or 1.5h.
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,

    /// The database: sqlite:///PATH or postgresql://USER@HOST/DATABASE [default: sqlite:///mlflow.db].
    #[arg(long, env = "MLFLOW_BACKEND_STORE_URI", value_name = "URI")]
    backend_store_uri: Option<String>,

    /// The database of registered models, if the server keeps them in another one.
    #[arg(long, env = "MLFLOW_REGISTRY_STORE_URI", value_name = "URI")]
    registry_store_uri: Option<String>,

    /// Where the server keeps the artifacts that it serves [default: ./mlartifacts].
    #[arg(long, env = "MLFLOW_ARTIFACTS_DESTINATION", value_name = "URI")]
    artifacts_destination: Option<String>,

    /// These runs only, separated by commas; they must be in state deleted.
    #[arg(long, value_name = "IDS")]
    run_ids: Option<String>,

    /// These experiments only, with all that is in them; they must be in state deleted.
    #[arg(long, value_name = "IDS")]
    experiment_ids: Option<String>,

    /// These logged models only; they must be in state deleted.
    #[arg(long, value_name = "IDS")]
    logged_model_ids: Option<String>,

    /// Say what would be deleted, with counts and bytes, and delete nothing.
    #[arg(long)]
    dry_run: bool,

    /// Delete files, too, whose run, logged model or trace is gone and that are older than a day.
    #[arg(long)]
    orphans: bool,

    /// Delete what a registered model version points to, too.
    #[arg(long)]
    include_registered: bool,

    /// Accepted without effect: no server is asked.
    #[arg(long, value_name = "URI", hide = true)]
    tracking_uri: Option<String>,

    #[command(flatten)]
    place: PlaceOptions,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &GcOptions) -> Result<(), Failure> {
    let wish = options.wish()?;
    log::to_stderr(tracing::Level::INFO);
    if options.tracking_uri.is_some() {
        tracing::info!(
            "no effect here: --tracking-uri; the database and the artifacts are reached without a server"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Start(format!("cannot start: {e}")))?;
    let done = runtime.block_on(collect(options, &wish));
    // A thread that still waits for a file's lock is not waited for.
    runtime.shutdown_background();
    done
}

async fn collect(options: &GcOptions, wish: &Wish) -> Result<(), Failure> {
    let working_dir = std::env::current_dir().map_err(|e| {
        Failure::Start(format!("the working directory is gone ({e}); start from another one"))
    })?;
    let uri = options.database()?;
    let db = open(&uri).await?;
    let registry = options.registry_store_uri.as_deref();
    let registry = match registry_of(registry, &options.place, &uri).map_err(Failure::Usage)? {
        Some(registry) => open(&registry).await?,
        None => db.clone(),
    };
    let stores = Stores::new(working_dir, Environment::of_process());
    let destination = options.destination(&stores)?;
    let places = Places { db: &db, registry: &registry, destination: destination.as_ref(), stores: &stores };
    let mut report = Report::new(wish.dry_run);
    let done = gc::collect(places, wish, (Clock::default().0)(), &mut |event| report.tell(&event)).await;
    report.end();
    let summary = done.map_err(|error| match error {
        store::Error::Api(refusal) => Failure::Start(refusal.message),
        error => {
            failed(&uri, &format!("{error}; what was deleted until then is gone, run it again for the rest"))
        }
    })?;
    say(&in_all(&summary, wish.dry_run));
    match summary.failed {
        0 => Ok(()),
        n => Err(Failure::Start(format!(
            "{n} could not be deleted, see above; run it again when that is mended"
        ))),
    }
}

/// Opens a database that has our schema.
async fn open(uri: &DatabaseUri) -> Result<Db, Failure> {
    if let DatabaseUri::Sqlite(path) = uri
        && !path.exists()
    {
        return Err(Failure::Start(format!(
            "there is no file {}; name the database with --backend-store-uri, and that of registered models, if it is another one, \
             with --registry-store-uri",
            path.display()
        )));
    }
    let found = schema::inspect(uri).await.and_then(|found| found.chains(Auth::Leave));
    let at_head = found.and_then(|chains| {
        chains.into_iter().try_for_each(|(chain, done)| schema::State::At(done).refuse_unless_at_head(chain))
    });
    at_head.map_err(|e| refused(uri, &e))?;
    Db::open(uri).await.map_err(|e| failed(uri, &e))
}

fn failed(uri: &DatabaseUri, error: &dyn std::fmt::Display) -> Failure {
    Failure::Start(format!("{}: {error}", uri.display()))
}

impl GcOptions {
    fn wish(&self) -> Result<Wish, Failure> {
        let older_than = self.older_than.as_deref().map(Age::parse).transpose();
        Ok(Wish {
            older_than: older_than.map_err(|e| Failure::Usage(format!("--older-than: {}", e.message)))?,
            run_ids: ids("--run-ids", self.run_ids.as_deref())?,
            experiment_ids: ids("--experiment-ids", self.experiment_ids.as_deref())?,
            logged_model_ids: ids("--logged-model-ids", self.logged_model_ids.as_deref())?,
            include_registered: self.include_registered,
            orphans: self.orphans,
            dry_run: self.dry_run,
        })
    }

    fn database(&self) -> Result<DatabaseUri, Failure> {
        let named = self.place.database(self.backend_store_uri.as_deref(), "--backend-store-uri");
        match named.map_err(Failure::Usage)? {
            Some(uri) => Ok(uri),
            None => DatabaseUri::parse("sqlite:///mlflow.db").map_err(Failure::Usage),
        }
    }

    /// None where the default is not there: a server makes it when it starts, so this is not the server's folder, and what has
    /// its files elsewhere must not lose its rows because none of them are found.
    fn destination(&self, stores: &Stores) -> Result<Option<Store>, Failure> {
        let named = self.artifacts_destination.as_deref();
        let store = stores.open(named.unwrap_or("./mlartifacts"));
        let store = store.map_err(|e| Failure::Usage(format!("--artifacts-destination: {e}")))?;
        let missing = store.local_folder().is_some_and(|folder| !folder.is_dir());
        match (missing, named) {
            (false, _) => Ok(Some(store)),
            (true, None) => Ok(None),
            (true, Some(_)) => Err(Failure::Start(format!(
                "there is no folder {store}; --artifacts-destination must be the server's"
            ))),
        }
    }
}

/// Nothing is nobody: a script whose list is empty does not want everything deleted.
fn ids(option: &str, given: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let ids: Vec<String> =
        given.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    match ids.is_empty() {
        true => Err(Failure::Usage(format!(
            "{option} names nothing; leave it out to delete everything in state deleted"
        ))),
        false => Ok(ids),
    }
}

/// How often a log says how far it is.
const NEWS: Duration = Duration::from_secs(10);

/// Tells of what happens.
struct Report {
    dry_run: bool,
    /// Whether somebody watches, and the record goes elsewhere.
    counts: bool,
    done: u64,
    told: Instant,
}

impl Report {
    fn new(dry_run: bool) -> Self {
        let counts = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self { dry_run, counts, done: 0, told: Instant::now() }
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Removed { thing, id, location, extent } => {
                self.done += 1;
                say(&line(*thing, id, *location, *extent, self.dry_run));
                self.progress(&format!("{} objects", self.done));
            }
            Event::Kept { thing, id, why } => {
                self.end();
                tracing::info!("{} {id} is kept: {why}", name(*thing).0);
            }
            Event::Failed { thing, id, why } => {
                self.end();
                tracing::error!("{} {id} could not be deleted: {why}", name(*thing).0);
            }
            Event::Looked(files) => self.progress(&format!("{files} files looked at")),
        }
    }

    fn progress(&mut self, text: &str) {
        let pause = if self.counts { Duration::from_millis(100) } else { NEWS };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        match self.counts {
            true => drop(write!(io::stderr(), "\r\x1b[K{text}")),
            false => tracing::info!("so far: {text}"),
        }
    }

    /// Makes room for a line on a terminal.
    fn end(&self) {
        if self.counts {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }
}

/// Whoever closed the pipe does not want to know.
fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// One, and many.
fn name(thing: Thing) -> (&'static str, &'static str) {
    match thing {
        Thing::Run => ("Run", "runs"),
        Thing::LoggedModel => ("Logged model", "logged models"),
        Thing::Trace => ("Trace", "traces"),
        Thing::Experiment => ("Experiment", "experiments"),
        Thing::Orphan => ("The artifacts of", "folders without an owner"),
    }
}

/// `mlflow gc`'s sentence, and what was there.
fn line(thing: Thing, id: &str, location: Option<&str>, extent: Extent, dry_run: bool) -> String {
    let what = match thing {
        Thing::Orphan => format!("The artifacts of {id}, which is gone,"),
        thing => format!("{} with ID {id}", name(thing).0),
    };
    let done = match (dry_run, thing) {
        (true, _) => "would be permanently deleted.",
        (false, Thing::Orphan) => "have been permanently deleted.",
        (false, _) => "has been permanently deleted.",
    };
    match location {
        None => format!("{what} {done}"),
        Some(location) => {
            format!("{what} {done} ({} files, {} bytes in {location})", extent.files, extent.bytes)
        }
    }
}

fn in_all(summary: &Summary, dry_run: bool) -> String {
    let things = [Thing::Run, Thing::LoggedModel, Thing::Trace, Thing::Experiment, Thing::Orphan];
    let counts: Vec<_> = std::iter::zip(things, summary.removed)
        .filter(|(_, tally)| tally.objects > 0)
        .map(|(thing, Tally { objects, .. })| match (objects, thing) {
            (1, Thing::Orphan) => "1 folder without an owner".to_owned(),
            (1, thing) => format!("1 {}", name(thing).0.to_lowercase()),
            (n, thing) => format!("{n} {}", name(thing).1),
        })
        .collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let files: u64 = summary.removed.iter().map(|tally| tally.extent.files).sum();
    let bytes: u64 = summary.removed.iter().map(|tally| tally.extent.bytes).sum();
    let verb = if dry_run { "Would be deleted" } else { "Deleted" };
    format!(
        "{verb}: {counts}; {files} files, {bytes} bytes. Kept: {}. Failed: {}.",
        summary.kept, summary.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_are_mlflows() {
        let extent = Extent { files: 2, bytes: 30 };
        assert_eq!(
            line(Thing::Run, "abc", Some("mlflow-artifacts:/1/abc/artifacts"), extent, false),
            "Run with ID abc has been permanently deleted. (2 files, 30 bytes in mlflow-artifacts:/1/abc/artifacts)"
        );
        let experiment = line(Thing::Experiment, "7", None, Extent::default(), true);
        assert_eq!(experiment, "Experiment with ID 7 would be permanently deleted.");
        let orphan = line(Thing::Orphan, "abc", Some("/data/1/abc"), extent, false);
        assert!(orphan.starts_with("The artifacts of abc, which is gone, have been permanently deleted."));
    }

    #[test]
    fn what_was_done_is_counted() {
        let mut summary = Summary { kept: 3, ..Summary::default() };
        assert_eq!(
            in_all(&summary, true),
            "Would be deleted: nothing; 0 files, 0 bytes. Kept: 3. Failed: 0."
        );
        summary.removed[0] = Tally { objects: 1, extent: Extent { files: 2, bytes: 30 } };
        summary.removed[4] = Tally { objects: 2, extent: Extent { files: 1, bytes: 5 } };
        let expected = "Deleted: 1 run, 2 folders without an owner; 3 files, 35 bytes. Kept: 3. Failed: 0.";
        assert_eq!(in_all(&summary, false), expected);
    }

    #[test]
    fn an_empty_list_is_not_everything() {
        assert!(ids("--run-ids", None).is_ok_and(|ids| ids.is_empty()));
        assert!(ids("--run-ids", Some("a, b,")).is_ok_and(|ids| ids == ["a", "b"]));
        for nothing in ["", " ", ","] {
            assert!(matches!(ids("--run-ids", Some(nothing)), Err(Failure::Usage(_))), "{nothing:?}");
        }
    }
}
