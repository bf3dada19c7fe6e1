//! Uploads whose parts a client sends to the cloud itself, by URLs that are signed for it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::cloud_open::Client;
use crate::cloud_uri::Container;
use crate::{ArtifactPath, Error, Result, cloud_error, signing};

/// How long the URLs are good for, as in MLflow.
const VALID: Duration = Duration::from_secs(60 * 60);
/// S3 and Google take no more.
const MOST_PARTS: usize = 10_000;

/// An upload that a client may go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedUpload {
    /// What the store calls it; Azure does not.
    pub id: Option<String>,
    /// Where the parts are to be `PUT`, in their order. Whoever has such a URL can write that part.
    pub urls: Vec<String>,
}

/// A part that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentPart {
    /// From 1.
    pub number: usize,
    /// As the store answered it.
    pub etag: Option<String>,
    /// Where it was sent.
    pub url: Option<String>,
}

pub(crate) async fn start(
    client: &Client,
    container: &Container,
    key: &Path,
    parts: usize,
) -> Result<StartedUpload> {
    if !(1..=MOST_PARTS).contains(&parts) {
        let why =
            format!("An upload has 1 to {MOST_PARTS} parts, not {parts}. Choose another size of the parts.");
        return Err(Error::BadParts(why));
    }
    let told = |error: object_store::Error| Error::from(cloud_error::of(&error, container));
    match client {
        Client::Azure(azure) => {
            let signed = signing::of_azure(azure, Method::PUT, key, VALID).await.map_err(told)?;
            let signed = signed.ok_or(Error::NoMultipart)?;
            let url = |part| format!("{signed}&comp=block&blockid={}", encoded(&block_id(part)));
            Ok(StartedUpload { id: None, urls: (1..=parts).map(url).collect() })
        }
        Client::S3(s3) => signed_parts(s3, key, parts).await.map_err(told),
        Client::Gcs(gcs) => signed_parts(gcs, key, parts).await.map_err(told),
    }
}

async fn signed_parts(
    store: &(impl MultipartStore + Signer),
    key: &Path,
    parts: usize,
) -> object_store::Result<StartedUpload> {
    let id = store.create_multipart(key).await?;
    let mut urls = Vec::with_capacity(parts);
    for part in 1..=parts {
        let query = [("partNumber", part.to_string()), ("uploadId", id.clone())];
        let options = SignedUrlOptions::new().with_query(query);
        match store.signed_url_opts(Method::PUT, key, VALID, &options).await {
            Ok(url) => urls.push(url.to_string()),
            Err(error) => {
                drop(store.abort_multipart(key, &id).await);
                return Err(error);
            }
        }
    }
    Ok(StartedUpload { id: Some(id), urls })
}

pub(crate) async fn complete(
    client: &Client,
    container: &Container,
    key: &Path,
    id: Option<&str>,
    mut sent: Vec<SentPart>,
) -> Result<()> {
    sent.sort_by_key(|part| part.number);
    if sent.is_empty() || sent.iter().enumerate().any(|(index, part)| part.number != index + 1) {
        return Err(Error::BadParts("The parts of the upload must be numbered 1, 2, 3 and so on.".into()));
    }
    let completed = match client {
        Client::Azure(azure) => {
            let blocks = sent.iter().map(|part| sent_block(part).unwrap_or_else(|| block_id(part.number)));
            azure.complete_multipart(key, &String::new(), blocks.map(part_id).collect()).await
        }
        Client::S3(s3) => s3.complete_multipart(key, &required(id)?, etags(sent)?).await,
        Client::Gcs(gcs) => gcs.complete_multipart(key, &required(id)?, etags(sent)?).await,
    };
    completed.map(drop).map_err(|error| cloud_error::of(&error, container).into())
}

pub(crate) async fn abort(
    client: &Client,
    container: &Container,
    key: &Path,
    id: Option<&str>,
) -> Result<()> {
    let aborted = match client {
        // It forgets parts by itself.
        Client::Azure(_) => return Ok(()),
        Client::S3(s3) => s3.abort_multipart(key, &required(id)?).await,
        Client::Gcs(gcs) => gcs.abort_multipart(key, &required(id)?).await,
    };
    match aborted {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(cloud_error::of(&error, container).into()),
    }
}

fn part_id(content_id: String) -> PartId {
    PartId { content_id }
}

fn etags(sent: Vec<SentPart>) -> Result<Vec<PartId>> {
    let missing =
        || Error::BadParts("Each part of the upload must come with the ETag that the store answered.".into());
    sent.into_iter().map(|part| part.etag.map(part_id).ok_or_else(missing)).collect()
}

fn required(id: Option<&str>) -> Result<String> {
    let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
    id.ok_or_else(|| Error::BadParts("The upload must be named by its upload_id.".into()))
}

/// All of a blob must be of one length, which MLflow's own are not.
fn block_id(part: usize) -> String {
    format!("mlflow_block_{part:05}")
}

fn encoded(block: &str) -> String {
    utf8_percent_encode(&BASE64_STANDARD.encode(block), NON_ALPHANUMERIC).to_string()
}

/// The block that a URL names: another server may have given it out.
fn sent_block(part: &SentPart) -> Option<String> {
    let (_, query) = part.url.as_deref()?.split_once('?')?;
    let block = query.split('&').find_map(|pair| pair.strip_prefix("blockid="))?;
    let block = percent_decode_str(block).decode_utf8().ok()?;
    String::from_utf8(BASE64_STANDARD.decode(block.as_bytes()).ok()?).ok()
}

/// The file that `name` is in `folder`: of a path on the client's machine only the last part counts.
///
/// # Errors
/// [`Error::InvalidPath`].
pub fn target(folder: &ArtifactPath, name: &str) -> Result<ArtifactPath> {
    let name = name.rsplit('/').next().unwrap_or_default();
    let file = ArtifactPath::parse(name)?;
    if file.is_root() { Err(Error::InvalidPath) } else { Ok(folder.join(&file)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_again_by_their_url() {
        let url = |block: &str| Some(format!("https://h/c/f?sig=x&comp=block&blockid={}", encoded(block)));
        for block in [block_id(1), block_id(10_000), "mlflow_block_12".to_owned()] {
            let part = SentPart { number: 1, etag: None, url: url(&block) };
            assert_eq!(sent_block(&part), Some(block));
        }
        let other = SentPart { number: 1, etag: None, url: Some("https://h/c/f?sig=x".into()) };
        assert_eq!(sent_block(&other), None);
        assert_eq!(block_id(1).len(), block_id(10_000).len());
    }

    #[test]
    fn the_target_is_in_its_folder() {
        let folder = ArtifactPath::parse("1/run").unwrap();
        assert_eq!(target(&folder, "/home/me/model.bin").unwrap().as_str(), "1/run/model.bin");
        for name in ["", "a/", "..", "/home/..", "%2e%2e%2fx", "%2fetc%2fpasswd", "a\\..\\b"] {
            assert!(target(&folder, name).is_err(), "{name}");
        }
    }
}
