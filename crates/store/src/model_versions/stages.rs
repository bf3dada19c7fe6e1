//! Moving a version from one stage to another.

use super::{get, no_version, touch_model};
use crate::db::Tx;
use crate::error::Result;
use api::error::internal;
use api::{ModelVersion, Stage, VersionNumber};

const ARCHIVE_OTHERS: &str = "
    UPDATE model_versions SET current_stage = 'Archived', last_updated_time = $1
    WHERE name = $2 AND version <> $3 AND current_stage = $4";
const MOVE: &str = "
    UPDATE model_versions SET current_stage = $1, last_updated_time = $2
    WHERE name = $3 AND version = $4 AND current_stage <> 'Deleted_Internal'";

/// Moves a version to a stage and answers it; with `archive_others` the versions that are there go to the archive.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` for a stage that is none; `INTERNAL_ERROR` in MLflow's words when
/// others are to be archived for a stage that is not active.
pub async fn transition(
    tx: &mut Tx<'_>,
    name: &str,
    version: &str,
    stage: &str,
    archive_others: bool,
    now_ms: i64,
) -> Result<ModelVersion> {
    let wanted = Stage::parse(stage)?;
    if archive_others && !wanted.is_active() {
        return Err(internal(format!(
            "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. \
             Valid stages are ['Staging', 'Production']"
        ))
        .into());
    }
    let version = &VersionNumber::parse(version)?;
    touch_model(tx, name, version, now_ms).await?;
    if archive_others {
        let args = [now_ms.into(), name.into(), version.get().into(), wanted.name().into()];
        tx.exec(ARCHIVE_OTHERS, &args).await?;
    }
    let args = [wanted.name().into(), now_ms.into(), name.into(), version.get().into()];
    if tx.exec(MOVE, &args).await? == 0 {
        return Err(no_version(name, version));
    }
    get(tx, name, version).await
}
