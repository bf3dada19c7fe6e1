//! What registered model versions point to.

use std::collections::HashMap;
use store::gc::Version;

/// The ids that a model version names, each with the version: `name/number`.
#[derive(Debug, Default)]
pub(super) struct Protection(HashMap<String, String>);

impl Protection {
    /// A version points to its run, and to whatever its source names: `runs:/ID/..`, `models:/ID`, or a place with the id of a run
    /// or a model in its path. So every part of a source counts as an id, which protects too much rather than too little.
    pub(super) fn of(versions: Vec<Version>) -> Self {
        let mut named = HashMap::new();
        for Version { name, version, run_id, source, storage_location } in versions {
            let label = format!("{name}/{version}");
            for text in [run_id, source, storage_location].into_iter().flatten() {
                for part in text.split(['/', ':', '?', '#', '%', '\\']).filter(|part| !part.is_empty()) {
                    named.insert(part.to_owned(), label.clone());
                }
            }
        }
        Self(named)
    }

    /// The version that points to the object with this id.
    pub(super) fn by(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_source_protects() {
        let id = "0123456789abcdef0123456789abcdef";
        let model = format!("m-{id}");
        let version = |run_id: Option<&str>, source: &str| Version {
            name: "n".into(),
            version: 3,
            run_id: run_id.map(str::to_owned),
            source: Some(source.into()),
            storage_location: None,
        };
        for (versions, wanted) in [
            (version(Some(id), ""), id),
            (version(None, &format!("runs:/{id}/model")), id),
            (version(None, &format!("mlflow-artifacts:/1/{id}/artifacts/model")), id),
            (version(None, &format!("file:///data/1/{id}/artifacts")), id),
            (version(None, &format!("models:/{model}")), &model),
            (version(None, &format!("models:/{model}?x=1")), &model),
            (version(None, &format!("s3://b/1/models/{model}/artifacts")), &model),
        ] {
            assert_eq!(Protection::of(vec![versions.clone()]).by(wanted), Some("n/3"), "{versions:?}");
        }
        assert_eq!(Protection::of(vec![version(Some(id), "")]).by("another"), None);
    }
}
