//! `traces`: looking for traces, in MLflow's two shapes, and the spans of one.

use crate::app::App;
use crate::download;
use crate::extract::{Proto, pairs};
use crate::handlers::artifacts::{first, send_below};
use crate::respond::{Failure, Json, Reply};
use api::error::{internal, invalid};
use api::request::text_without_nul;
use api::spans::normal_span;
use api::{
    DEFAULT_TRACES, Error, ErrorCode, SearchTracesV2, SearchTracesV2Response, SearchTracesV3,
    SearchTracesV3Response, TraceInfo, check_locations,
};
use artifacts::ArtifactPath;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::experiments;
use store::search::traces::TraceQuery;
use store::spans::{self, Spans};
use store::traces::{self, Part};

/// What a trace's spans are called as a file.
const FILE: &str = "traces.json";

/// `GET 2.0/mlflow/traces`
pub async fn search_v2(
    State(app): State<App>,
    Proto(request): Proto<SearchTracesV2>,
) -> Reply<SearchTracesV2Response> {
    check_locations(&request.experiment_ids)?;
    let query = TraceQuery {
        experiment_ids: experiments::numbers(&request.experiment_ids)?,
        filter: request.filter.unwrap_or_default(),
        order_by: request.order_by,
        max_results: request.max_results.unwrap_or(DEFAULT_TRACES),
        page_token: request.page_token.unwrap_or_default(),
    };
    let (traces, next_page_token) = page(&app, query, &[Part::Info, Part::Metadata, Part::Tags]).await?;
    Ok(Json(SearchTracesV2Response { traces: traces.into_iter().map(Into::into).collect(), next_page_token }))
}

/// `POST 3.0/mlflow/traces/search`
pub async fn search_v3(
    State(app): State<App>,
    Proto(request): Proto<SearchTracesV3>,
) -> Reply<SearchTracesV3Response> {
    let ids = request.experiment_ids();
    check_locations(&ids)?;
    let query = TraceQuery {
        experiment_ids: experiments::numbers(&ids)?,
        filter: request.filter.unwrap_or_default(),
        order_by: request.order_by,
        max_results: request.max_results.unwrap_or(DEFAULT_TRACES),
        page_token: request.page_token.unwrap_or_default(),
    };
    let parts = &[Part::Info, Part::Metadata, Part::Tags, Part::Assessments];
    let (traces, next_page_token) = page(&app, query, parts).await?;
    Ok(Json(SearchTracesV3Response { traces: traces.into_iter().map(Into::into).collect(), next_page_token }))
}

async fn page(
    app: &App,
    query: TraceQuery,
    parts: &'static [Part],
) -> Result<(Vec<TraceInfo>, Option<String>), Failure> {
    Ok(app.db().read(move |tx| Box::pin(async move { traces::search(tx, &query, parts).await })).await?)
}

/// `GET get-trace-artifact`: the spans of a trace, for the UI. They come from the database, or from the file that the trace's client
/// put among its artifacts, which is sent as it is.
pub async fn artifact(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let missing =
        || Error::new(ErrorCode::BadRequest, "Request must include the \"request_id\" query parameter.");
    let trace_id = first(&query, "request_id").ok_or_else(missing)?.to_owned();
    text_without_nul("request_id", &trace_id)?;
    let found = app.db().read(move |tx| Box::pin(async move { spans::find(tx, &trace_id).await })).await?;
    match found {
        Spans::Here(contents) => {
            let spans: Option<Vec<Value>> = contents.iter().map(|content| span(content)).collect();
            let spans =
                spans.ok_or_else(|| invalid("Failed to create a Span object from the given dictionary"))?;
            Ok((download::attachment(FILE), json!({ "spans": spans }).to_string()).into_response())
        }
        Spans::InFile(None) => Err(internal("Unable to determine trace artifact location.").into()),
        Spans::InFile(Some(root)) => send_below(&app, &root, &ArtifactPath::parse(FILE)?, &headers).await,
    }
}

fn span(content: &str) -> Option<Value> {
    normal_span(serde_json::from_str(content).ok()?)
}
