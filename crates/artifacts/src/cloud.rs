//! Artifacts in a container of a cloud, below a prefix, under the keys that MLflow's own repositories give them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::FileInfo;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStoreExt};

use crate::cloud_client::CloudClient;
use crate::cloud_error::{self, CloudError, Fault};
use crate::cloud_open::Client;
use crate::cloud_uri::{CloudUri, Container};
use crate::multipart::{self, SentPart, StartedUpload};
use crate::store::{ByteRange, Download, FileMeta, FoundFile};
use crate::{ArtifactPath, Error, Result, cloud_check, cloud_write, signing};

/// Clients begin at once; how long they then take makes no difference.
const DOWNLOAD_VALID: Duration = Duration::from_secs(5 * 60);

/// A folder of a container or bucket.
#[derive(Clone)]
pub struct CloudStore {
    client: Arc<CloudClient>,
    prefix: ArtifactPath,
}

impl CloudStore {
    pub(crate) fn new(client: Arc<CloudClient>, prefix: &str) -> Self {
        Self { client, prefix: ArtifactPath::root().child(prefix) }
    }

    /// The container or bucket.
    pub fn container(&self) -> &Container {
        self.client.container()
    }

    /// Looks whether artifacts can be stored, and stores nothing: the server asks whenever it is asked whether it is ready. On S3
    /// and Google the right to write is not among what is seen.
    ///
    /// # Errors
    /// [`CloudError`], which tells a wrong key, a missing container, a missing role and a store out of reach apart.
    pub async fn check(&self) -> std::result::Result<(), CloudError> {
        let folder = self.folder_key(&ArtifactPath::root());
        cloud_check::check(&self.client.get(), self.container(), &folder).await
    }

    /// The same with a look whether files can be written everywhere, for the start of the server.
    ///
    /// # Errors
    /// As [`CloudStore::check`].
    pub async fn check_writable(&self) -> std::result::Result<(), CloudError> {
        self.check().await?;
        let folder = self.folder_key(&ArtifactPath::root());
        cloud_check::begin(&self.client.get(), self.container(), &folder).await
    }

