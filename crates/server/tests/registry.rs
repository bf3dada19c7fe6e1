//! The model registry over HTTP: the exact JSON, and whose folders may be sources.

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::TestApp;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use store::db::Db;
use store::uri::DatabaseUri;

const API: &str = "/api/2.0/mlflow";

async fn post(app: &mut TestApp, path: &str, body: Value) -> String {
    app.post(&format!("{API}/{path}"), &body.to_string()).await
}

#[tokio::test]
async fn a_model_with_a_version() {
    let mut app = TestApp::new().await;
    let (run, tags) = (app.new_run().await, json!([{"key": "t", "value": "1"}]));
    let new = json!({"name": "m", "description": "what it is", "tags": tags});
    post(&mut app, "registered-models/create", new).await;
    let new = json!({"name": "m", "source": "s3://b/m", "run_id": run, "run_link": "l", "tags": tags});
    assert_snapshot!("version_created", post(&mut app, "model-versions/create", new).await);
    let alias = json!({"name": "m", "alias": "champion", "version": "1"});
    assert_eq!(post(&mut app, "registered-models/alias", alias).await, "200 OK application/json\n{}");
    assert_snapshot!("model_shown", app.get(&format!("{API}/registered-models/get?name=m")).await);
    let move_on = json!({"name": "m", "version": "1", "stage": "production"});
    assert_snapshot!("version_moved", post(&mut app, "model-versions/transition-stage", move_on).await);
}

/// Creates an experiment in a folder, a run in it, and a file of the run; answers the run's id and its artifacts' folder.
async fn run_in_a_folder(app: &mut TestApp, folder: &Path) -> (String, String) {
    let new = json!({"name": "in a folder", "artifact_location": folder.join("experiment").to_str().expect("UTF-8")});
    let experiment = app.post_json(&format!("{API}/experiments/create"), &new).await;
    let new = json!({"experiment_id": experiment["experiment_id"]});
    let run = app.post_json(&format!("{API}/runs/create"), &new).await;
    let text = |name: &str| run["run"]["info"][name].as_str().expect("a text").to_owned();
    let artifacts = text("artifact_uri");
    std::fs::create_dir_all(format!("{artifacts}/model")).expect("a folder");
    std::fs::write(format!("{artifacts}/model/MLmodel"), "flavors: {}").expect("a file");
    (text("run_id"), artifacts)
}

async fn download(app: &mut TestApp, version: &str) -> (StatusCode, String) {
    let path = format!("/model-versions/get-artifact?name=m&version={version}&path=MLmodel");
    let (status, _, body) = app.raw(Request::get(path).body(Body::empty()).expect("a request")).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn folders_belong_to_their_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::create_dir(&secret).expect("a folder");
    std::fs::write(secret.join("MLmodel"), "secret").expect("a file");
    let allowed = folder.path().join("experiment");
    let locations = api::uri::Locations::parse(allowed.to_str().expect("UTF-8")).expect("a place");
    let mut app = TestApp::with(|settings| settings.locations = locations).await;
    let (run, artifacts) = run_in_a_folder(&mut app, folder.path()).await;
    std::os::unix::fs::symlink(&secret, format!("{artifacts}/link")).expect("a link");
    app.post_json(&format!("{API}/registered-models/create"), &json!({"name": "m"})).await;
    let mut create = async |source: &str, fields: Value| {
        let mut new = json!({"name": "m", "source": source});
        new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        app.post_json(&format!("{API}/model-versions/create"), &new).await
    };

    let model = format!("{artifacts}/model");
    let prompt = json!([{"key": "mlflow.prompt.is_prompt", "value": "true"}]);
    for (source, fields) in [
        (model.clone(), json!({})),
        (model.clone(), json!({"tags": prompt})),
        (secret.to_str().unwrap().to_owned(), json!({"run_id": run})),
        (secret.to_str().unwrap().to_owned(), json!({"run_id": run, "tags": prompt})),
        (format!("file://{}", secret.display()), json!({"run_id": run})),
        (format!("{artifacts}/link"), json!({"run_id": run})),
        (format!("{artifacts}/../../../secret"), json!({"run_id": run})),
        (format!("{artifacts}/%2e%2e/%2e%2e/%2e%2e/secret"), json!({"run_id": run})),
        (format!("{artifacts}x"), json!({"run_id": run})),
    ] {
        let refused = create(&source, fields).await;
        assert_eq!(refused["error_code"], "INVALID_PARAMETER_VALUE", "{source}: {refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("Invalid model version source: '{source}'. To use")),
            "{message}"
        );
    }
    let unknown = create(&model, json!({"run_id": "0123456789abcdef0123456789abcdef"})).await;
    assert_eq!(unknown["error_code"], "RESOURCE_DOES_NOT_EXIST");

    for source in [model.clone(), format!("file://{model}")] {
        let created = create(&source, json!({"run_id": run})).await;
        let version = created["model_version"]["version"].as_str().expect("a number").to_owned();
        let copied = create(&format!("models:/m/{version}"), json!({"run_id": run})).await;
        for created in [&created, &copied] {
            assert_eq!(created["model_version"]["run_id"], json!(run));
        }
    }
    for version in ["1", "2", "3", "4"] {
        assert_eq!(download(&mut app, version).await, (StatusCode::OK, "flavors: {}".to_owned()));
    }
}

/// A server that checks less may have written them into the same database.
#[tokio::test]
async fn what_another_server_let_pass_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("MLmodel"), "secret").expect("a file");
    let mut home = PathBuf::new();
    let mut app = TestApp::with(|settings| home.clone_from(&settings.working_dir)).await;
    app.post_json(&format!("{API}/registered-models/create"), &json!({"name": "m"})).await;
    let new = json!({"name": "m", "source": "s3://b/m"});
    app.post_json(&format!("{API}/model-versions/create"), &new).await;
    let prompt = json!({"name": "m", "source": "dummy-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]});
    app.post_json(&format!("{API}/model-versions/create"), &prompt).await;
    let uri = format!("sqlite:///{}", home.join("test.db").display());
    let db = Db::open(&DatabaseUri::parse(&uri).expect("an address")).await.expect("a database");
    let folder = folder.path().to_str().expect("UTF-8").to_owned();
    let sql = "UPDATE model_versions SET source = $1, storage_location = $1 WHERE version = 1";
    db.write(move |tx| Box::pin(async move { tx.exec(sql, &[folder.into()]).await })).await.expect("changed");
    for version in ["1", "2"] {
        let (status, body) = download(&mut app, version).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(body.contains("--allowed-artifact-locations") && !body.contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn an_operator_narrows_the_sources() {
    let pattern = server::sources::SourcePattern::parse("^(s3://mine/|dummy-source$)").expect("a pattern");
    let mut app = TestApp::with(|settings| settings.source_pattern = Some(pattern)).await;
    app.post_json(&format!("{API}/registered-models/create"), &json!({"name": "m"})).await;
    for (source, message) in [
        ("s3://mine/m", None),
        ("s3://other/m", Some("Invalid model version source: 's3://other/m'.")),
        ("x s3://mine/m", Some("Invalid model version source: 'x s3://mine/m'.")),
    ] {
        let new = json!({"name": "m", "source": source});
        let answer = app.post_json(&format!("{API}/model-versions/create"), &new).await;
        assert_eq!(answer["message"].as_str(), message, "{answer}");
    }
    assert!(server::sources::SourcePattern::parse("(").is_err());
}
