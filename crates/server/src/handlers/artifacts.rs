//! `artifacts/list`, `get-artifact`, `upload-artifact`: the artifacts of a run, found through its `artifact_uri`.
//! What is proxied to the store as a whole is in `artifact_proxy.rs`.

use api::error::invalid;
use api::request::text_without_nul;
use api::{ErrorCode, ListArtifacts, ListArtifactsResponse, RunInfo, run_id_of};
use artifacts::{ArtifactPath, Error, Store};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};

use crate::app::App;
use crate::drain::drain;
use crate::extract::{Proto, pairs};
use crate::respond::{Failure, Json, Reply};
use crate::{download, folder};

/// The most that `upload-artifact` takes. The UI uses it for small files; clients use the proxy, which has no limit.
const MAX_UPLOAD: usize = 10 * 1024 * 1024;

/// `GET artifacts/list`
pub async fn list(
    State(app): State<App>,
    Proto(request): Proto<ListArtifacts>,
) -> Reply<ListArtifactsResponse> {
    let folder = ArtifactPath::parse(&request.path.unwrap_or_default())?;
    let run = run_info(&app, run_id_of(request.run_id, request.run_uuid)).await?;
    list_below(&app, run.artifact_uri.unwrap_or_default(), &folder).await
}

/// `GET /get-artifact`
pub async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let path = ArtifactPath::parse(required(&query, "path")?)?;
    let run_id = first(&query, "run_id").or_else(|| first(&query, "run_uuid")).unwrap_or("None");
    text_without_nul("run_id", run_id)?;
    let run = run_info(&app, run_id.to_owned()).await?;
    send_below(&app, &run.artifact_uri.unwrap_or_default(), &path, &headers).await
}

/// `GET artifacts/zip`, a route of our own: a folder of a run, or all that it has.
pub async fn zip(State(app): State<App>, uri: Uri) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let path = ArtifactPath::parse(first(&query, "path").unwrap_or_default())?;
    let run_id = first(&query, "run_id").or_else(|| first(&query, "run_uuid"));
    let run_id = run_id.ok_or_else(|| invalid(api::request::missing_value("run_id")))?.to_owned();
    text_without_nul("run_id", &run_id)?;
    let run = run_info(&app, run_id).await?;
    zip_below(&app, &run.artifact_uri.unwrap_or_default(), &path, &run.run_id).await
}

/// `POST upload-artifact`. Answers nothing, called JSON.
pub async fn upload(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let missing = |name| invalid(format!("Request must specify {name}."));
    let run_id = first(&query, "run_uuid").ok_or_else(|| missing("run_uuid"))?;
    text_without_nul("run_uuid", run_id)?;
    let path = file_path(first(&query, "path").ok_or_else(|| missing("path"))?)?;
    let data = small_body(&headers, body).await?;
    if data.is_empty() {
        return Err(missing("data").into());
    }
    let run = run_info(&app, run_id.to_owned()).await?;
    let (store, root) = locate(&app, &run.artifact_uri.unwrap_or_default())?;
    store.put(&root.join(&path), stream::iter([Ok::<_, std::convert::Infallible>(data)])).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::empty())
        .into_response())
}

/// Writes small files below an artifact URI, one after the other.
///
/// # Errors
/// When the URI is not one this server can open, or the store fails.
pub async fn put_below(app: &App, root_uri: &str, files: Vec<(&'static str, String)>) -> Result<(), Failure> {
    let (store, root) = locate(app, root_uri)?;
    for (path, content) in files {
        let path = root.join(&file_path(path)?);
        store.put(&path, stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(content))])).await?;
    }
    Ok(())
}

/// Lists `folder` below an artifact URI, with paths relative to that URI. Logged models list with it too.
///
/// # Errors
/// When the URI is not one this server can open, or the store fails.
pub async fn list_below(app: &App, root_uri: String, folder: &ArtifactPath) -> Reply<ListArtifactsResponse> {
    let (store, root) = locate(app, &root_uri)?;
    let mut files = store.list(&root.join(folder)).await?;
    for file in &mut files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        file.path = if folder.is_root() { name.to_owned() } else { format!("{folder}/{name}") };
    }
    Ok(Json(ListArtifactsResponse { root_uri: Some(root_uri), files }))
}

/// Answers with the file at `path` below an artifact URI, as a download. Logged models and model versions send
/// theirs with it too.
///
/// # Errors
/// As [`download::send`], and when the URI is not one this server can open.
pub async fn send_below(
    app: &App,
    root_uri: &str,
    path: &ArtifactPath,
    asked: &HeaderMap,
) -> Result<Response, Failure> {
    let (store, root) = locate(app, root_uri)?;
    download::send(&store, &root.join(path), asked, download::attachment(path.name())).await
}

/// Answers with the folder at `path` below an artifact URI as a ZIP file, which is called as the folder, or `whole` if it is all
/// there is. Logged models send theirs with it too.
///
/// # Errors
/// As [`folder::send`], and when the URI is not one this server can open.
pub async fn zip_below(
    app: &App,
    root_uri: &str,
    path: &ArtifactPath,
    whole: &str,
) -> Result<Response, Failure> {
    let (store, root) = locate(app, root_uri)?;
    let name = if path.is_root() { whole } else { path.name() };
    folder::send(&store, &root.join(path), name).await
}

/// The path of a file to be written: unlike one to be read it may not end in a slash.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn file_path(text: &str) -> Result<ArtifactPath, Error> {
    let path = ArtifactPath::parse(text)?;
    if path.is_root() || text.ends_with('/') { Err(Error::InvalidPath) } else { Ok(path) }
}

fn locate(app: &App, root_uri: &str) -> Result<(Store, ArtifactPath), Error> {
    artifacts::proxied::resolve(root_uri, app.settings().destination.as_ref(), &app.settings().stores)
}

async fn run_info(app: &App, run_id: String) -> Result<RunInfo, Failure> {
    Ok(app.db().read(move |tx| Box::pin(async move { store::runs::info(tx, &run_id).await })).await?)
}

/// The whole body, as far as it is small enough. One without a length is counted while it comes in, which MLflow does
/// not do.
async fn small_body(headers: &HeaderMap, body: Body) -> Result<Bytes, api::Error> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = body.into_data_stream();
    let mut data = BytesMut::with_capacity(length.unwrap_or(0).min(MAX_UPLOAD));
    while length.is_none_or(|length| length <= MAX_UPLOAD) && data.len() <= MAX_UPLOAD {
        match body.next().await {
            Some(Ok(bytes)) => data.extend_from_slice(&bytes),
            None => return Ok(data.freeze()),
            Some(Err(_)) => {
                return Err(api::Error::new(
                    ErrorCode::BadRequest,
                    "The request body ended early. Send it again.",
                ));
            }
        }
    }
    drain(headers, body).await;
    Err(invalid("Artifact size is too large. Max size is 10MB."))
}

/// The first value of a query parameter; an empty one counts as missing.
pub fn first<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// A query parameter that must be there, but may be empty.
pub fn required<'a>(query: &'a [(String, String)], name: &str) -> Result<&'a str, api::Error> {
    match query.iter().find(|(key, _)| key == name) {
        Some((_, value)) => Ok(value),
        None => Err(invalid(api::request::missing_value(name))),
    }
}
