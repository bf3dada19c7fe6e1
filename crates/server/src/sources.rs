//! What a model version may come from. A folder of this machine must belong to a run or a logged model: else whoever creates
//! a version could read any file as its artifact.

use crate::app::App;
use crate::respond::Failure;
use api::error::invalid;
use api::uri::{self, NO_SOURCE, Source, foreign_folder, leads_where_it_says};
use api::{CreateModelVersion, ModelVersion, has_prompt_tag};
use store::model_versions::{self, Origin, VersionArtifacts};
use store::{logged_models, runs};

/// What the operator wants to find in every source (`--model-version-source-pattern`).
#[derive(Debug, Clone)]
pub struct SourcePattern(regex_lite::Regex);

impl SourcePattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        regex_lite::Regex::new(text)
            .map(Self)
            .map_err(|error| format!("not a regular expression, or one that looks around or back: {error}"))
    }
}

/// Checks the source of a version that is to be created, and looks up the logged model that it is made from.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`; `RESOURCE_DOES_NOT_EXIST` for the logged model, or the run that is to own a folder.
pub async fn origin(app: &App, request: &CreateModelVersion) -> Result<Origin, Failure> {
    check(app, request).await?;
    let request = request.clone();
    Ok(app.db().read(move |tx| Box::pin(async move { model_versions::origin(tx, &request).await })).await?)
}

/// Notes a version in its logged model, where that is in another database. The version is there by then, so a failure is no reason
/// to refuse it: whoever asks again would get a second one.
pub async fn note(app: &App, model_id: &str, version: &ModelVersion) {
    let (id, name) = (model_id.to_owned(), version.name.clone());
    let number = version.version.parse().unwrap_or_default();
    let noted = app
        .db()
        .write(move |tx| Box::pin(async move { logged_models::note_version(tx, &id, &name, number).await }));
    if let Err(error) = noted.await {
        tracing::warn!(%error, model_id, "a model version could not be noted in its logged model");
    }
}

/// Checks the source of a version that is to be created. Prompts are checked, too: they have no files, so that their clients
/// send a text that names none.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`; `RESOURCE_DOES_NOT_EXIST` for the run or the logged model that is to own a folder.
async fn check(app: &App, request: &CreateModelVersion) -> Result<(), Failure> {
    let source = request.source.as_deref().unwrap_or_default();
    if let Some(SourcePattern(pattern)) = &app.settings().source_pattern
        && !pattern.is_match(source)
    {
        return Err(invalid(format!("Invalid model version source: '{source}'.")).into());
    }
    if source == NO_SOURCE && has_prompt_tag(&request.tags) {
        return Ok(());
    }
    let Source::Folder(path) = Source::parse(source)? else { return Ok(()) };
    let (owner, location) = if !request.model_id.is_empty() {
        let id = request.model_id.clone();
        let read =
            app.db().read(move |tx| Box::pin(async move { logged_models::artifact_location(tx, &id).await }));
        ("model_id", Some(read.await?))
    } else if !request.run_id.is_empty() {
        let id = request.run_id.clone();
        let run = app.db().read(move |tx| Box::pin(async move { runs::info(tx, &id).await })).await?;
        ("run_id", run.artifact_uri)
    } else {
        ("run_id", None)
    };
    let owned = match location {
        Some(location) => leads_where_it_says(source) && is_below(app, &path, &location).await?,
        None => false,
    };
    if owned { Ok(()) } else { Err(foreign_folder(source, owner).into()) }
}

/// Checks that the files of a version may be read. Its source may have been written by a server that checks less.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub async fn check_readable(app: &App, version: &VersionArtifacts) -> Result<(), Failure> {
    let location = &version.location;
    if !uri::is_local_uri(location)? {
        return Ok(());
    }
    let path = uri::local_path(&uri::resolve_uri_if_local(location, &app.settings().working_dir)?)?;
    if leads_where_it_says(location) && location != NO_SOURCE {
        if app.settings().locations.has_folder(&path) {
            return Ok(());
        }
        let known = version.clone();
        let owners =
            app.db().read(move |tx| Box::pin(async move { model_versions::owners(tx, &known).await }));
        for owner in owners.await? {
            if is_below(app, &path, &owner).await? {
                return Ok(());
            }
        }
    }
    Err(invalid(
        "This model version has no files, or they are in a folder of the server that belongs neither to its run nor to a logged \
         model. Let the operator of the server allow the folder: --allowed-artifact-locations.",
    )
    .into())
}

/// Whether a folder of this machine is at the location, or below it.
async fn is_below(app: &App, path: &str, location: &str) -> Result<bool, Failure> {
    if !uri::is_local_uri(location)? {
        return Ok(false);
    }
    let working_dir = &app.settings().working_dir;
    let folder = working_dir.join(uri::local_path(location)?);
    Ok(artifacts::is_below(working_dir.join(path), folder).await?)
}
