//! What the values of several charts have in common.

use super::node::Node;
use super::path::{Leaf, Path, Step};
use super::rules::Fate;
use crate::Cli;
use clap::CommandFactory;

/// The version whose schema and API Ferroflow has.
const VERSION: [u64; 3] = [3, 7, 0];

/// Repositories of MLflow's image, as the last two parts of a name.
const MLFLOW_IMAGES: [&str; 5] =
    ["burakince/mlflow", "mlflow/mlflow", "bitnami/mlflow", "bitnamilegacy/mlflow", "bitnamisecure/mlflow"];

const NOT_OURS: &str = "this image is not known to be MLflow's, and Ferroflow is not in it; put the chart's image into your registry \
                        and name that";

const NO_PROBE: &str = "the probes ask /livez and /readyz; of them only the times can be said: startupProbe, livenessProbe, readinessProbe";

/// Whether a repository is one of MLflow's image, whichever the registry.
pub fn is_mlflow_image(repository: &str) -> bool {
    MLFLOW_IMAGES.iter().any(|name| {
        repository.strip_suffix(name).is_some_and(|registry| registry.is_empty() || registry.ends_with('/'))
    })
}

/// `image.repository`.
pub fn repository(leaf: &Leaf, _: &Node) -> Fate {
    match &leaf.value {
        Node::Text(repository) if is_mlflow_image(repository) => {
            Fate::Replaced("the chart has an image of its own, with Ferroflow in it".into())
        }
        Node::Text(repository) if repository.ends_with("ferroflow") => Fate::moved(leaf, leaf.path.clone()),
        _ => Fate::left(NOT_OURS),
    }
}

/// `image.tag` and `image.digest`. The version of MLflow's image tells whether the database can be taken over.
pub fn tag(leaf: &Leaf, file: &Node) -> Fate {
    match file.text("image.repository") {
        Some(repository) if repository.ends_with("ferroflow") => return Fate::moved(leaf, leaf.path.clone()),
        Some(repository) if !is_mlflow_image(repository) => return Fate::left(NOT_OURS),
        _ => {}
    }
    let found = match &leaf.value {
        Node::Text(tag) => version(tag),
        // A tag without quotes, such as 2.9.
        Node::Float(tag) => version(&tag.to_string()),
        _ => None,
    };
    match found {
        Some(found) if found > VERSION => Fate::left(
            "Ferroflow has the database schema of MLflow 3.7.0, and a newer MLflow may have changed it; `ferroflow db check` \
             says whether the database can be served",
        ),
        Some(found) if found < VERSION => Fate::Replaced(
            "it goes with the image; the database of this older MLflow has to be migrated to the schema of 3.7.0, which \
             backendStore.databaseMigration does, so take a backup first"
                .into(),
        ),
        _ => Fate::Replaced("it goes with the image".into()),
    }
}

/// What is said of a probe: its times. The key before the last one names the probe.
pub fn probe(leaf: &Leaf, _: &Node) -> Fate {
    const TIMES: [&str; 4] = ["initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"];
    let keys: Vec<_> = leaf
        .path
        .0
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::Index(_) => "",
        })
        .collect();
    let Some(at) = keys.iter().position(|key| key.ends_with("Probe")) else { return Fate::left(NO_PROBE) };
    match &keys[at..] {
        [probe, key] if TIMES.contains(key) => Fate::moved(leaf, Path::of(probe).key(key)),
        [_, "enabled"] if leaf.value == Node::Bool(true) => Fate::Default,
        [_, "successThreshold"] if leaf.value == Node::Int(1) => Fate::Default,
        [_, "httpGet", ..] => Fate::Replaced(
            "the chart asks /livez and /readyz, which know of the database and the storage".into(),
        ),
        _ => Fate::left(NO_PROBE),
    }
}

/// A host of an Ingress: its name, and paths with their types.
pub fn host(leaf: &Leaf, _: &Node) -> Fate {
    const KEYS: &str = "a host has host and paths, and a path has path and pathType";
    match leaf.path.0.get(2..).unwrap_or_default() {
        [Step::Index(_), Step::Key(key)] if key == "host" => Fate::moved(leaf, leaf.path.clone()),
        [Step::Index(_), Step::Key(key)] if key == "paths" && leaf.value.is_empty() => {
            Fate::moved(leaf, leaf.path.clone())
        }
        [Step::Index(_), Step::Key(paths), Step::Index(_), Step::Key(key)]
            if paths == "paths" && (key == "path" || key == "pathType") =>
        {
            Fate::moved(leaf, leaf.path.clone())
        }
        _ => Fate::left(KEYS),
    }
}

