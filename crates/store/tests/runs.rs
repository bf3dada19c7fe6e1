//! Experiments, runs and what is logged to them, on both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod common;

use api::validate::Limits;
use api::{ErrorCode, Metric, Run, RunStatus, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::for_each_engine;
use store::db::Db;
use store::experiments::{self, ExperimentId, NewExperiment};
use store::runs::ingest::Ingest;
use store::runs::log::{Batch, Entry};
use store::runs::{self, NewRun, RunUpdate};
use store::{Error, metrics};

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    let (dataset_name, dataset_digest, model_id, run_id) = (None, None, None, None);
    Metric { key: key.into(), value, timestamp, step, dataset_name, dataset_digest, model_id, run_id }
}

async fn new_experiment(db: &Db, name: &str, tags: Vec<Tag>) -> store::Result<ExperimentId> {
    let new = NewExperiment {
        name: name.into(),
        artifact_location: None,
        tags,
        artifact_root: "mlflow-artifacts:/".into(),
        now_ms: 10,
        limits: Limits::default(),
    };
    db.write(move |tx| Box::pin(async move { experiments::create(tx, &new).await })).await
}

async fn new_run(db: &Db, experiment_id: ExperimentId) -> Run {
    let new = NewRun {
        experiment_id,
        user_id: "ada".into(),
        start_time: 5,
        tags: vec![tag("a", "1")],
        run_name: String::new(),
    };
    db.write(move |tx| Box::pin(runs::create(tx, new))).await.unwrap()
}

async fn get_run(db: &Db, run_id: &str) -> Run {
    let run_id = run_id.to_owned();
    db.read(move |tx| Box::pin(async move { runs::get(tx, &run_id).await })).await.unwrap()
}

async fn log_batch(db: &Db, run_id: &str, batch: Batch) -> store::Result<()> {
    let run_id = run_id.to_owned();
    Ingest::new(db.clone()).log(run_id, Entry::Batch(batch), Limits::default()).await
}

fn batch(metrics: Vec<Metric>, params: Vec<Tag>, tags: Vec<Tag>) -> Batch {
    Batch { metrics, params, tags }
}

fn code(error: &Error) -> ErrorCode {
    match error {
        Error::Api(error) => error.code,
        other => panic!("not for a client: {other}"),
    }
}

#[tokio::test]
async fn experiments_live_die_and_come_back() {
    for_each_engine(async |db| {
        let id = new_experiment(&db, "one", vec![tag("k", "v")]).await.unwrap();
        assert_eq!(id.get(), 1, "ids go on after the default experiment 0");
        let found = db.read(move |tx| Box::pin(experiments::get(tx, id))).await.unwrap();
        assert_eq!(found.artifact_location.as_deref(), Some("mlflow-artifacts:/1"));
        assert_eq!(found.tags, [tag("k", "v")]);

        let taken = new_experiment(&db, "one", vec![]).await.unwrap_err();
        assert_eq!(code(&taken), ErrorCode::ResourceAlreadyExists);

        let run = new_run(&db, id).await;
        db.write(move |tx| Box::pin(experiments::delete(tx, id, 20))).await.unwrap();
        assert_eq!(get_run(&db, &run.info.run_id).await.info.lifecycle_stage, "deleted");
        let again = db.write(move |tx| Box::pin(experiments::delete(tx, id, 20))).await.unwrap_err();
        assert_eq!(code(&again), ErrorCode::ResourceDoesNotExist);
        let taken = new_experiment(&db, "one", vec![]).await.unwrap_err().to_string();
        assert!(taken.contains("It is deleted"), "{taken}");

        db.write(move |tx| Box::pin(experiments::restore(tx, id, 30))).await.unwrap();
        assert_eq!(get_run(&db, &run.info.run_id).await.info.lifecycle_stage, "active");

        let clash =
            db.write(move |tx| Box::pin(experiments::rename(tx, id, "Default", 40))).await.unwrap_err();
        assert_eq!(code(&clash), ErrorCode::ResourceAlreadyExists);
        db.write(move |tx| Box::pin(experiments::rename(tx, id, "zwei", 40))).await.unwrap();
        let limits = Limits::default();
        db.write(move |tx| Box::pin(experiments::set_tag(tx, id, tag("k", "w"), limits))).await.unwrap();
        db.write(move |tx| Box::pin(experiments::set_tag(tx, id, tag("l", ""), limits))).await.unwrap();
        db.write(move |tx| Box::pin(experiments::delete_tag(tx, id, "l"))).await.unwrap();
        let found = db.read(move |tx| Box::pin(experiments::get_by_name(tx, "zwei"))).await.unwrap();
        assert_eq!((found.last_update_time, found.tags), (Some(40), vec![tag("k", "w")]));
        let none = db.write(move |tx| Box::pin(experiments::delete_tag(tx, id, "l"))).await.unwrap_err();
        assert_eq!(code(&none), ErrorCode::ResourceDoesNotExist);
    })
    .await;
}

