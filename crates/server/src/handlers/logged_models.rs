//! `logged-models/*`

use crate::app::App;
use crate::extract::{PathTexts, Proto, pairs};
use crate::handlers::artifacts;
use crate::respond::{Empty, Failure, Json, Reply, empty};
use ::artifacts::ArtifactPath;
use api::{
    CreateLoggedModel, ErrorCode, FinalizeLoggedModel, GetLoggedModel, ListArtifactsResponse,
    ListLoggedModelArtifacts, LogLoggedModelParams, LoggedModelResponse, LoggedModelStatus,
    SearchLoggedModels, SearchLoggedModelsResponse, SetLoggedModelTags, same_model_id,
};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use store::experiments::{self, ExperimentId};
use store::logged_models::{self, NewLoggedModel};
use store::search::logged_models::{Dataset, LoggedModelQuery, OrderBy};

/// `POST logged-models`
pub async fn create(
    State(app): State<App>,
    Proto(request): Proto<CreateLoggedModel>,
) -> Reply<LoggedModelResponse> {
    let new = NewLoggedModel {
        experiment_id: ExperimentId::parse(&request.experiment_id.unwrap_or_default())?,
        name: request.name,
        model_type: request.model_type,
        source_run_id: request.source_run_id,
        params: request.params,
        tags: request.tags,
        now_ms: app.now_ms(),
    };
    let model = app.db().write(move |tx| Box::pin(logged_models::create(tx, new))).await?;
    Ok(Json(LoggedModelResponse { model }))
}

/// `GET logged-models/{model_id}`
pub async fn get(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    Proto(request): Proto<GetLoggedModel>,
) -> Reply<LoggedModelResponse> {
    let model = app
        .db()
        .read(move |tx| {
            Box::pin(async move {
                match request.allows_deleted() {
                    true => logged_models::get_even_deleted(tx, &model_id).await,
                    false => logged_models::get(tx, &model_id).await,
                }
            })
        })
        .await?;
    Ok(Json(LoggedModelResponse { model }))
}

/// `PATCH logged-models/{model_id}`
pub async fn finalize(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    Proto(request): Proto<FinalizeLoggedModel>,
) -> Reply<LoggedModelResponse> {
    same_model_id(&model_id, request.model_id.as_deref())?;
    let status = request.status.unwrap_or(LoggedModelStatus::Unspecified);
    let now = app.now_ms();
    let model = app
        .db()
        .write(move |tx| Box::pin(async move { logged_models::finalize(tx, &model_id, status, now).await }))
        .await?;
    Ok(Json(LoggedModelResponse { model }))
}

/// `DELETE logged-models/{model_id}`
pub async fn delete(State(app): State<App>, PathTexts(model_id): PathTexts<String>) -> Reply<Empty> {
    let now = app.now_ms();
    app.db()
        .write(move |tx| Box::pin(async move { logged_models::delete(tx, &model_id, now).await }))
        .await?;
    empty()
}

/// `POST logged-models/{model_id}/params`
pub async fn log_params(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    Proto(request): Proto<LogLoggedModelParams>,
) -> Reply<Empty> {
    same_model_id(&model_id, request.model_id.as_deref())?;
    let params = request.params;
    app.db()
        .write(move |tx| Box::pin(async move { logged_models::log_params(tx, &model_id, &params).await }))
        .await?;
    empty()
}

/// `PATCH logged-models/{model_id}/tags`
pub async fn set_tags(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    Proto(request): Proto<SetLoggedModelTags>,
) -> Reply<Empty> {
    let tags = request.tags;
    app.db()
        .write(move |tx| Box::pin(async move { logged_models::set_tags(tx, &model_id, &tags).await }))
        .await?;
    empty()
}

/// `DELETE logged-models/{model_id}/tags/{tag_key}`
pub async fn delete_tag(
    State(app): State<App>,
    PathTexts((model_id, key)): PathTexts<(String, String)>,
) -> Reply<Empty> {
    app.db()
        .write(move |tx| Box::pin(async move { logged_models::delete_tag(tx, &model_id, &key).await }))
        .await?;
    empty()
}

/// `max_results` where a request leaves it out: protobuf's default.
const MAX_RESULTS_ABSENT: i64 = 50;
/// `max_results` for 0: the default of MLflow's store.
const MAX_RESULTS_ZERO: i64 = 100;

/// `POST logged-models/search`
pub async fn search(
    State(app): State<App>,
    Proto(request): Proto<SearchLoggedModels>,
) -> Reply<SearchLoggedModelsResponse> {
    let ids = experiments::numbers(&request.experiment_ids)?;
    let (models, next_page_token) = app
        .db()
        .read(move |tx| {
            Box::pin(async move {
                let datasets: Vec<_> = request.datasets.iter().map(dataset).collect();
                let order_by: Vec<_> = request.order_by.iter().map(order).collect();
                let query = LoggedModelQuery {
                    experiment_ids: &ids,
                    filter: request.filter.as_deref().unwrap_or_default(),
                    datasets: &datasets,
                    order_by: &order_by,
                    max_results: match request.max_results {
                        None => MAX_RESULTS_ABSENT,
                        Some(0) => MAX_RESULTS_ZERO,
                        Some(n) => n,
                    },
                    page_token: request.page_token.as_deref().unwrap_or_default(),
                };
                logged_models::search(tx, &query).await
            })
        })
        .await?;
    Ok(Json(SearchLoggedModelsResponse { models, next_page_token }))
}

/// `GET logged-models/{model_id}/artifacts/directories`
pub async fn list_artifacts(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    Proto(request): Proto<ListLoggedModelArtifacts>,
) -> Reply<ListArtifactsResponse> {
    let folder = ArtifactPath::parse(&request.artifact_directory_path.unwrap_or_default())?;
    let location = artifact_location(&app, model_id).await?;
    artifacts::list_below(&app, location, &folder).await
}

/// `GET logged-models/{model_id}/artifacts/files`
pub async fn get_artifact(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let Some(path) = artifacts::first(&query, "artifact_file_path") else {
        let message = "Request must include the \"artifact_file_path\" query parameter.";
        return Err(api::Error::new(ErrorCode::BadRequest, message).into());
    };
    let path = ArtifactPath::parse(path)?;
    let location = artifact_location(&app, model_id).await?;
    artifacts::send_below(&app, &location, &path, &headers).await
}

/// `GET logged-models/{model_id}/artifacts/zip`, a route of our own
pub async fn zip_artifacts(
    State(app): State<App>,
    PathTexts(model_id): PathTexts<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let path = artifacts::first(&query, "artifact_directory_path").unwrap_or_default();
    let path = ArtifactPath::parse(path)?;
    let location = artifact_location(&app, model_id.clone()).await?;
    artifacts::zip_below(&app, &location, &path, &model_id).await
}

async fn artifact_location(app: &App, model_id: String) -> Result<String, Failure> {
    let read = app
        .db()
        .read(move |tx| Box::pin(async move { logged_models::artifact_location(tx, &model_id).await }));
    Ok(read.await?)
}

fn dataset(dataset: &api::LoggedModelDataset) -> Dataset<'_> {
    Dataset { dataset_name: &dataset.dataset_name, dataset_digest: set(&dataset.dataset_digest) }
}

fn order(order: &api::LoggedModelOrderBy) -> OrderBy<'_> {
    OrderBy {
        field_name: &order.field_name,
        ascending: order.ascending.unwrap_or(true),
        dataset_name: set(&order.dataset_name),
        dataset_digest: set(&order.dataset_digest),
    }
}

/// Empty texts are absent ones, as in a protobuf message.
fn set(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
