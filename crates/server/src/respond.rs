//! From results to responses: JSON, and errors in MLflow's shape.

use api::ErrorCode;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::convert::Infallible;

/// What a JSON handler returns.
pub type Reply<T> = Result<Json<T>, Failure>;

/// A JSON response body.
pub struct Json<T>(pub T);

/// The response of calls that answer nothing: `{}`.
#[derive(Serialize)]
pub struct Empty {}

/// `Ok({})`.
///
/// # Errors
/// Never; the type is a handler's.
pub fn empty() -> Reply<Empty> {
    Ok(Json(Empty {}))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => json(StatusCode::OK, body),
            Err(error) => {
                tracing::error!(%error, "a response could not be written as JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Metric histories as a response. A large one is written while it is sent.
pub struct Points(pub api::Histories);

impl IntoResponse for Points {
    fn into_response(self) -> Response {
        let mut pieces = self.0.into_json();
        let first = pieces.next().unwrap_or_default();
        let Some(second) = pieces.next() else { return json(StatusCode::OK, first) };
        let pieces = [first, second].into_iter().chain(pieces).map(Ok::<_, Infallible>);
        json(StatusCode::OK, Body::from_stream(futures_util::stream::iter(pieces)))
    }
}

/// JSON that has been written already.
pub fn json_text(text: String) -> Response {
    json(StatusCode::OK, text)
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A failed request. Knows which of the store's errors a client may see.
#[derive(Debug)]
pub struct Failure {
    error: api::Error,
    status: StatusCode,
}

impl Failure {
    /// An error with a status other than its code's own.
    pub fn with_status(status: StatusCode, error: api::Error) -> Self {
        Self { error, status }
    }

    /// Whether this server failed, rather than the client.
    pub fn is_the_servers(&self) -> bool {
        self.status.is_server_error()
    }

    /// What to tell the client.
    pub fn into_message(self) -> String {
        self.error.message
    }
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        let status =
            StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { error, status }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        // The one place where the database's own words are kept, and they stay in the log.
        match &error {
            store::Error::Database(_) => tracing::error!(%error, "a request failed in the database"),
            store::Error::Unavailable(_)
            | store::Error::Refused(_)
            | store::Error::Conflict(_)
            | store::Error::Disconnected(_) => tracing::warn!(%error, "a request found no database"),
            _ => {}
        }
        error.into_api().into()
    }
}

impl From<artifacts::Error> for Failure {
    fn from(error: artifacts::Error) -> Self {
        match &error {
            artifacts::Error::Io(error) => tracing::error!(%error, "a request failed in the artifact store"),
            artifacts::Error::Cloud(error) => {
                tracing::warn!(%error, "a request failed in the artifact store")
            }
            artifacts::Error::Settings(_) => tracing::error!(%error, "the artifact store cannot be opened"),
            _ => {}
        }
        match error.is_full() {
            // Clients repeat 500, and with it an upload that would fill the disk again.
            true => Self::with_status(StatusCode::INSUFFICIENT_STORAGE, error.into()),
            false => api::Error::from(error).into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.error).unwrap_or_default();
        let mut response = json(self.status, body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// 404 for a path that is no route. Clients tell an old server by this code (`ENDPOINT_NOT_FOUND`).
pub async fn unknown_route(uri: axum::http::Uri) -> Failure {
    api::Error::new(ErrorCode::EndpointNotFound, format!("There is no endpoint {}.", uri.path())).into()
}

/// 405 for a route that does not take the method.
pub async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Failure {
    let error = api::Error::new(
        ErrorCode::BadRequest,
        format!("The endpoint {} does not take the method {method}.", uri.path()),
    );
    Failure::with_status(StatusCode::METHOD_NOT_ALLOWED, error)
}
