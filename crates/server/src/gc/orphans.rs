//! Files whose run, logged model or trace is gone: MLflow deletes the rows of traces and leaves their files, and a server that was
//! killed, or a database that was restored from a backup, leaves others.
//!
//! Only what lies where MLflow puts it is looked at (`EXPERIMENT/RUN/artifacts`, `EXPERIMENT/models/MODEL/artifacts`,
//! `EXPERIMENT/traces/TRACE/artifacts`): what else is in a store is somebody's.

use super::folders::{self, Extent, Folder};
use super::sweep::Sweep;
use super::{Places, Thing};
use api::error::{internal, invalid_state};
use artifacts::{ArtifactPath, FoundFile, Store, proxied};
use futures_util::TryStreamExt;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, SystemTime};
use store::Result;
use store::gc::{self, Found, Kind};

/// How long ago the last of an owner's files must have been written.
pub(super) const SETTLED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often progress is told of, in files.
const TELL: u64 = 10_000;

/// How many ids are looked up at a time.
const LOOKUP: usize = 1_000;

/// A place to look in, and which folders in it are an experiment's.
struct Area {
    store: Store,
    /// The folders of the experiments that there are.
    known: BTreeSet<String>,
    /// Folders that have an experiment's folder by its number, whether or not there is still an experiment.
    parents: BTreeSet<String>,
}

/// Whose files these are.
struct Owned {
    kind: Kind,
    id: String,
    folder: Folder,
    extent: Extent,
    is_fresh: bool,
}

/// Finds them, and removes them.
pub(super) async fn reclaim(sweep: &mut Sweep<'_>) -> Result<()> {
    let experiments = sweep.places.db.read(|tx| Box::pin(gc::experiments(tx))).await?;
    // First the files, then whose they are: a run is made before its first file is.
    let mut owners = Vec::new();
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(sweep.now_ms.unsigned_abs());
    for area in areas(&sweep.places, &experiments) {
        owners.extend(look(sweep, area, now).await?);
    }
    let mut there: HashSet<String> = HashSet::new();
    for kind in [Kind::Run, Kind::LoggedModel, Kind::Trace] {
        let ids: Vec<String> = owners.iter().filter(|o| o.kind == kind).map(|o| o.id.clone()).collect();
        for ids in ids.chunks(LOOKUP) {
            let ids = ids.to_vec();
            let found =
                sweep.places.db.read(move |tx| Box::pin(async move { gc::existing(tx, kind, &ids).await }));
            there.extend(found.await?);
        }
    }
    // A wrong database knows nobody, and everything would go.
    if !owners.is_empty() && there.is_empty() {
        return Err(invalid_state(format!(
            "None of the {} runs, models and traces that have files is in this database, so it may be the wrong one, or the wrong \
             --artifacts-destination. No file was deleted; where this is right, delete them by hand.",
            owners.len()
        ))
        .into());
    }
    // A folder of its own may be a part of the server's, too.
    let mut done = HashSet::new();
    for owned in owners {
        let Owned { id, folder, extent, is_fresh, .. } = owned;
        if is_fresh || there.contains(&id) || sweep.chosen.protection.by(&id).is_some() {
            continue;
        }
        let place = format!("{}/{}", folder.store, folder.path);
        if !done.insert(place.clone()) {
            continue;
        }
        let removed = if sweep.dry_run { Ok(()) } else { folders::remove(&folder, &id).await };
        match removed {
            Ok(()) => sweep.removed(Thing::Orphan, &id, Some(&place), extent),
            Err(error) => sweep.fail(Thing::Orphan, &id, &format!("they are in {place}. {error}")),
        }
    }
    Ok(())
}

/// The server's own store, and the folders of those experiments that are elsewhere.
fn areas(places: &Places<'_>, experiments: &[Found]) -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    if let Some(store) = places.destination {
        let parents = BTreeSet::from([String::new()]);
        areas.push(Area { store: store.clone(), known: BTreeSet::new(), parents });
    }
    for experiment in experiments {
        let Some(location) = &experiment.location else { continue };
        // What cannot be reached is not looked at.
        let Ok((store, path)) = proxied::resolve(location, places.destination, places.stores) else {
            continue;
        };
        let name = store.to_string();
        let area = match areas.iter_mut().find(|area| area.store.to_string() == name) {
            Some(area) => area,
            None => {
                areas.push(Area { store, known: BTreeSet::new(), parents: BTreeSet::new() });
                let last = areas.len() - 1;
                &mut areas[last]
            }
        };
        if path.name() == experiment.id {
            area.parents.insert(path.parent().as_str().to_owned());
        }
        area.known.insert(path.as_str().to_owned());
    }
    areas
}

