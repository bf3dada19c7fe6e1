//! Logged models, on both engines.

mod common;

use api::validate::Limits;
use api::{ErrorCode, LoggedModel, LoggedModelStatus, Metric, Tag};
use common::for_each_engine;
use store::Error;
use store::db::Db;
use store::experiments::{self, ExperimentId};
use store::logged_models::{self, NewLoggedModel};
use store::runs::ingest::Ingest;
use store::runs::log::{Batch, Entry};
use store::runs::{self, NewRun};
use store::search::logged_models::{LoggedModelQuery, OrderBy};

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn new_model(name: &str) -> NewLoggedModel {
    NewLoggedModel {
        experiment_id: ExperimentId::parse("0").expect("an id"),
        name: Some(name.into()),
        model_type: String::new(),
        source_run_id: String::new(),
        params: vec![],
        tags: vec![],
        now_ms: 10,
    }
}

async fn create(db: &Db, new: NewLoggedModel) -> store::Result<LoggedModel> {
    db.write(move |tx| Box::pin(logged_models::create(tx, new))).await
}

async fn get(db: &Db, id: &str) -> store::Result<LoggedModel> {
    let id = id.to_owned();
    db.read(move |tx| Box::pin(async move { logged_models::get(tx, &id).await })).await
}

async fn set_tags(db: &Db, id: &str, tags: Vec<Tag>) -> store::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { logged_models::set_tags(tx, &id, &tags).await })).await
}

async fn delete_tag(db: &Db, id: &str, key: &'static str) -> store::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { logged_models::delete_tag(tx, &id, key).await })).await
}

async fn log_params(db: &Db, id: &str, params: Vec<Tag>) -> store::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| Box::pin(async move { logged_models::log_params(tx, &id, &params).await })).await
}

async fn new_run(db: &Db) -> String {
    let new = NewRun {
        experiment_id: ExperimentId::parse("0").expect("an id"),
        user_id: String::new(),
        start_time: 0,
        tags: vec![],
        run_name: String::new(),
    };
    db.write(move |tx| Box::pin(runs::create(tx, new))).await.expect("a run").info.run_id
}

async fn log_metrics(db: &Db, run_id: &str, metrics: Vec<Metric>) -> store::Result<()> {
    let run_id = run_id.to_owned();
    let batch = Batch { metrics, params: vec![], tags: vec![] };
    Ingest::new(db.clone()).log(run_id, Entry::Batch(batch), Limits::default()).await
}

fn point(model_id: &str, key: &str, value: f64, step: i64) -> Metric {
    Metric {
        key: key.into(),
        value,
        timestamp: 5,
        step,
        dataset_name: Some("d".into()),
        dataset_digest: Some("1".into()),
        model_id: Some(model_id.into()),
        run_id: None,
    }
}

#[track_caller]
fn refused(result: store::Result<()>, code: ErrorCode, message: &str) {
    match result.expect_err("a refusal") {
        Error::Api(error) => assert_eq!((error.code, error.message.as_str()), (code, message)),
        other => panic!("not for a client: {other}"),
    }
}

#[tokio::test]
async fn a_model_is_created_finalized_and_deleted() {
    for_each_engine(async |db| {
        let new = NewLoggedModel {
            model_type: "llm".into(),
            source_run_id: "r".into(),
            params: vec![tag("b", "1"), tag("a", "")],
            tags: vec![tag("t", "v"), tag("s", "w")],
            ..new_model("my model")
        };
        let model = create(&db, new).await.unwrap();
        let (id, info) = (model.info.model_id.clone(), &model.info);
        assert!(id.len() == 34 && id.starts_with("m-"), "{id}");
        assert_eq!((info.experiment_id.as_str(), info.name.as_str()), ("0", "my model"));
        assert_eq!(info.artifact_uri, format!("mlflow-artifacts:/0/models/{id}/artifacts"));
        assert_eq!((info.creation_timestamp_ms, info.last_updated_timestamp_ms), (10, 10));
        assert_eq!(info.status, LoggedModelStatus::Pending);
        assert_eq!((info.model_type.as_deref(), info.source_run_id.as_deref()), (Some("llm"), Some("r")));
        assert_eq!(info.tags, [tag("s", "w"), tag("t", "v")]);
        assert_eq!(model.data.params, [tag("a", ""), tag("b", "1")]);
        assert_eq!(get(&db, &id).await.unwrap(), model);

        let for_finalize = id.clone();
        let ready = db
            .write(move |tx| {
                Box::pin(async move {
                    logged_models::finalize(tx, &for_finalize, LoggedModelStatus::Ready, 20).await
                })
            })
            .await
            .unwrap();
        assert_eq!(ready.info.status, LoggedModelStatus::Ready);
        assert_eq!(ready.info.last_updated_timestamp_ms, 20);
        let for_location = id.clone();
        let location = db
            .read(move |tx| {
                Box::pin(async move { logged_models::artifact_location(tx, &for_location).await })
            })
            .await
            .unwrap();
        assert_eq!(location, ready.info.artifact_uri);

        for now in [30, 40] {
            let id = id.clone();
            db.write(move |tx| Box::pin(async move { logged_models::delete(tx, &id, now).await }))
                .await
                .unwrap();
        }
        let gone = format!("Logged model with ID '{id}' not found.");
        refused(get(&db, &id).await.map(drop), ErrorCode::ResourceDoesNotExist, &gone);
        let for_location = id.clone();
        let location = db
            .read(move |tx| {
                Box::pin(async move { logged_models::artifact_location(tx, &for_location).await })
            })
            .await;
        refused(location.map(drop), ErrorCode::ResourceDoesNotExist, &gone);
        let deleted = db
            .read(move |tx| Box::pin(async move { logged_models::get_even_deleted(tx, &id).await }))
            .await
            .unwrap();
        assert_eq!(deleted.info.last_updated_timestamp_ms, 40);
    })
    .await;
}