/// The TLS of an Ingress: a Secret and its hosts.
pub fn tls(leaf: &Leaf, _: &Node) -> Fate {
    match leaf.path.0.get(2..).unwrap_or_default() {
        [Step::Index(_), Step::Key(key)] if key == "secretName" => Fate::moved(leaf, leaf.path.clone()),
        [Step::Index(_), Step::Key(key), ..] if key == "hosts" => Fate::moved(leaf, leaf.path.clone()),
        _ => Fate::left("an item has secretName and hosts"),
    }
}

/// Whether pods get a token of their ServiceAccount.
pub fn automount(leaf: &Leaf, _: &Node) -> Fate {
    match leaf.value {
        Node::Bool(false) | Node::Null => Fate::Default,
        _ => Fate::Replaced("pods get no token, as Ferroflow asks the API server for nothing".into()),
    }
}

/// The three numbers that a tag begins with.
fn version(tag: &str) -> Option<[u64; 3]> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let numbers = tag.split(|c: char| !c.is_ascii_digit()).take(3).map(|number| number.parse().ok());
    let numbers: Vec<u64> = numbers.map_while(|number| number).collect();
    match numbers.as_slice() {
        [major, minor, patch] => Some([*major, *minor, *patch]),
        [major, minor] => Some([*major, *minor, 0]),
        _ => None,
    }
}

