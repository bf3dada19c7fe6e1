//! A place where artifacts are kept, opened from its URI. Which storage it is makes no difference to the callers.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use api::FileInfo;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};

use crate::cloud::CloudStore;
use crate::local::LocalStore;
use crate::multipart::{SentPart, StartedUpload};
use crate::{ArtifactPath, Error, Result};

/// An artifact store. Opening and cloning it is cheap and touches no storage.
#[derive(Debug, Clone)]
pub enum Store {
    /// A directory of this machine.
    Local(LocalStore),
    /// A place in cloud storage.
    Cloud(CloudStore),
}

/// Some of a file's bytes, as a request names them (the three forms of an HTTP range).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the second offset, both included.
    Between(u64, u64),
    /// From an offset to the end.
    From(u64),
    /// The last so many bytes.
    Last(u64),
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// In bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
    /// Changes whenever the content does; without quotes.
    pub etag: String,
}

/// A file as [`Store::walk`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// From the root of the store.
    pub path: ArtifactPath,
    /// In bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// A file being read.
pub struct Download {
    /// Of the whole file.
    pub meta: FileMeta,
    /// Which bytes of it `body` has.
    pub range: Range<u64>,
    /// The bytes. Nothing is read before it is polled; it fails when the file turns out shorter.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
}

impl Store {
    /// Opens the local store at `uri`: a path, relative to `cwd`, or a `file:` URI. [`crate::Stores`] opens clouds too.
    ///
    /// # Errors
    /// [`Error::UnsupportedUri`] for anything else.
    pub fn open(uri: &str, cwd: &Path) -> Result<Self> {
        let unsupported = || {
            let scheme = uri.split_once(':').map_or(uri, |(scheme, _)| scheme);
            Error::UnsupportedUri(scheme.to_owned())
        };
        match api::uri::is_local_uri(uri) {
            Ok(true) => {
                let path = api::uri::local_path(uri).map_err(|_| unsupported())?;
                // Without the `.` of `./mlartifacts`, which people would have to read.
                Ok(Self::local(cwd.join(path).components().collect()))
            }
            _ => Err(unsupported()),
        }
    }

    /// The store in a directory. Unlike [`Store::open`] this decodes nothing.
    pub fn local(directory: PathBuf) -> Self {
        Self::Local(LocalStore::new(directory))
    }

    /// The directory of this machine that it is in, if that is what it is.
    pub fn local_folder(&self) -> Option<&Path> {
        match self {
            Self::Local(store) => Some(store.root()),
            Self::Cloud(_) => None,
        }
    }

