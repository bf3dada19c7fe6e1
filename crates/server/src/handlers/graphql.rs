//! `/graphql`

use crate::app::App;
use crate::extract::JsonBody;
use crate::graphql;
use crate::respond::{Failure, json_text};
use api::GraphqlRequest;
use api::error::invalid;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// The most bytes of a request, variables included: room for the ids of many thousand runs.
const MAX_BODY: usize = 1024 * 1024;

/// `GET` and `POST /graphql`. MLflow reads the body of both, and never the URL.
pub async fn query(State(app): State<App>, JsonBody(body): JsonBody) -> Result<Response, Failure> {
    if body.len() > MAX_BODY {
        let error =
            invalid(format!("The GraphQL request is larger than {MAX_BODY} bytes. Ask for less at a time."));
        return Err(Failure::with_status(StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    let request: GraphqlRequest = api::request::from_body(&body)?;
    Ok(json_text(graphql::answer(&app, request).await?))
}