    pub(crate) async fn put<E: fmt::Display>(
        &self,
        path: &ArtifactPath,
        body: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<u64> {
        if path.is_root() {
            return Err(Error::IsFolder(path.clone()));
        }
        let key = self.key(path)?;
        cloud_write::put(self.client.get(), self.container().clone(), path, key, body).await
    }

    pub(crate) async fn get(&self, path: &ArtifactPath, range: Option<ByteRange>) -> Result<Download> {
        if path.is_root() {
            return Err(Error::IsFolder(path.clone()));
        }
        let (client, key) = (self.client.get(), self.key(path)?);
        let part = match range {
            None => None,
            Some(ByteRange::Between(first, last)) => Some(GetRange::Bounded(first..last.saturating_add(1))),
            Some(ByteRange::From(first)) => Some(GetRange::Offset(first)),
            // Azure knows no ranges from the end.
            Some(last @ ByteRange::Last(_)) if matches!(*client, Client::Azure(_)) => {
                let size = self.size(&client, path, &key).await?;
                Some(GetRange::Bounded(last.within(size).ok_or(Error::RangeNotSatisfiable { size })?))
            }
            Some(ByteRange::Last(count)) => Some(GetRange::Suffix(count)),
        };
        let options = GetOptions { range: part, ..GetOptions::default() };
        let error = match client.objects().get_opts(&key, options).await {
            Ok(found) => return Ok(download(found, self.container().clone())),
            Err(error) => cloud_error::of_path(&error, self.container(), path),
        };
        match (&error, range) {
            (Error::NotFound(_), _) if self.is_folder(&client, path).await? => {
                return Err(Error::IsFolder(path.clone()));
            }
            // Stores differ in how they refuse a range, and none tells the size.
            (Error::Cloud(cloud), Some(range)) if cloud.fault == Fault::Other => {
                let size = self.size(&client, path, &key).await?;
                if range.within(size).is_none() {
                    return Err(Error::RangeNotSatisfiable { size });
                }
            }
            _ => {}
        }
        Err(error)
    }

    /// Whatever is in the way, the proxy meets it too, and tells the client.
    pub(crate) async fn download_url(&self, path: &ArtifactPath) -> Option<String> {
        let (client, key) = (self.client.get(), self.key(path).ok()?);
        let signed = match signing::to_read(&client, &key, DOWNLOAD_VALID).await {
            Ok(signed) => signed?,
            Err(error) => {
                let error = cloud_error::of(&error, self.container());
                tracing::warn!(%error, "no URL can be signed for a download, which goes through this server");
                return None;
            }
        };
        client.objects().head(&key).await.ok()?;
        Some(signed.to_string())
    }

    pub(crate) async fn list(&self, path: &ArtifactPath) -> Result<Vec<FileInfo>> {
        let folder = self.prefix.join(path);
        let folder = if folder.is_root() { None } else { Some(self.key(path)?) };
        let found = self.client.get().objects().list_with_delimiter(folder.as_ref()).await;
        let found = found.map_err(|error| self.told(&error))?;
        let folders = found.common_prefixes.iter().map(|key| (key, None));
        let files = found.objects.iter().map(|file| (&file.location, Some(file.size)));
        let mut entries: Vec<_> = folders
            .chain(files)
            .filter_map(|(key, file_size)| {
                // Some tools keep an object of the folder's own name.
                let path = self.path(key).filter(|below| below != path)?.to_string();
                Some(FileInfo { path, is_dir: file_size.is_none(), file_size })
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    pub(crate) fn walk(&self, path: &ArtifactPath) -> BoxStream<'static, Result<FoundFile>> {
        let folder = match self.key(path) {
            Ok(key) => Some(key).filter(|key| !key.as_ref().is_empty()),
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let store = self.clone();
        let found = self.client.get().objects().list(folder.as_ref());
        found
            .map(move |file| {
                let file = file.map_err(|error| store.told(&error))?;
                Ok(store.path(&file.location).map(|path| FoundFile {
                    path,
                    size: file.size,
                    modified: SystemTime::from(file.last_modified),
                }))
            })
            .try_filter_map(async |found| Ok(found))
            .boxed()
    }

    pub(crate) async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        if path.is_root() {
            return Err(Error::InvalidPath);
        }
        let (client, key) = (self.client.get(), self.key(path)?);
        let below = client.objects().list(Some(&key)).map_ok(|file| file.location);
        let mut deleted = client.objects().delete_stream(below.boxed());
        while let Some(one) = deleted.next().await {
            self.passed_over(one.map(drop))?;
        }
        self.passed_over(client.objects().delete(&key).await)
    }

    pub(crate) async fn start_multipart(&self, path: &ArtifactPath, parts: usize) -> Result<StartedUpload> {
        multipart::start(&self.client.get(), self.container(), &self.key(path)?, parts).await
    }

    pub(crate) async fn complete_multipart(
        &self,
        path: &ArtifactPath,
        id: Option<&str>,
        sent: Vec<SentPart>,
    ) -> Result<()> {
        multipart::complete(&self.client.get(), self.container(), &self.key(path)?, id, sent).await
    }

    pub(crate) async fn abort_multipart(&self, path: &ArtifactPath, id: Option<&str>) -> Result<()> {
        multipart::abort(&self.client.get(), self.container(), &self.key(path)?, id).await
    }

    /// What is gone already is deleted.
    fn passed_over(&self, deleted: object_store::Result<()>) -> Result<()> {
        match deleted {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(self.told(&error)),
        }
    }

    async fn size(&self, client: &Client, path: &ArtifactPath, key: &Path) -> Result<u64> {
        let found = client.objects().head(key).await;
        found.map(|meta| meta.size).map_err(|error| cloud_error::of_path(&error, self.container(), path))
    }

    async fn is_folder(&self, client: &Client, path: &ArtifactPath) -> Result<bool> {
        let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let found = client.pages().list_paginated(Some(&self.folder_key(path)), one).await;
        let found = found.map_err(|error| self.told(&error))?;
        Ok(!found.result.objects.is_empty())
    }

    fn told(&self, error: &object_store::Error) -> Error {
        cloud_error::of(error, self.container()).into()
    }

    /// `Path::parse` takes the name as it is, where `Path::from` would encode it: keys are as Python writes them.
    pub(crate) fn key(&self, path: &ArtifactPath) -> Result<Path> {
        Path::parse(self.prefix.join(path).as_str()).map_err(|_| Error::InvalidPath)
    }

    /// What the keys of everything in a folder begin with.
    fn folder_key(&self, path: &ArtifactPath) -> String {
        let folder = self.prefix.join(path);
        if folder.is_root() { String::new() } else { format!("{folder}/") }
    }

    /// A key seen from the store; `None` for the store itself.
    fn path(&self, key: &Path) -> Option<ArtifactPath> {
        let below = match self.prefix.is_root() {
            true => Some(key.as_ref()),
            false => key.as_ref().strip_prefix(self.prefix.as_str())?.strip_prefix('/'),
        };
        below.filter(|below| !below.is_empty()).map(|below| ArtifactPath::root().child(below))
    }
}

fn download(found: GetResult, container: Container) -> Download {
    let (meta, range) = (file_meta(&found.meta), found.range.clone());
    let body = found.into_stream();
    let body =
        body.map_err(move |error| std::io::Error::other(cloud_error::of(&error, &container).to_string()));
    Download { meta, range, body: body.boxed() }
}

fn file_meta(meta: &ObjectMeta) -> FileMeta {
    let modified = SystemTime::from(meta.last_modified);
    let etag = meta.e_tag.as_deref().map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
    let etag = etag.unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp_millis(), meta.size));
    FileMeta { size: meta.size, modified, etag }
}

/// As a URI, without secrets.
impl fmt::Display for CloudStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CloudUri { container: self.container().clone(), prefix: self.prefix.to_string() }.fmt(f)
    }
}

impl fmt::Debug for CloudStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudStore({self})")
    }
}
