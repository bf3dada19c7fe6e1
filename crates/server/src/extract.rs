//! Reads a request's message from its query or its JSON body, as MLflow's `_get_request_message` does.

use crate::app::App;
use crate::respond::Failure;
use api::error::invalid;
use api::request::{Request as Message, from_body, from_query, text_without_nul};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;

/// The most bytes a JSON body may have: data set profiles alone may have 16 MiB each.
const MAX_BODY: usize = 64 << 20;

/// A parsed and checked message.
pub struct Proto<T>(pub T);

impl<T: Message> FromRequest<App> for Proto<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &App) -> Result<Self, Failure> {
        let query = request.uri().query().unwrap_or_default();
        if request.method() == Method::GET && !query.is_empty() {
            return Ok(Self(from_query(pairs(request.uri())?.into_iter())?));
        }
        Ok(Self(from_body(&json_body(request).await?)?))
    }
}

/// The bytes of a JSON body, for messages that are read in a way of their own.
pub struct JsonBody(pub Bytes);

impl FromRequest<App> for JsonBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &App) -> Result<Self, Failure> {
        Ok(Self(json_body(request).await?))
    }
}

/// The parameters in a route's path, decoded.
pub struct PathTexts<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PathTexts<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let undecodable = || invalid("The path of the URL cannot be decoded: it is not UTF-8.");
        let texts = RawPathParams::from_request_parts(parts, app).await.map_err(|_| undecodable())?;
        for (name, text) in &texts {
            text_without_nul(name, text)?;
        }
        let Path(texts) = Path::from_request_parts(parts, app).await.map_err(|_| undecodable())?;
        Ok(Self(texts))
    }
}

/// Decoded query parameters, in order, repeated ones too.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE` when the query cannot be decoded.
pub fn pairs(uri: &axum::http::Uri) -> Result<Vec<(String, String)>, Failure> {
    Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|_| invalid("The query string cannot be decoded.").into())
}

async fn json_body(request: Request) -> Result<Bytes, Failure> {
    // MLflow looks at the type of POST and PUT only.
    if matches!(*request.method(), Method::POST | Method::PUT) {
        check_content_type(&request)?;
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
    body.map_err(|error| {
        if is_too_long(&error) {
            let text = format!("The request body is larger than {} MiB.", MAX_BODY >> 20);
            Failure::with_status(StatusCode::PAYLOAD_TOO_LARGE, invalid(text))
        } else {
            invalid("The request body ended early.").into()
        }
    })
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn check_content_type(request: &Request) -> Result<(), Failure> {
    let Some(content_type) = request.headers().get(header::CONTENT_TYPE) else {
        return Err(invalid("Bad Request. Content-Type header is missing.").into());
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if essence == "application/json" {
        return Ok(());
    }
    Err(invalid("Bad Request. Content-Type must be one of ['application/json'].").into())
}
