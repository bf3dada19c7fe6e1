//! Finding all files below a folder, a folder at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::local::{blocking, find, if_there};
use crate::path::UPLOAD_PREFIX;
use crate::store::FoundFile;
use crate::{ArtifactPath, Error, Result};

/// All files below `folder`, in no order. Links are not followed, so that none is found twice, or outside the root.
pub(crate) fn files(root: Arc<Path>, folder: ArtifactPath) -> BoxStream<'static, Result<FoundFile>> {
    let folders = vec![folder];
    let found = stream::try_unfold((root, folders), async |(root, mut folders)| {
        let Some(folder) = folders.pop() else { return Ok(None) };
        let below = Arc::clone(&root);
        let (files, more) = blocking(move || look(&below, &folder)).await?;
        folders.extend(more);
        Ok::<_, Error>(Some((stream::iter(files.into_iter().map(Ok)), (root, folders))))
    });
    found.try_flatten().boxed()
}

/// The files and the folders directly in a folder.
fn look(root: &Path, folder: &ArtifactPath) -> Result<(Vec<FoundFile>, Vec<ArtifactPath>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let real: Option<PathBuf> = find(root, folder)?.filter(|real| real.is_dir());
    let Some(entries) = real.map(|real| if_there(fs::read_dir(real))).transpose()?.flatten() else {
        return Ok((files, folders));
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some(meta) = if_there(entry.metadata())? else { continue };
        let path = folder.child(&name);
        if meta.is_dir() {
            folders.push(path);
        } else if meta.is_file() && !name.starts_with(UPLOAD_PREFIX) {
            let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(FoundFile { path, size: meta.len(), modified });
        }
    }
    Ok((files, folders))
}
