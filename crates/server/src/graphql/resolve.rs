//! The fields of `Query` and `Mutation`: each is a REST route's handler, called with the arguments as its message.

use super::document::OperationKind;
use crate::app::App;
use crate::extract::Proto;
use crate::handlers::{artifacts, datasets, experiments, metrics, model_versions, runs};
use crate::respond::{Failure, Json};
use crate::routes::{Needs, On};
use api::error::invalid;
use api::request::missing_value;
use api::{Histories, SearchModelVersions};
use axum::extract::State;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// A field that a query or a mutation selects first. What is not here cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `experiments/get`
    GetExperiment,
    /// `metrics/get-history-bulk-interval`
    GetMetricHistoryBulkInterval,
    /// `runs/get`
    GetRun,
    /// `artifacts/list`
    ListArtifacts,
    /// `experiments/search-datasets`
    SearchDatasets,
    /// `model-versions/search`
    SearchModelVersions,
    /// `runs/search`
    SearchRuns,
    /// Says what it is told.
    Test,
    /// Says nothing.
    TestMutation,
}

impl Root {
    /// The field of that name.
    pub fn of(kind: OperationKind, name: &str) -> Option<Self> {
        use OperationKind::{Mutation, Query};
        Some(match (kind, name) {
            (Query, "mlflowGetExperiment") => Self::GetExperiment,
            (Query, "mlflowGetMetricHistoryBulkInterval") => Self::GetMetricHistoryBulkInterval,
            (Query, "mlflowGetRun") => Self::GetRun,
            (Query, "mlflowListArtifacts") => Self::ListArtifacts,
            (Mutation, "mlflowSearchDatasets") => Self::SearchDatasets,
            (Query, "mlflowSearchModelVersions") => Self::SearchModelVersions,
            (Query | Mutation, "mlflowSearchRuns") => Self::SearchRuns,
            (Query, "test") => Self::Test,
            (Mutation, "testMutation") => Self::TestMutation,
            _ => return None,
        })
    }

    /// What a caller must be allowed to do: the same as for the REST route. `modelVersions` of a run are filtered as
    /// [`Root::SearchModelVersions`] is; a run's `experiment` may be seen by whoever may see the run.
    pub fn needs(self) -> Needs {
        match self {
            Self::GetExperiment => Needs::Read(On::Experiment),
            Self::GetMetricHistoryBulkInterval => Needs::Read(On::Runs),
            Self::GetRun | Self::ListArtifacts => Needs::Read(On::Run),
            Self::SearchDatasets | Self::SearchRuns => Needs::Read(On::Experiments),
            Self::SearchModelVersions | Self::Test | Self::TestMutation => Needs::User,
        }
    }
}

/// What a field is, before what is selected of it is written.
#[derive(Debug)]
pub enum Resolved {
    /// `null`
    Nothing,
    Typename(String),
    /// The answer of the REST route.
    Message {
        message: Value,
        related: Related,
    },
    /// Histories, which are too many for a message.
    Points(Histories),
    Schema,
    /// The type of that name.
    Type(String),
}

/// Which of a run's relations are selected.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub experiments: bool,
    pub model_versions: bool,
}

/// What the runs of an answer belong to, and what belongs to them: looked up for all of them together.
#[derive(Debug, Default)]
pub struct Related {
    experiments: HashMap<String, Value>,
    /// By run.
    model_versions: HashMap<String, Value>,
}

impl Related {
    /// The experiment of a run.
    pub fn experiment(&self, run: &Map<String, Value>) -> Option<&Value> {
        self.experiments.get(of_info(run, "experiment_id")?)
    }

    /// The model versions that a run made.
    pub fn model_versions(&self, run: &Map<String, Value>) -> Option<&Value> {
        self.model_versions.get(of_info(run, "run_id")?)
    }
}

fn of_info<'a>(run: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    run.get("info")?.get(name)?.as_str()
}

/// Resolves a field.
///
/// # Errors
/// Those of the REST route, and `INVALID_PARAMETER_VALUE` where an argument is missing.
pub async fn resolve(
    app: &App,
    root: Root,
    arguments: Map<String, Value>,
    wanted: Wanted,
) -> Result<Resolved, Failure> {
    let state = || State(app.clone());
    match root {
        Root::GetExperiment => {
            let request: api::ExperimentRef = input(arguments)?;
            if request.experiment_id.is_none() {
                return Err(invalid(missing_value("experiment_id")).into());
            }
            message(experiments::get(state(), Proto(request)).await?)
        }
        Root::GetRun => {
            let Json(found) = runs::get(state(), Proto(input(arguments)?)).await?;
            with_related(app, written(found)?, wanted).await
        }
        Root::SearchRuns => {
            let Json(found) = runs::search(state(), Proto(input(arguments)?)).await?;
            with_related(app, written(found)?, wanted).await
        }
        Root::SearchDatasets => message(datasets::search(state(), Proto(input(arguments)?)).await?),
        Root::SearchModelVersions => {
            message(model_versions::search(state(), Proto(input(arguments)?)).await?)
        }
        Root::ListArtifacts => message(artifacts::list(state(), Proto(input(arguments)?)).await?),
        Root::GetMetricHistoryBulkInterval => {
            let points =
                metrics::get_history_bulk_interval(state(), Proto(whole_history(arguments)?)).await?;
            Ok(Resolved::Points(points.0))
        }
        Root::Test => match arguments.get("inputString") {
            Some(text) => message(Json(json!({ "output": text }))),
            None => Err(invalid("The argument 'inputString' is missing.").into()),
        },
        // MLflow's resolver of this field is not found under its name, so that it is null.
        Root::TestMutation => Ok(Resolved::Nothing),
    }
}

