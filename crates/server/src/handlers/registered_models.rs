//! `registered-models/*`

use crate::app::App;
use crate::extract::Proto;
use crate::respond::{Empty, Json, Reply, empty};
use api::validate::Alias;
use api::{
    CreateRegisteredModel, DeleteRegisteredModelTag, GetLatestVersions, ModelVersionResponse,
    RegisteredModelAliasRef, RegisteredModelRef, RegisteredModelResponse, RenameRegisteredModel,
    SearchModelVersionsResponse, SearchRegisteredModels, SearchRegisteredModelsResponse,
    SetRegisteredModelAlias, SetRegisteredModelTag, Tag, UpdateRegisteredModel, VersionNumber,
};
use axum::extract::State;
use store::model_versions;
use store::registered_models::{self, NewRegisteredModel};
use store::search::registered_models::RegisteredModelQuery;

/// `POST registered-models/create`
pub async fn create(
    State(app): State<App>,
    Proto(request): Proto<CreateRegisteredModel>,
) -> Reply<RegisteredModelResponse> {
    let new = NewRegisteredModel {
        name: request.name.unwrap_or_default(),
        tags: request.tags,
        description: request.description.unwrap_or_default(),
        now_ms: app.now_ms(),
    };
    let registered_model =
        app.registry().write(move |tx| Box::pin(registered_models::create(tx, new))).await?;
    Ok(Json(RegisteredModelResponse { registered_model }))
}

/// `GET registered-models/get`
pub async fn get(
    State(app): State<App>,
    Proto(request): Proto<RegisteredModelRef>,
) -> Reply<RegisteredModelResponse> {
    let name = request.name.unwrap_or_default();
    let registered_model = app
        .registry()
        .read(move |tx| Box::pin(async move { registered_models::get(tx, &name).await }))
        .await?;
    Ok(Json(RegisteredModelResponse { registered_model }))
}

/// `max_results` where a request leaves it out: protobuf's default.
const MAX_RESULTS_ABSENT: i64 = 100;

/// `GET registered-models/search`
pub async fn search(
    State(app): State<App>,
    Proto(request): Proto<SearchRegisteredModels>,
) -> Reply<SearchRegisteredModelsResponse> {
    let query = RegisteredModelQuery {
        filter: request.filter.unwrap_or_default(),
        order_by: request.order_by,
        max_results: request.max_results.unwrap_or(MAX_RESULTS_ABSENT),
        page_token: request.page_token.unwrap_or_default(),
    };
    let (registered_models, next_page_token) = app
        .registry()
        .read(move |tx| Box::pin(async move { registered_models::search(tx, &query).await }))
        .await?;
    Ok(Json(SearchRegisteredModelsResponse { registered_models, next_page_token }))
}

/// `POST registered-models/rename`
pub async fn rename(
    State(app): State<App>,
    Proto(request): Proto<RenameRegisteredModel>,
) -> Reply<RegisteredModelResponse> {
    let (name, new_name) = (request.name.unwrap_or_default(), request.new_name.unwrap_or_default());
    let now = app.now_ms();
    let registered_model = app
        .registry()
        .write(move |tx| Box::pin(async move { registered_models::rename(tx, &name, &new_name, now).await }))
        .await?;
    Ok(Json(RegisteredModelResponse { registered_model }))
}

/// `PATCH registered-models/update`
pub async fn update(
    State(app): State<App>,
    Proto(request): Proto<UpdateRegisteredModel>,
) -> Reply<RegisteredModelResponse> {
    let (name, description) = (request.name.unwrap_or_default(), request.description.unwrap_or_default());
    let now = app.now_ms();
    let registered_model = app
        .registry()
        .write(move |tx| {
            Box::pin(async move { registered_models::update(tx, &name, &description, now).await })
        })
        .await?;
    Ok(Json(RegisteredModelResponse { registered_model }))
}

/// `DELETE registered-models/delete`
pub async fn delete(State(app): State<App>, Proto(request): Proto<RegisteredModelRef>) -> Reply<Empty> {
    let name = request.name.unwrap_or_default();
    let now = app.now_ms();
    app.registry()
        .write(move |tx| Box::pin(async move { registered_models::delete(tx, &name, now).await }))
        .await?;
    empty()
}

/// `GET` and `POST registered-models/get-latest-versions`
pub async fn get_latest(
    State(app): State<App>,
    Proto(request): Proto<GetLatestVersions>,
) -> Reply<SearchModelVersionsResponse> {
    let (name, stages) = (request.name.unwrap_or_default(), request.stages);
    let model_versions = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::get_latest(tx, &name, &stages).await }))
        .await?;
    Ok(Json(SearchModelVersionsResponse { model_versions, next_page_token: None }))
}

/// `POST registered-models/set-tag`
pub async fn set_tag(State(app): State<App>, Proto(request): Proto<SetRegisteredModelTag>) -> Reply<Empty> {
    let name = request.name.unwrap_or_default();
    let tag = Tag { key: request.key.unwrap_or_default(), value: request.value.unwrap_or_default() };
    app.registry()
        .write(move |tx| Box::pin(async move { registered_models::set_tag(tx, &name, &tag).await }))
        .await?;
    empty()
}

/// `DELETE registered-models/delete-tag`
pub async fn delete_tag(
    State(app): State<App>,
    Proto(request): Proto<DeleteRegisteredModelTag>,
) -> Reply<Empty> {
    let (name, key) = (request.name.unwrap_or_default(), request.key.unwrap_or_default());
    app.registry()
        .write(move |tx| Box::pin(async move { registered_models::delete_tag(tx, &name, &key).await }))
        .await?;
    empty()
}

/// `GET registered-models/alias`
pub async fn get_by_alias(
    State(app): State<App>,
    Proto(request): Proto<RegisteredModelAliasRef>,
) -> Reply<ModelVersionResponse> {
    let name = request.name.unwrap_or_default();
    let alias = Alias::parse(&request.alias.unwrap_or_default())?;
    let model_version = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::get_by_alias(tx, &name, &alias).await }))
        .await?;
    Ok(Json(ModelVersionResponse { model_version }))
}

/// `POST registered-models/alias`
pub async fn set_alias(
    State(app): State<App>,
    Proto(request): Proto<SetRegisteredModelAlias>,
) -> Reply<Empty> {
    let name = request.name.unwrap_or_default();
    let alias = Alias::parse_new(&request.alias.unwrap_or_default())?;
    let version = VersionNumber::parse(&request.version.unwrap_or_default())?;
    app.registry()
        .write(move |tx| {
            Box::pin(async move { registered_models::set_alias(tx, &name, &alias, &version).await })
        })
        .await?;
    empty()
}

/// `DELETE registered-models/alias`
pub async fn delete_alias(
    State(app): State<App>,
    Proto(request): Proto<RegisteredModelAliasRef>,
) -> Reply<Empty> {
    let name = request.name.unwrap_or_default();
    let alias = Alias::parse(&request.alias.unwrap_or_default())?;
    app.registry()
        .write(move |tx| Box::pin(async move { registered_models::delete_alias(tx, &name, &alias).await }))
        .await?;
    empty()
}
