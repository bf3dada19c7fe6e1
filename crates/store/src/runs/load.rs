//! Reads many runs with all that belongs to them in a constant number of statements, which are sent together.

use crate::datasets::{self, DatasetRow};
use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::runs::RUN_NAME_TAG;
use api::{Metric, ModelInput, ModelOutput, Run, RunData, RunInfo, RunInputs, RunOutputs, RunStatus, Tag};
use std::collections::HashMap;

const INFOS: &str = "
    SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage
    FROM runs WHERE run_uuid";
const METRICS: &str =
    "SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid";
const PARAMS: &str = "SELECT run_uuid, key, value FROM params WHERE run_uuid";
const TAGS: &str = "SELECT run_uuid, key, value FROM tags WHERE run_uuid";

/// What belongs to a run; column 0 of each part's rows is the run's id.
#[derive(Clone, Copy)]
enum Part {
    Info,
    Metrics,
    Params,
    Tags,
    Datasets,
    ModelOutputs,
    ModelInputs,
}

/// The parts of a run that a search answers: as in MLflow, all but the model inputs.
const FOUND: [Part; 6] =
    [Part::Info, Part::Metrics, Part::Params, Part::Tags, Part::Datasets, Part::ModelOutputs];
const ALL: [Part; 7] = [
    Part::Info,
    Part::Metrics,
    Part::Params,
    Part::Tags,
    Part::Datasets,
    Part::ModelOutputs,
    Part::ModelInputs,
];

/// The runs with these ids, in this order; ids without a run are left out. Without their model inputs, as in MLflow's
/// search.
///
/// # Errors
/// Of the database.
pub async fn load(tx: &mut Tx<'_>, run_ids: &[String]) -> Result<Vec<Run>> {
    parts(tx, &FOUND, run_ids).await
}

/// The run with this id, with everything that belongs to it.
pub(super) async fn whole(tx: &mut Tx<'_>, run_id: &str) -> Result<Option<Run>> {
    Ok(parts(tx, &ALL, &[run_id.to_owned()]).await?.pop())
}

async fn parts(tx: &mut Tx<'_>, parts: &[Part], run_ids: &[String]) -> Result<Vec<Run>> {
    let dialect = tx.dialect();
    let queries: Vec<String> = parts.iter().map(|part| dialect.in_texts(part.sql(), 1, "")).collect();
    let mut loading: HashMap<&str, Loading> =
        run_ids.iter().map(|id| (id.as_str(), <_>::default())).collect();
    tx.each_of(&queries, &[Value::Texts(run_ids.to_vec())], |n, row| match loading.get_mut(row.str(0)?) {
        Some(run) => run.add(parts[n], row),
        None => Ok(()),
    })
    .await?;
    Ok(run_ids.iter().filter_map(|id| loading.remove(id.as_str())?.run()).collect())
}

impl Part {
    fn sql(self) -> &'static str {
        match self {
            Self::Info => INFOS,
            Self::Metrics => METRICS,
            Self::Params => PARAMS,
            Self::Tags => TAGS,
            Self::Datasets => datasets::DATASET_INPUTS,
            Self::ModelOutputs => datasets::MODEL_OUTPUTS,
            Self::ModelInputs => datasets::MODEL_INPUTS,
        }
    }
}

/// What has been read of a run.
#[derive(Default)]
struct Loading {
    info: Option<RunInfo>,
    data: RunData,
    datasets: Vec<DatasetRow>,
    model_inputs: Vec<ModelInput>,
    model_outputs: Vec<ModelOutput>,
}

impl Loading {
    fn add(&mut self, part: Part, row: &Row) -> Result<()> {
        match part {
            Part::Info => self.info = Some(info(row)?),
            Part::Metrics => self.data.metrics.push(metric(row)?),
            Part::Params => self.data.params.push(pair(row)?),
            Part::Tags => self.data.tags.push(pair(row)?),
            Part::Datasets => self.datasets.push(datasets::dataset_row(row)?),
            Part::ModelOutputs => self.model_outputs.push(datasets::model_output(row)?),
            Part::ModelInputs => self.model_inputs.push(datasets::model_input(row)?),
        }
        Ok(())
    }

    fn run(mut self) -> Option<Run> {
        let mut info = self.info?;
        // Rows of old MLflow versions have their name in the tag alone.
        if info.run_name.as_ref().is_none_or(String::is_empty)
            && let Some(tag) = self.data.tags.iter().find(|t| t.key == RUN_NAME_TAG && !t.value.is_empty())
        {
            info.run_name = Some(tag.value.clone());
        }
        self.model_inputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
        self.model_outputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
        let inputs = RunInputs {
            dataset_inputs: datasets::dataset_inputs(self.datasets),
            model_inputs: self.model_inputs,
        };
        let outputs = Some(RunOutputs { model_outputs: self.model_outputs });
        Some(Run { info, data: self.data, inputs, outputs })
    }
}

/// The info of the run with this id.
pub(super) async fn info_of(tx: &mut Tx<'_>, run_id: &str) -> Result<Option<RunInfo>> {
    let sql = tx.dialect().in_texts(INFOS, 1, "");
    tx.first(&sql, &[Value::Texts(vec![run_id.to_owned()])], info).await
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
