//! Artifacts in a directory, as MLflow's `LocalArtifactRepository` lays them out.
//!
//! All file system calls run on the blocking pool, in steps of one chunk, so that a slow client holds no thread. A
//! file appears under its name only when it is complete and on disk. Symbolic links are followed only as long as
//! they stay below the root; links cannot be made over the API, so a link that changes between the check and the
//! use would have to be an act of someone who has the directory anyway.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::FileInfo;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};

use crate::leftovers::{self, ABANDONED_AFTER};
use crate::path::UPLOAD_PREFIX;
use crate::store::{ByteRange, Download, FileMeta, FoundFile};
use crate::{ArtifactPath, Error, Result, local_read, local_walk, local_write};

/// A directory with artifacts. It need not exist before the first upload.
#[derive(Debug, Clone)]
pub struct LocalStore {
    root: Arc<Path>,
}

impl LocalStore {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directory if need be and writes to it, so that a server can tell at its start, not at an upload.
    ///
    /// # Errors
    /// What the file system says.
    pub fn check_writable(&self) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        // Processes of different containers may have the same number.
        let probe = self.root.join(format!("{UPLOAD_PREFIX}{}", uuid::Uuid::new_v4().simple()));
        fs::File::create(&probe)?;
        fs::remove_file(&probe)
    }

    /// Removes what uploads left behind that a crash cut off at least `age` ago, and answers how many there were. Walks
    /// through every folder. A folder that is listed is cleared of them, too.
    pub async fn remove_leftovers(&self, age: Duration) -> usize {
        let root = self.root.clone();
        blocking(move || Ok(leftovers::remove_all(&root, age))).await.unwrap_or_default()
    }

    pub(crate) async fn put<E: std::fmt::Display>(
        &self,
        path: &ArtifactPath,
        body: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<u64> {
        local_write::put(self.root.clone(), path.clone(), body).await
    }

    pub(crate) async fn get(&self, path: &ArtifactPath, range: Option<ByteRange>) -> Result<Download> {
        let (root, wanted) = (self.root.clone(), path.clone());
        let (file, meta) = blocking(move || open(&root, &wanted)).await?;
        let range = match range {
            None => 0..meta.size,
            Some(range) => range.within(meta.size).ok_or(Error::RangeNotSatisfiable { size: meta.size })?,
        };
        let body = local_read::chunks(file, range.clone());
        Ok(Download { meta, range, body })
    }

    pub(crate) async fn list(&self, path: &ArtifactPath) -> Result<Vec<FileInfo>> {
        let (root, path) = (self.root.clone(), path.clone());
        blocking(move || list(&root, &path)).await
    }

    pub(crate) fn walk(&self, path: &ArtifactPath) -> BoxStream<'static, Result<FoundFile>> {
        local_walk::files(self.root.clone(), path.clone())
    }

    pub(crate) async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        let (root, path) = (self.root.clone(), path.clone());
        blocking(move || delete(&root, &path)).await
    }
}

/// Runs file system calls where they block no other request.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => Err(Error::Io(io::Error::other(panicked))),
    }
}

/// The real path of what is at `path`, if there is something, and if that is below the root.
pub(crate) fn find(root: &Path, path: &ArtifactPath) -> Result<Option<PathBuf>> {
    let Some(real_root) = if_there(root.canonicalize())? else { return Ok(None) };
    let Some(real) = if_there(real_root.join(path.as_str()).canonicalize())? else { return Ok(None) };
    if real.starts_with(&real_root) { Ok(Some(real)) } else { Err(Error::OutsideRoot) }
}

fn open(root: &Path, path: &ArtifactPath) -> Result<(fs::File, FileMeta)> {
    let not_found = || Error::NotFound(path.clone());
    let real = find(root, path)?.ok_or_else(not_found)?;
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let kind = if_there(fs::metadata(&real))?.ok_or_else(not_found)?;
    if kind.is_dir() {
        return Err(Error::IsFolder(path.clone()));
    }
    if !kind.is_file() {
        return Err(not_found());
    }
    let file = if_there(fs::File::open(&real))?.ok_or_else(not_found)?;
    let meta = file.metadata()?;
    // Every upload is a new inode, so two of the same size within one tick of the clock differ too.
    let etag = format!("{:x}-{:x}-{:x}.{:x}", meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec());
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok((file, FileMeta { size: meta.len(), modified, etag }))
}

fn list(root: &Path, path: &ArtifactPath) -> Result<Vec<FileInfo>> {
    let Some(real) = find(root, path)?.filter(|real| real.is_dir()) else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for entry in fs::read_dir(&real)? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that is not UTF-8 cannot be asked for, but should not be invisible either.
        let name = name.to_string_lossy();
        if name.starts_with(UPLOAD_PREFIX) {
            leftovers::remove_if_abandoned(&entry.path(), ABANDONED_AFTER);
            continue;
        }
        let path = path.child(&name);
        // What vanishes meanwhile is not there; neither are links that are broken or lead out.
        let kind = match if_there(entry.file_type())? {
            Some(kind) if kind.is_symlink() => match find(root, &path) {
                Ok(Some(real)) => if_there(fs::metadata(real))?,
                _ => None,
            },
            Some(_) => if_there(entry.metadata())?,
            None => None,
        };
        let Some(meta) = kind else { continue };
        let file_size = (!meta.is_dir()).then_some(meta.len());
        entries.push(FileInfo { path: path.to_string(), is_dir: meta.is_dir(), file_size });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn delete(root: &Path, path: &ArtifactPath) -> Result<()> {
    if path.is_root() {
        return Err(Error::InvalidPath);
    }
    let Some(parent) = find(root, &path.parent())? else { return Ok(()) };
    // The last segment is not resolved: of a link, the link itself goes.
    let victim = parent.join(path.name());
    let Some(meta) = if_there(fs::symlink_metadata(&victim))? else { return Ok(()) };
    let removed = if meta.is_dir() { fs::remove_dir_all(&victim) } else { fs::remove_file(&victim) };
    if_there(removed)?;
    Ok(())
}

/// `None` where the file system says that there is nothing of this name.
pub(crate) fn if_there<T>(result: io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
