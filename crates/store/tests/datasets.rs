//! Data sets and models as inputs and outputs of runs, and the history of logged models, on both engines.

mod common;

use api::log_model::HistoryEntry;
use api::validate::Limits;
use api::{Dataset, DatasetInput, ErrorCode, ModelInput, ModelOutput, Run, Tag};
use common::for_each_engine;
use store::db::Db;
use store::experiments::{self, ExperimentId, NewExperiment};
use store::runs::log_model;
use store::runs::{self, NewRun};
use store::{Error, datasets};

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn dataset(name: &str, digest: &str) -> Dataset {
    Dataset {
        name: name.into(),
        digest: digest.into(),
        source_type: "local".into(),
        source: "file".into(),
        schema: Some("s".into()),
        profile: None,
    }
}

fn input(dataset: Dataset, tags: &[Tag]) -> DatasetInput {
    DatasetInput { tags: tags.to_vec(), dataset: Some(dataset) }
}

fn context(value: &str) -> Tag {
    tag("mlflow.data.context", value)
}

async fn new_run(db: &Db, experiment_id: ExperimentId) -> String {
    let new = NewRun {
        experiment_id,
        user_id: String::new(),
        start_time: 0,
        tags: vec![],
        run_name: String::new(),
    };
    db.write(move |tx| Box::pin(runs::create(tx, new))).await.expect("a run").info.run_id
}

async fn new_experiment(db: &Db, name: &str) -> ExperimentId {
    let new = NewExperiment {
        name: name.into(),
        artifact_location: None,
        tags: vec![],
        artifact_root: "mlflow-artifacts:/".into(),
        now_ms: 10,
        limits: Limits::default(),
    };
    db.write(move |tx| Box::pin(async move { experiments::create(tx, &new).await }))
        .await
        .expect("an experiment")
}

async fn get_run(db: &Db, run_id: &str) -> Run {
    let run_id = run_id.to_owned();
    db.read(move |tx| Box::pin(async move { runs::get(tx, &run_id).await })).await.expect("a run")
}

async fn log_inputs(db: &Db, run_id: &str, inputs: Vec<DatasetInput>, models: &[&str]) -> store::Result<()> {
    let run_id = run_id.to_owned();
    let models = models.iter().map(|id| ModelInput { model_id: (*id).to_owned() }).collect();
    db.write(move |tx| Box::pin(async move { datasets::log_inputs(tx, &run_id, inputs, models).await })).await
}

async fn log_outputs(db: &Db, run_id: &str, models: &[(&str, i64)]) -> store::Result<()> {
    let run_id = run_id.to_owned();
    let models = models.iter().map(|(id, step)| output(id, *step)).collect();
    db.write(move |tx| Box::pin(async move { datasets::log_outputs(tx, &run_id, models).await })).await
}

fn output(id: &str, step: i64) -> ModelOutput {
    ModelOutput { model_id: id.to_owned(), step }
}

async fn search(db: &Db, ids: Vec<ExperimentId>) -> Vec<(String, String, String, Option<String>)> {
    let found = db
        .read(move |tx| Box::pin(async move { datasets::search(tx, &ids).await }))
        .await
        .expect("data sets");
    found.into_iter().map(|d| (d.experiment_id, d.name, d.digest, d.context)).collect()
}

#[track_caller]
fn refused<T>(result: store::Result<T>, code: ErrorCode, message: &str) {
    match result.map(drop).expect_err("a refusal") {
        Error::Api(error) => assert_eq!((error.code, error.message.as_str()), (code, message)),
        other => panic!("not for a client: {other}"),
    }
}

#[tokio::test]
async fn data_sets_are_inputs_once() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await;
        let first = vec![
            input(dataset("b", "1"), &[context("train"), tag("a", "")]),
            input(Dataset { schema: Some(String::new()), ..dataset("a", "1") }, &[]),
            input(Dataset { source: "other".into(), ..dataset("b", "1") }, &[context("eval")]),
        ];
        log_inputs(&db, &run_id, first, &[]).await.unwrap();
        let again = vec![input(dataset("b", "1"), &[context("eval")]), input(dataset("b", "2"), &[])];
        log_inputs(&db, &run_id, again, &[]).await.unwrap();
        let expected = [
            input(Dataset { schema: None, ..dataset("a", "1") }, &[]),
            input(dataset("b", "1"), &[tag("a", ""), context("train")]),
            input(dataset("b", "2"), &[]),
        ];
        assert_eq!(get_run(&db, &run_id).await.inputs.dataset_inputs, expected);
    })
    .await;
}

