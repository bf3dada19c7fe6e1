//! `gateway-proxy`: the models that the UI offers for trying out prompts.

use crate::respond::{Json, Reply};
use serde::Serialize;

/// The models of a deployments server.
#[derive(Serialize)]
pub struct Endpoints {
    endpoints: [(); 0],
}

/// `GET` and `POST gateway-proxy`. MLflow answers so where no `MLFLOW_DEPLOYMENTS_TARGET` is set, whatever is asked. Ferroflow has no
/// such setting: a server that calls what a request names reaches what its caller should not.
///
/// # Errors
/// Never; the type is a handler's.
pub async fn proxy() -> Reply<Endpoints> {
    Ok(Json(Endpoints { endpoints: [] }))
}
