//! `experiments/*`

use crate::app::App;
use crate::extract::Proto;
use crate::respond::{Empty, Json, Reply, empty};
use api::validate;
use api::{
    CreateExperiment, CreateExperimentResponse, DeleteExperimentTag, ExperimentRef, GetExperimentByName,
    GetExperimentResponse, SearchExperiments, SearchExperimentsResponse, SetExperimentTag, Tag,
    UpdateExperiment,
};
use axum::extract::State;
use store::experiments::{self, ExperimentId, NewExperiment};
use store::search::experiments::ExperimentQuery;

/// `POST experiments/create`
pub async fn create(
    State(app): State<App>,
    Proto(request): Proto<CreateExperiment>,
) -> Reply<CreateExperimentResponse> {
    let artifact_location = match request.artifact_location.filter(|location| !location.is_empty()) {
        Some(location) => {
            validate::artifact_location_length(&location, app.settings().limits)?;
            Some(app.settings().locations.resolve(&location, &app.settings().working_dir)?)
        }
        None => None,
    };
    let new = NewExperiment {
        name: request.name.unwrap_or_default(),
        artifact_location,
        tags: request.tags,
        artifact_root: app.settings().artifact_root.clone(),
        now_ms: app.now_ms(),
        limits: app.settings().limits,
    };
    let id = app.db().write(move |tx| Box::pin(async move { experiments::create(tx, &new).await })).await?;
    Ok(Json(CreateExperimentResponse { experiment_id: id.get().to_string() }))
}

/// `GET experiments/get`
pub async fn get(
    State(app): State<App>,
    Proto(request): Proto<ExperimentRef>,
) -> Reply<GetExperimentResponse> {
    let id = experiment_id(request.experiment_id)?;
    let experiment = app.db().read(move |tx| Box::pin(experiments::get(tx, id))).await?;
    Ok(Json(GetExperimentResponse { experiment }))
}

/// `GET experiments/get-by-name`
pub async fn get_by_name(
    State(app): State<App>,
    Proto(request): Proto<GetExperimentByName>,
) -> Reply<GetExperimentResponse> {
    let name = request.experiment_name.unwrap_or_default();
    let experiment =
        app.db().read(move |tx| Box::pin(async move { experiments::get_by_name(tx, &name).await })).await?;
    Ok(Json(GetExperimentResponse { experiment }))
}

/// `GET` and `POST experiments/search`
pub async fn search(
    State(app): State<App>,
    Proto(request): Proto<SearchExperiments>,
) -> Reply<SearchExperimentsResponse> {
    let query = ExperimentQuery {
        view: request.view_type.unwrap_or_default(),
        max_results: request.max_results.unwrap_or_default(),
        filter: request.filter.unwrap_or_default(),
        order_by: request.order_by,
        page_token: request.page_token.unwrap_or_default(),
    };
    let (experiments, next_page_token) =
        app.db().read(move |tx| Box::pin(async move { experiments::search(tx, &query).await })).await?;
    Ok(Json(SearchExperimentsResponse { experiments, next_page_token }))
}

/// `POST experiments/update`
pub async fn update(State(app): State<App>, Proto(request): Proto<UpdateExperiment>) -> Reply<Empty> {
    let id = experiment_id(request.experiment_id)?;
    let name = request.new_name.unwrap_or_default();
    let now = app.now_ms();
    app.db().write(move |tx| Box::pin(async move { experiments::rename(tx, id, &name, now).await })).await?;
    empty()
}

/// `POST experiments/delete`
pub async fn delete(State(app): State<App>, Proto(request): Proto<ExperimentRef>) -> Reply<Empty> {
    let id = experiment_id(request.experiment_id)?;
    let now = app.now_ms();
    app.db().write(move |tx| Box::pin(experiments::delete(tx, id, now))).await?;
    empty()
}

/// `POST experiments/restore`
pub async fn restore(State(app): State<App>, Proto(request): Proto<ExperimentRef>) -> Reply<Empty> {
    let id = experiment_id(request.experiment_id)?;
    let now = app.now_ms();
    app.db().write(move |tx| Box::pin(experiments::restore(tx, id, now))).await?;
    empty()
}

/// `POST experiments/set-experiment-tag`
pub async fn set_tag(State(app): State<App>, Proto(request): Proto<SetExperimentTag>) -> Reply<Empty> {
    let id = experiment_id(request.experiment_id)?;
    let tag = Tag { key: request.key.unwrap_or_default(), value: request.value.unwrap_or_default() };
    let limits = app.settings().limits;
    app.db().write(move |tx| Box::pin(experiments::set_tag(tx, id, tag, limits))).await?;
    empty()
}

/// `POST experiments/delete-experiment-tag`
pub async fn delete_tag(State(app): State<App>, Proto(request): Proto<DeleteExperimentTag>) -> Reply<Empty> {
    let id = experiment_id(request.experiment_id)?;
    let key = request.key.unwrap_or_default();
    app.db().write(move |tx| Box::pin(async move { experiments::delete_tag(tx, id, &key).await })).await?;
    empty()
}

fn experiment_id(text: Option<String>) -> Result<ExperimentId, store::Error> {
    ExperimentId::parse(&text.unwrap_or_default())
}
