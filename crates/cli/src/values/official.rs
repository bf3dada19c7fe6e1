//! The official chart. Only keys whose meaning is certain are carried over; the rest is left, and said to be.

use super::node::Node;
use super::path::{Leaf, Path};
use super::rules::Action::{Ask, Left, Refused, Same, To};
use super::rules::{Added, Fate, Rule, rule};
use super::shared;
use store::uri::DatabaseUri;

pub const TABLES: &[&[Rule]] = &[SERVER, STORES, POD, ACCESS];

const SERVER: &[Rule] = &[
    rule("replicaCount", "1", Same),
    rule("image.repository", "", Ask(shared::repository)),
    rule("image.tag", "''", Ask(shared::tag)),
    rule("image.digest", "''", Ask(shared::tag)),
    rule("image.pullPolicy", "IfNotPresent", Same),
    rule("imagePullSecrets.**", "[]", Same),
    rule("nameOverride", "''", Same),
    rule("fullnameOverride", "''", Same),
    rule("gc.enabled", "false", Same),
    rule("gc.schedule", "", Same),
    rule("gc.olderThan", "", Same),
];

const STORES: &[Rule] = &[
    rule("backendStoreUri", "''", Ask(backend)),
    rule(
        "backendStoreUriFrom.**",
        "{}",
        Left(
            "the database is named in parts: backendStore.postgres has host, port and database, and a Secret named in \
             backendStore.existingDatabaseSecret has user and password; take the address apart",
        ),
    ),
    rule("registryStoreUri", "''", To("extraEnvVars.MLFLOW_REGISTRY_STORE_URI")),
    rule("registryStoreUriFrom.**", "{}", To("extraEnvVars.MLFLOW_REGISTRY_STORE_URI.valueFrom")),
    rule("artifactsDestination", "''", To("artifactRoot.defaultArtifactsDestination")),
    rule("defaultArtifactRoot", "''", To("artifactRoot.defaultArtifactRoot")),
    rule("serveArtifacts", "", To("artifactRoot.proxiedArtifactStorage")),
    rule("persistence.enabled", "false", Same),
    rule("persistence.existingClaim", "''", Same),
    rule("persistence.size", "", Same),
    rule("persistence.storageClass", "''", Same),
    rule("persistence.accessModes.**", "", Same),
    rule("persistence.annotations.**", "{}", Same),
];

const POD: &[Rule] = &[
    rule("serviceAccount.create", "true", Same),
    rule("serviceAccount.automount", "", Ask(shared::automount)),
    rule("serviceAccount.annotations.**", "{}", Same),
    rule("serviceAccount.name", "''", Same),
    rule("podAnnotations.**", "{}", Same),
    rule("podLabels.**", "{}", To("extraPodLabels")),
    rule("podSecurityContext.**", "{}", Same),
    rule("securityContext.**", "{}", Same),
    rule("resources.**", "{}", Same),
    rule("startupProbe.**", "{}", Ask(shared::probe)),
    rule("livenessProbe.**", "{}", Ask(shared::probe)),
    rule("readinessProbe.**", "{}", Ask(shared::probe)),
    rule("nodeSelector.**", "{}", Same),
    rule("tolerations.**", "[]", Same),
    rule("affinity.**", "{}", Same),
    rule("topologySpreadConstraints.**", "[]", Same),
    rule("priorityClassName", "''", Same),
    rule("env.**", "[]", Ask(env)),
    rule("extraEnv.**", "[]", Ask(extra_env)),
    rule("initContainers.**", "[]", Same),
    rule("extraVolumes.**", "[]", Ask(more_volumes)),
    rule("volumes.**", "[]", To("extraVolumes")),
    rule("extraVolumeMounts.**", "[]", Ask(more_mounts)),
    rule("volumeMounts.**", "[]", To("extraVolumeMounts")),
];

const ACCESS: &[Rule] = &[
    rule("service.type", "ClusterIP", Same),
    rule("service.port", "", Same),
    rule("service.annotations.**", "{}", Same),
    rule("ingress.enabled", "false", Same),
    rule("ingress.className", "''", Same),
    rule("ingress.annotations.**", "{}", Same),
    rule("ingress.hosts.**", "", Ask(shared::host)),
    rule("ingress.tls.**", "[]", Ask(shared::tls)),
    rule("networkPolicy.enabled", "", Same),
    rule("networkPolicy.additionalEgressRules.**", "[]", To("networkPolicy.egress.extra")),
    rule(
        "tls.**",
        "",
        Refused {
            on: "tls.enabled",
            why: "the server speaks HTTP, and TLS ends at the ingress or the Gateway; leave it out, or put a proxy into \
                  extraContainers",
        },
    ),
];