async fn look(sweep: &mut Sweep<'_>, area: Area, now: SystemTime) -> Result<Vec<Owned>> {
    let mut owners: BTreeMap<ArtifactPath, Owned> = BTreeMap::new();
    let mut files = area.store.walk(&ArtifactPath::root());
    let mut count = 0;
    let failed = |error| internal(format!("{} could not be looked through: {error}", area.store));
    while let Some(file) = files.try_next().await.map_err(failed)? {
        count += 1;
        if count % TELL == 0 {
            sweep.looked(count);
        }
        let Some((kind, id, path)) = owner(&area, &file) else { continue };
        let owned = owners.entry(path.clone()).or_insert_with(|| Owned {
            kind,
            id,
            folder: Folder { store: area.store.clone(), path },
            extent: Extent::default(),
            is_fresh: false,
        });
        owned.extent.add(file.size);
        owned.is_fresh |= folders::is_fresh(file.modified, now);
    }
    Ok(owners.into_values().collect())
}

/// Whose a file is, and that one's folder; `None` for what does not lie where MLflow puts it.
fn owner(area: &Area, file: &FoundFile) -> Option<(Kind, String, ArtifactPath)> {
    let segments: Vec<&str> = file.path.as_str().split('/').collect();
    // The last segment is the file's name.
    let last = segments.len() - 1;
    for at in (0..last).filter(|at| segments[*at] == "artifacts") {
        let (kind, base) = match (at.checked_sub(1)?, at.checked_sub(2).map(|i| segments[i])) {
            (id, Some("models")) if is_model(segments[id]) => (Kind::LoggedModel, id - 1),
            (id, Some("traces")) if is_trace(segments[id]) => (Kind::Trace, id - 1),
            (id, _) if is_run(segments[id]) => (Kind::Run, id),
            _ => continue,
        };
        if is_experiment(area, &segments[..base]) {
            let mut folder = file.path.clone();
            for _ in at..last {
                folder = folder.parent();
            }
            return Some((kind, segments[at - 1].to_owned(), folder));
        }
    }
    None
}

fn is_experiment(area: &Area, segments: &[&str]) -> bool {
    let numbered = segments.split_last().is_some_and(|(name, parent)| {
        name.bytes().all(|b| b.is_ascii_digit()) && area.parents.contains(&parent.join("/"))
    });
    numbered || area.known.contains(&segments.join("/"))
}

fn is_run(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_model(id: &str) -> bool {
    id.strip_prefix("m-").is_some_and(is_run)
}

/// Older clients make them without the prefix.
fn is_trace(id: &str) -> bool {
    is_run(id.strip_prefix("tr-").unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn of(path: &str) -> Option<(Kind, String, String)> {
        let area = Area {
            store: Store::open("/destination", Path::new("/")).unwrap(),
            known: BTreeSet::from(["team/own".to_owned()]),
            parents: BTreeSet::from([String::new()]),
        };
        let path = ArtifactPath::parse(path).unwrap();
        let file = FoundFile { path, size: 1, modified: SystemTime::UNIX_EPOCH };
        owner(&area, &file).map(|(kind, id, folder)| (kind, id, folder.to_string()))
    }

    #[test]
    fn what_lies_where_mlflow_puts_it_has_an_owner() {
        for (path, kind, id, folder) in [
            (format!("7/{ID}/artifacts/a/b"), Kind::Run, ID.to_owned(), format!("7/{ID}/artifacts")),
            (
                format!("7/models/m-{ID}/artifacts/MLmodel"),
                Kind::LoggedModel,
                format!("m-{ID}"),
                format!("7/models/m-{ID}/artifacts"),
            ),
            (
                format!("7/traces/tr-{ID}/artifacts/t.json"),
                Kind::Trace,
                format!("tr-{ID}"),
                format!("7/traces/tr-{ID}/artifacts"),
            ),
            (
                format!("7/traces/{ID}/artifacts/t.json"),
                Kind::Trace,
                ID.to_owned(),
                format!("7/traces/{ID}/artifacts"),
            ),
            (
                format!("team/own/{ID}/artifacts/a"),
                Kind::Run,
                ID.to_owned(),
                format!("team/own/{ID}/artifacts"),
            ),
            (
                format!("7/{ID}/artifacts/models/m-{ID}/artifacts/a"),
                Kind::Run,
                ID.to_owned(),
                format!("7/{ID}/artifacts"),
            ),
        ] {
            assert_eq!(of(&path), Some((kind, id, folder)), "{path}");
        }
    }

    #[test]
    fn what_does_not_has_none() {
        for path in [
            format!("{ID}/artifacts/a"),
            format!("team/7/{ID}/artifacts/a"),
            format!("7/{ID}/artifacts"),
            format!("7/{ID}/other/a"),
            format!("seven/{ID}/artifacts/a"),
            format!("7/models/{ID}0/artifacts/a"),
            "7/run/artifacts/a".to_owned(),
            "artifacts/a".to_owned(),
            "a".to_owned(),
        ] {
            assert_eq!(of(&path), None, "{path}");
        }
    }
}
