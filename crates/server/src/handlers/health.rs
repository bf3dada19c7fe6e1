//! Liveness, readiness and version. MLflow's own two are `text/html`, because its framework says so of any text.

use crate::app::App;
use crate::readiness::{self, Report};
use crate::respond::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

/// The MLflow version whose API this is; clients read it from `/version`.
pub const MLFLOW_VERSION: &str = "3.7.0";

/// `GET /health`
pub async fn health() -> Html<&'static str> {
    Html("OK")
}

/// `GET /version`
pub async fn version() -> Html<&'static str> {
    Html(MLFLOW_VERSION)
}

/// Neither a browser nor a proxy may keep what a probe says.
const NOT_KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// `GET /livez`: the process answers. It looks at nothing else, since a restart would mend nothing else.
pub async fn livez() -> Response {
    #[derive(Serialize)]
    struct Alive {
        alive: bool,
    }
    ([NOT_KEPT], Json(Alive { alive: true })).into_response()
}

/// `GET /readyz`: 200 if requests can be served, else 503; what is missing is in the body.
pub async fn readyz(State(app): State<App>) -> Response {
    let database = readiness::look_at_databases(app.db(), app.own_registry());
    let destination = app.settings().destination.as_ref();
    answer(app.readiness().report(database, destination).await)
}

/// What `/readyz` answers.
pub fn answer(report: Report) -> Response {
    if report.ready {
        ([NOT_KEPT], Json(report)).into_response()
    } else {
        let headers = [NOT_KEPT, (header::RETRY_AFTER, "1")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, Json(report)).into_response()
    }
}
