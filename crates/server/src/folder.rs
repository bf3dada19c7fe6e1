//! A folder as a response: all files below it as one ZIP file, made while it is sent.

use std::pin::Pin;

use api::ErrorCode;
use artifacts::{ArtifactPath, Store};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::StreamExt;

use crate::download::attachment;
use crate::respond::Failure;

/// Answers with all that is below `folder` of a store, as a ZIP file called `name`. If it cannot be read to its end, the connection
/// is broken off.
///
/// # Errors
/// 404 when there is no file in it, and when the store fails before the first one.
pub async fn send(store: &Store, folder: &ArtifactPath, name: &str) -> Result<Response, Failure> {
    let mut files = store.walk(folder).peekable();
    match Pin::new(&mut files).peek().await {
        Some(Ok(_)) => {}
        Some(Err(_)) => {
            let first = files.next().await;
            return Err(first.and_then(Result::err).map_or_else(nothing, Failure::from));
        }
        None => return Err(nothing()),
    }
    let mut headers = attachment(&format!("{name}.zip"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    let zip = artifacts::zip(store.clone(), folder.clone(), files.boxed());
    let zip = zip.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(%error, "a folder could not be sent to its end");
        }
    });
    Ok((headers, Body::from_stream(zip)).into_response())
}

fn nothing() -> Failure {
    let text = "There are no files in this folder. List its parent to see what there is.";
    api::Error::new(ErrorCode::ResourceDoesNotExist, text).into()
}
