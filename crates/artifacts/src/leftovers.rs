//! What an upload leaves behind when its process is killed: the hidden file that it was writing to.
//!
//! Several processes may share a folder, so a file is not left over because this process does not write to it. A running
//! upload holds a lock on its file, which the system takes back however the process ends; where a file system has no
//! locks, nothing is removed. The age covers the moment between making the file and locking it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::path::UPLOAD_PREFIX;

/// How long ago an upload must have been written to for the last time.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Marks a file as one that is being written, until it is closed.
pub(crate) fn claim(file: &File) {
    // Without locks the file counts as being written for ever, which is the safe side.
    drop(file.try_lock());
}

/// Removes the hidden file of an upload unless it may be going on.
pub(crate) fn remove_if_abandoned(hidden: &Path, age: Duration) -> bool {
    let is_old = fs::symlink_metadata(hidden).is_ok_and(|meta| {
        let since = meta.modified().ok().and_then(|written| SystemTime::now().duration_since(written).ok());
        meta.is_file() && since.is_some_and(|since| since >= age)
    });
    if !is_old {
        return false;
    }
    let Ok(file) = OpenOptions::new().write(true).open(hidden) else { return false };
    file.try_lock().is_ok() && fs::remove_file(hidden).is_ok()
}

/// Removes all abandoned uploads below `root`, without following links, and counts them. Folders that cannot be read are
/// passed over: this is tidying, not a duty.
pub(crate) fn remove_all(root: &Path, age: Duration) -> usize {
    let mut removed = 0;
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else if entry.file_name().as_encoded_bytes().starts_with(UPLOAD_PREFIX.as_bytes()) {
                removed += usize::from(remove_if_abandoned(&entry.path(), age));
            }
        }
    }
    removed
}