/// MLflow reads the range and the number of points from the URL, where GraphQL has none: it answers with points of the whole
/// history, up to the most that REST gives.
fn whole_history(mut arguments: Map<String, Value>) -> Result<api::GetMetricHistoryBulkInterval, Failure> {
    if let Some(Value::Object(fields)) = arguments.get_mut("input") {
        fields.retain(|name, _| matches!(name.as_str(), "runIds" | "metricKey"));
    }
    input(arguments)
}

/// The argument `input` as the message of a REST route. MLflow skips the checks of REST's messages here.
fn input<T: DeserializeOwned>(mut arguments: Map<String, Value>) -> Result<T, Failure> {
    let given = match arguments.remove("input") {
        Some(given @ Value::Object(_)) => given,
        _ => {
            return Err(
                invalid("The argument 'input' is missing: give an object, which may be empty.").into()
            );
        }
    };
    if let Some(Value::String(number)) = given.get("maxResults") {
        return Err(
            invalid(format!("Failed to parse max_results field: Value out of range: {number}.")).into()
        );
    }
    T::deserialize(given).map_err(|error| invalid(format!("Invalid argument 'input': {error}.")).into())
}

fn message<T: Serialize>(Json(message): Json<T>) -> Result<Resolved, Failure> {
    Ok(Resolved::Message { message: written(message)?, related: Related::default() })
}

fn written<T: Serialize>(message: T) -> Result<Value, Failure> {
    serde_json::to_value(message).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        api::Error::new(api::ErrorCode::InternalError, "The answer could not be written as JSON.").into()
    })
}

/// Looks up what is selected of the runs of an answer, whatever their number, with few statements. MLflow has one search and
/// one look-up for every run.
async fn with_related(app: &App, message: Value, wanted: Wanted) -> Result<Resolved, Failure> {
    let mut related = Related::default();
    let runs: Vec<&Map<String, Value>> = match (message.get("runs"), message.get("run")) {
        (Some(Value::Array(runs)), _) => runs.iter().filter_map(Value::as_object).collect(),
        (_, run) => run.and_then(Value::as_object).into_iter().collect(),
    };
    if wanted.experiments {
        let ids: HashSet<&str> = runs.iter().filter_map(|run| of_info(run, "experiment_id")).collect();
        for id in ids {
            let request = api::ExperimentRef { experiment_id: Some(id.to_owned()) };
            let Json(found) = experiments::get(State(app.clone()), Proto(request)).await?;
            related.experiments.insert(id.to_owned(), written(found.experiment)?);
        }
    }
    if wanted.model_versions {
        let ids: Vec<&str> = runs.iter().filter_map(|run| of_info(run, "run_id")).collect();
        for ids in ids.chunks(RUNS_PER_SEARCH) {
            versions_of(app, ids, &mut related.model_versions).await?;
        }
    }
    Ok(Resolved::Message { message, related })
}

const RUNS_PER_SEARCH: usize = 1000;

/// Adds the model versions that these runs made, each run's in the order of a search.
async fn versions_of(app: &App, runs: &[&str], found: &mut HashMap<String, Value>) -> Result<(), Failure> {
    let quoted: Vec<_> = runs.iter().map(|run| format!("'{run}'")).collect();
    let mut page_token = None;
    loop {
        let request = SearchModelVersions {
            filter: Some(format!("run_id IN ({})", quoted.join(", "))),
            max_results: None,
            order_by: Vec::new(),
            page_token,
        };
        let Json(page) = model_versions::search(State(app.clone()), Proto(request)).await?;
        for version in page.model_versions {
            let run = version.run_id.clone().unwrap_or_default();
            if let Value::Array(versions) = found.entry(run).or_insert_with(|| Value::Array(Vec::new())) {
                versions.push(written(version)?);
            }
        }
        match page.next_page_token {
            Some(token) => page_token = Some(token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Shape;
    use super::super::schema::Schema;
    use super::*;

    #[test]
    fn every_field_of_the_schema_is_resolved_and_has_its_permission() {
        let schema = Schema::default();
        let mut lines = Vec::new();
        for kind in [OperationKind::Query, OperationKind::Mutation] {
            let root = schema.root(kind).expect("a root");
            let Shape::Object(fields) = &root.shape else { panic!("{} is no object", root.name) };
            for field in fields {
                let resolved =
                    Root::of(kind, &field.name).unwrap_or_else(|| panic!("{} is not resolved", field.name));
                lines.push(format!("{} {} -> {:?}", root.name, field.name, resolved.needs()));
            }
        }
        insta::assert_snapshot!("permissions", lines.join("\n"));
    }
}