#[tokio::test]
async fn data_sets_belong_to_their_experiments() {
    for_each_engine(async |db| {
        let (one, two) = (new_experiment(&db, "one").await, new_experiment(&db, "two").await);
        for (experiment, context_of) in [(one, "train"), (one, "train"), (one, "eval"), (two, "test")] {
            let run_id = new_run(&db, experiment).await;
            let inputs = vec![input(dataset("d", "1"), &[context(context_of), tag("z", context_of)])];
            log_inputs(&db, &run_id, inputs, &[]).await.unwrap();
        }
        let run_id = new_run(&db, two).await;
        log_inputs(&db, &run_id, vec![input(dataset("e", "1"), &[])], &[]).await.unwrap();
        let row = |id: &str, name: &str, context: Option<&str>| {
            (id.to_owned(), name.to_owned(), "1".to_owned(), context.map(str::to_owned))
        };
        assert_eq!(search(&db, vec![one]).await, [row("1", "d", Some("eval")), row("1", "d", Some("train"))]);
        assert_eq!(search(&db, vec![two]).await, [row("2", "d", Some("test")), row("2", "e", None)]);
        assert_eq!(search(&db, vec![two, one]).await.len(), 4);
        assert!(search(&db, vec![ExperimentId::parse("77").unwrap()]).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn models_are_inputs_and_outputs() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await;
        log_inputs(&db, &run_id, vec![], &["m-2", "m-1", "m-2"]).await.unwrap();
        log_inputs(&db, &run_id, vec![], &["m-1"]).await.unwrap();
        log_outputs(&db, &run_id, &[("m-4", 3), ("m-3", 0)]).await.unwrap();
        log_outputs(&db, &run_id, &[("m-5", 1), ("m-4", 3)]).await.unwrap();
        refused(
            log_outputs(&db, &run_id, &[("m-6", 1), ("m-4", 4)]).await,
            ErrorCode::BadRequest,
            &format!("Logged model 'm-4' already is an output of run '{run_id}' at another step than 4."),
        );
        let run = get_run(&db, &run_id).await;
        let inputs: Vec<_> = run.inputs.model_inputs.iter().map(|m| m.model_id.as_str()).collect();
        assert_eq!(inputs, ["m-1", "m-2"]);
        let outputs = [output("m-3", 0), output("m-4", 3), output("m-5", 1)];
        assert_eq!(run.outputs.unwrap().model_outputs, outputs);

        let ids = vec![run_id];
        let found = db.read(move |tx| Box::pin(async move { runs::load(tx, &ids).await })).await.unwrap();
        assert!(found[0].inputs.model_inputs.is_empty(), "a search leaves them out");
    })
    .await;
}

#[tokio::test]
async fn inputs_are_checked() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await;
        let bad = ErrorCode::InvalidParameterValue;
        refused(
            log_inputs(&db, "no run", vec![], &[]).await,
            bad,
            "Invalid value \"no run\" for parameter 'run_id' supplied.",
        );
        refused(
            log_inputs(&db, "none", vec![], &[]).await,
            ErrorCode::ResourceDoesNotExist,
            "Run with id=none not found",
        );
        refused(
            log_outputs(&db, "none", &[]).await,
            ErrorCode::ResourceDoesNotExist,
            "Run with id=none not found",
        );
        let long = vec![input(dataset(&"n".repeat(501), "1"), &[])];
        refused(
            log_inputs(&db, &run_id, long, &[]).await,
            bad,
            "'name' exceeds the maximum length of 500 characters",
        );
        let twice = vec![input(dataset("d", "1"), &[tag("a", "1"), tag("a", "1")])];
        refused(
            log_inputs(&db, &run_id, twice, &[]).await,
            ErrorCode::BadRequest,
            "The tag 'a' of data set 'd' is given more than once.",
        );
        let for_delete = run_id.clone();
        db.write(move |tx| Box::pin(async move { runs::delete(tx, &for_delete, 1).await })).await.unwrap();
        let deleted = format!("The run {run_id} must be in the 'active' state. Current state is deleted.");
        refused(log_inputs(&db, &run_id, vec![], &["m-1"]).await, bad, &deleted);
        refused(log_outputs(&db, &run_id, &[("m-1", 0)]).await, bad, &deleted);
        assert!(get_run(&db, &run_id).await.inputs.dataset_inputs.is_empty());
    })
    .await;
}

#[tokio::test]
async fn concurrent_runs_share_a_data_set() {
    for_each_engine(async |db| {
        let experiment = ExperimentId::parse("0").unwrap();
        let writers: Vec<_> = (0..8)
            .map(|i| {
                let db = db.clone();
                tokio::spawn(async move {
                    let run_id = new_run(&db, experiment).await;
                    let inputs = ["a", "b"].map(|name| input(dataset(name, "1"), &[context("train")]));
                    let inputs =
                        if i % 2 == 0 { inputs.to_vec() } else { inputs.into_iter().rev().collect() };
                    log_inputs(&db, &run_id, inputs, &[]).await.unwrap();
                    get_run(&db, &run_id).await.inputs.dataset_inputs.len()
                })
            })
            .collect();
        for writer in writers {
            assert_eq!(writer.await.unwrap(), 2);
        }
        assert_eq!(search(&db, vec![experiment]).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn concurrent_models_are_all_in_the_history() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await;
        let record = |path: String, run_id: String, limits: Limits| {
            let db = db.clone();
            let model = format!(
                r#"{{"artifact_path": "{path}", "flavors": {{}}, "utc_time_created": "t", "run_id": "{run_id}"}}"#
            );
            let entry = HistoryEntry::from_model_json(&model).unwrap();
            async move {
                db.write(move |tx| Box::pin(async move { log_model::record(tx, &run_id, entry, limits).await })).await
            }
        };
        let writers: Vec<_> = (0..8)
            .map(|i| tokio::spawn(record(format!("m{i}"), run_id.clone(), Limits::default())))
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let run = get_run(&db, &run_id).await;
        let history = &run.data.tags.iter().find(|t| t.key == "mlflow.log-model.history").unwrap().value;
        let entries: Vec<serde_json::Value> = serde_json::from_str(history).unwrap();
        assert_eq!(entries.len(), 8, "{history}");

        let strict = Limits { truncate_long_values: false, ..Limits::default() };
        refused(
            record("p".repeat(8000), run_id.clone(), strict).await,
            ErrorCode::InvalidParameterValue,
            "'value' exceeds the maximum length of 8000 characters",
        );
        refused(
            record("p".into(), "none".into(), strict).await,
            ErrorCode::ResourceDoesNotExist,
            "Run with id=none not found",
        );
    })
    .await;
}
