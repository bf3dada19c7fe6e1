//! The files of one object: how many there are, and removing them with their folder.

use super::Places;
use artifacts::{ArtifactPath, Error, Store, proxied};
use futures_util::TryStreamExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What there is in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Extent {
    pub files: u64,
    pub bytes: u64,
}

/// A folder of one object in a store.
#[derive(Debug, Clone)]
pub struct Folder {
    pub(super) store: Store,
    pub(super) path: ArtifactPath,
}

impl Extent {
    /// One file more.
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// The folder at `location`, which must be the own one of the object with this id: its id is a part of the path wherever MLflow
/// makes one. What has been told otherwise may be the folder of somebody else, or of everybody.
///
/// # Errors
/// A sentence.
pub(super) fn own(places: &Places<'_>, location: &str, id: &str) -> Result<Folder, String> {
    let (store, path) =
        proxied::resolve(location, places.destination, places.stores).map_err(|error| match error {
            Error::NotServed(_) => format!(
                "its files are in {location}, in the server's --artifacts-destination, which is not named or not there; name it"
            ),
            error => format!("its files are in {location}. {error}"),
        })?;
    if !is_own(&store, &path, id) {
        return Err(format!(
            "its files are in {location}, which is not a folder of its own; move them, and delete it by hand"
        ));
    }
    Ok(Folder { store, path })
}

/// Looks at the place itself: a URI may name the id without leading to it, after a `?` or a `#`.
fn is_own(store: &Store, path: &ArtifactPath, id: &str) -> bool {
    let place = if path.is_root() { store.to_string() } else { path.to_string() };
    place.split('/').any(|segment| segment == id)
}

/// What is in the folder.
///
/// # Errors
/// Of the store.
pub(super) async fn measure(folder: &Folder) -> Result<Extent, Error> {
    let found = folder.store.walk(&folder.path);
    found
        .try_fold(Extent::default(), async |mut extent, file| {
            extent.add(file.size);
            Ok(extent)
        })
        .await
}

/// Removes the folder with all that is in it, and the one around it if that is the object's, too, and empty.
///
/// # Errors
/// Of the store.
pub(super) async fn remove(folder: &Folder, id: &str) -> Result<(), Error> {
    let Folder { store, path } = folder;
    if path.is_root() {
        // The object has a store of its own, and a store does not delete its root.
        store.empty().await?;
    } else {
        store.delete(path).await?;
    }
    let Some(directory) = directory(folder) else { return Ok(()) };
    let around = directory.parent().filter(|around| around.file_name().is_some_and(|name| name == id));
    let around = around.map(Path::to_owned);
    remove_if_empty(std::iter::once(directory).chain(around).collect()).await;
    Ok(())
}

/// Removes the folders that an experiment had for its objects, and its own, as far as they are empty. What else somebody put
/// there is his.
pub(super) async fn remove_empty_experiment(places: &Places<'_>, location: &str) {
    let Ok((store, path)) = proxied::resolve(location, places.destination, places.stores) else {
        return;
    };
    let folder = Folder { store, path };
    let Some(directory) = directory(&folder) else { return };
    // An experiment may be told to use all of the server's store.
    if places.destination.and_then(Store::local_folder) == Some(&directory) {
        return;
    }
    remove_if_empty(vec![directory.join("models"), directory.join("traces"), directory]).await;
}

fn directory(folder: &Folder) -> Option<PathBuf> {
    Some(folder.store.local_folder()?.join(folder.path.as_str()))
}

/// The file system itself refuses to remove a directory with something in it, whatever comes in meanwhile.
async fn remove_if_empty(directories: Vec<PathBuf>) {
    let removing = tokio::task::spawn_blocking(move || {
        for directory in directories {
            drop(std::fs::remove_dir(directory));
        }
    });
    drop(removing.await);
}

/// Whether a file was written too short a time ago to be sure that nobody is still at it.
pub(super) fn is_fresh(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age < super::orphans::SETTLED) || modified > now
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifacts::{Environment, Stores};

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[tokio::test]
    async fn only_what_is_its_own_is_taken_for_it() {
        let destination = Store::local("/destination".into());
        let dir = tempfile::tempdir().unwrap();
        let uri = format!("sqlite:///{}", dir.path().join("x.db").display());
        let db = store::db::Db::open(&store::uri::DatabaseUri::parse(&uri).unwrap()).await.unwrap();
        let stores = Stores::new("/".into(), Environment::new(|_| None));
        for (location, expected) in [
            ("mlflow-artifacts:/1/ID/artifacts", true),
            ("/data/1/ID/artifacts", true),
            ("file:///data/ID", true),
            ("mlflow-artifacts:/1", false),
            ("mlflow-artifacts:/", false),
            ("/data", false),
            // What a URI says besides its path names no folder.
            ("mlflow-artifacts:/1?/ID/", false),
            ("mlflow-artifacts:/1#/ID/", false),
            ("mlflow-artifacts://ID/1", false),
            ("file:///data?/ID/", false),
            ("file:///data#/ID/", false),
        ] {
            let location = location.replace("ID", ID);
            let places = Places { db: &db, registry: &db, destination: Some(&destination), stores: &stores };
            assert_eq!(own(&places, &location, ID).is_ok(), expected, "{location}");
        }
    }
}