/// What becomes of an option of `mlflow server`, given without its dashes.
pub enum Asked {
    /// `ferroflow server` has it.
    Known,
    /// It has it, and does nothing with it.
    NoEffect,
    /// It is not to be given so, for this reason.
    Refused(&'static str),
    Unknown,
}

/// Looks an option up.
pub fn option(name: &str) -> Asked {
    match name {
        "workers" | "gunicorn-opts" | "uvicorn-opts" | "waitress-opts" => return Asked::NoEffect,
        "host" => return Asked::Refused("say it by serverHost"),
        "port" => return Asked::Refused("say it by service.containerPort"),
        "backend-store-uri" => return Asked::Refused("name the database in backendStore"),
        "artifacts-destination" | "default-artifact-root" => {
            return Asked::Refused("name the place of artifacts in artifactRoot");
        }
        "serve-artifacts" | "no-serve-artifacts" => {
            return Asked::Refused("say it by artifactRoot.proxiedArtifactStorage");
        }
        "no-database-migration" => return Asked::Refused("say it by backendStore.databaseMigration"),
        "expose-prometheus" => return Asked::Refused("Ferroflow has no /metrics yet; leave it out"),
        "app-name" => {
            return Asked::Refused(
                "Ferroflow has no users and permissions yet; let the ingress ask for a password",
            );
        }
        _ => {}
    }
    let command = Cli::command();
    let known = command
        .find_subcommand("server")
        .is_some_and(|server| server.get_arguments().any(|argument| argument.get_long() == Some(name)));
    if known { Asked::Known } else { Asked::Unknown }
}

/// A key in camel case as an option is written.
pub fn kebab(key: &str) -> String {
    key.chars().fold(String::new(), |mut kebab, c| {
        if c.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
        kebab
    })
}

/// Whether `option_of` carries a key over.
pub fn is_carried(key: &str) -> bool {
    matches!(option(&kebab(key)), Asked::Known)
}

/// What becomes of an option that was given by a key in camel case, at this place.
pub fn option_of(key: &str, leaf: &Leaf, to: Path) -> Fate {
    let name = kebab(key);
    match option(&name) {
        Asked::Known => Fate::moved(leaf, to),
        Asked::NoEffect => Fate::Replaced(
            "this is about MLflow's web server; Ferroflow is one process that uses every core".into(),
        ),
        Asked::Refused(why) => Fate::left(why),
        Asked::Unknown => {
            Fate::left("`ferroflow server` has no such option; docs/options.md lists those that it has")
        }
    }
}

/// A value in a list of variables, `[{name, value or valueFrom}]`, which is a map in ours.
pub fn variable(leaf: &Leaf, file: &Node, list: &str) -> Fate {
    const NO_LIST: &str = "this is no list of variables with names";
    let (Some(Node::List(items)), Some(Step::Index(n))) =
        (file.at(list), leaf.path.0.get(list.split('.').count()))
    else {
        return Fate::left(NO_LIST);
    };
    let item = items.get(*n).unwrap_or(&Node::Null);
    let Some(name) = item.text("name") else { return Fate::left(NO_LIST) };
    let same_name = |item: &Node| item.text("name") == Some(name);
    let elsewhere = match file.at("env") {
        Some(Node::List(items)) if list != "env" => items.iter().any(same_name),
        _ => false,
    };
    if elsewhere || items[..*n].iter().any(same_name) {
        return Fate::left("another variable of this name stands before it; say it once");
    }
    let to = Path::of("extraEnvVars").key(name);
    let rest = &leaf.path.0[list.split('.').count() + 1..];
    match rest {
        [Step::Key(key)] if key == "value" => Fate::moved(leaf, to),
        [Step::Key(key), ..] if key == "valueFrom" => Fate::moved(leaf, to.then(rest)),
        [Step::Key(key)] if key == "name" && (item.get("value").or(item.get("valueFrom")).is_some()) => {
            Fate::Carried { to, value: None }
        }
        [Step::Key(key)] if key == "name" => Fate::set(to, Node::Text(String::new())),
        _ => Fate::left("a variable has a name, and value or valueFrom"),
    }
}

/// A sentence about passwords that stand in the file, if there are any under these keys.
pub fn plain_secrets(file: &Node, keys: &[(&str, &str)]) -> Vec<String> {
    let found = keys.iter().filter(|(key, _)| file.text(key).is_some());
    found
        .map(|(key, instead)| {
            format!(
                "{key} is a secret in plain text, which whoever reads the values or the release sees; better make a Secret, and \
                 name it in {instead}."
            )
        })
        .collect()
}

/// A word about cert-manager, which makes a certificate of its own for an annotated Ingress.
pub fn shim(file: &Node, annotations: &str, tls: &str) -> Option<String> {
    let annotations = file.at(annotations)?;
    let asks = ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer"]
        .iter()
        .any(|key| annotations.get(key).is_some());
    let has_tls = file.at(tls).is_some_and(|tls| !tls.is_empty() && *tls != Node::Bool(false));
    (asks && has_tls).then(|| {
        "The ingress names an issuer of cert-manager, which then writes a certificate of its own into the Secret of ingress.tls; if \
         that Secret comes from elsewhere, such as a copied wildcard, set ingress.certManagerShim to false."
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_mlflow_are_known() {
        for name in ["burakince/mlflow", "docker.io/bitnami/mlflow", "ghcr.io/mlflow/mlflow"] {
            assert!(is_mlflow_image(name), "{name}");
        }
        for name in ["mlflow", "me/mlflow", "notburakince/mlflow", "mlflow/mlflow-tracking"] {
            assert!(!is_mlflow_image(name), "{name}");
        }
    }

    #[test]
    fn versions_are_compared() {
        for (text, expected) in [
            ("3.7.0", Some([3, 7, 0])),
            ("v3.15.1-slim", Some([3, 15, 1])),
            ("2.22", Some([2, 22, 0])),
            ("latest", None),
            ("3", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
        let fate = |text: &str| {
            tag(&Leaf { path: Path::of("image.tag"), value: Node::Text(text.into()) }, &Node::Null)
        };
        assert!(matches!(fate("3.15.1"), Fate::Left(why) if why.contains("db check")));
        assert!(matches!(fate("2.9.0"), Fate::Replaced(why) if why.contains("backup")));
        assert!(matches!(fate("3.7.0"), Fate::Replaced(_)));
    }

    #[test]
    fn options_are_looked_up() {
        assert!(matches!(option(&kebab("artifactsOnly")), Asked::Known));
        assert!(matches!(option(&kebab("gunicornOpts")), Asked::NoEffect));
        assert!(matches!(option(&kebab("appName")), Asked::Refused(_)));
        assert!(matches!(option(&kebab("noSuchThing")), Asked::Unknown));
    }
}
