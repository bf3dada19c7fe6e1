//! Finding and removing for good, on both engines: every row of what goes, and no row of what stays.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod common;

use common::for_each_engine;
use store::db::{Db, Tx};
use store::gc::{self, Kind, PAGE, Which};

/// Every table that has rows of runs, models, traces or experiments.
const COUNTS: [(&str, &str); 22] = [
    ("experiments", "SELECT COUNT(*) FROM experiments"),
    ("experiment_tags", "SELECT COUNT(*) FROM experiment_tags"),
    ("runs", "SELECT COUNT(*) FROM runs"),
    ("metrics", "SELECT COUNT(*) FROM metrics"),
    ("latest_metrics", "SELECT COUNT(*) FROM latest_metrics"),
    ("params", "SELECT COUNT(*) FROM params"),
    ("tags", "SELECT COUNT(*) FROM tags"),
    ("inputs", "SELECT COUNT(*) FROM inputs"),
    ("input_tags", "SELECT COUNT(*) FROM input_tags"),
    ("datasets", "SELECT COUNT(*) FROM datasets"),
    ("logged_models", "SELECT COUNT(*) FROM logged_models"),
    ("logged_model_metrics", "SELECT COUNT(*) FROM logged_model_metrics"),
    ("logged_model_params", "SELECT COUNT(*) FROM logged_model_params"),
    ("logged_model_tags", "SELECT COUNT(*) FROM logged_model_tags"),
    ("trace_info", "SELECT COUNT(*) FROM trace_info"),
    ("trace_tags", "SELECT COUNT(*) FROM trace_tags"),
    ("trace_request_metadata", "SELECT COUNT(*) FROM trace_request_metadata"),
    ("spans", "SELECT COUNT(*) FROM spans"),
    ("assessments", "SELECT COUNT(*) FROM assessments"),
    ("entity_associations", "SELECT COUNT(*) FROM entity_associations"),
    ("scorers", "SELECT COUNT(*) FROM scorers"),
    ("scorer_versions", "SELECT COUNT(*) FROM scorer_versions"),
];

