//! Creating model versions.

use super::load;
use super::{download_uri, no_version};
use crate::db::{Bulk, Column, Tx};
use crate::error::{Error, Result};
use crate::{logged_models, registered_models};
use api::error::{internal, invalid, not_found};
use api::uri::ModelUri;
use api::validate;
use api::{ErrorCode, ModelVersion, Tag, VersionNumber};
use std::collections::BTreeMap;

/// What `model-versions/create` makes.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct NewModelVersion {
    pub name: String,
    /// Checked already.
    pub source: String,
    pub run_id: String,
    pub tags: Vec<Tag>,
    pub run_link: String,
    pub description: String,
    /// The logged model that it is made from; empty for none.
    pub model_id: String,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

const NEXT_VERSION: &str = "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = $1";
const INSERT: &str = "
    INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, current_stage, source,
                                storage_location, run_id, run_link, status)
    VALUES ($1, $2, $3, $4, $5, 'None', $6, $7, $8, $9, 'READY')";
const INSERT_TAGS: Bulk =
    Bulk { insert: "INSERT INTO model_version_tags (name, version, key, value)", then: "" };

/// Creates a version with the next number of its model, and answers it. Numbers of deleted versions are not used again: their
/// rows stay. Of equal tags the last one counts.
///
/// The model's row is locked first, so that whoever comes at the same time takes the number after.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for the registered model, the logged model, or the version that the source names;
/// `INVALID_PARAMETER_VALUE`.
pub async fn create(tx: &mut Tx<'_>, new: NewModelVersion) -> Result<ModelVersion> {
    for tag in &new.tags {
        validate::model_version_tag(tag)?;
    }
    let origin = origin(tx, &new).await?;
    registered_models::touch(tx, &new.name, new.now_ms).await?;
    let version = tx.first(NEXT_VERSION, &[new.name.as_str().into()], |row| row.int(0)).await?.unwrap_or(1);
    let args = [
        new.name.as_str().into(),
        version.into(),
        new.now_ms.into(),
        new.now_ms.into(),
        new.description.as_str().into(),
        new.source.as_str().into(),
        origin.storage_location.into(),
        origin.run_id.into(),
        new.run_link.as_str().into(),
    ];
    tx.exec(INSERT, &args).await?;
    insert_tags(tx, &new, version).await?;
    if !new.model_id.is_empty() && !api::has_prompt_tag(&new.tags) {
        logged_models::note_version(tx, &new.model_id, &new.name, version).await?;
    }
    let number = VersionNumber::parse(&version.to_string())?;
    load::one(tx, &new.name, version).await?.ok_or_else(|| no_version(&new.name, &number))
}

async fn insert_tags(tx: &mut Tx<'_>, new: &NewModelVersion, version: i64) -> Result<()> {
    let tags: BTreeMap<&str, &str> = new.tags.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect();
    let columns = [
        Column::Texts(vec![new.name.clone(); tags.len()]),
        Column::Ints(vec![version; tags.len()]),
        Column::Texts(tags.keys().map(|&key| key.to_owned()).collect()),
        Column::Texts(tags.values().map(|&value| value.to_owned()).collect()),
    ];
    tx.insert_many(&INSERT_TAGS, &columns).await?;
    Ok(())
}

/// Where a version's files are, and the run that made them.
struct Origin {
    storage_location: String,
    run_id: String,
}

/// What the source and the logged model say. A source that names another version, or a logged model, has its files.
async fn origin(tx: &mut Tx<'_>, new: &NewModelVersion) -> Result<Origin> {
    let mut origin = Origin { storage_location: new.source.clone(), run_id: new.run_id.clone() };
    match ModelUri::parse(&new.source)? {
        None => {}
        Some(ModelUri::LoggedModel(id)) => {
            let (location, run_id) =
                logged_models::origin(tx, &id).await.map_err(|e| unresolved(&new.source, e))?;
            origin.storage_location = location;
            if origin.run_id.is_empty() {
                origin.run_id = run_id;
            }
        }
        Some(ModelUri::Version(name, version)) => {
            let version = VersionNumber::parse(&version)?;
            let location = download_uri(tx, &name, &version).await;
            origin.storage_location = location.map_err(|e| unresolved(&new.source, e))?;
        }
        Some(ModelUri::Other) => {
            return Err(invalid(format!(
                "Unable to fetch model from model URI source artifact location '{}'. Name a version by its number: \
                 'models:/name/1'.",
                new.source
            ))
            .into());
        }
    }
    if origin.run_id.is_empty() && !new.model_id.is_empty() {
        origin.run_id = logged_models::origin(tx, &new.model_id).await?.1;
    }
    Ok(origin)
}

/// MLflow answers 500 in these words, though the request is at fault.
fn unresolved(source: &str, error: Error) -> Error {
    let api = match error {
        Error::Api(api) => api,
        error => return error,
    };
    let message = format!(
        "Unable to fetch model from model URI source artifact location '{source}'.Error: {}",
        api.message
    );
    match api.code {
        ErrorCode::ResourceDoesNotExist => not_found(message).into(),
        ErrorCode::InvalidParameterValue => invalid(message).into(),
        _ => internal(message).into(),
    }
}
