//! Data sets and models as inputs and outputs of runs. Mirrors `_log_inputs_impl`, `log_outputs` and `_search_datasets`.

use crate::db::{Bulk, Column, Row, Tx, Value};
use crate::error::Result;
use crate::experiments::ExperimentId;
use crate::names::new_id;
use crate::runs::{ActiveRun, active};
use api::validate::{self, python_repr};
use api::{Dataset, DatasetInput, DatasetSummary, Error, ErrorCode, ModelInput, ModelOutput, Tag};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Logs data sets and models as inputs of an active run. What is an input already stays as it is.
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`, `INVALID_PARAMETER_VALUE`; `BAD_REQUEST` when a tag comes twice.
pub async fn log_inputs(
    tx: &mut Tx<'_>,
    run_id: &str,
    datasets: Vec<DatasetInput>,
    models: Vec<ModelInput>,
) -> Result<()> {
    validate::run_id(run_id)?;
    let datasets = distinct(datasets)?;
    let run = active(tx, run_id).await?;
    if !datasets.is_empty() {
        let uuids = insert_datasets(tx, &run, &datasets).await?;
        insert_inputs(tx, &run, &datasets, &uuids).await?;
    }
    let model_ids: BTreeSet<String> = models.into_iter().map(|m| m.model_id).collect();
    let steps = vec![0; model_ids.len()];
    insert_edges(tx, Edge::ModelInput, &run, model_ids.into_iter().collect(), steps).await?;
    Ok(())
}

/// A data set's identity within an experiment: name and digest. In order, so that two requests lock rows in one order.
type Datasets = BTreeMap<(String, String), (Dataset, Vec<Tag>)>;

/// The checked data sets; of those that are the same, the first one.
fn distinct(inputs: Vec<DatasetInput>) -> Result<Datasets> {
    let mut out = Datasets::new();
    for input in inputs {
        // An absent data set is an empty one, as a protobuf message reads.
        let dataset = input.dataset.unwrap_or_default();
        validate::dataset_input(&dataset, &input.tags)?;
        let mut keys = HashSet::new();
        if let Some(tag) = input.tags.iter().find(|tag| !keys.insert(&tag.key)) {
            let (key, name) = (python_repr(&tag.key), python_repr(&dataset.name));
            return Err(
                bad_request(format!("The tag {key} of data set {name} is given more than once.")).into()
            );
        }
        let key = (dataset.name.clone(), dataset.digest.clone());
        out.entry(key).or_insert((dataset, input.tags));
    }
    Ok(out)
}

const INSERT_DATASETS: Bulk = Bulk {
    insert: "
    INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source,
                          dataset_schema, dataset_profile)",
    then: "ON CONFLICT DO NOTHING",
};
const DATASET_UUIDS: &str =
    "SELECT name, digest, dataset_uuid FROM datasets WHERE experiment_id = $1 AND name";

/// Inserts the data sets that the experiment does not know, and answers the ids of all.
///
/// MLflow looks in all experiments, and so hides a data set from its second experiment's search.
async fn insert_datasets(
    tx: &mut Tx<'_>,
    run: &ActiveRun,
    datasets: &Datasets,
) -> Result<HashMap<(String, String), String>> {
    let column = |of: fn(&Dataset) -> String| Column::Texts(datasets.values().map(|(d, _)| of(d)).collect());
    let optional = |of: fn(&Dataset) -> Option<String>| {
        Column::OptTexts(datasets.values().map(|(d, _)| of(d)).collect())
    };
    let columns = [
        Column::Texts(datasets.iter().map(|_| new_id()).collect()),
        Column::Ints(vec![run.experiment_id; datasets.len()]),
        column(|d| d.name.clone()),
        column(|d| d.digest.clone()),
        column(|d| d.source_type.clone()),
        column(|d| d.source.clone()),
        optional(|d| d.schema.clone()),
        optional(|d| d.profile.clone()),
    ];
    tx.insert_many(&INSERT_DATASETS, &columns).await?;
    let (names, digests) = datasets.keys().cloned().unzip();
    let dialect = tx.dialect();
    let sql = dialect.in_texts(DATASET_UUIDS, 2, "") + &dialect.in_texts("AND digest", 3, "");
    let args = [run.experiment_id.into(), Value::Texts(names), Value::Texts(digests)];
    let rows = tx.all(&sql, &args, |row| Ok(((row.text(0)?, row.text(1)?), row.text(2)?))).await?;
    Ok(rows.into_iter().collect())
}

const INSERT_INPUTS: Bulk = Bulk {
    insert: "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)",
    then: "ON CONFLICT DO NOTHING",
};
const INPUT_UUIDS: &str = "
    SELECT input_uuid FROM inputs
    WHERE destination_type = 'RUN' AND destination_id = $1 AND source_type = 'DATASET'";
const INSERT_TAGS: Bulk = Bulk { insert: "INSERT INTO input_tags (input_uuid, name, value)", then: "" };

/// Makes the data sets inputs of the run; only those that are so for the first time get their tags.
async fn insert_inputs(
    tx: &mut Tx<'_>,
    run: &ActiveRun,
    datasets: &Datasets,
    uuids: &HashMap<(String, String), String>,
) -> Result<()> {
    let (mut input_ids, mut dataset_ids) = (Vec::new(), Vec::new());
    for key in datasets.keys() {
        input_ids.push(new_id());
        dataset_ids.push(uuids.get(key).cloned().unwrap_or_default());
    }
    let n = input_ids.len();
    let columns = [
        Column::Texts(input_ids.clone()),
        Column::Texts(vec!["DATASET".into(); n]),
        Column::Texts(dataset_ids),
        Column::Texts(vec!["RUN".into(); n]),
        Column::Texts(vec![run.run_id.clone(); n]),
    ];
    tx.insert_many(&INSERT_INPUTS, &columns).await?;
    let present = tx.all(INPUT_UUIDS, &[run.run_id.as_str().into()], |row| row.text(0)).await?;
    let present: HashSet<String> = present.into_iter().collect();
    let (mut ids, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (input_id, (_, tags)) in input_ids.iter().zip(datasets.values()) {
        // An id that is not there lost against an older input with the same data set.
        for tag in tags.iter().filter(|_| present.contains(input_id)) {
            ids.push(input_id.clone());
            names.push(tag.key.clone());
            values.push(tag.value.clone());
        }
    }
    tx.insert_many(&INSERT_TAGS, &[Column::Texts(ids), Column::Texts(names), Column::Texts(values)]).await?;
    Ok(())
}

/// How a run is tied to a model.
#[derive(Clone, Copy)]
enum Edge {
    ModelInput,
    ModelOutput,
}

const INSERT_EDGES: Bulk = Bulk {
    insert: "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step)",
    then: "ON CONFLICT DO NOTHING",
};

/// Ties models to a run and answers how many were not before.
async fn insert_edges(
    tx: &mut Tx<'_>,
    edge: Edge,
    run: &ActiveRun,
    model_ids: Vec<String>,
    steps: Vec<i64>,
) -> Result<u64> {
    let n = model_ids.len();
    let (source, destination) = match edge {
        Edge::ModelInput => ("RUN_INPUT", "MODEL_INPUT"),
        Edge::ModelOutput => ("RUN_OUTPUT", "MODEL_OUTPUT"),
    };
    let columns = [
        Column::Texts(model_ids.iter().map(|_| new_id()).collect()),
        Column::Texts(vec![source.into(); n]),
        Column::Texts(vec![run.run_id.clone(); n]),
        Column::Texts(vec![destination.into(); n]),
        Column::Texts(model_ids),
        Column::Ints(steps),
    ];
    tx.insert_many(&INSERT_EDGES, &columns).await
}

/// Logs models as outputs of an active run; the same model and step again is fine, another step is refused. (MLflow
/// refuses both.)
///
/// # Errors
/// `RESOURCE_DOES_NOT_EXIST`; `INVALID_PARAMETER_VALUE` when the run is deleted; `BAD_REQUEST`.
pub async fn log_outputs(tx: &mut Tx<'_>, run_id: &str, mut models: Vec<ModelOutput>) -> Result<()> {
    let run = active(tx, run_id).await?;
    models.sort_by(|a, b| a.model_id.cmp(&b.model_id));
    let (ids, steps) = models.iter().map(|m| (m.model_id.clone(), m.step)).unzip();
    if insert_edges(tx, Edge::ModelOutput, &run, ids, steps).await? == models.len() as u64 {
        return Ok(());
    }
    let sql = tx.dialect().in_texts(MODEL_OUTPUTS, 1, "");
    let present = tx.all(&sql, &[Value::Texts(vec![run.run_id])], model_output).await?;
    match models.iter().find(|m| !present.contains(m)) {
        None => Ok(()),
        Some(m) => Err(bad_request(format!(
            "Logged model {} already is an output of run {} at another step than {}.",
            python_repr(&m.model_id),
            python_repr(run_id),
            m.step
        ))
        .into()),
    }
}

fn bad_request(message: String) -> Error {
    Error::new(ErrorCode::BadRequest, message)
}

/// The data sets that runs took in; `runs::load` reads them with the rest of a run.
pub(crate) const DATASET_INPUTS: &str = "
    SELECT i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema,
           d.dataset_profile, t.name, t.value
    FROM inputs i
    JOIN datasets d ON d.dataset_uuid = i.source_id
    LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid
    WHERE i.destination_type = 'RUN' AND i.source_type = 'DATASET' AND i.destination_id";

/// One row of [`DATASET_INPUTS`]: the input's id, its data set, and one of its tags.
pub(crate) type DatasetRow = (String, Dataset, Option<Tag>);

/// Reads a row of [`DATASET_INPUTS`].
pub(crate) fn dataset_row(row: &Row) -> Result<DatasetRow> {
    let set = |text: Option<String>| text.filter(|t| !t.is_empty());
    let dataset = Dataset {
        name: row.text(2)?,
        digest: row.text(3)?,
        source_type: row.text(4)?,
        source: row.text(5)?,
        schema: set(row.opt_text(6)?),
        profile: set(row.opt_text(7)?),
    };
    let value = row.text(9)?;
    Ok((row.text(1)?, dataset, row.opt_text(8)?.map(|key| Tag { key, value })))
}

/// The data sets of one run, by name and digest.
pub(crate) fn dataset_inputs(rows: Vec<DatasetRow>) -> Vec<DatasetInput> {
    let mut inputs: BTreeMap<(String, String, String), (Dataset, Vec<Tag>)> = BTreeMap::new();
    for (input_id, dataset, tag) in rows {
        let key = (dataset.name.clone(), dataset.digest.clone(), input_id);
        inputs.entry(key).or_insert_with(|| (dataset, Vec::new())).1.extend(tag);
    }
    let input = |(dataset, mut tags): (Dataset, Vec<Tag>)| {
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        DatasetInput { tags, dataset: Some(dataset) }
    };
    inputs.into_values().map(input).collect()
}

/// The models that runs took in.
pub(crate) const MODEL_INPUTS: &str = "
    SELECT source_id, destination_id FROM inputs
    WHERE source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' AND source_id";

/// Reads a row of [`MODEL_INPUTS`].
pub(crate) fn model_input(row: &Row) -> Result<ModelInput> {
    Ok(ModelInput { model_id: row.text(1)? })
}

/// The models that runs put out.
pub(crate) const MODEL_OUTPUTS: &str = "
    SELECT source_id, destination_id, step FROM inputs
    WHERE source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' AND source_id";

/// Reads a row of [`MODEL_OUTPUTS`].
pub(crate) fn model_output(row: &Row) -> Result<ModelOutput> {
    Ok(ModelOutput { model_id: row.text(1)?, step: row.int(2)? })
}

const SUMMARIES: (&str, &str) = (
    "
    SELECT DISTINCT d.experiment_id, d.name, d.digest, t.value
    FROM datasets d
    JOIN inputs i ON i.source_type = 'DATASET' AND i.source_id = d.dataset_uuid
    LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'
    WHERE d.experiment_id",
    "ORDER BY d.experiment_id, d.name, d.digest, t.value LIMIT 1000",
);

/// The data sets that runs of these experiments took in, each with its contexts; at most 1,000.
///
/// # Errors
/// Of the database.
pub async fn search(tx: &mut Tx<'_>, experiment_ids: &[ExperimentId]) -> Result<Vec<DatasetSummary>> {
    let sql = tx.dialect().in_ints(SUMMARIES.0, 1, SUMMARIES.1);
    let ids = experiment_ids.iter().map(|id| id.get()).collect();
    tx.all(&sql, &[Value::Ints(ids)], |row| {
        Ok(DatasetSummary {
            experiment_id: row.int(0)?.to_string(),
            name: row.text(1)?,
            digest: row.text(2)?,
            context: row.opt_text(3)?,
        })
    })
    .await
}