/// Two experiments, of which the second is deleted, each with two runs, two models and a trace. The run `gone` and the model
/// `m-gone` of the first are deleted. They share a data set with those that stay, and have one of their own.
const FILL: &str = "
    INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
      VALUES (5, 'stays', 'mlflow-artifacts:/5', 'active', 1, 1), (6, 'goes', 'mlflow-artifacts:/6', 'deleted', 1, 70);
    INSERT INTO experiment_tags (key, value, experiment_id) VALUES ('ferroflow.retention', '3d', 5), ('t', 'v', 6);
    INSERT INTO runs (run_uuid, name, experiment_id, lifecycle_stage, deleted_time, artifact_uri, status) VALUES
      ('gone', 'n', 5, 'deleted', 50, 'mlflow-artifacts:/5/gone/artifacts', 'FINISHED'),
      ('here', 'n', 5, 'active', NULL, NULL, 'FINISHED'),
      ('there', 'n', 6, 'deleted', NULL, '', 'FINISHED');
    INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES
      ('m', 1, 1, 'gone', 0, false), ('m', 2, 2, 'gone', 1, false), ('m', 1, 1, 'here', 0, false);
    INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES
      ('m', 2, 2, 1, false, 'gone'), ('m', 1, 1, 0, false, 'here');
    INSERT INTO params (key, value, run_uuid) VALUES ('p', 'v', 'gone'), ('p', 'v', 'here');
    INSERT INTO tags (key, value, run_uuid) VALUES ('t', 'v', 'gone'), ('t', 'v', 'here');
    INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source) VALUES
      ('own', 5, 'own', '1', 'local', '{}'), ('shared', 5, 'shared', '1', 'local', '{}'), ('d6', 6, 'd', '1', 'local', '{}');
    INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms,
                               last_updated_timestamp_ms, status, lifecycle_stage) VALUES
      ('m-gone', 5, 'n', 'l', 1, 60, 2, 'deleted'), ('m-here', 5, 'n', 'l', 1, 1, 2, 'active'),
      ('m-there', 6, 'n', 'l', 1, 1, 2, 'active');
    INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, metric_value,
                                      experiment_id, run_id) VALUES
      ('m-gone', 'm', 1, 0, 1, 5, 'here'), ('m-here', 'm', 1, 0, 1, 5, 'gone'), ('m-here', 'm', 1, 0, 1, 5, 'here');
    INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value) VALUES
      ('m-gone', 5, 'p', 'v'), ('m-here', 5, 'p', 'v'), ('m-there', 6, 'p', 'v');
    INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) VALUES
      ('m-gone', 5, 't', 'v'), ('m-here', 5, 't', 'v'), ('m-there', 6, 't', 'v');
    INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) VALUES
      ('i1', 'DATASET', 'own', 'RUN', 'gone'), ('i2', 'DATASET', 'shared', 'RUN', 'gone'),
      ('i3', 'DATASET', 'shared', 'RUN', 'here'), ('i4', 'RUN_OUTPUT', 'gone', 'MODEL_OUTPUT', 'm-here'),
      ('i5', 'RUN_OUTPUT', 'here', 'MODEL_OUTPUT', 'm-gone'), ('i6', 'RUN_INPUT', 'here', 'MODEL_INPUT', 'm-here');
    INSERT INTO input_tags (input_uuid, name, value) VALUES
      ('i1', 't', 'v'), ('i2', 't', 'v'), ('i3', 't', 'v'), ('i5', 't', 'v');
    INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('tr-5', 5, 1, 'OK'), ('tr-6', 6, 1, 'OK');
    INSERT INTO trace_tags (key, value, request_id) VALUES
      ('mlflow.artifactLocation', 'mlflow-artifacts:/5/traces/tr-5/artifacts', 'tr-5'),
      ('mlflow.artifactLocation', 'mlflow-artifacts:/6/traces/tr-6/artifacts', 'tr-6');
    INSERT INTO trace_request_metadata (key, value, request_id) VALUES ('k', 'v', 'tr-5'), ('k', 'v', 'tr-6');
    INSERT INTO spans (trace_id, experiment_id, span_id, status, start_time_unix_nano, content) VALUES
      ('tr-5', 5, 's', 'OK', 1, '{}'), ('tr-6', 6, 's', 'OK', 1, '{}');
    INSERT INTO assessments (assessment_id, trace_id, name, assessment_type, value, created_timestamp,
                             last_updated_timestamp, source_type, run_id, valid) VALUES
      ('a5', 'tr-5', 'n', 'feedback', '1', 1, 1, 'HUMAN', 'gone', true),
      ('a6', 'tr-6', 'n', 'feedback', '1', 1, 1, 'HUMAN', NULL, true);
    INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, destination_id) VALUES
      ('e1', 'trace', 'tr-5', 'run', 'gone'), ('e2', 'trace', 'tr-5', 'run', 'here'),
      ('e3', 'trace', 'tr-6', 'experiment', '6'), ('e4', 'evaluation_dataset', 'd', 'experiment', '6'),
      ('e5', 'evaluation_dataset', 'd', 'experiment', '5');
    INSERT INTO scorers (experiment_id, scorer_name, scorer_id) VALUES (5, 's', 's5'), (6, 's', 's6');
    INSERT INTO scorer_versions (scorer_id, scorer_version, serialized_scorer) VALUES ('s5', 1, ''), ('s6', 1, '');
    INSERT INTO registered_models (name) VALUES ('r');
    INSERT INTO model_versions (name, version, run_id, source, current_stage) VALUES
      ('r', 1, 'here', 'models:/m-here', 'None'), ('r', 2, 'gone', 'x', 'Deleted_Internal');";

async fn fill(db: &Db) {
    db.write(|tx| Box::pin(tx.script(FILL))).await.unwrap();
}

async fn counts(db: &Db) -> Vec<(&'static str, i64)> {
    db.read(|tx: &mut Tx<'_>| {
        Box::pin(async {
            let mut counts = Vec::new();
            for (table, sql) in COUNTS {
                counts.push((table, tx.first(sql, &[], |row| row.int(0)).await?.unwrap_or_default()));
            }
            Ok(counts)
        })
    })
    .await
    .unwrap()
}

