//! The one place where a server that listens is told from one that serves. Until the database is there and its schema is ours,
//! probes are answered and everything else is asked to come back; from then on every request goes straight to the routes.

use crate::app::Settings;
use crate::handlers::health;
use crate::readiness::{DatabaseReport, Readiness};
use crate::respond::Failure;
use api::ErrorCode;
use artifacts::Store;
use axum::Router;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tower::Service;

/// A gate, closed at first. Cloning is cheap; all clones are one gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// The routes, once it is open.
    open: OnceLock<Router>,
    /// What answers until then.
    closed: Router,
    waiting: Arc<Waiting>,
}

/// Why the gate is closed.
struct Waiting {
    database: Mutex<DatabaseReport>,
    /// Told when requests can be answered: it is open, or stays closed for a while.
    answer: Notify,
    readiness: Readiness,
    destination: Option<Store>,
}

impl Gate {
    /// A gate that is closed.
    pub fn new(settings: &Settings) -> Self {
        let waiting = Arc::new(Waiting {
            database: Mutex::new(DatabaseReport::unknown()),
            answer: Notify::new(),
            readiness: Readiness::default(),
            destination: settings.destination.clone(),
        });
        let at = |path: &str| format!("{}/{path}", settings.static_prefix);
        let closed = Router::new()
            .route(&at("health"), get(health::health))
            .route(&at("version"), get(health::version))
            .route(&at("livez"), get(health::livez))
            .route(&at("readyz"), get(readyz))
            .fallback(come_back)
            .with_state(Arc::clone(&waiting));
        Self(Arc::new(Inner { open: OnceLock::new(), closed, waiting }))
    }

    /// Says what keeps it closed.
    pub fn explain(&self, reason: DatabaseReport) {
        *self.0.waiting.database.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Says that it stays closed for a while, so that requests had better be answered.
    pub fn answer(&self) {
        self.0.waiting.answer.notify_one();
    }

    /// Opens it for good.
    pub fn open(&self, routes: Router) {
        // Nobody opens it twice; who did would find it open.
        drop(self.0.open.set(routes));
        self.0.waiting.answer.notify_one();
    }

    /// Returns when requests can be answered: it is open, or stays closed for a while.
    pub async fn has_answer(&self) {
        self.0.waiting.answer.notified().await;
    }
}

async fn readyz(State(waiting): State<Arc<Waiting>>) -> Response {
    let database = waiting.database.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let report = waiting.readiness.report(async { database }, waiting.destination.as_ref()).await;
    health::answer(report)
}

async fn come_back() -> Failure {
    let text = "The server is not ready, and /readyz says why. Try again in a moment.";
    api::Error::new(ErrorCode::TemporarilyUnavailable, text).into()
}

impl<B> Service<Request<B>> for Gate
where
    Router: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.open.get().unwrap_or(&self.0.closed).clone().call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use std::path::PathBuf;
    use tower::ServiceExt;

    fn gate() -> Gate {
        Gate::new(&Settings {
            static_prefix: "/ml".into(),
            artifact_root: String::new(),
            destination: None,
            stores: artifacts::Stores::new(PathBuf::new(), artifacts::Environment::new(|_| None)),
            working_dir: PathBuf::new(),
            ui: None,
            artifacts_only: false,
            max_transfers: 1,
            source_pattern: None,
            locations: api::uri::Locations::default(),
            graphql: crate::graphql::QueryLimits::default(),
            limits: api::validate::Limits::default(),
            security: None,
        })
    }

    async fn ask(gate: &Gate, request: &str) -> (StatusCode, bool, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = gate.clone().oneshot(request).await.unwrap();
        let (status, asked_back) = (answer.status(), answer.headers().contains_key("retry-after"));
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, asked_back, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_closed_gate_answers_probes_and_asks_everyone_else_to_come_back() {
        let gate = gate();
        for (request, answer) in
            [("GET /ml/health", "OK"), ("GET /ml/version", "3.7.0"), ("GET /ml/livez", r#"{"alive":true}"#)]
        {
            assert_eq!(ask(&gate, request).await, (StatusCode::OK, false, answer.into()), "{request}");
        }
        gate.explain(DatabaseReport::no_connection("refused"));
        gate.answer();
        gate.has_answer().await;
        let (status, asked_back, body) = ask(&gate, "GET /ml/readyz").await;
        assert_eq!((status, asked_back), (StatusCode::SERVICE_UNAVAILABLE, true));
        assert!(body.contains(r#""ready":false,"database":"does not answer: refused""#), "{body}");
        for request in ["GET /ml/", "POST /ml/api/2.0/mlflow/runs/create", "DELETE /nowhere", "GET /health"] {
            let (status, asked_back, body) = ask(&gate, request).await;
            assert_eq!((status, asked_back), (StatusCode::SERVICE_UNAVAILABLE, true), "{request}");
            assert!(body.contains(r#""error_code":"TEMPORARILY_UNAVAILABLE""#), "{body}");
        }
    }

    #[tokio::test]
    async fn an_open_gate_is_not_there() {
        let gate = gate();
        gate.open(Router::new().route("/ml/health", get(async || "routes")));
        gate.has_answer().await;
        assert_eq!(ask(&gate, "GET /ml/health").await, (StatusCode::OK, false, "routes".into()));
        assert_eq!(ask(&gate, "GET /ml/livez").await.0, StatusCode::NOT_FOUND);
    }
}
