//! Creating model versions.

use super::origin::unresolved;
use super::{download_uri, load, no_version};
use crate::db::{Bulk, Column, Tx};
use crate::error::Result;
use crate::{logged_models, registered_models};
use api::error::invalid;
use api::uri::ModelUri;
use api::validate;
use api::{ModelVersion, Tag, VersionNumber};
use std::collections::BTreeMap;

/// What `model-versions/create` makes.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub struct NewModelVersion {
    pub name: String,
    /// Checked already.
    pub source: String,
    /// Where its files are, if the source names a logged model ([`super::origin()`]).
    pub storage_location: Option<String>,
    pub run_id: String,
    pub tags: Vec<Tag>,
    pub run_link: String,
    pub description: String,
    /// The logged model that it is made from, if that is in the same database and is to know.
    pub noted_in: Option<String>,
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
    let location = storage_location(tx, &new).await?;
    registered_models::touch(tx, &new.name, new.now_ms).await?;
    let version = tx.first(NEXT_VERSION, &[new.name.as_str().into()], |row| row.int(0)).await?.unwrap_or(1);
    let args = [
        new.name.as_str().into(),
        version.into(),
        new.now_ms.into(),
        new.now_ms.into(),
        new.description.as_str().into(),
        new.source.as_str().into(),
        location.into(),
        new.run_id.as_str().into(),
        new.run_link.as_str().into(),
    ];
    tx.exec(INSERT, &args).await?;
    insert_tags(tx, &new, version).await?;
    if let Some(model_id) = &new.noted_in {
        logged_models::note_version(tx, model_id, &new.name, version).await?;
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

/// Where the files of a version are. A source that names another version has its files.
async fn storage_location(tx: &mut Tx<'_>, new: &NewModelVersion) -> Result<String> {
    if let Some(location) = &new.storage_location {
        return Ok(location.clone());
    }
    match ModelUri::parse(&new.source)? {
        Some(ModelUri::Version(name, version)) => {
            let version = VersionNumber::parse(&version)?;
            let location = download_uri(tx, &name, &version).await;
            location.map_err(|error| unresolved(&new.source, error))
        }
        Some(ModelUri::Other) => Err(invalid(format!(
            "Unable to fetch model from model URI source artifact location '{}'. Name a version by its number: \
             'models:/name/1'.",
            new.source
        ))
        .into()),
        Some(ModelUri::LoggedModel(_)) | None => Ok(new.source.clone()),
    }
}