#[tokio::test]
async fn runs_are_created_updated_and_deleted() {
    for_each_engine(async |db| {
        let id = ExperimentId::parse("0").unwrap();
        let run = new_run(&db, id).await;
        let run_id = run.info.run_id.clone();
        let found = get_run(&db, &run_id).await;
        assert_eq!(found.info, run.info);
        assert_eq!(found.info.artifact_uri, Some(format!("mlflow-artifacts:/0/{run_id}/artifacts")));
        assert!(found.data.tags.contains(&tag("mlflow.runName", run.info.run_name.as_deref().unwrap())));

        let update = RunUpdate {
            status: Some(RunStatus::Finished),
            end_time: Some(9),
            run_name: Some("renamed".into()),
        };
        let for_update = run_id.clone();
        let info = db
            .write(move |tx| Box::pin(async move { runs::update(tx, &for_update, update).await }))
            .await
            .unwrap();
        assert_eq!((info.status, info.end_time), (RunStatus::Finished, Some(9)));
        assert!(get_run(&db, &run_id).await.data.tags.contains(&tag("mlflow.runName", "renamed")));

        let for_delete = run_id.clone();
        db.write(move |tx| Box::pin(async move { runs::delete(tx, &for_delete, 50).await })).await.unwrap();
        let refused = log_batch(&db, &run_id, batch(vec![], vec![tag("p", "1")], vec![])).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("The run {run_id} must be in the 'active' state. Current state is deleted.")
        );
        let for_restore = run_id.clone();
        db.write(move |tx| Box::pin(async move { runs::restore(tx, &for_restore).await })).await.unwrap();
        log_batch(&db, &run_id, batch(vec![], vec![tag("p", "1")], vec![])).await.unwrap();
        let unknown = log_batch(&db, "nosuchrun", batch(vec![], vec![], vec![])).await.unwrap_err();
        assert_eq!(unknown.to_string(), "Run with id=nosuchrun not found");
    })
    .await;
}

#[tokio::test]
async fn the_latest_metric_is_by_step_then_time_then_value() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await.info.run_id;
        let points = vec![
            metric("m", 1.0, 100, 2),
            metric("m", 5.0, 200, 1),
            metric("m", 2.0, 100, 2),
            metric("m", 2.0, 100, 2),
            metric("nan", f64::NAN, 1, 0),
            metric("inf", f64::INFINITY, 1, 0),
        ];
        log_batch(&db, &run_id, batch(points, vec![], vec![])).await.unwrap();
        log_batch(&db, &run_id, batch(vec![metric("m", 9.0, 99, 2)], vec![], vec![])).await.unwrap();
        let run = get_run(&db, &run_id).await;
        let latest = |key: &str| run.data.metrics.iter().find(|m| m.key == key).unwrap().clone();
        assert_eq!(latest("m"), metric("m", 2.0, 100, 2));
        assert!(latest("nan").value.is_nan());
        assert_eq!(latest("inf").value, f64::MAX);

        let id = run_id.clone();
        let histories = db
            .read(move |tx| {
                Box::pin(async move { metrics::history_page(tx, id, "m".into(), None, None).await })
            })
            .await
            .unwrap();
        let order: Vec<_> =
            histories.metrics[0].points.iter().map(|m| (m.timestamp, m.step, m.value)).collect();
        assert_eq!(order, [(99, 2, 9.0), (100, 2, 1.0), (100, 2, 2.0), (200, 1, 5.0)]);
        assert_eq!(histories.next_page_token, None);
    })
    .await;
}

