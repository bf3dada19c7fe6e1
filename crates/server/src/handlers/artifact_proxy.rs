//! `mlflow-artifacts/*`: the artifact destination itself, read and written by clients through this server.

use api::{ListArtifactsResponse, ListProxiedArtifacts};
use artifacts::{ArtifactPath, Error, Store};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;

use crate::app::App;
use crate::download;
use crate::drain::drain;
use crate::extract::Proto;
use crate::handlers::artifacts::file_path;
use crate::respond::{Empty, Failure, Json, Reply, empty};

/// `GET mlflow-artifacts/artifacts`. Unlike `artifacts/list` it answers bare names.
pub async fn list(
    State(app): State<App>,
    Proto(request): Proto<ListProxiedArtifacts>,
) -> Reply<ListArtifactsResponse> {
    let folder = ArtifactPath::parse(&request.path.unwrap_or_default())?;
    let mut files = destination(&app)?.list(&folder).await?;
    for file in &mut files {
        file.path = file.path.split_off(file.path.rfind('/').map_or(0, |slash| slash + 1));
    }
    Ok(Json(ListArtifactsResponse { root_uri: None, files }))
}

/// `GET mlflow-artifacts/artifacts/<path>`
pub async fn get(State(app): State<App>, Tail(path): Tail, headers: HeaderMap) -> Result<Response, Failure> {
    let path = ArtifactPath::parse(&path)?;
    download::send(destination(&app)?, &path, &headers, download::attachment(path.name())).await
}

/// `PUT mlflow-artifacts/artifacts/<path>`, of any length
pub async fn put(State(app): State<App>, Tail(path): Tail, headers: HeaderMap, body: Body) -> Reply<Empty> {
    let mut body = body.into_data_stream();
    let stored = async { destination(&app)?.put(&file_path(&path)?, &mut body).await }.await;
    if stored.is_err() {
        drain(&headers, body).await;
    }
    stored?;
    empty()
}

/// `DELETE mlflow-artifacts/artifacts/<path>`, a file or a folder
pub async fn delete(State(app): State<App>, Tail(path): Tail) -> Reply<Empty> {
    destination(&app)?.delete(&ArtifactPath::parse(&path)?).await?;
    empty()
}

/// What stands in the URL after the route, decoded once.
pub struct Tail(pub String);

impl FromRequestParts<App> for Tail {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        path.map(|Path(path)| Self(path)).map_err(|_| Error::InvalidPath.into())
    }
}

/// The artifact destination. The routes are not there without one; this is for whoever changes that.
///
/// # Errors
/// [`Error::NotServed`].
pub fn destination(app: &App) -> Result<&Store, Error> {
    app.settings().destination.as_ref().ok_or_else(|| Error::NotServed("mlflow-artifacts:/".into()))
}
