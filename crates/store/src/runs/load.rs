//! Reads many runs with all that belongs to them in a constant number of statements.

use crate::datasets;
use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::grouped::grouped;
use crate::runs::RUN_NAME_TAG;
use api::{Metric, Run, RunData, RunInfo, RunInputs, RunOutputs, RunStatus, Tag};
use std::collections::HashMap;

const INFOS: &str = "
    SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage
    FROM runs WHERE run_uuid";
const METRICS: &str =
    "SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid";
const PARAMS: &str = "SELECT run_uuid, key, value FROM params WHERE run_uuid";
const TAGS: &str = "SELECT run_uuid, key, value FROM tags WHERE run_uuid";

/// The runs with these ids, in this order; ids without a run are left out. Without their model inputs, as in MLflow's
/// search.
///
/// # Errors
/// Of the database.
pub async fn load(tx: &mut Tx<'_>, run_ids: &[String]) -> Result<Vec<Run>> {
    let infos = infos(tx, run_ids.to_vec()).await?;
    let mut metrics = grouped(tx, METRICS, run_ids, metric).await?;
    let mut params = grouped(tx, PARAMS, run_ids, pair).await?;
    let mut tags = grouped(tx, TAGS, run_ids, pair).await?;
    let mut dataset_inputs = datasets::dataset_inputs_of(tx, run_ids).await?;
    let mut model_outputs = datasets::model_outputs_of(tx, run_ids).await?;
    let run = |mut info: RunInfo| {
        let id = &info.run_id;
        let data = RunData {
            metrics: metrics.remove(id).unwrap_or_default(),
            params: params.remove(id).unwrap_or_default(),
            tags: tags.remove(id).unwrap_or_default(),
        };
        // Rows of old MLflow versions have their name in the tag alone.
        if info.run_name.as_ref().is_none_or(String::is_empty)
            && let Some(tag) = data.tags.iter().find(|t| t.key == RUN_NAME_TAG && !t.value.is_empty())
        {
            info.run_name = Some(tag.value.clone());
        }
        let inputs = RunInputs {
            dataset_inputs: dataset_inputs.remove(&info.run_id).unwrap_or_default(),
            model_inputs: Vec::new(),
        };
        let model_outputs = model_outputs.remove(&info.run_id).unwrap_or_default();
        Run { info, data, inputs, outputs: Some(RunOutputs { model_outputs }) }
    };
    Ok(infos.into_iter().map(run).collect())
}

/// The infos of the runs with these ids, in this order.
pub(super) async fn infos(tx: &mut Tx<'_>, run_ids: Vec<String>) -> Result<Vec<RunInfo>> {
    let sql = tx.dialect().in_texts(INFOS, 1, "");
    let rows = tx.all(&sql, &[Value::Texts(run_ids.clone())], info).await?;
    let mut by_id: HashMap<String, RunInfo> = rows.into_iter().map(|i| (i.run_id.clone(), i)).collect();
    Ok(run_ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

fn info(row: &Row) -> Result<RunInfo> {
    let run_id = row.text(0)?;
    Ok(RunInfo {
        run_uuid: run_id.clone(),
        experiment_id: row.int(1)?.to_string(),
        run_name: row.opt_text(2)?,
        user_id: row.text(3)?,
        status: RunStatus::from_name(&row.text(4)?).unwrap_or(RunStatus::Running),
        start_time: row.int(5)?,
        // 0 is no end: a protobuf message cannot tell them apart, and clients write 0 for none.
        end_time: row.opt_int(6)?.filter(|t| *t != 0),
        artifact_uri: row.opt_text(7)?.filter(|uri| !uri.is_empty()),
        lifecycle_stage: row.text(8)?,
        run_id,
    })
}

fn metric(row: &Row) -> Result<Metric> {
    Ok(Metric {
        key: row.text(1)?,
        value: if row.bool(5)? { f64::NAN } else { row.float(2)? },
        timestamp: row.int(3)?,
        step: row.int(4)?,
        dataset_name: None,
        dataset_digest: None,
        model_id: None,
        run_id: None,
    })
}

fn pair(row: &Row) -> Result<Tag> {
    Ok(Tag { key: row.text(1)?, value: row.text(2)? })
}
