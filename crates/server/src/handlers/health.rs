//! Liveness and version, as `text/html` because MLflow's framework says so of any text.

use axum::response::Html;

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
