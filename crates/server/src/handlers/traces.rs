//! `traces`: looking for traces, in MLflow's two shapes.

use crate::app::App;
use crate::extract::Proto;
use crate::respond::{Json, Reply};
use api::{
    DEFAULT_TRACES, SearchTracesV2, SearchTracesV2Response, SearchTracesV3, SearchTracesV3Response,
    check_locations,
};
use axum::extract::State;
use store::experiments;
use store::search::traces::TraceQuery;
use store::traces::{self, Part};

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
    let parts = [Part::Info, Part::Metadata, Part::Tags];
    let (traces, next_page_token) =
        app.db().read(move |tx| Box::pin(async move { traces::search(tx, &query, &parts).await })).await?;
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
    let parts = [Part::Info, Part::Metadata, Part::Tags, Part::Assessments];
    let (traces, next_page_token) =
        app.db().read(move |tx| Box::pin(async move { traces::search(tx, &query, &parts).await })).await?;
    Ok(Json(SearchTracesV3Response { traces: traces.into_iter().map(Into::into).collect(), next_page_token }))
}
