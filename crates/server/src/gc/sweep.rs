//! Going through what is chosen, a page at a time: the files of each object, then the rows of all those whose files are gone.

use super::choose::{Chosen, Verdict};
use super::folders::{self, Extent};
use super::{Event, Places, Summary, Thing};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use store::Result;
use store::gc::{self, Found, Kind, PAGE, Which};

/// How many folders are deleted at a time.
const AT_ONCE: usize = 8;

pub(super) struct Sweep<'a> {
    pub(super) places: Places<'a>,
    pub(super) dry_run: bool,
    pub(super) chosen: Chosen,
    pub(super) now_ms: i64,
    watch: &'a mut (dyn FnMut(Event<'_>) + Send),
    pub(super) summary: Summary,
    /// In a dry run, how many runs of an experiment would be gone.
    gone: HashMap<i64, i64>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        places: Places<'a>,
        dry_run: bool,
        chosen: Chosen,
        now_ms: i64,
        watch: &'a mut (dyn FnMut(Event<'_>) + Send),
    ) -> Self {
        Self { places, dry_run, chosen, now_ms, watch, summary: Summary::default(), gone: HashMap::new() }
    }

    /// Runs and logged models in state deleted.
    pub(super) async fn runs_and_models(&mut self) -> Result<()> {
        for (kind, which) in std::mem::take(&mut self.chosen.passes) {
            let mut after = String::new();
            while let Some(page) = self.next_page(kind, &which, &mut after).await? {
                let due = self.due(kind, page);
                self.remove(kind, due).await?;
            }
        }
        Ok(())
    }

    /// Those of a page that are to go.
    fn due(&mut self, kind: Kind, page: Vec<Found>) -> Vec<Found> {
        let mut due = Vec::new();
        for found in page {
            match (self.chosen.rules.verdict(&found), self.chosen.protection.by(&found.id)) {
                _ if !found.is_deleted => {}
                (Verdict::TooYoung, _) => {}
                (Verdict::Retained(why), _) => self.keep(kind, &found.id, &why),
                (Verdict::Due, Some(version)) => {
                    let why = format!("the registered model version {version} points to it");
                    self.keep(kind, &found.id, &why);
                }
                (Verdict::Due, None) => due.push(found),
            }
        }
        due
    }

    /// Experiments, with the logged models and traces in them; all of an experiment or nothing.
    pub(super) async fn experiments(&mut self) -> Result<()> {
        for experiment in std::mem::take(&mut self.chosen.experiments) {
            let id = experiment.experiment_id;
            let runs = self.places.db.read(move |tx| Box::pin(gc::runs_left(tx, id))).await?;
            let stay = runs - self.gone.get(&id).copied().unwrap_or_default();
            if stay > 0 {
                let why = format!("{stay} of its runs are not deleted, or are kept");
                self.keep(Kind::Experiment, &experiment.id, &why);
                continue;
            }
            if let Some(why) = self.protected_model(id).await? {
                self.keep(Kind::Experiment, &experiment.id, &why);
                continue;
            }
            let failed = self.summary.failed;
            for kind in [Kind::LoggedModel, Kind::Trace] {
                let mut after = String::new();
                while let Some(page) = self.next_page(kind, &Which::AllOf(id), &mut after).await? {
                    // In a dry run the deleted ones were there before.
                    let page = page.into_iter().filter(|found| !(self.dry_run && found.is_deleted)).collect();
                    self.remove(kind, page).await?;
                }
            }
            if self.summary.failed > failed {
                self.fail(Thing::Experiment, &experiment.id, "something in it could not be removed");
                continue;
            }
            let location = experiment.location.clone();
            // Its folder is not its own alone: it may be that of many.
            self.remove(Kind::Experiment, vec![Found { location: None, ..experiment }]).await?;
            if let (false, Some(location)) = (self.dry_run, location) {
                folders::remove_empty_experiment(&self.places, &location).await;
            }
        }
        Ok(())
    }

    /// Why an experiment must stay because of a logged model in it.
    async fn protected_model(&self, experiment_id: i64) -> Result<Option<String>> {
        let mut after = String::new();
        while let Some(page) =
            self.next_page(Kind::LoggedModel, &Which::AllOf(experiment_id), &mut after).await?
        {
            for Found { id, .. } in page {
                if let Some(version) = self.chosen.protection.by(&id) {
                    let why =
                        format!("the registered model version {version} points to its logged model {id}");
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    async fn next_page(&self, kind: Kind, which: &Which, after: &mut String) -> Result<Option<Vec<Found>>> {
        let (which, from) = (which.clone(), after.clone());
        let page =
            self.places.db.read(move |tx| Box::pin(async move { gc::page(tx, kind, &which, &from).await }));
        let page = page.await?;
        debug_assert!(page.len() <= PAGE, "a page has an end");
        let Some(last) = page.last() else { return Ok(None) };
        last.id.clone_into(after);
        Ok(Some(page))
    }

    /// Removes the files of objects of one kind, then the rows of those whose files are gone.
    async fn remove(&mut self, kind: Kind, found: Vec<Found>) -> Result<()> {
        let (places, dry_run) = (self.places, self.dry_run);
        let emptied: Vec<_> = stream::iter(found)
            .map(|found| async move {
                let done = remove_files(&places, kind, &found, dry_run).await;
                (found, done)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut bare = Vec::new();
        for (found, done) in emptied {
            match done {
                Ok(Some(extent)) => bare.push((found, extent)),
                // Somebody has restored it meanwhile.
                Ok(None) => {}
                Err(Trouble::Database(error)) => return Err(error),
                Err(Trouble::Files(why)) => self.fail(kind.into(), &found.id, &why),
            }
        }
        let ids: Vec<String> = bare.iter().map(|(found, _)| found.id.clone()).collect();
        let removed = if dry_run { ids } else { self.remove_rows(kind, ids).await? };
        for (found, extent) in bare {
            if removed.contains(&found.id) {
                if dry_run && kind == Kind::Run {
                    *self.gone.entry(found.experiment_id).or_default() += 1;
                }
                self.removed(kind.into(), &found.id, found.location.as_deref(), extent);
            } else {
                let why = "it was restored, or got something new, while its files were deleted; what is left of it stays";
                self.fail(kind.into(), &found.id, why);
            }
        }
        Ok(())
    }

    async fn remove_rows(&self, kind: Kind, ids: Vec<String>) -> Result<Vec<String>> {
        let db = self.places.db;
        if ids.is_empty() {
            return Ok(ids);
        }
        loop {
            let some = ids.clone();
            let more = db.write(move |tx| Box::pin(async move { gc::history(tx, kind, &some).await }));
            if !more.await? {
                break;
            }
        }
        db.write(move |tx| Box::pin(async move { gc::remove(tx, kind, &ids).await })).await
    }

    pub(super) fn removed(&mut self, thing: Thing, id: &str, location: Option<&str>, extent: Extent) {
        let tally = &mut self.summary.removed[thing as usize];
        tally.objects += 1;
        tally.extent.files += extent.files;
        tally.extent.bytes += extent.bytes;
        (self.watch)(Event::Removed { thing, id, location, extent });
    }

    fn keep(&mut self, kind: Kind, id: &str, why: &str) {
        self.summary.kept += 1;
        (self.watch)(Event::Kept { thing: kind.into(), id, why });
    }

    pub(super) fn fail(&mut self, thing: Thing, id: &str, why: &str) {
        self.summary.failed += 1;
        (self.watch)(Event::Failed { thing, id, why });
    }

    pub(super) fn looked(&mut self, files: u64) {
        (self.watch)(Event::Looked(files));
    }
}

/// Why the files of an object are not gone.
enum Trouble {
    Database(store::Error),
    Files(String),
}

/// Deletes an object's files, unless it was restored meanwhile; in a dry run, counts them.
async fn remove_files(
    places: &Places<'_>,
    kind: Kind,
    found: &Found,
    dry_run: bool,
) -> std::result::Result<Option<Extent>, Trouble> {
    // Asked for each, right before: deleting the files of those before it may have taken long.
    let id = found.id.clone();
    let doomed = places.db.read(move |tx| Box::pin(async move { gc::still_doomed(tx, kind, &id).await }));
    if !doomed.await.map_err(Trouble::Database)? {
        return Ok(None);
    }
    let Some(location) = &found.location else { return Ok(Some(Extent::default())) };
    let folder = folders::own(places, location, &found.id).map_err(Trouble::Files)?;
    let trouble = |error| Trouble::Files(format!("its files are in {location}. {error}"));
    let extent = folders::measure(&folder).await.map_err(trouble)?;
    if !dry_run {
        folders::remove(&folder, &found.id).await.map_err(trouble)?;
    }
    Ok(Some(extent))
}
