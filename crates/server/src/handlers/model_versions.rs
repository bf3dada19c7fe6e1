//! `model-versions/*`

use crate::app::App;
use crate::extract::{Proto, pairs};
use crate::handlers::artifacts::{first, required, send_below};
use crate::respond::{Empty, Failure, Json, Reply, empty};
use crate::sources;
use api::error::invalid;
use api::request::{missing_value, text_without_nul};
use api::{
    CreateModelVersion, DeleteModelVersionTag, GetModelVersionDownloadUri,
    GetModelVersionDownloadUriResponse, ModelVersionRef, ModelVersionResponse, SearchModelVersions,
    SearchModelVersionsResponse, SetModelVersionTag, Tag, TransitionModelVersionStage, UpdateModelVersion,
    VersionNumber, has_prompt_tag,
};
use artifacts::ArtifactPath;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use store::model_versions::{self, NewModelVersion};
use store::search::model_versions::ModelVersionQuery;

/// `POST model-versions/create`
pub async fn create(
    State(app): State<App>,
    Proto(request): Proto<CreateModelVersion>,
) -> Reply<ModelVersionResponse> {
    let origin = sources::origin(&app, &request).await?;
    let noted_in =
        (!request.model_id.is_empty() && !has_prompt_tag(&request.tags)).then_some(request.model_id);
    let mut new = NewModelVersion {
        name: request.name.unwrap_or_default(),
        source: request.source.unwrap_or_default(),
        storage_location: origin.storage_location,
        run_id: origin.run_id,
        tags: request.tags,
        run_link: request.run_link,
        description: request.description,
        noted_in,
        now_ms: app.now_ms(),
    };
    let noted_elsewhere = app.own_registry().and_then(|_| new.noted_in.take());
    let model_version = app.registry().write(move |tx| Box::pin(model_versions::create(tx, new))).await?;
    if let Some(model_id) = noted_elsewhere {
        sources::note(&app, &model_id, &model_version).await;
    }
    Ok(Json(ModelVersionResponse { model_version }))
}

/// `GET model-versions/get`
pub async fn get(
    State(app): State<App>,
    Proto(request): Proto<ModelVersionRef>,
) -> Reply<ModelVersionResponse> {
    let (name, version) = (request.name.unwrap_or_default(), number(request.version)?);
    let model_version = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::get(tx, &name, &version).await }))
        .await?;
    Ok(Json(ModelVersionResponse { model_version }))
}

/// `max_results` where a request leaves it out: protobuf's default.
const MAX_RESULTS_ABSENT: i64 = 200_000;

/// `GET model-versions/search`
pub async fn search(
    State(app): State<App>,
    Proto(request): Proto<SearchModelVersions>,
) -> Reply<SearchModelVersionsResponse> {
    let query = ModelVersionQuery {
        filter: request.filter.unwrap_or_default(),
        order_by: request.order_by,
        max_results: request.max_results.unwrap_or(MAX_RESULTS_ABSENT),
        page_token: request.page_token.unwrap_or_default(),
    };
    let (model_versions, next_page_token) = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::search(tx, &query).await }))
        .await?;
    Ok(Json(SearchModelVersionsResponse { model_versions, next_page_token }))
}

/// `PATCH model-versions/update`
pub async fn update(
    State(app): State<App>,
    Proto(request): Proto<UpdateModelVersion>,
) -> Reply<ModelVersionResponse> {
    let (name, version) = (request.name.unwrap_or_default(), number(request.version)?);
    let (description, now) = (request.description, app.now_ms());
    let model_version = app
        .registry()
        .write(move |tx| {
            Box::pin(async move { model_versions::update(tx, &name, &version, description, now).await })
        })
        .await?;
    Ok(Json(ModelVersionResponse { model_version }))
}

/// `POST model-versions/transition-stage`
pub async fn transition(
    State(app): State<App>,
    Proto(request): Proto<TransitionModelVersionStage>,
) -> Reply<ModelVersionResponse> {
    let (name, version) = (request.name.unwrap_or_default(), request.version.unwrap_or_default());
    let (stage, archive) =
        (request.stage.unwrap_or_default(), request.archive_existing_versions == Some(true));
    let now = app.now_ms();
    let model_version = app
        .registry()
        .write(move |tx| {
            Box::pin(
                async move { model_versions::transition(tx, &name, &version, &stage, archive, now).await },
            )
        })
        .await?;
    Ok(Json(ModelVersionResponse { model_version }))
}

/// `DELETE model-versions/delete`
pub async fn delete(State(app): State<App>, Proto(request): Proto<ModelVersionRef>) -> Reply<Empty> {
    let (name, version) = (request.name.unwrap_or_default(), number(request.version)?);
    let now = app.now_ms();
    app.registry()
        .write(move |tx| Box::pin(async move { model_versions::delete(tx, &name, &version, now).await }))
        .await?;
    empty()
}

/// `POST model-versions/set-tag`
pub async fn set_tag(State(app): State<App>, Proto(request): Proto<SetModelVersionTag>) -> Reply<Empty> {
    let (name, version) = (request.name.unwrap_or_default(), number(request.version)?);
    let tag = Tag { key: request.key.unwrap_or_default(), value: request.value.unwrap_or_default() };
    app.registry()
        .write(move |tx| Box::pin(async move { model_versions::set_tag(tx, &name, &version, &tag).await }))
        .await?;
    empty()
}

/// `DELETE model-versions/delete-tag`
pub async fn delete_tag(
    State(app): State<App>,
    Proto(request): Proto<DeleteModelVersionTag>,
) -> Reply<Empty> {
    let (name, version) = (request.name.unwrap_or_default(), number(request.version)?);
    let key = request.key.unwrap_or_default();
    app.registry()
        .write(move |tx| Box::pin(async move { model_versions::delete_tag(tx, &name, &version, &key).await }))
        .await?;
    empty()
}

/// `GET model-versions/get-download-uri`
pub async fn get_download_uri(
    State(app): State<App>,
    Proto(request): Proto<GetModelVersionDownloadUri>,
) -> Reply<GetModelVersionDownloadUriResponse> {
    let GetModelVersionDownloadUri { name, version } = request;
    if name.is_empty() {
        return Err(invalid(missing_value("name")).into());
    }
    let version = VersionNumber::parse(&version)?;
    let artifact_uri = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::download_uri(tx, &name, &version).await }))
        .await?;
    Ok(Json(GetModelVersionDownloadUriResponse { artifact_uri }))
}

/// `GET /model-versions/get-artifact`
pub async fn get_artifact(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let query = pairs(&uri)?;
    let path = ArtifactPath::parse(required(&query, "path")?)?;
    let given = |name| first(&query, name).ok_or_else(|| invalid(missing_value(name)));
    let (name, version) = (given("name")?.to_owned(), VersionNumber::parse(given("version")?)?);
    text_without_nul("name", &name)?;
    let found = app
        .registry()
        .read(move |tx| Box::pin(async move { model_versions::artifacts(tx, &name, &version).await }))
        .await?;
    sources::check_readable(&app, &found).await?;
    send_below(&app, &found.location, &path, &headers).await
}

fn number(text: Option<String>) -> api::Result<VersionNumber> {
    VersionNumber::parse(&text.unwrap_or_default())
}
