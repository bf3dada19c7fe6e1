//! Passwords that stand where everybody reads them, and Secrets that are named and not there.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, Pod, Setting, list};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of variables and keys that hold a secret.
const SECRET_WORDS: [&str; 9] = [
    "PASSWORD",
    "PASSWD",
    "PWD",
    "SECRET",
    "TOKEN",
    "ACCESS_KEY",
    "ACCOUNT_KEY",
    "CONNECTION_STRING",
    "PRIVATE_KEY",
];
/// And endings of names that say it is something about one.
const HARMLESS_ENDS: [&str; 10] =
    ["_FILE", "_PATH", "_NAME", "_URL", "_ID", "_TTL", "_TYPE", "_ENABLED", "_DIR", "_EXPIRATION"];

/// Passwords in pods, ConfigMaps, and in the values that a chart makes Secrets of. None is repeated.
pub fn plain(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    let advice =
        "Put it into a Secret, and name that: valueFrom.secretKeyRef, or a file (--db-password-file)";
    for pod in manifests.pods() {
        let title = pod.object.title();
        for container in pod.containers() {
            for (name, setting) in manifests.variables(&pod, &container) {
                if let Setting::Literal(value) = setting
                    && holds_secret(&name, &value)
                {
                    let detail =
                        format!("{title}, container {}: {name} has a secret as its value", container.name);
                    traps.push(Trap::new(Verdict::Warning, detail, advice));
                }
            }
            if container.words().iter().any(|word| has_password(word)) {
                let detail = format!(
                    "{title}, container {}: an address among its arguments has a password",
                    container.name
                );
                traps.push(Trap::new(Verdict::Warning, detail, advice));
            }
        }
    }
    for map in manifests.of_kind("ConfigMap") {
        for (key, _) in map.entries().filter(|(key, value)| holds_secret(key, value)) {
            let detail = format!(
                "{}: {key} holds a secret, and whoever may look at the namespace reads it",
                map.title()
            );
            traps.push(Trap::new(Verdict::Warning, detail, advice));
        }
    }
    for secret in manifests.of_kind("Secret") {
        let keys: Vec<_> =
            secret.entries().filter(|(key, value)| holds_secret(key, value)).map(|(key, _)| key).collect();
        if !keys.is_empty() {
            let detail = format!(
                "{} is made of values ({}), which stay in the values file and in Helm's record of the release",
                secret.title(),
                keys.join(", ")
            );
            traps.push(Trap::new(
                Verdict::Notice,
                detail,
                "Make the Secret apart from the chart, and name it: existingSecret",
            ));
        }
    }
    traps
}

fn holds_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word))
        && !HARMLESS_ENDS.iter().any(|end| name.ends_with(end));
    let is_value = !value.is_empty() && !value.contains("$(") && !["true", "false"].contains(&value);
    (is_secret && is_value) || has_password(value)
}

/// Whether there is an address with a password in it.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', ' ', '"', '\'']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
        password.is_some_and(|password| {
            !password.is_empty() && !password.contains("$(") && !password.contains("${")
        })
    })
}

/// A Secret that pods name.
#[derive(Default)]
struct Wanted {
    keys: BTreeSet<String>,
    by: BTreeSet<String>,
}

