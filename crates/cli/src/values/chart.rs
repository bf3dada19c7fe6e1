//! The charts whose values can be converted, and telling them apart.

use super::node::Node;
use super::rules::{Added, Rule};
use super::{bitnami, community, official};

/// A chart for MLflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chart {
    Community,
    Official,
    Bitnami,
}

/// Keys that only one of the charts has at its top, or below `mlflow` and `server`.
const MARKS: [(Chart, &[&str]); 3] = [
    (
        Chart::Community,
        &[
            "backendStore",
            "artifactRoot",
            "extraSecretNamesForEnvFrom",
            "initImages",
            "flaskServerSecretKey",
            "ldapAuth",
            "oidcAuth",
            "extraFlags",
        ],
    ),
    (
        Chart::Official,
        &[
            "backendStoreUri",
            "backendStoreUriFrom",
            "registryStoreUri",
            "registryStoreUriFrom",
            "artifactsDestination",
            "defaultArtifactRoot",
        ],
    ),
    (
        Chart::Bitnami,
        &[
            "tracking",
            "run",
            "externalDatabase",
            "externalS3",
            "externalGCS",
            "externalAzureBlob",
            "waitContainer",
            "diagnosticMode",
            "gitImage",
            "volumePermissions",
        ],
    ),
];

/// Names of images that are told apart where no key is.
const IMAGES: [(Chart, &str); 3] = [
    (Chart::Community, "burakince/mlflow"),
    (Chart::Bitnami, "bitnami/mlflow"),
    (Chart::Official, "mlflow/mlflow"),
];

impl Chart {
    /// How it is called in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Community => "community chart (community-charts/mlflow)",
            Self::Official => "official chart (mlflow/mlflow)",
            Self::Bitnami => "bitnami chart (bitnami/mlflow)",
        }
    }

    /// What becomes of its values.
    pub fn tables(self) -> &'static [&'static [Rule]] {
        match self {
            Self::Community => community::TABLES,
            Self::Official => official::TABLES,
            Self::Bitnami => bitnami::TABLES,
        }
    }

    /// What it does without being told, and ours would not.
    pub fn added(self, file: &Node) -> Vec<Added> {
        match self {
            Self::Community => Vec::new(),
            Self::Official => official::added(file),
            Self::Bitnami => bitnami::added(file),
        }
    }

    /// What to tell of a file beyond its single values.
    pub fn advice(self, file: &Node) -> Vec<String> {
        match self {
            Self::Community => community::advice(file),
            Self::Official => official::advice(file),
            Self::Bitnami => bitnami::advice(file),
        }
    }
}

/// Whose values these are.
///
/// # Errors
/// A sentence, where the keys are of none or of several.
pub fn recognise(file: &Node) -> Result<Chart, String> {
    let has = |key: &str| {
        [Some(file), file.get("mlflow"), file.get("server")]
            .into_iter()
            .flatten()
            .any(|at| at.get(key).is_some())
    };
    let marked: Vec<_> =
        MARKS.iter().filter(|(_, keys)| keys.iter().any(|key| has(key))).map(|(chart, _)| *chart).collect();
    match marked.as_slice() {
        [chart] => Ok(*chart),
        [] => of_image(file).ok_or_else(|| {
            "the keys do not tell which chart they are for; say it by --from community, official or bitnami".into()
        }),
        _ => Err("there are keys of several charts; say which one it is by --from community, official or bitnami".into()),
    }
}

fn of_image(file: &Node) -> Option<Chart> {
    let repository = file.text("image.repository")?;
    IMAGES.iter().find(|(_, name)| repository.ends_with(name)).map(|(chart, _)| *chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_told_apart() {
        for (file, expected) in [
            ("{backendStore: {}, image: {}}", Some(Chart::Community)),
            ("{backendStoreUriFrom: {}}", Some(Chart::Official)),
            ("{mlflow: {backendStoreUri: x}}", Some(Chart::Official)),
            ("{tracking: {}, postgresql: {}}", Some(Chart::Bitnami)),
            ("{image: {repository: docker.io/burakince/mlflow}}", Some(Chart::Community)),
            ("{image: {repository: bitnami/mlflow}}", Some(Chart::Bitnami)),
            ("{image: {repository: ghcr.io/mlflow/mlflow}}", Some(Chart::Official)),
            ("{ingress: {}}", None),
            ("{tracking: {}, backendStore: {}}", None),
            ("{}", None),
        ] {
            assert_eq!(recognise(&Node::read(file).unwrap()).ok(), expected, "{file}");
        }
    }
}
