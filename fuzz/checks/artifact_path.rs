// What must hold of a path from a client, whatever it is. Used by the fuzz target and, over the seeds, by `cargo test`.

use std::path::{Component, Path};

use artifacts::{ArtifactPath, Environment, Store, Stores, proxied};

/// Takes bytes for an artifact path, for the place of a run behind the proxy, for the location of an experiment, and for the source
/// of a model version.
///
/// # Panics
/// When one of them leads out of its root.
pub fn artifact_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(path) = ArtifactPath::parse(text) {
        stays_below(&path, text);
        // What is joined to a run's folder stays in it, and what was taken once is taken again as the same.
        let folder = ArtifactPath::parse("0/run/artifacts").expect("a path");
        let joined = folder.join(&path);
        assert!(
            path.is_root() || joined.as_str().starts_with("0/run/artifacts/"),
            "{text:?} became {joined}"
        );
        stays_below(&path.parent(), text);
    }
    let root = Path::new("/root/of/artifacts");
    let destination = Store::local(root.to_owned());
    let stores = Stores::new("/srv".into(), Environment::new(|_| None));
    for uri in [
        format!("mlflow-artifacts:/{text}"),
        format!("mlflow-artifacts://host/{text}"),
        format!("http://host/api/2.0/mlflow-artifacts/artifacts/{text}"),
    ] {
        if let Ok((_, folder)) = proxied::resolve(&uri, Some(&destination), &stores) {
            stays_below(&folder, &uri);
        }
    }
    let allowed = api::uri::Locations::parse("/data").expect("a folder");
    if let Ok(resolved) = allowed.resolve(text, Path::new("/data/cwd"))
        && api::uri::is_local_uri(&resolved).expect("a URI that was taken before")
    {
        let path = api::uri::local_path(&resolved).expect("a path");
        let climbs = Path::new(&path).components().any(|part| part == Component::ParentDir);
        assert!(Path::new(&path).starts_with("/data") && !climbs, "{text:?} is at {path:?}");
    }
    for source in [text.to_owned(), format!("s3://bucket/{text}"), format!("mlflow-artifacts:/{text}")] {
        source_of_a_version(&source);
    }
}

/// A source that is taken says `..` in no encoding.
fn source_of_a_version(source: &str) {
    let taken = match api::uri::Source::parse(source) {
        Ok(api::uri::Source::Address) => true,
        Ok(api::uri::Source::Folder(_)) => api::uri::leads_where_it_says(source),
        Err(_) => false,
    };
    let mut decoded = source.to_owned();
    for _ in 0..20 {
        let climbs = decoded.split(['/', '\\', '?', '#', ';']).any(|segment| segment.trim() == "..");
        assert!(!(taken && climbs), "{source:?} is taken, and means {decoded:?}");
        decoded = api::uri::percent_decode(&decoded).into_owned();
    }
}

fn stays_below(path: &ArtifactPath, text: &str) {
    let text_of_it = path.as_str();
    let decoded = api::uri::percent_decode(text_of_it);
    // Storage behind another server decodes once more.
    for form in [text_of_it, &decoded] {
        let climbs = form.split(['/', '\\']).any(|segment| segment == "..");
        assert!(!climbs, "{text:?} became {text_of_it:?}");
    }
    let escapes = text_of_it.starts_with(['/', '\\']) || text_of_it.contains('\0');
    assert!(!escapes, "{text:?} became {text_of_it:?}");
    let plain = Path::new(text_of_it).components().all(|part| matches!(part, Component::Normal(_)));
    assert!(plain, "{text:?} became {text_of_it:?}");
    let joined = Path::new("/root/of/artifacts").join(text_of_it);
    assert!(joined.starts_with("/root/of/artifacts"), "{text:?} became {text_of_it:?}");
}
