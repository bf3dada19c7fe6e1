//! Reads logged models with all that belongs to them in a constant number of statements.

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::grouped::grouped;
use api::{LoggedModel, LoggedModelData, LoggedModelInfo, LoggedModelStatus, Metric, Tag};
use std::collections::HashMap;

const INFOS: &str = "
    SELECT model_id, experiment_id, name, creation_timestamp_ms, last_updated_timestamp_ms, artifact_location, status,
           model_type, source_run_id
    FROM logged_models WHERE model_id";
const ACTIVE_INFO: &str = "
    SELECT model_id, experiment_id, name, creation_timestamp_ms, last_updated_timestamp_ms, artifact_location, status,
           model_type, source_run_id
    FROM logged_models WHERE model_id = $1 AND lifecycle_stage <> 'deleted'";
const TAGS: &str = "SELECT model_id, tag_key, tag_value FROM logged_model_tags WHERE model_id";
const PARAMS: &str = "SELECT model_id, param_key, param_value FROM logged_model_params WHERE model_id";
const METRICS: &str = "
    SELECT model_id, metric_name, metric_value, metric_timestamp_ms, metric_step, dataset_name, dataset_digest, run_id
    FROM logged_model_metrics WHERE model_id";

/// The models with these ids, deleted or not, in this order; ids without a model are left out.
///
/// # Errors
/// Of the database.
pub async fn load(tx: &mut Tx<'_>, model_ids: &[String]) -> Result<Vec<LoggedModel>> {
    let sql = tx.dialect().in_texts(INFOS, 1, "");
    let infos = tx.all(&sql, &[Value::Texts(model_ids.to_vec())], info).await?;
    let mut by_id: HashMap<String, LoggedModelInfo> =
        infos.into_iter().map(|info| (info.model_id.clone(), info)).collect();
    complete(tx, model_ids.iter().filter_map(|id| by_id.remove(id)).collect()).await
}

/// The model with this id, unless it is deleted.
pub(super) async fn active(tx: &mut Tx<'_>, model_id: &str) -> Result<Option<LoggedModel>> {
    let infos = tx.all(ACTIVE_INFO, &[model_id.into()], info).await?;
    Ok(complete(tx, infos).await?.pop())
}

/// Adds tags, params and metrics, each sorted, so that both engines answer alike.
async fn complete(tx: &mut Tx<'_>, infos: Vec<LoggedModelInfo>) -> Result<Vec<LoggedModel>> {
    if infos.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = infos.iter().map(|info| info.model_id.clone()).collect();
    let mut tags = grouped(tx, TAGS, &ids, pair).await?;
    let mut params = grouped(tx, PARAMS, &ids, pair).await?;
    let mut metrics = grouped(tx, METRICS, &ids, metric).await?;
    let model = |mut info: LoggedModelInfo| {
        info.tags = sorted(tags.remove(&info.model_id).unwrap_or_default());
        let mut metrics = metrics.remove(&info.model_id).unwrap_or_default();
        metrics.sort_by(|a, b| {
            (&a.key, a.timestamp, a.step, &a.run_id).cmp(&(&b.key, b.timestamp, b.step, &b.run_id))
        });
        let params = sorted(params.remove(&info.model_id).unwrap_or_default());
        LoggedModel { info, data: LoggedModelData { params, metrics } }
    };
    Ok(infos.into_iter().map(model).collect())
}

fn sorted(mut pairs: Vec<Tag>) -> Vec<Tag> {
    pairs.sort_by(|a, b| a.key.cmp(&b.key));
    pairs
}

fn info(row: &Row) -> Result<LoggedModelInfo> {
    Ok(LoggedModelInfo {
        model_id: row.text(0)?,
        experiment_id: row.int(1)?.to_string(),
        name: row.text(2)?,
        creation_timestamp_ms: row.int(3)?,
        last_updated_timestamp_ms: row.int(4)?,
        artifact_uri: row.text(5)?,
        status: LoggedModelStatus::from_number(row.int(6)?).unwrap_or(LoggedModelStatus::Unspecified),
        model_type: row.opt_text(7)?,
        source_run_id: row.opt_text(8)?,
        tags: Vec::new(),
    })
}

fn pair(row: &Row) -> Result<Tag> {
    Ok(Tag { key: row.text(1)?, value: row.text(2)? })
}

fn metric(row: &Row) -> Result<Metric> {
    let set = |text: Option<String>| text.filter(|t| !t.is_empty());
    Ok(Metric {
        key: row.text(1)?,
        value: row.float(2)?,
        timestamp: row.int(3)?,
        step: row.int(4)?,
        dataset_name: set(row.opt_text(5)?),
        dataset_digest: set(row.opt_text(6)?),
        model_id: Some(row.text(0)?),
        run_id: Some(row.text(7)?),
    })
}