async fn remove(db: &Db, kind: Kind, ids: &'static [&'static str]) -> Vec<String> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    db.write(move |tx| {
        Box::pin(async move {
            while gc::history(tx, kind, &ids).await? {}
            gc::remove(tx, kind, &ids).await
        })
    })
    .await
    .unwrap()
}

/// How many rows fewer each table has, where it has.
fn lost(before: &[(&'static str, i64)], after: &[(&'static str, i64)]) -> Vec<(&'static str, i64)> {
    let pairs = std::iter::zip(before, after);
    pairs.map(|((table, was), (_, is))| (*table, was - is)).filter(|(_, n)| *n != 0).collect()
}

async fn ids(db: &Db, kind: Kind, which: Which) -> Vec<String> {
    let found =
        db.read(move |tx| Box::pin(async move { gc::page(tx, kind, &which, "").await })).await.unwrap();
    found.into_iter().map(|found| found.id).collect()
}

#[tokio::test]
async fn a_run_goes_with_all_that_is_its_own() {
    for_each_engine(async |db| {
        fill(&db).await;
        let before = counts(&db).await;
        // The second is active, the third is not there.
        assert_eq!(remove(&db, Kind::Run, &["gone", "here", "nobody"]).await, ["gone"]);
        assert_eq!(
            lost(&before, &counts(&db).await),
            [
                ("runs", 1),
                ("metrics", 2),
                ("latest_metrics", 1),
                ("params", 1),
                ("tags", 1),
                ("inputs", 3),
                ("input_tags", 2),
                ("datasets", 1),
                ("logged_model_metrics", 1),
                ("entity_associations", 1),
            ]
        );
        assert!(remove(&db, Kind::Run, &["gone"]).await.is_empty(), "once");
    })
    .await;
}