#[tokio::test]
async fn names_and_experiments_are_checked() {
    for_each_engine(async |db| {
        for name in [None, Some(String::new())] {
            let model = create(&db, NewLoggedModel { name, ..new_model("") }).await.unwrap();
            assert_eq!(model.info.name.split('-').count(), 3, "{}", model.info.name);
        }
        refused(
            create(&db, new_model("a/b")).await.map(drop),
            ErrorCode::InvalidParameterValue,
            "Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the \
             following characters: ('/', ':', '.', '%', '\"', \"'\")",
        );
        let elsewhere =
            NewLoggedModel { experiment_id: ExperimentId::parse("99").unwrap(), ..new_model("m") };
        refused(
            create(&db, elsewhere).await.map(drop),
            ErrorCode::ResourceDoesNotExist,
            "No Experiment with id=99 exists",
        );
        let twice = NewLoggedModel { params: vec![tag("p", "1"), tag("p", "1")], ..new_model("m") };
        refused(
            create(&db, twice).await.map(drop),
            ErrorCode::BadRequest,
            "The param 'p' is given more than once; give it once.",
        );
        let default = ExperimentId::parse("0").unwrap();
        db.write(move |tx| Box::pin(experiments::delete(tx, default, 1))).await.unwrap();
        refused(
            create(&db, new_model("m")).await.map(drop),
            ErrorCode::InvalidParameterValue,
            "The experiment 0 must be in the 'active' state. Current state is deleted.",
        );
    })
    .await;
}

#[tokio::test]
async fn tags_change_and_params_do_not() {
    for_each_engine(async |db| {
        let id = create(&db, new_model("m")).await.unwrap().info.model_id;
        set_tags(&db, &id, vec![tag("a", "1"), tag("b", "1"), tag("a", "2")]).await.unwrap();
        set_tags(&db, &id, vec![tag("b", "3")]).await.unwrap();
        assert_eq!(get(&db, &id).await.unwrap().info.tags, [tag("a", "2"), tag("b", "3")]);
        delete_tag(&db, &id, "a").await.unwrap();
        refused(
            delete_tag(&db, &id, "a'b").await,
            ErrorCode::ResourceDoesNotExist,
            &format!("No tag with key \"a'b\" found for model with ID '{id}'."),
        );
        assert_eq!(get(&db, &id).await.unwrap().info.tags, [tag("b", "3")]);

        log_params(&db, &id, vec![tag("p", "1")]).await.unwrap();
        log_params(&db, &id, vec![tag("q", "2"), tag("p", "1")]).await.unwrap();
        refused(
            log_params(&db, &id, vec![tag("r", "3"), tag("p", "2")]).await,
            ErrorCode::BadRequest,
            &format!(
                "Changing param values is not allowed. Param with key='p' was already logged with value='1' for logged \
                 model ID='{id}'. Attempted logging new value '2'."
            ),
        );
        assert_eq!(get(&db, &id).await.unwrap().data.params, [tag("p", "1"), tag("q", "2")]);

        let unknown = "Logged model with ID 'm-0' not found.";
        refused(set_tags(&db, "m-0", vec![]).await, ErrorCode::ResourceDoesNotExist, unknown);
        refused(delete_tag(&db, "m-0", "a").await, ErrorCode::ResourceDoesNotExist, unknown);
        refused(log_params(&db, "m-0", vec![]).await, ErrorCode::ResourceDoesNotExist, unknown);
    })
    .await;
}