#[tokio::test]
async fn pages_of_a_history_survive_new_points() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await.info.run_id;
        let points = (0..5).map(|i| metric("m", i as f64, 10 + i, i)).collect();
        log_batch(&db, &run_id, batch(points, vec![], vec![])).await.unwrap();
        let page = async |token: Option<String>| {
            let id = run_id.clone();
            let page = db.read(move |tx| {
                Box::pin(
                    async move { metrics::history_page(tx, id, "m".into(), Some(2), token.as_deref()).await },
                )
            });
            let mut page = page.await.unwrap();
            (page.metrics.remove(0).points, page.next_page_token)
        };
        let (first, token) = page(None).await;
        log_batch(&db, &run_id, batch(vec![metric("m", 0.0, 1, 0)], vec![], vec![])).await.unwrap();
        let (second, token) = page(token).await;
        let (third, end) = page(token).await;
        let times: Vec<_> = [first, second, third].concat().iter().map(|m| m.timestamp).collect();
        assert_eq!((times, end), (vec![10, 11, 12, 13, 14], None));
    })
    .await;
}

#[tokio::test]
async fn histories_are_the_same_whichever_way_they_are_read() {
    for_each_engine(async |db| {
        let id = ExperimentId::parse("0").unwrap();
        let (one, two) = (new_run(&db, id).await.info.run_id, new_run(&db, id).await.info.run_id);
        let points = |shift: i64| {
            let values = [f64::NAN, 0.0, -1.0, f64::INFINITY, 1.0, f64::NEG_INFINITY];
            values.iter().zip(0..).map(|(v, i)| metric("m", *v, 10 - i % 3, shift + i % 2)).collect()
        };
        log_batch(&db, &one, batch(points(0), vec![], vec![])).await.unwrap();
        log_batch(&db, &two, batch(points(5), vec![], vec![])).await.unwrap();
        let history = async |limit, offset: i64| {
            let (id, token) = (one.clone(), BASE64.encode(format!("{{\"offset\": {offset}}}")));
            let token = (offset > 0).then_some(token);
            let page = db.read(move |tx| {
                Box::pin(
                    async move { metrics::history_page(tx, id, "m".into(), limit, token.as_deref()).await },
                )
            });
            String::from_utf8(page.await.unwrap().into_json().collect::<Vec<_>>().concat()).unwrap()
        };
        let bulk = async |limit| {
            let ids = vec![two.clone(), one.clone(), two.clone()];
            let all =
                db.read(move |tx| Box::pin(async move { metrics::history_bulk(tx, ids, "m", limit).await }));
            String::from_utf8(all.await.unwrap().into_json().collect::<Vec<_>>().concat()).unwrap()
        };
        let all = async || {
            let pages = [history(None, 0).await, history(Some(4), 0).await, history(Some(2), 3).await];
            (pages, bulk(100).await, bulk(8).await)
        };
        // The run has one metric, and the metric two runs; then the run has four metrics.
        let among_the_runs = all().await;
        assert_eq!(among_the_runs.0[0].matches("timestamp").count(), 6);
        assert_eq!(among_the_runs.1.matches("run_id").count(), 12);
        let others = (0..3).map(|i| metric(&format!("other{i}"), 1.0, 1, 7)).collect();
        log_batch(&db, &one, batch(others, vec![], vec![])).await.unwrap();
        assert_eq!(all().await, among_the_runs);
    })
    .await;
}

#[tokio::test]
async fn params_do_not_change_and_a_failed_batch_changes_nothing() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await.info.run_id;
        log_batch(&db, &run_id, batch(vec![], vec![tag("p", "1"), tag("q", "")], vec![])).await.unwrap();
        log_batch(&db, &run_id, batch(vec![], vec![tag("p", "1")], vec![])).await.unwrap();
        let clash = batch(
            vec![metric("m", 1.0, 1, 1)],
            vec![tag("a", "new"), tag("p", "it's")],
            vec![tag("t", "x")],
        );
        let error = log_batch(&db, &run_id, clash).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "Changing param values is not allowed. Params were already logged='[{{'key': 'p', 'old_value': '1', \
                 'new_value': \"it's\"}}]' for run ID='{run_id}'."
            )
        );
        let run = get_run(&db, &run_id).await;
        assert_eq!(run.data.params.len(), 2);
        assert!(run.data.metrics.is_empty());
        assert!(!run.data.tags.iter().any(|t| t.key == "t"));
    })
    .await;
}

