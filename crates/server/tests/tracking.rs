//! Experiments, runs and metrics over HTTP: the exact JSON, and the exact refusals.

mod common;

use axum::body::Body;
use axum::http::{Request, header};
use common::TestApp;
use insta::assert_snapshot;

const API: &str = "/api/2.0/mlflow";

#[tokio::test]
async fn a_run_from_creation_to_reading_it_back() {
    let mut app = TestApp::new().await;
    let created = app.post(&format!("{API}/runs/create"), r#"{"experiment_id": "0", "start_time": 5}"#).await;
    assert_snapshot!("run_created", created);
    let run = app.new_run().await;
    for (path, body) in [
        ("log-metric", r#""key": "loss", "value": 0.5, "timestamp": 7, "step": "3""#),
        ("log-metric", r#""key": "odd", "value": "NaN", "timestamp": 7"#),
        ("log-parameter", r#""key": "depth", "value": """#),
        ("set-tag", r#""key": "team", "value": "rot""#),
        (
            "log-batch",
            r#""metrics": [{"key": "inf", "value": "-Infinity", "timestamp": 1}], "params": [{"key": "p", "value": "1"}]"#,
        ),
    ] {
        let answer =
            app.post(&format!("{API}/runs/{path}"), &format!(r#"{{"run_id": "{run}", {body}}}"#)).await;
        assert_eq!(answer, "200 OK application/json\n{}", "{path}");
    }
    assert_snapshot!("run_read_back", app.get(&format!("{API}/runs/get?run_id={run}")).await);
    let history = format!("/ajax-api/2.0/mlflow/metrics/get-history?run_uuid={run}&metric_key=odd");
    assert_snapshot!("history_of_nan", app.get(&history).await);
    let bulk = format!("/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={run}&metric_key=loss");
    assert_snapshot!("history_bulk", app.get(&bulk).await);
}

#[tokio::test]
async fn refusals_have_mlflows_words() {
    let mut app = TestApp::new().await;
    let run = app.new_run().await;
    let mut answers = String::new();
    for (path, body) in [
        ("experiments/create", "{}".to_owned()),
        ("experiments/create", r#"{"name": 3}"#.into()),
        ("experiments/create", r#"{"name": "Default"}"#.into()),
        ("experiments/update", r#"{"experiment_id": "77", "new_name": "x"}"#.into()),
        ("experiments/set-experiment-tag", r#"{"experiment_id": "0", "key": "../x", "value": "y"}"#.into()),
        ("runs/create", r#"{"experiment_id": "abc"}"#.into()),
        ("runs/log-metric", format!(r#"{{"run_id": "{run}", "key": "m", "value": "x", "timestamp": 1}}"#)),
        ("runs/log-metric", format!(r#"{{"run_id": "{run}", "key": "m", "value": 1, "timestamp": -1}}"#)),
        ("runs/log-metric", r#"{"run_id": "no", "key": "m", "value": 1, "timestamp": 1}"#.into()),
        ("runs/log-batch", format!(r#"{{"run_id": "{run}", "metrics": [{{"key": "m", "value": 1}}]}}"#)),
        ("runs/log-batch", r#"{"run_id": "b@d"}"#.into()),
        ("runs/delete-tag", format!(r#"{{"run_id": "{run}", "key": "nope"}}"#)),
        ("runs/update", format!(r#"{{"run_id": "{run}", "status": "BOGUS"}}"#)),
    ] {
        let answer = app.post(&format!("{API}/{path}"), &body).await;
        answers.push_str(&format!("POST {path} {}\n{answer}\n\n", body.replace(&run, "RUN")));
    }
    assert_snapshot!("refusals", answers);
}

#[tokio::test]
async fn requests_that_are_no_messages_get_json_errors() {
    let mut app = TestApp::new().await;
    let mut answers = String::new();
    let create = format!("{API}/experiments/create");
    let requests = [
        ("invalid JSON", Request::post(&create).header(header::CONTENT_TYPE, "application/json"), "{bad"),
        ("another type", Request::post(&create).header(header::CONTENT_TYPE, "text/plain"), "{}"),
        ("no type", Request::post(&create), "{}"),
        ("unknown route", Request::get(format!("{API}/nothing")), ""),
        ("wrong method", Request::delete(&create), ""),
    ];
    for (what, request, body) in requests {
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        answers.push_str(&format!("{what}\n{answer}\n\n"));
    }
    assert_snapshot!("no_messages", answers);
}

#[tokio::test]
async fn an_oversize_body_is_refused_before_it_is_read_whole() {
    let mut app = TestApp::new().await;
    let request = Request::post(format!("{API}/runs/log-batch"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(vec![b' '; (64 << 20) + 1]))
        .unwrap();
    assert_snapshot!("oversize", app.send(request).await);
}

#[tokio::test]
async fn everything_moves_under_the_static_prefix() {
    let mut app = TestApp::with(|settings| settings.static_prefix = "/ml".into()).await;
    assert!(app.get("/ml/health").await.starts_with("200 OK"));
    assert!(app.get("/ml/api/2.0/mlflow/experiments/get?experiment_id=0").await.starts_with("200 OK"));
    assert!(app.get("/api/2.0/mlflow/experiments/get?experiment_id=0").await.starts_with("404"));
}

#[tokio::test]
async fn artifacts_only_switches_tracking_off() {
    let mut app = TestApp::with(|settings| settings.artifacts_only = true).await;
    assert_snapshot!("artifacts_only", app.get("/api/2.0/mlflow/experiments/get?experiment_id=0").await);
    assert!(app.get("/health").await.starts_with("200 OK"));
}

#[tokio::test]
async fn nul_is_refused_before_it_reaches_the_database() {
    let mut app = TestApp::new().await;
    let run = app.new_run().await;
    let before = app.get(&format!("{API}/runs/get?run_id={run}")).await;
    let mut answers = String::new();
    for (path, body) in [
        ("experiments/create", r#""name": "a\u0000b""#),
        ("experiments/create", r#""name": "n", "artifact_location": "/a\u0000b""#),
        ("experiments/create", r#""name": "n", "tags": [{"key": "a", "value": "\u0000"}]"#),
        ("experiments/set-experiment-tag", r#""experiment_id": "0", "key": "a", "value": "\u0000""#),
        ("experiments/update", r#""experiment_id": "0", "new_name": "\u0000""#),
        ("runs/create", r#""experiment_id": "0", "user_id": "\u0000""#),
        ("runs/create", r#""experiment_id": "0", "run_name": "\u0000""#),
        ("runs/update", r#""run_name": "a\u0000""#),
        ("runs/log-parameter", r#""key": "a", "value": "\u0000""#),
        ("runs/set-tag", r#""key": "a", "value": "\u0000""#),
        ("runs/log-batch", r#""params": [{"key": "a", "value": "1"}, {"key": "b", "value": "\u0000"}]"#),
        (
            "runs/log-batch",
            r#""tags": [{"key": "a", "value": "1"}], "metrics": [{"key": "\u0000", "value": 1, "timestamp": 1}]"#,
        ),
        (
            "runs/log-inputs",
            r#""datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "f", "profile": "\u0000"}}]"#,
        ),
        ("runs/outputs", r#""models": [{"model_id": "\u0000"}]"#),
        ("runs/search", r#""experiment_ids": ["0"], "filter": "params.a = '\u0000'""#),
        (
            "logged-models",
            r#""experiment_id": "0", "name": "n", "params": [{"key": "a", "value": "\u0000"}]"#,
        ),
    ] {
        let body = if path.starts_with("runs/") && path != "runs/create" && path != "runs/search" {
            format!(r#"{{"run_id": "{run}", {body}}}"#)
        } else {
            format!("{{{body}}}")
        };
        let answer = app.post(&format!("{API}/{path}"), &body).await;
        answers.push_str(&format!("{path} {}\n{answer}\n\n", body.replace(&run, "RUN")));
    }
    let ajax = "/ajax-api/2.0/mlflow";
    for path in [
        format!("{API}/runs/get?run_id=a%00"),
        format!("{API}/experiments/get-by-name?experiment_name=%00"),
        format!("{ajax}/metrics/get-history-bulk?run_id=a&run_id=%00&metric_key=m"),
        format!("{ajax}/metrics/get-history-bulk?run_id=a&metric_key=%00"),
        format!("{API}/metrics/get-history-bulk-interval?run_ids=%00&metric_key=m"),
        "/get-artifact?run_uuid=%00&path=a".to_owned(),
        format!("{API}/logged-models/a%00"),
    ] {
        answers.push_str(&format!("{path}\n{}\n\n", app.get(&path).await));
    }
    assert_snapshot!("refusals_of_nul", answers);
    assert_eq!(app.get(&format!("{API}/runs/get?run_id={run}")).await, before, "nothing was stored");
    let experiments = app.post(&format!("{API}/experiments/search"), r#"{"max_results": 10}"#).await;
    assert_eq!(experiments.matches("experiment_id").count(), 1, "{experiments}");
}
