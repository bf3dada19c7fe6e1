//! A whole server in memory: requests go straight to the router, answers come back as text for snapshots.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use server::{App, Clock, Settings};
use std::collections::HashMap;
use store::db::Db;
use store::uri::DatabaseUri;
use tower::ServiceExt;

/// A server on a SQLite file that goes away with it. Its clock stands still at 1,000,000.
pub struct TestApp {
    router: Router,
    _folder: tempfile::TempDir,
    names: HashMap<String, String>,
}

impl TestApp {
    /// A server with MLflow's defaults.
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A server whose settings are changed first.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let uri = format!("sqlite:///{}", folder.path().join("test.db").display());
        let db = Db::open(&DatabaseUri::parse(&uri).expect("an address")).await.expect("a database");
        let root = "mlflow-artifacts:/".to_owned();
        store::schema::prepare(&db, root.clone(), 1).await.expect("a schema");
        let mut settings = Settings {
            static_prefix: String::new(),
            artifact_root: root,
            destination: Some(artifacts::Store::local(folder.path().join("mlartifacts"))),
            stores: artifacts::Stores::new(folder.path().to_owned(), artifacts::Environment::new(|_| None)),
            working_dir: folder.path().to_owned(),
            ui: None,
            artifacts_only: false,
            max_transfers: 100,
            locations: api::uri::Locations::default(),
            source_pattern: None,
            // Requests without a network have no Host; `tests/security.rs` sends one.
            security: None,
            graphql: server::QueryLimits::default(),
            limits: api::validate::Limits::default(),
        };
        change(&mut settings);
        let app = App::new(db, settings, Clock(|| 1_000_000));
        Self { router: server::router(app), _folder: folder, names: HashMap::new() }
    }

    /// `GET`, with a query if the path has one.
    pub async fn get(&mut self, path: &str) -> String {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// `POST` of JSON.
    pub async fn post(&mut self, path: &str, body: &str) -> String {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    /// Any request. The answer is its status, its type and its body, JSON pretty-printed, with ids and made-up names
    /// replaced by their order of appearance.
    pub async fn send(&mut self, request: Request<Body>) -> String {
        let (status, headers, body) = self.raw(request).await;
        let content_type = headers.get(header::CONTENT_TYPE);
        let body = match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(json) => serde_json::to_string_pretty(&json).expect("JSON"),
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        };
        let content_type = content_type.map_or("no type", |v| v.to_str().expect("ASCII"));
        format!("{status} {content_type}\n{}", self.masked(&body))
    }

    /// Any request, and the answer as it is.
    pub async fn raw(&mut self, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, headers, body)
    }

    /// `POST` of JSON, and the JSON of the answer, nothing masked.
    pub async fn post_json(&mut self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (_, _, body) = self.raw(request).await;
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Creates a run in the default experiment and answers its id.
    pub async fn new_run(&mut self) -> String {
        let new = serde_json::json!({"experiment_id": "0", "run_name": "probe"});
        let created = self.post_json("/api/2.0/mlflow/runs/create", &new).await;
        created["run"]["info"]["run_id"].as_str().expect("an id").to_owned()
    }

    fn masked(&mut self, text: &str) -> String {
        let mut out = String::new();
        for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let hex = word.strip_prefix("m-").unwrap_or(word);
            let kind = if hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                "id"
            } else if is_made_up(word) {
                "name"
            } else {
                out.push_str(piece);
                continue;
            };
            let next = format!("[{kind} {}]", self.names.len() + 1);
            let name = self.names.entry(word.to_owned()).or_insert(next);
            out.push_str(name);
            out.push_str(&piece[word.len()..]);
        }
        out
    }
}

fn is_made_up(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').collect();
    parts.len() == 3 && parts[2].parse::<u32>().is_ok() && parts[..2].iter().all(|p| !p.is_empty())
}
