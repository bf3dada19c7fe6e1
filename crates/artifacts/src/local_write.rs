//! Writing an upload: under a hidden name, to disk, and only then under its own name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};

use crate::local::{blocking, find, if_there};
use crate::path::UPLOAD_PREFIX;
use crate::{ArtifactPath, Error, Result, leftovers};

/// How much is gathered before it is written.
const CHUNK: usize = 1024 * 1024;

/// Streams `body` to `path` below `root`. While one chunk is written the next one is gathered.
pub(crate) async fn put<E: std::fmt::Display>(
    root: Arc<Path>,
    path: ArtifactPath,
    body: impl Stream<Item = std::result::Result<Bytes, E>>,
) -> Result<u64> {
    let mut body = pin!(body);
    // Before the first look at the body, which tells a client that asked (`Expect: 100-continue`) to send it.
    let mut upload = blocking(move || Upload::start(&root, &path)).await?;
    let mut gathered = gather(&mut body).await;
    loop {
        match gathered {
            Ok(batch) if batch.is_empty() => return blocking(|| upload.finish()).await,
            Ok(batch) => {
                let (written, next) =
                    tokio::join!(blocking(move || upload.append(&batch)), gather(&mut body));
                (upload, gathered) = (written?, next);
            }
            Err(error) => {
                let discarded = blocking(move || {
                    drop(upload);
                    Ok(())
                });
                discarded.await?;
                return Err(Error::Body(error.to_string()));
            }
        }
    }
}

async fn gather<E>(
    mut body: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
) -> std::result::Result<Vec<Bytes>, E> {
    let mut batch = Vec::new();
    let mut size = 0;
    while size < CHUNK {
        let Some(bytes) = body.next().await.transpose()? else { break };
        if !bytes.is_empty() {
            size += bytes.len();
            batch.push(bytes);
        }
    }
    Ok(batch)
}

/// A file that is not yet under its name. Dropping it removes it.
struct Upload {
    file: File,
    size: u64,
    hidden: PathBuf,
    folder: PathBuf,
    path: ArtifactPath,
}

impl Upload {
    fn start(root: &Path, path: &ArtifactPath) -> Result<Self> {
        if path.is_root() {
            return Err(Error::IsFolder(path.clone()));
        }
        let folder = make_folder(root, path)?;
        // Found out now rather than after the last byte; `rename` finds it out for certain.
        if if_there(fs::symlink_metadata(folder.join(path.name())))?.is_some_and(|meta| meta.is_dir()) {
            return Err(Error::IsFolder(path.clone()));
        }
        let hidden = folder.join(format!("{UPLOAD_PREFIX}{}", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).open(&hidden)?;
        leftovers::claim(&file);
        Ok(Self { file, size: 0, hidden, folder, path: path.clone() })
    }

    fn append(mut self, batch: &[Bytes]) -> Result<Self> {
        for bytes in batch {
            self.file.write_all(bytes)?;
            self.size += bytes.len() as u64;
        }
        Ok(self)
    }

    /// Puts the file under its name. The content is on disk before the name is, the name before this returns.
    fn finish(self) -> Result<u64> {
        self.file.sync_all()?;
        match fs::rename(&self.hidden, self.folder.join(self.path.name())) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                return Err(Error::IsFolder(self.path.clone()));
            }
            Err(error) => return Err(error.into()),
        }
        sync_folder(&self.folder)?;
        Ok(self.size)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // After `finish` there is nothing left of this name. When a request is given up in the middle, this runs
        // on the blocking pool, at the end of the write that was going on.
        drop(fs::remove_file(&self.hidden));
    }
}

/// The real path of the folder that `path` goes into, made if need be.
fn make_folder(root: &Path, path: &ArtifactPath) -> Result<PathBuf> {
    let parent = path.parent();
    if let Some(folder) = find(root, &parent)? {
        return if folder.is_dir() { Ok(folder) } else { Err(Error::BelowFile(path.clone())) };
    }
    fs::create_dir_all(root)?;
    let real_root = root.canonicalize()?;
    let mut folder = real_root.clone();
    for segment in parent.as_str().split('/').filter(|segment| !segment.is_empty()) {
        let next = folder.join(segment);
        match fs::create_dir(&next) {
            Ok(()) => sync_folder(&folder)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::BelowFile(path.clone()));
            }
            Err(error) => return Err(error.into()),
        }
        // What was there before may be a link, or one that leads nowhere.
        folder = if_there(next.canonicalize())?.ok_or(Error::OutsideRoot)?;
        if !folder.starts_with(&real_root) {
            return Err(Error::OutsideRoot);
        }
        if !folder.is_dir() {
            return Err(Error::BelowFile(path.clone()));
        }
    }
    Ok(folder)
}

/// Makes the names in a folder survive a power failure.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