#[tokio::test]
async fn a_model_goes_with_all_that_is_its_own() {
    for_each_engine(async |db| {
        fill(&db).await;
        let before = counts(&db).await;
        assert_eq!(remove(&db, Kind::LoggedModel, &["m-gone", "m-here"]).await, ["m-gone"]);
        assert_eq!(
            lost(&before, &counts(&db).await),
            [
                ("inputs", 1),
                ("input_tags", 1),
                ("logged_models", 1),
                ("logged_model_metrics", 1),
                ("logged_model_params", 1),
                ("logged_model_tags", 1),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_experiment_goes_when_it_is_empty() {
    for_each_engine(async |db| {
        fill(&db).await;
        let before = counts(&db).await;
        for experiment in [&["5"], &["6"]] {
            assert!(remove(&db, Kind::Experiment, experiment).await.is_empty(), "active, or not empty");
        }
        assert_eq!(remove(&db, Kind::Run, &["there"]).await, ["there"]);
        assert_eq!(remove(&db, Kind::LoggedModel, &["m-there"]).await, ["m-there"]);
        assert_eq!(remove(&db, Kind::Trace, &["tr-5", "tr-6"]).await, ["tr-6"]);
        assert_eq!(remove(&db, Kind::Experiment, &["6"]).await, ["6"]);
        assert_eq!(
            lost(&before, &counts(&db).await),
            [
                ("experiments", 1),
                ("experiment_tags", 1),
                ("runs", 1),
                ("datasets", 1),
                ("logged_models", 1),
                ("logged_model_params", 1),
                ("logged_model_tags", 1),
                ("trace_info", 1),
                ("trace_tags", 1),
                ("trace_request_metadata", 1),
                ("spans", 1),
                ("assessments", 1),
                ("entity_associations", 2),
                ("scorers", 1),
                ("scorer_versions", 1),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_is_found() {
    for_each_engine(async |db| {
        fill(&db).await;
        let named = |ids: &[&str]| Which::Named(ids.iter().map(|id| (*id).to_owned()).collect());
        for (kind, which, expected) in [
            (Kind::Run, Which::Deleted, vec!["gone", "there"]),
            (Kind::Run, Which::DeletedOf(vec![5]), vec!["gone"]),
            (Kind::Run, named(&["here", "nobody"]), vec!["here"]),
            (Kind::Run, Which::AllOf(5), vec!["gone", "here"]),
            (Kind::LoggedModel, Which::Deleted, vec!["m-gone"]),
            (Kind::LoggedModel, Which::DeletedOf(vec![6]), vec![]),
            (Kind::LoggedModel, named(&["m-here"]), vec!["m-here"]),
            (Kind::LoggedModel, Which::AllOf(6), vec!["m-there"]),
            (Kind::Trace, Which::Deleted, vec![]),
            (Kind::Trace, Which::AllOf(5), vec!["tr-5"]),
        ] {
            assert_eq!(ids(&db, kind, which.clone()).await, expected, "{kind:?} {which:?}");
        }
        let traces = db.read(|tx| Box::pin(async { gc::page(tx, Kind::Trace, &Which::AllOf(6), "").await }));
        let trace = traces.await.unwrap().remove(0);
        assert_eq!(trace.location.as_deref(), Some("mlflow-artifacts:/6/traces/tr-6/artifacts"));
        let runs = db.read(|tx| Box::pin(async { gc::page(tx, Kind::Run, &Which::Deleted, "").await }));
        let runs = runs.await.unwrap();
        assert_eq!((runs[0].since, runs[0].is_deleted, runs[0].experiment_id), (Some(50), true, 5));
        assert_eq!((runs[1].since, runs[1].location.as_deref()), (None, None));
        let deleted = db.read(|tx| Box::pin(gc::deleted_experiments(tx))).await.unwrap();
        assert_eq!(deleted.iter().map(|e| (e.id.as_str(), e.since)).collect::<Vec<_>>(), [("6", Some(70))]);
        for (kind, id, doomed) in [
            (Kind::Run, "gone", true),
            (Kind::Run, "here", false),
            (Kind::LoggedModel, "m-gone", true),
            (Kind::LoggedModel, "m-here", false),
            (Kind::LoggedModel, "m-there", true),
            (Kind::Trace, "tr-5", false),
            (Kind::Trace, "tr-6", true),
            (Kind::Experiment, "5", false),
            (Kind::Experiment, "6", true),
        ] {
            let found = db.read(move |tx| Box::pin(gc::still_doomed(tx, kind, id))).await.unwrap();
            assert_eq!(found, doomed, "{id}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_keeps_things_is_found() {
    for_each_engine(async |db| {
        fill(&db).await;
        let retentions = db.read(|tx| Box::pin(gc::retentions(tx, "ferroflow.retention"))).await.unwrap();
        assert_eq!(retentions.into_iter().collect::<Vec<_>>(), [(5, "3d".to_owned())]);
        let versions = db.read(|tx| Box::pin(gc::versions(tx))).await.unwrap();
        assert_eq!(
            versions.iter().map(|v| (v.version, v.run_id.as_deref())).collect::<Vec<_>>(),
            [(1, Some("here"))]
        );
        assert_eq!(db.read(|tx| Box::pin(gc::runs_left(tx, 5))).await.unwrap(), 2);
        for (kind, id) in [(Kind::Run, "gone"), (Kind::LoggedModel, "m-here"), (Kind::Trace, "tr-5")] {
            let found = db.read(move |tx| {
                Box::pin(async move { gc::existing(tx, kind, &[id.to_owned(), "nobody".to_owned()]).await })
            });
            assert_eq!(found.await.unwrap(), [id]);
        }
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other() {
    const MANY: &str = "
        INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage)
        SELECT 'r' || e.experiment_id, 0, 'deleted' FROM experiments e";
    for_each_engine(async |db| {
        let rows: Vec<String> = (1..=PAGE + 3).map(|n| format!("({n}, 'e{n}', 'active')")).collect();
        let sql = format!(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES {}",
            rows.join(", ")
        );
        db.write(move |tx| Box::pin(async move { tx.script(&format!("{sql}; {MANY}")).await }))
            .await
            .unwrap();
        let (mut after, mut found) = (String::new(), Vec::new());
        loop {
            let from = after.clone();
            let page = db.read(move |tx| {
                Box::pin(async move { gc::page(tx, Kind::Run, &Which::Deleted, &from).await })
            });
            let page = page.await.unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            found.extend(page.into_iter().map(|run| run.id));
        }
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!((found.len(), distinct.len()), (PAGE + 4, PAGE + 4));
    })
    .await;
}