#[tokio::test]
async fn points_that_name_a_model_are_its_metrics() {
    for_each_engine(async |db| {
        let id = create(&db, new_model("m")).await.unwrap().info.model_id;
        let run_id = new_run(&db).await;
        let plain = Metric { model_id: None, ..point("", "plain", 1.0, 0) };
        let points = vec![
            point(&id, "b", 1.5, 1),
            point(&id, "b", 1.5, 1),
            plain,
            point(&id, "a", f64::NAN, 0),
            point(&id, "c", f64::INFINITY, 0),
        ];
        log_metrics(&db, &run_id, points).await.unwrap();
        log_metrics(&db, &run_id, vec![point(&id, "b", 1.5, 1), point(&id, "b", 2.5, 2)]).await.unwrap();
        let metrics = get(&db, &id).await.unwrap().data.metrics;
        let values: Vec<_> = metrics.iter().map(|m| (m.key.as_str(), m.value, m.step)).collect();
        assert_eq!(values, [("a", 0.0, 0), ("b", 1.5, 1), ("b", 2.5, 2), ("c", f64::MAX, 0)]);
        assert_eq!(metrics[1], Metric { run_id: Some(run_id.clone()), ..point(&id, "b", 1.5, 1) });

        let clash = format!(
            "Metric 'b' of logged model '{id}' already has another value or data set at timestamp 5, step 1 in this run. \
             Log it with another step or timestamp."
        );
        let points = vec![point(&id, "new", 1.0, 0), point(&id, "b", 9.0, 1)];
        refused(log_metrics(&db, &run_id, points).await, ErrorCode::BadRequest, &clash);
        let other_data = Metric { dataset_digest: Some("2".into()), ..point(&id, "b", 1.5, 1) };
        refused(log_metrics(&db, &run_id, vec![other_data]).await, ErrorCode::BadRequest, &clash);
        let points = vec![point(&id, "x", 1.0, 1), point(&id, "x", 2.0, 1)];
        refused(log_metrics(&db, &run_id, points).await, ErrorCode::BadRequest, &clash.replace("'b'", "'x'"));
        refused(
            log_metrics(&db, &run_id, vec![point("m-0", "k", 1.0, 0)]).await,
            ErrorCode::ResourceDoesNotExist,
            "Logged model with ID 'm-0' not found.",
        );
        let run = db.read(move |tx| Box::pin(async move { runs::get(tx, &run_id).await })).await.unwrap();
        assert_eq!(run.data.metrics.len(), 4, "a refused batch leaves nothing in the run");
        assert_eq!(get(&db, &id).await.unwrap().data.metrics, metrics);
        log_metrics(&db, &new_run(&db).await, vec![point(&id, "b", 9.0, 1)]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn many_models_load_in_the_order_asked_for() {
    for_each_engine(async |db| {
        let mut ids = Vec::new();
        for name in ["one", "two", "three"] {
            let new = NewLoggedModel { tags: vec![tag("name", name)], ..new_model(name) };
            ids.push(create(&db, new).await.unwrap().info.model_id);
        }
        ids.reverse();
        ids.insert(1, "m-0".into());
        let models =
            db.read(move |tx| Box::pin(async move { logged_models::load(tx, &ids).await })).await.unwrap();
        let names: Vec<_> = models.iter().map(|m| (m.info.name.as_str(), m.info.tags.clone())).collect();
        let expected = ["three", "two", "one"].map(|name| (name, vec![tag("name", name)]));
        assert_eq!(names, expected);
    })
    .await;
}

#[tokio::test]
async fn searches_filter_order_and_page() {
    for_each_engine(async |db| {
        let run_id = new_run(&db).await;
        for (name, accuracy) in [("one", 0.5), ("two", 0.9), ("three", 0.7), ("gone", 1.0)] {
            let new = NewLoggedModel { tags: vec![tag("kind", name)], ..new_model(name) };
            let id = create(&db, new).await.unwrap().info.model_id;
            log_metrics(&db, &run_id, vec![point(&id, "acc", accuracy, 1)]).await.unwrap();
            if name == "gone" {
                db.write(move |tx| Box::pin(async move { logged_models::delete(tx, &id, 20).await }))
                    .await
                    .unwrap();
            }
        }
        let by_accuracy = [OrderBy {
            field_name: "metrics.acc",
            ascending: false,
            dataset_name: Some("d"),
            dataset_digest: None,
        }];
        let (first, token) = search(&db, "", &by_accuracy, String::new()).await.unwrap();
        assert_eq!(first, ["two", "three"]);
        let (second, end) = search(&db, "", &by_accuracy, token.unwrap()).await.unwrap();
        assert_eq!((second, end), (vec!["one".to_owned()], None));
        let (found, _) =
            search(&db, "metrics.acc > 0.6 AND tags.kind = 'three'", &[], String::new()).await.unwrap();
        assert_eq!(found, ["three"]);
        refused(
            search(&db, "", &[OrderBy { field_name: "tags.kind", ..by_accuracy[0] }], String::new())
                .await
                .map(drop),
            ErrorCode::InvalidParameterValue,
            "Invalid order by field name: tags.kind. Only metrics are supported.",
        );
    })
    .await;
}

async fn search(
    db: &Db,
    filter: &'static str,
    order_by: &[OrderBy<'static>],
    page_token: String,
) -> store::Result<(Vec<String>, Option<String>)> {
    let order_by = order_by.to_vec();
    let (models, token) = db
        .read(move |tx| {
            Box::pin(async move {
                let query = LoggedModelQuery {
                    experiment_ids: &[0],
                    filter,
                    datasets: &[],
                    order_by: &order_by,
                    max_results: 2,
                    page_token: &page_token,
                };
                logged_models::search(tx, &query).await
            })
        })
        .await?;
    Ok((models.into_iter().map(|m| m.info.name).collect(), token))
}
