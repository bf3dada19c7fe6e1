//! `runs/create-promptlab-run`: the UI keeps what came of trying out a prompt.

use crate::app::App;
use crate::extract::JsonBody;
use crate::handlers::artifacts;
use crate::respond::{Failure, Json, Reply};
use api::log_model::HistoryEntry;
use api::{CreatePromptlabRun, PROMPTLAB_TAGS, PromptlabModel, RunInfo, RunResponse, RunStatus, Tag};
use axum::extract::State;
use store::experiments::ExperimentId;
use store::runs::log::{Batch, Entry};
use store::runs::{self, NewRun, RunUpdate, log_model};

/// `POST runs/create-promptlab-run`. As in MLflow the run is there and failed where what belongs to it cannot be stored.
pub async fn create_run(State(app): State<App>, JsonBody(body): JsonBody) -> Reply<RunResponse> {
    let request = CreatePromptlabRun::from_body(&body)?;
    let new = NewRun {
        experiment_id: ExperimentId::parse(request.experiment_id.as_deref().unwrap_or_default())?,
        user_id: request.user_id.clone().unwrap_or_else(|| "unknown".to_owned()),
        start_time: request.start_time.unwrap_or_else(|| app.now_ms()),
        tags: request.tags.clone(),
        run_name: request.run_name.clone().unwrap_or_default(),
    };
    let run = app.db().write(move |tx| Box::pin(runs::create(tx, new))).await?;
    let status = match fill(&app, &run.info, &request).await {
        Ok(()) => RunStatus::Finished,
        Err(failure) => {
            tracing::warn!(
                run_id = run.info.run_id,
                reason = failure.into_message(),
                "a prompt's run has failed"
            );
            RunStatus::Failed
        }
    };
    let update = RunUpdate { status: Some(status), end_time: Some(app.now_ms()), run_name: None };
    let run_id = run.info.run_id;
    let run = app
        .db()
        .write(move |tx| {
            Box::pin(async move {
                runs::update(tx, &run_id, update).await?;
                runs::get(tx, &run_id).await
            })
        })
        .await?;
    Ok(Json(RunResponse { run }))
}

/// Logs params and tags, notes the model, and writes the files.
async fn fill(app: &App, run: &RunInfo, request: &CreatePromptlabRun) -> Result<(), Failure> {
    let limits = app.settings().limits;
    let tags = PROMPTLAB_TAGS.map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() });
    let batch = Batch { metrics: vec![], params: request.params(), tags: tags.to_vec() };
    app.ingest().log(run.run_id.clone(), Entry::Batch(batch), limits).await?;

    let created_ms = app.now_ms();
    let model = PromptlabModel { run_id: run.run_id.clone(), uuid: store::names::new_id(), created_ms };
    let entry = HistoryEntry::from_model_json(&model.to_json())?;
    let run_id = run.run_id.clone();
    app.db()
        .write(move |tx| Box::pin(async move { log_model::record(tx, &run_id, entry, limits).await }))
        .await?;
    artifacts::put_below(app, run.artifact_uri.as_deref().unwrap_or_default(), request.files(&model)).await
}