/// `backendStoreUri`: ours takes an address in parts.
fn backend(leaf: &Leaf, _: &Node) -> Fate {
    let Node::Text(uri) = &leaf.value else { return Fate::left("an address is a text") };
    match DatabaseUri::parse(uri) {
        Ok(DatabaseUri::Sqlite(path)) => {
            Fate::set(Path::of("backendStore.defaultSqlitePath"), Node::Text(path.display().to_string()))
        }
        Ok(_) => postgres(uri).map_or_else(
            || {
                Fate::left(
                    "this address has more than host, port, database, user and password; write its parts into \
                     backendStore.postgres, and other parameters as variables of libpq into extraEnvVars",
                )
            },
            |parts| Fate::set(Path::of("backendStore.postgres"), parts),
        ),
        Err(_) => Fate::left("Ferroflow has PostgreSQL and SQLite; move the data there, and name it in backendStore.postgres"),
    }
}

/// The parts of an address that has no parameters, one host, and nothing encoded.
fn postgres(uri: &str) -> Option<Node> {
    let (_, rest) = uri.split_once("://")?;
    if rest.contains(['%', '?', ',', '[']) {
        return None;
    }
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, database) = place.split_once('/')?;
    let (host, port) = host.split_once(':').unwrap_or((host, "5432"));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    if host.is_empty() || database.is_empty() || database.contains('/') {
        return None;
    }
    let texts = [("host", host), ("database", database), ("user", user), ("password", password)];
    let mut parts = vec![("enabled".to_owned(), Node::Bool(true))];
    let given = texts.into_iter().filter(|(_, text)| !text.is_empty());
    parts.extend(given.map(|(key, text)| (key.to_owned(), Node::Text(text.to_owned()))));
    parts.push(("port".to_owned(), Node::Int(port.parse().ok()?)));
    Some(Node::Map(parts))
}

fn env(leaf: &Leaf, file: &Node) -> Fate {
    shared::variable(leaf, file, "env")
}

fn extra_env(leaf: &Leaf, file: &Node) -> Fate {
    shared::variable(leaf, file, "extraEnv")
}

fn more_volumes(leaf: &Leaf, file: &Node) -> Fate {
    one_of_two(leaf, file, "volumes")
}

fn more_mounts(leaf: &Leaf, file: &Node) -> Fate {
    one_of_two(leaf, file, "volumeMounts")
}

/// A list that another one takes the place of: items of both at the same place would become one.
fn one_of_two(leaf: &Leaf, file: &Node, other: &str) -> Fate {
    match file.at(other).is_none_or(Node::is_empty) {
        true => Fate::moved(leaf, leaf.path.clone()),
        false => Fate::left(format!("{other} is there, too; put both into one list")),
    }
}

/// Artifacts go through the server there unless the file says otherwise.
pub fn added(file: &Node) -> Vec<Added> {
    let is_served = file.text("artifactsDestination").is_some() && file.at("serveArtifacts").is_none();
    let served = Added {
        keys: "artifactRoot.proxiedArtifactStorage",
        value: Node::Bool(true),
        why: "the default of `mlflow server`",
    };
    is_served.then_some(served).into_iter().collect()
}

/// What to look at beside the single values.
pub fn advice(file: &Node) -> Vec<String> {
    let mut advice = vec![
        "The official chart's keys are told by their names, of which only the certain ones are carried over; compare the rendered \
         objects before you change over."
            .to_owned(),
    ];
    let has_password =
        file.text("backendStoreUri").and_then(postgres).is_some_and(|parts| parts.text("password").is_some());
    if has_password {
        advice.push(
            "backendStoreUri has a password in plain text, which is in backendStore.postgres.password now; better make a Secret, and \
             name it in backendStore.existingDatabaseSecret."
                .into(),
        );
    }
    if file.text("registryStoreUri").is_some_and(|uri| uri.contains('@')) {
        advice.push(
            "registryStoreUri may have a password, which is in extraEnvVars now; better put the address into a Secret, and write \
             valueFrom instead."
                .into(),
        );
    }
    advice.extend(shared::shim(file, "ingress.annotations", "ingress.tls"));
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parts = |uri: &str| postgres(uri).map(|parts| (parts.text("host").unwrap().to_owned(), parts));
        let (host, found) = parts("postgresql+psycopg2://me:se@cret@db.example:6432/mlflow").unwrap();
        assert_eq!((host.as_str(), found.at("port")), ("db.example", Some(&Node::Int(6432))));
        assert_eq!((found.text("user"), found.text("password")), (Some("me"), Some("se@cret")));
        assert_eq!(parts("postgresql://db/mlflow").unwrap().1.text("user"), None);
        for uri in [
            "postgresql://",
            "postgresql://a,b/mlflow",
            "postgresql://db/mlflow?sslmode=require",
            "postgresql://u:%40@db/x",
        ] {
            assert!(parts(uri).is_none(), "{uri}");
        }
    }
}