/// Pods whose Secrets or ConfigMaps are missing do not start.
pub fn missing(manifests: &Manifests) -> Vec<Trap> {
    let mut wanted: BTreeMap<(&'static str, String, String), Wanted> = BTreeMap::new();
    for pod in manifests.pods() {
        for (kind, name, key) in references(&pod) {
            let one = wanted.entry((kind, pod.object.namespace.clone(), name)).or_default();
            one.keys.extend(key);
            one.by.insert(pod.object.title());
        }
    }
    let mut traps = Vec::new();
    for ((kind, namespace, name), Wanted { keys, by }) in wanted {
        let by = by.into_iter().collect::<Vec<_>>().join(", ");
        let Some(object) = manifests.find(kind, &namespace, &name) else {
            if kind == "Secret" && is_made_by_others(manifests, &namespace, &name) {
                continue;
            }
            let with = match keys.is_empty() {
                true => String::new(),
                false => format!(" with {}", keys.into_iter().collect::<Vec<_>>().join(", ")),
            };
            let detail =
                format!("the {kind} {name} is not among the manifests, and {by} does not start without it");
            let advice = format!(
                "Make it{with} in the same namespace, if it is not there: kubectl get {} {name}",
                kind.to_lowercase()
            );
            traps.push(Trap::new(Verdict::Notice, detail, advice));
            continue;
        };
        let there: BTreeSet<_> = object.entries().map(|(key, _)| key).collect();
        let lacking: Vec<_> = keys.difference(&there).cloned().collect();
        if !lacking.is_empty() {
            let detail =
                format!("{} has no {}, and {by} does not start without", object.title(), lacking.join(", "));
            traps.push(Trap::new(Verdict::Failure, detail, "Add the key, or name the one that is there"));
        }
    }
    traps
}

/// The Secrets and ConfigMaps that a pod cannot do without, with the key where one is named.
fn references(pod: &Pod<'_>) -> Vec<(&'static str, String, Option<String>)> {
    let mut found = Vec::new();
    let mut add = |kind, reference: &Value, field: &str, keyed: bool| {
        if let Some(name) = reference[field].as_str().filter(|_| reference["optional"] != Value::Bool(true)) {
            let key = reference["key"].as_str().filter(|_| keyed);
            found.push((kind, name.to_owned(), key.map(str::to_owned)));
        }
    };
    for container in pod.containers() {
        for from in list(&container.value["envFrom"]) {
            add("Secret", &from["secretRef"], "name", false);
            add("ConfigMap", &from["configMapRef"], "name", false);
        }
        for variable in list(&container.value["env"]) {
            add("Secret", &variable["valueFrom"]["secretKeyRef"], "name", true);
            add("ConfigMap", &variable["valueFrom"]["configMapKeyRef"], "name", true);
        }
    }
    for volume in list(&pod.spec["volumes"]) {
        add("Secret", &volume["secret"], "secretName", false);
        add("ConfigMap", &volume["configMap"], "name", false);
        for source in list(&volume["projected"]["sources"]) {
            add("Secret", &source["secret"], "name", false);
            // The cluster puts that one into every namespace.
            if source["configMap"]["name"] != "kube-root-ca.crt" {
                add("ConfigMap", &source["configMap"], "name", false);
            }
        }
    }
    found
}

/// Whether an object among the manifests makes another program write the Secret.
fn is_made_by_others(manifests: &Manifests, namespace: &str, name: &str) -> bool {
    let here =
        |kind: &'static str| manifests.of_kind(kind).filter(move |object| object.namespace == namespace);
    here("ExternalSecret").any(|object| {
        object.value.pointer("/spec/target/name").and_then(Value::as_str).unwrap_or(&object.name) == name
    }) || here("SealedSecret").any(|object| object.name == name)
        || here("Certificate").any(|object| object.value["spec"]["secretName"] == name)
        || here("SecretProviderClass").any(|object| {
            list(&object.value["spec"]["secretObjects"]).iter().any(|made| made["secretName"] == name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for (name, value, expected) in [
            ("PGPASSWORD", "geheim", true),
            ("AZURE_STORAGE_ACCESS_KEY", "geheim", true),
            ("adminPassword", "geheim", true),
            ("AWS_ACCESS_KEY_ID", "geheim", false),
            ("FERROFLOW_DB_PASSWORD_FILE", "/run/secret", false),
            ("PGPASSWORD", "$(OTHER)", false),
            ("PGPASSWORD", "", false),
            ("MLFLOW_BACKEND_STORE_URI", "postgresql://u:geheim@db/ml", true),
            ("MLFLOW_BACKEND_STORE_URI", "postgresql://u@db/ml", false),
            ("MLFLOW_BACKEND_STORE_URI", "postgresql://u:$(PGPASSWORD)@db/ml", false),
            ("MLFLOW_PORT", "5000", false),
        ] {
            assert_eq!(holds_secret(name, value), expected, "{name} {value}");
        }
    }
}
