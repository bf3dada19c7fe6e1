//! Whether a path leads into a folder.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::local::{blocking, if_there};

/// Whether `path` is `folder`, or below it, wherever symbolic links on the way lead. Neither need exist.
///
/// # Errors
/// What the file system says, but for what is not there.
pub async fn is_below(path: PathBuf, folder: PathBuf) -> Result<bool> {
    blocking(move || Ok(resolve(&path)?.starts_with(resolve(&folder)?))).await
}

/// The real path, as far as there is something; what follows stays as it is.
fn resolve(path: &Path) -> Result<PathBuf> {
    for there in path.ancestors() {
        if let Some(real) = if_there(there.canonicalize())? {
            let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
            return Ok(real.join(rest));
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[tokio::test]
    async fn links_are_followed_wherever_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let (run, other) = (folder.path().join("run"), folder.path().join("other"));
        for path in [&run, &other] {
            std::fs::create_dir(path).unwrap();
        }
        symlink(&other, run.join("out")).unwrap();
        symlink(&run, folder.path().join("alias")).unwrap();
        let below = async |path: &str| is_below(folder.path().join(path), run.clone()).await.unwrap();
        assert!(below("run").await && below("run/model").await && below("run/not/there").await);
        assert!(below("alias/model").await);
        assert!(!below("other").await && !below("run/out").await && !below("run/out/model").await);
        assert!(!below("runner").await && !below("").await);
    }
}
