//! GraphQL over HTTP: what is selected, what comes of it, and what is refused.

mod common;

use common::TestApp;
use insta::assert_snapshot;
use serde_json::{Value, json};

const API: &str = "/api/2.0/mlflow";

async fn ask(app: &mut TestApp, query: &str, variables: Value) -> String {
    app.post("/graphql", &json!({ "query": query, "variables": variables }).to_string()).await
}

/// Without the status line, which must be that of an answer.
fn answer(text: &str) -> Value {
    let (status, body) = text.split_once('\n').expect("a status line");
    assert_eq!(status, "200 OK application/json", "{body}");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test]
async fn a_run_with_all_that_belongs_to_it() {
    let mut app = TestApp::new().await;
    let run = app.new_run().await;
    let batch = json!({
        "run_id": run,
        "metrics": [
            {"key": "loss", "value": 0.5, "timestamp": 7, "step": "9007199254740993"},
            {"key": "nan", "value": "NaN", "timestamp": 7},
        ],
        "params": [{"key": "ü", "value": "\"🚀\"\n"}],
    });
    app.post(&format!("{API}/runs/log-batch"), &batch.to_string()).await;
    app.post(&format!("{API}/registered-models/create"), r#"{"name": "m"}"#).await;
    for _ in 0..2 {
        let version = json!({"name": "m", "source": "mlflow-artifacts:/m", "run_id": run});
        app.post(&format!("{API}/model-versions/create"), &version.to_string()).await;
    }
    let query = "query Q($i: MlflowGetRunInput!) @component(name: \"test\") {
        __typename
        mlflowGetRun(input: $i) {
            apiError { code }
            run { ...R twice: info { runId } info { status endTime } modelVersions { name version deploymentJobState { jobState } } }
        }
    }
    fragment R on MlflowRunExtension {
        data { metrics { key value step } params { key value } }
        info { runId }
        experiment { name tags { key } }
        outputs { modelOutputs { modelId } }
    }";
    assert_snapshot!("run", ask(&mut app, query, json!({"i": {"runId": run}})).await);
}

#[tokio::test]
async fn runs_share_one_look_at_what_they_belong_to() {
    let mut app = TestApp::new().await;
    app.post(&format!("{API}/registered-models/create"), r#"{"name": "m"}"#).await;
    for (number, versions) in [2, 0, 1].into_iter().enumerate() {
        let run = json!({"experiment_id": "0", "start_time": number, "run_name": format!("run {number}")});
        let created = app.post_json(&format!("{API}/runs/create"), &run).await;
        let run = created["run"]["info"]["run_id"].clone();
        for _ in 0..versions {
            let version = json!({"name": "m", "source": "mlflow-artifacts:/m", "run_id": run});
            app.post(&format!("{API}/model-versions/create"), &version.to_string()).await;
        }
    }
    let query = "{ mlflowSearchRuns(input: {experimentIds: \"0\", orderBy: [\"start_time\"]}) {
        runs { info { runName } experiment { experimentId } modelVersions { version } }
    } }";
    let found = answer(&ask(&mut app, query, json!({})).await);
    let runs = found["data"]["mlflowSearchRuns"]["runs"].as_array().expect("runs").clone();
    let numbers = |run: &Value| {
        let mut numbers: Vec<_> = run["modelVersions"]
            .as_array()
            .expect("versions")
            .iter()
            .map(|v| v["version"].to_string())
            .collect();
        numbers.sort();
        numbers.join(" ")
    };
    assert_eq!(runs.iter().map(numbers).collect::<Vec<_>>(), [r#""1" "2""#, "", r#""3""#]);
    assert!(runs.iter().all(|run| run["experiment"]["experimentId"] == "0"), "{runs:?}");
}

#[tokio::test]
async fn one_field_may_fail_beside_others() {
    let mut app = TestApp::new().await;
    let query = "{ no: mlflowGetRun(input: {runId: \"nope\"}) { run { info { runId } } } yes: test(inputString: \"a\") { output } }";
    assert_snapshot!("one_field_fails", ask(&mut app, query, json!({})).await);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let mut app = TestApp::new().await;
    let mut said = Vec::new();
    for body in
        ["", "{", "[]", "{}", r#"{"query": 3}"#, r#"{"query": "{ a"}"#, r#"[{"query": "{ __typename }"}]"#]
    {
        said.push(format!("{body}\n{}", app.post("/graphql", body).await));
    }
    said.push(format!("GET\n{}", app.get("/graphql?query={__typename}").await));
    assert_snapshot!("unreadable", said.join("\n\n"));
    let long = format!("{{ __typename }} #{}", "x".repeat(256 * 1024));
    assert!(ask(&mut app, &long, json!({})).await.contains("longer than 262144 bytes"));
    let large = ask(&mut app, "{ __typename }", json!({"a": "x".repeat(1024 * 1024)})).await;
    assert!(large.starts_with("413"), "{large}");
}

#[tokio::test]
async fn the_operator_sets_the_limits() {
    let mut app =
        TestApp::with(|settings| settings.graphql = server::QueryLimits { root_fields: 2, aliases: 1 }).await;
    let errors = |text: &str| answer(text)["errors"].to_string();
    let three = ask(&mut app, "{ __typename __typename __typename }", json!({})).await;
    assert!(errors(&three).contains("at most 2 root fields, got 3 root fields"), "{three}");
    let two = ask(&mut app, "{ a: __typename b: __typename }", json!({})).await;
    assert!(errors(&two).contains("at most 1 aliases, got 2 aliases"), "{two}");
    let fits = ask(&mut app, "{ a: __typename __typename }", json!({})).await;
    assert_eq!(answer(&fits)["errors"], Value::Null);
}

#[tokio::test]
async fn it_is_a_part_of_tracking() {
    let mut app = TestApp::with(|settings| settings.artifacts_only = true).await;
    let said = ask(&mut app, "{ __typename }", json!({})).await;
    assert!(said.starts_with("503"), "{said}");
}
