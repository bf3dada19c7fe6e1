//! `runs/*`

use crate::app::App;
use crate::extract::{JsonBody, Proto};
use crate::respond::{Empty, Json, Reply, empty};
use api::error::ErrorCode;
use api::log_model::HistoryEntry;
use api::request::missing_value;
use api::{
    CreateRun, DeleteTag, LogBatch, LogInputs, LogKeyValue, LogMetric, LogModel, LogOutputs, RunRef,
    RunResponse, SearchRuns, SearchRunsResponse, UpdateRun, UpdateRunResponse, run_id_of,
};
use axum::extract::State;
use store::datasets;
use store::experiments::{self, ExperimentId};
use store::runs::log::{self, Batch, Entry};
use store::runs::{self, NewRun, RunUpdate, log_model};
use store::search::runs::RunQuery;

/// `POST runs/create`
pub async fn create(State(app): State<App>, Proto(request): Proto<CreateRun>) -> Reply<RunResponse> {
    // MLflow falls over a missing experiment in the database; its message is the statement that failed.
    let Some(experiment_id) = request.experiment_id.filter(|id| !id.is_empty()) else {
        return Err(api::Error::new(ErrorCode::BadRequest, missing_value("experiment_id")).into());
    };
    let new = NewRun {
        experiment_id: ExperimentId::parse(&experiment_id)?,
        user_id: request.user_id.unwrap_or_default(),
        start_time: request.start_time.unwrap_or_default(),
        tags: request.tags,
        run_name: request.run_name.unwrap_or_default(),
    };
    let run = app.db().write(move |tx| Box::pin(runs::create(tx, new))).await?;
    Ok(Json(RunResponse { run }))
}

/// `GET runs/get`
pub async fn get(State(app): State<App>, Proto(request): Proto<RunRef>) -> Reply<RunResponse> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    let run = app.db().read(move |tx| Box::pin(async move { runs::get(tx, &run_id).await })).await?;
    Ok(Json(RunResponse { run }))
}

/// `POST runs/search`
pub async fn search(State(app): State<App>, Proto(request): Proto<SearchRuns>) -> Reply<SearchRunsResponse> {
    let query = RunQuery {
        experiment_ids: experiments::numbers(&request.experiment_ids)?,
        filter: request.filter.unwrap_or_default(),
        view: request.run_view_type.unwrap_or_default(),
        max_results: request.max_results.unwrap_or(DEFAULT_MAX_RESULTS),
        order_by: request.order_by,
        page_token: request.page_token.unwrap_or_default(),
    };
    let (runs, next_page_token) =
        app.db().read(move |tx| Box::pin(async move { runs::search(tx, &query).await })).await?;
    Ok(Json(SearchRunsResponse { runs, next_page_token }))
}

/// How many runs a search answers that does not say.
const DEFAULT_MAX_RESULTS: i64 = 1000;

/// `POST runs/update`
pub async fn update(State(app): State<App>, Proto(request): Proto<UpdateRun>) -> Reply<UpdateRunResponse> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    let change = RunUpdate { status: request.status, end_time: request.end_time, run_name: request.run_name };
    let run_info =
        app.db().write(move |tx| Box::pin(async move { runs::update(tx, &run_id, change).await })).await?;
    Ok(Json(UpdateRunResponse { run_info }))
}

/// `POST runs/delete`
pub async fn delete(State(app): State<App>, Proto(request): Proto<RunRef>) -> Reply<Empty> {
    let run_id = request.run_id.unwrap_or_default();
    let now = app.now_ms();
    app.db().write(move |tx| Box::pin(async move { runs::delete(tx, &run_id, now).await })).await?;
    empty()
}

/// `POST runs/restore`
pub async fn restore(State(app): State<App>, Proto(request): Proto<RunRef>) -> Reply<Empty> {
    let run_id = request.run_id.unwrap_or_default();
    app.db().write(move |tx| Box::pin(async move { runs::restore(tx, &run_id).await })).await?;
    empty()
}

/// `POST runs/log-metric`
pub async fn log_metric(State(app): State<App>, Proto(request): Proto<LogMetric>) -> Reply<Empty> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    let metric = Entry::Metric(request.metric.into());
    app.ingest().log(run_id, metric, app.settings().limits).await?;
    empty()
}

/// `POST runs/log-parameter`
pub async fn log_param(State(app): State<App>, Proto(request): Proto<LogKeyValue>) -> Reply<Empty> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    app.ingest().log(run_id, Entry::Param(request.pair), app.settings().limits).await?;
    empty()
}

/// `POST runs/log-batch`
pub async fn log_batch(State(app): State<App>, JsonBody(body): JsonBody) -> Reply<Empty> {
    let request = LogBatch::from_body(&body)?;
    let run_id = request.run_id.unwrap_or_default();
    let batch = Batch {
        metrics: request.metrics.into_iter().map(Into::into).collect(),
        params: request.params,
        tags: request.tags,
    };
    app.ingest().log(run_id, Entry::Batch(batch), app.settings().limits).await?;
    empty()
}

/// `POST runs/set-tag`
pub async fn set_tag(State(app): State<App>, Proto(request): Proto<LogKeyValue>) -> Reply<Empty> {
    let run_id = run_id_of(request.run_id, request.run_uuid);
    app.ingest().log(run_id, Entry::Tag(request.pair), app.settings().limits).await?;
    empty()
}

/// `POST runs/delete-tag`
pub async fn delete_tag(State(app): State<App>, Proto(request): Proto<DeleteTag>) -> Reply<Empty> {
    let (run_id, key) = (request.run_id.unwrap_or_default(), request.key.unwrap_or_default());
    app.db().write(move |tx| Box::pin(async move { log::delete_tag(tx, &run_id, &key).await })).await?;
    empty()
}

/// `POST runs/log-model`
pub async fn log_model(State(app): State<App>, Proto(request): Proto<LogModel>) -> Reply<Empty> {
    let run_id = request.run_id.unwrap_or_default();
    let entry = HistoryEntry::from_model_json(&request.model_json.unwrap_or_default())?;
    let limits = app.settings().limits;
    app.db()
        .write(move |tx| Box::pin(async move { log_model::record(tx, &run_id, entry, limits).await }))
        .await?;
    empty()
}

/// `POST runs/log-inputs`
pub async fn log_inputs(State(app): State<App>, Proto(request): Proto<LogInputs>) -> Reply<Empty> {
    let run_id = request.run_id.unwrap_or_default();
    let (inputs, models) = (request.datasets, request.models);
    app.db()
        .write(move |tx| Box::pin(async move { datasets::log_inputs(tx, &run_id, inputs, models).await }))
        .await?;
    empty()
}

/// `POST runs/outputs`
pub async fn log_outputs(State(app): State<App>, Proto(request): Proto<LogOutputs>) -> Reply<Empty> {
    let run_id = request.run_id.unwrap_or_default();
    let models = request.models;
    app.db()
        .write(move |tx| Box::pin(async move { datasets::log_outputs(tx, &run_id, models).await }))
        .await?;
    empty()
}
