//! From the artifact URI of a run, a model or a trace to a store and a place in it.
//!
//! Mirrors `handlers._is_servable_proxied_run_artifact_root` and `_get_proxied_run_artifact_destination_path`.

use crate::{ArtifactPath, Error, Result, Store, Stores};

/// What stands before the artifact's path in the HTTP form of a proxied URI, whatever the host and static prefix.
const ROUTE: &str = "/api/2.0/mlflow-artifacts/artifacts/";

/// Where the artifacts of `artifact_uri` are: the store, and the folder in it.
///
/// `mlflow-artifacts:` and `http(s):` URIs are places in `destination`, whatever host they name (as in MLflow: the
/// host is how the client reaches this server, or did once). Other URIs are opened on their own. `destination` is
/// what `--artifacts-destination` names, `None` under `--no-serve-artifacts`.
///
/// # Errors
/// [`Error::NotServed`] and [`Error::UnsupportedUri`] when this server cannot reach them, [`Error::InvalidPath`] for
/// a URI that would lead out of `destination`.
pub fn resolve(
    artifact_uri: &str,
    destination: Option<&Store>,
    stores: &Stores,
) -> Result<(Store, ArtifactPath)> {
    let parts = api::uri::parse(artifact_uri).map_err(|_| Error::InvalidPath)?;
    let folder = match parts.scheme.as_str() {
        "mlflow-artifacts" => parts.path.as_str(),
        "http" | "https" => match parts.path.split_once(ROUTE) {
            Some((_, folder)) => folder,
            None => return Err(Error::UnsupportedUri(parts.scheme)),
        },
        _ => return Ok((stores.open(artifact_uri)?, ArtifactPath::root())),
    };
    let destination = destination.ok_or_else(|| Error::NotServed(artifact_uri.to_owned()))?;
    // Decoded like any path: an upload to `mlflow-artifacts:/a%20b` went to `a b`, because the client puts the path
    // into a URL as it is. MLflow's listing looks into `a%20b` and finds nothing.
    Ok((destination.clone(), ArtifactPath::parse(folder.trim_start_matches('/'))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    fn stores() -> Stores {
        Stores::new("/srv".into(), Environment::new(|_| None))
    }

    fn folder(uri: &str) -> Result<String> {
        let destination = Store::local("/destination".into());
        let (store, folder) = resolve(uri, Some(&destination), &stores())?;
        Ok(format!("{store} + {folder}"))
    }

    #[test]
    fn proxied_uris_are_in_the_destination() {
        for uri in [
            "mlflow-artifacts:/1/abc/artifacts",
            "mlflow-artifacts:///1/abc/artifacts",
            "mlflow-artifacts://host:5000/1/abc/artifacts",
            "MLFLOW-ARTIFACTS:/1/abc/artifacts",
            "mlflow-artifacts:1/abc/artifacts",
            "mlflow-artifacts:/1/abc/artifacts?x=1#y",
            "http://host:5000/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts",
            "https://host/prefix/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts",
        ] {
            assert_eq!(folder(uri).unwrap(), "/destination + 1/abc/artifacts", "{uri}");
        }
        assert_eq!(folder("mlflow-artifacts:/").unwrap(), "/destination + ");
        assert_eq!(folder("mlflow-artifacts:/a%20b").unwrap(), "/destination + a b");
    }

    #[test]
    fn other_uris_are_stores_themselves() {
        assert_eq!(folder("/data/1/abc/artifacts").unwrap(), "/data/1/abc/artifacts + ");
        assert_eq!(folder("file:///data/1").unwrap(), "/data/1 + ");
        assert_eq!(folder("./mlruns/1").unwrap(), "/srv/mlruns/1 + ");
    }

    #[test]
    fn nothing_leads_out_of_the_destination() {
        for uri in [
            "mlflow-artifacts:/../etc",
            "mlflow-artifacts:/1/%2e%2e/%2e%2e/etc",
            "mlflow-artifacts://host/..%252f..%252fetc",
            "http://h/api/2.0/mlflow-artifacts/artifacts/../../etc",
        ] {
            assert!(matches!(folder(uri), Err(Error::InvalidPath)), "{uri}");
        }
    }

    #[test]
    fn what_another_server_has_is_refused() {
        let error = resolve("mlflow-artifacts:/1", None, &stores()).unwrap_err();
        assert!(error.to_string().contains("`--serve-artifacts`"), "{error}");
        assert!(matches!(folder("http://host/elsewhere/1"), Err(Error::UnsupportedUri(_))));
        assert!(matches!(folder("hdfs://host/1"), Err(Error::UnsupportedUri(_))));
    }
}
