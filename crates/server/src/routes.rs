//! The route table: method, path, handler, and the permission that the call needs.
//!
//! A route cannot be written without its [`Needs`]. Paths are MLflow's; every API route is served under `/api` and
//! `/ajax-api`, and everything under the static prefix.

use crate::app::App;
use crate::handlers::{
    artifact_proxy, artifacts, datasets, experiments, gateway, graphql, health, logged_models, metrics,
    model_versions, multipart, promptlab, registered_models, runs, traces, webhooks,
};
use crate::security::GuardLayer;
use crate::{respond, transfers, ui};
use axum::Router;
use axum::extract::MatchedPath;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodFilter as M;
use axum::routing::{MethodRouter, on};

/// What a caller must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: probes, and pages without data.
    Nothing,
    /// A user, any: what is made belongs to them, what is listed is filtered.
    User,
    /// To see the object.
    Read(On),
    /// To change the object.
    Edit(On),
    /// To delete the object or bring it back.
    Manage(On),
    /// To be an administrator: what it shows or changes is everybody's, or may hold secrets.
    Admin,
}

/// The object a request names, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// `experiment_id`.
    Experiment,
    /// `experiment_name`.
    ExperimentName,
    /// Every one of `experiment_ids`; those that may not be read are left out.
    Experiments,
    /// The experiment of each of `locations`; those that may not be read are left out.
    Locations,
    /// The experiment of the trace `request_id`.
    Trace,
    /// The experiment of `run_id` or `run_uuid`.
    Run,
    /// The experiments of every one of `run_ids` or `run_id`.
    Runs,
    /// The experiment of the logged model whose `model_id` is in the path.
    LoggedModel,
    /// The registered model `name`, to which its versions belong.
    RegisteredModel,
    /// The experiment whose id is the first segment of the artifact path: that of the URL, or the parameter `path`.
    ArtifactPath,
}

/// Where a route lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    /// `/api/..` and `/ajax-api/..`
    Api,
    /// `/ajax-api/..` only: made for the UI.
    Ajax,
    /// The root.
    Root,
}

/// Which half of the server a route belongs to; `--artifacts-only` and `--no-serve-artifacts` switch one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Always,
    Tracking,
    Artifacts,
}

/// One line of the table.
pub struct Route {
    method: M,
    path: &'static str,
    /// What a caller must be allowed to do.
    pub needs: Needs,
    handler: MethodRouter<App>,
    under: Under,
    part: Part,
    /// Whether its bodies are files, which take turns.
    moves_files: bool,
}

fn route<H, T>(method: M, path: &'static str, handler: H, needs: Needs) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let handler = on(method, handler);
    Route { method, path, needs, handler, under: Under::Api, part: Part::Tracking, moves_files: false }
}

impl Route {
    fn ajax_only(self) -> Self {
        Self { under: Under::Ajax, ..self }
    }

    fn at_root(self) -> Self {
        Self { under: Under::Root, ..self }
    }

    fn always(self) -> Self {
        Self { part: Part::Always, ..self }
    }

    fn moves_files(self) -> Self {
        Self { moves_files: true, ..self }
    }

    fn of_artifacts(self) -> Self {
        Self { part: Part::Artifacts, ..self }
    }
}

