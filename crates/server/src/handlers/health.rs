//! Liveness and version.

/// The MLflow version whose API this is; clients read it from `/version`.
pub const MLFLOW_VERSION: &str = "3.7.0";

/// `GET /health`
pub async fn health() -> &'static str {
    "OK"
}

/// `GET /version`
pub async fn version() -> &'static str {
    MLFLOW_VERSION
}
