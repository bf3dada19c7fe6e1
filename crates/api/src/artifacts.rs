//! Artifacts: file entries, requests and responses.

use crate::number;
use crate::request::{Check::*, Field, Request, field, repeated};
use serde::{Deserialize, Serialize};

/// MLflow's `FileInfo` message: one entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct FileInfo {
    pub path: String,
    pub is_dir: bool,
    /// In bytes. Folders have none, and MLflow leaves it out for empty files as well.
    #[serde(skip_serializing_if = "is_empty")]
    pub file_size: Option<u64>,
}

fn is_empty(size: &Option<u64>) -> bool {
    size.is_none_or(|size| size == 0)
}

/// `artifacts/list`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct ListArtifacts {
    #[serde(default, alias = "runId")]
    pub run_id: Option<String>,
    #[serde(default, alias = "runUuid")]
    pub run_uuid: Option<String>,
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default, alias = "pageToken")]
    pub page_token: Option<String>,
}

impl Request for ListArtifacts {
    const FIELDS: &'static [Field] =
        &[field("run_id", &[Str, Required]), field("path", &[ArtifactPath]), field("page_token", &[Str])];
}

/// The listing of `mlflow-artifacts/artifacts`
#[derive(Debug, Deserialize)]
pub struct ListProxiedArtifacts {
    /// The folder to list; the artifact destination itself when absent.
    #[serde(default)]
    pub path: Option<String>,
}

impl Request for ListProxiedArtifacts {
    const FIELDS: &'static [Field] = &[field("path", &[ArtifactPath])];
}

/// `mlflow-artifacts/mpu/create`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateMultipartUpload {
    #[serde(default)]
    pub path: String,
    #[serde(default, alias = "numParts", deserialize_with = "number::opt_int64")]
    pub num_parts: Option<i64>,
}

impl Request for CreateMultipartUpload {
    const FIELDS: &'static [Field] = &[field("path", &[Required, Str]), field("num_parts", &[IntLike])];
}

/// The answer to it: a place to send each part to.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CreateMultipartUploadResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    pub credentials: Vec<MultipartUploadCredential>,
}

/// Where a part goes.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct MultipartUploadCredential {
    pub url: String,
    pub part_number: i64,
}

/// `mlflow-artifacts/mpu/complete`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct CompleteMultipartUpload {
    #[serde(default)]
    pub path: String,
    #[serde(default, alias = "uploadId")]
    pub upload_id: Option<String>,
    #[serde(default)]
    pub parts: Vec<MultipartUploadPart>,
}

impl Request for CompleteMultipartUpload {
    const FIELDS: &'static [Field] =
        &[field("path", &[Required, Str]), field("upload_id", &[Str]), repeated("parts", &[Required])];
}

/// A part that was sent.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct MultipartUploadPart {
    #[serde(default, alias = "partNumber", deserialize_with = "number::opt_int64")]
    pub part_number: Option<i64>,
    #[serde(default)]
    pub etag: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
}

/// `mlflow-artifacts/mpu/abort`
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct AbortMultipartUpload {
    #[serde(default)]
    pub path: String,
    #[serde(default, alias = "uploadId")]
    pub upload_id: Option<String>,
}

impl Request for AbortMultipartUpload {
    const FIELDS: &'static [Field] = &[field("path", &[Required, Str]), field("upload_id", &[Str])];
}

/// The response of every listing.
#[derive(Debug, Serialize)]
pub struct ListArtifactsResponse {
    /// The root the paths are relative to; the proxy's own listing has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_uri: Option<String>,
    /// What is in the folder, sorted by path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileInfo>,
}
