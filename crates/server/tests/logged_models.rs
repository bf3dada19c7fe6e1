//! Logged models and data sets over HTTP: the exact JSON, and the exact refusals.

mod common;

use axum::body::Body;
use axum::http::{Method, Request, header};
use common::TestApp;
use insta::assert_snapshot;
use serde_json::{Value, json};

const API: &str = "/api/2.0/mlflow";

async fn send(app: &mut TestApp, method: Method, path: &str, body: &Value) -> String {
    let request = Request::builder().method(method).uri(format!("{API}/{path}"));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn post(app: &mut TestApp, path: &str, body: Value) -> String {
    send(app, Method::POST, path, &body).await
}

/// Creates a model in the default experiment and answers its id, which the database alone tells unmasked.
async fn new_model(app: &mut TestApp, name: &str) -> String {
    let created =
        app.post_json(&format!("{API}/logged-models"), &json!({"experiment_id": "0", "name": name})).await;
    created["model"]["info"]["model_id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_model_from_creation_to_deletion() {
    let mut app = TestApp::new().await;
    let bare = post(&mut app, "logged-models", json!({"experiment_id": 0})).await;
    assert_snapshot!("bare_model_created", bare);
    let full = json!({
        "experiment_id": "0", "name": "classifier", "model_type": "llm", "source_run_id": "r1",
        "params": [{"key": "b", "value": "1"}, {"key": "a"}], "tags": [{"key": "t", "value": "v"}],
    });
    assert_snapshot!("model_created", post(&mut app, "logged-models", full).await);

    let (id, run) = (new_model(&mut app, "probe").await, app.new_run().await);
    let model = format!("logged-models/{id}");
    let requests = [
        (
            Method::POST,
            format!("{model}/params"),
            json!({"model_id": id, "params": [{"key": "p", "value": "1"}]}),
        ),
        (Method::PATCH, format!("{model}/tags"), json!({"tags": [{"key": "t", "value": "v"}, {"key": "u"}]})),
        (Method::DELETE, format!("{model}/tags/u"), json!({})),
        (
            Method::POST,
            "runs/log-metric".into(),
            json!({
                "run_id": run, "key": "acc", "value": "NaN", "timestamp": 7, "model_id": id, "dataset_name": "d",
                "dataset_digest": "1",
            }),
        ),
    ];
    for (method, path, body) in requests {
        assert_eq!(send(&mut app, method, &path, &body).await, "200 OK application/json\n{}", "{path}");
    }
    let ready = json!({"model_id": id, "status": "LOGGED_MODEL_READY"});
    assert_snapshot!("model_finalized", send(&mut app, Method::PATCH, &model, &ready).await);

    let deleted = send(&mut app, Method::DELETE, &model, &json!({})).await;
    assert_eq!(deleted, "200 OK application/json\n{}");
    assert_snapshot!("model_deleted", app.get(&format!("{API}/{model}")).await);
    let shown = app.get(&format!("/ajax-api/2.0/mlflow/{model}?allow_deleted=True")).await;
    assert!(shown.starts_with("200 OK"), "{shown}");
}

#[tokio::test]
async fn refusals_have_mlflows_words() {
    let mut app = TestApp::new().await;
    let (id, run) = (new_model(&mut app, "probe").await, app.new_run().await);
    let model = format!("logged-models/{id}");
    let mut answers = String::new();
    for (method, path, body) in [
        (Method::POST, "logged-models".to_owned(), json!({})),
        (Method::POST, "logged-models".into(), json!({"experiment_id": "0", "name": 3})),
        (Method::POST, "logged-models".into(), json!({"experiment_id": "0", "name": "a'b"})),
        (Method::POST, "logged-models".into(), json!({"experiment_id": "77"})),
        (Method::POST, "logged-models".into(), json!({"experiment_id": "0", "params": "x"})),
        (Method::PATCH, model.clone(), json!({"status": 2})),
        (Method::PATCH, model.clone(), json!({"model_id": id, "status": "READY"})),
        (Method::PATCH, model.clone(), json!({"model_id": "m-0", "status": 2})),
        (Method::PATCH, "logged-models/m-0".into(), json!({"model_id": "m-0", "status": 2})),
        (Method::DELETE, "logged-models/m-0".into(), json!({})),
        (Method::POST, format!("{model}/params"), json!({"params": []})),
        (Method::PATCH, "logged-models/m-0/tags".into(), json!({"tags": []})),
        (Method::DELETE, format!("{model}/tags/no"), json!({})),
        (Method::POST, "logged-models/search".into(), json!({})),
        (Method::POST, "logged-models/search".into(), json!({"experiment_ids": ["0"], "max_results": -1})),
        (
            Method::POST,
            "logged-models/search".into(),
            json!({"experiment_ids": ["0"], "datasets": [{"dataset_digest": "1"}]}),
        ),
        (Method::POST, "runs/log-inputs".into(), json!({"run_id": "no run"})),
        (Method::POST, "runs/log-inputs".into(), json!({"run_id": run, "datasets": "x"})),
        (Method::POST, "runs/outputs".into(), json!({"run_id": run})),
        (Method::POST, "runs/log-model".into(), json!({"run_id": run, "model_json": "{bad"})),
        (Method::POST, "runs/log-model".into(), json!({"run_id": run, "model_json": "{\"flavors\": {}}"})),
    ] {
        let answer = send(&mut app, method.clone(), &path, &body).await;
        let request = format!("{method} {path} {body}").replace(&id, "MODEL").replace(&run, "RUN");
        answers.push_str(&format!("{request}\n{answer}\n\n"));
    }
    assert_snapshot!("refusals_of_models", answers);
}

#[tokio::test]
async fn models_are_found_page_by_page() {
    let mut app = TestApp::new().await;
    for name in ["one", "two", "three"] {
        let id = new_model(&mut app, name).await;
        let tags = json!({"tags": [{"key": "size", "value": name}]});
        send(&mut app, Method::PATCH, &format!("logged-models/{id}/tags"), &tags).await;
    }
    let search = format!("{API}/logged-models/search");
    let mut names = Vec::new();
    let mut token = Value::Null;
    loop {
        let request = json!({
            "experiment_ids": ["0"], "max_results": 2, "page_token": token,
            "order_by": [{"field_name": "name", "ascending": false}],
        });
        let page = app.post_json(&search, &request).await;
        names.extend(page["models"].as_array().unwrap().iter().map(|m| m["info"]["name"].clone()));
        token = page["next_page_token"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names, ["two", "three", "one"]);
    let one = json!({"experiment_ids": [0], "filter": "tags.size = 'one'", "max_results": 0});
    assert_snapshot!("models_found", app.post(&search, &one.to_string()).await);
    let none = json!({"experiment_ids": []});
    assert_eq!(app.post(&search, &none.to_string()).await, "200 OK application/json\n{}");
}

#[tokio::test]
async fn inputs_and_outputs_come_with_the_run() {
    let mut app = TestApp::new().await;
    let run = app.new_run().await;
    let dataset =
        json!({"name": "d", "digest": "1", "source_type": "s", "source": "f", "schema": "", "profile": "p"});
    let inputs = json!({
        "run_id": run, "models": [{"model_id": "m-1"}],
        "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}, {}],
    });
    let model = json!({
        "artifact_path": "model", "utc_time_created": "2026-01-01 09:30:00", "run_id": run, "model_uuid": "u",
        "flavors": {"sklearn": {"version": "1", "config": {}}, "python_function": {}},
    });
    for (path, body) in [
        ("runs/log-inputs", inputs),
        (
            "runs/outputs",
            json!({"run_id": run, "models": [{"model_id": "m-2", "step": "3"}, {"model_id": "m-3"}]}),
        ),
        ("runs/log-model", json!({"run_id": run, "model_json": model.to_string()})),
    ] {
        assert_eq!(post(&mut app, path, body).await, "200 OK application/json\n{}", "{path}");
    }
    assert_snapshot!("run_with_inputs", app.get(&format!("{API}/runs/get?run_id={run}")).await);

    let search = "/ajax-api/2.0/mlflow/experiments/search-datasets";
    assert_snapshot!("datasets_found", app.post(search, r#"{"experiment_ids": ["0"]}"#).await);
    let mut answers = String::new();
    for ids in [json!([]), json!(vec!["0"; 21])] {
        answers.push_str(&app.post(search, &json!({"experiment_ids": ids}).to_string()).await);
        answers.push('\n');
    }
    assert_snapshot!("datasets_refused", answers);
    // MLflow registers its UI's path a second time without a slash, and answers 404 there.
    for path in ["/api/2.0mlflow/experiments/search-datasets", "/api/2.0/mlflow/experiments/search-datasets"]
    {
        let answer = app.post(path, r#"{"experiment_ids": ["0"]}"#).await;
        assert!(answer.starts_with("404"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_models_artifacts_are_listed_and_read() {
    let mut app = TestApp::new().await;
    let id = new_model(&mut app, "probe").await;
    let proxy = "/api/2.0/mlflow-artifacts/artifacts";
    for name in ["MLmodel", "data/weights.bin"] {
        let path = format!("{proxy}/0/models/{id}/artifacts/{name}");
        let put = Request::put(path).body(Body::from("content")).unwrap();
        assert_eq!(app.send(put).await, "200 OK application/json\n{}", "{name}");
    }
    let artifacts = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts");
    let mut answers = String::new();
    for path in [
        format!("{API}/logged-models/{id}/artifacts/directories"),
        format!("{artifacts}/directories?artifact_directory_path=data"),
        format!("{artifacts}/directories?artifact_directory_path=../x"),
        format!("{artifacts}/files?artifact_file_path=MLmodel"),
        format!("{artifacts}/files?artifact_file_path="),
        format!("{artifacts}/files?artifact_file_path=../x"),
        format!("{artifacts}/files?artifact_file_path=none"),
        format!("{API}/logged-models/m-0/artifacts/directories"),
        format!("{}/files?artifact_file_path=x", artifacts.replace(&id, "m-0")),
    ] {
        let answer = app.get(&path).await;
        answers.push_str(&format!("GET {}\n{answer}\n\n", path.replace(&id, "MODEL")));
    }
    assert_snapshot!("artifacts_of_a_model", answers);
    assert!(
        app.get(&format!("{API}/logged-models/{id}/artifacts/files?artifact_file_path=MLmodel"))
            .await
            .starts_with("404")
    );
}
