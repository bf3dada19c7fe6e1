//! What probes are told: that the server lives, and which of the parts it needs is not there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[expect(dead_code, reason = "the other tests use the rest")]
mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::TestApp;
use serde_json::{Value, json};
use store::db::Db;
use store::uri::DatabaseUri;

async fn probe(app: &mut TestApp, path: &str) -> (StatusCode, Value) {
    let (status, headers, body) = app.raw(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers.contains_key("retry-after"), status == StatusCode::SERVICE_UNAVAILABLE);
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_server_that_has_everything_is_ready() {
    let mut app = TestApp::new().await;
    assert_eq!(probe(&mut app, "/livez").await, (StatusCode::OK, json!({"alive": true})));
    let all = json!({"ready": true, "database": "ok", "schema": "ok", "artifacts": "ok"});
    assert_eq!(probe(&mut app, "/readyz").await, (StatusCode::OK, all));
}

#[tokio::test]
async fn who_serves_no_artifacts_needs_no_place_for_them() {
    let mut app = TestApp::with(|settings| settings.destination = None).await;
    let all = json!({"ready": true, "database": "ok", "schema": "ok", "artifacts": "not served"});
    assert_eq!(probe(&mut app, "/readyz").await, (StatusCode::OK, all));
}

/// A server behind whose back a statement was run.
async fn app_after(sql: &'static str) -> TestApp {
    let mut folder = None;
    let app = TestApp::with(|settings| folder = Some(settings.working_dir.clone())).await;
    let uri = format!("sqlite:///{}", folder.unwrap().join("test.db").display());
    let db = Db::open(&DatabaseUri::parse(&uri).unwrap()).await.unwrap();
    db.write(move |tx| Box::pin(tx.script(sql))).await.unwrap();
    app
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_named() {
    for (sql, schema) in [
        (
            "UPDATE alembic_version SET version_num = 'other'",
            "at revision other, where this server needs bf29a5ff90ea",
        ),
        ("DELETE FROM alembic_version", "has no revision"),
        ("DROP TABLE alembic_version", "cannot be read"),
    ] {
        let mut app = app_after(sql).await;
        let expected = json!({"ready": false, "database": "ok", "schema": schema, "artifacts": "ok"});
        assert_eq!(probe(&mut app, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, expected));
        assert_eq!(probe(&mut app, "/livez").await.0, StatusCode::OK, "a restart would mend nothing");
    }
}

#[tokio::test]
async fn a_place_for_artifacts_that_is_none_is_named() {
    let taken = tempfile::NamedTempFile::new().unwrap();
    let place = artifacts::Store::local(taken.path().to_owned());
    let mut app = TestApp::with(|settings| settings.destination = Some(place)).await;
    let expected =
        json!({"ready": false, "database": "ok", "schema": "ok", "artifacts": "cannot be written to"});
    assert_eq!(probe(&mut app, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, expected));
}