#[tokio::test]
async fn many_writers_on_one_run_lose_nothing() {
    for_each_engine(async |db| {
        let run_id = new_run(&db, ExperimentId::parse("0").unwrap()).await.info.run_id;
        let writers = (0..16).map(|writer| {
            let (db, run_id) = (db.clone(), run_id.clone());
            tokio::spawn(async move {
                for i in 0..10 {
                    let points = (0..20).map(|k| metric(&format!("m{k}"), 1.0, writer, i)).collect();
                    log_batch(&db, &run_id, batch(points, vec![], vec![tag("t", &writer.to_string())]))
                        .await
                        .unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let histories = db
            .read(move |tx| {
                Box::pin(async move { metrics::history_page(tx, run_id, "m7".into(), None, None).await })
            })
            .await
            .unwrap();
        assert_eq!(histories.metrics[0].points.len(), 160);
    })
    .await;
}

#[tokio::test]
async fn sampled_histories_keep_the_ends_of_every_run() {
    for_each_engine(async |db| {
        let id = ExperimentId::parse("0").unwrap();
        let (one, two) = (new_run(&db, id).await.info.run_id, new_run(&db, id).await.info.run_id);
        let points = (0..100).map(|i| metric("m", 0.5, i, i)).collect();
        log_batch(&db, &one, batch(points, vec![], vec![])).await.unwrap();
        log_batch(&db, &two, batch(vec![metric("m", 1.0, 1, 33), metric("m", 2.0, 2, 33)], vec![], vec![]))
            .await
            .unwrap();
        let interval = |steps, max_results| metrics::Interval {
            run_ids: vec![two.clone(), one.clone()],
            key: "m".into(),
            max_results,
            steps,
        };
        let sampled = async |interval| {
            let runs =
                db.read(move |tx| Box::pin(metrics::history_bulk_interval(tx, interval))).await.unwrap();
            runs.iter().flat_map(|run| run.points.iter().map(|p| p.step)).collect::<Vec<_>>()
        };
        assert_eq!(sampled(interval(None, 4)).await, [33, 33, 0, 25, 33, 50, 75, 99]);
        assert_eq!(sampled(interval(Some((10, 12)), 50)).await, [10, 11, 12]);
        assert_eq!(sampled(interval(Some((40, 49)), 3)).await, [40, 43, 46, 49]);
        // With more metrics, SQLite looks for the points another way.
        for run_id in [&one, &two] {
            let others = (0..3).map(|i| metric(&format!("other{i}"), 1.0, 1, 7)).collect();
            log_batch(&db, run_id, batch(others, vec![], vec![])).await.unwrap();
        }
        assert_eq!(sampled(interval(None, 4)).await, [33, 33, 0, 25, 33, 50, 75, 99]);
    })
    .await;
}

/// More than a connection to PostgreSQL reads ahead, of every kind of row.
#[tokio::test]
async fn a_page_of_runs_comes_with_all_that_belongs_to_them() {
    for_each_engine(async |db| {
        let id = new_experiment(&db, "large", vec![]).await.unwrap();
        let mut ids = vec![];
        for _ in 0..60 {
            let run_id = new_run(&db, id).await.info.run_id;
            let texts =
                |prefix: &str| (0..20).map(|n| tag(&format!("{prefix}{n}"), &"x".repeat(500))).collect();
            let metrics = (0..200).map(|n| metric(&format!("metric{n}"), 0.5, 1, 0)).collect();
            log_batch(&db, &run_id, batch(metrics, texts("p"), texts("t"))).await.unwrap();
            ids.push(run_id);
        }
        ids.reverse();
        let asked = ids.clone();
        let found = db.read(move |tx| Box::pin(async move { runs::load(tx, &asked).await })).await.unwrap();
        assert!(found.iter().map(|run| &run.info.run_id).eq(&ids), "in the order asked for");
        for run in found {
            let data = &run.data;
            // The name and one tag are there from the start.
            assert_eq!((data.metrics.len(), data.params.len(), data.tags.len()), (200, 20, 22));
            assert!(data.params.iter().all(|p| p.value.len() == 500));
        }
    })
    .await;
}