/// Every route there is.
#[rustfmt::skip]
pub fn table() -> Vec<Route> {
    use Needs::{Admin, Edit, Manage, Nothing, Read, User};
    use On::{
        ArtifactPath, Experiment, ExperimentName, Experiments, Locations, LoggedModel, RegisteredModel, Run, Runs,
        Trace,
    };
    vec![
        route(M::GET,  "health",  health::health,  Nothing).at_root().always(),
        route(M::GET,  "version", health::version, Nothing).at_root().always(),
        route(M::GET,  "livez",   health::livez,   Nothing).at_root().always(),
        route(M::GET,  "readyz",  health::readyz,  Nothing).at_root().always(),

        route(M::GET,  "",                     ui::index,       User).at_root().always(),
        route(M::GET,  "static-files/{*path}", ui::static_file, Nothing).at_root().always(),
        route(M::GET,  "build/{*path}",        ui::static_file, Nothing).at_root().always(),

        route(M::POST, "2.0/mlflow/experiments/create",                experiments::create,      User),
        route(M::GET,  "2.0/mlflow/experiments/get",                   experiments::get,         Read(Experiment)),
        route(M::GET,  "2.0/mlflow/experiments/get-by-name",           experiments::get_by_name, Read(ExperimentName)),
        route(M::GET,  "2.0/mlflow/experiments/search",                experiments::search,      User),
        route(M::POST, "2.0/mlflow/experiments/search",                experiments::search,      User),
        route(M::POST, "2.0/mlflow/experiments/update",                experiments::update,      Edit(Experiment)),
        route(M::POST, "2.0/mlflow/experiments/delete",                experiments::delete,      Manage(Experiment)),
        route(M::POST, "2.0/mlflow/experiments/restore",               experiments::restore,     Manage(Experiment)),
        route(M::POST, "2.0/mlflow/experiments/set-experiment-tag",    experiments::set_tag,     Edit(Experiment)),
        route(M::POST, "2.0/mlflow/experiments/delete-experiment-tag", experiments::delete_tag,  Edit(Experiment)),
        route(M::POST, "2.0/mlflow/experiments/search-datasets",       datasets::search,         Read(Experiments)).ajax_only(),

        route(M::POST, "2.0/mlflow/runs/create",        runs::create,      Edit(Experiment)),
        route(M::GET,  "2.0/mlflow/runs/get",           runs::get,         Read(Run)),
        route(M::POST, "2.0/mlflow/runs/search",        runs::search,      Read(Experiments)),
        route(M::POST, "2.0/mlflow/runs/update",        runs::update,      Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/delete",        runs::delete,      Manage(Run)),
        route(M::POST, "2.0/mlflow/runs/restore",       runs::restore,     Manage(Run)),
        route(M::POST, "2.0/mlflow/runs/log-metric",    runs::log_metric,  Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/log-parameter", runs::log_param,   Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/log-batch",     runs::log_batch,   Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/set-tag",       runs::set_tag,     Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/delete-tag",    runs::delete_tag,  Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/log-model",     runs::log_model,   Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/log-inputs",    runs::log_inputs,  Edit(Run)),
        route(M::POST, "2.0/mlflow/runs/outputs",       runs::log_outputs, Edit(Run)),

        route(M::POST, "2.0/mlflow/runs/create-promptlab-run", promptlab::create_run, Edit(Experiment)).ajax_only().moves_files(),

        route(M::POST,   "2.0/mlflow/logged-models",                                        logged_models::create,         Edit(Experiment)),
        route(M::POST,   "2.0/mlflow/logged-models/search",                                 logged_models::search,         Read(Experiments)),
        route(M::GET,    "2.0/mlflow/logged-models/{model_id}",                             logged_models::get,            Read(LoggedModel)),
        route(M::PATCH,  "2.0/mlflow/logged-models/{model_id}",                             logged_models::finalize,       Edit(LoggedModel)),
        route(M::DELETE, "2.0/mlflow/logged-models/{model_id}",                             logged_models::delete,         Manage(LoggedModel)),
        route(M::POST,   "2.0/mlflow/logged-models/{model_id}/params",                      logged_models::log_params,     Edit(LoggedModel)),
        route(M::PATCH,  "2.0/mlflow/logged-models/{model_id}/tags",                        logged_models::set_tags,       Edit(LoggedModel)),
        route(M::DELETE, "2.0/mlflow/logged-models/{model_id}/tags/{tag_key}",              logged_models::delete_tag,     Manage(LoggedModel)),
        route(M::GET,    "2.0/mlflow/logged-models/{model_id}/artifacts/directories",       logged_models::list_artifacts, Read(LoggedModel)),
        route(M::GET,    "2.0/mlflow/logged-models/{model_id}/artifacts/files",             logged_models::get_artifact,   Read(LoggedModel)).ajax_only().moves_files(),
        route(M::GET,    "2.0/mlflow/logged-models/{model_id}/artifacts/zip",               logged_models::zip_artifacts,  Read(LoggedModel)).moves_files(),

        route(M::POST,   "2.0/mlflow/registered-models/create",              registered_models::create,       User),
        route(M::GET,    "2.0/mlflow/registered-models/get",                 registered_models::get,          Read(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/registered-models/search",              registered_models::search,       User),
        route(M::POST,   "2.0/mlflow/registered-models/rename",              registered_models::rename,       Edit(RegisteredModel)),
        route(M::PATCH,  "2.0/mlflow/registered-models/update",              registered_models::update,       Edit(RegisteredModel)),
        route(M::DELETE, "2.0/mlflow/registered-models/delete",              registered_models::delete,       Manage(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/registered-models/get-latest-versions", registered_models::get_latest,   Read(RegisteredModel)),
        route(M::POST,   "2.0/mlflow/registered-models/get-latest-versions", registered_models::get_latest,   Read(RegisteredModel)),
        route(M::POST,   "2.0/mlflow/registered-models/set-tag",             registered_models::set_tag,      Edit(RegisteredModel)),
        route(M::DELETE, "2.0/mlflow/registered-models/delete-tag",          registered_models::delete_tag,   Edit(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/registered-models/alias",               registered_models::get_by_alias, Read(RegisteredModel)),
        route(M::POST,   "2.0/mlflow/registered-models/alias",               registered_models::set_alias,    Edit(RegisteredModel)),
        route(M::DELETE, "2.0/mlflow/registered-models/alias",               registered_models::delete_alias, Manage(RegisteredModel)),

        route(M::POST,   "2.0/mlflow/model-versions/create",                 model_versions::create,           Edit(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/model-versions/get",                    model_versions::get,              Read(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/model-versions/search",                 model_versions::search,           User),
        route(M::PATCH,  "2.0/mlflow/model-versions/update",                 model_versions::update,           Edit(RegisteredModel)),
        route(M::POST,   "2.0/mlflow/model-versions/transition-stage",       model_versions::transition,       Edit(RegisteredModel)),
        route(M::DELETE, "2.0/mlflow/model-versions/delete",                 model_versions::delete,           Manage(RegisteredModel)),
        route(M::POST,   "2.0/mlflow/model-versions/set-tag",                model_versions::set_tag,          Edit(RegisteredModel)),
        route(M::DELETE, "2.0/mlflow/model-versions/delete-tag",             model_versions::delete_tag,       Manage(RegisteredModel)),
        route(M::GET,    "2.0/mlflow/model-versions/get-download-uri",       model_versions::get_download_uri, Read(RegisteredModel)),
        route(M::GET,    "model-versions/get-artifact",                      model_versions::get_artifact,     Read(RegisteredModel)).at_root().moves_files(),

        route(M::GET,  "2.0/mlflow/metrics/get-history",               metrics::get_history,               Read(Run)),
        route(M::GET,  "2.0/mlflow/metrics/get-history-bulk",          metrics::get_history_bulk,          Read(Runs)).ajax_only(),
        route(M::GET,  "2.0/mlflow/metrics/get-history-bulk-interval", metrics::get_history_bulk_interval, Read(Runs)),

        route(M::GET,  "2.0/mlflow/traces",        traces::search_v2, Read(Experiments)),
        route(M::POST, "3.0/mlflow/traces/search", traces::search_v3, Read(Locations)),
        route(M::GET,  "2.0/mlflow/get-trace-artifact", traces::artifact, Read(Trace)).ajax_only().moves_files(),

        // Each field of a query needs what its REST route does: `graphql::Root::needs`.
        route(M::GET,  "graphql", graphql::query, User).at_root(),
        route(M::POST, "graphql", graphql::query, User).at_root(),

        route(M::GET,  "2.0/mlflow/artifacts/list",  artifacts::list,   Read(Run)),
        route(M::GET,  "2.0/mlflow/artifacts/zip",   artifacts::zip,    Read(Run)).moves_files(),
        route(M::GET,  "get-artifact",               artifacts::get,    Read(Run)).at_root().moves_files(),
        route(M::POST, "2.0/mlflow/upload-artifact", artifacts::upload, Edit(Run)).ajax_only().moves_files(),

        // Their URLs may hold secrets of their receivers, and they tell of everybody's models.
        route(M::POST,   "2.0/mlflow/webhooks",                   webhooks::create, Admin),
        route(M::GET,    "2.0/mlflow/webhooks",                   webhooks::list,   Admin),
        route(M::GET,    "2.0/mlflow/webhooks/{webhook_id}",      webhooks::get,    Admin),
        route(M::PATCH,  "2.0/mlflow/webhooks/{webhook_id}",      webhooks::update, Admin),
        route(M::DELETE, "2.0/mlflow/webhooks/{webhook_id}",      webhooks::delete, Admin),
        route(M::POST,   "2.0/mlflow/webhooks/{webhook_id}/test", webhooks::test,   Admin),

        route(M::GET,  "2.0/mlflow/gateway-proxy", gateway::proxy, User).ajax_only().always(),
        route(M::POST, "2.0/mlflow/gateway-proxy", gateway::proxy, User).ajax_only().always(),

        route(M::GET,    "2.0/mlflow-artifacts/artifacts",                     artifact_proxy::list,      Read(ArtifactPath)).of_artifacts(),
        route(M::GET,    "2.0/mlflow-artifacts/zip",                           artifact_proxy::zip,       Read(ArtifactPath)).of_artifacts().moves_files(),
        route(M::GET,    "2.0/mlflow-artifacts/artifacts/{*artifact_path}",    artifact_proxy::get,       Read(ArtifactPath)).of_artifacts().moves_files(),
        route(M::PUT,    "2.0/mlflow-artifacts/artifacts/{*artifact_path}",    artifact_proxy::put,       Edit(ArtifactPath)).of_artifacts().moves_files(),
        route(M::DELETE, "2.0/mlflow-artifacts/artifacts/{*artifact_path}",    artifact_proxy::delete,    Manage(ArtifactPath)).of_artifacts(),
        route(M::POST,   "2.0/mlflow-artifacts/mpu/create/{*artifact_path}",   multipart::create, Edit(ArtifactPath)).of_artifacts(),
        route(M::POST,   "2.0/mlflow-artifacts/mpu/complete/{*artifact_path}", multipart::complete, Edit(ArtifactPath)).of_artifacts(),
        route(M::POST,   "2.0/mlflow-artifacts/mpu/abort/{*artifact_path}",    multipart::abort, Edit(ArtifactPath)).of_artifacts(),
    ]
}

/// The whole server: every route of the table at every place where it is served.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    let prefix = app.settings().static_prefix.clone();
    for route in table() {
        let places: &[&str] = match route.under {
            Under::Api => &["/api/", "/ajax-api/"],
            Under::Ajax => &["/ajax-api/"],
            Under::Root => &["/"],
        };
        let handler = match route.part {
            Part::Tracking if app.settings().artifacts_only => on(route.method, tracking_disabled),
            Part::Artifacts if app.settings().destination.is_none() => on(route.method, artifacts_disabled),
            _ if route.moves_files => route.handler.layer(from_fn_with_state(app.clone(), transfers::admit)),
            _ => route.handler,
        };
        for place in places {
            router = router.route(&format!("{prefix}{place}{}", route.path), handler.clone());
        }
    }
    if !prefix.is_empty() {
        router = router.route(&prefix, on(M::GET, ui::add_slash));
    }
    router
        .fallback(respond::unknown_route)
        .method_not_allowed_fallback(respond::wrong_method)
        .layer(GuardLayer(app.clone()))
        .with_state(app)
}

async fn tracking_disabled(path: MatchedPath) -> (StatusCode, String) {
    let text = format!(
        "Endpoint: {} disabled due to the mlflow server running in `--artifacts-only` mode. To enable tracking \
         server functionality, run `mlflow server` without `--artifacts-only`",
        flask_rule(path.as_str())
    );
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn artifacts_disabled(path: MatchedPath) -> (StatusCode, String) {
    let text = format!(
        "Endpoint: {} disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts \
         server functionality, run `mlflow server` with `--serve-artifacts`",
        flask_rule(path.as_str())
    );
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// The route as MLflow's texts name it: `<path:artifact_path>` for `{*artifact_path}`, `<model_id>` for `{model_id}`.
fn flask_rule(path: &str) -> String {
    path.replace("{*", "<path:").replace('{', "<").replace('}', ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(route: &Route) -> &'static str {
        let names =
            [(M::GET, "GET"), (M::POST, "POST"), (M::PUT, "PUT"), (M::PATCH, "PATCH"), (M::DELETE, "DELETE")];
        names.iter().find(|(filter, _)| *filter == route.method).expect("a method with a name").1
    }

    /// A changed permission changes this snapshot, so that no review misses it.
    #[test]
    fn permissions() {
        let lines: Vec<_> = table()
            .iter()
            .map(|route| {
                let under = format!("{:?}", route.under);
                format!("{under:<4} {:<6} /{} -> {:?}", method(route), route.path, route.needs)
            })
            .collect();
        insta::assert_snapshot!("permissions", lines.join("\n"));
    }

    #[test]
    fn a_route_that_writes_needs_more_than_to_see() {
        for route in table().into_iter().filter(|route| route.needs != Needs::Admin) {
            let method = method(&route);
            // MLflow searches and asks for models by POST; everything else that is not GET changes something.
            let asks = ["search", "search-datasets", "get-latest-versions", "gateway-proxy", "graphql"];
            let reads = method == "GET" || asks.iter().any(|end| route.path.ends_with(end));
            let writer = matches!(route.needs, Needs::Edit(_) | Needs::Manage(_));
            // What has no parent yet belongs to its maker.
            let made = ["2.0/mlflow/experiments/create", "2.0/mlflow/registered-models/create"];
            let makes = method == "POST" && made.contains(&route.path);
            let makes = makes && route.needs == Needs::User;
            assert_eq!(writer || makes, !reads, "{method} {} is declared {:?}", route.path, route.needs);
        }
    }

    #[test]
    fn what_needs_nothing_shows_no_data() {
        let open: Vec<_> =
            table().into_iter().filter(|r| r.needs == Needs::Nothing).map(|r| r.path).collect();
        assert_eq!(open, ["health", "version", "livez", "readyz", "static-files/{*path}", "build/{*path}"]);
    }
}