    /// Stores `body` at `path`, in place of what was there. When this returns `Ok` the bytes are safe; when it fails
    /// or is dropped, `path` is as before. Returns the number of bytes.
    ///
    /// # Errors
    /// [`Error::IsFolder`] and [`Error::BelowFile`] when `path` of a local store is taken otherwise (a cloud has no folders), [`Error::Body`] when `body` fails.
    pub async fn put<E: fmt::Display>(
        &self,
        path: &ArtifactPath,
        body: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<u64> {
        match self {
            Self::Local(store) => store.put(path, body).await,
            Self::Cloud(store) => store.put(path, body).await,
        }
    }

    /// Opens the file at `path` for reading; all of it when `range` is `None`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsFolder`], [`Error::RangeNotSatisfiable`].
    pub async fn get(&self, path: &ArtifactPath, range: Option<ByteRange>) -> Result<Download> {
        match self {
            Self::Local(store) => store.get(path, range).await,
            Self::Cloud(store) => store.get(path, range).await,
        }
    }

    /// A URL at which whoever has it can read the file at `path`, if it begins within five minutes. `None` for local stores, for
    /// what cannot be signed, and for files that are not there: [`Store::get`] says why.
    pub async fn download_url(&self, path: &ArtifactPath) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Cloud(store) => store.download_url(path).await,
        }
    }

    /// What is directly in the folder at `path`, sorted; paths are relative to the store. As in MLflow a file and a
    /// missing folder are lists without entries.
    ///
    /// # Errors
    /// [`Error::OutsideRoot`], [`Error::Io`].
    pub async fn list(&self, path: &ArtifactPath) -> Result<Vec<FileInfo>> {
        match self {
            Self::Local(store) => store.list(path).await,
            Self::Cloud(store) => store.list(path).await,
        }
    }

    /// All files below the folder at `path`, in no order, as they are found. What is being uploaded is not among them, nor are
    /// links.
    ///
    /// # Errors
    /// [`Error::OutsideRoot`], [`Error::Io`], as items.
    pub fn walk(&self, path: &ArtifactPath) -> BoxStream<'static, Result<FoundFile>> {
        match self {
            Self::Local(store) => store.walk(path),
            Self::Cloud(store) => store.walk(path),
        }
    }

    /// Deletes the file or the whole folder at `path`. As in MLflow it is no error when nothing is there.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for the root: MLflow empties the whole store on `DELETE .../artifacts/.`.
    pub async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        match self {
            Self::Local(store) => store.delete(path).await,
            Self::Cloud(store) => store.delete(path).await,
        }
    }

    /// Deletes everything in the store, for whoever has it to himself. [`Store::delete`] refuses to.
    ///
    /// # Errors
    /// Those of [`Store::list`] and [`Store::delete`].
    pub async fn empty(&self) -> Result<()> {
        let root = ArtifactPath::root();
        for entry in self.list(&root).await? {
            // As it was listed: nothing in a name is to be decoded.
            self.delete(&root.child(&entry.path)).await?;
        }
        Ok(())
    }

    /// Begins an upload to `path` whose `parts` a client sends to the store itself.
    ///
    /// # Errors
    /// [`Error::NoMultipart`] for local stores, [`Error::BadParts`], [`Error::Cloud`].
    pub async fn start_multipart(&self, path: &ArtifactPath, parts: usize) -> Result<StartedUpload> {
        match self {
            Self::Local(_) => Err(Error::NoMultipart),
            Self::Cloud(store) => store.start_multipart(path, parts).await,
        }
    }

    /// Makes the sent parts one file at `path`.
    ///
    /// # Errors
    /// As [`Store::start_multipart`].
    pub async fn complete_multipart(
        &self,
        path: &ArtifactPath,
        id: Option<&str>,
        sent: Vec<SentPart>,
    ) -> Result<()> {
        match self {
            Self::Local(_) => Err(Error::NoMultipart),
            Self::Cloud(store) => store.complete_multipart(path, id, sent).await,
        }
    }

    /// Gives up an upload and its parts.
    ///
    /// # Errors
    /// As [`Store::start_multipart`].
    pub async fn abort_multipart(&self, path: &ArtifactPath, id: Option<&str>) -> Result<()> {
        match self {
            Self::Local(_) => Err(Error::NoMultipart),
            Self::Cloud(store) => store.abort_multipart(path, id).await,
        }
    }
}

/// Where the artifacts are, for people to read.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(store) => store.root().display().fmt(f),
            Self::Cloud(store) => store.fmt(f),
        }
    }
}

impl ByteRange {
    /// The offsets this means in a file of `size` bytes, the end not included; `None` if there are none.
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(ByteRange::Between(1, 2).within(5), Some(1..3));
        assert_eq!(ByteRange::Between(1, u64::MAX).within(5), Some(1..5));
        assert_eq!(ByteRange::From(4).within(5), Some(4..5));
        assert_eq!(ByteRange::Last(9).within(5), Some(0..5));
        for none in
            [ByteRange::Between(5, 9), ByteRange::From(5), ByteRange::Last(0), ByteRange::Between(3, 2)]
        {
            assert_eq!(none.within(5), None, "{none:?}");
        }
        assert_eq!(ByteRange::From(0).within(0), None);
    }

    #[test]
    fn opens_what_is_local() {
        let cwd = Path::new("/srv/mlflow");
        for (uri, root) in [
            ("./mlartifacts", "/srv/mlflow/mlartifacts"),
            ("/data", "/data"),
            ("file:///data", "/data"),
            ("file:data", "/srv/mlflow/data"),
            ("/with%20space", "/with space"),
            ("file:///data?x=1", "/data"),
        ] {
            assert_eq!(Store::open(uri, cwd).unwrap().to_string(), root, "{uri}");
        }
    }

    #[test]
    fn refuses_other_schemes_without_showing_their_secrets() {
        for uri in ["hdfs://key:secret@host/x", "mlflow-artifacts:/", "file://host/x"] {
            let message = Store::open(uri, Path::new("/")).unwrap_err().to_string();
            assert!(message.contains("wasbs://") && !message.contains("secret"), "{message}");
        }
    }
}
