//! `mlflow-artifacts/mpu/{create,complete,abort}`: large files that clients send to the cloud in parts, past this server. They do
//! so with `MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD`; where it cannot be done they are told, and use the proxy.

use api::error::invalid;
use api::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, CreateMultipartUploadResponse,
    MultipartUploadCredential,
};
use artifacts::multipart::{SentPart, target};
use artifacts::{ArtifactPath, Error, Store};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;

use crate::app::App;
use crate::extract::Proto;
use crate::handlers::artifact_proxy::{Tail, destination};
use crate::respond::{Empty, Failure, Json, Reply, empty};

/// `POST mlflow-artifacts/mpu/create/<folder>`
pub async fn create(
    State(app): State<App>,
    Folder(folder): Folder,
    Proto(request): Proto<CreateMultipartUpload>,
) -> Reply<CreateMultipartUploadResponse> {
    let (store, path) = place(&app, &folder, &request.path)?;
    let parts = usize::try_from(request.num_parts.unwrap_or(0)).unwrap_or(0);
    let started = store.start_multipart(&path, parts).await?;
    let credentials = started.urls.into_iter().zip(1..);
    let credentials =
        credentials.map(|(url, part_number)| MultipartUploadCredential { url, part_number }).collect();
    Ok(Json(CreateMultipartUploadResponse { upload_id: started.id, credentials }))
}

/// `POST mlflow-artifacts/mpu/complete/<folder>`
pub async fn complete(
    State(app): State<App>,
    Folder(folder): Folder,
    Proto(request): Proto<CompleteMultipartUpload>,
) -> Reply<Empty> {
    let (store, path) = place(&app, &folder, &request.path)?;
    let sent = request.parts.into_iter().map(|part| {
        let number = part.part_number.and_then(|number| usize::try_from(number).ok());
        let number = number.ok_or_else(|| invalid("Each part needs its part_number."))?;
        Ok(SentPart { number, etag: part.etag.filter(|etag| !etag.is_empty()), url: part.url })
    });
    let sent = sent.collect::<Result<Vec<_>, api::Error>>()?;
    store.complete_multipart(&path, request.upload_id.as_deref(), sent).await?;
    empty()
}

/// `POST mlflow-artifacts/mpu/abort/<folder>`
pub async fn abort(
    State(app): State<App>,
    Folder(folder): Folder,
    Proto(request): Proto<AbortMultipartUpload>,
) -> Reply<Empty> {
    let (store, path) = place(&app, &folder, &request.path)?;
    store.abort_multipart(&path, request.upload_id.as_deref()).await?;
    empty()
}

/// The folder that stands in the URL, of a cloud. It is looked at before the body, as in MLflow.
pub struct Folder(ArtifactPath);

impl FromRequestParts<App> for Folder {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Tail(folder) = Tail::from_request_parts(parts, app).await?;
        let folder = ArtifactPath::parse(&folder)?;
        match destination(app)? {
            Store::Local(_) => Err(Error::NoMultipart.into()),
            Store::Cloud(_) => Ok(Self(folder)),
        }
    }
}

fn place<'a>(app: &'a App, folder: &ArtifactPath, name: &str) -> Result<(&'a Store, ArtifactPath), Error> {
    Ok((destination(app)?, target(folder, name)?))
}
