//! What the tracking database knows of the logged model that a version is made from. The registry may be in another one.

use crate::db::Tx;
use crate::error::{Error, Result};
use crate::logged_models;
use api::error::{internal, invalid, not_found};
use api::uri::ModelUri;
use api::{CreateModelVersion, ErrorCode};

/// What a logged model adds to a version that is made from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Where its files are, if the source of the version names it (`models:/m-0123`).
    pub storage_location: Option<String>,
    /// The run of the version: the one that the request names, else the one that made the logged model; empty for none.
    pub run_id: String,
}

/// Looks up the logged models that a request names, by its source and by their ids.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST` for one that is not there, or deleted; `INVALID_PARAMETER_VALUE` for a source that is no `models:` URI
/// though it begins like one.
pub async fn origin(tx: &mut Tx<'_>, request: &CreateModelVersion) -> Result<Origin> {
    let source = request.source.as_deref().unwrap_or_default();
    let mut origin = Origin { storage_location: None, run_id: request.run_id.clone() };
    if let Some(ModelUri::LoggedModel(id)) = ModelUri::parse(source)? {
        let found = logged_models::origin(tx, &id).await.map_err(|error| unresolved(source, error))?;
        origin.storage_location = Some(found.0);
        if origin.run_id.is_empty() {
            origin.run_id = found.1;
        }
    }
    if origin.run_id.is_empty() && !request.model_id.is_empty() {
        origin.run_id = logged_models::origin(tx, &request.model_id).await?.1;
    }
    Ok(origin)
}

/// MLflow answers 500 in these words, though the request is at fault.
pub(super) fn unresolved(source: &str, error: Error) -> Error {
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
