//! `mlflow-artifacts/*`: the artifact destination itself, read and written by clients through this server.

use api::error::invalid;
use api::request::missing_value;
use api::{ListArtifactsResponse, ListProxiedArtifacts};
use artifacts::{ArtifactPath, Error, Store};
use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::app::App;
use crate::drain::drain;
use crate::extract::{Proto, pairs};
use crate::handlers::artifacts::{file_path, first};
use crate::respond::{Empty, Failure, Json, Reply, empty};
use crate::{download, folder};

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

/// `GET mlflow-artifacts/artifacts/<path>`. Under `--direct-downloads` clients are sent to the cloud; browsers are not, as a script
/// may not read another origin's answer.
pub async fn get(
    State(app): State<App>,
    Tail(path): Tail,
    method: Method,
    route: MatchedPath,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let path = ArtifactPath::parse(&path)?;
    let direct =
        app.settings().direct_downloads && method == Method::GET && !route.as_str().contains("/ajax-api/");
    if direct && let Some(url) = destination(&app)?.download_url(&path).await {
        return Ok(([(header::CACHE_CONTROL, "no-store")], Redirect::temporary(&url)).into_response());
    }
    download::send(destination(&app)?, &path, &headers, download::attachment(path.name())).await
}

/// `GET mlflow-artifacts/zip`, a route of our own. The folder must be named, as everybody's artifacts are in the one without a
/// name.
pub async fn zip(State(app): State<App>, uri: Uri) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let path = ArtifactPath::parse(first(&query, "path").unwrap_or_default())?;
    if path.is_root() {
        return Err(invalid(missing_value("path")).into());
    }
    folder::send(destination(&app)?, &path, path.name()).await
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
